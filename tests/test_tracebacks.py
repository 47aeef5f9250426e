"""The traceback of an error in IPython: the user's lines and the message."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pdneuro.sandbox import Sandbox
from pdneuro.sandbox.server import Request, Response
from tests.conftest import child

pytest.importorskip("IPython", reason="IPython is not installed")

#: A shell with a table, and a user's function that calls a method with a wrong column.
SHELL = """
import pandas as pd, pdneuro
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance(colors="NoColor")
shell.push({"table": pd.DataFrame({"root_id": [12, 13]}), "pdneuro": pdneuro})
shell.run_cell("def mine(table):\\n    return table.neuro.ids(on='rootid')")
"""


def command(*cells: str) -> list[str]:
    return [sys.executable, "-c", "\n".join([SHELL, *(f"shell.run_cell({cell!r})" for cell in cells)])]


def environment(tmp_path: Path, options: dict[str, str] | None = None) -> dict[str, str]:
    own = {"IPYTHONDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    return os.environ | own | (options or {})


def shown(tmp_path: Path, *cells: str, options: dict[str, str] | None = None) -> str:
    """Return what IPython prints for some cells."""
    env = environment(tmp_path, options)
    return subprocess.run(command(*cells), stdout=-1, text=True, check=True, env=env).stdout


def test_a_traceback_has_the_lines_of_the_user_and_the_message(tmp_path: Path) -> None:
    text = shown(tmp_path, "table.pipe(mine)")
    assert "table.pipe(mine)" in text
    assert "table.neuro.ids(on='rootid')" in text
    assert "MissingColumnsError: there is no column 'rootid'" in text
    assert "Did you mean 'root_id'?" in text
    assert f"pdneuro{os.sep}" not in text
    assert f"pandas{os.sep}" not in text
    assert len(text.splitlines()) < 15


def test_the_error_that_was_the_cause_is_not_shown(tmp_path: Path) -> None:
    cell = "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    raise pdneuro.errors.ServerError('down') from error"
    text = shown(tmp_path, cell)
    assert "down" in text
    assert "direct cause" not in text


@pytest.mark.parametrize("how", ["call", "environment"])
def test_an_option_shows_the_whole_traceback(tmp_path: Path, how: str) -> None:
    options = {"PDNEURO_FULL_TRACEBACK": "yes"} if how == "environment" else {}
    setting = "pdneuro.set_options(full_traceback=True)" if how == "call" else "0"
    text = shown(tmp_path, setting, "table.pipe(mine)", options=options)
    assert f"accessors{os.sep}method.py" in text
    assert "frames are hidden" not in text


def test_the_error_keeps_its_traceback_for_a_debugger(tmp_path: Path) -> None:
    after = (
        "import sys, traceback\n"
        "frames = traceback.extract_tb(sys.last_value.__traceback__)\n"
        "print('last:', frames[-1].filename)"
    )
    assert f"pdneuro{os.sep}tables" in shown(tmp_path, "table.pipe(mine)", after).partition("last:")[2]


def test_errors_of_other_packages_are_shown_whole(tmp_path: Path) -> None:
    text = shown(tmp_path, "pdneuro.sandbox.neurons().nothing")
    assert f"pandas{os.sep}" in text
    assert "frames are hidden" not in text


@pytest.mark.usefixtures("interrupts")
@pytest.mark.parametrize(
    ("service", "call", "words"),
    [
        ("braincircuits", "ids.neuro.properties('size', batch_size=10)", "10 of 40 IDs are answered and stored"),
        ("allen", "pdneuro.allen.OntologiesApi().get_structure_sets()", "Responses received so far are cached"),
        ("neuromorpho", "pdneuro.neuromorpho.neuron([1, 2])", "0 of 2 IDs are answered and stored"),
    ],
)  # fmt: skip
def test_a_stop_shows_one_sentence_and_does_not_wait_for_the_response(
    tmp_path: Path, sandbox: Sandbox, service: str, call: str, words: str
) -> None:
    """A response is held back until the fetch has ended."""
    arrived, ended = threading.Event(), threading.Event()
    app = getattr(sandbox, service)

    def serve(request: Request) -> Response:
        if service != "braincircuits" or len(sandbox.requests) > 1:
            arrived.set()
            ended.wait(300)
        return app(request)

    setattr(sandbox, service, serve)
    own = {**sandbox.settings(), "PDNEURO_CACHE_DIR": str(tmp_path), "PDNEURO_MAX_WORKERS": "1"}
    cells = ("ids = pdneuro.sandbox.neurons()['root_id'][:40]", call, "print('the end', flush=True)")
    env = environment(tmp_path, own)
    with child(command(*cells), stdout=subprocess.PIPE, text=True, env=env) as process:
        try:
            assert arrived.wait(300)
            process.send_signal(signal.SIGINT)
            lines = list(itertools.takewhile(lambda line: line != "the end\n", process.stdout))
        finally:
            ended.set()
    assert len(lines) == 1
    assert lines[0].startswith(f"Stopped. {words}")
    assert lines[0].endswith("the same call again requests only the rest.\n")
