"""Reconstructions with unusual columns: headers, floats, missing and impossible numbers, archives."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdneuro import errors
from pdneuro.neuromorpho import read_swc
from pdneuro.tables import swc

COLUMNS = ["node", "type", "x", "y", "z", "radius", "parent"]
ROWS = "1 1 0 0 0 5 -1\n2 3 3 4 0 1 1\n3 3 3 4 12 1 2\n"
LARGE = 720575940621039145


def read(text: str) -> pd.DataFrame:
    return read_swc(io.StringIO(text), neuron="a")


def skeleton(**columns: Any) -> pd.DataFrame:
    table = {"node": [10, 7], "type": [1, 3], "x": [0.0, 3.0], "y": [0.0, 4.0], "z": 0.0, "radius": 1.0}
    return pd.DataFrame({**table, "parent": [-1, 10], **columns})


class TestNodeNumbers:
    @pytest.mark.parametrize("form", ["{}.000000", "{}.", "+{}", "{}", "{}e0"])
    def test_exact_text_is_exact(self, form: str) -> None:
        one, two = form.format(LARGE), form.format(LARGE + 1)
        nodes = read(f"{one} 1 0 0 0 5 -1.000000\n{two} 3 3 4 0 1 {one}\n")
        assert nodes["node"].tolist() == [LARGE, LARGE + 1]
        assert nodes["parent"].tolist() == [-1, LARGE]
        assert nodes.neuro.cable_length().tolist() == [5.0]

    @pytest.mark.parametrize(
        "row",
        [
            "7.205759406210391e17 1 0 0 0 5 -1",
            "1 1 0 0 0 5 7.205759406210391e17",
            "720575940621039104.000000 1 0 0 0 5 -1",
        ],
    )
    def test_lost_digits_are_an_error_with_the_file_and_the_line(self, row: str, tmp_path: Path) -> None:
        file = tmp_path / "cell.swc"
        file.write_text(f"# a comment\n{row}\n2 3 3 4 0 1 1\n")
        with pytest.raises(errors.PrecisionLossError, match=r"cell.*line 2") as caught:
            read_swc(file)
        assert "Int64" not in str(caught.value)

    @given(
        numbers=st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=9, unique=True),
        form=st.sampled_from(["{}", "{}.0", "+{}"]),
    )
    def test_numbers_are_exact_or_an_error(self, numbers: list[int], form: str) -> None:
        text = "".join(f"{form.format(number)} 3 0 0 0 1 -1\n" for number in numbers)
        try:
            assert read(text)["node"].tolist() == numbers
        except errors.PrecisionLossError:
            large = [number for number in numbers if number > 2**53]
            assert form == "{}.0"
            assert all(int(float(number)) == number for number in large)

    @pytest.mark.parametrize(
        "method", ["morphology", "check", "cable_length", "path_distance", "to_networkx"]
    )
    def test_inexact_columns_are_errors_in_every_method(self, method: str) -> None:
        for name in ("node", "parent"):
            rounded = skeleton(**{name: [float(LARGE), float(LARGE) + 4096]})
            with pytest.raises(errors.PrecisionLossError, match=f"'{name}' is float64"):
                getattr(rounded.neuro, method)()
            single = skeleton(**{name: np.array([2**24 + 2, 5], np.float32)})
            with pytest.raises(errors.PrecisionLossError, match=f"'{name}' is float32"):
                getattr(single.neuro, method)()
        with pytest.raises(errors.InvalidIdError, match=r"'parent'.*10\.5 \(row 1\)"):
            getattr(skeleton(parent=[-1, 10.5]).neuro, method)()


class TestMissingNumbers:
    @pytest.mark.parametrize("dtype", ["Int64", "float64", "object", "int64[pyarrow]", "Float32"])
    def test_a_missing_parent_is_a_root_in_every_method(self, dtype: str, tmp_path: Path) -> None:
        nodes = skeleton(parent=pd.array([None, 10], "Int64").astype(dtype))
        assert nodes.neuro.morphology()[["roots", "cable_length"]].values.tolist() == [[1, 5.0]]
        assert nodes.neuro.cable_length().tolist() == [5.0]
        assert nodes.neuro.path_distance().tolist() == [0.0, 5.0]
        assert nodes.neuro.check().empty
        tree = nodes.neuro.to_networkx()
        assert list(tree.edges) == [(10, 7)]
        assert [type(node) for node in tree] == [int, int]
        (file,) = nodes.neuro.to_swc(tmp_path / "a.swc")
        assert read_swc(file)["parent"].tolist() == [-1, 10]
        nodes.neuro.plot.dendrogram()

    def test_a_missing_type_is_undefined_and_a_missing_node_is_an_error(self) -> None:
        nodes = skeleton(type=pd.array([1, None], "Int64"))
        assert nodes.neuro.to_networkx().nodes[7]["type"] == 0
        with pytest.raises(errors.InvalidIdError, match=r"'node' is missing in 1 rows: 1"):
            skeleton(node=pd.array([10, None], "Int64")).neuro.morphology()

    @pytest.mark.parametrize("dtype", ["object", "category", "string", "Int64"])
    def test_a_neuron_without_a_name_is_kept_in_every_method(self, dtype: str, tmp_path: Path) -> None:
        name = 5 if dtype == "Int64" else "a"
        nodes = pd.concat(
            [skeleton(neuron=name), skeleton(neuron=None, y=[0.0, 5.0])], ignore_index=True
        )
        nodes["neuron"] = nodes["neuron"].astype(dtype)
        nodes.loc[2:, "x"] = 0.0
        for lengths in (nodes.neuro.morphology()["cable_length"], nodes.neuro.cable_length()):
            assert lengths.tolist() == [5.0, 5.0]
            assert lengths.name == "cable_length"
            assert lengths.index.isna().tolist() == [False, True]
        by_type = nodes.neuro.cable_length(group_by=["neuron", "type"])
        assert by_type.tolist() == [0.0, 5.0, 0.0, 5.0]
        files = nodes.neuro.to_swc(tmp_path)
        assert [file.name for file in files] == [f"{name}.swc", "unnamed.swc"]
        assert [len(read_swc(file)) for file in files] == [2, 2]

    def test_two_neurons_are_not_written_to_one_file(self, tmp_path: Path) -> None:
        nodes = pd.concat([skeleton(neuron=1), skeleton(neuron="1")], ignore_index=True)
        with pytest.raises(errors.InvalidSwcError, match="one file: 1"):
            nodes.neuro.to_swc(tmp_path)
        assert not list(tmp_path.glob("*.swc"))


class TestImpossibleNumbers:
    @pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
    @pytest.mark.parametrize("axis", ["x", "y", "z"])
    def test_infinite_coordinates_are_missing(self, value: float, axis: str) -> None:
        nodes = read("1 1 0 0 0 5 -1\n2 3 0 0 0 1 1\n3 3 1 0 0 1 1\n4 3 2 0 0 1 2\n")
        nodes.loc[1, axis] = value
        assert nodes.neuro.check()[["node", "kind"]].values.tolist() == [[2, "no coordinates"]]
        assert nodes.neuro.morphology()[["cable_length", "max_path_distance"]].values.tolist() == [
            [1, 1]
        ]
        assert nodes.neuro.cable_length().tolist() == [1.0]
        assert nodes.neuro.path_distance().isna().tolist() == [False, True, False, True]

    @pytest.mark.parametrize(
        ("kind", "radius", "listed"),
        [(1, 0, True), (1, -1, True), (3, -1, True), (3, 0, False), (3, 0.5, False), (3, np.inf, True)],
    )
    def test_a_radius_is_a_length(self, kind: int, radius: float, listed: bool) -> None:
        nodes = skeleton(type=[kind, 1 if kind != 1 else 3], radius=[radius, 1.0])
        assert nodes.neuro.check()["kind"].tolist() == ["no radius"] * listed
        if listed:
            with pytest.raises(errors.InvalidSwcError, match="no radius at node 10"):
                swc.parse(swc.text(nodes).encode(), "a", strict=True)


class TestHeaders:
    EXPECTED = read(ROWS)

    @pytest.mark.parametrize("lead", ["", "# ", "#", "## "])
    @pytest.mark.parametrize("separator", [" ", ",", "\t", ", "])
    @settings(max_examples=12)
    @given(order=st.permutations(COLUMNS), alias=st.booleans(), index=st.booleans())
    def test_columns_in_any_order_are_read_by_name(
        self, order: list[str], alias: bool, index: bool, lead: str, separator: str
    ) -> None:
        names = {"node": "sample", "type": "Structure", "radius": "r", "parent": "PID"} if alias else {}
        table = self.EXPECTED[order].rename(columns=names)
        index = index and separator == ","
        text = table.to_csv(sep=separator.strip(" ") or " ", index=index)
        nodes = read(lead + (text.replace(",", ", ") if separator == ", " else text))
        pd.testing.assert_frame_equal(nodes[COLUMNS], self.EXPECTED[COLUMNS])
        assert nodes.neuro.cable_length().tolist() == [17.0]

    def test_row_names_of_r(self) -> None:
        header = ",".join(f'"{name}"' for name in COLUMNS)
        rows = "".join(f'"{n}",{row.replace(" ", ",")}\n' for n, row in enumerate(ROWS.splitlines(), 1))
        pd.testing.assert_frame_equal(read(f"{header}\n{rows}"), self.EXPECTED)

    def test_empty_cells(self) -> None:
        nodes = read("node,type,x,y,z,radius,parent\n1,,0,0,0,5,\n2,3,3,,0,,1\n")
        assert nodes["parent"].tolist() == [-1, 1]
        assert nodes["type"].tolist() == [0, 3]
        assert nodes[["y", "radius"]].isna().values.tolist() == [[False, False], [True, True]]

    @pytest.mark.parametrize(
        "comment",
        [
            "# node type x y z radius parent",
            "# Columns: n T X Y Z R P",
            "# inode R X Y Z D/2 idpar",
            "# scale x y z 1.0 1.0 1.0",
            "# a type of parent node",
        ],
    )
    def test_comments_that_change_nothing(self, comment: str) -> None:
        pd.testing.assert_frame_equal(read(f"{comment}\n{ROWS}"), self.EXPECTED)

    def test_a_header_that_does_not_fit_is_an_error(self) -> None:
        with pytest.raises(errors.InvalidSwcError, match="names 8 columns, and line 2 has 7"):
            read(f"# id parent x y z radius type extra\n{ROWS}")

    @pytest.mark.parametrize("index", [True, False])
    @pytest.mark.parametrize("neurons", [["a", "b"], [720575940621039145, 12]])
    def test_a_node_table_written_by_pandas(
        self, neurons: list[Any], index: bool, tmp_path: Path
    ) -> None:
        nodes = pd.concat([self.EXPECTED.assign(neuron=name) for name in neurons], ignore_index=True)
        nodes.to_csv(tmp_path / "nodes.csv", index=index)
        found = read_swc(tmp_path / "nodes.csv")
        assert found["neuron"].tolist() == nodes["neuron"].tolist()
        pd.testing.assert_frame_equal(found[COLUMNS], nodes[COLUMNS])
        assert found.neuro.check().empty
        with pytest.raises(errors.InvalidSwcError, match="several neurons"):
            read_swc(tmp_path / "nodes.csv", neuron="one")


class TestArchivesAndFolders:
    def files(self, folder: Path) -> list[Path]:
        folder.mkdir()
        (folder / "b.CNG.swc").write_text(ROWS)
        (folder / "a.swc.gz").write_bytes(gzip.compress(ROWS.encode()))
        (folder / "._b.CNG.swc").write_bytes(b"\0Mac")
        (folder / "notes.txt").write_text("no reconstruction")
        with zipfile.ZipFile(folder / "all.zip", "w") as archive:
            archive.writestr("cells/c.swc", ROWS)
            archive.writestr("cells/d.CNG.swc", ROWS)
            archive.writestr("__MACOSX/cells/._c.swc", b"\0Mac")
        return sorted(folder.iterdir())

    def test_each_form_of_several_files(self, tmp_path: Path) -> None:
        folder = tmp_path / "cells"
        self.files(folder)
        for path, names in (
            (folder, ["a", "b"]),
            (str(folder / "*.swc*"), ["a", "b"]),
            (str(tmp_path / "**" / "*.CNG.swc"), ["b"]),
            (folder / "a.swc.gz", ["a"]),
            (folder / "all.zip", ["c", "d"]),
            ([folder / "all.zip", folder / "a.swc.gz"], ["c", "d", "a"]),
        ):
            nodes = read_swc(path)
            assert nodes["neuron"].unique().tolist() == names
            assert len(nodes) == 3 * len(names)
            assert nodes.neuro.cable_length().tolist() == [17.0] * len(names)

    def test_damaged_and_empty_archives_name_the_file(self, tmp_path: Path) -> None:
        whole = gzip.compress(ROWS.encode() * 50)
        (tmp_path / "cut.swc.gz").write_bytes(whole[:-12])
        (tmp_path / "broken.swc.gz").write_bytes(whole[:20] + b"\0" * 20 + whole[40:])
        (tmp_path / "cut.zip").write_bytes(b"PK\x03\x04 and no more")
        for name in ("cut.swc.gz", "broken.swc.gz", "cut.zip"):
            with pytest.raises(errors.InvalidSwcError, match=name):
                read_swc(tmp_path / name)
        with zipfile.ZipFile(tmp_path / "empty.zip", "w") as archive:
            archive.writestr("notes.txt", "nothing")
        with pytest.raises(errors.InvalidSwcError, match=r"empty\.zip does not contain"):
            read_swc(tmp_path / "empty.zip")
        (tmp_path / "empty").mkdir()
        for path in (tmp_path / "empty", str(tmp_path / "*.none")):
            with pytest.raises(FileNotFoundError, match="does not contain an SWC file"):
                read_swc(path)


def test_branches_are_those_of_the_neurite() -> None:
    one = "1 1 0 0 0 5 -1\n2 3 3 4 0 1 1\n3 3 -3 4 0 1 1\n4 3 0 9 0 1 2\n5 3 6 9 0 1 2\n"
    assert read(one).neuro.morphology()[["branches", "tips"]].values.tolist() == [[1, 3]]
    # Without a soma, the root is not counted either; with one, none of its nodes is counted.
    assert read(one.replace("1 1 0", "1 3 0")).neuro.morphology()["branches"].tolist() == [1]
    three = "1 1 0 0 0 5 -1\n2 1 0 5 0 5 1\n3 3 3 4 0 1 2\n4 3 -3 4 0 1 2\n5 3 0 9 0 1 1\n"
    assert read(three).neuro.morphology()["branches"].tolist() == [0]
