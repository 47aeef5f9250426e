"""Rows of the files of a connectome with further columns, by pair: arrays that are mapped from disk."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from pdneuro.errors import InvalidEdgesError
from pdneuro.tables.columns import array_of, take_or_na
from pdneuro.tables.edges import edge_table
from pdneuro.tables.grouping import Groups

#: How a cell is written: it is missing, an integer (or the number of a text), or a float.
_MISSING, _INTEGER, _FLOAT = 0, 1, 2
_DESCRIPTION = "columns.json"


@dataclass
class Column:
    """A further column, of which cells are 64 bits each until all are known.

    Attributes
    ----------
    name : hashable
    dtype : str
        Name of the dtype of pandas; of pieces with several dtypes the one that fits all.
    texts : list of str
        The distinct texts, by number.
    """

    name: Hashable
    dtype: str = ""
    texts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._numbers = {text: number for number, text in enumerate(self.texts)}
        self._has_values = False

    def encode(self, column: pd.Series[Any]) -> tuple[Any, Any]:
        """Return the cells of a piece as int64, and how each is written."""
        missing = column.isna().to_numpy(bool)
        written = np.where(missing, _MISSING, _INTEGER).astype(np.int8)
        dtype: Any = column.dtype
        if types.is_bool_dtype(dtype) and not isinstance(dtype, pd.CategoricalDtype):
            cells = column.fillna(False).to_numpy(dtype=np.int64)
        elif types.is_integer_dtype(dtype):
            if types.is_unsigned_integer_dtype(dtype) and column.max() >= 2**63:
                raise InvalidEdgesError(
                    f"column {self.name!r} has the number {column.max()}, beyond 64 bits. Write it as "
                    "text."
                )
            cells = column.fillna(0).to_numpy(dtype=np.int64)
        elif types.is_float_dtype(dtype):
            cells = column.to_numpy(dtype=np.float64, na_value=np.nan).view(np.int64)
            written[~missing] = _FLOAT
        else:
            self._require_text(column)
            codes, distinct = pd.factorize(array_of(column))
            for text in distinct:
                self._numbers.setdefault(text, len(self._numbers))
            self.texts = list(self._numbers)
            cells = np.array([*map(self._numbers.get, distinct), -1], np.int64)[codes]
        # A piece without values has no type yet.
        if not missing.all():
            self.dtype = self._common(str(dtype)) if self._has_values else str(dtype)
            self._has_values = True
        self.dtype = self.dtype or str(dtype)
        return cells, written

    def _require_text(self, column: pd.Series[Any]) -> None:
        """Raise an error for values that are not kept."""
        values = (
            column.cat.categories if isinstance(column.dtype, pd.CategoricalDtype) else column.dropna()
        )
        if types.infer_dtype(values) not in ("string", "empty"):
            other = next(value for value in values if not isinstance(value, str))
            raise InvalidEdgesError(
                f"column {self.name!r} contains {type(other).__name__} such as {other!r}. columns= "
                "keeps numbers, texts and truth values. Write other values in columns of these."
            )

    @staticmethod
    def _is_text(dtype: str) -> bool:
        return dtype in ("object", "category") or types.is_string_dtype(types.pandas_dtype(dtype))

    def _common(self, dtype: str) -> str:
        """Return the dtype of the pieces so far and of a further one."""
        if self.dtype == dtype:
            return dtype
        kinds = [types.pandas_dtype(name) for name in (self.dtype, dtype)]
        if all(types.is_numeric_dtype(kind) and not types.is_bool_dtype(kind) for kind in kinds):
            return "Float64" if any(map(types.is_float_dtype, kinds)) else "Int64"
        if all(map(self._is_text, (self.dtype, dtype))):
            return self.dtype
        raise InvalidEdgesError(
            f"column {self.name!r} has the type {self.dtype} in some rows and {dtype} in others. Write "
            "it with one type, for example as parquet."
        )

    def finish(self, cells: Any, written: Any) -> tuple[Any, Any]:
        """Return cells in the smallest array of their dtype, and which ones of integers are missing."""
        if self._is_text(self.dtype):
            return np.where(written == _MISSING, -1, cells).astype(np.int32), None
        dtype: Any = types.pandas_dtype(self.dtype)
        kind: Any = getattr(dtype, "numpy_dtype", dtype)
        if types.is_float_dtype(dtype):
            # The numbers of another piece of the column may be integers.
            floats = np.where(written == _INTEGER, cells.astype(np.float64), cells.view(np.float64))
            floats[written == _MISSING] = np.nan
            return floats.astype(kind), None
        return cells.astype(kind), written == _MISSING

    def read(self, cells: Any, missing: Any) -> Any:
        """Return some cells of an array of :meth:`finish` as an array of pandas."""
        if self.dtype == "category":
            return pd.Categorical.from_codes(cells, self.texts)
        if self._is_text(self.dtype):
            return take_or_na(array_of(pd.Series(self.texts, dtype=self.dtype)), cells)
        if isinstance(types.pandas_dtype(self.dtype), np.dtype):
            return cells
        if types.is_float_dtype(self.dtype):
            return pd.arrays.FloatingArray(cells, np.isnan(cells))  # type: ignore[attr-defined]
        kind = pd.arrays.BooleanArray if self.dtype == "boolean" else pd.arrays.IntegerArray
        return kind(cells, missing)


def encoded(columns: Sequence[Column], edges: pd.DataFrame) -> list[Any]:
    """Return the further columns of a piece as integers; the last array has how each cell is written."""
    arrays, written = [], np.zeros(len(edges), np.int64)
    for number, column in enumerate(columns):
        cells, kinds = column.encode(edges[column.name])
        arrays.append(cells)
        written |= kinds.astype(np.int64) << 2 * number
    return [*arrays, written] if columns else []


def rows_of_pairs(
    columns: Sequence[Column], groups: Groups, weight: Any, cells: Sequence[Any], before: int = 0
) -> dict[str, Any]:
    """Return the arrays of some rows, grouped by pair: the end of each pair, weights and cells.

    ``before`` is the number of rows of the pairs before these.
    """
    *values, written = cells
    ends = before + np.append(groups.starts[1:], len(groups.rows))[: len(groups.starts)]
    arrays = {"end": ends.astype(np.int64), "row_weight": weight[groups.rows]}
    for number, (column, array) in enumerate(zip(columns, values, strict=True)):
        found, missing = column.finish(array[groups.rows], written[groups.rows] >> 2 * number & 3)
        arrays[f"cells-{number}"] = found
        if missing is not None:
            arrays[f"missing-{number}"] = missing
    return arrays


def append(folder: Path, arrays: Mapping[str, Any]) -> None:
    """Append arrays to the files of their names."""
    for name, array in arrays.items():
        with (folder / f"{name}.{array.dtype.str[1:]}").open("ab") as file:
            file.write(np.ascontiguousarray(array))


class KeptRows:
    """Rows with further columns; those of a pair are adjacent, in the order of the files.

    Parameters
    ----------
    columns : list of Column
    arrays : mapping
        ``pair``: the number of the pair of each record of the index; the others are those of
        :func:`rows_of_pairs` for all pairs.
    """

    def __init__(self, columns: Sequence[Column], arrays: Mapping[str, Any]) -> None:
        self.columns, self.arrays = columns, arrays

    def save(self, folder: Path) -> None:
        """Write the arrays and the description of the columns."""
        append(folder, self.arrays)
        described = json.dumps([asdict(column) for column in self.columns])
        (folder / _DESCRIPTION).write_text(described)

    @classmethod
    def open(cls, folder: Path) -> KeptRows | None:
        """Open what :meth:`save` has written; None if no columns were kept."""
        description = folder / _DESCRIPTION
        if not description.exists():
            return None
        columns = [Column(**found) for found in json.loads(description.read_text())]
        arrays: dict[str, Any] = {}
        for file in folder.glob("*.[biuf][0-9]"):
            dtype = np.dtype(file.suffix[1:])
            # An empty file cannot be mapped.
            mapped = np.memmap(file, dtype, "r") if file.stat().st_size else np.zeros(0, dtype)
            arrays[file.stem] = np.asarray(mapped)
        return cls(columns, arrays)

    def table(self, pre: Any, post: Any, records: Any) -> pd.DataFrame:
        """Return the rows of some records of the index, whose IDs are ``pre`` and ``post``."""
        pair = self.arrays["pair"][records]
        end = self.arrays["end"]
        begin = np.where(pair > 0, end[pair - 1], 0)
        counts = end[pair] - begin
        row = np.repeat(begin - (np.cumsum(counts) - counts), counts)
        row += np.arange(len(row))
        weight = self.arrays["row_weight"][row]
        edges = edge_table(np.repeat(pre, counts), np.repeat(post, counts), weight)
        for number, column in enumerate(self.columns):
            cells, missing = (self.arrays.get(f"{kind}-{number}") for kind in ("cells", "missing"))
            edges[column.name] = column.read(cells[row], None if missing is None else missing[row])
        return edges
