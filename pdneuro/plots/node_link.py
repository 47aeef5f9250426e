"""Plot a small graph."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pdneuro._compat import optional
from pdneuro.errors import TooLargeError, listing
from pdneuro.graphs import to_matrix, to_networkx
from pdneuro.plots import interactive, style
from pdneuro.tables import roles
from pdneuro.tables.columns import check_choice
from pdneuro.tables.edges import require_edges
from pdneuro.tables.joins import Labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Maximum number of nodes of a plotted graph.
MAX_NODES = 2_000
#: Number of edges up to which a curved arrow shows the direction; more edges are plain lines.
MAX_ARROWS = 1_000
#: Number of nodes that have a label by default.
MAX_LABELS = {"neurons": 25, "groups": 40}
_OTHER = "other"
_GRAY = "#808080"


def graph(
    edges: pd.DataFrame,
    nodes: pd.DataFrame | None = None,
    *,
    group_by: Hashable | Sequence[Hashable] | Labels | None = None,
    color: Hashable | None = None,
    labels: bool | Hashable | None = None,
    layout: str | None = None,
    seeds: Any = None,
    seed: int = 0,
    backend: str = "matplotlib",
    ax: Axes | None = None,
) -> Any:
    """Plot a small graph: arrows from pre to post, whose width shows the number of synapses.

    Parameters
    ----------
    edges : DataFrame
        An edge table.
    nodes : DataFrame, optional
        Table of neurons with a column of IDs. Neurons without an edge are not drawn.
    group_by : optional
        Labels, see :func:`pdneuro.tables.collapse`: draw groups instead of neurons.
    color : hashable, optional
        Column of ``nodes``. Its eight most frequent values each get a color and a shape.
    labels : bool or hashable, optional
        Write the IDs (or groups), or a column of ``nodes``. Default: the IDs of up to 25 neurons, or the
        names of up to 40 groups: those with the most synapses, without labels on top of each other.
    layout : {"spring", "kamada_kawai", "circular", "shell", "layered"}, optional
        Layout of networkx, or columns by the number of hops from ``seeds``: downstream to the right,
        upstream to the left. Default: spring, or layered if ``seeds`` are given.
    seeds : list of IDs or groups, optional
        Where the layered layout starts.
    seed : int, default 0
        Random seed of the spring layout.
    backend : {"matplotlib", "plotly"}, default "matplotlib"
        With plotly (extra ``interactive``): a graph in 3-D to turn, with the ID and the columns of
        ``nodes`` under the pointer.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes or plotly.graph_objects.Figure
        A ring around a node is an edge to itself. The legend shows the synapses of thin and thick
        edges. More than 1,000 edges have no arrowheads, and the title says so.

    Raises
    ------
    TooLargeError
        The graph has more than 2,000 nodes.
    ValueError
        A value is not possible, or none of the seeds has an edge.
    MissingDependencyError
        The backend is not installed (extra ``plot`` or ``interactive``).

    Examples
    --------
    >>> edges = pd.DataFrame({"pre": [11, 11, 12], "post": [12, 13, 13], "weight": [3, 4, 5]})
    >>> edges.neuro.plot.graph().get_title()
    '3 nodes, 3 edges'
    """
    interactive.check(backend, ax)
    if layout is None:
        layout = "spring" if seeds is None else "layered"
    layouts = _layouts(seeds, seed, dim=3 if backend == "plotly" else 2)
    check_choice("layout", layout, layouts)
    if (layout == "layered") != (seeds is not None):
        raise ValueError("layout='layered' and seeds=, the IDs where it starts, go together.")
    if group_by is not None and (color is not None or nodes is not None):
        raise ValueError("group_by= cannot be combined with nodes= and color=, which are per neuron.")
    for argument, column in (("color", color), ("labels", None if isinstance(labels, bool) else labels)):
        if column is not None:
            if nodes is None:
                raise ValueError(
                    f"{argument}= is a column of nodes=. Pass nodes=, the table of neurons."
                )
            roles.named_column(nodes, column)
    edges = require_edges(edges)
    drawn = _of_neurons(edges, nodes) if group_by is None else _of_groups(edges, group_by)
    positions = layouts[layout](drawn)
    strengths = pd.Series(dict(drawn.degree(weight="weight")), dtype=object)
    most = MAX_LABELS["neurons" if group_by is None else "groups"]
    text = _labels(drawn, labels, strengths, most)
    some = "; labels: those with the most synapses" if labels is None and len(drawn) > most else ""
    title = f"{len(drawn):,} nodes, {drawn.number_of_edges():,} edges{some}"
    if backend == "plotly":
        return interactive.graph_figure(
            drawn, positions, strengths=strengths, color=color, labels=text, title=title
        )
    ax = style.axes(ax, 7, 6)
    keys = _draw_edges(ax, drawn, positions)
    groups: Any = pd.Series(dict(drawn.nodes(data=color)) if color is not None else {}, dtype=object)
    _draw_nodes(ax, drawn, positions, groups, color)
    ax.margins(0.08)
    _write_labels(ax, text, positions, overlap=labels is not None)
    if layout == "layered":
        _write_hops(ax, positions)
    _draw_legends(ax, keys, color)
    heads = "; arrowheads are omitted" if drawn.number_of_edges() > MAX_ARROWS else ""
    ax.set_title(f"{title}{heads}", fontsize=10 if len(title + heads) < 50 else 8)
    ax.set_axis_off()
    return ax


def _layouts(seeds: Any, seed: int, dim: int) -> dict[str, Callable[[Any], dict[Any, Any]]]:
    """Return the functions that compute the positions of a graph's nodes, by name of the layout."""
    import networkx as nx

    return {
        "spring": lambda drawn: nx.spring_layout(
            drawn.to_undirected(),
            weight=None,
            seed=seed,
            method="energy",
            dim=dim,
            iterations=max(15, min(150, 20_000 // max(len(drawn), 1))),  # some seconds at most
        ),
        "kamada_kawai": lambda drawn: nx.kamada_kawai_layout(drawn, weight=None, dim=dim),
        "circular": nx.circular_layout,
        "shell": nx.shell_layout,
        "layered": lambda drawn: _layered(drawn, seeds),
    }


def _of_neurons(edges: pd.DataFrame, nodes: pd.DataFrame | None) -> Any:
    """Return the graph of the neurons that have an edge."""
    ends: Any = pd.unique(pd.concat([edges["pre"], edges["post"]]))
    _check_size(len(ends), "neurons")
    drawn: Any = to_networkx(edges, nodes)
    drawn.remove_nodes_from(set(drawn) - set(ends.tolist()))
    return drawn


def _of_groups(edges: pd.DataFrame, group_by: Any) -> Any:
    """Return the graph of the groups of an edge table."""
    import networkx as nx

    sums = to_matrix(edges, group_by)
    _check_size(len(sums.index.union(sums.columns, sort=False)), "groups")
    drawn: Any = nx.DiGraph()
    for start, row in zip(sums.index, sums.to_numpy(), strict=True):
        drawn.add_weighted_edges_from(
            (start, end, weight) for end, weight in zip(sums.columns, row, strict=True) if weight
        )
    return drawn


def _labels(drawn: Any, labels: Any, strengths: pd.Series[Any], most: int) -> dict[Any, str]:
    """Return the labels to write, by node; by default those of the nodes with the most synapses."""
    text: dict[Any, Any] = {}
    if labels is None:
        strongest = strengths.sort_values(ascending=False, kind="stable").index[:most]
        text = {node: node for node in strongest}
    elif labels is not False:
        text = {node: node for node in drawn} if labels is True else dict(drawn.nodes(data=labels))
    return {node: style.short_labels([name])[0] for node, name in text.items() if name is not None}


def _check_size(count: int, unit: str) -> None:
    if count > MAX_NODES:
        raise TooLargeError(
            f"a plot of {count:,} {unit} is not readable; the maximum is {MAX_NODES:,}. Keep the strong "
            "edges (.neuro.threshold(...)), plot groups (group_by=...), or export the graph: "
            ".neuro.to_gephi(folder)."
        )


def _layered(drawn: Any, seeds: Any) -> dict[Any, Any]:
    """Return positions in columns by hops from the seeds; nodes without a path are the last column."""
    import networkx as nx

    starts = np.atleast_1d(np.asarray(seeds)).ravel().tolist()
    known = {start for start in starts if start in drawn}
    if not known:
        raise ValueError(f"none of the seeds has an edge: {listing(starts)}.")
    downstream, upstream = (
        dict(nx.multi_source_dijkstra_path_length(graph, known, weight=None))
        for graph in (drawn, drawn.reverse(copy=False))
    )
    hops = {node: -hop for node, hop in upstream.items()} | downstream
    last = max(hops.values()) + 2
    layers: dict[int, list[Any]] = {}
    for node in drawn:
        layers.setdefault(hops.get(node, last), []).append(node)
    positions: dict[Any, Any] = {}
    around = drawn.to_undirected(as_view=True)
    for layer in sorted(layers, key=abs):
        # The mean height of neighbors in the layers before avoids most crossings.
        near = {
            node: [positions[other][1] for other in around[node] if other in positions]
            for node in layers[layer]
        }
        order = sorted(layers[layer], key=lambda node: -float(np.mean(near[node] or [0.0])))
        heights = np.linspace(1, -1, len(order) + 2)[1:-1]
        positions |= {node: np.array([layer, y]) for node, y in zip(order, heights, strict=True)}
    return positions


def _write_hops(ax: Axes, positions: dict[Any, Any]) -> None:
    """Write the number of hops below each column of the layered layout."""
    columns = sorted({int(x) for x, _ in positions.values()})
    for column in columns:
        # Only the column without a path has no column before it.
        lost = column > 0 and column - 1 not in columns
        name = "no path" if lost else "seeds" if column == 0 else f"{column:+d}"
        below = ax.get_xaxis_transform()
        ax.text(column, -0.01, name, ha="center", va="top", fontsize=8, transform=below)


def _draw_edges(ax: Axes, drawn: Any, positions: dict[Any, Any]) -> list[Any]:
    """Draw edges and rings, and return their entries of the legend."""
    import networkx as nx

    lines = optional("matplotlib.lines", "plot")
    others = [(pre, post) for pre, post in drawn.edges if pre != post]
    # Strong edges are drawn last, on top of weak ones.
    others.sort(key=lambda pair: drawn.edges[pair].get("weight", 1))
    weights = np.array([drawn.edges[pair].get("weight", 1) for pair in others], float)

    def width(weight: Any) -> Any:
        return 0.4 + 2.6 * np.log1p(weight) / max(float(np.log1p(weights).max(initial=1)), 1e-9)

    look: dict[str, Any] = {"alpha": float(np.clip(400 / max(len(others), 1), 0.1, 0.6))}
    if len(others) <= MAX_ARROWS:
        nx.draw_networkx_edges(
            drawn,
            positions,
            others,
            ax=ax,
            width=width(weights).tolist(),
            edge_color=_GRAY,
            arrowsize=8,
            node_size=70,
            connectionstyle="arc3,rad=0.08",
            **look,
        )
    else:
        collections = optional("matplotlib.collections", "plot")
        ends = [(positions[pre], positions[post]) for pre, post in others]
        ax.add_collection(
            collections.LineCollection(ends, colors=_GRAY, linewidths=width(weights), zorder=0, **look)
        )
    keys = []
    if len(others):
        shown = np.unique(np.round(np.geomspace(max(weights[0], 1), max(weights[-1], 1), 3)))
        keys = [
            lines.Line2D([], [], color=_GRAY, linewidth=width(value), label=_synapses(value))
            for value in shown
        ]
    rings = np.array([positions[pre] for pre, post in drawn.edges if pre == post]).reshape(-1, 2)
    if len(rings):
        ring: dict[str, Any] = {"marker": "o", "linestyle": "", "mfc": "none", "mec": style.ink()}
        keys += ax.plot(*rings.T, **ring, ms=13, mew=1.1, zorder=1.5)
        keys[-1] = lines.Line2D([], [], **ring, ms=9, label="edge to itself")
    return keys


def _synapses(number: float) -> str:
    return f"{number:,.0f} synapse{'' if number == 1 else 's'}"


def _draw_legends(ax: Axes, keys: list[Any], color: Hashable | None) -> None:
    """Draw the legend of colors at the top, and that of edges at the bottom."""
    look: dict[str, Any] = {"frameon": False, "fontsize": 8}
    if keys:
        edges = ax.legend(handles=keys, loc="lower left", bbox_to_anchor=(1, 0), **look)
        if color is not None:
            ax.add_artist(edges)
            edges.set_clip_on(False)  # the layout makes space for an artist that is not clipped
    if color is not None:
        ax.legend(title=str(color), loc="upper left", bbox_to_anchor=(1, 1), **look)


def _write_labels(ax: Axes, text: dict[Any, str], positions: dict[Any, Any], *, overlap: bool) -> None:
    """Write labels in their order; without overlap, a label is left out where there is one already."""
    point = ax.figure.dpi / 72
    taken: list[tuple[float, float, float]] = []
    for node, name in text.items():
        x, y = ax.transData.transform(positions[node])
        half = len(name) * 2.2 * point  # a letter of this size is about 4.4 points wide
        if not overlap and any(
            abs(x - other) < half + width and abs(y - height) < 9 * point
            for other, height, width in taken
        ):
            continue
        taken.append((x, y, half))
        ax.annotate(
            name,
            tuple(positions[node]),
            (0, 6),
            textcoords="offset points",
            ha="center",
            fontsize=7,
            path_effects=style.halo(),
        )


def _draw_nodes(
    ax: Axes, drawn: Any, positions: dict[Any, Any], groups: pd.Series[Any], color: Hashable | None
) -> None:
    import networkx as nx

    size = 70 if len(drawn) <= 300 else 20
    names = groups.value_counts().index.tolist()[: len(style.PALETTE)]
    colors = style.palette(names)
    parts = {name: [node for node in drawn if groups.get(node) == name] for name in names}
    rest = [node for node in drawn if groups.get(node) not in colors]
    for number, (name, members) in enumerate(parts.items()):
        nx.draw_networkx_nodes(
            drawn,
            positions,
            members,
            ax=ax,
            node_color=colors[name],
            node_shape=style.MARKERS[number],
            node_size=size if style.MARKERS[number] in "os^D" else 1.7 * size,
            linewidths=0.6,
            edgecolors=style.paper(),
            label=style.short_labels([name])[0],
        )
    rest_color = style.PALETTE[0] if color is None else style.OTHER
    nx.draw_networkx_nodes(
        drawn,
        positions,
        rest,
        ax=ax,
        node_color=rest_color,
        node_size=size,
        edgecolors=style.paper(),
        linewidths=0.6,
        label=None if color is None or not rest else _OTHER,
    )
