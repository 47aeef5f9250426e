"""The command line: methods of the accessor for files and shells.

Tables are written to a file or to stdout, everything else to stderr. Exit status: 0 done, 1 an error,
2 an invalid command, 3 written but some IDs failed, 130 interrupted.
"""

from __future__ import annotations

import argparse
import importlib
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
        Default: the arguments of the process.

    Returns
    -------
    int
        The exit status: 0 done, 1 an error, 3 written but some IDs failed, 130 interrupted.

    Raises
    ------
    SystemExit
        With status 2 for an invalid command, 0 for ``--help``.

    Examples
    --------
    >>> from pdneuro.cli import main
    >>> main(["cache", "info"])
    The cache is empty.
    0
    """
    options = parser().parse_args(arguments)
    importlib.import_module("pdneuro.accessors")  # registers .neuro
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", PdneuroWarning)
            warnings.showwarning = _print_warning
            return int(options.run(options) or 0)
    except BrokenPipeError:  # the reader, such as head, has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # 128 + SIGPIPE, a signal that Windows does not have
    except (PdneuroError, ValueError, OSError) as error:
        print(f"pdneuro: {error}{_shell_flags(str(error))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "pdneuro: stopped. Responses received so far are cached; the same command resumes.",
            file=sys.stderr,
        )
        return 130


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands.

    Examples
    --------
    >>> from pdneuro.cli import parser
    >>> parser().parse_args(["fetch", "neurons.csv", "-p", "size"]).property
    ['size']
    """
    root = argparse.ArgumentParser(
        prog="pdneuro",
        description="Look up properties, edge lists and graphs for a table of segment IDs.",
        epilog="pdneuro COMMAND --help shows an example. Exit status: 0 done, 1 an error, 2 an invalid "
        "command, 3 written but some IDs failed, 130 interrupted.",
    )
    root.add_argument("--version", action="version", version=f"pdneuro {__version__}")
    commands = root.add_subparsers(required=True, metavar="COMMAND")
    for module in (queries, swc, manage):
        module.add(commands)
    return root


def _shell_flags(message: str) -> str:
    """Return the flags of the command line for the Python arguments that a message names."""
    flags = {"on=": "--column", "overwrite=": "--overwrite", "prefix=": "--prefix", "multiple=": "--multiple",
             "refresh=": "--refresh", "on_missing=": "--on-missing", "last_report()": "--report FILE"}  # fmt: skip
    named = [flag for word, flag in flags.items() if word in message]
    return f" (In a shell: {', '.join(named)}.)" if named else ""


def _print_warning(message: Warning | str, *_: object, **__: object) -> None:
    print(f"pdneuro: warning: {message}{_shell_flags(str(message))}", file=sys.stderr)
