"""Queries of the distinct segments of a lazy column: edges, partners, synapses."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from dask import dataframe as dd

from pdneuro import queries
from pdneuro._compat import TEXT
from pdneuro.dask.each_row import distinct_segments, require_one_version, undocumented
from pdneuro.dask.fetcher import Call, WithOptions, fetcher_of, running
from pdneuro.dask.partitions import Lazy, aligned, dtypes_of, each
from pdneuro.errors import NodeBudgetError
from pdneuro.sources import Source
from pdneuro.tables import partners as partner_tables
from pdneuro.tables import roles
from pdneuro.tables.edges import edge_table
from pdneuro.tables.hops import MAX_NODES
from pdneuro.tables.ids import distinct_ids
from pdneuro.tables.joins import Labels, labels_of
from pdneuro.tables.thresholds import whole_threshold


def edges(
    ids: Lazy,
    /,
    on: Hashable | None = None,
    *,
    upstream: bool = True,
    downstream: bool = True,
    hops: int = 1,
    min_weight: int = 1,
    within: bool = False,
    autapses: bool = True,
    max_nodes: int | None = None,
    roi: bool = False,
    fragments: bool = True,
    source: str | Source | None = None,
    **fetch: Any,
) -> Lazy:
    """Return the edges of segments as a lazy edge table; see :func:`pdneuro.queries.edges.edges`.

    Each distinct segment is requested once, whichever partitions it is in. All neurons of a hop are
    found before the next one is requested.
    """
    if hops < 1:
        raise ValueError(f"hops must be at least 1, not {hops!r}.")
    require_one_version(source)
    fetcher = fetcher_of(fetch, source=source)
    min_weight = whole_threshold(min_weight)
    options = {"upstream": upstream, "downstream": downstream, "min_weight": min_weight, **fetch}
    options |= {"source": source, "roi": roi, "fragments": fragments}
    distinct, everyone = segments_of(ids, on)
    meta = queries.edges.edges(distinct._meta, **options)
    if roi:
        meta = meta.astype({"roi": TEXT})
    query = Call(queries.edges.edges, (), options)
    found: list[Lazy] = []
    earlier = everyone.partitions[0].map_partitions(_none, meta=everyone._meta)
    limit = max_nodes if max_nodes is not None else MAX_NODES if hops > 1 else None
    for hop in range(1, 2 if within else hops + 1):  # further hops only add edges that leave
        work = WithOptions(fetcher, _edges, hop, query, within, limit)
        table = distinct.map_partitions(work, everyone, earlier, meta=meta)
        found.append(table.assign(hop=np.int64(hop)) if hops > 1 else table)
        if hop < hops and not within:
            used = [*(["post"] if downstream else []), *(["pre"] if upstream else [])]
            ends = [table[end].rename("id") for end in used]
            earlier = dd.concat([earlier, everyone]).repartition(npartitions=1)  # type: ignore[no-untyped-call]
            reached, _ = segments_of(dd.concat(ends))  # type: ignore[no-untyped-call]
            distinct = reached.map_partitions(_not_in, earlier, meta=reached._meta)
            everyone = distinct.repartition(npartitions=1)
    whole = found[0] if len(found) == 1 else dd.concat(found)  # type: ignore[no-untyped-call]
    return whole if autapses else each(whole, _without_autapses)


def _without_autapses(edges: pd.DataFrame) -> pd.DataFrame:
    return edges[edges["pre"] != edges["post"]]


def _none(ids: pd.Series[Any]) -> pd.Series[Any]:
    return ids.iloc[:0]


def _not_in(ids: pd.Series[Any], others: pd.Series[Any]) -> pd.Series[Any]:
    return ids[~ids.isin(others)]


def upstream(ids: Lazy, /, on: Hashable | None = None, **options: Any) -> Lazy:
    """Return the inputs of segments: :func:`edges` with ``downstream=False``."""
    return edges(ids, on, upstream=True, downstream=False, **options)


def downstream(ids: Lazy, /, on: Hashable | None = None, **options: Any) -> Lazy:
    """Return the outputs of segments: :func:`edges` with ``upstream=False``."""
    return edges(ids, on, upstream=False, downstream=True, **options)


def partners(
    ids: Lazy,
    /,
    on: Hashable | None = None,
    *,
    group_by: Labels | None = None,
    upstream: bool = True,
    downstream: bool = True,
    min_weight: int = 1,
    top: int | None = None,
    cover: float | None = None,
    dropna: bool = False,
    source: str | Source | None = None,
    **fetch: Any,
) -> Lazy:
    """Return the partners of segments; see :func:`pdneuro.queries.edges.partners`.

    The order of the rows is not defined.
    """
    partner_tables.check_strongest(top, cover)
    sides = {"upstream": upstream, "downstream": downstream}
    if fetch.get("hops", 1) != 1:
        raise ValueError("partners are of one hop. For further hops, use .neuro.edges(hops=...).")
    table = edges(ids, on, **sides, min_weight=min_weight, source=source, **fetch)
    # The edges of a partner, or of a label, are in many partitions, at either of their ends.
    _, everyone = segments_of(ids, on)
    ends = table.map_partitions(_ends, everyone, sides, meta=_ends(table._meta, everyone._meta, sides))
    key = "partner"
    if group_by is not None:
        ends = ends.map_partitions(_add_label, group_by, meta=_add_label(ends._meta, group_by))
        key = "label"
    counted = _count_partners(ends._meta, group_by)
    found = ends.shuffle(on=key).map_partitions(_count_partners, group_by, meta=counted)
    if top is None and cover is None:
        return found.dropna(subset=["partner"]) if dropna else found
    # The order of all partners is known only in one partition.
    together = found.repartition(npartitions=1)
    return each(together, partner_tables.strongest, top, cover, dropna=dropna)


def segments_of(ids: Lazy, on: Hashable | None = None) -> tuple[Lazy, Lazy]:
    """Return the distinct segments in as many partitions as before, and all of them in one."""
    name = roles.id_column(ids._meta, on).name
    found = distinct_segments(ids[name] if ids.ndim == 2 else ids)
    return found, found.repartition(npartitions=1)


def _edges(
    own: pd.Series[Any],
    everyone: pd.Series[Any],
    earlier: pd.Series[Any],
    hop: int,
    query: Call,
    within: bool,
    max_nodes: int | None,
) -> pd.DataFrame:
    """Return the edges of the segments of a partition at a hop; one partition returns each edge."""
    total = len(earlier) + len(everyone)
    if max_nodes is not None and total > max_nodes:
        raise NodeBudgetError(
            f"hop {hop} would query {len(everyone):,} neurons, {total:,} in total: more than "
            f"max_nodes={max_nodes:,}. Raise min_weight, follow fewer hops, or pass a larger max_nodes."
        )
    found = _rows_of(own, everyone, earlier, query, within)
    if "roi" in found.columns:  # text, since categories differ by partition
        found = found.astype({"roi": TEXT})
    return found


def _rows_of(
    own: pd.Series[Any],
    everyone: pd.Series[Any],
    earlier: pd.Series[Any],
    query: Call,
    within: bool,
) -> pd.DataFrame:
    """Return the rows of the segments of a partition, without those that another one returns."""
    found: pd.DataFrame = running.get().fetch(query, own)
    pre, post = found["pre"], found["post"]
    kept = pd.Series(True, index=found.index)
    if within:
        kept &= pre.isin(everyone) & post.isin(everyone)
    if query.kwargs["upstream"] and query.kwargs["downstream"]:
        # A row between the segments of two partitions is in that of its start.
        kept &= pre.isin(own) | ~pre.isin(everyone)
        kept &= ~pre.isin(earlier) & ~post.isin(earlier)
    return found[kept].reset_index(drop=True)


def synapses(
    ids: Lazy,
    /,
    columns: str | Sequence[str] | None = None,
    on: Hashable | None = None,
    source: str | Source | None = None,
    *,
    upstream: bool = True,
    downstream: bool = True,
    within: bool = False,
    meta: Mapping[str, Any] | None = None,
    **options: Any,
) -> Lazy:
    """Return the synapses of root IDs; see :func:`pdneuro.queries.cave.synapses`.

    ``meta`` gives the names and dtypes of the columns after ``id, pre, post``, or with ``nt=True``
    after ``pre, post, weight``.
    """
    require_one_version(source)
    if meta is None:
        raise undocumented("synapses")
    fetcher = fetcher_of(options, source=source)
    options |= {"source": source, "upstream": upstream, "downstream": downstream}
    standard = ["pre", "post", "weight"] if options.get("nt") else ["id", "pre", "post"]
    dtypes = dict.fromkeys(standard, "int64") | dtypes_of(meta)
    empty = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in dtypes.items()})
    distinct, everyone = segments_of(ids, on)
    query = Call(queries.cave.synapses, (columns,), options)
    work = WithOptions(fetcher, _synapses, query, within, dtypes)
    return distinct.map_partitions(work, everyone, meta=empty)


def _synapses(
    own: pd.Series[Any], everyone: pd.Series[Any], query: Call, within: bool, dtypes: dict[str, Any]
) -> pd.DataFrame:
    found = _rows_of(own, everyone, _none(everyone), query, within)
    table: pd.DataFrame = aligned(found, dtypes, list(dtypes))
    return table


def _ends(edges: pd.DataFrame, everyone: pd.Series[Any], sides: dict[str, bool]) -> pd.DataFrame:
    """Return one row per edge and queried neuron: neuron, partner, side as a number, weight."""
    parts = []
    ends = (("downstream", "pre", "post"), ("upstream", "post", "pre"))
    for number, (side, neuron, partner) in enumerate(ends):
        own = edges[edges[neuron].isin(everyone)] if sides[side] else edges.iloc[:0]
        parts.append(own.rename(columns={neuron: "neuron", partner: "partner"}).assign(side=number))
    names = ["neuron", "partner", "side", "weight"]
    return pd.concat([part[names] for part in parts], ignore_index=True)


def _add_label(ends: pd.DataFrame, group_by: Labels) -> pd.DataFrame:
    return ends.assign(label=labels_of(ends["partner"].to_numpy(), group_by))


def _count_partners(ends: pd.DataFrame, group_by: Labels | None) -> pd.DataFrame:
    """Return the table of partners of these rows, in any order."""
    tables_by_side = []
    for number, (neuron, partner) in enumerate((("pre", "post"), ("post", "pre"))):
        part = ends[ends["side"] == number]
        columns = {neuron: part["neuron"], partner: part["partner"], "weight": part["weight"]}
        table = edge_table(columns["pre"], columns["post"], columns["weight"])
        tables_by_side.append(
            partner_tables.partners(
                table,
                distinct_ids(part["neuron"]),
                upstream=number == 1,
                downstream=number == 0,
                group_by=group_by,
            )
        )
    return pd.concat(tables_by_side, ignore_index=True)
