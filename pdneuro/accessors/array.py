"""``DataArray.neuro``: a matrix with labelled axes."""

from __future__ import annotations

from typing import Any

from pdneuro import graphs
from pdneuro.accessors.door import door
from pdneuro.accessors.recognised import describe_array


class DataArrayNeuro:
    """Methods for a ``(pre, post)`` matrix."""

    def __init__(self, obj: Any) -> None:
        self._obj = obj

    def __repr__(self) -> str:
        return describe_array(self._obj)

    to_edges = door(graphs.from_xarray)
