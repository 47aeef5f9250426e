"""Write the data of the sandbox: ``python -m pdneuro.sandbox.make``. This folder is not installed."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

from pdneuro.sandbox.make import allen, brain, cave

FOLDER = Path(__file__).parents[1] / "data"


def contents() -> dict[str, bytes]:
    """Return the uncompressed content of each file, by the file's name without ``.gz``."""
    neurons, edges = brain.make()
    return {
        "neurons.csv": neurons.to_csv(index=False).encode(),
        "edges.csv": edges.to_csv(index=False).encode(),
        "allen.json": _json(allen.make()),
        "cave.json": _json(cave.make()),
    }


def write(folder: Path = FOLDER) -> None:
    """Write all files; the same data give the same bytes."""
    for name, content in contents().items():
        (folder / f"{name}.gz").write_bytes(packed(content))


def packed(content: bytes) -> bytes:
    """Return gzipped content; unlike ``gzip.compress``, the same for each Python version."""
    file = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=9, mtime=0) as archive:
        archive.write(content)
    return file.getvalue()


def _json(tables: Any) -> bytes:
    return json.dumps(tables, separators=(",", ":"), ensure_ascii=False).encode()
