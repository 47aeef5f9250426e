"""CAVE: tables, synapses and the history of root IDs, through caveclient (extra ``cave``)."""

import re as _re

from pdneuro.cave.source import CaveSource
from pdneuro.errors import InvalidVersionError as _InvalidVersionError
from pdneuro.errors import UnknownSourceError as _UnknownSourceError

__all__ = ["CaveSource", "open_source"]


def open_source(spec: str) -> CaveSource:
    """Return the source for ``datastack`` or ``datastack@version``."""
    datastack, at, version = spec.partition("@")
    known = "pdneuro.known_names() lists the known datastacks."
    if not _re.fullmatch(r"[A-Za-z0-9][\w.-]*", datastack):
        raise _UnknownSourceError(
            f"'cave:{spec}' is not a datastack. Write 'cave:minnie65_public', or with a version "
            f"'cave:minnie65_public@1300'. {known}"
        )
    try:
        return CaveSource(datastack, version if at else None)
    except _InvalidVersionError as error:
        raise _InvalidVersionError(
            f"unknown source 'cave:{spec}': there is no valid version behind the @. {error} "
            f"pdneuro.catalog('cave:{datastack}') lists the versions. {known}"
        ) from error
