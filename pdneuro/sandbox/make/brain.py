"""The synthetic brain: neurons and edges.

All neurons, edges and numbers are random, and IDs have 18 digits. Degrees and synapse counts are
log-normal. Information flows from sensory neurons over ascending and intrinsic neurons to descending
and motor neurons, and back. Most intrinsic types inhibit, and many of their edges are reciprocal. A
few types are hubs. The types connect alike on both sides, and most edges stay on one side.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

N_NEURONS, N_TYPES, N_EDGES = 3_000, 150, 45_000
#: Types whose edges are entirely random; types that are hubs; edges that return to a presynaptic neuron.
N_FIRST, N_HUBS, N_RETURNED = 4, 5, 3_500
SEED = 20261120
_CLASSES = ("sensory", "intrinsic", "ascending", "descending", "motor")
_TRANSMITTERS = ("acetylcholine", "gaba", "glutamate", "dopamine", "serotonin", "octopamine")
#: How much neurons of a class (rows) prefer those of another (columns), in the order of the classes.
_FLOW = np.array(
    [
        [0.05, 3.0, 2.5, 0.2, 0.1],
        [0.50, 1.5, 1.5, 1.5, 1.5],
        [0.05, 2.0, 0.8, 3.0, 0.1],
        [0.05, 2.0, 0.5, 0.8, 4.0],
        [0.01, 0.1, 0.02, 0.02, 0.1],
    ]
)


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
    unknown = rng.random(N_NEURONS) < 0.02
    first = _first_edges(rng, kind)
    rng = np.random.default_rng(seed + 1)
    local = rng.choice(["gaba", "glutamate", "acetylcholine"], N_TYPES, p=[0.6, 0.2, 0.2])[kind]
    neurons["nt_type"] = neurons["nt_type"].mask(outside, "acetylcholine")
    neurons["nt_type"] = neurons["nt_type"].mask(neurons["cell_class"] == "intrinsic", local)
    edges = _edges(rng, neurons, kind, first)
    neurons.loc[unknown, ["nt_type", "nt_type_score"]] = None
    return neurons, edges


def _first_edges(rng: np.random.Generator, kind: np.ndarray) -> pd.DataFrame:
    """Return the edges of the first types, by position.

    The examples of the documentation use these types, so their edges stay the same in each version.
    """
    sends = rng.lognormal(0, 1.1, N_NEURONS)
    takes = rng.lognormal(0, 1.1, N_NEURONS)
    liking = rng.lognormal(0, 2.0, (N_TYPES, N_TYPES))
    chance = sends[:, None] * takes[None, :] * liking[kind][:, kind]
    pre, post = _drawn(rng, chance, N_EDGES)
    weight = np.minimum(1 + rng.pareto(1.3, N_EDGES) * 2, 900).astype(np.int64)
    edges = pd.DataFrame({"pre": pre, "post": post, "weight": weight})
    kept: pd.DataFrame = edges[(kind[pre] < N_FIRST) | (kind[post] < N_FIRST)]
    return kept


def _edges(
    rng: np.random.Generator, neurons: pd.DataFrame, kind: np.ndarray, first: pd.DataFrame
) -> pd.DataFrame:
    """Return the edges of the first types, and new ones of all others by class, type and side."""
    number = {name: code for code, name in enumerate(_CLASSES)}
    class_of = neurons["cell_class"].map(number).to_numpy()
    type_class = class_of[np.unique(kind, return_index=True)[1]]
    liking = rng.lognormal(0, 1.5, (N_TYPES, N_TYPES)) * _FLOW[np.ix_(type_class, type_class)]
    hubs = rng.choice(np.flatnonzero(type_class == number["intrinsic"]), N_HUBS, replace=False)
    liking[hubs] *= 3
    liking[:, hubs] *= 3
    liking = liking[np.ix_(kind, kind)]
    # The neurons of a type differ less than types do.
    sends, takes = rng.lognormal(0, 0.6, (2, N_TYPES))[:, kind] * rng.lognormal(0, 0.5, (2, N_NEURONS))
    left = (neurons["side"] == "left").to_numpy()
    crosses = (rng.random(N_TYPES) < 0.15)[kind]
    near = (left[:, None] == left) != crosses[:, None]
    chance = sends[:, None] * takes * liking * np.where(near, 5, 1)
    chance[kind < N_FIRST] = chance[:, kind < N_FIRST] = 0
    np.fill_diagonal(chance, 0)
    count = N_EDGES - len(first)
    pre, post = _drawn(rng, chance, count - N_RETURNED)
    # Inhibitory intrinsic neurons send edges back to their partners.
    inhibits = (
        neurons["nt_type"].isin(["gaba", "glutamate"]) & (class_of == number["intrinsic"])
    ).to_numpy()
    known = np.zeros(chance.shape, bool)
    known[pre, post] = True
    returns = (inhibits[pre] | inhibits[post]) & ~known[post, pre] & (class_of[post] != number["motor"])
    chosen = rng.choice(np.flatnonzero(returns), N_RETURNED, replace=False)
    pre, post = np.concatenate([pre, post[chosen]]), np.concatenate([post, pre[chosen]])
    # Types that like each other have more edges, and more synapses per edge.
    strength = np.log(liking[pre, post])
    size = rng.lognormal(0.5 + 0.3 * (strength - strength.mean()), 1.4)
    weight = np.minimum(np.ceil(size), 900).astype(np.int64)
    edges = pd.concat([first, pd.DataFrame({"pre": pre, "post": post, "weight": weight})])
    edges = edges.sort_values(["pre", "post"], ignore_index=True)
    ids = neurons["root_id"].to_numpy()
    return edges.assign(pre=ids[edges["pre"]], post=ids[edges["post"]])


def _drawn(rng: np.random.Generator, chance: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return presynaptic and postsynaptic positions of different pairs, in order."""
    drawn = rng.choice(chance.size, count, replace=False, p=(chance / chance.sum()).ravel())
    pre, post = np.divmod(np.sort(drawn), N_NEURONS)
    return pre, post
