"""Plot slices of volumes in µm, with outlines of structures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro._compat import optional
from pdneuro.plots import style
from pdneuro.queries import structures
from pdneuro.tables.columns import check_choice
from pdneuro.tables.ids import label_array
from pdneuro.tables.volumes import DIMS, axis_of, in_order

if TYPE_CHECKING:
    import xarray as xr

#: Number of slices in a row of a new figure.
MAX_COLUMNS = 4
_WORDS = {"ap": "front to back", "dv": "top to bottom", "lr": "left to right"}


def slices(
    volume: xr.DataArray,
    annotation: xr.DataArray | None = None,
    *,
    dim: str = "ap",
    at: float | Sequence[float] | None = None,
    ax: Any = None,
) -> Any:
    """Plot slices of a volume, with outlines of structures.

    Parameters
    ----------
    volume : xarray.DataArray
        A volume with the dims ``ap, dv, lr`` in µm. An annotation (integers, most of them structures)
        gets the colors and acronyms of the atlas; negative values get a diverging color scale.
    annotation : xarray.DataArray, optional
        Structure IDs of any resolution; their outlines are drawn over the volume.
    dim : {"ap", "dv", "lr"}, default "ap"
        Axis perpendicular to the slices: ``"ap"`` for coronal, ``"dv"`` for horizontal, ``"lr"`` for
        sagittal slices.
    at : float or sequence of float, optional
        Position of the slices in µm. Default: the middle.
    ax : matplotlib.axes.Axes or array of them, optional
        Axes for each slice. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        An array of axes if ``at`` is a sequence. Axes are in µm.

    Raises
    ------
    InvalidVolumeError
        The array has other dims, or uneven coordinates.
    ValueError
        A slice is outside the volume.

    Examples
    --------
    >>> density = pdneuro.allen.projection_data(100140756, resolution=100)
    >>> ax = density.neuro.plot.slices(pdneuro.allen.annotation_volume(100))
    >>> ax.get_xlabel()
    'left to right (µm)'
    """
    check_choice("dim", dim, DIMS)
    array = in_order(volume)
    outlines = None if annotation is None else in_order(annotation)
    first, step, size = axis_of(array, dim)
    middle = first + step * (size // 2)
    wanted = [middle] if at is None else np.atleast_1d(np.asarray(at, float)).tolist()
    low, high = sorted((first - step / 2, first + step * (size - 0.5)))
    outside = [position for position in wanted if not low <= position < high]
    if outside:
        raise ValueError(f"at={outside[0]:g} is outside the volume: {dim} is {low:g} to {high:g} µm.")
    is_new = ax is None
    if is_new:
        ax = _new_panels(array, dim, len(wanted))
    panels = np.ravel(np.asarray(ax, dtype=object))
    if len(panels) != len(wanted):
        raise ValueError(f"ax= must have one axes per slice, {len(wanted)}, not {len(panels)}.")
    look = _look(array)
    image = None
    for number, (axes, position) in enumerate(zip(panels, wanted, strict=True)):
        image = _draw(axes, array, dim, position, look)
        if outlines is not None:
            _outline(axes, outlines, dim, position)
        if "names" in look:
            _write_acronyms(axes, array, dim, position)
        axes.set_title(f"{dim} {position:,.0f} µm", fontsize=10)
        if is_new and number % MAX_COLUMNS:
            axes.set_ylabel("")  # that of the first panel of the row
    if image is not None and "norm" in look and "names" not in look:
        panels[0].figure.colorbar(
            image, ax=panels.tolist(), label=str(array.name or "value"), shrink=0.8
        )
    return panels if at is not None and np.ndim(at) else panels[0]


def _new_panels(array: Any, dim: str, count: int) -> Any:
    """Return axes in rows, whose shape is that of the slices."""
    pyplot = optional("matplotlib.pyplot", "plot")
    down, across = (axis_of(array, name) for name in _sides(dim))
    ratio = down[1] * down[2] / (across[1] * across[2])
    columns = min(count, MAX_COLUMNS)
    rows = -(-count // columns)
    width = 4.4 if columns == 1 else 3.3
    size = (width * columns + 1.2, (width * ratio + 0.5) * rows + 0.5)
    figure, panels = pyplot.subplots(
        rows, columns, figsize=size, layout="constrained", squeeze=False, sharey=True
    )
    for unused in panels.ravel()[count:]:
        figure.delaxes(unused)
    return panels.ravel()[:count]


def _sides(dim: str) -> list[str]:
    """Return the vertical and the horizontal axis of a slice."""
    return ["dv", "ap"] if dim == "lr" else [other for other in DIMS if other != dim]


def _look(array: Any) -> dict[str, Any]:
    """Return colors of the values: a scale for numbers, the colors of the atlas for structures."""
    colors = optional("matplotlib.colors", "plot")
    values = np.asarray(array.values)
    if values.dtype.kind in "ui":
        ids: pd.Series[Any] = pd.Series(label_array(np.unique(values[values != 0]), array.name))
        atlas_colors = structures.structures(ids, "color", on_missing="ignore")["color"]
        # Image brightness also is an integer, but few of its values are structure IDs.
        if atlas_colors.notna().mean() > 0.5:
            shown = colors.ListedColormap(atlas_colors.fillna(style.OTHER).tolist())
            return {"names": ids.to_numpy(), "norm": colors.NoNorm(), "cmap": shown}
    finite = values[np.isfinite(values)].astype(float)
    low, high = float(finite.min(initial=0.0)), float(finite.max(initial=0.0))
    if low < 0:
        return {"norm": colors.CenteredNorm(halfrange=max(-low, high)), "cmap": style.diverging()}
    cmap = "gray" if values.dtype.kind in "ui" else "cividis"
    return {"norm": colors.Normalize(0, high or 1.0), "cmap": cmap}


def _plane(array: Any, dim: str, position: float) -> tuple[npt.NDArray[Any], list[str], list[float]]:
    """Return the values of a slice, its vertical and horizontal dims, and its extent in µm."""
    first, step, size = axis_of(array, dim)
    number = min(max(int(np.floor((position - first) / step + 0.5)), 0), size - 1)
    down, across = _sides(dim)
    cells = np.asarray(array.isel({dim: number}).transpose(down, across).values)
    edges = []
    for name in (across, down):
        start, width, count = axis_of(array, name)
        edges += [start - width / 2, start + width * (count - 0.5)]
    return cells, [down, across], [edges[0], edges[1], edges[3], edges[2]]


def _draw(axes: Any, array: Any, dim: str, position: float, look: dict[str, Any]) -> Any:
    cells, (down, across), extent = _plane(array, dim, position)
    if "names" in look:
        codes = np.searchsorted(look["names"], label_array(cells, array.name))
        shown = np.ma.masked_where(cells == 0, codes)
    else:
        shown = np.ma.masked_invalid(cells.astype(float))
    image = axes.imshow(
        shown,
        extent=extent,
        interpolation="nearest",
        norm=look["norm"],
        cmap=look["cmap"],
        aspect="equal",
    )
    axes.set_xlabel(f"{_WORDS[across]} (µm)")
    axes.set_ylabel(f"{_WORDS[down]} (µm)")
    return image


def _outline(axes: Any, annotation: Any, dim: str, position: float) -> None:
    """Draw lines between voxels of different structures."""
    collections = optional("matplotlib.collections", "plot")
    cells, _, (left, right, bottom, top) = _plane(annotation, dim, position)
    height, width = cells.shape
    x, y = np.linspace(left, right, width + 1), np.linspace(top, bottom, height + 1)
    rows, columns = np.nonzero(cells[:, 1:] != cells[:, :-1])
    upright = np.stack(
        [np.column_stack([x[columns + 1], y[rows]]), np.column_stack([x[columns + 1], y[rows + 1]])],
        axis=1,
    )
    rows, columns = np.nonzero(cells[1:] != cells[:-1])
    level = np.stack(
        [np.column_stack([x[columns], y[rows + 1]]), np.column_stack([x[columns + 1], y[rows + 1]])],
        axis=1,
    )
    lines = np.concatenate([upright, level])
    # A light line under a dark one is visible on any background.
    for color, width in (("white", 1.2), ("black", 0.5)):
        drawn = collections.LineCollection(lines, colors=color, linewidths=width)
        axes.add_collection(drawn, autolim=False)


def _write_acronyms(axes: Any, array: Any, dim: str, position: float) -> None:
    """Write the acronyms of the structures that cover at least 1% of a slice."""
    cells, _, (left, right, bottom, top) = _plane(array, dim, position)
    ids, counts = np.unique(cells[cells != 0], return_counts=True)
    large = ids[np.argsort(-counts, kind="stable")][: min(20, int((counts >= 0.01 * cells.size).sum()))]
    if not len(large):
        return
    columns = pd.Series(label_array(large, array.name))
    acronyms = structures.structures(columns, "acronym", on_missing="ignore")["acronym"]
    height, width = cells.shape
    for number, acronym in zip(large, acronyms, strict=True):
        places = np.argwhere(cells == number)
        # The place of a label is inside the structure, even if its center is not.
        row, column = places[int(np.argmin(np.square(places - places.mean(0)).sum(axis=1)))]
        x, y = (column + 0.5) / width, (row + 0.5) / height
        where = (left + x * (right - left), top + y * (bottom - top))
        look: dict[str, Any] = {"ha": "center", "va": "center", "path_effects": style.halo()}
        axes.annotate("?" if pd.isna(acronym) else acronym, where, fontsize=7, **look)
