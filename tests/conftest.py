"""Fixtures for the tests."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import settings

import pdneuro
from pdneuro.sandbox import Sandbox

# The time of an example depends on how busy the machine is.
settings.register_profile("pdneuro", deadline=None)
settings.load_profile("pdneuro")

SHARED = Path(os.environ.get("PDNEURO_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """Start a sandbox with the bundled brain; requests are not repeated."""
    # A long timeout, so that no test fails on a busy machine.
    options = {"retries": 0, "timeout": 600, "progress": False}
    with pdneuro.sandbox.start(cache_dir=tmp_path / "cache") as running, pdneuro.set_options(**options):
        yield running


@pytest.fixture
def ids() -> pd.Series:
    """Return ten IDs of the sandbox."""
    return pdneuro.sandbox.neurons()["root_id"].head(10)


@pytest.fixture
def interrupts() -> Iterator[None]:
    """Let child processes receive Ctrl-C, even if the shell ignores it, as for background jobs."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def child(command: list[str], **settings: Any) -> Iterator[subprocess.Popen[Any]]:
    """Run a process, and end it after the block."""
    process = subprocess.Popen(command, **settings)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def shared(path: str) -> Path:
    """Return a file of the shared data, or skip the test with the reason."""
    file = SHARED / path
    if not file.exists():
        pytest.skip(f"the shared data were not found: {path}")
    return file
