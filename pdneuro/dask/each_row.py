"""Queries of lazy columns that return rows for each row, and joins."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from pdneuro import queries, tables
from pdneuro.accessors.method import as_method
from pdneuro.dask.fetcher import Call, WithOptions, fetcher_of, running
from pdneuro.dask.partitions import Lazy, aligned, dtypes_of, each, merged, nullable, once
from pdneuro.errors import InvalidVersionError
from pdneuro.options import get_options
from pdneuro.queries.supervoxels import SPLIT, UPDATED
from pdneuro.sources import Source
from pdneuro.tables import roles
from pdneuro.tables.columns import array_of
from pdneuro.tables.ids import id_array
from pdneuro.tables.joins import add_columns
from pdneuro.tables.provenance import extend


def by_row(
    function: Callable[..., Any],
    find: Callable[..., pd.Series[Any]] = roles.id_column,
    *,
    run: Callable[..., Any] | None = None,
    join: bool = False,
    distinct: Callable[[Lazy], Lazy] | None = None,
    meta: Callable[[Sequence[Any], Mapping[str, Any]], None] | None = None,
) -> Callable[..., Lazy]:
    """Return a lazy version of a query that returns rows for each input row, or each distinct value.

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
    distinct : callable, optional
        Function that returns the distinct values of a lazy column, of which none is missing.
    meta : callable, optional
        Raises an error if columns are not documented and ``meta=`` does not name them.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def lazy_function(lazy: Lazy, /, *args: Any, **kwargs: Any) -> Lazy:
        undocumented = dtypes_of(kwargs.pop("meta", None))
        bound = signature.bind(lazy, *args, **kwargs)
        on = bound.arguments.pop("on", None)
        columns = [find(lazy._meta, name) for name, _ in roles.ends_of(on)]
        if join:
            bound.arguments["on"] = [column.name for column in columns]
        elif lazy.ndim == 2:
            lazy = lazy[columns[0].name]
        if distinct:
            lazy = distinct(lazy)
        if "source" in signature.parameters:
            require_one_version(bound.arguments.get("source"))
        options, names = bound.kwargs, bound.args[1:]
        has_source, source = "source" in signature.parameters, bound.arguments.get("source")
        fetcher = fetcher_of(options, source=source, has_source=has_source)
        call = partial(function, **options)
        if meta and not undocumented:
            meta(names, bound.arguments)
        empty = call(lazy._meta, *names)
        if isinstance(empty, pd.Series):
            dtypes: Any = nullable(empty.dtype)
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
            dtypes = {**{name: nullable(empty[name].dtype) for name in new}, **extra}
            if distinct and empty[new[0]].dtype == np.int64:  # no ID is missing
                dtypes[new[0]] = "int64"
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


def require_one_version(source: str | Source | None) -> None:
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
    return aligned(call(partition), dtypes, columns)


def _looked_up(column: pd.Series[Any], query: Call, dtypes: Any, columns: list[Any]) -> Any:
    """Return the result of a query for a partition, one row per row."""
    return aligned(running.get().look_up(query, column), dtypes, columns)


def _fetched(column: pd.Series[Any], query: Call, dtypes: Any, columns: list[Any]) -> Any:
    """Return the result of a query for a partition, in long form."""
    return aligned(running.get().fetch(query, column), dtypes, columns)


def _require_documented(names: Sequence[Any], options: Mapping[str, Any]) -> None:
    """Raise if the columns of a property are not known without a request."""
    for name in names:
        if queries.properties.properties([], name, source=options.get("source")).columns.empty:
            raise undocumented(name)


def _require_documented_records(names: Sequence[Any], options: Mapping[str, Any]) -> None:
    """Raise if the columns of the records of a property are not known without a request."""
    if len(queries.properties.records([], names[0], source=options.get("source")).columns) == 1:
        raise undocumented(names[0])


def _require_meta(names: Sequence[Any], _: Mapping[str, Any]) -> None:
    """Raise: the columns of a table of CAVE are never known without a request."""
    raise undocumented(names[0])


def undocumented(name: Any) -> ValueError:
    """Return the error for columns that are not known without a request."""
    return ValueError(
        f"the columns of {name!r} are not documented, and no request is sent to find them. Name them "
        "with their dtypes: meta={'column': 'Int64', ...}."
    )


#: Exact IDs of each row.
ids = by_row(tables.exact_ids, run=_called)


def distinct_segments(column: Lazy) -> Lazy:
    """Return the distinct segments of a lazy column; text and numbers of the same segment are one."""
    return once(ids(column).dropna().astype("int64"))


def _distinct_neurons(column: Lazy) -> Lazy:
    return once(column.dropna())


def update_roots(
    table: Lazy,
    /,
    on: Hashable | None = None,
    supervoxels: Hashable | None = None,
    source: str | Source | None = None,
    version: Any = None,
    *,
    overwrite: bool = False,
    **fetch: Any,
) -> Lazy:
    """Replace root IDs that are not current; see :func:`pdneuro.queries.supervoxels.update_roots`.

    All partitions together decide whether a root ID was split.
    """
    require_one_version(source)
    fetcher = fetcher_of(fetch, source=source)
    root = roles.id_column(table._meta, on).name
    supervoxel = roles.supervoxel_column(table._meta, supervoxels).name
    args, options = (root, supervoxel, source, version), {"overwrite": overwrite, **fetch}
    query = Call(queries.supervoxels.update_roots, args, options)
    # Any partition may have root IDs that are not found.
    empty = query(table._meta).astype({root: "Int64"})
    work = WithOptions(fetcher, _updated, query)
    updated = table.map_partitions(work, meta=empty)
    changes = merged(each(updated, _changes, root), pd.DataFrame.drop_duplicates)
    return updated.map_partitions(_with_splits, changes, root, meta=empty)


def _updated(table: pd.DataFrame, query: Call) -> pd.DataFrame:
    """Return a partition with its root IDs updated; only the columns of IDs are sent."""
    names = [name for name in query.args[:2] if name in table.columns]
    found = running.get().fetch(query, table[names])
    root, old, status = query.args[0], f"{query.args[0]}_old", f"{query.args[0]}_status"
    added = {name: array_of(found[name]) for name in (old, status)}
    result = add_columns(table, added, overwrite=query.kwargs["overwrite"])
    result = add_columns(result, {root: array_of(found[root].astype("Int64"))}, overwrite=True)
    return extend(result, found)


def _changes(updated: pd.DataFrame, root: Any) -> pd.DataFrame:
    """Return the old and the new root IDs of rows that were updated, each pair once."""
    old, _ = id_array(updated[f"{root}_old"])
    new, _ = id_array(updated[root])
    changed = updated[f"{root}_status"].isin([UPDATED, SPLIT]).to_numpy(bool) & (old > 1)
    return pd.DataFrame({"old": old[changed], "new": new[changed]}).drop_duplicates()


def _with_splits(updated: pd.DataFrame, changes: pd.DataFrame, root: Any) -> pd.DataFrame:
    """Set the status of rows whose old root ID has several new ones, in whichever partitions."""
    several = changes["old"][changes["old"].duplicated()]
    old, _ = id_array(updated[f"{root}_old"])
    status = updated[f"{root}_status"]
    is_split = (status == UPDATED).to_numpy(bool) & np.isin(old, several)
    return updated.assign(**{f"{root}_status": status.mask(is_split, SPLIT)})


class RowMethods:
    """Methods of a lazy column: one query for each partition."""

    ids = as_method(ids)
    properties = as_method(by_row(queries.properties.properties, meta=_require_documented))
    records = as_method(
        by_row(
            queries.properties.records,
            run=_fetched,
            distinct=distinct_segments,
            meta=_require_documented_records,
        )
    )
    structures = as_method(by_row(queries.structures.structures, roles.structure_column))
    ancestors = as_method(by_row(queries.structures.ancestors, roles.structure_column, run=_fetched))
    descendants = as_method(by_row(queries.structures.descendants, roles.structure_column, run=_fetched))
    rollup = as_method(by_row(queries.structures.rollup, roles.structure_column))
    is_under = as_method(by_row(queries.structures.is_under, roles.structure_column))
    neuromorpho = as_method(by_row(queries.neuromorpho.neuromorpho, roles.neuromorpho_column))
    morphometry = as_method(by_row(queries.neuromorpho.morphometry, roles.neuromorpho_column))
    persistence = as_method(by_row(queries.neuromorpho.persistence, roles.neuromorpho_column))
    swc = as_method(
        by_row(
            queries.neuromorpho.swc, roles.neuromorpho_column, run=_fetched, distinct=_distinct_neurons
        )
    )
    cave = as_method(by_row(queries.cave.cave, meta=_require_meta))
    is_latest = as_method(by_row(queries.cave.is_latest))
    latest = as_method(by_row(queries.cave.latest))
    at = as_method(by_row(queries.cave.at))
    roots = as_method(by_row(queries.supervoxels.roots, roles.supervoxel_column))


class RowJoins:
    """Joins of a lazy table."""

    join_properties = as_method(
        by_row(queries.properties.join_properties, join=True, meta=_require_documented)
    )
    join_structures = as_method(
        by_row(queries.structures.join_structures, roles.structure_column, join=True)
    )
    join_neuromorpho = as_method(
        by_row(queries.neuromorpho.join_neuromorpho, roles.neuromorpho_column, join=True)
    )
    join_morphometry = as_method(
        by_row(queries.neuromorpho.join_morphometry, roles.neuromorpho_column, join=True)
    )
    join_cave = as_method(by_row(queries.cave.join_cave, join=True, meta=_require_meta))
    join_roots = as_method(by_row(queries.supervoxels.join_roots, roles.supervoxel_column, join=True))
    update_roots = as_method(update_roots)
