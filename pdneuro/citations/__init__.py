"""Provenance of tables, and citations for it."""

from __future__ import annotations

import datetime
import functools
import importlib.resources
import re
import tomllib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from pdneuro import neuromorpho
from pdneuro._compat import TEXT
from pdneuro._version import __version__
from pdneuro.errors import MissingColumnsError, OfflineError, ProvenanceError, ServiceError
from pdneuro.tables.columns import check_choice
from pdneuro.tables.coordinates import NEURONS, coordinate, coordinate_names
from pdneuro.tables.provenance import SANDBOX, SYNTHETIC, facts, has_part, is_synthetic
from pdneuro.tables.skeletons import NEURON, is_node_table

if TYPE_CHECKING:
    import xarray as xr


class Work(NamedTuple):
    """A publication."""

    key: str
    authors: str
    year: int
    title: str
    journal: str
    doi: str
    #: Absent for a preprint.
    volume: int | None = None
    pages: str | None = None

    def text(self) -> str:
        """Return one line for a list of references."""
        return (
            f"{self.authors} ({self.year}) {self.title}. {self.journal}{self._place()}. "
            f"https://doi.org/{self.doi}"
        )

    def _place(self) -> str:
        return "" if self.volume is None else f" {self.volume}:{self.pages}"

    def bibtex(self) -> str:
        """Return an entry for BibTeX."""
        fields = {
            "author": _authors(self.authors),
            "title": f"{{{self.title}}}",
            "journal": self.journal,
            "year": self.year,
            "volume": self.volume,
            "pages": self.pages.replace("-", "--") if self.pages else None,
            "doi": self.doi,
        }
        present = {name: value for name, value in fields.items() if value is not None}
        return _entry("article", self.key, present)


class Origin(NamedTuple):
    """A service, or a dataset that it serves."""

    title: str
    license: str | None
    terms: str
    works: tuple[Work, ...] = ()


class Part(NamedTuple):
    """A paper about a part of a source's data."""

    of: str
    query: re.Pattern[str]
    work: Work


class Catalog(NamedTuple):
    """The content of ``works.toml``; datasets by a part of a project's or datastack's name."""

    datasets: dict[str, Origin]
    services: dict[str, Origin]
    parts: list[Part]


@functools.cache
def catalog() -> Catalog:
    """Return the datasets, services and papers of ``works.toml``."""
    file = importlib.resources.files(__name__).joinpath("works.toml")
    toml = tomllib.loads(file.read_text("utf-8"))
    works = {key: Work(key, **fields) for key, fields in toml["works"].items()}

    def origins(kind: str) -> dict[str, Origin]:
        return {
            name: Origin(
                item["title"],
                item.get("license"),
                item["terms"],
                tuple(works[key] for key in item["works"]),
            )
            for name, item in toml[kind].items()
        }

    parts = [Part(item["of"], re.compile(item["query"]), works[item["work"]]) for item in toml["parts"]]
    return Catalog(origins("datasets"), origins("services"), parts)


def provenance(table: pd.DataFrame | pd.Series[Any] | xr.DataArray | xr.Dataset) -> pd.DataFrame:
    """Return the sources of a table.

    Parameters
    ----------
    table : DataFrame, Series, DataArray or Dataset
        A result of pdneuro.

    Returns
    -------
    DataFrame
        One row per source, in the order of the requests; no rows for other tables. Text columns:
        ``source`` (as in ``attrs["pdneuro"]``), ``dataset``, ``service``, ``snapshot`` (the version, or
        the times of materialization; NA if the service has none), ``license`` (NA if none is
        published), ``terms`` (address), ``queries``, and ``requested_at`` (of the last request).

    See Also
    --------
    cite : a text that cites the sources.

    Examples
    --------
    >>> table = pdneuro.sandbox.neurons().head(3).neuro.join_properties("size")
    >>> table.neuro.provenance[["source", "license"]].to_numpy().tolist()
    [['sandbox:braincircuits:fruitfly_fafb_flywire (synthetic)', 'none: the data are synthetic']]
    """
    rows = []
    entry = facts(table)
    for source, queries in _queries_by_source(entry):
        dataset, service, about = _dataset(source), _service(source), _origin(source)
        rows.append(
            {
                "source": source,
                "dataset": dataset.title if dataset else None,
                "service": service.title if service else None,
                "snapshot": _snapshot(source, entry),
                "license": about.license if about else None,
                "terms": about.terms if about else None,
                "queries": queries,
                "requested_at": entry.get("requested_at"),
            }
        )
    names = ["source", "dataset", "service", "snapshot", "license", "terms", "queries", "requested_at"]
    return pd.DataFrame(rows, columns=names).astype(dict.fromkeys(names, TEXT))


def cite(table: pd.DataFrame | pd.Series[Any] | xr.DataArray | xr.Dataset, style: str = "text") -> str:
    """Return a text that cites the sources of a table: snapshots, licenses, papers.

    Parameters
    ----------
    table : DataFrame, Series, DataArray or Dataset
        A result of pdneuro. For reconstructions of NeuroMorpho.org, the papers are looked up by the
        neurons of the table.
    style : {"text", "bibtex"}, default "text"

    Returns
    -------
    str
        Text: one paragraph per source. BibTeX: one entry per paper and per source, with the license
        in the notes.

    Raises
    ------
    ProvenanceError
        The table has no provenance.

    See Also
    --------
    provenance : the same as a table.

    Notes
    -----
    Papers are those that the datasets ask users to cite. A license that is not published is not guessed.

    Examples
    --------
    >>> edges = pdneuro.sandbox.neurons().head(3).neuro.edges(source="fruitfly_fafb_flywire")
    >>> print(edges.neuro.cite())  # doctest: +ELLIPSIS
    Synthetic data of pdneuro's sandbox, not measured; do not cite them (sandbox:...), data of ...
      License: none: the data are synthetic (...)
    ...

    The same of the service:

    >>> edges.attrs["pdneuro"]["source"] = "braincircuits:fruitfly_fafb_flywire"
    >>> print(edges.neuro.cite())  # doctest: +ELLIPSIS
    FlyWire, the whole brain of a female adult Drosophila; by BrainCircuits.io (...), data of ...
      License: CC BY-NC 4.0 (https://flywire.ai/principles.html)
      Dorkenwald S et al. (2024) Neuronal wiring diagram of an adult brain. Nature 634:124-138. ...
    ...
    >>> edges.neuro.cite("bibtex").splitlines()[0]
    '@article{dorkenwald2024flywire,'
    """
    check_choice("style", style, ("text", "bibtex"))
    entry = facts(table)
    sources = list(_queries_by_source(entry))
    if not sources:
        raise ProvenanceError(
            "this table has no provenance: it is not a result of pdneuro, or a step such as merge or "
            "concat dropped its attrs. Cite the tables it was made from, or copy attrs['pdneuro'] to it."
        )
    made = f"Downloaded with pdneuro {entry.get('version', __version__)}" + (
        f" on {str(entry['requested_at'])[:10]}." if entry.get("requested_at") else "."
    )
    parts: list[str] = []
    for source, queries in sources:
        origin = _origin(source)
        granted = (origin.license if origin else None) or "not published; ask the source"
        head = _head(source, entry)
        works = _works(source, queries)
        papers, lacking = _papers(table) if source == "neuromorpho" else ([], "")
        if style == "text":
            lines = [head, f"  License: {granted}" + (f" ({origin.terms})" if origin else "")]
            lines += [f"  {work.text()}" for work in works]
            lines += [f"  {neuromorpho.citation.line(*paper)}" for paper in papers]
            lines += [f"  ({lacking})"] if lacking else []
            parts.append("\n".join(lines))
        else:
            fields = {"title": f"{{{_latex(origin.title if origin else source)}}}"}
            fields |= {"howpublished": f"\\url{{{origin.terms}}}"} if origin else {}
            fields["note"] = _latex(f"{head}. License: {granted}" + (f" ({lacking})" if lacking else ""))
            parts += [work.bibtex() for work in works]
            parts.append(_entry("misc", _key(source), fields))
            parts += [
                _entry(
                    "misc", _key(f"{kind}_{reference}"), {kind: reference, "note": f"{count} neurons"}
                )
                for kind, reference, count in papers
            ]
    return "\n\n".join(dict.fromkeys([*parts, made if style == "text" else f"% {made}"]))


def _queries_by_source(entry: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the sources of a table and the queries sent to each."""
    sources = [part for part in str(entry.get("source") or "").split(" | ") if part]
    queries = [part for part in str(entry.get("query") or "").split(" | ") if part]
    positions = entry.get("asked_of")
    if not isinstance(positions, list) or len(positions) != len(queries):
        positions = None
    for number, source in enumerate(sources):
        own = (
            queries
            if positions is None
            else [query for query, at in zip(queries, positions, strict=True) if at == number]
        )
        yield source, "; ".join(own)


def _dataset(source: str) -> Origin | None:
    service, _, name = source.partition(":")
    if is_synthetic(source):
        return None
    datasets = [item for part, item in catalog().datasets.items() if has_part(name, part)]
    return datasets[0] if datasets and service in catalog().services else None


def _service(source: str) -> Origin | None:
    return catalog().services.get(source.partition(":")[0])


def _origin(source: str) -> Origin | None:
    """Return the dataset; without one, the service."""
    return _dataset(source) or _service(source)


def _works(source: str, queries: str) -> list[Work]:
    works = [work for item in (_dataset(source), _service(source)) if item for work in item.works]
    if is_synthetic(source):
        return works
    return works + [
        part.work
        for part in catalog().parts
        if (has_part(source, part.of) or source == part.of) and part.query.search(queries)
    ]


def _papers(table: Any) -> tuple[list[tuple[str, str, int]], str]:
    """Return kind, reference and number of neurons per paper, most neurons first; and a note on gaps."""
    if isinstance(table, pd.DataFrame):
        rows = table
    elif isinstance(table, pd.Series):
        rows = table.to_frame()
    else:  # an array, with its neurons along a dimension
        recognized = NEURONS.among(coordinate_names(table))[:1]
        rows = pd.DataFrame({name: coordinate(table, name, NEURONS).column for name in recognized})
    if is_node_table(rows) and NEURON in rows.columns:
        names = pd.Series(rows[NEURON].unique())
        rows = names.to_frame(
            "neuron_id" if pd.api.types.is_integer_dtype(names.dtype) else "neuron_name"
        )
    try:
        papers = neuromorpho.references(rows)
    except MissingColumnsError:
        return [], "the papers of single neurons are not listed: no column neuron_id or neuron_name"
    except (ServiceError, OfflineError) as error:
        return [], f"the papers of single neurons are not listed: {error}"
    return list(papers.itertuples(index=False, name=None)), ""


def _head(source: str, entry: dict[str, Any]) -> str:
    dataset, service, snapshot = _dataset(source), _service(source), _snapshot(source, entry)
    title = service.title if service else "Local data"
    if dataset:
        title = f"{dataset.title}; by {title}"
    return f"{title} ({source})" + (f", data of {snapshot}" if snapshot else "")


def _snapshot(source: str, entry: dict[str, Any]) -> str | None:
    """Return the version of a source's data, or the times of its materializations, as text."""
    name = source.removeprefix(SANDBOX).removesuffix(SYNTHETIC)
    if name.startswith("published:"):
        return f"version {name.rpartition(':')[2]}"
    if name.startswith("cave:") and "@" in name:
        return f"version {name.rpartition('@')[2]}"
    times = entry.get("materialized_timestamp")
    times = [time for time in times if isinstance(time, int)] if isinstance(times, list) else []
    # Without other sources, the times of a local file are those of its download.
    own = name.startswith("braincircuits:") or source == entry.get("source")
    if not own or not times:
        return None
    return ", ".join(
        f"{datetime.datetime.fromtimestamp(time, datetime.UTC):%Y-%m-%dT%H:%M:%SZ}" for time in times
    )


def _key(source: str) -> str:
    return re.sub(r"\W+", "_", source).strip("_")


def _authors(text: str) -> str:
    """Return names in BibTeX's form: the surname, a comma, the initials."""
    names = text.removesuffix(" et al.").split(", ")
    written = [re.sub(r"^(.*) ([A-Z]+)$", r"\1, \2", name) for name in names]
    if names == written:  # a group
        written = [f"{{{text}}}"]
    return " and ".join([*written, *(["others"] if text.endswith(" et al.") else [])])


def _latex(text: str) -> str:
    return re.sub(r"([_&%#])", r"\\\1", text)


def _entry(kind: str, key: str, fields: dict[str, Any]) -> str:
    body = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items())
    return f"@{kind}{{{key},\n{body}}}"
