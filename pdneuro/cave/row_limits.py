"""Find out whether a response of a CAVE server is complete; not every one mentions the limit of rows."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from enum import Enum, auto

#: Limits of known servers. A response with as many rows counts as truncated.
_KNOWN = (200_000, 500_000)
#: No server has a lower limit.
_LOWEST = 10
#: If this number of responses of one size are complete, this size is not the limit.
_ENOUGH = 2


class Response(Enum):
    """Meaning of the number of rows of a response."""

    COMPLETE = auto()
    TRUNCATED = auto()
    #: One more request shows whether it is complete. Later responses may show it without one.
    OPEN = auto()
    #: The same, but the other responses are probably truncated as well if this one is.
    SUSPICIOUS = auto()


class RowLimits:
    """The limits of a server, as its responses show them. Threads share it."""

    def __init__(self) -> None:
        self._limits = set(_KNOWN)
        self._sizes: dict[str, _Sizes] = defaultdict(_Sizes)
        self._lock = threading.Lock()

    def judge(self, table: str, rows: int, limit: int | None) -> Response:
        """Note a response, and return what its size says.

        Parameters
        ----------
        table : str
        rows : int
            Number of its rows.
        limit : int, optional
            The limit that its headers mention, 0 if they say that there is one; None if they do not.
        """
        with self._lock:
            if limit:
                self._limits.add(limit)
            sizes = self._sizes[table]
            is_suspicious = sizes.is_suspicious(rows)
            sizes.seen.add(rows)
            sizes.largest = max(sizes.largest, rows)
            if limit is not None or rows in self._limits:
                return Response.TRUNCATED
            if sizes.is_complete(rows):
                return Response.COMPLETE
            return Response.SUSPICIOUS if is_suspicious else Response.OPEN

    def is_truncated(self, table: str, rows: int, has_more: Callable[[], bool]) -> bool:
        """Return whether a response is truncated; ``has_more`` sends a request if it is still needed."""
        # Responses of other threads wait, since one of them may show that all are complete.
        with self._lock:
            sizes = self._sizes[table]
            if rows not in self._limits and not sizes.is_complete(rows):
                if has_more():
                    self._limits.add(rows)
                else:
                    sizes.complete[rows] += 1
            return rows in self._limits


class _Sizes:
    """Numbers of rows of the responses of a table."""

    def __init__(self) -> None:
        self.seen: set[int] = set()
        self.largest = 0
        #: How many responses of each size are complete, as a request showed.
        self.complete: Counter[int] = Counter()

    def is_complete(self, rows: int) -> bool:
        """Return whether a response is complete, as one is that has fewer rows than another one."""
        return rows < max(_LOWEST, self.largest) or self.complete[rows] >= _ENOUGH

    def is_suspicious(self, rows: int) -> bool:
        """Return whether a size may be the limit.

        A limit shows as a round number of rows, or as the same number twice. A response that is much
        larger than all complete ones may be the first of many that are truncated.
        """
        return rows % 10 == 0 or rows in self.seen or rows > 2 * max(self.complete, default=0)
