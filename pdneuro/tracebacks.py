"""Short tracebacks in IPython and Jupyter: your own lines and the message; a sentence for a stop."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from pdneuro.errors import PdneuroError
from pdneuro.options import get_option

_PACKAGE = str(Path(__file__).parent) + os.sep
_PANDAS = f"{os.sep}pandas{os.sep}"


def register() -> None:
    """Give the errors the method that IPython calls to display an error."""
    PdneuroError._render_traceback_ = _render  # type: ignore[attr-defined]


def shorten(trace: TracebackType | None) -> TracebackType | None:
    """Return a traceback without the frames of pandas, of pdneuro, and of all that pdneuro called.

    >>> shorten(None) is None
    True
    """
    if trace is None or trace.tb_frame.f_code.co_filename.startswith(_PACKAGE):
        return None
    rest = shorten(trace.tb_next)
    if _PANDAS in trace.tb_frame.f_code.co_filename:
        return rest
    return TracebackType(rest, trace.tb_frame, trace.tb_lasti, trace.tb_lineno)


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Let IPython show one sentence, without a traceback, if an interrupt ends the requests of a block.

    >>> with stoppable():
    ...     "requests"
    'requests'
    """
    try:
        yield
    except KeyboardInterrupt as error:
        if not hasattr(error, "__notes__"):
            error.add_note(
                "Responses received so far are cached; the same call again requests only the rest."
            )
        render = functools.partial(_render_interrupt, error)
        error._render_traceback_ = render  # type: ignore[attr-defined]
        raise


def _length(trace: TracebackType | None) -> int:
    count = 0
    while trace is not None:
        trace, count = trace.tb_next, count + 1
    return count


def _render_interrupt(error: KeyboardInterrupt) -> list[str]:
    if get_option("full_traceback"):
        return _structured(error, error.__traceback__)
    return [f"Stopped. {error.__notes__[0]}"]


def _structured(error: BaseException, trace: TracebackType | None) -> list[str]:
    from IPython.core.getipython import get_ipython

    shown: list[str] = get_ipython().InteractiveTB.structured_traceback(type(error), error, trace)
    return shown


def _render(error: PdneuroError) -> list[str]:
    """Return the text that IPython displays; the error keeps its traceback, for ``%debug``."""
    if get_option("full_traceback"):
        return _structured(error, error.__traceback__)
    trace = shorten(error.__traceback__)
    hidden = _length(error.__traceback__) - _length(trace)
    cause, suppressed = error.__cause__, error.__suppress_context__
    error.__cause__ = None  # its traceback would be shown as well
    try:
        shown = _structured(error, trace)
    finally:
        error.__cause__, error.__suppress_context__ = cause, suppressed
    if hidden and len(shown) > 1:
        hint = f"[{hidden} frames are hidden; pdneuro.set_options(full_traceback=True) shows them]\n"
        shown.insert(len(shown) - 1, hint)
    return shown
