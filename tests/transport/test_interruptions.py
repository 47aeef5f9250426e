"""Retries, and calls that fail or are interrupted while other requests are under way."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import email.utils
import itertools
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pandas as pd
import pytest

import pdneuro
from pdneuro import errors
from pdneuro.sandbox import Sandbox
from pdneuro.sandbox.server import Request, Response
from pdneuro.transport import store
from tests.conftest import eventually
from tests.transport.conftest import deadline

#: Seconds that a server asks to wait, almost as many as pdneuro waits.
PAUSE = "110"


def serve(sandbox: Sandbox, first: int, answer: Callable[[str, Request], Response | None]) -> list[str]:
    """Answer the batch with this ID and the other batches differently; returns the order of arrival."""
    app, arrived = sandbox.braincircuits, []

    def serving(request: Request) -> Response:
        which = "first" if first in request.json()["segments"] else "other"
        arrived.append(which)
        return answer(which, request) or app(request)

    sandbox._server.apps["/braincircuits"] = serving
    return arrived


def workers_end() -> bool:
    """Return whether all threads of pdneuro's pools end before the next try; dask has other threads."""

    def ended() -> bool:
        names = [thread.name for thread in threading.enumerate() if not thread.daemon]
        return not any(name.startswith("pdneuro") for name in names)

    return eventually(ended, int(PAUSE) / 2)


@contextlib.contextmanager
def interrupt_of_a_write(step: int) -> Iterator[None]:
    """Raise KeyboardInterrupt before a line, counted from 1, that the cache executes to save values."""
    left = itertools.count(1 - step)

    def lines(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line" and next(left) == 0:
            raise KeyboardInterrupt
        return lines

    def calls(frame: FrameType, *_: Any) -> Any:
        callers: FrameType | None = frame
        while callers is not None and callers.f_code.co_qualname != "Store.put":
            callers = callers.f_back
        is_ours = frame.f_code.co_filename == store.__file__
        return lines if callers is not None and is_ours else None

    before = sys.gettrace()
    sys.settrace(calls)
    try:
        yield
    finally:
        sys.settrace(before)


class TestFailure:
    def test_responses_that_arrive_after_the_error_are_cached(self, sandbox: Sandbox) -> None:
        neurons = pdneuro.sandbox.neurons()["root_id"].sort_values()[:20]
        others = threading.Event()

        def answer(which: str, request: Request) -> Response | None:
            if which == "first":
                others.wait(600)
                return Response({"detail": "no"}, 401)
            others.set()
            time.sleep(0.5)
            return None

        arrived = serve(sandbox, neurons.iloc[0], answer)
        with pytest.raises(errors.AuthenticationError, match="10 of 20 IDs are answered and stored"):
            neurons.neuro.properties("size", batch_size=10, max_workers=2)
        assert sorted(arrived) == ["first", "other"]
        assert pdneuro.cache.info()["ids"].tolist() == [10]
        sandbox._server.apps["/braincircuits"] = sandbox.braincircuits
        neurons.neuro.properties("size")
        assert sorted(sandbox.requests[-1].json()["segments"]) == neurons[:10].tolist()

    def test_an_error_ends_the_wait_for_the_next_try_of_other_requests(self, sandbox: Sandbox) -> None:
        neurons = pdneuro.sandbox.neurons()["root_id"].sort_values()[:20]
        others = threading.Event()

        def answer(which: str, request: Request) -> Response:
            if which == "first":
                others.wait(600)
                return Response({"detail": "no"}, 401)
            others.set()
            return Response({"detail": "busy"}, 503, {"Retry-After": PAUSE})

        arrived = serve(sandbox, neurons.iloc[0], answer)
        with pdneuro.set_options(retries=1, timeout=600), pytest.raises(errors.AuthenticationError):
            neurons.neuro.properties("size", batch_size=10, max_workers=2)
        assert workers_end()
        assert sorted(arrived) == ["first", "other"]

    def test_an_interrupt_ends_the_wait_for_the_next_try(self, sandbox: Sandbox) -> None:
        neurons = pdneuro.sandbox.neurons()["root_id"].sort_values()[:20]
        main = threading.main_thread().ident

        def answer(which: str, request: Request) -> Response:
            threading.Timer(0.2, signal.pthread_kill, (main, signal.SIGINT)).start()
            return Response({"detail": "busy"}, 503, {"Retry-After": PAUSE})

        arrived = serve(sandbox, neurons.iloc[0], answer)
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with (
                pdneuro.set_options(retries=1, timeout=600),
                pytest.raises(KeyboardInterrupt) as caught,
            ):
                neurons.neuro.properties("size", max_workers=1)
        finally:
            signal.signal(signal.SIGINT, before)
        assert "0 of 20 IDs are answered and stored" in caught.value.__notes__[0]
        assert workers_end()
        assert arrived == ["first"]

    def test_an_interrupt_at_any_step_of_a_write_leaves_a_cache_that_can_be_written(
        self, sandbox: Sandbox, ids: pd.Series, tmp_path: Path
    ) -> None:
        errors_kept = []  # as a notebook keeps the last one, with its frames
        for step in itertools.count(1, 2):
            with pdneuro.set_options(cache_dir=tmp_path / str(step)):
                try:
                    with interrupt_of_a_write(step):
                        ids.neuro.properties("size", batch_size=5, max_workers=1)
                    break  # a write has fewer steps
                except KeyboardInterrupt as error:
                    errors_kept.append(error)
                assert ids.neuro.properties("link_pre")["nr_pre"].notna().all()
                assert pdneuro.cache.info().set_index("property").loc["link_pre", "ids"] == 10
        assert len(errors_kept) > 10

    @pytest.mark.parametrize("times", [1, 2])
    def test_values_for_ids_that_were_not_requested_are_requested_again_once(
        self, sandbox: Sandbox, ids: pd.Series, times: int
    ) -> None:
        app = sandbox.braincircuits
        others = pdneuro.sandbox.neurons()["root_id"][10:20]
        left = [times]

        def generous(request: Request) -> Response:
            wanted = request.json()["segments"]
            left[0] -= 1
            if left[0] >= 0:
                wanted = [*wanted, *others.tolist()]
            return app(dataclasses.replace(request, body=f'{{"segments": {wanted}}}'.encode()))

        sandbox._server.apps["/braincircuits"] = generous
        if times == 2:
            with pytest.raises(errors.InvalidResponseError, match="10 IDs that were not requested"):
                ids.neuro.properties("size")
            assert pdneuro.cache.info().empty
        assert ids.neuro.properties("size")["size"].notna().all()
        assert pdneuro.cache.info()["ids"].tolist() == [10]
        assert set(pdneuro.last_report()["id"]) == set(ids)


class TestRetries:
    @pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
    def test_a_transient_status_is_tried_again(
        self, sandbox: Sandbox, ids: pd.Series, status: int
    ) -> None:
        sandbox.fail(status=status)
        with pdneuro.set_options(retries=1):
            assert ids.neuro.properties("size")["size"].notna().all()
        assert len(sandbox.requests) == 2

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422, 501])
    def test_a_final_status_is_not_tried_again(
        self, sandbox: Sandbox, ids: pd.Series, status: int
    ) -> None:
        sandbox.fail(status=status, times=9)
        with pdneuro.set_options(retries=3), pytest.raises(errors.ServiceError, match=str(status)):
            ids[:1].neuro.properties("size")
        assert len(sandbox.requests) == 1

    def test_the_number_of_tries_is_the_option_and_one(self, sandbox: Sandbox, ids: pd.Series) -> None:
        sandbox.fail(status=503, times=9, retry_after=0)
        with pdneuro.set_options(retries=3), pytest.raises(errors.ServiceUnavailableError):
            ids.neuro.properties("size")
        assert len(sandbox.requests) == 4

    def test_without_retry_after_pauses_grow(self, sandbox: Sandbox, ids: pd.Series) -> None:
        times: list[float] = []
        app = sandbox.braincircuits

        def failing(request: Request) -> Response:
            times.append(time.monotonic())
            return Response({}, 503) if len(times) < 4 else app(request)

        sandbox._server.apps["/braincircuits"] = failing
        with pdneuro.set_options(retries=3):
            ids.neuro.properties("size")
        pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
        assert [pause >= least for pause, least in zip(pauses, (0.19, 0.79, 1.59), strict=True)] == [
            True
        ] * 3

    @pytest.mark.parametrize("seconds", [121, 1200])
    @pytest.mark.parametrize("as_date", [False, True])
    def test_a_pause_of_more_than_two_minutes_is_an_error_at_once(
        self, sandbox: Sandbox, ids: pd.Series, seconds: int, as_date: bool
    ) -> None:
        pause: object = seconds
        if as_date:
            moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds + 5)
            pause = email.utils.format_datetime(moment, usegmt=True)
        sandbox.fail(status=503, retry_after=pause, times=9)
        with (
            pdneuro.set_options(retries=3),
            deadline(),
            pytest.raises(errors.ServiceUnavailableError, match="asks to wait"),
        ):
            ids.neuro.properties("size")
        assert len(sandbox.requests) == 1

    def test_a_pause_that_nobody_understands_is_a_usual_one(
        self, sandbox: Sandbox, ids: pd.Series
    ) -> None:
        sandbox.fail(status=503, retry_after="soon")
        with pdneuro.set_options(retries=1), deadline():
            ids.neuro.properties("size")
        assert len(sandbox.requests) == 2
