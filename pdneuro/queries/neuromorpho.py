"""What can be asked about a column or table of NeuroMorpho.org's neurons.

Each function is also a method: ``column.neuro.morphometry("length")``. Integers are ``neuron_id``, text
is ``neuron_name``.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Unpack

import pandas as pd

from pdneuro.options import FetchKeywords
from pdneuro.tables import joins, roles
from pdneuro.tables.provenance import KEY, stamp


def neuromorpho(
    neurons: pd.Series[Any],
    *fields: str,
    by: str | None = None,
    raw: bool = False,
    **fetch: Unpack[FetchKeywords],
) -> pd.DataFrame:
    """What NeuroMorpho.org says of neurons, one row a row of the column.

    Parameters
    ----------
    neurons : Series
        Integers are ``neuron_id``, text is ``neuron_name`` (text of a column called ``neuron_id``: IDs).
    *fields : str
        Such as ``"species", "brain_region", "cell_type"``; ``pdneuro.neuromorpho.fields()`` lists them.
        Default: all. An age comes with its ``age_scale``.
    by : {"neuron_id", "neuron_name"}, optional
        What the column holds, where that is not what it looks like.
    raw : bool
        The service's own words: every value as it came, in columns of objects.
    **fetch
        ``batch_size`` (neurons a request, at most 250), ``max_workers``, ``refresh``, ``progress``,
        ``on_error``, ``on_missing``. Default: the options of these names.

    Returns
    -------
    DataFrame
        Same length, order and index. ``neuron_id`` int64 (Int64 where something is missing); numbers
        Float64: ``surface`` and ``soma_surface`` in µm², ``volume`` in µm³, ``slicing_thickness`` in µm,
        ages in ``age_scale``; ``upload_date`` and ``deposition_date`` datetime64[ns]; ``brain_region,
        cell_type, experiment_condition, reference_pmid, reference_doi`` lists; all else text. What the
        service calls not reported or not applicable is NA.

    Raises
    ------
    UnknownFieldError
        There is no such field; names the nearest.
    InvalidIdError, PrecisionLossError
        The column mixes IDs and names, or holds no exact IDs.
    MultipleRecordsError
        Several neurons have one name.
    ServiceError, OfflineError
        The service failed, or not everything is stored. What had arrived is stored.

    Warns
    -----
    UnknownIdsWarning
        Neurons that the service does not know; their rows hold NA.
    UnreadableValuesWarning
        Values of a column of numbers that are no numbers.

    See Also
    --------
    join_neuromorpho : the same beside a table's columns.
    pdneuro.last_report : what became of each neuron.

    Notes
    -----
    Source: https://neuromorpho.org/apiReference.html. Licence CC BY 4.0, RRID:SCR_002145; see
    :func:`pdneuro.neuromorpho.cite`.

    Examples
    --------
    >>> pd.Series([2, 1], index=["a", "b"]).neuro.neuromorpho("species", "min_age")
      species  min_age age_scale
    a   human     12.0      Year
    b     rat     11.0       Day
    """
    from pdneuro.neuromorpho.records import of_column

    return of_column("neuron", neurons, fields, by, fetch, raw=raw)


def morphometry(
    neurons: pd.Series[Any],
    *fields: str,
    by: str | None = None,
    **fetch: Unpack[FetchKeywords],
) -> pd.DataFrame:
    """Measurements of neurons by L-Measure, one row a row of the column.

    Parameters
    ----------
    neurons, by, **fetch
        As for :func:`neuromorpho`.
    *fields : str
        Such as ``"length", "n_bifs", "soma_Surface"``. Default: all.

    Returns
    -------
    DataFrame
        Same length, order and index; numbers Float64. ``width, height, depth, diameter, eucDistance,
        pathDistance, length`` in µm, ``surface`` and ``soma_Surface`` in µm², ``volume`` in µm³,
        bifurcation angles in degrees.

    Raises
    ------
    Exception
        As for :func:`neuromorpho`.

    Examples
    --------
    >>> pd.Series(["cell_0001"]).neuro.morphometry("n_stems", "n_bifs")
       n_stems  n_bifs
    0      4.0     3.0
    """
    from pdneuro.neuromorpho.records import of_column

    return of_column("morphometry", neurons, fields, by, fetch)


def persistence(
    neurons: pd.Series[Any],
    *,
    wide: bool = False,
    by: str | None = None,
    **fetch: Unpack[FetchKeywords],
) -> pd.DataFrame:
    """Persistence vectors of neurons, one row a row of the column.

    Parameters
    ----------
    neurons, by, **fetch
        As for :func:`neuromorpho`.
    wide : bool
        A column for each coefficient in place of a list.

    Returns
    -------
    DataFrame
        Same length, order and index: ``scaling_factor`` and ``distance`` (Float64), ``coefficients``
        (lists of 100 floats); with ``wide``, ``coefficient_0`` ... (Float64).

    Raises
    ------
    Exception
        As for :func:`neuromorpho`.

    Examples
    --------
    >>> pd.Series([1, 2]).neuro.persistence(wide=True).shape
    (2, 102)
    """
    from pdneuro.neuromorpho.records import of_column

    names = ("scaling_factor", "distance", "coefficients")
    table = of_column("persistence", neurons, names, by, fetch)
    if not wide:
        return table
    width = max((len(cell) for cell in table["coefficients"] if isinstance(cell, list)), default=0)
    cells = [cell if isinstance(cell, list) else [None] * width for cell in table["coefficients"]]
    matrix = pd.DataFrame(cells, index=table.index, dtype="Float64").add_prefix("coefficient_")
    whole = pd.concat([table.drop(columns="coefficients"), matrix], axis=1)
    whole.attrs = table.attrs
    return whole


def swc(
    neurons: pd.Series[Any],
    version: str = "CNG",
    *,
    folder: Any = None,
    strict: bool = False,
    by: str | None = None,
    **fetch: Unpack[FetchKeywords],
) -> pd.DataFrame:
    """Reconstructions of the neurons as one node table.

    Parameters
    ----------
    neurons, by, **fetch
        As for :func:`neuromorpho`.
    version, folder, strict
        As for :func:`pdneuro.neuromorpho.swc`.

    Returns
    -------
    DataFrame
        Node table ``neuron, node, type, x, y, z, radius, parent`` (µm); ``neuron`` is what the column
        holds. Each neuron once.

    Raises
    ------
    Exception
        As for :func:`pdneuro.neuromorpho.swc`.

    Examples
    --------
    >>> nodes = pd.Series(["cell_0001", "cell_0002"]).neuro.swc()
    >>> nodes.groupby("neuron", observed=True).size().shape
    (2,)
    """
    from pdneuro.neuromorpho import swc as fetch_files

    return fetch_files(neurons, version, folder=folder, strict=strict, by=by, **fetch)


def join_neuromorpho(
    table: pd.DataFrame,
    *fields: str,
    on: Hashable | None = None,
    prefix: str = "",
    overwrite: bool = False,
    by: str | None = None,
    **fetch: Unpack[FetchKeywords],
) -> pd.DataFrame:
    """A table with what NeuroMorpho.org says of its neurons beside its columns.

    Rows, order, index and dtypes stay as they are, and the given table is untouched.

    Parameters
    ----------
    table : DataFrame
    *fields, by, **fetch
        As for :func:`neuromorpho`. By default all fields but the ID and the name where the table has
        them.
    on : hashable, optional
        The column of neurons. Default: ``neuron_id``, else ``neuron_name``.
    prefix : str
        Put in front of the new names.
    overwrite : bool
        Replace columns that have the new names.

    Returns
    -------
    DataFrame

    Raises
    ------
    MissingColumnsError, AmbiguousColumnError
        No column of neurons is recognised, or several are.
    ColumnExistsError
        A new name is taken.
    Exception
        As for :func:`neuromorpho`.

    Examples
    --------
    >>> pd.DataFrame({"neuron_id": [1, 2], "mine": [5, 6]}).neuro.join_neuromorpho("species")
       neuron_id  mine species
    0          1     5     rat
    1          2     6   human
    """
    return _joined("neuron", table, fields, on, prefix, overwrite, by, fetch)


def join_morphometry(
    table: pd.DataFrame,
    *fields: str,
    on: Hashable | None = None,
    prefix: str = "morphometry_",
    overwrite: bool = False,
    by: str | None = None,
    **fetch: Unpack[FetchKeywords],
) -> pd.DataFrame:
    """A table with the measurements of its neurons beside its columns.

    Parameters
    ----------
    table, on, overwrite, by, **fetch
        As for :func:`join_neuromorpho`.
    *fields : str
        As for :func:`morphometry`. Default: all measurements.
    prefix : str
        Put in front of the new names: ``surface``, ``volume`` and the soma's surface are in the
        neurons' records as well.

    Returns
    -------
    DataFrame
        Same rows, order, index and dtypes; new columns Float64, units as for :func:`morphometry`.

    Raises
    ------
    Exception
        As for :func:`join_neuromorpho`.

    Examples
    --------
    >>> pd.DataFrame({"neuron_id": [1, 2]}).neuro.join_morphometry("n_stems", "n_bifs")
       neuron_id  morphometry_n_stems  morphometry_n_bifs
    0          1                  4.0                 3.0
    1          2                  5.0                 4.0
    """
    return _joined("morphometry", table, fields, on, prefix, overwrite, by, fetch)


def _joined(
    kind: str,
    table: pd.DataFrame,
    fields: tuple[str, ...],
    on: Hashable | None,
    prefix: str,
    overwrite: bool,
    by: str | None,
    fetch: FetchKeywords,
) -> pd.DataFrame:
    from pdneuro.neuromorpho.records import of_column

    column = roles.neuromorpho_column(table, on)
    found = of_column(kind, column, fields, by, fetch)
    given = [column.name, *table.columns, *table.index.names]
    # What tells neurons apart need not be told again.
    known = [] if fields else [name for name in ("neuron_id", "neuron_name") if name in given]
    if kind != "neuron" and not fields:
        known = ["neuron_id", "neuron_name"]
    columns = {name: joins.cells_of(found[name]) for name in found.columns if name not in known}
    joined = joins.attach(table, columns, prefix=prefix, overwrite=overwrite)
    facts = {
        name: found.attrs[KEY][name] for name in ("licence", "rrid", "units") if name in found.attrs[KEY]
    }
    query = f"join_{found.attrs[KEY]['query']}"
    return stamp(joined, source="neuromorpho", query=query, earlier=joined.attrs, **facts)
