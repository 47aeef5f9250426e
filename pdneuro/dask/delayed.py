"""Methods of lazy tables that return one object, when it is computed: a matrix, counts, a link."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import pandas as pd
from dask import dataframe as dd
from dask.delayed import delayed

from pdneuro import citations, graphs, neuroglancer, tables
from pdneuro.dask.each_row import distinct_segments
from pdneuro.dask.edges import by_unordered_pair, standard_edges
from pdneuro.dask.fetcher import Call, WithOptions, fetcher_of, running
from pdneuro.dask.partitions import Lazy, each, merged
from pdneuro.errors import MissingColumnsError
from pdneuro.tables import roles
from pdneuro.tables.collapse import (
    GROUP_COUNTS,
    PER_NEURON,
    sum_rows,
    value_columns,
    with_labels,
    with_numbers,
)
from pdneuro.tables.ids import as_series
from pdneuro.tables.joins import Labels, are_labels
from pdneuro.tables.provenance import facts, inherit


def to_matrix(
    edges: Lazy,
    /,
    group_by: Hashable | Sequence[Hashable] | Labels | Mapping[str, Any] | None = None,
    *,
    values: str = "weight",
    normalize: str | None = None,
    ids: Any = None,
    **options: Any,
) -> Any:
    """Return the matrix of an edge table, when computed; see :func:`pdneuro.graphs.to_matrix`.

    Examples
    --------
    >>> import dask.dataframe as dd, pdneuro.dask
    >>> edges = dd.from_pandas(pdneuro.sandbox.edges(), npartitions=3)
    >>> types = pdneuro.sandbox.neurons().set_index("root_id").cell_type
    >>> edges.neuro.to_matrix(group_by=types).compute().shape
    (150, 150)
    """
    if values in (*GROUP_COUNTS, PER_NEURON):
        raise ValueError(f"a lazy table has no matrix of {values!r}. Use .neuro.collapse(group_by=...).")
    sums = standard_edges(edges)
    if group_by is None:
        # The totals of normalize= include edges from and to other neurons.
        sums = _whole_pairs(
            sums, [], value_columns(sums._meta, values), ids if normalize is None else None
        )
    else:
        _, labels = with_labels(sums._meta, group_by)
        sums = merged(sums, _representatives, group_by, labels, value_columns(sums._meta, values))
    return _of_whole(
        sums, graphs.to_matrix, group_by, values=values, normalize=normalize, ids=ids, **options
    )


def _representatives(
    part: pd.DataFrame, group_by: Any, groups: list[Any], values: list[Any]
) -> pd.DataFrame:
    """Sum the rows of each pair of groups; the two neurons of its first row stand for them."""
    rows = with_numbers(with_labels(part, group_by)[0], values)
    keep = [name for name in ("pre", "post") if name not in groups]
    summed = sum_rows(rows, groups, keep=keep, also=values, hop=False)
    return summed[list(dict.fromkeys(["pre", "post", "weight", *values, *groups]))]


def to_sparse(edges: Lazy, /, *, values: str = "weight", ids: Any = None) -> Any:
    """Return the sparse matrix and its IDs, when computed; see :func:`pdneuro.graphs.to_sparse`."""
    standard = standard_edges(edges)
    pairs = _whole_pairs(standard, [], value_columns(standard._meta, values), ids)
    return _of_whole(pairs, graphs.to_sparse, values=values, ids=ids)


def similarity(
    edges: Lazy,
    /,
    metric: str = "cosine",
    of: str = "both",
    *,
    group_by: Hashable | Sequence[Hashable] | Labels | Mapping[str, Any] | None = None,
    **options: Any,
) -> Any:
    """Return the similarity of neurons, when computed; see :func:`pdneuro.graphs.similarity`."""
    standard = standard_edges(edges)
    labels: list[Any] = []
    if group_by is not None and not are_labels(group_by):
        labels = [
            name for name in with_labels(standard._meta, group_by)[1] if name not in ("pre", "post")
        ]
    more = [name for name in (*labels, "dataset") if name in standard.columns]
    pairs = _whole_pairs(standard, more, [], None)
    return _of_whole(pairs, graphs.similarity, metric, of, group_by=group_by, **options)


def motifs(edges: Lazy) -> Any:
    """Count the motifs of pairs, when computed; see :func:`pdneuro.tables.motifs`."""
    standard = standard_edges(edges)[["pre", "post", "weight"]]
    counts = each(by_unordered_pair(standard), _motifs).sum()
    ends = [standard[end].rename("id") for end in ("pre", "post")]
    neurons = distinct_segments(dd.concat(ends))  # type: ignore[no-untyped-call]
    return delayed(_census)(counts, neurons.size)


def _motifs(pairs: pd.DataFrame) -> pd.DataFrame:
    return tables.motifs(pairs).to_frame().T.reset_index(drop=True)


def _census(counts: pd.Series[Any], neurons: int) -> pd.Series[Any]:
    """Return the counts of all partitions; which pairs have no edge, only all neurons show."""
    found = counts.astype("int64").rename("pairs")
    found["unconnected"] = neurons * (neurons - 1) // 2 - found["mutual"] - found["one_way"]
    return found


def link(ids: Lazy, /, *args: Any, **options: Any) -> Any:
    """Return a Neuroglancer link, when computed; see :func:`pdneuro.neuroglancer.link`."""
    rows = ids.to_frame() if ids.ndim == 1 else ids
    once = rows.drop_duplicates(split_out=1)
    if ids.ndim == 1:
        once = once[once.columns[0]]
    return _of_whole(once, neuroglancer.link, *args, **options)


def cite(table: Lazy, style: str = "text") -> Any:
    """Return a text that cites the sources, when computed; see :func:`pdneuro.citations.cite`."""
    fetcher = fetcher_of({}, has_source=False)
    return delayed(WithOptions(fetcher, _cited, style))(_sources_of(table))


def _cited(table: pd.DataFrame, style: str) -> Any:
    return running.get().fetch(Call(citations.cite, (style,), {}), table)


def provenance(table: Lazy) -> Any:
    """Return the sources of a table, when computed; see :func:`pdneuro.citations.provenance`."""
    return delayed(citations.provenance)(_sources_of(table))


def _sources_of(table: Lazy) -> Any:
    """Return the neurons of a table and the provenance of all its partitions, when computed."""
    frame = table.to_frame() if table.ndim == 1 else table
    try:
        names = [roles.neuromorpho_column(frame._meta, None).name]
    except MissingColumnsError:
        names = []
    parts = [delayed(_source_of)([part], names) for part in frame.to_delayed()]
    while len(parts) > 1:
        parts = [delayed(_source_of)(parts[k : k + 8], names) for k in range(0, len(parts), 8)]
    return parts[0]


def _source_of(parts: list[pd.DataFrame], names: list[Any]) -> pd.DataFrame:
    """Return the neurons of tables once, with the provenance of the last one that has some."""
    rows = pd.concat([part[names] for part in parts]).drop_duplicates(ignore_index=True)
    known = [part for part in parts if facts(part)]
    return inherit(rows, known[-1]) if known else rows


def _whole_pairs(edges: Lazy, labels: list[Any], values: list[Any], ids: Any) -> Lazy:
    """Return the sums of all pairs of neurons as one partition, which must fit in memory."""
    names = list(dict.fromkeys(["pre", "post", "weight", *values, *labels]))
    inside = edges[names]
    if ids is not None:
        chosen = pd.Index(as_series(ids))
        inside = inside[inside["pre"].isin(chosen) & inside["post"].isin(chosen)]
    return merged(inside, _pairs_once, labels, values)


def _pairs_once(part: pd.DataFrame, labels: list[Any], values: list[Any]) -> pd.DataFrame:
    keys = ["pre", "post", *labels]
    return sum_rows(with_numbers(part, values), keys, also=values, hop=False)[list(part.columns)]


def _of_whole(frame: Lazy, function: Any, *args: Any, **options: Any) -> Any:
    """Return the result of a function for a table, as a delayed object."""
    return delayed(function)(frame, *args, **options)
