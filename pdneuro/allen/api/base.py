"""What the classes of the Allen API share: addresses, questions, tables and files."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pdneuro.allen import parse, payload, send
from pdneuro.errors import InvalidQueryError, InvalidResponseError
from pdneuro.options import Fetch, get_option
from pdneuro.tables.nested import NESTED, from_records
from pdneuro.tables.provenance import stamp
from pdneuro.transport.atomic import replacing


class Api:
    """Addresses of the service, and the ways to ask it.

    Parameters
    ----------
    base_uri : str, optional
        The service's address. Default: the option ``allen_url``, looked up at each call.
    """

    def __init__(self, base_uri: str | None = None) -> None:
        self.base_uri = None if base_uri is None else base_uri.rstrip("/")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {self.api_url}>"

    @property
    def api_url(self) -> str:
        """Address of the service.

        Examples
        --------
        >>> pdneuro.allen.RmaApi("https://host/").api_url
        'https://host'
        """
        return self.base_uri or str(get_option("allen_url"))

    @property
    def rma_endpoint(self) -> str:
        """Address of RMA queries and of the schema.

        Examples
        --------
        >>> pdneuro.allen.RmaApi("https://host").rma_endpoint
        'https://host/api/v2/data'
        """
        return f"{self.api_url}/api/v2/data"

    @property
    def informatics_archive_endpoint(self) -> str:
        """Address of the archive of volumes; ``base_uri`` does not move it.

        Examples
        --------
        >>> pdneuro.allen.MouseConnectivityApi("https://api.brain-map.org").informatics_archive_endpoint
        'http://127.0.0.1:.../allen/informatics-archive'
        """
        return f"{get_option('allen_files_url')}/informatics-archive"

    # -- questions --------------------------------------------------------------------------------

    def json_msg_query(self, url: str, dataframe: bool = True) -> Any:
        """Ask for an address, and take the content out of the answer's envelope.

        Parameters
        ----------
        url : str
            An address as ``build_query_url`` makes it; characters that an address cannot hold are
            encoded.
        dataframe : bool
            Give a list of records as a frame.

        Returns
        -------
        DataFrame, list or dict

        Raises
        ------
        QueryRefusedError
            The service says that the query failed; with its message.
        ServiceError, OfflineError
            As for :meth:`pdneuro.allen.RmaApi.model_query`.

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
        address = url if _is_encoded(url) else payload.encoded(url)
        found = send.get(address, parse.message, Fetch.of())
        if dataframe and _is_table(found.content):
            return self._framed(send.Table(found.content, found.url))
        return found.content

    def load_api_schema(self) -> Any:
        """All classes of the service with their columns, as the service tells them.

        Returns
        -------
        dict or list
            The whole body of ``api/v2/data/enumerate.json``.

        Examples
        --------
        >>> schema = pdneuro.allen.RmaApi().load_api_schema()
        >>> [field["name"] for field in schema["Hemisphere"]["fields"]]
        ['id', 'name', 'symbol']
        """
        return self._document(f"{self.rma_endpoint}/enumerate.json")

    def _document(self, url: str) -> Any:
        """A JSON document without an envelope."""
        return send.get(url, parse.body, Fetch.of())

    def _text(self, url: str) -> str:
        """A document as text."""
        return send.text(url, Fetch.of())

    def _message(self, url: str) -> parse.Message:
        """The content of an answer that is no table."""
        return send.message(url, Fetch.of())

    def _rows(self, url: str) -> send.Table:
        """The records of an answer."""
        found = self._message(url)
        return send.Table(parse.rows(found), found.url)

    def _records(self, url: str, key: str | None = None) -> pd.DataFrame:
        """A table from an address that is no RMA query; ``key`` unwraps each record."""
        found = self._rows(url)
        rows = found.rows if key is None else [row.get(key, row) for row in found.rows]
        return self._framed(found._replace(rows=rows))

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
        if nested not in NESTED:
            raise InvalidQueryError(f"nested is one of {', '.join(NESTED)}, not {nested!r}.")
        if page_size is not None and (not isinstance(page_size, int) or page_size < 1):
            raise InvalidQueryError(f"page_size is a number of rows, not {page_size!r}.")
        fetch = Fetch.of(refresh=refresh, progress=progress, max_workers=max_workers)
        query = payload.ModelQuery(self.rma_endpoint, model, options, ids, before)
        table = self._framed(send.rows(query, fetch, page_size), nested)
        return _in_order(table, options.get("order")) if len(ids) > payload.MAX_IDS else table

    def _query(self, stages: Any, fmt: str = "json") -> str:
        return f"{self.rma_endpoint}/{payload.query(stages, fmt)}"

    def _framed(self, table: send.Table, nested: str = "keep") -> pd.DataFrame:
        return stamp(from_records(table.rows, nested), source="allen", query=table.url)

    # -- files ------------------------------------------------------------------------------------

    def construct_well_known_file_download_url(self, well_known_file_id: Any) -> str:
        """Address of a file that the service knows by an ID.

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
            Where the file goes. Bytes of a file that is not complete are in ``{file_path}.part``, and
            the next call goes on with them.
        zipped : bool
            The file is a zip archive: its members go into the folder of ``file_path``.

        Returns
        -------
        Path

        Raises
        ------
        InvalidResponseError
            What came is no file: an error page, an empty body, no archive.
        ServiceError, OfflineError
            See :mod:`pdneuro.errors`.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> rma = pdneuro.allen.RmaApi()
        >>> url = rma.construct_well_known_file_download_url(490000004)
        >>> file = rma.retrieve_file_over_http(url, pathlib.Path(tempfile.mkdtemp()) / "cell.swc")
        >>> file.name, file.read_text().splitlines()[0]
        ('cell.swc', '1 1 1 0 0 1 -1')
        """
        address = url if _is_encoded(url) else payload.encoded(url)
        target = Path(file_path).expanduser()
        if not zipped:
            return self._save(address, target)
        archive = target.with_name(f"{target.name}.archive")
        try:
            self._save(address, archive, _zip_fault)
            _unpack(archive, target.parent)
        finally:
            archive.unlink(missing_ok=True)
        return target

    def _save(self, url: str, path: Any, fault: Callable[[Path], str | None] | None = None) -> Path:
        return send.save(url, path, Fetch.of(), fault)


def _is_encoded(url: str) -> bool:
    """Whether an address comes ready to be sent."""
    return bool(re.search("%[0-9A-Fa-f]{2}", url)) and not re.search(r"[\[\]' ]", url)


def _is_table(content: Any) -> bool:
    return isinstance(content, list) and all(isinstance(row, dict) for row in content)


def _in_order(table: pd.DataFrame, order: Any) -> pd.DataFrame:
    """Rows that came in parts, in the order of the query as far as its columns are there."""
    parts = [order] if isinstance(order, str) else list(order or ())
    keys = [re.split(r"[+ $]+", part.strip("'")) for part in parts]
    names = [key[0].rpartition(".")[2] for key in keys]
    if not names or not set(names) <= set(table.columns):
        return table
    up = [key[-1].lower() != "desc" for key in keys]
    return table.sort_values(names, ascending=up, ignore_index=True, kind="stable")


def _zip_fault(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except zipfile.BadZipFile:
        return "the file is no zip archive."
    return f"its member {damaged} is damaged." if damaged else None


def _unpack(path: Path, folder: Path) -> list[Path]:
    """The members of an archive, each in its place only when complete."""
    found = []
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.is_dir():
                continue
            target = folder / member.filename
            if not target.resolve().is_relative_to(folder.resolve()):
                raise InvalidResponseError(f"the archive holds {member.filename!r}, outside its folder.")
            target.parent.mkdir(parents=True, exist_ok=True)
            with replacing(target) as place:
                place.write_bytes(archive.read(member))
            found.append(target)
    return found
