"""Names that pdneuro knows, and the catalog of a source: its versions, tables and capabilities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from pdneuro._compat import TEXT
from pdneuro.allen import payload as allen
from pdneuro.braincircuits import payload as braincircuits
from pdneuro.cave import payload as cave
from pdneuro.errors import UnknownSourceError, did_you_mean
from pdneuro.neuprint import payload as neuprint
from pdneuro.neuromorpho import field_types
from pdneuro.neuromorpho import payload as neuromorpho
from pdneuro.options import Fetch
from pdneuro.sources import CAPABILITIES, Catalogued, Entry, Source, capabilities, open_source
from pdneuro.tables.provenance import stamp
from pdneuro.tables.structure_tree import COLUMNS
from pdneuro.transport.tokens import cave_host

#: The services, with what each of them can do.
CAPABILITIES_OF = {
    "braincircuits": braincircuits.CAPABILITIES,
    "cave": cave.CAPABILITIES,
    "neuprint": neuprint.CAPABILITIES,
    "allen": allen.CAPABILITIES,
    "neuromorpho": neuromorpho.CAPABILITIES,
}
SERVICES = tuple(CAPABILITIES_OF)


def known_names(service: str | None = None) -> pd.DataFrame:
    """Return the known projects, datastacks, properties and fields, with a description of each.

    Parameters
    ----------
    service : {"braincircuits", "cave", "neuprint", "allen", "neuromorpho"}, optional
        Default: all services.

    Returns
    -------
    DataFrame
        One row per name: ``service``; ``kind`` (``project``, ``property``, ``datastack``, ``dataset``,
        ``field`` or ``measurement``); ``name``; ``description``, with the unit.

    Raises
    ------
    UnknownSourceError
        The service is not one of these.

    See Also
    --------
    pdneuro.open_source : Use a project or datastack.

    Notes
    -----
    No request is sent. A service can have more names than this table. The names of a CAVE datastack's
    tables, and the columns of local files, are not listed.

    Examples
    --------
    >>> pdneuro.known_names("braincircuits").query("kind == 'project'").name.tolist()
    ['fruitfly_fafb_flywire', 'fruitfly_fafb_flywire_public', 'fruitfly_fanc_cave']
    """
    if service is not None and service not in SERVICES:
        raise UnknownSourceError(
            f"unknown service {service!r}.{did_you_mean(service, SERVICES)} The services are "
            f"{', '.join(SERVICES)}."
        )
    table = pd.DataFrame(_rows(), columns=["service", "kind", "name", "description"], dtype=TEXT)
    return table if service is None else table[table["service"] == service].reset_index(drop=True)


#: Columns of a catalog.
COLUMNS_OF_CATALOG = ("source", *Entry._fields)


def catalog(source: str | Source | None = None) -> pd.DataFrame:
    """Return what can be queried: data sets, versions, tables, properties and capabilities.

    Parameters
    ----------
    source : str, path or Source, optional
        A source, as in :func:`pdneuro.open_source`; or a service of :func:`pdneuro.known_names`.
        Default: all that pdneuro knows of all services. Then no request is sent.

    Returns
    -------
    DataFrame
        ``source`` (text); ``kind`` (text): ``project``, ``datastack``, ``dataset``, ``connectome``,
        ``version``, ``table``, ``view``, ``property``, ``field``, ``measurement``, ``capability``;
        ``name`` (text);
        ``version``, the version with the entry (Int64, text if the service names its versions);
        ``rows`` (Int64, NA if the service does not count them); ``created`` and ``expires`` (datetime,
        UTC); ``description`` (text), with the schema, the unit and the notice of the service. A
        ``capability`` is described by a call.

        A CAVE datastack lists all its versions, and the tables and views of the newest one;
        ``"cave:minnie65_public@1300"`` lists those of version 1300.

    Raises
    ------
    UnknownSourceError
        The source is not known.
    ServiceError, OfflineError
        The request failed; or pdneuro is offline, and the source is a CAVE datastack.

    See Also
    --------
    pdneuro.known_names : All known names, also the fields of services.

    Examples
    --------
    >>> found = pdneuro.catalog("fruitfly_fafb_flywire")
    >>> found.loc[found["kind"] == "capability", "name"].tolist()
    ['properties', 'edges', 'download']
    >>> pdneuro.catalog().query("kind == 'project'")["source"].head(2).tolist()
    ['braincircuits:fruitfly_fafb_flywire', 'braincircuits:fruitfly_fafb_flywire_public']
    """
    if source is None or (isinstance(source, str) and source in SERVICES):
        chosen = SERVICES if source is None else (source,)
        rows = [row for service in chosen for row in _known_entries(service)]
        name = " | ".join(chosen)
    else:
        opened = open_source(source)
        if isinstance(opened, Catalogued):
            entries = opened.catalog(Fetch.of())
        else:
            entries = [Entry("source", opened.name), *capabilities(CAPABILITIES)]
        name = opened.name  # only now it has the version that was chosen
        rows = [(name.partition("@")[0], entry) for entry in entries]
    columns = list(zip(*((source, *entry) for source, entry in rows), strict=True))
    table = pd.DataFrame(
        {
            label: _column_of_catalog(label, list(values))
            for label, values in zip(COLUMNS_OF_CATALOG, columns, strict=True)
        }
    )
    return stamp(table, source=name, query="catalog()")


def _column_of_catalog(name: str, values: list[Any]) -> Any:
    if name in ("created", "expires"):
        plain = [None if date is None else pd.Timestamp(date).tz_convert(None) for date in values]
        return pd.Series(plain, dtype="datetime64[us]").dt.tz_localize("UTC")
    if name == "rows" or (name == "version" and not any(isinstance(value, str) for value in values)):
        return pd.array(values, "Int64")
    return pd.array(values, dtype=TEXT)


def _known_entries(service: str) -> Iterator[tuple[str, Entry]]:
    """Yield what is known about a service without a request, each with its source."""
    for own, kind, name, text in _rows():
        if own == service:
            is_source = kind in ("project", "datastack", "dataset")
            yield f"{service}:{name}" if is_source else service, Entry(kind, name, description=text)
    for entry in capabilities(CAPABILITIES_OF[service]):
        yield service, entry


def _rows() -> Iterator[tuple[str, str, str, str]]:
    yield from (("braincircuits", "project", *item) for item in braincircuits.PROJECTS.items())
    yield from (("braincircuits", "property", *item) for item in braincircuits.PROPERTIES.items())
    for name, text in cave.DATASTACKS.items():
        yield "cave", "datastack", name, f"{text} Server: {cave_host(name)}."
    yield from (("neuprint", "dataset", *item) for item in neuprint.DATASETS.items())
    yield from (("neuprint", "property", *item) for item in neuprint.PROPERTIES.items())
    yield from (("allen", "field", *item) for item in COLUMNS.items())
    yield "allen", "field", "color", "The same color with a #, such as #08858c."
    for kind, names in (("field", field_types.NEURON), ("measurement", field_types.MORPHOMETRY)):
        for name in names:
            if kind == "field" or name not in (field_types.ID, field_types.NAME):
                yield "neuromorpho", kind, name, _describe(name)


def _describe(name: str) -> str:
    """Return the type of a field of NeuroMorpho.org, and its unit."""
    unit = field_types.UNITS.get(name)
    if name in field_types.LISTS:
        return "List of texts."
    kind = {"Int64": "Whole number", "Float64": "Number", "datetime64[ns]": "Date"}
    text = kind.get(str(field_types.dtype(name)), "Text")
    if unit == "age_scale":
        return f"{text}, in the unit of the field age_scale."
    return f"{text}, in {unit}." if unit else f"{text}."
