"""Data of the sandbox's Allen Brain Atlas: tables from ``data/allen.json.gz``, computed volumes."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

from pdneuro.sandbox import data

Record = dict[str, Any]


class Link(NamedTuple):
    """A link between tables: rows of ``model`` whose ``theirs`` equals ``mine`` of this row."""

    model: str
    mine: str
    theirs: str
    many: bool


class Model(NamedTuple):
    """A class of the schema: the name of its table, its rows, its links."""

    table: str
    rows: list[Record]
    links: dict[str, Link]


def tables(structures: list[Record] | None = None, sets: list[Record] | None = None) -> dict[str, Model]:
    """Return all tables of the sandbox.

    Parameters
    ----------
    structures : list of dict, optional
        Your own structures of graph 1, with ``id, acronym, name, parent_structure_id,
        color_hex_triplet, graph_order``. Experiments and cells are unchanged.
    sets : list of dict, optional
        Your own structure sets: ``id, name, members`` (IDs).
    """
    models = {
        name: Model(
            read["table"], read["rows"], {key: Link(*link) for key, link in read["links"].items()}
        )
        for name, read in data.load("allen").items()
    }
    rows, set_rows = models["Structure"].rows, models["StructureSet"].rows
    if structures is not None:
        own = [{"graph_id": 1, "ontology_id": 1, **row} for row in structures]
        rows[:] = own + [row for row in rows if row["graph_id"] != 1]
    if sets is not None:
        set_rows[:] = [
            {
                "id": entry["id"],
                "name": entry["name"],
                "description": f"{entry['name']}, for tests",
                "_members": entry["members"],
            }
            for entry in sets
        ]
    known = {row["id"] for row in rows}
    for row in rows:
        row["_set_ids"] = [entry["id"] for entry in set_rows if row["id"] in entry["_members"]]
    models["_StructureSetOfStructure"].rows[:] = [
        {**entry, "_structure": member}
        for entry in set_rows
        for member in entry["_members"]
        if member in known
    ]
    return models


def nested(structures: list[Record]) -> Record:
    """Return structures as one root with ``children``."""
    nodes = {row["id"]: {**row, "children": []} for row in structures}
    for node in nodes.values():
        if node["parent_structure_id"] in nodes:
            nodes[node["parent_structure_id"]]["children"].append(node)
    return next(node for node in nodes.values() if node["parent_structure_id"] not in nodes)


#: Size of the volumes in µm: front to back, top to bottom, left to right.
_SIZE = (1200, 800, 1000)
#: Structures of the volumes, from the front and the top to the back and the bottom.
_LEAVES = (385, 549, 382, 672, 614454277)
#: Voxels of 100 µm per structure.
_VOXELS = 96


def _space(resolution: int) -> tuple[list[Any], Any, Any]:
    """Return positions in µm, the depth below the surface, and the distance from the brain stem."""
    # The center of a voxel of 100 µm is a corner of finer ones, which have the same structure.
    inside = resolution / 2 if resolution >= 100 else 0
    axes = [np.arange(size // resolution) * resolution + inside for size in _SIZE]
    ap, dv, lr = np.meshgrid(*axes, indexing="ij", sparse=True)
    # Two hemispheres, which are narrow at the front and separated by a notch at the top.
    narrow = 1 + np.clip(600 - ap, 0, None) / 2000
    shape = ((ap - 600) / 530, (dv - 413) / 330 * narrow, (np.abs(lr - 500) - 110) / 290 * narrow)
    surface = sum(np.abs(part) ** 2.7 for part in shape)
    stem = ((ap - 1100) / 1.21) ** 2 + (dv - 597) ** 2 + ((lr - 500) / 1.17) ** 2
    return [ap, dv, lr], surface, stem


@functools.cache
def _limits() -> tuple[float, Any]:
    """Return the surface, and the distances from the brain stem at which structures end."""
    _, surface, stem = _space(100)
    count = _VOXELS * len(_LEAVES)
    ordered = np.sort(surface, axis=None)
    outside = ordered[count - 1 : count + 1].mean()
    distances = np.sort(stem[surface < outside])
    return float(outside), [
        distances[end - 1 : end + 1].mean() for end in range(_VOXELS, count, _VOXELS)
    ]


@functools.cache
def annotation(resolution: int) -> Any:
    """Return a small brain with the structure of each voxel (ap, dv, lr), 0 outside; uint32."""
    _, surface, stem = _space(resolution)
    outside, ends = _limits()
    volume = np.array(_LEAVES[::-1], np.uint32)[np.searchsorted(ends, stem)]
    volume[surface >= outside] = 0
    return volume


@functools.cache
def intensity(name: str, number: int, resolution: int) -> Any:
    """Return a volume of the same size: densities between 0 and 1, energies up to 100; float32."""
    axes, surface, _ = _space(resolution)
    structures = annotation(resolution)
    rng = np.random.default_rng([number % 2**31, len(name)])
    if name == "data_mask":
        volume = np.ones(structures.shape)
    elif name in ("average_template", "ara_nissl"):
        # Each structure has its own gray, which is lighter at its surface.
        volume = 0.25 + structures % 7 / 14 + 0.2 * np.clip(surface, 0, 1)
    else:
        # A bright site of injection and weaker targets, each a blurred ball.
        volume = np.full(structures.shape, 0.01)
        for height, width in ((0.95, 120), (0.6, 90), (0.45, 150), (0.4, 70)):
            center = rng.uniform([250, 200, 200], [950, 600, 800])
            distance = sum((axis - middle) ** 2 for axis, middle in zip(axes, center, strict=True))
            volume = np.maximum(volume, height * np.exp(-distance / (2 * width**2)))
        volume *= 100.0 if "energy" in name else 1.0
    return np.where(structures > 0, volume, 0.0).astype(np.float32)
