"""The per-ID store: one SQLite file that keeps what a service said about each single ID.

Answers are told apart by service address, credential fingerprint, project, property and ID. Each
such scope has a table of its own with the ID as integer primary key, so that sorted writes append
and reads are one join. A body is opaque here: ``form`` says how its service encoded it.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pdneuro.errors import CacheSetAsideWarning, CacheWarning, warn
from pdneuro.options import get_option
from pdneuro.transport.answers import Batch

_APPLICATION_ID = 0x70646E72
_VERSION = 1
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS scope (
    scope INTEGER PRIMARY KEY, address TEXT, credential TEXT, project TEXT, property TEXT,
    UNIQUE (address, credential, project, property)
);
CREATE TABLE IF NOT EXISTS batch (
    batch INTEGER PRIMARY KEY, scope INTEGER NOT NULL, fetched REAL NOT NULL, snapshot INTEGER
);
CREATE INDEX IF NOT EXISTS batch_scope ON batch (scope);
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {_VERSION};
"""
# IDs in one json_each() join; the text of so many is about 2 MB.
_READ_CHUNK = 100_000


class Scope(NamedTuple):
    """What an answer belongs to, beside its ID."""

    address: str
    credential: str
    project: str
    property: str


class Stored(NamedTuple):
    """Answers read back: aligned sequences, ordered by ID."""

    ids: npt.NDArray[np.int64]
    forms: npt.NDArray[np.int8]
    bodies: list[bytes | None]
    snapshots: npt.NDArray[np.int64]


def cache_folder() -> Path:
    """The cache folder in force, not made yet."""
    folder: Path | None = get_option("cache_dir")
    if folder is None:
        import platformdirs

        folder = Path(platformdirs.user_cache_dir("pdneuro", appauthor=False))
    return folder


def make_private_folder(folder: Path) -> None:
    """Make a folder that only its owner can read; a folder with other things in it is left as it is."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_mode & 0o077 and not any(folder.iterdir()):
        folder.chmod(0o700)


class Store:
    """An open store. One connection; use it from the thread that made it, and close it.

    Parameters
    ----------
    path : Path
        The file, made with its folder when absent.
    """

    def __init__(self, path: Path) -> None:
        make_private_folder(path.parent)
        self.path = path
        self._connection = _connect(path)

    @classmethod
    def open(cls) -> Store | None:
        """The store of the cache folder, or None with a warning where it cannot be written.

        A file that is damaged or not pdneuro's is renamed, with a warning, and a new one begun.
        """
        path = cache_folder() / "answers.sqlite"
        for _ in range(2):
            try:
                return cls(path)
            except sqlite3.DatabaseError as error:
                if is_unusable(error):
                    reason: object = error
                    break
                set_aside(path, error)
                reason = "it could not be renamed"
            except OSError as error:
                reason = error
                break
        warn(
            f"The cache {path} cannot be used ({reason}): answers are returned but not kept. Choose "
            "another folder with pdneuro.set_options(cache_dir=...).",
            CacheWarning,
        )
        return None

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the last one folds the write-ahead log into the file."""
        self._connection.close()

    def scope_id(self, scope: Scope) -> int:
        """Number of a scope's table, made when new."""
        known = self._connection.execute(
            "SELECT scope FROM scope WHERE (address, credential, project, property) = (?, ?, ?, ?)",
            scope,
        ).fetchone()
        if known:
            return int(known[0])
        with self.transaction() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO scope (address, credential, project, property) "
                "VALUES (?, ?, ?, ?)",
                scope,
            )
            number = connection.execute(
                "SELECT scope FROM scope WHERE (address, credential, project, property) = (?, ?, ?, ?)",
                scope,
            ).fetchone()[0]
            connection.execute(
                f"CREATE TABLE IF NOT EXISTS answers_{number} ("
                "id INTEGER PRIMARY KEY, batch INTEGER NOT NULL, form INTEGER NOT NULL, body BLOB)"
            )
        return int(number)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, waiting for other writers."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def put(self, scope: int, batches: Sequence[Batch]) -> None:
        """Keep the answers of batches that have arrived, in one transaction."""
        with self.transaction() as connection:
            cells: list[Any] = []
            for snapshot in {batch.snapshot for batch in batches}:
                number = connection.execute(
                    "INSERT INTO batch (scope, fetched, snapshot) VALUES (?, ?, ?)",
                    (scope, time.time(), snapshot),
                ).lastrowid
                for batch in batches:
                    if batch.snapshot == snapshot:
                        rows = zip(batch.ids, repeat(number), batch.forms, batch.bodies, strict=False)
                        cells += chain.from_iterable(rows)
            # Many rows a statement: executemany() would give up the interpreter lock for each row,
            # and wait for the threads that fetch to hand it back.
            size = connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) // 4 * 4
            for start in range(0, len(cells), size):
                part = cells[start : start + size]
                marks = ",".join(["(?,?,?,?)"] * (len(part) // 4))
                connection.execute(f"INSERT OR REPLACE INTO answers_{scope} VALUES {marks}", part)

    def get(self, scope: int, ids: npt.NDArray[np.int64], expire_after: float | None = None) -> Stored:
        """Stored answers to some of ``ids``, those older than ``expire_after`` seconds left out."""
        oldest = 0.0 if expire_after is None else time.time() - expire_after
        batches = self._connection.execute(
            "SELECT batch, snapshot FROM batch WHERE scope = ? AND fetched >= ?", (scope, oldest)
        ).fetchall()
        snapshots = {batch: -1 if snapshot is None else snapshot for batch, snapshot in batches}
        rows: list[tuple[int, int, int, bytes | None]] = []
        ordered = np.sort(ids) if snapshots else ids[:0]
        for start in range(0, len(ordered), _READ_CHUNK):
            chunk = ordered[start : start + _READ_CHUNK].tolist()
            rows += self._connection.execute(
                f"SELECT known.id, batch, form, body FROM json_each(?) AS asked "
                f"CROSS JOIN answers_{scope} AS known ON known.id = asked.value",
                (str(chunk),),
            )
        valid = [row for row in rows if row[1] in snapshots]
        found, batch, forms, bodies = zip(*valid, strict=True) if valid else ((), (), (), ())
        return Stored(
            np.array(found, np.int64),
            np.array(forms, np.int8),
            list(bodies),
            np.array([snapshots[number] for number in batch], np.int64),
        )

    def overview(self) -> list[tuple[Scope, int, int, float, float]]:
        """Scope, number of IDs, bytes, oldest and newest time of fetch, one entry a scope."""
        found = []
        for number, *scope in self._connection.execute("SELECT * FROM scope ORDER BY scope").fetchall():
            count, size, oldest, newest = self._connection.execute(
                f"SELECT count(*), coalesce(sum(length(body)), 0), min(fetched), max(fetched) "
                f"FROM answers_{number} JOIN batch USING (batch)"
            ).fetchone()
            if count:
                found.append((Scope(*scope), count, size, oldest, newest))
        return found

    def clear(
        self, project: str | None = None, property: str | None = None, older_than: float | None = None
    ) -> int:
        """Forget answers; all, or those of a project, a property, an age in seconds. Counts them."""
        condition = "(?1 IS NULL OR project = ?1) AND (?2 IS NULL OR property = ?2)"
        limit = float("inf") if older_than is None else time.time() - older_than
        gone = 0
        with self.transaction() as connection:
            for (number,) in connection.execute(
                f"SELECT scope FROM scope WHERE {condition}", (project, property)
            ).fetchall():
                gone += connection.execute(
                    f"DELETE FROM answers_{number} WHERE batch IN "
                    "(SELECT batch FROM batch WHERE scope = ? AND fetched < ?)",
                    (number, limit),
                ).rowcount
                connection.execute("DELETE FROM batch WHERE scope = ? AND fetched < ?", (number, limit))
        with contextlib.suppress(sqlite3.OperationalError):  # another process is reading
            self._connection.execute("VACUUM")
        return gone

    def export(self, path: Path) -> None:
        """Write all answers to one new file that :meth:`load` reads."""
        with contextlib.closing(sqlite3.connect(path)) as copy:
            self._connection.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")

    def load(self, path: Path) -> int:
        """Add the answers of an exported file; where both know an ID the newer one stays."""
        address = f"{path.resolve().as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(address, uri=True)) as other:
            if _is_empty(other):
                raise sqlite3.DatabaseError("it is empty")
            scopes = other.execute("SELECT * FROM scope").fetchall()
        added = 0
        numbers = [(scope[0], self.scope_id(Scope(*scope[1:]))) for scope in scopes]
        self._connection.execute("ATTACH ? AS other", (address,))
        try:
            with self.transaction() as connection:
                for theirs, ours in numbers:
                    shift = connection.execute(
                        "SELECT coalesce(max(batch), 0) FROM main.batch"
                    ).fetchone()[0]
                    connection.execute(
                        "INSERT INTO main.batch SELECT batch + ?, ?, fetched, snapshot "
                        "FROM other.batch WHERE scope = ?",
                        (shift, ours, theirs),
                    )
                    added += connection.execute(
                        f"INSERT OR REPLACE INTO main.answers_{ours} "
                        f"SELECT new.id, new.batch + ?, new.form, new.body "
                        f"FROM other.answers_{theirs} AS new JOIN other.batch AS theirs USING (batch) "
                        f"LEFT JOIN main.answers_{ours} AS old ON old.id = new.id "
                        "LEFT JOIN main.batch AS mine ON mine.batch = old.batch "
                        "WHERE mine.fetched IS NULL OR mine.fetched < theirs.fetched",
                        (shift,),
                    ).rowcount
        finally:
            self._connection.execute("DETACH other")
        return added


def _connect(path: Path) -> sqlite3.Connection:
    """Open a store file, made when absent; DatabaseError when it is damaged or another program's."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    connection = sqlite3.connect(path.resolve().as_uri(), timeout=30, isolation_level=None, uri=True)
    try:
        _create(connection)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA mmap_size = {2**30}")
        return connection
    except BaseException:
        connection.close()
        raise


def _create(connection: sqlite3.Connection, patience: float = 30.0) -> None:
    """Lay out an empty file; other threads and processes may be about to do the same."""
    until = time.monotonic() + patience
    while _is_empty(connection):
        try:
            connection.execute("PRAGMA page_size = 16384")  # a neuron's partners fit one page
            # SQLite does not wait for others here, whatever the time-out.
            connection.execute("PRAGMA journal_mode = WAL")
            # In one transaction: another process never sees a file without its marks.
            connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
        except sqlite3.OperationalError as error:
            busy = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > until:
                raise
            time.sleep(0.02)


def _is_empty(connection: sqlite3.Connection) -> bool:
    """Whether the file holds nothing yet; DatabaseError when it holds something else than answers."""
    # The tables first: whoever sees tables also sees the marks that were written with them.
    if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        return True
    marks = connection.execute(
        "SELECT application_id, user_version FROM pragma_application_id, pragma_user_version"
    ).fetchone()
    if marks != (_APPLICATION_ID, _VERSION):
        raise sqlite3.DatabaseError("it is not a pdneuro store of this version")
    return False


def is_unusable(error: sqlite3.DatabaseError) -> bool:
    """Whether the file itself is fine but cannot be used: full disk, read-only, locked for too long."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    )


def is_damaged(error: sqlite3.DatabaseError) -> bool:
    """Whether the file's inside is broken."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or "no such table" in str(error)


def set_aside(path: Path, reason: object) -> None:
    """Rename a damaged or foreign file (and its log) and say so."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    aside = path.with_name(f"{path.name}.unreadable-{stamp}-{os.getpid()}")
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.replace(f"{path}{suffix}", f"{aside}{suffix}")
    warn(
        f"The cache file {path} cannot be used ({reason}). It was renamed to {aside.name}; a new one "
        "was begun.",
        CacheSetAsideWarning,
    )
