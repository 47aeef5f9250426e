"""Weights in other terms: shares of a neuron's input or output, and signs by transmitter."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

import numpy as np
import pandas as pd

from pdneuro.errors import (
    IncompleteEdgesWarning,
    InconsistentEdgesWarning,
    InvalidEdgesError,
    listing,
    warn,
)
from pdneuro.tables import roles
from pdneuro.tables.edges import least_weight, require_edges
from pdneuro.tables.joins import Labels, add_columns, are_labels, labels_of
from pdneuro.tables.provenance import facts, note

#: The end of an edge whose total is the denominator.
END_OF = {"input": "post", "output": "pre"}


def fractions(
    edges: pd.DataFrame,
    of: str = "input",
    total: str | Labels = "present",
    *,
    overwrite: bool = False,
) -> pd.DataFrame:
    """Put the share of the neuron's input or output beside each edge.

    Parameters
    ----------
    edges : DataFrame
        An edge table.
    of : {"input", "output"}
        Share of all input of the postsynaptic neuron, or of all output of the presynaptic one.
    total : {"present"}, Series or mapping
        The denominators: sums over the rows of the table; or given, a number of synapses for each ID.
    overwrite : bool
        Replace a column that has the new name.

    Returns
    -------
    DataFrame
        The edges, row by row, with ``input_fraction`` or ``output_fraction`` (Float64, 0 to 1; NA where
        the total is unknown or 0). ``attrs["pdneuro"]`` has ``fractions_of`` and ``fractions_total``.

    Warns
    -----
    IncompleteEdgesWarning
        ``total="present"``, and the table is known to lack edges: it was thresholded, or fetched from
        one side.
    InconsistentEdgesWarning
        A given total is smaller than the weights that are present.

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
    if of not in END_OF:
        raise ValueError(f"of must be 'input' or 'output', not {of!r}.")
    weight = edges["weight"].to_numpy()
    codes, ids = pd.factorize(edges[END_OF[of]].to_numpy())
    present = np.bincount(codes, weight, len(ids))
    if are_labels(total):
        found = pd.Series(labels_of(np.asarray(ids, np.int64), total))
        given = pd.to_numeric(found.astype(object), errors="coerce").astype("Float64")
        wrong = given.isna() & found.notna()
        if wrong.any():
            raise InvalidEdgesError(f"totals are numbers of synapses, not {found[wrong].iloc[0]!r}.")
        known, sums = given.notna().to_numpy(), given.to_numpy(dtype=float, na_value=0.0)
        smaller = known & (sums < present)
        if smaller.any():
            warn(
                f"the given totals of {int(smaller.sum()):,} neurons are smaller than the weights in "
                f"the table, such as {ids[smaller][0]}: {sums[smaller][0]:,.0f} instead of at least "
                f"{present[smaller][0]:,.0f}. Their fractions add up to more than 1.",
                InconsistentEdgesWarning,
            )
    elif isinstance(total, str) and total == "present":
        _warn_of_missing_edges(edges, of, len(ids))
        known, sums = np.ones(len(ids), bool), present
    else:
        what = repr(total) if isinstance(total, str | int | float) else f"a {type(total).__name__}"
        raise ValueError(
            f"total must be 'present', 'source', or a Series or mapping of totals by ID, not {what}."
        )
    known = known & (sums > 0)
    shares = weight / np.where(known, sums, 1.0)[codes]
    cells = pd.arrays.FloatingArray(np.where(known[codes], shares, 0.0), ~known[codes])
    result = add_columns(edges, {f"{of}_fraction": cells}, overwrite=overwrite)
    return note(result, fractions_of=of, fractions_total="given" if are_labels(total) else "present")


def _warn_of_missing_edges(edges: pd.DataFrame, of: str, neurons: int) -> None:
    """Sums over the rows are no totals where rows are known to be missing."""
    known = facts(edges)
    reasons = []
    if least_weight(edges) > 1:
        reasons.append(f"pairs of fewer than {least_weight(edges)} synapses were left out")
    # Complete are the inputs of the neurons that were asked for their upstream side.
    side = "upstream" if of == "input" else "downstream"
    if known.get("within"):
        reasons.append("it holds the edges among some neurons only")
    elif known.get("direction") not in (None, side, "both"):
        reasons.append(f"it was fetched from the other side ({known['direction']})")
    elif known.get("direction") == "both" and neurons > int(known.get("asked", neurons)):
        reasons.append(f"{neurons - int(known['asked']):,} of its neurons were not asked themselves")
    if reasons:
        warn(
            f"these fractions are not of all {of}, but of the edges in the table: "
            f"{listing(reasons)}. total='source' asks for the totals, or pass them: total=series.",
            IncompleteEdgesWarning,
        )


def sign(
    edges: pd.DataFrame,
    nt: Hashable = "nt_pre",
    *,
    inhibitory: str | Iterable[str],
    excitatory: str | Iterable[str],
    other: int = 0,
    check: bool = True,
) -> pd.DataFrame:
    """Put the sign of each edge, by transmitter, and its signed weight beside it.

    Parameters
    ----------
    edges : DataFrame
        An edge table.
    nt : hashable
        Column with the transmitter; ``annotate(neurons, "nt")`` adds ``nt_pre``.
    inhibitory, excitatory : str or list of str
        Transmitters that inhibit and that excite. There is no default: it depends on the animal and the
        receptors. Upper and lower case are the same.
    other : {0, -1, 1}
        Sign of all other transmitters, and of edges without one.
    check : bool
        Refuse a column in which none of the transmitters occurs: they may be spelled otherwise.

    Returns
    -------
    DataFrame
        The edges, row by row, with ``sign`` (int64: -1, 0, 1) and ``signed_weight`` (int64). ``weight``
        stays as it is; ``to_sparse(values="signed_weight")`` makes a signed matrix.

    Raises
    ------
    MissingColumnsError
        There is no such column.
    ValueError
        A transmitter is on both lists, or none of those named occurs in the column.

    Examples
    --------
    >>> from pdneuro.tables import sign
    >>> edges = pd.DataFrame({"pre": [1, 2], "post": [2, 1], "weight": [3, 5], "nt": ["ACH", "GABA"]})
    >>> sign(edges, "nt", inhibitory="gaba", excitatory="ach").signed_weight.tolist()
    [3, -5]
    """
    edges = require_edges(edges)
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
            f"none of {listing(sorted(signs))} occurs in column {nt!r}, which holds "
            f"{listing(map(repr, names))}."
        )
    # The last entry stands for a missing transmitter, whose code is -1.
    table = np.array([*(signs.get(word, other) for word in words), other], np.int64)
    found = table[codes]
    added = {"sign": found, "signed_weight": found * edges["weight"].to_numpy()}
    return add_columns(edges, added, overwrite=True)


def _words(names: str | Iterable[str]) -> set[str]:
    given = [names] if isinstance(names, str) else list(names)
    return {name.strip().casefold() for name in given}
