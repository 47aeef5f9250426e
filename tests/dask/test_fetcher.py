"""Options and the report of a computation."""

from __future__ import annotations

from pathlib import Path

import dask
import dask.dataframe as dd
from distributed import Client, LocalCluster

import pdneuro
import pdneuro.dask
from pdneuro.sandbox import Sandbox
from tests.dask.lazy_tables import neurons


def test_options_travel_with_the_graph(cluster: LocalCluster, sandbox: Sandbox, tmp_path: Path) -> None:
    """Options set where the graph is built hold where and when it is computed."""
    pdneuro.sandbox.edges().to_parquet(tmp_path / "e.parquet")
    with pdneuro.set_options(source=pdneuro.Connectome.from_files(tmp_path / "e.parquet")):
        lazy = dd.from_pandas(neurons(), npartitions=2).neuro.edges()
    with Client(cluster):
        found = lazy.compute()
    assert not sandbox.requests
    assert len(found) == len(neurons().neuro.edges())


def test_the_report_covers_all_partitions(sandbox: Sandbox) -> None:
    lazy = dd.from_pandas(neurons(), npartitions=5).neuro.properties("link_pre")
    with dask.config.set(scheduler="threads"):
        lazy.compute()
        assert sorted(pdneuro.last_report()["id"]) == sorted(set(neurons()["root_id"]))
        assert not pdneuro.last_report()["from_cache"].any()
        dd.from_pandas(neurons(), npartitions=2).sum(numeric_only=True).compute()
        assert len(pdneuro.last_report()) == neurons()["root_id"].nunique()
        lazy.compute()
        assert pdneuro.last_report()["from_cache"].all()
    neurons().head(2).neuro.properties("link_pre")
    assert len(pdneuro.last_report()) == 2


def test_the_row_of_the_task_that_requested_an_id_counts(sandbox: Sandbox) -> None:
    table = neurons()[["root_id"]].drop_duplicates()
    table.neuro.join_properties("link_pre")
    lazy = dd.from_pandas(table, npartitions=1).neuro.join_properties("link_pre")  # from the cache
    lazy.neuro.join_properties("link_pre", prefix="new_", refresh=True).compute()
    report = pdneuro.last_report()
    assert report["id"].tolist() == table["root_id"].tolist()
    assert not report["from_cache"].any()
