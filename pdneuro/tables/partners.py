"""Partners of neurons: from what neurons tell to an edge table, and from an edge table to a list."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro._compat import TEXT
from pdneuro.errors import InconsistentEdgesWarning, warn
from pdneuro.tables.edges import edge_table
from pdneuro.tables.grouping import group_rows
from pdneuro.tables.ids import Int64Array
from pdneuro.tables.joins import Labels, labels_of
from pdneuro.tables.provenance import inherit


def partners(
    edges: pd.DataFrame,
    ids: Int64Array,
    *,
    upstream: bool = True,
    downstream: bool = True,
    group_by: Labels | None = None,
) -> pd.DataFrame:
    """Partners of some neurons taken together, from an edge table.

    Parameters
    ----------
    edges : DataFrame
        An edge table.
    ids : array of int64
        The neurons.
    upstream, downstream : bool
        Which sides to list.
    group_by : mapping or Series, optional
        Label of each partner, by ID.

    Returns
    -------
    DataFrame
        See :func:`pdneuro.queries.edges.partners`.
    """
    own = pd.Index(ids)
    ends = ((downstream, "pre", "post"), (upstream, "post", "pre"))
    sides = [
        _partners(edges[edges[neuron].isin(own)], neuron, partner, group_by).assign(side=number)
        for number, (wanted, neuron, partner) in enumerate(ends)
        if wanted
    ]
    both = pd.concat(sides, ignore_index=True)
    order = ["weight", "partner", "side"]
    result: pd.DataFrame = both.sort_values(order, ascending=[False, True, True], ignore_index=True)
    words = pd.array(["downstream", "upstream"], TEXT).take(result.pop("side").to_numpy())
    result.insert(1, "direction", words)
    return inherit(result, edges)


def _partners(edges: pd.DataFrame, neuron: str, partner: str, group_by: Labels | None) -> pd.DataFrame:
    """One row a partner, or a label of partners."""
    others = edges[partner].reset_index(drop=True)
    key = others if group_by is None else pd.Series(labels_of(others.to_numpy(), group_by))
    groups = group_rows(key)
    weight = edges["weight"].to_numpy()[groups.rows]
    group = np.empty(len(key), np.int64)
    group[groups.rows] = np.repeat(np.arange(len(groups.starts)), groups.sizes)

    def distinct(end: str) -> Int64Array:
        once = group_rows(pd.Series(group), edges[end]).first
        return np.bincount(group[once], minlength=len(groups.starts))

    found = pd.DataFrame(
        {
            "partner": key.iloc[groups.first].reset_index(drop=True),
            "weight": np.add.reduceat(weight, groups.starts) if len(weight) else weight,
            "n_neurons": distinct(neuron),
        }
    )
    return found if group_by is None else found.assign(n_partners=distinct(partner))


def from_partners(
    ids: Int64Array,
    rows: npt.NDArray[np.intp],
    partner: Int64Array,
    weight: npt.NDArray[np.integer[Any]],
    incoming: npt.NDArray[np.bool_],
) -> pd.DataFrame:
    """Edge table from what neurons tell of their partners; told from both ends, an edge stands once.

    Parameters
    ----------
    ids : array of int64
        The neurons asked, each once.
    rows : array of int
        For each record, the place in ``ids`` of the neuron that tells.
    partner, weight : array of int
        The other neuron, and the number of synapses. Partners without a segment (0) are left out.
    incoming : array of bool
        Whether the partner is presynaptic.

    Returns
    -------
    DataFrame
        ``pre, post, weight`` (int64) in the order of the records. Where both ends tell of an edge, the
        presynaptic one is taken.
    """
    keep = partner > 0
    doubles = _doubles(ids, rows, partner, weight, incoming)
    keep[doubles] = False
    if not keep.all():
        rows, partner, weight, incoming = rows[keep], partner[keep], weight[keep], incoming[keep]
    own = ids[rows]
    return edge_table(np.where(incoming, partner, own), np.where(incoming, own, partner), weight)


def _doubles(
    ids: Int64Array,
    rows: npt.NDArray[np.intp],
    partner: Int64Array,
    weight: npt.NDArray[np.integer[Any]],
    incoming: npt.NDArray[np.bool_],
) -> npt.NDArray[np.intp]:
    """Places of incoming records whose edge an outgoing record tells as well."""
    # Only an edge with both ends among the asked can have been told twice. The sieve by low bits
    # spares most of the others the slower look-up.
    bits = (1 << max(10, int(8 * len(ids)).bit_length())) - 1
    sieve = np.zeros(bits + 1, bool)
    sieve[ids & bits] = True
    places = np.flatnonzero(sieve[partner & bits])
    codes = pd.Index(ids).get_indexer(pd.Index(partner[places]))
    places, codes = places[codes >= 0], codes[codes >= 0]
    told_in = incoming[places]
    starts, ends = np.where(told_in, codes, rows[places]), np.where(told_in, rows[places], codes)
    pairs = starts * len(ids) + ends
    out_code, distinct = pd.factorize(pairs[~told_in])
    in_code = pd.Index(distinct).get_indexer(pd.Index(pairs[told_in]))
    doubles: npt.NDArray[np.intp] = places[told_in][in_code >= 0]
    if len(doubles):
        _compare(out_code, weight[places[~told_in]], in_code[in_code >= 0], weight[doubles])
    return doubles


def _compare(
    out_code: npt.NDArray[np.intp],
    out_weight: npt.NDArray[np.integer[Any]],
    in_code: npt.NDArray[np.intp],
    in_weight: npt.NDArray[np.integer[Any]],
) -> None:
    """Warn where the two ends of an edge tell different weights; codes number the pairs."""
    size = int(np.max(out_code)) + 1
    ours = np.bincount(out_code, out_weight, size)
    theirs = np.bincount(in_code, in_weight, size)
    differ = int(((ours != theirs) & (np.bincount(in_code, minlength=size) > 0)).sum())
    if differ:
        warn(
            f"{differ:,} edges have another weight seen from their end than from their start; the "
            "start's is taken. The answers may come from different snapshots.",
            InconsistentEdgesWarning,
        )
