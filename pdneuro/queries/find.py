"""Find neurons by type, side, transmitter or another field, in sources with a table of neurons."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pdneuro.errors import InvalidQueryError, UnknownValueError, UnsupportedError, did_you_mean, listing
from pdneuro.options import Fetch
from pdneuro.sources import NeuronTable, Source, open_source
from pdneuro.tables.neuron_fields import matches
from pdneuro.tables.provenance import stamp
from pdneuro.transport.report import collect_report


def find(
    source: str | Source | None = None,
    type: Any = None,
    regex: bool = False,
    *,
    table: str | None = None,
    refresh: bool = False,
    **fields: Any,
) -> pd.DataFrame:
    """Find the neurons of a type, or with other values, in a source with a table of neurons.

    Parameters
    ----------
    source : str, path or Source, optional
        A data set of neuPrint, a local connectome with a table of neurons, ``"sandbox"``, or a CAVE
        datastack with ``table=``; see :func:`pdneuro.open_source`. Default: the option ``source``.
    type : str or list of str, optional
        Cell type, or several. Default: all neurons.
    regex : bool, default False
        ``type``, and text of other fields, is a regular expression that matches the whole text. Sides
        are always words.
    table : str, optional
        For CAVE: the table of cell types, such as ``"aibs_metamodel_celltypes_v661"``.
    refresh : bool, default False
        Download again what is cached.
    **fields
        Values, or lists of values, of ``side``, ``nt``, or of any other field of the source's neurons
        by its name. A neuron must have one value of each field.

    Returns
    -------
    DataFrame
        ``root_id`` (int64), ``type``, ``side`` (``left``, ``right``, ``center``), ``nt`` (text), then
        the other fields of the query; one row per neuron, several only if a table has different values
        for it. Without a column of transmitters, ``nt`` is the largest of the scores ``gaba_avg,
        ach_avg, ...``. No rows if no neuron has all of the values.

    Raises
    ------
    UnknownValueError
        No neuron has this type, or this value of a field; the message suggests the nearest.
    UnknownFieldError
        The source's neurons do not have a field.
    UnsupportedError
        The source does not have a table of neurons.
    InvalidQueryError
        A value is missing, or a regular expression is not valid.
    ServiceError, OfflineError
        The request failed; or pdneuro is offline, and the response is not cached.

    See Also
    --------
    pdneuro.known_names : Known sources.

    Examples
    --------
    >>> found = pdneuro.find("neuprint:male-cns", type="T000")
    >>> found.head(2)
                  root_id  type   side             nt
    0  720575940602310790  T000  right  acetylcholine
    1  720575940609676979  T000  right  acetylcholine

    Continue with their edges:

    >>> found.neuro.edges(source="neuprint:male-cns", min_weight=30).columns.tolist()
    ['pre', 'post', 'weight']
    """
    filters = {name: _listed(name, values) for name, values in {"type": type, **fields}.items()}
    filters = {name: values for name, values in filters.items() if name != "type" or type is not None}
    if regex:
        _check_patterns(filters)
    opened = open_source(source)
    if not isinstance(opened, NeuronTable):
        raise UnsupportedError(
            f"{opened.name} has no table of neurons. Sources with one are data sets of neuPrint, local "
            'connectomes (pdneuro.Connectome(edges, neurons)), "sandbox", and CAVE datastacks with '
            "table=..."
        )
    options = Fetch.of(refresh=refresh)
    with collect_report(options):
        found = opened.find(filters, regex=regex, table=table, fetch=options)
        for name, values in filters.items():
            _check_values(opened, found, name, values, regex=regex, table=table, fetch=options)
    shown = [f"{name}={values[0] if len(values) == 1 else values!r}" for name, values in filters.items()]
    shown += ["regex=True"] if regex else []
    shown += [f"table={table}"] if table else []
    return stamp(found, source=opened.name, query=f"find({', '.join(shown)})")


def _listed(name: str, values: Any) -> list[Any]:
    """Return the values of a filter as a list without missing ones."""
    listed = [values] if isinstance(values, str) or not np.iterable(values) else list(values)
    if name != "type" and any(pd.isna(value) for value in listed):
        raise InvalidQueryError(f"a value of {name!r} is missing. Leave the field out, or name a value.")
    return listed


def _check_patterns(filters: Mapping[str, Sequence[Any]]) -> None:
    for name, values in filters.items():
        for value in values:
            try:
                re.compile(value if isinstance(value, str) else "")
            except re.error as error:
                raise InvalidQueryError(
                    f"{value!r} for {name!r} is not a regular expression: {error}."
                ) from None


def _check_values(
    source: NeuronTable,
    found: pd.DataFrame,
    name: str,
    values: Sequence[Any],
    *,
    regex: bool,
    table: str | None,
    fetch: Fetch,
) -> None:
    """Raise an error for values that no neuron of the source has."""
    cells = found[name].tolist()
    absent = [value for value in values if not matches(name, cells, [value], regex=regex).any()]
    if not absent:
        return
    known = [value for value in source.field_values(name, table=table, fetch=fetch) if pd.notna(value)]
    unknown = [value for value in absent if not matches(name, known, [value], regex=regex).any()]
    if unknown:
        near = did_you_mean(unknown[0], known) or f" Values are {listing(sorted(map(str, known)), 10)}."
        raise UnknownValueError(
            f"no neuron of {source.name} has {name} {listing(map(repr, unknown))}.{near}"
        )
