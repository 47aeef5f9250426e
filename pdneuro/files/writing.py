"""Write a table to a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from pdneuro._atomic import replacing
from pdneuro._compat import optional
from pdneuro.files.arrow import write_arrow
from pdneuro.files.excel import write_excel
from pdneuro.files.formats import ARROW, EXCEL, NUMPY, PACKED, PACKERS, ending_of, is_table


def write_table(table: pd.DataFrame, path: str | os.PathLike[str] | IO[str]) -> None:
    """Write a table without its index; integers stay integers, also in columns with missing values.

    Parameters
    ----------
    table : DataFrame
        In text files, the items of a list are joined by ``"; "``.
    path : path or file
        The ending sets the format: csv, tsv, each also compressed; parquet, feather; xlsx, in which
        integers of more than 15 digits are text, since Excel rounds numbers. An open file gets csv.
        The file is replaced only when it is complete.

    Raises
    ------
    ValueError
        The ending of the name is not a supported format.
    InvalidFileError
        The table has a value that the format does not hold, or more rows than a sheet.
    MissingDependencyError
        pyarrow, which reads and writes parquet and feather (extra ``files``), or openpyxl for xlsx
        (extra ``excel``), is not installed.

    Examples
    --------
    >>> import sys
    >>> from pdneuro.files import write_table
    >>> ids = pd.array([720575940621522189, None], "Int64")
    >>> write_table(pd.DataFrame({"root_id": ids, "size": [1.5, 2]}), sys.stdout)
    root_id,size
    720575940621522189,1.5
    ,2.0
    """
    if not isinstance(path, str | os.PathLike):
        _listed(table).to_csv(path, index=False)
        return
    target = writable(path)
    ending = ending_of(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as unfinished:
        if ending in ARROW:
            write_arrow(table, unfinished, target, ending)
        elif ending == EXCEL:
            write_excel(_listed(table), unfinished, target)
        else:
            separator = "," if ending == ".csv" else "\t"
            # The temporary file has another ending and name, which pandas would use.
            method = PACKERS.get(target.suffix.lower())
            names = {"archive_name": target.stem} if method == "zip" else {}
            packed: Any = {"compression": {"method": method, **names}}
            _listed(table).to_csv(unfinished, sep=separator, index=False, **packed)


def writable(path: str | os.PathLike[str]) -> Path:
    """Return the path of a table to write, or raise an error if it cannot be written.

    >>> writable("known.parquet").name
    'known.parquet'
    """
    target = Path(path).expanduser()
    if not is_table(target.name) or ending_of(target) in (
        ".txt",
        NUMPY,
    ):  # spaces cannot separate an empty cell
        raise ValueError(
            f"the format of {target.name} cannot be written. "
            "Use csv, tsv (.gz), parquet, feather or xlsx."
        )
    if target.is_dir():
        raise ValueError(f"{target} is a folder. Name a file in it.")
    if (ending_of(target) in ARROW or ending_of(target) == EXCEL) and target.suffix.lower() in PACKED:
        raise ValueError(
            f"{target.name} is compressed without .{target.suffix.lower()[1:]}. Leave it out."
        )
    if ending_of(target) in ARROW:
        optional("pyarrow", "files")
    if ending_of(target) == EXCEL:
        optional("openpyxl", "excel")
    return target


def _listed(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with lists converted to text."""
    parts = []
    for position in range(table.shape[1]):
        column = table.iloc[:, position]
        if pd.api.types.is_object_dtype(column.dtype):
            column = column.map(_as_text)
        parts.append(column)
    return pd.concat(parts, axis=1) if parts else table


def _as_text(cell: Any) -> Any:
    return "; ".join(map(str, cell)) if isinstance(cell, list | tuple | np.ndarray) else cell
