"""The cache: which values belong together, and what happens to it on disk."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sqlite3
import stat
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import pdneuro
from pdneuro import errors
from pdneuro.sandbox import Sandbox
from pdneuro.sandbox.server import LocalServer, Request, Response

PUBLIC_PROJECT = "fruitfly_fafb_flywire_public"


class TestKeys:
    def test_each_project_property_and_address_has_its_own_values(
        self, sandbox: Sandbox, ids: pd.Series
    ) -> None:
        other = LocalServer({"/braincircuits": sandbox.braincircuits})
        elsewhere = f"{other.url}/braincircuits"
        size = ids.neuro.properties("size")["size"]
        try:
            for _ in range(2):  # the second time everything is in the cache
                links = ids.neuro.properties("link_pre")
                ids.neuro.properties("size", source=PUBLIC_PROJECT)
                with pdneuro.set_options(braincircuits_url=elsewhere):
                    assert ids.neuro.properties("size")["size"].equals(size)
        finally:
            other.stop()
        assert len(sandbox.requests) == 3
        assert len(other.requests) == 1
        assert links.columns.tolist() == ["nr_pre", "nr_downstream_partner"]
        found = pdneuro.cache.info().set_index(["address", "project", "property"])["ids"]
        here, project = f"{sandbox.url}/braincircuits", "fruitfly_fafb_flywire"
        assert found.to_dict() == {
            (here, project, "size"): 10,
            (here, project, "link_pre"): 10,
            (here, PUBLIC_PROJECT, "size"): 10,
            (elsewhere, project, "size"): 10,
        }

    def test_each_address_has_its_own_documents(self, sandbox: Sandbox) -> None:
        other = LocalServer({"/allen": sandbox._server.apps["/allen"]})
        try:
            for _ in range(2):
                pdneuro.allen.OntologiesApi().get_structure_sets()
                with pdneuro.set_options(allen_url=f"{other.url}/allen"):
                    pdneuro.allen.OntologiesApi().get_structure_sets()
        finally:
            other.stop()
        assert (len(sandbox.requests), len(other.requests)) == (1, 1)

    def test_only_expired_ids_are_requested_again(self, sandbox: Sandbox, ids: pd.Series) -> None:
        ids[:4].neuro.properties("size")
        make_older(ids_by=3600)
        ids[4:7].neuro.properties("size")
        with pdneuro.set_options(expire_after=1800):
            ids.neuro.properties("size")
        assert sorted(sandbox.requests[-1].json()["segments"]) == sorted([*ids[:4], *ids[7:]])

    def test_only_values_older_than_a_given_age_are_removed(
        self, sandbox: Sandbox, ids: pd.Series
    ) -> None:
        ids[:4].neuro.properties("size")
        make_older(ids_by=3600)
        ids[4:].neuro.properties("size")
        assert pdneuro.cache.clear(older_than=1800) == 4
        assert pdneuro.cache.info()["ids"].tolist() == [6]
        with pdneuro.set_options(offline=True):
            assert ids[4:].neuro.properties("size")["size"].notna().all()
            with pytest.raises(errors.OfflineError, match="4 of 10 IDs"):
                ids.neuro.properties("size")

    def test_refresh_while_offline_reads_the_cache(self, sandbox: Sandbox, ids: pd.Series) -> None:
        known = ids.neuro.properties("size")
        sets = pdneuro.allen.OntologiesApi().get_structure_sets()
        count = len(sandbox.requests)
        with pdneuro.set_options(offline=True):
            found = ids.neuro.properties("size", refresh=True)
            again = pdneuro.allen.OntologiesApi().get_structure_sets(refresh=True)
        pd.testing.assert_frame_equal(found, known)
        assert list(again) == list(sets)
        assert len(sandbox.requests) == count

    def test_unknown_ids_and_ids_without_a_value_are_not_requested_again(
        self, sandbox: Sandbox, ids: pd.Series
    ) -> None:
        column = pd.concat([ids, pd.Series([12, 13])])
        for _ in range(2):
            column.neuro.properties("nucleus", on_missing="ignore")
            report = pdneuro.last_report().set_index("id")["status"]
            assert report[[12, 13]].tolist() == ["unknown", "unknown"]
        assert len(sandbox.requests) == 1
        assert pdneuro.last_report()["from_cache"].all()


def make_older(*, ids_by: float) -> None:
    """Date everything in the cache back, as if it were fetched earlier."""
    path = Path(pdneuro.get_options()["cache_dir"]) / "answers.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("UPDATE piece SET fetched = fetched - ?", (ids_by,))
    connection.commit()
    connection.close()


class TestExport:
    def test_values_and_documents_work_offline_on_another_machine(
        self, sandbox: Sandbox, ids: pd.Series, tmp_path: Path
    ) -> None:
        structures = pd.DataFrame({"structure_id": [315, 385]})
        calls: list[Callable[[], pd.DataFrame]] = [
            lambda: ids.neuro.properties("size"),
            lambda: structures.neuro.join_structures("acronym"),
            lambda: pdneuro.allen.OntologiesApi().get_atlases(),
            lambda: pdneuro.neuromorpho.select(species="rat"),
            lambda: pdneuro.neuromorpho.neuron([1, 2]),
        ]
        found = [call() for call in calls]
        file = pdneuro.cache.export(tmp_path / "exported.sqlite")
        count = len(sandbox.requests)
        with pdneuro.set_options(cache_dir=tmp_path / "another-machine", offline=True):
            for call in calls:
                with pytest.raises(errors.OfflineError):
                    call()
            assert pdneuro.cache.load(file) == pdneuro.cache.info()["ids"].sum()
            for call, expected in zip(calls, found, strict=True):
                pd.testing.assert_frame_equal(call(), expected)
            assert pdneuro.cache.load(file) == 0
        assert len(sandbox.requests) == count

    def test_the_newer_of_two_documents_stays(self, sandbox: Sandbox, tmp_path: Path) -> None:
        def names() -> list[str]:
            return list(pdneuro.allen.OntologiesApi().get_structure_sets()["name"])

        old = names()
        older = pdneuro.cache.export(tmp_path / "older.sqlite")
        app = sandbox._server.apps["/allen"]

        def renamed(request: Request) -> Response:
            response = app(request)
            for row in response.body["msg"]:
                row["name"] = f"new {row['name']}"
            return response

        sandbox._server.apps["/allen"] = renamed
        pdneuro.allen.OntologiesApi().get_structure_sets(refresh=True)
        new = [f"new {name}" for name in old]
        assert names() == new
        assert pdneuro.cache.load(older) == 0
        assert names() == new
        newer = pdneuro.cache.export(tmp_path / "newer.sqlite")
        with pdneuro.set_options(cache_dir=tmp_path / "other", offline=True):
            assert (pdneuro.cache.load(older), names()) == (1, old)
            assert (pdneuro.cache.load(newer), names()) == (1, new)


class TestDocuments:
    def test_info_lists_documents_by_server(self, sandbox: Sandbox, ids: pd.Series) -> None:
        ids.neuro.properties("size")
        pdneuro.allen.OntologiesApi().get_structure_sets()
        pdneuro.allen.OntologiesApi().get_atlases()
        info = pdneuro.cache.info()
        assert info["property"].tolist() == ["size", "documents"]
        documents = info.loc[1]
        assert (documents["address"], documents["project"], documents["credential"]) == (
            sandbox.url,
            "",
            "",
        )
        assert documents["ids"] == 2
        assert documents["bytes"] > 500
        assert documents["oldest"] < documents["newest"]

    def test_clear_removes_documents_unless_another_property_is_named(
        self, sandbox: Sandbox, ids: pd.Series
    ) -> None:
        def fetch() -> None:
            ids.neuro.properties("size")
            pdneuro.allen.OntologiesApi().get_structure_sets()

        fetch()
        assert pdneuro.cache.clear(older_than=3600) == 0
        assert pdneuro.cache.clear(project="fruitfly_fafb_flywire") == 10
        assert pdneuro.cache.info()["property"].tolist() == ["documents"]
        fetch()
        assert pdneuro.cache.clear(property="documents") == 1
        assert pdneuro.cache.info()["property"].tolist() == ["size"]
        fetch()
        assert pdneuro.cache.clear() == 11
        assert pdneuro.cache.info().empty


class TestFolder:
    @pytest.mark.parametrize("mode", [0o755, 0o750, 0o705])
    def test_an_empty_folder_becomes_private(
        self, sandbox: Sandbox, ids: pd.Series, tmp_path: Path, mode: int
    ) -> None:
        folder = tmp_path / "mine"
        folder.mkdir()
        folder.chmod(mode)
        with pdneuro.set_options(cache_dir=folder):
            ids.neuro.properties("size")
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700

    def test_a_new_folder_is_private_whatever_the_umask(
        self, sandbox: Sandbox, ids: pd.Series, tmp_path: Path
    ) -> None:
        before = os.umask(0)
        try:
            with pdneuro.set_options(cache_dir=tmp_path / "new"):
                ids.neuro.properties("size")
                pdneuro.allen.OntologiesApi().get_structure_sets()
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "new").iterdir()}
        assert "answers.sqlite" in modes
        assert set(modes.values()) == {0o600}

    def test_a_relative_folder_stays_where_it_was_when_the_working_folder_changes(
        self, sandbox: Sandbox, ids: pd.Series, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path)
        with pdneuro.set_options(cache_dir="relative"):
            ids.neuro.properties("size")
            pdneuro.allen.OntologiesApi().get_structure_sets()
            count = len(sandbox.requests)
            monkeypatch.chdir(tmp_path / "elsewhere")
            ids.neuro.properties("size")
            pdneuro.allen.OntologiesApi().get_structure_sets()
        assert len(sandbox.requests) == count
        assert (tmp_path / "relative" / "answers.sqlite").exists()
        assert not list((tmp_path / "elsewhere").iterdir())


@pytest.fixture
def small_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Limit a cache file that is opened from now on to some pages, as a full disk does.

    SQLite reports both by the same code, SQLITE_FULL.
    """
    connect = sqlite3.connect

    def limit(pages: int) -> None:
        def limited(path: object, *args: object, **how: object) -> sqlite3.Connection:
            connection = connect(path, *args, **how)
            if str(path).endswith("answers.sqlite"):  # coverage opens files as well
                connection.execute(f"PRAGMA max_page_count = {pages}")
            return connection

        monkeypatch.setattr(sqlite3, "connect", limited)

    return limit


class TestFullDisk:
    @pytest.mark.parametrize("pages", [1, 12])
    def test_values_are_returned_with_a_warning(
        self, sandbox: Sandbox, small_disk: Callable[[int], None], pages: int
    ) -> None:
        neurons = pdneuro.sandbox.neurons()["root_id"]
        small_disk(pages)
        with pytest.warns(errors.CacheWarning, match="full") as caught:
            found = neurons.neuro.edges(batch_size=500)
        assert len(found) == 45_000
        assert "cache_dir" in str(caught[0].message)

    def test_an_error_says_that_values_are_lost(
        self, sandbox: Sandbox, small_disk: Callable[[int], None]
    ) -> None:
        neurons = pdneuro.sandbox.neurons()["root_id"]
        small_disk(1)
        app = sandbox.braincircuits

        def failing_later(request: object) -> object:
            response = app(request)
            if len(sandbox.requests) > 2:
                response.status = 401
            return response

        sandbox._server.apps["/braincircuits"] = failing_later
        with (
            pytest.warns(errors.CacheWarning),
            pytest.raises(errors.AuthenticationError, match="1,000 of 3,000 IDs are answered and lost"),
        ):
            neurons.neuro.properties("size", batch_size=500, max_workers=1)

    @pytest.mark.parametrize("pages", [1, 5])
    def test_documents_are_returned(
        self, sandbox: Sandbox, small_disk: Callable[[int], None], pages: int
    ) -> None:
        assert pdneuro.cache.info().empty  # makes the file for values, which then fits
        small_disk(pages)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for _ in range(2):
                assert len(pdneuro.allen.OntologiesApi().get_structures([1])) == 40
        assert {warning.category for warning in caught} <= {errors.CacheWarning}


class TestDamage:
    def test_damaged_documents_are_downloaded_again_with_a_warning(
        self, sandbox: Sandbox, tmp_path: Path
    ) -> None:
        whole = pdneuro.allen.OntologiesApi().get_structures([1])
        file = tmp_path / "cache" / "answers.sqlite"
        copy = tmp_path / "other" / "answers.sqlite"
        copy.parent.mkdir()
        with (
            contextlib.closing(sqlite3.connect(file)) as connection,
            contextlib.closing(sqlite3.connect(copy)) as target,
        ):
            connection.backup(target)
        content = bytearray(copy.read_bytes())
        content[4096:] = b"\xff" * (len(content) - 4096)
        copy.write_bytes(content)
        with (
            pdneuro.set_options(cache_dir=copy.parent),
            pytest.warns(errors.CacheSetAsideWarning, match="cannot be used"),
        ):
            found = pdneuro.allen.OntologiesApi().get_structures([1])
        pd.testing.assert_frame_equal(found, whole)


class TestFork:
    def test_a_forked_process_opens_its_own_connections(self, sandbox: Sandbox) -> None:
        script = """
            import os, pdneuro
            ids = pdneuro.sandbox.neurons()["root_id"]
            sets = pdneuro.allen.OntologiesApi().get_structure_sets
            ids[:2].neuro.properties("size", max_workers=1), sets()
            print("parent", flush=True)
            child = os.fork()
            if child == 0:
                found = ids[2:4].neuro.properties("size", max_workers=1)
                print("child", found["size"].notna().all(), len(sets(refresh=True)), flush=True)
                os._exit(0)
            os.waitpid(child, 0)
            found = ids[4:6].neuro.properties("size", max_workers=1)
            print("parent", found["size"].notna().all(), flush=True)
        """
        opened: list[object] = []
        server = sandbox._server._http
        process_request = server.process_request

        def counting(connection: object, address: object) -> None:
            opened.append(address)
            process_request(connection, address)

        server.process_request = counting
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script)],
            env={**os.environ, **sandbox.settings()},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.split("\n")[1] == "child True 4"
        assert done.stdout.split("\n")[2] == "parent True"
        # One connection of the parent, which stays open, and one of the child.
        assert len(opened) == 2


def _size(start: int) -> bool:
    neurons = pdneuro.sandbox.neurons()["root_id"]
    return bool(neurons[start : start + 5].neuro.properties("size")["size"].notna().all())


class TestWorkers:
    def test_worker_processes_share_the_cache(self, sandbox: Sandbox, tmp_path: Path) -> None:
        settings = {**sandbox.settings(), "PDNEURO_CACHE_DIR": str(tmp_path / "cache")}
        with pytest.MonkeyPatch.context() as patch:
            for name, value in settings.items():
                patch.setenv(name, value)
            for _ in range(2):  # other processes, later
                with multiprocessing.get_context("spawn").Pool(2) as pool:
                    assert all(pool.map(_size, [0, 5]))
                assert len(sandbox.requests) == 2
