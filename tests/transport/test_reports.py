"""``pdneuro.last_report()``: one call of the user is one report, whatever it calls in turn."""

from __future__ import annotations

import pandas as pd
import pytest

import pdneuro
from pdneuro import errors
from pdneuro.sandbox import Sandbox


def test_a_call_that_calls_others_gives_one_report(sandbox: Sandbox) -> None:
    neurons = pdneuro.sandbox.neurons().head(6).assign(group=[1, 1, 1, 2, 2, 2])
    neurons.groupby("group").neuro.edges(hops=2, min_weight=30)
    report = pdneuro.last_report()
    assert set(report["id"]) >= set(neurons["root_id"])
    assert len(report) == sum(len(request.json()["segments"]) for request in sandbox.requests) + int(
        report["from_cache"].sum()
    )


def test_a_call_that_calls_others_warns_once(sandbox: Sandbox) -> None:
    neurons = pd.DataFrame({"root_id": [*pdneuro.sandbox.neurons()["root_id"][:2], 12, 13]})
    neurons["group"] = [1, 2, 1, 2]
    with pytest.warns(errors.UnknownIdsWarning, match="2 of the IDs") as caught:
        neurons.groupby("group").neuro.edges(hops=2, min_weight=1000)
    assert len(caught) == 1


def test_a_call_that_fails_has_its_own_report(sandbox: Sandbox, ids: pd.Series) -> None:
    ids[:2].neuro.properties("size")
    sandbox.fail(status=401)
    with pytest.raises(errors.AuthenticationError):
        ids[:5].neuro.properties("size")
    report = pdneuro.last_report()
    assert (report["status"] == "found").tolist() == [True] * 2 + [False] * 3
    assert report["from_cache"].tolist() == [True] * 2 + [False] * 3
    ids[:1].neuro.properties("size")
    assert len(pdneuro.last_report()) == 1


def test_the_report_of_several_properties_has_a_row_for_each(sandbox: Sandbox, ids: pd.Series) -> None:
    ids[:3].neuro.properties("size", "link_pre")
    report = pdneuro.last_report()
    assert report["property"].tolist() == ["size"] * 3 + ["link_pre"] * 3
    assert report["source"].unique().tolist() == ["braincircuits:fruitfly_fafb_flywire"]
    assert report["materialized_timestamp"].notna().all()


def test_snapshots_of_two_batches_are_named_once(sandbox: Sandbox, ids: pd.Series) -> None:
    sandbox.braincircuits.snapshots = iter([1674644403, 1677042002])
    with pytest.warns(errors.MixedSnapshotWarning, match="from 2 snapshots") as caught:
        table = ids.neuro.properties("size", batch_size=5, max_workers=1)
    assert len(caught) == 1
    for shown in ("2023-01-25T11:00:03Z (1674644403)", "2023-02-22T05:00:02Z (1677042002)"):
        assert shown in str(caught[0].message)
    assert table.attrs["pdneuro"]["materialized_timestamp"] == [1674644403, 1677042002]
    report = pdneuro.last_report()["materialized_timestamp"]
    assert sorted(report.value_counts().to_dict().items()) == [(1674644403, 5), (1677042002, 5)]
