"""Columns of structures: roll-ups of unknown, missing and unusual values."""

from __future__ import annotations

import pandas as pd
import pytest

from pdneuro import errors
from pdneuro.sandbox import Sandbox

ROOT = 997


@pytest.mark.parametrize("to", [ROOT, [ROOT], "root"])
def test_what_is_not_in_the_tree_is_not_rolled_up_to_the_root(to: object, sandbox: Sandbox) -> None:
    ids = pd.Series([385, 4, None, 0, -385], dtype="Int64")
    with pytest.warns(errors.UnknownIdsWarning, match=r"1 structures \(1 rows\)"):
        found = ids.neuro.rollup(to)
    assert found.isna().tolist() == [False, True, True, True, False]
    assert found.dropna().tolist() == [ROOT, -ROOT]
    acronyms = pd.Series(["VISp", "nowhere", None, "void"])
    found = acronyms.neuro.rollup(to, on_missing="ignore")
    assert found.isna().tolist() == [False, True, True, True]
    assert found[0] == "root"


def test_what_is_not_in_the_tree_is_not_under_the_root(sandbox: Sandbox) -> None:
    ids = pd.Series([385, 4, None, 0, -385, ROOT], dtype="Int64")
    found = ids.neuro.is_under(ROOT, on_missing="ignore")
    assert found.isna().tolist() == [False, True, True, False, False, False]
    assert found.dropna().tolist() == [True, False, True, True]
    proper = ids.neuro.is_under(ROOT, include_self=False, on_missing="ignore")
    assert proper.dropna().tolist() == [True, False, True, False]
    assert ids.neuro.ancestors(on_missing="ignore").index.unique().tolist() == [0, 4]


def test_the_last_structures_of_the_tree_are_not_confused_with_missing_ones(sandbox: Sandbox) -> None:
    last = pd.Series(["root"]).neuro.descendants()["descendant_id"].iloc[-3:]
    members = last.tolist()
    ids = pd.Series([*members, 4, None, 0], dtype="Int64")
    found = ids.neuro.rollup(members, on_missing="ignore")
    assert found.dropna().tolist() == members
    under = ids.neuro.is_under(members, on_missing="ignore")
    assert under.astype("Int64").fillna(9).tolist() == [1, 1, 1, 9, 9, 0]


@pytest.mark.parametrize(
    "texts",
    [
        ["385", "549"],
        ["385.0", "549.0"],
        [" 385 ", "549"],
        ["385", "549", None, ""],
        ["385", "549", "12345678901234567890123"],
        ["385", "549", "-9223372036854775809"],
    ],
)
def test_a_column_of_ids_as_text_rolls_up_to_ids(texts: list[str | None], sandbox: Sandbox) -> None:
    found = pd.Series(texts).neuro.rollup(["Isocortex", "TH"], on_missing="ignore")
    assert found.dropna().tolist() == [315, 549]
    assert pd.api.types.is_integer_dtype(found)
    left = pd.Series([f"-{text.strip()}" for text in texts[:2] if text])
    assert left.neuro.rollup(["Isocortex", "TH"]).tolist() == [-315, -549]


def test_a_column_with_an_acronym_rolls_up_to_acronyms(sandbox: Sandbox) -> None:
    found = pd.Series(["385", "TH", None]).neuro.rollup(["Isocortex", "TH"])
    assert found.fillna("-").tolist() == ["Isocortex", "TH", "-"]


def test_a_number_that_is_too_long_is_reported_as_unknown(sandbox: Sandbox) -> None:
    long = "12345678901234567890123"
    with pytest.warns(errors.UnknownIdsWarning, match=rf"1 structures \(2 rows\).*{long}"):
        found = pd.Series(["385", long, long]).neuro.structures("id")
    assert found["id"].isna().tolist() == [False, True, True]
