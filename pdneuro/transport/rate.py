"""A host's pace: requests of all threads of the process, evenly spaced."""

from __future__ import annotations

import threading
import time

#: Requests that leave evenly spaced arrive a little closer.
_MARGIN = 1.05

_next: dict[str, float] = {}
_lock = threading.Lock()


def wait_turn(host: str, per_second: float, stop: threading.Event) -> bool:
    """Wait until a request to a host is due.

    Parameters
    ----------
    host : str
    per_second : float
        Requests a second that the host is to get from this process at most.
    stop : Event
        Ends the wait.

    Returns
    -------
    bool
        False when the wait was ended.
    """
    with _lock:
        now = time.monotonic()
        turn = max(now, _next.get(host, now))
        _next[host] = turn + _MARGIN / per_second
    return not stop.wait(turn - now) if turn > now else not stop.is_set()
