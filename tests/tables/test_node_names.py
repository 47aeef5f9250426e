"""Edge tables with names of neurons instead of IDs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pdneuro
from pdneuro import errors, graphs
from pdneuro._compat import TEXT
from pdneuro.sandbox import Sandbox

WORM = pd.DataFrame(
    {
        "Source": ["ADAL ", " ADAR", "ADAL", "ADAL"],
        "Target": ["ADAR", "AVAL", "AVAL", "AVAL"],
        "Weight": [1, 2, 3, 4],
        "Type": ["electrical", "chemical", "chemical", "electrical"],
    }
)
TYPES = pd.DataFrame({"neuron": ["ADAL", "AVAL"], "type": ["sensory", "inter"]})
NUMBERS = {"ADAL": 11, "ADAR": 12, "AVAL": 13}


def named() -> pd.DataFrame:
    return WORM.neuro.as_edges(nodes="names")


def numbered() -> pd.DataFrame:
    edges = named()
    ends = {end: edges[end].map(NUMBERS).astype("int64") for end in ("pre", "post")}
    return edges.assign(**ends)


def test_names_stay_text_without_their_blanks() -> None:
    edges = named()
    assert edges.pre.tolist() == ["ADAL", "ADAR", "ADAL", "ADAL"]
    assert edges.pre.dtype == edges.post.dtype == TEXT
    assert edges.weight.dtype == np.int64
    assert WORM.Source[0] == "ADAL "


METHODS = {
    "collapse": lambda edges: edges.neuro.collapse(),
    "by type": lambda edges: edges.neuro.collapse(
        dict(zip(edges.pre, edges.pre.map(str).str[-1], strict=True))
    ),
    "threshold": lambda edges: edges.neuro.threshold(5),
    "degree": lambda edges: edges.neuro.degree(),
    "motifs": lambda edges: edges.neuro.motifs(),
    "reciprocal": lambda edges: edges.neuro.reciprocal(),
    "fractions": lambda edges: edges.neuro.fractions(),
    "sign": lambda edges: edges.neuro.sign("Type", inhibitory="electrical", excitatory="chemical"),
    "to_matrix": lambda edges: edges.neuro.to_matrix(),
    "to_sparse": lambda edges: pd.DataFrame(edges.neuro.to_sparse()[0].toarray()),
    "similarity": lambda edges: edges.neuro.similarity(),
    "xarray": lambda edges: edges.neuro.to_xarray().neuro.to_edges(),
    "networkx": lambda edges: graphs.from_networkx(edges.neuro.to_networkx()),
    "matrix": lambda edges: edges.neuro.collapse().neuro.as_edges(),
}


@pytest.mark.parametrize("method", sorted(set(METHODS) - {"by type"}))
def test_methods_return_what_they_return_for_numbers(method: str) -> None:
    found, expected = METHODS[method](named()), METHODS[method](numbered()).copy()
    names = {number: name for name, number in NUMBERS.items()}
    if isinstance(expected, pd.Series):
        assert found.to_dict() == expected.to_dict()
        return
    for end in ("pre", "post"):
        if end in expected.columns:
            expected[end] = expected[end].map(names).astype(TEXT)
    expected.index = expected.index.map(lambda label: names.get(label, label))
    expected.columns = expected.columns.map(lambda label: names.get(label, label))
    pd.testing.assert_frame_equal(
        found, expected, check_names=False, check_index_type=False, check_column_type=False
    )


def test_paths_labels_and_selections() -> None:
    edges = named()
    assert edges.neuro.paths("ADAL", "AVAL").path.tolist() == [
        ("ADAL", "AVAL"),
        ("ADAL", "ADAR", "AVAL"),
    ]
    assert edges.neuro.shortest_paths("ADAL", "AVAL").target.tolist() == ["AVAL"]
    typed = edges.neuro.annotate(TYPES, "type", on="neuron")
    assert typed.type_pre.fillna("").tolist() == ["sensory", "", "sensory", "sensory"]
    assert edges.neuro.fractions(total={"AVAL": 90}).input_fraction[3] == pytest.approx(4 / 90)
    assert edges.neuro.to_matrix(ids=["AVAL", "ADAL"]).loc["ADAL", "AVAL"] == 7
    assert edges.neuro.similarity(ids=["ADAR"]).index.tolist() == ["ADAR"]
    graph = edges.neuro.to_networkx(TYPES, on="neuron")
    assert graph.nodes["ADAL"] == {"type": "sensory"}
    assert graph.edges["ADAL", "AVAL"]["weight"] == 7
    matrix = edges.neuro.to_matrix()
    assert graphs.from_matrix(matrix, nodes="names").weight.tolist() == [1, 7, 2]


def test_other_programs_get_the_names(tmp_path: Path) -> None:
    pytest.importorskip("igraph", reason="igraph is not installed")
    edges = named()
    assert sorted(edges.neuro.to_igraph().vs["name"]) == ["ADAL", "ADAR", "AVAL"]
    assert pd.read_csv(edges.neuro.to_gephi(tmp_path) / "edges.csv").Source[0] == "ADAL"
    assert pd.read_csv(edges.neuro.to_cytoscape(tmp_path) / "nodes.csv").name.tolist()[0] == "ADAL"


def test_without_a_choice_the_error_shows_both_ways() -> None:
    with pytest.raises(errors.InvalidIdError, match=r"nodes=.names") as caught:
        WORM.neuro.as_edges()
    assert "pd.factorize" in str(caught.value)
    numbers, names = pd.factorize(WORM.Target)
    assert names[(numbers + 1) - 1].tolist() == WORM.Target.tolist()


def test_where_numbers_are_needed_the_error_says_how_to_get_them(sandbox: Sandbox) -> None:
    edges = named()
    for call in (
        lambda: pdneuro.Connectome(edges),
        lambda: pdneuro.Connectome(WORM, nodes="names"),
        lambda: edges.neuro.expand(hops=2),
        lambda: edges.neuro.fractions(total="source"),
        lambda: edges.pre.neuro.properties("size"),
    ):
        with pytest.raises(errors.InvalidIdError, match=r"pd\.factorize"):
            call()


def test_the_way_to_numbers_and_back_works() -> None:
    edges = named()
    with pytest.raises(errors.InvalidIdError) as caught:
        pdneuro.Connectome(edges)
    first, second = re.findall(
        r"numbers, names = [^,]+\(.*?\)\)|edges\.assign\(.*?\+ 1\)", str(caught.value)
    )
    spaces: dict[str, object] = {"pd": pd, "edges": edges}
    exec(f"{first}\nnumbered = {second}", spaces)
    result = spaces["numbered"]
    assert isinstance(result, pd.DataFrame)
    back = pdneuro.Connectome(result).to_frame()
    names = spaces["names"]
    pairs = {
        (names[pre - 1], names[post - 1]): weight  # type: ignore[index]
        for pre, post, weight in back.itertuples(index=False)
    }
    assert pairs == {("ADAL", "ADAR"): 1, ("ADAR", "AVAL"): 2, ("ADAL", "AVAL"): 7}


@pytest.mark.parametrize("cells", [["12", "13"], [12, 13], ["12", "AVAL"]])
def test_text_of_digits_is_always_an_id(cells: list[object]) -> None:
    frame = pd.DataFrame({"pre": cells, "post": cells, "weight": 1})
    with pytest.raises(errors.InvalidIdError, match="Text of digits is always an ID"):
        frame.neuro.as_edges(nodes="names")


def test_rows_without_a_name_are_dropped_with_a_warning() -> None:
    frame = pd.DataFrame({"pre": ["AVAL", None, " "], "post": ["AVAR"] * 3, "weight": 1})
    with pytest.warns(errors.DroppedRowsWarning, match="2 of 3"):
        assert len(frame.neuro.as_edges(nodes="names")) == 1


@given(
    names=st.lists(st.text(st.characters(categories=["Lu"]), min_size=1), min_size=2, max_size=8),
    weights=st.lists(st.integers(1, 100), min_size=8, max_size=8),
)
def test_no_name_and_no_synapse_is_lost(names: list[str], weights: list[int]) -> None:
    frame = pd.DataFrame({"pre": names, "post": names[::-1], "weight": weights[: len(names)]})
    edges = frame.neuro.as_edges(nodes="names")
    assert set(edges.pre) == set(names)
    assert edges.neuro.collapse().weight.sum() == sum(weights[: len(names)])


def test_a_dask_frame_keeps_names() -> None:
    dd = pytest.importorskip("dask.dataframe")
    import pdneuro.dask  # registers the accessor

    assert pdneuro.dask
    lazy = dd.from_pandas(WORM, npartitions=2).neuro.as_edges(nodes="names")
    assert lazy.compute().pre.tolist() == named().pre.tolist()


@pytest.mark.parametrize("nodes", ["name", None, True])
def test_another_choice_of_nodes_is_an_error(nodes: Any) -> None:
    with pytest.raises(ValueError, match=f"nodes must be 'ids' or 'names', not {nodes!r}"):
        WORM.neuro.as_edges(nodes=nodes)
