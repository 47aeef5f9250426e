"""BiophysicalApi: models of cells with their morphology, and the files to run them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from pdneuro._atomic import replacing
from pdneuro.allen import payload
from pdneuro.allen.api.base import documented
from pdneuro.allen.api.rma import RmaApi
from pdneuro.errors import NotFoundError

MODEL_TYPE_IDS = (491455321, 329230710)
_TABLES = (
    "neuronal_model_template(well_known_files(well_known_file_type)),"
    "specimen(ephys_result(well_known_files(well_known_file_type)),"
    "neuron_reconstructions(well_known_files(well_known_file_type)),ephys_sweeps),"
    "well_known_files(well_known_file_type)"
)
_NWB, _SWC, _MARKER = "NWBDownload", "3DNeuronReconstruction", "3DNeuronMarker"
_MOD, _FIT = "BiophysicalModelDescription", "NeuronalModelParameters"


@documented
class BiophysicalApi(RmaApi):
    """Biophysical models, perisomatic and all-active, of the Cell Types Database.

    {base_uri}

    Attributes
    ----------
    cache_stimulus : bool
        Whether :meth:`cache_data` also downloads the recording, the largest file.

    Examples
    --------
    >>> models = pdneuro.allen.BiophysicalApi().get_neuronal_models([318808427])
    >>> models["id"].tolist()
    [472299294]
    """

    BIOPHYSICAL_MODEL_TYPE_IDS = MODEL_TYPE_IDS

    def __init__(self, base_uri: str | None = None) -> None:
        super().__init__(base_uri)
        self.cache_stimulus = True

    # -- payload ----------------------------------------------------------------------------------

    def build_rma(self, neuronal_model_id: Any, fmt: str = "json") -> str:
        """Return the address of the query for all files of a model.

        Examples
        --------
        >>> pdneuro.allen.BiophysicalApi("https://api.brain-map.org").build_rma(472299294)
        'https://api.brain-map.org/...model::NeuronalModel,rma::criteria,[id$eq472299294],...'
        """
        number = payload.one_id(neuronal_model_id, "neuronal_model_id")
        stage = payload.model_stage(
            "NeuronalModel", criteria=f"[id$eq{number}],{_TABLES}", include=_TABLES
        )
        return self._query(stage, fmt)

    # -- send -------------------------------------------------------------------------------------

    def get_neuronal_models(
        self,
        specimen_ids: Any,
        num_rows: Any = "all",
        count: bool = False,
        model_type_ids: Any = None,
        **options: Any,
    ) -> pd.DataFrame:
        """Find models of cells.

        Parameters
        ----------
        specimen_ids : int or iterable of int
        {num_rows}
        model_type_ids : int or iterable of int, optional
            Default: all-active and perisomatic models.
        {options}

        Examples
        --------
        >>> models = pdneuro.allen.BiophysicalApi().get_neuronal_models([318808427, 464212183])
        >>> models[["id", "specimen_id", "neuronal_model_template_id"]]
                  id  specimen_id  neuronal_model_template_id
        0  472299294    318808427                   491455321
        """
        kinds = payload.ids(
            MODEL_TYPE_IDS if model_type_ids is None else model_type_ids, "model_type_ids"
        )
        return self._model(
            "NeuronalModel",
            payload.id_list(specimen_ids, "specimen_ids"),
            criteria=f"[neuronal_model_template_id$in{kinds}],[specimen_id$in{{ids}}]",
            num_rows=num_rows,
            count=count,
            **options,
        )

    def get_well_known_file_ids(self, neuronal_model_id: Any) -> dict[str, dict[str, str]]:
        """Find the files of a model.

        Returns
        -------
        dict
            ``stimulus, morphology, marker, modfiles, fit``, each file ID (text) to file name.

        Examples
        --------
        >>> files = pdneuro.allen.BiophysicalApi().get_well_known_file_ids(472299294)
        >>> files["morphology"], files["modfiles"]
        ({'490000004': 'cell_0.swc'}, {'470000001': 'modfiles/Ca.mod'})
        """
        return files_of(self._models(neuronal_model_id))

    def _models(self, neuronal_model_id: Any) -> list[dict[str, Any]]:
        return self._rows(self.build_rma(neuronal_model_id)).rows

    def cache_data(self, neuronal_model_id: Any, working_directory: Any = None) -> Path:
        """Download all files of a model and write its manifest.

        Parameters
        ----------
        neuronal_model_id : int
        working_directory : path, optional
            Default: the current folder. Contains ``work/``, ``modfiles/`` and ``manifest.json``
            afterwards. Existing files are not downloaded again.

        Returns
        -------
        Path
            The manifest.

        Raises
        ------
        NotFoundError
            There is no such model, or it has no files.
        {download errors}

        Examples
        --------
        >>> import pathlib, tempfile
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> models = pdneuro.allen.BiophysicalApi()
        >>> models.cache_stimulus = False
        >>> manifest = models.cache_data(472299294, folder)
        >>> sorted(path.name for path in folder.rglob("*") if path.is_file())
        ['472299294_neuron_config.json', 'Ca.mod', 'cell_0.marker', 'cell_0.swc', 'manifest.json']
        """
        folder = Path(working_directory or ".").expanduser()
        models = self._models(neuronal_model_id)
        files = files_of(models)
        if not any(files.values()):
            raise NotFoundError(f"neuronal model {neuronal_model_id} does not have files.")
        for name in ("work", "modfiles"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        for kind, known in files.items():
            if kind == "stimulus" and not self.cache_stimulus:
                continue
            for number, name in known.items():
                if not (folder / name).exists():
                    self._save(self.construct_well_known_file_download_url(number), folder / name)
        first = {kind: next(iter(known.values()), "") for kind, known in files.items()}
        manifest = self.create_manifest(
            first["fit"],
            str((models[0].get("neuronal_model_template") or {}).get("name", "")),
            first["stimulus"],
            first["morphology"],
            first["marker"],
            sweeps_of(models),
        )
        path = folder / "manifest.json"
        with replacing(path) as place:
            place.write_text(json.dumps(manifest, indent=2))
        return path

    def create_manifest(
        self,
        fit_path: str = "",
        model_type: str = "",
        stimulus_filename: str = "",
        swc_morphology_path: str = "",
        marker_path: str = "",
        sweeps: Any = (),
    ) -> dict[str, Any]:
        """Return the configuration with which ``allensdk.model.biophysical`` runs a model.

        Examples
        --------
        >>> manifest = pdneuro.allen.BiophysicalApi().create_manifest(
        ...     "fit.json", "Biophysical - all active", "318808428.nwb", "cell.swc", sweeps=[2, 3]
        ... )
        >>> manifest["biophys"]
        [{'model_file': ['manifest.json', 'fit.json'], 'model_type': 'Biophysical - all active'}]
        >>> manifest["runs"]
        [{'sweeps': [2, 3]}]
        """
        nwb = {"type": "file", "format": "NWB", "spec": stimulus_filename}
        return {
            "biophys": [{"model_file": ["manifest.json", fit_path], "model_type": model_type}],
            "runs": [{"sweeps": list(sweeps)}],
            "neuron": [{"hoc": ["stdgui.hoc", "import3d.hoc"]}],
            "manifest": [
                {"type": "dir", "spec": ".", "key": "BASEDIR"},
                {"type": "dir", "spec": "work", "key": "WORKDIR", "parent": "BASEDIR"},
                {"type": "file", "spec": swc_morphology_path, "key": "MORPHOLOGY"},
                {"type": "file", "spec": marker_path, "key": "MARKER"},
                {"type": "dir", "spec": "modfiles", "key": "MODFILE_DIR"},
                {**nwb, "key": "stimulus_path"},
                {"parent_key": "WORKDIR", **nwb, "key": "output_path"},
            ],
        }


def files_of(models: list[dict[str, Any]]) -> dict[str, dict[str, str]]:
    """Return file names by file ID, for each kind of file."""
    found: dict[str, dict[str, str]] = {
        kind: {} for kind in ("stimulus", "morphology", "marker", "modfiles", "fit")
    }

    def enter(owner: Any, kind: str, part: str, name: str | None = None) -> None:
        for file in (owner or {}).get("well_known_files") or ():
            named = (file.get("well_known_file_type") or {}).get("name")
            if named == kind and "id" in file and "path" in file:
                last = Path(file["path"]).name
                found[part][str(file["id"])] = name or (
                    f"modfiles/{last}" if part == "modfiles" else last
                )

    for model in models:
        specimen = model.get("specimen") or {}
        enter(model, _FIT, "fit")
        enter(model.get("neuronal_model_template"), _MOD, "modfiles")
        for reconstruction in specimen.get("neuron_reconstructions") or ():
            enter(reconstruction, _SWC, "morphology")
            enter(reconstruction, _MARKER, "marker")
        result = specimen.get("ephys_result")
        enter(result, _NWB, "stimulus", f"{(result or {}).get('id')}.nwb")
    return found


def sweeps_of(models: list[dict[str, Any]]) -> list[int]:
    """Return the numbers of the sweeps, without tests."""
    return sorted(
        sweep["sweep_number"]
        for model in models
        for sweep in (model.get("specimen") or {}).get("ephys_sweeps") or ()
        if sweep.get("stimulus_name") != "Test"
    )
