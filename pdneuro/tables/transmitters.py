"""Find the most likely transmitter from columns of scores."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pdneuro._compat import TEXT
from pdneuro.errors import AmbiguousColumnError, InvalidEdgesError, MissingColumnsError, listing
from pdneuro.tables import roles
from pdneuro.tables.joins import add_columns

#: Transmitters, and the words for them in the names of columns.
_WORDS = {
    "acetylcholine": ("acetylcholine", "ach"),
    "gaba": ("gaba",),
    "glutamate": ("glutamate", "glut", "glu"),
    "dopamine": ("dopamine", "da"),
    "serotonin": ("serotonin", "ser", "5ht"),
    "octopamine": ("octopamine", "oct"),
    "histamine": ("histamine", "hist", "his"),
    "tyramine": ("tyramine", "tyr"),
    "glycine": ("glycine", "gly"),
    "unknown": ("unknown",),
    "neither": ("neither",),
}
_TRANSMITTER = {word: name for name, words in _WORDS.items() for word in words}
#: Name of a column of scores of Codex, in the spellings that :mod:`pdneuro.tables.roles` knows.
_AVERAGE = re.compile(r"\s*(\w+?)[\s_-]+avg\s*", re.IGNORECASE)
#: Classes of a prediction that are not transmitters.
_NONE_OF_THEM = ("unknown", "neither")
#: Other words in the names of columns of scores.
_AFFIXES = {
    *("nt", "nts", "neurotransmitter", "transmitter", "pred", "predicted", "prediction", "pre", "post"),
    *(
        "avg",
        "mean",
        "average",
        "sum",
        "p",
        "prob",
        "probability",
        "score",
        "scores",
        "conf",
        "confidence",
    ),
}


def score_columns(columns: Iterable[Hashable]) -> list[dict[str, Hashable]]:
    """Return the sets of columns that hold a score for each transmitter, such as ``gaba_avg``.

    >>> score_columns(["root_id", "gaba_avg", "ach_avg", "nt_type_score"])
    [{'gaba': 'gaba_avg', 'acetylcholine': 'ach_avg'}]
    """
    found: dict[tuple[str, ...], dict[str, Hashable]] = {}
    for column in columns:
        named = _transmitter_of(column)
        if named is not None:
            name, rest = named
            found.setdefault(rest, {}).setdefault(name, column)
    return [one for one in found.values() if len(one.keys() - set(_NONE_OF_THEM)) > 1]


def transmitter_columns(columns: Iterable[Hashable]) -> list[Hashable]:
    """Return the columns that hold the score of a transmitter.

    >>> transmitter_columns(["id", "gaba", "ach_avg", "size", "unknown"])
    ['gaba', 'ach_avg']
    """
    named = [(column, _transmitter_of(column)) for column in columns]
    return [column for column, found in named if found is not None and found[0] not in _NONE_OF_THEM]


def _transmitter_of(column: Hashable) -> tuple[str, tuple[str, ...]] | None:
    """Return the transmitter in the name of a column, and the other words; None if there is none."""
    if not isinstance(column, str):
        return None
    for words in (
        re.split(r"[\W_]+", column),
        re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", column),
    ):
        lower = [word.casefold() for word in words if word]
        names = [_TRANSMITTER[word] for word in lower if word in _TRANSMITTER]
        rest = tuple(word for word in lower if word not in _TRANSMITTER)
        if len(names) == 1 and set(rest) <= _AFFIXES:
            return names[0], rest
    return None


def top_nt(
    table: pd.DataFrame,
    columns: Mapping[Hashable, str] | Iterable[Hashable] | None = None,
    *,
    overwrite: bool = False,
) -> pd.DataFrame:
    """Add the most likely transmitter of each row, from columns with a score for each transmitter.

    Parameters
    ----------
    table : DataFrame
        Neurons, edges or synapses, with columns such as ``gaba_avg`` (FlyWire and Codex), ``gaba``
        (synapses of CAVE, hemibrain), ``ntGabaProb`` (neuPrint) or ``nt_gaba_prob`` (male CNS).
    columns : list or mapping, optional
        The columns of scores; or the name of the transmitter for each column. Default: recognized by
        their names.
    overwrite : bool, default False
        Replace existing columns of the same names. A column that exists with equal values is kept.

    Returns
    -------
    DataFrame
        The table, row by row, with ``top_nt`` (``str``: ``acetylcholine``, ``gaba``, ``glutamate``,
        ``dopamine``, ``serotonin``, ``octopamine``, ``histamine``, ``tyramine``, ``glycine``; and
        ``unknown`` or ``neither`` if the prediction has such a class), ``top_nt_score`` (Float64, the
        largest score) and ``top_nt_margin`` (Float64, its difference to the second; 0 is a tie, of which
        the first column is named). NA in rows without a score above 0.

    Raises
    ------
    MissingColumnsError, AmbiguousColumnError
        No columns of scores are recognized, or several sets of them.
    InvalidEdgesError
        A column does not contain numbers, or negative ones.
    ColumnExistsError
        A new column already exists in the table with other values.

    See Also
    --------
    pdneuro.tables.sign : Signs of edges; ``annotate(neurons, "top_nt")`` adds ``top_nt_pre``.

    Notes
    -----
    The name is that of the largest score of the row, without a minimum, as ``top_nt`` of the FlyWire
    annotations. To average synapses, group them before. ``consensusNt`` of neuPrint can differ, because
    it also uses the type of the neuron.

    Examples
    --------
    >>> from pdneuro.tables import top_nt
    >>> neurons = pd.DataFrame({"root_id": [1, 2], "gaba_avg": [0.7, 0.25], "ach_avg": [0.2, 0.5]})
    >>> top_nt(neurons).iloc[:, 3:]
              top_nt  top_nt_score  top_nt_margin
    0           gaba           0.7            0.5
    1  acetylcholine           0.5           0.25
    """
    names = _named_scores(table, columns)
    best, top, second = ranked([_scores(table, column) for column in names.values()])
    unknown = ~(top > 0)
    alone = unknown | np.isneginf(second)
    words = pd.array(list(names), TEXT).take(np.where(unknown, -1, best), allow_fill=True)
    top = np.where(unknown, 0.0, top)
    margin = top - np.where(alone, top, second)
    added = {
        "top_nt": words,
        "top_nt_score": pd.arrays.FloatingArray(top, unknown),
        "top_nt_margin": pd.arrays.FloatingArray(margin, alone),
    }
    return add_columns(table, added, overwrite=overwrite)


def largest_score(frame: pd.DataFrame, scores: Sequence[Hashable]) -> pd.Series[Any]:
    """Return the transmitter with the largest score of each row, in the words of the file.

    Parameters
    ----------
    frame : DataFrame
    scores : list
        Its columns of scores. The transmitter of ``gaba_avg`` is ``GABA``, as in Codex.

    Returns
    -------
    Series
        Text; NA where no score is above 0, or where two scores are the largest.

    >>> table = pd.DataFrame({"gaba_avg": [0.1, 0.5], "ach_avg": [0.8, 0.5]})
    >>> largest_score(table, ["gaba_avg", "ach_avg"]).fillna("").tolist()
    ['ACH', '']
    """
    columns = [pd.to_numeric(frame[name], errors="coerce") for name in scores]
    values = [column.to_numpy(dtype=np.float64, na_value=-np.inf) for column in columns]
    best, top, second = ranked([np.where(np.isnan(part), -np.inf, part) for part in values])
    labels = [_label(str(name)) for name in scores]
    codes = np.where((top > 0) & (top > second), best, -1)
    return pd.Series(pd.array(labels, TEXT).take(codes, allow_fill=True), index=frame.index, name="nt")


def _label(name: str) -> str:
    average = _AVERAGE.fullmatch(name)
    return average[1].upper() if average else name


def ranked(columns: Sequence[Any]) -> tuple[Any, Any, Any]:
    """Return the column with the largest score of each row, that score, and the second (-inf: none)."""
    scores = np.column_stack(columns)
    best = np.argmax(scores, axis=1) if len(scores) else np.zeros(0, np.intp)
    rows = np.arange(len(scores))
    others = scores.copy()
    others[rows, best] = -np.inf
    return best, scores[rows, best], others.max(axis=1, initial=-np.inf)


def _named_scores(table: pd.DataFrame, columns: Any) -> dict[str, Hashable]:
    """Return the column of each transmitter."""
    if isinstance(columns, Mapping):
        names = {str(name): column for column, name in columns.items()}
        if len(names) < len(columns):
            raise ValueError("columns= names a transmitter twice. Name each once.")
        return names
    if columns is not None:
        listed = list(columns)
        sets = score_columns(listed)
        if len(sets) != 1 or len(sets[0]) < len(listed):
            raise ValueError(
                f"the transmitters of columns={listed!r} are not all recognized by their names. Name "
                "them: columns={column: name}."
            )
        return sets[0]
    sets = score_columns(table.columns)
    if not sets:
        raise MissingColumnsError(
            "no columns of transmitter scores, such as 'gaba_avg' and 'ach_avg', are recognized among "
            f"{roles.described_columns(table)}. Name them: columns={{column: name}}."
        )
    if len(sets) > 1:
        choices = listing([str(list(one.values())) for one in sets])
        raise AmbiguousColumnError(
            f"several sets of columns hold scores of transmitters: {choices}. Choose: columns=[...]"
        )
    return sets[0]


def _scores(table: pd.DataFrame, name: Hashable) -> Any:
    """Return a column of scores, -inf where one is missing."""
    column = roles.named_column(table, name)
    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        raise InvalidEdgesError(f"column {name!r} must contain numbers, not {column.dtype}.")
    scores = column.to_numpy(dtype=np.float64, na_value=np.nan)
    if (scores < 0).any():
        row = int(np.argmax(scores < 0))
        raise InvalidEdgesError(
            f"column {name!r} has the negative score {scores[row]!r} in row {table.index[row]!r}. "
            "Scores are 0 or larger."
        )
    return np.where(np.isnan(scores), -np.inf, scores)
