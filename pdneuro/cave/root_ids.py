"""Queries by root ID: rows of a table, partners, its successor; and the root IDs of supervoxels."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from pdneuro.cave import parse
from pdneuro.cave.materialization import State, by_halves
from pdneuro.cave.payload import (
    PENDING,
    POST,
    PRE,
    ROOT,
    ROOT_BATCH,
    SUCCESSOR_BATCH,
    SYNAPSE_BATCH,
    TABLE_BATCH,
    Restriction,
    Table,
    cached_name,
)
from pdneuro.cave.send import Cave
from pdneuro.errors import (
    BatchRefusedError,
    ExpiredVersionError,
    InvalidRequestError,
    NotFoundError,
    OfflineError,
    ServiceError,
    StaleIdsWarning,
    UnknownFieldError,
    UnknownTableError,
    listing,
    warn,
)
from pdneuro.options import Fetch
from pdneuro.tables.ids import Int64Array
from pdneuro.transport.report import Answers, Batch


def is_latest(client: Cave, ids: Int64Array, fetch: Fetch) -> Any:
    """Return whether root IDs are current, missing if the request failed."""

    def send(part: Sequence[int]) -> Batch:
        return parse.flags_batch(part, client.is_latest(part))

    return parse.flags(client.values_by_id(ids, "is_latest", send, fetch, TABLE_BATCH).payloads)


def successors(
    client: Cave, ids: Int64Array, state: State, fetch: Fetch
) -> list[parse.Successor | None]:
    """Return the root ID that holds most of each root ID now or at a time, None for an unknown ID."""

    @functools.cache
    def chunk_count(root: int) -> int:
        chunks = client.chunks(root)
        return 0 if chunks is None else len(chunks)

    def send(part: Sequence[int]) -> Batch:
        known = {root: chunks for root in part if (chunks := client.chunks(root)) is not None}
        if not known:
            return parse.successors_batch(part, {})
        roots = client.roots(np.concatenate([*known.values()]), state.moment)
        parts = np.split(roots, np.cumsum([len(chunks) for chunks in known.values()])[:-1])
        found = {
            root: parse.successor(root, own, chunk_count) for root, own in zip(known, parts, strict=True)
        }
        return parse.successors_batch(part, found)

    name = f"at {state.label}" if state.label else "latest"
    answers = client.values_by_id(ids, name, send, fetch, SUCCESSOR_BATCH)
    found = parse.successors(answers.payloads)
    for root, value in zip(ids.tolist(), found, strict=True):
        if value is not None:
            answers.details[root] = f"{value.status}, overlap {value.overlap:.2f}"
    return found


def supervoxel_roots(client: Cave, supervoxels: Int64Array, state: State, fetch: Fetch) -> Int64Array:
    """Return the root ID of each supervoxel now or at a time, 0 if it has none."""

    def send(part: Sequence[int]) -> Batch:
        try:
            return parse.roots_batch(part, client.roots(np.array(part, np.int64), state.moment))
        except InvalidRequestError:
            if len(part) > 1:
                raise
            return parse.roots_batch([], [])  # this supervoxel does not exist

    answers = client.values_by_id(supervoxels, "root", send, fetch, ROOT_BATCH, state.label or None)
    return parse.roots(answers.payloads)


def are_valid(client: Cave, ids: Int64Array, moment: pd.Timestamp | None) -> Any:
    """Return whether root IDs are valid now or at a time; an ID that never existed is not."""
    flags = by_halves(lambda part: client.is_latest(part.tolist(), moment), ids)
    return np.array([flag is True for flag in flags], bool)


class Version(NamedTuple):
    """A datastack at a materialization version, queried with the options of one call."""

    client: Cave
    number: int
    fetch: Fetch
    #: Whether the IDs that are not valid at the version are known, and were warned of.
    is_checked: bool = False

    @property
    def name(self) -> str:
        """Name of the source in messages and provenance."""
        return f"cave:{self.client.datastack}@{self.number}"

    def sample(self, table: str | None, *, required: bool = True) -> pd.DataFrame | None:
        """Return one row of a table; ``None`` is the table of synapses.

        None if pdneuro is offline, if the server rejects a query for one row, or if a request may fail
        (``on_error="partial"``). If the row is not ``required``, also if the server fails at this query,
        as by a status 500 or 413.
        """
        if self.fetch.offline:
            return None
        try:
            if table is None:
                return self._of_synapses(self.client.sample)
            return self.client.sample(self._table(table))
        except InvalidRequestError:
            return None
        except ServiceError as error:
            may_fail = not required and isinstance(error, BatchRefusedError)
            if may_fail or self.fetch.on_error == "partial":
                return None
            raise

    def rows(
        self,
        ids: Int64Array,
        table: str,
        column: str = ROOT,
        columns: Sequence[str] | None = None,
        resolution: Sequence[float] | None = None,
    ) -> parse.TableRows:
        """Return the rows of a table or view for each root ID."""
        batch_size = SYNAPSE_BATCH
        if not self.fetch.offline:
            self._table(table)  # raises before the first batch if the table does not exist
            batch_size = SYNAPSE_BATCH if table == self.client.synapse_table else TABLE_BATCH

        def send(part: Sequence[int]) -> Batch:
            found = self.client.query(self._table(table), part, column, columns, resolution)
            return parse.rows_batch(part, found, column)

        name = cached_name(table, column, columns, resolution)
        answers = self.client.values_by_id(ids, name, send, self.fetch, batch_size, self.number)
        return parse.TableRows(answers.encodings, answers.payloads)

    def everything(self, table: str) -> pd.DataFrame:
        """Return all rows of a table or view with a root ID, which is in the column ``pt_root_id``."""
        if self.fetch.offline:
            raise OfflineError(
                f"the table {table!r} of {self.name} is not cached, and pdneuro is offline."
            )
        found = self.client.everything(self._table(table))
        if ROOT not in found.columns:
            raise UnknownFieldError(
                f"the table {table!r} of {self.name} has no root IDs ({ROOT}); its columns are "
                f"{listing(found.columns, 20)}."
            )
        return found[found[ROOT] > PENDING].reset_index(drop=True)

    def partners(self, ids: Int64Array, *, upstream: bool) -> Answers:
        """Return the partners of each root ID on one side, packed."""
        # A filter for both ends would return the synapses that fit both.
        column = POST if upstream else PRE

        def send(part: Sequence[int]) -> Batch:
            found = self.synapses(part, column, [PRE, POST])
            return parse.partners_batch(part, found, upstream=upstream)

        name = f"partners {'upstream' if upstream else 'downstream'}"
        return self.client.values_by_id(ids, name, send, self.fetch, SYNAPSE_BATCH, self.number)

    def warn_of_stale(self, ids: Int64Array, count: int) -> None:
        """Warn if root IDs without data are not valid at the version.

        Parameters
        ----------
        ids : array of int64
            Root IDs without data.
        count : int
            Number of all IDs of the query, for the message.
        """
        if not len(ids) or self.fetch.offline or self.is_checked:
            return
        stale = []
        try:
            moment = self.client.timestamp(self.number)
            for start in range(0, len(ids), ROOT_BATCH):
                part = ids[start : start + ROOT_BATCH].tolist()
                valid = self.client.is_latest(part, moment)
                stale += [root for root, is_valid in zip(part, valid, strict=True) if not is_valid]
        except ServiceError as error:  # the data that were found are worth returning
            warn(
                f"{len(ids):,} of {count:,} root IDs have no data, and it is not known whether they are "
                f"valid at version {self.number}: {error.message}",
                StaleIdsWarning,
            )
            return
        if stale:
            warn(
                f"{len(stale):,} of {count:,} root IDs are not valid at version {self.number} of "
                f"{self.client.datastack}: {listing(stale)}. They have no data there. .neuro.latest() "
                f"returns their current root IDs, .neuro.at({self.number}) those at this version.",
                StaleIdsWarning,
            )

    def synapses(
        self,
        ids: Sequence[int],
        column: str,
        columns: Sequence[str] | None = None,
        resolution: Sequence[float] | None = None,
        restriction: Restriction | None = None,
    ) -> pd.DataFrame:
        """Return the rows of the table of synapses of some root IDs; see :meth:`Cave.query`."""
        return self._of_synapses(
            lambda table: self.client.query(table, ids, column, columns, resolution, restriction)
        )

    def voxel_size(self) -> list[float]:
        """Return the size of the voxels of the table of synapses in nm."""
        return self.client.voxel_size(self._table(None))

    def _of_synapses(self, query: Callable[[Table], pd.DataFrame]) -> pd.DataFrame:
        """Return what a query of the table of synapses returns."""
        table = self._table(None)
        try:
            return query(table)
        except ExpiredVersionError:
            raise
        except NotFoundError:  # it does not exist at this version, or is a view
            return query(self.client.table(table.name, self.number))

    def _table(self, name: str | None) -> Table:
        """Return a table; ``None`` is the table of synapses, which the datastack names."""
        if name is not None:
            return self.client.table(name, self.number)
        name = self.client.synapse_table
        if not name:
            raise UnknownTableError(f"{self.client.datastack} has no table of synapses.")
        return Table(name, self.number)
