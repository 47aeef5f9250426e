"""Each format of table files: tables that are read again unchanged, and files that are not tables."""

from __future__ import annotations

import datetime
import errno
import gzip
import math
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pdneuro
from pdneuro import errors
from pdneuro.cli import main
from pdneuro.files import column_names, edge_pieces, read_edges, read_table, write_table

A, B, C = 720575940621522189, 720575940632800257, 720575940617869243
TEXT_FORMATS = ["t.csv", "t.tsv", "t.csv.gz", "t.csv.bz2", "t.tsv.xz", "t.csv.zip"]
ARROW_FORMATS = ["t.parquet", "t.pq", "t.feather", "t.arrow"]
EDGES = pd.DataFrame({"pre": [A, A, B], "post": [B, C, A], "weight": [3, 4, 5]})


def needs(name: str) -> None:
    if name.endswith(".xlsx"):
        pytest.importorskip("openpyxl", reason="openpyxl is not installed")


# -- what is written is read again ----------------------------------------------------------------

# pandas reads the lowest integer of 64 bits as missing.
integers = st.one_of(st.none(), st.integers(1 - 2**63, 2**63 - 1))
# A larger whole number in text may be an ID, so its column is read as text.
floats = st.one_of(st.none(), st.floats(-1e15, 1e15))
# Text that no reader takes for a number, a date, a missing value or a boolean.
words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=8)
texts = st.one_of(st.none(), words.map(lambda word: f"t {word} t"))
tables = st.integers(1, 6).flatmap(
    lambda rows: st.fixed_dictionaries(
        {
            "root_id": st.lists(st.integers(10**15, 2**63 - 1), min_size=rows, max_size=rows),
            "size": st.lists(integers, min_size=rows, max_size=rows),
            "mean": st.lists(floats, min_size=rows, max_size=rows),
            "label": st.lists(texts, min_size=rows, max_size=rows),
        }
    )
)


@pytest.mark.parametrize("name", [*TEXT_FORMATS, *ARROW_FORMATS, "t.xlsx"])
@given(content=tables)
@settings(max_examples=25)
def test_every_format_returns_what_was_written(
    name: str, content: dict[str, list[Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    needs(name)
    path = tmp_path_factory.mktemp("table") / name
    table = pd.DataFrame(
        {
            "root_id": pd.array(content["root_id"], "Int64"),
            "size": pd.array(content["size"], "Int64"),
            "mean": pd.array(content["mean"], "Float64"),
            "label": pd.array(content["label"], "string"),
        }
    )
    write_table(table, path)
    assert column_names(path) == list(table.columns)
    found = read_table(path)
    assert list(found.columns) == list(table.columns)
    for column in ("root_id", "size", "label"):
        values = [None if pd.isna(value) else value for value in found[column].tolist()]
        assert values == content[column]
    for value, expected in zip(found["mean"].tolist(), content["mean"], strict=True):
        assert pd.isna(value) if expected is None else math.isclose(value, expected, rel_tol=1e-14)


@pytest.mark.parametrize("name", ARROW_FORMATS)
def test_attrs_are_read_again_with_each_pyarrow(name: str, tmp_path: Path) -> None:
    table = EDGES.copy()
    table.attrs = {"pdneuro": {"source": "mine"}}
    write_table(table, tmp_path / name)
    assert read_table(tmp_path / name).attrs == table.attrs
    if name == "t.parquet":
        assert pd.read_parquet(tmp_path / name).attrs == table.attrs


def test_values_that_a_format_does_not_hold_are_an_error_that_names_it(tmp_path: Path) -> None:
    mixed = pd.DataFrame({"x": [1, "a", object()]})
    with pytest.raises(errors.InvalidFileError, match=r"t\.parquet"):
        write_table(mixed, tmp_path / "t.parquet")
    twice = pd.concat([EDGES, EDGES[["weight"]]], axis=1)
    with pytest.raises(errors.AmbiguousColumnError, match="'weight'"):
        write_table(twice, tmp_path / "t.feather")
    with pytest.raises(ValueError, match="gz"):
        write_table(EDGES, tmp_path / "t.parquet.gz")
    assert not list(tmp_path.glob("t*"))


@pytest.mark.parametrize("name", [*TEXT_FORMATS, *ARROW_FORMATS, "t.xlsx"])
def test_pieces_of_a_file_are_its_edges(name: str, tmp_path: Path) -> None:
    needs(name)
    write_table(EDGES, tmp_path / name)
    pieces = list(edge_pieces(tmp_path / name))
    assert pd.concat(pieces).to_numpy().tolist() == EDGES.to_numpy().tolist()


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.parquet"])
def test_a_disk_that_fails_is_no_damaged_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_table(EDGES, tmp_path / name)

    def fail(*given: Any, **more: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(pd, "read_csv", fail)
    monkeypatch.setattr(pyarrow.dataset, "dataset", fail)
    with pytest.raises(OSError, match="Input/output error") as caught:
        read_table(tmp_path / name)
    assert caught.value.errno == errno.EIO


# -- Excel ----------------------------------------------------------------------------------------


def test_an_excel_file_keeps_ids_and_says_that_numbers_are_rounded(tmp_path: Path) -> None:
    needs("t.xlsx")
    path = tmp_path / "edges.xlsx"
    write_table(EDGES.assign(nt=["ACH", None, "GABA"], on=pd.to_datetime("2023-01-05")), path)
    assert read_edges(path)[["pre", "post", "weight"]].to_numpy().tolist() == EDGES.to_numpy().tolist()
    assert read_table(path)["on"].tolist() == ["2023-01-05T00:00:00"] * 3
    assert len(pdneuro.Connectome.from_files(path).to_frame()) == 3
    EDGES.to_excel(path, index=False)  # as numbers, of which Excel keeps 15 digits
    with pytest.raises(errors.PrecisionLossError):
        read_edges(path)


def test_cells_of_a_sheet(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl", reason="openpyxl is not installed")
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (
        ["root_id", "n", "flag", None],
        [str(A), 5.0, True, None],
        [B // 10**6, None, False, None],
        [None] * 4,
    ):
        sheet.append(row)
    sheet["F40"].number_format = "0.00"  # a format without a value
    book.create_sheet("notes").append(["x"])
    book.save(tmp_path / "t.xlsx")
    found = read_table(tmp_path / "t.xlsx")
    assert found.columns.tolist() == ["root_id", "n", "flag"]
    assert found["root_id"].tolist() == [A, B // 10**6]
    assert found["n"].dtype == "Int64"
    assert found["flag"].tolist() == [True, False]
    assert read_table(tmp_path / "t.xlsx", ["n"]).shape == (2, 1)
    assert read_table(tmp_path / "t.xlsx", verbatim=True)["n"].tolist() == ["5", ""]


def test_an_excel_file_keeps_booleans_and_text_that_looks_like_a_formula(tmp_path: Path) -> None:
    needs("t.xlsx")
    table = pd.DataFrame({"=n": ["=1+1", "=", "+1", None], "flag": [True, None, False, True]})
    write_table(table, tmp_path / "t.xlsx")
    found = read_table(tmp_path / "t.xlsx")
    assert found.columns.tolist() == ["=n", "flag"]
    assert found["=n"].fillna("none").tolist() == ["=1+1", "=", "+1", "none"]
    assert found["flag"].dtype == "boolean"
    assert found["flag"].tolist() == [True, pd.NA, False, True]


def test_numbers_are_numbers_in_a_sheet_unless_excel_rounds_them(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl", reason="openpyxl is not installed")
    write_table(pd.DataFrame({"a": [10**15 - 1, 10**15], "x": [0.5, np.inf]}), tmp_path / "t.xlsx")
    rows = openpyxl.load_workbook(tmp_path / "t.xlsx").active.iter_rows(values_only=True)
    assert list(rows) == [("a", "x"), (10**15 - 1, 0.5), (str(10**15), "inf")]


def test_dates_of_a_sheet_have_no_time_of_day(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl", reason="openpyxl is not installed")
    book = openpyxl.Workbook()
    day, time = datetime.datetime(2020, 1, 2), datetime.datetime(2020, 1, 2, 3, 4)
    for row in (["root_id", "day", "time"], [A // 10**6, day, time]):
        book.active.append(row)
    book.save(tmp_path / "t.xlsx")
    found = read_table(tmp_path / "t.xlsx").iloc[0]
    assert (found["day"], found["time"]) == ("2020-01-02", "2020-01-02 03:04:00")


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (pd.DataFrame({"a": ["x" * 32_768]}), "'x{20}', which has more than 32,767 characters"),
        (pd.DataFrame({"a": ["one\x01two"]}), "which has control characters"),
        (pd.DataFrame({"one\x01two": [1]}), "which has control characters"),
        (pd.DataFrame(np.zeros((1, 16_385), int)), "1 rows of 16,385 columns; a sheet has"),
        (pd.DataFrame({"a": range(1_048_576)}), "1,048,576 rows of 1 columns; a sheet has"),
    ],
    ids=["long", "control", "header", "wide", "tall"],
)
def test_what_a_sheet_cannot_hold_is_an_error(table: pd.DataFrame, words: str, tmp_path: Path) -> None:
    needs("t.xlsx")
    with pytest.raises(errors.InvalidFileError, match=words):
        write_table(table, tmp_path / "t.xlsx")
    assert not list(tmp_path.glob("*.xlsx*"))


def test_the_longest_text_and_many_rows_of_a_sheet(tmp_path: Path) -> None:
    needs("t.xlsx")
    write_table(pd.DataFrame({"a": ["x" * 32_767]}), tmp_path / "t.xlsx")
    assert read_table(tmp_path / "t.xlsx")["a"].str.len().tolist() == [32_767]
    write_table(pd.DataFrame({"a": range(16_384)}), tmp_path / "t.xlsx")
    assert read_table(tmp_path / "t.xlsx")["a"].tolist() == list(range(16_384))


# -- files that are not tables --------------------------------------------------------------------

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:bbfc\nsize 146946961\n"


def as_bytes(write: Callable[[pd.DataFrame, Path], Any], tmp_path: Path, name: str) -> bytes:
    write(EDGES, tmp_path / name)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).unlink()
    return content


def stream(tmp_path: Path) -> bytes:
    sink = pa.BufferOutputStream()
    table = pa.Table.from_pandas(EDGES)
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def damaged(tmp_path: Path) -> dict[str, tuple[str, bytes, str]]:
    """Return the name and the content of files, and words of the error."""
    parquet = as_bytes(write_table, tmp_path, "t.parquet")
    feather = as_bytes(write_table, tmp_path, "t.feather")
    text = as_bytes(write_table, tmp_path, "t.csv")
    return {
        "pointer": ("e.parquet", POINTER, "git lfs pull"),
        "pointer of text": ("e.csv", POINTER, "git lfs pull"),
        "pointer of packed text": ("e.csv.gz", POINTER, "git lfs pull"),
        "pointer of feather": ("e.feather", POINTER, "git lfs pull"),
        "pointer of excel": ("e.xlsx", POINTER, "git lfs pull"),
        "empty parquet": ("e.parquet", b"", "is empty"),
        "empty text": ("e.csv", b"", "is empty"),
        "empty packed": ("e.csv.gz", b"", "is empty"),
        "packed nothing": ("e.csv.gz", gzip.compress(b""), "is empty"),
        "cut parquet": ("e.parquet", parquet[:-20], "truncated"),
        "cut feather": ("e.feather", feather[:-20], "truncated"),
        "hole in parquet": ("e.parquet", parquet[:50] + bytes(len(parquet) - 60) + parquet[-10:], "cannot be read or decompressed"),
        "hole in feather": ("e.feather", feather[:50] + bytes(len(feather) - 60) + feather[-10:], "cannot be read or decompressed"),
        "cut gzip": ("e.csv.gz", gzip.compress(text * 50)[:-30], "decompressed"),
        "no gzip": ("e.csv.gz", text, "decompressed"),
        "no zip": ("e.csv.zip", text, "zip"),
        "text as parquet": ("e.parquet", text, "not a parquet file"),
        "parquet as text": ("e.csv", parquet, "parquet"),
        "gzip as text": ("e.csv", gzip.compress(text), "gzip"),
        "packed parquet": ("e.parquet.gz", gzip.compress(parquet), "Unpack it"),
        "stream": ("e.arrow", stream(tmp_path), "stream of Arrow"),
        "page": ("e.csv", b"<!DOCTYPE html><html><body>Sign in</body></html>", "web page"),
        "page as parquet": ("e.parquet", b"<html>no</html>", "web page"),
        "utf-16": ("e.csv", text.decode().encode("utf-16"), "UTF-16"),
        "old excel": ("e.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), "old Excel"),
        "quote": ("e.csv", b'pre,post\n1,"2\n3,4\n', "not a table"),
    }  # fmt: skip


KINDS = [
    "pointer", "pointer of text", "pointer of packed text", "pointer of feather", "pointer of excel", "empty parquet",
    "empty text", "empty packed", "packed nothing", "cut parquet", "cut feather", "hole in parquet", "hole in feather",
    "cut gzip", "no gzip", "no zip", "text as parquet", "parquet as text", "gzip as text", "packed parquet", "stream",
    "page", "page as parquet", "utf-16", "old excel", "quote",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("where", ["edges", "neurons", "folder"])
def test_a_file_that_is_no_table_is_an_error_of_pdneuro_that_names_it(
    kind: str, where: str, tmp_path: Path
) -> None:
    files = damaged(tmp_path)
    name, content, words = files[kind]
    folder = tmp_path / "parts"
    folder.mkdir()
    path = folder / name
    path.write_bytes(content)
    whole = tmp_path / "edges.csv"
    EDGES.to_csv(whole, index=False)
    assert set(files) == set(KINDS)
    calls: dict[str, Callable[[], Any]] = {
        "edges": lambda: pdneuro.Connectome.from_files(path),
        "neurons": lambda: pdneuro.Connectome.from_files(whole, path),
        "folder": lambda: read_table(folder),
    }
    with pytest.raises(errors.InvalidFileError, match=words) as caught:
        calls[where]()
    assert name in str(caught.value)


def test_a_zip_of_a_mac_is_read(tmp_path: Path) -> None:
    path = tmp_path / "edges.csv.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("edges.csv", EDGES.to_csv(index=False))
        archive.writestr("__MACOSX/._edges.csv", b"\x00\x05\x16\x07")
        archive.writestr(".DS_Store", b"\x00")
    pd.testing.assert_frame_equal(read_edges(path), EDGES)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("more.csv", EDGES.to_csv(index=False))
    with pytest.raises(
        errors.InvalidFileError, match=r"edges\.csv\.zip contains 2 files: edges\.csv, more"
    ):
        read_edges(path)


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.feather"])
def test_parts_with_other_columns_are_an_error_that_names_the_part(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    write_table(EDGES, folder / name)
    write_table(EDGES.rename(columns={"weight": "syn_count"}), folder / f"b{name[1:]}")
    other = rf"b\{name[1:]}"
    with pytest.raises(
        errors.InvalidFileError, match=f"{other} lacks the columns 'weight' and adds 'syn_count'"
    ):
        read_table(folder)
    with pytest.raises(errors.PdneuroError, match=f"{other} .*'weight'"):
        pdneuro.Connectome.from_files(folder)
    (folder / f"b{name[1:]}").unlink()
    write_table(EDGES[["weight", "post", "pre"]], folder / f"b{name[1:]}")
    assert read_table(folder)["pre"].tolist() == EDGES["pre"].tolist() * 2


@pytest.mark.parametrize("name", ["e.parquet", "e.feather"])
def test_two_columns_of_one_name_are_an_error_with_the_file_and_the_column(
    name: str, tmp_path: Path
) -> None:
    table = pa.table(
        [pa.array([A]), pa.array([B]), pa.array([1]), pa.array([2])],
        names=["pre", "post", "weight", "weight"],
    )
    if name.endswith("parquet"):
        pyarrow.parquet.write_table(table, tmp_path / name)
    else:
        with pa.ipc.new_file(str(tmp_path / name), table.schema) as writer:
            writer.write_table(table)
    for read in (read_table, read_edges, pdneuro.Connectome.from_files):
        with pytest.raises(
            errors.AmbiguousColumnError,
            match=rf"{name.replace('.', '[.]')} has 2 columns called 'weight'",
        ):
            read(tmp_path / name)


@pytest.mark.parametrize("name", ["e.csv", "e.parquet", "e.feather"])
def test_a_column_that_a_file_does_not_have(name: str, tmp_path: Path) -> None:
    write_table(EDGES, tmp_path / name)
    with pytest.raises(
        errors.MissingColumnsError, match=r"e\.\w+ lacks the columns 'wieght'.*Did you mean 'weight'"
    ):
        read_table(tmp_path / name, ["pre", "wieght"])


# -- the command line -----------------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["--out", "--report"])
def test_a_command_does_not_write_to_what_it_reads(
    flag: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_table(EDGES, tmp_path / "parts" / "edges.csv")
    pd.DataFrame({"root_id": [A, B]}).to_csv("neurons.csv", index=False)
    Path("link.csv").symlink_to("neurons.csv")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.csv")}
    words = ["edges", "neurons.csv", "--source", str(tmp_path / "parts"), "--quiet"]
    for target in (
        "neurons.csv",
        "./neurons.csv",
        str(tmp_path / "neurons.csv"),
        "link.csv",
        "parts/edges.csv",
        "parts/new.csv",
    ):
        assert main([*words, flag, target]) == 1
        assert "Name another file" in capsys.readouterr().err
    assert main([*words, "--out", "a.csv", "--report", "a.csv"]) == 1
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.csv")} == before
    assert main([*words, flag, "new.csv"]) == 0
    assert np.shape(read_table("new.csv"))[0] > 0
