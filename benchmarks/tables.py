"""Measure sums over edge tables against polars and pandas, for rows in random order and sorted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import graphs
import numpy as np
import pandas as pd
from measure import Row, in_turn

#: Rows per pair of the sorted tables.
REPEATS = 8


def sums(rounds: int) -> Iterator[Row]:
    """Yield a row for each method, size, order and peer; the limit is one sort of the rows."""
    for size in graphs.SIZES:
        table = graphs.edges(size)
        few = table.head(size // REPEATS).sort_values(["pre", "post"])
        tables = {
            "random order": table,
            f"sorted, {REPEATS} rows per pair": few.loc[few.index.repeat(REPEATS)],
        }
        for order, edges in tables.items():
            for method, (ours, peers) in _methods(edges.reset_index(drop=True)).items():
                keys = edges["pre"].to_numpy()
                mine, limit, *others = in_turn(
                    rounds, ours, lambda keys=keys: np.sort(keys), *peers.values()
                )
                for peer, theirs in zip(peers, others, strict=True):
                    what = (
                        f"{method}, {len(edges) / 1e6:.1f} M rows, {order} / {peer} "
                        f"(limit, one sort: {graphs.seconds(limit)})"
                    )
                    ratio = mine / theirs
                    yield Row(
                        what, graphs.seconds(mine), graphs.seconds(theirs), ratio, "<= 1", ratio <= 1
                    )


def _methods(
    edges: pd.DataFrame,
) -> dict[str, tuple[Callable[[], Any], dict[str, Callable[[], Any]]]]:
    """Return each method with the same result by its peers; polars includes the conversions."""
    import polars as pl

    pairs = ["pre", "post"]
    ids = pd.unique(pd.concat([edges["pre"], edges["post"]]))
    neurons = pd.DataFrame({"root_id": ids, "type": np.arange(len(ids)) % 8000})
    weight, total = pl.col("weight"), pl.col("weight").sum()

    def degree() -> pd.DataFrame:
        sums = pl.from_pandas(edges).group_by(pairs).agg(total)
        sides = [sums.group_by(end).agg(pl.len(), total).rename({end: "id"}) for end in pairs]
        return sides[0].join(sides[1], on="id", how="full", coalesce=True).fill_null(0).to_pandas()

    def annotate(join: Callable[[Any, Any, str], Any], start: Any, labels: Any) -> Any:
        for end in pairs:
            start = join(start, labels, end)
        return start

    def merge(table: pd.DataFrame, labels: pd.DataFrame, end: str) -> pd.DataFrame:
        named = labels.rename(columns={"root_id": end, "type": f"type_{end}"})
        return table.merge(named, on=end, how="left")

    def join(table: Any, labels: Any, end: str) -> Any:
        return table.join(labels.rename({"root_id": end, "type": f"type_{end}"}), on=end, how="left")

    def filtered() -> pd.DataFrame:
        return edges[edges.groupby(pairs, sort=False)["weight"].transform("sum") >= 5]

    return {
        "collapse": (
            lambda: edges.neuro.collapse(),
            {
                "polars": lambda: (
                    pl.from_pandas(edges).group_by(pairs, maintain_order=True).agg(total).to_pandas()
                ),
                "groupby": lambda: edges.groupby(pairs, sort=False, as_index=False)["weight"].sum(),
            },
        ),
        "degree": (lambda: edges.neuro.degree(), {"polars": degree}),
        "threshold(5)": (
            lambda: edges.neuro.threshold(5),
            {
                "polars": lambda: pl.from_pandas(edges).filter(total.over(pairs) >= 5).to_pandas(),
                "groupby": filtered,
            },
        ),
        "fractions": (
            lambda: edges.neuro.fractions(),
            {
                "polars": lambda: (
                    pl.from_pandas(edges)
                    .with_columns((weight / total.over("post")).alias("share"))
                    .to_pandas()
                ),
                "groupby": lambda: edges.assign(
                    share=edges["weight"] / edges.groupby("post")["weight"].transform("sum")
                ),
            },
        ),
        "annotate": (
            lambda: edges.neuro.annotate(neurons),
            {
                "polars": lambda: annotate(
                    join, pl.from_pandas(edges), pl.from_pandas(neurons)
                ).to_pandas(),
                "merge": lambda: annotate(merge, edges, neurons),
            },
        ),
    }
