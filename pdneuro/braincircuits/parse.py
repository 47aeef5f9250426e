"""Turn responses of BrainCircuits.io into one payload per segment, and payloads into values and edges.

A payload is the JSON of the response, except for the partners of a neuron in the documented form: they
become packed records of ID and count, which need no parsing when they are read from the cache.
"""

from __future__ import annotations

import datetime
import functools
import types
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, compress
from operator import attrgetter
from typing import Annotated, Any, NamedTuple, cast

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro.errors import (
    InvalidIdError,
    PrecisionLossError,
    UnexpectedResponseWarning,
    listing,
    warn,
)
from pdneuro.sources import DOCUMENTED, LINKS
from pdneuro.tables import columns as records
from pdneuro.tables import roles
from pdneuro.tables.ids import Int64Array, id_array
from pdneuro.tables.partners import (
    PartnerLists,
    are_whole,
    from_partners,
    pack,
    partner_count,
    partner_counts,
    unpack,
    unpack_in_parts,
)
from pdneuro.transport.report import FIRST_ENCODING, NONE_ENCODING, NOT_CACHED, Batch, ShapeError
from pdneuro.transport.responses import parse_json

JSON_ENCODING, PARTNERS_ENCODING = FIRST_ENCODING, FIRST_ENCODING + 1
#: Partners whose payload begins with the numbers of records that were dropped, and of those merged.
REPAIRED_ENCODING = NOT_CACHED
#: JSON with other keys than those that the service documents.
OTHER_KEYS_ENCODING = NOT_CACHED + 1
#: Latest time that is a plausible ``materialized_timestamp``: the year 2100, in Unix seconds.
_LATEST = 4_102_444_800


class _Envelope(msgspec.Struct):
    results: dict[int, msgspec.Raw]
    materialized_timestamp: int | float | str | None = None


class _Partner(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    segmentid: int
    synaptic_count: int


class _Partners(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    downstream: list[_Partner] | None = None
    upstream: list[_Partner] | None = None


_Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None


class _Link(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    nr_pre: _Count = None
    nr_downstream_partner: _Count = None
    nr_post: _Count = None
    nr_upstream_partner: _Count = None


_links = msgspec.json.Decoder(list[_Link])
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
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        envelope = _unwrapped(body, asked)
    ids, raw = list(envelope.results), list(envelope.results.values())
    snapshot = _seconds(envelope.materialized_timestamp)
    if name == "connectivity":
        return Batch(ids, *_encode_partners(raw), snapshot)
    encodings, payloads = [JSON_ENCODING] * len(ids), cast(list[bytes | None], raw)
    # The length first: most entries are long, and a call for each would take time.
    for place in [place for place, entry in enumerate(raw) if len(entry) < 8 and _is_nothing(entry)]:
        encodings[place], payloads[place] = NONE_ENCODING, None
    if name in LINKS:
        for place in _without(LINKS[name], payloads):
            encodings[place] = OTHER_KEYS_ENCODING
    return Batch(ids, encodings, payloads, snapshot)


def _without(names: Iterable[str], payloads: Sequence[bytes | None]) -> list[int]:
    """Return the positions of the payloads that have none of some keys."""
    keys = [f'"{name}"'.encode() for name in names]
    present = [place for place, payload in enumerate(payloads) if payload is not None]
    # All at once first: a look at each payload takes ten times as long as decoding the response.
    together = b",".join(payloads[place] for place in present)  # type: ignore[misc]
    if any(together.count(key) == len(present) for key in keys):
        return []
    return [place for place in present if not any(key in bytes(payloads[place]) for key in keys)]  # type: ignore[arg-type]


def _is_nothing(entry: msgspec.Raw) -> bool:
    # The length first: the partners of a neuron are long, and copying them takes time.
    return len(entry) < 100 and bytes(entry).translate(None, b" \t\r\n") in (b"null", b"{}")


def _unwrapped(body: bytes, asked: Sequence[int]) -> _Envelope:
    """Read a response without ``results``, which the documentation does not exclude."""
    found = parse_json(body)
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
    """Return the Unix seconds of ``materialized_timestamp``, in any documented format.

    Raises
    ------
    ShapeError
        It is a number, but not a time.
    """
    if isinstance(snapshot, str):
        text = snapshot
        try:
            snapshot = float(text)
        except ValueError:
            try:
                moment = datetime.datetime.fromisoformat(text)
            except ValueError:
                return None
            snapshot = (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp()
    if not isinstance(snapshot, int | float):
        return None
    if not 0 <= snapshot < _LATEST:
        raise ShapeError(f"the materialization time {snapshot!r:.60} is not a time in Unix seconds.")
    return int(snapshot)


def graph_dump(body: bytes) -> tuple[str, str | None, int | None]:
    """Return the addresses of the files of edges and nodes, and the snapshot in Unix seconds."""
    found = parse_json(body)
    edges = found.get("edges_url") if isinstance(found, dict) else None
    if not isinstance(edges, str) or not edges:
        raise ShapeError("the response has no 'edges_url'.")
    nodes = found.get("nodes_url")
    snapshot = _seconds(found.get("last_materialized", found.get("materialized_timestamp")))
    return edges, nodes if isinstance(nodes, str) and nodes else None, snapshot


# -- partners -------------------------------------------------------------------------------------


class _Found(NamedTuple):
    """The partners of some neurons, one after the other, as aligned arrays."""

    rows: npt.NDArray[np.intp]
    partner: Int64Array
    weight: Int64Array
    incoming: npt.NDArray[np.bool_]


def _encode_partners(entries: list[msgspec.Raw]) -> tuple[list[int], list[bytes | None]]:
    """Pack the entries of the documented form; others stay JSON if they contain partners."""
    encodings = [JSON_ENCODING] * len(entries)
    payloads: list[bytes | None] = [None] * len(entries)
    places, found = [], []
    for place, entry in enumerate(entries):
        if _is_nothing(entry):
            encodings[place] = NONE_ENCODING
            continue
        try:
            # Arrays at once: the objects of all entries together would not fit into the caches.
            found.append(_sides(_partners.decode(entry)))
            places.append(place)
        except (msgspec.ValidationError, RecursionError, OverflowError):
            encodings[place], payloads[place] = _repaired_json(bytes(entry))
    try:
        for place, (encoding, body) in zip(places, _pack(found), strict=True):
            encodings[place], payloads[place] = encoding, body
    except OverflowError:  # a number is too large for a packed record: the JSON is cached
        for place in places:
            encodings[place], payloads[place] = _repaired_json(bytes(entries[place]))
    return encodings, payloads


def _sides(entry: _Partners) -> tuple[int, Int64Array, Int64Array]:
    """Return the number of downstream partners, and partners and weights of both sides."""
    downstream, upstream = entry.downstream or [], entry.upstream or []
    both = downstream + upstream
    partner = np.fromiter([one.segmentid for one in both], np.int64, len(both))
    weight = np.fromiter([one.synaptic_count for one in both], np.int64, len(both))
    return len(downstream), partner, weight


def _repaired_json(entry: bytes) -> tuple[int, bytes]:
    """Return the encoding and the payload of an entry in another form; its JSON if it is valid."""
    cells = _edges_by_shape(np.zeros(1, np.int64), [entry])
    found, *lost = _repaired(_Found(*cells), 1)
    if not any(count.any() for count in lost):
        return JSON_ENCODING, entry
    try:
        (body,) = pack([len(found.rows)], found.partner, found.weight, found.incoming)
    except OverflowError as error:
        raise ShapeError(f"'connectivity' contains a number that is too large: {error}") from None
    return REPAIRED_ENCODING, np.stack(lost, axis=1).astype("<i4").tobytes() + body


def _pack(entries: list[tuple[int, Int64Array, Int64Array]]) -> list[tuple[int, bytes]]:
    """Return the encoding and the payload of each entry."""
    if not entries:
        return []
    outputs, partners, weights = zip(*entries, strict=True)
    sizes = np.array([len(partner) for partner in partners], np.intp)
    sides = np.stack([outputs, sizes - outputs], axis=1).ravel()
    incoming = np.repeat(np.tile([False, True], len(entries)), sides)
    rows = np.repeat(np.arange(len(entries)), sizes)
    every = _Found(rows, np.concatenate(partners), np.concatenate(weights), incoming)
    found, *lost = _repaired(every, len(entries))
    kept = np.bincount(found.rows, minlength=len(entries))
    bodies = pack(kept, found.partner, found.weight, found.incoming)
    heads = np.stack(lost, axis=1).astype("<i4")
    packed = [(PARTNERS_ENCODING, body) for body in bodies]
    for place in np.flatnonzero(heads.any(axis=1)).tolist():
        packed[place] = (REPAIRED_ENCODING, heads[place].tobytes() + bodies[place])
    return packed


def _repaired(found: _Found, count: int) -> tuple[_Found, Int64Array, Int64Array]:
    """Drop records without a partner or a count, and merge records of one partner.

    Returns
    -------
    tuple
        The valid records; for each neuron, the numbers of records dropped and merged.
    """
    valid = (found.partner > 0) & (found.weight > 0)
    dropped = np.bincount(found.rows[~valid], minlength=count)
    if not valid.all():
        rows, partner, weight, incoming = found
        found = _Found(rows[valid], partner[valid], weight[valid], incoming[valid])
    # Equal keys may also be of different partners, which the next steps separate.
    keys = found.partner ^ ((2 * found.rows + found.incoming) << 40)
    in_order = np.sort(keys)
    repeated = in_order[1:][in_order[1:] == in_order[:-1]]
    if not len(repeated):
        return found, dropped, np.zeros(count, np.int64)
    places = np.flatnonzero(np.isin(keys, repeated))
    table = pd.DataFrame({name: cells[places] for name, cells in found._asdict().items()})
    # Records of several regions have different counts, which add up; a repeated record counts once.
    pair = ["rows", "incoming", "partner"]
    sums = table.drop_duplicates().groupby(pair, sort=False)["weight"].transform("sum")
    first = table.index[~table.duplicated(pair)]
    weight, kept = found.weight.copy(), np.ones(len(keys), bool)
    weight[places[first]] = sums.loc[first]
    kept[np.delete(places, first)] = False
    merged = np.bincount(found.rows[~kept], minlength=count)
    rows, partner, _, incoming = found
    return _Found(rows[kept], partner[kept], weight[kept], incoming[kept]), dropped, merged


def packed(
    encodings: npt.NDArray[np.int8], payloads: npt.NDArray[np.object_]
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.object_]]:
    """Return the packed records of repaired payloads, with a warning of what was repaired."""
    if np.max(encodings, initial=0) < NOT_CACHED:
        return encodings, payloads
    places = np.flatnonzero(encodings == REPAIRED_ENCODING)
    encodings, payloads = encodings.copy(), payloads.copy()
    encodings[encodings == OTHER_KEYS_ENCODING] = JSON_ENCODING
    if not len(places):
        return encodings, payloads
    heads = [np.frombuffer(payloads[place][:8], "<i4") for place in places.tolist()]
    _warn_of_repairs(len(places), *np.sum(heads, axis=0))
    encodings[places] = PARTNERS_ENCODING
    for place in places.tolist():
        payloads[place] = payloads[place][8:]
    return encodings, payloads


def _warn_of_repairs(neurons: int, dropped: int, merged: int) -> None:
    warn(
        f"'connectivity' of {neurons:,} neurons is not as documented: {dropped:,} records without a "
        f"valid partner or count are dropped, and {merged:,} records of a partner that is listed twice "
        "are merged (equal ones count once, different counts are added).",
        UnexpectedResponseWarning,
    )


def edges(
    ids: Int64Array,
    encodings: npt.NDArray[np.int8],
    payloads: npt.NDArray[np.object_],
    *,
    upstream: bool = True,
    downstream: bool = True,
) -> pd.DataFrame:
    """Edge table of neurons: in the order given, the outputs of each before its inputs."""
    encodings, payloads = packed(encodings, payloads)
    places = np.flatnonzero(encodings == PARTNERS_ENCODING)
    others = np.flatnonzero(encodings == JSON_ENCODING)
    bodies = payloads[places].tolist()
    parts: Iterator[PartnerLists] = (
        part._replace(rows=places[part.rows]) for part in unpack_in_parts(bodies)
    )
    count = partner_count(bodies)
    if len(others):
        neuron, *cells = _edges_by_shape(ids[others], payloads[others].tolist())
        rest = PartnerLists._make([pd.Index(ids).get_indexer(pd.Index(neuron)), *cells])
        parts, count = chain(parts, [rest]), count + len(neuron)
    if not (upstream and downstream):
        parts = (part.where(part.incoming == upstream) for part in parts)
    return from_partners(ids, parts, count)


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


def check(name: str, encodings: Sequence[int], payloads: Sequence[bytes | None]) -> None:
    """Raise ShapeError if a payload cannot be read, or a documented count is not a count."""
    forms = np.asarray(encodings)
    is_json = np.isin(forms, (JSON_ENCODING, OTHER_KEYS_ENCODING))
    bodies = [body or b"" for body in compress(payloads, is_json)]
    if not (name in LINKS and _are_links(bodies)):
        # A payload of a response is a msgspec.Raw, one of the cache is bytes.
        found = [parse_json(bytes(body)) for body in bodies]
        for key in DOCUMENTED.get(name, ()):
            counts = [value.get(key) for value in found if type(value) is dict]
            wrong = [count for count in counts if not _is_count(count)]
            if wrong:
                raise ShapeError(f"{key!r} is not a count: {listing(map(repr, wrong))}.")
    if not are_whole(compress(payloads, forms == PARTNERS_ENCODING)):
        raise ShapeError("packed partners are truncated.")


def _are_links(bodies: Sequence[bytes]) -> bool:
    """Return whether all payloads are counts as documented; this reads them several times as fast."""
    try:
        return len(_links.decode(b"[" + b",".join(bodies) + b"]")) == len(bodies)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def _is_count(value: Any) -> bool:
    return value is None or (type(value) in (int, float) and 0 <= value < 2**63)


def warn_of_other_keys(name: str, columns: dict[str, Any], count: int) -> None:
    """Warn of values that have other keys than those that the service documents."""
    if name not in LINKS:
        return  # the keys of other properties are not documented
    documented = LINKS[name]
    absent, other = np.ones(count, bool), np.zeros(count, bool)
    for key, cells in columns.items():
        missing = np.asarray(pd.isna(cells), bool)
        if key in documented:
            absent &= missing
        else:
            other |= ~missing
    lost = int((absent & other).sum())
    if lost:
        warn(
            f"{lost:,} of {count:,} values of {name!r} have none of the documented keys "
            f"{listing(map(repr, documented))}, which are NA. Their keys are "
            f"{listing([repr(key) for key in columns if key not in documented])}.",
            UnexpectedResponseWarning,
        )


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
    encodings, payloads = packed(encodings, payloads)
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
