"""IDs, weights and group codes near the limits of 64-bit integers and of doubles."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from pdneuro import errors, graphs, tables

#: Neighbors that a double cannot distinguish, and the largest IDs.
IDS = [2**53 - 1, 2**53, 2**53 + 1, 2**63 - 2, 2**63 - 1]
EDGES = pd.DataFrame(
    {
        "pre": [IDS[0], IDS[1], IDS[2], IDS[3], IDS[4], IDS[1]],
        "post": [IDS[1], IDS[2], IDS[3], IDS[4], IDS[0], IDS[2]],
        "weight": [1, 2, 3, 4, 5, 6],
    }
)


class TestIds:
    """Neighboring IDs stay different neurons."""

    def test_pairs_and_counts(self) -> None:
        pairs = EDGES.neuro.collapse()
        assert pairs["pre"].tolist() == IDS
        assert pairs["weight"].tolist() == [1, 8, 3, 4, 5]
        counts = EDGES.neuro.degree()
        assert counts.index.tolist() == IDS
        assert counts["in_weight"].tolist() == [5, 1, 8, 3, 4]
        assert EDGES.neuro.motifs().to_dict() == {
            "mutual": 0,
            "one_way": 5,
            "unconnected": 5,
            "autapse": 0,
        }
        assert EDGES.neuro.threshold(7).index.tolist() == [1, 5]

    def test_the_opposite_edge(self) -> None:
        edges = pd.DataFrame({"pre": IDS[1:4], "post": [IDS[2], IDS[1], IDS[4]], "weight": [1, 2, 3]})
        assert edges.neuro.reciprocal()["reciprocal_weight"].tolist() == [2, 1, 0]

    def test_labels(self) -> None:
        labels = {number: f"type {place}" for place, number in enumerate(IDS)}
        neurons = pd.DataFrame({"root_id": list(labels), "nucleus_id": IDS[::-1]})
        for found in (EDGES.neuro.annotate(labels), EDGES.neuro.annotate(pd.Series(labels))):
            assert found["group_pre"].tolist() == EDGES["pre"].map(labels).tolist()
        found = EDGES.neuro.annotate(neurons)
        assert found["nucleus_id_post"].tolist() == [IDS[3], IDS[2], IDS[1], IDS[0], IDS[4], IDS[2]]
        some = EDGES.neuro.annotate(neurons.head(2))
        assert some["nucleus_id_pre"].dtype == "Int64"
        assert some["nucleus_id_pre"].dropna().tolist() == [IDS[4], IDS[3], IDS[3]]

    def test_graphs_and_matrices(self) -> None:
        graph = EDGES.neuro.to_networkx()
        assert sorted(graph) == IDS
        assert graph.edges[IDS[1], IDS[2]]["weight"] == 8
        matrix = EDGES.neuro.to_matrix()
        assert matrix.index.tolist() == IDS
        expected = EDGES.neuro.collapse()
        for back in (
            graphs.from_matrix(matrix),
            graphs.from_networkx(graph),
            EDGES.neuro.to_xarray().neuro.to_edges(),
        ):
            pd.testing.assert_frame_equal(
                back[["pre", "post", "weight"]].sort_values("pre", ignore_index=True), expected
            )
        assert EDGES.neuro.to_sparse(ids=IDS[:2])[0].toarray().tolist() == [[0, 1], [0, 0]]

    @pytest.mark.parametrize("missing", [None, pd.NA, np.nan])
    def test_a_matrix_of_integers_and_missing_values(self, missing: object) -> None:
        matrix = pd.DataFrame(
            [[2**53 + 1, missing], ["0", "7"]], index=IDS[:2], columns=IDS[:2], dtype=object
        )
        edges = graphs.from_matrix(matrix)
        assert edges["weight"].tolist() == [2**53 + 1, 7]
        assert edges["post"].tolist() == IDS[:2]

    def test_paths_and_similarity(self) -> None:
        found = EDGES.neuro.paths(IDS[0], IDS[3], max_hops=3)
        assert found["path"].tolist() == [tuple(IDS[:4])]
        found = EDGES.neuro.shortest_paths(IDS[0], IDS[4])
        assert found["path"].tolist() == [tuple(IDS)]
        table = EDGES.neuro.similarity(ids=IDS[:3])
        assert table.index.tolist() == IDS[:3]
        assert (table.to_numpy() == np.eye(3)).all()

    def test_one_more_than_the_largest_is_rejected(self) -> None:
        with pytest.raises(errors.InvalidIdError, match="9223372036854775808"):
            tables.as_edges(pd.DataFrame({"pre": np.array([2**63], np.uint64), "post": [1]}))
        with pytest.raises(errors.InvalidIdError, match="9223372036854775808"):
            tables.as_edges(pd.DataFrame({"pre": [str(2**63)], "post": [1]}))


class TestWeights:
    """Sums are exact, or an error."""

    def test_sums_that_a_double_cannot_hold(self) -> None:
        edges = pd.DataFrame({"pre": [1, 2, 1], "post": [3, 3, 4], "weight": [2**53, 1, 2**53]})
        counts = edges.neuro.degree()
        assert counts.loc[3, "in_weight"] == 2**53 + 1
        assert counts.loc[1, "out_weight"] == 2**54
        twice = pd.concat([edges, edges.assign(weight=1)])
        assert twice.neuro.collapse()["weight"].tolist() == [2**53 + 1, 2, 2**53 + 1]
        assert twice.neuro.to_networkx().edges[1, 3]["weight"] == 2**53 + 1
        assert twice.neuro.to_matrix().loc[1, 3] == 2**53 + 1
        assert twice.neuro.to_sparse()[0][0, 2] == 2**53 + 1

    def test_the_threshold_compares_exact_sums(self) -> None:
        edges = pd.DataFrame({"pre": [1, 1, 2], "post": [2, 2, 1], "weight": [2**53, 1, 2**53]})
        assert edges.neuro.threshold(2**53 + 1).index.tolist() == [0, 1]

    @pytest.mark.parametrize("method", ["collapse", "degree", "reciprocal", "motifs", "to_networkx"])
    def test_sums_beyond_64_bits_are_an_error(self, method: str) -> None:
        edges = pd.DataFrame({"pre": [1, 1], "post": [2, 2], "weight": [2**62, 2**62]})
        with pytest.raises(errors.InvalidEdgesError, match="too large for 64 bits"):
            getattr(edges.neuro, method)()
        largest = edges.assign(weight=[2**62, 2**61])
        assert largest.neuro.collapse()["weight"].tolist() == [2**62 + 2**61]


class TestGroups:
    """Labels with very many categories, so that the product of their numbers exceeds 64 bits."""

    #: The codes of these categories begin at 1, so there are 2**20 of them with the missing one.
    categories = pd.RangeIndex(2**20 - 1)

    def labelled(self, **codes: list[int]) -> pd.DataFrame:
        columns = {
            name: pd.Categorical.from_codes(values, categories=self.categories)
            for name, values in codes.items()
        }
        count = len(next(iter(codes.values())))
        edges = {"pre": range(1, count + 1), "post": 99, "weight": range(1, count + 1)}
        return pd.DataFrame({**edges, **columns})

    def test_groups_that_differ_in_the_highest_bits_alone(self) -> None:
        codes = [place * 2**17 for place in range(7)]
        codes = [*codes, *codes[::-1]] * 20
        nothing = [0] * len(codes)
        edges = self.labelled(type_pre=codes, type_post=nothing, roi=nothing)
        found = tables.collapse(edges, "type", roi=True)
        assert found["type_pre"].tolist() == codes[:7]  # in order of first appearance
        assert found["weight"].tolist() == edges.groupby(codes)["weight"].sum().tolist()
        assert found["n_pairs"].tolist() == [40] * 7

    def test_products_that_wrap_around(self) -> None:
        codes = [3, 3 + 16, 3 + 32, 3]
        nothing = [0] * len(codes)
        edges = self.labelled(type_pre=codes, side_pre=nothing, type_post=nothing, side_post=nothing)
        found = tables.collapse(edges, ["type", "side"])
        assert found["type_pre"].tolist() == codes[:3]
        assert found["weight"].tolist() == [1 + 4, 2, 3]

    def test_many_columns_of_labels_agree_with_pandas(self) -> None:
        rng = np.random.default_rng(0)
        count = 500
        names = [f"label{number}_{end}" for end in ("pre", "post") for number in range(3)]
        edges = self.labelled(**{name: rng.integers(-1, 3, count).tolist() for name in names})
        found = tables.collapse(edges, ["label0", "label1", "label2"])
        keys = [edges[name].cat.codes for name in names]
        expected = edges.groupby(keys)["weight"].agg(["sum", "size"])
        got = found.set_index([found[name].cat.codes for name in names]).sort_index()
        assert got["weight"].tolist() == expected["sum"].tolist()
        assert got["n_pairs"].tolist() == expected["size"].tolist()


def test_provenance_of_large_weights_is_json() -> None:
    kept = EDGES.neuro.threshold(np.int64(2))
    assert json.loads(json.dumps(kept.attrs["pdneuro"]))["min_weight"] == 2
