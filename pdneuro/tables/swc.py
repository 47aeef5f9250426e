"""Read SWC files, also those that break the format's rules; write numbers unchanged."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import pandas as pd

from pdneuro.errors import InvalidSwcError, UnreadableLinesWarning, listing, warn
from pdneuro.tables.provenance import facts, note
from pdneuro.tables.skeletons import COLUMNS, DTYPE, NO_SOMA, Nodes, find_problems, frame, required


def parse(data: bytes, name: str, *, strict: bool = False) -> pd.DataFrame:
    """Return the node table of an SWC file.

    Parameters
    ----------
    data : bytes
        The content of the file: any encoding, line ends, comments, spaces or tabs.
    name : str
        Name of the neuron.
    strict : bool, default False
        Raise an error for a file with a problem that :func:`check` lists.

    Returns
    -------
    DataFrame

    Raises
    ------
    InvalidSwcError
        No line is a node; or, with ``strict``, the file has problems.

    Warns
    -----
    UnreadableLinesWarning
        Lines that are not nodes were skipped.
    """
    content = _as_ascii(data)
    if content.lstrip()[:1] == b"<":
        raise InvalidSwcError(f"{name} is an HTML or XML page, not an SWC file.")
    extras: list[list[str]] = []
    unreadable: list[str] = []
    nodes = _quick(content)
    if nodes is None:
        nodes, extras, unreadable = _line_by_line(content, name)
    table = frame(nodes, extras, name)
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


def _as_ascii(data: bytes) -> bytes:
    """Convert the content to an encoding with the digits, spaces and line ends of ASCII."""
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8")):
        if data.startswith(mark):
            data = data.decode(encoding, "replace").encode().removeprefix(b"\xef\xbb\xbf")
    return data if b"\n" in data or b"\r" not in data else data.replace(b"\r", b"\n")


def _quick(content: bytes) -> Nodes | None:
    """Return the nodes of a file with seven numbers per line; None for other files."""
    if not re.search(rb"^[ \t]*[^#\s]", content, re.M):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # raise for a number such as 12.0 in a column of integers
            # Before pandas 3.1, pandas' reader does not round correctly.
            rows = np.loadtxt(content.decode("latin-1").split("\n"), DTYPE, ndmin=1)
    except (ValueError, OverflowError, DeprecationWarning):
        return None
    return Nodes.of([rows[name] for name in COLUMNS])


def _line_by_line(content: bytes, name: str) -> tuple[Nodes, list[list[str]], list[str]]:
    """Return nodes, further words and unreadable lines of a file with different kinds of lines."""
    rows: list[list[Any]] = []
    extras: list[list[str]] = []
    unreadable: list[str] = []
    lines = re.split(r"\r\n|\r|\n", content.decode("latin-1"))
    split = [_words(line) for line in lines]
    # If all rows lack a radius, the file has none; a single such row is truncated.
    without_radius = all(len(words) in (0, 6) for words in split)
    for number, (line, words) in enumerate(zip(lines, split, strict=True), 1):
        if not words:
            continue
        row = _row([*words[:5], "nan", words[5]] if without_radius else words)
        if row is not None:
            rows.append(row)
            extras.append(words[len(COLUMNS) :])
        elif rows or any(_number(word) is not None for word in words):  # otherwise a header without "#"
            unreadable.append(f"line {number} ({line.strip()[:60]!r})")
    if not rows:
        raise InvalidSwcError(f"{name} contains no nodes: no line has the seven numbers of an SWC file.")
    return Nodes.of(list(zip(*rows, strict=True))), extras, unreadable


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
    """Return the seven numbers of a node; None if the words are not a node."""
    if len(words) < 7:
        return None
    integers = [_integer(_number(words[column])) for column in (0, 1, 6)]
    floats = [_number(word) for word in words[2:6]]
    if None in integers or None in floats:
        return None
    return [integers[0], integers[1], *floats, integers[2]]


def _number(word: str) -> int | float | None:
    if re.fullmatch(r"[+-]?\d+", word, re.A):
        return int(word)
    if word.lower() in ("na", "n/a", "none", "null", "-"):
        return float("nan")
    try:
        return float(word)
    except ValueError:
        return None


def _integer(number: int | float | None) -> int | None:
    """Return a number as an integer, also a float such as ``12.0``; None if it is not an integer."""
    if number is None or not np.isfinite(number) or number != int(number):
        return None
    return int(number) if abs(number) < 2**63 else None


def neuron_name(file: str) -> str:
    """Return the name of a neuron from the name of its file."""
    return re.sub(r"(\.CNG)?\.swc$", "", file, flags=re.I)


def text(nodes: pd.DataFrame) -> str:
    """Return the SWC file of one neuron; numbers are the same when they are read again.

    Parameters
    ----------
    nodes : DataFrame
        Node table. Further columns are written after the seven columns of the format.
    """
    table = required(nodes)
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
