"""``.neuro`` on dask frames and series: ``import pdneuro.dask`` puts it there.

Everything is lazy: a call builds a graph and asks no service. Each partition is answered by the same
functions as a pandas object, on whichever worker has it; what needs all rows of a neuron or of a pair
goes through dask's own shuffle. Options travel with the graph; tokens do not: each worker reads them
from its environment or its files.
"""

from __future__ import annotations

from typing import Any

from dask.dataframe import extensions

from pdneuro.accessors.door import door
from pdneuro.dask import edges as edge_tables
from pdneuro.dask import neurons, reconstructions
from pdneuro.dask import structures as structure_questions

__all__ = ["DataFrameNeuro", "SeriesNeuro"]


class _Lazy:
    def __init__(self, obj: Any) -> None:
        self._obj = obj

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise AttributeError(
            f"{name!r} is nothing that is done partition by partition: .compute().neuro.{name}(...) "
            "does it in memory."
        )


class SeriesNeuro(_Lazy):
    """Methods for a lazy column of segment IDs, structures or neurons."""

    def __repr__(self) -> str:
        return (
            f"<neuro: lazy column {self._obj.name!r}>\n"
            "  segments: .ids() .properties() .edges() .partners()\n"
            "  structures: .structures() .rollup() .is_under() .ancestors() .descendants()\n"
            "  neurons of NeuroMorpho.org: .neuromorpho() .morphometry()"
        )

    ids = door(neurons.ids)
    properties = door(neurons.properties)
    records = door(neurons.records)
    edges = door(neurons.edges)
    upstream = door(neurons.upstream)
    downstream = door(neurons.downstream)
    partners = door(neurons.partners)

    structures = door(structure_questions.structures)
    ancestors = door(structure_questions.ancestors)
    descendants = door(structure_questions.descendants)
    rollup = door(structure_questions.rollup)
    is_under = door(structure_questions.is_under)

    neuromorpho = door(reconstructions.neuromorpho)
    morphometry = door(reconstructions.morphometry)


class DataFrameNeuro(_Lazy):
    """Methods for a lazy table of neurons, and for lazy edge tables."""

    def __repr__(self) -> str:
        return (
            f"<neuro: lazy table of {len(self._obj.columns)} columns>\n"
            "  neurons: .join_properties() .edges() .partners()\n"
            "  structures: .join_structures()\n"
            "  neurons of NeuroMorpho.org: .join_neuromorpho() .join_morphometry()\n"
            "  edges: .as_edges() .threshold() .collapse() .annotate() .fractions() .sign() .degree()\n"
            "  .compute() gives the pandas table, which has .neuro too"
        )

    # A table of neurons
    join_properties = door(neurons.join_properties)
    edges = door(neurons.table_edges)
    upstream = door(neurons.table_upstream)
    downstream = door(neurons.table_downstream)
    partners = door(neurons.table_partners)

    # A table of structures
    join_structures = door(structure_questions.join_structures)

    # A table of NeuroMorpho.org's neurons
    join_neuromorpho = door(reconstructions.join_neuromorpho)
    join_morphometry = door(reconstructions.join_morphometry)

    # An edge table
    as_edges = door(edge_tables.as_edges)
    threshold = door(edge_tables.threshold)
    collapse = door(edge_tables.collapse)
    annotate = door(edge_tables.annotate)
    fractions = door(edge_tables.fractions)
    sign = door(edge_tables.sign)
    degree = door(edge_tables.degree)
    reciprocal = door(edge_tables.reciprocal)


def _register() -> None:
    for register, accessor in (
        (extensions.register_series_accessor, SeriesNeuro),
        (extensions.register_dataframe_accessor, DataFrameNeuro),
    ):
        register("neuro")(accessor)  # type: ignore[no-untyped-call]


_register()
