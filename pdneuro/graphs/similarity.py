"""Compare neurons by their partners."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pdneuro._compat import optional
from pdneuro._docs import documented
from pdneuro.errors import TooLargeError
from pdneuro.graphs.matrix import MAX_DENSE
from pdneuro.tables import roles
from pdneuro.tables.columns import check_choice
from pdneuro.tables.datasets import COLUMN, coded_neurons, in_all_datasets, label_codes, labels_by_end
from pdneuro.tables.edges import require_edges
from pdneuro.tables.ids import as_series
from pdneuro.tables.joins import Labels
from pdneuro.tables.node_names import distinct_nodes, node_array
from pdneuro.tables.provenance import inherit, note

#: Maximum number of entries per block of the matrix product.
_BLOCK = 10_000_000


@documented()
def similarity(
    edges: pd.DataFrame,
    metric: str = "cosine",
    of: str = "both",
    *,
    group_by: Hashable | Sequence[Hashable] | Labels | Mapping[str, Any] | None = None,
    top: int | None = None,
    ids: Any = None,
) -> pd.DataFrame:
    """Compare neurons by their partners, or by the types of their partners.

    Parameters
    ----------
    edges : DataFrame
        An edge table; the rows of a pair are summed. A column ``dataset`` with several values separates
        the neurons of data sets; with ``group_by`` they are compared by the labels that every data set
        has.
    {metric}
    {partner labels}
    top : int, optional
        Return only this number of most similar neurons per neuron.
    {compared}

    Returns
    -------
    DataFrame
        Without ``top``, a square matrix (float64, 0 to 1) with the IDs as index and columns (of several
        data sets ``dataset, id``); a neuron without partners has only zeros. With ``top``: ``id,
        other`` (int64), ``similarity`` (float64), up to ``top`` rows per neuron, the most similar first;
        similarities of 0 are dropped. With several data sets also ``dataset`` and ``other_dataset``.
        With ``group_by``, ``attrs["pdneuro"]`` has the share of the synapses of these neurons whose
        partner could be compared: ``matched``, or ``matched_{dataset}`` for each data set.

    Raises
    ------
    TooLargeError
        The matrix would have more than 20,000 rows; use ``top``.
    MissingDependencyError
        SciPy is not installed (extra ``graph``).

    See Also
    --------
    pdneuro.tables.completeness : The share of matched synapses of each neuron.

    Notes
    -----
    ``cf_cosine_plot`` of coconatfly also compares by the types that all data sets have. It finds these
    types among the partners of the given neurons, here they are all types in the table.

    Examples
    --------
    >>> from pdneuro.graphs import similarity
    >>> edges = pd.DataFrame({"pre": [1, 1, 2, 2], "post": [3, 4, 3, 5], "weight": [3, 4, 3, 4]})
    >>> similarity(edges, of="output").round(2)
    id     1     2
    id
    1   1.00  0.36
    2   0.36  1.00
    >>> similarity(edges, of="output", group_by={3: "KC", 4: "MBON", 5: "MBON"}).round(2)
    id    1    2
    id
    1   1.0  1.0
    2   1.0  1.0
    >>> similarity(edges, "jaccard", top=1, ids=[1, 2])
       id  other  similarity
    0   1      2    0.333333
    1   2      1    0.333333
    """
    sparse = optional("scipy.sparse", "graph")
    check_choice("metric", metric, ("cosine", "jaccard", "weighted_jaccard"))
    check_choice("of", of, ("both", "input", "output"))
    if top is not None and top < 1:
        raise ValueError(f"top must be at least 1, not {top}.")
    edges = require_edges(edges)
    neurons, features, kept, present = _features(edges, of, group_by)
    if ids is None:
        rows = np.flatnonzero(present)
        neurons = neurons[rows]
    else:
        neurons, rows = _chosen(neurons, ids)
    if ids is not None or len(rows) < features.shape[0]:
        zeros = sparse.csr_array((1, features.shape[1]), dtype=np.float64)
        # SciPy 1.11 stacks arrays as a matrix, whose sums have two axes.
        features = sparse.csr_array(sparse.vstack([features, zeros], format="csr"))[rows]
    if top is None and len(neurons) > MAX_DENSE:
        raise TooLargeError(
            f"a matrix of {len(neurons):,} neurons would need {len(neurons) ** 2 * 8 / 1e9:,.0f} "
            "GB. Request only the most similar neurons (top=10), or select some neurons (ids=...)."
        )
    matched = {} if group_by is None else _matched(neurons, features, kept, rows)
    features.eliminate_zeros()
    if metric == "jaccard":
        features.data[:] = 1.0
    if metric == "cosine":
        lengths = np.sqrt(features.multiply(features).sum(axis=1))
        features.data /= np.repeat(lengths, np.diff(features.indptr))
        blocks = _blocks(features, None)
    elif metric == "jaccard":
        blocks = _blocks(features, np.diff(features.indptr))
    else:
        blocks = _minima(features)
    table = _dense(blocks, neurons) if top is None else _best(blocks, neurons, top)
    table = inherit(table, edges)
    return note(table, **matched) if matched else table


def _features(edges: pd.DataFrame, of: str, group_by: Any) -> tuple[pd.Index[Any], Any, Any, Any]:
    """Return the neurons, their counts by partner or label, all their counts, and who has partners."""
    sparse = optional("scipy.sparse", "graph")
    neurons, pre, post = coded_neurons(edges)
    positions = {"pre": pre, "post": post}
    codes: dict[str, Any] = {}
    count = 0
    if group_by is not None:
        labeled, columns = labels_by_end(edges, group_by)
        codes, count = label_codes(labeled, columns)
        shared = np.append(in_all_datasets(edges, codes, count), False)
        codes = {end: np.where(shared[of_end], of_end, -1) for end, of_end in codes.items()}
    weight = edges["weight"].to_numpy().astype(np.float64)
    parts, totals = [], np.zeros(len(neurons))
    present = np.zeros(len(neurons), bool)
    for side, end in (("output", "pre"), ("input", "post")):
        if of not in ("both", side):
            continue
        partner = "post" if end == "pre" else "pre"
        own, others = positions[end], codes.get(partner, positions[partner])
        width = count if partner in codes else len(neurons)
        known = others >= 0
        shape = (len(neurons), width)
        parts.append(sparse.csr_array((weight[known], (own[known], others[known])), shape=shape))
        totals += np.bincount(own, weight, len(neurons))
        present[own] = True
    features = sparse.csr_array(sparse.hstack(parts, format="csr"))
    features.sum_duplicates()
    return neurons, features, totals, present


def _chosen(neurons: pd.Index[Any], ids: Any) -> tuple[pd.Index[Any], Any]:
    """Return the chosen neurons, and the position of each, -1 if it is not in the table."""
    several = isinstance(neurons, pd.MultiIndex)
    if several and isinstance(ids, pd.DataFrame):
        column = roles.id_column(ids)
        names = roles.named_column(ids, COLUMN)
        ids = pd.MultiIndex.from_arrays([names, column], names=[COLUMN, "id"])
    if several and isinstance(ids, pd.MultiIndex):
        like = neurons.get_level_values("id").to_numpy()
        numbers, _ = node_array(pd.Series(ids.get_level_values(-1)), like)
        levels: list[Any] = [ids.get_level_values(0), numbers]
        chosen = pd.MultiIndex.from_arrays(levels, names=[COLUMN, "id"]).unique()
        return chosen, neurons.get_indexer(chosen)
    given = as_series(ids)
    if several:  # these IDs in every data set
        rows = np.flatnonzero(
            neurons.get_level_values("id").isin(
                distinct_nodes(given, neurons.get_level_values("id").to_numpy())
            )
        )
        return neurons[rows], rows
    selected = distinct_nodes(given, neurons.to_numpy())
    return pd.Index(selected, name="id"), neurons.get_indexer(pd.Index(selected))


def _matched(neurons: pd.Index[Any], features: Any, totals: Any, rows: Any) -> dict[str, float]:
    """Return the share of the synapses of these neurons that their features count, by data set."""
    used = np.asarray(features.sum(axis=1)).ravel()
    all_of_them = np.append(totals, 0.0)[rows]
    if not isinstance(neurons, pd.MultiIndex):
        return {"matched": _share(used.sum(), all_of_them.sum())}
    names = neurons.get_level_values(COLUMN)
    return {
        f"matched_{name}": _share(used[names == name].sum(), all_of_them[names == name].sum())
        for name in names.unique()
    }


def _share(part: Any, whole: Any) -> float:
    return float(part / whole) if whole else 0.0


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


def _minima(features: Any) -> Any:
    """Yield the weighted Jaccard similarity as sparse blocks of rows.

    The sum of the smaller counts is summed over the common partners of each two neurons. The larger ones
    are the rest of the counts of both.
    """
    sparse = optional("scipy.sparse", "graph")
    count = features.shape[0]
    totals = np.asarray(features.sum(axis=1)).ravel()
    by_partner = features.T.tocsr()
    sizes = np.diff(by_partner.indptr)[features.indices]
    work = np.append(0, np.cumsum(sizes))[features.indptr]
    start = 0
    while start < count:
        # As many rows as one block of memory holds, at least one.
        stop = max(int(np.searchsorted(work, work[start] + _BLOCK, "right")) - 1, start + 1)
        entries = slice(features.indptr[start], features.indptr[stop])
        own = np.repeat(np.arange(stop - start), np.diff(features.indptr[start : stop + 1]))
        each = sizes[entries]
        begin = by_partner.indptr[features.indices[entries]]
        places = np.arange(each.sum()) + np.repeat(begin - (np.cumsum(each) - each), each)
        smaller = np.minimum(np.repeat(features.data[entries], each), by_partner.data[places])
        rows, columns = np.repeat(own, each), by_partner.indices[places]
        block = sparse.csr_array((smaller, (rows, columns)), shape=(stop - start, count))
        block.sum_duplicates()
        of_rows = np.repeat(totals[start:stop], np.diff(block.indptr))
        block.data /= of_rows + totals[block.indices] - block.data
        np.minimum(block.data, 1.0, out=block.data)  # rounding
        yield start, block
        start = stop


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
    first, second = (np.concatenate(found or empty) for found in (owners, others))
    ids = neurons.get_level_values("id").to_numpy()
    columns = {"id": ids[first], "other": ids[second]}
    if isinstance(neurons, pd.MultiIndex):
        names = neurons.get_level_values(COLUMN)
        sets = {COLUMN: names.take(first), f"other_{COLUMN}": names.take(second)}
        columns = {
            COLUMN: sets[COLUMN],
            "id": columns["id"],
            f"other_{COLUMN}": sets[f"other_{COLUMN}"],
            "other": columns["other"],
        }
    return pd.DataFrame({**columns, "similarity": np.concatenate(values or [np.empty(0)])})


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
