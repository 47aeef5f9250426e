"""Questions about lazy columns of segment IDs, and about lazy tables with one."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from pdneuro import tables
from pdneuro._compat import TEXT
from pdneuro.dask.edges import Lazy
from pdneuro.dask.settings import WithOptions
from pdneuro.queries import properties as segments
from pdneuro.sources import Source
from pdneuro.tables import joins, roles
from pdneuro.tables import partners as partner_tables
from pdneuro.tables.edges import edge_table
from pdneuro.tables.labels import Labels

#: Columns of the properties that are documented, so that nothing need be asked to know them.
COLUMNS: Mapping[str, Mapping[str, str]] = {
    "size": {"size": "Int64"},
    "link_pre": {"nr_pre": "Int64", "nr_downstream_partner": "Int64"},
    "link_post": {"nr_post": "Int64", "nr_upstream_partner": "Int64"},
    "connectivity": {
        "connectivity_downstream_count": "Int64",
        "connectivity_upstream_count": "Int64",
    },
}


def ids(values: Lazy) -> Lazy:
    """Lazy exact IDs (``Int64``): see :func:`pdneuro.tables.exact_ids`."""
    return values.map_partitions(_exact, meta=pd.Series([], dtype="Int64", name=values.name))


def _exact(values: pd.Series[Any]) -> pd.Series[Any]:
    return tables.exact_ids(values).astype("Int64")


def properties(
    ids: Lazy,
    /,
    *names: str,
    source: str | Source | None = None,
    multiple: str = "count",
    meta: Mapping[str, Any] | None = None,
    **fetch: Any,
) -> Lazy:
    """Properties of segments, one row a row: see :func:`pdneuro.queries.properties.properties`.

    Parameters
    ----------
    meta : mapping, optional
        Name and dtype of the columns of those ``names`` that are not documented (all but ``size``,
        ``link_pre``, ``link_post`` and ``connectivity``): no service is asked to find out. Other columns
        are left out. Integers are ``Int64``.

    Examples
    --------
    >>> import dask.dataframe as dd, pdneuro.dask
    >>> neurons = dd.from_pandas(pdneuro.sandbox.neurons(), npartitions=3)
    >>> int(neurons.root_id.neuro.properties("link_pre").nr_pre.sum().compute())
    277497
    """
    columns = _columns(names, meta)
    ask = WithOptions(_properties, columns, *names, source=source, multiple=multiple, **fetch)
    return ids.map_partitions(ask, meta=empty(columns, ids._meta.index))


def _properties(
    column: pd.Series[Any], columns: Mapping[str, Any], *names: str, **how: Any
) -> pd.DataFrame:
    if not len(column):
        return empty(columns, column.index)
    found = segments.properties(column, *names, **how)
    aligned = found.reindex(columns=list(columns)).astype(dict(columns))
    aligned.attrs = found.attrs
    return aligned


def records(
    ids: Lazy,
    /,
    name: str,
    source: str | Source | None = None,
    meta: Mapping[str, Any] | None = None,
    **fetch: Any,
) -> Lazy:
    """A list-valued property in long form: see :func:`pdneuro.queries.properties.records`.

    ``meta`` names the columns beside ``segment_id``; those of ``connectivity`` are known.
    """
    known = {"direction": TEXT, "segmentid": "Int64", "synaptic_count": "Int64"}
    fields = known if name == "connectivity" and meta is None else _columns((name,), meta)
    columns = {"segment_id": "int64", **fields}
    distinct, _ = _distinct(ids)
    ask = WithOptions(_records, columns, name, source=source, **fetch)
    return distinct.map_partitions(ask, meta=empty(columns, pd.RangeIndex(0)))


def _records(column: pd.Series[Any], columns: dict[str, Any], name: str, **how: Any) -> pd.DataFrame:
    if not len(column):
        return empty(columns, pd.RangeIndex(0))
    return segments.records(column, name, **how).reindex(columns=list(columns)).astype(columns)


def _columns(names: tuple[str, ...], meta: Mapping[str, Any] | None) -> dict[str, Any]:
    unknown = [name for name in names if name not in COLUMNS]
    if unknown and meta is None:
        raise ValueError(
            f"which columns {unknown[0]!r} gives is known to the service alone, and nothing is asked "
            f'while the graph is built. Name them: meta={{"{unknown[0]}_...": "Int64"}}.'
        )
    documented = {column: kind for name in names for column, kind in COLUMNS.get(name, {}).items()}
    given = {name: TEXT if kind in (str, "str") else kind for name, kind in (meta or {}).items()}
    return {**documented, **given}


def empty(columns: Mapping[str, Any], index: pd.Index[Any]) -> pd.DataFrame:
    """A frame of these columns, name to dtype, without rows."""
    cells = {name: pd.Series(index=index[:0], dtype=kind) for name, kind in columns.items()}
    return pd.DataFrame(cells, index=index[:0])


def join_properties(
    table: Lazy,
    /,
    *names: str,
    on: Hashable | None = None,
    source: str | Source | None = None,
    prefix: str = "",
    overwrite: bool = False,
    multiple: str = "count",
    meta: Mapping[str, Any] | None = None,
    **fetch: Any,
) -> Lazy:
    """A lazy table with properties of its segments beside its columns.

    See :func:`pdneuro.queries.properties.join_properties`; ``meta`` as for :func:`properties`.
    """
    columns = _columns(names, meta)
    on = roles.id_column(table._meta, on).name
    place = {"prefix": prefix, "overwrite": overwrite}
    how = {"source": source, "multiple": multiple, **fetch}
    meta_table = _attached(table._meta, empty(columns, table._meta.index), place)
    ask = WithOptions(_joined, columns, names, on, place, how)
    return table.map_partitions(ask, meta=meta_table)


def _joined(
    table: pd.DataFrame, columns: Any, names: tuple[str, ...], on: Hashable, place: Any, how: Any
) -> pd.DataFrame:
    return _attached(table, _properties(roles.id_column(table, on), columns, *names, **how), place)


def _attached(table: pd.DataFrame, found: pd.DataFrame, place: Any) -> pd.DataFrame:
    joined = joins.attach(table, {name: found[name].array for name in found.columns}, **place)
    joined.attrs = {**joined.attrs, **found.attrs}
    return joined


def edges(
    ids: Lazy,
    /,
    *,
    upstream: bool = True,
    downstream: bool = True,
    min_weight: int = 1,
    within: bool = False,
    autapses: bool = True,
    source: str | Source | None = None,
    **fetch: Any,
) -> Lazy:
    """Edges of the segments as a lazy edge table: see :func:`pdneuro.queries.properties.edges`.

    Each distinct segment is asked once, whichever partitions it is in. There is one hop: a further one
    needs all neurons of the one before.
    """
    distinct, everyone = _distinct(ids)
    sides = {"upstream": upstream, "downstream": downstream}
    how = {**sides, "min_weight": min_weight, "autapses": autapses, "source": source, **fetch}
    nothing = np.empty(0, np.int64)
    ask = WithOptions(_edges, within, how)
    return distinct.map_partitions(ask, everyone, meta=edge_table(nothing, nothing, nothing))


def _distinct(ids: Lazy) -> tuple[Lazy, Lazy]:
    """The distinct segments in as many partitions as before, and all of them in one."""
    parts = ids.npartitions
    found = ids.map_partitions(_exact, meta=pd.Series([], dtype="Int64", name=ids.name)).dropna()
    found = found.astype("int64").drop_duplicates(split_out=parts if parts > 1 else True)
    return found, found.repartition(npartitions=1)


def _edges(
    own: pd.Series[Any], everyone: pd.Series[Any], within: bool, how: dict[str, Any]
) -> pd.DataFrame:
    found = segments.edges(own, **how)
    pre_known, post_known = found["pre"].isin(everyone), found["post"].isin(everyone)
    if within:
        found = found[pre_known & post_known]
    elif how["upstream"] and how["downstream"]:
        # Of an edge between two partitions the one with its start tells.
        found = found[found["pre"].isin(own) | ~pre_known]
    if within and how["upstream"] and how["downstream"]:
        found = found[found["pre"].isin(own)]
    return found.reset_index(drop=True)


def upstream(ids: Lazy, /, **how: Any) -> Lazy:
    """Edges onto the segments: :func:`edges` with ``downstream=False``."""
    return edges(ids, upstream=True, downstream=False, **how)


def downstream(ids: Lazy, /, **how: Any) -> Lazy:
    """Edges from the segments: :func:`edges` with ``upstream=False``."""
    return edges(ids, upstream=False, downstream=True, **how)


def partners(
    ids: Lazy,
    /,
    *,
    group_by: Labels | None = None,
    upstream: bool = True,
    downstream: bool = True,
    min_weight: int = 1,
    source: str | Source | None = None,
    **fetch: Any,
) -> Lazy:
    """Partners of the segments taken together: see :func:`pdneuro.queries.properties.partners`.

    The order of the rows is dask's.
    """
    sides = {"upstream": upstream, "downstream": downstream}
    table = edges(ids, **sides, min_weight=min_weight, source=source, **fetch)
    # A partner, or a label, has its edges in many partitions: they come together by both ends.
    _, everyone = _distinct(ids)
    told = table.map_partitions(_sides, everyone, sides, meta=_sides(table._meta, ids._meta, sides))
    key = "partner"
    if group_by is not None:
        meta = _labelled(told._meta, group_by)
        told, key = told.map_partitions(_labelled, group_by, meta=meta), "label"
    empty = _counted(told._meta, group_by)
    return told.shuffle(on=key).map_partitions(_counted, group_by, meta=empty)


def _sides(edges: pd.DataFrame, everyone: pd.Series[Any], sides: dict[str, bool]) -> pd.DataFrame:
    """One row an edge and asked neuron: neuron, partner, direction as a number, weight."""
    parts = []
    ends = (("downstream", "pre", "post"), ("upstream", "post", "pre"))
    for number, (side, neuron, partner) in enumerate(ends):
        own = edges[edges[neuron].isin(everyone)] if sides[side] else edges.iloc[:0]
        parts.append(own.rename(columns={neuron: "neuron", partner: "partner"}).assign(side=number))
    names = ["neuron", "partner", "side", "weight"]
    return pd.concat([part[names] for part in parts], ignore_index=True)


def _labelled(told: pd.DataFrame, group_by: Labels) -> pd.DataFrame:
    from pdneuro.tables.labels import labels_of

    return told.assign(label=labels_of(told["partner"].to_numpy(), group_by))


def _counted(told: pd.DataFrame, group_by: Labels | None) -> pd.DataFrame:
    """The table of partners that these rows make, in no particular order."""
    sides = []
    for number, (neuron, partner) in enumerate((("pre", "post"), ("post", "pre"))):
        part = told[told["side"] == number]
        edges = (
            edge_table(*(np.empty(0, np.int64),) * 3)
            if part.empty
            else pd.DataFrame(
                {neuron: part["neuron"], partner: part["partner"], "weight": part["weight"]}
            )[["pre", "post", "weight"]]
        )
        how = {"upstream": number == 1, "downstream": number == 0}
        own = np.asarray(pd.unique(part["neuron"]), np.int64)
        sides.append(partner_tables.partners(edges, own, group_by=group_by, **how))
    return pd.concat(sides, ignore_index=True)


def table_edges(table: Lazy, /, on: Hashable | None = None, **how: Any) -> Lazy:
    """Edges of the neurons in a lazy table: see :func:`edges`."""
    return edges(_id_column(table, on), **how)


def table_upstream(table: Lazy, /, on: Hashable | None = None, **how: Any) -> Lazy:
    """Edges onto the neurons in a lazy table: see :func:`edges`."""
    return upstream(_id_column(table, on), **how)


def table_downstream(table: Lazy, /, on: Hashable | None = None, **how: Any) -> Lazy:
    """Edges from the neurons in a lazy table: see :func:`edges`."""
    return downstream(_id_column(table, on), **how)


def table_partners(table: Lazy, /, on: Hashable | None = None, **how: Any) -> Lazy:
    """Partners of the neurons in a lazy table: see :func:`partners`."""
    return partners(_id_column(table, on), **how)


def _id_column(table: Lazy, on: Hashable | None) -> Lazy:
    return table[roles.id_column(table._meta, on).name]
