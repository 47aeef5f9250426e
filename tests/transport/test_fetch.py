"""Asking a service: once, in batches, through faults, with nothing lost that had arrived."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pandas as pd
import pytest

import pdneuro
from pdneuro import errors
from pdneuro.sandbox import Sandbox
from pdneuro.sandbox.braincircuits import CAVE_TOKEN
from pdneuro.transport import tokens
from tests.conftest import at_once, child, eventually, held


def sent(sandbox: Sandbox) -> list[list[int]]:
    return [request.json()["segments"] for request in sandbox.requests]


class TestAskOnce:
    def test_distinct_ids_in_batches_and_overlaps_only_what_is_new(self, sandbox: Sandbox) -> None:
        neurons = pdneuro.sandbox.neurons()["root_id"]
        twice = pd.concat([neurons[:250], neurons[:250]])
        twice.neuro.properties("link_pre", batch_size=100)
        assert sorted(map(len, sent(sandbox))) == [50, 100, 100]
        neurons[200:300].neuro.properties("link_pre")
        assert sorted(sent(sandbox)[-1]) == sorted(neurons[250:300])
        neurons[:300].neuro.properties("link_pre")
        assert len(sandbox.requests) == 4
        neurons[:300].neuro.properties("link_pre", refresh=True)
        assert len(sandbox.requests) == 5

    def test_the_request_is_as_documented(self, sandbox: Sandbox, ids: pd.Series) -> None:
        ids.neuro.properties("link_pre")
        (request,) = sandbox.requests
        assert request.method == "POST"
        assert request.path == "/braincircuits/circuit/segment/property/link_pre"
        assert request.query == {"project": "fruitfly_fafb_flywire"}
        assert request.headers["content-type"] == "application/json"
        assert request.headers["authorization"] == "Bearer sandbox-token"
        assert "authorization-cave" not in request.headers
        assert request.headers["user-agent"].startswith("pdneuro/")
        assert set(request.json()) == {"segments"}
        assert all(type(number) is int for number in request.json()["segments"])

    def test_the_cave_token_goes_out_only_when_set_and_needed(
        self, sandbox: Sandbox, ids: pd.Series
    ) -> None:
        with pytest.raises(errors.ForbiddenError, match="CAVE"):
            ids.neuro.properties("size", source="fruitfly_fanc_cave")
        with tokens.overridden(cave=CAVE_TOKEN):
            ids.neuro.properties("size", source="fruitfly_fanc_cave")
            assert sandbox.requests[-1].headers["authorization-cave"] == f"Bearer {CAVE_TOKEN}"
            ids.neuro.properties("size", source="fruitfly_fafb_flywire_public")
            assert "authorization-cave" not in sandbox.requests[-1].headers

    def test_no_more_requests_at_once_than_workers(self, sandbox: Sandbox) -> None:
        neurons = pdneuro.sandbox.neurons()["root_id"][:200]
        with at_once(sandbox, "/size", 3) as seen:
            neurons.neuro.properties("size", batch_size=10, max_workers=3)
        assert max(seen) == 3

    def test_answers_expire(self, sandbox: Sandbox, ids: pd.Series) -> None:
        ids.neuro.properties("size")
        with pdneuro.set_options(expire_after=3600):
            ids.neuro.properties("size")
        assert len(sandbox.requests) == 1
        with pdneuro.set_options(expire_after=0):
            ids.neuro.properties("size")
        assert len(sandbox.requests) == 2
        with pdneuro.set_options(expire_after=None):
            ids.neuro.properties("size")
        assert len(sandbox.requests) == 2

    def test_answers_of_one_token_are_not_served_to_another(
        self, sandbox: Sandbox, ids: pd.Series
    ) -> None:
        ids.neuro.properties("size")
        with tokens.overridden(braincircuits="another"), pytest.raises(errors.AuthenticationError):
            ids.neuro.properties("size")

    def test_offline_answers_from_the_store_and_counts_what_is_not_there(
        self, sandbox: Sandbox, ids: pd.Series
    ) -> None:
        known = ids[:4].neuro.properties("size")
        with pdneuro.set_options(offline=True, expire_after=0):
            pd.testing.assert_frame_equal(ids[:4].neuro.properties("size"), known)
            with pytest.raises(errors.OfflineError, match="6 of 10 IDs have no stored 'size'"):
                ids.neuro.properties("size")
        assert len(sandbox.requests) == 1
        assert pdneuro.last_report()["from_cache"].sum() == 4


class TestFaults:
    @pytest.mark.parametrize(
        ("fault", "error", "words"),
        [
            ({"status": 400}, errors.InvalidRequestError, ["400", "fault on request"]),
            ({"status": 401}, errors.AuthenticationError, ["401", "pdneuro token set"]),
            ({"status": 403}, errors.ForbiddenError, ["403", "CAVE token"]),
            ({"status": 404}, errors.NotFoundError, ["404", "spelling"]),
            ({"status": 413}, errors.RequestTooLargeError, ["413", "partial"]),
            ({"status": 422}, errors.InvalidRequestError, ["422"]),
            ({"status": 429}, errors.RateLimitError, ["429", "max_workers"]),
            ({"status": 500}, errors.ServerError, ["500"]),
            ({"status": 503}, errors.ServiceUnavailableError, ["503", "again later"]),
            ({"status": 418}, errors.ServiceError, ["418"]),
            ({"reset": True}, errors.ConnectionFailedError, ["no connection", "retries"]),
            ({"truncate": True}, errors.TruncatedResponseError, ["truncated"]),
            ({"html": True}, errors.InvalidResponseError, ["an HTML page", "Sign in"]),
            ({"html": True, "status": 502}, errors.ServiceUnavailableError, ["502", "Sign in"]),
            ({"body": b'{"results": {"1": {"size"'}, errors.InvalidResponseError, ["not valid JSON"]),
            ({"body": b"[1, 2]"}, errors.InvalidResponseError, ["JSON list"]),
            ({"body": b'{"results": 5}'}, errors.InvalidResponseError, ["no 'results'"]),
            ({"body": b'{"results": {"abc": {}}}'}, errors.InvalidResponseError, ["no 'results'"]),
            ({"body": b""}, errors.InvalidResponseError, ["not valid JSON"]),
            (
                {"status": 500, "body": b'{"detail": [{"msg": "one"}, "two"]}'},
                errors.ServerError,
                ["one; two"],
            ),
            ({"status": 500, "body": b'{"error": {"code": 3}}'}, errors.ServerError, ["code"]),
            ({}, errors.ConnectionFailedError, ["timeout"]),
        ],
    )
    def test_each_cause_has_its_error_and_a_way_out(
        self, sandbox: Sandbox, ids: pd.Series, fault: dict, error: type[Exception], words: list[str]
    ) -> None:
        sandbox.fail(times=99, **fault)
        # Without a fault, the server sends nothing.
        silence = contextlib.nullcontext() if fault else held(sandbox)
        with (
            pdneuro.set_options(timeout=60 if fault else 0.5),
            silence,
            pytest.raises(error) as caught,
        ):
            ids[:1].neuro.properties("size")
        message = str(caught.value)
        for word in [*words, "/circuit/segment/property/size?project=fruitfly_fafb_flywire"]:
            assert word in message
        assert "sandbox-token" not in message
        assert isinstance(caught.value, errors.PdneuroError)
        assert pdneuro.cache.info().empty
        assert pdneuro.last_report()["status"].iloc[0] in ("failed", "not requested")

    @pytest.mark.parametrize(
        "fault", [{"reset": True}, {"truncate": True}, {"status": 429}, {"status": 503}]
    )
    def test_transient_faults_are_tried_again(
        self, sandbox: Sandbox, ids: pd.Series, fault: dict
    ) -> None:
        sandbox.fail(times=2, **fault)
        with pdneuro.set_options(retries=2):
            assert ids.neuro.properties("size")["size"].notna().all()
        assert len(sandbox.requests) == 3

    def test_retry_after_is_waited_for(self, sandbox: Sandbox, ids: pd.Series) -> None:
        sandbox.fail(status=429, retry_after=1)
        start = time.monotonic()
        with pdneuro.set_options(retries=1):
            ids.neuro.properties("size")
        assert time.monotonic() - start >= 1.0

    def test_a_pause_longer_than_a_person_waits_is_an_error_at_once(
        self, sandbox: Sandbox, ids: pd.Series
    ) -> None:
        sandbox.fail(status=503, retry_after=7200)
        with (
            pdneuro.set_options(retries=3),
            pytest.raises(errors.ServiceUnavailableError, match="7,200 s"),
        ):
            ids.neuro.properties("size")
        assert len(sandbox.requests) == 1

    def test_a_tokens_echo_is_masked(self, sandbox: Sandbox, ids: pd.Series) -> None:
        sandbox.fail(times=3, status=404, body=b'{"detail": "no user for Bearer sandbox-token"}')
        with pytest.raises(errors.NotFoundError) as caught:
            ids.neuro.properties("size")
        assert "sandbox-token" not in str(caught.value)
        assert "***" in str(caught.value)

    def test_unknown_project_and_property(self, sandbox: Sandbox, ids: pd.Series) -> None:
        with pytest.raises(errors.NotFoundError, match="Project 'nowhere' not found"):
            ids.neuro.properties("size", source="nowhere")
        with pytest.raises(errors.NotFoundError, match="Property 'color' not found"):
            ids.neuro.properties("color")
        sandbox.fail(
            status=422, body=b'{"detail": [{"loc": ["path", "property"], "msg": "no such property"}]}'
        )
        with pytest.raises(errors.NotFoundError, match="no such property"):
            ids.neuro.properties("color")
        # A 404 for the batch and for both its halves; a 422 names the address, so nothing is split.
        assert len(sandbox.requests) == 3 + 3 + 1

    def test_no_token_is_said_before_anything_is_sent(self, sandbox: Sandbox, ids: pd.Series) -> None:
        with tokens.overridden(only=True):
            for source in ("fruitfly_fafb_flywire", "fruitfly_fafb_flywire_public"):
                with pytest.raises(errors.MissingTokenError, match="PDNEURO_BRAINCIRCUITS_TOKEN"):
                    ids.neuro.properties("size", source=source)
        assert not sandbox.requests

    def test_no_network(self, sandbox: Sandbox, ids: pd.Series) -> None:
        sandbox._server.stop()
        with pytest.raises(errors.ConnectionFailedError, match="no connection"):
            ids.neuro.properties("size")
        sandbox._server.stop = lambda: None

    def test_a_redirect_to_another_host_gets_no_token(self, sandbox: Sandbox, ids: pd.Series) -> None:
        with pdneuro.sandbox.start() as other:
            target = (
                f"{other.url}/braincircuits/circuit/segment/property/size?project=fruitfly_fanc_cave"
            )
            app = sandbox.braincircuits

            def redirecting(request: object) -> object:
                answer = app(request)
                answer.status, answer.headers = 307, {"Location": target}
                return answer

            sandbox._server.apps["/braincircuits"] = redirecting
            with (
                pdneuro.set_options(**sandbox.options),
                tokens.overridden(cave=CAVE_TOKEN),
                pytest.raises(errors.AuthenticationError),
            ):
                ids.neuro.properties("size", source="fruitfly_fanc_cave")
            (request,) = other.requests
            assert not [name for name in request.headers if name.startswith("authorization")]
            assert request.json()["segments"]


class TestSplitting:
    @pytest.mark.parametrize("status", [400, 422, 500])
    def test_a_culprit_is_found_and_the_rest_served(self, sandbox: Sandbox, status: int) -> None:
        neurons = pdneuro.sandbox.neurons()["root_id"][:64]
        sandbox.braincircuits.poison = {int(neurons[20]): status}
        with pytest.raises(
            errors.BatchRefusedError, match=rf"rejects 1 of the IDs.*{neurons[20]}"
        ) as caught:
            neurons.neuro.properties("size", batch_size=32)
        assert "63 of 64 IDs are answered and stored" in str(caught.value)
        asked = len(sandbox.requests)
        assert asked <= 2 + 2 * 5 + 1
        with pytest.warns(errors.PartialResultWarning, match="1 IDs could not be fetched"):
            found = neurons.neuro.properties("size", on_error="partial")
        assert found["size"].isna().to_numpy().nonzero()[0].tolist() == [20]
        assert len(sandbox.requests) == asked + 1
        report = pdneuro.last_report()
        assert report["status"].value_counts().to_dict() == {"found": 63, "failed": 1}
        assert report.loc[20, "detail"]

    def test_named_culprits_cost_one_more_request(self, sandbox: Sandbox) -> None:
        neurons = pdneuro.sandbox.neurons()["root_id"][:64]
        bad = set(neurons[[3, 7]])
        app = sandbox.braincircuits

        def refusing(request: object) -> object:
            places = [i for i, number in enumerate(request.json()["segments"]) if number in bad]
            answer = app(request)
            if places:
                answer.status = 422
                answer.body = {
                    "detail": [{"loc": ["body", "segments", i], "msg": "bad"} for i in places]
                }
            return answer

        sandbox._server.apps["/braincircuits"] = refusing
        with pytest.warns(errors.PartialResultWarning, match="2 IDs"):
            neurons.neuro.properties("size", on_error="partial")
        assert len(sandbox.requests) == 2

    def test_a_batch_that_is_too_large_is_halved(self, sandbox: Sandbox) -> None:
        sandbox.braincircuits.max_segments = 30
        neurons = pdneuro.sandbox.neurons()["root_id"][:200]
        assert neurons.neuro.properties("size")["size"].notna().all()
        assert sum(len(batch) for batch in sent(sandbox) if len(batch) <= 30) == 200
        assert len(sandbox.requests) <= 15

    def test_a_service_that_refuses_everything_is_not_asked_for_ever(self, sandbox: Sandbox) -> None:
        sandbox.fail(times=10**6, status=500)
        neurons = pdneuro.sandbox.neurons()["root_id"]
        with pytest.raises(errors.ServerError, match="0 of 3,000 IDs"):
            neurons.neuro.properties("size", max_workers=2, batch_size=500)
        assert len(sandbox.requests) < 100

    @pytest.mark.parametrize("cap", [1, 7, 150])
    def test_an_answer_cut_short_is_completed(self, sandbox: Sandbox, cap: int) -> None:
        sandbox.braincircuits.silent_cap = cap
        neurons = pdneuro.sandbox.neurons()["root_id"][:200]
        assert neurons.neuro.properties("size", on_missing="raise")["size"].notna().all()

    def test_many_unknown_ids_are_asked_twice_at_most(self, sandbox: Sandbox) -> None:
        neurons = pdneuro.sandbox.neurons()["root_id"][:100]
        column = pd.concat([neurons, pd.Series(range(1, 51))])
        with pytest.warns(errors.UnknownIdsWarning, match="50 of the IDs"):
            column.neuro.properties("size")
        assert sorted(map(len, sent(sandbox))) == [50, 150]

    def test_partial_goes_on_past_a_failed_batch(self, sandbox: Sandbox) -> None:
        neurons = pdneuro.sandbox.neurons()["root_id"][:100]
        sandbox.fail(status=503)
        with pytest.warns(errors.PartialResultWarning, match="10 IDs could not be fetched"):
            found = neurons.neuro.properties("size", batch_size=10, on_error="partial")
        assert found["size"].notna().sum() == 90
        assert neurons.neuro.properties("size")["size"].notna().all()
        assert len(sandbox.requests) == 11


class TestInterruption:
    def test_what_had_arrived_is_kept_when_the_service_fails(self, sandbox: Sandbox) -> None:
        neurons = pdneuro.sandbox.neurons()["root_id"][:100]
        app, answered = sandbox.braincircuits, []

        def failing_later(request: object) -> object:
            answer = app(request)
            if len(answered) >= 5:
                answer.status, answer.body = 503, b"down"
            else:
                answered.append(request)
            return answer

        sandbox._server.apps["/braincircuits"] = failing_later
        with pytest.raises(
            errors.ServiceUnavailableError, match=r"50 of 100 IDs are answered and stored"
        ):
            neurons.neuro.properties("size", batch_size=10, max_workers=1)
        sandbox._server.apps["/braincircuits"] = app
        before = len(sandbox.requests)
        neurons.neuro.properties("size", batch_size=10)
        assert len(sandbox.requests) == before + 5

    @pytest.mark.usefixtures("interrupts")
    @pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
    def test_a_stopped_process_leaves_a_store_that_opens_and_a_run_that_resumes(
        self, sandbox: Sandbox, tmp_path: Path, end: signal.Signals
    ) -> None:
        script = textwrap.dedent(
            """
            import pandas as pd, pdneuro
            ids = pdneuro.sandbox.neurons()["root_id"]
            ids.neuro.properties("size", batch_size=50, max_workers=2)
            """
        )
        environment = {
            **os.environ,
            **{f"PDNEURO_{name.upper()}": str(value) for name, value in sandbox.options.items()},
            "PDNEURO_BRAINCIRCUITS_TOKEN": sandbox.tokens["braincircuits"],
            "PDNEURO_CACHE_DIR": str(tmp_path / "cache"),
        }
        command = [sys.executable, "-c", script]
        with child(command, env=environment, stderr=subprocess.PIPE) as process:
            with held(sandbox, start=12):
                # Twelve responses are stored, and no other one arrives before the end.
                assert eventually(lambda: len(sandbox.requests) == 14)
                assert eventually(lambda: pdneuro.cache.info()["ids"].sum() == 600)
                process.send_signal(end)
                said = process.stderr.readline()  # of the traceback: the fetch has ended
            # Not communicate(), which loses what readline() has read ahead.
            said += process.stderr.read()
            assert process.wait(300) != 0
        if end is signal.SIGINT:
            assert b"KeyboardInterrupt" in said
            assert b"IDs are answered and stored; the same call again requests only the rest" in said
        assert pdneuro.cache.info()["ids"].sum() == 600
        before = len(sandbox.requests)
        neurons = pdneuro.sandbox.neurons()["root_id"]
        assert neurons.neuro.properties("size", batch_size=50)["size"].notna().all()
        assert len(sandbox.requests) - before == (3000 - 600) / 50


class TestArguments:
    def test_wrong_arguments(self, sandbox: Sandbox, ids: pd.Series) -> None:
        with pytest.raises(
            TypeError, match=r"does not have a parameter 'workers'\. Did you mean 'max_workers'"
        ):
            ids.neuro.properties("size", workers=3)
        with pytest.raises(ValueError, match="properties must be names"):
            ids.neuro.properties()
        for wrong in ([], [3], [""]):
            with pytest.raises(ValueError, match="properties must be names"):
                ids.neuro.properties(wrong)
        for wrong in (
            {"batch_size": 0},
            {"max_workers": "many"},
            {"on_error": "skip"},
            {"on_missing": 1},
        ):
            with pytest.raises(errors.OptionError):
                ids.neuro.properties("size", **wrong)
        assert not sandbox.requests

    def test_sources(
        self, sandbox: Sandbox, ids: pd.Series, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)  # a folder ../x may exist elsewhere
        with (
            pdneuro.set_options(source=None),
            pytest.raises(errors.UnknownSourceError, match="no source is set"),
        ):
            ids.neuro.properties("size")
        for wrong in ("mars:fly", "a b", "../x", 5, "cave:", "cave:a@b"):
            with pytest.raises(errors.UnknownSourceError):
                pdneuro.open_source(wrong)
        opened = pdneuro.open_source("braincircuits:fruitfly_fafb_flywire")
        assert pdneuro.open_source(opened) is opened
        assert ids.neuro.properties("size", source=opened)["size"].notna().all()

    def test_bad_columns_send_nothing(self, sandbox: Sandbox) -> None:
        frame = pd.DataFrame({"root_id": [7.205759406215222e17, 1.0]})
        for call in (
            frame.neuro.edges,
            frame.neuro.graph,
            frame.neuro.partners,
            lambda: frame.neuro.join_properties("size"),
        ):
            with pytest.raises(errors.PrecisionLossError, match="root_id"):
                call()
        assert not sandbox.requests

    def test_the_bar(self, sandbox: Sandbox, ids: pd.Series, capsys: pytest.CaptureFixture[str]) -> None:
        ids.neuro.properties("size")
        assert capsys.readouterr().err == ""
        ids.neuro.properties("link_pre", progress=True)
        assert "link_pre of fruitfly_fafb_flywire" in capsys.readouterr().err
