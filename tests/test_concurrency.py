"""Threads and processes that read, write, download and set options at the same time."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import pdneuro
from pdneuro import allen
from pdneuro.files import read_swc, read_table, write_table
from pdneuro.sandbox import Sandbox
from tests.conftest import child

THREADS, PROCESSES, ROUNDS = 8, 4, 4
PROJECT = "fruitfly_fafb_flywire"
TARGETS = ["t.csv", "t.csv.gz", "t.parquet", "t.feather"]


def together(work: Callable[[int], Any]) -> list[Any]:
    """Call a function with 0 to 7 in eight threads that start at the same time."""
    start = threading.Barrier(THREADS, timeout=60)

    def run(number: int) -> Any:
        start.wait()
        return work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(THREADS)))


def table_of(number: int) -> pd.DataFrame:
    """Return a table whose rows all show who wrote it."""
    return pd.DataFrame({"root_id": [720575940621522189 + number] * 5_000, "writer": number})


def writer_of(path: Path) -> int:
    """Return who wrote a file; fail if its rows are of several writers."""
    found = read_table(path)
    assert len(found) == 5_000
    (writer,) = found["writer"].unique().tolist()
    assert set(found["root_id"]) == {720575940621522189 + writer}
    return int(writer)


@pytest.mark.parametrize("name", TARGETS)
def test_a_file_has_the_rows_of_one_thread(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    write_table(table_of(0), path)

    def work(number: int) -> list[int]:
        seen = []
        for _ in range(ROUNDS):
            write_table(table_of(number), path)
            seen.append(writer_of(path))
        return seen

    assert {writer for seen in together(work) for writer in seen} <= set(range(THREADS))
    assert [file for file in tmp_path.iterdir() if name in file.name] == [path]


def test_reports_and_options_belong_to_their_thread(sandbox: Sandbox) -> None:
    neurons = pdneuro.sandbox.neurons()["root_id"]
    before = pdneuro.get_options()["batch_size"]

    def work(number: int) -> None:
        own = neurons[10 * number : 10 * number + 5 + number]
        for _ in range(ROUNDS):
            with pdneuro.set_options(batch_size=number + 1):
                assert own.neuro.properties("size")["size"].notna().all()
                assert pdneuro.get_options()["batch_size"] == number + 1
            report = pdneuro.last_report()
            assert sorted(report["id"]) == sorted(own)

    together(work)
    assert pdneuro.get_options()["batch_size"] == before
    (mine,) = together(lambda _: len(pdneuro.last_report()))[:1]
    assert mine == 0  # a thread without a call has an empty report


def test_threads_that_read_do_not_touch_the_filters_of_warnings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = "".join(f"{node} 3 {node}.5 0 0 1 {node - 1 or -1}\n" for node in range(1, 400))
    (tmp_path / "a.swc").write_text(whole)
    (tmp_path / "b.swc").write_text(whole.replace("7 3 7.5", "7.0 3 7.5"))
    (tmp_path / "t.csv").write_text("root_id,n\n" + "5,6,,\n" * 300)
    # The filters belong to the process. pandas changes them for a moment too, so only the callers are compared.
    callers = set()
    enter = warnings.catch_warnings.__enter__

    def note(block: warnings.catch_warnings[Any]) -> Any:
        callers.add(sys._getframe(1).f_globals["__name__"].partition(".")[0])
        return enter(block)

    monkeypatch.setattr(warnings.catch_warnings, "__enter__", note)

    def work(number: int) -> list[tuple[int, ...]]:
        name = "ab"[number % 2]
        return [
            shape
            for _ in range(5 * ROUNDS)
            for shape in (read_swc(tmp_path / f"{name}.swc").shape, read_table(tmp_path / "t.csv").shape)
        ]

    monkeypatch.setattr(warnings, "filters", list(warnings.filters))  # restored at the end of the test
    assert together(work) == [[(399, 8), (300, 2)] * 5 * ROUNDS] * THREADS
    assert "pandas" in callers
    assert "pdneuro" not in callers


def test_threads_download_and_open_one_graph_and_one_drawing(sandbox: Sandbox, tmp_path: Path) -> None:
    def work(number: int) -> tuple[int, bytes]:
        brain = pdneuro.Connectome.download(PROJECT, tmp_path / "graph", refresh=number % 2 == 0)
        drawing = allen.SvgApi().download_svg(5, file_path=tmp_path / "out" / "5.svg")
        return len(brain.to_frame()), drawing.read_bytes()

    assert {pairs for pairs, _ in together(work)} == {45_000}
    assert allen.SvgApi().get_svg(5).encode() == (tmp_path / "out" / "5.svg").read_bytes()
    files = [
        path for folder in ("graph", "out") for path in (tmp_path / folder).rglob("*") if path.is_file()
    ]
    assert sorted(path.name for path in files) == ["5.svg", "edges.parquet", "nodes.parquet"]


SCRIPT = """
import sys, threading, warnings
from pathlib import Path
import pandas as pd, pdneuro
from pdneuro import allen
from pdneuro.files import read_table, write_table

warnings.simplefilter("error")
number, folder = int(sys.argv[1]), Path(sys.argv[2])
neurons = pdneuro.sandbox.neurons()["root_id"][10 * number : 10 * number + 30]
sys.stdin.readline()  # until all processes are ready
for turn in range(3):
    table = pd.DataFrame({"root_id": [720575940621522189 + number] * 5000, "writer": number})
    for name in ("t.csv", "t.parquet"):
        write_table(table, folder / name)
        assert read_table(folder / name)["writer"].nunique() == 1, name
    with pdneuro.set_options(batch_size=number + 1):
        found = neurons.neuro.properties("size", "link_pre", refresh=turn == 2)
    assert found.notna().all(axis=None)
    assert set(pdneuro.last_report()["id"]) == set(neurons)
    assert len(pdneuro.Connectome.download("fruitfly_fafb_flywire", folder / "graph", refresh=turn > 0).to_frame()) == 45000
    assert allen.SvgApi().download_svg(5, file_path=folder / "5.svg").read_text().endswith("</svg>")
print("done", found["size"].sum())
"""


def test_processes_share_a_cache_and_a_folder(sandbox: Sandbox, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    environment = {
        **os.environ,
        **sandbox.settings(),
        "PDNEURO_CACHE_DIR": str(tmp_path / "cache"),
        "PDNEURO_PROGRESS": "0",
    }
    settings: dict[str, Any] = {
        "stdin": subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
        "env": environment,
    }
    commands = [
        [sys.executable, "-c", textwrap.dedent(SCRIPT), str(number), str(folder)]
        for number in range(PROCESSES)
    ]
    with (
        child(commands[0], **settings) as first,
        child(commands[1], **settings) as second,
        child(commands[2], **settings) as third,
        child(commands[3], **settings) as fourth,
    ):
        processes = [first, second, third, fourth]
        for process in processes:
            process.stdin.write("\n")
            process.stdin.flush()
        outputs = [process.communicate(timeout=300) for process in processes]
    neurons = pdneuro.sandbox.neurons()["root_id"]
    for number, (output, failure) in enumerate(outputs):
        expected = neurons[10 * number : 10 * number + 30].neuro.properties("size")["size"].sum()
        assert output.split() == ["done", str(expected)], failure
    assert len(read_table(folder / "t.csv")) == len(read_table(folder / "t.parquet")) == 5_000
    names = sorted(path.name for path in folder.rglob("*") if path.is_file())
    assert names == ["5.svg", "edges.parquet", "nodes.parquet", "t.csv", "t.parquet"]
    asked = {
        int(ident)
        for request in sandbox.requests
        if request.body
        for ident in request.json().get("segments", [])
    }
    assert asked == set(neurons[: 10 * PROCESSES + 20])
    with pdneuro.set_options(offline=True):
        assert neurons[:60].neuro.properties("size")["size"].notna().all()
