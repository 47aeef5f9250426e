"""Several data sets in one edge table: neurons of each, and labels that all of them have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro.errors import InvalidEdgesError
from pdneuro.tables.annotation import ENDS
from pdneuro.tables.collapse import with_labels
from pdneuro.tables.columns import array_of
from pdneuro.tables.grouping import group_rows
from pdneuro.tables.ids import Int64Array
from pdneuro.tables.pairs import coded_ends

#: Column that says to which data set a row of an edge table belongs.
COLUMN = "dataset"


def datasets(edges: pd.DataFrame) -> tuple[Int64Array, pd.Index[Any]] | None:
    """Return the data set of each row as a number, and the data sets; None if there are not several.

    >>> edges = pd.DataFrame({"dataset": ["manc", "fanc", "manc"]})
    >>> codes, names = datasets(edges)
    >>> codes.tolist(), names.tolist()
    ([1, 0, 1], ['fanc', 'manc'])
    """
    if COLUMN not in edges.columns or not isinstance(edges[COLUMN], pd.Series):
        return None
    column = edges[COLUMN].astype(object)
    codes, names = pd.factorize(column, sort=True)
    if len(names) < 2:
        return None
    if (codes < 0).any():
        row = edges.index[int(np.argmax(codes < 0))]
        raise InvalidEdgesError(
            f"{int((codes < 0).sum()):,} rows have no data set in column {COLUMN!r}, the first in row "
            f"{row!r}. Add it, or drop these rows."
        )
    return codes.astype(np.int64), pd.Index(names, name=COLUMN)


def coded_neurons(edges: pd.DataFrame) -> tuple[pd.Index[Any], Any, Any]:
    """Return the sorted neurons of an edge table, and the positions of each edge's two ends in them.

    With several data sets, a neuron is a data set and an ID: the same number may be two neurons.
    """
    ids, pre, post = coded_ends(edges)
    found = datasets(edges)
    if found is None:
        return pd.Index(ids, name="id"), pre, post
    of_row, names = found
    keys = np.concatenate([of_row, of_row]) * max(len(ids), 1) + np.concatenate([pre, post])
    distinct, positions = np.unique(keys, return_inverse=True)
    levels = [names.take(distinct // max(len(ids), 1)), ids[distinct % max(len(ids), 1)]]
    neurons = pd.MultiIndex.from_arrays(levels, names=[COLUMN, "id"])
    return neurons, positions[: len(edges)], positions[len(edges) :]


def labels_by_end(edges: pd.DataFrame, group_by: Any) -> tuple[pd.DataFrame, dict[str, list[Any]]]:
    """Return the edges with labels, and the columns of labels of each end that has some.

    Raises
    ------
    ValueError
        ``group_by`` names a column of neither end.
    """
    edges, names = with_labels(edges, group_by)
    columns = {end: [name for name in names if str(name).endswith(ENDS[end])] for end in ENDS}
    others = [name for name in names if name not in ENDS and not str(name).endswith(("_pre", "_post"))]
    if others:
        raise ValueError(
            f"partners are grouped by labels of neurons, but {others[0]!r} is a column of edges."
        )
    return edges, {end: labels for end, labels in columns.items() if labels}


def label_codes(
    edges: pd.DataFrame, columns: Mapping[str, Sequence[Any]]
) -> tuple[dict[str, Int64Array], int]:
    """Return the labels of each end as numbers, -1 where one is missing, and how many labels exist.

    A label has the same number at both ends.
    """
    rows: dict[str, Int64Array] = {}
    tables: list[pd.DataFrame] = []
    for end, names in columns.items():
        groups = group_rows(*(edges[name] for name in names))
        codes = np.empty(len(edges), np.int64)
        codes[groups.rows] = np.repeat(np.arange(len(groups.starts)), groups.sizes)
        rows[end] = codes + sum(len(table) for table in tables)
        distinct = edges[list(names)].iloc[groups.first]
        stems = [str(name).removesuffix(ENDS[end]) for name in names]
        tables.append(distinct.set_axis(stems, axis=1).astype(object))
    both = pd.concat(tables, ignore_index=True)
    missing = both.isna().any(axis=1).to_numpy()
    numbers, _ = (
        pd.factorize(pd.MultiIndex.from_frame(both))
        if both.shape[1] > 1
        else pd.factorize(array_of(both.iloc[:, 0]))
    )
    numbers = np.where(missing, -1, numbers)
    return {end: numbers[codes] for end, codes in rows.items()}, int(numbers.max(initial=-1)) + 1


def in_all_datasets(
    edges: pd.DataFrame, codes: Mapping[str, Int64Array], count: int
) -> npt.NDArray[np.bool_]:
    """Return which labels exist in every data set, at either end of an edge."""
    found = datasets(edges)
    if found is None:
        return np.ones(count, bool)
    of_row, names = found
    present = np.zeros((len(names), count), bool)
    for labels in codes.values():
        known = labels >= 0
        present[of_row[known], labels[known]] = True
    return np.asarray(present.all(axis=0))
