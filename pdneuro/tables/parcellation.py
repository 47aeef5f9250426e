"""The parcellation of the Allen Brain Cell Atlas: the index of a voxel, and its terms at five levels."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from pdneuro._compat import TEXT
from pdneuro.errors import InvalidIdError, UnknownFieldError, did_you_mean, listing
from pdneuro.tables.ids import convert, fault_error

#: Name of the columns of indexes.
INDEX = "parcellation_index"
LEVELS = ("organ", "category", "division", "structure", "substructure")
#: Kinds of terms: the suffix of the column of a level, and the word in the name of the file.
KINDS = {"": "acronym", "_name": "name", "_color": "color"}
#: The published file with one row per index and level.
MEMBERSHIP = "parcellation_to_parcellation_term_membership.csv"
#: The published files with one row per index, by kind.
FILES = {kind: f"parcellation_to_parcellation_term_membership_{kind}.csv" for kind in KINDS.values()}


def is_index(name: Hashable) -> bool:
    """Return whether a name is that of a column of parcellation indexes.

    >>> is_index("parcellation_index"), is_index("structure_id")
    (True, False)
    """
    return isinstance(name, str) and name.strip().casefold() == INDEX


def terms_table(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the terms by index, from the table of each kind.

    Columns are ``organ, ..., substructure`` (acronyms), and the same with ``_name`` and ``_color``.
    """
    parts = []
    for suffix, kind in KINDS.items():
        if kind in tables:
            table = tables[kind].set_index(INDEX)[list(LEVELS)].astype(TEXT)
            parts.append(table.add_suffix(suffix))
    found = pd.concat(parts, axis=1)
    return found.set_axis(found.index.astype(np.int64))


def by_level(membership: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the table of each kind, from the published table with one row per index and level."""
    columns = {
        "acronym": "parcellation_term_acronym",
        "name": "parcellation_term_name",
        "color": "color_hex_triplet",
    }
    level = "parcellation_term_set_name"
    return {
        kind: membership.pivot(index=INDEX, columns=level, values=column).reset_index()
        for kind, column in columns.items()
        if column in membership.columns
    }


def look_up(indexes: pd.Series[Any], terms: pd.DataFrame, fields: list[str]) -> pd.DataFrame:
    """Return the terms of a column of indexes, row by row.

    Raises
    ------
    InvalidIdError
        An index is not in the terms, as an ID of a structure is not.
    UnknownFieldError
        A field is neither a level, nor a level with ``_name`` or ``_color``.
    """
    for name in fields:
        if name not in terms.columns:
            raise UnknownFieldError(
                f"the terms have no field {name!r}.{did_you_mean(name, terms.columns)} The fields are "
                f"{listing(map(repr, terms.columns), 15)}."
            )
    numbers, missing, fault = convert(indexes)
    if fault is not None:
        raise fault_error(indexes, fault, indexes.name)
    rows = terms.index.get_indexer(pd.Index(numbers))
    absent = np.zeros(len(rows), bool) if missing is None else missing
    unknown = (rows < 0) & ~absent
    if unknown.any():
        values = list(dict.fromkeys(numbers[unknown].tolist()))
        raise InvalidIdError(
            f"column {indexes.name!r} contains {listing(map(str, values))}, which the terms of the "
            "parcellation do not have. A parcellation index is not the ID of a structure: if these are "
            "structure IDs of the Common Coordinate Framework, rename the column to 'structure_id'."
        )
    rows = np.where(absent, -1, rows)
    columns = {name: terms[name].array.take(rows, allow_fill=True) for name in fields or list(LEVELS)}
    return pd.DataFrame(columns, index=indexes.index)
