"""Transmitters from their scores."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pdneuro._compat import TEXT

#: Endings of the columns of scores.
_ENDING = "_avg"


def largest_score(frame: pd.DataFrame, scores: Sequence[Hashable]) -> pd.Series[Any]:
    """Return the transmitter with the largest score of each row.

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
    values = np.column_stack([c.to_numpy(dtype=np.float64, na_value=np.nan) for c in columns])
    values = np.where(np.isnan(values), -np.inf, values)
    largest = values.max(axis=1, initial=-np.inf)
    certain = (largest > 0) & ((values == largest[:, None]).sum(axis=1) == 1)
    labels = [_label(str(name)) for name in scores]
    codes = np.where(certain, values.argmax(axis=1), len(labels))
    found = np.array([*labels, None], dtype=object)[codes]
    return pd.Series(pd.array(found, TEXT), index=frame.index, name="nt")


def _label(name: str) -> str:
    stem = name.removesuffix(_ENDING)
    return stem.upper() if name.endswith(_ENDING) else stem
