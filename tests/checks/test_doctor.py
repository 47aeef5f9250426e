"""The doctor: what it reports about a service that responds as documented, and about one that does not."""

from __future__ import annotations

import importlib.metadata
import json
import ssl
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import trustme

import pdneuro
from pdneuro import cli, errors, tokens
from pdneuro.checks.doctor import SERVICES
from pdneuro.checks.probe import Budget, Probe, reachable
from pdneuro.sandbox import Sandbox
from pdneuro.sandbox.allen import AllenApp
from pdneuro.sandbox.server import LocalServer, Request, Response

COLUMNS = ["service", "check", "expected", "seen", "status", "advice"]


def statuses(table: pd.DataFrame) -> dict[str, str]:
    """The status by check."""
    return dict(zip(table["check"], table["status"], strict=True))


def unusual(table: pd.DataFrame) -> set[str]:
    """The checks that are not as expected; caveclient is missing in one environment of the tests."""
    return set(table["check"][table["status"].ne("as expected")]) - {"caveclient"}


def test_the_sandbox_is_as_documented(sandbox: Sandbox) -> None:
    table = pdneuro.doctor()
    assert list(table.columns) == COLUMNS
    assert unusual(table) == set()
    assert table["service"].nunique() == 5
    assert len(sandbox.requests) <= 40
    assert table.loc[table["status"].eq("as expected"), "advice"].eq("").all()
    shown = table.to_string(max_colwidth=None)
    for token in (*sandbox.tokens.values(), sandbox.cave_token):
        assert token not in shown


def test_requests_read_only_and_are_not_cached(sandbox: Sandbox) -> None:
    pdneuro.doctor()
    paths = {(request.method, request.path.rpartition("/")[2]) for request in sandbox.requests}
    posts = {name for method, name in paths if method != "GET"}
    assert posts <= {
        "size",
        "link_pre",
        "link_post",
        "connectivity",
        "custom",  # a Cypher query of neuPrint
        "query",
        "is_latest_roots",
        "select",
    }
    assert pdneuro.cache.info().empty
    before = len(sandbox.requests)
    pdneuro.doctor("allen")
    assert len(sandbox.requests) > before


def set_attribute(path: str, value: Any) -> Callable[[Sandbox], None]:
    """A change of an attribute of a service, such as ``"cave.warns"``."""

    def change(sandbox: Sandbox) -> None:
        owner: Any = sandbox
        *names, last = path.split(".")
        for name in names:
            owner = getattr(owner, name)
        assert hasattr(owner, last)
        setattr(owner, last, value)

    return change


#: Service, attribute of the sandbox with a value, and the check that reports it.
DIFFERENCES = [
    ("braincircuits", "braincircuits.unknown", "reject", "unknown ID next to a known one"),
    ("braincircuits", "braincircuits.ticks", 1000, "time of the data"),
    ("braincircuits", "braincircuits.names", {"size": "volume"}, "keys of size"),
    ("braincircuits", "braincircuits.names", {"nr_pre": "n_pre"}, "keys of link_pre"),
    ("braincircuits", "braincircuits.names", {"nr_post": "n_post"}, "keys of link_post"),
    ("braincircuits", "braincircuits.names", {"segmentid": "id"}, "keys of connectivity"),
    ("braincircuits", "braincircuits.text_ids", False, "keys of connectivity"),
    ("braincircuits", "braincircuits.sorts", False, "order of partners"),
    ("braincircuits", "braincircuits.max_partners", 3, "row counts"),
    ("braincircuits", "braincircuits.max_segments", 100, "row limit"),
    ("braincircuits", "braincircuits.has_files", False, "files of the graph"),
    ("braincircuits", "braincircuits.cave_projects", ("fruitfly_fafb_flywire",), "token"),
    ("cave", "cave.terms", {"minnie65_public"}, "token"),
    ("cave", "cave.forbidden", {"minnie65_public"}, "token"),
    ("cave", "cave.lists_versions", False, "versions"),
    ("cave", "cave.names", {"pre_pt_root_id": "pre_id"}, "columns of synapses"),
    ("cave", "cave.limits", False, "row limit"),
    ("cave", "cave.warns", False, "truncation header"),
    ("cave", "cave.miscount", None, "row counts"),
    ("cave", "cave.unknown", 400, "unknown root ID"),
    ("cave", "cave.latest_if_unknown", True, "is_latest_roots"),
    ("neuprint", "neuprint.datasets", ("mushroombody",), "data sets"),
    ("neuprint", "neuprint.closed", {"hemibrain:v1.2.1"}, "token"),
    ("neuprint", "neuprint.terms", {"hemibrain:v1.2.1": "https://example.org/terms"}, "token"),
    ("neuprint", "neuprint.meta", {"voxelSize": None, "primaryRois": ["EB"]}, "size of a voxel"),
    ("neuprint", "neuprint.meta", {"voxelSize": [8, 8, 8]}, "primary regions"),
    (
        "neuprint",
        "neuprint.meta",
        {"voxelSize": [8, 8, 8], "primaryRois": ["EB"], "neuronProperties": None},
        "names of properties",
    ),
    ("neuprint", "neuprint.knows_all", True, "partners of a body"),
    ("neuprint", "neuprint.error_status", 500, "invalid query"),
    ("allen", "allen.names", {"total_rows": "totalRows"}, "envelope"),
    ("allen", "allen.total", 1000, "row counts"),
    ("allen", "allen.short", 10, "row limit"),
    ("allen", "allen.rma.page", 10, "default number of rows"),
    ("allen", "allen.rma.doubled_quotes", False, "'' inside a quoted value"),
    ("allen", "allen.rma.sorts", False, "order"),
    ("allen", "allen.rma.ends", False, "page after the last"),
    ("allen", "allen.error_status", 400, "invalid query"),
    ("neuromorpho", "neuromorpho.outage", "empty", "records"),
    ("neuromorpho", "neuromorpho.outage", "html", "records"),
    ("neuromorpho", "neuromorpho.names", {"species": "Species"}, "keys of a record"),
    ("neuromorpho", "neuromorpho.extra_pages", 10**9, "pages"),
    ("neuromorpho", "neuromorpho.largest_page", 50, "pages"),
    ("neuromorpho", "neuromorpho.sorts", False, "sort="),
    ("neuromorpho", "neuromorpho.post", False, "POST filters"),
    ("neuromorpho", "neuromorpho.filters_posts", False, "POST filters"),
    ("neuromorpho", "neuromorpho.unknown", 500, "unknown ID next to a known one"),
    ("neuromorpho", "neuromorpho.no_hits", 200, "selection without hits"),
    ("neuromorpho", "neuromorpho.quotes", False, "quoted value of several words"),
    ("neuromorpho", "neuromorpho.id_field", "neuron_id", "measurements by Neuron_id"),
    ("neuromorpho", "neuromorpho.names", {"Neuron Fields": "fields"}, "list of fields"),
    ("neuromorpho", "neuromorpho.file", (404, b""), "file of a neuron"),
    ("neuromorpho", "neuromorpho.file", (200, b"<html>down</html>"), "file of a neuron"),
]


@pytest.mark.parametrize(
    ("service", "path", "value", "check"), DIFFERENCES, ids=[f"{d[1]}={d[2]}"[:50] for d in DIFFERENCES]
)
def test_each_difference_is_reported(
    sandbox: Sandbox, service: str, path: str, value: Any, check: str
) -> None:
    set_attribute(path, value)(sandbox)
    name = "cave:minnie65_public" if service == "cave" else service
    table = pdneuro.doctor(name)
    row = table[table["check"].eq(check)].iloc[0]
    assert row["status"] in ("different", "failed")
    assert row["advice"]
    assert row["seen"]
    # Other checks are at most those that need the same value, and none is lost.
    assert len(table) == len(SERVICES[service].checks)
    assert len(unusual(table)) < len(table) - 2 or "not checked" in set(table["status"])
    assert len(sandbox.requests) <= 20


def test_every_check_has_a_difference() -> None:
    covered = {(service, check) for service, _, _, check in DIFFERENCES}
    every = {(name, check.name) for name, service in SERVICES.items() for check in service.checks}
    # Other tests cover these.
    elsewhere = {"reachable", "https", "token", "caveclient", "order", "description of the datastack"}
    elsewhere |= {"tree of structures", "files"}
    assert {pair for pair in every - covered if pair[1] not in elsewhere} == set()


def test_a_tree_without_some_parents_is_reported(sandbox: Sandbox) -> None:
    sandbox.allen = AllenApp(structures=[row for row in sandbox.allen.tree if row["id"] != 8])
    row = pdneuro.doctor("allen").set_index("check").loc["tree of structures"]
    assert row["status"] == "different"
    assert "1 parents are missing" in row["seen"]


def test_the_host_of_the_files_is_checked(sandbox: Sandbox) -> None:
    with pdneuro.set_options(allen_files_url="http://127.0.0.1:9"):
        assert unusual(pdneuro.doctor("allen")) == {"files"}


def test_an_unknown_datastack_is_reported(sandbox: Sandbox) -> None:
    with tokens.overridden(cave="any"):
        table = pdneuro.doctor("cave:v2dd_public")
    row = table.set_index("check").loc["description of the datastack"]
    assert row["status"] == "different"
    assert "404" in row["seen"]


def answer(sandbox: Sandbox, service: str, word: str, response: Any) -> None:
    """Answer requests with a word in their path or body; ``response`` may be that of the app, changed."""
    app = getattr(sandbox, service)

    def respond(request: Request) -> Response:
        if word not in request.path and word not in request.body.decode():
            return app(request)
        return response(app(request)) if callable(response) else response

    setattr(sandbox, service, respond)


def changed(alter: Callable[[Any], None]) -> Callable[[Response], Response]:
    """Return a change of the body of a response."""

    def change(response: Response) -> Response:
        body = json.loads(
            response.body if isinstance(response.body, bytes) else json.dumps(response.body)
        )
        alter(body)
        return Response(body, response.status)

    return change


def each(value: Any) -> Callable[[Response], Response]:
    """Return a change of the value of each segment."""
    return changed(lambda body: body["results"].update(dict.fromkeys(body["results"], value)))


#: A word of the request, its response, and the status and words of a check.
ODD = [
    ("braincircuits", "size", Response({"results": [1]}), "order", "different", "not an object: list [1]"),
    ("braincircuits", "size", Response({"results": [1]}), "keys of size", "not checked", "pass ids="),
    ("braincircuits", "link_pre", each(5), "keys of link_pre", "different", "int 5"),
    ("braincircuits", "connectivity", each({"downstream": [], "upstream": []}), "keys of connectivity",
     "not checked", "no partners; pass ids="),
    ("cave", "/versions", Response([]), "versions", "different", "not a list of numbers: list []"),
    ("cave", "/versions", Response({"1": 2}), "versions", "different", "not a list of numbers: 1"),
    ("cave", "/versions", Response([1, "2"]), "versions", "different", "numbers: list [1, '2']"),
    ("cave", "/datastack/full/", changed(lambda body: body.update(synapse_table=None)),
     "columns of synapses", "not checked", "no table of synapses"),
    ("cave", "/query", Response(b"no table"), "columns of synapses", "different",
     "not an Arrow stream: no table"),
    ("cave", "is_latest_roots", Response({"detail": "late"}, 504), "is_latest_roots", "different",
     'status 504: {"detail": "late"}'),
    ("neuprint", "LIMIT 1", Response({"columns": ["value"], "data": []}), "partners of a body",
     "not checked", "no neurons"),
    ("neuprint", "partner", Response({"columns": [], "data": [["1", 2, 3]]}), "partners of a body",
     "different", "not three whole numbers: list ['1', 2, 3]"),
    ("neuprint", "partner", Response({"columns": [], "data": [[1, 2]]}), "partners of a body",
     "different", "not three whole numbers: list [1, 2]"),
    ("neuprint", "RETURN n", Response(b"<html>no</html>", 400), "invalid query", "different",
     "status 400: <html>no</html>"),
    ("neuromorpho", "/select", changed(lambda body: body["_embedded"]["neuronResources"][0].pop("archive")),
     "file of a neuron", "not checked", "no archive"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("service", "word", "response", "check", "status", "words"), ODD, ids=[case[5] for case in ODD]
)
def test_an_odd_response_is_described(
    sandbox: Sandbox, service: str, word: str, response: Any, check: str, status: str, words: str
) -> None:
    answer(sandbox, service, word, response)
    name = "cave:minnie65_public" if service == "cave" else service
    row = pdneuro.doctor(name).set_index("check").loc[check]
    assert row["status"] == status
    assert words in row["advice" if status == "not checked" else "seen"]


def test_segments_are_looked_for_one_by_one_if_several_are_rejected(sandbox: Sandbox) -> None:
    """Of the examples only the last one is in the sandbox."""

    def reject(response: Response) -> Response:
        return response if len(sandbox.requests[-1].json()["segments"]) == 1 else Response(b"", 400)

    answer(sandbox, "braincircuits", "size", reject)
    rows = pdneuro.doctor("braincircuits").set_index("check")
    assert rows.loc["keys of size", "status"] == "as expected"
    assert rows.loc["unknown ID next to a known one", "status"] == "different"


def test_without_pyarrow_tables_of_cave_are_not_checked(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.ipc", None)
    rows = pdneuro.doctor("cave:minnie65_public").set_index("check")
    row = rows.loc["columns of synapses"]
    assert (row["status"], row["advice"]) == ("not checked", "pyarrow is not installed")


@pytest.mark.parametrize(
    ("version", "seen", "status"),
    [
        (None, "not installed", "different"),
        ("7.11.2", "7.11.2", "different"),
        ("8.0.0", "8.0.0", "as expected"),
    ],
)
def test_the_version_of_caveclient_is_checked(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, version: str | None, seen: str, status: str
) -> None:
    def installed(name: str) -> str:
        if version is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(importlib.metadata, "version", installed)
    row = pdneuro.doctor("cave:minnie65_public").set_index("check").loc["caveclient"]
    assert (row["seen"], row["status"]) == (seen, status)


@pytest.mark.parametrize(
    ("source", "service"),
    [
        ("cave:v1dd_public@974", "cave:v1dd_public"),
        ("neuprint:manc:v1.2.3", "neuprint:manc:v1.2.3"),
        ("braincircuits:fruitfly_fafb_flywire_public", "braincircuits:fruitfly_fafb_flywire_public"),
    ],
)
def test_the_source_of_the_options_is_checked(sandbox: Sandbox, source: str, service: str) -> None:
    kind = source.partition(":")[0]
    with pdneuro.set_options(source=source):
        assert set(pdneuro.doctor(kind)["service"]) == {service}
        other = "cave:minnie65_public" if kind == "cave" else f"{kind}:other"
        assert set(pdneuro.doctor(other)["service"]) == {other}  # what is named comes first


def test_an_unusable_variable_is_named_and_public_data_are_read(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEUPRINT_APPLICATION_CREDENTIALS", '{"token": "s3cret"')
    options = sandbox.options
    sandbox._cleanup.close()  # the sandbox hides the variables of the user
    with pdneuro.set_options(**options):
        row = pdneuro.doctor("neuprint").set_index("check").loc["token"]
    assert row["status"] == "as expected"
    assert "NEUPRINT_APPLICATION_CREDENTIALS" in row["seen"]
    assert row["seen"].endswith("; public data")
    assert "s3cret" not in row["seen"]


def test_a_service_that_cannot_be_reached_does_not_stop_the_others(sandbox: Sandbox) -> None:
    closed = "http://127.0.0.1:9/x"
    names = ("braincircuits_url", "cave_url", "neuprint_url", "neuromorpho_url")
    urls = dict.fromkeys(names, closed)
    with pdneuro.set_options(**urls):
        table = pdneuro.doctor()
    first = table[table["check"].eq("reachable")].set_index("service")["status"]
    assert first.pop("allen") == "as expected"
    assert set(first) == {"failed"}
    assert not unusual(table[table["service"].eq("allen")])
    rest = table[table["status"].eq("not checked")]
    assert rest["advice"].str.contains("reachable").all()


def test_without_tokens(sandbox: Sandbox) -> None:
    with tokens.overridden(only=True):
        table = pdneuro.doctor("braincircuits", "cave")
    by_check = table.set_index("check").loc["token"]
    assert set(by_check["status"]) == {"different"}
    assert by_check["advice"].str.contains("pdneuro setup").all()
    assert all("authorization" not in request.headers for request in sandbox.requests)


def test_a_rejected_token_is_not_shown(sandbox: Sandbox) -> None:
    app = sandbox.braincircuits
    sandbox._server.apps["/braincircuits"] = lambda request: (
        Response(dict(request.headers), 401) if request.method == "POST" else app(request)
    )
    with tokens.use("braincircuits", "s3cret-token"):
        table = pdneuro.doctor("braincircuits")
    row = table.set_index("check").loc["token"]
    assert row["status"] == "different"
    assert "401" in row["seen"]
    assert "s3cret" not in table.to_string(max_colwidth=None)


def test_an_unusable_file_is_named(sandbox: Sandbox) -> None:
    tokens.save("braincircuits", "abc")
    file = next(Path.home().rglob("braincircuits.json"))
    file.write_text("s3cret")
    options = sandbox.options
    sandbox._cleanup.close()  # the sandbox hides the files of the user
    with pdneuro.set_options(**options):
        table = pdneuro.doctor("braincircuits")
    seen = table.set_index("check").loc["token", "seen"]
    assert "braincircuits.json" in seen
    assert "s3cret" not in seen


def test_a_project_of_cave_gets_its_token(sandbox: Sandbox) -> None:
    with tokens.overridden(cave=sandbox.cave_token):
        assert unusual(pdneuro.doctor("braincircuits:fruitfly_fanc_cave")) == set()
        sandbox.braincircuits.projects = sandbox.braincircuits.cave_projects = ("larva_em",)
        table = pdneuro.doctor("braincircuits:larva_em")
    assert unusual(table) == set()


def test_ids_of_the_user_are_used(sandbox: Sandbox, ids: pd.Series) -> None:
    table = pdneuro.doctor("braincircuits", ids=ids.iloc[3:5])
    assert str(ids.iloc[3]) in table.set_index("check").loc["order", "seen"]
    table = pdneuro.doctor("braincircuits", ids=[720575940999999991])
    assert "pass ids=" in table.set_index("check").loc["keys of size", "advice"]


def test_offline_no_request_is_sent(sandbox: Sandbox) -> None:
    with pdneuro.set_options(offline=True):
        table = pdneuro.doctor()
    assert sandbox.requests == []
    assert "pdneuro is offline" in set(table["advice"])
    assert set(table["status"][table["check"].ne("caveclient")]) == {"not checked"}


def test_an_unknown_service_is_an_error() -> None:
    with pytest.raises(errors.UnknownServiceError, match="Did you mean 'neuromorpho'"):
        pdneuro.doctor("neuromorph")


def test_a_datastack_without_prefix(sandbox: Sandbox) -> None:
    assert set(pdneuro.doctor("v1dd_public")["service"]) == {"cave:v1dd_public"}


@pytest.mark.parametrize(("address", "fits"), [("http://localhost:1", True), ("http://a.org", False)])
def test_http_on_another_host_is_reported(address: str, fits: bool) -> None:
    _, check = reachable(lambda probe: probe.address)
    probe = Probe("any", address, Budget(1))
    assert probe.row(check).status == ("as expected" if fits else "different")


class TestTLS:
    """A server with certificates, and one with a short key; see :mod:`tests.transport.test_tls`."""

    def test_the_version_is_shown(self, sandbox: Sandbox, secure_url: str) -> None:
        with pdneuro.set_options(allen_url=f"{secure_url}/allen"):
            row = pdneuro.doctor("allen").set_index("check").loc["https"]
        assert row["status"] == "as expected"
        assert row["seen"] == "TLSv1.3"

    def test_an_untrusted_certificate_is_reported(
        self, sandbox: Sandbox, secure_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")
        with pdneuro.set_options(allen_url=f"{secure_url}/allen"):
            table = pdneuro.doctor("allen").set_index("check")
        assert table.loc["reachable", "status"] == "failed"
        assert "certificate is not trusted" in table.loc["reachable", "seen"]
        assert table.loc["https", "status"] == "not checked"


@pytest.fixture
def secure_url(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The sandbox's Allen Brain Atlas over https."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server = LocalServer({"/allen": sandbox.allen})
    server._http.socket = context.wrap_socket(server._http.socket, server_side=True)
    yield server.url.replace("http:", "https:")
    server.stop()


def test_the_command_prints_differences_and_writes_the_table(
    sandbox: Sandbox, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["doctor", "neuromorpho"]) == 0
    assert "as expected" in capsys.readouterr().out
    sandbox.neuromorpho.post = False
    out = tmp_path / "checks.csv"
    assert cli.main(["doctor", "neuromorpho", "--out", str(out)]) == 3
    assert "POST filters: expected the same neurons" in capsys.readouterr().out
    assert pd.read_csv(out).columns.tolist() == COLUMNS
    assert cli.main(["doctor", "nowhere"]) == 1
