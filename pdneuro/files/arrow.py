"""Names of columns in parquet and feather files, and writing them with attrs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pandas as pd

from pdneuro._compat import optional
from pdneuro.errors import AmbiguousColumnError, InvalidFileError
from pdneuro.files.formats import ARROW
from pdneuro.tables.foreign import ATTRS


def arrow_names(file: Path, ending: str) -> list[str]:
    """Return the column names of a parquet or feather file."""
    if ARROW[ending] == "parquet":
        return list(optional("pyarrow.parquet", "files").read_schema(file).names)
    with optional("pyarrow", "files").OSFile(os.fspath(file)) as opened:
        return list(optional("pyarrow.ipc", "files").open_file(opened).schema.names)


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
        metadata = {**(data.schema.metadata or {}), ATTRS: json.dumps(table.attrs).encode()}
        data = data.replace_schema_metadata(metadata)
    if ARROW[ending] == "parquet":
        optional("pyarrow.parquet", "files").write_table(data, unfinished)
    else:
        optional("pyarrow.feather", "files").write_feather(data, os.fspath(unfinished))
