"""The thirteen classes of allensdk.api with allensdk's return values, on those of pdneuro.allen."""

from __future__ import annotations

import contextlib
import functools
import inspect
import json
import os
import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pdneuro._atomic import replacing
from pdneuro._compat import optional
from pdneuro.allen import arguments, parse, payload, send, volumes
from pdneuro.allen.api import annotated_section_data_sets as annotated
from pdneuro.allen.api import (
    base,
    biophysical,
    cell_types,
    connected_services,
    glif,
    image_download,
    ontologies,
    reference_space,
    rma,
    svg,
    synchronization,
    tree_search,
)
from pdneuro.allen.api import grid_data as grid
from pdneuro.allen.api import mouse_connectivity as connectivity
from pdneuro.allen.api.base import documented
from pdneuro.allen.rows import model_records
from pdneuro.allen.sdk.cache import KEYWORDS, cacheable
from pdneuro.errors import InvalidQueryError, InvalidResponseError, InvalidVolumeError, NotFoundError
from pdneuro.options import Fetch, get_option

Records = list[dict[str, Any]]
Method = Callable[..., Any]

#: Arguments of a query, and of a request.
_QUERY = ("filters", "criteria", "include", "excpt", *payload.OPTIONS)
_REQUEST = ("refresh", "progress", "max_workers")
_COUNTS = (True, False, "true", "false")


# -- methods --------------------------------------------------------------------------------------


def _method(function: Method, call: Method, summary: str, example: str, result: str) -> Any:
    """Return a method with the arguments of another, and a docstring with its own example."""
    functools.update_wrapper(call, function)
    owner, name = function.__qualname__.split(".")
    folder = ">>> import tempfile\n>>> folder = tempfile.mkdtemp()\n" if "{folder}" in example else ""
    call.__module__ = __name__
    call.__doc__ = (
        f"{(function.__doc__ or '').splitlines()[0]}\n\n{summary} The arguments are those of\n"
        f":meth:`pdneuro.allen.{owner}.{name}`.\n\nExamples\n--------\n"
        f"{folder}>>> api = pdneuro.allen.sdk.{owner}()\n>>> {example}\n{result}\n"
    )
    return call


def as_records(function: Method, example: str, result: str) -> Any:
    """Return a query of a class, with records instead of a DataFrame and the keywords of cacheable."""
    cached = cacheable()(function)

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return cached(self, *args, **kwargs)

    return _method(
        function, call, "Returns records, and takes the keywords of ``cacheable``.", example, result
    )


def as_file(
    function: Method,
    argument: str,
    example: str,
    result: str,
    reader: Callable[[Any], Any] | None = None,
) -> Any:
    """Return a download with the keywords of cacheable; ``reader`` returns the content of the file."""

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        how = {name: kwargs.pop(name) for name in _FILE_KEYWORDS if name in kwargs}
        given = inspect.signature(function).bind(self, *args, **kwargs).arguments
        path, strategy = given.get(argument), how.get("strategy")
        if strategy not in (None, "create", "file", "lazy", "pass_through"):
            raise InvalidQueryError(f"strategy must be 'create', 'file' or 'lazy', not {strategy!r}.")
        exists = path is not None and Path(path).expanduser().exists()
        result: Any = None
        if strategy != "file" and not (strategy == "lazy" and exists):
            if path is not None:
                _make_folder(Path(path).expanduser().parent)
            result = function(self, *args, **kwargs)
        read, post = how.get("reader") or reader, how.get("post")
        found = result or path if read is None else read(path or result)
        return found if post is None else post(found)

    content = "Returns the content of the file" if reader else "Returns the path"
    summary = f"{content}, and takes the keywords of ``cacheable``."
    return _method(function, call, summary, example, result)


_FILE_KEYWORDS = tuple(name for name in KEYWORDS if name != "path")


def _make_folder(folder: Path) -> None:
    """Make the folder of a file, which a download that a subclass replaces expects."""
    with contextlib.suppress(FileExistsError):
        os.makedirs(str(folder))  # noqa: PTH103 - tests written for allensdk replace this function


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


# -- base classes ---------------------------------------------------------------------------------


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

    def _rows(self, url: str) -> send.Table:
        return send.Table(self.json_msg_query(url), url)

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
    >>> array, header = pdneuro.allen.sdk.api.read_nrrd(file)
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


# -- structures -----------------------------------------------------------------------------------


@documented
class OntologiesApi(RmaTemplate, ontologies.OntologiesApi):
    """Structures, structure sets and atlases, as records.

    {base_uri}

    Examples
    --------
    >>> structures = pd.DataFrame(pdneuro.allen.sdk.OntologiesApi().get_structures(1))
    >>> structures.loc[structures["acronym"] == "MEA", "id"].iloc[0]
    np.int64(403)
    """

    _QUERIES = {
        ("ontology_queries", "structures_by_graph_ids"): (
            "get_structures",
            {"graph_ids": "structure_graph_ids"},
        ),
        ("ontology_queries", "structures_by_graph_names"): (
            "get_structures",
            {"graph_names": "structure_graph_names"},
        ),
        ("ontology_queries", "structures_by_set_ids"): (
            "get_structures",
            {"set_ids": "structure_set_ids"},
        ),
        ("ontology_queries", "structures_by_set_names"): (
            "get_structures",
            {"set_names": "structure_set_names"},
        ),
        ("ontology_queries", "structures_with_sets"): (
            "get_structures_with_sets",
            {"graph_ids": "structure_graph_ids"},
        ),
        ("ontology_queries", "structure_graphs_list"): ("get_structure_graphs", {}),
        ("ontology_queries", "structure_sets_list"): ("get_structure_sets", {}),
        ("ontology_queries", "structure_sets_by_id"): (
            "get_structure_sets",
            {"set_ids": "structure_set_ids"},
        ),
        ("ontology_queries", "atlases_list"): ("get_atlases", {}),
        ("ontology_queries", "atlases_table"): ("get_atlases_table", {}),
    }

    def __init__(self, base_uri: str | None = None) -> None:
        RmaTemplate.__init__(self, base_uri)

    get_structures = as_records(
        ontologies.OntologiesApi.get_structures,
        'api.get_structures(1)[0]["acronym"]',
        "'root'",
    )

    @cacheable()
    def get_structures_with_sets(
        self,
        structure_graph_ids: Any,
        order: Any = ("structures.graph_order",),
        num_rows: Any = "all",
        count: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Return the structures of graphs with their sets, as records.

        Examples
        --------
        >>> found = pdneuro.allen.sdk.OntologiesApi().get_structures_with_sets(1)
        >>> [entry["name"] for row in found if row["acronym"] == "TH" for entry in row["structure_sets"]]
        ['Mouse - Coarse', 'Brain - Major Divisions']
        """
        how = {"order": order, "num_rows": num_rows, "count": count, **kwargs}
        return ontologies.OntologiesApi.get_structures_with_sets(self, structure_graph_ids, **how)

    get_atlases = as_records(
        ontologies.OntologiesApi.get_atlases,
        'api.get_atlases()[0]["name"]',
        "'Mouse, P56, Coronal'",
    )
    get_structure_graphs = as_records(
        ontologies.OntologiesApi.get_structure_graphs,
        '[graph["id"] for graph in api.get_structure_graphs()]',
        "[1, 10]",
    )
    get_structure_sets = as_records(
        ontologies.OntologiesApi.get_structure_sets,
        '[entry["name"] for entry in api.get_structure_sets([2])]',
        "['Mouse - Coarse']",
    )
    get_atlases_table = as_records(
        ontologies.OntologiesApi.get_atlases_table,
        'api.get_atlases_table(1)[0]["structure_graph"]["name"]',
        "'Mouse Brain Atlas'",
    )

    def unpack_structure_set_ancestors(self, structure_dataframe: pd.DataFrame) -> Any:
        """Add the path of each structure as a list of integers, to the given DataFrame.

        Examples
        --------
        >>> api = pdneuro.allen.sdk.OntologiesApi()
        >>> structures = pd.DataFrame(api.get_structures(1))
        >>> api.unpack_structure_set_ancestors(structures)
        >>> structures["structure_set_ancestor"].iloc[1]
        [997, 8]
        """
        found = super().unpack_structure_set_ancestors(structure_dataframe)
        structure_dataframe["structure_set_ancestor"] = found["structure_set_ancestor"]


@documented
class TreeSearchApi(Api, tree_search.TreeSearchApi):
    """Searches in the trees of structures and of specimens, as records.

    {base_uri}

    Examples
    --------
    >>> tree = pdneuro.allen.sdk.TreeSearchApi().get_tree("Structure", 385, ancestors=True)
    >>> [row["acronym"] for row in tree]
    ['root', 'grey', 'CH', 'CTX', 'Isocortex', 'VIS', 'VISp']
    """

    def __init__(self, base_uri: str | None = None) -> None:
        Api.__init__(self, base_uri)

    get_tree = as_records(
        tree_search.TreeSearchApi.get_tree,
        'api.get_tree("Structure", 549, descendants=True)[1]["acronym"]',
        "'LGd'",
    )


@documented
class SvgApi(Api, svg.SvgApi):
    """Scalable vector graphics of annotated sections, as bytes.

    {base_uri}

    Examples
    --------
    >>> pdneuro.allen.sdk.SvgApi().get_svg(100960033, groups=[28])[:4]
    b'<svg'
    """

    def __init__(self, base_uri: str | None = None) -> None:
        Api.__init__(self, base_uri)

    def get_svg(self, section_image_id: Any, groups: Any = None) -> Any:
        """Return the SVG of an image as bytes.

        Raises
        ------
        InvalidResponseError
            The response is not a complete drawing. It is not cached.

        Examples
        --------
        >>> pdneuro.allen.sdk.SvgApi().get_svg(100960033)[:4]
        b'<svg'
        """
        url = self.build_query(section_image_id, groups)
        found = self.retrieve_xml_over_http(url)
        fault = parse.drawing_fault(found) if isinstance(found, bytes) else None
        if fault:
            raise InvalidResponseError(fault, status=200, url=url)
        return found


@documented
class SynchronizationApi(Api, synchronization.SynchronizationApi):
    """Maps points between images and the reference space, with records ``{"image_sync": {...}}``.

    {base_uri}

    Examples
    --------
    >>> sync = pdneuro.allen.sdk.SynchronizationApi()
    >>> found = sync.get_reference_to_image(10, 6085, 3670, 4883, [68545324])
    >>> found[0]["image_sync"]["section_number"]
    20
    """

    def __init__(self, base_uri: str | None = None) -> None:
        Api.__init__(self, base_uri)

    get_image_to_atlas = as_records(
        synchronization.SynchronizationApi.get_image_to_atlas,
        'api.get_image_to_atlas(68173101, 6208, 2368, 1)[0]["image_sync"]["section_number"]',
        "20",
    )
    get_image_to_image = as_records(
        synchronization.SynchronizationApi.get_image_to_image,
        'api.get_image_to_image(68173101, 6208, 2368, [68545324])[0]["image_sync"]["section_number"]',
        "20",
    )
    get_image_to_image_2d = as_records(
        synchronization.SynchronizationApi.get_image_to_image_2d,
        "len(api.get_image_to_image_2d(68173101, 6208, 2368, [68173103, 68173105]))",
        "2",
    )
    get_reference_to_image = as_records(
        synchronization.SynchronizationApi.get_reference_to_image,
        "len(api.get_reference_to_image(10, 6085, 3670, 4883, [68545324]))",
        "1",
    )
    get_structure_to_image = as_records(
        synchronization.SynchronizationApi.get_structure_to_image,
        'api.get_structure_to_image(68545324, [315])[0]["image_sync"]["y"]',
        "14.25",
    )


# -- images and volumes ---------------------------------------------------------------------------


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


# -- other data -----------------------------------------------------------------------------------


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
