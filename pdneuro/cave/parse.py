"""Read responses of CAVE: tables and headers in, one encoded value per root ID and columns out.

The rows of an ID are cached as records or JSON; see :mod:`pdneuro.cave.packed_rows`. Its partners are
packed; see :func:`pdneuro.tables.partners.pack`.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain, compress
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro.cave import packed_rows
from pdneuro.cave.payload import PENDING, POST, PRE
from pdneuro.errors import UnsupportedError, listing
from pdneuro.sources import Entry
from pdneuro.tables.columns import column
from pdneuro.tables.grouping import group_rows
from pdneuro.tables.ids import Int64Array, id_array
from pdneuro.tables.partners import are_whole, pack
from pdneuro.tables.skeletons import COLUMNS, Nodes, pack_nodes, unpack_nodes
from pdneuro.transport.report import (
    FIRST_ENCODING,
    NO_VALUE_NOW,
    NONE_ENCODING,
    NOT_GENERATED_ENCODING,
    UNKNOWN_ENCODING,
    Batch,
    ShapeError,
)
from pdneuro.transport.responses import parse_json

JSON_ENCODING, PARTNERS_ENCODING = FIRST_ENCODING, FIRST_ENCODING + 1
SKELETON_ENCODING, RECORDS_ENCODING = FIRST_ENCODING + 2, FIRST_ENCODING + 4
#: Synapses of an earlier version, column by column.
_REMOVED = FIRST_ENCODING + 3
#: Dates from this year on mean that there is none.
_FOREVER = 2262
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_POSITION = re.compile(r"position_([xyz])(_ref)?$")


# -- headers --------------------------------------------------------------------------------------


def row_limit(headers: Mapping[str, str]) -> int | None:
    """Return the limit at which the server truncated a response.

    None if it did not, 0 if the response does not contain the limit.

    >>> row_limit({"Warning": '201 - "Limited query to 200,000 rows"'})
    200000
    """
    limit = re.search(r"Limited query(?: to ([\d,]+))?", headers.get("Warning", ""))
    return int((limit[1] or "0").replace(",", "")) if limit else None


def resolution(headers: Mapping[str, str]) -> list[float] | None:
    """Return the size of the voxels of a response in nm, None if it is not known.

    >>> resolution({"dataframe_resolution": "4.0, 4.0, 40.0"})
    [4.0, 4.0, 40.0]
    """
    try:
        sizes = [float(size) for size in headers.get("dataframe_resolution", "").split(",")]
    except ValueError:
        return None
    return sizes if len(sizes) == 3 else None


def voxel_size(metadata: Mapping[str, Any]) -> list[float]:
    """Return the size of the voxels of a table in nm.

    Raises
    ------
    ShapeError
        The metadata do not contain it.
    """
    try:
        sizes = [float(size) for size in metadata["voxel_resolution"]]
    except (KeyError, TypeError, ValueError):
        sizes = []
    if len(sizes) != 3 or min(sizes) <= 0:
        shown = metadata.get("voxel_resolution")
        raise ShapeError(f"the size of voxels is three numbers, not {shown!r:.60}.")
    return sizes


# -- rows -----------------------------------------------------------------------------------------


def has_positions(table: pd.DataFrame) -> bool:
    """Return whether a table has columns of positions."""
    return any(_POSITION.search(str(name)) for name in table.columns)


def to_resolution(table: pd.DataFrame, own: Sequence[float], wanted: Sequence[float]) -> pd.DataFrame:
    """Convert positions from voxels of one size to voxels of another."""
    factors = {axis: size / unit for axis, size, unit in zip("xyz", own, wanted, strict=True)}
    positions = {str(name): match[1] for name in table if (match := _POSITION.search(str(name)))}
    return table.assign(
        **{
            name: table[name] * factors[axis]
            for name, axis in positions.items()
            if factors[axis] != 1  # integers stay integers
        }
    )


def rows_batch(
    ids: Sequence[int], table: pd.DataFrame, id_column: str, *others: str, keep: bool = True
) -> Batch:
    """Encode the rows of each ID as records, or as JSON; an ID without rows has none.

    Parameters
    ----------
    ids : sequence of int
    table : DataFrame
    id_column : str
        The column of the IDs.
    *others : str
        Further columns of root IDs.
    keep : bool
        Whether the rows contain the column of the IDs.

    Raises
    ------
    ShapeError
        The table does not have a column of IDs.
    """
    columns: dict[str, Any] = {str(name): table[name] for name in table.columns}
    own = _root_column(table, id_column)
    columns |= {name: _root_column(table, name) for name in others}
    if not keep:
        del columns[id_column]
    known = np.unique(np.array(ids, np.int64))
    places = pd.Index(known).get_indexer(pd.Index(own))
    if np.min(places, initial=0) < 0:
        known, places = np.unique(own, return_inverse=True)
    sizes = np.bincount(places, minlength=len(known))
    # Short integers are sorted several times faster.
    order = np.argsort(places.astype(np.uint16 if len(known) < 2**16 else np.int64), kind="stable")
    bodies: Sequence[bytes] | None = packed_rows.pack(columns, order, sizes)
    form = JSON_ENCODING if bodies is None else RECORDS_ENCODING
    if bodies is None:
        cells = [_json_values(pd.Series(whole)) for whole in columns.values()]
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*cells, strict=True)]
        parts = np.split(order, np.cumsum(sizes)[:-1])
        bodies = [msgspec.json.encode([rows[row] for row in part.tolist()]) for part in parts]
    with_rows = sizes > 0
    body_of = dict(zip(known[with_rows].tolist(), compress(bodies, with_rows), strict=True))
    every = [*ids, *sorted(body_of.keys() - set(ids))]  # other IDs show that a filter was ignored
    return _batch(every, [body_of.get(number) for number in every], form)


def _root_column(table: pd.DataFrame, name: str) -> Int64Array:
    """Return a column of root IDs, 0 where one is missing. Floats are an error."""
    cells = table.get(name)
    if cells is None or not pd.api.types.is_signed_integer_dtype(cells.dtype):
        return _ids_of(table, name)
    return np.asarray(cells if cells.dtype == np.int64 else cells.to_numpy(np.int64, na_value=0))


def regions_batch(ids: Sequence[int], synapses: pd.DataFrame, id_column: str, region: str) -> Batch:
    """Pack the partners of each ID in each region, with the number of their synapses.

    Parameters
    ----------
    ids : sequence of int
    synapses : DataFrame
        Rows of the table of synapses, with the root IDs of both ends.
    id_column : str
        The column of the IDs.
    region : str
        The column of regions.

    Raises
    ------
    ShapeError
        The table does not have these columns.
    UnsupportedError
        A synapse is in several regions.
    """
    if region not in synapses.columns:
        raise ShapeError(f"the rows have no column {region!r} of regions.")
    if "target_id" in synapses:  # a table that refers to synapses can have several rows for one
        synapses = synapses.drop_duplicates(["target_id", region])
        if not synapses["target_id"].is_unique:
            twice = synapses["target_id"][synapses["target_id"].duplicated()]
            raise UnsupportedError(
                f"{len(twice):,} synapses are in several regions of the column {region!r}: "
                f"{listing(twice)}. Their numbers by region would not add up to the number of synapses."
            )
    table = pd.DataFrame({name: _root_column(synapses, name) for name in (PRE, POST)})
    table["roi"] = synapses[region].astype(object).where(synapses[region].notna(), None).to_numpy()
    groups = group_rows(table[PRE], table[POST], table["roi"])
    counted = table.iloc[groups.first].assign(weight=groups.sizes.astype(np.int64))
    return rows_batch(ids, counted, id_column, PRE, POST, keep=False)


def _batch(ids: Sequence[int], bodies: list[bytes | None], form: int) -> Batch:
    return Batch(list(ids), [NONE_ENCODING if body is None else form for body in bodies], bodies, None)


def _ids_of(table: pd.DataFrame, name: str) -> Int64Array:
    if name not in table.columns:
        raise ShapeError(
            f"the rows have no column {name!r}; they have {', '.join(map(str, table.columns))}."
        )
    return id_array(table[name])[0]


def _json_values(cells: pd.Series[Any]) -> list[Any]:
    """Return the values of a column as JSON can hold them, None where one is missing."""
    if pd.api.types.is_datetime64_any_dtype(cells.dtype):
        return [None if pd.isna(moment) else moment.isoformat() for moment in cells]
    found: list[Any] = cells.tolist()
    if cells.hasnans:
        found = [None if absent else cell for cell, absent in zip(found, cells.isna(), strict=True)]
    if cells.dtype == object:
        return [cell.tolist() if isinstance(cell, np.ndarray) else cell for cell in found]
    return found


class TableRows(NamedTuple):
    """The encoded rows of each ID."""

    encodings: npt.NDArray[np.int8]
    payloads: npt.NDArray[np.object_]

    def lists(self) -> list[list[dict[str, Any]] | None]:
        """Return the rows of each ID as Python values, None where it has none."""
        found: list[list[dict[str, Any]] | None] = [None] * len(self.payloads)
        places = np.flatnonzero(self.encodings == JSON_ENCODING)
        joined = b",".join(self.payloads[places])
        decoded = msgspec.json.decode(b"[" + joined + b"]")  # all at once takes half the time
        for place, value in zip(places.tolist(), decoded, strict=True):
            found[place] = value
        places = np.flatnonzero(self.encodings == RECORDS_ENCODING)
        for part in packed_rows.records(self.payloads[places].tolist()):
            cells = map(packed_rows.plain, part.columns.values())
            rows = [dict(zip(part.columns, row, strict=True)) for row in zip(*cells, strict=True)]
            ends = np.cumsum(part.sizes)
            for place, start, end in zip(places[part.places], ends - part.sizes, ends, strict=True):
                found[place] = rows[start:end]
        return found

    def columns(self) -> dict[str, Any] | None:
        """Return the columns of the only row of each ID that has one; None for other rows."""
        forms = self.encodings[self.encodings >= FIRST_ENCODING]
        if not len(forms) or (forms != RECORDS_ENCODING).any():
            return None
        sizes, columns = packed_rows.unpack(self.payloads[self.encodings >= FIRST_ENCODING].tolist())
        return columns if (sizes == 1).all() else None

    def table(self, ids: Int64Array, id_column: str) -> dict[str, Any]:
        """Return the columns of all rows, and the column of their IDs."""
        known = self.encodings >= FIRST_ENCODING
        if (self.encodings[known] == RECORDS_ENCODING).all():
            sizes, columns = packed_rows.unpack(self.payloads[known].tolist())
        else:
            lists = [rows or [] for rows in compress(self.lists(), known)]
            sizes, rows = np.array([*map(len, lists)]), [*chain.from_iterable(lists)]
            columns = row_columns(rows, dict.fromkeys(chain.from_iterable(rows)))
        return {id_column: np.repeat(ids[known], sizes), **columns}


def first_rows(values: Iterable[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return the row with the lowest ID of each list of rows."""
    return [min(found, key=lambda row: row.get("id") or 0) for found in values]


def row_columns(records: Sequence[dict[str, Any]], names: Iterable[str]) -> dict[str, Any]:
    """Return columns of rows, with their dtypes; timestamps are datetime (UTC)."""
    return {
        name: column([record.get(name) for record in records], name, timestamps=True) for name in names
    }


# -- partners -------------------------------------------------------------------------------------


def partners_batch(ids: Sequence[int], synapses: pd.DataFrame, *, upstream: bool) -> Batch:
    """Encode the partners of each ID on one side, with the number of their synapses.

    Parameters
    ----------
    ids : sequence of int
    synapses : DataFrame
        Rows of the table of synapses, with the root IDs of both ends.
    upstream : bool
        Whether the IDs are the postsynaptic ends.

    Raises
    ------
    ShapeError
        The table does not have the columns of IDs.
    """
    own = _ids_of(synapses, POST if upstream else PRE)
    other = _ids_of(synapses, PRE if upstream else POST)
    ids = [*ids, *sorted(set(own.tolist()) - set(ids))]  # other IDs show that a filter was ignored
    positions = pd.Index(ids).get_indexer(pd.Index(own))
    # Partners without a segment count together, as 0, for the report.
    other = np.where(other > PENDING, other, 0)
    groups = group_rows(pd.Series(positions), pd.Series(other))
    order = np.argsort(positions[groups.first], kind="stable")
    first, weight = groups.first[order], groups.sizes[order]
    sizes = np.bincount(positions[first], minlength=len(ids))
    packed = pack(sizes, other[first], weight.astype(np.int64), upstream)
    return _batch(ids, [body or None for body in packed], PARTNERS_ENCODING)


# -- skeletons ------------------------------------------------------------------------------------


def skeleton_versions(found: Any) -> list[int]:
    """Return the versions of skeletons in ascending order; the service also lists names such as -1.

    Raises
    ------
    ShapeError
        There is no version.
    """
    known = sorted(number for number in found or () if type(number) is int and number > 0)
    if not known:
        raise ShapeError(f"versions of skeletons are integers, not {found!r:.60}.")
    return known


def existing(found: Any, ids: Sequence[int]) -> dict[int, bool]:
    """Return which of the IDs have a skeleton; the response may have some of them alone.

    Raises
    ------
    ShapeError
        It has none of them, or values that are not true or false.
    """
    flags = {int(root): value for root, value in dict(found).items() if int(root) in set(ids)}
    wrong = [value for value in flags.values() if not isinstance(value, bool)]
    if wrong or not flags:
        raise ShapeError(
            f"whether a skeleton exists is true or false, not {(wrong or [found])[0]!r:.60}."
        )
    return flags


def refused(table: pd.DataFrame) -> frozenset[int]:
    """Return the root IDs of the refusal list, whose first row may be the names of the columns."""
    words = table["ROOT_ID"].astype(str).str.strip()
    return frozenset(map(int, words[words.str.fullmatch(r"\d+")]))


def skeleton_bytes(rows: pd.DataFrame) -> bytes:
    """Encode the rows of an SWC file (µm).

    Raises
    ------
    ShapeError
        They are not the nodes of a skeleton.
    """
    try:
        nodes = Nodes.of([rows[name] for name in ("id", *COLUMNS[1:])])
    except (KeyError, TypeError, ValueError) as error:
        raise ShapeError(f"the rows are not the nodes of a skeleton: {error}") from error
    if not len(nodes.node):
        raise ShapeError("the skeleton has no nodes.")
    return pack_nodes(nodes)


def skeleton(body: bytes | None) -> Nodes:
    """Return the nodes of an encoded skeleton.

    Raises
    ------
    ShapeError
        The bytes are damaged.
    """
    try:
        return unpack_nodes(body)
    except ValueError as error:
        raise ShapeError(str(error)) from error


def skeletons_batch(
    ids: Sequence[int], found: Mapping[int, pd.DataFrame], refusals: Collection[int]
) -> Batch:
    """Encode the skeleton of each ID; the others do not exist yet, or are never made."""
    every = [*ids, *sorted(found.keys() - set(ids))]  # other IDs show that a request was ignored
    bodies = [skeleton_bytes(found[root]) if root in found else None for root in every]
    absent = [NO_VALUE_NOW if root in refusals else NOT_GENERATED_ENCODING for root in every]
    encodings = [
        code if body is None else SKELETON_ENCODING for body, code in zip(bodies, absent, strict=True)
    ]
    return Batch(every, encodings, bodies, None)


# -- root IDs -------------------------------------------------------------------------------------


class Successor(msgspec.Struct):
    """The root ID that has replaced another one."""

    #: 0 if none has.
    latest: int
    #: Share of the chunks of the old root ID that the new one holds.
    overlap: float
    #: ``current``, ``replaced``, ``split``, ``merged`` or ``dead``.
    status: str


def successor(root: int, roots: Int64Array, chunk_count: Callable[[int], int]) -> Successor:
    """Find the successor of a root ID.

    Parameters
    ----------
    root : int
    roots : array of int64
        Present root ID of each chunk of ``root``.
    chunk_count : callable
        Returns the number of chunks of a root ID.
    """
    found, counts = np.unique(roots[roots > PENDING], return_counts=True)
    if not len(found):
        return Successor(0, 0.0, "dead")
    best = int(np.argmax(counts))
    latest, overlap = int(found[best]), float(counts[best] / len(roots))
    if latest == root:
        return Successor(latest, overlap, "current")
    if len(found) > 1:
        return Successor(latest, overlap, "split")
    # A successor with half as many chunks again contains another segment.
    is_merged = chunk_count(latest) >= 1.5 * len(roots)
    return Successor(latest, overlap, "merged" if is_merged else "replaced")


def successors_batch(ids: Sequence[int], found: Mapping[int, Successor]) -> Batch:
    """Encode the successors of root IDs as JSON; the others are unknown to the server."""
    bodies = [msgspec.json.encode(found[root]) if root in found else None for root in ids]
    encodings = [JSON_ENCODING if root in found else UNKNOWN_ENCODING for root in ids]
    return Batch(list(ids), encodings, bodies, None)


def successors(bodies: Iterable[bytes | None]) -> list[Successor | None]:
    """Return the successor of each root ID, None for an unknown one."""
    return [None if body is None else msgspec.json.decode(body, type=Successor) for body in bodies]


def roots_batch(supervoxels: Sequence[int], found: Iterable[int]) -> Batch:
    """Encode the root ID of each supervoxel as JSON; one without a root ID is unknown."""
    ids, bodies = list[int](), list[bytes | None]()
    for supervoxel, root in zip(supervoxels, map(int, found), strict=True):
        if root > PENDING:
            ids.append(supervoxel)
            bodies.append(b"%d" % root)
    return Batch(ids, [JSON_ENCODING] * len(ids), bodies, None)


def roots(bodies: Iterable[bytes | None]) -> Int64Array:
    """Return the root ID of each supervoxel, 0 if it has none."""
    return np.array([0 if body is None else int(body) for body in bodies], np.int64)


def flags_batch(ids: Sequence[int], flags: Sequence[bool]) -> Batch:
    """Encode one truth value per root ID."""
    return _batch(ids, [b"true" if flag else b"false" for flag in flags], JSON_ENCODING)


def as_flags(found: Sequence[Any], count: int) -> list[bool]:
    """Return truth values of a response.

    Raises
    ------
    ShapeError
        They are not ``count`` truth values.
    """
    values = [bool(value) for value in found if isinstance(value, bool | np.bool_)]
    if len(values) != count or len(values) != len(found):
        raise ShapeError(f"{len(values):,} truth values came for {count:,} root IDs.")
    return values


def root_times(found: Sequence[datetime.datetime], count: int) -> Sequence[int | None]:
    """Return times in µs since 1970.

    Raises
    ------
    ShapeError
        There are not ``count`` times.
    """
    if len(found) == 0:  # the server returns nothing if it knows none of the root IDs
        return [None] * count
    if len(found) != count:
        raise ShapeError(f"{len(found):,} times came for {count:,} root IDs.")
    return [(moment - _EPOCH) // datetime.timedelta(microseconds=1) for moment in found]


def versions(found: Iterable[Any]) -> list[int]:
    """Return versions in ascending order.

    Raises
    ------
    ShapeError
        One is not a positive integer.
    """
    numbers = list(found)
    wrong = [number for number in numbers if type(number) is not int or number < 0]
    if wrong:
        raise ShapeError(f"versions are integers, not {wrong[0]!r:.60}.")
    return sorted(numbers)


class Dates(NamedTuple):
    """When a version was frozen, and when it expires (UTC), None if never."""

    created: pd.Timestamp
    expires: pd.Timestamp | None


def dates(metadata: Iterable[Mapping[str, Any]]) -> dict[int, Dates]:
    """Return the dates of versions from their metadata, as caveclient returns it.

    >>> import datetime
    >>> day = datetime.datetime(2024, 6, 5, tzinfo=datetime.UTC)
    >>> dates([{"version": 943, "time_stamp": day, "expires_on": day}])[943].created.isoformat()
    '2024-06-05T00:00:00+00:00'
    """
    return {
        int(entry["version"]): Dates(_utc(entry["time_stamp"]), _expiry(entry.get("expires_on")))
        for entry in metadata
    }


def _utc(moment: Any) -> pd.Timestamp:
    found = pd.Timestamp(moment).as_unit("us")
    return found.tz_localize("UTC") if found.tz is None else found.tz_convert("UTC")


def _expiry(moment: Any) -> pd.Timestamp | None:
    # caveclient writes a missing date as the last one of pandas.
    return None if moment is None or moment.year >= _FOREVER else _utc(moment)


def table_entry(
    kind: str, name: str, version: int, metadata: Mapping[str, Any], rows: int | None = None
) -> Entry:
    """Return the entry of a table or view, described by its schema, text and notice.

    >>> entry = table_entry("table", "nuclei", 1300, {"schema_type": "nucleus", "notice_text": "Cite."})
    >>> entry.description
    'Schema nucleus. Notice: Cite.'
    """
    labels = {
        "schema_type": "Schema ",
        "reference_table": "Refers to ",
        "description": "",
        "notice_text": "Notice: ",
    }
    texts = {label: str(metadata.get(key) or "").strip() for key, label in labels.items()}
    parts = [f"{label}{text.rstrip('.')}." for label, text in texts.items() if text]
    given = pd.Series([metadata.get("created")], dtype=object)
    created = pd.to_datetime(given, utc=True, errors="coerce").iloc[0]
    return Entry(kind, name, version, rows, None if pd.isna(created) else created, None, " ".join(parts))


def count(found: Any) -> int:
    """Return a number of rows.

    Raises
    ------
    ShapeError
        It is not a number of rows.
    """
    if type(found) is not int or found < 0:
        raise ShapeError(f"a number of rows is expected, not {found!r:.60}.")
    return found


def check(encodings: Sequence[int], payloads: Sequence[bytes | None]) -> None:
    """Raise ShapeError if a payload cannot be read."""
    forms = np.asarray(encodings)
    for payload in compress(payloads, forms == SKELETON_ENCODING):
        skeleton(payload)
    if (forms == _REMOVED).any():
        raise ShapeError("the rows are packed as in an earlier version of pdneuro.")
    packed_rows.check([body or b"" for body in compress(payloads, forms == RECORDS_ENCODING)])
    for body in compress(payloads, forms == JSON_ENCODING):
        parse_json(body or b"")
    if not are_whole(compress(payloads, forms == PARTNERS_ENCODING)):
        raise ShapeError("packed partners are truncated.")


def flags(bodies: Iterable[bytes | None]) -> Any:
    """Return the truth values as an array: bool, or boolean if one is missing."""
    values = list(bodies)
    absent = np.array([body is None for body in values], bool)
    found = np.array([body == b"true" for body in values], bool)
    return pd.arrays.BooleanArray(found, absent) if absent.any() else found
