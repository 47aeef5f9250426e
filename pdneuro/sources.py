"""The protocol that services and local connectomes implement, and the function that opens a source."""

from __future__ import annotations

import datetime
import importlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import pandas as pd

from pdneuro._compat import TEXT
from pdneuro.errors import UnknownSourceError
from pdneuro.files import is_table
from pdneuro.options import Fetch, get_option
from pdneuro.tables.columns import missing_integers, objects
from pdneuro.tables.ids import Int64Array
from pdneuro.tables.partners import PartnerRows


@runtime_checkable
class Source(Protocol):
    """Properties and partners of segments. IDs are distinct int64; each of them gets a row."""

    @property
    def name(self) -> str:
        """Return a short name for messages, such as ``braincircuits:fruitfly_fafb_flywire``."""

    def properties(self, ids: Int64Array, name: str, *, multiple: str, fetch: Fetch) -> dict[str, Any]:
        """Return the columns of one property: arrays with one value per ID, missing if there is none."""

    def records(self, ids: Int64Array, name: str, *, fetch: Fetch) -> pd.DataFrame:
        """Return a list-valued property in long form: ``segment_id`` and the records' fields."""

    def edges(self, ids: Int64Array, *, upstream: bool, downstream: bool, fetch: Fetch) -> pd.DataFrame:
        """Return the direct edges of the IDs as ``pre, post, weight``, each once."""


@runtime_checkable
class PartnerSource(Protocol):
    """A source that finds partners without an edge table."""

    @property
    def name(self) -> str:
        """Return a short name for messages."""

    def partner_rows(
        self, ids: Int64Array, *, upstream: bool, downstream: bool, fetch: Fetch
    ) -> tuple[Int64Array, Iterable[PartnerRows]]:
        """Return all neurons, and the partners of the IDs as positions among them."""


@runtime_checkable
class SkeletonSource(Protocol):
    """A source of reconstructions: a service, or files in SWC format."""

    @property
    def name(self) -> str:
        """Return a short name for messages, such as ``cave:minnie65_public``."""

    def skeletons(self, ids: Int64Array, *, generate: bool, fetch: Fetch) -> pd.DataFrame:
        """Return the node table of the IDs that have a skeleton (µm); ``neuron`` is the ID (int64).

        ``generate`` starts the generation of those that do not exist yet; a source that cannot do so
        raises InvalidQueryError. The status of each ID goes to the report of the call.
        """


class Dump(NamedTuple):
    """Files with a whole graph, and the time of its materialization in Unix seconds."""

    edges: Path
    nodes: Path | None
    materialized_timestamp: int | None


@runtime_checkable
class Dumping(Protocol):
    """A source whose whole graph can be downloaded."""

    def graph_dump(self, folder: Path, fetch: Fetch) -> Dump:
        """Download the whole graph into a folder; files that are up to date are not downloaded again."""


@runtime_checkable
class NeuronTable(Protocol):
    """A source with a table of neurons."""

    @property
    def name(self) -> str:
        """Return a short name for messages."""

    def find(
        self, filters: Mapping[str, Sequence[Any]], *, regex: bool, table: str | None, fetch: Fetch
    ) -> pd.DataFrame:
        """Return the neurons with one of the values of each field: ``root_id, type, side, nt``, ..."""

    def field_values(self, name: str, *, table: str | None, fetch: Fetch) -> list[Any]:
        """Return the distinct values of a field."""


class Entry(NamedTuple):
    """Something that can be queried: one row of :func:`pdneuro.catalog`."""

    #: ``project``, ``datastack``, ``version``, ``table``, ``view``, ``property``, ``capability``, ...
    kind: str
    name: str
    #: The version that has it; a number, or text where versions have names.
    version: int | str | None = None
    rows: int | None = None
    created: datetime.datetime | None = None
    expires: datetime.datetime | None = None
    description: str = ""


@runtime_checkable
class Catalogued(Protocol):
    """A source that lists what can be queried."""

    def catalog(self, fetch: Fetch) -> list[Entry]:
        """Return what can be queried: the data set, its versions, tables, properties, capabilities."""


@runtime_checkable
class Versioned(Protocol):
    """A source with several versions of its data."""

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Return the version and how it was chosen, for the provenance of a result."""

    def at_version(self, ids: Int64Array, fetch: Fetch) -> Source:
        """Return the source at one version that exists, the same for all queries of a call."""


def at_version(source: Source, ids: Int64Array, fetch: Fetch) -> Source:
    """Return a source at one version, chosen for the IDs of a call; unchanged if there is no choice.

    Without IDs no request is sent, so no version is chosen.
    """
    return source.at_version(ids, fetch) if isinstance(source, Versioned) and len(ids) else source


def version_of(source: Source) -> Mapping[str, Any]:
    """Return the version of a source, for provenance; empty if the source has no versions."""
    return source.provenance if isinstance(source, Versioned) else {}


#: What every source can do, with a call that does it.
CAPABILITIES: Mapping[str, str] = {
    "properties": "Values of each segment: ids.neuro.properties(name, source=...).",
    "edges": "Partners and numbers of synapses: ids.neuro.edges(source=...).",
}


def capabilities(texts: Mapping[str, str]) -> list[Entry]:
    """Return the entries of capabilities, from a description of each.

    >>> [entry.name for entry in capabilities(CAPABILITIES)]
    ['properties', 'edges']
    """
    return [Entry("capability", name, description=text) for name, text in texts.items()]


#: Properties that count the partners of one side, and their columns: synapses, and partners.
LINKS: Mapping[str, tuple[str, str]] = {
    "link_pre": ("nr_pre", "nr_downstream_partner"),
    "link_post": ("nr_post", "nr_upstream_partner"),
}
#: Columns of the properties that a source documents, if each ID has a value.
DOCUMENTED: Mapping[str, tuple[str, ...]] = {
    "size": ("size",),
    **LINKS,
    "connectivity": ("connectivity_downstream_count", "connectivity_upstream_count"),
}


def documented_columns(name: str, count: int, multiple: str = "count") -> dict[str, Any]:
    """Return the documented columns of a property, each value missing.

    >>> documented_columns("size", 2)["size"].isna().tolist()
    [True, True]
    """
    columns: dict[str, Any] = dict.fromkeys(DOCUMENTED.get(name, ()), missing_integers(count))
    lists = [name.removesuffix("_count") for name in columns if name.endswith("_count")]
    if multiple == "list":
        columns |= dict.fromkeys(lists, objects([None] * count))
    elif multiple != "count":
        fields = [field for field, kind in RECORDS.get(name, {}).items() if kind == "int64"]
        more = [f"{part}_{field}" for part in lists for field in fields]
        columns |= dict.fromkeys(more, missing_integers(count))
    return columns


#: Columns of the records of a property that a source documents, with their dtypes.
RECORDS: Mapping[str, Mapping[str, str]] = {
    "connectivity": {"direction": TEXT, "segmentid": "int64", "synaptic_count": "int64"}
}


def documented_records(name: str, empty: pd.DataFrame) -> pd.DataFrame:
    """Add the documented columns to an empty table of records.

    >>> documented_records("connectivity", pd.DataFrame({"segment_id": []})).columns.tolist()
    ['segment_id', 'direction', 'segmentid', 'synaptic_count']
    """
    new = {name: kind for name, kind in RECORDS.get(name, {}).items() if name not in empty.columns}
    return empty.assign(**{name: pd.Series(dtype=kind) for name, kind in new.items()})


#: Module with each service's source, by the word before the colon.
SERVICES = {
    "braincircuits": "pdneuro.braincircuits",
    "cave": "pdneuro.cave",
    "neuprint": "pdneuro.neuprint",
}
#: Module with the sandbox's brain as a source.
SANDBOX = "pdneuro.sandbox"
#: Module with the source for files.
FILES = "pdneuro.connectome"
#: What shows that a text is a path of files in SWC format: their ending, or a folder.
SWC = re.compile(r"\.(swc|swc\.gz|zip)$|[/\\]", re.I)
#: A name, and a version that the service reads.
_PROJECT = re.compile(r"[A-Za-z0-9][\w.-]{0,199}(@.{0,50})?")
#: Names of a service that has others: a data set of neuPrint has its version after a colon.
_NAMES = {"neuprint": re.compile(r"[A-Za-z0-9][\w.-]*(:[\w.-]+)?")}


def open_source(spec: str | os.PathLike[str] | Source | None = None) -> Source:
    """Return the source of a name, path or object.

    Parameters
    ----------
    spec : str, path or Source, optional
        A bare name, such as ``"fruitfly_fafb_flywire"``, is a BrainCircuits.io project;
        ``"braincircuits:..."`` is the same. ``"cave:minnie65_public"`` is a CAVE datastack,
        ``"cave:minnie65_public@1300"`` at a materialization version, ``@auto`` at the newest one at
        which all IDs of a call are valid, ``@2024-06-05`` at the nearest one before a time (UTC).
        ``"neuprint:hemibrain:v1.2.1"`` is a data set of neuPrint; without a version
        (``"neuprint:male-cns"``) the highest, unless a data set has exactly this name. A path is
        a ``Path``, or text that contains a folder or ends like the name of a table (``.csv``). It is a
        file of edges, opened by :meth:`pdneuro.Connectome.from_files`. ``"sandbox"`` is the bundled
        synthetic brain, without a server. A source object, such as a :class:`pdneuro.Connectome`,
        is returned unchanged. :func:`pdneuro.known_names` lists projects and datastacks. Default: the
        option ``source``.

    Returns
    -------
    Source

    Raises
    ------
    UnknownSourceError
        No source is set, or the name is not a known service.
    FileNotFoundError
        There is no such file.

    Examples
    --------
    >>> pdneuro.open_source("fruitfly_fafb_flywire").name
    'braincircuits:fruitfly_fafb_flywire'
    """
    if spec is None:
        spec = get_option("source")
    if spec is None:
        raise UnknownSourceError(
            'no source is set. Pass source="fruitfly_fafb_flywire", or set it for all calls: '
            'pdneuro.set_options(source="fruitfly_fafb_flywire"). pdneuro.known_names() lists the known '
            "projects and datastacks."
        )
    if isinstance(spec, os.PathLike) or (isinstance(spec, str) and _is_path(spec)):
        return _open(FILES, spec)
    if isinstance(spec, str) and spec == "sandbox":
        return _open(SANDBOX, spec)
    if isinstance(spec, str):
        service, colon, rest = spec.partition(":")
        # A service alone is not a project.
        service, rest = (service, rest) if colon or spec in SERVICES else ("braincircuits", spec)
        if service not in SERVICES or not _NAMES.get(service, _PROJECT).fullmatch(rest):
            raise UnknownSourceError(
                f"unknown source {spec!r}. Use a BrainCircuits.io project such as "
                f"'fruitfly_fafb_flywire', 'service:name' with one of {', '.join(SERVICES)}, or the "
                "path of a file of edges. pdneuro.known_names() lists the known projects and datastacks."
            )
        return _open(SERVICES[service], rest)
    if isinstance(spec, Source):
        return spec
    raise UnknownSourceError(
        f"source must be a name, a path or a source object, not {type(spec).__name__}. To use a "
        "DataFrame of edges, pass pdneuro.Connectome(edges)."
    )


def is_service(spec: str | os.PathLike[str] | Source | None = None) -> bool:
    """Return whether a name, path or object of :func:`open_source` is the name of a service.

    >>> is_service("cave:minnie65_public"), is_service("edges.parquet")
    (True, False)
    """
    spec = get_option("source") if spec is None else spec
    return isinstance(spec, str) and spec != "sandbox" and not _is_path(spec)


def open_skeletons(
    spec: str | os.PathLike[str] | Source | SkeletonSource | None = None,
) -> SkeletonSource:
    """Return the source of skeletons of a name, path or object.

    A path is a folder, an archive or a pattern of files in SWC format; see
    :func:`pdneuro.files.read_swc`. A name is that of a service, as in :func:`open_source`.

    Raises
    ------
    UnknownSourceError
        No source is set, or it has no skeletons.
    FileNotFoundError
        There is no such file.
    """
    if spec is None:
        spec = get_option("source")
    # No project has skeletons, so the name of a folder is the folder, also without a slash.
    if isinstance(spec, os.PathLike) or (isinstance(spec, str) and _is_path(spec, SWC, folders=True)):
        found: SkeletonSource = importlib.import_module(FILES).open_skeletons(spec)
        return found
    if isinstance(spec, SkeletonSource):
        return spec
    opened = open_source(spec)
    if not isinstance(opened, SkeletonSource):
        raise UnknownSourceError(
            f"{opened.name} has no skeletons. Use a CAVE datastack such as 'cave:minnie65_public', a "
            "data set of neuPrint such as 'neuprint:hemibrain:v1.2.1', or a folder of SWC files: "
            "source='skeletons/'."
        )
    return opened


def _open(module: str, name: str | os.PathLike[str]) -> Source:
    """Open a source with the function of its module, which is imported only now."""
    source: Source = importlib.import_module(module).open_source(name)
    return source


def _is_path(text: str, more: re.Pattern[str] | None = None, *, folders: bool = False) -> bool:
    """Return whether a text is a path: an existing file, the ending of a table, or an address.

    The name of a folder without a slash is a path only if ``folders`` is True.
    """
    path = Path(text).expanduser()
    try:
        exists = path.is_file() or ((folders or os.sep in text or "/" in text) and path.exists())
    except (OSError, ValueError):  # such as a name that is too long
        exists = False
    return exists or is_table(text) or "://" in text or bool(more and more.search(text))
