"""Methods that need a source: one module per type of query."""

from pdneuro.queries import (
    cave,
    dimensions,
    edges,
    experiments,
    groups,
    neuromorpho,
    properties,
    skeletons,
    structures,
    supervoxels,
)

__all__ = [
    "cave",
    "dimensions",
    "edges",
    "experiments",
    "find",
    "groups",
    "neuromorpho",
    "properties",
    "skeletons",
    "structures",
    "supervoxels",
]
