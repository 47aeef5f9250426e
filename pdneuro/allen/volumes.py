"""Volumes: gene expression, projections, annotation and template as ``xarray.DataArray``.

Axes are ``ap`` (front to back), ``dv`` (top to bottom), ``lr`` (left to right), in micrometres at the
centres of the voxels.
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
from pdneuro.tables.provenance import KEY
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
        A MetaImage header (``.mhd``, with its ``.raw`` beside it) or an NRRD file (extra
        ``volumes``).
    name : str, optional
        Name of the array. Default: the file's. Under ``energy``, ``density`` and ``intensity`` -1 is
        read as NaN: no data.

    Returns
    -------
    xarray.DataArray
        Dims ``ap, dv, lr``; coordinates in µm from the corner of the volume, at the voxels' centres:
        ``(i + 0.5) * resolution``. ``attrs["resolution"]`` is in µm. Values keep their dtype: the IDs
        of an annotation stay unsigned integers.

    Raises
    ------
    InvalidVolumeError
        The file is no volume of three dimensions, or its voxels are cut short.
    MissingDependencyError
        NRRD without pynrrd.

    Notes
    -----
    Source: http://help.brain-map.org/display/api/Downloading+3-D+Expression+Grid+Data. Files say x, y,
    z where pdneuro says ap, dv, lr.

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
    return _labelled(values, spacing, origin, name, f"read_volume({file.name})")


def grid_data(section_data_set_id: Any, kind: str = "energy", *, refresh: bool = False) -> xr.DataArray:
    """A volume of a gene expression experiment, by 200 µm.

    Parameters
    ----------
    section_data_set_id : int
    kind : {"energy", "density", "intensity"}
    refresh : bool
        Download again; else a file that was downloaded before is read.

    Returns
    -------
    xarray.DataArray
        float32, dims ``ap, dv, lr`` in µm; NaN where there are no data.

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
        raise InvalidQueryError(f"kind is one of {', '.join(payload.EXPRESSION)}, not {kind!r}.")
    folder = _folder("grid_data", str(number))
    header = folder / f"{kind}.mhd"
    if refresh or not header.exists():
        address = payload.expression_url(get_option("allen_url"), number, kind)
        send.save_archive(address, folder / f"{kind}.zip", Fetch.of())
    return _told(read_volume(header, kind), f"grid_data({number}, {kind})")


def projection_data(
    section_data_set_id: Any,
    kind: str = "projection_density",
    resolution: int = 25,
    *,
    refresh: bool = False,
) -> xr.DataArray:
    """A volume of a tracer experiment.

    Parameters
    ----------
    section_data_set_id : int
    kind : str
        ``projection_density, projection_energy, injection_fraction, injection_density,
        injection_energy, data_mask``.
    resolution : int
        Micrometres: 10, 25, 50 or 100.
    refresh : bool
        Download again.

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
        raise InvalidQueryError(f"kind is one of {', '.join(payload.PROJECTION)}, not {kind!r}.")
    path = _folder("projection", str(number)) / f"{kind}_{payload.checked_resolution(resolution)}.nrrd"
    if refresh or not path.exists():
        send.save(
            payload.projection_url(get_option("allen_url"), number, kind, resolution), path, Fetch.of()
        )
    return _told(read_volume(path, kind), f"projection_data({number}, {kind}, {resolution})")


def annotation_volume(
    resolution: int = 25, *, ccf_version: str | None = None, refresh: bool = False
) -> xr.DataArray:
    """The structure ID of each voxel of the reference space; 0 is outside.

    Parameters
    ----------
    resolution : int
        Micrometres: 10, 25, 50 or 100.
    ccf_version : str, optional
        Default ``"annotation/ccf_2017"``.
    refresh : bool
        Download again.

    Returns
    -------
    xarray.DataArray
        Unsigned integers: never floats, which would round IDs.

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
    return _told(read_volume(path, "annotation"), f"annotation_volume({resolution}, {version})")


def template_volume(resolution: int = 25, *, refresh: bool = False) -> xr.DataArray:
    """The average brain that experiments are registered to; as :func:`annotation_volume`.

    Parameters
    ----------
    resolution : int
        Micrometres: 10, 25, 50 or 100.
    refresh : bool
        Download again.

    Returns
    -------
    xarray.DataArray
        Unsigned integers: brightness.

    Examples
    --------
    >>> template = pdneuro.allen.template_volume(100)
    >>> template.dims, template.shape, template.attrs["resolution"]
    (('ap', 'dv', 'lr'), (12, 8, 10), 100.0)
    """
    name = f"average_template_{payload.checked_resolution(resolution)}.nrrd"
    path = _reference_file("average_template", name, refresh)
    return _told(read_volume(path, "average_template"), f"template_volume({resolution})")


def _reference_file(data_path: str, name: str, refresh: bool) -> Path:
    """Return a file of the archive of reference volumes, downloaded if necessary."""
    path = _folder("reference", data_path.replace("/", "_")) / name
    if refresh or not path.exists():
        send.save(payload.archive_url(get_option("allen_files_url"), data_path, name), path, Fetch.of())
    return path


def _folder(*parts: str) -> Path:
    """Where downloaded volumes lie, below the cache folder."""
    make_private_folder(cache_folder())
    # Files of different servers are different files.
    hosts = (urlsplit(get_option(name)).netloc for name in ("allen_url", "allen_files_url"))
    place = "-".join(dict.fromkeys(host.replace(":", "_") for host in hosts))
    folder = cache_folder().joinpath("downloads", place, *parts)
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
            f"{path} is no MetaImage header that pdneuro reads: {error}."
        ) from error
    origin = np.array([float(part) for part in header.get("Offset", "0 0 0").split()])
    big = header.get("BinaryDataByteOrderMSB", header.get("ElementByteOrderMSB", "False"))
    kind = kind.newbyteorder(">" if big.lower() == "true" else "<")
    voxels = path.with_name(data)
    if header.get("CompressedData", "False").lower() == "true":
        raise InvalidVolumeError(f"{voxels} is compressed, which pdneuro does not read.")
    try:
        values = np.fromfile(voxels, kind)
    except OSError as error:
        raise InvalidVolumeError(f"the voxels of {path} cannot be read: {error}.") from error
    wanted = int(np.prod(size))
    if len(size) != 3 or values.size != wanted or voxels.stat().st_size != wanted * kind.itemsize:
        raise InvalidVolumeError(
            f"{voxels} holds {values.size:,} values where its header promises {wanted:,} "
            f"({' x '.join(map(str, size))}): it is cut short, or of another volume."
        )
    # The first axis runs fastest in the file.
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
    if not np.isfinite(spacing).all():  # the name says it: annotation_25.nrrd
        found = re.search(r"_(\d+)\.nrrd$", path.name)
        if not found:
            raise InvalidVolumeError(f"{path} does not say how large its voxels are.")
        spacing = np.full(3, float(found[1]))
    if spacing.max() < 1:  # some copies are in millimetres
        spacing = spacing * 1000
    return values, spacing, np.zeros(3)


def _labelled(
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
            attrs={"units": "µm", "axis": long, "position": "voxel centre"},
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
    return _told(array, query)


def _told(array: xr.DataArray, query: str) -> xr.DataArray:
    """Provenance, as tables have it."""
    from pdneuro._version import __version__

    array.attrs[KEY] = {"version": __version__, "source": "allen", "query": query}
    return array
