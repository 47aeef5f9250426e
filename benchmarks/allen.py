"""Measure columns of Allen structures, the tree from its JSON, and the import, against other ways."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any
from unittest import mock

import msgspec
import numpy as np
import pandas as pd
from measure import Row, in_turn

from pdneuro.tables import from_records
from pdneuro.tables.structure_tree import StructureTree

STRUCTURES, ROWS = 1_327, 1_000_000
FIELDS = ("acronym", "name", "parent_structure_id")


def records() -> list[dict[str, Any]]:
    """Return a synthetic tree with the size and depth of the mouse's, with sets."""
    rng = np.random.default_rng(1)
    ids = rng.choice(2_000_000, STRUCTURES, replace=False) + 1
    ids[-128:] += 600_000_000
    found: list[dict[str, Any]] = []
    depth = np.zeros(STRUCTURES, int)
    for place, number in enumerate(ids.tolist()):
        shallow = np.flatnonzero(depth[:place] < 10)
        parent = None if place == 0 else int(rng.choice(shallow[-40:]))
        if parent is not None:
            depth[place] = depth[parent] + 1
        above = "/" if parent is None else found[parent]["structure_id_path"]
        found.append(
            {
                "id": number,
                "atlas_id": place,
                "ontology_id": 1,
                "acronym": f"S{place}",
                "name": f"Structure number {place}, synthetic",
                "color_hex_triplet": f"{rng.integers(0, 2**24):06X}",
                "graph_id": 1,
                "graph_order": place,
                "hemisphere_id": 3,
                "parent_structure_id": None if parent is None else found[parent]["id"],
                "structure_id_path": f"{above}{number}/",
                "st_level": int(depth[place]),
                "safe_name": f"Structure number {place} synthetic",
                "structure_sets": [
                    {"id": int(n), "name": f"Set {n}", "description": "A set of structures, synthetic"}
                    for n in rng.choice(30, rng.integers(0, 5), replace=False)
                ],
            }
        )
    return found


def times(value: float) -> str:
    return f"{value * 1e3:.1f} ms" if value < 0.1 else f"{value:.2f} s"


def columns(rounds: int) -> list[Row]:
    """Measure methods on a million rows, against lookups row by row in a dict."""
    rows = records()
    tree = StructureTree(from_records(rows))
    by_id = {
        row["id"]: row | {"path": [int(part) for part in row["structure_id_path"].strip("/").split("/")]}
        for row in rows
    }
    ids = pd.Series(np.random.default_rng(2).choice([row["id"] for row in rows], ROWS))
    members = [row["id"] for row in rows[20:200:4]]
    chosen = set(members)

    def rollup() -> Any:
        return pd.Series(
            [next((a for a in reversed(by_id[i]["path"]) if a in chosen), None) for i in ids],
            dtype="Int64",
        )

    def ancestors() -> Any:
        pairs = [(i, a) for i in ids for a in by_id[i]["path"][:-1]]
        return pd.DataFrame(pairs, columns=["structure_id", "ancestor_id"])

    def structures() -> Any:
        return pd.DataFrame([{name: by_id[i][name] for name in FIELDS} for i in ids])

    verbs = {
        "rollup": (lambda: ids.neuro.rollup(members), rollup),
        "ancestors": (lambda: ids.neuro.ancestors(), ancestors),
        "structures": (lambda: ids.neuro.structures(*FIELDS), structures),
    }
    found = []
    with mock.patch("pdneuro.allen.tree.structure_tree", return_value=tree):
        assert rollup().equals(ids.neuro.rollup(members).astype("Int64"))
        for name, (ours, theirs) in verbs.items():
            mine, rowwise = in_turn(rounds, ours, theirs)
            what = f"{name}, 1,000,000 rows of structure IDs: row by row through a dict / pdneuro"
            ratio = rowwise / mine
            found.append(Row(what, times(mine), times(rowwise), ratio, ">= 20", ratio >= 20))
        table = pd.DataFrame({"structure_id": ids, "value": np.arange(ROWS) * 0.5})
        known = tree.frame[["id", *FIELDS]]
        mine, merged = in_turn(
            rounds,
            lambda: table.neuro.join_structures(*FIELDS),
            lambda: table.merge(known, left_on="structure_id", right_on="id", how="left"),
        )
    what = "join_structures, 1,000,000 rows, three fields / DataFrame.merge"
    found.append(Row(what, times(mine), times(merged), mine / merged, "<= 1", mine <= merged))
    return found


def decoding(rounds: int) -> list[Row]:
    """Measure 1,327 structures with their sets, from the bytes of the response to a DataFrame."""
    envelope = {"success": True, "id": 0, "start_row": 0, "num_rows": STRUCTURES, "msg": records()}
    body = json.dumps(envelope).encode()
    mine, theirs = in_turn(
        max(rounds, 15),
        lambda: from_records(msgspec.json.decode(body)["msg"]),
        lambda: pd.DataFrame(json.loads(body)["msg"]),
    )
    size = f"{len(body) / 1e6:.1f} MB"
    what = f"{STRUCTURES:,} structures with sets, {size} JSON to frame / json.loads, DataFrame"
    return [Row(what, times(mine), times(theirs), mine / theirs, "< 1", mine < theirs)]


def imports(rounds: int) -> list[Row]:
    """Measure the import of ``pdneuro.allen`` against allensdk, in a separate environment.

    The environment variable ``ALLENSDK_PYTHON`` names the Python of that environment (3.11, allensdk
    2.16.2); without it there is no yardstick.
    """
    ours = "import pdneuro.allen; pdneuro.allen.OntologiesApi()"
    theirs = "from allensdk.api.queries.ontologies_api import OntologiesApi; OntologiesApi()"
    other = os.environ.get("ALLENSDK_PYTHON")

    def run(python: str, code: str) -> None:
        subprocess.run([python, "-W", "ignore", "-c", code], check=True)

    what = "import pdneuro.allen, an OntologiesApi / allensdk's, in its own environment"
    if other is None:
        mine, bare = in_turn(
            rounds, lambda: run(sys.executable, ours), lambda: run(sys.executable, "pass")
        )
        return [Row(what, times(mine - bare), "not installed", float("nan"), "< 0.33", None)]
    mine, bare, sdk, other_bare = in_turn(
        rounds,
        lambda: run(sys.executable, ours),
        lambda: run(sys.executable, "pass"),
        lambda: run(other, theirs),
        lambda: run(other, "pass"),
    )
    ratio = (mine - bare) / (sdk - other_bare)
    return [Row(what, times(mine - bare), times(sdk - other_bare), ratio, "< 0.33", ratio < 1 / 3)]
