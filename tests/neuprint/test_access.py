"""Tokens of neuPrint, each for one server; and errors that say what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pandas as pd
import pytest

import pdneuro
from pdneuro import errors, tokens
from pdneuro.sandbox import Sandbox
from pdneuro.sandbox.connectome import bundled_brain
from pdneuro.sandbox.neuprint import TOKEN, NeuPrintApp
from pdneuro.sandbox.server import LocalServer, Response

SOURCE = "neuprint:hemibrain:v1.2.1"


@pytest.fixture
def ids() -> pd.Series:
    return pdneuro.sandbox.neurons()["root_id"].head(3)


@pytest.fixture
def server(tmp_path) -> Iterator[LocalServer]:
    """A neuPrint server without pdneuro's sandbox: tokens are those of the user."""
    running = LocalServer({"": NeuPrintApp(bundled_brain())})
    options = {"neuprint_url": running.url, "cache_dir": tmp_path, "retries": 0, "progress": False}
    with pdneuro.set_options(source=SOURCE, **options):
        yield running
    running.stop()


def sent(server: LocalServer) -> list[str | None]:
    return [request.headers.get("authorization") for request in server.requests]


def test_without_a_token_there_is_no_header(server: LocalServer, ids: pd.Series) -> None:
    assert len(ids.neuro.edges()) > 0
    assert set(sent(server)) == {None}


@pytest.mark.parametrize("value", [TOKEN, json.dumps({"token": TOKEN, "email": "x"}), f" {TOKEN}\n"])
@pytest.mark.parametrize("name", ["NEUPRINT_APPLICATION_CREDENTIALS", "PDNEURO_NEUPRINT_TOKEN"])
def test_the_variable_may_be_bare_or_json(
    server: LocalServer, ids: pd.Series, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    ids.neuro.properties("type")
    assert set(sent(server)) == {f"Bearer {TOKEN}"}


@pytest.mark.parametrize(
    "value", ['{"token": "s3cret"', '{"tokens": "s3cret"}', '{"token": ["s3cret"]}', "s3c ret"]
)
def test_a_variable_without_a_token_is_an_error_without_its_content(
    server: LocalServer, ids: pd.Series, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("NEUPRINT_APPLICATION_CREDENTIALS", value)
    with pytest.raises(errors.InvalidTokenError, match="NEUPRINT_APPLICATION_CREDENTIALS") as caught:
        ids.neuro.properties("type")
    assert "s3c" not in str(caught.value)
    assert not server.requests
    assert "unusable" in tokens.status().set_index("service").loc["neuprint", "origin"]


def test_a_token_is_never_sent_to_another_server(server: LocalServer, ids: pd.Series) -> None:
    tokens.save("neuprint", TOKEN)  # of the server in the options
    other = LocalServer({"": NeuPrintApp(bundled_brain())})
    with pdneuro.set_options(neuprint_url=other.url):
        assert tokens.get("neuprint") is None
        ids.neuro.properties("type")
        tokens.save(other.url, TOKEN)  # by its address
        ids.neuro.properties("instance")
    assert sent(other) == [None, f"Bearer {TOKEN}"]
    other.stop()
    ids.neuro.properties("type")
    assert sent(server) == [f"Bearer {TOKEN}"]
    assert tokens.forget("neuprint")
    assert tokens.get("neuprint") is None


def test_the_servers_of_janelia_have_their_own_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEUPRINT_APPLICATION_CREDENTIALS", "of-the-first")
    tokens.save("https://neuprint-fish2.janelia.org", "of-the-fish")
    assert tokens.get("neuprint") == tokens.get("neuprint.janelia.org") == "of-the-first"
    assert tokens.get("neuprint-fish2.janelia.org") == "of-the-fish"
    assert tokens.get("https://neuprint-cns.janelia.org/any") is None
    with pdneuro.set_options(neuprint_url="https://neuprint-cns.janelia.org"):
        assert tokens.get("neuprint") is None
        assert tokens.get("neuprint:cns") is None
    with pdneuro.set_options(neuprint_url="https://neuprint-fish2.janelia.org/"):
        assert tokens.get("neuprint") == "of-the-fish"
    for other in ("braincircuits", "cave", "minnie65_public"):
        assert tokens.get(other) is None
    table = tokens.status().set_index("service")
    assert table.loc["neuprint", "set"]
    assert table.loc["neuprint@neuprint-fish2.janelia.org", "set"]
    assert "of-the" not in table.to_string(max_colwidth=None)


def test_values_of_one_token_are_not_used_for_another(server: LocalServer, ids: pd.Series) -> None:
    ids.neuro.properties("type")
    with tokens.use("neuprint", TOKEN):
        ids.neuro.properties("type")
    assert sent(server) == [None, f"Bearer {TOKEN}"]


def test_an_old_token_is_an_error_that_says_where_to_get_a_new_one(
    server: LocalServer, ids: pd.Series
) -> None:
    with (
        tokens.use("neuprint", "an-old-token"),
        pytest.raises(
            errors.AuthenticationError, match=r"August 2026.*/account.*tokens\.save"
        ) as caught,
    ):
        ids.neuro.edges()
    assert caught.value.status == 401
    assert "an-old-token" not in str(caught.value)
    assert len(server.requests) == 1


def test_closed_data_without_a_token(server: LocalServer, ids: pd.Series) -> None:
    server.apps[""].public = False
    with pytest.raises(
        errors.AuthenticationError, match=r"authentication required.*needs a token.*/account"
    ):
        ids.neuro.edges()


def test_terms_that_are_not_accepted(server: LocalServer, ids: pd.Series) -> None:
    page = "https://terms.example.org/hemibrain"
    server.apps[""].terms = {"hemibrain:v1.2.1": page}
    with pytest.raises(errors.ForbiddenError, match=f"Accept the terms.*{page}") as caught:
        ids.neuro.edges()
    assert "CAVE" not in str(caught.value)


def test_data_that_the_token_may_not_read(server: LocalServer, ids: pd.Series) -> None:
    server.apps[""].closed = {"hemibrain:v1.2.1"}
    with pytest.raises(errors.ForbiddenError, match=r"do not have access.*Ask the owners"):
        ids.neuro.edges()


@pytest.mark.parametrize(
    "message",
    [
        "failed to execute query: Neo4jError: Neo.ClientError.Statement.SyntaxError (Invalid input 'x')",
        "request object not formatted correctly",
        "neo4j data model version incompatible",
    ],
)
def test_a_query_that_cannot_be_run_is_not_split(
    server: LocalServer, ids: pd.Series, message: str
) -> None:
    server.fail(times=99, status=400, body=json.dumps({"error": message}).encode())
    with pytest.raises(errors.QueryRefusedError, match=message.split("(")[0].split("'")[0]):
        ids.neuro.edges(upstream=False)
    assert len(server.requests) == 1


def test_a_service_for_tokens_that_is_down_is_tried_again(server: LocalServer, ids: pd.Series) -> None:
    down = json.dumps({"message": "auth service unavailable"}).encode()
    server.fail(path="custom", status=502, body=down)
    with pdneuro.set_options(retries=1):
        assert len(ids.neuro.downstream()) > 0
    server.fail(path="custom", times=9, status=502, body=down)
    with pytest.raises(errors.ServiceUnavailableError, match=r"auth service unavailable.*again later"):
        ids.neuro.upstream()


@pytest.mark.parametrize(
    "body",
    [
        b"<html>sign in</html>", b"{", b"[]", b'{"columns": [], "data": 5}', b'{"columns": ["body"], "data": [[1]]}',
        b'{"columns": ["body", "value"], "data": [["x", 1]]}', b'{"columns": ["body", "value"], "data": [[1.5, 1]]}',
    ],
)  # fmt: skip
def test_a_response_of_another_shape_is_not_cached(
    server: LocalServer, ids: pd.Series, body: bytes
) -> None:
    server.fail(body=body)
    with pytest.raises(errors.InvalidResponseError):
        ids.neuro.properties("type")
    assert ids.neuro.properties("type")["type"].tolist() == ["T000"] * 3


@pytest.mark.parametrize(
    "row", [[1, 2], [1, 2, "x"], [1, 2, 2.5], ["1", 2, 3], [1, 2**63, 3], [1, 2, 2**40], [1, 2, -3]]
)
def test_partners_of_another_shape_are_not_cached(server: LocalServer, row: list) -> None:
    body = {"columns": ["body", "partner", "weight"], "data": [row]}
    server.fail(times=2, body=json.dumps(body).encode())
    with pytest.raises(errors.InvalidResponseError):
        pd.Series([1]).neuro.downstream()


@pytest.mark.parametrize("info", ["{", '{"EB": 5}', '{"EB": {"post": "x"}}', "[1]"])
def test_regions_of_another_shape_are_not_cached(server: LocalServer, ids: pd.Series, info: str) -> None:
    app = server.apps[""]
    row = [int(ids[0]), 2, 3, info]

    def damaged(request):
        if b"roiInfo" in request.body:
            return Response({"columns": ["body", "partner", "weight", "roiInfo"], "data": [row]})
        return app(request)

    server.apps[""] = damaged
    with pytest.raises(errors.InvalidResponseError):
        ids[:1].neuro.downstream(roi=True)
    server.apps[""] = app
    assert len(ids[:1].neuro.downstream(roi=True)) > 0


def test_the_doctor_and_the_set_up(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    table = pdneuro.doctor("neuprint:manc")
    assert set(table["status"]) == {"as expected"}
    assert set(table["service"]) == {"neuprint:manc"}
    pdneuro.setup("neuprint", TOKEN, save=False)
    assert 'pdneuro.find("neuprint:hemibrain:v1.2.1"' in capsys.readouterr().out
    pdneuro.setup("neuprint", "wrong", save=False)
    out = capsys.readouterr().out
    assert "Not accepted" in out
    assert "/account" in out
    tokens.forget("neuprint")


def test_a_citation_names_the_data_set_and_neuprint(sandbox: Sandbox, ids: pd.Series) -> None:
    edges = ids.neuro.edges(source="neuprint:optic-lobe")
    edges.attrs["pdneuro"]["source"] = "neuprint:optic-lobe:v1.1"  # as if it came from the service
    text = edges.neuro.cite()
    assert "The right optic lobe" in text
    assert "10.1038/s41586-025-08746-0" in text
    assert "10.3389/fninf.2022.896292" in text


def test_a_page_instead_of_a_reason_still_says_whom_to_ask(server: LocalServer, ids: pd.Series) -> None:
    server.fail(path="custom", status=403, html=True)
    with pytest.raises(errors.ForbiddenError, match=r"403.*Ask the owners.*/account"):
        ids.neuro.properties("type")
