"""A CAVE datastack as a source of edges, and of tables by root ID."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Unpack

import numpy as np
import pandas as pd

from pdneuro.cave import regions, root_ids, send, skeletons, synapses
from pdneuro.cave.payload import PENDING
from pdneuro.options import Fetch, FetchKeywords
from pdneuro.tables import columns
from pdneuro.tables.edges import edge_table
from pdneuro.tables.ids import Int64Array, as_series, distinct_ids
from pdneuro.tables.partners import from_partners, unpack


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
        Default: the token of :func:`pdneuro.tokens.get` for this datastack.

    Notes
    -----
    The server is the option ``cave_url``, or that of the datastack. Source:
    https://caveconnectome.github.io/CAVEclient.
    """

    #: Options of edges beyond those that every source has.
    EDGE_OPTIONS: ClassVar[frozenset[str]] = frozenset({"roi"})

    datastack: str
    version: int | None = None
    auth_token: str | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """Name of the source in messages and provenance."""
        return f"cave:{self.datastack}" + ("" if self.version is None else f"@{self.version}")

    def open(self, fetch: Fetch) -> root_ids.Version:
        """Return the datastack at a version that exists."""
        client = send.connect(self.datastack, self.auth_token, fetch)
        # Offline, the existence of a version cannot be checked.
        number = self.version if fetch.offline and self.version else client.version(self.version)
        return root_ids.Version(client, number, fetch)

    def properties(self, ids: Int64Array, name: str, *, multiple: str, fetch: Fetch) -> dict[str, Any]:
        """Return the columns of a table, like those of a property that is a list of records."""
        values = self.open(fetch).rows(ids, name) if len(ids) else []
        found = columns.property_columns(name, values, multiple=multiple, ids=ids)
        # The rows of a table are always a list, also if no ID has one.
        return found if any(values) else {f"{name}_count": columns.missing_integers(len(ids))}

    def records(self, ids: Int64Array, name: str, *, fetch: Fetch) -> pd.DataFrame:
        """Return the rows of a table in long form: ``segment_id`` and the table's columns."""
        values = self.open(fetch).rows(ids, name) if len(ids) else []
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
        client = send.connect(self.datastack, self.auth_token, fetch)
        return skeletons.skeletons(client, ids[ids > PENDING], fetch, generate=generate)

    def edges(
        self, ids: Int64Array, *, upstream: bool, downstream: bool, fetch: Fetch, roi: bool = False
    ) -> pd.DataFrame:
        """Return the edges of the IDs as ``pre, post, weight``, each once; weights are synapses.

        With ``roi``, a pair has a row for each region, which is missing for synapses without one.
        """
        ids = ids[ids > PENDING]
        if not len(ids):
            empty = edge_table(ids, ids, ids)
            return empty.assign(roi=pd.Categorical([])) if roi else empty
        version = self.open(fetch)
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
        order = np.argsort(rows, kind="stable")
        return from_partners(ids, rows[order], partner[order], weight[order], incoming[order])
