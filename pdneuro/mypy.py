"""A mypy plugin that knows the type of ``df.neuro``: set ``plugins = pdneuro.mypy`` for mypy."""

from __future__ import annotations

from collections.abc import Callable

from mypy.nodes import TypeInfo
from mypy.plugin import AttributeContext, Plugin
from mypy.types import Instance, Type

_ACCESSORS = {
    "pandas.core.series.Series.neuro": "pdneuro.accessors.SeriesNeuro",
    "pandas.core.frame.DataFrame.neuro": "pdneuro.accessors.DataFrameNeuro",
}


class NeuroPlugin(Plugin):
    """Give the attribute ``neuro`` its type, which the classes of pandas do not declare."""

    def get_attribute_hook(self, fullname: str) -> Callable[[AttributeContext], Type] | None:
        """Return a function that gives the type of an attribute."""
        found = self.lookup_fully_qualified(_ACCESSORS.get(fullname, ""))
        node = found.node if found else None
        return (lambda _: Instance(node, [])) if isinstance(node, TypeInfo) else None


def plugin(version: str) -> type[Plugin]:
    """Return the plugin; mypy calls this."""
    return NeuroPlugin
