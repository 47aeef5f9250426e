"""Effective connectivity: contributions of paths of several lengths, by products of input shares."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from pdneuro._compat import optional
from pdneuro.errors import TooLargeError
from pdneuro.graphs.paths import Codes, Ids
from pdneuro.graphs.shares import Shares, Signed, input_shares, known_positions
from pdneuro.graphs.sparse_arrays import product
from pdneuro.tables.collapse import label_columns
from pdneuro.tables.columns import array_of, take_or_na
from pdneuro.tables.edges import require_edges
from pdneuro.tables.joins import Labels, are_labels, labels_of
from pdneuro.tables.node_names import Nodes
from pdneuro.tables.provenance import inherit

#: Maximum number of pairs of a source and a target.
_MAX_PAIRS = 50_000_000
#: Maximum number of entries of a dense matrix between two steps; more groups are computed in blocks.
_MAX_CELLS = 50_000_000
#: From this share of entries that are not 0, a dense matrix is faster than a sparse one.
_DENSE = 0.2
#: Above this share of neurons that matter, leaving out the others costs more than it saves.
_MOST = 0.5
#: Maximum number of edges times columns that is computed in float64; more are in float32.
_MAX_PRECISE = 300_000_000
_EFFECTS = ("excitatory", "inhibitory")


def effective(
    edges: pd.DataFrame,
    sources: Ids,
    targets: Ids,
    max_hops: int = 3,
    *,
    group_by: Hashable | Labels | Mapping[str, Any] | None = None,
    signed: Signed = None,
) -> pd.DataFrame:
    """Return the effective connectivity of some neurons to others: products of input shares along paths.

    Parameters
    ----------
    edges : DataFrame
        An edge table; the rows of a pair are summed.
    sources, targets : int, Series, array or list
        Neurons at the start and at the end.
    max_hops : int, default 3
        Maximum number of edges per path.
    group_by : hashable, mapping or Series, optional
        Groups of sources and targets: ``"cell_type"`` means the columns ``cell_type_pre`` and
        ``cell_type_post``, which :func:`pdneuro.tables.annotate` adds; or a label for each ID.
        ``{"pre": ...}`` or ``{"post": ...}`` groups one side alone. Default: single neurons.
    signed : str or list of str, optional
        Inhibitory transmitters, or a column of signs, as in :func:`influence`.

    Returns
    -------
    DataFrame
        One row per source and target, or per pair of groups, that a path connects: ``source, target``
        (IDs or labels; NA for neurons without a label); with ``signed`` also ``effect``, excitatory or
        inhibitory, one row each; then ``hops_1``, ``hops_2``, ... (float64, the contribution of paths
        of this length) and ``total``, their sum. Sorted by ``total``, the largest first.

    Raises
    ------
    ValueError
        No source or no target has an edge in the table.
    TooLargeError
        There are more than 50 million pairs of a source and a target; use ``group_by``.
    MissingColumnsError
        A column of groups or of transmitters does not exist.
    MissingDependencyError
        SciPy is not installed (extra ``graph``).

    Warns
    -----
    DoubtfulParameterWarning
        Some sources or targets have no edge in the table. They are left out.

    Notes
    -----
    The contribution of a path is the product of the shares of its edges in all input that each
    postsynaptic neuron has in the table. Paths may visit a neuron several times. For groups, sources
    are summed and targets averaged: the part of the input of an average target that comes from all
    sources of the group. A path with an even number of inhibitory edges is excitatory.

    This is ``compress_paths`` and ``compress_paths_signed`` with ``result_summary`` of
    connectome-interpreter (Yin et al.), which computes in float32 and drops values below 1e-4. Here
    nothing is dropped, in float64; if edges times sources (or targets, if they are fewer) exceed 300
    million, in float32 with a relative error below 1e-5. coconat's ``effective_connectivity`` sums over
    targets instead.

    Examples
    --------
    >>> from pdneuro.graphs import effective
    >>> edges = pd.DataFrame({"pre": [1, 2, 4], "post": [2, 3, 3], "weight": [10, 5, 15]})
    >>> edges["nt"] = ["ach", "gaba", "ach"]
    >>> effective(edges, 1, 3, max_hops=2)
       source  target  hops_1  hops_2  total
    0       1       3     0.0    0.25   0.25
    >>> effective(edges, 1, 3, max_hops=2, signed="gaba")[["effect", "total"]]
           effect  total
    0  inhibitory   0.25
    1  excitatory   0.00
    """
    if isinstance(max_hops, bool) or not isinstance(max_hops, int | np.integer) or max_hops < 1:
        raise ValueError(f"max_hops must be a whole number of at least 1, not {max_hops!r}.")
    edges = require_edges(edges)
    shares = input_shares(edges, signed)
    starts = known_positions(shares.ids, sources, "sources")
    ends = known_positions(shares.ids, targets, "targets")
    by = _by_end(group_by)
    pre, post = (
        _groups(edges, shares.ids, positions, by.get(end))
        for end, positions in (("pre", starts), ("post", ends))
    )
    if len(pre.labels) * len(post.labels) > _MAX_PAIRS:
        raise TooLargeError(
            f"{len(pre.labels):,} sources and {len(post.labels):,} targets are too many pairs. Group "
            "them (group_by=...), or use fewer neurons."
        )
    lengths = _contributions(shares, _Ends(starts, pre), _Ends(ends, post), int(max_hops))
    return inherit(_table(lengths, pre.labels, post.labels), edges)


class _Groups(NamedTuple):
    """The group of each neuron, by number, and the labels of the groups."""

    codes: Codes
    labels: Any


def _by_end(group_by: Any) -> dict[str, Any]:
    """Return the groups of sources and of targets; a mapping may have those of one end alone."""
    if isinstance(group_by, Mapping) and group_by and set(group_by) <= {"pre", "post"}:
        return dict(group_by)
    return {"pre": group_by, "post": group_by}


def _groups(edges: pd.DataFrame, ids: Nodes, positions: Codes, by: Any) -> _Groups:
    """Return the groups of some neurons; without ``by``, each neuron is its own group."""
    neurons = ids[positions]
    if by is None:
        return _Groups(np.arange(len(neurons)), neurons)
    if are_labels(by):
        labels = labels_of(neurons, by)
    else:
        both = [
            pd.Series(array_of(edges[name]), index=edges[end].to_numpy())
            for name, end in zip(label_columns(edges, [by]), ("pre", "post"), strict=True)
        ]
        column = pd.concat(both)
        labels = labels_of(neurons, column[~column.index.duplicated()])
    codes, _ = pd.factorize(labels, use_na_sentinel=False)
    first = np.unique(codes, return_index=True)[1]
    return _Groups(codes, take_or_na(labels, first))


class _Ends(NamedTuple):
    """Positions of sources or of targets, and their groups."""

    positions: Codes
    groups: _Groups

    def matrix(self, size: int, *, mean: bool) -> Any:
        """Return a sparse array of neurons by groups: 1 for each member, or 1 / members."""
        sparse = optional("scipy.sparse", "graph")
        codes, count = self.groups.codes, len(self.groups.labels)
        members = np.bincount(codes, minlength=count)
        values = 1.0 / members[codes] if mean else np.ones(len(codes))
        return sparse.csr_array((values, (self.positions, codes)), shape=(size, count))


def _contributions(shares: Shares, sources: _Ends, targets: _Ends, max_hops: int) -> list[list[Any]]:
    """Return one list per path length: sources by targets, for each effect.

    The products start from the end with fewer groups.
    """
    sparse = optional("scipy.sparse", "graph")
    size, effects = len(shares.ids), 1 if shares.sign is None else 2
    backward = len(targets.groups.labels) < len(sources.groups.labels)
    ends = [sources.matrix(size, mean=False), targets.matrix(size, mean=True)]
    first, last = reversed(ends) if backward else ends
    groups = first.shape[1]
    kind = np.float32 if len(shares.pre) * groups > _MAX_PRECISE else np.float64
    matrix = shares.matrix(kind, apart=True, backward=backward)
    last = last.T.astype(kind).tocsr()
    steps = _steps(matrix, last, max_hops)
    width = max(1, _MAX_CELLS // (size * effects**2))
    blocks = []
    for start in range(0, groups, width):
        state = first[:, start : start + width].astype(kind)
        if effects == 2:
            # Excitation and inhibition are side by side, so that one product reads each edge once.
            state = sparse.hstack([state, sparse.csr_array(state.shape, dtype=kind)], "csr")
        found = []
        for hops, step in enumerate(steps, 1):
            state = _compact(_product(step, _exchanged(state) if effects == 2 else state))
            at_end = _dense(state if hops == max_hops else _product(last, state))
            found.append(np.split(at_end.astype(np.float64, copy=False), effects, axis=1))
        blocks.append(found)
    # Blocks are by path length and effect, as the result is.
    lengths = [
        [np.concatenate(parts, axis=1) for parts in zip(*of_length, strict=True)]
        for of_length in zip(*blocks, strict=True)
    ]
    return lengths if backward else [[part.T for part in parts] for parts in lengths]


def _steps(matrix: Any, last: Any, max_hops: int) -> list[Any]:
    """Return the matrix of each hop. The last one leads to the groups at the end, not to neurons.

    The others have the rows of neurons that matter: the hops that are left lead from them to the end.
    """
    size = matrix.shape[0]
    steps = [last @ matrix]
    needed = _used(steps[0], size) | _used(last, size)
    while len(steps) < max_hops:
        step = matrix if needed.mean() > _MOST else _rows(matrix, needed)
        steps.append(step)
        if step is not matrix:
            needed |= _used(step, size)
    return [*steps[:0:-1], _compact(steps[0])]


def _used(step: Any, size: int) -> Any:
    """Return a mask of the neurons with entries in their columns, of any effect."""
    used = np.zeros(step.shape[1], bool)
    used[step.indices] = True
    return used.reshape(-1, size).any(axis=0)


def _rows(matrix: Any, rows: Any) -> Any:
    """Return the matrix without the entries of other rows."""
    sparse = optional("scipy.sparse", "graph")
    places = np.flatnonzero(rows)
    kept = matrix[places]
    starts = np.zeros(len(rows) + 1, kept.indptr.dtype)
    starts[places + 1] = np.diff(kept.indptr)
    return sparse.csr_array((kept.data, kept.indices, np.cumsum(starts)), shape=matrix.shape)


def _exchanged(state: Any) -> Any:
    """Add rows in which excitation and inhibition are exchanged, as inhibitory edges do."""
    order = np.roll(np.arange(state.shape[1]), state.shape[1] // 2)
    if isinstance(state, np.ndarray):
        return np.concatenate([state, state[:, order]])
    return optional("scipy.sparse", "graph").vstack([state, state[:, order]], "csr")


def _product(matrix: Any, state: Any) -> Any:
    threads = isinstance(state, np.ndarray) and not isinstance(matrix, np.ndarray)
    return product(matrix, state) if threads else matrix @ state


def _compact(state: Any) -> Any:
    """Return a sparse array as a dense one, if that is faster."""
    if isinstance(state, np.ndarray) or state.nnz <= _DENSE * state.shape[0] * state.shape[1]:
        return state
    return state.toarray()


def _dense(array: Any) -> Any:
    return array if isinstance(array, np.ndarray) else array.toarray()


def _table(lengths: list[list[Any]], sources: Any, targets: Any) -> pd.DataFrame:
    effects = list(zip(*lengths, strict=True))
    totals = [sum(parts) for parts in effects]
    rows, columns = np.nonzero(sum(totals))
    tables = []
    for name, parts, total in itertools.zip_longest(_EFFECTS[: len(effects)], effects, totals):
        cells = {"source": take_or_na(sources, rows), "target": take_or_na(targets, columns)}
        if len(effects) > 1:
            cells["effect"] = np.full(len(rows), name, object)
        cells |= {f"hops_{hops}": part[rows, columns] for hops, part in enumerate(parts, 1)}
        tables.append(pd.DataFrame({**cells, "total": total[rows, columns]}, copy=False))
    table: pd.DataFrame = pd.concat(tables, ignore_index=True)
    if len(effects) > 1:
        table["effect"] = table["effect"].astype(pd.CategoricalDtype([*_EFFECTS]))
    return table.sort_values("total", ascending=False, kind="stable", ignore_index=True)
