"""Pure functions from edge tables to graphs."""

from pdneuro.graphs.convert import to_networkx

__all__ = ["to_networkx"]
