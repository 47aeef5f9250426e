"""A mypy plugin that knows the type of ``df.neuro``: set ``plugins = pdneuro.mypy`` for mypy."""

from __future__ import annotations

from collections.abc import Callable

from mypy.nodes import TypeInfo
from mypy.plugin import AttributeContext, ClassDefContext, Plugin
from mypy.plugins.common import add_attribute_to_class
from mypy.types import AnyType, Instance, Type, TypeOfAny

_ACCESSORS = {
    "pandas.core.series.Series": "pdneuro.accessors.SeriesNeuro",
    "pandas.core.frame.DataFrame": "pdneuro.accessors.DataFrameNeuro",
    "pandas.core.indexes.base.Index": "pdneuro.accessors.IndexNeuro",
    "xarray.core.dataarray.DataArray": "pdneuro.accessors.DataArrayNeuro",
    "xarray.core.dataset.Dataset": "pdneuro.accessors.DatasetNeuro",
}
#: A class without ``__getattr__``: mypy asks for the type of its attributes only if they are declared.
_STRICT = "pandas.core.indexes.base.Index"


class NeuroPlugin(Plugin):
    """Set the type of the attribute ``neuro``, which the classes of pandas and xarray do not declare."""

    def get_attribute_hook(self, fullname: str) -> Callable[[AttributeContext], Type] | None:
        """Return a function that returns the type of an attribute."""
        return self._type_of if fullname.endswith(".neuro") else None

    def get_customize_class_mro_hook(self, fullname: str) -> Callable[[ClassDefContext], None] | None:
        """Return a function that declares the attribute in a class."""
        return _declare if fullname == _STRICT else None

    def _type_of(self, context: AttributeContext) -> Type:
        kind = context.type.type.mro if isinstance(context.type, Instance) else []
        for base in kind:
            symbol = self.lookup_fully_qualified(_ACCESSORS.get(base.fullname, ""))
            node = symbol.node if symbol else None
            if isinstance(node, TypeInfo):
                return Instance(node, [])
        return context.default_attr_type


def _declare(context: ClassDefContext) -> None:
    add_attribute_to_class(context.api, context.cls, "neuro", AnyType(TypeOfAny.explicit))


def plugin(version: str) -> type[Plugin]:
    """Return the plugin; mypy calls this."""
    return NeuroPlugin
