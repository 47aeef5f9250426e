"""Read a table from a file or a folder."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote

import numpy as np
import pandas as pd

from pdneuro._compat import optional
from pdneuro.errors import AmbiguousColumnError, InvalidFileError, listing
from pdneuro.files.arrow import arrow_names
from pdneuro.files.formats import (
    ARROW,
    NUMPY,
    SAMPLE,
    SEPARATORS,
    PathLike,
    files_of,
    is_path,
    local_path,
    readable,
)
from pdneuro.files.text import content_of, read_text, require_columns, text_pieces
from pdneuro.tables.foreign import from_arrow
from pdneuro.tables.roles import SEGMENT_NAMES


def read_table(
    path: PathLike | Sequence[PathLike] | IO[str],
    columns: Sequence[Hashable] | None = None,
    *,
    verbatim: bool = False,
    storage_options: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    r"""Read a table; integers stay exact, also in columns with missing values.

    Parameters
    ----------
    path : path or file
        csv (with commas or semicolons), tsv, txt (separated by spaces), each also compressed; parquet,
        feather; xlsx (the first sheet); npy (a list of IDs, which becomes the column ``root_id``); an
        open csv file; or the address of a file (``https://``; ``gs://``, ``s3://`` with the extra
        ``remote``), which is copied to the cache. Or a folder of such files of one format, with
        partitions (``roi=ME/...``) as columns; or a pattern such as ``synapses/*.parquet``; or a list of
        all these. A text file
        whose first line contains only numbers has no header: its columns are ``0, 1, 2, ...``. An index
        without a name in parquet or feather is the index.
    columns : sequence, optional
        Names of the columns to read. Default: all.
    verbatim : bool, default False
        Read all cells of text files as text, so that leading zeros, ``1.50`` and ``NA`` are written
        unchanged.
    storage_options : mapping, optional
        For an address, as in :func:`pandas.read_csv`: arguments of the file system of fsspec, such as
        ``{"anon": True}`` for a public bucket of S3; for ``https`` the headers of the requests.

    Returns
    -------
    DataFrame
        Nullable dtypes (``Int64``, ``Float64``, text).

    Raises
    ------
    FileNotFoundError
        The file does not exist, or the folder does not contain a table.
    InvalidFileError
        The file is empty, truncated, damaged or of another format; the message names the file. Or the
        files of a folder have different columns.
    MissingColumnsError, AmbiguousColumnError
        A file does not have one of ``columns``, or has several columns of one name.
    ValueError
        The ending of the name is not a supported format.
    MissingDependencyError
        pyarrow, which reads and writes parquet and feather (extra ``files``), or openpyxl for xlsx
        (extra ``excel``), is not installed.

    Examples
    --------
    >>> import io
    >>> pdneuro.read_table(io.StringIO("root_id,size\n720575940621522189,1.5\n,2"))
                  root_id  size
    0  720575940621522189   1.5
    1                <NA>   2.0
    """
    if hasattr(path, "read"):
        return read_text(io.StringIO(path.read()), ",", columns, verbatim=verbatim)
    files, ending, base = files_of(local_path(path, storage_options) if is_path(path) else path)
    if ending in ARROW:
        return _read_arrow(files, ending, base, columns)
    parts = []
    for file in files:
        part = _partition(file, base)
        inside = None if columns is None else [name for name in columns if name not in part]
        table = _read_file(file, ending, inside, verbatim=verbatim).assign(**part)
        parts.append(table if columns is None else table[list(columns)])
        _refuse_other_columns(files[0], list(parts[0].columns), file, list(parts[-1].columns))
    return parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)


def _read_file(
    file: Path,
    ending: str,
    columns: Sequence[Hashable] | None = None,
    nrows: int | None = None,
    *,
    verbatim: bool = False,
) -> pd.DataFrame:
    """Read a text file, a sheet or an array."""
    if ending == NUMPY:
        return _read_array(file, columns, nrows)
    separator = SEPARATORS.get(ending, ",")
    with readable(file, ending):
        content = content_of(file, ending)
        return read_text(content, separator, columns, nrows, verbatim=verbatim, name=os.fspath(file))


def _read_array(file: Path, columns: Sequence[Hashable] | None, nrows: int | None) -> pd.DataFrame:
    """Read a list of IDs that NumPy saved."""
    with readable(file, NUMPY):
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer):
        raise InvalidFileError(
            f"{file} contains {array.dtype} with {array.ndim} dimensions, not a list of IDs (integers). "
            "Read it with numpy.load()."
        )
    table = pd.DataFrame({SEGMENT_NAMES[0]: pd.array(np.array(array[:nrows]))})
    if columns is not None:
        require_columns(file, columns, list(table.columns))
    return table if columns is None else table[list(columns)]


def _refuse_other_columns(
    first: Path, expected: Sequence[str], file: Path, names: Sequence[str]
) -> None:
    """Raise an error if a file of a folder does not have the columns of the first file."""
    if set(expected) != set(names):
        other = [name for name in names if name not in expected]
        missing = [name for name in expected if name not in names]
        parts = [
            f"{word} {listing(map(repr, found))}"
            for word, found in (("lacks the columns", missing), ("adds", other))
            if found
        ]
        raise InvalidFileError(
            f"the files of the folder have different columns: {file} {' and '.join(parts)}, compared "
            f"with {first}. Give all files the same columns, or read them one by one."
        )


def _partition(file: Path, base: Path) -> dict[str, Any]:
    """Return the columns in the names of the folders of a file, such as ``roi=ME``."""
    if file == base:
        return {}
    pairs = [name.partition("=") for name in file.relative_to(base).parts[:-1]]
    return {
        name: int(text) if re.fullmatch(r"0|[1-9]\d{0,17}", text) else unquote(text)
        for name, equals, text in pairs
        if equals
    }


def _read_arrow(
    files: list[Path],
    ending: str,
    base: Path,
    columns: Sequence[Hashable] | None = None,
    rows: int | None = None,
) -> pd.DataFrame:
    """Return columns of parquet or feather files, or their first rows."""
    data = _dataset(files, ending, base, columns)
    chosen = None if columns is None else list(columns)
    with readable(files[0], ending):
        found = data.to_table(columns=chosen) if rows is None else data.head(rows, columns=chosen)
    return from_arrow(found, chosen is None)


def _dataset(files: list[Path], ending: str, base: Path, columns: Sequence[Hashable] | None) -> Any:
    """Return the data set of parquet or feather files, after a check of their columns."""
    dataset = optional("pyarrow.dataset", "files")
    expected: list[str] = []
    for file in files:
        with readable(file, ending):
            names = arrow_names(file, ending)
        repeated = [name for name in names if names.count(name) > 1]
        if repeated:
            raise AmbiguousColumnError(
                f"{file} has {names.count(repeated[0])} columns called {repeated[0]!r}. "
                "Rename all but one."
            )
        if columns is not None:
            require_columns(file, columns, [*names, *_partition(file, base)])
        else:
            expected = expected or names
            _refuse_other_columns(files[0], expected, file, names)
    with readable(files[0], ending):
        return dataset.dataset(
            [str(file) for file in files],
            format=ARROW[ending],
            partitioning=dataset.HivePartitioning.discover(infer_dictionary=False),
            partition_base_dir=str(base) if base.is_dir() else None,
        )


def table_pieces(
    path: PathLike | Sequence[PathLike], columns: Sequence[Hashable], rows: int
) -> Iterator[pd.DataFrame]:
    """Read columns of a table in pieces of about ``rows`` rows; the index numbers all rows.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from pdneuro.files import table_pieces, write_table
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "edges.csv"
    >>> write_table(pdneuro.sandbox.edges(), path)
    >>> [piece.shape for piece in table_pieces(path, ["pre", "post"], 30_000)]
    [(30000, 2), (15000, 2)]
    """
    files, ending, base = files_of(path)
    read = _arrow_pieces if ending in ARROW else _text_pieces
    pieces = read(files, ending, base, columns, rows)
    before = 0
    for piece in pieces:
        yield piece.set_axis(pd.RangeIndex(before, before + len(piece)))
        before += len(piece)


def _arrow_pieces(
    files: list[Path], ending: str, base: Path, columns: Sequence[Hashable], rows: int
) -> Iterator[pd.DataFrame]:
    arrow = optional("pyarrow", "files")
    data = _dataset(files, ending, base, columns)
    # Few batches are read ahead, since the pieces are to fit in memory.
    scanner = data.scanner(
        columns=list(columns), batch_size=min(rows, 2**17), batch_readahead=4, fragment_readahead=1
    )
    batches: list[Any] = []
    with readable(files[0], ending):
        for batch in scanner.to_batches():
            batches.append(batch)
            if sum(map(len, batches)) >= rows:
                yield from_arrow(arrow.Table.from_batches(batches), False)
                batches = []
    if batches or not data.count_rows():
        yield from_arrow(arrow.Table.from_batches(batches, scanner.projected_schema), False)


def _text_pieces(
    files: list[Path], ending: str, base: Path, columns: Sequence[Hashable], rows: int
) -> Iterator[pd.DataFrame]:
    for file in files:
        part = _partition(file, base)
        inside = [name for name in columns if name not in part]
        if ending not in SEPARATORS:
            yield _read_file(file, ending, inside).assign(**part)[list(columns)]
            continue
        with readable(file, ending):
            content = content_of(file, ending)
            for piece in text_pieces(
                content, SEPARATORS[ending], inside, size=rows, name=os.fspath(file)
            ):
                yield piece.assign(**part)[list(columns)]


def column_names(path: PathLike | Sequence[PathLike]) -> list[str]:
    """Return the column names of a file, without reading the whole table.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from pdneuro.files import column_names, write_table
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "neurons.csv.gz"
    >>> write_table(pdneuro.sandbox.neurons(), path)
    >>> column_names(path)
    ['root_id', 'side', 'cell_class', 'cell_type']
    """
    return list(first_rows(path).columns)


def first_rows(path: PathLike | Sequence[PathLike]) -> pd.DataFrame:
    """Return the first 1,000 rows of a table, with all columns.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from pdneuro.files import first_rows, write_table
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "edges.csv"
    >>> write_table(pdneuro.sandbox.edges(), path)
    >>> first_rows(path).shape
    (1000, 3)
    """
    files, ending, base = files_of(path)
    if ending in ARROW:
        return _read_arrow(files, ending, base, rows=SAMPLE)
    table = _read_file(files[0], ending, nrows=SAMPLE)
    return table.assign(**_partition(files[0], base))
