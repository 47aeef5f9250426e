"""Queries of lazy columns that return rows for each row, and joins."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd

from pdneuro import queries, tables
from pdneuro.dask.fetcher import Call, WithOptions, fetcher_of, running
from pdneuro.dask.partitions import Lazy, aligned, dtypes_of, nullable
from pdneuro.errors import InvalidVersionError
from pdneuro.options import get_options
from pdneuro.sources import Source
from pdneuro.tables import roles


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
        undocumented = dtypes_of(kwargs.pop("meta", None))
        bound = signature.bind(lazy, *args, **kwargs)
        on = bound.arguments.pop("on", None)
        columns = [find(lazy._meta, name) for name, _ in roles.ends_of(on)]
        if join:
            bound.arguments["on"] = [column.name for column in columns]
        elif lazy.ndim == 2:
            lazy = lazy[columns[0].name]
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


def fetched(column: pd.Series[Any], query: Call, dtypes: Any, columns: list[Any]) -> Any:
    """Return the result of a query for a partition, in long form."""
    return aligned(running.get().fetch(query, column), dtypes, columns)


def _require_documented(names: Sequence[Any], options: Mapping[str, Any]) -> None:
    """Raise if the columns of a property are not known without a request."""
    for name in names:
        if queries.properties.properties([], name, source=options.get("source")).columns.empty:
            raise undocumented(name)


def _require_meta(names: Sequence[Any], _: Mapping[str, Any]) -> None:
    """Raise: the columns of a table of CAVE are never known without a request."""
    raise undocumented(names[0])


def undocumented(name: Any) -> ValueError:
    """Return the error for columns that are not known without a request."""
    return ValueError(
        f"the columns of {name!r} are not documented, and no request is sent to find them. Name them "
        "with their dtypes: meta={'column': 'Int64', ...}."
    )


ids = by_row(tables.exact_ids, run=_called)
properties = by_row(queries.properties.properties, meta=_require_documented)
join_properties = by_row(queries.properties.join_properties, join=True, meta=_require_documented)
structures = by_row(queries.structures.structures, roles.structure_column)
join_structures = by_row(queries.structures.join_structures, roles.structure_column, join=True)
ancestors = by_row(queries.structures.ancestors, roles.structure_column, run=fetched)
descendants = by_row(queries.structures.descendants, roles.structure_column, run=fetched)
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
