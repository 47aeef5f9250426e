"""Edge tables without a known column of weights, and IDs whose first digits are in a column's name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pdneuro
import pdneuro.dask
from pdneuro import errors, tables

FIRST, SECOND, THIRD = 720575940621522189, 720575940632800257, 720575940617869243
PAIRS = pd.DataFrame({"pre": [FIRST, FIRST, SECOND], "post": [SECOND, THIRD, FIRST]})
COUNTS = [30, 40, 50]
PUBLISHED = [
    *(
        "n_synapses",
        "synapses",
        "num_synapses",
        "synapse_count",
        "syn count",
        "weights",
        "Nsyn",
        "pair_count",
    ),
    *("counts", "Nbr", "weight:int", "Syn-Count", "synaptic_count", "Connectivity"),
]
UNKNOWN = ["strength", "n", "Freq", "contacts", "value", "total", "Excitatory x Connectivity"]
OTHERS = {
    "id": [901, 902, 903],
    "synapse_id": [5, 6, 7],
    "size": [120, 340, 77],
    "cleft_score": [140, 150, 30],
    "pre_x": [4, 5, 6],
    "ctr_pt_position_z": [4, 5, 6],
    "pre_supervoxel_id": [8, 9, 10],
    "layer": [2, 3, 4],
    "valid": ["t", "t", "t"],
    "gaba_avg": [0.1, 0.2, 0.7],
    "body_link": [10**15, 10**15 + 1, 10**15 + 2],
    "ones": [1, 1, 1],
}

Read = Callable[[pd.DataFrame, Path], pd.DataFrame]
READ: dict[str, Read] = {
    "as_edges": lambda frame, folder: frame.neuro.as_edges(),
    "collapse": lambda frame, folder: frame.neuro.collapse(),
    "threshold": lambda frame, folder: frame.neuro.threshold(1),
    "Connectome": lambda frame, folder: pdneuro.Connectome(frame).to_frame(),
    "csv": lambda frame, folder: of_file(frame, folder / "edges.csv"),
    "parquet": lambda frame, folder: of_file(frame, folder / "edges.parquet"),
    "dask": lambda frame, folder: lazy(frame).neuro.as_edges().compute(),
}


def of_file(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    pdneuro.files.write_table(frame, path)
    return pdneuro.Connectome.from_files(path).to_frame()


def lazy(frame: pd.DataFrame) -> Any:
    dd = pytest.importorskip("dask.dataframe")
    return dd.from_pandas(frame, npartitions=2)


def weights(edges: pd.DataFrame) -> dict[tuple[int, int], int]:
    sums = edges.groupby(["pre", "post"])["weight"].sum()
    return {tuple(map(int, pair)): int(weight) for pair, weight in sums.items()}


@pytest.mark.parametrize("read", READ)
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_names_of_counts_are_recognized(name: str, read: str, tmp_path: Path) -> None:
    found = READ[read](PAIRS.assign(**{name: COUNTS}), tmp_path)
    assert weights(found) == {(FIRST, SECOND): 30, (FIRST, THIRD): 40, (SECOND, FIRST): 50}


@pytest.mark.parametrize("read", READ)
@pytest.mark.parametrize("name", UNKNOWN)
def test_a_possible_count_is_an_error_that_names_it(name: str, read: str, tmp_path: Path) -> None:
    with pytest.raises(errors.AmbiguousColumnError, match=f"weight='{name}'.*weight='rows'"):
        READ[read](PAIRS.assign(**{name: COUNTS}, **OTHERS), tmp_path)


@pytest.mark.parametrize("read", READ)
def test_rows_of_synapses_are_counted(read: str, tmp_path: Path) -> None:
    """No pair has two rows here, but no column can be a count."""
    found = READ[read](PAIRS.assign(**OTHERS), tmp_path)
    assert weights(found) == {(FIRST, SECOND): 1, (FIRST, THIRD): 1, (SECOND, FIRST): 1}
    # If pairs have several rows, a column of whole numbers is not their count.
    twice = pd.concat([PAIRS, PAIRS]).assign(contacts=[3, 4, 5, 6, 7, 8])
    assert set(weights(READ[read](twice.reset_index(drop=True), tmp_path)).values()) == {2}


@pytest.mark.parametrize("read", [name for name in READ if name != "dask"])
def test_equal_rows_do_not_hide_a_possible_count(read: str, tmp_path: Path) -> None:
    twice = pd.concat([PAIRS, PAIRS.head(1)], ignore_index=True)
    with pytest.raises(errors.AmbiguousColumnError, match=r"weight='contacts'.*weight='rows'"):
        READ[read](twice.assign(contacts=[3, 4, 5, 3]), tmp_path)
    synapses = twice.assign(contacts=[3, 4, 5, 3], x=[1, 2, 3, 4])
    assert weights(READ[read](synapses, tmp_path))[FIRST, SECOND] == 2


@pytest.mark.parametrize("read", READ)
@pytest.mark.parametrize("region", ["roi", "neuropil", "brain_region"])
def test_a_row_can_be_a_region_of_a_pair(region: str, read: str, tmp_path: Path) -> None:
    rows = pd.concat([PAIRS, PAIRS], ignore_index=True).assign(**{region: ["ME"] * 3 + ["LO"] * 3})
    with pytest.raises(errors.AmbiguousColumnError, match="'strength'"):
        READ[read](rows.assign(strength=2), tmp_path)


def test_the_choices_of_the_message_work(tmp_path: Path) -> None:
    frame = PAIRS.assign(strength=COUNTS)
    path = tmp_path / "edges.csv"
    frame.to_csv(path, index=False)
    assert frame.neuro.as_edges(weight="strength")["weight"].tolist() == COUNTS
    assert pdneuro.Connectome(frame, weight="strength").to_frame()["weight"].sum() == sum(COUNTS)
    assert pdneuro.Connectome.from_files(path, weight="strength").to_frame()["weight"].sum() == sum(
        COUNTS
    )
    assert lazy(frame).neuro.as_edges(weight="strength").compute()["weight"].tolist() == COUNTS
    counted = frame.neuro.as_edges(weight="rows")
    assert counted["weight"].tolist() == [1, 1, 1]
    assert counted["strength"].tolist() == COUNTS
    assert pdneuro.Connectome(frame, weight="rows").to_frame()["weight"].tolist() == [1, 1, 1]
    assert pdneuro.Connectome.from_files(path, weight="rows").to_frame()["weight"].tolist() == [1, 1, 1]
    assert lazy(frame).neuro.as_edges(weight="rows").compute()["weight"].tolist() == [1, 1, 1]
    weighted = PAIRS.assign(weight=COUNTS).neuro.as_edges(weight="rows")
    assert weighted["weight"].tolist() == [1, 1, 1]
    assert weighted["weight_original"].tolist() == COUNTS
    with pytest.raises(errors.AmbiguousColumnError, match="Rename"):
        PAIRS.assign(rows=COUNTS).neuro.as_edges(weight="rows")


def test_signed_counts_are_named() -> None:
    signed = PAIRS.rename(columns={"pre": "Presynaptic_ID", "post": "Postsynaptic_ID"})
    signed = signed.assign(**{"Excitatory": [1, 1, -1], "Excitatory x Connectivity": [30, 40, -50]})
    with pytest.raises(errors.AmbiguousColumnError, match="'Excitatory x Connectivity'") as caught:
        signed.neuro.collapse()
    assert "'Excitatory'" not in str(caught.value)


@given(counts=st.lists(st.integers(1, 10**6), min_size=3, max_size=3))
@settings(deadline=None)
def test_no_weight_is_replaced_by_1(counts: list[int]) -> None:
    """Whatever the dtype, the counts are used, or an error names them, unless all are 1."""
    for cells in (counts, np.array(counts, float), list(map(str, counts)), pd.array(counts, "Int64")):
        frame = PAIRS.assign(contacts=cells)
        if set(counts) == {1}:
            assert frame.neuro.as_edges()["weight"].tolist() == counts
        else:
            with pytest.raises(errors.AmbiguousColumnError, match="'contacts'"):
                frame.neuro.as_edges()


def test_the_repr_names_the_possible_count() -> None:
    assert ".as_edges(weight='contacts')" in repr(PAIRS.assign(contacts=COUNTS).neuro)
    assert "each row counts as one synapse" in repr(PAIRS.assign(size=COUNTS).neuro)


# -- the first digits of IDs ------------------------------------------------------------------------


@pytest.mark.parametrize("stem", ["root_id", "pre_pt_root_id", "Root ID"])
@pytest.mark.parametrize("prefix", ["720575940", "72057594", "864691135"])
def test_ids_get_the_prefix_in_the_name_of_their_column(stem: str, prefix: str) -> None:
    unit = 10 ** (18 - len(prefix))
    full = [int(prefix) * unit + rest for rest in (1, unit - 1, unit // 3)]
    name = f"{stem}_{prefix}"
    for short in (
        pd.Series([number % unit for number in full]),
        pd.Series([str(number % unit).zfill(len(str(unit)) - 1) for number in full]),
        pd.Series(full),
    ):
        assert short.rename(name).neuro.ids().tolist() == full
    with_gap = pd.Series([full[0] % unit, None, 0], name=name).neuro.ids()
    assert with_gap.tolist() == [full[0], pd.NA, pd.NA]
    with pytest.raises(errors.InvalidIdError, match=f"lack the prefix {prefix}"):
        pd.Series([full[0], 5], name=name).neuro.ids()


@pytest.mark.parametrize("read", READ)
def test_ends_get_the_prefix_in_their_names(read: str, tmp_path: Path) -> None:
    short = PAIRS % 10**9
    frame = pd.DataFrame({f"{end}_root_id_720575940": short[end] for end in ("pre", "post")})
    found = READ[read](pd.concat([frame, frame.iloc[:1]], ignore_index=True).assign(size=9), tmp_path)
    assert weights(found) == {(FIRST, SECOND): 2, (FIRST, THIRD): 1, (SECOND, FIRST): 1}


def test_named_ends_get_the_prefix_too() -> None:
    frame = pd.DataFrame({"pre_root_id_720575940": [621522189], "other_720575940": [632800257]})
    found = frame.neuro.as_edges(pre="pre_root_id_720575940", post="other_720575940")
    assert found["pre"].tolist() == [FIRST]
    assert found["post"].tolist() == [632800257]  # the name does not say that these are root IDs


def test_neurons_get_the_prefix_too(tmp_path: Path) -> None:
    neurons = pd.DataFrame({"root_id_720575940": [FIRST % 10**9], "cell_type": ["KC"]})
    path = tmp_path / "neurons.csv"
    neurons.to_csv(path, index=False)
    edges = PAIRS.assign(weight=1)
    edges.to_csv(tmp_path / "edges.csv", index=False)
    asked = pd.DataFrame({"root_id": [FIRST, SECOND]})
    for brain in (
        pdneuro.Connectome(edges, neurons),
        pdneuro.Connectome.from_files(tmp_path / "edges.csv", path),
    ):
        joined = asked.neuro.join_properties("cell_type", source=brain)
        assert joined["cell_type"].isna().tolist() == [False, True]
    assert edges.neuro.annotate(neurons)["cell_type_pre"].isna().tolist() == [False, False, True]
    assert tables.as_edges(neurons.neuro.edges(source=brain))["pre"].tolist() == [FIRST, FIRST, SECOND]


@pytest.mark.parametrize(
    "name", ["bodyId_20240101", "root_id_783", "sample_720575940", "root_id_20240101"]
)
def test_other_numbers_in_a_name_are_no_prefix(name: str) -> None:
    ids = [FIRST] if name == "root_id_20240101" else [621522189]
    assert pd.Series(ids, name=name).neuro.ids().tolist() == ids


@pytest.mark.parametrize(
    "name", ["Root ID", "root_783", "root_id_630", "banc_888_id", "malecns_09_id", "cell_id", "BODY"]
)
def test_published_names_of_ids_are_recognized(name: str) -> None:
    brain = pdneuro.Connectome(PAIRS.assign(weight=COUNTS))
    frame = pd.DataFrame({"side": ["left"], name: [str(SECOND)]})
    assert frame.neuro.downstream(source=brain)["weight"].tolist() == [50]


@pytest.mark.parametrize(
    ("pre", "post"),
    [
        ("pre_seg_id", "post_seg_id"),
        ("upstream_id", "downstream_id"),
        (":START_ID(Body-ID)", ":END_ID(Body-ID)"),
        ("pre_root_id_783", "post_root_id_783"),
        ("Pre Root ID", "Post Root ID"),
    ],
)
def test_published_names_of_ends_are_recognized(pre: str, post: str) -> None:
    frame = PAIRS.set_axis([pre, post], axis=1).assign(weight=COUNTS)
    assert weights(frame.neuro.as_edges())[FIRST, THIRD] == 40


# -- regions ----------------------------------------------------------------------------------------


def test_regions_that_do_not_overlap_are_chosen(tmp_path: Path) -> None:
    nested = pd.DataFrame(
        {
            "bodyId_pre": 1,
            "bodyId_post": 2,
            "roi": ["MB(R)", "a1(R)", "SMP(R)", "NotPrimary"],
            "weight": [10, 6, 3, 1],
        }
    )
    flat = ["MB(R)", "SMP(R)", "NotPrimary"]
    assert nested.neuro.collapse(regions=flat)["weight"].tolist() == [14]
    assert nested.neuro.collapse(roi=True, regions=flat)["weight"].tolist() == [10, 3, 1]
    assert nested.neuro.as_edges(regions="a1(R)")["weight"].tolist() == [6]
    assert pdneuro.Connectome(nested, regions=flat).to_frame()["weight"].tolist() == [14]
    path = tmp_path / "edges.csv"
    nested.to_csv(path, index=False)
    assert pdneuro.Connectome.from_files(path, regions=flat).to_frame()["weight"].tolist() == [14]
    assert pdneuro.Connectome.from_files(path).to_frame()["weight"].tolist() == [20]
    assert lazy(nested).neuro.collapse(regions=flat).compute()["weight"].tolist() == [14]
    with pytest.warns(errors.DoubtfulParameterWarning, match=r"'MB\(r\)'.*'MB\(R\)'"):
        nested.neuro.collapse(regions=["MB(r)", "SMP(R)"])


@pytest.mark.parametrize(
    ("first", "last", "is_count"), [(2, 3, True), (1, 3, True), (2, 0.5, False), (1, 1, False)]
)
def test_all_rows_decide_whether_a_column_can_count(first: float, last: float, is_count: bool) -> None:
    rows = 1500  # more than those that are looked at first
    pairs = pd.DataFrame({"pre": range(1, rows + 1), "post": range(rows + 1, 2 * rows + 1)})
    frame = pairs.assign(strength=[first] * (rows - 1) + [last])
    if is_count:
        with pytest.raises(errors.AmbiguousColumnError, match="'strength' may count its synapses"):
            frame.neuro.as_edges()
    else:
        assert frame.neuro.as_edges()["weight"].eq(1).all()


def test_rows_with_lists_are_synapses_that_differ() -> None:
    pairs = pd.concat([PAIRS, PAIRS.head(1)], ignore_index=True)
    frame = pairs.assign(contacts=[3, 4, 5, 3], position=[[1, 2], [3, 4], [5, 6], [7, 8]])
    assert weights(frame.neuro.as_edges())[FIRST, SECOND] == 2
