"""Classes of allensdk with allensdk's names, defaults and return values, on current pandas.

Each name is imported at first use.
"""

import importlib as _importlib
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

if _TYPE_CHECKING:
    from pdneuro.allen.sdk.cells import (
        CellTypesCache,
        Marker,
        Morphology,
        ReporterStatus,
        read_marker_file,
        read_swc,
    )
    from pdneuro.allen.sdk.connectivity import MouseConnectivityCache
    from pdneuro.allen.sdk.ontology import Ontology, SimpleTree, StructureTree
    from pdneuro.allen.sdk.spaces import ReferenceSpace, ReferenceSpaceCache

# Public names by module.
_MODULES: dict[str, tuple[str, ...]] = {
    "ontology": ("Ontology", "SimpleTree", "StructureTree"),
    "spaces": ("ReferenceSpace", "ReferenceSpaceCache"),
    "connectivity": ("MouseConnectivityCache",),
    "cells": (
        "CellTypesCache",
        "Marker",
        "Morphology",
        "ReporterStatus",
        "read_marker_file",
        "read_swc",
    ),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "CellTypesCache",
    "Marker",
    "Morphology",
    "MouseConnectivityCache",
    "Ontology",
    "ReferenceSpace",
    "ReferenceSpaceCache",
    "ReporterStatus",
    "SimpleTree",
    "StructureTree",
    "read_marker_file",
    "read_swc",
]


def __getattr__(name: str) -> _Any:
    if name not in _HOME:
        raise AttributeError(f"module 'pdneuro.allen.sdk' has no attribute {name!r}")
    return getattr(_importlib.import_module(f"pdneuro.allen.sdk.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
