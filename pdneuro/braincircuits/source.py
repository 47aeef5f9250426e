"""BrainCircuits.io as a source of properties and partners."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pdneuro.braincircuits import parse, payload, send
from pdneuro.options import Fetch
from pdneuro.tables import edges, records
from pdneuro.tables.ids import Int64Array
from pdneuro.transport.fetch import Answers, fetch_by_id

#: Columns that the documentation promises, so that an answer about nothing has them as well.
_DOCUMENTED = {
    "size": ("size",),
    "link_pre": ("nr_pre", "nr_downstream_partner"),
    "link_post": ("nr_post", "nr_upstream_partner"),
    "connectivity": ("connectivity_downstream_count", "connectivity_upstream_count"),
}


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
    #: Properties that the service documents; any other name is passed on to it.
    PROPERTIES = payload.PROPERTIES

    @property
    def name(self) -> str:
        """The source's name in messages and provenance."""
        return f"braincircuits:{self.project}"

    def _fetch(self, ids: Int64Array, name: str, fetch: Fetch) -> Answers:
        return fetch_by_id(ids, send.question(self.project, name, self.name, fetch), fetch)

    def properties(
        self, ids: Int64Array, name: str, *, multiple: str, fetch: Fetch
    ) -> dict[str, Any]:
        """Columns of one property: arrays with one entry an ID, missing where nothing is known."""
        answers = self._fetch(ids, name, fetch)
        empty = {
            label: pd.arrays.IntegerArray(np.zeros(len(ids), np.int64), np.ones(len(ids), bool))
            for label in _DOCUMENTED.get(name, ())
        }
        known = np.isin(answers.forms, (parse.JSON_FORM, parse.PARTNERS_FORM))
        if len(ids) and not known.any() and empty:
            return empty
        if multiple == "count" and (answers.forms == parse.PARTNERS_FORM).all():
            return dict(parse.partner_counts(answers.bodies.tolist()))
        columns = records.property_columns(
            name,
            parse.values(answers.forms, answers.bodies),
            multiple=multiple,
            keep_keys=name in ("link_pre", "link_post"),
            ids=ids,
        )
        return {**empty, **columns} if len(ids) else empty or columns

    def records(self, ids: Int64Array, name: str, *, fetch: Fetch) -> pd.DataFrame:
        """A list-valued property in long form: ``segment_id`` and the records' fields."""
        answers = self._fetch(ids, name, fetch)
        side = "direction" if name == "connectivity" else "list"
        return records.long_records(ids, parse.values(answers.forms, answers.bodies), side)

    def edges(
        self, ids: Int64Array, *, upstream: bool, downstream: bool, fetch: Fetch
    ) -> pd.DataFrame:
        """Direct edges of the IDs as ``pre, post, weight``, each once."""
        answers = self._fetch(ids, "connectivity", fetch)
        known = answers.forms >= parse.JSON_FORM
        told = parse.edges(ids[known], answers.forms[known], answers.bodies[known])
        if upstream and downstream:
            return edges.both_ends(ids, *told)
        return edges.edge_table(*told[0 if downstream else 1])
