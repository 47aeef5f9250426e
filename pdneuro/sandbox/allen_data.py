"""The sandbox's Allen Brain Atlas: a small tree written by hand, and experiments made from it."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

Record = dict[str, Any]

#: depth, ID, acronym, name, colour. Depth tells the parent; the order is the graph's.
_STRUCTURES = """
0 997 root|root|FFFFFF
1 8 grey|Basic cell groups and regions|BFDAE3
2 567 CH|Cerebrum|B0F0FF
3 688 CTX|Cerebral cortex|B0FFB8
4 315 Isocortex|Isocortex|70FF71
5 500 MO|Somatomotor areas|1F9D5A
6 985 MOp|Primary motor area|1F9D5A
6 993 MOs|Secondary motor area|1F9D5A
5 669 VIS|Visual areas|08858C
6 409 VISl|Lateral visual area|08858C
6 385 VISp|Primary visual area|08858C
7 593 VISp1|Primary visual area, layer 1|08858C
7 821 VISp2/3|Primary visual area, layer 2/3|08858C
7 721 VISp4|Primary visual area, layer 4|08858C
7 778 VISp5|Primary visual area, layer 5|08858C
7 33 VISp6a|Primary visual area, layer 6a|08858C
7 305 VISp6b|Primary visual area, layer 6b|08858C
5 254 RSP|Retrosplenial area|1AA698
4 1089 HPF|Hippocampal formation|7ED04B
5 375 CA|Ammon's horn|7ED04B
6 382 CA1|Field CA1|7ED04B
4 703 CTXsp|Cortical subplate|8ADA87
3 623 CNU|Cerebral nuclei|98D6F9
4 672 CP|Caudoputamen|98D6F9
2 343 BS|Brain stem|FF7080
3 549 TH|Thalamus|FF7080
4 170 LGd|Dorsal part of the lateral geniculate complex|FF8084
4 599 CM|Central medial nucleus of the thalamus|FFA5D2
3 1097 HY|Hypothalamus|E64438
3 1098 MDRN|Medullary reticular nucleus|FF9B88
4 1107 MDRNd|Medullary reticular nucleus, dorsal part|FF9B88
4 614454277 SuG|Superficial part, made up|019399
2 512 CB|Cerebellum|F0F080
1 1009 fiber tracts|fiber tracts|CCCCCC
2 967 cm|cranial nerves|CCCCCC
2 744 cbf|cerebellum related fiber tracts|188064
1 73 VS|ventricular systems|0E9684
"""
#: Set ID, name, members by acronym. The one of summary structures overlaps itself, as the real one.
_SETS = (
    (2, "Mouse - Coarse", "Isocortex HPF CTXsp CP TH HY CB"),
    (687527670, "Brain - Major Divisions", "Isocortex HPF CTXsp CNU TH HY CB"),
    (
        167587189,
        "Brain \N{EN DASH} Summary Structures",
        "MOp MOs VISl VISp RSP CA CP LGd CM HY MDRN MDRNd CB",
    ),
    (687527945, "Mouse Connectivity - Summary", "MOp MOs VISl VISp RSP CA CP LGd CM HY MDRN CB"),
)
#: Experiments: ID, acronym of the injected structure, mouse line, volume of the injection (mm3).
_EXPERIMENTS: tuple[tuple[int, str, str | None, float], ...] = (
    (100140756, "VISp", None, 0.123),
    (100140949, "VISp", None, 0.087),
    (126862385, "VISp", "Cux2-IRES-Cre", 0.211),
    (112670853, "MOp", None, 0.336),
    (127089669, "MOs", "Rbp4-Cre_KL100", 0.156),
    (180296424, "TH", None, 0.052),
)
#: Cells: specimen, acronym (None: a human cell), reporter, dendrite, apical, reconstruction.
_CELLS = (
    (318808427, "VISp5", "positive", "spiny", "intact", "full"),
    (464212183, "VISp2/3", "positive", "spiny", "NA", None),
    (485909730, "VISp6a", "negative", "aspiny", "NA", "full"),
    (528642047, None, None, "aspiny", "NA", None),
    (567776248, None, None, "spiny", "truncated", "dendrite-only"),
)
_GLIF = (395310498, 395310469)


class Link(NamedTuple):
    """How one table leads to another: rows of ``model`` whose ``theirs`` equals this row's ``mine``."""

    model: str
    mine: str
    theirs: str
    many: bool


class Model(NamedTuple):
    """A class of the schema: its table's name, its rows, its links."""

    table: str
    rows: list[Record]
    links: dict[str, Link]


def tree() -> list[Record]:
    """The structures of graph 1, in graph order."""
    found: list[Record] = []
    path: list[int] = []
    for order, line in enumerate(_STRUCTURES.strip().splitlines()):
        head, name, color = line.split("|")
        depth, number, acronym = head.split(" ", 2)
        path[int(depth) :] = [int(number)]
        found.append(
            {
                "id": int(number),
                "atlas_id": order,
                "ontology_id": 1,
                "graph_id": 1,
                "acronym": acronym,
                "name": name,
                "safe_name": name.replace(",", ""),
                "color_hex_triplet": color,
                "graph_order": order,
                "st_level": int(depth),
                "depth": int(depth),
                "parent_structure_id": path[-2] if len(path) > 1 else None,
                "structure_id_path": f"/{'/'.join(map(str, path))}/",
                "weight": 8000 + order,
            }
        )
    return found


def nested(structures: list[Record]) -> Record:
    """The same as one root with ``children``."""
    nodes = {row["id"]: {**row, "children": []} for row in structures}
    for node in nodes.values():
        if node["parent_structure_id"] in nodes:
            nodes[node["parent_structure_id"]]["children"].append(node)
    return next(node for node in nodes.values() if node["parent_structure_id"] not in nodes)


def tables(structures: list[Record] | None = None, sets: list[Record] | None = None) -> dict[str, Model]:
    """All tables of the sandbox.

    Parameters
    ----------
    structures : list of dict, optional
        Your own structures in place of the hand-made ones, with ``id, acronym, name,
        parent_structure_id, color_hex_triplet, graph_order``.
    sets : list of dict, optional
        ``id, name, members`` (IDs). Default: the hand-made sets, as far as their members are there.
    """
    known = (
        tree() if structures is None else [{"graph_id": 1, "ontology_id": 1, **s} for s in structures]
    )
    by_acronym = {row["acronym"]: row for row in known}
    if sets is None:
        sets = [
            {
                "id": number,
                "name": name,
                "members": [by_acronym[a]["id"] for a in members.split() if a in by_acronym],
            }
            for number, name, members in _SETS
        ]
    links = [
        {"structure_id": member, "structure_set_id": entry["id"]}
        for entry in sets
        for member in entry["members"]
    ]
    human = {
        "id": 12141,
        "graph_id": 10,
        "ontology_id": 7,
        "acronym": "MTG",
        "name": "middle temporal gyrus",
        "safe_name": "middle temporal gyrus",
        "color_hex_triplet": "EC73A6",
        "graph_order": 0,
        "st_level": 0,
        "depth": 0,
        "parent_structure_id": None,
        "structure_id_path": "/12141/",
        "weight": 1,
    }
    graphs = [
        {"id": 1, "name": "Mouse Brain Atlas", "ontology_id": 1, "structure_tree_root_id": 997},
        {"id": 10, "name": "Human Brain Atlas", "ontology_id": 7, "structure_tree_root_id": 12141},
    ]
    experiments = [e for e in _EXPERIMENTS if e[1] in by_acronym]
    return {
        **_ontology([*known, human], sets, links, graphs),
        **_connectivity(experiments, by_acronym),
        **_cells(by_acronym),
        **_images(experiments),
    }


def _one(model: str, mine: str, theirs: str = "id") -> Link:
    return Link(model, mine, theirs, many=False)


def _many(model: str, theirs: str, mine: str = "id") -> Link:
    return Link(model, mine, theirs, many=True)


def _ontology(
    structures: list[Record], sets: list[Record], members: list[Record], graphs: list[Record]
) -> dict[str, Model]:
    through = {(row["structure_set_id"], row["structure_id"]): row for row in members}
    set_rows = [
        {"id": entry["id"], "name": entry["name"], "description": f"{entry['name']}, for trying things"}
        for entry in sets
    ]
    by_set = {row["id"]: row for row in set_rows}
    # A set as seen from each member, as the join of the two tables gives it.
    seen = [{**by_set[set_id], "_structure": structure_id} for set_id, structure_id in through]
    rows = [
        {**row, "_set_ids": [s for s, member in through if member == row["id"]]} for row in structures
    ]
    labels = [
        {"id": 28, "name": "Mouse Brain Atlas - Structure Boundaries", "_atlas": 1},
        {"id": 31, "name": "Mouse Brain Atlas - Fiber Tracts", "_atlas": 1},
    ]
    return {
        "Structure": Model(
            "structures",
            rows,
            {
                "structure_sets": _many("_StructureSetOfStructure", "_structure"),
                "graph": _one("StructureGraph", "graph_id"),
                "ontology": _one("Ontology", "ontology_id"),
            },
        ),
        "_StructureSetOfStructure": Model("structure_sets", seen, {}),
        "StructureSet": Model(
            "structure_sets", set_rows, {"structures": _many("Structure", "_set_ids")}
        ),
        "StructureGraph": Model(
            "structure_graphs",
            graphs,
            {
                "ontology": _one("Ontology", "ontology_id"),
                "structure_graphs": _one("StructureGraph", "id"),
                "structures": _many("Structure", "graph_id"),
            },
        ),
        "Ontology": Model(
            "ontologies",
            [{"id": 1, "name": "Mouse Brain Atlas"}, {"id": 7, "name": "Human Brain Atlas"}],
            {},
        ),
        "Atlas": Model(
            "atlases",
            [
                {
                    "id": 1,
                    "name": "Mouse, P56, Coronal",
                    "image_type": "Atlas - Adult Mouse",
                    "structure_graph_id": 1,
                    "description": None,
                },
                {
                    "id": 265297126,
                    "name": "Human, 34 years, Cortex - Gyral",
                    "image_type": "Atlas - Human",
                    "structure_graph_id": 10,
                    "description": None,
                },
            ],
            {
                "structure_graph": _one("StructureGraph", "structure_graph_id"),
                "graphic_group_labels": _many("GraphicGroupLabel", "_atlas"),
            },
        ),
        "GraphicGroupLabel": Model("graphic_group_labels", labels, {}),
        "Hemisphere": Model(
            "hemispheres",
            [
                {"id": 1, "name": "left", "symbol": "L"},
                {"id": 2, "name": "right", "symbol": "R"},
                {"id": 3, "name": "left and right", "symbol": "B"},
            ],
            {},
        ),
        "Organism": Model(
            "organisms",
            [{"id": 1, "name": "Homo Sapiens"}, {"id": 2, "name": "Mus musculus"}],
            {},
        ),
        "Gene": Model(
            "genes",
            [
                {"id": 18376, "acronym": "Pdyn", "name": "prodynorphin", "organism_id": 2},
                {"id": 18377, "acronym": "Dbp", "name": "D site albumin promoter", "organism_id": 2},
                {
                    "id": 18378,
                    "acronym": "A&B",
                    "name": "made up, with a + and a comma",
                    "organism_id": 2,
                },
            ],
            {"organism": _one("Organism", "organism_id")},
        ),
        "Product": Model(
            "products",
            [
                {"id": 1, "name": "Mouse Brain"},
                {"id": 5, "name": "Mouse Connectivity Projection"},
                {"id": 31, "name": "Mouse Connectivity Cre"},
            ],
            {},
        ),
    }


def _connectivity(
    experiments: list[tuple[int, str, str | None, float]], by_acronym: dict[str, Record]
) -> dict[str, Model]:
    rows, api, unionizes, alignments = [], [], [], []
    kept = [row for row in by_acronym.values() if row["parent_structure_id"] is not None]
    for place, (number, acronym, line, volume) in enumerate(experiments):
        site = by_acronym[acronym]
        coordinates = {f"injection_{axis}": 4000 + 500 * place + step for step, axis in enumerate("xyz")}
        rows.append(
            {
                "id": number,
                "failed": False,
                "plane_of_section_id": 1,
                "specimen_id": number + 7,
                "red_lower": 0,
                "red_upper": 932,
                "green_lower": 0,
                "green_upper": 1279,
                "blue_lower": 0,
                "blue_upper": 4095,
                "_product": 5 if line is None else 31,
            }
        )
        api.append(
            {
                "data_set_id": number,
                "gender": "M" if place % 2 else "F",
                "injection_structures": f"{site['id']}/{by_acronym['root']['id']}",
                "injection_volume": volume,
                **coordinates,
                "product_id": 5 if line is None else 31,
                "specimen_name": f"{line or 'C57BL/6J'}-{1000 + place}",
                "strain": "C57BL/6J",
                "structure_abbrev": acronym,
                "structure_id": site["id"],
                "structure_name": site["name"],
                "transgenic_line": None if line is None else {"id": 177837320 + place, "name": line},
                "transgenic_line_id": None if line is None else 177837320 + place,
                "storage_directory": f"/external/aibssan/{number}/",
            }
        )
        alignments.append(
            {
                "id": number * 10,
                "section_data_set_id": number,
                "tvr_00": 1.0 + place / 100,
                "tvr_09": 5.5,
            }
        )
        unionizes += _unionize(number, site, kept, place)
    unionizes.sort(key=lambda row: row["id"])
    # One without annotation of its projection: the gene expression experiments.
    rows += [
        {"id": 69816930, "failed": False, "plane_of_section_id": 1, "_product": 1},
        {"id": 70813257, "failed": False, "plane_of_section_id": 2, "_product": 1},
        {"id": 71717084, "failed": True, "plane_of_section_id": 2, "_product": 1},
    ]
    files = [
        {
            "id": 350000000 + number % 1000 * 10 + kind,
            "attachable_id": number,
            "well_known_file_type_id": 100 + kind,
            "path": f"/projects/{number}/{_FILE_TYPES[kind]}.dat",
            "download_link": f"/api/v2/well_known_file_download/{350000000 + number % 1000 * 10 + kind}",
        }
        for number, *_ in experiments
        for kind in (0, 1, 2)
    ]
    return {
        "SectionDataSet": Model(
            "data_sets",
            rows,
            {
                "products": _many("Product", "id", "_product"),
                "section_images": _many("SectionImage", "data_set_id"),
                "sub_images": _many("SectionImage", "data_set_id"),
                "alignment3d": _one("Alignment3d", "id", "section_data_set_id"),
                "equalization": _one("Equalization", "id", "section_data_set_id"),
                "specimen": _one("Specimen", "specimen_id"),
                "probes": _many("Probe", "_data_set"),
                "plane_of_section": _one("PlaneOfSection", "plane_of_section_id"),
                "manual_annotations": _many("ManualAnnotation", "_data_set"),
            },
        ),
        "PlaneOfSection": Model(
            "planes_of_section", [{"id": 1, "name": "coronal"}, {"id": 2, "name": "sagittal"}], {}
        ),
        "Probe": Model(
            "probes",
            [{"id": 9, "gene_id": 18376, "_data_set": 69816930}],
            {"gene": _one("Gene", "gene_id")},
        ),
        "ManualAnnotation": Model(
            "manual_annotations",
            [
                {
                    "id": 1 + place,
                    "intensity_call": call,
                    "density_call": "Low",
                    "pattern_call": "Full",
                    "structure_id": 315,
                    "_data_set": number,
                }
                for place, (number, call) in enumerate([(69816930, "High"), (70813257, "Low")])
            ],
            {"structure": _one("Structure", "structure_id")},
        ),
        "Alignment3d": Model("alignment3ds", alignments, {}),
        "ApiConnectivity": Model("api_connectivities", api, {}),
        "ProjectionStructureUnionize": Model(
            "projection_structure_unionizes",
            unionizes,
            {
                "structure": _one("Structure", "structure_id"),
                "hemisphere": _one("Hemisphere", "hemisphere_id"),
                "section_data_set": _one("SectionDataSet", "section_data_set_id"),
            },
        ),
        "WellKnownFile": Model(
            "well_known_files",
            files,
            {"well_known_file_type": _one("WellKnownFileType", "well_known_file_type_id")},
        ),
        "WellKnownFileType": Model(
            "well_known_file_types",
            [{"id": 100 + kind, "name": name} for kind, name in enumerate(_FILE_TYPES)],
            {},
        ),
    }


_FILE_TYPES = (
    "ImagesResampledTo25MicronARA",
    "DeformationFieldHeader",
    "DeformationFieldVoxels",
    "NWBDownload",
    "3DNeuronReconstruction",
    "3DNeuronMarker",
    "BiophysicalModelDescription",
    "NeuronalModelParameters",
)


def _unionize(number: int, site: Record, structures: list[Record], seed: int) -> list[Record]:
    """Signal by structure and hemisphere: leaves at random, each other structure the sum below it."""
    rng = np.random.default_rng(seed)
    parents = {row["parent_structure_id"] for row in structures}
    found: list[Record] = []
    for is_injection in (False, True):
        sums: dict[tuple[int, int], Any] = {}
        for row in structures:
            if row["id"] in parents:
                continue
            inside = f"/{site['id']}/" in row["structure_id_path"]
            for hemisphere in (1, 2):
                pixels = rng.integers(10_000, 500_000)
                share = rng.beta(1, 8) if inside or not is_injection else 0.0
                signal = pixels * share
                values = np.array([pixels, pixels * 70.0, signal, signal * rng.uniform(200, 900)])
                for above in map(int, row["structure_id_path"].strip("/").split("/")):
                    for side in (hemisphere, 3):
                        sums[above, side] = sums.get((above, side), np.zeros(4)) + values
        for row in structures:
            for side in (1, 2, 3):
                pixels, intensity, signal, energy = sums[row["id"], side]
                found.append(
                    {
                        "id": number * 1000 + len(found),
                        "section_data_set_id": number,
                        "structure_id": row["id"],
                        "hemisphere_id": side,
                        "is_injection": is_injection,
                        "max_voxel_density": min(1.0, signal / pixels * 3),
                        "max_voxel_x": 5000 + seed,
                        "max_voxel_y": 700,
                        "max_voxel_z": 7000,
                        "normalized_projection_volume": signal * 1e-9 / 0.1,
                        "projection_density": signal / pixels,
                        "projection_energy": energy / pixels,
                        "projection_intensity": energy / signal if signal else 0.0,
                        "projection_volume": signal * 1e-9,
                        "sum_pixel_intensity": intensity,
                        "sum_pixels": pixels,
                        "sum_projection_pixel_intensity": energy,
                        "sum_projection_pixels": signal,
                        "volume": pixels * 1e-9,
                    }
                )
    return found


def _cells(by_acronym: dict[str, Record]) -> dict[str, Model]:
    api, specimens, ephys, morphology, sweeps, files, models, results = [], [], [], [], [], [], [], []
    for place, (number, acronym, reporter, dendrite, apical, kind) in enumerate(_CELLS):
        mouse = acronym in by_acronym
        middle: Record = {"id": 12141, "name": "middle temporal gyrus", "acronym": "MTG"}
        site = by_acronym.get(acronym or "", middle)
        species = "Mus musculus" if mouse else "Homo Sapiens"
        api.append(
            {
                "line_name": "Rorb-IRES2-Cre" if mouse else "",
                "specimen__id": number,
                "specimen__name": f"Cell-{place}",
                "specimen__hemisphere": "left" if place % 2 else "right",
                "structure__id": site["id"],
                "structure__name": f'"{site["name"]}"',
                "structure__acronym": site["acronym"],
                "structure_parent__id": site.get("parent_structure_id", 12141),
                "structure_parent__acronym": "VISp" if mouse else "MTG",
                "structure__layer": str(place + 1),
                "nr__reconstruction_type": kind,
                "nr__max_euclidean_distance": 300.5 + place if kind else None,
                "ef__vrest": -70.0 - place,
                "ef__ri": 150.5 if place else None,
                "csl__x": 8000.5 if mouse else None,
                "csl__y": 900.25 if mouse else None,
                "csl__z": 2000.0 if mouse else None,
                "csl__normalized_depth": 0.4 if mouse else None,
                "cell_reporter_status": reporter,
                "m__glif": 2 if place == 0 else 0,
                "tag__apical": apical,
                "tag__dendrite_type": dendrite,
                "donor__age": "48 yrs" if not mouse else "",
                "donor__disease_state": "" if mouse else "epilepsy",
                "donor__species": species,
                "donor__id": 5000 + place,
                "donor__name": f"Donor-{place}",
            }
        )
        specimens.append(
            {
                "id": number,
                "name": f"Cell-{place}",
                "is_cell_specimen": True,
                "structure_id": site["id"],
                "donor_id": 5000 + place,
                "cell_reporter_id": 1 if reporter == "positive" else 2 if reporter else None,
                "_product": "Mouse Cell Types" if mouse else "Human Cell Types",
            }
        )
        results.append({"id": number + 1, "specimen_id": number, "failed": False})
        ephys.append(
            {
                "id": 900 + place,
                "specimen_id": number,
                "vrest": -70.0 - place,
                "tau": 15.5 + place,
                "has_burst": place == 1,
            }
        )
        sweeps += [
            {
                "id": 7000 + place * 10 + n,
                "specimen_id": number,
                "sweep_number": 3 - n,
                "stimulus_name": "Test" if n == 2 else "Long Square",
            }
            for n in range(3)
        ]
        if kind:
            morphology.append(
                {
                    "id": 300 + place,
                    "specimen_id": number,
                    "max_euclidean_distance": 300.5 + place,
                    "number_stems": 5 + place,
                    "tags": "x",
                }
            )
        for part, name, owner in (
            (3, "nwb", number + 1),
            (4, "swc", 300 + place),
            (5, "marker", 300 + place),
        ):
            if part == 3 or kind:
                file = 490000000 + place * 10 + part
                files.append(
                    {
                        "id": file,
                        "attachable_id": owner,
                        "well_known_file_type_id": 100 + part,
                        "path": f"/projects/cell_{place}.{name}",
                        "download_link": f"/api/v2/well_known_file_download/{file}",
                    }
                )
    for offset, template in enumerate((*_GLIF, 491455321)):
        model = 472299294 if template == 491455321 else 566302806 + offset
        models.append(
            {
                "id": model,
                "name": f"model {offset}",
                "specimen_id": 318808427,
                "neuronal_model_template_id": template,
            }
        )
        files.append(
            {
                "id": 480000000 + offset,
                "attachable_id": model,
                "well_known_file_type_id": 107,
                "path": f"/projects/{model}_neuron_config.json",
                "download_link": f"/api/v2/well_known_file_download/{480000000 + offset}",
            }
        )
    templates = [
        {"id": 395310498, "name": "3a LIF-R"},
        {"id": 395310469, "name": "1 LIF"},
        {"id": 491455321, "name": "Biophysical - all active"},
    ]
    files.append(
        {
            "id": 470000001,
            "attachable_id": 491455321,
            "well_known_file_type_id": 106,
            "path": "/projects/Ca.mod",
            "download_link": "/api/v2/well_known_file_download/470000001",
        }
    )
    donors = [
        {
            "id": row["donor__id"],
            "name": row["donor__name"],
            "organism_id": 2 if row["donor__species"] == "Mus musculus" else 1,
            "_age": 1,
        }
        for row in api
    ]
    with_files = {
        "well_known_files": _many("CellFile", "attachable_id"),
    }
    return {
        "ApiCellTypesSpecimenDetail": Model("api_cell_types_specimen_details", api, {}),
        "Specimen": Model(
            "specimens",
            specimens,
            {
                "structure": _one("Structure", "structure_id"),
                "donor": _one("Donor", "donor_id"),
                "products": _many("CellProduct", "name", "_product"),
                "ephys_result": _one("EphysResult", "id", "specimen_id"),
                "ephys_features": _many("EphysFeature", "specimen_id"),
                "ephys_sweeps": _many("EphysSweep", "specimen_id"),
                "neuron_reconstructions": _many("NeuronReconstruction", "specimen_id"),
                "neuronal_models": _many("NeuronalModel", "specimen_id"),
                "cell_reporter": _one("CellReporter", "cell_reporter_id"),
                "specimen_tags": _many("SpecimenTag", "_specimen"),
                "data_sets": _many("NeuronReconstruction", "specimen_id"),
                "cell_soma_locations": _many("SpecimenTag", "_specimen"),
                "cortex_layer": _one("CellReporter", "_none"),
                "injections": _many("SpecimenTag", "_specimen"),
                "stereotaxic_injections": _many("SpecimenTag", "_specimen"),
            },
        ),
        "CellProduct": Model(
            "products",
            [{"id": 6, "name": "Mouse Cell Types"}, {"id": 7, "name": "Human Cell Types"}],
            {},
        ),
        "SpecimenTag": Model(
            "specimen_tags", [{"id": 1, "name": "apical - intact", "_specimen": 318808427}], {}
        ),
        "CellReporter": Model(
            "cell_reporters", [{"id": 1, "name": "positive"}, {"id": 2, "name": "negative"}], {}
        ),
        "Donor": Model(
            "donors",
            donors,
            {
                "organism": _one("Organism", "organism_id"),
                "transgenic_lines": _many("TransgenicLine", "_donor"),
                "conditions": _many("SpecimenTag", "_none"),
                "age": _one("Age", "_age"),
            },
        ),
        "Age": Model("ages", [{"id": 1, "name": "P56", "days": 77, "embryonic": False}], {}),
        "TransgenicLine": Model(
            "transgenic_lines",
            [{"id": 1, "name": "Rorb-IRES2-Cre", "transgenic_line_type_name": "driver", "_donor": 5000}],
            {},
        ),
        "EphysResult": Model("ephys_results", results, with_files),
        "EphysFeature": Model("ephys_features", ephys, {"specimen": _one("Specimen", "specimen_id")}),
        "EphysSweep": Model("ephys_sweeps", sweeps, {}),
        "NeuronReconstruction": Model(
            "neuron_reconstructions",
            morphology,
            {**with_files, "specimen": _one("Specimen", "specimen_id")},
        ),
        "NeuronalModel": Model(
            "neuronal_models",
            models,
            {
                **with_files,
                "specimen": _one("Specimen", "specimen_id"),
                "neuronal_model_template": _one("NeuronalModelTemplate", "neuronal_model_template_id"),
                "neuronal_model_runs": _many("NeuronalModelRun", "_model"),
            },
        ),
        "NeuronalModelTemplate": Model("neuronal_model_templates", templates, with_files),
        "NeuronalModelRun": Model("neuronal_model_runs", [], with_files),
        "CellFile": Model(
            "well_known_files",
            files,
            {"well_known_file_type": _one("WellKnownFileType", "well_known_file_type_id")},
        ),
    }


def _images(experiments: list[tuple[int, str, str | None, float]]) -> dict[str, Model]:
    sets = [number for number, *_ in experiments] + [69816930, 70813257]
    images = [
        {
            "id": number + 1 + section,
            "data_set_id": number,
            "section_number": 20 * (section + 1),
            "width": 64,
            "height": 48,
        }
        for number in sets
        for section in range(3)
    ]
    ranges = [
        {
            "id": 1 + place,
            "section_data_set_id": number,
            **{
                f"{c}_{b}": v
                for c, top in (("blue", 4095), ("red", 932), ("green", 1279))
                for b, v in (("lower", 0), ("upper", top))
            },
        }
        for place, number in enumerate(sets)
    ]
    return {
        "SectionImage": Model(
            "sub_images", images, {"section_data_set": _one("SectionDataSet", "data_set_id")}
        ),
        "AtlasImage": Model(
            "sub_images",
            [
                {
                    "id": 100960033 + n,
                    "annotated": True,
                    "section_number": n,
                    "data_set_id": 1,
                    "image_type": "Atlas - Adult Mouse",
                }
                for n in range(4)
            ],
            {
                "atlas_data_set": _one("AtlasDataSet", "data_set_id"),
                "alternate_images": _one("AtlasImage", "id"),
            },
        ),
        "AtlasDataSet": Model(
            "data_sets", [{"id": 1, "_atlas": 1}], {"atlases": _many("Atlas", "id", "_atlas")}
        ),
        "Equalization": Model(
            "equalizations", ranges, {"section_data_set": _one("SectionDataSet", "section_data_set_id")}
        ),
    }


@functools.cache
def annotation(resolution: int) -> Any:
    """A block of brain: the structure of each voxel (ap, dv, lr), 0 outside; uint32."""
    shape = tuple(size // resolution for size in (1200, 800, 1000))
    leaves = [385, 549, 382, 672, 614454277]
    volume = np.zeros(shape, np.uint32)
    rim = max(1, 100 // resolution)
    inner = volume[rim:-rim, rim:-rim, rim:-rim]
    for place, part in enumerate(np.array_split(np.arange(inner.shape[0]), len(leaves))):
        inner[part] = leaves[place]
    return volume


@functools.cache
def intensity(name: str, number: int, resolution: int) -> Any:
    """A volume of the same block: densities between 0 and 1, energies up to 100; float32."""
    rng = np.random.default_rng([number % 2**31, len(name), resolution])
    known = annotation(resolution)
    top = 100.0 if "energy" in name else 1.0
    volume = np.where(known > 0, rng.random(known.shape) * top, 0.0)
    if name == "data_mask":
        volume = (known > 0).astype(float)
    return volume.astype(np.float32)
