"""Reconstructions: files of all kinds, their problems, and their measurements."""

from __future__ import annotations

import io
import warnings
import zlib
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pdneuro
from pdneuro import errors
from pdneuro.graphs import from_tree, to_tree
from pdneuro.neuromorpho import read_swc
from pdneuro.tables import cable_length, check, morphology, path_distance
from pdneuro.tables.skeletons import unpack_nodes
from tests.conftest import shared

FOLDER = "neuromorpho/swc"
FILES = [
    "101711-10_4p5-of-16_initial.CNG.swc",
    "17.CNG.swc",
    "754538881.swc",
    "96ML.CNG.swc",
    "AK18N3HZ.CNG.swc",
    "Case1_orig.swc",
    "Cell-4-18-06-S1A.CNG.swc",
    "Neuron_missing_parents.swc",
    "NonStandard.swc",
    "cnic_004.CNG.swc",
    "repeated_id.swc",
    "simple_reversed.swc",
    "toydata.swc",
]
COLUMNS = ["neuron", "node", "type", "x", "y", "z", "radius", "parent"]
#: Problems of each file of the shared data, from their README.
PROBLEMS = {
    "Case1_orig": {"duplicate": 2},
    "repeated_id": {"duplicate": 1},
    "Neuron_missing_parents": {"missing parent": 4},
    "NonStandard": {"self-parent": 2, "no coordinates": 1, "no radius": 18, "no soma": 1},
}
ROWS = "1 1 0 0 0 5 -1\n2 3 0 3 4 1 1\n3 3 0 3 14 1 2\n"


def read(text: str | bytes, **how: Any) -> pd.DataFrame:
    content = text.encode() if isinstance(text, str) else text
    return read_swc(io.BytesIO(content), neuron="a", **how)


def slow_length(nodes: pd.DataFrame) -> float:
    """Compute the cable length node by node."""
    place: dict[int, np.ndarray] = {}
    for node, *point in nodes[["node", "x", "y", "z"]].itertuples(index=False):
        place.setdefault(node, np.array(point))
    rows = nodes[["node", "parent", "x", "y", "z"]].itertuples(index=False)
    steps = [
        float(np.linalg.norm(np.array(point) - place[parent]))
        for node, parent, *point in rows
        if parent in place and parent != node
    ]
    return float(np.nansum(steps))


# -- real files -----------------------------------------------------------------------------------


def test_every_real_file_has_a_test() -> None:
    assert sorted(file.name for file in shared(FOLDER).glob("*.swc")) == FILES


@pytest.mark.parametrize("name", FILES)
def test_real_files_are_read_unchanged_and_work_in_every_method(name: str, tmp_path: Path) -> None:
    file = shared(f"{FOLDER}/{name}")
    nodes = read_swc(file)
    plain = pd.read_csv(file, sep=r"\s+", comment="#", header=None)
    assert list(nodes.columns) == COLUMNS
    pd.testing.assert_frame_equal(
        nodes[COLUMNS[1:]].astype(float), plain.iloc[:, :7].astype(float).set_axis(COLUMNS[1:], axis=1)
    )
    name = file.name.removesuffix(".swc").removesuffix(".CNG")
    assert nodes["neuron"].unique().tolist() == [name]
    wrong = check(nodes)
    assert wrong["kind"].value_counts().to_dict() == PROBLEMS.get(name, {})
    assert nodes.attrs["pdneuro"].get("problems", 0) == len(wrong)
    assert cable_length(nodes).loc[name] == pytest.approx(slow_length(nodes))
    found = morphology(nodes).loc[name]
    assert found["nodes"] == len(nodes)
    assert found["max_path_distance"] == path_distance(nodes).max()
    (written,) = nodes.neuro.to_swc(tmp_path / f"{name}.swc")
    pd.testing.assert_frame_equal(read_swc(written), nodes)
    if "duplicate" in PROBLEMS.get(name, {}):
        with pytest.raises(errors.InvalidSwcError, match="check"):
            nodes.neuro.to_networkx()
    else:
        tree = nodes.neuro.to_networkx()
        lengths = [length for *_, length in tree.edges(data="length", default=0.0)]
        assert sum(lengths) == pytest.approx(slow_length(nodes))
        pd.testing.assert_frame_equal(from_tree(tree), nodes)
    if name in PROBLEMS:
        with pytest.raises(errors.InvalidSwcError, match=next(iter(PROBLEMS[name]))):
            read_swc(file, strict=True)
    else:
        pd.testing.assert_frame_equal(read_swc(file, strict=True), nodes)


def test_real_files_as_one_table() -> None:
    files = [shared(f"{FOLDER}/{name}") for name in FILES]
    whole, parts = read_swc(files), [read_swc(file) for file in files]
    assert len(whole) == sum(map(len, parts)) == 13_113
    assert whole.index.equals(pd.RangeIndex(len(whole)))
    assert len(check(whole)) == sum(len(check(part)) for part in parts)
    lengths = pd.concat([cable_length(part) for part in parts])
    assert cable_length(whole).index.tolist() == lengths.index.tolist()
    np.testing.assert_allclose(cable_length(whole), lengths)
    distances = np.concatenate([path_distance(part) for part in parts])
    np.testing.assert_allclose(path_distance(whole), distances)
    assert morphology(whole)["roots"].tolist() == [morphology(part)["roots"].iloc[0] for part in parts]
    two = whole[whole["neuron"].isin(["96ML", "17"])]
    tree = two.neuro.to_networkx()
    assert nx.number_weakly_connected_components(tree) == 2
    pd.testing.assert_frame_equal(from_tree(tree)[COLUMNS[1:]], two[COLUMNS[1:]].reset_index(drop=True))


# -- variants of the format -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        ROWS,
        ROWS.replace("\n", "\r\n"),
        ROWS.replace("\n", "\r"),
        ROWS.rstrip("\n"),
        ROWS.replace(" ", "\t"),
        ROWS.replace(" ", "  \t "),
        ROWS.replace(" ", ","),
        ROWS.replace(" ", ", "),
        "".join(f"  {line}   \n" for line in ROWS.splitlines()),
        "# header\n## again\n\n" + ROWS + "\n# footer",
        ROWS.replace("\n", " # why\n"),
        ROWS.replace("\n2", "\n\n# between\n\n2"),
        "\ufeff" + ROWS,
        ROWS.encode("utf-16"),
        b"# caf\xe9 \xb5m\n" + ROWS.encode(),
        "n T x y z R P\n" + ROWS,
        ROWS.replace("1 1 0 0 0 5 -1", "1.0 1.0 0. 0.0 0e0 5. -1.0"),
        ROWS.replace("\n", " \n\n"),
    ],
    ids=lambda content: repr(content)[:40],
)
def test_all_variants_of_the_format_are_read(content: str | bytes) -> None:
    expected = pd.DataFrame(
        {
            "neuron": pd.Categorical.from_codes(
                [0] * 3, dtype=pd.CategoricalDtype(pd.Index(["a"], dtype=object))
            ),
            "node": [1, 2, 3],
            "type": [1, 3, 3],
            "x": [0.0] * 3,
            "y": [0.0, 3.0, 3.0],
            "z": [0.0, 4.0, 14.0],
            "radius": [5.0, 1.0, 1.0],
            "parent": [-1, 1, 2],
        }
    )
    pd.testing.assert_frame_equal(read(content), expected)
    pd.testing.assert_frame_equal(read(content, strict=True), expected)


def test_further_columns_stay(tmp_path: Path) -> None:
    nodes = read("1 1 0 0 0 5 -1 0.5 a\n2 3 0 3 4 1 1 0.25\n")
    assert list(nodes.columns) == [*COLUMNS, "column_8", "column_9"]
    assert nodes["column_8"].tolist() == ["0.5", "0.25"]
    assert nodes["column_9"].isna().tolist() == [False, True]
    (file,) = nodes.neuro.to_swc(tmp_path / "a.swc")
    back = read_swc(file)
    assert back["column_8"].tolist() == ["0.5", "0.25"]
    assert from_tree(to_tree(nodes))["column_8"].tolist() == ["0.5", "0.25"]


def test_a_radius_that_is_missing_is_nan() -> None:
    for content in ("1 1 0 0 0 NA -1\n2 3 0 3 4 nan 1\n", "1 1 0 0 0 -1\n2 3 0 3 4 1\n"):
        nodes = read(content)
        assert nodes["radius"].isna().all()
        assert nodes["parent"].tolist() == [-1, 1]
        assert check(nodes)["kind"].tolist() == ["no radius"] * 2
    with pytest.warns(errors.UnreadableLinesWarning, match="line 3"):  # a truncated row
        assert len(read("1 1 0 0 0 1 -1\n2 3 0 3 4 1 1\n3 3 0 3 9 1\n")) == 2


def test_commas_are_decimal_points_if_spaces_separate_the_numbers() -> None:
    nodes = read("1 1 0,5 1,5 2,5 1,0 -1\n2;3;1,5;1,5;2,5;1,0;1\n")
    assert nodes["x"].tolist() == [0.5, 1.5]
    assert nodes["parent"].tolist() == [-1, 1]
    assert list(nodes.columns) == COLUMNS


def test_a_comment_is_one_line_whatever_its_letters() -> None:
    nodes = read("# unit 1 \u00c5 9 3 5 5 5 1 1\n1.0 1 0 0 0 1 -1\n2 3 1 0 0 1 1\n", strict=True)
    assert nodes["node"].tolist() == [1, 2]


def test_a_line_with_an_invalid_number_is_skipped() -> None:
    with pytest.warns(errors.UnreadableLinesWarning):
        assert len(read("1 1 0 0 0 1 inf\n2 1 0 0 0 1 -1\n")) == 1


def test_several_files_of_one_name(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1.CNG.swc").write_text(ROWS)
    with pytest.raises(errors.InvalidSwcError, match="several files have the same name: '1'"):
        read_swc(tmp_path.rglob("*.swc"))
    assert len(read_swc(pd.Series([str(tmp_path / "x" / "1.CNG.swc")]))) == 3
    with pytest.raises(TypeError, match="neuron="):
        read_swc([tmp_path / "x" / "1.CNG.swc"], neuron="a")


def test_words_after_the_numbers_are_written_unchanged(tmp_path: Path) -> None:
    nodes = read('1 1 0 0 0 1 -1 "soma" 5\n2 3 1 0 0 1 1\n')
    (file,) = nodes.neuro.to_swc(tmp_path / "a.swc")
    pd.testing.assert_frame_equal(read_swc(file), nodes)


def test_a_node_without_coordinates_is_converted_back_from_a_tree() -> None:
    nodes = read("1 1 0 0 0 1 -1\n2 3 NA NA NA 1 1\n")
    pd.testing.assert_frame_equal(from_tree(to_tree(nodes)), nodes)


def test_large_ids_are_exact() -> None:
    big = 2**53 + 1
    nodes = read(f"{big} 1 0 0 0 1 -1\n{big + 2} 3 0 0 1 1 {big}\n")
    assert nodes["node"].tolist() == [big, big + 2]
    assert cable_length(nodes).tolist() == [1.0]


def test_lines_that_are_not_nodes_are_skipped_with_a_warning() -> None:
    with pytest.warns(errors.UnreadableLinesWarning, match=r"2 lines of a .*line 2 \('broken line'\)"):
        nodes = read("1 1 0 0 0 5 -1\nbroken line\n2 3 0 3 4 1 1\n3.5 3 0 3 4 1 1\n")
    assert nodes["node"].tolist() == [1, 2]
    with pytest.raises(errors.InvalidSwcError, match="unreadable line 2"):
        read("1 1 0 0 0 5 -1\nbroken line\n", strict=True)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("", "contains no nodes"),
        ("# only a comment\n", "contains no nodes"),
        ("what is this\n", "contains no nodes"),
        ("1 2 3\n", "contains no nodes"),
        ("<!DOCTYPE html><html>Not found</html>", "HTML"),
        ("\n  <html></html>", "HTML"),
        ("\ufeff<html></html>", "HTML"),
    ],
)
def test_a_file_that_is_not_a_reconstruction_is_an_error(content: str, match: str) -> None:
    with pytest.raises(errors.InvalidSwcError, match=match):
        read(content)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_swc(tmp_path / "absent.swc")


# -- problems -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("1 1 0 0 0 1 -1\n2 3 0 0 1 1 2\n", [("self-parent", 1, 2)]),
        ("1 1 0 0 0 1 -1\n2 3 0 0 1 1 9\n", [("missing parent", 1, 2)]),
        ("1 1 0 0 0 1 -1\n1 3 0 0 1 1 -1\n", [("duplicate", 1, 1)]),
        ("1 1 0 0 0 1 -1\n2 3 0 0 1 1 3\n3 3 0 0 2 1 2\n", [("cycle", 1, 2), ("cycle", 2, 3)]),
        # The path from node 4 reaches a cycle, but node 4 is not on it.
        (
            "1 1 0 0 0 1 -1\n2 3 0 0 1 1 3\n3 3 0 0 2 1 2\n4 3 0 0 0 1 3\n",
            [("cycle", 1, 2), ("cycle", 2, 3)],
        ),
        ("1 3 0 0 0 1 -1\n2 3 0 0 1 1 1\n", [("no soma", None, None)]),
        ("5 1 0 0 0 1 7\n7 3 0 0 1 1 -1\n", []),
        ("1 1 0 0 0 1 -1\n2 1 0 0 0 1 -1\n", []),
    ],
)
def test_check_names_row_node_and_kind(content: str, expected: list[Any]) -> None:
    wrong = check(read(content))
    cells = wrong[["kind", "row", "node"]].astype(object)
    assert [tuple(row) for row in cells.where(cells.notna(), None).itertuples(index=False)] == expected
    assert wrong.dtypes[["row", "node"]].astype(str).tolist() == ["Int64", "Int64"]
    if expected:
        with pytest.raises(errors.InvalidSwcError, match=expected[0][0]):
            read(content, strict=True)


def test_check_distinguishes_neurons() -> None:
    one, two = read(ROWS), read(ROWS.replace("3 3 0 3 14 1 2", "3 3 0 3 14 1 8"))
    whole = pd.concat([one, two.assign(neuron="b")], ignore_index=True)
    wrong = check(whole)
    assert wrong[["neuron", "row", "node", "kind"]].values.tolist() == [["b", 5, 3, "missing parent"]]


def test_problems_do_not_stop_the_measurements() -> None:
    nodes = read(
        "1 1 0 0 0 1 -1\n2 3 0 0 3 1 3\n3 3 0 0 7 1 2\n4 3 0 0 1 1 1\n5 3 5 0 0 1 5\n6 3 6 0 0 1 99\n"
    )
    assert path_distance(nodes).tolist()[3:] == [1.0, 0.0, 0.0]
    assert path_distance(nodes).iloc[1:3].isna().all()
    assert morphology(nodes).loc["a", ["nodes", "roots", "tips"]].tolist() == [6, 3, 3]


@pytest.mark.parametrize("verb", ["check", "morphology", "cable_length", "path_distance"])
def test_other_tables_are_rejected(verb: str, tmp_path: Path) -> None:
    with pytest.raises(errors.MissingColumnsError, match=r"this table lacks .*parent"):
        getattr(pd.DataFrame({"node": [1], "x": [0.0]}).neuro, verb)()


def test_a_table_without_nodes() -> None:
    empty = read(ROWS).iloc[:0]
    assert check(empty).empty
    assert morphology(empty).empty
    assert cable_length(empty).empty
    assert path_distance(empty).empty
    assert to_tree(empty).number_of_nodes() == 0


# -- trees ----------------------------------------------------------------------------------------


def test_a_tree_grows_from_its_root() -> None:
    tree = read(ROWS).neuro.to_networkx()
    assert nx.is_arborescence(tree)
    assert list(tree.edges(data="length")) == [(1, 2, 5.0), (2, 3, 10.0)]
    assert tree.nodes[2] == {"type": 3, "x": 0.0, "y": 3.0, "z": 4.0, "radius": 1.0, "parent": 1}
    assert nx.shortest_path_length(tree, 1, 3, weight="length") == 15.0
    assert all(type(node) is int for node in tree)


def test_from_tree_rejects_a_graph_that_is_not_a_tree() -> None:
    tree = read(ROWS).neuro.to_networkx()
    tree.add_edge(1, 3)
    with pytest.raises(errors.InvalidSwcError, match="several parents"):
        from_tree(tree)
    with pytest.raises(errors.InvalidSwcError, match="not integers"):
        from_tree(nx.DiGraph([("a", "b")]))
    with pytest.raises(errors.InvalidSwcError, match="nodes lack x, y, z"):
        from_tree(nx.DiGraph([(1, 2)]))


def test_several_neurons_and_one_file(tmp_path: Path) -> None:
    whole = pd.concat([read(ROWS), read(ROWS).assign(neuron="a/b")], ignore_index=True)
    with pytest.raises(errors.InvalidSwcError, match="2 neurons"):
        whole.neuro.to_swc(tmp_path / "x.swc")
    assert [file.name for file in whole.neuro.to_swc(tmp_path / "out")] == ["a.swc", "a%2Fb.swc"]


@st.composite
def forests(draw: st.DrawFn) -> pd.DataFrame:
    """Node tables of any order, any numbers, several roots, any coordinates."""
    count = draw(st.integers(1, 25))
    numbers = draw(st.lists(st.integers(0, 2**62), min_size=count, max_size=count, unique=True))
    parents = [
        numbers[draw(st.integers(0, place - 1))] if place and draw(st.booleans()) else -1
        for place in range(count)
    ]
    floats = st.floats(-1e6, 1e6)
    table = pd.DataFrame(
        {
            "node": numbers,
            "type": draw(st.lists(st.integers(-5, 9), min_size=count, max_size=count)),
            **{
                name: draw(st.lists(floats, min_size=count, max_size=count))
                for name in ("x", "y", "z", "radius")
            },
            "parent": parents,
        }
    )
    order = draw(st.permutations(range(count)))
    return table.take(order).reset_index(drop=True)


@settings(max_examples=60, deadline=None)
@given(nodes=forests())
def test_any_forest_is_read_back_with_its_measurements_and_roots(nodes: pd.DataFrame) -> None:
    from pdneuro.tables import swc

    back = swc.parse(swc.text(nodes).encode(), "a")
    pd.testing.assert_frame_equal(back[COLUMNS[1:]], nodes)
    assert not set(check(nodes)["kind"]) - {"no soma", "no radius"}  # radii may be negative
    assert cable_length(nodes).sum() == pytest.approx(slow_length(nodes), rel=1e-9, abs=1e-6)
    above = dict(zip(nodes["node"], nodes["parent"], strict=True))
    place = nodes.set_index("node")[["x", "y", "z"]]
    for node, distance in zip(nodes["node"], path_distance(nodes), strict=True):
        way = 0.0
        while above[node] != -1:
            way += float(np.linalg.norm(place.loc[node] - place.loc[above[node]]))
            node = above[node]
        assert distance == pytest.approx(way, rel=1e-9, abs=1e-6)
    children = nodes.loc[nodes["parent"] != -1, "parent"].value_counts()
    found = morphology(nodes).iloc[0]
    inner = nodes[(nodes["parent"] != -1) & (nodes["type"] != 1)]
    assert found["branches"] == inner["node"].isin(children.index[children > 1]).sum()
    assert found["tips"] == len(nodes) - len(children)
    pd.testing.assert_frame_equal(from_tree(to_tree(nodes))[COLUMNS[1:]], nodes)


def test_the_table_is_not_modified() -> None:
    nodes = read(ROWS)
    before = nodes.copy(deep=True)
    for verb in ("check", "morphology", "cable_length", "path_distance", "to_networkx"):
        getattr(nodes.neuro, verb)()
    pd.testing.assert_frame_equal(nodes, before)
    assert nodes.attrs == before.attrs


def test_the_repr_counts_neurons_and_problems() -> None:
    assert "reconstructions: 1 neurons\n" in repr(read(ROWS).neuro)
    assert "2 problems" in repr(read("1 3 0 0 0 1 -1\n2 3 0 0 1 1 7\n").neuro)


def test_reading_gives_no_other_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(pdneuro.neuromorpho.read_swc(io.StringIO(ROWS))) == 3


def test_a_file_of_several_neurons_beside_others(tmp_path: Path) -> None:
    body = "1 1 0 0 0 5 -1\n2 2 3 4 0 1 1\n"
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.swc").write_text(body)
    expected = read_swc([tmp_path / f"{name}.swc" for name in "abc"])
    several = tmp_path / "several.swc"
    expected[expected["neuron"] != "c"].to_csv(several, sep=" ", index=False)
    found = read_swc([several, tmp_path / "c.swc"])
    assert found["neuron"].tolist() == ["a", "a", "b", "b", "c", "c"]
    pd.testing.assert_frame_equal(found, expected)


@pytest.mark.parametrize("body", [b"no zlib", zlib.compress(b"half a node")])
def test_a_damaged_skeleton_of_the_cache_is_an_error(body: bytes) -> None:
    with pytest.raises(ValueError, match="an encoded skeleton is damaged: "):
        unpack_nodes(body)
