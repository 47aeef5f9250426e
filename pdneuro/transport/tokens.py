"""Tokens: where they come from, one file each, readable by the owner alone."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pandas as pd

from pdneuro._atomic import replacing
from pdneuro.errors import InvalidTokenError, MissingTokenError, did_you_mean, listing

__all__ = ["forget", "get", "save", "status"]

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
_VARIABLES = {
    "braincircuits": ("PDNEURO_BRAINCIRCUITS_TOKEN",),
    "cave": ("PDNEURO_CAVE_TOKEN",),
    "global.daf-apis.com": ("API_SECRET_microns", "PDNEURO_CAVE_TOKEN"),
    "global.em.brain.allentech.org": ("API_SECRET_v1dd",),
}
_overrides: dict[str, str] = {}


class _Found(NamedTuple):
    token: str
    origin: str


def get(service: str) -> str | None:
    """The token for a service, None when there is none.

    Looked up in this order: an environment variable, pdneuro's own file, and for CAVE the files that
    its own client reads under ``~/.cloudvolume/secrets``.

    Parameters
    ----------
    service : str
        ``"braincircuits"``, ``"cave"`` (the default CAVE server), a CAVE server's address or a
        datastack. A token of one CAVE server is never used for another.

    Returns
    -------
    str or None

    Raises
    ------
    InvalidTokenError
        An environment variable or a file for the token has no valid token.

    Examples
    --------
    >>> pdneuro.tokens.get("https://cave.example.org") is None
    True
    """
    found = _find(_key(service))
    return found.token if found else None


def require(service: str) -> str:
    """The token for a service, or a :class:`MissingTokenError` that says how to set one."""
    token = get(service)
    if token is None:
        variable = _VARIABLES.get(_key(service), ("",))[0]
        raise MissingTokenError(
            f"no token for {service!r} is set" + (f" (nor in {variable})" if variable else "") + "."
        )
    return token


def cave_host(datastack: str) -> str:
    """The server of a CAVE datastack; the default one where the datastack is not known."""
    return CAVE_SERVERS.get(datastack, _CAVE_DEFAULT)


def require_cave(datastack: str, server: str) -> str:
    """The token for a datastack on a server, or an error that says where to get one.

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
        token = get(datastack) if known else os.environ.get("PDNEURO_CAVE_TOKEN", "").strip() or None
    if token is None:
        service = datastack if known else server
        names = _VARIABLES.get(_key(service), ())
        raise MissingTokenError(
            f"no token for the CAVE datastack {datastack!r} is set"
            + (f" (nor in {' or '.join(names)})" if names else "")
            + f".{'' if known else did_you_mean(datastack, CAVE_SERVERS)} Get one at {page} and keep "
            f"it with pdneuro.tokens.save({service!r}, token)."
        )
    return token


def save(service: str, token: str) -> None:
    """Keep a token for later sessions, in a file of mode 0600.

    Parameters
    ----------
    service : str
        ``"braincircuits"``, ``"cave"``, the address of a CAVE server or a datastack.
    token : str
        The token. Blanks at its ends are dropped.

    Raises
    ------
    ValueError
        The token is empty, or holds blanks or characters that no header takes.

    Examples
    --------
    >>> pdneuro.tokens.save("braincircuits", "not-a-real-token")
    >>> pdneuro.tokens.forget("braincircuits")
    True
    """
    key, token = _key(service), clean(token)
    path = _path(key)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with replacing(path) as part:
        part.touch(0o600)
        part.write_text(json.dumps({"token": token}))


def forget(service: str) -> bool:
    """Delete the saved token of a service. Environment variables and CAVE's own files stay.

    Returns
    -------
    bool
        Whether there was one.

    Examples
    --------
    >>> pdneuro.tokens.forget("braincircuits")
    False
    """
    try:
        _path(_key(service)).unlink()
    except FileNotFoundError:
        return False
    return True


def status() -> pd.DataFrame:
    """For each known service, whether a token is set and where it comes from; never the token.

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
    services = list(dict.fromkeys(["braincircuits", "cave", *CAVE_SERVERS.values(), *_saved()]))
    found = [_told(_key(service)) for service in services]
    return pd.DataFrame(
        {
            "service": services,
            "set": [entry is not None and bool(entry.token) for entry in found],
            "origin": [entry.origin if entry else None for entry in found],
        }
    )


def _told(key: str) -> _Found | None:
    try:
        return _find(key)
    except InvalidTokenError as error:
        return _Found("", f"unusable: {error.message}")


def fingerprint(*tokens: str | None) -> str:
    """Short one-way mark of the credentials, to keep the answers of different tokens apart."""
    text = "\0".join(token or "" for token in tokens)
    return hashlib.blake2b(text.encode(), digest_size=8, person=b"pdneuro").hexdigest()


@contextlib.contextmanager
def overridden(**tokens: str) -> Iterator[None]:
    """Use these tokens for a block, whatever else is set; the sandbox does."""
    before = dict(_overrides)
    _overrides.update(tokens)
    try:
        yield
    finally:
        _overrides.clear()
        _overrides.update(before)


def _find(key: str) -> _Found | None:
    # "cave" is the default server; the other way round it would go to BrainCircuits.io unasked.
    keys = (key, "cave") if key == _CAVE_DEFAULT else (key,)
    for name in keys:
        if name in _overrides:
            return _Found(_overrides[name], "this session")
    for variable in _VARIABLES.get(key, ()):
        if os.environ.get(variable, "").strip():
            return _found(os.environ[variable], f"environment variable {variable}")
    unusable = []
    for path in (*map(_path, keys), *_cave_files(key)):
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
    """Return one key per credential: ``braincircuits``, ``cave`` or the host of a CAVE server."""
    if service in ("braincircuits", "cave"):
        return service
    host = CAVE_SERVERS.get(service) or urlsplit(service).netloc or service
    if not re.fullmatch(r"[A-Za-z0-9][\w.:-]*", host):
        raise ValueError(
            f"unknown service {service!r}; use 'braincircuits', 'cave', a CAVE server's address or "
            f"one of its datastacks ({', '.join(CAVE_SERVERS)})."
        )
    return host.lower()


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
    return sorted(path.stem for path in _folder().glob("*.json"))


def _cave_files(key: str) -> list[Path]:
    folder = Path.home() / ".cloudvolume" / "secrets"
    if key == "braincircuits":
        return []
    if key in ("cave", _CAVE_DEFAULT):
        names = [f"{_CAVE_DEFAULT}-cave-secret.json", "cave-secret.json", "chunkedgraph-secret.json"]
    else:
        names = [f"{key}-cave-secret.json"]
    return [folder / name for name in names]
