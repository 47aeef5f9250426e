"""The synthetic brain: neurons and edges.

All neurons, edges and numbers are random. Out- and in-degrees are log-normal, synapse counts have
a heavy tail, partners prefer types that their own type prefers, and IDs have 18 digits.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

N_NEURONS, N_TYPES, N_EDGES = 3_000, 150, 45_000
SEED = 20261120
_CLASSES = ("sensory", "intrinsic", "ascending", "descending", "motor")
_TRANSMITTERS = ("acetylcholine", "gaba", "glutamate", "dopamine", "serotonin", "octopamine")


def make(seed: int = SEED) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return neurons and edges; the same seed gives the same brain."""
    rng = np.random.default_rng(seed)
    ids = 720575940600000000 + rng.choice(60_000_000, N_NEURONS, replace=False)
    kind = np.sort(rng.integers(0, N_TYPES, N_NEURONS))
    neurons = pd.DataFrame(
        {
            "root_id": ids,
            "side": np.where(rng.random(N_NEURONS) < 0.5, "left", "right"),
            "cell_class": np.array(_CLASSES)[rng.integers(0, 5, N_TYPES)[kind]],
            "cell_type": np.char.add("T", np.char.zfill(kind.astype(str), 3)),
            "nt_type": np.array(_TRANSMITTERS)[
                rng.choice(6, N_TYPES, p=[0.55, 0.2, 0.15, 0.05, 0.03, 0.02])[kind]
            ],
            "nt_type_score": rng.beta(8, 2, N_NEURONS).round(2),
            "size": (rng.lognormal(19.5, 1.0, N_NEURONS)).astype(np.int64),
            "mitochondria": rng.poisson(40, N_NEURONS),
            "dcv": np.minimum(rng.geometric(0.4, N_NEURONS) - 1, 9),
        }
    )
    position = rng.integers([100_000, 50_000, 500], [800_000, 350_000, 6_500], (N_NEURONS, 3))
    for axis, column in zip("xyz", position.T, strict=True):
        neurons[f"soma_{axis}"] = pd.array(column, "Int64")
    neurons["nucleus_id"] = pd.array(rng.choice(10_000_000, N_NEURONS, replace=False), "Int64")
    neurons["nucleus_volume"] = pd.array(rng.lognormal(3.4, 0.3, N_NEURONS).round(1), "Float64")
    # Sensory neurons have their soma outside the brain; some transmitters are not predicted.
    outside = neurons["cell_class"] == "sensory"
    soma = ["soma_x", "soma_y", "soma_z", "nucleus_id", "nucleus_volume"]
    neurons.loc[outside, soma] = pd.NA
    neurons.loc[rng.random(N_NEURONS) < 0.02, ["nt_type", "nt_type_score"]] = None
    return neurons, _edges(rng, ids, kind)


def _edges(rng: np.random.Generator, ids: np.ndarray, kind: np.ndarray) -> pd.DataFrame:
    sends = rng.lognormal(0, 1.1, N_NEURONS)
    takes = rng.lognormal(0, 1.1, N_NEURONS)
    liking = rng.lognormal(0, 2.0, (N_TYPES, N_TYPES))
    chance = sends[:, None] * takes[None, :] * liking[kind][:, kind]
    drawn = rng.choice(chance.size, N_EDGES, replace=False, p=(chance / chance.sum()).ravel())
    pre, post = np.divmod(np.sort(drawn), N_NEURONS)
    weight = np.minimum(1 + rng.pareto(1.3, N_EDGES) * 2, 900).astype(np.int64)
    return pd.DataFrame({"pre": ids[pre], "post": ids[post], "weight": weight})
