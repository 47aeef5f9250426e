"""Fixtures: a cluster of dask, and the two schedulers."""

from __future__ import annotations

from collections.abc import Iterator

import dask
import pytest
from distributed import Client, LocalCluster


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """Start two worker processes, with a separate home folder and without a token."""
    folder = tmp_path_factory.mktemp("dask")
    environment = {"HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}
    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        local_directory=str(folder),
        env=environment,
    ) as workers:
        yield workers


@pytest.fixture(params=["threads", "processes"])
def scheduler(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "processes":
        with Client(request.getfixturevalue("cluster")):
            yield request.param
    else:
        with dask.config.set(scheduler="threads"):
            yield request.param
