"""Build requests to BrainCircuits.io."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

import msgspec

from pdneuro.errors import did_you_mean
from pdneuro.transport.http import JSON, Request

#: Projects that are known, with a description; the service may have others.
PROJECTS = {
    "fruitfly_fafb_flywire": "FlyWire: the brain of an adult fruit fly. Needs a CAVE token.",
    "fruitfly_fafb_flywire_public": "The public version of FlyWire. Needs no CAVE token.",
    "fruitfly_fanc_cave": "FANC: the nerve cord of an adult fruit fly. Needs a CAVE token.",
}
#: Projects of these that are managed by CAVE.
CAVE_PROJECTS = ("fruitfly_fafb_flywire", "fruitfly_fanc_cave")
#: Properties that the service documents, with a description; a project may lack some or have others.
PROPERTIES = {
    "size": "Size of the segment, in voxels or as a volume.",
    "link_pre": "Number of presynaptic sites (nr_pre) and downstream partners (nr_downstream_partner).",
    "link_post": "Number of postsynaptic sites (nr_post) and upstream partners (nr_upstream_partner).",
    "neurotransmitter": "Predicted neurotransmitter.",
    "connectivity": "Upstream and downstream partners, with their numbers of synapses.",
    "nucleus": "Nuclei of the segment.",
    "soma": "Soma of the segment.",
    "mitochondria": "Mitochondria of the segment.",
    "dcv": "Dense-core vesicles of the segment.",
}
#: What the service can do, with a call that does it.
CAPABILITIES = {
    "properties": "Values of each segment: ids.neuro.properties(name, source=...).",
    "edges": "Partners and numbers of synapses: ids.neuro.edges(source=...).",
    "download": "The whole graph: pdneuro.Connectome.download(project).",
}


def suggestion(project: str, name: str) -> str:
    """Return a sentence about a project or property that is not known; empty if both are.

    >>> suggestion("fruitfly_fafb_flywire", "sise")
    " Did you mean 'size'? pdneuro.known_names() lists the known projects and properties."
    """
    pairs = ((project, PROJECTS), (name, PROPERTIES))
    near = [did_you_mean(given, known) for given, known in pairs if given not in known]
    listed = " pdneuro.known_names() lists the known projects and properties."
    return "".join([*near, listed]) if near else ""


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
