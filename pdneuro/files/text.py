"""Read tables from text: separators, headers, exact integers."""

from __future__ import annotations

import io
import itertools
import re
import zipfile
from collections.abc import Hashable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import pandas as pd

from pdneuro._compat import ROUND_TRIP
from pdneuro.errors import InvalidFileError, MissingColumnsError, did_you_mean, listing
from pdneuro.files.excel import sheet_text
from pdneuro.files.formats import BLANKS, DAMAGED, EXCEL, PACKERS, SAMPLE, is_hidden
from pdneuro.tables.rounding import MAX_EXACT_FLOAT

_TYPED: dict[str, Any] = {"dtype_backend": "numpy_nullable", **ROUND_TRIP}
_AS_WRITTEN: dict[str, Any] = {"dtype": str, "keep_default_na": False}
_COMMA_NUMBER = re.compile(r"\s*-?\d+,\d+\s*")


def read_text(
    path: Path | IO[Any],
    separator: str,
    columns: Sequence[Hashable] | None,
    nrows: int | None = None,
    *,
    verbatim: bool = False,
    name: str = "the input",
) -> pd.DataFrame:
    """Return columns of a table of text, or its first rows."""
    return next(text_pieces(path, separator, columns, nrows, verbatim=verbatim, name=name))


def text_pieces(
    path: Path | IO[Any],
    separator: str,
    columns: Sequence[Hashable] | None,
    nrows: int | None = None,
    size: int | None = None,
    *,
    verbatim: bool = False,
    name: str = "the input",
) -> Iterator[pd.DataFrame]:
    """Yield columns of a table of text in pieces of ``size`` rows, or in one piece."""

    def rows(**options: Any) -> pd.DataFrame:
        return _rows(path, sep=separator, decimal=decimal, **options)

    try:
        separator, decimal = punctuation(path, separator)
        first = rows(header=None, nrows=1, dtype=str, keep_default_na=False).iloc[0]
        headless = _is_headless(first)
        longer = _refuse_ragged(name, first, rows)
        if columns is not None:
            header = range(len(first)) if headless else rows(nrows=0).columns
            require_columns(name, columns, list(map(str, header)))
            chosen: Any = [int(str(column)) if headless else column for column in columns]
        else:
            # Without this, pandas warns of separators at the ends of lines.
            chosen = range(len(first)) if longer else None
        options: dict[str, Any] = {
            "header": None if headless else 0,
            "usecols": chosen,
            "nrows": nrows,
            # In a file with one column, an empty line is a missing value.
            "skip_blank_lines": len(first) > 1,
        }
        if isinstance(path, Path):  # other content is in memory already
            options["chunksize"] = size

        def tables(**more: Any) -> Iterator[pd.DataFrame]:
            found: Any = rows(**{**options, **more})
            if isinstance(found, pd.DataFrame):
                yield found
                return
            with found:  # closes the file also if the last piece is not read
                yield from found

        texts: Iterator[pd.DataFrame] | None = None
        for number, table in enumerate(tables(**(_AS_WRITTEN if verbatim else _TYPED))):
            rounded = [] if verbatim else _rounded(table)
            if rounded and texts is None:
                few = {} if "chunksize" in options else {"usecols": rounded}
                texts = itertools.islice(tables(dtype=str, **few), number, None)
            if texts is not None:
                table = _exact(table, next(texts), rounded)
            if headless:
                table.columns = [str(column) for column in table.columns]
            yield table if columns is None else table[list(columns)]
    except pd.errors.EmptyDataError:
        raise InvalidFileError(f"{name} is empty.") from None
    except UnicodeDecodeError as error:
        raise InvalidFileError(f"{name} is not UTF-8 ({error.reason}). Save it as UTF-8.") from None
    except pd.errors.ParserError as error:
        raise InvalidFileError(f"{name} is not a table: {str(error).strip()}.") from None
    except DAMAGED as error:
        raise InvalidFileError(f"{name} cannot be decompressed: {error}.") from None


def labeled_text(path: Path | IO[Any], separator: str) -> pd.DataFrame:
    """Return a table of text whose first column is its index, such as a matrix."""
    options: dict[str, Any] = (
        {"compression": PACKERS.get(path.suffix.lower())} if isinstance(path, Path) else {}
    )
    table: pd.DataFrame = pd.read_csv(path, sep=separator, index_col=0, **options)
    return table


def _rows(path: Path | IO[Any], **options: Any) -> pd.DataFrame:
    """Return rows of a text file, with the options of :func:`pandas.read_csv`."""
    if isinstance(path, Path):
        options["compression"] = PACKERS.get(path.suffix.lower())
    else:
        path.seek(0)
    table: pd.DataFrame = pd.read_csv(path, index_col=False, **options)
    return table


def punctuation(path: Path | IO[Any], separator: str) -> tuple[str, str]:
    """Return the separator of the cells of a text file, and the decimal mark of its numbers."""
    if separator == BLANKS:
        tabs = _rows(path, sep="\t", header=None, nrows=1).shape[1] > 1
        return "\t" if tabs else separator, "."
    if separator != ",":
        return separator, "."
    first = _rows(path, sep=",", header=None, nrows=1, dtype=str, keep_default_na=False).iloc[0]
    # Spreadsheets of many countries write semicolons, since a comma is their decimal mark.
    cells = ",".join(first).split(";")
    if len(cells) == 1 or not all("," not in cell or _COMMA_NUMBER.fullmatch(cell) for cell in cells):
        return separator, "."
    options: dict[str, Any] = {"header": None, "nrows": SAMPLE, "dtype": str, "on_bad_lines": "skip"}
    texts = _rows(path, sep=";", **options).stack().astype(str)
    return ";", "," if texts.str.fullmatch(_COMMA_NUMBER).any() else "."


def first_cells(path: Path | IO[Any], separator: str) -> list[list[str]]:
    """Return the cells of the first lines of a text file, as text; longer lines are cut."""
    separator, _ = punctuation(path, separator)
    options: dict[str, Any] = {"sep": separator, "header": None, "dtype": str, "keep_default_na": False}
    width = _rows(path, nrows=1, **options).shape[1] + 1
    table = _rows(path, nrows=SAMPLE + 1, names=range(width), on_bad_lines="skip", **options)
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
    if len(beyond) and rows(header=None, skiprows=1, usecols=beyond).notna().any(axis=None):
        raise InvalidFileError(
            f"{name} has rows with more cells than its header ({len(first)}). Add a missing column name "
            "(in R: write.csv(..., row.names = FALSE))."
        )
    return len(beyond) > 0


def _rounded(table: pd.DataFrame) -> list[Hashable]:
    """Return the columns of floats with numbers so large that they may be rounded integers."""
    return [
        name
        for name in table.columns
        if pd.api.types.is_float_dtype(table[name].dtype)
        and bool((table[name].abs() > MAX_EXACT_FLOAT).any())
    ]


def _exact(table: pd.DataFrame, texts: pd.DataFrame, rounded: list[Hashable]) -> pd.DataFrame:
    """Take columns that mix large integers with other numbers from the text, to keep every digit."""
    exact = table.copy(deep=False)
    for name in rounded:
        if texts[name].str.fullmatch(r"\s*[+-]?\d{16,}(\.0*)?\s*").any():
            exact[name] = texts[name].astype("string")
    return exact


def content_of(file: Path, ending: str) -> Path | IO[Any]:
    """Return what the reader of text reads: the file, its sheet as csv, or the file in its archive."""
    if ending == EXCEL:
        return io.StringIO(sheet_text(file))
    if file.suffix.lower() != ".zip":
        return file
    with zipfile.ZipFile(file) as archive:
        # A Mac adds a folder with a second entry for each file.
        names = [
            name for name in archive.namelist() if not name.endswith("/") and not is_hidden(Path(name))
        ]
        if len(names) != 1:
            raise InvalidFileError(
                f"{file} contains {len(names):,} files: {listing(names)}. Pack one table, or unpack it."
            )
        return io.BytesIO(archive.read(names[0]))


def require_columns(file: Path | str, columns: Iterable[Hashable], names: Sequence[str]) -> None:
    """Raise an error if a file does not have some columns."""
    missing = [name for name in columns if str(name) not in names]
    if missing:
        raise MissingColumnsError(
            f"{file} lacks the columns {listing(map(repr, missing))}. Its columns are "
            f"{listing(map(repr, names), 12)}.{did_you_mean(missing[0], names)}"
        )
