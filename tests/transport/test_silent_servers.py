"""Servers that accept a connection and never answer, or stop in the middle: an error after the timeout."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest

import pdneuro
from pdneuro import errors
from pdneuro.sandbox import Sandbox
from tests.transport.conftest import deadline


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that accepts connections, and does nothing else."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


ID = pd.Series([720575940609676979])


def root_ids() -> object:
    with pdneuro.tokens.overridden(**{"global.daf-apis.com": "not-a-real-token"}):
        return ID.neuro.properties("nuclei", source="cave:minnie65_public")


CALLS: dict[str, Callable[[], object]] = {
    "BrainCircuits.io properties": lambda: ID.neuro.properties("size"),
    "BrainCircuits.io edges": lambda: ID.neuro.edges(),
    "BrainCircuits.io graph": lambda: pdneuro.Connectome.download("fruitfly_fafb_flywire"),
    "Allen documents": lambda: pdneuro.allen.OntologiesApi().get_structure_sets(),
    "Allen text": lambda: pdneuro.allen.SvgApi().get_svg(100960033),
    "Allen files": lambda: pdneuro.allen.CellTypesApi().save_ephys_data(1, "x.nwb"),
    "NeuroMorpho.org record": lambda: pdneuro.neuromorpho.neuron(1),
    "NeuroMorpho.org selection": lambda: pdneuro.neuromorpho.select(species="mouse"),
    "CAVE": root_ids,
}


@pytest.mark.parametrize("call", CALLS)
def test_a_server_that_never_answers_is_an_error(
    sandbox: Sandbox, silent: str, call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if call == "CAVE" and not find_spec("caveclient"):
        pytest.skip("caveclient is not installed")
    monkeypatch.chdir(tmp_path)
    addresses = dict.fromkeys([name for name in sandbox.options if name.endswith("_url")], silent)
    with (
        deadline(),
        pdneuro.set_options(**addresses, timeout=0.3),
        pytest.raises(errors.ConnectionFailedError, match="timeout"),
    ):
        CALLS[call]()
    assert not list(tmp_path.glob("*.nwb*"))


def test_a_file_whose_server_falls_silent_is_an_error_and_resumes(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    content, _ = (sandbox.braincircuits._parquet(name) for name in ("edges", "nodes"))
    with half_a_file(content) as url:
        app, real = sandbox.braincircuits, sandbox.braincircuits._dump

        def elsewhere(request: object) -> object:
            response = real(request)
            response.body["edges_url"] = url
            return response

        app._dump = elsewhere
        with (
            pdneuro.set_options(timeout=8),  # enough for the other responses on a busy machine
            pytest.raises(errors.ServiceError, match=r"timeout|truncated|no connection"),
        ):
            pdneuro.Connectome.download("fruitfly_fafb_flywire", tmp_path / "graph")
    (part,) = (tmp_path / "graph").rglob("edges.parquet.part")
    assert content.startswith(part.read_bytes())
    assert part.stat().st_size > 0
    app._dump = real
    brain = pdneuro.Connectome.download("fruitfly_fafb_flywire", tmp_path / "graph")
    assert len(brain.to_frame()) == 45_000
    (file,) = (tmp_path / "graph").rglob("edges.parquet")
    assert file.read_bytes() == content


@contextlib.contextmanager
def half_a_file(content: bytes) -> Iterator[str]:
    """The address of a server that sends half of a file and then waits."""
    head = f'HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\nETag: "a"\r\n\r\n'.encode()
    opened: list[socket.socket] = []

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                opened.append(connection)
                connection.recv(10_000)
                connection.sendall(head + content[: len(content) // 2])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/file.parquet"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)
    for connection in opened:
        connection.close()
