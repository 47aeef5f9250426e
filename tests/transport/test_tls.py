"""A server with a 1024-bit Diffie-Hellman group: stepped down for, with its certificate still checked."""

from __future__ import annotations

import base64
import contextlib
import datetime
import select
import socket
import socketserver
import ssl
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme

import pdneuro
from pdneuro import errors
from pdneuro.transport import tls
from pdneuro.transport.http import Server

# The second Oakley group (RFC 2409), 1024 bits, and the generator 2, as OpenSSL reads them (PKCS #3).
_PRIME = bytes.fromhex(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
    "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF"
)
_GROUP = bytes.fromhex("308187 02818100") + _PRIME + bytes.fromhex("020102")
DHE, ECDHE = "DHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = b'{"neuron_id": 1, "neuron_name": "a", "archive": "X"}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A handshake that failed is what these tests are about."""


Start = Callable[..., str]


@pytest.fixture
def authority() -> trustme.CA:
    """A certificate authority of our own."""
    return trustme.CA()


@pytest.fixture
def start(tmp_path: Path, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts TLS 1.2 servers whose DH group has 1024 bits; requests trusts their authority."""
    parameters = tmp_path / "dh.pem"
    words = base64.encodebytes(_GROUP).decode()
    parameters.write_text(f"-----BEGIN DH PARAMETERS-----\n{words}-----END DH PARAMETERS-----\n")
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    running: list[_Server] = []

    def serve(
        ciphers: str, names: tuple[str, ...] = ("localhost",), ca: Any = None, **certificate: Any
    ) -> str:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
            context.load_dh_params(str(parameters))
        except ssl.SSLError as error:
            pytest.skip(f"this platform's OpenSSL refuses the weak server itself: {error}")
        # An RSA key, for the suites above.
        made = (ca or authority).issue_cert(*names, key_type=trustme.KeyType.RSA, **certificate)
        made.configure_cert(context)
        server = _Server(("localhost", 0), _Handler)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        running.append(server)
        return f"https://localhost:{server.server_port}/api"

    yield serve
    for server in running:
        server.shutdown()
        server.server_close()


def ask(url: str, **options: Any) -> Any:
    """One neuron of a service at this address, by pdneuro."""
    quiet = {"neuromorpho_rate": None, "retries": 0, "timeout": 60, "progress": False}
    with pdneuro.set_options(neuromorpho_url=url, **quiet, **options):
        return pdneuro.neuromorpho.neuron(1)["neuron_name"]


def test_plain_requests_fail_and_pdneuro_steps_down(start: Start, authority: trustme.CA) -> None:
    url = start(DHE)
    for verify in (None, False):  # switching the check off does not help
        with pytest.raises(requests.exceptions.SSLError, match=tls.SHORT_KEY):
            requests.get(f"{url}/neuron/id/1", timeout=60, verify=verify)
    with pytest.warns(errors.WeakEncryptionWarning) as caught:
        assert ask(url) == "a"
    said = [str(warning.message) for warning in caught]
    assert len(said) == 2
    assert "without Diffie-Hellman" in said[0]
    assert "security level 1" in said[1]
    assert all(f"localhost:{url.split(':')[2].split('/')[0]}" in words for words in said)


def test_one_step_is_enough_where_the_server_has_other_suites(start: Start, tmp_path: Path) -> None:
    url = start(f"{DHE}:{ECDHE}")
    with pytest.warns(errors.WeakEncryptionWarning) as caught:
        assert ask(url) == "a"
    assert len(caught) == 1
    # Warned of once: the next call knows, also with another cache.
    assert ask(url, cache_dir=tmp_path / "other") == "a"


def test_two_threads_that_step_down_at_once_warn_once(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, both, reason = start(f"{DHE}:{ECDHE}"), threading.Barrier(2), tls.reason

    def late(error: BaseException) -> str:
        both.wait(60)  # both have failed before one of them steps down
        return reason(error)

    monkeypatch.setattr(tls, "reason", late)

    def ask_in(folder: str) -> str:
        return ask(url, cache_dir=tmp_path / folder)

    with ThreadPoolExecutor(2) as pool, pytest.warns(errors.WeakEncryptionWarning) as caught:
        assert [*pool.map(ask_in, ["one", "two"])] == ["a", "a"]
    assert len(caught) == 1


def test_connections_are_kept_after_stepping_down(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, opened = start(DHE), []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", errors.WeakEncryptionWarning)
        ask(url)
    setup = _Handler.setup
    monkeypatch.setattr(_Handler, "setup", lambda handler: (opened.append(1), setup(handler)))
    for number in range(3):
        ask(url, cache_dir=tmp_path / str(number))
    assert len(opened) <= 1


def test_a_sound_server_is_asked_as_always(start: Start) -> None:
    assert ask(start(ECDHE)) == "a"


def test_stepping_down_can_be_refused(start: Start) -> None:
    with pytest.raises(errors.ConnectionFailedError, match="Diffie-Hellman key is too short"):
        ask(start(DHE), tls_fallback=False)


@pytest.mark.parametrize("ciphers", [DHE, f"{DHE}:{ECDHE}"])
@pytest.mark.parametrize("fault", ["wrong host", "expired", "unknown authority"])
def test_certificates_are_checked_at_every_step(start: Start, fault: str, ciphers: str) -> None:
    past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    how: dict[str, Any] = {
        "wrong host": {"names": ("neuromorpho.example",)},
        "expired": {"not_after": past},
        "unknown authority": {"ca": trustme.CA()},
    }[fault]
    url = start(ciphers, **how)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", errors.WeakEncryptionWarning)
        for _ in range(2):  # also when the step is known
            with pytest.raises(errors.ConnectionFailedError, match="certificate is not trusted"):
                ask(url)


def test_certificate_errors_never_step_down(start: Start) -> None:
    with pytest.raises(errors.ConnectionFailedError, match="certificate is not trusted"):
        ask(start(ECDHE, ca=trustme.CA()))


def test_other_hosts_do_not_profit(start: Start) -> None:
    url = start(DHE)
    server = Server("local", short_keys=True)
    with pytest.raises(requests.exceptions.SSLError, match=tls.SHORT_KEY):
        server.session.get(url, timeout=60)


def test_a_bundle_stays_with_its_connections(
    start: Start, tmp_path: Path, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Certificates of one call do not make another trust."""
    url = start(DHE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", errors.WeakEncryptionWarning)
        assert ask(url) == "a"
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
    with pytest.raises(errors.ConnectionFailedError, match="certificate is not trusted"):
        ask(url, cache_dir=tmp_path / "other")


class _Proxy(socketserver.ThreadingTCPServer):
    daemon_threads = True
    tunnels = 0


class _Tunnel(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        head = self.request.recv(65536).split()
        assert head[0] == b"CONNECT"
        host, _, port = head[1].decode().rpartition(":")
        self.server.tunnels += 1  # type: ignore[attr-defined]
        with socket.create_connection((host, int(port))) as there:
            self.request.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            ends = {self.request: there, there: self.request}
            with contextlib.suppress(OSError):
                while True:
                    for ready in select.select(list(ends), [], [], 5)[0]:
                        data = ready.recv(65536)
                        if not data:
                            return
                        ends[ready].sendall(data)


def test_stepping_down_works_behind_a_proxy(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    url = start(DHE)
    proxy = _Proxy(("localhost", 0), _Tunnel)
    threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True).start()
    monkeypatch.setenv("HTTPS_PROXY", f"http://localhost:{proxy.server_address[1]}")
    monkeypatch.setenv("NO_PROXY", "")
    try:
        with pytest.warns(errors.WeakEncryptionWarning):
            assert ask(url) == "a"
        assert proxy.tunnels >= 3  # one a step
    finally:
        proxy.shutdown()
        proxy.server_close()
