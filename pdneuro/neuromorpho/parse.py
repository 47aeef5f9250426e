"""Turn responses of NeuroMorpho.org into pages of records, single records, and lists of values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import msgspec

from pdneuro.neuromorpho.field_types import ID, MISSING, NAME
from pdneuro.transport.report import ShapeError
from pdneuro.transport.responses import is_html, parse_json


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
        found = parse_json(body)
    except ShapeError:
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
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        parse_json(body)  # raises an error that names the kind, such as an HTML page
        raise ShapeError(f"the response is not the documented JSON ({error}).") from None
    is_record = envelope.neuron_id is not None and not envelope.embedded
    if envelope.error or is_record:
        parse_json(body)  # the envelope does not check all of it
    if envelope.error:
        raise ShapeError(f"the response is an error: {envelope.error}.")
    if is_record:
        return Page([body], 1, 1, 0)
    if not envelope.embedded and envelope.page is None:
        raise ShapeError("the response has no '_embedded' records and no 'page'.")
    block = envelope.page or _Block()
    if min(block.total_elements or 0, block.total_pages or 0) < 0:
        raise ShapeError("the response announces a negative number of records.")
    found = [bytes(entry) for entries in envelope.embedded.values() for entry in entries]
    for record in found:
        parse_json(record)  # the envelope does not read them
    return Page(found, block.total_elements, block.total_pages, block.number)


def neuron_id(record: bytes) -> int:
    """Return the ID of a record."""
    try:
        return _valid(_key.decode(record).neuron_id)
    except msgspec.DecodeError:
        return _id_of(decoded(record))


def _id_of(record: dict[str, Any]) -> int:
    try:
        return _valid(msgspec.convert(record, _Key, strict=False).neuron_id)
    except msgspec.ValidationError:
        keys = {name.lower(): value for name, value in record.items()}
        return _valid(keys[ID] if type(keys.get(ID)) is int else 0)


def _valid(number: int) -> int:
    if not 0 < number < 2**63:
        raise ShapeError(f"a record has no {ID!r}.")
    return number


def decoded(record: bytes) -> dict[str, Any]:
    """Return a record as a mapping."""
    return _mapping(parse_json(record))


def _mapping(record: Any) -> dict[str, Any]:
    if not isinstance(record, dict):
        raise ShapeError(f"a record is a JSON {type(record).__name__}, not an object.")
    return record


def check(encodings: Sequence[int], payloads: Sequence[bytes | None]) -> None:
    """Raise ShapeError if a cached record, or list of records, cannot be read."""
    for body in payloads:
        found = [] if body is None else parse_json(body)
        for record in found if isinstance(found, list) else [found]:
            _id_of(_mapping(record))


def check_matches(records: Sequence[bytes], wanted: Mapping[str, Sequence[str]]) -> None:
    """Raise ShapeError if a record does not match the filters of a query.

    A value matches if it contains one of the values of the filter. Fields that records do not have, such
    as ``brain_region_1``, are not checked.
    """
    for body in records:
        record = decoded(body)
        for name, values in wanted.items():
            if name in record and not any(_matches(record[name], value) for value in values):
                raise ShapeError(
                    f"a record does not match the query: {name!r} is {record[name]!r:.60}, not "
                    f"{' or '.join(map(repr, values))[:200]}. The service seems to ignore the filters."
                )


def _matches(cell: Any, wanted: str) -> bool:
    pattern = f"*{wanted.strip().casefold()}*"
    is_missing = wanted.strip().casefold() in MISSING
    return any(
        fnmatchcase(text, pattern) or pattern.strip("*") in text or (is_missing and text in MISSING)
        for text in _texts(cell)
    )


def _texts(cell: Any) -> Iterator[str]:
    """Yield the text of a value, or of each value in a list; a number also without its fraction."""
    for item in cell if isinstance(cell, list) else [cell]:
        text = "" if item is None else str(item).strip().casefold()
        yield text
        yield text.removesuffix(".0")


def mapping(body: bytes) -> dict[str, Any]:
    """Return a response that is one object.

    Raises
    ------
    ShapeError
        The body is not a JSON object, or is an error.
    """
    found = parse_json(body)
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
            neuron_id(record)
            found.setdefault(keys[name], []).append(msgspec.Raw(record))
    if records and not found:
        raise ShapeError("the response contains only records of other names.")
    return {key: msgspec.json.encode(entries) for key, entries in found.items()}


def values(body: bytes, key: str) -> tuple[list[Any], int]:
    """Return a page of values, or of values with their counts, and the number of pages."""
    found = mapping(body)
    entries = found.get(key)
    if not isinstance(entries, dict | list):
        raise ShapeError(f"the response has no {key!r}.")
    is_valid = (
        all(_is_count(count) for count in entries.values())
        if isinstance(entries, dict)
        else all(isinstance(entry, str | int | float | None) for entry in entries)
    )
    if not is_valid:
        raise ShapeError(f"{key!r} contains values that are not text or counts.")
    block = found.get("page")
    pages = block.get("totalPages") if isinstance(block, dict) else None
    listed = list(entries.items()) if isinstance(entries, dict) else entries
    return listed, pages if _is_count(pages) and pages else 1


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def count(body: bytes) -> int:
    """Return the sum of the counts by species."""
    counts = mapping(body).get("fields")
    if not isinstance(counts, dict):
        raise ShapeError("the response has no counts of species.")
    return sum(number for number in counts.values() if _is_count(number))


def fields(body: bytes) -> list[str]:
    """Return the names of the fields."""
    # The key is "Neuron Fields", with capitals and a blank.
    lists = [value for value in mapping(body).values() if isinstance(value, list) and value]
    if not lists or not all(isinstance(name, str) for name in lists[0]):
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
