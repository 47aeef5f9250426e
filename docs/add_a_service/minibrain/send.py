"""Sending it: one request a batch. Retries, time-outs and errors by cause are the outlet's."""

from __future__ import annotations

from collections.abc import Sequence

from minibrain import parse, payload
from pdneuro.options import Fetch
from pdneuro.transport import tokens
from pdneuro.transport.answers import Batch, ShapeError
from pdneuro.transport.fetch import Question
from pdneuro.transport.http import Outlet
from pdneuro.transport.session import shared_session
from pdneuro.transport.store import Scope


def question(dataset: str, name: str, source: str, fetch: Fetch) -> Question:
    """The question for a property, ready for ``fetch_by_id``."""
    outlet = Outlet(
        shared_session(fetch.max_workers, keep=False),
        headers={},
        timeout=fetch.timeout,
        retries=fetch.retries,
    )

    def ask(ids: Sequence[int], retries: int) -> Batch:
        # ``retries`` belongs to services that are asked by POST; a GET has the outlet's own.
        parts = []
        for start in range(0, len(ids), payload.MOST_IDS):
            response = outlet.get(*payload.cells(dataset, name, ids[start : start + payload.MOST_IDS]))
            try:
                parts.append(parse.batch(response.content))
            except ShapeError as error:
                raise outlet.not_documented(response, str(error)) from error
        return parse.together(parts)

    scope = Scope(payload.ADDRESS, tokens.fingerprint(None, None), dataset, name)
    return Question(scope, source, ask, outlet.stop.set)
