"""Questions about each single neuron: records by ID and by name, persistence vectors, files."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import requests

from pdneuro.errors import (
    InvalidRequestError,
    RequestTooLargeError,
    ServiceError,
    TruncatedResponseError,
)
from pdneuro.neuromorpho import field_types, parse, payload
from pdneuro.neuromorpho.send import (
    NO_POST,
    SOURCE,
    address,
    outlet,
    page_of,
    read,
    refuse_empty_data_base,
    without_post,
)
from pdneuro.options import Fetch, get_option
from pdneuro.transport.answers import FIRST_FORM, Batch
from pdneuro.transport.fetch import Question
from pdneuro.transport.http import Outlet
from pdneuro.transport.store import Scope

#: IDs and names in one request: what an address, and a body, can hold.
IDS_AT_ONCE, NAMES_AT_ONCE = 250, 100
JSON_FORM, LIST_FORM, FILE_FORM = FIRST_FORM, FIRST_FORM + 1, FIRST_FORM + 2
#: Resources with records by neuron, and how their queries may call the ID.
BY_NEURON = {
    "neuron": (field_types.ID,),
    "morphometry": ("Neuron_id", field_types.ID),
    "pvec": (field_types.ID,),
}
#: What an unknown ID may mean.
_HINTS = {
    "neuron": "They may be withdrawn or mistyped.",
    "morphometry": "It has no measurements of them.",
    "pvec": "It has no persistence vector of them.",
}
#: How a service spells the ID in a query, where that is open; for the process.
_spelling: dict[tuple[str, str], str] = {}


def by_id(resource: str, fetch: Fetch) -> Question:
    """The question for records by ``neuron_id``."""
    where, sender = address(), outlet(fetch, keep=False)

    def ask(ids: Sequence[int], retries: int) -> Batch:
        found = _records_by_id(sender, where, resource, ids, retries)
        if not found:
            refuse_empty_data_base(sender, where)
        count = len(found)
        return Batch(list(found), [JSON_FORM] * count, list(found.values()), None)

    scope = Scope(where, "", SOURCE, resource)
    return Question(scope, SOURCE, ask, sender.stop.set, hint=_HINTS[resource])


def _records_by_id(
    sender: Outlet, where: str, resource: str, ids: Sequence[int], retries: int
) -> dict[int, bytes]:
    if len(ids) == 1:
        request = payload.get(payload.url(where, resource, "id", ids[0]))
        return _with_ids(sender, sender.send(request, retries=retries, keep=False))[0]
    spellings = BY_NEURON[resource]
    known = _spelling.get((where, resource))
    names = [known] if known else list(spellings)
    for name in names:
        try:
            found = _of_many(sender, where, resource, name, ids, retries)
        except InvalidRequestError:
            if name == names[-1]:
                raise
            continue
        except ServiceError as error:
            # Whatever a long question is refused for, a shorter one may pass.
            if error.status in (401, 404, 408, 429) or not 400 <= (error.status or 0) < 500:
                raise
            raise RequestTooLargeError(error.message, status=error.status, url=error.url) from error
        if found:
            _spelling[where, resource] = name
            return found
    return {}


def _of_many(
    sender: Outlet, where: str, resource: str, name: str, ids: Sequence[int], retries: int
) -> dict[int, bytes]:
    """Records of all pages; as many as the service announces, or an error."""
    for sort in (None, field_types.ID):  # several pages need an order
        found: dict[int, bytes] = {}
        total, number, pages = 0, 0, 1
        while number < pages:
            request = payload.by_ids(where, resource, name, ids, number, sort)
            response = sender.send(request, retries=retries, keep=False)
            here, page = _with_ids(sender, response)
            total, pages = page.total or 0, page.pages or 0
            found, number = found | here, number + 1
        if len(found) >= total:
            return found
    raise TruncatedResponseError(
        f"{total:,} records were announced and {len(found):,} came.", status=200, url=response.url
    )


def _with_ids(sender: Outlet, response: requests.Response) -> tuple[dict[int, bytes], parse.Page]:
    """Records of a page by ID, and the page."""
    page = page_of(sender, response)
    if not page.records:
        return {}, page
    return read(sender, response, lambda _: {parse.neuron_id(one): one for one in page.records}), page


def key_of_name(name: str) -> int:
    """The number under which what is known by a name is stored."""
    digest = hashlib.blake2b(name.encode(), digest_size=8, person=b"neuron_name").digest()
    return int.from_bytes(digest, "big") >> 1 or 1


def by_name(names: Mapping[int, str], fetch: Fetch) -> Question:
    """The question for neurons by ``neuron_name``; ``names`` by :func:`key_of_name`.

    A body is the list of all records of that name.
    """
    where, sender = address(), outlet(fetch, keep=False)

    def ask(keys: Sequence[int], retries: int) -> Batch:
        wanted = {names[key]: key for key in keys}
        found: dict[int, list[msgspec.Raw]] = {}
        for record in _records_by_name(sender, where, list(wanted), retries):
            name = str(parse.decoded(record).get(field_types.NAME))
            if name in wanted:
                found.setdefault(wanted[name], []).append(msgspec.Raw(record))
        if not found:
            refuse_empty_data_base(sender, where)
        bodies: list[bytes | None] = [msgspec.json.encode(records) for records in found.values()]
        return Batch(list(found), [LIST_FORM] * len(found), bodies, None)

    scope = Scope(where, "", SOURCE, "neuron by name")
    hint = "Names are told apart by upper and lower case; files are called otherwise than neurons."
    return Question(scope, SOURCE, ask, sender.stop.set, names=names, hint=hint)


def _records_by_name(sender: Outlet, where: str, names: list[str], retries: int) -> list[bytes]:
    plain = [name for name in names if not payload.needs_care(name)]
    if len(names) == 1 and plain:
        request = payload.get(payload.url(where, "neuron", "name", names[0]))
        return page_of(sender, sender.send(request, retries=retries, keep=False)).records
    if where not in without_post:
        try:
            return _select_names(sender, where, names, retries, payload.select_post)
        except ServiceError as error:
            if error.status not in NO_POST:
                raise
            if error.status != 400:
                without_post.add(where)
    found = _select_names(sender, where, plain, retries, payload.select_get) if plain else []
    for name in names:
        if payload.needs_care(name):
            request = payload.get(payload.url(where, "neuron", "name", name))
            found += page_of(sender, sender.send(request, retries=retries, keep=False)).records
    return found


def _select_names(
    sender: Outlet, where: str, names: list[str], retries: int, write: Callable[..., Any]
) -> list[bytes]:
    found: list[bytes] = []
    number, pages = 0, 1
    while number < pages:
        request = write(where, "neuron", {field_types.NAME: names}, number, None)
        page = page_of(sender, sender.send(request, retries=retries, keep=False))
        found += page.records
        pages, number = page.pages or 1, number + 1
    return found


# -- files ----------------------------------------------------------------------------------------


def files(urls: Mapping[int, str], version: str, fetch: Fetch) -> Question:
    """The question for reconstruction files; ``urls`` by ``neuron_id``. A body is packed by zlib."""
    where, sender = files_address(), outlet(fetch, keep=False)

    def ask(ids: Sequence[int], retries: int) -> Batch:
        (number,) = ids
        request = requests.Request("GET", urls[number])
        response = sender.send(request, retries=retries, keep=False)
        if response.status_code == 404:  # of this file, or of a site that is being mended?
            refuse_empty_data_base(sender, address())
            return Batch([], [], [], None)
        content = response.content
        fault = _no_file(content, response.headers.get("Content-Type", ""), urls[number])
        if fault:
            raise sender.not_documented(response, f"{fault} came in place of the file.")
        return Batch([number], [FILE_FORM], [zlib.compress(content, 1)], None)

    scope = Scope(where, "", SOURCE, f"swc {version}")
    hint = f"There is no such file of them ({version} version)."
    return Question(scope, SOURCE, ask, sender.stop.set, hint=hint)


def _no_file(content: bytes, kind: str, url: str) -> str | None:
    """What came in place of a file, None where it may be one."""
    begin = content.removeprefix(b"\xef\xbb\xbf").lstrip()[:15].lower()
    if not begin:
        return "nothing"
    if "html" in kind or begin.startswith((b"<!doctype html", b"<html")):
        return "an HTML page"
    # Authors sent XML files too.
    is_swc = url.lower().endswith(".swc")
    return "an error" if is_swc and begin[:1] in (b"<", b"{") else None


def files_address() -> str:
    """Where the files are."""
    return str(get_option("neuromorpho_files_url"))
