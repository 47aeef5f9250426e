"""RmaApi: queries in Allen's query language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from pdneuro.allen import payload
from pdneuro.allen.api.base import Api, documented
from pdneuro.tables.columns import from_records
from pdneuro.tables.provenance import stamp


@documented
class RmaApi(Api):
    """RMA queries: models, connected services, pipes between them, and the schema.

    {base_uri}

    Notes
    -----
    Source: http://help.brain-map.org/display/api/RESTful+Model+Access+(RMA).

    Examples
    --------
    >>> rma = pdneuro.allen.RmaApi()
    >>> rma.model_query("Structure", criteria="[acronym$eq'VISp']", only=["id", "name"])
        id                 name
    0  385  Primary visual area
    """

    # -- payload ----------------------------------------------------------------------------------

    def build_query_url(self, stage_clauses: str | Iterable[str], fmt: str = "json") -> str:
        """Return the address of a query with one stage or several; ``fmt`` is json, xml or csv.

        Examples
        --------
        >>> rma = pdneuro.allen.RmaApi("https://api.brain-map.org")
        >>> rma.build_query_url(["model::Atlas", "rma::options[num_rows$eq2]"], fmt="csv")
        'https://api.brain-map.org/api/v2/data/query.csv?q=model::Atlas,rma::options[num_rows$eq2]'
        """
        return self._query(stage_clauses, fmt)

    model_stage = staticmethod(payload.model_stage)
    pipe_stage = staticmethod(payload.pipe_stage)
    service_stage = staticmethod(payload.service_stage)
    quote_string = staticmethod(payload.quote)

    def build_schema_query(self, clazz: str | None = None, fmt: str = "json") -> str:
        """Return the address of the schema, of one class or of all.

        Examples
        --------
        >>> pdneuro.allen.RmaApi("https://api.brain-map.org").build_schema_query("Structure")
        'https://api.brain-map.org/api/v2/data/Structure.json'
        """
        one = "" if clazz is None else f"/{payload.model_name(clazz)}"
        return f"{self.rma_endpoint}{one}.{fmt}"

    # -- send -------------------------------------------------------------------------------------

    def model_query(self, model: str, **query: Any) -> pd.DataFrame:
        """Return rows of one of Allen's tables.

        Parameters
        ----------
        model : str
            A class of the schema, such as ``"Structure"`` or ``"SectionDataSet"``.
        filters, criteria, include
            Rows to select, and associated tables to add; see :func:`pdneuro.allen.payload.model_stage`.
        only, except, excpt, tabular : str or list of str
            Columns to return.
        num_rows, start_row : int
            Maximum number of rows, and the first row; ``num_rows="all"`` returns all. By default the
            service limits the number, and a warning appears if there are more rows.
        order : str or list of str
            Such as ``"graph_order"`` or ``"structures.id+desc"``.
        count : bool
            Let the service count the matching rows.
        debug : bool or "preview"
            The debug option of the service.
        page_size : int
            Fetch all rows in pages of this size, sorted by ID.
        nested : {"keep", "flatten", "explode"}
            ``"keep"``: an included table is a nested cell. ``"flatten"``: its columns are called
            ``{table}_{column}``. ``"explode"``: in addition, each of its rows becomes one row.
        refresh, progress : bool, optional
            Download again what is cached; show a progress bar.
        max_workers : int, optional
            Maximum number of requests at the same time.

        Returns
        -------
        DataFrame
            One row per record; dtypes as in :func:`pdneuro.tables.from_records`. ``.to_dict("records")``
            returns the list that allensdk returns.

        Raises
        ------
        {query errors}

        Warns
        -----
        IncompleteTableWarning
            The service has more rows than it sent.

        Examples
        --------
        >>> pdneuro.allen.RmaApi().model_query(
        ...     "Atlas",
        ...     criteria="[id$eq1],structure_graph(ontology)",
        ...     include="structure_graph(ontology)",
        ...     only=["atlases.id", "atlases.name", "structure_graphs.name"],
        ...     nested="flatten",
        ... )
           id                name   structure_graph_name
        0   1  Mouse, P56, Coronal  Mouse Brain Atlas
        """
        return self._model(model, **query)

    def service_query(
        self,
        service_name: str,
        parameters: Mapping[str, Any] | Iterable[Sequence[Any]] | None = None,
    ) -> pd.DataFrame:
        """Return rows of a connected service.

        Parameters
        ----------
        service_name : str
            See :class:`pdneuro.allen.ConnectedServices`, which checks the parameters.
        parameters : mapping or list of (name, value) or (name, operator, value)
            Values can also be lists, arrays and NumPy numbers. A parameter that is None is not sent.

        Raises
        ------
        {query errors}

        Examples
        --------
        >>> rma = pdneuro.allen.RmaApi()
        >>> found = rma.service_query(
        ...     "mouse_connectivity_injection_structure",
        ...     [("injection_structures", ["VISp"]), ("primary_structure_only", True)],
        ... )
        >>> found["structure-abbrev"].unique().tolist()
        ['VISp']
        """
        return self._records(self._query(payload.service_stage(service_name, parameters)))

    def get_schema(self, clazz: str | None = None, *, name: str | None = None) -> pd.DataFrame:
        """Return the classes of the service, with their columns and associations.

        Parameters
        ----------
        clazz, name : str, optional
            One class. Default: all.

        Returns
        -------
        DataFrame
            ``model``, ``table`` (str), ``fields``, ``associations`` (lists of names).

        Raises
        ------
        {query errors}

        Examples
        --------
        >>> pdneuro.allen.RmaApi().get_schema("Atlas").explode("fields")[["table", "fields"]].head(3)
             table      fields
        0  atlases          id
        0  atlases        name
        0  atlases  image_type
        """
        found = self._rows(self.build_schema_query(clazz or name))
        rows = [
            {
                "model": model,
                "table": about.get("table"),
                "fields": [field["name"] for field in about.get("fields", ())],
                "associations": [entry["name"] for entry in about.get("associations", ())],
            }
            for row in found.rows
            for model, about in row.get("DataDescription", row).items()
            if isinstance(about, dict)
        ]
        return stamp(from_records(rows), source="allen", query=found.url)
