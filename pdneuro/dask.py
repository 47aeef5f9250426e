"""``.neuro`` on dask frames and series: ``import pdneuro.dask`` registers it.

Everything is lazy: a call builds a graph and sends no request. Each partition is processed by the same
functions as a pandas object, on the worker that holds it. Methods that need all rows of a neuron or of a
pair use dask's shuffle. Options travel with the graph. Tokens do not: each worker reads them from its
environment or its files.
"""

from __future__ import annotations

import contextvars
import functools
import inspect
import os
import secrets
import sys
import threading
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cloudpickle  # type: ignore[import-untyped]
import numpy as np
import pandas as pd
from dask import dataframe as dd
from dask.callbacks import Callback
from dask.dataframe import extensions
from dask.delayed import delayed

from pdneuro import citations, graphs, neuroglancer, queries, tables
from pdneuro._compat import TEXT
from pdneuro.accessors.method import as_method
from pdneuro.errors import InvalidVersionError, MissingColumnsError, NodeBudgetError
from pdneuro.options import carried, get_option, get_options, refreshed_since
from pdneuro.queries._call import Found, run_query
from pdneuro.sources import Source, is_service
from pdneuro.tables import partners as partner_tables
from pdneuro.tables import roles, weights
from pdneuro.tables.columns import array_of
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
    GROUP_COUNTS,
    PER_NEURON,
    arranged,
    edge_roles,
    edge_table,
    pairs_of_groups,
    rows_of_regions,
    sum_pairs,
    sum_rows,
    value_columns,
    warn_of_missing_edges,
    whole_threshold,
    with_labels,
    with_numbers,
)
from pdneuro.tables.ids import as_series, distinct_ids
from pdneuro.tables.joins import Labels, add_columns, are_labels, labels_of
from pdneuro.tables.provenance import extend, facts, inherit, note
from pdneuro.transport import report
from pdneuro.transport.http import slots
from pdneuro.transport.report import Report

__all__ = ["DataFrameNeuro", "SeriesNeuro"]

#: A dask frame or series. Dask has no types for them.
Lazy = Any
#: Dtypes that can hold missing values, by kind: any partition may hold some.
_NULLABLE = {"i": "Int64", "u": "Int64", "b": "boolean", "f": "Float64"}


# -- where queries run -------------------------------------------------------------------------------

_NAME = secrets.token_hex(8)


def _process() -> str:
    """Return a name of this process. A forked process has another one."""
    return f"{_NAME}-{os.getpid()}"


class _RunReport(Report):
    """The fetches of all tasks of a computation; those of the call before, while there are none."""

    def __init__(self, before: Report | None) -> None:
        super().__init__()
        has_none = isinstance(before, _RunReport) and not before.fetches
        self.before = before.before if has_none else before  # type: ignore[union-attr]

    def table(self) -> pd.DataFrame:
        """Return one row per ID and property."""
        if not self.fetches and self.before is not None:
            return self.before.table()
        # Tasks end in any order: the row of the task that requested an ID counts, not of those that
        # found it in the cache.
        table = super().table()
        first = table.sort_values("from_cache", kind="stable")
        first = first.drop_duplicates(["id", "property", "source"])
        return first.sort_index(ignore_index=True)


class _Run(NamedTuple):
    """A computation: its report, and the context (tokens of a block) of the thread that started it."""

    report: Report
    context: contextvars.Context


_run: _Run | None = None


def _start(*_: Any) -> None:
    """Start a report for the thread that starts a computation."""
    global _run
    report.publish(_RunReport(report.latest()))
    _run = _Run(report.latest(), contextvars.copy_context())  # type: ignore[arg-type]


Callback(start=_start).register()  # type: ignore[no-untyped-call]


class Fetcher:
    """Runs queries in the process that made the lazy table, with the options of that moment.

    Parameters
    ----------
    on_workers : bool
        Run each query where its task runs, such as a query of local files.
    refresh : bool
        Request values that were cached before this moment again.
    max_workers : int, optional
        Maximum number of requests at the same time, of all tasks together.
    """

    def __init__(
        self, *, on_workers: bool = False, refresh: bool = False, max_workers: int | None = None
    ) -> None:
        self.options = {**get_options(), "progress": False}
        self.options["max_workers"] = get_option("max_workers", max_workers)
        self.process = None if on_workers else _process()
        self.since = time.time() if refresh else None
        self.is_copy = False
        self.queue: str | None = None
        self.thread = threading.get_ident()

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for a copy. dask copies the original when it sends a graph to a cluster."""
        queue = self.queue
        if not self.is_copy and self.process is not None:
            if self.thread == threading.get_ident():  # other threads send the tasks of the graph
                _start()
            if "distributed" in sys.modules:
                from pdneuro import cluster

                queue = cluster.listen(self.process)
        return {**vars(self), "is_copy": True, "queue": queue}

    def __dask_tokenize__(self) -> Any:
        from dask.base import normalize_token

        return normalize_token((sorted(self.options.items(), key=str), self.since))

    def fetch(self, query: Callable[[Any], Any], ids: Any) -> Any:
        """Return the result of a query for a column."""
        if self.queue is not None and self.process != _process():
            from pdneuro import cluster

            if cluster.on_worker():
                plugin = cluster.plugin()
                if plugin is None:
                    return cluster.ask(self.queue, cloudpickle.dumps(partial(self.run, query, ids)))
                if plugin.cache_dir is not None:
                    self.options["cache_dir"] = Path(plugin.cache_dir)
        return self.run(query, ids)

    def look_up(self, query: Callable[[Any], Any], column: pd.Series[Any]) -> Any:
        """Return the result of a query with one row per row of a column; each value is sent once."""
        try:
            codes, _ = pd.factorize(array_of(column), use_na_sentinel=False)
        except TypeError:  # lists are not hashable
            return self.fetch(query, column)
        first = np.flatnonzero(~pd.Series(codes).duplicated())
        found = self.fetch(query, column.iloc[first])
        if isinstance(found, Found):
            status = found.status()[codes]
            return Found(found.table.take(codes).set_axis(column.index), lambda: status)
        return found.take(codes).set_axis(column.index)

    def run(self, query: Callable[[Any], Any], ids: Any) -> Any:
        """Run a query in this process, in the context of the computation."""
        context = contextvars.Context() if _run is None else _run.context.copy()
        return context.run(self._run, query, ids)

    def _run(self, query: Callable[[Any], Any], ids: Any) -> Any:
        refreshed_since.set(self.since)
        slots.set(_shared_slots(self.options["max_workers"]))
        before = report.latest()
        report.publish(None)
        try:
            with carried(self.options):
                found = query(ids)
            if isinstance(found, Found):
                found = Found(found.table, partial(np.copy, found.status()))
        finally:
            own = report.latest()
            report.publish(before)
            if own is not None and _run is not None:
                for answers in own.fetches:
                    answers.payloads = answers.payloads[:0]  # a report needs no values
                _run.report.fetches.extend(own.fetches)
        return found


@functools.cache
def _shared_slots(count: int) -> threading.Semaphore:
    return threading.Semaphore(count)


@dataclass(frozen=True)
class Call:
    """A function with the arguments that follow a column."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def __call__(self, column: Any) -> Any:
        """Return the result for a column."""
        return self.function(column, *self.args, **self.kwargs)


_fetcher: ContextVar[Fetcher] = ContextVar("pdneuro_dask_fetcher")


class WithOptions:
    """A function of a partition with its arguments, and what runs the queries in it."""

    def __init__(self, fetcher: Fetcher, function: Callable[..., Any], *args: Any) -> None:
        self.fetcher, self.function, self.args = fetcher, function, args
        self.__name__ = function.__name__.strip("_")  # for the names of tasks

    def __call__(self, partition: Any, *more: Any) -> Any:
        """Return the result for a partition."""
        tokens = _fetcher.set(self.fetcher), run_query.set(self.fetcher.look_up)
        try:
            with carried(self.fetcher.options):
                return self.function(partition, *more, *self.args)
        finally:
            _fetcher.reset(tokens[0])
            run_query.reset(tokens[1])

    def __dask_tokenize__(self) -> Any:
        from dask.base import normalize_token

        named = f"{self.function.__module__}.{self.function.__qualname__}"
        return normalize_token((named, self.args, self.fetcher))


def _fetcher_of(fetch: dict[str, Any], *, source: Any = None, has_source: bool = True) -> Fetcher:
    """Return what runs the queries of a call; its arguments that concern all tasks leave ``fetch``."""
    chosen = {name: fetch.pop(name) for name in ("refresh", "max_workers") if name in fetch}
    return Fetcher(on_workers=has_source and not is_service(source), **chosen)


# -- queries: each row alone -------------------------------------------------------------------------


def by_row(
    function: Callable[..., Any],
    find: Callable[..., pd.Series[Any]] = roles.id_column,
    *,
    run: Callable[..., Any] | None = None,
    join: bool = False,
    meta: Callable[[Sequence[Any], Mapping[str, Any]], None] | None = None,
) -> Callable[..., Lazy]:
    """Return a lazy version of a query that returns rows for each input row.

    A query for an empty column sends no request; its result has the columns and dtypes.

    Parameters
    ----------
    function : callable
        A query of :mod:`pdneuro.queries`.
    find : callable
        Function that returns the column of IDs of a table.
    run : callable, optional
        What a task does with a partition. Default: it looks up each distinct value.
    join : bool
        Whether the query adds columns to a table.
    meta : callable, optional
        Raises an error if columns are not documented and ``meta=`` does not name them.
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
        options, names = bound.kwargs, bound.args[1:]
        has_source, source = "source" in signature.parameters, bound.arguments.get("source")
        fetcher = _fetcher_of(options, source=source, has_source=has_source)
        call = partial(function, **options)
        if meta and not undocumented:
            meta(names, bound.arguments)
        empty = call(lazy._meta, *names)
        if isinstance(empty, pd.Series):
            dtypes: Any = _nullable(empty.dtype)
            empty = empty.astype(dtypes)
        else:
            new, extra = empty.columns, undocumented
            if join:  # existing columns of the table keep their dtypes
                ids = pd.concat(columns, axis=1)
                new = call(ids, *names).columns.drop(ids.columns)
                prefix, suffix = (bound.arguments.get(name, "") for name in ("prefix", "suffix"))
                extra = {
                    f"{prefix}{name}{suffix}{end}": kind
                    for name, kind in undocumented.items()
                    for _, end in roles.ends_of(bound.arguments["on"])
                }
            dtypes = {**{name: _nullable(empty[name].dtype) for name in new}, **extra}
            empty = empty.reindex(columns=[*empty.columns, *(n for n in extra if n not in empty)])
            empty = empty.astype(dtypes)
        labels = list(empty.columns) if isinstance(empty, pd.DataFrame) else []
        action = run or (_called if join else _looked_up)
        work = WithOptions(fetcher, action, Call(function, names, options), dtypes, labels)
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


def _called(partition: Any, call: Call, dtypes: Any, columns: list[Any]) -> Any:
    """Return the result of a function for a partition; a join in it looks up each distinct value."""
    return _aligned(call(partition), dtypes, columns)


def _looked_up(column: pd.Series[Any], query: Call, dtypes: Any, columns: list[Any]) -> Any:
    """Return the result of a query for a partition, one row per row."""
    return _aligned(_fetcher.get().look_up(query, column), dtypes, columns)


def _fetched(column: pd.Series[Any], query: Call, dtypes: Any, columns: list[Any]) -> Any:
    """Return the result of a query for a partition, in long form."""
    return _aligned(_fetcher.get().fetch(query, column), dtypes, columns)


def _aligned(result: Any, dtypes: Any, columns: list[Any]) -> Any:
    """Return the result for a partition, with the columns and dtypes of all partitions."""
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


def _require_meta(names: Sequence[Any], _: Mapping[str, Any]) -> None:
    """Raise: the columns of a table of CAVE are never known without a request."""
    raise _undocumented(names[0])


def _undocumented(name: Any) -> ValueError:
    return ValueError(
        f"the columns of {name!r} are not documented, and no request is sent to find them. Name them "
        "with their dtypes: meta={'column': 'Int64', ...}."
    )


ids = by_row(tables.exact_ids, run=_called)
properties = by_row(queries.properties.properties, meta=_require_documented)
join_properties = by_row(queries.properties.join_properties, join=True, meta=_require_documented)
structures = by_row(queries.structures.structures, roles.structure_column)
join_structures = by_row(queries.structures.join_structures, roles.structure_column, join=True)
ancestors = by_row(queries.structures.ancestors, roles.structure_column, run=_fetched)
descendants = by_row(queries.structures.descendants, roles.structure_column, run=_fetched)
rollup = by_row(queries.structures.rollup, roles.structure_column)
is_under = by_row(queries.structures.is_under, roles.structure_column)
neuromorpho = by_row(queries.neuromorpho.neuromorpho, roles.neuromorpho_column)
morphometry = by_row(queries.neuromorpho.morphometry, roles.neuromorpho_column)
persistence = by_row(queries.neuromorpho.persistence, roles.neuromorpho_column)
join_neuromorpho = by_row(queries.neuromorpho.join_neuromorpho, roles.neuromorpho_column, join=True)
join_morphometry = by_row(queries.neuromorpho.join_morphometry, roles.neuromorpho_column, join=True)
cave = by_row(queries.cave.cave, meta=_require_meta)
join_cave = by_row(queries.cave.join_cave, join=True, meta=_require_meta)
is_latest = by_row(queries.cave.is_latest)
latest = by_row(queries.cave.latest)
at = by_row(queries.cave.at)
roots = by_row(queries.supervoxels.roots, roles.supervoxel_column)
join_roots = by_row(queries.supervoxels.join_roots, roles.supervoxel_column, join=True)


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
    fetcher = _fetcher_of(fetch, source=source)
    query = Call(function, (name,), {"source": source, **fetch})
    work = WithOptions(fetcher, _fetched, query, dtypes, list(dtypes))
    return _distinct(_column(ids, on))[0].map_partitions(work, meta=empty.astype(dtypes))


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
    _require_one_version(source)
    fetcher = _fetcher_of(fetch, source=source)
    min_weight = whole_threshold(min_weight)
    options = {"upstream": upstream, "downstream": downstream, "min_weight": min_weight, **fetch}
    options |= {"source": source, "roi": roi, "fragments": fragments}
    column = _column(ids, on)
    meta = queries.edges.edges(column._meta.iloc[:0], **options)
    if roi:
        meta = meta.astype({"roi": TEXT})
    distinct, everyone = _distinct(column)
    query = Call(queries.edges.edges, (), options)
    found: list[Lazy] = []
    earlier = everyone.partitions[0].map_partitions(_none, meta=everyone._meta)
    limit = max_nodes if max_nodes is not None else tables.edges.MAX_NODES if hops > 1 else None
    for hop in range(1, 2 if within else hops + 1):  # further hops only add edges that leave
        work = WithOptions(fetcher, _edges, hop, query, within, limit)
        table = distinct.map_partitions(work, everyone, earlier, meta=meta)
        found.append(table.assign(hop=np.int64(hop)) if hops > 1 else table)
        if hop < hops and not within:
            used = [*(["post"] if downstream else []), *(["pre"] if upstream else [])]
            ends = [table[end].rename("id") for end in used]
            earlier = dd.concat([earlier, everyone]).repartition(npartitions=1)  # type: ignore[no-untyped-call]
            reached, _ = _distinct(dd.concat(ends))  # type: ignore[no-untyped-call]
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
    found: pd.DataFrame = _fetcher.get().fetch(query, own)
    if within:
        found = found[found["pre"].isin(everyone) & found["post"].isin(everyone)]
    if query.kwargs["upstream"] and query.kwargs["downstream"]:
        found = _of_start(found, own, everyone)
        found = found[~found["pre"].isin(earlier) & ~found["post"].isin(earlier)]
    if "roi" in found.columns:  # text, since categories differ by partition
        found = found.astype({"roi": TEXT})
    return found.reset_index(drop=True)


def _of_start(found: pd.DataFrame, own: pd.Series[Any], everyone: pd.Series[Any]) -> pd.DataFrame:
    """Keep a row between the neurons of two partitions only in the partition with its start."""
    kept: pd.DataFrame = found[found["pre"].isin(own) | ~found["pre"].isin(everyone)]
    return kept


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
    _require_one_version(source)
    if meta is None:
        raise _undocumented("synapses")
    fetcher = _fetcher_of(options, source=source)
    options |= {"source": source, "upstream": upstream, "downstream": downstream}
    standard = ["pre", "post", "weight"] if options.get("nt") else ["id", "pre", "post"]
    dtypes = dict.fromkeys(standard, "int64") | _dtypes(meta)
    empty = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in dtypes.items()})
    distinct, everyone = _distinct(_column(ids, on))
    query = Call(queries.cave.synapses, (columns,), options)
    work = WithOptions(fetcher, _synapses, query, within, dtypes)
    return distinct.map_partitions(work, everyone, meta=empty)


def _synapses(
    own: pd.Series[Any], everyone: pd.Series[Any], query: Call, within: bool, dtypes: dict[str, Any]
) -> pd.DataFrame:
    found = _fetcher.get().fetch(query, own)
    if within:
        found = found[found["pre"].isin(everyone) & found["post"].isin(everyone)]
    if query.kwargs["upstream"] and query.kwargs["downstream"]:
        found = _of_start(found, own, everyone)
    aligned: pd.DataFrame = _aligned(found.reset_index(drop=True), dtypes, list(dtypes))
    return aligned


def swc(
    neurons: Lazy,
    /,
    version: str = "CNG",
    on: Hashable | None = None,
    *,
    folder: Any = None,
    strict: bool = False,
    key: str | None = None,
    **fetch: Any,
) -> Lazy:
    """Return the nodes of reconstructions; see :func:`pdneuro.queries.neuromorpho.swc`.

    ``folder`` is one of the client's machine.
    """
    fetcher = _fetcher_of(fetch, has_source=False)
    function, options = (
        queries.neuromorpho.swc,
        {"folder": folder, "strict": strict, "key": key, **fetch},
    )
    name = roles.neuromorpho_column(neurons._meta, on).name
    column = neurons[name] if neurons.ndim == 2 else neurons
    parts = column.npartitions
    distinct = column.dropna().drop_duplicates(split_out=parts if parts > 1 else True)
    empty = function(column._meta, version, **{**options, "folder": None})
    dtypes = {label: _nullable(empty[label].dtype) for label in empty}
    work = WithOptions(fetcher, _fetched, Call(function, (version,), options), dtypes, list(dtypes))
    return distinct.map_partitions(work, meta=empty.astype(dtypes))


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
    keys.insert(0, [])  # whole rows: a table of pairs may list a pair twice
    facts = [frame.map_partitions(_facts_of_counts, counts, meta=_facts_of_counts(frame._meta, counts))]
    for number, key in enumerate(keys, 1):
        parts = frame.npartitions
        columns = frame[key] if key else frame.map_partitions(_hashed, meta=_hashed(frame._meta))
        distinct = columns.drop_duplicates(split_out=parts if parts > 1 else True)
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


def _standard(edges: Lazy) -> Lazy:
    """Return an edge table unchanged, and any other table converted by :func:`as_edges`."""
    ends = ("pre", "post", "weight")
    standard = all(name in edges.columns and edges._meta[name].dtype == np.int64 for name in ends)
    return edges if standard else as_edges(edges)


def _merged(frame: Lazy, function: Any, *args: Any, meta: Any = None) -> Lazy:
    """Call a function on each partition, and on the results of several, until one is left.

    Its result for its own results must be that for their rows.
    """
    work = Call(function, args, {})
    meta = work(frame._meta) if meta is None else meta
    return frame.reduction(chunk=work, aggregate=work, combine=work, meta=meta, split_every=8)


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
    standard = _standard(edges)
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
    total = _merged(both, _total, groups)
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
    return _total(once.assign(**{**zeros, "n_post": np.int64(1)})[columns], groups)


def _total(rows: pd.DataFrame, keys: list[Any]) -> pd.DataFrame:
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
    standard = _standard(edges)
    options: dict[str, Any] = {"on": on, "suffixes": suffixes, "overwrite": overwrite}
    empty = tables.annotate(standard._meta, nodes, columns, **options)
    # A partition with an unknown neuron has Int64, so all partitions must have it.
    new = empty.columns.difference(standard.columns)
    kept_categories = (name for name in new if not isinstance(empty[name].dtype, pd.CategoricalDtype))
    dtypes = {name: _nullable(empty[name].dtype) for name in kept_categories}
    return standard.map_partitions(
        _annotated, _sent(nodes), columns, options, dtypes, list(empty), meta=empty.astype(dtypes)
    )


def _annotated(
    edges: pd.DataFrame, nodes: Any, columns: Any, options: Any, dtypes: Any, names: list[Any]
) -> pd.DataFrame:
    found: pd.DataFrame = _aligned(tables.annotate(edges, nodes, columns, **options), dtypes, names)
    return found


def _sent(value: Any) -> Any:
    """Return a value as a separate task, so that each worker receives it once."""
    return delayed(value, pure=True)


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
    standard = _standard(edges)
    if of not in END_OF:
        raise ValueError(f"of must be 'input' or 'output', not {of!r}.")
    if isinstance(total, str) and total == "source":
        _require_one_version(source)
        fetcher = _fetcher_of(fetch, source=source)
        query = Call(queries.edges.fractions, (of, total), {"source": source, **fetch})
        meta = weights.fractions(standard._meta, of, {}, overwrite=overwrite)
        return standard.map_partitions(WithOptions(fetcher, _shares, query, overwrite), meta=meta)
    if are_labels(total) or total != "present":
        return each(standard, weights.fractions, of, total, overwrite=overwrite)
    end = END_OF[of]
    totals = _merged(standard[[end, "weight"]], _total, [end])
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
    shares = _fetcher.get().fetch(query, ends)
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

    The result is one partition, with a row for each neuron.
    """
    parts = each(collapse(edges), _degree_of_part)
    return each(_merged(parts, _sum_by_id), _by_id)


def _degree_of_part(pairs: pd.DataFrame) -> pd.DataFrame:
    return tables.degree(pairs).reset_index()


def _sum_by_id(parts: pd.DataFrame) -> pd.DataFrame:
    return parts.groupby("id", as_index=False).sum()


def _by_id(parts: pd.DataFrame) -> pd.DataFrame:
    return parts.set_index("id")


def reciprocal(edges: Lazy) -> Lazy:
    """Add the weight of the opposite edge; see :func:`pdneuro.tables.reciprocal`."""
    return each(_by_unordered_pair(_standard(edges)), tables.reciprocal)


def _by_unordered_pair(standard: Lazy) -> Lazy:
    """Bring all edges between two neurons, in both directions, into one partition."""
    forward = standard["pre"] < standard["post"]
    both = standard.assign(
        _low=standard["pre"].where(forward, standard["post"]),
        _high=standard["post"].where(forward, standard["pre"]),
    )
    names = ["_low", "_high"]
    return both.shuffle(on=names).drop(columns=names)


def __getattr__(name: str) -> Any:
    """Return the plugin, for which distributed must be installed."""
    if name == "WorkerPlugin":
        from pdneuro.cluster import WorkerPlugin

        return WorkerPlugin
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


# -- results of a whole table --------------------------------------------------------------------------


def to_matrix(
    edges: Lazy,
    /,
    group_by: Hashable | Sequence[Hashable] | Labels | Mapping[str, Any] | None = None,
    *,
    values: str = "weight",
    normalize: str | None = None,
    ids: Any = None,
    **options: Any,
) -> Any:
    """Return the matrix of an edge table, when computed; see :func:`pdneuro.graphs.to_matrix`.

    Examples
    --------
    >>> import dask.dataframe as dd, pdneuro.dask
    >>> edges = dd.from_pandas(pdneuro.sandbox.edges(), npartitions=3)
    >>> types = pdneuro.sandbox.neurons().set_index("root_id").cell_type
    >>> edges.neuro.to_matrix(group_by=types).compute().shape
    (150, 150)
    """
    if values in (*GROUP_COUNTS, PER_NEURON):
        raise ValueError(f"a lazy table has no matrix of {values!r}. Use .neuro.collapse(group_by=...).")
    sums = _standard(edges)
    if group_by is None:
        # The totals of normalize= include edges from and to other neurons.
        sums = _whole_pairs(
            sums, [], value_columns(sums._meta, values), ids if normalize is None else None
        )
    else:
        _, labels = with_labels(sums._meta, group_by)
        sums = _merged(sums, _representatives, group_by, labels, value_columns(sums._meta, values))
    return _of_whole(
        sums, graphs.to_matrix, group_by, values=values, normalize=normalize, ids=ids, **options
    )


def _representatives(
    part: pd.DataFrame, group_by: Any, groups: list[Any], values: list[Any]
) -> pd.DataFrame:
    """Sum the rows of each pair of groups; the two neurons of its first row stand for them."""
    rows = with_numbers(with_labels(part, group_by)[0], values)
    keep = [name for name in ("pre", "post") if name not in groups]
    summed = sum_rows(rows, groups, keep=keep, also=values, hop=False)
    return summed[list(dict.fromkeys(["pre", "post", "weight", *values, *groups]))]


def to_sparse(edges: Lazy, /, *, values: str = "weight", ids: Any = None) -> Any:
    """Return the sparse matrix and its IDs, when computed; see :func:`pdneuro.graphs.to_sparse`."""
    standard = _standard(edges)
    pairs = _whole_pairs(standard, [], value_columns(standard._meta, values), ids)
    return _of_whole(pairs, graphs.to_sparse, values=values, ids=ids)


def similarity(
    edges: Lazy,
    /,
    metric: str = "cosine",
    of: str = "both",
    *,
    group_by: Hashable | Sequence[Hashable] | Labels | Mapping[str, Any] | None = None,
    **options: Any,
) -> Any:
    """Return the similarity of neurons, when computed; see :func:`pdneuro.graphs.similarity`."""
    standard = _standard(edges)
    labels: list[Any] = []
    if group_by is not None and not are_labels(group_by):
        labels = [
            name for name in with_labels(standard._meta, group_by)[1] if name not in ("pre", "post")
        ]
    more = [name for name in (*labels, "dataset") if name in standard.columns]
    pairs = _whole_pairs(standard, more, [], None)
    return _of_whole(pairs, graphs.similarity, metric, of, group_by=group_by, **options)


def motifs(edges: Lazy) -> Any:
    """Count the motifs of pairs, when computed; see :func:`pdneuro.tables.motifs`."""
    standard = _standard(edges)[["pre", "post", "weight"]]
    counts = each(_by_unordered_pair(standard), _motifs)
    ends = [standard[end].rename("id") for end in ("pre", "post")]
    neurons = _distinct(dd.concat(ends))[1]  # type: ignore[no-untyped-call]
    return delayed(_census)(_merged(counts, _sum_rows).to_delayed()[0], neurons.to_delayed()[0])


def _motifs(pairs: pd.DataFrame) -> pd.DataFrame:
    return tables.motifs(pairs).to_frame().T.reset_index(drop=True)


def _sum_rows(parts: pd.DataFrame) -> pd.DataFrame:
    return parts.sum().to_frame().T


def _census(counts: pd.DataFrame, neurons: pd.Series[Any]) -> pd.Series[Any]:
    """Return the counts of all partitions; which pairs have no edge, only all neurons show."""
    found = counts.iloc[0].astype("int64").rename("pairs")
    found["unconnected"] = len(neurons) * (len(neurons) - 1) // 2 - found["mutual"] - found["one_way"]
    return found


def link(ids: Lazy, /, *args: Any, **options: Any) -> Any:
    """Return a Neuroglancer link, when computed; see :func:`pdneuro.neuroglancer.link`."""
    rows = ids.to_frame() if ids.ndim == 1 else ids
    once = rows.drop_duplicates(split_out=1)
    if ids.ndim == 1:
        once = once[once.columns[0]]
    return _of_whole(once, neuroglancer.link, *args, **options)


def cite(table: Lazy, style: str = "text") -> Any:
    """Return a text that cites the sources, when computed; see :func:`pdneuro.citations.cite`."""
    fetcher = _fetcher_of({}, has_source=False)
    return delayed(WithOptions(fetcher, _cited, style))(_sources_of(table))


def _cited(table: pd.DataFrame, style: str) -> Any:
    return _fetcher.get().fetch(Call(citations.cite, (style,), {}), table)


def provenance(table: Lazy) -> Any:
    """Return the sources of a table, when computed; see :func:`pdneuro.citations.provenance`."""
    return delayed(citations.provenance)(_sources_of(table))


def _sources_of(table: Lazy) -> Any:
    """Return the neurons of a table and the provenance of all its partitions, when computed."""
    frame = table.to_frame() if table.ndim == 1 else table
    try:
        names = [roles.neuromorpho_column(frame._meta, None).name]
    except MissingColumnsError:
        names = []
    parts = [delayed(_source_of)([part], names) for part in frame.to_delayed()]
    while len(parts) > 1:
        parts = [delayed(_source_of)(parts[k : k + 8], names) for k in range(0, len(parts), 8)]
    return parts[0]


def _source_of(parts: list[pd.DataFrame], names: list[Any]) -> pd.DataFrame:
    """Return the neurons of tables once, with the provenance of the last one that has some."""
    rows = pd.concat([part[names] for part in parts]).drop_duplicates(ignore_index=True)
    known = [part for part in parts if facts(part)]
    return inherit(rows, known[-1]) if known else rows


def _whole_pairs(edges: Lazy, labels: list[Any], values: list[Any], ids: Any) -> Lazy:
    """Return the sums of all pairs of neurons as one partition, which must fit in memory."""
    names = list(dict.fromkeys(["pre", "post", "weight", *values, *labels]))
    inside = edges[names]
    if ids is not None:
        chosen = pd.Index(as_series(ids))
        inside = inside[inside["pre"].isin(chosen) & inside["post"].isin(chosen)]
    return _merged(inside, _pairs_once, labels, values)


def _pairs_once(part: pd.DataFrame, labels: list[Any], values: list[Any]) -> pd.DataFrame:
    keys = ["pre", "post", *labels]
    return sum_rows(with_numbers(part, values), keys, also=values, hop=False)[list(part.columns)]


def _of_whole(frame: Lazy, function: Any, *args: Any, **options: Any) -> Any:
    """Return the result of a function for a table, as a delayed object."""
    return delayed(function)(frame.repartition(npartitions=1).to_delayed()[0], *args, **options)


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
    persistence = as_method(persistence)
    swc = as_method(swc)
    cave = as_method(cave)
    synapses = as_method(synapses)
    is_latest = as_method(is_latest)
    latest = as_method(latest)
    at = as_method(at)
    roots = as_method(roots)
    link = as_method(link)
    cite = as_method(cite)

    @property
    def provenance(self) -> Any:
        """Return the sources of the table, when computed."""
        return provenance(self._obj)


class DataFrameNeuro(SeriesNeuro):
    """Methods for a lazy table of neurons or structures, and for lazy edge tables."""

    join_properties = as_method(join_properties)
    join_structures = as_method(join_structures)
    join_neuromorpho = as_method(join_neuromorpho)
    join_morphometry = as_method(join_morphometry)
    join_cave = as_method(join_cave)
    join_roots = as_method(join_roots)
    as_edges = as_method(as_edges)
    threshold = as_method(threshold)
    collapse = as_method(collapse)
    annotate = as_method(annotate)
    fractions = as_method(fractions)
    sign = as_method(sign)
    top_nt = as_method(top_nt)
    degree = as_method(degree)
    reciprocal = as_method(reciprocal)
    motifs = as_method(motifs)
    similarity = as_method(similarity)
    to_matrix = as_method(to_matrix)
    to_sparse = as_method(to_sparse)


extensions.register_series_accessor("neuro")(SeriesNeuro)  # type: ignore[no-untyped-call]
extensions.register_dataframe_accessor("neuro")(DataFrameNeuro)  # type: ignore[no-untyped-call]
