"""Methods of an edge table for all edges of a local connectome, with one piece in memory at a time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pandas.api import types

from pdneuro import graphs
from pdneuro._compat import optional
from pdneuro.connectome.index import Index
from pdneuro.connectome.properties import Neurons
from pdneuro.connectome.threads import in_threads
from pdneuro.tables import pairs, roles, weights
from pdneuro.tables.annotation import annotate
from pdneuro.tables.collapse import (
    GROUP_COUNTS,
    PER_NEURON,
    arranged,
    collapse,
    group_names,
    is_by_end,
    numbers,
    sum_rows,
    with_weight_per_neuron,
)
from pdneuro.tables.columns import array_of, take_or_na
from pdneuro.tables.edges import append_edges
from pdneuro.tables.grouping import sums_by_code
from pdneuro.tables.hops import MAX_NODES, check_budget, direction_of
from pdneuro.tables.ids import distinct_ids
from pdneuro.tables.joins import Labels, are_labels, labels_of
from pdneuro.tables.provenance import inherit, note
from pdneuro.tables.thresholds import (
    END_OF,
    as_share,
    least_weight,
    pair_weights,
    threshold,
    warn_of_missing_edges,
    whole_threshold,
)

if TYPE_CHECKING:
    from scipy.sparse import csr_array

#: Number of edges in memory at once.
PIECE = 2**21

Step = Callable[[pd.DataFrame], pd.DataFrame]


class EdgeMethods:
    """Methods of an edge table; see :class:`LazyEdges`."""

    _index: Index
    _neurons: Neurons
    _steps: tuple[Step, ...] = ()
    #: Function that returns a piece before the steps. Default: the edges of the index.
    _first: Callable[[tuple[int, int], bool], pd.DataFrame] | None = None

    # -- pieces ------------------------------------------------------------------------------------

    def _ranges(self, upstream: bool = False) -> list[tuple[int, int]]:
        """Return ranges of neurons whose edges, by one of their ends, are a piece each."""
        counts = np.diff(self._index.start).reshape(-1, 2)[:, int(upstream)]
        ends = np.cumsum(counts)
        bounds = np.searchsorted(ends, np.arange(PIECE, self._index.pairs, PIECE))
        bounds = np.unique([0, *bounds, len(counts)])
        return list(zip(bounds.tolist(), bounds[1:].tolist(), strict=False))

    def _piece(self, bounds: tuple[int, int], upstream: bool = False) -> pd.DataFrame:
        """Return the edges of a range of neurons: their outputs, or their inputs."""
        piece = (self._first or self._edges)(bounds, upstream)
        for step in self._steps:
            piece = step(piece)
        return piece

    def _edges(self, bounds: tuple[int, int], upstream: bool) -> pd.DataFrame:
        """Return the edges of the index of a range of neurons."""
        places = np.arange(*bounds)
        counts, partner, weight, _, records = self._index.records(
            places, upstream=upstream, downstream=not upstream
        )
        own, other = np.repeat(self._index.ids[places], counts), self._index.ids[partner]
        pre, post = (other, own) if upstream else (own, other)
        return self._index.edges(pre, post, weight, records)

    def _pieces(self, upstream: bool = False) -> Iterator[pd.DataFrame]:
        for bounds in self._ranges(upstream) or [(0, 0)]:
            yield self._piece(bounds, upstream)

    def _pairs_of(self, piece: pd.DataFrame) -> pd.DataFrame:
        """Return the edges of a piece with one row per pair."""
        return piece if self._index.rows is None else collapse(piece)

    def _then(self, *steps: Step) -> LazyEdges:
        return LazyEdges(self._index, self._neurons, [*self._steps, *steps], self._first)

    # -- results with one row per edge -------------------------------------------------------------

    def to_frame(self) -> pd.DataFrame:
        """Return all edges as one DataFrame, sorted by presynaptic neuron and by falling weight.

        Examples
        --------
        >>> edges = pd.DataFrame({"pre": [11, 11, 13], "post": [12, 13, 11], "weight": [5, 2, 4]})
        >>> pdneuro.Connectome(edges).threshold(4).to_frame()
           pre  post  weight
        0   11    12       5
        1   13    11       4
        """
        parts = list(self._pieces())
        result = pd.concat(parts, ignore_index=True)
        result.attrs = parts[0].attrs
        return result

    def batches(self) -> Any:
        """Return a ``pyarrow.RecordBatchReader`` of all edges, for DuckDB, polars or a parquet file.

        Raises
        ------
        MissingDependencyError
            pyarrow is not installed (extra ``files``).

        Examples
        --------
        >>> edges = pd.DataFrame({"pre": [11, 11, 13], "post": [12, 13, 11], "weight": [5, 2, 4]})
        >>> pdneuro.Connectome(edges).fractions().batches().read_all().num_rows
        3
        """
        arrow = optional("pyarrow", "files")
        pieces = self._pieces()
        first = arrow.Table.from_pandas(next(pieces), preserve_index=False)
        # A column without values in the first piece has no type yet.
        kinds = [
            field.with_type(arrow.string()) if arrow.types.is_null(field.type) else field
            for field in first.schema
        ]
        schema = arrow.schema(kinds)

        def batches() -> Iterator[Any]:
            yield from first.cast(schema).to_batches()
            for piece in pieces:
                table = arrow.Table.from_pandas(piece, schema=schema, preserve_index=False)
                yield from table.cast(schema).to_batches()

        return arrow.RecordBatchReader.from_batches(schema, batches())

    def to_dask(self) -> Any:
        """Return a dask DataFrame with a partition per piece.

        Raises
        ------
        MissingDependencyError
            dask is not installed (extra ``dask``).

        Examples
        --------
        >>> edges = pd.DataFrame({"pre": [11, 11, 13], "post": [12, 13, 11], "weight": [5, 2, 4]})
        >>> len(pdneuro.Connectome(edges).edges().to_dask())
        3
        """
        frames = optional("dask.dataframe", "dask")
        return frames.from_map(self._piece, self._ranges() or [(0, 0)], meta=self._piece((0, 0)))

    def threshold(self, min_weight: float, *, of: str | None = None) -> LazyEdges:
        """Keep strong edges; see :func:`pdneuro.tables.threshold`.

        Examples
        --------
        >>> edges = pd.DataFrame({"pre": [11, 11, 13], "post": [12, 13, 11], "weight": [5, 2, 4]})
        >>> pdneuro.Connectome(edges).threshold(0.5, of="output").to_frame().weight.tolist()
        [5, 4]
        """
        # All rows of a pair are in one piece.
        threshold(self._piece((0, 0)), min_weight, of=of)
        if of is None:
            return self._then(lambda piece: threshold(piece, min_weight))
        share, totals = as_share(min_weight, "min_weight"), self._totals(of)

        def strong(piece: pd.DataFrame) -> pd.DataFrame:
            total = labels_of(piece[END_OF[of]].to_numpy(), totals)
            weight = pair_weights(piece)
            kept: pd.DataFrame = piece[weight / np.maximum(total, 1) >= share]
            return note(kept, min_share=share, min_share_of=of)

        return self._then(strong)

    def annotate(
        self,
        nodes: pd.DataFrame | Labels | None = None,
        columns: Hashable | Sequence[Hashable] | None = None,
        **options: Any,
    ) -> LazyEdges:
        """Add columns of the neurons for both ends; see :func:`pdneuro.tables.annotate`.

        Parameters
        ----------
        nodes : DataFrame, Series or mapping, optional
            Default: the table of neurons of the connectome.
        columns, **options
            See :func:`pdneuro.tables.annotate`.

        Returns
        -------
        LazyEdges

        Examples
        --------
        >>> edges = pd.DataFrame({"pre": [11, 11, 13], "post": [12, 13, 11], "weight": [5, 2, 4]})
        >>> pdneuro.Connectome(edges).annotate({11: "KC"}).to_frame().group_pre.tolist()[:2]
        ['KC', 'KC']
        """
        if nodes is None:
            listed = isinstance(columns, list | tuple | pd.Index)
            names = columns if columns is None or listed else [columns]
            for name in names if isinstance(names, list | tuple | pd.Index) else ():
                roles.named_column(pd.DataFrame(columns=self._neurons.columns), name)
            nodes = self._neurons.frame(names)  # type: ignore[arg-type]
            options = {"on": self._neurons.on, **options}
        annotate(self._piece((0, 0)), nodes, columns, **options)
        return self._then(lambda piece: annotate(piece, nodes, columns, **options))

    def fractions(
        self, of: str = "input", total: str | Labels = "present", *, overwrite: bool = False
    ) -> LazyEdges:
        """Add each edge's share of an input or output; see :func:`pdneuro.tables.fractions`.

        Examples
        --------
        >>> edges = pd.DataFrame({"pre": [11, 11, 13], "post": [12, 13, 12], "weight": [5, 2, 15]})
        >>> pdneuro.Connectome(edges).fractions().to_frame().input_fraction.tolist()
        [0.25, 1.0, 0.75]
        """
        weights.fractions(self._piece((0, 0)), of, total, overwrite=overwrite)
        if not isinstance(total, str):
            return self._then(lambda piece: weights.fractions(piece, of, total, overwrite=overwrite))
        totals = self._totals(of)

        def divided(piece: pd.DataFrame) -> pd.DataFrame:
            return note(
                weights.fractions(piece, of, totals, overwrite=overwrite), fractions_total="present"
            )

        return self._then(divided)

    def reciprocal(self) -> LazyEdges:
        """Add the weight of the edge in the opposite direction; see :func:`pdneuro.tables.reciprocal`.

        Examples
        --------
        >>> edges = pd.DataFrame({"pre": [11, 11, 13], "post": [12, 13, 11], "weight": [5, 2, 4]})
        >>> pdneuro.Connectome(edges).reciprocal().to_frame().reciprocal_weight.tolist()
        [0, 4, 2]
        """
        before = self._then()
        return self._then(lambda piece: pairs.add_reciprocal(piece, before._opposite(piece)))

    def _opposite(self, piece: pd.DataFrame) -> pd.DataFrame:
        """Return edges with those that are opposite to a piece, which is a range of pre or post."""
        if not len(piece):
            return self._piece((0, 0))
        places = {end: self._index.places(np.unique(piece[end])) for end in ("pre", "post")}
        end = min(places, key=lambda name: np.ptp(places[name]))
        found = self._piece((int(places[end][0]), int(places[end][-1]) + 1), upstream=end == "pre")
        return self._pairs_of(found[found["pre"].isin(piece["post"]) & found["post"].isin(piece["pre"])])

    def sign(self, nt: Hashable = "nt_pre", **options: Any) -> LazyEdges:
        """Add the sign of each edge, by its transmitter; see :func:`pdneuro.tables.sign`.

        Examples
        --------
        >>> edges = pd.DataFrame({"pre": [11, 11, 13], "post": [12, 13, 11], "weight": [5, 2, 4]})
        >>> neurons = pd.DataFrame({"root_id": [11, 13], "nt": ["ACH", "GABA"]})
        >>> signed = pdneuro.Connectome(edges, neurons).sign(inhibitory="GABA", excitatory="ACH")
        >>> signed.to_frame().signed_weight.tolist()
        [5, 2, -4]
        """
        lazy = self
        if nt == "nt_pre" and nt not in self._piece((0, 0)).columns:
            lazy = self.annotate(columns="nt")
        # A transmitter may be absent from a piece.
        check = options.pop("check", True)
        if check:
            names = lazy._values(nt)
            weights.sign(names, nt, check=True, **options)
        return lazy._then(lambda piece: weights.sign(piece, nt, check=False, **options))

    def _values(self, name: Hashable) -> pd.DataFrame:
        """Return an edge for each distinct value of a column."""
        roles.named_column(self._piece((0, 0)), name)
        parts = [piece.drop_duplicates(name) for piece in self._pieces()]
        return pd.concat(parts).drop_duplicates(name)

    def expand(
        self,
        hops: int = 1,
        *,
        upstream: bool = True,
        downstream: bool = True,
        min_weight: int | None = None,
        autapses: bool = True,
        max_nodes: int = MAX_NODES,
    ) -> LazyEdges:
        """Add the edges of all neurons in the table by hops; see :func:`pdneuro.queries.expand`.

        The new edges are those of the whole connectome, also if an earlier step has dropped them. They
        follow the rows of their piece, and ``hop`` continues to count.

        Examples
        --------
        >>> edges = pd.DataFrame({"pre": [11, 12, 13], "post": [12, 13, 14], "weight": [5, 2, 4]})
        >>> strong = pdneuro.Connectome(edges).threshold(5)
        >>> strong.expand(min_weight=1).to_frame()
           pre  post  weight  hop
        0   11    12       5    1
        1   12    13       2    2
        """
        if hops < 1:
            raise ValueError(f"hops must be at least 1, not {hops!r}.")
        direction = direction_of(upstream, downstream)
        empty = self._piece((0, 0))
        least = least_weight(empty) if min_weight is None else whole_threshold(min_weight)
        ids, never = self._index.ids, np.iinfo(np.int64).max
        member, last = np.zeros(len(ids), bool), 0
        for piece in self._pieces():
            for end in ("pre", "post"):
                member[self._index.places(np.unique(piece[end]))] = True
            last = max(last, int(piece["hop"].max() if "hop" in piece else 1) if len(piece) else 0)
        # The hop at which each neuron is queried; an edge is found by the first of its neurons.
        queried, frontier = np.full(len(ids), never), np.flatnonzero(member)
        counts: list[int] = []
        for hop in range(last + 1, last + 1 + hops):
            check_budget(hop, len(frontier), counts, max_nodes, least)
            queried[frontier] = hop
            counts.append(len(frontier))
            _, partner, weight, _, _ = self._index.records(
                frontier, upstream=upstream, downstream=downstream
            )
            reached = np.unique(partner[weight >= least])
            frontier = reached[queried[reached] == never]
            if not len(frontier):
                break

        def widened(bounds: tuple[int, int], by_post: bool) -> pd.DataFrame:
            table, found = self._piece(bounds, by_post), self._edges(bounds, by_post)
            if "hop" not in table:
                table = table.assign(hop=np.int64(1))
            ends = [self._index.places(found[end].to_numpy()) for end in ("pre", "post")]
            hop = np.full(len(found), never)
            for end, wanted in zip(ends, (downstream, upstream), strict=True):
                hop = np.minimum(hop, queried[end]) if wanted else hop
            known = [self._index.places(table[end].to_numpy()) for end in ("pre", "post")]
            new = (hop < never) & (pair_weights(found) >= least)
            new &= ~np.isin(ends[0] * len(ids) + ends[1], known[0] * len(ids) + known[1])
            new &= autapses | (ends[0] != ends[1])
            result = append_edges(table, found.assign(hop=hop)[new])
            return note(
                inherit(result, table),
                min_weight=least,
                direction=direction,
                within=False,
                asked=sum(counts),
                asked_per_hop=counts,
            )

        return LazyEdges(self._index, self._neurons, first=widened)

    # -- results for all edges ---------------------------------------------------------------------

    def degree(self) -> pd.DataFrame:
        """Count the partners and synapses of each neuron; see :func:`pdneuro.tables.degree`.

        Examples
        --------
        >>> edges = pd.DataFrame({"pre": [11, 11, 13], "post": [12, 13, 11], "weight": [5, 2, 4]})
        >>> pdneuro.Connectome(edges).degree().out_weight.tolist()
        [7, 0, 4]
        """
        ids = pd.Index(self._index.ids)
        counts: dict[str, Any]
        if not self._steps and self._first is None:
            sizes, totals = np.diff(self._index.start), self._index.totals()
            counts = {
                "in_degree": sizes[1::2],
                "out_degree": sizes[::2],
                "in_weight": totals[1::2],
                "out_weight": totals[::2],
            }
        else:
            names = ("in_degree", "out_degree", "in_weight", "out_weight")
            counts = {name: np.zeros(len(ids), np.int64) for name in names}
            for piece in map(self._pairs_of, self._pieces()):
                weight = piece["weight"].to_numpy()
                for side, end in (("in", "post"), ("out", "pre")):
                    places = ids.get_indexer(pd.Index(piece[end]))
                    counts[f"{side}_degree"] += np.bincount(places, minlength=len(ids))
                    counts[f"{side}_weight"] += sums_by_code(places, weight, len(ids))
        table = pd.DataFrame(counts, index=ids.rename("id"), dtype="int64")
        return table[(table["in_degree"] > 0) | (table["out_degree"] > 0)]

    def _totals(self, of: str) -> pd.Series[Any]:
        """Return all input, or all output, of each neuron."""
        warn_of_missing_edges(self._piece((0, 0)), of, 0)
        degrees = self.degree()
        return degrees["in_weight" if of == "input" else "out_weight"]

    def collapse(
        self,
        group_by: Any = None,
        *,
        per_neuron: bool = False,
        dropna: bool = False,
        sort: bool = False,
        observed: bool = True,
        **options: Any,
    ) -> Any:
        """Sum the edges of each pair of groups; see :func:`pdneuro.tables.collapse`.

        A column of ``group_by`` may also be one of the table of neurons. Without ``group_by``, the
        result is a lazy table, as it has one row per pair.

        Examples
        --------
        >>> brain = pdneuro.Connectome(pdneuro.sandbox.edges(), pdneuro.sandbox.neurons())
        >>> brain.collapse("side").n_pairs.tolist()
        [16157, 6821, 15555, 6467]
        """
        if group_by is None:
            options |= {"dropna": dropna, "sort": sort, "observed": observed, "per_neuron": per_neuron}
            collapse(self._piece((0, 0)), **options)
            return self._then(lambda piece: collapse(piece, **options))
        empty = collapse(self._with_groups(group_by)._piece((0, 0)), group_by, **options)
        keys = list(empty.columns[: empty.columns.get_loc("weight")])
        counts = list(empty.columns.drop(keys))
        lazy = self._with_groups(group_by, _as_category)
        labels = _as_category(group_by)
        if is_by_end(group_by):
            labels = {end: _as_category(one) for end, one in group_by.items()}

        def sums(piece: tuple[tuple[int, int], bool]) -> pd.DataFrame:
            # A neuron is in one piece of the edges that are divided by its end of them.
            other = counts[:-1] if piece[1] else ["n_post"]
            return collapse(lazy._piece(*piece), labels, **options).assign(**dict.fromkeys(other, 0))

        pieces = [
            (bounds, upstream)
            for upstream in (False, True)
            for bounds in lazy._ranges(upstream) or [(0, 0)]
        ]
        totals = _sums(in_threads(sums, pieces), keys, counts[1:])
        for key in keys:
            column = totals[key]
            if isinstance(column.dtype, pd.CategoricalDtype) and column.dtype != empty[key].dtype:
                texts = array_of(column.cat.categories.to_series())
                totals[key] = take_or_na(texts, np.asarray(column.cat.codes, np.int64))
        if per_neuron:
            one = lazy._one_edge_per_neuron()
            totals = with_weight_per_neuron(totals, one, group_by, keys)
        return arranged(totals, keys, dropna, sort, observed)

    def _one_edge_per_neuron(self) -> pd.DataFrame:
        """Return for each end of the edges one edge per neuron."""
        parts = [
            piece.drop_duplicates(end)
            for upstream, end in ((False, "pre"), (True, "post"))
            for piece in self._pieces(upstream)
        ]
        return pd.concat(parts, ignore_index=True)

    def _with_groups(
        self, group_by: Any, convert: Callable[[Any], Any] = lambda one: one
    ) -> EdgeMethods:
        """Add the columns of the table of neurons that ``group_by`` names, after a conversion."""
        present = set(self._piece((0, 0)).columns)
        stems = [
            stem
            for stem in dict.fromkeys(group_names(group_by))
            if stem in self._neurons.columns and not {f"{stem}_pre", f"{stem}_post"} <= present
        ]
        if not stems:
            return self
        nodes = self._neurons.frame(stems)
        nodes = nodes.assign(**{stem: convert(nodes[stem]) for stem in stems})
        return self.annotate(nodes, stems, on=self._neurons.on, overwrite=True)

    def to_matrix(
        self,
        group_by: Any = None,
        *,
        values: str = "weight",
        normalize: str | None = None,
        ids: Any = None,
        **options: Any,
    ) -> pd.DataFrame:
        """Return the adjacency matrix as a DataFrame; see :func:`pdneuro.graphs.to_matrix`.

        Examples
        --------
        >>> brain = pdneuro.Connectome(pdneuro.sandbox.edges(), pdneuro.sandbox.neurons())
        >>> brain.to_matrix("side").shape
        (2, 2)
        """
        if group_by is None:
            return graphs.to_matrix(
                self._edges_of(ids), values=values, normalize=normalize, ids=ids, **options
            )
        if ids is not None:
            raise ValueError("ids= cannot be combined with group_by=.")
        counts = (*GROUP_COUNTS, PER_NEURON, "weight")
        groups = self.collapse(
            group_by,
            per_neuron=values == PER_NEURON,
            values=None if values in counts else values,
        )
        return graphs.matrix.matrix_of_groups(groups, values=values, normalize=normalize, **options)

    def to_sparse(self, values: str = "weight", ids: Any = None) -> tuple[csr_array, pd.Index[Any]]:
        """Return the adjacency matrix as a SciPy sparse array; see :func:`pdneuro.graphs.to_sparse`.

        Examples
        --------
        >>> edges = pd.DataFrame({"pre": [11, 11, 13], "post": [12, 13, 11], "weight": [5, 2, 4]})
        >>> matrix, ids = pdneuro.Connectome(edges).to_sparse()
        >>> matrix.sum(), ids.tolist()
        (np.int64(11), [11, 12, 13])
        """
        if ids is not None:
            return graphs.to_sparse(self._edges_of(ids), values=values, ids=ids)
        sparse = optional("scipy.sparse", "graph")
        known = self.degree().index
        entries: list[Any] = []
        ends: list[Any] = []
        for piece in self._pieces():
            entries.append(numbers(piece, values))
            places = [known.get_indexer(pd.Index(piece[end])) for end in ("pre", "post")]
            ends.append(np.array(places, np.int32 if len(known) < 2**31 else np.int64))
        shape = (len(known), len(known))
        matrix = sparse.csr_array((np.concatenate(entries), np.concatenate(ends, axis=1)), shape=shape)
        return matrix, known

    def similarity(self, *, ids: Any = None, **options: Any) -> Any:
        """Return the similarity of the partners of neurons; see :func:`pdneuro.graphs.similarity`.

        Only the edges of ``ids`` are read.

        Examples
        --------
        >>> brain = pdneuro.Connectome(pdneuro.sandbox.edges())
        >>> brain.similarity(ids=brain.ids.head(3)).shape
        (3, 3)
        """
        return graphs.similarity(self._edges_of(ids), ids=ids, **options)

    def _edges_of(self, ids: Any) -> pd.DataFrame:
        """Return the edges of some neurons at either end, or all edges."""
        if ids is None:
            return self.to_frame()
        chosen = pd.Index(distinct_ids(roles.id_column(ids)))
        if not self._steps and self._first is None:
            places = self._index.places(chosen.to_numpy())
            return self._index.edges(*self._index.once(places[places >= 0]))
        parts = [
            piece[piece["pre"].isin(chosen) | piece["post"].isin(chosen)] for piece in self._pieces()
        ]
        result = pd.concat(parts, ignore_index=True)
        result.attrs = parts[0].attrs
        return result


class LazyEdges(EdgeMethods):
    """All edges of a :class:`pdneuro.Connectome`, one row per pair, read when a result is requested.

    ``threshold``, ``annotate``, ``fractions``, ``reciprocal``, ``sign`` and ``expand`` return another
    lazy table. ``collapse``, ``degree``, ``to_matrix``, ``to_sparse`` and ``similarity`` return the
    result for all edges. Parameters and results are those of the methods of a DataFrame of edges. With
    further columns (``columns=``), the table has one row per row of the files.

    Examples
    --------
    >>> brain = pdneuro.Connectome(pdneuro.sandbox.edges(), pdneuro.sandbox.neurons())
    >>> strong = brain.edges().threshold(50).annotate(columns="side")
    >>> strong.collapse("side").n_pairs.tolist()
    [207, 81, 145, 68]
    >>> strong.to_frame().columns.tolist()
    ['pre', 'post', 'weight', 'side_pre', 'side_post']
    """

    def __init__(
        self,
        index: Index,
        neurons: Neurons,
        steps: Sequence[Step] = (),
        first: Callable[[tuple[int, int], bool], pd.DataFrame] | None = None,
    ) -> None:
        self._index, self._neurons, self._steps, self._first = index, neurons, tuple(steps), first

    def __repr__(self) -> str:
        columns = ", ".join(map(str, self._piece((0, 0)).columns))
        return f"<LazyEdges of {self._index.pairs:,} pairs: {columns}. Call .to_frame() or .batches()>"


def _as_category(labels: Any) -> Any:
    """Return labels that are texts as categories, which are grouped without comparing texts."""
    if not are_labels(labels):
        return labels
    column = labels if isinstance(labels, pd.Series) else pd.Series(dict(labels))
    return column.astype("category") if types.infer_dtype(column) == "string" else column


def _sums(parts: Iterator[pd.DataFrame], keys: list[Any], counts: list[Any]) -> pd.DataFrame:
    """Sum ``weight`` and other columns of parts by their keys, with few parts in memory."""
    pending: list[pd.DataFrame] = []
    rows = 0
    for part in itertools.chain(parts, [None]):
        if part is None or rows > max(PIECE, len(pending[0]) if pending else 0):
            table = pd.concat(pending, ignore_index=True)
            pending, rows = [sum_rows(table, keys, also=counts)], 0
        if part is not None:
            pending.append(part)
            rows += len(part) if len(pending) > 1 else 0
    return pending[0]
