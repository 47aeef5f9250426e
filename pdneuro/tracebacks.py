"""Short tracebacks of pdneuro's errors in IPython and Jupyter: your own lines, then the message."""

from __future__ import annotations

import os
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


def _length(trace: TracebackType | None) -> int:
    count = 0
    while trace is not None:
        trace, count = trace.tb_next, count + 1
    return count


def _render(error: PdneuroError) -> list[str]:
    """Return the text that IPython displays; the error keeps its traceback, for ``%debug``."""
    from IPython.core.getipython import get_ipython

    formatter = get_ipython().InteractiveTB
    if get_option("full_traceback"):
        shown: list[str] = formatter.structured_traceback(type(error), error, error.__traceback__)
        return shown
    trace = shorten(error.__traceback__)
    hidden = _length(error.__traceback__) - _length(trace)
    cause, suppressed = error.__cause__, error.__suppress_context__
    error.__cause__ = None  # its traceback would be shown as well
    try:
        shown = formatter.structured_traceback(type(error), error, trace)
    finally:
        error.__cause__, error.__suppress_context__ = cause, suppressed
    if hidden and len(shown) > 1:
        hint = f"[{hidden} frames are hidden; pdneuro.set_options(full_traceback=True) shows them]\n"
        shown.insert(len(shown) - 1, hint)
    return shown
