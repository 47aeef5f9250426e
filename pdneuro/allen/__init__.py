"""The Allen Brain Atlas: structures, experiments, volumes, and the thirteen classes of its API.

Each name is loaded when it is first used.
"""

import importlib as _importlib
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

if _TYPE_CHECKING:
    from pdneuro.allen.annotated_section_data_sets_api import AnnotatedSectionDataSetsApi
    from pdneuro.allen.biophysical_api import BiophysicalApi
    from pdneuro.allen.cache import Cache, cacheable
    from pdneuro.allen.cell_types_api import CellTypesApi
    from pdneuro.allen.connected_services import ConnectedServices
    from pdneuro.allen.glif_api import GlifApi
    from pdneuro.allen.grid_data_api import GridDataApi
    from pdneuro.allen.image_download_api import ImageDownloadApi
    from pdneuro.allen.mouse_connectivity_api import MouseConnectivityApi
    from pdneuro.allen.ontologies_api import OntologiesApi
    from pdneuro.allen.rma_api import RmaApi
    from pdneuro.allen.structures import structure_tree
    from pdneuro.allen.svg_api import SvgApi
    from pdneuro.allen.synchronization_api import SynchronizationApi
    from pdneuro.allen.tables import (
        cells,
        experiments,
        projection_array,
        projection_edges,
        projection_matrix,
    )
    from pdneuro.allen.tree_search_api import TreeSearchApi
    from pdneuro.allen.volumes import (
        annotation_volume,
        grid_data,
        projection_data,
        read_volume,
        template_volume,
    )

# Module -> the public names in it.
_MODULES = {
    "annotated_section_data_sets_api": ("AnnotatedSectionDataSetsApi",),
    "biophysical_api": ("BiophysicalApi",),
    "cache": ("Cache", "cacheable"),
    "cell_types_api": ("CellTypesApi",),
    "connected_services": ("ConnectedServices",),
    "glif_api": ("GlifApi",),
    "grid_data_api": ("GridDataApi",),
    "image_download_api": ("ImageDownloadApi",),
    "mouse_connectivity_api": ("MouseConnectivityApi",),
    "ontologies_api": ("OntologiesApi",),
    "rma_api": ("RmaApi",),
    "structures": ("structure_tree",),
    "svg_api": ("SvgApi",),
    "synchronization_api": ("SynchronizationApi",),
    "tables": ("cells", "experiments", "projection_array", "projection_edges", "projection_matrix"),
    "tree_search_api": ("TreeSearchApi",),
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
    "projection_array",
    "projection_data",
    "projection_edges",
    "projection_matrix",
    "read_volume",
    "structure_tree",
    "template_volume",
]


def __getattr__(name: str) -> _Any:
    if name not in _HOME:
        raise AttributeError(f"module 'pdneuro.allen' has no attribute {name!r}")
    return getattr(_importlib.import_module(f"pdneuro.allen.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
