"""Turn responses of the Allen Brain Atlas into their content: the envelope, and the records in it."""

from __future__ import annotations

import math
import re
import zlib
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec

from pdneuro.transport.report import ShapeError
from pdneuro.transport.responses import is_html, parse_json

#: Bytes of a voxel, by the type of an NRRD file without its sign.
_BYTES = {
    **dict.fromkeys(("char", "int8"), 1),
    **dict.fromkeys(("short", "short int", "int16"), 2),
    **dict.fromkeys(("int", "int32", "float"), 4),
    **dict.fromkeys(("longlong", "long long", "long long int", "int64", "double"), 8),
}
#: Bytes that are read at once.
_PIECE = 1 << 22


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


def drawing(content: bytes, encoding: str | None) -> str:
    """Return an SVG drawing as text.

    Raises
    ------
    ShapeError
        It is not a complete drawing.
    """
    fault = drawing_fault(content)
    if fault:
        raise ShapeError(fault)
    return content.decode(encoding or "utf-8", "replace")


def message(content: bytes) -> Message:
    """Return the content of a response with an envelope.

    Raises
    ------
    ShapeError
        There is no envelope.
    """
    return message_of(body(content))


def message_of(envelope: Any) -> Message:
    """Return the content of an envelope; see :func:`message`."""
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


#: The start of an SVG drawing, after declarations and comments.
_DRAWING = re.compile(
    rb"\s*(?:<\?.*?\?>\s*|<!--.*?-->\s*|<!DOCTYPE[^\[>]*(?:\[.*?\]\s*)?>\s*)*<(?:\w+:)?svg[\s/>]", re.S
)
#: The end of an SVG drawing, before comments; an element without content is ``<svg/>``.
_END = re.compile(rb"(?:</(?:\w+:)?svg\s*>|<(?:\w+:)?svg[^<>]*/>)(?:\s|<!--.*?-->)*\Z", re.S)
_ERROR = re.compile(rb"\{.*\"success\"|(?:<\?xml[^>]*>\s*)?<response\b[^>]*\bsuccess=", re.S | re.I)


def file_fault(start: bytes) -> str | None:
    """Return what shows that a body is not a file: it is empty, an HTML page or an error.

    >>> file_fault(b'{"success": false, "msg": "no such image"}')
    'the service sent an error instead of the file.'
    """
    start = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start:
        return "the file is empty."
    if is_html(start):
        return "the service sent an HTML page instead of the file."
    if _ERROR.match(start):
        return "the service sent an error instead of the file."
    return None


def volume_fault(file: IO[bytes]) -> str | None:
    r"""Return what shows that an NRRD file is not whole; None for a file of another format.

    Voxels are decompressed in pieces and counted, so that a large file needs little memory.

    >>> import io
    >>> volume_fault(io.BytesIO(b"NRRD0004\ntype: uint8\nsizes: 2 3\nencoding: raw\n\n12345"))
    'the volume is truncated: it has 5 of 6 bytes.'
    """
    if not file.readline().startswith(b"NRRD0"):
        return None
    fields: dict[str, str] = {}
    for line in file:
        text = line.decode("latin-1").strip()
        if not text:
            break
        name, _, value = text.partition(":")
        fields[name.lower()] = value.strip().lower()
    else:
        return "the volume is truncated: its header does not end."
    kind = re.sub(r"\b(un)?signed |^u(?=\w)|_t$", "", fields.get("type", ""))
    sizes = fields.get("sizes", "").split()
    is_known = kind in _BYTES and sizes and all(size.isdecimal() for size in sizes)
    if not is_known or "data file" in fields or "datafile" in fields:
        return None
    wanted = math.prod(map(int, sizes)) * _BYTES[kind]
    if fields.get("encoding") == "raw":
        found = sum(len(piece) for piece in iter(lambda: file.read(_PIECE), b""))
    elif fields.get("encoding") in ("gzip", "gz"):
        found = 0
        unpack = zlib.decompressobj(wbits=31)
        try:
            while piece := unpack.unconsumed_tail or file.read(_PIECE):
                found += len(unpack.decompress(piece, _PIECE))
        except zlib.error as error:
            return f"the volume is damaged ({error})."
        found += len(unpack.flush())
        if not unpack.eof:
            return f"the volume is truncated: its voxels end after {found:,} of {wanted:,} bytes."
    else:
        return None
    if found < wanted:
        return f"the volume is truncated: it has {found:,} of {wanted:,} bytes."
    return None


def drawing_fault(content: bytes) -> str | None:
    """Return what shows that a body is not an SVG drawing, or not a whole one.

    >>> drawing_fault(b"<svg><path/></svg>"), drawing_fault(b"<svg><pa")
    (None, 'the drawing is truncated.')
    """
    content = content.removeprefix(b"\xef\xbb\xbf")
    fault = file_fault(content)
    if fault is None and not _DRAWING.match(content):
        fault = "the file is not an SVG drawing."
    if fault is None and not _END.search(content):
        fault = "the drawing is truncated."
    return fault


def image_fault(start: bytes) -> str | None:
    r"""Return what shows that a body is not an image: HTML, XML or JSON.

    >>> image_fault(b"<svg>"), image_fault(b"\xff\xd8")
    ('the file is not an image.', None)
    """
    begin = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    return "the file is not an image." if begin.startswith((b"<", b"{")) else None


def fault_in(address: str, path: Path) -> str | None:
    """Return what is wrong with a file of an address, which states what the file should be."""
    with path.open("rb") as file:
        start = file.read(512)
        file.seek(0)
        fault = file_fault(start) or volume_fault(file)
    if fault:
        return fault
    if "/svg_download/" in address:
        return drawing_fault(path.read_bytes())
    return image_fault(start) if "image_download/" in address else None
