"""Interactive figures by plotly: graphs and reconstructions in 3-D, with texts under the pointer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro._compat import optional
from pdneuro.plots import style
from pdneuro.tables.columns import check_choice

#: Values of ``backend=``.
BACKENDS = ("matplotlib", "plotly")
#: A gray that is legible on light and dark pages.
_TEXT = "#808080"


def check(backend: str, ax: Any) -> None:
    """Raise an error if the backend is unknown, or if matplotlib axes are given to plotly."""
    check_choice("backend", backend, BACKENDS)
    if backend == "plotly" and ax is not None:
        raise ValueError("ax= is for backend='matplotlib'; plotly returns a new figure.")


def figure(parts: Sequence[dict[str, Any]], title: str, *, axes: Sequence[str] | None = None) -> Any:
    """Return a figure of lines and markers in 3-D.

    Each part has ``points`` (n, 3), and maybe ``text`` per point, ``mode``, ``name``, ``line`` and
    ``marker``. A part without a name is not in the legend.
    """
    graph_objects = optional("plotly.graph_objects", "interactive")
    traces = []
    for part in parts:
        x, y, z = np.asarray(part["points"], float).T
        look = {key: part[key] for key in ("mode", "line", "marker", "name", "text") if key in part}
        hover = {"hoverinfo": "text" if "text" in part else "skip"}
        traces.append(graph_objects.Scatter3d(x=x, y=y, z=z, showlegend="name" in part, **look, **hover))
    if axes is None:
        scene: dict[str, Any] = {f"{axis}axis": {"visible": False} for axis in "xyz"}
    else:
        quiet = {"backgroundcolor": "rgba(0,0,0,0)", "gridcolor": "rgba(128,128,128,0.3)"}
        scene = {f"{axis}axis": {"title": {"text": f"{axis} (µm)"}, **quiet} for axis in axes}
    return graph_objects.Figure(
        traces,
        layout={
            "title": {"text": title, "font": {"size": 14}},
            "scene": {"aspectmode": "data", **scene},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "font": {"color": _TEXT},
            "margin": {"l": 0, "r": 0, "t": 40, "b": 0},
            "legend": {"itemsizing": "constant"},
        },
    )


def on_any_page(color: str) -> str:
    """Return a color, or a gray instead of black and white: a page may be light or dark."""
    return _TEXT if color in ("#000000", "#ffffff") else color


def separated(lines: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the points of line segments, with a missing point after each segment.

    >>> separated(np.zeros((2, 2, 3))).shape
    (6, 3)
    """
    gaps = np.full((len(lines), 1, 3), np.nan)
    return np.concatenate([lines, gaps], axis=1).reshape(-1, 3)


def graph_figure(
    drawn: Any,
    positions: dict[Any, Any],
    *,
    strengths: pd.Series[Any],
    color: Any,
    labels: dict[Any, str],
    title: str,
) -> Any:
    """Return a graph in 3-D: the text of a node has its ID and the columns of its table."""
    nodes = list(drawn)
    points = pd.DataFrame(np.zeros((len(nodes), 3)), index=pd.Index(nodes, dtype=object))
    for axis, values in enumerate(
        np.array([positions[node] for node in nodes]).reshape(len(nodes), -1).T
    ):
        points[axis] = values
    place = dict(zip(nodes, points.to_numpy(), strict=True))
    pairs = [
        (pre, post, data.get("weight", 1)) for pre, post, data in drawn.edges(data=True) if pre != post
    ]
    weights = np.array([weight for *_, weight in pairs], float)
    parts: list[dict[str, Any]] = []
    # A line of plotly has one width, so that edges are drawn in three groups.
    classes = np.searchsorted(np.quantile(weights, [0.5, 0.9]) if len(weights) else [], weights, "right")
    for width, rank in ((1, 0), (3, 1), (6, 2)):
        chosen = [pair for pair, found in zip(pairs, classes, strict=True) if found == rank]
        if chosen:
            lines = np.array([(place[pre], place[post]) for pre, post, _ in chosen])
            line = {"color": "rgba(128,128,128,0.5)", "width": width}
            parts.append({"points": separated(lines), "mode": "lines", "line": line})
    groups = pd.Series([drawn.nodes[node].get(color) for node in nodes], dtype=object)
    names = [] if color is None else groups.value_counts().index.tolist()[: len(style.PALETTE)]
    shades = {name: on_any_page(color) for name, color in style.palette(names).items()}
    texts = [_node_text(node, drawn.nodes[node], strengths) for node in nodes]
    shown = groups.where(groups.isin(names), None)
    for name in [*names, None]:
        rows = np.flatnonzero(shown.isna() if name is None else shown == name)
        if len(rows):
            plain = style.PALETTE[0] if color is None else style.OTHER
            part = {
                "points": points.to_numpy()[rows],
                "mode": "markers",
                "marker": {"size": 6, "color": shades.get(name, plain)},
                "text": [texts[row] for row in rows],
            }
            parts.append(
                part if color is None else {**part, "name": "other" if name is None else str(name)}
            )
    if labels:
        above = {
            "mode": "text",
            "points": [place[node] for node in labels],
            "text": list(labels.values()),
        }
        parts.append(above)
    return figure(parts, title)


def _node_text(node: Any, columns: dict[str, Any], strengths: pd.Series[Any]) -> str:
    known = [f"{name}: {value}" for name, value in columns.items() if pd.notna(value)]
    return "<br>".join([f"<b>{node}</b>", f"{strengths[node]:,} synapses", *known[:8]])
