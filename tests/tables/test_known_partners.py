"""Shares of input: thresholds, the partners that cover it, and partners that are known."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pdneuro
from pdneuro import errors

IDS = range(1, 7)
rows = st.lists(st.tuples(*[st.sampled_from(IDS)] * 2, st.integers(1, 20)), max_size=30)


def table(given_rows: list[tuple[int, int, int]]) -> pd.DataFrame:
    return pd.DataFrame(given_rows, columns=["pre", "post", "weight"], dtype="int64")


@given(
    given_rows=rows,
    share=st.sampled_from([0, 0.01, 0.2, 0.25, 0.5, 1]),
    of=st.sampled_from(["input", "output"]),
)
@settings(deadline=None, max_examples=50)
def test_a_threshold_of_a_share_is_one_of_the_fractions(given_rows: Any, share: float, of: str) -> None:
    edges = table(given_rows)
    pairs = edges.neuro.collapse().neuro.fractions(of)
    strong = pairs[pairs[f"{of}_fraction"] >= share].set_index(["pre", "post"]).index
    found = edges.neuro.threshold(share, of=of)
    kept = pd.MultiIndex.from_frame(edges[["pre", "post"]]).isin(strong)
    pd.testing.assert_frame_equal(found, edges[kept])
    by_row = edges.neuro.threshold(share, per="row", of=of)
    each = edges.neuro.fractions(of)
    assert by_row.index.tolist() == each.index[each[f"{of}_fraction"] >= share].tolist()


def test_a_share_is_exact_at_its_limit() -> None:
    edges = pd.DataFrame(
        {"pre": range(1, 102), "post": 999, "weight": [7, 7] + [6] * 1 + [820] + [0] * 97}
    )
    assert edges["weight"].sum() == 840
    assert len(edges.neuro.threshold(7 / 840, of="input")) == 3


@pytest.mark.parametrize("wrong", [-0.1, 1.1, 5, True, None, "0.1", float("nan")])
def test_a_share_is_between_0_and_1(wrong: Any) -> None:
    edges = table([(1, 2, 3)])
    with pytest.raises(ValueError, match="share from 0 to 1"):
        edges.neuro.threshold(wrong, of="input")
    with pytest.raises(ValueError, match="cover must be"):
        edges["pre"].neuro.partners(
            source=pdneuro.Connectome(edges), cover=wrong if wrong is not None else 0
        )
    with pytest.raises(ValueError, match='of="input"'):
        edges.neuro.threshold(0.5)


def test_later_shares_know_of_the_threshold() -> None:
    edges = table([(1, 3, 9), (2, 3, 1)])
    strong = edges.neuro.threshold(0.5, of="input")
    with pytest.warns(errors.IncompleteEdgesWarning, match=r"less than 0\.5 of the input"):
        strong.neuro.fractions()
    with pytest.warns(errors.IncompleteEdgesWarning, match="fewer than 2"):
        edges.neuro.threshold(2).neuro.threshold(0.1, of="input")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "min_share" not in edges.neuro.threshold(0, of="input").attrs.get("pdneuro", {})


@given(given_rows=rows, cover=st.floats(0.01, 1), top=st.integers(1, 4))
@settings(deadline=None, max_examples=40)
def test_the_strongest_partners_cover_the_share(given_rows: Any, cover: float, top: int) -> None:
    edges = table(given_rows or [(1, 2, 3)])
    brain = pdneuro.Connectome(edges)
    ids = pd.Series(sorted(set(edges["pre"]))[:2])
    every = ids.neuro.partners(source=brain)
    found = ids.neuro.partners(source=brain, cover=cover)
    first = ids.neuro.partners(source=brain, top=top)
    for side, of_side in every.groupby("direction"):
        kept = found[found["direction"] == side]
        total = of_side["weight"].sum()
        assert kept["partner"].tolist() == of_side["partner"].tolist()[: len(kept)]
        assert kept["weight"].sum() / total >= cover - 1e-12
        assert kept["weight"].iloc[:-1].sum() / total < cover
        mine = first[first["direction"] == side]
        assert mine["partner"].tolist() == of_side["partner"].tolist()[:top]


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "3", True])
def test_a_number_of_partners_is_whole_and_at_least_1(wrong: Any) -> None:
    brain = pdneuro.Connectome(table([(1, 2, 4)]))
    with pytest.raises(ValueError, match=f"top must be a whole number of partners.*not {wrong!r}"):
        pd.Series([1]).neuro.partners(source=brain, top=wrong)


def test_sorted_partners_are_in_the_order_of_their_ids() -> None:
    brain = pdneuro.Connectome(table([(1, 3, 2), (1, 9, 7), (5, 1, 1)]))
    found = pd.Series([1]).neuro.partners(source=brain)
    assert found["partner"].tolist() == [9, 3, 5]
    by_id = pd.Series([1]).neuro.partners(source=brain, sort=True)
    assert by_id["partner"].tolist() == [3, 5, 9]
    assert by_id.index.tolist() == [0, 1, 2]


def test_partners_without_a_label_count_in_the_denominator() -> None:
    edges = table([(1, 2, 4), (1, 3, 4), (1, 4, 2)])
    brain = pdneuro.Connectome(edges)
    ids, labels = pd.Series([1]), {2: "KC", 4: "MBON"}
    options: Any = {"source": brain, "group_by": labels, "upstream": False}
    assert ids.neuro.partners(**options, dropna=True, cover=0.5)["partner"].tolist() == ["KC", "MBON"]
    assert ids.neuro.partners(**options, dropna=True, cover=0.4)["partner"].tolist() == ["KC"]
    with_unknown = ids.neuro.partners(**options, cover=0.8)
    assert with_unknown["weight"].tolist() == [4, 4]
    assert ids.neuro.partners(**options, top=1, sort=True)["partner"].tolist() == ["KC"]
    by_group = pd.DataFrame({"root_id": [1, 2], "side": ["l", "r"]}).groupby("side")
    assert len(by_group.neuro.partners(source=brain, top=1, on_missing="ignore")) == 2


@given(
    given_rows=rows,
    known=st.sets(st.sampled_from(IDS)),
    labels=st.lists(st.sampled_from(["a", None]), min_size=6, max_size=6),
)
@settings(deadline=None, max_examples=40)
def test_completeness_is_a_share_of_synapses(given_rows: Any, known: set[int], labels: Any) -> None:
    edges = table(given_rows)
    types = pd.Series(labels, index=IDS, dtype=object)
    found = edges.neuro.completeness(list(known), group_by=types)
    typed = {n for n in known if types[n] is not None}
    assert found.index.tolist() == sorted(set(edges["pre"]) | set(edges["post"]))
    for neuron, row in found.iterrows():
        for side, own, partner in (("input", "post", "pre"), ("output", "pre", "post")):
            part = edges[edges[own] == neuron]
            share = row[f"{side}_completeness"]
            if part.empty:
                assert pd.isna(share)
            else:
                expected = part.loc[part[partner].isin(typed), "weight"].sum() / part["weight"].sum()
                assert share == pytest.approx(expected, rel=1e-12)


class TestDataSets:
    EDGES = pd.DataFrame(
        {
            "pre": [1, 1, 2, 1, 3],
            "post": [2, 3, 3, 2, 1],
            "weight": [3, 1, 2, 5, 5],
            "dataset": ["manc", "manc", "manc", "fanc", "fanc"],
            "type_pre": ["DN", "DN", "MN", "DN", "IN"],
            "type_post": ["MN", "IN", "IN", "AN", "DN"],
        }
    )

    def test_a_neuron_is_a_data_set_and_a_number(self) -> None:
        found = self.EDGES.neuro.completeness(group_by="type", of="output")
        assert found.index.names == ["dataset", "id"]
        assert found.loc[("manc", 1)].tolist() == [1.0, 0.25]  # only DN and IN are in both
        assert found.loc[("fanc", 1)].tolist() == [1.0, 0.0]
        one = self.EDGES.query("dataset == 'manc'").neuro.completeness(group_by="type")
        assert one.index.names == ["id"]

    def test_a_row_without_a_data_set(self) -> None:
        edges = self.EDGES.assign(dataset=["manc", None, "manc", "fanc", "fanc"])
        with pytest.raises(errors.InvalidEdgesError, match="in row 1"):
            edges.neuro.completeness(group_by="type")

    @pytest.mark.parametrize(
        "options", [{}, {"partners": [1], "of": "inputs"}, {"group_by": {"post": "type"}}]
    )
    def test_choices_that_do_not_fit(self, options: Any) -> None:
        with pytest.raises(ValueError, match=r"partners|of must be"):
            self.EDGES.neuro.completeness(**options)
        assert len(self.EDGES.neuro.completeness(group_by={"post": "type"}, of="output")) == 6

    def test_groups_of_rows(self) -> None:
        groups = self.EDGES.groupby("dataset")
        for method in ("collapse", "degree", "motifs"):
            found = getattr(groups.neuro, method)()
            for name, part in groups:
                alone = getattr(part.neuro, method)()
                mine = found.loc[name]
                assert np.array_equal(mine.to_numpy(), alone.to_numpy())
        shares = self.EDGES.sample(frac=1, random_state=3).groupby("dataset").neuro.fractions()
        assert shares["input_fraction"].sort_index().tolist() == [1, 1 / 3, 2 / 3, 1, 1]
        assert groups.neuro.threshold(3)["weight"].tolist() == [3, 5, 5]
        nothing = self.EDGES.iloc[:0].groupby("dataset")
        assert nothing.neuro.collapse().empty
        assert nothing.neuro.threshold(2).columns.equals(self.EDGES.columns)
        assert nothing.neuro.motifs().columns.tolist() == ["mutual", "one_way", "unconnected", "autapse"]
