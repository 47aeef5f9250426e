"""RmaApi: any question that the query language can put."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from pdneuro.allen import payload
from pdneuro.allen.api.base import Api
from pdneuro.tables.nested import from_records
from pdneuro.tables.provenance import stamp


class RmaApi(Api):
    """RMA queries: models, connected services, pipes between them, and the schema.

    Parameters
    ----------
    base_uri : str, optional
        The service's address. Default: the option ``allen_url``.

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
        """Address of a query, from one stage or several; ``fmt`` is json, xml or csv.

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
        """Address of the schema, of one class or of all.

        Examples
        --------
        >>> pdneuro.allen.RmaApi("https://api.brain-map.org").build_schema_query("Structure")
        'https://api.brain-map.org/api/v2/data/Structure.json'
        """
        one = "" if clazz is None else f"/{payload.model_name(clazz)}"
        return f"{self.rma_endpoint}{one}.{fmt}"

    # -- send -------------------------------------------------------------------------------------

    def model_query(self, model: str, **query: Any) -> pd.DataFrame:
        """Rows of one of Allen's tables.

        Parameters
        ----------
        model : str
            A class of the schema, such as ``"Structure"`` or ``"SectionDataSet"``.
        filters, criteria, include
            See :func:`pdneuro.allen.payload.model_stage`.
        only, except, excpt, tabular : str or list of str
            Columns to send.
        num_rows, start_row : int
            How many rows, from which on; ``num_rows="all"`` for all of them. Without it the service
            sends as many as it likes, and a warning says when there are more.
        order : str or list of str
            Such as ``"graph_order"`` or ``"structures.id+desc"``.
        count : bool
            ``False`` spares the service the counting.
        debug : bool or "preview"
        page_size : int
            Fetch all rows in pages of so many, by order of their IDs.
        nested : {"keep", "flatten", "explode"}
            Included tables stay in their cells; become columns ``{table}_{column}``; also rows.
        refresh, progress, max_workers
            Ask again what is cached; the bar; requests at once.

        Returns
        -------
        DataFrame
            One row a record; dtypes as in :func:`pdneuro.tables.from_records`. ``.to_dict("records")``
            gives the list of old.

        Raises
        ------
        InvalidQueryError
            The query cannot be written; nothing was sent.
        QueryRefusedError
            The service says that the query failed, with its message and the URL.
        ServiceError
            No answer, an HTTP error, or a body that is not documented.
        OfflineError
            pdneuro is offline and the answer is not cached.

        Warns
        -----
        IncompleteTableWarning
            There are more rows than came.

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
        """Rows of a connected service.

        Parameters
        ----------
        service_name : str
            See :class:`pdneuro.allen.ConnectedServices`, which also checks the parameters.
        parameters : mapping or list of (name, value) or (name, operator, value)
            Lists, arrays and NumPy numbers as they are; None is left out.

        Returns
        -------
        DataFrame

        Raises
        ------
        Exception
            As for :meth:`model_query`.

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
        """Classes of the service, with their columns and associations.

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
        Exception
            As for :meth:`model_query`.

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
