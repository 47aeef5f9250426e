"""Methods that need a source: one module per type of query."""

from pdneuro.queries import (
    cave,
    dimensions,
    edges,
    groups,
    neuromorpho,
    properties,
    skeletons,
    structures,
)

__all__ = [
    "cave",
    "dimensions",
    "edges",
    "groups",
    "neuromorpho",
    "properties",
    "skeletons",
    "structures",
]
