"""``pdneuro swc``: reconstructions to files, and what is in such files."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from pdneuro import files
from pdneuro.cli import command


def add(commands: Any) -> None:
    """The command of this module."""
    swc = command.add(
        commands,
        "swc",
        lambda chosen: swc.error("choose one of get, check, measure"),
        "get NeuroMorpho.org's reconstructions as files; check or measure files",
        "pdneuro swc get neurons.csv --out reconstructions/\n"
        "  pdneuro swc check reconstructions/1.swc reconstructions/2.swc\n"
        "  pdneuro swc measure reconstructions/1.swc --out measures.csv",
    )
    actions = swc.add_subparsers(metavar="ACTION", required=True)
    get = command.add(
        actions,
        "get",
        _get,
        "the files of some neurons",
        "pdneuro swc get neurons.csv --column neuron_id --out reconstructions/",
    )
    get.add_argument("neurons", nargs="+", help="one table of neurons; or their IDs, or their names")
    get.add_argument("--column", "-c", help="neuron_id or neuron_name; default: known by its name")
    get.add_argument("--version", choices=["CNG", "source"], default="CNG", help="default: CNG")
    get.add_argument("--out", "-o", default=".", help="a folder; default: this one")
    command.asks(get)
    for name, run, what in (
        ("check", _check, "what is wrong with files, a row a problem"),
        ("measure", _measure, "counts and lengths of the neurons in files"),
    ):
        look = command.add(actions, name, run, what, f"pdneuro swc {name} a.swc b.swc --out found.csv")
        look.set_defaults(writes_table=True, offline=False)
        look.add_argument("files", nargs="+", help="swc files")
        look.add_argument("--out", "-o", help="a table to write; default: csv on stdout")
        look.add_argument("--quiet", "-q", action="store_true", help="no summary")


def _get(chosen: argparse.Namespace) -> int:
    from pdneuro.queries.neuromorpho import swc

    with command.settings(chosen):
        column = _column(chosen)
        nodes = swc(column, chosen.version, refresh=chosen.refresh)
        written = files.to_swc(nodes, Path(chosen.out))
        for file in written:
            print(file)
        return command.summary(chosen, f"{len(written):,} files")


def _column(chosen: argparse.Namespace) -> pd.Series[Any]:
    from pdneuro.tables import roles

    given: list[str] = chosen.neurons
    if len(given) == 1 and (files.is_table(given[0]) or Path(given[0]).exists()):
        table = files.read_table(given[0], verbatim=True)
        return roles.neuromorpho_column(table, command.column(chosen, table))
    tables = [name for name in given if files.is_table(name)]
    if tables:
        raise ValueError(
            f"swc get takes one table of neurons, or IDs, or names; not {tables[0]} among others."
        )
    if all(name.isdigit() for name in given):
        return pd.Series([int(name) for name in given], name="neuron_id")
    return pd.Series(given, name="neuron_name")


def _check(chosen: argparse.Namespace) -> int:
    from pdneuro import tables

    with command.settings(chosen):
        nodes = files.read_swc(chosen.files)
        found = tables.check(nodes)
        # The place in the file, and not in the table of all files.
        starts = nodes.groupby("neuron", observed=True, sort=False).head(1)
        first = pd.Series(nodes.index.get_indexer(starts.index), index=starts["neuron"].astype(str))
        found["row"] = found["row"] - found["neuron"].astype(str).map(first).astype("Int64")
        return _written(chosen, found, f"{len(found):,} problems in {len(chosen.files):,} files")


def _measure(chosen: argparse.Namespace) -> int:
    from pdneuro import tables

    with command.settings(chosen):
        found = tables.morphology(files.read_swc(chosen.files)).reset_index()
        return _written(chosen, found, f"{len(found):,} neurons")


def _written(chosen: argparse.Namespace, table: pd.DataFrame, done: str) -> int:
    files.write_table(table, sys.stdout if chosen.out is None else chosen.out)
    if not chosen.quiet:
        print(f"pdneuro: {done}", file=sys.stderr)
    return 0
