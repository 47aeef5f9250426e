"""``pdneuro demo``, ``sandbox``, ``token``, ``cache``: trying it, and what is kept."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from pathlib import Path
from typing import Any

from pdneuro.cli import command


def add(commands: Any) -> None:
    """The commands of this module."""
    demo = command.add(
        commands,
        "demo",
        _demo,
        "run the main job on a bundled synthetic brain",
        "pdneuro demo --out demo-output",
    )
    demo.add_argument("--out", type=Path, default=Path("demo-output"), help="folder for what it writes")

    sandbox = command.add(
        commands,
        "sandbox",
        _sandbox,
        "serve the services on this machine, on bundled data or your own files",
        "pdneuro sandbox --edges edges.csv --neurons neurons.csv --port 8765",
    )
    sandbox.add_argument("--edges", help="csv, tsv, txt, parquet or feather; any known column names")
    sandbox.add_argument("--neurons", help="the same, with a column of IDs")
    sandbox.add_argument("--port", type=int, default=0, help="0 (the default) takes a free one")
    sandbox.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")

    token = command.add(
        commands,
        "token",
        _token,
        "keep, show the origin of, or delete a service's token",
        "pdneuro token set braincircuits    (asks for the token, without echo)",
    )
    token.add_argument("action", choices=["set", "status", "forget"])
    token.add_argument("service", nargs="?", default="braincircuits", help="default: braincircuits")

    cache = command.add(
        commands,
        "cache",
        _cache,
        "show, clear, export or load stored answers",
        "pdneuro cache export answers.sqlite",
    )
    cache.add_argument("action", choices=["info", "clear", "export", "load"])
    cache.add_argument("file", nargs="?", help="for export and load")
    cache.add_argument("--project", help="for clear: only this project")
    cache.add_argument("--property", help="for clear: only this property")


def _demo(chosen: argparse.Namespace) -> None:
    from pdneuro.cli.demo import run

    run(chosen.out)


def _sandbox(chosen: argparse.Namespace) -> None:
    from pdneuro.sandbox.start import Sandbox

    if chosen.neurons and not chosen.edges:
        raise ValueError("--neurons needs --edges as well.")
    with Sandbox(chosen.edges, chosen.neurons, chosen.port, chosen.latency) as sandbox:
        neurons = len(sandbox.braincircuits.connectome.ids)
        print(f"Serving {neurons:,} neurons at {sandbox.url}; Ctrl-C ends it. In another shell:\n")
        for name, value in sandbox.settings().items():
            print(f"export {name}={value}")
        sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(3600)


def _token(chosen: argparse.Namespace) -> None:
    from pdneuro.transport import tokens

    if chosen.action == "status":
        print(tokens.status().to_string(index=False, na_rep="-"))
    elif chosen.action == "forget":
        known = tokens.forget(chosen.service)
        print(f"The saved token for {chosen.service} was deleted." if known else "None was saved.")
    else:
        import getpass

        if sys.stdin.isatty():
            token = getpass.getpass(f"Token for {chosen.service} (not shown): ")
        else:
            token = sys.stdin.readline()
        tokens.save(chosen.service, token)
        print(f"The token for {chosen.service} is saved.")


def _cache(chosen: argparse.Namespace) -> None:
    from pdneuro.transport import cache

    if chosen.action in ("export", "load") and not chosen.file:
        raise ValueError(f"cache {chosen.action} needs a file.")
    if chosen.action == "info":
        table = cache.info()
        print("The cache is empty." if table.empty else table.to_string(index=False))
    elif chosen.action == "clear":
        gone = cache.clear(project=chosen.project, property=chosen.property)
        print(f"{gone:,} answers forgotten.")
    elif chosen.action == "export":
        print(f"Written: {cache.export(chosen.file)}")
    else:
        print(f"{cache.load(chosen.file):,} answers added or renewed.")
