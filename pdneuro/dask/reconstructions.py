"""Questions about lazy columns of NeuroMorpho.org's neurons, and about lazy tables with one."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from pdneuro.dask.edges import Lazy
from pdneuro.dask.neurons import empty
from pdneuro.dask.settings import WithOptions
from pdneuro.neuromorpho import field_types
from pdneuro.queries import neuromorpho as eager
from pdneuro.tables import joins, roles


def neuromorpho(neurons: Lazy, /, *fields: str, **how: Any) -> Lazy:
    """What is said of neurons, one row a row: see :func:`pdneuro.queries.neuromorpho.neuromorpho`.

    Examples
    --------
    >>> import dask.dataframe as dd, pdneuro.dask
    >>> ids = dd.from_pandas(pd.Series([1, 2, 3]), npartitions=2)
    >>> ids.neuro.neuromorpho("species").compute()["species"].tolist()
    ['rat', 'human', 'drosophila melanogaster']
    """
    return _mapped(neurons, "neuromorpho", _kinds(field_types.NEURON, fields), how)


def morphometry(neurons: Lazy, /, *fields: str, **how: Any) -> Lazy:
    """Measurements of neurons, one row a row: see :func:`pdneuro.queries.neuromorpho.morphometry`."""
    return _mapped(neurons, "morphometry", _kinds(field_types.MORPHOMETRY, fields), how)


def _mapped(neurons: Lazy, verb: str, columns: Mapping[str, Any], how: Mapping[str, Any]) -> Lazy:
    ask = WithOptions(_asked, verb, columns, **how)
    return neurons.map_partitions(ask, meta=empty(columns, neurons._meta.index))


def _asked(column: pd.Series[Any], verb: str, columns: Mapping[str, Any], **how: Any) -> pd.DataFrame:
    found: pd.DataFrame = getattr(eager, verb)(column, *columns, **how)
    return found[list(columns)].astype(dict(columns))


def join_neuromorpho(table: Lazy, /, *fields: str, prefix: str = "", **how: Any) -> Lazy:
    """Fields beside a lazy table: see :func:`pdneuro.queries.neuromorpho.join_neuromorpho`."""
    known = [name for name in ("neuron_id", "neuron_name") if name in table.columns]
    wanted = fields or tuple(name for name in field_types.NEURON if name not in known)
    return _joined(table, "join_neuromorpho", _kinds(field_types.NEURON, wanted), prefix, how)


def join_morphometry(table: Lazy, /, *fields: str, prefix: str = "morphometry_", **how: Any) -> Lazy:
    """Measurements beside a lazy table: see :func:`pdneuro.queries.neuromorpho.join_morphometry`."""
    wanted = fields or field_types.MORPHOMETRY[2:]
    return _joined(table, "join_morphometry", _kinds(field_types.MORPHOMETRY, wanted), prefix, how)


def _joined(
    table: Lazy, verb: str, columns: Mapping[str, Any], prefix: str, how: Mapping[str, Any]
) -> Lazy:
    on: Hashable = roles.neuromorpho_column(table._meta, how.get("on")).name
    named = {f"{prefix}{name}": kind for name, kind in columns.items()}
    ask = WithOptions(_with_columns, verb, named, *columns, **{**how, "prefix": prefix, "on": on})
    cells = {name: pd.array([], dtype=kind) for name, kind in named.items()}
    meta = joins.attach(table._meta, cells, overwrite=bool(how.get("overwrite")))
    return table.map_partitions(ask, meta=meta)


def _with_columns(
    table: pd.DataFrame, verb: str, named: Mapping[str, Any], *fields: str, **how: Any
) -> pd.DataFrame:
    joined: pd.DataFrame = getattr(eager, verb)(table, *fields, **how)
    return joined.astype(dict(named))


def _kinds(known: tuple[str, ...], fields: tuple[str, ...]) -> dict[str, Any]:
    """Dtype of each column, the same for all partitions."""
    field_types.require(fields, known, tuple)
    names = list(fields or known)
    if {"min_age", "max_age"} & set(names) and "age_scale" not in names:
        names.append("age_scale")
    return {name: field_types.dtype(name) for name in names}
