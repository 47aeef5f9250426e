"""The progress of a fetch in a saved notebook."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pdneuro.sandbox import Sandbox

pytest.importorskip("nbclient", reason="nbclient is not installed (extra docs)")
pytest.importorskip("ipykernel", reason="ipykernel is not installed (extra docs)")

#: Runs the cells of a notebook, as a reader does, and prints the saved outputs.
SCRIPT = """
import json, sys, nbclient, nbformat.v4 as v4
cells = [v4.new_code_cell(cell) for cell in json.load(sys.stdin)]
book = v4.new_notebook(cells=cells)
nbclient.NotebookClient(book, timeout=600, startup_timeout=600, kernel_name="python3").execute()
print(json.dumps([cell.outputs for cell in book.cells]))
"""


def outputs(sandbox: Sandbox, folder: Path, *cells: str) -> list[list[dict[str, Any]]]:
    """Return the outputs of each cell."""
    own = {name: str(folder / name.lower()) for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR")}
    own |= {"PDNEURO_CACHE_DIR": str(folder / "cache"), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT],
        input=json.dumps(["import pdneuro; ids = pdneuro.sandbox.neurons()['root_id']", *cells]),
        env=os.environ | sandbox.settings() | own,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    shown: list[list[dict[str, Any]]] = json.loads(done.stdout)
    return shown[1:]


def test_the_bars_of_a_cell_are_one_line_that_stays(sandbox: Sandbox, tmp_path: Path) -> None:
    cells = (
        "ids[:800].neuro.properties('size', progress=False);",
        "ids.neuro.properties('size', progress=True, batch_size=100);",
        "ids.neuro.properties('link_pre', 'link_post', progress=True, batch_size=500);",
        "ids.neuro.properties('size', 'link_pre');",
    )
    hidden, once, twice, cached = outputs(sandbox, tmp_path, *cells)
    assert hidden == cached == []
    for shown, words in (
        (once, ("size of fruitfly_fafb_flywire: 100%", "800 from the cache, 2,200 downloaded")),
        (twice, ("link_post of fruitfly_fafb_flywire: 100%", "0 from the cache, 3,000 downloaded")),
    ):
        assert [output["output_type"] for output in shown] == ["display_data"]
        text = shown[0]["data"]["text/plain"]
        assert all(word in text for word in words), text
        assert len(text.splitlines()) == 1
