"""Convert edge tables to graphs and matrices, and graphs and matrices to edge tables."""

from pdneuro.graphs.exports import to_cytoscape, to_gephi, to_igraph
from pdneuro.graphs.matrix import (
    collapse_xarray,
    from_matrix,
    from_xarray,
    to_matrix,
    to_sparse,
    to_xarray,
)
from pdneuro.graphs.networkx import from_networkx, to_networkx
from pdneuro.graphs.paths import paths, shortest_paths
from pdneuro.graphs.similarity import similarity
from pdneuro.graphs.trees import from_tree, to_tree

__all__ = [
    "collapse_xarray",
    "from_matrix",
    "from_networkx",
    "from_tree",
    "from_xarray",
    "paths",
    "shortest_paths",
    "similarity",
    "to_cytoscape",
    "to_gephi",
    "to_igraph",
    "to_matrix",
    "to_networkx",
    "to_sparse",
    "to_tree",
    "to_xarray",
]
