"""Turn responses of BrainCircuits.io into one payload per segment, and payloads into values and edges.

A payload is the JSON of the response, except for the partners of a neuron in the documented form: they
become packed records of ID and count, which need no parsing when they are read from the cache.
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
from pdneuro.transport.report import FIRST_ENCODING, NONE_ENCODING, Batch, ShapeError
from pdneuro.transport.responses import is_html

JSON_ENCODING, PARTNERS_ENCODING = FIRST_ENCODING, FIRST_ENCODING + 1


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
    """Return one encoded payload per segment of a response.

    Raises
    ------
    ShapeError
        The body is not JSON, or not the documented object.
    """
    try:
        envelope = _envelope.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        envelope = _unwrapped(body, asked)
    ids, raw = list(envelope.results), list(envelope.results.values())
    snapshot = _seconds(envelope.materialized_timestamp)
    if name == "connectivity":
        return Batch(ids, *_encode_partners(raw), snapshot)
    encodings, payloads = [JSON_ENCODING] * len(ids), cast(list[bytes | None], raw)
    # The length first: most entries are long, and a call for each would take time.
    for place in [place for place, entry in enumerate(raw) if len(entry) < 8 and _is_nothing(entry)]:
        encodings[place], payloads[place] = NONE_ENCODING, None
    return Batch(ids, encodings, payloads, snapshot)


def _is_nothing(entry: msgspec.Raw) -> bool:
    return bytes(entry).translate(None, b" \t\r\n") in (b"null", b"{}")


def _unwrapped(body: bytes, asked: Sequence[int]) -> _Envelope:
    """Read a response without ``results``, which the documentation does not exclude."""
    try:
        found = _anything.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        kind = "an HTML page" if is_html(body) else f"not valid JSON ({error})"
        raise ShapeError(f"the response is {kind}.") from None
    if not isinstance(found, dict):
        raise ShapeError(f"the response is a JSON {type(found).__name__}, not an object.")
    snapshot = found.pop("materialized_timestamp", None)
    inner = found.get("results", found)
    if isinstance(inner, dict) and inner and all(key in _words(asked) for key in inner):
        entries = {int(key): value for key, value in inner.items()}
    elif isinstance(inner, dict) and {"downstream", "upstream"} & inner.keys() and len(asked) == 1:
        entries = {asked[0]: inner}
    else:
        raise ShapeError("the response has no 'results' with one entry per segment.")
    raw = {number: msgspec.Raw(msgspec.json.encode(value)) for number, value in entries.items()}
    return _Envelope(raw, snapshot)


def _words(ids: Sequence[int]) -> set[str]:
    return set(map(str, ids))


def _seconds(snapshot: object) -> int | None:
    """Return the Unix seconds of ``materialized_timestamp``, in any documented format."""
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
    """Return the addresses of the files of edges and nodes, and the snapshot in Unix seconds."""
    try:
        found = _anything.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ShapeError(f"the response is not valid JSON ({error}).") from None
    edges = found.get("edges_url") if isinstance(found, dict) else None
    if not isinstance(edges, str) or not edges:
        raise ShapeError("the response has no 'edges_url'.")
    nodes = found.get("nodes_url")
    snapshot = _seconds(found.get("last_materialized", found.get("materialized_timestamp")))
    return edges, nodes if isinstance(nodes, str) and nodes else None, snapshot


# -- partners -------------------------------------------------------------------------------------


def _encode_partners(entries: list[msgspec.Raw]) -> tuple[list[int], list[bytes | None]]:
    """Pack the entries of the documented form; others stay JSON if they contain partners."""
    encodings = [JSON_ENCODING] * len(entries)
    payloads: list[bytes | None] = [*map(bytes, entries)]
    places, found = [], []
    for place, entry in enumerate(entries):
        if _is_nothing(entry):
            encodings[place], payloads[place] = NONE_ENCODING, None
            continue
        try:
            found.append(_partners.decode(entry))
            places.append(place)
        except msgspec.ValidationError:
            _edges_by_shape(np.ones(1, np.int64), [bytes(entry)])
    for place, packed in zip(places, _pack(found), strict=False):  # none if a number is too large
        encodings[place], payloads[place] = PARTNERS_ENCODING, packed
    return encodings, payloads


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
    encodings: npt.NDArray[np.int8],
    payloads: npt.NDArray[np.object_],
    *,
    upstream: bool = True,
    downstream: bool = True,
) -> pd.DataFrame:
    """Edge table of neurons: in the order given, the outputs of each before its inputs."""
    packed = np.flatnonzero(encodings == PARTNERS_ENCODING)
    columns: list[Any] = [*unpack(payloads[packed])]
    columns[0] = packed[columns[0]]
    if len(packed) < len(ids):
        others = np.flatnonzero(encodings == JSON_ENCODING)
        neuron, *found = _edges_by_shape(ids[others], payloads[others].tolist())
        found = [pd.Index(ids).get_indexer(pd.Index(neuron)), *found]
        columns = [np.concatenate(pair) for pair in zip(columns, found, strict=True)]
    if not (upstream and downstream):
        side = columns[3] if upstream else ~columns[3]
        columns = [cells[side] for cells in columns]
    return from_partners(ids, *columns)


def _edges_by_shape(
    ids: Int64Array, payloads: Sequence[bytes]
) -> tuple[Int64Array, Int64Array, Int64Array, npt.NDArray[np.bool_]]:
    """Return neuron, partner, weight and direction, by common column names; no weight counts as 1."""
    table = records.long_records(ids, decode(payloads), "direction")
    if table.empty:
        nothing = np.empty(0, np.int64)
        return nothing, nothing, nothing, nothing.astype(bool)
    # "segment_id" is the neuron; long_records() calls a field of that name "record_segment_id".
    names = (*roles.SEGMENT_NAMES, "record_segment_id")
    partner = roles.one_of(table.columns.drop("segment_id"), names, "partner")
    weight = roles.one_of(table.columns, roles.WEIGHT_NAMES, "weight")
    if partner is None or "direction" not in table.columns:
        raise ShapeError(
            "'connectivity' has no 'downstream' and 'upstream' lists of records with a 'segmentid'."
        )
    try:
        others, _ = id_array(table[partner])
        counts = np.ones(len(table), np.int64) if weight is None else id_array(table[weight])[0]
    except (InvalidIdError, PrecisionLossError) as error:
        raise ShapeError(f"'connectivity' contains values that are not IDs or counts: {error}") from None
    incoming = (table["direction"] == "upstream").to_numpy(bool)
    return table["segment_id"].to_numpy(), others, counts, incoming


# -- other properties -----------------------------------------------------------------------------


def decode(payloads: Sequence[bytes] | npt.NDArray[np.object_]) -> list[Any]:
    """Return the Python values of JSON payloads."""
    values: list[Any] = _anything.decode(b"[" + b",".join(payloads) + b"]")
    return values


def flat_cells(
    encodings: npt.NDArray[np.int8], payloads: npt.NDArray[np.object_]
) -> dict[str, Sequence[Any]] | None:
    """Return lists of values by key if all entries map the same keys to scalars, else None.

    A struct with these keys is decoded several times faster than dicts.
    """
    if len(encodings) and (encodings == PARTNERS_ENCODING).all():
        downstream, upstream = partner_counts(payloads)
        return {"downstream_count": downstream.tolist(), "upstream_count": upstream.tolist()}
    if not len(encodings) or (encodings != JSON_ENCODING).any():
        return None
    first = _anything.decode(payloads[0])
    if not isinstance(first, dict):
        return None
    decoder, fields = _flat_decoder(tuple(first))
    try:
        rows = decoder.decode(b"[" + b",".join(payloads) + b"]")
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


def values(encodings: npt.NDArray[np.int8], payloads: npt.NDArray[np.object_]) -> list[Any]:
    """Return the Python values of all payloads, None without a payload."""
    found: list[Any] = [None] * len(payloads)
    json = np.flatnonzero(encodings == JSON_ENCODING)
    for place, value in zip(json.tolist(), decode(payloads[json]), strict=True):
        found[place] = value
    for place in np.flatnonzero(encodings == PARTNERS_ENCODING).tolist():
        found[place] = _partner_lists(payloads[place])
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
