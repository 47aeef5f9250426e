"""Show, clear, export and load the cache: ``pdneuro.cache``."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pandas as pd

from pdneuro._atomic import replacing
from pdneuro.errors import CacheError
from pdneuro.transport.store import Store, cache_folder

__all__ = ["clear", "export", "info", "load"]


def info() -> pd.DataFrame:
    """Return what is in the cache.

    Returns
    -------
    DataFrame
        One row per service address, credential, project and property: ``address``,
        ``credential`` (a fingerprint, not the token), ``project``, ``property``, ``ids`` (number of
        IDs, int64), ``bytes`` (int64), ``oldest`` and ``newest`` (time of the request, UTC).
        Documents, such as those of the Allen Brain Atlas, are one row per server and credential:
        ``property`` is ``"documents"``, ``project`` is empty, ``ids`` is their number.

    Examples
    --------
    >>> _ = pdneuro.sandbox.neurons().root_id.head(3).neuro.properties("size")
    >>> pdneuro.cache.info()[["project", "property", "ids"]]
                       project property  ids
    0  fruitfly_fafb_flywire     size    3
    """
    with _store() as store:
        rows = [(*scope, *facts) for scope, *facts in store.overview()]
    columns = ["address", "credential", "project", "property", "ids", "bytes", "oldest", "newest"]
    table = pd.DataFrame(rows, columns=columns)
    times = {name: pd.to_datetime(table[name], unit="s", utc=True) for name in columns[-2:]}
    return table.astype({"ids": "int64", "bytes": "int64"}).assign(**times)


def clear(
    *,
    project: str | None = None,
    property: str | None = None,
    older_than: float | timedelta | None = None,
) -> int:
    """Remove values and documents from the cache; without arguments also indexes of local connectomes.

    Documents are removed if no project and no other property than ``"documents"`` is named. Downloaded
    files stay.

    Parameters
    ----------
    project, property : str, optional
        Only those of this project, of this property. Default: all.
    older_than : float or timedelta, optional
        Only those downloaded more than this number of seconds ago.

    Returns
    -------
    int
        Number of values and documents removed.

    Examples
    --------
    >>> _ = pdneuro.sandbox.neurons().root_id.head(3).neuro.properties("size")
    >>> pdneuro.cache.clear(property="size")
    3
    """
    seconds = older_than.total_seconds() if isinstance(older_than, timedelta) else older_than
    if project is None and property is None and seconds is None:
        shutil.rmtree(cache_folder() / "indexes", ignore_errors=True)
    with _store() as store:
        return store.clear(project, property, seconds)


def export(path: str | os.PathLike[str]) -> Path:
    """Write all values and documents to one file that :func:`load` reads, also on another machine.

    They are used only with the token that they were downloaded with.

    Parameters
    ----------
    path : path
        A file that does not exist yet.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    CacheError
        The file exists already or cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = pdneuro.sandbox.neurons().root_id.head(3).neuro.properties("size")
    >>> file = pdneuro.cache.export(folder / "answers.sqlite")
    >>> file.name
    'answers.sqlite'
    """
    target = Path(path).expanduser()
    if target.exists():
        raise CacheError(f"{target} exists already; name a new file.")
    try:
        with _store() as store, replacing(target) as part:
            part.touch()  # SQLite's own error would be taken for one of the cache
            store.export(part)
    except OSError as error:
        raise CacheError(f"{target} cannot be written: {error}") from error
    return target


def load(path: str | os.PathLike[str]) -> int:
    """Add the values and documents of an exported file to the cache; of two the newer one stays.

    Parameters
    ----------
    path : path
        A file written by :func:`export`.

    Returns
    -------
    int
        Number of values and documents added or replaced.

    Raises
    ------
    CacheError
        There is no such file, or it is not one that :func:`export` wrote. The cache is unchanged.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = pdneuro.sandbox.neurons().root_id.head(3).neuro.properties("size")
    >>> file = pdneuro.cache.export(folder / "answers.sqlite")
    >>> pdneuro.cache.clear(), pdneuro.cache.load(file)
    (3, 3)
    """
    target = Path(path).expanduser()
    with _store() as store:
        try:
            return store.load(target)
        except sqlite3.Error as error:
            raise CacheError(f"{target} cannot be read as an exported cache: {error}.") from error


@contextlib.contextmanager
def _store() -> Iterator[Store]:
    store = Store.open()
    if store is None:
        raise CacheError(
            "the cache folder cannot be used; choose another: pdneuro.set_options(cache_dir=...)."
        )
    try:
        with store:
            yield store
    except sqlite3.Error as error:
        raise CacheError(
            f"the cache {store.path} cannot be read or written: {error}. If it is damaged, delete it."
        ) from error
