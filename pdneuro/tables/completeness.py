"""Measure how much of a neuron's input and output has a known partner."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pdneuro._docs import documented
from pdneuro.tables.columns import check_choice
from pdneuro.tables.datasets import coded_neurons, datasets, in_all_datasets, label_codes, labels_by_end
from pdneuro.tables.edges import require_edges
from pdneuro.tables.grouping import sums_by_code
from pdneuro.tables.ids import as_series
from pdneuro.tables.joins import Labels
from pdneuro.tables.node_names import distinct_nodes
from pdneuro.tables.provenance import inherit
from pdneuro.tables.thresholds import END_OF


@documented()
def completeness(
    edges: pd.DataFrame,
    partners: Any = None,
    *,
    group_by: Hashable | Sequence[Hashable] | Labels | Mapping[str, Any] | None = None,
    of: str = "both",
) -> pd.DataFrame:
    """Return the share of each neuron's synapses whose partner is known.

    Parameters
    ----------
    edges : DataFrame
        An edge table. A column ``dataset`` with several values separates the neurons of data sets.
    {completeness}

    Returns
    -------
    DataFrame
        Indexed by neuron (``id``, int64, sorted; with several data sets ``dataset, id``):
        ``input_completeness`` and ``output_completeness`` (Float64, 0 to 1; NA without synapses of this
        side). With ``group_by`` and several data sets also ``input_matched`` and ``output_matched``: the
        share of synapses whose partner has a label that every data set has.

    Raises
    ------
    ValueError
        Neither ``partners`` nor ``group_by`` is given, or ``group_by`` has no labels of a side.

    Notes
    -----
    A share is a number of synapses divided by all synapses of the neuron in the table, so a threshold
    changes it. neuprint-python's ``fetch_roi_completeness`` returns such shares by region instead, for
    partners that are traced.

    Examples
    --------
    >>> from pdneuro.tables import completeness
    >>> edges = pd.DataFrame({"pre": [1, 1, 2], "post": [2, 9, 1], "weight": [3, 1, 5]})
    >>> completeness(edges, [1, 2])
        input_completeness  output_completeness
    id
    1                  1.0                 0.75
    2                  1.0                  1.0
    9                  1.0                 <NA>
    """
    check_choice("of", of, ("both", *END_OF))
    if partners is None and group_by is None:
        raise ValueError("name the known partners: partners=ids, or group_by=labels.")
    edges = require_edges(edges)
    neurons, pre, post = coded_neurons(edges)
    positions = {"pre": pre, "post": post}
    sides = [side for side in END_OF if of in ("both", side)]
    known = {end: np.ones(len(edges), bool) for end in positions}
    matched: dict[str, Any] = {}
    if partners is not None:
        inside = pd.Index(distinct_nodes(as_series(partners), edges["pre"].to_numpy()))
        known = {end: edges[end].isin(inside).to_numpy() for end in positions}
    if group_by is not None:
        labeled, columns = labels_by_end(edges, group_by)
        for side in sides:
            if _other(END_OF[side]) not in columns:
                raise ValueError(f"group_by= has no labels of the partners of the {side}. Pass of=...")
        codes, count = label_codes(labeled, columns)
        shared = np.append(in_all_datasets(edges, codes, count), False)
        for end, of_end in codes.items():
            known[end] = known[end] & (of_end >= 0)
            matched[end] = known[end] & shared[of_end]
    weight = edges["weight"].to_numpy()
    found: dict[str, Any] = {}
    for side in sides:
        own, partner = positions[END_OF[side]], _other(END_OF[side])
        totals = sums_by_code(own, weight, len(neurons))
        kinds = {"completeness": known[partner]}
        if group_by is not None and datasets(edges) is not None:
            kinds["matched"] = matched[partner]
        for kind, mask in kinds.items():
            sums = sums_by_code(own[mask], weight[mask], len(neurons))
            shares = sums / np.maximum(totals, 1)
            found[f"{side}_{kind}"] = pd.arrays.FloatingArray(shares, totals == 0)
    return inherit(pd.DataFrame(found, index=neurons), edges)


def _other(end: str) -> str:
    return "post" if end == "pre" else "pre"
