"""Points, lines and further layers of links to Neuroglancer, and links as tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdneuro import errors
from pdneuro.neuroglancer import link, link_tables, read_link
from pdneuro.tables.provenance import stamp

IDS = pd.Series([720575940621522189, 720575940618495860], name="root_id")
#: A state of the older viewer of the Seung lab.
OLDER = {
    "layers": [{"type": "segmentation_with_graph", "source": "graphene://x", "name": "seg"}],
    "navigation": {
        "pose": {"position": {"voxelSize": [4, 4, 40], "voxelCoordinates": [1, 2, 3]}},
        "zoomFactor": 8,
    },
    "layout": "xy-3d",
}


def points(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"x": [400_000, 400_008], "y": 200_000, "z": 80_000.5, **columns})


def annotation_layers(url: str) -> list[dict[str, Any]]:
    return [layer for layer in read_link(url)["layers"] if layer["type"] == "annotation"]


def test_points_are_in_nm_in_a_layer_of_the_public_viewer() -> None:
    url = IDS.neuro.link("microns", points=points(id=[17, 18]))
    (layer,) = annotation_layers(url)
    assert layer == {
        "type": "annotation",
        "name": "points",
        "annotationColor": layer["annotationColor"],
        "source": {
            "url": "local://annotations",
            "transform": {"outputDimensions": {"x": [1e-9, "m"], "y": [1e-9, "m"], "z": [1e-9, "m"]}},
        },
        "tab": "annotations",
        "annotations": [
            {"type": "point", "id": "17", "point": [400_000, 200_000, 80_000.5]},
            {"type": "point", "id": "18", "point": [400_008, 200_000, 80_000.5]},
        ],
    }
    # The view is centered on the points, in voxels of 4 x 4 x 40 nm.
    assert read_link(url)["position"] == [100_001, 50_000, pytest.approx(2000.012, abs=1e-3)]


def test_voxels_are_those_of_the_scene() -> None:
    table = pd.DataFrame({"x": [100.0], "y": [50.0], "z": [20.0]})
    url = IDS.neuro.link("v1dd", points=table, position=(1, 2, 3), units="voxel")
    (layer,) = annotation_layers(url)
    size = layer["source"]["transform"]["outputDimensions"]
    assert size == {"x": [9.7e-9, "m"], "y": [9.7e-9, "m"], "z": [45e-9, "m"]}
    assert layer["annotations"][0]["point"] == [100, 50, 20]
    assert read_link(url)["position"] == [1, 2, 3]
    assert link_tables(url).points[["x", "y", "z"]].iloc[0].tolist() == pytest.approx([970, 485, 900])


def test_a_position_is_in_nm() -> None:
    url = IDS.neuro.link("flywire", position=(4_000, 8_000, 40_000))
    assert read_link(url)["position"] == [1000, 2000, 1000]
    own = {
        **read_link(url),
        "dimensions": {"t": [1, "s"], "z": [40e-9, "m"], "y": [4, "nm"], "x": [4, "nm"]},
    }
    own["position"] = [7, 0, 0, 0]
    moved = read_link(IDS.neuro.link(own, position=(4_000, 8_000, 40_000)))
    assert moved["position"] == [7, 1000, 2000, 1000]


def test_each_group_has_its_layer_and_color() -> None:
    table = points(kind=["b", None])
    lines = pd.DataFrame(
        {
            **{f"pre_pt_position_{axis}": [1.0, 2.0] for axis in "xyz"},
            **{f"post_pt_position_{axis}": [3.0, np.nan] for axis in "xyz"},
            "kind": ["b", "c"],
        }
    )
    url = IDS.neuro.link("fanc", points=table, lines=lines, group_by="kind", colors={"b": "#010203"})
    layers = annotation_layers(url)
    assert [layer["name"] for layer in layers] == ["points: b", "points: none", "lines: b"]
    assert [layer["annotationColor"] for layer in layers] == ["#010203", "#BBBBBB", "#010203"]
    # A line without an end is skipped.
    assert layers[2]["annotations"] == [
        {"type": "line", "id": "0", "pointA": [1, 1, 1], "pointB": [3, 3, 3]}
    ]


@given(
    st.lists(st.tuples(*[st.integers(-(10**7), 10**7)] * 3), min_size=1, max_size=20),
    st.sampled_from(["microns", "fanc", OLDER]),
    st.sampled_from(["nm", "voxel"]),
)
def test_points_and_lines_are_read_back(places: list[Any], scene: Any, units: str) -> None:
    table = pd.DataFrame(places, columns=["x", "y", "z"], dtype="int64")
    ends = pd.DataFrame(
        {
            f"{end}_{axis}": table[axis] + shift
            for end, shift in (("pre", 0), ("post", 7))
            for axis in "xyz"
        }
    )
    url = link(IDS, scene, points=table, lines=ends, units=units)
    found = link_tables(url)
    size = {"microns": [4, 4, 40], "fanc": [4.3, 4.3, 45]}.get(str(scene), [4, 4, 40])
    factor = np.array(size if units == "voxel" else [1, 1, 1])
    # A coordinate keeps three digits behind the point of its unit.
    within = 0.0005 * max(size) if scene is OLDER else 1e-6 * factor.max()
    np.testing.assert_allclose(found.points[["x", "y", "z"]], table * factor, rtol=1e-12, atol=within)
    np.testing.assert_allclose(
        found.lines.filter(like="_"), ends * np.tile(factor, 2), rtol=1e-12, atol=within
    )
    assert found.segments["segment_id"].tolist() == IDS.tolist()


def test_a_link_can_be_made_again_from_its_tables() -> None:
    url = IDS.neuro.link("flywire", points=points(side=["left", "right"]), group_by="side")
    tables = link_tables(url)
    again = tables.segments.neuro.link(
        "flywire", on="segment_id", points=tables.points, group_by="layer"
    )
    assert annotation_layers(again)[0]["annotations"][0]["point"] == [400_000, 200_000, 80_000.5]
    assert [layer["name"] for layer in annotation_layers(again)] == ["left", "right"]


def test_a_state_of_the_older_viewer_gets_points_in_its_form() -> None:
    url = IDS.neuro.link(OLDER, points=points(), position=(4, 8, 400))
    state = read_link(url)
    assert "position" not in state
    pose = state["navigation"]["pose"]["position"]
    assert pose == {"voxelSize": [4, 4, 40], "voxelCoordinates": [1, 2, 10]}
    assert state["navigation"]["zoomFactor"] == 8
    layer = state["layers"][-1]
    assert layer["voxelSize"] == [4, 4, 40]
    assert "source" not in layer
    assert layer["annotations"][0]["point"] == [100_000, 50_000, pytest.approx(2000.0125, abs=1e-3)]
    assert OLDER["navigation"]["pose"]["position"]["voxelCoordinates"] == [1, 2, 3]


def test_points_of_the_older_viewer_are_in_its_voxels_or_in_those_of_their_layer() -> None:
    layer = {
        "type": "annotation",
        "name": "a",
        "annotations": [{"type": "point", "id": "1", "point": [10, 20, 30]}],
    }
    for size, expected in ((None, [40, 80, 1200]), ([8, 8, 40], [80, 160, 1200])):
        own = layer if size is None else {**layer, "voxelSize": size}
        found = link_tables({**OLDER, "layers": [*OLDER["layers"], own]}).points
        assert found[["x", "y", "z"]].values.tolist() == [expected]
    with pytest.raises(errors.InvalidQueryError, match="no valid voxelSize"):
        link_tables({**OLDER, "layers": [{**layer, "voxelSize": [8, 8]}]})


def test_hidden_segments_and_a_matrix_are_read() -> None:
    state = {
        "dimensions": {"x": [8e-9, "m"], "y": [8e-9, "m"], "z": [8e-9, "m"]},
        "layers": [
            {"type": "segmentation", "name": "a", "segments": ["!5", "720575940621522189"]},
            {
                "type": "annotation",
                "name": "b",
                "source": {
                    "url": "local://annotations",
                    "transform": {
                        "outputDimensions": {"x": [4e-9, "m"], "y": [4e-9, "m"], "z": [4e-8, "m"]},
                        "matrix": [[2, 0, 0, 10], [0, 1, 0, 0], [0, 0, 1, 0]],
                    },
                },
                "annotations": [
                    {"type": "point", "id": "1", "point": [1, 2, 3]},
                    {"type": "axis_aligned_bounding_box", "id": "2", "pointA": [0, 0, 0], "pointB": [1, 1, 1]},
                ],
            },
            {"type": "annotation", "name": "c", "source": "local://annotations",
             "annotations": [{"type": "point", "id": "1", "point": [1, 2, 3], "description": "here"}]},
        ],
    }  # fmt: skip
    found = link_tables(state)
    assert found.segments["visible"].tolist() == [False, True]
    assert found.segments["segment_id"].tolist() == [5, 720575940621522189]
    assert found.points[["x", "y", "z"]].values.tolist() == [[48, 8, 120], [8, 16, 24]]
    assert found.points["description"].tolist() == ["", "here"]
    assert found.points.attrs["pdneuro"]["positions"] == "nm"
    assert not len(found.lines)
    assert found.lines["pre_x"].dtype == "float64"


def test_further_layers_are_appended_unchanged() -> None:
    layer = {
        "type": "segmentation",
        "source": "precomputed://gs://x",
        "name": "nuclei",
        "visible": False,
    }
    url = IDS.neuro.link("microns", layers=[layer])
    assert read_link(url)["layers"][2] == layer
    assert read_link(url)["layers"][1]["segments"] == [str(number) for number in IDS]


def test_positions_of_a_result_are_recognized() -> None:
    table = pd.DataFrame({f"{end}_pt_position_{axis}": [n] for n, end in enumerate(["pre", "ctr", "post"])
                          for axis in "xyz"})  # fmt: skip
    (layer,) = annotation_layers(IDS.neuro.link("microns", points=table))
    assert layer["annotations"][0]["point"] == [1, 1, 1]
    stamped = stamp(table, source="x", query="y", positions="voxel")
    with pytest.raises(errors.InvalidQueryError, match="in voxel"):
        IDS.neuro.link("microns", points=stamped)
    assert annotation_layers(IDS.neuro.link("microns", points=stamped, units="voxel"))


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"points": pd.DataFrame({"a": [1]})}, errors.MissingColumnsError, "three columns of positions"),
        ({"lines": points()}, errors.MissingColumnsError, "both ends"),
        ({"points": points().iloc[:, [0, 0, 1, 2]]}, errors.AmbiguousColumnError, "points have several columns 'x'"),
        ({"points": pd.DataFrame({f"{n}_{a}": [1] for n in "ab" for a in "xyz"})}, errors.AmbiguousColumnError, "a, b"),
        ({"points": points(), "group_by": "kin"}, errors.MissingColumnsError, "kin"),
        ({"group_by": "kind"}, errors.InvalidQueryError, "points= or lines="),
        ({"points": points(), "colors": "red"}, errors.InvalidQueryError, "#rrggbb"),
        ({"points": points(), "colors": {"a": "#010203"}}, errors.InvalidQueryError, "group_by="),
        ({"points": points(k="a"), "group_by": "k", "colors": {"b": "#010203"}}, errors.InvalidQueryError, "Groups: a"),
        ({"points": pd.DataFrame({a: range(5001) for a in "xyz"})}, errors.TooLargeError, "5,001"),
        ({"layers": [{"type": "image", "source": "x"}]}, errors.InvalidQueryError, "no name"),
        ({"layers": [{"type": "imgae", "source": "x", "name": "y"}]}, errors.InvalidQueryError, "Did you mean 'image'"),
        ({"layers": [{"type": "image", "name": "y"}]}, errors.InvalidQueryError, "no source"),
        ({"layers": [{"type": "image", "source": "x", "name": "em"}]}, errors.InvalidQueryError, "already has"),
        ({"layers": [{"type": "image", "source": {1}, "name": "y"}]}, errors.InvalidQueryError, "JSON"),
        ({"layers": [5]}, errors.InvalidQueryError, "layer 0 is a int, not a mapping"),
        ({"units": "um"}, ValueError, "'nm' or 'voxel'"),
    ],
)  # fmt: skip
def test_wrong_points_and_layers_are_named(
    options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        IDS.neuro.link("microns", **options)


def test_ids_that_are_not_unique_do_not_name_points() -> None:
    (layer,) = annotation_layers(IDS.neuro.link("microns", points=points(id=[17, 17])))
    assert [one["id"] for one in layer["annotations"]] == ["0", "1"]


@pytest.mark.parametrize("size", [0, -4e-9, float("nan"), float("inf"), None])
def test_a_size_of_voxels_is_a_positive_number(size: float | None) -> None:
    own = {
        "layers": [{"type": "segmentation", "source": "precomputed://b", "name": "a"}],
        "dimensions": {"x": [size, "m"], "y": [4e-9, "m"], "z": [4e-8, "m"]},
    }
    with pytest.raises(errors.InvalidQueryError, match="no size of voxels"):
        IDS.neuro.link(own, position=(1, 2, 3))


def test_nm_need_a_size_of_voxels() -> None:
    own = {"layers": [{"type": "segmentation", "source": "precomputed://b", "name": "a"}]}
    with pytest.raises(errors.InvalidQueryError, match="no size of voxels"):
        IDS.neuro.link(own, position=(1, 2, 3))
    # A layer of points has its own.
    assert link_tables(IDS.neuro.link(own, points=points())).points["x"].tolist() == [400_000, 400_008]


@pytest.mark.parametrize(
    "wrong",
    [
        {"position": "abc"},
        {"position": 5},
        {"position": [1, None, 3]},
        {"points": 5},
        {"points": pd.DataFrame({"x": ["a"], "y": 1, "z": 1})},
        {"points": pd.DataFrame({"x": [1], "y": 1, "z": 1}), "group_by": "x", "colors": ["#000000"]},
        {"layers": None},
        {"scene": {"layers": 5}},
    ],
)
def test_wrong_values_are_errors_of_the_link(wrong: dict[str, Any]) -> None:
    with pytest.raises(errors.InvalidQueryError):
        pd.Series([5]).neuro.link(**{"scene": "flywire", **wrong})


@pytest.mark.parametrize(
    "state",
    [
        5,
        {"layers": {"a": {}}},
        {"layers": [{"type": "segmentation", "segments": 5}]},
        {"layers": [{"type": "annotation", "annotations": 5}]},
        {
            "navigation": {"pose": {"position": {"voxelSize": ["a", 1, 2]}}},
            "layers": [{"annotations": [{"type": "point", "point": [1, 2, 3]}]}],
        },
        {
            "navigation": {},
            "layers": [{"voxelSize": [4, 4], "annotations": [{"type": "point", "point": [1, 2, 3]}]}],
        },
    ],
)
def test_states_with_other_shapes_are_errors(state: Any) -> None:
    with pytest.raises(errors.InvalidQueryError):
        link_tables(state)


@pytest.mark.parametrize(
    ("point", "matrix", "words"),
    [
        ([1, 2], None, r"'marks' has a position that is not three numbers: \[1, 2\]"),
        ([1, 2, "a"], None, r"'marks' has a position that is not three numbers: \[1, 2, 'a'\]"),
        (None, None, "'marks' has a position that is not three numbers: None"),
        ([1, 2, 3], [[1, 0], [0, 1]], "'marks' has a position that is not three numbers"),
        ([1, 2, 3], [["a"]], r"'marks' has a matrix that is not numbers: \[\['a'\]\]"),
        ([1, 2, 3], [[1, 0], [0]], r"'marks' has a matrix that is not numbers: \[\[1, 0\], \[0\]\]"),
    ],
)
def test_positions_of_a_link_are_three_numbers(point: Any, matrix: Any, words: str) -> None:
    size = {axis: [1e-9, "m"] for axis in "xyz"}
    transform = {"outputDimensions": size, **({} if matrix is None else {"matrix": matrix})}
    layer = {"name": "marks", "source": {"url": "local://annotations", "transform": transform}}
    layer["annotations"] = [{"type": "point", "point": point}]
    with pytest.raises(errors.InvalidQueryError, match=words):
        link_tables({"layers": [layer]})
