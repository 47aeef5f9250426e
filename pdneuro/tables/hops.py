"""Searches over several hops: their direction, and the number of neurons that they may query."""

from __future__ import annotations

from pdneuro.errors import NodeBudgetError

#: Default maximum number of neurons to query with several hops.
MAX_NODES = 50_000


def check_budget(hop: int, count: int, counts: list[int], max_nodes: int, min_weight: int) -> None:
    """Raise an error if a hop would query too many neurons; ``counts`` are those of the hops before."""
    total = sum(counts) + count
    if total > max_nodes:
        before = f" (so far {' + '.join(f'{n:,}' for n in counts)})" if counts else ""
        raise NodeBudgetError(
            f"hop {hop} would query {count:,} neurons, {total:,} in total{before}: more than "
            f"max_nodes={max_nodes:,}. Raise min_weight (now {min_weight}), follow fewer hops, or "
            "pass a larger max_nodes."
        )


def direction_of(upstream: bool, downstream: bool) -> str:
    """Return the word for the directions, as provenance stores it."""
    if not (upstream or downstream):
        raise ValueError("upstream and downstream are both False. Set one or both to True.")
    return "both" if upstream and downstream else "upstream" if upstream else "downstream"
