"""Type, side and transmitter in tables of neurons, under the names that each source gives them."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro._compat import TEXT
from pdneuro.errors import UnknownFieldError, did_you_mean, listing
from pdneuro.tables import columns, roles
from pdneuro.tables.transmitters import largest_score

#: Names of the columns with a role, the best first.
NAMES: Mapping[str, tuple[str, ...]] = {
    "type": ("type", "cell_type", "primary_type", "primary cell type"),
    "side": ("side", "somaSide", "soma_side", "rootSide", "hemisphere"),
    "nt": ("nt", "consensusNt", "consensus_nt", "predictedNt", *roles.TRANSMITTER_NAMES),
}
#: Words for sides, by the spellings of the sources.
_SIDES = {
    "left": ("left", "Left", "L", "LHS"),
    "right": ("right", "Right", "R", "RHS"),
    "center": ("center", "Center", "M", "Midline", "C"),
}
_WORDS = {spelling: word for word, spellings in _SIDES.items() for spelling in spellings}


def columns_of(
    available: Iterable[Hashable], wanted: Iterable[str], source: str, **others: str
) -> dict[str, Hashable]:
    """Return the columns of type, side and transmitter, and of the fields that a query filters.

    Parameters
    ----------
    available : iterable of hashable
        Columns of the table of neurons.
    wanted : iterable of str
        Fields of the query: ``type``, ``side``, ``nt``, or names of columns.
    source : str
        Name of the source, for messages.
    **others
        Column of a role, if no column has one of its names.

    Returns
    -------
    dict
        Field to column; ``type``, ``side`` and ``nt`` only if the table has them.

    Raises
    ------
    UnknownFieldError
        The table does not have a wanted field.
    """
    known = list(available)
    spelled = {_spelled(name): name for name in reversed(known)}
    found: dict[str, Hashable] = {}
    for role, names in NAMES.items():
        column = next((spelled[_spelled(name)] for name in names if _spelled(name) in spelled), None)
        if column is None and others.get(role) in known:
            column = others[role]
        if column is not None:
            found[role] = column
    for name in wanted:
        if name not in found and name in known:
            found[name] = name
        elif name not in found:
            raise UnknownFieldError(
                f"the neurons of {source} have no field {name!r}.{did_you_mean(name, known)} Their "
                f"fields are {listing(known, 20)}."
            )
    return found


def spellings(name: str, values: Sequence[Any]) -> list[Any]:
    """Return values of a field, and for a side all its spellings.

    >>> spellings("side", ["left"]), spellings("type", ["DA1_lPN"])
    (['left', 'Left', 'L', 'LHS'], ['DA1_lPN'])
    """
    if name != "side":
        return list(values)
    return [word for value in values for word in _SIDES.get(_WORDS.get(value, ""), (value,))]


def matches(
    name: str, cells: Sequence[Any], values: Sequence[Any], *, regex: bool
) -> npt.NDArray[np.bool_]:
    """Return which entries of a field have one of some values, or match a pattern completely.

    >>> matches("type", ["DA1_lPN", "DA1_vPN", None], ["DA1.*"], regex=True).tolist()
    [True, True, False]
    """
    if name == "side":
        cells, values = [_word(cell) for cell in cells], [_word(value) for value in values]
    elif regex:
        patterns = [re.compile(value) for value in values if isinstance(value, str)]
        return np.array(
            [
                isinstance(cell, str) and any(pattern.fullmatch(cell) for pattern in patterns)
                for cell in cells
            ],
            bool,
        )
    return pd.Series(columns.objects(cells)).isin(list(values)).to_numpy(bool)


def standard(table: pd.DataFrame, ids: Hashable, chosen: Mapping[str, Hashable]) -> pd.DataFrame:
    """Return neurons as ``root_id, type, side, nt`` and the other fields of a query.

    Parameters
    ----------
    table : DataFrame
    ids : hashable
        Column of exact IDs.
    chosen : mapping
        Field to column, from :func:`columns_of`.

    Returns
    -------
    DataFrame
        ``root_id`` (int64); ``type``, ``side`` (``left``, ``right``, ``center``, or as the source writes
        it) and ``nt``, text, missing if the table lacks them; the others with their own dtypes.
    """
    found: dict[str, Any] = {"root_id": np.asarray(table[ids], np.int64)}
    for name in dict.fromkeys([*NAMES, *chosen]):
        if name not in chosen:
            found[name] = columns.missing_text(len(table))
            continue
        cells = [None if pd.isna(cell) else cell for cell in table[chosen[name]].tolist()]
        if name == "side":
            cells = sides(cells, in_names=chosen[name] == "instance")
        if name in NAMES:
            found[name] = pd.array([None if cell is None else str(cell) for cell in cells], dtype=TEXT)
        else:
            found[name] = columns.column(cells, name)
    return pd.DataFrame(found, copy=False)


def select(
    table: pd.DataFrame, ids: Hashable, filters: Mapping[str, Sequence[Any]], source: str, *, regex: bool
) -> pd.DataFrame:
    """Return the neurons of a table with one of the values of each field; see :func:`standard`.

    >>> neurons = pd.DataFrame({"root_id": [11, 12], "cell_type": ["PN", "LN"], "side": ["L", "R"]})
    >>> select(neurons, "root_id", {"type": ["PN"]}, "mine", regex=False).side.tolist()
    ['left']
    """
    table = _with_transmitters(table)
    chosen = columns_of([name for name in table.columns if name != ids], filters, source)
    kept = np.ones(len(table), bool)
    for name, values in filters.items():
        kept &= matches(name, table[chosen[name]].tolist(), values, regex=regex)
    found = standard(table[kept], ids, chosen)
    repeated = found["root_id"].duplicated(keep=False).to_numpy(copy=True)
    if repeated.any():  # a table of labels or annotations has many rows per neuron
        repeated[repeated] = found[repeated].astype(str).duplicated()
        found = found[~repeated].reset_index(drop=True)
    return found


def _with_transmitters(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose transmitters are a column, from the scores if it has no other."""
    spelled = {_spelled(name) for name in table.columns}
    scores = roles.complete_scores(table.columns)
    if not scores or any(_spelled(name) in spelled for name in NAMES["nt"]):
        return table
    return table.assign(nt=largest_score(table, scores))


def values_of(table: pd.DataFrame, ids: Hashable, name: str, source: str) -> list[Any]:
    """Return the distinct values of a field of a table of neurons."""
    table = _with_transmitters(table)
    chosen = columns_of([column for column in table.columns if column != ids], [name], source)
    return [value for value in pd.unique(table[chosen[name]]).tolist() if not pd.isna(value)]


def sides(cells: Sequence[Any], *, in_names: bool) -> list[Any]:
    """Return the words for sides, or for the sides at the end of names.

    >>> sides(["DA1_lPN_R", "x"], in_names=True), sides(["LHS"], in_names=False)
    (['right', None], ['left'])
    """
    return [_side_of(cell) if in_names else _word(cell) for cell in cells]


def _side_of(instance: Any) -> str | None:
    """Return the side at the end of a name such as ``DA1_lPN_R``."""
    end = re.search(r"_([LRM])$", instance) if isinstance(instance, str) else None
    return _WORDS[end[1]] if end else None


def _word(side: Any) -> Any:
    return _WORDS.get(side, side) if isinstance(side, str) else side


def _spelled(name: Hashable) -> str:
    return re.sub(r"[\s_-]+", "_", str(name).strip()).casefold()
