"""What an answer is: as a batch when it arrives, and as an entry for each ID that was asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro._compat import TEXT
from pdneuro.errors import ServiceError

#: Forms that mean the same for every service; a service numbers its encodings from FIRST_FORM on.
UNKNOWN_FORM, NONE_FORM, FIRST_FORM = 0, 1, 2

#: Status of an ID, by number in :class:`Answers`.
ANSWERED, NONE, UNKNOWN, FAILED, NOT_ASKED = range(5)
STATUS = ("answered", "none", "unknown", "failed", "not asked")
_STATUS_OF_FORM = np.full(128, ANSWERED, np.int8)
_STATUS_OF_FORM[[UNKNOWN_FORM, NONE_FORM]] = UNKNOWN, NONE


class ShapeError(ValueError):
    """A body is not what its service documents."""


class Batch(NamedTuple):
    """A service's answer to one request: aligned sequences over the IDs that it answered.

    ``forms`` are numbers from ``FIRST_FORM`` on (how the body is encoded) or ``NONE_FORM``; IDs of
    the request that are not listed are unknown to the service.
    """

    ids: list[int]
    forms: list[int]
    bodies: list[bytes | None]
    snapshot: int | None


@dataclass
class Answers:
    """One entry for each ID asked, in the order asked."""

    ids: npt.NDArray[np.int64]
    property: str
    source: str
    status: npt.NDArray[np.int8] = field(init=False)
    forms: npt.NDArray[np.int8] = field(init=False)
    snapshots: npt.NDArray[np.int64] = field(init=False)
    from_cache: npt.NDArray[np.bool_] = field(init=False)
    #: Encoded answers; None unless ``status`` is ANSWERED.
    bodies: npt.NDArray[np.object_] = field(init=False)
    details: dict[int, str] = field(default_factory=dict)
    failure: Exception | None = None
    #: What the IDs stand for, where they are not what the caller asked with.
    names: Mapping[int, str] | None = None
    #: What an ID may be that the service does not know.
    hint: str = ""

    def __post_init__(self) -> None:
        count = len(self.ids)
        self.status = np.full(count, NOT_ASKED, np.int8)
        self.forms = np.zeros(count, np.int8)
        self.snapshots = np.full(count, -1, np.int64)
        self.from_cache = np.zeros(count, bool)
        self.bodies = np.full(count, None, object)
        self._places = pd.Index(self.ids)

    @classmethod
    def of_none(cls) -> Answers:
        """Answers to no question."""
        return cls(np.empty(0, np.int64), "", "")

    def places(self, ids: Sequence[int] | npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
        """Where these IDs stand."""
        return self._places.get_indexer(pd.Index(np.asarray(ids, np.int64)))

    def take(
        self,
        ids: Sequence[int] | npt.NDArray[np.int64],
        forms: Sequence[int] | npt.NDArray[np.int8],
        bodies: Sequence[bytes | None],
        snapshots: npt.NDArray[np.int64],
        *,
        from_cache: bool,
    ) -> None:
        """Enter answers."""
        places = self.places(ids)
        self.forms[places] = form = np.asarray(forms, np.int8)
        self.status[places] = _STATUS_OF_FORM[form]
        self.snapshots[places] = snapshots
        self.from_cache[places] = from_cache
        # Not np.array(): it would look for numbers inside each body.
        self.bodies[places] = np.fromiter(bodies, object, len(bodies))

    def fail(self, ids: Sequence[int], error: ServiceError) -> None:
        """Enter IDs for which the service gave an error."""
        self.status[self.places(ids)] = FAILED
        self.details.update(dict.fromkeys(ids, error.message))
        self.failure = self.failure or error

    def shown(self, ids: Iterable[int]) -> list[Any]:
        """IDs as the caller knows them."""
        return [number if self.names is None else self.names[number] for number in ids]

    def report(self) -> pd.DataFrame:
        """The rows of these answers in ``pdneuro.last_report()``."""
        count = len(self.ids)
        asked = self.ids if self.names is None else pd.array(self.shown(self.ids.tolist()), dtype=TEXT)
        words = np.array(STATUS, object)[self.status]
        details = [self.details.get(number, "") for number in self.ids.tolist()]
        times = pd.arrays.IntegerArray(np.maximum(self.snapshots, 0), self.snapshots < 0)
        return pd.DataFrame(
            {
                "id": asked,
                "status": pd.array(words, dtype=TEXT),
                "detail": pd.array(details, dtype=TEXT),
                "from_cache": self.from_cache,
                "materialized_timestamp": times,
                "property": pd.array([self.property] * count, dtype=TEXT),
                "source": pd.array([self.source] * count, dtype=TEXT),
            }
        )
