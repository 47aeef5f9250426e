"""A mypy plugin that knows the type of ``df.neuro``: set ``plugins = pdneuro.mypy`` for mypy."""

from __future__ import annotations

from collections.abc import Callable

from mypy.nodes import TypeInfo
from mypy.plugin import AttributeContext, Plugin
from mypy.types import Instance, Type

_ACCESSORS = {
    "pandas.core.series.Series.neuro": "pdneuro.accessors.SeriesNeuro",
    "pandas.core.frame.DataFrame.neuro": "pdneuro.accessors.DataFrameNeuro",
    "pandas.core.indexes.base.Index.neuro": "pdneuro.accessors.IndexNeuro",
    "xarray.core.dataarray.DataArray.neuro": "pdneuro.accessors.DataArrayNeuro",
    "xarray.core.dataset.Dataset.neuro": "pdneuro.accessors.DatasetNeuro",
}


class NeuroPlugin(Plugin):
    """Set the type of the attribute ``neuro``, which the classes of pandas and xarray do not declare."""

    def get_attribute_hook(self, fullname: str) -> Callable[[AttributeContext], Type] | None:
        """Return a function that returns the type of an attribute."""
        symbol = self.lookup_fully_qualified(_ACCESSORS.get(fullname, ""))
        node = symbol.node if symbol else None
        return (lambda _: Instance(node, [])) if isinstance(node, TypeInfo) else None


def plugin(version: str) -> type[Plugin]:
    """Return the plugin; mypy calls this."""
    return NeuroPlugin
