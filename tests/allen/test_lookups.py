"""Structures in arrays, matrices and edges: not in the tree, of one side, without a value, not chosen."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from pdneuro import allen, errors
from pdneuro.sandbox import Sandbox

ROOT, CTX, TH, VISP, VISP5, VISP6A = 997, 688, 549, 385, 778, 33
ABSENT = 182305696


def unionizes(**columns: Any) -> pd.DataFrame:
    """Rows of one experiment on both sides, outside the injection."""
    table = pd.DataFrame(columns)
    fixed = {"section_data_set_id": 1, "hemisphere_id": 3, "is_injection": False}
    return table.assign(**{name: value for name, value in fixed.items() if name not in table})


def array(values: Any, resolution: float = 100) -> xr.DataArray:
    """A volume with the coordinates of its voxels' centers."""
    cells = np.asarray(values)
    coords = {
        dim: (np.arange(size) + 0.5) * resolution
        for dim, size in zip(("ap", "dv", "lr"), cells.shape, strict=True)
    }
    return xr.DataArray(cells, dims=("ap", "dv", "lr"), coords=coords)


class TestNotInTheTree:
    def test_voxels_are_reported_with_their_number(self, sandbox: Sandbox) -> None:
        tree, labels = allen.structure_tree(), allen.annotation_volume(100)
        signal = allen.projection_data(100140756, resolution=100)
        other = labels.where(labels != VISP, ABSENT).astype(labels.dtype)
        with pytest.warns(errors.UnknownIdsWarning, match=rf"1 structures \(96 voxels\).*{ABSENT}"):
            found = signal.neuro.structure_means(other, tree=tree)
        assert found.loc[ROOT, "voxels"] == 480 - 96
        with pytest.raises(errors.UnknownIdsError, match=rf"96 voxels.*{ABSENT}"):
            signal.neuro.structure_means(other, tree=tree, on_missing="raise")
        quiet = signal.neuro.structure_means(other, tree=tree, on_missing="ignore")
        pd.testing.assert_frame_equal(quiet, found)
        assert signal.neuro.structure_means(labels, tree=tree).loc[ROOT, "voxels"] == 480

    @pytest.mark.parametrize("lost", [[ABSENT], [ABSENT, 4], ["nowhere"], [None]])
    def test_rows_are_reported(self, lost: list[Any], sandbox: Sandbox) -> None:
        known: list[Any] = ["VISp"] if lost == ["nowhere"] else [VISP]
        ids = pd.Series([*known, *lost, lost[0]], dtype=object if lost == ["nowhere"] else "Int64")
        table = unionizes(structure_id=ids, projection_volume=0.5).assign(
            section_data_set_id=range(len(ids))
        )
        words = "missing" if lost == [None] else str(lost[0])
        message = rf"{len(lost)} structures \({len(lost) + 1} rows\) .*{words}"
        with pytest.warns(errors.UnknownIdsWarning, match=message):
            matrix = allen.projection_matrix(table, "projection_volume", rollup=["CTX"])
        assert matrix.to_numpy().tolist() == [[0.5]]
        with pytest.raises(errors.UnknownIdsError, match=words):
            allen.projection_matrix(table, "projection_volume", rollup=["CTX"], on_missing="raise")

    @pytest.mark.parametrize(("labels", "word"), [("acronym", "VISp"), ("name", "Primary visual area")])
    def test_columns_of_a_matrix_have_acronyms_or_names(
        self, labels: str, word: str, sandbox: Sandbox
    ) -> None:
        ids = [VISP, -VISP, ABSENT]
        table = unionizes(structure_id=ids, projection_volume=[0.5, 0.25, 1.0])
        numbered = allen.projection_matrix(table, "projection_volume")
        named = allen.projection_matrix(table, "projection_volume", labels=labels)
        words = {VISP: word, -VISP: f"{word} (left)", ABSENT: str(ABSENT)}
        assert named.columns.tolist() == [words[number] for number in numbered.columns]
        assert named.columns.name == labels
        assert np.array_equal(named, numbered)
        with pytest.raises(ValueError, match="'acronym'"):
            allen.projection_matrix(table, "projection_volume", labels="acronyms")

    def test_injected_structures_are_reported(self, sandbox: Sandbox) -> None:
        table = unionizes(structure_id=[VISP, TH], projection_volume=[0.5, 0.25])
        sites = pd.DataFrame({"data_set_id": [1], "structure_id": [ABSENT]})
        with pytest.warns(errors.UnknownIdsWarning, match=rf"\(2 rows\).*{ABSENT}"):
            edges = allen.projection_edges(table, sites, "projection_volume", rollup=["CTX", "TH"])
        assert edges.empty
        with pytest.raises(errors.UnknownIdsError, match=str(ABSENT)):
            allen.projection_edges(
                table, sites, "projection_volume", rollup=["CTX", "TH"], on_missing="raise"
            )

    def test_an_experiment_without_a_site_is_reported(self, sandbox: Sandbox) -> None:
        table = unionizes(
            structure_id=[VISP, VISP], section_data_set_id=[1, 2], projection_volume=[0.5, 0.25]
        )
        sites = pd.DataFrame({"data_set_id": [1, 2], "structure_id": [TH, np.nan]})
        with pytest.warns(errors.UnknownIdsWarning, match=r"1 rows have no injected structure.* 2\."):
            edges = allen.projection_edges(table, sites, "projection_volume")
        assert edges.to_numpy().tolist() == [[TH, VISP, 0.5, 1]]
        with pytest.raises(errors.UnknownIdsError, match="no injected structure"):
            allen.projection_edges(table, sites, "projection_volume", on_missing="raise")
        with pytest.warns(errors.UnknownIdsWarning, match=r"\(1 rows\).*missing"):
            allen.projection_edges(table, sites, "projection_volume", rollup=["CTX", "TH"])
        quiet = allen.projection_edges(table, sites, "projection_volume", on_missing="ignore")
        pd.testing.assert_frame_equal(quiet, edges)

    @pytest.mark.parametrize("column", ["data_set_id", "structure_id"])
    def test_a_table_without_ids_of_experiments_or_sites_is_an_error(
        self, column: str, sandbox: Sandbox
    ) -> None:
        table = unionizes(structure_id=[VISP], projection_volume=[0.5])
        sites = pd.DataFrame({"data_set_id": [1], "structure_id": [TH]}).drop(columns=column)
        with pytest.raises(
            errors.MissingColumnsError, match="experiments requires 'data_set_id' and 's"
        ):
            allen.projection_edges(table, sites, "projection_volume")

    def test_the_acronyms_of_an_array(self, sandbox: Sandbox) -> None:
        table = unionizes(structure_id=[VISP, ABSENT], projection_volume=[0.5, 0.25])
        with pytest.warns(errors.UnknownIdsWarning, match=rf"1 columns.*{ABSENT}"):
            found = allen.projection_array(table, "projection_volume")
        assert found["acronym"].values.tolist() == ["VISp", ""]


class TestSides:
    @pytest.mark.parametrize("left", [-CTX, "-688", [-CTX], ["-688", -TH], np.int64(-CTX)])
    def test_a_structure_on_the_left_has_parts_on_the_left(self, left: Any, sandbox: Sandbox) -> None:
        ids = pd.Series([-VISP, VISP, 0, None], dtype="Int64")
        assert ids.neuro.is_under(left).tolist() == [True, False, False, pd.NA]
        assert ids.neuro.is_under(CTX).tolist() == [True, True, False, pd.NA]
        rolled = ids.neuro.rollup(left if isinstance(left, list) else [left])
        assert rolled.tolist() == [-CTX, pd.NA, pd.NA, pd.NA]
        text = ids.astype("string").neuro.is_under(left)
        assert text.tolist() == [True, False, False, pd.NA]

    def test_the_nearest_member_is_one_of_the_same_side(self, sandbox: Sandbox) -> None:
        ids = pd.Series([-VISP5, VISP5, -TH, TH])
        assert ids.neuro.rollup([-VISP, CTX, -TH]).fillna(0).tolist() == [-VISP, CTX, -TH, 0]
        assert ids.neuro.rollup([CTX, TH]).tolist() == [-CTX, CTX, -TH, TH]
        with pytest.raises(errors.UnknownStructureError):
            ids.neuro.rollup([-ABSENT])

    def test_means_keep_the_sides(self, sandbox: Sandbox) -> None:
        labels = array(np.array([-VISP, VISP, -TH, TH]).reshape(1, 2, 2).repeat(2, 0))
        signal = array(np.array([1.0, 2, 3, 4]).reshape(1, 2, 2).repeat(2, 0))
        tree = allen.structure_tree()
        means = signal.neuro.structure_means(labels, tree=tree)["mean"]
        assert means[[VISP, -VISP, TH, -TH, CTX, -CTX]].tolist() == [2, 1, 4, 3, 2, 1]
        assert means[[ROOT, -ROOT]].tolist() == [3, 2]
        plain = signal.neuro.structure_means(labels)["mean"]
        assert means[plain.index].tolist() == plain.tolist()
        assert signal.neuro.structure_means(labels, tree=tree, to=[-CTX])["mean"].to_dict() == {-CTX: 1}
        both = signal.neuro.structure_means(labels, tree=tree, to=[CTX, TH])["mean"]
        assert both.to_dict() == {CTX: 2, TH: 4, -CTX: 1, -TH: 3}

    def test_a_matrix_and_edges_keep_the_sides(self, sandbox: Sandbox) -> None:
        table = unionizes(
            structure_id=[-VISP5, -VISP6A, VISP5, VISP6A, TH], projection_volume=[1.0, 2, 4, 8, 16]
        )
        matrix = allen.projection_matrix(table, "projection_volume", rollup=["TH", "CTX"])
        assert matrix.loc[1].to_dict() == {CTX: 12, -CTX: 3, TH: 16}
        assert matrix.columns.tolist() == [CTX, -CTX, TH]
        left = allen.projection_matrix(table, "projection_volume", rollup=[-CTX])
        assert left.loc[1].to_dict() == {-CTX: 3}
        sites = pd.DataFrame({"data_set_id": [1], "structure_id": [-VISP]})
        edges = allen.projection_edges(table, sites, "projection_volume", rollup=["CTX", "TH"])
        assert edges[["pre", "post", "projection_volume"]].to_numpy().tolist() == [
            [-CTX, -CTX, 3],
            [-CTX, TH, 16],
            [-CTX, CTX, 12],
        ]

    def test_experiments_have_no_side(self, sandbox: Sandbox) -> None:
        with pytest.raises(errors.InvalidQueryError, match="no side"):
            allen.experiments(-VISP)


class TestMissingValues:
    def rows(self, **columns: Any) -> pd.DataFrame:
        """VISp5 was not measured, VISp6a was: 100 of 1,000 pixels."""
        given = {
            "structure_id": [VISP5, VISP6A],
            "sum_pixels": [1000, 1000],
            "sum_projection_pixels": [np.nan, 100],
            "projection_density": [np.nan, 0.1],
            "projection_volume": [np.nan, 0.1],
        }
        return unionizes(**(given | columns))

    @pytest.mark.parametrize("value", ["projection_volume", "projection_density"])
    @pytest.mark.parametrize("dtype", ["float64", "Float64"])
    def test_a_sum_with_a_missing_part_is_missing(
        self, value: str, dtype: str, sandbox: Sandbox
    ) -> None:
        rows = self.rows()
        floats = ["sum_projection_pixels", "projection_density", "projection_volume"]
        rows = rows.astype(dict.fromkeys(floats, dtype))
        assert allen.projection_matrix(rows, value, rollup=["CTX"]).isna().all(axis=None)
        rolled = allen.projection_matrix(rows, value, rollup=[VISP5, VISP6A])
        plain = allen.projection_matrix(rows, value)
        pd.testing.assert_frame_equal(rolled, plain[rolled.columns], check_names=False)
        sites = pd.DataFrame({"data_set_id": [1], "structure_id": [VISP]})
        edges = allen.projection_edges(rows, sites, value, rollup=["CTX"])
        assert edges[value].isna().tolist() == [True]

    def test_a_part_without_pixels_or_in_other_columns(self, sandbox: Sandbox) -> None:
        no_pixels = self.rows(sum_pixels=[1000, np.nan], sum_projection_pixels=[100, 100])
        found = allen.projection_matrix(no_pixels, rollup=["CTX"])
        assert found.isna().all(axis=None)
        zero = self.rows(sum_pixels=0, sum_projection_pixels=0)
        assert allen.projection_matrix(zero, rollup=["CTX"]).isna().all(axis=None)
        whole = self.rows(sum_projection_pixels=[300, 100])
        assert allen.projection_matrix(whole, rollup=["CTX"]).to_numpy().tolist() == [[0.2]]

    def test_a_mean_with_a_missing_experiment_is_missing(self, sandbox: Sandbox) -> None:
        table = unionizes(
            section_data_set_id=[1, 2, 1, 2],
            structure_id=[VISP, VISP, TH, TH],
            projection_volume=[0.5, np.nan, 1, 3],
        )
        sites = pd.DataFrame({"data_set_id": [1, 2], "structure_id": [VISP, VISP]})
        edges = allen.projection_edges(table, sites, "projection_volume").set_index("post")
        assert edges["projection_volume"].fillna(-1).to_dict() == {VISP: -1, TH: 2}
        assert edges["n_experiments"].tolist() == [2, 2]


class TestSelections:
    def rows(self, flags: list[Any], sides: list[Any]) -> pd.DataFrame:
        return unionizes(
            structure_id=[VISP, VISP, VISP, TH],
            projection_volume=[0.5, 0.2, 0.9, 0.1],
            hemisphere_id=[sides[0], sides[1], sides[0], sides[0]],
            is_injection=[flags[0], flags[0], flags[1], flags[0]],
        )

    @pytest.mark.parametrize(
        "flags",
        [["f", "t"], ["False", "TRUE"], ["0", "1"], [0, 1], [0.0, 1.0], [False, True]],
        ids=str,
    )
    @pytest.mark.parametrize("sides", [[1, 2], ["1", "2"], [1.0, 2.0], ["1.0", "2.0"]], ids=str)
    def test_flags_and_numbers_of_files_are_read(
        self, flags: list[Any], sides: list[Any], sandbox: Sandbox
    ) -> None:
        table = self.rows(flags, sides)
        for outside in (False, "f", 0):
            found = allen.projection_matrix(
                table, "projection_volume", hemisphere=1, is_injection=outside
            )
            assert found.loc[1].to_dict() == {VISP: 0.5, TH: 0.1}
        inside = allen.projection_matrix(table, "projection_volume", hemisphere=1, is_injection=True)
        assert inside.loc[1].to_dict() == {VISP: 0.9}
        with pytest.raises(errors.AmbiguousColumnError, match="is_injection=True"):
            allen.projection_matrix(table, "projection_volume", hemisphere=1)

    @pytest.mark.parametrize("absent", [3, "left", "3", 4])
    def test_an_absent_hemisphere_is_an_error_that_lists_those_there_are(
        self, absent: Any, sandbox: Sandbox
    ) -> None:
        table = self.rows(["f", "t"], [1, 2])
        with pytest.raises(errors.InvalidQueryError, match=rf"{absent}.*hemisphere_id: 1, 2\."):
            allen.projection_matrix(table, "projection_volume", hemisphere=absent, is_injection=False)

    def test_an_absent_flag_is_an_error_that_lists_those_there_are(self, sandbox: Sandbox) -> None:
        table = self.rows(["f", "t"], [1, 2])
        for wrong in ("maybe", 2):
            with pytest.raises(errors.InvalidQueryError, match="is_injection: 'f', 't'"):
                allen.projection_matrix(table, "projection_volume", hemisphere=1, is_injection=wrong)
        with pytest.raises(errors.InvalidQueryError, match=r"True.*is_injection: 'f'\."):
            allen.projection_matrix(table, "projection_volume", hemisphere=2, is_injection=True)
        with pytest.raises(errors.MissingColumnsError, match="hemisphere_id"):
            allen.projection_matrix(
                table.drop(columns="hemisphere_id"), "projection_volume", hemisphere=1
            )

    def test_a_table_without_a_column_that_the_call_does_not_use(self, sandbox: Sandbox) -> None:
        table = self.rows(["f", "t"], [1, 2]).iloc[[0, 3]]
        found = allen.projection_matrix(
            table.drop(columns=["hemisphere_id", "is_injection"]), "projection_volume"
        )
        expected = allen.projection_matrix(table, "projection_volume")
        pd.testing.assert_frame_equal(found, expected)

    def test_a_roll_up_to_structures_without_rows_is_an_error(self, sandbox: Sandbox) -> None:
        table = self.rows(["f", "t"], [1, 2])
        choice = {"hemisphere": 1, "is_injection": False, "value": "projection_volume"}
        with pytest.raises(errors.InvalidQueryError, match=r"'HY'.*VISp, TH"):
            allen.projection_matrix(table, rollup=["HY"], **choice)
        sites = pd.DataFrame({"data_set_id": [1], "structure_id": [VISP]})
        with pytest.raises(errors.InvalidQueryError, match=r"'TH'.*VISp"):
            allen.projection_edges(table, sites, rollup=["TH"], **choice)

    def test_a_mouse_line_that_no_experiment_has_is_an_error(self, sandbox: Sandbox) -> None:
        with pytest.raises(errors.InvalidQueryError, match="Did you mean 'Cux2-IRES-Cre'"):
            allen.experiments(transgenic_line="Cux2-Cre")


class TestSpaces:
    def test_dims_without_coordinates(self, sandbox: Sandbox) -> None:
        plain = xr.DataArray(np.arange(1000).reshape(10, 10, 10), dims=("ap", "dv", "lr"))
        points = pd.DataFrame({"x": [4.2], "y": [4.2], "z": [4.2]})
        labels, signal = allen.annotation_volume(100), allen.projection_data(100140756, resolution=100)
        bare = labels.drop_vars(["ap", "dv", "lr"])
        for call in (
            lambda: points.neuro.sample(plain),
            lambda: plain.neuro.at(points),
            lambda: signal.neuro.structure_means(bare),
            lambda: bare.neuro.structure_means(labels),
        ):
            with pytest.raises(errors.InvalidVolumeError, match=r"no coordinates along 'ap'.*µm"):
                call()
        one = array(np.ones((1, 2, 2)))
        with pytest.raises(errors.InvalidVolumeError, match="attrs"):
            points.neuro.sample(one)
        one.attrs["resolution"] = 100
        assert (points * 10).neuro.sample(one.astype(int)).isna().tolist() == [False]

    @pytest.mark.parametrize(
        ("factor", "place"), [(0.001, "in the first voxel"), (1000, "outside the volume")]
    )
    def test_points_in_another_unit(self, factor: float, place: str, sandbox: Sandbox) -> None:
        labels = allen.annotation_volume(100)
        ap = labels["ap"].values
        x = f"{150 * factor:,.6g} to {350 * factor:,.6g}"
        spans = f"'x': {x}, volume {ap.min():,.6g} to {ap.max():,.6g};"
        points = pd.DataFrame({"x": [150, 350, np.nan], "y": [450.0] * 3, "z": [450.0] * 3})
        assert points.neuro.sample(labels).tolist() == [VISP, TH, pd.NA]
        with pytest.warns(
            errors.SpaceMismatchWarning, match=f"all 2 points are {place}.*{re.escape(spans)}.*µm"
        ):
            (points * factor).neuro.sample(labels)
        missing = points.assign(x=np.nan)
        assert missing.neuro.sample(labels).isna().all()

    @pytest.mark.parametrize("columns", [["x", "y"], ["x", "y", "z", "x"], []])
    def test_a_point_has_three_columns(self, columns: list[str], sandbox: Sandbox) -> None:
        points = pd.DataFrame({"x": [150.0], "y": [450.0], "z": [450.0]})
        with pytest.raises(errors.MissingColumnsError, match="columns= must be three names, not"):
            points.neuro.sample(allen.annotation_volume(100), columns)

    def test_volumes_in_another_unit_or_space(self, sandbox: Sandbox) -> None:
        labels, signal = allen.annotation_volume(100), allen.projection_data(100140756, resolution=100)
        dims = ("ap", "dv", "lr")

        def scaled(volume: xr.DataArray, factor: float, shift: float = 0) -> xr.DataArray:
            return volume.assign_coords({dim: volume[dim].values * factor + shift for dim in dims})

        with pytest.warns(errors.SpaceMismatchWarning, match="no voxel of the volume"):
            assert scaled(signal, 0.001).neuro.structure_means(labels).empty
        with pytest.warns(errors.SpaceMismatchWarning, match="one voxel of the annotation"):
            scaled(signal, 0.001).neuro.structure_means(labels.where(labels == -1, VISP))
        for other in (scaled(signal, 1000, 10), scaled(signal, 1, 10_000)):
            with pytest.raises(errors.InvalidVolumeError, match=r"do not overlap along 'ap'.*1,150"):
                other.neuro.structure_means(labels)
        mm = scaled(signal, 0.001)
        mm["ap"].attrs["units"] = "mm"
        with pytest.raises(errors.InvalidVolumeError, match="'ap' are in 'mm'"):
            mm.neuro.structure_means(labels)


LABELS = [ROOT, CTX, TH, VISP, VISP5, VISP6A, 8, ABSENT, 4]


@settings(max_examples=40)
@given(
    ids=st.lists(st.sampled_from([0, *LABELS, *(-label for label in LABELS)]), min_size=8, max_size=8),
    to=st.lists(st.sampled_from([CTX, -CTX, TH, -TH, VISP, -VISP, 8]), min_size=1, max_size=3),
)
def test_the_lookup_of_arrays_equals_that_of_columns(
    sandbox: Sandbox, ids: list[int], to: list[int]
) -> None:
    """The mean over the voxels of a structure is that over the rows that are under it in a column."""
    tree = allen.structure_tree()
    labels = array(np.array(ids, np.int64).reshape(2, 2, 2))
    signal = array(2.0 ** np.arange(8).reshape(2, 2, 2))
    column, values = pd.Series(ids), pd.Series(2.0 ** np.arange(8))
    if not any(ids):
        return
    means = signal.neuro.structure_means(labels, tree=tree, on_missing="ignore")
    for structure, row in means.iterrows():
        same_side = (column < 0) == (structure < 0)
        under = column.neuro.is_under(structure, on_missing="ignore").fillna(False) & same_side
        assert row["voxels"] == under.sum()
        assert row["mean"] == values[under].mean()
    reached = column.neuro.ancestors(include_self=True, on_missing="ignore")["ancestor_id"]
    assert set(means.index) == set(reached)
    # A matrix sums the rows that a column rolls up to each member.
    rows = unionizes(structure_id=ids, projection_volume=values).drop_duplicates("structure_id")
    leaves = rows[rows["structure_id"].abs().isin([TH, VISP5, VISP6A])]
    rolled = leaves["structure_id"].neuro.rollup(to)
    if rolled.notna().any():
        matrix = allen.projection_matrix(leaves, "projection_volume", rollup=to)
        expected = leaves["projection_volume"].groupby(rolled).sum()
        assert matrix.loc[1].to_dict() == expected.to_dict()
