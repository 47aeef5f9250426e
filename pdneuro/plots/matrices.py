"""Plot an adjacency matrix of neurons or groups, sorted or clustered, with bars of groups."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro._compat import optional
from pdneuro.errors import TooLargeError
from pdneuro.graphs import to_matrix
from pdneuro.plots import style
from pdneuro.tables import roles
from pdneuro.tables.collapse import label_columns
from pdneuro.tables.columns import check_choice
from pdneuro.tables.edges import require_edges
from pdneuro.tables.joins import Labels, are_labels, labels_of
from pdneuro.tables.provenance import facts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Maximum number of rows of a plotted matrix, about the pixels of a screen.
MAX_SIDE = 3_000
#: Number of rows up to which a matrix is sorted by default; a larger one is clustered.
MAX_SORTED = 60
#: Labels of the axes of a matrix of edges.
_AXES = {"pre": "presynaptic", "post": "postsynaptic"}


def matrix(
    edges: pd.DataFrame,
    group_by: Hashable | Sequence[Hashable] | Labels | Mapping[str, Any] | None = None,
    *,
    order: str | None = None,
    bars: Hashable | Labels | None = None,
    values: str = "weight",
    normalize: str | None = None,
    dropna: bool | None = None,
    log: bool | None = None,
    ids: Any = None,
    ax: Axes | None = None,
) -> Axes:
    """Plot the adjacency matrix: rows are presynaptic, columns postsynaptic. Or plot any matrix.

    Parameters
    ----------
    edges : DataFrame
        An edge table, whose rows of the same pair are summed. Or a matrix of numbers, such as the result
        of ``to_matrix`` or ``similarity``.
    group_by, values, normalize, dropna, ids
        Groups, values and order of the matrix of an edge table, see :func:`pdneuro.graphs.to_matrix`.
    order : {"sorted", "clustered", "given"}, optional
        Order of rows and columns: by their sums, the largest first; by similarity (average linkage of
        cosine distances); or the order of ``to_matrix``. Both sides of a square matrix have the same
        order. Default: sorted up to 60 rows and columns, clustered above.
    bars : hashable or labels, optional
        The group of each row and column, drawn as colored bars next to the matrix; rows of a group are
        adjacent. A column that :func:`pdneuro.tables.annotate` adds to the edges (``"cell_type"`` for
        ``cell_type_pre`` and ``cell_type_post``), or a Series or mapping by ID.
    log : bool, optional
        Use a logarithmic color scale. Default: for integers whose maximum is at least 20 times their
        minimum.
    ax : matplotlib.axes.Axes, optional
        Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Axes with a color bar. A blank cell is no connection. The labels of the axes say if the rows
        are clustered by default, and how many of them have a name: of more than 60, or 30 long names,
        some.
        If the matrix has more cells than the figure has pixels, each pixel shows the largest value of
        a block of cells, and the label of the axis says so.

    Raises
    ------
    TooLargeError
        The matrix has more than 3,000 rows or columns: use ``group_by``.
    MissingDependencyError
        matplotlib is not installed (extra ``plot``).

    Examples
    --------
    >>> edges = pd.DataFrame({"pre": [11, 11, 12], "post": [12, 13, 13], "weight": [3, 4, 5]})
    >>> edges.neuro.plot.matrix().get_xlabel()
    'postsynaptic (3)'
    """
    check_choice("order", order, (None, "sorted", "clustered", "given"))
    if bars is not None and group_by is not None:
        raise ValueError("bars= cannot be combined with group_by=, which already groups the rows.")
    options = {"values": values, "normalize": normalize, "dropna": dropna, "ids": ids}
    table = matrix_of(edges, group_by, **options)
    if table is edges and bars is not None and not are_labels(bars):
        raise ValueError("bars= of a matrix must be a Series or mapping of labels by ID.")
    if table is not edges:
        edges = require_edges(edges)
    title = _unit(table, is_edges=table is not edges)
    if max(table.shape, default=0) > MAX_SIDE:
        raise TooLargeError(
            f"a matrix of {table.shape[0]:,} x {table.shape[1]:,} has more cells than a screen has "
            "pixels. Plot groups (group_by=...) or some neurons (ids=...)."
        )
    side = max(table.shape, default=0)
    clustered = ""
    if order is None:
        order, clustered = ("clustered", ", clustered") if side > MAX_SORTED else ("sorted", "")
    ax = style.axes(ax, 6.6, 5.8) if side <= 30 else style.axes(ax, 8.4, 7.4)
    if not table.size:
        ax.set_title("no edges", fontsize=10)
        return ax
    sides = None if bars is None else [_groups(edges, side, bars) for side in table.axes]
    orders = _orders(table, order, sides)
    table = table.iloc[orders[0], orders[1]]
    cells = table.to_numpy(dtype=float, na_value=np.nan)
    whole = pd.api.types.is_integer_dtype(table.to_numpy().dtype)
    look = _look(cells[np.isfinite(cells) & (cells != 0)], whole=whole, log=log)
    extent = (-0.5, cells.shape[1] - 0.5, cells.shape[0] - 0.5, -0.5)
    image = ax.imshow(cells, interpolation="nearest", extent=extent, **look)
    if sides is not None:
        _draw_bars(ax, *(side.iloc[rows] for side, rows in zip(sides, orders, strict=True)))
    names = [_axis_name(table.index, "rows"), _axis_name(table.columns, "columns")]
    some = [
        style.ticks(axis, side.tolist())
        for axis, side in zip((ax.yaxis, ax.xaxis), table.axes, strict=True)
    ]
    ax.tick_params("x", rotation=90)
    ax.set_xlabel(f"{names[1]} ({table.shape[1]:,}{clustered}{some[1]})")
    ax.set_ylabel(f"{names[0]} ({table.shape[0]:,}{clustered}{some[0]})")
    bar = ax.figure.colorbar(image, ax=ax, label=title, shrink=0.8)
    norm, norms = image.norm, optional("matplotlib.colors", "plot")
    if isinstance(norm, norms.LogNorm | norms.SymLogNorm):
        decades = None if norm.vmin < 0 else np.log10(norm.vmax / norm.vmin)
        style.plain_log(bar.ax.yaxis, decades)
    blocks, block = _largest_of_blocks(cells, _pixels(ax))
    if max(block) > 1:
        label = ax.get_xlabel()
        ax.set_xlabel(f"{label}\n")
        # The layout, with which the axes get their final size, is computed when a figure is drawn.
        ax.figure.canvas.figure.draw_without_rendering()
        blocks, block = _largest_of_blocks(cells, _pixels(ax))
        ax.set_xlabel(f"{label}\n1 pixel: the largest of {block[0]} x {block[1]} cells")
    image.set_data(np.where(blocks == 0, np.nan, blocks))
    return ax


def matrix_of(
    edges: pd.DataFrame, group_by: Any, *, values: str, normalize: str | None, dropna: Any, ids: Any
) -> pd.DataFrame:
    """Return the matrix of an edge table; a matrix is returned unchanged."""
    if not _is_matrix(edges):
        options: dict[str, Any] = {"values": values, "normalize": normalize, "dropna": dropna}
        return to_matrix(edges, group_by, ids=ids, **options)
    choices = {"group_by": group_by, "normalize": normalize, "dropna": dropna, "ids": ids}
    given = [name for name, choice in choices.items() if choice is not None]
    if given or values != "weight":
        raise ValueError(f"{[*given, 'values'][0]}= is for an edge table, but this is a matrix.")
    return edges


def _is_matrix(table: pd.DataFrame) -> bool:
    """Return whether a table is a matrix of numbers, not a table of edges or neurons."""
    names = [name for name in table.index.names if name is not None]
    known = roles.endpoint_columns(table.columns) or roles.endpoint_columns(pd.Index(names))
    numeric = all(pd.api.types.is_numeric_dtype(dtype) for dtype in table.dtypes)
    return (
        bool(table.shape[1])
        and numeric
        and not known
        and not roles.id_columns(table.reset_index(drop=True))
    )


def _axis_name(axis: pd.Index[Any], other: str) -> str:
    """Return the label of an axis: the names of its levels."""
    names = [_AXES.get(str(name), str(name)) for name in axis.names if name is not None]
    return ", ".join(names) or other


def _unit(table: pd.DataFrame, *, is_edges: bool) -> str:
    """Return the label of the color bar: what the cells of a matrix are."""
    values, of = (facts(table).get(name) for name in ("values", "normalize"))
    words = str(values).replace("_", " ") if values else ""
    if of:
        unit = f"{words}, share of {of}" if words else f"share of {of}"
    else:
        is_weight = is_edges or (table.index.name, table.columns.name) == ("pre", "post")
        unit = words or ("synapses" if is_weight else "value")
    return f"{unit} (blank: none)" if is_edges else f"{unit} (blank: 0)"


def _pixels(ax: Axes) -> tuple[int, int]:
    """Return the height and width of the axes in pixels, as the figure is drawn and saved."""
    matplotlib = optional("matplotlib", "plot")
    ax.apply_aspect()
    box, dpi = ax.get_window_extent(), ax.figure.dpi
    saved = matplotlib.rcParams["savefig.dpi"]
    scale = 1.0 if saved == "figure" else min(float(saved) / dpi, 1.0)
    # The edges of the axes can be between two pixels.
    height, width = (max(int(length * scale) - 2, 1) for length in (box.height, box.width))
    return height, width


def _largest_of_blocks(
    cells: npt.NDArray[np.float64], pixels: tuple[int, int]
) -> tuple[npt.NDArray[np.float64], list[int]]:
    """Return a matrix with at most one row and column per pixel, and the size of its blocks of cells.

    >>> blocks, size = _largest_of_blocks(np.array([[0.0, 2.0], [-3.0, 0.0]]), (1, 2))
    >>> blocks.tolist(), size
    ([[-3.0, 2.0]], [2, 1])
    """
    sizes = []
    for axis, limit in enumerate(pixels):
        length = cells.shape[axis]
        count = min(length, limit)
        starts = np.arange(count) * length // count
        highest = np.fmax.reduceat(cells, starts, axis)
        lowest = np.fmin.reduceat(cells, starts, axis)
        cells = np.where(np.abs(lowest) > np.abs(highest), lowest, highest)
        sizes.append(-(-length // count))
    return cells, sizes


def _look(present: npt.NDArray[np.float64], *, whole: bool, log: bool | None) -> dict[str, Any]:
    """Return color map and norm for the values that are not 0."""
    colors = optional("matplotlib.colors", "plot")
    sizes = np.abs(present)
    largest = float(sizes.max(initial=0)) or 1.0
    smallest = float(sizes.min(initial=largest))
    if log is None:
        log = whole and largest >= 20 * smallest
    if (present < 0).any():
        norm = colors.SymLogNorm(smallest, vmin=-largest, vmax=largest) if log else None
        return {"cmap": style.diverging(), "norm": norm or colors.CenteredNorm(halfrange=largest)}
    norm = colors.LogNorm(smallest, max(largest, 2 * smallest)) if log else colors.Normalize(0, largest)
    return {"cmap": style.sequential(), "norm": norm}


def _groups(edges: pd.DataFrame, side: pd.Index[Any], bars: Any) -> pd.Series[Any]:
    """Return the group of each row or column of a matrix."""
    if are_labels(bars):
        groups = pd.Series(labels_of(np.asarray(side), bars))
    else:
        labels_of_ends = [
            pd.Series(edges[name].to_numpy(), index=edges[end].to_numpy())
            for name, end in zip(label_columns(edges, [bars]), ("pre", "post"), strict=True)
        ]
        labels = pd.concat(labels_of_ends)
        groups = side.to_series().map(labels[~labels.index.duplicated()])
    return style.groups_or_unknown(groups.array).astype(str)


def _orders(
    table: pd.DataFrame, order: str, sides: Sequence[pd.Series[Any]] | None
) -> list[npt.NDArray[np.intp]]:
    cells = np.nan_to_num(table.to_numpy(dtype=float, na_value=0.0))
    if order == "given":
        orders = [np.arange(length) for length in cells.shape]
    elif order == "sorted":
        both = np.abs(cells)
        if table.index.equals(table.columns):
            orders = [np.argsort(-(both.sum(1) + both.sum(0)), kind="stable")] * 2
        else:
            orders = [np.argsort(-both.sum(1 - axis), kind="stable") for axis in (0, 1)]
    elif table.index.equals(table.columns):
        orders = [_clustered(np.hstack([cells, cells.T]))] * 2
    else:
        orders = [_clustered(cells), _clustered(cells.T)]
    if sides is None:
        return orders
    grouped = []
    for rows, groups in zip(orders, sides, strict=True):
        # Within a group, members keep their order.
        sizes = groups.map(groups.value_counts())
        ranked = pd.DataFrame({"size": -sizes, "group": groups}).iloc[rows]
        grouped.append(rows[np.lexsort((np.arange(len(rows)), ranked["group"], ranked["size"]))])
    return grouped


def _clustered(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    if len(rows) < 3:
        return np.arange(len(rows))
    hierarchy = optional("scipy.cluster.hierarchy", "plot")
    # Rows of zeros have no direction: a small constant keeps them together at the end.
    scaled = np.log1p(np.abs(rows)) + 1e-9
    scaled /= np.linalg.norm(scaled, axis=1, keepdims=True)
    # A product of matrices is much faster than pairs of rows; rounding keeps ties.
    distances = np.round(1 - (scaled @ scaled.T)[np.triu_indices(len(rows), 1)], 9)
    tree = hierarchy.linkage(np.abs(distances), "average", optimal_ordering=len(rows) <= 500)
    return np.asarray(hierarchy.leaves_list(tree), np.intp)


def _draw_bars(ax: Axes, rows: pd.Series[Any], columns: pd.Series[Any]) -> None:
    patches = optional("matplotlib.patches", "plot")
    colors = style.palette(pd.concat([rows, columns]).value_counts().index.tolist())
    for side, where in ((rows, "row"), (columns, "column")):
        values = side.to_numpy()
        starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]])
        for start, end in zip(starts, np.r_[starts[1:], len(values)], strict=True):
            # The width is in axes coordinates, the length in cells.
            if where == "row":
                box = {"xy": (-0.03, start - 0.5), "width": 0.02, "height": end - start}
                transform = ax.get_yaxis_transform()
            else:
                box = {"xy": (start - 0.5, 1.01), "width": end - start, "height": 0.02}
                transform = ax.get_xaxis_transform()
            look = {"facecolor": colors[values[start]], "edgecolor": style.paper(), "linewidth": 0.5}
            ax.add_patch(patches.Rectangle(**box, **look, transform=transform, clip_on=False))
    ax.tick_params("y", pad=12)
    keys = [
        patches.Patch(color=color, label=style.short_labels([name])[0])
        for name, color in list(colors.items())[: len(style.PALETTE)]
    ]
    if len(colors) > len(style.PALETTE):
        keys.append(
            patches.Patch(color=style.OTHER, label=f"{len(colors) - len(style.PALETTE):,} others")
        )
    ax.legend(
        handles=keys,
        loc="lower left",
        bbox_to_anchor=(0, 1.04),
        ncols=max(1, min(len(keys), 48 // (6 + max(len(key.get_label()) for key in keys)))),
        frameon=False,
        fontsize=8,
    )
