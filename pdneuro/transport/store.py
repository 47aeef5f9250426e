"""The cache file: one SQLite file with values per ID, and with documents.

A value belongs to a service address, credential fingerprint, project, property and ID. The values of
one response are stored together, as a few pieces of sorted IDs with their payloads one after the other:
a row per value would cost more than the service's own decoding. Each ID of a scope is in one piece
only. The store does not read a payload: its encoding says how its service encoded it.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, groupby
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro.errors import CacheSetAsideWarning, CacheWarning, warn
from pdneuro.options import get_option
from pdneuro.transport.report import Batch

T = TypeVar("T")

_APPLICATION_ID = 0x70646E72
_VERSION = 3
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS scope (
    scope INTEGER PRIMARY KEY, address TEXT, credential TEXT, project TEXT, property TEXT,
    UNIQUE (address, credential, project, property)
);
CREATE TABLE IF NOT EXISTS piece (
    piece INTEGER PRIMARY KEY, scope INTEGER NOT NULL, fetched REAL NOT NULL, snapshot INTEGER,
    first INTEGER NOT NULL, last INTEGER NOT NULL, count INTEGER NOT NULL,
    ids BLOB NOT NULL, encodings BLOB NOT NULL, lengths BLOB NOT NULL, bodies BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS piece_range ON piece (scope, last, first);
CREATE TABLE IF NOT EXISTS document (
    key TEXT PRIMARY KEY, address TEXT, credential TEXT, url TEXT, fetched REAL NOT NULL,
    status INTEGER, content_type TEXT, body BLOB
);
CREATE TABLE IF NOT EXISTS claim (scope INTEGER, owner TEXT, until REAL, ids BLOB);
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {_VERSION};
"""
#: Property of documents in :meth:`Store.overview`.
DOCUMENTS = "documents"
# Bytes of payloads of one piece: a read of one value reads its whole piece.
_PIECE_BYTES = 65_536
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
    payloads: Sequence[bytes | None]
    snapshots: npt.NDArray[np.int64]


class _Piece(NamedTuple):
    """Values of one response, ordered by ID."""

    fetched: float
    snapshot: int | None
    ids: npt.NDArray[np.int64]
    encodings: npt.NDArray[np.int8]
    payloads: list[bytes | None]

    def where(self, keep: npt.NDArray[np.bool_]) -> _Piece:
        """Return some of the values."""
        payloads = [body for body, kept in zip(self.payloads, keep.tolist(), strict=True) if kept]
        return self._replace(ids=self.ids[keep], encodings=self.encodings[keep], payloads=payloads)


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
        return int(number)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Change everything or nothing; wait for other writers."""
        with _transaction(self._connection):
            yield self._connection

    def put(self, scope: int, batches: Sequence[Batch]) -> None:
        """Save the values of batches in one transaction, in place of earlier values of their IDs."""
        with self.transaction() as connection:
            for batch in batches:
                ids, encodings = np.array(batch.ids, np.int64), np.array(batch.encodings, np.int8)
                order = np.argsort(ids, kind="stable")
                payloads = [batch.payloads[place] for place in order.tolist()]
                piece = _Piece(time.time(), batch.snapshot, ids[order], encodings[order], payloads)
                _add(connection, scope, piece)

    def get(self, scope: int, ids: npt.NDArray[np.int64], expire_after: float | None = None) -> Stored:
        """Return the values of ``ids`` that are cached and not older than ``expire_after`` seconds.

        ``ids`` are distinct.
        """
        oldest = 0.0 if expire_after is None else time.time() - expire_after
        pieces = []
        with _transaction(self._connection, "DEFERRED"):  # another process may move values
            overlapping = _overlapping(self._connection, scope, ids, oldest)
            every = np.concatenate([ids[:0], *(known.ids for known in overlapping)])
            are_asked = pd.Index(ids).get_indexer(pd.Index(every)) >= 0
            ends = np.cumsum([len(known.ids) for known in overlapping], dtype=np.intp)
            for known, asked in zip(overlapping, np.split(are_asked, ends), strict=False):
                if asked.any():
                    piece = _read(self._connection, known.number)
                    pieces.append(piece if asked.all() else piece.where(asked))
        pieces.sort(key=lambda piece: piece.ids[0])
        found = np.concatenate([ids[:0], *(piece.ids for piece in pieces)])
        times = [-1 if piece.snapshot is None else piece.snapshot for piece in pieces]
        stored = Stored(
            found,
            np.concatenate([np.empty(0, np.int8), *(piece.encodings for piece in pieces)]),
            [*chain.from_iterable(piece.payloads for piece in pieces)],
            np.repeat(np.array(times, np.int64), [len(piece.ids) for piece in pieces]),
        )
        if (np.diff(found) > 0).all():
            return stored
        order = np.argsort(found)
        payloads = [stored.payloads[place] for place in order.tolist()]
        return Stored(found[order], stored.encodings[order], payloads, stored.snapshots[order])

    # -- several processes ------------------------------------------------------------------------

    def claim(self, scope: int, ids: Sequence[int], owner: str) -> list[int]:
        """Claim the IDs that no other owner requests at this moment, and return them."""
        with self.transaction() as connection:
            now = time.time()
            others = connection.execute(
                "SELECT ids FROM claim WHERE scope = ? AND owner <> ? AND until >= ?",
                (scope, owner, now),
            )
            rows = [np.frombuffer(body, np.int64) for (body,) in others]
            wanted = np.array(ids, np.int64)
            free = wanted[~np.isin(wanted, np.concatenate(rows))] if rows else wanted
            connection.execute(
                "INSERT INTO claim VALUES (?, ?, ?, ?)",
                (scope, owner, now + CLAIM_SECONDS, free.tobytes()),
            )
        claimed: list[int] = free.tolist()
        return claimed

    def extend_claims(self, owner: str, seconds: float = CLAIM_SECONDS) -> None:
        """Let the claims of an owner end after this many seconds from now; remove those that ended."""
        with self.transaction() as connection:
            now = time.time()
            connection.execute("UPDATE claim SET until = ? WHERE owner = ?", (now + seconds, owner))
            connection.execute("DELETE FROM claim WHERE until < ?", (now,))

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
        sums = self._connection.execute(
            "SELECT scope.*, sum(count), sum(length(bodies)), min(fetched), max(fetched) "
            "FROM scope JOIN piece USING (scope) GROUP BY scope ORDER BY scope"
        )
        found = [(Scope(*row[1:5]), *row[5:]) for row in sums]
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
        with self.transaction() as connection:
            some = f"fetched < ?3 AND scope IN (SELECT scope FROM scope WHERE {condition})"
            values = (project, property, limit)
            removed = connection.execute(
                f"SELECT coalesce(sum(count), 0) FROM piece WHERE {some}", values
            ).fetchone()[0]
            connection.execute(f"DELETE FROM piece WHERE {some}", values)
            if not project and property in (None, DOCUMENTS):
                removed += connection.execute(
                    "DELETE FROM document WHERE fetched < ?", (limit,)
                ).rowcount
        with contextlib.suppress(sqlite3.OperationalError):  # another process is reading
            self._connection.execute("VACUUM")
        return int(removed)

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
            version = _version_of(other)
            if not version:
                raise sqlite3.DatabaseError("it is empty")
            scopes = other.execute("SELECT * FROM scope").fetchall()
            numbers = [(scope[0], self.scope_id(Scope(*scope[1:]))) for scope in scopes]
            added = 0
            with self.transaction() as connection:
                for theirs, ours in numbers:
                    for piece in _pieces(other, theirs, version):
                        added += _add(connection, ours, piece, only_newer=True)
                documents = other.execute("SELECT * FROM document")
                added += connection.executemany(
                    "INSERT OR REPLACE INTO document SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 WHERE NOT "
                    "EXISTS (SELECT 1 FROM document WHERE key = ?1 AND fetched >= ?5)",
                    documents,
                ).rowcount
        return added


class _Known(NamedTuple):
    """The number of a piece, its time and its IDs."""

    number: int
    fetched: float
    ids: npt.NDArray[np.int64]


def _overlapping(
    connection: sqlite3.Connection, scope: int, ids: npt.NDArray[np.int64], oldest: float = 0.0
) -> list[_Known]:
    """Return the pieces of a scope that may have values of some IDs."""
    if not len(ids):
        return []
    rows = connection.execute(
        "SELECT piece, fetched, ids FROM piece "
        "WHERE scope = ? AND last >= ? AND first <= ? AND fetched >= ?",
        (scope, int(np.min(ids)), int(np.max(ids)), oldest),
    )
    return [_Known(number, fetched, _numbers(own, np.int64)) for number, fetched, own in rows]


def _read(connection: sqlite3.Connection, number: int) -> _Piece:
    """Return a piece; raise DatabaseError if its parts do not agree."""
    fetched, snapshot, *parts, bodies = connection.execute(
        "SELECT fetched, snapshot, ids, encodings, lengths, bodies FROM piece WHERE piece = ?", (number,)
    ).fetchone()
    ids, encodings, lengths = map(_numbers, parts, (np.int64, np.int8, np.int32))
    ends = np.cumsum(np.maximum(lengths, 0), dtype=np.intp)
    if not len(ids) == len(encodings) == len(lengths) or int(ends[-1]) != len(bodies):
        raise _damaged("the lengths of cached values do not agree")
    payloads = [
        None if length < 0 else bodies[end - length : end]
        for length, end in zip(lengths.tolist(), ends.tolist(), strict=True)
    ]
    return _Piece(fetched, snapshot, ids, encodings, payloads)


def _numbers(body: bytes, dtype: Any) -> npt.NDArray[Any]:
    try:
        return np.frombuffer(body, dtype)
    except (TypeError, ValueError) as error:
        raise _damaged(f"cached numbers are damaged: {error}") from error


def _damaged(message: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(message)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def _add(connection: sqlite3.Connection, scope: int, piece: _Piece, *, only_newer: bool = False) -> int:
    """Add values, in place of others of their IDs, and return their number."""
    for known in _overlapping(connection, scope, piece.ids):
        twice = np.isin(known.ids, piece.ids)
        if not twice.any():
            continue
        if only_newer and known.fetched >= piece.fetched:
            piece = piece.where(~np.isin(piece.ids, known.ids))
            continue
        rest = _read(connection, known.number).where(~twice)
        connection.execute("DELETE FROM piece WHERE piece = ?", (known.number,))
        _insert(connection, scope, rest)
    _insert(connection, scope, piece)
    return len(piece.ids)


def _insert(connection: sqlite3.Connection, scope: int, whole: _Piece) -> None:
    """Insert values in pieces that are not too large."""
    fetched, snapshot, ids, encodings, payloads = whole
    if not len(ids):
        return
    lengths = np.array([-1 if body is None else len(body) for body in payloads], np.int32)
    before = np.cumsum(np.maximum(lengths, 0), dtype=np.intp) - np.maximum(lengths, 0)
    bounds = np.flatnonzero(np.diff(before // _PIECE_BYTES, prepend=-1)).tolist()
    for start, end in zip(bounds, [*bounds[1:], len(ids)], strict=True):
        part = slice(start, end)
        bodies = b"".join(body for body in payloads[part] if body is not None)
        arrays = (array[part].tobytes() for array in (ids, encodings, lengths))
        connection.execute(
            "INSERT INTO piece VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (scope, fetched, snapshot, int(ids[start]), int(ids[end - 1]), end - start, *arrays, bodies),
        )


def _pieces(connection: sqlite3.Connection, scope: int, version: int) -> Iterator[_Piece]:
    """Return the values of a scope. A file of version 2 has a row per value."""
    if version == _VERSION:
        rows = connection.execute("SELECT piece FROM piece WHERE scope = ?", (scope,)).fetchall()
        for (number,) in rows:
            yield _read(connection, number)
        return
    values = connection.execute(
        f"SELECT batch, fetched, snapshot, id, encoding, payload FROM answers_{scope} "
        "JOIN batch USING (batch) ORDER BY batch, id"
    )
    for (_, fetched, snapshot), batch in groupby(values, lambda row: row[:3]):
        _, _, _, ids, encodings, payloads = zip(*batch, strict=True)
        yield _Piece(
            fetched, snapshot, np.array(ids, np.int64), np.array(encodings, np.int8), list(payloads)
        )


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
    """Make the tables of an empty file, or bring those of version 2 up to date.

    Other threads and processes may do the same.
    """
    until = time.monotonic() + patience
    while (version := _version_of(connection)) != _VERSION:
        try:
            if not version:
                connection.execute("PRAGMA page_size = 16384")
                # SQLite does not wait for others here, whatever the timeout.
                connection.execute("PRAGMA journal_mode = WAL")
            # In one transaction: another process never sees a file without its marks.
            with _transaction(connection):
                if _version_of(connection) == version:
                    for statement in _SCHEMA.split(";"):
                        connection.execute(statement)
                    if version:
                        _move_values(connection, version)
        except sqlite3.OperationalError as error:
            busy = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > until:
                raise
            time.sleep(0.02)


def _move_values(connection: sqlite3.Connection, version: int) -> None:
    for (scope,) in connection.execute("SELECT scope FROM scope").fetchall():
        for piece in _pieces(connection, scope, version):
            _insert(connection, scope, piece)
        connection.execute(f"DROP TABLE answers_{scope}")
    connection.execute("DROP TABLE batch")


def _version_of(connection: sqlite3.Connection) -> int:
    """Return the version of a file that can be read, 0 if it is empty; else raise DatabaseError."""
    # The tables first: a reader that sees tables also sees the marks that were written with them.
    if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        return 0
    mark, version = connection.execute(
        "SELECT application_id, user_version FROM pragma_application_id, pragma_user_version"
    ).fetchone()
    if mark != _APPLICATION_ID or version not in (2, _VERSION):
        raise sqlite3.DatabaseError("it is not a pdneuro store of this version")
    return int(version)


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    if connection.in_transaction:  # an interrupt came between the steps of the one before
        connection.execute("ROLLBACK")
    connection.execute(f"BEGIN {kind}")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


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
