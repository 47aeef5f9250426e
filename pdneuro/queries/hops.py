"""Following edges from neuron to neuron, within a budget."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pdneuro.errors import NodeBudgetError
from pdneuro.options import Fetch
from pdneuro.sources import Source
from pdneuro.tables import threshold
from pdneuro.tables.ids import Int64Array

#: Neurons that further hops may reach before a call must say that it wants more.
MAX_NODES = 50_000


def follow(
    given: Int64Array,
    source: Source,
    *,
    upstream: bool,
    downstream: bool,
    hops: int,
    min_weight: int,
    within: bool,
    max_nodes: int,
    fetch: Fetch,
    first: int = 1,
    numbered: bool = True,
) -> tuple[pd.DataFrame, list[int]]:
    """Edges of the given neurons, and of those that they reach, up to ``hops`` times.

    Parameters
    ----------
    given : array of int64
        Distinct neurons.
    first : int
        Number of the first hop.
    numbered : bool
        Add the column ``hop``; needed for several hops.
    upstream, downstream, hops, min_weight, within, max_nodes
        As for :func:`pdneuro.queries.properties.edges`.

    Returns
    -------
    DataFrame, list of int
        ``pre, post, weight, hop`` (int64), each pair at the hop where it was first found; and the number
        of neurons asked at each hop.

    Raises
    ------
    NodeBudgetError
        Before anything is sent for the hop that would exceed ``max_nodes``.
    """
    asked, front = given[:0], given
    found: list[pd.DataFrame] = []
    counts: list[int] = []
    for hop in range(first, first + hops):
        total = len(asked) + len(front)
        if total > max_nodes:
            before = f" (so far {' + '.join(f'{n:,}' for n in counts)})" if counts else ""
            raise NodeBudgetError(
                f"hop {hop} would ask about {len(front):,} neurons, {total:,} in all{before}: more than "
                f"max_nodes={max_nodes:,}. Raise min_weight (now {min_weight}), ask for fewer hops, or "
                "pass a larger max_nodes."
            )
        table = source.edges(front, upstream=upstream, downstream=downstream, fetch=fetch)
        # A source's table is sound: only one with weak edges is gone through again.
        if (table["weight"].to_numpy() < min_weight).any():
            table = threshold(table, min_weight)
        asked = np.concatenate([asked, front])
        counts.append(len(front))
        found.append(table.assign(hop=np.int64(hop)) if numbered else table)
        if within or hop == first + hops - 1:  # within: further hops only add edges that leave
            break
        ends = [table["post"].to_numpy()] * downstream + [table["pre"].to_numpy()] * upstream
        reached = np.asarray(pd.unique(np.concatenate(ends)), np.int64)
        front = reached[pd.Index(asked).get_indexer(pd.Index(reached)) < 0]
        if not len(front):
            break
    if len(found) == 1:
        return found[0], counts
    both = pd.concat(found, ignore_index=True)
    # A later hop sees an edge again from its other end.
    first_seen = both.groupby(["pre", "post"], sort=False)["hop"].transform("min")
    return both[both["hop"] == first_seen], counts


def direction(upstream: bool, downstream: bool) -> str:
    """The word for the sides that were asked, as provenance keeps it."""
    if not (upstream or downstream):
        raise ValueError("edges need upstream or downstream.")
    return "both" if upstream and downstream else "upstream" if upstream else "downstream"


def provenance(min_weight: int, sides: str, within: bool, counts: list[int]) -> dict[str, Any]:
    """What later steps need to know: which edges the table may lack."""
    return {
        "min_weight": int(min_weight),
        "direction": sides,
        "within": bool(within),
        "asked": sum(counts),
        "asked_per_hop": counts,
    }
