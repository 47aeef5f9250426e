"""Plot Allen structures in the colors of the atlas."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pdneuro._compat import optional
from pdneuro.errors import TooLargeError
from pdneuro.plots import style
from pdneuro.queries import structures
from pdneuro.tables import roles
from pdneuro.tables.columns import check_choice

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Maximum number of structures of a plot.
MAX_STRUCTURES = 250
_EDGE = "#333333"  # some colors of the atlas are light: an outline separates them from the background


def bars(
    table: pd.DataFrame | pd.Series[Any],
    value: Hashable | None = None,
    *,
    on: Hashable | None = None,
    order: str = "graph",
    graph_id: int = 1,
    ax: Axes | None = None,
) -> Axes:
    """Plot a bar per structure, in the colors of the atlas.

    Parameters
    ----------
    table : DataFrame or Series
        A table with a column of structures, or with structures as index, such as the result of
        ``groupby("structure_id")``. Rows of one structure are summed.
    value : hashable, optional
        The column of numbers. Default: the values of a Series, or the number of rows of a DataFrame.
    on : hashable, optional
        Column of structures. Default: recognized by a name such as ``structure_id`` or ``acronym``.
    order : {"graph", "value"}, default "graph"
        The order of the atlas, or by value, the largest first.
    graph_id : int, default 1
        The graph of structures: 1 is the adult mouse, 10 the human.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TooLargeError
        There are more than 250 structures; roll them up first.

    Warns
    -----
    UnknownIdsWarning
        Structures that are not in the graph are not drawn.

    Examples
    --------
    >>> cells = pd.DataFrame({"structure_id": [385, 549, 385]})
    >>> ax = cells.neuro.plot.bars()
    >>> [label.get_text() for label in ax.get_xticklabels()]
    ['VISp', 'TH']
    """
    check_choice("order", order, ("graph", "value"))
    sums, name = _summed(table, value, on, graph_id)
    if order == "value":
        sums = sums.sort_values("value", ascending=False, kind="stable")
    _require_readable(len(sums))
    ax = style.axes(ax, max(4.0, min(0.32 * len(sums) + 1.5, 14)), 4.2)
    ax.bar(range(len(sums)), sums["value"], color=sums["color"], edgecolor=_EDGE, linewidth=0.8)
    style.ticks(ax.xaxis, sums["acronym"].tolist(), most=90)
    if len(sums) > 6:
        ax.tick_params("x", rotation=90)
    ax.set_xlabel("structure")
    ax.set_ylabel(name)
    return ax


def tree(
    table: pd.DataFrame | pd.Series[Any],
    value: Hashable | None = None,
    *,
    on: Hashable | None = None,
    graph_id: int = 1,
    ax: Axes | None = None,
) -> Axes:
    """Plot structures and their ancestors as a tree from left to right.

    Parameters
    ----------
    table, value, on, graph_id
        The data, see :func:`bars`.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
        Disks in the colors of the atlas. Structures in the table have larger disks, whose area shows
        the value; the value is written next to them.

    Raises
    ------
    TooLargeError
        There are more than 250 structures; roll them up first.

    Examples
    --------
    >>> cells = pd.DataFrame({"structure_id": [385, 549, 385]})
    >>> ax = cells.neuro.plot.tree()
    >>> ax.get_xlabel()
    'depth in the tree'
    """
    collections = optional("matplotlib.collections", "plot")
    sums, name = _summed(table, value, on, graph_id)
    above = structures.ancestors(pd.Series(sums["id"].to_numpy()), include_self=True, graph_id=graph_id)
    ids = pd.Series(above["ancestor_id"].unique())
    _require_readable(len(ids))
    fields = ("acronym", "parent_structure_id", "graph_order", "depth", "color")
    nodes = structures.structures(ids, *fields, graph_id=graph_id).assign(id=ids)
    nodes = nodes.sort_values("graph_order", kind="stable").reset_index(drop=True)
    rows = pd.Series(nodes.index, index=nodes["id"].to_numpy())
    x, y = nodes["depth"].to_numpy(float), -np.arange(len(nodes), dtype=float)
    parents = nodes["parent_structure_id"].map(rows)
    inner = np.flatnonzero(parents.notna())
    up = parents.iloc[inner].to_numpy(int)
    corners = [
        np.array([(x[p], y[p]), (x[p], y[n]), (x[n], y[n])]) for n, p in zip(inner, up, strict=True)
    ]
    ax = style.axes(ax, 6.4, 1.2 + 0.23 * len(nodes))
    ax.add_collection(collections.LineCollection(corners, colors="#999999", linewidths=0.8, zorder=1))
    values = nodes["id"].map(sums.set_index("id")["value"]).to_numpy(float)
    has_value = np.isfinite(values)
    scale = np.abs(np.where(has_value, values, 0)) / max(
        float(np.abs(values[has_value]).max(initial=0)), 1e-12
    )
    sizes = np.where(has_value, 40 + 160 * scale, 14)
    look: dict[str, Any] = {
        "c": nodes["color"].tolist(),
        "edgecolors": _EDGE,
        "linewidths": 0.7,
        "zorder": 2,
    }
    ax.scatter(x, y, sizes, **look)
    for row, acronym in enumerate(nodes["acronym"]):
        text = f"{acronym}  {_written(values[row])}" if has_value[row] else str(acronym)
        weight = "bold" if has_value[row] else "normal"
        ax.annotate(
            text,
            (x[row], y[row]),
            (9, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            weight=weight,
        )
    ax.set_xlim(-0.3, float(x.max(initial=0)) + 1.5)
    ax.set_ylim(-len(nodes) + 0.3, 0.7)
    ax.set_xticks(range(int(x.max(initial=0)) + 1))
    ax.set_yticks([])
    ax.set_xlabel("depth in the tree")
    ax.set_title(f"{len(sums):,} structures, by {name}", fontsize=10)
    for side in ("left", "right", "top"):
        ax.spines[side].set_visible(False)
    return ax


def _summed(
    table: pd.DataFrame | pd.Series[Any], value: Hashable | None, on: Hashable | None, graph_id: int
) -> tuple[pd.DataFrame, str]:
    """Return a table ``id, acronym, color, value`` in the order of the atlas, and the values' name."""
    if isinstance(table, pd.Series) and roles.structure_columns([table.name]):
        table, value = table.to_frame(), None  # count the rows of a column of structures
    if isinstance(table, pd.Series):
        if isinstance(table.index, pd.RangeIndex):
            raise TypeError(
                "a Series must have structures as index, such as groupby(...).sum() returns; its index "
                "is 0, 1, 2, .... Pass the DataFrame, or name the Series 'structure_id' to count rows."
            )
        structure_ids: pd.Series[Any] = pd.Series(table.index, index=table.index, name=table.index.name)
        numbers, name = table, str(table.name or "value")
    else:
        structure_ids = roles.structure_column(table, on)
        if value is None:
            numbers, name = pd.Series(1, index=table.index), "rows"
        else:
            numbers, name = roles.named_column(table, value), str(value)
    if not pd.api.types.is_numeric_dtype(numbers.dtype):
        raise TypeError(
            f"column {name!r} must contain numbers, not {numbers.dtype}: {numbers.iloc[0]!r}."
        )
    rows = structures.structures(
        structure_ids, "id", "acronym", "color", "graph_order", graph_id=graph_id
    )
    rows = rows.assign(id=rows["id"].abs(), value=numbers.to_numpy(dtype=float, na_value=np.nan))
    rows = rows.dropna(subset=["id"])
    keys = ["id", "acronym", "color", "graph_order"]
    sums = rows.groupby(keys, sort=False, dropna=False)["value"].sum(min_count=1).reset_index()
    sums["color"] = sums["color"].fillna(style.OTHER)
    return sums.sort_values("graph_order", kind="stable").reset_index(drop=True), name


def _written(number: float) -> str:
    return f"{number:,.0f}" if float(number).is_integer() else f"{number:,.4g}"


def _require_readable(count: int) -> None:
    if count > MAX_STRUCTURES:
        raise TooLargeError(
            f"a plot of {count:,} structures is not readable; the maximum is {MAX_STRUCTURES}. Roll "
            'them up first: column.neuro.rollup("Brain - Major Divisions").'
        )
