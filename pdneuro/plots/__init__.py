"""Figures of edge tables, structures, reconstructions and volumes; each function returns axes."""

from pdneuro.plots.clustering import clustermap, dendrogram, similarity
from pdneuro.plots.edges import degree, fractions, hops
from pdneuro.plots.matrices import matrix
from pdneuro.plots.node_link import graph
from pdneuro.plots.skeletons import skeleton
from pdneuro.plots.structures import bars, tree
from pdneuro.plots.volumes import slices

__all__ = [
    "bars",
    "clustermap",
    "degree",
    "dendrogram",
    "fractions",
    "graph",
    "hops",
    "matrix",
    "similarity",
    "skeleton",
    "slices",
    "tree",
]
