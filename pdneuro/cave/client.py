"""The real caveclient does the talking: made for one datastack, with time-outs and errors by cause.

No browser is opened, nothing is written to the client's map of servers, and what the server says about
a cut answer, which the client only logs, is an error here.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import os
import re
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import requests
from urllib3.util import Retry

from pdneuro._compat import optional
from pdneuro.errors import (
    AuthenticationError,
    ConnectionFailedError,
    ExpiredVersionError,
    ForbiddenError,
    InvalidResponseError,
    MissingDependencyError,
    NotFoundError,
    RequestTooLargeError,
    ServiceError,
    ServiceUnavailableError,
    UnknownTableError,
    did_you_mean,
    listing,
)
from pdneuro.options import Fetch, get_option
from pdneuro.transport import tokens
from pdneuro.transport.http import Request, client_for
from pdneuro.transport.responses import error_from, without_secrets

_OLDEST = 8
#: What the server says of an answer that was cut at its limit; also where it just fits.
_CUT = "Limited query"
#: Seconds between two tries at most.
_LONGEST_PAUSE = 60.0


class Cave:
    """A datastack, asked through its own client.

    Parameters
    ----------
    datastack : str
    server : str
        Address of the CAVE server.
    token : str
        Sent to this server alone.
    fetch : Fetch
        Time-out, retries and the number of connections.
    """

    def __init__(self, datastack: str, server: str, token: str, fetch: Fetch) -> None:
        self.datastack = datastack
        self.server = server
        self._token = token
        self._fetch = fetch
        self._said = threading.local()
        self._page = f"{server}/sticky_auth/settings/tokens"
        self._making = threading.RLock()
        #: Limits of rows that servers are known to have, or have told.
        self._limits = {200_000, 500_000}

    # Made when they are first needed: offline, nothing is.

    @property
    def _client(self) -> Any:
        with self._making:
            return self._made

    @functools.cached_property
    def _made(self) -> Any:
        kind = _caveclient().CAVEclient
        info = self._document(f"{self.server}/info/api/v2/datastack/full/{self.datastack}")
        if info is None:
            raise NotFoundError(
                f"the CAVE server {self.server} has no datastack {self.datastack!r}. Another server is "
                "chosen with pdneuro.set_options(cave_url=...).",
                status=404,
                url=self.server,
            )
        with self._translated():
            return kind(
                self.datastack,
                server_address=self.server,
                auth_token=self._token,
                max_retries=self._fetch.retries,
                pool_maxsize=self._fetch.max_workers,
                # Else a plain client of this datastack would go to this server ever after.
                write_server_cache=False,
                info_cache={self.datastack: info},
            )

    @property
    def _materialize(self) -> Any:
        with self._making:
            return self._materialize_made

    @functools.cached_property
    def _materialize_made(self) -> Any:
        self._document(f"{self._client.local_server}/materialize/version")
        with self._translated():
            return self._guarded(self._client.materialize)

    @property
    def graph(self) -> Any:
        """The client's chunked graph."""
        with self._making:
            return self._graph_made

    @functools.cached_property
    def _graph_made(self) -> Any:
        self._document(f"{self._client.local_server}/segmentation/api/version")
        with self._translated():
            return self._guarded(self._client.chunkedgraph)

    def close(self) -> None:
        """Close the connections. A thread that still uses the client opens new ones."""
        # The client has one session per service, and no method that closes them.
        for part in vars(vars(self).get("_made", self)).values():
            if isinstance(session := getattr(part, "session", None), requests.Session):
                session.close()

    def _document(self, url: str) -> Any:
        """A JSON document, None where there is none.

        Asked before the client asks: it has no time-out, and opens a browser where terms are not
        accepted.
        """
        client = client_for(
            url,
            self._fetch,
            headers={"Authorization": f"Bearer {self._token}"},
            accepted=(200, 401, 403, 404),
        )
        response = client.send(Request("GET", url))
        if response.status_code == 404:
            return None
        self._checked(response.history[0] if response.history else response)
        try:
            return response.json()
        except ValueError as error:
            raise client.invalid_response(response, "the answer is no JSON.") from error

    def _guarded(self, part: Any) -> Any:
        session = part.session
        session.hooks["response"].append(self._checked)
        session.request = functools.partial(session.request, timeout=self._fetch.timeout)
        # It belongs to no host, so that a redirect would carry it to any.
        session.cookies.clear()
        for adapter in session.adapters.values():
            plan = adapter.max_retries
            adapter.max_retries = _Patience(
                total=plan.total,
                backoff_factor=plan.backoff_factor,
                status_forcelist=plan.status_forcelist,
                allowed_methods=plan.allowed_methods,
            )
        return part

    def _checked(self, response: requests.Response, *_: Any, **__: Any) -> None:
        """Raise the error that a response stands for, before the client gets to see it."""
        if (response.url or "").partition("?")[0].endswith("/query"):
            self._said.warning = response.headers.get("Warning", "")
            self._said.resolution = response.headers.get("dataframe_resolution", "")
        if 300 <= response.status_code < 400:
            raise AuthenticationError(
                f"the CAVE server {self.server} sends on to "
                f"{without_secrets(response.headers.get('Location', 'a page'))}, as it does without a "
                f"valid token. Get one at {self._page}.",
                status=response.status_code,
                url=without_secrets(response.url),
            )
        if response.status_code < 400:
            return
        try:
            found = response.json()
        except ValueError:
            found = {}
        said = found if isinstance(found, dict) else {}
        said = {key: self._masked(cell) for key, cell in said.items()}
        data: dict[str, Any] = said["data"] if isinstance(said.get("data"), dict) else {}
        about: dict[str, Any] = {"status": response.status_code, "url": without_secrets(response.url)}
        if response.status_code == 401:
            words = str(said.get("message") or said.get("error") or "unauthorized").rstrip(".")
            raise AuthenticationError(
                f"the CAVE server {self.server} refuses the token for {self.datastack}: {words}. "
                f"Get one at {self._page} and keep it: pdneuro.tokens.save({self.datastack!r}, token).",
                **about,
            )
        if said.get("error") == "missing_tos":
            raise ForbiddenError(
                f"the terms of service of {self.datastack} are not accepted yet. Accept them at "
                f"{data.get('tos_form_url', self.server)}, signed in as the owner of the token.",
                **about,
            )
        if said.get("error") == "missing_permission":
            raise ForbiddenError(
                f"the token may not {data.get('required_permission', 'view')} "
                f"{data.get('auth_dataset', self.datastack)}: it is of another account, or of another "
                "server.",
                **about,
            )
        if response.status_code == 410:
            raise ExpiredVersionError(
                f"the version is not available: {said.get('message', '')}.", **about
            )
        raise error_from(response, [self._token])

    def _masked(self, cell: Any) -> Any:
        return cell.replace(self._token, "***") if isinstance(cell, str) else cell

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """Errors of the client and of requests as errors by cause."""
        try:
            yield
        except ServiceError:
            raise
        except requests.HTTPError as error:
            if error.response is not None:
                self._checked(error.response)
            raise
        except requests.exceptions.RetryError as error:
            raise ServiceUnavailableError(
                "the CAVE server does not answer, also after all retries; while it materializes this "
                "can take hours.",
                url=self.server,
            ) from error
        except requests.RequestException as error:
            raise ConnectionFailedError(
                f"no connection ({type(error).__name__}).", url=self.server
            ) from error
        except Exception as error:
            if not _is_the_clients(error):
                raise
            raise InvalidResponseError(
                f"the answer is not what caveclient expects ({type(error).__name__}: {error}).",
                url=self.server,
            ) from error

    # -- versions and tables ----------------------------------------------------------------------

    def version(self, wanted: int | None) -> int:
        """A version that is there: the wanted one, else the newest."""
        try:
            with self._translated():
                known = sorted(self._materialize.get_versions())
        except NotFoundError:
            if wanted is None:
                raise
            return int(wanted)  # a server without this list: the query will tell
        if not known:
            raise ServiceUnavailableError(
                f"{self.datastack} has no version at present.", url=self.server
            )
        if wanted is None:
            return int(known[-1])
        if wanted not in known:
            raise ExpiredVersionError(
                f"{self.datastack} has no version {wanted} (any more). There are "
                f"{', '.join(map(str, known))}.",
                url=self.server,
            )
        return int(wanted)

    def frozen(self, version: int) -> Any:
        """When a version was frozen (UTC)."""
        with self._translated():
            return self._materialize.get_timestamp(version)

    @functools.cached_property
    def synapse_table(self) -> str:
        """The table of synapses."""
        return str(self._materialize.synapse_table or "")

    @functools.lru_cache(maxsize=64)  # noqa: B019 - there is one a datastack
    def names(self, version: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Tables and views of a version."""
        return self._listed("get_tables", version), self._listed("get_views", version)

    def _listed(self, what: str, version: int) -> tuple[str, ...]:
        try:
            with self._translated():
                return tuple(getattr(self._materialize, what)(version=version))
        except ExpiredVersionError:
            raise
        except NotFoundError:  # none, or a server without this list
            return ()

    @functools.lru_cache(maxsize=64)  # noqa: B019
    def reference(self, table: str, version: int) -> str | None:
        """The table whose rows a table is about, None for one with places of its own.

        Raises
        ------
        UnknownTableError
            There is no such table or view; names the nearest.
        """
        tables, views = self.names(version)
        if tables and table not in (*tables, *views):
            hint = did_you_mean(table, (*tables, *views))
            raise UnknownTableError(
                f"{self.datastack}, version {version}, has no table {table!r}.{hint} There are "
                f"{listing([*tables, *views], 30)}."
            )
        if table in views:
            return None
        try:
            with self._translated():
                found = self._materialize.get_table_metadata(table, version=version, log_warning=False)
        except ExpiredVersionError:
            raise
        except NotFoundError as error:
            if tables:
                return None
            raise UnknownTableError(
                f"{self.datastack}, version {version}, has no table {table!r}."
            ) from error
        return str(found.get("reference_table") or "") or None

    def resolution(self, table: str, version: int) -> list[float]:
        """Size of a table's voxels in nm."""
        with self._translated():
            found = self._materialize.get_table_metadata(table, version=version, log_warning=False)
        return [float(size) for size in found["voxel_resolution"]]

    @functools.lru_cache(maxsize=64)  # noqa: B019
    def columns(self, table: str, version: int) -> pd.DataFrame | None:
        """One row of a table, which shows its columns; None where the server does not tell."""
        try:
            return self.rows(table, "", None, version)
        except ServiceError:
            return None

    def rows(
        self,
        table: str,
        column: str,
        ids: Sequence[int] | None,
        version: int,
        columns: Sequence[str] | None = None,
        resolution: Sequence[float] | None = None,
    ) -> pd.DataFrame:
        """Rows of a table or view whose root IDs are among ``ids``: all of them, or an error.

        Without ``ids`` one row, which shows the columns.

        Raises
        ------
        RequestTooLargeError
            The answer was cut at the server's limit of rows.
        """
        how: dict[str, Any] = {
            "split_positions": True,
            "materialization_version": version,
            "metadata": False,
            "desired_resolution": None if resolution is None else list(resolution),
        }
        wanted = None if ids is None else {column: [int(number) for number in ids]}
        if wanted is None:
            how["limit"] = 1
        reference = self.reference(table, version)
        self._said.warning = self._said.resolution = ""
        self._said.converted = reference is None and table not in self.names(version)[1]
        with self._translated():
            if reference is not None:
                found = self._materialize.join_query(
                    [[table, "target_id"], [reference, "id"]],
                    filter_in_dict=None if wanted is None else {reference: wanted},
                    suffixes={table: "", reference: "_ref"},
                    log_warning=False,
                    **how,
                )
            elif table in self.names(version)[1]:
                found = self._materialize.query_view(table, filter_in_dict=wanted, **how)
            else:
                # The ID of a row says which of several is the first.
                select = None if columns is None else list(dict.fromkeys(["id", column, *columns]))
                found = self._materialize.query_table(
                    table,
                    filter_in_dict=wanted,
                    select_columns=select,
                    merge_reference=False,
                    log_warning=False,
                    **how,
                )
        table_of_places = reference or table
        told = pd.DataFrame(found)
        if wanted is not None:
            self._refuse_cut(told, table)
        if resolution is not None:
            self._to_unit(told, resolution, table_of_places, version)
        return told

    def _refuse_cut(self, found: pd.DataFrame, table: str) -> None:
        limit = re.search(rf"{_CUT} to ([\d,]+)", self._said.warning)
        if limit:
            self._limits.add(int(limit[1].replace(",", "")))
        # A full page is a cut one, whether it says so or not.
        if _CUT in self._said.warning or len(found) in self._limits:
            raise RequestTooLargeError(
                f"the answer was cut at {len(found):,} rows of {table!r}.", status=200, url=self.server
            )

    def _to_unit(self, found: pd.DataFrame, wanted: Sequence[float], table: str, version: int) -> None:
        """Bring positions to the unit asked for, where the server sent another."""
        places = [name for name in found.columns if re.search(r"position_[xyz](_ref)?$", str(name))]
        if not places:
            return
        try:
            own = [float(size) for size in self._said.resolution.split(",")]
        except ValueError:
            own = []
        if len(own) != 3:
            if self._said.converted:
                return  # caveclient did it, by the table's own description
            own = self.resolution(table, version)
        for axis, size, unit in zip("xyz", own, wanted, strict=True):
            for name in places:
                if size != unit and re.search(rf"_{axis}(_ref)?$", str(name)):
                    found[name] = found[name] * (size / unit)

    # -- root IDs ---------------------------------------------------------------------------------

    def is_latest(self, ids: Sequence[int], moment: Any = None) -> list[bool]:
        """Whether root IDs are valid at a moment; now without one."""
        graph = self.graph
        with self._translated():
            found = graph.is_latest_roots(np.asarray(ids, np.uint64), timestamp=moment)
        return [bool(valid) for valid in found]

    @functools.cached_property
    def _layer(self) -> int:
        graph = self.graph
        with self._translated():
            layers = int(graph.segmentation_info.get("graph", {}).get("n_layers", 6))
        return max(1, layers - 4)

    def chunks(self, root: int) -> Any:
        """The chunks that a root ID consists of (int64)."""
        graph, layer = self.graph, self._layer
        with self._translated():
            return np.asarray(graph.get_leaves(int(root), stop_layer=layer), np.int64)

    def roots(self, chunks: Any, moment: Any = None) -> Any:
        """The root ID of each chunk at a moment (int64)."""
        graph = self.graph
        with self._translated():
            return np.asarray(graph.get_roots(chunks, timestamp=moment), np.uint64).astype(np.int64)


def _is_the_clients(error: BaseException) -> bool:
    """Whether an error arose within caveclient, or in pyarrow on its behalf."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    file = trace.tb_frame.f_code.co_filename if trace is not None else ""
    return any(part in file for part in ("caveclient", "pyarrow"))


def _caveclient() -> Any:
    try:
        module = optional("caveclient", "cave")
    except MissingDependencyError as error:
        raise MissingDependencyError(
            f"{error} It holds pandas below 3, so it needs an environment with pandas 2."
        ) from error
    version = importlib.metadata.version("caveclient")
    if int(version.split(".")[0]) < _OLDEST:
        raise MissingDependencyError(
            f"caveclient {version} is too old: pip install 'pdneuro[cave]', which brings {_OLDEST} or "
            "newer and holds pandas below 3."
        )
    return module


def server_of(datastack: str) -> str:
    """Address of the server of a datastack: the option ``cave_url``, else by its name."""
    return str(get_option("cave_url") or f"https://{tokens.cave_host(datastack)}")


class _Patience(Retry):
    """The client's own retries, but no wait of hours."""

    def get_retry_after(self, response: Any) -> float | None:
        """Seconds that the server asks to wait; an error where nobody would."""
        seconds = super().get_retry_after(response)
        if seconds is not None and seconds > _LONGEST_PAUSE:
            raise ServiceUnavailableError(
                f"the CAVE server asks to wait {seconds:,.0f} s, as it does while it materializes.",
                status=503,
            )
        return seconds


#: The clients used last, the latest at the end.
_clients: dict[tuple[Any, ...], Cave] = {}
_MAX_CLIENTS = 8
_lock = threading.Lock()


def connect(datastack: str, auth_token: str | None, fetch: Fetch) -> tuple[Cave, str]:
    """The client of a datastack, made at first use, and the mark of its credential."""
    server = server_of(datastack)
    token = tokens.clean(auth_token) if auth_token else tokens.require_cave(datastack, server)
    mark = tokens.fingerprint(token)
    key = (datastack, server, mark, fetch.timeout, fetch.retries, fetch.max_workers, os.getpid())
    with _lock:
        client = _clients.pop(key, None) or Cave(datastack, server, token, fetch)
        _clients[key] = client
        # The caches of caveclient keep a client alive, so deleting it does not close its connections.
        for oldest in list(_clients)[:-_MAX_CLIENTS]:
            _clients.pop(oldest).close()
    return client, mark
