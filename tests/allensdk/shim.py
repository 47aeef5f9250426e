"""A pytest plugin: ``import allensdk`` loads the classes of ``pdneuro.allen.sdk``.

allensdk's tests replace functions of its modules. Here these modules have the names of theirs; what
``pdneuro.allen.sdk`` does not have raises an error when a test uses it.
"""

from __future__ import annotations

import functools
import importlib.abc
import importlib.machinery
import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest

import pdneuro
from pdneuro.allen import payload, sdk

#: Names of allensdk in other modules of pdneuro, and names that pdneuro has under another name.
PLACES = {"config.manifest": "Manifest ManifestVersionError", "core.cell_types_cache": "ReporterStatus"}


class Missing:
    """A name that pdneuro does not have."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"pdneuro.allen.sdk has no {self.name}")

    def __getattr__(self, name: str) -> Any:
        raise NotImplementedError(f"pdneuro.allen.sdk has no {self.name}")


class Module(types.ModuleType):
    """A module of allensdk, with the names that pdneuro has."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = getattr(sdk, name, None)
        return Missing(f"{self.__name__}.{name}") if found is None else found


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Make any module below ``allensdk``; a name in capitals is a class and not a module."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name.split(".")[0] != "allensdk" or name.rsplit(".", 1)[-1][0].isupper():
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: Any) -> Module:
        return Module(spec.name)

    def exec_module(self, module: Any) -> None:
        if module.__name__ == "allensdk.core.json_utilities":
            module.read = lambda path: json.loads(Path(path).read_text("utf-8"))
            module.write = lambda path, value: Path(path).write_text(json.dumps(value), "utf-8")
            module.read_url_get = functools.partial(_original, sdk.Api())
        if module.__name__ == "allensdk.config":
            module.enable_console_log = lambda: None


_original = sdk.Api.retrieve_parsed_json_over_http


def _read(self: Any, url: str, post: bool = False) -> Any:
    """Send a request by allensdk's function, which its tests replace."""
    utilities = importlib.import_module("allensdk.core.json_utilities")
    return utilities.read_url_get(payload.encoded(url))


@pytest.fixture
def fn_temp_dir(tmp_path: Path) -> str:
    """Return an empty folder."""
    return str(tmp_path)


sys.meta_path.insert(0, Finder())
sdk.Api.retrieve_parsed_json_over_http = _read
# The tests expect allensdk's addresses.
pdneuro.set_options(
    allen_url="http://api.brain-map.org",
    allen_files_url="http://download.alleninstitute.org",
    retries=0,
    timeout=1,
    progress=False,
)
