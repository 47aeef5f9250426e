"""Decide what a row of a table of edges is, a synapse or a pair, if no column of counts is known."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from pdneuro.errors import AmbiguousColumnError, MissingColumnsError, listing
from pdneuro.tables.grouping import group_rows, pairs_differ
from pdneuro.tables.ids import Int64Array
from pdneuro.tables.roles import is_id

#: The choice of ``weight=`` that counts each row as one synapse.
ROWS = "rows"

#: Words of columns that never count synapses: IDs, sizes, scores, coordinates, times, codes.
_NEVER = re.compile(
    "ids?|uu?id|idx|index|unnamed|row|size|area|volume|length|width|height|radius|diameter|distance|dist"
    "|depth|scores?|conf|confidence|prob|probability|cleft|[xyz]|pt|pos|positions?|ctr|center|centre"
    "|coords?|coordinates?|points?|loc|location|bb|time|timestamp|date|year|month|day|age|created|version"
    "|type|class|layer|hops?|trial|slice|section|frame|rank|sign|valid"
)
#: Words of columns that describe neurons; with a word for counts they may count synapses.
_NEURONS = re.compile(
    "root|segment|seg|body|node|neuron|cell|nucleus|supervoxel|voxel|user|cluster|group|side|label|level"
    "|batch|chunk|regions?|rois?|neuropils?|structure|compartment"
)
_COUNTS = re.compile("syn|weight|count|strength|connect|contact|nbr|number|freq")
_REGIONS = re.compile("rois?|neuropils?|regions?|structure|compartment|lobe")
#: Words of columns with scores of pairs of neurons, whose rows are not synapses.
_SCORES = re.compile("influence")
#: Larger numbers are IDs: no pair of neurons has as many synapses.
_MOST = 10**7
_SAMPLE = 1_000


def possible_counts(frame: pd.DataFrame, used: Iterable[Hashable | None]) -> list[Hashable]:
    """Return the columns that could be numbers of synapses, by their names and dtypes.

    >>> table = pd.DataFrame({"pre": [1], "post": [2], "contacts": [3], "size": [40]})
    >>> possible_counts(table, ["pre", "post"])
    ['contacts']
    """
    others = [name for name in frame.columns.drop_duplicates() if name not in set(used)]
    return [name for name in others if _is_possible(name, frame[name])]


def _is_possible(name: Hashable, column: Any) -> bool:
    if not isinstance(column, pd.Series) or is_id(name) or _has(name, _NEVER):
        return False
    if _has(name, _NEURONS) and not _counts(name):
        return False
    dtype = column.dtype
    numbers = types.is_numeric_dtype(dtype) and not types.is_bool_dtype(dtype)
    return numbers or types.is_object_dtype(dtype) or types.is_string_dtype(dtype)


def region_columns(columns: Iterable[Hashable]) -> list[Hashable]:
    """Return the columns that may divide the synapses of a pair by region.

    >>> region_columns(["pre", "post", "brain_region"])
    ['brain_region']
    """
    return [name for name in columns if _has(name, _REGIONS)]


def pair_scores(columns: Iterable[Hashable]) -> list[Hashable]:
    """Return the columns of scores of pairs, such as the influence of one neuron on another.

    >>> pair_scores(["upstream_id", "downstream_id", "influence_norm"])
    ['influence_norm']
    """
    return [name for name in columns if _has(name, _SCORES)]


def could_count(column: pd.Series[Any]) -> bool:
    """Return whether the values could be numbers of synapses: whole, at least 1, and some larger.

    Zeros and signs are accepted in a column whose name has a word for counts.

    >>> [could_count(pd.Series(values, name="n")) for values in ([1, 30], [1, 1], [0.5, 2])]
    [True, False, False]
    """
    sizes = _sizes(column.iloc[:_SAMPLE])
    if sizes is not None and len(column) > _SAMPLE:  # most columns are decided by their first rows
        sizes = _sizes(column)
    return sizes is not None and bool(sizes.max(initial=0) > 1)


def may_count(sample: pd.Series[Any]) -> bool:
    """Return whether the first values of a column allow that it counts synapses."""
    return _sizes(sample) is not None


def _sizes(column: pd.Series[Any]) -> Any:
    """Return the sizes of possible counts, None if there are other values."""
    present = column.dropna()
    try:
        numbers = pd.to_numeric(present).to_numpy(dtype=np.float64)
    except (TypeError, ValueError):
        return None
    sizes = np.abs(numbers)
    fits = (numbers % 1 == 0) & (sizes < _MOST)
    fits &= (numbers >= 1) | _counts(column.name)
    return sizes if fits.all() else None


def _counts(name: Hashable) -> bool:
    return bool(_COUNTS.search(str(name).casefold())) or _has(name, re.compile("n|num|nr"))


def _has(name: Hashable, words: re.Pattern[str]) -> bool:
    """Return whether a name has one of the words, as in ``n_syn``, ``nSyn`` and ``N syn``."""
    # In "Excitatory x Connectivity", x is not a coordinate.
    text = re.sub(r"\s[x*]\s", " ", str(name))
    found = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", text)
    return any(words.fullmatch(word.casefold()) for word in found)


def check_rows(
    frame: pd.DataFrame, starts: Int64Array, ends: Int64Array, used: Iterable[Hashable | None]
) -> None:
    """Raise an error if the rows are pairs, or regions of pairs, and another column may count synapses.

    Parameters
    ----------
    frame : DataFrame
        A table without a recognized column of weights.
    starts, ends : array of int64
        Its presynaptic and postsynaptic IDs.
    used : iterable
        Its columns that have another role.
    """
    scores = pair_scores(frame.columns)
    if scores:
        raise MissingColumnsError(
            f"the table has no numbers of synapses: {scores[0]!r} contains scores. Name a column of "
            f"whole numbers: weight=..., or count each row as one synapse: weight={ROWS!r}."
        )
    columns = [name for name in possible_counts(frame, used) if could_count(frame[name])]
    if not columns:
        return
    once = ~_repeated(frame)
    if rows_differ(frame[once], starts[once], ends[once]):
        raise not_recognized(columns)


def _repeated(frame: pd.DataFrame) -> Any:
    """Return which rows are equal to one before: a table of pairs may list a pair twice."""
    try:
        return frame.duplicated().to_numpy()
    except TypeError:  # lists, such as positions: these are synapses
        return np.zeros(len(frame), bool)


def rows_differ(frame: pd.DataFrame, starts: Int64Array, ends: Int64Array) -> bool:
    """Return whether each pair, or each region of a pair, has one row."""
    if pairs_differ(starts, ends):
        return True
    pairs = pd.Series(starts, frame.index), pd.Series(ends, frame.index)
    for name in [None, *region_columns(frame.columns)]:
        region = () if name is None else (frame[name],)
        if len(group_rows(*pairs, *region).starts) == len(frame):
            return True
    return False


def not_recognized(columns: list[Hashable]) -> AmbiguousColumnError:
    """Return the error for a table of pairs with columns that may count synapses."""
    choices = listing([f"weight={name!r}" for name in columns])
    return AmbiguousColumnError(
        f"no column of weights is recognized. Each pair has one row, and {listing(map(repr, columns))} "
        f"may count its synapses. Choose: .neuro.as_edges({choices}), or .neuro.as_edges(weight="
        f"{ROWS!r}) to count each row as one synapse. pdneuro.Connectome has the same parameter."
    )
