"""Read edges from a file."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Hashable
from pathlib import Path
from typing import IO, Any

import pandas as pd

from pdneuro.errors import MissingColumnsError, PdneuroError, listing
from pdneuro.files.formats import ARROW, DAMAGED, SAMPLE, SEPARATORS, files_of
from pdneuro.files.reading import first_rows, read_table
from pdneuro.files.text import content_of, first_cells, punctuation
from pdneuro.tables.counts import may_count, possible_counts, region_columns
from pdneuro.tables.edges import COLUMNS, MATRIX, as_edges, edge_roles

#: The smallest number that is an ID rather than a weight, if its column has no name.
_LARGE_ID = 10**12


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
    files, ending = files_of(path)
    if ending in ARROW:
        return
    shape, labeled = "", False
    # A file that cannot be read raises a clear error when its rows are read.
    with contextlib.suppress(ValueError, *DAMAGED):
        shape, labeled = _matrix_shape(content_of(files[0], ending), SEPARATORS.get(ending, ","))
    if shape and not labeled:
        raise MissingColumnsError(
            f"{MATRIX.format(shape)} pdneuro.graphs.from_matrix(frame) after you have set the index and "
            "the columns to the IDs, which the file does not contain."
        )
    if shape:
        separator, _ = punctuation(content_of(files[0], ending), SEPARATORS.get(ending, ","))
        options = "" if separator == "," else f", sep={separator!r}"
        options += ', compression="gzip"' if files[0].suffix.lower() == ".gzip" else ""
        raise MissingColumnsError(
            f"{MATRIX.format(shape)} pdneuro.graphs.from_matrix(pd.read_csv({os.fspath(files[0])!r}, "
            f"index_col=0{options}))."
        )


def _matrix_shape(path: Path | IO[Any], separator: str) -> tuple[str, bool]:
    """Return the size of the adjacency matrix in a text file, "" if there is none; and if it has IDs."""
    lines = first_cells(path, separator)
    first, second = lines[0], lines[1] if len(lines) > 1 else []
    numbers = [bool(re.fullmatch(r"\d+", cell)) for cell in first]
    begin = 1 if len(second) == len(first) else 0
    labels = first[begin:]
    digits = all(numbers[begin:])
    if len(second) not in (len(first), len(first) + 1) or len(labels) < 2 or not digits:
        return _square(lines), False
    rows = f"{len(lines) - 1:,}" if len(lines) <= SAMPLE else "many"
    shape = f"{rows} x {len(labels):,}"
    corner = begin == 0 or not numbers[0] or first[0] == "0"
    same = [line[0] for line in lines[1 : len(labels) + 1]] == labels[:SAMPLE]
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
