"""Turn responses of neuPrint into one payload per body, and payloads into values, edges and regions.

A payload is the JSON of a property. Partners are packed records of an ID and a count, or with regions
the JSON of partner, count and regions. A skeleton is the packed nodes, in voxels as in the response.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import chain
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro._compat import TEXT
from pdneuro.errors import (
    InvalidIdError,
    InvalidSwcError,
    PrecisionLossError,
    UnexpectedResponseWarning,
    warn,
)
from pdneuro.neuprint.payload import NEURON
from pdneuro.tables import swc
from pdneuro.tables.columns import objects
from pdneuro.tables.edges import edge_table
from pdneuro.tables.ids import Int64Array
from pdneuro.tables.partners import are_whole, pack
from pdneuro.tables.skeletons import Nodes, find_problems, pack_nodes, unpack_nodes
from pdneuro.transport.report import (
    FIRST_ENCODING,
    NO_VALUE_NOW,
    NONE_ENCODING,
    NOT_CACHED,
    UNKNOWN_ENCODING,
    Batch,
    ShapeError,
)
from pdneuro.transport.responses import is_html, parse_json

JSON_ENCODING, PARTNERS_ENCODING, SKELETON_ENCODING = range(FIRST_ENCODING, FIRST_ENCODING + 3)
#: A skeleton with a problem: it is returned, and not cached, since the response may be damaged.
DOUBTFUL_ENCODING = NOT_CACHED
#: Problems that many correct skeletons have: there is no soma, or thin ends have no radius.
_USUAL = frozenset({"no soma", "no radius"})
#: Region of the synapses that are in no primary region.
NOT_PRIMARY = "NotPrimary"
#: Counts of a region in ``roiInfo``; a count that is not listed is 0.
_COUNTS = ("pre", "post", "downstream", "upstream")


class _Rows(msgspec.Struct):
    columns: list[str]
    data: list[list[Any]]


class _Values(msgspec.Struct):
    data: list[tuple[int, msgspec.Raw]]


_Id = int | None
#: Body, partner and weight; then roiInfo, labels or both. The key is regions, fragments.
_PARTNERS: dict[tuple[bool, bool], Any] = {
    (False, True): tuple[int, _Id, int | None],
    (True, True): tuple[int, _Id, int | None, str | None],
    (False, False): tuple[int, _Id, int | None, list[str] | str],
    (True, False): tuple[int, _Id, int | None, str | None, list[str] | str],
}
_partners = {
    key: msgspec.json.Decoder(msgspec.defstruct("Partners", [("data", list[row])]))  # type: ignore[valid-type]
    for key, row in _PARTNERS.items()
}


class _Region(msgspec.Struct, gc=False):
    post: int = 0


_region_info = msgspec.json.Decoder(dict[str, _Region])
_weighted = msgspec.json.Decoder(list[tuple[int, int, str | None]])
_weighted_all = msgspec.json.Decoder(list[list[tuple[int, int, str | None]]])
_anything = msgspec.json.Decoder()


_rows, _values = msgspec.json.Decoder(_Rows), msgspec.json.Decoder(_Values)


def _decode(body: bytes, decoder: Any) -> Any:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        what = "an HTML page" if is_html(body) else f"not a table of the requested columns ({error})"
        raise ShapeError(f"the response is {what}.") from None


def column(body: bytes) -> list[Any]:
    """Return the first column of a response."""
    rows: list[list[Any]] = _decode(body, _rows).data
    if not all(rows):
        raise ShapeError("a row of the response has no values.")
    return [row[0] for row in rows]


def table(body: bytes) -> dict[str, list[Any]]:
    """Return the columns of a response by name."""
    found = _decode(body, _rows)
    if any(len(row) != len(found.columns) for row in found.data):
        raise ShapeError("a row of the response has another number of values than there are columns.")
    cells = zip(*found.data, strict=True) if found.data else ([] for _ in found.columns)
    return {name: list(cell) for name, cell in zip(found.columns, cells, strict=True)}


def datasets(body: bytes) -> list[str]:
    """Return the names of the data sets of a server."""
    found = parse_json(body)
    if not isinstance(found, dict):
        raise ShapeError(f"the list of data sets is a JSON {type(found).__name__}, not an object.")
    return list(found)


# -- by body ---------------------------------------------------------------------------------------


def property_batch(body: bytes, ids: Sequence[int]) -> Batch:
    """Return one payload per body for a property; bodies without a row are unknown."""
    rows = _decode(body, _values).data
    found = {number: bytes(raw) for number, raw in rows}
    payloads = [None if raw == b"null" else raw for raw in found.values()]
    encodings = [NONE_ENCODING if raw is None else JSON_ENCODING for raw in payloads]
    return _complete(Batch(list(found), encodings, payloads, None), ids)


def partners_batch(
    body: bytes, ids: Sequence[int], *, upstream: bool, fragments: bool, regions: bool
) -> Batch:
    """Return the partners of each body, packed; with regions as JSON."""
    rows: list[Any] = _decode(body, _partners[regions, fragments]).data
    if not fragments:  # the other end is a neuron by the query, and this end is checked here
        rows = [row if NEURON in row[-1] else (row[0], None, None, None) for row in rows]
    bodies = list(dict.fromkeys(row[0] for row in rows))
    # A body that is not a neuron, or that has no partners, has rows without a partner.
    edges = [row for row in rows if row[1] is not None and row[2]]
    encodings, payloads = (_json if regions else _packed)(bodies, edges, upstream)
    return _complete(Batch(bodies, encodings, payloads, None), ids)


def _complete(batch: Batch, ids: Sequence[int]) -> Batch:
    """Add the bodies that the response does not contain: the data set does not have them."""
    absent = sorted(set(ids).difference(batch.ids))
    return Batch(
        batch.ids + absent,
        batch.encodings + [UNKNOWN_ENCODING] * len(absent),
        batch.payloads + [None] * len(absent),
        batch.snapshot,
    )


def _packed(bodies: list[int], edges: list[Any], upstream: bool) -> tuple[list[int], list[bytes | None]]:
    columns = list(zip(*edges, strict=True))[:3] if edges else ((), (), ())
    try:
        own, partner, weight = (np.array(cells, np.int64) for cells in columns)
        rows = pd.Index(np.array(bodies, np.int64)).get_indexer(pd.Index(own))
        order = np.argsort(rows, kind="stable")
        sizes = np.bincount(rows, minlength=len(bodies))
        packed = pack(sizes, partner[order], weight[order], upstream)
    except OverflowError as error:
        raise ShapeError(f"a body ID or a weight is too large: {error}") from None
    payloads: list[bytes | None] = [data or None for data in packed]
    return [NONE_ENCODING if data is None else PARTNERS_ENCODING for data in payloads], payloads


def _json(bodies: list[int], edges: list[Any], upstream: bool) -> tuple[list[int], list[bytes | None]]:
    lists: dict[int, list[Any]] = {number: [] for number in bodies}
    for row in edges:
        lists[row[0]].append(row[1:4])
    payloads = [msgspec.json.encode(entry) if entry else None for entry in lists.values()]
    return [NONE_ENCODING if data is None else JSON_ENCODING for data in payloads], payloads


def check(encodings: Sequence[int], payloads: Sequence[bytes | None], name: str = "") -> None:
    """Raise ShapeError if a payload cannot be read: of partners, or of a property of this name."""
    packed = [kind == PARTNERS_ENCODING for kind in encodings]
    if not are_whole(body for body, is_packed in zip(payloads, packed, strict=True) if is_packed):
        raise ShapeError("packed partners are truncated.")
    bodies = [body for body, kind in zip(payloads, encodings, strict=True) if kind == JSON_ENCODING]
    found = [parse_json(body or b"") for body in bodies]
    points([value for value in found if is_point(value)], (1.0, 1.0, 1.0))
    if name == "roiInfo":
        for value in found:
            region_list(value)


def check_regions(encodings: Sequence[int], payloads: Sequence[bytes | None]) -> None:
    """Raise ShapeError if the partners of a body, or their regions, cannot be read."""
    bodies = [
        body or b"" for body, kind in zip(payloads, encodings, strict=True) if kind == JSON_ENCODING
    ]
    try:
        lists = _weighted_all.decode(b"[" + b",".join(bodies) + b"]")
        for text in {entry[2] for entry in chain.from_iterable(lists) if entry[2]}:
            _region_info.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ShapeError(f"the regions of an edge cannot be read ({error}).") from None
    if len(lists) != len(bodies):
        raise ShapeError("a value is not one JSON value.")


# -- skeletons -------------------------------------------------------------------------------------


def skeleton_batch(body: bytes, number: int) -> Batch:
    """Return the payload of a body for its skeleton in SWC format."""
    try:
        nodes = swc.whole_nodes(body, f"the skeleton of {number}")
    except (InvalidSwcError, InvalidIdError, PrecisionLossError) as error:
        raise ShapeError(str(error)) from error
    doubtful = find_problems(nodes).keys() - _USUAL
    encoding = DOUBTFUL_ENCODING if doubtful else SKELETON_ENCODING
    return Batch([number], [encoding], [pack_nodes(nodes)], None)


def absent_skeletons(body: bytes, ids: Sequence[int]) -> Batch:
    """Return the payloads of bodies without a skeleton: those that the data set lacks are unknown."""
    batch = property_batch(body, ids)
    encodings = [kind if kind == UNKNOWN_ENCODING else NO_VALUE_NOW for kind in batch.encodings]
    return Batch(batch.ids, encodings, [None] * len(batch.ids), None)


def check_skeletons(encodings: Sequence[int], payloads: Sequence[bytes | None]) -> None:
    """Raise ValueError if an encoded skeleton cannot be read."""
    for body in payloads:
        if body is not None:
            unpack_nodes(body)


def skeleton(body: bytes, voxel_size: Sequence[float]) -> Nodes:
    """Return the nodes of an encoded skeleton in µm.

    A radius has no direction. If voxels are not cubes, its unit is the edge of a cube of their volume.
    """
    nodes, um = unpack_nodes(body), np.array(voxel_size, np.float64) / 1000
    edge = um[0] if (um == um[0]).all() else np.cbrt(um.prod())
    return nodes._replace(
        x=nodes.x * um[0], y=nodes.y * um[1], z=nodes.z * um[2], radius=nodes.radius * edge
    )


# -- values ----------------------------------------------------------------------------------------


def values(payloads: npt.NDArray[np.object_]) -> list[Any]:
    """Return the values of payloads, None without a payload."""
    present = [body for body in payloads if body is not None]
    decoded = iter(_anything.decode(b"[" + b",".join(present) + b"]"))
    return [None if body is None else next(decoded) for body in payloads]


def is_point(value: Any) -> bool:
    """Return whether a value is a point in space, as Neo4j sends it."""
    return isinstance(value, dict) and value.get("type") == "Point" and "coordinates" in value


def points(found: Sequence[Any], voxel_size: Sequence[float]) -> npt.NDArray[np.float64]:
    """Return points in nm, one row each, NaN without a point."""
    cells = [value["coordinates"] if is_point(value) else [np.nan] * 3 for value in found]
    try:
        return np.array(cells, np.float64).reshape(-1, 3) * np.array(voxel_size, np.float64)
    except (TypeError, ValueError) as error:
        raise ShapeError(f"a point does not have three coordinates ({error}).") from None


def voxel_size(found: Sequence[Any]) -> list[float]:
    """Return the size of a voxel in nm along x, y and z."""
    size = found[0] if found else None
    if isinstance(size, list) and len(size) == 3 and all(type(edge) in (int, float) for edge in size):
        return [float(edge) for edge in size]
    raise ShapeError(f"Meta.voxelSize is {size!r:.60}, not three numbers, so points have no unit.")


def names(found: Sequence[Any]) -> list[str]:
    """Return the list of names that an entry of Meta holds, empty if there is none."""
    entry = found[0] if found else None
    if isinstance(entry, str):  # some entries are JSON as text
        entry = parse_json(entry.encode())
    return [str(name) for name in entry] if isinstance(entry, list | dict) else []


def region_list(value: Any) -> list[dict[str, Any]]:
    """Return ``roiInfo``, which is JSON as text, as one record per region."""
    info = parse_json(value.encode()) if isinstance(value, str) else value
    if not isinstance(info, dict) or not all(isinstance(count, dict) for count in info.values()):
        raise ShapeError("'roiInfo' is not an object of counts by region.")
    return [{"roi": region, **count} for region, count in info.items()]


def region_records(ids: Int64Array, found: Sequence[Any], primary: Collection[str]) -> pd.DataFrame:
    """Return ``roiInfo`` in long form: one row per body and region."""
    infos = [[] if value is None else region_list(value) for value in found]
    counts = [count for info in infos for count in info]
    sizes, regions = [len(info) for info in infos], [count.pop("roi") for count in counts]
    more = dict.fromkeys(name for count in counts for name in count if name not in _COUNTS)
    cells = {
        name: np.array([count.get(name) or 0 for count in counts])
        if any(isinstance(count.get(name), float) for count in counts)
        else np.array([count.get(name) or 0 for count in counts], np.int64)
        for name in (*_COUNTS, *more)
    }
    return pd.DataFrame(
        {
            "segment_id": np.repeat(ids, sizes),
            "roi": pd.array(regions, dtype=TEXT),
            "primary": pd.Series(regions, dtype=object).isin(list(primary)).to_numpy(bool),
            **cells,
        }
    )


# -- edges by region -------------------------------------------------------------------------------


def region_edges(
    ids: Int64Array, payloads: npt.NDArray[np.object_], primary: Sequence[str], *, upstream: bool
) -> pd.DataFrame:
    """Return one row per pair and primary region; the rest of each pair is ``NotPrimary``.

    Parameters
    ----------
    ids : array of int64
        The bodies of the payloads.
    payloads : array of object
    primary : sequence of str
        Regions that do not overlap.
    upstream : bool
        Whether the partners send to the bodies.
    """
    wanted, rows, lost = set(primary), [], 0
    for body, payload in zip(ids.tolist(), payloads, strict=True):
        for partner, weight, info in _weighted.decode(payload) if payload is not None else ():
            regions = _region_info.decode(info).items() if info else ()
            counts = [(name, part.post) for name, part in regions if name in wanted and part.post > 0]
            rest = weight - sum(count for _, count in counts)
            lost += rest < 0
            rows += [(body, partner, count, name) for name, count in counts]
            if rest > 0:
                rows.append((body, partner, rest, NOT_PRIMARY))
    if lost:
        warn(
            f"the primary regions of {lost:,} pairs have more synapses than the pair, so their rows sum "
            "to more than its weight.",
            UnexpectedResponseWarning,
        )
    cells = list(zip(*rows, strict=True)) if rows else [(), (), (), ()]
    own, others, weights = (np.array(cell, np.int64) for cell in cells[:3])
    table = edge_table(others, own, weights) if upstream else edge_table(own, others, weights)
    return table.assign(roi=region_category(cells[3], primary))


def region_category(regions: Sequence[str], primary: Sequence[str]) -> pd.Categorical:
    """Return regions as a category with all primary regions, so that tables can be concatenated."""
    categories = dict.fromkeys([*primary, NOT_PRIMARY])
    return pd.Categorical(objects(regions), categories=pd.Index([*categories], dtype=TEXT))
