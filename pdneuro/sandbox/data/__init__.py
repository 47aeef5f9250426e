"""Data files of the sandbox, which ``python -m pdneuro.sandbox.make`` writes."""

from __future__ import annotations

import gzip
import json
from importlib import resources
from typing import Any


def load(name: str) -> Any:
    """Return the content of a JSON file of this folder, a new copy at each call."""
    return json.loads(gzip.decompress((resources.files(__package__) / f"{name}.json.gz").read_bytes()))
