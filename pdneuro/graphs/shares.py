"""Shares of input as a sparse matrix, with the sign of each connection."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro._compat import optional
from pdneuro.errors import DoubtfulParameterWarning, MissingColumnsError, listing, warn
from pdneuro.graphs.paths import Codes, Ids, distinct_neurons
from pdneuro.tables.edges import require_edges
from pdneuro.tables.node_names import Nodes
from pdneuro.tables.pairs import coded_ends
from pdneuro.tables.weights import signs_of

#: Transmitters that inhibit, or a column of signs, or None for unsigned weights.
Signed = str | Iterable[str] | None
FloatArray = npt.NDArray[np.float64]
#: Products of at least this number of multiplications use several threads.
_LARGE = 5_000_000


class Shares(NamedTuple):
    """The rows of an edge table, for matrices of the share of each in its postsynaptic neuron's input.

    ``pre`` and ``post`` are positions in ``ids``, which are sorted. ``sign`` is -1, 0 or 1 per row, or
    None.
    """

    ids: Nodes
    pre: Codes
    post: Codes
    weight: FloatArray
    sign: npt.NDArray[np.int8] | None

    def matrix(self, kind: Any = np.float64, *, apart: bool = False, backward: bool = False) -> Any:
        """Return shares as a sparse array: rows are postsynaptic, columns presynaptic.

        Several entries of a pair stay separate; products add them. Inhibitory edges have negative
        shares, or with ``apart`` positive shares in separate columns, after those of all neurons.
        ``backward`` exchanges rows and columns.
        """
        sparse = optional("scipy.sparse", "graph")
        size = len(self.ids)
        rows, columns = (self.pre, self.post) if backward else (self.post, self.pre)
        values, width = self.weight, size
        if self.sign is not None:
            values = values * (np.abs(self.sign) if apart else self.sign)
            if apart:
                columns, width = columns + np.int32(size) * (self.sign < 0), 2 * size
        entries = sparse.coo_array((values.astype(kind, copy=False), (rows, columns)), (size, width))
        # Summing the entries of a pair needs a sort, which takes longer than a product.
        entries.has_canonical_format = True
        matrix = entries.tocsr()
        total = np.bincount(self.post, self.weight, size)
        total[total == 0] = 1.0  # all weights are 0
        matrix.data /= (
            total[matrix.indices % size] if backward else np.repeat(total, np.diff(matrix.indptr))
        )
        matrix.eliminate_zeros()
        return matrix


def input_shares(edges: pd.DataFrame, signed: Signed = None) -> Shares:
    """Return the rows of an edge table, for matrices of shares of all input in the table."""
    edges = require_edges(edges)
    signs = None if signed is None else _signs(edges, signed)
    return Shares(*coded_ends(edges), edges["weight"].to_numpy().astype(np.float64), signs)


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


def _signs(edges: pd.DataFrame, signed: Signed) -> npt.NDArray[np.int8]:
    """Return the sign of each row, from a column of numbers or from its transmitter."""
    column = edges[signed] if isinstance(signed, str) and signed in edges.columns else None
    if isinstance(column, pd.Series) and pd.api.types.is_numeric_dtype(column):
        return np.sign(column.to_numpy(np.float64, na_value=0.0)).astype(np.int8)
    names = [name for name in ("nt_pre", "nt") if name in edges.columns]
    if not names:
        raise MissingColumnsError(
            f"signed={signed!r} requires the transmitter of the presynaptic neurons in a column 'nt_pre'"
            " or 'nt'. Add it with .neuro.annotate(neurons, 'nt'), or pass a column of signs."
        )
    return signs_of(edges, names[0], signed or (), (), 1)


def known_positions(ids: Nodes, neurons: Ids, role: str, *, required: bool = True) -> Codes:
    """Return the positions of neurons in ``ids``; warn of neurons that have no edge.

    Raises
    ------
    ValueError
        No neuron has an edge, and at least one is required.
    """
    wanted = distinct_neurons(neurons, role, ids)
    positions = pd.Index(ids).get_indexer(pd.Index(wanted))
    absent = wanted[positions < 0]
    if required and len(absent) == len(wanted):
        raise ValueError(
            f"none of the {len(wanted):,} {role} has an edge in the table"
            f"{f', such as {absent[0]}' if len(absent) else ''}. Check that the IDs belong to it."
        )
    if len(absent):
        warn(
            f"{len(absent):,} of {len(wanted):,} {role} have no edge in the table and are left out: "
            f"{listing(absent.tolist(), 3)}.",
            DoubtfulParameterWarning,
        )
    return positions[positions >= 0]
