"""Run calls of allensdk's classes and print their results as JSON, one per line.

The Python that runs this file has allensdk, or pdneuro: ``python calls.py allensdk URL`` or
``python calls.py pdneuro URL``. URL is the address of a local server.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
import tempfile
import urllib.request
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent))
from names import CLASSES

COMPOUND = [
    {"structures": [15566], "intensity_values": ["High"], "link": "or"},
    {"structures": [15567], "intensity_values": ["Low"]},
]
SEED = [6900, 5050, 6450]
#: Class, method, arguments, keywords. "{folder}" is a new folder.
CALLS: list[tuple[str, str, list[Any], dict[str, Any]]] = [
    ("RmaApi", "build_query_url", [["model::Atlas"]], {"fmt": "csv"}),
    ("RmaApi", "model_stage", ["Structure"], {"criteria": "[id$eq1]", "only": ["id"], "num_rows": 5}),
    ("RmaApi", "model_stage", ["Structure"], {"criteria": ["[id$eq1]", "[graph_id$eq1]"]}),
    ("RmaApi", "model_stage", ["Structure"], {"filters": {"graph_id": 1}, "order": ["id+desc"]}),
    ("RmaApi", "model_stage", ["Structure"], {"count": "unknown", "num_rows": 5}),
    ("RmaApi", "model_stage", ["Structure"], {"unknown": 1}),
    ("RmaApi", "pipe_stage", ["list", [("genes", "$is", "'id'")]], {}),
    ("RmaApi", "service_stage", ["mouse_differential", [("structures1", "$eq", 315)]], {}),
    ("RmaApi", "service_stage", ["mouse_correlation", [("row", 1), ("set", "mouse")]], {}),
    ("RmaApi", "tuple_filters", [[("b", True), ("a", [1, "x"]), ("c", None)]], {}),
    ("RmaApi", "filters", [{"graph_id": 1}], {}),
    ("RmaApi", "filter", ["graph_id", 1], {}),
    ("RmaApi", "options_clause", [], {"only": ["id"], "excpt": ["name"], "count": True}),
    ("RmaApi", "only_except_tabular_clause", ["tabular", ["id+as+number"]], {}),
    ("RmaApi", "order_clause", [["id+desc"]], {}),
    ("RmaApi", "order_clause", [], {}),
    ("RmaApi", "debug_clause", ["preview"], {}),
    ("RmaApi", "debug_clause", ["unknown"], {}),
    ("RmaApi", "quote_string", ["TH"], {}),
    ("RmaApi", "build_schema_query", [], {}),
    ("RmaApi", "build_schema_query", ["Atlas"], {"fmt": "xml"}),
    ("RmaApi", "get_schema", [], {}),
    ("RmaApi", "get_schema", ["Atlas"], {}),
    ("RmaApi", "load_api_schema", [], {}),
    ("RmaApi", "construct_well_known_file_download_url", [490000004], {}),
    ("RmaApi", "read_data", [{"msg": [1]}], {}),
    ("RmaApi", "json_msg_query", ["{url}/api/v2/data/query.json?q=model::Hemisphere"], {}),
    ("RmaApi", "retrieve_parsed_json_over_http", ["{url}/api/v2/data/query.json?q=model::Atlas"], {}),
    ("RmaApi", "model_query", ["Structure"], {"criteria": "[acronym$eq'MEA']"}),
    ("RmaApi", "model_query", [], {"model": "Structure", "num_rows": 3, "order": ["graph_order"]}),
    (
        "RmaApi",
        "model_query",
        ["Structure"],
        {
            "criteria": "structure_sets[name$eq'Mouse Connectivity - Summary']",
            "include": "ontology",
            "num_rows": "all",
            "count": False,
        },
    ),
    (
        "RmaApi",
        "model_query",
        ["Atlas"],
        {
            "criteria": "[id$eq1],structure_graph(ontology),graphic_group_labels",
            "include": "structure_graph(ontology),graphic_group_labels",
            "only": ["atlases.id", "atlases.name", "structure_graphs.id"],
        },
    ),
    ("RmaApi", "model_query", ["StructureSet"], {"except": ["description"], "num_rows": 2}),
    ("RmaApi", "model_query", ["Structure"], {"tabular": ["id", "acronym"], "num_rows": 2}),
    ("RmaApi", "service_query", ["mouse_correlation", [("set", "mouse"), ("row", 1)]], {}),
    ("OntologiesApi", "get_structures", [1], {}),
    ("OntologiesApi", "get_structures", [[1, 10]], {"order": ["structures.id"]}),
    ("OntologiesApi", "get_structures", [1], {"order": None, "num_rows": 4}),
    ("OntologiesApi", "get_structures", [], {"structure_graph_names": "'Mouse Brain Atlas'"}),
    ("OntologiesApi", "get_structures", [None, None, [2]], {}),
    ("OntologiesApi", "get_structures", [], {"structure_set_names": ["'Mouse - Coarse'"]}),
    ("OntologiesApi", "get_structures", [1], {"unknown": 1}),
    ("OntologiesApi", "get_structures_with_sets", [1], {}),
    ("OntologiesApi", "get_structures_with_sets", [1, ["structures.id"], 5], {}),
    ("OntologiesApi", "get_structure_sets", [], {}),
    ("OntologiesApi", "get_structure_sets", [[2, 687527945]], {}),
    ("OntologiesApi", "get_structure_graphs", [], {}),
    ("OntologiesApi", "get_atlases", [], {}),
    ("OntologiesApi", "get_atlases_table", [], {}),
    ("OntologiesApi", "get_atlases_table", [1], {}),
    ("OntologiesApi", "get_atlases_table", [[1], False], {}),
    (
        "OntologiesApi",
        "template_query",
        ["ontology_queries", "structures_by_graph_ids"],
        {"graph_ids": [1]},
    ),
    ("TreeSearchApi", "get_tree", ["Structure", 385], {"ancestors": True}),
    ("TreeSearchApi", "get_tree", ["Structure", 549, None, True], {}),
    ("SvgApi", "build_query", [100960033, [28, 31]], {}),
    ("SvgApi", "get_svg", [100960033], {}),
    ("SvgApi", "download_svg", [100960033, [28], "{folder}/section.svg"], {}),
    ("SynchronizationApi", "get_image_to_atlas", [68173101, 6208, 2368, 1], {}),
    ("SynchronizationApi", "get_image_to_image", [68173101, 6208, 2368, [68545324, 67810540]], {}),
    ("SynchronizationApi", "get_image_to_image_2d", [68173101, 6208, 2368, [68173103]], {}),
    ("SynchronizationApi", "get_reference_to_image", [10, 6085, 3670, 4883, [68545324]], {}),
    ("SynchronizationApi", "get_image_to_reference", [68173101, 6208, 2368], {}),
    ("SynchronizationApi", "get_structure_to_image", [68545324, [315, 698]], {}),
    ("GridDataApi", "download_expression_grid_data", [69816930, ["energy"], "{folder}/a.zip"], {}),
    (
        "GridDataApi",
        "download_gene_expression_grid_data",
        [69816930, "density", "{folder}/density.mhd"],
        {},
    ),
    (
        "GridDataApi",
        "download_projection_grid_data",
        [100140756, ["data_mask"], 100, "{folder}/a.nrrd"],
        {},
    ),
    ("GridDataApi", "download_alignment3d", [100140756], {}),
    (
        "GridDataApi",
        "download_deformation_field",
        [100140756, "{folder}/a.mhd", "{folder}/a.raw"],
        {},
    ),
    ("ReferenceSpaceApi", "download_annotation_volume", [None, 100, "{folder}/a.nrrd"], {}),
    (
        "ReferenceSpaceApi",
        "download_annotation_volume",
        ["annotation/ccf_2016", 50, "{folder}/a.nrrd"],
        {},
    ),
    ("ReferenceSpaceApi", "download_template_volume", [100, "{folder}/a.nrrd"], {}),
    ("ReferenceSpaceApi", "download_structure_mask", [385, None, 100, "{folder}/a.nrrd"], {}),
    ("ReferenceSpaceApi", "download_mouse_atlas_volume", ["P56", "atlas", "{folder}/atlas.mhd"], {}),
    (
        "ReferenceSpaceApi",
        "build_volumetric_data_download_url",
        ["ara_nissl", "ara_nissl_25.nrrd", 25],
        {},
    ),
    (
        "ReferenceSpaceApi",
        "download_volumetric_data",
        ["ara_nissl", "ara_nissl_50.nrrd"],
        {"save_file_path": "{folder}/a.nrrd"},
    ),
    ("MouseConnectivityApi", "get_experiments", [None], {"num_rows": 3, "order": ["id"]}),
    ("MouseConnectivityApi", "get_experiments", [[100140756, 126862385]], {}),
    ("MouseConnectivityApi", "get_experiments_api", [], {}),
    ("MouseConnectivityApi", "get_manual_injection_summary", [100140756], {}),
    ("MouseConnectivityApi", "get_experiment_detail", [100140756], {}),
    ("MouseConnectivityApi", "get_projection_image_info", [100140756, 40], {}),
    ("MouseConnectivityApi", "get_structure_unionizes", [[100140756]], {}),
    (
        "MouseConnectivityApi",
        "get_structure_unionizes",
        [[100140756, 100140949], False, None, [385, 549], [1, 2]],
        {"normalized_projection_volume_limit": 0.001, "include": ["structure"]},
    ),
    ("MouseConnectivityApi", "get_structure_unionizes", [[100140756], True, "Thalamus"], {}),
    ("MouseConnectivityApi", "get_structure_unionizes", [[100140756], "unknown"], {}),
    ("MouseConnectivityApi", "get_structure_unionizes", [[100140756]], {"hemisphere_ids": ["left"]}),
    ("MouseConnectivityApi", "experiment_source_search", [], {"injection_structures": ["MO"]}),
    (
        "MouseConnectivityApi",
        "experiment_source_search",
        [],
        {"injection_structures": "Isocortex", "primary_structure_only": True},
    ),
    ("MouseConnectivityApi", "experiment_spatial_search", [], {"seed_point": SEED}),
    (
        "MouseConnectivityApi",
        "experiment_injection_coordinate_search",
        [],
        {"seed_point": SEED, "num_rows": 2},
    ),
    ("MouseConnectivityApi", "experiment_correlation_search", [], {"row": 100140756}),
    (
        "MouseConnectivityApi",
        "build_reference_aligned_image_channel_volumes_url",
        [100140756],
        {},
    ),
    ("MouseConnectivityApi", "get_reference_aligned_image_channel_volumes_url", [100140756], {}),
    (
        "MouseConnectivityApi",
        "download_reference_aligned_image_channel_volumes",
        [100140756, "{folder}/a.zip"],
        {},
    ),
    ("MouseConnectivityApi", "download_injection_density", ["{folder}/a.nrrd", 100140756, 100], {}),
    ("MouseConnectivityApi", "download_data_mask", ["{folder}/a.nrrd", 100140756, 100], {}),
    ("ImageDownloadApi", "section_image_query", [70813257], {}),
    ("ImageDownloadApi", "get_section_data_sets_by_product", [[1]], {}),
    ("ImageDownloadApi", "get_section_data_sets_by_product", [[1], True], {}),
    ("ImageDownloadApi", "get_section_image_ranges", [[70813258]], {}),
    ("ImageDownloadApi", "get_section_image_ranges", [[70813258]], {"as_lists": False}),
    ("ImageDownloadApi", "atlas_image_query", [1], {}),
    ("ImageDownloadApi", "atlas_image_query", [1, "Atlas - Adult Mouse"], {}),
    (
        "ImageDownloadApi",
        "download_section_image",
        [70945123, "{folder}/a.jpg"],
        {"downsample": 4, "range": [0, 932, 0, 1279, 0, 4095], "unknown": 1},
    ),
    (
        "ImageDownloadApi",
        "download_image",
        [70945123, "{folder}/a.jpg"],
        {"left": 100, "top": 100, "width": 64, "height": 48, "colormap": [0.5, "jet"]},
    ),
    (
        "ImageDownloadApi",
        "download_atlas_image",
        [100960033, "{folder}/a.jpg"],
        {"annotation": True, "view": "expression"},
    ),
    ("ImageDownloadApi", "download_projection_image", [126862575, "{folder}/a.jpg"], {}),
    ("AnnotatedSectionDataSetsApi", "get_annotated_section_data_sets", [[15566]], {}),
    (
        "AnnotatedSectionDataSetsApi",
        "get_annotated_section_data_sets",
        [[15566, 15567], ["High"], ["Low"], ["Full"], ["E13.5"]],
        {},
    ),
    (
        "AnnotatedSectionDataSetsApi",
        "get_annotated_section_data_sets_via_rma",
        [[315], ["High"]],
        {},
    ),
    ("AnnotatedSectionDataSetsApi", "get_compound_annotated_section_data_sets", [COMPOUND], {}),
    ("CellTypesApi", "list_cells_api", [], {}),
    ("CellTypesApi", "list_cells_api", [318808427], {}),
    ("CellTypesApi", "get_cell", [318808427], {}),
    ("CellTypesApi", "get_cell", [1], {}),
    ("CellTypesApi", "list_cells", [], {}),
    ("CellTypesApi", "list_cells", [None, True, True, ["positive"], ["Mus musculus"]], {}),
    ("CellTypesApi", "list_cells", [], {"species": ["unknown"]}),
    ("CellTypesApi", "get_ephys_sweeps", [318808427], {}),
    ("CellTypesApi", "get_ephys_features", [], {}),
    ("CellTypesApi", "get_morphology_features", [], {}),
    ("CellTypesApi", "save_ephys_data", [318808427, "{folder}/a.nwb"], {}),
    ("CellTypesApi", "save_reconstruction", [318808427, "{folder}/a.swc"], {}),
    ("CellTypesApi", "save_reconstruction_markers", [318808427, "{folder}/a.marker"], {}),
    ("BiophysicalApi", "get_neuronal_models", [[318808427, 464212183]], {}),
    ("BiophysicalApi", "get_neuronal_models", [[318808427]], {"model_type_ids": [491455321]}),
    ("BiophysicalApi", "build_rma", [472299294], {"fmt": "xml"}),
    ("BiophysicalApi", "get_well_known_file_ids", [472299294], {}),
    ("BiophysicalApi", "cache_data", [472299294, "{folder}"], {}),
    ("GlifApi", "get_neuronal_model_templates", [], {}),
    ("GlifApi", "get_neuronal_models", [], {}),
    ("GlifApi", "get_neuronal_models", [[318808427]], {}),
    ("GlifApi", "get_neuronal_models_by_id", [[566302806]], {}),
    ("GlifApi", "get_neuron_configs", [[566302806, 566302807]], {}),
    ("GlifApi", "list_neuronal_models", [], {}),
    ("GlifApi", "get_neuronal_model", [566302806], {}),
    (
        "ConnectedServices",
        "build_url",
        ["mouse_differential", {"set": "mouse", "structures1": [315], "structures2": [549]}],
        {},
    ),
    (
        "ConnectedServices",
        "build_url",
        ["mouse_correlation", {"set": "mouse", "row": 1, "fmt": "xml"}],
        {},
    ),
]


def filled(value: Any, names: dict[str, str]) -> Any:
    """Return arguments with the address and the folder of this run."""
    if isinstance(value, str):
        for name, text in names.items():
            value = value.replace(f"{{{name}}}", text)
        return value
    if isinstance(value, dict):
        return {key: filled(part, names) for key, part in value.items()}
    return (
        type(value)(filled(part, names) for part in value) if isinstance(value, list | tuple) else value
    )


def plain(value: Any) -> Any:
    """Return a result as JSON types; an array as its shape and sum."""
    if isinstance(value, np.ndarray):
        return {"shape": list(value.shape), "dtype": value.dtype.kind, "sum": float(np.sum(value))}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, pd.DataFrame):
        return {"columns": list(value.columns), "rows": plain(value.to_dict("records"))}
    if isinstance(value, Path):
        return None  # allensdk does not return paths; the files are compared
    if isinstance(value, dict):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return value.decode() if isinstance(value, bytes) else value


def main(package: str, url: str) -> None:
    """Run all calls against a server, and print their results."""
    warnings.simplefilter("ignore")
    classes: dict[str, Any] = {}
    for name, module in CLASSES.items():
        if module.startswith("api."):
            home = "pdneuro.allen.sdk" if package == "pdneuro" else f"allensdk.{module}"
            classes[name] = getattr(importlib.import_module(home), name)
    classes["Api"].default_api_url = classes["Api"].download_url = url
    for number, (name, method, args, kwargs) in enumerate(CALLS):
        with tempfile.TemporaryDirectory() as folder:
            names = {"url": url, "folder": folder}
            with contextlib.suppress(
                OSError
            ):  # the server does not know this page; it notes the request
                urllib.request.urlopen(f"{url}/call/{number}").close()
            try:
                call = getattr(classes[name](), method)
                result = plain(call(*filled(args, names), **filled(kwargs, names)))
                answer = {"result": result}
            except Exception as error:
                answer = {"error": f"{type(error).__name__}: {error}"[:300]}
            files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
            answer["files"] = {str(path.relative_to(folder)): path.stat().st_size for path in files}
            print(json.dumps(answer).replace(folder, "{folder}"), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
