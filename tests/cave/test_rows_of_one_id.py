"""CAVE tables with several rows per root ID."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from pdneuro.sandbox import Sandbox, cave_data
from pdneuro.sandbox.cave_data import Datastack, datastack

pytest.importorskip("caveclient", reason="caveclient requires pandas below 3")

SOURCE = "cave:minnie65_public@1300"
TABLE = "proofreading_status"


class Reordered:
    """A datastack that sends the rows of its tables in another order."""

    def __init__(self, stack: Datastack, seed: int | None) -> None:
        self._stack, self._seed = stack, seed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stack, name)

    def table(self, name: str, version: int) -> pd.DataFrame | None:
        found = self._stack.table(name, version)
        if found is None:
            return None
        return found[::-1] if self._seed is None else found.sample(frac=1, random_state=self._seed)


@pytest.mark.parametrize("seed", [None, 1], ids=["falling", "shuffled"])
def test_the_first_row_is_the_one_with_the_lowest_id(
    seed: int | None, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = datastack("minnie65_public")
    rows = stack.table(TABLE, 1300)
    rows = rows[rows["pt_root_id"] > 1]
    lowest = rows.sort_values("id").drop_duplicates("pt_root_id").set_index("pt_root_id")
    assert len(lowest) < len(rows)
    monkeypatch.setattr(cave_data, "datastack", lambda name: Reordered(stack, seed))
    ids = pd.Series(lowest.index)
    found = ids.neuro.cave(TABLE, source=SOURCE, multiple="first")
    assert found["id"].tolist() == lowest["id"].tolist()
    assert found["status_axon"].tolist() == lowest["status_axon"].tolist()
    joined = ids.to_frame().neuro.join_cave(TABLE, source=SOURCE, multiple="first")
    assert joined["status_dendrite"].tolist() == lowest["status_dendrite"].tolist()


def test_edges_have_one_order_also_of_neurons_that_are_requested_alone(sandbox: Sandbox) -> None:
    every = datastack("minnie65_public").table("synapses_pni_2", 1300)
    ids = every[every["pre_pt_root_id"] > 1]["pre_pt_root_id"].drop_duplicates().head(4)
    together = ids.neuro.downstream(source=SOURCE)
    alone = [ids[[row]].neuro.downstream(source=SOURCE, refresh=True) for row in ids.index]
    pd.testing.assert_frame_equal(pd.concat(alone, ignore_index=True), together)
    for _, edges in together.groupby("pre"):
        assert edges["post"].is_monotonic_increasing
