"""Join labels of neurons to both ends of an edge table."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from pdneuro.tables import roles
from pdneuro.tables.edges import require_edges
from pdneuro.tables.foreign import to_pandas
from pdneuro.tables.joins import Labels, add_columns, labels_of_each, lookup

#: Suffix of the columns of each end of an edge.
ENDS = {"pre": "_pre", "post": "_post"}


def annotate(
    edges: pd.DataFrame,
    nodes: pd.DataFrame | Labels,
    columns: Hashable | Sequence[Hashable] | None = None,
    *,
    on: Hashable | None = None,
    suffixes: Sequence[str | None] = ("_pre", "_post"),
    overwrite: bool = False,
) -> pd.DataFrame:
    """Add columns of the neurons for both ends of each edge.

    Parameters
    ----------
    edges : DataFrame
        An edge table.
    nodes : DataFrame, Series or mapping
        A table with one row per neuron, also of DuckDB, polars or pyarrow; or a label for each ID.
    columns : hashable or list, optional
        Columns of ``nodes``. Default: all but the IDs.
    on : hashable, optional
        Column of ``nodes`` that holds the IDs. Default: recognized by a name such as ``root_id``.
    suffixes : two str, default ("_pre", "_post")
        Text after the names of the new columns, which differs between the two ends.
    overwrite : bool, default False
        Replace existing columns of the same names. A column that exists with equal values is kept.

    Returns
    -------
    DataFrame
        The edges, row by row, with ``{column}_pre`` and ``{column}_post``: NA if a neuron is not in
        ``nodes``. Integers stay integers (``Int64`` if something is missing).

    Raises
    ------
    MissingColumnsError, AmbiguousColumnError
        A column does not exist, or no column of IDs is recognized, or several are.
    ValueError
        A neuron appears in several rows of ``nodes``.
    ColumnExistsError
        A new column already exists in the table with other values.

    Examples
    --------
    >>> from pdneuro.tables import annotate
    >>> edges = pd.DataFrame({"pre": [1, 2], "post": [2, 1], "weight": [3, 5]})
    >>> neurons = pd.DataFrame({"root_id": [1, 2], "type": ["KC", "MBON"]})
    >>> annotate(edges, neurons, "type")
       pre  post  weight type_pre type_post
    0    1     2       3       KC      MBON
    1    2     1       5     MBON        KC
    """
    edges = require_edges(edges)
    ends = checked_suffixes(suffixes)
    nodes = to_pandas(nodes)
    if not isinstance(nodes, pd.DataFrame):
        name = columns if isinstance(columns, Hashable) and columns else getattr(nodes, "name", None)
        added = at_both_ends(name or "group", edges, nodes, ends)
        return add_columns(edges, added, overwrite=overwrite, rename="suffixes=...")
    ids = roles.id_column(nodes, on)
    if columns is None:
        columns = [name for name in nodes.columns if name != ids.name]
    names = list(columns) if isinstance(columns, list | tuple | pd.Index) else [columns]
    labels = {name: roles.named_column(nodes, name) for name in names}
    values = lookup([edges[end].to_numpy() for end in ends], ids, labels)
    added = {
        f"{name}{suffix}": found[name]
        for name in names
        for suffix, found in zip(ends.values(), values, strict=True)
    }
    return add_columns(edges, added, overwrite=overwrite, rename="suffixes=...")


def checked_suffixes(suffixes: Any) -> dict[str, str]:
    """Return the suffix of each end of an edge, or of each of two tables."""
    given = suffixes if isinstance(suffixes, Iterable) and not isinstance(suffixes, str) else ()
    texts = ["" if text is None else text for text in given]
    if len(texts) != 2 or texts[0] == texts[1] or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"suffixes must be two different texts, not {suffixes!r}.")
    return {"pre": texts[0], "post": texts[1]}


def at_both_ends(
    name: Hashable, edges: pd.DataFrame, labels: Labels, ends: Mapping[str, str] = ENDS
) -> dict[str, Any]:
    """Return the labels of the neurons at both ends, as two new columns."""
    found = labels_of_each([edges[end].to_numpy() for end in ends], labels)
    return {f"{name}{suffix}": values for suffix, values in zip(ends.values(), found, strict=True)}
