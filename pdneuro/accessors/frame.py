"""``DataFrame.neuro``: a table of neurons, or an edge table."""

from __future__ import annotations

import pandas as pd

from pdneuro import neurons
from pdneuro.accessors.door import door
from pdneuro.accessors.recognised import describe_frame
from pdneuro.graphs import to_networkx
from pdneuro.tables import as_edges, threshold


class DataFrameNeuro:
    """Methods for a table with a column of segment IDs, and for edge tables; print it for both."""

    def __init__(self, obj: pd.DataFrame) -> None:
        self._obj = obj

    def __repr__(self) -> str:
        return describe_frame(self._obj)

    # A table of neurons
    join_properties = door(neurons.join_properties)
    edges = door(neurons.edges)
    upstream = door(neurons.upstream)
    downstream = door(neurons.downstream)
    partners = door(neurons.partners)
    graph = door(neurons.graph)

    # An edge table
    as_edges = door(as_edges)
    threshold = door(threshold)
    to_networkx = door(to_networkx)
