"""Rounded IDs are recognized by their last digits; exact ones are not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pdneuro
from pdneuro import errors, graphs
from pdneuro.sandbox import Sandbox
from pdneuro.tables import exact_ids
from tests.conftest import shared

EDGES = pd.DataFrame({"pre": [11, 12], "post": [12, 11], "weight": [3, 5]})
LOW, HIGH = 720575940596000000, 720575940661000000


def exact(count: int, seed: int = 0) -> np.ndarray:
    """Return IDs like FlyWire's, none of them a multiple of 128 or 1000."""
    ids = np.random.default_rng(seed).integers(LOW, HIGH, 2 * count)
    return ids[(ids % 128 != 0) & (ids % 1000 != 0)][:count]


def by_float(ids: np.ndarray) -> np.ndarray:
    return ids.astype(np.float64).astype(np.int64)


def by_spreadsheet(ids: np.ndarray) -> np.ndarray:
    return ids // 1000 * 1000


ROUND = {"a float": by_float, "a spreadsheet": by_spreadsheet}


@pytest.mark.parametrize("cause", ROUND)
@pytest.mark.parametrize("count", [5, 10, 19, 20, 200])
def test_a_short_table_of_rounded_ids_is_an_error(cause: str, count: int) -> None:
    table = pd.DataFrame({"root_id": ROUND[cause](exact(count)), "type": "KC"})
    with pytest.raises(errors.PrecisionLossError, match=f"as by {cause}") as caught:
        table.neuro.edges(source=pdneuro.Connectome(EDGES))
    message = str(caught.value)
    assert f"{table.root_id[0]} (row 0)" in message
    assert f"{table.root_id[4]} (row 4)" in message
    assert "pdneuro.read_table(path)" in message
    assert "dtype=str" in message


@pytest.mark.parametrize("cause", ROUND)
def test_exact_ids_do_not_hide_rounded_ones(cause: str) -> None:
    good, bad = exact(10_000, 1), ROUND[cause](exact(300, 2))
    columns = {
        "one exact ID": [good[:1], bad[:199]],
        "rows of another file": [good, bad[:40]],
        "scattered": [np.random.default_rng(3).permutation(np.concatenate([good[:1000], bad[:40]]))],
        "few exact IDs between": [bad[:20], good[:2], bad[20:40]],
    }
    for name, parts in columns.items():
        ids = pd.Series(np.concatenate(parts), name="root_id")
        with pytest.raises(errors.PrecisionLossError, match="root_id") as caught:
            exact_ids(ids)
        value = int(str(caught.value).split("digits of ")[1].split()[0])
        assert value in bad, name
        for other in (ids.astype(str), pd.Index(ids), ids.astype("uint64"), ids.astype("Int64")):
            with pytest.raises(errors.PrecisionLossError):
                exact_ids(other)


@given(ids=st.lists(st.integers(1, 2**53 // 1000).map(lambda n: n * 1000), max_size=300))
def test_ids_up_to_2_to_the_53_are_never_suspicious(ids: list[int]) -> None:
    assert exact_ids(np.array(ids, np.int64)).tolist() == ids


@given(seed=st.integers(0, 10_000), count=st.integers(1, 300))
def test_exact_ids_pass(seed: int, count: int) -> None:
    ids = np.random.default_rng(seed).integers(LOW, HIGH, count)
    assert exact_ids(ids).tolist() == ids.tolist()


@pytest.mark.parametrize(("digits", "step"), [(2**54, 4), (2**56, 16), (2**62, 1024)])
def test_the_step_depends_on_the_size(digits: int, step: int) -> None:
    ids = digits + np.random.default_rng(0).integers(1, digits // 8, 30)
    assert exact_ids(ids).tolist() == ids.tolist()
    with pytest.raises(errors.PrecisionLossError, match=f"multiples of {step}"):
        exact_ids(by_float(ids))


def test_parts_of_real_tables_pass_in_any_order() -> None:
    ids = pd.read_csv(shared("braincircuits/Completeness_783.csv.gz"), index_col=0).index.to_numpy()
    synapses = pd.read_csv(shared("cave/microns_synapses_onto_l23_sample.csv.gz"))
    rng = np.random.default_rng(0)
    for column in (ids, pd.unique(synapses["pre_pt_root_id"])):
        ordered = np.sort(column)
        # Neighbors have the same last digits more often than others: the worst windows are tried.
        multiples = np.concatenate([[0], np.cumsum(ordered % 128 == 0)])
        for width in (3, 5, 10, 20, 200):
            worst = np.argsort(multiples[width:] - multiples[:-width])[-30:]
            for start in worst[:: 1 if width < 20 else 3]:
                window = ordered[start : start + width]
                if 10 * (window % 128 == 0).sum() < 9 * width or width < 6:
                    exact_ids(window)
        for size in (3, 10, 100, 5000):
            exact_ids(rng.choice(column, size, replace=False))


def test_suspicious_ids_are_named_in_the_repr_and_with_unknown_ids(sandbox: Sandbox) -> None:
    ids = pd.Series(by_float(exact(2)), name="root_id")
    assert "multiples of 128" in repr(ids.neuro)
    assert str(ids[0]) in repr(ids.neuro)
    with pytest.warns(errors.UnknownIdsWarning, match="all 2 IDs above .* are multiples of 128"):
        ids.neuro.properties("size")
    unknown = pd.Series(exact(2), name="root_id")
    assert "multiples" not in repr(unknown.neuro)
    with pytest.warns(errors.UnknownIdsWarning) as caught:
        unknown.neuro.properties("size")
    assert "rounded" not in str(caught[0].message)


def test_rounded_ids_of_edges_matrices_and_labels_are_errors() -> None:
    bad = by_float(exact(12))
    edges = pd.DataFrame({"pre": bad, "post": exact(12, 5), "weight": 1})
    for call in (
        lambda: edges.neuro.as_edges(),
        lambda: edges.neuro.collapse(),
        lambda: edges.rename(columns={"pre": "source", "post": "target"}).neuro.to_networkx(),
        lambda: graphs.from_matrix(pd.DataFrame(1, index=bad, columns=exact(12, 5))),
    ):
        with pytest.raises(errors.PrecisionLossError, match=r"'pre'|'source'"):
            call()


class TestFilesWithRoundedIds:
    """The recommended ways of reading a file keep every digit, or raise."""

    @pytest.mark.parametrize("cell", ["7.20575940599736E+17", "123.0", ""])
    def test_one_other_cell_changes_no_id(self, cell: str, tmp_path) -> None:
        ids = exact(3).tolist()
        file = tmp_path / "neurons.csv"
        file.write_text("root_id,type\n" + "".join(f"{one},a\n" for one in [*ids, cell]))
        for table in (pdneuro.read_table(file), pd.read_csv(file, dtype=str)):
            if "E" in cell:
                with pytest.raises(
                    errors.PrecisionLossError, match=r"7\.20575940599736E\+17' \(row 3\)"
                ):
                    table.root_id.neuro.ids()
            else:
                found = table.root_id.neuro.ids()
                assert found[:3].tolist() == ids
                assert found[3] == 123 if cell else found.isna()[3]

    def test_messages_and_pages_recommend_what_is_exact(self) -> None:
        with pytest.raises(errors.PrecisionLossError) as caught:
            exact_ids(pd.Series([7.2e17]))
        assert "Int64" not in str(caught.value)
        assert pdneuro.read_table is pdneuro.files.read_table
