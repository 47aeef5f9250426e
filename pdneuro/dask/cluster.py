"""Queries of the tasks of a dask cluster run in the process of its client, which alone has the tokens.

A task puts its query into a queue of the cluster. A thread of the client takes it, runs it, and
sends the result to the worker of the task. So limits and the cache hold for all workers, and nothing is
requested twice if a worker ends.
"""

from __future__ import annotations

import contextlib
import pickle
import secrets
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import distributed

from pdneuro.errors import ServiceUnavailableError
from pdneuro.transport import tokens

#: Maximum number of queries at the same time; ``max_workers`` limits their requests.
_QUERIES = 32
#: Seconds after which a client must have taken a query.
_PATIENCE = 300
#: Names of the queues that this process reads, one per client.
_queues: set[str] = set()
_lock = threading.Lock()


def listen(process: str) -> str | None:
    """Take the queries of tasks from the current cluster, if there is one; return the queue's name."""
    try:
        client: Any = distributed.default_client()  # type: ignore[no-untyped-call]
    except ValueError:
        return None
    # The scheduler may give an item to a client that was closed, so no two clients share a queue.
    name = f"{process}-{client.id}"
    with _lock:
        if name not in _queues:
            _queues.add(name)
            threading.Thread(target=_serve, args=(client, name), name=name, daemon=True).start()
    return name


def _queue(name: str, client: Any) -> Any:
    return distributed.Queue(name, client=client)  # type: ignore[no-untyped-call]


def _serve(client: Any, name: str) -> None:
    """Run the queries in the queue of a cluster until its client is closed."""
    # A closed client ends the wait with one of several errors.
    with ThreadPoolExecutor(_QUERIES, thread_name_prefix=name) as pool, contextlib.suppress(Exception):
        queue = _queue(name, client)
        while client.status == "running":
            pool.submit(_answer, client, *queue.get())
    with _lock:
        _queues.discard(name)


def _answer(client: Any, worker: str, reply: str, query: bytes) -> None:
    """Run a query and send its result, or its error, to the worker."""
    result: Any
    try:
        result = pickle.loads(query)()
    except BaseException as error:
        result = _Failure(error)
        try:  # an error that cannot be pickled is sent as its text
            pickle.loads(pickle.dumps(result))
        except Exception:
            result = _Failure(RuntimeError(f"{type(error).__name__}: {error}"))
    # A worker that has ended needs no result: the task runs again elsewhere.
    with contextlib.suppress(Exception):
        [future] = client.scatter([result], workers=[worker], hash=False)
        _queue(reply, client).put(future)


class _Failure:
    """An error to raise in the task."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def on_worker() -> bool:
    """Return whether this is a task on a worker of a cluster."""
    try:
        distributed.get_worker()
    except ValueError:
        return False
    return True


def plugin() -> WorkerPlugin | None:
    """Return the plugin of this worker by which it sends its own requests."""
    found = distributed.get_worker().plugins.get(WorkerPlugin.name)
    return found if isinstance(found, WorkerPlugin) else None


def ask(name: str, query: bytes) -> Any:
    """Return the result of a query, sent through the queue with a name; called by a task."""
    client, worker = distributed.get_client(), distributed.get_worker()
    queue, reply = _queue(name, client), _queue(f"{name}-{secrets.token_hex(8)}", client)
    try:
        queue.put((worker.address, reply.name, query))
        result = _result(reply, queue)
    finally:
        reply.close()
    if isinstance(result, _Failure):
        raise result.error
    return result


def _result(reply: Any, queue: Any) -> Any:
    """Wait for the result of a query, as long as its task is needed and a client takes queries."""
    worker = distributed.get_worker()
    key, start, pause = worker.get_current_task(), time.monotonic(), 0.005
    while not reply.qsize():
        task = worker.state.tasks.get(key)
        if task is None or task.state == "cancelled":  # such as by a client that was closed
            raise ServiceUnavailableError("the result of this task is no longer needed.")
        if time.monotonic() - start > _PATIENCE and queue.qsize():
            raise ServiceUnavailableError(
                "the process that made this lazy table does not take its queries. Keep its dask "
                "client open until the result is computed, and make it the current client."
            )
        time.sleep(pause)
        pause = min(1.5 * pause, 0.5)
    return reply.get().result()


class WorkerPlugin(distributed.WorkerPlugin):
    """Send requests from the workers of a cluster, not from the process of the client.

    Each worker then has its own cache and its own limits, ``last_report()`` of the client is empty, and
    an ID in partitions of several workers is requested by each of them, unless they share
    ``cache_dir``.

    Parameters
    ----------
    tokens : mapping, optional
        Token by service, as in :func:`pdneuro.tokens.use`. They are sent through the scheduler. Default:
        each worker reads its environment and its files.
    cache_dir : path, optional
        Folder of the cache on each worker, such as one that all share.

    Examples
    --------
    >>> import pdneuro.dask
    >>> plugin = pdneuro.dask.WorkerPlugin(cache_dir="/shared/cache")
    >>> client.register_plugin(plugin)  # doctest: +SKIP
    """

    name = "pdneuro"

    def __init__(
        self, tokens: Mapping[str, str] | None = None, cache_dir: str | Path | None = None
    ) -> None:
        self.tokens = dict(tokens or {})
        self.cache_dir = cache_dir

    def setup(self, worker: Any) -> None:
        """Set the tokens of a worker."""
        self._used = [tokens.use(service, token) for service, token in self.tokens.items()]

    def teardown(self, worker: Any) -> None:
        """Forget the tokens of a worker."""
        for used in self._used:
            used.__exit__(None, None, None)
