"""Checks of NeuroMorpho.org."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import requests

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
from pdneuro.neuromorpho import field_types, parse, payload
from pdneuro.options import get_option
from pdneuro.transport.report import ShapeError
from pdneuro.transport.responses import parse_json

#: IDs that the service does not have.
UNKNOWN, UNKNOWN_TOO = 999_999_999, 999_999_998
_SIZE = 60
_RAT = {"species": ["rat"]}


class NeuroMorphoProbe(Probe):
    """The service of NeuroMorpho.org."""

    def url(self, *parts: object, **params: object) -> str:
        """Return an address of the service."""
        return payload.url(self.address, *parts, params=[*params.items()])

    def page(self, *parts: object, **params: object) -> Any:
        """Return a page of records."""
        return self.json(payload.get(self.url(*parts, **params)))

    def selected(self) -> Any:
        """Return the first page of the neurons of the rat, sorted by ID."""
        return self.page("neuron", "select", q="species:rat", page=0, size=_SIZE, sort="neuron_id,asc")

    def posted(self) -> requests.Response:
        """Return the same selection by POST."""
        request = payload.select_post(self.address, "neuron", _RAT, 0, None)
        return self.send(request._replace(url=self.url("neuron", "select", page=0, size=2)))

    def record(self) -> Any:
        """Return one neuron."""
        return _records(self.selected())[0]


def _records(page: Any, name: str = "neuronResources") -> Any:
    return page["_embedded"][name]


def _ids(records: Any) -> list[int]:
    return [int(record["neuron_id"]) for record in records]


def _filled(probe: NeuroMorphoProbe) -> Finding:
    total = probe.selected()["page"]["totalElements"]
    return Finding(total > 0, f"{total:,} neurons of the rat")


def _keys(probe: NeuroMorphoProbe) -> Finding:
    return has_keys(probe.record(), [*field_types.NEURON])


def _paging(probe: NeuroMorphoProbe) -> Finding:
    page, received = probe.selected()["page"], len(_records(probe.selected()))
    total, pages = page["totalElements"], page["totalPages"]
    fits = received == min(_SIZE, total) and pages == -(-total // _SIZE) and page["number"] == 0
    return Finding(fits, f"{received} of {total:,} records, {pages} pages for size={_SIZE}")


def _sort(probe: NeuroMorphoProbe) -> Finding:
    ids = _ids(_records(probe.selected()))
    return Finding(ids == sorted(ids), f"{ids[:5]}")


def _post(probe: NeuroMorphoProbe) -> Finding:
    response = probe.posted()
    if response.status_code != 200:
        return Finding(False, f"status {response.status_code}: {probe.excerpt(response)}")
    page = parse_json(response.content)
    species = {record["species"] for record in _records(page)}
    total, by_get = page["page"]["totalElements"], probe.selected()["page"]["totalElements"]
    return Finding(species == {"rat"} and total == by_get, f"{', '.join(species)}; {total} and {by_get}")


def _unknown(probe: NeuroMorphoProbe) -> Finding:
    known = _ids([probe.record()])[0]
    page = probe.page("neuron", "select", q=f"neuron_id:{known},{UNKNOWN}", page=0, size=2)
    ids = _ids(_records(page))
    return Finding(ids == [known], f"{ids}")


def _no_hits(probe: NeuroMorphoProbe) -> Finding:
    url = probe.url("neuron", "select", q=f"neuron_id:{UNKNOWN},{UNKNOWN_TOO}", page=0, size=2)
    response = probe.send(payload.get(url))
    fits = response.status_code == 404 and parse.is_not_found(response.content)
    return Finding(fits, f"status {response.status_code}: {probe.excerpt(response)}")


def _quotes(probe: NeuroMorphoProbe) -> Finding:
    page = probe.page("neuron", "select", q='species:"drosophila melanogaster"', page=0, size=2)
    species = {record["species"] for record in _records(page)}
    return Finding(species == {"drosophila melanogaster"}, ", ".join(species))


def _measurements(probe: NeuroMorphoProbe) -> Finding:
    ids = ",".join(map(str, _ids(_records(probe.selected())[:5])))
    page = probe.page("morphometry", "select", q=f"Neuron_id:{ids}", page=0, size=5)
    record = _records(page, "measurements")[0]
    fits, seen = has_keys(record, [*field_types.MORPHOMETRY])
    return Finding(fits, seen)


def _fields(probe: NeuroMorphoProbe) -> Finding:
    found = probe.page("neuron", "fields")
    return Finding(isinstance(found.get("Neuron Fields"), list), named(found))


def _file(probe: NeuroMorphoProbe) -> Finding:
    record = probe.record()
    if not isinstance(record.get("archive"), str):
        raise NotCheckedError("the record has no archive")
    url = payload.file_url(
        get_option("neuromorpho_files_url"), record["archive"], record["neuron_name"], "CNG", ".swc"
    )
    response = probe.send(payload.file(url))
    if response.status_code != 200:
        raise ShapeError(f"status {response.status_code}")
    fault = parse.file_fault(response.content, response.headers.get("Content-Type", ""), url)
    return Finding(fault is None, fault or f"{len(response.content):,} bytes")


_RECORD = "Send a recording; see the page 'Live services'."
CHECKS = (
    *reachable(lambda probe: probe.url("health")),
    Check(
        "records",
        "neurons of the rat",
        _filled,
        "The service is up, and its database is empty or sends pages instead of records. Try later; "
        "offline=True uses the cache.",
        needed=True,
    ),
    Check("keys of a record", f"{len(field_types.NEURON)} documented keys", _keys, _RECORD),
    Check(
        "pages",
        f"size={_SIZE} is used, totalPages is right",
        _paging,
        "A selection can be incomplete; pdneuro warns.",
    ),
    Check(
        "sort=",
        "by rising neuron_id",
        _sort,
        "Pages can overlap; pdneuro requests them a second time if records are missing.",
    ),
    Check(
        "POST filters",
        "the same neurons as by GET",
        _post,
        "pdneuro selects by GET after an error; if the filters are ignored, it raises an error.",
    ),
    Check(
        "unknown ID next to a known one",
        "the known one alone",
        _unknown,
        "A request with one unknown ID fails: use a small batch_size.",
    ),
    Check("selection without hits", "status 404", _no_hits, _RECORD),
    Check(
        "quoted value of several words",
        "drosophila melanogaster",
        _quotes,
        "Select by a single word, or with ? in place of a space.",
    ),
    Check(
        "measurements by Neuron_id", "documented keys", _measurements, "pdneuro also tries neuron_id."
    ),
    Check("list of fields", "Neuron Fields", _fields, _RECORD),
    Check(
        "file of a neuron", "an SWC file", _file, "The host of the files, neuromorpho_files_url, fails."
    ),
)


def probes(name: str | None, ids: Sequence[int], budget: Budget) -> list[Probe]:
    """Return the probe of the service."""
    fallback = get_option("tls_fallback")
    return [NeuroMorphoProbe("neuromorpho", get_option("neuromorpho_url"), budget, short_keys=fallback)]
