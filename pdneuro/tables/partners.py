"""Partners of neurons: lists per neuron to an edge table, an edge table to a list, and packed lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro._compat import TEXT
from pdneuro.errors import InconsistentEdgesWarning, warn
from pdneuro.tables.collapse import with_all_categories
from pdneuro.tables.edges import edge_table
from pdneuro.tables.grouping import group_rows, sort_rows, sums_by_code
from pdneuro.tables.ids import Int64Array
from pdneuro.tables.joins import Labels, labels_of
from pdneuro.tables.pairs import coded_ends
from pdneuro.tables.provenance import facts, inherit, note
from pdneuro.tables.thresholds import as_share


def partners(
    edges: pd.DataFrame,
    ids: Int64Array,
    *,
    upstream: bool = True,
    downstream: bool = True,
    group_by: Labels | None = None,
    top: int | None = None,
    cover: float | None = None,
    dropna: bool = False,
    sort: bool = False,
    observed: bool = True,
    once: bool = False,
) -> pd.DataFrame:
    """List the partners of some neurons taken together, from an edge table.

    Parameters
    ----------
    edges : DataFrame
        An edge table.
    ids : array of int64
        The neurons.
    upstream, downstream : bool
        Which sides to list.
    group_by : mapping or Series, optional
        Label of each partner, by ID.
    top, cover
        Number, or share of the weight, of the strongest partners of each side. Default: all partners.
    dropna, sort, observed : bool
        Drop partners without a label; sort by partner instead of weight; list only labels in use.
    once : bool
        Whether each pair is known to have one row, which spares a sort.

    Returns
    -------
    DataFrame
        See :func:`pdneuro.queries.edges.partners`.
    """
    nodes, pre, post = coded_ends(edges)
    asked = pd.Index(ids).get_indexer(pd.Index(nodes)) >= 0
    ends = [(pre, post, 0)] * downstream + [(post, pre, 1)] * upstream
    parts = []
    for own, other, side in ends:
        rows = np.flatnonzero(asked[own])
        weight = edges["weight"].to_numpy()[rows]
        parts.append((own[rows], other[rows], np.full(len(rows), side, np.int8), weight))
    rows_of_sides = PartnerRows(*map(np.concatenate, zip(*parts, strict=True)))
    table = sum_partners(
        nodes,
        [rows_of_sides],
        group_by,
        top=top,
        cover=cover,
        dropna=dropna,
        sort=sort,
        observed=observed,
        once=once,
    )
    unlabeled = without_label(table)
    result = inherit(table, edges)
    return note(result, **unlabeled) if unlabeled else result


def without_label(table: pd.DataFrame) -> dict[str, int]:
    """Return the fact that partners have no label, if they are grouped."""
    return {key: cells for key, cells in facts(table).items() if key == "without_label"}


class PartnerRows(NamedTuple):
    """Partners of neurons, as aligned arrays with one entry per neuron, side and partner, or more."""

    #: Positions of the neuron and of the partner among all neurons.
    own: Any
    other: Any
    #: 1 if the partner is upstream, otherwise 0.
    side: Any
    weight: Any


def sum_partners(
    nodes: Any,
    blocks: Iterable[PartnerRows],
    group_by: Labels | None = None,
    *,
    min_weight: int = 1,
    top: int | None = None,
    cover: float | None = None,
    dropna: bool = False,
    sort: bool = False,
    observed: bool = True,
    once: bool = True,
) -> pd.DataFrame:
    """Return one row per partner, or label, and side; see :func:`partners`.

    ``nodes`` are the IDs of all neurons, sorted. All rows of a neuron are in one block.
    """
    check_strongest(top, cover)
    both = _sums(nodes, blocks, group_by, min_weight, once)
    if not observed:
        both = with_all_categories(both, ["partner", "side"])
    unlabeled = both["partner"].isna().to_numpy()
    missing = int(both["weight"].to_numpy()[unlabeled].sum())
    side = both["side"].to_numpy()
    totals = sums_by_code(side, both["weight"].to_numpy(), 2)[side]
    if dropna:
        both, totals = both[~unlabeled], totals[~unlabeled]
    if not (top is None and cover is None):
        both = both[_are_strongest(both, totals, top, cover)]
    result = _sorted(both, [] if sort else ["weight"], grouped=group_by is not None)
    words = pd.array(["downstream", "upstream"], TEXT).take(result.pop("side").to_numpy())
    result.insert(1, "direction", words)
    return result if group_by is None else note(result, without_label=missing)


def _sums(
    nodes: Any, blocks: Iterable[PartnerRows], group_by: Labels | None, min_weight: int, once: bool
) -> pd.DataFrame:
    """Return one row per partner or label of partners, and side; partners in their order."""
    size = 2 * len(nodes)
    weights, neurons, found = np.zeros(size, np.int64), np.zeros(size, np.int64), np.zeros(size, bool)
    labels = None if group_by is None else pd.Series(labels_of(nodes, group_by))
    if labels is not None:
        groups = group_rows(labels)
        group = np.empty(len(labels), np.int64)
        group[groups.rows] = np.repeat(np.arange(len(groups.starts)), groups.sizes)
    for own, other, side, weight in blocks:
        if min_weight > 1 and len(weight) and np.min(weight) < min_weight:
            rows = np.flatnonzero(weight >= min_weight)
            own, other, side, weight = own[rows], other[rows], side[rows], weight[rows]
        code = 2 * other.astype(np.int64) + side
        found[code] = True
        if labels is not None:
            code = 2 * group[other] + side
        weights += sums_by_code(code, weight, size)
        if labels is not None or not once:  # a neuron may have several partners with the same label
            code, sorted_own = sort_rows(code, own)
            new = np.ones(len(code), bool)
            new[1:] = (code[1:] != code[:-1]) | (sorted_own[1:] != sorted_own[:-1])
            code = code[new]
        neurons += np.bincount(code, minlength=size)
    used = np.flatnonzero(found)
    key, columns = pd.Series(nodes[used // 2]), {}
    if labels is not None:
        sizes = np.bincount(2 * group[used // 2] + used % 2)
        used = np.flatnonzero(sizes)
        key, columns = labels.iloc[groups.first[used // 2]], {"n_partners": sizes[used]}
    return pd.DataFrame(
        {
            "partner": key.reset_index(drop=True),
            "weight": weights[used],
            "n_neurons": neurons[used],
            **columns,
            "side": used % 2,
        }
    )


def _sorted(both: pd.DataFrame, order: list[str], *, grouped: bool) -> pd.DataFrame:
    """Sort by weight, the largest first, or by partner; partners without labels are in order."""
    if grouped:
        order = [*order, "partner", "side"]
        return both.sort_values(order, ascending=[name != "weight" for name in order], ignore_index=True)
    if not order:
        return both.reset_index(drop=True)
    weight = both["weight"].to_numpy()
    top = int(np.max(weight, initial=0))
    # Short integers are sorted several times faster.
    falling = (top - weight).astype(np.min_scalar_type(top))
    return both.take(np.argsort(falling, kind="stable")).reset_index(drop=True)


def check_strongest(top: Any, cover: Any) -> None:
    """Raise an error if a number or a share of partners is not valid."""
    whole = isinstance(top, int | np.integer) and not isinstance(top, bool)
    if top is not None and (not whole or top < 1):
        raise ValueError(f"top must be a whole number of partners, 1 or more, not {top!r}.")
    if cover is not None and as_share(cover, "cover") == 0:
        raise ValueError("cover must be more than 0.")


def strongest(
    found: pd.DataFrame, top: int | None, cover: float | None, *, dropna: bool = False
) -> pd.DataFrame:
    """Return the strongest rows of each direction of a table of partners.

    >>> found = pd.DataFrame({"partner": [7, 8], "direction": "upstream", "weight": [9, 1]})
    >>> strongest(found, None, 0.9).partner.tolist()
    [7]
    """
    side = found.assign(side=found["direction"])
    totals = side.groupby("side")["weight"].transform("sum").to_numpy()
    if dropna:
        labeled = side["partner"].notna().to_numpy()
        found, side, totals = found[labeled], side[labeled], totals[labeled]
    return found[_are_strongest(side, totals, top, cover)]


def _are_strongest(
    both: pd.DataFrame, totals: Any, top: int | None, cover: float | None
) -> npt.NDArray[np.bool_]:
    """Return which rows are among the strongest of their side; ``totals`` are those of the sides."""
    numbered = both.assign(row=np.arange(len(both)), total=totals)
    ranked = numbered.sort_values(["weight", "partner"], ascending=[False, True])
    sides = ranked.groupby("side")
    kept = np.ones(len(ranked), bool)
    if top is not None:
        kept &= sides.cumcount().to_numpy() < top
    if cover is not None:
        weight, total = ranked["weight"].to_numpy(), ranked["total"].to_numpy()
        before = sides["weight"].cumsum().to_numpy() - weight
        # The first partner that reaches the share is the last one.
        kept &= (before / np.maximum(total, 1) < cover) & (weight > 0)
    chosen = np.empty(len(both), bool)
    chosen[ranked["row"].to_numpy()] = kept
    return chosen


#: A packed partner: its ID, and twice the number of synapses, plus one if it is presynaptic.
_RECORD = np.dtype([("partner", np.int64), ("code", np.int32)])


#: Number of records that are converted at once: their arrays stay in the processor's cache.
_CHUNK = 65_536


class PartnerLists(NamedTuple):
    """Partners of several neurons, as aligned arrays with one entry per neuron and partner."""

    #: Position of the neuron.
    rows: npt.NDArray[np.intp]
    partner: Int64Array
    #: Number of synapses.
    weight: npt.NDArray[np.integer[Any]]
    #: Whether the partner is presynaptic.
    incoming: npt.NDArray[np.bool_]

    def where(self, keep: npt.NDArray[np.bool_]) -> PartnerLists:
        """Return some of the entries."""
        return self if keep.all() else PartnerLists._make(cells[keep] for cells in self)


def pack(sizes: Any, partner: Int64Array, weight: Int64Array, incoming: Any) -> list[bytes]:
    """Pack partners of several neurons into one body per neuron.

    Parameters
    ----------
    sizes : array of int
        Number of partners of each neuron.
    partner, weight : array of int64
        The partners of the first neuron, then those of the second, ...
    incoming : array of bool, or bool
        Whether the partner is presynaptic.

    Returns
    -------
    list of bytes
        12 bytes per partner, for :func:`unpack`.

    Raises
    ------
    OverflowError
        A weight is negative, or 2**30 or more.
    """
    if len(weight) and not (np.min(weight) >= 0 and np.max(weight) < 2**30):
        raise OverflowError("the numbers of synapses do not fit into 30 bits.")
    records = np.empty(len(partner), _RECORD)
    records["partner"] = partner
    records["code"] = weight << 1 | incoming
    data, ends = records.tobytes(), (_RECORD.itemsize * np.cumsum(sizes, dtype=np.intp)).tolist()
    return [data[start:end] for start, end in pairwise([0, *ends])]


def are_whole(bodies: Iterable[bytes | None]) -> bool:
    """Return whether packed partners are not truncated."""
    lengths = np.array([len(body) for body in bodies if body is not None], np.intp)
    return not (lengths % _RECORD.itemsize).any()


def unpack(bodies: Iterable[bytes | None]) -> PartnerLists:
    """Return the partners in the bodies of several neurons; None is a neuron without partners."""
    records, sizes = _records(bodies)
    code = records["code"]
    return PartnerLists(
        np.repeat(np.arange(len(sizes)), sizes),
        np.ascontiguousarray(records["partner"]),
        code >> 1,
        (code & 1).astype(bool),
    )


def unpack_in_parts(bodies: Sequence[bytes | None]) -> Iterator[PartnerLists]:
    """Return the same as :func:`unpack`, for some of the neurons after the others."""
    sizes = np.array([len(body or b"") for body in bodies], np.intp) // _RECORD.itemsize
    starts = np.flatnonzero(np.diff((np.cumsum(sizes) - sizes) // _CHUNK, prepend=-1)).tolist()
    for start, end in pairwise([*starts, len(sizes)]):
        part = unpack(bodies[start:end])
        yield part._replace(rows=part.rows + start)


def partner_count(bodies: Iterable[bytes | None]) -> int:
    """Return the number of partners of all neurons."""
    return sum(len(body or b"") for body in bodies) // _RECORD.itemsize


def partner_counts(bodies: Iterable[bytes | None]) -> tuple[Int64Array, Int64Array]:
    """Return the number of downstream and of upstream partners of each neuron."""
    records, sizes = _records(bodies)
    before = np.concatenate([[0], np.cumsum(records["code"] & 1)])
    ends = np.cumsum(sizes)
    incoming = before[ends] - before[ends - sizes]
    return sizes - incoming, incoming


def _records(bodies: Iterable[bytes | None]) -> tuple[npt.NDArray[np.void], npt.NDArray[np.intp]]:
    """Return the records of several neurons, and the number of records of each."""
    present = [body or b"" for body in bodies]
    sizes = np.array([len(body) for body in present], np.intp) // _RECORD.itemsize
    return np.frombuffer(b"".join(present), _RECORD), sizes


def from_partners(ids: Int64Array, parts: Iterable[PartnerLists], count: int) -> pd.DataFrame:
    """Build an edge table from partner lists. An edge listed by both neurons appears once.

    Parameters
    ----------
    ids : array of int64
        The neurons that have a list, each once.
    parts : iterable of PartnerLists
        Their lists, with positions in ``ids``. Partners without a segment (0) are left out.
    count : int
        Number of records, or more.

    Returns
    -------
    DataFrame
        ``pre, post, weight`` (int64) in the order of the records. If both neurons list an edge, the
        record of the presynaptic one is taken.
    """
    pre, post, weight = (np.empty(count, np.int64) for _ in range(3))
    known = pd.Index(ids)
    # Only an edge with both ends among ``ids`` can be listed twice. The sieve by low bits spares most
    # of the others the slower lookup.
    bits = (1 << max(10, int(8 * len(ids)).bit_length())) - 1
    sieve = np.zeros(bits + 1, bool)
    sieve[ids & bits] = True
    inner: list[tuple[npt.NDArray[Any], ...]] = []
    end = 0
    for whole in parts:
        part = whole.where(whole.partner > 0)
        rows, partner, counts, incoming = part
        here = slice(end, end + len(rows))
        own = ids[rows]
        pre[here], post[here] = np.where(incoming, partner, own), np.where(incoming, own, partner)
        weight[here] = counts
        places = np.flatnonzero(sieve[partner & bits])
        codes = known.get_indexer(pd.Index(partner[places]))
        places, codes = places[codes >= 0], codes[codes >= 0]
        is_in, own = incoming[places], rows[places]
        pairs = np.where(is_in, codes, own) * len(ids) + np.where(is_in, own, codes)
        inner.append((end + places, pairs, is_in))
        end = here.stop
    between = [np.concatenate(cells) for cells in zip(*inner, strict=True)]
    inner.clear()  # they are a tenth of the table
    doubles = _doubles(weight, *between) if between else ids[:0]
    if len(doubles):
        keep = np.ones(end, bool)
        keep[doubles] = False
        # In place: three more arrays of this size would take longer than all the rest.
        for column in (pre, post, weight):
            done = 0
            for start in range(0, end, _CHUNK):
                chunk = slice(start, min(start + _CHUNK, end))
                kept = column[chunk][keep[chunk]]
                column[done : done + len(kept)] = kept
                done += len(kept)
        end -= len(doubles)
    return edge_table(pre[:end], post[:end], weight[:end])


def _doubles(
    weight: Int64Array,
    places: npt.NDArray[np.intp],
    pairs: Int64Array,
    is_in: npt.NDArray[np.bool_],
) -> npt.NDArray[np.intp]:
    """Return the positions of incoming records whose edge an outgoing record has as well.

    Parameters
    ----------
    weight : array of int64
        The weights of all records.
    places, pairs, is_in : array
        Records between two of the neurons: position, number of the pair, and whether the partner is
        presynaptic.
    """
    out_code, distinct = pd.factorize(pairs[~is_in])  # argsort takes twice as long
    in_code = pd.Index(distinct).get_indexer(pd.Index(pairs[is_in]))
    doubles: npt.NDArray[np.intp] = places[is_in][in_code >= 0]
    if len(doubles):
        _compare(out_code, weight[places[~is_in]], in_code[in_code >= 0], weight[doubles])
    return doubles


def _compare(
    out_code: npt.NDArray[np.intp],
    out_weight: npt.NDArray[np.integer[Any]],
    in_code: npt.NDArray[np.intp],
    in_weight: npt.NDArray[np.integer[Any]],
) -> None:
    """Warn if the two neurons of an edge list different weights; codes number the pairs."""
    size = int(np.max(out_code)) + 1
    ours = np.bincount(out_code, out_weight, size)
    theirs = np.bincount(in_code, in_weight, size)
    differ = int(((ours != theirs) & (np.bincount(in_code, minlength=size) > 0)).sum())
    if differ:
        warn(
            f"{differ:,} edges have different weights in the lists of their two neurons. The one in the "
            "list of the presynaptic neuron is used. The responses may come from different snapshots.",
            InconsistentEdgesWarning,
        )
