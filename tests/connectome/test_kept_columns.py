"""A connectome with further columns has the rows of its files, and counts pairs."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import pdneuro
from pdneuro import Connectome, errors, read_edges

LARGE = 720575940621522000
COLUMNS = ["roi", "size", "x", "inside", "nt_type"]
SMALL_PIECES = 300


def synapses(rows: int = 2_000, seed: int = 0) -> pd.DataFrame:
    """Return rows of which several are of one pair, with columns of all kinds and missing values."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(rng.integers(1, 40, (rows, 2)) + LARGE, columns=["pre_root_id", "post_root_id"])
    table["syn_count"] = rng.integers(1, 9, rows)
    table["neuropil"] = rng.choice(["ME", "LO", "AL"], rows)
    table["size"] = pd.array(np.where(rng.random(rows) < 0.1, None, rng.integers(0, 999, rows)), "Int32")
    table["x"] = pd.Series(rng.random(rows).round(3)).where(rng.random(rows) > 0.1)
    table["inside"] = pd.array(np.where(rng.random(rows) < 0.1, None, rng.random(rows) < 0.5), "boolean")
    table["nt_type"] = rng.choice(["ACH", "GABA", None], rows)
    return table


def arranged(table: pd.DataFrame) -> pd.DataFrame:
    return table.sort_values(list(table.columns), ignore_index=True)


@pytest.fixture(params=[2**21, SMALL_PIECES], ids=["one piece", "pieces"])
def files(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    monkeypatch.setattr("pdneuro.files.edges.PIECE_ROWS", request.param)
    monkeypatch.setattr("pdneuro.connectome.pieces.PIECE", request.param)
    table = synapses()
    paths = [tmp_path / name for name in ("a.parquet", "b.parquet", "other.parquet")]
    for number, path in enumerate(paths):
        table.iloc[number::3].to_parquet(path, row_group_size=100)
    return paths


@pytest.fixture
def brain(files: list[Path]) -> Connectome:
    return Connectome.from_files(files, columns=COLUMNS, index=True)


@pytest.fixture
def frame(files: list[Path]) -> pd.DataFrame:
    return read_edges(files, columns=COLUMNS)


def test_the_rows_of_the_files_come_back(brain: Connectome, frame: pd.DataFrame) -> None:
    assert list(frame.columns) == ["pre", "post", "weight", *COLUMNS]
    found = brain.to_frame()
    pd.testing.assert_frame_equal(arranged(found), arranged(frame))
    pd.testing.assert_frame_equal(brain.edges().to_frame(), found)
    lazy = brain.edges().to_dask().compute().reset_index(drop=True)
    pd.testing.assert_frame_equal(lazy, found, check_dtype=False)  # dask stores texts by pyarrow
    batches = brain.edges().batches().read_all().to_pandas()
    assert batches.columns.tolist() == found.columns.tolist()
    assert len(batches) == len(found)
    some = brain.ids.head(5)
    of_some = frame[frame["pre"].isin(some) | frame["post"].isin(some)]
    pd.testing.assert_frame_equal(arranged(some.neuro.edges(source=brain)), arranged(of_some))
    received = frame[frame["post"].isin(some)]
    pd.testing.assert_frame_equal(arranged(some.neuro.upstream(source=brain)), arranged(received))


def test_rows_of_a_pair_are_adjacent_and_in_the_order_of_the_files(
    brain: Connectome, frame: pd.DataFrame
) -> None:
    found = brain.to_frame()
    pairs = found.groupby(["pre", "post"], sort=False)
    assert (pairs.ngroup().diff().fillna(0) >= 0).all()
    key = found.loc[pairs["weight"].transform("size").idxmax(), ["pre", "post"]].tolist()
    of_pair = found[(found[["pre", "post"]] == key).all(axis=1)]
    expected = frame[(frame[["pre", "post"]] == key).all(axis=1)]
    assert len(expected) > 1
    pd.testing.assert_frame_equal(of_pair.reset_index(drop=True), expected.reset_index(drop=True))
    weights = pairs["weight"].sum().groupby("pre", sort=False)
    assert weights.is_monotonic_decreasing.all()


METHODS: dict[str, Any] = {
    "collapse": lambda table: table.collapse(),
    "collapse by region": lambda table: table.collapse(roi=True),
    "collapse of a region": lambda table: table.collapse(regions="ME", values="size"),
    "groups": lambda table: table.collapse({LARGE + number: "odd" for number in range(1, 40, 2)}),
    "groups of rows": lambda table: table.collapse("nt_type"),
    "threshold": lambda table: table.threshold(12),
    "threshold of a share": lambda table: table.threshold(0.05, of="input"),
    "fractions": lambda table: table.fractions(),
    "reciprocal": lambda table: table.reciprocal(),
    "sign": lambda table: table.sign("nt_type", inhibitory="GABA", excitatory="ACH"),
    "degree": lambda table: table.degree(),
    "degree of strong edges": lambda table: table.threshold(12).degree(),
    "matrix": lambda table: table.to_matrix(),
    "similarity": lambda table: table.similarity(ids=[LARGE + 1, LARGE + 2, LARGE + 3]),
}


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_methods_have_the_results_of_a_frame(
    method: Any, brain: Connectome, frame: pd.DataFrame
) -> None:
    class Frame:
        def __init__(self, table: pd.DataFrame) -> None:
            self.table = table

        def __getattr__(self, name: str) -> Any:
            def call(*args: Any, **options: Any) -> Any:
                result = getattr(pdneuro.neuro(self.table), name)(*args, **options)
                return Frame(result) if "pre" in result.columns else result

            return call

    found, expected = method(brain), method(Frame(frame))
    found = found.to_frame() if hasattr(found, "to_frame") else found
    expected = expected.table if isinstance(expected, Frame) else expected
    if isinstance(found.index, pd.RangeIndex):
        found, expected = arranged(found), arranged(expected)
    else:
        found, expected = found.sort_index(), expected.sort_index()
    pd.testing.assert_frame_equal(found, expected[found.columns], check_like=True)


def test_queries_count_pairs(brain: Connectome, frame: pd.DataFrame, files: list[Path]) -> None:
    pairs = Connectome.from_files(files, index=True)
    assert repr(brain) == repr(pairs)
    some = brain.ids.head(7)
    for query in ("link_pre", "link_post", "connectivity"):
        pd.testing.assert_frame_equal(
            some.neuro.properties(query, source=brain), some.neuro.properties(query, source=pairs)
        )
    expected = some.neuro.partners(source=pairs)
    pd.testing.assert_frame_equal(some.neuro.partners(source=brain), expected)
    pd.testing.assert_frame_equal(brain.partners(some), expected)
    two = some.head(1).neuro.edges(source=brain, hops=2, min_weight=9)
    weights = two.groupby(["pre", "post"])["weight"].sum()
    expected = some.head(1).neuro.edges(source=pairs, hops=2, min_weight=9)
    assert weights.to_dict() == expected.set_index(["pre", "post"])["weight"].to_dict()


def test_expanded_rows_keep_their_columns(brain: Connectome) -> None:
    near = brain.ids.head(1).neuro.downstream(source=brain, min_weight=20)
    found = near.neuro.expand(source=brain, min_weight=20)
    assert found.dtypes.drop("hop").to_dict() == near.dtypes.to_dict()
    assert (found["hop"] == 2).any()
    assert found.loc[found["hop"] == 2, "roi"].notna().all()


def test_the_first_queries_scan_the_files(files: list[Path], frame: pd.DataFrame) -> None:
    brain = Connectome.from_files(files, columns=COLUMNS)
    some = brain.ids.head(4) if "no index" not in repr(brain) else pd.Series([LARGE + 1, LARGE + 2])
    expected = frame[frame["pre"].isin(some) | frame["post"].isin(some)]
    pd.testing.assert_frame_equal(arranged(some.neuro.edges(source=brain)), arranged(expected))


def test_each_choice_of_columns_has_its_index(files: list[Path]) -> None:
    for columns in ([], ["size"], ["size", "x"], ["x", "size"]):
        for _ in range(2):
            found = Connectome.from_files(files, columns=columns, index=True).to_frame()
            assert found.columns.tolist() == ["pre", "post", "weight", *columns]


def test_names_are_those_given(files: list[Path]) -> None:
    columns = ["neuropil", "nt", "post_root_id", "syn_count", "neuropil"]
    found = Connectome.from_files(files, columns=columns).edges().to_frame()
    assert found.columns.tolist() == ["pre", "post", "weight", "neuropil", "nt"]


def test_an_unknown_column_is_an_error_with_the_names_of_the_file(files: list[Path]) -> None:
    with pytest.raises(
        errors.MissingColumnsError, match=r"no column 'sizes' among .*'neuropil'.*'size'"
    ) as caught:
        Connectome.from_files(files, columns=["x", "sizes"])
    assert "Did you mean 'size'" in str(caught.value)
    assert "a.parquet" in "".join(caught.value.__notes__)
    with pytest.raises(errors.MissingColumnsError, match="no column 'z'"):
        Connectome(synapses(), columns=["z"])


def test_a_list_of_paths_and_patterns_names_each_file_once(files: list[Path], tmp_path: Path) -> None:
    whole = Connectome.from_files(files, index=True).to_frame()
    mixed = [str(tmp_path / "?.parquet"), files[2], files[0]]
    brain = Connectome.from_files(mixed, index=True)
    pd.testing.assert_frame_equal(brain.to_frame(), whole)
    pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(brain)).to_frame(), whole)
    assert len(read_edges(mixed)) == 2_000
    files[2].unlink()
    with pytest.raises(FileNotFoundError, match=r"other\.parquet"):
        Connectome.from_files(mixed)
    assert len(Connectome.from_files(mixed[:1], index=True).to_frame()) < len(whole)
    (tmp_path / "c.csv").write_text("pre,post\n1,2\n")
    with pytest.raises(ValueError, match=r"mixes formats: \.csv, \.parquet"):
        Connectome.from_files([files[0], tmp_path / "c.csv"])
    with pytest.raises(ValueError, match="list of files is empty"):
        Connectome.from_files([])


def test_files_of_several_partitions(tmp_path: Path) -> None:
    for region in ("ME", "LO", "AL"):
        (tmp_path / f"region={region}").mkdir()
        (tmp_path / f"region={region}" / "rows.csv").write_text("pre,post,weight\n1,2,5\n")
    paths = [tmp_path / "region=ME" / "rows.csv", tmp_path / "region=L*" / "*.csv"]
    found = Connectome.from_files(paths, columns=["region"]).to_frame()
    assert found.to_numpy().tolist() == [[1, 2, 5, "ME"], [1, 2, 5, "LO"]]


cells = {
    "whole": st.integers(-5, 5),
    "large": st.sampled_from([2**53 + 1, -(2**62), 7]),
    "floats": st.sampled_from([0.5, 2.0, -1.25]),
    "text": st.sampled_from(["a", "b", "ä 1"]),
    "truth values": st.booleans(),
}


@pytest.mark.parametrize("ending", ["parquet", "csv"])
@given(data=st.data())
@settings(
    deadline=None,
    max_examples=15,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_cells_come_back_from_pieces(ending: str, tmp_path: Path, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 9))
    table = pd.DataFrame({"pre": range(1, count + 1), "post": 77, "weight": 1})
    kind = cells[data.draw(st.sampled_from(list(cells)))]
    values = data.draw(st.lists(kind | st.none(), min_size=count, max_size=count))
    if all(value is None for value in values):
        values[0] = data.draw(kind)
    table["value"] = pd.Series(values, dtype=object).convert_dtypes()
    path = tmp_path / f"edges.{ending}"
    table.to_parquet(path, row_group_size=3) if ending == "parquet" else table.to_csv(path, index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pdneuro.files.edges.PIECE_ROWS", 3)
        pdneuro.cache.clear()
        found = Connectome.from_files(path, columns=["value"], index=True).to_frame()
    expected = read_edges(path)["value"]
    assert [None if pd.isna(cell) else cell for cell in found["value"]] == [
        None if pd.isna(cell) else cell for cell in expected
    ]
    if ending == "parquet":
        assert found["value"].dtype == expected.dtype


def test_values_that_cannot_be_kept_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "synapses.parquet"
    table = pd.DataFrame({"pre": [1, 2], "post": [2, 3], "weight": 1, "point": [[1, 2, 3], [4, 5, 6]]})
    table["time"] = pd.Timestamp("2026-01-01")
    table.to_parquet(path)
    with pytest.raises(errors.InvalidEdgesError, match=r"'point' contains list such as \[1, 2, 3\]"):
        Connectome.from_files(path, columns=["point"])
    with pytest.raises(errors.InvalidEdgesError, match="'time' contains Timestamp"):
        Connectome.from_files(path, columns=["time"])
    with pytest.raises(errors.InvalidEdgesError, match="beyond 64 bits"):
        Connectome(table.assign(time=np.array([1, 2**63], np.uint64)), columns=["time"])


def test_a_column_of_numbers_and_texts_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pdneuro.files.edges.PIECE_ROWS", 2)
    path = tmp_path / "edges.csv"
    path.write_text("pre,post,weight,label\n1,2,5,7\n1,3,5,7\n1,4,5,KC\n")
    with pytest.raises(errors.InvalidEdgesError, match="'label' has the type Int64 in some rows"):
        Connectome.from_files(path, columns=["label"], index=True)


@pytest.mark.parametrize("value", ["KC", "7", "0.5", "True"])
def test_a_piece_without_values_has_no_type(
    value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pdneuro.files.edges.PIECE_ROWS", 2)
    path = tmp_path / "edges.csv"
    path.write_text(f"pre,post,weight,label\n1,2,5,\n1,3,4,\n1,4,3,{value}\n")
    found = Connectome.from_files(path, columns=["label"], index=True).to_frame()["label"]
    assert found.isna().tolist() == [True, True, False]
    assert str(found[2]) == value


def test_a_frame_keeps_its_columns_and_their_dtypes() -> None:
    table = synapses().assign(kind=lambda rows: rows["neuropil"].astype("category"), number=7)
    before = table.copy()
    brain = Connectome(table.set_axis(table.index[::-1]), columns=["kind", "number", "x", "size"])
    found = pickle.loads(pickle.dumps(brain)).to_frame()
    expected = read_edges(table, columns=["kind", "number", "x", "size"])
    assert found.dtypes.drop("kind").to_dict() == expected.dtypes.drop("kind").to_dict()
    assert isinstance(found["kind"].dtype, pd.CategoricalDtype)
    pd.testing.assert_frame_equal(
        arranged(found.astype({"kind": object})), arranged(expected.astype({"kind": object}))
    )
    pd.testing.assert_frame_equal(table, before)
    empty = Connectome(table.head(0), columns=["kind", "number"])
    assert empty.to_frame().columns.tolist() == ["pre", "post", "weight", "kind", "number"]


def test_one_name_and_the_names_of_its_letters_have_their_own_index(tmp_path: Path) -> None:
    table = pd.DataFrame({"pre": [1], "post": [2], "weight": [6], "ab": [3], "a": [4], "b": [5]})
    table.to_parquet(tmp_path / "e.parquet")
    for columns, kept in (("ab", ["ab"]), (["a", "b"], ["a", "b"]), (None, [])):
        found = Connectome.from_files(tmp_path / "e.parquet", columns=columns, index=True).to_frame()
        assert found.columns.tolist() == ["pre", "post", "weight", *kept]


def test_a_table_is_no_path(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="not DataFrame"):
        Connectome.from_files(synapses())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("first", "second", "dtype"),
    [("7", "0.5", "Float64"), ("0.5", "7", "Float64")],
)
def test_integers_and_decimals_of_two_pieces_are_one_column(
    first: str, second: str, dtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pdneuro.files.edges.PIECE_ROWS", 2)
    path = tmp_path / "edges.csv"
    path.write_text(f"pre,post,weight,area\n1,2,5,{first}\n1,3,4,\n1,4,3,{second}\n")
    found = Connectome.from_files(path, columns=["area"], index=True).to_frame()["area"]
    assert found.fillna(-1).tolist() == [float(first), -1, float(second)]
    assert found.dtype == dtype
