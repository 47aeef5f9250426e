"""Values of volumes at points, and means of volumes by structure."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro.errors import (
    InvalidVolumeError,
    MissingColumnsError,
    SpaceMismatchWarning,
    listing,
    warn,
)
from pdneuro.tables import roles
from pdneuro.tables.columns import take_or_na
from pdneuro.tables.ids import label_array

if TYPE_CHECKING:
    import xarray as xr

#: Axes of a volume: front to back, top to bottom, left to right.
DIMS = ("ap", "dv", "lr")
#: Names of the unit of coordinates; both signs for micro are in use.
_MICROMETERS = (
    "µm",
    "\N{GREEK SMALL LETTER MU}m",
    "um",
    "micron",
    "microns",
    "micrometer",
    "micrometers",
    "micrometre",
)
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
        The array has other dims, or coordinates that are absent, not in µm or unevenly spaced.
    MissingColumnsError
        The columns of the points are not recognized.

    Warns
    -----
    SpaceMismatchWarning
        All points are outside the volume, or all are in its first voxel.

    Examples
    --------
    >>> annotation = pdneuro.allen.annotation_volume(100)
    >>> annotation.neuro.at(pd.DataFrame({"x": [150, 9999], "y": [450, 1], "z": [450, 1]})).tolist()
    [385, <NA>]
    """
    table = points if isinstance(points, pd.DataFrame) else pd.DataFrame(np.atleast_2d(points))
    return sample(table, volume, columns=point_names(table))


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
        The array has other dims, or coordinates that are absent, not in µm or unevenly spaced.
    MissingColumnsError
        The columns of the points are not recognized.

    Warns
    -----
    SpaceMismatchWarning
        All points are outside the volume, or all are in its first voxel.

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
    inside, finite = np.ones(len(table), bool), np.ones(len(table), bool)
    flat = np.zeros(len(table), np.intp)
    for dim, name in zip(DIMS, columns, strict=True):
        first, step, size = axis_of(array, dim)
        values = _coordinates(roles.named_column(table, name))
        with np.errstate(invalid="ignore"):
            index = np.floor((values - first) / step + 0.5)
            valid = (index >= 0) & (index < size)
        finite &= np.isfinite(values)
        inside &= valid
        flat = flat * size + np.where(valid, index, 0).astype(np.intp)
    voxels = np.asarray(array.values).reshape(-1)
    at_points = voxels.take(flat)
    # pandas does not process the other byte order.
    at_points = at_points.astype(voxels.dtype.newbyteorder("="), copy=False)
    if voxels.dtype.kind == "u":  # structure IDs are signed in tables
        at_points = label_array(at_points, volume.name)
    _warn_if_apart(array, table, columns, finite, inside, flat)
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
    volume: xr.DataArray,
    annotation: xr.DataArray,
    *,
    tree: Any = None,
    to: Any = None,
    on_missing: str | None = None,
) -> pd.DataFrame:
    """Return the mean of a volume in each structure.

    Parameters
    ----------
    volume : xarray.DataArray
        A volume with the dims ``ap, dv, lr`` in µm. NaN is skipped.
    annotation : xarray.DataArray
        The structure ID of each voxel, in any resolution: each voxel of the volume has the ID at its
        center. 0 and NaN are skipped. A negative ID is the structure in the left hemisphere.
    tree : StructureTree, optional
        The result of :func:`pdneuro.allen.structure_tree`. With a tree, the mean of a structure includes
        its descendants.
    to : int, str or iterable, optional
        With ``tree``, only the members of this set; see :func:`pdneuro.queries.structures.rollup`.
    on_missing : {"warn", "raise", "ignore"}, optional
        With ``tree``, what to do about IDs of the annotation that are not in the tree. Default: the
        option ``on_missing``.

    Returns
    -------
    DataFrame
        Index ``structure_id`` (int64), sorted; with ``tree`` in graph order, the left hemisphere last.
        ``mean`` (float64) and ``voxels`` (int64), the number of voxels with a value.

    Raises
    ------
    InvalidVolumeError
        An array has other dims, or coordinates that are absent or not in µm; the annotation is unevenly
        spaced; or the two volumes do not overlap.
    PrecisionLossError, InvalidIdError
        An ID of the annotation is not an exact integer.
    UnknownIdsError
        IDs are not in the tree, and ``on_missing`` is ``"raise"``.

    Warns
    -----
    UnknownIdsWarning
        IDs of the annotation that are not in the tree; their voxels are in no mean.
    SpaceMismatchWarning
        No voxel of the volume has a structure, or all are in one voxel of the annotation.

    Examples
    --------
    >>> density = pdneuro.allen.projection_data(100140756, resolution=100)
    >>> means = density.neuro.structure_means(pdneuro.allen.annotation_volume(100))
    >>> means.loc[385].round(2).tolist()
    [0.06, 96.0]
    """
    array, structures = in_order(volume), in_order(annotation)
    axes = []
    for dim in DIMS:
        first, step, size = axis_of(structures, dim)
        centers = _centers(array, dim)
        position = np.floor((centers - first) / step + 0.5)
        inside = (position >= 0) & (position < size)
        if len(centers) and not inside.any():
            raise InvalidVolumeError(
                f"the volumes do not overlap along {dim!r}: the voxels are at {_span(centers)}, "
                f"those of the annotation at {_span(_centers(structures, dim))}. Check that both are in "
                "µm in the same space."
            )
        axes.append(np.where(inside, position, -1).astype(np.intp))
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
    distinct_positions = [len(np.unique(position[position >= 0])) for position in axes]
    if voxels.size > 1 and (total.empty or distinct_positions == [1, 1, 1]):
        reason = "no voxel of the volume has a value and a structure"
        if not total.empty:
            reason = "all voxels of the volume are in one voxel of the annotation"
        warn(f"{reason}. Check that both are in µm in the same space.", SpaceMismatchWarning)
    distinct: Any = total.index.to_numpy(np.int64)
    sums, counts = total["sum"].to_numpy(), total["count"].to_numpy(np.int64)
    if tree is not None:
        distinct, sums, counts = _upwards(tree, to, distinct, sums, counts, on_missing)
    index = pd.Index(np.asarray(distinct, np.int64), name="structure_id")
    with np.errstate(invalid="ignore"):
        return pd.DataFrame({"mean": sums / counts, "voxels": counts.astype(np.int64)}, index=index)


def _upwards(
    tree: Any,
    to: Any,
    ids: npt.NDArray[np.int64],
    sums: npt.NDArray[np.float64],
    counts: npt.NDArray[np.int64],
    on_missing: str | None,
) -> tuple[Any, Any, Any]:
    """Return sums and counts of structures including their descendants, by hemisphere."""
    outcome = "They are in no mean."
    places = tree.find(
        pd.Series(ids, name="annotation"), on_missing, counts=counts, unit="voxels", outcome=outcome
    )
    members = None if to is None else tree.members(to)
    found: list[tuple[Any, Any, Any]] = []
    for side in (False, True):  # the left hemisphere last
        own = places.is_left == side
        repeats, above = tree.above(places.rows[own], include_self=True)
        total = np.bincount(above, np.repeat(sums[own], repeats), minlength=len(tree))
        number = np.bincount(above, np.repeat(counts[own], repeats), minlength=len(tree))
        if members is None:
            rows = np.flatnonzero(number)
        elif side and own.any():
            rows = np.unique(members.rows)
        else:
            rows = np.unique(members.rows[members.is_left == side])
        selected_ids = tree.frame["id"].to_numpy()[rows] * (-1 if side else 1)
        found.append((selected_ids, total[rows], number[rows].astype(np.int64)))
    selected, totals, numbers = (np.concatenate(part) for part in zip(*found, strict=True))
    return selected, totals, numbers


def _warn_if_apart(
    volume: xr.DataArray,
    table: pd.DataFrame,
    columns: Sequence[Hashable],
    finite: npt.NDArray[np.bool_],
    inside: npt.NDArray[np.bool_],
    flat: npt.NDArray[np.intp],
) -> None:
    """Warn if all points are outside a volume or in its first voxel, as points in other units are."""
    if not finite.any():
        return
    in_first = inside.sum() == finite.sum() and not flat[inside].any() and min(volume.shape) > 1
    if inside.any() and not in_first:
        return
    spans = [
        f"{name!r}: {_span(_coordinates(roles.named_column(table, name))[finite])}, volume "
        f"{_span(_centers(volume, dim))}"
        for dim, name in zip(DIMS, columns, strict=True)
    ]
    where = "in the first voxel of the volume" if in_first else "outside the volume"
    warn(
        f"all {finite.sum():,} points are {where} ({'; '.join(spans)}). Check that the points are in µm "
        "from its corner, and not in mm or voxels.",
        SpaceMismatchWarning,
    )


def _span(values: npt.NDArray[np.float64]) -> str:
    return f"{np.nanmin(values):,.6g} to {np.nanmax(values):,.6g}"


def point_names(table: pd.DataFrame) -> list[Hashable]:
    """Return the columns of points, or of any table with three columns."""
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
    values = _centers(volume, dim)
    steps = np.diff(values)
    if not len(values) or (len(steps) and not np.allclose(steps, steps[0], rtol=1e-6)):
        raise InvalidVolumeError(
            f"the coordinates of {dim!r} are not evenly spaced. Use .sel() instead."
        )
    if len(steps):
        return float(values[0]), float(steps[0]), len(values)
    sizes = np.ravel(volume.attrs.get("resolution", []))
    if not len(sizes):
        raise InvalidVolumeError(
            f"there is one voxel along {dim!r}, and its size is not known. Set it in µm: "
            "array.attrs['resolution'] = 25."
        )
    return float(values[0]), float(sizes[DIMS.index(dim) if len(sizes) == 3 else 0]), 1


def _centers(volume: xr.DataArray, dim: str) -> npt.NDArray[np.float64]:
    """Return the coordinates of an axis in µm."""
    if dim not in volume.coords:
        raise InvalidVolumeError(
            f"the volume has no coordinates along {dim!r}, so the size of its voxels is not known. Add "
            f"them in µm, for voxels of 25 µm: array.assign_coords({dim}=(np.arange("
            f"{volume.sizes[dim]}) + 0.5) * 25)."
        )
    unit = volume[dim].attrs.get("units")
    if unit is not None and str(unit) not in _MICROMETERS:
        raise InvalidVolumeError(
            f"the coordinates along {dim!r} are in {unit!r}, not in µm. Convert them with "
            "array.assign_coords(...)."
        )
    return np.asarray(volume[dim].values, np.float64)


def label_mask(labels: npt.NDArray[Any], ids: Sequence[int]) -> npt.NDArray[np.bool_]:
    """Return True for the voxels with one of the IDs.

    >>> label_mask(np.array([[0, 385], [549, 385]]), [385]).tolist()
    [[False, True], [False, True]]
    """
    flat = _exact_labels(labels)
    wanted = np.asarray(ids, np.int64)
    limits = np.iinfo(flat.dtype)
    # With the dtype of the labels, they are not copied.
    wanted = wanted[(wanted >= limits.min) & (wanted <= limits.max)].astype(flat.dtype)
    return pd.Series(flat).isin(wanted).to_numpy().reshape(labels.shape)


def label_counts(labels: npt.NDArray[Any]) -> dict[int, int]:
    """Return the number of voxels of each ID.

    >>> label_counts(np.array([[0, 385], [549, 385]]))
    {385: 2, 0: 1, 549: 1}
    """
    counts: dict[Any, int] = pd.Series(_exact_labels(labels)).value_counts().to_dict()
    return counts


def _exact_labels(labels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the IDs of voxels as integers in one dimension."""
    # pandas does not process the other byte order.
    native = labels.astype(labels.dtype.newbyteorder("="), copy=False)
    return (label_array(native) if native.dtype.kind == "f" else native).reshape(-1)
