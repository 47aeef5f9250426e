"""The edge table: ``pre``, ``post``, ``weight``, all int64; optional ``roi``, ``nt``, ``hop``."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pdneuro._compat import copies_on_write
from pdneuro.errors import (
    AmbiguousColumnError,
    DroppedRowsWarning,
    InvalidEdgesError,
    MissingColumnsError,
    did_you_mean,
    listing,
    warn,
)
from pdneuro.tables import roles
from pdneuro.tables.grouping import group_rows, pairs_differ
from pdneuro.tables.ids import Int64Array, id_array
from pdneuro.tables.joins import Labels, add_columns, are_labels, labels_of, lookup
from pdneuro.tables.provenance import facts, inherit, note

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
    nt: Hashable | None = None,
) -> pd.DataFrame:
    """Bring an edge table of any known dialect to ``pre``, ``post``, ``weight``.

    Parameters
    ----------
    frame : DataFrame
        Edges, or synapses: without a weight column each row counts one.
    pre, post, weight, roi, nt : hashable, optional
        Columns that play the role; ``nt`` is the transmitter. Default: recognised by name.

    Returns
    -------
    DataFrame
        ``pre, post, weight`` (int64, synapses), then ``roi`` and ``nt`` where they are there, then the
        other columns; one that is called ``pre`` though another was chosen is ``pre_original``. The
        index is kept, unless it holds the ends. Rows without a start or an end are left out with a
        warning.

    Raises
    ------
    MissingColumnsError, AmbiguousColumnError
        No columns, or several, may play a role; an adjacency matrix is no edge table.
    InvalidEdgesError
        Weights that are no whole numbers, negative, or missing.
    InvalidIdError, PrecisionLossError
        Endpoints that are no exact IDs.

    Examples
    --------
    >>> from pdneuro.tables import as_edges
    >>> as_edges(pd.DataFrame({"source": ["12"], "target": ["15"], "syn_count": [3.0]}))
       pre  post  weight
    0   12    15       3
    """
    if not set(frame.index.names) <= {None} and not roles.endpoint_columns(frame.columns):
        # groupby(["pre", "post"]).sum() leaves the ends in the index.
        levels = [name for name in frame.index.names if name is not None]
        if roles.endpoint_columns(pd.Index(levels)):
            frame = frame.reset_index()
    pre, post, weight, roi, nt = edge_roles(frame, pre, post, weight, roi, nt)
    starts, no_start = id_array(roles.named_column(frame, pre))
    ends, no_end = id_array(roles.named_column(frame, post))
    weights = (
        np.ones(len(frame), np.int64) if weight is None else _weights(roles.named_column(frame, weight))
    )
    edges = edge_table(starts.copy(), ends.copy(), weights).set_axis(frame.index)
    taken = [name for name in (pre, post, weight) if name is not None]
    rest = frame.drop(columns=[name for name in taken if name in frame.columns])
    optional = {old: new for old, new in ((roi, "roi"), (nt, "nt")) if old is not None}
    others = rest.columns.drop(list(optional))
    # Where others were chosen, columns with the standard names must not pass for them.
    passed_over = others.intersection([*COLUMNS, *optional.values()])
    renamed: dict[Hashable, Hashable] = {
        **optional,
        **{name: f"{name}_original" for name in passed_over},
    }
    rest = rest[[*optional, *others]].rename(columns=renamed)
    edges = pd.concat([edges, rest], axis=1)
    inherit(edges, frame)
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


def edge_roles(
    frame: pd.DataFrame,
    pre: Hashable | None = None,
    post: Hashable | None = None,
    weight: Hashable | None = None,
    roi: Hashable | None = None,
    nt: Hashable | None = None,
) -> tuple[Hashable, Hashable, Hashable | None, Hashable | None, Hashable | None]:
    """Columns that play the roles of :func:`as_edges`: those given, else recognised by name."""
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
            raise MissingColumnsError(_no_ends(frame))
        pre, post = pairs[0]
    given = ((weight, roles.WEIGHT_NAMES), (roi, roles.ROI_NAMES), (nt, roles.TRANSMITTER_NAMES))
    weight, roi, nt = (
        name if name is not None else roles.one_of(frame.columns, names, role)
        for (name, names), role in zip(given, ("weight", "roi", "nt"), strict=True)
    )
    return pre, post, weight, roi, nt


def _no_ends(frame: pd.DataFrame) -> str:
    rows, columns = frame.shape
    names = frame.columns.map(str)
    numbered = bool(columns) and all(name.isdigit() for name in names)
    if (rows == columns > 0 and (numbered or set(names) == set(frame.index.map(str)))) or (
        numbered and columns > 5
    ):
        return (
            f"this looks like an adjacency matrix ({rows:,} x {columns:,}), not like an edge table. "
            "Make edges of it first: pdneuro.graphs.from_matrix(frame)."
        )
    known = [name for pair in roles.ENDPOINT_NAMES for name in pair]
    alike = [repr(name) for name in frame.columns if did_you_mean(name, known)]
    near = f" The nearest are {listing(alike)}." if alike else ""
    return (
        f"no start and end of edges recognised among {listing(map(repr, frame.columns), 12)}. "
        f"Name them: pre=..., post=...{near}"
    )


def _weights(column: pd.Series[Any]) -> Int64Array:
    """Whole, non-negative weights as int64."""
    missing = column.isna()
    if missing.any():
        raise _invalid_weights(column, missing, "missing")
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    if pd.api.types.is_object_dtype(column) or pd.api.types.is_string_dtype(column):
        numbers = pd.to_numeric(column.astype(object), errors="coerce")
        if numbers.isna().any():
            raise _invalid_weights(column, numbers.isna(), "not whole numbers")
        column = numbers
    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        raise InvalidEdgesError(f"the weights in {column.name!r} are {column.dtype}, not whole numbers.")
    if pd.api.types.is_float_dtype(column) and (column % 1 != 0).any():
        raise _invalid_weights(column, column % 1 != 0, "not whole numbers")
    if (column < 0).any():
        raise _invalid_weights(column, column < 0, "negative")
    return column.to_numpy(dtype=np.int64)


def _invalid_weights(column: pd.Series[Any], wrong: pd.Series[bool], reason: str) -> InvalidEdgesError:
    row = int(np.argmax(wrong.to_numpy(bool)))
    value = column.iloc[row]
    shown = value.item() if isinstance(value, np.generic) else value
    return InvalidEdgesError(
        f"{int(wrong.sum()):,} weights in {column.name!r} are {reason}, the first at row "
        f"{column.index[row]!r} ({shown!r}). Edge weights are numbers of synapses."
    )


def require_edges(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame itself when it is an edge table, else what :func:`as_edges` makes of it."""
    columns = [frame[name] if name in frame.columns else None for name in COLUMNS]
    standard = all(isinstance(c, pd.Series) and c.dtype == np.int64 for c in columns)
    if not standard or ("neuropil" in frame.columns and "roi" not in frame.columns):
        return as_edges(frame)
    lowest = [np.min(frame[name].to_numpy(), initial=1) for name in COLUMNS]
    return frame if min(lowest[:2]) > 0 and lowest[2] >= 0 else as_edges(frame)


def collapse(
    edges: pd.DataFrame,
    group_by: Hashable | Sequence[Hashable] | Labels | None = None,
    *,
    roi: bool = False,
) -> pd.DataFrame:
    """Sum the rows of each pair of neurons, or of each pair of groups, to one.

    Parameters
    ----------
    edges : DataFrame
        An edge table.
    group_by : hashable, list, mapping or Series, optional
        Columns of the neurons to group by: ``"type"`` means ``type_pre`` and ``type_post``, which
        :func:`annotate` adds. Or a label for each ID. Default: each neuron by itself.
    roi : bool
        Keep the regions apart: one row a pair and region.

    Returns
    -------
    DataFrame
        In order of first appearance. Pairs: ``pre, post, weight`` (int64), ``roi`` on request; ``hop``,
        where there is one, is the smallest of the pair. Groups: ``{column}_pre, {column}_post`` for
        each column, ``weight`` and ``n_pairs`` (int64, pairs of neurons with an edge). Neurons without
        a label are gathered under NA.

    Raises
    ------
    MissingColumnsError
        The edges are not annotated with a column to group by, or have no regions.

    Examples
    --------
    >>> from pdneuro.tables import collapse
    >>> edges = pd.DataFrame({"pre": [1, 1, 2], "post": [2, 2, 1], "weight": [3, 4, 5]})
    >>> collapse(edges)
       pre  post  weight
    0    1     2       7
    1    2     1       5
    >>> collapse(edges, group_by={1: "sensory", 2: "motor"})
      group_pre group_post  weight  n_pairs
    0   sensory      motor       7        1
    1     motor    sensory       5        1
    """
    edges = require_edges(edges)
    regions = ["roi"] if roi else []
    if group_by is None:
        return sum_rows(edges, ["pre", "post", *regions])
    if are_labels(group_by):
        name = getattr(group_by, "name", None) or "group"
        edges = add_columns(edges, _at_both_ends(name, edges, group_by), overwrite=True)
        group_by = name
    stems = group_by if isinstance(group_by, list | tuple) else [group_by]
    ends = label_columns(edges, stems)
    pairs = sum_rows(edges, ["pre", "post", *regions], keep=ends)
    return sum_rows(pairs.assign(n_pairs=np.int64(1)), [*ends, *regions], also=["n_pairs"])


def label_columns(edges: pd.DataFrame, stems: Sequence[Any]) -> list[str]:
    """The columns that hold labels of both ends: those of all starts, then those of all ends."""
    names = [f"{stem}{end}" for end in ("_pre", "_post") for stem in stems]
    for name in names:
        if name not in edges.columns:
            raise MissingColumnsError(
                f"to group by {listing(map(repr, stems))} the edges need the column {name!r}. Add it "
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
) -> pd.DataFrame:
    """One row for each combination of keys: ``weight`` (and ``also``) summed, ``hop`` the smallest.

    Of the columns ``keep`` the first cell is taken.
    """
    missing = [name for name in keys if name not in edges.columns]
    if missing:
        raise MissingColumnsError(
            f"there is no column {missing[0]!r} among {listing(map(repr, edges.columns), 12)}."
            f"{did_you_mean(missing[0], edges.columns)}"
        )
    names = [*keys, "weight", *also, *(["hop"] if "hop" in edges.columns and not also else []), *keep]
    check_total(edges)
    groups = group_rows(*(edges[key] for key in keys))
    if len(groups.starts) == len(edges):
        result = edges[names].reset_index(drop=True)
    else:
        # Totals are scattered to the first row of each group: order of appearance without a sort.
        first = groups.first
        chosen = np.zeros(len(edges), bool)
        chosen[first] = True
        result = edges.loc[chosen, names].reset_index(drop=True)
        for name in ("weight", *also, "hop"):
            if name in names:
                reduce = np.minimum if name == "hop" else np.add
                total = np.zeros(len(edges), np.int64)
                total[first] = reduce.reduceat(edges[name].to_numpy()[groups.rows], groups.starts)
                result[name] = total[chosen]
    return inherit(result, edges)


def check_total(edges: pd.DataFrame) -> None:
    """Refuse weights whose sum would run over 64 bits without a word."""
    total = float(edges["weight"].to_numpy().sum(dtype=np.float64))
    if total >= 2.0**63:
        raise InvalidEdgesError(
            f"the weights add up to {total:.3g}, more than 64-bit integers hold. Is 'weight' a column "
            "of IDs?"
        )


def threshold(edges: pd.DataFrame, min_weight: int, per: str = "pair") -> pd.DataFrame:
    """Keep the edges of at least ``min_weight`` synapses (``>=``).

    Parameters
    ----------
    edges : DataFrame
        An edge table.
    min_weight : int
        Least number of synapses.
    per : {"pair", "row"}
        Compare the sum over all rows of a pair, or each row alone. The two differ where a pair has
        one row a region.

    Returns
    -------
    DataFrame
        The rows kept, with their index and all their columns. ``attrs["pdneuro"]["min_weight"]`` says
        that weaker edges are missing.

    Examples
    --------
    >>> from pdneuro.tables import threshold
    >>> edges = pd.DataFrame({"pre": [1, 1, 2], "post": [2, 2, 1], "weight": [3, 4, 5]})
    >>> threshold(edges, 6)
       pre  post  weight
    0    1     2       3
    1    1     2       4
    """
    edges = require_edges(edges)
    if per not in ("pair", "row"):
        raise ValueError(f"per must be 'pair' or 'row', not {per!r}.")
    if not isinstance(min_weight, int | float | np.number):
        raise ValueError(f"min_weight must be a number of synapses, not {min_weight!r}.")
    strong = edges["weight"].to_numpy() >= min_weight
    ends = edges["pre"].to_numpy(), edges["post"].to_numpy()
    if per == "pair" and not strong.all() and not pairs_differ(*ends):
        groups = group_rows(edges["pre"], edges["post"])
        totals = np.add.reduceat(edges["weight"].to_numpy()[groups.rows], groups.starts)
        strong[groups.rows] = np.repeat(totals >= min_weight, groups.sizes)
    kept = edges.copy(deep=not copies_on_write()) if strong.all() else edges[strong]
    return note(kept, min_weight=max(math.ceil(min_weight), least_weight(edges)))


def least_weight(edges: pd.DataFrame) -> int:
    """Least weight of a pair that the table can hold, as far as its provenance tells."""
    return int(facts(edges).get("min_weight", 1))


def annotate(
    edges: pd.DataFrame,
    nodes: pd.DataFrame | Labels,
    columns: Hashable | Sequence[Hashable] | None = None,
    *,
    on: Hashable | None = None,
    overwrite: bool = False,
) -> pd.DataFrame:
    """Put columns of the neurons beside both ends of each edge.

    Parameters
    ----------
    edges : DataFrame
        An edge table.
    nodes : DataFrame, Series or mapping
        A table with one row a neuron, or a label for each ID.
    columns : hashable or list, optional
        Columns of ``nodes``. Default: all but the IDs.
    on : hashable, optional
        The column of ``nodes`` that holds the IDs. Default: recognised by a name such as ``root_id``.
    overwrite : bool
        Replace columns that have the new names.

    Returns
    -------
    DataFrame
        The edges, row by row, with ``{column}_pre`` and ``{column}_post``: NA where a neuron is not in
        ``nodes``. Integers stay integers (``Int64`` when something is missing).

    Raises
    ------
    MissingColumnsError, AmbiguousColumnError
        A column is not there, or no column of IDs is recognised.
    ValueError
        A neuron stands on several rows of ``nodes``.
    ColumnExistsError
        A new name is taken.

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
    if not isinstance(nodes, pd.DataFrame):
        name = columns if isinstance(columns, Hashable) and columns else getattr(nodes, "name", None)
        return add_columns(edges, _at_both_ends(name or "group", edges, nodes), overwrite=overwrite)
    ids = roles.id_column(nodes, on)
    if columns is None:
        columns = [name for name in nodes.columns if name != ids.name]
    names = list(columns) if isinstance(columns, list | tuple | pd.Index) else [columns]
    chosen = {name: roles.named_column(nodes, name) for name in names}
    added: dict[str, Any] = {}
    for end in ("pre", "post"):
        found = lookup(edges[end].to_numpy(), ids, chosen)
        added |= {f"{name}_{end}": cells for name, cells in found.items()}
    order = [f"{name}_{end}" for name in names for end in ("pre", "post")]
    return add_columns(edges, {name: added[name] for name in order}, overwrite=overwrite)


def _at_both_ends(name: Hashable, edges: pd.DataFrame, labels: Labels) -> dict[str, Any]:
    return {f"{name}_{end}": labels_of(edges[end].to_numpy(), labels) for end in ("pre", "post")}
