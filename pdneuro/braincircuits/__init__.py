"""BrainCircuits.io: segment properties and partners, by project."""

from pdneuro.braincircuits.source import BrainCircuits

__all__ = ["BrainCircuits", "open_source"]


def open_source(project: str) -> BrainCircuits:
    """Return the source for a project of the service."""
    return BrainCircuits(project)
