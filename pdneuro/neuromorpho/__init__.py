"""NeuroMorpho.org: its catalogue, its measurements, and reconstructions as node tables.

Each name is loaded when it is first used.
"""

import importlib as _importlib
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

if _TYPE_CHECKING:
    from pdneuro.files import read_swc
    from pdneuro.neuromorpho.catalogue import counts, field_values, fields, health, literature, select
    from pdneuro.neuromorpho.citation import cite, references
    from pdneuro.neuromorpho.records import morphometry, neuron, persistence, swc

# Public name -> the module it is in.
_HOME = {
    **dict.fromkeys(
        ("counts", "field_values", "fields", "health", "literature", "select"),
        "pdneuro.neuromorpho.catalogue",
    ),
    **dict.fromkeys(("cite", "references"), "pdneuro.neuromorpho.citation"),
    **dict.fromkeys(("morphometry", "neuron", "persistence", "swc"), "pdneuro.neuromorpho.records"),
    "read_swc": "pdneuro.files",
}

__all__ = [
    "cite",
    "counts",
    "field_values",
    "fields",
    "health",
    "literature",
    "morphometry",
    "neuron",
    "persistence",
    "read_swc",
    "references",
    "select",
    "swc",
]


def __getattr__(name: str) -> _Any:
    if name not in _HOME:
        raise AttributeError(f"module 'pdneuro.neuromorpho' has no attribute {name!r}")
    return getattr(_importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
