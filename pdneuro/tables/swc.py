"""Reconstructions as node tables: SWC text in and out, what is wrong with them, and lengths.

A node table has the columns ``neuron, node, type, x, y, z, radius, parent`` (µm); ``neuron`` may be
absent where there is one. The parent of a root is -1. Nothing here repairs a table.
"""

from __future__ import annotations

import functools
import re
import warnings
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro._compat import TEXT
from pdneuro.errors import InvalidSwcError, MissingColumnsError, UnreadableLinesWarning, listing, warn
from pdneuro.tables import roles
from pdneuro.tables.ids import Int64Array
from pdneuro.tables.provenance import facts, note

COLUMNS = ("node", "type", "x", "y", "z", "radius", "parent")
_DTYPE = np.dtype(
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


# -- text -----------------------------------------------------------------------------------------


def parse(data: bytes, name: str, *, strict: bool = False) -> pd.DataFrame:
    """The node table of an SWC file.

    Parameters
    ----------
    data : bytes
        The file as it is: any encoding, line ends, comments, blanks or tabs.
    name : str
        What the neuron is called.
    strict : bool
        Refuse a file with anything that :func:`check` lists.

    Returns
    -------
    DataFrame

    Raises
    ------
    InvalidSwcError
        No line can be read as a node; with ``strict``, what is wrong with the file.

    Warns
    -----
    UnreadableLinesWarning
        Lines that are no nodes were left out.
    """
    content = _as_ascii(data)
    if content.lstrip()[:1] == b"<":
        raise InvalidSwcError(f"{name} is an HTML or XML page, not an SWC file.")
    extras: list[list[str]] = []
    unreadable: list[str] = []
    nodes = _quick(content)
    if nodes is None:
        nodes, extras, unreadable = _line_by_line(content, name)
    table = _frame(nodes, extras, name)
    problems = _problems(nodes)
    counts = {"problems": sum(map(len, problems.values()))} if problems else {}
    note(table, source="file", query=f"read_swc({name})", **counts)
    if strict and (problems or unreadable):
        found = [
            kind if kind == NO_SOMA else f"{kind} at node {listing(nodes.node[rows].tolist(), 3)}"
            for kind, rows in problems.items()
        ]
        found += [f"unreadable {listing(unreadable, 3)}"] if unreadable else []
        raise InvalidSwcError(
            f"{name} is no sound reconstruction: {'; '.join(found)}. Without strict=True it is read as "
            "it is, and .neuro.check() lists what is wrong."
        )
    if unreadable:
        warn(
            f"{len(unreadable):,} lines of {name} are no nodes and were left out: "
            f"{listing(unreadable, 3)}.",
            UnreadableLinesWarning,
        )
    return table


def _as_ascii(data: bytes) -> bytes:
    """The bytes in an encoding whose digits, blanks and line ends are those of ASCII."""
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8")):
        if data.startswith(mark):
            data = data.decode(encoding, "replace").encode().removeprefix(b"\xef\xbb\xbf")
    return data if b"\n" in data or b"\r" not in data else data.replace(b"\r", b"\n")


def _quick(content: bytes) -> _Nodes | None:
    """The nodes of a file of seven numbers a line; None where it needs a closer look."""
    if not re.search(rb"^[ \t]*[^#\s]", content, re.M):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a number such as 12.0 where a whole one is due
            # Not pandas' reader: before pandas 3.1 it does not round correctly.
            rows = np.loadtxt(content.decode("latin-1").split("\n"), _DTYPE, ndmin=1)
    except (ValueError, OverflowError, DeprecationWarning):
        return None
    return _Nodes.of([rows[name] for name in COLUMNS])


def _line_by_line(content: bytes, name: str) -> tuple[_Nodes, list[list[str]], list[str]]:
    """Nodes, further words and unreadable lines of a file with lines of several kinds."""
    rows: list[list[Any]] = []
    extras: list[list[str]] = []
    unreadable: list[str] = []
    for number, line in enumerate(content.decode("latin-1").splitlines(), 1):
        words = re.split(r"[\s,;]+", line.partition("#")[0].strip(" \t,;"))
        if words == [""]:
            continue
        row = _row(words)
        if row is not None:
            rows.append(row)
            extras.append(words[len(COLUMNS) :])
        elif rows or any(_number(word) is not None for word in words):  # else a header without its mark
            unreadable.append(f"line {number} ({line.strip()[:60]!r})")
    if not rows:
        raise InvalidSwcError(f"{name} holds no nodes: no line has the seven numbers of an SWC file.")
    return _Nodes.of(list(zip(*rows, strict=True))), extras, unreadable


@functools.cache
def _labels() -> pd.Index[Any]:
    return pd.Index([NEURON, *COLUMNS])


def _frame(nodes: _Nodes, extras: list[list[str]], name: str) -> pd.DataFrame:
    # Labels are ready-made or objects: to make an index of text takes longer than all else here.
    dtype = pd.CategoricalDtype(pd.Index([name], dtype=object))
    neuron = pd.Categorical.from_codes(np.zeros(len(nodes.node), np.int8), dtype=dtype)
    table = pd.DataFrame(dict(enumerate([neuron, *nodes[1:]])))
    table.columns = _labels()
    for place in range(max(map(len, extras), default=0)):
        words = [row[place] if place < len(row) else None for row in extras]
        table[f"column_{place + 8}"] = pd.array(words, dtype=TEXT)
    return table


def _row(words: list[str]) -> list[Any] | None:
    """The seven numbers of a node; None where the words are none."""
    if len(words) == 6:  # written without a radius
        words = [*words[:5], "nan", words[5]]
    if len(words) < 7:
        return None
    whole = [_whole(_number(words[place])) for place in (0, 1, 6)]
    place = [_number(word) for word in words[2:6]]
    if None in whole or None in place:
        return None
    return [whole[0], whole[1], *place, whole[2]]


def _number(word: str) -> int | float | None:
    if re.fullmatch(r"[+-]?\d+", word, re.A):
        return int(word)
    if word.lower() in ("na", "n/a", "none", "null", "-"):
        return float("nan")
    try:
        return float(word)
    except ValueError:
        return None


def _whole(number: int | float | None) -> int | None:
    """A whole number that stands for a node; a float such as ``12.0`` is one."""
    if number is None or number != number or number != int(number):
        return None
    return int(number) if abs(number) < 2**63 else None


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


def neuron_name(file: str) -> str:
    """What a neuron is called whose file has this name."""
    return re.sub(r"(\.CNG)?\.swc$", "", file, flags=re.I)


def by_neuron(nodes: pd.DataFrame) -> list[tuple[Hashable, pd.DataFrame]]:
    """The neurons of a table, each with its own rows."""
    _required(nodes)
    if NEURON not in nodes.columns:
        return [("neuron", nodes)]
    return list(nodes.groupby(NEURON, sort=False, observed=True))


def empty() -> pd.DataFrame:
    """A node table without nodes."""
    return _frame(_Nodes.of([[]] * len(COLUMNS)), [], "").iloc[:0]


def text(nodes: pd.DataFrame) -> str:
    """The SWC file of one neuron; every number reads back as it was.

    Parameters
    ----------
    nodes : DataFrame
        Node table. Columns beyond the seven of the format are written behind them.
    """
    table = _required(nodes)
    extras = [name for name in table.columns if re.fullmatch(r"column_\d+", str(name))]
    known = facts(nodes)
    about = [f"# {word}: {known[word]}" for word in ("source", "query", "licence") if word in known]
    head = ["# SWC, written by pdneuro", *about, "# node type x y z radius parent"]
    rows = table[[*COLUMNS, *extras]].to_csv(
        sep=" ", header=False, index=False, na_rep="NA", lineterminator="\n"
    )
    return "\n".join(head) + "\n" + rows


# -- structure ------------------------------------------------------------------------------------


def _required(nodes: pd.DataFrame) -> pd.DataFrame:
    if not is_node_table(nodes):
        absent = [name for name in COLUMNS if name not in nodes.columns]
        raise MissingColumnsError(
            f"a node table has the columns {', '.join(COLUMNS)}; {listing(absent, 7)} are absent. "
            "Read one with pdneuro.neuromorpho.read_swc(path)."
        )
    return nodes


class _Nodes(NamedTuple):
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
    def of(cls, columns: Iterable[Any], codes: Rows | None = None) -> _Nodes:
        """Seven columns as arrays of the right kind."""
        kinds = [_DTYPE[name] for name in COLUMNS]
        arrays: list[Any] = [np.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
        return cls(codes, *arrays)


def _nodes(table: pd.DataFrame) -> tuple[_Nodes, pd.Index[Any]]:
    """The arrays of a node table, and its neurons in order of appearance."""
    _required(table)
    codes, names = None, pd.Index([""], name=NEURON)
    if NEURON in table.columns:
        numbers, names = pd.factorize(table[NEURON], use_na_sentinel=False)
        codes = numbers if len(names) > 1 else None
    return _Nodes.of([table[name] for name in COLUMNS], codes), pd.Index(names, name=NEURON)


def segments(table: pd.DataFrame) -> tuple[Rows, FloatArray, Rows | None]:
    """For each row the row of its parent (negative: none), the distance, the number of its neuron."""
    nodes, _ = _nodes(table)
    rows = _parents(nodes)
    return rows, _segments(nodes, rows), nodes.codes


def _parents(nodes: _Nodes) -> Rows:
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


class _Ways(NamedTuple):
    """The way of each node up to its root."""

    #: Path distance in µm; NaN where it ends in a cycle.
    distance: FloatArray
    #: Rows of nodes on a cycle.
    cycle: Rows


def _ways(rows: Rows, length: FloatArray) -> _Ways:
    """Sum lengths from each node to its root, by steps that double."""
    count = len(rows)
    distance = np.where(rows >= 0, length, 0.0)
    above = np.where(rows >= 0, rows, count)  # one further row stands for what is above the roots
    above = np.append(above, count)
    distance = np.append(distance, 0.0)
    for _ in range(max(count, 1).bit_length() + 1):
        if (above == count).all():
            return _Ways(distance[:-1], np.empty(0, np.intp))
        distance += distance[above]
        above = above[above]
    lost = above[:-1] != count
    return _Ways(np.where(lost, np.nan, distance[:-1]), np.unique(above[:-1][lost]))


def _segments(nodes: _Nodes, rows: Rows) -> FloatArray:
    """Distance of each node to its parent in µm; 0 where it has none."""
    above = np.where(rows >= 0, rows, np.arange(len(rows)))
    squares = [np.square(place - place[above]) for place in (nodes.x, nodes.y, nodes.z)]
    return np.where(rows >= 0, np.sqrt(sum(squares)), 0.0)


def _problems(nodes: _Nodes) -> dict[str, Rows]:
    """The rows of all that is wrong, by kind; of a neuron without soma its first row."""
    if _is_tidy(nodes):
        return {}
    rows = _parents(nodes)
    found = {}
    if (rows < _NO_PARENT).any():
        found["self-parent"] = np.flatnonzero(rows == _SELF)
        found["missing parent"] = np.flatnonzero(rows == _MISSING)
    if not (rows < np.arange(len(rows))).all():  # where parents come first there is no way back
        found["cycle"] = _ways(rows, np.zeros(len(rows))).cycle
    if nodes.codes is not None or not (np.diff(nodes.node) > 0).all():
        keys = pd.DataFrame({"neuron": 0 if nodes.codes is None else nodes.codes, "node": nodes.node})
        found["duplicate"] = np.flatnonzero(keys.duplicated().to_numpy())
    found["no coordinates"] = np.flatnonzero(~np.isfinite(nodes.x + nodes.y + nodes.z))
    found["no radius"] = np.flatnonzero(~np.isfinite(nodes.radius))
    found[NO_SOMA] = _without_soma(nodes)
    return {kind: places for kind, places in found.items() if len(places)}


def _is_tidy(nodes: _Nodes) -> bool:
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


def _without_soma(nodes: _Nodes) -> Rows:
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
    >>> import pandas as pd
    >>> from pdneuro.tables import check
    >>> xyz = {"x": 0.0, "y": [0.0, 1.0], "z": 0.0, "radius": 1.0}
    >>> check(pd.DataFrame({"node": [1, 2], "type": [1, 3], **xyz, "parent": [-1, 7]}))
      neuron  row  node            kind              detail
    0           1     2  missing parent  there is no node 7
    """
    columns, _ = _nodes(nodes)
    found = _problems(columns)
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
    return pd.DataFrame(
        {
            NEURON: neurons,
            "row": pd.arrays.IntegerArray(rows.astype(np.int64), whole),
            "node": pd.arrays.IntegerArray(node.astype(np.int64), whole),
            "kind": pd.Series(kinds, dtype=TEXT),
            "detail": pd.Series(details, dtype=TEXT),
        }
    )


# -- measures -------------------------------------------------------------------------------------


def path_distance(nodes: pd.DataFrame) -> pd.Series[Any]:
    """Distance of each node to its root, along the neurite.

    Parameters
    ----------
    nodes : DataFrame
        Node table. A node whose parent is missing, or is the node itself, counts as a root.

    Returns
    -------
    Series
        float64, µm, same index. NaN for nodes whose way ends in a cycle, or leads over a node without
        coordinates.

    Raises
    ------
    MissingColumnsError
        The table is no node table.

    Examples
    --------
    >>> import pdneuro
    >>> with pdneuro.sandbox.start():
    ...     nodes = pdneuro.neuromorpho.swc(1)
    >>> float(nodes.neuro.path_distance().max()) > 100
    True
    """
    columns, _ = _nodes(nodes)
    rows = _parents(columns)
    distance = _ways(rows, _segments(columns, rows)).distance
    return pd.Series(distance, index=nodes.index, name="path_distance")


def cable_length(nodes: pd.DataFrame, by: Hashable | Sequence[Hashable] = NEURON) -> pd.Series[Any]:
    """Length of the cable: the distances of all nodes to their parents, summed.

    Parameters
    ----------
    nodes : DataFrame
        Node table.
    by : hashable or sequence
        Columns to sum over, such as ``["neuron", "type"]``. A segment is of the type of the node that
        is farther from the root.

    Returns
    -------
    Series
        float64, µm, indexed by ``by``. Segments with a missing number are left out.

    Raises
    ------
    MissingColumnsError
        The table is no node table.

    Notes
    -----
    Segments between nodes of the soma count. NeuroMorpho.org's own ``length`` comes from L-Measure,
    which treats the soma in another way: the two differ by some per cent.

    Examples
    --------
    >>> import pdneuro
    >>> with pdneuro.sandbox.start():
    ...     nodes = pdneuro.neuromorpho.swc(1)
    >>> nodes.neuro.cable_length(by="type").index.tolist()
    [1, 3]
    """
    columns, _ = _nodes(nodes)
    length = _segments(columns, _parents(columns))
    keys = [by] if isinstance(by, str) or not isinstance(by, Sequence) else list(by)
    groups: list[Any] = [pd.Series(_key(nodes, key), name=key) for key in keys]
    lengths = pd.Series(length, name="cable_length")
    return lengths.groupby(groups if len(groups) > 1 else groups[0], sort=False, observed=True).sum()


def _key(nodes: pd.DataFrame, name: Hashable) -> Any:
    if name == NEURON and NEURON not in nodes.columns:
        return np.full(len(nodes), "")
    return roles.named_column(nodes, name).array


def morphology(nodes: pd.DataFrame) -> pd.DataFrame:
    """Counts and lengths of each neuron.

    Parameters
    ----------
    nodes : DataFrame
        Node table.

    Returns
    -------
    DataFrame
        Indexed by ``neuron``: ``nodes``, ``roots`` (nodes without a parent in the table), ``branches``
        (nodes with two children or more), ``tips`` (nodes without children), all int64;
        ``cable_length`` and ``max_path_distance`` (float64, µm).

    Raises
    ------
    MissingColumnsError
        The table is no node table.

    Examples
    --------
    >>> import pdneuro
    >>> with pdneuro.sandbox.start():
    ...     nodes = pdneuro.neuromorpho.swc([1, 2])
    >>> nodes.neuro.morphology()[["roots", "branches"]].shape
    (2, 2)
    """
    columns, names = _nodes(nodes)
    rows = _parents(columns)
    length = _segments(columns, rows)
    children = np.bincount(rows[rows >= 0], minlength=len(rows))
    codes = np.zeros(len(rows), np.intp) if columns.codes is None else columns.codes

    def count(which: Any) -> npt.NDArray[np.int64]:
        return np.bincount(codes[which], minlength=len(names)).astype(np.int64)

    distance = pd.Series(_ways(rows, length).distance).groupby(codes).max()
    return pd.DataFrame(
        {
            "nodes": count(slice(None)),
            "roots": count(rows < 0),
            "branches": count(children > 1),
            "tips": count(children == 0),
            "cable_length": np.bincount(codes, np.nan_to_num(length), minlength=len(names)),
            "max_path_distance": distance.reindex(range(len(names))).to_numpy(),
        },
        index=names,
    )
