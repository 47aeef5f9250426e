"""Commands for the demo, the sandbox, tokens and the cache."""

from __future__ import annotations

import gzip
import io
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import pdneuro
from pdneuro import tokens
from pdneuro.cli import main
from pdneuro.files import read_table
from pdneuro.sandbox import Sandbox
from tests.conftest import child, shared


def test_the_demo_runs_and_writes_its_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr()
    for words in ("join_properties", "(3,000 rows)", "DiGraph with", "0 requests", "What to try next"):
        assert words in said.out
    assert "link_pre of fruitfly_fafb_flywire: 100%" in said.err
    edges = pd.read_csv(tmp_path / "out" / "edges.csv")
    assert edges.dtypes.eq("int64").all()
    assert f"{len(edges):,} edges" in said.out
    from matplotlib import image

    picture = image.imread(tmp_path / "out" / "types.png")
    assert picture.shape[0] > 400
    assert picture[..., :3].std() > 0.1


def test_the_demo_runs_without_matplotlib(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["demo", "--out", str(tmp_path)]) == 0
    assert "pip install 'pdneuro[plot]'" in capsys.readouterr().out


def test_tokens_by_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("my-secret\n"))
    assert main(["token", "set"]) == 0
    assert tokens.get("braincircuits") == "my-secret"
    assert main(["token", "status"]) == 0
    assert main(["token", "forget", "braincircuits"]) == 0
    assert main(["token", "forget"]) == 0
    said = capsys.readouterr()
    assert "my-secret" not in said.out + said.err
    assert re.search(r"braincircuits +True", said.out)
    assert "No token was saved" in said.out
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    assert main(["token", "set", "cave"]) == 1
    assert "one word" in capsys.readouterr().err


def test_a_terminal_does_not_show_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", lambda prompt: asked.append(prompt) or "typed")
    assert main(["token", "set", "cave"]) == 0
    assert "not shown" in asked[0]
    assert tokens.get("cave") == "typed"


def test_the_cache_by_command(
    sandbox: Sandbox, ids: pd.Series, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cache", "info"]) == 0
    assert "empty" in capsys.readouterr().out
    ids.neuro.properties("size")
    assert main(["cache", "info"]) == 0
    assert "fruitfly_fafb_flywire" in capsys.readouterr().out
    assert main(["cache", "export", str(tmp_path / "kept")]) == 0
    assert main(["cache", "clear", "--property", "size"]) == 0
    assert "10 cached responses deleted" in capsys.readouterr().out
    assert main(["cache", "load", str(tmp_path / "kept")]) == 0
    assert "10 responses added" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["cache", "export"])
    assert "required: file" in capsys.readouterr().err


def test_an_invalid_command_prints_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["nonsense"])
    assert stopped.value.code == 2
    for words in (["demo", "--help"], ["sandbox", "--help"], ["token", "--help"], ["cache", "--help"]):
        with pytest.raises(SystemExit):
            main(words)
        assert "example:" in capsys.readouterr().out
    assert main(["sandbox", "--neurons", "x.csv"]) == 1
    assert main(["sandbox", "--edges", "missing.csv"]) == 1
    assert main(["sandbox", "--edges", "edges.xls"]) == 1


@pytest.mark.usefixtures("interrupts")
def test_the_sandbox_serves_files_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    big = 720575940621522189
    pd.DataFrame({"source": [big, big + 1], "target": [big + 1, big + 2], "syn_count": [7, 3]}).to_csv(
        tmp_path / "edges.tsv", sep="\t", index=False
    )
    pd.DataFrame(
        {"root_id": pd.array([big, big + 9, None], "Int64"), "size": pd.array([2**40, None, 1], "Int64")}
    ).to_csv(tmp_path / "neurons.csv", index=False)
    command = [sys.executable, "-m", "pdneuro", "sandbox", "--edges", str(tmp_path / "edges.tsv")]
    command += ["--neurons", str(tmp_path / "neurons.csv")]
    with child(command, stdout=subprocess.PIPE, text=True) as process:
        said = process.stdout.readline()
        assert "Serving 4 neurons" in said
        for line in iter(process.stdout.readline, ""):
            if line.startswith("export "):
                name, _, value = line.removeprefix("export ").strip().partition("=")
                monkeypatch.setenv(name, value)
                if name.endswith("TOKEN"):
                    break
        found = pd.Series([big, big + 9]).neuro.properties("link_pre", "size")
        assert found["nr_pre"].tolist() == [7, 0]
        assert found["size"].iloc[0] == 2**40
        assert pd.Series([big + 1]).neuro.edges()["weight"].tolist() == [3, 7]
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=300)
        assert process.returncode == 0


def test_a_closed_pipe_gives_the_status_of_a_broken_pipe(tmp_path: Path) -> None:
    pdneuro.sandbox.neurons().to_csv(tmp_path / "neurons.csv", index=False)
    pdneuro.sandbox.edges().to_csv(tmp_path / "edges.csv", index=False)
    command = [sys.executable, "-m", "pdneuro", "edges", str(tmp_path / "neurons.csv"), "--quiet"]
    command += ["--source", str(tmp_path / "edges.csv"), "--on-missing", "ignore"]
    with child(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "pre,post,weight\n"
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(300) == 141


class TestFiles:
    @pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.csv.gz", "t.parquet", "t.feather", "t.txt"])
    def test_ids_stay_exact_in_a_column_with_missing_ones(self, tmp_path: Path, name: str) -> None:
        ids = [720575940621522189, 720575940621522191, None if name != "t.txt" else 5]
        table = pd.DataFrame({"root_id": pd.array(ids, "Int64"), "n": [1.5, 2.5, 0.5]})
        path = tmp_path / name
        if ".csv" in name:
            table.to_csv(path, index=False)
        elif name.endswith((".tsv", ".txt")):
            table.to_csv(path, index=False, sep="\t" if name.endswith("tsv") else " ")
        else:
            getattr(table, "to_" + path.suffix[1:])(path)
        back = read_table(path)
        assert back["root_id"].tolist() == table["root_id"].tolist()
        assert back["root_id"].dtype == "Int64"

    def test_a_file_without_a_header(self) -> None:
        table = read_table(shared("braincircuits/G_edgelist.txt.gz"))
        assert table.shape == (119_010, 3)
        assert list(table.columns) == ["0", "1", "2"]

    def test_an_unknown_ending(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="has an unknown format"):
            read_table(tmp_path / "t.docx")


class TestSandbox:
    def test_the_data_files_are_what_make_writes(self, tmp_path: Path) -> None:
        from pdneuro.sandbox import make

        folder = tmp_path / "data"
        folder.mkdir()
        make.write(folder)
        files = {file.name: file.read_bytes() for file in make.FOLDER.glob("*.gz")}
        assert {file.name for file in folder.iterdir()} == set(files)
        for name, content in files.items():
            written = (folder / name).read_bytes()
            assert gzip.decompress(written) == gzip.decompress(content), name
            assert written == make.packed(gzip.decompress(content)), name
            assert written[4:8] == bytes(4), name  # without the time

    def test_the_bundled_brain_has_ids_of_18_digits(self) -> None:
        assert (pdneuro.sandbox.neurons()["root_id"] // 10**17 == 7).all()

    def test_options_and_tokens_are_restored(self) -> None:
        before = pdneuro.get_options()
        with pdneuro.sandbox.start() as running:
            assert pdneuro.get_options()["braincircuits_url"].startswith(running.url)
            assert tokens.get("braincircuits") == "sandbox-token"
            folder = pdneuro.get_options()["cache_dir"]
            assert folder != before["cache_dir"]
        assert pdneuro.get_options() == before
        assert tokens.get("braincircuits") is None
        assert not folder.exists()

    def test_a_kept_sandbox_has_the_same_address_and_cache(self, tmp_path: Path) -> None:
        ids = pdneuro.sandbox.neurons()["root_id"]
        before = pdneuro.get_options()
        with pdneuro.sandbox.start(keep=True, cache_dir=tmp_path) as first:
            ids.neuro.properties("size")
            assert first.requests
        with pdneuro.sandbox.start(keep=True, cache_dir=tmp_path) as again:
            assert again.url == first.url
            ids.neuro.properties("size")
            assert again.requests == []
            repeated = pdneuro.sandbox.start(keep=True, cache_dir=tmp_path)  # the cell runs again
            assert repeated.url == first.url
            repeated.forget()
        assert not (tmp_path / "kept-sandbox").exists()
        assert pdneuro.get_options() == before

    def test_two_kept_sandboxes_have_their_own_addresses(self, tmp_path: Path) -> None:
        with pdneuro.sandbox.start(keep=True, cache_dir=tmp_path) as sandbox:
            first = sandbox.url
        with socket.create_server(("127.0.0.1", int(first.rpartition(":")[2]))):  # another notebook
            with pdneuro.sandbox.start(keep=True, cache_dir=tmp_path) as sandbox:
                second = sandbox.url
            with pdneuro.sandbox.start(keep=True, cache_dir=tmp_path) as sandbox:
                assert sandbox.url == second != first
        with pdneuro.sandbox.start(keep=True, cache_dir=tmp_path) as sandbox:
            assert sandbox.url == first
        with pytest.raises(ValueError, match="requires cache_dir="):
            pdneuro.sandbox.start(keep=True, edges=pdneuro.sandbox.edges())

    def test_sums_agree_as_in_the_service(self) -> None:
        with pdneuro.sandbox.start():
            found = pdneuro.sandbox.neurons()["root_id"].neuro.properties("link_pre", "link_post")
        assert found["nr_pre"].sum() == found["nr_post"].sum()
        assert found["nr_downstream_partner"].sum() == found["nr_upstream_partner"].sum() == 45_000

    @pytest.mark.parametrize(
        ("change", "status"),
        [
            ({"headers": {"Authorization": "Bearer x"}}, 401), ({"headers": {}}, 401), ({"params": {}}, 422),
            ({"params": {"project": "x"}}, 404), ({"json": {"segments": ["1"]}}, 422), ({"json": {"segments": [1.0]}}, 422),
            ({"json": {"segments": [-1]}}, 422), ({"json": {}}, 422), ({"json": None, "data": "x"}, 422),
            ({"path": "colour"}, 404), ({"path": "../x"}, 404), ({"method": "GET"}, 405),
            ({"json": {"segments": [1] * 10_001}}, 413), ({}, 200),
        ],
    )  # fmt: skip
    def test_the_sandbox_rejects_what_the_service_rejects(
        self, sandbox: Sandbox, change: dict, status: int
    ) -> None:
        import requests

        options = {
            "headers": {"Authorization": "Bearer sandbox-token"},
            "params": {"project": "fruitfly_fafb_flywire"},
            "json": {"segments": [1]},
            **change,
        }
        path, method = options.pop("path", "size"), options.pop("method", "POST")
        url = f"{sandbox.url}/braincircuits/circuit/segment/property/{path}"
        with requests.request(method, url, timeout=60, **options) as answer:
            assert answer.status_code == status
            if status >= 400:
                assert "detail" in answer.json()


def test_versions(capsys: pytest.CaptureFixture[str]) -> None:
    pdneuro.show_versions()
    said = capsys.readouterr().out
    assert f"pandas           {pd.__version__}" in said
    assert "caveclient" in said
