"""Responses of the Allen service: envelopes, counts, pages, archives."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pandas as pd
import pytest

import pdneuro
from pdneuro import allen, errors
from pdneuro.allen import payload
from pdneuro.sandbox import Sandbox
from pdneuro.sandbox.server import Response

ROWS = [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]


def answer(sandbox: Sandbox, *bodies: Any) -> None:
    """Let the next responses be these bodies."""
    for body in bodies:
        sandbox.fail(body=body if isinstance(body, bytes) else json.dumps(body).encode())


def page(*rows: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"success": True, "num_rows": len(rows), "total_rows": 9440, "msg": rows, **more}


def queries(sandbox: Sandbox) -> list[str]:
    return [request.query["q"] for request in sandbox.requests]


# -- envelopes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "envelope",
    [{"msg": ROWS}, {"msg": ROWS, "success": True}, {"msg": ROWS, "success": "true"}],
    ids=str,
)
def test_rows_of_an_envelope_that_reports_no_failure(sandbox: Sandbox, envelope: Any) -> None:
    answer(sandbox, envelope)
    assert allen.RmaApi().model_query("Structure")["name"].tolist() == ["a", "b"]


@pytest.mark.parametrize("success", [False, "false", "False", 0, "0", None, "none"])
def test_an_envelope_that_reports_a_failure(sandbox: Sandbox, success: Any) -> None:
    answer(sandbox, {"msg": {"reason": "too  many\nrows."}, "success": success})
    with pytest.raises(errors.QueryRefusedError, match=r'refused the query: {"reason":"too +many'):
        allen.RmaApi().model_query("Structure")


def test_a_long_reason_is_cut(sandbox: Sandbox) -> None:
    answer(sandbox, {"msg": "x" * 500, "success": False}, {"msg": "y" * 501, "success": False})
    with pytest.raises(errors.QueryRefusedError, match=r": x{500}\. URL"):
        allen.RmaApi().model_query("Structure")
    with pytest.raises(errors.QueryRefusedError, match=r": y{500}\.\.\.\."):
        allen.RmaApi().model_query("Structure")


@pytest.mark.parametrize("reason", ["", " \n", "."])
def test_a_refusal_without_a_reason(sandbox: Sandbox, reason: str) -> None:
    answer(sandbox, {"msg": reason, "success": False})
    with pytest.raises(errors.QueryRefusedError, match="no reason given"):
        allen.RmaApi().model_query("Structure")


@pytest.mark.parametrize("content", [None, []])
def test_an_envelope_without_rows(sandbox: Sandbox, content: Any) -> None:
    answer(sandbox, {"success": True, "msg": content})
    assert allen.RmaApi().model_query("Structure").empty


def test_an_envelope_with_one_record_that_is_not_in_a_list(sandbox: Sandbox) -> None:
    answer(sandbox, {"success": True, "msg": {"id": 5}})
    assert allen.RmaApi().model_query("Structure")["id"].tolist() == [5]


def test_the_content_of_a_response_is_a_table_only_if_it_is_one(sandbox: Sandbox) -> None:
    api = allen.RmaApi()
    answer(sandbox, {"success": True, "msg": ROWS}, {"success": True, "msg": {"id": 5}})
    url = api.build_query_url("model::Structure")
    assert api.json_msg_query(url, dataframe=False) == ROWS
    assert api.json_msg_query(url)["name"].tolist() == ["a", "b"]
    assert api.json_msg_query(api.build_query_url("model::Atlas")) == {"id": 5}


# -- counts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["total_rows", "total-rows"])
@pytest.mark.parametrize("total", [9440, "9440"])
def test_a_truncated_table_is_a_warning(sandbox: Sandbox, name: str, total: Any) -> None:
    answer(sandbox, {"success": True, "msg": ROWS, name: total})
    with pytest.warns(errors.IncompleteTableWarning, match="9,440 rows fit the query and 2 came"):
        allen.RmaApi().model_query("Structure")


@pytest.mark.parametrize("total", [2, "2", None, "many", "-5", "9440²", 1.5, True])
def test_a_total_that_fits_or_is_not_a_count_is_not_a_warning(sandbox: Sandbox, total: Any) -> None:
    answer(sandbox, {"success": True, "msg": ROWS, "total_rows": total})
    assert len(allen.RmaApi().model_query("Structure")) == 2


def test_the_last_rows_of_a_table_are_not_a_truncated_table(sandbox: Sandbox) -> None:
    answer(sandbox, page(*ROWS, total_rows=7), page(*ROWS, total_rows=8))
    assert len(allen.RmaApi().model_query("Structure", start_row=5)) == 2
    with pytest.warns(errors.IncompleteTableWarning, match="8 rows fit"):
        allen.RmaApi().model_query("Structure", start_row=5, refresh=True)


# -- pages ----------------------------------------------------------------------------------------


def test_items_that_two_pages_share_appear_once(sandbox: Sandbox) -> None:
    one, two, three = ({"id": number} for number in (5, 6, 7))
    answer(
        sandbox,
        page({"id": 1, "sets": []}, {"id": 2, "sets": [one, two]}),
        page({"id": 2, "sets": [two, three]}, {"id": 3, "sets": [one]}),
        page(),
    )
    table = allen.RmaApi().model_query("Structure", include="sets", page_size=2)
    assert table["id"].tolist() == [1, 2, 3]
    assert table["sets"].tolist() == [[], [one, two, three], [one]]


def test_items_that_two_parts_of_a_long_list_share_appear_once(sandbox: Sandbox) -> None:
    bodies = [
        page({"id": 1, "donor": {"id": 4}, "sets": [{"id": 5}, {"id": 6}]}, total_rows=1),
        page(
            {"id": 1, "donor": {"id": 4}, "sets": [{"id": 6}, {"id": 7}]},
            {"id": 2, "sets": []},
            total_rows=2,
        ),
    ]
    answer(sandbox, *bodies)
    ids = range(1, 602)
    table = allen.MouseConnectivityApi().get_experiments(ids, num_rows="all", max_workers=1)
    assert len(queries(sandbox)) == 2
    assert table["id"].tolist() == [1, 2]
    assert table["sets"].tolist() == [[{"id": 5}, {"id": 6}, {"id": 7}], []]


def test_rows_without_a_key_of_all_parts_are_there(sandbox: Sandbox) -> None:
    answer(sandbox, page({"n": 1}, total_rows=1), page({"n": 2}, total_rows=1))
    ids = range(1, 602)
    table = allen.MouseConnectivityApi().get_experiments(ids, num_rows="all", max_workers=1)
    assert table["n"].tolist() == [1, 2]


def test_rows_keep_a_falling_order_over_pages(sandbox: Sandbox) -> None:
    table = allen.RmaApi().model_query(
        "Structure", page_size=7, order="graph_order+desc", only="id,graph_order"
    )
    orders = table["graph_order"].tolist()
    assert len(orders) > 14
    assert orders == sorted(orders, reverse=True)
    assert table["id"].is_unique
    assert all("[order$eqgraph_order+desc,id]" in query.replace(" ", "+") for query in queries(sandbox))


@pytest.mark.parametrize(
    ("order", "written"),
    [
        (None, "id"),
        ("id", "id"),
        ("id+desc", "id+desc"),
        ("id desc", "id desc"),
        ("id$desc", "id$desc"),
        ("name", "name,id"),
        ("structures.name$asc", "structures.name$asc,structures.id"),
        ("structures.id", "structures.id"),
        (["name", "acronym+desc"], "name,acronym+desc,id"),
        ("graph_id", "graph_id,id"),
    ],
)
def test_the_order_of_pages_has_no_ties(sandbox: Sandbox, order: Any, written: str) -> None:
    answer(sandbox, page(total_rows=0))
    allen.RmaApi().model_query("Structure", page_size=5, order=order)
    assert f"[order$eq{written}]" in unquote(sandbox.requests[0].raw_query)


def test_pages_begin_at_the_first_row_that_was_asked_for(sandbox: Sandbox) -> None:
    whole = allen.RmaApi().model_query("Structure", page_size=500)
    some = allen.RmaApi().model_query("Structure", page_size=7, start_row=3)
    assert some["id"].tolist() == whole["id"].tolist()[3:]


def test_short_pages_lose_no_row(sandbox: Sandbox) -> None:
    whole = allen.RmaApi().model_query("Structure", page_size=500)
    sandbox.allen.short = 3
    parts = allen.RmaApi().model_query("Structure", page_size=20)
    pd.testing.assert_frame_equal(parts, whole)


def test_rows_without_a_key_are_all_there(sandbox: Sandbox) -> None:
    answer(sandbox, page({"n": 1}, {"n": 1}), page({"n": 2}), page())
    with pytest.warns(
        errors.IncompleteTableWarning, match="announced 9,440 rows, but returned 3 before"
    ):
        assert allen.RmaApi().model_query("Structure", page_size=2)["n"].tolist() == [1, 1, 2]


# -- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["Ammon's horn", "Ammon''s horn", "'Ammon's horn'", "'Ammon''s horn'"])
def test_an_apostrophe_is_doubled_once(sandbox: Sandbox, given: str) -> None:
    answer(sandbox, page())
    allen.OntologiesApi().get_structures(structure_graph_names=given)
    assert "[structure_graphs.name$in'Ammon''s horn']" in queries(sandbox)[0]
    assert payload.value(given, "name") == "'Ammon''s horn'"


@pytest.mark.parametrize("name", ["A&B + C", "A+B", '50 % "x" #1', "ß — 蝇", "a,b", "x]y(z"])
def test_any_letters_in_a_filter_reach_the_service(sandbox: Sandbox, name: str) -> None:
    answer(sandbox, page())
    allen.RmaApi().model_query("Gene", filters={"name": name}, order="id+desc")
    raw = sandbox.requests[0].raw_query
    assert unquote(raw).startswith(f"q=model::Gene[name$eq'{name}'],")
    # A plus outside quotes is a blank to the service; within quotes it is a plus.
    assert "order$eqid+desc" in raw
    assert raw.count("+") == 1
    assert "&" not in raw


# -- archives -------------------------------------------------------------------------------------


def archive(**members: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return packed.getvalue()


def test_an_archive_with_a_damaged_member_is_not_unpacked(sandbox: Sandbox, tmp_path: Path) -> None:
    whole = archive(first=b"whole", second=b"the content of the second member")
    damaged = whole.replace(b"the content", b"THE content")
    assert damaged != whole
    sandbox.fail(body=damaged)
    target, api = tmp_path / "out" / "volume.mhd", allen.RmaApi()
    with pytest.raises(errors.InvalidResponseError, match="member second is damaged"):
        api.retrieve_file_over_http(f"{sandbox.url}/allen/x", target, zipped=True)
    assert not [file for file in (tmp_path / "out").rglob("*") if file.is_file()]
    sandbox.fail(body=whole)
    api.retrieve_file_over_http(f"{sandbox.url}/allen/x", target, zipped=True)
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["first", "second"]
    assert (tmp_path / "out" / "second").read_bytes() == b"the content of the second member"


def test_a_folder_in_an_archive_is_not_a_file(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.fail(body=archive(**{"part/": b"", "part/first": b"1"}))
    allen.RmaApi().retrieve_file_over_http(f"{sandbox.url}/allen/x", tmp_path / "out" / "v", zipped=True)
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert files == [tmp_path / "out" / "part" / "first"]


@pytest.mark.parametrize("name", ["../outside", "/outside", "a/../../outside"])
def test_an_archive_writes_only_into_its_folder(sandbox: Sandbox, tmp_path: Path, name: str) -> None:
    sandbox.fail(body=archive(**{"first": b"1", name: b"2"}))
    with pytest.raises(errors.InvalidResponseError, match="outside its folder"):
        allen.RmaApi().retrieve_file_over_http(
            f"{sandbox.url}/allen/x", tmp_path / "out" / "v", zipped=True
        )
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        (b" \n\t", "empty"),
        (b"\n <!DOCTYPE HTML><p>", "HTML page"),
        (b"<HTML>", "HTML page"),
        (b' {"success": false, "msg": "no such file"}', "an error instead"),
    ],
)
def test_what_is_not_a_file_is_not_saved(
    sandbox: Sandbox, tmp_path: Path, body: bytes, words: str
) -> None:
    sandbox.fail(body=body)
    with pytest.raises(errors.InvalidResponseError, match=words):
        allen.RmaApi().retrieve_file_over_http(f"{sandbox.url}/allen/x", tmp_path / "file")
    assert not (tmp_path / "file").exists()
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize(
    "lines",
    [
        "type: block\nsizes: 9\nencoding: raw",
        "type: uint8\nsizes: nine\nencoding: raw",
        "type: uint8\nsizes: 9\nencoding: raw\ndata file: other.raw",
        "type: uint8\nsizes: 9\nencoding: raw\ndatafile: other.raw",
        "type: uint8\nsizes: 9\nencoding: ascii",
    ],
)
def test_a_volume_whose_voxels_cannot_be_counted_is_saved(
    sandbox: Sandbox, tmp_path: Path, lines: str
) -> None:
    body = f"NRRD0004\n{lines}\n\n1 2".encode()
    sandbox.fail(body=body)
    file = allen.RmaApi().retrieve_file_over_http(f"{sandbox.url}/allen/x", tmp_path / "v.nrrd")
    assert file.read_bytes() == body


def test_a_volume_with_damaged_voxels_is_not_saved(sandbox: Sandbox, tmp_path: Path) -> None:
    head = b"NRRD0004\ntype: uint8\nsizes: 9\nencoding: gzip\n\n"
    sandbox.fail(body=head + b"Service Unavailable")
    with pytest.raises(errors.InvalidResponseError, match="the volume is damaged"):
        allen.RmaApi().retrieve_file_over_http(f"{sandbox.url}/allen/x", tmp_path / "v.nrrd")
    assert not (tmp_path / "v.nrrd").exists()


def test_a_file_of_json_is_a_file(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.fail(body=b'{"model": 5}')
    file = allen.RmaApi().retrieve_file_over_http(f"{sandbox.url}/allen/x", tmp_path / "model.json")
    assert file.read_bytes() == b'{"model": 5}'


@pytest.mark.parametrize("body", [b"<!DOCTYPE html><p>", b" <html><p>"])
def test_a_page_in_place_of_a_drawing_is_not_cached(sandbox: Sandbox, body: bytes) -> None:
    app = sandbox.allen
    sandbox.allen = lambda request: Response(body, headers={"Content-Type": "text/html"})  # type: ignore[assignment]
    with pytest.raises(errors.InvalidResponseError, match="HTML page"):
        allen.SvgApi().get_svg(100960033)
    sandbox.allen = app
    assert "<svg" in allen.SvgApi().get_svg(100960033)


def test_a_folder_is_not_a_place_for_a_file(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidQueryError, match="name the file in it"):
        allen.RmaApi().retrieve_file_over_http(f"{sandbox.url}/allen/x", tmp_path)
    with pdneuro.set_options(offline=True), pytest.raises(errors.OfflineError):
        allen.RmaApi().retrieve_file_over_http(f"{sandbox.url}/allen/x", tmp_path / "file")
    assert not sandbox.requests
