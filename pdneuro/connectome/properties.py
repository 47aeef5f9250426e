"""The table of neurons of a local connectome: a frame, or a file of which columns are read."""

from __future__ import annotations

import os
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pdneuro.errors import PdneuroError
from pdneuro.files import column_names, id_name, read_neurons, read_table
from pdneuro.tables import roles
from pdneuro.tables.foreign import to_pandas
from pdneuro.tables.ids import Int64Array, distinct_ids
from pdneuro.tables.joins import lookup


class Neurons:
    """Properties by neuron.

    Parameters
    ----------
    table : DataFrame, path or None
    on : hashable, optional
        The column of IDs. Default: recognized, see :func:`pdneuro.tables.roles.id_column`.
    """

    def __init__(
        self, table: pd.DataFrame | str | os.PathLike[str] | None, on: Hashable | None = None
    ) -> None:
        table = to_pandas(table)
        if table is None:
            table = pd.DataFrame({"root_id": pd.Series(dtype="int64")})
        self._path: str | os.PathLike[str] | None = None
        self._on: Hashable | None
        if not isinstance(table, pd.DataFrame):
            try:
                self._on = id_name(table, on)
            except PdneuroError as error:
                error.add_note(f"The file is {os.fspath(table)}.")
                raise
            if self._on is None:  # the IDs are an index, or in several columns
                table = read_neurons(table, on, many="rows")
            else:
                self._path = table
                names = column_names(table)
        if isinstance(table, pd.DataFrame):
            column = roles.id_column(table, on)
            self._on = "root_id" if column.name is None else column.name
            self._frame = table.drop(columns=[self._on], errors="ignore")
            self._frame.insert(0, self._on, column)
            names = list(self._frame.columns)
        #: The column of IDs.
        self.on = self._on
        #: The columns except the IDs.
        self.columns = [name for name in names if name != self._on]

    def frame(self, columns: Sequence[Hashable] | None = None) -> pd.DataFrame:
        """Return the table, or the IDs and some columns of it."""
        chosen = None if columns is None else [self._on, *columns]
        if self._path is not None:
            return read_table(self._path, chosen)
        return self._frame if chosen is None else self._frame[chosen]

    def ids(self) -> Int64Array:
        """Return the distinct IDs."""
        return distinct_ids(self._ids(self.frame([])))

    def rows(self) -> tuple[pd.DataFrame, str]:
        """Return the rows with an ID, and the name of the column that holds the exact IDs."""
        table = self.frame()
        column = self._ids(table)
        kept = (column.notna() & (column != 0)).to_numpy(bool)
        name = str(self._on)
        return table[kept].assign(**{name: column[kept].to_numpy(dtype=np.int64)}), name

    def _ids(self, table: pd.DataFrame) -> pd.Series[Any]:
        return roles.id_column(table[self._on])

    def cells(self, ids: Int64Array, columns: Sequence[Hashable]) -> dict[str, pd.Series[Any]]:
        """Return entries of columns by ID, missing where an ID is not in the table."""
        table = self.frame(columns)
        (found,) = lookup([ids], self._ids(table), {name: table[name] for name in columns})
        return {str(name): pd.Series(cells) for name, cells in found.items()}
