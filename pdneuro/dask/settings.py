"""Options that travel with a task to the worker that does it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pdneuro.options import carried, get_options


class WithOptions:
    """A function of a partition, with its arguments and the options in force when it was made.

    Tokens are no options: a worker reads them from its own environment or files.
    """

    def __init__(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        self.function, self.args, self.kwargs = function, args, kwargs
        self.options = {**get_options(), "progress": False}

    def __call__(self, partition: Any, *more: Any) -> Any:
        """The function's result on a partition."""
        with carried(self.options):
            return self.function(partition, *more, *self.args, **self.kwargs)

    def __dask_tokenize__(self) -> Any:
        from dask.base import normalize_token

        named = f"{self.function.__module__}.{self.function.__qualname__}"
        state = (named, self.args, sorted(self.kwargs.items()), sorted(self.options.items(), key=str))
        return normalize_token(state)
