"""Indexes of files in the cache folder: opened while the files do not change, else built and saved."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from pdneuro.connectome.external_sort import build_on_disk
from pdneuro.connectome.index import Index, build
from pdneuro.connectome.kept import KeptRows
from pdneuro.errors import CacheWarning, warn
from pdneuro.tables.ids import Int64Array
from pdneuro.transport.store import cache_folder, make_private_folder

#: Increased when the layout of the files changes.
_LAYOUT = 1
_ARRAYS = ("ids", "start", "partner", "weight")


def on_disk(
    files: list[Path],
    options: object,
    pieces: Callable[[], Iterator[pd.DataFrame]],
    neurons: Callable[[], Int64Array],
    *,
    large: bool,
) -> Index | None:
    """Return the index of files in their current state: from the cache folder, or built and saved there.

    Parameters
    ----------
    files : list of Path
        Files of the edges and neurons; the first one is named in messages.
    options : object
        The paths that were given and everything else that the index depends on, as JSON. An index with
        the same options and an older state of the files is deleted.
    pieces : callable
        Function that reads the edges, in one piece if they are not many.
    neurons : callable
        Function that returns the IDs of the neurons.
    large : bool
        Also build an index of more than one piece; otherwise return None for it.
    """
    state = [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    owner, content = _digest(options), _digest([_LAYOUT, state, options])
    home = cache_folder() / "indexes"
    folder = home / f"{owner}-{content}"
    if folder.is_dir():
        try:
            return _open(folder)
        except (OSError, ValueError, EOFError):  # a damaged index is built again
            shutil.rmtree(folder, ignore_errors=True)
    read = pieces()
    first, second = next(read), next(read, None)
    if second is not None and not large:
        return None
    index = build(first, neurons()) if second is None else None
    try:
        make_private_folder(cache_folder())
        home.mkdir(exist_ok=True)
        with _unfinished(folder) as part:
            if second is not None:
                build_on_disk(itertools.chain([first, second], read), neurons(), part)
            else:
                assert index is not None
                for name in _ARRAYS:
                    np.save(part / f"{name}.npy", getattr(index, name), allow_pickle=False)
                if index.rows is not None:
                    index.rows.save(part)
    except OSError as error:
        warn(
            f"The index of {files[0].name} cannot be saved in {home} ({error}), so it is built at each "
            "start. Choose another folder with pdneuro.set_options(cache_dir=...).",
            CacheWarning,
        )
        return index or build(pd.concat(pieces()), neurons())
    try:
        index = _open(folder)
    except OSError:  # another process has read a newer state, and deletes this one
        index = index or build(pd.concat(pieces()), neurons())
    for old in home.glob(f"{owner}-*"):
        if old != folder:
            shutil.rmtree(old, ignore_errors=True)
    return index


def _digest(value: object) -> str:
    return hashlib.blake2b(json.dumps(value).encode(), digest_size=8).hexdigest()


def _open(folder: Path) -> Index:
    arrays = {name: np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r")) for name in _ARRAYS}
    return Index(**arrays, rows=KeptRows.open(folder))


@contextlib.contextmanager
def _unfinished(folder: Path) -> Iterator[Path]:
    """Rename a new folder to its name when it is complete: other processes never see a part of it."""
    unfinished = Path(tempfile.mkdtemp(prefix=".part-", dir=folder.parent))
    try:
        yield unfinished
        try:
            unfinished.rename(folder)
        except OSError:
            if not folder.is_dir():  # otherwise another process has written it
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
