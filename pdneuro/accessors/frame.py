"""``DataFrame.neuro``: a table of neurons, or an edge table."""

from __future__ import annotations

from pdneuro import files, graphs, neuroglancer, tables
from pdneuro.accessors.describe import describe_frame
from pdneuro.accessors.door import Citable, door
from pdneuro.accessors.plots import FramePlots
from pdneuro.queries import cave as root_ids
from pdneuro.queries import edges as edge_questions
from pdneuro.queries import neuromorpho as reconstructions
from pdneuro.queries import neurons, structures


class DataFrameNeuro(Citable):
    """Methods for a table with a column of segment IDs, and for edge tables; print it for both."""

    _describe = staticmethod(describe_frame)

    @property
    def plot(self) -> FramePlots:
        """Pictures; see :mod:`pdneuro.plots`."""
        return FramePlots(self._obj)

    # A table of neurons
    join_properties = door(neurons.join_properties)
    join_cave = door(root_ids.join_cave)
    edges = door(neurons.edges)
    upstream = door(neurons.upstream)
    downstream = door(neurons.downstream)
    partners = door(neurons.partners)
    graph = door(neurons.graph)
    link = door(neuroglancer.link)

    # A table of structures
    join_structures = door(structures.join_structures)

    # A table of NeuroMorpho.org's neurons
    join_neuromorpho = door(reconstructions.join_neuromorpho)
    join_morphometry = door(reconstructions.join_morphometry)

    # The nodes of reconstructions
    check = door(tables.check)
    morphology = door(tables.morphology)
    cable_length = door(tables.cable_length)
    path_distance = door(tables.path_distance)
    to_swc = door(files.to_swc)

    # A table of points
    sample = door(tables.sample)

    # An edge table
    as_edges = door(tables.as_edges)
    threshold = door(tables.threshold)
    collapse = door(tables.collapse)
    annotate = door(tables.annotate)
    fractions = door(edge_questions.fractions)
    sign = door(tables.sign)
    degree = door(tables.degree)
    reciprocal = door(tables.reciprocal)
    motifs = door(tables.motifs)
    expand = door(edge_questions.expand)
    paths = door(graphs.paths)
    shortest_paths = door(graphs.shortest_paths)
    similarity = door(graphs.similarity)

    # Out of an edge table
    to_networkx = door(graphs.to_networkx)
    to_sparse = door(graphs.to_sparse)
    to_matrix = door(graphs.to_matrix)
    to_xarray = door(graphs.to_xarray)
    to_igraph = door(graphs.to_igraph)
    to_gephi = door(graphs.to_gephi)
    to_cytoscape = door(graphs.to_cytoscape)
