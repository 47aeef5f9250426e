"""Damaged responses over HTTP: the right value, an error or a warning of pdneuro, and nothing wrong cached.

``PDNEURO_DAMAGED`` is the number of responses per query (default 12), ``PDNEURO_SEED`` the seed.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

import pdneuro
from pdneuro import errors
from pdneuro.allen.tree import _tree
from pdneuro.sandbox import Sandbox
from pdneuro.sandbox.server import Request, Response
from tests.transport.conftest import deadline

COUNT = int(os.environ.get("PDNEURO_DAMAGED", "12"))
SEED = int(os.environ.get("PDNEURO_SEED", random.SystemRandom().randrange(2**32)))

IDS = [720575940609676979, 720575940609703428, 720575940614626315, 720575940622217710]
ROOTS = "cave:minnie65_public@1300"


def roots() -> pd.Series:
    from pdneuro.sandbox.cave_data import datastack

    found = datastack("minnie65_public").table("nucleus_detection_v0", 1300)["pt_root_id"]
    return found[found > 1].drop_duplicates().head(6).reset_index(drop=True)


def tree(**fetch: bool) -> pd.DataFrame:
    _tree.cache_clear()
    return pdneuro.allen.structure_tree(**fetch).frame


#: For each query: the part of the address whose responses are damaged, and the call.
QUERIES: dict[str, tuple[str, Callable[..., Any]]] = {
    "BrainCircuits.io link_pre": (
        "link_pre",
        lambda **fetch: pd.Series(IDS).neuro.properties("link_pre", **fetch),
    ),
    "BrainCircuits.io nucleus": (
        "nucleus",
        lambda **fetch: pd.Series(IDS).neuro.properties("nucleus", multiple="list", **fetch),
    ),
    "BrainCircuits.io edges": ("connectivity", lambda **fetch: pd.Series(IDS).neuro.edges(**fetch)),
    "NeuroMorpho.org neurons": (
        "/neuron/select",
        lambda **fetch: pdneuro.neuromorpho.neuron([1, 2, 3], **fetch),
    ),
    "NeuroMorpho.org measurements": (
        "/morphometry/",
        lambda **fetch: pdneuro.neuromorpho.morphometry([1, 2, 3], **fetch),
    ),
    "NeuroMorpho.org selection": (
        "/neuron/select",
        lambda **fetch: pdneuro.neuromorpho.select(archive="Siegert", **fetch),
    ),
    "Allen rows": (
        "query.json",
        lambda **fetch: pdneuro.allen.RmaApi().model_query("Atlas", num_rows="all", **fetch),
    ),
    "Allen structures": ("query.json", tree),
    "CAVE rows": (
        "/query",
        lambda **fetch: roots().neuro.cave(
            "nucleus_detection_v0", source=ROOTS, multiple="first", **fetch
        ),
    ),
    "CAVE edges": ("/query", lambda **fetch: roots().neuro.edges(source=ROOTS, **fetch)),
}

#: Values that a service does not document, as JSON.
ODD = [
    b"null", b"-3", b"0", b"1e999", b"1e30", b"1" + b"0" * 30, b"true", b'"\xff"', b'"inf"', b'"\\ud800"',
    b"NaN", b"[[1]]", b"{}", b"[]", b'""', b"[" * 200 + b"]" * 200, b"[" * 90_000 + b"]" * 90_000,
]  # fmt: skip
#: Headers that are not valid HTTP, or do not fit the body.
HEADERS = [
    {"Content-Length": "1e3"},
    {"Content-Length": "-5"},
    {"Content-Length": "7"},
    {"Content-Type": "text/html"},
    {"Content-Encoding": "gzip"},
    {"Content-Encoding": "deflate"},
    {"Content-Type": "application/json; charset=no-such-charset"},
    {"Retry-After": "Mon, 01 Jan 99999 00:00:00 GMT"},
]


class Damage(NamedTuple):
    """A change of a response."""

    kind: str
    #: Where in the body, as a share of its length; or which of the values, headers or locations.
    place: float
    value: bytes = b""

    def apply(self, body: bytes) -> Response:
        """Return the damaged response."""
        at = int(self.place * len(body))
        if self.kind == "cut":
            return Response(body[:at])
        if self.kind == "insert":
            return Response(body[:at] + self.value + body[at:])
        if self.kind == "flip":
            return Response(body[:at] + bytes([body[at] ^ 0xFF]) + body[at + 1 :])
        if self.kind == "value":
            return Response(self._replaced(body))
        if self.kind == "header":
            return Response(body, headers=HEADERS[int(self.place * len(HEADERS))])
        if self.kind == "chunks":
            return Response(b"zz\r\n" + body, headers={"Transfer-Encoding": "chunked"})
        return Response(b"", 302, {"Location": self.value.decode()})

    def _replaced(self, body: bytes) -> bytes:
        """Replace one value of a JSON document."""
        try:
            document = json.loads(body)
        except ValueError:
            return body[:10] + self.value
        parents = [document]
        for parent in parents:  # the list grows meanwhile
            items = parent.values() if isinstance(parent, dict) else parent
            parents += [item for item in items if isinstance(item, dict | list) and item]
        parent = parents[int(self.place * len(parents))]
        keys = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
        parent[keys[int(self.place * 7919) % len(keys)]] = "<here>"
        return json.dumps(document).encode().replace(b'"<here>"', self.value)


shares = st.floats(0, 1, exclude_max=True)
damages = st.one_of(
    st.builds(Damage, st.just("cut"), shares),
    st.builds(Damage, st.just("flip"), shares),
    st.builds(Damage, st.just("insert"), shares, st.binary(min_size=1, max_size=3)),
    st.builds(Damage, st.just("value"), shares, st.sampled_from(ODD)),
    st.builds(Damage, st.just("header"), shares),
    st.builds(Damage, st.just("chunks"), shares),
    st.builds(
        Damage, st.just("redirect"), shares, st.sampled_from([b"http://[::1", b"x:", b"//", b"/\x00"])
    ),
)


@contextlib.contextmanager
def damaged(sandbox: Sandbox, path: str, damage: Damage) -> Iterator[None]:
    """Damage all responses to requests for a path."""
    server = sandbox._server
    answer = server.answer

    def alter(request: Request) -> tuple[Response | None, bool]:
        response, truncated = answer(request)
        if response is None or path not in request.path or response.status != 200:
            return response, truncated
        body = response.body if isinstance(response.body, bytes) else json.dumps(response.body).encode()
        changed = damage.apply(body)
        # Closed, so that a client does not wait for bytes that a header announces.
        changed.headers = {**response.headers, **changed.headers, "Connection": "close"}
        return changed, truncated

    server.answer = alter  # type: ignore[method-assign]
    try:
        yield
    finally:
        server.answer = answer  # type: ignore[method-assign]


# The collector may close a connection of caveclient at any time.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.parametrize("name", QUERIES)
def test_a_damaged_response_is_an_error_or_a_warning_and_is_not_cached(
    name: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    if name.startswith("CAVE") and not find_spec("caveclient"):
        pytest.skip("caveclient needs pandas below 3")
    path, call = QUERIES[name]
    print(f"PDNEURO_SEED={SEED}")
    number = iter(range(10**9))
    with pdneuro.set_options(cache_dir=tmp_path / "truth", neuromorpho_rate=None, timeout=200):
        truth = call()

    @seed(SEED)
    @settings(max_examples=COUNT, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(damages)
    def check(damage: Damage) -> None:
        options = {"cache_dir": tmp_path / str(next(number)), "neuromorpho_rate": None, "timeout": 200}
        failed = False
        with (
            pdneuro.set_options(**options),
            warnings.catch_warnings(record=True) as caught,
            deadline(300),
        ):
            warnings.simplefilter("always")
            with damaged(sandbox, path, damage):
                try:
                    result = call()
                except errors.PdneuroError:
                    failed = True
            if not failed and damage.kind in ("cut", "chunks", "redirect"):
                pd.testing.assert_frame_equal(result, truth)
            # A value that was accepted is as the response says, and may be in the cache: another digit
            # in an ID, also in the first of two responses.
            accepted = not failed or (damage.kind == "flip" and name.startswith("CAVE"))
            second = call(refresh=True) if accepted else call()
        pd.testing.assert_frame_equal(second, truth)
        expected = (errors.PdneuroWarning, ResourceWarning)
        foreign = [str(warning) for warning in caught if not issubclass(warning.category, expected)]
        assert not foreign

    check()
