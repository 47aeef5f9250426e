"""Run the queries of tasks in the process of the client, and report a computation."""

from __future__ import annotations

import contextvars
import functools
import os
import secrets
import sys
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cloudpickle  # type: ignore[import-untyped]
import numpy as np
import pandas as pd
from dask.callbacks import Callback

from pdneuro.options import carried, get_option, get_options, refreshed_since
from pdneuro.queries._call import Found, run_query
from pdneuro.sources import is_service
from pdneuro.tables.columns import array_of
from pdneuro.transport import report
from pdneuro.transport.http import slots
from pdneuro.transport.report import Report

_NAME = secrets.token_hex(8)


def _process() -> str:
    """Return a name of this process. A forked process has another one."""
    return f"{_NAME}-{os.getpid()}"


class _RunReport(Report):
    """The fetches of all tasks of a computation; those of the call before, while there are none."""

    def __init__(self, before: Report | None) -> None:
        super().__init__()
        has_none = isinstance(before, _RunReport) and not before.fetches
        self.before = before.before if has_none else before  # type: ignore[union-attr]

    def table(self) -> pd.DataFrame:
        """Return one row per ID and property."""
        if not self.fetches and self.before is not None:
            return self.before.table()
        # Tasks end in any order: the row of the task that requested an ID counts, not of those that
        # found it in the cache.
        table = super().table()
        first = table.sort_values("from_cache", kind="stable")
        first = first.drop_duplicates(["id", "property", "source"])
        return first.sort_index(ignore_index=True)


class _Run(NamedTuple):
    """A computation: its report, and the context (tokens of a block) of the thread that started it."""

    report: Report
    context: contextvars.Context


_run: _Run | None = None


def _start(*_: Any) -> None:
    """Start a report for the thread that starts a computation."""
    global _run
    report.publish(_RunReport(report.latest()))
    _run = _Run(report.latest(), contextvars.copy_context())  # type: ignore[arg-type]


Callback(start=_start).register()  # type: ignore[no-untyped-call]


class Fetcher:
    """Runs queries in the process that made the lazy table, with the options of that moment.

    Parameters
    ----------
    on_workers : bool
        Run each query where its task runs, such as a query of local files.
    refresh : bool
        Request values that were cached before this moment again.
    max_workers : int, optional
        Maximum number of requests at the same time, of all tasks together.
    """

    def __init__(
        self, *, on_workers: bool = False, refresh: bool = False, max_workers: int | None = None
    ) -> None:
        self.options = {**get_options(), "progress": False}
        self.options["max_workers"] = get_option("max_workers", max_workers)
        self.process = None if on_workers else _process()
        self.since = time.time() if refresh else None
        self.is_copy = False
        self.queue: str | None = None
        self.thread = threading.get_ident()

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for a copy. dask copies the original when it sends a graph to a cluster."""
        queue = self.queue
        if not self.is_copy and self.process is not None:
            if self.thread == threading.get_ident():  # other threads send the tasks of the graph
                _start()
            if "distributed" in sys.modules:
                from pdneuro.dask import cluster

                queue = cluster.listen(self.process)
        return {**vars(self), "is_copy": True, "queue": queue}

    def __dask_tokenize__(self) -> Any:
        from dask.base import normalize_token

        return normalize_token((sorted(self.options.items(), key=str), self.since))

    def fetch(self, query: Callable[[Any], Any], ids: Any) -> Any:
        """Return the result of a query for a column."""
        if self.queue is not None and self.process != _process():
            from pdneuro.dask import cluster

            if cluster.on_worker():
                plugin = cluster.plugin()
                if plugin is None:
                    return cluster.ask(self.queue, cloudpickle.dumps(partial(self.run, query, ids)))
                if plugin.cache_dir is not None:
                    self.options["cache_dir"] = Path(plugin.cache_dir)
        return self.run(query, ids)

    def look_up(self, query: Callable[[Any], Any], column: pd.Series[Any]) -> Any:
        """Return the result of a query with one row per row of a column; each value is sent once."""
        try:
            codes, _ = pd.factorize(array_of(column), use_na_sentinel=False)
        except TypeError:  # lists are not hashable
            return self.fetch(query, column)
        first = np.flatnonzero(~pd.Series(codes).duplicated())
        found = self.fetch(query, column.iloc[first])
        if isinstance(found, Found):
            status = found.status()[codes]
            return Found(found.table.take(codes).set_axis(column.index), lambda: status)
        return found.take(codes).set_axis(column.index)

    def run(self, query: Callable[[Any], Any], ids: Any) -> Any:
        """Run a query in this process, in the context of the computation."""
        context = contextvars.Context() if _run is None else _run.context.copy()
        return context.run(self._run, query, ids)

    def _run(self, query: Callable[[Any], Any], ids: Any) -> Any:
        refreshed_since.set(self.since)
        slots.set(_shared_slots(self.options["max_workers"]))
        before = report.latest()
        report.publish(None)
        try:
            with carried(self.options):
                found = query(ids)
            if isinstance(found, Found):
                found = Found(found.table, partial(np.copy, found.status()))
        finally:
            own = report.latest()
            report.publish(before)
            if own is not None and _run is not None:
                for answers in own.fetches:
                    answers.payloads = answers.payloads[:0]  # a report needs no values
                _run.report.fetches.extend(own.fetches)
        return found


@functools.cache
def _shared_slots(count: int) -> threading.Semaphore:
    return threading.Semaphore(count)


@dataclass(frozen=True)
class Call:
    """A function with the arguments that follow a column."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def __call__(self, column: Any) -> Any:
        """Return the result for a column."""
        return self.function(column, *self.args, **self.kwargs)


running: ContextVar[Fetcher] = ContextVar("pdneuro_dask_fetcher")


class WithOptions:
    """A function of a partition with its arguments, and what runs the queries in it."""

    def __init__(self, fetcher: Fetcher, function: Callable[..., Any], *args: Any) -> None:
        self.fetcher, self.function, self.args = fetcher, function, args
        self.__name__ = function.__name__.strip("_")  # for the names of tasks

    def __call__(self, partition: Any, *more: Any) -> Any:
        """Return the result for a partition."""
        tokens = running.set(self.fetcher), run_query.set(self.fetcher.look_up)
        try:
            with carried(self.fetcher.options):
                return self.function(partition, *more, *self.args)
        finally:
            running.reset(tokens[0])
            run_query.reset(tokens[1])

    def __dask_tokenize__(self) -> Any:
        from dask.base import normalize_token

        named = f"{self.function.__module__}.{self.function.__qualname__}"
        return normalize_token((named, self.args, self.fetcher))


def fetcher_of(fetch: dict[str, Any], *, source: Any = None, has_source: bool = True) -> Fetcher:
    """Return what runs the queries of a call; its arguments that concern all tasks leave ``fetch``."""
    chosen = {name: fetch.pop(name) for name in ("refresh", "max_workers") if name in fetch}
    return Fetcher(on_workers=has_source and not is_service(source), **chosen)
