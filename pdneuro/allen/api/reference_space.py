"""The volumes of the reference space: template, annotation, masks and meshes of structures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pdneuro.allen import payload
from pdneuro.allen.api.base import documented
from pdneuro.allen.api.rma import RmaApi


@documented
class ReferenceSpaceApi(RmaApi):
    """Files of the common coordinate framework of the mouse brain, from the archive.

    Parameters
    ----------
    base_uri : str, optional
        Address of the service. The address of the archive is the option ``allen_files_url``.

    Examples
    --------
    >>> atlas = pdneuro.allen.MouseConnectivityApi()
    >>> atlas.CCF_VERSION_DEFAULT, atlas.VOXEL_RESOLUTION_25_MICRONS
    ('annotation/ccf_2017', 25)
    """

    AVERAGE_TEMPLATE = "average_template"
    ARA_NISSL = "ara_nissl"
    MOUSE_2011 = "annotation/mouse_2011"
    DEVMOUSE_2012 = "annotation/devmouse_2012"
    CCF_2015 = "annotation/ccf_2015"
    CCF_2016 = "annotation/ccf_2016"
    CCF_2017 = payload.CCF_VERSION
    CCF_VERSION_DEFAULT = CCF_2017
    VOXEL_RESOLUTION_10_MICRONS = 10
    VOXEL_RESOLUTION_25_MICRONS = 25
    VOXEL_RESOLUTION_50_MICRONS = 50
    VOXEL_RESOLUTION_100_MICRONS = 100

    def build_volumetric_data_download_url(
        self,
        data_path: str,
        file_name: str,
        voxel_resolution: int | None = None,
        release: str | None = None,
        coordinate_framework: str | None = None,
    ) -> str:
        """Return the address of a file of the archive.

        Parameters
        ----------
        data_path : str
            Such as ``"average_template"``, ``"ara_nissl"``, ``"annotation/ccf_2017"``.
        file_name : str
            Name of the file in the archive, such as ``"annotation_25.nrrd"``.
        voxel_resolution : int, optional
            Unused. The file name contains the resolution.
        release, coordinate_framework : str, optional
            Default ``"current-release"``, ``"mouse_ccf"``.

        Examples
        --------
        >>> atlas = pdneuro.allen.MouseConnectivityApi()
        >>> atlas.build_volumetric_data_download_url("ara_nissl", "ara_nissl_25.nrrd")
        'http://127.0.0.1:.../informatics-archive/current-release/mouse_ccf/ara_nissl/ara_nissl_25.nrrd'
        """
        return payload.archive_url(self.files_url, data_path, file_name, release, coordinate_framework)

    def download_volumetric_data(
        self,
        data_path: str,
        file_name: str,
        voxel_resolution: int | None = None,
        save_file_path: Any = None,
        release: str | None = None,
        coordinate_framework: str | None = None,
    ) -> Path:
        """Download a file of the archive; see :meth:`build_volumetric_data_download_url`.

        ``save_file_path`` is ``file_name`` in the current folder by default.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "nissl.nrrd"
        >>> atlas = pdneuro.allen.MouseConnectivityApi()
        >>> file = atlas.download_volumetric_data(
        ...     atlas.ARA_NISSL, "ara_nissl_50.nrrd", save_file_path=path
        ... )
        >>> pdneuro.allen.read_volume(file).shape
        (24, 16, 20)
        """
        address = self.build_volumetric_data_download_url(
            data_path, file_name, voxel_resolution, release, coordinate_framework
        )
        return self._save(address, file_name if save_file_path is None else save_file_path)

    def download_annotation_volume(
        self, ccf_version: str | None, resolution: int, file_name: Any
    ) -> Path:
        """Download the structure ID of each voxel (NRRD); the default ``ccf_version`` is that of 2017.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "annotation.nrrd"
        >>> atlas = pdneuro.allen.MouseConnectivityApi()
        >>> file = atlas.download_annotation_volume(atlas.CCF_2017, 100, path)
        >>> np.unique(pdneuro.allen.read_volume(file)).tolist()
        [0, 382, 385, 549, 672, 614454277]
        """
        name = f"annotation_{payload.checked_resolution(resolution)}.nrrd"
        return self.download_volumetric_data(
            ccf_version or self.CCF_VERSION_DEFAULT, name, save_file_path=file_name
        )

    def download_template_volume(self, resolution: int, file_name: Any) -> Path:
        """Download the average brain that experiments are registered to (NRRD).

        Examples
        --------
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "template.nrrd"
        >>> file = pdneuro.allen.MouseConnectivityApi().download_template_volume(100, path)
        >>> pdneuro.allen.read_volume(file).shape
        (12, 8, 10)
        """
        name = f"average_template_{payload.checked_resolution(resolution)}.nrrd"
        return self.download_volumetric_data(self.AVERAGE_TEMPLATE, name, save_file_path=file_name)

    def download_mouse_atlas_volume(self, age: str, volume_type: str, file_name: Any) -> Path:
        """Download and extract a volume of an atlas by age, such as ``"P56", "atlasVolume"``.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "atlasVolume.mhd"
        >>> file = pdneuro.allen.MouseConnectivityApi().download_mouse_atlas_volume(
        ...     "P56", "atlasVolume", path
        ... )
        >>> pdneuro.allen.read_volume(file).shape
        (6, 4, 5)
        """
        place = f"{self.informatics_archive_endpoint}/current-release/mouse_annotation"
        address = f"{place}/{age}_{volume_type}.zip"
        return self.retrieve_file_over_http(address, file_name, zipped=True)

    def download_structure_mask(
        self, structure_id: Any, ccf_version: str | None, resolution: int, file_name: Any
    ) -> Path:
        """Download the voxels of a structure (NRRD, 1 inside).

        Examples
        --------
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "mask.nrrd"
        >>> file = pdneuro.allen.MouseConnectivityApi().download_structure_mask(385, None, 100, path)
        >>> int(pdneuro.allen.read_volume(file).sum())
        96
        """
        place = (
            f"{ccf_version or self.CCF_VERSION_DEFAULT}/structure_masks/"
            f"structure_masks_{payload.checked_resolution(resolution)}"
        )
        name = f"structure_{payload.one_id(structure_id, 'structure_id')}.nrrd"
        return self.download_volumetric_data(place, name, save_file_path=file_name)

    def download_structure_mesh(
        self, structure_id: Any, ccf_version: str | None, file_name: Any
    ) -> Path:
        """Download the surface of a structure (Wavefront OBJ).

        Examples
        --------
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "mesh.obj"
        >>> file = pdneuro.allen.MouseConnectivityApi().download_structure_mesh(385, None, path)
        >>> print(file.read_text())
        v 0 0 0
        v 1 0 0
        v 0 1 0
        f 1 2 3
        """
        place = f"{ccf_version or self.CCF_VERSION_DEFAULT}/structure_meshes"
        name = f"{payload.one_id(structure_id, 'structure_id')}.obj"
        return self.download_volumetric_data(place, name, save_file_path=file_name)
