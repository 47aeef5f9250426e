"""Two synthetic datastacks in CAVE's format: edits of root IDs, cells and synapses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pdneuro.sandbox.cave_data import SYNAPSES

_NEURONS, _CHUNKS, _SYNAPSES = 200, 10, 6_000
_STACKS = {
    "minnie65_public": (864_691_135_000_000_000, 1),
    "v1dd_public": (864_691_132_000_000_000, 2),
}


def make() -> dict[str, Any]:
    """Return both datastacks: root IDs of the first version, their chunks, edits and tables."""
    return {name: _datastack(base, seed) for name, (base, seed) in _STACKS.items()}


def _datastack(base: int, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    old = base + np.sort(rng.choice(10**8, _NEURONS, replace=False)) * 7
    new = base + 10**9 + np.sort(rng.choice(10**8, 2 * _NEURONS, replace=False)) * 7
    tables = {
        SYNAPSES: _synapses(rng, old),
        **_cells(rng, old, base // 10 + np.arange(_NEURONS) * 1000 + 5),
    }
    return {
        "old": old.tolist(),
        "chunks": (base // 100 + np.arange(_NEURONS * 100).reshape(_NEURONS, 100)[:, :_CHUNKS]).tolist(),
        "edits": _edits(old.tolist(), new.tolist()),
        "tables": {name: table.to_dict("list") for name, table in tables.items()},
    }


def _edits(roots: list[int], fresh: list[int]) -> dict[int, Any]:
    """Return the kind of each edit, and the root ID of each chunk after it, 0 if there is none.

    Of every ten neurons, the first is replaced, the second is split, the third and fourth are merged. Of
    every fifty, one is deleted. The others are unchanged.
    """
    new, edits = iter(fresh), {}
    for number, root in enumerate(roots):
        kind = number % 10
        if number % 50 == 45:
            edits[root] = ("dead", [0] * _CHUNKS)
        elif kind == 0:
            edits[root] = ("replaced", [next(new)] * _CHUNKS)
        elif kind == 1:
            edits[root] = ("split", [next(new)] * 7 + [next(new)] * 3)
        elif kind == 2:
            both = ("merged", [next(new)] * _CHUNKS)
            edits[root] = edits[roots[number + 1]] = both
    return edits


def _synapses(rng: np.random.Generator, old: np.ndarray) -> pd.DataFrame:
    weight = rng.lognormal(0, 0.6, _NEURONS)
    pick = old[rng.choice(_NEURONS, (_SYNAPSES, 2), p=weight / weight.sum())]
    pick[rng.random(_SYNAPSES) < 0.03, 1] = 0  # outside the segmentation
    pick[rng.random(_SYNAPSES) < 0.01, 0] = 1  # not looked up yet
    position = rng.integers([100_000, 50_000, 15_000], [400_000, 300_000, 27_000], (_SYNAPSES, 3))
    return pd.DataFrame(
        {
            "id": np.arange(1, _SYNAPSES + 1),
            "pre_pt_root_id": pick[:, 0],
            "post_pt_root_id": pick[:, 1],
            "size": rng.integers(20, 20_000, _SYNAPSES),
            "chunk": rng.integers(0, _CHUNKS, _SYNAPSES),
            **{f"ctr_pt_position_{axis}": position[:, k] for k, axis in enumerate("xyz")},
        }
    )


def _cells(
    rng: np.random.Generator, old: np.ndarray, supervoxels: np.ndarray
) -> dict[str, pd.DataFrame]:
    position = rng.integers([100_000, 50_000, 15_000], [400_000, 300_000, 27_000], (_NEURONS, 3))
    nuclei = np.arange(_NEURONS) + 200_000
    cells = pd.DataFrame(
        {
            "id": nuclei,
            "volume": rng.lognormal(5, 0.5, _NEURONS).round(2),
            "pt_supervoxel_id": supervoxels,
            "pt_root_id": old,
            **{f"pt_position_{axis}": position[:, k] for k, axis in enumerate("xyz")},
        }
    )
    some = rng.random(_NEURONS) < 0.8
    types = pd.DataFrame(
        {
            "id": np.arange(some.sum()) + 1,
            "target_id": nuclei[some],
            "classification_system": rng.choice(["excitatory", "inhibitory"], some.sum()),
            "cell_type": rng.choice(["23P", "4P", "5P-IT", "BC", "MC"], some.sum()),
        }
    )
    # Some neurons have two rows, as in real tables.
    rows = rng.choice(_NEURONS, 90)
    proofreading = pd.DataFrame(
        {
            "id": np.arange(90) + 1,
            "pt_root_id": old[rows],
            "status_axon": rng.choice(["clean", "extended", "non"], 90),
            "status_dendrite": rng.choice(["clean", "extended"], 90),
        }
    )
    return {
        "nucleus_detection_v0": cells,
        "cell_type_manual": types,
        "proofreading_status": proofreading,
    }
