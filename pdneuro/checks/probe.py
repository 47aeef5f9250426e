"""Send the requests of checks: counted, each once, with the TLS version of the connection."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import requests

from pdneuro.errors import ServiceError
from pdneuro.options import Fetch
from pdneuro.transport.http import Client, Request
from pdneuro.transport.report import ShapeError
from pdneuro.transport.responses import excerpt, masked, parse_json

#: Statuses of a check.
OK, DIFFERENT, FAILED, NOT_CHECKED = "as expected", "different", "failed", "not checked"
COLUMNS = ("service", "check", "expected", "seen", "status", "advice")
#: Maximum number of seconds to wait for a response.
_TIMEOUT = 30.0
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Finding(NamedTuple):
    """Whether a check is as expected, and a description of the response."""

    fits: bool
    seen: str


class Check(NamedTuple):
    """One assumption about a service."""

    name: str
    expected: str
    look: Callable[[Any], Finding]
    #: What to do if it is different.
    advice: str
    #: Whether the other checks of the service are skipped if this one does not fit.
    needed: bool = False


class Row(NamedTuple):
    """One row of the table."""

    service: str
    check: str
    expected: str
    seen: str
    status: str
    advice: str


class NotCheckedError(Exception):
    """A check cannot be made; its text is the reason."""


class Budget:
    """The number of requests that may still be sent, and the reason if it is 0."""

    def __init__(self, limit: int, reason: str = "the maximum number of requests is reached") -> None:
        self.left = limit
        self._reason = reason

    def take(self) -> None:
        """Count one request.

        Raises
        ------
        NotCheckedError
            No request is left.
        """
        if not self.left:
            raise NotCheckedError(self._reason)
        self.left -= 1


class Probe:
    """The requests of all checks of one service. A request that was sent before is not repeated.

    Parameters
    ----------
    service : str
        Name in the table.
    address : str
        Address of the service.
    budget : Budget
    headers : mapping
        Sent with each request to the host of the address; may contain tokens.
    short_keys : bool
        Lower the security level if the server's key is short.
    """

    def __init__(
        self,
        service: str,
        address: str,
        budget: Budget,
        headers: Mapping[str, str] | None = None,
        *,
        short_keys: bool = False,
    ) -> None:
        self.service = service
        self.address = address
        self.headers = dict(headers or {})
        #: Hosts that receive the headers.
        self._hosts = {urlsplit(address)[:2]}
        self._budget = budget
        self._short_keys = short_keys
        self._found: dict[tuple[Any, ...], requests.Response | ServiceError] = {}
        #: TLS version of the last connection, "" without TLS.
        self.tls = ""

    def send(self, request: Request, *, anonymous: bool = False) -> requests.Response:
        """Return the response to a request, whatever its status.

        Raises
        ------
        ServiceError
            There is no response.
        NotCheckedError
            No request is left.
        """
        is_own = urlsplit(request.url)[:2] in self._hosts
        headers = self.headers if is_own and not anonymous else {}
        key = (request.method, request.url, str(request.params), request.body, str(headers))
        if key not in self._found:
            self._budget.take()
            try:
                self._found[key] = self._receive(request, headers)
            except ServiceError as error:
                self._found[key] = error
        found = self._found[key]
        if isinstance(found, ServiceError):
            raise found
        return found

    def _receive(self, request: Request, headers: Mapping[str, str]) -> requests.Response:
        fetch = Fetch.of()
        client = Client(
            request.url,
            fetch._replace(retries=0, timeout=min(fetch.timeout, _TIMEOUT)),
            headers=headers,
            accepted=range(100, 600),
            short_keys=self._short_keys,
        )

        def attempt() -> requests.Response:
            with client.stream(request) as response:
                socket = getattr(getattr(response.raw, "_connection", None), "sock", None)
                self.tls = str(socket.version()) if isinstance(socket, ssl.SSLSocket) else ""
                response.content  # noqa: B018 - reads the body while the connection is open
            return response

        response = client.retry(attempt, request.url)
        self._budget.left = max(0, self._budget.left - len(response.history))
        adapter = client.server.session.get_adapter(response.url)
        step = adapter.step(response.url) if hasattr(adapter, "step") else ""
        self.tls += f", {step}" if step else ""
        return response

    def json(self, request: Request) -> Any:
        """Return the value of a JSON response with status 200.

        Raises
        ------
        ShapeError
            The status is not 200, or the body is not JSON.
        """
        response = self.send(request)
        if response.status_code != 200:
            raise ShapeError(f"status {response.status_code}: {self.excerpt(response)}")
        return parse_json(response.content)

    def excerpt(self, response: requests.Response) -> str:
        """Return the first words of a body, without tokens."""
        return excerpt(response, self._secrets())[:100]

    def shown(self, text: str) -> str:
        """Return a text without tokens."""
        return masked(text, self._secrets())

    def _secrets(self) -> list[str]:
        return [value.split()[-1] for value in self.headers.values()]

    def row(self, check: Check) -> Row:
        """Return the row of a check."""
        try:
            fits, seen = check.look(self)
            status = OK if fits else DIFFERENT
        except NotCheckedError as reason:
            return self.skipped(check, str(reason))
        except ServiceError as error:
            status, seen = FAILED, error.message
        except ShapeError as error:
            status, seen = DIFFERENT, str(error)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            status, seen = DIFFERENT, f"a response of another shape ({type(error).__name__}: {error})"
        advice = "" if status == OK else check.advice
        return Row(self.service, check.name, check.expected, self.shown(seen), status, advice)

    def skipped(self, check: Check, reason: str) -> Row:
        """Return the row of a check that is not made."""
        return Row(self.service, check.name, check.expected, "", NOT_CHECKED, reason)


def run(probe: Probe, checks: Sequence[Check]) -> list[Row]:
    """Return a row per check. After a failure of a needed check, the others are not made."""
    rows: list[Row] = []
    reason = ""
    for check in checks:
        rows.append(probe.skipped(check, reason) if reason else probe.row(check))
        if check.needed and rows[-1].status != OK:
            reason = reason or f"not possible without {check.name!r}"
    return rows


def reachable(get_url: Callable[[Any], str]) -> tuple[Check, Check]:
    """Return the checks of the connection; the request carries no token."""

    def look(probe: Probe) -> Finding:
        response = probe.send(Request("GET", get_url(probe)), anonymous=True)
        return Finding(response.status_code < 500, f"status {response.status_code}")

    def look_at_tls(probe: Probe) -> Finding:
        parts = urlsplit(probe.address)
        if parts.scheme != "https":
            return Finding(parts.hostname in _LOOPBACK, f"http at {parts.hostname}")
        return Finding("," not in probe.tls, probe.tls or "TLS")

    return (
        Check(
            "reachable",
            "a response",
            look,
            "Check the network, the proxy (HTTPS_PROXY) and certificates (REQUESTS_CA_BUNDLE); or the "
            "service is down at the moment.",
            needed=True,
        ),
        Check(
            "https",
            "TLS, certificates are checked",
            look_at_tls,
            "With http, others can read tokens: set an address with https. With a fallback, the key of "
            "the server is short; certificates are still checked.",
        ),
    )


def named(found: Any) -> str:
    """Return the keys of a record, or what it is instead."""
    if isinstance(found, dict):
        return ", ".join(sorted(map(str, found)))[:120] or "{}"
    return f"{type(found).__name__} {str(found)[:60]}"


def has_keys(found: Any, wanted: Sequence[str]) -> Finding:
    """Return whether a record has at least these keys; the names that it has, or what is missing."""
    if not isinstance(found, dict):
        return Finding(False, named(found))
    missing = [name for name in wanted if name not in found]
    seen = named(found) if not missing else f"without {', '.join(missing)[:80]}; has {named(found)}"
    return Finding(not missing, seen)
