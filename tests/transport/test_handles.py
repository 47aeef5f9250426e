"""Open files and connections: a program that changes its cache folder, server or options keeps few."""

from __future__ import annotations

import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest

import pdneuro
from pdneuro.sandbox import Sandbox
from pdneuro.sandbox.server import Request, Response
from tests.conftest import eventually

HANDLES = Path("/proc/self/fd") if Path("/proc/self/fd").is_dir() else Path("/dev/fd")

pytestmark = pytest.mark.skipif(not HANDLES.is_dir(), reason="this system does not list open files")


def open_handles() -> int:
    return sum(1 for _ in HANDLES.iterdir())


def use_every_service(ids: pd.Series, folder: Path) -> None:
    with pdneuro.set_options(cache_dir=folder):
        ids.neuro.properties("size")
        pdneuro.allen.OntologiesApi().get_structure_sets()
        pdneuro.neuromorpho.swc([1])


def test_many_cache_folders_leave_few_open_files(
    sandbox: Sandbox, ids: pd.Series, tmp_path: Path
) -> None:
    for number in range(3):
        use_every_service(ids, tmp_path / f"first-{number}")
    before = open_handles()
    for number in range(12):
        use_every_service(ids, tmp_path / f"more-{number}")
    # One folder has five handles: 12 folders would add 60.
    assert open_handles() <= before + 5


def test_a_folder_in_use_stays_open_while_others_are_used(
    sandbox: Sandbox, ids: pd.Series, tmp_path: Path
) -> None:
    """A slow response is cached in its folder, although other folders were used before it came."""
    others_used = threading.Event()
    allen = sandbox.allen

    def wait_for_others(request: Request) -> Response:
        others_used.wait(600)
        return allen(request)

    sandbox.allen = wait_for_others
    with ThreadPoolExecutor(1) as pool:
        with pdneuro.set_options(cache_dir=tmp_path / "slow"):
            in_context = contextvars.copy_context().run  # the thread sees the options of this block
            slow = pool.submit(in_context, pdneuro.allen.OntologiesApi().get_structure_sets)
            assert eventually(lambda: sandbox.requests)
        for number in range(4):
            with pdneuro.set_options(cache_dir=tmp_path / f"quick-{number}"):
                pdneuro.neuromorpho.swc([1])
        others_used.set()
        found = slow.result()
    with pdneuro.set_options(cache_dir=tmp_path / "slow", offline=True):
        again = pdneuro.allen.OntologiesApi().get_structure_sets()
    pd.testing.assert_frame_equal(again, found)


@pytest.mark.skipif(not find_spec("caveclient"), reason="caveclient is not installed")
def test_many_cave_clients_leave_few_connections(sandbox: Sandbox) -> None:
    def query(number: int) -> None:
        with pdneuro.set_options(timeout=20 + number):
            pd.Series([5]).neuro.is_latest(source="cave:minnie65_public")

    for number in range(9):
        query(number)
    before = open_handles()
    for number in range(9, 20):
        query(number)
    assert open_handles() <= before + 3


def test_a_stopped_sandbox_leaves_no_thread(ids: pd.Series, tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with pdneuro.sandbox.start(cache_dir=tmp_path / "cache"):
        use_every_service(ids, tmp_path / "cache")
    left = set(threading.enumerate()) - before
    for thread in left:  # a connection's thread ends on its own once its socket is shut down
        thread.join(60)
    assert not [thread.name for thread in left if thread.is_alive()]
