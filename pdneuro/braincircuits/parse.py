"""What BrainCircuits.io answers: one entry a segment, read by shape and not by name.

An entry is kept as it came, in JSON, except for the partners of a neuron in the documented form:
they become packed records of ID and count, which need no parsing when they are read back.
"""

from __future__ import annotations

import datetime
import functools
import types
from collections.abc import Sequence
from operator import attrgetter
from typing import Any, cast

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro.errors import InvalidIdError, PrecisionLossError
from pdneuro.tables import columns as records
from pdneuro.tables import roles
from pdneuro.tables.ids import Int64Array, id_array
from pdneuro.tables.partners import from_partners, pack, partner_counts, unpack
from pdneuro.transport.answers import FIRST_FORM, NONE_FORM, Batch, ShapeError

JSON_FORM, PARTNERS_FORM = FIRST_FORM, FIRST_FORM + 1


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
    ids, raw = list(envelope.results), list(envelope.results.values())
    snapshot = _seconds(envelope.materialized_timestamp)
    if name == "connectivity":
        return Batch(ids, *_encode_partners(raw), snapshot)
    forms, bodies = [JSON_FORM] * len(ids), cast(list[bytes | None], raw)
    for place, entry in enumerate(raw):
        if _is_nothing(entry):
            forms[place], bodies[place] = NONE_FORM, None
    return Batch(ids, forms, bodies, snapshot)


def _is_nothing(entry: msgspec.Raw) -> bool:
    # The length first: most entries are long, and a copy of each would take time.
    return len(entry) < 8 and bytes(entry).translate(None, b" \t\r\n") in (b"null", b"{}")


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


def graph_dump(body: bytes) -> tuple[str, str | None, int | None]:
    """Addresses of the edges' and the nodes' file, and the state of the data in unix seconds."""
    try:
        found = _anything.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ShapeError(f"the answer is no valid JSON ({error}).") from None
    edges = found.get("edges_url") if isinstance(found, dict) else None
    if not isinstance(edges, str) or not edges:
        raise ShapeError("the answer has no 'edges_url'.")
    nodes = found.get("nodes_url")
    snapshot = _seconds(found.get("last_materialized", found.get("materialized_timestamp")))
    return edges, nodes if isinstance(nodes, str) and nodes else None, snapshot


# -- partners -------------------------------------------------------------------------------------


def _encode_partners(entries: list[msgspec.Raw]) -> tuple[list[int], list[bytes | None]]:
    """Pack the entries of the documented form; others stay JSON if partners can be made out in them."""
    forms = [JSON_FORM] * len(entries)
    bodies: list[bytes | None] = [*map(bytes, entries)]
    places, found = [], []
    for place, entry in enumerate(entries):
        if _is_nothing(entry):
            forms[place], bodies[place] = NONE_FORM, None
            continue
        try:
            found.append(_partners.decode(entry))
            places.append(place)
        except msgspec.ValidationError:
            _edges_by_shape(np.ones(1, np.int64), [bytes(entry)])
    for place, packed in zip(places, _pack(found), strict=False):  # none where a number is too large
        forms[place], bodies[place] = PARTNERS_FORM, packed
    return forms, bodies


def _pack(entries: list[_Partners]) -> list[bytes]:
    sides = [side for entry in entries for side in (entry.downstream, entry.upstream)]
    sizes = np.array([len(side) for side in sides], np.intp)
    incoming = np.repeat(np.tile([0, 1], len(entries)), sizes)
    try:
        partner = np.array([p.segmentid for side in sides for p in side], np.int64)
        counts = np.array([p.synaptic_count for side in sides for p in side], np.int64)
        return pack(sizes[::2] + sizes[1::2], partner, counts, incoming)
    except OverflowError:
        return []


def edges(
    ids: Int64Array,
    forms: npt.NDArray[np.int8],
    bodies: npt.NDArray[np.object_],
    *,
    upstream: bool = True,
    downstream: bool = True,
) -> pd.DataFrame:
    """Edge table of neurons: in the order given, the outputs of each before its inputs."""
    packed = np.flatnonzero(forms == PARTNERS_FORM)
    columns: list[Any] = [*unpack(bodies[packed])]
    columns[0] = packed[columns[0]]
    if len(packed) < len(ids):
        others = np.flatnonzero(forms == JSON_FORM)
        neuron, *found = _edges_by_shape(ids[others], bodies[others].tolist())
        found = [pd.Index(ids).get_indexer(pd.Index(neuron)), *found]
        columns = [np.concatenate(pair) for pair in zip(columns, found, strict=True)]
    if not (upstream and downstream):
        side = columns[3] if upstream else ~columns[3]
        columns = [cells[side] for cells in columns]
    return from_partners(ids, *columns)


def _edges_by_shape(
    ids: Int64Array, bodies: Sequence[bytes]
) -> tuple[Int64Array, Int64Array, Int64Array, npt.NDArray[np.bool_]]:
    """Neuron, partner, weight, incoming, by the names that columns have elsewhere; no weight is 1."""
    table = records.long_records(ids, decode(bodies), "direction")
    if table.empty:
        nothing = np.empty(0, np.int64)
        return nothing, nothing, nothing, nothing.astype(bool)
    # "segment_id" is the neuron; long_records() calls a field of that name "record_segment_id".
    names = (*roles.SEGMENT_NAMES, "record_segment_id")
    partner = roles.one_of(table.columns.drop("segment_id"), names, "partner")
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
    incoming = (table["direction"] == "upstream").to_numpy(bool)
    return table["segment_id"].to_numpy(), others, counts, incoming


# -- other properties -----------------------------------------------------------------------------


def decode(bodies: Sequence[bytes] | npt.NDArray[np.object_]) -> list[Any]:
    """JSON entries to Python values."""
    values: list[Any] = _anything.decode(b"[" + b",".join(bodies) + b"]")
    return values


def flat_cells(
    forms: npt.NDArray[np.int8], bodies: npt.NDArray[np.object_]
) -> dict[str, Sequence[Any]] | None:
    """Cells by key where all entries are mappings of the same keys to scalars, else None.

    A struct made for these keys is decoded several times faster than dicts.
    """
    if len(forms) and (forms == PARTNERS_FORM).all():
        downstream, upstream = partner_counts(bodies)
        return {"downstream_count": downstream.tolist(), "upstream_count": upstream.tolist()}
    if not len(forms) or (forms != JSON_FORM).any():
        return None
    first = _anything.decode(bodies[0])
    if not isinstance(first, dict):
        return None
    decoder, fields = _flat_decoder(tuple(first))
    try:
        rows = decoder.decode(b"[" + b",".join(bodies) + b"]")
    except msgspec.ValidationError:
        return None
    return {key: [*map(attrgetter(field), rows)] for key, field in fields.items()}


@functools.lru_cache(maxsize=64)
def _flat_decoder(keys: tuple[str, ...]) -> tuple[Any, dict[str, str]]:
    fields = {key: f"field_{place}" for place, key in enumerate(keys)}
    struct = msgspec.defstruct(
        "Flat",
        [(field, bool | int | float | str | None) for field in fields.values()],
        rename={field: key for key, field in fields.items()},
        gc=False,
        forbid_unknown_fields=True,
    )
    return msgspec.json.Decoder(types.GenericAlias(list, (struct,))), fields


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
    sides: dict[str, list[dict[str, int]]] = {"downstream": [], "upstream": []}
    _, partners, weights, incoming = unpack([body])
    for partner, weight, is_in in zip(
        partners.tolist(), weights.tolist(), incoming.tolist(), strict=True
    ):
        side = sides["upstream" if is_in else "downstream"]
        side.append({"segmentid": partner, "synaptic_count": weight})
    return sides
