"""Names of neurons in place of IDs, as in tables of C. elegans: text that stays text."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api import types

from pdneuro._compat import TEXT
from pdneuro.errors import InvalidIdError, listing
from pdneuro.tables.columns import check_choice
from pdneuro.tables.ids import Int64Array, Mask, as_series, distinct_ids, id_array
from pdneuro.tables.provenance import facts

#: The choices of ``nodes=``.
IDS, NAMES = "ids", "names"

#: IDs (int64) or names (object).
Nodes = npt.NDArray[Any]


def checked_nodes(nodes: Any) -> str:
    """Return the choice of ``nodes=``, or raise an error.

    >>> checked_nodes("names")
    'names'
    """
    check_choice("nodes", nodes, (IDS, NAMES))
    return str(nodes)


def has_names(edges: Any) -> bool:
    """Return whether an edge table was converted with ``nodes="names"``.

    >>> table = pd.DataFrame({"pre": ["AVAL"], "post": ["AVBL"], "weight": [3]})
    >>> has_names(table), has_names(table.neuro.as_edges(nodes="names"))
    (False, True)
    """
    if facts(edges).get("nodes") != NAMES:
        return False
    names = edges.columns if isinstance(edges, pd.DataFrame) else edges.coords
    # The neurons may be numbered by now.
    return not any(_are_numbers(edges[end]) for end in ("pre", "post") if end in names)


def _are_numbers(end: Any) -> bool:
    if not isinstance(end, pd.Series):
        end = pd.Series(end.to_numpy().ravel())
    return types.is_integer_dtype(end.dtype) or types.infer_dtype(end, skipna=True) == "integer"


def name_array(values: pd.Series[Any] | pd.Index[Any]) -> tuple[Nodes, Mask]:
    """Return names without the blanks around them ("" if missing), and the mask of missing ones.

    Raises
    ------
    InvalidIdError
        A cell is a number, or text of digits: that is an ID.
    """
    series = as_series(values)
    codes, distinct = pd.factorize(series.to_numpy(dtype=object))
    texts = [item.strip() if isinstance(item, str) else item for item in distinct]
    ids = [item for item in texts if not isinstance(item, str) or item.isdigit()]
    if ids:
        every = " only" if len(ids) == len(texts) else ""
        raise InvalidIdError(
            f"column {series.name!r} contains{every} IDs where nodes='names' expects names: "
            f"{listing(map(repr, ids))}. Text of digits is always an ID. "
            + ("Leave nodes= out." if every else "Correct these cells, or give each neuron a name.")
        )
    table = np.array([*texts, ""], dtype=object)
    found = table[codes]
    return found, found == ""


def named_edges(pre: Nodes, post: Nodes, weight: Int64Array) -> pd.DataFrame:
    """Return an edge table with names at both ends."""
    ends = {"pre": pd.array(pre, TEXT), "post": pd.array(post, TEXT)}
    return pd.DataFrame({**ends, "weight": np.asarray(weight, np.int64)})


def node_array(values: pd.Series[Any] | pd.Index[Any], like: Nodes) -> tuple[Nodes, Mask | None]:
    """Return IDs or names, as another array has them, and the mask of missing ones."""
    if like.dtype != object:
        return id_array(values)
    names, missing = name_array(values)
    return names, missing if missing.any() else None


def distinct_nodes(values: pd.Series[Any] | pd.Index[Any], like: Nodes) -> Nodes:
    """Return distinct IDs or names in order of first appearance, without missing ones."""
    if like.dtype != object:
        return distinct_ids(values)
    names, missing = name_array(values)
    return np.asarray(pd.unique(names[~missing]), dtype=object)


def require_numbers(edges: pd.DataFrame, what: str) -> None:
    """Raise an error if a table has names where IDs are needed."""
    if has_names(edges):
        raise InvalidIdError(f"{what} needs numbers as IDs, and the table has names. {NUMBER_THEM}")


#: How names become IDs, and IDs names again.
NUMBER_THEM = (
    "Number the names: numbers, names = pd.factorize(pd.concat([edges.pre, edges.post])), then "
    "edges.assign(pre=numbers[:len(edges)] + 1, post=numbers[len(edges):] + 1); names[id - 1] returns "
    "the name of an ID."
)
