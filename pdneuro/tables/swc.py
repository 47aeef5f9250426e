"""Read SWC files, also those that break the format's rules; write numbers unchanged."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from pdneuro.errors import (
    InvalidIdError,
    InvalidSwcError,
    PrecisionLossError,
    UnreadableLinesWarning,
    listing,
    warn,
)
from pdneuro.tables.ids import Reason, convert, fault_error
from pdneuro.tables.ids import parse as parse_integer
from pdneuro.tables.provenance import facts, note
from pdneuro.tables.skeletons import (
    COLUMNS,
    DTYPE,
    NEURON,
    NO_SOMA,
    Nodes,
    arrays,
    find_problems,
    frame,
    neuron_column,
)


def parse(data: bytes, name: str, *, strict: bool = False, own_names: bool = False) -> pd.DataFrame:
    """Return the node table of an SWC file.

    Parameters
    ----------
    data : bytes
        The content of the file: any encoding, line ends, comments, spaces or tabs.
    name : str
        Name of the neuron.
    strict : bool, default False
        Raise an error for a file with a problem that :func:`check` lists.
    own_names : bool, default False
        Use the column ``neuron`` of a file with a header instead of ``name``.

    Returns
    -------
    DataFrame

    Raises
    ------
    InvalidSwcError
        No line is a node, or the header does not fit; or, with ``strict``, the file has problems.
    PrecisionLossError
        The number of a node lost digits, as in ``7.2E+17``.

    Warns
    -----
    UnreadableLinesWarning
        Lines that are not nodes were skipped.
    """
    nodes, extras, unreadable, neurons = _read(data, name)
    table = frame(nodes, extras, name)
    if own_names and neurons is not None:
        table[NEURON] = neurons
    elif nodes.codes is not None and len(np.unique(nodes.codes)) > 1:
        raise InvalidSwcError(f"{name} contains several neurons, so it cannot have one name.")
    problems = find_problems(nodes)
    counts = {"problems": sum(map(len, problems.values()))} if problems else {}
    note(table, source="file", query=f"read_swc({name})", **counts)
    if strict and (problems or unreadable):
        listed = [
            kind if kind == NO_SOMA else f"{kind} at node {listing(nodes.node[rows].tolist(), 3)}"
            for kind, rows in problems.items()
        ]
        listed += [f"unreadable {listing(unreadable, 3)}"] if unreadable else []
        raise InvalidSwcError(
            f"{name} is not a valid reconstruction: {'; '.join(listed)}. With strict=False it is read "
            "unchanged, and .neuro.check() lists the problems."
        )
    if unreadable:
        warn(
            f"{len(unreadable):,} lines of {name} are not nodes and were skipped: "
            f"{listing(unreadable, 3)}.",
            UnreadableLinesWarning,
        )
    return table


def parse_at_once(files: Sequence[tuple[str, bytes]]) -> pd.DataFrame | None:
    """Return the node table of several files, by name; None if a line is not seven plain numbers.

    One call of the reader for all files takes less time than one call for each.
    """
    rows = [_rows_in_order(_as_ascii(data), name) for name, data in files]
    lines = [b"" if part is None else part.strip() for part in rows]
    nodes = _by_arrow(b"\n".join(lines)) if all(lines) else None
    counts = [part.count(b"\n") + 1 for part in lines]
    if nodes is None or len(nodes.node) != sum(counts):  # a blank line is not a row
        return None
    neurons = neuron_column([name for name, _ in files]).repeat(counts)
    return pd.DataFrame({NEURON: neurons, **dict(zip(COLUMNS, nodes[1:], strict=True))}, copy=False)


def whole_nodes(data: bytes, name: str) -> Nodes:
    """Return the nodes of an SWC file in which each line is a node or a comment.

    Raises
    ------
    InvalidSwcError
        No line is a node, or a line is none.
    PrecisionLossError, InvalidIdError
        The number of a node is not an exact integer.
    """
    nodes, _, unreadable, _ = _read(data, name)
    if unreadable:
        raise InvalidSwcError(
            f"{len(unreadable):,} lines of {name} are not nodes: {listing(unreadable, 3)}."
        )
    return nodes


def _read(data: bytes, name: str) -> tuple[Nodes, list[list[str]], list[str], Any]:
    """Return nodes, further words, unreadable lines and neurons of a file."""
    content = _as_ascii(data)
    if content.lstrip()[:1] == b"<":
        raise InvalidSwcError(f"{name} is an HTML or XML page, not an SWC file.")
    rows = _rows_in_order(content, name)
    nodes = None if rows is None else _by_arrow(rows)
    if nodes is not None:
        return nodes, [], [], None
    lines = _lines(content)
    layout = _layout(lines, name)
    try:
        nodes = _quick(content) if layout is None else None
        return _line_by_line(lines, name, layout) if nodes is None else (nodes, [], [], None)
    except (PrecisionLossError, InvalidIdError) as error:
        raise type(error)(f"{name} cannot be read exactly: {error}") from None


def _lines(content: bytes) -> list[str]:
    return content.decode("latin-1").replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _rows_in_order(content: bytes, name: str) -> bytes | None:
    """Return the lines after the first comments; None if a header names columns in another order."""
    start = 0
    while content.startswith(b"#", start) and content.find(b"\n", start) > 0:
        start = content.find(b"\n", start) + 1
    end = content.find(b"\n", start)
    head = _lines(content[:end] if end > 0 else content)
    return content[start:] if _layout(head, name) is None else None


def _as_ascii(data: bytes) -> bytes:
    """Convert the content to an encoding with the digits, spaces and line ends of ASCII."""
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8")):
        if data.startswith(mark):
            data = data.decode(encoding, "replace").encode().removeprefix(b"\xef\xbb\xbf")
    return data if b"\n" in data or b"\r" not in data else data.replace(b"\r", b"\n")


# -- a header that names the columns ------------------------------------------------------------------

#: Names of the columns in headers, the clearest ones first.
_NAMES = {
    "node": ("node", "node_id", "nodeid", "id", "sample", "sample_number", "n", "index"),
    "type": ("type", "structure", "structure_identifier", "structure_id", "label", "t"),
    "x": ("x", "x_position"),
    "y": ("y", "y_position"),
    "z": ("z", "z_position"),
    "radius": ("radius", "r"),
    "parent": ("parent", "parent_id", "parentid", "parent_sample", "parent_node", "pid", "p"),
}


class _Layout(NamedTuple):
    """The columns of a file, as its header names them."""

    #: Number of the first line after the header.
    start: int
    #: "," or a tab; None for spaces.
    separator: str | None
    #: Position of each of the seven columns; -1 for a radius that the file does not have.
    positions: list[int]
    neuron: int | None
    #: Positions of further columns.
    extras: list[int]


def _layout(lines: list[str], name: str) -> _Layout | None:
    """Return the columns that a header names; None if they are in the order of the format."""
    header, start = None, 0
    for position, line in enumerate(lines):
        comment = line.lstrip().startswith("#")
        text = line.lstrip(" \t#")
        cells = _cells(text, _separator(text))
        names = [word.strip().casefold().replace(" ", "_") for word in cells]
        found = {
            role: next((names.index(word) for word in words if word in names), -1)
            for role, words in _NAMES.items()
        }
        if min(place for role, place in found.items() if role != "radius") >= 0:
            header = (list(found.values()), names, _separator(text))
        elif not comment and any(_number(word) is not None for word in cells if word):
            start = position
            break
    if header is None:
        return None
    positions, names, separator = header
    first = _cells(lines[start], separator)
    shift = len(first) - len(names)
    by_place = [place for place in positions if place >= 0]
    in_order = by_place == list(range(by_place[0], by_place[0] + len(by_place)))
    # R writes row names without a name for their column.
    row_names = shift == 1 and (separator is not None or lines[start].lstrip()[:1] in ("'", '"'))
    # Cells between separators may be empty, so they are read by the header even if it is in order.
    by_spaces = separator is None or shift != 0
    if in_order and by_spaces and not row_names and (by_place[0] == 0 or shift == -by_place[0]):
        return None
    if shift not in (0, 1) or (shift == 1 and not row_names):
        raise InvalidSwcError(
            f"the header of {name} names {len(names)} columns, and line {start + 1} has {len(first)}. "
            "Name each column, or remove the header if the columns are in the order of the format."
        )
    neuron = names.index(NEURON) + shift if NEURON in names else None
    taken = {place + shift for place in positions} | {neuron}
    further = [
        place + shift
        for place, word in enumerate(names)
        if place + shift not in taken and word not in ("", "index", "unnamed:_0")
    ]
    places = [place + shift if place >= 0 else -1 for place in positions]
    return _Layout(start, separator, places, neuron, further)


def _separator(line: str) -> str | None:
    return next((mark for mark in (",", "\t", ";") if line.count(mark) >= len(COLUMNS) - 2), None)


def _cells(line: str, separator: str | None) -> list[str]:
    if separator is None:
        return [word.strip("\"'") for word in line.split()]
    return [cell.strip() for cell in next(csv.reader([line.strip("\r\n ")], delimiter=separator), [])]


# -- lines ------------------------------------------------------------------------------------------


#: A line that is neither blank nor a comment nor a node whose number, type and parent are integers.
_OTHER_LINE = re.compile(
    rb"^(?![ \t]*+[+-]?\d++[ \t]++[+-]?\d++(?:[ \t]++[^\s#]++){4}[ \t]++[+-]?\d++[ \t\r]*+(?:#|$))"
    rb"(?![ \t\r]*+(?:#|$))",
    re.M,
)


def _by_arrow(rows: bytes) -> Nodes | None:
    """Return the nodes of rows of seven plain numbers; None for other rows, or without pyarrow."""
    if rows.translate(None, b"0123456789+-.eE \t\r\n"):
        return None
    try:
        import pyarrow
        from pyarrow import csv as reader
    except ImportError:
        return None
    types = {name: pyarrow.from_numpy_dtype(DTYPE[name]) for name in COLUMNS}
    try:
        table = reader.read_csv(
            pyarrow.BufferReader(rows),
            reader.ReadOptions(use_threads=len(rows) > 2**21, column_names=COLUMNS),
            reader.ParseOptions(delimiter=" ", quote_char=False),
            reader.ConvertOptions(column_types=types, null_values=[]),
        )
    except pyarrow.ArrowInvalid:
        # Several blanks, or blanks at the ends of a line, are rare, and a search for them is slow.
        spaced = re.sub(rb"[ \t]+", b" ", rows).replace(b"\r\n", b"\n")
        spaced = spaced.replace(b"\n ", b"\n").replace(b" \n", b"\n").strip(b" ")
        return None if spaced == rows else _by_arrow(spaced)
    return Nodes.of([table[name].to_numpy() for name in COLUMNS])


def _quick(content: bytes) -> Nodes | None:
    """Return the nodes of a file with seven numbers per line; None for other files."""
    # NumPy warns of an empty file and of 12.0 in a column of integers. Filters of warnings cannot
    # change that here, since all threads share them.
    if not re.search(rb"^[ \t]*[^#\s]", content, re.M) or _OTHER_LINE.search(content):
        return None
    try:
        # Before pandas 3.1, pandas' reader does not round correctly.
        rows = np.loadtxt(content.decode("latin-1").split("\n"), DTYPE, ndmin=1)
    except (ValueError, OverflowError):
        return None
    return Nodes.of([rows[name] for name in COLUMNS])


def _line_by_line(
    lines: list[str], name: str, layout: _Layout | None
) -> tuple[Nodes, list[list[str]], list[str], Any]:
    """Return nodes, further words, unreadable lines and neurons of a file with any kind of lines."""
    rows: list[list[Any]] = []
    numbers: list[int] = []
    extras: list[list[str]] = []
    unreadable: list[str] = []
    neurons: list[Any] = []
    start = 0 if layout is None else layout.start
    split = [_words(line) if layout is None else _row_cells(line, layout) for line in lines[start:]]
    # If all rows lack a radius, the file has none; a single such row is truncated.
    without_radius = layout is None and all(len(words) in (0, 6) for words in split)
    for number, (line, words) in enumerate(zip(lines[start:], split, strict=True), start + 1):
        if not words:
            continue
        if layout is not None:
            cells = [words[place] if 0 <= place < len(words) else "" for place in layout.positions]
            further = [words[place] for place in layout.extras if place < len(words)]
        else:
            cells = [*words[:5], "nan", words[5]] if without_radius else words[: len(COLUMNS)]
            further = words[len(COLUMNS) :]
        row = _row(cells)
        if row is not None:
            rows.append(row)
            numbers.append(number)
            extras.append(further)
            if layout is not None and layout.neuron is not None:
                neurons.append(words[layout.neuron] or None if layout.neuron < len(words) else None)
        elif rows or any(_number(word) is not None for word in words):  # otherwise a header without "#"
            unreadable.append(f"line {number} ({line.strip()[:60]!r})")
    if not rows:
        raise InvalidSwcError(f"{name} contains no nodes: no line has the seven numbers of an SWC file.")
    columns = [
        _whole(values, numbers, column) if column in ("node", "type", "parent") else values
        for column, values in zip(COLUMNS, zip(*rows, strict=True), strict=True)
    ]
    if not neurons:
        return Nodes.of(columns), extras, unreadable, None
    if all(isinstance(neuron, str) and neuron.isdecimal() for neuron in neurons):
        neurons = [int(neuron) for neuron in neurons]
    codes, _ = pd.factorize(pd.Series(neurons, dtype=object), use_na_sentinel=False)
    return Nodes.of(columns, codes), extras, unreadable, neuron_column(neurons)


def _whole(words: Sequence[str], lines: list[int], column: str) -> pd.Series[Any]:
    """Return the integers of a column of text; missing ones are NA."""
    values = pd.Series(list(words), index=pd.Index(lines), dtype=object)
    integers, missing, fault = convert(values)
    if fault is not None:
        raise fault_error(values, fault, column, place="line", remedy="Export the file with all digits.")
    found = pd.Series(integers, index=values.index, name=column, dtype="Int64")
    return found if missing is None else found.mask(missing)


def _row_cells(line: str, layout: _Layout) -> list[str]:
    text = line.partition("#")[0]
    return _cells(text, layout.separator) if text.strip() else []


def _words(line: str) -> list[str]:
    """Split a line up to a comment; commas separate numbers, or are decimal points."""
    text = line.partition("#")[0].strip(" \t,;")
    if not text:
        return []
    words = re.split(r"[\s;]+", text)
    if len(words) > 5 and not any(word.endswith(",") for word in words):
        return [word.replace(",", ".") for word in words]
    return re.split(r"[\s,;]+", text)


def _row(words: list[str]) -> list[Any] | None:
    """Return the words of three integers and four numbers of a node; None if they are not a node."""
    if len(words) < len(COLUMNS):
        return None
    integers = [parse_integer(words[column]) for column in (0, 1, 6)]
    # A number whose digits were lost is an error, not an unreadable line.
    if integers[0] is None or any(
        isinstance(number, Reason) and not number.lossy for number in integers
    ):
        return None
    floats = [_number(word) for word in words[2:6]]
    if None in floats:
        return None
    return [words[0], words[1], *floats, words[6]]


def _number(word: str) -> float | None:
    if word.lower() in ("", "na", "n/a", "none", "null", "-"):
        return float("nan")
    try:
        return float(word)
    except ValueError:
        return None


def neuron_name(file: str) -> str:
    """Return the name of a neuron from the name of its file."""
    return re.sub(r"(\.CNG)?\.(swc|csv|tsv|txt)(\.gz)?$", "", file, flags=re.I)


def text(nodes: pd.DataFrame) -> str:
    """Return the SWC file of one neuron; numbers are the same when they are read again.

    Parameters
    ----------
    nodes : DataFrame
        Node table. Further columns are written after the seven columns of the format.
    """
    columns, _ = arrays(nodes)
    # Numbers of nodes may be floats, and a missing parent is a root.
    table = nodes.assign(**dict(zip(COLUMNS, columns[1:], strict=True)))
    extras = [name for name in table.columns if re.fullmatch(r"column_\d+", str(name))]
    provenance = facts(nodes)
    # Texts are written in one line, since a second line would not be a comment.
    comments = [
        f"# {word}: {' '.join(str(provenance[word]).split())}"
        for word in ("source", "query", "license")
        if word in provenance
    ]
    head = ["# SWC, written by pdneuro", *comments, "# node type x y z radius parent"]
    text = table[[*COLUMNS]].to_csv(sep=" ", header=False, index=False, na_rep="NA", lineterminator="\n")
    rows = text.splitlines()
    for name in extras:  # rows may have different numbers of further words
        words = table[name].astype(object).where(table[name].notna(), "").tolist()
        rows = [f"{row} {word}".rstrip() for row, word in zip(rows, words, strict=True)]
    return "\n".join([*head, *rows, ""])
