"""Trees of clusters, and matrices with trees."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.cluster import hierarchy

from pdneuro.graphs.clusters import tree
from pdneuro.plots import style
from pdneuro.plots.clustering import _lines

pytest.importorskip("matplotlib", reason="matplotlib is not installed")


@pytest.fixture(autouse=True)
def close_figures() -> Any:
    from matplotlib import pyplot

    yield
    pyplot.close("all")


def random_edges(seed: int = 0) -> pd.DataFrame:
    table = pd.DataFrame(np.random.default_rng(seed).integers(1, [25, 25, 20], (150, 3)))
    return table.set_axis(["pre", "post", "weight"], axis=1)


def test_branches_are_those_of_scipys_dendrogram() -> None:
    found = tree(random_edges(), "cosine", "both", "average")
    wanted = hierarchy.dendrogram(found.merges, no_plot=True)
    # SciPy places leaves at 5, 15, 25, ...
    theirs = {
        tuple(np.round([*(np.array(x) - 5) / 10, *y], 9))
        for x, y in zip(wanted["icoord"], wanted["dcoord"], strict=True)
    }
    lines, _ = _lines(found)
    assert {tuple(np.round([*line[:, 0], *line[:, 1]], 9)) for line in lines} == theirs


def test_colors_are_those_of_the_clusters() -> None:
    edges = random_edges()
    labels = edges.neuro.cluster(n=4)
    ax = edges.neuro.plot.dendrogram(n=4)
    names = [int(text.get_text()) for text in ax.get_xticklabels()]
    # Clusters have increasing numbers from left to right.
    assert labels.loc[names].is_monotonic_increasing
    from matplotlib.colors import to_hex

    colors = [to_hex(color).upper() for color in ax.collections[0].get_colors()]
    several = labels.value_counts().loc[lambda sizes: sizes > 1].index
    wanted = {style.PALETTE[(number - 1) % len(style.PALETTE)] for number in several}
    assert set(colors) == wanted | {"#888888"}
    # Each cluster has one merge less than neurons; the merges above are gray.
    assert colors.count("#888888") == 3


def test_a_clustermap_has_the_cells_of_the_matrix() -> None:
    types = {number: "ABCDE"[number % 5] for number in range(1, 25)}
    edges = random_edges()
    matrix = edges.neuro.to_matrix(types, normalize="input")
    for ax in (
        edges.neuro.plot.clustermap(types, normalize="input", n=2),
        matrix.neuro.plot.clustermap(),
    ):
        rows, columns = (
            [text.get_text() for text in axis.get_ticklabels()] for axis in (ax.yaxis, ax.xaxis)
        )
        assert rows == columns
        shown = ax.images[0].get_array().filled(0)
        np.testing.assert_allclose(shown, matrix.loc[rows, columns])
        assert len(ax.child_axes) == 2
    with pytest.raises(ValueError, match="group_by= is for an edge table"):
        matrix.neuro.plot.clustermap("cell_type")


def test_rows_and_columns_with_other_labels_have_their_own_trees() -> None:
    edges = random_edges()
    matrix = edges.neuro.to_matrix({"post": {number: "ABC"[number % 3] for number in range(1, 25)}})
    ax = matrix.neuro.plot.clustermap(method="complete")
    assert sorted(text.get_text() for text in ax.get_xticklabels()) == ["A", "B", "C"]
    assert len(ax.get_yticklabels()) == len(matrix)


def test_options_of_the_other_kind_of_table_are_errors() -> None:
    nodes = pd.DataFrame(
        {"node": [1], "type": 1, "x": 0.0, "y": 0.0, "z": 0.0, "radius": 1.0, "parent": -1}
    )
    with pytest.raises(ValueError, match="n= is for an edge table"):
        nodes.neuro.plot.dendrogram(n=2)
    with pytest.raises(ValueError, match="give the number"):
        random_edges().neuro.plot.dendrogram(n=2, height=0.5)
