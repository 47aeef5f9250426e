"""The classes of pdneuro.allen.sdk: what scripts for allensdk do, over HTTP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pdneuro
from pdneuro import allen, errors
from pdneuro.allen.sdk import (
    AnnotatedSectionDataSetsApi,
    Api,
    BiophysicalApi,
    Cache,
    CellTypesApi,
    ConnectedServices,
    GlifApi,
    GridDataApi,
    ImageDownloadApi,
    MouseConnectivityApi,
    OntologiesApi,
    ReferenceSpaceApi,
    RmaApi,
    RmaTemplate,
    SvgApi,
    SynchronizationApi,
    cacheable,
    memoize,
)
from pdneuro.sandbox import Sandbox


def queries(sandbox: Sandbox) -> list[str]:
    """Return the queries that the sandbox received."""
    return [request.query["q"] for request in sandbox.requests if "q" in request.query]


# -- the forms of Allen's tutorial ---------------------------------------------------------------------


def test_the_tables_of_atlases_with_nested_associations(sandbox: Sandbox) -> None:
    rma = RmaApi()
    atlas = 1
    associations = "".join([f"[id$eq{atlas}],", "structure_graph(ontology),", "graphic_group_labels"])
    found = rma.model_query(
        "Atlas",
        include=associations,
        criteria=associations,
        only=["atlases.id", "atlases.name", "ontologies.name", "structure_graphs.name"],
    )
    assert isinstance(found, list)
    assert found[0]["name"] == "Mouse, P56, Coronal"
    assert found[0]["structure_graph"]["name"] == "Mouse Brain Atlas"


def test_the_loop_over_the_schema(sandbox: Sandbox) -> None:
    tables, fields, associations = {}, {}, {}
    for entry in RmaApi().get_schema():
        description = entry["DataDescription"]
        for name, about in description.items():
            tables[name] = about["table"]
            fields[name] = [field["name"] for field in about["fields"]]
            associations[name] = [each["name"] for each in about["associations"]]
    assert tables["Structure"] == "structures"
    assert {"id", "acronym", "parent_structure_id"} <= set(fields["Structure"])
    assert "ontology" in associations["Structure"]


@pytest.mark.parametrize("method", ["get_structures", "get_structures_with_sets"])
def test_a_structure_and_its_children(sandbox: Sandbox, method: str) -> None:
    structures = pd.DataFrame(getattr(OntologiesApi(), method)(1))
    assert structures.loc[:, ["name", "acronym"]].shape[1] == 2
    number = structures[structures["acronym"] == "MEA"]["id"].iloc[0]
    children = structures[structures["parent_structure_id"] == number]
    assert children["acronym"].tolist() == ["MEAad", "MEAav"]


def test_a_column_of_mappings_and_a_csv_file(sandbox: Sandbox, tmp_path: Path) -> None:
    found = RmaApi().model_query(
        "Structure",
        criteria="structure_sets[name$eq'Mouse Connectivity - Summary']",
        include="ontology",
        num_rows="all",
    )
    summary = pd.DataFrame(found)
    ontologies = pd.DataFrame(list(summary.ontology)).drop_duplicates()
    assert ontologies["id"].tolist() == [1]
    flat = summary.drop(["ontology"], axis=1)
    flat.to_csv(tmp_path / "summary.csv", index_label="")
    read = pd.read_csv(tmp_path / "summary.csv")
    rows = [
        (row.id, row.name, row.parent_structure_id)
        for row in read.loc[:, ["id", "name", "parent_structure_id"]].itertuples(index=False)
    ]
    assert [row[0] for row in rows] == summary["id"].tolist()


def test_wrap_writes_a_csv_file_and_reads_it_as_a_table(sandbox: Sandbox, tmp_path: Path) -> None:
    rma, path = RmaApi(), tmp_path / "summary.csv"
    call: dict[str, Any] = {"model": "Structure", "num_rows": 5, "order": ["graph_order"]}
    call["criteria"] = "[graph_id$eq1]"
    written = Cache().wrap(rma.model_query, path=str(path), cache=True, **call)
    sent = len(sandbox.requests)
    read = Cache().wrap(rma.model_query, path=str(path), cache=False, **call)
    assert len(sandbox.requests) == sent
    pd.testing.assert_frame_equal(read, written)
    assert read["acronym"].tolist() == ["root", "grey", "CH", "CTX", "Isocortex"]
    assert np.isnan(read["parent_structure_id"].iloc[0])
    assert pd.read_csv(path)["id"].tolist() == read["id"].tolist()


def test_wrap_has_the_old_defaults(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "structures.json"
    found = Cache().wrap(RmaApi().model_query, path, True, model="Structure", num_rows=2, order=["id"])
    assert isinstance(found, list)
    assert json.loads(path.read_text()) == found
    again = Cache().wrap(RmaApi().model_query, path, False, return_dataframe=True, index="id")
    assert again.index.tolist() == [row["id"] for row in found]
    with pytest.raises(TypeError, match="cache"):
        Cache().wrap(RmaApi().model_query, path)


# -- queries -------------------------------------------------------------------------------------------


def test_three_part_filters_send_their_operator(sandbox: Sandbox) -> None:
    url = ConnectedServices().build_url(
        "mouse_differential", {"set": "mouse", "structures1": [315], "structures2": [549]}
    )
    assert "[structures1$eq315]" in url
    rma = RmaApi()
    assert rma.service_stage("x", [("structures1", "$eq", 315)]) == "service::x[structures1$eq315]"
    assert (
        allen.RmaApi.service_stage("x", [("structures1", "$eq", 315)]) == "service::x[structures1$eq315]"
    )
    assert rma.pipe_stage("list", [("a", rma.IS, "'id'")]) == "pipe::list[a$is'id']"


def test_hemispheres_are_sent_as_given(sandbox: Sandbox) -> None:
    MouseConnectivityApi().get_structure_unionizes([100140756], hemisphere_ids=["left"])
    assert "[hemisphere_id$inleft]" in queries(sandbox)[-1]
    with pytest.raises(errors.InvalidQueryError, match="left"):
        allen.MouseConnectivityApi().get_structure_unionizes([100140756], hemisphere_ids=["left"])


@pytest.mark.parametrize(
    ("given", "sent"), [("unknown", None), (None, None), (1, "true"), (np.bool_(False), "false")]
)
def test_unknown_values_of_is_injection_are_ignored(
    sandbox: Sandbox, given: Any, sent: str | None
) -> None:
    MouseConnectivityApi().get_structure_unionizes([100140756], given)
    query = queries(sandbox)[-1]
    assert ("is_injection" not in query) if sent is None else f"[is_injection$eq{sent}]" in query


def test_unknown_keywords_are_ignored(sandbox: Sandbox) -> None:
    found = RmaApi().model_query("Hemisphere", unknown=1, count="unknown", debug="unknown")
    assert queries(sandbox)[-1] == "model::Hemisphere"
    assert len(found) == 3
    assert len(OntologiesApi().get_structures(1, unknown=1)) > 30
    url = ImageDownloadApi("https://host").build_image_url("image_download", 5, unknown=1)
    assert url == "https://host/api/v2/image_download/5"
    compound = AnnotatedSectionDataSetsApi().build_compound_query([{"structures": [1], "unknown": [2]}])
    assert compound.endswith("?query=[structures $in 1]")
    assert CellTypesApi().list_cells(species=["unknown"]) == []
    assert CellTypesApi().filter_cells_api([], reporter_status="unknown") == []


@given(
    kept=st.sets(st.sampled_from(["only", "order", "num_rows", "start_row"])),
    junk=st.dictionaries(st.text("abcxyz_", min_size=4), st.integers()),
)
def test_a_stage_is_that_of_the_known_arguments(kept: set[str], junk: dict[str, int]) -> None:
    values = {"only": ["id"], "order": ["id"], "num_rows": 5, "start_row": 2}
    known = {name: values[name] for name in kept}
    assert RmaApi().model_stage("Structure", **{**junk, **known}) == allen.RmaApi.model_stage(
        "Structure", **known
    )


def test_except_wins_over_excpt_with_a_warning(sandbox: Sandbox) -> None:
    with pytest.warns(UserWarning, match="excpt= is ignored") as caught:
        stage = RmaApi().model_stage("Structure", **{"except": ["id"], "excpt": ["name"]})
    assert stage.endswith("[except$eqid]")
    assert caught[0].filename == __file__
    assert RmaApi().options_clause(excpt=["name"]) == "rma::options[except$eqname]"


def test_a_record_that_is_not_in_a_list_stays_one(sandbox: Sandbox) -> None:
    sandbox.fail(body=b'{"success": true, "msg": {"id": 5}}')
    assert RmaApi().model_query("Structure", num_rows="all") == {"id": 5}


def test_a_point_of_an_image_is_a_dictionary(sandbox: Sandbox) -> None:
    found = SynchronizationApi().get_image_to_reference(1, 2.0, 4.0)
    assert found == {"image_to_reference": {"x": 100.0, "y": 1.0, "z": 4500.0}}


@pytest.mark.parametrize(
    ("body", "words"), [(b"", "empty"), (b"<html><p>", "HTML page"), (b'{"success": false}', "an error")]
)
def test_a_response_that_is_no_xml_document_is_an_error(
    sandbox: Sandbox, body: bytes, words: str
) -> None:
    api = SvgApi()
    sandbox.fail(body=body)
    with pytest.raises(errors.InvalidResponseError, match=words):
        api.retrieve_xml_over_http(api.build_query(100960033))
    assert api.retrieve_xml_over_http(api.build_query(100960033)).startswith(b"<svg")


def test_a_data_set_without_aligned_images_is_named(sandbox: Sandbox) -> None:
    find = MouseConnectivityApi().get_reference_aligned_image_channel_volumes_url
    assert find(100140756) == f"{sandbox.url}/allen/api/v2/well_known_file_download/350007560"
    with pytest.raises(errors.NotFoundError, match="data set 5 does not have aligned images"):
        find(5)


def test_rejected_queries_raise_and_are_not_data(sandbox: Sandbox) -> None:
    with pytest.raises(errors.QueryRefusedError, match="Nonsense"):
        RmaApi().model_query("Nonsense")
    with pytest.raises(errors.QueryRefusedError):
        RmaApi().retrieve_parsed_json_over_http(RmaApi().build_query_url("model::Nonsense"))
    with pytest.raises(errors.InvalidResponseError, match="msg"):
        RmaApi().read_data({"rows": []})
    with pytest.raises(errors.InvalidQueryError, match="post=False"):
        RmaApi().retrieve_parsed_json_over_http(RmaApi().build_query_url("model::Atlas"), True)


def test_all_rows_come_although_the_service_limits_their_number(sandbox: Sandbox) -> None:
    everything = [row["id"] for row in OntologiesApi().get_structures([1, 10], order=["structures.id"])]
    pdneuro.cache.clear()
    sandbox.allen.short = 50
    assert len(everything) < 50
    rows = RmaApi().model_query("ProjectionStructureUnionize", num_rows="all", count=False)
    total = len(allen.RmaApi().model_query("ProjectionStructureUnionize", page_size=50))
    assert len(rows) == total > 50


def test_missing_rows_are_a_warning(sandbox: Sandbox) -> None:
    sandbox.allen.short = 50
    with pytest.warns(errors.IncompleteTableWarning, match="num_rows='all'"):
        found = RmaApi().model_query("ProjectionStructureUnionize")
    assert len(found) == 50


def test_many_ids_are_several_requests_and_one_list(sandbox: Sandbox) -> None:
    ids = pd.Series(range(1, 901))
    found = OntologiesApi().get_structures(structure_graph_ids=ids, order=["structures.graph_order"])
    sent = [query for query in queries(sandbox) if "graph_id$in" in query]
    assert len(sent) == 3
    orders = [row["graph_order"] for row in found]
    assert orders == sorted(orders)
    rows = MouseConnectivityApi().get_structure_unionizes(
        [100140756], structure_ids=[385, *range(2000, 2900)]
    )
    assert isinstance(rows, list)
    assert {row["structure_id"] for row in rows} == {385}


@pytest.mark.parametrize(
    "ids", [1, "1", [1], (1,), {1}, np.array([1]), np.int64(1), pd.Series([1]), pd.Index([1])], ids=repr
)
def test_ids_come_in_any_container(sandbox: Sandbox, ids: Any) -> None:
    assert OntologiesApi().get_structures(ids)[0]["acronym"] == "root"


@pytest.mark.parametrize("ids", [[], [0], [1.5], None, float("nan")], ids=repr)
def test_ids_that_would_return_the_whole_table_are_errors(sandbox: Sandbox, ids: Any) -> None:
    with pytest.raises(errors.InvalidQueryError):
        OntologiesApi().get_structures_with_sets(ids)
    assert not queries(sandbox)


def test_refresh_downloads_again(sandbox: Sandbox) -> None:
    for refresh in (False, False, True):
        OntologiesApi().get_structure_graphs(refresh=refresh)
    assert len(queries(sandbox)) == 2


# -- base methods --------------------------------------------------------------------------------------


def test_a_subclass_can_replace_how_queries_are_sent(sandbox: Sandbox) -> None:
    class Recorded(OntologiesApi):
        urls: list[str] = []

        def retrieve_parsed_json_over_http(self, url: str, post: bool = False) -> Any:
            self.urls.append(url)
            return {"success": True, "msg": [{"id": 1}]}

    assert Recorded("https://host").get_atlases() == [{"id": 1}]
    assert Recorded.urls == [
        "https://host/api/v2/data/query.json?q=model::Atlas,rma::options[num_rows$eq'all'][count$eqfalse]"
    ]
    assert not sandbox.requests


def test_do_query_and_json_msg_query(sandbox: Sandbox) -> None:
    rma = RmaApi()
    url = rma.build_query_url("model::Hemisphere")
    found = rma.do_query(lambda name: rma.build_query_url(f"model::{name}"), rma.read_data, "Hemisphere")
    assert found == rma.do_rma_query(rma.build_query_url, rma.read_data, "model::Hemisphere")
    assert found == rma.json_msg_query(url)
    frame = rma.json_msg_query(url, dataframe=True)
    assert frame["symbol"].tolist() == ["L", "R", "B"]
    assert rma.retrieve_parsed_json_over_http(url)["total_rows"] == 3


def test_addresses_follow_the_option_the_object_and_the_class(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = RmaApi()
    assert api.rma_endpoint == f"{sandbox.url}/allen/api/v2/data"
    with pdneuro.set_options(allen_url="https://api.brain-map.org"):
        assert api.svg_endpoint == "https://api.brain-map.org/api/v2/svg"
    assert RmaApi("https://host/x/").grid_data_endpoint == "https://host/x/grid_data"
    api.set_api_urls("https://other")
    assert api.well_known_file_endpoint == "https://other/api/v2/well_known_file_download"
    api.api_url = "https://third"
    assert api.build_query_url("model::Atlas").startswith("https://third/api/v2/data/query.json")
    with pytest.raises(AttributeError, match="set_api_urls"):
        api.svg_endpoint = "https://fourth"
    monkeypatch.setattr(Api, "default_api_url", "https://all")
    assert OntologiesApi().api_url == "https://all"
    monkeypatch.setattr(Api, "download_url", "https://files")
    url = MouseConnectivityApi().build_volumetric_data_download_url("ara_nissl", "ara_nissl_25.nrrd")
    assert url.startswith("https://files/informatics-archive/current-release/mouse_ccf/ara_nissl/")


def test_template_queries(sandbox: Sandbox) -> None:
    api = OntologiesApi()
    by_id = api.template_query("ontology_queries", "structures_by_graph_ids", graph_ids=[1], num_rows=2)
    assert [row["acronym"] for row in by_id] == ["root", "grey"]
    assert api.to_filter_rhs(pd.Series([1, 2])) == "1,2"
    assert api.to_filter_rhs("$x") == "$x"
    with pytest.raises(errors.NotFoundError, match="structures_by_graph_ids"):
        api.template_query("ontology_queries", "unknown")
    own = {
        "mine": [
            {
                "name": "sets",
                "model": "StructureSet",
                "criteria": "{% if ids is defined %}[id$in{{ ids }}]{% endif %}",
                "criteria_params": ["ids"],
                "only": ["id", "name"],
                "num_rows": "all",
            }
        ]
    }
    template = RmaTemplate(query_manifest=own)
    assert template.template_query("mine", "sets", ids=[2]) == [{"id": 2, "name": "Mouse - Coarse"}]
    assert len(template.template_query("mine", "sets")) == 4


@pytest.mark.parametrize("group", ["Ontologies", "ImageDownload", "Biophysical", "Glif"])
def test_every_named_query_of_a_class_is_a_method_of_it(sandbox: Sandbox, group: str) -> None:
    api = getattr(allen.sdk, f"{group}Api")()
    values = {"graph_names": "Mouse Brain Atlas", "set_names": "Mouse - Coarse"}
    for (template, entry), (_, names) in api._QUERIES.items():
        wanted = {name: values.get(name, [1]) for name in names if name != "biophysical_model_types"}
        if entry in (
            "section_image_ranges",
            "section_data_sets_by_product_id",
            "models_by_specimen",
            "neuron_config",
        ):
            wanted |= {
                "section_image_ranges": {"section_image_ids": [1]},
                "section_data_sets_by_product_id": {"product_ids": [1]},
                "models_by_specimen": {"specimen_ids": [1]},
                "neuron_config": {"neuronal_model_ids": [1]},
            }[entry]
        assert isinstance(api.template_query(template, entry, **wanted), list)


def test_a_replaced_download_gets_the_address_and_the_path(sandbox: Sandbox, tmp_path: Path) -> None:
    got = []

    class Recorded(GridDataApi):
        def retrieve_file_over_http(self, url: str, file_path: Any, zipped: bool = False) -> Any:
            got.append((url, file_path, zipped))

    api = Recorded(base_uri="https://host")
    api.download_projection_grid_data(5, ["data_mask"], 25, "a.nrrd")
    api.download_gene_expression_grid_data(5, "energy", "b.mhd")
    assert [(url, str(path), zipped) for url, path, zipped in got] == [
        ("https://host/grid_data/download_file/5?image=data_mask&resolution=25", "a.nrrd", False),
        ("https://host/grid_data/download/5?include=energy", "b.mhd", True),
    ]


# -- files ---------------------------------------------------------------------------------------------


def test_volumes_are_arrays_with_their_header(sandbox: Sandbox, tmp_path: Path) -> None:
    api = MouseConnectivityApi()
    path = str(tmp_path / "new" / "annotation.nrrd")
    array, header = api.download_annotation_volume("annotation/ccf_2017", 100, path)
    assert array.shape == (12, 8, 10)
    assert 614454277 in np.unique(array)
    assert header["space directions"].diagonal().tolist() == [100, 100, 100]
    assert api.download_annotation_volume(
        None, 100, path, reader=None, post=lambda found: found[0].shape
    ) == (12, 8, 10)
    sent = len(sandbox.requests)
    again, _ = api.download_annotation_volume(None, 100, path, strategy="lazy")
    assert (again == array).all()
    assert api.download_data_mask(path, 100140756, 100, strategy="lazy") == path
    assert len(sandbox.requests) == sent
    (tmp_path / "bad.nrrd").write_bytes(b"NRRD0004\n")
    with pytest.raises(errors.InvalidVolumeError, match="NRRD"):
        ReferenceSpaceApi().download_template_volume(100, tmp_path / "bad.nrrd", strategy="file")
    with pytest.raises(errors.InvalidQueryError, match=r"'create', 'file' or 'lazy', not 'never'\."):
        api.download_annotation_volume(None, 100, path, strategy="never")
    assert len(sandbox.requests) == sent


def test_a_file_is_downloaded_unless_it_is_only_read(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    api, mask = MouseConnectivityApi(), tmp_path / "mask.nrrd"
    assert str(api.download_data_mask(None, 100140756, 100)) == "100140756.nrrd"
    whole = (tmp_path / "100140756.nrrd").read_bytes()
    for strategy in ("lazy", "create", None):
        assert api.download_data_mask(mask, 100140756, 100, strategy=strategy) == mask
        assert mask.read_bytes() == whole
        mask.write_bytes(b"old")
    for strategy in ("lazy", "file"):
        assert api.download_data_mask(mask, 100140756, 100, strategy=strategy) == mask
    assert mask.read_bytes() == b"old"


def test_a_replaced_download_finds_the_folder_of_the_file(tmp_path: Path) -> None:
    class Copied(MouseConnectivityApi):
        def retrieve_file_over_http(self, url: str, file_path: Any, zipped: bool = False) -> Any:
            Path(file_path).write_bytes(b"mask")

    path = tmp_path / "new" / "folder" / "mask.nrrd"
    assert Copied("https://host").download_data_mask(path, 5, 100) == path
    assert path.read_bytes() == b"mask"


def test_a_mesh_is_its_vertices_and_faces(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "mesh.obj"
    vertices, normals, faces, face_normals = ReferenceSpaceApi().download_structure_mesh(385, None, path)
    assert vertices.tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 0]]
    assert faces.tolist() == [[0, 1, 2]]
    path.write_text("# mesh\nv 0 0 0\nv 1 0 0\nv 0 1 0\n\nvt 0 0\nvn 0 0 1\ng all\nf 1//1 2//1 3//1\n")
    vertices, normals, faces, face_normals = ReferenceSpaceApi().download_structure_mesh(
        385, None, path, strategy="file"
    )
    assert (normals.tolist(), faces.tolist(), face_normals.tolist()) == (
        [[0, 0, 1]],
        [[0, 1, 2]],
        [[0, 0, 0]],
    )


def test_an_error_page_is_not_an_image(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.fail(html=True)
    with pytest.raises(errors.InvalidResponseError):
        ImageDownloadApi().download_section_image(70945123, tmp_path / "a.jpg")
    assert not list(tmp_path.glob("a.jpg*"))


def test_an_incomplete_drawing_is_an_error(sandbox: Sandbox) -> None:
    sandbox.fail(body=b"<svg><path")
    with pytest.raises(errors.InvalidResponseError, match="truncated"):
        SvgApi().get_svg(100960033)
    assert SvgApi().get_svg(100960033).startswith(b"<svg")


# -- cells and models ----------------------------------------------------------------------------------


def test_specimens_have_the_values_of_their_tags_and_conditions(sandbox: Sandbox) -> None:
    cells = {cell["id"]: cell for cell in CellTypesApi().list_cells()}
    assert cells[318808427]["apical"] == "intact"
    assert cells[318808427]["has_morphology"] is True
    assert cells[528642047]["disease_categories"] == ["epilepsy"]
    assert [
        cell["id"]
        for cell in CellTypesApi().list_cells(require_reconstruction=True, species="Homo Sapiens")
    ] == [567776248]
    assert CellTypesApi().get_cell(1) is None


def test_the_state_of_a_model(sandbox: Sandbox, tmp_path: Path) -> None:
    api = GlifApi()
    with pytest.raises(errors.NotFoundError, match="get_neuronal_model"):
        api.get_neuron_config()
    found = api.get_neuronal_model(566302806)
    assert found["neuronal_model"]["id"] == 566302806
    assert api.get_ephys_sweeps() == found["ephys_sweeps"]
    config = api.get_neuron_config(tmp_path / "config.json")
    assert json.loads((tmp_path / "config.json").read_text()) == config
    models = BiophysicalApi()
    models.cache_stimulus = False
    models.set_default_working_directory(tmp_path / "model")
    models.cache_data(472299294)
    assert json.loads((tmp_path / "model" / "manifest.json").read_text()) == models.manifest
    assert models.sweeps == models.manifest["runs"][0]["sweeps"]
    assert not models.is_well_known_file_type(None, "NWBDownload")


# -- files of results ----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["cache_csv", "cache_csv_dataframe", "cache_json_dataframe"])
def test_results_in_a_file_are_tables(sandbox: Sandbox, tmp_path: Path, form: str) -> None:
    how = {"path": tmp_path / "new" / "structures.txt", **getattr(Cache, form)()}
    first = OntologiesApi().get_structures(1, strategy="create", **how)
    sent = len(sandbox.requests)
    for strategy in ("file", "lazy"):
        read = OntologiesApi().get_structures(1, strategy=strategy, **how)
        pd.testing.assert_frame_equal(read, first)
    assert len(sandbox.requests) == sent
    assert "019399" in first["color_hex_triplet"].tolist()
    assert first["parent_structure_id"].dtype == np.float64


def test_lazy_does_not_read_the_result_of_other_arguments(sandbox: Sandbox, tmp_path: Path) -> None:
    how: dict[str, Any] = {"path": tmp_path / "sets.json", "strategy": "lazy", **Cache.cache_json()}
    for ids in ([2], [687527945], [2]):
        found = OntologiesApi().get_structure_sets(ids, **how)
        assert [row["id"] for row in found] == ids


def test_a_file_of_allensdk_is_read(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"id": 5}]')
    how: dict[str, Any] = {"strategy": "lazy", **Cache.cache_json()}
    assert OntologiesApi().get_structure_sets(path=tmp_path / "a.json", **how) == [{"id": 5}]
    (tmp_path / "a.csv").write_text('"id","acronym","color_hex_triplet"\n"8","NA","019399"\n')
    table = Cache().load_csv(tmp_path / "a.csv", rename=[("number", "id")], index="number")
    assert table.loc[8].tolist() == ["NA", "019399"]
    (tmp_path / "b.csv").write_text('[{"id": 5}]')
    Cache.csv_writer(tmp_path / "copy.csv", table)
    assert Cache().load_csv(tmp_path / "copy.csv")["color_hex_triplet"].tolist() == ["019399"]
    assert Cache().wrap(RmaApi().model_query, tmp_path / "b.csv", False)["id"].tolist() == [5]
    assert not sandbox.requests


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    path.write_text("[1]")
    with pytest.raises(errors.CacheError, match="JSON"):
        Cache.cacher(lambda: [object()], path=path, strategy="create", **Cache.cache_json())
    assert path.read_text() == "[1]"
    with pytest.raises(errors.CacheError, match=r"missing\.json"):
        Cache().load_json(tmp_path / "missing.json")
    with pytest.raises(errors.CacheError, match=r"missing\.csv"):
        Cache().load_csv(tmp_path / "missing.csv")


def test_the_keywords_of_cacheable(tmp_path: Path) -> None:
    calls = []

    @cacheable(post=len)
    def numbers(count: int) -> list[dict[str, int]]:
        calls.append(count)
        return [{"number": number} for number in range(count)]

    assert numbers(3) == 3
    path = tmp_path / "numbers.json"
    kept = numbers(3, path=path, pre=lambda rows: rows[1:], post=list, **Cache.cache_json())
    assert kept == [{"number": 1}, {"number": 2}]
    found = numbers(
        path, pathfinder=Cache.pathfinder(0), strategy="file", post=None, reader=lambda p: p.name
    )
    assert found == "numbers.json"
    assert calls == [3, 3]
    for wrong, match in (({"strategy": "never"}, "never"), ({"strategy": "lazy"}, "path=")):
        with pytest.raises(errors.InvalidQueryError, match=match):
            numbers(3, **wrong)


def test_a_path_is_found_among_the_arguments_or_is_none() -> None:
    find = Cache.pathfinder(1, 2, path_keyword="file_name")
    assert find(385) is None
    assert find(385, None, None) is None
    assert find(385, None, "second.nrrd") == "second.nrrd"
    assert find(385, "first.nrrd", "second.nrrd") == "first.nrrd"
    assert find(385, "first.nrrd", file_name="named.nrrd") == "named.nrrd"
    assert Cache.pathfinder(0)("only.nrrd", 385) == "only.nrrd"


def test_values_of_numpy_and_paths_are_written_as_json(tmp_path: Path) -> None:
    rows = [
        {
            "id": np.int64(2**53 + 1),
            "share": np.float32(0.5),
            "line": np.array([[1, 2]]),
            "file": tmp_path,
        }
    ]
    read = Cache.cacher(lambda: rows, path=tmp_path / "rows.json", **Cache.cache_json())
    assert read == [{"id": 2**53 + 1, "share": 0.5, "line": [[1, 2]], "file": str(tmp_path)}]
    assert type(read[0]["id"]) is int


def test_a_csv_file_has_the_dtypes_of_records(tmp_path: Path) -> None:
    """Columns of pandas with a missing value become those that allensdk's scripts expect."""
    table = pd.DataFrame(
        {
            "yes": pd.array([True, False], "boolean"),
            "maybe": pd.array([True, None], "boolean"),
            "id": pd.array([1, 2**53 + 1], "Int64"),
            "parent": pd.array([1, None], "Int64"),
            "share": pd.array([0.5, None], "Float64"),
            "small": np.array([1, 2], "uint8"),
            "single": np.array([0.1, np.nan], "float32"),
            "kind": pd.Categorical(["b", "a"], ["b", "a"]),
            "when": pd.to_datetime(["2020-01-01", None], utc=True),
        }
    )
    Cache.csv_writer(tmp_path / "a.csv", table)
    read = Cache().load_csv(tmp_path / "a.csv")
    assert read.drop(columns=["kind", "when"]).dtypes.map(str).tolist() == [
        "bool", "object", "int64", "float64", "float64", "uint8", "float32",
    ]  # fmt: skip
    assert read["yes"].tolist() == [True, False]
    assert read["maybe"].tolist() == [True, None]
    assert read["id"].tolist() == [1, 2**53 + 1]
    assert read[["parent", "share"]].fillna(-1).to_numpy().tolist() == [[1, 0.5], [-1, -1]]
    same = ["small", "single", "kind", "when"]
    pd.testing.assert_frame_equal(read[same], table[same])


def test_tables_and_records_are_changed_in_place_as_in_allensdk(sandbox: Sandbox) -> None:
    table = pd.DataFrame(OntologiesApi().get_structures(1))
    assert OntologiesApi().unpack_structure_set_ancestors(table) is None
    assert table["structure_set_ancestor"].iloc[2] == [997, 8, 567]
    Cache.rename_columns(table, [("number", "id")])
    Cache.remove_keys(table, ["name"])
    assert "number" in table and "name" not in table  # noqa: PT018
    records = [{"id": 1, "name": "a"}]
    Cache.json_rename_columns(records, [("number", "id")])
    assert Cache.json_remove_keys(records, ["name"]) == [{"number": 1}]


def test_memoize_calls_once() -> None:
    calls = []
    double = memoize(lambda number: calls.append(number) or 2 * number)
    assert [double(2), double(2), double(3)] == [4, 4, 6]
    assert (calls, double.cache_size()) == ([2, 3], 2)
    double.cache_clear()
    assert double.cache_size() == 0


@pytest.mark.parametrize(
    ("nodes", "parents", "problem"),
    [
        ([1, 2, 3], [-1, 3, 2], "cycle"),
        ([1, 2], [-1, 2], "self-parent"),
        ([1, 2, 2], [-1, 1, 1], "duplicate"),
    ],
)
def test_nodes_that_are_not_a_tree_have_no_compartments(
    nodes: list[int], parents: list[int], problem: str
) -> None:
    table = pd.DataFrame(
        {"node": nodes, "type": 1, "x": 0.0, "y": 0.0, "z": 0.0, "radius": 1.0, "parent": parents}
    )
    with pytest.raises(errors.InvalidSwcError, match=f"not a tree: .*{problem}"):
        allen.sdk.Morphology(table)


def test_the_schema_of_services_is_that_of_their_checks() -> None:
    for name, about in ConnectedServices.schema.items():
        required = {each["name"] for each in about["parameters"] if not each.get("optional")}
        assert required == allen.api.connected_services.SERVICES[name].required
    assert len(ConnectedServices.schema) == 30
