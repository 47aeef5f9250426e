"""Terms of the parcellation of the Allen Brain Cell Atlas: from a folder, or downloaded."""

from __future__ import annotations

import functools
import os
from pathlib import Path

import pandas as pd

from pdneuro.allen import send
from pdneuro.errors import InvalidFileError, MissingColumnsError, listing
from pdneuro.options import Fetch, get_option
from pdneuro.tables.parcellation import FILES, INDEX, LEVELS, MEMBERSHIP, by_level, terms_table
from pdneuro.transport.store import cache_folder

#: The version of the published terms.
_VERSION = "metadata/Allen-CCF-2020/20230630"


def parcellation_terms(terms: str | os.PathLike[str] | None = None) -> pd.DataFrame:
    """Return the terms of the parcellation by index, at five levels.

    Parameters
    ----------
    terms : path, optional
        A folder, or a folder above it, with the published files
        ``parcellation_to_parcellation_term_membership_acronym.csv``, ``..._name.csv`` and
        ``..._color.csv``, or with ``parcellation_to_parcellation_term_membership.csv``. Default:
        downloaded once from the option ``abc_atlas_url``.

    Returns
    -------
    DataFrame
        Index ``parcellation_index`` (int64). ``organ, category, division, structure, substructure``
        (acronyms), and the same with ``_name`` and ``_color``.

    Raises
    ------
    FileNotFoundError
        The folder does not contain the file of acronyms.
    ServiceError, OfflineError
        The request failed; or pdneuro is offline, and the terms were not downloaded before.

    Examples
    --------
    >>> terms = pdneuro.allen.parcellation_terms()
    >>> terms.loc[1, ["division", "substructure"]].tolist()
    ['HY', 'TMv']
    """
    if terms is None:
        return _downloaded(get_option("abc_atlas_url"), os.fspath(cache_folder()))
    folder = Path(terms).expanduser()
    found = {kind: next(iter(sorted(folder.rglob(name))), None) for kind, name in FILES.items()}
    if found["acronym"] is not None:
        return terms_table({kind: _read(path) for kind, path in found.items() if path is not None})
    whole = next(iter(sorted(folder.rglob(MEMBERSHIP))), None)
    if whole is None:
        raise FileNotFoundError(f"{folder} contains neither {FILES['acronym']} nor {MEMBERSHIP}.")
    return terms_table({kind: _checked(table, whole) for kind, table in by_level(_text(whole)).items()})


@functools.lru_cache(maxsize=2)
def _downloaded(address: str, cache: str) -> pd.DataFrame:
    folder = Path(cache) / "allen" / "terms"
    tables = {}
    for kind, name in FILES.items():
        path = folder / name
        if not path.exists():
            send.save(f"{address}/{_VERSION}/{name}", path, Fetch.of())
        tables[kind] = _read(path)
    return terms_table(tables)


def _read(path: Path) -> pd.DataFrame:
    return _checked(_text(path), path)


def _text(path: Path) -> pd.DataFrame:
    table: pd.DataFrame = pd.read_csv(path, dtype=str, keep_default_na=False)
    return table


def _checked(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return a table with one row per index, or raise an error that names the file."""
    missing = [name for name in (INDEX, *LEVELS) if name not in table.columns]
    if missing:
        raise MissingColumnsError(f"{path} lacks the columns {listing(map(repr, missing))}.")
    if table[INDEX].duplicated().any() or not table[INDEX].str.fullmatch(r"\d+").all():
        raise InvalidFileError(f"{path}: {INDEX!r} must be whole numbers that differ.")
    return table
