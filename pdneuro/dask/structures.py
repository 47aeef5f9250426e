"""Questions about lazy columns of Allen structures, and about lazy tables with one."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd
from pandas.api import types

from pdneuro._compat import TEXT
from pdneuro.dask.edges import Lazy
from pdneuro.dask.neurons import empty
from pdneuro.dask.settings import WithOptions
from pdneuro.queries import structures as eager
from pdneuro.tables import joins, roles

#: Dtype of each field, the same for all partitions.
_KINDS: Mapping[str, Any] = {
    **dict.fromkeys(("id", "parent_structure_id", "graph_order", "st_level", "depth"), "Int64"),
    **dict.fromkeys(("acronym", "name", "color_hex_triplet", "structure_id_path", "color"), TEXT),
}


def structures(ids: Lazy, /, *fields: str, **how: Any) -> Lazy:
    """Fields of structures, one row a row: see :func:`pdneuro.queries.structures.structures`.

    Examples
    --------
    >>> import dask.dataframe as dd, pdneuro.dask
    >>> ids = dd.from_pandas(pd.Series([385, 549, 997]), npartitions=2)
    >>> ids.neuro.structures("acronym").compute()["acronym"].tolist()
    ['VISp', 'TH', 'root']
    """
    columns = _columns(ids._meta, fields)
    return ids.map_partitions(WithOptions(_fields, columns, **how), meta=empty(columns, ids._meta.index))


def _fields(column: pd.Series[Any], columns: Mapping[str, Any], **how: Any) -> pd.DataFrame:
    return eager.structures(column, *columns, **how).astype(dict(columns))


def join_structures(
    table: Lazy,
    /,
    *fields: str,
    on: Hashable | None = None,
    prefix: str = "structure_",
    overwrite: bool = False,
    **how: Any,
) -> Lazy:
    """Add fields of structures; see :func:`pdneuro.queries.structures.join_structures`."""
    column = roles.structure_column(table._meta, on)
    columns = _columns(column, fields)
    if not fields and f"{prefix}id" == column.name:
        columns.pop("id", None)
    named = {f"{prefix}{name}": kind for name, kind in columns.items()}
    ask = WithOptions(
        _joined, named, *columns, on=column.name, prefix=prefix, overwrite=overwrite, **how
    )
    cells = {name: pd.array([], dtype=kind) for name, kind in named.items()}
    return table.map_partitions(ask, meta=joins.attach(table._meta, cells, overwrite=overwrite))


def _joined(table: pd.DataFrame, named: Mapping[str, Any], *fields: str, **how: Any) -> pd.DataFrame:
    return eager.join_structures(table, *fields, **how).astype(dict(named))


def rollup(ids: Lazy, /, to: Any, **how: Any) -> Lazy:
    """Member of a set per structure; see :func:`pdneuro.queries.structures.rollup`."""
    kind = TEXT if _is_text(ids._meta) else "Int64"
    meta = pd.Series([], dtype=kind, name=ids.name, index=ids._meta.index[:0])
    return ids.map_partitions(WithOptions(_rolled, to, kind, **how), meta=meta)


def _rolled(column: pd.Series[Any], to: Any, kind: Any, **how: Any) -> pd.Series[Any]:
    return eager.rollup(column, to, **how).astype(kind)


def is_under(ids: Lazy, /, structure: Any, **how: Any) -> Lazy:
    """Structures under another (boolean); see :func:`pdneuro.queries.structures.is_under`."""
    meta = pd.Series([], dtype="boolean", name=ids.name, index=ids._meta.index[:0])
    return ids.map_partitions(WithOptions(_under, structure, **how), meta=meta)


def _under(column: pd.Series[Any], structure: Any, **how: Any) -> pd.Series[Any]:
    return eager.is_under(column, structure, **how).astype("boolean")


def ancestors(ids: Lazy, /, **how: Any) -> Lazy:
    """Ancestors in long form, acronyms as text: see :func:`pdneuro.queries.structures.ancestors`."""
    return _long(ids, "ancestor", how)


def descendants(ids: Lazy, /, **how: Any) -> Lazy:
    """Descendants in long form, acronyms as text: see :func:`pdneuro.queries.structures.descendants`."""
    return _long(ids, "descendant", how)


def _long(ids: Lazy, word: str, how: Mapping[str, Any]) -> Lazy:
    columns = {"structure_id": "int64", f"{word}_id": "int64", f"{word}_acronym": TEXT}
    return ids.map_partitions(
        WithOptions(_related, word, columns, **how), meta=empty(columns, ids._meta.index)
    )


def _related(column: pd.Series[Any], word: str, columns: Mapping[str, Any], **how: Any) -> pd.DataFrame:
    found: pd.DataFrame = getattr(eager, f"{word}s")(column, **how)
    return found.astype(dict(columns))


def _columns(column: pd.Series[Any], fields: tuple[str, ...]) -> dict[str, Any]:
    """Name and dtype of the fields, known without asking."""
    unknown = [name for name in fields if name not in _KINDS]
    if unknown:
        raise ValueError(
            f"{unknown[0]!r} is no field that is known without asking: {', '.join(_KINDS)}."
        )
    default = ("id", *eager.FIELDS[1:]) if _is_text(column) else eager.FIELDS
    return {name: _KINDS[name] for name in fields or default}


def _is_text(column: pd.Series[Any]) -> bool:
    kind = column.dtype
    if isinstance(kind, pd.CategoricalDtype):
        kind = kind.categories.dtype
    return types.is_string_dtype(kind) or types.is_object_dtype(kind)
