"""BrainCircuits.io as a source of properties and partners."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pdneuro.braincircuits import parse, payload, send
from pdneuro.errors import AuthenticationError, ForbiddenError, NotFoundError
from pdneuro.options import Fetch
from pdneuro.sources import LINKS, Dump, Entry, capabilities, documented_columns
from pdneuro.tables import columns as records
from pdneuro.tables.ids import Int64Array
from pdneuro.transport.fetch import fetch_by_id
from pdneuro.transport.report import Answers


@dataclass(frozen=True)
class BrainCircuits:
    """A project on BrainCircuits.io.

    Parameters
    ----------
    project : str
        Such as ``"fruitfly_fafb_flywire"``.

    Notes
    -----
    Source: https://braincircuits.io/docs/api/overview. The service's address is the option
    ``braincircuits_url``, its token ``pdneuro.tokens.get("braincircuits")``.
    """

    project: str
    #: Properties that the service documents; any other name is sent to it as well.
    PROPERTIES = tuple(payload.PROPERTIES)

    @property
    def name(self) -> str:
        """Name of the source in messages and provenance."""
        return f"braincircuits:{self.project}"

    def _fetch(self, ids: Int64Array, name: str, fetch: Fetch) -> Answers:
        try:
            return fetch_by_id(ids, send.by_id(self.project, name, self.name, fetch), fetch)
        except (AuthenticationError, ForbiddenError, NotFoundError) as error:
            if Path(self.project).exists():
                error.message += (
                    f" There is also a folder {self.project!r}. If you mean it, write "
                    f"source='./{self.project}'."
                )
            raise

    def catalog(self, fetch: Fetch) -> list[Entry]:
        """Return the project, its documented properties and its capabilities; no request is sent."""
        return [
            Entry("project", self.project, description=payload.PROJECTS.get(self.project, "")),
            *(Entry("property", name, description=text) for name, text in payload.PROPERTIES.items()),
            *capabilities(payload.CAPABILITIES),
        ]

    def graph_dump(self, folder: Path, fetch: Fetch) -> Dump:
        """Download the whole graph into a folder."""
        return send.graph_dump(self.project, folder, fetch)

    def properties(self, ids: Int64Array, name: str, *, multiple: str, fetch: Fetch) -> dict[str, Any]:
        """Return the columns of one property: one entry per ID, missing if there is no value."""
        if not len(ids):
            return documented_columns(name, 0, multiple)
        answers = self._fetch(ids, name, fetch)
        known = np.flatnonzero(answers.encodings >= parse.JSON_ENCODING)
        encodings, payloads = parse.packed(answers.encodings[known], answers.payloads[known])
        keep_keys = name in LINKS
        documented = documented_columns(name, len(known), multiple)
        cells = parse.flat_cells(encodings, payloads) if multiple == "count" else None
        if cells is not None:
            columns = records.flat_property(name, cells, keep_keys=keep_keys)
        elif len(known) or not documented:
            columns = records.property_columns(
                name,
                parse.values(encodings, payloads),
                multiple=multiple,
                keep_keys=keep_keys,
                ids=ids[known],
            )
        else:
            columns = {}
        if len(known):
            parse.warn_of_other_keys(name, columns, len(known))
        columns = documented | columns
        return records.scatter(columns, known, len(ids))

    def records(self, ids: Int64Array, name: str, *, fetch: Fetch) -> pd.DataFrame:
        """Return a list-valued property in long form: ``segment_id`` and the fields of the records."""
        answers = self._fetch(ids, name, fetch)
        side = "direction" if name == "connectivity" else "list"
        return records.long_records(ids, parse.values(answers.encodings, answers.payloads), side)

    def edges(self, ids: Int64Array, *, upstream: bool, downstream: bool, fetch: Fetch) -> pd.DataFrame:
        """Return the direct edges of the IDs as ``pre, post, weight``, each once."""
        answers = self._fetch(ids, "connectivity", fetch)
        return parse.edges(
            ids, answers.encodings, answers.payloads, upstream=upstream, downstream=downstream
        )
