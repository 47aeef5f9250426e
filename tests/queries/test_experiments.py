"""Tracer experiments in a column, masks of structures, mappings of iblatlas, hemispheres."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import pdneuro
from pdneuro import allen, errors
from pdneuro.sandbox import Sandbox
from pdneuro.sandbox.allen import AllenApp
from pdneuro.sandbox.server import Request, Response

xarray = pytest.importorskip("xarray")

EXPERIMENTS = [112670853, 100140756, 180296424]


@pytest.fixture
def table() -> pd.DataFrame:
    """Return experiments, one twice, one missing and one that does not exist."""
    ids = pd.array([112670853, None, 100140756, 7, 112670853], dtype="Int64")
    return pd.DataFrame({"data_set_id": ids, "note": list("abcde")}, index=[3, 3, 1, 0, 9])


def own(number: int, structure: int, hemisphere: int = 3, *, injection: bool = False) -> float:
    """Return the density that the service has in the row of a structure."""
    rows = allen.MouseConnectivityApi().get_structure_unionizes(
        [number], is_injection=injection, structure_ids=[structure], hemisphere_ids=hemisphere
    )
    return float(rows["projection_density"].item())


def test_the_signal_is_joined_to_the_rows(sandbox: Sandbox, table: pd.DataFrame) -> None:
    before = table.copy(deep=True)
    with pytest.warns(errors.UnknownIdsWarning, match=r"no unionizes of these experiments: 7\."):
        joined = table.neuro.join_unionizes(["VISp", "TH"], indicator=True)
    pd.testing.assert_frame_equal(table, before)
    pd.testing.assert_frame_equal(joined[["data_set_id", "note"]], table)
    assert joined.columns[2:].tolist() == ["projection_density_VISp", "projection_density_TH", "_merge"]
    assert joined["_merge"].tolist() == ["found", "missing", "found", "unknown", "found"]
    thalamus = joined["projection_density_TH"]
    expected = [own(112670853, 549), np.nan, own(100140756, 549), np.nan, own(112670853, 549)]
    np.testing.assert_allclose(thalamus, expected, rtol=1e-12)


@pytest.mark.parametrize("structures", ["Cosmos", "cosmos", "Brain - Major Divisions", 687527670, [315]])
def test_each_member_has_a_column_in_graph_order(sandbox: Sandbox, structures: Any) -> None:
    tree = allen.structure_tree()
    members = set(tree.members(structures).rows.tolist())
    joined = pd.DataFrame({"id": EXPERIMENTS}).neuro.join_unionizes(structures, on="id", prefix="")
    acronyms = tree.frame["acronym"].tolist()
    assert joined.columns[1:].tolist() == [acronyms[row] for row in sorted(members)]
    assert (joined.dtypes.iloc[1:] == "float64").all()


def test_sides_are_those_of_the_injection(sandbox: Sandbox) -> None:
    """Of the three experiments, two are injected on the left of the midline (5700 µm)."""
    side = {112670853: 1, 100140756: 1, 180296424: 2}
    places = allen.experiments().set_index("data_set_id")["injection_z"]
    assert {number: 2 if places[number] > 5700 else 1 for number in side} == side
    rows = allen.unionizes(EXPERIMENTS, is_injection=False)
    matrix = allen.projection_matrix(rows, rollup=["TH"], hemisphere=["contralateral", "ipsilateral", 3])
    assert matrix.columns.names == ["hemisphere", "structure_id"]
    assert matrix.columns.tolist() == [("contralateral", 549), ("ipsilateral", 549), (3, 549)]
    for number in EXPERIMENTS:
        expected = [own(number, 549, 3 - side[number]), own(number, 549, side[number]), own(number, 549)]
        np.testing.assert_allclose(matrix.loc[number], expected, rtol=1e-12)
    one = allen.projection_matrix(rows, rollup=["TH"], hemisphere="ipsilateral")
    pd.testing.assert_frame_equal(one, matrix["ipsilateral"], check_names=False)
    array = allen.projection_array(rows, rollup=["VISp", "TH"], hemisphere=[1, 2])
    assert array.dims == ("experiment_id", "hemisphere", "structure_id")
    picked = array.sel(experiment_id=100140756, hemisphere=2, structure_id=549)
    assert float(picked) == pytest.approx(own(100140756, 549, 2))
    frame = pd.DataFrame({"data_set_id": EXPERIMENTS})
    joined = frame.neuro.join_unionizes("TH", hemisphere="contralateral", prefix="")
    np.testing.assert_allclose(joined["TH"], matrix.loc[EXPERIMENTS, ("contralateral", 549)])


def test_a_side_of_an_unknown_injection_is_an_error(sandbox: Sandbox) -> None:
    rows = allen.unionizes([100140756], hemisphere=1, is_injection=False)
    strange = rows.assign(section_data_set_id=12)
    with pytest.raises(errors.InvalidQueryError, match=r"not known for the experiments 12\b"):
        allen.projection_matrix(strange, rollup=["TH"], hemisphere="ipsilateral")
    with pytest.raises(errors.InvalidQueryError, match="empty"):
        allen.projection_matrix(rows, hemisphere=[])


@pytest.mark.parametrize("wanted", [1.5, "1.5"])
def test_a_hemisphere_is_a_whole_number(sandbox: Sandbox, wanted: Any) -> None:
    rows = allen.unionizes([100140756], hemisphere=1, is_injection=False)
    with pytest.raises(errors.InvalidQueryError, match="hemisphere"):
        allen.projection_matrix(rows, rollup=["TH"], hemisphere=wanted)


def test_unionizes_in_long_form(sandbox: Sandbox, table: pd.DataFrame) -> None:
    long = table.iloc[:3].neuro.unionizes("VIS", hemisphere=3, is_injection=True)
    assert set(long["section_data_set_id"]) == {112670853, 100140756}
    assert set(long["structure_id"]) == {669, 409, 385, 593, 821, 721, 778, 33, 305}
    assert long["is_injection"].all()
    assert (long["hemisphere_id"] == 3).all()
    empty = table.iloc[:0].neuro.unionizes("VIS")
    assert set(long.columns) == set(empty.columns)
    assert {name: str(empty[name].dtype) for name in ("structure_id", "is_injection")} == {
        "structure_id": "int64",
        "is_injection": "bool",
    }


@pytest.mark.parametrize("method", ["unionizes", "join_unionizes"])
def test_a_structure_of_the_left_hemisphere_is_refused(
    sandbox: Sandbox, table: pd.DataFrame, method: str
) -> None:
    with pytest.raises(errors.InvalidQueryError, match=r"\[549, -385\].*hemisphere=1"):
        getattr(table.neuro, method)([549, -385])


@pytest.mark.parametrize("count", [360, 400])
def test_rows_are_those_of_a_structure_with_any_number_of_parts(sandbox: Sandbox, count: int) -> None:
    """The IDs of up to 400 structures fit into the address of a query."""
    plain = allen.unionizes([100140756], structures="TH", hemisphere=3, is_injection=False)
    parts = [
        {**sandbox.allen.tree[-1], "id": number, "acronym": f"part{number}", "name": f"part{number}",
         "parent_structure_id": 549, "structure_id_path": f"/997/8/343/549/{number}/"}
        for number in range(5001, 5001 + count)
    ]  # fmt: skip
    sandbox.allen = AllenApp([*sandbox.allen.tree, *parts])
    assert len(allen.structure_tree(refresh=True).frame) == 40 + count
    found = allen.unionizes([100140756], structures="TH", hemisphere=3, is_injection=False)
    assert set(found["structure_id"]) == {549, 170, 599}
    pd.testing.assert_frame_equal(found, plain)
    assert ("structure_id$in" in sandbox.requests[-1].query["q"]) == (count == 360)


def test_experiments_without_rows_can_be_an_error_or_ignored(sandbox: Sandbox) -> None:
    unknown = pd.DataFrame({"data_set_id": [7, 8]}, index=["a", "b"])
    with pytest.raises(errors.UnknownIdsError, match=r"no unionizes of these experiments: 7, 8\."):
        unknown.neuro.join_unionizes(["VISp", "TH"], on_missing="raise")
    joined = unknown.neuro.join_unionizes(["VISp", "TH"], prefix="", on_missing="ignore")
    assert joined.columns.tolist() == ["data_set_id", "VISp", "TH"]
    assert joined[["VISp", "TH"]].isna().all(axis=None)
    assert joined.index.tolist() == ["a", "b"]


def test_many_experiments_are_divided_into_requests(sandbox: Sandbox) -> None:
    allen.structure_tree()
    before = len(sandbox.requests)
    allen.unionizes(range(1, 46), structures="TH")
    queries = [request.query["q"] for request in sandbox.requests[before:]]
    batches = [query.partition("section_data_set_id$in")[2].partition("]")[0] for query in queries]
    numbers = sorted(int(number) for batch in batches for number in batch.split(","))
    assert numbers == list(range(1, 46))
    assert len(queries) == 3


class Empty(AllenApp):
    """A service without rows of one class."""

    def __call__(self, request: Request) -> Response:
        """Return the response to a request."""
        response = super().__call__(request)
        if "ApiConnectivity" in request.query.get("q", "") and isinstance(response.body, dict):
            response.body |= {"msg": [], "num_rows": 0, "total_rows": 0}
        return response


@pytest.mark.parametrize(
    "arguments",
    [{}, {"injection": "VISp"}, {"injection": "VISp", "primary_only": False}, {"transgenic_line": True},
     {"transgenic_line": "Emx1-IRES-Cre"}],
)  # fmt: skip
def test_no_experiments_are_an_empty_table(
    sandbox: Sandbox, tmp_path: Path, arguments: dict[str, Any]
) -> None:
    full = allen.experiments()
    sandbox._server.apps["/allen"] = Empty()
    with pdneuro.set_options(cache_dir=tmp_path / "other"):
        table = allen.experiments(**arguments)
    assert len(table) == 0
    assert set(table.columns) == set(full.columns)
    numbers = ["data_set_id", "structure_id", "transgenic_line_name"]
    assert table[numbers].dtypes.equals(full[numbers].dtypes)
    assert table.neuro.unionizes().empty


# -- masks -----------------------------------------------------------------------------------------


def test_masks_of_a_column(sandbox: Sandbox) -> None:
    annotation = allen.annotation_volume(100)
    column = pd.Series([669, None, 0, 549], dtype="Int64", name="structure_id")
    mask = column.neuro.mask(annotation)
    assert (mask.dtype, mask.dims, mask.name) == (np.dtype(bool), ("ap", "dv", "lr"), "mask")
    np.testing.assert_array_equal(mask, np.isin(annotation, [385, 549]))
    xarray.testing.assert_equal(mask.coords["ap"], annotation.coords["ap"])
    assert "units" in mask["ap"].attrs
    own_voxels = column.neuro.mask(annotation, include_descendants=False)
    np.testing.assert_array_equal(own_voxels, np.asarray(annotation) == 549)
    density = allen.projection_data(100140756, resolution=100)
    means = density.neuro.structure_means(annotation)
    masked = density.where(pd.Series(["VISp"]).neuro.mask(annotation))
    assert float(masked.mean()) == pytest.approx(means.loc[385, "mean"], rel=1e-5)
    assert not pd.Series([], dtype="int64").neuro.mask(annotation).any()


def test_masks_of_a_slice_and_of_other_axes(sandbox: Sandbox) -> None:
    annotation = allen.annotation_volume(100)
    part = annotation.transpose("lr", "ap", "dv").isel(dv=3)
    mask = pd.Index(["VIS"], name="acronym").neuro.mask(part)
    np.testing.assert_array_equal(mask, part == 385)


def test_masks_of_the_left_hemisphere(sandbox: Sandbox) -> None:
    annotation = allen.annotation_volume(100)
    with pytest.raises(errors.InvalidQueryError, match="left hemisphere"):
        pd.Series([-385]).neuro.mask(annotation)
    signed = annotation.astype("int64") * xarray.where(annotation["lr"] < 500, -1, 1)
    np.testing.assert_array_equal(pd.Series([-669]).neuro.mask(signed), signed == -385)
    np.testing.assert_array_equal(pd.Series([669]).neuro.mask(signed), np.abs(signed) == 385)


def test_a_mask_needs_an_array_and_known_structures(sandbox: Sandbox) -> None:
    annotation = allen.annotation_volume(100)
    with pytest.raises(errors.InvalidVolumeError, match="ndarray"):
        pd.Series([385]).neuro.mask(annotation.values)
    with pytest.warns(errors.UnknownIdsWarning, match="12345678"):
        mask = pd.Series([12345678, 385]).neuro.mask(annotation)
    assert int(mask.sum()) == 96


# -- mappings --------------------------------------------------------------------------------------


def test_mappings_of_iblatlas_are_sets(sandbox: Sandbox) -> None:
    column = pd.Series(["VISp5", "VISp", "Isocortex", "root", "TH"])
    assert column.neuro.rollup("Beryl").fillna("none").tolist() == [
        "VISp",
        "VISp",
        "none",
        "none",
        "none",
    ]
    cosmos = column.neuro.rollup("Cosmos").fillna("none").tolist()
    assert cosmos == ["Isocortex", "Isocortex", "Isocortex", "none", "TH"]
    assert pd.Series([-778, 0]).neuro.rollup("cosmos").fillna(0).tolist() == [-315, 0]


@pytest.mark.parametrize(
    ("name", "digest"), [("beryl", "5bbc48d3f8f86a4a"), ("cosmos", "e6aa53c8f6d4c059")]
)
def test_no_id_of_a_mapping_changes_unnoticed(name: str, digest: str) -> None:
    """No service has these sets, and iblatlas is not a dependency."""
    ids = np.sort(np.array(pdneuro.tables.mappings.MAPPINGS[name], "<i8"))
    assert hashlib.sha256(ids.tobytes()).hexdigest()[:16] == digest


def test_mappings_belong_to_the_mouse(sandbox: Sandbox) -> None:
    with pytest.raises(errors.UnknownStructureError, match="Cosmos"):
        pd.Series(["FroL"]).neuro.rollup("Cosmos", graph_id=10, on_missing="ignore")
    with pytest.raises(errors.UnknownStructureError, match="did you mean Cosmos"):
        pd.Series(["VISp"]).neuro.rollup("Cosmo")


UNIONIZES = pd.DataFrame(
    {
        "experiment_id": [100140756],
        "structure_id": [385],
        "hemisphere_id": [3],
        "is_injection": [False],
        "projection_density": [0.5],
        "sum_pixels": [4.0],
    }
)


@pytest.mark.parametrize(
    ("lacking", "options", "words"),
    [
        ("experiment_id", {}, r"no column of experiments \(section_data_set_id, .*among 'structure_id'"),
        ("structure_id", {}, "does not have a column 'structure_id'"),
        (
            "hemisphere_id",
            {"hemisphere": "ipsilateral"},
            "hemisphere='ipsilateral' requires a column 'hemisphere_id'",
        ),
        ("hemisphere_id", {"hemisphere": 3}, "hemisphere=3 requires a column 'hemisphere_id'"),
        (
            None,
            {"rollup": ["VISp"]},
            "rolling up 'projection_density' requires the columns 'sum_projection_pixels'",
        ),
    ],
)
def test_unionizes_without_a_column_are_an_error_that_names_it(
    lacking: str | None, options: dict[str, Any], words: str, sandbox: Sandbox
) -> None:
    rows = UNIONIZES if lacking is None else UNIONIZES.drop(columns=lacking)
    with pytest.raises(errors.MissingColumnsError, match=words):
        allen.projection_matrix(rows, **options)
