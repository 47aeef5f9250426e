"""A CAVE datastack as a source of edges, and of tables by root ID."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from pdneuro.cave.client import Cave, connect
from pdneuro.cave.questions import (
    FATES_AT_ONCE,
    PENDING,
    ROWS_AT_ONCE,
    SYNAPSES_AT_ONCE,
    Asked,
    Fate,
    unpacked,
)
from pdneuro.errors import ServiceError, StaleIdsWarning, listing, warn
from pdneuro.options import Fetch
from pdneuro.tables import columns as records
from pdneuro.tables.edges import edge_table
from pdneuro.tables.ids import Int64Array
from pdneuro.tables.partners import from_partners
from pdneuro.transport.fetch import BatchQuery, fetch_by_id
from pdneuro.transport.report import Answers

#: Columns that hold the root ID in tables of annotations.
ROOT = "pt_root_id"
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")


@dataclass(frozen=True)
class CaveSource:
    """A datastack at a materialization version.

    Parameters
    ----------
    datastack : str
        Such as ``"minnie65_public"``.
    version : int, optional
        Default: the newest at the time of each call.
    auth_token : str, optional
        Default: as :func:`pdneuro.tokens.get` finds it for this datastack.

    Notes
    -----
    The server is the option ``cave_url``, else that of the datastack. Source:
    https://caveconnectome.github.io/CAVEclient.
    """

    datastack: str
    version: int | None = None
    auth_token: str | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """The source's name in messages and provenance."""
        return f"cave:{self.datastack}" + ("" if self.version is None else f"@{self.version}")

    def connected(self, fetch: Fetch) -> tuple[Cave, str]:
        """The datastack's client, and the mark of its credential."""
        return connect(self.datastack, self.auth_token, fetch)

    def answered(self, ids: Int64Array, question: BatchQuery, fetch: Fetch) -> list[bytes | None]:
        """Answers to a question about the present, which are kept for offline use alone."""
        size = min(fetch.batch_size, ROWS_AT_ONCE)
        return list(fetch_by_id(ids, question, fetch._replace(batch_size=size, refresh=True)).payloads)

    def fates(self, ids: Int64Array, question: BatchQuery, fetch: Fetch) -> list[Fate | None]:
        """What became of root IDs, None for those that never were; the report tells as well."""
        size = min(fetch.batch_size, FATES_AT_ONCE)
        answers = fetch_by_id(ids, question, fetch._replace(batch_size=size, refresh=True))
        found = [
            None if body is None else msgspec.json.decode(body, type=Fate) for body in answers.payloads
        ]
        for number, fate in zip(ids.tolist(), found, strict=True):
            if fate is not None:
                answers.details[number] = f"{fate.status}, overlap {fate.overlap:.2f}"
        return found

    def asked(self, fetch: Fetch) -> Asked:
        """The datastack at a version that is there, ready for questions."""
        client, mark = self.connected(fetch)
        # Offline, a pinned version is taken at its word.
        version = self.version if fetch.offline and self.version else client.version(self.version)
        return Asked(client, version, mark)

    def rows(
        self,
        asked: Asked,
        ids: Int64Array,
        table: str,
        fetch: Fetch,
        *,
        column: str = ROOT,
        columns: Sequence[str] | None = None,
        resolution: Sequence[float] | None = None,
    ) -> list[list[dict[str, Any]] | None]:
        """Rows of a table of each root ID, None where it has none."""
        most = ROWS_AT_ONCE
        if not fetch.offline:
            asked.client.reference(table, asked.version)  # first of all: is there such a table?
            most = SYNAPSES_AT_ONCE if table == asked.client.synapse_table else ROWS_AT_ONCE
        answers = _fetch(ids, asked.rows(table, column, columns, resolution), fetch, most)
        known = [body for body in answers.payloads if body is not None]
        rows = iter(msgspec.json.decode(b"[" + b",".join(known) + b"]"))  # at once: half the time
        return [None if body is None else next(rows) for body in answers.payloads]

    def properties(self, ids: Int64Array, name: str, *, multiple: str, fetch: Fetch) -> dict[str, Any]:
        """Columns of a table, as of a property that is a list of records."""
        values = self.rows(self.asked(fetch), ids, name, fetch) if len(ids) else []
        return records.property_columns(name, values, multiple=multiple, ids=ids)

    def records(self, ids: Int64Array, name: str, *, fetch: Fetch) -> pd.DataFrame:
        """Rows of a table in long form: ``segment_id`` and the table's columns."""
        values = self.rows(self.asked(fetch), ids, name, fetch) if len(ids) else []
        some = [place for place, value in enumerate(values) if value is not None]
        return records.long_records(ids[some], [values[place] for place in some], "list")

    def edges(self, ids: Int64Array, *, upstream: bool, downstream: bool, fetch: Fetch) -> pd.DataFrame:
        """Direct edges of the IDs as ``pre, post, weight``, each once; weights are synapses."""
        ids = ids[ids > PENDING]
        if not len(ids):
            return edge_table(ids, ids, ids)
        asked = self.asked(fetch)
        parts = []
        for side, wanted in (("downstream", downstream), ("upstream", upstream)):
            if wanted:
                answers = _fetch(ids, asked.partners(side), fetch, SYNAPSES_AT_ONCE)
                places, partner, count = unpacked(answers.payloads)
                lost = partner == 0
                for place, number in zip(places[lost], count[lost], strict=True):
                    answers.details[int(ids[place])] = f"{number:,} synapses with no segment left out"
                parts.append((places, partner, count, np.full(len(places), side == "upstream")))
        rows, partner, weight, incoming = map(np.concatenate, zip(*parts, strict=True))
        told = np.zeros(len(ids), bool)
        told[rows] = True
        warn_of_stale(asked, ids[~told], len(ids), fetch)
        order = np.argsort(rows, kind="stable")
        return from_partners(ids, rows[order], partner[order], weight[order], incoming[order])


def warn_of_stale(asked: Asked, doubtful: Int64Array, count: int, fetch: Fetch) -> None:
    """Tell of IDs of which nothing is known because they are not valid at the version.

    Parameters
    ----------
    asked : Asked
    doubtful : array of int64
        IDs of which nothing is known.
    count : int
        Number of IDs asked about, for the message.
    fetch : Fetch
    """
    if not len(doubtful) or fetch.offline:
        return
    client, version, stale = asked.client, asked.version, []
    try:
        moment = client.frozen(version)
        for start in range(0, len(doubtful), ROWS_AT_ONCE):
            part = doubtful[start : start + ROWS_AT_ONCE].tolist()
            valid = client.is_latest(part, moment)
            stale += [number for number, is_valid in zip(part, valid, strict=True) if not is_valid]
    except ServiceError as error:  # no reason to lose what has arrived
        warn(
            f"of {len(doubtful):,} of {count:,} root IDs nothing is known, and whether they are valid "
            f"at version {version} could not be asked: {error.message}",
            StaleIdsWarning,
        )
        return
    if stale:
        warn(
            f"{len(stale):,} of {count:,} root IDs are not valid at version {version} of "
            f"{client.datastack}: {listing(stale)}. Nothing is known of them there. .neuro.latest() "
            f"tells what became of them, .neuro.at({version}) what they are there.",
            StaleIdsWarning,
        )


def _fetch(ids: Int64Array, question: BatchQuery, fetch: Fetch, most: int) -> Answers:
    # What a version says never changes.
    how = fetch._replace(batch_size=min(fetch.batch_size, most), expire_after=None)
    return fetch_by_id(ids, question, how)


def cells(name: str, values: Sequence[Any]) -> Any:
    """A column of a table: moments as such, all else as :func:`pdneuro.tables.columns.column`."""
    present = [value for value in values if value is not None]
    if present and all(isinstance(value, str) and _MOMENT.match(value) for value in present):
        return pd.to_datetime(pd.Series(values, dtype=object), utc=True, format="ISO8601").array
    return records.column(values, name)
