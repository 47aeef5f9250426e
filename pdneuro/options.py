"""Options: set in code, for a block, or by an environment variable ``PDNEURO_<NAME>``."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Literal, NamedTuple, TypedDict, get_args

from pdneuro.errors import OptionError, did_you_mean

_ADDRESS = "an address such as 'https://host/path', without user name or query"
#: Text for values that are not text.
_WORDS = {"yes": True, "no": False, "never": None, "none": None, "auto": None, "": None}


class Option(NamedTuple):
    """One option: its default, its type for msgspec, what it takes in words, and a description."""

    default: Any
    type: Any
    takes: str
    about: str


@functools.cache
def options() -> Mapping[str, Option]:
    """Return all options by name. Defined on first use, so that the import of pdneuro is light."""
    from msgspec import Meta, defstruct
    from msgspec.structs import fields

    def takes(kind: Any, words: str) -> Any:
        return Annotated[kind, Meta(title=words)]

    url = Annotated[str, Meta(pattern=r"(?i)^https?://[^/?#@\s]+(/[^?#]*)?$")]
    positive = Annotated[float, Meta(gt=0, le=sys.float_info.max)]
    not_negative = Annotated[float, Meta(ge=0, le=sys.float_info.max)]
    text = Annotated[str, Meta(min_length=1)]
    project, address = takes(text | None, "a project name, or None"), takes(url, _ADDRESS)
    server, folder = takes(url | None, _ADDRESS), takes(Path | None, "a folder, or None")
    flag, seconds = takes(bool, "True or False"), takes(positive, "seconds, more than 0")
    bar = takes(bool | None, "True, False, or None for a terminal or notebook")
    count = takes(Annotated[int, Meta(ge=1)], "a whole number, at least 1")
    count_from_0 = takes(Annotated[int, Meta(ge=0)], "a whole number, at least 0")
    rate = takes(positive | None, "requests per second, or None for no limit")
    age = takes(not_negative | None, "seconds, a timedelta, or None for never")
    failing = takes(Literal["raise", "partial"], "'raise' or 'partial'")
    missing = takes(Literal["warn", "raise", "ignore"], "'warn', 'raise' or 'ignore'")
    rows = [
        ("source", project, None, "where segment IDs are looked up"),
        ("braincircuits_url", address, "https://api.braincircuits.io", "the BrainCircuits.io service"),
        ("neuromorpho_url", address, "https://neuromorpho.org/api", "the NeuroMorpho.org service"),
        ("neuromorpho_files_url", address, "https://neuromorpho.org/dableFiles", "its reconstructions"),
        ("neuromorpho_rate", rate, 5.0, "maximum number of requests to NeuroMorpho.org"),
        ("tls_fallback", flag, True, "step down if NeuroMorpho.org's Diffie-Hellman key is short"),
        ("allen_url", address, "https://api.brain-map.org", "the Allen Brain Atlas service"),
        ("allen_files_url", address, "https://download.alleninstitute.org", "Allen Institute files"),
        ("cave_url", server, None, "the CAVE server; by datastack if None"),
        ("neuprint_url", address, "https://neuprint.janelia.org", "the neuPrint server"),
        ("published_url", address, "https://storage.googleapis.com", "published connectomes"),
        (
            "abc_atlas_url",
            address,
            "https://allen-brain-cell-atlas.s3.us-west-2.amazonaws.com",
            "the Allen Brain Cell Atlas",
        ),
        ("sandbox_url", server, None, "the sandbox; data of services at this address are synthetic"),
        ("cache_dir", folder, None, "the cache; the user's own if None"),
        ("expire_after", age, 7 * 86400.0, "age at which a value is downloaded again"),
        ("offline", flag, False, "use the cache alone"),
        ("batch_size", count, 1000, "number of IDs per request"),
        ("max_workers", count, 4, "maximum number of requests at the same time"),
        (
            "timeout",
            seconds,
            60.0,
            "maximum wait for more bytes; five times this for a response",
        ),
        ("retries", count_from_0, 4, "number of retries after a failure"),
        ("progress", bar, None, "the progress bar"),
        ("full_traceback", flag, False, "in notebooks, also show the lines inside pdneuro for an error"),
        ("on_error", failing, "raise", "what to do if some IDs fail"),
        ("on_missing", missing, "warn", "what to do if the service does not know some IDs"),
    ]
    described = [
        (name, Annotated[kind, Meta(description=about)], default) for name, kind, default, about in rows
    ]
    found = {}
    for field in fields(defstruct("Options", described)):
        title, description = get_args(field.type)[-2:]
        found[field.name] = Option(field.default, field.type, title.title, description.description)
    return found


def _converted(name: str, value: Any, origin: str = "") -> Any:
    """Return a value with the type of its option."""
    from msgspec import ValidationError, convert

    if name not in options():
        raise OptionError(
            f"unknown option {name!r}.{did_you_mean(name, options())} The options are "
            f"{', '.join(options())}."
        )
    if name == "source" and not isinstance(value, str):
        return value  # a source object is checked by open_source()
    option, given = options()[name], value
    if isinstance(value, timedelta):
        value = value.total_seconds()
    elif hasattr(value, "item"):  # a number of numpy
        value = value.item()
    elif isinstance(value, str) and name != "source":
        value = _WORDS.get(value.lower(), value)
    if name == "neuromorpho_rate" and value in (0, "0"):
        value = None
    try:
        value = convert(value, option.type, strict=False, dec_hook=lambda kind, text: kind(text))
    except ValidationError:
        # An address may contain a password, so it is not repeated.
        shown = "" if option.takes is _ADDRESS else f", not {given!r}"
        raise OptionError(f"option {name!r}{origin} takes {option.takes}{shown}.") from None
    if isinstance(value, Path):
        # Absolute, so that the cache stays in its place if the working folder changes.
        return value.expanduser().absolute()
    return value.rstrip("/") if option.takes is _ADDRESS and value else value


# -- which value applies -----------------------------------------------------------------------------

_Layer = Mapping[str, Any]
#: Options set for the whole process, the latest at the end.
_process: tuple[_Layer, ...] = ()
#: Options set for a block, which no other thread sees, the latest at the end.
_block: ContextVar[tuple[_Layer, ...]] = ContextVar("pdneuro_options", default=())
_lock = threading.Lock()
#: Time before which values were cached that are requested again; None for all times.
refreshed_since: ContextVar[float | None] = ContextVar("pdneuro_refreshed_since", default=None)


def _without(layers: tuple[_Layer, ...], layer: _Layer) -> tuple[_Layer, ...]:
    return tuple(other for other in layers if other is not layer)


def get_option(name: str, override: Any = None) -> Any:
    """Return the value of an option, or ``override`` (an argument of a call) if it is not None."""
    if override is not None:
        return _converted(name, override)
    for layer in (*reversed(_block.get()), *reversed(_process)):
        if name in layer:
            return layer[name]
    variable = f"PDNEURO_{name.upper()}"
    if os.environ.get(variable):  # an empty variable counts as unset
        return _converted(name, os.environ[variable], f" (environment variable {variable})")
    return options()[name].default


@contextlib.contextmanager
def carried(values: _Layer) -> Iterator[None]:
    """Use the options of another process (from :func:`get_options`) for a block."""
    _block.set((*_block.get(), values))
    try:
        yield
    finally:
        _block.set(_without(_block.get(), values))


def get_options() -> dict[str, Any]:
    """Return all options with their current values.

    Returns
    -------
    dict
        Option name to value. Environment variables ``PDNEURO_<NAME>`` are read at each call.

    Examples
    --------
    >>> pdneuro.get_options()["batch_size"]
    1000
    """
    return {name: get_option(name) for name in options()}


class set_options:  # noqa: N801 - used like a function
    """Set options, for the whole process or for a ``with`` block.

    Options of a block hold in the thread of the block, and in the threads that pdneuro starts for it.
    Other threads are not affected. ``print(pdneuro.set_options())`` shows all values.

    Parameters
    ----------
    **options
        ``source``, ``braincircuits_url``, ``neuromorpho_url``, ``neuromorpho_files_url``,
        ``neuromorpho_rate`` (requests per second), ``tls_fallback``,
        ``allen_url``, ``allen_files_url``, ``cave_url``, ``neuprint_url``, ``published_url``,
        ``abc_atlas_url``, ``sandbox_url``, ``cache_dir``, ``expire_after`` (seconds),
        ``offline``, ``batch_size``, ``max_workers``, ``timeout`` (seconds), ``retries``,
        ``progress``, ``full_traceback``, ``on_error``, ``on_missing``. Each also has an environment
        variable ``PDNEURO_<NAME>``; an option that is set here overrides it.

    Raises
    ------
    OptionError
        A name is unknown, or a value is not valid for its option. Then no option is set.

    Examples
    --------
    >>> with pdneuro.set_options(batch_size=500):
    ...     pdneuro.get_options()["batch_size"]
    500
    """

    def __init__(self, **options: Any) -> None:
        global _process
        self._layer = {name: _converted(name, value) for name, value in options.items()}
        with _lock:
            _process = (*_process, self._layer)
        if _block.get():  # the latest value also holds within a block
            _block.set((*_block.get(), self._layer))

    def _leave_process(self) -> None:
        global _process
        with _lock:
            _process = _without(_process, self._layer)

    def __enter__(self) -> None:
        self._leave_process()
        _block.set((*_without(_block.get(), self._layer), self._layer))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave_process()
        _block.set(_without(_block.get(), self._layer))

    def __repr__(self) -> str:
        lines = [
            f"  {name}={get_option(name)!r}  # {option.about}" for name, option in options().items()
        ]
        return "pdneuro options\n" + "\n".join(lines)


# -- options of one call -----------------------------------------------------------------------------


class FetchKeywords(TypedDict, total=False):
    """The ``**fetch`` arguments of every call that needs a service; each overrides its option."""

    batch_size: int | None
    max_workers: int | None
    refresh: bool
    progress: bool | None
    on_error: str | None
    on_missing: str | None


FETCH_ARGUMENTS = frozenset(FetchKeywords.__annotations__)


class Fetch(NamedTuple):
    """Options of one call: the current options, with the arguments of the call on top."""

    batch_size: int
    max_workers: int
    refresh: bool
    progress: bool | None
    on_error: str
    on_missing: str
    expire_after: float | None
    offline: bool
    timeout: float
    retries: int
    #: Whether the user chose the batch size; otherwise a service may use its own.
    has_batch_size: bool = False
    #: See :data:`refreshed_since`.
    since: float | None = None

    @property
    def max_age(self) -> float | None:
        """Return how many seconds ago a value that is used may have been cached; None for any age."""
        return self.expire_after if self.since is None else time.time() - self.since

    @classmethod
    def of(cls, **call: Any) -> Fetch:
        """Return the current options, overridden by the ``**fetch`` arguments of a call."""
        for name in sorted(call.keys() - FETCH_ARGUMENTS):
            raise TypeError(
                f"unexpected argument {name!r}.{did_you_mean(name, FETCH_ARGUMENTS)} The arguments are "
                f"{', '.join(sorted(FETCH_ARGUMENTS))}."
            )
        refresh, default = bool(call.pop("refresh", False)), options()["batch_size"].default
        chosen = call.get("batch_size") is not None or get_option("batch_size") != default
        names = [name for name in cls._fields if name not in ("refresh", "has_batch_size", "since")]
        values: dict[str, Any] = {name: get_option(name, call.get(name)) for name in names}
        since = refreshed_since.get()
        return cls(refresh=refresh, has_batch_size=chosen, since=since, **values)
