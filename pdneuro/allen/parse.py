"""What comes back from the Allen Brain Atlas: the envelope, and the records in it."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import requests

from pdneuro.errors import InvalidResponseError, QueryRefusedError
from pdneuro.transport.http import excerpt
from pdneuro.transport.session import without_secrets


class Message(NamedTuple):
    """The content of an answer, and what its envelope says of it."""

    content: Any
    url: str
    #: Rows available, and rows in this answer, by the service's own count: joined rows, not records.
    total_rows: int | None
    num_rows: int | None


def body(response: requests.Response) -> Any:
    """The JSON body of an answer."""
    try:
        return msgspec.json.decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _undocumented(response, "the answer is no JSON.") from error


def message(response: requests.Response) -> Message:
    """What an answer says, out of its envelope.

    Raises
    ------
    QueryRefusedError
        The envelope says that the query failed.
    InvalidResponseError
        There is no envelope.
    """
    answer = body(response)
    address = without_secrets(response.url)
    if not isinstance(answer, dict) or not {"msg", "success"} & answer.keys():
        raise _undocumented(response, "the answer has no envelope with 'success' and 'msg'.")
    content = answer.get("msg")
    refused = str(answer.get("success", True)).lower() in ("false", "0", "none")
    # A text where the rows should be is an error message, whatever 'success' says.
    if refused or isinstance(content, str):
        raise QueryRefusedError(
            f"the Allen service refused the query: {_words(content)}.",
            status=response.status_code,
            url=address,
        )
    return Message(content, address, _count(answer, "total_rows"), _count(answer, "num_rows"))


def _words(content: Any) -> str:
    text = content if isinstance(content, str) else msgspec.json.encode(content).decode()
    text = " ".join(text.split()).rstrip(".")
    return (text if len(text) <= 500 else text[:500] + "...") or "no reason given"


def _count(answer: dict[str, Any], name: str) -> int | None:
    # The service's XML writes a hyphen where its JSON has an underscore.
    value = answer.get(name, answer.get(name.replace("_", "-")))
    return int(value) if isinstance(value, int | str) and str(value).isdecimal() else None


def rows(found: Message) -> list[dict[str, Any]]:
    """The records of an answer.

    Raises
    ------
    InvalidResponseError
        The content is no list of records.
    """
    content = found.content
    if content is None:
        return []
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise InvalidResponseError(
            f"the answer holds no records: {_words(content)[:200]!r}.", status=200, url=found.url
        )
    return content


def _undocumented(response: requests.Response, reason: str) -> InvalidResponseError:
    return InvalidResponseError(
        f"{reason} It begins: {excerpt(response)!r}.",
        status=response.status_code,
        url=without_secrets(response.url),
    )
