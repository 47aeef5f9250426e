"""Groups of neurons: clusters by partners, communities, connected components."""

from __future__ import annotations

import random
from collections.abc import Hashable, Mapping, Sequence
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro._compat import optional
from pdneuro._docs import documented
from pdneuro.graphs.exports import to_igraph
from pdneuro.graphs.paths import Codes
from pdneuro.graphs.similarity import similarity
from pdneuro.tables.columns import check_choice
from pdneuro.tables.edges import require_edges
from pdneuro.tables.joins import Labels
from pdneuro.tables.node_names import Nodes
from pdneuro.tables.pairs import coded_ends
from pdneuro.tables.provenance import inherit

#: Linkages whose heights never decrease, so that a cut at a height is a partition.
LINKAGES = ("average", "complete", "single", "ward", "weighted")


@documented()
def cluster(
    edges: pd.DataFrame,
    metric: str = "cosine",
    of: str = "both",
    method: str = "average",
    *,
    n: int | None = None,
    height: float | None = None,
    group_by: Hashable | Sequence[Hashable] | Labels | Mapping[str, Any] | None = None,
    ids: Any = None,
) -> pd.Series[Any]:
    """Cluster neurons by their partners, hierarchically.

    Parameters
    ----------
    edges : DataFrame
        An edge table; the rows of a pair are summed.
    {metric}
    method : {"average", "complete", "single", "ward", "weighted"}, default "average"
        Linkage of the distances, which are ``1 - similarity``.
    n : int, optional
        Number of clusters.
    height : float, optional
        Distance at which the tree is cut: clusters do not merge above it. Give ``n`` or ``height``.
    {partner labels}
    {compared}

    Returns
    -------
    Series
        ``cluster`` (int64, from 1), indexed by neuron (``id``; of several data sets ``dataset, id``) in
        the order of :func:`similarity`.
        Numbers increase from left to right in the dendrogram.

    Raises
    ------
    ValueError
        Neither ``n`` nor ``height`` is given, or both are; or a value is not possible.
    TooLargeError
        There are more than 20,000 neurons; select some (``ids=``).
    MissingDependencyError
        SciPy is not installed (extra ``graph``).

    See Also
    --------
    pdneuro.plots.dendrogram : draw the tree.
    pdneuro.plots.clustermap : draw a clustered matrix.

    Notes
    -----
    The tree is that of :func:`scipy.cluster.hierarchy.linkage`. coconatfly's ``cf_cosine_plot`` uses the
    same distances, with R's linkage ``ward.D``; here ``"ward"`` is R's ``ward.D2``. Distances of cosines
    are not Euclidean, so that Ward's variances are not exact.

    Examples
    --------
    >>> from pdneuro.graphs import cluster
    >>> edges = pd.DataFrame({"pre": [1, 2, 3, 4], "post": [8, 8, 9, 9], "weight": [3, 4, 5, 6]})
    >>> cluster(edges, of="output", ids=[1, 2, 3, 4], n=2).tolist()
    [1, 1, 2, 2]
    """
    if (n is None) == (height is None):
        raise ValueError("give the number of clusters (n=...) or the height of the cut (height=...).")
    found = tree(edges, metric, of, method, group_by=group_by, ids=ids)
    result = pd.Series(found.cut(n, height), index=found.neurons, name="cluster", dtype="int64")
    return inherit(result, edges)


class Tree(NamedTuple):
    """A dendrogram: SciPy's linkage matrix, and the neurons of its leaves."""

    merges: npt.NDArray[np.float64]
    neurons: pd.Index[Any]
    order: Codes

    def cut(self, n: int | None, height: float | None = None) -> npt.NDArray[np.int64]:
        """Return the cluster of each neuron, numbered from left to right."""
        size = len(self.neurons)
        if n is not None:
            if isinstance(n, bool) or not isinstance(n, int | np.integer) or not 1 <= n <= max(size, 1):
                raise ValueError(f"n must be a number of clusters from 1 to {size:,}, not {n!r}.")
            count = max(size - int(n), 0)
        elif not isinstance(height, Real) or isinstance(height, bool) or not height >= 0:
            raise ValueError(f"height must be a distance of at least 0, not {height!r}.")
        else:
            count = int(np.searchsorted(self.merges[:, 2], height, side="right"))
        csgraph = optional("scipy.sparse.csgraph", "graph")
        sparse = optional("scipy.sparse", "graph")
        # The merge in row k joins two nodes to the node size + k.
        children = self.merges[:count, :2].astype(np.intp)
        parents = np.repeat(size + np.arange(count), 2)
        links = (np.ones(2 * count), (children.ravel(), parents))
        shape = (size + count, size + count)
        _, labels = csgraph.connected_components(sparse.coo_array(links, shape=shape), directed=False)
        from_left, _ = pd.factorize(labels[:size][self.order])
        clusters = np.empty(size, np.int64)
        clusters[self.order] = from_left + 1
        return clusters


def tree(edges: pd.DataFrame, metric: str, of: str, method: str, **options: Any) -> Tree:
    """Return the dendrogram of neurons by the similarity of their partners."""
    table = similarity(edges, metric, of, **options)
    return tree_of_distances(1.0 - table.to_numpy(), table.index, method)


def tree_of_distances(distances: Any, names: pd.Index[Any], method: str) -> Tree:
    """Return the dendrogram of a square matrix of distances."""
    hierarchy = optional("scipy.cluster.hierarchy", "graph")
    distance = optional("scipy.spatial.distance", "graph")
    check_choice("method", method, LINKAGES)
    if len(names) < 2:
        return Tree(np.empty((0, 4)), names, np.arange(len(names)))
    merges = hierarchy.linkage(distance.squareform(distances, checks=False), method)
    return Tree(merges, names, np.asarray(hierarchy.leaves_list(merges), np.intp))


def communities(
    edges: pd.DataFrame,
    method: str = "infomap",
    *,
    resolution: float = 1.0,
    seed: int | None = None,
) -> pd.Series[Any]:
    """Find communities: groups of neurons with more synapses inside than between them.

    Parameters
    ----------
    edges : DataFrame
        An edge table; the rows of a pair are summed. Edges of weight 0 are ignored.
    method : {"infomap", "leiden"}, default "infomap"
        Infomap follows random walks along the direction of the edges. Leiden maximizes the modularity of
        the undirected graph, whose weights are the sums of both directions.
    resolution : float, default 1.0
        For Leiden: larger values give more and smaller communities.
    seed : int, optional
        Seed of the random numbers. Default: other numbers at each call.

    Returns
    -------
    Series
        ``community`` (int64, from 1, the largest first), indexed by neuron (``id``, sorted).

    Raises
    ------
    ValueError
        The method or the resolution is not possible.
    MissingDependencyError
        igraph is not installed (extra ``graph``).

    Notes
    -----
    Infomap is that of Rosvall and Bergstrom (2008), as in igraph (``community_infomap``, 10 trials);
    Leiden is that of Traag et al. (2019), as in igraph (``community_leiden``, until nothing changes).

    Examples
    --------
    >>> from pdneuro.graphs import communities
    >>> edges = pd.DataFrame({"pre": [1, 2, 3, 4, 5, 6, 3], "post": [2, 3, 1, 5, 6, 4, 4]})
    >>> communities(edges.assign(weight=[9, 9, 9, 9, 9, 9, 1]), seed=0).tolist()
    [1, 1, 1, 2, 2, 2]
    """
    check_choice("method", method, ("infomap", "leiden"))
    if not isinstance(resolution, Real) or not 0 <= resolution < np.inf:
        raise ValueError(f"resolution must be a number of at least 0, not {resolution!r}.")
    igraph = optional("igraph", "graph")
    edges = require_edges(edges)
    graph = to_igraph(edges[["pre", "post", "weight"]])
    ids, _, _ = coded_ends(edges)  # the order of the vertices
    graph.delete_edges(weight_eq=0)
    # igraph has one source of random numbers for all graphs.
    igraph.set_random_number_generator(random.Random(seed))
    try:
        if method == "infomap":
            found = graph.community_infomap(edge_weights="weight")
        else:
            graph.to_undirected(mode="collapse", combine_edges="sum")
            found = graph.community_leiden("modularity", "weight", resolution, n_iterations=-1)
    finally:
        igraph.set_random_number_generator(random)
    return inherit(_by_size(np.array(found.membership, np.intp), ids, "community"), edges)


def components(edges: pd.DataFrame, strong: bool = True) -> pd.Series[Any]:
    """Return the connected component of each neuron.

    Parameters
    ----------
    edges : DataFrame
        An edge table. Edges of weight 0 connect, too.
    strong : bool, default True
        Strong components: from each neuron, a path leads to all others. Otherwise weak components,
        regardless of the direction.

    Returns
    -------
    Series
        ``component`` (int64, from 1, the largest first), indexed by neuron (``id``, sorted).

    Raises
    ------
    MissingDependencyError
        SciPy is not installed (extra ``graph``).

    Examples
    --------
    >>> from pdneuro.graphs import components
    >>> edges = pd.DataFrame({"pre": [1, 2, 2], "post": [2, 1, 3], "weight": [3, 4, 5]})
    >>> components(edges).tolist(), components(edges, strong=False).tolist()
    ([1, 1, 2], [1, 1, 1])
    """
    sparse = optional("scipy.sparse", "graph")
    csgraph = optional("scipy.sparse.csgraph", "graph")
    edges = require_edges(edges)
    ids, pre, post = coded_ends(edges)
    matrix = sparse.coo_array((np.ones(len(pre)), (pre, post)), shape=(len(ids), len(ids)))
    connection = "strong" if strong else "weak"
    _, labels = csgraph.connected_components(matrix, connection=connection)
    return inherit(_by_size(labels, ids, "component"), edges)


def _by_size(labels: Codes, ids: Nodes, name: str) -> pd.Series[Any]:
    """Return labels by ID, numbered from 1: the largest group first, then by its first neuron."""
    order = np.argsort(ids, kind="stable")
    labels, _ = pd.factorize(labels[order])
    sizes = np.bincount(labels)
    rank = np.empty(len(sizes), np.int64)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(1, len(sizes) + 1)
    return pd.Series(rank[labels], index=pd.Index(ids[order], name="id"), name=name)
