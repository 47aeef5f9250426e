"""SWC files: as messy as they come in, with every number as it was out."""

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
    """The node table of an SWC file.

    Parameters
    ----------
    data : bytes
        The file as it is: any encoding, line ends, comments, blanks or tabs.
    name : str
        What the neuron is called.
    strict : bool
        Refuse a file with anything that :func:`check` lists.

    Returns
    -------
    DataFrame

    Raises
    ------
    InvalidSwcError
        No line can be read as a node; with ``strict``, what is wrong with the file.

    Warns
    -----
    UnreadableLinesWarning
        Lines that are no nodes were left out.
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
        found = [
            kind if kind == NO_SOMA else f"{kind} at node {listing(nodes.node[rows].tolist(), 3)}"
            for kind, rows in problems.items()
        ]
        found += [f"unreadable {listing(unreadable, 3)}"] if unreadable else []
        raise InvalidSwcError(
            f"{name} is no sound reconstruction: {'; '.join(found)}. Without strict=True it is read as "
            "it is, and .neuro.check() lists what is wrong."
        )
    if unreadable:
        warn(
            f"{len(unreadable):,} lines of {name} are no nodes and were left out: "
            f"{listing(unreadable, 3)}.",
            UnreadableLinesWarning,
        )
    return table


def _as_ascii(data: bytes) -> bytes:
    """The bytes in an encoding whose digits, blanks and line ends are those of ASCII."""
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8")):
        if data.startswith(mark):
            data = data.decode(encoding, "replace").encode().removeprefix(b"\xef\xbb\xbf")
    return data if b"\n" in data or b"\r" not in data else data.replace(b"\r", b"\n")


def _quick(content: bytes) -> Nodes | None:
    """The nodes of a file of seven numbers a line; None where it needs a closer look."""
    if not re.search(rb"^[ \t]*[^#\s]", content, re.M):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a number such as 12.0 where a whole one is due
            # Not pandas' reader: before pandas 3.1 it does not round correctly.
            rows = np.loadtxt(content.decode("latin-1").split("\n"), DTYPE, ndmin=1)
    except (ValueError, OverflowError, DeprecationWarning):
        return None
    return Nodes.of([rows[name] for name in COLUMNS])


def _line_by_line(content: bytes, name: str) -> tuple[Nodes, list[list[str]], list[str]]:
    """Nodes, further words and unreadable lines of a file with lines of several kinds."""
    rows: list[list[Any]] = []
    extras: list[list[str]] = []
    unreadable: list[str] = []
    lines = re.split(r"\r\n|\r|\n", content.decode("latin-1"))
    split = [_words(line) for line in lines]
    # Without a radius throughout; a single such row was cut off.
    bare = all(len(words) in (0, 6) for words in split)
    for number, (line, words) in enumerate(zip(lines, split, strict=True), 1):
        if not words:
            continue
        row = _row([*words[:5], "nan", words[5]] if bare else words)
        if row is not None:
            rows.append(row)
            extras.append(words[len(COLUMNS) :])
        elif rows or any(_number(word) is not None for word in words):  # else a header without its mark
            unreadable.append(f"line {number} ({line.strip()[:60]!r})")
    if not rows:
        raise InvalidSwcError(f"{name} holds no nodes: no line has the seven numbers of an SWC file.")
    return Nodes.of(list(zip(*rows, strict=True))), extras, unreadable


def _words(line: str) -> list[str]:
    """What stands on a line, up to a comment; commas part numbers, or are their decimal points."""
    text = line.partition("#")[0].strip(" \t,;")
    if not text:
        return []
    words = re.split(r"[\s;]+", text)
    if len(words) > 5 and not any(word.endswith(",") for word in words):
        return [word.replace(",", ".") for word in words]
    return re.split(r"[\s,;]+", text)


def _row(words: list[str]) -> list[Any] | None:
    """The seven numbers of a node; None where the words are none."""
    if len(words) < 7:
        return None
    whole = [_whole(_number(words[place])) for place in (0, 1, 6)]
    place = [_number(word) for word in words[2:6]]
    if None in whole or None in place:
        return None
    return [whole[0], whole[1], *place, whole[2]]


def _number(word: str) -> int | float | None:
    if re.fullmatch(r"[+-]?\d+", word, re.A):
        return int(word)
    if word.lower() in ("na", "n/a", "none", "null", "-"):
        return float("nan")
    try:
        return float(word)
    except ValueError:
        return None


def _whole(number: int | float | None) -> int | None:
    """A whole number that stands for a node; a float such as ``12.0`` is one."""
    if number is None or not np.isfinite(number) or number != int(number):
        return None
    return int(number) if abs(number) < 2**63 else None


def neuron_name(file: str) -> str:
    """What a neuron is called whose file has this name."""
    return re.sub(r"(\.CNG)?\.swc$", "", file, flags=re.I)


def text(nodes: pd.DataFrame) -> str:
    """The SWC file of one neuron; every number reads back as it was.

    Parameters
    ----------
    nodes : DataFrame
        Node table. Columns beyond the seven of the format are written behind them.
    """
    table = required(nodes)
    extras = [name for name in table.columns if re.fullmatch(r"column_\d+", str(name))]
    known = facts(nodes)
    # One line per fact, since a further line of a text would not be a comment.
    about = [
        f"# {word}: {' '.join(str(known[word]).split())}"
        for word in ("source", "query", "licence")
        if word in known
    ]
    head = ["# SWC, written by pdneuro", *about, "# node type x y z radius parent"]
    text = table[[*COLUMNS]].to_csv(sep=" ", header=False, index=False, na_rep="NA", lineterminator="\n")
    rows = text.splitlines()
    for name in extras:  # as they were: words, and none where a row has no more of them
        words = table[name].astype(object).where(table[name].notna(), "").tolist()
        rows = [f"{row} {word}".rstrip() for row, word in zip(rows, words, strict=True)]
    return "\n".join([*head, *rows, ""])
