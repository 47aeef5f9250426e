"""A tree of brain structures: lookups over whole columns, without a loop over rows."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro._compat import TEXT
from pdneuro.errors import (
    AmbiguousStructureError,
    InvalidResponseError,
    UnknownStructureError,
    did_you_mean,
    listing,
)
from pdneuro.tables.columns import array_of, take_or_na
from pdneuro.tables.ids import MISSING_TEXT, whole_numbers

Rows = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

#: Places that are no row of the tree: outside the brain (ID 0), not in the tree, no value.
VOID, UNKNOWN, MISSING = -1, -2, -3
_NEEDED = ("id", "acronym", "name", "parent_structure_id")
#: The acronym and the name of what is outside the brain.
VOID_NAME = "void"
#: Columns of a tree, in their order; the service may have sent more.
COLUMNS = (
    "id",
    "acronym",
    "name",
    "parent_structure_id",
    "graph_order",
    "st_level",
    "depth",
    "color_hex_triplet",
    "structure_id_path",
)


_NUMBERS = ("id", "parent_structure_id", "graph_order", "st_level", "depth")


class Places(NamedTuple):
    """Where the values of a column are in a tree."""

    #: Row of the tree, or VOID, UNKNOWN, MISSING.
    rows: Rows
    #: Values with a minus: the left hemisphere; None where there are none.
    left: Mask | None
    #: Whether the values are acronyms.
    acronyms: bool
    #: Whether each value is in the tree.
    complete: bool = False

    def signed(self, ids: Any) -> Any:
        """IDs with a minus on the left."""
        if self.left is None:
            return ids
        sign = np.where(self.left, -1, 1)
        return ids * sign


class StructureTree:
    """Structures of one graph, in the order of a walk through the tree.

    Parameters
    ----------
    structures : DataFrame
        One row a structure: ``id``, ``acronym``, ``name``, ``parent_structure_id``; with
        ``graph_order`` siblings are in its order. ``structure_sets``, lists of records with ``id`` and
        ``name``, tell the sets.
    name : str
        For messages.

    Attributes
    ----------
    frame : DataFrame
        A copy of the table: ``id`` (int64), ``acronym``, ``name``, ``parent_structure_id`` (Int64),
        ``graph_order``, ``st_level``, ``depth`` (0 at the root), ``color_hex_triplet`` (text),
        ``structure_id_path`` (text such as ``"/997/8/"``).
    sets : DataFrame
        ``set_id`` (int64), ``set_name``, ``structure_id`` (int64): one row a member.

    Notes
    -----
    ID 0 is outside the brain: its acronym is ``"void"``, it has no ancestors and is under nothing. A
    negative ID is the structure in the left hemisphere; ancestors, descendants and roll-ups of it are
    negative, too.
    """

    def __init__(self, structures: pd.DataFrame, name: str = "structures") -> None:
        self.name = name
        missing = [column for column in _NEEDED if column not in structures.columns]
        if missing:
            raise InvalidResponseError(f"the structures have no {listing(map(repr, missing))}.")
        order, self._parent, self._depth = _walk(structures)
        table = structures.iloc[order].reset_index(drop=True)
        self._ids = table["id"].to_numpy(np.int64)
        self._sets = _members(table)
        count = len(table)
        reach = np.arange(count) + 1
        for row in range(count - 1, -1, -1):  # the end of each subtree, from the leaves up
            if self._parent[row] >= 0:
                above = self._parent[row]
                reach[above] = max(reach[above], reach[row])
        self._end = reach
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
        """The structures, in the order of a walk through the tree."""
        return self._frame.copy()

    @property
    def sets(self) -> pd.DataFrame:
        """The members of the structure sets."""
        return self._sets.copy()

    @property
    def fields(self) -> list[str]:
        """What :meth:`take` gives."""
        return [*self._frame.columns, "color"]

    # -- from a column to places ------------------------------------------------------------------

    def locate(self, values: pd.Series[Any]) -> Places:
        """Where the values of a column are.

        Parameters
        ----------
        values : Series
            IDs (integers of any kind, whole floats, decimal text) or acronyms. An acronym counts as it
            is written; one that is not there counts without regard to case, if that fits one
            structure only.

        Raises
        ------
        AmbiguousStructureError
            An acronym fits several structures.
        PrecisionLossError, InvalidIdError
            The values are not exact IDs. Negative IDs are allowed.
        """
        dtype = values.dtype
        if isinstance(dtype, pd.CategoricalDtype):
            codes = values.cat.codes.to_numpy()
            used = np.unique(codes[codes >= 0])
            found = self.locate(pd.Series(values.cat.categories[used], name=values.name))
            return _spread(found, used, codes, len(values.cat.categories))
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
        except TypeError:  # lists and the like: the error names them
            whole_numbers(values)
            raise
        items = np.append(np.asarray(distinct, object), [None])  # the code -1: missing
        rows = np.full(len(items), MISSING)
        left = np.zeros(len(items), bool)
        is_text = np.array([isinstance(item, str) for item in items], bool)
        if (~is_text[:-1]).any():
            others = np.flatnonzero(~is_text[:-1])
            found = self._locate_numbers(*whole_numbers(pd.Series(items[others], name=values.name)))
            rows[others] = found.rows
            left[others] = False if found.left is None else found.left
        texts = np.flatnonzero(is_text)
        if len(texts):
            rows[texts], left[texts] = self._locate_texts(
                pd.Index([item.strip() for item in items[texts]], dtype=object), values.name
            )
        words = [items[place] for place in texts if items[place].strip() not in MISSING_TEXT]
        acronyms = any(_number(word) is None for word in words)
        return Places(rows[codes], left[codes] if left.any() else None, acronyms)

    def _locate_texts(self, texts: pd.Index[Any], column: Any) -> tuple[Rows, Mask]:
        rows = self._by_acronym.get_indexer(texts)
        left = np.zeros(len(texts), bool)
        open_places = np.flatnonzero(rows < 0)
        for place in open_places:
            text = texts[int(place)]
            number = _number(text)
            if number is not None:
                rows[place] = self._rows_of(np.array([abs(number)]))[0]
                left[place] = number < 0
            elif text in self._shared:
                self._ambiguous(text, self._shared[text], column)
            elif text in MISSING_TEXT:
                rows[place] = MISSING
            elif text == VOID_NAME:
                rows[place] = VOID
            else:
                alike = self._folded.get(text.casefold(), ())
                if len(alike) > 1:
                    self._ambiguous(text, alike, column)
                rows[place] = alike[0] if alike else UNKNOWN
        return rows, left

    def _ambiguous(self, text: str, rows: Iterable[int], column: Any) -> None:
        known = [f"{self._frame['acronym'].iloc[row]} ({self._ids[row]})" for row in rows]
        place = "" if column is None else f" in column {column!r}"
        raise AmbiguousStructureError(
            f"the acronym {text!r}{place} fits {' and '.join(known)}. Write it as it is there, or use "
            "IDs."
        )

    @functools.cached_property
    def _by_id(self) -> pd.Index[Any]:
        index: pd.Index[Any] = pd.Index(self._ids)
        return index

    @functools.cached_property
    def _acronyms(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for row, acronym in enumerate(self._frame["acronym"]):
            if isinstance(acronym, str):
                found.setdefault(acronym, []).append(row)
        return found

    @functools.cached_property
    def _by_acronym(self) -> pd.Index[Any]:
        """Acronyms by row; those of several structures are no one's."""
        names = np.array([None] * len(self), object)
        for acronym, rows in self._acronyms.items():
            names[rows[0]] = acronym if len(rows) == 1 else None
        # A row without an acronym of its own must not be found by any text.
        blank = np.flatnonzero([name is None for name in names])
        names[blank] = [(row,) for row in blank]
        return pd.Index(names, dtype=object, tupleize_cols=False)

    @functools.cached_property
    def _shared(self) -> dict[str, list[int]]:
        return {acronym: rows for acronym, rows in self._acronyms.items() if len(rows) > 1}

    @functools.cached_property
    def _folded(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for acronym, rows in self._acronyms.items():
            found.setdefault(acronym.casefold(), []).extend(rows)
        return found

    # -- from places to columns -------------------------------------------------------------------

    def take(self, places: Places, field: str) -> Any:
        """A field of the structures at some places, NA where there is none.

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
        # One entry more, at the end: outside the brain.
        named = pd.array([*cells, VOID_NAME, None], dtype=TEXT)
        return named.take(np.where(places.rows == VOID, len(cells), np.where(rows < 0, -1, rows)))

    def _cells(self, field: str) -> Any:
        if field == "color":
            if "color_hex_triplet" in self._frame:
                return ("#" + self._frame["color_hex_triplet"].str.lower()).array
        elif field in self._frame:
            return array_of(self._frame[field])
        raise UnknownStructureError(
            f"structures have no field {field!r}; they have {', '.join(self.fields)}."
            f"{did_you_mean(field, self.fields)}"
        )

    def acronyms(self, rows: Rows) -> pd.Categorical:
        """The acronyms of rows of the tree."""
        codes, names = self._acronym_codes
        return pd.Categorical.from_codes(codes[rows], names, validate=False)

    @functools.cached_property
    def _acronym_codes(self) -> tuple[Any, Any]:
        codes, names = pd.factorize(self._frame["acronym"])
        return codes.astype(np.int16 if len(names) < 2**15 else np.int32), names

    def same_kind(self, places: Places, rows: Rows) -> Any:
        """Structures by row (-1: none), as IDs where ``places`` came from IDs, else as acronyms."""
        if places.acronyms:
            return take_or_na(self._cells("acronym"), rows)
        return places.signed(take_or_na(self._ids, rows))

    # -- relations --------------------------------------------------------------------------------

    def above(self, rows: Rows, *, include_self: bool) -> tuple[Rows, Rows]:
        """Ancestors from the root down: how many each row has, and the row of each ancestor."""
        counts = np.where(rows >= 0, self._depth[rows] + include_self, 0)
        starts, lines = self._lines
        return counts, lines[_runs(starts[rows], counts)]

    def below(self, rows: Rows, *, include_self: bool) -> tuple[Rows, Rows]:
        """Descendants in graph order: how many each row has, and the row of each descendant."""
        first = rows + (not include_self)
        counts = np.where(rows >= 0, self._end[rows] - first, 0)
        return counts, _runs(first, counts)

    @functools.cached_property
    def _lines(self) -> tuple[Rows, Rows]:
        """The way from the root to each structure, one after the other, and where each begins."""
        lengths = self._depth + 1
        return np.cumsum(lengths) - lengths, self._lineage[self._lineage >= 0]

    def parents(self, rows: Rows) -> Rows:
        """The parent's row of each row, -1 where there is none."""
        return np.where(rows >= 0, self._parent[rows], -1)

    def depths(self, rows: Rows) -> Rows:
        """How far each row is from the root; -1 for places outside the tree."""
        return np.where(rows >= 0, self._depth[rows], -1)

    def nearest(self, rows: Rows, members: Rows) -> Rows:
        """Return the nearest member at or above each row, -1 if there is none."""
        nearest = np.full(len(self), -1)
        chosen = np.zeros(len(self), bool)
        chosen[members] = True
        for depth in range(self._lineage.shape[1]):
            level = np.flatnonzero(self._depth == depth)
            parents = self._parent[level]
            inherited = np.where(parents >= 0, nearest[parents], -1)
            nearest[level] = np.where(chosen[level], level, inherited)
        return _of_rows(nearest, rows, -1)

    def within(self, rows: Rows, members: Rows, *, include_self: bool) -> Mask:
        """Return whether each row is under one of the members; False outside the tree."""
        inside = np.zeros(len(self), bool)
        for row in members:
            inside[row + (not include_self) : self._end[row]] = True
        return _of_rows(inside, rows, False)

    # -- structures and sets that a call names ----------------------------------------------------

    def members(self, which: Any) -> Rows:
        """Rows of the structures that a call names.

        Parameters
        ----------
        which : int, str or iterable
            A structure set by ID or name; else a structure, or several, by ID or acronym.

        Raises
        ------
        UnknownStructureError
            There is no such set or structure.
        """
        if isinstance(which, str) or np.ndim(which) == 0:
            ids = self._set(which)
            if ids is not None:
                return self._by_id.get_indexer(pd.Index(ids))
        return self.rows(which)

    def rows(self, which: Any) -> Rows:
        """Rows of structures by ID or acronym; errors as for :meth:`members`."""
        single = isinstance(which, str) or np.ndim(which) == 0
        given = [which] if single else list(which)
        if not given:
            raise UnknownStructureError("no structures are named: the list is empty.")
        rows = self.locate(pd.Series(given, dtype=object)).rows
        lost = [item for item, row in zip(given, rows, strict=True) if row < 0]
        if lost:
            raise UnknownStructureError(f"{self.name} has no {self._near(lost)}.")
        return np.asarray(rows, np.intp)

    def _set(self, which: Any) -> npt.NDArray[np.int64] | None:
        """IDs of the structures in a set, None where there is no such set."""
        table = self._sets
        if isinstance(which, str):
            chosen = table["set_name"].map(_normalized) == _normalized(which)
        elif isinstance(which, int | np.integer) and not isinstance(which, bool):
            chosen = table["set_id"] == int(which)
        else:
            return None
        ids = table.loc[chosen, "structure_id"].to_numpy(np.int64)
        return ids if len(ids) else None

    def _near(self, lost: list[Any]) -> str:
        known = [*self._acronyms, *self._sets["set_name"].dropna().unique()]
        said = []
        for item in lost[:5]:
            near = difflib.get_close_matches(str(item), known, n=3)
            named = self._frame.loc[self._frame["name"] == item, "acronym"]
            near = near or list(named)
            said.append(repr(item) + (f" (did you mean {' or '.join(near)}?)" if near else ""))
        return listing([*said, *lost[5:]])

    def hint(self, texts: Iterable[str]) -> str:
        """Words about unknown texts that are names of structures, not acronyms."""
        names = dict(zip(self._frame["name"], self._frame["acronym"], strict=True))
        found = [f"{text!r} is {names[text]!r}" for text in texts if text in names]
        return f" Names are not looked up, acronyms are: {listing(found)}." if found else ""

    # -- the table --------------------------------------------------------------------------------

    def _completed(self, table: pd.DataFrame) -> pd.DataFrame:
        parents = take_or_na(self._ids, self._parent)
        table["parent_structure_id"] = pd.array(parents, dtype="Int64")
        table["depth"] = self._depth
        # Some copies have lists of integers here, and nested ones nothing.
        table["structure_id_path"] = pd.array(
            [f"/{'/'.join(str(self._ids[row]) for row in line if row >= 0)}/" for line in self._lineage],
            dtype=TEXT,
        )
        rest = [name for name in table.columns if name not in (*COLUMNS, "structure_sets", "children")]
        return table[[name for name in COLUMNS if name in table.columns] + rest]


def from_nested(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The structures of a graph that is nested under ``children``, as flat records."""
    found, waiting = [], [dict(record)]
    while waiting:
        node = waiting.pop()
        children = node.pop("children", None) or []
        found.append(node)
        waiting += [dict(child) for child in reversed(children)]
    return found


def _walk(table: pd.DataFrame) -> tuple[Rows, Rows, Rows]:
    """The order of a walk through the tree, and by that order each parent's place and the depth."""
    ids = table["id"].tolist()
    place_of = {number: place for place, number in enumerate(ids)}
    if len(place_of) != len(ids):
        raise InvalidResponseError("the structures repeat an ID.")
    parents = table["parent_structure_id"].tolist()
    keys = table["graph_order"].tolist() if "graph_order" in table.columns else list(range(len(ids)))
    children: dict[int | None, list[int]] = {}
    for place, parent in enumerate(parents):
        above = None if pd.isna(parent) else place_of.get(int(parent))
        children.setdefault(above, []).append(place)
    for group in children.values():
        group.sort(key=lambda place: (pd.isna(keys[place]), keys[place]))
    order: list[int] = []
    above_in_order, depths = [], []
    waiting = [(place, -1, 0) for place in reversed(children.get(None, []))]
    while waiting:
        place, above, depth = waiting.pop()
        here = len(order)
        order.append(place)
        above_in_order.append(above)
        depths.append(depth)
        waiting += [(child, here, depth + 1) for child in reversed(children.get(place, []))]
    if len(order) < len(ids):
        lost = [ids[place] for place in sorted(set(range(len(ids))) - set(order))]
        raise InvalidResponseError(f"structures are their own ancestors: {listing(lost)}.")
    return np.array(order, np.intp), np.array(above_in_order, np.intp), np.array(depths, np.intp)


def _members(table: pd.DataFrame) -> pd.DataFrame:
    """Structure sets in long form, from lists of records in the cells."""
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
    """Runs of consecutive numbers, one after the other: where each begins, and how long it is."""
    numbers = np.repeat(first - (np.cumsum(counts) - counts), counts)
    numbers += np.arange(len(numbers))
    return numbers


def _of_rows(values: npt.NDArray[Any], rows: Rows, outside: Any) -> npt.NDArray[Any]:
    """Return the value of each row; ``outside`` for VOID, UNKNOWN and MISSING."""
    result = np.full(len(rows), outside, values.dtype)
    known = rows >= 0
    result[known] = values[rows[known]]
    return result


def _spread(found: Places, used: Rows, codes: Rows, count: int) -> Places:
    """Places of categories, repeated over the rows."""
    rows = np.full(count + 1, MISSING)
    rows[used] = found.rows
    left = None
    if found.left is not None:
        marks = np.zeros(count + 1, bool)
        marks[used] = found.left
        left = marks[codes]
    return Places(rows[codes], left, found.acronyms)


def _number(text: str) -> int | None:
    """Return the whole number that a text consists of, None for another text."""
    # pandas writes whole numbers of a column with missing values as "385.0".
    digits = text.strip().removesuffix(".0")
    return int(digits) if re.fullmatch(r"-?[0-9]+", digits) else None


def _normalized(name: Any) -> str:
    """Return a set's name without regard to case, spaces and the kind of dash."""
    return " ".join(str(name).replace("\N{EN DASH}", "-").casefold().split())
