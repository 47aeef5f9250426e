"""Functions of the benchmarks: times of alternating actions, memory in separate processes."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


class Row(NamedTuple):
    what: str
    ours: str
    yardstick: str
    ratio: float
    goal: str
    met: bool | None


def make_ids(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 720575940600000000 + np.sort(rng.choice(60_000_000, count, replace=False))


def timed(action: Callable[[], Any]) -> float:
    gc.collect()
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


#: Range of the times of the last action of each measurement, the yardstick, divided by their median.
spreads: list[float] = []


def in_turn(rounds: int, *actions: Callable[[], Any], warm: bool = True) -> list[float]:
    """Return the median seconds of each action; actions alternate, after one warm-up round."""
    times = [[timed(action) for action in actions] for _ in range(rounds + warm)][int(warm) :]
    columns = list(zip(*times, strict=True))
    medians = [statistics.median(column) for column in columns]
    spreads.append((max(columns[-1]) - min(columns[-1])) / medians[-1])
    return medians


def peak(action: Callable[[], Any]) -> float:
    """Return the peak of newly allocated memory in MB."""
    gc.collect()
    tracemalloc.start()
    action()
    top = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return top / 1e6


@contextlib.contextmanager
def memory_grown() -> Iterator[Callable[[], float]]:
    """Measure the growth of peak resident memory in MB since the start of the block."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before = resident("VmRSS")
    yield lambda: resident("VmHWM") - before


def resident(which: str) -> float:
    """Return the resident memory of this process in MB: ``VmRSS`` now, ``VmHWM`` at its peak."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{which}:")[1].split()[0]) / 1e3


def in_own_process(function: Callable[..., Any], *args: Any) -> Any:
    """Return the result of a function in a new process."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_send, args=(function, args, theirs))
    process.start()
    theirs.close()
    found = ours.recv()
    process.join()
    return found


def _send(function: Callable[..., Any], args: tuple[Any, ...], pipe: Any) -> None:
    pipe.send(function(*args))
