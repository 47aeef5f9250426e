"""Names that programs use for themselves, and values that graph files do not hold."""

from __future__ import annotations

import csv
import datetime
import decimal
import io
import json
import warnings
from pathlib import Path
from typing import Any

import igraph
import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdneuro import graphs

A, B, C = 720575940621522189, 720575940632800257, 720575940617869243
EDGES = pd.DataFrame({"pre": [A, A, B], "post": [B, C, A], "weight": [3, 4, 5]})
NEURONS = pd.DataFrame({"root_id": [A, B, C]})
FORMATS = {
    "graphml": (nx.write_graphml, nx.read_graphml),
    "gexf": (nx.write_gexf, nx.read_gexf),
    "gml": (nx.write_gml, nx.read_gml),
}
VALUES: dict[str, tuple[Any, Any]] = {
    "timestamp": (pd.Timestamp("2023-01-05"), "2023-01-05T00:00:00"),
    "zoned": (pd.Timestamp("2023-01-05", tz="UTC"), "2023-01-05T00:00:00+00:00"),
    "date": (datetime.date(2023, 1, 5), "2023-01-05"),
    "time": (datetime.time(7, 30), "07:30:00"),
    "datetime64": (np.datetime64("2023-01-05"), "2023-01-05T00:00:00"),
    "duration": (pd.Timedelta("1 day"), "P1DT0H0M0S"),
    "timedelta": (datetime.timedelta(hours=1), "P0DT1H0M0S"),
    "period": (pd.Period("2023-01"), "2023-01"),
    "interval": (pd.Interval(0, 5), "(0, 5]"),
    "list": ([1, None, "é"], '[1, null, "é"]'),
    "tuple": ((A, 2), f"[{A}, 2]"),
    "array": (np.array([1.5, 2]), "[1.5, 2.0]"),
    "set": ({3, 10, 2}, "[10, 2, 3]"),
    "set of texts": (frozenset({"b", "a"}), '["a", "b"]'),
    "mapping": ({"x": pd.Timestamp("2023-01-05"), 2: [B]}, f'{{"x": "2023-01-05T00:00:00", "2": [{B}]}}'),
    "decimal": (decimal.Decimal(7), 7),
    "fraction": (decimal.Decimal("1.5"), 1.5),
    "integer": (np.int16(7), 7),
    "float": (np.float32(1.5), 1.5),
    "long double": (np.longdouble(1.5), 1.5),
    "boolean": (np.bool_(True), True),
    "text": (np.str_("a"), "a"),
    "bytes": (b"abc", "abc"),
    "control": ("a\x00b", "a\ufffdb"),
    "complex": (1 + 2j, "(1+2j)"),
}  # fmt: skip
SETS = ("set", "set of texts")


def as_written(value: Any, form: str) -> Any:
    """Return what a format makes of a value: GML has no booleans."""
    return int(value) if form == "gml" and isinstance(value, bool) else value


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("kind", VALUES)
def test_each_writer_of_networkx_takes_each_value(form: str, kind: str, tmp_path: Path) -> None:
    value, expected = VALUES[kind]
    column = pd.Series([value, None, value], dtype=object)
    edges, neurons = EDGES.assign(about=column), NEURONS.assign(about=column)
    if kind not in ("text", "bytes", "list", "tuple", "array", "mapping", "interval", *SETS):
        neurons["same"] = column.infer_objects()
    graph = edges.neuro.to_networkx(neurons)
    write, read = FORMATS[form]
    write(graph, tmp_path / "graph")
    back = read(tmp_path / "graph")
    expected = as_written(expected, form)
    assert [back.nodes[str(node)].get("about") for node in (A, B, C)] == [expected, None, expected]
    assert [back.edges[str(pre), str(post)].get("about") for pre, post in zip(EDGES["pre"], EDGES["post"], strict=True)] == [expected, None, expected]  # fmt: skip
    if "same" in neurons:
        assert back.nodes[str(A)]["same"] == back.nodes[str(C)]["same"] == expected
        assert "same" not in back.nodes[str(B)]


def test_columns_of_each_dtype_become_values_of_files(tmp_path: Path) -> None:
    neurons = NEURONS.assign(
        dates=pd.to_datetime(["2023-01-05", "2023-02-06", None]),
        bins=pd.cut(pd.Series([1, 5, 9]), [0, 4, 8]),
        months=pd.PeriodIndex(["2023-01", "2023-02", "NaT"], freq="M"),
        kinds=pd.Categorical(["a", None, "a"]),
        counts=pd.array([2**60 + 1, None, 3], "UInt64"),
        flags=pd.array([True, None, False], "boolean"),
        wide=np.array([1, 2, np.nan], np.longdouble),
    )
    graph = EDGES.neuro.to_networkx(neurons)
    assert graph.nodes[A] == {
        "dates": "2023-01-05T00:00:00", "bins": "(0, 4]", "months": "2023-01", "kinds": "a",
        "counts": 2**60 + 1, "flags": True, "wide": 1.0,
    }  # fmt: skip
    assert graph.nodes[C] == {"kinds": "a", "counts": 3, "flags": False}
    for write, _ in FORMATS.values():
        write(graph, tmp_path / "graph")
    folder = EDGES.neuro.to_gephi(tmp_path, neurons)
    found = pd.read_csv(folder / "nodes.csv", dtype=str).set_index("Id").loc[str(A)]
    assert found["dates":].tolist() == ["2023-01-05T00:00:00", "(0, 4]", "2023-01", "a", str(2**60 + 1), "True", "1.0"]  # fmt: skip


NAMES = ["ID", "id", "Label", "TARGET", "start", "type", "viz", "cell type", "région", "0", "Weight", "key", "蝇", ""]  # fmt: skip


@pytest.mark.parametrize("form", FORMATS)
def test_no_column_takes_the_place_of_an_id_in_a_graph_file(form: str, tmp_path: Path) -> None:
    edges = EDGES.join(pd.DataFrame(dict.fromkeys(NAMES, 7), index=EDGES.index))
    neurons = NEURONS.join(pd.DataFrame(dict.fromkeys(NAMES, 1), index=NEURONS.index))
    graph = edges.neuro.to_networkx(neurons)
    write, read = FORMATS[form]
    write(graph, tmp_path / "graph")
    back = read(tmp_path / "graph")
    assert set(back.nodes) == {str(A), str(B), str(C)}
    assert {(int(pre), int(post)): data["weight"] for pre, post, data in back.edges(data=True)} == {
        (A, B): 3, (A, C): 4, (B, A): 5,
    }  # fmt: skip
    for data, value in ((back.nodes[str(A)], 1), (back.edges[str(A), str(B)], 7)):
        own = {name.casefold() for name in data if data[name] == value}
        assert len(own) >= len(NAMES), data
    text = (tmp_path / "graph").read_text("utf-8")
    if form == "gexf":
        assert [f'<edge source="{A}" target="{B}" id="{n}"' in text for n in (0, 7)] == [True, False]


def test_the_numbers_of_edges_in_a_gexf_file_are_not_a_column(tmp_path: Path) -> None:
    nx.write_gexf(EDGES.assign(id=[7, 7, 8]).neuro.to_networkx(), tmp_path / "g.gexf")
    back = graphs.from_networkx(nx.read_gexf(tmp_path / "g.gexf"))
    assert list(back.columns) == ["pre", "post", "weight", "id_original"]
    pd.testing.assert_frame_equal(back[["pre", "post", "weight"]], EDGES)
    assert graphs.from_networkx(nx.DiGraph([(1, 2, {"id": 7})]))["id"].tolist() == [7]


# -- Gephi and Cytoscape --------------------------------------------------------------------------

GEPHI = {"id", "label", "source", "target", "type", "kind", "weight"}
CYTOSCAPE_NODES = {"name", "shared name", "suid", "selected"}
CYTOSCAPE_EDGES = CYTOSCAPE_NODES | {"source", "target", "interaction", "shared interaction", "weight"}


def header(file: Path) -> list[str]:
    return next(csv.reader(io.StringIO(file.read_text("utf-8"))))


def test_the_columns_of_the_public_case(tmp_path: Path) -> None:
    edges = EDGES.assign(id=7, kind=["chem", "elec", "chem"], label=["x", "y", "z"])
    folder = edges.neuro.to_gephi(tmp_path, NEURONS.assign(id=[1, 2, 3], label=["a", "a", "b"]))
    assert header(folder / "nodes.csv") == ["Id", "Label", "id_original", "label_original"]
    assert header(folder / "edges.csv") == [
        "Source", "Target", "Type", "Weight", "id_original", "kind_original", "label_original",
    ]  # fmt: skip
    arcs = pd.read_csv(folder / "edges.csv", dtype=str)
    assert arcs["kind_original"].tolist() == ["chem", "elec", "chem"]
    assert pd.read_csv(folder / "nodes.csv", dtype=str)["Label"].tolist() == [str(A), str(B), str(C)]


letters = st.sampled_from(
    [*sorted(GEPHI | CYTOSCAPE_EDGES), "size", "SIZE", "id_original", "Id_Original_2"]
)
columns = st.lists(st.builds(lambda name, change: change(name), letters, st.sampled_from([str, str.upper, str.title])), max_size=6, unique=True)  # fmt: skip


@given(names=columns)
def test_names_differ_without_regard_to_case_and_are_not_reserved(
    names: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("out")
    more = pd.DataFrame({name: [f"{name}{row}" for row in range(3)] for name in names}, index=range(3))
    edges = EDGES.join(more.drop(columns=["source", "target", "weight"], errors="ignore"))
    neurons = NEURONS.join(more)
    writers = (
        (edges.neuro.to_gephi, ("nodes.csv", neurons, 2, GEPHI), ("edges.csv", edges, 4, GEPHI)),
        (
            edges.neuro.to_cytoscape,
            ("nodes.csv", neurons, 1, CYTOSCAPE_NODES),
            ("edges.csv", edges, 4, CYTOSCAPE_EDGES),
        ),
    )
    for write, *files in writers:
        write(folder, neurons, on="root_id")
        for name, table, count, reserved in files:
            written = header(folder / name)
            folded = [column.casefold() for column in written]
            assert len(folded) == len(set(folded))
            assert not reserved & set(folded[count:])
            found = pd.read_csv(folder / name, dtype=str)
            given_columns = [
                column
                for column in table.columns
                if column in more and (table is neurons or column not in EDGES)
            ]
            assert len(written) == count + len(given_columns)
            for column, place in zip(given_columns, range(count, len(written)), strict=True):
                assert found.iloc[:, place].tolist() == table[column].tolist()


def test_a_label_may_be_any_column(tmp_path: Path) -> None:
    neurons = NEURONS.assign(label=[["KC", "x"], None, ["y"]], size=1)
    folder = EDGES.neuro.to_gephi(tmp_path, neurons, label="label")
    found = pd.read_csv(folder / "nodes.csv", dtype=str)
    assert found["Label"].tolist() == ['["KC", "x"]', str(B), '["y"]']
    assert json.loads(found["label_original"][0]) == ["KC", "x"]


# -- igraph ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["graphml", "gml"])
def test_the_files_of_igraph_hold_each_value(form: str, tmp_path: Path) -> None:
    neurons = NEURONS.assign(
        id=[1, 2, 3],
        name=["a", None, "c"],
        supervoxel=pd.array([A, None, 3], "Int64"),
        size=pd.array([5, None, 3], "Int64"),
        proofread=pd.array([True, None, False], "boolean"),
        valid=pd.to_datetime(["2023-01-05", None, "2023-02-06"]),
        tags=[["x", "y"], [], None],
    )
    edges = EDGES.assign(source=["chem", "elec", None], seen=datetime.date(2023, 1, 5))
    edges = edges.rename(columns={"source": "Source"})
    graph = edges.neuro.to_igraph(neurons)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        graph.save(str(tmp_path / "graph"), format=form)
    back = igraph.Graph.Read(str(tmp_path / "graph"), format=form)
    assert back.vs["name"] == [str(A), str(B), str(C)]
    plain = str.maketrans("", "", "_") if form == "gml" else {}
    vertices = {name.translate(plain): back.vs[name] for name in back.vs.attributes()}
    expected = {
        "name_original": ["a", "", "c"],
        "supervoxel": [str(A), "", "3"],
        "proofread": ["True", "", "False"],
        "valid": ["2023-01-05T00:00:00", "", "2023-02-06T00:00:00"],
        "tags": ['["x", "y"]', "[]", ""],
        "id_original": [1, 2, 3],
    }
    for name, values in expected.items():
        assert vertices[name.translate(plain)] == values, name
    assert graph.vs["size"] == [5, None, 3]
    assert back.es["weight"] == [3, 4, 5]
    ends = {name.translate(plain): back.es[name] for name in back.es.attributes()}
    assert ends["Source_original".translate(plain)] == ["chem", "elec", ""]
    assert ends["seen"] == ["2023-01-05"] * 3


# -- what is written is read again ----------------------------------------------------------------

ids = st.integers(1, 2**63 - 1)
words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=6)
rows = st.lists(
    st.tuples(ids, ids, st.integers(1, 2**53), words.map(lambda word: f"t{word}t")),
    min_size=1,
    max_size=8,
    unique_by=lambda row: row[:2],
)


def ordered(edges: pd.DataFrame) -> list[tuple[Any, ...]]:
    found = edges.neuro.as_edges()[["pre", "post", "weight", "about"]]
    return sorted(map(tuple, found.astype(object).to_numpy().tolist()))


@given(given_rows=rows)
@settings(max_examples=25)
def test_every_graph_format_returns_the_edges_that_were_written(
    given_rows: list[tuple[int, int, int, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("graph")
    edges = pd.DataFrame(given_rows, columns=["pre", "post", "weight", "about"])
    graph = edges.neuro.to_networkx()
    for write, read in FORMATS.values():
        write(graph, folder / "graph")
        assert ordered(graphs.from_networkx(read(folder / "graph"))) == sorted(given_rows)
    for write_folder in (edges.neuro.to_gephi, edges.neuro.to_cytoscape):
        found = pd.read_csv(write_folder(folder) / "edges.csv", dtype=str, keep_default_na=False)
        found.columns = [column.casefold() for column in found.columns]
        found = found.rename(columns={"source": "pre", "target": "post"})
        assert ordered(found) == sorted(given_rows)
    vertices = edges.neuro.to_igraph()
    vertices.write_graphml(str(folder / "graph"))
    back = igraph.Graph.Read_GraphML(str(folder / "graph"))
    names = back.vs["name"]
    assert sorted(
        (int(names[edge.source]), int(names[edge.target]), edge["about"]) for edge in back.es
    ) == sorted((pre, post, about) for pre, post, _, about in given_rows)
