"""Trees, spaces and caches of pdneuro.allen.sdk: values of allensdk, its folders, its files."""

from __future__ import annotations

import csv
import gzip
import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pdneuro
from pdneuro import errors
from pdneuro.allen import sdk
from pdneuro.sandbox import Sandbox

nrrd = pytest.importorskip("nrrd")
xarray = pytest.importorskip("xarray")

DATA = Path(os.environ.get("PDNEURO_TEST_DATA", "/nothing"))
TREE = [
    {"id": 997, "acronym": "root", "structure_id_path": [997], "structure_set_ids": []},
    {"id": 8, "acronym": "grey", "structure_id_path": [997, 8], "structure_set_ids": [2]},
    {"id": 614454277, "acronym": "SOC", "structure_id_path": [997, 8, 614454277], "structure_set_ids": [2]},
    {"id": 385, "acronym": "VISp", "structure_id_path": [997, 385], "structure_set_ids": [3]},
]  # fmt: skip


@pytest.fixture
def tree() -> sdk.StructureTree:
    return sdk.StructureTree([{**node, "rgb_triplet": [row, 0, 0]} for row, node in enumerate(TREE)])


# -- trees -----------------------------------------------------------------------------------------


@given(st.lists(st.integers(-1, 30), max_size=30), st.permutations(range(30)))
def test_relations_are_those_of_the_parents(parents: list[int], names: list[int]) -> None:
    """A node's parent is an earlier node or none; the IDs and the order of the nodes are arbitrary."""
    nodes = [
        {"id": f"n{names[row]}", "up": f"n{names[parent % row]}" if row and parent >= 0 else None}
        for row, parent in enumerate(parents)
    ]
    nodes.sort(key=lambda node: str(node["id"]))
    tree = sdk.SimpleTree(nodes, lambda node: node["id"], lambda node: node["up"])
    up = {node["id"]: node["up"] for node in nodes}
    assert tree.node_ids() == [node["id"] for node in nodes]
    for number, line in zip(tree.node_ids(), tree.ancestor_ids(tree.node_ids()), strict=True):
        assert line[0] == number
        assert [up[each] for each in line] == [*line[1:], None]
    below = dict(zip(tree.node_ids(), tree.descendant_ids(tree.node_ids()), strict=True))
    for number, line in below.items():
        expected = [number]
        for child in tree.child_ids([number])[0]:
            expected += below[child]
        assert line == expected
    assert sum(map(len, below.values())) == sum(map(len, tree.ancestor_ids(tree.node_ids())))


def test_nodes_are_the_dictionaries_of_the_caller(tree: sdk.StructureTree) -> None:
    first = tree.nodes()[0]
    assert tree.nodes([997])[0] is first
    assert tree.parents([8])[0] is first
    assert tree.nodes([1, 8]) == [None, tree.nodes([8])[0]]


@pytest.mark.parametrize(
    "call",
    [
        lambda tree: tree.parent_ids([1]),
        lambda tree: tree.child_ids([8, 1]),
        lambda tree: tree.descendant_ids([1]),
        lambda tree: tree.get_structures_by_acronym(["VISq"]),
    ],
)
def test_an_unknown_node_is_a_key_error(tree: sdk.StructureTree, call: Any) -> None:
    with pytest.raises(KeyError, match=r"does not contain (1|'VISq')\.") as caught:
        call(tree)
    assert isinstance(caught.value, errors.UnknownStructureError)


def test_a_parent_that_is_not_in_the_tree_is_named() -> None:
    with pytest.raises(errors.UnknownNodeError, match="997"):
        sdk.StructureTree(TREE[1:])


def test_a_circle_of_parents_ends() -> None:
    nodes = [{"id": 1, "up": 2}, {"id": 2, "up": 1}]
    with pytest.raises(errors.InvalidResponseError, match="their own ancestors"):
        sdk.SimpleTree(nodes, lambda node: node["id"], lambda node: node["up"])


def test_a_repeated_key_is_a_runtime_error(tree: sdk.StructureTree) -> None:
    with pytest.raises(RuntimeError, match="several nodes have the key"):
        tree.value_map(lambda node: len(node["structure_id_path"]), lambda node: node["id"])


def test_records_of_the_service_are_not_changed() -> None:
    record = {"id": 8, "color_hex_triplet": "019399", "structure_id_path": "/997/8/", "weight": 5,
              "structure_sets": [{"id": 2, "name": "a"}, {"id": 1, "name": "b"}]}  # fmt: skip
    before = json.loads(json.dumps(record))
    [node] = sdk.StructureTree.clean_structures([record])
    assert record == before
    assert node == {
        "id": 8, "rgb_triplet": [1, 147, 153], "structure_id_path": [997, 8], "structure_set_ids": [2, 1],
    }  # fmt: skip
    assert sdk.StructureTree.clean_structures([node]) == [node]
    assert sdk.StructureTree.clean_structures(pd.DataFrame([record]), whitelist=["id"]) == [{"id": 8}]


def test_a_field_has_the_function_and_the_name_that_the_call_gives() -> None:
    record = {"id": 8, "color_hex_triplet": "019399", "structure_id_path": "/997/8/"}
    fields = ["id", "color_hex_triplet", "structure_id_path"]
    clean = sdk.StructureTree.clean_structures
    color, path = [1, 147, 153], [997, 8]
    assert clean([record], fields) == [{"id": 8, "rgb_triplet": color, "structure_id_path": path}]
    assert clean([record], fields, renames={"id": "number"}) == [
        {"number": 8, "color_hex_triplet": color, "structure_id_path": path}
    ]
    assert clean([record], fields, data_transforms={"id": str}) == [
        {"id": "8", "rgb_triplet": "019399", "structure_id_path": "/997/8/"}
    ]


@pytest.mark.parametrize("color", ["08858C", "#08858c", [8, 133, 140], np.array([8, 133, 140])], ids=str)
def test_a_color_is_three_numbers(color: Any) -> None:
    found = sdk.StructureTree.hex_to_rgb(color)
    assert isinstance(found, list)
    assert found == [8, 133, 140]


def test_relations_without_ids_are_those_of_all() -> None:
    parents = {997: None, 8: 997, 385: 8}
    rows = [
        {"id": number, "acronym": f"a{number}", "parent_structure_id": parent, "structure_id_path": path}
        for (number, parent), path in zip(
            parents.items(), ["/997/", "/997/8/", "/997/8/385/"], strict=True
        )
    ]
    with pytest.warns(DeprecationWarning, match="StructureTree"):
        ontology = sdk.Ontology(pd.DataFrame(rows).set_index("id", drop=False))
    assert ontology.get_child_ids([]) == {997: {8}, 8: {385}}
    assert ontology.get_descendant_ids([]) == {997: {997, 8, 385}, 8: {8, 385}, 385: {385}}
    assert ontology.get_child_ids([8, 385]) == {385}


def test_overlaps_and_sets(tree: sdk.StructureTree) -> None:
    assert tree.has_overlaps([8, 614454277, 385]) == {8}
    assert tree.get_structure_sets() == {2, 3}
    assert [node["id"] for node in tree.get_structures_by_set_id([3, 2])] == [8, 614454277, 385]


@pytest.mark.skipif(not (DATA / "allen").exists(), reason="PDNEURO_TEST_DATA has no allen folder")
def test_the_tree_of_the_adult_mouse() -> None:
    content = json.loads(gzip.decompress((DATA / "allen/structure_graph_1.json.gz").read_bytes()))
    waiting, records = list(content["msg"]), []
    while waiting:
        record = waiting.pop()
        waiting += record.pop("children")
        records.append(record)
    paths = {record["id"]: record["parent_structure_id"] for record in records}

    def path(number: int | None) -> list[int]:
        return [] if number is None else [*path(paths[number]), number]

    tree = sdk.StructureTree([{**record, "structure_id_path": path(record["id"])} for record in records])
    assert len(tree.descendant_ids([997])[0]) == 1327
    assert [line[::-1] for line in tree.ancestor_ids(paths)] == [path(number) for number in paths]
    # Members of Beryl and Cosmos exist, and no member of one contains another.
    for name, count in (("Beryl", 306), ("Cosmos", 10)):
        members = list(pdneuro.tables.mappings.MAPPINGS[name.lower()])
        assert len(members) == count
        assert tree.has_overlaps(members) == set()


# -- spaces ----------------------------------------------------------------------------------------

LABELS = np.array([[[0, 997], [8, 614454277]], [[385, 385], [614454277, 7]]])


@pytest.mark.parametrize("dtype", ["uint32", "int64", "float64", ">u4"])
def test_masks_and_counts(tree: sdk.StructureTree, dtype: str) -> None:
    space = sdk.ReferenceSpace(tree, LABELS.astype(dtype), [25, 25, 25])
    assert space.direct_voxel_map == {997: 1, 8: 1, 614454277: 2, 385: 2}
    assert space.total_voxel_map == {997: 6, 8: 3, 614454277: 2, 385: 2}
    for number, mask in space.many_structure_masks(tree.node_ids()):
        below = tree.descendant_ids([number])[0]
        np.testing.assert_array_equal(mask, np.isin(LABELS, below))
        assert mask.dtype == np.uint8
    direct = space.make_structure_mask([8, 385], direct_only=True)
    np.testing.assert_array_equal(direct, np.isin(LABELS, [8, 385]))


def test_ids_that_lost_digits_are_not_masked(tree: sdk.StructureTree) -> None:
    space = sdk.ReferenceSpace(tree, LABELS.astype("float32"), [25, 25, 25])
    with pytest.raises(errors.PrecisionLossError):
        space.make_structure_mask([8])


def test_coverage_is_signed(tree: sdk.StructureTree) -> None:
    space = sdk.ReferenceSpace(tree, LABELS, [25, 25, 25])
    domain = np.zeros(LABELS.shape, np.uint8)
    domain[0] = 1
    overlaps, coverage = space.validate_structures([8, 385], domain)
    assert overlaps == set()
    assert coverage.tolist() == [[[1, 1], [0, 0]], [[-1, -1], [-1, 0]]]
    with pytest.raises(errors.InvalidVolumeError, match="shape"):
        space.check_coverage([8], domain[0])


def test_structures_without_voxels_are_removed(tree: sdk.StructureTree) -> None:
    space = sdk.ReferenceSpace(tree, np.full((2, 2, 2), 614454277), [25, 25, 25])
    assert [node["id"] for node in space.remove_unassigned(update_self=False)] == [997, 8, 614454277]
    assert len(space.structure_tree.nodes()) == 4
    space.remove_unassigned()
    assert space.structure_tree.node_ids() == [997, 8, 614454277]


def test_slices_and_small_labels(tree: sdk.StructureTree, tmp_path: Path) -> None:
    space = sdk.ReferenceSpace(tree, np.where(LABELS == 7, 0, LABELS), [10, 25, 25])
    image = space.get_slice_image(0, 10)
    assert image.dtype == np.uint8
    assert image.tolist() == [[[3, 0, 0]] * 2, [[2, 0, 0], [0, 0, 0]]]
    with pytest.raises(errors.InvalidVolumeError, match="no slice at 990"):
        space.get_slice_image(0, 990)
    with pytest.raises(errors.InvalidVolumeError, match="no color"):
        space.get_slice_image(0, 10, cmap={385: [1, 2, 3]})
    space.write_itksnap_labels(tmp_path / "labels.nrrd", tmp_path / "labels.txt")
    annotation, labels = space.export_itksnap_labels(np.uint32)  # has a place for every ID
    assert annotation is space.annotation
    assert labels["IDX"].tolist() == tree.export_label_description()["IDX"].tolist()
    values, _ = nrrd.read(str(tmp_path / "labels.nrrd"))
    table = pd.read_csv(tmp_path / "labels.txt", sep=" ", header=None)
    assert values.dtype == np.uint16
    names = dict(zip(table[0], table[7], strict=True))
    assert [names.get(number) for number in values[1].ravel()] == ["VISp", "VISp", "SOC", None]


def test_a_mask_is_written_once(tmp_path: Path) -> None:
    write, path = sdk.ReferenceSpace.check_and_write, tmp_path / "structure_385.nrrd"
    assert write(tmp_path, 385, lambda: np.ones((2, 2, 2), np.uint8)) == 385
    first = path.read_bytes()
    assert write(tmp_path, 385, lambda: np.zeros((2, 2, 2), np.uint8)) == 385
    assert path.read_bytes() == first


@pytest.mark.parametrize("number", ["VISp", None, [385]], ids=str)
def test_what_is_not_an_id_of_a_structure_is_named(number: Any) -> None:
    with pytest.raises(errors.InvalidIdError, match=rf"^{re.escape(repr(number))} is not the ID"):
        sdk.ReferenceSpaceCache.validate_structure_ids([385, number])


# -- folders ---------------------------------------------------------------------------------------


def volume(path: Path, values: Any) -> None:
    kind = {"float32": "float", "uint32": "unsigned int"}[values.dtype.name]
    head = f"NRRD0004\ntype: {kind}\ndimension: 3\nsizes: {' '.join(map(str, values.shape))}\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(f"{head}endian: little\nencoding: raw\n\n".encode() + values.tobytes(order="F"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder as allensdk leaves it: its manifest, and files in its formats."""
    entries = [
        {"type": "manifest_version", "value": 1.3},
        {"key": "BASEDIR", "type": "dir", "spec": "."},
        {"key": "STRUCTURE_TREE", "type": "file", "spec": "structures.json", "parent_key": "BASEDIR"},
        {"key": "REFERENCE_SPACE_VERSION", "type": "dir", "spec": "%s", "parent_key": "BASEDIR"},
        {"key": "ANNOTATION", "type": "file", "spec": "annotation_%d.nrrd",
         "parent_key": "REFERENCE_SPACE_VERSION"},
        {"key": "EXPERIMENTS", "type": "file", "spec": "experiments.json", "parent_key": "BASEDIR"},
        {"key": "STRUCTURE_UNIONIZES", "type": "file",
         "spec": "experiment_%d/structure_unionizes.csv", "parent_key": "BASEDIR"},
        {"key": "PROJECTION_DENSITY", "type": "file",
         "spec": "experiment_%d/projection_density_%d.nrrd", "parent_key": "BASEDIR"},
    ]  # fmt: skip
    place = tmp_path / "100%_allen"
    place.mkdir()
    (place / "manifest.json").write_text(json.dumps({"manifest": entries}))
    nodes = [{**node, "name": node["acronym"], "graph_id": 1} for node in TREE]
    (place / "structures.json").write_text(json.dumps(nodes, indent=2))
    experiments = [
        {"data_set_id": 5, "structure_id": 8, "structure_abbrev": "grey", "injection_structures": "8/385",
         "transgenic_line": {"name": "Emx1-IRES-Cre"}, "storage_directory": "/a/"},
        {"data_set_id": 6, "structure_id": 385, "structure_abbrev": "VISp", "injection_structures": "385",
         "transgenic_line": None, "storage_directory": "/b/"},
    ]  # fmt: skip
    (place / "experiments.json").write_text(json.dumps(experiments))
    rows = pd.DataFrame(
        {"experiment_id": 5, "structure_id": [8, 8, 385, 385], "hemisphere_id": [1, 2, 1, 2],
         "is_injection": [False, False, False, True], "projection_volume": [0.1, 0.2, 0.3, 0.7]}
    )  # fmt: skip
    (place / "experiment_5").mkdir()
    rows.to_csv(place / "experiment_5" / "structure_unionizes.csv")
    volume(place / "experiment_5" / "projection_density_25.nrrd", np.ones((2, 3, 4), np.float32))
    volume(place / "annotation" / "ccf_2017" / "annotation_25.nrrd", LABELS.astype(np.uint32))
    return place


def test_a_folder_of_allensdk_is_read_without_a_request(sandbox: Sandbox, folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    mcc = sdk.MouseConnectivityCache(manifest_file=folder / "manifest.json")
    assert mcc.get_structure_tree().child_ids([997]) == [[8, 385]]
    found = mcc.get_experiments()
    assert found[0] == {
        "structure_id": 8, "structure_abbrev": "grey", "injection_structures": [8, 385], "id": 5,
        "transgenic_line": "Emx1-IRES-Cre", "primary_injection_structure": 8,
    }  # fmt: skip
    assert [each["id"] for each in mcc.get_experiments(cre=["emx1-ires-cre"])] == [5]
    assert [each["id"] for each in mcc.get_experiments(cre=False)] == [6]
    assert mcc.get_experiments(dataframe=True, injection_structure_ids=[997]).index.tolist() == [5, 6]
    none = mcc.get_experiments(dataframe=True, cre=["absent"])
    assert none.empty
    assert {"id", "transgenic_line"} < {*none.columns}
    rows = mcc.get_structure_unionizes([5], structure_ids=[997], include_descendants=True)
    assert rows["projection_volume"].tolist() == [0.1, 0.2, 0.3, 0.7]
    assert rows.columns.tolist() == sorted(rows.columns)
    matrix = mcc.get_projection_matrix([5], [8, 385], [1, 2])
    np.testing.assert_array_equal(matrix["matrix"], [[0.1, 0.3, 0.2, np.nan]])
    assert [column["label"] for column in matrix["columns"]] == ["grey-L", "VISp-L", "grey-R", "VISp-R"]
    values, header = mcc.get_projection_density(5)
    assert (values.shape, header["encoding"]) == ((2, 3, 4), "raw")
    assert mcc.get_reference_space().total_voxel_map[8] == 3
    assert sandbox.requests == []
    assert sorted(folder.rglob("*")) == before


def test_files_are_downloaded_once(sandbox: Sandbox, tmp_path: Path) -> None:
    mcc = sdk.MouseConnectivityCache(100, manifest_file=tmp_path / "new" / "manifest.json")
    first = mcc.get_structure_unionizes([100140756], is_injection=False)
    mcc.get_projection_density(100140756)
    count = len(sandbox.requests)
    assert count
    with pdneuro.set_options(cache_dir=tmp_path / "other", offline=True):
        again = sdk.MouseConnectivityCache(100, manifest_file=tmp_path / "new" / "manifest.json")
        rows = again.get_structure_unionizes([100140756], is_injection=False)
        pd.testing.assert_frame_equal(rows, first)
        assert again.get_projection_density(100140756)[0].shape == (12, 8, 10)
        with pytest.raises(errors.OfflineError):
            again.get_projection_density(112670853)
    assert len(sandbox.requests) == count
    service = pdneuro.allen.unionizes([100140756], is_injection=False)
    values = first.sort_values("id")["projection_energy"].to_numpy()
    np.testing.assert_array_equal(values, service.sort_values("id")["projection_energy"])


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda mcc: mcc.get_structure_unionizes([7]), errors.InvalidQueryError, "no unionizes of experiment 7"),
        (lambda mcc: mcc.get_structure_unionizes([]), errors.InvalidQueryError, "experiment_ids is empty"),
        (lambda mcc: mcc.get_affine_parameters(100140756, "rtv"), errors.InvalidQueryError,
         "'trv' or 'tvr', not 'rtv'"),
        (lambda mcc: mcc.get_projection_matrix([100140756], [385], parameter="density"),
         errors.MissingColumnsError, "column 'density'; they have .*projection_density"),
    ],
)  # fmt: skip
def test_what_no_experiment_has_is_an_error(
    sandbox: Sandbox, tmp_path: Path, call: Any, error: type[Exception], words: str
) -> None:
    mcc = sdk.MouseConnectivityCache(100, manifest_file=tmp_path / "a" / "manifest.json")
    with pytest.raises(error, match=words):
        call(mcc)
    assert not (tmp_path / "a" / "experiment_7").exists()


def test_the_transform_of_an_experiment(sandbox: Sandbox, tmp_path: Path) -> None:
    mcc = sdk.MouseConnectivityCache(100, manifest_file=tmp_path / "manifest.json")
    alignment = {
        f"{way}_{place:02d}": place + start
        for way, start in (("trv", 0.5), ("tvr", 100.5))
        for place in range(12)
    }
    file = tmp_path / "alignment3d.json"
    file.write_text(json.dumps({**alignment, "id": 7, "section_data_set_id": 5}))
    expected = (np.arange(12) + 0.5).reshape(4, 3)
    np.testing.assert_array_equal(mcc.get_affine_parameters(5, file_name=file), expected)
    np.testing.assert_array_equal(mcc.get_affine_parameters(5, "tvr", file), expected + 100)


def test_a_matrix_has_the_summary_structures_and_tables_of_its_axes(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    mcc = sdk.MouseConnectivityCache(100, manifest_file=tmp_path / "a" / "manifest.json")
    numbers = [112670853, 100140756]
    found = mcc.get_projection_matrix(numbers, hemisphere_ids=[3], dataframe=True)
    plain = mcc.get_projection_matrix(numbers, mcc.default_structure_ids, [3])
    np.testing.assert_array_equal(found["matrix"], plain["matrix"])
    assert found["rows"].index.tolist() == plain["rows"] == numbers
    assert found["rows"]["structure_abbrev"].tolist() == [
        each["structure_abbrev"]
        for number in numbers
        for each in mcc.get_experiments()
        if each["id"] == number
    ]
    assert found["columns"].to_dict("records") == plain["columns"]
    assert set(found["columns"]["hemisphere_id"]) == {3}
    assert found["columns"]["structure_id"].tolist() == mcc.default_structure_ids


def test_without_a_cache_a_file_needs_a_path(sandbox: Sandbox, tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.json"
    mcc = sdk.MouseConnectivityCache(100, cache=False, manifest_file=manifest)
    assert len(mcc.get_experiments()) == 6
    rows = mcc.get_structure_unionizes([100140756], is_injection=False, hemisphere_ids=[3])
    assert set(rows["experiment_id"]) == {100140756}
    assert len(rows) == 36
    with pytest.raises(errors.InvalidQueryError, match="file_name="):
        mcc.get_projection_density(100140756)
    file = tmp_path / "density.nrrd"
    assert mcc.get_projection_density(100140756, file_name=file)[0].shape == (12, 8, 10)
    assert {path.name for path in tmp_path.iterdir()} - {"cache", "home"} == {file.name, manifest.name}


@pytest.mark.parametrize("version", [1.1, 2.0, "1.3", None])
def test_a_manifest_of_another_layout_is_named(folder: Path, version: Any) -> None:
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    content["manifest"][0]["value"] = version
    path.write_text(json.dumps(content))
    with pytest.raises(sdk.ManifestVersionError, match=r"manifest\.json") as caught:
        sdk.MouseConnectivityCache(manifest_file=path)
    assert caught.value.outdated is ({1.1: True, 2.0: False}.get(version) if version != "1.3" else None)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"manifest": [{"key": "A"}]}'])
def test_a_file_that_is_no_manifest_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "manifest.json"
    path.write_text(content)
    with pytest.raises(errors.InvalidFileError, match=r"manifest\.json"):
        sdk.CellTypesCache(manifest_file=path)
    assert path.read_text() == content


@pytest.mark.parametrize("name", ["structures.json", "experiments.json"])
def test_a_damaged_file_is_named(sandbox: Sandbox, folder: Path, name: str) -> None:
    (folder / name).write_text((folder / name).read_text()[:-20])
    mcc = sdk.MouseConnectivityCache(manifest_file=folder / "manifest.json")
    with pytest.raises(errors.InvalidFileError, match=name):
        mcc.get_experiments(injection_structure_ids=[997])


@pytest.mark.parametrize("content", ["", 'a,b\n1,"2\n', "a,b\n1,2\n3,4,5,6\n"])
def test_a_damaged_table_is_named(sandbox: Sandbox, folder: Path, content: str) -> None:
    (folder / "experiment_5" / "structure_unionizes.csv").write_text(content)
    mcc = sdk.MouseConnectivityCache(manifest_file=folder / "manifest.json")
    with pytest.raises(errors.InvalidFileError, match=r"unionizes\.csv cannot be read .*: delete it"):
        mcc.get_structure_unionizes([5])
    assert not sandbox.requests


def test_the_folder_of_a_file_is_made(tmp_path: Path) -> None:
    for _ in range(2):
        sdk.Manifest.safe_make_parent_dirs(tmp_path / "a" / "b" / "cell.swc")
    assert [path.name for path in (tmp_path / "a").rglob("*")] == ["b"]


def test_an_unfinished_volume_of_allensdk_is_named(sandbox: Sandbox, folder: Path) -> None:
    path = folder / "experiment_5" / "projection_density_25.nrrd"
    path.write_bytes(path.read_bytes()[:-1])
    mcc = sdk.MouseConnectivityCache(manifest_file=folder / "manifest.json")
    with pytest.raises(errors.InvalidVolumeError, match=r"density_25\.nrrd.*delete it"):
        mcc.get_projection_density(5)


def test_the_structures_of_another_graph_are_not_taken_from_the_file(
    sandbox: Sandbox, folder: Path
) -> None:
    mcc = sdk.MouseConnectivityCache(manifest_file=folder / "manifest.json")
    human = mcc.get_structure_tree(structure_graph_id=10)
    assert 997 not in human.node_ids()
    with pytest.raises(errors.InvalidFileError, match=r"graph 1, not 10"):
        mcc.get_structure_tree(folder / "structures.json", 10)


def test_what_is_left_out_names_another_package(sandbox: Sandbox, tmp_path: Path) -> None:
    mcc = sdk.MouseConnectivityCache(100, manifest_file=tmp_path / "a" / "manifest.json")
    ctc = sdk.CellTypesCache(manifest_file=tmp_path / "b" / "manifest.json")
    calls = {"trimesh": mcc.get_structure_mesh, "SimpleITK": mcc.get_deformation_field,
             "pynwb": ctc.get_ephys_data}  # fmt: skip
    for package, call in calls.items():
        with pytest.raises(NotImplementedError, match=package):
            call(385)
    assert sandbox.requests == []


# -- cells -----------------------------------------------------------------------------------------


def test_features_of_allensdk_are_read(sandbox: Sandbox, tmp_path: Path) -> None:
    """allensdk writes features in quotes, without an index, and a missing value as nothing."""
    ctc = sdk.CellTypesCache(manifest_file=tmp_path / "cells" / "manifest.json")
    fields = ["id", "specimen_id", "tau", "has_burst"]
    with (tmp_path / "cells" / "ephys_features.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fields, quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerow({"id": 1, "specimen_id": 318808427, "tau": 15.5, "has_burst": True})
        writer.writerow({"id": 2, "specimen_id": 7, "tau": None, "has_burst": False})
    first, second = ctc.get_ephys_features()
    assert first == {"id": 1, "specimen_id": 318808427, "tau": 15.5, "has_burst": True}
    assert np.isnan(second["tau"])
    assert sandbox.requests == []
    assert [each["specimen_id"] for each in ctc.get_all_features()] == [318808427]
    every = ctc.get_all_features(dataframe=True, require_reconstruction=False)
    assert set(every["specimen_id"]) == {7, 318808427, 485909730, 567776248}


def test_cells_are_filtered(sandbox: Sandbox, tmp_path: Path) -> None:
    ctc = sdk.CellTypesCache(manifest_file=tmp_path / "cells" / "manifest.json")
    status = sdk.ReporterStatus.POSITIVE
    found = ctc.get_cells(require_reconstruction=True, reporter_status=status, species=["mus musculus"])
    assert [cell["id"] for cell in found] == [318808427]
    count = len(sandbox.requests)
    assert ctc.get_cells(species=["Homo Sapiens"], simple=False)[0]["donor__species"] == "Homo Sapiens"
    assert len(ctc.get_ephys_sweeps(318808427)) == 3
    assert len(sandbox.requests) == count + 1
    assert json.loads((tmp_path / "cells/cells.json").read_text())[0]["specimen__id"] == 318808427


def test_a_reconstruction_and_its_markers(sandbox: Sandbox, tmp_path: Path) -> None:
    ctc = sdk.CellTypesCache(manifest_file=tmp_path / "cells" / "manifest.json")
    cell = tmp_path / "cells" / "specimen_9"
    cell.mkdir()
    (cell / "reconstruction.swc").write_text(
        "# a soma after an axon of another tree\n"
        "4 2 0 0 0 1 -1\n5 2 1 0 0 1 4\n1 1 5 0 0 3 -1\n2 3 6 0 0 1 1\n3 3 7 0 0 1 2\n"
    )
    (cell / "reconstruction.marker").write_text(
        "# x,y,z,radius,shape,name\n1.1144, 2.1144, 3.28,0,1,20\n"
    )
    morphology = ctc.get_reconstruction(9)
    assert (morphology.num_nodes, morphology.num_trees) == (5, 2)
    assert morphology.soma == {
        "id": 2, "type": 1, "x": 5.0, "y": 0.0, "z": 0.0, "radius": 3.0, "parent": -1, "tree_id": 0,
        "children": [3],
    }  # fmt: skip
    assert [node["id"] for node in morphology.tree(0) or []] == [2, 3, 4]
    assert morphology.parent_of(4) is morphology.compartment_list[3]
    assert [node["id"] for node in morphology.find(6, 0, 0, 1, node_type=3)] == [3, 4]
    [marker] = ctc.get_reconstruction_markers(9)
    assert marker == pytest.approx({"x": 1, "y": 2, "z": 3, "name": sdk.Marker.NO_RECONSTRUCTION})
    assert sandbox.requests == []
    assert ctc.get_reconstruction_markers(464212183) == []
    assert not (tmp_path / "cells" / "specimen_464212183").exists()


@pytest.mark.parametrize("line", ["1,2,3,0,1", "1,x,3,0,1,10", "1,2,3,0,1,ten", "1,2"])
def test_a_line_that_is_not_a_marker_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "cell.marker"
    path.write_text(f"# x,y,z,radius,shape,name\n\n1,2,3,0,1,10\n{line}\n")
    with pytest.raises(errors.InvalidFileError, match=rf"cell\.marker has a line .*: '{line}'"):
        sdk.read_marker_file(path)


# -- downloads -------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["raw", "gzip"])
@pytest.mark.parametrize("end", [-1, -40, 150, 60])
def test_a_truncated_volume_never_has_the_final_name(
    sandbox: Sandbox, tmp_path: Path, encoding: str, end: int
) -> None:
    """The server sends its length as the whole one, so that only the content shows the loss."""
    values = np.random.default_rng(0).integers(0, 2**32, (6, 5, 4), np.uint32)
    body = values.tobytes(order="F")
    head = "NRRD0004\ntype: unsigned int\ndimension: 3\nsizes: 6 5 4\n"
    head += f"endian: little\nencoding: {encoding}\n\n"
    whole = head.encode() + (gzip.compress(body) if encoding == "gzip" else body)
    mcc = sdk.MouseConnectivityCache(100, manifest_file=tmp_path / "a" / "manifest.json")
    sandbox.fail(status=200, body=whole[:end], path="grid_data")
    with pytest.raises(errors.InvalidResponseError, match=r"truncated|damaged"):
        mcc.get_projection_density(100140756)
    assert list((tmp_path / "a").rglob("*density*")) == []
    sandbox.fail(status=200, body=whole, path="grid_data")
    np.testing.assert_array_equal(mcc.get_projection_density(100140756)[0], values)
    assert [path.name for path in (tmp_path / "a").rglob("*density*")] == ["projection_density_100.nrrd"]
