"""CAVE through the real caveclient: tables, synapses, freshness, tokens, and its silent habits."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import subprocess
import sys
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import pdneuro
from pdneuro import errors
from pdneuro.cave.parse import row_columns
from pdneuro.sandbox import Sandbox, cave_data
from pdneuro.sandbox import cave as cave_app
from pdneuro.sandbox.cave_data import RESOLUTION, SYNAPSES, Datastack, datastack
from pdneuro.sandbox.server import LocalServer, Response
from pdneuro.transport import tokens
from tests.conftest import answered, eventually, held, shared

pytest.importorskip("caveclient", reason="caveclient holds pandas below 3: the other environment has it")

NEW, OLD = "cave:minnie65_public@1300", "cave:minnie65_public@661"
NUCLEI = "nucleus_detection_v0"


@pytest.fixture
def stack() -> Datastack:
    """The datastack that the sandbox serves."""
    return datastack("minnie65_public")


@pytest.fixture
def roots(stack: Datastack) -> pd.Series:
    """Root IDs of all nuclei at the newest version."""
    found = stack.table(NUCLEI, 1300)["pt_root_id"]
    return found[found > 1].drop_duplicates().reset_index(drop=True)


@pytest.fixture(autouse=True)
def no_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client opens one at times."""

    def opened(url: str, *args: Any) -> None:
        raise AssertionError(f"a browser was opened: {url}")

    monkeypatch.setattr(webbrowser, "open", opened)


def queries(sandbox: Sandbox) -> list[dict[str, Any]]:
    """Bodies of the queries for root IDs; not of those for one row, which show the columns or a truncation."""
    bodies = [r.json() for r in sandbox.requests if r.path.endswith("/query")]
    return [body for body in bodies if "filter_in_dict" in body and body.get("limit") != 1]


# -- tables ---------------------------------------------------------------------------------------


class TestTables:
    def test_rows_order_index_and_dtypes_stay(
        self, sandbox: Sandbox, stack: Datastack, roots: pd.Series
    ) -> None:
        ids = pd.array([roots[6], None, 0, 1, roots[4], roots[6]], "Int64")
        table = pd.DataFrame({"pt_root_id": ids, "mine": range(6)}, index=list("aabcde"))
        before = table.copy(deep=True)
        joined = table.neuro.join_cave(NUCLEI, source=NEW)
        pd.testing.assert_frame_equal(table, before)
        pd.testing.assert_frame_equal(joined[["pt_root_id", "mine"]], before)
        truth = stack.table(NUCLEI, 1300).set_index("pt_root_id")
        assert joined["volume"].tolist()[::5] == [truth["volume"][roots[6]]] * 2
        assert joined["volume"].isna().tolist() == [False, True, True, True, False, False]
        assert joined["id"].dtype == "Int64"
        # Positions in nm, from voxels.
        assert joined["pt_position_z"].iloc[0] == truth["pt_position_z"][roots[6]] * RESOLUTION[2]
        entry = joined.attrs["pdneuro"]
        assert json.loads(json.dumps(entry)) == entry
        assert entry["source"] == f"sandbox:{NEW} (synthetic)"
        assert (entry["positions"], entry["version_of_data"]) == ("nm", 1300)

    def test_columns_positions_and_units(
        self, sandbox: Sandbox, stack: Datastack, roots: pd.Series
    ) -> None:
        found = roots.neuro.cave(
            NUCLEI, ["pt_position", "volume"], source=NEW, units="voxel", multiple="first"
        )
        assert sorted(found.columns) == ["pt_position_x", "pt_position_y", "pt_position_z", "volume"]
        truth = stack.table(NUCLEI, 1300).drop_duplicates("pt_root_id").set_index("pt_root_id")
        assert (found["pt_position_x"].to_numpy() == truth["pt_position_x"][roots].to_numpy()).all()
        assert set(queries(sandbox)[0]["select_columns"]) == {
            "id",
            "pt_root_id",
            "pt_position",
            "volume",
        }

    def test_reference_tables_come_with_their_target(
        self, sandbox: Sandbox, stack: Datastack, roots: pd.Series
    ) -> None:
        found = roots.neuro.cave(
            "cell_type_manual", ["cell_type", "volume"], source=NEW, multiple="first"
        )
        types = stack.table("cell_type_manual", 1300).set_index("target_id")["cell_type"]
        nuclei = stack.table(NUCLEI, 1300).set_index("id")
        for root, told in zip(roots, found["cell_type"], strict=True):
            own = nuclei.index[nuclei["pt_root_id"] == root]
            expected = [types[number] for number in own if number in types.index]
            assert (told in expected) if expected else pd.isna(told)

    def test_views(self, sandbox: Sandbox, roots: pd.Series) -> None:
        view = roots.head(9).neuro.cave("nucleus_view", ["volume"], source=NEW, multiple="first")
        table = roots.head(9).neuro.cave(NUCLEI, ["volume"], source=NEW, multiple="first")
        pd.testing.assert_frame_equal(view, table)

    def test_several_rows(self, sandbox: Sandbox, stack: Datastack, roots: pd.Series) -> None:
        name = "proofreading_status"
        with pytest.raises(errors.MultipleRecordsError, match="several rows in 'proofreading_status'"):
            roots.neuro.cave(name, source=NEW)
        sent = len(sandbox.requests)
        counted = roots.neuro.cave(name, source=NEW, multiple="count")[f"{name}_count"]
        assert len(queries(sandbox)) == 1  # the rows are stored
        truth = stack.table(name, 1300)["pt_root_id"].value_counts()
        assert counted.tolist() == truth.reindex(roots, fill_value=0).tolist()
        lists = roots.neuro.cave(name, source=NEW, multiple="list")[name]
        assert [0 if cell is None else len(cell) for cell in lists] == counted.tolist()
        first = roots.neuro.cave(name, ["status_axon"], source=NEW, multiple="first")
        rows = stack.table(name, 1300).drop_duplicates("pt_root_id").set_index("pt_root_id")
        expected = rows["status_axon"].reindex(roots)
        assert first["status_axon"].fillna("").tolist() == expected.fillna("").tolist()
        assert len(sandbox.requests) > sent

    def test_columns_where_nothing_is_known(self, sandbox: Sandbox, stack: Datastack) -> None:
        told = stack.table("proofreading_status", 1300)["pt_root_id"]
        ids = pd.Series([root for root in stack.valid(1300) if root not in set(told)][:3])
        found = ids.neuro.cave("proofreading_status", source=NEW)
        assert list(found.columns) == ["id", "status_axon", "status_dendrite"]
        assert found.isna().all(axis=None)
        types = ids.neuro.cave("cell_type_manual", ["cell_type"], source=NEW, on_missing="ignore")
        assert list(types.columns) == ["cell_type"]

    def test_ids_of_another_version_are_told(self, sandbox: Sandbox, stack: Datastack) -> None:
        ids = pd.Series(stack.old[:5])
        with pytest.warns(errors.StaleIdsWarning, match=r"4 of 5 root IDs .* version 1300 .*latest\(\)"):
            found = ids.neuro.cave(NUCLEI, ["volume"], source=NEW)
        assert found["volume"].isna().tolist() == [True] * 4 + [False]
        assert ids.neuro.cave(NUCLEI, ["volume"], source=OLD)["volume"].notna().all()

    def test_each_id_once_and_kept_for_good(self, sandbox: Sandbox, roots: pd.Series) -> None:
        twice = pd.concat([roots, roots])
        with pdneuro.set_options(batch_size=50):
            found = twice.neuro.cave(NUCLEI, ["volume"], source=NEW, multiple="first")
        asked = [n for q in queries(sandbox) for n in q["filter_in_dict"][NUCLEI]["pt_root_id"]]
        assert sorted(asked) == sorted(roots)
        # A pinned version never expires, and works offline.
        with pdneuro.set_options(expire_after=0, offline=True):
            again = twice.neuro.cave(NUCLEI, ["volume"], source=NEW, multiple="first")
        pd.testing.assert_frame_equal(again, found)

    @pytest.mark.parametrize(
        ("ids", "error"),
        [
            (pd.Series([8.64691135207734905e17]), errors.PrecisionLossError),
            (pd.Series(["x"]), errors.InvalidIdError),
            (pd.Series([-1]), errors.InvalidIdError),
        ],
    )
    def test_ids_that_are_none(self, sandbox: Sandbox, ids: pd.Series, error: type[Exception]) -> None:
        with pytest.raises(error):
            ids.neuro.cave(NUCLEI, source=NEW)
        assert not queries(sandbox)

    def test_tables_versions_and_datastacks_that_are_not_there(
        self, sandbox: Sandbox, roots: pd.Series
    ) -> None:
        with pytest.raises(
            errors.UnknownTableError,
            match=r"no table 'nuclei_detection'\. Did you mean 'nucleus_detection_v0'",
        ):
            roots.neuro.cave("nuclei_detection", source=NEW)
        with pytest.raises(errors.ExpiredVersionError, match=r"no version 117 .* 661, 1300"):
            roots.neuro.cave(NUCLEI, source="cave:minnie65_public@117")
        sandbox.cave.expired = {661}
        with pytest.raises(errors.ExpiredVersionError, match=r"no version 661 .*There are 1300"):
            roots.neuro.cave(NUCLEI, source=OLD)
        with (
            tokens.overridden(**{sandbox.url.removeprefix("http://"): "any"}),
            pytest.raises(errors.NotFoundError, match="has no datastack 'nowhere'"),
        ):
            roots.neuro.cave(NUCLEI, source="cave:nowhere")
        with pytest.raises(errors.UnknownSourceError, match="unknown source"):
            roots.neuro.cave(NUCLEI, source="cave:minnie65_public@new")
        with pytest.raises(errors.UnknownSourceError, match="is not a CAVE datastack"):
            roots.neuro.cave(NUCLEI, source="fruitfly_fafb_flywire")
        with pytest.raises(ValueError, match="multiple"):
            roots.neuro.cave(NUCLEI, source=NEW, multiple="all")


# -- complete answers -----------------------------------------------------------------------------


class TestTruncation:
    def test_a_cut_answer_is_halved_until_complete(
        self, sandbox: Sandbox, stack: Datastack, roots: pd.Series, caplog: pytest.LogCaptureFixture
    ) -> None:
        sandbox.cave.row_limit = 40
        with caplog.at_level(logging.WARNING):
            found = roots.neuro.cave(NUCLEI, ["volume"], source=NEW, multiple="count")
        assert (found.iloc[:, 0] >= 1).all()
        assert len(queries(sandbox)) > 5

    def test_an_id_that_alone_is_too_much(self, sandbox: Sandbox, stack: Datastack) -> None:
        busiest = stack.table(SYNAPSES, 1300)["pre_pt_root_id"].value_counts()
        busiest = busiest[busiest.index > 1]
        sandbox.cave.row_limit = int(busiest.iloc[0])  # the real one warns at the limit itself
        ids = pd.Series(busiest.index[[0, -1]])
        with pytest.raises(
            errors.RequestTooLargeError, match=f"rejects 1 .*{busiest.index[0]}.*truncated at"
        ):
            ids.neuro.downstream(source=NEW)
        with pytest.warns(errors.PartialResultWarning):
            edges = ids.neuro.downstream(source=NEW, on_error="partial")
        assert set(edges["pre"]) == {busiest.index[-1]}


# -- edges ----------------------------------------------------------------------------------------


def true_edges(stack: Datastack, version: int) -> pd.DataFrame:
    synapses = stack.table(SYNAPSES, version)
    synapses = synapses[(synapses["pre_pt_root_id"] > 1) & (synapses["post_pt_root_id"] > 1)]
    pairs = synapses.groupby(["pre_pt_root_id", "post_pt_root_id"]).size()
    return pairs.rename_axis(["pre", "post"]).reset_index(name="weight")


class TestEdges:
    @pytest.mark.parametrize("version", [661, 1300])
    def test_edges_are_the_synapses(self, sandbox: Sandbox, stack: Datastack, version: int) -> None:
        source = f"cave:minnie65_public@{version}"
        truth = true_edges(stack, version)
        some = pd.Series(truth["pre"].unique()[::3])
        for upstream, downstream in ((True, True), (True, False), (False, True)):
            found = some.neuro.edges(source=source, upstream=upstream, downstream=downstream)
            near = (truth["pre"].isin(some) & downstream) | (truth["post"].isin(some) & upstream)
            expected = truth[near].sort_values(["pre", "post"], ignore_index=True)
            pd.testing.assert_frame_equal(
                found.sort_values(["pre", "post"], ignore_index=True), expected, check_dtype=True
            )
        assert all(len(query["filter_in_dict"][SYNAPSES]) == 1 for query in queries(sandbox))

    def test_the_same_verbs_and_the_store(self, sandbox: Sandbox, stack: Datastack) -> None:
        some = pd.Series(stack.old[4:24])
        with pdneuro.set_options(source=OLD):
            edges = some.neuro.edges(min_weight=2)
            count = len(queries(sandbox))
            assert some.neuro.graph(min_weight=2).size(weight="weight") == edges["weight"].sum()
            partners = some.neuro.partners(min_weight=2)
            assert len(queries(sandbox)) == count
            within = some.neuro.edges(within=True)
            assert within["pre"].isin(some).all()
            assert within["post"].isin(some).all()
            hops = some.head(2).neuro.downstream(hops=2, min_weight=2)
        assert partners["weight"].sum() > 0
        assert set(hops["hop"]) == {1, 2}
        with pdneuro.set_options(offline=True):
            pd.testing.assert_frame_equal(some.neuro.edges(min_weight=2, source=OLD), edges)

    def test_autapses_and_what_is_no_segment(self, sandbox: Sandbox, stack: Datastack) -> None:
        truth = true_edges(stack, 661)
        own = truth.loc[truth["pre"] == truth["post"], "pre"]
        ids = pd.Series([*own[:5], 0, 1])
        found = ids.neuro.edges(source=OLD)
        assert (found["pre"] == found["post"]).sum() == len(own[:5])
        assert not (ids.neuro.edges(source=OLD, autapses=False).eval("pre == post")).any()
        assert (found[["pre", "post"]] > 1).all(axis=None)
        everyone = pd.Series(stack.old)
        everyone.neuro.downstream(source=OLD)
        details = pdneuro.last_report()["detail"]
        lost = stack.table(SYNAPSES, 661)
        lost = lost[(lost["pre_pt_root_id"] > 1) & (lost["post_pt_root_id"] <= 1)]
        told = details.str.extract(r"^([\d,]+) synapses with no segment")[0].dropna()
        assert told.str.replace(",", "").astype(int).sum() == len(lost)

    def test_each_synapse_once(self, sandbox: Sandbox, stack: Datastack) -> None:
        ids = pd.Series([*stack.old[:20], 0])
        found = ids.neuro.synapses(["size", "ctr_pt_position"], source=OLD)
        truth = stack.table(SYNAPSES, 661)
        truth = truth[(truth["pre_pt_root_id"] > 1) & (truth["post_pt_root_id"] > 1)]
        near = truth["pre_pt_root_id"].isin(ids) | truth["post_pt_root_id"].isin(ids)
        assert sorted(found["id"]) == sorted(truth.loc[near, "id"])
        assert found.groupby(["pre", "post"])["size"].sum().sum() == truth.loc[near, "size"].sum()
        assert found.dtypes[["id", "pre", "post"]].eq("int64").all()
        first = truth.set_index("id").loc[found["id"].iloc[0]]
        assert found["ctr_pt_position_z"].iloc[0] == first["ctr_pt_position_z"] * RESOLUTION[2]
        counts = found.groupby(["pre", "post"]).size().rename("weight").reset_index()
        edges = ids.neuro.edges(source=OLD).sort_values(["pre", "post"], ignore_index=True)
        pd.testing.assert_frame_equal(edges, counts)

    def test_properties_and_records_of_a_table(self, sandbox: Sandbox, stack: Datastack) -> None:
        ids = pd.Series(stack.old[:30])
        counted = ids.neuro.properties("proofreading_status", source=OLD)["proofreading_status_count"]
        long = ids.neuro.records("proofreading_status", source=OLD)
        assert len(long) == counted.sum()
        assert long["segment_id"].isin(ids).all()


# -- freshness ------------------------------------------------------------------------------------


class TestFreshness:
    def test_is_latest(self, sandbox: Sandbox, stack: Datastack) -> None:
        ids = pd.Series([*stack.old[:6].tolist(), None, 0], dtype="Int64", index=range(8, 0, -1))
        found = ids.neuro.is_latest(source=NEW)
        expected = [root not in stack.edits for root in stack.old[:6].tolist()]
        assert found.tolist() == [*expected, pd.NA, pd.NA]
        assert found.index.equals(ids.index)
        assert ids[:6].astype("int64").neuro.is_latest(source=NEW).dtype == bool
        sent = [r for r in sandbox.requests if r.path.endswith("is_latest_roots")]
        assert len(sent) == 2  # one per call, and requested again

    def test_what_became_of_each(self, sandbox: Sandbox, stack: Datastack) -> None:
        ids = pd.Series([*stack.old, 5])
        with pytest.warns(errors.UnknownIdsWarning, match="does not know 1 of the IDs: 5"):
            found = ids.neuro.latest(source=NEW, details=True)
        for root, row in zip(ids[:-1].tolist(), found.itertuples(index=False), strict=False):
            edit = stack.edits.get(root)
            assert row.status == (edit.kind if edit else "current")
            if edit is None:
                assert (row.latest, row.overlap) == (root, 1.0)
            elif edit.kind == "dead":
                assert pd.isna(row.latest)
            else:
                winner = max(set(edit.now), key=edit.now.count)
                assert (row.latest, row.overlap) == (winner, edit.now.count(winner) / 10)
        assert found.iloc[-1].isna().all()
        report = pdneuro.last_report().set_index("id")["detail"]
        assert report[stack.old[1]] == "split, overlap 0.70"
        series = ids[:-1].neuro.latest(source=NEW)
        assert series.tolist() == found["latest"].tolist()[:-1]

    def test_the_way_out_of_stale_ids(self, sandbox: Sandbox, stack: Datastack) -> None:
        table = pd.DataFrame({"root_id": stack.old[:40]})
        fresh = table.assign(root_id=table["root_id"].neuro.latest(source=NEW))
        joined = fresh.neuro.join_cave(NUCLEI, columns=["volume"], source=NEW, multiple="first")
        assert joined["volume"].notna().all()

    def test_at_a_version(self, sandbox: Sandbox, stack: Datastack) -> None:
        ids = pd.Series(stack.old[:12])
        assert ids.neuro.at(661, source=NEW).tolist() == ids.tolist()
        assert ids.neuro.at(1300, source=NEW).tolist() == ids.neuro.latest(source=NEW).tolist()
        new = pd.Series([stack.edits[int(stack.old[0])].now[0]])
        assert new.neuro.at(661, source=NEW).tolist() == [stack.old[0]]
        with pytest.raises(errors.ExpiredVersionError):
            ids.neuro.at(5, source=NEW)


# -- tokens and servers ---------------------------------------------------------------------------


class TestTokens:
    @pytest.fixture
    def nobody(self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
        """The sandbox without the tokens that it brings."""
        monkeypatch.setattr(tokens, "_process", ())
        before = tokens._block.set(())
        yield sandbox
        tokens._block.reset(before)

    def test_a_new_user(self, nobody: Sandbox, roots: pd.Series) -> None:
        page = f"{nobody.url}/cave/sticky_auth/settings/tokens"
        with pytest.raises(errors.MissingTokenError, match=page) as caught:
            roots.neuro.cave(NUCLEI, source=NEW)
        assert "API_SECRET_microns" in str(caught.value)
        pdneuro.tokens.save("minnie65_public", cave_app.TOKENS["minnie65_public"])
        assert len(roots.neuro.cave(NUCLEI, source=NEW, multiple="first"))
        saved = list((Path.home() / ".config" / "pdneuro" / "tokens").glob("*.json"))
        assert [file.stat().st_mode & 0o777 for file in saved] == [0o600]

    def test_an_existing_user_on_a_new_computer(self, nobody: Sandbox, roots: pd.Series) -> None:
        """Their token is in the files that CAVE's own client keeps."""
        folder = Path.home() / ".cloudvolume" / "secrets"
        folder.mkdir(parents=True)
        (folder / "cave-secret.json").write_text(
            json.dumps({"token": cave_app.TOKENS["minnie65_public"]})
        )
        assert len(roots.neuro.cave(NUCLEI, source=NEW, multiple="first"))
        # The MICrONS token is not sent to the other server.
        ids = pd.Series(datastack("v1dd_public").old[:3])
        with pytest.raises(errors.MissingTokenError, match="API_SECRET_v1dd"):
            ids.neuro.cave(NUCLEI, source="cave:v1dd_public")
        assert not list(folder.glob("*server_map*"))

    def test_two_tokens_from_environment_secrets(
        self, nobody: Sandbox, roots: pd.Series, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("API_SECRET_microns", cave_app.TOKENS["minnie65_public"])
        monkeypatch.setenv("API_SECRET_v1dd", cave_app.TOKENS["v1dd_public"])
        assert len(roots.neuro.cave(NUCLEI, source=NEW, multiple="first"))
        other = pd.Series(datastack("v1dd_public").old[:3])
        assert (
            other.neuro.cave(NUCLEI, ["volume"], source="cave:v1dd_public@661")["volume"].notna().all()
        )
        origins = pdneuro.tokens.status().set_index("service")["origin"]
        assert "API_SECRET_microns" in origins["global.daf-apis.com"]
        assert "API_SECRET_v1dd" in origins["global.em.brain.allentech.org"]
        assert not origins.astype(str).str.contains("sandbox-").any()
        sent = {r.headers["authorization"] for r in nobody.requests if "v1dd_public" in r.path}
        assert sent == {f"Bearer {cave_app.TOKENS['v1dd_public']}"}

    def test_each_server_has_its_own_token(self) -> None:
        pdneuro.tokens.save("v1dd_public", "for-v1dd")
        pdneuro.tokens.save("minnie65_public", "for-microns")
        assert pdneuro.tokens.get("https://global.em.brain.allentech.org") == "for-v1dd"
        assert pdneuro.tokens.get("https://global.daf-apis.com") == "for-microns"
        assert pdneuro.tokens.get("v1dd") == "for-v1dd"
        assert pdneuro.tokens.forget("v1dd_public")
        assert pdneuro.tokens.get("minnie65_public") == "for-microns"

    def test_servers_by_datastack(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from pdneuro.cave.send import server_of

        assert server_of("minnie65_public") == "https://global.daf-apis.com"
        assert server_of("v1dd_public") == "https://global.em.brain.allentech.org"
        with pdneuro.set_options(cave_url="https://cave.example"):
            assert server_of("v1dd_public") == "https://cave.example"

    def test_a_token_of_another_server(self, nobody: Sandbox, roots: pd.Series) -> None:
        pdneuro.tokens.save("minnie65_public", "wrong-secret-token")
        with pytest.raises(
            errors.AuthenticationError, match=r"Token is Invalid\. Get one .*settings/tokens"
        ) as caught:
            roots.neuro.cave(NUCLEI, source=NEW)
        assert "wrong-secret-token" not in str(caught.value)

    def test_a_token_given_in_the_call(self, nobody: Sandbox, roots: pd.Series) -> None:
        from pdneuro.cave import CaveSource

        source = CaveSource("minnie65_public", 1300, auth_token=cave_app.TOKENS["minnie65_public"])
        assert len(roots.neuro.cave(NUCLEI, source=source, multiple="first"))
        assert "sandbox-microns" not in repr(source)

    def test_terms_and_permissions(self, sandbox: Sandbox, roots: pd.Series) -> None:
        sandbox.cave.terms = {"minnie65_public"}
        with pytest.raises(errors.ForbiddenError, match=r"terms of service .*tos/7/accept"):
            roots.neuro.cave(NUCLEI, source=NEW)
        sandbox.cave.terms = set()
        roots.head(1).neuro.cave(NUCLEI, source=NEW)
        # Also when the client exists already: it would open a browser.
        sandbox.cave.terms = {"minnie65_public"}
        with pytest.raises(errors.ForbiddenError, match="terms of service"):
            roots.neuro.cave(NUCLEI, source=NEW)
        sandbox.cave.terms, sandbox.cave.forbidden = set(), {"minnie65_public"}
        with pytest.raises(errors.ForbiddenError, match="may not view minnie65_public"):
            roots.neuro.cave(NUCLEI, source=NEW)

    def test_nothing_is_written_for_the_client(self, sandbox: Sandbox, roots: pd.Series) -> None:
        roots.neuro.cave(NUCLEI, source=NEW, multiple="first")
        assert not (Path.home() / ".cloudvolume").exists()


# -- trouble --------------------------------------------------------------------------------------


class TestTrouble:
    def test_maintenance(self, sandbox: Sandbox, roots: pd.Series) -> None:
        roots.head(2).neuro.cave(NUCLEI, ["volume"], source=NEW)
        sandbox.fail(times=99, status=503, path="/query")
        with pytest.raises(errors.ServiceError, match=r"2 of \d+ IDs are answered and stored"):
            roots.neuro.cave(NUCLEI, ["volume"], source=NEW)

    def test_a_page_in_place_of_an_answer(self, sandbox: Sandbox, roots: pd.Series) -> None:
        roots.head(1).neuro.cave(NUCLEI, ["volume"], source=NEW)
        sandbox.fail(times=9, html=True, path="/query")
        with pytest.raises(errors.InvalidResponseError, match="caveclient"):
            roots.neuro.cave(NUCLEI, ["volume"], source=NEW)
        sandbox.fail(times=0)

    def test_slow(self, sandbox: Sandbox, roots: pd.Series) -> None:
        roots.head(1).neuro.cave(NUCLEI, ["volume"], source=NEW, max_workers=3)
        with pdneuro.set_options(timeout=0.3):
            assert eventually(
                lambda: answered(lambda: roots.head(1).neuro.cave(NUCLEI, ["id"], source=NEW))
            )
            with held(sandbox, "/query"), pytest.raises(errors.ConnectionFailedError):
                roots.head(2).neuro.cave(NUCLEI, ["id"], source=NEW)


def test_importing_pdneuro_does_not_import_caveclient() -> None:
    code = "import sys, pdneuro, pdneuro.queries.cave, pdneuro.cave; print('caveclient' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_an_old_client_is_refused(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    import importlib.metadata

    monkeypatch.setattr(importlib.metadata, "version", lambda name: "5.21.0")
    with (
        pdneuro.set_options(timeout=7.25),  # a separate client
        pytest.raises(
            errors.MissingDependencyError, match=r"caveclient 5.21.0 is too old.*pdneuro\[cave\]"
        ),
    ):
        pd.Series([5]).neuro.is_latest(source=NEW)


def test_numbers_come_as_they_were() -> None:
    times = ["2020-01-02T03:04:05", None, "2021-01-02T03:04:05.123456+00:00"]
    rows = [
        {"x": x, "created": created, "n": n}
        for x, created, n in zip([1, None, 2], times, [1.5, None, 2.5], strict=True)
    ]
    found = row_columns(rows, ["x", "created", "n"])
    assert found["x"].tolist() == [1, pd.NA, 2]
    assert str(pd.Series(found["created"]).dtype).startswith("datetime64[")
    assert pd.isna(found["created"][1])
    assert np.array_equal(found["n"].isna(), [False, True, False])


def test_the_routes_that_every_server_has_will_do(sandbox: Sandbox, roots: pd.Series) -> None:
    """Lists of versions, tables and views are not on all servers."""
    app = sandbox.cave

    def few(request: Any) -> Any:
        lists = request.path.endswith(("/versions", "/tables", "/views", "/info/version"))
        if lists and "/materialize/api/versions" not in request.path:
            return Response(b"not here", 404, {"Content-Type": "text/plain"})
        return app(request)

    sandbox.cave = few  # type: ignore[assignment]
    found = roots.head(9).neuro.cave(NUCLEI, ["volume"], source=NEW, multiple="first", max_workers=2)
    assert found["volume"].notna().all()
    assert len(roots.head(9).neuro.downstream(source=NEW, max_workers=2))
    with pytest.raises(errors.UnknownTableError, match="no table 'nothing'"):
        roots.neuro.cave("nothing", source=NEW, max_workers=2)


# -- what a stricter server does ------------------------------------------------------------------


@contextlib.contextmanager
def another_server(app: Any) -> Any:
    """Another server, under ``/other``."""
    server = LocalServer({"/other": app})
    try:
        yield server
    finally:
        server.stop()


def through(sandbox: Sandbox, change: Any) -> None:
    """Let ``change`` see each request and the app's response, and answer."""
    app = sandbox.cave
    sandbox.cave = lambda request: change(request, app(request))  # type: ignore[assignment]


class TestStrict:
    @pytest.mark.parametrize("lost", ["dataframe_resolution", "Warning"])
    def test_a_cut_is_seen_without_this_header(
        self, sandbox: Sandbox, stack: Datastack, lost: str
    ) -> None:
        def change(request: Any, response: Any) -> Any:
            response.headers.pop(lost, None)
            return response

        ids = pd.Series(sorted(stack.valid(1300))[:60])
        whole = ids.neuro.synapses(["size"], source=NEW, upstream=False)
        limit = sandbox.cave.row_limit
        assert len(whole) > limit  # the limit was reported once; later a full page is enough
        through(sandbox, change)
        again = ids.neuro.synapses(["size"], source=NEW, upstream=False, refresh=True)
        assert len(again) == len(whole)

    def test_positions_in_another_unit_than_asked(
        self, sandbox: Sandbox, stack: Datastack, roots: pd.Series
    ) -> None:
        expected = roots.head(5).neuro.cave(
            "nucleus_view", ["pt_position"], source=NEW, multiple="first"
        )
        app = sandbox.cave

        def voxels(request: Any) -> Any:
            body = json.loads(request.body or b"{}")
            if request.path.endswith("/query") and body.pop("desired_resolution", None):
                request = dataclasses.replace(request, body=json.dumps(body).encode())
            return app(request)

        sandbox.cave = voxels  # type: ignore[assignment]
        for table in ("nucleus_view", NUCLEI):
            found = roots.head(5).neuro.cave(
                table, ["pt_position"], source=NEW, multiple="first", refresh=True
            )
            np.testing.assert_allclose(found.astype(float), expected.astype(float))

    def test_a_redirect_carries_no_token_away(self, sandbox: Sandbox, roots: pd.Series) -> None:
        roots.head(1).neuro.cave(NUCLEI, ["volume"], source=NEW)
        with another_server(lambda request: Response([])) as other:

            def change(request: Any, response: Any) -> Any:
                if request.path.endswith("/versions") and "/datastack/" in request.path:
                    return Response(b"", 302, {"Location": f"{other.url}/other/login"})
                return response

            through(sandbox, change)
            with pytest.raises(
                errors.AuthenticationError, match=r"redirects to .*/login.*settings/tokens"
            ):
                roots.head(2).neuro.cave(NUCLEI, ["volume"], source=NEW)
            assert not other.requests

    def test_no_word_of_the_server_shows_the_token(self, sandbox: Sandbox, roots: pd.Series) -> None:
        token = cave_app.TOKENS["minnie65_public"]
        for status in (401, 403, 410, 400):
            body = {"error": "invalid_token", "message": f"token Bearer {token} is bad"}
            through_once = sandbox.cave
            through(
                sandbox,
                lambda r, a, body=body, status=status: (
                    Response(body, status) if "/info/api" in r.path else a
                ),
            )
            with pytest.raises(errors.ServiceError) as caught, pdneuro.set_options(timeout=status / 7):
                roots.neuro.cave(NUCLEI, source=NEW)
            assert token not in str(caught.value)
            sandbox.cave = through_once

    def test_a_token_read_from_a_file(self, sandbox: Sandbox, roots: pd.Series) -> None:
        from pdneuro.cave import CaveSource

        token = cave_app.TOKENS["minnie65_public"]
        source = CaveSource("minnie65_public", 1300, auth_token=f"{token}\n")
        assert len(roots.head(2).neuro.cave(NUCLEI, ["volume"], source=source))
        with pytest.raises(ValueError, match="one word") as caught:
            roots.neuro.cave(NUCLEI, source=CaveSource("minnie65_public", 1300, auth_token=f"{token} x"))
        assert token not in str(caught.value)

    def test_no_wait_without_end(self, sandbox: Sandbox, roots: pd.Series) -> None:
        with (
            pdneuro.set_options(timeout=0.4),
            held(sandbox, "/materialize/version"),
            pytest.raises(errors.ConnectionFailedError),
        ):
            roots.head(1).neuro.cave(NUCLEI, ["volume"], source=NEW)
        with pdneuro.set_options(retries=2):
            roots.head(1).neuro.cave(NUCLEI, ["volume"], source=NEW)
            sandbox.fail(status=503, retry_after=3600, path="/query")
            with pytest.raises(errors.ServiceUnavailableError, match="asks to wait 3,600 s"):
                roots.head(2).neuro.cave(NUCLEI, ["volume"], source=NEW)

    def test_columns_by_one_word_and_misspelt(self, sandbox: Sandbox, roots: pd.Series) -> None:
        found = roots.head(2).neuro.cave(NUCLEI, "volume", source=NEW)
        assert list(found.columns) == ["volume"]
        for table, name, near in (
            (NUCLEI, "volme", "volume"),
            ("nucleus_view", "volme", "volume"),
            ("cell_type_manual", "cell_typ", "cell_type"),
        ):
            with pytest.raises(
                errors.UnknownFieldError, match=f"no column '{name}'. Did you mean '{near}'"
            ):
                roots.neuro.cave(table, [name], source=NEW)
        with pytest.raises(
            errors.UnknownFieldError, match=r"no column 'root_id'\. Did you mean 'pt_root_id'"
        ):
            roots.neuro.cave(NUCLEI, source=NEW, id_column="root_id")

    def test_stale_ids_are_told_of_in_edges_too(self, sandbox: Sandbox, stack: Datastack) -> None:
        for verb in ("edges", "synapses", "partners"):
            with pytest.warns(
                errors.StaleIdsWarning, match="4 of 4 root IDs are not valid at version 1300"
            ):
                assert getattr(pd.Series(stack.old[:4]).neuro, verb)(source=NEW).empty

    def test_a_check_that_fails_does_not_cost_the_join(self, sandbox: Sandbox, stack: Datastack) -> None:
        sandbox.fail(times=9, status=400, path="is_latest_roots")
        ids = pd.Series(stack.old[[0, 4]])
        with pytest.warns(errors.StaleIdsWarning, match="not known whether they are valid"):
            found = ids.neuro.cave(NUCLEI, ["volume"], source=NEW)
        assert found["volume"].notna().tolist() == [False, True]

    def test_offline_asks_nothing_at_all(self, sandbox: Sandbox, roots: pd.Series) -> None:
        from pdneuro.cave import send

        table = roots.neuro.cave(NUCLEI, ["volume"], source=NEW, multiple="first")
        edges = roots.head(9).neuro.edges(source=NEW)
        for made in send._clients.values():
            made.close()
        send._clients.clear()  # as in a new process
        sent = len(sandbox.requests)
        with pdneuro.set_options(offline=True):
            again = roots.neuro.cave(NUCLEI, ["volume"], source=NEW, multiple="first")
            pd.testing.assert_frame_equal(again, table)
            pd.testing.assert_frame_equal(roots.head(9).neuro.edges(source=NEW), edges)
        assert len(sandbox.requests) == sent

    @pytest.mark.parametrize(
        "ask",
        [
            lambda ids: ids.neuro.synapses(["size"], source=OLD),
            lambda ids: ids.neuro.at(661, source=NEW),
            lambda ids: ids.neuro.latest(source=NEW, details=True),
            lambda ids: ids.neuro.is_latest(source=NEW),
            lambda ids: ids.neuro.properties("proofreading_status", source=OLD),
        ],
        ids=["synapses", "at", "latest", "is_latest", "properties"],
    )
    def test_the_cache_serves_every_query_offline(
        self, ask: Any, sandbox: Sandbox, stack: Datastack
    ) -> None:
        ids = pd.Series(stack.old[:6])
        found = ask(ids)
        sent = len(sandbox.requests)
        with pdneuro.set_options(offline=True):
            again = ask(ids)
        assert again.equals(found)
        assert len(sandbox.requests) == sent

    def test_the_cache_keeps_versions_apart(self, sandbox: Sandbox, stack: Datastack) -> None:
        ids = pd.Series(stack.old[:6])
        found = [ids.neuro.at(version, source=NEW) for version in (1300, 661)]
        found.append(ids.neuro.latest(source=NEW))
        assert not found[0].equals(found[1])
        with pdneuro.set_options(offline=True):
            again = [ids.neuro.at(version, source=NEW) for version in (1300, 661)]
            again.append(ids.neuro.latest(source=NEW))
        for one, other in zip(found, again, strict=True):
            pd.testing.assert_series_equal(one, other)

    def test_a_datastack_without_a_table_of_synapses(self, sandbox: Sandbox, stack: Datastack) -> None:
        def change(request: Any, response: Any) -> Any:
            if "/info/api/v2/datastack/full/" in request.path:
                response.body |= {"synapse_table": None}
            return response

        through(sandbox, change)
        with pdneuro.set_options(timeout=6.5):  # a client that has not read the other description
            for ask in (pd.Series(stack.old[:2]).neuro.edges, pd.Series(stack.old[:2]).neuro.synapses):
                with pytest.raises(errors.UnknownTableError, match="has no table of synapses"):
                    ask(source=OLD)

    def test_rows_without_a_root_id_are_counted(self, sandbox: Sandbox, roots: pd.Series) -> None:
        ids = pd.Series([0, 1, None, roots[0]], dtype="Int64")
        entry = ids.neuro.cave(NUCLEI, ["volume"], source=NEW).attrs["pdneuro"]
        assert entry["rows_without_root_id"] == 3


def test_which_token_goes_where(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path.home() / ".cloudvolume" / "secrets"
    folder.mkdir(parents=True)
    (folder / "cave-secret.json").write_text('{"token": "microns"}')
    (folder / "127.0.0.1:9999-cave-secret.json").write_text('{"token": "local"}')
    v1dd = "https://global.em.brain.allentech.org"
    assert tokens.require_cave("minnie65_public", "http://127.0.0.1:9999") == "local"
    assert tokens.require_cave("minnie65_public", "http://127.0.0.1:1") == "microns"
    for datastack_name in ("minnie65_public", "v1dd_public", "mine"):
        with pytest.raises(errors.MissingTokenError):
            tokens.require_cave(datastack_name, v1dd)
    monkeypatch.setenv("API_SECRET_v1dd", "v1dd")
    assert tokens.require_cave("v1dd_public", v1dd) == "v1dd"
    with pytest.raises(errors.MissingTokenError):
        tokens.require_cave("mine", "https://cave.my.org")
    monkeypatch.setenv("PDNEURO_CAVE_TOKEN", "mine")
    assert tokens.require_cave("mine", "https://cave.my.org") == "mine"
    (folder / "cave-secret.json").unlink()
    monkeypatch.delenv("PDNEURO_CAVE_TOKEN")
    tokens.save("cave", "saved")
    assert tokens.get("minnie65_public") == "saved"
    monkeypatch.setenv("API_SECRET_microns", "two words")
    status = tokens.status().set_index("service").loc["global.daf-apis.com"]
    assert not status["set"]
    assert "API_SECRET_microns" in status["origin"]
    with pytest.raises(ValueError, match="API_SECRET_microns"):
        tokens.get("minnie65_public")


# -- real tables ----------------------------------------------------------------------------------


class RealStack:
    """The shared MICrONS tables in the shape that the sandbox serves."""

    name = "minnie65_public"

    def __init__(self) -> None:
        synapses = pd.read_csv(shared("cave/microns_synapses_onto_l23_sample.csv.gz"))
        names = ["id", "pre_pt_root_id", "post_pt_root_id", "size"]
        self.synapses = synapses[names]
        status = pd.read_csv(shared("cave/microns_v661_proofreading_status_public_release.csv.gz"))
        self.status = status.rename(columns=str).assign(id=range(len(status)))

    def table(self, name: str, version: int) -> pd.DataFrame | None:
        return {SYNAPSES: self.synapses, "proofreading_status": self.status}.get(name)

    def valid(self, version: int) -> set[int]:
        return set(self.status["pt_root_id"])


def test_real_synapses_and_a_real_table(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    real = RealStack()
    monkeypatch.setattr(cave_data, "datastack", lambda name: real)
    sandbox.cave.row_limit = 2_000  # a fraction of the rows: batches have to be halved
    ids = pd.Series(real.synapses["post_pt_root_id"].unique())
    edges = ids.neuro.upstream(source=OLD)
    rows = real.synapses[real.synapses["pre_pt_root_id"] > 1]  # one has no segment
    assert len(rows) < len(real.synapses)
    expected = rows.groupby(["pre_pt_root_id", "post_pt_root_id"]).size()
    found = edges.set_index(["pre", "post"])["weight"].sort_index()
    assert found.tolist() == expected.tolist()
    assert found.index.tolist() == expected.index.tolist()
    status = real.status["pt_root_id"].sample(frac=1, random_state=0)
    joined = pd.DataFrame({"pt_root_id": status}).neuro.join_cave("proofreading_status", source=OLD)
    assert joined.index.equals(status.index)
    told = real.status.set_index("pt_root_id")["status_axon"].loc[status]
    assert joined["status_axon"].tolist() == told.tolist()


def test_joins_have_the_status_of_each_row_and_can_run_twice(sandbox: Sandbox, roots: pd.Series) -> None:
    without = pdneuro.sandbox.root_ids(version=1300).loc[lambda ids: ~ids.isin(roots)].iloc[0]
    table = pd.DataFrame({"root_id": pd.array([roots[0], None, without, 1, roots[1]], "Int64")})
    options: dict[str, Any] = {"columns": "volume", "source": NEW, "multiple": "count"}
    once = table.neuro.join_cave(NUCLEI, indicator="status", **options)
    assert once["status"].tolist() == ["found", "missing", "none", "missing", "found"]
    again = once.neuro.join_cave(NUCLEI, indicator="status", **options)
    pd.testing.assert_frame_equal(again, once)
    assert again.attrs["pdneuro"]["query"] == once.attrs["pdneuro"]["query"]
    inner = table.neuro.join_cave(NUCLEI, how="inner", **options)
    assert inner["root_id"].tolist() == [roots[0], roots[1]]
    edges = pd.DataFrame({"pre": [roots[0], without], "post": [roots[1], roots[0]], "weight": 1})
    both = edges.neuro.join_cave(NUCLEI, "volume", on=["pre", "post"], source=NEW, multiple="first")
    single = edges.neuro.join_cave(NUCLEI, "volume", on="post", source=NEW, multiple="first")
    assert both["volume_post"].tolist() == single["volume"].tolist()
    assert both["volume_pre"].isna().tolist() == [False, True]
