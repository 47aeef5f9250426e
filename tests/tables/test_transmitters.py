"""The most likely transmitter, from the columns of published files."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdneuro import errors, tables

SHORT = {"acetylcholine": "ach", "gaba": "gaba", "glutamate": "glut", "dopamine": "da", "serotonin": "ser", "octopamine": "oct"}  # fmt: skip
DIALECTS: dict[str, dict[str, str]] = {
    "codex": {f"{word}_avg": name for name, word in SHORT.items()},
    "cave": {word: name for name, word in SHORT.items()},
    "hemibrain": {name: name for name in (*SHORT, "neither")},
    "manc": {"ntAcetylcholineProb": "acetylcholine", "ntGabaProb": "gaba", "ntGlutamateProb": "glutamate", "ntUnknownProb": "unknown"},
    "male cns": {f"nt_{name}_prob": name for name in (*SHORT, "histamine")},
    "joined": {f"neurotransmitter_{word}": name for name, word in SHORT.items()},
    "capitals": {"GABA": "gaba", "ACh": "acetylcholine", "5HT": "serotonin"},
}  # fmt: skip


@pytest.mark.parametrize("dialect", DIALECTS)
@given(data=st.data())
@settings(deadline=None, max_examples=15)
def test_the_largest_score_of_each_row(dialect: str, data: Any) -> None:
    names = DIALECTS[dialect]
    score = st.one_of(st.none(), st.integers(0, 8).map(lambda n: n / 8))
    rows = data.draw(st.lists(st.lists(score, min_size=len(names), max_size=len(names)), max_size=6))
    table = pd.DataFrame(rows, columns=list(names), dtype="Float64")
    table.insert(0, "root_id", np.arange(1, len(rows) + 1))
    table["nt_type_score"] = 1.0
    found = table.neuro.top_nt()
    assert list(found.columns[len(table.columns) :]) == ["top_nt", "top_nt_score", "top_nt_margin"]
    for k, row in enumerate(rows):
        ranked = sorted((value for value in row if value is not None), reverse=True)
        name, best, margin = found.iloc[k, -3:]
        if not ranked or ranked[0] == 0:
            assert found.iloc[k, -3:].isna().all()
            continue
        assert best == ranked[0]
        assert name == list(names.values())[row.index(ranked[0])]
        assert pd.isna(margin) if len(ranked) == 1 else margin == ranked[0] - ranked[1]


@pytest.mark.parametrize("dtype", ["Float64", "float64"])
def test_a_missing_score_is_not_the_largest(dtype: str) -> None:
    scores = pd.DataFrame(columns=list(DIALECTS["codex"]), index=range(3), dtype=dtype)
    scores.loc[0, "ach_avg"], scores.loc[1, "gaba_avg"] = 0.5, 0.1
    edges = scores.assign(pre=[1, 2, 3], post=4, weight=5)
    assert tables.as_edges(edges)["nt"].fillna("").tolist() == ["ACH", "GABA", ""]


def test_it_feeds_the_signs_of_edges() -> None:
    neurons = pd.DataFrame({"root_id": [1, 2], "gaba_avg": [0.7, 0.25], "ach_avg": [0.2, 0.5]})
    edges = pd.DataFrame({"pre": [1, 2], "post": [2, 1], "weight": [3, 5]})
    typed = edges.neuro.annotate(neurons.neuro.top_nt(), "top_nt")
    signed = typed.neuro.sign("top_nt_pre", inhibitory="gaba", excitatory="acetylcholine")
    assert signed["signed_weight"].tolist() == [-3, 5]
    assert neurons.columns.tolist() == ["root_id", "gaba_avg", "ach_avg"]
    again = neurons.neuro.top_nt().neuro.top_nt()
    assert again.columns.tolist() == neurons.neuro.top_nt().columns.tolist()


def test_the_choice_of_columns() -> None:
    table = pd.DataFrame({"gaba_avg": [0.1], "ach_avg": [0.2], "gaba": [0.9], "ach": [0.3], "x": [2.0]})
    with pytest.raises(errors.AmbiguousColumnError, match="several sets"):
        table.neuro.top_nt()
    assert table.neuro.top_nt(["gaba", "ach"])["top_nt"].tolist() == ["gaba"]
    assert table.neuro.top_nt({"x": "histamine", "ach": "acetylcholine"})["top_nt"].tolist() == [
        "histamine"
    ]
    with pytest.raises(ValueError, match="Name them"):
        table.neuro.top_nt(["gaba", "x"])
    with pytest.raises(errors.MissingColumnsError, match="'ach_avg'"):
        tables.top_nt(table[["gaba", "x"]])
    with pytest.raises(errors.InvalidEdgesError, match="negative"):
        tables.top_nt(pd.DataFrame({"gaba": [-1.0], "ach": [1.0]}))
    with pytest.raises(errors.InvalidEdgesError, match="must contain numbers"):
        tables.top_nt(pd.DataFrame({"gaba": ["a"], "ach": [1.0]}))
    with pytest.raises(errors.ColumnExistsError):
        tables.top_nt(pd.DataFrame({"gaba": [0.5], "ach": [1.0], "top_nt": ["gaba"]}))
    with pytest.raises(errors.ColumnExistsError, match="'top_nt' already"):  # two columns of this name
        tables.top_nt(
            pd.DataFrame([[0.5, 0.2, "gaba", "gaba"]], columns=["gaba", "ach", *["top_nt"] * 2])
        )
    with pytest.raises(ValueError, match="names a transmitter twice"):
        table.neuro.top_nt({"gaba": "gaba", "gaba_avg": "gaba"})
    assert ".top_nt()" in repr(table[["gaba", "ach"]].neuro)
