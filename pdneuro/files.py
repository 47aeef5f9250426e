"""Reading tables from files without harming an ID."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from pdneuro.errors import MissingDependencyError

_SEPARATORS = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".txt": r"\s+"}
_PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip")


def read_table(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a table; integers stay exact, also beside missing values.

    Parameters
    ----------
    path : path
        csv, tsv, txt (separated by blanks), each also compressed; parquet, feather. A text file whose
        first line holds numbers only has no header: its columns are ``0, 1, 2, ...``.

    Returns
    -------
    DataFrame
        Nullable dtypes (``Int64``, ``Float64``) where the file is text.

    Raises
    ------
    ValueError
        The ending is of no known format.
    MissingDependencyError
        Parquet and feather need the extra ``files``.
    """
    path = Path(path).expanduser()
    suffixes = [suffix.lower() for suffix in path.suffixes]
    ending = next((suffix for suffix in reversed(suffixes) if suffix not in _PACKED), "")
    if ending in (".parquet", ".pq", ".feather"):
        try:
            return pd.read_feather(path) if ending == ".feather" else pd.read_parquet(path)
        except ImportError as error:
            raise MissingDependencyError(
                f"{path.name} needs pyarrow: pip install 'pdneuro[files]'."
            ) from error
    if ending not in _SEPARATORS:
        raise ValueError(
            f"{path.name} is of no known format; use csv, tsv, txt (also .gz), parquet or feather."
        )
    separator = _SEPARATORS[ending]
    first = pd.read_csv(path, sep=separator, header=None, nrows=1, dtype=str)
    headless = pd.to_numeric(first.iloc[0], errors="coerce").notna().all()
    table = pd.read_csv(
        path, sep=separator, header=None if headless else 0, dtype_backend="numpy_nullable"
    )
    if headless:
        table.columns = [str(column) for column in table.columns]
    return table
