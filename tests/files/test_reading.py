"""Tables written and read again: any letters, full disks, files that are not tables."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import pdneuro
from pdneuro import errors
from pdneuro.files import column_names, read_table, write_table
from tests.disk import full_disk

NAMES = ["edges.csv", "edges.tsv", "edges.csv.gz", "edges.parquet", "edges.feather"]
TEXT = ["Größe — µm", "蝇", 'a "quoted", word', "two words"]


def table() -> pd.DataFrame:
    found = pd.DataFrame({"root_id": [11, 12, 13, 14], "région": TEXT})
    found.attrs = {"pdneuro": {"source": "mine", "query": "select(species='Größe — 蝇')"}}
    return found


# -- tables ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_any_letters_in_cells_columns_and_paths(name: str, tmp_path: Path) -> None:
    path = tmp_path / "Übung — 蝇" / f"µ {name}"
    write_table(table(), path)
    assert column_names(path) == ["root_id", "région"]
    found = read_table(path)
    assert found["région"].tolist() == TEXT
    assert found["root_id"].tolist() == [11, 12, 13, 14]
    assert read_table(path, ["région"])["région"].tolist() == TEXT


@pytest.mark.parametrize("name", NAMES)
def test_columns_are_in_the_order_that_is_asked_for(name: str, tmp_path: Path) -> None:
    write_table(table(), tmp_path / name)
    for names in (["région", "root_id"], ["root_id", "région"]):
        assert read_table(tmp_path / name, names).columns.tolist() == names


@pytest.mark.parametrize("name", ["edges.parquet", "edges.feather"])
def test_provenance_with_any_letters_is_in_the_file(name: str, tmp_path: Path) -> None:
    write_table(table(), tmp_path / name)
    assert read_table(tmp_path / name).attrs == table().attrs


def test_text_in_another_encoding_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "neurons.csv").write_bytes("root_id,side\n1,größer\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"neurons\.csv is not UTF-8"):
        read_table(tmp_path / "neurons.csv")


@pytest.mark.parametrize("name", NAMES)
def test_a_full_disk_leaves_the_old_table(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    write_table(table(), path)
    before = path.read_bytes()
    with full_disk(1000), pytest.raises(OSError, match="large"):
        write_table(pdneuro.sandbox.edges(), path)
    assert path.read_bytes() == before
    assert list(tmp_path.glob("[!h]*")) + list(tmp_path.glob(".*")) == [path]


# -- files that are not tables ----------------------------------------------------------------------

EDGES = pd.DataFrame({"pre": [11, 12], "post": [12, 11], "weight": [3, 5]})
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:bb\nsize 146946961\n"


def foreign_files(folder: Path) -> dict[str, str]:
    """Write files that cannot be read; return words of the error by their names."""
    for name in ("a.parquet", "a.feather"):
        write_table(EDGES, folder / name)
    parquet, feather = (folder / "a.parquet").read_bytes(), (folder / "a.feather").read_bytes()
    packed = gzip.compress(b"pre,post\n" + b"11,12\n" * 1000)
    garbled = bytearray(parquet)
    garbled[8:40] = bytes(32)
    contents = {
        "pointer.parquet": (POINTER, "git lfs pull"),
        "pointer.csv": (POINTER, "git lfs pull"),
        "pointer.feather": (POINTER, "git lfs pull"),
        "empty.parquet": (b"", "is empty"),
        "empty.csv": (b"", "is empty"),
        "cut.parquet": (parquet[:-9], "damaged"),
        "half.parquet": (parquet[: len(parquet) // 2], "damaged"),
        "garbled.parquet": (bytes(garbled), "damaged"),
        "cut.feather": (feather[:-9], "damaged"),
        "text.parquet": (b"pre,post\n11,12\n", "damaged"),
        "packed.parquet.gz": (gzip.compress(parquet), "gzip"),
        "swapped.feather": (parquet, "parquet file"),
        "parquet.csv": (parquet, "parquet file"),
        "page.csv": (b"<!DOCTYPE html><p>Sign in", "HTML"),
        "binary.csv": (bytes(100), "binary"),
        "packed.csv": (packed, "gzip"),
        "cut.csv.gz": (packed[:-9], "decompressed"),
        "plain.csv.gz": (b"pre,post\n11,12\n", "decompressed"),
        "cut.csv.zip": (b"PK\x03\x04", "decompressed"),
    }
    for name, (content, _) in contents.items():
        (folder / name).write_bytes(content)
    stream = pa.BufferOutputStream()
    with pa.ipc.new_stream(stream, pa.table({"pre": [11], "post": [12]}).schema) as writer:
        writer.write_table(pa.table({"pre": [11], "post": [12]}))
    (folder / "stream.feather").write_bytes(stream.getvalue().to_pybytes())
    pq.write_table(
        pa.Table.from_arrays([pa.array([1])] * 4, ["pre", "post", "weight", "weight"]),
        folder / "twice.parquet",
    )
    with zipfile.ZipFile(folder / "two.csv.zip", "w") as archive:
        archive.writestr("a.csv", "pre,post\n")
        archive.writestr("b.csv", "pre,post\n")
    words = {name: words for name, (_, words) in contents.items()}
    return {
        **words,
        "stream.feather": "stream of Arrow",
        "twice.parquet": "'weight'",
        "two.csv.zip": "2 files",
    }


def test_files_that_are_no_tables_are_errors_with_the_file_and_a_remedy(
    sandbox: object, tmp_path: Path
) -> None:
    edges = tmp_path / "edges.csv"
    write_table(EDGES, edges)
    for name, words in foreign_files(tmp_path).items():
        for call in (
            read_table,
            pdneuro.Connectome.from_files,
            lambda path: pdneuro.Connectome.from_files(edges, path).neurons,
        ):
            with pytest.raises(errors.PdneuroError, match=words) as caught:
                call(tmp_path / name)
            assert name in str(caught.value)


@pytest.mark.parametrize("ending", ["csv", "parquet", "feather"])
def test_files_of_a_folder_with_other_columns_are_an_error(ending: str, tmp_path: Path) -> None:
    write_table(EDGES, tmp_path / f"a.{ending}")
    write_table(EDGES.rename(columns={"weight": "syn_count"}), tmp_path / f"b.{ending}")
    for call in (read_table, pdneuro.Connectome.from_files):
        with pytest.raises(errors.PdneuroError, match=rf"b\.{ending} lacks the columns 'weight'"):
            call(tmp_path)


def test_a_zip_archive_of_a_mac_is_read(tmp_path: Path) -> None:
    path = tmp_path / "edges.csv.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("edges.csv", EDGES.to_csv(index=False))
        archive.writestr("__MACOSX/._edges.csv", b"\0Mac")
    assert read_table(path).astype("int64").equals(EDGES)
    assert column_names(path) == ["pre", "post", "weight"]
