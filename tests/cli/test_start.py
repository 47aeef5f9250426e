"""The start of the command line: a command is checked before pandas is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(sys.executable).with_name("pdneuro")
STARTS = {"script": [str(SCRIPT)], "module": [sys.executable, "-m", "pdneuro"]}


def run(start: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command; its stderr lists the imported modules."""
    if start == "script" and not SCRIPT.exists():
        pytest.skip("pdneuro is not installed in this environment")
    environment = os.environ | {"PYTHONPROFILEIMPORTTIME": "1"}
    return subprocess.run(
        [*STARTS[start], *arguments], capture_output=True, text=True, env=environment, check=False
    )


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["--version"], 0), (["fetch", "--help"], 0), (["fetch", "--no-such-flag"], 2)],
)
def test_a_command_is_checked_without_pandas(start: str, arguments: list[str], status: int) -> None:
    done = run(start, *arguments)
    assert done.returncode == status, done.stderr
    modules = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "argparse" in modules
    assert not modules & {"pandas", "numpy", "requests", "xarray"}


def test_a_valid_command_runs() -> None:
    done = run("module", "swc", "check", "no-such-file.swc")
    assert done.returncode == 1
    assert "pdneuro: " in done.stderr
    assert "no-such-file.swc" in done.stderr


def test_a_module_that_python_runs_has_the_accessor(tmp_path: Path) -> None:
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "__init__.py").write_text("import pdneuro")
    (tmp_path / "lab" / "__main__.py").write_text("import pandas as pd; print(pd.DataFrame().neuro)")
    done = subprocess.run(
        [sys.executable, "-m", "lab", "pdneuro"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "neuro" in done.stdout
