"""Type checkers see the accessor: on a file as a user writes it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROGRAM = """\
import pandas as pd
import polars
import xarray as xr

import pdneuro

frame = pd.DataFrame({"root_id": [1]})
array = xr.DataArray([1], coords={"root_id": [1]}, dims="root_id")
reveal_type(pdneuro.neuro(frame))
reveal_type(pdneuro.neuro(frame).edges(on="root_id", min_weight=5))
reveal_type(pdneuro.neuro(frame["root_id"]).rollup("CTX"))
reveal_type(pdneuro.neuro(frame.groupby("side")).partners(min_weight=5))
reveal_type(pdneuro.neuro(frame.index).edges(level="root_id"))
reveal_type(pdneuro.neuro(array).join_properties("size", dim="root_id"))
reveal_type(pdneuro.neuro(array.to_dataset()).ids("root_id"))
reveal_type(pdneuro.neuro(polars.DataFrame({"root_id": [1]})).edges())
pdneuro.neuro(frame).edges(min_wieght=5)  # wrong
pdneuro.neuro(frame).rollup()  # wrong
pdneuro.neuro(frame["root_id"]).edges(hops="2")  # wrong
pdneuro.neuro(array).edges(min_wieght=5)  # wrong
pdneuro.neuro(array).aggregate("CTX", "structure_id")  # wrong
pdneuro.neuro(3)  # wrong
"""
#: Types of the results that the program reveals.
RESULTS = ["DataFrame", "Series", "DataFrame", "DataFrame", "DataArray", "Series", "DataFrame"]
ATTRIBUTE = """\
import pandas as pd
import xarray as xr

import pdneuro

frame = pd.DataFrame({"root_id": [1]})
array = xr.DataArray([1], coords={"root_id": [1]}, dims="root_id")
reveal_type(frame.neuro)
reveal_type(frame["root_id"].neuro)
reveal_type(frame.index.neuro)
reveal_type(pd.MultiIndex.from_frame(frame).neuro)
reveal_type(array.neuro)
reveal_type(array.to_dataset().neuro)
frame.neuro.edges(min_wieght=5)  # wrong
"""


def check(tmp_path: Path, program: str, *command: str) -> str:
    """Run a type checker on a program and return what it prints."""
    (tmp_path / "user.py").write_text(program)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", *command, "user.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr
    return done.stdout


def wrong_lines(program: str) -> list[int]:
    return [number for number, line in enumerate(program.splitlines(), 1) if "# wrong" in line]


def error_lines(output: str) -> list[int]:
    return sorted({int(line) for line in re.findall(r"user\.py:(\d+):.*\berror\b", output)})


@pytest.mark.skipif(not find_spec("mypy"), reason="mypy is installed in the newest environment alone")
@pytest.mark.parametrize("program", [PROGRAM, ATTRIBUTE], ids=["neuro()", "plugin"])
def test_mypy(tmp_path: Path, program: str) -> None:
    # With the plugin for both, so that the second run uses mypy's cache of the first.
    (tmp_path / "mypy.ini").write_text("[mypy]\nplugins = pdneuro.mypy\n")
    cache = ROOT / ".mypy_cache" / "user"
    output = check(tmp_path, program, "mypy", f"--cache-dir={cache}")
    assert error_lines(output) == wrong_lines(program)
    assert 'did you mean "min_weight"?' in output
    revealed = re.findall(r'Revealed type is "([\w.]+)', output)
    assert revealed[:1] == ["pdneuro.accessors.DataFrameNeuro"]
    if program == PROGRAM:
        assert [name.rpartition(".")[2] for name in revealed[1:]] == RESULTS
    else:
        kinds = ["Series", "Index", "Index", "DataArray", "Dataset"]
        assert revealed[1:] == [f"pdneuro.accessors.{kind}Neuro" for kind in kinds]


@pytest.mark.skipif(
    not find_spec("basedpyright"), reason="basedpyright is installed in the newest environment alone"
)
def test_pyright(tmp_path: Path) -> None:
    output = check(tmp_path, PROGRAM, "basedpyright", f"--pythonpath={sys.executable}", "--level=error")
    assert error_lines(output) == wrong_lines(PROGRAM)
    revealed = re.findall(
        r'Type of ".*" is "(\w+)',
        check(tmp_path, PROGRAM, "basedpyright", f"--pythonpath={sys.executable}"),
    )
    assert revealed == ["DataFrameNeuro", *RESULTS]
