"""Convert weights to fractions of a neuron's input or output, or to signed weights."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro._docs import documented
from pdneuro.errors import (
    DoubtfulParameterWarning,
    InconsistentEdgesWarning,
    InvalidEdgesError,
    listing,
    warn,
)
from pdneuro.tables import roles
from pdneuro.tables.columns import check_choice
from pdneuro.tables.edges import require_edges
from pdneuro.tables.joins import Labels, add_columns, are_labels, labels_of
from pdneuro.tables.provenance import note
from pdneuro.tables.thresholds import END_OF, warn_of_missing_edges


@documented()
def fractions(
    edges: pd.DataFrame,
    of: str = "input",
    total: str | Labels = "present",
    *,
    overwrite: bool = False,
) -> pd.DataFrame:
    """Add each edge's share of the input or output of its neuron.

    Parameters
    ----------
    edges : DataFrame
        An edge table.
    {fractions}

    Returns
    -------
    DataFrame
        The edges, row by row, with ``input_fraction`` or ``output_fraction`` (Float64, 0 to 1; NA if
        the total is unknown or 0). ``attrs["pdneuro"]`` has ``fractions_of`` and ``fractions_total``.

    Raises
    ------
    ValueError
        ``of`` or ``total`` is another text.
    InvalidEdgesError
        A total is not a number.

    Warns
    -----
    IncompleteEdgesWarning
        ``total="present"``, and the table is known to lack edges: it has a threshold, or one direction
        only.
    InconsistentEdgesWarning
        A total is smaller than the weights in the table.

    Examples
    --------
    >>> from pdneuro.tables import fractions
    >>> edges = pd.DataFrame({"pre": [1, 2], "post": [3, 3], "weight": [1, 3]})
    >>> fractions(edges)
       pre  post  weight  input_fraction
    0    1     3       1            0.25
    1    2     3       3            0.75
    >>> fractions(edges, total={3: 40}).input_fraction.tolist()
    [0.025, 0.075]
    """
    edges = require_edges(edges)
    check_choice("of", of, END_OF)
    weight = edges["weight"].to_numpy()
    codes, ids = pd.factorize(edges[END_OF[of]].to_numpy())
    present = np.bincount(codes, weight, len(ids))
    if are_labels(total):
        totals = pd.Series(labels_of(np.asarray(ids), total))
        numbers = pd.to_numeric(totals.astype(object), errors="coerce").astype("Float64")
        wrong = numbers.isna() & totals.notna()
        if wrong.any():
            raise InvalidEdgesError(f"total must be numbers of synapses, not {totals[wrong].iloc[0]!r}.")
        known, sums = numbers.notna().to_numpy(), numbers.to_numpy(dtype=float, na_value=0.0)
        smaller = known & (sums < present)
        if smaller.any():
            warn(
                f"the given totals of {int(smaller.sum()):,} neurons are smaller than the weights in "
                f"the table, such as {ids[smaller][0]}: {sums[smaller][0]:,.0f} instead of at least "
                f"{present[smaller][0]:,.0f}. Their fractions add up to more than 1.",
                InconsistentEdgesWarning,
            )
    elif isinstance(total, str) and total == "present":
        warn_of_missing_edges(edges, of, len(ids))
        known, sums = np.ones(len(ids), bool), present
    else:
        value = repr(total) if isinstance(total, str | int | float) else type(total).__name__
        raise ValueError(
            f"total must be 'present', 'source', or a Series or mapping of totals by ID, not {value}."
        )
    known = known & (sums > 0)
    shares = weight / np.where(known, sums, 1.0)[codes]
    column = pd.arrays.FloatingArray(np.where(known[codes], shares, 0.0), ~known[codes])
    result = add_columns(edges, {f"{of}_fraction": column}, overwrite=overwrite)
    return note(result, fractions_of=of, fractions_total="given" if are_labels(total) else "present")


def sign(
    edges: pd.DataFrame,
    nt: Hashable = "nt_pre",
    *,
    inhibitory: str | Iterable[str],
    excitatory: str | Iterable[str],
    other: int = 0,
    check: bool = True,
) -> pd.DataFrame:
    """Add the sign of each edge, by its transmitter, and its signed weight.

    Parameters
    ----------
    edges : DataFrame
        An edge table.
    nt : hashable, default "nt_pre"
        Column of transmitters; ``annotate(neurons, "nt")`` adds ``nt_pre``.
    inhibitory, excitatory : str or list of str
        Inhibitory and excitatory transmitters, in any case. There is no default, since they depend on
        the animal and the receptors.
    other : {0, -1, 1}, default 0
        Sign of all other transmitters, and of edges without one.
    check : bool, default True
        Warn of each transmitter that is not in the column, and raise an error if none is: they may be
        spelled differently.

    Returns
    -------
    DataFrame
        The edges, row by row, with ``sign`` (int64: -1, 0, 1) and ``signed_weight`` (int64). ``weight``
        stays the same; ``to_sparse(values="signed_weight")`` returns a signed matrix.

    Raises
    ------
    MissingColumnsError
        The column ``nt`` does not exist.
    ValueError
        A transmitter is in both lists, or the column contains none of them.

    Warns
    -----
    DoubtfulParameterWarning
        A transmitter is not in the column.

    Examples
    --------
    >>> from pdneuro.tables import sign
    >>> edges = pd.DataFrame({"pre": [1, 2], "post": [2, 1], "weight": [3, 5], "nt": ["ACH", "GABA"]})
    >>> sign(edges, "nt", inhibitory="gaba", excitatory="ach").signed_weight.tolist()
    [3, -5]
    """
    edges = require_edges(edges)
    signs = signs_of(edges, nt, inhibitory, excitatory, other, check=check).astype(np.int64)
    added = {"sign": signs, "signed_weight": signs * edges["weight"].to_numpy()}
    return add_columns(edges, added, overwrite=True)


def signs_of(
    edges: pd.DataFrame,
    nt: Hashable,
    inhibitory: str | Iterable[str],
    excitatory: str | Iterable[str],
    other: int,
    *,
    check: bool = True,
) -> npt.NDArray[np.int8]:
    """Return the sign of each edge, by its transmitter; the parameters are those of :func:`sign`."""
    if other not in (-1, 0, 1):
        raise ValueError(f"other must be -1, 0 or 1, not {other!r}.")
    signs = dict.fromkeys(_words(excitatory), 1)
    both = signs.keys() & _words(inhibitory)
    if both:
        raise ValueError(f"{listing(sorted(both))} cannot be both inhibitory and excitatory.")
    signs |= dict.fromkeys(_words(inhibitory), -1)
    codes, names = pd.factorize(roles.named_column(edges, nt))
    words = [str(name).strip().casefold() for name in names]
    if check and words and signs and not signs.keys() & set(words):
        raise ValueError(
            f"column {nt!r} does not contain {listing(sorted(signs))}. Its values are "
            f"{listing(map(repr, names))}."
        )
    absent = sorted(signs.keys() - set(words)) if check and words else []
    if absent:
        warn(
            f"column {nt!r} does not contain {listing(absent)}. Its values are "
            f"{listing(map(repr, names), 12)}.",
            DoubtfulParameterWarning,
        )
    # The last entry is for missing transmitters, whose code is -1.
    return np.array([*(signs.get(word, other) for word in words), other], np.int8)[codes]


def _words(names: str | Iterable[str]) -> set[str]:
    listed = list(names) if isinstance(names, Iterable) and not isinstance(names, str) else [names]
    if not all(isinstance(name, str) for name in listed):
        raise ValueError(f"transmitters must be a text or a list of texts, not {names!r:.60}.")
    return {name.strip().casefold() for name in listed}
