"""``.neuro`` on dask frames and series: ``import pdneuro.dask`` registers it.

Everything is lazy: a call builds a graph and sends no request. Each partition is processed by the same
functions as a pandas object, on the worker that holds it. Methods that need all rows of a neuron or of a
pair use dask's shuffle. Options travel with the graph. Tokens do not: queries run in the process that
made the lazy table.
"""

from __future__ import annotations

from typing import Any

from dask.dataframe import extensions

from pdneuro.accessors.method import as_method
from pdneuro.dask import delayed, each_row, edges, segments

__all__ = ["DataFrameNeuro", "SeriesNeuro"]


class _LazyAccessor:
    def __init__(self, obj: Any) -> None:
        self._obj = obj

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise AttributeError(
            f".neuro.{name}() is not available on dask. Call .compute().neuro.{name}(...) instead."
        )

    def __repr__(self) -> str:
        names = [name for part in type(self).__mro__ for name in vars(part) if not name.startswith("_")]
        kind = "table" if self._obj.ndim == 2 else f"column {self._obj.name!r}"
        lines = [f"<neuro: lazy {kind}>"]
        lines += [
            f"  {' '.join(f'.{name}()' for name in names[k : k + 8])}" for k in range(0, len(names), 8)
        ]
        return "\n".join([*lines, "  .compute() returns the pandas object, which has all methods"])


class SeriesNeuro(_LazyAccessor):
    """Methods for a lazy column of segment IDs, structures or neurons."""

    ids = as_method(each_row.ids)
    properties = as_method(each_row.properties)
    records = as_method(segments.records)
    edges = as_method(segments.edges)
    upstream = as_method(segments.upstream)
    downstream = as_method(segments.downstream)
    partners = as_method(segments.partners)
    structures = as_method(each_row.structures)
    ancestors = as_method(each_row.ancestors)
    descendants = as_method(each_row.descendants)
    rollup = as_method(each_row.rollup)
    is_under = as_method(each_row.is_under)
    neuromorpho = as_method(each_row.neuromorpho)
    morphometry = as_method(each_row.morphometry)
    persistence = as_method(each_row.persistence)
    swc = as_method(segments.swc)
    cave = as_method(each_row.cave)
    synapses = as_method(segments.synapses)
    is_latest = as_method(each_row.is_latest)
    latest = as_method(each_row.latest)
    at = as_method(each_row.at)
    roots = as_method(each_row.roots)
    link = as_method(delayed.link)
    cite = as_method(delayed.cite)

    @property
    def provenance(self) -> Any:
        """Return the sources of the table, when computed."""
        return delayed.provenance(self._obj)


class DataFrameNeuro(SeriesNeuro):
    """Methods for a lazy table of neurons or structures, and for lazy edge tables."""

    join_properties = as_method(each_row.join_properties)
    join_structures = as_method(each_row.join_structures)
    join_neuromorpho = as_method(each_row.join_neuromorpho)
    join_morphometry = as_method(each_row.join_morphometry)
    join_cave = as_method(each_row.join_cave)
    join_roots = as_method(each_row.join_roots)
    as_edges = as_method(edges.as_edges)
    threshold = as_method(edges.threshold)
    collapse = as_method(edges.collapse)
    annotate = as_method(edges.annotate)
    fractions = as_method(edges.fractions)
    sign = as_method(edges.sign)
    top_nt = as_method(edges.top_nt)
    degree = as_method(edges.degree)
    reciprocal = as_method(edges.reciprocal)
    motifs = as_method(delayed.motifs)
    similarity = as_method(delayed.similarity)
    to_matrix = as_method(delayed.to_matrix)
    to_sparse = as_method(delayed.to_sparse)


extensions.register_series_accessor("neuro")(SeriesNeuro)  # type: ignore[no-untyped-call]
extensions.register_dataframe_accessor("neuro")(DataFrameNeuro)  # type: ignore[no-untyped-call]


def __getattr__(name: str) -> Any:
    """Return the plugin, for which distributed must be installed."""
    if name == "WorkerPlugin":
        from pdneuro.dask.cluster import WorkerPlugin

        return WorkerPlugin
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
