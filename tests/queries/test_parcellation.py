"""The parcellation of the Allen Brain Cell Atlas: terms by index, points in a volume, mix-ups with IDs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import pdneuro
from pdneuro import errors
from pdneuro.sandbox import Sandbox

LEVELS = ["organ", "category", "division", "structure", "substructure"]
ROWS = [
    (0, "unassigned", "unassigned", "unassigned", "unassigned", "unassigned"),
    (1, "brain", "grey", "HY", "TMv", "TMv"),
    (526, "brain", "grey", "TH", "LGd", "LGd-unassigned"),
]
CELLS = pd.DataFrame(
    {"cell_label": ["a", "b", "c"], "parcellation_index": [526, 1, 526]}, index=[7, 8, 9]
)


@pytest.fixture
def terms(tmp_path: Path) -> Path:
    """Write the published files into a folder below the one that is given."""
    folder = tmp_path / "terms" / "20230630"
    folder.mkdir(parents=True)
    table = pd.DataFrame(ROWS, columns=["parcellation_index", *LEVELS])
    for kind in ("acronym", "name", "color"):
        values = table.copy()
        values[LEVELS] = values[LEVELS].map(
            lambda text, kind=kind: text if kind == "acronym" else f"{kind} {text}"
        )
        values.to_csv(folder / f"parcellation_to_parcellation_term_membership_{kind}.csv", index=False)
    return tmp_path / "terms"


def test_terms_are_joined_at_each_level(terms: Path) -> None:
    with pdneuro.set_options(offline=True):
        joined = CELLS.neuro.join_structures(on="parcellation_index", terms=terms)
    assert joined.columns.tolist() == [*CELLS.columns, *(f"parcellation_{level}" for level in LEVELS)]
    assert joined.index.tolist() == [7, 8, 9]
    assert joined.parcellation_division.tolist() == ["TH", "HY", "TH"]
    assert joined.parcellation_substructure.tolist() == ["LGd-unassigned", "TMv", "LGd-unassigned"]
    named = CELLS.neuro.join_structures("division_name", "division_color", terms=terms, prefix="")
    assert named.division_name.tolist() == ["name TH", "name HY", "name TH"]


@pytest.mark.parametrize("level", LEVELS)
def test_rollup_to_each_level(level: str, terms: Path) -> None:
    expected = {row[0]: row[1 + LEVELS.index(level)] for row in ROWS}
    found = CELLS.neuro.rollup(level, on="parcellation_index", terms=terms)
    assert found.tolist() == [expected[index] for index in CELLS.parcellation_index]
    assert CELLS.parcellation_index.neuro.rollup(level, terms=terms).equals(found)


def test_the_table_with_a_row_per_level_has_the_same_terms(terms: Path, tmp_path: Path) -> None:
    rows = [
        (row[0], level, row[1 + k], f"name {row[1 + k]}", "#FF0000")
        for row in ROWS
        for k, level in enumerate(LEVELS)
    ]
    names = ["parcellation_index", "parcellation_term_set_name", "parcellation_term_acronym"]
    table = pd.DataFrame(rows, columns=[*names, "parcellation_term_name", "color_hex_triplet"])
    folder = tmp_path / "long"
    folder.mkdir()
    table.to_csv(folder / "parcellation_to_parcellation_term_membership.csv", index=False)
    first, second = (pdneuro.allen.parcellation_terms(path) for path in (terms, folder))
    pd.testing.assert_frame_equal(first[LEVELS], second[LEVELS], check_names=False)


def test_missing_indexes_are_missing_terms(terms: Path) -> None:
    column = pd.Series([1, None], dtype="Int64", name="parcellation_index")
    assert column.neuro.structures("division", terms=terms).division.isna().tolist() == [False, True]
    joined = column.to_frame().neuro.join_structures("division", terms=terms, indicator=True)
    assert joined["_merge"].tolist() == ["found", "missing"]


def test_ids_of_structures_under_the_name_of_indexes_are_rejected(terms: Path) -> None:
    cells = pd.DataFrame({"parcellation_index": [385, 1]})
    with pytest.raises(errors.InvalidIdError, match=r"385.*'structure_id'"):
        cells.neuro.join_structures(terms=terms)
    with pytest.raises(errors.InvalidIdError, match="385"):
        cells.neuro.rollup("division", terms=terms)


def test_indexes_under_the_name_of_structures_are_rejected(terms: Path) -> None:
    cells = CELLS.rename(columns={"parcellation_index": "structure_id"})
    for ask in (
        lambda: cells.neuro.join_structures("division", on="structure_id", terms=terms),
        lambda: cells.neuro.rollup("division", on="structure_id", terms=terms),
    ):
        with pytest.raises(errors.InvalidIdError, match="rename the column to 'parcellation_index'"):
            ask()


def test_indexes_are_not_looked_up_in_the_tree_of_structures() -> None:
    for method in ("ancestors", "descendants"):
        with pytest.raises(errors.InvalidIdError, match="not IDs of structures"):
            getattr(CELLS.parcellation_index.neuro, method)()
    with pytest.raises(errors.InvalidIdError, match="not IDs of structures"):
        CELLS.parcellation_index.neuro.is_under("TH")


def test_an_index_that_is_no_number_is_an_error_with_its_row(terms: Path) -> None:
    cells = pd.Series([1, "VISp"], name="parcellation_index", index=["a", "b"])
    with pytest.raises(errors.InvalidIdError, match=r"'parcellation_index'.*'VISp' \(row 'b'\)"):
        cells.neuro.structures("division", terms=terms)


def test_terms_can_be_a_table_and_lack_a_kind(terms: Path) -> None:
    (file,) = terms.rglob("*_color.csv")
    file.unlink()
    table = pdneuro.allen.parcellation_terms(terms)
    assert table.columns.tolist() == [*LEVELS, *(f"{level}_name" for level in LEVELS)]
    with pdneuro.set_options(offline=True):
        found = CELLS.neuro.join_structures("division", "organ_name", terms=table)
    assert found.parcellation_division.tolist() == ["TH", "HY", "TH"]
    assert found.parcellation_organ_name.tolist() == ["name brain"] * 3
    with pytest.raises(errors.UnknownFieldError, match="no field 'division_color'"):
        CELLS.neuro.join_structures("division_color", terms=table)


def test_other_fields_and_folders_are_errors(terms: Path, tmp_path: Path) -> None:
    with pytest.raises(errors.UnknownFieldError, match="'division'"):
        CELLS.neuro.join_structures("divison", terms=terms)
    with pytest.raises(FileNotFoundError, match="parcellation_to_parcellation_term_membership_acronym"):
        CELLS.neuro.join_structures(terms=tmp_path / "none")


def test_without_a_folder_the_terms_are_downloaded_once(sandbox: Sandbox) -> None:
    assert CELLS.neuro.join_structures("division").parcellation_division.tolist() == ["TH", "HY", "TH"]
    before = len(sandbox.requests)
    with pdneuro.set_options(offline=True):
        CELLS.neuro.join_structures("division")
    assert len(sandbox.requests) == before == 3


def test_terms_that_were_downloaded_are_kept_when_the_next_download_fails(sandbox: Sandbox) -> None:
    sandbox.fail(status=404, path="membership_color")
    with pytest.raises(errors.NotFoundError):
        pdneuro.allen.parcellation_terms()
    before = len(sandbox.requests)
    assert pdneuro.allen.parcellation_terms().loc[1, "division"] == "HY"
    assert [request.path.rpartition("_")[2] for request in sandbox.requests[before:]] == ["color.csv"]


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda table: table.drop(columns=["division", "organ"]), errors.MissingColumnsError,
         "lacks the columns 'organ', 'division'"),
        (lambda table: table.drop(columns="parcellation_index"), errors.MissingColumnsError,
         "lacks the columns 'parcellation_index'"),
        (lambda table: pd.concat([table, table.iloc[:1]]), errors.InvalidFileError, "'parcellation_index' must"),
        (lambda table: table.assign(parcellation_index=[0, 1, "x"]), errors.InvalidFileError, "numbers that differ"),
        (lambda table: table.assign(parcellation_index=[0, 1, -2]), errors.InvalidFileError, "numbers that differ"),
    ],
)  # fmt: skip
def test_a_file_that_holds_no_terms_is_named(
    terms: Path, change: Callable[[pd.DataFrame], pd.DataFrame], error: type[Exception], words: str
) -> None:
    name = "parcellation_to_parcellation_term_membership_name.csv"
    [path] = terms.rglob(name)
    change(pd.read_csv(path)).to_csv(path, index=False)
    with pytest.raises(error, match=f"{name}.* {words}"):
        pdneuro.allen.parcellation_terms(terms)


# -- points -----------------------------------------------------------------------------------------


def test_points_have_a_structure_and_a_hemisphere(sandbox: Sandbox) -> None:
    annotation = pdneuro.allen.annotation_volume(100)
    points = pd.DataFrame(
        {"x": [150.0, 350.0, 9999.0], "y": [450.0] * 3, "z": [450.0, 850.0, 1.0]}, index=list("abc")
    )
    found = points.neuro.structures_at(annotation)
    assert found.columns.tolist() == ["structure_id", "acronym", "hemisphere"]
    assert found.index.tolist() == ["a", "b", "c"]
    assert found.structure_id.fillna(-1).tolist() == [385, 549, -1]
    assert found.acronym.fillna("").tolist() == ["VISp", "TH", ""]
    assert found.hemisphere.fillna("").tolist() == ["left", "right", ""]
    named = points.rename(columns={"x": "p", "y": "q", "z": "r"})
    assert named.neuro.structures_at(annotation, ["p", "q", "r"]).equals(found)


def test_points_in_a_volume_of_indexes(terms: Path, sandbox: Sandbox) -> None:
    annotation = pdneuro.allen.annotation_volume(100)
    indexes = annotation.copy(data=np.where(annotation == 385, 526, 1).astype("uint32"))
    points = pd.DataFrame({"x": [150.0], "y": [450.0], "z": [450.0]})
    found = points.neuro.structures_at(indexes, terms=terms)
    assert found.columns.tolist() == ["parcellation_index", "acronym", "hemisphere"]
    assert found.iloc[0].tolist() == [526, "LGd-unassigned", "left"]
