"""Tokens on disk and in the environment: under which name each is found."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path

import pandas as pd
import pytest

from pdneuro import errors, tokens
from pdneuro.sandbox import Sandbox

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


#: Content of a file, and the reason in the message.
UNUSABLE = {
    b"": "it is empty",
    b" \n": "it is empty",
    b"{": "it is not JSON",
    b"s3cret-value": "it is not JSON",
    b"\xff\xfe\x00": "it is not JSON",
    b'"s3cret-value"': "a str and not an object",
    b"[]": "a list and not an object",
    b"null": "a NoneType and not an object",
    b"{}": "its keys are none",
    b'{"flywire_fafb_production": "s3cret-value"}': "its keys are 'flywire_fafb_production'",
    b'{"token": 5}': "a token is one word",
    b'{"token": " "}': "a token is one word",
    b'{"token": "s3cret value"}': "a token is one word",
}


@pytest.mark.parametrize("content", UNUSABLE)
@pytest.mark.parametrize(
    ("service", "name"),
    [
        ("braincircuits", "braincircuits.json"),
        ("cave", "cave.json"),
        ("minnie65_public", "cave-secret.json"),
        ("cave", "chunkedgraph-secret.json"),
        ("v1dd_public", "global.em.brain.allentech.org-cave-secret.json"),
    ],
)
def test_a_file_that_holds_no_token_is_named(content: bytes, service: str, name: str) -> None:
    folder = Path.home() / ".cloudvolume" / "secrets"
    if "secret" not in name:
        tokens.save(service, "abc")
        folder = next(Path.home().rglob(name)).parent
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    with pytest.raises(errors.InvalidTokenError, match=re.escape(name)) as caught:
        tokens.get(service)
    assert UNUSABLE[content] in str(caught.value)
    status = tokens.status().set_index("service")
    row = status.loc[tokens._key(service) if service != "minnie65_public" else "cave"]
    assert not row["set"]
    assert row["origin"].startswith("unusable: ")
    assert name in row["origin"]
    assert UNUSABLE[content] in row["origin"]
    for text in (str(caught.value), status.to_string(max_colwidth=None), repr(caught.value.__context__)):
        assert "s3cret" not in text


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-8"])
def test_files_of_other_encodings_are_read(encoding: str) -> None:
    folder = Path.home() / ".cloudvolume" / "secrets"
    folder.mkdir(parents=True)
    (folder / "cave-secret.json").write_bytes('{"token": "not-a-real-token"}'.encode(encoding))
    assert tokens.get("cave") == "not-a-real-token"


def test_another_file_is_used_instead_of_one_without_a_token() -> None:
    folder = Path.home() / ".cloudvolume" / "secrets"
    folder.mkdir(parents=True)
    (folder / "cave-secret.json").mkdir()
    with pytest.raises(errors.InvalidTokenError, match=r"cave-secret\.json .*cannot be read"):
        tokens.get("cave")
    (folder / "chunkedgraph-secret.json").write_text('{"token": "good"}')
    assert tokens.get("cave") == "good"


def test_calls_name_the_file(sandbox: Sandbox, ids: pd.Series) -> None:
    folder = Path.home() / ".cloudvolume" / "secrets"
    folder.mkdir(parents=True)
    (folder / "cave-secret.json").write_text('{"other": "s3cret"}')
    reason = r"cave-secret\.json .*'other'.*sticky_auth"
    with pytest.MonkeyPatch.context() as patch:
        patch.delitem(tokens._overrides, DEFAULT)
        with pytest.raises(errors.MissingTokenError, match=reason):
            tokens.require_cave("minnie65_public", f"https://{DEFAULT}")
    # The CAVE token is optional for a project that CAVE does not manage.
    with pytest.warns(errors.UnusableTokenWarning, match=r"cave-secret\.json"):
        found = ids.neuro.properties("size")
    assert found["size"].notna().all()
    tokens.save("braincircuits", "abc")
    file = next(Path.home().rglob("braincircuits.json"))
    file.write_text("s3cret")
    with pytest.MonkeyPatch.context() as patch:
        patch.delitem(tokens._overrides, "braincircuits")
        with pytest.raises(errors.MissingTokenError, match=r"braincircuits\.json .*not JSON"):
            ids.neuro.properties("link_pre")
