"""Methods of lazy edge tables that return a lazy table."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from dask import dataframe as dd

from pdneuro import queries, tables
from pdneuro.dask.each_row import require_one_version
from pdneuro.dask.fetcher import Call, WithOptions, fetcher_of, running
from pdneuro.dask.partitions import Lazy, aligned, each, merged, nullable, once, sent
from pdneuro.sources import Source
from pdneuro.tables import weights
from pdneuro.tables.collapse import (
    arranged,
    pairs_of_groups,
    sum_pairs,
    sum_rows,
    value_columns,
    with_labels,
)
from pdneuro.tables.columns import array_of, check_choice
from pdneuro.tables.counts import (
    ROWS,
    could_count,
    may_count,
    not_recognized,
    possible_counts,
    region_columns,
)
from pdneuro.tables.edges import edge_roles, rows_of_regions
from pdneuro.tables.joins import Labels, add_columns, are_labels
from pdneuro.tables.provenance import extend, note
from pdneuro.tables.thresholds import END_OF, warn_of_missing_edges


def as_edges(
    frame: Lazy,
    pre: Hashable | None = None,
    post: Hashable | None = None,
    weight: Hashable | None = None,
    roi: Hashable | None = None,
    nt: Hashable | None = None,
    *,
    regions: str | Iterable[str] | None = None,
    nodes: str = "ids",
) -> Lazy:
    """Convert a lazy edge table with any known column names; see :func:`pdneuro.tables.as_edges`.

    Without a column of weights, all partitions together decide whether a row is a synapse or a pair.
    """
    chosen = regions if regions is None or isinstance(regions, str) else list(regions)
    options = {"regions": chosen, "nodes": nodes}
    found = edge_roles(frame._meta, pre, post, weight, roi, nt)
    counts = possible_counts(frame._meta, found) if found[2] is None else []
    if not counts:
        return each(frame, tables.as_edges, *found, **options)
    pairs = [*found[:2]]
    keys = [pairs, *([*pairs, name] for name in region_columns(frame.columns) if name not in pairs)]
    keys.insert(0, [])  # whole rows: a table of pairs may list a pair twice
    facts = [each(frame, _facts_of_counts, counts)]
    for number, key in enumerate(keys, 1):
        distinct = once(frame[key] if key else each(frame, _hashed))
        facts.append(each(distinct, _fact_of_rows, -number))
    all_facts = dd.concat(facts).repartition(npartitions=1)  # type: ignore[no-untyped-call]
    roles_of = [*found[:2], ROWS, *found[3:]]
    return frame.map_partitions(
        _edges_or_refuse,
        all_facts,
        counts,
        roles_of,
        meta=tables.as_edges(frame._meta, *roles_of),
        **options,
    )


def _facts_of_counts(part: pd.DataFrame, counts: list[Hashable]) -> pd.DataFrame:
    """Return what the rows of a partition say about the columns that may count synapses."""
    found = [
        (k, len(part), may_count(part[name]), could_count(part[name])) for k, name in enumerate(counts)
    ]
    return pd.DataFrame(found, columns=["number", "rows", "possible", "larger"])


def _hashed(part: pd.DataFrame) -> pd.Series[Any]:
    """Return a number for each row, equal for equal rows."""
    try:
        return pd.util.hash_pandas_object(part, index=False)
    except TypeError:  # lists, such as positions
        return pd.util.hash_pandas_object(part.astype(str), index=False)


def _fact_of_rows(part: Any, number: int) -> pd.DataFrame:
    return pd.DataFrame({"number": [number], "rows": len(part), "possible": True, "larger": False})


def _edges_or_refuse(
    part: pd.DataFrame, facts: pd.DataFrame, counts: list[Hashable], roles: list[Any], **options: Any
) -> pd.DataFrame:
    """Convert a partition of synapses; raise an error if the rows are pairs with another count."""
    by_number = facts.groupby("number").agg({"rows": "sum", "possible": "all", "larger": "any"})
    named = by_number.loc[list(range(len(counts)))]
    likely = (named["possible"] & named["larger"]).tolist()
    columns = [name for name, is_likely in zip(counts, likely, strict=True) if is_likely]
    whole, distinct = by_number.loc[-1, "rows"], by_number.loc[by_number.index < -1, "rows"]
    if columns and (distinct == whole).any():
        raise not_recognized(columns)
    return tables.as_edges(part, *roles, **options)


def standard_edges(edges: Lazy) -> Lazy:
    """Return an edge table unchanged, and any other table converted by :func:`as_edges`."""
    ends = ("pre", "post", "weight")
    standard = all(name in edges.columns and edges._meta[name].dtype == np.int64 for name in ends)
    return edges if standard else as_edges(edges)


def threshold(edges: Lazy, min_weight: float, per: str = "pair", *, of: str | None = None) -> Lazy:
    """Keep edges with a minimum number or share of synapses; see :func:`pdneuro.tables.threshold`."""
    standard = standard_edges(edges)
    if of in END_OF:
        standard = standard.shuffle(on=END_OF[of])
    elif per == "pair":
        standard = standard.shuffle(on=["pre", "post"])
    return each(standard, tables.threshold, min_weight, per, of=of)


def collapse(
    edges: Lazy,
    group_by: Hashable | Sequence[Hashable] | Labels | Mapping[str, Any] | None = None,
    *,
    values: Hashable | Sequence[Hashable] | None = None,
    roi: bool = False,
    regions: str | Iterable[str] | None = None,
    dropna: bool = False,
) -> Lazy:
    """Sum the rows of each pair of neurons, or of groups; see :func:`pdneuro.tables.collapse`.

    The order of the rows is not defined.

    Examples
    --------
    >>> import dask.dataframe as dd, pdneuro.dask
    >>> edges = dd.from_pandas(pdneuro.sandbox.edges(), npartitions=3)
    >>> len(edges.neuro.threshold(50).neuro.collapse())
    501
    """
    standard = standard_edges(edges)
    if regions is not None:
        standard = each(standard, rows_of_regions, regions)
    if group_by is None:
        options: dict[str, Any] = {"values": values, "roi": roi, "dropna": dropna}
        # The rows of a partition are summed first, so that fewer are sent.
        summed = each(standard, tables.collapse, **options)
        return each(summed.shuffle(on=["pre", "post"]), tables.collapse, **options)
    _, labels = with_labels(standard._meta, group_by)
    groups = list(dict.fromkeys([*labels, *(["roi"] if roi else [])]))
    names = value_columns(standard._meta, values)
    pairs = each(standard, _pairs_of_groups, group_by, groups, names)
    ends = [end for end in ("pre", "post") if end in groups]
    if ends:  # as many groups as neurons, each in one partition
        return each(pairs.shuffle(on=ends), _sum_groups, groups, names, dropna)
    # One partition has all rows of a presynaptic neuron, so its pairs and these neurons are counted
    # there. Postsynaptic neurons are counted by what remains: one row per group and neuron.
    by_start = pairs.shuffle(on="pre")
    sums = each(by_start, _sums_by_start, groups, names)
    targets = each(by_start, _targets, groups).shuffle(on="post")
    counts = each(targets, _count_targets, groups, list(sums.columns))
    both = dd.concat([sums, counts])  # type: ignore[no-untyped-call]
    total = merged(both, total_of, groups)
    return each(total, arranged, groups, dropna, sort=False, observed=True)


def _pairs_of_groups(
    part: pd.DataFrame, group_by: Any, groups: list[Any], values: list[Any]
) -> pd.DataFrame:
    return pairs_of_groups(with_labels(part, group_by)[0], groups, values)


def _sum_groups(pairs: pd.DataFrame, groups: list[Any], values: list[Any], dropna: bool) -> pd.DataFrame:
    return arranged(_sums(pairs, groups, values), groups, dropna, sort=False, observed=True)


def _sums(pairs: pd.DataFrame, groups: list[Any], values: list[Any]) -> pd.DataFrame:
    """Return the sums and counts of groups; the parts of a pair from several partitions are one pair."""
    return sum_pairs(pairs_of_groups(pairs, groups, values), groups, values)


def _sums_by_start(pairs: pd.DataFrame, groups: list[Any], values: list[Any]) -> pd.DataFrame:
    return _sums(pairs, groups, values).assign(n_post=np.int64(0))


def _targets(pairs: pd.DataFrame, groups: list[Any]) -> pd.DataFrame:
    """Return each postsynaptic neuron of each group once."""
    return pairs[[*groups, "post"]].drop_duplicates()


def _count_targets(targets: pd.DataFrame, groups: list[Any], columns: list[Any]) -> pd.DataFrame:
    """Return the number of postsynaptic neurons of each group, in a table of sums."""
    once = targets.drop_duplicates()
    zeros = dict.fromkeys([name for name in columns if name not in groups], np.int64(0))
    return total_of(once.assign(**{**zeros, "n_post": np.int64(1)})[columns], groups)


def total_of(rows: pd.DataFrame, keys: list[Any]) -> pd.DataFrame:
    """Return one row per combination of keys, with the sums of all other columns."""
    others = [name for name in rows.columns if name not in (*keys, "weight")]
    return sum_rows(rows, keys, also=others, hop=False)[list(rows.columns)]


def annotate(
    edges: Lazy,
    nodes: pd.DataFrame | Labels,
    columns: Hashable | Sequence[Hashable] | None = None,
    *,
    on: Hashable | None = None,
    suffixes: Sequence[str | None] = ("_pre", "_post"),
    overwrite: bool = False,
) -> Lazy:
    """Add columns of the neurons to both ends of each edge; see :func:`pdneuro.tables.annotate`.

    ``nodes`` is a pandas object; each worker receives it.
    """
    standard = standard_edges(edges)
    options: dict[str, Any] = {"on": on, "suffixes": suffixes, "overwrite": overwrite}
    empty = tables.annotate(standard._meta, nodes, columns, **options)
    # A partition with an unknown neuron has Int64, so all partitions must have it.
    new = empty.columns.difference(standard.columns)
    kept_categories = (name for name in new if not isinstance(empty[name].dtype, pd.CategoricalDtype))
    dtypes = {name: nullable(empty[name].dtype) for name in kept_categories}
    return standard.map_partitions(
        _annotated, sent(nodes), columns, options, dtypes, list(empty), meta=empty.astype(dtypes)
    )


def _annotated(
    edges: pd.DataFrame, nodes: Any, columns: Any, options: Any, dtypes: Any, names: list[Any]
) -> pd.DataFrame:
    found: pd.DataFrame = aligned(tables.annotate(edges, nodes, columns, **options), dtypes, names)
    return found


def fractions(
    edges: Lazy,
    /,
    of: str = "input",
    total: str | Labels = "present",
    *,
    overwrite: bool = False,
    source: str | Source | None = None,
    **fetch: Any,
) -> Lazy:
    """Add each edge's share of the input or output; see :func:`pdneuro.queries.edges.fractions`.

    ``total="present"`` reads the table twice; ``total="source"`` sends requests when it is computed.
    """
    standard = standard_edges(edges)
    check_choice("of", of, END_OF)
    if isinstance(total, str) and total == "source":
        require_one_version(source)
        fetcher = fetcher_of(fetch, source=source)
        query = Call(queries.edges.fractions, (of, total), {"source": source, **fetch})
        meta = weights.fractions(standard._meta, of, {}, overwrite=overwrite)
        return standard.map_partitions(WithOptions(fetcher, _shares, query, overwrite), meta=meta)
    if are_labels(total) or total != "present":
        return each(standard, weights.fractions, of, total, overwrite=overwrite)
    end = END_OF[of]
    totals = merged(standard[[end, "weight"]], total_of, [end])
    meta = weights.fractions(standard._meta, of, overwrite=overwrite)
    return standard.map_partitions(_fractions, totals, of, overwrite, meta=meta)


def _fractions(edges: pd.DataFrame, totals: pd.DataFrame, of: str, overwrite: bool) -> pd.DataFrame:
    """Add the shares of all rows of all partitions."""
    warn_of_missing_edges(edges, of, len(totals))
    sums = totals.set_index(END_OF[of])["weight"]
    found = weights.fractions(edges, of, sums, overwrite=overwrite)
    return note(found, fractions_total="present")


def _shares(edges: pd.DataFrame, query: Call, overwrite: bool) -> pd.DataFrame:
    """Add the shares of all synapses that the source counts."""
    of = query.args[0]
    ends = edges[["pre", "post", "weight"]]
    shares = running.get().fetch(query, ends)
    name = f"{of}_fraction"
    result = add_columns(edges, {name: array_of(shares[name])}, overwrite=overwrite)
    return extend(result, shares)


def sign(
    edges: Lazy,
    nt: Hashable = "nt_pre",
    *,
    inhibitory: str | Iterable[str],
    excitatory: str | Iterable[str],
    other: int = 0,
) -> Lazy:
    """Add the sign of each edge, by its transmitter; see :func:`pdneuro.tables.sign`."""
    names = [group if isinstance(group, str) else list(group) for group in (inhibitory, excitatory)]
    # A partition may contain none of the transmitters.
    options = {"inhibitory": names[0], "excitatory": names[1], "other": other, "check": False}
    return each(standard_edges(edges), tables.sign, nt, **options)


def top_nt(
    table: Lazy,
    columns: Mapping[Hashable, str] | Iterable[Hashable] | None = None,
    *,
    overwrite: bool = False,
) -> Lazy:
    """Add the most likely transmitter of each row; see :func:`pdneuro.tables.top_nt`."""
    chosen = columns if columns is None or isinstance(columns, Mapping) else list(columns)
    return each(table, tables.top_nt, chosen, overwrite=overwrite)


def degree(edges: Lazy) -> Lazy:
    """Count the partners and synapses of each neuron; see :func:`pdneuro.tables.degree`.

    The result is one partition, with a row for each neuron.
    """
    return each(collapse(edges), tables.degree).reset_index().groupby("id").sum(split_out=1)


def reciprocal(edges: Lazy) -> Lazy:
    """Add the weight of the opposite edge; see :func:`pdneuro.tables.reciprocal`."""
    return each(by_unordered_pair(standard_edges(edges)), tables.reciprocal)


def by_unordered_pair(standard: Lazy) -> Lazy:
    """Bring all edges between two neurons, in both directions, into one partition."""
    forward = standard["pre"] < standard["post"]
    both = standard.assign(
        _low=standard["pre"].where(forward, standard["post"]),
        _high=standard["post"].where(forward, standard["pre"]),
    )
    names = ["_low", "_high"]
    return both.shuffle(on=names).drop(columns=names)
