"""Versions of pdneuro, Python and packages, for bug reports."""

from __future__ import annotations

import importlib.metadata
import platform
import sys

from pdneuro._version import __version__

_PACKAGES = (
    "pandas",
    "numpy",
    "pandas-flavor",
    "requests",
    "requests-cache",
    "networkx",
    "msgspec",
    "tqdm",
    "platformdirs",
    "pyarrow",
    "scipy",
    "igraph",
    "matplotlib",
    "xarray",
    "dask",
    "pynrrd",
    "caveclient",
)


def show_versions() -> None:
    """Print the versions of pdneuro, Python and the packages it uses, for bug reports.

    Examples
    --------
    >>> pdneuro.show_versions()  # doctest: +ELLIPSIS
    pdneuro          ...
    """
    print(f"{'pdneuro':<16} {__version__}")
    print(f"{'Python':<16} {platform.python_version()} ({sys.platform}, {platform.machine()})")
    for package in _PACKAGES:
        try:
            version = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            version = "not installed"
        print(f"{package:<16} {version}")
