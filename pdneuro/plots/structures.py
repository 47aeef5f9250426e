"""Pictures of Allen structures, in the Atlas' own colours."""

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

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Most structures of a picture.
MAX_STRUCTURES = 250
_EDGE = "#333333"  # Allen's colours are light in places: an outline keeps them apart from the paper


def bars(
    table: pd.DataFrame | pd.Series[Any],
    value: Hashable | None = None,
    *,
    on: Hashable | None = None,
    order: str = "graph",
    graph_id: int = 1,
    ax: Axes | None = None,
) -> Axes:
    """A bar for each structure, in the Atlas' colours.

    Parameters
    ----------
    table : DataFrame or Series
        With a column of structures, or structures in the index, as ``groupby("structure_id")`` leaves
        them. Rows of one structure are summed.
    value : hashable, optional
        The column of numbers. Default: of a Series its values, of a table the number of rows.
    on : hashable, optional
        The column of structures, where the name does not say so.
    order : {"graph", "value"}
        The order of the Atlas, or falling values.
    graph_id : int, default 1
        The graph of structures: 1 is the adult mouse, 10 the human.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TooLargeError
        More than 250 structures: roll them up first.

    Warns
    -----
    UnknownIdsWarning
        Structures that are not in the graph have no bar.

    Examples
    --------
    >>> cells = pd.DataFrame({"structure_id": [385, 549, 385]})
    >>> ax = cells.neuro.plot.bars()
    >>> [label.get_text() for label in ax.get_xticklabels()]
    ['VISp', 'TH']
    """
    if order not in ("graph", "value"):
        raise ValueError(f"order must be 'graph' or 'value', not {order!r}.")
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
    """Structures with all that is above them, as a tree from left to right.

    Parameters
    ----------
    table, value, on, graph_id
        The data, see :func:`bars`.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
        Discs in the Atlas' colours; those of structures in the table are larger, the more so the larger
        their value, which is written beside them.

    Raises
    ------
    TooLargeError
        More than 250 structures: roll them up first.

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
    given = np.isfinite(values)
    scale = np.abs(np.where(given, values, 0)) / max(float(np.abs(values[given]).max(initial=0)), 1e-12)
    sizes = np.where(given, 40 + 160 * scale, 14)
    look: dict[str, Any] = {
        "c": nodes["color"].tolist(),
        "edgecolors": _EDGE,
        "linewidths": 0.7,
        "zorder": 2,
    }
    ax.scatter(x, y, sizes, **look)
    for place, acronym in enumerate(nodes["acronym"]):
        text = f"{acronym}  {_written(values[place])}" if given[place] else str(acronym)
        weight = "bold" if given[place] else "normal"
        ax.annotate(
            text,
            (x[place], y[place]),
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
    """One row a structure, in the order of the Atlas: ``id, acronym, color, value``; and a name."""
    if isinstance(table, pd.Series) and roles.structure_columns([table.name]):
        table, value = table.to_frame(), None  # a column of structures: their rows are counted
    if isinstance(table, pd.Series):
        if isinstance(table.index, pd.RangeIndex):
            raise TypeError(
                "a Series has its structures in the index, as groupby(...).sum() leaves them; the index "
                "is 0, 1, 2, ... . Give the table, or name the Series 'structure_id' to count its rows."
            )
        places: pd.Series[Any] = pd.Series(table.index, index=table.index, name=table.index.name)
        numbers, name = table, str(table.name or "value")
    else:
        places = roles.structure_column(table, on)
        if value is None:
            numbers, name = pd.Series(1, index=table.index), "rows"
        else:
            numbers, name = roles.named_column(table, value), str(value)
    if not pd.api.types.is_numeric_dtype(numbers.dtype):
        raise TypeError(f"the values of {name!r} are {numbers.dtype}, not numbers: {numbers.iloc[0]!r}.")
    found = structures.structures(places, "id", "acronym", "color", "graph_order", graph_id=graph_id)
    found = found.assign(id=found["id"].abs(), value=numbers.to_numpy(dtype=float, na_value=np.nan))
    found = found.dropna(subset=["id"])
    keys = ["id", "acronym", "color", "graph_order"]
    sums = found.groupby(keys, sort=False, dropna=False)["value"].sum(min_count=1).reset_index()
    sums["color"] = sums["color"].fillna(style.OTHER)
    return sums.sort_values("graph_order", kind="stable").reset_index(drop=True), name


def _written(number: float) -> str:
    return f"{number:,.0f}" if float(number).is_integer() else f"{number:,.4g}"


def _require_readable(count: int) -> None:
    if count > MAX_STRUCTURES:
        raise TooLargeError(
            f"a picture of {count:,} structures cannot be read; {MAX_STRUCTURES} are the most. Roll "
            'them up first: column.neuro.rollup("Brain - Major Divisions").'
        )
