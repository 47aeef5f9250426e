"""The edge table: ``pre``, ``post``, ``weight``, all int64; optional ``roi``, ``nt``, ``hop``."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro._compat import TEXT, copies_on_write
from pdneuro.errors import (
    AmbiguousColumnError,
    DroppedRowsWarning,
    InconsistentEdgesWarning,
    InvalidEdgesError,
    MissingColumnsError,
    listing,
    warn,
)
from pdneuro.tables import roles
from pdneuro.tables.ids import Int64Array, id_array
from pdneuro.tables.joins import take_or_missing

COLUMNS = ("pre", "post", "weight")


def edge_table(pre: Any, post: Any, weight: Any) -> pd.DataFrame:
    """An edge table from three arrays, which are taken over without a copy."""
    arrays = zip(COLUMNS, (pre, post, weight), strict=True)
    return pd.DataFrame({name: np.asarray(a, np.int64) for name, a in arrays}, copy=False)


def as_edges(
    frame: pd.DataFrame,
    pre: Hashable | None = None,
    post: Hashable | None = None,
    weight: Hashable | None = None,
    roi: Hashable | None = None,
) -> pd.DataFrame:
    """Bring an edge table of any known dialect to ``pre``, ``post``, ``weight``.

    Parameters
    ----------
    frame : DataFrame
        Edges, or synapses: without a weight column each row counts one.
    pre, post, weight, roi : hashable, optional
        Columns that play the role. Default: recognised by name.

    Returns
    -------
    DataFrame
        ``pre, post, weight`` (int64), then ``roi`` where there is one, then the other columns.
        The index is kept. Rows without a start or an end are left out with a warning.

    Raises
    ------
    MissingColumnsError, AmbiguousColumnError
        No columns, or several, may be the start and the end.
    InvalidEdgesError
        Weights that are no whole numbers, negative, or missing.
    InvalidIdError, PrecisionLossError
        Endpoints that are no exact IDs.

    Examples
    --------
    >>> import pandas as pd
    >>> from pdneuro.tables import as_edges
    >>> as_edges(pd.DataFrame({"source": ["12"], "target": ["15"], "syn_count": [3.0]}))
       pre  post  weight
    0   12    15       3
    """
    if pre is None or post is None:
        pairs = [
            pair
            for pair in roles.endpoint_columns(frame.columns)
            if (pre is None or pair[0] == pre) and (post is None or pair[1] == post)
        ]
        if len(pairs) > 1:
            raise AmbiguousColumnError(
                f"several pairs of columns may be the ends of the edges: {listing(map(str, pairs))}. "
                "Choose: pre=..., post=..."
            )
        if not pairs:
            raise MissingColumnsError(
                f"no start and end of edges recognised among {listing(map(repr, frame.columns), 12)}. "
                "Name them: pre=..., post=..."
            )
        pre, post = pairs[0]
    weight = weight if weight is not None else roles.one_of(frame.columns, roles.WEIGHT_NAMES, "weight")
    roi = roi if roi is not None else roles.one_of(frame.columns, roles.ROI_NAMES, "roi")
    starts, no_start = id_array(roles.named_column(frame, pre))
    ends, no_end = id_array(roles.named_column(frame, post))
    weights = (
        np.ones(len(frame), np.int64) if weight is None else _weights(roles.named_column(frame, weight))
    )
    edges = edge_table(starts.copy(), ends.copy(), weights).set_axis(frame.index)
    rest = frame.drop(columns=[name for name in (pre, post, weight) if name is not None])
    rest = rest.rename(columns={roi: "roi"} if roi is not None else {})
    others = sorted(rest.columns, key=lambda name: name != "roi")
    edges = pd.concat([edges, rest[others]], axis=1)
    edges.attrs = dict(frame.attrs)
    endless = np.zeros(len(frame), bool)
    for mask in (no_start, no_end):
        endless |= False if mask is None else mask
    if endless.any():
        warn(
            f"{int(endless.sum()):,} of {len(frame):,} edges have no start or no end (missing or 0) and "
            f"were left out, the first at row {frame.index[int(np.argmax(endless))]!r}.",
            DroppedRowsWarning,
        )
        edges = edges[~endless]
    return edges


def _weights(column: pd.Series[Any]) -> Int64Array:
    """Whole, non-negative weights as int64."""
    missing = column.isna()
    if missing.any():
        raise _invalid_weights(column, missing, "missing")
    if pd.api.types.is_object_dtype(column) and all(type(value) is int for value in column):
        column = column.astype("int64")
    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        raise InvalidEdgesError(f"the weights in {column.name!r} are {column.dtype}, not whole numbers.")
    if pd.api.types.is_float_dtype(column) and (column % 1 != 0).any():
        raise _invalid_weights(column, column % 1 != 0, "not whole numbers")
    if (column < 0).any():
        raise _invalid_weights(column, column < 0, "negative")
    return column.to_numpy(dtype=np.int64)


def _invalid_weights(column: pd.Series[Any], wrong: pd.Series[bool], reason: str) -> InvalidEdgesError:
    row = int(np.argmax(wrong.to_numpy(bool)))
    return InvalidEdgesError(
        f"{int(wrong.sum()):,} weights in {column.name!r} are {reason}, the first at row "
        f"{column.index[row]!r}. Edge weights are numbers of synapses."
    )


def require_edges(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame itself when it is an edge table, else what :func:`as_edges` makes of it."""
    columns = [frame[name] if name in frame.columns else None for name in COLUMNS]
    standard = all(isinstance(c, pd.Series) and c.dtype == np.int64 for c in columns)
    return frame if standard else as_edges(frame)


def collapse(edges: pd.DataFrame) -> pd.DataFrame:
    """Sum the rows of each pair (one row a region, say) to one.

    Parameters
    ----------
    edges : DataFrame
        An edge table.

    Returns
    -------
    DataFrame
        ``pre, post, weight`` (int64), one row a pair in order of first appearance; ``hop``, where
        there is one, is the smallest of the pair.

    Examples
    --------
    >>> import pandas as pd
    >>> from pdneuro.tables import collapse
    >>> collapse(pd.DataFrame({"pre": [1, 1, 2], "post": [2, 2, 1], "weight": [3, 4, 5]}))
       pre  post  weight
    0    1     2       7
    1    2     1       5
    """
    edges = require_edges(edges)
    sums = {"weight": "sum", "hop": "min"} if "hop" in edges.columns else {"weight": "sum"}
    result = edges.groupby(["pre", "post"], sort=False).agg(sums).reset_index()
    result.attrs = dict(edges.attrs)
    return result


def threshold(edges: pd.DataFrame, min_weight: int, by: str = "pair") -> pd.DataFrame:
    """Keep the edges of at least ``min_weight`` synapses (``>=``).

    Parameters
    ----------
    edges : DataFrame
        An edge table.
    min_weight : int
        Least number of synapses.
    by : {"pair", "row"}
        Compare the sum over all rows of a pair, or each row alone. The two differ where a pair has
        one row a region.

    Returns
    -------
    DataFrame
        The rows kept, with their index and all their columns.

    Examples
    --------
    >>> import pandas as pd
    >>> from pdneuro.tables import threshold
    >>> edges = pd.DataFrame({"pre": [1, 1, 2], "post": [2, 2, 1], "weight": [3, 4, 5]})
    >>> threshold(edges, 6)
       pre  post  weight
    0    1     2       3
    1    1     2       4
    """
    edges = require_edges(edges)
    if by not in ("pair", "row"):
        raise ValueError(f"by must be 'pair' or 'row', not {by!r}.")
    strong = edges["weight"] >= min_weight
    # Rows that pass alone need no sums; most tables have one row a pair.
    if by == "pair" and not strong.all() and edges.duplicated(["pre", "post"]).any():
        strong = edges.groupby(["pre", "post"], sort=False)["weight"].transform("sum") >= min_weight
    return edges.copy(deep=not copies_on_write()) if strong.all() else edges[strong]


def partners(
    edges: pd.DataFrame,
    ids: Int64Array,
    *,
    upstream: bool = True,
    downstream: bool = True,
    group_by: Mapping[int, Any] | pd.Series[Any] | None = None,
) -> pd.DataFrame:
    """Partners of some neurons taken together, from an edge table.

    Parameters
    ----------
    edges : DataFrame
        An edge table.
    ids : array of int64
        The neurons.
    upstream, downstream : bool
        Which sides to list.
    group_by : mapping or Series, optional
        Label of each partner, by ID.

    Returns
    -------
    DataFrame
        See :func:`pdneuro.segments.partners`.
    """
    own = pd.Index(ids)
    sides = []
    for wanted, direction, neuron, partner in (
        (downstream, "downstream", "pre", "post"),
        (upstream, "upstream", "post", "pre"),
    ):
        side = edges.loc[edges[neuron].isin(own) if wanted else [False] * len(edges)]
        names = {neuron: "neuron", partner: "partner"}
        sides.append(
            side.rename(columns=names).assign(direction=pd.array([direction] * len(side), TEXT))
        )
    both = pd.concat(sides, ignore_index=True)
    found = {"weight": ("weight", "sum"), "n_neurons": ("neuron", "nunique")}
    if group_by is not None:
        labels = group_by if isinstance(group_by, pd.Series) else pd.Series(dict(group_by))
        both = both.assign(member=both["partner"], partner=_labels(both["partner"], labels))
        found["n_partners"] = ("member", "nunique")
    groups = both.groupby(["partner", "direction"], dropna=False, observed=True)
    result = groups.agg(**found).reset_index()
    result = result.sort_values("weight", ascending=False, kind="stable", ignore_index=True)
    result.attrs = dict(edges.attrs)
    return result


def _labels(partners: pd.Series[Any], labels: pd.Series[Any]) -> Any:
    known, missing = id_array(labels.index)
    if missing is not None:
        labels, known = labels[~missing], known[~missing]
    index = pd.Index(known)
    if not index.is_unique:
        twice = known[index.duplicated()]
        raise ValueError(f"group_by has several labels for {twice[0]}; keep one row an ID.")
    cells = labels.to_numpy() if isinstance(labels.dtype, np.dtype) else labels.array
    return take_or_missing(cells, index.get_indexer(pd.Index(partners)))


def from_partners(
    ids: Int64Array,
    rows: npt.NDArray[np.intp],
    partner: Int64Array,
    weight: npt.NDArray[np.integer[Any]],
    incoming: npt.NDArray[np.bool_],
) -> pd.DataFrame:
    """Edge table from what neurons tell of their partners; told from both ends, an edge stands once.

    Parameters
    ----------
    ids : array of int64
        The neurons asked, each once.
    rows : array of int
        For each record, the place in ``ids`` of the neuron that tells.
    partner, weight : array of int
        The other neuron, and the number of synapses. Partners without a segment (0) are left out.
    incoming : array of bool
        Whether the partner is presynaptic.

    Returns
    -------
    DataFrame
        ``pre, post, weight`` (int64) in the order of the records. Where both ends tell of an edge, the
        presynaptic one is taken.
    """
    keep = partner > 0
    doubles = _doubles(ids, rows, partner, weight, incoming)
    keep[doubles] = False
    if not keep.all():
        rows, partner, weight, incoming = rows[keep], partner[keep], weight[keep], incoming[keep]
    own = ids[rows]
    return edge_table(np.where(incoming, partner, own), np.where(incoming, own, partner), weight)


def _doubles(
    ids: Int64Array,
    rows: npt.NDArray[np.intp],
    partner: Int64Array,
    weight: npt.NDArray[np.integer[Any]],
    incoming: npt.NDArray[np.bool_],
) -> npt.NDArray[np.intp]:
    """Places of incoming records whose edge an outgoing record tells as well."""
    # Only an edge with both ends among the asked can have been told twice. The sieve by low bits
    # spares most of the others the slower look-up.
    bits = (1 << max(10, int(8 * len(ids)).bit_length())) - 1
    sieve = np.zeros(bits + 1, bool)
    sieve[ids & bits] = True
    places = np.flatnonzero(sieve[partner & bits])
    codes = pd.Index(ids).get_indexer(pd.Index(partner[places]))
    places, codes = places[codes >= 0], codes[codes >= 0]
    told_in = incoming[places]
    starts, ends = np.where(told_in, codes, rows[places]), np.where(told_in, rows[places], codes)
    pairs = starts * len(ids) + ends
    out_code, distinct = pd.factorize(pairs[~told_in])
    in_code = pd.Index(distinct).get_indexer(pd.Index(pairs[told_in]))
    doubles: npt.NDArray[np.intp] = places[told_in][in_code >= 0]
    if len(doubles):
        _compare(out_code, weight[places[~told_in]], in_code[in_code >= 0], weight[doubles])
    return doubles


def _compare(
    out_code: npt.NDArray[np.intp],
    out_weight: npt.NDArray[np.integer[Any]],
    in_code: npt.NDArray[np.intp],
    in_weight: npt.NDArray[np.integer[Any]],
) -> None:
    """Warn where the two ends of an edge tell different weights; codes number the pairs."""
    size = int(np.max(out_code)) + 1
    ours = np.bincount(out_code, out_weight, size)
    theirs = np.bincount(in_code, in_weight, size)
    differ = int(((ours != theirs) & (np.bincount(in_code, minlength=size) > 0)).sum())
    if differ:
        warn(
            f"{differ:,} edges have another weight seen from their end than from their start; the "
            "start's is taken. The answers may come from different snapshots.",
            InconsistentEdgesWarning,
        )
