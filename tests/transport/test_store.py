"""The per-ID store and the cache: several processes, damage, full disks, read-only folders."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sqlite3
import stat
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import platformdirs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pdneuro
from pdneuro import errors
from pdneuro.sandbox import Sandbox
from pdneuro.transport.report import FIRST_ENCODING, NONE_ENCODING, UNKNOWN_ENCODING, Batch
from pdneuro.transport.store import OptionalStore, Scope, Store

SCOPE = Scope("https://host", "me", "fly", "size")

answers = st.dictionaries(
    st.integers(1, 2**63 - 1),
    st.sampled_from([UNKNOWN_ENCODING, NONE_ENCODING]).map(lambda form: (form, None))
    | st.tuples(st.integers(FIRST_ENCODING, 100), st.binary(max_size=50)),
    max_size=30,
)


@given(first=answers, second=answers, asked=st.sets(st.integers(1, 2**63 - 1), max_size=10))
@settings(max_examples=60, deadline=None)
def test_what_is_put_comes_back_and_the_later_answer_wins(
    tmp_path_factory: pytest.TempPathFactory, first: dict, second: dict, asked: set[int]
) -> None:
    with Store(tmp_path_factory.mktemp("store") / "answers.sqlite") as store:
        scope, other = store.scope_id(SCOPE), store.scope_id(SCOPE._replace(credential="you"))
        for number, batch in enumerate((first, second)):
            forms, bodies = [v[0] for v in batch.values()], [v[1] for v in batch.values()]
            store.put(scope, [Batch(list(batch), forms, bodies, number or None)])
        known = first | second
        wanted = np.array(sorted(asked | set(known)), np.int64)
        found = store.get(scope, wanted)
        assert found.ids.tolist() == sorted(known)
        assert [*zip(found.encodings.tolist(), found.payloads, strict=True)] == [
            known[n] for n in found.ids.tolist()
        ]
        assert found.snapshots.tolist() == [1 if n in second else -1 for n in found.ids.tolist()]
        assert not len(store.get(other, wanted).ids)


def test_files_are_the_owners_alone(sandbox: Sandbox, ids: pd.Series, tmp_path: Path) -> None:
    ids.neuro.properties("size")
    folder = tmp_path / "cache"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for file in folder.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    with sqlite3.connect(folder / "answers.sqlite") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_a_folder_with_other_things_in_it_keeps_its_mode(
    sandbox: Sandbox, ids: pd.Series, tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir(0o755)
    (folder / "notes.txt").write_text("mine")
    with pdneuro.set_options(cache_dir=folder):
        ids.neuro.properties("size")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert stat.S_IMODE((folder / "answers.sqlite").stat().st_mode) == 0o600


def test_no_secret_is_written(sandbox: Sandbox, ids: pd.Series, tmp_path: Path) -> None:
    ids.neuro.properties("size", "connectivity")
    for file in (tmp_path / "cache").iterdir():
        assert b"sandbox-token" not in file.read_bytes()
    assert "sandbox-token" not in pdneuro.cache.info().to_string()


@pytest.mark.parametrize(
    "content",
    [b"not a database at all " * 100, b"SQLite format 3\x00" + b"\x00" * 4000, "foreign", "newer"],
)
def test_a_damaged_or_foreign_file_is_set_aside(
    sandbox: Sandbox, ids: pd.Series, tmp_path: Path, content: bytes | str
) -> None:
    folder = tmp_path / "cache"
    folder.mkdir(exist_ok=True)
    path = folder / "answers.sqlite"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE mine (x)")
        if content == "newer":
            connection.execute(f"PRAGMA application_id = {0x70646E72}")
            connection.execute("PRAGMA user_version = 999")
        connection.commit()
        connection.close()
    before = path.read_bytes()
    with pytest.warns(errors.CacheSetAsideWarning, match="renamed"):
        found = ids.neuro.properties("size")
    assert found["size"].notna().all()
    (aside,) = folder.glob("answers.sqlite.unreadable-*")
    assert aside.read_bytes() == before
    asked = len(sandbox.requests)
    ids.neuro.properties("size")
    assert len(sandbox.requests) == asked


def test_damage_inside_is_noticed_when_it_is_read(sandbox: Sandbox, tmp_path: Path) -> None:
    neurons = pdneuro.sandbox.neurons()["root_id"]
    neurons.neuro.properties("connectivity", progress=False)
    path = tmp_path / "cache" / "answers.sqlite"
    content = bytearray(path.read_bytes())
    content[3 * 16384 :] = b"\xff" * (len(content) - 3 * 16384)
    path.write_bytes(content)
    with pytest.warns(errors.CacheSetAsideWarning):
        found = neurons.neuro.edges()
    assert len(found) == 45_000


def test_a_store_without_its_table_is_set_aside(
    sandbox: Sandbox, ids: pd.Series, tmp_path: Path
) -> None:
    ids.neuro.properties("size")
    connection = sqlite3.connect(tmp_path / "cache" / "answers.sqlite")
    connection.execute("DROP TABLE piece")
    connection.commit()
    connection.close()
    with pytest.raises(errors.CacheError, match="no such table"):
        pdneuro.cache.info()
    with pytest.warns(errors.CacheSetAsideWarning):
        assert ids.neuro.properties("size")["size"].notna().all()


def _write(folder: str, start: int) -> None:
    with pdneuro.set_options(cache_dir=folder):
        for batch in range(20):
            with Store.open() as store:
                ids = list(range(start + 100 * batch, start + 100 * batch + 100))
                store.put(store.scope_id(SCOPE), [Batch(ids, [FIRST_ENCODING] * 100, [b"5"] * 100, 1)])


def test_several_processes_write_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    folder = str(tmp_path / "cache")
    processes = [context.Process(target=_write, args=(folder, 10_000 * k + 1)) for k in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(600)
        assert process.exitcode == 0
    with pdneuro.set_options(cache_dir=folder):
        assert pdneuro.cache.info()["ids"].tolist() == [8000]


def run_restricted(restriction: str, sandbox: Sandbox, folder: Path, spare: Path) -> str:
    """Fetch in a process that puts a restriction on itself; what it warned of.

    It asks a little beforehand, with a cache elsewhere, so that everything is imported by then.
    """
    script = """
        import os, pdneuro
        ids = pdneuro.sandbox.neurons()["root_id"]
        with pdneuro.set_options(cache_dir=os.environ["SPARE"]):
            ids[:5].neuro.properties("size"), ids[:5].neuro.edges()
        RESTRICTION
        found = ids.neuro.properties("link_pre", "connectivity", batch_size=500)
        print(found.notna().all().all(), len(ids.neuro.edges()), flush=True)
    """
    environment = {
        **os.environ,
        **{f"PDNEURO_{name.upper()}": str(value) for name, value in sandbox.options.items()},
        "PDNEURO_BRAINCIRCUITS_TOKEN": sandbox.tokens["braincircuits"],
        "PDNEURO_CACHE_DIR": str(folder),
        "PYTHONWARNINGS": "always",
        "SPARE": str(spare),
    }
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script).replace("RESTRICTION", restriction)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.stdout.split() == ["True", "45000"], done.stderr
    assert "CacheWarning" in done.stderr
    assert "cache_dir" in done.stderr
    return done.stderr


@pytest.mark.parametrize("ready", [False, True])
def test_a_read_only_cache_folder_costs_the_keeping_alone(
    sandbox: Sandbox, tmp_path: Path, ready: bool
) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    if ready:
        with pdneuro.set_options(cache_dir=folder):
            pd.Series([1]).neuro.properties("size", on_missing="ignore")
        for file in folder.iterdir():
            file.chmod(0o444)
    folder.chmod(0o555)
    # Permissions do not bind root, so root becomes somebody else.
    restriction = "os.setgid(65534); os.setuid(65534)" if os.geteuid() == 0 else "pass"
    run_restricted(restriction, sandbox, folder, tmp_path / "spare")


def test_a_full_disk_costs_the_keeping_alone(sandbox: Sandbox, tmp_path: Path) -> None:
    restriction = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))"
    )
    said = run_restricted(restriction, sandbox, tmp_path / "small", tmp_path / "spare")
    assert "cannot be used any more" in said


def test_a_file_in_place_of_the_folder(sandbox: Sandbox, ids: pd.Series, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pdneuro.set_options(cache_dir=tmp_path / "taken" / "cache"):
        with pytest.warns(errors.CacheWarning, match="values are returned but not cached"):
            assert ids.neuro.properties("size")["size"].notna().all()
        with pytest.warns(errors.CacheWarning), pytest.raises(errors.CacheError):
            pdneuro.cache.info()


class TestCache:
    def test_info_and_clear(self, sandbox: Sandbox, ids: pd.Series) -> None:
        assert pdneuro.cache.info().empty
        assert pdneuro.cache.info().dtypes["ids"] == "int64"
        ids.neuro.properties("size", "link_pre")
        ids[:3].neuro.properties("size", source="fruitfly_fafb_flywire_public")
        info = pdneuro.cache.info().set_index(["project", "property"])["ids"].to_dict()
        assert info == {
            ("fruitfly_fafb_flywire", "size"): 10,
            ("fruitfly_fafb_flywire", "link_pre"): 10,
            ("fruitfly_fafb_flywire_public", "size"): 3,
        }
        assert pdneuro.cache.clear(older_than=timedelta(hours=1)) == 0
        assert pdneuro.cache.clear(property="link_pre") == 10
        assert pdneuro.cache.clear(project="fruitfly_fafb_flywire_public") == 3
        assert pdneuro.cache.clear() == 10
        assert pdneuro.cache.info().empty
        asked = len(sandbox.requests)
        ids.neuro.properties("size")
        assert len(sandbox.requests) == asked + 1

    def test_without_the_option_the_folder_is_that_of_the_user(
        self, sandbox: Sandbox, ids: pd.Series, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name, **_: str(tmp_path / name))
        with pdneuro.set_options(cache_dir=None):
            ids.neuro.properties("size")
        assert [path.parent for path in tmp_path.glob("*/answers.sqlite")] == [tmp_path / "pdneuro"]

    @pytest.mark.parametrize("name", ["none/a.sqlite", "file/a.sqlite"])
    def test_a_file_that_cannot_be_written_is_named(
        self, sandbox: Sandbox, ids: pd.Series, tmp_path: Path, name: str
    ) -> None:
        ids.neuro.properties("size")
        (tmp_path / "file").touch()
        with pytest.raises(errors.CacheError, match=rf"{name} cannot be written: .*directory") as caught:
            pdneuro.cache.export(tmp_path / name)
        assert "delete it" not in str(caught.value)  # the cache is not damaged
        assert pdneuro.cache.info()["ids"].tolist() == [10]

    def test_export_and_load(self, sandbox: Sandbox, ids: pd.Series, tmp_path: Path) -> None:
        known = ids[:6].neuro.properties("size")
        file = pdneuro.cache.export(tmp_path / "answers.sqlite")
        assert not list(tmp_path.glob("*.part"))
        with pytest.raises(errors.CacheError, match="exists already"):
            pdneuro.cache.export(file)
        with pdneuro.set_options(cache_dir=tmp_path / "elsewhere"):
            ids[4:].neuro.properties("size")
            asked = len(sandbox.requests)
            assert pdneuro.cache.load(file) == 4  # the newer answers to the other two stay
            with pdneuro.set_options(offline=True):
                pd.testing.assert_frame_equal(ids[:6].neuro.properties("size"), known)
                assert ids.neuro.properties("size")["size"].notna().all()
            assert len(sandbox.requests) == asked
        time.sleep(0.01)
        ids[:6].neuro.properties("size", refresh=True)
        assert pdneuro.cache.load(file) == 0

    @pytest.mark.parametrize("content", [None, b"", b"no database " * 99])
    def test_only_exported_files_are_loaded(
        self, sandbox: Sandbox, ids: pd.Series, tmp_path: Path, content: bytes | None
    ) -> None:
        ids.neuro.properties("size")
        file = tmp_path / "wrong.sqlite"
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(errors.CacheError, match="cannot be read"):
            pdneuro.cache.load(file)
        assert pdneuro.cache.info()["ids"].tolist() == [10]
        assert file.exists() == (content is not None)


VERSION_2 = f"""
CREATE TABLE scope (
    scope INTEGER PRIMARY KEY, address TEXT, credential TEXT, project TEXT, property TEXT,
    UNIQUE (address, credential, project, property)
);
CREATE TABLE batch (
    batch INTEGER PRIMARY KEY, scope INTEGER NOT NULL, fetched REAL NOT NULL, snapshot INTEGER
);
CREATE INDEX batch_scope ON batch (scope);
CREATE TABLE document (
    key TEXT PRIMARY KEY, address TEXT, credential TEXT, url TEXT, fetched REAL NOT NULL,
    status INTEGER, content_type TEXT, body BLOB
);
CREATE TABLE answers_1 (
    id INTEGER PRIMARY KEY, batch INTEGER NOT NULL, encoding INTEGER NOT NULL, payload BLOB
);
INSERT INTO scope VALUES (1, 'https://host', 'me', 'fly', 'size');
INSERT INTO batch VALUES (1, 1, 1000.0, 1674644403), (2, 1, 2000.0, NULL);
INSERT INTO answers_1 VALUES (7, 2, {FIRST_ENCODING}, x'35'), (3, 1, {FIRST_ENCODING}, x'3132'),
    (5, 1, {NONE_ENCODING}, NULL), (9, 1, {FIRST_ENCODING}, x'');
INSERT INTO document VALUES ('k', 'https://host', '', 'https://host/a', 1000.0, 200, 'text', x'31');
PRAGMA application_id = {0x70646E72};
PRAGMA user_version = 2;
"""


class TestOlderFiles:
    """Files of version 2, which has a row per value."""

    def write(self, folder: Path) -> Path:
        folder.mkdir()
        with contextlib.closing(sqlite3.connect(folder / "answers.sqlite")) as connection:
            connection.executescript(VERSION_2)
        return folder / "answers.sqlite"

    def check(self, store: Store) -> None:
        scope = store.scope_id(SCOPE)
        found = store.get(scope, np.arange(10))
        assert found.ids.tolist() == [3, 5, 7, 9]
        assert found.encodings.tolist() == [*[FIRST_ENCODING, NONE_ENCODING], *[FIRST_ENCODING] * 2]
        assert list(found.payloads) == [b"12", None, b"5", b""]
        assert found.snapshots.tolist() == [1674644403, 1674644403, -1, 1674644403]
        assert store.get(scope, np.arange(10), time.time() - 1500).ids.tolist() == [7]
        document = store.document("k")
        assert document is not None
        assert document.body == b"1"

    def test_values_are_moved_once(self, tmp_path: Path) -> None:
        path = self.write(tmp_path / "old")
        for _ in range(2):
            with Store(path) as store:
                self.check(store)
                assert store.overview()[0] == (SCOPE, 4, 3, 1000.0, 2000.0)

    def test_two_threads_move_them_together(self, tmp_path: Path) -> None:
        path = self.write(tmp_path / "old")
        with ThreadPoolExecutor(4) as pool:
            stores = list(pool.map(Store, [path] * 4))
        for store in stores:
            self.check(store)
            store.close()

    def test_an_exported_file_is_loaded(self, tmp_path: Path) -> None:
        path = self.write(tmp_path / "old")
        before = path.read_bytes()
        with pdneuro.set_options(cache_dir=tmp_path / "new"):
            assert pdneuro.cache.load(path) == 5
            assert pdneuro.cache.load(path) == 0
            with Store.open() as store:
                self.check(store)
        assert path.read_bytes() == before


def test_large_values_are_in_several_pieces(tmp_path: Path) -> None:
    """Some values are replaced by others of another size; the rest stay as they are."""
    rng = np.random.default_rng(0)
    ids = rng.permutation(400) + 1
    bodies = {number: bytes(int(rng.integers(0, 5000))) for number in ids.tolist()}
    bodies[7] = b"x" * 300_000
    with Store(tmp_path / "answers.sqlite") as store:
        scope = store.scope_id(SCOPE)
        store.put(scope, [Batch([*bodies], [FIRST_ENCODING] * 400, [*bodies.values()], 1)])
        for number in range(1, 400, 5):
            bodies[number] = b"new %d" % number
        some = [*range(1, 400, 5)]
        store.put(scope, [Batch(some, [FIRST_ENCODING] * 80, [bodies[n] for n in some], 2)])
        found = store.get(scope, ids)
        assert found.ids.tolist() == sorted(bodies)
        assert list(found.payloads) == [bodies[number] for number in sorted(bodies)]
        assert (found.snapshots == np.where(found.ids % 5 == 1, 2, 1)).all()
        ((_, count, size, *_),) = store.overview()
        assert (count, size) == (400, sum(map(len, bodies.values())))
        assert list(store.get(scope, np.array([7])).payloads) == [bodies[7]]


def test_values_whose_lengths_do_not_agree_are_set_aside(
    sandbox: Sandbox, ids: pd.Series, tmp_path: Path
) -> None:
    truth = ids.neuro.properties("size")
    with contextlib.closing(sqlite3.connect(tmp_path / "cache" / "answers.sqlite")) as connection:
        connection.execute("UPDATE piece SET bodies = substr(bodies, 2)")
        connection.commit()
    with pytest.warns(errors.CacheSetAsideWarning, match="lengths"):
        pd.testing.assert_frame_equal(ids.neuro.properties("size"), truth)


@pytest.mark.parametrize(
    ("column", "damage"),
    [("ids", "x'000000'"), ("lengths", "x'000000'"), ("ids", "5"), ("encodings", "5"), ("lengths", "5")],
)
def test_numbers_that_are_damaged_are_set_aside(
    sandbox: Sandbox, ids: pd.Series, tmp_path: Path, column: str, damage: str
) -> None:
    truth = ids.neuro.properties("size")
    with contextlib.closing(sqlite3.connect(tmp_path / "cache" / "answers.sqlite")) as connection:
        connection.execute(f"UPDATE piece SET {column} = {damage}")
        connection.commit()
    with pytest.warns(errors.CacheSetAsideWarning, match="cached numbers are damaged"):
        pd.testing.assert_frame_equal(ids.neuro.properties("size"), truth)


def test_a_transaction_that_an_interrupt_left_open_is_undone(tmp_path: Path) -> None:
    with Store(tmp_path / "answers.sqlite") as store:
        scope = store.scope_id(SCOPE)
        store.put(scope, [Batch([1], [FIRST_ENCODING], [b"5"], 1)])
        store._connection.execute("BEGIN")
        store._connection.execute("DELETE FROM piece")
        store.put(scope, [Batch([2], [FIRST_ENCODING], [b"6"], 1)])
    with Store(tmp_path / "answers.sqlite") as store:
        assert store.get(scope, np.array([1, 2])).ids.tolist() == [1, 2]


def test_an_error_in_an_action_is_not_one_of_the_file(tmp_path: Path) -> None:
    optional = OptionalStore(tmp_path)

    def wrong(store: Store) -> None:
        with store.transaction() as connection:
            connection.execute("SELECT another FROM scope")

    with pytest.raises(sqlite3.OperationalError, match="no such column"):
        optional.run(wrong)
    assert optional.run(lambda store: store.scope_id(SCOPE)) == 1
    optional.close()


def test_many_threads_may_begin_a_store_at_once(tmp_path: Path) -> None:
    """Each of them finds it made, in any order."""

    def put(path: Path, number: int) -> None:
        with Store(path) as store:
            store.put(store.scope_id(SCOPE), [Batch([number], [FIRST_ENCODING], [b"5"], 1)])

    numbers = list(range(1, 17))
    for place in range(10):
        path = tmp_path / f"{place}.sqlite"
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(put, [path] * 16, numbers))
        with Store(path) as store:
            assert [scope for scope, *_ in store.overview()] == [SCOPE]
            assert store.get(store.scope_id(SCOPE), np.array(numbers)).ids.tolist() == numbers
