"""Files at an address: copied to the cache folder, and copied again if they change."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from pdneuro._atomic import replacing
from pdneuro._compat import optional
from pdneuro.errors import (
    ConnectionFailedError,
    MissingDependencyError,
    OfflineError,
)
from pdneuro.options import Fetch
from pdneuro.transport.download import download, remote_state
from pdneuro.transport.http import Client
from pdneuro.transport.responses import without_secrets
from pdneuro.transport.store import cache_folder, make_private_folder


def local_copy(address: str, storage_options: Mapping[str, Any] | None = None) -> Path:
    """Return the path of a copy of a file at an address; an unchanged file is not copied again.

    Parameters
    ----------
    address : str
        ``https://...``, or an address that fsspec opens, such as ``gs://...`` or ``s3://...``.
    storage_options : mapping, optional
        Arguments of the file system of fsspec; for ``https`` the headers of the requests.

    Raises
    ------
    FileNotFoundError
        There is no file at the address.
    MissingDependencyError
        The package that opens the address is not installed (extra ``remote``).
    OfflineError
        pdneuro is offline, and the file was not read before.
    ServiceError
        The request failed.
    """
    name = PurePosixPath(urlsplit(address).path).name
    shown = without_secrets(address)
    if not name:
        raise FileNotFoundError(f"{shown} does not name a file.")
    home = cache_folder() / "remote" / _digest(address)
    fetch = Fetch.of()
    if fetch.offline:
        copies = sorted(home.glob("*/*"), key=lambda file: file.stat().st_mtime)
        copies = [file for file in copies if file.name == name]
        if not copies:
            raise OfflineError(f"pdneuro is offline, and {shown} was not read before.")
        return copies[-1]
    make_private_folder(cache_folder())
    if urlsplit(address).scheme.lower() in ("http", "https"):
        return _by_request(address, home, name, fetch, dict(storage_options or {}))
    return _by_fsspec(address, home, name, dict(storage_options or {}))


def _by_request(address: str, home: Path, name: str, fetch: Fetch, headers: Mapping[str, str]) -> Path:
    client = Client(address, fetch, headers=headers)
    state = remote_state(client, address)
    target = home / _digest(f"{state.mark} {state.size}") / name
    # Without a mark, a changed file cannot be distinguished from an unchanged one.
    if state.mark and target.exists() and state.size in (None, target.stat().st_size):
        return target
    return download(
        client, address, target, version=state.mark, check=lambda part: None, show=fetch.progress
    )


def _by_fsspec(address: str, home: Path, name: str, options: dict[str, Any]) -> Path:
    core = optional("fsspec.core", "remote")
    shown = without_secrets(address)
    try:
        system, path = core.url_to_fs(address, **options)
        if system.isdir(path):
            raise FileNotFoundError(f"{shown} is a folder. Read its files one by one.")
        target = home / _digest(str(system.ukey(path))) / name
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            with replacing(target) as unfinished:
                system.get_file(path, str(unfinished))
    except FileNotFoundError as error:
        raise FileNotFoundError(str(error) if shown in str(error) else f"there is no {shown}.") from None
    except ImportError as error:
        raise MissingDependencyError(
            f"{shown} cannot be opened: {error}. Install: pip install 'pdneuro[remote]'."
        ) from error
    except Exception as error:
        reason = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
        raise ConnectionFailedError(
            f"{shown} cannot be read: {reason.rstrip('.')}. For a public bucket pass storage_options="
            "{'token': 'anon'} (gs) or {'anon': True} (s3).",
            url=shown,
        ) from error
    return target


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
