"""Fetch values by ID: from the cache, then from the service in batches, each cached as it arrives."""

from __future__ import annotations

import contextvars
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import chain
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pdneuro.errors import (
    AuthenticationError,
    BatchRefusedError,
    ForbiddenError,
    NotFoundError,
    OfflineError,
    RequestTooLargeError,
    ServiceError,
    listing,
)
from pdneuro.options import Fetch
from pdneuro.transport import progress
from pdneuro.transport.report import FAILED, NOT_REQUESTED, UNKNOWN_ENCODING, Answers, Batch, add
from pdneuro.transport.store import OptionalStore, Scope

#: If this many IDs and this share of a batch are missing, the response may be truncated: request again.
_DOUBT_COUNT, _DOUBT_SHARE = 10, 0.1
#: Consecutive rejected requests per worker before the service is considered down.
_PATIENCE = 16
#: Errors that every further request would raise as well.
_FINAL = (AuthenticationError, ForbiddenError, NotFoundError)


class BatchQuery(NamedTuple):
    """A query for one value per ID, sent in batches."""

    scope: Scope
    source: str
    #: Sends one request for IDs, with this number of retries; called from several threads.
    send: Callable[[Sequence[int], int], Batch]
    #: Ends the pauses of threads that wait for a retry.
    cancel: Callable[[], None]
    #: Names by ID, if the user passed names.
    names: Mapping[int, str] | None = None
    #: What an ID that the service does not know may be.
    hint: str = "They may be outdated, of another dataset, or no segment IDs (supervoxels, nuclei)."


def fetch_by_id(ids: npt.NDArray[np.int64], query: BatchQuery, fetch: Fetch) -> Answers:
    """Fetch one value per distinct ID, from the cache and from the service.

    Parameters
    ----------
    ids : array of int64
        Distinct IDs.
    query : BatchQuery
        What to request, and from which service.
    fetch : Fetch
        Options of the call.

    Returns
    -------
    Answers

    Raises
    ------
    OfflineError
        ``offline=True`` and some values are not cached.
    ServiceError
        The request failed and ``on_error`` is ``"raise"``. Responses received so far are cached.
    """
    answers = Answers(ids, query.scope.property, query.source, names=query.names, hint=query.hint)
    add(answers)
    if not len(ids):
        return answers
    store = OptionalStore()
    try:
        scope = store.run(lambda opened: opened.scope_id(query.scope)) or 0
        if not fetch.refresh or fetch.offline:
            # Offline, an expired value is better than none.
            limit = None if fetch.offline else fetch.expire_after
            stored = store.run(lambda opened: opened.get(scope, ids, limit))
            if stored is not None:
                answers.take(*stored, from_cache=True)
        open_ids = np.sort(ids[answers.status == NOT_REQUESTED])
        if not len(open_ids):
            return answers
        if fetch.offline:
            raise OfflineError(
                f"{len(open_ids):,} of {len(ids):,} IDs have no stored {query.scope.property!r} of "
                f"{query.source} (the first: {listing(answers.shown(open_ids[:5].tolist()))}), and "
                "pdneuro is offline. Call once with pdneuro.set_options(offline=False) and the same "
                "token."
            )
        _Batches(answers, query, fetch, store, scope).run(open_ids.tolist())
    finally:
        store.close()
    return answers


class _Batch(NamedTuple):
    """IDs of one request to send."""

    ids: list[int]
    retries: int
    #: Whether an earlier response did not contain them.
    again: bool = False


class _Batches:
    """Sends batches over several threads; the calling thread enters and caches the values."""

    def __init__(
        self, answers: Answers, query: BatchQuery, fetch: Fetch, store: OptionalStore, scope: int
    ) -> None:
        self.answers = answers
        self.query = query
        self.fetch = fetch
        self.store = store
        self.scope = scope
        self.waiting: deque[_Batch] = deque()
        self.under_way: dict[Future[Batch], _Batch] = {}
        self.largest = fetch.batch_size
        self.failed_in_a_row = 0
        self.arrived: list[Batch] = []

    def run(self, ids: list[int]) -> None:
        """Fetch all of ``ids``."""
        size = self.fetch.batch_size
        starts = range(0, len(ids), size)
        self.waiting.extend(_Batch(ids[i : i + size], self.fetch.retries) for i in starts)
        label = f"{self.query.scope.property} of {self.query.scope.project}"
        pool = ThreadPoolExecutor(self.fetch.max_workers, thread_name_prefix="pdneuro")
        with progress.bar(len(ids), label, "IDs", self.fetch.progress) as bar:
            try:
                while self._submit(pool):
                    done = wait(self.under_way, return_when=FIRST_COMPLETED).done
                    bar.update(self._finish(done))
            except ServiceError as error:
                self._abandon(pool, patience=min(self.fetch.timeout, 10.0))
                if self.fetch.on_error == "raise":
                    error.progress = self._progress()
                    raise
                self.answers.failure = error
            except BaseException as error:
                self._abandon(pool, patience=0.0)
                error.add_note(self._progress())
                raise
        pool.shutdown()
        self._enter_all()
        self._raise_failed()

    def _submit(self, pool: ThreadPoolExecutor) -> bool:
        """Keep all workers busy and one batch in reserve; return whether a request is under way."""
        while self.waiting and len(self.under_way) <= self.fetch.max_workers:
            batch = self.waiting.popleft()
            if len(batch.ids) > self.largest:
                self._halve(batch)
                continue
            run = contextvars.copy_context().run  # the thread sees the options of the caller
            self.under_way[pool.submit(run, self.query.send, batch.ids, batch.retries)] = batch
        return bool(self.under_way)

    def _finish(self, done: Iterable[Future[Batch]]) -> int:
        """Cache the values that arrived; return the number of IDs that need no further request."""
        known, finished = len(self.arrived), 0
        for future in done:
            finished += self._outcome(self.under_way[future], future)
        self._write(self.arrived[known:])
        for future in done:  # only now: an interrupt before this line loses nothing
            del self.under_way[future]
        return finished

    def _outcome(self, batch: _Batch, future: Future[Batch]) -> int:
        """Take the values of a response, or find out what its failure means."""
        try:
            values = future.result()
        except RequestTooLargeError as error:
            self.largest = max(1, min(self.largest, len(batch.ids) // 2))
            return self._rejected(batch, error)
        except BatchRefusedError as error:
            return self._rejected(batch, error)
        except ServiceError as error:
            self._count_failure(error, tolerable=not isinstance(error, _FINAL))
            self.answers.fail(batch.ids, error)
            return len(batch.ids)
        self.failed_in_a_row = 0
        return self._enter(batch, values)

    def _enter(self, batch: _Batch, values: Batch) -> int:
        ids, encodings, payloads, snapshot = values
        requested = set(batch.ids)
        if not requested.issuperset(ids):  # values of IDs that were not requested
            wanted = [place for place, number in enumerate(ids) if number in requested]
            ids = [ids[place] for place in wanted]
            encodings = [encodings[place] for place in wanted]
            payloads = [payloads[place] for place in wanted]
        absent = sorted(requested.difference(ids))
        doubtful = len(absent) >= max(_DOUBT_COUNT, _DOUBT_SHARE * len(requested))
        if absent and ids and (doubtful or batch.again):
            # Unknown IDs, or a truncated response? A second response without them means unknown.
            self.waiting.append(_Batch(absent, batch.retries, again=True))
            absent = []
        encodings = encodings + [UNKNOWN_ENCODING] * len(absent)
        payloads = payloads + [None] * len(absent)
        self.arrived.append(Batch(ids + absent, encodings, payloads, snapshot))
        return len(ids) + len(absent)

    def _write(self, batches: Sequence[Batch]) -> None:
        if batches:
            self.store.run(lambda opened: opened.put(self.scope, batches))

    def _enter_all(self) -> None:
        """Enter all values at once: one batch at a time costs several times as much."""
        if self.arrived:
            ids, encodings, payloads, times = zip(*self.arrived, strict=True)
            snapshots = [-1 if time is None else time for time in times]
            self.answers.take(
                [*chain.from_iterable(ids)],
                [*chain.from_iterable(encodings)],
                [*chain.from_iterable(payloads)],
                np.repeat(np.array(snapshots, np.int64), [*map(len, ids)]),
                from_cache=False,
            )
            self.arrived.clear()

    def _rejected(self, batch: _Batch, error: BatchRefusedError) -> int:
        """Split a rejected batch in half until the invalid ID is isolated. Only that ID fails."""
        self._count_failure(error, tolerable=True)
        named = {batch.ids[place] for place in error.positions if 0 <= place < len(batch.ids)}
        if named and len(named) < len(batch.ids):
            rest = [number for number in batch.ids if number not in named]
            self.waiting.appendleft(batch._replace(ids=rest))
            self.answers.fail(sorted(named), error)
            return len(named)
        if len(batch.ids) > 1:
            self._halve(batch)
            return 0
        self.answers.fail(batch.ids, error)
        return 1

    def _halve(self, batch: _Batch) -> None:
        middle = len(batch.ids) // 2
        retries = min(batch.retries, 1)  # the whole batch had all its retries
        for half in (batch.ids[middle:], batch.ids[:middle]):
            self.waiting.appendleft(batch._replace(ids=half, retries=retries))

    def _count_failure(self, error: ServiceError, *, tolerable: bool) -> None:
        self.failed_in_a_row += 1
        rejected = isinstance(error, BatchRefusedError)
        limit = _PATIENCE if rejected else 2 if self.fetch.on_error == "partial" else 0
        if not tolerable or self.failed_in_a_row > limit * self.fetch.max_workers:
            raise error

    def _abandon(self, pool: ThreadPoolExecutor, patience: float) -> None:
        """Cancel all requests; cache what has arrived or arrives within ``patience`` seconds."""
        self.query.cancel()
        pool.shutdown(wait=False, cancel_futures=True)
        self.waiting.clear()
        known = len(self.arrived)
        for future in wait(self.under_way, timeout=patience).done:
            if not future.cancelled() and future.exception() is None:
                self._enter(self.under_way[future], future.result())
        self._write(self.arrived[known:])
        self._enter_all()

    def _progress(self) -> str:
        arrived = int((self.answers.status < FAILED).sum())
        cached = "stored" if self.store.works else "lost, because the cache cannot be used"
        return (
            f"{arrived:,} of {len(self.answers.ids):,} IDs are answered and {cached}; the same call "
            "again requests only the rest."
        )

    def _raise_failed(self) -> None:
        error = self.answers.failure
        if not isinstance(error, ServiceError) or self.fetch.on_error == "partial":
            return
        failed = self.answers.ids[self.answers.status == FAILED].tolist()
        error.message = (
            f"{self.query.source} rejects {len(failed):,} of the IDs, also one by one: "
            f"{listing(self.answers.shown(failed))}. For the first, {error.message}"
        )
        error.advice = 'Drop these IDs, or pass on_error="partial" to get NA for them.'
        error.progress = self._progress()
        raise error
