"""Classes of allensdk.api for images and volumes, and the readers of their files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pdneuro._compat import optional
from pdneuro.allen import arguments, payload, volumes
from pdneuro.allen.api import grid_data as grid
from pdneuro.allen.api import (
    image_download,
    reference_space,
)
from pdneuro.allen.api import mouse_connectivity as connectivity
from pdneuro.allen.api.base import documented
from pdneuro.allen.sdk.adapters import as_file, as_records
from pdneuro.allen.sdk.api import RmaApi, RmaTemplate
from pdneuro.errors import InvalidVolumeError, NotFoundError


def read_nrrd(path: Any) -> tuple[Any, dict[str, Any]]:
    """Return the array and the header of an NRRD file.

    Raises
    ------
    InvalidVolumeError
        The file is damaged or another file.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "template.nrrd"
    >>> file = pdneuro.allen.MouseConnectivityApi().download_template_volume(100, path)
    >>> array, header = pdneuro.allen.sdk.image_api.read_nrrd(file)
    >>> array.shape, header["sizes"].tolist()
    ((12, 8, 10), [12, 8, 10])
    """
    nrrd = optional("nrrd", "volumes")
    try:
        array, header = nrrd.read(str(Path(path).expanduser()))
    except Exception as error:  # pynrrd raises errors of many kinds
        raise InvalidVolumeError(
            f"{path} cannot be read as NRRD ({type(error).__name__}: {error}). Download it again."
        ) from error
    return array, dict(header)


def _read_metaimage(path: Any) -> tuple[Any, dict[str, Any]]:
    """Return the array and the geometry of a MetaImage file."""
    array, (spacing, origin, direction) = volumes.read_mhd(Path(path).expanduser())
    return array, {
        "spacing": spacing,
        "origin": origin,
        "size": array.shape,
        "direction": direction,
        "ncomponents": 1,
    }


def _read_mesh(path: Any) -> tuple[Any, Any, Any, Any]:
    """Return vertices, normals, and the two indices of the corners of faces, of an OBJ file."""
    rows: dict[str, list[list[str]]] = {"v": [], "vn": [], "f": []}
    for line in Path(path).expanduser().read_text("utf-8").splitlines():
        kind, *parts = line.split() or [""]
        if kind in rows:
            rows[kind].append(parts)
    # A corner is vertex//normal, vertex/texture/normal or vertex, counted from 1.
    corners = [[part.split("/") for part in parts] for parts in rows["f"]]
    faces = np.array([[int(part[0]) - 1 for part in parts] for parts in corners], np.int64)
    normals = np.array(
        [[int(part[-1]) - 1 for part in parts if part[2:]] for parts in corners], np.int64
    )
    return np.array(rows["v"], np.float64), np.array(rows["vn"], np.float64), faces, normals


@documented
class ImageDownloadApi(RmaTemplate, image_download.ImageDownloadApi):
    """Images, and tables of images as records. Unknown parameters of an image are ignored.

    {base_uri}

    Examples
    --------
    >>> images = pdneuro.allen.sdk.ImageDownloadApi()
    >>> [row["section_number"] for row in images.section_image_query(70813257)]
    [20, 40, 60]
    """

    _QUERIES = {
        ("image_queries", "section_image_ranges"): ("get_section_image_ranges", {}),
        ("image_queries", "section_images_by_data_set_id"): (
            "section_image_query",
            {"data_set_id": "section_data_set_id"},
        ),
        ("image_queries", "section_data_sets_by_product_id"): ("get_section_data_sets_by_product", {}),
    }

    def __init__(self, base_uri: str | None = None) -> None:
        RmaTemplate.__init__(self, base_uri)

    section_image_query = as_records(
        image_download.ImageDownloadApi.section_image_query,
        'api.section_image_query(70813257)[0]["section_number"]',
        "20",
    )
    get_section_data_sets_by_product = as_records(
        image_download.ImageDownloadApi.get_section_data_sets_by_product,
        '[row["id"] for row in api.get_section_data_sets_by_product([1])]',
        "[69816930, 70813257]",
    )
    get_section_image_ranges = as_records(
        image_download.ImageDownloadApi.get_section_image_ranges,
        "api.get_section_image_ranges([70813258])",
        "[[0, 932, 0, 1279, 0, 4095]]",
    )
    atlas_image_query = as_records(
        image_download.ImageDownloadApi.atlas_image_query,
        'api.atlas_image_query(1)[0]["section_number"]',
        "0",
    )

    def build_image_url(self, endpoint: str, image_id: Any, **view: Any) -> str:
        """Return the address of an image; unknown parameters are ignored.

        Examples
        --------
        >>> images = pdneuro.allen.sdk.ImageDownloadApi("https://host")
        >>> images.build_image_url("image_download", 70945123, downsample=3, unknown=1)
        'https://host/api/v2/image_download/70945123?downsample=3'
        """
        known = {name: value for name, value in view.items() if name in image_download.PARAMETERS}
        return super().build_image_url(endpoint, image_id, **known)

    def _as_lists(self, table: Any) -> list[list[Any]]:
        return [[row[name] for name in image_download.RANGES] for row in table]


@documented
class GridDataApi(RmaApi, grid.GridDataApi):
    """Files with volumes.

    Parameters
    ----------
    resolution : int, optional
        Size of the voxels in micrometers; an attribute of the object. Default: 25.
    base_uri : str, optional
        Address of the service. Default: the option ``allen_url``.

    Examples
    --------
    >>> pdneuro.allen.sdk.GridDataApi().download_alignment3d(100140756)["tvr_09"]
    5.5
    """

    def __init__(self, resolution: int | None = None, base_uri: str | None = None) -> None:
        grid.check_resolution(resolution)
        RmaApi.__init__(self, base_uri)
        self.resolution = 25 if resolution is None else resolution

    download_alignment3d = as_records(
        grid.GridDataApi.download_alignment3d,
        'api.download_alignment3d(100140756)["tvr_00"]',
        "1.0",
    )


@documented
class ReferenceSpaceApi(RmaApi, reference_space.ReferenceSpaceApi):
    """Files of the common coordinate framework; a volume is returned as its array and header.

    {base_uri}

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "annotation.nrrd"
    >>> space = pdneuro.allen.sdk.ReferenceSpaceApi()
    >>> annotation, header = space.download_annotation_volume(None, 100, path)
    >>> annotation.shape
    (12, 8, 10)
    """

    def __init__(self, base_uri: str | None = None) -> None:
        RmaApi.__init__(self, base_uri)

    download_annotation_volume = as_file(
        reference_space.ReferenceSpaceApi.download_annotation_volume,
        "file_name",
        'api.download_annotation_volume(None, 100, f"{folder}/annotation.nrrd")[0].shape',
        "(12, 8, 10)",
        read_nrrd,
    )
    download_template_volume = as_file(
        reference_space.ReferenceSpaceApi.download_template_volume,
        "file_name",
        'api.download_template_volume(100, f"{folder}/template.nrrd")[0].shape',
        "(12, 8, 10)",
        read_nrrd,
    )
    download_structure_mask = as_file(
        reference_space.ReferenceSpaceApi.download_structure_mask,
        "file_name",
        'int(api.download_structure_mask(385, None, 100, f"{folder}/mask.nrrd")[0].sum())',
        "96",
        read_nrrd,
    )
    download_structure_mesh = as_file(
        reference_space.ReferenceSpaceApi.download_structure_mesh,
        "file_name",
        'api.download_structure_mesh(385, None, f"{folder}/mesh.obj")[0].shape',
        "(3, 3)",
        _read_mesh,
    )
    download_mouse_atlas_volume = as_file(
        reference_space.ReferenceSpaceApi.download_mouse_atlas_volume,
        "file_name",
        'api.download_mouse_atlas_volume("P56", "atlas", f"{folder}/atlas.mhd")[0].shape',
        "(6, 4, 5)",
        _read_metaimage,
    )


@documented
class MouseConnectivityApi(ReferenceSpaceApi, GridDataApi, connectivity.MouseConnectivityApi):
    """The mouse connectivity atlas, and the volumes of its reference space.

    {base_uri}

    Examples
    --------
    >>> experiments = pd.DataFrame(pdneuro.allen.sdk.MouseConnectivityApi().get_experiments_api())
    >>> experiments[["data_set_id", "structure_abbrev"]].head(2)
       data_set_id structure_abbrev
    0    100140756             VISp
    1    100140949             VISp
    """

    PRODUCT_IDS: Any = list(connectivity.PRODUCT_IDS)

    def __init__(self, base_uri: str | None = None) -> None:
        GridDataApi.__init__(self, base_uri=base_uri)

    get_experiments = as_records(
        connectivity.MouseConnectivityApi.get_experiments,
        'api.get_experiments([100140756])[0]["failed"]',
        "False",
    )
    get_experiments_api = as_records(
        connectivity.MouseConnectivityApi.get_experiments_api,
        'api.get_experiments_api()[0]["structure_abbrev"]',
        "'VISp'",
    )
    get_manual_injection_summary = as_records(
        connectivity.MouseConnectivityApi.get_manual_injection_summary,
        'api.get_manual_injection_summary(100140756)[0]["red_upper"]',
        "932",
    )
    get_experiment_detail = as_records(
        connectivity.MouseConnectivityApi.get_experiment_detail,
        'len(api.get_experiment_detail(100140756)[0]["sub_images"])',
        "3",
    )
    get_projection_image_info = as_records(
        connectivity.MouseConnectivityApi.get_projection_image_info,
        'api.get_projection_image_info(100140756, 40)[0]["sub_images"][0]["id"]',
        "100140758",
    )
    get_structure_unionizes = as_records(
        connectivity.MouseConnectivityApi.get_structure_unionizes,
        "len(api.get_structure_unionizes([100140756], structure_ids=[385]))",
        "6",
    )
    experiment_source_search = as_records(
        connectivity.MouseConnectivityApi.experiment_source_search,
        'api.experiment_source_search(injection_structures=["MO"])[0]["id"]',
        "112670853",
    )
    experiment_spatial_search = as_records(
        connectivity.MouseConnectivityApi.experiment_spatial_search,
        "type(api.experiment_spatial_search(seed_point=[6900, 5050, 6450]))",
        "<class 'list'>",
    )
    experiment_injection_coordinate_search = as_records(
        connectivity.MouseConnectivityApi.experiment_injection_coordinate_search,
        "len(api.experiment_injection_coordinate_search(seed_point=[1, 2, 3], num_rows=1))",
        "1",
    )
    experiment_correlation_search = as_records(
        connectivity.MouseConnectivityApi.experiment_correlation_search,
        'api.experiment_correlation_search(row=100140756)[0]["id"]',
        "100140756",
    )
    download_injection_density = as_file(
        connectivity.MouseConnectivityApi.download_injection_density,
        "path",
        'api.download_injection_density(f"{folder}/density.nrrd", 100140756, 100).name',
        "'density.nrrd'",
    )
    download_projection_density = as_file(
        connectivity.MouseConnectivityApi.download_projection_density,
        "path",
        'api.download_projection_density(f"{folder}/density.nrrd", 100140756, 100).name',
        "'density.nrrd'",
    )
    download_injection_fraction = as_file(
        connectivity.MouseConnectivityApi.download_injection_fraction,
        "path",
        'api.download_injection_fraction(f"{folder}/fraction.nrrd", 100140756, 100).name',
        "'fraction.nrrd'",
    )
    download_data_mask = as_file(
        connectivity.MouseConnectivityApi.download_data_mask,
        "path",
        'api.download_data_mask(f"{folder}/mask.nrrd", 100140756, 100).name',
        "'mask.nrrd'",
    )

    def get_reference_aligned_image_channel_volumes_url(self, data_set_id: Any) -> str:
        """Return the address of the file with the aligned images of a data set.

        Raises
        ------
        NotFoundError
            The data set does not have aligned images.

        Examples
        --------
        >>> api = pdneuro.allen.sdk.MouseConnectivityApi()
        >>> api.get_reference_aligned_image_channel_volumes_url(100140756)
        'http://127.0.0.1:.../api/v2/well_known_file_download/350007560'
        """

        def link(document: Any) -> str:
            files = self.read_data(document)
            if not files:
                raise NotFoundError(f"data set {data_set_id} does not have aligned images.")
            return str(files[0]["download_link"])

        build = self.build_reference_aligned_image_channel_volumes_url
        return f"{self.api_url}{self.do_query(build, link, data_set_id)}"

    def _injection(self, given: Any) -> bool | None:
        # Other values are ignored, as in allensdk.
        is_flag = isinstance(given, bool | np.bool_) or given in (0, 1)
        return bool(given) if is_flag else None

    def _hemispheres(self, given: Any) -> str:
        return payload.value(list(arguments.items(given, "hemisphere_ids")), "hemisphere_ids")

    def _joined(self, parts: Any) -> Any:
        return [row for part in parts for row in part]
