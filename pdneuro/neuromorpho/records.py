"""Records and reconstructions of given neurons: of one, of a list, of a column."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Unpack
from urllib.parse import quote

import pandas as pd

from pdneuro._atomic import replacing
from pdneuro.errors import InvalidSwcError, NotFoundError, UnreadableFileWarning, listing, warn
from pdneuro.neuromorpho import field_types, lookup, payload, send
from pdneuro.options import Fetch, FetchKeywords
from pdneuro.tables import roles, skeletons
from pdneuro.tables import swc as swc_files
from pdneuro.tables.columns import repeat_rows
from pdneuro.tables.provenance import stamp
from pdneuro.transport.report import one_call

#: One neuron by ID or name, or several.
Asked = Any
_VERSIONS = {"cng": "CNG", "standard": "CNG", "source": "source", "original": "source"}


def neuron(
    id_or_name: Asked, *, raw: bool = False, key: str | None = None, **fetch: Unpack[FetchKeywords]
) -> Any:
    """What is said of a neuron: species, region, cell type, method, papers.

    Parameters
    ----------
    id_or_name : int, str or several
        ``neuron_id`` (integers) or ``neuron_name`` (text).
    raw : bool
        The service's own words: every value as it came.
    key : {"neuron_id", "neuron_name"}, optional
        What is given, where that is not what it looks like.
    **fetch
        As for :func:`pdneuro.queries.neuromorpho.neuromorpho`.

    Returns
    -------
    Series or DataFrame
        Of one neuron a series, by field; of several a frame, one row each. Fields, dtypes and units as
        for :func:`pdneuro.queries.neuromorpho.neuromorpho`.

    Raises
    ------
    NotFoundError
        There is no such neuron, and one was asked for. Of several, unknown ones are rows of NA, with
        a warning.
    ServiceError, OfflineError
        The service failed, or the record is not stored.

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
    id_or_name: Asked, *, raw: bool = False, key: str | None = None, **fetch: Unpack[FetchKeywords]
) -> Any:
    """Measurements of a neuron, by L-Measure.

    Parameters
    ----------
    id_or_name, raw, key, **fetch
        As for :func:`neuron`.

    Returns
    -------
    Series or DataFrame
        As for :func:`neuron`; numbers are Float64, lengths in µm, ``surface`` and ``soma_Surface`` in
        µm², ``volume`` in µm³, bifurcation angles in degrees.

    Raises
    ------
    Exception
        As for :func:`neuron`.

    Examples
    --------
    >>> float(pdneuro.neuromorpho.morphometry(1)["n_stems"])
    4.0
    """
    return _one_or_several("morphometry", id_or_name, raw, key, fetch)


def persistence(
    id_or_name: Asked, *, raw: bool = False, key: str | None = None, **fetch: Unpack[FetchKeywords]
) -> Any:
    """Persistence vector of a neuron: a hundred numbers that describe its branching.

    Parameters
    ----------
    id_or_name, raw, key, **fetch
        As for :func:`neuron`.

    Returns
    -------
    Series or DataFrame
        As for :func:`neuron`: ``neuron_id``, ``scaling_factor`` (µm), ``distance`` and ``coefficients``
        (a list of 100 floats).

    Raises
    ------
    Exception
        As for :func:`neuron`.

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
    neurons: Asked,
    version: str = "CNG",
    *,
    folder: Any = None,
    strict: bool = False,
    key: str | None = None,
    **fetch: Unpack[FetchKeywords],
) -> pd.DataFrame:
    """Reconstructions as one node table.

    Parameters
    ----------
    neurons : int, str, Series, DataFrame or several
        ``neuron_id`` or ``neuron_name``; of a frame the column of that name.
    version : {"CNG", "source"}
        The standardised file, or the one that the authors sent, in its own format.
    folder : path, optional
        Also save the files there as they are, also those that are no SWC files.
    strict : bool
        Refuse a file with anything that ``.neuro.check()`` lists.
    key : {"neuron_id", "neuron_name"}, optional
        What is given, where that is not what it looks like.
    **fetch
        As for :func:`pdneuro.queries.neuromorpho.neuromorpho`; ``max_workers`` files at once.

    Returns
    -------
    DataFrame
        Node table: ``neuron`` (as given: int64, or category of text), ``node``, ``type`` (int64),
        ``x, y, z, radius`` (float64, µm), ``parent`` (int64, -1 for a root). Each neuron once, in order
        of appearance; one without a file has no rows, and is reported.

    Raises
    ------
    NotFoundError
        One neuron was asked for, and there is no such neuron or file.
    InvalidSwcError
        A file holds no nodes; with ``strict``, what is wrong with it.
    ServiceError, OfflineError
        The service failed, sent an HTML page in place of a file, or the file is not stored. What had
        arrived is stored.

    Warns
    -----
    UnknownIdsWarning
        Of several neurons, those that the service does not know, or has no files of.
    UnreadableFileWarning
        Of several neurons, files without nodes; source files in another format than SWC. They are not in
        the table.

    Notes
    -----
    Source: https://neuromorpho.org/dableFiles. Files are kept by neuron, and asked for at the pace of
    the option ``neuromorpho_rate``.

    Examples
    --------
    >>> pdneuro.neuromorpho.swc(1).head(3)
       neuron  node  type    x    y    z  radius  parent
    0       1     1     1  0.0  0.0  0.0    6.00      -1
    1       1     2     3 -3.8  0.0  2.7    0.33       1
    2       1     3     3  2.8  5.3  1.5    0.59       1
    """
    if version.lower() not in _VERSIONS:
        raise ValueError(f"version is 'CNG' or 'source', not {version!r}.")
    kind = _VERSIONS[version.lower()]
    how = Fetch.of(**fetch)
    asked = lookup.neurons(_column(neurons), key)
    # That one neuron is unknown is an error; that some of many are, a warning.
    if _is_one(neurons):
        how = how._replace(on_missing="ignore", on_error="raise")
    with one_call(how):
        found = lookup.files(asked, kind, how)
    tables, names, others, broken = [], [], [], []
    for label, (record, content) in zip(asked.labels(), found, strict=True):
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
            f"{len(others):,} source files are no SWC files and are not in the table; they {saved}. "
            f"They are of {listing(others)}.",
            UnreadableFileWarning,
        )
    if _is_one(neurons) and not tables and not others:
        raise NotFoundError(
            f"NeuroMorpho.org has no reconstruction of {neurons!r} ({kind}).", status=404
        )
    table = skeletons.joined(tables, names)
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
    # A name may hold what no file name can.
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
) -> pd.DataFrame:
    """Records of a column's neurons, one row a row; see :mod:`pdneuro.queries.neuromorpho`."""
    how = Fetch.of(**fetch)
    asked = lookup.neurons(column, key)
    with one_call(how):
        columns = lookup.table(kind, asked, wanted, how, raw=raw)
    table = pd.DataFrame(repeat_rows(columns, asked.rows), index=column.index, copy=False)
    query = f"{kind}({', '.join(wanted)})"
    return stamp(table, source=send.SOURCE, query=query, **field_types.about(table.columns))


def _one_or_several(
    kind: str, given: Asked, raw: bool, key: str | None, fetch: FetchKeywords
) -> pd.Series[Any] | pd.DataFrame:
    if not _is_one(given):
        return of_column(kind, _column(given), (), key, fetch, raw=raw)
    quiet: FetchKeywords = {**fetch, "on_missing": "ignore", "on_error": "raise"}
    table = of_column(kind, _column([given]), (), key, quiet, raw=raw)
    record: pd.Series[Any] = table.astype(object).iloc[0].rename(given)
    if pd.isna(record[field_types.ID]):
        what = "neuron" if kind == "neuron" else f"{kind} of a neuron"
        raise NotFoundError(f"NeuroMorpho.org has no {what} {given!r}.", status=404)
    record.attrs = table.attrs
    return record


def _is_one(given: Asked) -> bool:
    return isinstance(given, str) or not hasattr(given, "__iter__")


def _column(given: Asked) -> pd.Series[Any]:
    if isinstance(given, pd.DataFrame):
        return roles.neuromorpho_column(given)
    if isinstance(given, pd.Series):
        return given
    if isinstance(given, pd.Index):
        return given.to_series(index=pd.RangeIndex(len(given)))
    items = [given] if _is_one(given) else list(given)
    # As objects: pandas would turn [id, None] into floats.
    return pd.Series(items, dtype=object)
