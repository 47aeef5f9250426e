"""``DataArray.neuro``: a matrix of edges, or a volume of the brain."""

from __future__ import annotations

from pdneuro import graphs, tables
from pdneuro.accessors.describe import describe_array
from pdneuro.accessors.door import Accessor, door
from pdneuro.accessors.plots import ArrayPlots


class DataArrayNeuro(Accessor):
    """Methods for a ``(pre, post)`` matrix, and for volumes with the axes ``ap, dv, lr``."""

    _describe = staticmethod(describe_array)

    @property
    def plot(self) -> ArrayPlots:
        """Pictures; see :mod:`pdneuro.plots`."""
        return ArrayPlots(self._obj)

    to_edges = door(graphs.from_xarray)
    at = door(tables.at)
    structure_means = door(tables.structure_means)
