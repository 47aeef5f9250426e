"""Local connectomes: files or DataFrames as a source of properties and partners."""

from __future__ import annotations

import os

from pdneuro.connectome.source import Connectome

__all__ = ["Connectome", "open_source"]


def open_source(path: str | os.PathLike[str]) -> Connectome:
    """Open the source for a file of edges."""
    return Connectome.from_files(path)
