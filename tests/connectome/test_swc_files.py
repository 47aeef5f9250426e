"""Files in SWC format as a source of skeletons."""

from __future__ import annotations

import gzip
import os
import zipfile
from pathlib import Path

import pandas as pd
import pytest

import pdneuro
from pdneuro import errors
from pdneuro.connectome.swc_files import SwcFiles
from pdneuro.sources import open_skeletons

IDS = [720575940621522189, 720575940618495860, 720575940643788498]
BODY = "1 1 {} 0 0 5 -1\n2 2 3 4 0 1 1\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a file of each of two IDs, and of another one."""
    place = tmp_path / "cells"
    (place / "more").mkdir(parents=True)
    (place / f"{IDS[0]}.swc").write_text(BODY.format(0.5))
    (place / "more" / f"cell_{IDS[1]}_v783.swc.gz").write_bytes(gzip.compress(BODY.format(7).encode()))
    (place / "12.swc").write_text("damaged")  # not read
    return place


@pytest.mark.parametrize("form", ["path", "slash", "bare", "option", "pattern"])
def test_files_are_found_by_their_ids(folder: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    sources = {
        "path": folder,
        "slash": f"{folder}{os.sep}",
        "bare": "cells",
        "option": None,
        "pattern": str(folder / "**" / "*.swc*"),
    }
    with pdneuro.set_options(source=str(folder)):
        nodes = pd.Series(IDS[1::-1]).neuro.skeletons(source=sources[form])
    assert nodes["neuron"].tolist() == [IDS[1]] * 2 + [IDS[0]] * 2
    assert nodes["x"].tolist() == [7, 3, 0.5, 3]
    assert nodes["neuron"].dtype == "int64"
    assert nodes.neuro.morphology().index.tolist() == IDS[1::-1]


def test_an_archive(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "cells.zip"
    with zipfile.ZipFile(file, "w") as archive:
        for part in folder.rglob("*.swc*"):
            archive.write(part, part.relative_to(folder))
    nodes = pd.Series(IDS[:2]).neuro.skeletons(source=str(file))
    assert nodes["neuron"].nunique() == 2


def test_an_id_without_a_file_is_unknown(folder: Path) -> None:
    with pytest.warns(errors.UnknownIdsWarning, match="no file with such a name"):
        nodes = pd.Series(IDS).neuro.skeletons(source=folder)
    assert nodes["neuron"].unique().tolist() == IDS[:2]
    report = pdneuro.last_report()
    assert report["status"].tolist() == ["found", "found", "unknown"]
    assert report["detail"].tolist() == [f"{IDS[0]}.swc", f"cell_{IDS[1]}_v783.swc.gz", ""]


def test_wrong_files_are_named(folder: Path) -> None:
    ids = pd.Series(IDS[:1])
    (folder / f"old_{IDS[0]}.swc").write_text(BODY.format(1))
    with pytest.raises(errors.InvalidSwcError, match="two files"):
        ids.neuro.skeletons(source=folder)
    with pytest.raises(errors.InvalidSwcError):
        pd.Series([12]).neuro.skeletons(source=folder)
    with pytest.raises(errors.InvalidQueryError, match="generate=True"):
        ids.neuro.skeletons(source=folder, generate=True)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        ids.neuro.skeletons(source=folder / "nowhere")


def test_a_source_without_skeletons_is_named() -> None:
    edges = pd.DataFrame({"pre": IDS[:2], "post": IDS[1:], "weight": [1, 2]})
    with pytest.raises(errors.UnknownSourceError, match="has no skeletons"):
        pd.Series(IDS).neuro.skeletons(source=pdneuro.Connectome(edges))


def test_a_source_of_skeletons_can_be_an_object(folder: Path) -> None:
    opened = open_skeletons(folder)
    assert open_skeletons(opened) is opened
    ids = pd.Series(IDS[:2])
    pd.testing.assert_frame_equal(ids.neuro.skeletons(source=opened), ids.neuro.skeletons(source=folder))


def test_the_only_file_is_of_its_own_id(folder: Path) -> None:
    file = folder / f"{IDS[0]}.swc"
    assert pd.Series(IDS[:1]).neuro.skeletons(source=str(file))["x"].tolist() == [0.5, 3]
    with pytest.warns(errors.UnknownIdsWarning, match="no file with such a name"):
        assert pd.Series([12]).neuro.skeletons(source=str(file)).empty
    other = (folder / "12.swc").rename(folder / "12.txt")
    with pytest.warns(errors.UnknownIdsWarning, match="no file with such a name"):
        assert pd.Series(IDS[:1]).neuro.skeletons(source=SwcFiles(other)).empty  # damaged, not read
