"""What can be asked about an edge table: the questions that need a source."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np
import pandas as pd

from pdneuro.options import Fetch, FetchKeywords
from pdneuro.queries import hops as hop_search
from pdneuro.queries.hops import MAX_NODES
from pdneuro.sources import Source, open_source
from pdneuro.tables import weights
from pdneuro.tables.edges import least_weight, require_edges
from pdneuro.tables.joins import cells_of, take_or_missing
from pdneuro.tables.labels import Labels
from pdneuro.tables.provenance import note, stamp
from pdneuro.transport.report import one_call


def expand(
    edges: pd.DataFrame,
    hops: int = 1,
    *,
    upstream: bool = True,
    downstream: bool = True,
    min_weight: int | None = None,
    autapses: bool = True,
    max_nodes: int = MAX_NODES,
    source: str | Source | None = None,
    **fetch: Unpack[FetchKeywords],
) -> pd.DataFrame:
    """Go on from the neurons of an edge table: add their edges, ``hops`` times.

    Parameters
    ----------
    edges : DataFrame
        An edge table.
    hops : int
        How often to go on. The first hop asks about every neuron in the table; what is stored already
        is not asked again.
    upstream, downstream : bool
        Follow inputs, outputs, or both.
    min_weight : int, optional
        Add, and follow, pairs of at least so many synapses (``>=``). Default: the threshold that the
        table is known to have, else 1.
    autapses : bool
        Add edges of a neuron on itself.
    max_nodes : int
        Most neurons to ask about. They are counted before each hop is sent.
    source, **fetch
        As for :func:`pdneuro.queries.properties.properties`.

    Returns
    -------
    DataFrame
        The rows of the table as they are, then the new edges; ``hop`` (int64) goes on counting. Other
        columns are NA in new rows. ``attrs["pdneuro"]["asked_per_hop"]`` has the number of neurons.

    Raises
    ------
    NodeBudgetError
        The next hop would exceed ``max_nodes``. Nothing is sent for it; what came is stored.
    Exception
        As for :func:`pdneuro.queries.properties.edges`.

    Examples
    --------
    >>> neurons = pdneuro.sandbox.neurons().root_id.head(5)
    >>> near = neurons.neuro.edges(min_weight=20)
    >>> near.neuro.expand(min_weight=20).groupby("hop").size()
    hop
    1     9
    2    19
    dtype: int64
    """
    if hops < 1:
        raise ValueError("expand needs hops of at least 1.")
    sides = hop_search.direction(upstream, downstream)
    table = require_edges(edges)
    options = Fetch.of(**fetch)
    opened = open_source(source)
    least = least_weight(table) if min_weight is None else min_weight
    if "hop" not in table.columns:
        table = table.assign(hop=np.int64(1))
    nodes = np.asarray(pd.unique(table[["pre", "post"]].to_numpy().ravel()), np.int64)
    with one_call(options) as report:
        found, counts = hop_search.follow(
            nodes,
            opened,
            upstream=upstream,
            downstream=downstream,
            hops=hops,
            min_weight=least,
            within=False,
            max_nodes=max_nodes,
            fetch=options,
            first=int(table["hop"].max()) + 1 if len(table) else 1,
        )
    known = pd.MultiIndex.from_frame(table[["pre", "post"]])
    new = found[~pd.MultiIndex.from_frame(found[["pre", "post"]]).isin(known)]
    if not autapses:
        new = new[new["pre"] != new["post"]]
    return stamp(
        _appended(table, new),
        source=opened.name,
        query=f"expand(hops={hops}, upstream={upstream}, downstream={downstream}, min_weight={least})",
        snapshots=report.snapshots(),
        earlier=table.attrs,
        **hop_search.provenance(least, sides, False, counts),
    )


def _appended(table: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """The rows of both; integers stay integers in columns that only the first one has."""
    columns = {}
    rows = np.concatenate([np.arange(len(table)), np.full(len(new), -1)])
    for name, column in table.items():
        if name in new.columns:
            columns[name] = np.concatenate([column.to_numpy(), new[name].to_numpy()])
        else:
            columns[name] = take_or_missing(cells_of(column), rows)
    return pd.DataFrame(columns)


def fractions(
    edges: pd.DataFrame,
    of: str = "input",
    total: str | Labels = "present",
    *,
    overwrite: bool = False,
    source: str | Source | None = None,
    **fetch: Unpack[FetchKeywords],
) -> pd.DataFrame:
    """Put the share of the neuron's input or output beside each edge.

    Parameters
    ----------
    edges : DataFrame
        An edge table.
    of : {"input", "output"}
        Share of all input of the postsynaptic neuron, or of all output of the presynaptic one.
    total : {"present", "source"}, Series or mapping
        The denominators: sums over the rows of the table; the neurons' totals as the source knows them
        (``nr_post`` of ``link_post``, ``nr_pre`` of ``link_pre``); or given, a number for each ID.
    overwrite : bool
        Replace a column that has the new name.
    source, **fetch
        As for :func:`pdneuro.queries.properties.properties`; for ``total="source"``.

    Returns
    -------
    DataFrame
        The edges, row by row, with ``input_fraction`` or ``output_fraction`` (Float64, 0 to 1; NA where
        the total is unknown or 0). ``attrs["pdneuro"]`` has ``fractions_of`` and ``fractions_total``.

    Warns
    -----
    IncompleteEdgesWarning
        ``total="present"``, and the table is known to lack edges: it was thresholded, or fetched from
        one side.
    InconsistentEdgesWarning
        A total is smaller than the weights that are present.

    See Also
    --------
    pdneuro.tables.fractions : the same without a source.

    Examples
    --------
    >>> neurons = pdneuro.sandbox.neurons().root_id.head(5)
    >>> edges = neurons.neuro.upstream(min_weight=10)
    >>> edges.neuro.fractions(total="source").input_fraction.head(2).round(3).tolist()
    [0.351, 0.076]
    """
    table = require_edges(edges)
    if not (isinstance(total, str) and total == "source"):
        return weights.fractions(table, of, total, overwrite=overwrite)
    if of not in weights.END_OF:
        raise ValueError(f"of must be 'input' or 'output', not {of!r}.")
    options = Fetch.of(**fetch)
    opened = open_source(source)
    name, column = ("link_post", "nr_post") if of == "input" else ("link_pre", "nr_pre")
    ids = np.asarray(pd.unique(table[weights.END_OF[of]]), np.int64)
    with one_call(options) as report:
        found = opened.properties(ids, name, multiple="count", fetch=options)
    totals: pd.Series[Any] = pd.Series(found[column], index=ids)
    result = weights.fractions(table, of, totals, overwrite=overwrite)
    query = f"fractions({of!r}, total='source')"
    result = stamp(
        result, source=opened.name, query=query, snapshots=report.snapshots(), earlier=result.attrs
    )
    return note(result, fractions_total="source")
