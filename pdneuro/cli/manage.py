"""Commands ``pdneuro demo``, ``sandbox``, ``setup``, ``doctor``, ``token`` and ``cache``."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from pathlib import Path
from typing import Any

from pdneuro.cli import command
from pdneuro.cli.words import shell_words


def add(commands: Any) -> None:
    """Add the commands of this module."""
    demo = command.add(
        commands,
        "demo",
        _demo,
        "run the main job on a bundled synthetic brain",
        "pdneuro demo --out demo-output",
    )
    demo.add_argument("--out", type=Path, default=Path("demo-output"), help="folder for the output")

    sandbox = command.add(
        commands,
        "sandbox",
        _sandbox,
        "serve the services on this machine, on bundled data or your own files",
        "pdneuro sandbox --edges edges.csv --neurons neurons.csv --port 8765",
    )
    sandbox.add_argument(
        "--edges", help="csv, tsv, txt, parquet or feather, with any known column names"
    )
    sandbox.add_argument("--neurons", help="a table of the same formats, with a column of IDs")
    sandbox.add_argument("--port", type=int, default=0, help="default: a free port")
    sandbox.add_argument("--latency", type=float, default=0.0, help="seconds before each response")

    setup = command.add(
        commands,
        "setup",
        _setup,
        "save the token of a service, check it, and show a first query",
        "pdneuro setup braincircuits    (type the token; it is not shown)",
    )
    setup.add_argument(
        "service", help="braincircuits, cave, neuprint or a datastack such as v1dd_public"
    )

    doctor = command.add(
        commands,
        "doctor",
        _doctor,
        "check that the services respond as pdneuro assumes, and that tokens are accepted",
        "pdneuro doctor neuromorpho cave:v1dd_public --out checks.csv",
    )
    doctor.add_argument(
        "services",
        nargs="*",
        metavar="SERVICE",
        help="braincircuits, cave, neuprint, allen, neuromorpho; default: all, at most 40 requests",
    )
    doctor.add_argument("--ids", type=int, nargs="+", help="segments that the project has")
    doctor.add_argument("--out", "-o", help="file for the whole table; -: csv on stdout")

    token = _group(
        commands,
        "token",
        "save or delete the token of a service, or show where tokens come from",
        "pdneuro token set cave",
    )
    for name, run, summary, example in (
        ("set", _set_token, "save the token of a service", "pdneuro token set cave    (type it; it is not shown)"),
        ("forget", _forget_token, "delete the saved token of a service", "pdneuro token forget cave"),
    ):  # fmt: skip
        action = command.add(token, name, run, summary, example)
        action.add_argument("service", nargs="?", default="braincircuits", help="default: braincircuits")
    command.add(token, "status", _token_status, "show where tokens come from", "pdneuro token status")

    cache = _group(
        commands, "cache", "show, clear, export or load cached responses", "pdneuro cache info"
    )
    command.add(cache, "info", _cache_info, "show what is cached", "pdneuro cache info")
    clear = command.add(
        cache, "clear", _clear_cache, "delete cached responses", "pdneuro cache clear --property size"
    )
    clear.add_argument("--project", help="only this project")
    clear.add_argument("--property", help="only this property")
    for name, run, summary in (
        ("export", _export_cache, "write all cached responses to a file"),
        ("load", _load_cache, "add the responses of an exported file to the cache"),
    ):
        action = command.add(cache, name, run, summary, f"pdneuro cache {name} cache.sqlite")
        action.add_argument("file", help="such as cache.sqlite")


def _group(commands: Any, name: str, summary: str, example: str) -> Any:
    """Add a command with actions, which prints its help if none is given."""
    group = command.add(commands, name, lambda _: group.print_help(), summary, example)
    return group.add_subparsers(metavar="ACTION")


def _demo(options: argparse.Namespace) -> None:
    from pdneuro.cli.demo import run

    run(options.out)


def _sandbox(options: argparse.Namespace) -> None:
    from pdneuro.sandbox.start import Sandbox

    if options.neurons and not options.edges:
        raise ValueError("--neurons requires --edges.")
    with Sandbox(options.edges, options.neurons, options.port, options.latency) as sandbox:
        neurons = len(sandbox.braincircuits.connectome.ids)
        print(f"Serving {neurons:,} neurons at {sandbox.url}; stop it with Ctrl-C. In another shell:\n")
        for name, value in sandbox.settings().items():
            print(f"export {name}={value}")
        sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(3600)


def _setup(options: argparse.Namespace) -> None:
    from pdneuro.checks.setup import setup

    setup(options.service)


def _doctor(options: argparse.Namespace) -> int:
    from pdneuro import files
    from pdneuro.checks.doctor import doctor
    from pdneuro.checks.probe import DIFFERENT, FAILED

    if options.out not in (None, "-"):
        files.writable(options.out)
    table = doctor(*options.services, ids=options.ids)
    wrong = table[table["status"].isin([DIFFERENT, FAILED])]
    if options.out:
        files.write_table(table, sys.stdout if options.out == "-" else options.out)
    if options.out != "-":
        command.print_table(table[["service", "check", "status", "seen"]])
        for service, check, expected, _, _, advice in wrong.itertuples(index=False):
            print(f"\n{service}, {check}: expected {expected}. {shell_words(advice)}")
    return command.INCOMPLETE if len(wrong) else 0


def _token_status(_: argparse.Namespace) -> None:
    from pdneuro.transport import tokens

    command.print_table(tokens.status())


def _forget_token(options: argparse.Namespace) -> None:
    from pdneuro.transport import tokens

    existed = tokens.forget(options.service)
    print(f"The saved token for {options.service} was deleted." if existed else "No token was saved.")
    origin = tokens.origin(options.service)
    if origin:
        print(f"There is another one: {origin}.")


def _set_token(options: argparse.Namespace) -> None:
    import getpass

    from pdneuro.transport import tokens

    if sys.stdin.isatty():
        token = getpass.getpass(f"Token for {options.service} (not shown): ")
    else:
        token = sys.stdin.readline()
    tokens.save(options.service, token)
    print(f"The token for {options.service} is saved.")


def _cache_info(_: argparse.Namespace) -> None:
    from pdneuro.transport import cache

    table = cache.info()
    print("The cache is empty.") if table.empty else command.print_table(table)


def _clear_cache(options: argparse.Namespace) -> None:
    from pdneuro.transport import cache

    deleted = cache.clear(project=options.project, property=options.property)
    print(f"{deleted:,} cached responses deleted.")


def _export_cache(options: argparse.Namespace) -> None:
    from pdneuro.transport import cache

    print(f"Written: {cache.export(options.file)}")


def _load_cache(options: argparse.Namespace) -> None:
    from pdneuro.transport import cache

    print(f"{cache.load(options.file):,} responses added or updated.")
