"""Convert edge tables to graphs and matrices, and graphs and matrices to edge tables."""

from pdneuro.graphs.clusters import cluster, communities, components
from pdneuro.graphs.comparison import compare
from pdneuro.graphs.effective import effective
from pdneuro.graphs.exports import to_cytoscape, to_gephi, to_igraph
from pdneuro.graphs.influence import influence
from pdneuro.graphs.layers import layers
from pdneuro.graphs.matrix import (
    collapse_xarray,
    from_matrix,
    from_xarray,
    to_matrix,
    to_sparse,
    to_xarray,
)
from pdneuro.graphs.navis import from_navis, to_navis
from pdneuro.graphs.networkx import from_networkx, to_networkx
from pdneuro.graphs.paths import paths, shortest_paths
from pdneuro.graphs.rewiring import rewire, zscores
from pdneuro.graphs.similarity import similarity
from pdneuro.graphs.trees import from_tree, to_tree

__all__ = [
    "cluster",
    "collapse_xarray",
    "communities",
    "compare",
    "components",
    "effective",
    "from_matrix",
    "from_navis",
    "from_networkx",
    "from_tree",
    "from_xarray",
    "influence",
    "layers",
    "paths",
    "rewire",
    "shortest_paths",
    "similarity",
    "to_cytoscape",
    "to_gephi",
    "to_igraph",
    "to_matrix",
    "to_navis",
    "to_networkx",
    "to_sparse",
    "to_tree",
    "to_xarray",
    "zscores",
]
