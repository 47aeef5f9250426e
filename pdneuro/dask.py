"""``.neuro`` on dask frames and series: ``import pdneuro.dask`` registers it.

Everything is lazy: a call builds a graph and sends no request. Each partition is processed by the same
functions as a pandas object, on the worker that holds it. Methods that need all rows of a neuron or of a
pair use dask's shuffle. Options travel with the graph. Tokens do not: each worker reads them from its
environment or its files.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from dask import dataframe as dd
from dask.dataframe import extensions

from pdneuro import queries, tables
from pdneuro._compat import TEXT
from pdneuro.accessors.method import as_method
from pdneuro.errors import InvalidVersionError
from pdneuro.options import carried, get_options
from pdneuro.sources import Source
from pdneuro.tables import partners as partner_tables
from pdneuro.tables import roles, weights
from pdneuro.tables.counts import (
    ROWS,
    could_count,
    may_count,
    not_recognized,
    possible_counts,
    region_columns,
)
from pdneuro.tables.edges import (
    END_OF,
    arranged,
    edge_roles,
    edge_table,
    keep_regions,
    pairs_of_groups,
    sum_pairs,
    value_columns,
    whole_threshold,
    with_labels,
)
from pdneuro.tables.ids import distinct_ids
from pdneuro.tables.joins import Labels, are_labels, labels_of

__all__ = ["DataFrameNeuro", "SeriesNeuro"]

#: A dask frame or series. Dask has no types for them.
Lazy = Any
#: Dtypes that can hold missing values, by kind: any partition may hold some.
_NULLABLE = {"i": "Int64", "u": "Int64", "b": "boolean", "f": "Float64"}


class WithOptions:
    """A function of a partition with its arguments, and the options at the time of the call."""

    def __init__(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        self.function, self.args, self.kwargs = function, args, kwargs
        self.options = {**get_options(), "progress": False}

    def __call__(self, partition: Any, *more: Any) -> Any:
        """Return the result for a partition."""
        with carried(self.options):
            return self.function(partition, *more, *self.args, **self.kwargs)

    def __dask_tokenize__(self) -> Any:
        from dask.base import normalize_token

        named = f"{self.function.__module__}.{self.function.__qualname__}"
        state = (named, self.args, sorted(self.kwargs.items()), sorted(self.options.items(), key=str))
        return normalize_token(state)


# -- queries: each row alone -------------------------------------------------------------------------


def by_row(
    function: Callable[..., Any],
    find: Callable[..., pd.Series[Any]] = roles.id_column,
    *,
    join: bool = False,
    meta: bool = False,
) -> Callable[..., Lazy]:
    """Return a lazy version of a query that returns rows for each input row.

    A query for an empty column sends no request; its result has the columns and dtypes.

    Parameters
    ----------
    function : callable
        A query of :mod:`pdneuro.queries`.
    find : callable
        Function that returns the column of IDs of a table.
    join : bool
        Whether the query adds columns to a table.
    meta : bool
        Whether columns can be undocumented; then ``meta=`` takes their names and dtypes.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def lazy_function(lazy: Lazy, /, *args: Any, **kwargs: Any) -> Lazy:
        undocumented = _dtypes(kwargs.pop("meta", None))
        bound = signature.bind(lazy, *args, **kwargs)
        on = bound.arguments.pop("on", None)
        columns = [find(lazy._meta, name) for name, _ in roles.ends_of(on)]
        if join:
            bound.arguments["on"] = [column.name for column in columns]
        elif lazy.ndim == 2:
            lazy = lazy[columns[0].name]
        if "source" in signature.parameters:
            _require_one_version(bound.arguments.get("source"))
        call = functools.partial(function, **bound.kwargs)
        names = bound.args[1:]
        if meta and not undocumented:
            _require_documented(names, bound.kwargs)
        empty = call(lazy._meta, *names)
        if isinstance(empty, pd.Series):
            dtypes: Any = _nullable(empty.dtype)
            empty = empty.astype(dtypes)
        else:
            new, extra = empty.columns, undocumented
            if join:  # existing columns of the table keep their dtypes
                ids = pd.concat(columns, axis=1)
                new = call(ids, *names).columns.drop(ids.columns)
                prefix, suffix = bound.kwargs.get("prefix", ""), bound.kwargs.get("suffix", "")
                extra = {
                    f"{prefix}{name}{suffix}{end}": kind
                    for name, kind in undocumented.items()
                    for _, end in roles.ends_of(bound.kwargs["on"])
                }
            dtypes = {**{name: _nullable(empty[name].dtype) for name in new}, **extra}
            empty = empty.reindex(columns=[*empty.columns, *(n for n in extra if n not in empty)])
            empty = empty.astype(dtypes)
        work = WithOptions(_align, function, names, bound.kwargs, dtypes, list(empty) if dtypes else [])
        return lazy.map_partitions(work, meta=empty)

    if meta:
        parameter = inspect.Parameter("meta", inspect.Parameter.KEYWORD_ONLY, default=None)
        parameters = [*signature.parameters.values(), parameter]
        lazy_function.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return lazy_function


def _require_one_version(source: str | Source | None) -> None:
    """Raise for ``"auto"``: each partition would choose a version for its own IDs."""
    given = get_options()["source"] if source is None else source
    version = given.rpartition("@")[2] if isinstance(given, str) else getattr(given, "version", None)
    if version == "auto":
        raise InvalidVersionError(
            "a lazy table has no 'auto': each partition would choose its own version. Name a version. "
            "For the one that fits: ids.compute().neuro.edges(source=...).attrs has version_of_data."
        )


def _align(
    partition: Any, function: Any, names: Any, options: Any, dtypes: Any, columns: list[Any]
) -> Any:
    """Return the result for a partition, with the columns and dtypes of all partitions."""
    result = function(partition, *names, **options)
    if isinstance(result, pd.Series):
        return result.astype(dtypes)
    aligned = result.reindex(columns=columns).astype(dtypes)
    aligned.attrs = result.attrs
    return aligned


def _dtypes(meta: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the dtypes of ``meta=``; "str" becomes the text dtype that keeps missing values."""
    return {name: TEXT if kind in (str, "str") else kind for name, kind in (meta or {}).items()}


def _nullable(dtype: Any) -> Any:
    """Return a dtype that holds missing values; text for categories, which differ by partition."""
    if isinstance(dtype, pd.CategoricalDtype):
        return TEXT
    return _NULLABLE.get(dtype.kind, dtype) if isinstance(dtype, np.dtype) else dtype


def _require_documented(names: Sequence[Any], options: Mapping[str, Any]) -> None:
    """Raise if the columns of a property are not known without a request."""
    for name in names:
        if queries.properties.properties([], name, source=options.get("source")).columns.empty:
            raise _undocumented(name)


def _undocumented(name: Any) -> ValueError:
    return ValueError(
        f"the columns of {name!r} are not documented, and no request is sent to find them. Name them "
        "with their dtypes: meta={'column': 'Int64', ...}."
    )


ids = by_row(tables.exact_ids)
properties = by_row(queries.properties.properties, meta=True)
join_properties = by_row(queries.properties.join_properties, join=True, meta=True)
structures = by_row(queries.structures.structures, roles.structure_column)
join_structures = by_row(queries.structures.join_structures, roles.structure_column, join=True)
ancestors = by_row(queries.structures.ancestors, roles.structure_column)
descendants = by_row(queries.structures.descendants, roles.structure_column)
rollup = by_row(queries.structures.rollup, roles.structure_column)
is_under = by_row(queries.structures.is_under, roles.structure_column)
neuromorpho = by_row(queries.neuromorpho.neuromorpho, roles.neuromorpho_column)
morphometry = by_row(queries.neuromorpho.morphometry, roles.neuromorpho_column)
join_neuromorpho = by_row(queries.neuromorpho.join_neuromorpho, roles.neuromorpho_column, join=True)
join_morphometry = by_row(queries.neuromorpho.join_morphometry, roles.neuromorpho_column, join=True)


# -- queries: each distinct segment once -------------------------------------------------------------


def records(
    ids: Lazy,
    /,
    name: str,
    on: Hashable | None = None,
    source: str | Source | None = None,
    *,
    meta: Mapping[str, Any] | None = None,
    **fetch: Any,
) -> Lazy:
    """Return a list-valued property in long form; see :func:`pdneuro.queries.properties.records`.

    ``meta`` gives the names and dtypes of columns that are not documented; those of ``connectivity``
    are.
    """
    _require_one_version(source)
    function = queries.properties.records
    empty = function([], name, source=source)
    if meta is None and len(empty.columns) == 1:
        raise _undocumented(name)
    if meta is not None:
        empty = pd.DataFrame(
            {"segment_id": empty["segment_id"], **dict.fromkeys(meta, empty.iloc[:, 0])}
        )
    dtypes = {label: _nullable(empty[label].dtype) for label in empty} | _dtypes(meta)
    dtypes["segment_id"] = "int64"
    work = WithOptions(_align, function, (name,), {"source": source, **fetch}, dtypes, list(dtypes))
    return _distinct(_column(ids, on))[0].map_partitions(work, meta=empty.astype(dtypes))


def edges(
    ids: Lazy,
    /,
    on: Hashable | None = None,
    *,
    upstream: bool = True,
    downstream: bool = True,
    min_weight: int = 1,
    within: bool = False,
    autapses: bool = True,
    roi: bool = False,
    fragments: bool = True,
    source: str | Source | None = None,
    **fetch: Any,
) -> Lazy:
    """Return the edges of segments as a lazy edge table; see :func:`pdneuro.queries.edges.edges`.

    Each distinct segment is requested once, whichever partitions it is in. Only one hop is followed: a
    further hop needs all neurons of the one before.
    """
    _require_one_version(source)
    options = {"upstream": upstream, "downstream": downstream, "autapses": autapses, **fetch}
    options |= {"min_weight": whole_threshold(min_weight), "source": source}
    options |= {"roi": roi, "fragments": fragments}
    distinct, everyone = _distinct(_column(ids, on))
    nothing = np.empty(0, np.int64)
    meta = edge_table(nothing, nothing, nothing)
    if roi:
        meta = meta.assign(roi=pd.Series(dtype=TEXT))
    work = WithOptions(_edges, within, options)
    return distinct.map_partitions(work, everyone, meta=meta)


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
    column = _column(ids, on)
    table = edges(column, **sides, min_weight=min_weight, source=source, **fetch)
    # The edges of a partner, or of a label, are in many partitions, at either of their ends.
    _, everyone = _distinct(column)
    ends = table.map_partitions(_ends, everyone, sides, meta=_ends(table._meta, column._meta, sides))
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


def _column(ids: Lazy, on: Hashable | None) -> Lazy:
    """Return the column of segment IDs of a lazy table; a lazy column unchanged."""
    name = roles.id_column(ids._meta, on).name
    return ids[name] if ids.ndim == 2 else ids


def _distinct(column: Lazy) -> tuple[Lazy, Lazy]:
    """Return the distinct segments in as many partitions as before, and all of them in one."""
    parts = column.npartitions
    found = ids(column).dropna().astype("int64").drop_duplicates(split_out=parts if parts > 1 else True)
    return found, found.repartition(npartitions=1)


def _edges(
    own: pd.Series[Any], everyone: pd.Series[Any], within: bool, options: dict[str, Any]
) -> pd.DataFrame:
    """Return the edges of the segments of a partition; one partition returns each edge."""
    found = queries.edges.edges(own, **options)
    inside = found["pre"].isin(everyone) & found["post"].isin(everyone)
    if within:
        found = found[inside]
    if options["upstream"] and options["downstream"]:
        # An edge between two partitions comes from the one with its start.
        found = found[found["pre"].isin(own) | ~found["pre"].isin(everyone)]
    if "roi" in found.columns:  # text, since categories differ by partition
        found = found.astype({"roi": TEXT})
    return found.reset_index(drop=True)


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


# -- edge tables -------------------------------------------------------------------------------------


def each(lazy: Lazy, function: Any, *args: Any, **kwargs: Any) -> Lazy:
    """Call a pure function on each partition; its result for an empty table has the columns."""
    meta = function(lazy._meta, *args, **kwargs)
    return lazy.map_partitions(function, *args, meta=meta, **kwargs)


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
    facts = [frame.map_partitions(_facts_of_counts, counts, meta=_facts_of_counts(frame._meta, counts))]
    for number, key in enumerate(keys, 1):
        parts = frame.npartitions
        distinct = frame[key].drop_duplicates(split_out=parts if parts > 1 else True)
        facts.append(
            distinct.map_partitions(_fact_of_rows, -number, meta=_fact_of_rows(distinct._meta, 0))
        )
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


def _fact_of_rows(part: pd.DataFrame, number: int) -> pd.DataFrame:
    return pd.DataFrame({"number": [number], "rows": len(part), "possible": True, "larger": False})


def _edges_or_refuse(
    part: pd.DataFrame, facts: pd.DataFrame, counts: list[Hashable], roles: list[Any], **options: Any
) -> pd.DataFrame:
    """Convert a partition of synapses; raise an error if the rows are pairs with another count."""
    by_number = facts.groupby("number").agg({"rows": "sum", "possible": "all", "larger": "any"})
    named = by_number.loc[list(range(len(counts)))]
    likely = (named["possible"] & named["larger"]).tolist()
    columns = [name for name, is_likely in zip(counts, likely, strict=True) if is_likely]
    distinct = by_number.loc[by_number.index < 0, "rows"]
    if columns and (distinct == by_number.loc[0, "rows"]).any():
        raise not_recognized(columns)
    return tables.as_edges(part, *roles, **options)


def _standard(edges: Lazy) -> Lazy:
    """Return an edge table unchanged, and any other table converted by :func:`as_edges`."""
    ends = ("pre", "post", "weight")
    standard = all(name in edges.columns and edges._meta[name].dtype == np.int64 for name in ends)
    return edges if standard else as_edges(edges)


def threshold(edges: Lazy, min_weight: float, per: str = "pair", *, of: str | None = None) -> Lazy:
    """Keep edges with a minimum number or share of synapses; see :func:`pdneuro.tables.threshold`."""
    standard = _standard(edges)
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
    pairs = _standard(edges).shuffle(on=["pre", "post"])
    regions = regions if regions is None or isinstance(regions, str) else list(regions)
    options: dict[str, Any] = {"values": values, "roi": roi, "regions": regions, "dropna": dropna}
    if group_by is None:
        return each(pairs, tables.collapse, **options)
    # The neurons of a group are counted where all its pairs are.
    _, labels = with_labels(pairs._meta, group_by)
    groups = list(dict.fromkeys([*labels, *(["roi"] if roi else [])]))
    names = value_columns(pairs._meta, values)
    parts = each(pairs, _pairs_of_groups, group_by, groups, names, regions)
    return each(parts.shuffle(on=groups), _sum_groups, groups, names, dropna)


def _pairs_of_groups(
    part: pd.DataFrame, group_by: Any, groups: list[Any], values: list[Any], regions: Any
) -> pd.DataFrame:
    part = part if regions is None else keep_regions(part, regions)
    return pairs_of_groups(with_labels(part, group_by)[0], groups, values)


def _sum_groups(pairs: pd.DataFrame, groups: list[Any], values: list[Any], dropna: bool) -> pd.DataFrame:
    return arranged(sum_pairs(pairs, groups, values), groups, dropna, sort=False, observed=True)


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
    standard = _standard(edges)
    options: dict[str, Any] = {"on": on, "suffixes": suffixes, "overwrite": overwrite}
    empty = tables.annotate(standard._meta, nodes, columns, **options)
    # A partition with an unknown neuron has Int64, so all partitions must have it.
    new = empty.columns.difference(standard.columns)
    kept_categories = (name for name in new if not isinstance(empty[name].dtype, pd.CategoricalDtype))
    dtypes = {name: _nullable(empty[name].dtype) for name in kept_categories}
    work = WithOptions(_align, tables.annotate, (nodes, columns), options, dtypes, list(empty.columns))
    return standard.map_partitions(work, meta=empty.astype(dtypes))


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

    ``total="present"`` shuffles; ``total="source"`` sends requests when it is computed.
    """
    standard = _standard(edges)
    if of not in END_OF:
        raise ValueError(f"of must be 'input' or 'output', not {of!r}.")
    if not are_labels(total) and total == "present":
        standard = standard.shuffle(on=END_OF[of])
    known = total if are_labels(total) or total == "present" else {}
    meta = weights.fractions(standard._meta, of, known, overwrite=overwrite)
    if isinstance(total, str) and total == "source":
        _require_one_version(source)
    options: Any = {"overwrite": overwrite, "source": source, **fetch}
    return standard.map_partitions(WithOptions(queries.edges.fractions, of, total, **options), meta=meta)


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
    return each(_standard(edges), tables.sign, nt, **options)


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

    The index is the neuron, sorted within each partition.
    """
    parts = each(collapse(edges), _degree_of_part)
    return each(parts.shuffle(on="id"), _sum_by_id)


def _degree_of_part(pairs: pd.DataFrame) -> pd.DataFrame:
    return tables.degree(pairs).reset_index()


def _sum_by_id(parts: pd.DataFrame) -> pd.DataFrame:
    return parts.groupby("id").sum()


def reciprocal(edges: Lazy) -> Lazy:
    """Add the weight of the opposite edge; see :func:`pdneuro.tables.reciprocal`."""
    standard = _standard(edges)
    forward = standard["pre"] < standard["post"]
    both = standard.assign(
        _low=standard["pre"].where(forward, standard["post"]),
        _high=standard["post"].where(forward, standard["pre"]),
    )
    names = ["_low", "_high"]
    return each(both.shuffle(on=names).drop(columns=names), tables.reciprocal)


# -- accessors ---------------------------------------------------------------------------------------


class _LazyAccessor:
    def __init__(self, obj: Any) -> None:
        self._obj = obj

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise AttributeError(
            f".neuro.{name}() is not available on dask. Call .compute().neuro.{name}(...) instead."
        )

    def __repr__(self) -> str:
        names = [name for part in type(self).__mro__ for name in vars(part) if not name.startswith("_")]
        kind = "table" if self._obj.ndim == 2 else f"column {self._obj.name!r}"
        lines = [f"<neuro: lazy {kind}>"]
        lines += [
            f"  {' '.join(f'.{name}()' for name in names[k : k + 8])}" for k in range(0, len(names), 8)
        ]
        return "\n".join([*lines, "  .compute() returns the pandas object, which has all methods"])


class SeriesNeuro(_LazyAccessor):
    """Methods for a lazy column of segment IDs, structures or neurons."""

    ids = as_method(ids)
    properties = as_method(properties)
    records = as_method(records)
    edges = as_method(edges)
    upstream = as_method(upstream)
    downstream = as_method(downstream)
    partners = as_method(partners)
    structures = as_method(structures)
    ancestors = as_method(ancestors)
    descendants = as_method(descendants)
    rollup = as_method(rollup)
    is_under = as_method(is_under)
    neuromorpho = as_method(neuromorpho)
    morphometry = as_method(morphometry)


class DataFrameNeuro(SeriesNeuro):
    """Methods for a lazy table of neurons or structures, and for lazy edge tables."""

    join_properties = as_method(join_properties)
    join_structures = as_method(join_structures)
    join_neuromorpho = as_method(join_neuromorpho)
    join_morphometry = as_method(join_morphometry)
    as_edges = as_method(as_edges)
    threshold = as_method(threshold)
    collapse = as_method(collapse)
    annotate = as_method(annotate)
    fractions = as_method(fractions)
    sign = as_method(sign)
    top_nt = as_method(top_nt)
    degree = as_method(degree)
    reciprocal = as_method(reciprocal)


extensions.register_series_accessor("neuro")(SeriesNeuro)  # type: ignore[no-untyped-call]
extensions.register_dataframe_accessor("neuro")(DataFrameNeuro)  # type: ignore[no-untyped-call]
