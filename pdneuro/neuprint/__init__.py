"""neuPrint: properties, partners, regions and skeletons of bodies, by data set."""

from pdneuro.neuprint.source import NeuPrint

__all__ = ["NeuPrint", "open_source"]


def open_source(dataset: str) -> NeuPrint:
    """Return the source for a data set of the server."""
    return NeuPrint(dataset)
