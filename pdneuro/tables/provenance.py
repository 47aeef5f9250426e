"""Provenance of tables: one small, flat, JSON-only entry in ``attrs``."""

from __future__ import annotations

import contextlib
import copy
import datetime
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import pandas as pd

from pdneuro._version import __version__
from pdneuro.options import get_option

KEY = "pdneuro"
#: Begin and end of the name of a source whose data are synthetic.
SANDBOX, SYNTHETIC = "sandbox:", " (synthetic)"
#: Services whose address is an option.
SERVICES = ("braincircuits", "cave", "neuprint", "allen", "neuromorpho", "published")
#: Facts about the real data of a service, which do not hold for synthetic data.
_OF_REAL_DATA = ("license", "rrid")
Frame = TypeVar("Frame", pd.DataFrame, "pd.Series[Any]")


def facts(table: Any) -> dict[str, Any]:
    """Return the provenance of a table or array, empty if it has none; arrays store it as JSON text."""
    entry = table.attrs.get(KEY)
    if isinstance(entry, str):
        with contextlib.suppress(json.JSONDecodeError):
            entry = json.loads(entry)
    return dict(entry) if isinstance(entry, dict) else {}


def origin(source: str) -> str:
    """Return the name of a source in provenance: marked as synthetic if a sandbox is its service.

    Parameters
    ----------
    source : str
        Such as ``"braincircuits:fruitfly_fafb_flywire"``.

    Returns
    -------
    str
        The same; from a sandbox ``"sandbox:braincircuits:fruitfly_fafb_flywire (synthetic)"``.
    """
    if is_synthetic(source):
        return source
    service, sandbox = source.partition(":")[0], get_option("sandbox_url")
    address = get_option(f"{service}_url") if service in SERVICES and sandbox else None
    at_sandbox = address is not None and f"{address}/".startswith(f"{sandbox}/")
    if at_sandbox or source.endswith(SYNTHETIC):
        return f"{SANDBOX}{source.removesuffix(SYNTHETIC)}{SYNTHETIC}"
    return source


def is_synthetic(source: str) -> bool:
    """Return whether a source's data come from a sandbox.

    >>> is_synthetic("sandbox:allen (synthetic)"), is_synthetic("allen")
    (True, False)
    """
    return source.startswith(SANDBOX)


def note(result: Frame, **more: str | int | float | bool | list[int]) -> Frame:
    """Add facts to the provenance of a new object, and return it."""
    result.attrs = {**result.attrs, KEY: {"version": __version__, **facts(result), **more}}
    return result


def inherit(result: Frame, table: pd.DataFrame | pd.Series[Any]) -> Frame:
    """Copy the attributes of the table that a new object was made from, and return the new object."""
    # With a shallow copy, a change of the result would also change the given table.
    result.attrs = copy.deepcopy(table.attrs)
    return result


def stamp(
    result: Frame,
    *,
    source: str,
    query: str,
    snapshots: Sequence[int] = (),
    earlier: Mapping[Any, Any] | None = None,
    again: bool = False,
    **more: str | int | float | bool,
) -> Frame:
    """Write provenance into ``result.attrs["pdneuro"]`` and return ``result``.

    Parameters
    ----------
    result : DataFrame or Series
        A new object, not an argument of the user.
    source, query : str
        Source of the data, and the query.
    snapshots : sequence of int
        Materialization times of the data in Unix seconds.
    earlier : mapping, optional
        ``attrs`` of the table that this one was made from; its queries and snapshots are added.
    again : bool
        Whether the query may be a repetition: then it is not added a second time.
    **more
        Further values: numbers or text.
    """
    source = origin(source)
    if is_synthetic(source):
        more = {name: value for name, value in more.items() if name not in _OF_REAL_DATA}
    attrs = dict(earlier or {})
    before: dict[str, Any] = attrs[KEY] if isinstance(attrs.get(KEY), dict) else {}
    entry: dict[str, Any] = {
        "version": __version__,
        "source": source,
        "query": query,
        "materialized_timestamp": sorted(set(snapshots)),
        "requested_at": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}",
        **more,
    }
    if before:
        times: list[int] = [*_list(before.get("materialized_timestamp")), *snapshots]
        entry["materialized_timestamp"] = sorted({time for time in times if isinstance(time, int)})
        sources = [part for part in str(before.get("source") or "").split(" | ") if part]
        queries: list[str] = str(before.get("query", "")).split(" | ")
        positions: list[int] = _list(before.get("asked_of")) or [0] * len(queries)
        sources += [] if source in sources else [source]
        step = (query, sources.index(source))
        if not again or step not in zip(queries, positions, strict=False):
            queries, positions = [*queries, query], [*positions, step[1]]
        entry["query"] = " | ".join(queries)
        if len(sources) > 1:
            entry["source"] = " | ".join(sources)
            # Position of each query's source in the list of sources.
            entry["asked_of"] = positions
        entry = {**before, **entry}
    result.attrs = {**attrs, KEY: entry}
    return result


def extend(
    joined: pd.DataFrame, result: pd.DataFrame, *, again: bool = False, verb: str = "join"
) -> pd.DataFrame:
    """Add the provenance of a result to a table that its columns were joined to.

    ``again`` means that the join added no column: its query may be in the provenance already. ``verb``
    is the first word of the method.
    """
    entry = facts(result)
    standard = ("version", "source", "query", "materialized_timestamp", "requested_at")
    return stamp(
        joined,
        source=entry["source"],
        query=f"{verb}_{entry['query']}",
        snapshots=entry["materialized_timestamp"],
        earlier=joined.attrs,
        again=again,
        **{name: value for name, value in entry.items() if name not in standard},
    )


def has_part(name: str, part: str) -> bool:
    """Return True if a word of a source's name starts with ``part``: ``fanc`` in ``fruitfly_fanc_cave``.

    >>> has_part("minnie65_public", "minnie"), has_part("my_fancy_brain", "fanc")
    (True, False)
    """
    return re.search(rf"(?<![a-z0-9]){part}(?![a-z])", name.lower()) is not None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
