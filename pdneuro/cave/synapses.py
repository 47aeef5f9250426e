"""Synapses of root IDs: from one set to another, in a box, above a score; or averaged per edge."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from functools import partial
from numbers import Real
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro._compat import TEXT
from pdneuro.cave import parse
from pdneuro.cave.payload import (
    BOTH_ENDS_BATCH,
    LONGEST_LIST,
    PENDING,
    POST,
    PRE,
    SHORT_LIST,
    SYNAPSE_BATCH,
    Restriction,
    cached_name,
)
from pdneuro.cave.root_ids import Version
from pdneuro.errors import InvalidQueryError, UnknownFieldError, did_you_mean
from pdneuro.options import Fetch
from pdneuro.tables.columns import check_choice, objects, with_standard_dtype
from pdneuro.tables.grouping import group_rows
from pdneuro.tables.ids import Int64Array
from pdneuro.tables.provenance import stamp
from pdneuro.tables.rounding import rounding_hint
from pdneuro.tables.transmitters import ranked, transmitter_columns
from pdneuro.transport.report import Batch, collect_report

if TYPE_CHECKING:
    from pdneuro.cave.source import CaveSource

#: The column of positions by its word, and the column of scores.
POSITIONS = {"pre": "pre_pt_position", "post": "post_pt_position", "center": "ctr_pt_position"}
SCORE = "cleft_score"
#: Names in the result. A table can have columns of these names as well.
_ENDS = {PRE: "pre", POST: "post", "pre": "pre_of_table", "post": "post_of_table"}
UNITS = ("nm", "voxel")
#: The farthest voxel that a query names.
_FARTHEST = 2**31 - 1


class Choice(NamedTuple):
    """Which synapses to return, and what of them."""

    columns: tuple[str, ...] | None
    min_score: float | None
    #: Lowest and highest corner, in the unit of positions.
    bounds: tuple[tuple[float, ...], tuple[float, ...]] | None
    position: str
    units: str
    nt: bool
    autapses: bool

    @classmethod
    def of(
        cls,
        columns: str | Sequence[str] | None = None,
        *,
        min_score: float | None = None,
        bounds: Any = None,
        position: str = "center",
        units: str = "nm",
        nt: bool = False,
        autapses: bool = True,
    ) -> Choice:
        """Return a choice whose values are valid.

        Raises
        ------
        ValueError, InvalidQueryError
            The unit or position is unknown, or the bounds are not two corners.
        """
        check_choice("units", units, UNITS)
        check_choice("position", position, POSITIONS)
        if min_score is not None and not (isinstance(min_score, Real) and math.isfinite(min_score)):
            raise ValueError(f"min_score must be a number, not {min_score!r}.")
        if nt and columns is not None:
            raise InvalidQueryError("nt=True returns one row per edge, so columns= cannot be chosen.")
        box = None if bounds is None else _corners(bounds)
        columns = [columns] if isinstance(columns, str) else columns
        names = None if columns is None else tuple(dict.fromkeys(columns))
        return cls(names, min_score, box, position, units, bool(nt), bool(autapses))

    def describe(self, ends: str) -> str:
        """Return the query for provenance: its ends, and what is not the default."""
        default = Choice.of()
        more = [f"{name}={getattr(self, name)!r}" for name in ("min_score", "bounds", "nt", "autapses")
                if getattr(self, name) != getattr(default, name)]  # fmt: skip
        if self.bounds is not None:
            more.append(f"position={self.position!r}")
        return f"synapses({', '.join(filter(None, [ends, *more]))})"

    @property
    def resolution(self) -> tuple[int, int, int] | None:
        """The resolution that a query asks for: 1 nm, or the voxels of the table."""
        return (1, 1, 1) if self.units == "nm" else None


def search(
    source: CaveSource,
    pre: Int64Array | None,
    post: Int64Array | None,
    choice: Choice,
    fetch: Fetch,
    *,
    together: bool = False,
) -> pd.DataFrame:
    """Return synapses, or with ``nt`` their edges, with provenance; warn of stale root IDs.

    Parameters
    ----------
    source : CaveSource
    pre, post : array of int64, optional
        Distinct root IDs; None means any segment.
    choice : Choice
    fetch : Fetch
    together : bool
        Return the synapses of either end. Default: those of both.
    """
    if pre is None and post is None:
        raise InvalidQueryError("pass root IDs as pre=, as post=, or both.")
    sets = [np.unique(ids[ids > PENDING]) for ids in (pre, post) if ids is not None]
    pre, post = (None if ids is None else ids[ids > PENDING] for ids in (pre, post))
    found = _without_rows(choice, None)
    if sets and (any if together else all)(len(ids) for ids in sets):
        every = np.unique(np.concatenate(sets))
        with collect_report(fetch, partial(rounding_hint, every)):
            source = source.at_version(every, fetch)
            version = source.open(every, fetch)
            if together:
                before = between(version, pre, None, choice, required=False)
                halves = [before, between(version, None, post, choice, required=not len(before))]
                halves = [half for half in halves if len(half)] or halves[1:]
                found = pd.concat(halves).drop_duplicates("id", ignore_index=True)
            else:
                found = between(version, pre, post, choice)
            version.warn_of_stale(_without_synapses(every, found), len(every))
    ends = "" if together else ", ".join(
        f"{end}={len(ids):,} IDs" for end, ids in (("pre", pre), ("post", post)) if ids is not None
    )  # fmt: skip
    facts: dict[str, Any] = {} if choice.nt else {"positions": choice.units}
    facts |= source.provenance
    result = averaged(found) if choice.nt else found
    return stamp(result, source=source.name, query=choice.describe(ends), **facts)


def _corners(bounds: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
    try:
        corners = np.asarray(bounds, np.float64)
    except (TypeError, ValueError):
        corners = np.empty(0)
    if corners.shape != (2, 3) or np.isnan(corners).any() or (corners[0] > corners[1]).any():
        raise InvalidQueryError(
            "bounds must be the lowest and the highest corner, [[x, y, z], [x, y, z]], not "
            f"{bounds!r:.80}."
        )
    low, high = corners.tolist()
    return tuple(low), tuple(high)


def between(
    version: Version,
    pre: Int64Array | None,
    post: Int64Array | None,
    choice: Choice,
    *,
    required: bool = True,
) -> pd.DataFrame:
    """Return the synapses from some root IDs onto others: ``id, pre, post`` and the chosen columns.

    Parameters
    ----------
    version : Version
    pre, post : array of int64, optional
        Distinct root IDs; None means any segment.
    choice : Choice
    required : bool
        Raise an error if neither a synapse nor the first row of the table shows the columns.
    """
    names, sample = _requested(version, choice)
    column, own, other = (PRE, pre, post) if pre is not None else (POST, post, pre)
    if pre is not None and post is not None and len(post) > len(pre):
        column, own, other = POST, post, pre  # the longer list is sent in batches
    batch_size, partners = SYNAPSE_BATCH, None
    if other is not None and len(other) <= LONGEST_LIST:
        partners = other
        batch_size = BOTH_ENDS_BATCH if len(other) <= SHORT_LIST else SYNAPSE_BATCH
    assert own is not None
    rows = _fetched(version, own, column, partners, names, choice, batch_size)
    if not len(rows[column]):
        if sample is None:
            sample = version.sample(None, required=required)
        return _without_rows(choice, sample)
    _require_columns(version.client.datastack, choice, list(rows))
    return _chosen(rows, column, pre, post, choice)


def averaged(found: pd.DataFrame) -> pd.DataFrame:
    """Return one row per edge: ``pre, post, weight``, the mean of each transmitter, and ``nt``.

    Parameters
    ----------
    found : DataFrame
        Synapses with columns of transmitters.
    """
    scores = [str(name) for name in transmitter_columns(found.columns)]
    groups = group_rows(found["pre"], found["post"])
    first = groups.first
    columns: dict[str, Any] = {
        "pre": found["pre"].to_numpy()[first],
        "post": found["post"].to_numpy()[first],
        "weight": groups.sizes.astype(np.int64),
    }
    for name in scores:
        cells = found[name].to_numpy(np.float64, na_value=np.nan)[groups.rows]
        known = ~np.isnan(cells)
        starts = groups.starts
        counts = np.add.reduceat(known, starts, dtype=np.int64) if len(starts) else starts
        sums = np.add.reduceat(np.where(known, cells, 0.0), starts) if len(starts) else starts
        with np.errstate(invalid="ignore", divide="ignore"):
            columns[name] = pd.arrays.FloatingArray(np.asarray(sums / counts, float), counts == 0)
    result = pd.DataFrame(columns)
    means = [result[name].to_numpy(float, na_value=-np.inf) for name in scores]
    best, largest, second = ranked([*means, np.full(len(result), -np.inf)])
    codes = np.where(np.isfinite(largest) & (largest > second), best, -1)
    return result.assign(nt=pd.array(scores, TEXT).take(codes, allow_fill=True))


# -- inside ------------------------------------------------------------------------------------------


def _requested(version: Version, choice: Choice) -> tuple[tuple[str, ...] | None, pd.DataFrame | None]:
    """Return the columns to request, None for all; and a row of the table, if it was requested.

    A column that does not exist is an error.
    """
    needed = _needed(choice)
    if choice.columns is None and not needed and not choice.nt:
        return None, None
    sample = version.sample(None, required=False)  # the rows show the columns as well
    known = None if sample is None else [str(name) for name in sample.columns]
    if known is not None:
        _require_columns(version.client.datastack, choice, known)
    wants_all = known is None if choice.nt else choice.columns is None
    if wants_all:
        return None, sample
    extra = transmitter_columns(known or ()) if choice.nt else choice.columns or ()
    return tuple(dict.fromkeys([PRE, POST, *extra, *needed])), sample


def _needed(choice: Choice) -> list[str]:
    """Return the columns that the conditions compare."""
    scores = [] if choice.min_score is None else [SCORE]
    return scores if choice.bounds is None else [*scores, POSITIONS[choice.position]]


def _require_columns(datastack: str, choice: Choice, known: Sequence[str]) -> None:
    """Raise UnknownFieldError if the table of synapses does not have what a query asks for."""
    has = f"It has {', '.join(known)}."
    if choice.nt and not transmitter_columns(known):
        raise UnknownFieldError(
            f"the table of synapses of {datastack} has no columns of transmitters. {has}"
        )
    whole = {*known, *(other.rpartition("_")[0] for other in known if other[-2:] in ("_x", "_y", "_z"))}
    for name in [*_needed(choice), *(choice.columns or ())]:
        if name not in whole:
            raise UnknownFieldError(
                f"the table of synapses of {datastack} has no column {name!r}."
                f"{did_you_mean(name, whole)} {has}"
            )


def _fetched(
    version: Version,
    ids: Int64Array,
    column: str,
    partners: Int64Array | None,
    names: tuple[str, ...] | None,
    choice: Choice,
    batch_size: int,
) -> dict[str, Any]:
    """Return all rows of the IDs in a column, from the cache and from the server."""
    restriction = Restriction(
        column=POST if column == PRE else PRE,
        ids=None if partners is None else tuple(np.sort(partners).tolist()),
        box=None if choice.bounds is None else (POSITIONS[choice.position], _in_voxels(version, choice)),
    )
    restricted = partners is not None or choice.bounds is not None

    def send(part: Sequence[int]) -> Batch:
        found = version.synapses(
            part, column, names, choice.resolution, restriction if restricted else None
        )
        return parse.rows_batch(part, found, column, PRE, POST, keep=False)

    digest = hashlib.sha256(repr(restriction).encode()).hexdigest()[:16] if restricted else ""
    name = cached_name("synapses", column, names, choice.resolution) + (
        f" of {digest}" if digest else ""
    )
    answers = version.client.values_by_id(ids, name, send, version.fetch, batch_size, version.number)
    return parse.TableRows(answers.encodings, answers.payloads).table(ids, column)


def _in_voxels(version: Version, choice: Choice) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the box in whole voxels of the table, which is the unit of the server's boxes."""
    assert choice.bounds is not None
    low, high = map(np.array, choice.bounds)
    if choice.units == "nm":
        size = np.array(version.voxel_size())
        low, high = low / size, high / size
    # The exact bounds are compared afterwards. No volume has as many voxels as the largest integer.
    low, high = np.clip([np.floor(low), np.ceil(high)], -_FARTHEST, _FARTHEST).astype(int).tolist()
    return tuple(low), tuple(high)


def _without_synapses(ids: Int64Array, found: pd.DataFrame) -> Int64Array:
    """Return the IDs that are at neither end of a synapse."""
    for end in ("pre", "post"):
        if len(ids):  # mostly, none is left for the second end
            places = pd.Index(ids).get_indexer(pd.Index(found[end]))
            ids = np.delete(ids, places[places >= 0])
    return ids


def _chosen(
    rows: dict[str, Any],
    own: str,
    pre: Int64Array | None,
    post: Int64Array | None,
    choice: Choice,
) -> pd.DataFrame:
    """Return the synapses that meet all conditions, whatever the server has selected.

    ``own`` is the column whose IDs were requested.
    """
    for name in ("id", PRE, POST):
        if name not in rows:
            raise UnknownFieldError(
                f"the synapses have no column {name!r}; they have {', '.join(rows)}."
            )
        # A missing root ID means that there is not a segment.
        rows[name] = np.asarray(pd.Series(rows[name]).to_numpy(np.int64, na_value=0))
    keep = (rows[PRE] > PENDING) & (rows[POST] > PENDING)
    for name, ids in ((PRE, pre), (POST, post)):
        if ids is not None and name != own:  # the cache returns rows of these IDs alone
            keep &= pd.Index(ids).get_indexer(pd.Index(rows[name])) >= 0
    if not choice.autapses:
        keep &= rows[PRE] != rows[POST]
    if choice.min_score is not None:
        keep &= _numbers(rows[SCORE]) >= choice.min_score
    if choice.bounds is not None:
        for axis, low, high in zip("xyz", *choice.bounds, strict=True):
            place = _numbers(rows[f"{POSITIONS[choice.position]}_{axis}"])
            keep &= (place >= low) & (place <= high)
    if not keep.all():
        rows = {name: cells[keep] for name, cells in rows.items()}
    return pd.DataFrame({_ENDS.get(name, name): rows[name] for name in _shown(rows, choice)}, copy=False)


def _numbers(cells: Any) -> npt.NDArray[np.float64]:
    return pd.Series(cells).to_numpy(np.float64, na_value=np.nan)


def _shown(names: Iterable[str], choice: Choice) -> list[str]:
    """Return the columns of a result, those of both ends first."""
    known = list(names)
    if choice.columns is not None:
        wanted = {*choice.columns}
        known = [name for name in known if name in wanted or name.rpartition("_")[0] in wanted]
    return list(dict.fromkeys(["id", PRE, POST, *known]))


def _without_rows(choice: Choice, sample: pd.DataFrame | None) -> pd.DataFrame:
    """Return a result without synapses, with the columns of a row of the table if there is one."""
    if sample is None:
        names = [name for name in choice.columns or () if name not in (PRE, POST)]
        rows = pd.DataFrame({name: objects([]) for name in ["id", PRE, POST, *names]})
    else:
        rows = pd.DataFrame({name: with_standard_dtype(sample[name])[:0] for name in sample.columns})
        rows = rows[_shown(rows.columns, choice)]
    rows = rows.astype(dict.fromkeys(["id", PRE, POST], "int64"))
    return rows.rename(columns=_ENDS)
