"""Pictures of volumes: slices in µm, with the outlines of structures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro._compat import optional
from pdneuro.plots import style
from pdneuro.queries import structures
from pdneuro.tables.volumes import DIMS, axis_of, in_order

if TYPE_CHECKING:
    import xarray as xr

_WORDS = {"ap": "front to back", "dv": "top to bottom", "lr": "left to right"}


def slices(
    volume: xr.DataArray,
    annotation: xr.DataArray | None = None,
    *,
    dim: str = "ap",
    at: float | Sequence[float] | None = None,
    ax: Any = None,
) -> Any:
    """Slices through a volume, with the outlines of structures.

    Parameters
    ----------
    volume : xarray.DataArray
        With the dims ``ap, dv, lr`` in µm. An annotation (integers, most of them
        structures) is drawn in the Atlas' colours; negative values have colours of their own.
    annotation : xarray.DataArray, optional
        Structure IDs, of any resolution: their outlines are drawn over the volume.
    dim : {"ap", "dv", "lr"}
        The axis that is cut: ``"ap"`` gives coronal, ``"dv"`` horizontal, ``"lr"`` sagittal slices.
    at : float or sequence of float, optional
        Where, in µm. Default: in the middle.
    ax : matplotlib.axes.Axes or array of them, optional
        One for each slice.

    Returns
    -------
    matplotlib.axes.Axes
        Or an array of them, where ``at`` is a sequence. Axes are in µm.

    Raises
    ------
    InvalidVolumeError
        The array has other dims, or uneven coordinates.
    ValueError
        A slice outside the volume.

    Examples
    --------
    >>> density = pdneuro.allen.projection_data(100140756, resolution=100)
    >>> ax = density.neuro.plot.slices(pdneuro.allen.annotation_volume(100))
    >>> ax.get_xlabel()
    'left to right (µm)'
    """
    if dim not in DIMS:
        raise ValueError(f"dim must be one of {', '.join(DIMS)}, not {dim!r}.")
    pyplot = optional("matplotlib.pyplot", "plot")
    array = in_order(volume)
    known = None if annotation is None else in_order(annotation)
    first, step, size = axis_of(array, dim)
    middle = first + step * (size // 2)
    wanted = [middle] if at is None else np.atleast_1d(np.asarray(at, float)).tolist()
    low, high = sorted((first - step / 2, first + step * (size - 0.5)))
    outside = [place for place in wanted if not low <= place < high]
    if outside:
        raise ValueError(f"{dim} goes from {low:g} to {high:g} µm; {outside[0]:g} is outside.")
    if ax is None:
        count = len(wanted)
        width = min(4.4 * count + 1, 15)
        _, ax = pyplot.subplots(1, count, figsize=(width, 4.2), layout="constrained", squeeze=False)
    places = np.ravel(np.asarray(ax, dtype=object))
    if len(places) != len(wanted):
        raise ValueError(f"{len(wanted)} slices need {len(wanted)} axes, not {len(places)}.")
    look = _look(array)
    image = None
    for axes, place in zip(places, wanted, strict=True):
        image = _draw(axes, array, dim, place, look)
        if known is not None:
            _outline(axes, known, dim, place)
        axes.set_title(f"{dim} {place:,.0f} µm", fontsize=10)
    if image is not None and "norm" in look and "names" not in look:
        places[0].figure.colorbar(
            image, ax=places.tolist(), label=str(array.name or "value"), shrink=0.8
        )
    return places if at is not None and np.ndim(at) else places[0]


def _look(array: Any) -> dict[str, Any]:
    """Colours of the values: a scale for numbers, the Atlas' own for structures."""
    colors = optional("matplotlib.colors", "plot")
    values = np.asarray(array.values)
    if values.dtype.kind in "ui":
        ids: pd.Series[Any] = pd.Series(np.unique(values[values != 0]).astype(np.int64))
        found = structures.structures(ids, "color", on_missing="ignore")["color"]
        # A picture's brightness is an integer as well, and few of its values are structures.
        if found.notna().mean() > 0.5:
            shown = colors.ListedColormap(found.fillna(style.OTHER).tolist())
            return {"names": ids.to_numpy(), "norm": colors.NoNorm(), "cmap": shown}
    finite = values[np.isfinite(values)].astype(float)
    low, high = float(finite.min(initial=0.0)), float(finite.max(initial=0.0))
    if low < 0:
        return {"norm": colors.CenteredNorm(halfrange=max(-low, high)), "cmap": "PuOr"}
    cmap = "gray" if values.dtype.kind in "ui" else "cividis"
    return {"norm": colors.Normalize(0, high or 1.0), "cmap": cmap}


def _plane(array: Any, dim: str, place: float) -> tuple[npt.NDArray[Any], list[str], list[float]]:
    """The cells of a slice, what goes down and what across, and the edges of the picture in µm."""
    first, step, size = axis_of(array, dim)
    number = min(max(int(np.floor((place - first) / step + 0.5)), 0), size - 1)
    down, across = [other for other in DIMS if other != dim] if dim != "lr" else ["dv", "ap"]
    cells = np.asarray(array.isel({dim: number}).transpose(down, across).values)
    edges = []
    for name in (across, down):
        start, width, count = axis_of(array, name)
        edges += [start - width / 2, start + width * (count - 0.5)]
    return cells, [down, across], [edges[0], edges[1], edges[3], edges[2]]


def _draw(axes: Any, array: Any, dim: str, place: float, look: dict[str, Any]) -> Any:
    cells, (down, across), extent = _plane(array, dim, place)
    if "names" in look:
        codes = np.searchsorted(look["names"], cells.astype(np.int64))
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


def _outline(axes: Any, annotation: Any, dim: str, place: float) -> None:
    """Lines between voxels of different structures."""
    collections = optional("matplotlib.collections", "plot")
    cells, _, (left, right, bottom, top) = _plane(annotation, dim, place)
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
    # Light under dark: seen on any background.
    axes.add_collection(collections.LineCollection(lines, colors="white", linewidths=1.6), autolim=False)
    axes.add_collection(collections.LineCollection(lines, colors="black", linewidths=0.7), autolim=False)
