"""Recognize IDs that a float or a spreadsheet rounded, by the probability of their last digits."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro.errors import listing

Int64Array = npt.NDArray[np.int64]

#: Largest integer up to which doubles represent every integer.
MAX_EXACT_FLOAT = 2**53
#: Probabilities below which IDs are called rounded, or suspicious.
CERTAIN, SUSPICIOUS = 1e-6, 1e-3
#: Of longer columns this many rows are checked, spread evenly, which limits the time.
CHECKED_ROWS = 2**18
#: By cause: the range of IDs, and the step whose multiples rounding leaves in it. Doubles have 53
#: binary digits; a spreadsheet keeps 15 decimal digits.
_STEPS = {
    "a float": [(2 ** (52 + bits), 2 ** (53 + bits), 2**bits) for bits in range(1, 11)],
    "a spreadsheet": [(10 ** (14 + zeros), 10 ** (15 + zeros), 10**zeros) for zeros in range(1, 5)],
}


#: IDs closer than this may have the same last digits because they were numbered in one block.
_NEAR = 2**20


class Rounding(NamedTuple):
    """IDs that look as if a float or a spreadsheet had rounded them."""

    #: Completes "column 'x' is ...".
    reason: str
    #: Upper limit of the probability that exact IDs look like this.
    chance: float
    ids: Int64Array


def rounding(numbers: Int64Array, rows: int = CHECKED_ROWS) -> Rounding | None:
    """Return the IDs of a column that look rounded; None if exact IDs often look like this.

    Parameters
    ----------
    numbers : array of int64
        IDs. Those up to ``2**53`` are never suspicious.
    rows : int
        Number of rows to check.

    Notes
    -----
    An exact ID is a multiple of the step with the probability 1 / step. Services number the segments
    in blocks, so real IDs that are close to each other often have the same last digits; such IDs count
    as one draw.

    Examples
    --------
    >>> from pdneuro.tables.rounding import rounding
    >>> rounding(np.array([720575940608028032, 720575940607714176])).reason
    'rounded as by a float (all 2 IDs above 2**53 are multiples of 128)'
    >>> rounding(np.array([720575940621522189, 720575940607714176])) is None
    True
    """
    if not numbers.size or np.max(numbers) <= MAX_EXACT_FLOAT:
        return None
    some = numbers[:: -(-len(numbers) // rows)]
    large = np.asarray(pd.unique(some[some > MAX_EXACT_FLOAT]), np.int64)
    found = [
        rounded
        for cause, ranges in _STEPS.items()
        for low, high, step in ranges
        for rounded in _compare(large[(large >= low) & (large <= high - 1)], step, cause)
    ]
    return min(found, key=lambda rounded: rounded.chance, default=None)


def _compare(ids: Int64Array, step: int, cause: str) -> list[Rounding]:
    """Compare the number of multiples of the step, in all IDs and in a part of them, with chance."""
    multiple = ids % step == 0
    count, total = int(multiple.sum()), len(ids)
    if not count:
        return []
    share = f"all {count:,}" if count == total else f"{count:,} of {total:,}"
    # Scattered among others: each combination of neighborhood and last digits is one draw.
    # np.unique of NumPy 2.3 and later is slow for numbers with the same last digits.
    draws = np.asarray(pd.unique(ids // _NEAR * (2 * step) + ids % (2 * step)))
    found = [(share, _tail(int((draws % step == 0).sum()), len(draws), 1 / step), ids[multiple])]
    if 10 * count >= 9 * total:
        ordered = np.sort(ids)
        draws = ordered[_new_draw(ordered, step)]
        found.append((share, _tail(int((draws % step == 0).sum()), len(draws), 1 / step), ids[multiple]))
    # Successive rows, such as those of one of several files.
    borders = np.flatnonzero(np.diff(np.concatenate([[False], multiple, [False]]))).reshape(-1, 2)
    before = np.concatenate([[0], np.cumsum(_new_draw(ids, step))])
    sizes = before[borders[:, 1]] - before[borders[:, 0]]
    first, end = borders[np.argmax(sizes)].tolist()
    share = f"{end - first:,} successive of {total:,}"
    found.append((share, total * float(step) ** -int(np.max(sizes)), ids[first:end]))
    return [
        Rounding(
            f"rounded as by {cause} ({share} IDs above 2**53 are multiples of {step})", chance, selected
        )
        for share, chance, selected in found
        if chance < SUSPICIOUS
    ]


def _new_draw(ids: Int64Array, step: int) -> npt.NDArray[np.bool_]:
    """Return False for an ID that is close to the one before and has the same last digits."""
    distance = np.diff(ids, prepend=ids[:1] - 1)
    differ: npt.NDArray[np.bool_] = (distance % (2 * step) != 0) | (np.abs(distance) >= _NEAR)
    return differ


def _tail(count: int, total: int, chance: float) -> float:
    """Return an upper limit of the probability of ``count`` or more successes in ``total`` trials."""
    # In a long column a small bias of exact IDs would be significant, so a clear excess is required.
    if count <= 1.5 * total * chance:
        return 1.0
    log = (
        math.lgamma(total + 1)
        - math.lgamma(count + 1)
        - math.lgamma(total - count + 1)
        + count * math.log(chance)
        + (total - count) * math.log1p(-chance)
    )
    # The terms of the sum fall at least as fast as a geometric series.
    ratio = (total - count) / (count + 1) * chance / (1 - chance)
    return math.exp(log) / (1 - ratio)


def rounding_hint(numbers: Int64Array) -> str:
    """Return a sentence if the IDs may have been rounded; empty if they are not suspicious.

    >>> rounding_hint(np.array([720575940608028032, 720575940607714176]))[:45]
    'They may have been rounded as by a float (all'
    """
    rounded = rounding(numbers)
    if rounded is None:
        return ""
    return f"They may have been {rounded.reason}, such as {listing(rounded.ids.tolist(), 3)}."
