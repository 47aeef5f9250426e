"""A local HTTP server that imitates all services, with a synthetic brain or with your files."""

from pdneuro.sandbox.cave_data import root_ids, supervoxels
from pdneuro.sandbox.connectome import edges, neurons
from pdneuro.sandbox.start import Sandbox, start

__all__ = ["Sandbox", "edges", "neurons", "root_ids", "start", "supervoxels"]
