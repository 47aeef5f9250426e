"""Turn responses of the Allen Brain Atlas into their content: the envelope, and the records in it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import msgspec

from pdneuro.transport.report import ShapeError
from pdneuro.transport.responses import is_html, parse_json


class Message(NamedTuple):
    """The content of a response, and what its envelope says about it."""

    content: Any
    #: Why the service rejected the query, None if it did not.
    refusal: str | None
    #: Number of rows that fit, and of rows in this response, by the service: joined rows, not records.
    total_rows: int | None
    num_rows: int | None


def body(content: bytes) -> Any:
    """Return a JSON document.

    Raises
    ------
    ShapeError
        It is not JSON.
    """
    try:
        return parse_json(content)
    except ShapeError as error:
        raise ShapeError(f"the response is not JSON: {error}") from None


def drawing(content: bytes) -> str:
    """Return an SVG as text.

    Raises
    ------
    ShapeError
        It is not a complete SVG.
    """
    try:
        root = ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        kind = "an HTML page" if is_html(content) else f"not a complete SVG ({error})"
        raise ShapeError(f"the response is {kind}.") from None
    if root.tag.rpartition("}")[2] != "svg":
        raise ShapeError(f"the response is a document {root.tag!r}, not an SVG.")
    declared = re.match(rb"<\?xml[^>]*encoding=[\"']([\w.-]+)", content)
    return content.decode(declared[1].decode() if declared else "utf-8-sig", "replace")


def drawing_fault(path: Path) -> str | None:
    """Return what is wrong with a file that should be an SVG."""
    try:
        drawing(path.read_bytes())
    except ShapeError as error:
        return str(error)
    return None


def message(content: bytes) -> Message:
    """Return the content of a response with an envelope.

    Raises
    ------
    ShapeError
        There is no envelope.
    """
    envelope = body(content)
    if not isinstance(envelope, dict) or not {"msg", "success"} & envelope.keys():
        raise ShapeError("the response has no envelope with 'success' and 'msg'.")
    found = envelope.get("msg")
    failed = str(envelope.get("success", True)).lower() in ("false", "0", "none")
    # Text instead of rows is an error message, whatever 'success' says.
    refusal = _words(found) if failed or isinstance(found, str) else None
    return Message(found, refusal, _count(envelope, "total_rows"), _count(envelope, "num_rows"))


def _words(content: Any) -> str:
    text = content if isinstance(content, str) else msgspec.json.encode(content).decode()
    text = " ".join(text.split()).rstrip(".")
    return (text if len(text) <= 500 else text[:500] + "...") or "no reason given"


def _count(envelope: dict[str, Any], name: str) -> int | None:
    # The service's XML writes a hyphen where its JSON has an underscore.
    value = envelope.get(name, envelope.get(name.replace("_", "-")))
    return int(value) if isinstance(value, int | str) and str(value).isdecimal() else None


def rows(content: Any) -> list[dict[str, Any]]:
    """Return the records in the content of a response.

    Raises
    ------
    ShapeError
        The content is not a list of records.
    """
    if content is None:
        return []
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise ShapeError(f"the response contains no records: {_words(content)[:200]!r}.")
    return content


def file_fault(start: bytes) -> str | None:
    """Return what shows that a response is not a file: it is empty, an HTML page or an error."""
    start = start.lstrip()
    if not start:
        return "the file is empty."
    if is_html(start):
        return "the service sent an HTML page instead of the file."
    if start.startswith(b"{") and b'"success"' in start:
        return "the service sent an error instead of the file."
    return None
