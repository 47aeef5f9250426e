"""``groupby(...).neuro``: the questions asked of each group, with one fetch for all of them."""

from __future__ import annotations

from pdneuro.accessors.describe import describe_groups
from pdneuro.accessors.door import Accessor, door
from pdneuro.queries import groups


class GroupByNeuro(Accessor):
    """Methods for the groups of a column of segment IDs, or of a table with one."""

    _describe = staticmethod(describe_groups)

    edges = door(groups.edges)
    upstream = door(groups.upstream)
    downstream = door(groups.downstream)
    partners = door(groups.partners)
    graph = door(groups.graph)
