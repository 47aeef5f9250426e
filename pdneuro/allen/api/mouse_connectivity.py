"""MouseConnectivityApi: tracer experiments and their labeled structures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro.allen import payload
from pdneuro.allen.api import connected_services
from pdneuro.allen.api.base import documented
from pdneuro.allen.api.grid_data import GridDataApi
from pdneuro.allen.api.reference_space import ReferenceSpaceApi
from pdneuro.errors import InvalidQueryError, NotFoundError

PRODUCT_IDS = (5, 31)
_SUMMARY = (
    "id,failed,storage_directory,red_lower,red_upper,green_lower,green_upper,blue_lower,blue_upper,"
    "products.id,specimen_id,structure_id,reference_space_id,primary_injection_structure_id,"
    "registration_point,coordinates_ap,coordinates_dv,coordinates_ml,angle,sex,strain,"
    "injection_materials,acronym,structures.name,days,transgenic_mice.name,transgenic_lines.name,"
    "transgenic_lines.description,transgenic_lines.id,donors.id"
)


@documented
class MouseConnectivityApi(ReferenceSpaceApi, GridDataApi):
    """The mouse connectivity atlas, and the volumes of its reference space.

    {base_uri}

    Notes
    -----
    Source: http://help.brain-map.org/display/mouseconnectivity/API. An experiment is a
    ``SectionDataSet``.

    Examples
    --------
    >>> experiments = pdneuro.allen.MouseConnectivityApi().get_experiments_api()
    >>> experiments[["data_set_id", "structure_abbrev"]].head(2)
       data_set_id structure_abbrev
    0    100140756             VISp
    1    100140949             VISp
    """

    PRODUCT_IDS = PRODUCT_IDS

    def __init__(self, base_uri: str | None = None) -> None:
        GridDataApi.__init__(self, base_uri=base_uri)

    # -- experiments ------------------------------------------------------------------------------

    def get_experiments(self, structure_ids: Any = None, **options: Any) -> pd.DataFrame:
        """Return experiments that passed the quality control.

        Parameters
        ----------
        structure_ids : int or iterable of int, optional
            IDs of **experiments**, despite the name; use :meth:`experiment_source_search`, or
            :func:`pdneuro.allen.experiments`, to choose by structure. Default: all.
        {options}

        Examples
        --------
        >>> found = pdneuro.allen.MouseConnectivityApi().get_experiments([100140756, 126862385])
        >>> found[["id", "failed", "specimen_id"]]
                  id  failed  specimen_id
        0  100140756   False    100140763
        1  126862385   False    126862392
        """
        criteria = f"[failed$eqfalse],products[id$in{payload.ids(PRODUCT_IDS, 'products')}]"
        if structure_ids is None:
            return self._model("SectionDataSet", criteria=criteria, **options)
        ids = payload.id_list(structure_ids, "structure_ids")
        return self._model("SectionDataSet", ids, criteria=f"{criteria},[id$in{{ids}}]", **options)

    def get_experiments_api(self, **options: Any) -> pd.DataFrame:
        """Return all experiments with site, volume and coordinates of the injection, and mouse line.

        Returns
        -------
        DataFrame
            ``data_set_id, structure_id`` (int64), ``structure_abbrev``, ``injection_structures`` (text
            such as ``"985/993"``), ``injection_volume`` (mm³), ``injection_x, injection_y,
            injection_z`` (ap, dv, lr in µm) and others.

        Examples
        --------
        >>> experiments = pdneuro.allen.MouseConnectivityApi().get_experiments_api()
        >>> experiments[["data_set_id", "injection_volume", "injection_x"]].head(2)
           data_set_id  injection_volume  injection_x
        0    100140756             0.123         4000
        1    100140949             0.087         4500
        """
        return self._model("ApiConnectivity", **{"num_rows": "all", **options})

    def get_manual_injection_summary(self, experiment_id: Any, **options: Any) -> pd.DataFrame:
        """Return an experiment with its injections, mouse lines and equalization.

        Examples
        --------
        >>> found = pdneuro.allen.MouseConnectivityApi().get_manual_injection_summary(100140756)
        >>> found[["id", "failed", "red_upper"]]
                  id  failed  red_upper
        0  100140756   False        932
        """
        number = payload.one_id(experiment_id, "experiment_id")
        return self._model(
            "SectionDataSet",
            criteria=f"[id$in{number}]",
            **{
                "include": (
                    "specimen(donor(transgenic_mouse(transgenic_lines)),injections(structure,age)),"
                    "equalization,products"
                ),
                "only": _SUMMARY,
                **options,
            },
        )

    def get_experiment_detail(self, experiment_id: Any, **options: Any) -> pd.DataFrame:
        """Return an experiment with its injections, its images and their equalization.

        Examples
        --------
        >>> found = pdneuro.allen.MouseConnectivityApi().get_experiment_detail(100140756)
        >>> [image["section_number"] for image in found["sub_images"].iloc[0]]
        [20, 40, 60]
        """
        number = payload.one_id(experiment_id, "experiment_id")
        return self._model(
            "SectionDataSet",
            criteria=f"[id$eq{number}]",
            **{
                "include": (
                    "specimen(stereotaxic_injections(primary_injection_structure,structures,"
                    "stereotaxic_injection_coordinates)),equalization,sub_images"
                ),
                "order": "'sub_images.section_number$asc'",
                **options,
            },
        )

    def get_projection_image_info(
        self, experiment_id: Any, section_number: int, **options: Any
    ) -> pd.DataFrame:
        """Return a section of an experiment, with its image and equalization.

        Examples
        --------
        >>> found = pdneuro.allen.MouseConnectivityApi().get_projection_image_info(100140756, 40)
        >>> found["sub_images"].iloc[0]
        [{'id': 100140758, 'data_set_id': 100140756, 'section_number': 40, 'width': 64, 'height': 48}]
        """
        number = payload.one_id(experiment_id, "experiment_id")
        section = payload.one_id(section_number, "section_number")
        return self._model(
            "SectionDataSet",
            criteria=f"[id$eq{number}]",
            **{"include": f"equalization,sub_images[section_number$eq{section}]", **options},
        )

    def get_structure_unionizes(
        self,
        experiment_ids: Any,
        is_injection: bool | None = None,
        structure_name: str | None = None,
        structure_ids: Any = None,
        hemisphere_ids: Any = None,
        normalized_projection_volume_limit: float | None = None,
        include: Any = None,
        debug: Any = None,
        order: Any = None,
        **options: Any,
    ) -> pd.DataFrame:
        """Return the signal of experiments per structure.

        Parameters
        ----------
        experiment_ids : int or iterable of int
            Long lists are divided into several requests.
        is_injection : bool, optional
            Signal in the injection site, or outside it. Default: both.
        structure_name : str, optional
            One structure. ``structure_ids`` is ignored then.
        structure_ids : int or iterable of int, optional
            Long lists are divided into several requests, one after the other.
        hemisphere_ids : int or iterable of int, optional
            1 left, 2 right, 3 both.
        normalized_projection_volume_limit : float, optional
            Only rows above this limit.
        include, debug, order : optional
            See :meth:`pdneuro.allen.RmaApi.model_query`.
        {options}

        Returns
        -------
        DataFrame
            ``section_data_set_id, structure_id, hemisphere_id`` (int64), ``is_injection`` (bool),
            ``projection_density`` (share of the structure's pixels), ``projection_volume`` (mm³) and
            others. The row of a structure includes the signal of the structures under it.

        Examples
        --------
        >>> rows = pdneuro.allen.MouseConnectivityApi().get_structure_unionizes(
        ...     [100140756, 100140949], is_injection=False, structure_ids=[385, 549]
        ... )
        >>> rows.groupby("section_data_set_id").size().tolist()
        [6, 6]
        """
        if structure_name is None and structure_ids is not None:
            wanted = payload.id_list(structure_ids, "structure_ids")
            if len(wanted) > payload.MAX_IDS:  # two long lists do not fit into one address
                parts = [
                    self.get_structure_unionizes(
                        experiment_ids,
                        is_injection,
                        None,
                        wanted[first : first + payload.MAX_IDS],
                        hemisphere_ids,
                        normalized_projection_volume_limit,
                        include,
                        debug,
                        order,
                        **options,
                    )
                    for first in range(0, len(wanted), payload.MAX_IDS)
                ]
                return self._joined(parts)
        rest, injection = "", self._injection(is_injection)
        if injection is not None:
            rest += f"[is_injection$eq{payload.value(injection, 'is_injection')}]"
        if normalized_projection_volume_limit is not None:
            rest += f"[normalized_projection_volume$gt{float(normalized_projection_volume_limit):f}]"
        if hemisphere_ids is not None:
            rest += f"[hemisphere_id$in{self._hemispheres(hemisphere_ids)}]"
        if structure_name is not None:
            rest += f",structure[name$eq{payload.quote(structure_name)}]"
        elif structure_ids is not None:
            rest += f"[structure_id$in{payload.ids(structure_ids, 'structure_ids')}]"
        return self._model(
            "ProjectionStructureUnionize",
            payload.id_list(experiment_ids, "experiment_ids"),
            criteria=f"[section_data_set_id$in{{ids}}]{rest}",
            include=include,
            debug=debug,
            order=order,
            **{"num_rows": "all", "count": False, **options},
        )

    def _injection(self, given: Any) -> bool | None:
        if given is None:
            return None
        if not isinstance(given, bool | np.bool_) and given not in (0, 1):
            raise InvalidQueryError(f"is_injection must be True or False, not {given!r}.")
        return bool(given)

    def _hemispheres(self, given: Any) -> str:
        return payload.ids(given, "hemisphere_ids")

    def _joined(self, parts: list[pd.DataFrame]) -> pd.DataFrame:
        return pd.concat(parts, ignore_index=True)

    # -- searches ---------------------------------------------------------------------------------

    def experiment_source_search(self, **parameters: Any) -> pd.DataFrame:
        """Find experiments by the structures of the injection.

        Parameters
        ----------
        **parameters
            ``injection_structures`` (IDs or acronyms), ``target_domain``, ``injection_hemisphere``,
            ``target_hemisphere``, ``transgenic_lines``, ``injection_domain``, ``product_ids``,
            ``primary_structure_only``, ``start_row``, ``num_rows``.

        Returns
        -------
        DataFrame
            The columns of the service: ``id``, ``structure-abbrev``, ``injection-volume`` and others.

        Raises
        ------
        {query errors}

        Warns
        -----
        DoubtfulParameterWarning
            The service does not declare this parameter or value.

        Examples
        --------
        >>> atlas = pdneuro.allen.MouseConnectivityApi()
        >>> found = atlas.experiment_source_search(injection_structures=["MO"])
        >>> found[["id", "structure-abbrev", "injection-volume"]]
                  id structure-abbrev  injection-volume
        0  112670853              MOp             0.336
        1  127089669              MOs             0.156
        """
        return self._search("mouse_connectivity_injection_structure", parameters)

    def experiment_spatial_search(self, **parameters: Any) -> pd.DataFrame:
        """Find experiments that label a place: ``seed_point`` (ap, dv, lr in µm) and others.

        Examples
        --------
        >>> atlas = pdneuro.allen.MouseConnectivityApi()
        >>> found = atlas.experiment_spatial_search(
        ...     seed_point=[6900, 5050, 6450], injection_structures=["TH"]
        ... )
        >>> found[["id", "structure-abbrev", "sum"]]
                  id structure-abbrev    sum
        0  180296424               TH  0.026
        """
        return self._search("mouse_connectivity_target_spatial", parameters)

    def experiment_injection_coordinate_search(self, **parameters: Any) -> pd.DataFrame:
        """Find experiments with an injection near ``seed_point`` (ap, dv, lr in µm).

        Other parameters are sent to the service.

        Examples
        --------
        >>> atlas = pdneuro.allen.MouseConnectivityApi()
        >>> place = [4000, 4001, 4002]
        >>> found = atlas.experiment_injection_coordinate_search(seed_point=place, num_rows=1)
        >>> found[["id", "injection-coordinates"]]
                  id injection-coordinates
        0  100140756    [4000, 4001, 4002]
        """
        return self._search("mouse_connectivity_injection_coordinate", parameters)

    def experiment_correlation_search(self, **parameters: Any) -> pd.DataFrame:
        """Find experiments with similar labeling: ``row`` (an experiment ID) and others.

        Examples
        --------
        >>> atlas = pdneuro.allen.MouseConnectivityApi()
        >>> found = atlas.experiment_correlation_search(row=100140756, injection_structures=["VISp"])
        >>> found[["id", "structure-name"]]
                  id       structure-name
        0  100140756  Primary visual area
        1  100140949  Primary visual area
        2  126862385  Primary visual area
        """
        return self._search("mouse_connectivity_correlation", parameters)

    def _search(self, name: str, parameters: dict[str, Any]) -> pd.DataFrame:
        connected_services.check(name, parameters)
        return self.service_query(name, parameters)

    # -- files ------------------------------------------------------------------------------------

    def build_reference_aligned_image_channel_volumes_url(self, data_set_id: Any) -> str:
        """Return the address of the query for the aligned images of a data set.

        Examples
        --------
        >>> atlas = pdneuro.allen.MouseConnectivityApi()
        >>> url = atlas.build_reference_aligned_image_channel_volumes_url(100140756)
        >>> print(url.partition("criteria,")[2])
        well_known_file_type[name$eq'ImagesResampledTo25MicronARA'][attachable_id$eq100140756]
        """
        number = payload.one_id(data_set_id, "data_set_id")
        stage = payload.model_stage(
            "WellKnownFile",
            criteria=(
                f"well_known_file_type[name$eq'ImagesResampledTo25MicronARA'][attachable_id$eq{number}]"
            ),
        )
        return self._query(stage)

    def get_reference_aligned_image_channel_volumes_url(self, data_set_id: Any) -> str:
        """Return the address of the file with the aligned images of a data set.

        Raises
        ------
        NotFoundError
            The data set does not have aligned images.

        Examples
        --------
        >>> atlas = pdneuro.allen.MouseConnectivityApi()
        >>> atlas.get_reference_aligned_image_channel_volumes_url(100140756)
        'http://127.0.0.1:.../api/v2/well_known_file_download/350007560'
        """
        address = self.build_reference_aligned_image_channel_volumes_url(data_set_id)
        files = self._rows(address).rows
        if not files:
            raise NotFoundError(f"data set {data_set_id} does not have aligned images.", url=address)
        return self.construct_well_known_file_download_url(files[0]["id"])

    def download_reference_aligned_image_channel_volumes(
        self, data_set_id: Any, save_file_path: Any = None
    ) -> Path:
        """Download the aligned images of a data set, by default to ``{data_set_id}.zip``.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "aligned.zip"
        >>> atlas = pdneuro.allen.MouseConnectivityApi()
        >>> file = atlas.download_reference_aligned_image_channel_volumes(100140756, path)
        >>> file.name, file.stat().st_size
        ('aligned.zip', 64000)
        """
        address = self.get_reference_aligned_image_channel_volumes_url(data_set_id)
        return self._save(address, f"{data_set_id}.zip" if save_file_path is None else save_file_path)

    def download_injection_density(self, path: Any, experiment_id: Any, resolution: int) -> Path:
        """Download the share of labeled pixels within the injection site (NRRD).

        Examples
        --------
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "density.nrrd"
        >>> atlas = pdneuro.allen.MouseConnectivityApi()
        >>> file = atlas.download_injection_density(path, 100140756, 50)
        >>> pdneuro.allen.read_volume(file).shape
        (24, 16, 20)
        """
        return self.download_projection_grid_data(experiment_id, "injection_density", resolution, path)

    def download_projection_density(self, path: Any, experiment_id: Any, resolution: int) -> Path:
        """Download the share of labeled pixels of each voxel (NRRD).

        Examples
        --------
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "density.nrrd"
        >>> atlas = pdneuro.allen.MouseConnectivityApi()
        >>> file = atlas.download_projection_density(path, 100140756, 50)
        >>> pdneuro.allen.read_volume(file).attrs["resolution"]
        50.0
        """
        return self.download_projection_grid_data(experiment_id, "projection_density", resolution, path)

    def download_injection_fraction(self, path: Any, experiment_id: Any, resolution: int) -> Path:
        """Download the share of each voxel that is in the injection site (NRRD).

        Examples
        --------
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "fraction.nrrd"
        >>> atlas = pdneuro.allen.MouseConnectivityApi()
        >>> file = atlas.download_injection_fraction(path, 100140756, 100)
        >>> pdneuro.allen.read_volume(file).shape
        (12, 8, 10)
        """
        return self.download_projection_grid_data(experiment_id, "injection_fraction", resolution, path)

    def download_data_mask(self, path: Any, experiment_id: Any, resolution: int) -> Path:
        """Download the mask of voxels with valid data (NRRD).

        Examples
        --------
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "mask.nrrd"
        >>> file = pdneuro.allen.MouseConnectivityApi().download_data_mask(path, 100140756, 100)
        >>> int(pdneuro.allen.read_volume(file).sum())
        480
        """
        return self.download_projection_grid_data(experiment_id, "data_mask", resolution, path)

    def calculate_injection_centroid(
        self, injection_density: Any, injection_fraction: Any, resolution: float = 25
    ) -> npt.NDArray[np.float64] | None:
        """Return the center of an injection, weighted by its density.

        Parameters
        ----------
        injection_density, injection_fraction : array (ap, dv, lr)
            Volumes of the same shape. NaN is ignored.
        resolution : float
            Size of the voxels in micrometers.

        Returns
        -------
        array of 3 floats or None
            ap, dv, lr in µm from the corner of the volume. The position of a voxel is its lower corner,
            as in allensdk. None without an injection.

        Raises
        ------
        InvalidQueryError
            The volumes have different shapes.

        Examples
        --------
        >>> density = np.zeros((4, 4, 4)); density[1, 2, 3] = 0.5
        >>> pdneuro.allen.MouseConnectivityApi().calculate_injection_centroid(density, density, 100)
        array([100., 200., 300.])
        """
        density, fraction = np.asarray(injection_density), np.asarray(injection_fraction)
        if density.shape != fraction.shape:
            raise InvalidQueryError(
                f"the volumes differ in shape: {density.shape} and {fraction.shape}."
            )
        weights = np.nan_to_num(density * fraction)
        total = weights.sum()
        if not total > 0:
            return None
        voxels = np.nonzero(weights)
        weighted = np.array([(weights[voxels] * axis).sum() for axis in voxels])
        return np.asarray(weighted / total * resolution, np.float64)
