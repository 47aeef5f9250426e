"""Columns of structures: compared with a walk through the real tree, and with real columns."""

from __future__ import annotations

import gzip
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pdneuro
from pdneuro import allen, errors
from pdneuro.sandbox import Sandbox
from pdneuro.sandbox.allen import AllenApp
from pdneuro.tables.structure_tree import StructureTree
from tests.conftest import shared

COARSE = [315, 549, 1097, 512]


@pytest.fixture(scope="module")
def walk() -> dict[int, list[int]]:
    """Return the path of each of the 1,327 real structures, by a separate walk through the tree."""
    with gzip.open(shared("allen/structure_graph_1.json.gz")) as file:
        root = json.load(file)["msg"][0]
    paths: dict[int, list[int]] = {}

    def go(node: dict[str, Any], above: list[int]) -> None:
        paths[node["id"]] = [*above, node["id"]]
        for child in node["children"]:
            go(child, paths[node["id"]])

    go(root, [])
    return paths


@pytest.fixture
def real(sandbox: Sandbox, walk: dict[int, list[int]]) -> pd.DataFrame:
    """Serve the real tree, and return its structures as a DataFrame."""
    with gzip.open(shared("allen/structure_graph_1.json.gz")) as file:
        waiting, rows = json.load(file)["msg"], []
    while waiting:
        rows.append(waiting.pop())
        waiting += reversed(rows[-1].pop("children"))
    for row in rows:
        row["structure_id_path"] = f"/{'/'.join(map(str, walk[row['id']]))}/"
    sandbox.allen = AllenApp(rows)
    return pd.DataFrame(rows)


def test_all_1327_structures_agree_with_a_walk_through_the_tree(
    real: pd.DataFrame, walk: dict[int, list[int]]
) -> None:
    ids = real["id"].sample(frac=1, random_state=0)
    assert len(ids) == len(walk) == 1327
    above = ids.neuro.ancestors()
    found = above.groupby("structure_id")["ancestor_id"].agg(list)
    assert {number: found.get(number, []) for number in ids} == {
        n: path[:-1] for n, path in walk.items()
    }
    assert above.index.isin(ids.index).all()
    assert (ids.loc[above.index] == above["structure_id"]).all()

    above = ids.neuro.ancestors(include_self=True)
    found = above.groupby("structure_id")["ancestor_id"].agg(list)
    assert {number: found[number] for number in ids} == walk

    order = real.set_index("id")["graph_order"]
    below = ids.neuro.descendants().groupby("structure_id")["descendant_id"].agg(list)
    for number in walk:
        expected = [other for other, path in walk.items() if number in path[:-1]]
        assert below.get(number, []) == sorted(expected, key=order.get)

    told = ids.neuro.structures("acronym", "name", "parent_structure_id", "depth", "structure_id_path")
    known = real.set_index("id").loc[ids]
    assert told["acronym"].tolist() == known["acronym"].tolist()
    assert told["name"].tolist() == known["name"].tolist()
    assert told["depth"].tolist() == [len(walk[n]) - 1 for n in ids]
    assert told["structure_id_path"].tolist() == known["structure_id_path"].tolist()
    parents = [walk[n][-2] if len(walk[n]) > 1 else None for n in ids]
    assert [None if pd.isna(p) else p for p in told["parent_structure_id"]] == parents

    members = [669, 385, 315, 549, 997]
    rolled = ids.neuro.rollup(members)
    assert rolled.tolist() == [next(p for p in reversed(walk[n]) if p in members) for n in ids]
    assert rolled.dtype == np.int64
    assert ids.neuro.is_under(315).tolist() == [315 in walk[n] for n in ids]
    assert ids.neuro.is_under([315, 549], include_self=False).tolist() == [
        bool({315, 549} & set(walk[n][:-1])) for n in ids
    ]


def test_real_acronyms_colors_and_ids_beyond_float32(real: pd.DataFrame) -> None:
    by_acronym = real["acronym"].neuro.structures("id")
    assert by_acronym["id"].tolist() == real["id"].tolist()
    colors = real["id"].neuro.structures("color", "color_hex_triplet")
    assert colors["color_hex_triplet"].tolist() == real["color_hex_triplet"].tolist()
    assert colors["color"].str.fullmatch("#[0-9a-f]{6}").all()
    assert (real["id"] > 2**24).sum() == 128
    with pytest.raises(errors.PrecisionLossError, match="float32"):
        real["id"].astype("float32").neuro.structures("acronym")
    assert pd.Series(["cm", "CM", "ipf", "IPF"]).neuro.structures("id")["id"].is_unique
    with pytest.raises(errors.AmbiguousStructureError, match=r"'Cm' in column 'where' matches"):
        pd.Series(["VISp", "Cm"], name="where").neuro.rollup([997])
    assert pd.Series(["VISP", "CUL4, 5", "Fiber Tracts"]).neuro.structures("acronym")[
        "acronym"
    ].tolist() == [
        "VISp",
        "CUL4, 5",
        "fiber tracts",
    ]


def test_real_cells_of_the_mouse_are_joined_and_human_ones_are_na(real: pd.DataFrame) -> None:
    file = shared("allen/cell_types_specimen_details_sample.csv")
    cells = pd.read_csv(file, keep_default_na=False, dtype={"structure__id": "int64"})
    joined = cells.neuro.join_structures(
        "acronym", "name"
    )  # no warning, since the table marks them as human
    human = cells["donor__species"] == "Homo Sapiens"
    assert human.sum() == 12
    assert joined.loc[human, "structure_acronym"].isna().all()
    assert (joined.loc[~human, "structure_acronym"] == cells.loc[~human, "structure__acronym"]).all()
    pd.testing.assert_frame_equal(joined[cells.columns], cells)
    with pytest.warns(errors.UnknownIdsWarning, match="12 rows"):
        assert cells["structure__id"].neuro.structures("acronym")["acronym"].isna().sum() == 12


def test_real_unionizes(real: pd.DataFrame) -> None:
    rows = pd.read_csv(shared("allen/unionizes_sample.csv"))
    joined = rows.neuro.join_structures("acronym")
    assert joined["structure_acronym"].notna().all()
    assert joined["structure_acronym"].iloc[0] == real.set_index("id")["acronym"][1030]
    matrix = allen.projection_matrix(
        rows.drop_duplicates(["experiment_id", "structure_id"]).query("hemisphere_id == 2")
    )
    assert set(matrix.columns) <= set(rows["structure_id"])


# -- dtypes of a column -----------------------------------------------------------------------------

KNOWN = [385, 549, 614454277, 997]
CARRIERS = {
    "int32": lambda ids: pd.Series(ids, dtype="int32"),
    "uint64": lambda ids: pd.Series(ids, dtype="uint64"),
    "Int64": lambda ids: pd.Series(ids, dtype="Int64"),
    "float64": lambda ids: pd.Series(ids, dtype="float64"),
    "object": lambda ids: pd.Series(ids, dtype=object),
    "str": lambda ids: pd.Series(list(map(str, ids))),
    "category": lambda ids: pd.Series(ids).astype("category"),
    "category of str": lambda ids: pd.Series(list(map(str, ids))).astype("category"),
    "arrow": lambda ids: pd.Series(ids, dtype="int64[pyarrow]"),
}


@pytest.mark.parametrize("carrier", CARRIERS)
def test_every_dtype_of_ids_gives_the_same_result(carrier: str, sandbox: Sandbox) -> None:
    ids = CARRIERS[carrier](KNOWN)
    table = ids.neuro.structures("id", "acronym")
    assert table["id"].tolist() == KNOWN
    assert table["acronym"].tolist() == ["VISp", "TH", "SuG", "root"]
    assert ids.neuro.rollup([8, 997]).tolist() == [8, 8, 8, 997]
    assert len(ids.neuro.ancestors()) == 6 + 3 + 4
    root = pd.Series([997])
    assert root.neuro.ancestors(include_self=True)["ancestor_id"].tolist() == [997]
    assert root.neuro.ancestors().empty


def test_missing_unknown_void_and_the_left_hemisphere(sandbox: Sandbox) -> None:
    ids = pd.Series([385, None, 0, -385, 4], dtype="Int64", index=list("abcde"), name="structure_id")
    with pytest.warns(
        errors.UnknownIdsWarning, match=r"1 structures \(1 rows\) are not in graph 1: 4"
    ) as seen:
        table = ids.neuro.structures("id", "acronym", "depth")
    assert seen[0].filename == __file__
    assert table.index.tolist() == list("abcde")
    assert table["acronym"].fillna("-").tolist() == ["VISp", "-", "void", "VISp", "-"]
    assert table["id"].fillna(1).tolist() == [385, 1, 1, -385, 1]
    assert str(table["depth"].dtype) == "Int64"
    quiet = {"on_missing": "ignore"}
    assert ids.neuro.rollup(["CTX"], **quiet).fillna(1).tolist() == [688, 1, 1, -688, 1]
    assert ids.neuro.is_under("CTX", **quiet).astype("Int64").fillna(9).tolist() == [1, 9, 0, 1, 9]
    above = ids.neuro.ancestors(include_self=True, **quiet)
    assert above.index.tolist() == ["a"] * 7 + ["d"] * 7
    assert above["ancestor_id"].tolist()[:2] == [997, 8]
    assert above.loc["d", "ancestor_id"].tolist()[-1] == -385
    assert (above.loc["d", "structure_id"] == -385).all()
    assert len(ids.neuro.descendants(**quiet)) == 12
    with pytest.raises(errors.UnknownIdsError, match="not in graph 1: 4"):
        ids.neuro.structures(on_missing="raise")
    floats = pd.Series([385.0, np.nan, 549.0])
    assert floats.neuro.structures("acronym")["acronym"].fillna("-").tolist() == ["VISp", "-", "TH"]
    text = pd.Series(["VISp", None, "-385", "void", " TH "])
    assert text.neuro.structures("id")["id"].fillna(1).tolist() == [385, 1, -385, 1, 549]
    with pytest.warns(errors.UnknownIdsWarning, match="'Thalamus' is 'TH'"):
        pd.Series(["Thalamus"]).neuro.structures("id")


@settings(max_examples=30, deadline=None)
@given(ids=st.lists(st.sampled_from([385, -385, 549, 778, 997, 0, 614454277, None]), max_size=30))
def test_each_method_keeps_rows_and_agrees_with_single_lookups(
    ids: list[int | None], sandbox: Sandbox
) -> None:
    column = pd.Series(ids, dtype="Int64", index=pd.Index(range(100, 100 + len(ids))))
    before = column.copy()
    rolled, under = column.neuro.rollup(COARSE), column.neuro.is_under(COARSE)
    table = column.neuro.structures("acronym")
    above = column.neuro.ancestors()
    for result in (rolled, under, table):
        assert result.index.equals(column.index)
    tree = allen.structure_tree().frame.set_index("id")
    for label, number in column.items():
        if pd.isna(number):
            assert pd.isna(rolled[label])
            assert pd.isna(under[label])
            continue
        path = [int(p) for p in tree["structure_id_path"].get(abs(number), "").split("/") if p]
        sign = -1 if number < 0 else 1
        member = next((p for p in reversed(path) if p in COARSE), None)
        assert (None if pd.isna(rolled[label]) else rolled[label]) == (member and sign * member)
        assert under[label] == (member is not None)
        assert above.loc[[label] if label in above.index else []]["ancestor_id"].tolist() == [
            sign * p for p in path[:-1]
        ]
    pd.testing.assert_series_equal(column, before)


def test_roll_up_by_set_name_id_list_and_acronyms(sandbox: Sandbox) -> None:
    acronyms = pd.Series(["VISp5", "MDRNd", "LGd", "cbf", None])
    by_name = acronyms.neuro.rollup("brain - summary structures")  # its real name has another dash
    assert by_name.fillna("-").tolist() == [
        "VISp",
        "MDRNd",
        "LGd",
        "-",
        "-",
    ]  # nearest: the set overlaps
    assert acronyms.neuro.rollup(167587189).fillna("-").tolist() == by_name.fillna("-").tolist()
    ids = acronyms.neuro.structures("id")["id"]
    assert ids.neuro.rollup(["VIS", "BS"]).fillna(0).tolist() == [669, 343, 343, 0, 0]
    assert ids.neuro.rollup(2).dropna().tolist() == [315, 549]  # a set, not the structure of this ID
    assert ids.neuro.rollup("CTX").dropna().tolist() == [688]
    for wrong in ("Brain - Summary Structure", 999999, ["VISp", "Nowhere"], []):
        with pytest.raises(errors.UnknownStructureError):
            ids.neuro.rollup(wrong)
    with pytest.raises(errors.UnknownStructureError, match="did you mean"):
        ids.neuro.is_under("VISpp")


def test_a_join_keeps_rows_and_dtypes_and_the_given_frame(sandbox: Sandbox) -> None:
    table = pd.DataFrame({"structure_id": [385, 549, 385], "n": [1.5, 2.5, 3.5]}, index=[7, 7, 9])
    before = table.copy()
    joined = table.neuro.join_structures()
    assert list(joined.columns) == [
        "structure_id",
        "n",
        "structure_acronym",
        "structure_name",
        "structure_parent_structure_id",
        "structure_graph_order",
        "structure_color_hex_triplet",
    ]
    pd.testing.assert_frame_equal(joined[["structure_id", "n"]], before)
    pd.testing.assert_frame_equal(table, before)
    assert joined.attrs["pdneuro"]["source"] == "sandbox:allen (synthetic)"
    with pytest.raises(errors.ColumnExistsError, match="structure_acronym"):
        joined.assign(structure_acronym="x").neuro.join_structures("acronym")
    assert joined.neuro.join_structures("acronym", prefix="x_")["x_acronym"].tolist() == [
        "VISp",
        "TH",
        "VISp",
    ]
    renamed = pd.DataFrame({"where": ["VISp"], "acronym": ["TH"]})
    assert renamed.neuro.join_structures("id")["structure_id"].tolist() == [549]
    assert renamed.neuro.join_structures("id", on="where")["structure_id"].tolist() == [385]
    with pytest.raises(errors.AmbiguousColumnError, match="on='region'"):
        pd.DataFrame({"region": ["TH"], "acronym": ["TH"]}).neuro.join_structures()
    with pytest.raises(errors.MissingColumnsError, match="structures"):
        pd.DataFrame({"x": [1]}).neuro.join_structures()
    with pytest.raises(errors.UnknownStructureError, match=r"'colour'.*color"):
        table.neuro.join_structures("colour")


def test_the_tree_is_downloaded_once_and_works_offline(sandbox: Sandbox) -> None:
    ids = pd.Series(KNOWN)
    for _ in range(3):
        ids.neuro.structures()
        ids.neuro.rollup(2)
    assert len(sandbox.requests) == 1
    allen.tree._tree.cache_clear()  # as a new process would be
    with pdneuro.set_options(offline=True):
        assert ids.neuro.structures("acronym")["acronym"].iloc[0] == "VISp"
        with pytest.raises(errors.OfflineError):
            ids.neuro.structures(graph_id=10)
    allen.structure_tree(refresh=True)
    assert len(sandbox.requests) == 2
    assert pd.Series([12141]).neuro.structures("acronym", graph_id=10)["acronym"].tolist() == ["MTG"]
    with pytest.raises(errors.NotFoundError, match="graph 3"):
        allen.structure_tree(3)


def test_the_tree_is_complete_if_the_server_sends_short_pages(sandbox: Sandbox) -> None:
    sandbox.allen.short = 10
    tree = allen.structure_tree()
    assert tree.frame["acronym"].tolist() == [row["acronym"] for row in sandbox.allen.tree]
    assert len(tree.sets) == 39
    assert len(sandbox.requests) == 5  # four with rows, and an empty one


def test_the_tree_is_not_changed_through_its_copies(sandbox: Sandbox) -> None:
    tree = allen.structure_tree()
    frame, sets = tree.frame, tree.sets
    frame["acronym"] = "x"
    sets["set_id"] = 0
    assert tree.frame["acronym"].iloc[0] == "root"
    assert tree.sets["set_id"].min() == 2
    assert "40 structures under root, 4 sets" in repr(tree)
    assert len(tree) == 40


def test_a_table_that_is_not_a_tree_is_rejected() -> None:
    loop = pd.DataFrame(
        {"id": [1, 2], "acronym": ["a", "b"], "name": ["a", "b"], "parent_structure_id": [2, 1]}
    )
    with pytest.raises(errors.InvalidResponseError, match="own ancestors: 1, 2"):
        StructureTree(loop)
    with pytest.raises(errors.InvalidResponseError, match="same ID"):
        StructureTree(loop.assign(id=1))
    with pytest.raises(errors.InvalidResponseError, match="lack the fields 'acronym', 'name'"):
        StructureTree(loop.drop(columns=["acronym", "name"]))
    # A structure whose parent is missing is a root.
    part = StructureTree(loop.assign(parent_structure_id=[9, 1]))
    assert part.frame["depth"].tolist() == [0, 1]


@pytest.mark.parametrize("cells", [[[1], [2]], [True, False], [1.5], [{"a": 1}]])
def test_columns_without_structures_are_errors(cells: list[Any], sandbox: Sandbox) -> None:
    with pytest.raises(errors.InvalidIdError, match="row 0"):
        pd.Series(cells).neuro.structures("acronym")


def test_a_tree_of_another_origin_can_lack_acronyms_and_colors() -> None:
    table = pd.DataFrame({"id": [1, 2, 3], "acronym": ["a", None, "c"], "name": ["A", "B", "C"]})
    tree = StructureTree(table.assign(parent_structure_id=[None, 1, 1]))
    assert tree.locate(pd.Series(["C", "a", "None"])).rows.tolist() == [2, 0, -3]
    assert pd.isna(tree.take(tree.named([2]), "acronym")[0])
    assert "color" not in tree.fields
    with pytest.raises(errors.UnknownStructureError, match="field 'color'") as caught:
        tree.take(tree.named([2]), "color")
    assert "did you mean" not in str(caught.value).lower()
    colored = StructureTree(table.assign(parent_structure_id=[None, 1, 1], color_hex_triplet="FF00AA"))
    assert colored.take(colored.named([2]), "color").tolist() == ["#ff00aa"]
    assert "color" in colored.fields


def test_a_set_is_a_name_or_a_whole_number(sandbox: Sandbox) -> None:
    sets = [[{"id": 2, "name": "first"}], [{"id": 1, "name": "second"}]]
    table = pd.DataFrame({"id": [1, 2], "acronym": ["a", "b"], "name": ["A", "B"]})
    tree = StructureTree(table.assign(parent_structure_id=[None, 1], structure_sets=sets))
    for name, row in ((2, 0), (np.int64(1), 1), (" FIRST ", 0), (2.0, 1), ("b", 1)):
        assert tree.members(name).rows.tolist() == [row]
    with pytest.raises(errors.InvalidIdError, match="booleans"):
        tree.members(True)


def test_categories_of_the_left_hemisphere(sandbox: Sandbox) -> None:
    cells = pd.Series([385, -385, None, 549, -385], dtype="Int64", name="structure_id")
    grouped = cells.astype(pd.CategoricalDtype(pd.array([997, -385, 549, 385], "Int64")))
    expected = cells.neuro.structures("id", "acronym")
    assert expected["id"].fillna(0).tolist() == [385, -385, 0, 549, -385]
    pd.testing.assert_frame_equal(grouped.neuro.structures("id", "acronym"), expected)


def test_shared_acronyms_are_ambiguous(sandbox: Sandbox) -> None:
    rows = [
        {"id": 1, "acronym": "root", "name": "root", "parent_structure_id": None},
        {"id": 2, "acronym": "L1", "name": "layer 1", "parent_structure_id": 1},
        {"id": 3, "acronym": "L1", "name": "layer 1, again", "parent_structure_id": 1},
    ]
    tree = StructureTree(pd.DataFrame(rows).astype({"parent_structure_id": "Int64"}))
    with pytest.raises(errors.AmbiguousStructureError, match=r"L1 \(2\) and L1 \(3\)"):
        tree.locate(pd.Series(["L1"]))
    assert tree.locate(pd.Series([3])).rows.tolist() == [2]


def test_accessors_list_recognized_structures(sandbox: Sandbox) -> None:
    said = repr(pd.DataFrame({"structure_id": [385], "x": [1.0], "y": [1.0], "z": [1.0]}).neuro)
    assert "structures: 'structure_id'" in said
    assert ".join_structures(" in said
    assert ".sample(" in said
    assert ".rollup(" in repr(pd.Series([385], name="structure_id").neuro)
    assert ".at(points)" in repr(allen.annotation_volume(100).neuro)
