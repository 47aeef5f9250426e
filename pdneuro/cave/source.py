"""A CAVE datastack as a source of edges, and of tables by root ID."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Unpack, cast

import numpy as np
import pandas as pd

from pdneuro.cave import materialization, regions, root_ids, send, skeletons, synapses
from pdneuro.cave.materialization import AUTO, Wanted, wanted_version
from pdneuro.cave.payload import PENDING, ROOT
from pdneuro.errors import UnsupportedError
from pdneuro.options import Fetch, FetchKeywords
from pdneuro.sources import Entry
from pdneuro.tables import columns, neuron_fields
from pdneuro.tables.edges import edge_table
from pdneuro.tables.ids import Int64Array, as_series, distinct_ids
from pdneuro.tables.partners import PartnerLists, from_partners, unpack


@dataclass(frozen=True)
class CaveSource:
    """A datastack at a materialization version.

    Parameters
    ----------
    datastack : str
        Such as ``"minnie65_public"``.
    version : int, str or datetime, optional
        A materialization version; ``"auto"``, the newest one at which all IDs of a call are valid; or a
        time, which means the nearest earlier version. Default: the newest at the time of each call.
    auth_token : str, optional
        Default: the token of :func:`pdneuro.tokens.get` for this datastack.

    Notes
    -----
    The server is the option ``cave_url``, or that of the datastack. Source:
    https://caveconnectome.github.io/CAVEclient.
    """

    #: Options of edges beyond those that every source has.
    EDGE_OPTIONS: ClassVar[frozenset[str]] = frozenset({"roi"})

    datastack: str
    version: int | str | datetime.date | None = None
    auth_token: str | None = field(default=None, repr=False)
    #: How the version was chosen; None if none is chosen yet.
    choice: str | None = field(default=None, repr=False, kw_only=True)

    @property
    def name(self) -> str:
        """Name of the source in messages and provenance."""
        return f"cave:{self.datastack}" + ("" if self.wanted is None else f"@{self.wanted}")

    @property
    def wanted(self) -> Wanted | None:
        """The version as it was given, None for the newest."""
        return None if self.version is None else wanted_version(self.version)

    def __post_init__(self) -> None:
        """Raise InvalidVersionError if the version is not one."""
        if (wanted := self.wanted) is not None and wanted.number is not None:
            object.__setattr__(self, "version", wanted.number)

    @property
    def provenance(self) -> dict[str, Any]:
        """Return the version and how it was chosen, for the provenance of a result."""
        if self.choice is None:
            return {}
        return {"version_of_data": cast(int, self.version), "version_choice": self.choice}

    def at_version(self, ids: Int64Array, fetch: Fetch) -> CaveSource:
        """Return the datastack at a version that exists, for all queries of one call.

        Unchanged without root IDs, for which no request is sent.
        """
        ids = ids[ids > PENDING]
        return self._chosen(ids, fetch) if len(ids) else self

    def _chosen(self, ids: Int64Array, fetch: Fetch) -> CaveSource:
        if self.choice is not None:
            return self
        choice = materialization.choose(self.connect(fetch), self.wanted, ids, fetch)
        return replace(self, version=choice.number, choice=choice.reason)

    def connect(self, fetch: Fetch) -> send.Cave:
        """Return the client of the datastack; no request is sent yet."""
        return send.connect(self.datastack, self.auth_token, fetch)

    def open(self, ids: Int64Array, fetch: Fetch) -> root_ids.Version:
        """Return the datastack at a version that exists, with the options of one call."""
        chosen = self._chosen(ids, fetch)
        is_checked = str(chosen.choice).startswith(AUTO)
        return root_ids.Version(self.connect(fetch), cast(int, chosen.version), fetch, is_checked)

    def catalog(self, fetch: Fetch) -> list[Entry]:
        """Return the datastack, its versions with their dates, and the tables and views of a version."""
        client = self.connect(fetch)
        number = cast(int, self._chosen(np.empty(0, np.int64), fetch).version)
        versions = client.versions() if self.version is None else None
        return materialization.catalog(client, number, versions or [number], fetch)

    def properties(self, ids: Int64Array, name: str, *, multiple: str, fetch: Fetch) -> dict[str, Any]:
        """Return the columns of a table, like those of a property that is a list of records."""
        values = self.open(ids, fetch).rows(ids, name).lists() if len(ids) else []
        found = columns.property_columns(name, values, multiple=multiple, ids=ids)
        # The rows of a table are always a list, also if no ID has one.
        return found if any(values) else {f"{name}_count": columns.missing_integers(len(ids))}

    def records(self, ids: Int64Array, name: str, *, fetch: Fetch) -> pd.DataFrame:
        """Return the rows of a table in long form: ``segment_id`` and the table's columns."""
        values = self.open(ids, fetch).rows(ids, name).lists() if len(ids) else []
        return columns.long_records(ids, values)

    def synapses(
        self,
        pre: Any = None,
        post: Any = None,
        columns: str | Sequence[str] | None = None,
        *,
        min_score: float | None = None,
        bounds: Any = None,
        position: str = "center",
        units: str = "nm",
        nt: bool = False,
        autapses: bool = True,
        **fetch: Unpack[FetchKeywords],
    ) -> pd.DataFrame:
        """Return the synapses from some root IDs onto others.

        Parameters
        ----------
        pre, post : Series, Index, array or list, optional
            Root IDs of the presynaptic and postsynaptic ends. Default: any segment; one of them is
            required.
        columns, min_score, bounds, position, units, nt, autapses, **fetch
            As in :func:`pdneuro.queries.cave.synapses`.

        Examples
        --------
        >>> source = pdneuro.open_source("cave:minnie65_public@661")
        >>> ids = pdneuro.sandbox.root_ids()
        >>> found = source.synapses(pre=ids[:100], post=ids[100:], min_score=50, columns="cleft_score")
        >>> found["cleft_score"].ge(50).all().item()
        True
        """
        choice = synapses.Choice.of(
            columns,
            min_score=min_score,
            bounds=bounds,
            position=position,
            units=units,
            nt=nt,
            autapses=autapses,
        )
        before, after = (None if ids is None else distinct_ids(as_series(ids)) for ids in (pre, post))
        return synapses.search(self, before, after, choice, Fetch.of(**fetch))

    def skeletons(self, ids: Int64Array, *, generate: bool, fetch: Fetch) -> pd.DataFrame:
        """Return the node table of the root IDs that have a skeleton (µm)."""
        return skeletons.skeletons(self.connect(fetch), ids[ids > PENDING], fetch, generate=generate)

    def edges(
        self, ids: Int64Array, *, upstream: bool, downstream: bool, fetch: Fetch, roi: bool = False
    ) -> pd.DataFrame:
        """Return the edges of the IDs as ``pre, post, weight``, each once; weights are synapses.

        In the order of the IDs, the outputs of each before its inputs, by partner.

        With ``roi``, a pair has a row for each region, which is missing for synapses without one.
        """
        ids = ids[ids > PENDING]
        if not len(ids):
            empty = edge_table(ids, ids, ids)
            return empty.assign(roi=pd.Categorical([])) if roi else empty
        version = self.open(ids, fetch)
        if roi:
            return regions.edges(version, ids, upstream=upstream, downstream=downstream)
        sides = []
        for is_upstream, is_wanted in ((False, downstream), (True, upstream)):
            if is_wanted:
                answers = version.partners(ids, upstream=is_upstream)
                side = unpack(answers.payloads)
                lost = side.partner == 0
                for row, count in zip(side.rows[lost], side.weight[lost], strict=True):
                    answers.details[int(ids[row])] = f"{count:,} synapses with no segment left out"
                sides.append(side)
        rows, partner, weight, incoming = map(np.concatenate, zip(*sides, strict=True))
        version.warn_of_stale(np.delete(ids, rows), len(ids))
        order = np.lexsort((partner, incoming, rows))
        part = PartnerLists(rows[order], partner[order], weight[order], incoming[order])
        return from_partners(ids, [part], len(order))

    def find(
        self, filters: Mapping[str, Sequence[Any]], *, regex: bool, table: str | None, fetch: Fetch
    ) -> pd.DataFrame:
        """Return the rows of a table with some values; see :func:`pdneuro.queries.find.find`."""
        return neuron_fields.select(
            self._rows_of(table, fetch), ROOT, filters, f"{self.name}, table {table}", regex=regex
        )

    def field_values(self, name: str, *, table: str | None, fetch: Fetch) -> list[Any]:
        """Return the distinct values of a column of a table."""
        return neuron_fields.values_of(self._rows_of(table, fetch), ROOT, name, self.name)

    def _rows_of(self, table: str | None, fetch: Fetch) -> pd.DataFrame:
        if table is None:
            raise UnsupportedError(
                f"{self.name} has several tables of neurons. Choose one: table=..., such as a table of "
                "cell types."
            )
        return self.open(np.empty(0, np.int64), fetch).everything(table)
