"""Save responses as files for tests, without tokens, names of people and emails."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from pdneuro.transport.responses import masked, without_secrets

#: Larger bodies are not saved.
_MAX_BYTES = 5_000_000
_HEADERS = ("content-type", "warning", "location", "retry-after", "dataframe_resolution", "column_names")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
#: Keys of people, and of free text in which people are named.
_PEOPLE = re.compile(
    r"(?:^|_)(?:user|username|login|e?mail|author|first_name|last_name|full_name|owner|creator|created_by"
    r"|contact|annotator|submitter|orcid|archive|notice|notice_text|description|note|token|secret)s?"
    r"(?:_|$)"
)


def cleaned(body: bytes, secrets: Iterable[str]) -> bytes | None:
    """Return a body without tokens, names of people and emails; None if that is not possible."""
    secrets = list(secrets)
    try:
        text = body.decode()
    except UnicodeDecodeError:
        found = body.decode("latin-1")
        has_any = _EMAIL.search(found) or masked(found, secrets) != found
        return None if has_any else body
    try:
        value = json.loads(text)
    except ValueError:
        return _plain(text, secrets).encode()
    return json.dumps(_without_people(value, secrets), ensure_ascii=False).encode()


def _plain(text: str, secrets: Iterable[str]) -> str:
    return _EMAIL.sub("name@example.org", masked(text, secrets))


def _without_people(value: Any, secrets: list[str]) -> Any:
    if isinstance(value, dict):
        return {
            _plain(key, secrets): _hidden(item)
            if _PEOPLE.search(_snake(key))
            else _without_people(item, secrets)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_without_people(item, secrets) for item in value]
    return _plain(value, secrets) if isinstance(value, str) else value


def _snake(key: str) -> str:
    """Return a key in lower case with underscores, such as ``first_author`` of ``firstAuthor``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).replace("-", "_").replace(" ", "_").lower()


def _hidden(value: Any) -> Any:
    """Return a value of the same type without its content."""
    if isinstance(value, dict):
        return {key: _hidden(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_hidden(item) for item in value]
    if isinstance(value, str):
        return "***"
    return value if value is None or isinstance(value, bool) else type(value)(0)


def _secrets(request: requests.PreparedRequest) -> list[str]:
    headers = [value for name, value in request.headers.items() if "auth" in name.lower()]
    cookies = re.findall(r"=([^;]+)", str(request.headers.get("Cookie", "")))
    return [*(str(value).split()[-1] for value in headers), *cookies]


@contextlib.contextmanager
def recorded(folder: Path) -> Iterator[None]:
    """Save each response of a block: a line in ``responses.jsonl`` and a file with its body."""
    folder.mkdir(parents=True, exist_ok=True)
    send = HTTPAdapter.send
    count = len(list(folder.glob("*.body")))
    secrets: set[str] = set()  # a server may repeat the token of an earlier request

    def send_and_save(
        self: HTTPAdapter, request: requests.PreparedRequest, *args: Any, **options: Any
    ) -> requests.Response:
        nonlocal count
        response = send(self, request, *args, **options)
        secrets.update(_secrets(request))
        small = int(response.headers.get("Content-Length") or 0) <= _MAX_BYTES
        body = cleaned(response.content, secrets) if small else None
        count += 1
        name = f"{count:04d}.body"
        sent = request.body.encode() if isinstance(request.body, str) else request.body
        entry = {
            "method": request.method,
            "url": _plain(without_secrets(request.url or ""), secrets),
            "sent": (cleaned(sent, secrets) or b"").decode() if isinstance(sent, bytes) else None,
            "status": response.status_code,
            "headers": {
                key: _plain(value, secrets)
                for key, value in response.headers.items()
                if key.lower() in _HEADERS
            },
            "host": urlsplit(request.url or "").hostname,
            "body": name if body is not None else None,
        }
        if body is not None:
            (folder / name).write_bytes(body)
        with (folder / "responses.jsonl").open("a") as lines:
            lines.write(json.dumps(entry) + "\n")
        return response

    HTTPAdapter.send = send_and_save  # type: ignore[method-assign]
    try:
        yield
    finally:
        HTTPAdapter.send = send  # type: ignore[method-assign]
