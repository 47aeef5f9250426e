"""The cache file: one SQLite file with values per ID, and with documents.

A value belongs to a service address, credential fingerprint, project, property and ID. Each such scope
has its own table with the ID as integer primary key, so that sorted writes append and reads are one
join. The store does not read a payload: ``encoding`` says how its service encoded it.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, repeat
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from pdneuro.errors import CacheSetAsideWarning, CacheWarning, warn
from pdneuro.options import get_option
from pdneuro.transport.report import Batch

T = TypeVar("T")

_APPLICATION_ID = 0x70646E72
_VERSION = 2
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS scope (
    scope INTEGER PRIMARY KEY, address TEXT, credential TEXT, project TEXT, property TEXT,
    UNIQUE (address, credential, project, property)
);
CREATE TABLE IF NOT EXISTS batch (
    batch INTEGER PRIMARY KEY, scope INTEGER NOT NULL, fetched REAL NOT NULL, snapshot INTEGER
);
CREATE INDEX IF NOT EXISTS batch_scope ON batch (scope);
CREATE TABLE IF NOT EXISTS document (
    key TEXT PRIMARY KEY, address TEXT, credential TEXT, url TEXT, fetched REAL NOT NULL,
    status INTEGER, content_type TEXT, body BLOB
);
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {_VERSION};
"""
#: Property of documents in :meth:`Store.overview`.
DOCUMENTS = "documents"
# Maximum number of IDs in one json_each() join; their text is about 2 MB.
_READ_CHUNK = 100_000
#: Seconds after which a claim ends unless it is extended, so that a killed process blocks no other.
CLAIM_SECONDS = 10.0


class Scope(NamedTuple):
    """The key of a value, in addition to its ID."""

    address: str
    credential: str
    project: str
    property: str


class Stored(NamedTuple):
    """Cached values: aligned sequences, ordered by ID."""

    ids: npt.NDArray[np.int64]
    encodings: npt.NDArray[np.int8]
    payloads: list[bytes | None]
    snapshots: npt.NDArray[np.int64]


class Document(NamedTuple):
    """A response, without what was sent to get it."""

    address: str
    #: Fingerprint; ``""`` for a request without a credential.
    credential: str
    url: str
    fetched: float
    status: int
    content_type: str
    body: bytes


def cache_folder() -> Path:
    """Return the cache folder of the current options. It may not exist yet."""
    folder: Path | None = get_option("cache_dir")
    if folder is None:
        import platformdirs

        folder = Path(platformdirs.user_cache_dir("pdneuro", appauthor=False))
    return folder


def make_private_folder(folder: Path) -> None:
    """Make a folder that only its owner can read; do not change a folder with other files in it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_mode & 0o077 and not any(folder.iterdir()):
        folder.chmod(0o700)


class Store:
    """An open store. One connection; use it from one thread at a time, and close it.

    Parameters
    ----------
    path : Path
        The file, made with its folder when absent.
    """

    def __init__(self, path: Path) -> None:
        make_private_folder(path.parent)
        self.path = path
        self._connection = _connect(path)
        self._version: int | None = None

    @classmethod
    def open(cls, folder: Path | None = None) -> Store | None:
        """Open the store of a folder; warn and return None if it cannot be written.

        A file that is damaged or not pdneuro's is renamed, with a warning, and a new one is made.
        """
        path = (folder or cache_folder()) / "answers.sqlite"
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
            f"The cache {path} cannot be used ({reason}): values are returned but not cached. Choose "
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
        """Return the number of a scope's table, made at first use."""
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
                "id INTEGER PRIMARY KEY, batch INTEGER NOT NULL, encoding INTEGER NOT NULL, "
                "payload BLOB)"
            )
        return int(number)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Change everything or nothing; wait for other writers."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def put(self, scope: int, batches: Sequence[Batch]) -> None:
        """Save the values of batches in one transaction."""
        with self.transaction() as connection:
            cells: list[Any] = []
            for snapshot in {batch.snapshot for batch in batches}:
                number = connection.execute(
                    "INSERT INTO batch (scope, fetched, snapshot) VALUES (?, ?, ?)",
                    (scope, time.time(), snapshot),
                ).lastrowid
                for batch in batches:
                    if batch.snapshot == snapshot:
                        rows = zip(
                            batch.ids, repeat(number), batch.encodings, batch.payloads, strict=False
                        )
                        cells += chain.from_iterable(rows)
            # Many rows a statement: executemany() would give up the interpreter lock for each row,
            # and wait for the threads that fetch to hand it back.
            size = connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) // 4 * 4
            for start in range(0, len(cells), size):
                part = cells[start : start + size]
                marks = ",".join(["(?,?,?,?)"] * (len(part) // 4))
                connection.execute(f"INSERT OR REPLACE INTO answers_{scope} VALUES {marks}", part)

    def get(self, scope: int, ids: npt.NDArray[np.int64], expire_after: float | None = None) -> Stored:
        """Return the values of ``ids`` that are cached and not older than ``expire_after`` seconds."""
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
                f"SELECT known.id, batch, encoding, payload FROM json_each(?) AS asked "
                f"CROSS JOIN answers_{scope} AS known ON known.id = asked.value",
                (str(chunk),),
            )
        valid = [row for row in rows if row[1] in snapshots]
        found, batch, encodings, payloads = zip(*valid, strict=True) if valid else ((), (), (), ())
        return Stored(
            np.array(found, np.int64),
            np.array(encodings, np.int8),
            list(payloads),
            np.array([snapshots[number] for number in batch], np.int64),
        )

    # -- several processes ------------------------------------------------------------------------

    def claim(self, scope: int, ids: Sequence[int], owner: str) -> list[int]:
        """Claim the IDs that no other owner requests at this moment, and return them."""
        with self.transaction() as connection:
            # Not in the schema: files of earlier releases do not have the table.
            connection.execute(
                "CREATE TABLE IF NOT EXISTS claim (scope INTEGER, owner TEXT, until REAL, ids BLOB)"
            )
            now = time.time()
            connection.execute("DELETE FROM claim WHERE until < ?", (now,))
            others = connection.execute(
                "SELECT ids FROM claim WHERE scope = ? AND owner <> ?", (scope, owner)
            )
            rows = [np.frombuffer(body, np.int64) for (body,) in others]
            wanted = np.array(ids, np.int64)
            free = wanted[~np.isin(wanted, np.concatenate(rows))] if rows else wanted
            connection.execute(
                "INSERT INTO claim VALUES (?, ?, ?, ?)",
                (scope, owner, now + CLAIM_SECONDS, free.tobytes()),
            )
        return [int(number) for number in free]

    def extend_claims(self, owner: str, seconds: float = CLAIM_SECONDS) -> None:
        """Let the claims of an owner end after this many seconds from now."""
        with self.transaction() as connection:
            until = time.time() + seconds
            connection.execute("UPDATE claim SET until = ? WHERE owner = ?", (until, owner))

    def is_changed(self) -> bool:
        """Return whether another connection has changed the file since the last call."""
        before, (self._version,) = (
            self._version,
            self._connection.execute("PRAGMA data_version").fetchone(),
        )
        return before != self._version

    def overview(self) -> list[tuple[Scope, int, int, float, float]]:
        """Return scope, number, bytes, oldest and newest time of download, one entry per scope.

        The documents of a server and credential are one entry, with the property ``"documents"``.
        """
        found = []
        for number, *scope in self._connection.execute("SELECT * FROM scope ORDER BY scope").fetchall():
            count, size, oldest, newest = self._connection.execute(
                f"SELECT count(*), coalesce(sum(length(payload)), 0), min(fetched), max(fetched) "
                f"FROM answers_{number} JOIN batch USING (batch)"
            ).fetchone()
            if count:
                found.append((Scope(*scope), count, size, oldest, newest))
        documents = self._connection.execute(
            "SELECT address, credential, count(*), sum(length(body)), min(fetched), max(fetched) "
            "FROM document GROUP BY address, credential ORDER BY address, credential"
        )
        for address, credential, *facts in documents:
            found.append((Scope(address, credential, "", DOCUMENTS), *facts))
        return found

    def clear(
        self, project: str | None = None, property: str | None = None, older_than: float | None = None
    ) -> int:
        """Remove values and documents: all, or those of a project, a property, an age in seconds.

        Returns
        -------
        int
            Number of values and documents removed.
        """
        condition = "(?1 IS NULL OR project = ?1) AND (?2 IS NULL OR property = ?2)"
        limit = float("inf") if older_than is None else time.time() - older_than
        removed = 0
        with self.transaction() as connection:
            for (number,) in connection.execute(
                f"SELECT scope FROM scope WHERE {condition}", (project, property)
            ).fetchall():
                removed += connection.execute(
                    f"DELETE FROM answers_{number} WHERE batch IN "
                    "(SELECT batch FROM batch WHERE scope = ? AND fetched < ?)",
                    (number, limit),
                ).rowcount
                connection.execute("DELETE FROM batch WHERE scope = ? AND fetched < ?", (number, limit))
            if not project and property in (None, DOCUMENTS):
                removed += connection.execute(
                    "DELETE FROM document WHERE fetched < ?", (limit,)
                ).rowcount
        with contextlib.suppress(sqlite3.OperationalError):  # another process is reading
            self._connection.execute("VACUUM")
        return removed

    # -- documents --------------------------------------------------------------------------------

    def document(self, key: str) -> Document | None:
        """Return a document."""
        row = self._connection.execute(
            "SELECT address, credential, url, fetched, status, content_type, body "
            "FROM document WHERE key = ?",
            (key,),
        ).fetchone()
        return None if row is None else Document(*row)

    def document_time(self, key: str) -> float | None:
        """Return when a document was downloaded, in Unix seconds."""
        row = self._connection.execute("SELECT fetched FROM document WHERE key = ?", (key,)).fetchone()
        return None if row is None else float(row[0])

    def document_keys(self) -> list[str]:
        """Return the keys of all documents."""
        return [key for (key,) in self._connection.execute("SELECT key FROM document")]

    def put_document(self, key: str, document: Document) -> None:
        """Save a document."""
        with self.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO document VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (key, *document)
            )

    def delete_document(self, key: str) -> bool:
        """Delete a document; return whether it was there."""
        with self.transaction() as connection:
            return bool(connection.execute("DELETE FROM document WHERE key = ?", (key,)).rowcount)

    # -- files ------------------------------------------------------------------------------------

    def export(self, path: Path) -> None:
        """Write all values and documents to one new file that :meth:`load` reads."""
        with contextlib.closing(sqlite3.connect(path)) as copy:
            self._connection.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")

    def load(self, path: Path) -> int:
        """Add the values and documents of an exported file; of two the newer one stays. Count them."""
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
                        f"SELECT new.id, new.batch + ?, new.encoding, new.payload "
                        f"FROM other.answers_{theirs} AS new JOIN other.batch AS theirs USING (batch) "
                        f"LEFT JOIN main.answers_{ours} AS old ON old.id = new.id "
                        "LEFT JOIN main.batch AS mine ON mine.batch = old.batch "
                        "WHERE mine.fetched IS NULL OR mine.fetched < theirs.fetched",
                        (shift,),
                    ).rowcount
                added += connection.execute(
                    "INSERT OR REPLACE INTO main.document SELECT new.* FROM other.document AS new "
                    "LEFT JOIN main.document AS old USING (key) "
                    "WHERE old.fetched IS NULL OR old.fetched < new.fetched"
                ).rowcount
        finally:
            self._connection.execute("DETACH other")
        return added


def _connect(path: Path) -> sqlite3.Connection:
    """Open a store file, or make it; raise DatabaseError if it is damaged or another program's."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    connection = sqlite3.connect(
        path.resolve().as_uri(), timeout=30, isolation_level=None, uri=True, check_same_thread=False
    )
    try:
        _create(connection)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA mmap_size = {2**30}")
        return connection
    except BaseException:
        connection.close()
        raise


def _create(connection: sqlite3.Connection, patience: float = 30.0) -> None:
    """Make the tables of an empty file; other threads and processes may do the same."""
    until = time.monotonic() + patience
    while _is_empty(connection):
        try:
            connection.execute("PRAGMA page_size = 16384")  # a neuron's partners fit one page
            # SQLite does not wait for others here, whatever the timeout.
            connection.execute("PRAGMA journal_mode = WAL")
            # In one transaction: another process never sees a file without its marks.
            connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
        except sqlite3.OperationalError as error:
            busy = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > until:
                raise
            time.sleep(0.02)


def _is_empty(connection: sqlite3.Connection) -> bool:
    """Return whether the file is empty; raise DatabaseError if it is not pdneuro's."""
    # The tables first: a reader that sees tables also sees the marks that were written with them.
    if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        return True
    marks = connection.execute(
        "SELECT application_id, user_version FROM pragma_application_id, pragma_user_version"
    ).fetchone()
    if marks != (_APPLICATION_ID, _VERSION):
        raise sqlite3.DatabaseError("it is not a pdneuro store of this version")
    return False


class OptionalStore:
    """A store that warns once and stops working if its file cannot be used; for all threads.

    Parameters
    ----------
    folder : Path, optional
        Default: the cache folder.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._store = Store.open(folder)
        self._lock = threading.Lock()

    @property
    def works(self) -> bool:
        """Whether values are cached."""
        return self._store is not None

    def run(self, action: Callable[[Store], T]) -> T | None:
        """Return the result of an action; None if the file cannot be used."""
        with self._lock:
            store = self._store
            if store is None:
                return None
            try:
                return action(store)
            except sqlite3.DatabaseError as error:
                if not is_damaged(error) and not is_unusable(error):
                    raise
                self.close()
                if is_damaged(error):
                    set_aside(store.path, error)
                else:
                    warn(
                        f"The cache {store.path} cannot be used any more ({error}): values are returned "
                        "but no longer cached. Free some space, or choose another folder with "
                        "pdneuro.set_options(cache_dir=...).",
                        CacheWarning,
                    )
                return None

    def close(self) -> None:
        """Close the file."""
        if self._store is not None:
            with contextlib.suppress(sqlite3.Error):
                self._store.close()
            self._store = None


def is_unusable(error: sqlite3.DatabaseError) -> bool:
    """Return whether a valid file cannot be used: full disk, read-only, locked for too long."""
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
    """Return whether the content of the file is damaged."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or "no such table" in str(error)


def set_aside(path: Path, reason: object) -> None:
    """Rename a damaged or foreign file (and its log), with a warning."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    aside = path.with_name(f"{path.name}.unreadable-{stamp}-{os.getpid()}")
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.replace(f"{path}{suffix}", f"{aside}{suffix}")
    warn(
        f"The cache file {path} cannot be used ({reason}). It was renamed to {aside.name}; a new one "
        "was made.",
        CacheSetAsideWarning,
    )
