"""Edges by region, where the synapses of a datastack have regions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from pdneuro.cave import parse
from pdneuro.cave.payload import PENDING, POST, PRE, SYNAPSE_BATCH, Table
from pdneuro.cave.root_ids import Version
from pdneuro.errors import UnknownFieldError
from pdneuro.tables.edges import edge_table
from pdneuro.tables.ids import Int64Array
from pdneuro.tables.partners import unpack
from pdneuro.transport.report import Batch

#: Names of columns of regions, and parts of the names of reference tables with such a column.
REGION_COLUMNS = ("roi", "neuropil", "region", "brain_region", "brain_area")
_PARTS = ("neuropil", "roi", "region", "area")


class Regions(NamedTuple):
    """The place of the regions of synapses."""

    column: str
    #: A table that refers to the table of synapses; None if that has the column itself.
    table: Table | None = None


def find_regions(version: Version) -> Regions:
    """Return where the regions of a datastack's synapses are.

    Raises
    ------
    UnknownFieldError
        Neither the table of synapses nor a table that refers to it has a column of regions.
    """
    client, number = version.client, version.number
    own = _region_column(version.sample(None))
    if own is not None:
        return Regions(own)
    for name in client.tables(number):
        if any(part in name.casefold() for part in _PARTS):
            table = client.table(name, number)
            if table.reference != client.synapse_table:
                continue
            column = _region_column(version.sample(name))
            if column is not None:
                return Regions(column, table)
    raise UnknownFieldError(
        f"the synapses of {client.datastack}, version {number}, have no regions: there is no column "
        f"{' or '.join(REGION_COLUMNS)} in {client.synapse_table}, nor in a table that refers to it."
    )


def _region_column(sample: pd.DataFrame | None) -> str | None:
    names = [] if sample is None else [str(name) for name in sample.columns]
    return next((name for name in names if name.casefold() in REGION_COLUMNS), None)


def edges(version: Version, ids: Int64Array, *, upstream: bool, downstream: bool) -> pd.DataFrame:
    """Return ``pre, post, weight, roi``: one row per pair and region, missing for no region.

    The rows of a pair sum to its number of synapses.
    """
    # Offline, a fetch finds the cached values by the name of the query alone.
    regions = None if version.fetch.offline else find_regions(version)
    sides = []
    for is_upstream, is_wanted in ((False, downstream), (True, upstream)):
        if is_wanted:
            found = _side(version, ids, regions, upstream=is_upstream)
            if is_upstream and downstream:  # the other side has these
                found = found[~found["pre"].isin(ids)]
            sides.append(found)
    table = pd.concat(sides, ignore_index=True)
    with_data = np.union1d(table["pre"].to_numpy(), table["post"].to_numpy())
    version.warn_of_stale(np.setdiff1d(ids, with_data), len(ids))
    result = edge_table(*(table[name].to_numpy() for name in ("pre", "post", "weight")))
    return result.assign(roi=pd.Categorical(table["roi"]))


def _side(version: Version, ids: Int64Array, regions: Regions | None, *, upstream: bool) -> pd.DataFrame:
    """Return the edges of one side."""
    column = POST if upstream else PRE

    def send(part: Sequence[int]) -> Batch:
        assert regions is not None
        if regions.table is None:
            found = version.synapses(part, column, [PRE, POST, regions.column])
        else:
            found = version.client.query(regions.table, part, column)
        return parse.regions_batch(part, found, column, regions.column)

    name = f"partners by region {'upstream' if upstream else 'downstream'}"
    answers = version.client.values_by_id(ids, name, send, version.fetch, SYNAPSE_BATCH, version.number)
    rows = parse.TableRows(answers.encodings, answers.payloads).table(ids, column)
    columns = {"pre": PRE, "post": POST, "weight": "weight", "roi": "roi"}
    found = pd.DataFrame({name: rows.get(key, np.empty(0, np.int64)) for name, key in columns.items()})
    found["roi"] = found["roi"].astype(object)
    if regions is None or regions.table is not None:
        found = pd.concat([found, _without_region(version, ids, found, upstream=upstream)])
    return found[(found["pre"] > PENDING) & (found["post"] > PENDING)]


def _without_region(
    version: Version, ids: Int64Array, found: pd.DataFrame, *, upstream: bool
) -> pd.DataFrame:
    """Return the rest of each pair: its synapses that the table of regions does not contain."""
    side = unpack(version.partners(ids, upstream=upstream).payloads)
    own, partner = ids[side.rows], side.partner
    pre, post = (partner, own) if upstream else (own, partner)
    whole = pd.DataFrame({"pre": pre, "post": post, "weight": side.weight})
    known = found.groupby(["pre", "post"], as_index=False)["weight"].sum()
    both = whole.merge(known, on=["pre", "post"], how="left", suffixes=("", "_known"))
    rest = both["weight"] - both["weight_known"].fillna(0).astype("int64")
    return whole.assign(weight=rest, roi=None)[rest.to_numpy() > 0]
