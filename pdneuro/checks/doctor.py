"""Check the assumptions about the services, in one table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pandas as pd

from pdneuro._compat import TEXT
from pdneuro.checks import allen, braincircuits, cave, neuprint, neuromorpho
from pdneuro.checks.probe import COLUMNS, Budget, Check, Probe, Row, run
from pdneuro.errors import UnknownServiceError, did_you_mean
from pdneuro.options import get_option
from pdneuro.tables.ids import as_series, distinct_ids
from pdneuro.transport.tokens import CAVE_SERVERS

#: Maximum number of requests of one call.
MOST_REQUESTS = 40


class Service(NamedTuple):
    """The checks of a service, and the probes that make them."""

    checks: Sequence[Check]
    probes: Callable[[str | None, Sequence[int], Budget], list[Probe]]


SERVICES = {
    "braincircuits": Service(braincircuits.CHECKS, braincircuits.probes),
    "cave": Service(cave.CHECKS, cave.probes),
    "neuprint": Service(neuprint.CHECKS, neuprint.probes),
    "allen": Service(allen.CHECKS, allen.probes),
    "neuromorpho": Service(neuromorpho.CHECKS, neuromorpho.probes),
}


def doctor(*services: str, ids: Any = None) -> pd.DataFrame:
    """Check that the services respond as pdneuro assumes, and that your tokens are accepted.

    At most 40 small requests are sent in all. Nothing is modified or cached, and no token is shown.

    Parameters
    ----------
    *services : str
        ``"braincircuits"``, ``"cave"``, ``"neuprint"``, ``"allen"`` or ``"neuromorpho"``; also one
        project, datastack or data set: ``"braincircuits:fruitfly_fanc_cave"``, ``"cave:v1dd_public"``,
        ``"neuprint:manc:v1.2.3"``. Default: all, with one datastack of CAVE.
    ids : list of int, optional
        Segments that the project of BrainCircuits.io has. Default: examples, which may be outdated.

    Returns
    -------
    DataFrame
        One row per check, all text: ``service``, ``check``, ``expected``, ``seen``, ``status``
        ("as expected", "different", "failed" or "not checked") and ``advice`` (empty if the status is
        "as expected").

    Raises
    ------
    UnknownServiceError
        A name is not that of a service.

    Notes
    -----
    A check that is "different" is a difference to public documents: pdneuro may still work. Send a
    recording, so that pdneuro can follow the service.

    Examples
    --------
    >>> table = pdneuro.doctor("neuromorpho")
    >>> table[["check", "seen", "status"]].head(2)
           check               seen       status
    0  reachable         status 200  as expected
    1      https  http at 127.0.0.1  as expected
    """
    chosen = [_chosen(name) for name in services] or [(name, None) for name in SERVICES]
    numbers = distinct_ids(as_series(ids)).tolist() if ids is not None else []
    offline = get_option("offline")
    budget = Budget(0, "pdneuro is offline") if offline else Budget(MOST_REQUESTS)
    rows: list[Row] = []
    for service, name in dict.fromkeys(chosen):
        probes = SERVICES[service].probes(name, numbers, budget)
        # One datastack stands for CAVE in a run of all services, so that the requests suffice for each.
        for probe in probes if services else probes[:1]:
            rows += run(probe, SERVICES[service].checks)
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype=TEXT)


def _chosen(given: Any) -> tuple[str, str | None]:
    """Return a service, and a project or datastack."""
    service, _, name = str(given).strip().partition(":")
    if service.lower() in CAVE_SERVERS:
        service, name = "cave", service.lower()
    if service.lower() not in SERVICES:
        raise UnknownServiceError(
            f"there are no checks of {given!r}.{did_you_mean(given, SERVICES)} The services are "
            f"{', '.join(SERVICES)}."
        )
    return service.lower(), name.partition("@")[0] or None
