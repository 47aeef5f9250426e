"""Options and fixtures of the live tests; ``make live`` runs them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.recording import recorded

HERE = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options; they exist only if this folder is an argument of pytest."""
    parser.addoption("--live", action="store_true", help="send requests to the real services")
    parser.addoption("--record", type=Path, help="save the responses, without tokens, names and emails")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip the live tests without ``--live``."""
    if not config.getoption("--live", default=False):
        for item in items:
            if HERE in item.path.parents:
                item.add_marker(pytest.mark.skip(reason="needs --live, tokens and a network"))


@pytest.fixture(scope="session")
def _own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Use the tokens and options of the user, unlike all other tests, and an empty cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PDNEURO_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _recording(request: pytest.FixtureRequest, _own_home: None) -> Iterator[None]:
    """Save the responses if ``--record`` is given."""
    folder = request.config.getoption("--record", default=None)
    with recorded(folder) if folder else contextlib.nullcontext():
        yield
