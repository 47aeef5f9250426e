"""Run the command line as ``python -m pdneuro``."""

from pdneuro.cli import run

run()
