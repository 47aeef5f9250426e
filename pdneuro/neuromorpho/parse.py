"""Turn responses of NeuroMorpho.org into pages of records, single records, and lists of values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from pdneuro.neuromorpho.field_types import ID, NAME
from pdneuro.transport.report import ShapeError
from pdneuro.transport.responses import is_html

_anything = msgspec.json.Decoder()


class Page(NamedTuple):
    """Records of one page, each as JSON, and the number of all records."""

    records: list[bytes]
    total: int | None
    pages: int | None
    number: int | None


class _Key(msgspec.Struct):
    neuron_id: int


class _Block(msgspec.Struct, rename="camel"):
    total_elements: int | None = None
    total_pages: int | None = None
    number: int | None = None


class _Envelope(msgspec.Struct, rename={"embedded": "_embedded"}):
    embedded: dict[str, list[msgspec.Raw]] = {}
    page: _Block | None = None
    error: Any = None
    neuron_id: Any = None


_key = msgspec.json.Decoder(_Key, strict=False)
_envelope = msgspec.json.Decoder(_Envelope)


def is_not_found(body: bytes) -> bool:
    """Return whether the body of a 404 means "no such record", and not a wrong address."""
    try:
        found = _anything.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    # A server returns 404 for any wrong address as well, but with other words.
    return isinstance(found, dict) and "not found" in str(found.get("message", "")).lower()


def page(body: bytes) -> Page:
    """Return the records of a page; a single record is a page of one.

    Raises
    ------
    ShapeError
        The body is not JSON, or not the documented object.
    """
    try:
        envelope = _envelope.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ShapeError(_fault(body, error)) from None
    if envelope.error:
        raise ShapeError(f"the response is an error: {envelope.error}.")
    if envelope.neuron_id is not None and not envelope.embedded:
        return Page([body], 1, 1, 0)
    if not envelope.embedded and envelope.page is None:
        raise ShapeError("the response has no '_embedded' records and no 'page'.")
    block = envelope.page or _Block()
    found = [bytes(entry) for entries in envelope.embedded.values() for entry in entries]
    return Page(found, block.total_elements, block.total_pages, block.number)


def neuron_id(record: bytes) -> int:
    """Return the ID of a record."""
    try:
        return _key.decode(record).neuron_id
    except msgspec.DecodeError:
        keys = {name.lower(): value for name, value in decoded(record).items()}
        if type(keys.get(ID)) is not int:
            raise ShapeError(f"a record has no {ID!r}.") from None
        return int(keys[ID])


def decoded(record: bytes) -> dict[str, Any]:
    """Return a record as a mapping."""
    found = _anything.decode(record)
    if not isinstance(found, dict):
        raise ShapeError(f"a record is a JSON {type(found).__name__}, not an object.")
    return found


def mapping(body: bytes) -> dict[str, Any]:
    """Return a response that is one object.

    Raises
    ------
    ShapeError
        The body is not a JSON object, or is an error.
    """
    try:
        found = _anything.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ShapeError(_fault(body, error)) from None
    if not isinstance(found, dict):
        raise ShapeError(f"the response is a JSON {type(found).__name__}, not an object.")
    if found.get("error"):
        raise ShapeError(f"the response is an error: {found.get('message') or found['error']}.")
    return found


def by_neuron_id(page: Page) -> dict[int, bytes]:
    """Return the records of a page by their ID."""
    return {neuron_id(record): record for record in page.records}


def by_name(records: Sequence[bytes], keys: Mapping[str, int]) -> dict[int, bytes]:
    """Return the records of each name as a JSON list, by the key of the name."""
    found: dict[int, list[msgspec.Raw]] = {}
    for record in records:
        name = str(decoded(record).get(NAME))
        if name in keys:
            found.setdefault(keys[name], []).append(msgspec.Raw(record))
    return {key: msgspec.json.encode(entries) for key, entries in found.items()}


def values(body: bytes, key: str) -> tuple[list[Any], int]:
    """Return a page of values, or of values with their counts, and the number of pages."""
    found = mapping(body)
    entries = found.get(key)
    if not isinstance(entries, dict | list):
        raise ShapeError(f"the response has no {key!r}.")
    block = found.get("page")
    pages = block.get("totalPages") if isinstance(block, dict) else None
    return list(entries.items()) if isinstance(entries, dict) else entries, int(pages or 1)


def count(body: bytes) -> int:
    """Return the sum of the counts by species."""
    counts = mapping(body).get("fields")
    if not isinstance(counts, dict):
        raise ShapeError("the response has no counts of species.")
    return sum(number for number in counts.values() if isinstance(number, int))


def fields(body: bytes) -> list[str]:
    """Return the names of the fields."""
    # The key is "Neuron Fields", with capitals and a blank.
    lists = [value for value in mapping(body).values() if isinstance(value, list) and value]
    if not lists:
        raise ShapeError("the response lists no fields.")
    return lists[0]


def paper(body: bytes) -> dict[str, Any]:
    """Return a paper."""
    found = mapping(body)
    if not found.keys() & {"pmid", "doi", "title", "_links"}:
        raise ShapeError("the response is not a paper.")
    return found


def file_fault(content: bytes, content_type: str, url: str) -> str | None:
    """Return what a response contains if it is not a file, else None."""
    start = content.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if not start:
        return "nothing"
    if is_html(content, content_type):
        return "an HTML page"
    # Some authors sent XML files.
    return "an error" if url.lower().endswith(".swc") and start in (b"<", b"{") else None


def _fault(body: bytes, error: Exception) -> str:
    kind = "an HTML page" if is_html(body) else f"not the documented JSON ({error})"
    return f"the response is {kind}."
