"""Options: set in code, for a block, or by an environment variable ``PDNEURO_<NAME>``."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, NamedTuple, TypedDict
from urllib.parse import urlsplit

from pdneuro.errors import OptionError, did_you_mean


class Option(NamedTuple):
    """One option: its default, what it takes (in words), the check, and a sentence about it."""

    default: Any
    takes: str
    check: Callable[[Any], Any]
    about: str


def _require(good: bool) -> None:
    if not good:
        raise ValueError


def _text(value: Any) -> Any:
    # Anything but text is taken for a source object, which open_source() checks.
    _require(value is None or value != "")
    return value


def _url(value: Any) -> str:
    parts = urlsplit(value)
    # A user name or query in the address would be a secret in every error and cache key.
    _require(parts.scheme in ("http", "https") and bool(parts.hostname))
    _require(not parts.query and parts.username is None)
    return str(value).rstrip("/")


def _optional_url(value: Any) -> str | None:
    return _url(value) if value else None


def _folder(value: Any) -> Path | None:
    # Absolute, so that the cache stays where it is when the working folder changes.
    return Path(value).expanduser().absolute() if value else None


def _seconds(value: Any) -> float:
    if isinstance(value, timedelta):
        value = value.total_seconds()
    _require(not isinstance(value, bool))
    seconds = float(value)
    _require(0 <= seconds < float("inf"))
    return seconds


def _age(value: Any) -> float | None:
    return None if value is None or str(value).lower() in ("never", "none") else _seconds(value)


def _rate(value: Any) -> float | None:
    return None if value is None or str(value).lower() in ("none", "0") else _timeout(value)


def _timeout(value: Any) -> float:
    seconds = _seconds(value)
    _require(seconds > 0)
    return seconds


def _whole(lowest: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        _require(not isinstance(value, bool))
        number = int(value)
        _require(number >= lowest and number == float(value))
        return number

    return check


def _flag(value: Any) -> bool:
    words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    _require(isinstance(value, bool) or str(value).lower() in words)
    return value if isinstance(value, bool) else words[str(value).lower()]


def _optional_flag(value: Any) -> bool | None:
    return None if value is None or str(value).lower() in ("auto", "none") else _flag(value)


def _one_of(*choices: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        _require(value in choices)
        return str(value)

    return check


_ADDRESS = "an address such as 'https://host/path', without user name or query"

OPTIONS: Mapping[str, Option] = {
    "source": Option(None, "a project name, or None", _text, "where segment IDs are looked up"),
    "braincircuits_url": Option(
        "https://api.braincircuits.io", _ADDRESS, _url, "the BrainCircuits.io service"
    ),
    "neuromorpho_url": Option(
        "https://neuromorpho.org/api", _ADDRESS, _url, "the NeuroMorpho.org service"
    ),
    "neuromorpho_files_url": Option(
        "https://neuromorpho.org/dableFiles", _ADDRESS, _url, "NeuroMorpho.org reconstructions"
    ),
    "neuromorpho_rate": Option(
        5.0, "requests a second, or None for no limit", _rate, "how often NeuroMorpho.org is asked"
    ),
    "tls_fallback": Option(
        True, "True or False", _flag, "step down where NeuroMorpho.org's Diffie-Hellman key is short"
    ),
    "allen_url": Option("https://api.brain-map.org", _ADDRESS, _url, "the Allen Brain Atlas service"),
    "allen_files_url": Option(
        "https://download.alleninstitute.org", _ADDRESS, _url, "Allen Institute files"
    ),
    "cave_url": Option(None, _ADDRESS, _optional_url, "the CAVE server; by datastack when None"),
    "cache_dir": Option(None, "a folder, or None", _folder, "the cache; the user's own when None"),
    "expire_after": Option(
        7 * 86400.0, "seconds, a timedelta, or None for never", _age, "when an answer is asked again"
    ),
    "offline": Option(False, "True or False", _flag, "answer from the cache alone"),
    "batch_size": Option(1000, "a whole number, at least 1", _whole(1), "IDs in one request"),
    "max_workers": Option(4, "a whole number, at least 1", _whole(1), "requests under way at once"),
    "timeout": Option(60.0, "seconds, more than 0", _timeout, "wait for a connection or more bytes"),
    "retries": Option(4, "a whole number, at least 0", _whole(0), "further tries after a failure"),
    "progress": Option(
        None, "True, False, or None for a terminal or notebook", _optional_flag, "the progress bar"
    ),
    "on_error": Option(
        "raise", "'raise' or 'partial'", _one_of("raise", "partial"), "when some IDs cannot be fetched"
    ),
    "on_missing": Option(
        "warn",
        "'warn', 'raise' or 'ignore'",
        _one_of("warn", "raise", "ignore"),
        "when the service does not know some IDs",
    ),
}

_set: dict[str, Any] = {}
_carried: ContextVar[Mapping[str, Any]] = ContextVar("pdneuro_options", default=MappingProxyType({}))


def _checked(name: str, value: Any, origin: str = "") -> Any:
    if name not in OPTIONS:
        raise OptionError(
            f"unknown option {name!r}.{did_you_mean(name, OPTIONS)} The options are "
            f"{', '.join(OPTIONS)}."
        )
    option = OPTIONS[name]
    try:
        return option.check(value)
    except (ValueError, TypeError, OverflowError, AttributeError):
        # An address may hold a password, so it is not repeated.
        given = "" if option.takes is _ADDRESS else f", not {value!r}"
        raise OptionError(f"option {name!r}{origin} takes {option.takes}{given}.") from None


def get_option(name: str, override: Any = None) -> Any:
    """Value of one option; ``override`` (a call's own argument), when not None, is checked and wins."""
    if override is not None:
        return _checked(name, override)
    if name in _carried.get():
        return _carried.get()[name]
    if name in _set:
        return _set[name]
    variable = f"PDNEURO_{name.upper()}"
    if os.environ.get(variable):  # an empty variable counts as unset
        return _checked(name, os.environ[variable], f" (environment variable {variable})")
    return OPTIONS[name].default


@contextlib.contextmanager
def carried(options: Mapping[str, Any]) -> Iterator[None]:
    """Use options of another process (from :func:`get_options`) in this thread, for a block."""
    mark = _carried.set(options)
    try:
        yield
    finally:
        _carried.reset(mark)


def get_options() -> dict[str, Any]:
    """All options and the values in force.

    Returns
    -------
    dict
        Option name to value. Environment variables ``PDNEURO_<NAME>`` are read at this moment.

    Examples
    --------
    >>> pdneuro.get_options()["batch_size"]
    1000
    """
    return {name: get_option(name) for name in OPTIONS}


class set_options:  # noqa: N801 - reads as a function, and is one with a way back
    """Set options, for good or for a ``with`` block.

    Parameters
    ----------
    **options
        ``source``, ``braincircuits_url``, ``neuromorpho_url``, ``neuromorpho_files_url``,
        ``neuromorpho_rate`` (requests a second), ``tls_fallback``,
        ``allen_url``, ``allen_files_url``, ``cave_url``, ``cache_dir``, ``expire_after`` (seconds),
        ``offline``, ``batch_size``, ``max_workers``, ``timeout`` (seconds), ``retries``,
        ``progress``, ``on_error``, ``on_missing``. Each also has an environment variable
        ``PDNEURO_<NAME>``, which an option set here overrules.

    Raises
    ------
    OptionError
        An unknown name, or a value that the option does not take. Nothing is set then.

    Examples
    --------
    >>> with pdneuro.set_options(batch_size=500):
    ...     pdneuro.get_options()["batch_size"]
    500
    """

    def __init__(self, **options: Any) -> None:
        checked = {name: _checked(name, value) for name, value in options.items()}
        self._before = {name: _set[name] for name in checked if name in _set}
        self._names = tuple(checked)
        _set.update(checked)

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for name in self._names:
            _set.pop(name, None)
        _set.update(self._before)

    def __repr__(self) -> str:
        lines = [f"  {name}={value!r}  # {OPTIONS[name].about}" for name, value in get_options().items()]
        return "pdneuro options\n" + "\n".join(lines)


class FetchKeywords(TypedDict, total=False):
    """The ``**fetch`` arguments of every call that asks a service; each overrules its option."""

    batch_size: int | None
    max_workers: int | None
    refresh: bool
    progress: bool | None
    on_error: str | None
    on_missing: str | None


FETCH_ARGUMENTS = frozenset(FetchKeywords.__annotations__)


class Fetch(NamedTuple):
    """How a question is asked: the options in force, with the call's own arguments on top."""

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
    def of(cls, **call: Any) -> Fetch:
        """Options in force, overruled by the ``**fetch`` arguments of a call."""
        unknown = sorted(call.keys() - FETCH_ARGUMENTS)
        if unknown:
            raise TypeError(
                f"unexpected argument {unknown[0]!r}; it takes {', '.join(sorted(FETCH_ARGUMENTS))}."
            )
        refresh = bool(call.pop("refresh", False))
        return cls(
            refresh=refresh,
            **{name: get_option(name, call.get(name)) for name in cls._fields if name != "refresh"},
        )
