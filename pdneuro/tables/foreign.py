"""Tables of DuckDB, polars, pyarrow and other libraries as pandas objects, by Arrow's C stream."""

from __future__ import annotations

import json
import re
from typing import Any

import pandas as pd

from pdneuro._compat import optional

#: Where pandas stores ``attrs`` in a parquet file.
ATTRS = b"PANDAS_ATTRS"
#: Names that pandas gives to an index without a name in parquet and feather.
_UNNAMED_INDEX = re.compile(r"__index_level_\d+__")
#: Libraries whose objects already have an accessor, or are lazy themselves.
_NATIVE = ("pandas", "xarray", "dask", "numpy", "builtins")
#: Methods that run a lazy table, by library.
_RUN = {"polars": "collect", "narwhals": "collect", "pyarrow": "to_table"}


def to_pandas(given: Any) -> Any:
    """Return a table of another library as a frame, a column as a Series; other objects unchanged.

    Parameters
    ----------
    given : object
        A DuckDB relation, a polars or narwhals frame (also a lazy one), a pyarrow table, dataset or
        record batch reader, or any other object with Arrow's C stream interface.

    Returns
    -------
    object
        Integers, also unsigned ones and those with missing values, stay exact.

    Examples
    --------
    >>> import pyarrow
    >>> from pdneuro.tables.foreign import to_pandas
    >>> to_pandas(pyarrow.table({"root_id": [720575940621522189, None]}))
                  root_id
    0  720575940621522189
    1                <NA>
    """
    library = type(given).__module__.partition(".")[0]
    if library in _NATIVE:
        return given
    if not hasattr(given, "__arrow_c_stream__") and hasattr(given, _RUN.get(library, "__none__")):
        given = getattr(given, _RUN[library])()
    if not any(hasattr(given, f"__arrow_c_{kind}__") for kind in ("stream", "array")):
        return given
    arrow = optional("pyarrow", "files")
    try:
        return from_arrow(arrow.RecordBatchReader.from_stream(given).read_all(), True)
    except (arrow.ArrowException, TypeError, ValueError):  # a column, of several arrays or of one
        column = arrow.chunked_array(given)
    cells = from_arrow(arrow.table({"": column}), False)[""]
    return cells.rename(getattr(given, "name", None))


def from_arrow(data: Any, whole: bool) -> pd.DataFrame:
    """Return an Arrow table as a frame."""
    data = data.cast(_readable_schema(data))
    # By default, to_pandas() converts integers with missing values to floats.
    table: pd.DataFrame = data.to_pandas(types_mapper=_nullable().get, ignore_metadata=True)
    for place, field in enumerate(data.schema):
        if field.type.num_fields == 1:  # in arrays, integers would become floats
            lists = data.column(place).to_pylist()
            cells: Any = pd.Series(lists, index=table.index, dtype=object)
            table.isetitem(place, cells)
        elif isinstance(table.dtypes.iloc[place], pd.Float32Dtype | pd.Float64Dtype):
            cells = _without_nan(table.iloc[:, place])
            table.isetitem(place, cells)
    unnamed = [name for name in table.columns if _UNNAMED_INDEX.fullmatch(name)]
    if unnamed and whole:
        table = table.set_index(unnamed).rename_axis([None] * len(unnamed))
    metadata = data.schema.metadata or {}
    attributes = json.loads(metadata.get(b"pandas", b"{}")).get("attributes")
    table.attrs = dict(attributes or json.loads(metadata.get(ATTRS, b"{}")))
    return table


def _without_nan(column: Any) -> pd.Series[Any]:
    """Return floats in which NaN is a missing value, as in pandas; polars and DuckDB write both."""
    dtype: Any = column.dtype
    numbers = column.to_numpy(dtype=dtype.numpy_dtype, na_value=float("nan"))
    return pd.Series(pd.array(numbers, dtype=dtype), name=column.name)


def _readable_schema(data: Any) -> Any:
    """Return a schema of types that pandas reads, and without decimals that are integers."""
    arrow = optional("pyarrow", "files")
    types = arrow.types
    fields = []
    for place, field in enumerate(data.schema):
        kind = field.type
        if types.is_dictionary(kind):
            # pandas has no categories with unsigned codes.
            kind = arrow.dictionary(arrow.int32(), arrow.string(), kind.ordered)
            kind = kind if _is_text(field.type.value_type) else field.type
        elif _is_text(kind):
            kind = arrow.large_string()
        elif types.is_decimal(kind) and kind.scale == 0 and _fits(data.column(place)):
            kind = arrow.int64()  # the sum of integers in DuckDB
        fields.append(field.with_type(kind))
    return arrow.schema(fields, data.schema.metadata)


def _is_text(kind: Any) -> bool:
    return str(kind) in ("string", "large_string", "string_view")


def _fits(column: Any) -> bool:
    """Return whether decimals without a fraction fit into 64 bits."""
    arrow = optional("pyarrow", "files")
    try:
        column.cast(arrow.int64())
    except arrow.ArrowInvalid:
        return False
    return True


def _nullable() -> dict[Any, Any]:
    arrow = optional("pyarrow", "files")
    signed = {
        getattr(arrow, f"int{bits}")(): getattr(pd, f"Int{bits}Dtype")() for bits in (8, 16, 32, 64)
    }
    unsigned = {
        getattr(arrow, f"uint{bits}")(): getattr(pd, f"UInt{bits}Dtype")() for bits in (8, 16, 32, 64)
    }
    text = dict.fromkeys((arrow.string(), arrow.large_string()), pd.StringDtype())
    other = {
        arrow.bool_(): pd.BooleanDtype(),
        arrow.float32(): pd.Float32Dtype(),
        arrow.float64(): pd.Float64Dtype(),
    }
    return {**signed, **unsigned, **text, **other}
