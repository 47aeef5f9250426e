"""Ask each ID once: first the store, then the service in batches, each kept as soon as it arrives."""

from __future__ import annotations

import contextlib
import sqlite3
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
    CacheWarning,
    ForbiddenError,
    NotFoundError,
    OfflineError,
    RequestTooLargeError,
    ServiceError,
    listing,
    warn,
)
from pdneuro.options import Fetch
from pdneuro.transport import progress
from pdneuro.transport.answers import FAILED, NOT_ASKED, UNKNOWN_FORM, Answers, Batch
from pdneuro.transport.report import record
from pdneuro.transport.store import Scope, Store, is_damaged, is_unusable, set_aside

#: So many unanswered IDs, and such a share of a batch, look like an answer cut short: asked again.
_DOUBT_COUNT, _DOUBT_SHARE = 10, 0.1
#: Refused requests in a row, for each worker, after which the service and not an ID is to blame.
_PATIENCE = 16
#: Errors that every further request would meet as well.
_FINAL = (AuthenticationError, ForbiddenError, NotFoundError)


class Question(NamedTuple):
    """What is asked about each ID."""

    scope: Scope
    source: str
    #: Sends one request with so many retries; called from several threads.
    ask: Callable[[Sequence[int], int], Batch]
    #: Makes threads that wait to try again give up.
    stop: Callable[[], None]
    #: What the IDs stand for, where they are not what the caller asked with.
    names: Mapping[int, str] | None = None
    #: What an ID may be that the service does not know.
    hint: str = "They may be outdated, of another dataset, or no segment IDs (supervoxels, nuclei)."


def fetch_by_id(ids: npt.NDArray[np.int64], question: Question, fetch: Fetch) -> Answers:
    """Answer a question for distinct IDs, from the store and from the service.

    Parameters
    ----------
    ids : array of int64
        Distinct IDs.
    question : Question
        What is asked, and who is asked.
    fetch : Fetch
        Options of the call.

    Returns
    -------
    Answers

    Raises
    ------
    OfflineError
        ``offline=True`` and not everything is stored.
    ServiceError
        The service failed and ``on_error`` is ``"raise"``; what had arrived is stored.
    """
    answers = Answers(
        ids, question.scope.property, question.source, names=question.names, hint=question.hint
    )
    record(answers)
    if not len(ids):
        return answers
    keeper = _Keeper(question.scope)
    try:
        if not fetch.refresh or fetch.offline:
            keeper.recall(answers, fetch)
        open_ids = np.sort(ids[answers.status == NOT_ASKED])
        if not len(open_ids):
            return answers
        if fetch.offline:
            raise OfflineError(
                f"{len(open_ids):,} of {len(ids):,} IDs have no stored {question.scope.property!r} of "
                f"{question.source} (the first: {listing(answers.shown(open_ids[:5].tolist()))}), and "
                "pdneuro is offline. "
                "Ask once with pdneuro.set_options(offline=False) and the same token."
            )
        _Run(answers, question, fetch, keeper).over(open_ids.tolist())
    finally:
        keeper.close()
    return answers


class _Keeper:
    """The store as seen by one fetch: when it fails, say so once and go on without it."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._store = Store.open()
        self._number = 0
        self._guard(self._find_scope)

    @property
    def works(self) -> bool:
        """Whether answers are being kept."""
        return self._store is not None

    def _find_scope(self, store: Store) -> None:
        self._number = store.scope_id(self._scope)

    def recall(self, answers: Answers, fetch: Fetch) -> None:
        def read(store: Store) -> None:
            # Offline, an old answer is better than none.
            oldest = None if fetch.offline else fetch.expire_after
            known = store.get(self._number, answers.ids, oldest)
            answers.take(known.ids, known.forms, known.bodies, known.snapshots, from_cache=True)

        self._guard(read)

    def keep(self, batches: Sequence[Batch]) -> None:
        if batches:
            self._guard(lambda store: store.put(self._number, batches))

    def _guard(self, action: Callable[[Store], None]) -> None:
        if self._store is None:
            return
        try:
            action(self._store)
        except sqlite3.DatabaseError as error:
            path = self._store.path
            if is_damaged(error):
                self.close()
                set_aside(path, error)
            elif is_unusable(error):
                self.close()
                warn(
                    f"The cache {path} cannot be used any more ({error}): answers are returned but no "
                    "longer kept. Free some space, or choose another folder with "
                    "pdneuro.set_options(cache_dir=...).",
                    CacheWarning,
                )
            else:
                raise

    def close(self) -> None:
        if self._store is not None:
            with contextlib.suppress(sqlite3.Error):
                self._store.close()
            self._store = None


class _Part(NamedTuple):
    """IDs of one request to come."""

    ids: list[int]
    retries: int
    #: Whether they were left unanswered before.
    again: bool = False


class _Run:
    """Batches under way over a bounded pool; answers are entered and kept by the calling thread."""

    def __init__(self, answers: Answers, question: Question, fetch: Fetch, keeper: _Keeper) -> None:
        self.answers = answers
        self.question = question
        self.fetch = fetch
        self.keeper = keeper
        self.waiting: deque[_Part] = deque()
        self.under_way: dict[Future[Batch], _Part] = {}
        self.largest = fetch.batch_size
        self.failed_in_a_row = 0
        self.arrived: list[Batch] = []

    def over(self, ids: list[int]) -> None:
        """Ask for all of ``ids``."""
        size = self.fetch.batch_size
        starts = range(0, len(ids), size)
        self.waiting.extend(_Part(ids[i : i + size], self.fetch.retries) for i in starts)
        label = f"{self.question.scope.property} of {self.question.scope.project}"
        pool = ThreadPoolExecutor(self.fetch.max_workers, thread_name_prefix="pdneuro")
        with progress.bar(len(ids), label, "IDs", self.fetch.progress) as bar:
            try:
                while self._submit(pool):
                    bar.update(self._settle(wait(self.under_way, return_when=FIRST_COMPLETED).done))
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
        self._name_culprits()

    def _submit(self, pool: ThreadPoolExecutor) -> bool:
        """Keep the workers busy, and one batch in reserve; whether there is anything to wait for."""
        while self.waiting and len(self.under_way) <= self.fetch.max_workers:
            part = self.waiting.popleft()
            if len(part.ids) > self.largest:
                self._halve(part)
                continue
            self.under_way[pool.submit(self.question.ask, part.ids, part.retries)] = part
        return bool(self.under_way)

    def _settle(self, done: Iterable[Future[Batch]]) -> int:
        """Keep what has arrived; the number of IDs that it settled."""
        known = len(self.arrived)
        settled = sum([self._outcome(self.under_way[future], future) for future in done])
        self.keeper.keep(self.arrived[known:])
        for future in done:  # only now: an interrupt before this line loses nothing
            del self.under_way[future]
        return settled

    def _outcome(self, part: _Part, future: Future[Batch]) -> int:
        """Take the answer to a request, or find out what its failure means."""
        try:
            batch = future.result()
        except RequestTooLargeError as error:
            self.largest = max(1, min(self.largest, len(part.ids) // 2))
            return self._refused(part, error)
        except BatchRefusedError as error:
            return self._refused(part, error)
        except ServiceError as error:
            self._count_failure(error, tolerable=not isinstance(error, _FINAL))
            self.answers.fail(part.ids, error)
            return len(part.ids)
        self.failed_in_a_row = 0
        return self._enter(part, batch)

    def _enter(self, part: _Part, batch: Batch) -> int:
        ids, forms, bodies, snapshot = batch
        asked = set(part.ids)
        if not asked.issuperset(ids):  # answers to IDs that nobody asked for
            wanted = [place for place, number in enumerate(ids) if number in asked]
            ids, forms = [ids[place] for place in wanted], [forms[place] for place in wanted]
            bodies = [bodies[place] for place in wanted]
        absent = sorted(asked.difference(ids))
        doubtful = len(absent) >= max(_DOUBT_COUNT, _DOUBT_SHARE * len(asked))
        if absent and ids and (doubtful or part.again):
            # Unknown IDs, or an answer cut short? Asked again alone, unknown ones stay unanswered.
            self.waiting.append(_Part(absent, part.retries, again=True))
            absent = []
        ids, forms = ids + absent, forms + [UNKNOWN_FORM] * len(absent)
        bodies = bodies + [None] * len(absent)
        self.arrived.append(Batch(ids, forms, bodies, snapshot))
        return len(ids)

    def _enter_all(self) -> None:
        """Enter what arrived, at once: one batch at a time costs several times as much."""
        if self.arrived:
            ids, forms, bodies, times = zip(*self.arrived, strict=True)
            snapshots = [-1 if time is None else time for time in times]
            self.answers.take(
                [*chain.from_iterable(ids)],
                [*chain.from_iterable(forms)],
                [*chain.from_iterable(bodies)],
                np.repeat(np.array(snapshots, np.int64), [*map(len, ids)]),
                from_cache=False,
            )
            self.arrived.clear()

    def _refused(self, part: _Part, error: BatchRefusedError) -> int:
        """Halve a refused batch until the culprit stands alone; it fails, the rest is served."""
        self._count_failure(error, tolerable=True)
        named = {part.ids[place] for place in error.positions if 0 <= place < len(part.ids)}
        if named and len(named) < len(part.ids):
            rest = [number for number in part.ids if number not in named]
            self.waiting.appendleft(part._replace(ids=rest))
            self.answers.fail(sorted(named), error)
            return len(named)
        if len(part.ids) > 1:
            self._halve(part)
            return 0
        self.answers.fail(part.ids, error)
        return 1

    def _halve(self, part: _Part) -> None:
        middle = len(part.ids) // 2
        retries = min(part.retries, 1)  # the whole batch had all its tries
        for half in (part.ids[middle:], part.ids[:middle]):
            self.waiting.appendleft(part._replace(ids=half, retries=retries))

    def _count_failure(self, error: ServiceError, *, tolerable: bool) -> None:
        self.failed_in_a_row += 1
        refused = isinstance(error, BatchRefusedError)
        limit = _PATIENCE if refused else 2 if self.fetch.on_error == "partial" else 0
        if not tolerable or self.failed_in_a_row > limit * self.fetch.max_workers:
            raise error

    def _abandon(self, pool: ThreadPoolExecutor, patience: float) -> None:
        """Stop asking, but keep what has arrived, or does within ``patience`` seconds."""
        self.question.stop()
        pool.shutdown(wait=False, cancel_futures=True)
        self.waiting.clear()
        known = len(self.arrived)
        for future in wait(self.under_way, timeout=patience).done:
            if not future.cancelled() and future.exception() is None:
                self._enter(self.under_way[future], future.result())
        self.keeper.keep(self.arrived[known:])
        self._enter_all()

    def _progress(self) -> str:
        arrived = int((self.answers.status < FAILED).sum())
        kept = "stored" if self.keeper.works else "lost, because the cache cannot be used"
        return (
            f"{arrived:,} of {len(self.answers.ids):,} IDs are answered and {kept}; the same call "
            "again asks only for the rest."
        )

    def _name_culprits(self) -> None:
        error = self.answers.failure
        if not isinstance(error, ServiceError) or self.fetch.on_error == "partial":
            return
        culprits = self.answers.ids[self.answers.status == FAILED].tolist()
        error.message = (
            f"{self.question.source} refuses {len(culprits):,} of the IDs, also one by one: "
            f"{listing(self.answers.shown(culprits))}. For the first, {error.message}"
        )
        error.advice = 'Drop these IDs, or pass on_error="partial" to get NA for them.'
        error.progress = self._progress()
        raise error
