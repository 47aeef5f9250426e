"""Print the public names of allensdk's classes, one per line; run by a Python that has allensdk.

A name belongs to the class that defines it: a method of ``Api`` is not repeated for its subclasses.
"""

from __future__ import annotations

import importlib
import inspect

#: Module of each class, below ``allensdk``.
CLASSES = {
    "Api": "api.api",
    "RmaApi": "api.queries.rma_api",
    "RmaTemplate": "api.queries.rma_template",
    "OntologiesApi": "api.queries.ontologies_api",
    "TreeSearchApi": "api.queries.tree_search_api",
    "SvgApi": "api.queries.svg_api",
    "SynchronizationApi": "api.queries.synchronization_api",
    "GridDataApi": "api.queries.grid_data_api",
    "ReferenceSpaceApi": "api.queries.reference_space_api",
    "MouseConnectivityApi": "api.queries.mouse_connectivity_api",
    "ImageDownloadApi": "api.queries.image_download_api",
    "AnnotatedSectionDataSetsApi": "api.queries.annotated_section_data_sets_api",
    "CellTypesApi": "api.queries.cell_types_api",
    "BiophysicalApi": "api.queries.biophysical_api",
    "GlifApi": "api.queries.glif_api",
    "ConnectedServices": "api.queries.connected_services",
    "Cache": "api.warehouse_cache.cache",
    "SimpleTree": "core.simple_tree",
    "StructureTree": "core.structure_tree",
    "Ontology": "core.ontology",
    "ReferenceSpace": "core.reference_space",
    "ReferenceSpaceCache": "core.reference_space_cache",
    "MouseConnectivityCache": "core.mouse_connectivity_cache",
    "CellTypesCache": "core.cell_types_cache",
}
#: Functions of allensdk's module of Cache.
FUNCTIONS = ("cacheable", "get_default_manifest_file", "memoize")


def loaded(name: str) -> type:
    """Return a class of allensdk."""
    found: type = getattr(importlib.import_module(f"allensdk.{CLASSES[name]}"), name)
    return found


def names(name: str) -> set[str]:
    """Return the public names that a class defines, and those that its objects get when they are made."""
    cls = loaded(name)
    own = set(vars(cls))
    required = [
        parameter
        for parameter in list(inspect.signature(cls).parameters.values())
        if parameter.default is parameter.empty and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]
    if CLASSES[name].startswith("api.") and not required:
        own |= set(vars(cls()))
        for base in cls.__mro__[1:-1]:
            own -= set(vars(base())) if base.__name__ in CLASSES else set()
    return {each for each in own if not each.startswith("_")}


if __name__ == "__main__":
    for name in CLASSES:
        print(*(f"{name}.{each}" for each in sorted(names(name))), sep="\n")
    print(*FUNCTIONS, sep="\n")
