"""``groupby(...).neuro``: the questions asked of each group, with one fetch for all of them."""

from __future__ import annotations

from typing import Any

from pdneuro import groups
from pdneuro.accessors.door import door


class GroupByNeuro:
    """Methods for the groups of a column of segment IDs, or of a table with one."""

    def __init__(self, obj: Any) -> None:
        self._obj = obj

    def __repr__(self) -> str:
        return f"<neuro: {self._obj.ngroups:,} groups>\n  .edges() .partners() .graph(), for each group"

    edges = door(groups.edges)
    upstream = door(groups.upstream)
    downstream = door(groups.downstream)
    partners = door(groups.partners)
    graph = door(groups.graph)
