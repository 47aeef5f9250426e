"""Group rows with equal keys, by one sort of packed integers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro.tables.columns import array_of


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
    """Group rows whose keys are all equal; missing keys are equal to each other."""
    code, size = _codes(keys[0])
    for key in keys[1:]:
        further, count = _codes(key)
        if size * count > 2**62:
            code, distinct = pd.factorize(code)
            size = len(distinct)
        code = code * count + further
        size *= count
    return group_codes(code, size)


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
    hashed = first.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
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
    bits = [int(column.max(initial=0)).bit_length() for column in columns]
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
