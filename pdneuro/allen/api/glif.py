"""GlifApi: generalized leaky integrate-and-fire models of cells."""

from __future__ import annotations

from typing import Any

import pandas as pd

from pdneuro.allen import payload
from pdneuro.allen.api.base import documented
from pdneuro.allen.api.rma import RmaApi
from pdneuro.errors import NotFoundError

GLIF_TYPES = (395310498, 395310469, 395310475, 395310479, 471355161)
_DETAIL = (
    "neuronal_model_template(well_known_files(well_known_file_type)),"
    "specimen(ephys_sweeps,ephys_result(well_known_files(well_known_file_type))),"
    "well_known_files(well_known_file_type)"
)
_CONFIG = {"include": "well_known_files(well_known_file_type)", "num_rows": "all", "count": False}


@documented
class GlifApi(RmaApi):
    """Point neuron models fitted to the cells of the Cell Types Database.

    {base_uri}

    Examples
    --------
    >>> models = pdneuro.allen.GlifApi().get_neuronal_models([318808427])
    >>> models["id"].tolist(), [model["name"] for model in models["neuronal_models"].iloc[0]][:2]
    ([318808427], ['model 0', 'model 1'])
    """

    GLIF_TYPES = GLIF_TYPES

    def get_neuronal_model_templates(self, **options: Any) -> pd.DataFrame:
        """Return the kinds of models; see :meth:`pdneuro.allen.RmaApi.model_query` for options.

        Examples
        --------
        >>> pdneuro.allen.GlifApi().get_neuronal_model_templates()
                  id                      name
        0  395310498                  3a LIF-R
        1  395310469                     1 LIF
        2  491455321  Biophysical - all active
        """
        return self._model("NeuronalModelTemplate", **{"num_rows": "all", "count": False, **options})

    def get_neuronal_models(self, ephys_experiment_ids: Any = None, **options: Any) -> pd.DataFrame:
        """Return cells with their models.

        Parameters
        ----------
        ephys_experiment_ids : int or iterable of int, optional
            Specimen IDs. Default: all.
        {options}

        Returns
        -------
        DataFrame
            One row per specimen; ``neuronal_models`` holds lists of records.

        Examples
        --------
        >>> cells = pdneuro.allen.GlifApi().get_neuronal_models([318808427, 464212183])
        >>> cells["name"].tolist(), cells["neuronal_models"].map(len).tolist()
        (['Cell-0', 'Cell-1'], [3, 0])
        """
        kinds = ",".join(map(str, GLIF_TYPES))
        how = {
            "include": (
                f"neuronal_models(well_known_files,neuronal_model_template[id$in{kinds}],"
                "neuronal_model_runs(well_known_files))"
            ),
            "num_rows": "all",
            "count": False,
            **options,
        }
        if ephys_experiment_ids is None:
            return self._model("Specimen", **how)
        ids = payload.id_list(ephys_experiment_ids, "ephys_experiment_ids")
        return self._model("Specimen", ids, criteria="[id$in{ids}]", **how)

    def get_neuronal_models_by_id(self, neuronal_model_ids: Any = None, **options: Any) -> pd.DataFrame:
        """Return models with their files.

        Parameters
        ----------
        neuronal_model_ids : int or iterable of int
        {options}

        Returns
        -------
        DataFrame
            One row per model; ``well_known_files`` holds lists of records.

        Examples
        --------
        >>> models = pdneuro.allen.GlifApi().get_neuronal_models_by_id([566302806, 566302807])
        >>> models[["id", "name", "specimen_id"]]
                  id     name  specimen_id
        0  566302806  model 0    318808427
        1  566302807  model 1    318808427
        """
        return self._model(
            "NeuronalModel",
            payload.id_list(neuronal_model_ids, "neuronal_model_ids"),
            criteria="[id$in{ids}]",
            **{**_CONFIG, **options},
        )

    def get_neuron_configs(self, neuronal_model_ids: Any = None) -> dict[int, Any]:
        """Download the parameters of models.

        Returns
        -------
        dict
            Content of the first file of each model, by model ID.

        Raises
        ------
        NotFoundError
            A model does not have a file.

        Examples
        --------
        >>> pdneuro.allen.GlifApi().get_neuron_configs([566302806])
        {566302806: {'th_inf': 0.03, 'model': 566302806}}
        """
        found = {}
        ids = payload.id_list(neuronal_model_ids, "neuronal_model_ids")
        for model in self._model_rows("NeuronalModel", ids, criteria="[id$in{ids}]", **_CONFIG):
            if not model.get("well_known_files"):
                raise NotFoundError(f"model {model['id']} does not have a file.")
            link = model["well_known_files"][0]["download_link"]
            found[int(model["id"])] = self._document(f"{self.api_url}{link}")
        return found

    def list_neuronal_models(self, **options: Any) -> pd.DataFrame:
        """Return all models of this kind, with their specimens.

        Examples
        --------
        >>> models = pdneuro.allen.GlifApi().list_neuronal_models(nested="flatten")
        >>> models[["id", "specimen_name", "neuronal_model_template_name"]].head(2)
                  id specimen_name neuronal_model_template_name
        0  566302806        Cell-0                     3a LIF-R
        1  566302807        Cell-0                        1 LIF
        """
        include = "specimen(ephys_result[failed$eqfalse]),neuronal_model_template[name$il'*LIF*']"
        return self._model("NeuronalModel", **{"include": include, "num_rows": "all", **options})

    def get_neuronal_model(self, neuronal_model_id: Any) -> dict[str, Any]:
        """Return a model with its files, template, specimen and sweeps.

        Raises
        ------
        NotFoundError
            There is no such model.

        Examples
        --------
        >>> model = pdneuro.allen.GlifApi().get_neuronal_model(566302806)
        >>> model["neuronal_model_template"]["name"], model["specimen"]["name"]
        ('3a LIF-R', 'Cell-0')
        """
        number = payload.one_id(neuronal_model_id, "neuronal_model_id")
        rows = self._model_rows(
            "NeuronalModel", criteria=f"[id$eq{number}]", include=_DETAIL, num_rows="all"
        )
        if not rows:
            raise NotFoundError(f"neuronal model {neuronal_model_id} does not exist.")
        return rows[0]
