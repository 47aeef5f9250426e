"""Plot clusters of neurons: matrices with the trees of their rows and columns, and a tree alone."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro import graphs
from pdneuro._compat import optional
from pdneuro.graphs.clusters import Tree, tree, tree_of_distances
from pdneuro.plots import matrices, skeletons, style
from pdneuro.tables.joins import Labels, labels_of
from pdneuro.tables.skeletons import is_node_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Color of branches above the cut.
_ABOVE = "#888888"
#: Width of the tree next to a matrix, as a share of the matrix.
_WIDTH = 0.15


def clustermap(
    edges: pd.DataFrame,
    group_by: Hashable | Sequence[Hashable] | Labels | Mapping[str, Any] | None = None,
    *,
    metric: str = "cosine",
    method: str = "average",
    n: int | None = None,
    values: str = "weight",
    normalize: str | None = None,
    dropna: bool | None = None,
    log: bool | None = None,
    ids: Any = None,
    ax: Axes | None = None,
) -> Axes:
    """Plot a matrix whose rows and columns are clustered, with their trees.

    Parameters
    ----------
    edges : DataFrame
        An edge table, whose rows of the same pair are summed. Or a matrix of numbers, such as the result
        of ``to_matrix`` or ``similarity``.
    group_by, values, normalize, dropna, ids
        Groups, values and order of the matrix of an edge table, see :func:`pdneuro.graphs.to_matrix`.
    metric : str, default "cosine"
        Distance of the rows, a name of :func:`scipy.spatial.distance.pdist`. Rows of zeros have the
        distance 1 to all others.
    method : {"average", "complete", "single", "ward", "weighted"}, default "average"
        Linkage of the distances.
    n : int, optional
        Number of clusters to color.
    log : bool, optional
        Use a logarithmic color scale. Default: for integers whose maximum is at least 20 times their
        minimum.
    ax : matplotlib.axes.Axes, optional
        Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Axes of the matrix, with the trees at the left and at the top. If rows and columns have the same
        labels, they have the same order: both are clustered by their rows and columns together.

    Raises
    ------
    TooLargeError
        The matrix has more than 3,000 rows or columns: use ``group_by``.
    ValueError
        The linkage or the number of clusters is not possible.
    MissingDependencyError
        matplotlib or SciPy is not installed (extra ``plot``).

    See Also
    --------
    pdneuro.graphs.cluster : the clusters as a column.

    Examples
    --------
    >>> edges = pd.DataFrame({"pre": [1, 2, 3, 1], "post": [4, 4, 5, 5], "weight": [3, 4, 5, 1]})
    >>> ax = edges.neuro.plot.clustermap()
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['3', '1', '2', '4', '5']
    """
    options = {"values": values, "normalize": normalize, "dropna": dropna, "ids": ids}
    table = matrices.matrix_of(edges, group_by, **options)
    cells = np.nan_to_num(table.to_numpy(dtype=float, na_value=0.0))
    if table.index.equals(table.columns):
        trees = [_tree(np.hstack([cells, cells.T]), table.index, metric, method)] * 2
    else:
        sides = zip((cells, cells.T), table.axes, strict=True)
        trees = [_tree(rows, names, metric, method) for rows, names in sides]
    return _with_trees(table, trees, n, log, ax)


def similarity(
    edges: pd.DataFrame,
    metric: str = "cosine",
    of: str = "both",
    *,
    method: str = "average",
    n: int | None = None,
    group_by: Hashable | Sequence[Hashable] | Labels | Mapping[str, Any] | None = None,
    ids: Any = None,
    labels: Labels | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Plot the similarity of each pair of neurons as a heat map, clustered, with the tree.

    Parameters
    ----------
    edges : DataFrame
        An edge table.
    metric, of, group_by, ids
        Similarity and neurons, see :func:`pdneuro.graphs.similarity`.
    method : {"average", "complete", "single", "ward", "weighted"}, default "average"
        Linkage of the distances, which are ``1 - similarity``.
    n : int, optional
        Number of clusters to color.
    labels : Series or mapping, optional
        Name of each neuron, by ID. Default: the ID.
    ax : matplotlib.axes.Axes, optional
        Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Axes of the heat map, from 0 to 1, with the tree at the left and at the top. A blank cell is a
        pair without a common partner.

    Raises
    ------
    TooLargeError
        There are more than 3,000 neurons; select some (``ids=``).
    ValueError
        A value is not possible.
    MissingDependencyError
        matplotlib or SciPy is not installed (extra ``plot``).

    See Also
    --------
    pdneuro.graphs.similarity : the numbers.
    pdneuro.graphs.cluster : the clusters as a column.

    Examples
    --------
    >>> edges = pd.DataFrame({"pre": [1, 2, 3, 1], "post": [4, 4, 5, 5], "weight": [3, 4, 5, 1]})
    >>> ax = edges.neuro.plot.similarity(of="output")
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['3', '1', '2']
    """
    table = graphs.similarity(edges, metric, of, group_by=group_by, ids=ids)
    found = tree_of_distances(1.0 - table.to_numpy(), table.index, method)
    if labels is not None:
        names = _named(table.index, labels)
        table = table.set_axis(names, axis=0).set_axis(names, axis=1)
    ax = _with_trees(table, [found, found], n, False, ax)
    if table.size:
        words = {"both": "inputs and outputs", "input": "inputs", "output": "outputs"}[of]
        bar = ax.images[0].colorbar
        bar.set_label(f"{metric.replace('_', ' ')} similarity of {words} (blank: 0)")  # type: ignore[union-attr]
    return ax


def _with_trees(
    table: pd.DataFrame, trees: Sequence[Tree], n: int | None, log: bool | None, ax: Axes | None
) -> Axes:
    """Draw a matrix in the order of the trees of its rows and columns, with the trees."""
    ordered = table.iloc[trees[0].order, trees[1].order]
    ordered.attrs = table.attrs
    ax = matrices.matrix(ordered, order="given", log=log, ax=style.axes(ax, 7.4, 6.2))
    if not table.size:
        return ax
    if trees[0] is not trees[1]:
        ax.set_aspect("auto")  # a few columns would be a thin line
    ax.yaxis.tick_right()
    ax.yaxis.set_label_position("right")
    left = ax.inset_axes((-_WIDTH - 0.01, 0, _WIDTH, 1))
    top = ax.inset_axes((0, 1.01, 1, _WIDTH))
    for side_ax, of_side in ((left, trees[0]), (top, trees[1])):
        _draw(side_ax, of_side, n if len(of_side.neurons) >= (n or 0) else None, across=side_ax is left)
        side_ax.set_axis_off()
    left.set_ylim(len(ordered) - 0.5, -0.5)
    left.invert_xaxis()
    top.set_xlim(-0.5, ordered.shape[1] - 0.5)
    return ax


def dendrogram(
    table: pd.DataFrame,
    *,
    metric: str = "cosine",
    of: str = "both",
    method: str = "average",
    n: int | None = None,
    height: float | None = None,
    group_by: Hashable | Sequence[Hashable] | Labels | Mapping[str, Any] | None = None,
    ids: Any = None,
    labels: Labels | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Plot the tree of clusters of an edge table, or the branching of one reconstruction.

    Parameters
    ----------
    table : DataFrame
        An edge table; or the node table of one neuron, with ``ax`` as the only option.
    metric, of, method, group_by, ids
        Similarity, linkage and neurons, see :func:`pdneuro.graphs.cluster`.
    n : int, optional
        Number of clusters to color.
    height : float, optional
        Height of the cut into clusters to color; give ``n`` or ``height``.
    labels : Series or mapping, optional
        Name of each neuron, by ID. Default: the ID.
    ax : matplotlib.axes.Axes, optional
        Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Of an edge table: neurons from left to right, and distances (``1 - similarity``) upwards; colors
        show the clusters of :func:`pdneuro.graphs.cluster`. Of a node table: path distance from the root
        in µm, one row per tip; colors are those of :func:`skeleton`.

    Warns
    -----
    DroppedRowsWarning
        Nodes without a path from the root, because coordinates are missing, are not drawn.

    Raises
    ------
    TooLargeError
        There are more than 20,000 neurons; select some (``ids=``).
    InvalidSwcError
        The node table has several neurons, a cycle, or no nodes.
    ValueError
        A value is not possible, or is for the other kind of table.
    MissingDependencyError
        matplotlib or SciPy is not installed (extra ``plot``).

    Examples
    --------
    >>> ax = pdneuro.neuromorpho.swc(1).neuro.plot.dendrogram()
    >>> ax.get_xlabel()
    'path distance from the root (µm)'
    >>> edges = pd.DataFrame({"pre": [1, 2, 3, 1], "post": [4, 4, 5, 5], "weight": [3, 4, 5, 1]})
    >>> ax = edges.neuro.plot.dendrogram(of="output", n=2)
    >>> [label.get_text() for label in ax.get_xticklabels()]
    ['3', '1', '2']
    """
    choices = {"n": n, "height": height, "group_by": group_by, "ids": ids, "labels": labels}
    given = [name for name, choice in choices.items() if choice is not None]
    if is_node_table(table):
        given += [name for name, default in (("metric", "cosine"), ("of", "both"), ("method", "average"))
                  if {"metric": metric, "of": of, "method": method}[name] != default]  # fmt: skip
        if given:
            raise ValueError(f"{given[0]}= is for an edge table, but this is a node table.")
        return skeletons.branching(table, ax=ax)
    if n is not None and height is not None:
        raise ValueError("give the number of clusters (n=...) or the height of the cut (height=...).")
    found = tree(table, metric, of, method, group_by=group_by, ids=ids)
    ax = style.axes(ax, 7.4, 4.2)
    _draw(ax, found, n, height)
    neurons = found.neurons[found.order]
    names = (neurons if labels is None else _named(neurons, labels)).tolist()
    some = style.ticks(ax.xaxis, names)
    ax.tick_params("x", rotation=90, length=0)
    ax.set_xlim(-0.5, max(len(names), 1) - 0.5)
    ax.set_xlabel(f"neurons ({len(names):,}{some})")
    ax.set_ylabel("distance (1 - similarity)")
    if height is not None:
        ax.axhline(height, color=_ABOVE, linestyle="--", linewidth=0.8)
    for side in ("right", "top", "bottom"):
        ax.spines[side].set_visible(False)
    return ax


def _named(neurons: pd.Index[Any], labels: Labels) -> pd.Index[Any]:
    """Return the label of each neuron, "?" for those without one."""
    ids = np.asarray(neurons.get_level_values(-1), np.int64)
    named: pd.Index[Any] = pd.Index(
        style.groups_or_unknown(labels_of(ids, labels)), name=neurons.names[-1]
    )
    return named


def _tree(rows: npt.NDArray[np.float64], names: pd.Index[Any], metric: str, method: str) -> Tree:
    distance = optional("scipy.spatial.distance", "plot")
    if len(rows) < 2:
        return tree_of_distances(np.zeros((len(rows), len(rows))), names, method)
    # A row of zeros has no direction.
    with np.errstate(invalid="ignore", divide="ignore"):
        pairs = np.nan_to_num(distance.pdist(rows, metric), nan=1.0)
    return tree_of_distances(distance.squareform(pairs), names, method)


def _draw(
    ax: Axes, found: Tree, n: int | None, height: float | None = None, *, across: bool = False
) -> None:
    """Draw the branches of a tree, with colors below the cut."""
    collections = optional("matplotlib.collections", "plot")
    lines, leaves = _lines(found)
    colors = np.full(len(lines), _ABOVE, object)
    palette = style.colors()
    if n is not None or height is not None:
        clusters = found.cut(n, height)
        # Neighbors differ in color, even if there are more clusters than colors.
        for row, (first, count) in enumerate(leaves):
            inside = clusters[found.order[first : first + count]]
            if (inside == inside[0]).all():
                colors[row] = palette[(inside[0] - 1) % len(palette)]
    if across:
        lines = lines[:, :, ::-1]
    ax.add_collection(collections.LineCollection(list(lines), colors=colors.tolist(), linewidths=1.0))
    ax.autoscale_view()
    if across:
        ax.set_xlim(left=0)
    else:
        ax.set_ylim(bottom=0)


def _lines(found: Tree) -> tuple[npt.NDArray[np.float64], list[tuple[int, int]]]:
    """Return the four corners of each merge, and its leaves: the first, and their number."""
    size = len(found.neurons)
    place = np.empty(size)
    place[found.order] = np.arange(size)
    across, up = [*place.tolist()], [0.0] * size
    first, count = [*place.astype(int).tolist()], [1] * size
    corners = np.empty((len(found.merges), 4, 2))
    for row, (one, other, height, members) in enumerate(found.merges.tolist()):
        left, right = sorted((int(one), int(other)), key=across.__getitem__)
        corners[row] = [
            (across[left], up[left]),
            (across[left], height),
            (across[right], height),
            (across[right], up[right]),
        ]
        across.append((across[left] + across[right]) / 2)
        up.append(height)
        first.append(min(first[left], first[right]))
        count.append(int(members))
    return corners, list(zip(first[size:], count[size:], strict=True))
