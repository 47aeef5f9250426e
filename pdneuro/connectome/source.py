"""A local connectome with the same queries as a service."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, overload

import numpy as np
import pandas as pd

from pdneuro._compat import TEXT
from pdneuro.connectome import published
from pdneuro.connectome.dumps import download_dump
from pdneuro.connectome.index import Index, Places, build
from pdneuro.connectome.pieces import EdgeMethods, LazyEdges
from pdneuro.connectome.properties import Neurons
from pdneuro.connectome.saved_index import on_disk
from pdneuro.errors import (
    IncompleteTableWarning,
    NotFoundError,
    UnsupportedError,
    did_you_mean,
    listing,
    warn,
)
from pdneuro.files import base_of, edge_pieces, local_path, read_edges, table_files
from pdneuro.options import Fetch
from pdneuro.sources import CAPABILITIES, LINKS, Entry, capabilities
from pdneuro.tables import columns as record_tables
from pdneuro.tables import neuron_fields
from pdneuro.tables.hops import direction_of
from pdneuro.tables.ids import Int64Array, distinct_ids
from pdneuro.tables.joins import Labels, are_labels
from pdneuro.tables.partners import PartnerRows, sum_partners
from pdneuro.tables.provenance import SYNTHETIC, is_synthetic, origin, stamp
from pdneuro.tables.roles import id_column
from pdneuro.tables.thresholds import whole_threshold
from pdneuro.transport.progress import bar
from pdneuro.transport.report import FOUND, NONE, UNKNOWN, Answers, add

PathLike = str | os.PathLike[str]

#: Queries that read a large file before its index is built: for one query, an index takes longer.
_SCANS = 2

#: Properties that every local connectome has, with a description.
_PROPERTIES = {
    "link_pre": "Number of presynaptic sites (nr_pre) and downstream partners (nr_downstream_partner).",
    "link_post": "Number of postsynaptic sites (nr_post) and upstream partners (nr_upstream_partner).",
    "connectivity": "Upstream and downstream partners, with their numbers of synapses.",
}


class Connectome(EdgeMethods):
    """A connectome on this machine, for use as ``source=`` like a service.

    Parameters
    ----------
    edges : DataFrame
        Edges or synapses, with any column names that :func:`pdneuro.tables.as_edges` recognizes. Rows of
        one pair (such as one row per region) are summed.
    neurons : DataFrame, optional
        A table with one row per neuron; its columns are properties. Neurons that are in neither table
        are unknown.
    name : str, default "local"
        Name in messages and provenance.
    on : hashable, optional
        Column of ``neurons`` that holds the IDs. Default: recognized by a name such as ``root_id``.
    columns : sequence, optional
        Further columns of ``edges`` to keep, such as points, sizes or regions. Then edges have one row
        per row of ``edges``; see the notes.
    **roles
        ``pre=``, ``post=``, ``weight=``: columns of ``edges`` that are not recognized.

    Notes
    -----
    The methods of an edge table work on all edges with a piece in memory at a time:
    ``collapse(group_by=)``, ``degree``, ``to_matrix(group_by=)``, ``to_sparse``, ``similarity(ids=)``.
    The result of ``threshold``, ``annotate``, ``fractions``, ``reciprocal``, ``sign``, ``expand`` and
    ``edges`` is a lazy table with ``.to_frame()``, ``.batches()`` and ``.to_dask()``.

    Values of further columns cannot be added up for a pair. So with ``columns=``, ``edges`` and
    ``to_frame`` return the rows that were given, with their own weights: ``pre, post, weight``, then
    ``columns``, under the names given. The rows of a pair are adjacent, in their order in the files.
    ``collapse``, ``degree``, ``partners``, ``threshold`` and the properties still count pairs.

    See Also
    --------
    Connectome.from_files : from files, with an index that is saved on disk.
    Connectome.download : from a download of a service's whole graph.

    Examples
    --------
    >>> brain = pdneuro.Connectome(pdneuro.sandbox.edges(), pdneuro.sandbox.neurons(), name="mine")
    >>> brain
    <Connectome 'mine': 3,000 neurons, 45,000 pairs>
    >>> neurons = pdneuro.sandbox.neurons().head(2)
    >>> neurons.neuro.join_properties("link_pre", source=brain)[["cell_type", "nr_pre"]]
      cell_type  nr_pre
    0      T000     158
    1      T000      55
    """

    # Set if the edges are in files.
    _files: dict[str, Any] | None = None
    _read: Callable[[], Iterator[pd.DataFrame]]
    _build: Callable[[], Index | None]
    _scans = 0

    def __init__(
        self,
        edges: pd.DataFrame,
        neurons: pd.DataFrame | None = None,
        name: str = "local",
        *,
        on: Hashable | None = None,
        columns: Sequence[Hashable] = (),
        **roles: Any,
    ) -> None:
        self._label = name
        self._name = ""
        self._neurons = Neurons(neurons, on)
        table = read_edges(edges, only=True, columns=columns, **roles)
        self._index = build(table, self._neurons.ids())
        #: Materialization time of the data in Unix seconds, None if unknown.
        self.materialized_timestamp: int | None = None

    @classmethod
    def from_files(
        cls,
        edges: PathLike | Sequence[PathLike],
        neurons: PathLike | None = None,
        name: str | None = None,
        *,
        on: Hashable | None = None,
        columns: Sequence[Hashable] = (),
        materialized_timestamp: int | None = None,
        index: bool = False,
        **roles: Any,
    ) -> Connectome:
        """Open a connectome from files.

        The first call builds an index of the edges and saves it in the cache folder. Later calls open
        the index at once, and queries read only the rows they need. The index of a changed file is built
        again. Only the requested columns of ``neurons`` are read.

        The index of more than two million rows is built at the third query. The first two queries read
        all rows, which takes less time than an index; the progress bar says so.

        Parameters
        ----------
        edges, neurons : path
            csv, tsv, txt (also compressed), parquet, feather; or a folder of such files; or a pattern
            such as ``synapses/*.parquet``. Of the edges also a list of these; a file that several of
            them name is read once. The edges may be larger than memory: they are read in pieces.
        name : str, optional
            Default: the name of the edges' file.
        on : hashable, optional
            Column of ``neurons`` that holds the IDs. Default: recognized by a name such as ``root_id``.
        columns : sequence, optional
            Further columns of the edges to keep: numbers, truth values, or texts of which most are
            repeated. ``"roi"`` and ``"nt"`` also stand for the columns of regions and transmitters. Then
            edges have one row per row of the files; see the notes of :class:`Connectome`.
        materialized_timestamp : int, optional
            Materialization time of the data in Unix seconds, for provenance.
        index : bool, default False
            Build the index of a large file now, not at the third query.
        **roles
            ``pre=``, ``post=``, ``weight=``: columns of ``edges`` that are not recognized.

        Returns
        -------
        Connectome

        Raises
        ------
        FileNotFoundError, ValueError
            The file does not exist, or its format is not supported.
        MissingColumnsError, AmbiguousColumnError, InvalidIdError, InvalidEdgesError
            The file is not an edge table, or its IDs are not exact; or it lacks one of ``columns``.

        Examples
        --------
        >>> import tempfile, pathlib
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "edges.csv.gz"
        ...     pdneuro.sandbox.edges().to_csv(path, index=False)
        ...     brain = pdneuro.Connectome.from_files(path)
        >>> pdneuro.sandbox.neurons().head(3).neuro.downstream(min_weight=20, source=brain)
                          pre                post  weight
        0  720575940609676979  720575940626709709     119
        1  720575940622217710  720575940602873341      24
        2  720575940614626315  720575940626709709      20
        """
        self = cls.__new__(cls)
        # Absolute paths, since a process with another working directory may open a copy.
        given: Any = edges if isinstance(edges, list | tuple) else [edges]
        paths = [local_path(one).absolute() for one in given]
        files = paths if given is edges else paths[0]
        columns = [columns] if isinstance(columns, str) else list(columns or ())
        sources = table_files(files)
        neurons = None if neurons is None else local_path(neurons).absolute()
        self._label = name or base_of(paths[0]).name.split(".")[0]
        self._name = ""
        self._files = {
            "edges": files,
            "neurons": neurons,
            "name": name,
            "on": on,
            "columns": columns,
            "materialized_timestamp": materialized_timestamp,
            **roles,
        }
        self._neurons = Neurons(neurons, on)
        self._read = partial(edge_pieces, files, columns, **roles)
        open_index = partial(
            on_disk,
            [*sources, *(table_files(neurons) if neurons is not None else [])],
            [
                [str(path.resolve()) for path in (*paths, neurons) if path is not None],
                str(on),
                sorted((role, str(column)) for role, column in roles.items()),
                *map(str, columns),
            ],
            self._read,
            self._neurons.ids,
        )
        self._build = partial(open_index, large=True)
        found = open_index(large=index)
        if found is not None:
            self._index = found
        self.materialized_timestamp = materialized_timestamp
        return self

    @classmethod
    def download(
        cls,
        project: str,
        folder: PathLike | None = None,
        *,
        progress: bool | None = None,
        refresh: bool = False,
    ) -> Connectome:
        """Download a whole published graph or that of a project, and open it.

        A published connectome has one table of neurons with the columns ``root_id, type, class, side,
        nt`` (sides and transmitters in words), and all columns of its files. Checksums are stored, and
        compared at each opening. A project of BrainCircuits.io has neurons with their sizes and numbers
        of synapses, and edges with one row per pair. An interrupted download resumes. Complete files are
        not downloaded again.

        Parameters
        ----------
        project : str
            ``"flywire:783"``, ``"banc:888"``, ``"male-cns:1.0"``, ``"hemibrain:1.2"``, ``"manc:1.0"`` or
            ``"fanc:1444"``, from public buckets at the option ``published_url``; or a BrainCircuits.io
            project, such as ``"fruitfly_fafb_flywire"``.
        folder : path, optional
            Folder for the files; of a project, with a subfolder per materialization time. Default: the
            cache folder.
        progress : bool, optional
            Show a progress bar, and for a published connectome the size of its files. Default: the
            option ``progress``; False shows nothing.
        refresh : bool, default False
            Download files again.

        Returns
        -------
        Connectome
            Its ``materialized_timestamp`` is the time of the data.

        Warns
        -----
        IncompleteTableWarning
            The sums of the edges differ from the totals of the neurons.
        StaleAnswerWarning
            A file was published again since it was downloaded.

        Raises
        ------
        UnknownSourceError
            There is no such published data set or project.
        InvalidFileError
            A file differs from its checksum.
        ServiceError
            The request failed; :mod:`pdneuro.errors` lists its kinds.
        OfflineError
            pdneuro is offline, and the graph was not downloaded before.
        MissingDependencyError
            pyarrow, which reads parquet, is not installed (extra ``files``).

        Notes
        -----
        The files are for your own use: your token may not give you the right to share the data.
        ``.cite()`` returns the license and the papers. ``flywire:783`` has the pairs with 5 synapses or
        more, ``fanc:1444`` with 3 or more, ``male-cns:1.0`` the edges between traced neurons.

        Examples
        --------
        >>> pdneuro.Connectome.download("fruitfly_fafb_flywire")
        <Connectome 'fruitfly_fafb_flywire (synthetic)': 3,000 neurons, 45,000 pairs>
        >>> brain = pdneuro.Connectome.download("flywire:783", progress=False)
        >>> brain.neurons.columns[:5].tolist()
        ['root_id', 'type', 'class', 'side', 'nt']
        """
        if published.known(project):
            return cls._published(project, folder, Fetch.of(progress=progress, refresh=refresh))
        dump = download_dump(project, folder, progress=progress, refresh=refresh)
        synthetic = is_synthetic(origin(f"braincircuits:{project}"))
        found = cls.from_files(
            dump.edges,
            dump.nodes,
            f"{project}{SYNTHETIC}" if synthetic else project,
            materialized_timestamp=dump.materialized_timestamp,
        )
        found._compare_totals()
        return found

    @classmethod
    def _published(cls, name: str, folder: PathLike | None, fetch: Fetch) -> Connectome:
        place = None if folder is None else Path(folder).expanduser()
        found = published.files(name, place, fetch)
        source = origin(f"published:{name}")
        label = f"{name}{SYNTHETIC}" if is_synthetic(source) else name
        brain = cls.from_files(found.edges, found.neurons, label, on="root_id")
        brain._name = source
        return brain

    def cite(self, style: str = "text") -> str:
        """Return a text that cites the data: version, license, papers.

        Parameters
        ----------
        style : {"text", "bibtex"}, default "text"

        Returns
        -------
        str
            See :func:`pdneuro.citations.cite`.

        Examples
        --------
        >>> brain = pdneuro.Connectome(pd.DataFrame({"pre": [11], "post": [12], "weight": [5]}))
        >>> print(brain.cite())  # doctest: +ELLIPSIS
        Local data (connectome:local)
          License: not published; ask the source
        ...
        """
        from pdneuro.citations import cite

        times = () if self.materialized_timestamp is None else (self.materialized_timestamp,)
        table = stamp(pd.DataFrame(), source=self.name, query="whole graph", snapshots=times)
        return cite(table, style)

    def _compare_totals(self) -> None:
        """Warn if the neurons report more or fewer synapses and partners than the edges have."""
        # Each pair is in the index twice.
        weights = int(self._index.weight.sum(dtype=np.int64)) // 2
        edges = {"nr_pre": weights, "nr_downstream_partner": self._index.pairs}
        names = [name for name in edges if name in self._neurons.columns]
        for name, cells in self._neurons.frame(names)[names].items():
            reported = int(pd.to_numeric(cells, errors="coerce").sum())
            if reported != edges[str(name)]:
                warn(
                    f"the sum of {name!r} of the neurons of {self._label!r} is {reported:,}, and the "
                    f"edges have {edges[str(name)]:,}: one of the two files may be incomplete. Download "
                    "them again with refresh=True.",
                    IncompleteTableWarning,
                )

    @cached_property
    def _index(self) -> Index:  # type: ignore[override]
        index = self._build()
        assert index is not None
        return index

    def _index_of(self, ids: Int64Array) -> Index:
        """Return an index with all edges of some neurons; without an index, a scan of the files."""
        if "_index" in self.__dict__ or self._scans == _SCANS:
            return self._index
        self._scans += 1
        title = f"Reading all edges (query {self._scans}; query {_SCANS + 1} builds an index)"
        rows = []
        with bar(None, title, "rows", Fetch.of().progress, scale=True) as progress:
            for piece in self._read():
                rows.append(piece[piece["pre"].isin(ids) | piece["post"].isin(ids)])
                progress.update(len(piece))
        return build(pd.concat(rows, ignore_index=True), self._neurons.ids())

    def __reduce__(self) -> Any:
        # A copy opens the files again, so that the index is mapped from disk and not sent.
        if self._files is not None:
            _ = self._index  # each copy would scan the files
            return (_from_files, (self._files, self._name))
        return (_from_state, (self.__dict__,))

    def __repr__(self) -> str:
        if "_index" not in self.__dict__:
            return f"<Connectome {self._label!r}: no index yet, which query {_SCANS + 1} builds>"
        neurons, pairs = len(self._index.ids), self._index.pairs
        return f"<Connectome {self._label!r}: {neurons:,} neurons, {pairs:,} pairs>"

    @property
    def name(self) -> str:
        """Return the name for messages and provenance.

        Examples
        --------
        >>> edges = pd.DataFrame({"pre": [11, 11, 13], "post": [12, 13, 11], "weight": [5, 2, 4]})
        >>> pdneuro.Connectome(edges, name="mine").name
        'connectome:mine'
        """
        return self._name or f"connectome:{self._label}"

    @property
    def ids(self) -> pd.Series[Any]:
        """Return all neurons, sorted by ID.

        Examples
        --------
        >>> edges = pd.DataFrame({"pre": [11, 11, 13], "post": [12, 13, 11], "weight": [5, 2, 4]})
        >>> pdneuro.Connectome(edges).ids.tolist()
        [11, 12, 13]
        """
        return pd.Series(np.array(self._index.ids), name="root_id")

    @property
    def neurons(self) -> pd.DataFrame:
        """Return the table of neurons unchanged; empty if there is no table.

        Examples
        --------
        >>> brain = pdneuro.Connectome(pdneuro.sandbox.edges(), pdneuro.sandbox.neurons())
        >>> brain.neurons.head(2)
                      root_id   side cell_class cell_type
        0  720575940609676979  right      motor      T000
        1  720575940622217710  right      motor      T000
        """
        return self._neurons.frame()

    def to_frame(self) -> pd.DataFrame:
        """Return all edges as one edge table, sorted by presynaptic neuron and by falling weight.

        With further columns, the weight is that of the pair, and its rows are adjacent.

        Examples
        --------
        >>> edges = pd.DataFrame({"pre": [11, 11, 13], "post": [12, 13, 11], "weight": [5, 2, 4]})
        >>> pdneuro.Connectome(edges).to_frame()
           pre  post  weight
        0   11    12       5
        1   11    13       2
        2   13    11       4
        """
        return self._index.table()

    def partners(
        self,
        ids: Any,
        on: Hashable | None = None,
        *,
        group_by: Hashable | Labels | None = None,
        upstream: bool = True,
        downstream: bool = True,
        min_weight: int = 1,
        **options: Any,
    ) -> pd.DataFrame:
        """Return the partners of neurons taken together; see :func:`pdneuro.queries.edges.partners`.

        Parameters
        ----------
        ids, on, upstream, downstream, min_weight, **options
            See :func:`pdneuro.queries.edges.partners`.
        group_by : hashable, mapping or Series, optional
            Column of the table of neurons, or the label of each partner by ID.

        Returns
        -------
        DataFrame

        Examples
        --------
        >>> edges = pd.DataFrame({"pre": [11, 11, 13], "post": [12, 13, 11], "weight": [5, 2, 4]})
        >>> pdneuro.Connectome(edges).partners([11]).weight.tolist()
        [5, 4, 2]
        """
        wanted = distinct_ids(id_column(ids, on))
        direction_of(upstream, downstream)
        rows = self.partner_rows(wanted, upstream=upstream, downstream=downstream, fetch=Fetch.of())
        labels: Any = group_by
        if group_by is not None and not are_labels(group_by):
            labels = self._neurons.frame([labels]).set_index(self._neurons.on)[group_by]
            labels = labels[labels.index.notna()]
        return sum_partners(*rows, labels, min_weight=whole_threshold(min_weight), **options)

    # -- the protocol of a source -----------------------------------------------------------------

    def catalog(self, fetch: Fetch) -> list[Entry]:
        """Return what can be queried: the tables, the properties and the capabilities.

        Examples
        --------
        >>> from pdneuro.options import Fetch
        >>> edges = pd.DataFrame({"pre": [11, 11, 13], "post": [12, 13, 11], "weight": [5, 2, 4]})
        >>> entries = pdneuro.Connectome(edges, name="mine").catalog(Fetch.of())
        >>> [(entry.kind, entry.name, entry.rows) for entry in entries[:3]]
        [('connectome', 'mine', None), ('table', 'edges', 3), ('table', 'neurons', 3)]
        """
        index: Index | None = self.__dict__.get("_index")
        pairs, neurons = (None, None) if index is None else (index.pairs, len(index.ids))
        time = self.materialized_timestamp
        created = None if time is None else datetime.datetime.fromtimestamp(time, datetime.UTC)
        return [
            Entry("connectome", self._label, created=created, description="Files on this machine."),
            Entry("table", "edges", rows=pairs, description="Connected pairs of neurons."),
            Entry("table", "neurons", rows=neurons, description="Neurons of both tables."),
            *(Entry("property", name, description=text) for name, text in _PROPERTIES.items()),
            *(
                Entry("property", str(name), description="Column of the table of neurons.")
                for name in self._neurons.columns
            ),
            *capabilities(CAPABILITIES),
        ]

    def properties(self, ids: Int64Array, name: str, *, multiple: str, fetch: Fetch) -> dict[str, Any]:
        """Return the columns of one property: arrays with one value per ID, missing if there is none.

        Examples
        --------
        >>> from pdneuro.options import Fetch
        >>> edges = pd.DataFrame({"pre": [11, 11, 13], "post": [12, 13, 11], "weight": [5, 2, 4]})
        >>> brain = pdneuro.Connectome(edges)
        >>> ids = brain.ids.to_numpy()
        >>> columns = brain.properties(ids, "link_pre", multiple="count", fetch=Fetch.of())
        >>> {name: values.tolist() for name, values in columns.items()}
        {'nr_pre': [7, 0, 4], 'nr_downstream_partner': [2, 0, 1]}
        """
        index = self._index_of(ids)
        places = index.places(ids)
        known = np.flatnonzero(places >= 0)
        columns = self._columns(index, ids[known], places[known], name, multiple)
        nothing = np.ones(len(known), bool)
        for cells in columns.values():
            nothing &= np.asarray(pd.isna(pd.Series(cells)))
        status = np.full(len(ids), UNKNOWN, np.int8)
        status[known] = np.where(nothing, NONE, FOUND)
        self._report(ids, name, status)
        return record_tables.scatter(columns, known, len(ids))

    def records(self, ids: Int64Array, name: str, *, fetch: Fetch) -> pd.DataFrame:
        """Return a list-valued property in long form: ``segment_id`` and the records' fields.

        Examples
        --------
        >>> from pdneuro.options import Fetch
        >>> edges = pd.DataFrame({"pre": [11, 11, 13], "post": [12, 13, 11], "weight": [5, 2, 4]})
        >>> pdneuro.Connectome(edges).records(np.array([11]), "connectivity", fetch=Fetch.of())
           segment_id   direction  segmentid  synaptic_count
        0          11  downstream         12               5
        1          11  downstream         13               2
        2          11    upstream         13               4
        """
        index = self._index_of(ids)
        places = index.places(ids)
        known = places >= 0
        self._report(ids, name, np.where(known, FOUND, UNKNOWN).astype(np.int8))
        if name != "connectivity":
            cells = self._columns(index, ids[known], places[known], name, "list")
            values = pd.DataFrame(cells).to_dict("records")
            return record_tables.long_records(ids[known], [_present(value) for value in values])
        counts, partner, weight, incoming, _ = index.records(places[known])
        return pd.DataFrame(
            {
                "segment_id": np.repeat(ids[known], counts),
                "direction": pd.array(np.where(incoming, "upstream", "downstream"), TEXT),
                "segmentid": index.ids[partner],
                "synaptic_count": weight.astype(np.int64),
            }
        )

    @overload
    def edges(
        self,
        ids: None = None,
        *,
        upstream: bool = ...,
        downstream: bool = ...,
        fetch: Fetch | None = ...,
    ) -> LazyEdges: ...
    @overload
    def edges(
        self, ids: Int64Array, *, upstream: bool = ..., downstream: bool = ..., fetch: Fetch | None = ...
    ) -> pd.DataFrame: ...
    def edges(
        self,
        ids: Int64Array | None = None,
        *,
        upstream: bool = True,
        downstream: bool = True,
        fetch: Fetch | None = None,
    ) -> pd.DataFrame | LazyEdges:
        """Return the direct edges of the IDs as ``pre, post, weight``, each once; or all edges, lazily.

        The further columns of the connectome follow.

        Examples
        --------
        >>> from pdneuro.options import Fetch
        >>> edges = pd.DataFrame({"pre": [11, 11, 13], "post": [12, 13, 11], "weight": [5, 2, 4]})
        >>> brain = pdneuro.Connectome(edges)
        >>> brain.edges(np.array([11]), upstream=True, downstream=False, fetch=Fetch.of())
           pre  post  weight
        0   13    11       4
        >>> brain.edges()
        <LazyEdges of 3 pairs: pre, post, weight. Call .to_frame() or .batches()>
        """
        if ids is None:
            return LazyEdges(self._index, self._neurons)
        index, places = self._known(ids)
        return index.edges(*index.once(places, upstream=upstream, downstream=downstream))

    def partner_rows(
        self, ids: Int64Array, *, upstream: bool, downstream: bool, fetch: Fetch
    ) -> tuple[Int64Array, Iterator[PartnerRows]]:
        """Return all neurons, and the partners of the IDs as positions among them.

        Examples
        --------
        >>> from pdneuro.options import Fetch
        >>> edges = pd.DataFrame({"pre": [11, 11, 13], "post": [12, 13, 11], "weight": [5, 2, 4]})
        >>> ids, rows = pdneuro.Connectome(edges).partner_rows(
        ...     np.array([11]), upstream=True, downstream=True, fetch=Fetch.of()
        ... )
        >>> [(ids[part.other].tolist(), part.weight.tolist()) for part in rows]
        [([12, 13, 13], [5, 2, 4])]
        """
        index, places = self._known(ids)
        return index.ids, index.partners(places, upstream=upstream, downstream=downstream)

    def _known(self, ids: Int64Array) -> tuple[Index, Places]:
        """Return the index, and the positions of the IDs that are in it; report the others."""
        index = self._index_of(ids)
        places = index.places(ids)
        known = places >= 0
        self._report(ids, "connectivity", np.where(known, FOUND, UNKNOWN).astype(np.int8))
        return index, places[known]

    # -- the table of neurons ---------------------------------------------------------------------

    def find(
        self, filters: Mapping[str, Sequence[Any]], *, regex: bool, table: str | None, fetch: Fetch
    ) -> pd.DataFrame:
        """Return the neurons with some values; see :func:`pdneuro.find`.

        Examples
        --------
        >>> brain = pdneuro.Connectome(pdneuro.sandbox.edges(), pdneuro.sandbox.neurons())
        >>> pdneuro.find(brain, type="T000", side="left").root_id.head(2).tolist()
        [720575940644966971, 720575940637060607]
        """
        neurons, ids = self._neuron_rows(table)
        return neuron_fields.select(neurons, ids, filters, self.name, regex=regex)

    def field_values(self, name: str, *, table: str | None, fetch: Fetch) -> list[Any]:
        """Return the distinct values of a column of the table of neurons.

        Examples
        --------
        >>> from pdneuro.options import Fetch
        >>> brain = pdneuro.Connectome(pdneuro.sandbox.edges(), pdneuro.sandbox.neurons())
        >>> sorted(brain.field_values("side", table=None, fetch=Fetch.of()))
        ['left', 'right']
        """
        neurons, ids = self._neuron_rows(table)
        return neuron_fields.values_of(neurons, ids, name, self.name)

    def _neuron_rows(self, table: str | None) -> tuple[pd.DataFrame, str]:
        if table is not None:
            raise UnsupportedError(f"{self.name} has one table of neurons. Remove table={table!r}.")
        if not self._neurons.columns:
            raise UnsupportedError(
                f"{self.name} has no table of neurons. Open it with one: "
                "pdneuro.Connectome(edges, neurons)."
            )
        return self._neurons.rows()

    # -- inside -----------------------------------------------------------------------------------

    def _report(self, ids: Int64Array, name: str, status: Any) -> None:
        answers = Answers(ids, name, self.name)
        answers.status = status
        if self.materialized_timestamp is not None:
            answers.snapshots[status != UNKNOWN] = self.materialized_timestamp
        add(answers)

    def _columns(
        self, index: Index, ids: Int64Array, places: Places, name: str, multiple: str
    ) -> dict[str, Any]:
        available = self._neurons.columns
        if name == "connectivity":
            return _connectivity(index, places, multiple)
        if name in LINKS:
            sums = index.sums(places)
            counts = dict(zip(LINKS[name], sums[:2] if name == "link_pre" else sums[2:], strict=True))
            # The table of neurons counts the whole brain, even if the edges are a part of it; in a
            # downloaded table, a missing number means no synapse.
            in_table = [label for label in counts if label in available]
            for label, cells in self._neurons.cells(ids, in_table).items() if in_table else ():
                known = cells.notna().to_numpy()
                counts[label] = np.where(known, cells.fillna(0).to_numpy(dtype=np.int64), counts[label])
            return counts
        labels = [name] if name in available else [c for c in available if str(c).startswith(f"{name}_")]
        if not labels:
            names = list(map(str, available))
            hint = did_you_mean(name, [*names, *LINKS, "connectivity"])
            raise NotFoundError(
                f"{self.name} does not have a property {name!r}. Its properties are "
                f"{listing([*LINKS, 'connectivity', *names], 12)}.{hint}"
            )
        return {
            label: record_tables.with_standard_dtype(cells)
            for label, cells in self._neurons.cells(ids, labels).items()
        }


def _connectivity(index: Index, places: Places, multiple: str) -> dict[str, Any]:
    _, downstream, _, upstream = index.sums(places)
    numbers = {
        "connectivity_downstream_count": downstream,
        "connectivity_upstream_count": upstream,
    }
    if multiple == "count":
        return numbers
    values: list[dict[str, list[Any]]] = [{"downstream": [], "upstream": []} for _ in places]
    counts, partner, weight, incoming, _ = index.records(places)
    rows = np.repeat(np.arange(len(places)), counts)
    others, sides = index.ids[partner].tolist(), np.where(incoming, "upstream", "downstream")
    for row, other, count, side in zip(
        rows.tolist(), others, weight.tolist(), sides.tolist(), strict=True
    ):
        values[row][side].append({"segmentid": other, "synaptic_count": count})
    ids = index.ids[places]
    lists = record_tables.property_columns("connectivity", values, multiple=multiple, ids=ids)
    return numbers | lists


def _present(row: dict[Hashable, Any]) -> Any:
    values = {
        str(name): cell for name, cell in row.items() if isinstance(cell, list) or not pd.isna(cell)
    }
    return (next(iter(values.values())) if len(values) == 1 else values) or None


def _from_files(arguments: dict[str, Any], name: str) -> Connectome:
    connectome = Connectome.from_files(**arguments)
    connectome._name = name
    return connectome


def _from_state(state: dict[str, Any]) -> Connectome:
    connectome = Connectome.__new__(Connectome)
    connectome.__dict__.update(state)
    return connectome
