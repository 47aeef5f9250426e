"""What BrainCircuits.io answers: one entry a segment, read by shape and not by name.

An entry is kept as it came, in JSON, except for the partners of a neuron in the documented form:
they become a column of IDs and one of counts, which are read back fifty times faster.
"""

from __future__ import annotations

import datetime
import sys
from array import array
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from pdneuro.errors import InvalidIdError, PrecisionLossError
from pdneuro.tables import records, roles
from pdneuro.tables.ids import Int64Array, id_array
from pdneuro.transport.fetch import Batch
from pdneuro.transport.store import FIRST_FORM, NONE_FORM

JSON_FORM, PARTNERS_FORM = FIRST_FORM, FIRST_FORM + 1

_Triple = tuple[Int64Array, Int64Array, Int64Array]


class ShapeError(ValueError):
    """The body is not what the service documents."""


class _Envelope(msgspec.Struct):
    results: dict[int, msgspec.Raw]
    materialized_timestamp: int | float | str | None = None


class _Partner(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    segmentid: int
    synaptic_count: int


class _Partners(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    downstream: list[_Partner] = []
    upstream: list[_Partner] = []


# Not strict: IDs come as text, and become exact integers here.
_envelope = msgspec.json.Decoder(_Envelope, strict=False)
_partners = msgspec.json.Decoder(_Partners, strict=False)
_anything = msgspec.json.Decoder()


def batch(body: bytes, asked: Sequence[int], name: str) -> Batch:
    """Take an answer apart into one encoded entry a segment.

    Raises
    ------
    ShapeError
        The body is no JSON, or not the documented object.
    """
    try:
        envelope = _envelope.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        envelope = _unwrapped(body, asked)
    ids, forms, bodies = [], [], []
    for number, raw in envelope.results.items():
        form, entry = _encode(bytes(raw), name)
        ids.append(number)
        forms.append(form)
        bodies.append(entry)
    return Batch(ids, forms, bodies, _seconds(envelope.materialized_timestamp))


def _encode(entry: bytes, name: str) -> tuple[int, bytes | None]:
    if len(entry) < 8 and entry.translate(None, b" \t\r\n") in (b"null", b"{}"):
        return NONE_FORM, None
    if name == "connectivity":
        try:
            partners = _partners.decode(entry)
            return PARTNERS_FORM, _pack(partners.downstream, partners.upstream)
        except (msgspec.ValidationError, OverflowError):
            # Another shape, kept as it came if partners can be made out in it.
            _edges_by_shape(np.ones(1, np.int64), [entry])
    return JSON_FORM, entry


def _unwrapped(body: bytes, asked: Sequence[int]) -> _Envelope:
    """Accept what the documentation leaves open: an answer without ``results`` around it."""
    try:
        found = _anything.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        kind = "an HTML page" if body.lstrip()[:1] == b"<" else f"no valid JSON ({error})"
        raise ShapeError(f"the answer is {kind}.") from None
    if not isinstance(found, dict):
        raise ShapeError(f"the answer is a JSON {type(found).__name__}, not an object.")
    snapshot = found.pop("materialized_timestamp", None)
    inner = found.get("results", found)
    if isinstance(inner, dict) and inner and all(key in _words(asked) for key in inner):
        entries = {int(key): value for key, value in inner.items()}
    elif isinstance(inner, dict) and {"downstream", "upstream"} & inner.keys() and len(asked) == 1:
        entries = {asked[0]: inner}
    else:
        raise ShapeError("the answer has no 'results' with one entry a segment.")
    raw = {number: msgspec.Raw(msgspec.json.encode(value)) for number, value in entries.items()}
    return _Envelope(raw, snapshot)


def _words(ids: Sequence[int]) -> set[str]:
    return set(map(str, ids))


def _seconds(snapshot: object) -> int | None:
    """Unix seconds of ``materialized_timestamp``, whichever way it is written."""
    if isinstance(snapshot, str):
        try:
            return int(float(snapshot))
        except ValueError:
            pass
        try:
            moment = datetime.datetime.fromisoformat(snapshot)
        except ValueError:
            return None
        return int((moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp())
    return int(snapshot) if isinstance(snapshot, int | float) else None


# -- partners -------------------------------------------------------------------------------------


def _pack(downstream: list[_Partner], upstream: list[_Partner]) -> bytes:
    """Number of downstream partners, IDs (64 bit), counts (32 bit): downstream, then upstream."""
    both = downstream + upstream
    head = len(downstream).to_bytes(4, sys.byteorder)
    ids = array("q", [partner.segmentid for partner in both])
    return head + ids.tobytes() + array("i", [partner.synaptic_count for partner in both]).tobytes()


def _unpack(
    bodies: Sequence[bytes],
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], tuple[Int64Array, ...]]:
    """Partners a neuron downstream and upstream; IDs and counts of all, downstream and upstream."""
    order = sys.byteorder
    down = [int.from_bytes(body[:4], order) for body in bodies]
    total = [(len(body) - 4) // 12 for body in bodies]
    cuts = [
        (body, 4 + 8 * d, 4 + 8 * n, 4 + 8 * n + 4 * d)
        for body, d, n in zip(bodies, down, total, strict=True)
    ]
    parts = (
        b"".join([body[4:a] for body, a, _, _ in cuts]),
        b"".join([body[b:c] for body, _, b, c in cuts]),
        b"".join([body[a:b] for body, a, b, _ in cuts]),
        b"".join([body[c:] for body, _, _, c in cuts]),
    )
    arrays = tuple(
        np.frombuffer(part, np.int32 if counts else np.int64).astype(np.int64, copy=False)
        for part, counts in zip(parts, (False, True, False, True), strict=True)
    )
    n_down = np.array(down, np.intp)
    return n_down, np.array(total, np.intp) - n_down, arrays


def partner_counts(bodies: Sequence[bytes]) -> dict[str, Int64Array]:
    """Number of partners of each neuron."""
    down = np.array([int.from_bytes(body[:4], sys.byteorder) for body in bodies], np.int64)
    total = np.array([(len(body) - 4) // 12 for body in bodies], np.int64)
    return {"connectivity_downstream_count": down, "connectivity_upstream_count": total - down}


def edges(
    ids: Int64Array, forms: npt.NDArray[np.int8], bodies: npt.NDArray[np.object_]
) -> tuple[_Triple, _Triple]:
    """Outgoing and incoming edges (``pre, post, weight``) of neurons, in the order given."""
    packed = forms == PARTNERS_FORM
    n_down, n_up, (down, down_count, up, up_count) = _unpack(bodies[packed].tolist())
    own = ids[packed]
    outgoing: _Triple = (np.repeat(own, n_down), down, down_count)
    incoming: _Triple = (up, np.repeat(own, n_up), up_count)
    if not packed.all():
        more_out, more_in = _edges_by_shape(ids[~packed], bodies[~packed])
        outgoing = tuple(map(np.concatenate, zip(outgoing, more_out, strict=True)))  # type: ignore[assignment]
        incoming = tuple(map(np.concatenate, zip(incoming, more_in, strict=True)))  # type: ignore[assignment]
    return _without_void(outgoing, 1), _without_void(incoming, 0)


def _without_void(triple: _Triple, partner: int) -> _Triple:
    """Leave out synapses whose other side lies outside the segmentation (ID 0)."""
    if not len(triple[0]) or triple[partner].min() > 0:
        return triple
    inside = triple[partner] > 0
    return triple[0][inside], triple[1][inside], triple[2][inside]


def _edges_by_shape(ids: Int64Array, bodies: Sequence[bytes]) -> tuple[_Triple, _Triple]:
    """Partners by the names that columns go by elsewhere; a record without a weight counts one."""
    table = records.long_records(ids, decode(bodies), "direction")
    if table.empty:
        nothing = np.empty(0, np.int64)
        return (nothing, nothing, nothing), (nothing, nothing, nothing)
    partner = roles.one_of(table.columns.drop("segment_id"), roles.SEGMENT_NAMES, "partner")
    weight = roles.one_of(table.columns, roles.WEIGHT_NAMES, "weight")
    if partner is None or "direction" not in table.columns:
        raise ShapeError(
            "'connectivity' is no 'downstream' and 'upstream' lists of records with a 'segmentid'."
        )
    try:
        others, _ = id_array(table[partner])
        counts = np.ones(len(table), np.int64) if weight is None else id_array(table[weight])[0]
    except (InvalidIdError, PrecisionLossError) as error:
        raise ShapeError(f"'connectivity' holds something else than IDs and counts: {error}") from None
    own = table["segment_id"].to_numpy()
    out = (table["direction"] == "downstream").to_numpy(bool)
    return (own[out], others[out], counts[out]), (others[~out], own[~out], counts[~out])


# -- other properties -----------------------------------------------------------------------------


def decode(bodies: Sequence[bytes] | npt.NDArray[np.object_]) -> list[Any]:
    """JSON entries to Python values."""
    values: list[Any] = _anything.decode(b"[" + b",".join(bodies) + b"]")
    return values


def values(forms: npt.NDArray[np.int8], bodies: npt.NDArray[np.object_]) -> list[Any]:
    """Python values of all entries, None where there is none."""
    found: list[Any] = [None] * len(bodies)
    json = np.flatnonzero(forms == JSON_FORM)
    for place, value in zip(json.tolist(), decode(bodies[json]), strict=True):
        found[place] = value
    for place in np.flatnonzero(forms == PARTNERS_FORM).tolist():
        found[place] = _partner_lists(bodies[place])
    return found


def _partner_lists(body: bytes) -> dict[str, list[dict[str, int]]]:
    _, _, (down, down_count, up, up_count) = _unpack([body])
    pairs = {"downstream": (down, down_count), "upstream": (up, up_count)}
    return {
        side: [
            {"segmentid": number, "synaptic_count": count}
            for number, count in zip(ids.tolist(), counts.tolist(), strict=True)
        ]
        for side, (ids, counts) in pairs.items()
    }
