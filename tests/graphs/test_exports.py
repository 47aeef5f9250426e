"""Exports of edge tables: each is read back by its library or in its format."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path
from typing import Any

import igraph
import networkx as nx
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import pdneuro
from pdneuro import errors, graphs, tables
from pdneuro.sandbox import Sandbox

BASE = 720575940600000000
COLUMNS = ["pre", "post", "weight"]
NEURONS = pd.DataFrame(
    {
        "root_id": pd.array([BASE + 1, BASE + 2, BASE + 9], "Int64"),
        "type": ["KC", None, "x"],
        "size": pd.array([2**60 + 1, None, 3], "Int64"),
    }
)
rows = st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 9)), max_size=25)


def table(given_rows: list[tuple[int, int, int]], base: int = BASE) -> pd.DataFrame:
    edges = pd.DataFrame(given_rows, columns=COLUMNS, dtype="int64")
    return edges.assign(pre=edges["pre"] + base, post=edges["post"] + base)


def ordered(edges: pd.DataFrame) -> pd.DataFrame:
    return edges[COLUMNS].sort_values(COLUMNS, ignore_index=True)


@pytest.fixture
def edges() -> pd.DataFrame:
    return table([(1, 2, 3), (1, 2, 4), (2, 1, 5), (3, 3, 1), (3, 1, 2)])


class TestNetworkx:
    @given(given_rows=rows)
    @settings(deadline=None)
    def test_the_graph_equals_one_made_by_networkx(self, given_rows: list[tuple[int, int, int]]) -> None:
        pairs = tables.collapse(table(given_rows))
        plain = nx.from_pandas_edgelist(pairs, "pre", "post", True, create_using=nx.DiGraph)
        graph = graphs.to_networkx(table(given_rows))
        assert nx.utils.graphs_equal(graph, plain)
        assert list(graph) == list(plain)
        assert list(graph.edges(data=True)) == list(plain.edges(data=True))
        for node in plain:
            assert list(graph.pred[node]) == list(plain.pred[node])
        for pre, post, data in graph.edges(data=True):
            assert graph.pred[post][pre] is data
            assert {type(pre), type(post), type(data["weight"])} == {int}
        assert gc.isenabled()

    def test_a_filled_graph_can_be_changed(self, edges: pd.DataFrame) -> None:
        graph = edges.neuro.to_networkx()
        assert graph.number_of_edges() == 4
        graph.edges[BASE + 1, BASE + 2]["weight"] = 99
        assert graph.pred[BASE + 2][BASE + 1]["weight"] == 99
        assert graph.edges[BASE + 3, BASE + 3]["weight"] == 1  # no data are shared between edges
        graph.remove_node(BASE + 1)
        assert list(graph.edges) == [(BASE + 3, BASE + 3)]
        graph.add_edge(BASE + 3, 5)
        assert graph.in_degree(5) == 1
        assert nx.utils.graphs_equal(graph.copy(), graph)

    def test_edges_are_added_one_by_one_if_adjacency_returns_copies(
        self, edges: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        expected = edges.neuro.to_networkx()
        real = nx.DiGraph.adjacency
        monkeypatch.setattr(nx.DiGraph, "adjacency", lambda self: ((n, dict(d)) for n, d in real(self)))
        graph = edges.neuro.to_networkx()
        monkeypatch.undo()
        assert nx.utils.graphs_equal(graph, expected)
        assert list(graph.edges) == list(expected.edges)

    def test_other_columns_of_pairs_become_attributes(self, edges: pd.DataFrame) -> None:
        pairs = edges.neuro.collapse().neuro.annotate(NEURONS, "type").neuro.fractions()
        graph = pairs.neuro.to_networkx(NEURONS)
        assert graph.edges[BASE + 2, BASE + 1] == {"weight": 5, "type_post": "KC", "input_fraction": pytest.approx(5 / 7)}  # fmt: skip
        assert graph.nodes[BASE + 1] == {"type": "KC", "size": 2**60 + 1}
        assert graph.nodes[BASE + 2] == {}
        assert BASE + 9 in graph

    def test_graphml_through_networkx(
        self, edges: pd.DataFrame, tmp_path: Path, sandbox: Sandbox
    ) -> None:
        found = pdneuro.sandbox.neurons().head(30).neuro.edges()
        for given_edges, nodes in ((edges, NEURONS), (found, pdneuro.sandbox.neurons())):
            graph = given_edges.neuro.to_networkx(nodes)
            nx.write_graphml(graph, tmp_path / "g.graphml")
            back = nx.read_graphml(tmp_path / "g.graphml", node_type=int)
            assert dict(back.adjacency()) == dict(graph.adjacency())
            assert dict(back.nodes(data=True)) == dict(graph.nodes(data=True))
            again = graphs.from_networkx(nx.read_graphml(tmp_path / "g.graphml"))
            pd.testing.assert_frame_equal(ordered(again), ordered(given_edges.neuro.collapse()))
            assert again.attrs == given_edges.attrs

    def test_a_graph_is_converted_back(self, edges: pd.DataFrame) -> None:
        pairs = edges.neuro.collapse().assign(nt=["ACH", None, "GABA", "ACH"])
        back = graphs.from_networkx(pairs.neuro.to_networkx())
        pd.testing.assert_frame_equal(ordered(back), ordered(pairs))
        assert back.set_index(["pre", "post"])["nt"].isna().sum() == 1
        many = nx.MultiDiGraph([(1, 2, {"weight": 3}), (1, 2, {"weight": 4}), (2, 1, {"n": 2**60 + 1})])
        back = graphs.from_networkx(many)
        assert back["weight"].tolist() == [3, 4, 1]
        assert back["n"].tolist()[2] == 2**60 + 1
        assert graphs.from_networkx(nx.DiGraph()).dtypes.eq("int64").all()

    def test_invalid_graphs_are_rejected(self) -> None:
        with pytest.raises(ValueError, match=r"undirected.*to_directed"):
            graphs.from_networkx(nx.Graph([(1, 2)]))
        with pytest.raises(TypeError, match="DataFrame"):
            graphs.from_networkx(NEURONS)
        with pytest.raises(errors.InvalidIdError, match="'pre'"):
            graphs.from_networkx(nx.DiGraph([("KC", 1)]))
        with pytest.raises(errors.InvalidEdgesError, match="not integers"):
            graphs.from_networkx(nx.DiGraph([(1, 2, {"weight": 0.5})]))

    def test_a_large_graph_is_a_warning(
        self, edges: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys.modules["pdneuro.graphs.networkx"], "_LARGE", 3)
        with pytest.warns(errors.LargeGraphWarning, match=r"4 edges needs about .* GB.*to_sparse"):
            edges.neuro.to_networkx()

    def test_a_backend_is_passed_on_and_none_is_set(self, edges: pd.DataFrame, tmp_path: Path) -> None:
        """Install a backend for the test, which networkx finds by its entry points."""
        with pytest.raises(ImportError, match="nowhere"):
            edges.neuro.to_networkx(backend="nowhere")
        (tmp_path / "toy-1.0.dist-info").mkdir()
        (tmp_path / "toy-1.0.dist-info" / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n"
        )
        (tmp_path / "toy-1.0.dist-info" / "entry_points.txt").write_text(
            "[networkx.backends]\ntoy = toy:Toy\n"
        )
        (tmp_path / "toy.py").write_text(
            textwrap.dedent("""
            import networkx as nx

            class ToyGraph(nx.DiGraph):
                __networkx_backend__ = "toy"

            class Toy:
                @staticmethod
                def from_pandas_edgelist(df, source, target, edge_attr, create_using=None, edge_key=None):
                    graph = ToyGraph()
                    for row in df.to_dict("records"):
                        graph.add_edge(row[source], row[target], **{n: row[n] for n in edge_attr})
                    return graph
                @staticmethod
                def can_run(name, args, kwargs):
                    return True
                @staticmethod
                def should_run(name, args, kwargs):
                    return True
                @staticmethod
                def convert_to_nx(obj, **kwargs):
                    return obj
                @staticmethod
                def convert_from_nx(graph, **kwargs):
                    return graph
            """)
        )
        script = (
            "import pandas as pd, pdneuro\n"
            "e = pd.DataFrame({'pre': [1, 1], 'post': [2, 2], 'weight': [3, 4]})\n"
            "print(type(e.neuro.to_networkx()).__name__, type(e.neuro.to_networkx(backend='toy')).__name__)\n"
            "print(list(e.neuro.to_networkx(backend='toy').edges(data='weight')))\n"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env={"PYTHONPATH": str(tmp_path)}, check=False)  # fmt: skip
        assert done.stdout.splitlines() == ["DiGraph ToyGraph", "[(1, 2, 7)]"], done.stderr


class TestMatrices:
    @given(given_rows=rows)
    @settings(deadline=None)
    def test_sparse_is_what_networkx_makes(self, given_rows: list[tuple[int, int, int]]) -> None:
        edges = table(given_rows)
        matrix, ids = edges.neuro.to_sparse()
        assert isinstance(matrix, scipy.sparse.csr_array)
        assert (matrix.dtype, ids.dtype, ids.name) == (np.int64, np.int64, "id")
        if given_rows:
            plain = nx.to_scipy_sparse_array(
                edges.neuro.to_networkx(), nodelist=ids.tolist(), dtype="int64"
            )
            assert (matrix.toarray() == plain.toarray()).all()
        again = scipy.sparse.coo_array(matrix)
        back = pd.DataFrame({"pre": ids[again.row], "post": ids[again.col], "weight": again.data})
        pd.testing.assert_frame_equal(ordered(back), ordered(edges.neuro.collapse()))

    def test_chosen_neurons_and_values(self, edges: pd.DataFrame) -> None:
        matrix, ids = edges.neuro.to_sparse(ids=[BASE + 2, BASE + 1, 7])
        assert ids.tolist() == [BASE + 2, BASE + 1, 7]
        assert matrix.toarray().tolist() == [[0, 5, 0], [7, 0, 0], [0, 0, 0]]
        shares, _ = edges.neuro.fractions().neuro.to_sparse(values="input_fraction")
        assert shares.sum(axis=0).tolist() == pytest.approx([1, 1, 1])
        with pytest.raises(ValueError, match="duplicate"):
            edges.neuro.to_sparse(ids=[1, 1])
        with pytest.raises(errors.InvalidEdgesError, match="must contain numbers"):
            edges.assign(nt="x").neuro.to_sparse(values="nt")

    @given(given_rows=rows)
    @settings(deadline=None)
    def test_frames_and_arrays_are_converted_back(self, given_rows: list[tuple[int, int, int]]) -> None:
        edges = table(given_rows)
        pairs = ordered(edges.neuro.collapse())
        matrix = edges.neuro.to_matrix()
        assert matrix.index.equals(matrix.columns.rename("pre"))
        pd.testing.assert_frame_equal(ordered(graphs.from_matrix(matrix)), pairs)
        array = edges.neuro.to_xarray()
        assert array.dims == ("pre", "post")
        assert (array["pre"].dtype, array.dtype) == (np.int64, np.int64)
        pd.testing.assert_frame_equal(ordered(array.neuro.to_edges()), pairs)
        pd.testing.assert_frame_equal(ordered(array.T.neuro.to_edges()), pairs)

    def test_labels_become_coordinates_and_are_converted_back(
        self, edges: pd.DataFrame, tmp_path: Path
    ) -> None:
        annotated = edges.neuro.annotate(NEURONS, ["type", "size"])
        annotated.attrs = {"pdneuro": {"source": "x"}}
        with pytest.raises(errors.InvalidCoordinateError, match=r"'size_pre'.*fill_value=0"):
            annotated.neuro.to_xarray()
        array = annotated.neuro.to_xarray(fill_value=0)
        assert array["type_pre"].dims == ("pre",)
        assert array.sel(pre=BASE + 1)["type_pre"].item() == "KC"
        assert array["type_post"].to_numpy().tolist() == ["KC", "", ""]
        assert array["size_pre"].to_numpy().tolist() == [2**60 + 1, 0, 0]  # no float
        back = array.neuro.to_edges()
        assert back.attrs == annotated.attrs
        assert back.loc[back["pre"] == BASE + 1, "type_pre"].tolist() == ["KC"]
        assert back.loc[back["pre"] == BASE + 3, "type_pre"].isna().all()
        kept = edges.neuro.annotate({BASE + 1: 4, BASE + 2: 5, BASE + 3: 6}).neuro.to_xarray()
        assert kept["group_pre"].dtype == np.int64
        assert array.groupby("type_pre").sum().sel(type_pre="KC").sum().item() == 7

    def test_arrays_that_are_not_edges_are_rejected(self) -> None:
        array = xr.DataArray(np.ones((2, 2)), dims=("x", "y"))
        assert "missing: dims of edges" in repr(array.neuro)
        with pytest.raises(errors.MissingColumnsError, match=r"'pre' and 'post', not \('x', 'y'\)"):
            array.neuro.to_edges()
        bare = xr.DataArray(np.ones((2, 2)), dims=("pre", "post"))
        assert ".to_edges()" in repr(bare.neuro)
        with pytest.raises(errors.MissingColumnsError, match="coordinate"):
            bare.neuro.to_edges()
        ids = [BASE, BASE + 1]
        half = xr.DataArray([[0.5, 0], [0, np.nan]], {"pre": ids, "post": ids}, ("pre", "post"))
        with pytest.raises(errors.InvalidEdgesError, match="not integers"):
            half.neuro.to_edges()
        assert (half * 2).neuro.to_edges()["weight"].tolist() == [1]
        rounded = half.assign_coords(pre=[float(BASE), 1.0])
        with pytest.raises(errors.PrecisionLossError):
            rounded.neuro.to_edges()

    @pytest.mark.parametrize("axis", ["index", "columns"])
    @pytest.mark.parametrize("label", [0, None])
    def test_a_matrix_with_a_missing_label_is_rejected(self, axis: str, label: object) -> None:
        matrix = pd.DataFrame([[0, 3], [5, 0]], index=[11, 12], columns=[11, 12])
        matrix = matrix.set_axis(pd.Index([11, label], dtype=object), axis=axis)
        side = "pre" if axis == "index" else "post"
        with pytest.raises(errors.InvalidEdgesError, match=f"a {side} label of the matrix is missing"):
            graphs.from_matrix(matrix)

    def test_groups(self, edges: pd.DataFrame) -> None:
        types = {BASE + 1: "KC", BASE + 2: "MBON", BASE + 3: "KC"}
        matrix = edges.neuro.to_matrix(types)
        assert matrix.loc["KC", "MBON"] == 7
        assert matrix.to_numpy().sum() == edges["weight"].sum()
        two = edges.neuro.annotate(pd.DataFrame({"root_id": list(types), "type": list(types.values()), "side": ["l", "r", "r"]})).neuro.to_matrix(["type", "side"])  # fmt: skip
        assert two.index.names == ["type", "side"]
        assert two.loc[("KC", "r"), ("KC", "l")] == 2
        some = edges.neuro.to_matrix({BASE + 1: "KC"})
        assert some.loc["KC"].sum() == 7
        with pytest.raises(ValueError, match="group_by"):
            edges.neuro.to_matrix(types, ids=list(types))

    def test_dense_results_have_a_limit(
        self, edges: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys.modules["pdneuro.graphs.matrix"], "MAX_DENSE", 2)
        for call in (edges.neuro.to_matrix, edges.neuro.to_xarray):
            with pytest.raises(errors.TooLargeError, match=r"3 x 3.*to_sparse"):
                call()


class TestIgraph:
    @given(given_rows=rows)
    @settings(deadline=None)
    def test_same_graph(self, given_rows: list[tuple[int, int, int]]) -> None:
        edges = table(given_rows)
        graph = edges.neuro.to_igraph()
        assert graph.is_directed()
        names = [int(name) for name in graph.vs["name"]] if graph.vcount() else []
        back = pd.DataFrame(
            [(names[e.source], names[e.target], e["weight"]) for e in graph.es],
            columns=COLUMNS,
            dtype="int64",
        )
        pd.testing.assert_frame_equal(ordered(back), ordered(edges.neuro.collapse()))

    def test_attributes_and_its_own_files(self, edges: pd.DataFrame, tmp_path: Path) -> None:
        graph = edges.neuro.to_igraph(NEURONS)
        assert graph.vs.find(str(BASE + 1))["type"] == "KC"
        assert graph.vs.find(str(BASE + 1))["size"] == str(2**60 + 1)
        assert graph.vs.find(str(BASE + 2))["size"] == ""
        assert graph.vs.find(str(BASE + 9)).degree() == 0
        assert graph.es[graph.get_eid(str(BASE + 1), str(BASE + 2))]["weight"] == 7
        plain = edges.neuro.to_igraph()
        plain.write_graphml(str(tmp_path / "g.graphml"))
        back = igraph.Graph.Read_GraphML(str(tmp_path / "g.graphml"))
        assert back.vs["name"] == plain.vs["name"]
        assert back.es["weight"] == plain.es["weight"]


class TestFolders:
    def test_gephi(self, edges: pd.DataFrame, tmp_path: Path) -> None:
        folder = edges.neuro.to_gephi(tmp_path / "new" / "gephi", NEURONS, label="type")
        nodes, arcs = (pd.read_csv(folder / name, dtype=str) for name in ("nodes.csv", "edges.csv"))
        assert list(arcs.columns) == ["Source", "Target", "Type", "Weight"]
        assert set(arcs["Type"]) == {"Directed"}
        back = arcs.rename(columns={"Source": "pre", "Target": "post", "Weight": "weight"}).drop(
            columns="Type"
        )
        pd.testing.assert_frame_equal(ordered(back.neuro.as_edges()), ordered(edges.neuro.collapse()))
        assert list(nodes.columns) == ["Id", "Label", "type_original", "size"]
        assert set(nodes["Id"]) == {str(BASE + n) for n in (1, 2, 3, 9)}
        labels = nodes.set_index("Id")["Label"]
        assert labels[[str(BASE + 1), str(BASE + 2)]].tolist() == ["KC", str(BASE + 2)]
        assert nodes.set_index("Id")["size"][str(BASE + 1)] == str(2**60 + 1)
        assert f'"{BASE + 1}"' in (folder / "edges.csv").read_text()
        assert sorted(p.name for p in folder.iterdir()) == ["edges.csv", "nodes.csv"]

    def test_columns_with_names_of_the_program_are_renamed(
        self, edges: pd.DataFrame, tmp_path: Path
    ) -> None:
        nodes = NEURONS.rename(columns={"type": "Label", "size": "name"})
        arcs = edges.neuro.collapse().assign(Type="x", interaction="y")
        for write in (arcs.neuro.to_gephi, arcs.neuro.to_cytoscape):
            folder = write(tmp_path, nodes)
            for name in ("nodes.csv", "edges.csv"):
                header = (folder / name).read_text().splitlines()[0].split(",")
                assert len(header) == len(set(header))
            assert "_original" in (folder / "nodes.csv").read_text()
        with pytest.raises(errors.MissingColumnsError, match="'kind'"):
            edges.neuro.to_gephi(tmp_path, nodes, label="kind")

    def test_cytoscape(self, edges: pd.DataFrame, tmp_path: Path) -> None:
        pairs = edges.neuro.collapse().assign(nt=["ACH", None, "GABA", "ACH"])
        folder = pairs.neuro.to_cytoscape(tmp_path, NEURONS)
        nodes, arcs = (pd.read_csv(folder / name, dtype=str) for name in ("nodes.csv", "edges.csv"))
        assert list(arcs.columns) == ["source", "target", "interaction", "weight", "nt"]
        assert arcs["interaction"].tolist() == ["ACH", "synapse", "GABA", "ACH"]
        pd.testing.assert_frame_equal(ordered(arcs.neuro.as_edges()), ordered(pairs))
        assert set(nodes["name"]) == {str(BASE + n) for n in (1, 2, 3, 9)}


def test_provenance_is_in_every_export(sandbox: Sandbox, ids: pd.Series) -> None:
    found = ids.neuro.edges(min_weight=5)
    entry = found.attrs["pdneuro"]
    assert json.loads(found.neuro.to_networkx().graph["pdneuro"]) == entry
    assert json.loads(found.neuro.to_xarray().attrs["pdneuro"]) == entry
    assert found.neuro.to_igraph()["pdneuro"] == entry
    for result in (found.neuro.to_matrix(), found.neuro.similarity(), found.neuro.collapse()):
        assert result.attrs["pdneuro"] == entry
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        steps: Any = found.neuro.fractions().neuro.reciprocal()
    assert steps.attrs["pdneuro"]["source"] == entry["source"]
    json.dumps(steps.attrs)


def test_garbage_collection_that_was_off_stays_off() -> None:
    edges = pd.DataFrame({"pre": [1, 2], "post": [2, 3], "weight": [3, 4]})
    gc.disable()
    try:
        edges.neuro.to_networkx()
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_neuron_in_several_rows_of_the_nodes_is_an_error() -> None:
    edges = pd.DataFrame({"pre": [1, 2], "post": [2, 3], "weight": [3, 4]})
    nodes = pd.DataFrame({"root_id": [1, 2, 2], "side": ["left", "right", "left"]})
    with pytest.raises(ValueError, match="neuron 2 appears in several rows of the nodes"):
        edges.neuro.to_networkx(nodes)


@pytest.mark.parametrize(("name", "expected"), [("side", "side"), (None, "group")])
def test_a_label_for_each_neuron_is_a_coordinate(name: str | None, expected: str) -> None:
    edges = pd.DataFrame({"pre": [1, 2], "post": [2, 3], "weight": [3, 4]})
    found = edges.neuro.to_xarray(nodes=pd.Series({3: "left", 1: "right"}, name=name))
    assert found[f"{expected}_pre"].to_numpy().tolist() == ["right", "", "left"]
    assert found[f"{expected}_post"].to_numpy().tolist() == ["right", "", "left"]
