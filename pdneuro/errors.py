"""Every error and warning of pdneuro, by cause.

All errors are :class:`PdneuroError`; all warnings are :class:`PdneuroWarning`. An error also is the
built-in exception that a pandas user would catch for it (``ValueError``, ``ImportError`` ...).
"""

from __future__ import annotations

import contextlib
import difflib
import os
import sys
import warnings
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path


class PdneuroError(Exception):
    """Root of all errors raised by pdneuro."""


# -- the caller's input ---------------------------------------------------------------------------


class InvalidIdError(PdneuroError, ValueError):
    """An ID column holds something that cannot be an ID: text, a negative number, a boolean, a date.

    Not raised for missing values and zeros: they mean "no segment" and stay missing.
    """


class PrecisionLossError(PdneuroError, ValueError):
    """An ID column went through floating point (or a spreadsheet), so its digits are already gone.

    Not raised for float columns whose values all are whole and at most ``2**53``: those are exact.
    """


class MissingColumnsError(PdneuroError, AttributeError):
    """The frame lacks a column that the method needs, or none could be recognised."""


class AmbiguousColumnError(PdneuroError, ValueError):
    """Several columns could play the role; name one."""


class ColumnExistsError(PdneuroError, ValueError):
    """A join would replace a column of the caller's frame."""


class MultipleRecordsError(PdneuroError, ValueError):
    """One ID has several records and the call asked for one (``multiple="raise"``)."""


class InvalidEdgesError(PdneuroError, ValueError):
    """An edge table with weights that are not whole numbers, or without endpoints."""


class NodeBudgetError(PdneuroError, ValueError):
    """The question would reach more neurons than ``max_nodes``. Raised before the request is sent."""


class TooLargeError(PdneuroError, ValueError):
    """The result would not fit: a dense matrix of too many neurons, too many paths."""


class InvalidQueryError(PdneuroError, ValueError):
    """A query that cannot be written: no IDs, unclosed brackets, a value without a spelling."""


class AmbiguousStructureError(PdneuroError, ValueError):
    """An acronym that fits several structures, such as ``"Cm"`` where there are ``cm`` and ``CM``."""


class UnknownStructureError(PdneuroError, LookupError):
    """A structure or structure set that was named in a call, and that the tree does not hold.

    Not raised for unknown structures in a column: their rows stay, with NA and a warning.
    """


class UnknownFieldError(PdneuroError, LookupError):
    """A field that the service's records do not have."""


class UnknownTableError(PdneuroError, LookupError):
    """A table or view that the datastack does not have; the message names the nearest."""


class InvalidVolumeError(PdneuroError, ValueError):
    """A file or an array that is no volume of three axes, or cut short; points without coordinates."""


class InvalidSwcError(PdneuroError, ValueError):
    """A file without a node, a page in place of one, or, with ``strict=True``, an unsound one."""


class OptionError(PdneuroError, ValueError):
    """An unknown option, or a value that the option does not take."""


class UnknownSourceError(PdneuroError, ValueError):
    """``source`` is missing, or names no service that pdneuro knows."""


class MissingDependencyError(PdneuroError, ImportError):
    """An optional package is not installed; the message names the extra that brings it."""


class ProvenanceError(PdneuroError, LookupError):
    """A table that was to be cited does not say where it came from."""


class CacheError(PdneuroError, OSError):
    """A cache file that was named by the caller cannot be read or written."""


# -- the services ---------------------------------------------------------------------------------


class ServiceError(PdneuroError):
    """A service could not be reached, refused the question, or gave an answer that is none.

    Attributes
    ----------
    status : int or None
        HTTP status, None when there was no answer.
    url : str or None
        The address asked, without secrets.
    """

    advice: str = ""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        url: str | None = None,
        positions: Sequence[int] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.url = url
        #: Positions in the question that the service named as the culprits.
        self.positions = tuple(positions)
        #: Seconds that the service asked to wait before the next request.
        self.pause: float | None = None
        #: What had arrived before the error, in words; filled in by the fetch that was stopped.
        self.progress = ""

    def __str__(self) -> str:
        parts = [self.message, f"URL: {self.url}." if self.url else "", self.advice, self.progress]
        return " ".join(part for part in parts if part)

    def __reduce__(self) -> tuple[object, ...]:
        return (_restore_service_error, (type(self), self.__dict__))


def _restore_service_error(cls: type[ServiceError], state: dict[str, object]) -> ServiceError:
    error = cls(str(state["message"]))
    error.__dict__.update(state)
    return error


class ConnectionFailedError(ServiceError, ConnectionError):
    """No answer: no network, no such host, refused, reset, TLS trouble, or a time-out."""

    advice = (
        "Check the network and proxy settings; `pdneuro.set_options(timeout=..., retries=...)` "
        "waits longer, `offline=True` answers from the cache alone."
    )


class AuthenticationError(ServiceError, PermissionError):
    """The token is missing or wrong (401)."""

    advice = "Save a valid token with `pdneuro token set` or `pdneuro.tokens.save(service, token)`."


class MissingTokenError(AuthenticationError):
    """No token is known for the service. Raised before anything is sent."""


class ForbiddenError(ServiceError, PermissionError):
    """The token is valid but may not read this project (403)."""

    advice = (
        "Ask the project's owners for access; a CAVE-managed project also needs a CAVE token "
        '(`pdneuro token set cave`), a "..._public" project needs none.'
    )


class NotFoundError(ServiceError, LookupError):
    """The service knows no such project or property (404)."""

    advice = "Check the spelling of what was asked for: project (`source=`), property, name or ID."


class ExpiredVersionError(NotFoundError):
    """A materialization version that is gone, or never was (410, or not in the list)."""

    advice = "Pin a version that is there, such as source='cave:minnie65_public@1300', or name none."


class BatchRefusedError(ServiceError):
    """The service refused a batch as such: its size, or an ID in it. Smaller batches may pass."""

    advice = "pdneuro asks again in smaller batches until the culprit is known."


class RequestTooLargeError(BatchRefusedError):
    """More IDs in one request than the service takes (413)."""

    advice = "Lower `batch_size`."


class InvalidRequestError(BatchRefusedError, ValueError):
    """The service calls the question invalid (400, 422)."""

    advice = "Check the IDs it names, the property and the project."


class ServerError(BatchRefusedError):
    """The service failed (5xx) also after all retries."""

    advice = "Run the same call again later: answers that arrived are stored and not asked again."


class ServiceUnavailableError(ServiceError):
    """The service is down or overloaded (502, 503), also after all retries."""

    advice = "Run the same call again later: answers that arrived are stored and not asked again."


class RateLimitError(ServiceError):
    """The service wants fewer requests (429), also after waiting as long as it asked for."""

    advice = "Lower `max_workers`, or run the same call again later: what arrived is stored."


class InvalidResponseError(ServiceError):
    """The body is not what the service documents: HTML, broken JSON, another shape. Never stored."""

    advice = "A proxy or login page may stand in between; check the address in the options."


class TruncatedResponseError(InvalidResponseError):
    """The body broke off, also after all retries. Never stored."""

    advice = "Lower `batch_size`, or run the same call again later."


class QueryRefusedError(ServiceError, ValueError):
    """The service understood the request and refused the query (``success: false``). Never stored."""

    advice = "Check the names in the query: `pdneuro.allen.RmaApi().get_schema(model)` lists them."


class OfflineError(PdneuroError, LookupError):
    """``offline=True`` and the cache does not hold everything that was asked for."""


class UnknownIdsError(PdneuroError, LookupError):
    """The service does not know some of the IDs (``on_missing="raise"``)."""


# -- warnings -------------------------------------------------------------------------------------


class PdneuroWarning(UserWarning):
    """Root of all warnings given by pdneuro."""


class UnknownIdsWarning(PdneuroWarning):
    """The service does not know some of the IDs; their rows hold NA."""


class PartialResultWarning(PdneuroWarning):
    """``on_error="partial"``: some IDs could not be fetched; their rows hold NA."""


class MixedSnapshotWarning(PdneuroWarning):
    """Answers to one call come from different materialisations of the service's data."""


class InconsistentEdgesWarning(PdneuroWarning):
    """Both ends of some edges were asked and do not report the same weight."""


class IncompleteEdgesWarning(PdneuroWarning):
    """A total was taken over an edge table that is known to lack edges."""


class IncompleteTableWarning(PdneuroWarning):
    """The service has, or announced, more rows than came."""


class StaleAnswerWarning(PdneuroWarning):
    """The service does not answer; an older answer from the cache was used."""


class DoubtfulParameterWarning(PdneuroWarning):
    """A service parameter that the service's description does not list, or with another value."""


class UnreadableLinesWarning(PdneuroWarning):
    """Lines of a reconstruction that are no nodes were left out."""


class UnreadableFileWarning(PdneuroWarning):
    """Files in a format that is not read; they can be saved as they are."""


class UnreadableValuesWarning(PdneuroWarning):
    """Values of a column of numbers that are no numbers; they are NA."""


class StaleIdsWarning(PdneuroWarning):
    """Root IDs that are not valid at the version asked."""


class LargeGraphWarning(PdneuroWarning):
    """The graph will take gigabytes of memory."""


class DroppedRowsWarning(PdneuroWarning):
    """Rows of an edge table without a start or an end were left out."""


class WeakEncryptionWarning(PdneuroWarning):
    """A server's key is too short for this Python's level of security; it was asked a step lower."""


class CacheWarning(PdneuroWarning):
    """The cache cannot be used or written; answers are returned but not all of them kept."""


class CacheSetAsideWarning(CacheWarning):
    """A damaged or foreign cache file was renamed; a new one was begun."""


def listing(items: Iterable[Hashable], limit: int = 5) -> str:
    """Join the first few items for an error message, and count the rest.

    >>> listing(range(8))
    '0, 1, 2, 3, 4 and 3 more'
    """
    shown = [str(item) for item in items]
    rest = len(shown) - limit
    return ", ".join(shown[:limit]) + (f" and {rest:,} more" if rest > 0 else "")


def did_you_mean(name: object, known: Iterable[object]) -> str:
    """A question that ends a message: the known names that are nearest; empty where none is near.

    >>> did_you_mean("rootID", ["root_id", "x"])
    " Did you mean 'root_id'?"
    """
    folded = {str(item).casefold(): item for item in known}
    near = difflib.get_close_matches(str(name).casefold(), folded, n=3, cutoff=0.5)
    return f" Did you mean {' or '.join(repr(folded[item]) for item in near)}?" if near else ""


def warn(message: str, category: type[PdneuroWarning]) -> None:
    """Warn at the caller's own line, however deep inside pdneuro or pandas this is.

    >>> import warnings
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     warn("two rows were left out.", DroppedRowsWarning)
    >>> str(caught[0].message)
    'two rows were left out.'
    """
    package = str(Path(__file__).parent)
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and (
        frame.f_code.co_filename.startswith(package)
        or f"{os.sep}pandas{os.sep}" in frame.f_code.co_filename
        or frame.f_code.co_filename == contextlib.__file__
    ):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
