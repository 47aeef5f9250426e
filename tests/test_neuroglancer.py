"""Links to Neuroglancer, read back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pdneuro
from pdneuro import errors
from pdneuro.neuroglancer import SCENES, link, read_link
from pdneuro.sandbox import Sandbox

IDS = [720575940621522189, 720575940618495860, 720575940643788498]


def segmentation(url: str) -> dict[str, Any]:
    layers = read_link(url)["layers"]
    return next(layer for layer in layers if layer["type"] == "segmentation")


@pytest.mark.parametrize("scene", SCENES)
def test_each_scene_contains_the_segments(scene: str) -> None:
    url = pd.Series(IDS).neuro.link(scene)
    state = read_link(url)
    assert url.startswith(f"{SCENES[scene].viewer}/#!")
    assert " " not in url
    assert '"' not in url
    assert [layer["type"] for layer in state["layers"]] == ["image", "segmentation"]
    assert state["layers"][0]["source"] == SCENES[scene].image
    assert state["layers"][1]["source"] == SCENES[scene].segmentation
    assert state["layers"][1]["segments"] == [str(number) for number in IDS]
    assert state["dimensions"]["x"] == [pytest.approx(SCENES[scene].voxel[0] * 1e-9), "m"]
    assert state["selectedLayer"]["layer"] == state["layers"][1]["name"]


@given(st.lists(st.integers(1, 2**63 - 1), max_size=50))
def test_every_id_is_read_back_exactly(ids: list[int]) -> None:
    url = link(pd.Series(ids, dtype="int64"), "flywire")
    assert [int(text) for text in segmentation(url)["segments"]] == list(dict.fromkeys(ids))


def test_missing_ids_are_skipped_and_duplicates_shown_once() -> None:
    column = pd.Series([IDS[0], None, 0, IDS[0], IDS[1]], dtype="Int64")
    assert segmentation(column.neuro.link("fanc"))["segments"] == [str(IDS[0]), str(IDS[1])]


@pytest.mark.parametrize(
    ("source", "scene"),
    [
        ("fruitfly_fafb_flywire", "flywire"),
        ("fruitfly_fanc_cave", "fanc"),
        ("cave:minnie65_public@1300", "microns"),
        ("cave:v1dd_public", "v1dd"),
    ],
)
def test_the_source_selects_the_scene(source: str, scene: str) -> None:
    with pdneuro.set_options(source=source):
        assert segmentation(pd.Series(IDS).neuro.link())["source"] == SCENES[scene].segmentation


def test_colors_by_a_column_of_groups() -> None:
    table = pd.DataFrame({"root_id": [*IDS, None], "side": ["left", "right", None, "left"]})
    table["root_id"] = pd.array([*IDS, None], "Int64")
    colors = segmentation(table.neuro.link("flywire", color="side"))["segmentColors"]
    assert set(colors) == {str(number) for number in IDS}
    assert colors[str(IDS[0])] != colors[str(IDS[1])]
    assert colors[str(IDS[2])] == "#BBBBBB"


def test_colors_by_numbers_follow_a_scale() -> None:
    table = pd.DataFrame({"root_id": IDS, "score": [0.0, 0.5, 1.0]})
    colors = segmentation(table.neuro.link("flywire", color="score"))["segmentColors"]
    assert list(colors.values()) == ["#440154", "#21918C", "#FDE725"]


def test_numbers_that_are_all_missing_are_grey() -> None:
    table = pd.DataFrame({"root_id": IDS, "score": np.nan})
    colors = segmentation(table.neuro.link("flywire", color="score"))["segmentColors"]
    assert colors == {str(number): "#BBBBBB" for number in IDS}


def test_given_colors_are_used() -> None:
    known = {IDS[0]: "#ff0000", IDS[1]: "#00ff00"}
    colors = segmentation(pd.Series(IDS).neuro.link("flywire", color=known))["segmentColors"]
    assert [colors[str(number)] for number in IDS] == ["#ff0000", "#00ff00", "#BBBBBB"]


def test_many_groups_have_many_colors() -> None:
    table = pd.DataFrame({"root_id": range(1, 31), "kind": [f"T{number}" for number in range(30)]})
    colors = segmentation(table.neuro.link("flywire", color="kind"))["segmentColors"]
    assert len(set(colors.values())) == 30
    parts = np.array(
        [[int(color[place : place + 2], 16) for place in (1, 3, 5)] for color in colors.values()]
    )
    apart = np.abs(parts[:, None] - parts).sum(2) + np.eye(30) * 999
    assert apart.min() > 12


def test_a_given_state_changes_only_in_its_segments() -> None:
    own = {
        "layers": [
            {"type": "image", "source": "precomputed://a", "name": "pictures, and 'quotes' & +"},
            {"type": "segmentation", "source": "precomputed://b", "name": "first"},
            {"type": "segmentation_with_graph", "source": "graphene://c", "name": "second"},
        ],
        "layout": "xy-3d",
    }
    url = pd.Series(IDS).neuro.link(
        own, layer="second", position=(1, 2, 3), units="voxel", viewer="https://x.org/"
    )
    state = read_link(url)
    assert url.startswith("https://x.org/#!")
    assert state["layers"][2]["segments"] == [str(number) for number in IDS]
    assert state["layers"][:2] == own["layers"][:2]
    assert state["position"] == [1, 2, 3]
    assert "segments" not in own["layers"][2]
    assert "position" not in own
    again = pd.Series(IDS[:1]).neuro.link(url, layer="first")
    assert again.startswith("https://x.org/#!")
    assert read_link(again)["layers"][2]["segments"] == [str(number) for number in IDS]
    assert read_link(again)["layers"][1]["segments"] == [str(IDS[0])]


def test_partners_become_a_link_in_the_chain(sandbox: Sandbox, ids: pd.Series) -> None:
    edges = ids.neuro.downstream(min_weight=5)
    url = edges["post"].neuro.link(color=edges.groupby("post")["weight"].sum())
    assert len(segmentation(url)["segments"]) == edges["post"].nunique()


@pytest.mark.parametrize(
    ("ask", "error", "words"),
    [
        (lambda s: s.neuro.link(), errors.InvalidQueryError, "no scene for these IDs"),
        (lambda s: s.neuro.link("flywir"), errors.InvalidQueryError, "Did you mean 'flywire'"),
        (lambda s: s.neuro.link("flywire", color="side"), errors.InvalidQueryError, "on the DataFrame"),
        (lambda s: s.neuro.link({"layers": []}), errors.InvalidQueryError, "does not have a layer of type 'segmentation'"),
        (lambda s: s.neuro.link("flywire", layer="seg"), errors.InvalidQueryError, "segmentation"),
        (lambda s: s.neuro.link("flywire", layer="em"), errors.InvalidQueryError, "Name a layer of segmentation"),
        (lambda s: s.neuro.link("flywire", position=(1, 2, float("nan"))), errors.InvalidQueryError, "nan"),
        (lambda s: s.neuro.link({"layers": None}), errors.InvalidQueryError, "does not have a layer"),
        (lambda s: s.neuro.link({"layers": {1}}), errors.InvalidQueryError, "JSON"),
        (lambda s: s.neuro.link("flywire", color=pd.Series(["a"], name="side")), errors.InvalidQueryError, "color='side'"),
        (lambda s: s.neuro.link("flywire", position=(1, 2)), errors.InvalidQueryError, "three numbers"),
        (lambda s: s.neuro.link("https://x.org/#!https://y/1"), errors.InvalidQueryError, "does not contain a state"),
        (lambda s: pd.Series([7.2e17]).neuro.link("flywire"), errors.PrecisionLossError, "already lost"),
        (lambda s: pd.Series(range(1, 5002)).neuro.link("fanc"), errors.TooLargeError, "5,001"),
        (lambda s: s.to_frame("root_id").neuro.link("fanc", color="sid"), errors.MissingColumnsError, "sid"),
    ],
)  # fmt: skip
def test_wrong_input_is_named(ask: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        ask(pd.Series(IDS))
