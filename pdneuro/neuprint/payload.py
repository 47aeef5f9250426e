"""Build requests to neuPrint: Cypher queries, which Neo4j 3.5 and 4.4 both run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from pdneuro.errors import InvalidQueryError
from pdneuro.transport.http import JSON, Request

#: Data sets that are known, with a description; a server may have others.
DATASETS = {
    "hemibrain:v1.2.1": "Hemibrain: half of the central brain of an adult fruit fly.",
    "male-cns:v1.0": "Male CNS: the whole nervous system of a male fruit fly.",
    "manc:v1.2.3": "MANC: the nerve cord of a male fruit fly.",
    "optic-lobe:v1.1": "The right optic lobe of a male fruit fly.",
    "banc:v888": "BANC: brain and nerve cord of a female fruit fly; body IDs are CAVE root IDs.",
    "flywire-fafb:v783b": "FlyWire: the brain of a female fruit fly; body IDs are CAVE root IDs. "
    "Server: neuprint-cns.janelia.org.",
}
#: Properties of a body that most data sets have, with a description; each data set has more.
PROPERTIES = {
    "type": "Cell type.",
    "instance": "Name, often the cell type with its side.",
    "status": "How far the body is proofread.",
    "pre": "Number of presynaptic sites.",
    "post": "Number of postsynaptic sites.",
    "upstream": "Number of synapses that it receives.",
    "downstream": "Number of synapses that it makes.",
    "size": "Size of the segment, in voxels.",
    "somaLocation": "Position of the soma, as x, y and z in nm.",
    "somaSide": "Side of the soma. Hemibrain lacks it.",
    "predictedNt": "Predicted neurotransmitter. Hemibrain lacks it.",
    "roiInfo": "Numbers of synapses by region, for .neuro.records().",
    "link_pre": "Number of synapses made (nr_pre) and of downstream partners, from the edges.",
    "link_post": "Number of synapses received (nr_post) and of upstream partners, from the edges.",
    "connectivity": "Upstream and downstream partners, with their numbers of synapses.",
}
#: What the service can do, with a call that does it.
CAPABILITIES = {
    "properties": "Values of each body: ids.neuro.properties(name, source=...).",
    "edges": "Partners and numbers of synapses: ids.neuro.edges(source=...).",
    "edges by region": "One row per pair and region: ids.neuro.edges(roi=True, source=...).",
    "skeletons": "Node tables of reconstructions: ids.neuro.skeletons(source=...).",
    "find": "Neurons of a type: pdneuro.find(source, type=...).",
}
#: Default number of IDs per request, and maximum number of requests at the same time.
BATCH, REQUESTS = 200, 3
#: Path of the skeletons of all data sets.
SKELETONS = "/api/skeletons/skeleton/"
#: Labels of a body: every segment, or only neurons.
SEGMENT, NEURON = "Segment", "Neuron"


def cypher(address: str, dataset: str, query: str) -> Request:
    """Return the request for a query.

    >>> request = cypher("https://host", "manc:v1.0", "MATCH (m:Meta) RETURN m.uuid")
    >>> request.url
    'https://host/api/custom/custom'
    >>> request.body
    b'{"cypher":"MATCH (m:Meta) RETURN m.uuid","dataset":"manc:v1.0"}'
    """
    body = msgspec.json.encode({"cypher": query, "dataset": dataset})
    return Request(
        "POST", f"{address}/api/custom/custom", {}, body, {**JSON, "Content-Type": "application/json"}
    )


def datasets(address: str) -> Request:
    """Return the request for the list of data sets, which needs no token."""
    return Request("GET", f"{address}/api/dbmeta/datasets")


def skeleton(address: str, dataset: str, body: int) -> Request:
    """Return the request for the skeleton of a body in SWC format.

    >>> skeleton("https://host", "manc:v1.0", 11).url
    'https://host/api/skeletons/skeleton/manc:v1.0/11'
    """
    url = f"{address}{SKELETONS}{dataset}/{body}"
    return Request("GET", url, {"format": "swc"}, headers={"Accept": "text/plain"})


def of_bodies(ids: Sequence[int], name: str) -> str:
    """Return the query for a property of some bodies: ``body, value``.

    >>> of_bodies([11, 12], "type").partition(" RETURN ")[0]
    'WITH [11, 12] AS ids MATCH (n:Segment) WHERE n.bodyId IN ids'
    """
    return f"{_bodies(ids)} RETURN n.bodyId AS body, n.{quoted(name)} AS value"


def partners(ids: Sequence[int], *, upstream: bool, fragments: bool, regions: bool) -> str:
    """Return the query for the partners of some bodies: ``body, partner, weight``.

    A body without partners has one row without a partner, so an unknown one is known by its absence.

    Parameters
    ----------
    ids : sequence of int
    upstream : bool
        The partners that send to the bodies, instead of those that receive.
    fragments : bool
        All segments as partners; or only neurons, and also ``labels``, which show whether a body is one.
    regions : bool
        Also ``roiInfo``, the numbers by region.

    Examples
    --------
    >>> query = partners([11], upstream=False, fragments=True, regions=False)
    >>> query.partition(" OPTIONAL ")[2].partition(" RETURN ")[0]
    'MATCH (n)-[e:ConnectsTo]->(m:Segment) WHERE e.weight > 0'
    """
    edge = "<-[e:ConnectsTo]-" if upstream else "-[e:ConnectsTo]->"
    label = SEGMENT if fragments else NEURON
    more = (", e.roiInfo AS roiInfo" if regions else "") + ("" if fragments else ", labels(n) AS labels")
    return (
        f"{_bodies(ids)} OPTIONAL MATCH (n){edge}(m:{label}) WHERE e.weight > 0 "
        f"RETURN n.bodyId AS body, m.bodyId AS partner, e.weight AS weight{more}"
    )


def meta(name: str) -> str:
    """Return the query for an entry of the data set's description.

    >>> meta("primaryRois")
    'MATCH (m:Meta) RETURN m.primaryRois AS value'
    """
    return f"MATCH (m:Meta) RETURN m.{name} AS value"


#: The query for the names of all properties, for a data set whose description lacks them.
PROPERTY_NAMES = "MATCH (n:Neuron) UNWIND keys(n) AS value RETURN DISTINCT value"


def find(
    exact: Iterable[tuple[str, Sequence[Any]]],
    patterns: Iterable[tuple[str, Sequence[str]]],
    names: Iterable[str],
) -> str:
    """Return the query for the neurons with some values, and for some of their properties.

    >>> find([("type", ["DA1_lPN"])], [], ["somaSide"]).partition(" RETURN ")[0]
    "MATCH (n:Neuron) WHERE n.`type` IN ['DA1_lPN']"
    """
    conditions = [
        *(f"n.{quoted(name)} IN [{', '.join(map(literal, values))}]" for name, values in exact),
        *(
            f"n.{quoted(name)} =~ {literal('|'.join(f'(?:{value})' for value in values))}"
            for name, values in patterns
        ),
    ]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    shown = "".join(f", n.{quoted(name)} AS {quoted(name)}" for name in names)
    return f"MATCH (n:Neuron){where} RETURN n.bodyId AS body{shown} ORDER BY n.bodyId"


def values_of(name: str) -> str:
    """Return the query for the distinct values of a property.

    >>> values_of("type")
    'MATCH (n:Neuron) WHERE n.`type` IS NOT NULL RETURN DISTINCT n.`type` AS value'
    """
    return (
        f"MATCH (n:Neuron) WHERE n.{quoted(name)} IS NOT NULL RETURN DISTINCT n.{quoted(name)} AS value"
    )


#: The query for one neuron.
ONE_BODY = "MATCH (n:Neuron) RETURN n.bodyId AS value LIMIT 1"


def latest(name: str, known: Sequence[str]) -> str | None:
    """Return the data set of exactly this name, else its highest version; None if there is none.

    >>> latest("male-cns", ["male-cns:v0.9", "male-cns:v0.10"]), latest("cns", ["cns", "cns:v1"])
    ('male-cns:v0.10', 'cns')
    """
    if name in known:
        return name
    versions = [full for full in known if full.partition(":")[0] == name]
    return max(versions, key=lambda full: version_key(full.partition(":")[2]), default=None)


def version_key(version: str) -> list[tuple[int, str]]:
    """Return a key by which versions are sorted by their numbers.

    >>> sorted(["v1.10", "v1.9", "v783b", "v1"], key=version_key)
    ['v1', 'v1.9', 'v1.10', 'v783b']
    """
    parts = re.findall(r"\d+|[A-Za-z]+", version.removeprefix("v"))
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def quoted(name: str) -> str:
    """Return the name of a property as Cypher writes it.

    >>> quoted("SLP(R)"), quoted("a`b")
    ('`SLP(R)`', '`a``b`')
    """
    return "`" + name.replace("`", "``") + "`"


def literal(value: Any) -> str:
    r"""Return a value as Cypher writes it.

    >>> literal("DA1_lPN"), literal("5'"), literal(True), literal(3)
    ("'DA1_lPN'", "'5\\''", 'true', '3')
    """
    if hasattr(value, "item"):  # a value of numpy
        value = value.item()
    if isinstance(value, str):
        # The escapes of JSON are also those of Cypher.
        return "'" + json.dumps(value, ensure_ascii=False)[1:-1].replace("'", "\\'") + "'"
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    raise InvalidQueryError(
        f"a query of neuPrint takes text, numbers, True and False, not {type(value).__name__} {value!r}."
    )


def _bodies(ids: Sequence[int]) -> str:
    return f"WITH [{', '.join(map(str, ids))}] AS ids MATCH (n:{SEGMENT}) WHERE n.bodyId IN ids"
