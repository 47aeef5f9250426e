"""The page docs/allensdk.md lists every public name of allensdk's classes, and what it says is so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from pdneuro.allen import sdk
from pdneuro.errors import LeftOutError

ROOT = Path(__file__).parents[2]
STATES = ("same", "better", "left out")


def listed() -> dict[str, str]:
    """Return the state of each name, by class and name, as the page lists it."""
    found: dict[str, str] = {}
    page = (ROOT / "docs" / "allensdk.md").read_text("utf-8").partition("## Every name")[2]
    for section in page.split("\n### ")[1:]:
        owner, _, text = section.partition("\n")
        for row in re.findall(r"^\| `.+\|$", text, re.M):
            names, state, why = (cell.strip() for cell in row.split("|")[1:-1])
            assert state in STATES, row
            assert bool(why) == (state != "same"), row
            for name in re.findall(r"`(\w+)`", names):
                key = name if owner == "Functions" else f"{owner}.{name}"
                assert key not in found, key
                found[key] = state
    return found


LISTED = listed()
NAMES = (ROOT / "tests" / "allensdk" / "names.txt").read_text("utf-8").split()


def test_the_page_lists_every_name_once() -> None:
    assert sorted(LISTED) == sorted(NAMES)


def member(name: str) -> Any:
    """Return a name of a class of pdneuro, of its object if the class does not have it."""
    owner, _, part = name.rpartition(".")
    if not owner:
        return getattr(sdk, name)
    cls = getattr(sdk, owner)
    return getattr(cls, part) if hasattr(cls, part) else getattr(cls(), part)


@pytest.mark.parametrize("name", [name for name, state in LISTED.items() if state != "left out"])
def test_a_name_exists(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    member(name)


@pytest.mark.parametrize("name", [name for name, state in LISTED.items() if state == "left out"])
def test_a_name_that_is_left_out_does_not_exist_or_says_so(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    owner, part = name.split(".")
    cls = getattr(sdk, owner)
    if not hasattr(cls, part):
        return
    made = cls(25, "annotation/ccf_2017") if owner == "ReferenceSpaceCache" else cls()
    with pytest.raises(LeftOutError, match="read"):
        getattr(made, part)(385)
