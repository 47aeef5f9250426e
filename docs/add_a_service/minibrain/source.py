"""The protocol that the accessor uses: properties, records and edges of distinct IDs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from minibrain import parse, send
from pdneuro.options import Fetch
from pdneuro.tables import columns as records
from pdneuro.tables.ids import Int64Array
from pdneuro.transport.fetch import fetch_by_id
from pdneuro.transport.report import Answers


@dataclass(frozen=True)
class Minibrain:
    """A dataset of the service."""

    dataset: str

    @property
    def name(self) -> str:
        """Name of the source in messages and provenance."""
        return f"minibrain:{self.dataset}"

    def _fetch(self, ids: Int64Array, name: str, fetch: Fetch) -> Answers:
        return fetch_by_id(ids, send.by_id(self.dataset, name, self.name, fetch), fetch)

    def properties(self, ids: Int64Array, name: str, *, multiple: str, fetch: Fetch) -> dict[str, Any]:
        """Return the columns of one property: one entry per ID, missing without a value."""
        found = parse.values(self._fetch(ids, name, fetch).payloads)
        return records.property_columns(name, found, multiple=multiple, ids=ids)

    def records(self, ids: Int64Array, name: str, *, fetch: Fetch) -> pd.DataFrame:
        """Return a list-valued property in long form."""
        return records.long_records(ids, parse.values(self._fetch(ids, name, fetch).payloads))

    def edges(self, ids: Int64Array, *, upstream: bool, downstream: bool, fetch: Fetch) -> pd.DataFrame:
        """Return the direct edges of the IDs as ``pre, post, weight``, each once."""
        payloads = self._fetch(ids, "partners", fetch).payloads
        return parse.edges(ids, payloads, upstream=upstream, downstream=downstream)
