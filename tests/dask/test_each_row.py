"""Queries of each row, joins, and queries of CAVE, on lazy tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dask
import dask.dataframe as dd
import pandas as pd
import pytest

import pdneuro
import pdneuro.dask
from pdneuro import errors
from pdneuro.sandbox import Sandbox
from tests.dask.lazy_tables import neurons, same

OLD = "cave:minnie65_public@661"


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
    floats = dd.from_pandas(pd.DataFrame({"root_id": [float(720575940600000000), 1.0]}), npartitions=1)
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


def test_splits_of_root_ids_are_found_over_all_partitions(sandbox: Sandbox) -> None:
    pytest.importorskip(
        "caveclient", reason="caveclient holds pandas below 3: the other environment has it"
    )
    table = pdneuro.sandbox.supervoxels().head(8).set_index("id")
    expected = table.neuro.update_roots(source="cave:minnie65_public")
    sandbox.requests.clear()
    lazy = dd.from_pandas(table, npartitions=8).neuro.update_roots(source="cave:minnie65_public")
    assert not sandbox.requests
    assert lazy.npartitions > 6
    with dask.config.set(scheduler="synchronous"):
        found = lazy.compute()
        again = dd.from_pandas(found, npartitions=2).neuro
        with pytest.raises(errors.ColumnExistsError, match="overwrite=True"):
            again.update_roots(source="cave:minnie65_public").compute()
    assert expected["root_id_status"].isin(["split"]).sum() >= 2
    assert found.dtypes.equals(lazy.dtypes)
    pd.testing.assert_frame_equal(found, expected.astype(found.dtypes.to_dict()))
