"""Plot reconstructions: projections and the branching."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro._compat import optional
from pdneuro.errors import DroppedRowsWarning, InvalidSwcError, warn
from pdneuro.plots import style
from pdneuro.tables.skeletons import NEURON, SOMA, arrays, parents, paths_to_root, segment_lengths

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TYPES = {1: "soma", 2: "axon", 3: "basal dendrite", 4: "apical dendrite"}
#: Dark colors for dendrites, a light color for the axon.
_COLORS = {1: "#000000", 2: "#E69F00", 3: "#0072B2", 4: "#D55E00"}


def skeleton(
    nodes: pd.DataFrame,
    plane: str = "xy",
    *,
    color_by: str = "type",
    bar: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Plot a projection of reconstructions, with a scale bar.

    Parameters
    ----------
    nodes : DataFrame
        Node table (µm).
    plane : str, default "xy"
        Two of ``x``, ``y``, ``z``: the horizontal and the vertical axis.
    color_by : {"type", "neuron"}, default "type"
        What colors mean. By type: soma black, axon orange, basal dendrite blue, apical dendrite
        vermilion, others gray.
    bar : float, optional
        Length of the scale bar in µm. Default: about a quarter of the width, rounded.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
        Axes of equal aspect, in µm. Segments without coordinates are not drawn.

    Raises
    ------
    MissingColumnsError
        The table is not a node table.

    Examples
    --------
    >>> ax = pdneuro.neuromorpho.swc(1).neuro.plot.skeleton("xz")
    >>> ax.get_ylabel()
    'z (µm)'
    """
    collections = optional("matplotlib.collections", "plot")
    patches = optional("matplotlib.patches", "plot")
    if len(plane) != 2 or len(set(plane)) != 2 or not set(plane) <= set("xyz"):
        raise ValueError(f"plane must be two of x, y, z, such as 'xz', not {plane!r}.")
    if color_by not in ("type", NEURON):
        raise ValueError(f"color_by must be 'type' or 'neuron', not {color_by!r}.")
    columns, names = arrays(nodes)
    rows = parents(columns)
    across, up = (getattr(columns, axis) for axis in plane)
    points = np.column_stack([across, up])
    inner = np.flatnonzero(rows >= 0)
    inner = inner[np.isfinite(points[inner]).all(1) & np.isfinite(points[rows[inner]]).all(1)]
    lines = np.stack([points[rows[inner]], points[inner]], axis=1)
    if color_by == "type":
        groups, labels, colors = columns.type, _TYPES, _COLORS
    else:
        groups = np.zeros(len(rows), np.intp) if columns.codes is None else columns.codes
        labels = dict(enumerate(style.short_labels(names.tolist())))
        colors = dict(zip(labels, style.palette(names.tolist()).values(), strict=True))
    ax = style.axes(ax, 6, 6)
    keys: list[Any] = []
    for group in pd.unique(groups[inner]).tolist():
        color, label = colors.get(group, style.OTHER), labels.get(group, f"type {group}")
        part = lines[groups[inner] == group]
        ax.add_collection(
            collections.LineCollection(part, colors=color, linewidths=1.0, capstyle="round")
        )
        if color != style.OTHER or not any(key.get_label() == "other" for key in keys):
            keys.append(patches.Patch(color=color, label="other" if color == style.OTHER else label))
    if _draw_somata(ax, points, columns, rows, groups, colors) and color_by == "type":
        keys = [patches.Patch(color=_COLORS[SOMA], label=_TYPES[SOMA]), *keys]
    ax.set_aspect("equal")
    ax.autoscale_view()
    ax.margins(0.06)
    ax.set_xlabel(f"{plane[0]} (µm)")
    ax.set_ylabel(f"{plane[1]} (µm)")
    if len(inner):
        style.scale_bar(ax, bar)
    if 1 < len(keys) <= 12 or color_by == "type":
        ax.legend(handles=keys, frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    for side in ("right", "top"):
        ax.spines[side].set_visible(False)
    return ax


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
        color, label = _COLORS.get(kind, style.OTHER), _TYPES.get(kind, f"type {kind}")
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


def _draw_somata(
    ax: Axes, points: Any, columns: Any, rows: Any, groups: Any, colors: dict[Any, str]
) -> bool:
    """Draw a disk of the size of the soma for each root of type 1."""
    patches = optional("matplotlib.patches", "plot")
    has_radius = np.isfinite(columns.radius) & (columns.radius > 0)
    is_soma = (rows < 0) & (columns.type == SOMA) & has_radius & np.isfinite(points).all(1)
    for row in np.flatnonzero(is_soma):
        color = colors.get(groups[row], style.OTHER)
        ax.add_patch(patches.Circle(tuple(points[row]), columns.radius[row], color=color, lw=0))
    return bool(is_soma.any()) and SOMA not in groups[rows >= 0]


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
