"""What comes back: one encoded answer an ID for the store, and values and edges from the store."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pandas as pd

from pdneuro.tables.partners import from_partners
from pdneuro.transport.answers import FIRST_FORM, NONE_FORM, Batch, ShapeError

#: How a body is encoded: as the JSON that came.
JSON_FORM = FIRST_FORM


class _Answer(msgspec.Struct):
    # IDs are text in the service's JSON; ``strict=False`` makes exact integers of them.
    cells: dict[int, msgspec.Raw]
    release: int | None = None


class _Partners(msgspec.Struct):
    to: list[tuple[int, int]] = []
    by: list[tuple[int, int]] = msgspec.field(default_factory=list, name="from")


_answer = msgspec.json.Decoder(_Answer, strict=False)
_partners = msgspec.json.Decoder(_Partners, strict=False)


def batch(body: bytes) -> Batch:
    """Take an answer apart; cells that are not in it are unknown to the service."""
    try:
        found = _answer.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ShapeError(f"the answer is not the documented object ({error}).") from None
    entries = [bytes(raw) for raw in found.cells.values()]
    forms = [NONE_FORM if entry == b"null" else JSON_FORM for entry in entries]
    bodies = [None if entry == b"null" else entry for entry in entries]
    return Batch(list(found.cells), forms, bodies, found.release)


def together(parts: list[Batch]) -> Batch:
    """The answers to the parts of a question as one; the service's release is the latest of them."""
    releases = [part.snapshot for part in parts if part.snapshot is not None]
    ids, forms, bodies = ([item for part in parts for item in part[place]] for place in range(3))
    return Batch(ids, forms, bodies, max(releases, default=None))


def values(bodies: np.ndarray) -> list[Any]:
    """Python values of the answers, None where there is none."""
    return [None if body is None else msgspec.json.decode(body) for body in bodies]


def edges(ids: np.ndarray, bodies: np.ndarray, *, upstream: bool, downstream: bool) -> pd.DataFrame:
    """The edge table; one that is told from both ends stands once."""
    rows: list[tuple[int, int, int, bool]] = []
    for row, body in enumerate(bodies):
        if body is None:
            continue
        told = _partners.decode(body)
        rows += [(row, *pair, False) for pair in told.to if downstream]
        rows += [(row, *pair, True) for pair in told.by if upstream]
    columns = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    return from_partners(ids, columns[0], columns[1], columns[2], columns[3].astype(bool))
