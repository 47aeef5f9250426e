"""What is asked: address and parameters. No network here, so that a test can look at it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import quote

#: Where the service is. Within pdneuro this is an option, ``minibrain_url``.
ADDRESS = "https://minibrain.example.org"
#: Most IDs of a request: an address has a length that servers take.
MOST_IDS = 100


class Payload(NamedTuple):
    """One request, without credentials."""

    url: str
    params: dict[str, str]


def cells(dataset: str, name: str, ids: Sequence[int]) -> Payload:
    """Ask for one property of some cells.

    >>> cells("larva", "shape", [11, 12])
    Payload(url='https://minibrain.example.org/larva/shape', params={'ids': '11,12'})
    """
    return Payload(
        f"{ADDRESS}/{quote(dataset, safe='')}/{quote(name, safe='')}", {"ids": ",".join(map(str, ids))}
    )
