"""Recognize the roles of columns by names that are common in the field."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any, cast

import pandas as pd

from pdneuro.errors import AmbiguousColumnError, MissingColumnsError, did_you_mean, listing
from pdneuro.tables.ids import as_series, id_array

#: Columns of segment IDs. ``id`` counts only without another name: CAVE's annotations have both.
SEGMENT_NAMES = ("root_id", "pt_root_id", "segment_id", "segmentid", "bodyId", "body", "flywire_id")
_LAST_RESORT = "id"
#: Similar names of other IDs.
LOOK_ALIKES = ("supervoxel_id", "pt_supervoxel_id", "target_id", "nucleus_id")

#: Columns of Allen structures: IDs, and names, which count only without IDs.
STRUCTURE_ID_NAMES = ("structure_id", "structure__id", "structureId", "allen_id", "ccf_id")
STRUCTURE_NAMES = (
    "structure",
    "acronym",
    "structure_acronym",
    "structure__acronym",
    "structure_abbrev",
    "structure-abbrev",
    "brain_region",
    "region",
)

#: Columns of presynaptic and postsynaptic IDs in related tools.
ENDPOINT_NAMES = (
    ("pre", "post"),
    ("pre_pt_root_id", "post_pt_root_id"),
    ("pre_root_id", "post_root_id"),
    ("bodyId_pre", "bodyId_post"),
    ("body_pre", "body_post"),
    ("pre_id", "post_id"),
    ("source", "target"),
    ("src", "dst"),
    ("Presynaptic_ID", "Postsynaptic_ID"),
)
WEIGHT_NAMES = ("weight", "syn_count", "n_syn", "count", "synaptic_count", "Connectivity")
ROI_NAMES = ("roi", "neuropil")
TRANSMITTER_NAMES = ("nt", "top_nt", "nt_type", "predicted_nt", "pred_nt")


def id_columns(frame: pd.DataFrame) -> list[Hashable]:
    """Return columns with a name for segment IDs."""
    names = _named(frame.columns, SEGMENT_NAMES)
    return names or _named(frame.columns, (_LAST_RESORT,))


def id_column(frame: Any, on: Hashable | None = None) -> pd.Series[Any]:
    """Return the column of segment IDs of a table; any other column of IDs as a Series.

    Parameters
    ----------
    frame : DataFrame, Series, Index, array or list
    on : hashable, optional
        Column, or name of the index. Default: the one column with a name such as ``root_id``,
        ``pt_root_id``, ``segment_id``, ``bodyId``; else an index of that name, or an unnamed index
        of large integers.

    Raises
    ------
    MissingColumnsError
        The column does not exist, or no column is recognized.
    AmbiguousColumnError
        Several columns are recognized, or several have the name.
    TypeError
        ``on`` is given for something other than a DataFrame.
    """
    if not isinstance(frame, pd.DataFrame):
        return _only_column(frame, on)
    if on is None:
        candidates = id_columns(frame)
        if len(candidates) > 1:
            raise AmbiguousColumnError(
                f"several columns may contain segment IDs: {listing(map(repr, candidates))}. Choose: "
                f"on={candidates[0]!r}."
            )
        if candidates:
            on = candidates[0]
        elif _index_holds_ids(frame.index):
            return pd.Series(frame.index, index=frame.index, name=frame.index.name)
        else:
            raise MissingColumnsError(
                f"no column of segment IDs is recognized among {_columns(frame)}. Name it: on=..., or "
                f"rename it to {SEGMENT_NAMES[0]!r}.{_nearest(frame, SEGMENT_NAMES)}"
            )
    return named_column(frame, on)


def exact_ids(
    values: Any, on: Hashable | None = None, *, name: Hashable | None = None
) -> pd.Series[Any]:
    """Convert a column of segment IDs to exact integers, or raise.

    Parameters
    ----------
    values : Series, Index, array, list or DataFrame
        Integers of any width (NumPy, nullable, Arrow), decimal text, objects, categoricals. Floats
        only if each is an integer and at most ``2**53``.
    on : hashable, optional
        Column of a DataFrame that holds the IDs. Default: recognized by a name such as ``root_id``.
    name : hashable, optional
        Column name for messages, if ``values`` has none.

    Returns
    -------
    Series
        Same length, order and index. ``int64``; ``Int64`` if something is missing. Missing
        values, blank text and 0 ("no segment") are missing.

    Raises
    ------
    PrecisionLossError
        Digits were lost before pdneuro saw the column: floats beyond ``2**53``, text such as
        ``7.2E+17``, or a column in which all IDs were rounded by a float or a spreadsheet.
    InvalidIdError
        Negative numbers, booleans, dates, lists, text that is not a number, numbers from ``2**63``. The
        message shows the first values and their rows.

    Examples
    --------
    >>> from pdneuro.tables import exact_ids
    >>> exact_ids(pd.Series(["720575940621522189", None], name="root_id"))
    0    720575940621522189
    1                  <NA>
    Name: root_id, dtype: Int64
    """
    series = id_column(values, on)
    numbers, missing = id_array(series, name)
    ids = numbers if missing is None else pd.arrays.IntegerArray(numbers, missing)
    index = values if isinstance(values, pd.Index) else series.index
    return pd.Series(ids, index=index, name=series.name, copy=True)


def structure_columns(columns: Iterable[Hashable]) -> list[Hashable]:
    """Return columns with a name for Allen structures: of IDs, or without them of names."""
    names = list(columns)
    return _named(names, STRUCTURE_ID_NAMES) or _named(names, STRUCTURE_NAMES)


def structure_column(frame: Any, on: Hashable | None = None) -> pd.Series[Any]:
    """Return the column of structures, as :func:`id_column` does; names such as ``structure_id``."""
    if not isinstance(frame, pd.DataFrame):
        return _only_column(frame, on)
    if on is None:
        candidates = structure_columns(frame.columns)
        if len(candidates) > 1:
            raise AmbiguousColumnError(
                f"several columns may contain the structures: {listing(map(repr, candidates))}. Choose: "
                f"on={candidates[0]!r}."
            )
        if not candidates and frame.index.name in (*STRUCTURE_ID_NAMES, *STRUCTURE_NAMES):
            candidates = [frame.index.name]
        if not candidates:
            raise MissingColumnsError(
                f"no column of structures is recognized among {_columns(frame)}. Name it: on=..., or "
                f"rename it to {STRUCTURE_ID_NAMES[0]!r}."
                f"{_nearest(frame, (*STRUCTURE_ID_NAMES, *STRUCTURE_NAMES))}"
            )
        on = candidates[0]
    return named_column(frame, on)


def neuromorpho_columns(columns: Iterable[Hashable]) -> list[Hashable]:
    """Return columns with a name for NeuroMorpho.org's neurons: of IDs, or without them of names."""
    names = list(columns)
    return _named(names, ("neuron_id",)) or _named(names, ("neuron_name",))


def neuromorpho_column(frame: Any, on: Hashable | None = None) -> pd.Series[Any]:
    """Return the column of NeuroMorpho.org's neurons, as :func:`id_column` does; IDs before names."""
    if not isinstance(frame, pd.DataFrame):
        return _only_column(frame, on)
    if on is None:
        candidates = neuromorpho_columns([*frame.columns, *frame.index.names])
        if len(candidates) > 1:
            raise AmbiguousColumnError(
                f"several columns may contain the neurons: {listing(map(repr, candidates))}. Choose: "
                f"on={candidates[0]!r}."
            )
        if not candidates:
            raise MissingColumnsError(
                f"no column of NeuroMorpho.org's neurons is recognized among {_columns(frame)}. Name "
                "it: on=..., or rename it to 'neuron_id' or 'neuron_name'."
                f"{_nearest(frame, ('neuron_id', 'neuron_name'))}"
            )
        on = candidates[0]
    return named_column(frame, on)


def point_columns(columns: pd.Index[Any]) -> list[Hashable]:
    """Return the three columns of points in the reference space, by their names."""
    for names in (("ap", "dv", "lr"), ("x", "y", "z")):
        if set(names) <= set(columns):
            return list(names)
    return []


def named_column(frame: pd.DataFrame, name: Hashable) -> pd.Series[Any]:
    """Return a column, or an index level, by its name."""
    if name in frame.columns:
        column = frame[name]
        if isinstance(column, pd.DataFrame):
            raise AmbiguousColumnError(
                f"{column.shape[1]} columns have the name {name!r}. Rename all but one."
            )
        return column
    if name is not None and name in frame.index.names:
        values = frame.index.get_level_values(cast(str, name))
        return pd.Series(values, index=frame.index, name=name)
    hint = did_you_mean(name, frame.columns)
    raise MissingColumnsError(f"there is no column {name!r} among {_columns(frame)}.{hint}")


def endpoint_columns(columns: pd.Index[Any]) -> list[tuple[Hashable, Hashable]]:
    """Return pairs of columns that may contain presynaptic and postsynaptic IDs."""
    pairs = []
    for pre, post in ENDPOINT_NAMES:
        starts, ends = _named(columns, (pre,)), _named(columns, (post,))
        if starts and ends:
            pairs.append((starts[0], ends[0]))
    return pairs


def ends_of(on: Any) -> list[tuple[Hashable | None, str]]:
    """Return the columns of ``on=`` and the suffix of each: none for one column.

    >>> ends_of(["pre_id", "post_id"]), ends_of(["a", "b"]), ends_of("pre")
    ([('pre_id', '_pre'), ('post_id', '_post')], [('a', '_a'), ('b', '_b')], [('pre', '')])
    """
    if not isinstance(on, list | pd.Index):
        return [(on, "")]
    names: list[Hashable] = list(on)
    if not names or len(set(names)) < len(names):
        raise MissingColumnsError(f"on= must name a column, or several different ones, not {names!r}.")
    if len(names) == 1:
        return [(names[0], "")]
    pairs = endpoint_columns(pd.Index(names)) if len(names) == 2 else []
    words = dict(zip(pairs[0], ("pre", "post"), strict=True)) if pairs else {}
    return [(name, f"_{words.get(name, name)}") for name in names]


def one_of(columns: pd.Index[Any], names: Iterable[str], role: str) -> Hashable | None:
    """Return the column with one of these names, None if there is none."""
    candidates = _named(columns, names)
    if len(candidates) > 1:
        raise AmbiguousColumnError(
            f"several columns may be the {role}: {listing(map(repr, candidates))}. Choose: {role}=..."
        )
    return candidates[0] if candidates else None


def _only_column(values: Any, on: Hashable | None) -> pd.Series[Any]:
    if on is not None:
        raise TypeError(
            f"on={on!r} is for a DataFrame, but this is a {type(values).__name__}. Remove on=."
        )
    return as_series(values)


def _named(columns: Iterable[Hashable], names: Iterable[str]) -> list[Hashable]:
    wanted = {name.casefold() for name in names}
    return [column for column in columns if isinstance(column, str) and column.casefold() in wanted]


def _index_holds_ids(index: pd.Index[Any]) -> bool:
    if isinstance(index, pd.MultiIndex | pd.RangeIndex) or not len(index):
        return False
    if isinstance(index.name, str):
        return index.name.casefold() in {name.casefold() for name in SEGMENT_NAMES}
    # read_csv(index_col=0) returns an unnamed index if the header lacks a name for the IDs.
    return index.name is None and pd.api.types.is_integer_dtype(index) and bool(index.min() > 10**15)


def _nearest(frame: pd.DataFrame, names: Iterable[str]) -> str:
    """Return a sentence that suggests columns with names similar to those of a role."""
    similar = [repr(column) for column in frame.columns if did_you_mean(column, names)]
    return f" Did you mean on={' or on='.join(similar[:3])}?" if similar else ""


def _columns(frame: pd.DataFrame) -> str:
    return listing([repr(column) for column in frame.columns], limit=12) or "no columns"
