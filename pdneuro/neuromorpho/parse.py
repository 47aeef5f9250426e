"""What NeuroMorpho.org answers: pages of records, single records, lists of values."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import requests

from pdneuro.neuromorpho.field_types import ID
from pdneuro.transport.answers import ShapeError

_anything = msgspec.json.Decoder()


class Page(NamedTuple):
    """Records of one page, each as it came, and how many there are in all."""

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


def is_not_found(response: requests.Response) -> bool:
    """Whether a 404 is the service's own "no such record", and not a wrong address."""
    if response.status_code != 404:
        return False
    try:
        said = _anything.decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    # A server says so of any wrong address as well, but in other words.
    return isinstance(said, dict) and "not found" in str(said.get("message", "")).lower()


def page(body: bytes) -> Page:
    """Records of a page; a bare record counts as a page of one.

    Raises
    ------
    ShapeError
        The body is no JSON, or not the documented object.
    """
    try:
        envelope = _envelope.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ShapeError(_said(body, error)) from None
    if envelope.error:
        raise ShapeError(f"the answer is an error: {envelope.error}.")
    if envelope.neuron_id is not None and not envelope.embedded:
        return Page([body], 1, 1, 0)
    if not envelope.embedded and envelope.page is None:
        raise ShapeError("the answer has no '_embedded' records and no 'page'.")
    block = envelope.page or _Block()
    found = [bytes(entry) for entries in envelope.embedded.values() for entry in entries]
    return Page(found, block.total_elements, block.total_pages, block.number)


def neuron_id(record: bytes) -> int:
    """The ID in a record."""
    try:
        return _key.decode(record).neuron_id
    except msgspec.DecodeError:
        keys = {name.lower(): value for name, value in decoded(record).items()}
        if type(keys.get(ID)) is not int:
            raise ShapeError(f"a record has no {ID!r}.") from None
        return int(keys[ID])


def decoded(record: bytes) -> dict[str, Any]:
    """A record as a mapping."""
    found = _anything.decode(record)
    if not isinstance(found, dict):
        raise ShapeError(f"a record is a JSON {type(found).__name__}, not an object.")
    return found


def mapping(body: bytes) -> dict[str, Any]:
    """An answer that is one object.

    Raises
    ------
    ShapeError
        The body is no JSON object, or an error.
    """
    try:
        found = _anything.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ShapeError(_said(body, error)) from None
    if not isinstance(found, dict):
        raise ShapeError(f"the answer is a JSON {type(found).__name__}, not an object.")
    if found.get("error"):
        raise ShapeError(f"the answer is an error: {found.get('message') or found['error']}.")
    return found


def _said(body: bytes, error: Exception) -> str:
    page_in_place = body.lstrip()[:1] == b"<"
    kind = "an HTML page" if page_in_place else f"not the documented JSON ({error})"
    return f"the answer is {kind}."
