"""Classes of allensdk.api for data sets, cells, models and connected services."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from pdneuro._atomic import replacing
from pdneuro.allen import payload
from pdneuro.allen.api import annotated_section_data_sets as annotated
from pdneuro.allen.api import (
    biophysical,
    cell_types,
    connected_services,
    glif,
)
from pdneuro.allen.api.base import documented
from pdneuro.allen.sdk.adapters import Records, as_file, as_records
from pdneuro.allen.sdk.api import RmaApi, RmaTemplate
from pdneuro.allen.sdk.cache import cacheable
from pdneuro.errors import NotFoundError


@documented
class AnnotatedSectionDataSetsApi(RmaApi, annotated.AnnotatedSectionDataSetsApi):
    """Data sets whose expression was annotated by hand, as records.

    {base_uri}

    Examples
    --------
    >>> api = pdneuro.allen.sdk.AnnotatedSectionDataSetsApi()
    >>> api.get_annotated_section_data_sets([15566], intensity_values=["High"])
    [{'id': 69816930, 'intensity': 'High'}]
    """

    get_annotated_section_data_sets = as_records(
        annotated.AnnotatedSectionDataSetsApi.get_annotated_section_data_sets,
        'api.get_annotated_section_data_sets([15566], ["High"])[0]["id"]',
        "69816930",
    )
    get_annotated_section_data_sets_via_rma = as_records(
        annotated.AnnotatedSectionDataSetsApi.get_annotated_section_data_sets_via_rma,
        'api.get_annotated_section_data_sets_via_rma([315], ["High"])[0]["id"]',
        "69816930",
    )
    get_compound_annotated_section_data_sets = as_records(
        annotated.AnnotatedSectionDataSetsApi.get_compound_annotated_section_data_sets,
        'api.get_compound_annotated_section_data_sets([{"structures": [15566]}])[0]["id"]',
        "69816930",
    )

    def build_compound_query(self, queries: Iterable[Mapping[str, Any]], fmt: str = "json") -> str:
        """Return the address of a compound query; unknown keys are ignored.

        Examples
        --------
        >>> api = pdneuro.allen.sdk.AnnotatedSectionDataSetsApi("https://host")
        >>> url = api.build_compound_query([{"structures": [1], "unknown": 2}])
        >>> url.partition("query=")[2]
        '[structures $in 1]'
        """
        known = [
            {key: value for key, value in query.items() if key in annotated.KEYS} for query in queries
        ]
        return super().build_compound_query(known, fmt)


@documented
class CellTypesApi(RmaApi, cell_types.CellTypesApi):
    """The Cell Types Database, as records.

    {base_uri}

    Examples
    --------
    >>> cells = pdneuro.allen.sdk.CellTypesApi().list_cells_api(species=["Mus musculus"])
    >>> [cell["specimen__id"] for cell in cells]
    [318808427, 464212183, 485909730]
    """

    @cacheable()
    def list_cells_api(
        self,
        id: Any = None,
        require_morphology: bool = False,
        require_reconstruction: bool = False,
        reporter_status: Any = None,
        species: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Return one record per cell, with location, donor and features.

        Examples
        --------
        >>> cells = pdneuro.allen.sdk.CellTypesApi().list_cells_api()
        >>> cells[0]["specimen__id"], cells[0]["structure__acronym"]
        (318808427, 'VISp5')
        """
        found = self._cells(id, **kwargs)
        how = (require_morphology, require_reconstruction, reporter_status, species)
        return self.filter_cells_api(found, *how, simple=False) if any(how) else found

    def get_cell(self, id: Any) -> Any:
        """Return the record of a cell, None if there is no such specimen.

        Examples
        --------
        >>> pdneuro.allen.sdk.CellTypesApi().get_cell(318808427)["tag__dendrite_type"]
        'spiny'
        """
        found = self.list_cells_api(id=payload.one_id(id, "id"))
        return found[0] if found else None

    def filter_cells_api(
        self,
        cells: Any,
        require_morphology: bool = False,
        require_reconstruction: bool = False,
        reporter_status: Any = None,
        species: Any = None,
        simple: bool = True,
    ) -> Any:
        """Select records of :meth:`list_cells_api`; no cell fits an unknown name.

        Examples
        --------
        >>> api = pdneuro.allen.sdk.CellTypesApi()
        >>> [cell["id"] for cell in api.filter_cells_api(api.list_cells_api(), species=["Homo Sapiens"])]
        [528642047, 567776248]
        """
        found = _records_of(cells)
        if require_morphology or require_reconstruction:
            found = [cell for cell in found if cell.get("nr__reconstruction_type") is not None]
        if reporter_status:
            wanted = _texts(reporter_status)
            found = [cell for cell in found if cell.get("cell_reporter_status") in wanted]
        if species:
            wanted = [name.lower() for name in _texts(species)]
            found = [cell for cell in found if (cell.get("donor__species") or "").lower() in wanted]
        return self.simplify_cells_api(found) if simple else found

    def simplify_cells_api(self, cells: Any) -> Any:
        """Return the most important values of records, with short names.

        Examples
        --------
        >>> api = pdneuro.allen.sdk.CellTypesApi()
        >>> api.simplify_cells_api([api.get_cell(318808427)])[0]["cell_soma_location"]
        [8000.5, 900.25, 2000.0]
        """
        return [
            {
                "reporter_status": cell.get("cell_reporter_status"),
                "cell_soma_location": [cell.get(name) for name in cell_types.SOMA],
                **{new: cell.get(old) for new, old in cell_types.SIMPLE.items()},
            }
            for cell in _records_of(cells)
        ]

    def list_cells(
        self,
        id: Any = None,
        require_morphology: bool = False,
        require_reconstruction: bool = False,
        reporter_status: Any = None,
        species: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Return cells as specimens with associated tables; :meth:`list_cells_api` is faster.

        Examples
        --------
        >>> cell = pdneuro.allen.sdk.CellTypesApi().list_cells(species=["Mus musculus"])[0]
        >>> cell["has_reconstruction"], cell["reporter_status"], cell["apical"]
        (True, 'positive', 'intact')
        """
        found: Any = self._specimens(id, **kwargs)
        for cell in found:
            for tag in cell.get("specimen_tags") or ():
                name, _, value = tag["name"].partition(" - ")
                cell[name.replace(" ", "_")] = value
            cell |= cell_types.summary(cell)
            conditions = (cell.get("donor") or {}).get("conditions") or ()
            parts = [condition["name"].partition(" - ") for condition in conditions]
            cell["disease_categories"] = [
                rest for kind, _, rest in parts if kind == "disease categories"
            ]
        return self.filter_cells(
            found, require_morphology, require_reconstruction, reporter_status, species
        )

    def filter_cells(
        self,
        cells: Any,
        require_morphology: bool,
        require_reconstruction: bool,
        reporter_status: Any,
        species: Any,
    ) -> Any:
        """Select records of :meth:`list_cells`.

        Examples
        --------
        >>> api = pdneuro.allen.sdk.CellTypesApi()
        >>> len(api.filter_cells(api.list_cells(), True, True, ["positive"], None))
        1
        """
        found = _records_of(cells)
        if require_morphology:
            found = [cell for cell in found if cell["has_morphology"]]
        if require_reconstruction:
            found = [cell for cell in found if cell["has_reconstruction"]]
        if reporter_status:
            wanted = _texts(reporter_status)
            found = [cell for cell in found if cell["reporter_status"] in wanted]
        if species:
            wanted = [name.lower() for name in _texts(species)]
            found = [cell for cell in found if cell["donor"]["organism"]["name"].lower() in wanted]
        return found

    @cacheable()
    def get_ephys_sweeps(self, specimen_id: Any, **kwargs: Any) -> Any:
        """Return the sweeps of the recording of a cell, sorted by number.

        Examples
        --------
        >>> sweeps = pdneuro.allen.sdk.CellTypesApi().get_ephys_sweeps(318808427)
        >>> [sweep["sweep_number"] for sweep in sweeps]
        [1, 2, 3]
        """
        return sorted(self._sweeps(specimen_id, **kwargs), key=lambda sweep: sweep["sweep_number"])

    get_ephys_features = as_records(
        cell_types.CellTypesApi.get_ephys_features,
        'api.get_ephys_features()[0]["vrest"]',
        "-70.0",
    )
    get_morphology_features = as_records(
        cell_types.CellTypesApi.get_morphology_features,
        'api.get_morphology_features()[0]["number_stems"]',
        "5",
    )
    save_ephys_data = as_file(
        cell_types.CellTypesApi.save_ephys_data,
        "file_name",
        'api.save_ephys_data(318808427, f"{folder}/cell.nwb").name',
        "'cell.nwb'",
    )


def _records_of(given: Any) -> Records:
    found: Any = given.to_dict("records") if isinstance(given, pd.DataFrame) else given
    return list(found)


def _texts(given: Any) -> list[str]:
    return [given] if isinstance(given, str) else [str(item) for item in given]


@documented
class BiophysicalApi(RmaTemplate, biophysical.BiophysicalApi):
    """Biophysical models, as records, and the files to run them.

    {base_uri}

    Attributes
    ----------
    ids, sweeps, model_type, manifest
        Files, sweeps and kind of the last model, and its configuration.

    Examples
    --------
    >>> pdneuro.allen.sdk.BiophysicalApi().get_neuronal_models([318808427])[0]["id"]
    472299294
    """

    _QUERIES = {
        ("model_queries", "models_by_specimen"): (
            "get_neuronal_models",
            {"biophysical_model_types": "model_type_ids"},
        )
    }

    def __init__(self, base_uri: str | None = None) -> None:
        RmaTemplate.__init__(self, base_uri)
        self.cache_stimulus = True
        self.ids: dict[str, dict[str, str]] = {}
        self.sweeps: list[int] = []
        self.manifest: dict[str, Any] = {}
        self.model_type: str | None = None

    get_neuronal_models = as_records(
        biophysical.BiophysicalApi.get_neuronal_models,
        'api.get_neuronal_models([318808427])[0]["specimen_id"]',
        "318808427",
    )

    def read_json(self, json_parsed_data: Any) -> dict[str, dict[str, str]]:
        """Return the files of a model from the response to ``build_rma``, and set the attributes.

        Examples
        --------
        >>> api = pdneuro.allen.sdk.BiophysicalApi()
        >>> api.read_json({"success": True, "msg": []})["fit"]
        {}
        """
        models = json_parsed_data.get("msg") or []
        self.ids = biophysical.files_of(models)
        self.sweeps = biophysical.sweeps_of(models)
        for model in models:
            self.model_type = (model.get("neuronal_model_template") or {}).get("name", self.model_type)
        return self.ids

    def is_well_known_file_type(self, wkf: Any, name: str) -> bool:
        """Return whether a file is of a type.

        Examples
        --------
        >>> file = {"id": 1, "well_known_file_type": {"name": "NWBDownload"}}
        >>> pdneuro.allen.sdk.BiophysicalApi().is_well_known_file_type(file, "NWBDownload")
        True
        """
        kind = wkf.get("well_known_file_type") if isinstance(wkf, Mapping) else None
        return isinstance(kind, Mapping) and kind.get("name") == name

    def get_well_known_file_ids(self, neuronal_model_id: Any) -> Any:
        """Return the files of a model: file IDs and names, by kind.

        Examples
        --------
        >>> api = pdneuro.allen.sdk.BiophysicalApi()
        >>> api.get_well_known_file_ids(472299294)["morphology"], api.sweeps
        ({'490000004': 'cell_0.swc'}, [2, 3])
        """
        return self.do_query(self.build_rma, self.read_json, neuronal_model_id)

    def cache_data(self, neuronal_model_id: Any, working_directory: Any = None) -> Any:
        """Download all files of a model and write its manifest.

        Returns
        -------
        Path
            The manifest. ``working_directory`` is ``default_working_directory`` by default.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> api = pdneuro.allen.sdk.BiophysicalApi()
        >>> api.cache_stimulus = False
        >>> api.cache_data(472299294, pathlib.Path(tempfile.mkdtemp())).name, api.model_type
        ('manifest.json', 'Biophysical - all active')
        """
        folder = self.default_working_directory if working_directory is None else working_directory
        return super().cache_data(neuronal_model_id, folder)

    def create_manifest(self, *args: Any, **kwargs: Any) -> Any:
        """Return the configuration to run a model, and set ``manifest``.

        The arguments are those of :meth:`pdneuro.allen.BiophysicalApi.create_manifest`.

        Examples
        --------
        >>> api = pdneuro.allen.sdk.BiophysicalApi()
        >>> api.create_manifest("fit.json", "Biophysical - all active", sweeps=[2])["runs"]
        [{'sweeps': [2]}]
        """
        self.manifest = super().create_manifest(*args, **kwargs)
        return self.manifest

    def _models(self, neuronal_model_id: Any) -> Any:
        def read(document: Any) -> Any:
            self.read_json(document)
            return self.read_data(document)

        return self.do_query(self.build_rma, read, neuronal_model_id)


@documented
class GlifApi(RmaTemplate, glif.GlifApi):
    """Point neuron models, as records.

    {base_uri}

    Attributes
    ----------
    metadata, neuronal_model, ephys_sweeps, neuron_config_url, stimulus_url
        What :meth:`get_neuronal_model` found.

    Examples
    --------
    >>> models = pdneuro.allen.sdk.GlifApi().get_neuronal_models([318808427])
    >>> [model["name"] for model in models[0]["neuronal_models"]][:2]
    ['model 0', 'model 1']
    """

    NWB_FILE_TYPE = None
    GLIF_TYPES: Any = list(glif.GLIF_TYPES)
    _QUERIES = {
        ("glif_queries", "neuronal_model_templates"): ("get_neuronal_model_templates", {}),
        ("glif_queries", "neuronal_models"): ("get_neuronal_models", {}),
        ("glif_queries", "neuron_config"): ("get_neuronal_models_by_id", {}),
    }

    def __init__(self, base_uri: str | None = None) -> None:
        RmaTemplate.__init__(self, base_uri)
        self.metadata: dict[str, Any] = {}
        self.neuronal_model: Any = None
        self.ephys_sweeps: Any = None
        self.neuron_config_url: str | None = None
        self.stimulus_url: str | None = None

    get_neuronal_model_templates = as_records(
        glif.GlifApi.get_neuronal_model_templates,
        'api.get_neuronal_model_templates()[0]["name"]',
        "'3a LIF-R'",
    )
    get_neuronal_models = as_records(
        glif.GlifApi.get_neuronal_models,
        'len(api.get_neuronal_models([318808427])[0]["neuronal_models"])',
        "3",
    )
    get_neuronal_models_by_id = as_records(
        glif.GlifApi.get_neuronal_models_by_id,
        'api.get_neuronal_models_by_id([566302806])[0]["name"]',
        "'model 0'",
    )
    list_neuronal_models = as_records(
        glif.GlifApi.list_neuronal_models,
        'api.list_neuronal_models()[0]["id"]',
        "566302806",
    )

    def get_neuronal_model(self, neuronal_model_id: Any) -> Any:
        """Return a model with its sweeps, and the addresses of its parameters and its recording.

        Returns
        -------
        dict
            ``neuronal_model``, ``ephys_sweeps``, ``neuron_config_url``, ``stimulus_url``; also
            attributes, for :meth:`get_neuron_config`, :meth:`get_ephys_sweeps` and
            :meth:`cache_stimulus_file`.

        Examples
        --------
        >>> found = pdneuro.allen.sdk.GlifApi().get_neuronal_model(566302806)
        >>> sorted(found), len(found["ephys_sweeps"])
        (['ephys_sweeps', 'neuron_config_url', 'neuronal_model', 'stimulus_url'], 3)
        """
        model = super().get_neuronal_model(neuronal_model_id)
        specimen = model.get("specimen") or {}
        recordings = (specimen.get("ephys_result") or {}).get("well_known_files")
        self.neuronal_model = model
        self.ephys_sweeps = specimen.get("ephys_sweeps")
        self.neuron_config_url = _link(
            model.get("well_known_files"),
            lambda file: str(file.get("path", "")).endswith("neuron_config.json"),
        )
        self.stimulus_url = _link(
            recordings,
            lambda file: (file.get("well_known_file_type") or {}).get("name") == "NWBDownload",
        )
        self.metadata = {
            "neuron_config_url": self.neuron_config_url,
            "stimulus_url": self.stimulus_url,
            "ephys_sweeps": self.ephys_sweeps,
            "neuronal_model": model,
        }
        return self.metadata

    def get_ephys_sweeps(self) -> Any:
        """Return the sweeps of the model of :meth:`get_neuronal_model`.

        Examples
        --------
        >>> api = pdneuro.allen.sdk.GlifApi()
        >>> _ = api.get_neuronal_model(566302806)
        >>> len(api.get_ephys_sweeps())
        3
        """
        return self.ephys_sweeps

    def get_neuron_config(self, output_file_name: Any = None) -> Any:
        """Download the parameters of the model of :meth:`get_neuronal_model`.

        Parameters
        ----------
        output_file_name : path, optional
            Also write them to this JSON file.

        Raises
        ------
        NotFoundError
            No model was chosen, or it does not have such a file.

        Examples
        --------
        >>> api = pdneuro.allen.sdk.GlifApi()
        >>> _ = api.get_neuronal_model(566302806)
        >>> api.get_neuron_config()["th_inf"]
        0.03
        """
        found = self._document(self._chosen(self.neuron_config_url, "parameters"))
        if output_file_name:
            with replacing(Path(output_file_name).expanduser()) as part:
                part.write_text(json.dumps(found, indent=2), "utf-8")
        return found

    def cache_stimulus_file(self, output_file_name: Any) -> Any:
        """Download the recording of the model of :meth:`get_neuronal_model` (NWB).

        Examples
        --------
        >>> import pathlib, tempfile
        >>> api = pdneuro.allen.sdk.GlifApi()
        >>> _ = api.get_neuronal_model(566302806)
        >>> api.cache_stimulus_file(pathlib.Path(tempfile.mkdtemp()) / "cell.nwb").name
        'cell.nwb'
        """
        return self._save(self._chosen(self.stimulus_url, "recording"), output_file_name)

    def _chosen(self, link: str | None, what: str) -> str:
        if link is None:
            raise NotFoundError(f"no {what}: call get_neuronal_model() of a model that has this file.")
        return f"{self.api_url}{link}"


def _link(files: Any, fits: Callable[[Any], bool]) -> str | None:
    """Return the link of the first file that fits."""
    return next((file["download_link"] for file in files or () if fits(file)), None)


_TYPES = {
    "string": "set sort_order sort_by hemisphere injection_hemisphere target_hemisphere query_string k",
    "integer": "row start_row num_rows section_data_set threshold",
    "float": "correlation_threshold1 correlation_threshold2",
    "boolean": "primary_structure_only",
}
_TYPE_OF = {name: kind for kind, names in _TYPES.items() for name in names.split()}
_DEFAULTS = {"start_row": 0, "num_rows": 2000, "sort_order": "desc", "sort_by": "p-value"}


def _described(name: str, service: connected_services.Service) -> dict[str, Any]:
    about: dict[str, Any] = {"name": name, "type": _TYPE_OF.get(name, "array")}
    if name not in service.required:
        about["optional"] = True
    if name in service.values:
        about["values"] = list(service.values[name])
    if name in _DEFAULTS and name not in service.required:
        about["default"] = _DEFAULTS[name]
    return about


@documented
class ConnectedServices(RmaApi, connected_services.ConnectedServices):
    """Searches that RMA queries can call.

    {base_uri}

    Attributes
    ----------
    schema : dict
        The parameters of each service: name, type, allowed values, default.

    Examples
    --------
    >>> services = pdneuro.allen.sdk.ConnectedServices
    >>> services.schema["mouse_correlation"]["parameters"][0]
    {'name': 'set', 'type': 'string', 'values': ['mouse', 'mouse_coronal']}
    """

    ARRAY = "array"
    STRING = "string"
    INTEGER = "integer"
    FLOAT = "float"
    BOOLEAN = "boolean"
    schema = {
        name: {"parameters": [_described(key, service) for key in service.parameters]}
        for name, service in connected_services.SERVICES.items()
    }

    query = as_records(
        connected_services.ConnectedServices.query,
        'api.query("mouse_correlation", set="mouse", row=75147760)[0]["r"]',
        "1.0",
    )
