"""Plot a small graph."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pdneuro._compat import optional
from pdneuro.errors import TooLargeError
from pdneuro.graphs import to_matrix, to_networkx
from pdneuro.plots import style
from pdneuro.tables import roles
from pdneuro.tables.columns import check_choice
from pdneuro.tables.edges import require_edges
from pdneuro.tables.joins import Labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Maximum number of nodes of a plotted graph.
MAX_NODES = 300
_OTHER = "other"


def graph(
    edges: pd.DataFrame,
    nodes: pd.DataFrame | None = None,
    *,
    group_by: Hashable | Sequence[Hashable] | Labels | None = None,
    color: Hashable | None = None,
    labels: bool | Hashable | None = None,
    layout: str = "spring",
    seed: int = 0,
    ax: Axes | None = None,
) -> Axes:
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
        Write the IDs (or groups), or a column of ``nodes``. Default: IDs of up to 25 neurons, or up to
        40 groups.
    layout : {"spring", "kamada_kawai", "circular", "shell"}, default "spring"
        Layout of networkx.
    seed : int, default 0
        Random seed of the layout.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
        A ring around a node is an edge to itself.

    Raises
    ------
    TooLargeError
        The graph has more than 300 nodes.

    Examples
    --------
    >>> edges = pd.DataFrame({"pre": [11, 11, 12], "post": [12, 13, 13], "weight": [3, 4, 5]})
    >>> edges.neuro.plot.graph().get_title()
    '3 nodes, 3 edges'
    """
    import networkx as nx

    layouts: dict[str, Callable[[Any], dict[Any, Any]]] = {
        "spring": lambda drawn: nx.spring_layout(
            drawn.to_undirected(), weight=None, seed=seed, method="energy", iterations=150
        ),
        "kamada_kawai": lambda drawn: nx.kamada_kawai_layout(drawn, weight=None),
        "circular": nx.circular_layout,
        "shell": nx.shell_layout,
    }
    check_choice("layout", layout, layouts)
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
    if group_by is None:
        ends: Any = pd.unique(pd.concat([edges["pre"], edges["post"]]))
        if len(ends) > MAX_NODES:
            _raise_too_large(len(ends), "neurons")
        drawn: nx.DiGraph[Any] = to_networkx(edges, nodes)
        drawn.remove_nodes_from(set(drawn) - set(ends.tolist()))
    else:
        sums = to_matrix(edges, group_by)
        names = sums.index.union(sums.columns, sort=False)
        if len(names) > MAX_NODES:
            _raise_too_large(len(names), "groups")
        drawn = nx.DiGraph()
        for start, row in zip(sums.index, sums.to_numpy(), strict=True):
            drawn.add_weighted_edges_from(
                (start, end, weight) for end, weight in zip(sums.columns, row, strict=True) if weight
            )
    positions = layouts[layout](drawn)
    ax = style.axes(ax, 7, 6)
    _draw_arrows(ax, drawn, positions)
    nodes_of: Any = drawn.nodes
    groups: Any = pd.Series(dict(nodes_of(data=color)) if color is not None else {}, dtype=object)
    _draw_nodes(ax, drawn, positions, groups, color)
    if labels is None:
        labels = len(drawn) <= (40 if group_by is not None else 25)
    if labels is not False:
        own = {node: node for node in drawn} if labels is True else dict(nodes_of(data=labels))
        text = {node: style.short_labels([name])[0] for node, name in own.items() if name is not None}
        _write_labels(ax, text, positions)
    ax.set_title(f"{len(drawn):,} nodes, {drawn.number_of_edges():,} edges", fontsize=10)
    ax.margins(0.08)
    ax.set_axis_off()
    return ax


def _raise_too_large(count: int, unit: str) -> None:
    raise TooLargeError(
        f"a plot of {count:,} {unit} is not readable; the maximum is {MAX_NODES}. Keep the strong "
        "edges (.neuro.threshold(...)), plot groups (group_by=...), or export the graph: "
        ".neuro.to_gephi(folder)."
    )


def _draw_arrows(ax: Axes, drawn: Any, positions: dict[Any, Any]) -> None:
    import networkx as nx

    others = [(pre, post) for pre, post in drawn.edges if pre != post]
    weights = np.array([drawn.edges[pair].get("weight", 1) for pair in others], float)
    widths = 0.4 + 2.6 * np.log1p(weights) / max(float(np.log1p(weights).max(initial=1)), 1e-9)
    nx.draw_networkx_edges(
        drawn,
        positions,
        others,
        ax=ax,
        width=widths.tolist(),
        edge_color="#777777",
        alpha=0.6,
        arrowsize=8,
        node_size=70,
        connectionstyle="arc3,rad=0.08",
    )


def _write_labels(ax: Axes, text: dict[Any, str], positions: dict[Any, Any]) -> None:
    effects = optional("matplotlib.patheffects", "plot")
    halo = [effects.withStroke(linewidth=2, foreground="white")]
    for node, name in text.items():
        ax.annotate(
            name,
            tuple(positions[node]),
            (0, 6),
            textcoords="offset points",
            ha="center",
            fontsize=7,
            path_effects=halo,
        )


def _draw_nodes(
    ax: Axes, drawn: Any, positions: dict[Any, Any], groups: pd.Series[Any], color: Hashable | None
) -> None:
    import networkx as nx

    names = groups.value_counts().index.tolist()[: len(style.PALETTE)]
    colors = style.palette(names)
    parts = {name: [node for node in drawn if groups.get(node) == name] for name in names}
    rest = [node for node in drawn if groups.get(node) not in colors]
    rings = np.array([positions[pre] for pre, post in drawn.edges if pre == post]).reshape(-1, 2)
    ax.scatter(rings[:, 0], rings[:, 1], s=170, facecolors="none", edgecolors="black", linewidths=1.1)
    for number, (name, members) in enumerate(parts.items()):
        nx.draw_networkx_nodes(
            drawn,
            positions,
            members,
            ax=ax,
            node_color=colors[name],
            node_shape=style.MARKERS[number],
            node_size=70 if style.MARKERS[number] in "os^D" else 120,
            linewidths=0.6,
            edgecolors="white",
            label=style.short_labels([name])[0],
        )
    rest_color = style.PALETTE[0] if color is None else style.OTHER
    nx.draw_networkx_nodes(
        drawn,
        positions,
        rest,
        ax=ax,
        node_color=rest_color,
        node_size=70,
        edgecolors="white",
        linewidths=0.6,
        label=None if color is None or not rest else _OTHER,
    )
    if color is not None:
        ax.legend(title=str(color), loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=8)
