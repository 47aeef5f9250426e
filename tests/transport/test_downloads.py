"""Files that are downloaded: resumed only where the bytes fit, complete or not there at all."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import pdneuro
from pdneuro import errors
from pdneuro.sandbox import Sandbox
from pdneuro.sandbox.server import Request, Response

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
        self.cut = False
        sandbox._server.apps["/braincircuits"] = self

    def __call__(self, request: Request) -> Response:
        if request.path == "/circuit/graph/dump":
            # The signature of the address is new each time.
            url = f"{request.root}/{self.current}/edges.parquet?signature={len(self.sandbox.requests)}"
            return Response({"last_materialized": self.snapshot, "edges_url": url})
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

    def test_a_part_whose_rest_the_server_does_not_have_is_replaced_by_the_next_call(
        self, files: Files
    ) -> None:
        files.break_off()
        files.rest = lambda response, start: Response({"detail": "range"}, 416)
        with pytest.raises(errors.ServiceError, match="416"):
            pdneuro.Connectome.download(PROJECT)
        pdneuro.Connectome.download(PROJECT)
        assert files.ranges[-1] is None
        assert edges_file() == files.content["first"]


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
        timeout=60,
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
