"""The node table of reconstructions: its columns, who is whose parent, and what is wrong.

A node table has the columns ``neuron, node, type, x, y, z, radius, parent`` (µm); ``neuron`` may be
absent where there is one. The parent of a root is -1. Nothing here repairs a table.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro._compat import TEXT
from pdneuro.errors import MissingColumnsError, did_you_mean, listing
from pdneuro.tables.ids import Int64Array
from pdneuro.tables.provenance import inherit

COLUMNS = ("node", "type", "x", "y", "z", "radius", "parent")
DTYPE = np.dtype(
    [(name, np.int64 if name in ("node", "type", "parent") else np.float64) for name in COLUMNS]
)
NEURON = "neuron"
ROOT = -1
SOMA = 1
NO_SOMA = "no soma"
#: What can be wrong with a node, and with a neuron.
_PROBLEMS = {
    "self-parent": "the node is its own parent",
    "missing parent": "there is no node {parent}",
    "cycle": "the way to the root comes back to the node",
    "duplicate": "node {node} stands there already",
    "no coordinates": "x, y or z is missing",
    "no radius": "the radius is missing",
    NO_SOMA: "no node is of type 1",
}
#: What stands in place of a row of the parent.
_NO_PARENT, _MISSING, _SELF = -1, -2, -3

Rows = npt.NDArray[np.intp]
FloatArray = npt.NDArray[np.float64]


def is_node_table(table: pd.DataFrame) -> bool:
    """Whether a table has the columns of a reconstruction."""
    return set(COLUMNS) <= set(table.columns)


def required(nodes: pd.DataFrame) -> pd.DataFrame:
    """The table itself, or an error that names the columns it lacks."""
    if not is_node_table(nodes):
        absent = [name for name in COLUMNS if name not in nodes.columns]
        left = [name for name in nodes.columns if name not in COLUMNS]
        raise MissingColumnsError(
            f"a node table has the columns {', '.join(COLUMNS)}; {listing(absent, 7)} are absent."
            f"{did_you_mean(absent[0], left)} Read one with pdneuro.neuromorpho.read_swc(path)."
        )
    return nodes


class Nodes(NamedTuple):
    """The columns of a node table as arrays; ``codes`` number the neurons, None where there is one."""

    codes: Rows | None
    node: Int64Array
    type: Int64Array
    x: FloatArray
    y: FloatArray
    z: FloatArray
    radius: FloatArray
    parent: Int64Array

    @classmethod
    def of(cls, columns: Iterable[Any], codes: Rows | None = None) -> Nodes:
        """Seven columns as arrays of the right kind."""
        kinds = [DTYPE[name] for name in COLUMNS]
        arrays: list[Any] = [np.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
        return cls(codes, *arrays)


def arrays(table: pd.DataFrame) -> tuple[Nodes, pd.Index[Any]]:
    """The arrays of a node table, and its neurons in order of appearance."""
    required(table)
    codes, names = None, pd.Index([""], name=NEURON)
    if NEURON in table.columns:
        numbers, names = pd.factorize(table[NEURON], use_na_sentinel=False)
        codes = numbers if len(names) > 1 else None
    return Nodes.of([table[name] for name in COLUMNS], codes), pd.Index(names, name=NEURON)


def segments(table: pd.DataFrame) -> tuple[Rows, FloatArray, Rows | None]:
    """For each row the row of its parent (negative: none), the distance, the number of its neuron."""
    nodes, _ = arrays(table)
    rows = parents(nodes)
    return rows, segment_lengths(nodes, rows), nodes.codes


def parents(nodes: Nodes) -> Rows:
    """For each row the row of its parent; negative for a root, a missing parent, an own parent.

    Of several nodes with the same number the first is the parent.
    """
    node, parent, count = nodes.node, nodes.parent, len(nodes.node)
    if nodes.codes is None and count and node[0] == 1 and (np.diff(node) == 1).all():
        rows = np.where((parent > 0) & (parent <= count), parent - 1, _MISSING)
    elif count:
        keys, wanted = node, parent
        if nodes.codes is not None:
            labels, values = pd.factorize(np.concatenate([node, parent]))
            labels = labels + np.tile(nodes.codes, 2) * len(values)
            keys, wanted = labels[:count], labels[count:]
        order = np.argsort(keys, kind="stable")
        places = np.minimum(np.searchsorted(keys, wanted, sorter=order), count - 1)
        rows = np.where(keys[order[places]] == wanted, order[places], _MISSING)
    else:
        rows = np.empty(0, np.intp)
    rows[parent == ROOT] = _NO_PARENT
    rows[parent == node] = _SELF
    return rows.astype(np.intp, copy=False)


def segment_lengths(nodes: Nodes, rows: Rows) -> FloatArray:
    """Distance of each node to its parent in µm; 0 where it has none."""
    above = np.where(rows >= 0, rows, np.arange(len(rows)))
    squares = [np.square(place - place[above]) for place in (nodes.x, nodes.y, nodes.z)]
    return np.where(rows >= 0, np.sqrt(sum(squares)), 0.0)


@functools.cache
def _labels() -> pd.Index[Any]:
    return pd.Index([NEURON, *COLUMNS])


def frame(nodes: Nodes, extras: list[list[str]], name: str) -> pd.DataFrame:
    """The table of one neuron; ``extras`` are the words beyond the seven numbers of each row."""
    # Labels are ready-made or objects: to make an index of text takes longer than all else here.
    dtype = pd.CategoricalDtype(pd.Index([name], dtype=object))
    neuron = pd.Categorical.from_codes(np.zeros(len(nodes.node), np.int8), dtype=dtype)
    table = pd.DataFrame(dict(enumerate([neuron, *nodes[1:]])))
    table.columns = _labels()
    for place in range(max(map(len, extras), default=0)):
        words = [row[place] if place < len(row) else None for row in extras]
        table[f"column_{place + 8}"] = pd.array(words, dtype=TEXT)
    return table


def joined(tables: Sequence[pd.DataFrame], neurons: Sequence[Hashable]) -> pd.DataFrame:
    """Node tables one below the other, under the names of their neurons."""
    if not tables:
        return empty()
    names = dict.fromkeys(name for table in tables for name in table.columns[1:])
    parts: dict[str, Any] = {NEURON: neuron_column(neurons).repeat([len(table) for table in tables])}
    for name in names:
        if name in COLUMNS:  # much faster than concat() for many small tables
            parts[name] = np.concatenate([table[name].to_numpy() for table in tables])
        else:
            nothing = [
                table[name] if name in table else pd.Series(index=table.index, dtype=TEXT)
                for table in tables
            ]
            parts[name] = pd.concat(nothing).array
    return pd.DataFrame(parts)


def neuron_column(names: Sequence[Hashable]) -> Any:
    """The column ``neuron``: IDs as integers, names as categories."""
    if names and all(isinstance(name, int | np.integer) for name in names):
        return np.array(names, np.int64)
    codes, labels = pd.factorize(pd.Series(cast(Any, names), dtype=object))
    return pd.Categorical.from_codes(codes, dtype=pd.CategoricalDtype(pd.Index(labels, dtype=object)))


def by_neuron(nodes: pd.DataFrame) -> list[tuple[Hashable, pd.DataFrame]]:
    """The neurons of a table, each with its own rows."""
    required(nodes)
    if NEURON not in nodes.columns:
        return [("neuron", nodes)]
    return list(nodes.groupby(NEURON, sort=False, observed=True))


def empty() -> pd.DataFrame:
    """A node table without nodes."""
    return frame(Nodes.of([[]] * len(COLUMNS)), [], "").iloc[:0]


# -- what is wrong --------------------------------------------------------------------------------


class Ways(NamedTuple):
    """The way of each node up to its root."""

    #: Path distance in µm; NaN where it ends in a cycle.
    distance: FloatArray
    #: Rows of nodes on a cycle.
    cycle: Rows


def ways(rows: Rows, length: FloatArray) -> Ways:
    """Sum lengths from each node to its root, by steps that double."""
    count = len(rows)
    distance = np.where(rows >= 0, length, 0.0)
    above = np.where(rows >= 0, rows, count)  # one further row stands for what is above the roots
    above = np.append(above, count)
    distance = np.append(distance, 0.0)
    for _ in range(max(count, 1).bit_length() + 1):
        if (above == count).all():
            return Ways(distance[:-1], np.empty(0, np.intp))
        distance += distance[above]
        above = above[above]
    lost = above[:-1] != count
    return Ways(np.where(lost, np.nan, distance[:-1]), np.unique(above[:-1][lost]))


def find_problems(nodes: Nodes) -> dict[str, Rows]:
    """The rows of all that is wrong, by kind; of a neuron without soma its first row."""
    if _is_tidy(nodes):
        return {}
    rows = parents(nodes)
    found = {}
    if (rows < _NO_PARENT).any():
        found["self-parent"] = np.flatnonzero(rows == _SELF)
        found["missing parent"] = np.flatnonzero(rows == _MISSING)
    if not (rows < np.arange(len(rows))).all():  # where parents come first there is no way back
        found["cycle"] = ways(rows, np.zeros(len(rows))).cycle
    if nodes.codes is not None or not (np.diff(nodes.node) > 0).all():
        keys = pd.DataFrame({"neuron": 0 if nodes.codes is None else nodes.codes, "node": nodes.node})
        found["duplicate"] = np.flatnonzero(keys.duplicated().to_numpy())
    found["no coordinates"] = np.flatnonzero(~np.isfinite(nodes.x + nodes.y + nodes.z))
    found["no radius"] = np.flatnonzero(~np.isfinite(nodes.radius))
    found[NO_SOMA] = _without_soma(nodes)
    return {kind: places for kind, places in found.items() if len(places)}


def _is_tidy(nodes: Nodes) -> bool:
    """Whether one neuron is numbered from 1 on, parents first, with all numbers and a soma."""
    node, parent = nodes.node, nodes.parent
    return bool(
        nodes.codes is None
        and len(node)
        and node[0] == 1
        and parent[0] == ROOT
        and (node[1:] - node[:-1] == 1).all()
        and ((parent == ROOT) | ((parent > 0) & (parent < node))).all()
        and np.isfinite(nodes.x.sum() + nodes.y.sum() + nodes.z.sum() + nodes.radius.sum())
        and (nodes.type == SOMA).any()
    )


def _without_soma(nodes: Nodes) -> Rows:
    soma = nodes.type == SOMA
    if nodes.codes is None:
        return np.zeros(0 if soma.any() or not len(soma) else 1, np.intp)
    codes, first = np.unique(nodes.codes, return_index=True)
    return np.asarray(first[~np.isin(codes, nodes.codes[soma])], np.intp)


def check(nodes: pd.DataFrame) -> pd.DataFrame:
    """What is wrong with reconstructions.

    Parameters
    ----------
    nodes : DataFrame
        Node table.

    Returns
    -------
    DataFrame
        One row a problem, empty where all is sound: ``neuron``, ``row`` (position in the table, Int64),
        ``node`` (Int64), ``kind`` (``"self-parent"``, ``"missing parent"``, ``"cycle"``,
        ``"duplicate"``, ``"no coordinates"``, ``"no radius"``, ``"no soma"``) and ``detail`` (text).
        Several roots are no problem; :func:`morphology` counts them.

    Raises
    ------
    MissingColumnsError
        The table is no node table.

    Examples
    --------
    >>> from pdneuro.tables import check
    >>> xyz = {"x": 0.0, "y": [0.0, 1.0], "z": 0.0, "radius": 1.0}
    >>> check(pd.DataFrame({"node": [1, 2], "type": [1, 3], **xyz, "parent": [-1, 7]}))
      neuron  row  node            kind              detail
    0           1     2  missing parent  there is no node 7
    """
    columns, _ = arrays(nodes)
    found = find_problems(columns)
    rows = np.concatenate([*found.values(), np.empty(0, np.intp)]).astype(np.intp)
    order = np.argsort(rows, kind="stable")
    rows = rows[order]
    kinds = np.repeat(list(found), [*map(len, found.values())])[order].tolist()
    whole = np.array([kind == NO_SOMA for kind in kinds], bool)
    node, parent = columns.node[rows], columns.parent[rows]
    details = [
        _PROBLEMS[kind].format(node=own, parent=above)
        for kind, own, above in zip(kinds, node, parent, strict=True)
    ]
    neurons = nodes[NEURON].array.take(rows) if NEURON in nodes.columns else [""] * len(rows)
    problems = pd.DataFrame(
        {
            NEURON: neurons,
            "row": pd.arrays.IntegerArray(rows.astype(np.int64), whole),
            "node": pd.arrays.IntegerArray(node.astype(np.int64), whole),
            "kind": pd.Series(kinds, dtype=TEXT),
            "detail": pd.Series(details, dtype=TEXT),
        }
    )
    return inherit(problems, nodes)
