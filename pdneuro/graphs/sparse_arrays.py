"""Make sparse arrays from rows of an edge table, and multiply them.

Arrays of millions of rows are made in chunks: on many machines, new memory takes longer than all else.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from pdneuro._compat import optional

FloatArray = npt.NDArray[np.float64]
#: Number of rows of a chunk: its arrays stay in the processor's cache.
_CHUNK = 65_536
#: Products of at least this number of multiplications use several threads.
_LARGE = 5_000_000


def chunks(count: int) -> Iterator[slice]:
    """Divide a number of rows into chunks."""
    return (slice(start, start + _CHUNK) for start in range(0, count, _CHUNK))


def from_pairs(rows: Any, columns: Any, values: Any, shape: tuple[int, int], dtype: Any = None) -> Any:
    """Return a CSR array with the sum of the values of each pair of a row and a column, in order.

    >>> from_pairs(np.array([1, 0, 1]), np.array([0, 1, 0]), np.array([2, 5, 3]), (2, 2)).toarray()
    array([[0, 5],
           [5, 0]])
    """
    sparse = optional("scipy.sparse", "graph")
    dtype = dtype or values.dtype
    is_integer = values.dtype == np.int64
    low = min(int(np.min(values, initial=0)), 0) if is_integer else 0
    column_bits = shape[1].bit_length()
    value_bits = (int(np.max(values, initial=0)) - low).bit_length() if is_integer else 64
    if shape[0].bit_length() + column_bits + value_bits > 63:
        matrix = sparse.csr_array((values.astype(dtype), (rows, columns)), shape=shape)
        matrix.sum_duplicates()
        return matrix
    # One sort of row, column and value in one number is faster than SciPy's conversion.
    packed = np.empty(len(rows), np.int64)
    for chunk in chunks(len(rows)):
        part = packed[chunk]
        part[:] = rows[chunk]
        for bits, cells in ((column_bits, columns[chunk]), (value_bits, values[chunk] - low)):
            part <<= bits
            part |= cells
    packed.sort()
    kind = np.int32 if max(len(rows), *shape) < 2**31 else np.int64
    indices, data = np.empty(len(rows), kind), np.empty(len(rows), dtype)
    sizes: npt.NDArray[np.intp] = np.zeros(shape[0], np.intp)
    end, last = 0, -1
    for chunk in chunks(len(rows)):
        pairs, cells = packed[chunk] >> value_bits, (packed[chunk] & ((1 << value_bits) - 1)) + low
        first = np.flatnonzero(np.diff(pairs, prepend=-1))
        if len(first) < len(pairs):
            pairs, cells = pairs[first], np.add.reduceat(cells, first)
        if pairs[0] == last:  # the pair of the chunk before
            data[end - 1] += cells[0]
            pairs, cells = pairs[1:], cells[1:]
            if not len(pairs):
                continue
        last = pairs[-1]
        begin, end = end, end + len(pairs)
        indices[begin:end], data[begin:end] = pairs & ((1 << column_bits) - 1), cells
        pairs >>= column_bits
        sizes[pairs[0] : pairs[-1] + 1] += np.bincount(pairs - pairs[0])
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(kind)
    return sparse.csr_array((data[:end], indices[:end], starts), shape=shape)


def divide_rows(matrix: Any, by: FloatArray) -> None:
    """Divide each row of a CSR array by a number, in place."""
    starts = matrix.indptr
    first = np.searchsorted(starts, np.arange(0, max(matrix.nnz, 1), _CHUNK), side="right") - 1
    for begin, end in zip(first, [*first[1:], len(by)], strict=True):
        part = slice(starts[begin], starts[end])
        matrix.data[part] /= np.repeat(by[begin:end], np.diff(starts[begin : end + 1]))


def divide_columns(matrix: Any, by: FloatArray) -> None:
    """Divide each column of a CSR array by a number, in place; columns after the last start again."""
    for chunk in chunks(matrix.nnz):
        matrix.data[chunk] /= by[matrix.indices[chunk] % len(by)]


def product(matrix: Any, dense: FloatArray) -> Any:
    """Return the product of a sparse and a dense array; threads share the rows of a large one."""
    threads = min(os.cpu_count() or 1, 4)
    if threads == 1 or matrix.nnz * (dense.size // len(dense)) < _LARGE:
        return matrix @ dense
    sparse = optional("scipy.sparse", "graph")
    starts = matrix.indptr
    cuts = np.searchsorted(starts, np.linspace(0, matrix.nnz, threads + 1).astype(starts.dtype))
    cuts[-1] = matrix.shape[0]

    def part(first: int, last: int) -> Any:
        rows = sparse.csr_array((last - first, matrix.shape[1]), dtype=matrix.dtype)
        # Set one by one, because the constructor copies parts of larger arrays.
        rows.data, rows.indices = (
            array[starts[first] : starts[last]] for array in (matrix.data, matrix.indices)
        )
        rows.indptr = starts[first : last + 1] - starts[first]
        return rows @ dense

    with ThreadPoolExecutor(threads) as pool:
        return np.concatenate(list(pool.map(part, cuts[:-1], cuts[1:])))
