"""Save a token, check it with one request, and show a first query."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, NamedTuple

from pdneuro.checks import braincircuits, cave, neuprint
from pdneuro.checks.probe import OK, Budget, Check, NotCheckedError, Probe
from pdneuro.errors import MissingTokenError, ServiceError, UnknownServiceError, did_you_mean
from pdneuro.transport import tokens

_CAVE_EXAMPLE = """\
import pandas as pd
import pdneuro

ids = pd.Series([{ids}])
ids.neuro.is_latest(source="cave:{name}")"""
_BRAINCIRCUITS_EXAMPLE = """\
import pandas as pd
import pdneuro

neurons = pd.DataFrame({{"root_id": [{ids}]}})
neurons.neuro.join_properties("size", "link_pre", source="{name}")"""


_NEUPRINT_EXAMPLE = """\
import pdneuro

neurons = pdneuro.find("neuprint:{name}", type="DA1_lPN")
neurons.neuro.edges(source="neuprint:{name}")"""


class Setup(NamedTuple):
    """The texts and the check of a service. A new service is one more entry of :data:`SETUPS`."""

    #: Page with the token, with ``{host}`` for the server.
    page: str
    #: Project or datastack of the check and the example.
    default: str
    probe: Callable[[str, Budget], Probe]
    check: Check
    #: A query that works, with ``{name}`` and ``{ids}``.
    example: str
    #: Returns an ID that the project or datastack has.
    known: Callable[[Any], int]


def _named(checks: tuple[Check, ...], name: str) -> Check:
    return next(check for check in checks if check.name == name)


SETUPS: dict[str, Setup] = {
    "braincircuits": Setup(
        "https://braincircuits.io (sign in; the token is on the page of your account)",
        "fruitfly_fafb_flywire",
        lambda name, budget: braincircuits.probes(name, (), budget)[0],
        _named(braincircuits.CHECKS, "token"),
        _BRAINCIRCUITS_EXAMPLE,
        lambda probe: probe.known(),
    ),
    "cave": Setup(
        "https://{host}/sticky_auth/settings/tokens",
        "minnie65_public",
        lambda name, budget: cave.probes(name, (), budget)[0],
        _named(cave.CHECKS, "token"),
        _CAVE_EXAMPLE,
        lambda probe: cave.EXAMPLE,
    ),
    "neuprint": Setup(
        "https://{host}/account",
        "hemibrain:v1.2.1",
        lambda name, budget: neuprint.probes(name, (), budget)[0],
        _named(neuprint.CHECKS, "token"),
        _NEUPRINT_EXAMPLE,
        lambda probe: neuprint.UNKNOWN,
    ),
}


def setup(service: str, token: str | None = None, *, save: bool = True) -> None:
    """Save the token of a service, check it with one request, and print a first query.

    Without ``token``, it prints where to get one and reads it without showing it.

    Parameters
    ----------
    service : str
        ``"braincircuits"``, ``"cave"`` or ``"neuprint"`` (the server of the option ``neuprint_url``);
        with a project, datastack or data set: ``"cave:v1dd_public"``, ``"v1dd_public"``,
        ``"braincircuits:fruitfly_fanc_cave"``, ``"neuprint:manc:v1.2.3"``.
    token : str, optional
        The token. Default: typed.
    save : bool, default True
        Save it for later sessions, also if the check fails. With False, it is used in this session.

    Raises
    ------
    UnknownServiceError
        The service has no token, or does not exist.
    MissingTokenError
        Nothing was typed.
    ValueError
        The text is not a token.

    See Also
    --------
    doctor : Check all services.
    pdneuro.tokens.status : Where the tokens come from.

    Examples
    --------
    >>> pdneuro.setup("braincircuits", "not-a-real-token", save=False)
    The token is used in this session. It is not saved.
    Not accepted: this session; 401: {"detail": "Unauthorized"}.
    Get a token at https://braincircuits.io (sign in; the token is on the page of your account).
    """
    kind, name = _chosen(service)
    chosen = SETUPS[kind]
    name = name or chosen.default
    key = f"cave:{name}" if kind == "cave" and name != chosen.default else kind
    page = chosen.page.format(
        host=tokens.neuprint_host() if kind == "neuprint" else tokens.cave_host(name)
    )
    if token is None:
        print(f"Get a token for {kind} at {page}.")
        token = _typed(f"Token for {key} (not shown): ")
    if save:
        tokens.save(key, token)
        print(
            f"The token is saved. To delete it: `pdneuro token forget {key}` in a shell, or "
            f"pdneuro.tokens.forget({key!r})."
        )
    else:
        tokens.use(key, token)
        print("The token is used in this session. It is not saved.")
    # The request of the check also contains the example IDs.
    probe = chosen.probe(name, Budget(3))
    row = probe.row(chosen.check)
    if row.status != OK:
        print(f"Not accepted: {(row.seen or row.advice).rstrip('.')}.")
        print(f"Get a token at {page}.")
        return
    try:
        known = chosen.known(probe)
    except (NotCheckedError, ServiceError):
        known = braincircuits.EXAMPLES[0]
    print(f"{row.service} accepts it ({row.seen}). A first query:\n")
    print(chosen.example.format(name=name, ids=known))
    if kind == "cave" and find_spec("caveclient") is None:
        print("\nQueries of CAVE need caveclient, and pandas 2: pip install 'pdneuro[cave]'")


def _typed(prompt: str) -> str:
    """Return a token that is typed, or one line of a pipe."""
    ipython: Any = sys.modules.get("IPython")
    # A package may import IPython outside a notebook.
    in_notebook = ipython is not None and hasattr(ipython.get_ipython(), "kernel")
    is_typed = sys.stdin.isatty() or in_notebook
    typed = getpass.getpass(prompt) if is_typed else sys.stdin.readline()
    if not typed.strip():
        raise MissingTokenError("no token was typed.")
    return typed


def _chosen(given: Any) -> tuple[str, str]:
    """Return a service with a token, and a project or datastack."""
    kind, _, name = str(given).strip().partition(":")
    if kind.lower() in tokens.CAVE_SERVERS:
        return "cave", kind.lower()
    if kind.lower() not in SETUPS:
        raise UnknownServiceError(
            f"{given!r} is not a service with a token.{did_you_mean(given, SETUPS)} These are "
            f"{', '.join(SETUPS)}."
        )
    return kind.lower(), name.partition("@")[0]
