"""Functions of the partitions of a lazy table, and the dtypes that all of them have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from dask.delayed import delayed

from pdneuro._compat import TEXT
from pdneuro.dask.fetcher import Call

#: A dask frame or series. Dask has no types for them.
Lazy = Any
#: Dtypes that can hold missing values, by kind: any partition may hold some.
_NULLABLE = {"i": "Int64", "u": "Int64", "b": "boolean", "f": "Float64"}


def dtypes_of(meta: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the dtypes of ``meta=``; "str" becomes the text dtype that keeps missing values."""
    return {name: TEXT if kind in (str, "str") else kind for name, kind in (meta or {}).items()}


def nullable(dtype: Any) -> Any:
    """Return a dtype that holds missing values; text for categories, which differ by partition."""
    if isinstance(dtype, pd.CategoricalDtype):
        return TEXT
    return _NULLABLE.get(dtype.kind, dtype) if isinstance(dtype, np.dtype) else dtype


def aligned(result: Any, dtypes: Any, columns: list[Any]) -> Any:
    """Return the result for a partition, with the columns and dtypes of all partitions."""
    if isinstance(result, pd.Series):
        return result.astype(dtypes)
    aligned = result.reindex(columns=columns).astype(dtypes)
    aligned.attrs = result.attrs
    return aligned


def each(lazy: Lazy, function: Any, *args: Any, **kwargs: Any) -> Lazy:
    """Call a pure function on each partition; its result for an empty table has the columns."""
    meta = function(lazy._meta, *args, **kwargs)
    return lazy.map_partitions(function, *args, meta=meta, **kwargs)


def merged(frame: Lazy, function: Any, *args: Any, meta: Any = None) -> Lazy:
    """Call a function on each partition, and on the results of several, until one is left.

    Its result for its own results must be that for their rows.
    """
    work = Call(function, args, {})
    meta = work(frame._meta) if meta is None else meta
    return frame.reduction(chunk=work, aggregate=work, combine=work, meta=meta, split_every=8)


def sent(value: Any) -> Any:
    """Return a value as a separate task, so that each worker receives it once."""
    return delayed(value, pure=True)
