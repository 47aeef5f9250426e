"""An index of partners by neuron: four arrays, in memory or mapped from disk.

The records of a neuron are adjacent: its downstream partners, then its upstream partners, each sorted
by weight, the largest first. A query for k neurons reads k slices.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro.connectome import kept
from pdneuro.connectome.kept import Column, KeptRows
from pdneuro.connectome.threads import in_threads
from pdneuro.tables.collapse import check_total
from pdneuro.tables.edges import COLUMNS, edge_table
from pdneuro.tables.grouping import group_codes, sort_rows, sums_by_code
from pdneuro.tables.ids import Int64Array
from pdneuro.tables.node_names import require_numbers
from pdneuro.tables.pairs import coded_ends
from pdneuro.tables.partners import PartnerRows

#: Number of records that are copied at once, and that are summed at once.
_CHUNK, _BLOCK = 131_072, 1_000_000

Places = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Index:
    """Partners by neuron.

    Attributes
    ----------
    ids : array of int64
        Sorted IDs of the neurons.
    start : array of int64
        The downstream records of neuron ``i`` are ``start[2 * i]`` to ``start[2 * i + 1]``, its upstream
        records ``start[2 * i + 1]`` to ``start[2 * i + 2]``.
    partner : array of int
        Position of the partner in ``ids``.
    weight : array of int
        Number of synapses.
    rows : KeptRows, optional
        The rows of the files, if further columns are kept.
    """

    ids: Any
    start: Any
    partner: Any
    weight: Any
    rows: KeptRows | None = None

    @property
    def pairs(self) -> int:
        """Return the number of pairs with an edge."""
        return len(self.partner) // 2

    def places(self, ids: Int64Array) -> Places:
        """Return the positions of neurons in ``ids``, -1 if they are not in it."""
        positions = np.searchsorted(self.ids, ids)
        positions[positions == len(self.ids)] = 0
        exists = self.ids[positions] == ids if len(self.ids) else np.zeros(len(ids), bool)
        return np.where(exists, positions, -1)

    def records(
        self, places: Places, *, upstream: bool = True, downstream: bool = True
    ) -> tuple[Places, Any, Any, npt.NDArray[np.bool_], Places]:
        """Return the records of some neurons, neuron by neuron.

        Returns
        -------
        tuple
            The number of records of each neuron; and for each record the position of the partner, the
            weight, whether the partner is upstream, and its position.
        """
        bounds = self.start[2 * places[:, None] + np.arange(3)]
        sizes = np.diff(bounds, axis=1)
        sizes[:, 0] *= downstream
        sizes[:, 1] *= upstream
        counts = sizes.sum(axis=1)
        begin = bounds[:, 0 if downstream else 1]
        row = np.repeat(begin - (np.cumsum(counts) - counts), counts)
        row += np.arange(len(row))
        incoming = np.repeat(np.tile([False, True], len(places)), sizes.ravel())
        # NumPy would convert int32 positions at each use.
        return counts, self.partner[row].astype(np.intp), self.weight[row], incoming, row

    def once(
        self, places: Places, *, upstream: bool = True, downstream: bool = True
    ) -> tuple[Any, Any, Any, Places | None]:
        """Return both ends and weights of the records of some neurons, each edge once.

        The last result is the position of each record, if further columns are kept.
        """
        chosen = np.zeros(len(self.ids), bool)
        chosen[places] = True
        total = int(
            (self.start[2 * places + 1 + upstream] - self.start[2 * places + 1 - downstream]).sum()
        )
        sizes = (total, total, total, 0 if self.rows is None else total)
        pre, post, weight, row = (np.empty(size, np.int64) for size in sizes)

        def cells_of(some: Places) -> list[Any]:
            counts, partner, count, incoming, position = self.records(
                some, upstream=upstream, downstream=downstream
            )
            own, other = np.repeat(self.ids[some], counts), self.ids[partner]
            cells = [np.where(incoming, other, own), np.where(incoming, own, other), count]
            cells += [] if self.rows is None else [position]
            if upstream and downstream:  # an edge between two of them comes from its presynaptic neuron
                keep = ~(incoming & chosen[partner])
                if not keep.all():
                    cells = [cell[keep] for cell in cells]
            return cells

        # Arrays of a few neurons stay in the processor's cache, and need no new memory.
        blocks, each = self._blocks(places, _CHUNK), in_threads if total > _BLOCK else map
        end = 0
        for cells in each(cells_of, blocks):
            here = slice(end, end + len(cells[0]))
            for array, cell in zip((pre, post, weight, row), cells, strict=False):
                array[here] = cell
            end = here.stop
        return pre[:end], post[:end], weight[:end], None if self.rows is None else row[:end]

    def partners(self, places: Places, *, upstream: bool, downstream: bool) -> Iterator[PartnerRows]:
        """Return the partners of some neurons, as positions, for some neurons after the others."""
        for some in self._blocks(places, _BLOCK):
            counts, partner, weight, incoming, _ = self.records(
                some, upstream=upstream, downstream=downstream
            )
            yield PartnerRows(np.repeat(some, counts), partner, incoming, weight)

    def _blocks(self, places: Places, size: int) -> Iterator[Places]:
        """Divide neurons into groups with about this number of records."""
        sizes = self.start[2 * places + 2] - self.start[2 * places]
        before = np.cumsum(sizes) - sizes
        first = np.flatnonzero(np.diff(before // size, prepend=-1))
        return iter(np.split(places, first[1:]) if len(places) else [])

    def edges(self, pre: Any, post: Any, weight: Any, records: Places | None) -> pd.DataFrame:
        """Return the edge table of some records: one row per pair, or the rows with further columns."""
        if self.rows is not None and records is not None:
            return self.rows.table(pre, post, records)
        return edge_table(pre, post, weight)

    def sums(self, places: Places) -> tuple[Int64Array, Int64Array, Int64Array, Int64Array]:
        """Return numbers of synapses and partners downstream, and of synapses and partners upstream."""
        counts, _, weight, incoming, _ = self.records(places)
        rows = np.repeat(np.arange(len(places)), counts)
        down, up = (
            sums_by_code(rows[side], weight[side], len(places)) for side in (~incoming, incoming)
        )
        partners = np.diff(self.start[2 * places[:, None] + np.arange(3)], axis=1)
        return down, partners[:, 0], up, partners[:, 1]

    def totals(self) -> Int64Array:
        """Return the numbers of synapses downstream and upstream of each neuron, in turn."""
        totals = np.zeros(len(self.start) - 1, np.int64)
        for some in self._blocks(np.arange(len(self.ids)), _BLOCK):
            starts = self.start[2 * some[0] : 2 * some[-1] + 3]
            used = np.flatnonzero(np.diff(starts))
            if len(used):
                weight = self.weight[starts[0] : starts[-1]].astype(np.int64)
                totals[2 * some[0] + used] = np.add.reduceat(weight, starts[used] - starts[0])
        return totals

    def table(self) -> pd.DataFrame:
        """Return all edges as an edge table, sorted by presynaptic neuron."""
        counts, partner, weight, _, row = self.records(np.arange(len(self.ids)), upstream=False)
        return self.edges(np.repeat(self.ids, counts), self.ids[partner], weight, row)


def build(edges: pd.DataFrame, neurons: Int64Array) -> Index:
    """Build the index of an edge table; it includes ``neurons`` without edges."""
    require_numbers(edges, "a Connectome")
    check_total(edges)
    ids, pre, post = coded_ends(edges)
    if len(neurons):
        all_ids = np.union1d(ids, neurons)
        positions = np.searchsorted(all_ids, ids).astype(pre.dtype)
        ids, pre, post = all_ids, positions[pre], positions[post]
    columns = [Column(name) for name in edges.columns.drop(list(COLUMNS))]
    cells = kept.encoded(columns, edges)
    pairs, arrays = sum_pairs(pre, post, edges["weight"].to_numpy(), columns, cells)
    if columns:
        pairs = (*pairs, np.arange(len(pairs[0])))
    sizes, partner, weight, *number = sort_records(pairs, pairs, len(ids))
    start = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=start[1:])
    top = int(np.max(weight, initial=0))
    index = Index(ids, start, partner.astype(small_dtype(len(ids))), weight.astype(small_dtype(top)))
    return replace(index, rows=KeptRows(columns, {**arrays, "pair": number[0]})) if columns else index


def small_dtype(top: int) -> type[np.signedinteger[Any]]:
    """Return the smaller dtype of an array with numbers up to ``top``."""
    return np.int32 if top < 2**31 else np.int64


def sum_pairs(
    pre: Any,
    post: Any,
    weight: Any,
    columns: Sequence[Column] = (),
    cells: Sequence[Any] = (),
    rows: int = 0,
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return distinct pairs of positions, sorted, and the sum of the weights of each.

    With further columns, the second result has the arrays of their rows, which come after ``rows``
    others.
    """
    if columns:
        size = int(max(np.max(pre, initial=0), np.max(post, initial=0))) + 1
        groups = group_codes(pre.astype(np.int64) * size + post, size**2)
        sums = np.add.reduceat(weight[groups.rows], groups.starts) if len(weight) else weight
        first = groups.first
        return (pre[first], post[first], sums), kept.rows_of_pairs(columns, groups, weight, cells, rows)
    pre, post, weight = sort_rows(pre, post, weight)
    new = np.ones(len(pre), bool)
    new[1:] = (pre[1:] != pre[:-1]) | (post[1:] != post[:-1])
    first = np.flatnonzero(new)
    if len(first) == len(pre):
        return (pre, post, weight), {}
    return (pre[first], post[first], np.add.reduceat(weight, first)), {}


def sort_records(
    outputs: Sequence[Any], inputs: Sequence[Any], count: int, low: int = 0
) -> tuple[Any, ...]:
    """Return the records of ``count`` neurons in the order of an index.

    Parameters
    ----------
    outputs, inputs : sequence of array
        The pairs of which they are the presynaptic, and the postsynaptic neurons: the positions of both
        ends, the weight, and the number of the pair, if it has one.
    count : int
        Number of neurons.
    low : int
        The position of the first one.

    Returns
    -------
    tuple
        The numbers of downstream and of upstream records of each neuron, in turn; and of each record the
        partner, the weight, and the number of the pair, if it has one.
    """
    (pre, receiver, out_weight, *out_pair), (sender, post, in_weight, *in_pair) = outputs, inputs
    pre, post = pre - low, post - low
    side = np.concatenate([2 * pre.astype(np.int64), 2 * post.astype(np.int64) + 1])
    other, weight = np.concatenate([receiver, sender]), np.concatenate([out_weight, in_weight])
    sizes = np.bincount(side, minlength=2 * count)
    top = np.max(weight, initial=0)
    if out_pair:
        order = np.lexsort((other, top - weight, side))
        return sizes, other[order], weight[order], np.concatenate([*out_pair, *in_pair])[order]
    _, lowered, partner = sort_rows(side, top - weight, other)
    return sizes, partner, top - lowered
