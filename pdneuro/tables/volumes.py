"""Values of volumes at points, and means of volumes by structure."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro.errors import InvalidVolumeError, MissingColumnsError, listing
from pdneuro.tables import roles
from pdneuro.tables.columns import take_or_na
from pdneuro.tables.ids import label_array

if TYPE_CHECKING:
    import xarray as xr

#: Axes of a volume: front to back, top to bottom, left to right.
DIMS = ("ap", "dv", "lr")
#: Maximum number of voxels per step, which limits memory.
_SLAB = 8_000_000


def at(volume: xr.DataArray, points: Any) -> pd.Series[Any]:
    """Return the values of a volume at points.

    Parameters
    ----------
    volume : xarray.DataArray
        A volume with the dims ``ap, dv, lr`` in µm, evenly spaced, in any order.
    points : DataFrame or array
        Columns ``ap, dv, lr`` or ``x, y, z``, or three columns in that order, in µm from the corner of
        the volume.

    Returns
    -------
    Series
        The value of the voxel of each point, with the index of ``points``. Points outside the
        volume, or without coordinates, are NA; the IDs of an annotation stay integers (``Int64`` if
        something is NA).

    Raises
    ------
    InvalidVolumeError
        The array has other dims, or unevenly spaced coordinates.
    MissingColumnsError
        The columns of the points are not recognized.

    Examples
    --------
    >>> annotation = pdneuro.allen.annotation_volume(100)
    >>> annotation.neuro.at(pd.DataFrame({"x": [150, 9999], "y": [450, 1], "z": [450, 1]})).tolist()
    [385, <NA>]
    """
    table = points if isinstance(points, pd.DataFrame) else pd.DataFrame(np.atleast_2d(points))
    return sample(table, volume, columns=_point_columns(table))


def sample(
    table: pd.DataFrame,
    volume: xr.DataArray,
    columns: Sequence[Hashable] = ("x", "y", "z"),
) -> pd.Series[Any]:
    """Return the values of a volume at the points of a table.

    Parameters
    ----------
    table : DataFrame
    volume : xarray.DataArray
        Volume with the dimensions ``ap, dv, lr`` in µm.
    columns : three names
        The columns with ap, dv, lr in µm. Default: ``x, y, z``.

    Returns
    -------
    Series
        Value of the volume at each point, see :func:`at`; named after the volume.

    Raises
    ------
    InvalidVolumeError
        The array has other dims, or unevenly spaced coordinates.
    MissingColumnsError
        The columns of the points are not recognized.

    Examples
    --------
    >>> annotation = pdneuro.allen.annotation_volume(100)
    >>> cells = pd.DataFrame({"x": [150.0, 350.0], "y": [450.0] * 2, "z": [450.0] * 2})
    >>> cells.assign(structure_id=cells.neuro.sample(annotation)).neuro.join_structures("acronym")
           x      y      z  structure_id structure_acronym
    0  150.0  450.0  450.0           385              VISp
    1  350.0  450.0  450.0           549                TH
    """
    array = in_order(volume)
    if len(columns) != 3:
        raise MissingColumnsError(f"columns= must be three names, not {listing(map(repr, columns))}.")
    inside = np.ones(len(table), bool)
    flat = np.zeros(len(table), np.intp)
    for dim, name in zip(DIMS, columns, strict=True):
        first, step, size = axis_of(array, dim)
        values = _coordinates(roles.named_column(table, name))
        with np.errstate(invalid="ignore"):
            index = np.floor((values - first) / step + 0.5)
            valid = (index >= 0) & (index < size)
        inside &= valid
        flat = flat * size + np.where(valid, index, 0).astype(np.intp)
    voxels = np.asarray(array.values).reshape(-1)
    at_points = voxels.take(flat)
    # pandas does not process the other byte order.
    at_points = at_points.astype(voxels.dtype.newbyteorder("="), copy=False)
    if voxels.dtype.kind == "u":  # structure IDs are signed in tables
        at_points = label_array(at_points, volume.name)
    if at_points.dtype.kind == "f":
        result: Any = np.where(inside, at_points, np.nan).astype(at_points.dtype)
    else:
        result = (
            at_points
            if inside.all()
            else take_or_na(at_points, np.where(inside, np.arange(len(at_points)), -1))
        )
    return pd.Series(result, index=table.index, name=volume.name)


def structure_means(
    volume: xr.DataArray, annotation: xr.DataArray, *, tree: Any = None, to: Any = None
) -> pd.DataFrame:
    """Return the mean of a volume in each structure.

    Parameters
    ----------
    volume : xarray.DataArray
        A volume with the dims ``ap, dv, lr`` in µm. NaN is skipped.
    annotation : xarray.DataArray
        The structure ID of each voxel, in any resolution: each voxel of the volume has the ID at its
        center. 0 and NaN are skipped.
    tree : StructureTree, optional
        The result of :func:`pdneuro.allen.structure_tree`. With a tree, the mean of a structure includes
        its descendants.
    to : int, str or iterable, optional
        With ``tree``, only the members of this set; see :func:`pdneuro.queries.structures.rollup`.

    Returns
    -------
    DataFrame
        Index ``structure_id`` (int64, sorted); ``mean`` (float64) and ``voxels``
        (int64), the number of voxels with a value.

    Raises
    ------
    InvalidVolumeError
        An array has other dims, or unevenly spaced coordinates.
    PrecisionLossError, InvalidIdError
        An ID of the annotation is not an exact integer.

    Examples
    --------
    >>> density = pdneuro.allen.projection_data(100140756, resolution=100)
    >>> means = density.neuro.structure_means(pdneuro.allen.annotation_volume(100))
    >>> means.loc[385].round(2).tolist()
    [0.45, 96.0]
    """
    array, structures = in_order(volume), in_order(annotation)
    axes = []
    for dim in DIMS:
        first, step, size = axis_of(structures, dim)
        position = np.floor((np.asarray(array[dim].values, np.float64) - first) / step + 0.5)
        axes.append(np.where((position >= 0) & (position < size), position, -1).astype(np.intp))
    voxels, labels = np.asarray(array.values), np.asarray(structures.values)
    if labels.dtype.kind == "f":  # once, so that an error has the position in the whole array
        labels = label_array(labels, annotation.name)
    parts = []
    # A brain at 25 µm has 77 million voxels, so the loop limits memory.
    slabs = -(-voxels.size // _SLAB)
    for slab in np.array_split(np.arange(len(axes[0])), max(min(slabs, len(axes[0])), 1)):
        ids = label_array(labels[np.ix_(axes[0][slab], *axes[1:])], annotation.name).copy()
        for axis, position in enumerate((axes[0][slab], *axes[1:])):  # voxels outside the annotation
            ids[(slice(None),) * axis + (position < 0,)] = 0
        values = voxels[slab].astype(np.float64)
        kept = (ids != 0) & ~np.isnan(values)
        codes, distinct_ids = pd.factorize(ids[kept])
        sums = np.bincount(codes, values[kept], minlength=len(distinct_ids))
        parts.append(
            pd.DataFrame(
                {"sum": sums, "count": np.bincount(codes, minlength=len(distinct_ids))}, distinct_ids
            )
        )
    total = pd.concat(parts).groupby(level=0).sum()
    distinct: Any = total.index.to_numpy(np.int64)
    sums, counts = total["sum"].to_numpy(), total["count"].to_numpy(np.int64)
    if tree is not None:
        distinct, sums, counts = _upwards(tree, to, distinct, sums, counts)
    index = pd.Index(np.asarray(distinct, np.int64), name="structure_id")
    with np.errstate(invalid="ignore"):
        return pd.DataFrame({"mean": sums / counts, "voxels": counts.astype(np.int64)}, index=index)


def _upwards(
    tree: Any,
    to: Any,
    ids: npt.NDArray[np.int64],
    sums: npt.NDArray[np.float64],
    counts: npt.NDArray[np.int64],
) -> tuple[Any, Any, Any]:
    """Return sums and counts of structures including their descendants."""
    rows = tree.locate(pd.Series(ids)).rows
    repeats, above = tree.above(rows, include_self=True)
    total = np.bincount(above, np.repeat(sums, repeats), minlength=len(tree))
    number = np.bincount(above, np.repeat(counts, repeats), minlength=len(tree))
    rows = np.flatnonzero(number) if to is None else np.sort(tree.members(to))
    selected_ids = tree.frame["id"].to_numpy()[rows]
    return selected_ids, total[rows], number[rows].astype(np.int64)


def _point_columns(table: pd.DataFrame) -> list[Hashable]:
    names = roles.point_columns(table.columns)
    if names or table.shape[1] == 3:
        return names or list(table.columns)
    raise MissingColumnsError(
        f"points must have the columns ap, dv, lr or x, y, z, not {listing(map(repr, table.columns))}."
    )


def _coordinates(column: pd.Series[Any]) -> npt.NDArray[np.float64]:
    try:
        numbers = pd.to_numeric(column)
    except (ValueError, TypeError) as error:
        raise InvalidVolumeError(
            f"column {column.name!r} does not contain coordinates in µm: {error}."
        ) from error
    return numbers.to_numpy(np.float64, na_value=np.nan)


def in_order(volume: xr.DataArray) -> xr.DataArray:
    """Return the volume with its axes in the order of :data:`DIMS`."""
    if not hasattr(volume, "dims") or not hasattr(volume, "transpose"):
        raise InvalidVolumeError(
            f"a volume must be an xarray.DataArray, such as pdneuro.allen.annotation_volume(), not "
            f"{type(volume).__name__}."
        )
    if set(volume.dims) != set(DIMS):
        raise InvalidVolumeError(
            f"a volume must have the dims {', '.join(DIMS)}, not {', '.join(map(str, volume.dims))}. "
            "Rename them with array.rename(x='ap', ...)."
        )
    return volume.transpose(*DIMS)


def axis_of(volume: xr.DataArray, dim: str) -> tuple[float, float, int]:
    """Return the first coordinate, the step and the length of an axis."""
    values = np.asarray(volume[dim].values, np.float64)
    steps = np.diff(values)
    if not len(values) or (len(steps) and not np.allclose(steps, steps[0], rtol=1e-6)):
        raise InvalidVolumeError(
            f"the coordinates of {dim!r} are not evenly spaced. Use .sel() instead."
        )
    step = float(steps[0]) if len(steps) else float(np.ravel(volume.attrs.get("resolution", 1.0))[0])
    return float(values[0]), step, len(values)
