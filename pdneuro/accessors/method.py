"""Turn plain functions into accessor methods; the base class of all accessors."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Concatenate, ParamSpec, TypeVar

from pdneuro._docs import TEXTS
from pdneuro.errors import did_you_mean
from pdneuro.tables.coordinates import Kind, level_of
from pdneuro.tables.foreign import to_pandas

Rest = ParamSpec("Rest")
Result = TypeVar("Result")
_VAR_POSITIONAL = inspect.Parameter.VAR_POSITIONAL


def as_method(
    function: Callable[Concatenate[Any, Rest], Result],
) -> Callable[Concatenate[Any, Rest], Result]:
    """Return a method that calls a function on the accessor's object; it has its signature and docs."""

    @functools.wraps(function)
    def method(self: Any, /, *args: Rest.args, **kwargs: Rest.kwargs) -> Result:
        if kwargs:
            _check_keywords(function, kwargs)
        # Tables of other libraries, such as nodes=, are converted here for all methods.
        options: Any = {name: to_pandas(value) for name, value in kwargs.items()}
        return function(self._obj, *map(to_pandas, args), **options)

    return method


if TYPE_CHECKING:
    import xarray as xr

    def as_array_method(
        function: Callable[Concatenate[Any, Rest], Any],
    ) -> Callable[Concatenate[Any, Rest], xr.DataArray]:
        """Return a method whose result is an array."""
        ...

    def as_dataset_method(
        function: Callable[Concatenate[Any, Rest], Any],
    ) -> Callable[Concatenate[Any, Rest], xr.Dataset]:
        """Return a method whose result is a dataset."""
        ...


def as_index_method(function: Callable[..., Result], kind: Kind) -> Callable[..., Result]:
    """Return a method of an Index for a function of a column: ``level=`` takes the place of ``on=``."""
    signature = inspect.signature(function)
    shown = [
        part.replace(name="level") if part.name == "on" else part
        for part in signature.parameters.values()
    ]

    @functools.wraps(function)
    def method(self: Any, /, *args: Any, **kwargs: Any) -> Result:
        _check_keywords(method, kwargs)
        given = inspect.signature(method).bind(self, *args, **kwargs)
        column = level_of(self._obj, given.arguments.pop("level", None), kind)
        return function(column, *given.args[1:], **given.kwargs)

    method.__signature__ = signature.replace(parameters=shown)  # type: ignore[attr-defined]
    doc = inspect.getdoc(function) or ""
    for name in ("on", "structure on", "experiment on", "neuron on", "supervoxel on"):
        doc = doc.replace(TEXTS[name], TEXTS["level"])
    method.__doc__ = doc
    return method


def _check_keywords(function: Callable[..., Any], keywords: Iterable[str]) -> None:
    """Raise TypeError for a keyword that the function does not have, and suggest the nearest."""
    parameters = list(inspect.signature(function).parameters.values())[1:]
    kinds = {parameter.kind for parameter in parameters}
    names = [parameter.name for parameter in parameters if parameter.kind is not _VAR_POSITIONAL]
    unknown = [name for name in keywords if name not in names]
    if unknown and inspect.Parameter.VAR_KEYWORD not in kinds:
        raise TypeError(
            f".neuro.{function.__name__}() does not have a parameter {unknown[0]!r}."
            f"{did_you_mean(unknown[0], names)} Its parameters are {', '.join(names)}."
        )


class Accessor:
    """Base class of accessors: it stores only its object; its repr shows what it recognizes."""

    #: Function that describes the object: text for terminals, a table for notebooks.
    _describe: ClassVar[Any]

    def __init__(self, obj: Any) -> None:
        self._obj = obj

    @classmethod
    def _methods(cls, role: str) -> list[str]:
        """Return the methods for a role, such as ``.edges()``."""
        classes = [part for part in cls.__mro__ if vars(part).get("_role") == role]
        names = [name for part in classes for name in vars(part) if not name.startswith("_")]
        return [f".{name}()" for name in names]

    def __repr__(self) -> str:
        return str(type(self)._describe(self._obj, self._methods))

    def _repr_html_(self) -> str:
        return str(type(self)._describe(self._obj, self._methods).to_html())
