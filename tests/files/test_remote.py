"""Files at an address: by https, and by the file systems of fsspec."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import pdneuro
from pdneuro import errors
from pdneuro.sandbox import Sandbox
from pdneuro.sandbox.server import LocalServer, Request, Response, file_response

EDGES = b"pre,post,weight\n11,12,5\n"
NEURONS = b"root_id,nt_type\n11,GABA\n"


class Bucket:
    """A server of files, whose content a test changes."""

    def __init__(self) -> None:
        self.files = {"/edges.csv": EDGES, "/neurons.csv": NEURONS}

    def __call__(self, request: Request) -> Response:
        if request.path not in self.files:
            return Response({"detail": "Not Found"}, 404)
        return file_response(request, self.files[request.path])


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


@pytest.fixture
def server(bucket: Bucket, sandbox: Sandbox) -> Iterator[LocalServer]:
    running = LocalServer({"/bucket": bucket})
    yield running
    running.stop()


def test_files_of_an_address_are_read_by_each_function(server: LocalServer, sandbox: Sandbox) -> None:
    address = f"{server.url}/bucket/edges.csv"
    assert pdneuro.read_table(address).weight.tolist() == [5]
    assert pdneuro.read_edges(address).weight.tolist() == [5]
    assert pdneuro.read_neurons(f"{server.url}/bucket/neurons.csv").nt.tolist() == ["GABA"]
    assert pdneuro.Connectome.from_files(address).to_frame().weight.tolist() == [5]
    segment = pd.Series([11], name="root_id")
    assert segment.neuro.downstream(source=address).weight.tolist() == [5]


def test_an_unchanged_file_is_not_copied_again(
    server: LocalServer, bucket: Bucket, sandbox: Sandbox
) -> None:
    address = f"{server.url}/bucket/edges.csv"
    first = pdneuro.read_edges(address)
    before = len(server.requests)
    pdneuro.read_edges(address)
    assert len(server.requests) == before + 1  # only the state of the file
    bucket.files["/edges.csv"] = EDGES.replace(b",5", b",9")
    assert pdneuro.read_edges(address).weight.tolist() == [9]
    assert first.weight.tolist() == [5]


def test_offline_reads_the_copy(server: LocalServer, sandbox: Sandbox) -> None:
    address = f"{server.url}/bucket/edges.csv"
    with pdneuro.set_options(offline=True), pytest.raises(errors.OfflineError, match=r"edges\.csv"):
        pdneuro.read_edges(address)
    pdneuro.read_edges(address)
    before = len(server.requests)
    with pdneuro.set_options(offline=True):
        assert pdneuro.read_edges(address).weight.tolist() == [5]
    assert len(server.requests) == before


def test_headers_reach_the_server_and_secrets_stay_out_of_messages(
    server: LocalServer, sandbox: Sandbox
) -> None:
    pdneuro.read_table(f"{server.url}/bucket/edges.csv", storage_options={"X-Mark": "yes"})
    assert server.requests[-1].headers["x-mark"] == "yes"
    for read in (pdneuro.read_edges, pdneuro.read_neurons, pdneuro.read_table):
        with pytest.raises(errors.NotFoundError) as caught:
            read(f"{server.url}/bucket/none.csv?token=hidden")
        assert "hidden" not in "".join([str(caught.value), *getattr(caught.value, "__notes__", [])])


def test_addresses_of_fsspec_are_read(sandbox: Sandbox) -> None:
    fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed")
    memory = fsspec.filesystem("memory")
    memory.pipe("/bucket/edges.csv", EDGES)
    try:
        assert pdneuro.read_edges("memory://bucket/edges.csv").weight.tolist() == [5]
        memory.pipe("/bucket/edges.csv", EDGES.replace(b",5", b",9"))
        assert pdneuro.read_edges("memory://bucket/edges.csv").weight.tolist() == [9]
        with pytest.raises(FileNotFoundError, match=r"memory://bucket/none\.csv"):
            pdneuro.read_edges("memory://bucket/none.csv")
        memory.pipe("/bucket/parts/edges.csv", EDGES)
        with pytest.raises(FileNotFoundError, match="is a folder"):
            pdneuro.read_table("memory://bucket/parts")
    finally:
        memory.rm("/bucket", recursive=True)


def test_an_unchanged_file_of_fsspec_is_not_copied_again(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed")
    memory, copied = fsspec.filesystem("memory"), []
    memory.pipe("/bucket/edges.csv", EDGES)
    copy = type(memory).get_file
    monkeypatch.setattr(
        type(memory), "get_file", lambda *given, **more: (copied.append(given), copy(*given, **more))
    )
    try:
        for _ in range(2):
            assert pdneuro.read_edges("memory://bucket/edges.csv").weight.tolist() == [5]
    finally:
        memory.rm("/bucket", recursive=True)
    assert len(copied) == 1


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            PermissionError("Anonymous caller has no access.\nRequest 17"),
            "Anonymous caller has no access",
        ),
        (RuntimeError(), "RuntimeError"),
    ],
)
def test_a_file_system_that_fails_is_a_connection_error(
    error: Exception, words: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed")

    def fail(*given: Any, **more: Any) -> None:
        raise error

    monkeypatch.setattr(type(fsspec.filesystem("memory")), "isdir", fail)
    with pytest.raises(
        errors.ConnectionFailedError, match=f"be read: {words}\\. For a public"
    ) as caught:
        pdneuro.read_edges("memory://bucket/edges.csv?token=hidden")
    assert "17" not in str(caught.value)
    assert "hidden" not in str(caught.value)
    assert caught.value.url.startswith("memory://bucket/edges.csv")


@pytest.mark.parametrize("address", ["https://localhost", "https://localhost/", "memory://bucket"])
def test_an_address_without_a_file_is_an_error(address: str, sandbox: Sandbox) -> None:
    with pytest.raises(FileNotFoundError, match=f"^{address} does not name a file"):
        pdneuro.read_table(address)


@pytest.mark.parametrize(("address", "package"), [("gs://b/e.csv", "gcsfs"), ("s3://b/e.csv", "s3fs")])
def test_a_missing_package_is_an_error_with_the_extra(
    address: str, package: str, sandbox: Sandbox
) -> None:
    pytest.importorskip("fsspec", reason="fsspec is not installed")
    try:
        __import__(package)
    except ImportError:
        with pytest.raises(errors.MissingDependencyError, match=r"pdneuro\[remote\]"):
            pdneuro.read_edges(address)
    else:
        pytest.skip(f"{package} is installed")


def test_options_of_an_address_are_rejected_for_a_path(tmp_path: Path) -> None:
    options: dict[str, Any] = {"anon": True}
    with pytest.raises(ValueError, match="storage_options"):
        pdneuro.read_table(tmp_path / "edges.csv", storage_options=options)
