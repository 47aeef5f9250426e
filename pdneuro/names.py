"""Names that pdneuro knows: projects, datastacks, properties and fields of the services."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from pdneuro._compat import TEXT
from pdneuro.braincircuits.payload import PROJECTS, PROPERTIES
from pdneuro.cave.payload import DATASTACKS
from pdneuro.errors import UnknownSourceError, did_you_mean
from pdneuro.neuprint import payload as neuprint
from pdneuro.neuromorpho import field_types
from pdneuro.tables.structure_tree import COLUMNS
from pdneuro.transport.tokens import cave_host

SERVICES = ("braincircuits", "cave", "neuprint", "allen", "neuromorpho")


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


def _rows() -> Iterator[tuple[str, str, str, str]]:
    yield from (("braincircuits", "project", *item) for item in PROJECTS.items())
    yield from (("braincircuits", "property", *item) for item in PROPERTIES.items())
    for name, text in DATASTACKS.items():
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
