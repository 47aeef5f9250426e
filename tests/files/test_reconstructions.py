"""Reconstructions written and read again: any letters, full disks."""

from __future__ import annotations

import io
import sys
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


def test_files_with_blank_lines_are_read_with_others(tmp_path: Path) -> None:
    (tmp_path / "a.swc").write_text(NODES.replace("\n", "\n\n"))
    (tmp_path / "b.swc").write_text(NODES)
    found = read_swc(tmp_path.glob("*.swc"))
    assert found["neuron"].value_counts().to_dict() == {"a": 2, "b": 2}


def test_files_with_columns_in_another_order_are_read_with_others(tmp_path: Path) -> None:
    (tmp_path / "a.swc").write_text(NODES)
    (tmp_path / "b.swc").write_text("# id parent type x y z radius\n1 -1 1 0 0 0 5\n2 1 3 0 3 4 1\n")
    found = read_swc(tmp_path.glob("*.swc"))
    one, two = (
        part.drop(columns="neuron").to_numpy() for _, part in found.groupby("neuron", observed=True)
    )
    assert (one == two).all()


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


_WORDS = st.sampled_from(
    [
        "1",
        "2",
        "3",
        "-1",
        "0",
        "007",
        "+1",
        "1.0",
        "2.5",
        "-0.25",
        ".5",
        "3.",
        "1e-7",
        "0.1234567890123456789",
        "1e400",
        "nan",
        "inf",
        "0x1F",
        "7.2E+17",
        "720575940621522189",
        "9223372036854775808",
        "1_0",
        "#",
        "x",
    ]
)
_ROW = st.builds(
    lambda blanks, words, end: blanks[0] + blanks[1].join(words) + end,
    st.tuples(st.sampled_from(["", "", " ", "\t"]), st.sampled_from([" ", " ", "  ", "\t", ","])),
    st.one_of(
        st.just(["1", "3", "0.5", "1", "2", "0.1", "-1"]), st.lists(_WORDS, min_size=6, max_size=8)
    ),
    st.sampled_from(["", "", " ", "\r", " # end", "\n"]),
)
_FILE = st.builds(
    lambda head, rows: "\n".join(head + rows).encode(),
    st.lists(st.sampled_from(["# a comment", "# id type x y z radius parent", ""]), max_size=2),
    st.lists(_ROW, min_size=1, max_size=4),
)


def _read(contents: list[bytes]) -> Any:
    """Return the table, or the error, and the warnings."""
    named = [(f"{number}.swc", content) for number, content in enumerate(contents)]
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            found = read_swc([_file(*one) for one in named])
        except errors.PdneuroError as error:
            found = (type(error), str(error))
    return found, [str(warning.message) for warning in warned]


def _file(name: str, content: bytes) -> io.BytesIO:
    file = io.BytesIO(content)
    file.name = name
    return file


@settings(max_examples=150)
@given(contents=st.lists(_FILE, min_size=1, max_size=3))
def test_files_are_the_same_with_and_without_pyarrow(contents: list[bytes]) -> None:
    found, warned = _read(contents)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "pyarrow", None)
        expected, warned_before = _read(contents)
    assert warned == warned_before
    if isinstance(expected, tuple):
        assert found == expected
    else:
        pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_the_table_of_several_files_is_that_of_each(tmp_path: Path) -> None:
    for number in range(3):
        rows = "".join(f"{node} 3 {node / 7} 0 {number} 0.5 {node - 1}\n" for node in range(2, 9))
        (tmp_path / f"n{number}.CNG.swc").write_text(f"# a file\n1 1 0 0 0 5 -1\n{rows}")
    table = read_swc(tmp_path)
    assert table["neuron"].unique().tolist() == ["n0", "n1", "n2"]
    for name, part in table.groupby("neuron", observed=True):
        one = read_swc(tmp_path / f"{name}.CNG.swc")
        pd.testing.assert_frame_equal(
            part.reset_index(drop=True).drop(columns="neuron"),
            one.drop(columns="neuron"),
            check_exact=True,
        )
    table["x"] += 1  # the columns can be modified
    (tmp_path / "n1.CNG.swc").write_text("1 1 0 0 0 5 -1\n2 3 0 0 0 1 9\n")
    with pytest.raises(errors.InvalidSwcError, match=r"n1 .*missing parent"):
        read_swc(tmp_path, strict=True)
