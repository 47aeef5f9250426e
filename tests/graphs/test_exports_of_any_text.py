"""Files for Gephi and Cytoscape: any letters, full disks, folders."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import pdneuro
from tests.disk import full_disk

EDGES = pd.DataFrame({"pre": [11, 12], "post": [12, 11], "weight": [3, 4], "région": ["été", "µ — 蝇"]})
NODES = pd.DataFrame(
    {"root_id": [11, 12], "naïve": ['größer, "fein"', "two\nlines"], "class": ["Kenyon-Zelle β₂", None]}
)
PROGRAMS = ["to_gephi", "to_cytoscape"]


def read(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / name, dtype=str, encoding="utf-8")


def export(edges: pd.DataFrame, program: str, folder: Any, nodes: pd.DataFrame | None = None) -> Path:
    return getattr(edges.neuro, program)(folder, nodes)


@pytest.mark.parametrize("program", PROGRAMS)
def test_any_letters_are_written_as_utf_8(program: str, tmp_path: Path) -> None:
    folder = export(EDGES, program, tmp_path / "Größe — 蝇", NODES)
    assert folder == tmp_path / "Größe — 蝇"
    nodes, edges = read(folder, "nodes.csv"), read(folder, "edges.csv")
    assert edges["région"].tolist() == EDGES["région"].tolist()
    assert nodes["naïve"].tolist() == NODES["naïve"].tolist()
    assert nodes["class"].tolist()[0] == "Kenyon-Zelle β₂"
    assert nodes["class"].isna().tolist() == [False, True]


def test_labels_of_gephi_may_contain_any_letters(tmp_path: Path) -> None:
    folder = EDGES.neuro.to_gephi(tmp_path, NODES, label="class")
    assert read(folder, "nodes.csv")["Label"].tolist() == ["Kenyon-Zelle β₂", "12"]


@pytest.mark.parametrize("program", PROGRAMS)
def test_only_ids_and_text_are_quoted(program: str, tmp_path: Path) -> None:
    folder = export(EDGES[["pre", "post", "weight"]], program, tmp_path, NODES[["root_id"]])
    rows = (folder / "edges.csv").read_text().splitlines()[1:]
    kind = "Directed" if program == "to_gephi" else "synapse"
    assert rows == [f'"11","12","{kind}",3', f'"12","11","{kind}",4']


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_full_disk_leaves_the_old_files(program: str, tmp_path: Path) -> None:
    folder = export(EDGES, program, tmp_path / "out")
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    with full_disk(1000), pytest.raises(OSError, match="large"):
        export(pdneuro.sandbox.edges(), program, folder)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_link_in_the_folder_stays_a_link(program: str, tmp_path: Path) -> None:
    shared = tmp_path / "shared.csv"
    shared.write_text("old\n")
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "edges.csv").symlink_to(shared)
    export(EDGES, program, folder)
    assert (folder / "edges.csv").is_symlink()
    assert len(pd.read_csv(shared)) == 2


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("place", ["new", "~/new", Path("new")], ids=repr)
def test_where_the_files_go(
    program: str, place: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    export(EDGES, program, place)
    folder = Path(os.fspath(place)).expanduser()
    assert sorted(file.name for file in folder.iterdir()) == ["edges.csv", "nodes.csv"]
