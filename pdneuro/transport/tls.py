"""Connect to servers with a short Diffie-Hellman key, with certificates still checked.

Python's default security level rejects such a key, and switching the check of certificates off does not
help. If a named host fails for exactly this reason, the request is sent again without Diffie-Hellman,
and, if the host offers nothing else, one security level lower. Certificates and host names are checked
at every step.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import requests
from urllib3.util.ssl_ import create_urllib3_context

from pdneuro.errors import WeakEncryptionWarning, warn
from pdneuro.transport.timing import TimedAdapter

SHORT_KEY = "DH_KEY_TOO_SMALL"
_NO_COMMON_SUITE = (
    "HANDSHAKE_FAILURE",
    "NO_SHARED_CIPHER",
    "NO_CIPHERS_AVAILABLE",
    "INSUFFICIENT_SECURITY",
)
#: Cipher suites of each step and a description; the first is Python's default.
_STEPS = (
    ("", ""),
    ("DEFAULT:!DH", "without Diffie-Hellman"),
    ("DEFAULT@SECLEVEL=1", "at OpenSSL's security level 1"),
)


class SteppingAdapter(TimedAdapter):
    """Sends requests as usual; for some hosts it steps down if their key is too short.

    Parameters
    ----------
    hosts : frozenset of str
        Names of hosts, in lower case, compared as a whole.
    **pool
        Arguments of :class:`requests.adapters.HTTPAdapter`.
    """

    def __init__(self, hosts: frozenset[str], **pool: Any) -> None:
        self._hosts = hosts
        self._pool = pool
        self._lock = threading.Lock()
        #: Step that a host needs, by host and port.
        self._steps: dict[str, int] = {}
        self._adapters: dict[tuple[int, str], TimedAdapter] = {}
        super().__init__(**pool)

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        """Send a request, at the step that its host needs."""
        parts = urlsplit(request.url or "")
        verify = options.get("verify", True)
        if parts.scheme != "https" or (parts.hostname or "") not in self._hosts or not verify:
            return super().send(request, *args, **options)
        place = f"{parts.hostname}:{parts.port or 443}"
        while True:
            step = self._steps.get(place, 0)
            try:
                # Each step has its own adapter, because it has its own context.
                send = self._adapter(step, str(verify)).send if step else super().send
                return send(request, *args, **options)
            except requests.exceptions.SSLError as error:
                if not _next_step_helps(step, reason(error)):
                    raise
                self._step_down(place, step + 1)

    def _adapter(self, step: int, bundle: str) -> TimedAdapter:
        # A context keeps each bundle of certificates that it was used with: one context per bundle.
        with self._lock:
            key = (step, bundle)
            if key not in self._adapters:
                self._adapters[key] = _WithSuites(_STEPS[step][0], **self._pool)
            return self._adapters[key]

    def _step_down(self, place: str, step: int) -> None:
        with self._lock:
            if self._steps.get(place, 0) >= step:  # another thread was first
                return
            self._steps[place] = step
        warn(
            f"{place} offers a Diffie-Hellman key that is too short for this Python ({SHORT_KEY}); "
            f"pdneuro connects {_STEPS[step][1]}. Its certificate and name are checked as always. "
            "With pdneuro.set_options(tls_fallback=False) this is an error instead.",
            WeakEncryptionWarning,
        )

    def step(self, url: str) -> str:
        """Return a description of the step that a server needs, "" for Python's default."""
        parts = urlsplit(url)
        return _STEPS[self._steps.get(f"{parts.hostname}:{parts.port or 443}", 0)][1]

    def close(self) -> None:
        """Close all connections."""
        for adapter in self._adapters.values():
            adapter.close()
        super().close()


class _WithSuites(TimedAdapter):
    """An adapter with other cipher suites, also behind a proxy."""

    def __init__(self, suites: str, **pool: Any) -> None:
        # Without certificates: requests adds its bundle or the user's, and no other is trusted.
        self._context = create_urllib3_context(ciphers=suites)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        super().__init__(**pool)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options, ssl_context=self._context)

    def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
        return super().proxy_manager_for(*args, **options, ssl_context=self._context)


def _next_step_helps(step: int, reason: str) -> bool:
    if step == 0:
        return reason == SHORT_KEY
    return step + 1 < len(_STEPS) and any(word in reason for word in _NO_COMMON_SUITE)


def reason(error: BaseException) -> str:
    """Return OpenSSL's reason for a failed connection, ``""`` without one.

    An untrusted certificate is ``"CERTIFICATE_VERIFY_FAILED"``, whatever other reasons there are.
    """
    found = [cause for cause in causes(error) if isinstance(cause, ssl.SSLError)]
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in found):
        return "CERTIFICATE_VERIFY_FAILED"
    return next((str(cause.reason) for cause in found if cause.reason), "")


def is_broken_off(error: BaseException) -> bool:
    """Return whether the server or the network ended a connection, so that a retry may help."""
    ends = ssl.SSLEOFError | ssl.SSLZeroReturnError | ssl.SSLSyscallError | ConnectionError
    return any(isinstance(cause, ends) for cause in causes(error) if cause is not error)


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all errors that it is linked to."""
    waiting, seen = [error], set()
    while waiting:
        cause = waiting.pop()
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        linked = (*cause.args, getattr(cause, "reason", None), cause.__cause__, cause.__context__)
        waiting += [other for other in linked if isinstance(other, BaseException)]
