"""Skeletons of root IDs, from the skeleton service of a CAVE server."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from pdneuro.cave import parse
from pdneuro.cave.payload import SKELETON_BATCH
from pdneuro.cave.send import Cave
from pdneuro.errors import BatchRefusedError, NotGeneratedWarning, listing, warn
from pdneuro.options import Fetch
from pdneuro.tables import skeletons as node_tables
from pdneuro.tables.ids import Int64Array
from pdneuro.transport.report import FOUND, NONE, NOT_GENERATED, Batch


def skeletons(client: Cave, ids: Int64Array, fetch: Fetch, *, generate: bool) -> pd.DataFrame:
    """Return the node table of the root IDs that have a skeleton (µm).

    Parameters
    ----------
    client : Cave
    ids : array of int64
    fetch : Fetch
    generate : bool
        Start the generation of those that do not exist.
    """
    refused = functools.cache(client.refused)

    def send(part: Sequence[int]) -> Batch:
        found = client.skeletons(part)
        absent = [root for root in part if root not in found]
        missing: list[int] = []
        while absent:
            exists = client.skeletons_exist(absent)
            missing += [root for root in exists if not exists[root]]
            existing = [root for root in exists if exists[root]]
            # The service may have returned a part, and caveclient skips what it cannot read.
            more = client.skeletons(existing) if existing else {}
            if existing and not more.keys() & set(existing):
                raise BatchRefusedError(
                    f"the server has skeletons of {listing(existing)}, but they cannot be read.",
                    url=client.server,
                    positions=[list(part).index(root) for root in existing],
                )
            found |= more
            absent = [root for root in absent if root not in found and root not in missing]
        refusals = refused() if missing else frozenset()
        if generate and (wanted := [root for root in missing if root not in refusals]):
            found |= client.skeletons(wanted, generate=True)
        return parse.skeletons_batch(part, found, refusals)

    answers = client.values_by_id(ids, "skeleton", send, fetch, SKELETON_BATCH, lasting=True)
    absent = ids[answers.status == NOT_GENERATED].tolist()
    refusals = ids[answers.status == NONE].tolist()
    started = "Their generation was started: call again later." if generate else ""
    answers.details.update(dict.fromkeys(absent, "generation started" if generate else "not generated"))
    answers.details.update(dict.fromkeys(refusals, "on the refusal list of the skeleton service"))
    if absent:
        warn(
            f"{client.datastack} has no skeleton of {len(absent):,} of {len(ids):,} root IDs yet: "
            f"{listing(absent)}. "
            + (started or "generate=True starts their generation. A root ID must be current for that."),
            NotGeneratedWarning,
        )
    if refusals:
        warn(
            f"the skeleton service does not make a skeleton of {len(refusals):,} of {len(ids):,} root "
            f"IDs: {listing(refusals)}. They are on its refusal list.",
            NotGeneratedWarning,
        )
    rows = np.flatnonzero(answers.status == FOUND)
    tables = [node_tables.frame(parse.skeleton(answers.payloads[row]), [], "") for row in rows]
    return node_tables.joined(tables, ids[rows].tolist())
