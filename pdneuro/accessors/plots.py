"""``.neuro.plot``: the pictures of a table, a column or a volume."""

from __future__ import annotations

from typing import Any

from pdneuro import plots
from pdneuro.accessors.door import door


class _Plots:
    def __init__(self, obj: Any) -> None:
        self._obj = obj

    def __repr__(self) -> str:
        names = [name for name in dir(type(self)) if not name.startswith("_")]
        return f"<neuro.plot: {', '.join(f'.{name}()' for name in names)}>"


class FramePlots(_Plots):
    """Pictures of edge tables, of tables of structures, and of reconstructions."""

    # An edge table
    matrix = door(plots.matrix)
    degree = door(plots.degree)
    graph = door(plots.graph)
    fractions = door(plots.fractions)
    hops = door(plots.hops)

    # A table of structures
    bars = door(plots.bars)
    tree = door(plots.tree)

    # The nodes of reconstructions
    skeleton = door(plots.skeleton)
    dendrogram = door(plots.dendrogram)


class SeriesPlots(_Plots):
    """Pictures of numbers with structures in the index."""

    bars = door(plots.bars)
    tree = door(plots.tree)


class ArrayPlots(_Plots):
    """Pictures of volumes."""

    slices = door(plots.slices)
