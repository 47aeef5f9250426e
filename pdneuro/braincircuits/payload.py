"""What is asked of BrainCircuits.io: address, parameters, body."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote

import msgspec

#: Properties that the service documents; it may know others.
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


def graph_dump(address: str, project: str) -> tuple[str, dict[str, str]]:
    """Address and parameters of the question where a project's whole graph is."""
    return f"{address}/circuit/graph/dump", {"project": project}


class Payload(NamedTuple):
    """One request, without credentials."""

    url: str
    params: Mapping[str, str]
    body: bytes


def segment_property(address: str, project: str, name: str, ids: Sequence[int]) -> Payload:
    """Ask for one property of some segments.

    >>> segment_property("https://host", "fly", "size", [720575940621522189])
    Payload(url='https://host/circuit/segment/property/size', params={'project': 'fly'}, \
body=b'{"segments":[720575940621522189]}')
    """
    return Payload(
        url=f"{address}/circuit/segment/property/{quote(name, safe='')}",
        params={"project": project},
        body=msgspec.json.encode({"segments": list(ids)}),
    )
