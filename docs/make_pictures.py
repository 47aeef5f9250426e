"""Draw the pictures of README.md and of the front page, on the sandbox.

python docs/make_pictures.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

import pdneuro

FOLDER = Path(__file__).parent / "_static"
_BLUE, _GRAY = "#3b5b92", "#666666"


def overview(neurons: Any) -> None:
    """Draw the way from a column of IDs to an edge table and a matrix of cell types."""
    types = neurons.cell_type.value_counts().head(12).index
    some = neurons[neurons.cell_type.isin(types)]
    edges = some.neuro.edges(within=True).neuro.annotate(neurons, "cell_type")
    figure, (left, middle, right) = plt.subplots(
        1, 3, figsize=(12, 3.7), width_ratios=(1, 1.45, 1.6), layout="constrained"
    )
    _table(left, "a column of segment IDs", some[["root_id", "cell_type"]].head(8))
    _table(middle, ".neuro.edges()", edges[["pre", "post", "weight"]].head(8))
    edges.neuro.plot.matrix("cell_type", ax=right)
    right.set(xlabel="", ylabel="", aspect="auto")
    right.set_title('.neuro.plot.matrix("cell_type")', family="monospace", color=_BLUE, fontsize=10)
    _save(figure, "overview")


def thumbnails(neurons: Any) -> None:
    """Draw one small picture per card of the front page."""
    types = neurons.cell_type.value_counts().head(12).index
    some = neurons[neurons.cell_type.isin(types)]
    typed = some.neuro.edges(within=True).neuro.annotate(neurons, "cell_type")
    nodes = pdneuro.neuromorpho.swc([1])
    pictures = {
        "graph": lambda ax: typed.neuro.plot.graph(group_by="cell_type", labels=False, ax=ax),
        "matrix": lambda ax: typed.neuro.plot.matrix("cell_type", ax=ax),
        "skeleton": lambda ax: nodes.neuro.plot.skeleton(ax=ax),
        "degree": lambda ax: neurons.head(500).neuro.edges().neuro.plot.degree(ax=ax),
    }
    for name, draw in pictures.items():
        figure, ax = plt.subplots(figsize=(2.4, 1.8), layout="constrained")
        draw(ax)
        for extra in figure.axes[1:]:
            extra.remove()
        if legend := ax.get_legend():
            legend.remove()
        ax.set(title="", xlabel="", ylabel="", xticks=[], yticks=[])
        ax.tick_params(which="both", bottom=False, left=False, labelbottom=False, labelleft=False)
        _save(figure, name)


def _table(ax: Any, title: str, frame: Any) -> None:
    ax.set_axis_off()
    is_code = title.startswith(".")
    ax.set_title(
        title, family="monospace" if is_code else None, color=_BLUE if is_code else "black", fontsize=10
    )
    rows = [*frame.astype(str).to_numpy().tolist(), ["..."] * frame.shape[1]]
    table = ax.table(rows, colLabels=list(frame.columns), loc="upper center", cellLoc="right", edges="B")
    table.auto_set_font_size(False)
    table.set_fontsize(8.5)
    table.auto_set_column_width(range(frame.shape[1]))
    table.scale(1, 1.45)
    for cell in table.get_celld().values():
        cell.set_edgecolor("#cccccc")


def _save(figure: Any, name: str) -> None:
    figure.savefig(FOLDER / f"{name}.png", dpi=110, metadata={"Software": None})
    plt.close(figure)


def main() -> None:
    """Draw all pictures into docs/_static."""
    with pdneuro.sandbox.start():
        neurons = pdneuro.sandbox.neurons()
        overview(neurons)
        thumbnails(neurons)


if __name__ == "__main__":
    main()
