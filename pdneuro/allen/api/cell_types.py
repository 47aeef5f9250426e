"""CellTypesApi: recorded and reconstructed cells, their features and files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from pdneuro.allen import data_sets, payload
from pdneuro.allen.api.base import documented
from pdneuro.allen.api.rma import RmaApi
from pdneuro.errors import NotFoundError
from pdneuro.tables.columns import from_records

_INCLUDE = (
    "structure,cortex_layer,donor(transgenic_lines,organism,conditions),specimen_tags,"
    "cell_soma_locations,ephys_features,data_sets,neuron_reconstructions,cell_reporter"
)
#: Columns of the table of cells, by short name.
SIMPLE = {
    "reporter_status": "cell_reporter_status",
    "species": "donor__species",
    "id": "specimen__id",
    "name": "specimen__name",
    "structure_layer_name": "structure__layer",
    "structure_area_id": "structure_parent__id",
    "structure_area_abbrev": "structure_parent__acronym",
    "transgenic_line": "line_name",
    "dendrite_type": "tag__dendrite_type",
    "apical": "tag__apical",
    "reconstruction_type": "nr__reconstruction_type",
    "disease_state": "donor__disease_state",
    "donor_id": "donor__id",
    "structure_hemisphere": "specimen__hemisphere",
    "normalized_depth": "csl__normalized_depth",
}
SOMA = ("csl__x", "csl__y", "csl__z")


@documented
class CellTypesApi(RmaApi):
    """The Cell Types Database.

    {base_uri}

    Notes
    -----
    ``tag__apical`` holds the text ``"NA"``: not applicable, not missing. ``structure__id`` belongs to
    the ontology of the mouse for mouse cells, to that of the human for human cells.

    Examples
    --------
    >>> cells = pdneuro.allen.CellTypesApi().list_cells_api(species=["Mus musculus"])
    >>> cells[["specimen__id", "structure__acronym", "tag__apical"]].head(2)
       specimen__id structure__acronym tag__apical
    0     318808427              VISp5      intact
    1     464212183            VISp2/3          NA
    """

    NWB_FILE_TYPE = "NWBDownload"
    SWC_FILE_TYPE = "3DNeuronReconstruction"
    MARKER_FILE_TYPE = "3DNeuronMarker"
    MOUSE, HUMAN = data_sets.MOUSE, data_sets.HUMAN

    # -- tables -----------------------------------------------------------------------------------

    def list_cells_api(
        self,
        id: Any = None,
        require_morphology: bool = False,
        require_reconstruction: bool = False,
        reporter_status: Any = None,
        species: Any = None,
        **options: Any,
    ) -> pd.DataFrame:
        """Return one row per cell, with location, donor and features.

        Parameters
        ----------
        id : int or iterable of int, optional
            Specimen IDs. Default: all.
        require_morphology, require_reconstruction : bool
            Only cells with a reconstruction.
        reporter_status, species : str or iterable of str, optional
            Only cells of these. Case of a species is ignored.
        {options}

        Returns
        -------
        DataFrame
            With the column names of the service, such as ``specimen__id``, ``structure__id`` (int64).

        Examples
        --------
        >>> cells = pdneuro.allen.CellTypesApi().list_cells_api(require_reconstruction=True)
        >>> cells[["specimen__id", "donor__species", "nr__reconstruction_type"]]
           specimen__id donor__species nr__reconstruction_type
        0     318808427   Mus musculus                    full
        2     485909730   Mus musculus                    full
        4     567776248   Homo Sapiens           dendrite-only
        """
        cells = self._cells(id, **options)
        return self.filter_cells_api(
            cells, require_morphology, require_reconstruction, reporter_status, species, simple=False
        )

    def _cells(self, id: Any, **options: Any) -> pd.DataFrame:
        how = {"num_rows": "all", **options}
        if id is None:
            return self._model("ApiCellTypesSpecimenDetail", **how)
        ids = payload.id_list(id, "id")
        criteria = "[specimen__id$in{ids}]" if len(ids) > 1 else "[specimen__id$eq{ids}]"
        return self._model("ApiCellTypesSpecimenDetail", ids, criteria=criteria, **how)

    def get_cell(self, id: Any) -> dict[str, Any] | None:
        """Return a cell as a dict, None if there is no such specimen.

        Examples
        --------
        >>> cell = pdneuro.allen.CellTypesApi().get_cell(318808427)
        >>> cell["structure__acronym"], cell["tag__dendrite_type"], cell["ef__vrest"]
        ('VISp5', 'spiny', -70.0)
        """
        cells = self.list_cells_api(payload.one_id(id, "id"))
        if cells.empty:
            return None
        return {str(name): value for name, value in cells.astype(object).iloc[0].items()}

    def filter_cells_api(
        self,
        cells: Any,
        require_morphology: bool = False,
        require_reconstruction: bool = False,
        reporter_status: Any = None,
        species: Any = None,
        simple: bool = True,
    ) -> pd.DataFrame:
        """Select cells of :meth:`list_cells_api`.

        Parameters
        ----------
        cells : DataFrame or list of dict
        require_morphology, require_reconstruction : bool
            Only cells with a reconstruction.
        reporter_status, species : str or iterable of str, optional
            Only cells of these. Case of a species is ignored.
        simple : bool
            Return the columns of :meth:`simplify_cells_api`.

        Returns
        -------
        DataFrame
            The selected rows, with their index labels.

        Examples
        --------
        >>> database = pdneuro.allen.CellTypesApi()
        >>> cells = database.list_cells_api()
        >>> database.filter_cells_api(cells, species="human")[["id", "species", "disease_state"]]
                  id       species disease_state
        3  528642047  Homo Sapiens      epilepsy
        4  567776248  Homo Sapiens      epilepsy
        """
        table = cells if isinstance(cells, pd.DataFrame) else from_records(list(cells))
        if require_morphology or require_reconstruction:
            table = table[_column(table, "nr__reconstruction_type").notna()]
        if reporter_status is not None:
            table = table[_column(table, "cell_reporter_status").isin(_texts(reporter_status))]
        if species is not None:
            wanted = data_sets.species_names(species)
            table = table[_column(table, "donor__species").astype("object").map(_lower).isin(wanted)]
        return self.simplify_cells_api(table) if simple else table

    def simplify_cells_api(self, cells: Any) -> pd.DataFrame:
        """Return the most important columns, with short names.

        Returns
        -------
        DataFrame
            ``reporter_status, cell_soma_location`` (list of three, µm), ``species, id, name,
            structure_layer_name, structure_area_id, structure_area_abbrev, transgenic_line,
            dendrite_type, apical, reconstruction_type, disease_state, donor_id,
            structure_hemisphere, normalized_depth``.

        Examples
        --------
        >>> database = pdneuro.allen.CellTypesApi()
        >>> cells = database.list_cells_api([318808427, 464212183])
        >>> database.simplify_cells_api(cells)[["id", "cell_soma_location", "structure_layer_name"]]
                  id        cell_soma_location structure_layer_name
        0  318808427  [8000.5, 900.25, 2000.0]                    1
        1  464212183  [8000.5, 900.25, 2000.0]                    2
        """
        table = cells if isinstance(cells, pd.DataFrame) else from_records(list(cells))
        simple = pd.DataFrame({new: _column(table, old) for new, old in SIMPLE.items()})
        places = pd.DataFrame({name: _column(table, name).astype(object) for name in SOMA})
        lists = pd.Series(places.to_numpy(object).tolist(), index=table.index, dtype=object)
        simple.insert(1, "cell_soma_location", lists)
        simple.attrs = dict(table.attrs)
        return simple

    def list_cells(
        self,
        id: Any = None,
        require_morphology: bool = False,
        require_reconstruction: bool = False,
        reporter_status: Any = None,
        species: Any = None,
        **options: Any,
    ) -> pd.DataFrame:
        """Return cells as specimens with associated tables; :meth:`list_cells_api` is faster.

        Returns
        -------
        DataFrame
            Included tables in nested cells, and ``has_reconstruction``, ``has_morphology`` (bool),
            ``reporter_status``, ``species``, ``transgenic_line`` (text).

        Examples
        --------
        >>> cells = pdneuro.allen.CellTypesApi().list_cells(species="Mus musculus")
        >>> cells[["id", "has_reconstruction", "reporter_status"]]
                  id  has_reconstruction reporter_status
        0  318808427                True        positive
        1  464212183               False        positive
        2  485909730                True        negative
        """
        cells = self._specimens(id, **options)
        rows = [summary(row) for row in cells.to_dict("records")]
        for name in ("has_reconstruction", "has_morphology"):
            cells[name] = pd.Series([row[name] for row in rows], index=cells.index, dtype=bool)
        for name in ("reporter_status", "species", "transgenic_line"):
            cells[name] = from_records([{name: row[name]} for row in rows]).get(
                name, pd.Series(dtype=object)
            )
        kept = pd.Series(True, index=cells.index)
        if require_morphology:
            kept &= cells["has_morphology"]
        if require_reconstruction:
            kept &= cells["has_reconstruction"]
        if reporter_status is not None:
            kept &= cells["reporter_status"].isin(_texts(reporter_status))
        if species is not None:
            wanted = data_sets.species_names(species)
            kept &= cells["species"].astype("object").map(_lower).isin(wanted)
        return cells[kept]

    def _specimens(self, id: Any, **options: Any) -> pd.DataFrame:
        if id is None:
            criteria = (
                "[is_cell_specimen$eq'true'],products[name$in'Mouse Cell Types','Human Cell Types'],"
                "ephys_result[failed$eqfalse]"
            )
        else:
            criteria = f"[id$eq'{payload.one_id(id, 'id')}']"
        how = {"include": _INCLUDE, "num_rows": "all", **options}
        return self._model("Specimen", criteria=criteria, **how)

    def get_ephys_sweeps(self, specimen_id: Any, **options: Any) -> pd.DataFrame:
        """Return the sweeps of the recording of a cell, sorted by number.

        Examples
        --------
        >>> sweeps = pdneuro.allen.CellTypesApi().get_ephys_sweeps(318808427)
        >>> sweeps[["sweep_number", "stimulus_name"]]
           sweep_number stimulus_name
        0             1          Test
        1             2   Long Square
        2             3   Long Square
        """
        sweeps = self._sweeps(specimen_id, **options)
        if "sweep_number" not in sweeps.columns:
            return sweeps
        return sweeps.sort_values("sweep_number", ignore_index=True)

    def _sweeps(self, specimen_id: Any, **options: Any) -> pd.DataFrame:
        number = payload.one_id(specimen_id, "specimen_id")
        how = {"num_rows": "all", **options}
        return self._model("EphysSweep", criteria=f"[specimen_id$eq{number}]", **how)

    def get_ephys_features(self, **options: Any) -> pd.DataFrame:
        """Return features of the recordings of all cells, by ``specimen_id``.

        Examples
        --------
        >>> features = pdneuro.allen.CellTypesApi().get_ephys_features()
        >>> features[["specimen_id", "vrest", "tau"]].head(2)
           specimen_id  vrest   tau
        0    318808427  -70.0  15.5
        1    464212183  -71.0  16.5
        """
        return self._model(
            "EphysFeature",
            criteria="specimen(ephys_result[failed$eqfalse])",
            **{"num_rows": "all", **options},
        )

    def get_morphology_features(self, **options: Any) -> pd.DataFrame:
        """Return features of the reconstructions of all cells, by ``specimen_id``.

        Examples
        --------
        >>> features = pdneuro.allen.CellTypesApi().get_morphology_features()
        >>> features[["specimen_id", "number_stems"]]
           specimen_id  number_stems
        0    318808427             5
        1    485909730             7
        2    567776248             9
        """
        return self._model(
            "NeuronReconstruction",
            criteria="specimen(ephys_result[failed$eqfalse])",
            **{"excpt": "tags", "num_rows": "all", **options},
        )

    # -- files ------------------------------------------------------------------------------------

    def save_ephys_data(self, specimen_id: Any, file_name: Any) -> Path:
        """Download the recording of a cell (NWB).

        Raises
        ------
        NotFoundError
            The cell has no recording.
        {download errors}

        Examples
        --------
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "cell.nwb"
        >>> file = pdneuro.allen.CellTypesApi().save_ephys_data(318808427, path)
        >>> file.name, file.stat().st_size
        ('cell.nwb', 32000)
        """
        number = payload.one_id(specimen_id, "specimen_id")
        files = "ephys_result(well_known_files(well_known_file_type"
        rows = self._model_rows(
            "Specimen",
            criteria=f"[id$eq{number}],{files}[name$eq{self.NWB_FILE_TYPE}]))",
            include=f"{files}))",
            num_rows="all",
        )
        results = [row.get("ephys_result") or {} for row in rows]
        return self._save_first(results, self.NWB_FILE_TYPE, number, file_name)

    def save_reconstruction(self, specimen_id: Any, file_name: Any) -> Path:
        """Download the reconstruction of a cell (SWC).

        Examples
        --------
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "cell.swc"
        >>> file = pdneuro.allen.CellTypesApi().save_reconstruction(318808427, path)
        >>> pdneuro.files.read_swc(file)[["neuron", "node", "type", "parent"]].head(2)
          neuron  node  type  parent
        0   cell     1     1      -1
        1   cell     2     3       1
        """
        return self._save_morphology(specimen_id, self.SWC_FILE_TYPE, file_name)

    def save_reconstruction_markers(self, specimen_id: Any, file_name: Any) -> Path:
        """Download the markers of a reconstruction.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "cell.marker"
        >>> file = pdneuro.allen.CellTypesApi().save_reconstruction_markers(318808427, path)
        >>> file.name, file.stat().st_size
        ('cell.marker', 35000)
        """
        return self._save_morphology(specimen_id, self.MARKER_FILE_TYPE, file_name)

    def _save_morphology(self, specimen_id: Any, kind: str, file_name: Any) -> Path:
        number = payload.one_id(specimen_id, "specimen_id")
        rows = self._model_rows(
            "Specimen",
            criteria=f"[id$eq{number}],neuron_reconstructions(well_known_files)",
            include=(f"neuron_reconstructions(well_known_files(well_known_file_type[name$eq'{kind}']))"),
            num_rows="all",
        )
        found = [entry for row in rows for entry in row.get("neuron_reconstructions") or ()]
        return self._save_first(found, kind, number, file_name)

    def _save_first(self, owners: Iterable[dict[str, Any]], kind: str, number: int, path: Any) -> Path:
        files = [file for owner in owners for file in owner.get("well_known_files") or ()]
        named = [file for file in files if (file.get("well_known_file_type") or {}).get("name") == kind]
        # The query is for one type; the response may omit its name.
        fitting = named or [file for file in files if not file.get("well_known_file_type")]
        if not fitting:
            raise NotFoundError(f"specimen {number} does not have a file of type {kind}.")
        return self._save(f"{self.api_url}{fitting[0]['download_link']}", path)


def _column(table: pd.DataFrame, name: str) -> pd.Series[Any]:
    """Return a column; all cells are missing if the table does not have it."""
    return table[name] if name in table.columns else pd.Series(None, table.index, dtype=object)


def _texts(given: Any) -> list[str]:
    return [given] if isinstance(given, str) else [str(item) for item in given]


def _lower(text: Any) -> Any:
    return text.lower() if isinstance(text, str) else text


def summary(row: dict[Any, Any]) -> dict[str, Any]:
    """Return whether a specimen has images and a reconstruction, its line, reporter and species."""
    donor = row.get("donor") or {}
    drivers = [
        line["name"]
        for line in donor.get("transgenic_lines") or ()
        if line.get("transgenic_line_type_name") == "driver"
    ]
    return {
        "has_reconstruction": bool(row.get("neuron_reconstructions")),
        "has_morphology": bool(row.get("data_sets")),
        "transgenic_line": drivers[-1] if drivers else None,
        "reporter_status": (row.get("cell_reporter") or {}).get("name"),
        "species": (donor.get("organism") or {}).get("name"),
    }
