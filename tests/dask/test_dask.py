"""Dask frames: lazy, without requests while the graph is built, and with the same results."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dask
import dask.dataframe as dd
import pandas as pd
import pytest
from distributed import Client, LocalCluster
from hypothesis import given, settings
from hypothesis import strategies as st

import pdneuro
import pdneuro.dask
from pdneuro import errors
from pdneuro.sandbox import Sandbox

BASE = 720575940600000000
OLD = "cave:minnie65_public@661"


@pytest.fixture(scope="module")
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


def neurons() -> pd.DataFrame:
    # Some IDs are in several partitions.
    table = pdneuro.sandbox.neurons().head(120)
    return pd.concat([table, table.head(10)], ignore_index=True)


def edges() -> pd.DataFrame:
    table = pdneuro.sandbox.edges().head(5000)
    return pd.concat([table, table.head(500)], ignore_index=True)


def annotated(table: Any) -> Any:
    nodes = pdneuro.sandbox.neurons().iloc[:2000]
    nodes = nodes.assign(nt=["GABA", "ACH"] * (len(nodes) // 2))
    return table.neuro.annotate(nodes, ["cell_type", "side", "nt"])


def with_regions(table: Any) -> Any:
    return table.assign(roi=(table["pre"] % 3).astype("str"))


def labels() -> pd.Series:
    return pdneuro.sandbox.neurons().set_index("root_id")["cell_type"].iloc[:2000]


NEURON_VERBS: dict[str, Callable[[Any], Any]] = {
    "join": lambda t: t.neuro.join_properties("link_pre", "size", on="root_id"),
    "join of rows that were found": lambda t: t.neuro.join_properties(
        "size", on="root_id", how="inner", indicator="status", suffix="_x"
    ),
    "join to several columns": lambda t: t.assign(other=t["root_id"]).neuro.join_properties(
        "size", on=["root_id", "other"], indicator=True
    ),
    "join twice": lambda t: t.neuro.join_properties("size").neuro.join_properties("size"),
    "properties": lambda t: t["root_id"].neuro.properties("link_post", "connectivity"),
    "ids": lambda t: t["root_id"].neuro.ids().to_frame(),
    "edges": lambda t: t.neuro.edges(),
    "edges of a column": lambda t: t["root_id"].neuro.edges(min_weight=4, autapses=False),
    "within": lambda t: t.neuro.edges(on="root_id", within=True),
    "upstream": lambda t: t.neuro.upstream(min_weight=2),
    "downstream": lambda t: t["root_id"].neuro.downstream(),
    "records": lambda t: t["root_id"].neuro.records("connectivity"),
    "partners": lambda t: t.neuro.partners(min_weight=2),
    "downstream partners": lambda t: t["root_id"].neuro.partners(upstream=False),
    "strongest partners": lambda t: t.neuro.partners(group_by=labels(), cover=0.5, dropna=True),
    "partners by label": lambda t: t.neuro.partners(group_by=labels()),
    "two hops": lambda t: t.neuro.edges(hops=2, min_weight=30),
    "two hops downstream": lambda t: t.neuro.downstream(hops=2, min_weight=20, autapses=False),
}
EDGE_VERBS: dict[str, Callable[[Any], Any]] = {
    "as_edges": lambda e: e.rename(columns={"pre": "source", "post": "target"}).neuro.as_edges(),
    "threshold": lambda e: e.neuro.threshold(6),
    "threshold of a share": lambda e: e.neuro.threshold(0.05, of="input"),
    "threshold by row": lambda e: e.neuro.threshold(6, per="row"),
    "collapse": lambda e: e.neuro.collapse(),
    "collapse dialect": lambda e: e.rename(columns={"pre": "source", "post": "target"}).neuro.collapse(),
    "collapse by label": lambda e: e.neuro.collapse(labels()),
    "collapse by columns": lambda e: annotated(e).neuro.collapse(["cell_type", "side"]),
    "collapse with values": lambda e: e.assign(area=2.0 * e["weight"]).neuro.collapse(
        labels(), values="area"
    ),
    "collapse one end": lambda e: annotated(e).neuro.collapse({"post": "cell_type"}),
    "annotate": annotated,
    "annotate with suffixes": lambda e: e.neuro.annotate(labels(), suffixes=("_from", "_to")),
    "fractions": lambda e: e.neuro.fractions(),
    "output fractions": lambda e: e.neuro.fractions("output"),
    "given fractions": lambda e: e.neuro.fractions(total=pd.Series(10**6, index=labels().index)),
    "source fractions": lambda e: e.drop_duplicates().neuro.fractions(total="source"),
    "sign": lambda e: annotated(e).neuro.sign(inhibitory="gaba", excitatory="ach"),
    "top_nt": lambda e: e.assign(ach=0.5, gaba=e["weight"] / 10).neuro.top_nt(),
    "degree": lambda e: e.neuro.degree().reset_index(),
    "reciprocal": lambda e: e.neuro.reciprocal(),
    "collapse by region": lambda e: with_regions(e).neuro.collapse(labels(), roi=True, dropna=True),
    "collapse pairs by region": lambda e: with_regions(e).neuro.collapse(roi=True),
}
#: Results of a whole table; a lazy table returns them when they are computed.
WHOLE_VERBS: dict[str, Callable[[Any], Any]] = {
    "matrix": lambda e: e.neuro.to_matrix(),
    "matrix of some": lambda e: e.neuro.to_matrix(ids=labels().index[:50], normalize="input"),
    "matrix of labels": lambda e: e.neuro.to_matrix(labels()),
    "matrix of columns": lambda e: annotated(e).neuro.to_matrix("side", normalize="output"),
    "matrix of one end": lambda e: e.neuro.to_matrix({"post": labels()}),
    "matrix of shares": lambda e: e.assign(area=0.5).neuro.to_matrix(labels(), values="area"),
    "sparse": lambda e: e.neuro.to_sparse(),
    "similarity": lambda e: e.neuro.similarity(of="input", ids=labels().index[:20]),
    "similarity by label": lambda e: e.neuro.similarity(group_by=labels(), top=2),
    "motifs": lambda e: e.neuro.motifs(),
    "link": lambda e: e["pre"].neuro.link("flywire"),
}


def same(found: Any, expected: pd.DataFrame) -> None:
    columns = list(expected.columns)
    assert list(found.columns) == columns
    computed = found.compute()
    # The computed dtypes are those of the lazy table.
    for name in columns:
        assert str(computed[name].dtype).replace("str", "string").startswith(
            str(found.dtypes[name]).replace("str", "string").partition("[")[0]
        ) or isinstance(computed[name].dtype, pd.CategoricalDtype), name
    kinds = {name: "Int64" for name in columns if str(found.dtypes[name]) == "Int64"}
    text = {name: "string" for name in columns if pd.api.types.is_string_dtype(expected[name])}
    left, right = (
        part.astype({**kinds, **text}).sort_values(columns, ignore_index=True)
        for part in (computed, expected)
    )
    for part in (left, right):
        part.attrs = {}
    pd.testing.assert_frame_equal(left, right, check_dtype=False)


@pytest.mark.parametrize("verb", NEURON_VERBS)
def test_queries_give_the_same_as_on_pandas(verb: str, scheduler: str, sandbox: Sandbox) -> None:
    lazy = NEURON_VERBS[verb](dd.from_pandas(neurons(), npartitions=3))
    assert not sandbox.requests  # no request so far
    expected = NEURON_VERBS[verb](neurons())
    if isinstance(expected, pd.Series):
        expected = expected.to_frame()
    with pdneuro.set_options(cache_dir=pdneuro.get_options()["cache_dir"] / scheduler):
        same(NEURON_VERBS[verb](dd.from_pandas(neurons(), npartitions=3)), expected)
        asked = [n for r in sandbox.requests for n in r.json()["segments"]]
    assert asked or verb == "ids"
    assert list(lazy.columns) == list(expected.columns)


@pytest.mark.parametrize("verb", EDGE_VERBS)
def test_edge_methods_give_the_same_as_on_pandas(verb: str, scheduler: str, sandbox: Sandbox) -> None:
    same(EDGE_VERBS[verb](dd.from_pandas(edges(), npartitions=4)), EDGE_VERBS[verb](edges()))


@pytest.mark.parametrize("verb", WHOLE_VERBS)
def test_results_of_a_whole_table_are_the_same_as_on_pandas(verb: str, sandbox: Sandbox) -> None:
    with dask.config.set(scheduler="synchronous"):
        found = WHOLE_VERBS[verb](dd.from_pandas(edges(), npartitions=4)).compute()
    expected = WHOLE_VERBS[verb](edges())
    if isinstance(expected, tuple):
        assert found[1].equals(expected[1])
        found, expected = found[0].toarray().tolist(), expected[0].toarray().tolist()
    if isinstance(expected, str | list):
        assert found == expected
    else:
        compare = pd.testing.assert_frame_equal if expected.ndim == 2 else pd.testing.assert_series_equal
        compare(found, expected)


STRUCTURE_VERBS: dict[str, Callable[[Any], Any]] = {
    "join": lambda t: t.neuro.join_structures(),
    "join by acronym": lambda t: t.neuro.join_structures("id", "depth", on="acronym", prefix="s_"),
    "structures": lambda t: t["structure_id"].neuro.structures("id", "name", "color"),
    "rollup": lambda t: t["structure_id"].neuro.rollup("Brain - Major Divisions").to_frame(),
    "rollup of acronyms": lambda t: t["acronym"].neuro.rollup(["CTX", "BS"]).to_frame(),
    "is_under": lambda t: t["structure_id"].neuro.is_under("CTX").to_frame(),
    "ancestors": lambda t: t["structure_id"].neuro.ancestors(include_self=True),
    "descendants": lambda t: t["acronym"].neuro.descendants(),
}


@pytest.mark.parametrize("verb", STRUCTURE_VERBS)
def test_structures_give_the_same_as_on_pandas(verb: str, scheduler: str, sandbox: Sandbox) -> None:
    ids = [385, -385, 549, 0, None, 997, 614454277] * 5
    names = ["VISp", "TH", None, "root", "cbf"] * 7
    table = pd.DataFrame({"structure_id": pd.array(ids, "Int64"), "acronym": names})
    lazy = STRUCTURE_VERBS[verb](dd.from_pandas(table, npartitions=3))
    assert not sandbox.requests
    expected = STRUCTURE_VERBS[verb](table)
    found = lazy.compute()
    assert list(lazy.columns) == list(found.columns) == list(expected.columns)
    for name in expected:
        assert found[name].astype("string").fillna("").tolist() == (
            expected[name].astype("string").fillna("").tolist()
        )
    assert found.index.equals(expected.index)


def test_a_field_that_is_not_documented(sandbox: Sandbox) -> None:
    lazy = dd.from_pandas(pd.Series([385]), npartitions=1)
    with pytest.raises(errors.UnknownStructureError, match="do not have a field 'weight'"):
        lazy.neuro.structures("weight")


@pytest.mark.parametrize(
    "verb",
    [
        lambda t: t.neuro.join_neuromorpho("species", "min_age", "cell_type"),
        lambda t: t.neuro.join_neuromorpho(prefix="nmo_"),
        lambda t: t.neuro.join_morphometry(),
        lambda t: t["neuron_id"].neuro.neuromorpho("upload_date", "volume"),
        lambda t: t["neuron_id"].neuro.morphometry("length"),
    ],
)
def test_neurons_of_neuromorpho_give_the_same_as_on_pandas(verb: Any, sandbox: Sandbox) -> None:
    table = pd.DataFrame({"neuron_id": [3, 1, 2, 3, 7], "mine": range(5)}, index=[9, 9, 4, 5, 6])
    lazy = verb(dd.from_pandas(table, npartitions=2, sort=False))
    assert not sandbox.requests
    with dask.config.set(scheduler="threads"):
        found = lazy.compute()
    assert found.dtypes.equals(lazy.dtypes)
    expected = verb(table)
    assert list(found.columns) == list(expected.columns)
    # The lazy table has the same dtypes for any content of a partition.
    pd.testing.assert_frame_equal(found, expected.astype(found.dtypes.to_dict()))


def test_options_travel_with_the_graph(cluster: LocalCluster, sandbox: Sandbox, tmp_path: Path) -> None:
    """Options set where the graph is built hold where and when it is computed."""
    pdneuro.sandbox.edges().to_parquet(tmp_path / "e.parquet")
    with pdneuro.set_options(source=pdneuro.Connectome.from_files(tmp_path / "e.parquet")):
        lazy = dd.from_pandas(neurons(), npartitions=2).neuro.edges()
    with Client(cluster):
        found = lazy.compute()
    assert not sandbox.requests
    assert len(found) == len(neurons().neuro.edges())


def test_errors_are_raised_at_once_or_with_the_rows(sandbox: Sandbox) -> None:
    lazy = dd.from_pandas(neurons(), npartitions=2)
    with pytest.raises(ValueError, match=r"no request is sent .*meta="):
        lazy.neuro.join_properties("neurotransmitter")
    told = lazy.neuro.join_properties("neurotransmitter", meta={"neurotransmitter_nt_type": "str"})
    plain = neurons().neuro.join_properties("neurotransmitter")["neurotransmitter_nt_type"]
    assert told.compute()["neurotransmitter_nt_type"].dropna().tolist() == plain.dropna().tolist()
    with pytest.raises(errors.ColumnExistsError, match="size"):
        lazy.assign(size=1).neuro.join_properties("size")
    with pytest.raises(errors.MissingColumnsError):
        lazy[["side"]].neuro.edges()
    with pytest.raises(errors.MissingColumnsError, match="no pre- and postsynaptic IDs"):
        lazy.neuro.collapse()
    with pytest.raises(ValueError, match="meta="):
        lazy["root_id"].neuro.records("nucleus")
    told = lazy["root_id"].neuro.records("nucleus", meta={"nucleus_id": "Int64"})
    assert len(told.compute()) == len(neurons()["root_id"].neuro.records("nucleus"))
    with pytest.raises(AttributeError, match="graph"):
        lazy["root_id"].neuro.graph()
    with pytest.raises(AttributeError, match=r"\.compute\(\)\.neuro\.to_networkx"):
        lazy.neuro.to_networkx()
    floats = dd.from_pandas(pd.DataFrame({"root_id": [float(BASE), 1.0]}), npartitions=1)
    with pytest.raises(errors.PrecisionLossError):
        floats.neuro.edges().compute()
    listed = repr(lazy.neuro)
    assert "lazy table" in listed
    assert ".edges()" in listed
    assert "._" not in listed
    assert "lazy column" in repr(lazy["root_id"].neuro)


def test_no_version_is_chosen_by_partition(sandbox: Sandbox) -> None:
    lazy = dd.from_pandas(pdneuro.sandbox.root_ids(), npartitions=2)
    source = "cave:minnie65_public@auto"
    with pytest.raises(errors.InvalidVersionError, match="auto"):
        lazy.neuro.edges(source=source)
    with pytest.raises(errors.InvalidVersionError, match="auto"), pdneuro.set_options(source=source):
        lazy.neuro.properties("nucleus_view", meta={"nucleus_view_count": "Int64"})


def test_each_segment_is_requested_once(sandbox: Sandbox) -> None:
    with dask.config.set(scheduler="threads"):
        dd.from_pandas(neurons(), npartitions=5).neuro.edges().compute()
    asked = [n for r in sandbox.requests for n in r.json()["segments"]]
    assert sorted(asked) == sorted(set(neurons()["root_id"]))


# -- services from a cluster -------------------------------------------------------------------------


def asked(sandbox: Sandbox) -> list[int]:
    """Return the segments of all requests."""
    return [number for request in sandbox.requests for number in request.json()["segments"]]


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


def test_no_more_neurons_than_the_limit_are_requested(sandbox: Sandbox) -> None:
    lazy = dd.from_pandas(neurons().head(20), npartitions=2).neuro.edges(hops=3, max_nodes=100)
    with dask.config.set(scheduler="synchronous"), pytest.raises(errors.NodeBudgetError, match="hop 2"):
        lazy.compute()
    assert set(asked(sandbox)) == set(neurons().head(20)["root_id"])


def test_a_table_of_pairs_may_list_a_pair_twice() -> None:
    pairs = pd.DataFrame({"pre": [1, 2, 3, 1], "post": [2, 3, 1, 2], "contacts": [3, 4, 5, 3]})
    with pytest.raises(errors.AmbiguousColumnError, match="contacts"):
        pairs.neuro.as_edges()
    lazy = dd.from_pandas(pairs, npartitions=2).neuro.as_edges()
    with dask.config.set(scheduler="synchronous"), pytest.raises(errors.AmbiguousColumnError):
        lazy.compute()


ROWS = st.lists(
    st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(0, 9)), min_size=1, max_size=20
)


@given(rows=ROWS, parts=st.integers(1, 4))
@settings(max_examples=8)
def test_sums_of_any_table_are_the_same_as_on_pandas(rows: list[Any], parts: int) -> None:
    table = pd.DataFrame(rows, columns=["pre", "post", "weight"])
    kinds = pd.Series(["a", "b", "a", "c"], index=[1, 2, 3, 4])
    verbs: list[Callable[[Any], Any]] = [
        lambda e: e.neuro.collapse(kinds),
        lambda e: e.neuro.fractions(),
        lambda e: e.neuro.degree().reset_index(),
    ]
    with dask.config.set(scheduler="synchronous"):
        for verb in verbs:
            same(verb(dd.from_pandas(table, npartitions=parts)), verb(table))
        lazy = dd.from_pandas(table, npartitions=parts).neuro
        pd.testing.assert_series_equal(lazy.motifs().compute(), table.neuro.motifs())
        matrix = lazy.to_matrix(kinds, normalize="input").compute()
        pd.testing.assert_frame_equal(matrix, table.neuro.to_matrix(kinds, normalize="input"))


def test_provenance_of_a_lazy_table(sandbox: Sandbox) -> None:
    lazy = dd.from_pandas(neurons(), npartitions=3).neuro.join_properties("size")
    eager = neurons().neuro.join_properties("size")
    with dask.config.set(scheduler="synchronous"):
        found = lazy.neuro.provenance.compute()
        assert lazy.neuro.cite().compute() == eager.neuro.cite()
    names = ["source", "dataset", "license", "queries"]
    pd.testing.assert_frame_equal(found[names], eager.neuro.provenance[names])


def test_reconstructions_and_persistence(sandbox: Sandbox) -> None:
    table = pd.DataFrame({"neuron_id": [3, 1, 2, 3]})
    lazy = dd.from_pandas(table, npartitions=2)
    with dask.config.set(scheduler="synchronous"):
        nodes = lazy.neuro.swc().compute()
        vectors = lazy.neuro.persistence().compute()
    expected = table.neuro.swc()
    order = ["neuron", "node"]
    pd.testing.assert_frame_equal(
        nodes.sort_values(order, ignore_index=True).astype(expected.dtypes.to_dict()),
        expected.sort_values(order, ignore_index=True),
        check_categorical=False,
    )
    assert vectors["distance"].tolist() == table.neuro.persistence()["distance"].tolist()


CAVE_VERBS: dict[str, Callable[[Any], Any]] = {
    "join": lambda t, **meta: t.neuro.join_cave(
        "nucleus_view", "volume", source=OLD, multiple="first", **meta
    ),
    "synapses": lambda t, **meta: t["root_id"].neuro.synapses("size", source=OLD, **meta),
    "synapses within": lambda t, **meta: t.neuro.synapses("size", source=OLD, within=True, **meta),
    "is_latest": lambda t, **_: t["root_id"].neuro.is_latest(source=OLD).to_frame(),
    "latest": lambda t, **_: t["root_id"].neuro.latest(source=OLD).to_frame(),
}


@pytest.mark.parametrize("verb", CAVE_VERBS)
def test_cave_gives_the_same_as_on_pandas(verb: str, sandbox: Sandbox) -> None:
    pytest.importorskip(
        "caveclient", reason="caveclient holds pandas below 3: the other environment has it"
    )
    table = pdneuro.sandbox.root_ids().head(12).to_frame("root_id")
    meta = {"volume": "Float64"} if verb == "join" else {"size": "int64"}
    expected = CAVE_VERBS[verb](table)
    with dask.config.set(scheduler="synchronous"):
        same(CAVE_VERBS[verb](dd.from_pandas(table, npartitions=3), meta=meta), expected)
