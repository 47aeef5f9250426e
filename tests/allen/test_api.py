"""The Allen query language and the thirteen classes: requests and results."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pdneuro
from pdneuro import allen, errors
from pdneuro.allen import payload
from pdneuro.sandbox import Sandbox
from tests.conftest import held, shared

PAIRS = "allen/allensdk_urls_sample.json"
OLD = "http://api.brain-map.org"
#: Number of the recorded calls per method.
CALLS = {
    "RmaApi.model_query": 10,
    "RmaApi.service_query": 1,
    "RmaApi.get_schema": 2,
    "RmaApi.load_api_schema": 1,
    "RmaApi.json_msg_query": 1,
    "RmaApi.retrieve_file_over_http": 1,
    "RmaApi.build_query_url+json_msg_query": 3,
    "OntologiesApi.get_structures": 6,
    "OntologiesApi.get_structures_with_sets": 1,
    "OntologiesApi.get_atlases_table": 1,
    "OntologiesApi.get_structure_sets": 1,
    "TreeSearchApi.get_tree": 3,
    "SvgApi.get_svg": 3,
    "SynchronizationApi.get_image_to_atlas": 1,
    "SynchronizationApi.get_reference_to_image": 1,
    "SynchronizationApi.get_image_to_reference": 1,
    "SynchronizationApi.get_structure_to_image": 2,
    "GridDataApi.download_gene_expression_grid_data": 1,
    "GridDataApi.download_projection_grid_data": 3,
    "ImageDownloadApi.download_section_image": 2,
    "ImageDownloadApi.download_atlas_image": 3,
    "ImageDownloadApi.download_image": 1,
    "ImageDownloadApi.atlas_image_query": 2,
    "ImageDownloadApi.section_image_query": 2,
    "ImageDownloadApi.get_section_data_sets_by_product": 1,
    "MouseConnectivityApi.get_experiments_api": 1,
    "MouseConnectivityApi.experiment_source_search": 1,
    "MouseConnectivityApi.experiment_spatial_search": 1,
    "MouseConnectivityApi.experiment_correlation_search": 1,
    "MouseConnectivityApi.get_structure_unionizes": 2,
    "MouseConnectivityApi.download_injection_density": 1,
    "MouseConnectivityApi.download_projection_density": 1,
    "MouseConnectivityApi.download_injection_fraction": 1,
    "AnnotatedSectionDataSetsApi.get_annotated_section_data_sets": 1,
    "AnnotatedSectionDataSetsApi.get_annotated_section_data_sets_via_rma": 1,
    "AnnotatedSectionDataSetsApi.get_compound_annotated_section_data_sets": 1,
    "CellTypesApi.list_cells_api": 2,
    "CellTypesApi.list_cells": 2,
    "BiophysicalApi.get_neuronal_models": 3,
    "GlifApi.get_neuronal_models": 1,
    "GlifApi.get_neuronal_models_by_id": 2,
    "ConnectedServices.build_url": 10,
}


class Recorder:
    """A server with empty responses, which records the bytes of each requested address."""

    def __init__(self) -> None:
        self.addresses: list[str] = []
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                recorder.addresses.append(recorder.url + self.path)
                body = b'{"success":true,"id":0,"start_row":0,"num_rows":0,"total_rows":0,"msg":[]}'
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    running = Recorder()
    with pdneuro.set_options(
        allen_url=running.url, allen_files_url=f"{running.url}/files", retries=0, progress=False
    ):
        yield running
    running.server.shutdown()
    running.server.server_close()


@pytest.fixture
def api(sandbox: Sandbox) -> allen.RmaApi:
    return allen.RmaApi()


def asked(sandbox: Sandbox) -> list[str]:
    """Return the queries that the sandbox received."""
    return [request.query["q"] for request in sandbox.requests if "q" in request.query]


# -- requests ----------------------------------------------------------------------------------------


def test_the_image_type_of_an_atlas_is_looked_up_within_the_query(recorder: Recorder) -> None:
    allen.ImageDownloadApi().atlas_image_query(138322605)
    stages = unquote(recorder.addresses[-1]).split("q=")[1].split("model::")
    assert stages[1].startswith("Atlas,rma::criteria,[id$eq138322605]")
    assert stages[1].endswith("pipe::list[type_name$is'image_type'],")
    assert "alternate_images[image_type$eq$type_name]" in stages[2]


def recorded() -> dict[str, list[dict[str, Any]]]:
    """Return the recorded calls and their addresses, by method."""
    found: dict[str, list[dict[str, Any]]] = {}
    for pair in json.loads(shared(PAIRS).read_text()):
        found.setdefault(f"{pair['class']}.{pair['method']}", []).append(pair)
    return found


def test_every_recorded_call_has_a_test() -> None:
    assert {method: len(pairs) for method, pairs in recorded().items()} == CALLS


@pytest.mark.parametrize(
    ("method", "number"), [(method, number) for method in CALLS for number in range(CALLS[method])]
)
def test_a_call_sends_the_same_address_as_allensdk(
    method: str, number: int, recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = recorded()[method][number]
    monkeypatch.chdir(tmp_path)

    def here(value: Any) -> Any:
        text = json.dumps(value).replace(OLD, recorder.url).replace("<TMP>", str(tmp_path))
        return json.loads(text)

    client = getattr(allen, pair["class"])(**here(pair["init"]))
    args, kwargs = here(pair["args"]), here(pair["kwargs"])
    answer = None
    try:
        if pair["method"] == "build_query_url+json_msg_query":
            answer = client.json_msg_query(client.build_query_url(*args, **kwargs))
        elif pair["class"] == "ConnectedServices" and "abc" in json.dumps(args):
            with pytest.warns(errors.DoubtfulParameterWarning):
                answer = getattr(client, pair["method"])(*args, **kwargs)
        else:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("pdneuro.allen.api.connected_services.warn", lambda *_: None)
                answer = getattr(client, pair["method"])(*args, **kwargs)
    except errors.InvalidResponseError:
        # The empty response is not a file, and is not saved.
        assert "download" in recorder.addresses[0] or "/svg" in recorder.addresses[0]
        assert not [
            file for file in tmp_path.rglob("*") if file.suffix in (".jpg", ".nrrd", ".mhd", ".svg")
        ]
    found = recorder.addresses or [answer]
    assert len(found) == 1
    wanted = pair["url"].replace(OLD, recorder.url)
    assert unquote(found[0]) == wanted
    if pair["wire_url"]:
        assert found[0] == pair["wire_url"].replace(OLD, recorder.url)


def test_a_base_address_may_have_a_path_and_does_not_change_file_addresses(recorder: Recorder) -> None:
    client = allen.OntologiesApi(f"{recorder.url}/some/where/")
    client.get_structure_graphs()
    assert recorder.addresses[0].startswith(
        f"{recorder.url}/some/where/api/v2/data/query.json?q=model::"
    )
    volumes = allen.MouseConnectivityApi(f"{recorder.url}/x")
    address = volumes.build_volumetric_data_download_url("average_template", "average_template_25.nrrd")
    assert address == (
        f"{recorder.url}/files/informatics-archive/current-release/mouse_ccf/average_template/"
        "average_template_25.nrrd"
    )


def test_values_with_special_characters_arrive_unchanged(recorder: Recorder) -> None:
    client = allen.OntologiesApi()
    client.get_structures(structure_graph_names=["Ammon's horn", "A&B, C+D #1 100%"])
    raw = recorder.addresses[0].partition("?q=")[2]
    assert "&" not in raw
    assert "+" not in raw
    assert "[structure_graphs.name$in'Ammon''s horn','A&B, C+D #1 100%']" in unquote(raw)


@given(st.lists(st.text(min_size=1).filter(lambda text: text.strip("' ")), min_size=1, max_size=3))
def test_quoting_keeps_any_text(texts: list[str]) -> None:
    plain = [text for text in texts if not text.startswith("'")]
    for text in plain:
        quoted = payload.quote(text)
        assert quoted[0] == quoted[-1] == "'"
        assert quoted[1:-1].replace("''", "'") == text.replace("''", "'")
        assert payload.quote(quoted) == quoted
        sent = payload.encoded(f"http://host/q?q=[name$eq{quoted}]")
        assert not set("&+#'\" ") & set(sent.partition("eq")[2])
        if "\ud800" <= max(text) <= "\udfff":
            continue
        assert unquote(sent).endswith(f"[name$eq{quoted}]")


IDS = [
    [1, 17],
    (1, 17),
    range(1, 18, 16),
    np.array([1, 17], "int32"),
    pd.Series([1, 17, 1]),
    pd.Index([1, 17]),
    pd.Series([1, None, 17], dtype="Int64"),
    pd.Series([1.0, np.nan, 17.0]),
    pd.Series(["1", "17"]),
    pd.Categorical([1, 17]),
    [np.int64(1), np.uint8(17)],
    np.array([[1], [17]]),
    (number for number in (1, 17)),
]


@pytest.mark.parametrize("ids", IDS, ids=lambda ids: type(ids).__name__)
def test_ids_of_any_kind_of_sequence(ids: Any, recorder: Recorder) -> None:
    allen.OntologiesApi().get_structures(ids)
    assert "[graph_id$in1,17]" in unquote(recorder.addresses[0])


@pytest.mark.parametrize(
    "ids",
    [
        [],
        None,
        [None],
        [0],
        0,
        pd.Series([], dtype=int),
        "",
        ["x"],
        [1.5],
        -1,
        [True],
        {"a": 1},
        pd.Series([2.0**60]),
    ],
)
def test_invalid_ids_are_rejected_without_a_request(ids: Any, recorder: Recorder) -> None:
    with pytest.raises(errors.InvalidQueryError):
        allen.GlifApi().get_neuronal_models_by_id(ids)
    assert not recorder.addresses


def test_a_message_about_many_ids_is_short() -> None:
    with pytest.raises(errors.InvalidQueryError, match=r"not these list: .*'x'") as caught:
        allen.GlifApi().get_neuronal_models_by_id([*range(1, 5000), "x"])
    assert len(str(caught.value)) < 1000


def test_numpy_numbers_floats_and_tuples_in_service_parameters_are_not_dropped(
    recorder: Recorder,
) -> None:
    parameters = {
        "seed_point": (np.float64(6900.5), np.int32(5050), 6450),
        "primary_structure_only": np.bool_(True),
        "injection_structures": pd.Series([315, "VISp"], dtype=object),
        "num_rows": np.int64(5),
        "product_ids": None,
    }
    allen.MouseConnectivityApi().experiment_spatial_search(**parameters)
    assert unquote(recorder.addresses[0]).endswith(
        "service::mouse_connectivity_target_spatial[injection_structures$eq315,VISp][num_rows$eq5]"
        "[primary_structure_only$eqtrue][seed_point$eq6900.5,5050,6450]"
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": 1}, b"x", pd.NA, [None], [[]]])
def test_values_that_a_query_cannot_express_are_rejected(value: Any, recorder: Recorder) -> None:
    with pytest.raises(errors.InvalidQueryError, match="row"):
        allen.RmaApi().service_query(
            "mouse_correlation", {"row": value} if value is not pd.NA else [("row", [value])]
        )
    assert not recorder.addresses


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"num_rows": "50"}, "[num_rows$eq50]"),
        ({"num_rows": np.int64(5), "start_row": 0}, "[num_rows$eq5][start_row$eq0]"),
        ({"num_rows": 5.0}, "[num_rows$eq5]"),
        ({"num_rows": "all"}, "[num_rows$eq'all']"),
        ({"count": np.bool_(False)}, "[count$eqfalse]"),
        ({"only": "id"}, "[only$eqid]"),
        ({"order": "id", "debug": "preview"}, "[order$eqid][debug$eq'preview']"),
        ({"tabular": ["structures.id", "structures.name+as+n"]}, "[tabular$eqstructures.id,structures.name+as+n]"),
        ({"excpt": ["a", "b"]}, "[except$eqa,b]"),
    ],
)  # fmt: skip
def test_options_are_written_in_the_syntax_of_the_service(options: dict[str, Any], text: str) -> None:
    assert payload.model_stage("Structure", **options) == f"model::Structure,rma::options{text}"


@pytest.mark.parametrize(
    "options",
    [
        {"num_rows": 5.9},
        {"num_rows": True},
        {"num_rows": "many"},
        {"num_rows": -1},
        {"start_row": "all"},
        {"count": "maybe"},
        {"debug": "x"},
        {"only": [1]},
        {"order": []},
        {"number": 5},
    ],
)
def test_invalid_options_are_rejected(options: dict[str, Any]) -> None:
    with pytest.raises(errors.InvalidQueryError):
        payload.model_stage("Structure", **options)


@pytest.mark.parametrize(
    ("criteria", "where"),
    [
        ("", "empty"),
        ([], "empty"),
        ("[graph_id$eq1", "not closed"),
        ("graph_id$eq1]", "too many at character 13"),
        ("[name$eq'Ammon's horn']", "written twice"),
        ("structure(donor(age)", "not closed"),
        ("[a$eq(1])", "too many"),
    ],
)
def test_malformed_criteria_are_rejected_with_their_position(
    criteria: Any, where: str, recorder: Recorder
) -> None:
    with pytest.raises(errors.InvalidQueryError, match=where):
        allen.RmaApi().model_query("Structure", criteria=criteria)
    assert not recorder.addresses


def test_unknown_options_of_a_query_are_rejected_before_it_is_sent(recorder: Recorder) -> None:
    for wrong in (
        {"ids": [1]},
        {"before": "model::Atlas"},
        {"number": 5},
        {"nested": "x"},
        {"page_size": 0},
    ):
        with pytest.raises(errors.InvalidQueryError, match=next(iter(wrong))):
            allen.RmaApi().model_query("Structure", **wrong)
    assert not recorder.addresses


REFUSED: list[tuple[Any, str]] = [
    (lambda: allen.AnnotatedSectionDataSetsApi().build_compound_query([]), "queries is empty"),
    (lambda: allen.AnnotatedSectionDataSetsApi().build_compound_query([{"structures": 1}, {"structures": 2, "density": ["Low"]}]),
     r"query 1 has 'density'\..*density_values"),
    (lambda: allen.AnnotatedSectionDataSetsApi().build_compound_query([{"structures": 1, "link": "xor"}, {"structures": 2}]),
     "link must be 'and' or 'or', not 'xor'"),
    (lambda: allen.OntologiesApi().get_structures(structure_set_names=["Mouse - Coarse", 5, " "]),
     r"structure_set_names takes names as text, not 5, ' '\."),
    (lambda: allen.GridDataApi().build_projection_url([5, 6]), "section_data_set_id takes one ID, not 2"),
    (lambda: allen.RmaApi().service_query("mouse_correlation", {"row": ""}), "row is empty text"),
    (lambda: allen.RmaApi().model_query("Structure", filters=["id"]), r"\(name, value\).*, not 'id'\."),
    (lambda: allen.RmaApi().model_query("Structure", filters=[("id", 1), ("id",)]), r"not \('id',\)\."),
    (lambda: allen.RmaApi().model_query("Structure", filters=[5]), r"\(name, operator, value\), not 5\."),
    (lambda: allen.AnnotatedSectionDataSetsApi().build_query(1, intensity_values=5),
     "intensity_values takes names as text, not 5"),
    (lambda: allen.RmaApi().build_query_url("model::Atlas", "yaml"), "fmt is json, xml or csv, not 'yaml'"),
    (lambda: allen.GridDataApi().build_expression_url(5, ["energy", "width"]), "energy, density, intensity, not 'width'"),
    (lambda: allen.GridDataApi().build_expression_url(5, []), "energy, density, intensity, not empty"),
    (lambda: allen.MouseConnectivityApi().get_structure_unionizes([1], is_injection="yes"),
     "is_injection must be True or False, not 'yes'"),
    (lambda: allen.MouseConnectivityApi().calculate_injection_centroid(np.ones((2, 2, 2)), np.ones((1, 2, 2))),
     r"differ in shape: \(2, 2, 2\) and \(1, 2, 2\)"),
    (lambda: allen.projection_data(5, "projection_density_"), r"kind must be one of .*, not 'projection_density_'"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "words"), REFUSED, ids=[words for _, words in REFUSED])
def test_an_argument_that_no_query_can_have_is_refused(
    call: Any, words: str, recorder: Recorder
) -> None:
    with pytest.raises(errors.InvalidQueryError, match=words):
        call()
    assert not recorder.addresses


def test_parts_of_criteria_are_joined_and_filters_follow_the_model() -> None:
    stage = payload.model_stage(
        "WellKnownFile",
        filters={"attachable_id": 5, "id": [1, 2], "name": "two words", "none": None},
        criteria=["[a$eq1]", "[b$eq2]"],
        include=["x", "(y)"],
    )
    assert stage == (
        "model::WellKnownFile[attachable_id$eq5][id$in1,2][name$eq'two words'],rma::criteria,[a$eq1][b$eq2],"
        "rma::include,x(y)"
    )


def test_the_compound_query_fills_each_key_with_its_own_values(recorder: Recorder) -> None:
    queries = [
        {"structures": [1], "intensity_values": ["High"], "density_values": ["Low"], "link": "and"},
        {"structures": 2, "pattern_values": ["Full"], "age_names": ["P4"]},
    ]
    allen.AnnotatedSectionDataSetsApi().get_compound_annotated_section_data_sets(queries)
    assert unquote(recorder.addresses[0]).partition("query=")[2] == (
        "[structures $in 1 : intensity_values $in 'High' : density_values $in 'Low'] and "
        "[structures $in 2 : pattern_values $in 'Full' : age_names $in 'P4']"
    )


def test_names_may_come_from_a_generator(recorder: Recorder) -> None:
    api = allen.AnnotatedSectionDataSetsApi()
    api.get_annotated_section_data_sets(1, (level for level in ("High", "Low")), density_values=[])
    assert unquote(recorder.addresses[0]).endswith("?structures=1&intensity_values='High','Low'")


def test_every_table_starts_at_start_row(recorder: Recorder) -> None:
    allen.OntologiesApi().get_structures(1, num_rows=10, start_row=5)
    allen.CellTypesApi().get_ephys_features(num_rows=10, start_row=5)
    allen.MouseConnectivityApi().get_experiments(num_rows=10, start_row=np.int64(5))
    for address in recorder.addresses:
        assert "[num_rows$eq10][start_row$eq5]" in unquote(address)


def test_true_may_be_1_or_a_numpy_bool(recorder: Recorder) -> None:
    client = allen.MouseConnectivityApi()
    for yes in (True, np.bool_(True), 1):
        client.get_structure_unionizes([1], is_injection=yes, refresh=True)
        assert "[is_injection$eqtrue]" in unquote(recorder.addresses.pop())
    for no in (False, np.bool_(False), 0):
        client.get_structure_unionizes([1], is_injection=no, refresh=True)
        assert "[is_injection$eqfalse]" in unquote(recorder.addresses.pop())
    for url in (
        allen.ImageDownloadApi().build_image_url("atlas_image_download", 5, annotation=1),
        allen.ImageDownloadApi().build_image_url("atlas_image_download", 5, annotation=np.bool_(True)),
    ):
        assert url.endswith("?annotation=true")


def test_an_image_has_a_colormap_by_name_or_as_text() -> None:
    build = allen.ImageDownloadApi("https://host").build_image_url
    start = "https://host/api/v2/projection_image_download/5?colormap="
    assert build("projection_image_download", 5, colormap=(0.25, "jet")) == f"{start}0.5,0.25,0,256,2"
    text = "0,1,0,128,4"
    assert build("projection_image_download", 5, colormap=text) == start + text


def test_the_parameters_of_a_service_without_a_description_are_sent(recorder: Recorder) -> None:
    allen.ConnectedServices().query("tbi_correlation", row=5, anything="x")
    assert unquote(recorder.addresses[0]).endswith("q=service::tbi_correlation[anything$eqx][row$eq5]")


def test_a_call_without_a_selector_is_an_error(recorder: Recorder) -> None:
    with pytest.raises(errors.InvalidQueryError, match="structure_graph_ids=1"):
        allen.OntologiesApi().get_structures()
    assert not recorder.addresses


def test_parameters_of_services_are_checked_before_the_request(recorder: Recorder) -> None:
    services = allen.ConnectedServices()
    assert services.services()["service"].nunique() == 30
    with pytest.raises(errors.InvalidQueryError, match="Did you mean 'mouse_correlation'"):
        services.query("mouse_corelation", row=1)
    with pytest.raises(errors.InvalidQueryError, match="requires set, structures2"):
        services.build_url("mouse_differential", {"structures1": [1]})
    with pytest.warns(errors.DoubtfulParameterWarning, match="set must be one of mouse, mouse_coronal"):
        services.build_url("mouse_correlation", {"set": "rat", "row": 1})
    with pytest.warns(errors.DoubtfulParameterWarning, match="'tint' is not declared"):
        url = services.build_url("mouse_correlation", {"set": "mouse", "row": 1, "tint": "red"})
    assert "tint" not in url
    with pytest.warns(errors.DoubtfulParameterWarning, match="three numbers"):
        services.build_url("mouse_connectivity_injection_coordinate", {"seed_point": [1, 2]})
    agea = {"set": "mouse", "seed_age": "P4", "map_age": "P4", "seed_point": [1, 2, 3]}
    url = services.build_url("mouse_agea", {**agea, "correlation_threshold1": np.float32(0.5)})
    assert "[correlation_threshold1$eq0.5]" in url
    assert not recorder.addresses


# -- responses ----------------------------------------------------------------------------------------


def test_dtypes_of_columns(api: allen.RmaApi) -> None:
    table = allen.OntologiesApi().get_structures([1])
    colors = table.set_index("acronym")["color_hex_triplet"]
    assert colors[["SuG", "cbf", "VS"]].tolist() == ["019399", "188064", "0E9684"]
    assert str(table["parent_structure_id"].dtype) == "Int64"
    assert table["parent_structure_id"].isna().sum() == 1
    assert table["id"].dtype == np.int64
    assert table.attrs["pdneuro"]["source"] == "sandbox:allen (synthetic)"
    json.dumps(table.attrs)
    cells = allen.CellTypesApi().list_cells_api()
    assert (cells["tag__apical"] == "NA").sum() == 3
    assert str(cells["ef__ri"].dtype) == "Float64"
    assert cells["structure__name"].iloc[0].startswith('"')
    synced = allen.SynchronizationApi().get_reference_to_image(10, 1, 2, 3, [68545324, 67810540])
    assert synced["section_data_set_id"].tolist() == [68545324, 67810540]
    assert synced["section_data_set_id"].dtype == np.int64


def test_included_tables_stay_flatten_or_explode(sandbox: Sandbox) -> None:
    ontologies = allen.OntologiesApi()
    kept = ontologies.get_structures_with_sets(1)
    assert kept["structure_sets"].map(type).eq(list).all()
    long = ontologies.get_structures_with_sets(1, nested="explode")
    assert len(long) == sum(max(len(sets), 1) for sets in kept["structure_sets"])
    again = long.dropna(subset="structure_sets_id").groupby(level=0)["structure_sets_id"].agg(list)
    assert again.to_dict() == {
        row: [entry["id"] for entry in sets] for row, sets in kept["structure_sets"].items() if sets
    }
    flat = ontologies.get_atlases_table([1], nested="flatten")
    assert flat["structure_graph_ontology_name"].tolist() == ["Mouse Brain Atlas"]
    rows = allen.MouseConnectivityApi().get_structure_unionizes(
        [100140756], structure_ids=[385], include="structure", nested="flatten"
    )
    assert rows["structure_acronym"].eq("VISp").all()
    assert "structure__id" not in rows.columns  # the same as structure_id
    with pytest.raises(errors.InvalidQueryError, match="nested"):
        ontologies.get_atlases(nested="all")


def test_two_columns_of_lists_must_be_named() -> None:
    table = pd.DataFrame({"a": [[{"x": 1}]], "b": [[{"y": 2}, {"y": 3}]]})
    with pytest.raises(errors.AmbiguousColumnError, match="'a', 'b'"):
        pdneuro.tables.explode(table)
    assert pdneuro.tables.explode(table, "b")["b_y"].tolist() == [2, 3]
    same = pd.DataFrame({"s_id": [1, 2], "s": [{"id": 1}, {"id": 3}]})
    assert pdneuro.tables.flatten(same)["s__id"].tolist() == [1, 3]


def test_the_schema(api: allen.RmaApi) -> None:
    everything = api.get_schema()
    assert {"Structure", "SectionDataSet"} <= set(everything["model"])
    one = api.get_schema("Structure")
    assert one["table"].tolist() == ["structures"]
    assert "structure_sets" in one["associations"].iloc[0]
    assert set(api.load_api_schema()) == set(everything["model"])
    with pytest.raises(errors.QueryRefusedError, match="Structur"):
        api.get_schema("Structur")


@pytest.mark.parametrize("model", [["Structure"], "", None, "a b", "Structure;"])
def test_a_class_must_be_a_name(model: Any, api: allen.RmaApi, sandbox: Sandbox) -> None:
    with pytest.raises(errors.InvalidQueryError, match="class name"):
        api.model_query(model)
    assert not sandbox.requests


def test_pipes_and_services(api: allen.RmaApi) -> None:
    stages = [
        payload.model_stage("Structure", criteria="[acronym$eq'VISp'][graph_id$eq1]", only="id"),
        payload.pipe_stage("list", [("ids", "is", "'id'")]),
        payload.model_stage(
            "ProjectionStructureUnionize",
            criteria="[structure_id$in$ids]",
            num_rows=4,
            order="normalized_projection_volume+desc",
        ),
    ]
    found = api.json_msg_query(api.build_query_url(stages))
    assert found["structure_id"].eq(385).all()
    assert found["normalized_projection_volume"].is_monotonic_decreasing
    search = allen.MouseConnectivityApi().experiment_source_search(injection_structures=["VIS"])
    assert set(search["structure-abbrev"]) == {"VISp"}


# -- errors ------------------------------------------------------------------------------------------


def test_the_service_reports_unknown_classes_and_fields(api: allen.RmaApi, sandbox: Sandbox) -> None:
    with pytest.raises(
        errors.QueryRefusedError, match=r"uninitialized constant ApiModel::Gen\b"
    ) as caught:
        api.model_query("Gen")
    assert "URL: http://127.0.0.1" in str(caught.value)
    with pytest.raises(errors.QueryRefusedError, match="Column 'foo' not found"):
        api.model_query("Gene", criteria="[foo$eq1]")
    with pytest.raises(errors.QueryRefusedError, match="Association 'foo' not found"):
        api.model_query("Gene", criteria="foo[id$eq1]")
    # An error is not cached: the next call sends a request.
    before = len(sandbox.requests)
    with pytest.raises(errors.QueryRefusedError):
        api.model_query("Gen")
    assert len(sandbox.requests) == before + 1


@pytest.mark.parametrize(
    ("body", "error", "words"),
    [
        (b'{"success": true, "msg": "RMA error: something"}', errors.QueryRefusedError, "something"),
        (b'{"success": "false", "msg": []}', errors.QueryRefusedError, "refused"),
        (b"[1, 2]", errors.InvalidResponseError, "envelope"),
        (b'{"id": 0}', errors.InvalidResponseError, "envelope"),
        (b'{"success": true, "msg": [1]}', errors.InvalidResponseError, "no records"),
        (b'{"success": true, "ms', errors.InvalidResponseError, "not JSON"),
        (b"<html>maintenance</html>", errors.InvalidResponseError, "maintenance"),
    ],
)
def test_invalid_responses_are_errors(
    body: bytes, error: type[Exception], words: str, api: allen.RmaApi, sandbox: Sandbox
) -> None:
    sandbox.fail(body=body)
    with pytest.raises(error, match=words):
        api.model_query("Atlas")
    assert len(api.model_query("Atlas", num_rows="all")) == 2


@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_http_errors(status: int, api: allen.RmaApi, sandbox: Sandbox) -> None:
    sandbox.fail(status=status)
    with pytest.raises(errors.ServiceError, match=str(status)) as caught:
        api.model_query("Atlas")
    assert caught.value.status == status
    assert caught.value.url


def test_failed_requests_are_repeated_until_the_last_retry(api: allen.RmaApi, sandbox: Sandbox) -> None:
    with pdneuro.set_options(retries=2):
        sandbox.fail(times=2, status=503)
        assert len(api.model_query("Hemisphere")) == 3
        sandbox.fail(times=3, status=500)
        with pytest.raises(errors.ServerError):
            api.model_query("Organism")
    with (
        pdneuro.set_options(timeout=0.2),
        held(sandbox),
        pytest.raises(errors.ConnectionFailedError, match="timeout"),
    ):
        api.model_query("Organism")


# -- the cache of responses -------------------------------------------------------------------------


def test_responses_are_cached_and_read_offline(api: allen.RmaApi, sandbox: Sandbox) -> None:
    first = api.model_query("Hemisphere")
    count = len(sandbox.requests)
    pd.testing.assert_frame_equal(api.model_query("Hemisphere"), first)
    assert len(sandbox.requests) == count
    api.model_query("Hemisphere", refresh=True)
    assert len(sandbox.requests) == count + 1
    with pdneuro.set_options(offline=True):
        assert api.model_query("Hemisphere")["id"].tolist() == [1, 2, 3]
        with pytest.raises(errors.OfflineError, match="Organism"):
            api.model_query("Organism")
    with pdneuro.set_options(expire_after=0):
        api.model_query("Hemisphere")
    assert len(sandbox.requests) == count + 2


def test_clearing_the_cache_removes_responses(api: allen.RmaApi, sandbox: Sandbox) -> None:
    api.model_query("Hemisphere")
    pdneuro.cache.clear(older_than=3600)
    pdneuro.cache.clear(property="size")
    api.model_query("Hemisphere")
    assert len(sandbox.requests) == 1
    pdneuro.cache.clear()
    api.model_query("Hemisphere")
    assert len(sandbox.requests) == 2


def test_an_old_response_is_used_while_the_service_is_down(api: allen.RmaApi, sandbox: Sandbox) -> None:
    first = api.model_query("Hemisphere")
    sandbox.fail(times=10, status=503)
    with (
        pdneuro.set_options(expire_after=0),
        pytest.warns(errors.StaleAnswerWarning, match="503.*was used"),
    ):
        old = api.model_query("Hemisphere")
    pd.testing.assert_frame_equal(old, first)
    with pytest.raises(errors.ServiceUnavailableError):
        api.model_query("Organism")


# -- many rows, many IDs -----------------------------------------------------------------------------


def test_pages_end_at_an_empty_page_and_each_row_appears_once(
    api: allen.RmaApi, sandbox: Sandbox
) -> None:
    whole = api.model_query("ProjectionStructureUnionize", num_rows="all")
    paged = api.model_query("ProjectionStructureUnionize", page_size=500)
    assert len(paged) == len(whole)
    assert set(paged["id"]) == set(whole["id"])
    pages = [query for query in asked(sandbox) if "num_rows$eq500" in query]
    assert len(pages) == len(whole) // 500 + 2
    assert all("[order$eqid]" in query for query in pages)


def test_short_pages_and_a_wrong_total(api: allen.RmaApi, sandbox: Sandbox) -> None:
    sandbox.allen.short = 7
    sandbox.allen.total = 10**6
    with pytest.warns(
        errors.IncompleteTableWarning, match=r"announced 1,000,000 rows, but returned 41 before"
    ):
        table = api.model_query("Structure", page_size=20, order="name")
    assert table["id"].is_unique
    assert len(table) == 41
    assert "order$eqname,id" in asked(sandbox)[-1]


def test_a_truncated_table_is_a_warning(api: allen.RmaApi, sandbox: Sandbox) -> None:
    with pytest.warns(errors.IncompleteTableWarning, match="page_size"):
        assert len(api.model_query("ProjectionStructureUnionize")) == 50
    assert len(api.model_query("ProjectionStructureUnionize", num_rows=10)) == 10  # the requested number


def test_all_rows_are_requested_beyond_the_limit_of_the_server(sandbox: Sandbox) -> None:
    sandbox.allen.rma.row_limit = 100
    rows = allen.MouseConnectivityApi().get_structure_unionizes([100140756, 100140949])
    assert len(rows) == 2 * 36 * 3 * 2
    assert rows["id"].is_unique


def test_a_server_that_repeats_a_page_is_an_error(api: allen.RmaApi, sandbox: Sandbox) -> None:
    same = b'{"success": true, "start_row": 0, "num_rows": 1, "total_rows": 9, "msg": [{"id": 1}]}'
    sandbox.fail(times=3, body=same)
    with pytest.raises(errors.InvalidResponseError, match="repeats the one before"):
        api.model_query("Gene", page_size=5)


def test_a_record_on_two_pages_appears_once(api: allen.RmaApi, sandbox: Sandbox) -> None:
    def page(*rows: dict[str, Any]) -> bytes:
        return json.dumps(
            {"success": True, "num_rows": len(rows), "total_rows": 9440, "msg": rows}
        ).encode()

    sandbox.fail(body=page({"id": 1, "sets": [{"id": 5}]}, {"id": 2, "sets": []}))
    sandbox.fail(body=page({"id": 2, "sets": [{"id": 6}]}, {"id": 3, "sets": []}))
    sandbox.fail(body=page())
    table = api.model_query("Structure", include="sets", page_size=2)
    assert table["id"].tolist() == [1, 2, 3]
    assert table["sets"].tolist() == [[{"id": 5}], [{"id": 6}], []]


def test_fifty_thousand_ids_are_requested_in_parts(sandbox: Sandbox) -> None:
    ids = np.arange(100_000_000, 100_050_000)
    ids[[10, 20_000, 49_999]] = [100140756, 126862385, 180296424]
    table = allen.MouseConnectivityApi().get_experiments(ids, num_rows="all", order="id+desc")
    assert table["id"].tolist() == [180296424, 126862385, 100140756]
    queries = asked(sandbox)
    assert len(queries) == -(-50_000 // payload.MAX_IDS)
    assert max(map(len, queries)) < 5_000
    # The responses received so far are not requested again.
    count = len(sandbox.requests)
    allen.MouseConnectivityApi().get_experiments(ids, num_rows="all", order="id+desc")
    assert len(sandbox.requests) == count


def test_two_long_lists_are_split_into_several_requests(sandbox: Sandbox) -> None:
    experiments, structures = np.arange(100_140_500, 100_141_000), np.arange(1, 1001)
    how = {"is_injection": False, "hemisphere_ids": 3}
    rows = allen.MouseConnectivityApi().get_structure_unionizes(
        experiments, structure_ids=structures, **how
    )
    assert len(asked(sandbox)) == 2 * 3
    assert max(map(len, asked(sandbox))) < 7_000
    plain = allen.MouseConnectivityApi().get_structure_unionizes([100140756, 100140949], **how)
    assert set(rows["id"]) == set(plain.loc[plain["structure_id"] <= 1000, "id"])


def test_parts_before_a_failure_stay_cached(sandbox: Sandbox) -> None:
    ids = np.arange(1, 4001)
    sandbox.fail(status=500)
    with pytest.raises(errors.ServerError):
        allen.MouseConnectivityApi().get_experiments(ids, num_rows="all")
    count = len(sandbox.requests)
    allen.MouseConnectivityApi().get_experiments(ids, num_rows="all")
    assert len(sandbox.requests) <= count + 10


# -- single classes ----------------------------------------------------------------------------------


def test_cells_are_filtered(sandbox: Sandbox) -> None:
    cells = allen.CellTypesApi()
    assert cells.get_cell(464212183)["structure__acronym"] == "VISp2/3"
    assert cells.get_cell(1) is None
    assert len(cells.list_cells_api(require_reconstruction=True)) == 3
    assert len(cells.list_cells_api(species="homo sapiens")) == 2
    assert len(cells.list_cells_api([318808427, 464212183])) == 2
    simple = cells.filter_cells_api(
        cells.list_cells_api().to_dict("records"), reporter_status=["positive"]
    )
    assert simple["id"].tolist() == [318808427, 464212183]
    assert simple["cell_soma_location"].iloc[0] == [8000.5, 900.25, 2000.0]
    specimens = cells.list_cells(require_morphology=True)
    assert specimens["species"].tolist()[0] == "Mus musculus"
    every = cells.list_cells()
    whole = every["id"][every["has_reconstruction"]]
    assert cells.list_cells(require_reconstruction=True)["id"].tolist() == whole.tolist()
    assert 0 < len(whole) < len(every)
    assert cells.list_cells(reporter_status="negative")["id"].tolist() == [485909730]
    assert cells.list_cells(reporter_status=["positive"])["id"].tolist() == [318808427, 464212183]
    assert cells.get_ephys_sweeps(318808427)["sweep_number"].tolist() == [1, 2, 3]
    assert cells.get_ephys_sweeps(5).empty
    assert "tags" not in cells.get_morphology_features().columns


def test_trees_and_alignments(sandbox: Sandbox) -> None:
    tree = allen.TreeSearchApi().get_tree("Structure", "385", descendants=np.bool_(True))
    assert len(tree) == 7
    with pytest.raises(errors.InvalidQueryError, match="kind"):
        allen.TreeSearchApi().get_tree("structure", 385)
    assert allen.GridDataApi().download_alignment3d(100140756)["tvr_09"] == 5.5
    with pytest.raises(errors.NotFoundError, match="0 alignments"):
        allen.GridDataApi().download_alignment3d(69816930)
    point = allen.SynchronizationApi().get_image_to_reference(1, 2.0, 4.0)
    assert point == {"image_to_reference": {"x": 100.0, "y": 1.0, "z": 4500.0}}
    with pytest.raises(errors.InvalidQueryError, match="coordinate"):
        allen.SynchronizationApi().get_image_to_reference(1, float("nan"), 1)


def test_the_paths_of_structures_as_lists() -> None:
    table = pd.DataFrame({"structure_id_path": ["/997/", "/997/8/"]}, index=["a", "b"])
    found = allen.OntologiesApi().unpack_structure_set_ancestors(table)
    assert found["structure_set_ancestor"].tolist() == [[997], [997, 8]]
    assert list(table.columns) == ["structure_id_path"]
    with pytest.raises(errors.MissingColumnsError):
        allen.OntologiesApi().unpack_structure_set_ancestors(found[["structure_set_ancestor"]])


def test_models_of_cells(sandbox: Sandbox) -> None:
    glif = allen.GlifApi()
    assert glif.get_neuron_configs([566302806, 566302807])[566302807]["model"] == 566302807
    assert glif.get_neuronal_model(566302806)["id"] == 566302806
    with pytest.raises(errors.NotFoundError):
        glif.get_neuronal_model(5)
    files = allen.BiophysicalApi().get_well_known_file_ids(472299294)
    assert files["stimulus"] == {"490000003": "318808428.nwb"}
    assert files["modfiles"] == {"470000001": "modfiles/Ca.mod"}


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: allen.GridDataApi().download_deformation_field(69816930, "a.mhd", "a.raw"),
         r"data set 69816930 does not have a file of type DeformationFieldHeader, DeformationFieldVoxels\."),
        (lambda: allen.GridDataApi().download_deformation_field(100140756, "a.mhd", "a.raw", "Voxels"),
         r"data set 100140756 does not have a file of type Voxels\."),
        (lambda: allen.MouseConnectivityApi().get_reference_aligned_image_channel_volumes_url(5),
         r"data set 5 does not have aligned images\. URL: .*attachable_id\$eq5"),
    ],
)  # fmt: skip
def test_a_data_set_without_such_a_file_is_named(
    call: Any, words: str, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(errors.NotFoundError, match=words):
        call()
    assert not list(tmp_path.glob("a.*"))


def test_a_model_without_a_file_is_named(sandbox: Sandbox) -> None:
    row: dict[str, Any] = {"id": 566302806, "well_known_files": []}
    sandbox.fail(body=json.dumps({"success": True, "msg": [row]}).encode())
    with pytest.raises(errors.NotFoundError, match="model 566302806 does not have a file"):
        allen.GlifApi().get_neuron_configs([566302806])


@pytest.mark.parametrize("density", [0.0, np.nan])
def test_volumes_without_an_injection_have_no_center(density: float) -> None:
    volume = np.full((2, 2, 2), density)
    assert allen.MouseConnectivityApi().calculate_injection_centroid(volume, volume) is None


def test_the_center_of_an_injection_is_weighted_by_density_and_fraction() -> None:
    density, fraction = np.zeros((2, 3, 4)), np.zeros((2, 3, 4))
    density[0, 0, 0], fraction[0, 0, 0] = 1, 0.25
    density[1, 2, 3], fraction[1, 2, 3] = 0.5, 0.5
    density[1, 1, 1], fraction[0, 1, 1] = 1, np.nan
    center = allen.MouseConnectivityApi().calculate_injection_centroid(density, fraction, 100)
    assert center is not None
    assert center.tolist() == [50, 100, 150]


def test_the_repr_of_a_class_shows_its_address() -> None:
    assert repr(allen.SvgApi("http://host/x/")) == "<SvgApi at http://host/x>"
    with pytest.raises(errors.InvalidQueryError, match="base_uri"):
        allen.GridDataApi("http://host")
    with pytest.raises(errors.InvalidQueryError, match="base_uri"):
        allen.sdk.GridDataApi("http://host")
    assert allen.GridDataApi(base_uri="http://host").resolution == 25
    with pytest.raises(AttributeError, match="Nothing"):
        _ = allen.Nothing
    assert "RmaApi" in dir(allen)
