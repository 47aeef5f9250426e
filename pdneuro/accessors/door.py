"""How a method of an accessor stands for a plain function."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

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
