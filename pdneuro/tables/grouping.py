"""Group rows with equal keys, by one sort of packed integers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro.tables.columns import array_of

T = TypeVar("T")

#: A factor that spreads the differences of IDs over all bits of a number.
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
#: Columns of more rows are numbered in threads.
_LARGE = 1_000_000


class Groups(NamedTuple):
    """Rows sorted by group; within a group they keep their order.

    ``rows[starts[g] : starts[g + 1]]`` are the rows of the group ``g``.
    """

    rows: npt.NDArray[np.intp]
    starts: npt.NDArray[np.intp]

    @property
    def first(self) -> npt.NDArray[np.intp]:
        """Return the first row of each group."""
        return self.rows[self.starts]

    @property
    def sizes(self) -> npt.NDArray[np.intp]:
        """Return the number of rows of each group."""
        return np.diff(self.starts, append=len(self.rows))


def group_rows(*keys: pd.Series[Any]) -> Groups:
    """Group rows whose keys are all equal; missing keys are equal to each other.

    Groups are in the order in which the values of each key appear, or in the order of its categories.
    """
    starts = starts_of_runs(*(array_of(key) for key in keys))
    if starts is not None:  # equal rows are adjacent, so each run of them is grouped as one row
        runs = group_rows(*(key.iloc[starts] for key in keys))
        lengths = np.diff(starts, append=len(keys[0]))[runs.rows]
        before = np.cumsum(lengths) - lengths
        rows = np.repeat(starts[runs.rows] - before, lengths) + np.arange(len(keys[0]))
        return Groups(rows, before[runs.starts])
    (code, size), *others = _for_each(_codes, keys)
    for further, count in others:
        if size * count > 2**62:
            code, distinct = pd.factorize(code)
            size = len(distinct)
        code = code * count + further
        size *= count
    return group_codes(code, size)


def starts_of_runs(*arrays: npt.NDArray[Any]) -> npt.NDArray[np.intp] | None:
    """Return the first row of each run of equal integers; None if runs have fewer than three rows."""
    if any(array.dtype != np.int64 for array in arrays) or not len(arrays[0]):
        return None
    for count in (10_000, len(arrays[0])):  # a few rows show that most tables are in another order
        new = np.zeros(min(count, len(arrays[0])), bool)
        new[:1] = True
        for array in arrays:
            new[1:] |= array[1 : len(new)] != array[: len(new) - 1]
        if 3 * np.count_nonzero(new) > len(new):
            return None
    return np.flatnonzero(new)


def number_ids(*columns: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], list[Any]]:
    """Return the sorted distinct IDs of some columns, and the position of each row's ID among them.

    It is faster than a hash table of all rows, because only the distinct IDs are written to a table.

    >>> number_ids(np.array([12, 15]), np.array([12, 11]))
    (array([11, 12, 15]), [array([1, 2], dtype=int32), array([1, 0], dtype=int32)])
    """
    ids = _distinct(np.concatenate(_for_each(_distinct, columns)))
    bits = min(len(ids).bit_length() + 3, 24)
    slots, table = _slots(ids, bits), np.zeros(1 << bits, np.int32)
    table[slots] = np.arange(len(ids), dtype=np.int32)
    # IDs that share a slot with another are looked up among each other.
    table[slots[table[slots] != np.arange(len(ids))]] = -1
    crowded = np.flatnonzero(table[slots] < 0)

    def positions(column: npt.NDArray[np.int64]) -> Any:
        found = table.take(_slots(column, bits))
        rows = np.flatnonzero(found < 0)
        found[rows] = crowded[np.searchsorted(ids[crowded], column[rows])]
        return found

    return ids, _for_each(positions, columns)


def _for_each(function: Callable[[Any], T], columns: Sequence[Any]) -> list[T]:
    """Call a function with each column."""
    if len(columns) == 1 or len(columns[0]) <= _LARGE:
        return [*map(function, columns)]
    # numpy and pandas sort and look up without the lock of Python, so each column has its own thread.
    with ThreadPoolExecutor(len(columns)) as pool:
        return [*pool.map(function, columns)]


def _distinct(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    values = np.sort(values)
    new = np.ones(len(values), bool)
    np.not_equal(values[1:], values[:-1], out=new[1:])
    return values[new]


def _slots(ids: npt.NDArray[np.int64], bits: int) -> npt.NDArray[np.int64]:
    """Return a number of ``bits`` bits for each ID, spread evenly."""
    product = ids.astype(np.uint64)
    product *= _GOLDEN
    product >>= np.uint64(64 - bits)
    return product.view(np.int64)


def _codes(key: pd.Series[Any]) -> tuple[npt.NDArray[np.int64], int]:
    if isinstance(key.dtype, pd.CategoricalDtype):
        return key.cat.codes.to_numpy().astype(np.int64) + 1, len(key.cat.categories) + 1
    codes, distinct = pd.factorize(array_of(key), use_na_sentinel=False)
    return codes.astype(np.int64, copy=False), max(len(distinct), 1)


def sums_by_code(
    codes: npt.NDArray[np.integer[Any]], values: npt.NDArray[np.integer[Any]], size: int
) -> npt.NDArray[np.int64]:
    """Return the sum of the values of each code; exact also above 2**53."""
    if values.sum(dtype=np.float64) < 2.0**53:
        return np.bincount(codes, values, size).astype(np.int64)
    sums = np.zeros(size, np.int64)
    np.add.at(sums, codes, values)
    return sums


def pairs_differ(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> bool:
    """Return True if no pair occurs twice. Fast, but may return False for unique pairs."""
    if first.dtype == object:  # names
        first, second = (pd.factorize(names)[0] for names in (first, second))
    # Each pair is hashed to one number. If all numbers differ, all pairs differ; equal numbers of
    # different pairs are possible, but very rare.
    hashed = first.astype(np.uint64) * _GOLDEN
    hashed += second.astype(np.uint64)
    hashed.sort()
    return not bool((hashed[1:] == hashed[:-1]).any())


def group_codes(code: npt.NDArray[np.integer[Any]], size: int) -> Groups:
    """Group equal codes, which are integers below ``size``."""
    bits = max(len(code) - 1, 1).bit_length()
    if size.bit_length() + bits <= 63:
        # Sorting code and row packed in one integer is several times faster than argsort.
        packed: Any = code.astype(np.int64) << bits
        packed |= np.arange(len(code))
        packed.sort()
        rows = packed & ((1 << bits) - 1)
        packed >>= bits
    else:
        rows = np.argsort(code, kind="stable")
        packed = code[rows]
    new = np.ones(len(packed), bool)
    np.not_equal(packed[1:], packed[:-1], out=new[1:])
    return Groups(rows, np.flatnonzero(new))


def sort_rows(*columns: npt.NDArray[np.integer[Any]]) -> list[npt.NDArray[np.int64]]:
    """Return aligned columns of non-negative integers, sorted by the first, then by the second, ...

    >>> [column.tolist() for column in sort_rows(np.array([2, 1, 2]), np.array([5, 9, 4]))]
    [[1, 2, 2], [9, 4, 5]]
    """
    bits = [int(np.max(column, initial=0)).bit_length() for column in columns]
    if sum(bits) > 63:
        order = np.lexsort(columns[::-1])
        return [column[order].astype(np.int64) for column in columns]
    packed: Any = columns[0].astype(np.int64)
    for column, size in zip(columns[1:], bits[1:], strict=True):
        packed <<= size
        packed |= column
    packed.sort()
    found = []
    for size in reversed(bits[1:]):
        found.append(packed & ((1 << size) - 1))
        packed >>= size
    return [packed, *reversed(found)]
