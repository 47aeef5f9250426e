"""Tokens: where they come from, one file each, readable only by the owner; or in memory."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from types import TracebackType
from typing import NamedTuple
from urllib.parse import urlsplit

import pandas as pd

from pdneuro._atomic import overwrite
from pdneuro.errors import (
    InvalidTokenError,
    MissingTokenError,
    TokenFileError,
    UnknownServiceError,
    did_you_mean,
    listing,
)
from pdneuro.options import get_option

__all__ = ["forget", "get", "save", "status", "use"]

#: CAVE server of each well-known datastack, and the variable its users' set-up pages teach.
CAVE_SERVERS = {
    "minnie65_public": "global.daf-apis.com",
    "minnie65_phase3_v1": "global.daf-apis.com",
    "flywire_fafb_public": "global.daf-apis.com",
    "flywire_fafb_production": "global.daf-apis.com",
    "fanc_production_mar2021": "global.daf-apis.com",
    "v1dd_public": "global.em.brain.allentech.org",
    "v1dd": "global.em.brain.allentech.org",
}
_CAVE_DEFAULT = "global.daf-apis.com"
#: Known neuPrint servers: each has its own tokens. The first is that of the variables.
NEUPRINT_SERVERS = (
    "neuprint.janelia.org",
    "neuprint-cns.janelia.org",
    "neuprint-fish2.janelia.org",
    "neuprint-yakuba.janelia.org",
    "neuprint-pre.janelia.org",
)
#: In front of the host of a neuPrint server in its key.
_NEUPRINT = "neuprint@"
_VARIABLES = {
    "braincircuits": ("PDNEURO_BRAINCIRCUITS_TOKEN",),
    "cave": ("PDNEURO_CAVE_TOKEN",),
    "neuprint": ("PDNEURO_NEUPRINT_TOKEN", "NEUPRINT_APPLICATION_CREDENTIALS"),
    "global.daf-apis.com": ("API_SECRET_microns", "PDNEURO_CAVE_TOKEN"),
    "global.em.brain.allentech.org": ("API_SECRET_v1dd",),
}
#: Hosts of BrainCircuits.io: its website and its servers.
_BRAINCIRCUITS = re.compile(r"(?:[\w-]+\.)*braincircuits\.io")
#: Hosts of Janelia's neuPrint servers.
_JANELIA = re.compile(r"neuprint[\w-]*\.janelia\.org")
#: Services that take no token.
_WITHOUT_TOKEN = re.compile(r"allen|neuromorpho|(?:[\w-]+\.)*(?:neuromorpho\.org|brain-map\.org)")
_PORTS = {"https": ":443", "http": ":80", "": ":443"}


class _Found(NamedTuple):
    token: str
    origin: str


class _Layer(NamedTuple):
    """Tokens in memory, by key. Later layers come first."""

    number: int
    tokens: Mapping[str, str]
    #: Whether no other token is used: no earlier layer, variable or file.
    only: bool


_number = itertools.count()
#: Layers of the whole process.
_process: tuple[_Layer, ...] = ()
#: Layers of ``with`` blocks, which other threads do not see.
_block: ContextVar[tuple[_Layer, ...]] = ContextVar("pdneuro_tokens", default=())
_lock = threading.Lock()


def get(service: str) -> str | None:
    """Return the token for a service, None if there is none.

    It is looked up in this order: memory (:func:`use`), an environment variable, pdneuro's own file, and
    for CAVE the files that its own client reads under ``~/.cloudvolume/secrets``. A variable that is set
    to empty text means that there is no token: files are not read. A token belongs to one server:
    ``"neuprint"`` is the server of the option ``neuprint_url`` at this moment.

    Parameters
    ----------
    service : str
        ``"braincircuits"``, ``"cave"`` (the default CAVE server), ``"neuprint"``, the address of a CAVE
        or neuPrint server, or a datastack (``"v1dd_public"`` or ``"cave:v1dd_public"``). A token of one
        server is never used for another.

    Returns
    -------
    str or None

    Raises
    ------
    InvalidTokenError
        An environment variable or a file for the token does not contain a valid token.
    UnknownServiceError
        The name is not that of a service, a server or a datastack.

    Examples
    --------
    >>> pdneuro.tokens.get("https://cave.example.org") is None
    True
    """
    found = _find(_key(service))
    return found.token if found else None


def origin(service: str) -> str:
    """Return where the token for a service comes from, "" if there is none; never the token."""
    found = _described(service)
    return found.origin if found else ""


def for_braincircuits() -> str | None:
    """Return the CAVE token for BrainCircuits.io: ``"cave"``, and never one saved for a server alone."""
    found = _find("cave", ("cave",))
    return found.token if found else None


def require(service: str) -> str:
    """Return the token for a service; raise MissingTokenError if there is none."""
    token = get(service)
    if token is None:
        variable = next(iter(_variables(_key(service))), "")
        raise MissingTokenError(
            f"no token for {service!r} is set" + (f" (nor in {variable})" if variable else "") + "."
        )
    return token


def is_default_neuprint() -> bool:
    """Return whether the option ``neuprint_url`` is the first of the known servers."""
    return neuprint_host() == NEUPRINT_SERVERS[0]


def cave_host(datastack: str) -> str:
    """Return the server of a CAVE datastack; the default server if the datastack is not known."""
    return CAVE_SERVERS.get(datastack.lower(), _CAVE_DEFAULT)


def require_cave(datastack: str, server: str) -> str:
    """Return the token for a datastack on a server; raise an error that says where to get one.

    The server's own token comes first. The token of a datastack's home goes to a server that the user
    chose, and never to the other of the two that are known.
    """
    host, home = _key(server), cave_host(datastack)
    known = datastack in CAVE_SERVERS
    service = datastack if known and host == home else server
    page = f"{server}/sticky_auth/settings/tokens"
    save_it = f"pdneuro.tokens.save({service!r}, token)"
    try:
        token = get(service)
    except InvalidTokenError as error:
        message = f"{error.message} A new token is at {page}; keep it with {save_it}."
        raise InvalidTokenError(message) from None
    if token is None and host not in CAVE_SERVERS.values():
        # A server of the user's own choice: the token of the datastack's home, or the general one.
        found = _find(_key(datastack)) if known else _in_memory_or_variable("cave", ("cave",))
        token = found.token if found else None
    if token is None:
        service = datastack if known else server
        names = _variables(_key(service))
        raise MissingTokenError(
            f"no token for the CAVE datastack {datastack!r} is set"
            + (f" (nor in {' or '.join(names)})" if names else "")
            + f".{'' if known else did_you_mean(datastack, CAVE_SERVERS)} Get one at {page} and keep "
            f"it with pdneuro.tokens.save({service!r}, token)."
        )
    return token


def save(service: str, token: str) -> None:
    """Save a token for later sessions, in a file of mode 0600.

    Parameters
    ----------
    service : str
        ``"braincircuits"``, ``"cave"``, ``"neuprint"``, the address of a server or a datastack.
    token : str
        The token. Blanks at its ends are dropped.

    Raises
    ------
    ValueError
        The token is empty, or holds blanks or characters that no header takes.
    UnknownServiceError
        The name is not that of a service, a server or a datastack.
    TokenFileError
        The file cannot be written. :func:`use` needs no file.

    See Also
    --------
    use : Use a token without saving it.
    pdneuro.setup : Type a token, save and check it.

    Examples
    --------
    >>> pdneuro.tokens.save("cave:v1dd_public", "not-a-real-token")
    >>> pdneuro.tokens.forget("v1dd_public")
    True
    """
    key, token = _key(service), clean(token)
    path = _path(key)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A temporary file would keep the token if this process were killed.
        overwrite(path, json.dumps({"token": token}).encode())
        _delete(_leftovers(path))
    except OSError as error:
        raise TokenFileError(
            f"the token cannot be saved in {path} ({error.strerror}). To use it without a file: "
            f"pdneuro.tokens.use({service!r}, token)."
        ) from error


def forget(service: str) -> bool:
    """Delete the token of a service from its files and from memory.

    Environment variables and the files of CAVE's own client stay; :func:`status` lists them.

    Returns
    -------
    bool
        Whether there was one.

    Raises
    ------
    UnknownServiceError
        The name is not that of a service, a server or a datastack.
    TokenFileError
        A file cannot be deleted.

    Examples
    --------
    >>> pdneuro.tokens.forget("braincircuits")
    False
    """
    names = _names(_key(service))
    existed = _forget_in_memory(names)
    for path in map(_path, names):
        try:
            existed |= _delete([path, *_leftovers(path)])
        except OSError as error:
            raise TokenFileError(f"{path} cannot be deleted ({error.strerror}).") from error
    return existed


class use:  # noqa: N801 - used like a function
    """Use a token without saving it: for this session, or for a ``with`` block.

    It comes before all variables and files. The token of a block is used in the thread of the block, and
    in the threads that pdneuro starts for it; the token of a session in all threads.

    Parameters
    ----------
    service : str
        ``"braincircuits"``, ``"cave"``, ``"neuprint"``, the address of a server or a datastack.
    token : str
        The token, such as a secret of your platform under any name.

    Raises
    ------
    ValueError
        The token is empty, or holds blanks or characters that no header takes.
    UnknownServiceError
        The name is not that of a service, a server or a datastack.

    See Also
    --------
    save : Save a token for later sessions.
    forget : End the use of a token.

    Examples
    --------
    >>> with pdneuro.tokens.use("cave:v1dd_public", "not-a-real-token"):
    ...     pdneuro.tokens.get("v1dd_public")
    'not-a-real-token'
    """

    def __init__(self, service: str, token: str) -> None:
        self._layer = _Layer(next(_number), {_key(service): clean(token)}, only=False)
        self._add_to_process()

    def _add_to_process(self) -> None:
        global _process
        with _lock:
            _process = (*_process, self._layer)

    def _remove(self) -> None:
        global _process
        with _lock:
            _process = tuple(layer for layer in _process if layer is not self._layer)
        _block.set(tuple(layer for layer in _block.get() if layer is not self._layer))

    def __enter__(self) -> None:
        self._remove()
        _block.set((*_block.get(), self._layer))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._remove()

    def __repr__(self) -> str:
        return f"<token of {', '.join(self._layer.tokens)}, in memory>"


def status() -> pd.DataFrame:
    """Return whether a token is set for each known service, and where it comes from; never the token.

    Returns
    -------
    DataFrame
        ``service``, ``set`` (bool), ``origin`` (text, missing when unset; ``"unusable: ..."`` for a
        variable or a file that holds no token).

    Examples
    --------
    >>> pdneuro.tokens.status()["service"].tolist()[:2]
    ['braincircuits', 'cave']
    """
    known = ["braincircuits", "cave", "neuprint", *CAVE_SERVERS.values()]
    services = [*dict.fromkeys([*known, *(key for key in _saved() if key != _key("neuprint"))])]
    found = [_described(service) for service in services]
    return pd.DataFrame(
        {
            "service": services,
            "set": [entry is not None and bool(entry.token) for entry in found],
            "origin": [entry.origin if entry else None for entry in found],
        }
    )


def _described(service: str) -> _Found | None:
    try:
        key = _key(service)
        # The row "cave" is the token that BrainCircuits.io may receive.
        return _find(key, ("cave",) if service == "cave" else ())
    except InvalidTokenError as error:
        return _Found("", f"unusable: {error.message}")
    except UnknownServiceError:
        return _Found("", f"unusable: file {_path(service)} is not for a service that pdneuro knows.")


def fingerprint(*tokens: str | None) -> str:
    """Return a short one-way hash of credentials: values of different tokens are cached apart."""
    text = "\0".join(token or "" for token in tokens)
    return hashlib.blake2b(text.encode(), digest_size=8, person=b"pdneuro").hexdigest()


@contextlib.contextmanager
def overridden(*, only: bool = False, **tokens: str) -> Iterator[None]:
    """Use these tokens for a block, in all threads; with ``only``, no other token is used.

    The sandbox uses ``only``, so that it never receives a token of the user.
    """
    global _process
    by_key = {_key(service): token for service, token in tokens.items()}
    layer = _Layer(next(_number), by_key, only)
    with _lock:
        _process = (*_process, layer)
    try:
        yield
    finally:
        with _lock:
            _process = tuple(other for other in _process if other is not layer)


def _forget_in_memory(names: Sequence[str]) -> bool:
    """Remove the tokens of :class:`use`; those of the sandbox stay."""
    global _process

    def without(layers: tuple[_Layer, ...]) -> tuple[_Layer, ...]:
        return tuple(layer for layer in layers if layer.only or not set(layer.tokens) & set(names))

    with _lock:
        before = len(_process) + len(_block.get())
        _process = without(_process)
        _block.set(without(_block.get()))
        return len(_process) + len(_block.get()) < before


def _names(key: str) -> tuple[str, ...]:
    """Return the keys under which the token of a key may be: its own, then the general one."""
    if key.startswith(_NEUPRINT):  # a token may be saved for an address, as for a CAVE server
        return (key, key.removeprefix(_NEUPRINT))
    if key == _CAVE_DEFAULT:
        return (key, "cave")
    return ("cave", _CAVE_DEFAULT) if key == "cave" else (key,)


def _find(key: str, names: Sequence[str] = ()) -> _Found | None:
    names = names or _names(key)
    found, only = _in_memory(names)
    if found or only:
        return found
    unusable = []
    # The general token comes first under its own name, and last for its server.
    for name in names:
        found = _in_variable(name)
        if found:
            return found
        if any(os.environ.get(variable) == "" for variable in _variables(name)):
            return None  # set to nothing: files are not searched either
        for path in (_path(name), *(_cave_files(name) if name == names[-1] else ())):
            try:
                token = _read(path)
            except InvalidTokenError as error:  # another file may have one
                unusable.append(error.message)
                continue
            if token is not None:
                return _Found(token, f"file {path}")
    if unusable:
        raise InvalidTokenError(" ".join(unusable))
    return None


def _in_memory(names: Sequence[str]) -> tuple[_Found | None, bool]:
    """Return the token in memory, and whether no other may be used."""
    tokens: dict[str, str] = {}
    only = False
    for layer in sorted((*_process, *_block.get())):
        if layer.only:
            tokens, only = {}, True
        tokens.update(layer.tokens)
    found = next((_Found(tokens[name], "this session") for name in names if name in tokens), None)
    return found, only


def _in_variable(name: str) -> _Found | None:
    for variable in _variables(name):
        if os.environ.get(variable, "").strip():
            return _found(_bare(os.environ[variable], variable), f"environment variable {variable}")
    return None


def _variables(key: str) -> tuple[str, ...]:
    """Return the environment variables that may hold the token of a key."""
    host = key.removeprefix(_NEUPRINT)
    if host == key:
        return _VARIABLES.get(key, ())
    # As for CAVE, a variable is for the first server, or for one that the user chose.
    return () if host in NEUPRINT_SERVERS[1:] else _VARIABLES["neuprint"]


def _bare(text: str, variable: str) -> str:
    """Return the token of a variable that holds it bare or as JSON; no part of it is in a message."""
    if not text.lstrip().startswith("{"):
        return text
    try:
        token = json.loads(text)["token"]
    except (ValueError, KeyError):  # the chained error would hold the content
        raise InvalidTokenError(
            f"environment variable {variable} holds JSON without a token. It should be "
            '{"token": "..."}, or the token alone.'
        ) from None
    return token if isinstance(token, str) else ""


def _in_memory_or_variable(key: str, names: Sequence[str]) -> _Found | None:
    found, only = _in_memory(names)
    return found if found or only else _in_variable(key)


def _read(path: Path) -> str | None:
    """Return the token in a file, None if there is no file. No part of a value is in the message."""

    def unusable(reason: str) -> InvalidTokenError:
        return InvalidTokenError(
            f'file {path} holds no token: {reason}. It should be {{"token": "..."}}.'
        )

    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise unusable(f"it cannot be read ({error.strerror})") from None
    if not content.strip():
        raise unusable("it is empty")
    try:
        found = json.loads(content)  # detects UTF-8, UTF-16 and byte-order marks
    except ValueError:  # the chained error would hold the content
        raise unusable("it is not JSON") from None
    if not isinstance(found, dict):
        raise unusable(f"it is JSON, but a {type(found).__name__} and not an object")
    if "token" not in found:
        keys = listing(repr(str(key)[:40]) for key in found) or "none"
        raise unusable(f"it has no key 'token'; its keys are {keys}")
    try:
        return clean(found["token"])
    except ValueError as error:
        raise unusable(str(error).rstrip(".")) from None


def _found(token: str, origin: str) -> _Found:
    try:
        return _Found(clean(token), origin)
    except ValueError as error:
        raise InvalidTokenError(f"{origin}: {error}") from None


def _key(service: str) -> str:
    """Return one key per credential: ``braincircuits``, ``cave``, or the host of a server."""
    name = service.strip().lower() if isinstance(service, str) else ""
    if name == "neuprint" or name.startswith((_NEUPRINT, "neuprint:")):
        return _NEUPRINT + neuprint_host(name.removeprefix("neuprint:"))
    if name == "cave" or name == "braincircuits" or name.startswith("braincircuits:"):
        return name.partition(":")[0]
    given, name = name, name.removeprefix("cave:").partition("@")[0] if "://" not in name else name
    if name in CAVE_SERVERS:
        return CAVE_SERVERS[name]
    host = _host(name)
    if _BRAINCIRCUITS.fullmatch(host):
        return "braincircuits"
    if _JANELIA.fullmatch(host):
        return _NEUPRINT + host
    if _WITHOUT_TOKEN.fullmatch(name) or _WITHOUT_TOKEN.fullmatch(host):
        raise UnknownServiceError(f"{service!r} takes no token.")
    if given.startswith("cave:") or not host:
        raise UnknownServiceError(
            f"unknown service {service!r}.{did_you_mean(name, (*CAVE_SERVERS, 'neuprint'))} Use "
            "'braincircuits', 'cave', 'neuprint', the address of a CAVE or neuPrint server, or a "
            f"datastack ({', '.join(CAVE_SERVERS)})."
        )
    return host


def neuprint_host(name: str = "") -> str:
    """Return the host of a neuPrint server: in its key, of an address, or that of the option."""
    address = name.removeprefix(_NEUPRINT) if name.startswith(_NEUPRINT) or "://" in name else ""
    return _host(address or str(get_option("neuprint_url")).lower())


def _host(address: str) -> str:
    """Return the host of an address, with its port unless that is the default; "" if it is not one."""
    with contextlib.suppress(ValueError):  # such as an unclosed bracket
        parts = urlsplit(address if "://" in address else f"//{address}")
        host = parts.netloc.rpartition("@")[2].removesuffix(_PORTS.get(parts.scheme, ""))
        host = host.removesuffix(".")
        # A word alone is not an address: it would be saved for a server that no query uses.
        is_word = "://" not in address and not re.search(r"[.:]|^localhost$", host)
        if not is_word and re.fullmatch(r"[a-z0-9](?:[\w-]|\.(?=[\w-]))*(:\d+)?", host):
            return host
    return ""


def clean(token: str) -> str:
    """Return a token without spaces at its ends, or raise ValueError if it is not a token."""
    token = token.strip() if isinstance(token, str) else ""
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError(
            "a token is one word of printable ASCII characters; this one is empty, or contains spaces "
            "or other characters."
        )
    return token


def _folder() -> Path:
    import platformdirs

    return Path(platformdirs.user_config_dir("pdneuro", appauthor=False)) / "tokens"


def _path(key: str) -> Path:
    return _folder() / f"{key.replace(':', '_')}.json"


def _saved() -> list[str]:
    # A colon before the port of a host is an underscore in the name of its file.
    return sorted(re.sub(r"_(?=\d+$)", ":", path.stem) for path in _folder().glob("*.json"))


def _leftovers(path: Path) -> list[Path]:
    """Return temporary files that an earlier version left when it was killed."""
    return [*path.parent.glob(f"{path.name}.*.part"), *path.parent.glob(f".{path.name}.*.part")]


def _delete(paths: Sequence[Path]) -> bool:
    """Delete files; return whether one existed."""
    existed = False
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
            existed = True
    return existed


def _cave_files(key: str) -> list[Path]:
    folder = Path.home() / ".cloudvolume" / "secrets"
    if key == "braincircuits":
        return []
    if key in ("cave", _CAVE_DEFAULT):
        names = [f"{_CAVE_DEFAULT}-cave-secret.json", "cave-secret.json", "chunkedgraph-secret.json"]
    else:
        names = [f"{key}-cave-secret.json"]
    return [folder / name for name in names]
