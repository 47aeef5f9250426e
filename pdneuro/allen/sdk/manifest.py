"""Folders of files in allensdk's layout: a manifest lists the path of each kind of file."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from pdneuro._atomic import replacing
from pdneuro._compat import ROUND_TRIP
from pdneuro.errors import InvalidFileError, InvalidQueryError


class ManifestVersionError(InvalidFileError):
    """A manifest was written by another version of allensdk, with another layout."""

    def __init__(self, message: str, version: Any, found_version: Any) -> None:
        super().__init__(message)
        self.version, self.found_version = version, found_version

    @property
    def outdated(self) -> bool | None:
        """Return whether the manifest is older; None if the versions cannot be compared."""
        try:
            return bool(self.found_version < self.version)
        except TypeError:
            return None


class Manifest:
    """The paths of a manifest.

    Parameters
    ----------
    config : list of dict, optional
        The entries of the manifest: ``key``, ``type``, ``spec``, ``parent_key``.
    relative_base_dir : path
        Folder that paths are relative to.
    version : optional
        The version that the manifest must have.

    Examples
    --------
    >>> from pdneuro.allen.sdk import Manifest
    >>> entries = [{"key": "BASEDIR", "type": "dir", "spec": "."},
    ...     {"key": "CELL", "type": "file", "spec": "cell_%d.swc", "parent_key": "BASEDIR"}]
    >>> Manifest(entries, "/data").get_path("CELL", 5)
    '/data/cell_5.swc'
    """

    def __init__(self, config: Any = None, relative_base_dir: Any = ".", version: Any = None) -> None:
        self.relative_base_dir, self.version = relative_base_dir, version
        self.path_info: dict[str, dict[str, str]] = {}
        # A percent sign in the name of the folder is not a place of an argument.
        base = str(Path(relative_base_dir).absolute()).replace("%", "%%")
        found = None
        for entry in config or ():
            if entry["type"] == "manifest_version":
                found = entry["value"]
                continue
            above = entry.get("parent_key")
            folder = self.path_info[above]["spec"] if above else base
            spec = str(Path(folder) / entry["spec"])
            self.path_info[entry["key"]] = {"type": entry["type"], "spec": spec}
        if found != version:
            raise ManifestVersionError(
                f"the manifest has version {found!r}, not {version!r}.", version, found
            )

    def get_path(self, path_key: str, *args: Any) -> str:
        """Return the path of a kind of file, with arguments such as the ID of an experiment.

        Examples
        --------
        >>> entries = [{"key": "CELL", "type": "file", "spec": "cell_%d.swc"}]
        >>> pdneuro.allen.sdk.Manifest(entries, "/data").get_path("CELL", 5)
        '/data/cell_5.swc'
        """
        return str(self.path_info[path_key]["spec"] % args)

    @staticmethod
    def safe_mkdir(directory: Any) -> None:
        """Make a folder and those above it, if they do not exist.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> folder = pathlib.Path(tempfile.mkdtemp()) / "new" / "folder"
        >>> pdneuro.allen.sdk.Manifest.safe_mkdir(folder)
        >>> folder.is_dir()
        True
        """
        Path(directory).mkdir(parents=True, exist_ok=True)

    @classmethod
    def safe_make_parent_dirs(cls, file_name: Any) -> None:
        """Make the folder of a file, if it does not exist."""
        cls.safe_mkdir(Path(file_name).parent)

    def as_dataframe(self) -> pd.DataFrame:
        """Return the paths as a table, with their keys in the index.

        Examples
        --------
        >>> entries = [{"key": "CELL", "type": "file", "spec": "cell_%d.swc"}]
        >>> pdneuro.allen.sdk.Manifest(entries, "/data").as_dataframe()
              type              spec
        CELL  file  /data/cell_%d.swc
        """
        return pd.DataFrame.from_dict(self.path_info, orient="index")


class ManifestFolder:
    """Base of the classes that keep files in allensdk's layout; an existing folder is read as it is.

    Parameters
    ----------
    manifest : path, optional
        A file; if it does not exist, it is written, with the layout of the class. None: no files.
    cache : bool
        Whether to read and write files, except those that a call names.
    version : optional
        The version of the manifest. Default: that of the class.
    """

    MANIFEST_VERSION: Any = None
    #: The ``spec`` of each kind of file, with a place for each argument, and the key of its folder.
    MANIFEST_CONFIG: Mapping[str, Mapping[str, str]] = {}

    def __init__(
        self, manifest: Any = None, cache: bool = True, version: Any = None, **kwargs: Any
    ) -> None:
        self.cache = cache
        self.load_manifest(manifest, self.MANIFEST_VERSION if version is None else version)

    def load_manifest(self, file_name: Any, version: Any = None) -> None:
        """Read a manifest, or write it if the file does not exist.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> file = pathlib.Path(tempfile.mkdtemp()) / "manifest.json"
        >>> pdneuro.allen.sdk.Cache(file).manifest.get_path("BASEDIR") == str(file.parent)
        True
        """
        self.manifest: Manifest | None = None
        if file_name is None:
            return
        self.manifest_path = os.fspath(file_name)
        if not Path(file_name).exists():
            self.build_manifest(file_name)
        try:
            entries = json.loads(Path(file_name).read_text("utf-8"))["manifest"]
            self.manifest = Manifest(entries, Path(file_name).parent, version)
        except ManifestVersionError as error:
            raise ManifestVersionError(
                f"{file_name}: {error} Its files may be arranged in another way. Choose another "
                "manifest_file, or delete this one: it is then written again.",
                error.version,
                error.found_version,
            ) from None
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidFileError(
                f"{file_name} is not a manifest of allensdk ({type(error).__name__}: {error}). Choose "
                "another manifest_file."
            ) from error

    def build_manifest(self, file_name: Any) -> None:
        """Write a manifest with the layout of the class.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> file = pathlib.Path(tempfile.mkdtemp()) / "manifest.json"
        >>> pdneuro.allen.sdk.Cache().build_manifest(file)
        >>> file.exists()
        True
        """
        entries: list[dict[str, Any]] = [
            {"type": "manifest_version", "value": self.MANIFEST_VERSION},
            {"key": "BASEDIR", "type": "dir", "spec": "."},
        ]
        for key, given in self.MANIFEST_CONFIG.items():
            entry = {"key": key, "type": given.get("typename", "dir"), **given}
            entries.append({name: value for name, value in entry.items() if name != "typename"})
        path = Path(file_name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as part:
            part.write_text(json.dumps({"manifest": entries}, indent=2), "utf-8")

    def get_cache_path(self, file_name: Any, manifest_key: str, *args: Any) -> Any:
        """Return ``file_name``, or the path of the manifest; None without a cache.

        Examples
        --------
        >>> cache = pdneuro.allen.sdk.Cache()
        >>> cache.get_cache_path("cells.json", "CELLS"), cache.get_cache_path(None, "CELLS")
        ('cells.json', None)
        """
        if not self.cache:
            return None
        if file_name or self.manifest is None:
            return file_name or None
        return self.manifest.get_path(manifest_key, *args)

    def manifest_dataframe(self) -> pd.DataFrame:
        """Return the paths of the manifest as a table, with their keys in the index.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> file = pathlib.Path(tempfile.mkdtemp()) / "manifest.json"
        >>> pdneuro.allen.sdk.Cache(file).manifest_dataframe().index.tolist()
        ['BASEDIR']
        """
        return pd.DataFrame() if self.manifest is None else self.manifest.as_dataframe()

    def _file(self, file_name: Any, download: Callable[[Any], Any], key: str, *args: Any) -> str:
        """Return the path of a file, which is downloaded if it does not exist."""
        # A file is always written somewhere: without a cache, to the path of the call.
        path = self.get_cache_path(file_name, key, *args) or file_name
        if not path:
            raise InvalidQueryError(
                "a file needs a path: set cache=True, or name it in the call by file_name=."
            )
        if not Path(path).exists():
            download(os.fspath(path))
        return str(path)

    def _records(self, path: Any, query: Callable[[], Any]) -> Any:
        """Return records from a JSON file, which is written from a query if it does not exist."""
        if path is None:
            return query()
        if not Path(path).exists():
            text = json.dumps(query())
            _write(path, lambda part: part.write_text(text, "utf-8"))
        try:
            return json.loads(Path(path).read_text("utf-8"))
        except ValueError as error:
            raise _damaged(path, error) from error

    def _table(self, path: Any, query: Callable[[], Any], *, index: bool) -> pd.DataFrame:
        """Return a table from a CSV file, which is written from a query if it does not exist.

        allensdk writes the rows of unionizes with an index, and those of features without, in quotes.
        """
        if path is None:
            return pd.DataFrame(query())
        if not Path(path).exists():
            table = pd.DataFrame(query())
            quoting: Any = csv.QUOTE_MINIMAL if index else csv.QUOTE_ALL
            _write(path, lambda part: table.to_csv(part, index=index, quoting=quoting))
        column = 0 if index else None
        try:
            read: pd.DataFrame = pd.read_csv(
                path, index_col=column, keep_default_na=False, na_values=[""], **ROUND_TRIP
            )
        except ValueError as error:
            raise _damaged(path, error) from error
        return read


def files(paths: Mapping[str, str], folder: str = "BASEDIR") -> dict[str, dict[str, str]]:
    """Return the entries of a manifest for files in a folder.

    >>> files({"CELLS": "cells.json"})
    {'CELLS': {'spec': 'cells.json', 'parent_key': 'BASEDIR', 'typename': 'file'}}
    """
    return {key: {"spec": spec, "parent_key": folder, "typename": "file"} for key, spec in paths.items()}


def default_manifest(name: str) -> str:
    """Return the path of a manifest: an environment variable such as CELL_TYPES_MANIFEST names it."""
    return os.environ.get(f"{name.upper()}_MANIFEST", f"{name}/manifest.json")


def _damaged(path: Any, error: Exception) -> InvalidFileError:
    reason = f"{type(error).__name__}: {error}".strip()
    return InvalidFileError(
        f"{path} cannot be read ({reason}). It is damaged: delete it, then it is downloaded again."
    )


def _write(path: Any, write: Callable[[Path], Any]) -> None:
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as part:
        write(part)
