"""Servers with a short Diffie-Hellman key: step down for named hosts, with certificates still checked.

Python's own level of security refuses such a key, and switching the check of certificates off does not
help. A named host that fails for exactly this reason is asked again without Diffie-Hellman, and, where
it offers nothing else, one security level lower. Certificates and host names are checked at every step.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.ssl_ import create_urllib3_context

from pdneuro.errors import WeakEncryptionWarning, warn

SHORT_KEY = "DH_KEY_TOO_SMALL"
_NO_COMMON_SUITE = (
    "HANDSHAKE_FAILURE",
    "NO_SHARED_CIPHER",
    "NO_CIPHERS_AVAILABLE",
    "INSUFFICIENT_SECURITY",
)
#: Cipher suites and what a step means, in words; the first is Python's own.
_STEPS = (
    ("", ""),
    ("DEFAULT:!DH", "without Diffie-Hellman"),
    ("DEFAULT@SECLEVEL=1", "at OpenSSL's security level 1"),
)
#: Step that a host needs, by host and port, for the process.
_steps: dict[str, int] = {}
_lock = threading.Lock()


class SteppingAdapter(HTTPAdapter):
    """Sends requests as usual; for some hosts it steps down where their key is too short.

    Parameters
    ----------
    hosts : frozenset of str
        Names of hosts, in lower case. Compared as a whole: no other host profits.
    **pool
        As for :class:`requests.adapters.HTTPAdapter`.
    """

    def __init__(self, hosts: frozenset[str], **pool: Any) -> None:
        self._hosts = hosts
        self._pool = pool
        self._adapters: dict[tuple[int, str], HTTPAdapter] = {}
        super().__init__(**pool)

    def send(self, request: requests.PreparedRequest, *args: Any, **how: Any) -> requests.Response:
        """Send a request, at the step that its host needs."""
        parts = urlsplit(request.url or "")
        verify = how.get("verify", True)
        if parts.scheme != "https" or (parts.hostname or "") not in self._hosts or not verify:
            return super().send(request, *args, **how)
        place = f"{parts.hostname}:{parts.port or 443}"
        while True:
            step = _steps.get(place, 0)
            try:
                # Not super() in a step's stead: a step has a context of its own.
                send = self._adapter(step, str(verify)).send if step else super().send
                return send(request, *args, **how)
            except requests.exceptions.SSLError as error:
                if not _next_step_helps(step, reason(error)):
                    raise
                _step_down(place, step + 1)

    def _adapter(self, step: int, bundle: str) -> HTTPAdapter:
        # A context keeps each bundle of certificates that it was used with: one context a bundle.
        with _lock:
            key = (step, bundle)
            if key not in self._adapters:
                self._adapters[key] = _WithSuites(_STEPS[step][0], **self._pool)
            return self._adapters[key]

    def close(self) -> None:
        """Close all connections."""
        for adapter in self._adapters.values():
            adapter.close()
        super().close()


class _WithSuites(HTTPAdapter):
    """An adapter with cipher suites of its own, also behind a proxy."""

    def __init__(self, suites: str, **pool: Any) -> None:
        # Loads no certificates: requests adds its bundle, or the user's, and nothing else counts.
        self._context = create_urllib3_context(ciphers=suites)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        super().__init__(**pool)

    def init_poolmanager(self, *args: Any, **how: Any) -> None:
        super().init_poolmanager(*args, **how, ssl_context=self._context)

    def proxy_manager_for(self, *args: Any, **how: Any) -> Any:
        return super().proxy_manager_for(*args, **how, ssl_context=self._context)


def _step_down(place: str, step: int) -> None:
    with _lock:
        if _steps.get(place, 0) >= step:  # another thread was first
            return
        _steps[place] = step
    warn(
        f"{place} offers a Diffie-Hellman key that is too short for this Python ({SHORT_KEY}); it is "
        f"asked {_STEPS[step][1]}. Its certificate and name are checked as always. "
        "pdneuro.set_options(tls_fallback=False) refuses instead.",
        WeakEncryptionWarning,
    )


def _next_step_helps(step: int, reason: str) -> bool:
    if step == 0:
        return reason == SHORT_KEY
    return step + 1 < len(_STEPS) and any(word in reason for word in _NO_COMMON_SUITE)


def reason(error: BaseException) -> str:
    """OpenSSL's reason for a failed connection, ``""`` where there is none.

    A certificate that is not trusted is ``"CERTIFICATE_VERIFY_FAILED"``, whatever else is said.
    """
    found = [cause for cause in _causes(error) if isinstance(cause, ssl.SSLError)]
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in found):
        return "CERTIFICATE_VERIFY_FAILED"
    return next((str(cause.reason) for cause in found if cause.reason), "")


def _causes(error: BaseException) -> Iterator[BaseException]:
    waiting, seen = [error], set()
    while waiting:
        cause = waiting.pop()
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        linked = (*cause.args, getattr(cause, "reason", None), cause.__cause__, cause.__context__)
        waiting += [other for other in linked if isinstance(other, BaseException)]
