"""Setup: from a token to a first result."""

from __future__ import annotations

import getpass
import io
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import pdneuro
from pdneuro import cli, errors, tokens
from pdneuro.checks.braincircuits import EXAMPLES
from pdneuro.checks.setup import SETUPS
from pdneuro.sandbox import Sandbox
from pdneuro.sandbox.braincircuits import TOKEN
from pdneuro.sandbox.cave import TOKENS

CASES = [
    ("braincircuits", TOKEN, "fruitfly_fafb_flywire"),
    ("braincircuits:fruitfly_fafb_flywire_public", TOKEN, "fruitfly_fafb_flywire_public"),
    ("cave", TOKENS["minnie65_public"], "cave:minnie65_public"),
    ("cave:v1dd_public", TOKENS["v1dd_public"], "cave:v1dd_public"),
    ("V1DD_public", TOKENS["v1dd_public"], "cave:v1dd_public"),
]


@pytest.fixture
def empty(sandbox: Sandbox) -> Sandbox:
    """The sandbox without its tokens."""
    options = sandbox.options
    sandbox._cleanup.close()
    sandbox._cleanup.push(pdneuro.set_options(**options, progress=False))
    return sandbox


@pytest.mark.parametrize(("service", "token", "source"), CASES)
@pytest.mark.parametrize("save", [True, False])
def test_the_printed_chain_runs(
    empty: Sandbox,
    capsys: pytest.CaptureFixture[str],
    service: str,
    token: str,
    source: str,
    save: bool,
) -> None:
    pdneuro.setup(service, token, save=save)
    printed = capsys.readouterr().out
    assert token not in printed
    assert f'source="{source}"' in printed
    assert len(empty.requests) == 1
    assert bool(list(Path.home().rglob("*.json"))) == save
    if source.startswith("cave:") and not find_spec("caveclient"):
        assert "pip install 'pdneuro[cave]'" in printed
        return
    lines = printed[printed.index("import pandas") :].partition("\n\nQueries")[0]
    exec(compile(lines, "printed", "exec"), {})
    assert len(empty.requests) > 1


@pytest.mark.parametrize("service", ["braincircuits", "cave", "v1dd_public"])
def test_a_rejected_token_names_the_page(
    empty: Sandbox, capsys: pytest.CaptureFixture[str], service: str
) -> None:
    pdneuro.setup(service, "withdrawn")
    printed = capsys.readouterr().out
    host = (
        "braincircuits.io" if service == "braincircuits" else f"{tokens.cave_host(service)}/sticky_auth"
    )
    assert "Not accepted" in printed
    assert host in printed.splitlines()[-1]
    assert "withdrawn" not in printed.replace("The token", "")


@pytest.mark.parametrize("service", ["braincircuits", "cave"])
def test_a_service_that_fails_has_not_accepted_the_token(
    empty: Sandbox, capsys: pytest.CaptureFixture[str], service: str
) -> None:
    empty.fail(times=9, status=500)
    pdneuro.setup(service, TOKEN if service == "braincircuits" else TOKENS["minnie65_public"])
    printed = capsys.readouterr().out
    assert "Not accepted" in printed
    assert "500" in printed
    assert "accepts it" not in printed


def test_a_typed_token_is_not_shown(
    empty: Sandbox, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    asked = []
    monkeypatch.setattr(getpass, "getpass", lambda prompt: asked.append(prompt) or f" {TOKEN} ")
    pdneuro.setup("braincircuits")
    printed = capsys.readouterr().out
    assert "Get a token for braincircuits at https://braincircuits.io" in printed
    assert asked == ["Token for braincircuits (not shown): "]
    assert TOKEN not in printed
    assert tokens.get("braincircuits") == TOKEN


def test_the_command_reads_a_pipe(
    empty: Sandbox, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{TOKEN}\n"))
    assert cli.main(["setup", "braincircuits"]) == 0
    assert "A first query" in capsys.readouterr().out
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert cli.main(["setup", "cave"]) == 1
    assert "no token was typed" in capsys.readouterr().err


def test_without_a_connection_the_token_is_saved(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pdneuro.set_options(braincircuits_url="http://127.0.0.1:9"):
        pdneuro.setup("braincircuits", "abc")
    assert "no connection" in capsys.readouterr().out
    assert tokens.get("braincircuits") == "abc"


@pytest.mark.parametrize(
    ("faults", "count"), [([{"body": b'{"results": {}}'}], 1), ([{"status": 422}, {"reset": True}], 2)]
)
def test_without_a_known_segment_the_query_has_an_example(
    empty: Sandbox, capsys: pytest.CaptureFixture[str], faults: list[dict[str, Any]], count: int
) -> None:
    for fault in faults:
        empty.fail(**fault)
    pdneuro.setup("braincircuits", TOKEN, save=False)
    printed = capsys.readouterr().out
    assert "accepts it" in printed
    assert f'{{"root_id": [{EXAMPLES[0]}]}}' in printed
    assert len(empty.requests) == count


@pytest.mark.parametrize("name", ["catmaid", "allen", "neuromorpho", "nothing", ""])
def test_services_that_cannot_be_set_up_are_not_offered(name: str) -> None:
    with pytest.raises(errors.UnknownServiceError, match="braincircuits, cave"):
        pdneuro.setup(name, "abc")
    assert set(SETUPS) == {"braincircuits", "cave", "neuprint"}
