"""Materialization versions: what can be queried at one."""

from __future__ import annotations

from collections.abc import Iterable

from pdneuro.cave.parse import table_entry
from pdneuro.cave.payload import CAPABILITIES, DATASTACKS
from pdneuro.cave.send import Cave
from pdneuro.options import Fetch
from pdneuro.sources import Entry, capabilities
from pdneuro.transport.http import run_parallel


def catalog(client: Cave, version: int, versions: Iterable[int], fetch: Fetch) -> list[Entry]:
    """Return the datastack, some of its versions, and the tables and views of one version.

    Parameters
    ----------
    client : Cave
    version : int
        The version whose tables are listed.
    versions : iterable of int
        The versions that are listed.
    fetch : Fetch
    """
    dates = client.dates([*versions])
    listed = [Entry("version", str(number), number, None, *dates[number]) for number in dates]
    tables = client.tables(version)

    def describe(name: str) -> Entry:
        return table_entry(
            "table", name, version, client.metadata(name, version), client.count(name, version)
        )

    return [
        Entry("datastack", client.datastack, description=DATASTACKS.get(client.datastack, "")),
        *listed,
        *run_parallel(describe, tables, fetch.max_workers),
        *(
            table_entry("view", name, version, about or {})
            for name, about in client.views(version).items()
        ),
        *capabilities(CAPABILITIES),
    ]
