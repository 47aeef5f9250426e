"""Options and tokens."""

from __future__ import annotations

import json
import stat
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import pdneuro
from pdneuro import errors, tokens


class TestOptions:
    def test_code_over_environment_over_default(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert pdneuro.get_options()["batch_size"] == 1000
        monkeypatch.setenv("PDNEURO_BATCH_SIZE", "20")
        assert pdneuro.get_options()["batch_size"] == 20
        with pdneuro.set_options(batch_size=30):
            assert pdneuro.get_options()["batch_size"] == 30
            with pdneuro.set_options(batch_size=40, timeout=3):
                assert pdneuro.get_options()["batch_size"] == 40
            assert pdneuro.get_options()["batch_size"] == 30
        assert pdneuro.get_options()["batch_size"] == 20
        assert pdneuro.get_options()["timeout"] == 60

    def test_every_documented_option_is_there(self) -> None:
        assert set(pdneuro.get_options()) == {
            "source", "braincircuits_url", "neuromorpho_url", "neuromorpho_files_url", "allen_url",
            "neuromorpho_rate", "tls_fallback", "allen_files_url", "cave_url", "neuprint_url", "published_url", "abc_atlas_url", "sandbox_url", "cache_dir", "expire_after", "offline", "batch_size",
            "max_workers", "timeout", "retries", "progress", "full_traceback", "on_error", "on_missing",
        }  # fmt: skip
        assert pdneuro.get_options()["on_missing"] == "warn"

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("batch_size", 0), ("batch_size", True), ("batch_size", 1.5), ("batch_size", "x"), ("batch_size", np.int64(0)), ("timeout", 0),
            ("timeout", None), ("retries", -1), ("offline", "maybe"), ("on_error", "skip"),
            ("braincircuits_url", "api.braincircuits.io"), ("braincircuits_url", "ftp://x"),
            ("braincircuits_url", "https://me:s3cret@host"), ("braincircuits_url", None),
            ("expire_after", -1), ("expire_after", "soon"), ("cache_dir", 5), ("source", ""), ("nonsense", 1),
        ],
    )  # fmt: skip
    def test_wrong_values_are_refused_and_nothing_is_set(self, name: str, value: object) -> None:
        before = pdneuro.get_options()
        with pytest.raises(errors.OptionError) as caught:
            pdneuro.set_options(**{"retries": 7, name: value})
        assert name in str(caught.value)
        assert "s3cret" not in str(caught.value)
        assert pdneuro.get_options() == before

    @pytest.mark.parametrize(
        ("name", "given", "kept"),
        [
            ("expire_after", timedelta(days=1), 86400.0), ("expire_after", "never", None), ("expire_after", None, None),
            ("offline", "1", True), ("offline", "no", False), ("progress", "auto", None), ("progress", "true", True),
            ("braincircuits_url", "http://127.0.0.1:1/x/", "http://127.0.0.1:1/x"), ("cave_url", "", None),
            ("cache_dir", "~/c", Path("~/c").expanduser()),
            ("batch_size", np.int64(7), 7), ("timeout", np.float32(2.5), 2.5), ("offline", np.bool_(True), True),
        ],
    )  # fmt: skip
    def test_values_are_brought_to_one_type(self, name: str, given: object, kept: object) -> None:
        if name == "cache_dir":
            kept = Path("~/c").expanduser()
        with pdneuro.set_options(**{name: given}):
            assert pdneuro.get_options()[name] == kept
            assert type(pdneuro.get_options()[name]) is type(kept)

    def test_a_wrong_environment_variable_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PDNEURO_RETRIES", "lots")
        with pytest.raises(errors.OptionError, match="PDNEURO_RETRIES"):
            pdneuro.get_options()

    def test_a_misspelt_name_is_guessed_and_the_repr_explains(self) -> None:
        with pytest.raises(errors.OptionError, match="Did you mean 'batch_size'"):
            pdneuro.set_options(batchsize=4)
        assert "max_workers=4  # maximum number of requests at the same time" in repr(
            pdneuro.set_options()
        )


class TestTokens:
    def test_kept_for_the_owner_alone_and_never_shown(self) -> None:
        assert tokens.get("braincircuits") is None
        tokens.save("braincircuits", "  abc123 \n")
        assert tokens.get("braincircuits") == "abc123"
        (file,) = Path.home().rglob("braincircuits.json")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
        status = tokens.status()
        assert "abc123" not in status.to_string(max_colwidth=None)
        assert status.set_index("service")["set"].to_dict()["braincircuits"]
        assert tokens.forget("braincircuits")
        assert not tokens.forget("braincircuits")
        assert tokens.get("braincircuits") is None

    def test_the_environment_comes_first_and_an_empty_variable_counts_as_unset(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tokens.save("braincircuits", "from-file")
        monkeypatch.setenv("PDNEURO_BRAINCIRCUITS_TOKEN", "  ")
        assert tokens.get("braincircuits") == "from-file"
        monkeypatch.setenv("PDNEURO_BRAINCIRCUITS_TOKEN", "from-variable")
        assert tokens.get("braincircuits") == "from-variable"
        assert "PDNEURO_BRAINCIRCUITS_TOKEN" in tokens.status()["origin"].iloc[0]

    @pytest.mark.parametrize("token", ["", "  ", "two words", "line\nbreak", "schlüssel"])
    def test_what_is_no_token_is_refused_unseen(self, token: str) -> None:
        with pytest.raises(ValueError, match="one word") as caught:
            tokens.save("braincircuits", token)
        assert token.strip() == "" or token not in str(caught.value)

    def test_caves_own_files_are_read_per_server(self, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = Path.home() / ".cloudvolume" / "secrets"
        folder.mkdir(parents=True)
        (folder / "cave-secret.json").write_text(json.dumps({"token": "default-token"}))
        assert tokens.get("cave") == "default-token"
        assert tokens.get("minnie65_public") == "default-token"
        assert tokens.get("v1dd_public") is None
        (folder / "global.em.brain.allentech.org-cave-secret.json").write_text('{"token": "v1dd-token"}')
        assert tokens.get("v1dd_public") == "v1dd-token"
        assert tokens.get("https://global.em.brain.allentech.org") == "v1dd-token"
        monkeypatch.setenv("API_SECRET_v1dd", "variable-token")
        assert tokens.get("v1dd_public") == "variable-token"
        monkeypatch.setenv("PDNEURO_CAVE_TOKEN", "cave-token")
        assert tokens.get("cave") == "cave-token"
        (folder / "cave-secret.json").write_text("{broken")
        # The variable is for the default server, which minnie65_public is on, and for no other.
        assert tokens.get("minnie65_public") == "cave-token"
        monkeypatch.delenv("PDNEURO_CAVE_TOKEN")
        with pytest.raises(errors.InvalidTokenError, match=r"cave-secret\.json"):
            tokens.get("minnie65_public")
        monkeypatch.delenv("API_SECRET_v1dd")
        (folder / "global.em.brain.allentech.org-cave-secret.json").unlink()
        monkeypatch.setenv("PDNEURO_CAVE_TOKEN", "cave-token")
        assert tokens.get("v1dd_public") is None

    def test_saving_one_servers_token_leaves_the_other(self) -> None:
        tokens.save("minnie65_public", "first")
        tokens.save("https://global.em.brain.allentech.org", "second")
        assert tokens.get("global.daf-apis.com") == "first"
        assert tokens.get("v1dd_public") == "second"
        assert isinstance(tokens.status(), pd.DataFrame)

    def test_a_service_without_a_name(self) -> None:
        with pytest.raises(ValueError, match="unknown service"):
            tokens.get("../../etc/passwd")
