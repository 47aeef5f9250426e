"""Keep strong edges: by the weight of a row or pair, or by its share of all input or output."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pdneuro._compat import copies_on_write
from pdneuro._docs import documented
from pdneuro.errors import IncompleteEdgesWarning, listing, warn
from pdneuro.tables.columns import check_choice
from pdneuro.tables.edges import require_edges
from pdneuro.tables.grouping import group_rows, pairs_differ, sums_by_code
from pdneuro.tables.ids import Int64Array
from pdneuro.tables.provenance import facts, note

#: The end of an edge whose total is the denominator of a share.
END_OF = {"input": "post", "output": "pre"}


@documented()
def threshold(
    edges: pd.DataFrame, min_weight: float, per: str = "pair", *, of: str | None = None
) -> pd.DataFrame:
    """Keep the edges of at least ``min_weight`` synapses (``>=``), or of at least a share of the input.

    Parameters
    ----------
    edges : DataFrame
        An edge table.
    {threshold}

    Returns
    -------
    DataFrame
        The remaining rows, with their index and all columns. ``attrs["pdneuro"]`` stores the threshold:
        ``min_weight``, or ``min_share`` and ``min_share_of``.

    Raises
    ------
    ValueError
        The threshold is not a whole number, or with ``of`` not a share from 0 to 1.

    Warns
    -----
    IncompleteEdgesWarning
        With ``of``: the table is known to lack edges, so that the shares are too large.

    Notes
    -----
    Shares are those of :func:`fractions` with ``total="present"``, before any row is dropped. For shares
    of all synapses that the source counts, use ``fractions(total="source")`` and select by the column.

    Examples
    --------
    >>> from pdneuro.tables import threshold
    >>> edges = pd.DataFrame({"pre": [1, 1, 2], "post": [2, 2, 1], "weight": [3, 4, 5]})
    >>> threshold(edges, 6)
       pre  post  weight
    0    1     2       3
    1    1     2       4
    >>> threshold(edges, 0.5, per="row", of="input")
       pre  post  weight
    1    1     2       4
    2    2     1       5
    """
    edges = require_edges(edges)
    check_choice("per", per, ("pair", "row"))
    weight = edges["weight"].to_numpy()
    if of is not None:
        return _threshold_of_share(edges, min_weight, per, of)
    min_weight = whole_threshold(min_weight)
    strong = weight >= min_weight
    if per == "pair" and not strong.all():
        strong = pair_weights(edges) >= min_weight
    kept = edges.copy(deep=not copies_on_write()) if strong.all() else edges[strong]
    return note(kept, min_weight=max(min_weight, least_weight(edges)))


def pair_weights(edges: pd.DataFrame) -> Int64Array:
    """Return the weight of the pair of each row.

    >>> pair_weights(pd.DataFrame({"pre": [1, 1, 2], "post": [2, 2, 1], "weight": [3, 4, 5]})).tolist()
    [7, 7, 5]
    """
    if pairs_differ(edges["pre"].to_numpy(), edges["post"].to_numpy()):
        return edges["weight"].to_numpy()
    groups = group_rows(edges["pre"], edges["post"])
    sums = np.add.reduceat(edges["weight"].to_numpy()[groups.rows], groups.starts)
    totals = np.empty(len(edges), np.int64)
    totals[groups.rows] = np.repeat(sums, groups.sizes)
    return totals


def _threshold_of_share(edges: pd.DataFrame, share: Any, per: str, of: str) -> pd.DataFrame:
    check_choice("of", of, (None, *END_OF))
    share = as_share(share, "min_weight")
    codes, ids = pd.factorize(edges[END_OF[of]].to_numpy())
    warn_of_missing_edges(edges, of, len(ids))
    weight = edges["weight"].to_numpy()
    totals = sums_by_code(codes, weight, len(ids))[codes]
    if per == "pair":
        weight = pair_weights(edges)
    # A quotient is rounded once, so that 1 of 100 synapses is exactly the share 0.01.
    strong = weight / np.maximum(totals, 1) >= share
    kept = edges.copy(deep=not copies_on_write()) if strong.all() else edges[strong]
    before = facts(edges)
    if share == 0 or (before.get("min_share_of") == of and before.get("min_share", 0) >= share):
        return kept
    return note(kept, min_share=share, min_share_of=of)


def as_share(share: Any, name: str) -> float:
    """Return a share from 0 to 1 as a float, or raise an error.

    >>> as_share(1, "cover")
    1.0
    """
    number = isinstance(share, int | float | np.integer | np.floating) and not isinstance(share, bool)
    if not number or not 0 <= share <= 1:
        raise ValueError(f"{name} must be a share from 0 to 1, such as 0.01 for 1 %, not {share!r}.")
    return float(share)


def warn_of_missing_edges(edges: pd.DataFrame, of: str, neurons: int) -> None:
    """Warn if rows are known to be missing, since sums over the rows are then too small."""
    provenance = facts(edges)
    reasons = []
    if least_weight(edges) > 1:
        reasons.append(f"pairs of fewer than {least_weight(edges)} synapses were dropped")
    if "min_share" in provenance:
        share, side = provenance["min_share"], provenance.get("min_share_of", "input")
        reasons.append(f"edges of less than {share:g} of the {side} were dropped")
    # Only neurons whose upstream edges were requested have all their inputs.
    side = "upstream" if of == "input" else "downstream"
    if provenance.get("within"):
        reasons.append("the table contains only edges among some neurons")
    elif provenance.get("direction") not in (None, side, "both"):
        reasons.append(f"only {provenance['direction']} edges were requested")
    elif provenance.get("direction") == "both" and neurons > int(provenance.get("asked", neurons)):
        reasons.append(f"{neurons - int(provenance['asked']):,} of the neurons were not queried")
    if reasons:
        warn(
            f"these fractions are of the edges in the table, not of all {of}: {listing(reasons)}. For "
            f"totals of the source, use .neuro.fractions({of!r}, total='source'), or pass total=series.",
            IncompleteEdgesWarning,
        )


def whole_threshold(min_weight: Any) -> int:
    """Return a minimum number of synapses as an integer, or raise an error.

    >>> whole_threshold(5.0)
    5
    """
    number = isinstance(min_weight, int | float | np.integer | np.floating)
    if not number or isinstance(min_weight, bool) or not min_weight >= 0 or min_weight % 1:
        raise ValueError(
            f"min_weight must be a whole number of synapses, 0 or more, not {min_weight!r}. For another "
            "threshold at the next hop, call .neuro.expand(min_weight=...); for a share of the input, "
            'call .neuro.threshold(0.01, of="input").'
        )
    return int(min_weight)


def least_weight(edges: pd.DataFrame) -> int:
    """Return the threshold of the table, as stored in its provenance; 1 if there is none."""
    return int(facts(edges).get("min_weight", 1))
