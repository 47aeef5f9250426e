"""What the commands share: arguments, options for the time of a command, tables in and out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, cast

import pandas as pd

from pdneuro import files
from pdneuro.options import set_options
from pdneuro.transport import report

#: Exit status where a table was written, but some of its IDs have no answer.
INCOMPLETE = 3


def add(
    commands: Any, name: str, run: Callable[[argparse.Namespace], Any], what: str, example: str
) -> argparse.ArgumentParser:
    """A command with its example."""
    found: argparse.ArgumentParser = commands.add_parser(
        name,
        help=what,
        description=f"{what[0].upper()}{what[1:]}.",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.set_defaults(run=run, writes_table=False)
    return found


def takes_table(command: argparse.ArgumentParser, column: str) -> None:
    """The arguments of a command that reads a table and writes one."""
    command.add_argument(
        "file", help="csv, tsv, txt (also .gz), parquet, feather; - reads csv from stdin"
    )
    command.add_argument("--column", "-c", help=f"column of {column}; default: known by its name")
    writes_table(command)


def writes_table(command: argparse.ArgumentParser) -> None:
    """The arguments of a command that writes a table and asks a service."""
    command.set_defaults(writes_table=True)
    command.add_argument(
        "--out", "-o", help="file to write, by its ending; default, or -: csv on stdout"
    )
    command.add_argument("--report", metavar="FILE", help="write what became of each ID, too")
    asks(command)


def asks(command: argparse.ArgumentParser) -> None:
    """The arguments of a command that asks a service."""
    group = command.add_argument_group("asking")
    group.add_argument("--offline", action="store_true", help="answer from the cache alone")
    group.add_argument(
        "--on-error", choices=["raise", "partial"], help="partial: write what there is, exit status 3"
    )
    group.add_argument(
        "--on-missing", choices=["warn", "raise", "ignore"], help="when the service does not know an ID"
    )
    group.add_argument("--refresh", action="store_true", help="ask anew for what is stored")
    group.add_argument("--quiet", "-q", action="store_true", help="no bar and no summary")


def asks_source(command: argparse.ArgumentParser) -> None:
    """The arguments of a command that asks a source of segments."""
    command.add_argument(
        "--source", help="fruitfly_fafb_flywire, cave:minnie65_public@1300, edges.parquet, ..."
    )
    command.add_argument("--batch-size", type=whole(1), metavar="N", help="IDs a request")
    command.add_argument("--max-workers", type=whole(1), metavar="N", help="requests at a time")


def whole(least: int) -> Callable[[str], int]:
    """The type of an argument that is a whole number, not smaller than this."""

    def check(text: str) -> int:
        number = int(text)
        if number < least:
            raise argparse.ArgumentTypeError(f"{number} is smaller than {least}")
        return number

    return check


def words(values: list[str] | None) -> list[str]:
    """Names that are given one by one, or with commas between."""
    return [word for value in values or () for word in value.split(",") if word]


def settings(chosen: argparse.Namespace) -> set_options:
    """The options that the arguments stand for, for a ``with`` block; files to write are looked at first."""
    if getattr(chosen, "out", None) == "-":
        chosen.out = None
    for file in (getattr(chosen, "out", None), getattr(chosen, "report", None)):
        if file is not None and chosen.writes_table:
            files.writable(file)
    names = ("source", "batch_size", "max_workers", "on_error", "on_missing")
    given = {name: getattr(chosen, name, None) for name in names}
    options = {name: value for name, value in given.items() if value is not None}
    if chosen.offline:
        options["offline"] = True
    if chosen.quiet:
        options["progress"] = False
    return set_options(**options)


def column(chosen: argparse.Namespace, table: pd.DataFrame) -> Hashable | None:
    """The column that is named; the only one there is; None, to be known by its name."""
    if chosen.column is None and table.shape[1] == 1:
        only: Hashable = table.columns[0]
        return only
    return cast(Hashable | None, chosen.column)


def read(chosen: argparse.Namespace) -> pd.DataFrame:
    """The table of a command: as it is written where text goes to text, else with dtypes."""
    source = sys.stdin if chosen.file == "-" else chosen.file
    return files.read_table(source, verbatim=files.is_text(chosen.out))


def write(chosen: argparse.Namespace, table: pd.DataFrame) -> int:
    """Write a result, say what became of the IDs, and give the exit status."""
    files.write_table(table, sys.stdout if chosen.out is None else chosen.out)
    if chosen.report:
        files.write_table(report.last_report(), chosen.report)
    place = "stdout" if chosen.out is None else Path(chosen.out)
    return summary(chosen, f"{len(table):,} rows to {place}")


def summary(chosen: argparse.Namespace, done: str) -> int:
    """Say what was done and what became of the IDs; the exit status."""
    counts = report.last_report()["status"].value_counts()
    if not chosen.quiet:
        said = ", ".join(f"{count:,} {status}" for status, count in counts.items() if count)
        print(f"pdneuro: {done}{f'; asked: {said}' if said else ''}", file=sys.stderr)
    return INCOMPLETE if any(counts.get(status, 0) for status in ("failed", "not asked")) else 0
