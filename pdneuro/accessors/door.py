"""How a method of an accessor stands for a plain function, and what all accessors are."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ClassVar, Concatenate, ParamSpec, TypeVar

import pandas as pd

from pdneuro import citations

Rest = ParamSpec("Rest")
Result = TypeVar("Result")


def door(
    function: Callable[Concatenate[Any, Rest], Result],
) -> Callable[Concatenate[Any, Rest], Result]:
    """A method that calls ``function`` on the accessor's object, with its signature and docstring."""

    @functools.wraps(function)
    def method(self: Any, /, *args: Rest.args, **kwargs: Rest.kwargs) -> Result:
        return function(self._obj, *args, **kwargs)

    return method


class Accessor:
    """An accessor: it holds the object and nothing else, and says what it recognises in it."""

    #: What is said of the object: text for terminals, a table for notebooks.
    _describe: ClassVar[Any]

    def __init__(self, obj: Any) -> None:
        self._obj = obj

    def __repr__(self) -> str:
        return str(type(self)._describe(self._obj))

    def _repr_html_(self) -> str:
        return str(type(self)._describe(self._obj).to_html())


class Citable(Accessor):
    """An accessor of what may be a result: it knows where that came from."""

    @property
    def provenance(self) -> pd.DataFrame:
        """Where the table came from; see :func:`pdneuro.citations.provenance`."""
        return citations.provenance(self._obj)

    cite = door(citations.cite)
