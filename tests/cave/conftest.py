"""Fixtures of tests that serve their own CAVE tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

import pdneuro
from pdneuro.sandbox.server import LocalServer
from pdneuro.transport import tokens
from tests.cave.table_server import ROOT, TOKEN, Serve, TableServer


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Return a function that starts a server for all further calls."""
    running: list[Any] = []

    def start(app: TableServer) -> TableServer:
        server = LocalServer({"/cave": app})
        used = tokens.overridden(**{server.url.removeprefix("http://"): TOKEN})
        options = pdneuro.set_options(cave_url=f"{server.url}/cave")
        used.__enter__()
        options.__enter__()
        running.append((server, used, options))
        return app

    yield start
    for server, used, options in running:
        options.__exit__(None, None, None)
        used.__exit__(None, None, None)
        server.stop()


@pytest.fixture
def table() -> pd.DataFrame:
    """Synapses of twelve neurons, in a random order."""
    rng = np.random.default_rng(6)
    pre, post = ROOT + rng.integers(0, 12, (2, 240))
    shares = rng.dirichlet([1, 1], 240)
    return pd.DataFrame(
        {
            "id": rng.permutation(240) + 1,
            "pre_pt_root_id": pre,
            "post_pt_root_id": post,
            "size": rng.integers(1, 900, 240),
            "neuropil": rng.choice(["AL", "MB", "LH"], 240),
            "gaba": shares[:, 0],
            "ach": shares[:, 1],
        }
    )


@pytest.fixture
def ids() -> pd.Series:
    return pd.Series(ROOT + np.arange(12))
