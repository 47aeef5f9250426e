"""Methods of an edge table on a connectome: the same results as of a DataFrame, from small pieces."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import pdneuro
from pdneuro import Connectome, errors


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pdneuro.connectome.pieces.PIECE", 3_000)


@pytest.fixture(scope="module")
def neurons() -> pd.DataFrame:
    """A table with a missing neuron, missing labels, categories and integers."""
    table = pdneuro.sandbox.neurons().iloc[5:].reset_index(drop=True)
    rng = np.random.default_rng(4)
    table["size"] = rng.integers(1, 99, len(table))
    table["cell_type"] = table["cell_type"].where(rng.random(len(table)) > 0.1)
    table["side"] = table["side"].astype(pd.CategoricalDtype(["left", "right", "center"]))
    table["nt"] = rng.choice(["ACH", "GABA", "GLUT"], len(table))
    return table


@pytest.fixture(scope="module")
def brain(neurons: pd.DataFrame) -> Connectome:
    return Connectome(pdneuro.sandbox.edges(), neurons)


@pytest.fixture
def frame(brain: Connectome, neurons: pd.DataFrame) -> pd.DataFrame:
    return brain.to_frame().neuro.annotate(neurons)


GROUPS: dict[str, dict[str, Any]] = {
    "a column": {"group_by": "cell_type"},
    "two columns": {"group_by": ["cell_type", "side"], "sort": True, "dropna": True},
    "all categories": {"group_by": "side", "observed": False},
    "one end": {"group_by": {"post": "cell_type"}},
    "one column of an end": {"group_by": "cell_type_pre"},
    "per neuron": {"group_by": "cell_type", "per_neuron": True},
    "labels": {"group_by": pdneuro.sandbox.neurons().set_index("root_id")["cell_class"]},
    "a mapping": {
        "group_by": dict.fromkeys(pdneuro.sandbox.neurons().root_id[:40], "few"),
        "per_neuron": True,
    },
}


@pytest.mark.parametrize("options", GROUPS.values(), ids=GROUPS)
def test_sums_of_groups(options: dict[str, Any], brain: Connectome, frame: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(brain.collapse(**options), frame.neuro.collapse(**options))


@pytest.mark.parametrize(
    "options",
    [
        {"group_by": "cell_type"},
        {"group_by": "cell_type", "normalize": "input"},
        {"group_by": "side", "normalize": "output", "dropna": False},
        {"group_by": "side", "values": "n_post"},
        {"group_by": "cell_class", "values": "weight_per_neuron"},
        {"group_by": {"post": "side"}, "sort": False},
        {"ids": pdneuro.sandbox.neurons().root_id[:30], "normalize": "input"},
    ],
)
def test_matrices(options: dict[str, Any], brain: Connectome, frame: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(brain.to_matrix(**options), frame.neuro.to_matrix(**options))


@pytest.mark.parametrize("ids", [None, pdneuro.sandbox.neurons().root_id[:30]])
def test_sparse_matrices(ids: Any, brain: Connectome, frame: pd.DataFrame) -> None:
    matrix, known = brain.to_sparse(ids=ids)
    expected, neurons = frame.neuro.to_sparse(ids=ids)
    pd.testing.assert_index_equal(known, neurons)
    assert matrix.dtype == expected.dtype
    assert (matrix != expected).nnz == 0


def test_degrees_leave_out_neurons_without_edges() -> None:
    edges = pdneuro.sandbox.edges()
    brain = Connectome(edges, pd.DataFrame({"root_id": [5, 6]}))
    pd.testing.assert_frame_equal(brain.degree(), edges.neuro.degree())


ONE_ROW_PER_EDGE: dict[str, Callable[[Any], Any]] = {
    "threshold": lambda edges: edges.threshold(20),
    "share of the input": lambda edges: edges.threshold(0.05, of="input"),
    "share of the output": lambda edges: edges.threshold(0.05, of="output"),
    "fractions": lambda edges: edges.fractions(),
    "fractions of the output": lambda edges: edges.fractions("output"),
    "given totals": lambda edges: edges.fractions(total=pdneuro.sandbox.neurons().set_index("root_id").index.to_series() * 0 + 99_999),
    "reciprocal": lambda edges: edges.reciprocal(),
    "sign": lambda edges: edges.sign("nt_pre", inhibitory=["gaba", "glut"], excitatory="ach"),
}  # fmt: skip


class OfFrame:
    """The methods of a frame, each of which returns this again."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **options: OfFrame(getattr(self.frame.neuro, name)(*args, **options))


@pytest.mark.parametrize("method", ONE_ROW_PER_EDGE.values(), ids=ONE_ROW_PER_EDGE)
def test_one_row_per_edge(
    method: Callable[[Any], Any], brain: Connectome, neurons: pd.DataFrame
) -> None:
    lazy = method(brain.annotate())
    expected = method(OfFrame(brain.to_frame().neuro.annotate(neurons))).frame.reset_index(drop=True)
    found = lazy.to_frame()
    pd.testing.assert_frame_equal(found, expected)
    assert found.attrs.get("pdneuro", {}).get("min_weight") == expected.attrs.get("pdneuro", {}).get(
        "min_weight"
    )
    read = lazy.batches().read_all()
    assert read.num_rows == len(expected)
    assert read.column_names == list(expected.columns)


def test_steps_follow_each_other(brain: Connectome, frame: pd.DataFrame) -> None:
    lazy = brain.threshold(5).reciprocal()
    strong = frame.neuro.threshold(5).neuro.reciprocal()
    pd.testing.assert_frame_equal(lazy.degree(), strong.neuro.degree(), check_like=True)
    options: dict[str, Any] = {"group_by": "cell_type", "values": "reciprocal_weight"}
    pd.testing.assert_frame_equal(lazy.collapse(**options), strong.neuro.collapse(**options))
    matrix, known = lazy.to_sparse(values="reciprocal_weight")
    expected, ids = strong.neuro.to_sparse(values="reciprocal_weight")
    assert (matrix != expected).nnz == 0
    assert known.equals(ids)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"hops": 2, "min_weight": 40},
        {"hops": 3, "min_weight": 30, "upstream": False},
        {"min_weight": 1, "downstream": False, "autapses": False},
    ],
    ids=str,
)
def test_expanded_edges(options: dict[str, Any], brain: Connectome, frame: pd.DataFrame) -> None:
    strong = frame.neuro.threshold(70).assign(size_pre=lambda rows: rows["size_pre"].astype("Int64"))
    expected = strong.neuro.expand(source=brain, **options)
    lazy = brain.annotate().threshold(70).expand(**options)
    assert (expected["hop"] > 1).any() == bool(options)  # by default, the threshold of the table holds

    def arranged(table: pd.DataFrame) -> pd.DataFrame:
        return table.sort_values(["pre", "post"], ignore_index=True)

    found = lazy.to_frame()
    pd.testing.assert_frame_equal(arranged(found), arranged(expected), check_dtype=False)
    assert str(found["size_pre"].dtype) == "Int64"
    for fact in ("min_weight", "direction", "asked", "asked_per_hop"):
        assert found.attrs["pdneuro"][fact] == expected.attrs["pdneuro"][fact]
    pd.testing.assert_series_equal(
        lazy.degree()["in_weight"], found.neuro.degree()["in_weight"].sort_index()
    )
    both = ["pre", "post", "weight"]
    pd.testing.assert_frame_equal(
        arranged(lazy.reciprocal().to_frame())[both], arranged(found)[both], check_dtype=False
    )


def test_expanding_checks_its_arguments(brain: Connectome) -> None:
    with pytest.raises(errors.NodeBudgetError, match="hop 2 would query 2,999 neurons"):
        brain.expand(max_nodes=100)
    with pytest.raises(ValueError, match="hops must be at least 1"):
        brain.expand(0)
    with pytest.raises(ValueError, match="both False"):
        brain.expand(upstream=False, downstream=False)
    everything = brain.expand().to_frame()
    assert everything["hop"].eq(1).all()
    assert len(everything) == 45_000


@pytest.mark.parametrize("dtype", [object, "string", pd.api.types.pandas_dtype("category")], ids=str)
def test_labels_of_groups_keep_their_dtype(dtype: Any, brain: Connectome, frame: pd.DataFrame) -> None:
    labels = pdneuro.sandbox.neurons().set_index("root_id")["cell_class"].iloc[10:].astype(dtype)
    for group_by in (labels, {"pre": labels}, {"post": labels}):
        found = brain.collapse(group_by, sort=True)
        pd.testing.assert_frame_equal(found, frame.neuro.collapse(group_by, sort=True))


def test_similarity_of_some_neurons_reads_their_edges(brain: Connectome, frame: pd.DataFrame) -> None:
    ids = brain.ids.sample(40, random_state=2)
    pd.testing.assert_frame_equal(brain.similarity(ids=ids), frame.neuro.similarity(ids=ids))


def test_partners_are_those_of_a_query(brain: Connectome, neurons: pd.DataFrame) -> None:
    ids = brain.ids.sample(30, random_state=3)
    pd.testing.assert_frame_equal(brain.partners(ids, top=20), ids.neuro.partners(source=brain, top=20))
    types = neurons.set_index("root_id").cell_type
    found = brain.partners(ids, group_by="cell_type", upstream=False, min_weight=3)
    expected = ids.neuro.partners(group_by=types, upstream=False, min_weight=3, source=brain)
    pd.testing.assert_frame_equal(found, expected)


def test_a_dask_frame_has_the_same_rows(brain: Connectome, frame: pd.DataFrame) -> None:
    pytest.importorskip("dask.dataframe")
    lazy = brain.threshold(10).annotate(columns="size").to_dask()
    assert lazy.npartitions > 5
    expected = frame[frame.weight >= 10][["pre", "post", "weight", "size_pre", "size_post"]]
    found = lazy.compute(scheduler="synchronous").reset_index(drop=True)
    assert found.astype("Int64").equals(expected.reset_index(drop=True).astype("Int64"))


def test_batches_are_read_by_duckdb(brain: Connectome) -> None:
    duckdb = pytest.importorskip("duckdb")
    reader = brain.threshold(10).batches()
    connection = duckdb.connect()
    connection.register("edges", reader)
    assert (
        connection.sql("SELECT sum(weight) FROM edges").fetchall()[0][0]
        == brain.threshold(10).to_frame().weight.sum()
    )


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda brain: brain.collapse("typo"), errors.MissingColumnsError),
        (lambda brain: brain.collapse("cell_type", roi=True), errors.MissingColumnsError),
        (lambda brain: brain.threshold(0.5), ValueError),
        (lambda brain: brain.threshold(5, of="axon"), ValueError),
        (lambda brain: brain.fractions("axon"), ValueError),
        (lambda brain: brain.annotate(columns="typo"), errors.MissingColumnsError),
        (
            lambda brain: brain.sign("typo", inhibitory="gaba", excitatory="ach"),
            errors.MissingColumnsError,
        ),
        (lambda brain: brain.sign(inhibitory="serine", excitatory="none"), ValueError),
        (lambda brain: brain.to_matrix(), errors.TooLargeError),
        (lambda brain: brain.to_matrix("side", ids=[1]), ValueError),
        (lambda brain: brain.similar(), AttributeError),
    ],
)
def test_errors_come_before_any_result_is_read(
    call: Callable[[Connectome], Any],
    error: type[Exception],
    brain: Connectome,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pdneuro.graphs.matrix.MAX_DENSE", 100)
    with pytest.raises(error):
        call(brain)


def test_a_lazy_table_of_a_file_can_be_copied(tmp_path: Path) -> None:
    path = tmp_path / "edges.parquet"
    pdneuro.sandbox.edges().to_parquet(path)
    brain = Connectome.from_files(path)
    again = pickle.loads(pickle.dumps(brain))
    pd.testing.assert_frame_equal(again.degree(), copy.copy(brain).degree())


def test_a_connectome_without_edges() -> None:
    brain = Connectome(pdneuro.sandbox.edges().head(0), pd.DataFrame({"root_id": [5], "side": ["left"]}))
    assert brain.edges().to_frame().columns.tolist() == ["pre", "post", "weight"]
    assert brain.degree().empty
    assert brain.collapse("side").empty
    assert brain.fractions().batches().read_all().num_rows == 0


edge_lists = st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(0, 9)), max_size=25)


@given(rows=edge_lists, size=st.integers(1, 5))
@settings(
    deadline=None,
    max_examples=25,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_size_of_pieces(
    rows: list[tuple[int, int, int]], size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pdneuro.connectome.pieces.PIECE", size)
    edges = pd.DataFrame(rows, columns=["pre", "post", "weight"], dtype="int64")
    brain = Connectome(edges)
    pairs = brain.to_frame()
    labels = {1: "a", 2: "a", 3: "b", 4: None}
    pd.testing.assert_frame_equal(brain.edges().to_frame(), pairs)
    pd.testing.assert_frame_equal(brain.degree(), pairs.neuro.degree())
    pd.testing.assert_frame_equal(brain.reciprocal().to_frame(), pairs.neuro.reciprocal())
    pd.testing.assert_frame_equal(brain.fractions().to_frame(), pairs.neuro.fractions())
    pd.testing.assert_frame_equal(brain.collapse(labels), pairs.neuro.collapse(labels))


def test_transmitters_may_be_unknown_without_a_check(brain: Connectome, frame: pd.DataFrame) -> None:
    options: dict[str, Any] = {"inhibitory": "serine", "excitatory": "ach"}
    with pytest.warns(errors.DoubtfulParameterWarning, match="'nt_pre' does not contain serine"):
        brain.sign(**options)
    found = brain.sign(**options, check=False).to_frame()  # does not warn
    expected = frame.neuro.sign(**options, check=False)
    assert found["signed_weight"].tolist() == expected["signed_weight"].tolist()


def test_expanding_twice_continues_to_count_the_hops(brain: Connectome) -> None:
    strong = brain.threshold(70)
    twice = strong.expand(min_weight=40).expand(min_weight=30)
    expected = strong.to_frame().neuro.expand(source=brain, min_weight=40)
    expected = expected.neuro.expand(source=brain, min_weight=30)
    found, expected = (
        table.sort_values(["pre", "post"], ignore_index=True) for table in (twice.to_frame(), expected)
    )
    pd.testing.assert_frame_equal(found, expected)
    assert set(found["hop"]) == {1, 2, 3}


def test_some_neurons_after_a_step(brain: Connectome, frame: pd.DataFrame) -> None:
    ids = brain.ids.sample(40, random_state=2)
    strong = frame.neuro.threshold(8)
    found = brain.threshold(8).similarity(ids=ids)
    pd.testing.assert_frame_equal(found, strong.neuro.similarity(ids=ids))
    assert found.attrs == strong.neuro.similarity(ids=ids).attrs
    assert not found.equals(brain.similarity(ids=ids))
    expanded = brain.threshold(70).expand(min_weight=40)
    matrix = expanded.to_matrix(ids=ids)
    pd.testing.assert_frame_equal(matrix, expanded.to_frame().neuro.to_matrix(ids=ids))
    assert not matrix.equals(brain.to_matrix(ids=ids))
