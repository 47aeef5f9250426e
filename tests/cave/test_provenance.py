"""The provenance of a table after CAVE columns were joined to it."""

from __future__ import annotations

import pandas as pd
import pytest

import pdneuro
from pdneuro import errors
from pdneuro.sandbox import Sandbox

pytest.importorskip("caveclient", reason="caveclient requires pandas below 3")

SOURCE = "cave:minnie65_public@1300"
TABLE = "proofreading_status"


def test_a_cave_join_keeps_the_threshold_and_direction_of_edges(sandbox: Sandbox) -> None:
    ids = pdneuro.sandbox.root_ids(version=1300).head(20)
    edges = ids.neuro.upstream(min_weight=2, source=SOURCE)
    before = edges.attrs["pdneuro"]
    joined = edges.neuro.join_cave(TABLE, on="pre", multiple="count", source=SOURCE)
    after = joined.attrs["pdneuro"]
    assert (after["min_weight"], after["direction"]) == (2, "upstream")
    assert (after["source"], after["query"].split(" | ")[0]) == (before["source"], before["query"])
    assert before == edges.attrs["pdneuro"]
    with pytest.warns(errors.IncompleteEdgesWarning, match="fewer than 2 synapses"):
        joined.neuro.fractions()


def test_the_queries_of_cave_and_of_another_service_are_listed_apart(sandbox: Sandbox) -> None:
    table = pd.DataFrame(
        {"root_id": pdneuro.sandbox.root_ids(version=1300).head(3), "structure_id": 385}
    )
    table = table.neuro.join_structures("acronym", on="structure_id").neuro.join_structures(
        "name", on="structure_id"
    )
    found = table.neuro.join_cave(TABLE, multiple="count", source=SOURCE).neuro.provenance
    assert found["source"].tolist() == ["sandbox:allen (synthetic)", f"sandbox:{SOURCE} (synthetic)"]
    assert found["queries"].tolist() == [
        "join_structures(graph 1); join_structures(graph 1)",
        f"join_cave({TABLE})",
    ]
