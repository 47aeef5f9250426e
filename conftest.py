"""Makes the fixtures of the tests hold for the examples in docstrings and pages as well."""

from tests.conftest import _doctests, _own_home  # noqa: F401
