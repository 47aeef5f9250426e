"""Examples that need caveclient run where it is installed: in the second of the two environments."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("caveclient") else ["pdneuro/root_ids.py", "docs/cave.md"]
