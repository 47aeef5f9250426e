"""A local HTTP server that imitates all services, with a synthetic brain or with your files."""

from pdneuro.connectome import Connectome
from pdneuro.sandbox.cave_data import root_ids, supervoxels
from pdneuro.sandbox.connectome import bundled, edges, neurons
from pdneuro.sandbox.start import Sandbox, start
from pdneuro.tables.provenance import SYNTHETIC

__all__ = [
    "Sandbox",
    "edges",
    "neurons",
    "open_source",
    "root_ids",
    "start",
    "supervoxels",
]


def open_source(name: str) -> Connectome:
    """Return the bundled brain as a local source, which needs no server: ``source="sandbox"``.

    Examples
    --------
    >>> pdneuro.sandbox.open_source("sandbox")
    <Connectome 'sandbox (synthetic)': 3,000 neurons, 45,000 pairs>
    """
    return Connectome(edges(), bundled("neurons"), f"sandbox{SYNTHETIC}")
