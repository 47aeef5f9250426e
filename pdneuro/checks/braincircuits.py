"""Checks of BrainCircuits.io."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from pdneuro.braincircuits import payload
from pdneuro.checks.probe import (
    Budget,
    Check,
    Finding,
    NotCheckedError,
    Probe,
    has_keys,
    named,
    reachable,
)
from pdneuro.errors import InvalidTokenError
from pdneuro.options import get_option
from pdneuro.transport import tokens
from pdneuro.transport.report import ShapeError
from pdneuro.transport.responses import parse_json

#: Segments of FlyWire, FANC and the sandbox. Segments change; ``ids=`` names others.
EXAMPLES = (720575940621522189, 648518346504017760, 720575940609676979)
#: An ID that no project has.
UNKNOWN = 720575940999999999
_PROJECT = "fruitfly_fafb_flywire"
_YEAR = 31_557_600


class BrainCircuitsProbe(Probe):
    """A project of BrainCircuits.io, and segments to query."""

    def __init__(self, project: str | None, ids: Sequence[int], budget: Budget) -> None:
        default = str(get_option("source") or "")
        is_project = default.startswith(("fruitfly", "braincircuits:"))
        self.project = project or (default.removeprefix("braincircuits:") if is_project else _PROJECT)
        self.ids = tuple(ids or EXAMPLES)
        self.origin = tokens.origin("braincircuits")
        super().__init__(
            f"braincircuits:{self.project}", get_option("braincircuits_url"), budget, self._tokens()
        )

    def _tokens(self) -> dict[str, str]:
        found: list[str | None] = []
        for get in (partial(tokens.get, "braincircuits"), tokens.for_braincircuits):
            try:
                found.append(get())
            except InvalidTokenError:
                found.append(None)
        token, self.cave_token = found
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        is_managed = self.project in payload.CAVE_PROJECTS or "cave" in self.project.split("_")
        if token and self.cave_token and is_managed:
            headers["Authorization-Cave"] = f"Bearer {self.cave_token}"
        return headers

    def values(self, name: str, ids: Sequence[int]) -> dict[str, Any]:
        """Return the values of a property by segment, as text."""
        request = payload.segment_property(self.address, self.project, name, ids)
        found = self.json(request)["results"]
        if not isinstance(found, dict):
            raise ShapeError(f"results is not an object: {named(found)}")
        return found

    def known(self) -> int:
        """Return a segment that the project has."""
        for ids in ((*self.ids, UNKNOWN), *((one,) for one in self.ids[:3])):
            try:
                found = self.values("size", ids)
            except ShapeError:
                continue  # the whole request is rejected: one by one
            for number in ids:
                if number != UNKNOWN and found.get(str(number)):
                    return number
            if len(ids) > 1:
                break
        raise NotCheckedError(
            "the project has none of the example segments; pass ids= with some that it has"
        )

    def of_known(self, name: str) -> Any:
        """Return the value of a property of the known segment."""
        return self.values(name, [self.known()])[str(self.known())]


def _token(probe: BrainCircuitsProbe) -> Finding:
    if "Authorization" not in probe.headers:
        return Finding(False, probe.origin or "no token")
    request = payload.segment_property(probe.address, probe.project, "size", (*probe.ids, UNKNOWN))
    response = probe.send(request)
    needs_cave = response.status_code == 403 and b"cave" in response.content.lower()
    if needs_cave and probe.cave_token and "Authorization-Cave" not in probe.headers:
        probe.headers["Authorization-Cave"] = f"Bearer {probe.cave_token}"
        response = probe.send(request)
    accepted = response.status_code < 500 and response.status_code not in (401, 403)
    result = "accepted" if accepted else f"{response.status_code}: {probe.excerpt(response)}"
    return Finding(accepted, f"{probe.origin}; {result}")


def _unknown(probe: BrainCircuitsProbe) -> Finding:
    known = probe.known()
    request = payload.segment_property(probe.address, probe.project, "size", (*probe.ids, UNKNOWN))
    response = probe.send(request)
    if response.status_code != 200:
        return Finding(False, f"status {response.status_code} for all: {probe.excerpt(response)}")
    found = parse_json(response.content)["results"]
    value = found.get(str(UNKNOWN), "absent")
    return Finding(bool(found.get(str(known))) and value in ("absent", None, {}), f"unknown: {value}")


def _keyed(probe: BrainCircuitsProbe) -> Finding:
    wanted = {str(number) for number in (*probe.ids, UNKNOWN)}
    found = probe.values("size", [int(number) for number in (*probe.ids, UNKNOWN)])
    others = sorted(set(found) - wanted)
    return Finding(bool(found) and not others, f"keys {', '.join(others or sorted(found))[:80]}")


def _timestamp(probe: BrainCircuitsProbe) -> Finding:
    request = payload.segment_property(probe.address, probe.project, "size", [probe.known()])
    found = probe.json(request).get("materialized_timestamp")
    fits = type(found) is int and 40 * _YEAR < found < 100 * _YEAR
    return Finding(fits, f"{found!r}"[:60])


def _size(probe: BrainCircuitsProbe) -> Finding:
    value = probe.of_known("size")
    return Finding(isinstance(value, dict) and type(value.get("size")) in (int, float), named(value))


def _links(name: str, keys: tuple[str, ...]) -> Check:
    return Check(
        f"keys of {name}",
        ", ".join(keys),
        lambda probe: has_keys(probe.of_known(name), keys),
        "The columns have other names. Send a recording; see the page 'Live services'.",
    )


def _connectivity(probe: BrainCircuitsProbe) -> Finding:
    value = probe.of_known("connectivity")
    entries = [*value["downstream"], *value["upstream"]]
    if not entries:
        raise NotCheckedError("the segment has no partners; pass ids= with one that has")
    odd = [
        entry
        for entry in entries
        if not (isinstance(entry["segmentid"], str) and type(entry["synaptic_count"]) is int)
    ]
    return Finding(not odd, named((odd or entries)[0]) + (f" such as {odd[0]}"[:80] if odd else ""))


def _order(probe: BrainCircuitsProbe) -> Finding:
    value = probe.of_known("connectivity")
    sides = [[entry["synaptic_count"] for entry in value[side]] for side in ("downstream", "upstream")]
    falling = all(counts == sorted(counts, reverse=True) for counts in sides)
    return Finding(falling, "by falling count" if falling else "in another order")


def _counts(probe: BrainCircuitsProbe) -> Finding:
    partners, pre = probe.of_known("connectivity")["downstream"], probe.of_known("link_pre")
    summed = (sum(entry["synaptic_count"] for entry in partners), len(partners))
    counted = (pre["nr_pre"], pre["nr_downstream_partner"])
    return Finding(summed == counted, f"{summed[0]} and {summed[1]}; {counted[0]} and {counted[1]}")


def _batch(probe: BrainCircuitsProbe) -> Finding:
    size = get_option("batch_size")
    ids = [probe.known(), *range(UNKNOWN + 1, UNKNOWN + size)]
    request = payload.segment_property(probe.address, probe.project, "size", ids)
    response = probe.send(request)
    if response.status_code != 200:
        return Finding(False, f"status {response.status_code}: {probe.excerpt(response)}")
    found = parse_json(response.content)["results"]
    return Finding(bool(found.get(str(ids[0]))), f"{len(ids):,} IDs in one response")


def _dump(probe: BrainCircuitsProbe) -> Finding:
    found = probe.json(payload.graph_dump(probe.address, probe.project))
    fits, seen = has_keys(found, ("edges_url", "nodes_url", "last_materialized"))
    return Finding(fits and isinstance(found["edges_url"], str), seen)


_RECORD = "Send a recording; see the page 'Live services'."
CHECKS = (
    *reachable(lambda probe: probe.address),
    Check(
        "token",
        "found and accepted",
        _token,
        "Get a token at https://braincircuits.io and save it: pdneuro setup braincircuits. A project "
        "of CAVE also needs the token of its server: pdneuro setup cave.",
        needed=True,
    ),
    Check(
        "unknown ID next to a known one",
        "the known one has a value; the unknown one is absent, null or {}",
        _unknown,
        f"A request with one unknown ID fails: use a small batch_size. {_RECORD}",
    ),
    Check("order", "values by ID", _keyed, _RECORD),
    Check("time of the data", "seconds since 1970", _timestamp, _RECORD),
    Check("keys of size", "size", _size, _RECORD),
    _links("link_pre", ("nr_pre", "nr_downstream_partner")),
    _links("link_post", ("nr_post", "nr_upstream_partner")),
    Check("keys of connectivity", "segmentid (text), synaptic_count (int)", _connectivity, _RECORD),
    Check("order of partners", "by falling count", _order, "Partners are sorted by pdneuro anyway."),
    Check(
        "row counts",
        "sums of partners equal nr_pre and nr_downstream_partner",
        _counts,
        "Lists of partners may be truncated, or counts are of other synapses. Do not add them up.",
    ),
    Check(
        "row limit",
        "the option batch_size is accepted",
        _batch,
        "Set a smaller one: pdneuro.set_options(batch_size=100).",
    ),
    Check(
        "files of the graph",
        "edges_url, nodes_url, last_materialized",
        _dump,
        "Connectome.download() does not work for this project; query IDs instead.",
    ),
)


def probes(name: str | None, ids: Sequence[int], budget: Budget) -> list[Probe]:
    """Return the probe of a project."""
    return [BrainCircuitsProbe(name, ids, budget)]
