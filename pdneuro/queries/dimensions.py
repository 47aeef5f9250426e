"""IDs along a dimension of a labeled array: the methods of a column, with ``dim=``.

The coordinate becomes a column, the function for columns does the work, and its new columns become
coordinates along the dimension. The values of the array are not read.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, Unpack

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro._docs import documented
from pdneuro.errors import InvalidQueryError
from pdneuro.options import FetchKeywords
from pdneuro.queries import cave as cave_tables
from pdneuro.queries import edges as edge_queries
from pdneuro.queries import neuromorpho as neuron_records
from pdneuro.queries import properties as segment_properties
from pdneuro.queries import structures as structure_fields
from pdneuro.queries._call import INDICATOR
from pdneuro.queries.edges import EdgeKeywords
from pdneuro.sources import Source
from pdneuro.tables import roles
from pdneuro.tables.columns import check_choice
from pdneuro.tables.coordinates import (
    NEURONS,
    SEGMENTS,
    STRUCTURES,
    Kind,
    add_coordinates,
    coordinate,
    provenance_of,
    table_along,
    with_provenance,
)
from pdneuro.tables.joins import Labels
from pdneuro.tables.provenance import extend, stamp

if TYPE_CHECKING:
    import networkx as nx
    import xarray as xr

    from pdneuro.tables.structure_tree import Places, StructureTree

Labeled = TypeVar("Labeled", "xr.DataArray", "xr.Dataset")
Indicator = bool | str
#: Structures, also those of parcellation indexes.
_TERMS = Kind(STRUCTURES.what, STRUCTURES.example, structure_fields.structure_columns)
#: Functions that reduce structures to one value.
HOW = ("sum", "mean")


# -- joins ----------------------------------------------------------------------------------------


@documented()
def join_properties(
    obj: Labeled,
    *names: str,
    dim: Hashable | Sequence[Hashable] | None = None,
    source: str | Source | None = None,
    prefix: str = "",
    suffix: str = "",
    overwrite: bool = False,
    multiple: str = "count",
    how: str = "left",
    indicator: Indicator = False,
    fill_value: int | None = None,
    **fetch: Unpack[FetchKeywords],
) -> Labeled:
    """Add properties of segments as coordinates along their dimension.

    Parameters
    ----------
    {array}
    *names : str
        Properties, one by one or as one list; see :func:`pdneuro.queries.properties.properties`.
    {dim}
    {several dims}
    {source}
    {coordinates}
    {multiple}
    {fetch}

    Returns
    -------
    DataArray or Dataset
        The same values in the same order, with the columns of
        :func:`pdneuro.queries.properties.join_properties` as coordinates. Their dtypes are those that
        ``to_netcdf`` and ``to_zarr`` can store; see :func:`pdneuro.tables.coordinate_array`.
        ``attrs["pdneuro"]`` is the provenance as JSON text.

    Raises
    ------
    {dim errors}
    {segment errors}

    See Also
    --------
    pdneuro.queries.properties.properties : The columns alone, with their names.

    Examples
    --------
    >>> import xarray as xr
    >>> ids = pdneuro.sandbox.neurons().root_id[:4]
    >>> rates = xr.DataArray(np.ones((2, 4)), coords={"root_id": ids}, dims=("time", "root_id"))
    >>> typed = rates.neuro.join_properties("link_pre")
    >>> typed["nr_pre"].values
    array([158,  55,  87,  68])
    """
    options = _Options(prefix, suffix, overwrite, how, indicator, fill_value)
    join = partial(segment_properties.join_properties, source=source, multiple=multiple, **fetch)
    return _join(obj, dim, SEGMENTS, join, names, options)


@documented()
def join_cave(
    obj: Labeled,
    cave_table: str,
    columns: str | Sequence[str] | None = None,
    dim: Hashable | Sequence[Hashable] | None = None,
    source: str | Source | None = None,
    prefix: str = "",
    suffix: str = "",
    overwrite: bool = False,
    multiple: str = "raise",
    *,
    how: str = "left",
    indicator: Indicator = False,
    fill_value: int | None = None,
    id_column: str = "pt_root_id",
    units: str = "nm",
    **fetch: Unpack[FetchKeywords],
) -> Labeled:
    """Add columns of a CAVE table or view as coordinates along a dimension of root IDs.

    Parameters
    ----------
    {array}
    cave_table : str
        A table or view of the datastack.
    columns : str or sequence of str, optional
        Default: all columns but the root ID.
    {dim}
    {several dims}
    {cave source}
    {coordinates}
    {cave multiple}
    {cave table}
    {fetch}

    Returns
    -------
    DataArray or Dataset
        As :func:`join_properties`, with the columns of :func:`pdneuro.queries.cave.join_cave`. Times
        are datetime64[ns] in UTC.

    Raises
    ------
    {dim errors}
    {cave errors}

    Examples
    --------
    >>> import xarray as xr
    >>> ids = pdneuro.sandbox.root_ids()[4:6]
    >>> rates = xr.DataArray([0.5, 2.0], coords={"root_id": ids}, dims="root_id")
    >>> options = {"source": "cave:minnie65_public@1300"}
    >>> typed = rates.neuro.join_cave("cell_type_manual", "cell_type", **options)
    >>> typed["cell_type"].values.tolist()
    ['BC', 'MC']
    """
    options = _Options(prefix, suffix, overwrite, how, indicator, fill_value)
    join = partial(
        cave_tables.join_cave,
        source=source,
        multiple=multiple,
        id_column=id_column,
        units=units,
        **fetch,
    )
    return _join(obj, dim, SEGMENTS, join, (cave_table, columns), options)


@documented()
def join_structures(
    obj: Labeled,
    *fields: str,
    dim: Hashable | Sequence[Hashable] | None = None,
    prefix: str | None = None,
    suffix: str = "",
    overwrite: bool = False,
    how: str = "left",
    indicator: Indicator = False,
    fill_value: int | None = None,
    graph_id: int = 1,
    on_missing: str | None = None,
    terms: structure_fields.Terms = None,
) -> Labeled:
    """Add fields of Allen structures as coordinates along their dimension.

    Parameters
    ----------
    {array}
    *fields : str
        See :func:`pdneuro.queries.structures.structures`.
    {structure dim}
    {several dims}
    {coordinates}
    {graph}
    {terms}

    Returns
    -------
    DataArray or Dataset
        As :func:`join_properties`, with the columns of
        :func:`pdneuro.queries.structures.join_structures`.

    Raises
    ------
    {dim errors}
    {structure errors}

    Examples
    --------
    >>> import xarray as xr
    >>> projections = xr.DataArray([0.3, 0.1], coords={"structure": [385, 549]}, dims="structure")
    >>> named = projections.neuro.join_structures("acronym", dim="structure")
    >>> named.set_xindex("structure_acronym").sel(structure_acronym="TH").item()
    0.1
    """
    options = _Options(prefix, suffix, overwrite, how, indicator, fill_value)
    join = partial(
        structure_fields.join_structures, graph_id=graph_id, on_missing=on_missing, terms=terms
    )
    return _join(obj, dim, _TERMS, join, fields, options)


@documented()
def join_neuromorpho(
    obj: Labeled,
    *fields: str,
    dim: Hashable | Sequence[Hashable] | None = None,
    prefix: str = "",
    suffix: str = "",
    overwrite: bool = False,
    how: str = "left",
    indicator: Indicator = False,
    fill_value: int | None = None,
    key: str | None = None,
    **fetch: Unpack[FetchKeywords],
) -> Labeled:
    """Add NeuroMorpho.org records as coordinates along a dimension of neurons.

    Parameters
    ----------
    {array}
    *fields : str
        See :func:`pdneuro.queries.neuromorpho.neuromorpho`. Fields that are lists, such as
        ``"cell_type"``, cannot become coordinates.
    {neuron dim}
    {several dims}
    {coordinates}
    {key}
    {fetch}

    Returns
    -------
    DataArray or Dataset
        As :func:`join_properties`, with the columns of
        :func:`pdneuro.queries.neuromorpho.join_neuromorpho`.

    Raises
    ------
    {dim errors}
    {neuron errors}

    Examples
    --------
    >>> import xarray as xr
    >>> lengths = xr.DataArray([5.0, 6.0], coords={"neuron_id": [1, 2]}, dims="neuron_id")
    >>> lengths.neuro.join_neuromorpho("species")["species"].values.tolist()
    ['rat', 'human']
    """
    options = _Options(prefix, suffix, overwrite, how, indicator, fill_value)
    join = partial(neuron_records.join_neuromorpho, key=key, **fetch)
    return _join(obj, dim, NEURONS, join, fields, options)


@documented()
def join_morphometry(
    obj: Labeled,
    *fields: str,
    dim: Hashable | Sequence[Hashable] | None = None,
    prefix: str = "morphometry_",
    suffix: str = "",
    overwrite: bool = False,
    how: str = "left",
    indicator: Indicator = False,
    fill_value: int | None = None,
    key: str | None = None,
    **fetch: Unpack[FetchKeywords],
) -> Labeled:
    """Add L-Measure measurements as coordinates along a dimension of neurons.

    Parameters
    ----------
    {array}
    *fields : str
        See :func:`pdneuro.queries.neuromorpho.morphometry`. Default: all measurements.
    {neuron dim}
    {several dims}
    {coordinates}
    {key}
    {fetch}

    Returns
    -------
    DataArray or Dataset
        As :func:`join_properties`, with the columns of
        :func:`pdneuro.queries.neuromorpho.join_morphometry` (float64).

    Raises
    ------
    {dim errors}
    {neuron errors}

    Examples
    --------
    >>> import xarray as xr
    >>> lengths = xr.DataArray([5.0, 6.0], coords={"neuron_id": [1, 2]}, dims="neuron_id")
    >>> lengths.neuro.join_morphometry("n_stems")["morphometry_n_stems"].values
    array([4., 5.])
    """
    options = _Options(prefix, suffix, overwrite, how, indicator, fill_value)
    join = partial(neuron_records.join_morphometry, key=key, **fetch)
    return _join(obj, dim, NEURONS, join, fields, options)


class _Options(NamedTuple):
    prefix: str | None
    suffix: str
    overwrite: bool
    how: str
    indicator: Indicator
    fill_value: int | None


def _join(
    obj: Labeled,
    dim: Hashable | Sequence[Hashable] | None,
    kind: Kind,
    join: Callable[..., pd.DataFrame],
    wanted: Iterable[Any],
    options: _Options,
) -> Labeled:
    """Join to the coordinate of each named dimension, as ``join(table, *wanted)`` does to a column."""
    ends = roles.ends_of(dim)
    for name, _ in ends:  # all are checked before the first request
        coordinate(obj, name, kind)
    indicator = INDICATOR if options.indicator is True else options.indicator
    for name, end in ends:
        along = coordinate(obj, name, kind)
        table = along.column.to_frame()
        table.attrs = provenance_of(obj)
        joined = join(
            table,
            *wanted,
            on=along.column.name,
            prefix=options.prefix,
            suffix=f"{options.suffix}{end}",
            overwrite=options.overwrite,
            how=options.how,
            indicator=f"{indicator}{end}" if indicator and isinstance(indicator, str) else indicator,
        )
        obj = add_coordinates(
            obj, along, joined, overwrite=options.overwrite, fill_value=options.fill_value
        )
    return obj


# -- structures -----------------------------------------------------------------------------------


@documented()
def rollup(
    obj: Labeled,
    to: Any,
    dim: Hashable | None = None,
    *,
    name: Hashable | None = None,
    overwrite: bool = False,
    fill_value: int | None = None,
    graph_id: int = 1,
    on_missing: str | None = None,
    terms: structure_fields.Terms = None,
) -> Labeled:
    """Add the member of a structure set that each structure belongs to, as a coordinate.

    Parameters
    ----------
    {array}
    to : int, str or iterable
        A structure set, or structures; see :func:`pdneuro.queries.structures.rollup`.
    {structure dim}
    name : hashable, optional
        Name of the new coordinate. Default: the name of the dimension and ``_rollup``.
    overwrite : bool, default False
        Replace a coordinate of this name.
    {fill}
    {graph}
    {terms}

    Returns
    -------
    DataArray or Dataset
        The same values, with IDs for IDs (int64) and acronyms for acronyms (``""`` if no member
        contains the structure).

    Raises
    ------
    {dim errors}
    {structure errors}

    See Also
    --------
    aggregate : Sum or mean over the structures below each target.

    Examples
    --------
    >>> import xarray as xr
    >>> signal = xr.DataArray([1, 2, 3], coords={"acronym": ["VISp5", "VISl", "LGd"]}, dims="acronym")
    >>> signal.neuro.rollup(["CTX", "TH"], name="division").groupby("division").sum().values
    array([3, 3])
    """
    along = coordinate(obj, dim, _TERMS)
    label = f"{along.column.name}_rollup" if name is None else name
    found = structure_fields.rollup(
        along.column, to, graph_id=graph_id, on_missing=on_missing, terms=terms
    )
    table = pd.DataFrame({along.column.name: along.column, label: found})
    table.attrs = provenance_of(obj)
    table = extend(table, found.to_frame())
    return add_coordinates(
        obj, along, table, overwrite=overwrite, fill_value=fill_value, id_names=[label]
    )


@documented()
def aggregate(
    obj: Labeled,
    to: Any,
    dim: Hashable | None = None,
    *,
    how: str,
    skipna: bool = False,
    graph_id: int = 1,
    on_missing: str | None = None,
) -> Labeled:
    """Return the sum or mean over the structures at and below each target.

    Parameters
    ----------
    obj : DataArray or Dataset
        An array with a dimension of structures. Values of dask stay lazy.
    to : int, str or iterable
        The targets: a structure set, or structures; see :func:`pdneuro.queries.structures.rollup`.
        Targets can be inside each other: each gets all its structures.
    {structure dim}
    how : {"sum", "mean"}
        Sums are for amounts that add up, such as volumes and counts of cells; means are for densities.
    skipna : bool, default False
        Skip missing values. Default: a sum or mean with a missing part is missing.
    {graph}

    Returns
    -------
    DataArray or Dataset
        The dimension of structures becomes one of targets, with their IDs (int64) and a coordinate of
        their acronyms, such as ``structure_acronym``. A dimension of acronyms becomes
        ``structure_id``. The targets are in the given order; those in the left hemisphere have
        negative IDs, as in the array. Targets without a structure in the array are left out.

    Raises
    ------
    {dim errors}
    {structure errors}
    UnknownStructureError
        ``to`` is not a set and not a structure.
    InvalidQueryError
        No structure of the array is below a target; a sum would count a structure twice, because the
        array also has its ancestor; or the values are not numbers.

    See Also
    --------
    rollup : Add the target of each structure as a coordinate.

    Examples
    --------
    >>> import xarray as xr
    >>> cells = xr.DataArray([5, 7, 2], coords={"acronym": ["VISp5", "VISl", "LGd"]}, dims="acronym")
    >>> total = cells.neuro.aggregate(["CTX", "VIS", "TH"], how="sum")
    >>> total.to_series().tolist(), total["structure_acronym"].values.tolist()
    ([12, 12, 2], ['CTX', 'VIS', 'TH'])
    """
    from pdneuro.allen.tree import structure_tree

    check_choice("how", how, HOW)
    along = coordinate(obj, dim, STRUCTURES)
    tree = structure_tree(graph_id)
    places = tree.find(along.column, on_missing, unit="positions", outcome="They are left out.")
    members = tree.members(to)
    position, target = _targets(tree, places, members)
    if not len(position):
        raise InvalidQueryError(
            f"no structure of the dimension {along.column.name!r} is below {to!r:.60}. Choose other "
            "targets, or check the structures with .neuro.rollup()."
        )
    if how == "sum":
        _require_counted_once(tree, places, position, along.column)
    ids, groups = _in_groups(tree, position, target, members)
    new_dim, acronym_name = _names_of_targets(along.column.name)
    acronyms = tree.take(tree.locate(pd.Series(ids)), "acronym")
    labels = {new_dim: ids, acronym_name: (new_dim, np.array(acronyms, object).astype(str))}
    result: Labeled = _reduced(obj, along.dim, groups, new_dim, how, skipna).assign_coords(labels)
    query = f"aggregate({to!r:.60}, {how}, {tree.name})"
    record = stamp(pd.DataFrame(), source="allen", query=query, earlier=provenance_of(obj))
    result.attrs = dict(obj.attrs)
    return with_provenance(result, record)


def _targets(
    tree: StructureTree, places: Places, members: Places
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.int64]]:
    """Return pairs of a position and a target at or above it; the target's ID is negative if left."""
    counts, above = tree.above(places.rows, include_self=True)
    position = np.repeat(np.arange(len(counts)), counts)
    left = places.is_left[position]
    wanted = np.isin(above, members.rows[~members.is_left])
    wanted |= left & np.isin(above, members.rows[members.is_left])
    ids = tree.frame["id"].to_numpy()[above] * np.where(left, -1, 1)
    return position[wanted], ids[wanted]


def _require_counted_once(
    tree: StructureTree, places: Places, position: npt.NDArray[np.intp], column: pd.Series[Any]
) -> None:
    """Raise an error if a structure and its ancestor are below one target."""
    count = len(tree)
    side = np.where(places.is_left, count, 0)
    under_target = np.unique(position)
    counted = np.unique((places.rows + side)[under_target])
    repeats, above = tree.above(places.rows[under_target], include_self=False)
    lower = np.repeat(under_target, repeats)
    twice = np.isin(above + side[lower], counted)
    if not twice.any():
        return
    ancestor, part = above[twice][0], lower[twice][0]
    acronym = tree.frame["acronym"]
    examples = f"{acronym.iloc[places.rows[part]]} is a part of {acronym.iloc[ancestor]}"
    raise InvalidQueryError(
        f"the dimension {column.name!r} has {len(np.unique(lower[twice])):,} structures together with "
        f"an ancestor, such as {column.iloc[part]}: {examples}. A sum would count them twice. Select "
        "structures that do not contain each other, for example with .sel()."
    )


def _in_groups(
    tree: StructureTree,
    position: npt.NDArray[np.intp],
    target: npt.NDArray[np.int64],
    members: Places,
) -> tuple[npt.NDArray[np.int64], list[npt.NDArray[np.intp]]]:
    """Return the targets in the order of the call, right before left, and the positions of each."""
    order = pd.Index(pd.unique(tree.frame["id"].to_numpy()[members.rows]))
    codes, ids = pd.factorize(target)
    sequence = np.lexsort((ids < 0, order.get_indexer(pd.Index(np.abs(ids)))))
    return ids[sequence], [position[codes == code] for code in sequence]


def _names_of_targets(name: Hashable) -> tuple[Hashable, str]:
    """Return the names of the dimension and of its acronyms.

    >>> _names_of_targets("source"), _names_of_targets("acronym")
    (('source', 'source_acronym'), ('structure_id', 'structure_acronym'))
    """
    text = str(name)
    stem = text.removesuffix("acronym").removesuffix("id").strip("_") or "structure"
    return (f"{stem}_id" if text.endswith("acronym") else name), f"{stem}_acronym"


def _reduced(
    obj: Any,
    dim: Hashable,
    groups: list[npt.NDArray[np.intp]],
    new_dim: Hashable,
    how: str,
    skipna: bool,
) -> Any:
    """Return one value per group of positions, with the new dimension in the place of the old."""
    import xarray as xr

    if isinstance(obj, xr.Dataset):
        parts = {
            name: _reduced(array, dim, groups, new_dim, how, skipna) if dim in array.dims else array
            for name, array in obj.data_vars.items()
        }
        rest = {name: found for name, found in obj.coords.items() if dim not in found.dims}
        return xr.Dataset(parts, coords=rest)
    if obj.dtype.kind not in "biufc":
        raise InvalidQueryError(f"{obj.name!r} has the dtype {obj.dtype}. Only numbers have a {how}.")
    options = {"min_count": 1} if how == "sum" and skipna else {}
    options |= {} if obj.dtype.kind not in "fc" else {"skipna": skipna}
    inputs = [obj.isel({dim: positions}) for positions in groups]
    reduced = [getattr(part, how)(dim, keep_attrs=True, **options) for part in inputs]
    whole = xr.concat(reduced, new_dim, coords="minimal", compat="override", combine_attrs="override")
    return whole.transpose(*(new_dim if name == dim else name for name in obj.dims))


# -- segments -------------------------------------------------------------------------------------


@documented()
def ids(obj: xr.DataArray | xr.Dataset, dim: Hashable | None = None) -> pd.Series[Any]:
    """Return the segment IDs of a dimension as exact integers, or raise.

    Parameters
    ----------
    {array}
    {dim}

    Returns
    -------
    Series
        ``int64``, ``Int64`` if something is missing; indexed by the dimension.

    Raises
    ------
    {dim errors}
    PrecisionLossError, InvalidIdError
        The coordinate does not hold exact IDs.

    Examples
    --------
    >>> import xarray as xr
    >>> xr.DataArray([3, 4], coords={"root_id": ["12", "15"]}, dims="root_id").neuro.ids().tolist()
    [12, 15]
    """
    along = coordinate(obj, dim, SEGMENTS)
    return roles.exact_ids(along.column.set_axis(obj.indexes.get(along.dim, along.column.index)))


@documented(like=edge_queries.edges)
def edges(
    obj: xr.DataArray | xr.Dataset, dim: Hashable | None = None, **options: Unpack[EdgeKeywords]
) -> pd.DataFrame:
    """Return the edges of the segments of a dimension.

    Parameters
    ----------
    {array}
    {dim}
    {directions}
    {hops}
    {regions}
    {source}
    {fetch}

    Returns
    -------
    DataFrame
        Edge table, see :func:`pdneuro.queries.edges.edges`.

    Raises
    ------
    {dim errors}
    {segment errors}

    Examples
    --------
    >>> import xarray as xr
    >>> ids = pdneuro.sandbox.neurons().root_id[:50]
    >>> rates = xr.DataArray(np.ones(50), coords={"root_id": ids}, dims="root_id")
    >>> rates.neuro.edges(within=True, min_weight=5)
                      pre                post  weight
    0  720575940650239002  720575940640789882      14
    1  720575940652959873  720575940601328727       5
    """
    return edge_queries.edges(coordinate(obj, dim, SEGMENTS).column, **options)


@documented(like=edge_queries.edges)
def graph(
    obj: xr.DataArray | xr.Dataset, dim: Hashable | None = None, **options: Unpack[EdgeKeywords]
) -> nx.DiGraph[int]:
    """Return the edges of the segments of a dimension as a directed graph.

    Parameters
    ----------
    {array}
    {dim}
    {directions}
    {hops}
    {regions}
    {source}
    {fetch}

    Returns
    -------
    networkx.DiGraph
        See :func:`pdneuro.queries.edges.graph`.

    Raises
    ------
    {dim errors}
    {segment errors}

    Examples
    --------
    >>> import xarray as xr
    >>> ids = pdneuro.sandbox.neurons().root_id[:50]
    >>> rates = xr.DataArray(np.ones(50), coords={"root_id": ids}, dims="root_id")
    >>> print(rates.neuro.graph(within=True))
    DiGraph with 50 nodes and 5 edges
    """
    return edge_queries.graph(coordinate(obj, dim, SEGMENTS).column, **options)


@documented()
def partners(
    obj: xr.DataArray | xr.Dataset,
    dim: Hashable | None = None,
    *,
    group_by: Hashable | Labels | None = None,
    upstream: bool = True,
    downstream: bool = True,
    min_weight: int = 1,
    top: int | None = None,
    cover: float | None = None,
    dropna: bool = False,
    sort: bool = False,
    observed: bool = True,
    source: str | Source | None = None,
    **fetch: Unpack[FetchKeywords],
) -> pd.DataFrame:
    """Return the partners of the segments of a dimension, the strongest first.

    Parameters
    ----------
    {array}
    {dim}
    group_by : mapping, Series or hashable, optional
        Label of each partner, by ID; or a coordinate along the dimension, which labels the partners
        that are in the array.
    {directions}
    min_weight : int, default 1
        Minimum number of synapses per pair.
    {strongest}
    {grouping}
    {source}
    {fetch}

    Returns
    -------
    DataFrame
        See :func:`pdneuro.queries.edges.partners`.

    Raises
    ------
    {dim errors}
    {segment errors}

    Examples
    --------
    >>> import xarray as xr
    >>> ids = pdneuro.sandbox.neurons().root_id[:20]
    >>> rates = xr.DataArray(np.ones(20), coords={"root_id": ids}, dims="root_id")
    >>> rates.neuro.partners(min_weight=50).head(2)
                  partner   direction  weight  n_neurons
    0  720575940645453511  downstream     184          1
    1  720575940655257127    upstream     120          1
    """
    along = coordinate(obj, dim, SEGMENTS)
    return edge_queries.partners(
        table_along(obj, along.dim),
        along.column.name,
        group_by=group_by,
        upstream=upstream,
        downstream=downstream,
        min_weight=min_weight,
        top=top,
        cover=cover,
        dropna=dropna,
        sort=sort,
        observed=observed,
        source=source,
        **fetch,
    )
