"""The command line as a program of a shell: pipes, signals, completion, and messages in the words of a shell."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest

import pdneuro
from pdneuro.cli import main, parser
from pdneuro.cli.command import print_table
from pdneuro.cli.words import shell_words
from pdneuro.sandbox import Sandbox
from pdneuro.sandbox.server import Request, Response
from tests.conftest import child

PDNEURO = [sys.executable, "-m", "pdneuro"]


@pytest.mark.parametrize("words", [[], ["swc"], ["token"], ["cache"]])
def test_without_a_command_help_is_printed(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    assert capsys.readouterr().out.startswith("usage: " + " ".join(["pdneuro", *words]))


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["fech", "neurons.csv"], "Did you mean 'fetch'?"),
        (["swc", "mesure", "1.swc"], "Did you mean 'measure'?"),
        (["cache", "clean"], "Did you mean 'clear'?"),
        (["edges", "x.csv", "--direction", "down"], "Did you mean 'downstream'?"),
    ],
)
def test_similar_commands_are_suggested(
    words: list[str], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2
    assert hint in capsys.readouterr().err


# -- messages -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("Call once with the token and pdneuro.set_options(offline=False).", "Call once with the token and without --offline."),
        ("Name it: on=..., or rename it.", "Name it: --column ..., or rename it."),
        ("Pass on_error=\"partial\" or refresh=True.", "Pass --on-error partial or --refresh."),
        ("`pdneuro.set_options(timeout=..., retries=...)` waits", "PDNEURO_TIMEOUT=... PDNEURO_RETRIES=... waits"),
        ("Save it: pdneuro.tokens.save('v1dd_public', token).", "Save it: `pdneuro token set v1dd_public`."),
        ("GET https://x.org/a?source=b&on=c failed", "GET https://x.org/a?source=b&on=c failed"),
        ("last_report() lists them", "--report FILE lists them"),
    ],
)  # fmt: skip
def test_messages_have_flags_and_commands(message: str, words: str) -> None:
    assert shell_words(message) == words


def test_errors_name_flags(
    sandbox: Sandbox, ids: pd.Series, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "ids.csv"
    pd.DataFrame({"a": ids, "b": ids}).to_csv(file, index=False)
    for words, expected in (
        (["fetch", str(file), "-p", "size", "-c", "a", "--offline"], "without --offline"),
        (["fetch", str(file), "-p", "size"], "--column"),
    ):
        assert main(words) == 1
        said = capsys.readouterr().err
        assert expected in said
        assert "pdneuro." not in said
        assert "=..." not in said
    with pdneuro.tokens.overridden(only=True):
        assert main(["fetch", str(file), "-p", "size", "-c", "a"]) == 1
    assert "pdneuro token set SERVICE" in capsys.readouterr().err


def test_help_lists_only_what_a_command_has() -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["structures", "cells.csv", "--report", "x.csv"])
    with pytest.raises(SystemExit):
        parser().parse_args(["cache", "info", "--project", "x"])
    assert parser().parse_args(["cache", "clear", "--project", "x"]).project == "x"


def test_tables_fit_100_columns(capsys: pytest.CaptureFixture[str]) -> None:
    wide = pd.DataFrame({name: ["text " * 30, "x"] for name in "abcdefg"})
    for table in (wide, wide[["a", "b"]]):
        print_table(table)
        said = capsys.readouterr().out
        assert max(map(len, said.splitlines())) <= 100
        assert "text" in said


# -- pipes and signals ----------------------------------------------------------------------------


@pytest.mark.parametrize("words", [["--help"], ["cache", "info"]])
def test_a_reader_that_is_gone_is_no_error(words: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        done = subprocess.run([*PDNEURO, *words], stdout=closed, stderr=-1, check=False)
    assert done.returncode in (0, 141)  # argparse ignores it while it prints help
    assert done.stderr == b""


@pytest.mark.usefixtures("interrupts")
def test_an_interrupt_ends_the_command_without_the_response(
    tmp_path: Path, sandbox: Sandbox, ids: pd.Series
) -> None:
    arrived, ended = threading.Event(), threading.Event()

    def serve(request: Request) -> Response:
        arrived.set()
        ended.wait(300)
        return Response({}, 503)

    sandbox.braincircuits = serve
    ids.to_csv(tmp_path / "ids.csv", index=False)
    command = [*PDNEURO, "fetch", str(tmp_path / "ids.csv"), "-p", "size"]
    env = os.environ | sandbox.settings() | {"PDNEURO_CACHE_DIR": str(tmp_path / "cache")}
    with child(command, env=env, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert arrived.wait(300)
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=200)[1]
        finally:
            ended.set()
    assert process.returncode == 130
    assert said == "pdneuro: stopped. Responses received so far are cached; the same command resumes.\n"


def test_tables_from_stdin_and_to_stdout(
    sandbox: Sandbox, ids: pd.Series, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    def said(stdin: str, *words: str) -> str:
        monkeypatch.setattr(sys, "stdin", StringIO(stdin))
        assert main([*words, "--quiet"]) == 0
        return capsys.readouterr().out

    table = ids.to_csv(index=False)
    assert len(said(table, "fetch", "-", "-p", "size", "-o", "-").splitlines()) == 11
    out = str(tmp_path / "out.csv")
    report = said(table, "fetch", "-", "-p", "size", "-o", out, "--report", "-")
    assert pd.read_csv(StringIO(report))["status"].tolist() == ["found"] * 10
    assert main(["fetch", "-", "-p", "size", "--report", "-"]) == 1
    assert "--out FILE" in capsys.readouterr().err
    (file,) = said("neuron_id\n1\n", "swc", "get", "-", "-o", str(tmp_path)).split()
    assert Path(file).name == "1.swc"
    given, named = (
        pd.read_csv(StringIO(said(Path(file).read_text(), "swc", "measure", name, "-o", "-")))
        for name in ("-", file)
    )
    assert given["cable_length"].tolist() == named["cable_length"].tolist() != [0]


# -- completion -----------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_completes_commands_and_options(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("shtab", reason="shtab is not installed (extra completion)")
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(word in script for word in ("structures", "measure", "on-missing", "downstream"))
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, check=True)


def test_bash_completes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("shtab", reason="shtab is not installed (extra completion)")
    if not shutil.which("bash"):
        pytest.skip("bash is not installed")
    main(["completion", "bash"])
    script = capsys.readouterr().out
    (tmp_path / "neurons.csv").touch()
    for typed, expected in (
        ("fe", "fetch"),
        ("edges --min", "--min-weight"),
        ("fetch neu", "neurons.csv"),
    ):
        words = ["pdneuro", *typed.split()]
        call = (
            f"COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; "
            f"$(complete -p pdneuro | sed 's/.*-F \\([^ ]*\\).*/\\1/') pdneuro; echo ${{COMPREPLY[@]}}"
        )
        done = subprocess.run(
            ["bash", "-c", f"{script}\n{call}"], cwd=tmp_path, stdout=-1, text=True, check=True
        )
        assert expected in done.stdout.split(), (typed, done.stdout)
