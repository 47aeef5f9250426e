"""Materialization versions: read what the user wants, choose one, list what can be queried at it."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro.cave.parse import table_entry
from pdneuro.cave.payload import CAPABILITIES, DATASTACKS, ROOT_BATCH
from pdneuro.cave.send import Cave
from pdneuro.errors import (
    BatchRefusedError,
    ExpiredVersionError,
    InvalidRequestError,
    InvalidResponseError,
    InvalidVersionError,
    NotFoundError,
    OfflineError,
    OldServiceError,
    PartialResultWarning,
    RequestTooLargeError,
    ServerError,
    ServiceError,
    StaleIdsWarning,
    listing,
    warn,
)
from pdneuro.options import Fetch
from pdneuro.sources import Entry, capabilities
from pdneuro.tables.ids import Int64Array
from pdneuro.transport.http import run_parallel

#: The version that fits the root IDs of a call.
AUTO = "auto"
#: How a version was chosen that the user named.
GIVEN = "as given"
#: Maximum number of refused requests for the times of root IDs.
_MAX_REFUSED = 60
_ISO = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?)?\s?(Z|[+-]\d\d(:?\d\d)?)?")


# -- what the user wants ----------------------------------------------------------------------------


class Wanted(NamedTuple):
    """A version as the user gave it: a number, a time (UTC), or neither for ``"auto"``."""

    number: int | None = None
    moment: pd.Timestamp | None = None
    #: The time was given without a time zone.
    is_naive: bool = False

    def __str__(self) -> str:
        """Return the version as text, as a source has it behind ``@``."""
        if self.moment is not None:
            return f"{self.moment.tz_convert(None).isoformat()}Z"
        return AUTO if self.number is None else str(self.number)

    @property
    def described(self) -> str:
        """Return a time as text, with a remark if its time zone was not given."""
        return f"{self} (given without a time zone, read as UTC)" if self.is_naive else str(self)


def wanted_version(given: Any) -> Wanted:
    """Read a version: a whole number, a time, or ``"auto"``.

    Parameters
    ----------
    given : int, str, Timestamp, datetime, date or datetime64
        Text is decimal digits, an ISO date or time, or ``"auto"``. A time without a time zone is UTC.

    Raises
    ------
    InvalidVersionError
        It is none of these, such as a float, a boolean or ``"latest"``; or it lies in the future.

    Examples
    --------
    >>> str(wanted_version("1300")), str(wanted_version("2024-06-05T02:00+02:00"))
    ('1300', '2024-06-05T00:00:00Z')
    """
    if isinstance(given, Wanted):
        return given
    if isinstance(given, str):
        text = given.strip()
        if text == AUTO:
            return Wanted()
        if text.isascii() and text.isdigit():
            return Wanted(int(text))
        if _ISO.fullmatch(text):
            return _wanted_moment(text, given)
    elif isinstance(given, int | np.integer) and not isinstance(given, bool | np.bool_) and given >= 0:
        return Wanted(int(given))
    elif isinstance(given, datetime.date | np.datetime64) and not pd.isna(given):
        return _wanted_moment(given, given)
    raise InvalidVersionError(
        f"{given!r:.60} is not a version. A version is a whole number such as 1300, a time such as "
        "'2024-06-05T12:00Z' or pd.Timestamp('2024-06-05', tz='UTC'), or 'auto' for the newest version "
        "at which all IDs are valid."
    )


def _wanted_moment(readable: Any, given: Any) -> Wanted:
    try:
        moment = pd.Timestamp(readable).as_unit("us")
    except (ValueError, OverflowError) as error:
        raise InvalidVersionError(f"{given!r:.60} is not a time: {error}.") from error
    is_naive = moment.tz is None
    moment = moment.tz_localize("UTC") if is_naive else moment.tz_convert("UTC")
    wanted = Wanted(None, moment, is_naive)
    if moment > pd.Timestamp.now("UTC"):
        raise InvalidVersionError(f"the time {wanted.described} lies in the future. Use an earlier one.")
    return wanted


# -- the version that is used -----------------------------------------------------------------------


class Choice(NamedTuple):
    """The version that is used, and how it was chosen."""

    number: int
    reason: str


def choose(client: Cave, wanted: Wanted | None, ids: Int64Array, fetch: Fetch) -> Choice:
    """Return a version that exists.

    Parameters
    ----------
    client : Cave
    wanted : Wanted or None
        None is the newest version; a time is the nearest earlier version.
    ids : array of int64
        Distinct root IDs, for ``"auto"``: the newest version at which all of them are valid.
    fetch : Fetch

    Raises
    ------
    ExpiredVersionError
        The version does not exist, or the server has no version at that time.
    InvalidVersionError
        ``"auto"`` without IDs.

    Warns
    -----
    StaleIdsWarning
        No version has all of the IDs; the one with most of them is used.
    """
    if wanted is not None and wanted.number is not None and fetch.offline:
        return Choice(wanted.number, GIVEN)  # offline, its existence cannot be checked
    if fetch.offline:
        given = "the newest version" if wanted is None else f"a version for {str(wanted)!r}"
        raise OfflineError(
            f"pdneuro is offline, and {given} of {client.datastack} cannot be found without requests. "
            f"Name a version whose values are cached, such as 'cave:{client.datastack}@1300'."
        )
    known = client.versions()
    if wanted is not None and wanted.number is not None:
        # If the server has no list, a version that does not exist fails in the query.
        if known is None or wanted.number in known:
            return Choice(wanted.number, GIVEN)
        raise ExpiredVersionError(
            f"{client.datastack} has no version {wanted.number} (any more). There are "
            f"{', '.join(map(str, known))}.",
            url=client.server,
        )
    if known is None:
        raise NotFoundError(
            f"the server does not list the versions of {client.datastack}. Name one.",
            status=404,
            url=client.server,
        )
    if wanted is None:
        return Choice(known[-1], "newest")
    if wanted.moment is None and not len(ids):
        raise InvalidVersionError(
            f"'auto' needs root IDs to choose a version of {client.datastack}. Name a version."
        )
    dates = client.dates(known)
    by_time = sorted(known, key=lambda number: dates[number].created)
    if wanted.moment is None:
        return _fitting(client, by_time, [dates[number].created for number in by_time], ids)
    earlier = [number for number in by_time if dates[number].created <= wanted.moment]
    if not earlier:
        first = by_time[0]
        raise ExpiredVersionError(
            f"{client.datastack} has no version from {wanted.described} or before. The oldest one is "
            f"{first}, from {dates[first].created:%Y-%m-%dT%H:%M:%SZ}.",
            url=client.server,
        )
    number = earlier[-1]
    frozen = f"{dates[number].created:%Y-%m-%dT%H:%M:%SZ}"
    return Choice(number, f"nearest at or before {wanted.described}; frozen {frozen}")


class State(NamedTuple):
    """The time at which root IDs are looked up."""

    #: None is now.
    moment: pd.Timestamp | None
    #: The version or the time as text; empty for now.
    label: str
    provenance: Mapping[str, Any]


def state(client: Cave, wanted: Wanted | None, ids: Int64Array, fetch: Fetch) -> State:
    """Return the time of a version or the time itself; None is now.

    Parameters
    ----------
    client : Cave
    wanted : Wanted or None
    ids : array of int64
        Distinct root IDs, for ``"auto"``.
    fetch : Fetch
    """
    if wanted is None:
        return State(None, "", {})
    if wanted.moment is not None:
        return State(wanted.moment, str(wanted), {"moment_of_root_ids": wanted.described})
    number, reason = choose(client, wanted, ids, fetch)
    # Offline, only cached values are used, which need no time.
    moment = None if fetch.offline else client.timestamp(number)
    return State(moment, str(number), {"version_of_data": number, "version_choice": reason})


def state_of_supervoxels(client: Cave, wanted: Wanted | None, fetch: Fetch) -> State:
    """Return the time at which the root IDs of supervoxels are looked up, as :func:`state` does.

    Supervoxels are valid at every version, so ``"auto"`` is the newest one.
    """
    if wanted != Wanted():
        return state(client, wanted, np.empty(0, np.int64), fetch)
    number, _ = choose(client, None, np.empty(0, np.int64), fetch)
    reason = "auto: newest; supervoxels are valid at every version"
    moment = client.timestamp(number)
    return State(moment, str(number), {"version_of_data": number, "version_choice": reason})


def _fitting(
    client: Cave, versions: Sequence[int], times: Sequence[pd.Timestamp], ids: Int64Array
) -> Choice:
    """Return the newest version at which all root IDs are valid, or the one with most of them."""
    first, last = root_times(client, ids)
    valid = valid_counts(np.array([time.value for time in times]) // 1000, first, last)
    best = len(valid) - 1 - int(np.argmax(valid[::-1]))  # of several, the newest
    number, count = versions[best], int(valid[best])
    if count == len(ids):
        return Choice(
            number, f"auto: newest of {len(versions)} versions at which all {count:,} root IDs are valid"
        )
    if not count:
        warn(
            f"no version of {client.datastack} has any of the {len(ids):,} root IDs: "
            f"{listing(ids.tolist())}. The newest version, {number}, has 0 of them. They may be of "
            "another datastack.",
            StaleIdsWarning,
        )
        return Choice(number, f"auto: newest; no version has any of the {len(ids):,} root IDs")
    moment = times[best].value // 1000
    rest = ids[~((first <= moment) & (moment <= last))].tolist()
    warn(
        f"no version of {client.datastack} has all {len(ids):,} root IDs. Version {number} has "
        f"{count:,} of them, the most. The other {len(rest):,} have no data there: {listing(rest)}. "
        f".neuro.at({number}) returns their root IDs at this version.",
        StaleIdsWarning,
    )
    return Choice(
        number,
        f"auto: {count:,} of {len(ids):,} root IDs are valid, the most of {len(versions)} versions",
    )


def valid_counts(
    times: npt.NDArray[np.int64], first: npt.NDArray[np.int64], last: npt.NDArray[np.int64]
) -> npt.NDArray[np.intp]:
    """Return how many intervals contain each time.

    Parameters
    ----------
    times : array of int64
        Ascending.
    first, last : array of int64
        Begin and end of each interval, both included; one that ends before it begins contains nothing.

    Examples
    --------
    >>> valid_counts(np.array([1, 5, 9]), np.array([0, 4, 7]), np.array([9, 6, 3]))
    array([1, 2, 1])
    """
    begins, ends = np.searchsorted(times, first, "left"), np.searchsorted(times, last, "right")
    used = begins < ends
    steps = np.bincount(begins[used], minlength=len(times) + 1)
    steps -= np.bincount(ends[used], minlength=len(times) + 1)
    return np.cumsum(steps)[:-1]


def root_times(client: Cave, ids: Int64Array) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return when root IDs became valid, and when they were last valid, in µs since 1970.

    An ID that the server does not know was never valid: its times are 1 and 0.
    """
    first, last = np.ones(len(ids), np.int64), np.zeros(len(ids), np.int64)
    found = by_halves(client.root_times, ids)
    known = np.flatnonzero([time is not None for time in found])
    first[known] = [found[row] for row in known]
    ends = by_halves(lambda part: client.root_times(part, latest=True), ids[known])
    known_end = np.flatnonzero([time is not None for time in ends])
    last[known[known_end]] = [ends[row] for row in known_end]
    return first, last


def by_halves(send: Callable[[Int64Array], Sequence[Any]], ids: Int64Array) -> list[Any]:
    """Return one value per root ID; None for an ID that the server rejects.

    A rejected batch is split in half, since one unknown ID makes the server reject all of them.
    """
    found: list[Any] = [None] * len(ids)
    starts = range(0, len(ids), ROOT_BATCH)
    parts = [np.arange(start, min(start + ROOT_BATCH, len(ids))) for start in reversed(starts)]
    refused, answered = 0, False
    failure: ServiceError | None = None
    while parts:
        rows = parts.pop()
        try:
            values = send(ids[rows])
        except OldServiceError:
            raise
        except (BatchRefusedError, NotFoundError, InvalidResponseError) as error:
            refused += 1
            if refused >= _MAX_REFUSED or (len(rows) == 1 and isinstance(error, RequestTooLargeError)):
                raise
            if len(rows) > 1:
                middle = len(rows) // 2
                parts += [rows[middle:], rows[:middle]]
            elif not isinstance(error, InvalidRequestError):  # which is how a server rejects an ID
                failure = error
            continue
        answered = True
        for row, value in zip(rows.tolist(), values, strict=True):
            found[row] = value
    if failure is not None and not answered:  # the server may fail for another reason than the IDs
        failure.message = f"every request for {listing(ids.tolist())} failed: {failure.message}"
        failure.advice = f"Check the IDs: they may not exist. {failure.advice}"
        raise failure
    return found


# -- what can be queried ----------------------------------------------------------------------------


def catalog(client: Cave, version: int, versions: Iterable[int], fetch: Fetch) -> list[Entry]:
    """Return the datastack, some of its versions, and the tables and views of one version.

    Parameters
    ----------
    client : Cave
    version : int
        The version whose tables are listed.
    versions : iterable of int
        The versions that are listed.
    fetch : Fetch
    """
    dates = client.dates([*versions])
    listed = [Entry("version", str(number), number, None, *dates[number]) for number in dates]

    failed: dict[str, ServiceError] = {}

    def described(name: str) -> Entry:
        metadata: Mapping[str, Any] = {}
        rows = None
        try:
            metadata = client.metadata(name, version)
            rows = client.count(name, version)
        except ExpiredVersionError:
            raise
        except (NotFoundError, ServerError, InvalidResponseError) as error:
            failed[name] = error  # the other tables are worth listing
        return table_entry("table", name, version, metadata, rows)

    tables = list(run_parallel(described, client.tables(version), fetch.max_workers))
    if failed:
        warn(
            f"the schema or the number of rows of {len(failed):,} tables of {client.datastack} is not "
            f"known: {listing(map(repr, failed))}. For the first, {next(iter(failed.values()))}",
            PartialResultWarning,
        )
    return [
        Entry("datastack", client.datastack, description=DATASTACKS.get(client.datastack, "")),
        *listed,
        *tables,
        *(
            table_entry("view", name, version, about or {})
            for name, about in client.views(version).items()
        ),
        *capabilities(CAPABILITIES),
    ]
