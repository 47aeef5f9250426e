"""Two synthetic datastacks in CAVE's shape: root IDs that were edited, tables, views, synapses."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
import pandas as pd

#: Version -> unix seconds at which it was frozen. The first has expired on the second datastack.
VERSIONS = {661: 1_688_000_000, 1300: 1_736_000_000}
#: Chunks of a neuron, which say what became of it.
_CHUNKS = 10
_NEURONS = 200
RESOLUTION = (4.0, 4.0, 40.0)
#: A table that is too small for a neuron's synapses to fit: see the app's ``row_limit``.
SYNAPSES = "synapses_pni_2"


class Edit(NamedTuple):
    """What became of a root ID between the two versions."""

    kind: str
    #: Root IDs that hold its chunks now, one a chunk; 0 where a chunk is in none.
    now: tuple[int, ...]


class Datastack:
    """Root IDs at two versions, and tables that follow them.

    Of each ten neurons the first was replaced, the second split, the third and fourth were merged, and
    of each fifty one died; the others are as they were.
    """

    def __init__(self, name: str, base: int, seed: int) -> None:
        self.name = name
        rng = np.random.default_rng(seed)
        #: Root IDs at the first version.
        self.old = base + np.sort(rng.choice(10**8, _NEURONS, replace=False)) * 7
        self.edits: dict[int, Edit] = {}
        self._edit(base + 10**9 + np.sort(rng.choice(10**8, 2 * _NEURONS, replace=False)) * 7)
        self.supervoxels = base // 10 + np.arange(_NEURONS) * 1000 + 5
        self.chunks = {
            int(root): [int(base // 100 + place * 100 + chunk) for chunk in range(_CHUNKS)]
            for place, root in enumerate(self.old.tolist())
        }
        self._synapses(rng)
        self._cells(rng)

    def _edit(self, fresh: np.ndarray) -> None:
        new = iter(fresh.tolist())
        roots = self.old.tolist()
        for place, root in enumerate(roots):
            kind = place % 10
            if place % 50 == 45:
                self.edits[root] = Edit("dead", (0,) * _CHUNKS)
            elif kind == 0:
                self.edits[root] = Edit("replaced", (next(new),) * _CHUNKS)
            elif kind == 1:
                self.edits[root] = Edit("split", (next(new),) * 7 + (next(new),) * 3)
            elif kind == 2:
                both = (next(new),) * _CHUNKS
                self.edits[root] = self.edits[roots[place + 1]] = Edit("merged", both)

    @functools.cached_property
    def place_of_chunk(self) -> dict[int, tuple[int, int]]:
        """Old root and number of each chunk."""
        return {
            chunk: (root, number)
            for root, chunks in self.chunks.items()
            for number, chunk in enumerate(chunks)
        }

    @functools.cached_property
    def chunks_now(self) -> dict[int, list[int]]:
        """Chunks of each root ID that there ever was."""
        found = {root: list(chunks) for root, chunks in self.chunks.items()}
        for root, edit in self.edits.items():
            for chunk, now in zip(self.chunks[root], edit.now, strict=True):
                if now:
                    found.setdefault(now, []).append(chunk)
        return found

    def root(self, chunk: int, version: int) -> int:
        """Root ID of a chunk at a version."""
        if chunk not in self.place_of_chunk:
            return 0
        root, number = self.place_of_chunk[chunk]
        if version == min(VERSIONS) or root not in self.edits:
            return root
        return self.edits[root].now[number]

    def valid(self, version: int) -> set[int]:
        """Root IDs of a version."""
        old = {*self.old.tolist()}
        if version == min(VERSIONS):
            return old
        return (old - self.edits.keys()) | {
            now for edit in self.edits.values() for now in edit.now if now
        }

    def at(self, root: int, version: int, chunk: int = 0) -> int:
        """What an old root ID is at a version, as told by one of its chunks; -1 stays outside."""
        return root if root < 2 else self.root(self.chunks[root][chunk], version)

    def _synapses(self, rng: np.random.Generator) -> None:
        count = 6_000
        weight = rng.lognormal(0, 0.6, _NEURONS)
        pick = self.old[rng.choice(_NEURONS, (count, 2), p=weight / weight.sum())]
        pick[rng.random(count) < 0.03, 1] = 0  # outside the segmentation
        pick[rng.random(count) < 0.01, 0] = 1  # not looked up yet
        place = rng.integers([100_000, 50_000, 15_000], [400_000, 300_000, 27_000], (count, 3))
        self.synapses = pd.DataFrame(
            {
                "id": np.arange(1, count + 1),
                "pre_pt_root_id": pick[:, 0],
                "post_pt_root_id": pick[:, 1],
                "size": rng.integers(20, 20_000, count),
                "chunk": rng.integers(0, _CHUNKS, count),
                **{f"ctr_pt_position_{axis}": place[:, k] for k, axis in enumerate("xyz")},
            }
        )

    def _cells(self, rng: np.random.Generator) -> None:
        place = rng.integers([100_000, 50_000, 15_000], [400_000, 300_000, 27_000], (_NEURONS, 3))
        nuclei = np.arange(_NEURONS) + 200_000
        self.nuclei = pd.DataFrame(
            {
                "id": nuclei,
                "volume": rng.lognormal(5, 0.5, _NEURONS).round(2),
                "pt_supervoxel_id": self.supervoxels,
                "pt_root_id": self.old,
                **{f"pt_position_{axis}": place[:, k] for k, axis in enumerate("xyz")},
            }
        )
        some = rng.random(_NEURONS) < 0.8
        self.cell_types = pd.DataFrame(
            {
                "id": np.arange(some.sum()) + 1,
                "target_id": nuclei[some],
                "classification_system": rng.choice(["excitatory", "inhibitory"], some.sum()),
                "cell_type": rng.choice(["23P", "4P", "5P-IT", "BC", "MC"], some.sum()),
            }
        )
        # Some are told twice, as in real tables.
        rows = rng.choice(_NEURONS, 90)
        self.proofreading = pd.DataFrame(
            {
                "id": np.arange(90) + 1,
                "pt_root_id": self.old[rows],
                "status_axon": rng.choice(["clean", "extended", "non"], 90),
                "status_dendrite": rng.choice(["clean", "extended"], 90),
            }
        )

    @functools.cache  # noqa: B019 - there are two of them
    def table(self, name: str, version: int) -> pd.DataFrame | None:
        """A table at a version, None where there is none of this name."""
        tables = {
            "nucleus_detection_v0": self.nuclei,
            "cell_type_manual": self.cell_types,
            "proofreading_status": self.proofreading,
            SYNAPSES: self.synapses,
            "nucleus_view": self.nuclei.drop(columns="pt_supervoxel_id"),
        }
        if name not in tables:
            return None
        table = tables[name].copy()
        if name == SYNAPSES:
            chunks = table.pop("chunk").tolist()
            for column in ("pre_pt_root_id", "post_pt_root_id"):
                roots = table[column].tolist()
                table[column] = [self.at(r, version, c) for r, c in zip(roots, chunks, strict=True)]
        elif "pt_root_id" in table.columns:
            table["pt_root_id"] = [self.at(root, version) for root in table["pt_root_id"].tolist()]
        return table


def root_ids(name: str = "minnie65_public", version: int = 661) -> pd.Series[int]:
    """Root IDs of the sandbox's CAVE, as they were at a version.

    Parameters
    ----------
    name : {"minnie65_public", "v1dd_public"}
        The datastack.
    version : {661, 1300}
        The first is older: half of its root IDs were edited since.

    Returns
    -------
    Series
        int64, named ``root_id``.

    Examples
    --------
    >>> pdneuro.sandbox.root_ids().head(2).tolist()
    [864691135004077213, 864691135004964274]
    """
    stack = datastack(name)
    ids = stack.old.tolist() if version == min(VERSIONS) else sorted(stack.valid(version))
    return pd.Series(ids, name="root_id", dtype="int64")


#: Reference table -> the table whose rows it is about.
REFERENCES = {"cell_type_manual": "nucleus_detection_v0"}
VIEWS = ("nucleus_view",)
TABLES = ("nucleus_detection_v0", "cell_type_manual", "proofreading_status", SYNAPSES)


@functools.cache
def datastack(name: str) -> Datastack:
    """One of the two datastacks, made when it is first asked for."""
    base, seed = {
        "minnie65_public": (864_691_135_000_000_000, 1),
        "v1dd_public": (864_691_132_000_000_000, 2),
    }[name]
    return Datastack(name, base, seed)
