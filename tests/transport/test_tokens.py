"""Tokens on disk and in the environment: under which name each is found."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from pdneuro import tokens

DEFAULT = "global.daf-apis.com"


@pytest.mark.parametrize(
    "saved_for", [DEFAULT, "Global.Daf-Apis.com", "https://Global.Daf-Apis.Com", f"https://{DEFAULT}/"]
)
@pytest.mark.parametrize(
    "wanted", [DEFAULT, "GLOBAL.DAF-APIS.COM", f"HTTPS://{DEFAULT.upper()}", "minnie65_public"]
)
def test_a_server_is_found_in_any_spelling(saved_for: str, wanted: str) -> None:
    tokens.save(saved_for, "abc")
    assert tokens.get(wanted) == "abc"
    assert tokens.forget(wanted)
    assert tokens.get(saved_for) is None


def test_two_ports_of_a_host_have_their_own_tokens() -> None:
    tokens.save("http://localhost:8001", "one")
    tokens.save("http://localhost:8002", "two")
    assert tokens.get("http://localhost:8001/any/path") == "one"
    assert tokens.get("localhost:8002") == "two"
    assert tokens.get("localhost") is None


def test_the_token_of_one_service_is_not_used_for_another() -> None:
    tokens.save("braincircuits", "bc")
    for other in ("cave", DEFAULT, "v1dd_public", "braincircuits.io"):
        assert tokens.get(other) is None
    tokens.save("https://somewhere.org", "mine")
    assert tokens.get("cave") is None
    assert tokens.get("minnie65_public") is None
    assert tokens.get("braincircuits") == "bc"


def test_the_general_cave_token_is_used_for_the_default_server_only() -> None:
    tokens.save("cave", "general")
    assert tokens.get(DEFAULT) == "general"
    assert tokens.get("minnie65_public") == "general"
    assert tokens.get("v1dd_public") is None
    tokens.save(DEFAULT, "own")
    assert tokens.get(DEFAULT) == "own"
    # BrainCircuits.io receives the token "cave"; the server's own token is not for it.
    assert tokens.get("cave") == "general"


def test_a_saved_token_replaces_the_one_before_and_leaves_no_other_file() -> None:
    tokens.save("braincircuits", "first")
    tokens.save("braincircuits", "second")
    assert tokens.get("braincircuits") == "second"
    (file,) = (path for path in Path.home().rglob("*") if path.is_file())
    assert json.loads(file.read_text()) == {"token": "second"}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_status_lists_saved_servers_and_unusable_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens.save("https://somewhere.org", "mine")
    monkeypatch.setenv("PDNEURO_BRAINCIRCUITS_TOKEN", "two words")
    table = tokens.status().set_index("service")
    assert table.loc["somewhere.org", "set"]
    assert "somewhere.org.json" in table.loc["somewhere.org", "origin"]
    assert not table.loc["braincircuits", "set"]
    assert "unusable" in table.loc["braincircuits", "origin"]
    assert "two words" not in table.to_string(max_colwidth=None)
    with pytest.raises(ValueError, match="PDNEURO_BRAINCIRCUITS_TOKEN"):
        tokens.get("braincircuits")


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"token": 5}', '{"token": " "}', "null"])
def test_a_damaged_file_counts_as_no_token(content: str) -> None:
    tokens.save("braincircuits", "abc")
    (file,) = Path.home().rglob("braincircuits.json")
    file.write_text(content)
    assert tokens.get("braincircuits") is None
