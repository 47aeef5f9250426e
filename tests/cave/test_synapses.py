"""Synapses between two sets, by score, box and transmitter, against the rows of the server."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import pdneuro
from pdneuro import errors
from pdneuro.cave import CaveSource
from pdneuro.sandbox import Sandbox
from pdneuro.sandbox import cave as cave_app
from pdneuro.sandbox.cave_data import SYNAPSES, Datastack, datastack
from pdneuro.sandbox.server import Request, Response
from tests.cave.test_client import change, is_query

pytest.importorskip("caveclient", reason="caveclient holds pandas below 3: the other environment has it")

OLD = "cave:minnie65_public@661"
ENDS = ["pre_pt_root_id", "post_pt_root_id"]


@pytest.fixture
def stack() -> Datastack:
    """The datastack that the sandbox serves."""
    return datastack("minnie65_public")


@pytest.fixture
def ids() -> pd.Series:
    """All root IDs of the older version."""
    return pdneuro.sandbox.root_ids()


@pytest.fixture
def truth(stack: Datastack) -> pd.DataFrame:
    """All synapses with a segment at both ends."""
    table = stack.table(SYNAPSES, 661)
    assert table is not None
    return table[(table[ENDS] > 1).all(axis=1)]


def source() -> CaveSource:
    opened = pdneuro.open_source(OLD)
    assert isinstance(opened, CaveSource)
    return opened


def among(truth: pd.DataFrame, pre: pd.Series, post: pd.Series) -> pd.DataFrame:
    return truth[truth["pre_pt_root_id"].isin(pre) & truth["post_pt_root_id"].isin(post)]


def sent(sandbox: Sandbox) -> list[dict[str, Any]]:
    """Filters of the queries; not of those for one row, which show whether a response is complete."""
    bodies = [r.json() for r in sandbox.requests if is_query(r)]
    return [body["filter_in_dict"][SYNAPSES] for body in bodies if body.get("limit") != 1]


@pytest.mark.parametrize(("pre", "post"), [(5, 8), (8, 5), (3, 190), (190, 3), (60, 190), (190, 190)])
def test_two_sets_are_complete(
    sandbox: Sandbox, ids: pd.Series, truth: pd.DataFrame, pre: int, post: int
) -> None:
    sandbox.cave.row_limit = 10**6
    before, after = ids.head(pre), ids.tail(post)
    found = source().synapses(pre=before, post=after)
    right = among(truth, before, after)
    assert sorted(found["id"]) == sorted(right["id"])
    by_id = right.set_index("id")
    assert found["pre"].tolist() == by_id.loc[found["id"], ENDS[0]].tolist()
    assert found["post"].tolist() == by_id.loc[found["id"], ENDS[1]].tolist()
    assert found["size"].tolist() == by_id.loc[found["id"], "size"].tolist()
    for query in sent(sandbox):
        lists = sorted(map(len, query.values()))
        # Lists that are long at both ends are slow on the server.
        assert len(lists) == 2
        assert lists[0] <= 50
    if min(pre, post) <= 50:
        assert len(sent(sandbox)) == 1


def test_an_end_without_a_root_id_is_not_a_segment(
    sandbox: Sandbox, ids: pd.Series, truth: pd.DataFrame
) -> None:
    """A server may send a null where the sandbox sends 0."""
    right = truth[truth[ENDS[0]].isin(ids.head(20))]
    lost = set(right["id"].head(7))

    def null(request: Request, response: Response) -> Response | None:
        if not (is_query(request) and SYNAPSES in request.path):
            return None
        table = pa.ipc.open_stream(response.body).read_all().to_pandas()
        table[ENDS[1]] = table[ENDS[1]].astype("Int64").mask(table["id"].isin(lost))
        return dataclasses.replace(response, body=cave_app._arrow(table))

    change(sandbox, null)
    found = source().synapses(pre=ids.head(20))
    assert sorted(found["id"]) == sorted(set(right["id"]) - lost)
    assert found["post"].dtype == "int64"


def test_a_server_that_cuts_without_a_header_loses_nothing(
    sandbox: Sandbox, ids: pd.Series, truth: pd.DataFrame
) -> None:
    # No root ID alone reaches the limit.
    sandbox.cave.row_limit = int(truth[ENDS[0]].value_counts().iloc[0]) // 10 * 10 + 20
    sandbox.cave.warns = False
    found = source().synapses(pre=ids, post=ids)
    assert sorted(found["id"]) == sorted(truth["id"])


@pytest.mark.parametrize("limit", [38, 101, 777, 1_234])
@pytest.mark.parametrize("within", [True, False])
def test_no_response_is_cached_that_a_server_cuts_without_a_header(
    sandbox: Sandbox, stack: Datastack, truth: pd.DataFrame, limit: int, within: bool
) -> None:
    sandbox.cave.row_limit, sandbox.cave.warns = limit, False
    table = stack.table(SYNAPSES, 661)
    assert table is not None
    rows = table.loc[table[ENDS[0]] > 1, ENDS[0]].value_counts()
    # No root ID alone reaches the limit.
    ids = pd.Series(rows.index[rows < limit][: 40 if limit < 100 else 200])
    assert rows[ids].sum() > limit
    right = truth[truth[ENDS[0]].isin(ids) & (truth[ENDS[1]].isin(ids) | (not within))]
    for offline in (False, True):
        with pdneuro.set_options(offline=offline, max_workers=4):
            found = source().synapses(pre=ids, post=ids if within else None)
        assert sorted(found["id"]) == sorted(right["id"])


def test_the_only_response_that_a_server_cuts_is_found_at_the_end(
    sandbox: Sandbox, stack: Datastack, truth: pd.DataFrame
) -> None:
    table = stack.table(SYNAPSES, 661)
    assert table is not None
    rows = table.loc[table[ENDS[0]] > 1, ENDS[0]].value_counts().sort_index()
    # The batches are in the order of the IDs.
    middle = len(rows) // 2
    few, many = rows.iloc[:middle].nsmallest(20), rows.iloc[middle:].nlargest(20)
    ids = pd.Series([*few.index, *many.index])
    first, second = int(few.sum()), int(many.sum())
    # Neither round, nor seen before, nor much larger than the complete response of the first batch.
    limit = next(size for size in range(2 * first - 1, first, -1) if size % 10)
    assert many.max() < limit < second
    sandbox.cave.row_limit, sandbox.cave.warns = limit, False
    for offline in (False, True):
        with pdneuro.set_options(offline=offline, batch_size=20, max_workers=1):
            found = source().synapses(pre=ids)
        assert sorted(found["id"]) == sorted(truth.loc[truth[ENDS[0]].isin(ids), "id"])


def test_few_requests_show_that_many_responses_are_complete(sandbox: Sandbox, ids: pd.Series) -> None:
    sandbox.cave.row_limit = 10**6
    with pdneuro.set_options(batch_size=10, max_workers=4):
        source().synapses(pre=ids)
    bodies = [r.json() for r in sandbox.requests if is_query(r)]
    assert len(sent(sandbox)) == -(-len(ids) // 10)
    assert len(bodies) - len(sent(sandbox)) <= 4


def test_a_server_that_ignores_the_other_end_and_the_box(
    sandbox: Sandbox, ids: pd.Series, truth: pd.DataFrame
) -> None:
    def alter(request: Request, response: Response) -> Response | None:
        if not is_query(request) or len(request.json()["filter_in_dict"][SYNAPSES]) < 2:
            return None
        query = request.json()
        del query["filter_in_dict"][SYNAPSES][ENDS[0]]
        query.pop("filter_spatial_dict", None)
        return app(dataclasses.replace(request, body=json.dumps(query).encode()))

    sandbox.cave.row_limit = 10**6
    app = sandbox.cave
    change(sandbox, alter)
    box = [[500_000, 300_000, 700_000], [900_000, 700_000, 1_000_000]]
    found = source().synapses(pre=ids[:60], post=ids[100:], bounds=box)
    right = among(truth, ids[:60], ids[100:])
    places = right[[f"ctr_pt_position_{axis}" for axis in "xyz"]].to_numpy() * [4, 4, 40]
    inside = ((places >= box[0]) & (places <= box[1])).all(axis=1)
    assert 0 < inside.sum() < len(right)
    assert sorted(found["id"]) == sorted(right["id"][inside])


@pytest.mark.parametrize("far", [1e6, 1e20, np.finfo(float).max, np.inf])
def test_a_box_that_is_open(sandbox: Sandbox, ids: pd.Series, far: float) -> None:
    sandbox.cave.row_limit = 10**6
    every = ids.neuro.synapses("size", source=OLD, upstream=False)
    for low in (0, -far):
        found = ids.neuro.synapses(
            "size", source=OLD, upstream=False, bounds=[[low] * 3, [far] * 3], units="voxel"
        )
        pd.testing.assert_frame_equal(found, every, check_exact=True)


@pytest.mark.parametrize("as_list", [pd.Index, pd.Series, np.array, tuple])
def test_columns_in_any_list(sandbox: Sandbox, ids: pd.Series, as_list: Any) -> None:
    few, names = ids.head(2), ["size", "cleft_score"]
    expected = few.neuro.synapses(names, source=OLD)
    pd.testing.assert_frame_equal(few.neuro.synapses(as_list(names), source=OLD), expected)
    rows = few.neuro.cave("nucleus_view", ["volume"], source=OLD)
    pd.testing.assert_frame_equal(few.neuro.cave("nucleus_view", as_list(["volume"]), source=OLD), rows)


@pytest.mark.parametrize("position", ["pre", "post", "center"])
@pytest.mark.parametrize("units", ["nm", "voxel"])
def test_a_box_of_one_position(
    sandbox: Sandbox, ids: pd.Series, truth: pd.DataFrame, position: str, units: str
) -> None:
    column = {"center": "ctr"}.get(position, position)
    names = [f"{column}_pt_position_{axis}" for axis in "xyz"]
    size = np.array([1, 1, 1] if units == "voxel" else [4, 4, 40])
    places = truth[names].to_numpy() * size
    # The sides of the box are positions of synapses, so that it includes them.
    low, high = places[0], places[1]
    low, high = np.minimum(low, high), np.maximum(low, high)
    found = ids.neuro.synapses(
        "size", source=OLD, upstream=False, bounds=[low, high], position=position, units=units
    )
    inside = ((places >= low) & (places <= high)).all(axis=1)
    assert sorted(found["id"]) == sorted(truth["id"][inside])
    assert {truth["id"].iloc[0], truth["id"].iloc[1]} <= set(found["id"])
    assert list(found.columns) == ["id", "pre", "post", "size"]
    assert found.attrs["pdneuro"]["positions"] == units


def test_another_score_needs_no_request(sandbox: Sandbox, ids: pd.Series, truth: pd.DataFrame) -> None:
    sandbox.cave.row_limit = 10**6
    some = ids.head(20)
    right = truth[truth["pre_pt_root_id"].isin(some) | truth["post_pt_root_id"].isin(some)]
    for score in (0, 100, 200.5, 255):
        found = some.neuro.synapses("cleft_score", source=OLD, min_score=score)
        assert sorted(found["id"]) == sorted(right["id"][right["cleft_score"] >= score])
        assert (found["cleft_score"] >= score).all()
    assert len(sent(sandbox)) == 2  # one for each end


def test_transmitters_are_averaged_per_edge(
    sandbox: Sandbox, ids: pd.Series, truth: pd.DataFrame
) -> None:
    found = ids.head(80).neuro.synapses(source=OLD, within=True, nt=True, autapses=False)
    right = among(truth, ids.head(80), ids.head(80))
    right = right[right[ENDS[0]] != right[ENDS[1]]]
    pairs = right.groupby(ENDS)
    assert found.columns.tolist() == ["pre", "post", "weight", "gaba", "ach", "glut", "nt"]
    found = found.set_index(["pre", "post"]).sort_index()
    assert found["weight"].tolist() == pairs.size().tolist()
    means = pairs[["gaba", "ach", "glut"]].mean()
    np.testing.assert_allclose(found[["gaba", "ach", "glut"]].astype(float), means, rtol=1e-12)
    is_tie = (means.eq(means.max(axis=1), axis=0).sum(axis=1) > 1).to_numpy()
    assert found["nt"].isna().tolist() == is_tie.tolist()
    assert found["nt"][~is_tie].tolist() == means.idxmax(axis=1)[~is_tie].tolist()
    assert found["weight"].dtype == "int64"


def test_autapses_are_kept_unless_they_are_not_wanted(
    sandbox: Sandbox, ids: pd.Series, truth: pd.DataFrame
) -> None:
    right = among(truth, ids, ids)
    own = right[ENDS[0]] == right[ENDS[1]]
    assert own.any()
    assert len(ids.neuro.synapses("size", source=OLD, within=True)) == len(right)
    others = ids.neuro.synapses("size", source=OLD, within=True, autapses=False)
    assert sorted(others["id"]) == sorted(right["id"][~own])


def test_the_column_is_the_other_end(sandbox: Sandbox, ids: pd.Series, truth: pd.DataFrame) -> None:
    few, many = ids.head(5), ids.tail(100)
    assert set(few.neuro.synapses(source=OLD, post=many)["id"]) == set(among(truth, few, many)["id"])
    assert set(few.neuro.synapses(source=OLD, pre=many)["id"]) == set(among(truth, many, few)["id"])


def test_nothing_found_has_the_columns_of_the_table(sandbox: Sandbox, ids: pd.Series) -> None:
    nowhere = [[0, 0, 0], [1, 1, 1]]
    full = ids.head(3).neuro.synapses(["size", "ctr_pt_position"], source=OLD)
    none = ids.head(3).neuro.synapses(["size", "ctr_pt_position"], source=OLD, bounds=nowhere)
    assert len(none) == 0
    assert none.dtypes.to_dict() == full.dtypes.to_dict()
    before = len(sandbox.requests)
    empty = ids.head(0).neuro.synapses(["size"], source=OLD)
    assert empty.columns.tolist() == ["id", "pre", "post", "size"]
    assert len(sandbox.requests) == before


def test_stale_ids_of_either_end_are_named(sandbox: Sandbox, ids: pd.Series, stack: Datastack) -> None:
    stale = next(root for root, edit in stack.edits.items() if edit.kind == "replaced")
    current = ids[~ids.isin(stack.edits)]
    with pytest.warns(errors.StaleIdsWarning, match=str(stale)):
        pdneuro.open_source("cave:minnie65_public@1300").synapses(pre=current, post=[stale])


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"columns": "sise"}, errors.UnknownFieldError, "Did you mean 'size'"),
        ({"min_score": 5, "source": "cave:v1dd_public@661"}, errors.UnknownFieldError, "cleft_score"),
        ({"nt": True, "source": "cave:v1dd_public@661"}, errors.UnknownFieldError, "no columns of transmitters"),
        ({"nt": True, "columns": "size"}, errors.InvalidQueryError, "one row per edge"),
        ({"bounds": [1, 2, 3]}, errors.InvalidQueryError, "lowest and the highest corner"),
        ({"bounds": [[5, 5, 5], [1, 9, 9]]}, errors.InvalidQueryError, "lowest and the highest corner"),
        ({"bounds": [[0, 0, 0], [1, 1, np.nan]]}, errors.InvalidQueryError, "nan"),
        ({"position": "middle"}, ValueError, "'center'"),
        ({"units": "um"}, ValueError, "'nm' or 'voxel'"),
        ({"min_score": np.nan}, ValueError, "must be a number"),
        ({"min_score": "50"}, ValueError, "must be a number, not '50'"),
        ({"min_score": pd.NA}, ValueError, "must be a number, not <NA>"),
        ({"min_score": [5]}, ValueError, r"must be a number, not \[5\]"),
        ({"columns": pd.Index(["sise"])}, errors.UnknownFieldError, "Did you mean 'size'"),
        ({"within": True, "post": [5]}, errors.InvalidQueryError, "within=True"),
        ({"post": [7.2e17]}, errors.PrecisionLossError, "digits"),
    ],
)  # fmt: skip
def test_wrong_choices_are_named(
    sandbox: Sandbox, ids: pd.Series, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    stack = "v1dd_public" if "v1dd" in options.get("source", "") else "minnie65_public"
    with pytest.raises(error, match=words):
        pdneuro.sandbox.root_ids(stack).head(3).neuro.synapses(**{"source": OLD, **options})


def test_one_end_is_required(sandbox: Sandbox) -> None:
    with pytest.raises(errors.InvalidQueryError, match="pre="):
        source().synapses()


def test_one_id_over_the_limit_is_an_error_or_a_warning(
    sandbox: Sandbox, ids: pd.Series, truth: pd.DataFrame
) -> None:
    busiest = truth[ENDS[0]].value_counts()
    sandbox.cave.row_limit = int(busiest.iloc[0])
    some = pd.Series([busiest.index[0], busiest.index[-1]])
    with pytest.raises(errors.RequestTooLargeError, match="truncated"):
        some.neuro.synapses(source=OLD, upstream=False)
    with pytest.warns(errors.PartialResultWarning):
        found = some.neuro.synapses(source=OLD, upstream=False, on_error="partial")
    assert found["pre"].unique().tolist() == [busiest.index[-1]]


def test_a_connected_client_sends_two_further_requests(sandbox: Sandbox, ids: pd.Series) -> None:
    sandbox.cave.row_limit = 10**6
    ids.head(2).neuro.is_latest(source=OLD)
    source().synapses(pre=ids[:2], post=ids[:2])
    before = len(sandbox.requests)
    source().synapses(pre=ids[:100], post=ids[100:])
    new = sandbox.requests[before:]
    assert sum(not request.path.endswith("/query") for request in new) <= 2


# -- regions ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["minnie65_public", "v1dd_public"])
def test_edges_by_region_sum_to_the_edges(sandbox: Sandbox, name: str) -> None:
    """One datastack has a column of regions, the other a table that refers to the synapses."""
    some = pdneuro.sandbox.root_ids(name).head(30)
    whole = datastack(name).table(SYNAPSES, 661)
    assert whole is not None
    if "neuropil" not in whole:
        regions = datastack(name).table("synapse_neuropil", 661)
        assert regions is not None
        whole = whole.merge(regions[["target_id", "neuropil"]], left_on="id", right_on="target_id")
    whole = whole[(whole[ENDS] > 1).all(axis=1) & whole[ENDS].isin(some.tolist()).any(axis=1)]
    right = whole.groupby([*ENDS, "neuropil"]).size()
    found = some.neuro.edges(source=f"cave:{name}@661", roi=True)
    assert isinstance(found["roi"].dtype, pd.CategoricalDtype)
    by_region = found.astype({"roi": str}).set_index(["pre", "post", "roi"])["weight"].sort_index()
    assert by_region.tolist() == right.sort_index().tolist()
    plain = some.neuro.edges(source=f"cave:{name}@661").set_index(["pre", "post"])["weight"]
    assert found.groupby(["pre", "post"])["weight"].sum().equals(plain.sort_index())
    strong = some.neuro.edges(source=f"cave:{name}@661", roi=True, min_weight=3)
    assert strong.groupby(["pre", "post"])["weight"].sum().min() >= 3
    assert strong["weight"].min() < 3


def test_a_datastack_without_regions(sandbox: Sandbox, ids: pd.Series) -> None:
    def alter(request: Request, response: Response) -> None:
        if request.path.endswith("/tables"):
            response.body.remove("synapse_neuropil")

    change(sandbox, alter)
    roots = pdneuro.sandbox.root_ids("v1dd_public").head(2)
    with pytest.raises(errors.UnknownFieldError, match="have no regions"):
        roots.neuro.edges(source="cave:v1dd_public@661", roi=True)
