"""CAVE: the version that fits, moments, the root IDs of supervoxels, the catalog of a datastack."""

from __future__ import annotations

import contextlib
import datetime
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pdneuro
from pdneuro import errors
from pdneuro.sandbox import Sandbox
from pdneuro.sandbox.cave_data import VERSIONS, datastack
from pdneuro.sandbox.server import LocalServer, Response
from pdneuro.transport import tokens
from tests.cave.stand_in import DATASTACK, DAY, TOKEN, Graph, Life

pytest.importorskip("caveclient", reason="caveclient needs pandas below 3")

from pdneuro.cave import CaveSource
from pdneuro.cave.materialization import valid_counts, wanted_version
from pdneuro.options import Fetch

SANDBOX = "cave:minnie65_public"
STAND_IN = f"cave:{DATASTACK}"
ROOT, VOXEL = 648_518_346_400_000_000, 80_000_000_000_000_000
#: The stand-in freezes a version every day, from this one on.
START = 1_600_000_000
BETWEEN = "2024-06-05"


@pytest.fixture
def old() -> pd.Series:
    return pdneuro.sandbox.root_ids()


@pytest.fixture
def serve(sandbox: Sandbox) -> Iterator[Callable[[Graph], LocalServer]]:
    """Return a function that serves a graph to all further calls."""
    with contextlib.ExitStack() as stack:

        def start(graph: Graph) -> LocalServer:
            server = LocalServer({"/cave": graph})
            stack.callback(server.stop)
            stack.enter_context(tokens.overridden(**{server.url.removeprefix("http://"): TOKEN}))
            stack.enter_context(pdneuro.set_options(cave_url=f"{server.url}/cave"))
            return server

        yield start


def hundred_versions() -> dict[int, float]:
    return {100 + 3 * k: START + k * DAY for k in range(100)}


# -- the version that fits --------------------------------------------------------------------------


class TestAuto:
    def test_the_newest_version_at_which_all_are_valid(self, sandbox: Sandbox, old: pd.Series) -> None:
        now = pdneuro.sandbox.root_ids(version=1300)
        same = now[now.isin(old)]
        for ids, version in ((old.head(4), 661), (now, 1300), (same, 1300)):
            found = ids.neuro.edges(source=f"{SANDBOX}@auto")
            expected = ids.neuro.edges(source=f"{SANDBOX}@{version}")
            pd.testing.assert_frame_equal(found, expected)
            entry = found.attrs["pdneuro"]
            assert entry["source"] == f"sandbox:{SANDBOX}@{version} (synthetic)"
            assert entry["version_of_data"] == version
            assert f"all {len(ids)} root IDs" in entry["version_choice"]

    @pytest.mark.parametrize(
        "query",
        [
            lambda ids, source: ids.neuro.cave("nucleus_view", "volume", source=source),
            lambda ids, source: ids.to_frame().neuro.join_cave("nucleus_view", "volume", source=source),
            lambda ids, source: ids.neuro.properties("nucleus_view", source=source),
            lambda ids, source: ids.neuro.records("nucleus_view", source=source),
            lambda ids, source: ids.neuro.synapses("size", source=source),
            lambda ids, source: ids.neuro.partners(source=source),
            lambda ids, source: ids.neuro.edges(source=source, hops=2, min_weight=3),
            lambda ids, source: ids.neuro.edges(source=source).neuro.expand(source=source, min_weight=3),
            lambda ids, source: ids.to_frame().groupby(ids % 2).neuro.edges(source=source),
        ],
        ids=[
            "cave",
            "join",
            "properties",
            "records",
            "synapses",
            "partners",
            "hops",
            "expand",
            "groups",
        ],
    )
    def test_every_result_has_the_version_and_how_it_was_chosen(
        self, query: Callable[..., Any], sandbox: Sandbox, old: pd.Series
    ) -> None:
        found = query(old.head(4), f"{SANDBOX}@auto")
        entry = found.attrs["pdneuro"]
        assert entry["version_of_data"] == 661
        assert entry["version_choice"].startswith("auto: ")
        named = query(old.head(4), f"{SANDBOX}@661")
        pd.testing.assert_frame_equal(found, named)
        assert named.attrs["pdneuro"]["version_choice"] == "as given"

    def test_the_newest_version_is_noted_too(self, sandbox: Sandbox) -> None:
        ids = pdneuro.sandbox.root_ids(version=1300).head(2)
        entry = ids.neuro.edges(source=SANDBOX).attrs["pdneuro"]
        assert (entry["version_of_data"], entry["version_choice"]) == (1300, "newest")

    def test_groups_with_several_hops_use_one_version(self, sandbox: Sandbox, old: pd.Series) -> None:
        """One group alone would fit version 1300."""
        same = old[old.isin(pdneuro.sandbox.root_ids(version=1300))]
        ids = pd.concat([old.head(1), same.head(1)], ignore_index=True)
        options: dict[str, Any] = {"hops": 2, "min_weight": 4}
        groups = ids.to_frame().groupby(ids.index)
        found = groups.neuro.edges(source=f"{SANDBOX}@auto", **options)
        pd.testing.assert_frame_equal(found, groups.neuro.edges(source=f"{SANDBOX}@661", **options))

    def test_no_ids_send_no_request(self, sandbox: Sandbox) -> None:
        for ids in (pd.Series([], dtype="int64"), pd.Series([0, 0])):
            assert ids.neuro.edges(source=f"{SANDBOX}@auto").empty
        assert not sandbox.requests

    def test_offline_a_version_must_be_named(self, sandbox: Sandbox, old: pd.Series) -> None:
        found = old.head(4).neuro.edges(source=f"{SANDBOX}@auto")
        with pdneuro.set_options(offline=True):
            with pytest.raises(errors.OfflineError, match="Name a version"):
                old.head(4).neuro.edges(source=f"{SANDBOX}@auto")
            again = old.head(4).neuro.edges(source=f"{SANDBOX}@661")
        pd.testing.assert_frame_equal(again, found)

    def test_at_auto(self, sandbox: Sandbox, old: pd.Series) -> None:
        found = old.head(4).neuro.at("auto", source=SANDBOX)
        assert found.equals(old.head(4))
        assert found.attrs["pdneuro"]["version_of_data"] == 661

    # -- on another server

    def test_at_most_8_requests_for_100_versions_and_2000_ids(
        self, serve: Callable[[Graph], LocalServer]
    ) -> None:
        lives = {
            ROOT + k: Life(START - DAY, START + 60.5 * DAY if k == 7 else None) for k in range(2000)
        }
        server = serve(Graph(hundred_versions(), lives, max_ids=1000))
        source = CaveSource(DATASTACK, "auto")
        fetch = Fetch.of()
        ids = np.array([*lives])
        assert source.at_version(ids, fetch).version == 100 + 3 * 60
        count = len(server.requests)
        assert source.at_version(ids[::-1], fetch).version == 100 + 3 * 60
        assert len(server.requests) - count <= 8

    def test_few_requests_at_the_first_call(self, serve: Callable[[Graph], LocalServer]) -> None:
        server = serve(Graph(hundred_versions(), {ROOT: Life(START + 1.5 * DAY, START + 4 * DAY)}))
        found = CaveSource(DATASTACK, "auto").at_version(np.array([ROOT]), Fetch.of())
        assert found.version == 100 + 3 * 3  # valid until just before the version of day 4
        sent = [request.path.rpartition("/")[2] for request in server.requests]
        assert sent.count("root_timestamps") == 2
        assert sent.count("metadata") == 1

    def test_no_version_has_all(self, serve: Callable[[Graph], LocalServer]) -> None:
        lives = {
            ROOT: Life(START, START + 5.5 * DAY),
            ROOT + 1: Life(START + 3.5 * DAY),
            ROOT + 2: Life(START + 50.5 * DAY),
        }
        serve(Graph(hundred_versions(), lives))
        unknown = [ROOT + 99, ROOT + 98]
        ids = np.array([*lives, *unknown])
        with pytest.warns(errors.StaleIdsWarning, match=r"all 5 .* has 2 of them.*other 3 .*\d{18}"):
            found = CaveSource(DATASTACK, "auto").at_version(ids, Fetch.of())
        assert found.version == 100 + 3 * 99  # of the versions with two, the newest
        assert "2 of 5" in found.provenance["version_choice"]

    def test_only_unknown_ids(self, serve: Callable[[Graph], LocalServer]) -> None:
        serve(Graph(hundred_versions(), {ROOT: Life(START)}))
        with pytest.warns(errors.StaleIdsWarning, match="has 0 of them"):
            found = CaveSource(DATASTACK, "auto").at_version(np.array([5, 6]), Fetch.of())
        assert found.version == 397
        assert found.choice == "auto: newest; no version has any of the 2 root IDs"

    @pytest.mark.parametrize(("status", "error"), [(404, "NotFoundError"), (500, "ServerError")])
    def test_times_that_the_server_does_not_have(
        self, status: int, error: str, serve: Callable[[Graph], LocalServer], monkeypatch: Any
    ) -> None:
        graph = Graph(hundred_versions(), {ROOT: Life(START)})
        monkeypatch.setattr(
            graph, "_root_timestamps", lambda request: Response({"message": "no times"}, status)
        )
        serve(graph)
        with pytest.raises(getattr(errors, error), match=f"every request for {ROOT} failed.*no times"):
            CaveSource(DATASTACK, "auto").at_version(np.array([ROOT]), Fetch.of())

    @pytest.mark.parametrize("graph_version", [None, "2.10.0"])
    def test_a_server_without_the_last_times(
        self, graph_version: str | None, serve: Callable[[Graph], LocalServer]
    ) -> None:
        graph = Graph(hundred_versions(), {ROOT: Life(START)})
        graph.graph_version = graph_version
        serve(graph)
        with pytest.raises(errors.OldServiceError, match="latest"):
            CaveSource(DATASTACK, "auto").at_version(np.array([ROOT]), Fetch.of())

    def test_dates_one_by_one(self, serve: Callable[[Graph], LocalServer]) -> None:
        graph = Graph({5: START, 6: START + DAY}, {ROOT: Life(START)})
        graph.lists_dates = False
        serve(graph)
        found = CaveSource(DATASTACK, "auto").at_version(np.array([ROOT]), Fetch.of())
        assert found.version == 6

    def test_a_version_that_is_not_yet_in_the_list_of_dates(
        self, serve: Callable[[Graph], LocalServer]
    ) -> None:
        graph = Graph(hundred_versions(), {ROOT: Life(START)})
        graph.undated = {397}
        serve(graph)
        found = CaveSource(DATASTACK, "auto").at_version(np.array([ROOT]), Fetch.of())
        assert found.version == 397

    def test_a_server_that_fails(self, serve: Callable[[Graph], LocalServer]) -> None:
        graph = Graph(hundred_versions(), {ROOT + k: Life(START) for k in range(50)})
        server = serve(graph)
        source, fetch = CaveSource(DATASTACK, "auto"), Fetch.of()
        ids = np.array([*graph.lives])
        source.at_version(ids[:1], fetch)
        server.fail(times=200, status=500, path="/root_timestamps")
        for count in (1, 2, 50):
            with pytest.raises(errors.ServerError):
                source.at_version(ids[:count], fetch)


@settings(max_examples=60)
@given(
    st.lists(st.integers(0, 20), min_size=1, max_size=8, unique=True),
    st.lists(st.tuples(st.integers(-1, 21), st.integers(-1, 21)), max_size=9),
)
def test_counts_of_valid_ids(times: list[int], lives: list[tuple[int, int]]) -> None:
    times = sorted(times)
    first, last = (np.array([life[k] for life in lives], np.int64) for k in (0, 1))
    expected = [sum(begin <= moment <= end for begin, end in lives) for moment in times]
    assert valid_counts(np.array(times), first, last).tolist() == expected


# -- moments ----------------------------------------------------------------------------------------


SAME_MOMENT = [
    pd.Timestamp("2024-06-05T10:00", tz="UTC"),
    pd.Timestamp("2024-06-05T12:00", tz="Europe/Berlin"),
    pd.Timestamp("2024-06-05T10:00"),
    datetime.datetime(2024, 6, 5, 10),
    datetime.datetime(2024, 6, 5, 10, tzinfo=datetime.UTC),
    np.datetime64("2024-06-05T10:00"),
    "2024-06-05T10:00Z",
    "2024-06-05 12:00:00.000+02:00",
    "2024-06-05T10:00",
]


class TestMoments:
    @pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
    @pytest.mark.parametrize("given", SAME_MOMENT, ids=repr)
    def test_the_same_moment_in_every_time_zone(
        self, given: Any, zone: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        try:
            wanted = wanted_version(given)
        finally:
            monkeypatch.undo()
            time.tzset()
        assert wanted.moment == pd.Timestamp("2024-06-05T10:00Z")
        is_naive = pd.Timestamp(given).tz is None
        assert ("UTC" in wanted.described) == is_naive

    @pytest.mark.parametrize(
        "given",
        [
            *(661.7, 661.0, np.float64(661), True, np.True_, -1, [661]),
            *(None, pd.NA, pd.NaT, np.datetime64("NaT"), pd.Timedelta("1D")),
            *("latest", "v1300", "661.7", "", "2024-06", "2024-13-01", "nan"),
        ],
        ids=repr,
    )
    def test_what_is_not_a_version(self, given: Any, old: pd.Series) -> None:
        with pytest.raises(errors.InvalidVersionError, match=r"version|time"):
            old.neuro.at(given, source=f"{SANDBOX}@1300")
        if given is not None:
            with pytest.raises(errors.InvalidVersionError, match=r"version|time"):
                CaveSource("minnie65_public", given)
        if isinstance(given, str):
            with pytest.raises(errors.UnknownSourceError, match="version"):
                pdneuro.open_source(f"{SANDBOX}@{given}")

    def test_the_future(self, old: pd.Series) -> None:
        later = pd.Timestamp.now("UTC") + pd.Timedelta("1D")
        with pytest.raises(errors.InvalidVersionError, match="future"):
            old.neuro.at(later, source=SANDBOX)

    @pytest.mark.parametrize("given", [661, "661", np.int32(661), np.uint64(661)], ids=repr)
    def test_numbers(self, given: Any, sandbox: Sandbox, old: pd.Series) -> None:
        assert old.head(3).neuro.at(given, source=SANDBOX).equals(old.head(3))

    def test_root_ids_at_a_moment(self, sandbox: Sandbox, old: pd.Series) -> None:
        edit = pd.Timestamp(VERSIONS[1300], unit="s", tz="UTC")
        just_before, after = edit - pd.Timedelta("1ms"), edit
        ids = old.head(2)
        assert ids.neuro.at(just_before, source=SANDBOX).equals(ids)
        found = ids.neuro.at(after, source=SANDBOX)
        assert found.tolist() == ids.neuro.at(1300, source=SANDBOX).tolist()
        moment = found.attrs["pdneuro"]["moment_of_root_ids"]
        assert moment == edit.strftime("%Y-%m-%dT%H:%M:%SZ")
        naive = ids.neuro.at(after.tz_localize(None), source=SANDBOX)
        assert "UTC" in naive.attrs["pdneuro"]["moment_of_root_ids"]

    @pytest.mark.parametrize("moment", [BETWEEN, pd.Timestamp(VERSIONS[1300] - 1, unit="s")])
    def test_tables_at_the_nearest_earlier_version(
        self, moment: Any, sandbox: Sandbox, old: pd.Series
    ) -> None:
        source = CaveSource("minnie65_public", moment)
        found = old.head(5).neuro.edges(source=source)
        pd.testing.assert_frame_equal(found, old.head(5).neuro.edges(source=f"{SANDBOX}@661"))
        entry = found.attrs["pdneuro"]
        assert entry["version_of_data"] == 661
        assert "at or before" in entry["version_choice"]
        assert "UTC" in entry["version_choice"]

    def test_the_moment_of_a_version_is_that_version(self, sandbox: Sandbox) -> None:
        ids = pdneuro.sandbox.root_ids(version=1300).head(3)
        moment = pd.Timestamp(VERSIONS[1300], unit="s", tz="Asia/Tokyo")
        source = f"{SANDBOX}@{moment.isoformat()}"
        found = ids.neuro.cave("nucleus_view", "volume", source=source, multiple="first")
        assert found.attrs["pdneuro"]["version_of_data"] == 1300

    def test_before_the_first_version(self, sandbox: Sandbox, old: pd.Series) -> None:
        with pytest.raises(errors.ExpiredVersionError, match=r"oldest one is 661, from 2023-06-29"):
            old.neuro.edges(source=f"{SANDBOX}@2020-01-01")

    def test_deleted_versions_are_not_used(self, sandbox: Sandbox, old: pd.Series) -> None:
        sandbox.cave.expired = {661}
        with pytest.raises(errors.ExpiredVersionError, match="oldest one is 1300"):
            old.neuro.edges(source=f"{SANDBOX}@{BETWEEN}")

    def test_projects_of_other_services_have_no_versions(self, sandbox: Sandbox) -> None:
        with pytest.raises(errors.InvalidVersionError, match="no versions"):
            pdneuro.open_source("fruitfly_fafb_flywire@auto")


# -- supervoxels ------------------------------------------------------------------------------------


class TestSupervoxels:
    def test_root_ids_now_and_before(self, sandbox: Sandbox) -> None:
        stack = datastack("minnie65_public")
        nuclei = stack.table("nucleus_detection_v0", 1300)
        before = stack.table("nucleus_detection_v0", 661)
        column = nuclei["pt_supervoxel_id"].sample(frac=1, random_state=1)
        expected = nuclei["pt_root_id"].reindex(column.index)
        now = column.neuro.roots(source=SANDBOX, on_missing="ignore")
        assert now.fillna(0).tolist() == expected.tolist()
        assert now.index.equals(column.index)
        assert now.name == "root_id"
        for version in (661, pd.Timestamp(BETWEEN)):
            found = column.neuro.roots(version, source=SANDBOX)
            assert found.tolist() == before["pt_root_id"].reindex(column.index).tolist()
            assert found.dtype == "int64"
        assert column.neuro.roots(source=f"{SANDBOX}@661").equals(
            column.neuro.roots(661, source=SANDBOX)
        )

    def test_values_at_a_version_are_cached_and_those_of_now_are_not(self, sandbox: Sandbox) -> None:
        ids = pdneuro.sandbox.supervoxels()["supervoxel_id"].head(4)

        def sent() -> int:
            return sum(request.path.endswith("/roots_binary") for request in sandbox.requests)

        for version, more in ((661, 0), (BETWEEN, 0), (None, 1)):
            first = ids.neuro.roots(version, source=SANDBOX)
            count = sent()
            assert ids.neuro.roots(version, source=SANDBOX).equals(first)
            assert sent() == count + more
        with pdneuro.set_options(offline=True):
            assert ids.neuro.roots(661, source=SANDBOX).equals(ids.neuro.roots(BETWEEN, source=SANDBOX))

    def test_missing_and_unknown_supervoxels(self, serve: Callable[[Graph], LocalServer]) -> None:
        roots = {VOXEL + k: [(START, ROOT + k % 3)] for k in range(700)}
        serve(Graph(hundred_versions(), {}, roots, max_ids=100))
        values = [*roots, 5, 0, None, VOXEL]
        ids = pd.Series(pd.array(values, "Int64"), index=range(10, 10 + len(values)))
        with pytest.warns(errors.UnknownIdsWarning, match="does not know 1 of the IDs: 5"):
            found = ids.neuro.roots(source=STAND_IN)
        expected = [*(ROOT + k % 3 for k in range(700)), None, None, None, ROOT]
        pd.testing.assert_series_equal(
            found, pd.Series(pd.array(expected, "Int64"), index=ids.index, name="root_id")
        )

    def test_floats_are_rejected(self, sandbox: Sandbox) -> None:
        with pytest.raises(errors.PrecisionLossError):
            pd.Series([8.64691135e16]).neuro.roots(source=SANDBOX)
        assert not sandbox.requests

    def test_join(self, sandbox: Sandbox) -> None:
        table = pdneuro.sandbox.supervoxels().set_index("id")
        before = table.copy(deep=True)
        with pytest.raises(errors.ColumnExistsError, match="prefix="):
            table.neuro.join_roots(source=SANDBOX, on_missing="ignore")
        joined = table.neuro.join_roots(
            "supervoxel_id", source=SANDBOX, prefix="now_", indicator=True, on_missing="ignore"
        )
        pd.testing.assert_frame_equal(table, before)
        pd.testing.assert_frame_equal(joined[list(table)], before)
        assert joined["_merge"].tolist() == ["found"] * 10 + ["unknown"]
        assert joined["now_root_id"].isna().tolist() == [False] * 10 + [True]
        assert joined.attrs["pdneuro"]["query"] == "join_roots()"
        both = table.assign(pt_supervoxel_id=table["supervoxel_id"])
        with pytest.raises(errors.AmbiguousColumnError, match="supervoxel"):
            both.neuro.join_roots(source=SANDBOX)

    def test_an_index_of_supervoxels(self, sandbox: Sandbox) -> None:
        table = pdneuro.sandbox.supervoxels().head(4).set_index(["supervoxel_id", "id"])
        found = table.index.neuro.roots(661, source=SANDBOX)
        assert found.tolist() == table["root_id"].tolist()
        assert found.index.equals(table.index)


class TestUpdate:
    def test_each_row_has_a_status(self, sandbox: Sandbox) -> None:
        table = pdneuro.sandbox.supervoxels().set_index("id")
        before = table.copy(deep=True)
        found = table.neuro.update_roots(source=SANDBOX, on_missing="ignore")
        pd.testing.assert_frame_equal(table, before)
        status = (
            ["updated"] * 2 + ["split"] * 2 + ["updated"] * 4 + ["unchanged", "updated", "not found"]
        )
        assert found["root_id_status"].tolist() == status
        assert found["root_id_old"].equals(before["root_id"])
        assert found.columns.tolist() == [*table.columns, "root_id_old", "root_id_status"]
        roots = table["supervoxel_id"].neuro.roots(source=SANDBOX, on_missing="ignore")
        assert found["root_id"].equals(roots)
        current = found["root_id"].dropna().neuro.is_latest(source=SANDBOX)
        assert current.all()
        counts = {k: v for k, v in found.attrs["pdneuro"].items() if k.startswith("rows_")}
        assert counts == {
            "rows_updated": 7,
            "rows_split": 2,
            "rows_unchanged": 1,
            "rows_not_found": 1,
        }

    def test_at_an_earlier_version_nothing_changes(self, sandbox: Sandbox) -> None:
        table = pdneuro.sandbox.supervoxels().head(9)
        for version in (661, BETWEEN):
            found = table.neuro.update_roots(source=SANDBOX, version=version)
            assert (found["root_id_status"] == "unchanged").all()
            assert found["root_id"].equals(table["root_id"])
            assert found["root_id"].dtype == "int64"

    def test_a_second_call_needs_overwrite(self, sandbox: Sandbox) -> None:
        table = pdneuro.sandbox.supervoxels().head(4)
        once = table.neuro.update_roots(source=SANDBOX)
        with pytest.raises(errors.ColumnExistsError, match="root_id_old"):
            once.neuro.update_roots(source=SANDBOX)
        again = once.neuro.update_roots(source=SANDBOX, overwrite=True)
        assert (again["root_id_status"] == "unchanged").all()
        assert again["root_id"].equals(once["root_id"])

    def test_row_numbers_of_a_cave_table_are_not_root_ids(self, sandbox: Sandbox) -> None:
        table = pdneuro.sandbox.supervoxels()[["id", "supervoxel_id"]]
        with pytest.raises(errors.MissingColumnsError, match=r"'id' may be .*join_roots"):
            table.neuro.update_roots(source=SANDBOX)
        assert not sandbox.requests
        own = table.assign(id=pdneuro.sandbox.supervoxels()["root_id"])
        found = own.neuro.update_roots("id", source=SANDBOX, on_missing="ignore")
        assert "split" in set(found["id_status"])

    def test_supervoxels_in_two_columns(self, sandbox: Sandbox) -> None:
        table = pdneuro.sandbox.supervoxels().assign(other_supervoxel=1)
        with pytest.raises(errors.AmbiguousColumnError, match="supervoxels='supervoxel_id'"):
            table.neuro.update_roots(source=SANDBOX)

    def test_rows_whose_request_failed_keep_their_root_id(self, sandbox: Sandbox) -> None:
        table = pdneuro.sandbox.supervoxels()
        sandbox.fail(path="roots_binary", times=100, status=500)
        with pytest.warns(errors.PartialResultWarning):
            found = table.neuro.update_roots(source=SANDBOX, on_error="partial")
        failed = found["root_id_status"] == "failed"
        assert failed.sum() == 10
        assert (found["root_id_status"][~failed] == "unchanged").all()
        assert found["root_id"].fillna(0).tolist() == table["root_id"].tolist()
        assert found.attrs["pdneuro"]["rows_failed"] == 10

    def test_columns_of_any_name_and_dtype(self, serve: Callable[[Graph], LocalServer]) -> None:
        """Missing, 0, unknown to the server, split, valid although the supervoxel is elsewhere."""
        day = [START + k * DAY for k in range(5)]
        lives = {
            ROOT: Life(day[0], day[2]),
            ROOT + 1: Life(day[2]),
            ROOT + 2: Life(day[2]),
            ROOT + 3: Life(day[0]),
        }
        roots = {
            VOXEL: [(day[0], ROOT), (day[2], ROOT + 1)],
            VOXEL + 1: [(day[0], ROOT), (day[2], ROOT + 2)],
            VOXEL + 2: [(day[0], ROOT + 3)],
        }
        serve(Graph({1: day[1], 3: day[3]}, lives, roots))
        rows: list[tuple[Any, Any, str, Any]] = [
            (ROOT, VOXEL, "split", ROOT + 1),
            (ROOT, VOXEL + 1, "split", ROOT + 2),
            (ROOT, None, "not found", None),
            (ROOT + 3, VOXEL + 2, "unchanged", ROOT + 3),
            (ROOT + 3, None, "unchanged", ROOT + 3),
            (ROOT + 3, VOXEL, "unchanged", ROOT + 3),
            (None, VOXEL + 2, "updated", ROOT + 3),
            (0, VOXEL + 2, "updated", ROOT + 3),
            (1, 0, "not found", None),
            (77, VOXEL + 2, "updated", ROOT + 3),
        ]
        table = pd.DataFrame(
            {
                "soma_root": pd.array([row[0] for row in rows], "Int64"),
                "sv": pd.array([None if row[1] is None else str(row[1]) for row in rows], "string"),
            },
            index=list("abcdefghij"),
        )
        with pytest.warns(errors.SupervoxelMismatchWarning, match="1 rows .*rows f"):
            found = table.neuro.update_roots("soma_root", "sv", source=STAND_IN)
        assert found["soma_root_status"].tolist() == [row[2] for row in rows]
        expected = pd.array([row[3] for row in rows], "Int64")
        assert found["soma_root"].array.equals(expected)
        assert found["soma_root_old"].equals(table["soma_root"])
        assert found.index.equals(table.index)
        earlier = table.head(2).neuro.update_roots("soma_root", "sv", source=STAND_IN, version=1)
        assert (earlier["soma_root_status"] == "unchanged").all()

    def test_root_ids_in_the_index(self, sandbox: Sandbox) -> None:
        table = pdneuro.sandbox.supervoxels().head(2).set_index("root_id")
        with pytest.raises(errors.MissingColumnsError, match="reset_index"):
            table.neuro.update_roots(source=SANDBOX)


# -- catalog ----------------------------------------------------------------------------------------


class TestCatalog:
    def test_versions_tables_and_views(self, sandbox: Sandbox) -> None:
        found = pdneuro.catalog(SANDBOX)
        assert list(found.columns) == (
            ["source", "kind", "name", "version", "rows", "created", "expires", "description"]
        )
        assert (found["source"] == SANDBOX).all()
        versions = found[found["kind"] == "version"].set_index("version")
        frozen = {number: pd.Timestamp(t, unit="s", tz="UTC") for number, t in VERSIONS.items()}
        assert versions["created"].to_dict() == frozen
        assert (versions["expires"] > versions["created"]).all()
        stack = datastack("minnie65_public")
        tables = found[found["kind"] == "table"]
        assert (tables["version"] == 1300).all()
        for name, rows in zip(tables["name"], tables["rows"], strict=True):
            assert rows == len(stack.table(name, 1300))
        assert (tables["created"] == pd.Timestamp("2020-11-02 18:56:35.530100", tz="UTC")).all()
        text = tables.set_index("name")["description"]
        assert "Refers to nucleus_detection_v0" in text["cell_type_manual"]
        assert found.loc[found["kind"] == "view", "name"].tolist() == ["nucleus_view"]
        assert {"edges", "synapses"} <= set(found.loc[found["kind"] == "capability", "name"])

    @pytest.mark.parametrize("version", ["661", BETWEEN])
    def test_one_version(self, version: str, sandbox: Sandbox) -> None:
        found = pdneuro.catalog(f"{SANDBOX}@{version}")
        assert found["version"].dropna().unique().tolist() == [661]

    def test_without_counts(self, sandbox: Sandbox) -> None:
        sandbox.cave.miscount = None
        found = pdneuro.catalog(SANDBOX)
        assert found.loc[found["kind"] == "table", "rows"].isna().all()

    def test_auto_needs_ids(self, sandbox: Sandbox) -> None:
        with pytest.raises(errors.InvalidVersionError, match="needs root IDs"):
            pdneuro.catalog(f"{SANDBOX}@auto")

    def test_versions_that_never_expire(self, serve: Callable[[Graph], LocalServer]) -> None:
        serve(Graph({4: START, 9: START + DAY}, {}))
        found = pdneuro.catalog(STAND_IN)
        versions = found[found["kind"] == "version"]
        assert versions["version"].tolist() == [4, 9]
        assert versions["expires"].isna().all()
