"""Folders of files in allensdk's layout: what is there is read, what is missing is downloaded."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from pdneuro._atomic import replacing
from pdneuro._compat import ROUND_TRIP
from pdneuro.allen.sdk.cache import Cache
from pdneuro.errors import InvalidFileError, InvalidQueryError


def files(paths: Mapping[str, str], folder: str = "BASEDIR") -> dict[str, dict[str, str]]:
    """Return entries of a manifest for files in a folder.

    >>> files({"CELLS": "cells.json"})
    {'CELLS': {'spec': 'cells.json', 'parent_key': 'BASEDIR', 'typename': 'file'}}
    """
    return {key: {"spec": spec, "parent_key": folder, "typename": "file"} for key, spec in paths.items()}


def default_manifest(name: str) -> str:
    """Return the path of a manifest: an environment variable such as CELL_TYPES_MANIFEST names it."""
    return os.environ.get(f"{name.upper()}_MANIFEST", f"{name}/manifest.json")


class CacheFolder(Cache):
    """Base of the classes that keep files in allensdk's layout."""

    def _file(self, file_name: Any, download: Callable[[str], Any], key: str, *args: Any) -> str:
        """Return the path of a file, which is downloaded if it does not exist."""
        # Without a cache, a file is still written to the path of the call.
        path = self.get_cache_path(file_name, key, *args) or file_name
        if not path:
            raise InvalidQueryError(
                "a file needs a path: set cache=True, or name it in the call by file_name=."
            )
        if not Path(path).exists():
            download(os.fspath(path))
        return os.fspath(path)

    def _records(self, path: Any, query: Callable[[], Any]) -> Any:
        """Return records from a JSON file, which is written from a query if it does not exist."""
        if path is None:
            return query()
        form = self.cache_json()
        if not Path(path).exists():
            form["writer"](path, query())
        try:
            return form["reader"](path)
        except ValueError as error:
            raise _damaged(path, error) from error

    def _table(self, path: Any, query: Callable[[], Any], *, index: bool) -> pd.DataFrame:
        """Return a table from a CSV file, which is written from a query if it does not exist.

        allensdk writes the rows of unionizes with an index, and those of features without, in quotes.
        """
        if path is None:
            return pd.DataFrame(query())
        target = Path(path)
        if not target.exists():
            table = pd.DataFrame(query())
            target.parent.mkdir(parents=True, exist_ok=True)
            with replacing(target) as part:
                quoting = csv.QUOTE_MINIMAL if index else csv.QUOTE_ALL
                table.to_csv(part, index=index, quoting=quoting)
        column = 0 if index else None
        try:
            return pd.read_csv(
                path, index_col=column, keep_default_na=False, na_values=[""], **ROUND_TRIP
            )
        except ValueError as error:
            raise _damaged(path, error) from error


def _damaged(path: Any, error: Exception) -> InvalidFileError:
    return InvalidFileError(
        f"{path} cannot be read ({type(error).__name__}: {error}). It is damaged: delete it, then it is "
        "downloaded again."
    )
