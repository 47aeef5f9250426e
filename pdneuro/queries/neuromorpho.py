"""NeuroMorpho.org records, measurements and files for a column of neurons; or joined to a table.

Integers are ``neuron_id``, text is ``neuron_name``.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Unpack

import pandas as pd

from pdneuro._docs import documented
from pdneuro.options import FetchKeywords
from pdneuro.queries._call import Found, join, listed
from pdneuro.tables import roles


@documented()
def neuromorpho(
    neurons: Any,
    *fields: str,
    on: Hashable | None = None,
    key: str | None = None,
    raw: bool = False,
    **fetch: Unpack[FetchKeywords],
) -> pd.DataFrame:
    """Look up the NeuroMorpho.org records of neurons. Returns one row per input row.

    Parameters
    ----------
    {neurons}
    *fields : str
        Such as ``"species", "brain_region", "cell_type"``, one by one or as one list;
        :func:`pdneuro.known_names` and :func:`pdneuro.neuromorpho.fields` list them. Default: all. An
        age comes with its ``age_scale``.
    {neuron on}
    {key}
    raw : bool, default False
        Return the values of the service unchanged, in columns of objects.
    {fetch}

    Returns
    -------
    DataFrame
        Same length, order and index. ``neuron_id`` is int64 (Int64 if something is missing); numbers
        are Float64: ``surface`` and ``soma_surface`` in µm², ``volume`` in µm³, ``slicing_thickness``
        in µm, ages in ``age_scale``; ``upload_date`` and ``deposition_date`` datetime64[ns];
        ``brain_region, cell_type, experiment_condition, reference_pmid, reference_doi`` lists; all
        other fields text. "Not reported" and "Not applicable" become NA.

    Raises
    ------
    {neuron errors}

    Warns
    -----
    UnknownIdsWarning
        Neurons that the service does not know; their rows are NA.
    UnreadableValuesWarning
        Non-numeric values in a numeric column; they become NA.

    See Also
    --------
    join_neuromorpho : Add the columns to a table.
    pdneuro.last_report : The status of each neuron.

    Notes
    -----
    Source: https://neuromorpho.org/apiReference.html. License CC BY 4.0, RRID:SCR_002145; see
    :func:`pdneuro.neuromorpho.cite`.

    Examples
    --------
    >>> pd.Series([2, 1], index=["a", "b"]).neuro.neuromorpho("species", "min_age")
      species  min_age age_scale
    a   human     12.0      Year
    b     rat     11.0       Day
    """
    return _look_up("neuron", neurons, listed(fields), on, key, fetch, raw=raw)


@documented()
def morphometry(
    neurons: Any,
    *fields: str,
    on: Hashable | None = None,
    key: str | None = None,
    **fetch: Unpack[FetchKeywords],
) -> pd.DataFrame:
    """Look up the L-Measure measurements of neurons. Returns one row per input row.

    Parameters
    ----------
    {neurons}
    *fields : str
        Such as ``"length", "n_bifs", "soma_Surface"``, one by one or as one list.
        :func:`pdneuro.known_names` lists them. Default: all.
    {neuron on}
    {key}
    {fetch}

    Returns
    -------
    DataFrame
        Same length, order and index; numbers are Float64. ``width, height, depth, diameter,
        eucDistance, pathDistance, length`` in µm, ``surface`` and ``soma_Surface`` in µm², ``volume`` in
        µm³, bifurcation angles in degrees.

    Raises
    ------
    {neuron errors}

    Examples
    --------
    >>> pd.Series(["cell_0001"]).neuro.morphometry("n_stems", "n_bifs")
       n_stems  n_bifs
    0      4.0     3.0
    """
    return _look_up("morphometry", neurons, listed(fields), on, key, fetch)


@documented()
def persistence(
    neurons: Any,
    on: Hashable | None = None,
    *,
    wide: bool = False,
    key: str | None = None,
    **fetch: Unpack[FetchKeywords],
) -> pd.DataFrame:
    """Look up the persistence vectors of neurons. Returns one row per input row.

    Parameters
    ----------
    {neurons}
    {neuron on}
    wide : bool, default False
        Return one column per coefficient, not a list.
    {key}
    {fetch}

    Returns
    -------
    DataFrame
        Same length, order and index: ``scaling_factor`` and ``distance`` (Float64), ``coefficients``
        (lists of 100 floats); with ``wide``, ``coefficient_0`` ... (Float64).

    Raises
    ------
    {neuron errors}

    Examples
    --------
    >>> pd.Series([1, 2]).neuro.persistence(wide=True).shape
    (2, 102)
    """
    names = ["scaling_factor", "distance", "coefficients"]
    table = _look_up("persistence", neurons, names, on, key, fetch)
    if not wide:
        return table
    width = max((len(cell) for cell in table["coefficients"] if isinstance(cell, list)), default=0)
    cells = [cell if isinstance(cell, list) else [None] * width for cell in table["coefficients"]]
    matrix = pd.DataFrame(cells, index=table.index, dtype="Float64").add_prefix("coefficient_")
    whole = pd.concat([table.drop(columns="coefficients"), matrix], axis=1)
    whole.attrs = table.attrs
    return whole


@documented()
def swc(
    neurons: Any,
    version: str = "CNG",
    on: Hashable | None = None,
    *,
    folder: Any = None,
    strict: bool = False,
    key: str | None = None,
    **fetch: Unpack[FetchKeywords],
) -> pd.DataFrame:
    """Return the reconstructions of neurons as one node table.

    Parameters
    ----------
    {neurons}
    version : {"CNG", "source"}, default "CNG"
        The standardized file, or the file of the authors in its original format; "CNG version" and
        "Source-Version" mean the same.
    {neuron on}
    folder : path, optional
        Save the files in this folder too, unchanged.
    strict : bool, default False
        Raise for a file with any problem that ``.neuro.check()`` lists.
    {key}
    {fetch}

    Returns
    -------
    DataFrame
        Node table ``neuron, node, type, x, y, z, radius, parent`` (µm); ``neuron`` is the value in the
        column. Each neuron appears once.

    Raises
    ------
    {neuron errors}
    InvalidSwcError
        A file does not contain nodes. With ``strict``, a file has a problem.

    Examples
    --------
    >>> nodes = pd.Series(["cell_0001", "cell_0002"]).neuro.swc()
    >>> nodes.groupby("neuron", observed=True).size().shape
    (2,)
    """
    from pdneuro.neuromorpho import swc as fetch_files

    column = roles.neuromorpho_column(neurons, on)
    return fetch_files(column, version, folder=folder, strict=strict, key=key, **fetch)


@documented()
def join_neuromorpho(
    table: pd.DataFrame,
    *fields: str,
    on: Hashable | Sequence[Hashable] | None = None,
    prefix: str = "",
    suffix: str = "",
    overwrite: bool = False,
    how: str = "left",
    indicator: bool | str = False,
    key: str | None = None,
    **fetch: Unpack[FetchKeywords],
) -> pd.DataFrame:
    """Add the NeuroMorpho.org records of neurons to a table.

    Rows, order, index and dtypes stay the same, and the given table is not modified.

    Parameters
    ----------
    table : DataFrame
    *fields : str
        See :func:`neuromorpho`. Default: all fields, without the ID and the name if the table has them.
    {neuron on}
    {several on}
    {join}
    {key}
    {fetch}

    Returns
    -------
    DataFrame

    Raises
    ------
    {neuron errors}
    ColumnExistsError
        A new column already exists in the table with other values.

    Examples
    --------
    >>> pd.DataFrame({"neuron_id": [1, 2], "mine": [5, 6]}).neuro.join_neuromorpho("species")
       neuron_id  mine species
    0          1     5     rat
    1          2     6   human
    """
    present = {*table.columns, *table.index.names}
    return join(
        table,
        on,
        lambda column: _find("neuron", column, listed(fields), key, fetch),
        find=roles.neuromorpho_column,
        without=[] if fields else [name for name in ("neuron_id", "neuron_name") if name in present],
        prefix=prefix,
        suffix=suffix,
        overwrite=overwrite,
        how=how,
        indicator=indicator,
    )


@documented()
def join_morphometry(
    table: pd.DataFrame,
    *fields: str,
    on: Hashable | Sequence[Hashable] | None = None,
    prefix: str = "morphometry_",
    suffix: str = "",
    overwrite: bool = False,
    how: str = "left",
    indicator: bool | str = False,
    key: str | None = None,
    **fetch: Unpack[FetchKeywords],
) -> pd.DataFrame:
    """Add the L-Measure measurements of neurons to a table.

    Parameters
    ----------
    table : DataFrame
    *fields : str
        See :func:`morphometry`. Default: all measurements.
    {neuron on}
    {several on}
    {join}
    {key}
    {fetch}

    Returns
    -------
    DataFrame
        Same rows, order, index and dtypes; new columns are Float64, with the units of
        :func:`morphometry`. The default prefix keeps ``surface`` and ``volume`` apart from the fields of
        the same names in the records.

    Raises
    ------
    {neuron errors}
    ColumnExistsError
        A new column already exists in the table with other values.

    Examples
    --------
    >>> pd.DataFrame({"neuron_id": [1, 2]}).neuro.join_morphometry("n_stems", "n_bifs")
       neuron_id  morphometry_n_stems  morphometry_n_bifs
    0          1                  4.0                 3.0
    1          2                  5.0                 4.0
    """
    return join(
        table,
        on,
        lambda column: _find("morphometry", column, listed(fields), key, fetch),
        find=roles.neuromorpho_column,
        without=[] if fields else ["neuron_id", "neuron_name"],
        prefix=prefix,
        suffix=suffix,
        overwrite=overwrite,
        how=how,
        indicator=indicator,
    )


def _look_up(
    kind: str,
    neurons: Any,
    fields: list[str],
    on: Hashable | None,
    key: str | None,
    fetch: FetchKeywords,
    *,
    raw: bool = False,
) -> pd.DataFrame:
    column = roles.neuromorpho_column(neurons, on)
    table = _find(kind, column, fields, key, fetch, raw=raw).table
    return table.set_axis(neurons) if isinstance(neurons, pd.Index) else table


def _find(
    kind: str,
    column: pd.Series[Any],
    fields: list[str],
    key: str | None,
    fetch: FetchKeywords,
    *,
    raw: bool = False,
) -> Found:
    from pdneuro.neuromorpho.records import of_column

    return Found(*of_column(kind, column, fields, key, fetch, raw=raw))
