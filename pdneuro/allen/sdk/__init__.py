"""Classes of allensdk with allensdk's names, defaults and return values, on current pandas.

Each name is imported at first use.
"""

import importlib as _importlib
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

if _TYPE_CHECKING:
    from pdneuro.allen.sdk.api import (
        AnnotatedSectionDataSetsApi,
        Api,
        BiophysicalApi,
        CellTypesApi,
        ConnectedServices,
        GlifApi,
        GridDataApi,
        ImageDownloadApi,
        MouseConnectivityApi,
        OntologiesApi,
        ReferenceSpaceApi,
        RmaApi,
        RmaTemplate,
        SvgApi,
        SynchronizationApi,
        TreeSearchApi,
    )
    from pdneuro.allen.sdk.cache import Cache, cacheable

# Public names by module.
_MODULES: dict[str, tuple[str, ...]] = {
    "api": (
        "AnnotatedSectionDataSetsApi",
        "Api",
        "BiophysicalApi",
        "CellTypesApi",
        "ConnectedServices",
        "GlifApi",
        "GridDataApi",
        "ImageDownloadApi",
        "MouseConnectivityApi",
        "OntologiesApi",
        "ReferenceSpaceApi",
        "RmaApi",
        "RmaTemplate",
        "SvgApi",
        "SynchronizationApi",
        "TreeSearchApi",
    ),
    "cache": ("Cache", "cacheable"),
    "ontology": ("Ontology", "SimpleTree", "StructureTree"),
    "spaces": ("ReferenceSpace", "ReferenceSpaceCache"),
    "connectivity": ("MouseConnectivityCache",),
    "cells": ("CellTypesCache",),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> _Any:
    if name not in _HOME:
        raise AttributeError(f"module 'pdneuro.allen.sdk' has no attribute {name!r}")
    return getattr(_importlib.import_module(f"pdneuro.allen.sdk.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
