"""The edge table: ``pre``, ``post``, ``weight``, all int64; optional ``roi``, ``nt``, ``hop``."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api import types

from pdneuro.errors import (
    AmbiguousColumnError,
    DoubtfulParameterWarning,
    DroppedRowsWarning,
    InconsistentEdgesWarning,
    InvalidEdgesError,
    MissingColumnsError,
    did_you_mean,
    listing,
    warn,
)
from pdneuro.tables import roles
from pdneuro.tables.columns import array_of, take_or_na
from pdneuro.tables.counts import ROWS, check_rows
from pdneuro.tables.foreign import to_pandas
from pdneuro.tables.ids import FRACTION, TOO_LARGE, Int64Array, convert, id_array, require_unrounded
from pdneuro.tables.node_names import NAMES, checked_nodes, has_names, name_array, named_edges
from pdneuro.tables.provenance import inherit, note
from pdneuro.tables.transmitters import largest_score

COLUMNS = ("pre", "post", "weight")
#: The message for a matrix; the call that converts it follows.
MATRIX = "this looks like an adjacency matrix ({}), not an edge table. Convert it with"


def edge_table(pre: Any, post: Any, weight: Any) -> pd.DataFrame:
    """Return an edge table from three arrays, which are not copied."""
    arrays = zip(COLUMNS, (pre, post, weight), strict=True)
    return pd.DataFrame({name: np.asarray(a, np.int64) for name, a in arrays}, copy=False)


def append_edges(table: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Append edges to a table; integers stay integers in columns that only the table has.

    >>> table = pd.DataFrame({"pre": [1], "post": [2], "weight": [5], "size": [7]})
    >>> append_edges(table, edge_table([2], [1], [4]))["size"].tolist()
    [7, <NA>]
    """
    columns = {}
    rows = np.concatenate([np.arange(len(table)), np.full(len(new), -1)])
    for name, column in table.items():
        if name in new.columns:
            columns[name] = pd.concat([column, new[name]], ignore_index=True)
        else:
            columns[name] = pd.Series(take_or_na(array_of(column), rows))
    return pd.DataFrame(columns)


def as_edges(
    frame: pd.DataFrame,
    pre: Hashable | None = None,
    post: Hashable | None = None,
    weight: Hashable | None = None,
    roi: Hashable | None = None,
    nt: Hashable | None = None,
    *,
    regions: str | Iterable[str] | None = None,
    nodes: str = "ids",
    sparse: bool | None = None,
) -> pd.DataFrame:
    """Convert an edge table with any known column names to ``pre``, ``post``, ``weight``.

    Parameters
    ----------
    frame : DataFrame
        Edges, or synapses with one row each; also a table of DuckDB, polars or pyarrow.
    pre, post, weight, roi, nt : hashable, optional
        Columns with these roles; ``nt`` is the transmitter. Default: recognized by name.
        ``weight="rows"`` counts each row as one synapse, which is also the default for a table without
        a column that may count synapses.
    regions : str or list of str, optional
        Regions to keep, by ``roi``. Rows of a pair are summed by later steps, so these regions must not
        overlap. Default: all.
    nodes : {"ids", "names"}, default "ids"
        With ``"names"``, neurons have names instead of IDs, as in C. elegans: ``pre`` and ``post`` are
        text, without blanks around it. All methods that need no number accept the result. Text of
        digits is always an ID.
    sparse : bool, optional
        Whether an empty cell of an ID means the ID of the row above. Default: only if the columns are
        two IDs and ``x, y, z``, as in Codex' ``synapse_coordinates.csv``.

    Returns
    -------
    DataFrame
        ``pre, post, weight`` (int64, synapses), then ``roi`` and ``nt`` if they exist, then the other
        columns. Without a column of transmitters, ``nt`` is the largest of the scores
        ``gaba_avg, ach_avg, ...``. If you choose another column for a role, an existing column ``pre``
        becomes ``pre_original``. The index stays the same, unless it contains the IDs. Rows without a
        presynaptic or postsynaptic ID are dropped with a warning.

    Raises
    ------
    MissingColumnsError, AmbiguousColumnError
        No columns, or several, fit a role; or the frame is an adjacency matrix; or each pair has one
        row, and a column of whole numbers with an unknown name may be the weights.
    InvalidEdgesError
        A weight is negative, missing, or not an integer.
    InvalidIdError, PrecisionLossError
        A presynaptic or postsynaptic ID is not exact.

    Examples
    --------
    >>> from pdneuro.tables import as_edges
    >>> as_edges(pd.DataFrame({"source": ["12"], "target": ["15"], "syn_count": [3.0]}))
       pre  post  weight
    0   12    15       3
    """
    frame = to_pandas(frame)
    roles_of = {"pre": pre, "post": post, "weight": weight, "roi": roi, "nt": nt}
    edges, incomplete = with_incomplete(frame, **roles_of, nodes=nodes, sparse=sparse)
    if incomplete.any():
        warn_of_incomplete(int(incomplete.sum()), len(frame), frame.index[int(np.argmax(incomplete))])
        edges = edges[~incomplete]
    return edges if regions is None else keep_regions(edges, regions)


def warn_of_incomplete(dropped: int, rows: int, first: Hashable) -> None:
    """Warn of rows that were dropped because they lack an ID; ``first`` is the label of the first."""
    warn(
        f"{dropped:,} of {rows:,} edges lack a pre- or postsynaptic ID (missing "
        f"or 0) and were dropped, the first in row {first!r}.",
        DroppedRowsWarning,
    )


def with_incomplete(
    frame: pd.DataFrame,
    pre: Hashable | None = None,
    post: Hashable | None = None,
    weight: Hashable | None = None,
    roi: Hashable | None = None,
    nt: Hashable | None = None,
    *,
    nodes: str = "ids",
    sparse: bool | None = None,
) -> tuple[pd.DataFrame, npt.NDArray[np.bool_]]:
    """Return the result of :func:`as_edges` with all rows, and which of them lack an ID (0)."""
    if not set(frame.index.names) <= {None} and not roles.endpoint_columns(frame.columns):
        # groupby(["pre", "post"]).sum() returns the IDs as index.
        levels = [name for name in frame.index.names if name is not None]
        if roles.endpoint_columns(pd.Index(levels)):
            frame = frame.reset_index()
    pre, post, weight, roi, nt = edge_roles(frame, pre, post, weight, roi, nt)
    named = checked_nodes(nodes) == NAMES or has_names(frame)
    columns = [roles.named_column(frame, end) for end in (pre, post)]
    if is_sparse(frame.columns) if sparse is None else sparse:
        columns = [column.ffill() for column in columns]
    read: Any = name_array if named else lambda end: id_array(roles.with_prefix(end))
    (starts, no_start), (ends, no_end) = map(read, columns)
    if weight is None:
        pairs = [pd.factorize(names)[0] if named else names for names in (starts, ends)]
        check_rows(frame, pairs[0], pairs[1], (pre, post, roi, nt))
    counted = weight is None or weight == ROWS
    if counted:
        weight, weights = None, np.ones(len(frame), np.int64)
    else:
        weights = _weights(roles.named_column(frame, weight))
    make = named_edges if named else edge_table
    edges = make(starts.copy(), ends.copy(), weights).set_axis(frame.index)
    taken = [name for name in (pre, post, weight) if name is not None]
    rest = frame.drop(columns=[name for name in taken if name in frame.columns])
    optional = {old: new for old, new in ((roi, "roi"), (nt, "nt")) if old is not None}
    others = rest.columns.drop(list(optional))
    # Columns with the standard names are renamed if other columns have their roles.
    not_chosen = others.intersection([*COLUMNS, *optional.values()])
    renamed: dict[Hashable, Hashable] = {
        **optional,
        **{name: f"{name}_original" for name in not_chosen},
    }
    rest = rest[[*optional, *others]].rename(columns=renamed)
    edges = pd.concat([edges, rest], axis=1)
    if nt is None and "nt" not in edges.columns:
        scores = roles.complete_scores(frame.columns)
        if scores:
            edges.insert(3 + (roi is not None), "nt", largest_score(frame, scores))
    if "hop" in edges.columns:
        edges["hop"] = _counts(edges["hop"], "values", "a hop is a number of steps, 1 or more.")
    inherit(edges, frame)
    edges = note(edges, nodes=NAMES) if named else edges
    _warn_of_received(edges)
    incomplete = np.zeros(len(frame), bool)
    for mask in (no_start, no_end):
        incomplete |= False if mask is None else mask
    return edges, incomplete


def _warn_of_received(edges: pd.DataFrame) -> None:
    """Warn if the table lists chemical synapses twice, as sent and as received (Varshney et al.)."""
    kinds = edges["Type"] if "Type" in edges.columns else None
    if not isinstance(kinds, pd.Series) or not kinds.isin(["S", "Sp"]).any():
        return
    received = kinds.isin(["R", "Rp"])
    if received.any():
        warn(
            f"{int(received.sum()):,} rows have the Type 'R' or 'Rp': they are the synapses of the "
            "Types 'S' and 'Sp' as seen from the other neuron. Drop them first: frame"
            "[~frame['Type'].isin(['R', 'Rp'])].",
            InconsistentEdgesWarning,
        )


def is_sparse(columns: Iterable[Hashable]) -> bool:
    """Return whether the columns are those of a file in which an ID is only on the first of its rows.

    >>> is_sparse(["pre_root_id", "post_root_id", "x", "y", "z"]), is_sparse(["pre", "post", "x"])
    (True, False)
    """
    names = [str(name) for name in columns]
    ends = [name for name in names if name not in ("x", "y", "z")]
    return len(names) == 5 and len(ends) == 2 and bool(roles.endpoint_columns(pd.Index(ends)))


def keep_regions(edges: pd.DataFrame, regions: str | Iterable[str]) -> pd.DataFrame:
    """Keep the rows of some regions; warn of regions that no row has.

    >>> edges = pd.DataFrame({"pre": 1, "post": 2, "weight": [10, 6], "roi": ["MB(R)", "a1(R)"]})
    >>> keep_regions(edges, ["MB(R)"]).weight.tolist()
    [10]
    """
    names = [regions] if isinstance(regions, str) else list(regions)
    column = roles.named_column(edges, "roi")
    absent = [name for name in names if not (column == name).any()]
    if absent and len(edges):
        warn(
            f"no row is of the regions {listing(map(repr, absent))}."
            f"{did_you_mean(absent[0], column.dropna().unique())}",
            DoubtfulParameterWarning,
        )
    return rows_of_regions(edges, names)


def rows_of_regions(edges: pd.DataFrame, regions: str | Iterable[str]) -> pd.DataFrame:
    """Keep the rows of some regions.

    >>> edges = pd.DataFrame({"pre": 1, "post": 2, "weight": [10, 6], "roi": ["MB(R)", "a1(R)"]})
    >>> rows_of_regions(edges, "a1(R)").weight.tolist()
    [6]
    """
    names = [regions] if isinstance(regions, str) else list(regions)
    return edges[roles.named_column(edges, "roi").isin(names)]


def edge_roles(
    frame: pd.DataFrame,
    pre: Hashable | None = None,
    post: Hashable | None = None,
    weight: Hashable | None = None,
    roi: Hashable | None = None,
    nt: Hashable | None = None,
) -> tuple[Hashable, Hashable, Hashable | None, Hashable | None, Hashable | None]:
    """Return the columns with the roles of :func:`as_edges`: given, or recognized by name."""
    if pre is None or post is None:
        pairs = [
            pair
            for pair in roles.endpoint_columns(frame.columns)
            if (pre is None or pair[0] == pre) and (post is None or pair[1] == post)
        ]
        if len(pairs) > 1:
            raise AmbiguousColumnError(
                f"several pairs of columns may contain the edges: {listing(map(str, pairs))}. "
                "Choose: pre=..., post=..."
            )
        if not pairs:
            raise MissingColumnsError(_missing_ends_message(frame))
        pre, post = pairs[0]
    if weight == ROWS and ROWS in frame.columns:
        raise AmbiguousColumnError(
            f"weight={ROWS!r} counts rows, and the table has a column {ROWS!r}. Rename the column."
        )
    others = ((weight, roles.WEIGHT_NAMES), (roi, roles.ROI_NAMES), (nt, roles.TRANSMITTER_NAMES))
    weight, roi, nt = (
        name if name is not None else roles.one_of(frame.columns, names, role)
        for (name, names), role in zip(others, ("weight", "roi", "nt"), strict=True)
    )
    return pre, post, weight, roi, nt


def _missing_ends_message(frame: pd.DataFrame) -> str:
    rows, columns = frame.shape
    names = frame.columns.map(str)
    numbers = sum(name.isdigit() for name in names)
    numbered = bool(columns) and numbers >= columns - 1 and list(names) != list(map(str, range(columns)))
    labeled = rows == columns > 0 and set(names) == set(frame.index.map(str))
    if (numbered and columns > 2) or labeled or numbers == columns > 5:
        return f"{MATRIX.format(f'{rows:,} x {columns:,}')} pdneuro.graphs.from_matrix(frame)."
    named = f"no pre- and postsynaptic IDs are recognized among {roles.described_columns(frame)}."
    ids = roles.id_columns(frame)
    if ids:
        return (
            f"{named} This looks like a table of neurons, by {str(ids[0])!r}: .neuro.edges() returns "
            "their edges, and .neuro.graph() their graph. If it contains edges, name the columns: "
            ".neuro.as_edges(pre=..., post=...)."
        )
    starts, ends = ([pair[side] for pair in roles.ENDPOINT_NAMES] for side in (0, 1))
    near = [[name for name in names if did_you_mean(name, known)] for known in (starts, ends)]
    similar = [repr(name) for name in names if name in near[0] + near[1]]
    hint = f" Similar names: {listing(similar)}." if near[0] and near[1] and len(similar) > 1 else ""
    return f"{named} Name them: .neuro.as_edges(pre=..., post=...).{hint}"


def _weights(column: pd.Series[Any]) -> Int64Array:
    """Return non-negative integer weights as int64."""
    return _counts(column, "weights", "weights are numbers of synapses.")


def _counts(column: pd.Series[Any], what: str, advice: str) -> Int64Array:
    """Return a column of non-negative integers as int64."""
    numbers, missing, fault = convert(column)
    if missing is not None and missing.any():
        raise _invalid_counts(column, missing, "missing", what, advice)
    if fault is not None:
        reason = fault.reason
        if fault.lossy or reason == TOO_LARGE:
            advice += f" Check that {column.name!r} is not a column of IDs, hashes or volumes."
        if reason not in (TOO_LARGE, FRACTION):
            reason = f"not {'exact ' if fault.lossy else ''}integers ({reason})"
        raise _invalid_counts(column, fault.rows, reason, what, advice)
    if numbers.size and np.min(numbers) < 0:
        raise _invalid_counts(column, numbers < 0, "negative", what, advice)
    return numbers.copy()


def _invalid_counts(
    column: pd.Series[Any], wrong: npt.NDArray[np.bool_], reason: str, what: str, advice: str
) -> InvalidEdgesError:
    row = int(np.argmax(wrong))
    value = column.iloc[row]
    shown = value.item() if isinstance(value, np.generic) else value
    return InvalidEdgesError(
        f"{int(wrong.sum()):,} {what} in column {column.name!r} are {reason}, the first in row "
        f"{column.index[row]!r} ({shown!r}). Correct them: {advice}"
    )


def require_edges(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame itself if it is an edge table, otherwise the result of :func:`as_edges`."""
    frame = to_pandas(frame)
    columns = [frame[name] if name in frame.columns else None for name in COLUMNS]
    if has_names(frame):
        texts = [
            isinstance(c, pd.Series) and types.is_string_dtype(c.dtype) and not c.isna().any()
            for c in columns[:2]
        ]
        whole = isinstance(columns[2], pd.Series) and columns[2].dtype == np.int64
        return frame if all(texts) and whole else as_edges(frame, nodes=NAMES)
    standard = all(isinstance(c, pd.Series) and c.dtype == np.int64 for c in columns)
    if not standard or ("neuropil" in frame.columns and "roi" not in frame.columns):
        return as_edges(frame)
    if "hop" in frame.columns and isinstance(frame["hop"], pd.Series) and frame["hop"].dtype != np.int64:
        return as_edges(frame)
    lowest = [np.min(frame[name].to_numpy(), initial=1) for name in COLUMNS]
    if min(lowest[:2]) <= 0 or lowest[2] < 0:
        return as_edges(frame)
    for name in ("pre", "post"):  # this function runs before every method, so it checks fewer rows
        require_unrounded(frame[name].to_numpy(), frame[name], name, rows=2**14)
    return frame
