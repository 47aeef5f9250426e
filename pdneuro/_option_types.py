"""All options: what each takes, its default, its description. Imported on first use, with msgspec."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

#: What an option takes, in words. A user name or query in an address would be a secret in messages.
ADDRESS = "an address such as 'https://host/path', without user name or query"

_URL = Annotated[str, Meta(pattern=r"(?i)^https?://[^/?#@\s]+(/[^?#]*)?$")]
_POSITIVE = Annotated[float, Meta(gt=0, le=sys.float_info.max)]  # not infinity
_NOT_NEGATIVE = Annotated[float, Meta(ge=0, le=sys.float_info.max)]

Address: TypeAlias = Annotated[_URL, Meta(title=ADDRESS)]
Server: TypeAlias = Annotated[_URL | None, Meta(title=ADDRESS)]
Project: TypeAlias = Annotated[
    Annotated[str, Meta(min_length=1)] | None, Meta(title="a project name, or None")
]
Folder: TypeAlias = Annotated[Path | None, Meta(title="a folder, or None")]
Flag: TypeAlias = Annotated[bool, Meta(title="True or False")]
Bar: TypeAlias = Annotated[bool | None, Meta(title="True, False, or None for a terminal or notebook")]
Count: TypeAlias = Annotated[int, Meta(ge=1, title="a whole number, at least 1")]
Retries: TypeAlias = Annotated[int, Meta(ge=0, title="a whole number, at least 0")]
Rate: TypeAlias = Annotated[_POSITIVE | None, Meta(title="requests per second, or None for no limit")]
Age: TypeAlias = Annotated[_NOT_NEGATIVE | None, Meta(title="seconds, a timedelta, or None for never")]
Seconds: TypeAlias = Annotated[_POSITIVE, Meta(title="seconds, more than 0")]
OnError: TypeAlias = Annotated[Literal["raise", "partial"], Meta(title="'raise' or 'partial'")]
OnMissing: TypeAlias = Annotated[
    Literal["warn", "raise", "ignore"], Meta(title="'warn', 'raise' or 'ignore'")
]


def _about(text: str) -> Meta:
    return Meta(description=text)


class Options(Struct):
    """All options with their defaults."""

    source: Annotated[Project, _about("where segment IDs are looked up")] = None
    braincircuits_url: Annotated[Address, _about("the BrainCircuits.io service")] = (
        "https://api.braincircuits.io"
    )
    neuromorpho_url: Annotated[Address, _about("the NeuroMorpho.org service")] = (
        "https://neuromorpho.org/api"
    )
    neuromorpho_files_url: Annotated[Address, _about("NeuroMorpho.org reconstructions")] = (
        "https://neuromorpho.org/dableFiles"
    )
    neuromorpho_rate: Annotated[Rate, _about("maximum number of requests to NeuroMorpho.org")] = 5.0
    tls_fallback: Annotated[
        Flag, _about("step down if NeuroMorpho.org's Diffie-Hellman key is short")
    ] = True
    allen_url: Annotated[Address, _about("the Allen Brain Atlas service")] = "https://api.brain-map.org"
    allen_files_url: Annotated[Address, _about("Allen Institute files")] = (
        "https://download.alleninstitute.org"
    )
    cave_url: Annotated[Server, _about("the CAVE server; by datastack if None")] = None
    cache_dir: Annotated[Folder, _about("the cache; the user's own if None")] = None
    expire_after: Annotated[Age, _about("age at which a value is downloaded again")] = 7 * 86400.0
    offline: Annotated[Flag, _about("use the cache alone")] = False
    batch_size: Annotated[Count, _about("number of IDs per request")] = 1000
    max_workers: Annotated[Count, _about("maximum number of requests at the same time")] = 4
    timeout: Annotated[Seconds, _about("maximum wait for a connection or more bytes")] = 60.0
    retries: Annotated[Retries, _about("number of retries after a failure")] = 4
    progress: Annotated[Bar, _about("the progress bar")] = None
    on_error: Annotated[OnError, _about("what to do if some IDs fail")] = "raise"
    on_missing: Annotated[OnMissing, _about("what to do if the service does not know some IDs")] = "warn"
