"""Base of the classes of the Allen API: addresses, requests, tables and files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from types import FunctionType
from typing import Any, TypeVar

import pandas as pd

from pdneuro._docs import fill
from pdneuro.allen import parse, payload, send
from pdneuro.allen.rows import as_table, model_records, model_rows
from pdneuro.options import Fetch, get_option
from pdneuro.transport.http import all_or_none

Class = TypeVar("Class", bound=type[Any])

#: Lines such as ``{options}`` in the docstrings of the classes are replaced by these texts.
TEXTS = {
    "base_uri": """\
Parameters
----------
base_uri : str, optional
    Address of the service. Default: the option ``allen_url``.""",
    "num_rows": """\
num_rows : int or "all", default "all"
    Maximum number of rows.
count : bool, default False
    Whether the service counts the matching rows.""",
    "options": """\
**options
    Options of the query, such as ``include``, ``num_rows``, ``order``, ``nested``, ``page_size`` and
    ``refresh``; :meth:`pdneuro.allen.RmaApi.model_query` lists them.""",
    "query errors": """\
InvalidQueryError
    An argument is invalid. Nothing is sent.
QueryRefusedError
    The service rejected the query, with its message and the URL.
ServiceError, OfflineError
    The request failed; or pdneuro is offline and the response is not cached.""",
    "download errors": """\
InvalidResponseError
    The response is not such a file. No file is written.
ServiceError, OfflineError
    The request failed, or pdneuro is offline. The next call resumes the download.""",
}


def documented(cls: Class) -> Class:
    """Insert shared texts into the docstrings of a class and its methods; check their responses."""
    for name, member in (("", cls), *vars(cls).items()):
        if isinstance(member, FunctionType | type) and member.__doc__:
            member.__doc__ = fill(member.__doc__, TEXTS)
            member.__module__ = cls.__module__  # where doctest looks for a method made by a function
        if isinstance(member, FunctionType) and not name.startswith("_"):
            setattr(cls, name, all_or_none()(member))
    return cls


@documented
class Api:
    """Base class: addresses of the service, and requests to it.

    Parameters
    ----------
    base_uri : str, optional
        Address of the service. Default: the option ``allen_url`` at the time of each call.
    """

    def __init__(self, base_uri: str | None = None) -> None:
        self.base_uri = None if base_uri is None else base_uri.rstrip("/")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {self.api_url}>"

    @property
    def api_url(self) -> str:
        """Return the address of the service.

        Examples
        --------
        >>> pdneuro.allen.RmaApi("https://host/").api_url
        'https://host'
        """
        return self.base_uri or str(get_option("allen_url"))

    @property
    def rma_endpoint(self) -> str:
        """Return the address of RMA queries and of the schema.

        Examples
        --------
        >>> pdneuro.allen.RmaApi("https://host").rma_endpoint
        'https://host/api/v2/data'
        """
        return f"{self.api_url}/api/v2/data"

    @property
    def files_url(self) -> str:
        """Return the address of the file server, the option ``allen_files_url``.

        Examples
        --------
        >>> pdneuro.allen.RmaApi("https://api.brain-map.org").files_url
        'http://127.0.0.1:.../allen'
        """
        return str(get_option("allen_files_url"))

    @property
    def informatics_archive_endpoint(self) -> str:
        """Return the address of the archive of volumes; it does not depend on ``base_uri``.

        Examples
        --------
        >>> pdneuro.allen.MouseConnectivityApi("https://api.brain-map.org").informatics_archive_endpoint
        'http://127.0.0.1:.../allen/informatics-archive'
        """
        return f"{self.files_url}/informatics-archive"

    # -- requests ---------------------------------------------------------------------------------

    def json_msg_query(self, url: str, dataframe: bool = True) -> Any:
        """Send a request to an address and return the content of the response.

        Parameters
        ----------
        url : str
            An address such as ``build_query_url`` returns. Special characters are encoded.
        dataframe : bool
            Return a list of records as a DataFrame.

        Returns
        -------
        DataFrame, list or dict

        Raises
        ------
        QueryRefusedError
            The service rejected the query, with its message.
        ServiceError, OfflineError
            The request failed; or pdneuro is offline and the response is not cached.

        Examples
        --------
        >>> rma = pdneuro.allen.RmaApi()
        >>> url = rma.build_query_url("model::Hemisphere,rma::options[order$eqid]")
        >>> rma.json_msg_query(url)
           id            name symbol
        0   1            left      L
        1   2           right      R
        2   3  left and right      B
        """
        address = url if is_encoded(url) else payload.encoded(url)
        message = send.message(address, Fetch.of())
        if dataframe and _is_table(message.content):
            return self._framed(send.Table(message.content, message.url))
        return message.content

    def load_api_schema(self) -> Any:
        """Download all classes of the service with their columns.

        Returns
        -------
        dict or list
            The content of ``api/v2/data/enumerate.json``.

        Examples
        --------
        >>> schema = pdneuro.allen.RmaApi().load_api_schema()
        >>> [field["name"] for field in schema["Hemisphere"]["fields"]]
        ['id', 'name', 'symbol']
        """
        return self._document(f"{self.rma_endpoint}/enumerate.json")

    def _document(self, url: str) -> Any:
        """Return a JSON document that has no envelope."""
        return send.document(url, parse.body, Fetch.of())

    def _message(self, url: str) -> send.Content:
        """Return the content of a response, with its counts."""
        return send.message(payload.encoded(url), Fetch.of())

    def _rows(self, url: str) -> send.Table:
        """Return the records of a response."""
        rows, message = send.records(payload.encoded(url), Fetch.of())
        return send.Table(rows, message.url)

    def _records(self, url: str, key: str | None = None) -> pd.DataFrame:
        """Return a table from an address; ``key`` is the name in each record that holds its columns."""
        table = self._rows(url)
        rows = table.rows if key is None else [row.get(key, row) for row in table.rows]
        return self._framed(table._replace(rows=rows))

    def _model(
        self,
        model: str,
        ids: Sequence[int] = (),
        before: Sequence[str] = (),
        /,
        *,
        nested: str = "keep",
        page_size: int | None = None,
        refresh: bool | None = None,
        progress: bool | None = None,
        max_workers: int | None = None,
        **options: Any,
    ) -> pd.DataFrame:
        """Return the rows of a class; ``{ids}`` in the criteria is replaced by ``ids``."""
        fetch = Fetch.of(refresh=refresh, progress=progress, max_workers=max_workers)
        query = payload.ModelQuery(self.rma_endpoint, model, options, ids, before)
        return model_rows(query, fetch, nested=nested, page_size=page_size)

    def _model_rows(self, model: str, ids: Sequence[int] = (), /, **options: Any) -> send.Rows:
        """Return the rows of a class as records."""
        query = payload.ModelQuery(self.rma_endpoint, model, options, ids)
        return model_records(query, Fetch.of()).rows

    def _query(self, stages: Any, fmt: str = "json") -> str:
        return f"{self.rma_endpoint}/{payload.query(stages, fmt)}"

    def _framed(self, table: send.Table, nested: str = "keep") -> pd.DataFrame:
        return as_table(table, nested)

    # -- files ------------------------------------------------------------------------------------

    def construct_well_known_file_download_url(self, well_known_file_id: Any) -> str:
        """Return the address of a file of the service, by its ID.

        Examples
        --------
        >>> pdneuro.allen.RmaApi("https://api.brain-map.org").construct_well_known_file_download_url(490000004)
        'https://api.brain-map.org/api/v2/well_known_file_download/490000004'
        """
        number = payload.one_id(well_known_file_id, "well_known_file_id")
        return f"{self.api_url}/api/v2/well_known_file_download/{number}"

    def retrieve_file_over_http(self, url: str, file_path: Any, zipped: bool = False) -> Path:
        """Download a file.

        Parameters
        ----------
        url : str
        file_path : path
            Path of the new file. The next call resumes an unfinished download.
        zipped : bool
            Extract the downloaded zip archive into the folder of ``file_path``.

        Raises
        ------
        {download errors}

        Examples
        --------
        >>> import pathlib, tempfile
        >>> rma = pdneuro.allen.RmaApi()
        >>> url = rma.construct_well_known_file_download_url(490000004)
        >>> file = rma.retrieve_file_over_http(url, pathlib.Path(tempfile.mkdtemp()) / "cell.swc")
        >>> file.name, file.read_text().splitlines()[0]
        ('cell.swc', '1 1 1 0 0 1 -1')
        """
        address = url if is_encoded(url) else payload.encoded(url)
        target = Path(file_path).expanduser()
        if not zipped:
            return send.save(address, target, Fetch.of())
        return send.save_archive(address, target, Fetch.of())

    def _save(self, url: str, path: Any) -> Path:
        return send.save(url, path, Fetch.of())


def is_encoded(url: str) -> bool:
    """Return whether an address is percent-encoded."""
    return bool(re.search("%[0-9A-Fa-f]{2}", url)) and not re.search(r"[\[\]' ]", url)


def _is_table(content: Any) -> bool:
    return isinstance(content, list) and all(isinstance(row, dict) for row in content)
