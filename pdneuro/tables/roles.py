"""Recognize the roles of columns by names that are common in the field."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable
from typing import Any, cast

import numpy as np
import pandas as pd

from pdneuro.errors import (
    AmbiguousColumnError,
    InvalidIdError,
    MissingColumnsError,
    did_you_mean,
    listing,
)
from pdneuro.tables.foreign import to_pandas
from pdneuro.tables.ids import as_series, id_array

#: Columns of segment IDs. ``id`` counts only without another name: CAVE's annotations have both.
SEGMENT_NAMES = ("root_id", "pt_root_id", "segment_id", "segmentid", "bodyId", "body", "flywire_id")
_LAST_RESORT = ("id", "cell_id")
#: IDs of one version, such as ``root_783`` and ``banc_888_id``: they count without a name from above.
_VERSION = re.compile(r"(pt_)?root_(id_)?\d{3,4}|(?!nucleus|supervoxel|synapse|label)[a-z]+_\d{2,4}_id")
#: Similar names of other IDs.
LOOK_ALIKES = ("supervoxel_id", "pt_supervoxel_id", "target_id", "nucleus_id", "user_id", "label_id")

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

#: Columns of tracer experiments of the Allen Brain Atlas.
EXPERIMENT_NAMES = ("section_data_set_id", "experiment_id", "data_set_id")

#: Columns of presynaptic and postsynaptic IDs in related tools.
ENDPOINT_NAMES = (
    ("pre", "post"),
    ("pre_pt_root_id", "post_pt_root_id"),
    ("pre_root_id", "post_root_id"),
    ("bodyId_pre", "bodyId_post"),
    ("body_pre", "body_post"),
    ("pre_id", "post_id"),
    ("pre_seg_id", "post_seg_id"),
    ("source", "target"),
    ("src", "dst"),
    ("Presynaptic_ID", "Postsynaptic_ID"),
    ("upstream_id", "downstream_id"),
    (":START_ID", ":END_ID"),
    ("Neuron 1", "Neuron 2"),
    ("pre_synaptic_site.neuron_id", "post_synaptic_partner.neuron_id"),
)
WEIGHT_NAMES = (
    "weight",
    "weights",
    "syn_count",
    "syn_counts",
    "synapse_count",
    "synaptic_count",
    "syncount",
    "n_syn",
    "nsyn",
    "n_syns",
    "nsynapses",
    "n_synapses",
    "num_syn",
    "num_synapses",
    "nr_synapses",
    "number_of_synapses",
    "synapses",
    "count",
    "counts",
    "pair_count",
    "Connectivity",
    "Nbr",
)
ROI_NAMES = ("roi", "neuropil", "primary_roi", "primary_post")
TRANSMITTER_NAMES = (
    "nt",
    "top_nt",
    "nt_type",
    "predicted_nt",
    "pred_nt",
    "predicted_nt_type",
    "predictedNt",
    "consensus_nt",
    "consensusNt",
    "neurotransmitter_predicted",
)
#: The names in a table of neurons: a consensus counts before a prediction of one method.
_NEURON_TRANSMITTERS = ("nt", "consensus_nt", "consensusNt", *TRANSMITTER_NAMES[1:])
#: Columns of the scores of transmitters: of Codex and FlyWire, and of hemibrain.
_SCORE_NAMES = (
    ("ach_avg", "da_avg", "gaba_avg", "glut_avg", "oct_avg", "ser_avg"),
    ("acetylcholine", "dopamine", "gaba", "glutamate", "octopamine", "serotonin"),
)

#: A name with a number at its end: a version, or the first digits of all IDs in the column.
_NUMBERED = re.compile(r"(.*[^\W\d_])[\W_]*(\d{3,12})\W*")
#: Number of digits of the root IDs of all CAVE datastacks.
_ROOT_DIGITS = 18
#: Names of a column that has none: from text files, from parquet, and from files without a header.
_UNNAMED = re.compile(r"|Unnamed: 0|__index_level_0__|0|None")


def id_columns(frame: pd.DataFrame) -> list[Hashable]:
    """Return columns and index levels with a name for segment IDs."""
    columns = frame.columns
    texts = [name for name in columns if isinstance(name, str)]
    return (
        _named(columns, SEGMENT_NAMES)
        or [name for name in texts if _VERSION.fullmatch(name.casefold()) or _prefix(name)]
        or _single_ends(columns)
        or _named(frame.index.names, SEGMENT_NAMES)
        or _named(columns, _LAST_RESORT)
    )


def _single_ends(columns: pd.Index[Any]) -> list[Hashable]:
    """Return columns of one end of edges in a table that lacks the other end."""
    ends = [end for pair in ENDPOINT_NAMES[:7] for end in pair if "_" in end]
    return [] if endpoint_columns(columns) else _named(columns, ends)


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
    frame = to_pandas(frame)
    if not isinstance(frame, pd.DataFrame):
        return with_prefix(_only_column(frame, on))
    if on is None:
        on = _of_one_version(frame, _only(id_columns(frame), "segment IDs"))
    if on is not None:
        return with_prefix(named_column(frame, on))
    unnamed = _unnamed_ids(frame)
    if unnamed is not None:
        return unnamed
    raise MissingColumnsError(
        f"no column of segment IDs is recognized among {described_columns(frame)}. Name it: on=..., or "
        f"rename it to {SEGMENT_NAMES[0]!r}.{_nearest(frame, SEGMENT_NAMES)}"
    )


def version_columns(columns: Iterable[Hashable]) -> list[Hashable]:
    """Return the columns with the IDs of one version of a data set.

    >>> version_columns(["root_id", "banc_888_id", "nucleus_id"])
    ['banc_888_id']
    """
    texts = [name for name in columns if isinstance(name, str)]
    return [name for name in texts if _VERSION.fullmatch(name.casefold())]


def _of_one_version(frame: pd.DataFrame, on: Hashable | None) -> Hashable | None:
    """Return the column of one version if the recognized IDs are repeated and those are not."""
    versions = [name for name in version_columns(frame.columns) if name != on]
    if on is None or len(versions) != 1 or on not in frame.columns:
        return on
    repeated = [frame[name].dropna().duplicated().any() for name in (on, versions[0])]
    return versions[0] if repeated == [True, False] else on


def with_prefix(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column of IDs with the first digits that its name has, else the column itself.

    A column such as ``pre_root_id_720575940`` contains root IDs without their first nine digits.

    >>> with_prefix(pd.Series([621522189], name="pre_root_id_720575940")).tolist()
    [720575940621522189]
    """
    digits = _prefix(column.name) if isinstance(column.name, str) else ""
    if not digits or not len(column):
        return column
    numbers, missing = id_array(column)
    unit = 10 ** (_ROOT_DIGITS - len(digits))
    present = numbers > 0
    begin = present & (numbers < unit)
    if not begin.any():
        return column
    if begin.sum() < present.sum():
        row = int(np.argmax(begin))
        raise InvalidIdError(
            f"column {column.name!r} mixes whole IDs with IDs that lack the prefix {digits} of the "
            f"column's name, the first in row {column.index[row]!r} ({numbers[row]}). Complete them: "
            f"add {int(digits) * unit}."
        )
    whole = np.where(present, numbers + int(digits) * unit, 0)
    cells = whole if missing is None else pd.arrays.IntegerArray(whole, missing)
    return pd.Series(cells, index=column.index, name=column.name)


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
        on = _only(structure_columns(frame.columns), "the structures")
        if on is None and frame.index.name in (*STRUCTURE_ID_NAMES, *STRUCTURE_NAMES):
            on = frame.index.name
        if on is None:
            raise MissingColumnsError(
                f"no column of structures is recognized among {described_columns(frame)}. Name "
                f"it: on=..., or rename it to {STRUCTURE_ID_NAMES[0]!r}."
                f"{_nearest(frame, (*STRUCTURE_ID_NAMES, *STRUCTURE_NAMES))}"
            )
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
        on = _only(neuromorpho_columns([*frame.columns, *frame.index.names]), "the neurons")
        if on is None:
            raise MissingColumnsError(
                "no column of NeuroMorpho.org's neurons is recognized among "
                f"{described_columns(frame)}. Name it: on=..., or rename it to 'neuron_id' or "
                "'neuron_name'."
                f"{_nearest(frame, ('neuron_id', 'neuron_name'))}"
            )
    return named_column(frame, on)


def is_doubtful(name: Hashable) -> bool:
    """Return whether a name such as ``id`` is one of segments only if there is no other."""
    return bool(_named([name], _LAST_RESORT))


def supervoxel_columns(columns: Iterable[Hashable]) -> list[Hashable]:
    """Return columns with the word supervoxel in their names."""
    return [name for name in columns if "supervoxel" in str(name).casefold()]


def supervoxel_column(frame: Any, on: Hashable | None = None, parameter: str = "on") -> pd.Series[Any]:
    """Return the column of supervoxels, as :func:`id_column` does, by the word in its name.

    ``parameter`` is the name of the parameter that chooses the column, for the message.
    """
    if not isinstance(frame, pd.DataFrame):
        return _only_column(frame, on)
    if on is None:
        on = _only(supervoxel_columns(frame.columns), "supervoxels", parameter)
        if on is None:
            raise MissingColumnsError(
                f"no column of supervoxels is recognized among {described_columns(frame)}. Name it, "
                "such as 'pt_supervoxel_id'."
            )
    return named_column(frame, on)


def experiment_columns(columns: Iterable[Hashable]) -> list[Hashable]:
    """Return columns with a name for tracer experiments."""
    return _named(list(columns), EXPERIMENT_NAMES)


def experiment_column(frame: Any, on: Hashable | None = None) -> pd.Series[Any]:
    """Return the column of tracer experiments, as :func:`id_column` does."""
    if not isinstance(frame, pd.DataFrame):
        return _only_column(frame, on)
    if on is None:
        names = experiment_columns([*frame.columns, *frame.index.names])
        on = _only(names, "the experiments")
        if on is None:
            raise MissingColumnsError(
                f"no column of experiments is recognized among {described_columns(frame)}. Name it: "
                f"on=..., or rename it to 'data_set_id'.{_nearest(frame, EXPERIMENT_NAMES)}"
            )
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
    raise MissingColumnsError(f"there is no column {name!r} among {described_columns(frame)}.{hint}")


def endpoint_columns(columns: pd.Index[Any]) -> list[tuple[Hashable, Hashable]]:
    """Return pairs of columns that may contain presynaptic and postsynaptic IDs."""
    pairs = []
    for pre, post in ENDPOINT_NAMES:
        starts, ends = _named(columns, (pre,)), _named(columns, (post,))
        if starts and ends:
            pairs.append((starts[0], ends[0]))
    if pairs:
        return pairs
    stems = {name: _NUMBERED.fullmatch(name) for name in columns if isinstance(name, str)}
    found = {(_spelled(stem[1]), stem[2]): name for name, stem in stems.items() if stem is not None}
    for pre, post in ENDPOINT_NAMES:
        for (stem, number), name in found.items():
            end = found.get((_spelled(post), number))
            if stem == _spelled(pre) and end is not None:
                pairs.append((name, end))
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


def is_id(name: Hashable) -> bool:
    """Return whether a name is that of segment IDs, of ends of edges, or of other IDs.

    >>> is_id("target"), is_id("synapses")
    (True, False)
    """
    ends = [end for pair in ENDPOINT_NAMES for end in pair]
    return bool(_named([name], [*SEGMENT_NAMES, *LOOK_ALIKES, *_LAST_RESORT, *ends]))


def weight_columns(columns: Iterable[Hashable]) -> list[Hashable]:
    """Return columns with a name for numbers of synapses."""
    return _named(columns, WEIGHT_NAMES)


def transmitter_column(columns: Iterable[Hashable]) -> Hashable | None:
    """Return the column with the transmitters of a table of neurons, None if there is none.

    >>> transmitter_column(["body", "predicted_nt", "consensus_nt"])
    'consensus_nt'
    """
    names = list(columns)
    return next((found[0] for name in _NEURON_TRANSMITTERS if (found := _named(names, (name,)))), None)


def complete_scores(columns: Iterable[Hashable]) -> list[Hashable]:
    """Return the columns with the scores of all transmitters, none if some are lacking.

    >>> complete_scores(["root_id", "gaba_avg", "ach_avg"])
    []
    """
    names = list(columns)
    for known in _SCORE_NAMES:
        found = _named(names, known)
        if len(found) == len(known):
            return found
    return []


def one_of(columns: pd.Index[Any], names: Iterable[str], role: str) -> Hashable | None:
    """Return the column with one of these names, None if there is none."""
    candidates = _named(columns, names)
    if len(candidates) > 1:
        raise AmbiguousColumnError(
            f"several columns may be the {role}: {listing(map(repr, candidates))}. Choose: {role}=..."
        )
    return candidates[0] if candidates else None


def _only(candidates: list[Hashable], content: str, parameter: str = "on") -> Hashable | None:
    """Return the one candidate, None if there is none."""
    if len(set(candidates)) > 1:
        once = [name for name in candidates if candidates.count(name) == 1] or candidates
        raise AmbiguousColumnError(
            f"several columns may contain {content}: {listing(map(repr, candidates))}. Choose: "
            f"{parameter}={once[0]!r}."
        )
    return candidates[0] if candidates else None


def _only_column(values: Any, on: Hashable | None) -> pd.Series[Any]:
    if on is not None:
        raise TypeError(
            f"on={on!r} is for a DataFrame, but this is a {type(values).__name__}. Remove on=."
        )
    return as_series(values)


def _named(columns: Iterable[Hashable], names: Iterable[str]) -> list[Hashable]:
    """Return the columns with one of these names, in any case; ``Root ID`` is ``root_id``."""
    wanted = {_spelled(name) for name in names}
    return [column for column in columns if isinstance(column, str) and _spelled(column) in wanted]


def _spelled(name: str) -> str:
    """Return a name in lower case, with underscores for blanks and hyphens, without a type."""
    # neuPrint's import files write the type, or the space of IDs, behind the name.
    name = re.sub(r"(?<=.):\w+(\[\])?$|(?<=_ID)\(.*\)$", "", name.strip(), flags=re.IGNORECASE)
    return re.sub(r"[\s-]+", "_", name).casefold()


def _prefix(name: str) -> str:
    """Return the first digits of the IDs of a column, as its name has them; "" if it has none."""
    stem = _NUMBERED.fullmatch(name)
    if stem is None or len(stem[2]) < 6:
        return ""
    ends = [end for pair in ENDPOINT_NAMES for end in pair if "body" not in end.casefold()]
    known = _named(
        [stem[1]], [*(name for name in SEGMENT_NAMES if "body" not in name.casefold()), *ends]
    )
    return stem[2] if known else ""


def has_unnamed_ids(frame: pd.DataFrame) -> bool:
    """Return whether the index has no name and holds segment IDs, which no column does.

    >>> has_unnamed_ids(pd.DataFrame({"size": [3]}, index=[720575940621522189]))
    True
    """
    index = frame.index
    unnamed = index.nlevels == 1 and index.name is None
    return unnamed and _are_large(index) and not id_columns(frame)


def _unnamed_ids(frame: pd.DataFrame) -> pd.Series[Any] | None:
    """Return an index or column of large integers that has no name, if no other column is like it."""
    index = frame.index
    # read_csv(index_col=0) returns an unnamed index if the header lacks a name for the IDs.
    if index.nlevels == 1 and index.name is None and _are_large(index):
        return pd.Series(index, index=index)
    unnamed = [k for k, name in enumerate(frame.columns) if _UNNAMED.fullmatch(str(name))]
    large = [k for k in range(frame.shape[1]) if unnamed and _are_large(frame.iloc[:, k])]
    return frame.iloc[:, large[0]] if len(large) == 1 and large[0] in unnamed else None


def _are_large(values: pd.Series[Any] | pd.Index[Any]) -> bool:
    """Return whether all entries are integers as large as only the IDs of CAVE are."""
    integers = pd.api.types.is_integer_dtype(values) and not values.hasnans and len(values) > 0
    return integers and bool(values.min() > 10**15)


def _nearest(frame: pd.DataFrame, names: Iterable[str]) -> str:
    """Return a sentence that suggests columns with names similar to those of a role."""
    others = _named(frame.columns, LOOK_ALIKES)
    similar = [
        repr(column)
        for column in frame.columns.drop_duplicates()
        if did_you_mean(column, names) and column not in others
    ]
    return f" Did you mean on={' or on='.join(similar[:3])}?" if similar else ""


def described_columns(frame: pd.DataFrame) -> str:
    """Return the names of the columns and of the index, for messages."""
    columns = listing([repr(column) for column in frame.columns], limit=12) or "no columns"
    levels = [repr(name) for name in frame.index.names if name is not None]
    return f"{columns}, and the index {listing(levels)}" if levels else columns
