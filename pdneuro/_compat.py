"""Hide differences between pandas 2 and 3."""

from __future__ import annotations

import importlib
from typing import Any

import pandas as pd

from pdneuro.errors import MissingDependencyError

PANDAS_3 = int(pd.__version__.split(".")[0]) >= 3

#: Dtype of text columns: ``str`` in pandas 3; in pandas 2 ``str`` means object.
TEXT: Any = "str" if PANDAS_3 else "string"

#: Arguments that keep ``pd.concat`` from copying its parts; pandas 3 never does.
CONCAT_BY_REFERENCE: dict[str, Any] = {} if PANDAS_3 else {"copy": False}

#: Arguments that make ``pd.read_csv`` round numbers correctly, which is the default in pandas 3.
ROUND_TRIP: dict[str, Any] = {} if PANDAS_3 else {"float_precision": "round_trip"}


def optional(module: str, extra: str) -> Any:
    """Import an optional module; if it is missing, raise an error that names the extra to install."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingDependencyError(
            f"{package} is not installed: pip install 'pdneuro[{extra}]'."
        ) from error


def copies_on_write() -> bool:
    """Return True if pandas copies shared memory before a frame is changed."""
    return PANDAS_3 or pd.get_option("mode.copy_on_write") is True  # "warn" does not copy
