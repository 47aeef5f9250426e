"""Write a file completely, or leave the old one unchanged."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield a temporary path next to a file; at the end, what was written there replaces the file.

    After an error the old file is unchanged. The temporary name is unique, so that threads and processes
    that write the same file do not mix their rows.
    """
    target = target.resolve()
    part = target.with_name(f".{target.name}.{uuid.uuid4().hex}.part")
    try:
        yield part
        replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def overwrite(path: Path, content: bytes) -> None:
    """Write a short JSON document that only the owner can read, without a temporary copy.

    One call of the system writes it, so a process that is killed leaves the old document or the new one.
    """
    file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        path.chmod(0o600)
        # Spaces after the document replace the rest of a longer one until it is cut off.
        os.write(file, content.ljust(os.fstat(file).st_size))
        os.ftruncate(file, len(content))
    finally:
        os.close(file)


def replace(part: Path, target: Path) -> None:
    """Rename a complete file to its final name, with the mode of the file that it replaces."""
    target = target.resolve()
    if target.exists():
        shutil.copymode(target, part)
    os.replace(part, target)
