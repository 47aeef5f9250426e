"""A tree of brain structures, with lookups for whole columns instead of single rows."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro._compat import TEXT
from pdneuro.errors import (
    AmbiguousStructureError,
    InvalidResponseError,
    UnknownIdsError,
    UnknownIdsWarning,
    UnknownStructureError,
    did_you_mean,
    listing,
    warn,
)
from pdneuro.options import get_option
from pdneuro.tables import mappings
from pdneuro.tables.columns import array_of, take_or_na
from pdneuro.tables.ids import MAX_ID, MISSING_TEXT, TOO_LARGE, Reason, parse, whole_numbers

Rows = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

#: Values instead of a row of the tree: outside the brain (ID 0), not in the tree, a missing value.
VOID, UNKNOWN, MISSING = -1, -2, -3
_NEEDED = ("id", "acronym", "name", "parent_structure_id")
#: Acronym and name of ID 0, which is outside the brain.
VOID_NAME = "void"
#: Columns of a tree, in their order, with a description; further columns of the service follow.
COLUMNS = {
    "id": "ID of the structure.",
    "acronym": "Acronym, such as VISp.",
    "name": "Name, such as Primary visual area.",
    "parent_structure_id": "ID of the structure that this one is a part of.",
    "graph_order": "Position in the list of all structures.",
    "st_level": "Level of the structure in the ontology.",
    "depth": "Number of steps from the root.",
    "color_hex_triplet": "Color of the Allen Brain Atlas, such as 08858C.",
    "structure_id_path": "IDs from the root to the structure.",
}


_NUMBERS = ("id", "parent_structure_id", "graph_order", "st_level", "depth")


class Places(NamedTuple):
    """The rows of a tree for the values of a column."""

    #: Row of the tree; or VOID, UNKNOWN or MISSING.
    rows: Rows
    #: True for negative IDs, which are in the left hemisphere; None if there are none.
    left: Mask | None
    #: Whether the values are acronyms.
    acronyms: bool
    #: Whether each value is in the tree.
    complete: bool = False

    @property
    def is_left(self) -> Mask:
        """Return True for negative IDs."""
        return np.zeros(len(self.rows), bool) if self.left is None else self.left

    def signed(self, ids: Any) -> Any:
        """Return IDs, which are negative in the left hemisphere."""
        if self.left is None:
            return ids
        sign = np.where(self.left, -1, 1)
        return ids * sign


class StructureTree:
    """Structures of one graph, in depth-first order.

    Parameters
    ----------
    structures : DataFrame
        One row per structure: ``id``, ``acronym``, ``name``, ``parent_structure_id``. If there is a
        ``graph_order``, it sorts siblings. ``structure_sets`` are lists of records with ``id`` and
        ``name``.
    name : str, default "structures"
        Name of the graph in messages.

    Attributes
    ----------
    frame : DataFrame
        A copy of the table: ``id`` (int64), ``acronym``, ``name``, ``parent_structure_id`` (Int64),
        ``graph_order``, ``st_level``, ``depth`` (0 at the root), ``color_hex_triplet`` (text),
        ``structure_id_path`` (text such as ``"/997/8/"``).
    sets : DataFrame
        ``set_id`` (int64), ``set_name``, ``structure_id`` (int64): one row per member.

    Notes
    -----
    ID 0 is outside the brain: its acronym is ``"void"``, and it has no ancestors. A
    negative ID is the structure in the left hemisphere; its ancestors, descendants and roll-ups are
    negative too.
    """

    def __init__(self, structures: pd.DataFrame, name: str = "structures") -> None:
        self.name = name
        missing = [column for column in _NEEDED if column not in structures.columns]
        if missing:
            raise InvalidResponseError(f"the structures lack the fields {listing(map(repr, missing))}.")
        order, self._parent, self._depth = _walk(structures)
        table = structures.iloc[order].reset_index(drop=True)
        self._ids = table["id"].to_numpy(np.int64)
        self._sets = _members(table)
        count = len(table)
        end = np.arange(count) + 1
        for row in range(count - 1, -1, -1):  # the end of each subtree, from the leaves up
            if self._parent[row] >= 0:
                above = self._parent[row]
                end[above] = max(end[above], end[row])
        self._end = end
        self._lineage = np.full((count, int(np.max(self._depth, initial=0)) + 1), -1)
        for row in range(count):
            above = self._parent[row]
            if above >= 0:
                self._lineage[row] = self._lineage[above]
            self._lineage[row, self._depth[row]] = row
        self._frame = self._completed(table)

    @classmethod
    def empty(cls) -> StructureTree:
        """Return a tree without structures, for columns without rows."""
        dtypes = {**dict.fromkeys(COLUMNS, TEXT), **dict.fromkeys(_NUMBERS, "int64")}
        return cls(pd.DataFrame(columns=list(COLUMNS)).astype(dtypes))

    def __len__(self) -> int:
        return len(self._ids)

    def __repr__(self) -> str:
        roots = self._frame["acronym"][self._parent < 0]
        return (
            f"<StructureTree: {self.name}, {len(self):,} structures under {listing(roots)}, "
            f"{self._sets['set_id'].nunique()} sets>"
        )

    @property
    def frame(self) -> pd.DataFrame:
        """Return the structures, in depth-first order."""
        return self._frame.copy()

    @property
    def sets(self) -> pd.DataFrame:
        """Return the members of the structure sets."""
        return self._sets.copy()

    @property
    def fields(self) -> list[str]:
        """Return the fields that :meth:`take` accepts."""
        colors = ["color"] if "color_hex_triplet" in self._frame else []
        return [*self._frame.columns, *colors]

    # -- from a column to places ------------------------------------------------------------------

    def find(
        self,
        values: pd.Series[Any],
        on_missing: str | None = None,
        *,
        counts: npt.NDArray[np.int64] | None = None,
        unit: str = "rows",
        outcome: str = "Their rows are NA.",
        required: bool = False,
    ) -> Places:
        """Return the rows of the tree for the values of a column, and report those without a row.

        Every lookup of structures uses this function: of columns, arrays, matrices and edges.

        Parameters
        ----------
        values : Series
            See :meth:`locate`.
        on_missing : {"warn", "raise", "ignore"}, optional
            What to do about structures that are not in the tree. Default: the option ``on_missing``.
        counts : array of int, optional
            How often each value occurs. Default: once.
        unit, outcome : str
            What is counted, and what becomes of it, for the message.
        required : bool
            Also report missing values.

        Raises
        ------
        UnknownIdsError
            A structure is not in the tree, and ``on_missing`` is ``"raise"``.
        AmbiguousStructureError, PrecisionLossError, InvalidIdError
            See :meth:`locate`.

        Warns
        -----
        UnknownIdsWarning
        """
        policy = get_option("on_missing", on_missing)
        places = self.locate(values)
        if places.complete or policy == "ignore":
            return places
        lost = (places.rows == UNKNOWN) | (required & (places.rows == MISSING))
        if not lost.any():
            return places
        codes, distinct = pd.factorize(values[lost], use_na_sentinel=False)
        totals = np.bincount(codes, None if counts is None else counts[lost]).astype(np.int64)
        items = [_shown(item) for item in distinct]
        several = len(items) > 1
        numbered = (f"{item} ({total:,})" for item, total in zip(items, totals, strict=True))
        message = (
            f"{len(items):,} structures ({totals.sum():,} {unit}) are not in {self.name}: "
            f"{listing(numbered if several else items)}.{self._hint(items)}"
        )
        if policy == "raise":
            raise UnknownIdsError(message)
        warn(f"{message} {outcome} Another species has another graph_id.", UnknownIdsWarning)
        return places

    def locate(self, values: pd.Series[Any]) -> Places:
        """Return the rows of the tree for the values of a column.

        Parameters
        ----------
        values : Series
            IDs (integers of any type, integral floats, decimal text) or acronyms. An acronym is matched
            as written; otherwise regardless of case, if only one structure matches.

        Raises
        ------
        AmbiguousStructureError
            An acronym matches several structures.
        PrecisionLossError, InvalidIdError
            The values are not exact IDs. Negative IDs are allowed.
        """
        dtype = values.dtype
        if isinstance(dtype, pd.CategoricalDtype):
            codes = values.cat.codes.to_numpy()
            used = np.unique(codes[codes >= 0])
            of_categories = self.locate(pd.Series(values.cat.categories[used], name=values.name))
            return _repeat(of_categories, used, codes, len(values.cat.categories))
        if pd.api.types.is_object_dtype(dtype) or pd.api.types.is_string_dtype(dtype):
            if values.empty:
                return Places(np.empty(0, np.intp), None, acronyms=True, complete=True)
            return self._locate_objects(values)
        numbers, missing = whole_numbers(values)
        return self._locate_numbers(numbers, missing)

    def _locate_numbers(self, numbers: npt.NDArray[np.int64], missing: Mask | None) -> Places:
        any_left = bool(len(numbers)) and int(np.min(numbers)) < 0
        left = numbers < 0 if any_left else None
        rows = self._rows_of(np.abs(numbers) if any_left else numbers)
        if missing is not None:
            rows[missing] = MISSING
        complete = not len(rows) or int(np.min(rows)) >= 0
        return Places(rows, left, acronyms=False, complete=complete)

    def _rows_of(self, numbers: npt.NDArray[np.int64]) -> Rows:
        rows = self._by_id.get_indexer(pd.Index(numbers))
        if len(rows) and int(np.min(rows)) < 0:
            absent = rows < 0
            rows[absent] = np.where(numbers[absent] == 0, VOID, UNKNOWN)
        return rows

    def _locate_objects(self, values: pd.Series[Any]) -> Places:
        try:
            codes, distinct = pd.factorize(values)
        except TypeError:  # for lists and other containers, whole_numbers() raises a better error
            return self._locate_numbers(*whole_numbers(values))
        items = np.append(np.asarray(distinct, object), [None])  # the code -1: missing
        rows = np.full(len(items), MISSING)
        left = np.zeros(len(items), bool)
        is_text = np.array([isinstance(item, str) for item in items], bool)
        if (~is_text[:-1]).any():
            others = np.flatnonzero(~is_text[:-1])
            places = self._locate_numbers(*whole_numbers(pd.Series(items[others], name=values.name)))
            rows[others] = places.rows
            left[others] = False if places.left is None else places.left
        texts = np.flatnonzero(is_text)
        if len(texts):
            rows[texts], left[texts] = self._locate_texts(
                pd.Index([item.strip() for item in items[texts]], dtype=object), values.name
            )
        words = [items[code] for code in texts if items[code].strip() not in MISSING_TEXT]
        acronyms = any(_number(word) is None for word in words)
        return Places(rows[codes], left[codes] if left.any() else None, acronyms)

    def _locate_texts(self, texts: pd.Index[Any], column: Any) -> tuple[Rows, Mask]:
        rows = self._by_acronym.get_indexer(texts)
        left = np.zeros(len(texts), bool)
        not_acronyms = np.flatnonzero(rows < 0)
        for position in not_acronyms:
            text = texts[int(position)]
            number = _number(text)
            if number is not None:
                rows[position] = self._rows_of(np.array([abs(number)]))[0]
                left[position] = number < 0
            elif text in self._shared:
                self._raise_ambiguous(text, self._shared[text], column)
            elif text in MISSING_TEXT:
                rows[position] = MISSING
            elif text == VOID_NAME:
                rows[position] = VOID
            else:
                similar = self._folded.get(text.casefold(), ())
                if len(similar) > 1:
                    self._raise_ambiguous(text, similar, column)
                rows[position] = similar[0] if similar else UNKNOWN
        return rows, left

    def _raise_ambiguous(self, text: str, rows: Iterable[int], column: Any) -> None:
        matches = [f"{self._frame['acronym'].iloc[row]} ({self._ids[row]})" for row in rows]
        where = "" if column is None else f" in column {column!r}"
        raise AmbiguousStructureError(
            f"the acronym {text!r}{where} matches {' and '.join(matches)}. Use this case, or use IDs."
        )

    @functools.cached_property
    def _by_id(self) -> pd.Index[Any]:
        index: pd.Index[Any] = pd.Index(self._ids)
        return index

    @functools.cached_property
    def _acronyms(self) -> dict[str, list[int]]:
        rows_of: dict[str, list[int]] = {}
        for row, acronym in enumerate(self._frame["acronym"]):
            if isinstance(acronym, str):
                rows_of.setdefault(acronym, []).append(row)
        return rows_of

    @functools.cached_property
    def _by_acronym(self) -> pd.Index[Any]:
        """Return acronyms by row, without those of several structures."""
        names = np.array([None] * len(self), object)
        for acronym, rows in self._acronyms.items():
            names[rows[0]] = acronym if len(rows) == 1 else None
        # Rows without a unique acronym get a tuple, which no text matches.
        blank = np.flatnonzero([name is None for name in names])
        names[blank] = [(row,) for row in blank]
        return pd.Index(names, dtype=object, tupleize_cols=False)

    @functools.cached_property
    def _shared(self) -> dict[str, list[int]]:
        return {acronym: rows for acronym, rows in self._acronyms.items() if len(rows) > 1}

    @functools.cached_property
    def _folded(self) -> dict[str, list[int]]:
        rows_of: dict[str, list[int]] = {}
        for acronym, rows in self._acronyms.items():
            rows_of.setdefault(acronym.casefold(), []).extend(rows)
        return rows_of

    # -- from places to columns -------------------------------------------------------------------

    def take(self, places: Places, field: str) -> Any:
        """Return a field of structures, NA if there is no structure.

        Parameters
        ----------
        places : Places
        field : str
            A column of :attr:`frame`, or ``"color"``: ``#rrggbb``.

        Raises
        ------
        UnknownStructureError
            There is no such field.
        """
        if places.complete:
            return (
                places.signed(self._ids[places.rows])
                if field == "id"
                else self._cells(field).take(places.rows)
            )
        rows = np.where(places.rows < 0, -1, places.rows)
        if field == "id":
            return places.signed(take_or_na(self._ids, rows))
        cells = self._cells(field)
        if field not in ("acronym", "name") or not (places.rows == VOID).any():
            return take_or_na(cells, rows)
        # A further entry at the end is for ID 0, outside the brain.
        with_void = pd.array([*cells, VOID_NAME, None], dtype=TEXT)
        return with_void.take(np.where(places.rows == VOID, len(cells), np.where(rows < 0, -1, rows)))

    def _cells(self, field: str) -> Any:
        if field == "color":
            if "color_hex_triplet" in self._frame:
                return ("#" + self._frame["color_hex_triplet"].str.lower()).array
        elif field in self._frame:
            return array_of(self._frame[field])
        raise UnknownStructureError(
            f"structures do not have a field {field!r}. Their fields are {', '.join(self.fields)}."
            f"{did_you_mean(field, self.fields)} pdneuro.known_names() describes them."
        )

    def acronyms(self, rows: Rows) -> pd.Categorical:
        """Return the acronyms of rows of the tree."""
        codes, names = self._acronym_codes
        return pd.Categorical.from_codes(codes[rows], names, validate=False)

    @functools.cached_property
    def _acronym_codes(self) -> tuple[Any, Any]:
        codes, names = pd.factorize(self._frame["acronym"])
        return codes.astype(np.int16 if len(names) < 2**15 else np.int32), names

    def same_kind(self, places: Places, rows: Rows) -> Any:
        """Return structures by row (-1: none), as IDs or acronyms like the values of ``places``."""
        if places.acronyms:
            return take_or_na(self._cells("acronym"), rows)
        return places.signed(take_or_na(self._ids, rows))

    # -- relations --------------------------------------------------------------------------------

    def above(self, rows: Rows, *, include_self: bool) -> tuple[Rows, Rows]:
        """Return the number of ancestors of each row, and their rows, from the root down."""
        counts = np.where(rows >= 0, self._depth[rows] + include_self, 0)
        starts, lines = self._lines
        return counts, lines[_runs(starts[rows], counts)]

    def below(self, rows: Rows, *, include_self: bool) -> tuple[Rows, Rows]:
        """Return the number of descendants of each row, and their rows, in graph order."""
        first = rows + (not include_self)
        counts = np.where(rows >= 0, self._end[rows] - first, 0)
        return counts, _runs(first, counts)

    @functools.cached_property
    def _lines(self) -> tuple[Rows, Rows]:
        """Return the start of each structure's path from the root, and all paths in one array."""
        lengths = self._depth + 1
        return np.cumsum(lengths) - lengths, self._lineage[self._lineage >= 0]

    def parents(self, rows: Rows) -> Rows:
        """Return the parent's row of each row, -1 if there is none."""
        return np.where(rows >= 0, self._parent[rows], -1)

    def depths(self, rows: Rows) -> Rows:
        """Return the depth of each row, 0 at the root; -1 outside the tree."""
        return np.where(rows >= 0, self._depth[rows], -1)

    def nearest(self, places: Places, members: Places) -> Rows:
        """Return the nearest member at or above each structure, -1 if there is none.

        A member in the left hemisphere is above the structures of that hemisphere only.
        """
        found = _of_rows(self._nearest(members.rows[~members.is_left]), places.rows, -1)
        if members.left is None:
            return found
        left = _of_rows(self._nearest(members.rows), places.rows, -1)
        return np.where(places.is_left, left, found)

    def _nearest(self, members: Rows) -> Rows:
        nearest = np.full(len(self), -1)
        is_member = np.zeros(len(self), bool)
        is_member[members] = True
        for depth in range(self._lineage.shape[1]):
            level = np.flatnonzero(self._depth == depth)
            parents = self._parent[level]
            inherited = np.where(parents >= 0, nearest[parents], -1)
            nearest[level] = np.where(is_member[level], level, inherited)
        return nearest

    def within(self, places: Places, members: Places, *, include_self: bool) -> Mask:
        """Return True for each structure below one of the members; False outside the tree.

        A member in the left hemisphere contains the structures of that hemisphere only.
        """
        found = self._within(places.rows, members.rows[~members.is_left], include_self)
        if members.left is None:
            return found
        return found | (places.is_left & self._within(places.rows, members.rows, include_self))

    def _within(self, rows: Rows, members: Rows, include_self: bool) -> Mask:
        inside = np.zeros(len(self), bool)
        for row in members:
            inside[row + (not include_self) : self._end[row]] = True
        return _of_rows(inside, rows, False)

    # -- structures and sets that a call names ----------------------------------------------------

    def members(self, names: Any) -> Places:
        """Return the structures that a call names; a negative ID is in the left hemisphere.

        Parameters
        ----------
        names : int, str or iterable
            A structure set by ID or name, ``"Beryl"`` or ``"Cosmos"``; otherwise one or several
            structures by ID or acronym.

        Raises
        ------
        UnknownStructureError
            The set or structure does not exist.
        """
        if isinstance(names, str) or np.ndim(names) == 0:
            ids = self._set(names)
            if ids is not None:
                return Places(self._by_id.get_indexer(pd.Index(ids)), None, acronyms=False)
        return self.named(names)

    def named(self, names: Any) -> Places:
        """Return structures by ID or acronym; raise UnknownStructureError as :meth:`members`."""
        single = isinstance(names, str) or np.ndim(names) == 0
        listed = [names] if single else list(names)
        if not listed:
            raise UnknownStructureError("the list of structures is empty. Name at least one.")
        places = self.locate(pd.Series(listed, dtype=object))
        unknown = [item for item, row in zip(listed, places.rows, strict=True) if row < 0]
        if unknown:
            raise UnknownStructureError(f"{self.name} does not contain {self._suggestions(unknown)}.")
        return places

    def _set(self, name: Any) -> npt.NDArray[np.int64] | None:
        """Return the IDs of the structures in a set, None if the set does not exist."""
        table = self._sets
        if isinstance(name, str):
            in_set = table["set_name"].map(_normalized) == _normalized(name)
        elif isinstance(name, int | np.integer) and not isinstance(name, bool):
            in_set = table["set_id"] == int(name)
        else:
            return None
        ids = table.loc[in_set, "structure_id"].to_numpy(np.int64)
        if not len(ids) and isinstance(name, str) and mappings.ROOT in self._by_id:
            listed = np.array(mappings.MAPPINGS.get(_normalized(name), ()), np.int64)
            ids = listed[self._by_id.get_indexer(pd.Index(listed)) >= 0]
        return ids if len(ids) else None

    def _suggestions(self, unknown: list[Any]) -> str:
        """Return the unknown names, each with similar known names."""
        names = [*self._acronyms, *self._sets["set_name"].dropna().unique(), "Beryl", "Cosmos"]
        texts = []
        for item in unknown[:5]:
            similar = difflib.get_close_matches(str(item), names, n=3)
            with_this_name = self._frame.loc[self._frame["name"] == item, "acronym"]
            similar = similar or list(with_this_name)
            texts.append(repr(item) + (f" (did you mean {' or '.join(similar)}?)" if similar else ""))
        return listing([*texts, *unknown[5:]])

    def _hint(self, texts: Iterable[str]) -> str:
        """Return a sentence about unknown texts that are names of structures, not acronyms."""
        names = dict(zip(self._frame["name"], self._frame["acronym"], strict=True))
        pairs = [f"{text!r} is {names[text]!r}" for text in texts if text in names]
        return f" Use acronyms instead of names: {listing(pairs)}." if pairs else ""

    # -- the table --------------------------------------------------------------------------------

    def _completed(self, table: pd.DataFrame) -> pd.DataFrame:
        parents = take_or_na(self._ids, self._parent)
        table["parent_structure_id"] = pd.array(parents, dtype="Int64")
        table["depth"] = self._depth
        # The path is computed, since tables of other origin have lists of integers or lack it.
        table["structure_id_path"] = pd.array(
            [f"/{'/'.join(str(self._ids[row]) for row in line if row >= 0)}/" for line in self._lineage],
            dtype=TEXT,
        )
        rest = [name for name in table.columns if name not in (*COLUMNS, "structure_sets", "children")]
        return table[[name for name in COLUMNS if name in table.columns] + rest]


def _walk(table: pd.DataFrame) -> tuple[Rows, Rows, Rows]:
    """Return the depth-first order of the rows, and in this order each row's parent and depth."""
    ids = table["id"].tolist()
    row_of = {number: row for row, number in enumerate(ids)}
    if len(row_of) != len(ids):
        raise InvalidResponseError("several structures have the same ID.")
    parents = table["parent_structure_id"].tolist()
    keys = table["graph_order"].tolist() if "graph_order" in table.columns else list(range(len(ids)))
    children: dict[int | None, list[int]] = {}
    for row, parent in enumerate(parents):
        above = None if pd.isna(parent) else row_of.get(int(parent))
        children.setdefault(above, []).append(row)
    for group in children.values():
        group.sort(key=lambda row: (pd.isna(keys[row]), keys[row]))
    order: list[int] = []
    above_in_order, depths = [], []
    waiting = [(row, -1, 0) for row in reversed(children.get(None, []))]
    while waiting:
        row, above, depth = waiting.pop()
        here = len(order)
        order.append(row)
        above_in_order.append(above)
        depths.append(depth)
        waiting += [(child, here, depth + 1) for child in reversed(children.get(row, []))]
    if len(order) < len(ids):
        unreached = [ids[row] for row in sorted(set(range(len(ids))) - set(order))]
        raise InvalidResponseError(f"structures are their own ancestors: {listing(unreached)}.")
    return np.array(order, np.intp), np.array(above_in_order, np.intp), np.array(depths, np.intp)


def _members(table: pd.DataFrame) -> pd.DataFrame:
    """Return structure sets in long form, from lists of records in a column."""
    lists: Any = table["structure_sets"] if "structure_sets" in table.columns else []
    entries = [
        (entry.get("id"), entry.get("name"), number)
        for number, sets in zip(table["id"], lists, strict=False)
        for entry in (sets if isinstance(sets, list) else [sets])
        if isinstance(entry, dict)
    ]
    frame = pd.DataFrame(entries, columns=["set_id", "set_name", "structure_id"])
    return frame.astype({"set_id": "int64", "set_name": TEXT, "structure_id": "int64"})


def _runs(first: Rows, counts: Rows) -> Rows:
    """Concatenate runs of consecutive numbers, given the first number and the length of each run."""
    numbers = np.repeat(first - (np.cumsum(counts) - counts), counts)
    numbers += np.arange(len(numbers))
    return numbers


def _of_rows(values: npt.NDArray[Any], rows: Rows, outside: Any) -> npt.NDArray[Any]:
    """Return the value of each row; ``outside`` for VOID, UNKNOWN and MISSING."""
    # These are negative, MISSING is the lowest: they read the entries at the end.
    extended: npt.NDArray[Any] = np.append(values, np.full(-MISSING, outside, values.dtype))
    return extended[rows]


def _repeat(of_categories: Places, used: Rows, codes: Rows, count: int) -> Places:
    """Repeat the places of categories for all rows."""
    rows = np.full(count + 1, MISSING)
    rows[used] = of_categories.rows
    left = None
    if of_categories.left is not None:
        left_categories = np.zeros(count + 1, bool)
        left_categories[used] = of_categories.left
        left = left_categories[codes]
    return Places(rows[codes], left, of_categories.acronyms)


def _shown(item: Any) -> str:
    if pd.isna(item):
        return "missing"
    return str(int(item)) if isinstance(item, float) else str(item)


def _number(text: str) -> int | None:
    """Return the integer that a text consists of, None for another text."""
    number = parse(text)
    if isinstance(number, Reason):
        return MAX_ID + 1 if number.text == TOO_LARGE else None  # no structure has this ID
    return number


def _normalized(name: Any) -> str:
    """Return a set's name without regard to case, spaces and the kind of dash."""
    return " ".join(str(name).replace("\N{EN DASH}", "-").casefold().split())
