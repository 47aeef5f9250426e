"""Files that are there as a whole, or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A temporary name beside a file; what was written there takes the file's place at the end.

    After an error the file is as it was before.
    """
    target = target.resolve()  # a link stays one
    place = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield place
        if target.exists():
            shutil.copymode(target, place)
        os.replace(place, target)
    finally:
        place.unlink(missing_ok=True)
