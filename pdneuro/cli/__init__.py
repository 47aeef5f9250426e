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
from typing import NoReturn

from pdneuro._version import __version__
from pdneuro.cli import command, manage, queries, swc
from pdneuro.cli.words import shell_words
from pdneuro.errors import PdneuroError, PdneuroWarning

__all__ = ["main", "parser", "run"]

_STOPPED = 130


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
    try:
        try:
            options = parser().parse_args(arguments)
            importlib.import_module("pdneuro.accessors")  # registers .neuro
            importlib.import_module("pdneuro.transport.report").publish(None)  # of an earlier call
            with warnings.catch_warnings():
                warnings.simplefilter("always", PdneuroWarning)
                warnings.showwarning = _print_warning
                return int(options.run(options) or 0)
        finally:
            sys.stdout.flush()  # at the end of the process, a closed pipe would print a traceback
    except BrokenPipeError:  # the reader, such as head, has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # 128 + SIGPIPE, a signal that Windows does not have
    except (PdneuroError, ValueError, OSError) as error:
        print(f"pdneuro: {shell_words(str(error))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "pdneuro: stopped. Responses received so far are cached; the same command resumes.",
            file=sys.stderr,
        )
        return _STOPPED


def run() -> NoReturn:
    """Run the command of this process, and end the process.

    Examples
    --------
    >>> pdneuro.cli.run()  # doctest: +SKIP
    """
    status = main()
    if status == _STOPPED:
        os._exit(status)  # without waiting for requests that are under way
    sys.exit(status)


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands.

    Examples
    --------
    >>> from pdneuro.cli import parser
    >>> parser().parse_args(["fetch", "neurons.csv", "-p", "size"]).property
    ['size']
    """
    root = command.Parser(
        prog="pdneuro",
        description="Look up properties, edge lists and graphs for a table of segment IDs.",
        epilog="pdneuro COMMAND --help shows an example. Exit status: 0 done, 1 an error, 2 an invalid "
        "command, 3 written but some IDs failed, 130 interrupted.",
    )
    root.add_argument("--version", action="version", version=f"pdneuro {__version__}")
    root.set_defaults(run=lambda _: root.print_help())
    commands = root.add_subparsers(metavar="COMMAND")
    for module in (queries, swc, manage):
        module.add(commands)
    completion = command.add(
        commands,
        "completion",
        lambda options: print(_completion(root, options.shell)),
        "print a script that completes commands and options at the Tab key",
        "pdneuro completion bash > ~/.local/share/bash-completion/completions/pdneuro\n"
        "  pdneuro completion zsh > ~/.zfunc/_pdneuro    (with fpath+=~/.zfunc before compinit)\n"
        "  pdneuro completion fish > ~/.config/fish/completions/pdneuro.fish",
    )
    completion.add_argument("shell", choices=["bash", "zsh", "fish"])
    return root


def _completion(root: argparse.ArgumentParser, shell: str) -> str:
    from pdneuro._compat import optional

    shtab = optional("shtab", "completion")
    for action in command.actions(root):
        if action.dest in command.FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    script: str = shtab.complete(root, shell)
    return script


def _print_warning(message: Warning | str, *_: object, **__: object) -> None:
    print(f"pdneuro: warning: {shell_words(str(message))}", file=sys.stderr)
