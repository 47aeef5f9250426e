"""The protocol that the accessor talks to: properties, records and edges of distinct IDs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from minibrain import parse, send
from pdneuro.options import Fetch
from pdneuro.tables import columns as records
from pdneuro.tables.ids import Int64Array
from pdneuro.transport.answers import Answers
from pdneuro.transport.fetch import fetch_by_id


@dataclass(frozen=True)
class Minibrain:
    """A dataset of the service."""

    dataset: str

    @property
    def name(self) -> str:
        """The source's name in messages and provenance."""
        return f"minibrain:{self.dataset}"

    def _fetch(self, ids: Int64Array, name: str, fetch: Fetch) -> Answers:
        return fetch_by_id(ids, send.question(self.dataset, name, self.name, fetch), fetch)

    def properties(self, ids: Int64Array, name: str, *, multiple: str, fetch: Fetch) -> dict[str, Any]:
        """Columns of one property: arrays with one entry an ID, missing where nothing is known."""
        found = parse.values(self._fetch(ids, name, fetch).bodies)
        return records.property_columns(name, found, multiple=multiple, ids=ids)

    def records(self, ids: Int64Array, name: str, *, fetch: Fetch) -> pd.DataFrame:
        """A list-valued property in long form."""
        return records.long_records(ids, parse.values(self._fetch(ids, name, fetch).bodies))

    def edges(self, ids: Int64Array, *, upstream: bool, downstream: bool, fetch: Fetch) -> pd.DataFrame:
        """Direct edges of the IDs as ``pre, post, weight``, each once."""
        bodies = self._fetch(ids, "partners", fetch).bodies
        return parse.edges(ids, bodies, upstream=upstream, downstream=downstream)
