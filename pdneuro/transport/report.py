"""The status and the value of every ID of a call, and the warnings that follow from them."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro._compat import TEXT
from pdneuro.errors import (
    EmptyResponseWarning,
    MixedSnapshotWarning,
    PartialResultWarning,
    ServiceError,
    UnknownIdsError,
    UnknownIdsWarning,
    listing,
    warn,
)
from pdneuro.options import Fetch

#: Encodings that mean the same for every service; a service numbers its own from FIRST_ENCODING on.
UNKNOWN_ENCODING, NONE_ENCODING, FIRST_ENCODING = 0, 1, 2
#: Encodings from this number on are not cached: of values that are not as documented, which are
#: returned, and of the two reasons for which a value does not exist today and may exist tomorrow.
NOT_CACHED, NO_VALUE_NOW, NOT_GENERATED_ENCODING = 64, 126, 127

#: Status of an ID, by number in :class:`Answers`; only a row of a table can lack its ID.
FOUND, NONE, UNKNOWN, NOT_GENERATED, FAILED, NOT_REQUESTED, MISSING = range(7)
STATUS = ("found", "none", "unknown", "not generated", "failed", "not requested", "missing")
#: The status of an ID with several properties is the last of those in this order.
_BY_WEIGHT = np.array([UNKNOWN, NONE, NOT_GENERATED, FOUND, NOT_REQUESTED, FAILED], np.int8)
_STATUS_OF_ENCODING = np.full(128, FOUND, np.int8)
_STATUS_OF_ENCODING[[UNKNOWN_ENCODING, NONE_ENCODING]] = UNKNOWN, NONE
_STATUS_OF_ENCODING[[NO_VALUE_NOW, NOT_GENERATED_ENCODING]] = NONE, NOT_GENERATED


class ShapeError(ValueError):
    """A body is not what its service documents."""


class Batch(NamedTuple):
    """Values from one response: aligned sequences, one entry per ID in the response.

    ``encodings`` are numbers from ``FIRST_ENCODING`` on (how a payload is encoded) or ``NONE_ENCODING``.
    IDs of the request that are not listed are unknown to the service. ``verify`` raises
    RequestTooLargeError if the response was truncated. Other responses can make its request needless,
    so it is called after them, and before the values are cached.
    """

    ids: list[int]
    encodings: list[int]
    payloads: list[bytes | None]
    snapshot: int | None
    verify: Callable[[], None] | None = None


@dataclass
class Answers:
    """Values of distinct IDs, one entry per ID, in the order of the request."""

    ids: npt.NDArray[np.int64]
    property: str
    source: str
    status: npt.NDArray[np.int8] = field(init=False)
    encodings: npt.NDArray[np.int8] = field(init=False)
    snapshots: npt.NDArray[np.int64] = field(init=False)
    from_cache: npt.NDArray[np.bool_] = field(init=False)
    #: Encoded values; None unless ``status`` is FOUND.
    payloads: npt.NDArray[np.object_] = field(init=False)
    details: dict[int, str] = field(default_factory=dict)
    failure: Exception | None = None
    #: IDs of responses that were empty, and that may be known to the service.
    unanswered: list[int] = field(default_factory=list)
    #: Names by ID, if the user passed names.
    names: Mapping[int, str] | None = None
    #: What an ID that the service does not know may be.
    hint: str = ""

    def __post_init__(self) -> None:
        count = len(self.ids)
        self.status = np.full(count, NOT_REQUESTED, np.int8)
        self.encodings = np.zeros(count, np.int8)
        self.snapshots = np.full(count, -1, np.int64)
        self.from_cache = np.zeros(count, bool)
        self.payloads = np.full(count, None, object)
        self._index = pd.Index(self.ids)

    @classmethod
    def of_none(cls) -> Answers:
        """Return the values of no ID."""
        return cls(np.empty(0, np.int64), "", "")

    def positions(self, ids: Sequence[int] | npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
        """Return the positions of IDs."""
        return self._index.get_indexer(pd.Index(np.asarray(ids, np.int64)))

    def take(
        self,
        ids: Sequence[int] | npt.NDArray[np.int64],
        encodings: Sequence[int] | npt.NDArray[np.int8],
        payloads: Sequence[bytes | None],
        snapshots: npt.NDArray[np.int64],
        *,
        from_cache: bool,
    ) -> None:
        """Enter the values of IDs."""
        positions = self.positions(ids)
        self.encodings[positions] = numbers = np.asarray(encodings, np.int8)
        self.status[positions] = _STATUS_OF_ENCODING[numbers]
        self.snapshots[positions] = snapshots
        self.from_cache[positions] = from_cache
        # Not np.array(): it would look for numbers inside each payload.
        self.payloads[positions] = np.fromiter(payloads, object, len(payloads))

    def fail(self, ids: Sequence[int], error: ServiceError) -> None:
        """Enter IDs whose request failed."""
        self.status[self.positions(ids)] = FAILED
        self.details.update(dict.fromkeys(ids, error.message))
        self.failure = self.failure or error

    def leave_open(self, ids: Sequence[int]) -> None:
        """Enter IDs of a response that contained none of them."""
        self.status[self.positions(ids)] = FAILED
        self.details.update(dict.fromkeys(ids, "the whole response was empty"))
        self.unanswered += ids

    def shown(self, ids: Iterable[int]) -> list[Any]:
        """Return IDs as the user passed them."""
        return [number if self.names is None else self.names[number] for number in ids]

    def report(self) -> pd.DataFrame:
        """Return the rows of these IDs in ``pdneuro.last_report()``."""
        count = len(self.ids)
        ids = self.ids if self.names is None else pd.array(self.shown(self.ids.tolist()), dtype=TEXT)
        words = np.array(STATUS, object)[self.status]
        details = [self.details.get(number, "") for number in self.ids.tolist()]
        times = pd.arrays.IntegerArray(np.maximum(self.snapshots, 0), self.snapshots < 0)
        return pd.DataFrame(
            {
                "id": ids,
                "status": pd.array(words, dtype=TEXT),
                "detail": pd.array(details, dtype=TEXT),
                "from_cache": self.from_cache,
                "materialized_timestamp": times,
                "property": pd.array([self.property] * count, dtype=TEXT),
                "source": pd.array([self.source] * count, dtype=TEXT),
            }
        )


class Report:
    """The fetches of one call, in their order."""

    def __init__(self, hint: Callable[[], str] | None = None) -> None:
        self.fetches: list[Answers] = []
        #: Returns what else unknown IDs may be; called only if there are some.
        self.hint = hint

    def table(self) -> pd.DataFrame:
        """Return one row per ID and property."""
        parts = [fetch.report() for fetch in self.fetches]
        return pd.concat(parts, ignore_index=True) if parts else Answers.of_none().report()

    def status(self, ids: npt.NDArray[np.int64], first: int = 0) -> npt.NDArray[np.int8]:
        """Return the status of each ID over all fetches from the ``first`` one on.

        An ID that was found for one property is found. A failure counts more, since a value may be
        lost. 0 is MISSING; another ID that no fetch contains is -1.
        """
        weight_of = np.argsort(_BY_WEIGHT)
        weights = np.full(len(ids), -1)
        for answers in self.fetches[first:]:
            positions = answers.positions(ids)
            known = positions >= 0
            found = weight_of[answers.status[positions[known]]]
            weights[known] = np.maximum(weights[known], found)
        status = np.where(weights < 0, -1, _BY_WEIGHT[weights]).astype(np.int8)
        status[ids == 0] = MISSING
        return status

    def snapshots(self) -> list[int]:
        """Return the distinct materialization times of the values, in Unix seconds, ascending."""
        times = {time for fetch in self.fetches for time in pd.unique(fetch.snapshots).tolist()}
        return sorted(times - {-1})

    def warn_about(self, fetch: Fetch) -> None:
        """Warn of, or raise for, failed and unknown IDs; warn of values from several snapshots."""
        failed = [answers for answers in self.fetches if answers.failure is not None]
        if failed:
            lost = sum(int((answers.status >= FAILED).sum()) for answers in failed)
            warn(
                f"{lost:,} IDs could not be fetched, so they have no values. The first failure: "
                f"{failed[0].failure} See pdneuro.last_report().",
                PartialResultWarning,
            )
        for answers in self.fetches:
            if not answers.unanswered or fetch.on_missing == "ignore":
                continue
            ids = listing(answers.shown(answers.unanswered))
            message = (
                f"{answers.source} returned no {answers.property!r} for any of "
                f"{len(answers.unanswered):,} IDs ({ids}): the whole response was empty, also at the "
                "second request. The IDs may be unknown, or the service may lack data at the moment."
            )
            more = self.hint() if self.hint is not None else ""
            message = f"{message} {more}".rstrip()
            if fetch.on_missing == "raise":
                raise UnknownIdsError(message)
            warn(
                f"{message} They have no values and are not cached: the next call requests them again.",
                EmptyResponseWarning,
            )
        unknown = sorted(
            {
                shown
                for answers in self.fetches
                for shown in answers.shown(answers.ids[answers.status == UNKNOWN].tolist())
            },
            key=lambda shown: (isinstance(shown, str), shown),
        )
        if unknown and fetch.on_missing != "ignore":
            hint = next(answers.hint for answers in self.fetches if (answers.status == UNKNOWN).any())
            more = self.hint() if self.hint is not None else ""
            hint = " ".join(part for part in (hint, more) if part)
            message = (
                f"{self.fetches[0].source} does not know {len(unknown):,} of the IDs: "
                f"{listing(unknown)}. {hint}"
            )
            if fetch.on_missing == "raise":
                raise UnknownIdsError(f"{message} The values of the others are cached.")
            warn(
                f"{message} They have no values; see pdneuro.last_report(). "
                'on_missing="ignore" is silent, "raise" stops.',
                UnknownIdsWarning,
            )
        times = self.snapshots()
        if len(times) > 1:
            shown = [f"{pd.Timestamp(time, unit='s'):%Y-%m-%dT%H:%M:%SZ} ({time})" for time in times]
            warn(
                f"the values come from {len(times)} snapshots of the service's data: {listing(shown)}. "
                "They may be inconsistent. Use refresh=True to download all of them again.",
                MixedSnapshotWarning,
            )


_current: ContextVar[Report | None] = ContextVar("pdneuro_report", default=None)
#: The report of the latest call, one per thread.
_latest = threading.local()


@contextlib.contextmanager
def collect_report(fetch: Fetch, hint: Callable[[], str] | None = None) -> Iterator[Report]:
    """Collect the fetches of one public call into one report; warn once, at its end.

    Parameters
    ----------
    fetch : Fetch
    hint : callable, optional
        Returns a sentence about IDs that the service does not know, or an empty text.
    """
    outer = _current.get()
    if outer is not None:
        outer.hint = outer.hint or hint
        yield outer
        return
    report = Report(hint)
    token = _current.set(report)
    try:
        yield report
    finally:
        _current.reset(token)
        _latest.report = report
    report.warn_about(fetch)


def latest() -> Report | None:
    """Return the report of this thread's latest call."""
    return getattr(_latest, "report", None)


def publish(report: Report | None) -> None:
    """Make a report that of this thread's latest call."""
    _latest.report = report


def add(answers: Answers) -> None:
    """Add a fetch to the report of the current call."""
    report = _current.get()
    if report is not None:
        report.fetches.append(answers)


def last_report() -> pd.DataFrame:
    """Return the status of every ID of this thread's latest call that needed a source.

    Returns
    -------
    DataFrame
        One row per ID and property, in the order of the call: ``id`` (int64), ``status`` (text:
        ``"found"``; ``"none"``, known to the service but without a value; ``"unknown"`` to
        the service; ``"not generated"``, a skeleton that the service can generate; ``"failed"``;
        ``"not requested"``), ``detail`` (text, the message of the service),
        ``from_cache`` (bool), ``materialized_timestamp`` (Int64, Unix seconds of the service's
        snapshot), ``property`` and ``source`` (text).

    Examples
    --------
    >>> ids = pdneuro.sandbox.neurons().root_id.head(2)
    >>> _ = ids.neuro.properties("link_pre")
    >>> pdneuro.last_report()[["status", "from_cache", "property"]]
      status  from_cache  property
    0  found       False  link_pre
    1  found       False  link_pre
    """
    return (latest() or Report()).table()
