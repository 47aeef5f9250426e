"""Reconstructions written and read again: any letters, full disks."""

from __future__ import annotations

import io
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
import pytest

import pdneuro
from pdneuro import errors
from pdneuro.files import read_swc
from tests.disk import full_disk

NODES = "1 1 0 0 0 5 -1\n2 3 0 3 4 1 1\n"


def test_provenance_with_any_letters_is_in_the_header_of_an_swc_file(tmp_path: Path) -> None:
    nodes = read_swc(io.StringIO(NODES), neuron="Zelle — 蝇 µ")
    nodes.attrs["pdneuro"]["query"] = "select(neuron_name='Köln — 1')"
    (path,) = nodes.neuro.to_swc(tmp_path / "Köln — 蝇.swc")
    head = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    assert "# query: select(neuron_name='Köln — 1')" in head
    pd.testing.assert_frame_equal(
        read_swc(path, neuron="Zelle — 蝇 µ"), nodes, check_names=True, check_exact=True
    )


def test_names_with_any_letters_are_names_of_swc_files(tmp_path: Path) -> None:
    names = ["Zelle — µ", "蝇", "a/b", "..", "50 %"]
    nodes = pd.concat([read_swc(io.StringIO(NODES), neuron=name) for name in names])
    files = nodes.neuro.to_swc(tmp_path / "out")
    assert sorted(files) == sorted((tmp_path / "out").iterdir())
    assert [unquote(file.name) for file in files] == [f"{name}.swc" for name in names]
    assert all(len(read_swc(file)) == 2 for file in files)


def test_a_query_of_several_lines_stays_a_comment(tmp_path: Path) -> None:
    nodes = read_swc(io.StringIO(NODES))
    nodes.attrs["pdneuro"]["query"] = "first\n3 3 0 0 0 1 1\rsecond"
    (path,) = nodes.neuro.to_swc(tmp_path / "a.swc")
    assert read_swc(path)["node"].tolist() == [1, 2]


def test_a_full_disk_leaves_the_old_reconstruction(sandbox: object, tmp_path: Path) -> None:
    path = tmp_path / "out" / "a.swc"
    read_swc(io.StringIO(NODES)).neuro.to_swc(path)
    before = path.read_bytes()
    nodes = pdneuro.neuromorpho.swc(1)
    with full_disk(500), pytest.raises(OSError, match="large"):
        nodes.neuro.to_swc(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_several_neurons_do_not_fit_in_one_file(tmp_path: Path) -> None:
    nodes = pd.concat([read_swc(io.StringIO(NODES), neuron=name) for name in "ab"])
    with pytest.raises(errors.InvalidSwcError, match="has 2 neurons"):
        nodes.neuro.to_swc(tmp_path / "out.SWC")
    assert not (tmp_path / "out.SWC").exists()
