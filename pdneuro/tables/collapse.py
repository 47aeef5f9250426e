"""Sum the rows of an edge table: per pair of neurons, or per pair of groups."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro._docs import documented
from pdneuro.errors import (
    AmbiguousColumnError,
    InvalidEdgesError,
    MissingColumnsError,
    did_you_mean,
    listing,
)
from pdneuro.tables import roles
from pdneuro.tables.annotation import ENDS, at_both_ends
from pdneuro.tables.columns import array_of, take_or_na
from pdneuro.tables.edges import keep_regions, require_edges
from pdneuro.tables.grouping import Groups, group_rows, pairs_differ
from pdneuro.tables.joins import Labels, add_columns, are_labels, labels_of
from pdneuro.tables.provenance import inherit

#: Columns of a table of groups that count pairs and neurons.
GROUP_COUNTS = ("n_pairs", "n_pre", "n_post")
#: Column of a table of groups: the weight divided by the number of neurons of the target group.
PER_NEURON = "weight_per_neuron"


@documented()
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
    {collapse}

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
        column = column.fillna(0)
        if pd.api.types.is_unsigned_integer_dtype(column) and len(column) and column.max() >= 2**63:
            raise InvalidEdgesError(f"column {name!r} has the number {column.max()}, beyond 64 bits.")
        return column.to_numpy(dtype=np.int64)
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
            edges = add_columns(edges, at_both_ends(name, edges, group_by), overwrite=True)
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
        both_ends = at_both_ends(stems[0], edges, group_by["post"])
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
    groups = members or group_rows(*(edges[key] for key in keys))
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
