"""Where a table came from, and what to cite for it."""

from __future__ import annotations

import datetime
import functools
import importlib.resources
import re
import tomllib
from collections.abc import Iterator
from typing import Any, NamedTuple

import pandas as pd

from pdneuro import neuromorpho
from pdneuro._compat import TEXT
from pdneuro._version import __version__
from pdneuro.errors import MissingColumnsError, OfflineError, ProvenanceError, ServiceError
from pdneuro.tables.provenance import facts, has_part
from pdneuro.tables.skeletons import NEURON, is_node_table


class Work(NamedTuple):
    """A publication."""

    key: str
    authors: str
    year: int
    title: str
    journal: str
    volume: int
    pages: str
    doi: str

    def text(self) -> str:
        """One line for a list of references."""
        return (
            f"{self.authors} ({self.year}) {self.title}. {self.journal} {self.volume}:{self.pages}. "
            f"https://doi.org/{self.doi}"
        )

    def bibtex(self) -> str:
        """An entry for BibTeX."""
        fields = {
            "author": _authors(self.authors),
            "title": f"{{{self.title}}}",
            "journal": self.journal,
            "year": self.year,
            "volume": self.volume,
            "pages": self.pages.replace("-", "--"),
            "doi": self.doi,
        }
        return _entry("article", self.key, fields)


class Origin(NamedTuple):
    """A service, or a dataset that it serves."""

    title: str
    licence: str | None
    terms: str
    works: tuple[Work, ...] = ()


class Part(NamedTuple):
    """A paper of a part of a source's data."""

    of: str
    query: re.Pattern[str]
    work: Work


class Known(NamedTuple):
    """All that ``works.toml`` says; datasets by a part of a project's or datastack's name."""

    datasets: dict[str, Origin]
    services: dict[str, Origin]
    parts: list[Part]


@functools.cache
def known() -> Known:
    """The datasets, services and papers that are known."""
    said = tomllib.loads(importlib.resources.files(__name__).joinpath("works.toml").read_text("utf-8"))
    works = {key: Work(key, **fields) for key, fields in said["works"].items()}

    def origins(kind: str) -> dict[str, Origin]:
        return {
            name: Origin(
                item["title"],
                item.get("licence"),
                item["terms"],
                tuple(works[key] for key in item["works"]),
            )
            for name, item in said[kind].items()
        }

    parts = [Part(item["of"], re.compile(item["query"]), works[item["work"]]) for item in said["parts"]]
    return Known(origins("datasets"), origins("services"), parts)


def provenance(table: pd.DataFrame | pd.Series[Any]) -> pd.DataFrame:
    """Where a table came from.

    Parameters
    ----------
    table : DataFrame or Series
        A result of pdneuro.

    Returns
    -------
    DataFrame
        One row a source, in the order they were asked; none for a table that is not pdneuro's. Text:
        ``source`` (as in ``attrs["pdneuro"]``), ``dataset``, ``service``, ``snapshot`` (the version, or
        the times of materialisation; NA where the service names none), ``licence`` (NA where none is
        published), ``terms`` (address), ``queries``, and ``requested_at`` (of the last question).

    See Also
    --------
    cite : what to write where the table was used.

    Examples
    --------
    >>> table = pdneuro.sandbox.neurons().head(3).neuro.join_properties("size")
    >>> table.neuro.provenance[["service", "licence"]]
                service        licence
    0  BrainCircuits.io  CC BY-NC 4.0
    """
    rows = []
    told = facts(table)
    for source, queries in _asked(told):
        dataset, service, about = _dataset(source), _service(source), _origin(source)
        rows.append(
            {
                "source": source,
                "dataset": dataset.title if dataset else None,
                "service": service.title if service else None,
                "snapshot": _snapshot(source, told),
                "licence": about.licence if about else None,
                "terms": about.terms if about else None,
                "queries": queries,
                "requested_at": told.get("requested_at"),
            }
        )
    names = ["source", "dataset", "service", "snapshot", "licence", "terms", "queries", "requested_at"]
    return pd.DataFrame(rows, columns=names).astype(dict.fromkeys(names, TEXT))


def cite(table: pd.DataFrame | pd.Series[Any], style: str = "text") -> str:
    """What to write where a table was used: sources, snapshots, licences, papers.

    Parameters
    ----------
    table : DataFrame or Series
        A result of pdneuro. The papers of NeuroMorpho.org's reconstructions are looked up for the
        neurons of the table.
    style : {"text", "bibtex"}

    Returns
    -------
    str
        Text: a paragraph a source. BibTeX: an entry a paper and a source, what else is to be said in
        their notes.

    Raises
    ------
    ProvenanceError
        The table does not say where it came from.

    See Also
    --------
    provenance : the same as a table.

    Notes
    -----
    Papers are those that the datasets ask for; what a licence is not known for is said, not guessed.

    Examples
    --------
    >>> edges = pdneuro.sandbox.neurons().head(3).neuro.edges(source="fruitfly_fafb_flywire")
    >>> print(edges.neuro.cite())  # doctest: +ELLIPSIS
    FlyWire, the whole brain of a female adult Drosophila; by BrainCircuits.io (...), data of ...
      Licence: CC BY-NC 4.0 (https://flywire.ai/principles.html)
      Dorkenwald S et al. (2024) Neuronal wiring diagram of an adult brain. Nature 634:124-138. ...
    ...
    >>> edges.neuro.cite("bibtex").splitlines()[0]
    '@article{dorkenwald2024flywire,'
    """
    if style not in ("text", "bibtex"):
        raise ValueError(f"style must be 'text' or 'bibtex', not {style!r}.")
    told = facts(table)
    asked = list(_asked(told))
    if not asked:
        raise ProvenanceError(
            "this table does not say where it came from: it is not pdneuro's, or a step such as merge "
            "or concat dropped its attrs. Cite the tables it was made of, or carry attrs['pdneuro'] on."
        )
    made = f"Asked with pdneuro {told.get('version', __version__)}" + (
        f" on {str(told['requested_at'])[:10]}." if told.get("requested_at") else "."
    )
    parts: list[str] = []
    for source, queries in asked:
        origin = _origin(source)
        licence = (origin.licence if origin else None) or "not published; ask the source"
        head = _head(source, told)
        works = _works(source, queries)
        papers, lacking = _papers(table) if source == "neuromorpho" else ([], "")
        if style == "text":
            lines = [head, f"  Licence: {licence}" + (f" ({origin.terms})" if origin else "")]
            lines += [f"  {work.text()}" for work in works]
            lines += [f"  {neuromorpho.citation.line(*paper)}" for paper in papers]
            lines += [f"  ({lacking})"] if lacking else []
            parts.append("\n".join(lines))
        else:
            fields = {"title": f"{{{_latex(origin.title if origin else source)}}}"}
            fields |= {"howpublished": f"\\url{{{origin.terms}}}"} if origin else {}
            fields["note"] = _latex(f"{head}. Licence: {licence}" + (f" ({lacking})" if lacking else ""))
            parts += [work.bibtex() for work in works]
            parts.append(_entry("misc", _key(source), fields))
            parts += [
                _entry(
                    "misc", _key(f"{kind}_{reference}"), {kind: reference, "note": f"{count} neurons"}
                )
                for kind, reference, count in papers
            ]
    return "\n\n".join(dict.fromkeys([*parts, made if style == "text" else f"% {made}"]))


def _asked(told: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The sources of a table and what each was asked."""
    sources = [part for part in str(told.get("source") or "").split(" | ") if part]
    queries = [part for part in str(told.get("query") or "").split(" | ") if part]
    asked = told.get("asked_of")
    asked = asked if isinstance(asked, list) and len(asked) == len(queries) else None
    for place, source in enumerate(sources):
        own = (
            queries
            if asked is None
            else [q for q, of in zip(queries, asked, strict=True) if of == place]
        )
        yield source, "; ".join(own)


def _dataset(source: str) -> Origin | None:
    service, _, name = source.partition(":")
    found = [item for part, item in known().datasets.items() if has_part(name, part)]
    return found[0] if found and service in known().services else None


def _service(source: str) -> Origin | None:
    return known().services.get(source.partition(":")[0])


def _origin(source: str) -> Origin | None:
    """The dataset, or the service where it serves data of its own."""
    return _dataset(source) or _service(source)


def _works(source: str, queries: str) -> list[Work]:
    works = [work for item in (_dataset(source), _service(source)) if item for work in item.works]
    return works + [
        part.work
        for part in known().parts
        if (has_part(source, part.of) or source == part.of) and part.query.search(queries)
    ]


def _papers(table: pd.DataFrame | pd.Series[Any]) -> tuple[list[tuple[str, str, int]], str]:
    """Kind, reference and number of neurons of each paper, most neurons first; and what is lacking."""
    rows = table.to_frame() if isinstance(table, pd.Series) else table
    if is_node_table(rows) and NEURON in rows.columns:
        names = pd.Series(rows[NEURON].unique())
        rows = names.to_frame(
            "neuron_id" if pd.api.types.is_integer_dtype(names.dtype) else "neuron_name"
        )
    try:
        found = neuromorpho.references(rows)
    except MissingColumnsError:
        return [], "the papers of single neurons are not listed: no column neuron_id or neuron_name"
    except (ServiceError, OfflineError) as error:
        return [], f"the papers of single neurons are not listed: {error}"
    return list(found.itertuples(index=False, name=None)), ""


def _head(source: str, told: dict[str, Any]) -> str:
    dataset, service, snapshot = _dataset(source), _service(source), _snapshot(source, told)
    title = service.title if service else "Local data"
    if dataset:
        title = f"{dataset.title}; by {title}"
    return f"{title} ({source})" + (f", data of {snapshot}" if snapshot else "")


def _snapshot(source: str, told: dict[str, Any]) -> str | None:
    """The version of a source's data, or the times of its answers, as text."""
    if source.startswith("cave:") and "@" in source:
        return f"version {source.rpartition('@')[2]}"
    times = told.get("materialized_timestamp")
    times = [time for time in times if isinstance(time, int)] if isinstance(times, list) else []
    # Times are of the service; of a local copy of its dump where nobody else was asked.
    own = source.startswith("braincircuits:") or source == told.get("source")
    if not own or not times:
        return None
    return ", ".join(
        f"{datetime.datetime.fromtimestamp(time, datetime.UTC):%Y-%m-%dT%H:%M:%SZ}" for time in times
    )


def _key(source: str) -> str:
    return re.sub(r"\W+", "_", source).strip("_")


def _authors(text: str) -> str:
    """Names as BibTeX takes them: the surname, a comma, the initials."""
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
