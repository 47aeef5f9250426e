"""Measure sums, shares and counts of groups, and similarities by type, at 2.7 and 15.1 million edges."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from operator import matmul
from typing import Any

import numpy as np
import pandas as pd
from graphs import NEURONS, SIZES, edges, seconds
from measure import Row, in_turn, make_ids
from scipy import sparse

import pdneuro  # noqa: F401 - registers the accessor

#: Number of cell types, about those of FlyWire.
TYPES = 8_000


def typed(size: int) -> pd.DataFrame:
    """Return the edges with the types of both ends as categories; one neuron in ten has none."""
    rng = np.random.default_rng(1)
    codes = rng.integers(-TYPES // 9, TYPES, NEURONS).clip(-1)
    names = pd.Index([f"type{k}" for k in range(TYPES)])
    labels = pd.Series(pd.Categorical.from_codes(codes, names), index=make_ids(NEURONS))
    return edges(size).neuro.annotate(labels, "type")


def peers() -> dict[str, tuple[Callable[[pd.DataFrame], Any], Callable[[pd.DataFrame], Any], str]]:
    """Return by name the call, the same in pandas, and the goal."""
    keys = ["type_pre", "type_post"]

    def counted(table: pd.DataFrame) -> Any:
        groups = table.groupby(keys, observed=True, dropna=False, sort=False)
        return groups.agg({"weight": ["sum", "size"], "pre": "nunique", "post": "nunique"})

    def shares(table: pd.DataFrame) -> Any:
        sums = table.groupby(keys, observed=True, dropna=False)["weight"].sum()
        totals = table.groupby("type_post", observed=True, dropna=False)["weight"].sum()
        return sums.div(totals, level="type_post").unstack(fill_value=0)

    def threshold(table: pd.DataFrame) -> Any:
        return table[table["weight"] / table.groupby("post")["weight"].transform("sum") >= 0.01]

    def completeness(table: pd.DataFrame) -> Any:
        found = {}
        for end, partner in (("post", "pre"), ("pre", "post")):
            known = table["weight"].where(table[f"type_{partner}"].notna(), 0)
            sums = table.assign(known=known).groupby(end)[["known", "weight"]].sum()
            found[end] = sums["known"] / sums["weight"]
        return pd.DataFrame(found)

    return {
        "collapse by 8,000 types, with counts of neurons / groupby.agg": (
            lambda table: table.neuro.collapse("type"),
            counted,
            "<= 1",
        ),
        "to_matrix by 8,000 types, normalized by input / groupby, div, unstack": (
            lambda table: table.neuro.to_matrix("type", normalize="input"),
            shares,
            "<= 1",
        ),
        'threshold(0.01, of="input") / groupby.transform': (
            lambda table: table.neuro.threshold(0.01, of="input"),
            threshold,
            "<= 3",
        ),
        "completeness by type / two groupby.sum": (
            lambda table: table.neuro.completeness(group_by="type"),
            completeness,
            "<= 1.5",
        ),
    }


def sums(rounds: int) -> Iterator[Row]:
    for size in SIZES[1:]:
        table = typed(size)
        for name, (ours, theirs, goal) in peers().items():
            times = rounds if size < 10**7 else 1
            mine, yardstick = in_turn(
                times, partial(ours, table), partial(theirs, table), warm=times > 1
            )
            ratio = mine / yardstick
            met = ratio <= float(goal.removeprefix("<= "))
            yield Row(
                f"{size / 1e6:.1f} M edges: {name}", seconds(mine), seconds(yardstick), ratio, goal, met
            )


def similar_types(rounds: int) -> Iterator[Row]:
    warnings.simplefilter("ignore")
    for size in SIZES[1:]:
        table = typed(size)
        chosen = table["pre"].value_counts().index[:5_000]
        matrix, known = table.neuro.to_sparse()
        features = sparse.hstack([matrix, matrix.T], format="csr").astype(float)[
            known.get_indexer(chosen)
        ]
        for metric, options, goal in (
            ("cosine", {"group_by": "type"}, "-"),
            ("weighted_jaccard", {}, "<= 12"),
            ("weighted_jaccard", {"group_by": "type"}, "-"),
        ):
            ours = partial(table.neuro.similarity, metric, top=10, ids=chosen, **options)
            mine, theirs = in_turn(1, ours, partial(matmul, features, features.T), warm=False)
            ratio = mine / theirs
            by = " by type" if options else ""
            yield Row(
                f"{size / 1e6:.1f} M edges: {metric} similarity{by}, top 10 of 5,000 neurons / SciPy's "
                "product of the cosine alone",
                seconds(mine),
                seconds(theirs),
                ratio,
                goal,
                None if goal == "-" else ratio <= float(goal.removeprefix("<= ")),
            )
