"""Compare neurons by their partners."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pdneuro._compat import optional
from pdneuro.errors import TooLargeError
from pdneuro.graphs.matrix import MAX_DENSE, to_sparse
from pdneuro.tables.edges import require_edges
from pdneuro.tables.node_names import distinct_nodes
from pdneuro.tables.provenance import inherit

#: Maximum number of entries per block of the matrix product.
_BLOCK = 10_000_000


def similarity(
    edges: pd.DataFrame,
    metric: str = "cosine",
    of: str = "both",
    *,
    top: int | None = None,
    ids: Any = None,
) -> pd.DataFrame:
    """Compare neurons by their partners.

    Parameters
    ----------
    edges : DataFrame
        An edge table; the rows of a pair are summed.
    metric : {"cosine", "jaccard"}, default "cosine"
        Cosine of the vectors of synapse counts, or share of common partners.
    of : {"both", "input", "output"}, default "both"
        Partners to compare: both, presynaptic or postsynaptic.
    top : int, optional
        Return only this number of most similar neurons per neuron.
    ids : Series, Index, array or list, optional
        The neurons to compare, by all their partners in the table. Default: all neurons of the table,
        sorted by ID.

    Returns
    -------
    DataFrame
        Without ``top``, a square matrix (float64, 0 to 1) with the IDs as index and columns; a neuron
        without partners has only zeros. With ``top``: ``id, other`` (int64), ``similarity`` (float64),
        up to ``top`` rows per neuron, the most similar first; similarities of 0 are dropped.

    Raises
    ------
    TooLargeError
        The matrix would have more than 20,000 rows; use ``top``.
    MissingDependencyError
        SciPy is not installed (extra ``graph``).

    Examples
    --------
    >>> from pdneuro.graphs import similarity
    >>> edges = pd.DataFrame({"pre": [1, 1, 2, 2], "post": [3, 4, 3, 5], "weight": [3, 4, 3, 4]})
    >>> similarity(edges, of="output", ids=[1, 2]).round(2)
    id     1     2
    id
    1   1.00  0.36
    2   0.36  1.00
    >>> similarity(edges, "jaccard", top=1, ids=[1, 2])
       id  other  similarity
    0   1      2    0.333333
    1   2      1    0.333333
    """
    sparse = optional("scipy.sparse", "graph")
    if metric not in ("cosine", "jaccard"):
        raise ValueError(f"metric must be 'cosine' or 'jaccard', not {metric!r}.")
    if of not in ("both", "input", "output"):
        raise ValueError(f"of must be 'both', 'input' or 'output', not {of!r}.")
    if top is not None and top < 1:
        raise ValueError(f"top must be at least 1, not {top}.")
    edges = require_edges(edges)
    matrix, neurons = to_sparse(edges)
    sides = {"output": [matrix], "input": [matrix.T], "both": [matrix, matrix.T]}[of]
    features = sparse.csr_array(sparse.hstack(sides, format="csr"), dtype=np.float64)
    if ids is not None:
        column = ids if isinstance(ids, pd.Series | pd.Index) else pd.Series(list(ids), dtype=object)
        selected = distinct_nodes(column, neurons.to_numpy())
        rows = neurons.get_indexer(pd.Index(selected))
        zeros = sparse.csr_array((1, features.shape[1]), dtype=np.float64)
        # SciPy 1.11 stacks arrays as a matrix, whose sums have two axes.
        features = sparse.csr_array(sparse.vstack([features, zeros], format="csr"))[rows]
        neurons = pd.Index(selected, name="id")
    features.eliminate_zeros()
    if metric == "jaccard":
        features.data[:] = 1.0
    lengths = np.sqrt(features.multiply(features).sum(axis=1))
    if metric == "cosine":
        features.data /= np.repeat(lengths, np.diff(features.indptr))
    sizes = np.diff(features.indptr)
    if top is None and len(neurons) > MAX_DENSE:
        raise TooLargeError(
            f"a matrix of {len(neurons):,} neurons would need {len(neurons) ** 2 * 8 / 1e9:,.0f} "
            "GB. Request only the most similar neurons (top=10), or select some neurons (ids=...)."
        )
    blocks = _blocks(features, sizes if metric == "jaccard" else None)
    table = _dense(blocks, neurons) if top is None else _best(blocks, neurons, top)
    return inherit(table, edges)


def _blocks(features: Any, sizes: Any) -> Any:
    """Yield the similarity matrix as sparse blocks of rows."""
    transposed = features.T.tocsr()
    height = max(1, _BLOCK // max(features.shape[0], 1))
    for start in range(0, features.shape[0], height):
        block = features[start : start + height] @ transposed
        if sizes is not None:  # common partners to shares of all partners
            rows = np.repeat(sizes[start : start + height], np.diff(block.indptr))
            block.data /= rows + sizes[block.indices] - block.data
        np.minimum(block.data, 1.0, out=block.data)  # rounding
        yield start, block


def _dense(blocks: Any, neurons: pd.Index[Any]) -> pd.DataFrame:
    matrix = np.zeros((len(neurons), len(neurons)))
    for start, block in blocks:
        matrix[start : start + block.shape[0]] = block.toarray()
    return pd.DataFrame(matrix, index=neurons, columns=neurons, copy=False)


def _best(blocks: Any, neurons: pd.Index[Any], top: int) -> pd.DataFrame:
    owners, others, values = [], [], []
    for start, block in blocks:
        counts = np.diff(block.indptr)
        rows = np.repeat(np.arange(block.shape[0]), counts)
        scores = np.where(block.indices == rows + start, 0.0, block.data)  # exclude the neuron itself
        limit = _lower_bound(scores, block.indptr[:-1], counts, top)
        near = np.flatnonzero((scores >= limit[rows]) & (scores > 0))
        rows, columns, best = rows[near], block.indices[near], scores[near]
        order = np.lexsort((columns, -best, rows))
        rows, columns, best = rows[order], columns[order], best[order]
        rank = np.arange(len(rows)) - np.searchsorted(rows, rows)
        kept = rank < top
        owners.append(rows[kept] + start)
        others.append(columns[kept])
        values.append(best[kept])
    empty = [np.empty(0, np.int64)]
    ids = neurons.to_numpy()
    return pd.DataFrame(
        {
            "id": ids[np.concatenate(owners or empty)],
            "other": ids[np.concatenate(others or empty)],
            "similarity": np.concatenate(values or [np.empty(0)]),
        }
    )


def _lower_bound(scores: Any, begin: Any, counts: Any, top: int) -> Any:
    """Return a value that at least ``top`` scores of each row reach, without sorting the rows.

    Each row is split into a few times ``top`` pieces; the ``top`` greatest of their maxima are scores of
    the row. A row with fewer pieces has no bound.
    """
    length = np.maximum(1, -(-counts // (8 * top)))
    pieces = -(-counts // length)
    rows = np.repeat(np.arange(len(counts)), pieces)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    starts = begin[rows] + within * length[rows]
    maxima = np.full((len(counts), max(int(pieces.max(initial=0)), top)), -np.inf)
    if len(starts):
        maxima[rows, within] = np.maximum.reduceat(scores, starts)
    return np.partition(maxima, -top, axis=1)[:, -top]
