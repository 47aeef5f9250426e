"""Shares of input as a sparse matrix, with the sign of each connection."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro.errors import DoubtfulParameterWarning, MissingColumnsError, listing, warn
from pdneuro.graphs.paths import Codes, Ids, distinct_neurons
from pdneuro.graphs.sparse_arrays import chunks, divide_columns, divide_rows, from_pairs
from pdneuro.tables.edges import require_edges
from pdneuro.tables.ids import Int64Array
from pdneuro.tables.node_names import Nodes
from pdneuro.tables.pairs import coded_ends
from pdneuro.tables.weights import signs_of

#: Transmitters that inhibit, or a column of signs, or None for unsigned weights.
Signed = str | Iterable[str] | None


class Shares(NamedTuple):
    """The rows of an edge table, for matrices of the share of each in its postsynaptic neuron's input.

    ``pre`` and ``post`` are positions in ``ids``, which are sorted. ``sign`` is -1, 0 or 1 per row, or
    None.
    """

    ids: Nodes
    pre: Codes
    post: Codes
    weight: Int64Array
    sign: npt.NDArray[np.int8] | None

    def matrix(self, kind: Any = np.float64, *, apart: bool = False, backward: bool = False) -> Any:
        """Return shares as a sparse array: rows are postsynaptic, columns presynaptic.

        Inhibitory edges have negative shares, or with ``apart`` positive shares in separate columns,
        after those of all neurons. ``backward`` exchanges rows and columns.
        """
        size = len(self.ids)
        rows, columns = (self.pre, self.post) if backward else (self.post, self.pre)
        values, width = self.weight, size
        if self.sign is not None:
            values = values * (np.abs(self.sign) if apart else self.sign)
            if apart:
                columns, width = columns + np.int32(size) * (self.sign < 0), 2 * size
        matrix = from_pairs(rows, columns, values, (size, width), kind)
        total = np.zeros(size)
        for chunk in chunks(len(self.post)):
            total += np.bincount(self.post[chunk], self.weight[chunk], size)
        total[total == 0] = 1.0  # all weights are 0
        divide_columns(matrix, total) if backward else divide_rows(matrix, total)
        matrix.eliminate_zeros()
        return matrix


def input_shares(edges: pd.DataFrame, signed: Signed = None) -> Shares:
    """Return the rows of an edge table, for matrices of shares of all input in the table."""
    edges = require_edges(edges)
    signs = None if signed is None else _signs(edges, signed)
    return Shares(*coded_ends(edges), edges["weight"].to_numpy(), signs)


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
