"""The doors: importing this module puts ``.neuro`` on pandas objects."""

import pandas_flavor
import xarray  # pandas_flavor has loaded it

from pdneuro.accessors.array import DataArrayNeuro
from pdneuro.accessors.frame import DataFrameNeuro
from pdneuro.accessors.groups import GroupByNeuro
from pdneuro.accessors.series import SeriesNeuro

_DOORS = (
    (pandas_flavor.register_series_accessor, SeriesNeuro),
    (pandas_flavor.register_dataframe_accessor, DataFrameNeuro),
    (pandas_flavor.register_series_groupby_accessor, GroupByNeuro),
    (pandas_flavor.register_dataframe_groupby_accessor, GroupByNeuro),
    (xarray.register_dataarray_accessor, DataArrayNeuro),
)


def register() -> None:
    """Register the accessors, once: pandas warns at a second time."""
    import pandas as pd

    if getattr(pd.DataFrame, "neuro", None) is not DataFrameNeuro:
        for door, accessor in _DOORS:
            door("neuro")(accessor)


register()
