"""The command line: what the accessor does, for files and shells.

Tables go to the file that is named or to stdout, everything else to stderr. Exit status: 0 done,
1 stopped by an error, 2 a command that cannot be read, 3 written but without the answers of some IDs,
130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Sequence

from pdneuro._version import __version__
from pdneuro.cli import manage, queries, swc
from pdneuro.errors import PdneuroError, PdneuroWarning

__all__ = ["main", "parser"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Default: those of the process.

    Returns
    -------
    int
        The exit status: 0 done, 1 an error, 3 written without the answers of some IDs, 130 interrupted.

    Raises
    ------
    SystemExit
        2 for a command that cannot be read, 0 for ``--help``.

    Examples
    --------
    >>> from pdneuro.cli import main
    >>> main(["cache", "info"])
    The cache is empty.
    0
    """
    chosen = parser().parse_args(arguments)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", PdneuroWarning)
            warnings.showwarning = _say_warning
            return int(chosen.run(chosen) or 0)
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # 128 + SIGPIPE, a signal that Windows does not have
    except (PdneuroError, ValueError, OSError) as error:
        print(f"pdneuro: {error}{_in_a_shell(str(error))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "pdneuro: stopped. What had arrived is kept; the same command goes on from there.",
            file=sys.stderr,
        )
        return 130


def parser() -> argparse.ArgumentParser:
    """The parser of all commands.

    Examples
    --------
    >>> from pdneuro.cli import parser
    >>> parser().parse_args(["fetch", "neurons.csv", "-p", "size"]).property
    ['size']
    """
    found = argparse.ArgumentParser(
        prog="pdneuro",
        description="Segment IDs in, properties, edge lists and graphs out.",
        epilog="pdneuro COMMAND --help shows an example of each. Exit status: 0 done, 1 an error, 2 a "
        "command that cannot be read, 3 written without the answers of some IDs, 130 interrupted.",
    )
    found.add_argument("--version", action="version", version=f"pdneuro {__version__}")
    commands = found.add_subparsers(required=True, metavar="COMMAND")
    for module in (queries, swc, manage):
        module.add(commands)
    return found


def _in_a_shell(message: str) -> str:
    """What the arguments of Python that a message names are called here."""
    flags = {"on=": "--column", "overwrite=": "--overwrite", "prefix=": "--prefix", "multiple=": "--multiple",
             "refresh=": "--refresh", "on_missing=": "--on-missing", "last_report()": "--report FILE"}  # fmt: skip
    named = [flag for word, flag in flags.items() if word in message]
    return f" (In a shell: {', '.join(named)}.)" if named else ""


def _say_warning(message: Warning | str, *_: object, **__: object) -> None:
    print(f"pdneuro: warning: {message}{_in_a_shell(str(message))}", file=sys.stderr)
