"""Services from a cluster: queries run in the process of its client."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import dask.dataframe as dd
import pytest
from distributed import Client, LocalCluster

import pdneuro
import pdneuro.dask
from pdneuro import errors
from pdneuro.sandbox import Sandbox
from tests.dask.lazy_tables import asked, neurons


def test_a_cluster_requests_each_id_once_from_the_process_of_the_client(
    cluster: LocalCluster, sandbox: Sandbox
) -> None:
    lazy = dd.from_pandas(neurons(), npartitions=5, sort=False).neuro.join_properties("link_pre", "size")
    with Client(cluster) as client:
        secrets = client.run(lambda: [pdneuro.tokens.get("braincircuits"), *os.environ.values()])
        found = lazy.compute()
    assert not any("sandbox-token" in (value or "") for values in secrets.values() for value in values)
    requests = len(sandbox.requests)
    assert sorted(asked(sandbox)) == sorted(2 * neurons()["root_id"].drop_duplicates().tolist())
    report = pdneuro.last_report()
    assert len(report) == 2 * neurons()["root_id"].nunique()
    assert not report["from_cache"].any()
    # The values are in the cache of this process.
    assert found["size"].tolist() == neurons().neuro.join_properties("size")["size"].tolist()
    assert len(sandbox.requests) == requests


def test_the_limit_of_requests_holds_for_all_workers(cluster: LocalCluster, sandbox: Sandbox) -> None:
    app, lock, under_way, most = sandbox.braincircuits, threading.Lock(), 0, 0

    def count(request: Any) -> Any:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.05)
        with lock:
            under_way -= 1
        return app(request)

    sandbox.braincircuits = count  # type: ignore[assignment]
    lazy = dd.from_pandas(neurons(), npartitions=4, sort=False)
    with Client(cluster), pdneuro.set_options(batch_size=10):
        lazy.neuro.properties("link_pre", max_workers=1).compute()
    assert most == 1
    assert len(sandbox.requests) >= 12


def test_a_cluster_refreshes_each_id_once(cluster: LocalCluster, sandbox: Sandbox) -> None:
    neurons().neuro.properties("link_pre")
    sandbox.requests.clear()
    lazy = dd.from_pandas(neurons(), npartitions=5, sort=False).neuro.properties(
        "link_pre", refresh=True
    )
    with Client(cluster):
        lazy.compute()
    assert sorted(asked(sandbox)) == sorted(set(neurons()["root_id"]))


def test_an_error_of_the_service_is_raised_by_compute(cluster: LocalCluster, sandbox: Sandbox) -> None:
    lazy = dd.from_pandas(neurons(), npartitions=2)
    failing = lazy.neuro.join_properties("nonsense", meta={"nonsense": "Int64"})
    with Client(cluster), pytest.raises(errors.NotFoundError, match="nonsense"):
        failing.compute()


def test_a_worker_that_is_killed_repeats_no_request(cluster: LocalCluster, sandbox: Sandbox) -> None:
    app, arrived, go_on = sandbox.braincircuits, threading.Event(), threading.Event()

    def wait(request: Any) -> Any:
        arrived.set()
        assert go_on.wait(600)
        return app(request)

    sandbox.braincircuits = wait  # type: ignore[assignment]
    lazy = dd.from_pandas(neurons(), npartitions=4, sort=False).neuro.properties("link_pre")
    with Client(cluster) as client:
        future = client.compute(lazy)
        assert arrived.wait(600)
        [address, *_] = [worker for worker, tasks in client.processing().items() if tasks]
        [pid] = client.run(os.getpid, workers=[address]).values()
        os.kill(pid, signal.SIGKILL)
        while address in client.scheduler_info()["workers"]:
            time.sleep(0.05)
        go_on.set()
        found = future.result(600)
    assert len(found) == len(neurons())
    assert sorted(asked(sandbox)) == sorted(set(neurons()["root_id"]))


def test_workers_with_the_plugin_send_their_own_requests(
    cluster: LocalCluster, sandbox: Sandbox, tmp_path: Path
) -> None:
    pdneuro.sandbox.neurons().head(1).neuro.properties("size")
    before = pdneuro.last_report()
    tokens = {"braincircuits": sandbox.tokens["braincircuits"]}
    plugin = pdneuro.dask.WorkerPlugin(tokens, cache_dir=tmp_path / "shared")
    lazy = dd.from_pandas(neurons(), npartitions=4, sort=False).neuro.properties("link_pre")
    with Client(cluster) as client:
        client.register_plugin(plugin)
        try:
            found = lazy.compute()
        finally:
            client.unregister_worker_plugin(plugin.name)
        left = client.run(pdneuro.tokens.get, "braincircuits")
    assert found["nr_pre"].tolist() == neurons().neuro.properties("link_pre")["nr_pre"].tolist()
    assert (tmp_path / "shared" / "answers.sqlite").exists()
    assert not any(left.values())
    assert len(before) == 1


@pytest.mark.parametrize("is_current", [True, False])
def test_a_client_that_is_not_the_default_one(
    is_current: bool, cluster: LocalCluster, sandbox: Sandbox
) -> None:
    lazy = dd.from_pandas(neurons(), npartitions=3, sort=False).neuro.properties("link_pre")
    settings = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    with (
        LocalCluster(n_workers=0, **settings) as other,
        Client(other),
        Client(cluster, set_as_default=False) as client,
    ):
        if is_current:
            with client.as_current():
                found = lazy.compute()
        else:
            found = client.compute(lazy).result(600)
    assert sorted(asked(sandbox)) == sorted(set(neurons()["root_id"]))
    assert found["nr_pre"].tolist() == neurons().neuro.properties("link_pre")["nr_pre"].tolist()
