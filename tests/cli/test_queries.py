"""Commands that read a table and write a table, with exact IDs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import pdneuro
from pdneuro.cli import main, parser
from pdneuro.files import read_table, write_table
from pdneuro.sandbox import Sandbox
from tests.conftest import child, eventually, held

FORMATS = [".csv", ".tsv", ".csv.gz", ".tsv.xz", ".parquet", ".feather"]
#: The largest int64, the neighbors of 2**53, and IDs that a double cannot hold.
IDS = [2**63 - 1, 2**53 + 1, 720575940621522189, 648518346504017761]


@pytest.mark.parametrize("before", FORMATS)
@pytest.mark.parametrize("after", FORMATS)
def test_ids_are_exact_in_every_format(tmp_path: Path, before: str, after: str) -> None:
    table = pd.DataFrame({"root_id": pd.array([*IDS, None], "Int64"), "name": list("abcde")})
    write_table(table, tmp_path / f"in{before}")
    write_table(read_table(tmp_path / f"in{before}"), tmp_path / f"out{after}")
    back = read_table(tmp_path / f"out{after}")
    assert back["root_id"].dtype == "Int64"
    assert back["root_id"].tolist()[:4] == IDS
    assert back["root_id"].isna().tolist() == [False] * 4 + [True]
    assert back["name"].tolist() == list("abcde")


def run(*words: Any, capsys: pytest.CaptureFixture[str]) -> tuple[int, pd.DataFrame, str]:
    """Return the exit status, the table on stdout, and the text on stderr."""
    status = main([str(word) for word in words])
    said = capsys.readouterr()
    table = pd.read_csv(StringIO(said.out)) if said.out.strip() else pd.DataFrame()
    return status, table, said.err


@pytest.fixture
def neurons(tmp_path: Path, sandbox: Sandbox, ids: pd.Series) -> Path:
    """Write a file with cells that pd.read_csv would change."""
    table = pd.DataFrame({"root_id": ids.astype(str), "code": "007", "share": "1.50", "note": "NA"})
    table.loc[3, "root_id"] = ""
    file = tmp_path / "neurons.csv"
    table.to_csv(file, index=False)
    return file


def test_fetch_does_not_change_other_cells(
    neurons: Path, tmp_path: Path, ids: pd.Series, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "known.csv"
    status, _, said = run("fetch", neurons, "-p", "link_pre", "-p", "size", "-o", out, capsys=capsys)
    assert status == 0
    assert "10 rows to" in said
    before, after = neurons.read_text().splitlines(), out.read_text().splitlines()
    assert len(before) == len(after)
    assert all(new.startswith(f"{old},") for old, new in zip(before, after, strict=True))
    expected = ids.drop(3).neuro.properties("link_pre", "size")
    table = read_table(out)
    assert table["nr_pre"].drop(3).tolist() == expected["nr_pre"].tolist()
    assert pd.isna(table["nr_pre"][3])


def test_fetch_to_parquet_has_dtypes(
    neurons: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "known.parquet"
    assert run("fetch", neurons, "--property", "size,link_pre", "-o", out, capsys=capsys)[0] == 0
    table = pd.read_parquet(out)
    assert pd.api.types.is_integer_dtype(table["root_id"].dtype)
    assert pd.api.types.is_integer_dtype(table["nr_pre"].dtype)
    assert table["root_id"].isna().sum() == 1


def test_a_second_run_requests_only_new_ids(
    sandbox: Sandbox, neurons: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("fetch", neurons, "-p", "size", "--batch-size", 3)
    assert run(*words, capsys=capsys)[0] == 0
    asked = len(sandbox.requests)
    assert asked >= 3
    assert run(*words, "--offline", capsys=capsys)[0] == 0
    assert len(sandbox.requests) == asked


@pytest.mark.usefixtures("interrupts")
def test_an_interrupted_run_resumes(tmp_path: Path) -> None:
    """Interrupt a real process by Ctrl-C between two batches."""
    ids = pdneuro.sandbox.neurons()["root_id"].head(40)
    file = tmp_path / "ids.csv"
    ids.to_csv(file, index=False)
    with pdneuro.sandbox.start(cache_dir=tmp_path / "cache") as sandbox:
        options = {f"PDNEURO_{name.upper()}": str(value) for name, value in sandbox.options.items()}
        tokens = {f"PDNEURO_{name.upper()}_TOKEN": value for name, value in sandbox.tokens.items()}
        own = {"PDNEURO_CACHE_DIR": str(tmp_path / "cache"), "PDNEURO_NEUROMORPHO_RATE": "5"}
        words = ["fetch", str(file), "-p", "size", "--batch-size", "5", "--max-workers", "1"]
        command = [sys.executable, "-m", "pdneuro", *words, "-o", str(tmp_path / "out.csv")]
        settings: Any = {
            "env": {**os.environ, **options, **tokens, **own},
            "text": True,
            "stderr": subprocess.PIPE,
        }
        with child(command, **settings) as first:
            with held(sandbox, start=2) as third:
                assert third.wait(300)
                assert eventually(lambda: pdneuro.cache.info()["ids"].sum() == 10)
                first.send_signal(signal.SIGINT)
                said = first.communicate(timeout=300)[1]
            assert first.returncode == 130
        assert "the same command resumes" in said
        assert not (tmp_path / "out.csv").exists()
        before = len(sandbox.requests)
        again = subprocess.run(command, check=False, timeout=300, **settings)
        assert again.returncode == 0, again.stderr
        assert len(sandbox.requests) - before == 6  # eight batches in all
    assert read_table(tmp_path / "out.csv")["root_id"].tolist() == ids.tolist()


def test_edges_on_stdout(neurons: Path, ids: pd.Series, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--direction", "downstream", "--min-weight", 3, "--quiet")
    status, table, said = run("edges", neurons, *words, capsys=capsys)
    expected = ids.drop(3).neuro.downstream(min_weight=3)
    pd.testing.assert_frame_equal(table, expected, check_flags=False)
    assert (status, said) == (0, "")


def test_edges_from_stdin_and_a_local_file(
    tmp_path: Path, ids: pd.Series, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_table(pdneuro.sandbox.edges(), tmp_path / "edges.csv")
    monkeypatch.setattr(sys, "stdin", StringIO(ids.to_csv(index=False)))
    words = ("--source", tmp_path / "edges.csv", "--within", "--no-autapses")
    status, table, _ = run("edges", "-", *words, capsys=capsys)
    assert status == 0
    assert set(table["pre"]) | set(table["post"]) <= set(ids)


def test_structures_by_command(
    tmp_path: Path, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "cells.tsv"
    file.write_text("structure_id\tn\n778\t03\n170\t05\n\t1\n")
    words = ("--field", "acronym", "--rollup", "CTX,TH", "-o", tmp_path / "out.tsv")
    assert run("structures", file, *words, capsys=capsys)[0] == 0
    lines = (tmp_path / "out.tsv").read_text().splitlines()
    assert lines == [
        "structure_id\tn\tstructure_acronym\trollup",
        "778\t03\tVISp5\t688",
        "170\t05\tLGd\t549",
        "\t1\t\t",
    ]


def test_neuromorpho_by_search_and_joined_to_a_table(
    tmp_path: Path, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    with pdneuro.set_options(offline=True), pytest.raises(pdneuro.errors.OfflineError):
        pd.Series([5]).neuro.properties("size")  # its report is not that of the command
    where = ("--where", "archive=Siegert", "--where", "species=mouse", "--where", "species=rat")
    status, table, _ = run("neuromorpho", *where, "--field", "species,brain_region", capsys=capsys)
    assert status == 0
    expected = pdneuro.neuromorpho.select(archive="Siegert", species=["mouse", "rat"])
    assert table["neuron_id"].tolist() == expected["neuron_id"].tolist()
    assert table["brain_region"].iloc[0] == "; ".join(expected["brain_region"].iloc[0])
    file = tmp_path / "mine.csv"
    file.write_text("cell,x\n3,a\n1,b\n")
    words = ("--column", "cell", "--field", "species", "--morphometry", "length")
    status, table, _ = run("neuromorpho", file, *words, capsys=capsys)
    assert status == 0
    expected = pdneuro.neuromorpho.neuron([3, 1])
    assert table["species"].tolist() == expected["species"].tolist()
    assert table["morphometry_length"].tolist() == [465.43, 435.65]


def test_reconstructions_by_command(
    tmp_path: Path, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["swc", "get", "1", "2", "--out", str(tmp_path / "files")]) == 0
    written = capsys.readouterr().out.split()
    assert [Path(file).name for file in written] == ["1.swc", "2.swc"]
    status, table, _ = run("swc", "measure", *written, capsys=capsys)
    assert status == 0
    assert table["neuron"].tolist() == [1, 2]
    assert table["cable_length"].round(1).tolist() == [435.7, 449.1]
    broken = tmp_path / "broken.swc"
    broken.write_text("1 1 0 0 0 5 -1\n2 3 0 3 4 1 9\n")
    status, table, said = run("swc", "check", broken, capsys=capsys)
    assert (status, table["kind"].tolist()) == (0, ["missing parent"])
    assert "1 problems in 1 files" in said
    assert table["row"].tolist() == [1]


# -- formats of files -----------------------------------------------------------------------------

A, B = "720575940609676979", "720575940622217710"


@pytest.mark.parametrize(
    ("text", "after"),
    [
        (f"root_id,x\n{A},1,\n{B},2,\n", [f"{A},1,", f"{B},2,"]),
        (f"root_id\n{A}\n\n{B}\n", [f"{A},", '""', f"{B},"]),
        (f'root_id,n\n{A},"a, b"\n{B},\n', [f'{A},"a, b",', f"{B},,"]),
        (f"root_id,n\r\n{A},007\r\n{B},1e5\r\n", [f"{A},007,", f"{B},1e5,"]),
        (f"\ufeffroot_id,n\n{A},NA\n{B},null\n", [f"{A},NA,", f"{B},null,"]),
        (f"{A}\n{B}\n", [f"{A},", f"{B},"]),
        (f"mine\n{A}\n{B}\n", [f"{A},", f"{B},"]),
        (f"{A},,1\n{B},b,2\n", None),
    ],
)
def test_rows_and_cells_of_files_stay_unchanged(
    tmp_path: Path,
    sandbox: Sandbox,
    text: str,
    after: list[str] | None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file, out = tmp_path / "in.csv", tmp_path / "out.csv"
    file.write_bytes(text.encode())
    column = [] if after else ["--column", "0"]
    assert run("fetch", file, "-p", "link_pre", "-o", out, *column, capsys=capsys)[0] == 0
    lines = out.read_text().splitlines()[1:]
    for line, begin in zip(lines, after or [f"{A},,1,", f"{B},b,2,"], strict=True):
        assert line.startswith(begin.rstrip('"')), (line, begin)


def test_a_text_file_with_tabs_keeps_its_empty_cells(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text(f"root_id\tside\tname\n{A}\t\tx\n")
    assert read_table(file, verbatim=True).iloc[0].tolist() == [A, "", "x"]


def test_large_integers_in_a_column_of_floats_keep_their_digits(tmp_path: Path) -> None:
    file = tmp_path / "mixed.csv"
    file.write_text(f"root_id,x\n1,{A}\n2,1.5\n")
    assert read_table(file)["x"].tolist() == [A, "1.5"]


def test_lists_of_ids_in_parquet_stay_exact(tmp_path: Path) -> None:
    table = pd.DataFrame({"root_id": [1], "partners": [[int(A), None]], "many": [list(range(2000))]})
    table.attrs["pdneuro"] = {"source": "x"}
    table.to_parquet(tmp_path / "l.parquet")
    back = read_table(tmp_path / "l.parquet")
    assert back["partners"].tolist() == [[int(A), None]]
    assert back.attrs["pdneuro"] == {"source": "x"}
    write_table(back, tmp_path / "l.csv")
    text = (tmp_path / "l.csv").read_text()
    assert f"{A}; None" in text
    assert "1998; 1999" in text


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("r.csv", f"root_id,side\n1,{A},left\n".encode(), "Add a missing column name"),
        ("far.csv", f"root_id,x\n{A},1,\n{B},2,5\n".encode(), "more cells than its header (2)"),
        ("e.csv", b"", "is empty"),
        ("l.csv", "root_id,n\n1,ö\n".encode("latin1"), "is not UTF-8"),
        ("x.csv.gz", b"\x1f\x8b\x08\x00abc", "cannot be decompressed"),
        ("x.csv.xz", b"nothing", "cannot be decompressed"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path,
    sandbox: Sandbox,
    name: str,
    content: bytes,
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / name).write_bytes(content)
    status, _, said = run("fetch", tmp_path / name, "-p", "size", capsys=capsys)
    assert status == 1
    assert name in said
    assert words in said
    assert sandbox.requests == []


def test_the_output_path_is_checked_first(
    neurons: Path, sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "dir.csv").mkdir()
    for out in ("o.txt", "out", "x.docx", "dir.csv"):
        assert run("fetch", neurons, "-p", "size", "-o", tmp_path / out, capsys=capsys)[0] == 1
    assert sandbox.requests == []
    assert run("fetch", neurons, "-p", "size", "-o", "-", capsys=capsys)[1].shape == (10, 5)


def test_a_symbolic_link_stays_a_link(
    neurons: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to(tmp_path / "real.csv")
    assert run("fetch", neurons, "-p", "size", "-o", tmp_path / "link.csv", capsys=capsys)[0] == 0
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_text() != "old"


# -- options ---------------------------------------------------------------------------------------


def test_options_of_edges(neurons: Path, ids: pd.Series, capsys: pytest.CaptureFixture[str]) -> None:
    own = ids.drop(3)
    for words, how in (
        (("--hops", 2, "--min-weight", 30), {"hops": 2, "min_weight": 30}),
        (("--within",), {"within": True}),
        (("--no-autapses",), {"autapses": False}),
        (("--direction", "upstream"), {"downstream": False}),
    ):
        table = run("edges", neurons, *words, capsys=capsys)[1]
        expected = own.neuro.edges(**how)
        assert table.to_numpy().tolist() == expected.to_numpy().tolist()
    with pytest.raises(SystemExit):
        main(["edges", str(neurons), "--min-weight", "-3"])


def test_options_of_fetch(
    neurons: Path, sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = run(
        "fetch", neurons, "-p", "nucleus", "--multiple", "first", "--prefix", "my_", capsys=capsys
    )[1]
    assert "my_nucleus_id" in table
    status, _, said = run("fetch", neurons, "-p", "size", "-o", neurons, capsys=capsys)
    assert status == 1
    assert str(neurons) in said  # the output is the input
    sized = tmp_path / "sized.csv"
    assert run("fetch", neurons, "-p", "size", "--prefix", "", "-o", sized, capsys=capsys)[0] == 0
    neurons = sized
    read_table(sized).assign(size=1).to_csv(sized, index=False)
    assert run("fetch", neurons, "-p", "size", capsys=capsys)[0] == 1
    status, _, _said = run(
        "fetch", neurons, "-p", "size", "--report", tmp_path / "r.csv", "--overwrite", capsys=capsys
    )
    assert status == 0
    assert read_table(tmp_path / "r.csv")["status"].tolist() == ["found"] * 9
    asked = len(sandbox.requests)
    assert run("fetch", neurons, "-p", "size", "--overwrite", "--refresh", capsys=capsys)[0] == 0
    assert len(sandbox.requests) == asked + 1
    assert "--overwrite" in run("fetch", neurons, "-p", "size", capsys=capsys)[2]


def test_an_existing_column_is_not_replaced_by_the_rollup(
    tmp_path: Path, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "cells.csv"
    file.write_text("structure_id,rollup\n385.0,keep\n")
    assert run("structures", file, "--rollup", "CTX,TH", capsys=capsys)[0] == 1
    table = run("structures", file, "--field", "acronym", capsys=capsys)[1]
    assert table["structure_acronym"].tolist() == ["VISp"]


def test_a_name_that_consists_of_digits_is_a_name(
    tmp_path: Path, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "names.csv"
    file.write_text("neuron_name\n123\n")
    table = run("neuromorpho", file, "--field", "species", capsys=capsys)[1]
    assert table["species"].isna().all()


def test_a_shell_can_read_the_settings_of_the_sandbox(sandbox: Sandbox) -> None:
    lines = "".join(f"export {name}={value}\n" for name, value in sandbox.settings().items())
    script = f"{lines}{sys.executable} -c \"import pdneuro; print(pdneuro.get_options()['cave_url'], pdneuro.tokens.get('v1dd_public'))\""
    said = subprocess.run(["sh", "-e", "-c", script], check=True, capture_output=True, text=True)
    assert said.stdout.split() == [sandbox.options["cave_url"], pdneuro.tokens.get("v1dd_public")]
    assert said.stderr == ""


# -- errors ---------------------------------------------------------------------------------------


def test_floats_are_rejected_before_a_request(
    tmp_path: Path, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    for text in ("7.20575940621522e+17", "720575940621522176.0"):
        file = tmp_path / "bad.csv"
        file.write_text(f"root_id\n{text}\n")
        for out in ("x.csv", "x.parquet"):
            status, _, said = run("fetch", file, "-p", "size", "-o", tmp_path / out, capsys=capsys)
            assert status == 1
            assert "pdneuro: " in said
            assert "Traceback" not in said
            assert not (tmp_path / out).exists()
    assert sandbox.requests == []


def test_with_failed_ids_a_table_is_written_with_status_3(
    sandbox: Sandbox, neurons: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("fetch", neurons, "-p", "size", "--batch-size", 3, capsys=capsys)[0] == 0
    pdneuro.cache.clear()
    sandbox.fail(times=1000, path="size", status=503)
    out = tmp_path / "part.csv"
    status, _, said = run(
        "fetch", neurons, "-p", "size", "-o", out, "--on-error", "partial", capsys=capsys
    )
    assert status == 3
    assert "warning" in said
    assert len(read_table(out)) == 10
    assert run("fetch", neurons, "-p", "size", capsys=capsys)[0] == 1


def test_unknown_ids_are_a_warning_on_stderr(
    tmp_path: Path, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "ids.csv"
    file.write_text("root_id\n123456\n")
    status, table, said = run("fetch", file, "-p", "size", capsys=capsys)
    assert (status, len(table)) == (0, 1)
    assert "pdneuro: warning: " in said
    assert "1 unknown" in said
    assert run("fetch", file, "-p", "size", "--on-missing", "raise", capsys=capsys)[0] == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fetch", "absent.csv", "-p", "size"], "the file absent.csv does not exist"),
        (["fetch", "table.docx", "-p", "size"], "has an unknown format"),
        (["neuromorpho", "--where", "archive=Siegert", "-o", "x.txt"], "cannot be written"),
        (["edges", "absent.csv", "--source", "nowhere:x"], "the file absent.csv does not exist"),
        (["neuromorpho"], "--where FIELD=VALUE"),
        (["neuromorpho", "--where", "species"], "FIELD=VALUE"),
        (["neuromorpho", "--where", "specie=rat"], "Did you mean 'species'"),
        (["neuromorpho", "--where", "species=rat", "--field", "archve"], "Did you mean 'archive'"),
        (["swc", "get", "a.csv", "b.csv"], "one table of neurons"),
        (["swc", "check", "absent.swc"], "absent.swc"),
    ],
)
def test_an_error_is_one_line(
    sandbox: Sandbox, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, text = run(*words, capsys=capsys)
    assert status == 1
    assert said in text
    assert "Traceback" not in text


def test_an_unknown_column_suggests_a_similar_name(
    neurons: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, said = run("edges", neurons, "--column", "rootid", capsys=capsys)
    assert status == 1
    assert "Did you mean 'root_id'" in said


def commands() -> list[str]:
    import argparse

    (found,) = [a for a in parser()._actions if isinstance(a, argparse._SubParsersAction)]
    return list(found.choices)


@pytest.mark.parametrize("command", commands())
def test_every_command_has_help_with_an_example(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    assert f"example:\n  pdneuro {command}" in capsys.readouterr().out


def test_the_examples_of_the_help_can_be_read() -> None:
    import shlex

    for command in commands():
        text = next(
            sub.format_help()
            for action in parser()._actions
            for name, sub in (getattr(action, "choices", None) or {}).items()
            if name == command
        )
        for line in text.split("example:\n")[1].strip().splitlines():
            words = shlex.split(line.split("    (")[0].split(" > ")[0].strip())
            assert parser().parse_args(words[1:]).run


def test_an_invalid_command_has_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["fetch", "file.csv"])
    assert stopped.value.code == 2
    assert "--property" in capsys.readouterr().err
