"""The edge table: ``pre``, ``post``, ``weight``, all int64; optional ``roi``, ``nt``, ``hop``."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api import types

from pdneuro._compat import copies_on_write
from pdneuro.errors import (
    AmbiguousColumnError,
    DoubtfulParameterWarning,
    DroppedRowsWarning,
    IncompleteEdgesWarning,
    InconsistentEdgesWarning,
    InvalidEdgesError,
    MissingColumnsError,
    NodeBudgetError,
    did_you_mean,
    listing,
    warn,
)
from pdneuro.tables import roles
from pdneuro.tables.columns import array_of, check_choice, take_or_na
from pdneuro.tables.counts import ROWS, check_rows
from pdneuro.tables.foreign import to_pandas
from pdneuro.tables.grouping import Groups, group_rows, pairs_differ, sums_by_code
from pdneuro.tables.ids import FRACTION, TOO_LARGE, Int64Array, convert, id_array, require_unrounded
from pdneuro.tables.joins import Labels, add_columns, are_labels, labels_of, labels_of_each, lookup
from pdneuro.tables.node_names import NAMES, checked_nodes, has_names, name_array, named_edges
from pdneuro.tables.provenance import facts, inherit, note
from pdneuro.tables.transmitters import largest_score

COLUMNS = ("pre", "post", "weight")
#: Columns of a table of groups that count pairs and neurons.
GROUP_COUNTS = ("n_pairs", "n_pre", "n_post")
#: Default maximum number of neurons to query with several hops.
MAX_NODES = 50_000
#: Column of a table of groups: the weight divided by the number of neurons of the target group.
PER_NEURON = "weight_per_neuron"
#: The end of an edge whose total is the denominator of a share.
END_OF = {"input": "post", "output": "pre"}
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


def collapse(
    edges: pd.DataFrame,
    group_by: Hashable | Sequence[Hashable] | Labels | Mapping[str, Any] | None = None,
    *,
    values: Hashable | Sequence[Hashable] | None = None,
    per_neuron: bool = False,
    roi: bool = False,
    regions: str | Iterable[str] | None = None,
    dropna: bool = False,
    sort: bool = False,
    observed: bool = True,
) -> pd.DataFrame:
    """Sum the rows of each pair of neurons, or of each pair of groups.

    Parameters
    ----------
    edges : DataFrame
        An edge table.
    group_by : hashable, list, mapping or Series, optional
        Columns of the neurons to group by: ``"type"`` means ``type_pre`` and ``type_post``, which
        :func:`annotate` adds; ``"type_pre"`` means this column alone. Or a label for each ID. Or one of
        these for each end: ``{"post": "type"}`` groups the postsynaptic neurons and keeps each
        presynaptic neuron. Default: pairs of neurons.
    values : hashable or list, optional
        Further columns of numbers to sum, such as ``"signed_weight"``. A missing number counts as 0.
    per_neuron : bool, default False
        Add ``weight_per_neuron``, with ``group_by``.
    roi : bool, default False
        Sum each region separately: one row per pair and region.
    regions : str or list of str, optional
        Regions to sum, by ``roi``. They must not overlap: if one is a part of another, its synapses
        count twice. Default: all.
    dropna, sort, observed : bool, default False, False, True
        As in :meth:`pandas.DataFrame.groupby`: drop groups with a missing label; sort by the labels;
        without ``observed``, categories without rows have the weight 0.

    Returns
    -------
    DataFrame
        In order of first appearance. Pairs: ``pre, post, weight`` (int64), with ``roi=True`` also
        ``roi``; ``hop`` is the smallest of the pair. Groups: ``{column}_pre, {column}_post`` for
        each column, ``weight``, and the numbers of pairs, of presynaptic and of postsynaptic neurons
        that have an edge: ``n_pairs, n_pre, n_post`` (int64). The columns ``values`` (int64 or float64)
        follow ``weight``. ``weight_per_neuron`` (float64) is the weight divided by the number of
        neurons in the postsynaptic group. Neurons without a label have the label NA.

    Raises
    ------
    MissingColumnsError
        A column to group by or to sum, or the column of regions, does not exist.
    InvalidEdgesError
        A column of ``values`` does not contain numbers, or its sum exceeds 64 bits.

    Notes
    -----
    ``n_pre`` and ``n_post`` count connected neurons, as ``cf_partner_summary`` of coconatfly does.
    ``weight_per_neuron`` also counts the neurons of the postsynaptic group that receive nothing from the
    presynaptic group, if the table has an edge of them at either end.

    Examples
    --------
    >>> from pdneuro.tables import collapse
    >>> edges = pd.DataFrame({"pre": [1, 1, 2], "post": [2, 2, 1], "weight": [3, 4, 5]})
    >>> collapse(edges)
       pre  post  weight
    0    1     2       7
    1    2     1       5
    >>> collapse(edges, group_by={1: "sensory", 2: "motor"})
      group_pre group_post  weight  n_pairs  n_pre  n_post
    0   sensory      motor       7        1      1       1
    1     motor    sensory       5        1      1       1
    >>> collapse(edges, group_by={"post": {1: "sensory", 2: "motor"}})
       pre group_post  weight  n_pairs  n_pre  n_post
    0    1      motor       7        1      1       1
    1    2    sensory       5        1      1       1
    """
    edges = require_edges(edges)
    if regions is not None:
        edges = keep_regions(edges, regions)
    names = value_columns(edges, values)
    split = ["roi"] if roi else []
    if group_by is None:
        if per_neuron:
            raise ValueError("per_neuron=True requires group_by=...")
        keys: list[Any] = ["pre", "post", *split]
        edges = with_numbers(edges, names)
        return arranged(sum_rows(edges, keys, also=names), keys, dropna, sort, observed)
    edges, labels = with_labels(edges, group_by)
    groups = list(dict.fromkeys([*labels, *split]))
    totals = sum_pairs(pairs_of_groups(edges, groups, names), groups, names)
    if per_neuron:
        totals = with_weight_per_neuron(totals, edges, group_by, labels)
    return arranged(totals, groups, dropna, sort, observed)


def with_weight_per_neuron(
    totals: pd.DataFrame, edges: pd.DataFrame, group_by: Any, labels: Sequence[Any]
) -> pd.DataFrame:
    """Add the weight divided by the number of neurons of the target group.

    ``edges`` has each neuron with its labels, at each end at which it has an edge.
    """
    edges, _ = with_labels(edges, group_by)
    sizes = _target_sizes(edges, labels, group_by, totals)
    return inherit(totals.assign(**{PER_NEURON: totals["weight"].to_numpy() / sizes}), totals)


def value_columns(edges: pd.DataFrame, values: Any) -> list[Any]:
    """Return the columns of numbers to sum in addition to ``weight``."""
    names = list(values) if isinstance(values, list | tuple | pd.Index) else [values]
    names = [name for name in dict.fromkeys(names) if name is not None and name != "weight"]
    for name in names:
        if name in (*GROUP_COUNTS, PER_NEURON):
            raise AmbiguousColumnError(f"the result has its own column {name!r}. Rename yours.")
        if name in ("pre", "post", "hop", "roi"):
            raise InvalidEdgesError(f"column {name!r} has another role and cannot be summed.")
        numbers(edges, name)
    return names


def numbers(edges: pd.DataFrame, name: Hashable) -> npt.NDArray[Any]:
    """Return a column of numbers as int64 or float64, 0 where one is missing.

    >>> numbers(pd.DataFrame({"share": pd.array([0.5, None], "Float64")}), "share").tolist()
    [0.5, 0.0]
    """
    column = roles.named_column(edges, name)
    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        raise InvalidEdgesError(f"column {name!r} must contain numbers, not {column.dtype}.")
    if pd.api.types.is_integer_dtype(column):
        if pd.api.types.is_unsigned_integer_dtype(column) and len(column) and column.max() >= 2**63:
            raise InvalidEdgesError(f"column {name!r} has the number {column.max()}, beyond 64 bits.")
        return column.fillna(0).to_numpy(dtype=np.int64)
    return column.to_numpy(dtype=np.float64, na_value=0.0)


def with_numbers(edges: pd.DataFrame, names: Sequence[Any]) -> pd.DataFrame:
    """Return the edges with these columns as int64 or float64, without missing values."""
    if not names:
        return edges
    return add_columns(edges, {name: numbers(edges, name) for name in names}, overwrite=True)


def is_by_end(group_by: object) -> bool:
    """Return whether groups are given for each end of an edge, not a label for each ID.

    >>> is_by_end({"post": "type"}), is_by_end({12: "KC"})
    (True, False)
    """
    return isinstance(group_by, Mapping) and len(group_by) > 0 and set(group_by) <= set(ENDS)


def with_labels(edges: pd.DataFrame, group_by: Any) -> tuple[pd.DataFrame, list[Any]]:
    """Return the edges with the labels to group by, and the names of the columns to group by."""
    if not is_by_end(group_by):
        if are_labels(group_by):
            name = getattr(group_by, "name", None) or "group"
            edges = add_columns(edges, _at_both_ends(name, edges, group_by), overwrite=True)
            group_by = name
        return edges, group_columns(edges, _listed(group_by))
    columns: list[Any] = []
    for end, suffix in ENDS.items():
        chosen = group_by.get(end)
        if chosen is None:
            columns.append(end)
        elif are_labels(chosen):
            name = getattr(chosen, "name", None) or "group"
            label = labels_of(edges[end].to_numpy(), chosen)
            edges = add_columns(edges, {f"{name}{suffix}": label}, overwrite=True)
            columns.append(f"{name}{suffix}")
        else:
            columns += [_column_of_end(edges, name, suffix) for name in _listed(chosen)]
    return edges, list(dict.fromkeys(columns))


def group_names(group_by: Any) -> list[Any]:
    """Return the columns of neurons that ``group_by`` names, without ``_pre`` and ``_post``.

    >>> group_names(["type_pre", "side"]), group_names({"post": "type"}), group_names({12: "KC"})
    (['type', 'side'], ['type'], [])
    """
    chosen = list(group_by.values()) if is_by_end(group_by) else [group_by]
    names = [name for one in chosen if one is not None and not are_labels(one) for name in _listed(one)]
    return [
        name.removesuffix("_pre").removesuffix("_post") if isinstance(name, str) else name
        for name in names
    ]


def _listed(names: Any) -> list[Any]:
    return list(names) if isinstance(names, list | tuple | pd.Index) else [names]


def _column_of_end(edges: pd.DataFrame, name: Hashable, suffix: str) -> str:
    """Return the column of labels of one end: ``{name}_post``, or the name if it ends so."""
    if name in edges.columns and str(name).endswith(suffix):
        return str(name)
    return label_columns(edges, [name], [suffix])[0]


def pairs_of_groups(
    edges: pd.DataFrame, groups: Sequence[Any], values: Sequence[Any] = ()
) -> pd.DataFrame:
    """Return one row per pair of neurons and group, with both IDs, the labels and the sums."""
    # Other columns, such as the transmitter, may differ between the rows of a pair.
    of_rows = [name for name in groups if not str(name).endswith(("_pre", "_post"))]
    keys = list(dict.fromkeys(["pre", "post", *of_rows]))
    of_ends = [name for name in groups if name not in keys]
    members = None
    if pairs_differ(edges["pre"].to_numpy(), edges["post"].to_numpy()):  # each row is a group
        members = Groups(np.arange(len(edges)), np.arange(len(edges)))
    return sum_rows(
        with_numbers(edges, values), keys, keep=of_ends, also=values, hop=False, members=members
    )


def sum_pairs(
    pairs: pd.DataFrame, groups: Sequence[Any], values: Sequence[Any] = (), *, count: bool = True
) -> pd.DataFrame:
    """Return one row per group with its sums, and with ``count`` the numbers of pairs and neurons."""
    keys = [pairs[name] for name in groups]
    members = group_rows(*keys)
    totals = sum_rows(pairs, groups, also=values, hop=False, members=members)
    if not count:
        return totals
    # Groups are numbered in the order of their first rows, which is that of the totals.
    is_first = np.zeros(len(pairs), bool)
    is_first[members.first] = True
    order = np.cumsum(is_first)[members.first] - 1
    group = np.empty(len(pairs), np.int64)
    group[members.rows] = np.repeat(order, members.sizes)
    counts = [np.bincount(group, minlength=len(order))]
    for end in ("pre", "post"):
        codes, distinct = pd.factorize(pairs[end].to_numpy())
        neurons = np.sort(group * max(len(distinct), 1) + codes)
        first = np.ones(len(neurons), bool)
        np.not_equal(neurons[1:], neurons[:-1], out=first[1:])
        counts.append(np.bincount(neurons[first] // max(len(distinct), 1), minlength=len(order)))
    named = dict(zip(GROUP_COUNTS, counts, strict=True))
    return inherit(totals.assign(**named).astype(dict.fromkeys(GROUP_COUNTS, "int64")), totals)


def _target_sizes(
    edges: pd.DataFrame, labels: Sequence[Any], group_by: Any, totals: pd.DataFrame
) -> npt.NDArray[np.int64]:
    """Return the number of neurons in the postsynaptic group of each row of a table of groups."""
    targets = [name for name in labels if str(name).endswith("_post")]
    if "post" in labels:
        return np.ones(len(totals), np.int64)
    if not targets:
        raise ValueError(
            "per_neuron=True requires groups of postsynaptic neurons, but group_by= has only "
            f"{listing(map(repr, labels))}."
        )
    stems = [name.removesuffix("_post") for name in targets]
    if is_by_end(group_by) and are_labels(group_by["post"]):
        both_ends = _at_both_ends(stems[0], edges, group_by["post"])
        edges = add_columns(edges, both_ends, overwrite=True)
    parts = []
    for end, suffix in ENDS.items():
        names = [f"{stem}{suffix}" for stem in stems]
        if set(names) <= set(edges.columns):
            first = group_rows(edges[end], *(edges[name] for name in names)).first
            parts.append(
                edges[[end, *names]].iloc[first].set_axis(["id", *stems], axis=1).astype(object)
            )
    both = pd.concat([*parts, totals[targets].set_axis(stems, axis=1).astype(object)], ignore_index=True)
    members = group_rows(*(both[stem] for stem in stems))
    group = np.empty(len(both), np.int64)
    group[members.rows] = np.repeat(np.arange(len(members.starts)), members.sizes)
    neurons = len(both) - len(totals)
    once = group_rows(pd.Series(group[:neurons]), both["id"].iloc[:neurons]).first
    sizes = np.bincount(group[:neurons][once], minlength=len(members.starts))
    return np.asarray(sizes[group[neurons:]], np.int64)


def arranged(
    totals: pd.DataFrame, keys: list[Any], dropna: bool, sort: bool, observed: bool
) -> pd.DataFrame:
    """Return one row per group: without missing keys, sorted, or with all categories."""
    result = totals
    if dropna and len(result):
        result = result[result[keys].notna().all(axis=1)]
    if not observed and any(isinstance(result[key].dtype, pd.CategoricalDtype) for key in keys):
        result = with_all_categories(result, keys)
    if sort:
        result = result.sort_values(keys, kind="stable")
    return totals if result is totals else inherit(result.reset_index(drop=True), totals)


def with_all_categories(totals: pd.DataFrame, keys: list[Any]) -> pd.DataFrame:
    """Append a row of zeros for each combination of keys that has no row.

    >>> totals = pd.DataFrame({"type": pd.Categorical(["KC"], ["KC", "MBON"]), "weight": [3]})
    >>> with_all_categories(totals, ["type"]).weight.tolist()
    [3, 0]
    """
    codes, levels = [], []
    for key in keys:
        column = totals[key]
        if isinstance(column.dtype, pd.CategoricalDtype):
            level = pd.Series(
                pd.Categorical(column.cat.categories, dtype=column.dtype), dtype=column.dtype
            )
            code = column.cat.codes.to_numpy(np.int64)
            if (code < 0).any():
                level = pd.concat([level, column[code < 0].iloc[:1]], ignore_index=True)
                code = np.where(code < 0, len(level) - 1, code)
        else:
            code, _ = pd.factorize(array_of(column), use_na_sentinel=False)
            level = column[~pd.Series(code, column.index).duplicated()].reset_index(drop=True)
        codes.append(code)
        levels.append(level)
    shape = tuple(map(len, levels))
    present = np.ravel_multi_index(tuple(codes), shape)
    absent = np.unravel_index(np.setdiff1d(np.arange(math.prod(shape)), present), shape)
    rows = np.concatenate([np.arange(len(totals)), np.full(len(absent[0]), -1)])
    columns: dict[Any, Any] = {}
    for name in totals.columns:
        if name in keys:
            place = keys.index(name)
            both = np.concatenate([codes[place], absent[place]])
            columns[name] = take_or_na(array_of(levels[place]), both)
        else:
            columns[name] = np.append(totals[name].to_numpy(), 0)[rows]
    return pd.DataFrame(columns)


def group_columns(edges: pd.DataFrame, names: Sequence[Any]) -> list[Any]:
    """Return the columns to group by: first those of presynaptic neurons, then of postsynaptic ones.

    A name is the stem of two columns (``"type"`` of ``type_pre`` and ``type_post``), or a column.

    >>> edges = pd.DataFrame(columns=["pre", "post", "weight", "type_pre", "type_post", "nt"])
    >>> group_columns(edges, ["type", "nt"]), group_columns(edges, ["type_pre"])
    (['type_pre', 'type_post', 'nt'], ['type_pre'])
    """
    starts: list[Any] = []
    ends: list[Any] = []
    others: list[Any] = []
    for name in names:
        pre, post = f"{name}_pre", f"{name}_post"
        if name in edges.columns and not (pre in edges.columns and post in edges.columns):
            side = (
                starts if str(name).endswith("_pre") else ends if str(name).endswith("_post") else others
            )
            side.append(name)
        else:
            pre, post = label_columns(edges, [name])
            starts.append(pre)
            ends.append(post)
    return list(dict.fromkeys([*starts, *ends, *others]))


#: Suffix of the columns of each end of an edge.
ENDS = {"pre": "_pre", "post": "_post"}


def label_columns(
    edges: pd.DataFrame, stems: Sequence[Any], ends: Sequence[str] = ("_pre", "_post")
) -> list[str]:
    """Return the columns with labels: all ``_pre`` columns, then all ``_post`` columns."""
    names = [f"{stem}{end}" for end in ends for stem in stems]
    for name in names:
        if name not in edges.columns:
            raise MissingColumnsError(
                f"grouping by {listing(map(repr, stems))} requires a column {name!r}. Add it "
                f"with .neuro.annotate(neurons, {str(stems[0])!r}), or pass a label for each ID."
                f"{did_you_mean(name, edges.columns)}"
            )
    return names


def sum_rows(
    edges: pd.DataFrame,
    keys: Sequence[Hashable],
    *,
    keep: Sequence[Hashable] = (),
    also: Sequence[Hashable] = (),
    hop: bool = True,
    members: Groups | None = None,
) -> pd.DataFrame:
    """Return one row per combination of keys: sums of ``weight`` and ``also``, the smallest ``hop``.

    Columns ``keep`` have the first value. ``members`` are the rows of each combination, if known.
    """
    missing = [name for name in keys if name not in edges.columns]
    if missing:
        raise MissingColumnsError(
            f"there is no column {missing[0]!r} among {listing(map(repr, edges.columns), 12)}."
            f"{did_you_mean(missing[0], edges.columns)}"
        )
    least = ["hop"] if hop and "hop" in edges.columns else []
    names = list(dict.fromkeys([*keys, "weight", *also, *least, *keep]))
    for name in ("weight", *also):
        check_total(edges, name)
    groups = members or group_rows(*(edges[key] for key in keys), ordered=False)
    if len(groups.starts) == len(edges):
        result = edges[names].reset_index(drop=True)
    else:
        # Each total is written to the first row of its group, which keeps the order without sorting.
        first = groups.first
        is_first = np.zeros(len(edges), bool)
        is_first[first] = True
        result = edges.loc[is_first, names].reset_index(drop=True)
        for name in ("weight", *also, *least):
            reduce = np.minimum if name in least else np.add
            column = edges[name].to_numpy()
            total = np.zeros(len(edges), column.dtype)
            total[first] = reduce.reduceat(column[groups.rows], groups.starts)
            result[name] = total[is_first]
    return inherit(result, edges)


def check_total(edges: pd.DataFrame, name: Hashable = "weight") -> None:
    """Raise an error if the sum of a column exceeds 64-bit integers, as these overflow silently."""
    column = edges[name].to_numpy()
    if column.dtype.kind == "f":
        return
    # Only weights are known to be positive.
    sizes = column if name == "weight" else np.abs(column.astype(np.float64))
    require_total(float(sizes.sum(dtype=np.float64)), name)


def require_total(total: float, name: Hashable = "weight") -> None:
    """Raise an error if the sum of a column does not fit into 64 bits."""
    if total >= 2.0**63:
        which = "weights" if name == "weight" else f"column {name!r}"
        raise InvalidEdgesError(
            f"the sum of the {which}, {total:.3g}, is too large for 64 bits. Check that {name!r} "
            "is not a column of IDs."
        )


def threshold(
    edges: pd.DataFrame, min_weight: float, per: str = "pair", *, of: str | None = None
) -> pd.DataFrame:
    """Keep the edges of at least ``min_weight`` synapses (``>=``), or of at least a share of the input.

    Parameters
    ----------
    edges : DataFrame
        An edge table.
    min_weight : int or float
        Minimum number of synapses; with ``of`` the minimum share, from 0 to 1.
    per : {"pair", "row"}, default "pair"
        Compare the sum over all rows of a pair, or each row. They differ if a pair has several rows,
        such as one row per region.
    of : {None, "input", "output"}, default None
        Compare the share of all input of the postsynaptic neuron, or of all output of the presynaptic
        neuron, that the table contains.

    Returns
    -------
    DataFrame
        The remaining rows, with their index and all columns. ``attrs["pdneuro"]`` stores the threshold:
        ``min_weight``, or ``min_share`` and ``min_share_of``.

    Raises
    ------
    ValueError
        The threshold is not a whole number, or with ``of`` not a share from 0 to 1.

    Warns
    -----
    IncompleteEdgesWarning
        With ``of``: the table is known to lack edges, so that the shares are too large.

    Notes
    -----
    Shares are those of :func:`fractions` with ``total="present"``, before any row is dropped. For shares
    of all synapses that the source counts, use ``fractions(total="source")`` and select by the column.

    Examples
    --------
    >>> from pdneuro.tables import threshold
    >>> edges = pd.DataFrame({"pre": [1, 1, 2], "post": [2, 2, 1], "weight": [3, 4, 5]})
    >>> threshold(edges, 6)
       pre  post  weight
    0    1     2       3
    1    1     2       4
    >>> threshold(edges, 0.5, per="row", of="input")
       pre  post  weight
    1    1     2       4
    2    2     1       5
    """
    edges = require_edges(edges)
    if per not in ("pair", "row"):
        raise ValueError(f"per must be 'pair' or 'row', not {per!r}.")
    weight = edges["weight"].to_numpy()
    if of is not None:
        return _threshold_of_share(edges, min_weight, per, of)
    min_weight = whole_threshold(min_weight)
    strong = weight >= min_weight
    if per == "pair" and not strong.all():
        strong = pair_weights(edges) >= min_weight
    kept = edges.copy(deep=not copies_on_write()) if strong.all() else edges[strong]
    return note(kept, min_weight=max(min_weight, least_weight(edges)))


def pair_weights(edges: pd.DataFrame) -> Int64Array:
    """Return the weight of the pair of each row.

    >>> pair_weights(pd.DataFrame({"pre": [1, 1, 2], "post": [2, 2, 1], "weight": [3, 4, 5]})).tolist()
    [7, 7, 5]
    """
    if pairs_differ(edges["pre"].to_numpy(), edges["post"].to_numpy()):
        return edges["weight"].to_numpy()
    groups = group_rows(edges["pre"], edges["post"], ordered=False)
    totals = np.empty(len(edges), np.int64)
    if len(edges):
        sums = np.add.reduceat(edges["weight"].to_numpy()[groups.rows], groups.starts)
        totals[groups.rows] = np.repeat(sums, groups.sizes)
    return totals


def _threshold_of_share(edges: pd.DataFrame, share: Any, per: str, of: str) -> pd.DataFrame:
    check_choice("of", of, (None, *END_OF))
    share = as_share(share, "min_weight")
    codes, ids = pd.factorize(edges[END_OF[of]].to_numpy())
    warn_of_missing_edges(edges, of, len(ids))
    weight = edges["weight"].to_numpy()
    totals = sums_by_code(codes, weight, len(ids))[codes]
    if per == "pair":
        weight = pair_weights(edges)
    # A quotient is rounded once, so that 1 of 100 synapses is exactly the share 0.01.
    strong = weight / np.maximum(totals, 1) >= share
    kept = edges.copy(deep=not copies_on_write()) if strong.all() else edges[strong]
    before = facts(edges)
    if share == 0 or (before.get("min_share_of") == of and before.get("min_share", 0) >= share):
        return kept
    return note(kept, min_share=share, min_share_of=of)


def as_share(share: Any, name: str) -> float:
    """Return a share from 0 to 1 as a float, or raise an error.

    >>> as_share(1, "cover")
    1.0
    """
    number = isinstance(share, int | float | np.integer | np.floating) and not isinstance(share, bool)
    if not number or not 0 <= share <= 1:
        raise ValueError(f"{name} must be a share from 0 to 1, such as 0.01 for 1 %, not {share!r}.")
    return float(share)


def warn_of_missing_edges(edges: pd.DataFrame, of: str, neurons: int) -> None:
    """Warn if rows are known to be missing, since sums over the rows are then too small."""
    provenance = facts(edges)
    reasons = []
    if least_weight(edges) > 1:
        reasons.append(f"pairs of fewer than {least_weight(edges)} synapses were dropped")
    if "min_share" in provenance:
        share, side = provenance["min_share"], provenance.get("min_share_of", "input")
        reasons.append(f"edges of less than {share:g} of the {side} were dropped")
    # Only neurons whose upstream edges were requested have all their inputs.
    side = "upstream" if of == "input" else "downstream"
    if provenance.get("within"):
        reasons.append("the table contains only edges among some neurons")
    elif provenance.get("direction") not in (None, side, "both"):
        reasons.append(f"only {provenance['direction']} edges were requested")
    elif provenance.get("direction") == "both" and neurons > int(provenance.get("asked", neurons)):
        reasons.append(f"{neurons - int(provenance['asked']):,} of the neurons were not queried")
    if reasons:
        warn(
            f"these fractions are of the edges in the table, not of all {of}: {listing(reasons)}. For "
            f"totals of the source, use .neuro.fractions({of!r}, total='source'), or pass total=series.",
            IncompleteEdgesWarning,
        )


def whole_threshold(min_weight: Any) -> int:
    """Return a minimum number of synapses as an integer, or raise an error.

    >>> whole_threshold(5.0)
    5
    """
    number = isinstance(min_weight, int | float | np.integer | np.floating)
    if not number or isinstance(min_weight, bool) or not min_weight >= 0 or min_weight % 1:
        raise ValueError(
            f"min_weight must be a whole number of synapses, 0 or more, not {min_weight!r}. For another "
            "threshold at the next hop, call .neuro.expand(min_weight=...); for a share of the input, "
            'call .neuro.threshold(0.01, of="input").'
        )
    return int(min_weight)


def least_weight(edges: pd.DataFrame) -> int:
    """Return the threshold of the table, as stored in its provenance; 1 if there is none."""
    return int(facts(edges).get("min_weight", 1))


def check_budget(hop: int, count: int, counts: list[int], max_nodes: int, min_weight: int) -> None:
    """Raise an error if a hop would query too many neurons; ``counts`` are those of the hops before."""
    total = sum(counts) + count
    if total > max_nodes:
        before = f" (so far {' + '.join(f'{n:,}' for n in counts)})" if counts else ""
        raise NodeBudgetError(
            f"hop {hop} would query {count:,} neurons, {total:,} in total{before}: more than "
            f"max_nodes={max_nodes:,}. Raise min_weight (now {min_weight}), follow fewer hops, or "
            "pass a larger max_nodes."
        )


def direction_of(upstream: bool, downstream: bool) -> str:
    """Return the word for the directions, as provenance stores it."""
    if not (upstream or downstream):
        raise ValueError("upstream and downstream are both False. Set one or both to True.")
    return "both" if upstream and downstream else "upstream" if upstream else "downstream"


def annotate(
    edges: pd.DataFrame,
    nodes: pd.DataFrame | Labels,
    columns: Hashable | Sequence[Hashable] | None = None,
    *,
    on: Hashable | None = None,
    suffixes: Sequence[str | None] = ("_pre", "_post"),
    overwrite: bool = False,
) -> pd.DataFrame:
    """Add columns of the neurons for both ends of each edge.

    Parameters
    ----------
    edges : DataFrame
        An edge table.
    nodes : DataFrame, Series or mapping
        A table with one row per neuron, also of DuckDB, polars or pyarrow; or a label for each ID.
    columns : hashable or list, optional
        Columns of ``nodes``. Default: all but the IDs.
    on : hashable, optional
        Column of ``nodes`` that holds the IDs. Default: recognized by a name such as ``root_id``.
    suffixes : two str, default ("_pre", "_post")
        Text after the names of the new columns, which differs between the two ends.
    overwrite : bool, default False
        Replace existing columns of the same names. A column that exists with equal values is kept.

    Returns
    -------
    DataFrame
        The edges, row by row, with ``{column}_pre`` and ``{column}_post``: NA if a neuron is not in
        ``nodes``. Integers stay integers (``Int64`` if something is missing).

    Raises
    ------
    MissingColumnsError, AmbiguousColumnError
        A column does not exist, or no column of IDs is recognized, or several are.
    ValueError
        A neuron appears in several rows of ``nodes``.
    ColumnExistsError
        A new column already exists in the table with other values.

    Examples
    --------
    >>> from pdneuro.tables import annotate
    >>> edges = pd.DataFrame({"pre": [1, 2], "post": [2, 1], "weight": [3, 5]})
    >>> neurons = pd.DataFrame({"root_id": [1, 2], "type": ["KC", "MBON"]})
    >>> annotate(edges, neurons, "type")
       pre  post  weight type_pre type_post
    0    1     2       3       KC      MBON
    1    2     1       5     MBON        KC
    """
    edges = require_edges(edges)
    ends = checked_suffixes(suffixes)
    nodes = to_pandas(nodes)
    if not isinstance(nodes, pd.DataFrame):
        name = columns if isinstance(columns, Hashable) and columns else getattr(nodes, "name", None)
        added = _at_both_ends(name or "group", edges, nodes, ends)
        return add_columns(edges, added, overwrite=overwrite, rename="suffixes=...")
    ids = roles.id_column(nodes, on)
    if columns is None:
        columns = [name for name in nodes.columns if name != ids.name]
    names = list(columns) if isinstance(columns, list | tuple | pd.Index) else [columns]
    labels = {name: roles.named_column(nodes, name) for name in names}
    values = lookup([edges[end].to_numpy() for end in ends], ids, labels)
    added = {
        f"{name}{suffix}": found[name]
        for name in names
        for suffix, found in zip(ends.values(), values, strict=True)
    }
    return add_columns(edges, added, overwrite=overwrite, rename="suffixes=...")


def checked_suffixes(suffixes: Any) -> dict[str, str]:
    """Return the suffix of each end of an edge, or of each of two tables."""
    given = suffixes if isinstance(suffixes, Iterable) and not isinstance(suffixes, str) else ()
    texts = ["" if text is None else text for text in given]
    if len(texts) != 2 or texts[0] == texts[1] or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"suffixes must be two different texts, not {suffixes!r}.")
    return {"pre": texts[0], "post": texts[1]}


def _at_both_ends(
    name: Hashable, edges: pd.DataFrame, labels: Labels, ends: Mapping[str, str] = ENDS
) -> dict[str, Any]:
    found = labels_of_each([edges[end].to_numpy() for end in ends], labels)
    return {f"{name}{suffix}": values for suffix, values in zip(ends.values(), found, strict=True)}
