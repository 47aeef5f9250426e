"""Minibrain, an invented service: a small, complete example of a service's folder."""

from minibrain.sandbox import serve
from minibrain.source import Minibrain
from pdneuro import sources

__all__ = ["Minibrain", "open_source", "serve"]


def open_source(name: str) -> Minibrain:
    """Return the source for a dataset of the service; ``pdneuro.open_source`` calls this."""
    return Minibrain(name)


# For a service of pdneuro, this is a line of sources.py.
sources.SERVICES["minibrain"] = "minibrain"
