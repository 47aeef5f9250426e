"""Build requests to BrainCircuits.io."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

import msgspec

from pdneuro.transport.http import JSON, Request

#: Properties that the service documents; it may have others.
PROPERTIES = (
    "size",
    "link_pre",
    "link_post",
    "neurotransmitter",
    "connectivity",
    "nucleus",
    "soma",
    "mitochondria",
    "dcv",
)
#: Projects that are known; there may be others.
PROJECTS = ("fruitfly_fafb_flywire", "fruitfly_fafb_flywire_public", "fruitfly_fanc_cave")


def graph_dump(address: str, project: str) -> Request:
    """Return the request for the addresses of a project's whole graph."""
    return Request("GET", f"{address}/circuit/graph/dump", {"project": project})


def segment_property(address: str, project: str, name: str, ids: Sequence[int]) -> Request:
    """Return the request for one property of some segments.

    >>> request = segment_property("https://host", "fly", "size", [720575940621522189])
    >>> request.url, request.params
    ('https://host/circuit/segment/property/size', {'project': 'fly'})
    >>> request.body
    b'{"segments":[720575940621522189]}'
    """
    return Request(
        "POST",
        f"{address}/circuit/segment/property/{quote(name, safe='')}",
        {"project": project},
        msgspec.json.encode({"segments": list(ids)}),
        {**JSON, "Content-Type": "application/json"},
    )
