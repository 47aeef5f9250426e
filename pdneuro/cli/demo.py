"""Run ``pdneuro demo``: the main job, step by step, on the bundled sandbox."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

import pdneuro
from pdneuro._compat import optional
from pdneuro.errors import MissingDependencyError

_NEXT = """
What to try next
  with your own neurons:   pdneuro token set braincircuits
                           df.neuro.join_properties("link_pre", on="root_id",
                                                    source="fruitfly_fafb_flywire")
  methods for a table:     print(df.neuro)
  status of each ID:       pdneuro.last_report()
  without the network:     pdneuro.set_options(offline=True)
  your files as a server:  pdneuro sandbox --edges edges.csv --neurons neurons.csv
"""


def run(folder: Path) -> None:
    """Run the demo and write an edge list and a picture into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    # With a small latency, the progress bar is visible.
    with pdneuro.sandbox.start(latency=0.05) as sandbox:
        print(f"A synthetic brain is served at {sandbox.url}; nothing leaves this machine.")
        file = folder / "neurons.csv"
        pdneuro.sandbox.neurons().to_csv(file, index=False)

        _print_step(f'neurons = pdneuro.read_table("{file}")')
        neurons = pdneuro.read_table(file)
        _print_table(neurons)
        print(neurons.neuro)

        _print_step(
            'known = neurons.neuro.join_properties("link_pre", "neurotransmitter", on="root_id")'
        )
        with pdneuro.set_options(batch_size=250, progress=True):
            known = neurons.neuro.join_properties("link_pre", "neurotransmitter", on="root_id")
        _print_table(known)

        _print_step('strong = known.query("nr_pre > 200")')
        strong = known.query("nr_pre > 200")
        _print_table(strong)

        _print_step("edges = strong.neuro.edges(downstream=True, upstream=False, min_weight=5)")
        edges = strong.neuro.edges(on="root_id", downstream=True, upstream=False, min_weight=5)
        _print_table(edges)
        listed = folder / "edges.csv"
        edges.to_csv(listed, index=False)

        _print_step("graph = edges.neuro.threshold(5).neuro.to_networkx()")
        graph = edges.neuro.threshold(5).neuro.to_networkx()
        print(graph)

        _print_step("the same call again uses the cache")
        before = len(sandbox.requests)
        neurons.neuro.join_properties("link_pre", "neurotransmitter", on="root_id")
        print(f"{len(neurons):,} neurons, {len(sandbox.requests) - before} requests")

    print(f"\nWritten: {listed} ({len(edges):,} edges)")
    try:
        print(f"Written: {_picture(edges, neurons, folder / 'types.png')}")
    except MissingDependencyError as error:
        print(f"No picture: {error}")
    print(_NEXT)


def _print_step(step: str) -> None:
    print(f"\n>>> {step}")


def _print_table(table: pd.DataFrame) -> None:
    print(table.head(3).to_string())
    print(f"({len(table):,} rows)")


def _picture(edges: pd.DataFrame, neurons: pd.DataFrame, path: Path) -> Path:
    """Plot a matrix of synapses between the most connected cell types."""
    optional("matplotlib", "plot").use("Agg")
    typed = edges.neuro.annotate(neurons, "cell_type")
    ends = ["cell_type_pre", "cell_type_post"]
    sums = [typed.groupby(end)["weight"].sum() for end in ends]
    strongest = sums[0].add(sums[1], fill_value=0).nlargest(25).index
    axes = typed[typed[ends].isin(strongest).all(axis=1)].neuro.plot.matrix("cell_type")
    axes.set_title(
        "Synapses between the 25 strongest cell types\n(synthetic brain, pairs of at least 5)"
    )
    axes.figure.savefig(path, dpi=110)
    optional("matplotlib.pyplot", "plot").close(axes.figure)
    return path
