"""Checks of neuPrint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import requests

from pdneuro.checks.probe import Budget, Check, Finding, NotCheckedError, Probe, named, reachable
from pdneuro.errors import InvalidTokenError
from pdneuro.neuprint import parse, payload
from pdneuro.options import get_option
from pdneuro.transport import tokens
from pdneuro.transport.report import ShapeError
from pdneuro.transport.responses import parse_json

#: A body ID that no data set has.
UNKNOWN = 720575940999999999
_DATASET = "hemibrain:v1.2.1"


class NeuPrintProbe(Probe):
    """A data set of the server."""

    def __init__(self, dataset: str, budget: Budget) -> None:
        self.dataset = dataset
        self.origin = tokens.origin("neuprint") or "no token"
        try:
            token = tokens.get("neuprint")
        except InvalidTokenError:
            token = None
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        super().__init__(f"neuprint:{dataset}", get_option("neuprint_url"), budget, headers)

    def datasets(self) -> list[str]:
        """Return the names of the server's data sets."""
        return parse.datasets(self.send(payload.datasets(self.address), anonymous=True).content)

    def full(self) -> str:
        """Return the full name of the data set."""
        return payload.latest(self.dataset, self.datasets()) or self.dataset

    def answer(self, query: str) -> requests.Response:
        """Return the response to a query."""
        return self.send(payload.cypher(self.address, self.full(), query))

    def rows(self, query: str) -> Any:
        """Return the rows of a query."""
        return self.json(payload.cypher(self.address, self.full(), query))["data"]

    def known(self) -> int:
        """Return a body of the data set."""
        rows = self.rows(payload.ONE_BODY)
        if not rows:
            raise NotCheckedError("the data set has no neurons")
        return int(rows[0][0])


def _datasets(probe: NeuPrintProbe) -> Finding:
    known = probe.datasets()
    return Finding(probe.full() in known, ", ".join(known)[:100])


def _token(probe: NeuPrintProbe) -> Finding:
    response = probe.answer(payload.meta("voxelSize"))
    accepted = response.status_code == 200
    result = "accepted" if probe.headers else "public data"
    seen = result if accepted else f"{response.status_code}: {probe.excerpt(response)}"
    return Finding(accepted, f"{probe.origin}; {seen}")


def _voxel_size(probe: NeuPrintProbe) -> Finding:
    size = parse.voxel_size([row[0] for row in probe.rows(payload.meta("voxelSize"))])
    return Finding(True, f"{size} nm")


def _regions(probe: NeuPrintProbe) -> Finding:
    found = parse.names([row[0] for row in probe.rows(payload.meta("primaryRois"))])
    return Finding(bool(found), f"{len(found)} regions")


def _names(probe: NeuPrintProbe) -> Finding:
    found = parse.names([row[0] for row in probe.rows(payload.meta("neuronProperties"))])
    return Finding("bodyId" in found or "type" in found, ", ".join(found)[:100] or "none")


def _partners(probe: NeuPrintProbe) -> Finding:
    known = probe.known()
    query = payload.partners([known, UNKNOWN], upstream=False, fragments=True, regions=False)
    rows = probe.rows(query)
    kinds = {type(cell) for row in rows for cell in row}
    if not kinds <= {int, type(None)} or any(len(row) != 3 for row in rows):
        raise ShapeError(f"rows are not three whole numbers: {named(rows[0])}")
    bodies = {row[0] for row in rows}
    return Finding(bodies == {known}, f"{len(rows)} rows of {len(bodies)} bodies")


def _error(probe: NeuPrintProbe) -> Finding:
    response = probe.answer("MATCH (n RETURN n")
    try:
        found = parse_json(response.content)
    except ShapeError:
        found = None
    fits = response.status_code == 400 and isinstance(found, dict) and "Neo4j" in str(found.get("error"))
    return Finding(fits, f"status {response.status_code}: {probe.excerpt(response)}")


_RECORD = "Send a recording; see the page 'Live services'."
CHECKS = (
    *reachable(lambda probe: f"{probe.address}/api/version"),
    Check(
        "data sets",
        "a list with the data set",
        _datasets,
        "Name a data set of the list, or another server: pdneuro.set_options(neuprint_url=...).",
        needed=True,
    ),
    Check(
        "token",
        "accepted, or public data without a token",
        _token,
        "Get a token of this server (its page /account) and save it: pdneuro setup neuprint. Tokens "
        "from before August 2026 are no longer valid. Accept the terms of the data set in the browser.",
        needed=True,
    ),
    Check("size of a voxel", "three numbers in nm", _voxel_size, "Points have no unit."),
    Check("primary regions", "a list", _regions, "Edges by region (roi=True) are not possible."),
    Check(
        "names of properties",
        "a list with bodyId or type",
        _names,
        "Names are then read from all neurons, which takes longer.",
    ),
    Check("partners of a body", "body, partner, weight; no row of an unknown body", _partners, _RECORD),
    Check("invalid query", "status 400 with the error of Neo4j", _error, _RECORD),
)


def probes(name: str | None, ids: Sequence[int], budget: Budget) -> list[Probe]:
    """Return the probe of a data set: the named one, that of the option ``source``, or hemibrain."""
    source = str(get_option("source") or "")
    if not name and source.startswith("neuprint:"):
        name = source.removeprefix("neuprint:")
    return [NeuPrintProbe(name or _DATASET, budget)]
