"""Minibrain, a made-up service: the shape of a service's folder, small and whole."""

from minibrain.sandbox import serve
from minibrain.source import Minibrain
from pdneuro import sources

__all__ = ["Minibrain", "open_source", "serve"]


def open_source(name: str) -> Minibrain:
    """The source for a dataset of the service; ``pdneuro.open_source`` calls this."""
    return Minibrain(name)


# Within pdneuro this is a line of sources.py.
sources.SERVICES["minibrain"] = "minibrain"
