"""Sending questions to BrainCircuits.io: credentials, and one request a batch."""

from __future__ import annotations

from collections.abc import Sequence

from pdneuro.braincircuits import parse, payload
from pdneuro.options import Fetch, get_option
from pdneuro.transport import tokens
from pdneuro.transport.answers import Batch
from pdneuro.transport.fetch import Question
from pdneuro.transport.http import Outlet
from pdneuro.transport.session import shared_session
from pdneuro.transport.store import Scope


def question(project: str, name: str, source: str, fetch: Fetch) -> Question:
    """The question for a property, ready for :func:`pdneuro.transport.fetch.fetch_by_id`."""
    address: str = get_option("braincircuits_url")
    headers, credential = _credentials(project, offline=fetch.offline)
    outlet = Outlet(
        shared_session(fetch.max_workers, keep=False),
        headers=headers,
        timeout=fetch.timeout,
        retries=fetch.retries,
    )

    def ask(ids: Sequence[int], retries: int) -> Batch:
        request = payload.segment_property(address, project, name, ids)
        response = outlet.post_json(*request, retries=retries)
        try:
            return parse.batch(response.content, ids, name)
        except parse.ShapeError as error:
            raise outlet.not_documented(response, str(error)) from error

    scope = Scope(address, credential, project, name)
    return Question(scope, source, ask, outlet.stop.set)


def _credentials(project: str, *, offline: bool) -> tuple[dict[str, str], str]:
    """Headers, and the mark under which answers to them are stored."""
    public = project.endswith("_public")
    # A public project may be open to all: the service decides, and says so with a 401.
    needed = not public and not offline
    token = tokens.require("braincircuits") if needed else tokens.get("braincircuits")
    # CAVE's token goes out only where it opens something.
    cave = None if public else tokens.get("cave")
    headers = {}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    if cave:
        headers["Authorization-Cave"] = f"Bearer {cave}"
    return headers, tokens.fingerprint(token, cave)
