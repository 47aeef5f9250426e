"""Plot reconstructions: projections and the branching."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro._compat import optional
from pdneuro.errors import DroppedRowsWarning, InvalidSwcError, warn
from pdneuro.plots import interactive, style
from pdneuro.tables.columns import check_choice
from pdneuro.tables.skeletons import NEURON, SOMA, arrays, parents, paths_to_root, segment_lengths

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TYPES = {1: "soma", 2: "axon", 3: "basal dendrite", 4: "apical dendrite"}
#: Dark colors for dendrites, a light color for the axon.
_COLORS = {2: "#E69F00", 3: "#0072B2", 4: "#D55E00"}


def skeleton(
    nodes: pd.DataFrame,
    plane: str = "xy",
    *,
    color_by: str | None = None,
    bar: float | bool | None = None,
    backend: str = "matplotlib",
    ax: Axes | None = None,
) -> Any:
    """Plot a projection of reconstructions, with a scale bar or with axes; or turn them in 3-D.

    Parameters
    ----------
    nodes : DataFrame
        Node table (µm).
    plane : str, default "xy"
        Two of ``x``, ``y``, ``z``: the horizontal and the vertical axis.
    color_by : {"type", "neuron"}, optional
        What colors mean. By type: soma black (white in a dark style), axon orange, basal dendrite blue,
        apical dendrite vermilion, others gray. By neuron: of more than eight neurons, by a color map in
        their order. Default: by type, or by neuron if there are several.
    bar : float or bool, optional
        Length of the scale bar in µm. Default: about a quarter of the width, rounded. False: axes in µm
        instead of a bar.
    backend : {"matplotlib", "plotly"}, default "matplotlib"
        With plotly (extra ``interactive``): the neurons in 3-D to turn, with ID and type of a node under
        the pointer.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes or plotly.graph_objects.Figure
        Axes of equal aspect, in µm. Somas are on top. Segments without coordinates are not drawn.

    Raises
    ------
    MissingColumnsError
        The table is not a node table.
    MissingDependencyError
        The backend is not installed (extra ``plot`` or ``interactive``).

    Examples
    --------
    >>> ax = pdneuro.neuromorpho.swc(1).neuro.plot.skeleton("xz", bar=False)
    >>> ax.get_ylabel()
    'z (µm)'
    """
    interactive.check(backend, ax)
    if len(plane) != 2 or len(set(plane)) != 2 or not set(plane) <= set("xyz"):
        raise ValueError(f"plane must be two of x, y, z, such as 'xz', not {plane!r}.")
    check_choice("color_by", color_by, ("type", NEURON, None))
    columns, names = arrays(nodes)
    if color_by is None:
        color_by = "type" if columns.codes is None else NEURON
    look = _Look.of(columns, names, color_by)
    if backend == "plotly":
        return _in_3d(columns, names, look)
    collections = optional("matplotlib.collections", "plot")
    patches = optional("matplotlib.patches", "plot")
    points = np.column_stack([getattr(columns, axis) for axis in plane])
    rows = parents(columns)
    inner, lines = _segments(points, rows)
    colors = look.of_groups[look.groups]
    ax = style.axes(ax, 6, 6)
    ax.add_collection(
        collections.LineCollection(
            list(lines), colors=colors[inner].tolist(), linewidths=1.0, capstyle="round"
        )
    )
    somas = _somas(columns, rows, points)
    for row in somas:
        # A thin rim separates the soma from the neurites of other neurons.
        soma = {"radius": columns.radius[row], "zorder": 3, "ec": style.paper(), "lw": 0.5}
        ax.add_patch(patches.Circle(tuple(points[row]), fc=colors[row], **soma))
    ax.set_aspect("equal")
    ax.autoscale_view()
    ax.margins(0.06)
    ax.set_xlabel(f"{plane[0]} (µm)")
    ax.set_ylabel(f"{plane[1]} (µm)")
    if bar is False or not len(inner):
        for side in ("right", "top"):
            ax.spines[side].set_visible(False)
    else:
        style.scale_bar(ax, None if bar in (None, True) else bar)
        ax.set_axis_off()
    drawn = pd.unique(look.groups[np.concatenate([somas, inner])])
    keys = {look.names[group]: look.of_groups[group] for group in drawn.tolist()}
    if len(keys) <= len(style.PALETTE):
        handles = [patches.Patch(color=color, label=label) for label, color in keys.items()]
        ax.legend(handles=handles, frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    else:
        ax.set_title(f"{len(names):,} neurons, colored in their order", fontsize=10)
    return ax


class _Look(NamedTuple):
    """The group of each node; name and color of each group."""

    groups: npt.NDArray[np.intp]
    names: list[str]
    of_groups: npt.NDArray[np.object_]

    @classmethod
    def of(cls, columns: Any, names: pd.Index[Any], color_by: str) -> _Look:
        """Return groups by type or by neuron."""
        if color_by == "type":
            kinds = [*_TYPES, 0]
            groups = pd.Index(kinds).get_indexer(pd.Index(columns.type))
            groups = np.where(groups < 0, len(_TYPES), groups)
            colors = [type_color(kind) for kind in kinds]
            return cls(groups, [*_TYPES.values(), "other"], np.array(colors, object))
        groups = np.zeros(len(columns.node), np.intp) if columns.codes is None else columns.codes
        if len(names) <= len(style.PALETTE):
            colors = list(style.colors()[: len(names)])
        else:
            colors = style.series(len(names))
        return cls(groups, style.short_labels(names.tolist()), np.array(colors, object))


def type_color(kind: int) -> str:
    """Return the color of a type of node."""
    return style.ink() if kind == SOMA else _COLORS.get(kind, style.OTHER)


def _segments(points: Any, rows: Any) -> tuple[Any, Any]:
    """Return the nodes with a parent, and lines from the parent to each; both have coordinates."""
    inner = np.flatnonzero(rows >= 0)
    inner = inner[np.isfinite(points[inner]).all(1) & np.isfinite(points[rows[inner]]).all(1)]
    return inner, np.stack([points[rows[inner]], points[inner]], axis=1)


def _somas(columns: Any, rows: Any, points: Any) -> npt.NDArray[np.intp]:
    """Return the roots of type 1 with a radius."""
    has_radius = np.isfinite(columns.radius) & (columns.radius > 0)
    is_root = (rows < 0) & (columns.type == SOMA)
    return np.flatnonzero(is_root & has_radius & np.isfinite(points).all(1))


def _in_3d(columns: Any, names: pd.Index[Any], look: _Look) -> Any:
    """Return a figure of plotly: lines per group, and a sphere for each soma."""
    points = np.column_stack([columns.x, columns.y, columns.z])
    rows = parents(columns)
    inner, lines = _segments(points, rows)
    somas = _somas(columns, rows, points)
    neurons = np.zeros(len(points), np.intp) if columns.codes is None else columns.codes
    texts = np.array(
        [
            f"<b>{names[neuron] if len(names) else 'neuron'}</b><br>{_TYPES.get(kind, f'type {kind}')}"
            for neuron, kind in zip(neurons.tolist(), columns.type.tolist(), strict=True)
        ],
        object,
    )
    parts: list[dict[str, Any]] = []
    for group in pd.unique(look.groups[inner]).tolist():
        chosen = look.groups[inner] == group
        line = {"color": interactive.on_any_page(look.of_groups[group]), "width": 3}
        part = {"points": interactive.separated(lines[chosen]), "mode": "lines", "line": line}
        text = np.repeat(texts[inner[chosen]], 3).tolist()
        parts.append({**part, "text": text, "name": look.names[group]})
    if len(somas):
        colors = [interactive.on_any_page(look.of_groups[look.groups[row]]) for row in somas]
        marker = {"size": 9, "color": colors, "opacity": 1.0}
        text = texts[somas].tolist()
        parts.append({"points": points[somas], "mode": "markers", "marker": marker, "text": text})
    title = f"{max(len(names), 1):,} neurons" if len(names) > 1 else ""
    return interactive.figure(parts, title, axes="xyz")


def branching(nodes: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Plot the branching of one neuron: path distance from the root, one row per tip.

    Raises
    ------
    InvalidSwcError
        The table has several neurons, a cycle, or no nodes.
    """
    collections = optional("matplotlib.collections", "plot")
    columns, names = arrays(nodes)
    if columns.codes is not None:
        raise InvalidSwcError(
            f"a dendrogram shows one neuron, and the table has {len(names):,}. Select one: "
            f"nodes[nodes.neuron == {names.tolist()[0]!r}]."
        )
    rows = parents(columns)
    if not len(rows):
        raise InvalidSwcError("the table has no nodes.")
    to_root = paths_to_root(rows, segment_lengths(columns, rows))
    if len(to_root.cycle):
        raise InvalidSwcError(
            f"node {columns.node[to_root.cycle[0]]} is on a cycle, so the tree has no root for it. "
            ".neuro.check() lists all nodes on cycles."
        )
    height, tips = _heights(rows)
    distance = to_root.distance
    inner = np.flatnonzero(rows >= 0)
    finite = np.isfinite(distance[inner]) & np.isfinite(distance[rows[inner]])
    if not finite.all():
        warn(
            f"{int((~finite).sum()):,} nodes, or nodes on their path to the root, have no coordinates; "
            "they are not drawn. .neuro.check() lists nodes without coordinates.",
            DroppedRowsWarning,
        )
        inner = inner[finite]
    up = rows[inner]
    corners = np.stack(
        [
            np.column_stack([distance[up], height[up]]),
            np.column_stack([distance[up], height[inner]]),
            np.column_stack([distance[inner], height[inner]]),
        ],
        axis=1,
    )
    ax = style.axes(ax, 6.4, min(1.4 + 0.12 * tips, 12))
    kinds = columns.type[inner]
    for kind in pd.unique(kinds).tolist():
        color, label = type_color(kind), _TYPES.get(kind, f"type {kind}")
        line = collections.LineCollection(
            corners[kinds == kind], colors=color, linewidths=1.2, label=label
        )
        ax.add_collection(line)
    ax.autoscale_view()
    ax.set_yticks([])
    ax.set_xlabel("path distance from the root (µm)")
    ax.set_ylabel(f"{tips:,} tips")
    if NEURON in nodes.columns:
        ax.set_title(str(names[0]), fontsize=10)
    if len(inner):
        ax.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    for side in ("left", "right", "top"):
        ax.spines[side].set_visible(False)
    return ax


def _heights(rows: npt.NDArray[np.intp]) -> tuple[npt.NDArray[np.float64], int]:
    """Return heights of nodes, midway between their lowest and highest tips, and the number of tips."""
    count = len(rows)
    children: list[list[int]] = [[] for _ in range(count)]
    roots: list[int] = []
    for node, above in enumerate(rows.tolist()):
        (children[above] if above >= 0 else roots).append(node)
    height = np.zeros(count)
    visited, stack = [], roots[::-1]
    while stack:
        node = stack.pop()
        visited.append(node)
        stack.extend(children[node][::-1])
    tips = 0
    for node in visited:
        if not children[node]:
            height[node] = tips
            tips += 1
    for node in reversed(visited):
        if children[node]:
            below = height[children[node]].tolist()
            height[node] = (min(below) + max(below)) / 2
    return height, tips
