"""Keep documents in the cache file: a backend of requests-cache on top of the store."""

from __future__ import annotations

import datetime
import hashlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.utils import get_encoding_from_headers
from requests_cache.backends.base import BaseCache, BaseStorage
from requests_cache.models.request import CachedRequest
from requests_cache.models.response import CachedResponse

from pdneuro.transport import tokens
from pdneuro.transport.responses import without_secrets
from pdneuro.transport.store import Document, OptionalStore

#: Headers that do not contain a secret. All others are part of the credential.
PLAIN_HEADERS = frozenset(
    {
        "accept",
        "accept-encoding",
        "cache-control",
        "connection",
        "content-length",
        "content-type",
        "user-agent",
    }
)


def cache_key(request: requests.PreparedRequest, **_: Any) -> str:
    """Return the key of a request: a hash of all that is sent, the credential as its fingerprint."""
    digest = hashlib.blake2b(digest_size=16, person=b"pdneuro")
    for part in (request.method, request.url, _credential(request)):
        digest.update(f"{part}\0".encode())
    body = request.body or b""
    digest.update(body.encode() if isinstance(body, str) else body)
    return digest.hexdigest()


def _credential(request: requests.PreparedRequest) -> str:
    """Return the fingerprint of all headers that may contain a secret."""
    headers = sorted((name.lower(), str(value)) for name, value in request.headers.items())
    secret = [f"{name}: {value}" for name, value in headers if name not in PLAIN_HEADERS]
    return tokens.fingerprint(*secret) if secret else ""


class DocumentCache(BaseCache):
    """Documents in the store of a cache folder, for all threads; closed when no thread uses it.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._store = OptionalStore(folder)
        self.responses = _Documents(self._store)

    @property
    def works(self) -> bool:
        """Whether documents are cached."""
        return self._store.works

    def save_response(self, response: Any, cache_key: str | None = None, expires: Any = None) -> None:
        """Save a response without what was sent to get it. Its age decides whether it is expired."""
        self.responses[cache_key or self.create_key(response.request)] = response

    def age(self, key: str) -> float | None:
        """Return the seconds since a document was downloaded, None if it is not cached."""
        fetched = self._store.run(lambda store: store.document_time(key))
        return None if fetched is None else time.time() - fetched

    def __del__(self) -> None:
        self._store.close()


#: Caches used last, the latest at the end. Opening one for each document would take several ms.
_caches: dict[tuple[Path, int], DocumentCache] = {}
_lock = threading.Lock()


def document_cache(folder: Path) -> DocumentCache:
    """Return the documents of a cache folder. A forked process opens its own file."""
    key = (folder, os.getpid())
    with _lock:
        cache = _caches.pop(key, None)
        if cache is None or not cache.works:
            cache = DocumentCache(folder)
        _caches[key] = cache
        for oldest in list(_caches)[:-2]:
            del _caches[oldest]
    return cache


class _Documents(BaseStorage[str, CachedResponse]):
    """A mapping of keys to responses."""

    def __init__(self, store: OptionalStore) -> None:
        super().__init__()
        self._run = store.run

    def __getitem__(self, key: str) -> CachedResponse:
        document = self._run(lambda store: store.document(key))
        if document is None or not isinstance(document.body, bytes):
            raise KeyError(key)
        headers = {"Content-Type": document.content_type} if document.content_type else {}
        return CachedResponse(
            content=document.body,
            cookies=requests.cookies.RequestsCookieJar(),
            created_at=datetime.datetime.fromtimestamp(document.fetched, datetime.UTC),
            encoding=get_encoding_from_headers(headers) or "utf-8",
            headers=requests.structures.CaseInsensitiveDict(headers),
            request=CachedRequest(method="GET", url=document.url),
            status_code=document.status,
            url=document.url,
        )

    def __setitem__(self, key: str, response: Any) -> None:
        parts = urlsplit(response.url)
        document = Document(
            address=f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}",
            credential=_credential(response.request),
            url=without_secrets(response.url),
            fetched=time.time(),
            status=response.status_code,
            content_type=response.headers.get("Content-Type", ""),
            body=response.content,
        )
        self._run(lambda store: store.put_document(key, document))

    def __delitem__(self, key: str) -> None:
        if not self._run(lambda store: store.delete_document(key)):
            raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._run(lambda store: store.document_keys()) or [])

    def __len__(self) -> int:
        return sum(1 for _ in self)
