"""Arguments, options and tables shared by the commands.

Functions import pandas, and the modules that need it, so that arguments are parsed before.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Hashable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pdneuro.errors import did_you_mean
from pdneuro.options import set_options

if TYPE_CHECKING:
    import pandas as pd

#: Exit status if a table was written, but the requests for some IDs failed.
INCOMPLETE = 3
#: Arguments that are the path of a file or a folder.
FILES = frozenset({"file", "files", "neurons", "edges", "out", "report"})
#: Maximum number of characters in a line of a table on the screen.
_WIDTH = 100


class Parser(argparse.ArgumentParser):
    """A parser that suggests similar names for an unknown command or value."""

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            names = ", ".join(map(str, action.choices))
            hint = did_you_mean(value, action.choices)
            raise argparse.ArgumentError(action, f"unknown: {value!r}.{hint} Choose from {names}.")


def actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield the arguments of a parser and of its commands."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from actions(command)


def print_table(table: pd.DataFrame) -> None:
    """Print a table in lines of at most 100 characters; long cells are shortened, then the lines wrapped."""
    for cell in (None, 60, 50, 40, 30, 24):
        text = table.to_string(index=False, na_rep="-", max_colwidth=cell)
        if max(map(len, text.splitlines())) <= _WIDTH:
            break
    else:
        text = table.to_string(index=False, na_rep="-", max_colwidth=30, line_width=_WIDTH)
    print(text)


def add(
    commands: Any, name: str, run: Callable[[argparse.Namespace], Any], summary: str, example: str
) -> argparse.ArgumentParser:
    """Add a command with its example."""
    added: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    added.set_defaults(run=run, writes_table=False)
    return added


def takes_table(command: argparse.ArgumentParser, column: str, *, by_id: bool = True) -> None:
    """Add the arguments of a command that reads a table and writes one."""
    command.add_argument(
        "file", help="csv, tsv, txt (also .gz), parquet, feather or xlsx; - reads csv from stdin"
    )
    command.add_argument("--column", "-c", help=f"column of {column}; default: recognized by its name")
    writes_table(command, by_id=by_id)


def writes_table(command: argparse.ArgumentParser, *, by_id: bool = True) -> None:
    """Add the arguments of a command that writes a table and queries a service, for each ID or not."""
    command.set_defaults(writes_table=True)
    command.add_argument(
        "--out", "-o", help="file to write; its ending sets the format; default, or -: csv on stdout"
    )
    if by_id:
        command.add_argument(
            "--report", metavar="FILE", help="also write the status of each ID; -: csv on stdout"
        )
    queries_service(command, by_id=by_id)


def queries_service(command: argparse.ArgumentParser, *, by_id: bool = True) -> None:
    """Add the arguments of a command that queries a service."""
    group = command.add_argument_group("requests")
    group.add_argument("--offline", action="store_true", help="use only the cache")
    if by_id:
        group.add_argument(
            "--on-error",
            choices=["raise", "partial"],
            help="partial: write NA for IDs that failed, exit status 3",
        )
        group.add_argument(
            "--on-missing",
            choices=["warn", "raise", "ignore"],
            help="what to do if the service does not know an ID",
        )
    group.add_argument("--refresh", action="store_true", help="download again what is cached")
    group.add_argument("--quiet", "-q", action="store_true", help="no progress bar and no summary")


def queries_source(command: argparse.ArgumentParser) -> None:
    """Add the arguments of a command that queries a source of segments."""
    command.add_argument(
        "--source",
        help="fruitfly_fafb_flywire, cave:minnie65_public@1300, neuprint:hemibrain:v1.2.1, edges.parquet, ...",
    )
    command.add_argument("--batch-size", type=at_least(1), metavar="N", help="number of IDs per request")
    command.add_argument(
        "--max-workers",
        type=at_least(1),
        metavar="N",
        help="maximum number of requests at the same time",
    )


def at_least(minimum: int) -> Callable[[str], int]:
    """Return the type of an argument that is an integer of at least this value."""

    def check(text: str) -> int:
        number = int(text)
        if number < minimum:
            raise argparse.ArgumentTypeError(f"{number} is smaller than the minimum, {minimum}")
        return number

    return check


def words(values: list[str] | None) -> list[str]:
    """Return names that are given one by one or separated by commas."""
    return [word for value in values or () for word in value.split(",") if word]


def settings(options: argparse.Namespace) -> set_options:
    """Return the options of a command for a ``with`` block; first check the files to write."""
    from pdneuro import files

    if getattr(options, "out", None) == "-":
        options.out = None
    if getattr(options, "report", None) == "-" and options.out is None:
        raise ValueError("the table and the report cannot both go to stdout. Name a file: --out FILE.")
    read = [getattr(options, name, None) for name in ("file", "source")]
    read += getattr(options, "files", None) or []
    for file in (getattr(options, "out", None), getattr(options, "report", None)):
        if file not in (None, "-") and options.writes_table:
            _refuse_overwriting(files.writable(file), filter(None, read))
            read.append(file)
    names = ("source", "batch_size", "max_workers", "on_error", "on_missing")
    arguments = {name: getattr(options, name, None) for name in names}
    values = {name: value for name, value in arguments.items() if value is not None}
    if options.offline:
        values["offline"] = True
    if options.quiet:
        values["progress"] = False
    return set_options(**values)


def _refuse_overwriting(target: Path, read: Iterable[str]) -> None:
    """Raise an error if a file to write is one that the command uses, or is in a folder of them."""
    for name in read:
        used = Path(name).expanduser().resolve()
        inside = used.is_dir() and target.resolve().is_relative_to(used)
        if target.resolve() == used or inside:
            raise ValueError(
                f"{target} would {'join' if inside else 'replace'} {name}. Name another file."
            )


def column(options: argparse.Namespace, table: pd.DataFrame) -> Hashable | None:
    """Return the column of ``--column``, the only column, or None to recognize it by its name."""
    if options.column is None and table.shape[1] == 1:
        only: Hashable = table.columns[0]
        return only
    return cast(Hashable | None, options.column)


def read(options: argparse.Namespace) -> pd.DataFrame:
    """Read the table of a command, as text if the output is text, otherwise with dtypes."""
    from pdneuro import files
    from pdneuro.tables import roles

    source = sys.stdin if options.file == "-" else options.file
    table = files.read_table(source, verbatim=files.is_text(options.out))
    # An index without a name that holds the IDs would be lost in the result.
    return table.rename_axis("root_id").reset_index() if roles.has_unnamed_ids(table) else table


def write(options: argparse.Namespace, table: pd.DataFrame) -> int:
    """Write a result and a summary of the IDs; return the exit status."""
    from pdneuro import files
    from pdneuro.transport import report

    files.write_table(table, sys.stdout if options.out is None else options.out)
    if getattr(options, "report", None):
        target = sys.stdout if options.report == "-" else options.report
        files.write_table(report.last_report(), target)
    where = "stdout" if options.out is None else Path(options.out)
    return summary(options, f"{len(table):,} rows to {where}")


def summary(options: argparse.Namespace, done: str) -> int:
    """Print what was done and the status of the IDs; return the exit status."""
    from pdneuro.transport import report

    counts = report.last_report()["status"].value_counts()
    if not options.quiet:
        statuses = ", ".join(f"{count:,} {status}" for status, count in counts.items() if count)
        print(f"pdneuro: {done}{f'; IDs: {statuses}' if statuses else ''}", file=sys.stderr)
    return INCOMPLETE if any(counts.get(status, 0) for status in ("failed", "not requested")) else 0
