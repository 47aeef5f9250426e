"""Where segments are looked up: the protocol that services and local connectomes fulfil."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import pandas as pd

from pdneuro._compat import TEXT
from pdneuro.errors import UnknownSourceError
from pdneuro.files import is_table
from pdneuro.options import Fetch, get_option
from pdneuro.tables.columns import missing_integers
from pdneuro.tables.ids import Int64Array


@runtime_checkable
class Source(Protocol):
    """Properties and partners of segments. IDs are distinct int64; every one gets its answer."""

    @property
    def name(self) -> str:
        """Short name for messages and provenance, such as ``braincircuits:fruitfly_fafb_flywire``."""

    def properties(self, ids: Int64Array, name: str, *, multiple: str, fetch: Fetch) -> dict[str, Any]:
        """Columns of one property: arrays with one entry an ID, missing where nothing is known."""

    def records(self, ids: Int64Array, name: str, *, fetch: Fetch) -> pd.DataFrame:
        """A list-valued property in long form: ``segment_id`` and the records' fields."""

    def edges(self, ids: Int64Array, *, upstream: bool, downstream: bool, fetch: Fetch) -> pd.DataFrame:
        """Direct edges of the IDs as ``pre, post, weight``, each once."""


class Dump(NamedTuple):
    """Files with a whole graph, and the state of the data in unix seconds."""

    edges: Path
    nodes: Path | None
    materialized_timestamp: int | None


@runtime_checkable
class Dumping(Protocol):
    """A source whose whole graph can be downloaded."""

    def graph_dump(self, folder: Path, fetch: Fetch) -> Dump:
        """Download the whole graph into a folder; what is there and up to date stays."""


#: Columns of the properties that a source documents, if each ID has a value.
DOCUMENTED: Mapping[str, tuple[str, ...]] = {
    "size": ("size",),
    "link_pre": ("nr_pre", "nr_downstream_partner"),
    "link_post": ("nr_post", "nr_upstream_partner"),
    "connectivity": ("connectivity_downstream_count", "connectivity_upstream_count"),
}


def documented_columns(name: str, count: int) -> dict[str, Any]:
    """Return the documented columns of a property, each value missing.

    >>> documented_columns("size", 2)["size"].isna().tolist()
    [True, True]
    """
    return dict.fromkeys(DOCUMENTED.get(name, ()), missing_integers(count))


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


#: Module that holds each service's source, by the word in front of the colon.
SERVICES = {"braincircuits": "pdneuro.braincircuits", "cave": "pdneuro.cave"}
#: The module that holds the source for files.
FILES = "pdneuro.connectome"
_PROJECT = re.compile(r"[A-Za-z0-9][\w.-]*(@\d+)?")


def open_source(spec: str | os.PathLike[str] | Source | None = None) -> Source:
    """The source that a name stands for.

    Parameters
    ----------
    spec : str, path or Source, optional
        A bare name, such as ``"fruitfly_fafb_flywire"``, is a BrainCircuits.io project;
        ``"braincircuits:..."`` says so. ``"cave:minnie65_public"`` is a CAVE datastack,
        ``"cave:minnie65_public@1300"`` at a materialization version. A path (an object, or text with a
        folder or the ending of a table in it) is a file of edges, opened by
        :meth:`pdneuro.Connectome.from_files`. A source object, such as a :class:`pdneuro.Connectome`,
        is returned as it is. Default: the option ``source``.

    Returns
    -------
    Source

    Raises
    ------
    UnknownSourceError
        Nothing is set, or the name is of no known service.
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
            'no source is set. Name one: source="fruitfly_fafb_flywire", or once for all: '
            'pdneuro.set_options(source="fruitfly_fafb_flywire").'
        )
    if isinstance(spec, os.PathLike) or (isinstance(spec, str) and _is_path(spec)):
        return _opened(FILES, spec)
    if isinstance(spec, str):
        service, colon, rest = spec.partition(":")
        service, rest = (service, rest) if colon else ("braincircuits", spec)
        if service not in SERVICES or not _PROJECT.fullmatch(rest):
            raise UnknownSourceError(
                f"{spec!r} names no source: give a BrainCircuits.io project such as "
                f"'fruitfly_fafb_flywire', 'service:name' with one of {', '.join(SERVICES)}, or the "
                "path of a file of edges."
            )
        return _opened(SERVICES[service], rest)
    if isinstance(spec, Source):
        return spec
    raise UnknownSourceError(
        f"a source is a name, a path or a source object, not {type(spec).__name__}. Make a source of a "
        "frame with pdneuro.Connectome(edges)."
    )


def _opened(module: str, name: str | os.PathLike[str]) -> Source:
    """A source by name, from the module that holds its kind, which is loaded now."""
    source: Source = importlib.import_module(module).open_source(name)
    return source


def _is_path(text: str) -> bool:
    return is_table(text) or ((os.sep in text or "/" in text) and Path(text).expanduser().exists())
