"""CAVE: tables, synapses and the history of root IDs, through caveclient (extra ``cave``)."""

import re as _re

from pdneuro.cave.source import CaveSource
from pdneuro.errors import UnknownSourceError as _UnknownSourceError

__all__ = ["CaveSource", "open_source"]


def open_source(spec: str) -> CaveSource:
    """Return the source for ``datastack`` or ``datastack@version``."""
    datastack, _, version = spec.partition("@")
    if not _re.fullmatch(r"[A-Za-z0-9][\w.-]*", datastack) or (version and not version.isdigit()):
        raise _UnknownSourceError(
            f"'cave:{spec}' is not a datastack. Write 'cave:minnie65_public', or with a version "
            "'cave:minnie65_public@1300'. pdneuro.known_names() lists the known datastacks."
        )
    return CaveSource(datastack, int(version) if version else None)
