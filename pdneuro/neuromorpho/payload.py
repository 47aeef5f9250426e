"""What is asked of NeuroMorpho.org: addresses, queries and bodies."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
import pandas as pd
import requests

from pdneuro.errors import InvalidQueryError

#: The largest page of the service.
PAGE = 500
_WILDCARD = re.compile(r"[*?]")
_PLAIN = re.compile(r"[\w.+-]+", re.ASCII)

Filters = Mapping[str, Sequence[str]]


def url(address: str, *parts: object, params: Sequence[tuple[str, object]] = ()) -> str:
    """An address of the service; each part is encoded as a whole.

    >>> url("https://host/api", "neuron", "name", "a/b #1")
    'https://host/api/neuron/name/a%2Fb%20%231'
    """
    path = "/".join([address, *(quote(str(part), safe="") for part in parts)])
    # Colons, commas and wildcards may stand in a query as they are; IDs take a third less room.
    query = urlencode([(name, str(value)) for name, value in params], quote_via=quote, safe=":,*")
    return f"{path}?{query}" if query else path


def paging(page: int, sort: str | None) -> list[tuple[str, object]]:
    """Parameters of one page."""
    order: list[tuple[str, object]] = [("sort", f"{sort},asc")] if sort else []
    return [("page", page), ("size", PAGE), *order]


def by_ids(
    address: str, resource: str, field: str, ids: Iterable[int], page: int, sort: str | None = None
) -> requests.Request:
    """Records of many IDs in one request."""
    query = f"{field}:{','.join(map(str, ids))}"
    return get(url(address, resource, "select", params=[("q", query), *paging(page, sort)]))


def get(address: str) -> requests.Request:
    """A request for JSON."""
    return requests.Request("GET", address, headers={"Accept": "application/json"})


def filters(given: Mapping[str, Any]) -> dict[str, list[str]]:
    """Values to look for, by field; one value or several.

    Raises
    ------
    InvalidQueryError
        A field without a value, or with one that cannot be looked for.
    """
    found = {}
    for name, value in given.items():
        scalar = isinstance(value, str | bytes) or not isinstance(value, Iterable)
        cells = pd.Series([value] if scalar else list(value), dtype=object).dropna()
        # A column of whole numbers with a missing one holds floats.
        whole = cells.map(lambda cell: isinstance(cell, float) and cell.is_integer())
        values = [int(cell) if is_whole else cell for cell, is_whole in zip(cells, whole, strict=True)]
        if not values or any(item == "" or isinstance(item, dict | list | bytes) for item in values):
            raise InvalidQueryError(
                f"{name}={value!r:.60} says nothing to look for; give text, a number or a list of them."
            )
        found[name] = list(dict.fromkeys(map(str, values)))
    return found


def has_wildcard(wanted: Filters) -> bool:
    """Whether ``*`` or ``?`` stands in a value: only the query in the address knows them."""
    return any(_WILDCARD.search(value) for values in wanted.values() for value in values)


def select_post(address: str, resource: str, wanted: Filters, page: int, sort: str | None) -> Any:
    """Select by a body of lists; a value of several words means what it says."""
    return requests.Request(
        "POST",
        url(address, resource, "select", params=paging(page, sort)),
        data=msgspec.json.encode(wanted),
        headers={"Content-Type": "application/json", "Accept": "application/json"},
    )


def select_get(address: str, resource: str, wanted: Filters, page: int, sort: str | None) -> Any:
    """Select by the address: the first field in ``q``, each further one in an ``fq``."""
    terms = [f"{name}:{','.join(_spelled(values))}" for name, values in wanted.items()]
    query: list[tuple[str, object]] = [
        ("q", term) if place == 0 else ("fq", term) for place, term in enumerate(terms)
    ]
    return get(url(address, resource, "select", params=[*query, *paging(page, sort)]))


def _spelled(values: Sequence[str]) -> list[str]:
    """Values as a query takes them: of an unquoted value of several words only the last would count."""
    if len(values) == 1 and not _WILDCARD.search(values[0]):
        value = values[0]
        return [value if _PLAIN.fullmatch(value) else '"' + re.sub(r'(["\\])', r"\\\1", value) + '"']
    # In a list, and beside wildcards, a quote would stand for itself; ? stands for one character.
    return [re.sub(r'[\s,"]', "?", value) for value in values]


def needs_care(name: str) -> bool:
    """Whether a name holds what an address or a query would take for something else."""
    return not _PLAIN.fullmatch(name)


def file_url(address: str, archive: str, name: str, version: str, ending: str) -> str:
    """Where a reconstruction lies.

    >>> file_url("https://host/dableFiles", "De Koninck", "a b", "CNG", ".swc")
    'https://host/dableFiles/de%20koninck/CNG%20version/a%20b.CNG.swc'
    """
    if version == "CNG":
        return url(address, archive.lower(), "CNG version", f"{name}.CNG.swc")
    return url(address, archive.lower(), "Source-Version", f"{name}{ending}")


def source_ending(original_format: str | None) -> str:
    """Ending of the original file: all that ``original_format`` says about its name.

    >>> source_ending("Neurolucida.dat")
    '.dat'
    """
    _, dot, ending = (original_format or "").strip().rpartition(".")
    return f".{ending}" if dot and ending else ".swc"
