"""Turn responses into one payload per ID, and payloads into values and edges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from pdneuro.tables.partners import PartnerLists, from_partners
from pdneuro.transport.report import FIRST_ENCODING, NONE_ENCODING, Batch, ShapeError
from pdneuro.transport.responses import parse_json

#: How a payload is encoded: as the JSON of the response.
JSON_ENCODING = FIRST_ENCODING


class _Response(msgspec.Struct):
    # IDs are text in the service's JSON; ``strict=False`` turns them into exact integers.
    cells: dict[int, msgspec.Raw]
    release: int | None = None


class _Partners(msgspec.Struct):
    to: list[tuple[int, int]] = []
    by: list[tuple[int, int]] = msgspec.field(default_factory=list, name="from")


_response = msgspec.json.Decoder(_Response, strict=False)
_partners = msgspec.json.Decoder(_Partners, strict=False)


def batch(body: bytes) -> Batch:
    """Return one payload per cell of a response. Other cells are unknown to the service."""
    try:
        found = _response.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ShapeError(f"the response is not the documented object ({error}).") from None
    entries = [bytes(raw) for raw in found.cells.values()]
    encodings = [NONE_ENCODING if entry == b"null" else JSON_ENCODING for entry in entries]
    payloads = [None if entry == b"null" else entry for entry in entries]
    return Batch(list(found.cells), encodings, payloads, found.release)


def joined(parts: list[Batch]) -> Batch:
    """Return several batches as one, with the latest release of the service."""
    releases = [part.snapshot for part in parts if part.snapshot is not None]
    ids, encodings, payloads = ([item for part in parts for item in part[place]] for place in range(3))
    return Batch(ids, encodings, payloads, max(releases, default=None))


def check(encodings: Sequence[int], payloads: Sequence[bytes | None]) -> None:
    """Raise ShapeError if a payload cannot be read."""
    for body in payloads:
        if body is not None:
            parse_json(body)


def values(payloads: np.ndarray) -> list[Any]:
    """Return the values of payloads, None without a payload."""
    return [None if body is None else msgspec.json.decode(body) for body in payloads]


def edges(ids: np.ndarray, payloads: np.ndarray, *, upstream: bool, downstream: bool) -> pd.DataFrame:
    """Return the edge table. An edge that both cells list appears once."""
    rows: list[tuple[int, int, int, bool]] = []
    for row, body in enumerate(payloads):
        if body is None:
            continue
        partners = _partners.decode(body)
        rows += [(row, *pair, False) for pair in partners.to if downstream]
        rows += [(row, *pair, True) for pair in partners.by if upstream]
    columns = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    found = PartnerLists(columns[0], columns[1], columns[2], columns[3].astype(bool))
    return from_partners(ids, [found], len(rows))
