"""Build requests to NeuroMorpho.org: addresses, queries and bodies."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote, urlencode

import msgspec

from pdneuro.transport.http import JSON, Request

#: What the service can do, with a call that does it.
CAPABILITIES = {
    "find": "Neurons that fit a query: pdneuro.neuromorpho.select(query).",
    "properties": "Fields and measurements of each neuron: ids.neuro.neuromorpho(), .morphometry().",
    "skeletons": "Node tables of reconstructions: ids.neuro.swc().",
}
#: Number of records per page, the maximum of the service.
PAGE = 500
#: Maximum number of IDs in an address, and of names in a body.
IDS_AT_ONCE, NAMES_AT_ONCE = 250, 100
_WILDCARD = re.compile(r"[*?]")
_PLAIN = re.compile(r"[\w.+-]+", re.ASCII)

Filters = Mapping[str, Sequence[str]]


def url(address: str, *parts: object, params: Sequence[tuple[str, object]] = ()) -> str:
    """Return an address of the service; each part is encoded as a whole.

    >>> url("https://host/api", "neuron", "name", "a/b #1")
    'https://host/api/neuron/name/a%2Fb%20%231'
    """
    path = "/".join([address, *(quote(str(part), safe="") for part in parts)])
    # Colons, commas and wildcards are not encoded in a query, so IDs take a third less space.
    query = urlencode([(name, str(value)) for name, value in params], quote_via=quote, safe=":,*")
    return f"{path}?{query}" if query else path


def paging(page: int, sort: str | None) -> list[tuple[str, object]]:
    """Return the parameters of one page."""
    order: list[tuple[str, object]] = [("sort", f"{sort},asc")] if sort else []
    return [("page", page), ("size", PAGE), *order]


def by_ids(
    address: str, resource: str, field: str, ids: Iterable[int], page: int, sort: str | None = None
) -> Request:
    """Return the request for the records of several IDs."""
    query = f"{field}:{','.join(map(str, ids))}"
    return get(url(address, resource, "select", params=[("q", query), *paging(page, sort)]))


def get(address: str) -> Request:
    """Return the request for a JSON document."""
    return Request("GET", address)


def file(address: str) -> Request:
    """Return the request for a file."""
    return Request("GET", address, headers={})


def has_wildcard(wanted: Filters) -> bool:
    """Return whether a value contains ``*`` or ``?``, which only a query in the address supports."""
    return any(_WILDCARD.search(value) for values in wanted.values() for value in values)


def select_post(address: str, resource: str, wanted: Filters, page: int, sort: str | None) -> Request:
    """Return the request for a selection by a body of lists, which needs no quotes."""
    return Request(
        "POST",
        url(address, resource, "select", params=paging(page, sort)),
        body=msgspec.json.encode(wanted),
        headers={**JSON, "Content-Type": "application/json"},
    )


def select_get(address: str, resource: str, wanted: Filters, page: int, sort: str | None) -> Request:
    """Return the request for a selection by the address: the first field is ``q``, others are ``fq``."""
    terms = [f"{name}:{','.join(_spelled(values))}" for name, values in wanted.items()]
    query: list[tuple[str, object]] = [
        ("q", term) if place == 0 else ("fq", term) for place, term in enumerate(terms)
    ]
    return get(url(address, resource, "select", params=[*query, *paging(page, sort)]))


def _spelled(values: Sequence[str]) -> list[str]:
    """Return values with quotes: of an unquoted value of several words only the last would count."""
    if len(values) == 1 and not _WILDCARD.search(values[0]):
        value = values[0]
        return [value if _PLAIN.fullmatch(value) else '"' + re.sub(r'(["\\])', r"\\\1", value) + '"']
    # In a list, and with wildcards, a quote would be part of the value; ? stands for one character.
    return [re.sub(r'[\s,"]', "?", value) for value in values]


def needs_care(name: str) -> bool:
    """Return whether a name contains characters with a meaning in an address or a query."""
    return not _PLAIN.fullmatch(name)


def file_url(address: str, archive: str, name: str, version: str, ending: str) -> str:
    """Return the address of a reconstruction.

    >>> file_url("https://host/dableFiles", "De Koninck", "a b", "CNG", ".swc")
    'https://host/dableFiles/de%20koninck/CNG%20version/a%20b.CNG.swc'
    """
    if version == "CNG":
        return url(address, archive.lower(), "CNG version", f"{name}.CNG.swc")
    return url(address, archive.lower(), "Source-Version", f"{name}{ending}")


def source_ending(original_format: str | None) -> str:
    """Return the ending of the original file, by the field ``original_format``.

    >>> source_ending("Neurolucida.dat")
    '.dat'
    """
    _, dot, ending = (original_format or "").strip().rpartition(".")
    return f".{ending}" if dot and ending else ".swc"
