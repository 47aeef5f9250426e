"""Plots: compared with the inspected figures in ``baseline/``; and invalid arguments.

New baselines: ``python -m pytest tests/plots/test_plots.py --mpl-generate-path=tests/plots/baseline``, then look.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest

import pdneuro
from pdneuro import errors, plots
from pdneuro.plots import style
from pdneuro.sandbox import Sandbox
from tests.conftest import shared

pytestmark = pytest.mark.usefixtures("sandbox")
picture = pytest.mark.mpl_image_compare(savefig_kwargs={"dpi": 48})


@pytest.fixture(scope="module")
def neurons() -> pd.DataFrame:
    return pdneuro.sandbox.neurons()


@pytest.fixture(scope="module")
def brain(neurons: pd.DataFrame) -> pd.DataFrame:
    """Return edges among the eight cell types with the most inputs, with columns of types and sides."""
    edges = pdneuro.sandbox.edges().neuro.annotate(neurons, ["cell_type", "side"])
    types = edges["cell_type_post"].value_counts().head(8).index
    some = edges["cell_type_pre"].isin(types) & edges["cell_type_post"].isin(types)
    return edges[some].reset_index(drop=True)


@pytest.fixture
def cells() -> pd.DataFrame:
    ids = [385, 385, 385, 549, 170, 512, 1097, 778, 778, 315, 0, None]
    return pd.DataFrame({"structure_id": pd.array(ids, "Int64"), "n": range(12)})


# -- the figures -----------------------------------------------------------------------------------


def test_a_matrix_with_more_cells_than_pixels_shows_all_connections() -> None:
    pyplot = pytest.importorskip("matplotlib.pyplot")
    rng = np.random.default_rng(1)
    ends = rng.integers(1, 2878, (10_802, 2))
    edges = pd.DataFrame({"pre": ends[:, 0], "post": ends[:, 1], "weight": 1})
    edges.loc[0] = [1, 2, 10**6]
    ax = edges.neuro.plot.matrix(order="given")
    matrix = edges.neuro.to_matrix()
    buffer = io.BytesIO()
    ax.figure.savefig(buffer, format="png")
    buffer.seek(0)
    picture = pyplot.imread(buffer)[..., :3]
    box = ax.get_window_extent()
    rows = slice(round(picture.shape[0] - box.y1) + 1, round(picture.shape[0] - box.y0) - 1)
    inside = picture[rows, round(box.x0) + 1 : round(box.x1) - 1]
    visible = int((inside.min(axis=2) < 0.98).sum())
    # One pixel for each occupied block of cells, as many blocks as there are pixels.
    size = inside.shape[0]
    pre, post = np.nonzero(matrix.to_numpy())
    occupied = len(np.unique(pre * size // len(matrix) * size + post * size // len(matrix)))
    assert visible > 0.97 * occupied > 10_000
    assert np.nanmax(ax.images[0].get_array()) == 10**6
    assert re.search(r"1 pixel: the largest of (\d+) x \1 cells", ax.get_xlabel())
    assert "pixel" not in edges.head(50).neuro.plot.matrix().get_xlabel()


@picture
def test_matrix_of_neurons_with_bars(brain: pd.DataFrame) -> Any:
    return brain.neuro.plot.matrix(order="clustered", bars="cell_type").figure


@picture
def test_matrix_of_types(brain: pd.DataFrame) -> Any:
    return brain.neuro.plot.matrix("cell_type").figure


@picture
def test_matrix_of_signs(brain: pd.DataFrame) -> Any:
    signed = brain.assign(nt=np.where(brain["side_pre"] == "left", "gaba", "acetylcholine"))
    signed = signed.neuro.sign("nt", inhibitory="gaba", excitatory="acetylcholine")
    return signed.neuro.plot.matrix(values="signed_weight").figure


@picture
def test_degree(brain: pd.DataFrame) -> Any:
    return brain.neuro.plot.degree().figure


@picture
def test_graph_of_neurons(neurons: pd.DataFrame, brain: pd.DataFrame) -> Any:
    # Circular, since positions of the spring layout depend on the machine's arithmetic.
    edges = brain.neuro.threshold(60)
    return edges.neuro.plot.graph(neurons, color="side", layout="circular").figure


@picture
def test_graph_of_types(brain: pd.DataFrame) -> Any:
    return brain.neuro.plot.graph(group_by="cell_type", layout="circular").figure


@picture
def test_fractions_of_types(brain: pd.DataFrame) -> Any:
    return brain.neuro.plot.fractions(group_by="cell_type", top=5).figure


@picture
def test_hops(neurons: pd.DataFrame) -> Any:
    return neurons.head(5).neuro.edges(hops=3, min_weight=10).neuro.plot.hops().figure


@picture
def test_bars(cells: pd.DataFrame) -> Any:
    return cells.neuro.plot.bars("n").figure


@picture
def test_tree(cells: pd.DataFrame) -> Any:
    return cells.neuro.plot.tree().figure


@picture
def test_skeleton() -> Any:
    return pdneuro.neuromorpho.swc(1).neuro.plot.skeleton("xz").figure


@picture
def test_skeletons_of_several_neurons() -> Any:
    return pdneuro.neuromorpho.swc([1, 2, 3]).neuro.plot.skeleton(color_by="neuron", bar=25).figure


@picture
def test_dendrogram() -> Any:
    return pdneuro.neuromorpho.swc(2).neuro.plot.dendrogram().figure


@picture
def test_slices() -> Any:
    annotation = pdneuro.allen.annotation_volume(100)
    density = pdneuro.allen.projection_data(100140756, resolution=100)
    return density.neuro.plot.slices(annotation, at=[250, 450])[0].figure


@picture
def test_slice_of_an_annotation() -> Any:
    return pdneuro.allen.annotation_volume(100).neuro.plot.slices(dim="lr").figure


# -- large and odd data ----------------------------------------------------------------------------

large = pytest.mark.mpl_image_compare(savefig_kwargs={"dpi": 38})
dark = pytest.mark.mpl_image_compare(savefig_kwargs={"dpi": 38}, style="dark_background")


@pytest.fixture(scope="module")
def many() -> pd.DataFrame:
    """Return 8,000 edges among 2,000 neurons of 300 types with names of different lengths."""
    rng = np.random.default_rng(7)
    pre, target = rng.integers(2000, size=(2, 8000))
    post = np.where(rng.random(8000) < 0.7, (pre % 300 * 7 + target % 6) % 2000, target)
    names = [
        f"{'LHPV' if number % 3 else 'AVLP'}{number:03}" + "_with_a_long_name" * (number % 9 == 0)
        for number in range(300)
    ]
    ids = 720575940600000000 + np.arange(2000) * 7919
    ends = {"pre": ids[pre], "post": ids[post], "weight": rng.geometric(0.08, 8000)}
    types = {
        f"cell_type_{end}": np.array(names)[rows % 300] for end, rows in (("pre", pre), ("post", post))
    }
    return pd.DataFrame(ends | types).groupby(["pre", "post"], as_index=False).first()


def a_hundred() -> pd.DataFrame:
    numbers = [number for number in range(1, 102) if number != 60]  # a neuron without a reconstruction
    nodes = pdneuro.neuromorpho.swc(numbers)
    row = nodes["neuron"] - 1
    return nodes.assign(x=nodes["x"] + row % 10 * 60, y=nodes["y"] + row // 10 * 60)


@large
def test_matrix_of_300_types(many: pd.DataFrame) -> Any:
    return many.neuro.plot.matrix("cell_type").figure


@large
def test_fractions_of_300_types(many: pd.DataFrame) -> Any:
    return many.neuro.plot.fractions(group_by="cell_type").figure


@large
def test_graph_of_2000_nodes(many: pd.DataFrame) -> Any:
    return many.neuro.plot.graph(layout="circular").figure


@large
def test_degree_of_2000_neurons(many: pd.DataFrame) -> Any:
    return many.neuro.plot.degree(weighted=True).figure


@large
def test_skeletons_of_100_neurons() -> Any:
    return a_hundred().neuro.plot.skeleton().figure


@large
def test_matrix_of_one_edge() -> Any:
    edge = pd.DataFrame({"pre": [720575940621234567], "post": [720575940629876543], "weight": [5]})
    return edge.neuro.plot.matrix().figure


@large
def test_graph_of_one_edge() -> Any:
    edge = pd.DataFrame({"pre": [720575940621234567], "post": [720575940629876543], "weight": [5]})
    return edge.neuro.plot.graph(layout="circular").figure


@large
def test_matrix_without_edges(many: pd.DataFrame) -> Any:
    return many.head(0).neuro.plot.matrix("cell_type").figure


@large
def test_layers_from_seeds(many: pd.DataFrame) -> Any:
    return many.iloc[::200].neuro.plot.graph(seeds=many["pre"].iloc[:4000:800]).figure


@large
def test_similarity(many: pd.DataFrame) -> Any:
    chosen = many["pre"].unique()[::20]
    return many.neuro.plot.similarity(of="output", ids=chosen, n=6).figure


@dark
def test_dark_matrix(many: pd.DataFrame) -> Any:
    some = many.nlargest(50, "weight")
    groups = {
        number: "ABCD"[number % 4] for number in pd.unique(some[["pre", "post"]].to_numpy().ravel())
    }
    return some.neuro.plot.matrix(bars=groups).figure


@dark
def test_dark_graph(many: pd.DataFrame) -> Any:
    some = pd.concat([many.head(20), many.head(2).assign(post=many["pre"].head(2))])
    cells = pd.DataFrame({"root_id": pd.unique(some[["pre", "post"]].to_numpy().ravel())})
    cells["side"] = np.where(cells.index % 3, "left", "right")
    return some.neuro.plot.graph(cells, color="side", layout="circular").figure


@dark
def test_dark_fractions(many: pd.DataFrame) -> Any:
    return many.neuro.plot.fractions(group_by="cell_type", most=8).figure


@dark
def test_dark_skeletons() -> Any:
    return pdneuro.neuromorpho.swc([1, 2, 3]).neuro.plot.skeleton().figure


# -- all plots -------------------------------------------------------------------------------------


def drawn(neurons: pd.DataFrame, brain: pd.DataFrame, cells: pd.DataFrame) -> dict[str, Any]:
    nodes = pdneuro.neuromorpho.swc(1)
    hopped = brain.assign(hop=1)
    volume = pdneuro.allen.annotation_volume(100)
    return {
        "matrix": (brain, "postsynaptic (159, clustered, 1 label per 8)"),
        "clustermap": (brain, "postsynaptic (159, 1 label per 8)"),
        "similarity": (brain, "id (159, 1 label per 8)"),
        "degree": (brain, "partners"),
        "graph": (brain.neuro.threshold(30), ""),
        "fractions": (brain, "share of input"),
        "hops": (hopped, "hop"),
        "bars": (cells, "structure"),
        "tree": (cells, "depth in the tree"),
        "skeleton": (nodes, "x (µm)"),
        "dendrogram": (nodes, "path distance from the root (µm)"),
        "slices": (volume, "left to right (µm)"),
    }


@pytest.mark.parametrize("name", plots.__all__)
def test_given_axes_are_used_labeled_and_returned(
    name: str, neurons: pd.DataFrame, brain: pd.DataFrame, cells: pd.DataFrame
) -> None:
    from matplotlib import pyplot

    table, label = drawn(neurons, brain, cells)[name]
    _, mine = pyplot.subplots()
    before = table.copy()
    given = getattr(table.neuro.plot, name)(ax=mine)
    mine.figure.canvas.draw()
    assert given is mine
    assert mine.get_xlabel() == label
    assert pyplot.get_fignums() == [1]
    assert before.equals(table)
    assert name in repr(table.neuro.plot)


def test_a_series_with_structures_in_its_index_is_drawn(cells: pd.DataFrame) -> None:
    ax = cells.groupby("structure_id")["n"].sum().neuro.plot.bars(order="value")
    assert [label.get_text() for label in ax.get_xticklabels()][:2] == ["VISp5", "Isocortex"]
    heights = [bar.get_height() for bar in ax.patches]
    assert heights == sorted(heights, reverse=True)
    assert ax.get_ylabel() == "n"


def test_the_bars_have_the_colors_of_the_atlas(cells: pd.DataFrame) -> None:
    from matplotlib import colors

    ax = cells.neuro.plot.bars()
    names = [label.get_text() for label in ax.get_xticklabels()]
    known = pdneuro.allen.structure_tree().frame.set_index("acronym")["color_hex_triplet"]
    for name, bar in zip(names, ax.patches, strict=True):
        assert colors.to_hex(bar.get_facecolor()) == f"#{known[name]}".lower()
    assert dict(zip(names, (bar.get_height() for bar in ax.patches), strict=True))["VISp"] == 3


def test_fractions_add_up_to_what_the_table_says(neurons: pd.DataFrame) -> None:
    edges = neurons.head(4).neuro.upstream(min_weight=10).neuro.fractions(total="source")
    ax = edges.neuro.plot.fractions(top=3)
    ends = {}
    for bar in ax.patches:
        row = round(bar.get_y() + bar.get_height() / 2)
        ends[row] = max(ends.get(row, 0.0), bar.get_x() + bar.get_width())
    drawn = {int(label.get_text()): ends[row] for row, label in enumerate(ax.get_yticklabels())}
    expected = edges.groupby("post")["input_fraction"].sum().to_dict()
    assert drawn == pytest.approx({key: float(value) for key, value in expected.items()})
    assert max(drawn.values()) < 0.9  # with a threshold, missing edges stay missing


def test_fractions_of_groups_are_of_the_whole_input_of_the_group() -> None:
    edges = pd.DataFrame(
        {
            "pre": [1, 2, 1],
            "post": [3, 3, 4],
            "weight": [30, 10, 40],
            "input_fraction": [0.3, 0.1, 0.1],  # 100 inputs of neuron 3, 400 of neuron 4
            "kind_pre": ["a", "b", "a"],
            "kind_post": ["x", "x", "x"],
        }
    )
    ax = edges.neuro.plot.fractions(group_by="kind", top=2)
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([70 / 500, 10 / 500])


def test_hops_count_each_neuron_once() -> None:
    edges = pd.DataFrame({"pre": [1, 1, 2, 4], "post": [2, 3, 4, 1], "weight": 5, "hop": [1, 1, 2, 3]})
    ax = edges.neuro.plot.hops()
    assert [bar.get_height() for bar in ax.patches] == [2, 1, 1, 3, 1, 0]


def test_a_group_with_the_name_other_is_a_group() -> None:
    edges = pd.DataFrame(
        {
            "pre": [1, 2, 3],
            "post": [9] * 3,
            "weight": [5, 3, 2],
            "k_pre": ["other", "a", "b"],
            "k_post": "x",
        }
    )
    ax = edges.neuro.plot.fractions(group_by="k", top=2)
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([0.5, 0.3, 0.2])
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["other", "a", "all others"]
    named = pd.Series({1: "u", 2: "u", 3: "v", 9: "w"}, name="kind")
    again = edges.neuro.plot.fractions(group_by=named)
    assert [bar.get_width() for bar in again.patches] == pytest.approx([0.8, 0.2])


def test_degrees_are_shares_with_at_least_as_many() -> None:
    edges = pd.DataFrame({"pre": [1, 1, 1, 2], "post": [2, 3, 4, 3], "weight": 1})
    incoming, outgoing = edges.neuro.plot.degree().lines
    assert outgoing.get_xydata().tolist() == [[1, 0.5], [3, 0.25]]
    assert incoming.get_xydata().tolist() == [[1, 0.75], [2, 0.25]]
    assert "mean 1.0" in incoming.get_label()
    assert "input" in incoming.get_label()


def test_the_scale_bar_is_as_long_as_it_says() -> None:
    ax = pdneuro.neuromorpho.swc(1).neuro.plot.skeleton(bar=25)
    (bar,) = [artist for artist in ax.artists if hasattr(artist, "size_bar")]
    assert bar.size_bar.get_children()[0].get_width() == 25
    assert bar.txt_label.get_text() == "25 µm"


def test_there_is_a_scale_bar_or_axes_but_not_both() -> None:
    nodes = pdneuro.neuromorpho.swc([1, 2])
    for bar in (None, True, 25, False):
        ax = nodes.neuro.plot.skeleton(bar=bar)
        has_bar = any(hasattr(artist, "size_bar") for artist in ax.artists)
        assert has_bar is not ax.axison
        assert has_bar is (bar is not False)


def test_somas_are_on_top_and_each_neuron_has_its_color() -> None:
    nodes = pdneuro.neuromorpho.swc(list(range(1, 13)))
    ax = nodes.neuro.plot.skeleton()
    somas = ax.patches
    assert len(somas) == 12
    assert min(soma.zorder for soma in somas) > max(lines.zorder for lines in ax.collections)
    assert len({soma.get_facecolor() for soma in somas}) == 12
    assert "12 neurons" in ax.get_title()


def test_labels_of_a_graph_are_the_strongest_and_do_not_overlap(many: pd.DataFrame) -> None:
    ax = many.neuro.plot.graph(layout="circular")
    both = pd.concat([many.set_index(end)["weight"] for end in ("pre", "post")]).groupby(level=0).sum()
    labels = [int(text.get_text()) for text in ax.texts]
    assert set(labels) <= set(both.nlargest(25).index)
    assert both.idxmax() in labels
    ax.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts]
    pairs = [(one, other) for row, one in enumerate(boxes) for other in boxes[:row]]
    assert len(boxes) > 5
    assert not any(one.overlaps(other) for one, other in pairs)
    keys = [text.get_text() for text in ax.get_legend().get_texts()]
    assert sum("synapse" in key for key in keys) == 3


def test_layers_are_hops_from_the_seeds() -> None:
    edges = pd.DataFrame({"pre": [1, 2, 3, 9, 7], "post": [2, 3, 4, 1, 8], "weight": 1})
    ax = edges.neuro.plot.graph(seeds=[1], labels=True)
    columns = {int(text.get_text()): text.xy[0] for text in ax.texts if hasattr(text, "xy")}
    assert columns == {9: -1, 1: 0, 2: 1, 3: 2, 4: 3, 7: 5, 8: 5}
    below = [text.get_text() for text in ax.texts if not hasattr(text, "xy")]
    assert below == ["-1", "seeds", "+1", "+2", "+3", "no path"]


def test_fractions_show_the_top_partners_of_each_bar(many: pd.DataFrame) -> None:
    ax = many.neuro.plot.fractions(group_by="cell_type", top=3, most=5)
    rows = pd.Series([round(bar.get_y() + bar.get_height() / 2) for bar in ax.patches]).value_counts()
    assert rows.max() == 4
    shares = many.groupby(["cell_type_post", "cell_type_pre"])["weight"].sum()
    shares = shares / shares.groupby(level=0).transform("sum")
    for row, label in enumerate(ax.get_yticklabels()):
        name = next(
            name for name in shares.index.levels[0] if style.short_labels([name])[0] == label.get_text()
        )
        widths = sorted(
            bar.get_width() for bar in ax.patches if round(bar.get_y() + bar.get_height() / 2) == row
        )
        expected = shares[name].nlargest(3)
        assert widths == pytest.approx(sorted([*expected, 1 - expected.sum()]))


def test_the_axes_of_few_partners_are_linear(many: pd.DataFrame) -> None:
    few = pd.DataFrame({"pre": [1, 1, 2], "post": [2, 3, 3], "weight": [1, 5, 9]})
    assert few.neuro.plot.degree().get_xscale() == "linear"
    ax = many.neuro.plot.degree(weighted=True)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")


def test_a_scale_is_logarithmic_if_the_weights_differ_much() -> None:
    from matplotlib import colors

    edges = pd.DataFrame({"pre": [1, 2, 3], "post": [2, 3, 1], "weight": [1000, 1500, 1900]})
    assert not isinstance(edges.neuro.plot.matrix().images[0].norm, colors.LogNorm)
    wide = edges.assign(weight=[5, 50, 500]).neuro.plot.matrix()
    assert isinstance(wide.images[0].norm, colors.LogNorm)
    ticks = [text.get_text() for text in wide.images[0].colorbar.ax.get_yticklabels()]
    assert "100" in ticks
    assert not any("$" in tick for tick in ticks)


@pytest.mark.parametrize("background", ["default", "dark_background"])
def test_every_color_differs_from_the_background(background: str) -> None:
    from matplotlib import pyplot

    with pyplot.style.context(background):
        paper = lightness(style.paper())
        shades = [*style.colors(), style.ink(), *style.series(100), style.OTHER]
        ends = [
            style.sequential()(0.0),
            style.sequential()(1.0),
            style.diverging()(0.0),
            style.diverging()(1.0),
        ]
        assert min(abs(lightness(shade) - paper) for shade in [*shades, *ends]) > 5


def test_an_interactive_figure_has_ids_and_types_under_the_pointer(
    neurons: pd.DataFrame, brain: pd.DataFrame
) -> None:
    pytest.importorskip("plotly", reason="plotly is not installed (extra interactive)")
    edges = brain.neuro.threshold(12)
    figure = edges.neuro.plot.graph(neurons, color="side", backend="plotly")
    texts = [text for trace in figure.data if trace.mode == "markers" for text in trace.text]
    ids = pd.unique(edges[["pre", "post"]].to_numpy().ravel())
    types = neurons.set_index("root_id")["cell_type"]
    assert len(texts) == len(ids)
    for number in ids:
        (text,) = [text for text in texts if f"<b>{number}</b>" in text]
        assert f"cell_type: {types[number]}" in text
    assert {trace.name for trace in figure.data if trace.showlegend} == {"left", "right"}
    groups = brain.neuro.plot.graph(
        group_by="cell_type", seeds=[brain["cell_type_pre"].iloc[0]], backend="plotly"
    )
    assert all(trace.type == "scatter3d" for trace in groups.data)
    nodes = pdneuro.neuromorpho.swc([1, 2])
    figure = nodes.neuro.plot.skeleton(backend="plotly")
    lines = [trace for trace in figure.data if trace.mode == "lines"]
    segments = sum(np.isfinite(np.asarray(trace.x, float)).sum() // 2 for trace in lines)
    assert segments == (nodes["parent"] > 0).sum()
    assert set(lines[0].text) == {"<b>1</b><br>basal dendrite"}
    (somas,) = [trace for trace in figure.data if trace.mode == "markers"]
    assert list(somas.text) == ["<b>1</b><br>soma", "<b>2</b><br>soma"]
    with pytest.raises(ValueError, match="plotly returns a new figure"):
        nodes.neuro.plot.skeleton(backend="plotly", ax=nodes.neuro.plot.skeleton())


def test_outlines_lie_between_structures() -> None:
    annotation = pdneuro.allen.annotation_volume(100)
    ax = annotation.neuro.plot.slices(annotation, dim="dv", at=450)
    lines = np.concatenate(list(ax.collections[-1].get_segments()))
    cells = annotation.sel(dv=450)
    edges = {float(place) for place in np.unique(lines[:, 1])}
    changes = np.flatnonzero((np.diff(cells.to_numpy().astype(int), axis=0) != 0).any(axis=1))
    expected = {float(cells["ap"][row] + 50) for row in changes}
    assert expected <= edges


def test_an_image_is_not_an_annotation() -> None:
    template = pdneuro.allen.template_volume(100)
    ax = template.neuro.plot.slices()
    assert ax.images[0].get_cmap().name == "gray"
    below = pdneuro.allen.projection_data(100140756, resolution=100) - 1.0
    assert below.neuro.plot.slices().images[0].norm(-1.0) == 0.0


def test_a_column_of_structures_is_counted(cells: pd.DataFrame) -> None:
    heights = [bar.get_height() for bar in cells["structure_id"].neuro.plot.bars().patches]
    assert heights == [bar.get_height() for bar in cells.neuro.plot.bars().patches]
    with pytest.raises(TypeError, match="0, 1, 2"):
        pd.Series([385, 549]).neuro.plot.bars()
    unknown = cells.assign(v=np.nan).neuro.plot.tree("v")
    assert not [text for text in unknown.texts if text.get_text().endswith("0")]


def test_nodes_without_coordinates_are_not_in_a_dendrogram() -> None:
    nodes = pdneuro.neuromorpho.swc(1)
    with pytest.warns(errors.DroppedRowsWarning, match="no coordinates"):
        nodes.assign(x=nodes["x"].where(nodes.index > 40)).neuro.plot.dendrogram()


def test_the_clustered_order_brings_like_neurons_together() -> None:
    pre = [1, 2, 3, 4, 5, 6]
    edges = pd.DataFrame(
        {"pre": np.repeat(pre, 2), "post": [11, 12, 21, 22] * 3, "weight": [9, 8, 7, 6] * 3}
    )
    ax = edges.neuro.plot.matrix(order="clustered")
    rows = [int(label.get_text()) for label in ax.get_yticklabels()]
    sides = [row % 2 for row in rows if row < 10]
    assert sides in ([0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0])


def test_slices_are_at_the_positions_of_the_axes() -> None:
    volume = pdneuro.allen.annotation_volume(100)
    ax = volume.neuro.plot.slices(at=450)
    left, right, bottom, top = ax.images[0].get_extent()
    assert (left, right, bottom, top) == (0, 1000, 800, 0)
    assert ax.get_title() == "ap 450 µm"


def test_real_reconstructions_are_drawn() -> None:
    files = sorted(shared("neuromorpho").rglob("*.swc"))
    for file in files:
        nodes = pdneuro.neuromorpho.read_swc(file)
        ax = nodes.neuro.plot.skeleton()
        segments = sum(len(lines.get_segments()) for lines in ax.collections)
        known = nodes["parent"].isin(nodes["node"]) & (nodes["parent"] != nodes["node"])
        assert segments == known.sum()


# -- colors for color-blind readers ----------------------------------------------------------------


def lightness(color: Any) -> float:
    from matplotlib import colors

    linear = [
        (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4) for c in colors.to_rgb(color)
    ]
    return float(116 * np.cbrt(np.dot(linear, [0.2126, 0.7152, 0.0722])) - 16)


def test_the_color_scale_darkens_evenly_and_differs_from_white() -> None:
    steps = [lightness(color) for color in style.sequential()(np.linspace(0, 1, 20))]
    assert steps[0] < 82
    assert (np.diff(steps) < -1).all()


def test_neighboring_colors_differ_in_lightness() -> None:
    steps = np.abs(np.diff([lightness(color) for color in style.PALETTE]))
    assert steps.min() > 8
    assert len(style.MARKERS) == len(style.HATCHES) == len(style.PALETTE)


# -- invalid arguments ------------------------------------------------------------------------------


def test_too_large_to_read_is_an_error_with_advice(brain: pd.DataFrame) -> None:
    many = pd.DataFrame({"pre": range(1, 2002), "post": range(2, 2003), "weight": 1})
    with pytest.raises(errors.TooLargeError, match=r"2,002 neurons.*the maximum is 2,000.*group_by"):
        many.neuro.plot.graph()
    wide = pd.DataFrame({"pre": 1, "post": range(2, 3003), "weight": 1})
    with pytest.raises(errors.TooLargeError, match="group_by"):
        wide.neuro.plot.matrix()


@pytest.mark.parametrize(
    ("draw", "error", "words"),
    [
        (lambda e: e.neuro.plot.matrix(order="rows"), ValueError, "'sorted', 'clustered' or 'given'"),
        (lambda e: e.neuro.plot.matrix(bars="celltype"), errors.MissingColumnsError, "annotate"),
        (lambda e: e.neuro.plot.matrix("cell_type", bars="side"), ValueError, "already groups the rows"),
        (lambda e: e.neuro.plot.graph(labels="nosuch"), ValueError, "labels= is a column of nodes="),
        (lambda e: e.neuro.plot.degree(of="up"), ValueError, "'both', 'in' or 'out'"),
        (lambda e: e.neuro.plot.graph(color="side"), ValueError, "nodes="),
        (lambda e: e.neuro.plot.graph(e.assign(root_id=e.pre).head(1), color="sid"), errors.MissingColumnsError, "side"),
        (lambda e: e.neuro.plot.graph(layout="round"), ValueError, "circular"),
        (lambda e: e.neuro.plot.graph(layout="layered"), ValueError, "seeds="),
        (lambda e: e.neuro.plot.graph(layout="shell", seeds=[1]), ValueError, "layered"),
        (lambda e: e.neuro.plot.graph(seeds=[1, 2]), ValueError, "none of the seeds has an edge: 1, 2"),
        (lambda e: e.neuro.plot.fractions("both"), ValueError, "'input' or 'output'"),
        (lambda e: e.neuro.plot.fractions(group_by="type"), errors.MissingColumnsError, "annotate"),
        (lambda e: e.neuro.plot.fractions(top=9), ValueError, "1 to 8"),
        (lambda e: e.neuro.plot.hops(), errors.MissingColumnsError, "hops=2"),
        (lambda e: e.neuro.plot.bars(), errors.MissingColumnsError, "structure_id"),
        (lambda e: e.neuro.plot.bars("side_pre", on="pre"), TypeError, "must contain numbers"),
        (lambda e: e.neuro.plot.skeleton(), errors.MissingColumnsError, "radius"),
    ],
)  # fmt: skip
def test_wrong_input_is_named(
    brain: pd.DataFrame, draw: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=re.escape(words)):
        draw(brain)


def test_wrong_reconstructions_and_volumes_are_named() -> None:
    nodes = pdneuro.neuromorpho.swc([1, 2])
    with pytest.raises(errors.InvalidSwcError, match=r"nodes\.neuron == 1"):
        nodes.neuro.plot.dendrogram()
    with pytest.raises(ValueError, match="'xz'"):
        nodes.neuro.plot.skeleton("xx")
    loop = nodes[nodes["neuron"] == 1].assign(parent=lambda t: t["parent"].where(t["node"] != 2, 3))
    loop.loc[loop["node"] == 3, "parent"] = 2
    with pytest.raises(errors.InvalidSwcError, match="cycle"):
        loop.neuro.plot.dendrogram()
    volume = pdneuro.allen.annotation_volume(100)
    with pytest.raises(ValueError, match=r"at=5000 is outside the volume: ap is 0 to 1200 µm"):
        volume.neuro.plot.slices(at=5000)
    with pytest.raises(ValueError, match="'matplotlib' or 'plotly', not 'bokeh'"):
        nodes.neuro.plot.skeleton(backend="bokeh")
    one = volume.neuro.plot.slices()
    with pytest.raises(ValueError, match="one axes per slice, 2, not 1"):
        volume.neuro.plot.slices(at=[100, 200], ax=one)


def test_empty_tables_give_empty_figures(sandbox: Sandbox) -> None:
    nothing = pd.Series([], dtype="int64", name="root_id").neuro.edges()
    for name in ("matrix", "degree", "graph", "fractions"):
        ax = getattr(nothing.neuro.plot, name)()
        ax.figure.canvas.draw()
        assert not ax.images
    assert not nothing.neuro.plot.matrix(log=True).images
    zeros = pd.DataFrame({"pre": [1], "post": [2], "weight": [0]})
    ax = zeros.neuro.plot.matrix(log=True)
    ax.figure.canvas.draw()
    (image,) = ax.images
    assert np.ma.getmaskarray(image.get_array()).all()  # white: no connection
    assert 0 < image.norm.vmin < image.norm.vmax
    ax = nothing.assign(hop=nothing["weight"]).neuro.plot.hops()
    ax.figure.canvas.draw()
    assert [patch for patch in ax.patches if patch.get_height()] == []


def test_matplotlib_is_imported_by_the_first_plot() -> None:
    script = (
        "import sys, pandas as pd, pdneuro\n"
        "pd.DataFrame({'pre': [1], 'post': [2]}).neuro.plot\n"
        "assert not any(m.split('.')[0] in ('matplotlib', 'networkx', 'scipy') for m in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_any_matrix_of_numbers_is_drawn() -> None:
    edges = pd.DataFrame({"pre": [1, 1, 2], "post": [2, 3, 3], "weight": [3, 4, 5]})
    types = {1: "KC", 2: "KC", 3: "MBON"}
    of_edges = edges.neuro.plot.matrix(types, normalize="input")
    matrix = edges.neuro.to_matrix(types, normalize="input")
    ax = matrix.neuro.plot.matrix()
    assert ax.get_ylabel() == of_edges.get_ylabel() == "presynaptic (2)"
    label = of_edges.figure.axes[-1].get_ylabel()
    assert label == "share of input (blank: none)"
    assert ax.figure.axes[-1].get_ylabel() == "share of input (blank: 0)"
    drawn, expected = (axes.images[0].get_array() for axes in (ax, of_edges))
    assert np.array_equal(drawn.filled(0), expected.filled(0))
    assert drawn.max() == ax.images[0].norm.vmax == 1
    similar = edges.neuro.similarity(of="output").neuro.plot.matrix(order="clustered")
    assert similar.get_xlabel() == "id (2)"
    signed = (matrix / -10).neuro.plot.matrix()
    assert signed.images[0].norm.vmin == pytest.approx(-0.1)
    with pytest.raises(ValueError, match="normalize= is for an edge table"):
        matrix.neuro.plot.matrix(normalize="input")
    with pytest.raises(errors.MissingColumnsError, match="table of neurons"):
        pd.DataFrame({"root_id": [1, 2], "size": [3, 4]}).neuro.plot.matrix()
