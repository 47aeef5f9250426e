"""A local connectome, from files or frames, as a source of properties and partners."""

from pdneuro.connectome.source import Connectome

__all__ = ["Connectome"]
