"""Data of the sandbox's CAVE, from ``data/cave.json.gz``: two datastacks with edits, tables, views."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
import pandas as pd

from pdneuro.sandbox import data

#: Materialization time of each version in Unix seconds.
VERSIONS = {661: 1_688_000_000, 1300: 1_736_000_000}
#: Time at which the root IDs of the first version were made.
_FIRST_ROOTS = 1_600_000_000
RESOLUTION = (4.0, 4.0, 40.0)
#: A table in which a query for all neurons exceeds the ``row_limit`` of the app.
SYNAPSES = "synapses_pni_2"
#: The datastack whose table of synapses has scores, transmitters and regions; the other has a
#: reference table of regions.
REGION_DATASTACK, REGION_TABLE = "minnie65_public", "synapse_neuropil"
REGIONS = ("V1", "AL", "RL")


class Edit(NamedTuple):
    """The edit of a root ID between the two versions."""

    kind: str
    #: Current root ID of each of its chunks; 0 if a chunk has none.
    now: tuple[int, ...]


class Datastack:
    """Root IDs at two versions, and tables that follow them."""

    def __init__(self, name: str) -> None:
        self.name = name
        read = data.load("cave")[name]
        #: Root IDs at the first version.
        self.old = np.array(read["old"])
        self.edits = {int(root): Edit(kind, tuple(now)) for root, (kind, now) in read["edits"].items()}
        self.chunks: dict[int, list[int]] = dict(zip(read["old"], read["chunks"], strict=True))
        self._tables = {key: pd.DataFrame(columns) for key, columns in read["tables"].items()}
        _add_to_synapses(self._tables, name)
        nuclei = self._tables["nucleus_detection_v0"]
        self._tables["nucleus_view"] = nuclei.drop(columns="pt_supervoxel_id")

    @functools.cached_property
    def place_of_chunk(self) -> dict[int, tuple[int, int]]:
        """Return the old root and the number of each chunk, and of the supervoxel of each nucleus."""
        nuclei = self._tables["nucleus_detection_v0"][["pt_supervoxel_id", "pt_root_id"]]
        places = {
            chunk: (root, number)
            for root, chunks in self.chunks.items()
            for number, chunk in enumerate(chunks)
        }
        return places | {supervoxel: (root, 0) for supervoxel, root in nuclei.to_numpy().tolist()}

    @functools.cached_property
    def chunks_now(self) -> dict[int, list[int]]:
        """Return the chunks of each old and current root ID."""
        chunks_of = {root: list(chunks) for root, chunks in self.chunks.items()}
        for root, edit in self.edits.items():
            for chunk, now in zip(self.chunks[root], edit.now, strict=True):
                if now:
                    chunks_of.setdefault(now, []).append(chunk)
        return chunks_of

    def root(self, chunk: int, version: int) -> int:
        """Return the root ID of a chunk at a version."""
        if chunk not in self.place_of_chunk:
            return 0
        root, number = self.place_of_chunk[chunk]
        if version == min(VERSIONS) or root not in self.edits:
            return root
        return self.edits[root].now[number]

    def valid(self, version: int) -> set[int]:
        """Return the root IDs of a version."""
        old = {*self.old.tolist()}
        if version == min(VERSIONS):
            return old
        return (old - self.edits.keys()) | {
            now for edit in self.edits.values() for now in edit.now if now
        }

    def lifetime(self, root: int) -> tuple[float, float] | None:
        """Return when a root ID was made and replaced (Unix seconds), None if it never existed."""
        if root not in self.chunks_now:
            return None
        begin, edited = float(_FIRST_ROOTS), float(max(VERSIONS.values()))
        if root not in self.chunks:
            return edited, float("inf")
        return begin, edited if root in self.edits else float("inf")

    def at(self, root: int, version: int, chunk: int = 0) -> int:
        """Return the root ID at a version of one chunk of an old root ID; 0 and 1 are unchanged."""
        return root if root < 2 else self.root(self.chunks[root][chunk], version)

    @functools.cached_property
    def refused(self) -> frozenset[int]:
        """Return the root IDs of which no skeleton is ever made: every fortieth."""
        return frozenset(sorted(self.chunks_now)[13::40])

    @functools.cached_property
    def without_skeleton(self) -> frozenset[int]:
        """Return the root IDs whose skeleton does not exist at first: every eighth, and the refused."""
        return frozenset(sorted(self.chunks_now)[5::8]) | self.refused

    def skeleton(self, root: int) -> pd.DataFrame:
        """Return the rows of the SWC file of a root ID (µm): a soma, an axon and a dendrite."""
        old, _ = self.place_of_chunk[self.chunks_now[root][0]]
        cells = self._tables["nucleus_detection_v0"].set_index("pt_root_id")
        soma = [cells[f"pt_position_{axis}"][old] * RESOLUTION[k] / 1000 for k, axis in enumerate("xyz")]
        count = 20 + root % 30
        rng = np.random.default_rng(root)
        steps = rng.normal(0, 4, (count, 3)).round(3)
        # Every node but the first continues one of the three nodes before it.
        parent = np.maximum(np.arange(count) - rng.integers(1, 4, count), 0)
        place = np.zeros((count, 3))
        for node in range(1, count):
            place[node] = place[parent[node]] + steps[node]
        kind = np.where(np.arange(count) < count // 2, 2, 3)
        kind[0], parent[0] = 1, -1
        return pd.DataFrame(
            {
                "id": np.arange(count),
                "type": kind,
                **{axis: (place[:, k] + soma[k]).round(3) for k, axis in enumerate("xyz")},
                "radius": np.where(kind == 1, 5.0, rng.uniform(0.1, 1, count).round(3)),
                "parent": parent,
            }
        )

    @functools.cache  # noqa: B019 - there are only two datastacks
    def table(self, name: str, version: int) -> pd.DataFrame | None:
        """Return a table at a version, None if the table does not exist."""
        if name not in self._tables:
            return None  # such as a table that another datastack has
        table = self._tables[name].copy()
        if name == SYNAPSES:
            chunks = table.pop("chunk").tolist()
            for column in ("pre_pt_root_id", "post_pt_root_id"):
                roots = table[column].tolist()
                table[column] = [self.at(r, version, c) for r, c in zip(roots, chunks, strict=True)]
        elif "pt_root_id" in table.columns:
            table["pt_root_id"] = [self.at(root, version) for root in table["pt_root_id"].tolist()]
        return table


def _add_to_synapses(tables: dict[str, pd.DataFrame], name: str) -> None:
    """Add the positions of both ends, and regions: as a column with scores, or as a reference table."""
    synapses = tables[SYNAPSES]
    count = len(synapses)
    rng = np.random.default_rng(len(name))
    for end in ("pre", "post"):
        for axis in "xyz":
            offset = rng.integers(-20, 20, count) // (10 if axis == "z" else 1)
            synapses[f"{end}_pt_position_{axis}"] = synapses[f"ctr_pt_position_{axis}"] + offset
    region = rng.choice(REGIONS, count)
    if name == REGION_DATASTACK:
        synapses["cleft_score"] = rng.integers(0, 256, count)
        synapses["neuropil"] = region
        for transmitter, share in zip(
            ("gaba", "ach", "glut"), rng.dirichlet([1, 1, 1], count).T, strict=True
        ):
            synapses[transmitter] = share.round(3)
        return
    tables[REGION_TABLE] = pd.DataFrame(
        {"id": np.arange(count) + 1, "target_id": synapses["id"], "neuropil": region}
    )


def root_ids(name: str = "minnie65_public", version: int = 661) -> pd.Series[int]:
    """Return the root IDs of the sandbox's CAVE at a version.

    Parameters
    ----------
    name : {"minnie65_public", "v1dd_public"}, default "minnie65_public"
        The datastack.
    version : {661, 1300}, default 661
        The materialization version. 661 is older; some of its root IDs were edited later.

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


def supervoxels(name: str = "minnie65_public") -> pd.DataFrame:
    """Return a table of annotations that was made at version 661, with the supervoxel of each row.

    Parameters
    ----------
    name : {"minnie65_public", "v1dd_public"}, default "minnie65_public"
        The datastack.

    Returns
    -------
    DataFrame
        ``id``, ``supervoxel_id``, ``root_id`` (int64). Two rows for each of the first five root IDs, the
        last row without its root ID, and a row whose supervoxel does not exist.

    Examples
    --------
    >>> pdneuro.sandbox.supervoxels().tail(2)
        id     supervoxel_id             root_id
    9   10  8646911350000409                   0
    10  11  8646911350999999  864691135004077213
    """
    stack = datastack(name)
    rows = [(chunk, root) for root in stack.old[:5].tolist() for chunk in stack.chunks[root][::9]]
    rows[-1] = (rows[-1][0], 0)
    rows.append((max(map(max, stack.chunks.values())) // 10**6 * 10**6 + 999_999, rows[0][1]))
    table = pd.DataFrame(rows, columns=["supervoxel_id", "root_id"])
    table.insert(0, "id", np.arange(1, len(table) + 1))
    return table


#: The table that each reference table annotates.
REFERENCES = {"cell_type_manual": "nucleus_detection_v0", REGION_TABLE: SYNAPSES}
VIEWS = ("nucleus_view",)
TABLES = ("nucleus_detection_v0", "cell_type_manual", "proofreading_status", SYNAPSES)


def tables_of(name: str) -> list[str]:
    """Return the names of the tables of a datastack."""
    return [*TABLES, *([] if name == REGION_DATASTACK else [REGION_TABLE])]


@functools.cache
def datastack(name: str) -> Datastack:
    """Return one of the two datastacks."""
    return Datastack(name)
