"""The tables of the Allen Brain Atlas: rows from ``allen.json``, and signals of experiments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

Record = dict[str, Any]
_AMYGDALA = 403


def make() -> dict[str, Any]:
    """Return all tables by class: name, rows and links to other tables."""
    tables: dict[str, Any] = json.loads(Path(__file__).with_name("allen.json").read_text("utf-8"))
    structures = {row["id"]: row for row in tables["Structure"]["rows"] if row["graph_id"] == 1}
    # The experiments have no rows for the medial amygdala.
    parts = [
        row
        for row in structures.values()
        if row["parent_structure_id"] is not None and f"/{_AMYGDALA}/" not in row["structure_id_path"]
    ]
    rows = [
        unionize
        for seed, experiment in enumerate(tables["ApiConnectivity"]["rows"])
        for unionize in _unionize(
            experiment["data_set_id"], structures[experiment["structure_id"]], parts, seed
        )
    ]
    tables["ProjectionStructureUnionize"]["rows"] = sorted(rows, key=lambda row: row["id"])
    return tables


def _unionize(number: int, site: Record, structures: list[Record], seed: int) -> list[Record]:
    """Return rows per structure and hemisphere: random values for leaves, their sums above."""
    rng = np.random.default_rng(seed)
    parents = {row["parent_structure_id"] for row in structures}
    unionizes: list[Record] = []
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
                unionizes.append(
                    {
                        "id": number * 1000 + len(unionizes),
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
    return unionizes
