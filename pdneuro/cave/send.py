"""Send queries to CAVE through caveclient, with timeouts and one error per cause.

No browser is opened, and nothing is written to caveclient's map of servers.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import importlib.metadata
import json
import os
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import requests
import urllib3
from urllib3.util import Retry

from pdneuro._compat import optional
from pdneuro.cave import parse, payload
from pdneuro.cave.payload import Restriction, Table
from pdneuro.cave.row_limits import Response, RowLimits
from pdneuro.errors import (
    AuthenticationError,
    ExpiredVersionError,
    ForbiddenError,
    InvalidIdError,
    InvalidRequestError,
    InvalidResponseError,
    MissingDependencyError,
    NotFoundError,
    OldServiceError,
    PdneuroError,
    PrecisionLossError,
    RequestTooLargeError,
    ServerError,
    ServiceUnavailableError,
    UnknownTableError,
    did_you_mean,
    listing,
)
from pdneuro.options import Fetch, get_option
from pdneuro.tables.ids import Int64Array
from pdneuro.transport import tokens
from pdneuro.transport.fetch import BatchQuery, fetch_by_id
from pdneuro.transport.http import Client, Request, slot
from pdneuro.transport.report import Answers, Batch, ShapeError
from pdneuro.transport.responses import (
    connection_error,
    error_from,
    excerpt,
    masked,
    parse_json,
    without_secrets,
)
from pdneuro.transport.store import Scope
from pdneuro.transport.timing import TimedAdapter

#: The oldest major version of caveclient that works.
_OLDEST = 8
#: Maximum pause between two tries (seconds).
_LONGEST_PAUSE = 60.0

T = TypeVar("T")


# -- the client of a datastack --------------------------------------------------------------------


class Cave:
    """The caveclient of a datastack. It is made at the first request, so that offline use needs none.

    Parameters
    ----------
    datastack : str
    server : str
        Address of the CAVE server.
    token : str
        Sent to this server alone.
    fetch : Fetch
        Timeout, retries and the number of connections.
    """

    def __init__(self, datastack: str, server: str, token: str, fetch: Fetch) -> None:
        self.datastack = datastack
        self.server = server
        self.credential = tokens.fingerprint(token)
        self._token = token
        self._fetch = fetch
        self._page = f"{server}/sticky_auth/settings/tokens"
        self._lock = threading.RLock()
        self._once: dict[tuple[Any, ...], Any] = {}
        self._limits = RowLimits()
        #: For each thread, how to verify the last response, if other responses may do it.
        self._thread = threading.local()

    def _remembered(self, *key: Any, fetch: Callable[[], T]) -> T:
        """Return what ``fetch`` returns at the first call with a key; versions never change."""
        if key not in self._once:
            self._once[key] = fetch()
        found: T = self._once[key]
        return found

    @property
    def _client(self) -> Any:
        with self._lock:
            return self._remembered("client", fetch=self._make_client)

    def _make_client(self) -> Any:
        kind = _caveclient().CAVEclient
        info = self._document(f"{self.server}/info/api/v2/datastack/full/{self.datastack}")
        if info is None:
            raise NotFoundError(
                f"the CAVE server {self.server} has no datastack {self.datastack!r}."
                f"{did_you_mean(self.datastack, payload.DATASTACKS)} pdneuro.known_names() lists the "
                "known datastacks. Choose another server with pdneuro.set_options(cave_url=...).",
                status=404,
                url=self.server,
            )
        with self.errors_by_cause():
            return kind(
                self.datastack,
                server_address=self.server,
                auth_token=self._token,
                max_retries=self._fetch.retries,
                pool_maxsize=self._fetch.max_workers,
                # Otherwise every later client of this datastack would use this server.
                write_server_cache=False,
                info_cache={self.datastack: info},
            )

    @property
    def _materialize(self) -> Any:
        return self._part("materialize", "materialize/version")

    @property
    def _graph(self) -> Any:
        return self._part("chunkedgraph", "segmentation/api/version")

    def _part(self, name: str, probe: str) -> Any:
        """Return a part of the client, made at its first use."""

        def make() -> Any:
            self._document(f"{self._client.local_server}/{probe}")
            with self.errors_by_cause():
                return self._guarded(getattr(self._client, name))

        with self._lock:
            return self._remembered(name, fetch=make)

    def close(self) -> None:
        """Close the connections. A thread that still uses the client opens new ones."""
        # The client has one session per service, and no method that closes them.
        client = self._once.get(("client",))
        for part in [] if client is None else vars(client).values():
            if isinstance(session := getattr(part, "session", None), requests.Session):
                session.close()

    def _document(self, url: str) -> Any:
        """Return a JSON document, None if it does not exist.

        It is requested before caveclient requests it, which has no timeout and opens a browser if
        terms are not accepted.
        """
        client = Client(
            url,
            self._fetch,
            headers={"Authorization": f"Bearer {self._token}"},
            accepted=(200, 401, 403, 404),
        )

        def read(response: requests.Response) -> Any:
            if response.status_code == 404:
                return None
            self._raise_for_status(response.history[0] if response.history else response)
            return parse_json(response.content)

        return client.read(Request("GET", url), read)

    def _guarded(self, part: Any) -> Any:
        """Give a part of the client a timeout, errors by cause and limited pauses."""
        session = part.session
        session.hooks["response"].append(self._raise_for_status)
        session.request = functools.partial(session.request, timeout=self._fetch.timeout)
        session.send = slot()(session.send)
        # The client's cookie with the token has no domain, so a redirect would send it to any host.
        session.cookies.clear()
        for prefix, adapter in list(session.adapters.items()):
            plan = adapter.max_retries
            retry = _ShortRetry(
                total=plan.total,
                backoff_factor=plan.backoff_factor,
                status_forcelist=plan.status_forcelist,
                allowed_methods=plan.allowed_methods,
            )
            # The part has sent requests already, on connections without a time limit.
            adapter.close()
            session.mount(prefix, TimedAdapter(max_retries=retry, pool_maxsize=self._fetch.max_workers))
        return part

    # -- errors -----------------------------------------------------------------------------------

    def _raise_for_status(self, response: requests.Response, *_: Any, **__: Any) -> None:
        """Raise the error of a response, before the client reads it."""
        if response.status_code < 300:
            return
        url = masked(without_secrets(response.url), [self._token])
        about: dict[str, Any] = {"status": response.status_code, "url": url}
        if response.status_code < 400:
            location = response.headers.get("Location", "a page")
            target = masked(without_secrets(location), [self._token])
            raise AuthenticationError(
                f"the CAVE server {self.server} redirects to {target}, as it does without a valid "
                f"token. Get one at {self._page}.",
                **about,
            )
        details = self._error_details(response)
        data: dict[str, Any] = details["data"] if isinstance(details.get("data"), dict) else {}
        if response.status_code == 401:
            reason = str(details.get("message") or details.get("error") or "unauthorized").rstrip(".")
            raise AuthenticationError(
                f"the CAVE server {self.server} rejects the token for {self.datastack}: {reason}. "
                f"Get one at {self._page} and save it: pdneuro.tokens.save({self.datastack!r}, token).",
                **about,
            )
        if details.get("error") == "missing_tos":
            raise ForbiddenError(
                f"the terms of service of {self.datastack} are not accepted yet. Accept them at "
                f"{data.get('tos_form_url', self.server)}, signed in as the owner of the token.",
                **about,
            )
        if details.get("error") == "missing_permission":
            raise ForbiddenError(
                f"the token may not {data.get('required_permission', 'view')} "
                f"{data.get('auth_dataset', self.datastack)}: it is of another account, or of another "
                "server.",
                **about,
            )
        if response.status_code == 410:
            reason = details.get("message") or excerpt(response, [self._token])
            raise ExpiredVersionError(f"the version is not available: {reason}.", **about)
        raise error_from(response, [self._token])

    def _error_details(self, response: requests.Response) -> dict[str, Any]:
        """Return the JSON object of an error, without the token."""
        try:
            body = parse_json(response.content)
        except ShapeError:
            return {}
        details = body if isinstance(body, dict) else {}
        shown: dict[str, Any] = json.loads(masked(json.dumps(details), [self._token]))
        return shown

    @contextlib.contextmanager
    def errors_by_cause(self) -> Iterator[None]:
        """Convert errors of caveclient, requests and the parser into those of pdneuro."""
        try:
            yield
        except (ShapeError, InvalidIdError, PrecisionLossError) as error:
            raise InvalidResponseError(str(error), url=self.server) from error
        except PdneuroError:
            raise
        except requests.HTTPError as error:
            if error.response is not None:
                self._raise_for_status(error.response)
            raise
        except requests.exceptions.RetryError as error:
            raise ServiceUnavailableError(
                "the CAVE server does not respond, even after all retries. This can last for hours "
                "while it materializes.",
                url=self.server,
            ) from error
        except requests.exceptions.JSONDecodeError as error:
            raise InvalidResponseError("the response is not JSON.", url=self.server) from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise connection_error(error, self.server) from error
        except Exception as error:  # whatever caveclient raises, the response is not as documented
            if isinstance(error, _caveclient().base.ServerIncompatibilityError):
                raise OldServiceError(str(error), url=self.server) from error
            raise InvalidResponseError(
                f"the response is not what caveclient expects ({type(error).__name__}: {error}).",
                url=self.server,
            ) from error

    # -- versions and tables ----------------------------------------------------------------------

    def versions(self) -> list[int] | None:
        """Return the versions that exist, in ascending order; None if the server does not list them."""
        materialize = self._materialize
        try:
            with self.errors_by_cause():
                known = parse.versions(materialize.get_versions())
        except NotFoundError:
            return None
        if not known:
            raise ServiceUnavailableError(
                f"{self.datastack} has no version at present.", url=self.server
            )
        return known

    def dates(self, versions: Sequence[int]) -> dict[int, parse.Dates]:
        """Return when each version was frozen, and when it expires; of several in one request."""
        new = [version for version in versions if ("dates", version) not in self._once]
        if len(new) > 1:
            try:
                with self.errors_by_cause(), _without_nanoseconds():
                    found = parse.dates(self._materialize.get_versions_metadata())
            except NotFoundError:
                found = {}
            self._once |= {("dates", version): dates for version, dates in found.items()}
        # caveclient keeps the list for hours, so a new version may not be in it.
        return {version: self._dates_of(version) for version in versions}

    def _dates_of(self, version: int) -> parse.Dates:
        def fetch() -> parse.Dates:
            with self.errors_by_cause(), _without_nanoseconds():
                return parse.dates([self._materialize.get_version_metadata(version)])[version]

        return self._remembered("dates", version, fetch=fetch)

    def timestamp(self, version: int) -> pd.Timestamp:
        """Return the time at which a version was frozen (UTC)."""
        return self._dates_of(version).created

    @property
    def synapse_table(self) -> str:
        """Name of the table of synapses; empty if the datastack has none."""
        return str(self._materialize.synapse_table or "")

    def table(self, name: str, version: int) -> Table:
        """Return what a query needs to know about a table or view.

        Raises
        ------
        UnknownTableError
            The table or view does not exist; the message suggests similar names.
        """
        return self._remembered("table", name, version, fetch=lambda: self._describe(name, version))

    def _describe(self, name: str, version: int) -> Table:
        tables, views = self.tables(version), self.views(version)
        if tables and name not in (*tables, *views):
            hint = did_you_mean(name, (*tables, *views))
            raise UnknownTableError(
                f"{self.datastack}, version {version}, has no table {name!r}.{hint} There are "
                f"{listing([*tables, *views], 30)}."
            )
        if name in views:
            return Table(name, version, is_view=True)
        try:
            reference = self.metadata(name, version).get("reference_table")
        except ExpiredVersionError:
            raise
        except NotFoundError as error:
            if tables:
                return Table(name, version)
            raise UnknownTableError(
                f"{self.datastack}, version {version}, has no table {name!r}."
            ) from error
        return Table(name, version, reference=str(reference or "") or None)

    def tables(self, version: int) -> tuple[str, ...]:
        """Return the names of the tables of a version."""
        return self._remembered("tables", version, fetch=lambda: tuple(self._listed("tables", version)))

    def views(self, version: int) -> dict[str, Any]:
        """Return the views of a version by name, with what the server describes of each."""

        def fetch() -> dict[str, Any]:
            found = self._listed("views", version)
            return dict(found) if isinstance(found, Mapping) else dict.fromkeys(found)

        return self._remembered("views", version, fetch=fetch)

    def _listed(self, kind: str, version: int) -> Any:
        try:
            with self.errors_by_cause():
                return getattr(self._materialize, f"get_{kind}")(version=version)
        except ExpiredVersionError:
            raise
        except NotFoundError:  # the list is empty, or the server does not have it
            return ()

    def count(self, table: str, version: int) -> int | None:
        """Return the number of rows of a table, None if the server does not count them."""
        try:
            with self.errors_by_cause():
                return parse.count(self._materialize.get_annotation_count(table, version=version))
        except ExpiredVersionError:
            raise
        except NotFoundError:
            return None

    def metadata(self, table: str, version: int) -> dict[str, Any]:
        """Return what the server describes of a table: its schema, size of voxels, notice."""
        with self.errors_by_cause():
            found = self._materialize.get_table_metadata(table, version=version, log_warning=False)
            return dict(found)

    # -- queries ----------------------------------------------------------------------------------

    def sample(self, table: Table) -> pd.DataFrame:
        """Return one row of a table."""
        arguments = payload.table_query(table, None)
        return self._remembered("sample", table, fetch=lambda: self._query(*arguments)[0])

    def everything(self, table: Table) -> pd.DataFrame:
        """Return all rows of a table.

        Raises
        ------
        RequestTooLargeError
            The table has more rows than the server returns.
        """

        def fetch() -> pd.DataFrame:
            method, arguments = payload.table_query(table, None)
            arguments["limit"] = None
            found, headers = self._query(method, arguments)
            if parse.row_limit(headers) or self._has_more(found, method, arguments):
                raise RequestTooLargeError(
                    f"the table {table.name!r} has more than {len(found):,} rows, which is all that the "
                    "server returns.",
                    status=200,
                    url=self.server,
                )
            return found

        return self._remembered("everything", table, fetch=fetch)

    def query(
        self,
        table: Table,
        ids: Sequence[int],
        column: str,
        columns: Sequence[str] | None = None,
        resolution: Sequence[float] | None = None,
        restriction: Restriction | None = None,
    ) -> pd.DataFrame:
        """Return all rows of some root IDs; see :func:`pdneuro.cave.payload.table_query`.

        Raises
        ------
        RequestTooLargeError
            The response was truncated at the server's limit of rows.
        """
        method, arguments = payload.table_query(table, ids, column, columns, resolution, restriction)
        found, headers = self._query(method, arguments)
        rows = len(found)
        error = RequestTooLargeError(
            f"the response was truncated at {rows:,} rows of {table.name!r}.",
            status=200,
            url=self.server,
        )

        def verify() -> None:
            if self._limits.is_truncated(
                table.name, rows, lambda: self._has_more(found, method, arguments)
            ):
                raise error

        size = self._limits.judge(table.name, rows, parse.row_limit(headers))
        if size is Response.TRUNCATED:
            raise error
        is_one_each = rows == len(ids) and column in found and found[column].is_unique
        if size is not Response.COMPLETE and not is_one_each:
            checks = getattr(self._thread, "checks", None)
            if size is Response.OPEN and checks is not None:
                checks.append(verify)
            else:
                verify()
        if resolution is None:
            return found
        own = parse.resolution(headers)
        # Without the header, caveclient converts the positions of tables, but not of views and joins.
        if own is None and method != "query_table" and parse.has_positions(found):
            own = self.voxel_size(table)
        return found if own is None else parse.to_resolution(found, own, resolution)

    def voxel_size(self, table: Table) -> list[float]:
        """Return the size of the voxels of a table in nm."""
        metadata = self.metadata(table.reference or table.name, table.version)
        with self.errors_by_cause():
            return parse.voxel_size(metadata)

    def _has_more(self, found: pd.DataFrame, method: str, arguments: Mapping[str, Any]) -> bool:
        """Return whether a query has more rows than a response, which not every server reports."""

        def after(offset: int) -> pd.DataFrame:
            return self._query(method, {**arguments, "offset": offset, "limit": 1})[0]

        try:
            rest = after(len(found))
            if not len(rest):
                return False
            before = pd.util.hash_pandas_object(found.astype(str), index=False)
            if not pd.util.hash_pandas_object(rest.astype(str), index=False).isin(before).all():
                return True
            # Rows have no fixed order, so a row can come again; or this server ignores the offset.
            return self._remembered("offset", fetch=lambda: not len(after(10**9)))
        except (InvalidRequestError, NotFoundError, ServerError, InvalidResponseError):
            return False  # this server has no offset

    def _query(
        self, method: str, arguments: Mapping[str, Any]
    ) -> tuple[pd.DataFrame, Mapping[str, str]]:
        """Return the rows of a query and the headers of the response."""
        part = copy.copy(self._materialize)
        part.session = session = _HeadersOfPost(part.session)
        with self.errors_by_cause():
            found = pd.DataFrame(getattr(part, method)(**arguments))
        return found, session.headers

    def values_by_id(
        self,
        ids: Int64Array,
        name: str,
        send: Callable[[Sequence[int]], Batch],
        fetch: Fetch,
        batch_size: int,
        version: int | str | None = None,
        *,
        lasting: bool = False,
    ) -> Answers:
        """Fetch one value per root ID at a version or at present; the latter is cached for offline use.

        Parameters
        ----------
        ids : array of int64
        name : str
            Name under which the values are cached.
        send : callable
            Sends the request for a batch of IDs.
        fetch : Fetch
        batch_size : int
            Maximum number of IDs per request.
        version : int or str, optional
            A version, or a time as text: the values never change.
        lasting : bool
            Whether a value without a version never changes either.
        """

        def send_batch(part: Sequence[int], retries: int) -> Batch:
            # A request that verifies a response can be needless after the other responses.
            checks: list[Callable[[], None]] = []
            self._thread.checks = checks
            try:
                with self.errors_by_cause():
                    batch = send(part)
            finally:
                del self._thread.checks
            return batch._replace(verify=checks[-1]) if checks else batch

        project = self.datastack if version is None else f"{self.datastack}@{version}"
        query = BatchQuery(
            Scope(self.server, self.credential, project, name),
            f"cave:{project}",
            send_batch,
            _nothing,
            parse.check,
            hint="They may be outdated, or of another datastack.",
        )
        fetch = fetch._replace(batch_size=min(fetch.batch_size, batch_size))
        if version is None and not lasting:
            return fetch_by_id(ids, query, fetch._replace(refresh=True))
        return fetch_by_id(ids, query, fetch._replace(expire_after=None))  # a version never changes

    # -- skeletons --------------------------------------------------------------------------------

    @property
    def _skeletons(self) -> Any:
        """The client of the skeleton service, and the version of its skeletons."""
        part = self._part("skeleton", "skeletoncache/api/version")
        number = part.server_version
        if number is None:
            raise NotFoundError(
                f"the CAVE server {self.server} has no skeleton service for {self.datastack}.",
                status=404,
                url=self.server,
            )
        if number.release < payload.SKELETON_SERVICE:
            oldest = ".".join(map(str, payload.SKELETON_SERVICE))
            raise OldServiceError(
                f"the skeleton service of {self.server} is version {number}, and {oldest} or newer is "
                "required.",
                url=self.server,
            )
        return part

    def _skeleton_version(self) -> int:
        """Return the version of skeletons to request: the documented one, or the newest."""

        def fetch() -> int:
            with self.errors_by_cause():
                known = parse.skeleton_versions(self._skeletons.get_versions())
            return payload.SKELETON_VERSION if payload.SKELETON_VERSION in known else known[-1]

        return self._remembered("skeleton version", fetch=fetch)

    def skeletons(self, ids: Sequence[int], *, generate: bool = False) -> dict[int, pd.DataFrame]:
        """Return the rows of the SWC file of each root ID whose skeleton came.

        caveclient leaves out those that do not exist, and those that it cannot read.

        Parameters
        ----------
        ids : sequence of int
        generate : bool
            Start the generation of those that do not exist.
        """
        part, version = self._skeletons, self._skeleton_version()
        with self.errors_by_cause():
            found = part.fetch_skeletons(
                list(ids),
                skeleton_version=version,
                output_format="swc",
                generate_missing_skeletons=generate,
            )
            return {int(root): rows for root, rows in found.items()}

    def skeletons_exist(self, ids: Sequence[int]) -> dict[int, bool]:
        """Return which root IDs have a skeleton."""
        part, version = self._skeletons, self._skeleton_version()
        with self.errors_by_cause():
            found = part.skeletons_exist(root_ids=list(ids), skeleton_version=version)
            # For a single ID, caveclient returns the value alone.
            return parse.existing({ids[0]: found} if len(ids) == 1 else found, ids)

    def refused(self) -> frozenset[int]:
        """Return the root IDs of which the skeleton service does not make a skeleton."""
        part = self._skeletons
        with self.errors_by_cause():
            return parse.refused(part.get_refusal_list())

    # -- root IDs ---------------------------------------------------------------------------------

    def is_latest(self, ids: Sequence[int], moment: Any = None) -> list[bool]:
        """Return whether root IDs are valid at a time; default: now."""
        graph = self._graph
        with self.errors_by_cause():
            found = graph.is_latest_roots(np.asarray(ids, np.uint64), timestamp=moment)
            return parse.as_flags(found, len(ids))

    def root_times(self, ids: Int64Array, *, latest: bool = False) -> Sequence[int | None]:
        """Return when root IDs became valid, or with ``latest`` when they were last valid.

        In µs since 1970; None for IDs that the server does not know.
        """
        graph = self._graph
        with self.errors_by_cause():
            # Servers before 2.17 do not have the parameter.
            options = {"latest": True} if latest else {}
            found = graph.get_root_timestamps(np.asarray(ids, np.uint64), **options)
            return parse.root_times(found, len(ids))

    def chunks(self, root: int) -> Int64Array | None:
        """Return the chunks of a root ID, None if it never existed."""
        graph = self._graph
        with self.errors_by_cause():
            layers = int(graph.segmentation_info.get("graph", {}).get("n_layers", 6))
        try:
            with self.errors_by_cause():
                found = graph.get_leaves(int(root), stop_layer=max(1, layers - 4))
                return np.asarray(found, np.int64)
        except (InvalidRequestError, NotFoundError):
            return None

    def roots(self, chunks: Int64Array, moment: Any = None) -> Int64Array:
        """Return the root ID of each chunk at a time; default: now."""
        graph = self._graph
        with self.errors_by_cause():
            found = np.asarray(graph.get_roots(chunks, timestamp=moment), np.uint64).astype(np.int64)
            if len(found) != len(chunks):
                raise ShapeError(f"{len(found):,} root IDs came for {len(chunks):,} chunks.")
        return found


@contextlib.contextmanager
def _without_nanoseconds() -> Iterator[None]:
    """Ignore a warning of caveclient about a version without an expiry date."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Discarding nonzero nanoseconds")
        yield


class _HeadersOfPost:
    """A session that keeps the headers of the response to a POST; caveclient returns its body alone."""

    def __init__(self, session: requests.Session) -> None:
        self._session = session
        self.headers: Mapping[str, str] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def post(self, *args: Any, **options: Any) -> requests.Response:
        response = self._session.post(*args, **options)
        self.headers = response.headers
        return response


class _ShortRetry(Retry):
    """Retries as caveclient plans them, but without pauses of hours."""

    def get_retry_after(self, response: Any) -> float | None:
        """Return the pause that the server requests; raise if it is too long."""
        seconds = super().get_retry_after(response)
        if seconds is not None and seconds > _LONGEST_PAUSE:
            raise ServiceUnavailableError(
                f"the CAVE server asks to wait {seconds:,.0f} s, as it does while it materializes.",
                status=503,
            )
        return seconds


def _caveclient() -> Any:
    try:
        module = optional("caveclient", "cave")
    except MissingDependencyError as error:
        raise MissingDependencyError(
            f"{error} It requires pandas below 3, so it needs an environment with pandas 2."
        ) from error
    version = importlib.metadata.version("caveclient")
    if int(version.split(".")[0]) < _OLDEST:
        raise MissingDependencyError(
            f"caveclient {version} is too old. Install {_OLDEST} or newer: pip install 'pdneuro[cave]'. "
            "It requires pandas below 3."
        )
    return module


def server_of(datastack: str) -> str:
    """Return the address of a datastack's server: the option ``cave_url``, or the default."""
    return str(get_option("cave_url") or f"https://{tokens.cave_host(datastack)}")


#: The clients used last, the latest at the end.
_clients: dict[tuple[Any, ...], Cave] = {}
_MAX_CLIENTS = 8
_lock = threading.Lock()


def connect(datastack: str, auth_token: str | None, fetch: Fetch) -> Cave:
    """Return the client of a datastack; no request is sent yet."""
    server = server_of(datastack)
    token = tokens.clean(auth_token) if auth_token else tokens.require_cave(datastack, server)
    credential = tokens.fingerprint(token)
    key = (datastack, server, credential, fetch.timeout, fetch.retries, fetch.max_workers, os.getpid())
    with _lock:
        client = _clients.pop(key, None) or Cave(datastack, server, token, fetch)
        _clients[key] = client
        # The caches of caveclient keep a client alive, so deleting it does not close its connections.
        for oldest in list(_clients)[:-_MAX_CLIENTS]:
            _clients.pop(oldest).close()
    return client


def _nothing() -> None:
    """Do nothing: the retries of caveclient cannot be canceled."""
