"""pdneuro: a ``.neuro`` accessor for pandas objects.

Importing it registers the accessor; its methods and everything else are imported at first use.
"""

import importlib as _importlib
import sys as _sys
from pathlib import Path as _Path
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from pdneuro import errors, tracebacks
from pdneuro._version import __version__
from pdneuro.options import get_options, set_options

tracebacks.register()


def _is_command_line() -> bool:
    """Return whether this process is ``pdneuro ...`` or ``python -m pdneuro ...``."""
    program, *_ = _sys.argv or [""]
    if program == "-m":  # Python looks for the module to run, whose name is in front of its arguments
        return _sys.orig_argv[-len(_sys.argv)] == "pdneuro"
    return _Path(program).stem == "pdneuro"


# The command line imports pandas only for a valid command, and registers .neuro then.
if not _is_command_line():
    _importlib.import_module("pdneuro.first_use")

if _TYPE_CHECKING:
    from pdneuro import allen, graphs, neuroglancer, neuromorpho, plots, sandbox, tables
    from pdneuro.accessors import neuro
    from pdneuro.checks.doctor import doctor
    from pdneuro.checks.setup import setup
    from pdneuro.connectome import Connectome
    from pdneuro.files import read_edges, read_neurons, read_table
    from pdneuro.names import catalog, known_names
    from pdneuro.queries.find import find
    from pdneuro.sources import open_source
    from pdneuro.transport import cache, tokens
    from pdneuro.transport.report import last_report
    from pdneuro.versions import show_versions

__all__ = [
    "Connectome",
    "__version__",
    "allen",
    "cache",
    "catalog",
    "doctor",
    "errors",
    "find",
    "get_options",
    "graphs",
    "known_names",
    "last_report",
    "neuro",
    "neuroglancer",
    "neuromorpho",
    "open_source",
    "plots",
    "read_edges",
    "read_neurons",
    "read_table",
    "sandbox",
    "set_options",
    "setup",
    "show_versions",
    "tables",
    "tokens",
]

# Public name -> module, and the name in it (None: the module itself).
_LAZY = {
    "Connectome": ("pdneuro.connectome", "Connectome"),
    "accessors": ("pdneuro.accessors", None),
    "allen": ("pdneuro.allen", None),
    "citations": ("pdneuro.citations", None),
    "files": ("pdneuro.files", None),
    "graphs": ("pdneuro.graphs", None),
    "cache": ("pdneuro.transport.cache", None),
    "catalog": ("pdneuro.names", "catalog"),
    "doctor": ("pdneuro.checks.doctor", "doctor"),
    "find": ("pdneuro.queries.find", "find"),
    "known_names": ("pdneuro.names", "known_names"),
    "last_report": ("pdneuro.transport.report", "last_report"),
    "neuro": ("pdneuro.accessors", "neuro"),
    "neuroglancer": ("pdneuro.neuroglancer", None),
    "neuromorpho": ("pdneuro.neuromorpho", None),
    "plots": ("pdneuro.plots", None),
    "queries": ("pdneuro.queries", None),
    "open_source": ("pdneuro.sources", "open_source"),
    "read_edges": ("pdneuro.files", "read_edges"),
    "read_neurons": ("pdneuro.files", "read_neurons"),
    "read_table": ("pdneuro.files", "read_table"),
    "sandbox": ("pdneuro.sandbox", None),
    "setup": ("pdneuro.checks.setup", "setup"),
    "show_versions": ("pdneuro.versions", "show_versions"),
    "tables": ("pdneuro.tables", None),
    "tokens": ("pdneuro.transport.tokens", None),
}


def __getattr__(name: str) -> _Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'pdneuro' has no attribute {name!r}")
    module, attribute = _LAZY[name]
    loaded = _importlib.import_module(module)
    return loaded if attribute is None else getattr(loaded, attribute)


def __dir__() -> list[str]:
    return __all__
