"""``Series.neuro``: a column of segment IDs, structures or neurons."""

from __future__ import annotations

from pdneuro import neuroglancer
from pdneuro.accessors.describe import describe_series
from pdneuro.accessors.door import Citable, door
from pdneuro.accessors.plots import SeriesPlots
from pdneuro.queries import cave as root_ids
from pdneuro.queries import neuromorpho as reconstructions
from pdneuro.queries import properties as segments
from pdneuro.queries import structures as structure_questions
from pdneuro.tables import exact_ids


class SeriesNeuro(Citable):
    """Methods for a column of segment IDs, structures or neurons; print it to see which."""

    _describe = staticmethod(describe_series)

    @property
    def plot(self) -> SeriesPlots:
        """Pictures; see :mod:`pdneuro.plots`."""
        return SeriesPlots(self._obj)

    ids = door(exact_ids)
    properties = door(segments.properties)
    records = door(segments.records)
    edges = door(segments.edges)
    upstream = door(segments.upstream)
    downstream = door(segments.downstream)
    partners = door(segments.partners)
    graph = door(segments.graph)

    link = door(neuroglancer.link)

    # Allen structures, by ID or acronym
    structures = door(structure_questions.structures)
    ancestors = door(structure_questions.ancestors)
    descendants = door(structure_questions.descendants)
    rollup = door(structure_questions.rollup)
    is_under = door(structure_questions.is_under)

    # NeuroMorpho.org, by ID or name
    neuromorpho = door(reconstructions.neuromorpho)
    morphometry = door(reconstructions.morphometry)
    persistence = door(reconstructions.persistence)
    swc = door(reconstructions.swc)

    # CAVE, by root ID
    cave = door(root_ids.cave)
    synapses = door(root_ids.synapses)
    is_latest = door(root_ids.is_latest)
    latest = door(root_ids.latest)
    at = door(root_ids.at)
