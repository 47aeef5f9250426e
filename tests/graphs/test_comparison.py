"""Compare two data sets, or two sides of one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pdneuro import errors


def typed(seed: int, types: str, rows: int = 200) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    neurons = pd.DataFrame({"root_id": range(1, 41), "side": ["left", "right"] * 20})
    neurons["cell_type"] = [types[k % len(types)] for k in range(39)] + [None]
    table = pd.DataFrame(rng.integers(1, [41, 41, 30], (rows, 3)), columns=["pre", "post", "weight"])
    return table.neuro.annotate(neurons, ["cell_type", "side"])


def test_numbers_are_those_of_scipy() -> None:
    one, two = typed(0, "ABCD"), typed(1, "ABCE")
    found = one.neuro.compare(two)
    for row in found.to_dict("records"):
        counts, totals = [], []
        for table, suffix in ((one, "self"), (two, "other")):
            inside = table[(table["cell_type_pre"] == row["cell_type_pre"])
                           & (table["cell_type_post"] == row["cell_type_post"])]  # fmt: skip
            total = table.loc[table["cell_type_post"] == row["cell_type_post"], "weight"].sum()
            if row["found_in"] in ("both", suffix):
                assert row[f"weight_{suffix}"] == inside["weight"].sum()
                assert row[f"n_pairs_{suffix}"] == len(inside[["pre", "post"]].drop_duplicates())
                assert row[f"input_fraction_{suffix}"] == pytest.approx(inside["weight"].sum() / total)
            else:
                assert pd.isna(row[f"weight_{suffix}"])
                assert pd.isna(row[f"input_fraction_{suffix}"])
            counts.append(inside["weight"].sum())
            totals.append(total)
        if row["found_in"] == "both":
            table = np.array([counts, np.array(totals) - counts])
            wanted = stats.chi2_contingency(table, correction=False).pvalue
            assert row["p_value"] == pytest.approx(wanted, rel=1e-9)
            assert row["difference"] == pytest.approx(counts[1] / totals[1] - counts[0] / totals[0])
        else:
            assert pd.isna(row["p_value"])
    tested = found["p_value"].dropna().astype(float)
    np.testing.assert_allclose(found["q_value"].dropna(), stats.false_discovery_control(tested))
    assert set(found["found_in"]) == {"both", "self", "other"}
    provenance = found.attrs["pdneuro"]
    assert provenance["types_only_self"] == provenance["types_only_other"] == 1
    assert not found.duplicated(["cell_type_pre", "cell_type_post"]).any()


def test_a_table_equals_itself() -> None:
    found = typed(2, "ABC").neuro.compare(typed(2, "ABC"))
    assert (found["difference"] == 0).all()
    assert (found["p_value"] == 1).all()
    assert len(found) == 9


def test_a_connection_that_one_lacks_has_weight_0() -> None:
    types = {"cell_type_pre": ["A", "B"], "cell_type_post": ["B", "A"]}
    one = pd.DataFrame({"pre": [1, 2], "post": [2, 1], "weight": [5, 6], **types})
    found = one.neuro.compare(one.head(1)).set_index("cell_type_pre")
    assert found.loc["B", "weight_other"] == 0
    assert found.loc["B", "found_in"] == "both"
    assert pd.isna(found.loc["B", "input_fraction_other"])  # A has no input there
    assert pd.isna(found.loc["B", "p_value"])


def test_sides_are_mirrored() -> None:
    left = pd.DataFrame({"pre": [1, 3, 9], "post": [2, 2, 2], "weight": [5, 7, 8]})
    right = pd.DataFrame({"pre": [11, 13, 9], "post": [12, 12, 12], "weight": [50, 70, 80]})
    neurons = pd.DataFrame(
        {
            "root_id": [1, 2, 3, 9, 11, 12, 13],
            "side": ["left", "left", "right", "center", "right", "right", "left"],
            "cell_type": ["A", "B", "A", "A", "A", "B", "A"],
        }
    )
    edges = pd.concat([left, right], ignore_index=True).neuro.annotate(neurons)
    found = edges.neuro.compare(side="side").set_index("relation")
    assert found["weight_left"].to_dict() == {"ipsilateral": 5, "contralateral": 7, "center": 8}
    assert found["weight_right"].to_dict() == {"ipsilateral": 50, "contralateral": 70, "center": 80}
    np.testing.assert_allclose(found["difference"].astype(float), 0, atol=1e-12)
    into_center = pd.concat([edges, edges.tail(1).assign(side_post="center")], ignore_index=True)
    with pytest.warns(errors.DroppedRowsWarning, match="1 of 7 rows"):
        into_center.neuro.compare(side="side")


def test_errors() -> None:
    edges = typed(3, "AB")
    with pytest.raises(ValueError, match=r"other=.*side="):
        edges.neuro.compare()
    with pytest.raises(ValueError, match=r"other=.*side="):
        edges.neuro.compare(edges, side="side")
    with pytest.raises(errors.InvalidEdgesError, match="'A'"):
        edges.neuro.compare(side="cell_type")
    with pytest.raises(errors.MissingColumnsError, match="type_pre"):
        edges.neuro.compare(edges, match_on="type")


@pytest.mark.parametrize("suffixes", ["ab", 5, (1, 2), ("_a", "_a"), ("_a",)])
def test_suffixes_are_two_texts(suffixes: object) -> None:
    types = {"cell_type_pre": ["A", "B"], "cell_type_post": ["C", "C"]}
    edges = pd.DataFrame({"pre": [1, 2], "post": 3, "weight": [60, 40], **types})
    with pytest.raises(ValueError, match="suffixes must be two different texts"):
        edges.neuro.compare(edges, suffixes=suffixes)
    with pytest.raises(ValueError, match="suffixes must be two different texts"):
        edges.neuro.annotate({1: "A"}, "name", suffixes=suffixes)


def test_the_second_edge_table_is_a_frame() -> None:
    types = {"cell_type_pre": ["A", "B"], "cell_type_post": ["C", "C"]}
    edges = pd.DataFrame({"pre": [1, 2], "post": 3, "weight": [60, 40], **types})
    with pytest.raises(TypeError, match="other must be an edge table"):
        edges.neuro.compare(edges.to_numpy())


@pytest.mark.parametrize(("rows", "reason"), [(0, "no rows"), (2, "has no values")])
def test_sides_without_values_are_named(rows: int, reason: str) -> None:
    edges = pd.DataFrame(
        {"pre": [1, 2], "post": [2, 1], "weight": 5, "cell_type_pre": "A", "cell_type_post": "A"}
    )
    table = edges.assign(side_pre=None, side_post=None).head(rows)
    with pytest.raises(errors.InvalidEdgesError, match=f"'side'.*{reason}"):
        table.neuro.compare(side="side")


def test_suffixes_name_the_two_tables() -> None:
    types = {"cell_type_pre": ["A", "B"], "cell_type_post": ["C", "C"]}
    edges = pd.DataFrame({"pre": [1, 2], "post": 3, "weight": [60, 40], **types})
    found = edges.neuro.compare(edges.head(1), suffixes=("_old", "_new"))
    assert found["weight_old"].tolist() == [60, 40]
    assert found["weight_new"].fillna(0).tolist() == [60, 0]
    assert found["found_in"].tolist() == ["both", "old"]
    assert found.attrs["pdneuro"]["types_only_old"] == 1


def test_without_common_types_nothing_is_tested() -> None:
    edges = pd.DataFrame({"pre": [1, 2], "post": [2, 1], "weight": [60, 40]})
    one, two = (edges.neuro.annotate({1: a, 2: b}, "cell_type") for a, b in ("AB", "CD"))
    found = one.neuro.compare(two)
    assert found["found_in"].tolist() == ["self", "self", "other", "other"]
    assert found[["p_value", "q_value"]].isna().all(axis=None)
