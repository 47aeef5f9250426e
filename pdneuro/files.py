"""Read and write tables; IDs and numbers stay exact."""

from __future__ import annotations

import contextlib
import csv
import datetime
import gzip
import io
import json
import lzma
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, unquote

import numpy as np
import pandas as pd

from pdneuro._atomic import replacing
from pdneuro._compat import ROUND_TRIP, optional
from pdneuro.errors import (
    AmbiguousColumnError,
    InvalidFileError,
    InvalidSwcError,
    MissingColumnsError,
    PdneuroError,
    did_you_mean,
    listing,
)
from pdneuro.tables import skeletons, swc
from pdneuro.tables.counts import may_count, possible_counts, region_columns
from pdneuro.tables.edges import COLUMNS, MATRIX, as_edges, edge_roles
from pdneuro.tables.rounding import MAX_EXACT_FLOAT

_BLANKS = r"\s+"
_SEPARATORS = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".txt": _BLANKS}
_ARROW = {".parquet": "parquet", ".pq": "parquet", ".feather": "feather", ".arrow": "feather"}
_EXCEL = ".xlsx"
_FORMATS = (*_SEPARATORS, *_ARROW, _EXCEL)
#: Maximum number of rows and columns of a sheet, and of digits of its numbers.
_SHEET, _EXCEL_DIGITS = (1_048_576, 16_384), 15
_TYPED: dict[str, Any] = {"dtype_backend": "numpy_nullable", **ROUND_TRIP}
#: Errors of a compressed file that is truncated or of another format.
_DAMAGED = (
    EOFError,
    struct.error,
    zlib.error,
    gzip.BadGzipFile,
    lzma.LZMAError,
    zipfile.BadZipFile,
    ImportError,
)
#: The first bytes of files, and what the files are.
_KINDS = (
    (b"version https://git-lfs", "a pointer of git-lfs and not the file itself. Run: git lfs pull"),
    (b"PAR1", "a parquet file. Let its name end in .parquet"),
    (b"ARROW1", "an Arrow file. Let its name end in .feather"),
    (b"FEA1", "a feather file of version 1. Write it again: pyarrow.feather.write_feather()"),
    (b"\xff\xff\xff\xff", "a stream of Arrow. Write its table with pyarrow.feather.write_feather()"),
    (b"\x1f\x8b", "compressed by gzip. Let its name end in .gz"),
    (b"BZh", "compressed by bzip2. Let its name end in .bz2"),
    (b"\xfd7zXZ", "compressed by xz. Let its name end in .xz"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd. Let its name end in .zst"),
    (b"PK\x03\x04", "a zip archive or an Excel file. Let its name end in .zip or .xlsx"),
    (b"\xd0\xcf\x11\xe0", "an old Excel file. Save it as .xlsx or .csv"),
    (b"\x89HDF", "an HDF5 file. Save its table as .csv or .parquet"),
    (b"SQLite format 3", "an SQLite database. Save its table as .csv or .parquet"),
    (b"\xff\xfe", "UTF-16. Save it as UTF-8"),
    (b"\xfe\xff", "UTF-16. Save it as UTF-8"),
    (b"%PDF", "a PDF file. Save its table as .csv"),
)
_AS_WRITTEN: dict[str, Any] = {"dtype": str, "keep_default_na": False}
_PACKERS = {
    ".gz": "gzip",
    ".gzip": "gzip",
    ".bz2": "bz2",
    ".xz": "xz",
    ".zst": "zstd",
    ".zip": "zip",
}
_PACKED = tuple(_PACKERS)
#: Number of rows from which the roles of the columns of a file are recognized.
_SAMPLE = 1_000
#: The smallest number that is an ID rather than a weight, if its column has no name.
_LARGE_ID = 10**12
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_COMMA_NUMBER = re.compile(r"\s*-?\d+,\d+\s*")
#: Where pandas stores ``attrs`` in a parquet file.
_ATTRS = b"PANDAS_ATTRS"
#: Names that pandas gives to an index without a name in parquet and feather.
_UNNAMED_INDEX = re.compile(r"__index_level_\d+__")


def is_table(name: str) -> bool:
    """Return True if :func:`read_table` reads files with the ending of this name.

    Examples
    --------
    >>> from pdneuro.files import is_table
    >>> [name for name in ("edges.csv.gz", "neurons.parquet", "notes.md") if is_table(name)]
    ['edges.csv.gz', 'neurons.parquet']
    """
    return _ending(Path(name)) in _FORMATS


def is_text(path: str | os.PathLike[str] | None) -> bool:
    """Return True if a file of this name is text (csv, tsv, txt), or if there is no name.

    Examples
    --------
    >>> from pdneuro.files import is_text
    >>> [name for name in ("edges.csv.gz", "neurons.parquet", "neurons.tsv") if is_text(name)]
    ['edges.csv.gz', 'neurons.tsv']
    """
    return path is None or _ending(Path(path)) in _SEPARATORS


def read_table(
    path: str | os.PathLike[str] | IO[str],
    columns: Sequence[Hashable] | None = None,
    *,
    verbatim: bool = False,
) -> pd.DataFrame:
    r"""Read a table; integers stay exact, also in columns with missing values.

    Parameters
    ----------
    path : path or file
        csv (with commas or semicolons), tsv, txt (separated by spaces), each also compressed; parquet,
        feather; xlsx (the first sheet); an open csv file. Or a folder of such files of one format, with
        partitions (``roi=ME/...``) as columns. A text file whose first line contains only numbers has
        no header: its columns are ``0, 1, 2, ...``. An index without a name in parquet or feather is
        the index.
    columns : sequence, optional
        Names of the columns to read. Default: all.
    verbatim : bool, default False
        Read all cells of text files as text, so that leading zeros, ``1.50`` and ``NA`` are written
        unchanged.

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
    if not isinstance(path, str | os.PathLike):
        return _read_text(io.StringIO(path.read()), ",", columns, verbatim=verbatim)
    files, ending = _files(path)
    if ending in _ARROW:
        return _read_arrow(path, files, ending, columns)
    base = Path(path).expanduser()
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
    """Read a text file or a sheet."""
    separator = _SEPARATORS.get(ending, ",")
    with _readable(file, ending):
        content = _content(file, ending)
        return _read_text(content, separator, columns, nrows, verbatim=verbatim, name=os.fspath(file))


@contextlib.contextmanager
def _readable(file: Path, ending: str) -> Iterator[None]:
    """Check the first bytes of a file; turn the errors of its reader into one that names the file."""
    _refuse_other_kind(file, ending)
    try:
        yield
    except (PdneuroError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:  # the disk, not the content
            raise
        reason = next(iter(str(error).strip().splitlines()), "").rstrip(".") or type(error).__name__
        raise InvalidFileError(
            f"{file} cannot be read or decompressed: {reason}. It may be truncated, damaged or of "
            "another format. Download or write it again."
        ) from error


def _refuse_other_kind(file: Path, ending: str) -> None:
    """Raise an error if the first bytes of a file show that its name has the wrong ending."""
    packed = file.suffix.lower() in _PACKED
    with file.open("rb") as opened:
        begin = opened.read(64)
        opened.seek(-min(6, file.stat().st_size), 2)
        end = opened.read()
    if not begin:
        raise InvalidFileError(f"{file} is empty.")
    if begin.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith((b"<!doctype html", b"<html")):
        raise InvalidFileError(f"{file} is a web page (HTML), not a table. Download the file itself.")
    kind = next((kind for mark, kind in _KINDS if begin.startswith(mark)), None)
    pointer = _KINDS[0][1]
    if ending in _ARROW:
        mark = b"PAR1" if _ARROW[ending] == "parquet" else b"ARROW1"
        # Some name the compression inside of a parquet file: edges.parquet.gzip.
        if packed and not begin.startswith(mark):
            raise InvalidFileError(
                f"{file} cannot be read while it is packed by "
                f"{_PACKERS[file.suffix.lower()]}. Unpack it."
            )
        if begin.startswith(mark) and not end.endswith(mark):
            raise InvalidFileError(f"{file} is damaged (truncated). Download or write it again.")
        wrong = not begin.startswith(mark)
    elif ending == _EXCEL:
        wrong = not begin.startswith(b"PK\x03\x04")
    else:
        wrong = kind is not None and (not packed or kind == pointer)
        if kind is None and not packed and b"\0" in begin:
            raise InvalidFileError(f"{file} is a binary file, not a text file. Check its name.")
    if wrong:
        found = (
            f"Its content is {kind}." if kind is not None else "It is damaged, or text. Write it again."
        )
        raise InvalidFileError(f"{file} is not a {_name_of(ending)} file. {found}")


def _name_of(ending: str) -> str:
    return _ARROW.get(ending, "text" if ending != _EXCEL else "Excel")


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


def _require_columns(file: Path | str, columns: Iterable[Hashable], names: Sequence[str]) -> None:
    """Raise an error if a file does not have some columns."""
    missing = [name for name in columns if str(name) not in names]
    if missing:
        raise MissingColumnsError(
            f"{file} lacks the columns {listing(map(repr, missing))}. Its columns are "
            f"{listing(map(repr, names), 12)}.{did_you_mean(missing[0], names)}"
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
    path: str | os.PathLike[str],
    files: list[Path],
    ending: str,
    columns: Sequence[Hashable] | None = None,
    rows: int | None = None,
) -> pd.DataFrame:
    """Return columns of parquet or feather files, or their first rows."""
    dataset = optional("pyarrow.dataset", "files")
    base = Path(path).expanduser()
    expected: list[str] = []
    for file in files:
        with _readable(file, ending):
            names = _arrow_names(file, ending)
        repeated = [name for name in names if names.count(name) > 1]
        if repeated:
            raise AmbiguousColumnError(
                f"{file} has {names.count(repeated[0])} columns called {repeated[0]!r}. "
                "Rename all but one."
            )
        if columns is not None:
            _require_columns(file, columns, [*names, *_partition(file, base)])
        else:
            expected = expected or names
            _refuse_other_columns(files[0], expected, file, names)
    chosen = None if columns is None else list(columns)
    with _readable(files[0], ending):
        data = dataset.dataset(
            [str(file) for file in files],
            format=_ARROW[ending],
            partitioning=dataset.HivePartitioning.discover(infer_dictionary=False),
            partition_base_dir=str(base) if base.is_dir() else None,
        )
        data = data.to_table(columns=chosen) if rows is None else data.head(rows, columns=chosen)
    return _from_arrow(data, chosen is None)


def _arrow_names(file: Path, ending: str) -> list[str]:
    """Return the column names of a parquet or feather file."""
    if _ARROW[ending] == "parquet":
        return list(optional("pyarrow.parquet", "files").read_schema(file).names)
    with optional("pyarrow", "files").OSFile(os.fspath(file)) as opened:
        return list(optional("pyarrow.ipc", "files").open_file(opened).schema.names)


def _from_arrow(data: Any, whole: bool) -> pd.DataFrame:
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
    ending = _ending(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as unfinished:
        if ending in _ARROW:
            _write_arrow(table, unfinished, target, ending)
        elif ending == _EXCEL:
            _write_excel(_listed(table), unfinished, target)
        else:
            separator = "," if ending == ".csv" else "\t"
            # The temporary file has another ending and name, which pandas would use.
            method = _PACKERS.get(target.suffix.lower())
            names = {"archive_name": target.stem} if method == "zip" else {}
            packed: Any = {"compression": {"method": method, **names}}
            _listed(table).to_csv(unfinished, sep=separator, index=False, **packed)


def _write_arrow(table: pd.DataFrame, unfinished: Path, target: Path, ending: str) -> None:
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
    if _ARROW[ending] == "parquet":
        optional("pyarrow.parquet", "files").write_table(data, unfinished)
    else:
        optional("pyarrow.feather", "files").write_feather(data, os.fspath(unfinished))


def _write_excel(table: pd.DataFrame, unfinished: Path, target: Path) -> None:
    if len(table) >= _SHEET[0] or table.shape[1] > _SHEET[1]:
        raise InvalidFileError(
            f"{target.name} cannot hold {len(table):,} rows of {table.shape[1]:,} columns; a sheet has "
            f"{_SHEET[0]:,} rows and {_SHEET[1]:,} columns. Write csv or parquet."
        )
    book = optional("openpyxl", "excel").Workbook(write_only=True)
    sheet = book.create_sheet()
    columns = [table.iloc[:, place] for place in range(table.shape[1])]
    cells = [
        column.astype(object).where(column.notna(), None).map(_excel_cell, na_action="ignore")
        for column in columns
    ]
    sheet.append(list(map(str, table.columns)))
    try:
        for row in zip(*cells, strict=True):
            sheet.append(row)
    except (TypeError, ValueError) as error:
        raise InvalidFileError(
            f"{target.name} cannot hold the table: {error}. Convert the column, or write csv."
        ) from error
    book.save(unfinished)


def _excel_cell(cell: Any) -> Any:
    """Return a value as Excel holds it without a change."""
    if isinstance(cell, bool | np.bool_):
        return bool(cell)
    if isinstance(cell, int | np.integer):
        return int(cell) if len(str(abs(int(cell)))) <= _EXCEL_DIGITS else str(cell)
    if isinstance(cell, float | np.floating):
        return float(cell) if np.isfinite(cell) else str(cell)
    if isinstance(cell, datetime.date):
        return cell.isoformat()  # a sheet has no time zones, and no dates before 1900
    return str(cell)


def _content(file: Path, ending: str) -> Path | IO[Any]:
    """Return what the reader of text reads: the file, its sheet as csv, or the file in its archive."""
    if ending == _EXCEL:
        return io.StringIO(_sheet(file))
    if file.suffix.lower() != ".zip":
        return file
    with zipfile.ZipFile(file) as archive:
        # A Mac adds a folder with a second entry for each file.
        names = [
            name for name in archive.namelist() if not name.endswith("/") and not _is_hidden(Path(name))
        ]
        if len(names) != 1:
            raise InvalidFileError(
                f"{file} contains {len(names):,} files: {listing(names)}. Pack one table, or unpack it."
            )
        return io.BytesIO(archive.read(names[0]))


def _sheet(file: Path) -> str:
    """Return the first sheet of an Excel file as csv."""
    openpyxl = optional("openpyxl", "excel")
    text = io.StringIO()
    writer = csv.writer(text)
    book = openpyxl.load_workbook(file, read_only=True, data_only=True)
    try:
        rows = [
            [_cell_text(cell) for cell in row] for row in book.worksheets[0].iter_rows(values_only=True)
        ]
    finally:
        book.close()
    # Sheets have empty rows below their cells, and empty columns to the right.
    width = max((place + 1 for row in rows for place, cell in enumerate(row) if cell), default=0)
    while rows and not any(rows[-1]):
        rows.pop()
    writer.writerows(row[:width] + [""] * (width - len(row)) for row in rows)
    return text.getvalue()


def _cell_text(cell: Any) -> str:
    if isinstance(cell, float):
        return repr(int(cell)) if cell.is_integer() and abs(cell) < 10**_EXCEL_DIGITS else repr(cell)
    if isinstance(cell, datetime.datetime) and cell.time() == datetime.time():
        cell = cell.date()
    return "" if cell is None else str(cell)


def writable(path: str | os.PathLike[str]) -> Path:
    """Return the path of a table to write, or raise an error if it cannot be written.

    >>> writable("known.parquet").name
    'known.parquet'
    """
    target = Path(path).expanduser()
    if not is_table(target.name) or _ending(target) == ".txt":  # spaces cannot separate an empty cell
        raise ValueError(
            f"the format of {target.name} cannot be written. "
            "Use csv, tsv (.gz), parquet, feather or xlsx."
        )
    if target.is_dir():
        raise ValueError(f"{target} is a folder. Name a file in it.")
    if (_ending(target) in _ARROW or _ending(target) == _EXCEL) and target.suffix.lower() in _PACKED:
        raise ValueError(
            f"{target.name} is compressed without .{target.suffix.lower()[1:]}. Leave it out."
        )
    if _ending(target) in _ARROW:
        optional("pyarrow", "files")
    if _ending(target) == _EXCEL:
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


def column_names(path: str | os.PathLike[str]) -> list[str]:
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


def first_rows(path: str | os.PathLike[str]) -> pd.DataFrame:
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
    files, ending = _files(path)
    if ending in _ARROW:
        return _read_arrow(path, files, ending, rows=_SAMPLE)
    table = _read_file(files[0], ending, nrows=_SAMPLE)
    return table.assign(**_partition(files[0], Path(path).expanduser()))


def read_edges(
    edges: pd.DataFrame | str | os.PathLike[str], *, only: bool = False, **roles: Any
) -> pd.DataFrame:
    """Return an edge table from a frame or a file with any known column names.

    Parameters
    ----------
    edges : DataFrame or path
        Without a header the columns are ``pre``, ``post`` and, if there are others, ``weight``: the
        first column of whole numbers behind them. The column in front of the weight is then ``roi``.
    only : bool, default False
        Read only ``pre``, ``post`` and ``weight``.
    **roles
        Parameters of :func:`pdneuro.tables.as_edges`, such as ``weight=``.

    Raises
    ------
    MissingColumnsError
        The file is an adjacency matrix, or its columns are not recognized.

    Examples
    --------
    >>> from pdneuro.files import read_edges
    >>> table = pd.DataFrame({"pre_pt_root_id": [11], "post_pt_root_id": [12], "n_syn": [5]})
    >>> read_edges(table)
       pre  post  weight
    0   11    12       5
    """
    if isinstance(edges, pd.DataFrame):
        table = as_edges(edges, **roles)
    elif isinstance(edges, str | os.PathLike):
        try:
            table = _edges_of_file(edges, roles, only=only)
        except PdneuroError as error:
            error.add_note(f"The file is {os.fspath(edges)}.")
            raise
    else:
        raise TypeError(f"edges must be a DataFrame or the path of a file, not {type(edges).__name__}.")
    return table[list(COLUMNS)] if only else table


def _edges_of_file(path: str | os.PathLike[str], given: dict[str, Any], *, only: bool) -> pd.DataFrame:
    refuse_matrix(path)
    sample = first_rows(path)
    names: list[Hashable] = list(sample.columns)
    if names[:2] == ["0", "1"]:
        by_position = {"pre": "0", "post": "1"} if given.get("weight") else _roles_by_position(sample)
        given = by_position | given
    others = {role: name for role, name in given.items() if role != "regions"}
    pre, post, weight, roi, nt = edge_roles(sample, **others)
    given = given | {"pre": pre, "post": post, "weight": weight}
    columns: list[Hashable] | None = None
    if only:
        columns = [name for name in (pre, post, weight) if name in names]
        if weight is None:  # the columns that decide whether a row is a synapse
            counts = possible_counts(sample, (pre, post, roi, nt))
            columns += [name for name in counts if may_count(sample[name])]
            columns += region_columns(names) if len(columns) > 2 else []
        columns += [roi] if given.get("regions") is not None else []
        columns = list(dict.fromkeys(name for name in columns if name in names))
        given |= {"roi": roi if roi in columns else None, "nt": None}
    return as_edges(read_table(path, columns), **given)


def _roles_by_position(sample: pd.DataFrame) -> dict[str, Any]:
    """Return the roles of the columns of a table without a header: pre, post, [roi,] weight."""
    others = list(sample.columns[2:])
    whole = [name for name in others if may_count(sample[name].rename("count"))]
    if others and not whole:
        raise MissingColumnsError(
            f"the file has no header, and {listing(map(repr, others))} contain no numbers of synapses. "
            "Name the column: weight=..., or count each row as one synapse: weight='rows'."
        )
    roles: dict[str, Any] = {"pre": "0", "post": "1", "weight": whole[0] if whole else None}
    return roles | ({"roi": "2"} if whole and whole[0] == "3" else {})


def refuse_matrix(path: str | os.PathLike[str]) -> None:
    """Raise an error if a text file contains an adjacency matrix instead of rows of edges.

    Parameters
    ----------
    path : path
        A file of edges.

    Raises
    ------
    MissingColumnsError
        The file contains a matrix; the message has the call that reads it.

    Examples
    --------
    >>> import tempfile
    >>> from pdneuro.files import refuse_matrix
    >>> path = f"{tempfile.mkdtemp()}/edges.csv"
    >>> pd.DataFrame({"pre": [11], "post": [12], "weight": [5]}).to_csv(path, index=False)
    >>> refuse_matrix(path)
    """
    files, ending = _files(path)
    if ending in _ARROW:
        return
    shape, labeled = "", False
    # A file that cannot be read raises a clear error when its rows are read.
    with contextlib.suppress(ValueError, *_DAMAGED):
        shape, labeled = _matrix_shape(_content(files[0], ending), _SEPARATORS.get(ending, ","))
    if shape and not labeled:
        raise MissingColumnsError(
            f"{MATRIX.format(shape)} pdneuro.graphs.from_matrix(frame) after you have set the index and "
            "the columns to the IDs, which the file does not contain."
        )
    if shape:
        separator, _ = _punctuation(_content(files[0], ending), _SEPARATORS.get(ending, ","))
        options = "" if separator == "," else f", sep={separator!r}"
        options += ', compression="gzip"' if files[0].suffix.lower() == ".gzip" else ""
        raise MissingColumnsError(
            f"{MATRIX.format(shape)} pdneuro.graphs.from_matrix(pd.read_csv({os.fspath(files[0])!r}, "
            f"index_col=0{options}))."
        )


def _matrix_shape(path: Path | IO[Any], separator: str) -> tuple[str, bool]:
    """Return the size of the adjacency matrix in a text file, "" if there is none; and if it has IDs."""
    lines = _first_cells(path, separator)
    first, second = lines[0], lines[1] if len(lines) > 1 else []
    numbers = [bool(re.fullmatch(r"\d+", cell)) for cell in first]
    begin = 1 if len(second) == len(first) else 0
    labels = first[begin:]
    digits = all(numbers[begin:])
    if len(second) not in (len(first), len(first) + 1) or len(labels) < 2 or not digits:
        return _square(lines), False
    rows = f"{len(lines) - 1:,}" if len(lines) <= _SAMPLE else "many"
    shape = f"{rows} x {len(labels):,}"
    corner = begin == 0 or not numbers[0] or first[0] == "0"
    same = [line[0] for line in lines[1 : len(labels) + 1]] == labels[:_SAMPLE]
    if same and (corner or len(labels) > 2):
        return shape, True  # the labels of the rows are those of the columns
    if corner and len(set(labels)) == len(labels) > 2 and first[0] != "0":
        return shape, True  # a header of numbers
    if len(first) > 2 and int(first[2]) >= _LARGE_ID and len(second[2]) < len(first[2]) - 3:
        return shape, True  # an ID in the place of a weight
    return _square(lines), False


def _square(lines: list[list[str]]) -> str:
    """Return the shape of numbers without labels if they are a matrix, else ""."""
    size = len(lines)
    cells = [cell for line in lines for cell in line]
    if (
        size < 3
        or len(cells) != size**2
        or not all(re.fullmatch(r"\d+(\.\d*)?", cell) for cell in cells)
    ):
        return ""
    ends = [float(cell) for line in lines for cell in line[:2]]
    # An edge has no ID 0, and seldom as many columns as a file of edges has rows.
    return f"{size:,} x {size:,}" if 0 in ends or (size > 3 and max(ends) < _LARGE_ID) else ""


def read_swc(
    path: str | os.PathLike[str] | IO[Any] | Iterable[Any],
    *,
    neuron: str | None = None,
    strict: bool = False,
) -> pd.DataFrame:
    r"""Read reconstructions in SWC format, also files that break the format's rules.

    Parameters
    ----------
    path : path, file or several of them
        A file, also compressed (.gz, .zip), a folder, or a pattern such as ``"cells/*.swc"``. Any
        encoding, line ends, spaces, tabs and commas; comments anywhere, further columns. If a header
        names the columns, they may be in any order. Several files become one table.
    neuron : str, optional
        Name of the neuron. Default: the file's column ``neuron``, or its name without ``.CNG.swc`` or
        ``.swc``.
    strict : bool, default False
        Raise an error for a file with a problem that :func:`pdneuro.tables.check` lists.

    Returns
    -------
    DataFrame
        Node table: ``neuron`` (category), ``node``, ``type`` (int64), ``x, y, z, radius`` (float64, in
        the file's unit: µm in NeuroMorpho.org's standard files), ``parent`` (int64, -1 for a root), in
        the order of the file; further columns are ``column_8`` ... (text). Nothing is repaired:
        ``attrs["pdneuro"]["problems"]`` counts the problems. A radius that is ``NA`` or missing is
        NaN.

    Raises
    ------
    InvalidSwcError
        The file does not contain nodes, is damaged or a web page, or its header does not fit; with
        ``strict``, it has problems. Or several files have the same name.
    PrecisionLossError
        The number of a node lost digits, as in ``7.2E+17``.
    FileNotFoundError
        The file does not exist, or the folder does not contain an SWC file.

    Warns
    -----
    UnreadableLinesWarning
        Lines that are not nodes were skipped.

    Notes
    -----
    Types: 1 soma, 2 axon, 3 basal dendrite, 4 apical dendrite; others are custom.

    Examples
    --------
    >>> import io
    >>> from pdneuro.files import read_swc
    >>> read_swc(io.StringIO("1 1 0 0 0 5 -1\n2 3 0 3 4 1 1"), neuron="a")
      neuron  node  type    x    y    z  radius  parent
    0      a     1     1  0.0  0.0  0.0     5.0      -1
    1      a     2     3  0.0  3.0  4.0     1.0       1
    """
    several = not isinstance(path, str | os.PathLike) and not hasattr(path, "read")
    sources = list(swc_contents(path))
    if neuron is not None and (several or len(sources) != 1):
        raise TypeError("neuron= requires one file. With several, neurons are named after their files.")
    tables = [
        swc.parse(
            content,
            swc.neuron_name(name) if neuron is None else neuron,
            strict=strict,
            own_names=neuron is None,
        )
        for name, content in sources
    ]
    if len(tables) == 1 and not several:
        return tables[0]
    names = [name for table in tables for name in table[skeletons.NEURON].unique()]
    repeated = sorted({str(name) for name in names if names.count(name) > 1})
    if repeated:
        raise InvalidSwcError(
            f"several files have the same name: {listing(map(repr, repeated))}. "
            "Read them one by one, with neuron=... for each."
        )
    return skeletons.joined(tables)


def swc_contents(
    path: Any, wanted: Callable[[str], bool] = lambda name: True
) -> Iterator[tuple[str, bytes]]:
    """Yield the names and contents of files: a file, an archive, a folder, a pattern or several.

    Parameters
    ----------
    path : path, file or several of them
    wanted : callable
        Whether a file of this name is read. Default: all.
    """
    if hasattr(path, "read"):
        content = path.read()
        name = Path(str(getattr(path, "name", ""))).name
        yield name, content.encode() if isinstance(content, str) else content
        return
    if not isinstance(path, str | os.PathLike):
        for one in path:
            yield from swc_contents(one, wanted)
        return
    target = Path(path).expanduser()
    if target.is_dir():
        found = sorted(file for file in target.rglob("*") if _is_swc(file))
    elif target.exists() or not re.search(r"[*?[]", str(target)):
        found = [target]
    else:
        matches = Path(target.anchor).glob(str(target.relative_to(target.anchor)))
        found = sorted(file for file in matches if not _is_hidden(file))
    if not found:
        raise FileNotFoundError(f"{target} does not contain an SWC file (.swc, .swc.gz).")
    for file in found:
        if _is_swc(file) and not wanted(file.name):
            continue
        try:
            yield from _unpacked(file, wanted)
        except (*_DAMAGED, NotImplementedError, RuntimeError) as error:
            raise InvalidSwcError(
                f"{file} cannot be decompressed: {error}. Download it again."
            ) from error


def _unpacked(file: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    content = file.read_bytes()
    if content[:2] == b"\x1f\x8b":
        yield file.name, gzip.decompress(content)
    elif content[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [name for name in archive.namelist() if _is_swc(Path(name))]
            if not members:
                raise InvalidSwcError(f"{file} does not contain an SWC file (.swc, .swc.gz).")
            for member in sorted(filter(lambda name: wanted(Path(name).name), members)):
                data = archive.read(member)
                yield Path(member).name, gzip.decompress(data) if member.endswith(".gz") else data
    else:
        yield file.name, content


def _is_swc(file: Path) -> bool:
    return not _is_hidden(file) and bool(re.search(r"\.swc(\.gz)?$", file.name, re.I))


def _is_hidden(file: Path) -> bool:
    """Return True for a hidden file, such as those that a Mac adds to archives."""
    return file.name.startswith(".") or "__MACOSX" in file.parts


def to_swc(nodes: pd.DataFrame, path: str | os.PathLike[str]) -> list[Path]:
    """Write reconstructions in SWC format; numbers are the same when they are read again.

    Parameters
    ----------
    nodes : DataFrame
        Node table.
    path : path
        For one neuron, a file name that ends in ``.swc``; otherwise a folder for one file per neuron.
        Nodes without a neuron are written to ``unnamed.swc``.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    MissingColumnsError
        The table is not a node table.
    InvalidSwcError
        The table has several neurons, and ``path`` is one file; or two neurons have one file name.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> nodes = pdneuro.neuromorpho.swc([1, 2])
    >>> [file.name for file in nodes.neuro.to_swc(folder)]
    ['1.swc', '2.swc']
    """
    target = Path(path).expanduser()
    parts = skeletons.by_neuron(nodes)
    single = target.suffix.lower() == ".swc"
    if single and len(parts) != 1:
        raise InvalidSwcError(
            f"{target} is one file, and the table has {len(parts):,} neurons. Name a folder."
        )
    (target.parent if single else target).mkdir(parents=True, exist_ok=True)
    # Names of neurons may contain characters that are invalid in file names.
    stems = [quote(_stem(name), safe=" ()[]+,;=@!$&") for name, _ in parts]
    repeated = [stem for stem in dict.fromkeys(stems) if stems.count(stem) > 1]
    if repeated:
        raise InvalidSwcError(
            f"several neurons would be written to one file: {listing(repeated)}. Rename them."
        )
    written = []
    for stem, (_, part) in zip(stems, parts, strict=True):
        file = target if single else target / f"{stem}.swc"
        with replacing(file) as unfinished:
            unfinished.write_text(swc.text(part), encoding="utf-8", newline="\n")
        written.append(file)
    return written


def _stem(name: Any) -> str:
    return "unnamed" if pd.isna(name) else str(name)


def table_files(path: str | os.PathLike[str]) -> list[Path]:
    """Return the file, or the files of a folder that contain the table.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from pdneuro.files import table_files, write_table
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for side, part in pdneuro.sandbox.neurons().groupby("side"):
    ...     write_table(part, folder / f"side={side}" / "neurons.csv")
    >>> [file.relative_to(folder).as_posix() for file in table_files(folder)]
    ['side=left/neurons.csv', 'side=right/neurons.csv']
    """
    return _files(path)[0]


def local_path(path: str | os.PathLike[str]) -> Path:
    """Return the path of a file or folder, or raise an error if it is an address.

    >>> local_path("edges.csv").name
    'edges.csv'
    """
    if _ADDRESS.match(os.fspath(path)):
        address = os.fspath(path).partition("?")[0]
        raise ValueError(
            f"{address} is an address, and only local files are read. Download it, and pass its path."
        )
    return Path(path).expanduser()


def _files(path: str | os.PathLike[str]) -> tuple[list[Path], str]:
    target = local_path(path)
    if target.is_dir():
        tables = sorted(
            file
            for file in target.rglob("*")
            if file.is_file() and is_table(file.name) and file.name[0] not in "._"
        )
        endings = sorted({_ending(file) for file in tables})
        if not tables:
            raise FileNotFoundError(
                f"the folder {target} does not contain a table (csv, tsv, txt, parquet, feather, xlsx)."
            )
        if len(endings) > 1:
            raise ValueError(f"the folder {target} mixes formats: {', '.join(endings)}. Use one format.")
        return tables, endings[0]
    if not is_table(target.name):
        raise ValueError(
            f"{target.name} has an unknown format. "
            "Use csv, tsv, txt (also .gz), parquet, feather or xlsx."
        )
    if not target.exists():
        raise FileNotFoundError(f"the file {target} does not exist.")
    return [target], _ending(target)


def _ending(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    return next((suffix for suffix in reversed(suffixes) if suffix not in _PACKED), "")


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


def _read_text(
    path: Path | IO[Any],
    separator: str,
    columns: Sequence[Hashable] | None,
    nrows: int | None = None,
    *,
    verbatim: bool = False,
    name: str = "the input",
) -> pd.DataFrame:
    def rows(**options: Any) -> pd.DataFrame:
        return _rows(path, sep=separator, decimal=decimal, **options)

    try:
        separator, decimal = _punctuation(path, separator)
        first = rows(header=None, nrows=1, dtype=str, keep_default_na=False).iloc[0]
        headless = _is_headless(first)
        longer = _refuse_ragged(name, first, rows)
        if columns is not None:
            header = range(len(first)) if headless else rows(nrows=0).columns
            _require_columns(name, columns, list(map(str, header)))
            chosen: Any = [int(str(column)) if headless else column for column in columns]
        else:
            # Without this, pandas warns of separators at the ends of lines.
            chosen = range(len(first)) if longer else None
        table = rows(
            header=None if headless else 0,
            usecols=chosen,
            nrows=nrows,
            # In a file with one column, an empty line is a missing value.
            skip_blank_lines=len(first) > 1,
            **(_AS_WRITTEN if verbatim else _TYPED),
        )
        if not verbatim:
            table = _exact(table, rows, headless=headless, nrows=nrows, one_column=len(first) == 1)
    except pd.errors.EmptyDataError:
        raise InvalidFileError(f"{name} is empty.") from None
    except UnicodeDecodeError as error:
        raise InvalidFileError(f"{name} is not UTF-8 ({error.reason}). Save it as UTF-8.") from None
    except pd.errors.ParserError as error:
        raise InvalidFileError(f"{name} is not a table: {str(error).strip()}.") from None
    except _DAMAGED as error:
        raise InvalidFileError(f"{name} cannot be decompressed: {error}.") from None
    if headless:
        table.columns = [str(column) for column in table.columns]
    return table if columns is None else table[list(columns)]


def _rows(path: Path | IO[Any], **options: Any) -> pd.DataFrame:
    """Return rows of a text file, with the options of :func:`pandas.read_csv`."""
    if isinstance(path, Path):
        options["compression"] = _PACKERS.get(path.suffix.lower())
    else:
        path.seek(0)
    table: pd.DataFrame = pd.read_csv(path, index_col=False, **options)
    return table


def _punctuation(path: Path | IO[Any], separator: str) -> tuple[str, str]:
    """Return the separator of the cells of a text file, and the decimal mark of its numbers."""
    if separator == _BLANKS:
        tabs = _rows(path, sep="\t", header=None, nrows=1, dtype=str).shape[1] > 1
        return "\t" if tabs else separator, "."
    if separator != ",":
        return separator, "."
    first = _rows(path, sep=",", header=None, nrows=1, dtype=str, keep_default_na=False).iloc[0]
    # Spreadsheets of many countries write semicolons, since a comma is their decimal mark.
    cells = ",".join(first).split(";")
    if len(cells) == 1 or not all("," not in cell or _COMMA_NUMBER.fullmatch(cell) for cell in cells):
        return separator, "."
    options: dict[str, Any] = {"header": None, "nrows": _SAMPLE, "dtype": str, "on_bad_lines": "skip"}
    texts = _rows(path, sep=";", **options).stack().astype(str)
    return ";", "," if texts.str.fullmatch(_COMMA_NUMBER).any() else "."


def _first_cells(path: Path | IO[Any], separator: str) -> list[list[str]]:
    """Return the cells of the first lines of a text file, as text; longer lines are cut."""
    separator, _ = _punctuation(path, separator)
    options: dict[str, Any] = {"sep": separator, "header": None, "dtype": str, "keep_default_na": False}
    width = _rows(path, nrows=1, **options).shape[1] + 1
    table = _rows(path, nrows=_SAMPLE + 1, names=range(width), on_bad_lines="skip", **options)
    lines = [[cell.strip() for cell in line] for line in table.to_numpy(object).tolist()]
    used = [max((k + 1 for k, cell in enumerate(line) if cell), default=0) for line in lines]
    return [lines[0][: used[0]], *(line[: max(used[1:])] for line in lines[1:])]


def _is_headless(first: pd.Series[Any]) -> bool:
    """Return True if the first line of a file contains numbers or an ID instead of names."""
    texts = first[first != ""]
    numbers = pd.to_numeric(texts, errors="coerce").notna()
    long = texts.str.fullmatch(r"\d{12,}")
    return bool(len(texts) and (numbers.all() or long.any()))


def _refuse_ragged(name: str, first: pd.Series[Any], rows: Any) -> bool:
    """Raise an error if rows have more cells than the header; return if only separators follow."""
    try:
        second = rows(header=None, skiprows=1, nrows=1, dtype=str)
    except pd.errors.EmptyDataError:
        return False
    beyond = range(len(first), second.shape[1])
    # Separators at the ends of lines do not count as cells if they are followed by nothing.
    if len(beyond) and rows(header=None, skiprows=1, usecols=beyond, dtype=str).notna().any(axis=None):
        raise InvalidFileError(
            f"{name} has rows with more cells than its header ({len(first)}). Add a missing column name "
            "(in R: write.csv(..., row.names = FALSE))."
        )
    return len(beyond) > 0


def _exact(
    table: pd.DataFrame, rows: Any, *, headless: bool, nrows: int | None, one_column: bool
) -> pd.DataFrame:
    """Read columns that mix large integers with other numbers again as text, to keep every digit."""
    rounded = [
        name
        for name in table.columns
        if pd.api.types.is_float_dtype(table[name].dtype)
        and bool((table[name].abs() > MAX_EXACT_FLOAT).any())
    ]
    if not rounded:
        return table
    header = None if headless else 0
    texts = rows(usecols=rounded, dtype=str, header=header, nrows=nrows, skip_blank_lines=not one_column)
    exact = table.copy(deep=False)
    for name in rounded:
        if texts[name].str.fullmatch(r"\s*[+-]?\d{16,}(\.0*)?\s*").any():
            exact[name] = texts[name].astype("string")
    return exact
