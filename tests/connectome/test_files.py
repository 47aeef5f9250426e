"""Files of edges and of neurons that could be taken for something else."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import pdneuro
from pdneuro import errors, graphs
from pdneuro.files import read_table
from pdneuro.sandbox import Sandbox

FIRST, SECOND, THIRD, FOURTH = ids = (
    720575940621522189,
    720575940632800257,
    720575940617869243,
    720575940645453511,
)
CELLS = np.array([[0, 7, 2, 0], [3, 0, 0, 9], [0, 4, 0, 1], [5, 0, 6, 0]])
EDGES = pd.DataFrame(
    {"pre": [FIRST, FIRST, SECOND], "post": [SECOND, THIRD, FIRST], "weight": [3, 4, 5]}
)
open_edges = pdneuro.Connectome.from_files


@pytest.fixture
def edges(tmp_path: Path) -> Path:
    path = tmp_path / "edges.csv"
    EDGES.to_csv(path, index=False)
    return path


# -- matrices ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [ids, (16, 29, 34, 102), (1, 2, 3, 4)])
@pytest.mark.parametrize("name", ["m.csv", "m.tsv", "m.csv.gz", "m.csv.gzip", "m.txt", "semicolons.csv"])
@pytest.mark.parametrize("corner", ["", "bodyId", "no corner"])
def test_a_matrix_with_the_same_labels_on_both_sides_is_read(
    labels: tuple[int, ...], name: str, corner: str, tmp_path: Path
) -> None:
    matrix = pd.DataFrame(CELLS, index=labels, columns=labels)
    separator = {"m.tsv": "\t", "m.txt": " ", "semicolons.csv": ";"}.get(name, ",")
    text = matrix.to_csv(sep=separator, index_label=corner)
    if corner == "no corner" or (separator == " " and not corner):
        text = text.partition(separator)[2]
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if ".gz" in name else text.encode())
    pd.testing.assert_frame_equal(pdneuro.read_edges(path), graphs.from_matrix(matrix))
    assert open_edges(path).to_frame()["weight"].sum() == CELLS.sum()
    downstream = pd.Series([labels[0]], name="root_id").neuro.downstream(source=str(path))
    assert downstream["weight"].sum() == CELLS[0].sum()


def test_a_matrix_with_other_labels_is_an_error_with_the_call_that_converts_it(tmp_path: Path) -> None:
    path = tmp_path / "matrix.tsv"
    matrix = pd.DataFrame(CELLS[:3], index=ids[1:], columns=ids)
    matrix.to_csv(path, sep="\t")
    with pytest.raises(errors.MissingColumnsError, match=r"adjacency matrix \(3 x 4\)") as caught:
        open_edges(path)
    call = re.search(r"Convert it with (.*)\.$", str(caught.value))
    assert call is not None
    edges = eval(call[1], {"pd": pd, "pdneuro": pdneuro})
    pd.testing.assert_frame_equal(edges, graphs.from_matrix(matrix))


@pytest.mark.parametrize(
    "text",
    [
        ",16,29,34\n77,0,7,2\n",  # rows of other neurons
        f",{FIRST},{SECOND}\n{THIRD},0,7\n",
        "0,7,2\n3,0,0\n0,4,0\n",  # no labels
        "1,7,2,1\n3,5,1,9\n1,4,2,1\n5,4,6,2\n",
    ],
)
def test_other_matrices_are_an_error_too(text: str, tmp_path: Path) -> None:
    path = tmp_path / "matrix.csv"
    path.write_text(text)
    with pytest.raises(errors.MissingColumnsError, match="adjacency matrix"):
        open_edges(path)


def test_a_matrix_in_parquet_is_an_error(tmp_path: Path) -> None:
    matrix = pd.DataFrame(CELLS, index=ids, columns=list(map(str, ids)))
    matrix.to_parquet(tmp_path / "matrix.parquet")
    with pytest.raises(errors.MissingColumnsError, match=r"adjacency matrix.*from_matrix"):
        open_edges(tmp_path / "matrix.parquet")


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("1,2,3\n2,3,4\n3,1,5\n", {(1, 2): 3, (2, 3): 4, (3, 1): 5}),
        ("1 2 3\n2 3 4\n", {(1, 2): 3, (2, 3): 4}),
        (f"{FIRST},{SECOND}\n{FIRST},{SECOND}\n", {(FIRST, SECOND): 2}),
        (f"{FIRST},{SECOND},ME,7,GABA\n{FIRST},{SECOND},LO,8,GABA\n", {(FIRST, SECOND): 15}),
        (f"{FIRST},{SECOND},7,0.25\n{SECOND},{FIRST},8,0.5\n", {(FIRST, SECOND): 7, (SECOND, FIRST): 8}),
    ],
)
def test_edges_without_a_header_are_read(
    text: str, pairs: dict[tuple[int, int], int], tmp_path: Path
) -> None:
    path = tmp_path / "edges.txt"
    path.write_text(text.replace(",", " "))
    (tmp_path / "edges.csv").write_text(text.replace(" ", ","))
    for file in (path, tmp_path / "edges.csv"):
        found = open_edges(file).to_frame()
        assert found.set_index(["pre", "post"])["weight"].to_dict() == pairs


def test_fractions_are_not_taken_for_weights(tmp_path: Path) -> None:
    path = tmp_path / "edges.csv"
    path.write_text(f"{FIRST},{SECOND},0.25\n{SECOND},{FIRST},0.5\n")
    with pytest.raises(errors.MissingColumnsError, match=r"no header.*'2'.*weight='rows'"):
        open_edges(path)
    assert open_edges(path, weight="rows").to_frame()["weight"].tolist() == [1, 1]


def test_ids_and_fractions_in_a_column_without_a_name_stay_exact(tmp_path: Path) -> None:
    path = tmp_path / "values.csv"
    path.write_text(f"{FIRST},1\n0.5,2\n")
    table = read_table(path)
    assert list(table.columns) == ["0", "1"]
    assert table["0"].tolist() == [str(FIRST), "0.5"]


# -- the IDs of neurons -----------------------------------------------------------------------------


def neurons_file(name: str, folder: Path) -> Path:
    path = folder / f"{name}.{'parquet' if 'parquet' in name else 'csv'}"
    table = pd.DataFrame({"size": [10, 20], "cell_type": ["a", "b"]}, index=[FIRST, SECOND])
    if name == "unnamed index in parquet":
        table.to_parquet(path)
    elif name == "unnamed index":
        table.to_csv(path)
    elif name == "no header":
        table.to_csv(path, header=False)
    else:
        table.rename_axis(name).to_csv(path)
    return path


@pytest.mark.parametrize("name", ["unnamed index in parquet", "unnamed index", "Root ID", "root_783"])
def test_the_ids_of_neurons_are_recognized(name: str, edges: Path, tmp_path: Path) -> None:
    brain = open_edges(edges, neurons_file(name, tmp_path))
    asked = pd.DataFrame({"root_id": [SECOND, FIRST, THIRD]})
    joined = asked.neuro.join_properties("cell_type", "size", source=brain)
    assert joined["cell_type"].tolist()[:2] == ["b", "a"]
    assert joined["size"].tolist() == [20, 10, pd.NA]
    assert brain.ids.tolist() == sorted([FIRST, SECOND, THIRD])
    assert brain.ids.name == "root_id"  # so that its methods recognize it
    assert brain.neurons.shape[0] == 2


@pytest.mark.parametrize("name", ["nucleus_id", "supervoxel_id", "cell_type_of_neuron"])
def test_another_first_column_is_not_taken_for_ids(name: str, edges: Path, tmp_path: Path) -> None:
    path = neurons_file(name, tmp_path)
    with pytest.raises(errors.MissingColumnsError, match="on=") as caught:
        open_edges(edges, path)
    assert path.name in caught.value.__notes__[0]
    assert "Did you mean" not in str(caught.value)
    with pytest.raises(errors.MissingColumnsError) as of_frame:
        pdneuro.Connectome(EDGES, pd.read_csv(path))
    assert "Did you mean" not in str(of_frame.value)
    brain = open_edges(edges, path, on=name)
    assert brain.properties(np.array([SECOND]), "size", multiple="raise", fetch=Any)[
        "size"
    ].tolist() == [20]


def test_a_file_of_neurons_without_a_header(edges: Path, tmp_path: Path) -> None:
    brain = open_edges(edges, neurons_file("no header", tmp_path))
    assert pd.Series([SECOND], name="root_id").neuro.properties("2", source=brain)["2"].tolist() == ["b"]


def test_the_index_of_a_filtered_frame_is_no_column(tmp_path: Path) -> None:
    path = tmp_path / "edges.parquet"
    EDGES.iloc[[2, 0, 1]].to_parquet(path)
    table = read_table(path)
    assert list(table.columns) == ["pre", "post", "weight"]
    assert table.index.tolist() == [2, 0, 1]
    assert open_edges(path).to_frame()["weight"].tolist() == [4, 3, 5]


# -- folders and separators -------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet"])
def test_partitions_are_columns(ending: str, tmp_path: Path) -> None:
    for roi, version, weight in (("ME", 1, 3), ("LO%20R", 2, 4)):
        part = tmp_path / "edges" / f"roi={roi}" / f"version={version}" / f"part.{ending}"
        pdneuro.files.write_table(EDGES.iloc[:1].assign(weight=weight), part)
    table = read_table(tmp_path / "edges").sort_values("weight")
    assert table["roi"].tolist() == ["ME", "LO R"]
    assert table["version"].tolist() == [1, 2]
    assert table["weight"].tolist() == [3, 4]
    chosen = read_table(tmp_path / "edges", ["version", "weight"])
    assert list(chosen.columns) == ["version", "weight"]
    assert open_edges(tmp_path / "edges").to_frame()["weight"].tolist() == [7]
    assert open_edges(tmp_path / "edges", regions=["ME"]).to_frame()["weight"].tolist() == [3]


def test_semicolons_and_decimal_commas_are_read(tmp_path: Path) -> None:
    path = tmp_path / "edges.csv"
    path.write_text(
        f'pre;post;weight;share;note\n{FIRST};{SECOND};3;0,25;"a;b"\n{SECOND};{FIRST};;1,5;c,d\n'
    )
    table = read_table(path)
    assert table["pre"].tolist() == [FIRST, SECOND]
    assert table["weight"].tolist() == [3, pd.NA]
    assert table["share"].tolist() == [0.25, 1.5]
    assert table["note"].tolist() == ["a;b", "c,d"]
    path.write_text(f'name,"a;b"\nx,{FIRST}\n')
    assert list(read_table(path).columns) == ["name", "a;b"]


# -- paths and projects -----------------------------------------------------------------------------


@pytest.mark.parametrize("packer", ["gzip", "gz"])
def test_files_with_unusual_names_are_opened(
    packer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    EDGES.to_parquet("edges.parquet.gzip")
    EDGES.to_csv(f"edges.csv.{packer}", index=False, compression="gzip")
    for name in ("edges.parquet.gzip", f"edges.csv.{packer}"):
        found = pd.Series([SECOND], name="root_id").neuro.downstream(source=name)
        assert found["weight"].tolist() == [5]


@pytest.mark.parametrize("name", ["edges.h5", "edges.db", "edges.rds", "edges", "fruitfly_fafb_flywire"])
def test_a_file_that_exists_is_never_the_name_of_a_project(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(b"something")
    with pytest.raises(ValueError, match="unknown format"):
        pd.Series([SECOND], name="root_id").neuro.downstream(source=name)
    assert not sandbox.requests


def test_the_error_of_a_project_mentions_a_folder_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
) -> None:
    monkeypatch.chdir(tmp_path)
    EDGES.to_csv(tmp_path / "edges.csv", index=False)
    folder = tmp_path / "my_edges"
    folder.mkdir()
    (tmp_path / "edges.csv").rename(folder / "edges.csv")
    segment = pd.Series([SECOND], name="root_id")
    with pytest.raises(errors.NotFoundError, match=r"source='\./my_edges'"):
        segment.neuro.downstream(source="my_edges")
    assert segment.neuro.downstream(source="./my_edges")["weight"].tolist() == [5]
