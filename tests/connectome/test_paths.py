"""Files of a connectome by relative paths, after a change of the working folder."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pdneuro import Connectome

IDS = pd.Series([1, 2])


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Two files in the working folder; call it to work in another folder."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    (here / "edges.csv").write_text("pre,post,weight\n1,2,5\n")
    (here / "neurons.csv").write_text("root_id,side\n1,left\n2,right\n")
    monkeypatch.chdir(here)
    return lambda: monkeypatch.chdir(there)


def test_a_copy_opens_its_files_from_another_folder(elsewhere: Callable[[], None]) -> None:
    packed = pickle.dumps(Connectome.from_files("edges.csv", "neurons.csv"))
    elsewhere()
    copy: Any = pickle.loads(packed)
    assert copy.to_frame().to_numpy().tolist() == [[1, 2, 5]]
    assert IDS.neuro.properties("side", source=copy)["side"].tolist() == ["left", "right"]


def test_columns_of_neurons_are_read_later_from_another_folder(elsewhere: Callable[[], None]) -> None:
    brain = Connectome.from_files(Path("edges.csv"), Path("neurons.csv"))
    elsewhere()
    assert IDS.neuro.properties("side", source=brain)["side"].tolist() == ["left", "right"]
    assert brain.neurons["root_id"].tolist() == [1, 2]


def test_a_copy_has_all_options_of_the_original(tmp_path: Path) -> None:
    (tmp_path / "edges.csv").write_text("a,b,w1,w2\n1,2,5,70\n")
    (tmp_path / "neurons.csv").write_text("old,new,side\n3,30,left\n")
    brain = Connectome.from_files(
        tmp_path / "edges.csv",
        tmp_path / "neurons.csv",
        "mine",
        on="new",
        materialized_timestamp=1_700_000_000,
        pre="b",
        post="a",
        weight="w2",
    )
    copy: Any = pickle.loads(pickle.dumps(brain))
    assert copy.name == "connectome:mine"
    assert copy.to_frame().to_numpy().tolist() == [[2, 1, 70]]
    assert copy.ids.tolist() == [1, 2, 30]
    assert copy.materialized_timestamp == 1_700_000_000
    found = pd.Series([30]).neuro.properties("side", source=copy)
    assert found["side"].tolist() == ["left"]
    assert found.attrs["pdneuro"]["materialized_timestamp"] == [1_700_000_000]


def test_the_home_folder_is_written_as_a_tilde() -> None:
    home = Path.home()
    (home / "edges.csv").write_text("pre,post,weight\n1,2,5\n")
    (home / "neurons.csv").write_text("root_id,side\n1,left\n2,right\n")
    brain = Connectome.from_files("~/edges.csv", "~/neurons.csv")
    assert IDS.neuro.properties("side", source=brain)["side"].tolist() == ["left", "right"]
    assert IDS.neuro.edges(source="~/edges.csv")["weight"].tolist() == [5]


def test_names_of_files_may_contain_any_letters(tmp_path: Path) -> None:
    path = tmp_path / "Zürich — 蝇" / "kanten µm.csv"
    path.parent.mkdir()
    pd.DataFrame({"pre": [1], "post": [2], "weight": [3]}).to_csv(path, index=False)
    neurons = path.with_name("nœuds.csv")
    neurons.write_text("root_id,Größe\n1,klein — fein\n2,\n", encoding="utf-8")
    for _ in range(2):
        brain = Connectome.from_files(path, neurons)
        assert brain.to_frame().to_numpy().tolist() == [[1, 2, 3]]
        found = IDS.neuro.properties("Größe", source=brain)
        assert found["Größe"].fillna("none").tolist() == ["klein — fein", "none"]
    assert IDS.neuro.edges(source=brain).attrs["pdneuro"]["source"] == "connectome:kanten µm"
