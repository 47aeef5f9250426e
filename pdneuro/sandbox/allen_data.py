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


@functools.cache
def annotation(resolution: int) -> Any:
    """Return a small volume with the structure of each voxel (ap, dv, lr), 0 outside; uint32."""
    shape = tuple(size // resolution for size in (1200, 800, 1000))
    leaves = [385, 549, 382, 672, 614454277]
    volume = np.zeros(shape, np.uint32)
    rim = max(1, 100 // resolution)
    inner = volume[rim:-rim, rim:-rim, rim:-rim]
    for leaf, part in zip(leaves, np.array_split(np.arange(inner.shape[0]), len(leaves)), strict=True):
        inner[part] = leaf
    return volume


@functools.cache
def intensity(name: str, number: int, resolution: int) -> Any:
    """Return a volume of the same size: densities between 0 and 1, energies up to 100; float32."""
    rng = np.random.default_rng([number % 2**31, len(name), resolution])
    structures = annotation(resolution)
    top = 100.0 if "energy" in name else 1.0
    volume = np.where(structures > 0, rng.random(structures.shape) * top, 0.0)
    if name == "data_mask":
        volume = (structures > 0).astype(float)
    return volume.astype(np.float32)
