"""MouseConnectivityCache, as in ``allensdk.core``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pdneuro.allen.sdk.image_api import MouseConnectivityApi
from pdneuro.allen.sdk.manifest import default_manifest, files
from pdneuro.allen.sdk.spaces import ReferenceSpaceCache, Volume
from pdneuro.errors import InvalidQueryError, LeftOutError, MissingColumnsError, listing

Records = list[dict[str, Any]]

_HEMISPHERES = {1: "-L", 2: "-R", 3: ""}


class MouseConnectivityCache(ReferenceSpaceCache):
    """Experiments of the mouse connectivity atlas, kept in a folder in allensdk's layout.

    Parameters
    ----------
    resolution : int, optional
        Size of the voxels in µm. Default: 25.
    cache : bool
        Whether to read and write files. Without, a file needs a ``file_name`` in the call.
    manifest_file : path, optional
        Default: the environment variable ``MOUSE_CONNECTIVITY_MANIFEST``, or
        ``mouse_connectivity/manifest.json``. A folder that allensdk made is read without a download.
    ccf_version : str, optional
        Version of the annotation. Default: ``"annotation/ccf_2017"``.
    base_uri, version : optional
        The address of the service; the version of the manifest.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from pdneuro.allen.sdk import MouseConnectivityCache
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> mcc = MouseConnectivityCache(resolution=100, manifest_file=folder / "manifest.json")
    >>> found = mcc.get_experiments(cre=False, injection_structure_ids=[669])
    >>> [(experiment["id"], experiment["structure_abbrev"]) for experiment in found]
    [(100140756, 'VISp'), (100140949, 'VISp')]
    >>> rows = mcc.get_structure_unionizes([100140756], is_injection=False, structure_ids=[385])
    >>> rows[["experiment_id", "hemisphere_id", "structure_id"]]
       experiment_id  hemisphere_id  structure_id
    0      100140756              1           385
    1      100140756              2           385
    2      100140756              3           385
    >>> matrix = mcc.get_projection_matrix([100140756], [385, 549], hemisphere_ids=[1, 2])
    >>> [column["label"] for column in matrix["columns"]], matrix["matrix"].shape
    (['VISp-L', 'TH-L', 'VISp-R', 'TH-R'], (1, 4))
    >>> density, header = mcc.get_projection_density(100140756)
    >>> density.shape
    (12, 8, 10)
    """

    PROJECTION_DENSITY_KEY = "PROJECTION_DENSITY"
    INJECTION_DENSITY_KEY = "INJECTION_DENSITY"
    INJECTION_FRACTION_KEY = "INJECTION_FRACTION"
    DATA_MASK_KEY = "DATA_MASK"
    STRUCTURE_UNIONIZES_KEY = "STRUCTURE_UNIONIZES"
    EXPERIMENTS_KEY = "EXPERIMENTS"
    DEFORMATION_FIELD_HEADER_KEY = "DEFORMATION_FIELD_HEADER"
    DEFORMATION_FIELD_VOXEL_KEY = "DEFORMATION_FIELD_VOXELS"
    ALIGNMENT3D_KEY = "ALIGNMENT3D"
    MANIFEST_VERSION = 1.3
    MANIFEST_CONFIG = {
        **ReferenceSpaceCache.MANIFEST_CONFIG,
        **files(
            {
                EXPERIMENTS_KEY: "experiments.json",
                STRUCTURE_UNIONIZES_KEY: "experiment_%d/structure_unionizes.csv",
                INJECTION_DENSITY_KEY: "experiment_%d/injection_density_%d.nrrd",
                INJECTION_FRACTION_KEY: "experiment_%d/injection_fraction_%d.nrrd",
                DATA_MASK_KEY: "experiment_%d/data_mask_%d.nrrd",
                PROJECTION_DENSITY_KEY: "experiment_%d/projection_density_%d.nrrd",
                DEFORMATION_FIELD_HEADER_KEY: "experiment_%d/dfmfld.mhd",
                DEFORMATION_FIELD_VOXEL_KEY: "experiment_%d/dfmfld.raw",
                ALIGNMENT3D_KEY: "experiment_%d/alignment3d.json",
            }
        ),
    }
    SUMMARY_STRUCTURE_SET_ID = 167587189
    DEFAULT_STRUCTURE_SET_IDS = (SUMMARY_STRUCTURE_SET_ID,)
    DFMFLD_RESOLUTIONS = (25,)

    def __init__(
        self,
        resolution: int | None = None,
        cache: bool = True,
        manifest_file: Any = None,
        ccf_version: str | None = None,
        base_uri: str | None = None,
        version: Any = None,
    ) -> None:
        super().__init__(
            MouseConnectivityApi.VOXEL_RESOLUTION_25_MICRONS if resolution is None else resolution,
            ccf_version or MouseConnectivityApi.CCF_VERSION_DEFAULT,
            manifest=manifest_file or default_manifest("mouse_connectivity"),
            cache=cache,
            version=version,
        )
        self.api = MouseConnectivityApi(base_uri=base_uri)

    @property
    def default_structure_ids(self) -> list[int]:
        """Return the IDs of the structures of set 167587189, "Brain - Summary Structures".

        Examples
        --------
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/manifest.json"
        >>> mcc = pdneuro.allen.sdk.MouseConnectivityCache(resolution=100, manifest_file=path)
        >>> mcc.default_structure_ids[:3]
        [985, 993, 409]
        """
        members = self.get_structure_tree().get_structures_by_set_id(self.DEFAULT_STRUCTURE_SET_IDS)
        return [structure["id"] for structure in members]

    # -- volumes ----------------------------------------------------------------------------------

    def get_projection_density(
        self, experiment_id: int, file_name: Any = None
    ) -> tuple[Volume, dict[str, Any]]:
        """Return the share of signal in each voxel, and the header of the file.

        Examples
        --------
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/manifest.json"
        >>> mcc = pdneuro.allen.sdk.MouseConnectivityCache(resolution=100, manifest_file=path)
        >>> mcc.get_projection_density(100140756)[0].shape
        (12, 8, 10)
        """
        download = self.api.download_projection_density
        return self._experiment_volume(experiment_id, file_name, download, self.PROJECTION_DENSITY_KEY)

    def get_injection_density(
        self, experiment_id: int, file_name: Any = None
    ) -> tuple[Volume, dict[str, Any]]:
        """Return the share of signal of the injection in each voxel, and the header of the file.

        Examples
        --------
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/manifest.json"
        >>> mcc = pdneuro.allen.sdk.MouseConnectivityCache(resolution=100, manifest_file=path)
        >>> mcc.get_injection_density(100140756)[0].shape
        (12, 8, 10)
        """
        download = self.api.download_injection_density
        return self._experiment_volume(experiment_id, file_name, download, self.INJECTION_DENSITY_KEY)

    def get_injection_fraction(
        self, experiment_id: int, file_name: Any = None
    ) -> tuple[Volume, dict[str, Any]]:
        """Return the share of each voxel that is in the injection, and the header of the file.

        Examples
        --------
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/manifest.json"
        >>> mcc = pdneuro.allen.sdk.MouseConnectivityCache(resolution=100, manifest_file=path)
        >>> mcc.get_injection_fraction(100140756)[0].shape
        (12, 8, 10)
        """
        download = self.api.download_injection_fraction
        return self._experiment_volume(experiment_id, file_name, download, self.INJECTION_FRACTION_KEY)

    def get_data_mask(self, experiment_id: int, file_name: Any = None) -> tuple[Volume, dict[str, Any]]:
        """Return the share of each voxel that has valid data, and the header of the file.

        Examples
        --------
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/manifest.json"
        >>> mcc = pdneuro.allen.sdk.MouseConnectivityCache(resolution=100, manifest_file=path)
        >>> float(mcc.get_data_mask(100140756)[0].max())
        1.0
        """
        download = self.api.download_data_mask
        return self._experiment_volume(experiment_id, file_name, download, self.DATA_MASK_KEY)

    def _experiment_volume(
        self, experiment_id: int, file_name: Any, download: Any, key: str
    ) -> tuple[Volume, dict[str, Any]]:
        return self._volume(
            file_name,
            lambda path: download(path, experiment_id, self.resolution),
            key,
            experiment_id,
            self.resolution,
        )

    def get_deformation_field(
        self, section_data_set_id: int, header_path: Any = None, voxel_path: Any = None
    ) -> Any:
        """Raise LeftOutError: ``api.download_deformation_field`` downloads it, SimpleITK reads it.

        Examples
        --------
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/manifest.json"
        >>> mcc = pdneuro.allen.sdk.MouseConnectivityCache(resolution=100, manifest_file=path)
        >>> mcc.get_deformation_field(100140756)
        Traceback (most recent call last):
            ...
        pdneuro.errors.LeftOutError: pdneuro does not read deformation fields...
        """
        raise LeftOutError(
            "pdneuro does not read deformation fields. Download the files by "
            "api.download_deformation_field(), and read the header with SimpleITK."
        )

    def get_affine_parameters(
        self, section_data_set_id: int, direction: str = "trv", file_name: Any = None
    ) -> Volume:
        """Return the transform of an experiment: 4 rows, the last of which is the shift; 3 columns.

        ``"trv"`` is from the reference space to the images, ``"tvr"`` back.

        Examples
        --------
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/manifest.json"
        >>> mcc = pdneuro.allen.sdk.MouseConnectivityCache(resolution=100, manifest_file=path)
        >>> mcc.get_affine_parameters(100140756).shape
        (4, 3)
        """
        if direction not in ("trv", "tvr"):
            raise InvalidQueryError(f"direction must be 'trv' or 'tvr', not {direction!r}.")
        path = self.get_cache_path(file_name, self.ALIGNMENT3D_KEY, section_data_set_id)
        numbers = self._records(
            path, lambda: dict(self.api.download_alignment3d(section_data_set_id=section_data_set_id))
        )
        alignment = np.zeros(12)
        for name, value in numbers.items():
            if place := re.fullmatch(rf"{direction}_(\d+)", name):
                alignment[int(place[1])] = value
        return alignment.reshape(4, 3)

    # -- experiments ------------------------------------------------------------------------------

    def get_experiments(
        self,
        dataframe: bool = False,
        file_name: Any = None,
        cre: bool | Iterable[str] | None = None,
        injection_structure_ids: Iterable[int] | None = None,
    ) -> Any:
        """Return experiments; all of them are kept in the file.

        Parameters
        ----------
        dataframe : bool
            Return a table with the IDs in the index, instead of a list of dictionaries.
        file_name : path, optional
        cre : bool or list of str, optional
            True for transgenic mice, False for wild type, or the names of lines; case is ignored.
        injection_structure_ids : list of int, optional
            Structures whose descendants include the primary injection structure.

        Examples
        --------
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/manifest.json"
        >>> mcc = pdneuro.allen.sdk.MouseConnectivityCache(resolution=100, manifest_file=path)
        >>> found = mcc.get_experiments(cre=False, injection_structure_ids=[669])
        >>> [experiment["id"] for experiment in found]
        [100140756, 100140949]
        """
        path = self.get_cache_path(file_name, self.EXPERIMENTS_KEY)
        experiments = [
            _simplified(record) for record in self._records(path, self.api.get_experiments_api)
        ]
        found = self.filter_experiments(experiments, cre, injection_structure_ids)
        if not dataframe:
            return found
        columns = None if found else list(_simplified({}))
        return pd.DataFrame(found, columns=columns).set_index("id", drop=False)

    def filter_experiments(
        self,
        experiments: Records,
        cre: bool | Iterable[str] | None = None,
        injection_structure_ids: Iterable[int] | None = None,
    ) -> Records:
        """Return those of the experiments that :meth:`get_experiments` would return.

        Examples
        --------
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/manifest.json"
        >>> mcc = pdneuro.allen.sdk.MouseConnectivityCache(resolution=100, manifest_file=path)
        >>> len(mcc.filter_experiments(mcc.get_experiments(), cre=True))
        2
        """
        if isinstance(cre, bool | np.bool_):
            experiments = [each for each in experiments if bool(each["transgenic_line"]) == cre]
        elif cre is not None:
            lines = {line.lower() for line in ([cre] if isinstance(cre, str) else cre)}
            experiments = [
                each for each in experiments if (each["transgenic_line"] or "").lower() in lines
            ]
        if injection_structure_ids is not None:
            below = self.get_structure_tree().descendant_ids(injection_structure_ids)
            wanted = {number for line in below for number in line}
            experiments = [each for each in experiments if each["structure_id"] in wanted]
        return experiments

    # -- unionizes --------------------------------------------------------------------------------

    def get_experiment_structure_unionizes(
        self,
        experiment_id: int,
        file_name: Any = None,
        is_injection: bool | None = None,
        structure_ids: Iterable[Any] | None = None,
        include_descendants: bool = False,
        hemisphere_ids: Iterable[int] | None = None,
    ) -> pd.DataFrame:
        """Return the signal of an experiment by structure; all rows are kept in the file.

        Examples
        --------
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/manifest.json"
        >>> mcc = pdneuro.allen.sdk.MouseConnectivityCache(resolution=100, manifest_file=path)
        >>> rows = mcc.get_experiment_structure_unionizes(100140756, structure_ids=[385])
        >>> rows["hemisphere_id"].tolist()
        [1, 2, 3, 1, 2, 3]
        """
        path = self.get_cache_path(file_name, self.STRUCTURE_UNIONIZES_KEY, experiment_id)
        table = self._table(path, lambda: self._unionizes(experiment_id), index=True)
        return self.filter_structure_unionizes(
            table, is_injection, structure_ids, include_descendants, hemisphere_ids
        )

    def _unionizes(self, experiment_id: int) -> pd.DataFrame:
        table = pd.DataFrame(self.api.get_structure_unionizes([experiment_id]))
        if table.empty:
            raise InvalidQueryError(f"the service has no unionizes of experiment {experiment_id}.")
        return table.rename(columns={"section_data_set_id": "experiment_id"})

    def filter_structure_unionizes(
        self,
        unionizes: pd.DataFrame,
        is_injection: bool | None = None,
        structure_ids: Iterable[Any] | None = None,
        include_descendants: bool = False,
        hemisphere_ids: Iterable[int] | None = None,
    ) -> pd.DataFrame:
        """Return the rows of these structures and hemispheres, inside or outside the injection.

        Examples
        --------
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/manifest.json"
        >>> mcc = pdneuro.allen.sdk.MouseConnectivityCache(resolution=100, manifest_file=path)
        >>> rows = mcc.get_experiment_structure_unionizes(100140756)
        >>> len(mcc.filter_structure_unionizes(rows, is_injection=False, hemisphere_ids=[3]))
        36
        """
        kept = np.ones(len(unionizes), bool)
        if is_injection is not None:
            kept &= unionizes["is_injection"].to_numpy() == is_injection
        if structure_ids is not None:
            wanted = self.validate_structure_ids(structure_ids)
            if include_descendants:
                below = self.get_structure_tree().descendant_ids(wanted)
                wanted = [number for line in below for number in line]
            kept &= unionizes["structure_id"].isin(wanted).to_numpy()
        if hemisphere_ids is not None:
            kept &= unionizes["hemisphere_id"].isin(list(hemisphere_ids)).to_numpy()
        return unionizes[kept]

    def get_structure_unionizes(
        self,
        experiment_ids: Iterable[int],
        is_injection: bool | None = None,
        structure_ids: Iterable[Any] | None = None,
        include_descendants: bool = False,
        hemisphere_ids: Iterable[int] | None = None,
    ) -> pd.DataFrame:
        """Return the signal of experiments by structure, with the columns sorted by name.

        Examples
        --------
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/manifest.json"
        >>> mcc = pdneuro.allen.sdk.MouseConnectivityCache(resolution=100, manifest_file=path)
        >>> len(mcc.get_structure_unionizes([100140756, 112670853], structure_ids=[385]))
        12
        """
        tables = [
            self.get_experiment_structure_unionizes(
                number,
                is_injection=is_injection,
                structure_ids=structure_ids,
                include_descendants=include_descendants,
                hemisphere_ids=hemisphere_ids,
            )
            for number in experiment_ids
        ]
        if not tables:
            raise InvalidQueryError("experiment_ids is empty.")
        return pd.concat(tables, ignore_index=True).sort_index(axis="columns")

    def rank_structures(
        self,
        experiment_ids: Iterable[int],
        is_injection: bool,
        structure_ids: Iterable[Any] | None = None,
        hemisphere_ids: Iterable[int] | None = None,
        rank_on: str = "normalized_projection_volume",
        n: int = 5,
        threshold: float = 10**-2,
    ) -> list[Records]:
        """Return for each experiment the structures with the largest values, down to a threshold.

        Default: the structures of :attr:`default_structure_ids`, in the hemispheres 1 and 2.

        Examples
        --------
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/manifest.json"
        >>> mcc = pdneuro.allen.sdk.MouseConnectivityCache(resolution=100, manifest_file=path)
        >>> ranked = mcc.rank_structures([100140756], False, [315, 549], n=2, threshold=0)
        >>> [record["structure_id"] for record in ranked[0]]
        [315, 315]
        """
        numbers = list(experiment_ids)
        rows = self.get_structure_unionizes(
            numbers,
            is_injection=is_injection,
            structure_ids=self.default_structure_ids if structure_ids is None else structure_ids,
            hemisphere_ids=[1, 2] if hemisphere_ids is None else hemisphere_ids,
        )
        columns = ["experiment_id", rank_on, "hemisphere_id", "structure_id"]
        ranked = rows.loc[rows[rank_on] > threshold, columns].sort_values(rank_on, ascending=False)
        records: list[Any] = [
            ranked[ranked["experiment_id"] == number].head(n).to_dict("records") for number in numbers
        ]
        return records

    def get_projection_matrix(
        self,
        experiment_ids: Sequence[int],
        projection_structure_ids: Sequence[int] | None = None,
        hemisphere_ids: Iterable[int] | None = None,
        parameter: str = "projection_volume",
        dataframe: bool = False,
    ) -> dict[str, Any]:
        """Return a column of the unionizes outside the injection as a matrix.

        Returns
        -------
        dict
            ``matrix``: an array, NaN where there is no row. ``rows``: the experiments. ``columns``: a
            record ``hemisphere_id, structure_id, label`` per column, by hemisphere; with ``dataframe``
            a table.

        Examples
        --------
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/manifest.json"
        >>> mcc = pdneuro.allen.sdk.MouseConnectivityCache(resolution=100, manifest_file=path)
        >>> matrix = mcc.get_projection_matrix([100140756], [385, 549], [3], "projection_density")
        >>> matrix["matrix"].round(3), matrix["columns"][0]
        (array([[0.119, 0.045]]), {'hemisphere_id': 3, 'structure_id': 385, 'label': 'VISp'})
        """
        structures = projection_structure_ids
        if structures is None:
            structures = self.default_structure_ids
        table = self.get_structure_unionizes(
            experiment_ids,
            is_injection=False,
            structure_ids=structures,
            include_descendants=False,
            hemisphere_ids=hemisphere_ids,
        )
        if parameter not in table.columns:
            raise MissingColumnsError(
                f"unionizes do not have a column {parameter!r}; they have {listing(table.columns, 30)}."
            )
        acronyms = self.get_structure_tree().value_map(
            lambda node: node["id"], lambda node: node["acronym"]
        )
        columns = [
            {
                "hemisphere_id": side,
                "structure_id": number,
                "label": f"{acronyms[number]}{_HEMISPHERES[side]}",
            }
            for side in sorted(table["hemisphere_id"].unique().tolist())
            for number in structures
        ]
        keys = [(column["hemisphere_id"], column["structure_id"]) for column in columns]
        wide = table.pivot_table(
            parameter, "experiment_id", ["hemisphere_id", "structure_id"], aggfunc="last", sort=False
        )
        matrix = wide.reindex(index=list(experiment_ids), columns=pd.MultiIndex.from_tuples(keys))
        values = matrix.to_numpy(np.float64)
        if not dataframe:
            return {"matrix": values, "rows": experiment_ids, "columns": columns}
        experiments = self.get_experiments(dataframe=True)
        return {
            "matrix": values,
            "rows": experiments.loc[list(experiment_ids)],
            "columns": pd.DataFrame(columns),
        }


def _simplified(record: dict[str, Any]) -> dict[str, Any]:
    """Return an experiment of the service with the fields of allensdk."""
    experiment = {
        name: value for name, value in record.items() if name not in ("data_set_id", "storage_directory")
    }
    line, sites = record.get("transgenic_line"), record.get("injection_structures") or ""
    return {
        **experiment,
        "id": record.get("data_set_id"),
        "transgenic_line": line["name"] if isinstance(line, dict) else line,
        "injection_structures": [int(site) for site in sites.split("/") if site],
        "primary_injection_structure": record.get("structure_id"),
    }
