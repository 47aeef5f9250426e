"""Indexes on disk: when an index is reused, and when it is built again."""

from __future__ import annotations

import os
import shutil
import threading
import warnings
from pathlib import Path

import pandas as pd
import pytest

import pdneuro
from pdneuro import Connectome, errors
from tests.disk import full_disk

MOMENT = 1_700_000_000_000_000_000


def write(path: Path, text: str, *, moment: int = MOMENT) -> Path:
    """Write a file with a fixed time of change, in nanoseconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, ns=(moment, moment))
    return path


def rows(brain: Connectome) -> list[list[int]]:
    return brain.to_frame().to_numpy().tolist()


def indexes() -> list[Path]:
    return sorted((pdneuro.get_options()["cache_dir"] / "indexes").iterdir())


# -- the key --------------------------------------------------------------------------------------


def test_each_column_of_weights_has_its_own_index(tmp_path: Path) -> None:
    file = write(tmp_path / "edges.csv", "pre,post,w1,w2\n1,2,5,70\n")
    for _ in range(2):
        assert rows(Connectome.from_files(file, weight="w1")) == [[1, 2, 5]]
        assert rows(Connectome.from_files(file, weight="w2")) == [[1, 2, 70]]


def test_exchanged_columns_have_their_own_index(tmp_path: Path) -> None:
    file = write(tmp_path / "edges.csv", "a,b\n1,2\n")
    assert rows(Connectome.from_files(file, pre="a", post="b")) == [[1, 2, 1]]
    assert rows(Connectome.from_files(file, pre="b", post="a")) == [[2, 1, 1]]


def test_each_column_of_neuron_ids_has_its_own_index(tmp_path: Path) -> None:
    edges = write(tmp_path / "edges.csv", "pre,post\n1,2\n")
    neurons = write(tmp_path / "neurons.csv", "old,new\n3,30\n4,40\n")
    assert Connectome.from_files(edges, neurons, on="old").ids.tolist() == [1, 2, 3, 4]
    assert Connectome.from_files(edges, neurons, on="new").ids.tolist() == [1, 2, 30, 40]
    assert Connectome.from_files(edges).ids.tolist() == [1, 2]


@pytest.mark.parametrize("shift", [1, -1, 3_600 * 10**9], ids=["later", "earlier", "an hour later"])
def test_a_file_rewritten_with_the_same_size_is_indexed_again(tmp_path: Path, shift: int) -> None:
    file = write(tmp_path / "edges.csv", "pre,post,weight\n1,2,5\n")
    assert rows(Connectome.from_files(file)) == [[1, 2, 5]]
    write(file, "pre,post,weight\n1,2,7\n", moment=MOMENT + shift)
    assert rows(Connectome.from_files(file)) == [[1, 2, 7]]


def test_a_file_of_another_size_and_the_same_time_is_indexed_again(tmp_path: Path) -> None:
    file = write(tmp_path / "edges.csv", "pre,post,weight\n1,2,5\n")
    assert rows(Connectome.from_files(file)) == [[1, 2, 5]]
    write(file, "pre,post,weight\n1,2,50\n")
    assert rows(Connectome.from_files(file)) == [[1, 2, 50]]


def test_changed_neurons_are_indexed_again(tmp_path: Path) -> None:
    edges = write(tmp_path / "edges.csv", "pre,post\n1,2\n")
    neurons = write(tmp_path / "neurons.csv", "root_id\n3\n")
    assert Connectome.from_files(edges, neurons).ids.tolist() == [1, 2, 3]
    write(neurons, "root_id\n4\n", moment=MOMENT + 1)
    assert Connectome.from_files(edges, neurons).ids.tolist() == [1, 2, 4]


def test_equal_files_of_two_folders_keep_their_indexes(tmp_path: Path) -> None:
    """Same name, size and time: only the folder differs."""
    files = [
        write(tmp_path / folder / "edges.csv", f"pre,post,weight\n1,2,{weight}\n")
        for folder, weight in (("a", 5), ("b", 7))
    ]
    for _ in range(2):
        assert [rows(Connectome.from_files(file)) for file in files] == [[[1, 2, 5]], [[1, 2, 7]]]
    assert len(indexes()) == 2


@pytest.mark.parametrize("change", ["added", "changed", "removed"])
def test_a_folder_of_files_is_indexed_again_when_one_changes(tmp_path: Path, change: str) -> None:
    folder = tmp_path / "edges"
    for number in (1, 2):
        write(folder / f"{number}.csv", f"pre,post,weight\n{number},9,5\n")
    assert rows(Connectome.from_files(folder)) == [[1, 9, 5], [2, 9, 5]]
    if change == "removed":
        (folder / "2.csv").unlink()
        expected = [[1, 9, 5]]
    elif change == "changed":
        write(folder / "2.csv", "pre,post,weight\n2,9,8\n", moment=MOMENT + 1)
        expected = [[1, 9, 5], [2, 9, 8]]
    else:
        write(folder / "3.csv", "pre,post,weight\n3,9,5\n")
        expected = [[1, 9, 5], [2, 9, 5], [3, 9, 5]]
    assert rows(Connectome.from_files(folder)) == expected


def test_a_changed_file_replaces_its_own_index_only(tmp_path: Path) -> None:
    first, second = (
        write(tmp_path / f"{name}.csv", f"pre,post,weight\n1,2,{weight}\n")
        for name, weight in (("first", 5), ("second", 7))
    )
    for file in (first, second):
        Connectome.from_files(file)
    before = set(indexes())
    write(first, "pre,post,weight\n1,2,6\n", moment=MOMENT + 1)
    assert rows(Connectome.from_files(first)) == [[1, 2, 6]]
    assert len(indexes()) == 2
    assert len(before & set(indexes())) == 1
    (kept,) = before & set(indexes())
    stamp = (kept / "weight.npy").stat().st_mtime_ns
    assert rows(Connectome.from_files(second)) == [[1, 2, 7]]
    assert (kept / "weight.npy").stat().st_mtime_ns == stamp


def test_one_file_has_an_index_with_and_without_neurons(tmp_path: Path) -> None:
    edges = write(tmp_path / "edges.csv", "pre,post,weight\n1,2,5\n")
    neurons = [write(tmp_path / f"{name}.csv", f"root_id\n{name}\n") for name in (7, 8)]
    for table in (None, *neurons):
        Connectome.from_files(edges, table)
    before = indexes()
    assert len(before) == 3
    times = [(folder / "ids.npy").stat().st_mtime_ns for folder in before]
    opened = [Connectome.from_files(edges, table) for table in (None, *neurons)]
    assert [brain.ids.tolist() for brain in opened] == [[1, 2], [1, 2, 7], [1, 2, 8]]
    assert indexes() == before
    assert [(folder / "ids.npy").stat().st_mtime_ns for folder in before] == times
    write(edges, "pre,post,weight\n1,2,6\n", moment=MOMENT + 1)
    Connectome.from_files(edges, neurons[0])
    assert len(indexes()) == 3


def test_an_index_is_found_by_another_path_to_the_file(tmp_path: Path) -> None:
    file = write(tmp_path / "edges.csv", "pre,post,weight\n1,2,5\n")
    link = tmp_path / "link.csv"
    link.symlink_to(file)
    Connectome.from_files(file)
    before = indexes()
    assert rows(Connectome.from_files(link)) == [[1, 2, 5]]
    assert indexes() == before


# -- folders and disks ----------------------------------------------------------------------------


@pytest.mark.parametrize("free", [0, 200, 100_000])
def test_on_a_full_disk_no_index_is_saved(tmp_path: Path, free: int) -> None:
    """``free`` decides which of the arrays is the first that does not fit."""
    file = tmp_path / "edges.csv"
    pdneuro.sandbox.edges().to_csv(file, index=False)
    with full_disk(free), pytest.warns(errors.CacheWarning, match=r"edges\.csv.*each\s+start"):
        brain = Connectome.from_files(file)
    assert len(brain.to_frame()) == 45_000
    assert indexes() == []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = Connectome.from_files(file)
    pd.testing.assert_frame_equal(again.to_frame(), brain.to_frame())
    assert len(indexes()) == 1


def test_a_truncated_index_is_built_again(tmp_path: Path) -> None:
    file = write(tmp_path / "edges.csv", "pre,post,weight\n1,2,5\n3,4,6\n")
    expected = rows(Connectome.from_files(file))
    for name in ("ids", "start", "partner", "weight"):
        array = next(iter(indexes())) / f"{name}.npy"
        array.write_bytes(array.read_bytes()[:-1])
        assert rows(Connectome.from_files(file)) == expected
        array.unlink()
        assert rows(Connectome.from_files(file)) == expected


def test_several_threads_may_open_a_new_file_at_once(tmp_path: Path) -> None:
    file = tmp_path / "edges.csv"
    pdneuro.sandbox.edges().to_csv(file, index=False)
    start, opened = threading.Barrier(4), []

    def work() -> None:
        start.wait()
        opened.append(Connectome.from_files(file))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [len(brain.to_frame()) for brain in opened] == [45_000] * 4
    assert len(indexes()) == 1


def test_an_open_connectome_survives_a_cleared_cache(tmp_path: Path) -> None:
    file = write(tmp_path / "edges.csv", "pre,post,weight\n1,2,5\n")
    brain = Connectome.from_files(file)
    shutil.rmtree(pdneuro.get_options()["cache_dir"])
    assert rows(brain) == [[1, 2, 5]]


def test_an_index_that_cannot_be_renamed_is_not_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path / "edges.csv", "pre,post,weight\n1,2,5\n")

    def refused(self: Path, target: Path) -> None:
        raise PermissionError("not here")

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.warns(errors.CacheWarning, match="not here"):
        brain = Connectome.from_files(file)
    assert rows(brain) == [[1, 2, 5]]
    assert indexes() == []


@pytest.mark.parametrize("pieces", [1, 2])
def test_another_process_writes_or_deletes_the_same_index(
    pieces: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pdneuro.files.edges.PIECE_ROWS", 2 // pieces)
    file = write(tmp_path / "edges.csv", "pre,post,weight\n1,2,5\n3,4,6\n")
    rename = Path.rename

    def also_written(self: Path, target: Path) -> None:
        shutil.copytree(self, target)
        rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", also_written)
        assert rows(Connectome.from_files(file, index=True)) == [[1, 2, 5], [3, 4, 6]]
    assert len(indexes()) == 1
    pdneuro.cache.clear()

    def deleted(self: Path, target: Path) -> None:
        shutil.rmtree(rename(self, target))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", deleted)
        brain = Connectome.from_files(file, index=True)
        assert rows(brain) == [[1, 2, 5], [3, 4, 6]]
    assert indexes() == []
