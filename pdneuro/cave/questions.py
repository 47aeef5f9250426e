"""Questions about each single root ID: its rows of a table, its partners by synapses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro.cave.client import Cave
from pdneuro.errors import InvalidRequestError, NotFoundError, ServiceError, UnknownTableError
from pdneuro.tables.grouping import group_rows
from pdneuro.tables.ids import Int64Array, id_array
from pdneuro.transport.fetch import BatchQuery
from pdneuro.transport.report import FIRST_ENCODING, NONE_ENCODING, Batch
from pdneuro.transport.store import Scope

ROWS_ENCODING, PARTNERS_ENCODING = FIRST_ENCODING, FIRST_ENCODING + 1
#: IDs in one request: annotation tables have a row or a few each, synapses thousands.
ROWS_AT_ONCE, SYNAPSES_AT_ONCE = 1000, 30
#: Root IDs whose fate is asked together; each takes a request for its chunks.
FATES_AT_ONCE = 20
#: No segment, and a segment that is not looked up yet.
PENDING = 1
_RECORD = np.dtype([("partner", np.int64), ("count", np.int64)])
_HINT = "They may be outdated, or of another datastack."


class Asked:
    """What the questions of one call share.

    Parameters
    ----------
    client : Cave
    version : int
        A pinned version; its answers never change.
    credential : str
        Mark of the token.
    """

    def __init__(self, client: Cave, version: int, credential: str) -> None:
        self.client = client
        self.version = version
        self.name = f"cave:{client.datastack}@{version}"
        self._credential = credential

    def _scope(self, property: str) -> Scope:
        project = f"{self.client.datastack}@{self.version}"
        return Scope(self.client.server, self._credential, project, property)

    def rows(
        self, table: str, column: str, columns: Sequence[str] | None, resolution: Sequence[float] | None
    ) -> BatchQuery:
        """Rows of a table by root ID; a body is the list of the ID's rows."""

        def ask(ids: Sequence[int], retries: int) -> Batch:
            found = self.client.rows(table, column, ids, self.version, columns, resolution)
            return _batch(ids, found, column, self.client)

        unit = "" if resolution is None else f" {'x'.join(f'{size:g}' for size in resolution)} nm"
        chosen = "" if columns is None else f"({','.join(columns)})"
        scope = self._scope(f"{table}.{column}{chosen}{unit}")
        return BatchQuery(scope, self.name, ask, _nothing, hint=_HINT)

    def partners(self, side: str) -> BatchQuery:
        """Partners of root IDs on one side; a body is packed records of partner and synapses."""
        # Never both ends in one filter: the server would take what fits both.
        own, other = ("pre_pt_root_id", "post_pt_root_id")[:: 1 if side == "downstream" else -1]

        def ask(ids: Sequence[int], retries: int) -> Batch:
            table = self.client.synapse_table
            if not table:
                raise UnknownTableError(f"{self.client.datastack} names no table of synapses.")
            found = self.client.rows(table, own, ids, self.version, [own, other])
            return _partners(ids, _ids_of(found, own, self.client), _ids_of(found, other, self.client))

        return BatchQuery(self._scope(f"synapses {side}"), self.name, ask, _nothing, hint=_HINT)


class Fate(msgspec.Struct):
    """What became of a root ID."""

    latest: int
    #: Share of its chunks that the latest one holds.
    overlap: float
    #: ``current``, ``replaced``, ``split``, ``merged`` or ``dead``.
    status: str


def is_latest(client: Cave, credential: str) -> BatchQuery:
    """Whether root IDs are current; a body is ``true`` or ``false``."""

    def ask(ids: Sequence[int], retries: int) -> Batch:
        bodies: list[bytes | None] = [b"true" if valid else b"false" for valid in client.is_latest(ids)]
        return Batch(list(ids), [ROWS_ENCODING] * len(ids), bodies, None)

    scope = Scope(client.server, credential, client.datastack, "is_latest")
    return BatchQuery(scope, f"cave:{client.datastack}", ask, _nothing, hint=_HINT)


def fates(client: Cave, credential: str, moment: Any, word: str) -> BatchQuery:
    """What became of root IDs at a moment, told by their chunks; a body is a :class:`Fate`."""

    def ask(ids: Sequence[int], retries: int) -> Batch:
        own = {number: chunks for number in ids if (chunks := _chunks(client, number)) is not None}
        if not own:
            return Batch([], [], [], None)
        sizes = [len(chunks) for chunks in own.values()]
        roots = client.roots(np.concatenate([*own.values()]), moment)
        parts = np.split(roots, np.cumsum(sizes)[:-1])
        held: dict[int, int] = {}
        found = [_fate(client, number, part, held) for number, part in zip(own, parts, strict=True)]
        return Batch(
            [*own], [ROWS_ENCODING] * len(found), [msgspec.json.encode(fate) for fate in found], None
        )

    scope = Scope(client.server, credential, client.datastack, word)
    return BatchQuery(scope, f"cave:{client.datastack}", ask, _nothing, hint=_HINT)


def _chunks(client: Cave, root: int) -> Any:
    """The chunks of a root ID, None for one that never was."""
    try:
        return client.chunks(root)
    except (InvalidRequestError, NotFoundError):
        return None


def _fate(client: Cave, root: int, roots: Int64Array, held: dict[int, int]) -> Fate:
    found, counts = np.unique(roots[roots > PENDING], return_counts=True)
    if not len(found):
        return Fate(0, 0.0, "dead")
    best = int(np.argmax(counts))
    latest, overlap = int(found[best]), float(counts[best] / len(roots))
    if latest == root:
        return Fate(latest, overlap, "current")
    if len(found) > 1:
        return Fate(latest, overlap, "split")
    if latest not in held:
        chunks = _chunks(client, latest)
        held[latest] = 0 if chunks is None else len(chunks)
    # One that holds half as much again has taken up another.
    return Fate(latest, overlap, "merged" if held[latest] >= 1.5 * len(roots) else "replaced")


def _nothing() -> None:
    """The client's own retries cannot be ended."""


def _ids_of(table: pd.DataFrame, column: str, client: Cave) -> Int64Array:
    if column not in table.columns:
        raise ServiceError(
            f"the rows have no column {column!r}; they have {', '.join(map(str, table.columns))}.",
            url=client.server,
        )
    return id_array(table[column])[0]


def _batch(ids: Sequence[int], table: pd.DataFrame, column: str, client: Cave) -> Batch:
    """The rows of each ID as JSON; an ID without rows has none."""
    keys = _ids_of(table, column, client)
    names = [str(name) for name in table.columns]
    cells = [_plain(table[name]) for name in table.columns]
    rows = [dict(zip(names, row, strict=False)) for row in zip(*cells, strict=True)]
    if len(set(keys.tolist())) == len(keys):  # a row each: no lists need be gathered
        one = dict(zip(keys.tolist(), rows, strict=True))
        encoded = [msgspec.json.encode([one[number]]) if number in one else None for number in ids]
        return Batch(
            list(ids),
            [NONE_ENCODING if body is None else ROWS_ENCODING for body in encoded],
            encoded,
            None,
        )
    found: dict[int, list[dict[str, Any]]] = {}
    for key, row in zip(keys.tolist(), rows, strict=True):
        found.setdefault(key, []).append(row)
    bodies = [msgspec.json.encode(found[number]) if number in found else None for number in ids]
    forms = [NONE_ENCODING if body is None else ROWS_ENCODING for body in bodies]
    return Batch(list(ids), forms, bodies, None)


def _plain(column: pd.Series[Any]) -> list[Any]:
    """Python values that JSON holds, None where there is none."""
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return [None if pd.isna(moment) else moment.isoformat() for moment in column]
    found: list[Any] = column.tolist()
    if column.hasnans:
        found = [None if absent else cell for cell, absent in zip(found, column.isna(), strict=True)]
    if column.dtype == object:
        return [cell.tolist() if isinstance(cell, np.ndarray) else cell for cell in found]
    return found


def _partners(ids: Sequence[int], own: Int64Array, other: Int64Array) -> Batch:
    # Partners that are no segment count together, as 0, so that they can be told of.
    other = np.where(other > PENDING, other, 0)
    groups = group_rows(pd.Series(own), pd.Series(other))
    records = np.empty(len(groups.first), _RECORD)
    records["partner"] = other[groups.first]
    records["count"] = groups.sizes
    keys = own[groups.first]
    order = np.argsort(keys, kind="stable")
    keys, records = keys[order], records[order]
    starts = np.searchsorted(keys, ids, side="left")
    ends = np.searchsorted(keys, ids, side="right")
    bodies: list[bytes | None] = [
        records[start:end].tobytes() if end > start else None
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
    ]
    forms = [NONE_ENCODING if body is None else PARTNERS_ENCODING for body in bodies]
    return Batch(list(ids), forms, bodies, None)


def unpacked(
    bodies: npt.NDArray[np.object_],
) -> tuple[npt.NDArray[np.intp], Int64Array, Int64Array]:
    """Place of the ID, partner and number of synapses, of all IDs with partners."""
    places = np.flatnonzero([body is not None for body in bodies])
    sizes = np.array([len(bodies[place]) for place in places], np.intp) // _RECORD.itemsize
    records = np.frombuffer(b"".join(bodies[places]), _RECORD)
    return (
        np.repeat(places, sizes),
        np.ascontiguousarray(records["partner"]),
        np.ascontiguousarray(records["count"]),
    )
