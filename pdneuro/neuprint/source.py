"""A data set of neuPrint as a source of properties, partners, regions and skeletons."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from pdneuro.errors import (
    InvalidQueryError,
    NotFoundError,
    NotGeneratedWarning,
    UnexpectedResponseWarning,
    UnsupportedError,
    did_you_mean,
    listing,
    warn,
)
from pdneuro.neuprint import parse, payload, send
from pdneuro.options import Fetch, get_option
from pdneuro.sources import LINKS, Entry, capabilities, documented_columns
from pdneuro.tables import columns, neuron_fields
from pdneuro.tables import skeletons as node_tables
from pdneuro.tables.edges import edge_table
from pdneuro.tables.ids import Int64Array
from pdneuro.tables.partners import PartnerLists, from_partners, unpack
from pdneuro.transport.fetch import fetch_by_id
from pdneuro.transport.report import FOUND, NONE, Answers

_COUNTS = ("pre", "post", "upstream", "downstream", "size")
_TEXTS = ("type", "instance", "status", "somaSide", "predictedNt")


@dataclass(frozen=True)
class NeuPrint:
    """A data set of a neuPrint server.

    Parameters
    ----------
    dataset : str
        Such as ``"hemibrain:v1.2.1"``. Without a version: the data set of exactly this name if there is
        one, else the highest version.

    Notes
    -----
    The server is the option ``neuprint_url``, its token ``pdneuro.tokens.get("neuprint")``. Public data
    sets may need no token. Source: https://github.com/connectome-neuprint/neuPrintHTTP.
    """

    dataset: str
    #: Full name of the data set on each server that was queried.
    _full: dict[str, str] = field(default_factory=dict, repr=False, compare=False)
    #: Keywords of edges that not every source takes.
    EDGE_OPTIONS = frozenset({"roi", "fragments"})

    @property
    def name(self) -> str:
        """Name of the source in messages and provenance, after a query with the version."""
        return f"neuprint:{self._full.get(get_option('neuprint_url'), self.dataset)}"

    def _open(self, fetch: Fetch) -> str:
        """Return the full name of the data set."""
        full = send.dataset(self.dataset, fetch)
        self._full[get_option("neuprint_url")] = full
        return full

    def _property(self, ids: Int64Array, name: str, fetch: Fetch) -> Answers:
        query = send.by_property(name, self._open(fetch), self.name, fetch)
        answers = fetch_by_id(ids, query, send.limited(fetch))
        if (answers.status == NONE).any() and not (answers.status == FOUND).any():
            self._require_property(name, fetch)
        return answers

    def _require_property(self, name: str, fetch: Fetch) -> None:
        """Raise an error for a name that the data set does not have; Neo4j returns null for it."""
        known = self._names(fetch)
        if known and name not in known:
            near = did_you_mean(name, [*known, *LINKS, "connectivity"])
            raise NotFoundError(
                f"{self.name} does not have a property {name!r}.{near} It has {listing(known, 12)}.",
                url=get_option("neuprint_url"),
            )

    def _names(self, fetch: Fetch) -> list[str]:
        """Return the names of the properties of the data set's neurons."""
        full = self._open(fetch)
        known = send.document(full, payload.meta("neuronProperties"), fetch, parse.names)
        return known or send.document(
            full, payload.PROPERTY_NAMES, fetch, lambda found: list(map(str, found))
        )

    def _partners(
        self, ids: Int64Array, fetch: Fetch, *, upstream: bool, fragments: bool = True, roi: bool = False
    ) -> Answers:
        query = send.by_partners(
            self._open(fetch), self.name, fetch, upstream=upstream, fragments=fragments, regions=roi
        )
        return fetch_by_id(ids, query, send.limited(fetch))

    def catalog(self, fetch: Fetch) -> list[Entry]:
        """Return the data set, the versions of its name, its properties, and the capabilities."""
        full, known = self._open(fetch), send.datasets(fetch)
        name, text = full.partition(":")[0], payload.DATASETS.get(full, "")
        versions = sorted(
            (other for other in known if other.partition(":")[0] == name and ":" in other),
            key=lambda other: payload.version_key(other.partition(":")[2]),
        )
        labels = payload.PROPERTIES
        return [
            Entry("dataset", full, version=full.partition(":")[2] or None, description=text),
            *(Entry("version", other, version=other.partition(":")[2]) for other in versions),
            *(
                Entry("property", label, description=labels.get(label, ""))
                for label in dict.fromkeys([*self._names(fetch), *LINKS, "connectivity"])
            ),
            *capabilities(payload.CAPABILITIES),
        ]

    # -- the protocol of a source ------------------------------------------------------------------

    def properties(self, ids: Int64Array, name: str, *, multiple: str, fetch: Fetch) -> dict[str, Any]:
        """Return the columns of one property; a point is three columns in nm."""
        columns.check_multiple(multiple)
        if not len(ids):
            return _documented(name, 0, multiple)
        if name in LINKS:
            return self._links(ids, name, fetch)
        if name == "connectivity":
            found = self._partner_lists(ids, fetch)
            return columns.property_columns(name, found, multiple=multiple, ids=ids)
        values = parse.values(self._property(ids, name, fetch).payloads)
        if any(map(parse.is_point, values)):
            nm = parse.points(values, self._voxel_size(fetch))
            return {
                f"{name}_{axis}": pd.arrays.FloatingArray(nm[:, place].copy(), np.isnan(nm[:, place]))
                for place, axis in enumerate("xyz")
            }
        if name == "roiInfo":
            values = [None if value is None else parse.region_list(value) for value in values]
        documented = _documented(name, len(ids), multiple)
        if documented and not any(value is not None for value in values):
            return documented
        return columns.property_columns(name, values, multiple=multiple, ids=ids)

    def _links(self, ids: Int64Array, name: str, fetch: Fetch) -> dict[str, Any]:
        """Return the sums of the partners on one side, so that they are those of the edges."""
        answers = self._partners(ids, fetch, upstream=name == "link_post")
        answers.status[answers.status == NONE] = FOUND  # no partner is a count, 0
        known = np.flatnonzero(answers.status == FOUND)
        side = unpack(answers.payloads[known])
        synapses = np.zeros(len(known), np.int64)
        np.add.at(synapses, side.rows, side.weight)
        counts = (synapses, np.bincount(side.rows, minlength=len(known)))
        return columns.scatter(dict(zip(LINKS[name], counts, strict=True)), known, len(ids))

    def _partner_lists(self, ids: Int64Array, fetch: Fetch) -> list[dict[str, list[Any]] | None]:
        """Return the partners of each body as the property ``connectivity`` of other services."""
        found: list[dict[str, list[Any]] | None] = [None] * len(ids)
        for upstream, side in ((False, "downstream"), (True, "upstream")):
            answers = self._partners(ids, fetch, upstream=upstream)
            known = np.flatnonzero((answers.status == FOUND) | (answers.status == NONE)).tolist()
            for row in known:
                found[row] = found[row] or {"downstream": [], "upstream": []}
            rows, partner, weight, _ = unpack(answers.payloads)
            for row, other, count in zip(rows.tolist(), partner.tolist(), weight.tolist(), strict=True):
                found[row][side].append({"segmentid": other, "synaptic_count": count})
        return found

    def records(self, ids: Int64Array, name: str, *, fetch: Fetch) -> pd.DataFrame:
        """Return a property in long form; ``roiInfo`` has one row per body and region."""
        if not len(ids):
            return parse.region_records(ids, [], ()) if name == "roiInfo" else _no_records()
        if name == "connectivity":
            return columns.long_records(ids, self._partner_lists(ids, fetch), "direction")
        values = parse.values(self._property(ids, name, fetch).payloads)
        if name == "roiInfo":
            return parse.region_records(ids, values, self._primary(fetch))
        return columns.long_records(ids, values)

    def edges(
        self,
        ids: Int64Array,
        *,
        upstream: bool,
        downstream: bool,
        fetch: Fetch,
        roi: bool = False,
        fragments: bool = True,
    ) -> pd.DataFrame:
        """Return the direct edges of the IDs, each once; with ``roi``, one row per primary region."""
        primary = self._primary(fetch) if roi and len(ids) else []
        wanted = [side for side, is_wanted in ((False, downstream), (True, upstream)) if is_wanted]
        if not len(ids):
            empty = edge_table(ids, ids, ids)
            return empty.assign(roi=parse.region_category((), ())) if roi else empty
        answers = {
            side: self._partners(ids, fetch, upstream=side, fragments=fragments, roi=roi)
            for side in wanted
        }
        if roi:
            return _by_region(ids, answers, primary)
        sides = [unpack(found.payloads) for found in answers.values()]
        rows, partner, weight, incoming = map(np.concatenate, zip(*sides, strict=True))
        order = np.argsort(rows, kind="stable")
        part = PartnerLists(rows[order], partner[order], weight[order], incoming[order])
        return from_partners(ids, [part], len(order))

    def _voxel_size(self, fetch: Fetch) -> list[float]:
        """Return the size of a voxel in nm."""
        return send.document(self._open(fetch), payload.meta("voxelSize"), fetch, parse.voxel_size)

    def _primary(self, fetch: Fetch) -> list[str]:
        full = self._open(fetch)
        primary = send.document(full, payload.meta("primaryRois"), fetch, parse.names)
        if not primary:
            raise UnsupportedError(
                f"{self.name} has no list of primary regions (Meta.primaryRois), which do not overlap."
            )
        return primary

    # -- skeletons ---------------------------------------------------------------------------------

    def skeletons(self, ids: Int64Array, *, generate: bool, fetch: Fetch) -> pd.DataFrame:
        """Return the node table of the bodies that have a skeleton (µm).

        The server's coordinates and radii are in voxels of the data set. They are converted by
        ``Meta.voxelSize``. Each body takes one request; at most three are sent at the same time.

        Parameters
        ----------
        ids : array of int64
        generate : bool
            Must be False: neuPrint has no route to generate a skeleton.
        fetch : Fetch
        """
        if generate:
            raise InvalidQueryError(
                f"generate=True starts skeletons on a CAVE server, and {self.name} has only those that "
                "exist. Remove generate=True."
            )
        full, size = self._open(fetch), self._voxel_size(fetch)
        query = send.by_skeleton(full, self.name, fetch)
        answers = fetch_by_id(ids, query, send.limited(fetch)._replace(batch_size=1))
        absent = ids[answers.status == NONE].tolist()
        doubtful = ids[answers.encodings == parse.DOUBTFUL_ENCODING].tolist()
        answers.details.update(dict.fromkeys(absent, "no skeleton"))
        answers.details.update(dict.fromkeys(doubtful, "a skeleton with problems"))
        if absent:
            warn(
                f"{self.name} has no skeleton of {len(absent):,} of {len(ids):,} bodies: "
                f"{listing(absent)}.",
                NotGeneratedWarning,
            )
        if doubtful:
            warn(
                f"the skeletons of {len(doubtful):,} of {len(ids):,} bodies have problems: "
                f"{listing(doubtful)}. They are returned unchanged and not cached: .neuro.check() lists "
                "the problems.",
                UnexpectedResponseWarning,
            )
        rows = np.flatnonzero(answers.status == FOUND)
        tables = [node_tables.frame(parse.skeleton(answers.payloads[row], size), [], "") for row in rows]
        return node_tables.joined(tables, ids[rows].tolist())

    # -- the table of neurons ----------------------------------------------------------------------

    def find(
        self, filters: Mapping[str, Sequence[Any]], *, regex: bool, table: str | None, fetch: Fetch
    ) -> pd.DataFrame:
        """Return the neurons with some values; see :func:`pdneuro.queries.find.find`."""
        _no_table(self.name, table)
        full, chosen = self._open(fetch), self._fields(filters, fetch)
        exact, patterns = [], []
        for name, values in filters.items():
            if name == "side" and chosen[name] == "instance":
                ends = neuron_fields.spellings(name, values)
                patterns.append(("instance", [f".*_{re.escape(str(value))}" for value in ends]))
            elif regex and name != "side" and all(isinstance(value, str) for value in values):
                patterns.append((chosen[name], list(values)))
            else:
                exact.append((chosen[name], neuron_fields.spellings(name, values)))
        query = payload.find(exact, patterns, dict.fromkeys(chosen.values()))
        found = pd.DataFrame(send.table(full, query, fetch), dtype=object)
        return neuron_fields.standard(found, "body", chosen)

    def _fields(self, wanted: Iterable[str], fetch: Fetch) -> dict[str, str]:
        """Return the property of each field; without a side, its ``instance`` ends with it."""
        known = self._names(fetch)
        found = neuron_fields.columns_of(known, wanted, self.name, side="instance")
        return {name: str(column) for name, column in found.items()}

    def field_values(self, name: str, *, table: str | None, fetch: Fetch) -> list[Any]:
        """Return the distinct values of a field of the neurons."""
        column = self._fields([name], fetch)[name]
        found: list[Any] = send.document(self._open(fetch), payload.values_of(column), fetch, list)
        return neuron_fields.sides(found, in_names=column == "instance") if name == "side" else found


def _no_table(source: str, table: str | None) -> None:
    if table is not None:
        raise UnsupportedError(f"{source} has one table of neurons. Remove table={table!r}.")


def _by_region(ids: Int64Array, answers: Mapping[bool, Answers], primary: Sequence[str]) -> pd.DataFrame:
    """Return the edges by region of one side or of both, each pair from one side."""
    tables = []
    for upstream, found in answers.items():
        table = parse.region_edges(ids, found.payloads, primary, upstream=upstream)
        if upstream and len(answers) > 1:  # the other side lists the edges among the bodies as well
            listed = ids[np.isin(answers[False].status, (FOUND, NONE))]
            table = table[~table["pre"].isin(pd.Index(listed))]
        tables.append(table.assign(own=table["post"] if upstream else table["pre"]))
    both = pd.concat(tables, ignore_index=True)
    order = np.argsort(pd.Index(ids).get_indexer(pd.Index(both.pop("own"))), kind="stable")
    return both.take(order).reset_index(drop=True)


def _documented(name: str, count: int, multiple: str) -> dict[str, Any]:
    """Return the columns of a property that is documented, each value missing."""
    if name.endswith("Location"):
        missing = np.ones(count, bool)
        return {
            f"{name}_{axis}": pd.arrays.FloatingArray(np.zeros(count), missing.copy()) for axis in "xyz"
        }
    if name in _COUNTS or name == "roiInfo":
        return {name if name in _COUNTS else "roiInfo_count": columns.missing_integers(count)}
    if name in _TEXTS:
        return {name: columns.missing_text(count)}
    return documented_columns(name, count, multiple)


def _no_records() -> pd.DataFrame:
    return pd.DataFrame({"segment_id": np.empty(0, np.int64)})
