"""Command ``pdneuro swc``: download reconstructions, check and measure files."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pdneuro.cli import command

if TYPE_CHECKING:
    import pandas as pd


def add(commands: Any) -> None:
    """Add the command of this module."""
    swc = command.add(
        commands,
        "swc",
        lambda _: swc.print_help(),
        "download NeuroMorpho.org's reconstructions as files; check or measure files",
        "pdneuro swc get neurons.csv --out reconstructions/\n"
        "  pdneuro swc check reconstructions/1.swc reconstructions/2.swc\n"
        "  pdneuro swc measure reconstructions/1.swc --out measures.csv",
    )
    actions = swc.add_subparsers(metavar="ACTION")
    get = command.add(
        actions,
        "get",
        _get,
        "download the files of some neurons",
        "pdneuro swc get neurons.csv --column neuron_id --out reconstructions/",
    )
    get.add_argument(
        "neurons", nargs="+", help="one table of neurons (-: csv on stdin), or IDs, or names"
    )
    get.add_argument("--column", "-c", help="neuron_id or neuron_name; default: recognized by its name")
    get.add_argument("--version", default="CNG", help="CNG (default) or source")
    get.add_argument(
        "--out", "-o", default=".", help="folder for the files; default: the current folder"
    )
    command.queries_service(get)
    for name, run, summary in (
        ("check", _check, "list the problems of files, one row per problem"),
        ("measure", _measure, "measure the neurons in files: counts, lengths"),
    ):
        action = command.add(
            actions, name, run, summary, f"pdneuro swc {name} a.swc b.swc --out {name}.csv"
        )
        action.set_defaults(writes_table=True, offline=False)
        action.add_argument("files", nargs="+", help="swc files; - reads one from stdin")
        action.add_argument("--out", "-o", help="table to write; default: csv on stdout")
        action.add_argument("--quiet", "-q", action="store_true", help="no summary")


def _get(options: argparse.Namespace) -> int:
    from pdneuro import files
    from pdneuro.queries.neuromorpho import swc

    with command.settings(options):
        column = _column(options)
        nodes = swc(column, options.version, refresh=options.refresh)
        written = files.to_swc(nodes, Path(options.out))
        for file in written:
            print(file)
        return command.summary(options, f"{len(written):,} files")


def _column(options: argparse.Namespace) -> pd.Series[Any]:
    import pandas as pd

    from pdneuro import files
    from pdneuro.tables import roles

    names: list[str] = options.neurons
    if names == ["-"] or (len(names) == 1 and (files.is_table(names[0]) or Path(names[0]).exists())):
        table = files.read_table(sys.stdin if names == ["-"] else names[0], verbatim=True)
        return roles.neuromorpho_column(table, command.column(options, table))
    tables = [name for name in names if files.is_table(name)]
    if tables:
        raise ValueError(
            f"swc get takes one table of neurons, or IDs, or names. Remove {tables[0]} or the others."
        )
    if all(name.isdigit() for name in names):
        return pd.Series([int(name) for name in names], name="neuron_id")
    return pd.Series(names, name="neuron_name")


def _check(options: argparse.Namespace) -> int:
    import pandas as pd

    from pdneuro import files, tables

    with command.settings(options):
        nodes = files.read_swc(_given(options.files))
        result = tables.check(nodes)
        # The row is counted per file, not in the table of all files.
        starts = nodes.groupby("neuron", observed=True, sort=False).head(1)
        first = pd.Series(nodes.index.get_indexer(starts.index), index=starts["neuron"].astype(str))
        result["row"] = result["row"] - result["neuron"].astype(str).map(first).astype("Int64")
        return _written(options, result, f"{len(result):,} problems in {len(options.files):,} files")


def _measure(options: argparse.Namespace) -> int:
    from pdneuro import files, tables

    with command.settings(options):
        result = tables.morphology(files.read_swc(_given(options.files))).reset_index()
        return _written(options, result, f"{len(result):,} neurons")


def _given(names: list[str]) -> list[Any]:
    return [sys.stdin if name == "-" else name for name in names]


def _written(options: argparse.Namespace, table: pd.DataFrame, done: str) -> int:
    from pdneuro import files

    files.write_table(table, sys.stdout if options.out is None else options.out)
    if not options.quiet:
        print(f"pdneuro: {done}", file=sys.stderr)
    return 0
