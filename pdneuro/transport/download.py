"""Download large files: streamed to disk, resumed after a failure, and complete or absent."""

from __future__ import annotations

import base64
import contextlib
import importlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from pdneuro._atomic import replace, replacing
from pdneuro.errors import InvalidResponseError, ServiceError, TruncatedResponseError
from pdneuro.transport import progress
from pdneuro.transport.http import Client, Request
from pdneuro.transport.responses import excerpt, is_html, without_secrets


class RemoteState(NamedTuple):
    """A file on a server: its size, a mark of its content, and its MD5 in hexadecimal if it is known."""

    size: int | None
    mark: str
    md5: str | None


def remote_state(client: Client, url: str) -> RemoteState:
    """Return the state of a file on a server, without its content.

    Raises
    ------
    ServiceError
        The request failed; :mod:`pdneuro.errors` lists its kinds.
    """
    request = Request("GET", url, headers={"Accept-Encoding": "identity"})
    with contextlib.closing(client.retry(lambda: client.stream(request), without_secrets(url))) as found:
        headers = found.headers
    length = headers.get("Content-Length", "")
    mark = headers.get("ETag") or headers.get("Last-Modified") or ""
    # Google Cloud Storage sends hashes: crc32c=..., md5=... in Base64.
    hashes = dict(
        part.strip().split("=", 1) for part in headers.get("x-goog-hash", "").split(",") if "=" in part
    )
    md5 = base64.b64decode(hashes["md5"]).hex() if "md5" in hashes else None
    packed = headers.get("Content-Encoding", "identity") != "identity"
    return RemoteState(int(length) if length.isdecimal() else None, mark, None if packed else md5)


#: A truncated chunk is lost, so chunks are small.
_CHUNK = 1 << 16


def download(
    client: Client,
    url: str,
    path: Path,
    *,
    version: str,
    check: Callable[[Path], str | None],
    show: bool | None,
) -> Path:
    """Download a file, resuming a partial download.

    Parameters
    ----------
    client : Client
        Sends the requests, with its headers, timeout and retries.
    url : str
        Address of the file.
    path : Path
        Path of the complete file. Until then its bytes are in ``path`` + ``.part``; if another thread
        or process downloads the same file at the same time, in a file with a unique name.
    version : str
        What the content depends on; a partial download of another version is not resumed.
    check : callable
        Returns what is wrong with the finished file, or None. A resumed file with a fault is downloaded
        again from its start.
    show : bool or None
        Show a progress bar; see :func:`pdneuro.transport.progress.bar`.

    Raises
    ------
    ServiceError
        The request failed; :mod:`pdneuro.errors` lists its kinds. The next call resumes the download.
    InvalidResponseError
        ``check`` finds a fault. The file is deleted.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    address = without_secrets(url)
    with contextlib.closing(progress.bar(None, path.name, "B", show, scale=True)) as bar:

        def fill(part: Path, state: Path | None) -> None:
            client.retry(lambda: _resume(client, url, part, state, version, bar), address)

        with _own_part(path) as (part, state):
            resumed = state is not None and part.exists()
            fill(part, state)
            fault = check(part)
            if fault and resumed:
                part.unlink()
                fill(part, state)
                fault = check(part)
            if fault:
                with part.open("rb") as file:
                    begin = file.read(200)
                part.unlink()
                raise InvalidResponseError(f"{fault} It begins: {begin!r}.", url=address)
    return path


@contextlib.contextmanager
def _own_part(path: Path) -> Iterator[tuple[Path, Path | None]]:
    """Yield a file for the bytes of one download, and the file with its state; then replace ``path``.

    The first download of a path uses ``path`` + ``.part``, which the next one resumes after an error.
    Others at the same time use files with unique names, which are not resumed and have no state.
    """
    part, state = Path(f"{path}.part"), Path(f"{path}.part.json")
    lock = _lock(state)
    if lock is None:
        with replacing(path) as unique:
            yield unique, None
        return
    try:
        yield part, state
        replace(part, path)
    finally:
        if os.name == "nt":  # which does not delete an open file
            lock.close()
        if not part.exists():
            # Deleted before the lock is released: later it may be the state of another download.
            with contextlib.suppress(OSError):
                state.unlink()
        lock.close()


def _lock(file: Path) -> IO[str] | None:
    """Lock a file until it is closed, or until the process ends; return None if it is locked."""
    opened = file.open("a+")
    try:
        if os.name == "nt":
            locking = importlib.import_module("msvcrt")
            opened.seek(1 << 30)  # locked bytes cannot be read
            locking.locking(opened.fileno(), locking.LK_NBLCK, 1)
        else:
            locking = importlib.import_module("fcntl")
            locking.flock(opened, locking.LOCK_EX | locking.LOCK_NB)
    except (BlockingIOError, PermissionError):
        opened.close()
        return None
    except OSError:  # a file system without locks
        return opened
    with contextlib.suppress(FileNotFoundError):
        # Another download may have deleted the file before it was locked here.
        if os.path.samestat(os.fstat(opened.fileno()), file.stat()):
            return opened
    opened.close()
    return None


def _resume(client: Client, url: str, part: Path, state: Path | None, version: str, bar: Any) -> None:
    known = _read_state(state)
    here = part.stat().st_size if part.exists() else 0
    complete = known.get("total")
    resume = here > 0 and known.get("version") == version and bool(known.get("mark"))
    headers = {"Accept-Encoding": "identity"}
    if resume and (complete is None or here <= complete):
        if here == complete:
            return
        headers |= {"Range": f"bytes={here}-", "If-Range": known["mark"]}
    try:
        response = client.stream(Request("GET", url, headers=headers))
    except ServiceError as error:
        if error.status != 416 or "Range" not in headers:
            raise
        part.unlink(missing_ok=True)  # it has bytes that the file does not have
        del headers["Range"], headers["If-Range"]
        response = client.stream(Request("GET", url, headers=headers))
    with contextlib.closing(response):
        resumed = response.status_code == 206 and _starts_at(response.headers, here)
        if response.status_code == 206 and not resumed:
            part.unlink(missing_ok=True)
            raise TruncatedResponseError(
                "the server sent another part of the file.", url=without_secrets(url)
            )
        length = response.headers.get("Content-Length", "")
        total = int(length) + (here if resumed else 0) if length.isdecimal() else None
        if is_html(b"", response.headers.get("Content-Type", "")):
            raise InvalidResponseError(
                f"the server sent an HTML page instead of the file: {excerpt(response)!r}.",
                url=without_secrets(response.url),
            )
        # If-Range takes strong marks only.
        mark = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
        mark = "" if mark.startswith("W/") else mark
        if state is not None:
            state.write_text(json.dumps({"version": version, "mark": mark, "total": total}))
        bar.total, bar.n = total, here if resumed else 0
        bar.refresh()
        with part.open("ab" if resumed else "wb") as file:
            for chunk in response.iter_content(_CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
            file.flush()
            os.fsync(file.fileno())
    if total is not None and part.stat().st_size != total:
        raise TruncatedResponseError(
            f"{part.stat().st_size:,} of {total:,} bytes arrived.", url=without_secrets(url), status=None
        )


def _read_state(state: Path | None) -> dict[str, Any]:
    if state is None:
        return {}
    try:
        found = json.loads(state.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _starts_at(headers: Any, here: int) -> bool:
    return str(headers.get("Content-Range", "")).startswith(f"bytes {here}-")
