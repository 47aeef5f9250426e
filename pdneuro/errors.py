"""Errors and warnings of pdneuro, one class per cause.

All errors are :class:`PdneuroError`; all warnings are :class:`PdneuroWarning`. An error is also the
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
    """Base class of all errors raised by pdneuro."""


# -- input of the user ----------------------------------------------------------------------------


class InvalidIdError(PdneuroError, ValueError):
    """An ID column contains a value that cannot be an ID: text, a negative number, a boolean, a date.

    Not raised for missing values and zeros: they mean "no segment" and stay missing.
    """


class PrecisionLossError(PdneuroError, ValueError):
    """An ID column was converted to floating point (or saved by a spreadsheet), which rounded its IDs.

    Also raised for integers that were rounded: their last digits would occur in less than one in a
    million columns of exact IDs. Not raised for float columns whose values are all whole and at most
    ``2**53``: those are exact.
    """


class MissingColumnsError(PdneuroError, AttributeError):
    """The frame does not have a column that the method needs, or no column is recognized."""


class AmbiguousColumnError(PdneuroError, ValueError):
    """Several columns fit; name one of them."""


class ColumnExistsError(PdneuroError, ValueError):
    """A join would replace an existing column of the frame."""


class InvalidCoordinateError(PdneuroError, ValueError):
    """A coordinate with several dimensions; or a column that no coordinate can hold, such as lists."""


class MultipleRecordsError(PdneuroError, ValueError):
    """An ID has several records, and the call allows only one (``multiple="raise"``)."""


class InvalidEdgesError(PdneuroError, ValueError):
    """An edge table with weights that are not whole numbers, or without endpoints."""


class NodeBudgetError(PdneuroError, ValueError):
    """The query would reach more neurons than ``max_nodes``. Raised before the request is sent."""


class TooLargeError(PdneuroError, ValueError):
    """The result would be too large: a dense matrix of too many neurons, too many paths."""


class NotConvergedError(PdneuroError, ArithmeticError):
    """A numeric method did not reach its accuracy."""


class InvalidQueryError(PdneuroError, ValueError):
    """A query that cannot be written: no IDs, unclosed brackets, a value of an unsupported type."""


class AmbiguousStructureError(PdneuroError, ValueError):
    """An acronym that matches several structures, such as ``"Cm"`` if the tree has ``cm`` and ``CM``."""


class UnknownStructureError(PdneuroError, LookupError):
    """A structure or structure set that was named in a call and is not in the tree.

    Not raised for unknown structures in a column: their rows stay, with NA and a warning.
    """


class UnknownNodeError(UnknownStructureError, KeyError):
    """A tree of :mod:`pdneuro.allen.sdk` does not have a node of this ID, name or acronym."""

    __str__ = Exception.__str__  # KeyError shows the repr of its message


class DuplicateKeyError(PdneuroError, RuntimeError):
    """A dictionary of a tree's nodes would have several values for one key."""


class LeftOutError(PdneuroError, NotImplementedError):
    """A part of allensdk that pdneuro does not have; the message names a package that has it."""


class UnknownFieldError(PdneuroError, LookupError):
    """A field that the service's records do not have."""


class UnknownValueError(PdneuroError, LookupError):
    """No neuron has this type, or this value of another field; the message suggests the nearest."""


class UnsupportedError(PdneuroError, NotImplementedError):
    """The source cannot do this, such as edges by region; the message names sources that can."""


class UnknownTableError(PdneuroError, LookupError):
    """A table or view that the datastack does not have; the message suggests similar names."""


class InvalidFileError(PdneuroError, ValueError):
    """A file that is empty, truncated, damaged or of another format than its name says."""


class InvalidVolumeError(PdneuroError, ValueError):
    """A file or array that is truncated or not a volume of three axes; points without coordinates."""


class InvalidSwcError(PdneuroError, ValueError):
    """A file without nodes, a web page instead of a file, or, with ``strict=True``, an invalid one."""


class OptionError(PdneuroError, ValueError):
    """An unknown option, or an invalid value of an option."""


class UnknownSourceError(PdneuroError, ValueError):
    """``source`` is not set, or is not a service that pdneuro supports."""


class InvalidVersionError(UnknownSourceError):
    """A version that is not a whole number, a time or ``"auto"``; or a time without a version."""


class UnknownServiceError(PdneuroError, ValueError):
    """A name that is not that of a service, a server or a datastack."""


class TokenFileError(PdneuroError, OSError):
    """A token cannot be saved in its file, or the file cannot be deleted."""


class MissingDependencyError(PdneuroError, ImportError):
    """An optional package is not installed; the message names the extra that installs it."""


class ProvenanceError(PdneuroError, LookupError):
    """A table cannot be cited, because it has no provenance."""


class CacheError(PdneuroError, OSError):
    """The cache file given in a call cannot be read or written."""


# -- the services ---------------------------------------------------------------------------------


class ServiceError(PdneuroError):
    """A service could not be reached, rejected the request or returned an invalid response.

    Attributes
    ----------
    status : int or None
        HTTP status code; None if there was no response.
    url : str or None
        The address of the request, without secrets.
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
        #: Positions in the request of the IDs that the service reported as invalid.
        self.positions = tuple(positions)
        #: Seconds to wait before the next request, as the service requires.
        self.pause: float | None = None
        #: A sentence that counts the IDs cached before the error; set by the fetch that failed.
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
    """No response: no network, unknown host, connection refused or reset, TLS error, or timeout."""

    advice = (
        "Check the network and proxy settings. `pdneuro.set_options(timeout=..., retries=...)` "
        "waits longer; `offline=True` uses only the cache."
    )


class AuthenticationError(ServiceError, PermissionError):
    """The token is missing or wrong (401)."""

    advice = "Save a valid token with `pdneuro token set` or `pdneuro.tokens.save(service, token)`."


class MissingTokenError(AuthenticationError):
    """There is no token for the service. Raised before the request is sent."""


class InvalidTokenError(MissingTokenError, ValueError):
    """A token file or an environment variable without a valid token. The message names it."""


class ForbiddenError(ServiceError, PermissionError):
    """The token is valid but may not read this project (403)."""

    advice = (
        "Ask the project's owners for access. A CAVE-managed project also needs a CAVE token "
        '(`pdneuro token set cave`); a "..._public" project does not.'
    )


class NotFoundError(ServiceError, LookupError):
    """The service does not have this project or property (404)."""

    advice = "Check the spelling of the project (`source=`), the property, the name or the ID."


class UnknownDatasetError(NotFoundError):
    """The neuPrint server does not have this data set; the message lists those that it has."""

    advice = "Name one of them, such as source='neuprint:hemibrain:v1.2.1', or set `neuprint_url`."


class ExpiredVersionError(NotFoundError):
    """A materialization version that was deleted or never existed (410, or not in the list)."""

    advice = "Use an existing version, such as source='cave:minnie65_public@1300', or omit the version."


class BatchRefusedError(ServiceError):
    """The service rejected a batch for its size or for an ID in it. Smaller batches may succeed."""

    advice = "pdneuro sends smaller batches until the invalid ID is found."


class RequestTooLargeError(BatchRefusedError):
    """More IDs in one request than the service accepts (413)."""

    advice = "Lower `batch_size`."


class QueryTimeoutError(RequestTooLargeError, TimeoutError):
    """The database did not finish the query in time, also for one ID (400, 504, or no response)."""

    advice = (
        "A smaller `batch_size` or a longer `timeout` may help; or run the same call again later: "
        "responses received so far are cached."
    )


class InvalidRequestError(BatchRefusedError, ValueError):
    """The service reports that the request is invalid (400, 422)."""

    advice = "Check the IDs in the message, the property and the project."


class ServerError(BatchRefusedError):
    """The service failed (5xx), even after all retries."""

    advice = "Run the same call again later: responses received so far are cached."


class ServiceUnavailableError(ServiceError):
    """The service is down or overloaded (502, 503), even after all retries."""

    advice = "Run the same call again later: responses received so far are cached."


class RateLimitError(ServiceError):
    """Too many requests (429), even after waiting as long as the service requires."""

    advice = "Lower `max_workers`, or run the same call again later: what is downloaded is cached."


class InvalidResponseError(ServiceError):
    """The response is not as documented: HTML, invalid JSON, another shape. It is not cached."""

    advice = "The response may come from a proxy or a login page: check the address in the options."


class OldServiceError(InvalidResponseError):
    """The service is older than the request requires."""

    advice = "Ask its operators for an update, or use another server or local files."


class TruncatedResponseError(InvalidResponseError):
    """The response was truncated, even after all retries. It is not cached."""

    advice = "Lower `batch_size`, or run the same call again later."


class QueryRefusedError(ServiceError, ValueError):
    """The service rejected the query (``success: false``, or Cypher). The response is not cached."""

    advice = "Check the names in the query: `pdneuro.allen.RmaApi().get_schema(model)` lists them."


class OfflineError(PdneuroError, LookupError):
    """``offline=True``, and some requested values are not cached."""


class UnknownIdsError(PdneuroError, LookupError):
    """The service does not know some of the IDs (``on_missing="raise"``)."""


# -- warnings -------------------------------------------------------------------------------------


class PdneuroWarning(UserWarning):
    """Base class of all warnings of pdneuro."""


class UnknownIdsWarning(PdneuroWarning):
    """The service does not know some of the IDs; their rows contain NA."""


class EmptyResponseWarning(UnknownIdsWarning):
    """A response contained none of the requested IDs, also at the second request. It is not cached."""


class UnexpectedResponseWarning(PdneuroWarning):
    """A response contains values that are not as documented; the message says what becomes of them."""


class UnusableTokenWarning(PdneuroWarning):
    """A file or a variable for an optional token holds no token; the request is sent without it."""


class SpaceMismatchWarning(PdneuroWarning):
    """All points are outside a volume or in its first voxel: their units or axes may be different."""


class PartialResultWarning(PdneuroWarning):
    """``on_error="partial"``: some IDs could not be downloaded; their rows contain NA."""


class MixedSnapshotWarning(PdneuroWarning):
    """The values of one call come from different materializations of the service's data."""


class InconsistentEdgesWarning(PdneuroWarning):
    """The two neurons of an edge report different weights."""


class IncompleteEdgesWarning(PdneuroWarning):
    """A total was computed over an edge table that is known to lack edges."""


class IncompleteTableWarning(PdneuroWarning):
    """The response contains fewer rows than the service has or announced."""


class StaleAnswerWarning(PdneuroWarning):
    """The service does not respond; an older response from the cache was used."""


class SupervoxelMismatchWarning(PdneuroWarning):
    """The supervoxel of a row lies in another root ID than the row's own, which is valid."""


class DoubtfulParameterWarning(PdneuroWarning):
    """A parameter, or a value of it, that the service's description does not list."""


class UnreadableLinesWarning(PdneuroWarning):
    """Lines of a reconstruction that are not nodes were skipped."""


class UnreadableFileWarning(PdneuroWarning):
    """Files in a format that pdneuro cannot read; they can be saved unchanged."""


class UnreadableValuesWarning(PdneuroWarning):
    """Non-numeric values in a numeric column; they become NA."""


class NoDataWarning(PdneuroWarning):
    """A volume contains values that usually mean "no data"; they were not changed."""


class StaleIdsWarning(PdneuroWarning):
    """Root IDs that are not valid at the requested version."""


class NotGeneratedWarning(PdneuroWarning):
    """The service has no skeleton of some segments yet, or does not make one of them."""


class LargeGraphWarning(PdneuroWarning):
    """The graph needs gigabytes of memory."""


class DroppedRowsWarning(PdneuroWarning):
    """Rows of an edge table without a presynaptic or postsynaptic ID were dropped."""


class WeakEncryptionWarning(PdneuroWarning):
    """A server's key is too short for Python's security level; a lower level was used."""


class CacheWarning(PdneuroWarning):
    """The cache cannot be read or written; values are returned, but not all of them are cached."""


class CacheSetAsideWarning(CacheWarning):
    """A damaged or foreign cache file was renamed; a new one was started."""


def listing(items: Iterable[Hashable], limit: int = 5) -> str:
    """Join the first few items for an error message, and count the rest.

    >>> listing(range(8))
    '0, 1, 2, 3, 4 and 3 more'
    """
    shown = [str(item) for item in items]
    rest = len(shown) - limit
    return ", ".join(shown[:limit]) + (f" and {rest:,} more" if rest > 0 else "")


def did_you_mean(name: object, names: Iterable[object]) -> str:
    """Return a sentence that suggests similar names; empty if no name is similar.

    >>> did_you_mean("rootID", ["root_id", "x"])
    " Did you mean 'root_id'?"
    """
    folded = {str(item).casefold(): item for item in names}
    near = difflib.get_close_matches(str(name).casefold(), folded, n=3, cutoff=0.5)
    return f" Did you mean {' or '.join(repr(folded[item]) for item in near)}?" if near else ""


def warn(message: str, category: type[PdneuroWarning]) -> None:
    """Warn with the line of the user's code, not a line inside pdneuro or pandas.

    >>> import warnings
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     warn("two rows were dropped.", DroppedRowsWarning)
    >>> str(caught[0].message)
    'two rows were dropped.'
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
