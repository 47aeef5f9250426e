"""Tokens on disk and in the environment: under which name each is found."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import pdneuro
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
    for other in ("cave", DEFAULT, "v1dd_public", "https://example.org"):
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


def test_calls_name_the_file(sandbox: Sandbox, ids: pd.Series, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path.home() / ".cloudvolume" / "secrets"
    folder.mkdir(parents=True)
    (folder / "cave-secret.json").write_text('{"other": "s3cret"}')
    reason = r"cave-secret\.json .*'other'.*sticky_auth"
    # The sandbox hides the files of the user; its address alone does not.
    sandbox.stop()
    with pytest.raises(errors.MissingTokenError, match=reason):
        tokens.require_cave("minnie65_public", f"https://{DEFAULT}")
    monkeypatch.setenv("PDNEURO_BRAINCIRCUITS_TOKEN", "abc")
    # The CAVE token is optional for a project that CAVE does not manage.
    with (
        pytest.warns(errors.UnusableTokenWarning, match=r"cave-secret\.json"),
        pytest.raises(errors.ConnectionFailedError),
        pdneuro.set_options(**sandbox.options, retries=0),
    ):
        ids.neuro.properties("size")
    monkeypatch.delenv("PDNEURO_BRAINCIRCUITS_TOKEN")
    tokens.save("braincircuits", "abc")
    file = next(Path.home().rglob("braincircuits.json"))
    file.write_text("s3cret")
    with pytest.raises(errors.MissingTokenError, match=r"braincircuits\.json .*not JSON"):
        ids.neuro.properties("link_pre", source="fruitfly_fafb_flywire")


#: Spellings that lead to one token.
SPELLINGS = [
    [
        "braincircuits",
        "BrainCircuits",
        " braincircuits ",
        "braincircuits.io",
        "https://braincircuits.io/docs",
        "https://api.braincircuits.io",
        "braincircuits:fruitfly_fanc_cave",
    ],
    [
        "v1dd_public",
        "V1DD_public",
        "v1dd",
        "cave:v1dd_public",
        "cave:v1dd_public@1196",
        "global.em.brain.allentech.org",
        "https://global.em.brain.allentech.org/sticky_auth/settings/tokens",
        "https://user:pw@global.em.brain.allentech.org:443",
    ],
    [
        "cave",
        "CAVE",
        "minnie65_public",
        "cave:minnie65_public",
        "global.daf-apis.com",
        "global.daf-apis.com/",
        "https://global.daf-apis.com.",
    ],
    ["http://localhost:8001", "localhost:8001", "localhost:8001/any"],
]


@pytest.mark.parametrize("spellings", SPELLINGS, ids=lambda names: names[0])
def test_every_spelling_leads_to_one_token(spellings: list[str]) -> None:
    for saved in spellings:
        tokens.save(saved, "abc")
        assert [tokens.get(name) for name in spellings] == ["abc"] * len(spellings)
        for others in SPELLINGS:
            if others is not spellings:
                assert {tokens.get(name) for name in others} == {None}
        for forgotten in spellings[:3]:
            with tokens.use(saved, "in-memory"):
                assert tokens.get(forgotten) == "in-memory"
        assert tokens.forget(spellings[-1])
        assert {tokens.get(name) for name in spellings} == {None}
        assert not [path for path in Path.home().rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("cave:v1dd_publik", "Did you mean 'v1dd_public'"),
        ("v1dd_publik", "Did you mean 'v1dd_public'"),
        ("cave:", "Use 'braincircuits'"),
        ("cave:https://example.org", "Use 'braincircuits'"),
        ("fruitfly_fafb_flywire", "Use 'braincircuits'"),
        ("braincircuit", "Use 'braincircuits'"),
        ("https://", "unknown service"),
        ("https://[::1", "unknown service"),
        ("", "unknown service"),
        (None, "unknown service"),
        ("neuromorpho", "takes no token"),
        ("https://neuromorpho.org/api", "takes no token"),
        ("https://api.brain-map.org", "takes no token"),
    ],
)
def test_a_name_that_no_query_uses_raises(name: Any, hint: str) -> None:
    for call in (lambda: tokens.save(name, "s3cret"), lambda: tokens.use(name, "s3cret")):
        with pytest.raises(errors.UnknownServiceError, match=hint) as caught:
            call()
        assert "s3cret" not in str(caught.value)
    with pytest.raises(errors.UnknownServiceError):
        tokens.get(name)


def test_the_status_names_files_that_no_query_reads() -> None:
    tokens.save("localhost:8001", "abc")
    folder = next(Path.home().rglob("localhost_8001.json")).parent
    (folder / "cave_v1dd_public.json").write_text('{"token": "s3cret"}')
    table = tokens.status().set_index("service")
    assert table.loc["localhost:8001", "set"]
    assert "cave_v1dd_public.json is not for" in table.loc["cave_v1dd_public", "origin"]


class TestUse:
    def test_for_a_block_or_for_the_session(self) -> None:
        tokens.save("v1dd_public", "saved")
        with tokens.use("cave:v1dd_public", "outer"):
            with tokens.use("v1dd", "inner"):
                assert tokens.get("v1dd_public") == "inner"
                assert (
                    tokens.status().set_index("service")["origin"]["global.em.brain.allentech.org"]
                    == "this session"
                )
            assert tokens.get("v1dd_public") == "outer"
        assert tokens.get("v1dd_public") == "saved"
        shown = repr(tokens.use("v1dd", "s3ssion"))
        assert "s3ssion" not in shown
        assert tokens.get("v1dd_public") == "s3ssion"
        assert tokens.forget("v1dd_public")
        assert tokens.get("v1dd_public") is None

    def test_nothing_is_written(self) -> None:
        with tokens.use("braincircuits", "abc"):
            tokens.get("braincircuits")
        tokens.use("braincircuits", "abc")
        assert not [path for path in Path.home().rglob("*") if path.is_file()]

    def test_the_token_of_a_block_is_not_used_in_another_thread(self) -> None:
        with ThreadPoolExecutor(1) as pool:
            with tokens.use("braincircuits", "mine"):
                assert pool.submit(tokens.get, "braincircuits").result() is None
            tokens.use("braincircuits", "session")
            assert pool.submit(tokens.get, "braincircuits").result() == "session"

    def test_requests_of_a_block_carry_it(self, sandbox: Sandbox, ids: pd.Series) -> None:
        with tokens.use("braincircuits", "withdrawn"), pytest.raises(errors.AuthenticationError):
            ids.neuro.properties("size", batch_size=2)
        assert ids.neuro.properties("size")["size"].notna().all()

    @pytest.mark.parametrize("token", ["", "two words", "line\nbreak"])
    def test_what_is_not_a_token_raises(self, token: str) -> None:
        with pytest.raises(ValueError, match="one word"):
            tokens.use("braincircuits", token)


def test_the_sandbox_never_receives_a_token_of_the_user(
    monkeypatch: pytest.MonkeyPatch, ids: pd.Series
) -> None:
    for name in ("PDNEURO_CAVE_TOKEN", "API_SECRET_microns", "API_SECRET_v1dd"):
        monkeypatch.setenv(name, "users-own-token")
    monkeypatch.setenv("PDNEURO_BRAINCIRCUITS_TOKEN", "users-own-token")
    tokens.use("cave", "users-own-token")
    with tokens.use("braincircuits", "users-own-token"), pdneuro.sandbox.start() as sandbox:
        for project in ("fruitfly_fafb_flywire", "fruitfly_fafb_flywire_public"):
            ids.neuro.properties("size", source=project)
        with pytest.raises(errors.ForbiddenError):
            ids.neuro.properties("size", source="fruitfly_fanc_cave")
        for datastack in ("minnie65_public", "v1dd_public"):
            tokens.require_cave(datastack, f"{sandbox.url}/cave")
        with pytest.raises(errors.MissingTokenError):
            tokens.require_cave("another", f"{sandbox.url}/cave")
        sent = [str(request.headers) for request in sandbox.requests]
        assert len(sent) == 3
        assert "users-own-token" not in " ".join([*sent, *sandbox.settings().values()])
        # Variables come first in another process, so all of them are set.
        assert "PDNEURO_CAVE_TOKEN" in sandbox.settings()
    assert tokens.get("cave") == "users-own-token"


def test_an_empty_variable_means_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens.save("braincircuits", "users-own-token")
    assert tokens.get("braincircuits") == "users-own-token"
    monkeypatch.setenv("PDNEURO_BRAINCIRCUITS_TOKEN", "")
    assert tokens.get("braincircuits") is None


class TestKilled:
    """A process that is killed while it saves a token."""

    SCRIPT = """
import os, sys
from pdneuro import tokens
import pdneuro._atomic
call = sys.argv[1]
def killed(*args, **options):
    os._exit(9)
if call != "none":
    setattr(os, call, killed)
tokens.save("braincircuits", "new-token")
"""

    @pytest.mark.parametrize(
        "call", ["chmod", "fstat", "write", "ftruncate", "close", "replace", "none"]
    )
    @pytest.mark.parametrize("old", [None, "old-token-that-is-much-longer-than-the-new-one"])
    def test_leaves_no_copy_of_the_token(self, call: str, old: str | None) -> None:
        if old:
            tokens.save("braincircuits", old)
        subprocess.run([sys.executable, "-c", self.SCRIPT, call], check=False)
        found = [path for path in Path.home().rglob("*") if path.is_file()]
        assert {path.name for path in found} <= {"braincircuits.json"}
        for path in found:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        if call in ("ftruncate", "close", "replace", "none"):
            assert tokens.get("braincircuits") == "new-token"
        elif old:
            assert tokens.get("braincircuits") == old
        tokens.forget("braincircuits")
        assert "token" not in "".join(
            path.read_text() for path in Path.home().rglob("*") if path.is_file()
        )

    def test_temporary_files_of_earlier_versions_are_deleted(self) -> None:
        tokens.save("braincircuits", "abc")
        file = next(Path.home().rglob("braincircuits.json"))
        for call in (
            lambda: tokens.save("braincircuits", "abc"),
            lambda: tokens.forget("braincircuits"),
        ):
            for name in ("braincircuits.json.123.part", ".braincircuits.json.abc.part"):
                file.with_name(name).write_text('{"token": "abc"}')
            call()
            assert not [path for path in file.parent.iterdir() if path.suffix == ".part"]


def test_a_folder_that_cannot_be_written_is_named() -> None:
    tokens.save("braincircuits", "abc")
    file = next(Path.home().rglob("braincircuits.json"))
    file.unlink()
    file.mkdir()
    with pytest.raises(
        errors.TokenFileError, match=r"braincircuits\.json .*tokens\.use\('braincircuits'"
    ):
        tokens.save("braincircuits", "s3cret")
    with pytest.raises(errors.TokenFileError, match=r"braincircuits\.json cannot be deleted"):
        tokens.forget("braincircuits")
