"""Build requests. This module does not use the network, so a test can check a request."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from pdneuro.transport.http import Request

#: Address of the service. For a service of pdneuro, this is an option, ``minibrain_url``.
ADDRESS = "https://minibrain.example.org"
#: Maximum number of IDs per request: servers limit the length of an address.
MAX_IDS = 100


def cells(dataset: str, name: str, ids: Sequence[int]) -> Request:
    """Return the request for one property of some cells.

    >>> request = cells("larva", "shape", [11, 12])
    >>> request.method, request.url, request.params
    ('GET', 'https://minibrain.example.org/larva/shape', {'ids': '11,12'})
    """
    url = f"{ADDRESS}/{quote(dataset, safe='')}/{quote(name, safe='')}"
    return Request("GET", url, {"ids": ",".join(map(str, ids))})
