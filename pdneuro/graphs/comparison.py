"""Compare two connectomes, or the two sides of one, on matched types."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd

from pdneuro._compat import TEXT, optional
from pdneuro.errors import DroppedRowsWarning, InvalidEdgesError, listing, warn
from pdneuro.tables.annotation import checked_suffixes
from pdneuro.tables.collapse import collapse, label_columns
from pdneuro.tables.columns import array_of
from pdneuro.tables.edges import require_edges
from pdneuro.tables.foreign import to_pandas
from pdneuro.tables.provenance import inherit, note

#: Names of the two sides in columns of sides, in the order of the result.
_SIDES = ("left", "right"), ("l", "r"), ("lhs", "rhs")
_RELATION = "relation"


def compare(
    edges: pd.DataFrame,
    other: pd.DataFrame | None = None,
    match_on: Hashable = "cell_type",
    side: Hashable | None = None,
    *,
    suffixes: tuple[str, str] | None = None,
) -> pd.DataFrame:
    """Compare the connections between types in two data sets, or on the two sides of one.

    Parameters
    ----------
    edges : DataFrame
        An edge table with the types of both ends, such as ``cell_type_pre`` and ``cell_type_post``,
        which :func:`pdneuro.tables.annotate` adds.
    other : DataFrame, optional
        The second edge table, with the same columns of types.
    match_on : hashable, default "cell_type"
        Types that match the two tables: ``"cell_type"`` means ``cell_type_pre`` and ``cell_type_post``.
    side : hashable, optional
        Column of sides, such as ``"side"`` for ``side_pre`` and ``side_post``: compares the inputs of
        neurons on the left with those of neurons on the right, instead of two tables.
    suffixes : two str, optional
        Text after the columns of the two. Default: ``("_self", "_other")``, or the names of the sides.

    Returns
    -------
    DataFrame
        One row per pair of types that is connected in either: ``{match_on}_pre, {match_on}_post``; with
        ``side`` also ``relation``: ``ipsilateral``, ``contralateral`` or another side of the presynaptic
        neuron; then for both ``weight`` and ``n_pairs`` (Int64: synapses, pairs of neurons; 0 if the
        types exist without a connection, NA if one of the types is missing), ``input_fraction``
        (Float64); ``difference`` of the fractions (second minus first), ``p_value`` and ``q_value``
        (Float64), and ``found_in``: ``both``, or the one that has both types. Sorted by ``q_value``.
        ``attrs["pdneuro"]`` counts the types that only one has.

    Raises
    ------
    MissingColumnsError
        A column of types or sides does not exist.
    ValueError
        Both ``other`` and ``side`` are given, or none; or ``suffixes`` are not two different texts.
    TypeError
        ``other`` is not a DataFrame.
    InvalidEdgesError
        The two sides are not recognized.
    MissingDependencyError
        SciPy is not installed (extra ``graph``).

    Warns
    -----
    DroppedRowsWarning
        With ``side``, postsynaptic neurons that are on neither side.

    Notes
    -----
    ``input_fraction`` is a ratio of sums: the synapses between the two types over all input of the
    postsynaptic type in the table, also from neurons without a type. ``p_value`` is the two-sided test
    of equal proportions with a pooled variance, on numbers of synapses: R's ``prop.test`` with
    ``correct=FALSE``, and statsmodels' ``proportions_ztest``. R corrects for continuity by default. The
    test treats synapses as independent, although synapses of the same neuron are not, so small values
    overstate the evidence. ``q_value`` is the p-value after the correction of Benjamini and Hochberg,
    over all rows with a p-value.

    Examples
    --------
    >>> from pdneuro.graphs import compare
    >>> types = {"cell_type_pre": ["A", "B"], "cell_type_post": ["C", "C"]}
    >>> one = pd.DataFrame({"pre": [1, 2], "post": 3, "weight": [60, 40], **types})
    >>> two = pd.DataFrame({"pre": [7, 8], "post": 9, "weight": [30, 70], **types})
    >>> found = compare(one, two)
    >>> found[["cell_type_pre", "weight_self", "weight_other", "difference"]]
      cell_type_pre  weight_self  weight_other  difference
    0             A           60            30        -0.3
    1             B           40            70         0.3
    >>> found["p_value"].round(6).tolist()
    [2e-05, 2e-05]
    """
    if (other is None) == (side is None):
        raise ValueError("give a second edge table (other=...) or a column of sides (side=...).")
    other = to_pandas(other)
    if other is not None and not isinstance(other, pd.DataFrame):
        raise TypeError(f"other must be an edge table (a DataFrame), not {type(other).__name__}.")
    edges = require_edges(edges)
    keys = [*label_columns(edges, [match_on])]
    if other is not None:
        tables = [edges, require_edges(other)]
        label_columns(tables[1], [match_on])
        names = ("_self", "_other")
    else:
        tables, sides = _sides(edges, side)
        keys.append(_RELATION)
        names = (f"_{sides[0]}", f"_{sides[1]}")
    if suffixes is not None:
        chosen = checked_suffixes(suffixes)
        names = (chosen["pre"], chosen["post"])
    groups = [_groups(table, keys) for table in tables]
    known = [_types(table, keys[:2]) for table in tables]
    both = groups[0].merge(groups[1], "outer", keys, suffixes=names)
    result = both[keys]
    present = []
    for suffix, table, types in zip(names, tables, known, strict=True):
        exists = both[keys[0]].isin(types) & both[keys[1]].isin(types)
        present.append(exists.to_numpy())
        for name in ("weight", "n_pairs"):
            counts = both[f"{name}{suffix}"].fillna(0).astype("Int64")
            result = result.assign(**{f"{name}{suffix}": counts.mask(~exists)})
        total = both[keys[1]].map(_inputs(table, keys[1])).astype("Float64")
        result[f"total{suffix}"] = total.mask(~exists | (total == 0))
        result[f"input_fraction{suffix}"] = result[f"weight{suffix}"] / result[f"total{suffix}"]
    first, second = (result[f"input_fraction{suffix}"] for suffix in names)
    result["difference"] = second - first
    numbers = [
        result[f"{name}{suffix}"].to_numpy(np.float64, na_value=np.nan)
        for name in ("weight", "total")
        for suffix in names
    ]
    values = _proportion_test(*numbers)
    result["p_value"] = pd.array(values, "Float64")
    result["q_value"] = pd.array(_corrected(values), "Float64")
    words = np.array([names[0].strip("_"), names[1].strip("_"), "both"], object)
    where = np.where(present[0] & present[1], 2, np.where(present[0], 0, 1))
    result["found_in"] = pd.Series(words[where], result.index, dtype=TEXT)
    result = result.drop(columns=[f"total{suffix}" for suffix in names])
    result = result.sort_values(["q_value", *keys], kind="stable", ignore_index=True)
    only = [len(known[0].difference(known[1])), len(known[1].difference(known[0]))]
    return note(
        inherit(result, edges),
        **{f"types_only{suffix}": count for suffix, count in zip(names, only, strict=True)},
    )


def _groups(table: pd.DataFrame, keys: list[Any]) -> pd.DataFrame:
    """Return weight and number of pairs per pair of types; rows without a type are left out."""
    # All keys group at once: a relation differs between the pairs of two types.
    pairs = collapse(table, keys, dropna=True)
    texts = {key: pairs[key].astype(object) for key in keys}
    return pairs[[*keys, "weight", "n_pairs"]].assign(**texts)


def _types(table: pd.DataFrame, columns: list[Any]) -> pd.Index[Any]:
    found = [pd.Index(table[name].astype(object).dropna().unique()) for name in columns]
    both: pd.Index[Any] = found[0].union(found[1], sort=False)
    return both


def _inputs(table: pd.DataFrame, column: Any) -> pd.Series[Any]:
    """Return all input of each postsynaptic type."""
    return table.groupby(array_of(table[column].astype(object)))["weight"].sum()


def _sides(edges: pd.DataFrame, side: Any) -> tuple[list[pd.DataFrame], list[str]]:
    """Return the inputs of neurons on the left and on the right, with the relation of each edge."""
    pre, post = (edges[name].astype(object) for name in label_columns(edges, [side]))
    values = pd.concat([pre, post]).dropna().unique().tolist()
    texts = {str(value).strip().casefold(): value for value in values}
    if not values:
        raise InvalidEdgesError(
            f"column {side!r} has no values; it must contain left and right (or L and R)."
            + ("" if len(edges) else " The table has no rows.")
        )
    known = [pair for pair in _SIDES if set(pair) <= set(texts)]
    if not known:
        raise InvalidEdgesError(
            f"column {side!r} must contain left and right (or L and R), not "
            f"{listing(map(repr, values))}. Rename its values with .replace()."
        )
    left, right = (texts[name] for name in known[0])
    mirror = {left: right, right: left}
    relation = pre.where(~pre.isin([left, right]) | pre.isna(), "contralateral")
    relation = relation.mask((pre == post) & pre.isin([left, right]), "ipsilateral")
    marked = edges.assign(**{_RELATION: relation.fillna("unknown")})
    outside = ~post.isin(list(mirror))
    if outside.any():
        warn(
            f"{int(outside.sum()):,} of {len(edges):,} rows have a postsynaptic neuron that is neither "
            f"{left} nor {right}, and were left out.",
            DroppedRowsWarning,
        )
    return [marked[(post == value).to_numpy()] for value in (left, right)], [str(left), str(right)]


def _proportion_test(one: Any, two: Any, total_one: Any, total_two: Any) -> Any:
    """Return two-sided p-values for equal proportions; NaN where a count is missing."""
    special = optional("scipy.special", "graph")
    pooled = (one + two) / (total_one + total_two)
    variance = pooled * (1 - pooled) * (1 / total_one + 1 / total_two)
    # If all synapses or none are of these types, the proportions are equal.
    certain = variance <= 0
    score = (two / total_two - one / total_one) / np.sqrt(np.where(certain, 1.0, variance))
    return np.where(certain, 1.0, special.erfc(np.abs(score) / np.sqrt(2)))


def _corrected(values: Any) -> Any:
    """Return p-values after the correction of Benjamini and Hochberg; NaN stays NaN."""
    stats = optional("scipy.stats", "graph")
    result = np.full(len(values), np.nan)
    tested = ~np.isnan(values)
    result[tested] = stats.false_discovery_control(values[tested])
    return result
