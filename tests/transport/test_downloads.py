"""Files that are downloaded: resumed only where the bytes fit, complete or not there at all."""

from __future__ import annotations

import errno
import fcntl
import gzip
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import pdneuro
from pdneuro import errors
from pdneuro.sandbox import Sandbox
from pdneuro.sandbox.server import Request, Response
from tests.conftest import child, eventually

PROJECT = "fruitfly_fafb_flywire"


class Files:
    """The graph's file of edges at one address or another, each with its own content.

    All have the same mark, like files that are identified by the second of their last change.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        whole = pdneuro.sandbox.edges()
        self.content = {"first": parquet(whole), "second": parquet(whole.assign(weight=7))}
        self.current = "first"
        #: What the service says of the snapshot.
        self.snapshot: int | None = 1674644403
        #: Changes a response to a request for the rest of a file.
        self.rest: Callable[[Response, int], Response] = lambda response, start: response
        self.mark = {"ETag": '"same"'}
        #: Another server of the file.
        self.address: str | None = None
        sandbox._server.apps["/braincircuits"] = self

    def __call__(self, request: Request) -> Response:
        if request.path == "/circuit/graph/dump":
            # The signature of the address is new each time.
            url = f"{request.root}/{self.current}/edges.parquet?signature={len(self.sandbox.requests)}"
            return Response({"last_materialized": self.snapshot, "edges_url": self.address or url})
        content = self.content[request.path.split("/")[1]]
        start = int(request.headers.get("range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        if not start:
            return Response(content, 200, self.mark)
        place = f"bytes {start}-{len(content) - 1}/{len(content)}"
        response = Response(content[start:], 206, {**self.mark, "Content-Range": place})
        return self.rest(response, start)

    def break_off(self) -> int:
        """Download until the connection breaks; returns the number of bytes on disk."""
        self.sandbox.fail(path="edges.parquet", truncate=True)
        with pytest.raises(errors.TruncatedResponseError):
            pdneuro.Connectome.download(PROJECT)
        (part,) = downloads().rglob("edges.parquet.part")
        return part.stat().st_size

    @property
    def ranges(self) -> list[str | None]:
        sent = [r for r in self.sandbox.requests if r.path.endswith("edges.parquet")]
        return [request.headers.get("range") for request in sent]


class SlowServer(ThreadingHTTPServer):
    """A server that sends half of a file, and the rest when ``pause`` is set."""

    daemon_threads = True

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.pause = threading.Event()
        self.ranges: list[str | None] = []
        super().__init__(("127.0.0.1", 0), SlowHandler)

    def handle_error(self, *details: object) -> None:
        """Ignore clients that close the connection."""


class SlowHandler(BaseHTTPRequestHandler):
    server: SlowServer

    def do_GET(self) -> None:
        content, asked = self.server.content, self.headers.get("Range")
        self.server.ranges.append(asked)
        start = int((asked or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if asked else 200)
        self.send_header("ETag", '"same"')
        self.send_header("Content-Length", str(len(content) - start))
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        half = (len(content) + start) // 2
        self.wfile.write(content[start:half])
        self.wfile.flush()
        self.server.pause.wait(600)
        self.wfile.write(content[half:])

    def log_message(self, *details: object) -> None:
        """Print nothing."""


@pytest.fixture
def slow(files: Files) -> Iterator[SlowServer]:
    server = SlowServer(files.content["first"])
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    files.address = f"http://127.0.0.1:{server.server_port}/edges.parquet"
    yield server
    server.pause.set()
    server.shutdown()
    thread.join()
    server.server_close()


def begun(folder: Path) -> int:
    """Wait until bytes of a download are on disk; returns their number."""

    def sizes() -> list[int]:
        found = [path.stat().st_size for path in folder.rglob("edges.parquet.part")]
        return [size for size in found if size]

    assert eventually(sizes)
    return sizes()[0]


def parquet(table: pd.DataFrame) -> bytes:
    # One size of all numbers: no compression, no dictionary.
    return table.to_parquet(None, index=False, compression=None, use_dictionary=False)


def downloads() -> Path:
    return Path(pdneuro.get_options()["cache_dir"]) / "downloads"


def edges_file() -> bytes:
    (file,) = downloads().rglob("edges.parquet")
    assert not list(downloads().rglob("*.part*"))
    return file.read_bytes()


@pytest.fixture
def files(sandbox: Sandbox) -> Files:
    return Files(sandbox)


class TestResume:
    def test_the_rest_of_a_file_completes_it(self, files: Files) -> None:
        size = files.break_off()
        assert size > 1000
        pdneuro.Connectome.download(PROJECT)
        assert files.ranges[1:] == [f"bytes={size}-"]
        assert edges_file() == files.content["first"]

    @pytest.mark.parametrize("snapshot", [1674644403, None])
    def test_a_file_at_another_address_is_not_added_to_the_one_before(
        self, files: Files, snapshot: int | None
    ) -> None:
        files.snapshot = snapshot
        files.break_off()
        files.current = "second"
        pdneuro.Connectome.download(PROJECT)
        assert files.ranges == [None, None]
        assert edges_file() == files.content["second"]

    @pytest.mark.parametrize("place", ["bytes 0-{end}/{size}", "bytes {more}-{end}/{size}", "", None])
    def test_another_part_than_requested_is_not_added(self, files: Files, place: str | None) -> None:
        files.break_off()
        whole = files.content["first"]

        def wrong(response: Response, start: int) -> Response:
            response.headers.pop("Content-Range")
            if place is not None:
                where = place.format(end=len(whole) - 1, size=len(whole), more=start + 1)
                response.headers["Content-Range"] = where
            return response

        files.rest = wrong
        with pytest.raises(errors.TruncatedResponseError, match="another part"):
            pdneuro.Connectome.download(PROJECT)
        assert not list(downloads().rglob("edges.parquet"))
        pdneuro.Connectome.download(PROJECT)
        assert files.ranges[-1] is None
        assert edges_file() == whole

    def test_a_part_that_was_not_requested_is_an_error(self, files: Files) -> None:
        answer = files.__call__

        def partial(request: Request) -> Response:
            response = answer(request)
            response.status = 206 if request.path.endswith("edges.parquet") else 200
            return response

        files.sandbox._server.apps["/braincircuits"] = partial
        with pytest.raises(errors.TruncatedResponseError, match="another part"):
            pdneuro.Connectome.download(PROJECT)

    @pytest.mark.parametrize("mark", [{}, {"ETag": 'W/"weak"'}])
    def test_without_a_strong_mark_a_file_begins_again(self, files: Files, mark: dict[str, str]) -> None:
        files.mark = mark
        files.break_off()
        pdneuro.Connectome.download(PROJECT)
        assert files.ranges == [None, None]
        assert edges_file() == files.content["first"]

    def test_a_server_that_sends_the_whole_file_replaces_the_part(self, files: Files) -> None:
        files.break_off()
        files.rest = lambda response, start: Response(files.content["first"], 200, files.mark)
        pdneuro.Connectome.download(PROJECT)
        assert edges_file() == files.content["first"]

    @pytest.mark.parametrize("state", [b"", b"[]", b"{", b'{"version": null}'])
    def test_a_part_of_unknown_origin_is_replaced(self, files: Files, state: bytes) -> None:
        files.break_off()
        (file,) = downloads().rglob("*.part.json")
        file.write_bytes(state)
        pdneuro.Connectome.download(PROJECT)
        assert files.ranges == [None, None]
        assert edges_file() == files.content["first"]

    def test_a_part_that_is_complete_is_not_requested_again(self, files: Files) -> None:
        files.break_off()
        (part,) = downloads().rglob("edges.parquet.part")
        part.write_bytes(files.content["first"])
        pdneuro.Connectome.download(PROJECT)
        assert len(files.ranges) == 1
        assert edges_file() == files.content["first"]

    def test_a_part_that_is_too_long_is_replaced(self, files: Files) -> None:
        files.break_off()
        (part,) = downloads().rglob("edges.parquet.part")
        part.write_bytes(files.content["first"] + b"more")
        pdneuro.Connectome.download(PROJECT)
        assert files.ranges == [None, None]
        assert edges_file() == files.content["first"]

    @pytest.mark.parametrize("extra", [b"", b"more"])
    def test_a_finished_part_of_a_file_of_unknown_size_is_replaced(
        self, files: Files, extra: bytes
    ) -> None:
        size = files.break_off()
        (part,) = downloads().rglob("edges.parquet.part")
        part.write_bytes(files.content["first"] + extra)
        (state,) = downloads().rglob("edges.parquet.part.json")
        state.write_text(
            state.read_text().replace(f'"total": {len(files.content["first"])}', '"total": null')
        )
        files.rest = lambda response, start: Response({"detail": "range"}, 416)
        pdneuro.Connectome.download(PROJECT)
        assert files.ranges == [None, f"bytes={len(files.content['first'] + extra)}-", None]
        assert 0 < size < len(files.content["first"])
        assert edges_file() == files.content["first"]

    def test_a_server_that_refuses_every_range_sends_the_whole_file(self, files: Files) -> None:
        files.break_off()
        files.rest = lambda response, start: Response({"detail": "range"}, 416)
        pdneuro.Connectome.download(PROJECT)
        assert files.ranges[-1] is None
        assert edges_file() == files.content["first"]

    def test_a_resumed_file_that_is_damaged_is_downloaded_again(self, files: Files) -> None:
        size = files.break_off()
        (part,) = downloads().rglob("edges.parquet.part")
        part.write_bytes(b"x" * size)
        pdneuro.Connectome.download(PROJECT)
        assert files.ranges == [None, f"bytes={size}-", None]
        assert edges_file() == files.content["first"]

    def test_a_file_without_edges_is_complete(self, files: Files) -> None:
        """Its description is all that it contains."""
        files.content["first"] = parquet(pdneuro.sandbox.edges().head(0))
        for _ in range(2):
            assert pdneuro.Connectome.download(PROJECT).to_frame().empty
        assert files.ranges == [None]

    @pytest.mark.parametrize("end", [b"", b"abcd", (2**20).to_bytes(4, "little") + b"PAR1"])
    def test_a_file_that_was_damaged_later_is_downloaded_again(self, files: Files, end: bytes) -> None:
        pdneuro.Connectome.download(PROJECT)
        (file,) = downloads().rglob("edges.parquet")
        file.write_bytes(files.content["first"][:1000] + end)
        assert len(pdneuro.Connectome.download(PROJECT).to_frame()) == 45_000
        assert edges_file() == files.content["first"]
        assert len(files.ranges) == 2

    @pytest.mark.parametrize("damage", [slice(4, 2000), slice(-4000, -8)], ids=["data", "description"])
    def test_a_file_that_is_damaged_inside_is_an_error(self, files: Files, damage: slice) -> None:
        """Its length and its marks at both ends are right."""
        whole = bytearray(files.content["first"])
        whole[damage] = b"\xff" * len(whole[damage])
        files.content["first"] = bytes(whole)
        with pytest.raises(
            errors.InvalidResponseError, match=r"(?s)not a complete parquet file \(\w+: .*PAR1"
        ):
            pdneuro.Connectome.download(PROJECT)
        assert not [path for path in downloads().rglob("*") if path.is_file()]

    def test_a_file_of_another_length_than_announced_is_an_error(self, files: Files) -> None:
        """The server compresses it all the same, and announces the bytes that it sends."""
        size = len(files.content["first"])
        files.content["first"] = gzip.compress(files.content["first"])
        files.mark = {"Content-Encoding": "gzip"}
        words = f"{size:,} of {len(files.content['first']):,} bytes arrived"
        with pytest.raises(errors.TruncatedResponseError, match=words):
            pdneuro.Connectome.download(PROJECT)
        assert not list(downloads().rglob("edges.parquet"))

    @pytest.mark.parametrize(
        ("address", "words"),
        [
            ("http://[::1", "address of a file is not valid"),
            ("x:y", "no connection"),
        ],
    )
    def test_an_invalid_address_of_a_file_is_an_error(
        self, files: Files, address: str, words: str
    ) -> None:
        files.address = address
        with pytest.raises(errors.ServiceError, match=words):
            pdneuro.Connectome.download(PROJECT)


class TestAtTheSameTime:
    def test_without_locks_of_files_a_download_resumes(
        self, files: Files, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def no_locks(*_: object) -> None:
            raise OSError(errno.ENOLCK, "No locks available")

        monkeypatch.setattr(fcntl, "flock", no_locks)
        size = files.break_off()
        pdneuro.Connectome.download(PROJECT)
        assert files.ranges == [None, f"bytes={size}-"]
        assert edges_file() == files.content["first"]

    @pytest.mark.parametrize("again", [True, False])
    def test_a_state_that_another_download_deletes_before_it_is_locked(
        self, files: Files, monkeypatch: pytest.MonkeyPatch, again: bool
    ) -> None:
        """The file that is locked is then not the one of this name."""
        lock = fcntl.flock

        def late(file: Any, kind: int) -> None:
            state = Path(file.name)
            state.unlink()
            if again:
                state.write_text("another")
            lock(file, kind)

        monkeypatch.setattr(fcntl, "flock", late)
        pdneuro.Connectome.download(PROJECT)
        (file,) = downloads().rglob("edges.parquet")
        assert file.read_bytes() == files.content["first"]
        left = [path.read_text() for path in downloads().rglob("*.part*")]
        assert left == ["another"] * again

    def test_four_threads_end_with_one_whole_file(self, slow: SlowServer, tmp_path: Path) -> None:
        folder = tmp_path / "graph"
        with ThreadPoolExecutor(4) as pool:
            done = [pool.submit(pdneuro.Connectome.download, PROJECT, folder) for _ in range(4)]
            begun(folder)
            assert eventually(lambda: len(slow.ranges) == 4)
            slow.pause.set()
            assert [len(future.result(600).to_frame()) for future in done] == [45_000] * 4
        assert slow.ranges == [None] * 4
        (file,) = (path for path in folder.rglob("*") if path.is_file())
        assert (file.name, file.read_bytes()) == ("edges.parquet", slow.content)

    def test_the_part_of_another_download_is_not_used(
        self, files: Files, slow: SlowServer, tmp_path: Path
    ) -> None:
        """The first download waits in the middle of its file; the second one passes it."""
        folder = tmp_path / "graph"
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(pdneuro.Connectome.download, PROJECT, folder)
            begun(folder)
            files.address = None
            assert len(pdneuro.Connectome.download(PROJECT, folder).to_frame()) == 45_000
            assert begun(folder) < len(slow.content)
            slow.pause.set()
            assert len(first.result(600).to_frame()) == 45_000
        assert [path.name for path in folder.rglob("*") if path.is_file()] == ["edges.parquet"]

    def test_a_killed_download_resumes(self, files: Files, slow: SlowServer, tmp_path: Path) -> None:
        folder = tmp_path / "graph"
        script = f"import pdneuro; pdneuro.Connectome.download({PROJECT!r}, {str(folder)!r})"
        environment = {**os.environ, **files.sandbox.settings(), "PDNEURO_CACHE_DIR": str(tmp_path)}
        with child([sys.executable, "-c", script], env=environment):
            begun(folder)
        size = begun(folder)
        slow.pause.set()
        pdneuro.Connectome.download(PROJECT, folder)
        assert slow.ranges == [None, f"bytes={size}-"]
        assert [path.read_bytes() for path in folder.rglob("*") if path.is_file()] == [slow.content]


def run(restriction: str, sandbox: Sandbox, folder: Path) -> subprocess.CompletedProcess[str]:
    """Download in a process that first puts a restriction on itself."""
    script = f"""
        import os, resource, signal, pdneuro
        pdneuro.Connectome.download("{PROJECT}", os.environ["FOLDER"] + "-spare")  # imports everything
        {restriction}
        try:
            pdneuro.Connectome.download("{PROJECT}", os.environ["FOLDER"])
        except OSError as error:
            print(type(error).__name__, error.errno, error.filename)
    """
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env={**os.environ, **sandbox.settings(), "FOLDER": str(folder)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


class TestDisk:
    def test_a_disk_that_fills_up_leaves_a_part_that_resumes(
        self, sandbox: Sandbox, tmp_path: Path
    ) -> None:
        content = {name: sandbox.braincircuits._parquet(name) for name in ("nodes", "edges")}
        limit = len(content["nodes"]) + (len(content["edges"]) - len(content["nodes"])) // 2
        assert limit < len(content["edges"])
        folder = tmp_path / "graph"
        done = run(
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
            f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))",
            sandbox,
            folder,
        )
        assert "OSError" in done.stdout, done.stdout + done.stderr
        assert [file.name for file in folder.rglob("*.parquet")] == ["nodes.parquet"]
        (part,) = folder.rglob("edges.parquet.part")
        size = part.stat().st_size
        assert 0 < size <= limit
        assert content["edges"].startswith(part.read_bytes())
        pdneuro.Connectome.download(PROJECT, folder)
        assert sandbox.requests[-1].headers["range"] == f"bytes={size}-"
        (file,) = folder.rglob("edges.parquet")
        assert file.read_bytes() == content["edges"]

    def test_a_folder_that_cannot_be_written_is_named(self, sandbox: Sandbox, tmp_path: Path) -> None:
        folder = tmp_path / "locked"
        folder.mkdir()
        folder.chmod(0o555)
        # Permissions do not bind root, so root becomes another user.
        restriction = "os.setgid(65534); os.setuid(65534)" if os.geteuid() == 0 else "pass"
        done = run(restriction, sandbox, folder)
        folder.chmod(0o755)
        assert "PermissionError" in done.stdout, done.stdout + done.stderr
        assert str(folder) in done.stdout
        assert not list(folder.iterdir())
