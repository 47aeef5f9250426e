"""Options: set in code, for a block, or by an environment variable ``PDNEURO_<NAME>``."""

# Without "from __future__ import annotations": msgspec reads the types of a class in a function.

import contextlib
import functools
import os
import sys
import threading
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
    from msgspec import Meta, Struct
    from msgspec.structs import fields

    def kind(of: Any, takes: str) -> Any:
        return Annotated[of, Meta(title=takes)]

    def about(of: Any, text: str) -> Any:
        return Annotated[of, Meta(description=text)]

    url = Annotated[str, Meta(pattern=r"(?i)^https?://[^/?#@\s]+(/[^?#]*)?$")]
    more_than_0 = Annotated[float, Meta(gt=0, le=sys.float_info.max)]
    from_0 = Annotated[float, Meta(ge=0, le=sys.float_info.max)]
    project = kind(Annotated[str, Meta(min_length=1)] | None, "a project name, or None")
    address, server = kind(url, _ADDRESS), kind(url | None, _ADDRESS)
    folder = kind(Path | None, "a folder, or None")
    flag = kind(bool, "True or False")
    bar = kind(bool | None, "True, False, or None for a terminal or notebook")
    count = kind(Annotated[int, Meta(ge=1)], "a whole number, at least 1")
    count_from_0 = kind(Annotated[int, Meta(ge=0)], "a whole number, at least 0")
    rate = kind(more_than_0 | None, "requests per second, or None for no limit")
    age = kind(from_0 | None, "seconds, a timedelta, or None for never")
    seconds = kind(more_than_0, "seconds, more than 0")
    failing = kind(Literal["raise", "partial"], "'raise' or 'partial'")
    missing = kind(Literal["warn", "raise", "ignore"], "'warn', 'raise' or 'ignore'")
    dables, files = "https://neuromorpho.org/dableFiles", "https://download.alleninstitute.org"

    class Options(Struct):
        source: about(project, "where segment IDs are looked up") = None
        braincircuits_url: about(address, "the BrainCircuits.io service") = (
            "https://api.braincircuits.io"
        )
        neuromorpho_url: about(address, "the NeuroMorpho.org service") = "https://neuromorpho.org/api"
        neuromorpho_files_url: about(address, "NeuroMorpho.org reconstructions") = dables
        neuromorpho_rate: about(rate, "maximum number of requests to NeuroMorpho.org") = 5.0
        tls_fallback: about(flag, "step down if NeuroMorpho.org's Diffie-Hellman key is short") = True
        allen_url: about(address, "the Allen Brain Atlas service") = "https://api.brain-map.org"
        allen_files_url: about(address, "Allen Institute files") = files
        cave_url: about(server, "the CAVE server; by datastack if None") = None
        cache_dir: about(folder, "the cache; the user's own if None") = None
        expire_after: about(age, "age at which a value is downloaded again") = 7 * 86400.0
        offline: about(flag, "use the cache alone") = False
        batch_size: about(count, "number of IDs per request") = 1000
        max_workers: about(count, "maximum number of requests at the same time") = 4
        timeout: about(seconds, "maximum wait for a connection or more bytes") = 60.0
        retries: about(count_from_0, "number of retries after a failure") = 4
        progress: about(bar, "the progress bar") = None
        on_error: about(failing, "what to do if some IDs fail") = "raise"
        on_missing: about(missing, "what to do if the service does not know some IDs") = "warn"

    found = {}
    for field in fields(Options):
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
        ``allen_url``, ``allen_files_url``, ``cave_url``, ``cache_dir``, ``expire_after`` (seconds),
        ``offline``, ``batch_size``, ``max_workers``, ``timeout`` (seconds), ``retries``,
        ``progress``, ``on_error``, ``on_missing``. Each also has an environment variable
        ``PDNEURO_<NAME>``; an option that is set here overrides it.

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

    @classmethod
    def of(cls, **call: Any) -> "Fetch":
        """Return the current options, overridden by the ``**fetch`` arguments of a call."""
        for name in sorted(call.keys() - FETCH_ARGUMENTS):
            raise TypeError(
                f"unexpected argument {name!r}.{did_you_mean(name, FETCH_ARGUMENTS)} The arguments are "
                f"{', '.join(sorted(FETCH_ARGUMENTS))}."
            )
        refresh = bool(call.pop("refresh", False))
        return cls(
            refresh=refresh,
            **{name: get_option(name, call.get(name)) for name in cls._fields if name != "refresh"},
        )
