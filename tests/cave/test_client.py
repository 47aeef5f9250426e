"""CAVE: silent servers, processes, tokens, versions, truncated tables, units, orders."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import pdneuro
from pdneuro import errors
from pdneuro.sandbox import Sandbox
from pdneuro.sandbox import cave as cave_app
from pdneuro.sandbox.cave_data import RESOLUTION, SYNAPSES, Datastack, datastack
from pdneuro.sandbox.server import LocalServer, Request, Response
from tests.conftest import answered, eventually, held
from tests.transport.conftest import deadline

pytest.importorskip("caveclient", reason="caveclient needs pandas below 3")

from pdneuro.cave import CaveSource

NEW, OLD = "cave:minnie65_public@1300", "cave:minnie65_public@661"
NUCLEI, TYPES, VIEW = "nucleus_detection_v0", "cell_type_manual", "nucleus_view"
TOKEN = cave_app.TOKENS["minnie65_public"]


@pytest.fixture
def stack() -> Datastack:
    return datastack("minnie65_public")


@pytest.fixture
def roots(stack: Datastack) -> pd.Series:
    """Root IDs of all nuclei at the newest version."""
    found = stack.table(NUCLEI, 1300)["pt_root_id"]
    return found[found > 1].drop_duplicates().reset_index(drop=True)


def change(sandbox: Sandbox, alter: Callable[[Request, Response], Response | None]) -> None:
    """Let ``alter`` see each request and its response, and return another one or None."""
    app = sandbox.cave
    sandbox.cave = lambda request: (  # type: ignore[assignment]
        lambda response: alter(request, response) or response
    )(app(request))


def is_query(request: Request) -> bool:
    """Whether a request asks for rows of root IDs."""
    return request.path.endswith("/query") and "filter_in_dict" in request.json()


# -- silent servers -------------------------------------------------------------------------------

SILENT: dict[str, tuple[str, Callable[[pd.Series], Any]]] = {
    "table": ("/query", lambda ids: ids.neuro.cave(NUCLEI, source=NEW)),
    "view": ("/query", lambda ids: ids.neuro.cave(VIEW, source=NEW)),
    "reference table": ("/query", lambda ids: ids.neuro.cave(TYPES, source=NEW)),
    "edges": ("/query", lambda ids: ids.neuro.edges(source=NEW)),
    "versions": ("/versions", lambda ids: ids.neuro.cave(NUCLEI, source=NEW)),
    "is_latest": ("/is_latest_roots", lambda ids: ids.neuro.is_latest(source=NEW)),
    "chunks": ("/leaves", lambda ids: ids.neuro.latest(source=NEW)),
}


@pytest.mark.parametrize("call", SILENT)
def test_a_server_that_falls_silent_is_not_waited_for(
    call: str, sandbox: Sandbox, roots: pd.Series
) -> None:
    path, ask = SILENT[call]
    with pdneuro.set_options(timeout=0.6):
        assert eventually(lambda: answered(lambda: ask(roots.head(1))))
        with held(sandbox, path), deadline(), pytest.raises(errors.ConnectionFailedError):
            ask(roots.iloc[1:2])


def test_a_query_that_fails_once_is_sent_again(sandbox: Sandbox, roots: pd.Series) -> None:
    with pdneuro.set_options(retries=1):
        # The first call also requests one row of the table, which may fail.
        roots.head(1).neuro.cave(NUCLEI, ["volume"], source=NEW, multiple="first")
        sandbox.fail(path="/query", status=503)
        found = roots.iloc[1:4].neuro.cave(NUCLEI, ["volume"], source=NEW, multiple="first")
    assert found["volume"].notna().all()


# -- processes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "ask"),
    [
        ("/query", lambda ids: ids.neuro.cave(NUCLEI, ["id"], source=NEW, multiple="first")),
        ("/is_latest_roots", lambda ids: ids.neuro.is_latest(source=NEW)),
    ],
    ids=["tables", "graph"],
)
def test_a_forked_process_has_its_own_connection(
    path: str, ask: Callable[[pd.Series], Any], sandbox: Sandbox, roots: pd.Series
) -> None:
    """On a shared connection the parent would wait for the response to the child's request."""
    with pdneuro.set_options(timeout=90):
        ask(roots.head(1))
        with held(sandbox, path, stop=1) as arrived:
            child = os.fork()
            if child == 0:  # nothing of pytest may run in the child
                try:
                    ask(roots.iloc[1:2])
                finally:
                    os._exit(0)
            try:
                assert arrived.wait(300)
                assert len(ask(roots.iloc[2:3])) == 1
            except BaseException:
                os.kill(child, signal.SIGKILL)
                raise
        os.waitpid(child, 0)


# -- tokens and servers ---------------------------------------------------------------------------


def test_responses_of_one_token_are_not_served_to_another(sandbox: Sandbox, roots: pd.Series) -> None:
    mine, other = (CaveSource("minnie65_public", 1300, auth_token=word) for word in (TOKEN, "another"))
    ids = roots.head(2)
    found = ids.neuro.cave(NUCLEI, ["volume"], source=mine)
    edges = ids.neuro.edges(source=mine)
    for ask in (
        lambda: ids.neuro.cave(NUCLEI, ["volume"], source=other),
        lambda: ids.neuro.edges(source=other),
    ):
        with pytest.raises(errors.AuthenticationError):
            ask()
        with pdneuro.set_options(offline=True), pytest.raises(errors.OfflineError):
            ask()
    with pdneuro.set_options(offline=True):
        pd.testing.assert_frame_equal(ids.neuro.cave(NUCLEI, ["volume"], source=mine), found)
        pd.testing.assert_frame_equal(ids.neuro.edges(source=mine), edges)


def test_responses_of_one_server_are_not_served_for_another(sandbox: Sandbox, roots: pd.Series) -> None:
    source, ids = CaveSource("minnie65_public", 1300, auth_token=TOKEN), roots.head(2)
    ids.neuro.cave(NUCLEI, ["volume"], source=source)
    server = LocalServer({"/other": cave_app.CaveApp()})
    try:
        with pdneuro.set_options(cave_url=f"{server.url}/other"):
            ids.neuro.cave(NUCLEI, ["volume"], source=source)
        assert [r for r in server.requests if is_query(r)]
    finally:
        server.stop()


def test_each_datastack_gets_its_own_token_only(sandbox: Sandbox, roots: pd.Series) -> None:
    roots.head(2).neuro.cave(NUCLEI, ["volume"], source=NEW)
    roots.head(2).neuro.edges(source=NEW)
    other = pd.Series(datastack("v1dd_public").old[:2])
    other.neuro.cave(NUCLEI, ["volume"], source="cave:v1dd_public@661")
    other.neuro.is_latest(source="cave:v1dd_public")
    for name, token in cave_app.TOKENS.items():
        sent = {r.headers["authorization"] for r in sandbox.requests if name in r.path}
        assert sent == {f"Bearer {token}"}


# -- versions -------------------------------------------------------------------------------------


def test_the_newest_version_is_taken_whatever_the_order_of_the_list(
    sandbox: Sandbox, roots: pd.Series
) -> None:
    def alter(request: Request, response: Response) -> Response | None:
        return Response([1300, 661]) if request.path.endswith("minnie65_public/versions") else None

    change(sandbox, alter)
    found = roots.head(2).neuro.cave(NUCLEI, ["volume"], source="cave:minnie65_public")
    assert found.attrs["pdneuro"]["version_of_data"] == 1300
    assert found.attrs["pdneuro"]["source"] == f"sandbox:{NEW} (synthetic)"
    assert all("/version/1300/" in r.path for r in sandbox.requests if is_query(r))


def test_a_datastack_without_versions(sandbox: Sandbox, roots: pd.Series) -> None:
    def alter(request: Request, response: Response) -> Response | None:
        return Response([]) if request.path.endswith("minnie65_public/versions") else None

    change(sandbox, alter)
    for source in (NEW, "cave:minnie65_public"):
        with pytest.raises(errors.ServiceUnavailableError, match="no version"):
            roots.neuro.cave(NUCLEI, source=source)


def test_two_versions_have_their_own_rows(sandbox: Sandbox, stack: Datastack) -> None:
    same = pd.Series(sorted(stack.valid(661) & stack.valid(1300)))
    for source, version in ((OLD, 661), (NEW, 1300)):
        synapses = stack.table(SYNAPSES, version)
        kept = synapses[(synapses[["pre_pt_root_id", "post_pt_root_id"]] > 1).all(axis=1)]
        expected = (
            kept[kept["pre_pt_root_id"].isin(same)].groupby(["pre_pt_root_id", "post_pt_root_id"]).size()
        )
        edges = same.neuro.downstream(source=source)
        assert edges.set_index(["pre", "post"])["weight"].sort_index().tolist() == expected.tolist()
        assert set(zip(edges["pre"], edges["post"], strict=True)) == set(expected.index)


def test_ids_are_checked_at_the_version_that_is_queried(sandbox: Sandbox, stack: Datastack) -> None:
    told = set(stack.table("proofreading_status", 661)["pt_root_id"])
    old = [root for root in stack.old.tolist() if root in stack.edits and root not in told]
    status = pd.Series(old[:3]).neuro.cave("proofreading_status", source=OLD)
    assert status.isna().all(axis=None)  # without a warning: they are valid there
    new = pd.Series(sorted(stack.valid(1300) - stack.valid(661))[:3])
    with pytest.warns(errors.StaleIdsWarning, match="3 of 3 root IDs are not valid at version 661"):
        new.neuro.cave("proofreading_status", source=OLD)


# -- truncated tables -----------------------------------------------------------------------------


@pytest.mark.parametrize("words", [None, "Limited query"], ids=["with a number", "without a number"])
@pytest.mark.parametrize("table", [NUCLEI, VIEW, TYPES])
def test_a_truncated_table_loses_no_row(
    table: str, words: str | None, sandbox: Sandbox, stack: Datastack, roots: pd.Series
) -> None:
    def alter(request: Request, response: Response) -> None:
        if words and "Warning" in response.headers:
            response.headers["Warning"] = f'201 - "{words}"'

    sandbox.cave.row_limit = 17
    change(sandbox, alter)
    found = roots.neuro.cave(table, source=NEW, multiple="count")[f"{table}_count"]
    nuclei = stack.table(NUCLEI, 1300)
    if table == TYPES:
        nuclei = nuclei[nuclei["id"].isin(stack.table(TYPES, 1300)["target_id"])]
    expected = nuclei["pt_root_id"].value_counts().reindex(roots, fill_value=0)
    assert found.tolist() == expected.tolist()


def test_a_limit_with_separators_is_known_from_then_on(sandbox: Sandbox, stack: Datastack) -> None:
    """A server that mentions its limit once may be silent about it later."""
    warned: list[str] = []
    full: list[str] = []

    def alter(request: Request, response: Response) -> None:
        if b'"limit": 1' in request.body:  # the query for the names of the columns
            return
        header = response.headers.pop("Warning", None)
        if header:
            full.append(header)
        if header and not warned:
            warned.append(header.replace("1000", "1,000"))
            response.headers["Warning"] = warned[0]

    sandbox.cave.row_limit = 1000
    change(sandbox, alter)
    truth = stack.table(SYNAPSES, 661)
    busiest = truth["pre_pt_root_id"].value_counts()
    ids = pd.Series(busiest.index[busiest.index > 1][:60])
    found = ids.neuro.synapses(["size"], source=OLD, upstream=False, max_workers=1)
    truth = truth[truth["pre_pt_root_id"].isin(ids) & (truth["post_pt_root_id"] > 1)]
    assert "to 1,000 rows" in warned[0]
    assert len(full) > 1
    assert sorted(found["id"]) == sorted(truth["id"])


# -- units ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("converts", [True, False], ids=["nm", "voxels"])
@pytest.mark.parametrize("table", [NUCLEI, VIEW, TYPES])
def test_positions_are_in_the_unit_of_the_call(
    table: str, converts: bool, sandbox: Sandbox, stack: Datastack
) -> None:
    """An old server sends voxels whatever was asked for, and no header with the resolution."""
    app = sandbox.cave

    def old_server(request: Request) -> Response:
        if is_query(request):
            body = request.json() | {"desired_resolution": None}
            request = dataclasses.replace(request, body=json.dumps(body).encode())
        response = app(request)
        response.headers.pop("dataframe_resolution", None)
        if request.path.endswith(f"/{TYPES}/metadata"):  # its places are those of the nuclei
            response.body |= {f"voxel_resolution_{axis}": 1 for axis in "xyz"}
        return response

    if not converts:
        sandbox.cave = old_server  # type: ignore[assignment]
    nuclei = stack.table(NUCLEI, 1300)
    single = nuclei[(nuclei["pt_root_id"] > 1) & ~nuclei["pt_root_id"].duplicated(keep=False)]
    single = single[single["id"].isin(stack.table(TYPES, 1300)["target_id"])].head(20)
    names = [f"pt_position_{axis}" for axis in "xyz"]
    for units, sizes in (("nm", RESOLUTION), ("voxel", (1, 1, 1))):
        found = single["pt_root_id"].neuro.cave(table, source=NEW, units=units)
        expected = single[names].to_numpy() * sizes
        np.testing.assert_allclose(found[names].to_numpy(float), expected)
        assert found.attrs["pdneuro"]["positions"] == units


# -- orders ---------------------------------------------------------------------------------------


def test_the_first_of_several_rows_is_that_of_the_lowest_id(sandbox: Sandbox, stack: Datastack) -> None:
    name = "proofreading_status"
    rows = stack.table(name, 661)
    several = rows[rows.duplicated("pt_root_id", keep=False)]
    first = several.sort_values("id").drop_duplicates("pt_root_id").set_index("pt_root_id")["id"]
    for order in (1, -1):
        stack_table = rows[::order]

        def falling(request: Request, response: Response, table: pd.DataFrame = stack_table) -> Any:
            if not (is_query(request) and name in request.path):
                return None
            wanted = request.json()["filter_in_dict"][name]["pt_root_id"]
            body = cave_app._arrow(table[table["pt_root_id"].isin(wanted)])
            return dataclasses.replace(response, body=body)

        app = sandbox.cave
        change(sandbox, falling)
        found = pd.Series(first.index).neuro.cave(
            name, ["id"], source=OLD, multiple="first", refresh=True
        )
        assert found["id"].tolist() == first.tolist()
        sandbox.cave = app


def test_provenance_can_be_written_as_json(sandbox: Sandbox, roots: pd.Series) -> None:
    found = roots.head(2).neuro.cave(NUCLEI, ["volume"], source="cave:minnie65_public")
    entry = found.attrs["pdneuro"]
    assert json.loads(json.dumps(entry)) == entry
