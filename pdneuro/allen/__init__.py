"""The Allen Brain Atlas: structures, experiments, volumes, and the thirteen classes of its API.

Each name is imported at first use.
"""

import importlib as _importlib
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

if _TYPE_CHECKING:
    from pdneuro.allen.api.annotated_section_data_sets import AnnotatedSectionDataSetsApi
    from pdneuro.allen.api.biophysical import BiophysicalApi
    from pdneuro.allen.api.cache import Cache, cacheable
    from pdneuro.allen.api.cell_types import CellTypesApi
    from pdneuro.allen.api.connected_services import ConnectedServices
    from pdneuro.allen.api.glif import GlifApi
    from pdneuro.allen.api.grid_data import GridDataApi
    from pdneuro.allen.api.image_download import ImageDownloadApi
    from pdneuro.allen.api.mouse_connectivity import MouseConnectivityApi
    from pdneuro.allen.api.ontologies import OntologiesApi
    from pdneuro.allen.api.rma import RmaApi
    from pdneuro.allen.api.svg import SvgApi
    from pdneuro.allen.api.synchronization import SynchronizationApi
    from pdneuro.allen.api.tree_search import TreeSearchApi
    from pdneuro.allen.data_sets import (
        cells,
        experiments,
        projection_array,
        projection_edges,
        projection_matrix,
        unionizes,
    )
    from pdneuro.allen.terms import parcellation_terms
    from pdneuro.allen.tree import structure_tree
    from pdneuro.allen.volumes import (
        annotation_volume,
        grid_data,
        projection_data,
        read_volume,
        template_volume,
    )

# Public names by module.
_MODULES = {
    "api.annotated_section_data_sets": ("AnnotatedSectionDataSetsApi",),
    "api.biophysical": ("BiophysicalApi",),
    "api.cache": ("Cache", "cacheable"),
    "api.cell_types": ("CellTypesApi",),
    "api.connected_services": ("ConnectedServices",),
    "api.glif": ("GlifApi",),
    "api.grid_data": ("GridDataApi",),
    "api.image_download": ("ImageDownloadApi",),
    "api.mouse_connectivity": ("MouseConnectivityApi",),
    "api.ontologies": ("OntologiesApi",),
    "api.rma": ("RmaApi",),
    "terms": ("parcellation_terms",),
    "tree": ("structure_tree",),
    "api.svg": ("SvgApi",),
    "api.synchronization": ("SynchronizationApi",),
    "data_sets": (
        "cells",
        "experiments",
        "projection_array",
        "projection_edges",
        "projection_matrix",
        "unionizes",
    ),
    "api.tree_search": ("TreeSearchApi",),
    "volumes": (
        "annotation_volume",
        "grid_data",
        "projection_data",
        "read_volume",
        "template_volume",
    ),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "AnnotatedSectionDataSetsApi",
    "BiophysicalApi",
    "Cache",
    "CellTypesApi",
    "ConnectedServices",
    "GlifApi",
    "GridDataApi",
    "ImageDownloadApi",
    "MouseConnectivityApi",
    "OntologiesApi",
    "RmaApi",
    "SvgApi",
    "SynchronizationApi",
    "TreeSearchApi",
    "annotation_volume",
    "cacheable",
    "cells",
    "experiments",
    "grid_data",
    "parcellation_terms",
    "projection_array",
    "projection_data",
    "projection_edges",
    "projection_matrix",
    "read_volume",
    "structure_tree",
    "template_volume",
    "unionizes",
]


def __getattr__(name: str) -> _Any:
    if name in ("payload", "sdk"):
        return _importlib.import_module(f"pdneuro.allen.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'pdneuro.allen' has no attribute {name!r}")
    return getattr(_importlib.import_module(f"pdneuro.allen.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
