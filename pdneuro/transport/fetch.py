"""Fetch values by ID: from the cache, then from the service in batches, each cached as it arrives."""

from __future__ import annotations

import contextvars
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pdneuro import tracebacks
from pdneuro.errors import (
    AuthenticationError,
    BatchRefusedError,
    CacheWarning,
    ForbiddenError,
    InvalidResponseError,
    NotFoundError,
    OfflineError,
    RequestTooLargeError,
    ServiceError,
    listing,
    warn,
)
from pdneuro.options import Fetch
from pdneuro.transport import progress
from pdneuro.transport.report import (
    FAILED,
    NOT_CACHED,
    NOT_REQUESTED,
    UNKNOWN_ENCODING,
    Answers,
    Batch,
    ShapeError,
    add,
)
from pdneuro.transport.store import CLAIM_SECONDS, OptionalStore, Scope, Stored

#: If this many IDs and this share of a batch are missing, the response may be truncated: request again.
_DOUBT_COUNT, _DOUBT_SHARE = 10, 0.1
#: Consecutive rejected requests per worker before the service is considered down.
_PATIENCE = 16
#: Errors that every further request would raise as well.
_FINAL = (AuthenticationError, ForbiddenError, NotFoundError)
#: After this many 404 and no other response (a batch and its halves), the address is wrong.
_NOT_FOUND_LIMIT = 3
#: Seconds between two looks for values that other processes request.
_POLL = 0.05

#: Reads encoded payloads completely; see :class:`BatchQuery`.
Check = Callable[[Sequence[int], Sequence[bytes | None]], None]


def _accept(encodings: Sequence[int], payloads: Sequence[bytes | None]) -> None:
    """Accept all payloads."""


class BatchQuery(NamedTuple):
    """A query for one value per ID, sent in batches."""

    scope: Scope
    source: str
    #: Sends one request for IDs, with this number of retries; called from several threads.
    send: Callable[[Sequence[int], int], Batch]
    #: Ends the pauses of threads that wait for a retry.
    cancel: Callable[[], None]
    #: Raises ShapeError if payloads cannot be read; called for new values and for cached ones.
    check: Check = _accept
    #: Names by ID, if the user passed names.
    names: Mapping[int, str] | None = None
    #: What an ID that the service does not know may be.
    hint: str = "They may be outdated, of another dataset, or no segment IDs (supervoxels, nuclei)."


@tracebacks.stoppable()
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
    batches: _Batches | None = None
    try:
        store.run(lambda opened: opened.is_changed())  # from now on it reports changes by others
        scope = store.run(lambda opened: opened.scope_id(query.scope)) or 0
        if not fetch.refresh or fetch.offline:
            # Offline, an expired value is better than none.
            limit = None if fetch.offline else fetch.max_age
            stored = store.run(lambda opened: opened.get(scope, ids, limit))
            if stored is not None:
                answers.take(*_readable(stored, query), from_cache=True)
        open_ids = np.sort(ids[answers.status == NOT_REQUESTED])
        if not len(open_ids):
            return answers
        if fetch.offline:
            raise OfflineError(
                f"{len(open_ids):,} of {len(ids):,} IDs have no stored {query.scope.property!r} of "
                f"{query.source} (the first: {listing(answers.shown(open_ids[:5].tolist()))}), and "
                "pdneuro is offline. Call once with the same token and "
                "pdneuro.set_options(offline=False)."
            )
        batches = _Batches(answers, query, fetch, store, scope)
        batches.run(open_ids.tolist())
    finally:
        try:
            if batches is not None:
                batches.end_claims()
        finally:
            store.close()
    return answers


def _readable(stored: Stored, query: BatchQuery) -> Stored:
    """Return the cached values that can be read; warn of the others, which are requested again."""
    faults = _faults(query.check, stored.encodings, stored.payloads)
    if not faults.any():
        return stored
    lost = stored.ids[faults].tolist()
    warn(
        f"{len(lost):,} cached values of {query.scope.property!r} cannot be read, such as that of "
        f"{listing(lost, 1)}. They are dropped, and requested again unless pdneuro is offline.",
        CacheWarning,
    )
    payloads = [body for body, fault in zip(stored.payloads, faults, strict=True) if not fault]
    return Stored(stored.ids[~faults], stored.encodings[~faults], payloads, stored.snapshots[~faults])


def _without_invalid(batch: Batch) -> Batch:
    """Return the values of a batch that are cached: those that are as documented."""
    if max(batch.encodings, default=0) < NOT_CACHED:
        return batch
    rows = zip(batch.ids, batch.encodings, batch.payloads, strict=True)
    valid = [row for row in rows if row[1] < NOT_CACHED]
    ids, encodings, payloads = map(list, zip(*valid, strict=True)) if valid else ([], [], [])
    return Batch(ids, encodings, payloads, batch.snapshot)


def _faults(check: Check, encodings: Any, payloads: Sequence[bytes | None]) -> npt.NDArray[np.bool_]:
    """Return which payloads cannot be read."""
    try:
        check(encodings, payloads)
        return np.zeros(len(payloads), bool)
    except Exception:  # damaged bytes can raise anything
        if len(payloads) == 1:
            return np.ones(1, bool)
    middle = len(payloads) // 2
    halves = slice(None, middle), slice(middle, None)
    return np.concatenate([_faults(check, encodings[half], payloads[half]) for half in halves])


class _Batch(NamedTuple):
    """IDs of one request to send."""

    ids: list[int]
    retries: int
    #: Whether an earlier response did not contain them.
    again: bool = False


def _verified(values: Batch) -> Batch:
    """Return the values of a response that is complete."""
    assert values.verify is not None
    values.verify()
    return values._replace(verify=None)


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
        #: Responses that are verified when no other one is under way.
        self.unverified: list[tuple[_Batch, Batch]] = []
        #: Whether a response contained values, how many were a 404, and the batches of these.
        self.responded = False
        self.not_found = 0
        self.missing: list[tuple[_Batch, NotFoundError]] = []
        #: Name of this fetch among all that use the cache, and IDs that others request at this moment.
        self.owner = secrets.token_hex(8)
        self.elsewhere: list[int] = []
        self.others_write = False
        self.extended = time.monotonic()

    def run(self, ids: list[int]) -> None:
        """Fetch all of ``ids``."""
        self._queue(ids)
        label = f"{self.query.scope.property} of {self.query.scope.project}"
        pool = ThreadPoolExecutor(self.fetch.max_workers, thread_name_prefix="pdneuro")
        with progress.bar(len(ids), label, "IDs", self.fetch.progress) as bar:
            try:
                while self._submit(pool):
                    pause = _POLL if self.elsewhere else CLAIM_SECONDS / 3
                    if self.under_way:
                        done = wait(self.under_way, pause, return_when=FIRST_COMPLETED).done
                        self._finish(done)
                    else:
                        time.sleep(pause)
                    self._extend_claims()
                    self._show(bar, len(ids))
                self._enter_missing()
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
            self._show(bar, len(ids))
            bar.set_postfix_str(self._origin(), refresh=False)
        self._raise_failed()

    def _show(self, bar: Any, total: int) -> None:
        if not bar.disable:
            batches = (*self.waiting, *self.under_way.values())
            bar.update(total - sum(len(batch.ids) for batch in batches) - len(self.elsewhere) - bar.n)

    def _origin(self) -> str:
        cached, answered = self.answers.from_cache.sum(), (self.answers.status < FAILED).sum()
        return f"{cached:,} from the cache, {answered - cached:,} downloaded"

    def _queue(self, ids: list[int]) -> None:
        size = self.fetch.batch_size
        starts = range(0, len(ids), size)
        self.waiting.extend(_Batch(ids[i : i + size], self.fetch.retries) for i in starts)

    def _submit(self, pool: ThreadPoolExecutor) -> bool:
        """Keep all workers busy and one batch in reserve; return whether values are still to come."""
        if not self.waiting:
            ids, self.elsewhere = self.elsewhere, []
            self._queue(ids)
        while self.waiting and len(self.under_way) <= self.fetch.max_workers:
            batch = self.waiting.popleft()
            if len(batch.ids) > self.largest:
                self._halve(batch)
                continue
            batch = batch._replace(ids=self._claimed(batch.ids))
            if batch.ids:
                run = contextvars.copy_context().run  # the thread sees the options of the caller
                self.under_way[pool.submit(run, self._request, batch)] = batch
        if not self.under_way:
            for batch, values in self.unverified:
                run = contextvars.copy_context().run
                self.under_way[pool.submit(run, _verified, values)] = batch
            self.unverified.clear()
        return bool(self.under_way or self.elsewhere)

    def _claimed(self, ids: list[int]) -> list[int]:
        """Return the IDs to request: not those that another process requests or has just cached."""
        if self.fetch.refresh:
            return ids
        claimed = self.store.run(lambda opened: opened.claim(self.scope, ids, self.owner))
        if claimed is None:  # there is no cache
            return ids
        # The cache is read after the claim: what another process requested before is in it by now.
        self.others_write |= bool(self.store.run(lambda opened: opened.is_changed()))
        cached: set[int] = set()
        if self.others_write:
            wanted, age = np.array(ids, np.int64), self.fetch.max_age
            stored = self.store.run(lambda opened: opened.get(self.scope, wanted, age))
            if stored is not None:
                stored = _readable(stored, self.query)
                self.answers.take(*stored, from_cache=True)
                cached = set(stored.ids.tolist())
        own = set(claimed)
        self.elsewhere += [number for number in ids if number not in own and number not in cached]
        return [number for number in claimed if number not in cached]

    def _extend_claims(self) -> None:
        if not self.fetch.refresh and time.monotonic() - self.extended > CLAIM_SECONDS / 3:
            self.extended = time.monotonic()
            self.store.run(lambda opened: opened.extend_claims(self.owner))

    def end_claims(self) -> None:
        """Let other processes request what this fetch did not cache."""
        if not self.fetch.refresh:
            self.store.run(lambda opened: opened.extend_claims(self.owner, -1.0))

    def _request(self, batch: _Batch) -> Batch:
        """Return the values of a response, read completely; an empty or wrong one is requested again.

        Raises
        ------
        InvalidResponseError
            A payload cannot be read, or the second response has IDs that were not requested as well.
        """
        # An empty response for one ID is how a service reports that it is unknown.
        plausible = batch.again or len(batch.ids) == 1
        for is_last in (False, True):
            values = self.query.send(batch.ids, batch.retries)
            foreign = sorted(set(values.ids).difference(batch.ids))
            if is_last or (not foreign and (values.ids or plausible)):
                break
        address, name = self.query.scope.address, self.query.scope.property
        if foreign:
            raise InvalidResponseError(
                f"the response for {name!r} contains {len(foreign):,} IDs that were not requested: "
                f"{listing(foreign)}.",
                url=address,
            )
        try:
            self.query.check(values.encodings, values.payloads)
        except ShapeError as error:
            raise InvalidResponseError(
                f"a value of {name!r} cannot be read: {error}", url=address
            ) from error
        return values

    def _finish(self, done: Iterable[Future[Batch]]) -> None:
        """Cache the values that arrived."""
        known = len(self.arrived)
        for future in done:
            self._outcome(self.under_way[future], future)
        self._write(self.arrived[known:])
        for future in done:  # only now: an interrupt before this line loses nothing
            del self.under_way[future]

    def _outcome(self, batch: _Batch, future: Future[Batch]) -> None:
        """Take the values of a response, or find out what its failure means."""
        try:
            values = future.result()
        except RequestTooLargeError as error:
            self.largest = max(1, min(self.largest, len(batch.ids) // 2))
            self._rejected(batch, error)
        except BatchRefusedError as error:
            self._rejected(batch, error)
        except ServiceError as error:
            if error.status == 404 and type(error) is NotFoundError:
                self._not_found(batch, error)
                return
            self._count_failure(error, tolerable=not isinstance(error, _FINAL))
            self.answers.fail(batch.ids, error)
        else:
            self.failed_in_a_row = 0
            if values.verify is not None:
                self.unverified.append((batch, values))
                return
            self._enter(batch, values)
            if not self.responded:
                self.responded, missing, self.missing = True, self.missing, []
                for earlier, failure in missing:  # project and property exist, so an ID is unknown
                    self._not_found(earlier, failure)

    def _not_found(self, batch: _Batch, error: NotFoundError) -> None:
        """Isolate an unknown ID like an invalid one, unless project or property seem to be wrong."""
        self.not_found += 1
        self._count_failure(error, tolerable=self.responded or self.not_found < _NOT_FOUND_LIMIT)
        if len(batch.ids) > 1 and (self.responded or self.not_found == 1):
            self._halve(batch)
        else:
            self.missing.append((batch, error))

    def _enter_missing(self) -> None:
        """Enter the IDs with a 404 as unknown, if the service responds to others."""
        if self.missing and not self.responded:
            raise self.missing[0][1]
        if self.missing:
            ids = [number for batch, _ in self.missing for number in batch.ids]
            batch = Batch(ids, [UNKNOWN_ENCODING] * len(ids), [None] * len(ids), None)
            self.arrived.append(batch)
            self._write([batch])

    def _enter(self, batch: _Batch, values: Batch) -> None:
        ids, encodings, payloads, snapshot, _ = values
        if not ids and not batch.again and len(batch.ids) > 1:
            self.answers.leave_open(batch.ids)
            return
        absent = sorted(set(batch.ids).difference(ids))
        doubtful = len(absent) >= max(_DOUBT_COUNT, _DOUBT_SHARE * len(batch.ids))
        if absent and ids and (doubtful or batch.again):
            # Unknown IDs, or a truncated response? A second response without them means unknown.
            self.waiting.append(_Batch(absent, batch.retries, again=True))
            absent = []
        encodings = encodings + [UNKNOWN_ENCODING] * len(absent)
        payloads = payloads + [None] * len(absent)
        self.arrived.append(Batch(ids + absent, encodings, payloads, snapshot))

    def _write(self, batches: Sequence[Batch]) -> None:
        valid = [batch for whole in batches if (batch := _without_invalid(whole)).ids]
        if valid:
            self.store.run(lambda opened: opened.put(self.scope, valid))

    def _enter_all(self) -> None:
        """Enter all values at once: one batch at a time costs several times as much."""
        if self.arrived:
            ids, encodings, payloads, times, _ = zip(*self.arrived, strict=True)
            snapshots = [-1 if time is None else time for time in times]
            self.answers.take(
                [*chain.from_iterable(ids)],
                [*chain.from_iterable(encodings)],
                [*chain.from_iterable(payloads)],
                np.repeat(np.array(snapshots, np.int64), [*map(len, ids)]),
                from_cache=False,
            )
            self.arrived.clear()

    def _rejected(self, batch: _Batch, error: BatchRefusedError) -> None:
        """Split a rejected batch in half until the invalid ID is isolated. Only that ID fails."""
        self._count_failure(error, tolerable=True)
        named = {batch.ids[place] for place in error.positions if 0 <= place < len(batch.ids)}
        if named and len(named) < len(batch.ids):
            rest = [number for number in batch.ids if number not in named]
            self.waiting.appendleft(batch._replace(ids=rest))
            self.answers.fail(sorted(named), error)
        elif len(batch.ids) > 1:
            self._halve(batch)
        else:
            self.answers.fail(batch.ids, error)

    def _halve(self, batch: _Batch) -> None:
        middle = len(batch.ids) // 2
        retries = min(batch.retries, 1)  # the whole batch had all its retries
        for half in (batch.ids[middle:], batch.ids[:middle]):
            self.waiting.appendleft(batch._replace(ids=half, retries=retries))

    def _count_failure(self, error: ServiceError, *, tolerable: bool) -> None:
        self.failed_in_a_row += 1
        rejected = isinstance(error, BatchRefusedError | NotFoundError)
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
            if future.cancelled() or future.exception() is not None:
                continue
            if future.result().verify is None:
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
