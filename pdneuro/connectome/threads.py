"""Tasks in two threads, of which few results are in memory at once."""

from __future__ import annotations

import contextvars
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def in_threads(action: Callable[[Any], T], tasks: Iterable[Any]) -> Iterator[T]:
    """Return the results of tasks in their order; two are computed ahead, and no more are in memory."""
    with ThreadPoolExecutor(2) as pool:
        ahead: deque[Future[T]] = deque()
        for task in tasks:
            if len(ahead) == 2:
                yield ahead.popleft().result()
            run = contextvars.copy_context().run  # the thread sees the options of the caller
            ahead.append(pool.submit(run, action, task))
        while ahead:
            yield ahead.popleft().result()
