"""Write the data of the sandbox."""

from pdneuro.sandbox.make import write

write()
