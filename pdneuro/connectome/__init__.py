"""Local connectomes: files or DataFrames as a source of properties, partners and skeletons."""

from __future__ import annotations

import os

from pdneuro.connectome.source import Connectome
from pdneuro.connectome.swc_files import SwcFiles

__all__ = ["Connectome", "SwcFiles", "open_skeletons", "open_source"]


def open_source(path: str | os.PathLike[str]) -> Connectome:
    """Open the source for a file of edges."""
    return Connectome.from_files(path)


def open_skeletons(path: str | os.PathLike[str]) -> SwcFiles:
    """Open the source for files in SWC format."""
    return SwcFiles(path)
