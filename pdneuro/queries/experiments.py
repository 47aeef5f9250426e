"""Tracer experiments of the Allen Brain Atlas in a column: their signal by structure."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd

from pdneuro._docs import documented
from pdneuro.queries._call import Found, join
from pdneuro.tables import roles
from pdneuro.tables.ids import distinct_ids, id_array
from pdneuro.tables.provenance import stamp
from pdneuro.transport.report import FOUND, MISSING, UNKNOWN


@documented()
def unionizes(
    experiments: Any,
    structures: Any = None,
    on: Hashable | None = None,
    *,
    hemisphere: int | None = None,
    is_injection: bool | None = None,
    graph_id: int = 1,
) -> pd.DataFrame:
    """Return the signal of tracer experiments by structure, in long form.

    Parameters
    ----------
    experiments : Series, Index, array, list or DataFrame
        IDs of experiments. Missing IDs have no rows.
    structures : int, str or iterable, optional
        A structure set, or structures by ID or acronym; the rows include their descendants. Default:
        all.
    {experiment on}
    hemisphere : int, optional
        1 left, 2 right, 3 both. Default: rows of each.
    is_injection : bool, optional
        Inside or outside the injection. Default: both.
    graph_id : int
        For ``structures``.

    Returns
    -------
    DataFrame
        The columns of :func:`pdneuro.allen.unionizes`; each experiment once.

    Raises
    ------
    {structure errors}

    See Also
    --------
    join_unionizes : Add one column per structure to a table.

    Examples
    --------
    >>> rows = pd.Series([100140756]).neuro.unionizes("TH", hemisphere=3, is_injection=False)
    >>> rows["projection_density"].head(2).round(3).tolist()
    [0.045, 0.041]
    """
    from pdneuro.allen import data_sets

    return data_sets.unionizes(
        distinct_ids(roles.experiment_column(experiments, on)),
        structures=structures,
        hemisphere=hemisphere,
        is_injection=is_injection,
        graph_id=graph_id,
    )


@documented()
def join_unionizes(
    table: pd.DataFrame,
    structure_set: Any,
    value: str = "projection_density",
    on: Hashable | None = None,
    *,
    prefix: str | None = None,
    suffix: str = "",
    overwrite: bool = False,
    how: str = "left",
    indicator: bool | str = False,
    hemisphere: int | str = 3,
    is_injection: bool = False,
    graph_id: int = 1,
    on_missing: str | None = None,
) -> pd.DataFrame:
    """Add the signal of tracer experiments to a table, one column per structure; same rows and order.

    Parameters
    ----------
    table : DataFrame
    structure_set : int, str or iterable
        A structure set by ID or name, ``"Beryl"`` or ``"Cosmos"``; or structures by ID or acronym. See
        :func:`pdneuro.queries.structures.rollup`.
    value : str, default "projection_density"
        A column of the unionizes; see :func:`pdneuro.allen.projection_matrix`.
    {experiment on}
    prefix : str, optional
        Text in front of each acronym. Default: ``value`` and ``_``.
    {join after prefix}
    hemisphere : int or str, default 3
        1 left, 2 right, 3 both, or ``"ipsilateral"``, ``"contralateral"``.
    is_injection : bool, default False
        The signal inside the injection, instead of outside.
    graph_id : int
        The graph of structures.
    on_missing : {"warn", "raise", "ignore"}, optional
        What to do about structures and experiments that are not known. Default: the option
        ``on_missing``.

    Returns
    -------
    DataFrame
        With columns such as ``projection_density_VISp`` (float64), in graph order. NaN if the service
        has no row.

    Raises
    ------
    {structure errors}
    UnknownStructureError
        ``structure_set`` is neither a set nor a structure.
    ColumnExistsError
        A new column already exists in the table with other values.

    Examples
    --------
    >>> found = pdneuro.allen.experiments("VISp")[["data_set_id", "structure_abbrev"]]
    >>> found.neuro.join_unionizes(["VISp", "TH"]).round(3)
       data_set_id structure_abbrev  projection_density_VISp  projection_density_TH
    0    100140756             VISp                    0.119                  0.045
    1    100140949             VISp                    0.080                  0.093
    2    126862385             VISp                    0.113                  0.105
    """
    from pdneuro.allen import data_sets

    def query(column: pd.Series[Any]) -> Found:
        numbers, _ = id_array(column)
        matrix = data_sets.unionize_columns(
            np.unique(numbers[numbers > 0]),
            structure_set,
            value,
            hemisphere=hemisphere,
            is_injection=is_injection,
            graph_id=graph_id,
            on_missing=on_missing,
        )
        rows = stamp(
            matrix.reindex(numbers).set_axis(column.index),
            source="allen",
            query=f"join_unionizes({structure_set!r:.60})",
        )
        known = np.isin(numbers, matrix.index)
        status = np.select([numbers <= 0, known], [MISSING, FOUND], UNKNOWN).astype(np.int8)
        return Found(rows, lambda: status)

    return join(
        table,
        on,
        query,
        find=roles.experiment_column,
        prefix=f"{value}_" if prefix is None else prefix,
        suffix=suffix,
        overwrite=overwrite,
        how=how,
        indicator=indicator,
    )
