"""Classes of allensdk with allensdk's names, defaults and return values, on current pandas.

Each name is imported at first use.
"""

import importlib as _importlib
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

if _TYPE_CHECKING:
    from pdneuro.allen.sdk.api import Api, RmaApi, RmaTemplate
    from pdneuro.allen.sdk.cache import Cache, cacheable, get_default_manifest_file, memoize
    from pdneuro.allen.sdk.cells import (
        CellTypesCache,
        Marker,
        Morphology,
        ReporterStatus,
        read_marker_file,
        read_swc,
    )
    from pdneuro.allen.sdk.connectivity import MouseConnectivityCache
    from pdneuro.allen.sdk.data_api import (
        AnnotatedSectionDataSetsApi,
        BiophysicalApi,
        CellTypesApi,
        ConnectedServices,
        GlifApi,
    )
    from pdneuro.allen.sdk.image_api import (
        GridDataApi,
        ImageDownloadApi,
        MouseConnectivityApi,
        ReferenceSpaceApi,
    )
    from pdneuro.allen.sdk.manifest import Manifest, ManifestVersionError
    from pdneuro.allen.sdk.ontology import Ontology, SimpleTree, StructureTree
    from pdneuro.allen.sdk.spaces import ReferenceSpace, ReferenceSpaceCache
    from pdneuro.allen.sdk.structure_api import OntologiesApi, SvgApi, SynchronizationApi, TreeSearchApi

# Public names by module.
_MODULES: dict[str, tuple[str, ...]] = {
    "data_api": (
        "AnnotatedSectionDataSetsApi",
        "BiophysicalApi",
        "CellTypesApi",
        "ConnectedServices",
        "GlifApi",
    ),
    "api": (
        "Api",
        "RmaApi",
        "RmaTemplate",
    ),
    "image_api": (
        "GridDataApi",
        "ImageDownloadApi",
        "MouseConnectivityApi",
        "ReferenceSpaceApi",
    ),
    "structure_api": (
        "OntologiesApi",
        "SvgApi",
        "SynchronizationApi",
        "TreeSearchApi",
    ),
    "cache": ("Cache", "cacheable", "get_default_manifest_file", "memoize"),
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
    "manifest": ("Manifest", "ManifestVersionError"),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "AnnotatedSectionDataSetsApi",
    "Api",
    "BiophysicalApi",
    "Cache",
    "CellTypesApi",
    "CellTypesCache",
    "ConnectedServices",
    "GlifApi",
    "GridDataApi",
    "ImageDownloadApi",
    "Manifest",
    "ManifestVersionError",
    "Marker",
    "Morphology",
    "MouseConnectivityApi",
    "MouseConnectivityCache",
    "OntologiesApi",
    "Ontology",
    "ReferenceSpace",
    "ReferenceSpaceApi",
    "ReferenceSpaceCache",
    "ReporterStatus",
    "RmaApi",
    "RmaTemplate",
    "SimpleTree",
    "StructureTree",
    "SvgApi",
    "SynchronizationApi",
    "TreeSearchApi",
    "cacheable",
    "get_default_manifest_file",
    "memoize",
    "read_marker_file",
    "read_swc",
]


def __getattr__(name: str) -> _Any:
    if name not in _HOME:
        raise AttributeError(f"module 'pdneuro.allen.sdk' has no attribute {name!r}")
    return getattr(_importlib.import_module(f"pdneuro.allen.sdk.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
