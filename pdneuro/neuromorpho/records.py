"""Look up records and reconstructions of neurons: of one, of a list, of a column."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Unpack
from urllib.parse import quote

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro._atomic import replacing
from pdneuro.errors import (
    InvalidIdError,
    InvalidSwcError,
    MultipleRecordsError,
    NotFoundError,
    UnreadableFileWarning,
    listing,
    warn,
)
from pdneuro.neuromorpho import catalogue, field_types, parse, payload, send
from pdneuro.neuromorpho.field_types import ID, NAME
from pdneuro.options import Fetch, FetchKeywords
from pdneuro.tables import roles, skeletons
from pdneuro.tables import swc as swc_files
from pdneuro.tables.columns import check_choice, repeat_rows
from pdneuro.tables.ids import MISSING_TEXT, Int64Array
from pdneuro.tables.joins import distinct_rows
from pdneuro.tables.provenance import stamp
from pdneuro.transport.fetch import fetch_by_id
from pdneuro.transport.report import collect_report

#: One neuron by ID or name, or several.
OneOrSeveral = Any
Record = dict[str, Any]
#: Resource of the service, and fields, of each kind of record.
KINDS = {
    "neuron": ("neuron", field_types.NEURON),
    "morphometry": ("morphometry", field_types.MORPHOMETRY),
    "persistence": ("pvec", field_types.PERSISTENCE),
}
#: Versions by name; the service's folders are "CNG version" and "Source-Version".
_VERSIONS = {
    "cng": "CNG",
    "cng version": "CNG",
    "standard": "CNG",
    "source": "source",
    "source version": "source",
    "original": "source",
}


def neuron(
    id_or_name: OneOrSeveral,
    *,
    raw: bool = False,
    key: str | None = None,
    **fetch: Unpack[FetchKeywords],
) -> Any:
    """Look up a neuron: species, region, cell type, method, papers.

    Parameters
    ----------
    id_or_name : int, str or several
        ``neuron_id`` (integers) or ``neuron_name`` (text).
    raw : bool
        Return every value unchanged.
    key : {"neuron_id", "neuron_name"}, optional
        What is given. Default: recognized by the values.
    **fetch
        ``batch_size, max_workers, refresh, progress, on_error, on_missing``; see
        :func:`pdneuro.queries.neuromorpho.neuromorpho`.

    Returns
    -------
    Series or DataFrame
        A Series by field for one neuron; a DataFrame with one row per neuron for several. Fields,
        dtypes and units are those of :func:`pdneuro.queries.neuromorpho.neuromorpho`.

    Raises
    ------
    NotFoundError
        There is no such neuron, and one was given. Of several, unknown ones are rows of NA, with
        a warning.
    ServiceError, OfflineError
        The request failed; or pdneuro is offline and the record is not cached.

    Examples
    --------
    >>> pdneuro.neuromorpho.neuron(1)[["neuron_name", "species", "brain_region"]]
    neuron_name              cell_0001
    species                        rat
    brain_region    [hippocampus, CA1]
    Name: 1, dtype: object
    """
    return _one_or_several("neuron", id_or_name, raw, key, fetch)


def morphometry(
    id_or_name: OneOrSeveral,
    *,
    raw: bool = False,
    key: str | None = None,
    **fetch: Unpack[FetchKeywords],
) -> Any:
    """Look up the measurements of a neuron, computed with L-Measure.

    Parameters
    ----------
    id_or_name, raw, key, **fetch
        The neurons and options of the request, see :func:`neuron`.

    Returns
    -------
    Series or DataFrame
        See :func:`neuron`. Numbers are Float64, lengths in µm, ``surface`` and ``soma_Surface`` in µm²,
        ``volume`` in µm³, bifurcation angles in degrees.

    Raises
    ------
    NotFoundError
        One neuron was given, and it does not exist.
    ServiceError, OfflineError
        The request failed; or pdneuro is offline and the record is not cached.

    Examples
    --------
    >>> float(pdneuro.neuromorpho.morphometry(1)["n_stems"])
    4.0
    """
    return _one_or_several("morphometry", id_or_name, raw, key, fetch)


def persistence(
    id_or_name: OneOrSeveral,
    *,
    raw: bool = False,
    key: str | None = None,
    **fetch: Unpack[FetchKeywords],
) -> Any:
    """Look up the persistence vector of a neuron: a hundred numbers that describe its branching.

    Parameters
    ----------
    id_or_name, raw, key, **fetch
        The neurons and options of the request, see :func:`neuron`.

    Returns
    -------
    Series or DataFrame
        See :func:`neuron`. ``neuron_id``, ``scaling_factor`` (µm), ``distance`` and ``coefficients`` (a
        list of 100 floats).

    Raises
    ------
    NotFoundError
        One neuron was given, and it does not exist.
    ServiceError, OfflineError
        The request failed; or pdneuro is offline and the record is not cached.

    Notes
    -----
    Source: Li et al. 2017, https://doi.org/10.1371/journal.pone.0182184.

    Examples
    --------
    >>> len(pdneuro.neuromorpho.persistence(1)["coefficients"])
    100
    """
    return _one_or_several("persistence", id_or_name, raw, key, fetch)


def swc(
    neurons: OneOrSeveral,
    version: str = "CNG",
    *,
    folder: Any = None,
    strict: bool = False,
    key: str | None = None,
    **fetch: Unpack[FetchKeywords],
) -> pd.DataFrame:
    """Return reconstructions as one node table.

    Parameters
    ----------
    neurons : int, str, Series, DataFrame or several
        ``neuron_id`` or ``neuron_name``; of a frame the column of that name.
    version : {"CNG", "source"}
        The standardized file, or the one that the authors sent, in its format. The names of the
        service's folders, "CNG version" and "Source-Version", mean the same.
    folder : path, optional
        Also save the files there unchanged, including those that are not SWC files.
    strict : bool
        Raise an error for a file with a problem that ``.neuro.check()`` lists.
    key : {"neuron_id", "neuron_name"}, optional
        What is given. Default: recognized by the values.
    **fetch
        See :func:`pdneuro.queries.neuromorpho.neuromorpho`; ``max_workers`` is the maximum number of
        files downloaded at the same time.

    Returns
    -------
    DataFrame
        Node table: ``neuron`` (as given: int64, or category of text), ``node``, ``type`` (int64),
        ``x, y, z, radius`` (float64, µm), ``parent`` (int64, -1 for a root). Each neuron appears once,
        in order of appearance. A neuron without a file has no rows, and is reported.

    Raises
    ------
    NotFoundError
        One neuron was given, and there is no such neuron or file.
    InvalidSwcError
        A file contains no nodes; with ``strict``, any problem.
    ServiceError, OfflineError
        The request failed or the service sent an HTML page instead of a file; or pdneuro is offline and
        the file is not cached. Responses received so far are cached.

    Warns
    -----
    UnknownIdsWarning
        Of several neurons, those that the service does not know, or has no files of.
    UnreadableFileWarning
        Of several neurons, files without nodes, and source files in another format than SWC. They are
        not in the table.

    Notes
    -----
    Source: https://neuromorpho.org/dableFiles. Files are cached by neuron, and requested at the rate of
    the option ``neuromorpho_rate``.

    Examples
    --------
    >>> pdneuro.neuromorpho.swc(1).head(3)
       neuron  node  type     x     y    z  radius  parent
    0       1     1     1   0.0   0.0  0.0     6.0      -1
    1       1     2     3   0.0  11.2 -0.8     1.4       1
    2       1     3     3 -13.5   0.0 -4.7     1.4       1
    """
    kind = _VERSIONS.get(re.sub(r"[\s_-]+", " ", str(version)).strip().lower())
    if kind is None:
        raise ValueError(f"version is 'CNG' or 'source', not {version!r}.")
    how = Fetch.of(**fetch)
    column = _column(neurons)
    distinct = _neurons(column, key)
    # One unknown neuron is an error; some of many are a warning.
    if _is_one(neurons):
        how = how._replace(on_missing="ignore", on_error="raise")
    with collect_report(how):
        found = _files(distinct, kind, how)
    tables, names, others, broken = [], [], [], []
    for label, (record, content) in zip(distinct.labels(), found, strict=True):
        if record is None or content is None:
            continue
        ending = ".CNG.swc" if kind == "CNG" else payload.source_ending(record.get("original_format"))
        if folder is not None:
            _save(folder, f"{record[field_types.NAME]}{ending}", content)
        if not ending.lower().endswith(".swc"):
            others.append(f"{label} ({ending})")
            continue
        try:
            tables.append(swc_files.parse(content, str(label), strict=strict))
        except InvalidSwcError as error:
            if strict or _is_one(neurons):
                raise
            broken.append(str(error))
            continue
        names.append(label)
    if broken:
        warn(
            f"{len(broken):,} files cannot be read and are not in the table: {listing(broken, 3)}",
            UnreadableFileWarning,
        )
    if others:
        saved = "are saved as they are" if folder is not None else "can be saved: folder=..."
        warn(
            f"{len(others):,} source files are not SWC files and are not in the table; they {saved}. "
            f"They are of {listing(others)}.",
            UnreadableFileWarning,
        )
    if _is_one(neurons) and not tables and not others:
        raise NotFoundError(
            f"NeuroMorpho.org has no reconstruction of {neurons!r} ({kind}).", status=404
        )
    are_ids = ID in (key, str(column.name).casefold()) or pd.api.types.is_integer_dtype(column.dtype)
    nothing = skeletons.empty(of_ids=are_ids and not distinct.names)
    table = skeletons.joined(tables, names) if tables else nothing
    problems = sum(part.attrs["pdneuro"].get("problems", 0) for part in tables)
    more = {"problems": problems} if problems else {}
    return stamp(
        table,
        source=send.SOURCE,
        query=f"swc({len(names):,} neurons, {kind})",
        **field_types.about(()),
        **more,
    )


def _save(folder: Any, name: str, content: bytes) -> None:
    place = Path(folder).expanduser()
    place.mkdir(parents=True, exist_ok=True)
    # A name may contain characters that a file name cannot.
    with replacing(place / quote(name, safe=" ()[]+,;=@!$&")) as unfinished:
        unfinished.write_bytes(content)


def of_column(
    kind: str,
    column: pd.Series[Any],
    wanted: Sequence[str],
    key: str | None,
    fetch: FetchKeywords,
    *,
    raw: bool = False,
) -> tuple[pd.DataFrame, Callable[[], npt.NDArray[np.int8]]]:
    """Return the records of a column's neurons, one row per row of the column; and their status."""
    how = Fetch.of(**fetch)
    distinct = _neurons(column, key)
    with collect_report(how) as report:
        first = len(report.fetches)
        columns, requested = _table(kind, distinct, wanted, how, raw=raw)
    table = pd.DataFrame(repeat_rows(columns, distinct.rows), index=column.index, copy=False)
    query = f"{kind}({', '.join(wanted)})"
    table = stamp(table, source=send.SOURCE, query=query, **field_types.about(table.columns))

    def status() -> npt.NDArray[np.int8]:
        of_keys, of_records = report.status(distinct.keys, first), report.status(requested, first)
        found: npt.NDArray[np.int8] = np.where(requested == 0, of_keys, of_records)[distinct.rows]
        return found

    return table, status


def _one_or_several(
    kind: str, given: OneOrSeveral, raw: bool, key: str | None, fetch: FetchKeywords
) -> pd.Series[Any] | pd.DataFrame:
    if not _is_one(given):
        return of_column(kind, _column(given), (), key, fetch, raw=raw)[0]
    quiet: FetchKeywords = {**fetch, "on_missing": "ignore", "on_error": "raise"}
    table, _ = of_column(kind, _column([given]), (), key, quiet, raw=raw)
    record: pd.Series[Any] = table.astype(object).iloc[0].rename(given)
    if pd.isna(record[field_types.ID]):
        what = "neuron" if kind == "neuron" else f"{kind} of a neuron"
        raise NotFoundError(f"NeuroMorpho.org has no {what} {given!r}.", status=404)
    record.attrs = table.attrs
    return record


def _is_one(given: OneOrSeveral) -> bool:
    return isinstance(given, str) or not hasattr(given, "__iter__")


def _column(given: OneOrSeveral) -> pd.Series[Any]:
    if isinstance(given, pd.DataFrame):
        return roles.neuromorpho_column(given)
    if isinstance(given, pd.Series):
        return given
    if isinstance(given, pd.Index):
        return given.to_series(index=pd.RangeIndex(len(given)))
    items = [given] if _is_one(given) else list(given)
    # Objects, because pandas would turn [id, None] into floats.
    return pd.Series(items, dtype=object)


# -- distinct neurons ----------------------------------------------------------------------------


class Neurons(NamedTuple):
    """The distinct neurons of a column, and the position of each row among them."""

    #: ``"neuron_id"`` or ``"neuron_name"``.
    key: str
    #: IDs, or numbers for names; 0 for a missing one.
    keys: Int64Array
    #: Names by key; empty where IDs were given.
    names: dict[int, str]
    rows: Any

    def labels(self) -> list[Any]:
        """Return the IDs or names that were given."""
        return [self.names.get(key, key) for key in self.keys.tolist()]


def _neurons(column: pd.Series[Any], key: str | None = None) -> Neurons:
    """Return the distinct neurons of a column.

    Parameters
    ----------
    column : Series
        Integers are IDs, text is names; but for a column called ``neuron_id`` or ``neuron_name``.
    key : {"neuron_id", "neuron_name"}, optional
        What the column contains. Default: recognized by the name of the column and its values.

    Raises
    ------
    InvalidIdError
        IDs and names are mixed, or numbers are not IDs.
    """
    check_choice("key", key, (None, ID, NAME))
    # The name of the column decides, in any case: the names of neurons may be numbers.
    called = str(column.name).casefold()
    key = key or (called if called in (ID, NAME) else None)
    if key == ID or (key is None and not _holds_text(column)):
        keys, rows = distinct_rows(column)
        return Neurons(ID, keys, {}, rows)
    text = column.astype(object).where(column.notna(), "").map(_as_name)
    rows, distinct = pd.factorize(text.where(~text.isin(MISSING_TEXT - {"NA", "nan"}), ""))
    keys = np.array([send.key_of_name(name) if name else 0 for name in distinct], np.int64)
    return Neurons(
        NAME, keys, {int(key): name for key, name in zip(keys, distinct, strict=True) if key}, rows
    )


def _as_name(cell: Any) -> str:
    whole = isinstance(cell, float) and cell.is_integer()
    return str(int(cell)) if whole else str(cell)


def _holds_text(column: pd.Series[Any]) -> bool:
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = pd.Series(column.cat.categories, name=column.name)
    kind = pd.api.types.infer_dtype(column, skipna=True)
    if not kind.startswith("mixed"):
        return kind == "string"
    present = column[column.notna()]
    is_text = present.map(lambda cell: isinstance(cell, str)).to_numpy(bool)
    if not is_text.any():
        return False
    number, name = present[~is_text].index[0], present[is_text].index[0]
    raise InvalidIdError(
        f"column {column.name!r} mixes IDs and names: {present[number]!r} (row {number!r}) and "
        f"{present[name]!r} (row {name!r}). Look them up in two columns, or use key={ID!r}."
    )


def _records(kind: str, neurons: Neurons, fetch: Fetch) -> tuple[list[Record | None], Int64Array]:
    """Return the record of each distinct neuron, None without one; and the ID it was requested by.

    The ID is 0 for a record that was requested by name.

    Raises
    ------
    MultipleRecordsError
        Several neurons have one name.
    ServiceError, OfflineError
        The request failed; or pdneuro is offline and some records are not cached.
    """
    if neurons.key == ID:
        return _by_id(KINDS[kind][0], neurons.keys, fetch), neurons.keys
    found = _by_name(neurons, fetch)
    if kind == "neuron":
        return found, np.zeros(len(found), np.int64)
    # Other records are requested by ID, which is in the record of the neuron.
    ids = np.array([0 if record is None else record[ID] for record in found], np.int64)
    distinct, places = np.unique(ids, return_inverse=True)
    others = _by_id(KINDS[kind][0], distinct, fetch)
    return [others[place] for place in places], ids


def _by_id(resource: str, ids: Int64Array, fetch: Fetch) -> list[Record | None]:
    query = send.by_id(resource, fetch)
    size = min(fetch.batch_size, payload.IDS_AT_ONCE)
    answers = fetch_by_id(ids[ids != 0], query, fetch._replace(batch_size=size))
    return _spread(ids, [None if body is None else parse.decoded(body) for body in answers.payloads])


def _by_name(neurons: Neurons, fetch: Fetch) -> list[Record | None]:
    query = send.by_name(neurons.names, fetch)
    size = min(fetch.batch_size, payload.NAMES_AT_ONCE)
    keys = neurons.keys[neurons.keys != 0]
    answers = fetch_by_id(keys, query, fetch._replace(batch_size=size))
    lists = [None if body is None else msgspec.json.decode(body) for body in answers.payloads]
    several = [
        f"{neurons.names[key]!r} (IDs {', '.join(str(record.get(ID)) for record in found)})"
        for key, found in zip(keys.tolist(), lists, strict=True)
        if found is not None and len(found) > 1
    ]
    if several:
        raise MultipleRecordsError(
            f"{len(several):,} names are of several neurons: {listing(several, 3)}. Look them up "
            f"by {ID}."
        )
    return _spread(neurons.keys, [None if found is None else found[0] for found in lists])


def _spread(ids: Int64Array, entries: Sequence[Record | None]) -> list[Record | None]:
    """Return the entries of the IDs, with None for the missing one."""
    rest = iter(entries)
    return [None if number == 0 else next(rest) for number in ids]


def _table(
    kind: str, neurons: Neurons, wanted: Sequence[str], fetch: Fetch, *, raw: bool = False
) -> tuple[dict[str, Any], Int64Array]:
    """Return the columns of the distinct neurons' records, and the IDs as in :func:`_records`.

    Raises
    ------
    UnknownFieldError
        The records do not have a field.
    """
    known = KINDS[kind][1]
    more = catalogue.fields if kind == "neuron" else tuple
    field_types.require(wanted, (*known, "_links") if raw else known, more)
    names = list(dict.fromkeys(wanted or known))
    if {"min_age", "max_age"} & set(names) and "age_scale" not in names:
        names.append("age_scale")  # without it an age means nothing
    entries, requested = _records(kind, neurons, fetch)
    if not raw:
        return field_types.columns(entries, names), requested
    columns = {}
    for name in names:
        columns[name] = np.empty(len(entries), object)
        columns[name][:] = [None if entry is None else entry.get(name) for entry in entries]
    return columns, requested


def _files(neurons: Neurons, version: str, fetch: Fetch) -> list[tuple[Record | None, bytes | None]]:
    """Return the record and the file of each distinct neuron, None without one."""
    found, _ = _records("neuron", neurons, fetch)
    where = send.files_address()
    urls = {
        int(record[ID]): payload.file_url(
            where,
            str(record["archive"]),
            str(record[NAME]),
            version,
            payload.source_ending(record.get("original_format")),
        )
        for record in found
        if record is not None and record.get("archive")
    }
    ids = np.array(sorted(urls), np.int64)
    answers = fetch_by_id(ids, send.files(urls, version, fetch), fetch._replace(batch_size=1))
    contents = {
        number: zlib.decompress(body)
        for number, body in zip(ids.tolist(), answers.payloads, strict=True)
        if body is not None
    }
    return [(record, None if record is None else contents.get(int(record[ID]))) for record in found]
