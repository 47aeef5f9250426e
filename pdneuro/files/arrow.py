"""Tables in parquet and feather files: exact integers, attrs."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pandas as pd

from pdneuro._compat import optional
from pdneuro.errors import AmbiguousColumnError, InvalidFileError
from pdneuro.files.formats import ARROW

#: Where pandas stores ``attrs`` in a parquet file.
_ATTRS = b"PANDAS_ATTRS"
#: Names that pandas gives to an index without a name in parquet and feather.
_UNNAMED_INDEX = re.compile(r"__index_level_\d+__")


def arrow_names(file: Path, ending: str) -> list[str]:
    """Return the column names of a parquet or feather file."""
    if ARROW[ending] == "parquet":
        return list(optional("pyarrow.parquet", "files").read_schema(file).names)
    with optional("pyarrow", "files").OSFile(os.fspath(file)) as opened:
        return list(optional("pyarrow.ipc", "files").open_file(opened).schema.names)


def from_arrow(data: Any, whole: bool) -> pd.DataFrame:
    """Return an Arrow table as a frame."""
    # By default, to_pandas() converts integers with missing values to floats.
    table: pd.DataFrame = data.to_pandas(types_mapper=_nullable().get, ignore_metadata=True)
    for name in data.schema.names:
        if data.schema.field(name).type.num_fields == 1:  # in arrays, integers would become floats
            lists = data.column(name).to_pylist()
            table[name] = pd.Series(lists, index=table.index, dtype=object)
    unnamed = [name for name in table.columns if _UNNAMED_INDEX.fullmatch(name)]
    if unnamed and whole:
        table = table.set_index(unnamed).rename_axis([None] * len(unnamed))
    metadata = data.schema.metadata or {}
    attributes = json.loads(metadata.get(b"pandas", b"{}")).get("attributes")
    table.attrs = dict(attributes or json.loads(metadata.get(_ATTRS, b"{}")))
    return table


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


def write_arrow(table: pd.DataFrame, unfinished: Path, target: Path, ending: str) -> None:
    """Write a parquet or feather file with the attrs of the table."""
    arrow = optional("pyarrow", "files")
    repeated = table.columns[table.columns.duplicated()]
    if len(repeated):
        raise AmbiguousColumnError(
            f"several columns are called {repeated[0]!r}, which {target.name} cannot hold. "
            "Rename all but one."
        )
    rows = table.rename(columns=str).reset_index(drop=True)
    try:
        data = arrow.Table.from_pandas(rows, preserve_index=False)
    except (arrow.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise InvalidFileError(
            f"{target.name} cannot hold the table: {error}. Convert the column, or write csv."
        ) from error
    if table.attrs:
        metadata = {**(data.schema.metadata or {}), _ATTRS: json.dumps(table.attrs).encode()}
        data = data.replace_schema_metadata(metadata)
    if ARROW[ending] == "parquet":
        optional("pyarrow.parquet", "files").write_table(data, unfinished)
    else:
        optional("pyarrow.feather", "files").write_feather(data, os.fspath(unfinished))
