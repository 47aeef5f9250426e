"""The node table of reconstructions: its columns, parents and problems.

A node table has the columns ``neuron, node, type, x, y, z, radius, parent`` (µm); ``neuron`` is
optional for a single neuron. The parent of a root is -1 or missing; a missing type is 0 (undefined).
Nothing here repairs a table.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro._compat import TEXT
from pdneuro.errors import InvalidIdError, MissingColumnsError, did_you_mean, listing
from pdneuro.tables.ids import Int64Array, whole_numbers
from pdneuro.tables.provenance import inherit

COLUMNS = ("node", "type", "x", "y", "z", "radius", "parent")
DTYPE = np.dtype(
    [(name, np.int64 if name in ("node", "type", "parent") else np.float64) for name in COLUMNS]
)
NEURON = "neuron"
ROOT = -1
SOMA = 1
NO_SOMA = "no soma"
#: Problems of a node or a neuron, with their descriptions.
_PROBLEMS = {
    "self-parent": "the node is its own parent",
    "missing parent": "there is no node {parent}",
    "cycle": "the path to the root returns to the node",
    "duplicate": "node {node} occurs before",
    "no coordinates": "x, y or z is missing or infinite",
    "no radius": "the radius is missing, infinite or negative, or 0 in the soma",
    NO_SOMA: "no node is of type 1",
}
#: Values instead of the row of a parent: a root, a missing parent, a node that is its own parent.
_NO_PARENT, _MISSING, _SELF = -1, -2, -3

Rows = npt.NDArray[np.intp]
FloatArray = npt.NDArray[np.float64]


def is_node_table(table: pd.DataFrame) -> bool:
    """Return True if a table has the columns of a reconstruction."""
    return set(COLUMNS) <= set(table.columns)


def required(nodes: pd.DataFrame) -> pd.DataFrame:
    """Return the table itself, or raise an error that names the missing columns."""
    if not is_node_table(nodes):
        absent = [name for name in COLUMNS if name not in nodes.columns]
        others = [name for name in nodes.columns if name not in COLUMNS]
        raise MissingColumnsError(
            f"a node table has the columns {', '.join(COLUMNS)}; this table lacks {listing(absent, 7)}."
            f"{did_you_mean(absent[0], others)} pdneuro.neuromorpho.read_swc(path) returns a node table."
        )
    return nodes


class Nodes(NamedTuple):
    """The columns of a node table as arrays; ``codes`` number the neurons, None for one neuron."""

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
        """Convert seven columns to arrays with the dtypes of a node table.

        Raises
        ------
        PrecisionLossError, InvalidIdError
            A number of a node, type or parent is not an exact integer, or a node has no number.
        """
        arrays: list[Any] = [
            _integers(column, name) if name in _MISSING_VALUE else _floats(column)
            for column, name in zip(columns, COLUMNS, strict=True)
        ]
        return cls(codes, *arrays)


#: What a missing number means; a node must have one.
_MISSING_VALUE = {"node": None, "type": 0, "parent": ROOT}


def _integers(values: Any, name: str) -> Int64Array:
    if isinstance(values, np.ndarray) and values.dtype == np.int64:
        return values.copy()
    column = values if isinstance(values, pd.Series) else pd.Series(values, name=name)
    numbers, missing = whole_numbers(column)
    numbers = np.array(numbers)  # a copy, since the column may be shared
    if missing is not None and missing.any():
        value = _MISSING_VALUE[name]
        if value is None:
            rows = column.index[missing].tolist()
            raise InvalidIdError(
                f"column {name!r} is missing in {len(rows):,} rows: {listing(rows)}. Number each node."
            )
        numbers[missing] = value
    return numbers


def _floats(values: Any) -> FloatArray:
    if isinstance(values, pd.Series):
        return values.to_numpy(np.float64, na_value=np.nan).copy()
    return np.array(values, np.float64)


def arrays(table: pd.DataFrame) -> tuple[Nodes, pd.Index[Any]]:
    """Return the arrays of a node table, and its neurons in order of appearance."""
    required(table)
    codes, names = None, pd.Index([""], name=NEURON)
    if NEURON in table.columns:
        numbers, names = pd.factorize(table[NEURON], use_na_sentinel=False)
        codes = numbers if len(names) > 1 else None
    return Nodes.of([table[name] for name in COLUMNS], codes), pd.Index(names, name=NEURON)


def segments(table: pd.DataFrame) -> tuple[Rows, FloatArray, Rows | None]:
    """Return each row's parent row (negative: none), the distance to it, and the neuron's code."""
    nodes, _ = arrays(table)
    rows = parents(nodes)
    return rows, segment_lengths(nodes, rows), nodes.codes


def parents(nodes: Nodes) -> Rows:
    """Return the row of each row's parent; negative for a root, a missing parent, or its own parent.

    If several nodes have the same number, the first one is the parent.
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
        positions = np.minimum(np.searchsorted(keys, wanted, sorter=order), count - 1)
        rows = np.where(keys[order[positions]] == wanted, order[positions], _MISSING)
    else:
        rows = np.empty(0, np.intp)
    rows[parent == ROOT] = _NO_PARENT
    rows[parent == node] = _SELF
    return rows.astype(np.intp, copy=False)


def segment_lengths(nodes: Nodes, rows: Rows) -> FloatArray:
    """Return the distance of each node to its parent in µm; 0 without a parent, NaN if unknown."""
    parent = np.where(rows >= 0, rows, np.arange(len(rows)))
    with np.errstate(invalid="ignore", over="ignore"):
        squares = [np.square(axis - axis[parent]) for axis in (nodes.x, nodes.y, nodes.z)]
        length = np.sqrt(sum(squares))
    # Infinite coordinates are missing, as NaN is.
    length = np.where(np.isfinite(length), length, np.nan)
    return np.where(rows >= 0, length, 0.0)


@functools.cache
def _labels() -> pd.Index[Any]:
    return pd.Index([NEURON, *COLUMNS])


def frame(nodes: Nodes, extras: list[list[str]], name: str) -> pd.DataFrame:
    """Return the table of one neuron, with the arrays of ``nodes``; ``extras`` are further words."""
    # Labels are cached or objects, since creating an index of text takes more time than the rest.
    dtype = pd.CategoricalDtype(pd.Index([name], dtype=object))
    neuron = pd.Categorical.from_codes(np.zeros(len(nodes.node), np.int8), dtype=dtype)
    table = pd.DataFrame(dict(enumerate([neuron, *nodes[1:]])), copy=False)
    table.columns = _labels()
    for number in range(max(map(len, extras), default=0)):
        words = [row[number] if number < len(row) else None for row in extras]
        table[f"column_{number + 8}"] = pd.array(words, dtype=TEXT)
    return table


def pack_nodes(nodes: Nodes) -> bytes:
    """Encode the nodes of one neuron, each value exactly."""
    packed = np.empty(len(nodes.node), DTYPE)
    for name, values in zip(COLUMNS, nodes[1:], strict=True):
        packed[name] = values
    return zlib.compress(packed.tobytes(), 1)


def unpack_nodes(body: bytes | None) -> Nodes:
    """Return encoded nodes.

    Raises
    ------
    ValueError
        The bytes are damaged.
    """
    try:
        packed = np.frombuffer(zlib.decompress(body or b""), DTYPE)
    except (zlib.error, ValueError) as error:
        raise ValueError(f"an encoded skeleton is damaged: {error}") from error
    return Nodes(None, *(packed[name].copy() for name in COLUMNS))


def joined(tables: Sequence[pd.DataFrame], neurons: Sequence[Hashable] | None = None) -> pd.DataFrame:
    """Concatenate node tables; ``neurons`` names the neuron of each, if not its own column."""
    if not tables:
        return empty()
    names = dict.fromkeys(name for table in tables for name in table.columns[1:])
    if neurons is None and all(len(table) and _is_one_name(table[NEURON]) for table in tables):
        neurons = [table[NEURON].iloc[0] for table in tables]
    if neurons is None:
        of_rows = neuron_column([name for table in tables for name in table[NEURON].tolist()])
    else:
        of_rows = neuron_column(neurons).repeat([len(table) for table in tables])
    parts: dict[str, Any] = {NEURON: of_rows}
    for name in names:
        if name in COLUMNS:  # for many small tables, this is much faster than concat()
            parts[name] = np.concatenate([table[name].to_numpy() for table in tables])
        else:
            columns = [
                table[name] if name in table else pd.Series(index=table.index, dtype=TEXT)
                for table in tables
            ]
            parts[name] = pd.concat(columns).array
    return pd.DataFrame(parts, copy=False)


def _is_one_name(neuron: pd.Series[Any]) -> bool:
    return isinstance(neuron.dtype, pd.CategoricalDtype) and len(neuron.cat.categories) == 1


def neuron_column(names: Sequence[Hashable]) -> Any:
    """Return the column ``neuron``: IDs as integers, names as categories."""
    if names and all(isinstance(name, int | np.integer) for name in names):
        return np.array(names, np.int64)
    codes, labels = pd.factorize(pd.Series(cast(Any, names), dtype=object))
    return pd.Categorical.from_codes(codes, dtype=pd.CategoricalDtype(pd.Index(labels, dtype=object)))


def by_neuron(nodes: pd.DataFrame) -> list[tuple[Hashable, pd.DataFrame]]:
    """Return the neurons of a table, each with its rows."""
    required(nodes)
    if NEURON not in nodes.columns:
        return [("neuron", nodes)]
    # groupby() would drop the nodes of a neuron without a name.
    codes, names = pd.factorize(nodes[NEURON], use_na_sentinel=False)
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(names)))[:-1]
    parts = np.split(order, ends) if len(names) else []
    return [(name, nodes.iloc[rows]) for name, rows in zip(list(names), parts, strict=True)]


def empty(*, of_ids: bool = False) -> pd.DataFrame:
    """Return a node table without nodes, whose neurons are IDs (int64) or names."""
    nodes = frame(Nodes.of([[]] * len(COLUMNS)), [], "")
    return nodes.assign(neuron=np.empty(0, np.int64) if of_ids else neuron_column([]))


# -- problems ---------------------------------------------------------------------------------------


class PathsToRoot(NamedTuple):
    """The path of each node to its root."""

    #: Path distance in µm; NaN if the path ends in a cycle.
    distance: FloatArray
    #: Rows of nodes on a cycle.
    cycle: Rows


def paths_to_root(rows: Rows, length: FloatArray) -> PathsToRoot:
    """Sum lengths from each node to its root; the length of a step doubles in each iteration."""
    count = len(rows)
    distance = np.where(rows >= 0, length, 0.0)
    above = np.where(rows >= 0, rows, count)  # an extra row is the parent of all roots
    above = np.append(above, count)
    distance = np.append(distance, 0.0)
    for _ in range(max(count, 1).bit_length() + 1):
        if (above == count).all():
            return PathsToRoot(distance[:-1], np.empty(0, np.intp))
        distance += distance[above]
        above = above[above]
    lost = above[:-1] != count
    return PathsToRoot(np.where(lost, np.nan, distance[:-1]), np.unique(above[:-1][lost]))


def find_problems(nodes: Nodes) -> dict[str, Rows]:
    """Return the rows of all problems by kind; for a neuron without soma, its first row."""
    if _is_simple(nodes):
        return {}
    rows = parents(nodes)
    problems = {}
    if (rows < _NO_PARENT).any():
        problems["self-parent"] = np.flatnonzero(rows == _SELF)
        problems["missing parent"] = np.flatnonzero(rows == _MISSING)
    if not (rows < np.arange(len(rows))).all():  # there is no cycle if parents come first
        problems["cycle"] = paths_to_root(rows, np.zeros(len(rows))).cycle
    if nodes.codes is not None or not (np.diff(nodes.node) > 0).all():
        keys = pd.DataFrame({"neuron": 0 if nodes.codes is None else nodes.codes, "node": nodes.node})
        problems["duplicate"] = np.flatnonzero(keys.duplicated().to_numpy())
    finite = np.isfinite(nodes.x) & np.isfinite(nodes.y) & np.isfinite(nodes.z)
    problems["no coordinates"] = np.flatnonzero(~finite)
    problems["no radius"] = np.flatnonzero(~_has_radius(nodes))
    problems[NO_SOMA] = _without_soma(nodes)
    return {kind: rows for kind, rows in problems.items() if len(rows)}


def _is_simple(nodes: Nodes) -> bool:
    """Return True for one complete neuron with a soma, numbered from 1, with parents first."""
    node, parent = nodes.node, nodes.parent
    return bool(
        nodes.codes is None
        and len(node)
        and node[0] == 1
        and parent[0] == ROOT
        and (node[1:] - node[:-1] == 1).all()
        and ((parent == ROOT) | ((parent > 0) & (parent < node))).all()
        and all(np.isfinite(axis).all() for axis in (nodes.x, nodes.y, nodes.z))
        and _has_radius(nodes).all()
        and (nodes.type == SOMA).any()
    )


def _has_radius(nodes: Nodes) -> npt.NDArray[np.bool_]:
    """Return False for a radius that is not a length; thin neurites often have the radius 0."""
    least = np.where(nodes.type == SOMA, np.nextafter(0, 1), 0)
    return np.isfinite(nodes.radius) & (nodes.radius >= least)


def _without_soma(nodes: Nodes) -> Rows:
    soma = nodes.type == SOMA
    if nodes.codes is None:
        return np.zeros(0 if soma.any() or not len(soma) else 1, np.intp)
    codes, first = np.unique(nodes.codes, return_index=True)
    return np.asarray(first[~np.isin(codes, nodes.codes[soma])], np.intp)


def check(nodes: pd.DataFrame) -> pd.DataFrame:
    """List the problems of reconstructions.

    Parameters
    ----------
    nodes : DataFrame
        Node table.

    Returns
    -------
    DataFrame
        One row per problem, empty for valid tables: ``neuron``, ``row`` (position in the table, Int64),
        ``node`` (Int64), ``kind`` (``"self-parent"``, ``"missing parent"``, ``"cycle"``,
        ``"duplicate"``, ``"no coordinates"``, ``"no radius"``, ``"no soma"``) and ``detail`` (text).
        A radius must not be missing or negative, nor 0 in the soma; 0 in a neurite is valid. Several
        roots are valid; :func:`morphology` counts them.

    Raises
    ------
    MissingColumnsError
        The table is not a node table.

    Examples
    --------
    >>> from pdneuro.tables import check
    >>> xyz = {"x": 0.0, "y": [0.0, 1.0], "z": 0.0, "radius": 1.0}
    >>> check(pd.DataFrame({"node": [1, 2], "type": [1, 3], **xyz, "parent": [-1, 7]}))
      neuron  row  node            kind              detail
    0           1     2  missing parent  there is no node 7
    """
    columns, _ = arrays(nodes)
    by_kind = find_problems(columns)
    rows = np.concatenate([*by_kind.values(), np.empty(0, np.intp)]).astype(np.intp)
    order = np.argsort(rows, kind="stable")
    rows = rows[order]
    kinds = np.repeat(list(by_kind), [*map(len, by_kind.values())])[order].tolist()
    of_neuron = np.array([kind == NO_SOMA for kind in kinds], bool)
    node, parent = columns.node[rows], columns.parent[rows]
    details = [
        _PROBLEMS[kind].format(node=own, parent=above)
        for kind, own, above in zip(kinds, node, parent, strict=True)
    ]
    neurons = nodes[NEURON].array.take(rows) if NEURON in nodes.columns else [""] * len(rows)
    problems = pd.DataFrame(
        {
            NEURON: neurons,
            "row": pd.arrays.IntegerArray(rows.astype(np.int64), of_neuron),
            "node": pd.arrays.IntegerArray(node.astype(np.int64), of_neuron),
            "kind": pd.Series(kinds, dtype=TEXT),
            "detail": pd.Series(details, dtype=TEXT),
        }
    )
    return inherit(problems, nodes)
