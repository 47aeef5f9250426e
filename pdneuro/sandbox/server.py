"""A small HTTP server that can simulate faults; each service is an app with its own prefix."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

HTML_PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Sign in</body></html>"


@dataclass(frozen=True)
class Request:
    """A request. ``path`` is relative to the app's prefix; header names are lowercase."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    #: Address of the app.
    root: str = ""
    #: The unparsed query string, in which a name may occur several times.
    raw_query: str = ""

    def json(self) -> Any:
        """Return the decoded body."""
        return json.loads(self.body)


@dataclass
class Response:
    """A response: ``body`` is bytes, or any value that JSON supports."""

    body: Any = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def file_response(request: Request, content: bytes, kind: str = "application/octet-stream") -> Response:
    """Return a file, or the rest of it if the request has a range for this version of the file."""
    etag = f'"{hashlib.blake2b(content, digest_size=8).hexdigest()}"'
    headers = {"Content-Type": kind, "ETag": etag, "Accept-Ranges": "bytes"}
    begin = request.headers.get("range", "").removeprefix("bytes=").partition("-")[0]
    if begin.isdigit() and request.headers.get("if-range", etag) == etag:
        content_range = f"bytes {begin}-{len(content) - 1}/{len(content)}"
        return Response(content[int(begin) :], 206, {**headers, "Content-Range": content_range})
    return Response(content, 200, headers)


class App(Protocol):
    """An imitated service: a function from request to response."""

    def __call__(self, request: Request) -> Response:
        """Return the response to a request."""


@dataclass
class Fault:
    """A fault of the next requests whose path contains ``path``."""

    times: int = 1
    path: str = ""
    status: int | None = None
    retry_after: str | float | None = None
    delay: float = 0.0
    reset: bool = False
    truncate: bool = False
    html: bool = False
    body: bytes | None = None


class LocalServer:
    """A server of apps on a loopback port, with a thread per request.

    Parameters
    ----------
    apps : mapping
        App by prefix, such as ``"/braincircuits"``.
    port : int
        Port of the server; 0 selects a free port.
    latency : float
        Seconds to wait before each response.
    """

    def __init__(self, apps: Mapping[str, App], *, port: int = 0, latency: float = 0.0) -> None:
        self.apps = dict(apps)
        self.latency = latency
        #: All requests so far, in order of arrival.
        self.requests: list[Request] = []
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"owner": self})
        self._http = _Http(("127.0.0.1", port), handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(
            target=self._http.serve_forever, args=(0.01,), name="pdneuro-sandbox", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Close the port and all connections."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def fail(self, **fault: Any) -> None:
        """Make the next requests fail; see :class:`Fault`."""
        with self._lock:
            self._faults.append(Fault(**fault))

    def answer(self, request: Request) -> tuple[Response | None, bool]:
        """Return the response (None: close the connection), and whether to truncate its body."""
        with self._lock:
            self.requests.append(request)
            fault = next((f for f in self._faults if f.times > 0 and f.path in request.path), None)
            if fault:
                fault.times -= 1
        time.sleep(self.latency + (fault.delay if fault else 0.0))
        if fault and fault.reset:
            return None, False
        if fault and fault.html:
            return Response(HTML_PAGE, fault.status or 200, {"Content-Type": "text/html"}), False
        if fault and (fault.status or fault.body is not None):
            headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
            body = {"detail": "fault on request"} if fault.body is None else fault.body
            return Response(body, fault.status or 200, headers), False
        for prefix, app in self.apps.items():
            if request.path == prefix or request.path.startswith(f"{prefix}/"):
                inner = Request(
                    request.method,
                    request.path[len(prefix) :] or "/",
                    request.query,
                    request.headers,
                    request.body,
                    f"{self.url}{prefix}",
                    request.raw_query,
                )
                return app(inner), bool(fault and fault.truncate)
        return Response({"detail": "Not Found"}, 404), False


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: Any) -> None:
        self._open: set[Any] = set()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        super().server_close()
        for request in list(self._open):  # kept-alive connections
            with contextlib.suppress(OSError):
                request.shutdown(2)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that close the connection."""


class _Handler(BaseHTTPRequestHandler):
    owner: LocalServer
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # send header and body in one packet
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        self._serve()

    def do_GET(self) -> None:
        self._serve()

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        request = Request(
            method=self.command,
            path=parts.path,
            query={name: values[-1] for name, values in parse_qs(parts.query).items()},
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(int(self.headers.get("Content-Length") or 0)),
            raw_query=parts.query,
        )
        try:
            response, truncated = self.owner.answer(request)
        except Exception as error:  # like a real server, an exception in an app is a 500
            response, truncated = Response({"detail": f"{type(error).__name__}: {error}"}, 500), False
        if response is None:
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(2)
            return
        is_raw = isinstance(response.body, bytes)
        body = response.body if is_raw else json.dumps(response.body).encode()
        self.send_response(response.status)
        headers = {"Content-Type": "application/json", "Content-Length": len(body), **response.headers}
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if truncated else body)
        self.close_connection = self.close_connection or truncated

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing: the requests are in ``LocalServer.requests``."""
