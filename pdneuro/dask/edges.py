"""Verbs on lazy edge tables: the functions of ``pdneuro.tables``, partition by partition.

Where a verb needs all rows of a pair or of a neuron in one place, dask shuffles them there first.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pdneuro import tables
from pdneuro.dask.settings import WithOptions
from pdneuro.options import FetchKeywords
from pdneuro.queries import edges as edge_questions
from pdneuro.sources import Source
from pdneuro.tables import weights
from pdneuro.tables.edges import sum_rows
from pdneuro.tables.labels import Labels, are_labels

#: A dask frame or series. Dask has no types for them.
Lazy = Any


def each(lazy: Lazy, function: Any, *args: Any, **kwargs: Any) -> Lazy:
    """A pure function on each partition; it is called on the empty table to know what it gives."""
    meta = function(lazy._meta, *args, **kwargs)
    return lazy.map_partitions(function, *args, meta=meta, **kwargs)


def as_edges(
    frame: Lazy,
    pre: Hashable | None = None,
    post: Hashable | None = None,
    weight: Hashable | None = None,
    roi: Hashable | None = None,
    nt: Hashable | None = None,
) -> Lazy:
    """Bring a lazy edge table of any known dialect to ``pre``, ``post``, ``weight``.

    Parameters and columns are those of :func:`pdneuro.tables.as_edges`.
    """
    return each(frame, tables.as_edges, pre, post, weight, roi, nt)


def threshold(edges: Lazy, min_weight: int, by: str = "pair") -> Lazy:
    """Keep the edges of at least ``min_weight`` synapses: see :func:`pdneuro.tables.threshold`."""
    standard = as_edges_if_needed(edges)
    if by == "pair":
        standard = standard.shuffle(on=["pre", "post"])
    return each(standard, tables.threshold, min_weight, by)


def collapse(
    edges: Lazy,
    group_by: Hashable | Sequence[Hashable] | Labels | None = None,
    *,
    roi: bool = False,
) -> Lazy:
    """Sum the rows of each pair of neurons, or of groups: see :func:`pdneuro.tables.collapse`.

    The order of the rows is dask's.

    Examples
    --------
    >>> import dask.dataframe as dd, pdneuro.dask
    >>> edges = dd.from_pandas(pdneuro.sandbox.edges(), npartitions=3)
    >>> len(edges.neuro.threshold(50).neuro.collapse())
    673
    """
    pairs = as_edges_if_needed(edges).shuffle(on=["pre", "post"])
    parts = each(pairs, tables.collapse, group_by, roi=roi)
    if group_by is None:
        return parts
    keys = list(parts.columns.drop(["weight", "n_pairs"]))
    return each(parts.shuffle(on=keys), sum_rows, keys, also=["n_pairs"])


def annotate(
    edges: Lazy,
    nodes: pd.DataFrame | Labels,
    columns: Hashable | Sequence[Hashable] | None = None,
    *,
    on: Hashable | None = None,
    overwrite: bool = False,
) -> Lazy:
    """Put columns of the neurons beside both ends of each edge: see :func:`pdneuro.tables.annotate`.

    ``nodes`` is a pandas object; it goes to every worker.
    """
    standard = as_edges_if_needed(edges)
    how: dict[str, Any] = {"on": on, "overwrite": overwrite}
    # A column of integers is Int64 in a partition that has an unknown neuron, and must be in all.
    meta = _nullable(tables.annotate(standard._meta, nodes, columns, **how), standard.columns)
    return standard.map_partitions(_annotated, meta.dtypes.to_dict(), nodes, columns, how, meta=meta)


def _annotated(edges: pd.DataFrame, dtypes: Any, nodes: Any, columns: Any, how: Any) -> pd.DataFrame:
    return tables.annotate(edges, nodes, columns, **how).astype(dtypes)


def _nullable(meta: pd.DataFrame, given: pd.Index[Any]) -> pd.DataFrame:
    kinds: dict[str, Any] = {"i": "Int64", "u": "Int64", "b": "boolean", "f": "Float64"}
    new = [name for name in meta.columns if name not in given]
    return meta.astype(
        {
            name: kinds[meta[name].dtype.kind]
            for name in new
            if isinstance(meta[name].dtype, np.dtype) and meta[name].dtype.kind in kinds
        }
    )


def fractions(
    edges: Lazy,
    /,
    of: str = "input",
    total: str | Labels = "present",
    *,
    overwrite: bool = False,
    source: str | Source | None = None,
    **fetch: Any,
) -> Lazy:
    """Put the share of the neuron's input or output beside each edge.

    See :func:`pdneuro.queries.edges.fractions`. ``total="present"`` shuffles; ``total="source"`` asks
    when it is computed.
    """
    standard = as_edges_if_needed(edges)
    if of not in weights.END_OF:
        raise ValueError(f"of must be 'input' or 'output', not {of!r}.")
    if not are_labels(total) and total == "present":
        standard = standard.shuffle(on=weights.END_OF[of])
    empty = total if are_labels(total) or total == "present" else {}
    meta = weights.fractions(standard._meta, of, empty, overwrite=overwrite)
    options: FetchKeywords = fetch  # type: ignore[assignment]
    ask = WithOptions(edge_questions.fractions, of, total, overwrite=overwrite, source=source, **options)
    return standard.map_partitions(ask, meta=meta)


def sign(
    edges: Lazy,
    nt: Hashable = "nt_pre",
    *,
    inhibitory: str | Iterable[str],
    excitatory: str | Iterable[str],
    other: int = 0,
) -> Lazy:
    """Put the sign of each edge, by transmitter, beside it: see :func:`pdneuro.tables.sign`."""
    given = [names if isinstance(names, str) else list(names) for names in (inhibitory, excitatory)]
    # A partition may well hold none of the transmitters.
    how = {"inhibitory": given[0], "excitatory": given[1], "other": other, "check": False}
    return each(as_edges_if_needed(edges), tables.sign, nt, **how)


def degree(edges: Lazy) -> Lazy:
    """Numbers of partners and synapses of each neuron: see :func:`pdneuro.tables.degree`.

    Indexed by neuron, rising within a partition.
    """
    parts = each(collapse(edges), _degree_parts)
    return each(parts.shuffle(on="id"), _summed)


def _degree_parts(pairs: pd.DataFrame) -> pd.DataFrame:
    return tables.degree(pairs).reset_index()


def _summed(parts: pd.DataFrame) -> pd.DataFrame:
    return parts.groupby("id").sum()


def reciprocal(edges: Lazy) -> Lazy:
    """Put the weight of the opposite edge beside each edge: see :func:`pdneuro.tables.reciprocal`."""
    standard = as_edges_if_needed(edges)
    names = ["_low", "_high"]
    both = standard.assign(
        _low=standard["pre"].where(standard["pre"] < standard["post"], standard["post"]),
        _high=standard["post"].where(standard["pre"] < standard["post"], standard["pre"]),
    )
    together = both.shuffle(on=names).drop(columns=names)
    return each(together, tables.reciprocal)


def as_edges_if_needed(edges: Lazy) -> Lazy:
    """The table itself when it is an edge table, else what :func:`as_edges` makes of it."""
    standard = all(
        name in edges.columns and edges._meta[name].dtype == np.int64
        for name in ("pre", "post", "weight")
    )
    return edges if standard else as_edges(edges)
