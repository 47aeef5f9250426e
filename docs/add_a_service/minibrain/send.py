"""Send requests: the only module with a client."""

from __future__ import annotations

from collections.abc import Sequence

from minibrain import parse, payload
from pdneuro.options import Fetch
from pdneuro.transport.fetch import BatchQuery
from pdneuro.transport.http import Client
from pdneuro.transport.report import Batch
from pdneuro.transport.store import Scope


def client(fetch: Fetch) -> Client:
    """Return a client for the service. A token would be one of its ``headers``."""
    return Client(payload.ADDRESS, fetch)


def by_id(dataset: str, name: str, source: str, fetch: Fetch) -> BatchQuery:
    """Return the query for a property, for ``fetch_by_id``."""
    service = client(fetch)

    def send(ids: Sequence[int], retries: int) -> Batch:
        parts = []
        for start in range(0, len(ids), payload.MAX_IDS):
            request = payload.cells(dataset, name, ids[start : start + payload.MAX_IDS])
            parts.append(
                service.read(request, lambda response: parse.batch(response.content), retries=retries)
            )
        return parse.joined(parts)

    # The second entry is the fingerprint of the credential: this service has none.
    scope = Scope(payload.ADDRESS, "", dataset, name)
    return BatchQuery(scope, source, send, service.cancel, parse.check)
