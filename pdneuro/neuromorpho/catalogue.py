"""The catalog of NeuroMorpho.org: its neurons, their fields and values, and their papers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import pandas as pd

from pdneuro._compat import TEXT
from pdneuro.errors import InvalidQueryError
from pdneuro.neuromorpho import field_types, parse, payload, send
from pdneuro.options import Fetch
from pdneuro.tables.provenance import stamp


def select(
    q: str | Iterable[str] | None = None,
    *,
    everything: bool = False,
    limit: int | None = None,
    explode: Hashable | None = None,
    raw: bool = False,
    refresh: bool = False,
    progress: bool | None = None,
    max_workers: int | None = None,
    **filters: Any,
) -> pd.DataFrame:
    """Return all neurons that match the filters, from all pages.

    Parameters
    ----------
    q : str or list of str, optional
        Filters as in the service's own tutorial: ``"neuron_name:CB_*"``, with commas between several
        values. Values of several words do not have to be quoted.
    everything : bool
        Allow a call without filters, which downloads all neurons (about 300,000).
    limit : int, optional
        Maximum number of neurons: those with the lowest IDs. Only the pages with them are downloaded.
        Default: all.
    explode : hashable, optional
        A column of lists, such as ``"cell_type"``: one row per entry, with its index label repeated.
    raw : bool
        Return all keys and values of the service unchanged.
    refresh : bool
        Download again what is cached.
    progress, max_workers
        Progress bar, and maximum number of requests at the same time. Default: the options.
    **filters
        Field and value: ``species="drosophila melanogaster"``. Values are case-sensitive, as
        :func:`field_values` lists them. Of a list, one value is enough; all fields must match. ``*``
        matches any text, ``?`` one character.

    Returns
    -------
    DataFrame
        One row per neuron, by rising ``neuron_id`` (int64), with the columns of
        :func:`pdneuro.queries.neuromorpho.neuromorpho`. Empty, with the same columns, if nothing
        matches.

    Raises
    ------
    UnknownFieldError
        The field does not exist; the message suggests similar names.
    InvalidQueryError
        No filter, no ``limit`` and no ``everything=True``; a filter without a value; a field in ``q``
        and again.
    ServiceError, OfflineError
        The request failed; or pdneuro is offline and a page is not cached. Pages received so far are
        cached.

    Warns
    -----
    IncompleteTableWarning
        Fewer records came than the service announced, also at a second try.

    Notes
    -----
    Source: https://neuromorpho.org/apiReference.html. License CC BY 4.0, RRID:SCR_002145.

    Examples
    --------
    >>> found = pdneuro.neuromorpho.select(archive="Siegert", neuron_name="CB_*_Animal01_*")
    >>> found[["neuron_id", "neuron_name", "species"]].head(2)
       neuron_id                neuron_name species
    0        111  CB_CKp25_2w_F_Animal01_03   mouse
    1        222  CB_CKp25_2w_F_Animal01_06   mouse
    >>> len(pdneuro.neuromorpho.select("neuron_name:CB_*_Animal01_*", archive="Siegert")) == len(found)
    True
    """
    terms = _terms(q)
    for name in terms.keys() & filters.keys():
        raise InvalidQueryError(f"the field {name!r} is in q={q!r:.60} and a keyword; name it once.")
    filters = {**terms, **filters}
    whole = isinstance(limit, int) and not isinstance(limit, bool)
    if limit is not None and (not whole or limit < 1):
        raise InvalidQueryError(f"limit must be a whole number of neurons, 1 or more, not {limit!r}.")
    if not filters and not everything and limit is None:
        raise InvalidQueryError(
            "no filter is given. Say what to look for, such as species='mouse', or everything=True."
        )
    wanted = _filters(filters)
    field_types.require(wanted, (*field_types.NEURON, *field_types.QUERY_ONLY), fields)
    fetch = Fetch.of(refresh=refresh, progress=progress, max_workers=max_workers)
    found = send.select("neuron", wanted, field_types.ID, fetch, limit)
    found.sort(key=lambda record: int(record.get(field_types.ID) or 0))
    table = field_types.frame(found, field_types.NEURON, raw=raw)
    if explode is not None:
        table = _exploded(table, explode)
    query = ", ".join(f"{name}={value!r:.60}" for name, value in filters.items()) or "everything"
    query += "" if limit is None else f", limit={limit}"
    return stamp(table, source=send.SOURCE, query=f"select({query})", **field_types.about(table.columns))


#: A quoted value, in which a backslash precedes a quote, or all up to a comma.
_VALUE = re.compile(r'\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)|([^,]+)(?:,|$)')


def _terms(q: str | Iterable[str] | None) -> dict[str, list[str]]:
    """Return the values by field of a query in the language of the service.

    >>> _terms('species:"drosophila melanogaster",rat&fq=archive:Siegert')
    {'species': ['drosophila melanogaster', 'rat'], 'archive': ['Siegert']}
    """
    texts = [] if q is None else [q] if isinstance(q, str) else list(q)
    found: dict[str, list[str]] = {}
    for text in texts:
        for term in re.split(r"&f?q=", text):
            name, _, values = term.removeprefix("fq=").removeprefix("q=").partition(":")
            name = name.strip()
            listed = [
                re.sub(r"\\(.)", r"\1", quoted) if quoted else plain.strip()
                for quoted, plain in _VALUE.findall(values)
            ]
            if not name or not listed or not all(listed):
                raise InvalidQueryError(
                    f"{term!r:.60} is not a filter; write the field, a colon and the value, such as "
                    "q='neuron_name:CB_*'."
                )
            if name in found:
                raise InvalidQueryError(
                    f"the field {name!r} is twice in q. One of several values is enough for a record; "
                    f"write them with commas: '{name}:a,b'."
                )
            found[name] = listed
    return found


def _filters(given: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the values to look for, by field.

    Raises
    ------
    InvalidQueryError
        A field has no value, or one that is not text or a number.
    """
    found = {}
    for name, value in given.items():
        scalar = isinstance(value, str | bytes) or not isinstance(value, Iterable)
        cells = pd.Series([value] if scalar else list(value), dtype=object).dropna()
        # A column of whole numbers with a missing one contains floats.
        whole = cells.map(lambda cell: isinstance(cell, float) and cell.is_integer())
        values = [int(cell) if is_whole else cell for cell, is_whole in zip(cells, whole, strict=True)]
        if not values or any(item == "" or isinstance(item, dict | list | bytes) for item in values):
            raise InvalidQueryError(
                f"{name}={value!r:.60} is not a value to look for; use text, a number or a list of them."
            )
        found[name] = list(dict.fromkeys(map(str, values)))
    return found


def _exploded(table: pd.DataFrame, name: Hashable) -> pd.DataFrame:
    if name not in field_types.LISTS:
        raise InvalidQueryError(
            f"{name!r} is not a column of lists; these are {', '.join(field_types.LISTS)}."
        )
    long = table.explode(name)
    long[name] = long[name].astype(TEXT)
    return long


def fields() -> pd.Index[Any]:
    """Return the names of the fields that a query can use.

    Returns
    -------
    Index
        Text.

    Examples
    --------
    >>> "species" in pdneuro.neuromorpho.fields()
    True
    """
    request = payload.get(payload.url(send.address(), "neuron", "fields"))
    names = send.document(request, parse.fields, Fetch.of())
    found: pd.Index[Any] = pd.Index(names, dtype=TEXT, name="field")
    return found


def field_values(name: str) -> pd.Index[Any]:
    """Return all values of a field, as a query spells them.

    Parameters
    ----------
    name : str
        One of :func:`fields`.

    Returns
    -------
    Index
        Text, in the order of the service.

    Raises
    ------
    UnknownFieldError
        There is no such field.

    Examples
    --------
    >>> pdneuro.neuromorpho.field_values("species")[:3].tolist()
    ['mouse', 'rat', 'drosophila melanogaster']
    """
    field_types.require([name], (*field_types.NEURON, *field_types.QUERY_ONLY), fields)
    found = send.values("neuron", "fields", name, "fields", Fetch.of())
    listed: pd.Index[Any] = pd.Index([value for value in found if value is not None], name=name)
    return listed


def counts(name: str, *, refresh: bool = False, **filters: Any) -> pd.Series[Any]:
    """Number of neurons for each value of a field, the most frequent first.

    Parameters
    ----------
    name : str
        One of :func:`fields`.
    refresh : bool
        With filters: download again what is cached.
    **filters
        Field and value, as for :func:`select`: count only neurons that match. The service counts without
        filters alone, so their records are downloaded, 500 neurons per request.

    Returns
    -------
    Series
        int64, ``neurons`` by value. A neuron with several values, such as several brain regions, counts
        once for each of them. A missing value is not counted.

    Raises
    ------
    UnknownFieldError
        There is no such field.
    InvalidQueryError
        A filter has no value.

    Examples
    --------
    >>> pdneuro.neuromorpho.counts("species").index[0]
    'mouse'
    >>> pdneuro.neuromorpho.counts("archive", species="mouse", cell_type="pyramidal").index[0]
    'Blue Ridge'
    """
    field_types.require([name], (*field_types.NEURON, *field_types.QUERY_ONLY), fields)
    if not filters:
        found = dict(send.values("neuron", "partition", name, "fields", Fetch.of(refresh=refresh)))
    else:
        wanted = _filters(filters)
        field_types.require(wanted, (*field_types.NEURON, *field_types.QUERY_ONLY), fields)
        records = send.select("neuron", wanted, field_types.ID, Fetch.of(refresh=refresh))
        found = Counter(value for record in records for value in _distinct_values(record, name))
    series = pd.Series(
        list(found.values()), pd.Index(list(found), name=name), dtype="int64", name="neurons"
    )
    query = ", ".join([name, *(f"{field}={value!r:.60}" for field, value in filters.items())])
    return stamp(
        series.sort_values(ascending=False, kind="stable"), source=send.SOURCE, query=f"counts({query})"
    )


def _distinct_values(record: Mapping[str, Any], name: str) -> list[Any]:
    """Return the values of a field of a record, each once; ``brain_region_2`` is the second of a list.

    >>> _distinct_values({"brain_region": ["neocortex", "layer 3"]}, "brain_region_2")
    ['layer 3']
    """
    if name in field_types.QUERY_ONLY and name not in record:
        stem, _, level = name.rpartition("_")
        if level.isdigit():
            values = record.get(stem)
            listed = values if isinstance(values, list) else [values]
            return [value for value in listed[int(level) - 1 : int(level)] if value is not None]
        name = "physical_Integrity"  # as records spell what a query calls Physical_Integrity
    cell = record.get(name)
    return list(dict.fromkeys(v for v in (cell if isinstance(cell, list) else [cell]) if v is not None))


def literature(
    *, everything: bool = False, raw: bool = False, refresh: bool = False, **filters: Any
) -> pd.DataFrame:
    """Return the papers of the reconstructions.

    Parameters
    ----------
    everything : bool
        Allow a call without filters.
    raw : bool
        Return every value unchanged.
    refresh : bool
        Download again what is cached.
    **filters
        Field and value, as for :func:`select`; the service's own fields of papers, such as ``pmid``,
        ``doi``, ``title``, ``authors``. ``id=`` selects one paper by its number.

    Returns
    -------
    DataFrame
        One row per paper, with the column names of the service (camelCase); ``publishedDate`` is
        datetime64[ns].

    Raises
    ------
    InvalidQueryError
        No filter and no ``everything=True``.
    ServiceError, OfflineError
        The request failed; or pdneuro is offline and the response is not cached.

    Examples
    --------
    >>> pdneuro.neuromorpho.literature(pmid="30000001")[["pmid", "year"]]
           pmid  year
    0  30000001  2010
    """
    if not filters and not everything:
        raise InvalidQueryError("no filter is given. Say what to look for, or everything=True.")
    fetch = Fetch.of(refresh=refresh)
    if set(filters) == {"id"}:
        request = payload.get(payload.url(send.address(), "literature", "id", filters["id"]))
        found = [send.document(request, parse.paper, fetch)]
    else:
        found = send.select("literature", _filters(filters), None, fetch)
    table = field_types.frame(found, (), raw=raw)
    if not raw:
        for name in table.columns.intersection(["publishedDate", "ocDate"]):
            numbers = pd.to_numeric(table[name], errors="coerce")
            moments = pd.to_datetime(numbers, unit="ms", errors="coerce")
            table[name] = moments.astype("datetime64[ns]")
    query = ", ".join(f"{name}={value!r:.60}" for name, value in filters.items()) or "everything"
    return stamp(table, source=send.SOURCE, query=f"literature({query})")


def health() -> dict[str, Any]:
    """Return whether the service responds, and whether its database has data. It is never cached.

    Returns
    -------
    dict
        ``status``: ``"up"``; ``"empty"``, which the service calls UP as well; ``"down"``.
        ``said``: the status that the service reports. ``neurons``: their number. ``detail``: the error.

    Examples
    --------
    >>> pdneuro.neuromorpho.health()["status"]
    'up'
    """
    return send.health(Fetch.of()._replace(offline=False, retries=0))
