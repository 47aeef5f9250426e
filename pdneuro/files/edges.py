"""Read edges from a file."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
from pandas.api import types

from pdneuro.errors import MissingColumnsError, PdneuroError, did_you_mean, listing
from pdneuro.files.formats import (
    DAMAGED,
    SAMPLE,
    SEPARATORS,
    TEXT_OR_SHEET,
    PathLike,
    files_of,
    is_path,
    local_path,
    readable,
    shown,
)
from pdneuro.files.reading import first_rows, read_table, table_pieces
from pdneuro.files.text import content_of, first_cells, labeled_text, punctuation
from pdneuro.tables.counts import ROWS, may_count, pair_scores, possible_counts
from pdneuro.tables.dense import matrix_edges
from pdneuro.tables.edges import (
    COLUMNS,
    MATRIX,
    as_edges,
    edge_roles,
    is_sparse,
    warn_of_incomplete,
    with_incomplete,
)
from pdneuro.tables.foreign import to_pandas
from pdneuro.tables.node_names import IDS, NAMES, checked_nodes

#: The smallest number that is an ID rather than a weight, if its column has no name.
_LARGE_ID = 10**12
#: What the labels of a matrix are: those of the columns in the rows too, others, or none.
_SAME_LABELS, _OTHER_LABELS, _NO_LABELS = "same", "other", "none"


def read_edges(
    path: pd.DataFrame | PathLike | Sequence[PathLike],
    pre: Hashable | None = None,
    post: Hashable | None = None,
    weight: Hashable | None = None,
    roi: Hashable | None = None,
    nt: Hashable | None = None,
    *,
    regions: str | Iterable[str] | None = None,
    nodes: str = IDS,
    sparse: bool | None = None,
    columns: Sequence[Hashable] | None = None,
    only: bool = False,
    storage_options: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    r"""Read the edges of a file: any published file of edges or synapses, with any known column names.

    Parameters
    ----------
    path : path, list of paths or DataFrame
        Files or folders in a format of :func:`read_table`, also an address; or their table. In a file
        without a header, the columns are ``pre``, ``post`` and, if there are others, ``weight``: the
        first column of whole numbers behind them. The column in front of the weight is then ``roi``,
        and a text behind it ``nt``. An adjacency matrix in a text file is read if its rows and columns
        have the same labels; rows are presynaptic.
    pre, post, weight, roi, nt, regions, nodes, sparse
        See :func:`pdneuro.tables.as_edges`.
    columns : sequence, optional
        Further columns to read, which keep these names; ``"roi"`` and ``"nt"`` also stand for the
        columns with these roles. Default: all.
    only : bool, default False
        Read only ``pre``, ``post`` and ``weight``, and ``columns``.
    storage_options : mapping, optional
        For an address, see :func:`read_table`.

    Returns
    -------
    DataFrame
        The result of :func:`pdneuro.tables.as_edges`: ``pre, post, weight``, then ``roi`` and ``nt`` if
        they exist, then the other columns.

    Raises
    ------
    MissingColumnsError, AmbiguousColumnError
        The columns are not recognized, or it is not certain which column counts synapses.
    InvalidIdError, PrecisionLossError, InvalidEdgesError
        An ID is not exact, or is a name; or a weight is not a number of synapses.
    FileNotFoundError, InvalidFileError
        The file does not exist, or cannot be read.

    See Also
    --------
    read_neurons : the table of neurons.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "connections.csv"
    >>> _ = path.write_text("pre_root_id,post_root_id,neuropil,syn_count,nt_type\n11,12,ME_R,5,GABA\n")
    >>> pdneuro.read_edges(path)
       pre  post  weight   roi    nt
    0   11    12       5  ME_R  GABA

    Neurons with names:

    >>> _ = path.write_text("Source,Target,Weight\nADAL,AIBL,1\n")
    >>> pdneuro.read_edges(path, nodes="names")
        pre  post  weight
    0  ADAL  AIBL       1
    """
    given: dict[str, Any] = {"pre": pre, "post": post, "weight": weight, "roi": roi, "nt": nt}
    options: dict[str, Any] = {"regions": regions, "nodes": nodes, "sparse": sparse}
    further = [] if only and columns is None else columns
    path = to_pandas(path)
    if isinstance(path, pd.DataFrame):
        return _edges_of_frame(path, given, options, further)
    if not (is_path(path) or isinstance(path, list | tuple)):
        raise TypeError(f"edges must be a DataFrame or the path of a file, not {type(path).__name__}.")
    try:
        file = local_path(path, storage_options) if is_path(path) else path
        return _edges_of_file(file, given, options, further)
    except PdneuroError as error:
        error.add_note(f"The file is {shown(path)}.")
        raise


def _edges_of_frame(
    frame: pd.DataFrame,
    given: dict[str, Any],
    options: dict[str, Any],
    further: Sequence[Hashable] | None,
) -> pd.DataFrame:
    edges = as_edges(frame, **given, **options)
    if further is None:
        return edges
    if not further:
        return edges[list(COLUMNS)]
    # Rows without an ID, or of other regions, are dropped: row numbers show which ones remain.
    table = frame.reset_index(drop=set(frame.index.names) <= {None})
    edges = as_edges(table, **given, **options)
    found = dict(zip(given, edge_roles(table, **given), strict=True))
    return _with_further(edges, table, further_columns(table.columns, found, further))


def _edges_of_file(
    path: PathLike | Sequence[PathLike],
    given: dict[str, Any],
    options: dict[str, Any],
    further: Sequence[Hashable] | None,
) -> pd.DataFrame:
    matrix = _matrix_of_file(path, checked_nodes(options["nodes"]))
    if matrix is not None:
        if further:
            raise MissingColumnsError(
                f"an adjacency matrix has no further columns. Remove columns={list(further)!r}."
            )
        return matrix_edges(matrix, nodes=options["nodes"])[0]
    sample = first_rows(path)
    given = _roles_of_file(sample, given)
    if further is None:
        return as_edges(read_table(path), **given, **options)
    chosen = further_columns(sample.columns, given, further)
    needed, _ = _needed(sample, given, options["regions"])
    given |= {"roi": given["roi"] if given["roi"] in needed else None, "nt": None}
    if options["sparse"] is None:
        options = options | {"sparse": is_sparse(sample.columns)}
    table = read_table(path, list(dict.fromkeys([*needed, *chosen.values()])))
    return _with_further(as_edges(table[needed], **given, **options), table, chosen)


def further_columns(
    names: Iterable[Hashable], found: Mapping[str, Any], columns: Sequence[Hashable]
) -> dict[Hashable, Hashable]:
    """Return the column of a file for each further column that was given.

    Parameters
    ----------
    names : iterable
        The columns of the file.
    found : mapping
        Its columns with the roles ``pre, post, weight, roi, nt``.
    columns : sequence
        Names of columns; the columns of IDs and of the weight are left out, as they are always read.

    >>> further_columns(["pre", "post", "neuropil", "x"], {"roi": "neuropil"}, ["x", "roi", "pre"])
    {'x': 'x', 'roi': 'neuropil'}
    """
    if isinstance(columns, str):
        columns = [columns]
    names = list(names)
    always = {*COLUMNS, *(found.get(role) for role in COLUMNS)}
    chosen = {}
    for name in dict.fromkeys(columns):
        source = name if name in names else found.get(str(name))
        if name not in always and source is None:
            raise MissingColumnsError(
                f"there is no column {name!r} among {listing(map(repr, names), 12)}."
                f"{did_you_mean(str(name), names)}"
            )
        if name not in always:
            chosen[name] = source
    return chosen


def _with_further(
    edges: pd.DataFrame, table: pd.DataFrame, chosen: Mapping[Hashable, Hashable]
) -> pd.DataFrame:
    """Return ``pre, post, weight`` and further columns of a table, whose index is without duplicates."""
    edges = edges[list(COLUMNS)]
    if not chosen:
        return edges
    rows = table.loc[edges.index, list(chosen.values())]
    return pd.concat([edges, rows.set_axis(list(chosen), axis=1)], axis=1)


def _roles_of_file(sample: pd.DataFrame, given: dict[str, Any]) -> dict[str, Any]:
    """Return the columns of a file with the roles of an edge table, given or recognized."""
    if list(sample.columns[:2]) == ["0", "1"]:
        chosen = {role: name for role, name in given.items() if name is not None}
        by_position = {"pre": "0", "post": "1"} if "weight" in chosen else _roles_by_position(sample)
        given = given | by_position | chosen
    return dict(zip(("pre", "post", "weight", "roi", "nt"), edge_roles(sample, **given), strict=True))


def _needed(sample: pd.DataFrame, given: dict[str, Any], regions: Any) -> tuple[list[Hashable], bool]:
    """Return the columns that pairs and weights need, and whether only the whole table decides them."""
    names: list[Hashable] = list(sample.columns)
    columns = [given[role] for role in ("pre", "post", "weight")]
    doubtful = False
    if given["weight"] is None:  # the columns that decide whether a row is a synapse
        counts = possible_counts(sample, (given["pre"], given["post"], given["roi"], given["nt"]))
        # Only whole rows show which ones are repeated.
        columns += names if any(may_count(sample[name]) for name in counts) else pair_scores(names)
        doubtful = len(columns) > 3
    columns += [given["roi"]] if regions is not None else []
    return list(dict.fromkeys(name for name in columns if name in names)), doubtful


#: Number of rows that :func:`edge_pieces` reads at once.
PIECE_ROWS = 2**21


def edge_pieces(
    path: PathLike | Sequence[PathLike], columns: Sequence[Hashable] = (), **given: Any
) -> Iterator[pd.DataFrame]:
    """Read the edges of a file in pieces that fit in memory.

    Parameters
    ----------
    path : path or list of paths
    columns : sequence
        Further columns to read.
    **given
        Parameters of :func:`read_edges`.

    Yields
    ------
    DataFrame
        ``pre, post, weight`` of some rows, and the further columns. All pieces together are the result
        of :func:`read_edges` with ``only=True``. There is one piece if only the whole table decides how
        it is read: of a matrix, of names, of ``regions``, and if another column may count the synapses
        of a row.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from pdneuro.files import edge_pieces, write_table
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "edges.csv"
    >>> write_table(pdneuro.sandbox.edges(), path)
    >>> [len(piece) for piece in edge_pieces(path)]
    [45000]
    """
    roles_given = {role: given.get(role) for role in ("pre", "post", "weight", "roi", "nt")}
    sparse = given.get("sparse")
    try:
        whole = given.get("nodes", IDS) != IDS or given.get("regions") is not None
        if whole or _matrix_of_file(path, IDS) is not None:
            yield read_edges(path, **given, columns=columns, only=True)
            return
        sample = first_rows(path)
        found = _roles_of_file(sample, roles_given)
        needed, doubtful = _needed(sample, found, None)
        if doubtful:
            yield read_edges(path, **given, columns=columns, only=True)
            return
        chosen = further_columns(sample.columns, found, columns)
        sparse = is_sparse(sample.columns) if sparse is None else sparse
        found |= {"weight": found["weight"] or ROWS, "roi": None, "nt": None}
        read = list(dict.fromkeys([*needed, *chosen.values()]))
        yield from _checked_pieces(table_pieces(path, read, PIECE_ROWS), found, sparse, needed, chosen)
    except PdneuroError as error:
        if not any("The file is" in note for note in getattr(error, "__notes__", ())):
            error.add_note(f"The file is {shown(path)}.")
        raise


def _checked_pieces(
    pieces: Iterable[pd.DataFrame],
    found: dict[str, Any],
    sparse: bool,
    needed: list[Hashable],
    chosen: Mapping[Hashable, Hashable],
) -> Iterator[pd.DataFrame]:
    """Yield the edges of pieces of a table; warn at the end of rows without an ID."""
    ends = [found["pre"], found["post"]]
    rows, dropped, first, last = 0, 0, 0, None
    for piece in pieces:
        if sparse:
            if last is not None:  # an empty cell is the ID of the row above, in the piece before
                head = piece.index[:1]
                piece.loc[head, ends] = piece.loc[head, ends].fillna(last)
            piece[ends] = piece[ends].ffill()
            last = piece[ends].iloc[-1] if len(piece) else last
        edges, incomplete = with_incomplete(piece[needed], **found, sparse=False)
        if incomplete.any():
            first = first if dropped else rows + int(np.argmax(incomplete))
            dropped += int(incomplete.sum())
            edges = edges[~incomplete]
        rows += len(piece)
        yield _with_further(edges, piece, chosen)
    if dropped:
        warn_of_incomplete(dropped, rows, first)


def _roles_by_position(sample: pd.DataFrame) -> dict[str, Any]:
    """Return the roles of the columns of a table without a header: pre, post, [roi,] weight, [nt]."""
    others = list(sample.columns[2:])
    whole = [name for name in others if may_count(sample[name].rename("count"))]
    if others and not whole:
        raise MissingColumnsError(
            f"the file has no header, and {listing(map(repr, others))} contain no numbers of synapses. "
            "Name the column: weight=..., or count each row as one synapse: weight='rows'."
        )
    roles: dict[str, Any] = {"pre": "0", "post": "1", "weight": whole[0] if whole else None}
    if whole and whole[0] == "3":
        roles["roi"] = "2"
        if others[2:] and types.is_string_dtype(sample[others[2]].dtype):
            roles["nt"] = others[2]
    return roles


def _matrix_of_file(path: PathLike | Sequence[PathLike], nodes: str) -> pd.DataFrame | None:
    """Return the adjacency matrix in a text file, None if it contains rows of edges.

    Raises
    ------
    MissingColumnsError
        The file contains a matrix whose labels are lacking or doubtful.
    """
    files, ending, _ = files_of(path)
    if ending not in TEXT_OR_SHEET:
        return None
    file, separator = files[0], SEPARATORS.get(ending, ",")
    shape, labels = "", _NO_LABELS
    # A file that cannot be read raises a clear error when its rows are read.
    with contextlib.suppress(ValueError, *DAMAGED):
        shape, labels = _matrix_shape(content_of(file, ending), separator, nodes)
    if not shape:
        return None
    if labels == _NO_LABELS:
        raise MissingColumnsError(
            f"{MATRIX.format(shape)} pdneuro.graphs.from_matrix(frame) after you have set the index and "
            "the columns to the IDs, which the file does not contain."
        )
    content = content_of(file, ending)
    separator, _ = punctuation(content, separator)
    if labels == _SAME_LABELS:
        with readable(file, ending):
            return labeled_text(content_of(file, ending), separator)
    options = "" if separator == "," else f", sep={separator!r}"
    options += ', compression="gzip"' if file.suffix.lower() == ".gzip" else ""
    raise MissingColumnsError(
        f"{MATRIX.format(shape)} pdneuro.graphs.from_matrix(pd.read_csv({os.fspath(file)!r}, "
        f"index_col=0{options}))."
    )


def _matrix_shape(path: Path | IO[Any], separator: str, nodes: str) -> tuple[str, str]:
    """Return the size of the adjacency matrix in a text file, "" if there is none; and its labels."""
    lines = first_cells(path, separator)
    first, second = lines[0], lines[1] if len(lines) > 1 else []
    numbers = [bool(re.fullmatch(r"\d+", cell)) for cell in first]
    begin = 1 if len(second) == len(first) else 0
    labels = first[begin:]
    digits = all(numbers[begin:])
    rows = f"{len(lines) - 1:,}" if len(lines) <= SAMPLE else "many"
    shape = f"{rows} x {len(labels):,}"
    same = [line[0] for line in lines[1 : len(labels) + 1]] == labels[:SAMPLE]
    named = same and len(set(labels)) == len(labels) > 1 and not any(numbers[begin:])
    if named or nodes == NAMES:  # without nodes="names", names are an error of matrix_edges
        return (shape, _SAME_LABELS) if named else ("", _NO_LABELS)
    if len(second) not in (len(first), len(first) + 1) or len(labels) < 2 or not digits:
        return _square(lines), _NO_LABELS
    corner = begin == 0 or not numbers[0] or first[0] == "0"
    if same and (corner or len(labels) > 2):
        return shape, _SAME_LABELS  # the labels of the rows are those of the columns
    if corner and len(set(labels)) == len(labels) > 2 and first[0] != "0":
        return shape, _OTHER_LABELS  # a header of numbers
    if len(first) > 2 and int(first[2]) >= _LARGE_ID and len(second[2]) < len(first[2]) - 3:
        return shape, _OTHER_LABELS  # an ID in the place of a weight
    return _square(lines), _NO_LABELS


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
