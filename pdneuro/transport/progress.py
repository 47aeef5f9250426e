"""Show a progress bar if work lasts longer than a second, but not in a pipe or a log."""

from __future__ import annotations

import sys
from typing import Any


class _Line:
    """A file for tqdm: one line of the output of a notebook's cell, updated in place."""

    encoding = "utf-8"  # tqdm then draws blocks

    def __init__(self, cell: str) -> None:
        from IPython.display import DisplayHandle

        self.cell = cell
        self._handle = DisplayHandle()
        self._show = self._handle.display

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> None:
        if text.strip():
            self._show({"text/plain": text.strip()}, raw=True)
            self._show = self._handle.update

    def flush(self) -> None:
        """Do nothing: a line is sent when it is written."""


#: The latest line in a notebook, and its latest bar.
_latest: tuple[_Line, Any] | None = None


def _line() -> _Line | None:
    """Return a line of the current cell, which its bars use in turn; None outside of notebooks."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is None or not hasattr(shell, "get_parent"):
        return None
    cell = shell.get_parent().get("header", {}).get("msg_id", "")
    if _latest is not None and _latest[0].cell == cell and _latest[1].disable:
        return _latest[0]
    return _Line(cell)


def bar(
    total: int | None, description: str, unit: str, show: bool | None, *, scale: bool = False
) -> Any:
    """Return a tqdm bar.

    Parameters
    ----------
    total : int, optional
        Units of work, if their number is known.
    description, unit : str
        Words on the bar.
    show : bool or None
        None shows it in terminals and notebooks when work lasts longer than a second. In a notebook,
        it also stays at the end.
    scale : bool
        Write large numbers as 1.2k, 3.4M.
    """
    global _latest
    from tqdm import tqdm

    line = _line()
    shown = tqdm(
        total=total,
        desc=description,
        unit=f" {unit}",
        unit_scale=scale,
        disable=None if show is None else not show,
        delay=1.0 if show is None else 0.0,
        leave=False if show is None and line is None else None,
        file=line,
        position=None if line is None else 0,
    )
    if line is not None:
        _latest = line, shown
    return shown
