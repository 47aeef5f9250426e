"""Turn methods of pdneuro.allen into those of allensdk: records or a file as the result."""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pdneuro.allen.sdk.cache import KEYWORDS, cacheable
from pdneuro.errors import InvalidQueryError

Records = list[dict[str, Any]]
Method = Callable[..., Any]


def _method(function: Method, call: Method, summary: str, example: str, result: str) -> Any:
    """Return a method with the arguments of another, and a docstring with its own example."""
    functools.update_wrapper(call, function)
    owner, name = function.__qualname__.split(".")
    folder = ">>> import tempfile\n>>> folder = tempfile.mkdtemp()\n" if "{folder}" in example else ""
    call.__doc__ = (
        f"{(function.__doc__ or '').splitlines()[0]}\n\n{summary} The arguments are those of\n"
        f":meth:`pdneuro.allen.{owner}.{name}`.\n\nExamples\n--------\n"
        f"{folder}>>> api = pdneuro.allen.sdk.{owner}()\n>>> {example}\n{result}\n"
    )
    return call


def as_records(function: Method, example: str, result: str) -> Any:
    """Return a query of a class, with records instead of a DataFrame and the keywords of cacheable."""
    cached = cacheable()(function)

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return cached(self, *args, **kwargs)

    return _method(
        function, call, "Returns records, and takes the keywords of ``cacheable``.", example, result
    )


def as_file(
    function: Method,
    argument: str,
    example: str,
    result: str,
    reader: Callable[[Any], Any] | None = None,
) -> Any:
    """Return a download with the keywords of cacheable; ``reader`` returns the content of the file."""

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        how = {name: kwargs.pop(name) for name in _FILE_KEYWORDS if name in kwargs}
        given = inspect.signature(function).bind(self, *args, **kwargs).arguments
        path, strategy = given.get(argument), how.get("strategy")
        if strategy not in (None, "create", "file", "lazy", "pass_through"):
            raise InvalidQueryError(f"strategy must be 'create', 'file' or 'lazy', not {strategy!r}.")
        exists = path is not None and Path(path).expanduser().exists()
        result: Any = None
        if strategy != "file" and not (strategy == "lazy" and exists):
            if path is not None:
                _make_folder(Path(path).expanduser().parent)
            result = function(self, *args, **kwargs)
        read, post = how.get("reader") or reader, how.get("post")
        found = result or path if read is None else read(path or result)
        return found if post is None else post(found)

    content = "Returns the content of the file" if reader else "Returns the path"
    summary = f"{content}, and takes the keywords of ``cacheable``."
    return _method(function, call, summary, example, result)


_FILE_KEYWORDS = tuple(name for name in KEYWORDS if name != "path")


def _make_folder(folder: Path) -> None:
    """Make the folder of a file, which a download that a subclass replaces expects."""
    with contextlib.suppress(FileExistsError):
        os.makedirs(str(folder))  # noqa: PTH103 - tests written for allensdk replace this function
