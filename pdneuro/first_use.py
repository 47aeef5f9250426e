"""``.neuro`` on pandas and xarray objects: importing this module registers it.

The methods are most of pdneuro. They are imported at the first use of ``.neuro``, which is faster for
programs that import pdneuro and use a part of it, and for the workers of a cluster.
"""

from __future__ import annotations

import importlib
from typing import Any

import pandas as pd
import pandas_flavor
import xarray  # pandas_flavor has loaded it


class FirstUse:
    """Stands for an accessor; :mod:`pdneuro.accessors` replaces it when it is imported."""

    def __init__(self, kind: type) -> None:
        self._kind = kind

    def __call__(self, obj: Any) -> Any:
        """Return the accessor of an object."""
        return self._accessor()(obj)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._accessor(), name)

    def _accessor(self) -> Any:
        return importlib.import_module("pdneuro.accessors").CLASSES[self._kind]


#: Class -> the decorator that registers its accessor.
REGISTER = {
    pd.Series: pandas_flavor.register_series_accessor,
    pd.DataFrame: pandas_flavor.register_dataframe_accessor,
    pd.api.typing.SeriesGroupBy: pandas_flavor.register_series_groupby_accessor,
    pd.api.typing.DataFrameGroupBy: pandas_flavor.register_dataframe_groupby_accessor,
    pd.Index: pd.api.extensions.register_index_accessor,
    xarray.DataArray: xarray.register_dataarray_accessor,
    xarray.Dataset: xarray.register_dataset_accessor,
}

for _kind, _register in REGISTER.items():
    _register("neuro")(FirstUse(_kind))
