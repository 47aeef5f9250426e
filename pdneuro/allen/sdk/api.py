"""Base classes of allensdk.api with allensdk's return values: requests, RMA queries, templates."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pdneuro.allen import arguments, parse, payload, send
from pdneuro.allen.api import (
    base,
    rma,
)
from pdneuro.allen.api.base import documented
from pdneuro.allen.rows import model_records
from pdneuro.allen.sdk.adapters import Method, as_records
from pdneuro.errors import InvalidQueryError, InvalidResponseError, NotFoundError
from pdneuro.options import Fetch, get_option

#: Arguments of a query, and of a request.
_QUERY = ("filters", "criteria", "include", "excpt", *payload.OPTIONS)
_REQUEST = ("refresh", "progress", "max_workers")
_COUNTS = (True, False, "true", "false")


class _Setting:
    """An option as an attribute of a class, which can be assigned."""

    def __init__(self, option: str) -> None:
        self.option = option

    def __get__(self, instance: Any, owner: Any) -> str:
        return str(get_option(self.option))


class _Endpoint:
    """The address of a part of the service, below the address of the object."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __get__(self, instance: Any, owner: Any) -> Any:
        return self if instance is None else f"{instance.api_url}{self.path}"

    def __set__(self, instance: Any, value: str) -> None:
        raise AttributeError(
            f"the address ends in {self.path}; change its start by set_api_urls() or base_uri=."
        )


@documented
class Api(base.Api):
    """Base class: addresses of the service, and requests to it.

    Parameters
    ----------
    api_base_url_string : str, optional
        Address of the service. Default: the option ``allen_url``.

    Notes
    -----
    Every query goes through :meth:`json_msg_query`, :meth:`do_query` and
    :meth:`retrieve_parsed_json_over_http`, and every download through ``retrieve_file_over_http``, so a
    subclass can replace them.
    """

    #: The options ``allen_url`` and ``allen_files_url``.
    default_api_url: Any = _Setting("allen_url")
    download_url: Any = _Setting("allen_files_url")
    well_known_file_endpoint = _Endpoint("/api/v2/well_known_file_download")
    grid_data_endpoint = _Endpoint("/grid_data")
    svg_endpoint = _Endpoint("/api/v2/svg")
    svg_download_endpoint = _Endpoint("/api/v2/svg_download")
    structure_graph_endpoint = _Endpoint("/api/v2/structure_graph_download")
    tree_search_endpoint = _Endpoint("/api/v2/tree_search")
    annotated_section_data_sets_endpoint = _Endpoint("/api/v2/annotated_section_data_sets")
    compound_annotated_section_data_sets_endpoint = _Endpoint(
        "/api/v2/compound_annotated_section_data_sets"
    )
    image_to_atlas_endpoint = _Endpoint("/api/v2/image_to_atlas")
    image_to_image_endpoint = _Endpoint("/api/v2/image_to_image")
    image_to_image_2d_endpoint = _Endpoint("/api/v2/image_to_image_2d")
    reference_to_image_endpoint = _Endpoint("/api/v2/reference_to_image")
    image_to_reference_endpoint = _Endpoint("/api/v2/image_to_reference")
    structure_to_image_endpoint = _Endpoint("/api/v2/structure_to_image")
    section_image_download_endpoint = _Endpoint("/api/v2/section_image_download")
    atlas_image_download_endpoint = _Endpoint("/api/v2/atlas_image_download")
    projection_image_download_endpoint = _Endpoint("/api/v2/projection_image_download")
    image_download_endpoint = _Endpoint("/api/v2/image_download")

    def __init__(self, api_base_url_string: str | None = None) -> None:
        base.Api.__init__(self, api_base_url_string)
        self.default_working_directory: Any = str(Path.cwd())

    @property
    def api_url(self) -> str:
        """Return the address of the service.

        Examples
        --------
        >>> api = pdneuro.allen.sdk.RmaApi()
        >>> api.api_url = "https://host"
        >>> api.well_known_file_endpoint
        'https://host/api/v2/well_known_file_download'
        """
        return self.base_uri or str(self.default_api_url)

    @api_url.setter
    def api_url(self, value: str) -> None:
        self.set_api_urls(value)

    @property
    def files_url(self) -> str:
        """Return the address of the file server.

        Examples
        --------
        >>> pdneuro.allen.sdk.RmaApi().files_url
        'http://127.0.0.1:.../allen'
        """
        return str(self.download_url)

    def set_api_urls(self, api_base_url_string: str) -> None:
        """Change the address of the service.

        Examples
        --------
        >>> api = pdneuro.allen.sdk.RmaApi()
        >>> api.set_api_urls("https://host")
        >>> api.rma_endpoint
        'https://host/api/v2/data'
        """
        self.base_uri = api_base_url_string.rstrip("/")

    def set_default_working_directory(self, working_directory: Any) -> None:
        """Set the folder in which ``BiophysicalApi.cache_data`` saves files by default.

        Examples
        --------
        >>> models = pdneuro.allen.sdk.BiophysicalApi()
        >>> models.set_default_working_directory("models")
        >>> models.default_working_directory
        'models'
        """
        self.default_working_directory = working_directory

    # -- requests ---------------------------------------------------------------------------------

    def do_query(
        self, url_builder_fn: Method, json_traversal_fn: Callable[[Any], Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Send a request to the address that a function returns, and read the response by another.

        Parameters
        ----------
        url_builder_fn : callable
            Called with ``*args`` and ``**kwargs``; returns the address.
        json_traversal_fn : callable
            Called with the JSON document; returns the result.

        Raises
        ------
        {query errors}

        Examples
        --------
        >>> rma = pdneuro.allen.sdk.RmaApi()
        >>> found = rma.do_query(rma.build_query_url, rma.read_data, "model::Hemisphere")
        >>> [row["symbol"] for row in found]
        ['L', 'R', 'B']
        """
        url = url_builder_fn(*args, **kwargs)
        return json_traversal_fn(self.retrieve_parsed_json_over_http(url, kwargs.get("post", False)))

    def do_rma_query(
        self, rma_builder_fn: Method, json_traversal_fn: Callable[[Any], Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Send a request as :meth:`do_query` does.

        Examples
        --------
        >>> rma = pdneuro.allen.sdk.RmaApi()
        >>> len(rma.do_rma_query(rma.build_query_url, rma.read_data, "model::Hemisphere"))
        3
        """
        return self.do_query(rma_builder_fn, json_traversal_fn, *args, **kwargs)

    def read_data(self, parsed_json: Any) -> Any:
        """Return the content of a response, without its envelope.

        Examples
        --------
        >>> pdneuro.allen.sdk.RmaApi().read_data({"success": True, "msg": [{"id": 1}]})
        [{'id': 1}]
        """
        if not isinstance(parsed_json, Mapping) or "msg" not in parsed_json:
            raise InvalidResponseError("the response has no envelope with 'msg'.", status=200)
        return parsed_json["msg"]

    def json_msg_query(self, url: str, dataframe: bool = False) -> Any:
        """Send a request to an address and return the content of the response.

        Parameters
        ----------
        url : str
            An address such as ``build_query_url`` returns. Special characters are encoded.
        dataframe : bool
            Return a DataFrame.

        Raises
        ------
        {query errors}

        Warns
        -----
        IncompleteTableWarning
            The service has more rows than it sent, and the query does not say how many rows to send.

        Examples
        --------
        >>> rma = pdneuro.allen.sdk.RmaApi()
        >>> rma.json_msg_query(rma.build_query_url("model::Hemisphere"))[0]
        {'id': 1, 'name': 'left', 'symbol': 'L'}
        """

        def read(document: Any) -> Any:
            found = self.read_data(document)
            # With included tables the service counts joined rows instead of records.
            if isinstance(found, list) and not re.search("num_rows|include", url):
                total = parse.message_of(document).total_rows
                if found and (total or 0) > len(found):
                    send.warn_incomplete(send.Content(found, url, total), len(found))
            return found

        found = self.do_query(lambda *_, **__: url, read)
        return pd.DataFrame(found) if dataframe is True else found

    def retrieve_parsed_json_over_http(self, url: str, post: bool = False) -> Any:
        """Return a JSON document, with its envelope if it has one.

        Raises
        ------
        {query errors}

        Examples
        --------
        >>> rma = pdneuro.allen.sdk.RmaApi()
        >>> url = rma.build_query_url("model::Hemisphere")
        >>> found = rma.retrieve_parsed_json_over_http(url)
        >>> found["success"], found["total_rows"]
        (True, 3)
        """
        if post:
            raise InvalidQueryError("post=True is not supported. Use a GET request: post=False.")
        return send.envelope(_address(url), Fetch.of())

    def retrieve_xml_over_http(self, url: str) -> bytes:
        """Return the bytes of an XML document.

        Raises
        ------
        {query errors}

        Examples
        --------
        >>> api = pdneuro.allen.sdk.SvgApi()
        >>> api.retrieve_xml_over_http(api.build_query(100960033))[:4]
        b'<svg'
        """
        return send.text(_address(url), Fetch.of())

    def load_api_schema(self) -> Any:
        """Download all classes of the service with their columns.

        Examples
        --------
        >>> schema = pdneuro.allen.sdk.RmaApi().load_api_schema()
        >>> [field["name"] for field in schema["Hemisphere"]["fields"]]
        ['id', 'name', 'symbol']
        """
        return self.retrieve_parsed_json_over_http(f"{self.rma_endpoint}/enumerate.json")

    def cleanup_truncated_file(self, file_path: Any) -> None:
        """Delete a file, if it exists. Downloads of pdneuro never leave an incomplete file.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> file = pathlib.Path(tempfile.mkdtemp()) / "cell.swc"
        >>> _ = file.write_text("1 1 0 0 0 1 -1")
        >>> pdneuro.allen.sdk.RmaApi().cleanup_truncated_file(file)
        >>> file.exists()
        False
        """
        Path(file_path).expanduser().unlink(missing_ok=True)

    # The classes of pdneuro.allen build the queries; these functions send them and return records.

    def _model(
        self,
        model: str,
        ids: Sequence[int] = (),
        before: Sequence[str] = (),
        /,
        *,
        page_size: int | None = None,
        **given: Any,
    ) -> Any:
        if ids and len(ids) <= payload.MAX_IDS:
            given["criteria"] = given["criteria"].replace("{ids}", ",".join(map(str, ids)))
            ids = ()
        if not ids and not before:
            return self.model_query(model, page_size=page_size, **given)
        return self._found(model, ids, before, page_size, **given)

    def _found(
        self,
        model: str,
        ids: Sequence[int] = (),
        before: Sequence[str] = (),
        page_size: int | None = None,
        **given: Any,
    ) -> Any:
        fetch = Fetch.of(**{name: given[name] for name in _REQUEST if name in given})
        query = payload.ModelQuery(self.rma_endpoint, model, _known(given), ids, before)
        if page_size is not None or fetch.refresh or len(ids) > payload.MAX_IDS:
            return model_records(query, fetch, page_size).rows
        found = self.json_msg_query(query.url())
        if not isinstance(found, list):
            return found
        return send.completed(query, found, send.Content(found, query.url(), None), fetch).rows

    def model_query(self, model: str, **kwargs: Any) -> Any:
        """Return records of one of Allen's tables; arguments that RMA does not have are ignored.

        Parameters
        ----------
        model : str
        **kwargs
            ``filters, criteria, include, only, except, excpt, tabular, num_rows, start_row, order,
            count, debug``; see :meth:`pdneuro.allen.RmaApi.model_query`.

        Raises
        ------
        {query errors}

        Examples
        --------
        >>> pdneuro.allen.sdk.RmaApi().model_query("Hemisphere", num_rows=1)
        [{'id': 1, 'name': 'left', 'symbol': 'L'}]
        """
        return self._found(model, **kwargs)

    def _model_rows(self, model: str, ids: Sequence[int] = (), /, **options: Any) -> Any:
        return self._model(model, ids, **options)

    def _records(self, url: str, key: str | None = None) -> Any:
        return self.json_msg_query(url)

    def _message(self, url: str) -> send.Content:
        return send.Content(self.json_msg_query(url), url, None)

    def _document(self, url: str) -> Any:
        return self.retrieve_parsed_json_over_http(url)

    def _save(self, url: str, path: Any) -> Any:
        return self.retrieve_file_over_http(url, path)


def _address(url: str) -> str:
    return url if base.is_encoded(url) else payload.encoded(url)


def _known(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a query without those that allensdk ignores."""
    known = {name: given[name] for name in _QUERY if given.get(name) is not None}
    if known.get("count", True) not in _COUNTS:
        del known["count"]
    if known.get("debug", True) not in (*_COUNTS, "preview", "'preview'"):
        del known["debug"]
    if "except" in known and known.pop("excpt", None) is not None:
        warnings.warn("except= is used, and excpt= is ignored. Give one of them.", stacklevel=4)
    return known


@documented
class RmaApi(Api, rma.RmaApi):
    """RMA queries, with records as results.

    {base_uri}

    Examples
    --------
    >>> rma = pdneuro.allen.sdk.RmaApi()
    >>> rma.model_query("Structure", criteria="[acronym$eq'VISp']", only=["id", "name"])
    [{'id': 385, 'name': 'Primary visual area'}]
    """

    MODEL = "model::"
    PIPE = "pipe::"
    SERVICE = "service::"
    CRITERIA = "rma::criteria"
    INCLUDE = "rma::include"
    OPTIONS = "rma::options"
    ORDER = "order"
    NUM_ROWS = "num_rows"
    ALL = "all"
    START_ROW = "start_row"
    COUNT = "count"
    ONLY = "only"
    EXCEPT = "except"
    EXCPT = "excpt"
    TABULAR = "tabular"
    DEBUG = "debug"
    PREVIEW = "preview"
    TRUE = "true"
    FALSE = "false"
    IS = "$is"
    EQ = "$eq"

    def __init__(self, base_uri: str | None = None) -> None:
        Api.__init__(self, base_uri)

    # -- payload ----------------------------------------------------------------------------------

    def model_stage(self, model: str, **kwargs: Any) -> str:
        """Return a model stage as text; arguments that RMA does not have are ignored.

        Examples
        --------
        >>> rma = pdneuro.allen.sdk.RmaApi()
        >>> rma.model_stage("Structure", criteria=["[graph_id$eq1]"], num_rows="all", count="unknown")
        "model::Structure,rma::criteria,[graph_id$eq1],rma::options[num_rows$eq'all']"
        """
        return payload.model_stage(model, **_known(kwargs))

    def options_clause(self, **kwargs: Any) -> str:
        """Return the options of a stage as text.

        Examples
        --------
        >>> pdneuro.allen.sdk.RmaApi().options_clause(only=["id"], num_rows=5, count=False)
        'rma::options[only$eqid][num_rows$eq5][count$eqfalse]'
        """
        known = _known(kwargs)
        if "excpt" in known:
            known["except"] = known["excpt"]
        return payload.options({name: known[name] for name in payload.OPTIONS if name in known})

    def only_except_tabular_clause(self, filter_type: str, attribute_list: Any) -> str:
        """Return one of the options ``only``, ``except`` and ``tabular`` as text.

        Examples
        --------
        >>> pdneuro.allen.sdk.RmaApi().only_except_tabular_clause("only", ["id", "name"])
        '[only$eqid,name]'
        """
        return "" if attribute_list is None else payload.option(filter_type, attribute_list)

    def order_clause(self, order_list: Any = None) -> str:
        """Return the option ``order`` as text.

        Examples
        --------
        >>> pdneuro.allen.sdk.RmaApi().order_clause(["name", "id+desc"])
        '[order$eqname,id+desc]'
        """
        return "" if order_list is None else payload.option("order", order_list)

    def debug_clause(self, debug_value: Any = None) -> str:
        """Return the option ``debug`` as text; an unknown value is ignored.

        Examples
        --------
        >>> rma = pdneuro.allen.sdk.RmaApi()
        >>> rma.debug_clause("preview"), rma.debug_clause("unknown")
        ("[debug$eq'preview']", '')
        """
        known = _known({"debug": debug_value})
        return payload.option("debug", known["debug"]) if known else ""

    def filters(self, filters: Mapping[str, Any]) -> str:
        """Return filters as text.

        Examples
        --------
        >>> pdneuro.allen.sdk.RmaApi().filters({"graph_id": 1, "acronym": "TH"})
        '[graph_id$eq1][acronym$eqTH]'
        """
        return payload.filters(filters)

    def filter(self, key: str, value: Any) -> str:
        """Return a filter as text.

        Examples
        --------
        >>> pdneuro.allen.sdk.RmaApi().filter("graph_id", 1)
        '[graph_id$eq1]'
        """
        return payload.filters({key: value})

    def tuple_filters(self, filters: Iterable[Sequence[Any]]) -> str:
        """Return filters as text, sorted by name: ``(name, value)`` or ``(name, operator, value)``.

        Examples
        --------
        >>> pdneuro.allen.sdk.RmaApi().tuple_filters([("row", 1), ("structures1", "$eq", 315)])
        '[row$eq1][structures1$eq315]'
        """
        return payload.filters(filters, ordered=True)

    def quote_string(self, the_string: str) -> str:
        """Return text in quotes.

        Examples
        --------
        >>> pdneuro.allen.sdk.RmaApi().quote_string("Ammon's horn")
        "'Ammon''s horn'"
        """
        return payload.quote(the_string)

    # -- send -------------------------------------------------------------------------------------

    service_query = as_records(
        rma.RmaApi.service_query,
        'api.service_query("mouse_correlation", {"row": 1, "set": "mouse"})[0]',
        "{'id': 183760, 'gene-symbol': 'Pdyn', 'r': 1.0}",
    )

    def get_schema(self, clazz: str | None = None) -> Any:  # type: ignore[override]
        """Return the description of one class of the service or of all.

        Returns
        -------
        list of dict
            Each with ``DataDescription``: the name of the class, and its ``fields``, ``associations``
            and ``table``.

        Examples
        --------
        >>> for entry in pdneuro.allen.sdk.RmaApi().get_schema("Hemisphere"):
        ...     for name, about in entry["DataDescription"].items():
        ...         name, [field["name"] for field in about["fields"]], about["table"]
        ('Hemisphere', ['id', 'name', 'symbol'], 'hemispheres')
        """
        return self.do_query(self.build_schema_query, self.read_data, clazz)


@documented
class RmaTemplate(RmaApi):
    """Queries by name.

    Parameters
    ----------
    base_uri : str, optional
        Address of the service. Default: the option ``allen_url``.
    query_manifest : dict, optional
        Lists of queries by name: ``name``, ``model``, and the arguments of ``model_query``. The text of
        ``criteria`` and ``include`` may contain ``{{ name }}``, for the values that
        ``criteria_params`` and ``include_params`` list, and ``{% if name is defined %}...{% endif %}``.

    Examples
    --------
    >>> queries = {"sets": [{"name": "by_id", "model": "StructureSet",
    ...     "criteria": "[id$in{{ ids }}]", "criteria_params": ["ids"], "num_rows": "all"}]}
    >>> api = pdneuro.allen.sdk.RmaTemplate(query_manifest=queries)
    >>> [row["name"] for row in api.template_query("sets", "by_id", ids=[2])]
    ['Mouse - Coarse']
    """

    #: Queries of the class: the method, and the names of its arguments by those of the query.
    _QUERIES: Mapping[tuple[str, str], tuple[str, Mapping[str, str]]] = {}

    def __init__(self, base_uri: str | None = None, query_manifest: Any = None) -> None:
        RmaApi.__init__(self, base_uri)
        self.templates: Any = query_manifest or {}

    def to_filter_rhs(self, rhs: Any) -> Any:
        """Return values of a filter as text, separated by commas; one value is unchanged.

        Examples
        --------
        >>> pdneuro.allen.sdk.RmaTemplate().to_filter_rhs([1, 10])
        '1,10'
        """
        if isinstance(rhs, str) or not isinstance(rhs, Iterable):
            return rhs
        return ",".join(map(str, arguments.items(rhs, "rhs")))

    def template_query(self, template_name: str, entry_name: str, **kwargs: Any) -> Any:
        """Return the records of a query by its name.

        Raises
        ------
        NotFoundError
            There is no query of this name.

        Examples
        --------
        >>> api = pdneuro.allen.sdk.OntologiesApi()
        >>> api.template_query("ontology_queries", "structures_by_graph_ids", graph_ids=1)[0]["acronym"]
        'root'
        """
        if (template_name, entry_name) in self._QUERIES:
            method, names = self._QUERIES[template_name, entry_name]
            return getattr(self, method)(**{names.get(key, key): kwargs[key] for key in kwargs})
        entries = [
            entry for entry in self.templates.get(template_name, ()) if entry["name"] == entry_name
        ]
        if not entries:
            known = [key[1] for key in self._QUERIES] + [
                entry["name"] for group in self.templates.values() for entry in group
            ]
            raise NotFoundError(
                f"there is no query {entry_name!r} in {template_name!r}. Queries: {', '.join(known)}."
            )
        entry = entries[0]
        query = {name: entry[name] for name in _QUERY if name in entry}
        for clause in ("criteria", "include"):
            values = {
                name: self.to_filter_rhs(kwargs[name])
                for name in entry.get(f"{clause}_params", ())
                if kwargs.get(name) is not None
            }
            query[clause] = _rendered(entry.get(clause, ""), values) or None
        query |= {name: value for name, value in kwargs.items() if name in _QUERY}
        for name in ("only", "except"):
            if query.get(name) is not None:
                query[name] = payload.quote(",".join(arguments.items(query[name], name)))
        return self.model_query(entry["model"], **query)


_IF = re.compile(r"\{%-?\s*if (\w+) is defined\s*-?%\}(.*?)\{%-?\s*endif\s*-?%\}", re.S)


def _rendered(text: str, values: Mapping[str, Any]) -> str:
    """Return the text of a query with its values."""
    text = _IF.sub(lambda found: found[2] if found[1] in values else "", text)
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda found: str(values.get(found[1], "")), text)
