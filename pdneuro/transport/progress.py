"""Show a progress bar if work lasts longer than a second, but not in a pipe or a log."""

from __future__ import annotations

import warnings
from typing import Any


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
        None shows it in terminals and notebooks when work lasts longer than a second.
    scale : bool
        Write large numbers as 1.2k, 3.4M.
    """
    with warnings.catch_warnings():
        # Without ipywidgets the bar in a notebook is text, which needs no warning.
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm

    return tqdm(
        total=total,
        desc=description,
        unit=f" {unit}",
        unit_scale=scale,
        disable=None if show is None else not show,
        delay=1.0 if show is None else 0.0,
        leave=False if show is None else None,
    )
