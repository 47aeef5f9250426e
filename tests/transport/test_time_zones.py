"""Times are UTC, and ages are correct, whatever time zone the computer is set to."""

from __future__ import annotations

import contextlib
import datetime
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

import pdneuro
from pdneuro import errors
from pdneuro.sandbox import Sandbox

pytestmark = pytest.mark.skipif(not hasattr(time, "tzset"), reason="this system has no tzset()")


@pytest.fixture(params=["America/New_York", "Asia/Tokyo"], autouse=True)
def time_zone(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        assert time.timezone  # the system knows the zone
        yield
    time.tzset()


@pytest.mark.parametrize(
    "written",
    [
        '"2023-01-25T11:00:03"', '"2023-01-25 11:00:03"', '"2023-01-25T11:00:03Z"', '"2023-01-25T06:00:03-05:00"',
        '"1674644403"', '"1674644403.7"', "1674644403", "1674644403.7",
    ],
)  # fmt: skip
def test_the_time_of_a_snapshot(sandbox: Sandbox, ids: pd.Series, written: str) -> None:
    body = f'{{"materialized_timestamp": {written}, "results": {{"{ids[0]}": {{"size": 5}}}}}}'
    sandbox.fail(body=body.encode())
    table = ids[:1].neuro.properties("size")
    assert table.attrs["pdneuro"]["materialized_timestamp"] == [1674644403]
    ids[:1].neuro.properties("size")
    report = pdneuro.last_report()
    assert report["from_cache"].tolist() == [True]
    assert report["materialized_timestamp"].tolist() == [1674644403]


def test_the_time_of_a_graph(sandbox: Sandbox) -> None:
    app = sandbox.braincircuits
    real = app._dump

    def dated(request: object) -> object:
        response = real(request)
        response.body["last_materialized"] = "2023-01-25T11:00:03"
        return response

    app._dump = dated
    brain = pdneuro.Connectome.download("fruitfly_fafb_flywire")
    assert brain.materialized_timestamp == 1674644403


def test_the_times_of_what_is_in_the_cache(sandbox: Sandbox, ids: pd.Series) -> None:
    before = pd.Timestamp.now("UTC")
    ids.neuro.properties("size")
    info = pdneuro.cache.info()
    assert before <= info["oldest"].iloc[0] <= info["newest"].iloc[0] <= pd.Timestamp.now("UTC")


def test_cached_values_and_documents_expire_by_their_age(sandbox: Sandbox, ids: pd.Series) -> None:
    sets = pdneuro.allen.OntologiesApi().get_structure_sets
    ids.neuro.properties("size"), sets()
    with pdneuro.set_options(expire_after=60):
        ids.neuro.properties("size"), sets()
    assert len(sandbox.requests) == 2
    time.sleep(0.05)
    with pdneuro.set_options(expire_after=0.01):
        ids.neuro.properties("size"), sets()
    assert len(sandbox.requests) == 4


def test_documents_are_removed_by_their_age(sandbox: Sandbox) -> None:
    sets = pdneuro.allen.OntologiesApi().get_structure_sets
    sets()
    pdneuro.cache.clear(older_than=datetime.timedelta(minutes=1))
    sets()
    assert len(sandbox.requests) == 1
    time.sleep(0.05)
    pdneuro.cache.clear(older_than=0.01)
    sets()
    assert len(sandbox.requests) == 2


def test_an_expired_document_that_is_used_is_dated_in_utc(sandbox: Sandbox, tmp_path: Path) -> None:
    sets = pdneuro.allen.OntologiesApi().get_structure_sets
    moments = [datetime.datetime.now(datetime.UTC)]
    found = sets()
    moments.append(datetime.datetime.now(datetime.UTC))
    with contextlib.closing(sqlite3.connect(tmp_path / "cache" / "answers.sqlite")) as opened, opened:
        opened.execute("UPDATE document SET fetched = fetched - 86400")
    sandbox.fail(status=503, times=9)
    with (
        pdneuro.set_options(expire_after=0),
        pytest.warns(errors.StaleAnswerWarning) as caught,
    ):
        pd.testing.assert_frame_equal(sets(), found)
    said = str(caught[0].message)
    days = [moment - datetime.timedelta(days=1) for moment in moments]
    assert any(f"{day:%Y-%m-%d %H:%M} UTC" in said for day in days)
