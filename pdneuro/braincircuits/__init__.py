"""BrainCircuits.io: segment properties and partners, by project."""

from pdneuro.braincircuits.source import BrainCircuits
from pdneuro.errors import InvalidVersionError as _InvalidVersionError

__all__ = ["BrainCircuits", "open_source"]


def open_source(project: str) -> BrainCircuits:
    """Return the source for a project of the service."""
    name, at, version = project.partition("@")
    if at:
        raise _InvalidVersionError(
            f"{project!r} has the version {version!r}, but projects of BrainCircuits.io have no "
            f"versions. Write {name!r}; or 'cave:{name}@{version}' for a CAVE datastack. "
            "pdneuro.known_names() lists both."
        )
    return BrainCircuits(project)
