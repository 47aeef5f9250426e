"""Tables in sheets of Excel: cells as text, and back."""

from __future__ import annotations

import csv
import datetime
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pdneuro._compat import optional
from pdneuro.errors import InvalidFileError

#: Maximum number of rows and columns of a sheet, of digits of its numbers, and of characters of a cell.
_SHEET, _EXCEL_DIGITS, _EXCEL_TEXT = (1_048_576, 16_384), 15, 32_767


def sheet_text(file: Path) -> str:
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


def write_excel(table: pd.DataFrame, unfinished: Path, target: Path) -> None:
    """Write a sheet; integers that Excel would round are text cells."""
    if len(table) >= _SHEET[0] or table.shape[1] > _SHEET[1]:
        raise InvalidFileError(
            f"{target.name} cannot hold {len(table):,} rows of {table.shape[1]:,} columns; a sheet has "
            f"{_SHEET[0]:,} rows and {_SHEET[1]:,} columns. Write csv or parquet."
        )
    openpyxl = optional("openpyxl", "excel")
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()

    def as_written(cell: Any) -> Any:
        value = _excel_cell(cell)
        if not isinstance(value, str):
            return value
        control = openpyxl.cell.cell.ILLEGAL_CHARACTERS_RE.search(value)
        if control or len(value) > _EXCEL_TEXT:
            why = "control characters" if control else f"more than {_EXCEL_TEXT:,} characters"
            raise InvalidFileError(
                f"{target.name} cannot hold the text {value[:20]!r}, which has {why}. Shorten or "
                "correct it, or write csv."
            )
        if not value.startswith("="):
            return value
        text = openpyxl.cell.WriteOnlyCell(sheet, value)
        text.data_type = "s"  # a formula without a result is read as an empty cell
        return text

    columns = [table.iloc[:, place] for place in range(table.shape[1])]
    cells = [
        column.astype(object).where(column.notna(), None).map(as_written, na_action="ignore")
        for column in columns
    ]
    sheet.append(list(map(as_written, map(str, table.columns))))
    for row in zip(*cells, strict=True):
        sheet.append(row)
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
