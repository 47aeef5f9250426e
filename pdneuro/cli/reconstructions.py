"""``pdneuro swc``: reconstructions to files, and what is in such files."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from pdneuro import files
from pdneuro.cli import command


def add(commands: Any) -> None:
    """The command of this module."""
    swc = command.add(
        commands,
        "swc",
        _swc,
        "get NeuroMorpho.org's reconstructions as files; check or measure files",
        "pdneuro swc get neurons.csv --out reconstructions/\n"
        "  pdneuro swc check reconstructions/*.swc\n"
        "  pdneuro swc measure reconstructions/*.swc > measures.csv",
    )
    swc.add_argument("action", choices=["get", "check", "measure"])
    swc.add_argument("files", nargs="+", help="get: one table of neurons, or their IDs; else swc files")
    swc.add_argument("--column", "-c", help="get: neuron_id or neuron_name; default: known by its name")
    swc.add_argument("--version", choices=["CNG", "source"], default="CNG", help="get: default CNG")
    swc.add_argument(
        "--out", "-o", help="get: a folder (default: .); else a table (default: csv on stdout)"
    )
    command.asks(swc)


def _swc(chosen: argparse.Namespace) -> int:
    with command.settings(chosen):
        return _get(chosen) if chosen.action == "get" else _look(chosen)


def _get(chosen: argparse.Namespace) -> int:
    from pdneuro import reconstructions
    from pdneuro.tables import roles

    if all(name.isdigit() for name in chosen.files):
        import pandas as pd

        column: Any = pd.Series([int(name) for name in chosen.files], name="neuron_id")
    elif len(chosen.files) == 1:
        column = roles.neuromorpho_column(files.read_table(chosen.files[0]), chosen.column)
    else:
        raise ValueError("swc get takes one table of neurons, or the IDs of neurons.")
    nodes = reconstructions.swc(column, chosen.version)
    written = files.to_swc(nodes, Path(chosen.out or ".") / "")
    for file in written:
        print(file)
    return command.summary(chosen, f"{len(written):,} files")


def _look(chosen: argparse.Namespace) -> int:
    from pdneuro import tables

    nodes = files.read_swc(chosen.files)
    if chosen.action == "check":
        table = tables.check(nodes)
        if not chosen.quiet:
            print(f"pdneuro: {len(table):,} problems in {len(chosen.files):,} files", file=sys.stderr)
    else:
        table = tables.morphology(nodes).reset_index()
    files.write_table(table, sys.stdout if chosen.out is None else chosen.out)
    return 0
