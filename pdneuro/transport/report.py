"""What became of every ID of the latest call, and the warnings that follow from it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

import pandas as pd

from pdneuro.errors import (
    MixedSnapshotWarning,
    PartialResultWarning,
    UnknownIdsError,
    UnknownIdsWarning,
    listing,
    warn,
)
from pdneuro.options import Fetch
from pdneuro.transport.answers import FAILED, UNKNOWN, Answers


class Report:
    """The fetches of one call, in their order."""

    def __init__(self) -> None:
        self.fetches: list[Answers] = []

    def table(self) -> pd.DataFrame:
        """One row for each ID and property asked."""
        parts = [fetch.report() for fetch in self.fetches]
        return pd.concat(parts, ignore_index=True) if parts else Answers.of_none().report()

    def snapshots(self) -> list[int]:
        """Distinct materialisation times of the answers, unix seconds, rising."""
        times = {time for fetch in self.fetches for time in pd.unique(fetch.snapshots).tolist()}
        return sorted(times - {-1})

    def conclude(self, fetch: Fetch) -> None:
        """Warn of, or raise for, what a caller should know about the answers as a whole."""
        failed = [answers for answers in self.fetches if answers.failure is not None]
        if failed:
            lost = sum(int((answers.status >= FAILED).sum()) for answers in failed)
            warn(
                f"{lost:,} IDs could not be fetched; their rows hold NA. The first failure: "
                f"{failed[0].failure} See pdneuro.last_report().",
                PartialResultWarning,
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
            message = (
                f"{self.fetches[0].source} does not know {len(unknown):,} of the IDs: "
                f"{listing(unknown)}. {hint}"
            )
            if fetch.on_missing == "raise":
                raise UnknownIdsError(f"{message} What was found is stored.")
            warn(
                f"{message} Their rows hold NA; see pdneuro.last_report(). "
                'on_missing="ignore" is silent, "raise" stops.',
                UnknownIdsWarning,
            )
        times = self.snapshots()
        if len(times) > 1:
            shown = [f"{pd.Timestamp(time, unit='s'):%Y-%m-%dT%H:%M:%SZ} ({time})" for time in times]
            warn(
                f"the answers come from {len(times)} snapshots of the service's data: "
                f"{listing(shown)}. They may not fit together; refresh=True asks for all of them anew.",
                MixedSnapshotWarning,
            )


_current: ContextVar[Report | None] = ContextVar("pdneuro_report", default=None)
_latest = Report()


@contextlib.contextmanager
def one_call(fetch: Fetch) -> Iterator[Report]:
    """Gather the fetches of one public call into one report; warnings come once, at its end."""
    global _latest
    outer = _current.get()
    if outer is not None:
        yield outer
        return
    report = Report()
    mark = _current.set(report)
    try:
        yield report
    finally:
        _current.reset(mark)
        _latest = report
    report.conclude(fetch)


def record(answers: Answers) -> None:
    """Add a fetch to the report of the call under way."""
    report = _current.get()
    if report is not None:
        report.fetches.append(answers)


def last_report() -> pd.DataFrame:
    """What became of every ID of the latest call that asked a source.

    Returns
    -------
    DataFrame
        One row for each ID and property, in the order asked: ``id`` (int64), ``status`` (text:
        ``"answered"``; ``"none"``, known to the service but with nothing to tell; ``"unknown"`` to
        the service; ``"failed"``; ``"not asked"``), ``detail`` (text, what the service said),
        ``from_cache`` (bool), ``materialized_timestamp`` (Int64, unix seconds of the service's
        snapshot), ``property`` and ``source`` (text).

    Examples
    --------
    >>> ids = pdneuro.sandbox.neurons().root_id.head(2)
    >>> _ = ids.neuro.properties("link_pre")
    >>> pdneuro.last_report()[["status", "from_cache", "property"]]
         status  from_cache  property
    0  answered       False  link_pre
    1  answered       False  link_pre
    """
    return _latest.table()
