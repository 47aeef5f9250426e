"""Volumes of gene expression, projections, annotation and template as ``xarray.DataArray``.

Axes are ``ap`` (front to back), ``dv`` (top to bottom), ``lr`` (left to right), in micrometers at the
centers of the voxels.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt

from pdneuro._compat import optional
from pdneuro.allen import payload, send
from pdneuro.errors import InvalidQueryError, InvalidVolumeError
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
        Name of the array. Default: the name of the file. For ``energy``, ``density`` and ``intensity``,
        -1 (no data) becomes NaN.

    Returns
    -------
    xarray.DataArray
        Dims ``ap, dv, lr``; coordinates in µm from the corner of the volume, at the centers of voxels:
        ``(i + 0.5) * resolution``. ``attrs["resolution"]`` is in µm. Values keep their dtype: the IDs
        of an annotation stay unsigned integers.

    Raises
    ------
    InvalidVolumeError
        The file is not a volume of three dimensions, or it is truncated.
    MissingDependencyError
        pynrrd, which reads NRRD files, is not installed (extra ``volumes``).

    Notes
    -----
    Source: http://help.brain-map.org/display/api/Downloading+3-D+Expression+Grid+Data. The axes x, y, z
    of the files are ap, dv, lr.

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
    values, spacing, origin = _read_mhd(file) if file.suffix == ".mhd" else _read_nrrd(file)
    return _labeled(values, spacing, origin, name, f"read_volume({file.name})")


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
    header = folder / f"{kind}.mhd"
    if refresh or not header.exists():
        address = payload.expression_url(get_option("allen_url"), number, kind)
        send.save_archive(address, folder / f"{kind}.zip", Fetch.of())
    return _with_provenance(read_volume(header, kind), f"grid_data({number}, {kind})")


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
    if refresh or not path.exists():
        send.save(
            payload.projection_url(get_option("allen_url"), number, kind, resolution), path, Fetch.of()
        )
    return _with_provenance(read_volume(path, kind), f"projection_data({number}, {kind}, {resolution})")


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
    path = _reference_file(version, f"annotation_{payload.checked_resolution(resolution)}.nrrd", refresh)
    return _with_provenance(
        read_volume(path, "annotation"), f"annotation_volume({resolution}, {version})"
    )


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
    path = _reference_file("average_template", name, refresh)
    return _with_provenance(read_volume(path, "average_template"), f"template_volume({resolution})")


def _reference_file(data_path: str, name: str, refresh: bool) -> Path:
    """Return a file of the archive of reference volumes, downloaded if necessary."""
    path = _folder("reference", data_path.replace("/", "_")) / name
    if refresh or not path.exists():
        send.save(payload.archive_url(get_option("allen_files_url"), data_path, name), path, Fetch.of())
    return path


def _folder(*parts: str) -> Path:
    """Return a folder for downloaded volumes in the cache folder."""
    make_private_folder(cache_folder())
    # Files of different servers may differ, so each server has a folder.
    hosts = (urlsplit(get_option(name)).netloc for name in ("allen_url", "allen_files_url"))
    server = "-".join(dict.fromkeys(host.replace(":", "_") for host in hosts))
    folder = cache_folder().joinpath("downloads", server, *parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


# -- files ----------------------------------------------------------------------------------------


def _read_mhd(path: Path) -> tuple[Any, npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    header = _header(path)
    try:
        size = [int(part) for part in header["DimSize"].split()]
        spacing = np.array([float(part) for part in header["ElementSpacing"].split()])
        kind = np.dtype(_ELEMENTS[header["ElementType"]])
        data = header["ElementDataFile"]
    except (KeyError, ValueError) as error:
        raise InvalidVolumeError(
            f"{path} is not a MetaImage header that pdneuro can read: {error}."
        ) from error
    origin = np.array([float(part) for part in header.get("Offset", "0 0 0").split()])
    big_endian = header.get("BinaryDataByteOrderMSB", header.get("ElementByteOrderMSB", "False"))
    kind = kind.newbyteorder(">" if big_endian.lower() == "true" else "<")
    voxels = path.with_name(data)
    if header.get("CompressedData", "False").lower() == "true":
        raise InvalidVolumeError(f"{voxels} is compressed, which pdneuro cannot read. Decompress it.")
    try:
        values = np.fromfile(voxels, kind)
    except OSError as error:
        raise InvalidVolumeError(f"the voxels of {path} cannot be read: {error}.") from error
    wanted = int(np.prod(size))
    if len(size) != 3 or values.size != wanted or voxels.stat().st_size != wanted * kind.itemsize:
        raise InvalidVolumeError(
            f"{voxels} contains {values.size:,} values, but its header lists {wanted:,} "
            f"({' x '.join(map(str, size))}): it is truncated or another file. Download it again."
        )
    # The first axis varies fastest in the file.
    return values.astype(kind.newbyteorder("="), copy=False).reshape(size, order="F"), spacing, origin


def _header(path: Path) -> Mapping[str, str]:
    try:
        lines = path.read_text(encoding="latin-1").splitlines()
    except OSError as error:
        raise InvalidVolumeError(f"{path} cannot be read: {error}.") from error
    pairs = (line.partition("=") for line in lines)
    return {key.strip(): value.strip() for key, _, value in pairs}


def _read_nrrd(path: Path) -> tuple[Any, npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    nrrd = optional("nrrd", "volumes")
    try:
        values, header = nrrd.read(str(path))
    except (OSError, nrrd.NRRDError, ValueError, KeyError) as error:
        raise InvalidVolumeError(f"{path} cannot be read as NRRD: {error}.") from error
    if values.ndim != 3:
        raise InvalidVolumeError(f"{path} has {values.ndim} dimensions, not three.")
    if "space directions" in header:
        spacing = np.abs(np.asarray(header["space directions"], float)).max(axis=1)
    else:
        spacing = np.asarray(header.get("spacings", [np.nan] * 3), float)
    if not np.isfinite(spacing).all():  # the name contains the size, as in annotation_25.nrrd
        match = re.search(r"_(\d+)\.nrrd$", path.name)
        if not match:
            raise InvalidVolumeError(f"{path} does not contain the size of its voxels.")
        spacing = np.full(3, float(match[1]))
    if spacing.max() < 1:  # some files are in millimeters
        spacing = spacing * 1000
    return values, spacing, np.zeros(3)


def _labeled(
    values: Any,
    spacing: npt.NDArray[np.float64],
    origin: npt.NDArray[np.float64],
    name: str,
    query: str,
) -> xr.DataArray:
    import xarray as xr

    if name in payload.EXPRESSION and values.dtype.kind == "f":
        values = np.where(values == -1, np.nan, values).astype(values.dtype)
    coordinates = {
        dim: xr.DataArray(
            origin[axis] + (np.arange(size) + 0.5) * spacing[axis],
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
    return _with_provenance(array, query)


def _with_provenance(array: xr.DataArray, query: str) -> xr.DataArray:
    """Add the same provenance as for tables."""
    from pdneuro._version import __version__

    array.attrs[KEY] = {"version": __version__, "source": origin("allen"), "query": query}
    return array
