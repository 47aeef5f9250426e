"""Download large files: streamed to disk, resumed after a failure, and complete or absent."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pdneuro.errors import InvalidResponseError, ServiceError, TruncatedResponseError
from pdneuro.transport import progress
from pdneuro.transport.http import Client, Request
from pdneuro.transport.responses import excerpt, is_html, without_secrets

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
        Path of the complete file. Until then its bytes are in ``path`` + ``.part``.
    version : str
        What the content depends on; a partial download of another version is not resumed.
    check : callable
        Returns what is wrong with the finished file, or None.
    show : bool or None
        Show a progress bar; see :func:`pdneuro.transport.progress.bar`.

    Raises
    ------
    ServiceError
        The request failed; :mod:`pdneuro.errors` lists its kinds. The next call resumes the download.
    InvalidResponseError
        ``check`` finds a fault.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = Path(f"{path}.part")
    state = Path(f"{path}.part.json")
    address = without_secrets(url)
    with contextlib.closing(progress.bar(None, path.name, "B", show, scale=True)) as bar:
        client.retry(lambda: _resume(client, url, part, state, version, bar), address)
    fault = check(part)
    if fault:
        begin = part.read_bytes()[:200]
        part.unlink()
        state.unlink(missing_ok=True)
        raise InvalidResponseError(f"{fault} It begins: {begin!r}.", url=address)
    os.replace(part, path)
    state.unlink(missing_ok=True)
    return path


def _resume(client: Client, url: str, part: Path, state: Path, version: str, bar: Any) -> None:
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
        if error.status == 416:  # the part is longer than the file; the next call starts again
            part.unlink(missing_ok=True)
        raise
    with contextlib.closing(response):
        resumed = response.status_code == 206 and _starts_at(response.headers, here)
        if response.status_code == 206 and not resumed:
            part.unlink(missing_ok=True)
            raise TruncatedResponseError("the server sent another part of the file.", url=response.url)
        length = response.headers.get("Content-Length")
        total = int(length) + (here if resumed else 0) if length else None
        if is_html(b"", response.headers.get("Content-Type", "")):
            raise InvalidResponseError(
                f"the server sent an HTML page instead of the file: {excerpt(response)!r}.",
                url=without_secrets(response.url),
            )
        # If-Range takes strong marks only.
        mark = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
        mark = "" if mark.startswith("W/") else mark
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


def _read_state(state: Path) -> dict[str, Any]:
    try:
        found = json.loads(state.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _starts_at(headers: Any, here: int) -> bool:
    return str(headers.get("Content-Range", "")).startswith(f"bytes {here}-")
