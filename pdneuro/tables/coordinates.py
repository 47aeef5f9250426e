"""Coordinates of labeled arrays as columns, and columns as coordinates; the values are not read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import pandas as pd

from pdneuro.errors import (
    AmbiguousColumnError,
    ColumnExistsError,
    InvalidCoordinateError,
    MissingColumnsError,
    did_you_mean,
    listing,
)
from pdneuro.tables import columns, roles
from pdneuro.tables.ids import MAX_ID
from pdneuro.tables.provenance import KEY, facts
from pdneuro.tables.rounding import MAX_EXACT_FLOAT

if TYPE_CHECKING:
    import xarray as xr

Labeled = TypeVar("Labeled", "xr.DataArray", "xr.Dataset")
#: Names with the word id, such as ``nucleus_id`` and ``bodyId``.
_ID_WORD = re.compile(r"(?:^|_)id(?:_|$)|Id(?:_|$)")
_ID_NAMES = {name.casefold() for name in (*roles.SEGMENT_NAMES, *roles.STRUCTURE_ID_NAMES)}
_ENDS = re.compile("_(?:pre|post)$")


class Kind(NamedTuple):
    """A kind of IDs, and the names by which a dimension of them is recognized."""

    what: str
    example: str
    among: Callable[[Iterable[Hashable]], list[Hashable]]


SEGMENTS = Kind(
    "segment IDs", "root_id", lambda names: roles.id_columns(pd.DataFrame(columns=list(names)))
)
SUPERVOXELS = Kind("supervoxels", "supervoxel_id", roles.supervoxel_columns)
STRUCTURES = Kind("structures", "structure_id", roles.structure_columns)
EXPERIMENTS = Kind("experiments", "data_set_id", roles.experiment_columns)
NEURONS = Kind("neurons of NeuroMorpho.org", "neuron_id", roles.neuromorpho_columns)


class Coordinate(NamedTuple):
    """A coordinate along one dimension, as a column with the positions as index."""

    dim: Hashable
    column: pd.Series[Any]


# -- from a coordinate to a column ----------------------------------------------------------------


def coordinate_names(obj: xr.DataArray | xr.Dataset) -> list[Hashable]:
    """Return the dimensions and the coordinates along one dimension."""
    along = [name for name, found in obj.coords.items() if found.ndim == 1]
    return list(dict.fromkeys([*obj.dims, *along]))


def coordinate(obj: xr.DataArray | xr.Dataset, dim: Hashable | None, kind: Kind) -> Coordinate:
    """Return the coordinate that a call names, or the only one that is recognized.

    Parameters
    ----------
    obj : DataArray or Dataset
    dim : hashable, optional
        A dimension with a coordinate, or a coordinate along one dimension.
    kind : Kind
        What the coordinate holds.

    Raises
    ------
    MissingColumnsError
        There is no such coordinate, or none is recognized.
    AmbiguousColumnError
        Several coordinates are recognized.
    InvalidCoordinateError
        The coordinate does not have one dimension.
    """
    name = _recognized(obj, kind) if dim is None else dim
    if name not in obj.coords:
        raise MissingColumnsError(_not_a_coordinate(obj, name, kind))
    found = obj.coords[name]
    if found.ndim != 1:
        dims = f"the dimensions {', '.join(map(repr, found.dims))}" if found.ndim else "no dimension"
        raise InvalidCoordinateError(
            f"the coordinate {name!r} has {dims}. Choose a dimension, or a coordinate along one: "
            f"{_choices(obj)}."
        )
    index = obj.indexes.get(name)
    if isinstance(index, pd.MultiIndex):
        if name not in index.names:
            levels = " or ".join(f"dim={level!r}" for level in index.names)
            raise AmbiguousColumnError(f"the dimension {name!r} has several levels. Choose: {levels}.")
        values: Any = index.get_level_values(str(name))
    elif index is not None:
        values = index
    else:
        values = found.data
        if not isinstance(values, pd.api.extensions.ExtensionArray):
            values = found.to_numpy()  # computes a lazy coordinate
    series = pd.Series(values, index=pd.RangeIndex(len(values)), name=name, copy=False)
    return Coordinate(found.dims[0], series)


def level_of(index: pd.Index[Any], level: Hashable | None, kind: Kind) -> Any:
    """Return an index, or a level of a MultiIndex as a column that is indexed by it.

    Raises
    ------
    MissingColumnsError, AmbiguousColumnError
        There is no such level; none is recognized, or several are.
    """
    names = list(index.names)
    shown = listing(map(repr, names), 12)
    numbers = range(-len(names), len(names))
    if level is None and not isinstance(index, pd.MultiIndex):
        return index
    if level is None:
        found = kind.among([name for name in names if name is not None])
        if len(found) != 1:
            what = (
                f"several levels may contain {kind.what}"
                if found
                else (f"no level of {kind.what} is recognized")
            )
            error = AmbiguousColumnError if found else MissingColumnsError
            raise error(f"{what} among {shown}. Choose: level={(found or names)[0] or 0!r}.")
        level = found[0]
    if names.count(level) == 1 and level is not None:
        position = names.index(level)
    elif isinstance(level, int) and level in numbers:
        position = numbers[level + len(names)] % len(names)
    else:
        raise MissingColumnsError(
            f"there is no level {level!r} among {shown}.{did_you_mean(level, names)}"
        )
    if not isinstance(index, pd.MultiIndex):
        return index
    # get_level_values() would convert integers with missing values to floats.
    labels = columns.array_of(pd.Series(index.levels[position]))
    values = columns.take_or_na(labels, np.asarray(index.codes[position], np.intp))
    return pd.Series(values, index=index, name=names[position])


def table_along(obj: xr.DataArray | xr.Dataset, dim: Hashable) -> pd.DataFrame:
    """Return all coordinates along a dimension as a table."""
    names = [name for name, found in obj.coords.items() if found.dims == (dim,)]
    levels = obj.indexes.get(dim)
    if isinstance(levels, pd.MultiIndex) and dim not in levels.names:
        names.remove(dim)
    return pd.DataFrame({name: coordinate(obj, name, SEGMENTS).column for name in names})


def _recognized(obj: xr.DataArray | xr.Dataset, kind: Kind) -> Hashable:
    candidates = kind.among(coordinate_names(obj))
    if len(candidates) > 1:
        raise AmbiguousColumnError(
            f"several coordinates may contain {kind.what}: {listing(map(repr, candidates))}. Choose: "
            f"dim={candidates[0]!r}."
        )
    if not candidates:
        raise MissingColumnsError(
            f"no dimension of {kind.what} is recognized among {_choices(obj)}. Name it: dim=..., or "
            f"rename it to {kind.example!r}."
        )
    return candidates[0]


def _not_a_coordinate(obj: xr.DataArray | xr.Dataset, name: Hashable, kind: Kind) -> str:
    if name in obj.dims:
        return (
            f"the dimension {name!r} has no coordinate. Add its {kind.what} with "
            f".assign_coords({{{name!r}: ...}})."
        )
    if name in getattr(obj, "data_vars", ()):
        return (
            f"{name!r} is a data variable, not a coordinate. Choose a dimension, or a coordinate along "
            f"one: {_choices(obj)}; or make it a coordinate with .set_coords({name!r})."
        )
    hint = did_you_mean(name, coordinate_names(obj))
    return f"there is no dimension or coordinate {name!r} among {_choices(obj)}.{hint}"


def _choices(obj: xr.DataArray | xr.Dataset) -> str:
    return listing(map(repr, coordinate_names(obj)), 12) or "no dimensions"


# -- from columns to coordinates ------------------------------------------------------------------


def add_coordinates(
    obj: Labeled,
    along: Coordinate,
    table: pd.DataFrame,
    *,
    overwrite: bool = False,
    fill_value: int | None = None,
    id_names: Collection[Hashable] = (),
) -> Labeled:
    """Return the array with the new columns of a table as coordinates along a dimension.

    A coordinate along this dimension that has the same values already stays, so that a call can be
    repeated.

    Parameters
    ----------
    obj : DataArray or Dataset
    along : Coordinate
        The coordinate that the columns were joined to.
    table : DataFrame
        The column of the coordinate and new columns; its index are the positions to keep.
    overwrite : bool
        Replace coordinates along this dimension.
    fill_value : int, optional
        Value of missing IDs.
    id_names : collection of hashable
        Columns of IDs; others are recognized by their names and values.

    Raises
    ------
    ColumnExistsError
        A name is taken.
    InvalidCoordinateError
        Files cannot store a column.
    """
    dim, column = along
    unchanged = column if len(table) == len(column) else column[table.index]
    arrays = {
        name: coordinate_array(cells, fill_value=fill_value, is_id=name in id_names or None)
        for name, cells in table.items()
        if name != column.name or not cells.equals(unchanged)
    }
    if len(table) < len(column):
        obj = obj.isel({dim: table.index.to_numpy()})
    replaced = [name for name in arrays if _is_along(obj, name, dim)]
    equal = [name for name in replaced if not overwrite and _is_equal(obj.coords[name], arrays[name])]
    _require_free(obj, dim, [name for name in arrays if name not in (replaced if overwrite else equal)])
    new = {name: (dim, cells) for name, cells in arrays.items() if name not in equal}
    if arrays and not new:  # the same call again
        return obj.copy(deep=False)
    result = obj.drop_vars([name for name in replaced if name in new]).assign_coords(new)
    return with_provenance(result, table)


def with_provenance(result: Labeled, table: pd.DataFrame | pd.Series[Any]) -> Labeled:
    """Store the provenance of a table in a new array, as JSON text that files can store."""
    if facts(table):
        result.attrs = {**result.attrs, KEY: json.dumps(facts(table))}
    return result


def provenance_of(obj: xr.DataArray | xr.Dataset) -> dict[Hashable | None, Any]:
    """Return the provenance of an array, as the ``attrs`` of a table."""
    return {KEY: facts(obj)} if facts(obj) else {}


def _is_along(obj: xr.DataArray | xr.Dataset, name: Hashable, dim: Hashable) -> bool:
    return name in obj.coords and obj.coords[name].dims == (dim,)


def _is_equal(existing: xr.DataArray, cells: Any) -> bool:
    try:
        before = coordinate_array(pd.Series(existing.to_numpy(), name=existing.name))
    except InvalidCoordinateError:
        return False
    return np.array_equal(
        before, cells, equal_nan=before.dtype.kind in "fmM" and cells.dtype.kind in "fmM"
    )


def _require_free(obj: xr.DataArray | xr.Dataset, dim: Hashable, names: list[Hashable]) -> None:
    """Raise an error if one of the names is that of a dimension, a coordinate or a data variable."""
    kinds: Mapping[str, Any] = {
        "data variable": getattr(obj, "data_vars", ()),
        "coordinate": obj.coords,
        "dimension": obj.dims,
    }
    for kind, taken in kinds.items():
        found = [name for name in names if name in taken]
        if found:
            own = all(_is_along(obj, name, dim) for name in found)
            advice = ", or overwrite=True to replace" if own else ""
            values = " with other values" if own else ""
            raise ColumnExistsError(
                f"{listing(map(repr, found))} is already a {kind}{values}, so it cannot become a new "
                f"coordinate of {dim!r}. Pass suffix=... or prefix=... for other names{advice}."
            )


def is_id_name(name: Hashable) -> bool:
    """Return whether a column of this name holds IDs, also with the suffix ``_pre`` or ``_post``.

    >>> [is_id_name(name) for name in ("nucleus_id", "bodyId_pre", "structure_id", "n_bifs")]
    [True, True, True, False]
    """
    text = _ENDS.sub("", str(name))
    return text.casefold() in _ID_NAMES or _ID_WORD.search(text) is not None


def coordinate_array(
    cells: pd.Series[Any], *, fill_value: int | None = None, is_id: bool | None = None
) -> Any:
    """Return a column as an array that ``to_netcdf`` and ``to_zarr`` can store.

    Parameters
    ----------
    cells : Series
    fill_value : int, optional
        Value of missing IDs, such as 0 ("no segment").
    is_id : bool, optional
        Whether integers are IDs. Default: the name contains the word ``id``, or a value is at least
        ``2**53``.

    Returns
    -------
    array
        IDs and integers without gaps: int64. Other integers with gaps: float64 with NaN, as other
        numbers. Booleans: bool; with gaps float64: 0, 1, NaN. Text and categories: text, ``""`` if
        missing. Times: datetime64[ns] in UTC, NaT if missing.

    Raises
    ------
    InvalidCoordinateError
        IDs are missing and there is no ``fill_value``; or the values are lists or other objects.

    Examples
    --------
    >>> from pdneuro.tables import coordinate_array
    >>> coordinate_array(pd.Series([3, None], dtype="Int64", name="n_stems"))
    array([ 3., nan])
    >>> coordinate_array(pd.Series([9162345, None], dtype="Int64", name="nucleus_id"), fill_value=0)
    array([9162345,       0])
    >>> coordinate_array(pd.Series(["acetylcholine", None])).tolist()
    ['acetylcholine', '']
    """
    types, dtype, name = pd.api.types, cells.dtype, cells.name
    if isinstance(dtype, pd.CategoricalDtype):
        categories = pd.Series(dtype.categories, name=name)
        codes = np.asarray(cells.cat.codes, np.intp)
        taken = columns.take_or_na(columns.array_of(categories), codes)
        cells = pd.Series(taken, name=name)
        return coordinate_array(cells, fill_value=fill_value, is_id=is_id)
    if types.is_object_dtype(dtype):
        return _from_objects(cells, fill_value, is_id)
    missing = cells.isna()
    gaps = bool(missing.any())
    if types.is_bool_dtype(dtype):
        return cells.to_numpy(dtype=np.float64, na_value=np.nan) if gaps else cells.to_numpy(dtype=bool)
    if types.is_integer_dtype(dtype):
        return _integers(cells, missing, gaps, fill_value, is_id)
    if types.is_float_dtype(dtype):
        return cells.to_numpy(dtype=np.float64, na_value=np.nan)
    if types.is_datetime64_any_dtype(dtype):
        return cells.to_numpy(dtype="datetime64[ns]")  # in UTC
    if types.is_timedelta64_dtype(dtype):
        return cells.to_numpy(dtype="timedelta64[ns]")
    if types.is_string_dtype(dtype):
        return _text(cells)
    raise _unstorable(cells, f"values of the dtype {dtype}")


def _integers(
    cells: pd.Series[Any],
    missing: pd.Series[bool],
    gaps: bool,
    fill_value: int | None,
    is_id: bool | None,
) -> Any:
    kind = np.uint64 if pd.api.types.is_unsigned_integer_dtype(cells.dtype) else np.int64
    numbers = cells.to_numpy(dtype=kind, na_value=0)
    if (numbers > MAX_ID).any():
        raise _unstorable(cells, "integers from 2**63")
    numbers = numbers.astype(np.int64, copy=False)
    if not gaps:
        return numbers
    large = bool(((numbers >= MAX_EXACT_FLOAT) | (numbers <= -MAX_EXACT_FLOAT)).any())
    if large or (is_id_name(cells.name) if is_id is None else is_id):
        if fill_value is None:
            row = int(np.argmax(missing.to_numpy(bool)))
            raise InvalidCoordinateError(
                f"{int(missing.sum()):,} values of {cells.name!r} are missing, the first in position "
                f"{cells.index[row]}. IDs and integers from 2**53 stay exact, so a coordinate of them "
                'has no missing values. Pass fill_value=0 ("no segment").'
            )
        return np.where(missing.to_numpy(bool), np.int64(fill_value), numbers)
    return cells.to_numpy(dtype=np.float64, na_value=np.nan)


def _text(cells: pd.Series[Any]) -> Any:
    codes, distinct = pd.factorize(cells)  # text repeats, so each distinct value is converted once
    return np.array([*map(str, distinct), ""])[codes]


def _from_objects(cells: pd.Series[Any], fill_value: int | None, is_id: bool | None) -> Any:
    kind = pd.api.types.infer_dtype(cells, skipna=True)
    if kind == "string":
        return _text(cells)
    if kind == "empty":  # no value at all
        return np.full(len(cells), np.nan)
    values = [None if pd.api.types.is_scalar(item) and pd.isna(item) else item for item in cells]
    found = columns.column(values, str(cells.name), timestamps=False)
    if isinstance(found, np.ndarray) and found.dtype == object:
        found = _of_times(cells)
        if found is None:
            example = next(item for item in values if item is not None)
            raise _unstorable(cells, f"lists or other objects, such as {str(example)[:60]!r}")
    series = pd.Series(found, index=cells.index, name=cells.name)
    return coordinate_array(series, fill_value=fill_value, is_id=is_id)


def _of_times(cells: pd.Series[Any]) -> Any:
    """Return dates and times of Python as an array, None for other objects."""
    if pd.api.types.infer_dtype(cells, skipna=True) not in ("datetime", "date", "datetime64"):
        return None
    return pd.to_datetime(cells, utc=True).array


def _unstorable(cells: pd.Series[Any], what: str) -> InvalidCoordinateError:
    return InvalidCoordinateError(
        f"{cells.name!r} contains {what}, which a coordinate cannot hold. Choose another property or "
        'field, or multiple="count" or "first" for lists of records.'
    )
