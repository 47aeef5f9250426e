"""GridDataApi: volumes of gene expression and of projections, and their alignment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pdneuro.allen import payload
from pdneuro.allen.api.base import documented
from pdneuro.allen.api.rma import RmaApi
from pdneuro.errors import InvalidQueryError, NotFoundError, listing

_FIELD_TYPES = ("DeformationFieldHeader", "DeformationFieldVoxels")


@documented
class GridDataApi(RmaApi):
    """Files with volumes; :func:`pdneuro.allen.read_volume` reads them as ``xarray.DataArray``.

    Parameters
    ----------
    resolution : int, optional
        Size of the voxels in micrometers; an attribute of the object. Default: 25.
    base_uri : str, optional
        Address of the service. Default: the option ``allen_url``.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "energy.nrrd"
    >>> grid = pdneuro.allen.GridDataApi()
    >>> file = grid.download_projection_grid_data(100140756, "projection_energy", 100, path)
    >>> pdneuro.allen.read_volume(file).shape
    (12, 8, 10)
    """

    ENERGY, DENSITY, INTENSITY = payload.EXPRESSION
    PROJECTION_DENSITY, PROJECTION_ENERGY = payload.PROJECTION[:2]
    INJECTION_FRACTION, INJECTION_DENSITY, INJECTION_ENERGY, DATA_MASK = payload.PROJECTION[2:]

    def __init__(self, resolution: int | None = None, base_uri: str | None = None) -> None:
        check_resolution(resolution)
        super().__init__(base_uri)
        self.resolution = 25 if resolution is None else resolution

    # -- payload ----------------------------------------------------------------------------------

    def build_expression_url(self, section_data_set_id: Any, include: Any = None) -> str:
        """Return the address of the volumes of a gene expression experiment.

        Examples
        --------
        >>> grid = pdneuro.allen.GridDataApi(base_uri="https://api.brain-map.org")
        >>> grid.build_expression_url(69816930, ["energy", "density"])
        'https://api.brain-map.org/grid_data/download/69816930?include=energy,density'
        """
        return payload.expression_url(self.api_url, section_data_set_id, include)

    def build_projection_url(
        self, section_data_set_id: Any, image: Any = None, resolution: int | None = None
    ) -> str:
        """Return the address of a volume of a projection experiment.

        Examples
        --------
        >>> grid = pdneuro.allen.GridDataApi(base_uri="https://api.brain-map.org")
        >>> grid.build_projection_url(100140756, "data_mask", 25)
        'https://api.brain-map.org/grid_data/download_file/100140756?image=data_mask&resolution=25'
        """
        return payload.projection_url(self.api_url, section_data_set_id, image, resolution)

    # -- send -------------------------------------------------------------------------------------

    def download_gene_expression_grid_data(
        self, section_data_set_id: Any, volume_type: str, path: Any
    ) -> Path:
        """Download and extract a volume of gene expression.

        Parameters
        ----------
        section_data_set_id : int
        volume_type : {"energy", "density", "intensity"}
        path : path
            The files ``{volume_type}.mhd``, ``{volume_type}.raw`` and ``data_set.xml`` go into the
            folder of this path.

        Raises
        ------
        {download errors}

        Examples
        --------
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "energy.mhd"
        >>> grid = pdneuro.allen.GridDataApi()
        >>> file = grid.download_gene_expression_grid_data(69816930, "energy", path)
        >>> sorted(path.name for path in file.parent.iterdir()), pdneuro.allen.read_volume(file).shape
        (['data_set.xml', 'energy.mhd', 'energy.raw'], (6, 4, 5))
        """
        address = self.build_expression_url(section_data_set_id, volume_type)
        return self.retrieve_file_over_http(address, path, zipped=True)

    def download_expression_grid_data(
        self, section_data_set_id: Any, include: Any = None, path: Any = None
    ) -> Path:
        """Download volumes of gene expression as a zip archive.

        Parameters
        ----------
        section_data_set_id : int
        include : str or list of str, optional
            ``energy`` (the service's default), ``density``, ``intensity``.
        path : path, optional
            Default: ``{section_data_set_id}.zip`` in the current folder.

        Examples
        --------
        >>> import pathlib, tempfile, zipfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "grid.zip"
        >>> grid = pdneuro.allen.GridDataApi()
        >>> file = grid.download_expression_grid_data(69816930, ["energy", "density"], path)
        >>> zipfile.ZipFile(file).namelist()
        ['energy.mhd', 'energy.raw', 'density.mhd', 'density.raw', 'data_set.xml']
        """
        number = payload.one_id(section_data_set_id, "section_data_set_id")
        return self._save(
            self.build_expression_url(number, include), f"{number}.zip" if path is None else path
        )

    def download_projection_grid_data(
        self,
        section_data_set_id: Any,
        image: Any = None,
        resolution: int | None = None,
        save_file_path: Any = None,
    ) -> Path:
        """Download a volume of a projection experiment in NRRD format.

        Parameters
        ----------
        section_data_set_id : int
        image : str or list of str, optional
            ``projection_density, projection_energy, injection_fraction, injection_density,
            injection_energy, data_mask``.
        resolution : int, optional
            Size of the voxels in micrometers: 10, 25, 50, or 100 (the service's default).
        save_file_path : path, optional
            Default: ``{section_data_set_id}.nrrd`` in the current folder.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "mask.nrrd"
        >>> grid = pdneuro.allen.GridDataApi()
        >>> file = grid.download_projection_grid_data(100140756, "data_mask", 100, path)
        >>> int(pdneuro.allen.read_volume(file).sum())
        480
        """
        number = payload.one_id(section_data_set_id, "section_data_set_id")
        path = f"{number}.nrrd" if save_file_path is None else save_file_path
        return self._save(self.build_projection_url(number, image, resolution), path)

    def download_deformation_field(
        self,
        section_data_set_id: Any,
        header_path: Any = None,
        voxel_path: Any = None,
        voxel_type: str = "DeformationFieldVoxels",
        header_type: str = "DeformationFieldHeader",
    ) -> tuple[Path, Path]:
        """Download the deformation of a data set into the reference space, a 3D field of vectors.

        Returns
        -------
        (Path, Path)
            Header and voxels; default ``{section_data_set_id}_dfmfld.mhd`` and ``.raw``.

        Raises
        ------
        NotFoundError
            The data set does not have such files.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> files = pdneuro.allen.GridDataApi().download_deformation_field(
        ...     100140756, folder / "field.mhd", folder / "field.raw"
        ... )
        >>> [file.name for file in files]
        ['field.mhd', 'field.raw']
        """
        number = payload.one_id(section_data_set_id, "section_data_set_id")
        files = self._model_rows(
            "WellKnownFile",
            filters={"attachable_id": number},
            criteria=f"well_known_file_type[name$in{payload.names(_FIELD_TYPES, 'types')}]",
            include="well_known_file_type",
        )
        known = {file["well_known_file_type"]["name"]: file["id"] for file in files}
        missing = [kind for kind in (header_type, voxel_type) if kind not in known]
        if missing:
            raise NotFoundError(f"data set {number} does not have a file of type {listing(missing)}.")
        header = header_path or f"{number}_dfmfld.mhd"
        voxels = voxel_path or f"{number}_dfmfld.raw"
        url = self.construct_well_known_file_download_url
        return self._save(url(known[header_type]), header), self._save(url(known[voxel_type]), voxels)

    def download_alignment3d(
        self, section_data_set_id: Any, num_rows: Any = "all", count: bool = False, **options: Any
    ) -> dict[str, Any]:
        """Return the affine map between the images of a data set and the reference space.

        Raises
        ------
        NotFoundError
            The data set does not have exactly one alignment.

        Examples
        --------
        >>> pdneuro.allen.GridDataApi().download_alignment3d(100140756)
        {'id': 1001407560, 'section_data_set_id': 100140756, 'tvr_00': 1.0, 'tvr_09': 5.5}
        """
        number = payload.one_id(section_data_set_id, "section_data_set_id")
        rows = self._model_rows(
            "SectionDataSet",
            filters={"id": number},
            include="alignment3d",
            num_rows=num_rows,
            count=count,
            **options,
        )
        found: list[dict[str, Any]] = [row["alignment3d"] for row in rows if row.get("alignment3d")]
        if len(found) != 1:
            raise NotFoundError(f"data set {number} has {len(found)} alignments, not one.")
        return found[0]


def check_resolution(given: Any) -> None:
    """Raise if the first argument is an address, which is the second one."""
    if isinstance(given, str):
        raise InvalidQueryError(f"resolution is in µm, not {given!r}; name it: base_uri=...")
