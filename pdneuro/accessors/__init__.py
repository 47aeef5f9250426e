"""``.neuro`` on pandas and xarray objects: importing this module gives it its methods.

Each method is a plain function with the same parameters and docstring, called on the object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, overload

import pandas as pd
import xarray

from pdneuro import citations, files, first_use, graphs, neuroglancer, plots, queries, tables
from pdneuro.accessors import describe
from pdneuro.accessors.method import Accessor, as_index_method, as_method
from pdneuro.tables.coordinates import EXPERIMENTS, NEURONS, SEGMENTS, STRUCTURES, SUPERVOXELS
from pdneuro.tables.foreign import to_pandas

if TYPE_CHECKING:
    from pdneuro.accessors.method import as_array_method, as_dataset_method

# -- methods by role: the repr of an accessor lists those of the roles that it recognizes ------------


class SegmentMethods:
    """Methods for segment IDs."""

    _role = "segments"
    ids = as_method(tables.exact_ids)
    properties = as_method(queries.properties.properties)
    records = as_method(queries.properties.records)
    edges = as_method(queries.edges.edges)
    upstream = as_method(queries.edges.upstream)
    downstream = as_method(queries.edges.downstream)
    partners = as_method(queries.edges.partners)
    graph = as_method(queries.edges.graph)
    link = as_method(neuroglancer.link)
    skeletons = as_method(queries.skeletons.skeletons)


class CaveMethods:
    """Methods for the root IDs of a CAVE datastack."""

    _role = "cave"
    cave = as_method(queries.cave.cave)
    synapses = as_method(queries.cave.synapses)
    is_latest = as_method(queries.cave.is_latest)
    latest = as_method(queries.cave.latest)
    at = as_method(queries.cave.at)
    roots = as_method(queries.supervoxels.roots)


class StructureMethods:
    """Methods for Allen structures, by ID or acronym."""

    _role = "structures"
    structures = as_method(queries.structures.structures)
    ancestors = as_method(queries.structures.ancestors)
    descendants = as_method(queries.structures.descendants)
    rollup = as_method(queries.structures.rollup)
    is_under = as_method(queries.structures.is_under)
    mask = as_method(queries.structures.mask)


class ExperimentMethods:
    """Methods for tracer experiments of the Allen Brain Atlas, by ID."""

    _role = "experiments"
    unionizes = as_method(queries.experiments.unionizes)


class NeuroMorphoMethods:
    """Methods for the neurons of NeuroMorpho.org, by ID or name."""

    _role = "neuromorpho"
    neuromorpho = as_method(queries.neuromorpho.neuromorpho)
    morphometry = as_method(queries.neuromorpho.morphometry)
    persistence = as_method(queries.neuromorpho.persistence)
    swc = as_method(queries.neuromorpho.swc)


class SegmentJoins:
    """Joins for a table of segments."""

    _role = "segments"
    join_properties = as_method(queries.properties.join_properties)


class CaveJoins:
    """Joins for a table of root IDs."""

    _role = "cave"
    join_cave = as_method(queries.cave.join_cave)
    join_roots = as_method(queries.supervoxels.join_roots)
    update_roots = as_method(queries.supervoxels.update_roots)


class StructureJoins:
    """Joins for a table of structures."""

    _role = "structures"
    join_structures = as_method(queries.structures.join_structures)


class ExperimentJoins:
    """Joins for a table of tracer experiments."""

    _role = "experiments"
    join_unionizes = as_method(queries.experiments.join_unionizes)


class NeuroMorphoJoins:
    """Joins for a table of NeuroMorpho.org neurons."""

    _role = "neuromorpho"
    join_neuromorpho = as_method(queries.neuromorpho.join_neuromorpho)
    join_morphometry = as_method(queries.neuromorpho.join_morphometry)


class TransmitterMethods:
    """Methods for a table with a score for each transmitter."""

    _role = "transmitters"
    top_nt = as_method(tables.top_nt)


class NodeTableMethods:
    """Methods for the nodes of reconstructions."""

    _role = "nodes"
    check = as_method(tables.check)
    morphology = as_method(tables.morphology)
    cable_length = as_method(tables.cable_length)
    path_distance = as_method(tables.path_distance)
    to_swc = as_method(files.to_swc)
    to_navis = as_method(graphs.to_navis)


class PointMethods:
    """Methods for points in a reference space."""

    _role = "points"
    sample = as_method(tables.sample)
    structures_at = as_method(queries.structures.structures_at)


class EdgeTableMethods:
    """Methods for an edge table."""

    _role = "edges"
    as_edges = as_method(tables.as_edges)
    threshold = as_method(tables.threshold)
    collapse = as_method(tables.collapse)
    annotate = as_method(tables.annotate)
    fractions = as_method(queries.edges.fractions)
    sign = as_method(tables.sign)
    completeness = as_method(tables.completeness)
    degree = as_method(tables.degree)
    reciprocal = as_method(tables.reciprocal)
    motifs = as_method(tables.motifs)
    expand = as_method(queries.edges.expand)
    paths = as_method(graphs.paths)
    shortest_paths = as_method(graphs.shortest_paths)
    similarity = as_method(graphs.similarity)
    cluster = as_method(graphs.cluster)
    communities = as_method(graphs.communities)
    components = as_method(graphs.components)
    influence = as_method(graphs.influence)
    effective = as_method(graphs.effective)
    layers = as_method(graphs.layers)
    compare = as_method(graphs.compare)
    rewire = as_method(graphs.rewire)
    zscores = as_method(graphs.zscores)
    to_networkx = as_method(graphs.to_networkx)
    to_sparse = as_method(graphs.to_sparse)
    to_matrix = as_method(graphs.to_matrix)
    to_xarray = as_method(graphs.to_xarray)
    to_igraph = as_method(graphs.to_igraph)
    to_gephi = as_method(graphs.to_gephi)
    to_cytoscape = as_method(graphs.to_cytoscape)


# -- methods of arrays and indexes -----------------------------------------------------------------


class DimensionSegments:
    """Methods for a dimension of segment IDs."""

    _role = "segments"
    join_properties = as_method(queries.dimensions.join_properties)
    ids = as_method(queries.dimensions.ids)
    edges = as_method(queries.dimensions.edges)
    partners = as_method(queries.dimensions.partners)
    graph = as_method(queries.dimensions.graph)


class DimensionCave:
    """Joins for a dimension of root IDs."""

    _role = "cave"
    join_cave = as_method(queries.dimensions.join_cave)


class DimensionStructures:
    """Methods for a dimension of Allen structures."""

    _role = "structures"
    join_structures = as_method(queries.dimensions.join_structures)
    rollup = as_method(queries.dimensions.rollup)
    aggregate = as_method(queries.dimensions.aggregate)


class DimensionNeurons:
    """Joins for a dimension of NeuroMorpho.org neurons."""

    _role = "neuromorpho"
    join_neuromorpho = as_method(queries.dimensions.join_neuromorpho)
    join_morphometry = as_method(queries.dimensions.join_morphometry)


class MatrixMethods:
    """Methods for a matrix of edges."""

    _role = "matrix"
    to_edges = as_method(graphs.from_xarray)
    collapse = as_method(graphs.collapse_xarray)


class VolumeMethods:
    """Methods for a volume with the axes ``ap, dv, lr``."""

    _role = "volume"
    at = as_method(tables.at)
    structure_means = as_method(tables.structure_means)


class IndexSegments:
    """Methods for segment IDs in an index."""

    _role = "segments"
    ids = as_index_method(tables.exact_ids, SEGMENTS)
    properties = as_index_method(queries.properties.properties, SEGMENTS)
    records = as_index_method(queries.properties.records, SEGMENTS)
    edges = as_index_method(queries.edges.edges, SEGMENTS)
    upstream = as_index_method(queries.edges.upstream, SEGMENTS)
    downstream = as_index_method(queries.edges.downstream, SEGMENTS)
    partners = as_index_method(queries.edges.partners, SEGMENTS)
    graph = as_index_method(queries.edges.graph, SEGMENTS)
    link = as_index_method(neuroglancer.link, SEGMENTS)
    skeletons = as_index_method(queries.skeletons.skeletons, SEGMENTS)


class IndexCave:
    """Methods for the root IDs of a CAVE datastack in an index."""

    _role = "cave"
    cave = as_index_method(queries.cave.cave, SEGMENTS)
    synapses = as_index_method(queries.cave.synapses, SEGMENTS)
    is_latest = as_index_method(queries.cave.is_latest, SEGMENTS)
    latest = as_index_method(queries.cave.latest, SEGMENTS)
    at = as_index_method(queries.cave.at, SEGMENTS)
    roots = as_index_method(queries.supervoxels.roots, SUPERVOXELS)


class IndexStructures:
    """Methods for Allen structures in an index."""

    _role = "structures"
    structures = as_index_method(queries.structures.structures, STRUCTURES)
    ancestors = as_index_method(queries.structures.ancestors, STRUCTURES)
    descendants = as_index_method(queries.structures.descendants, STRUCTURES)
    rollup = as_index_method(queries.structures.rollup, STRUCTURES)
    is_under = as_index_method(queries.structures.is_under, STRUCTURES)
    mask = as_index_method(queries.structures.mask, STRUCTURES)


class IndexExperiments:
    """Methods for tracer experiments of the Allen Brain Atlas in an index."""

    _role = "experiments"
    unionizes = as_index_method(queries.experiments.unionizes, EXPERIMENTS)


class IndexNeurons:
    """Methods for the neurons of NeuroMorpho.org in an index."""

    _role = "neuromorpho"
    neuromorpho = as_index_method(queries.neuromorpho.neuromorpho, NEURONS)
    morphometry = as_index_method(queries.neuromorpho.morphometry, NEURONS)
    persistence = as_index_method(queries.neuromorpho.persistence, NEURONS)
    swc = as_index_method(queries.neuromorpho.swc, NEURONS)


# -- plots -------------------------------------------------------------------------------------------


class _Plots:
    def __init__(self, obj: Any) -> None:
        self._obj = obj

    def __repr__(self) -> str:
        names = [name for name in dir(type(self)) if not name.startswith("_")]
        return f"<neuro.plot: {', '.join(f'.{name}()' for name in names)}>"


class SeriesPlots(_Plots):
    """Plots of numbers with structures in the index."""

    bars = as_method(plots.bars)
    tree = as_method(plots.tree)


class FramePlots(SeriesPlots):
    """Plots of edge tables, of tables of structures, and of reconstructions."""

    matrix = as_method(plots.matrix)
    degree = as_method(plots.degree)
    graph = as_method(plots.graph)
    fractions = as_method(plots.fractions)
    hops = as_method(plots.hops)
    skeleton = as_method(plots.skeleton)
    clustermap = as_method(plots.clustermap)
    similarity = as_method(plots.similarity)
    dendrogram = as_method(plots.dendrogram)


class ArrayPlots(_Plots):
    """Plots of volumes."""

    slices = as_method(plots.slices)


# -- accessors ---------------------------------------------------------------------------------------


class ProvenanceMixin:
    """Methods of a result: its source and its citation."""

    _obj: Any

    @property
    def provenance(self) -> pd.DataFrame:
        """Return the sources of the table; see :func:`pdneuro.citations.provenance`."""
        return citations.provenance(self._obj)

    cite = as_method(citations.cite)


class SeriesNeuro(
    SegmentMethods,
    CaveMethods,
    StructureMethods,
    ExperimentMethods,
    NeuroMorphoMethods,
    ProvenanceMixin,
    Accessor,
):
    """Methods for a column of segment IDs, structures or neurons; print it to see which."""

    _describe = staticmethod(describe.describe_series)

    @property
    def plot(self) -> SeriesPlots:
        """Return the plots; see :mod:`pdneuro.plots`."""
        return SeriesPlots(self._obj)


class DataFrameNeuro(
    SegmentJoins,
    SegmentMethods,
    CaveJoins,
    CaveMethods,
    StructureJoins,
    StructureMethods,
    ExperimentJoins,
    ExperimentMethods,
    NeuroMorphoJoins,
    NeuroMorphoMethods,
    EdgeTableMethods,
    TransmitterMethods,
    NodeTableMethods,
    PointMethods,
    ProvenanceMixin,
    Accessor,
):
    """Methods for a table of neurons or structures, and for edge tables; print it to see which."""

    _describe = staticmethod(describe.describe_frame)

    @property
    def plot(self) -> FramePlots:
        """Return the plots; see :mod:`pdneuro.plots`."""
        return FramePlots(self._obj)


class GroupByNeuro(Accessor):
    """Methods for the groups of a column of segment IDs, of a table with such a column, or of edges."""

    _role = "groups"
    _describe = staticmethod(describe.describe_groups)
    edges = as_method(queries.groups.edges)
    upstream = as_method(queries.groups.upstream)
    downstream = as_method(queries.groups.downstream)
    partners = as_method(queries.groups.partners)
    graph = as_method(queries.groups.graph)
    threshold = as_method(queries.groups.threshold)
    collapse = as_method(queries.groups.collapse)
    fractions = as_method(queries.groups.fractions)
    completeness = as_method(queries.groups.completeness)
    degree = as_method(queries.groups.degree)
    motifs = as_method(queries.groups.motifs)


class IndexNeuro(IndexSegments, IndexCave, IndexStructures, IndexExperiments, IndexNeurons, Accessor):
    """Methods of a column for an index of IDs; ``level=`` chooses a level of a MultiIndex."""

    _describe = staticmethod(describe.describe_index)


class DataArrayNeuro(
    DimensionSegments,
    DimensionCave,
    DimensionStructures,
    DimensionNeurons,
    MatrixMethods,
    VolumeMethods,
    ProvenanceMixin,
    Accessor,
):
    """Methods for arrays with a dimension of IDs, for ``(pre, post)`` matrices and for volumes."""

    _describe = staticmethod(describe.describe_array)

    if TYPE_CHECKING:  # the same methods, with the type of the result
        join_properties = as_array_method(queries.dimensions.join_properties)
        join_cave = as_array_method(queries.dimensions.join_cave)
        join_structures = as_array_method(queries.dimensions.join_structures)
        rollup = as_array_method(queries.dimensions.rollup)
        aggregate = as_array_method(queries.dimensions.aggregate)
        join_neuromorpho = as_array_method(queries.dimensions.join_neuromorpho)
        join_morphometry = as_array_method(queries.dimensions.join_morphometry)

    @property
    def plot(self) -> ArrayPlots:
        """Return the plots; see :mod:`pdneuro.plots`."""
        return ArrayPlots(self._obj)


class DatasetNeuro(
    DimensionSegments, DimensionCave, DimensionStructures, DimensionNeurons, ProvenanceMixin, Accessor
):
    """Methods for datasets with a dimension of IDs."""

    _describe = staticmethod(describe.describe_array)

    if TYPE_CHECKING:  # the same methods, with the type of the result
        join_properties = as_dataset_method(queries.dimensions.join_properties)
        join_cave = as_dataset_method(queries.dimensions.join_cave)
        join_structures = as_dataset_method(queries.dimensions.join_structures)
        rollup = as_dataset_method(queries.dimensions.rollup)
        aggregate = as_dataset_method(queries.dimensions.aggregate)
        join_neuromorpho = as_dataset_method(queries.dimensions.join_neuromorpho)
        join_morphometry = as_dataset_method(queries.dimensions.join_morphometry)


class Table(Protocol):
    """A table of polars, DuckDB or narwhals, for type checkers.

    Its attributes are those of which pandas has other types; Arrow's interface alone also fits pandas.
    """

    @property
    def columns(self) -> list[str]:
        """Return the names of the columns."""

    @property
    def shape(self) -> tuple[int, int]:
        """Return the numbers of rows and columns."""


@overload
def neuro(obj: pd.Series[Any]) -> SeriesNeuro: ...
@overload
def neuro(obj: pd.DataFrame) -> DataFrameNeuro: ...
@overload
def neuro(
    obj: pd.api.typing.DataFrameGroupBy[Any, Any] | pd.api.typing.SeriesGroupBy[Any, Any],
) -> GroupByNeuro: ...
@overload
def neuro(obj: pd.Index[Any]) -> IndexNeuro: ...
@overload
def neuro(obj: xarray.DataArray) -> DataArrayNeuro: ...
@overload
def neuro(obj: xarray.Dataset) -> DatasetNeuro: ...
@overload
def neuro(obj: Table) -> DataFrameNeuro: ...
def neuro(obj: Any) -> Any:
    """Return the ``.neuro`` accessor of an object, with full types for editors and type checkers.

    Parameters
    ----------
    obj : Series, DataFrame, GroupBy, Index, DataArray or Dataset
        Or a table or column of another library: a DuckDB relation, a polars frame (also a lazy one), a
        pyarrow table or dataset. It is converted to pandas; integers stay exact. Type checkers accept
        tables of polars and DuckDB. For them, convert columns and lazy frames with
        ``pdneuro.tables.foreign.to_pandas``.

    Returns
    -------
    SeriesNeuro, DataFrameNeuro, GroupByNeuro, IndexNeuro, DataArrayNeuro or DatasetNeuro
        The same object as ``obj.neuro``. Methods return pandas objects.

    Raises
    ------
    TypeError
        The object has no accessor.

    Examples
    --------
    >>> neurons = pdneuro.sandbox.neurons().head(3)
    >>> pdneuro.neuro(neurons).edges(within=True).columns.tolist()
    ['pre', 'post', 'weight']
    """
    obj = to_pandas(obj)
    for kind, accessor in CLASSES.items():
        if isinstance(obj, kind):
            return accessor(obj)
    raise TypeError(
        f"{type(obj).__name__} has no .neuro accessor. Use a Series, DataFrame, GroupBy, Index, "
        "DataArray or Dataset, or a table with Arrow's C stream (DuckDB, polars, pyarrow)."
    )


CLASSES: dict[type, type[Accessor]] = {
    pd.Series: SeriesNeuro,
    pd.DataFrame: DataFrameNeuro,
    pd.api.typing.SeriesGroupBy: GroupByNeuro,
    pd.api.typing.DataFrameGroupBy: GroupByNeuro,
    pd.Index: IndexNeuro,
    xarray.DataArray: DataArrayNeuro,
    xarray.Dataset: DatasetNeuro,
}


def register() -> None:
    """Give ``.neuro`` its methods, once."""
    for kind, accessor in CLASSES.items():
        registered = vars(kind)["neuro"]
        if isinstance(registered._accessor, first_use.FirstUse):
            # In one step, because other threads may use it; pandas would warn of a second registration.
            kind.neuro = type(registered)("neuro", accessor)  # type: ignore[attr-defined]


register()
