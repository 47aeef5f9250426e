"""Fixtures for all tests and examples: a separate home folder and cache, and the sandbox.

Examples that need caveclient run where it is installed: in the second of the two environments.
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

collect_ignore = [
    "docs/_build",
    "tests/allensdk",  # not part of the suite: it sets options at import
    *map(str, Path(__file__).parent.glob("docs/*.py")),
]
if not find_spec("mypy"):
    collect_ignore += ["pdneuro/mypy.py"]
if not find_spec("caveclient"):
    collect_ignore += ["pdneuro/queries/cave.py", "pdneuro/queries/supervoxels.py", "docs/cave.md"]


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tests away from the user's home, cache, tokens and options, and from those of other tests."""
    home = tmp_path / "home"
    home.mkdir()
    for name in list(os.environ):
        if name.startswith(("PDNEURO_", "API_SECRET_", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("PDNEURO_CACHE_DIR", str(tmp_path / "cache"))
    # An example of a page sets options for the whole process, as its readers do; here they end with it.
    # Those of a fixture of the module stay.
    options = importlib.import_module("pdneuro.options")
    monkeypatch.setattr(options, "_process", options._process)
    tokens = importlib.import_module("pdneuro.transport.tokens")
    monkeypatch.setattr(tokens, "_process", tokens._process)


@pytest.fixture(autouse=True)
def _docstring_names(
    request: pytest.FixtureRequest, doctest_namespace: dict[str, object], _own_home: None
) -> Iterator[None]:
    """Start a sandbox for examples in docstrings, and define ``pd``, ``np`` and ``pdneuro``."""
    dtest = getattr(request.node, "dtest", None)
    if dtest is not None and '"cave:' in dtest.docstring and not find_spec("caveclient"):
        pytest.skip("caveclient is not installed")
    if not isinstance(request.node, pytest.DoctestItem) or request.path.suffix != ".py":
        yield
        return
    import numpy as np
    import pandas as pd

    import pdneuro

    with pdneuro.sandbox.start() as sandbox:
        doctest_namespace.update(pd=pd, np=np, pdneuro=pdneuro, sandbox=sandbox)
        yield


@pytest.fixture(autouse=True)
def _no_window(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Draw figures without a window, and close them after the test."""
    monkeypatch.setenv("MPLBACKEND", "Agg")
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
