"""Volumes of gene expression, projections, annotation and template as ``xarray.DataArray``.

Axes are ``ap`` (front to back), ``dv`` (top to bottom), ``lr`` (left to right), in micrometers at the
centers of the voxels.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt

from pdneuro._compat import optional
from pdneuro.allen import payload, send
from pdneuro.errors import InvalidQueryError, InvalidVolumeError, NoDataWarning, listing, warn
from pdneuro.options import Fetch, get_option
from pdneuro.tables.provenance import KEY, origin
from pdneuro.tables.volumes import DIMS
from pdneuro.transport.store import cache_folder, make_private_folder

if TYPE_CHECKING:
    import xarray as xr

#: Element types of MetaImage headers.
_ELEMENTS = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}


def read_volume(path: Any, name: str | None = None) -> xr.DataArray:
    """Read a volume of the Allen Institute from a file.

    Parameters
    ----------
    path : path
        A MetaImage header (``.mhd``, with its ``.raw`` file in the same folder) or an NRRD file (extra
        ``volumes``).
    name : str, optional
        Name of the array. Default: the name of the file. If it contains ``energy``, ``density`` or
        ``intensity``, -1 (no data) becomes NaN.

    Returns
    -------
    xarray.DataArray
        Dims ``ap, dv, lr``; coordinates in µm at the centers of voxels: ``(i + 0.5) * resolution``
        after the origin of the file. ``attrs["resolution"]`` is in µm. Values keep their dtype: the IDs
        of an annotation stay unsigned integers.

    Raises
    ------
    InvalidVolumeError
        The file is not a volume of three dimensions, it is damaged, its axes are oblique, or it states
        an unknown unit.
    MissingDependencyError
        pynrrd, which reads NRRD files, is not installed (extra ``volumes``).

    Warns
    -----
    NoDataWarning
        -1 is the lowest value, and the name is not that of a gene expression volume.

    Notes
    -----
    Source: http://help.brain-map.org/display/api/Downloading+3-D+Expression+Grid+Data. The axes x, y, z
    of a file's space are ap, dv, lr. Axes in another order or direction are reordered. If a file states
    no unit, its voxels are in millimeters if they are smaller than 1, otherwise in micrometers.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = pdneuro.allen.GridDataApi().download_gene_expression_grid_data(
    ...     69816930, "energy", folder / "energy.zip"
    ... )
    >>> pdneuro.allen.read_volume(folder / "energy.mhd").sizes
    Frozen({'ap': 6, 'dv': 4, 'lr': 5})
    """
    file = Path(path).expanduser()
    name = file.name.partition(".")[0] if name is None else name
    read = _read_mhd if file.suffix.lower() == ".mhd" else _read_nrrd
    return _labeled(read(file), name, f"read_volume({file.name})")


def grid_data(section_data_set_id: Any, kind: str = "energy", *, refresh: bool = False) -> xr.DataArray:
    """Return a volume of a gene expression experiment, with voxels of 200 µm.

    Parameters
    ----------
    section_data_set_id : int
    kind : {"energy", "density", "intensity"}, default "energy"
    refresh : bool, default False
        Download the file again.

    Returns
    -------
    xarray.DataArray
        float32, dims ``ap, dv, lr`` in µm; NaN means no data.

    Raises
    ------
    InvalidVolumeError, InvalidResponseError
        The file is not a volume.
    ServiceError, OfflineError
        The request failed; or pdneuro is offline and the file was not downloaded before.

    Examples
    --------
    >>> energy = pdneuro.allen.grid_data(69816930)
    >>> energy.dims, energy.attrs["resolution"], bool(energy.isnull().any())
    (('ap', 'dv', 'lr'), 200.0, True)
    """
    number = payload.one_id(section_data_set_id, "section_data_set_id")
    if kind not in payload.EXPRESSION:
        raise InvalidQueryError(f"kind must be one of {', '.join(payload.EXPRESSION)}, not {kind!r}.")
    folder = _folder("grid_data", str(number))
    address = payload.expression_url(get_option("allen_url"), number, kind)
    return _downloaded(
        folder / f"{kind}.mhd",
        lambda: send.save_archive(address, folder / f"{kind}.zip", Fetch.of()),
        kind,
        f"grid_data({number}, {kind})",
        refresh=refresh,
    )


def projection_data(
    section_data_set_id: Any,
    kind: str = "projection_density",
    resolution: int = 25,
    *,
    refresh: bool = False,
) -> xr.DataArray:
    """Return a volume of a tracer experiment.

    Parameters
    ----------
    section_data_set_id : int
    kind : str
        ``projection_density, projection_energy, injection_fraction, injection_density,
        injection_energy, data_mask``.
    resolution : int
        Size of the voxels in micrometers: 10, 25, 50 or 100.
    refresh : bool, default False
        Download the file again.

    Returns
    -------
    xarray.DataArray
        Dims ``ap, dv, lr`` in µm.

    Raises
    ------
    InvalidVolumeError, InvalidResponseError
        The file is not a volume.
    ServiceError, OfflineError
        The request failed; or pdneuro is offline and the file was not downloaded before.

    Examples
    --------
    >>> pdneuro.allen.projection_data(100140756, resolution=100).shape
    (12, 8, 10)
    """
    number = payload.one_id(section_data_set_id, "section_data_set_id")
    if kind not in payload.PROJECTION:
        raise InvalidQueryError(f"kind must be one of {', '.join(payload.PROJECTION)}, not {kind!r}.")
    path = _folder("projection", str(number)) / f"{kind}_{payload.checked_resolution(resolution)}.nrrd"
    address = payload.projection_url(get_option("allen_url"), number, kind, resolution)
    query = f"projection_data({number}, {kind}, {resolution})"
    return _downloaded(path, lambda: send.save(address, path, Fetch.of()), kind, query, refresh=refresh)


def annotation_volume(
    resolution: int = 25, *, ccf_version: str | None = None, refresh: bool = False
) -> xr.DataArray:
    """Return the structure ID of each voxel of the reference space; 0 is outside the brain.

    Parameters
    ----------
    resolution : int
        Size of the voxels in micrometers: 10, 25, 50 or 100.
    ccf_version : str, optional
        Version of the annotation. Default: ``"annotation/ccf_2017"``.
    refresh : bool, default False
        Download the file again.

    Returns
    -------
    xarray.DataArray
        Unsigned integers, dims ``ap, dv, lr`` in µm.

    Raises
    ------
    InvalidVolumeError, InvalidResponseError
        The file is not a volume.
    ServiceError, OfflineError
        The request failed; or pdneuro is offline and the file was not downloaded before.

    Examples
    --------
    >>> annotation = pdneuro.allen.annotation_volume(100)
    >>> annotation.dtype, int(annotation.max())
    (dtype('uint32'), 614454277)
    """
    version = ccf_version or payload.CCF_VERSION
    name = f"annotation_{payload.checked_resolution(resolution)}.nrrd"
    query = f"annotation_volume({resolution}, {version})"
    return _reference(version, name, "annotation", query, refresh=refresh)


def template_volume(resolution: int = 25, *, refresh: bool = False) -> xr.DataArray:
    """Return the average brain that experiments are registered to.

    Parameters
    ----------
    resolution : int
        Size of the voxels in micrometers: 10, 25, 50 or 100.
    refresh : bool, default False
        Download the file again.

    Returns
    -------
    xarray.DataArray
        Unsigned integers (brightness), dims ``ap, dv, lr`` in µm.

    Examples
    --------
    >>> template = pdneuro.allen.template_volume(100)
    >>> template.dims, template.shape, template.attrs["resolution"]
    (('ap', 'dv', 'lr'), (12, 8, 10), 100.0)
    """
    name = f"average_template_{payload.checked_resolution(resolution)}.nrrd"
    query = f"template_volume({resolution})"
    return _reference("average_template", name, "average_template", query, refresh=refresh)


def _reference(data_path: str, file: str, name: str, query: str, *, refresh: bool) -> xr.DataArray:
    """Return a volume of the archive of reference volumes."""
    path = _folder("reference", data_path.replace("/", "_")) / file
    address = payload.archive_url(get_option("allen_files_url"), data_path, file)
    return _downloaded(path, lambda: send.save(address, path, Fetch.of()), name, query, refresh=refresh)


def _folder(*parts: str) -> Path:
    """Return a folder for downloaded volumes in the cache folder."""
    make_private_folder(cache_folder())
    # Files of different servers may differ, so each server has a folder.
    hosts = (urlsplit(get_option(name)).netloc for name in ("allen_url", "allen_files_url"))
    server = "-".join(dict.fromkeys(host.replace(":", "_") for host in hosts))
    folder = cache_folder().joinpath("downloads", server, *parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _downloaded(
    path: Path, download: Callable[[], Any], name: str, query: str, *, refresh: bool
) -> xr.DataArray:
    """Read a file of the cache, downloaded if necessary; a damaged file does not stay in the cache."""
    fresh = refresh or not path.exists()
    if fresh:
        download()
    try:
        return with_provenance(read_volume(path, name), query)
    except InvalidVolumeError as error:
        path.unlink(missing_ok=True)
        if fresh:
            raise InvalidVolumeError(
                f"the downloaded file is damaged and was deleted: {error} Run the call again."
            ) from error
    return _downloaded(path, download, name, query, refresh=True)


# -- files ----------------------------------------------------------------------------------------


class _File(NamedTuple):
    """The content of a file: voxels, and where they are."""

    path: Path
    values: npt.NDArray[Any]
    #: One row per axis of the array: the step to the next voxel along ap, dv and lr.
    directions: npt.NDArray[np.float64]
    #: The corner of the volume before the first voxel; None if the file does not state it.
    origin: npt.NDArray[np.float64] | None
    #: Micrometers per unit along ap, dv and lr; None if the file does not state its unit.
    units: npt.NDArray[np.float64] | None


_PREFIXES = {"nano": 1e-3, "micro": 1.0, "milli": 1e3, "centi": 1e4, "": 1e6}
#: Micrometers per unit; casefold() has one of the two letters that are written as µ.
_UNITS = {
    "nm": 1e-3,
    "um": 1.0,
    "\u03bcm": 1.0,
    "micron": 1.0,
    "microns": 1.0,
    "mm": 1e3,
    "cm": 1e4,
    "m": 1e6,
    **{f"{prefix}{word}": size for prefix, size in _PREFIXES.items() for word in ("meter", "meters")},
    **{f"{prefix}{word}": size for prefix, size in _PREFIXES.items() for word in ("metre", "metres")},
}
#: Names of the Institute's files without a spacing: they end in the size of the voxels.
_SIZE_IN_NAME = re.compile(
    r"(?:annotation|average_template|ara_nissl|\w*(?:density|energy|fraction|mask))_(10|25|50|100|200)",
    re.I,
)


def read_mhd(path: Path) -> tuple[Any, list[tuple[float, ...]]]:
    """Return the voxels of a MetaImage, their size, the origin, and the directions of the axes."""
    file = _read_mhd(path)
    size = np.linalg.norm(file.directions, axis=1)
    origin = np.zeros(3) if file.origin is None else file.origin
    turned = (file.directions / size[:, np.newaxis]).T.reshape(-1)
    return file.values, [tuple(map(float, part)) for part in (size, origin, turned)]


def _read_mhd(path: Path) -> _File:
    header = _header(path)
    try:
        size = [int(part) for part in header["DimSize"].split()]
        spacing = np.array([float(part) for part in header["ElementSpacing"].split()])
        kind = np.dtype(_ELEMENTS[header["ElementType"].upper()])
        voxels = path.parent / header["ElementDataFile"]
        offset = _numbers(header, ("Offset", "Position", "Origin"), 3)
        matrix = _numbers(header, ("TransformMatrix", "Rotation", "Orientation"), 9)
        directions = np.eye(3) if matrix is None else matrix.reshape(3, 3)
        directions = directions * spacing[:, np.newaxis]
    except (KeyError, ValueError) as error:
        raise InvalidVolumeError(
            f"{path} is not a MetaImage header that pdneuro can read: {error}."
        ) from error
    big_endian = header.get("BinaryDataByteOrderMSB", header.get("ElementByteOrderMSB", "False"))
    kind = kind.newbyteorder(">" if big_endian.lower() == "true" else "<")
    if header.get("CompressedData", "False").lower() == "true":
        raise InvalidVolumeError(f"{voxels} is compressed, which pdneuro cannot read. Decompress it.")
    try:
        values = np.fromfile(voxels, kind)
        length = voxels.stat().st_size
    except OSError as error:
        raise InvalidVolumeError(f"the voxels of {path} cannot be read: {error}.") from error
    wanted = int(np.prod(size))
    if len(size) != 3 or values.size != wanted or length != wanted * kind.itemsize:
        raise InvalidVolumeError(
            f"{voxels} contains {values.size:,} values, but its header lists {wanted:,} "
            f"({' x '.join(map(str, size))}): it is truncated or another file. Download it again."
        )
    # The first axis varies fastest in the file.
    values = values.reshape(size, order="F")
    unit = header.get("DistanceUnits", "")
    return _File(path, values, directions, offset, _scale(path, [unit] * 3))


def _numbers(
    header: Mapping[str, str], names: Sequence[str], count: int
) -> npt.NDArray[np.float64] | None:
    """Return the numbers of a header's line, known by several names; None if it is absent."""
    line = next((header[name] for name in names if name in header), None)
    if line is None:
        return None
    numbers = np.array([float(part) for part in line.split()])
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise ValueError(f"{names[0]} must be {count} numbers, not {line!r}")
    return numbers


def _header(path: Path) -> Mapping[str, str]:
    try:
        lines = path.read_text(encoding="latin-1").splitlines()
    except OSError as error:
        raise InvalidVolumeError(f"{path} cannot be read: {error}.") from error
    pairs = (line.partition("=") for line in lines)
    return {key.strip(): value.strip() for key, _, value in pairs}


def _read_nrrd(path: Path) -> _File:
    nrrd = optional("nrrd", "volumes")
    try:
        values, header = nrrd.read(str(path))
        size = np.shape(values)
        directions = header.get("space directions")
        spacing = header.get("spacings")
        # The rows of axes that are not spatial are missing.
        if directions is not None and np.isfinite(np.asarray(directions, float)).all():
            directions = np.asarray(directions, float)
            units = header.get("space units")
        elif spacing is not None and np.isfinite(np.asarray(spacing, float)).all():
            directions, units = np.diag(np.asarray(spacing, float)), header.get("units")
        else:
            directions, units = None, None
        origin = header.get("space origin")
        origin = None if origin is None else np.asarray(origin, float)
    except Exception as error:  # pynrrd raises whatever its code meets: zlib.error, StopIteration ...
        raise InvalidVolumeError(
            f"{path} cannot be read as NRRD: {type(error).__name__}: {error}. It is damaged or another "
            "file; download it again."
        ) from error
    if len(size) != 3:
        raise InvalidVolumeError(f"{path} has {len(size)} dimensions, not three.")
    if directions is None:
        match = _SIZE_IN_NAME.fullmatch(path.name.partition(".")[0])
        if not match:
            raise InvalidVolumeError(
                f"{path} does not contain the size of its voxels. Add 'space directions' and 'space "
                "units' to its header."
            )
        directions, units = np.eye(3) * float(match[1]), ["um"] * 3
    if directions.shape != (3, 3) or (origin is not None and origin.shape != (3,)):
        raise InvalidVolumeError(f"{path} has a space of another number of dimensions than three.")
    return _File(path, values, directions, origin, _scale(path, units))


def _scale(path: Path, units: Sequence[str] | None) -> npt.NDArray[np.float64] | None:
    """Return micrometers per unit along each axis; None if no unit is stated."""
    words = [str(unit).strip().strip('"').casefold() for unit in units or ()]
    if not any(words) or set(words) <= {"", "?", "none"}:
        return None
    if len(words) != 3 or not set(words) <= set(_UNITS):
        raise InvalidVolumeError(
            f"{path} states units that pdneuro does not know: {listing(map(repr, words))}. Use um, mm, "
            "nm, cm or m in its header."
        )
    return np.array([_UNITS[word] for word in words])


def _in_axes(file: _File) -> tuple[Any, npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the voxels in the order and directions of ap, dv, lr; spacing and corner in µm.

    Raises
    ------
    InvalidVolumeError
        The axes are oblique, or an axis has no length.
    """
    directions, units = file.directions, file.units
    if units is None:  # files without a unit are in micrometers, or in millimeters if voxels are tiny
        units = np.full(3, 1e3 if np.max(np.abs(directions)) < 1 else 1.0)
    directions = directions * units
    lengths = np.abs(directions).max(axis=1)
    axes = np.abs(directions).argmax(axis=1)
    other = np.abs(directions).sum(axis=1) - lengths
    if not np.isfinite(directions).all() or not lengths.all() or sorted(axes.tolist()) != [0, 1, 2]:
        raise InvalidVolumeError(f"{file.path} has invalid axes: {_matrix(file.directions)}.")
    if (other > 1e-6 * lengths).any():
        raise InvalidVolumeError(
            f"{file.path} has axes that are oblique to ap, dv, lr: {_matrix(file.directions)}. Resample "
            "it to axes that are parallel to these."
        )
    order = np.argsort(axes)
    values = np.transpose(file.values, order)
    steps = directions[order, [0, 1, 2]]
    spacing = np.abs(steps)
    corner = np.zeros(3) if file.origin is None else file.origin * units
    for axis in np.flatnonzero(steps < 0).tolist():
        values = np.flip(values, axis)
        if file.origin is not None:  # the origin is at the last voxel now
            corner[axis] += steps[axis] * (values.shape[axis] - 1)
    return values, spacing, corner


def _matrix(directions: npt.NDArray[np.float64]) -> str:
    return " ".join(f"({', '.join(f'{step:g}' for step in row)})" for row in directions.tolist())


def _labeled(file: _File, name: str, query: str) -> xr.DataArray:
    import xarray as xr

    values, spacing, corner = _in_axes(file)
    # pandas does not process the other byte order.
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    if values.dtype.kind == "f" and bool((values == -1).any()):
        if re.search("|".join(payload.EXPRESSION), name, re.I):
            values = np.where(values == -1, np.nan, values).astype(values.dtype)
        elif np.nanmin(values) == -1:
            warn(
                f"{file.path} contains values of -1, which mean 'no data' in the Institute's volumes of "
                'gene expression. read_volume(path, name="energy") converts them to NaN.',
                NoDataWarning,
            )
    coordinates = {
        dim: xr.DataArray(
            corner[axis] + (np.arange(size) + 0.5) * spacing[axis],
            dims=dim,
            attrs={"units": "µm", "axis": long, "position": "voxel center"},
        )
        for axis, (dim, size, long) in enumerate(
            zip(
                DIMS,
                values.shape,
                ("anterior to posterior", "dorsal to ventral", "left to right"),
                strict=True,
            )
        )
    }
    resolution: Any = float(spacing[0]) if (spacing == spacing[0]).all() else spacing.tolist()
    array = xr.DataArray(values, dims=DIMS, coords=coordinates, name=name)
    array.attrs["resolution"] = resolution
    return with_provenance(array, query)


def with_provenance(array: xr.DataArray, query: str) -> xr.DataArray:
    """Add the same provenance as for tables."""
    from pdneuro._version import __version__

    array.attrs[KEY] = {"version": __version__, "source": origin("allen"), "query": query}
    return array
