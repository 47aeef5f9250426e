"""Records of NeuroMorpho.org: names that look like missing values, IDs, pages in any order."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import pytest

import pdneuro
from pdneuro import errors, neuromorpho
from pdneuro.sandbox import Sandbox
from pdneuro.sandbox import neuromorpho_data as data
from pdneuro.sandbox.neuromorpho import NeuroMorphoApp
from pdneuro.sandbox.server import Request, Response


@pytest.fixture(autouse=True)
def _fast() -> Iterator[None]:
    """Do not wait between requests."""
    with pdneuro.set_options(neuromorpho_rate=None):
        yield


def change(sandbox: Sandbox, alter: Callable[[Request, Any], None]) -> None:
    """Let ``alter`` see each request and change the body of the response."""
    app = sandbox.neuromorpho

    def answer(request: Request) -> Response:
        response = app(request)
        if response.status != 200 or not isinstance(response.body, dict):
            return response
        body = copy.deepcopy(response.body)  # the app keeps its records
        alter(request, body)
        return Response(body)

    sandbox.neuromorpho = answer  # type: ignore[assignment]


# -- names ----------------------------------------------------------------------------------------


def test_names_that_look_like_missing_values_are_names(sandbox: Sandbox) -> None:
    names = ["NA", "nan", "x"]
    records = [{**data.neuron(number), "neuron_name": name} for number, name in enumerate(names, 1)]
    sandbox.neuromorpho = NeuroMorphoApp(records=records)
    column = pd.Series(["nan", "NA", None, float("nan"), "", "x"], name="neuron_name")
    found = column.neuro.neuromorpho("neuron_id", "neuron_name")
    assert found["neuron_id"].fillna(0).tolist() == [2, 1, 0, 0, 0, 3]
    assert found["neuron_name"].fillna("").tolist() == ["nan", "NA", "", "", "", "x"]
    assert neuromorpho.neuron("NA")["neuron_id"] == 1


def test_ids_of_records_written_as_text(sandbox: Sandbox) -> None:
    def alter(request: Request, body: Any) -> None:
        for record in body.get("_embedded", {}).get("neuronResources", []):
            record["neuron_id"] = str(record["neuron_id"])

    expected = pd.Series([3, 1], name="neuron_id").neuro.neuromorpho("species")
    change(sandbox, alter)
    found = pd.Series([3, 1], name="neuron_id").neuro.neuromorpho("species", refresh=True)
    pd.testing.assert_frame_equal(found, expected)


def test_a_record_with_status_206_is_read(sandbox: Sandbox) -> None:
    sandbox.fail(body={**data.neuron(1), "neuron_name": "partial"}, status=206)
    assert neuromorpho.neuron(1)["neuron_name"] == "partial"


def test_one_name_in_two_spellings_is_two_names(sandbox: Sandbox) -> None:
    records = [
        {**data.neuron(number), "neuron_name": name} for number, name in enumerate(["a", "A", "a "], 1)
    ]
    sandbox.neuromorpho = NeuroMorphoApp(records=records)
    found = pd.Series(["A", "a", "a "]).neuro.neuromorpho("neuron_id")
    assert found["neuron_id"].tolist() == [2, 1, 3]


# -- IDs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["neuron_id", "Neuron_ID", "Neuron_id"])
def test_the_key_of_an_id_in_any_case(sandbox: Sandbox, key: str) -> None:
    def alter(request: Request, body: Any) -> None:
        for record in body.get("_embedded", {}).get("measurements", []):
            record[key] = record.pop("neuron_id")

    change(sandbox, alter)
    found = pd.Series([3, 1, 2]).neuro.morphometry("length")
    assert found["length"].tolist() == [data.morphometry(number)["length"] for number in (3, 1, 2)]


@pytest.mark.parametrize("key", ["neuron_id", "Neuron_ID"])
@pytest.mark.parametrize("value", ["three", 1.5, None, [3]], ids=repr)
def test_an_id_that_is_not_a_number_is_an_invalid_response(
    sandbox: Sandbox, key: str, value: Any
) -> None:
    def alter(request: Request, body: Any) -> None:
        for record in body.get("_embedded", {}).get("neuronResources", []):
            del record["neuron_id"]
            record[key] = value

    app = sandbox.neuromorpho
    change(sandbox, alter)
    with pytest.raises(errors.InvalidResponseError, match="'neuron_id'"):
        pd.Series([3, 1]).neuro.neuromorpho("species")
    sandbox.neuromorpho = app
    assert pd.Series([3, 1]).neuro.neuromorpho("species")["species"].tolist() == [
        data.neuron(3)["species"],
        data.neuron(1)["species"],
    ]


# -- pages ----------------------------------------------------------------------------------------


def test_ids_of_several_pages(sandbox: Sandbox) -> None:
    sandbox.neuromorpho.largest_page = 7
    ids = pd.Series(range(30, 0, -1))
    assert (ids.neuro.neuromorpho("neuron_id")["neuron_id"] == ids).all()
    assert [request.query["page"] for request in sandbox.requests] == ["0", "1", "2", "3", "4"]


def test_ids_whose_pages_overlap_are_asked_for_again_in_order(sandbox: Sandbox) -> None:
    sandbox.neuromorpho.largest_page = 7

    def alter(request: Request, body: Any) -> None:
        records = body["_embedded"]["neuronResources"]
        if "sort" not in request.query and request.query["page"] == "1":
            records[:] = [data.neuron(1), *records[1:]]

    change(sandbox, alter)
    ids = pd.Series(range(30, 0, -1))
    assert (ids.neuro.neuromorpho("neuron_id")["neuron_id"] == ids).all()
    assert {request.query.get("sort") for request in sandbox.requests} == {None, "neuron_id,asc"}


@pytest.mark.parametrize("post", [True, False], ids=["POST", "GET alone"])
def test_names_of_several_pages(sandbox: Sandbox, post: bool) -> None:
    sandbox.neuromorpho.post, sandbox.neuromorpho.largest_page = post, 2
    numbers = [9, 3, 8, 1, 5]
    names = pd.Series([data.name_of(number) for number in numbers])
    assert names.neuro.neuromorpho("neuron_id")["neuron_id"].tolist() == numbers


def test_a_selection_whose_pages_are_not_announced(sandbox: Sandbox) -> None:
    sandbox.neuromorpho.largest_page = 300
    change(sandbox, lambda request, body: body.pop("page", None))
    assert neuromorpho.select(everything=True)["neuron_id"].tolist() == list(range(1, 641))
    pages = [request.query["page"] for request in sandbox.requests if "page" in request.query]
    assert pages == ["0", "1", "2", "3"]


def test_a_selection_is_in_order_whatever_the_order_of_the_pages(sandbox: Sandbox) -> None:
    def alter(request: Request, body: Any) -> None:
        body["_embedded"]["neuronResources"].reverse()

    change(sandbox, alter)
    found = neuromorpho.select(species="rat")["neuron_id"]
    assert len(found) > 2
    assert found.is_monotonic_increasing


def test_pages_of_a_selection_are_asked_for_in_the_order_of_the_ids(sandbox: Sandbox) -> None:
    sandbox.neuromorpho.largest_page = 300
    neuromorpho.select(everything=True)
    assert {request.query["sort"] for request in sandbox.requests} == {"neuron_id,asc"}
    assert {request.query["size"] for request in sandbox.requests} == {"500"}


def test_papers_without_an_id_are_all_there(sandbox: Sandbox) -> None:
    """Records without ``neuron_id`` are distinguished by their content."""
    papers = neuromorpho.literature(everything=True)
    assert papers["pmid"].is_unique
    assert len(papers) == len(data.papers())


def test_counts_begin_with_the_most_frequent_value(sandbox: Sandbox) -> None:
    def alter(request: Request, body: Any) -> None:
        if "partition" in request.path:
            body["fields"] = {"a": 5, "b": 1, "c": 9, "d": 5}

    change(sandbox, alter)
    assert neuromorpho.counts("species").to_dict() == {"c": 9, "a": 5, "d": 5, "b": 1}
    assert list(neuromorpho.counts("species").index) == ["c", "a", "d", "b"]


# -- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ['a "quoted" name', "back\\slash", "comma, name", "plus+minus-", "a&b=c#d%", "Größe 蝇"]
)
@pytest.mark.parametrize("post", [True, False], ids=["POST", "GET alone"])
def test_any_letters_in_a_filter_reach_the_service(sandbox: Sandbox, name: str, post: bool) -> None:
    records = [
        {**data.neuron(number), "neuron_name": value, "archive": "Mine"}
        for number, value in ((1, name), (2, "another name"), (3, "name"))
    ]
    sandbox.neuromorpho = NeuroMorphoApp(records=records)
    sandbox.neuromorpho.post = post
    assert neuromorpho.select(neuron_name=name)["neuron_id"].tolist() == [1]
    assert neuromorpho.select(archive="Mine", neuron_name=name)["neuron_id"].tolist() == [1]
    assert pd.Series([name, "name"]).neuro.neuromorpho("neuron_id")["neuron_id"].tolist() == [1, 3]


def test_a_field_that_only_the_service_lists_can_be_selected(sandbox: Sandbox) -> None:
    records = [{**data.neuron(number), "new_field": f"value{number}"} for number in (1, 2)]
    sandbox.neuromorpho = NeuroMorphoApp(records=records)
    assert neuromorpho.select(new_field="value2")["neuron_id"].tolist() == [2]
    assert neuromorpho.select(new_field="value2")["new_field"].tolist() == ["value2"]
    with pytest.raises(errors.UnknownFieldError, match=r"no field 'new_fild'.*Did you mean 'new_field'"):
        neuromorpho.select(new_field="value2", new_fild="value2")


def test_counts_of_the_spelling_of_queries_are_those_of_the_records(sandbox: Sandbox) -> None:
    """A query knows the field physical_Integrity of a record as Physical_Integrity."""
    for filters in ({}, {"species": "rat"}):
        found = neuromorpho.counts("Physical_Integrity", **filters)
        assert found.to_dict() == neuromorpho.counts("physical_Integrity", **filters).to_dict()
        assert found.sum() > 0


def test_raw_papers_keep_the_dates_of_the_service(sandbox: Sandbox) -> None:
    raw = neuromorpho.literature(everything=True, raw=True)
    read = neuromorpho.literature(everything=True)
    assert raw["publishedDate"].map(type).eq(int).all()
    assert (
        pd.to_datetime(raw["publishedDate"].astype("int64"), unit="ms").tolist()
        == read["publishedDate"].tolist()
    )


@pytest.mark.parametrize(
    "given",
    [pd.Index([3, 1], name="neuron_id"), pd.Index([data.name_of(3), data.name_of(1)])],
    ids=["IDs", "names"],
)
def test_an_index_of_neurons_is_a_list_of_them(sandbox: Sandbox, given: pd.Index) -> None:
    found = neuromorpho.neuron(given)
    assert found["neuron_id"].tolist() == [3, 1]
    assert found.index.tolist() == [0, 1]


def test_whole_numbers_of_several_kinds_are_ids(sandbox: Sandbox) -> None:
    column = pd.Series([3, 1.0, None], dtype=object)
    assert column.neuro.neuromorpho("neuron_id")["neuron_id"].tolist() == [3, 1, pd.NA]


# -- responses that are not as documented -----------------------------------------------------------


def page(**block: int) -> dict[str, Any]:
    return {"_embedded": {"neuronResources": [data.neuron(1)]}, "page": block}


#: Part of an address, a body, a call, and words of the error.
ODD = [
    ("select", page(totalElements=-1), lambda: neuromorpho.select(species="rat"), "negative number"),
    ("select", page(totalPages=-1), lambda: neuromorpho.select(species="rat"), "negative number"),
    ("fields/", ["rat"], lambda: neuromorpho.field_values("species"), "JSON list, not an object"),
    (
        "fields/",
        {"error": "x", "message": "broken", "fields": ["a"]},
        lambda: neuromorpho.field_values("species"),
        r"is an error: broken\.",
    ),
    (
        "fields/",
        {"error": "broken", "fields": ["a"]},
        lambda: neuromorpho.field_values("species"),
        r"is an error: broken\.",
    ),
    ("fields/", {"fields": "rat"}, lambda: neuromorpho.field_values("species"), "no 'fields'"),
    (
        "fields/",
        {"fields": [["rat"]]},
        lambda: neuromorpho.field_values("species"),
        "not text or counts",
    ),
    ("partition", {"fields": {"rat": "9"}}, lambda: neuromorpho.counts("species"), "not text or counts"),
    (
        "select",
        page(totalElements=640, totalPages=7),
        lambda: pd.Series([1, 2]).neuro.neuromorpho("species"),
        "announces 640 records of 2 IDs",
    ),
    (
        "neuron/name",
        {**data.neuron(1), "neuron_name": "another"},
        lambda: neuromorpho.neuron([data.name_of(1)]),
        "only records of other names",
    ),
    (
        "neuron/name",
        {"_embedded": {"neuronResources": [{"neuron_name": data.name_of(1)}]}},
        lambda: neuromorpho.neuron([data.name_of(1)]),
        "a record has no 'neuron_id'",
    ),
]


@pytest.mark.parametrize(("path", "body", "call", "words"), ODD, ids=[case[3] for case in ODD])
def test_an_odd_response_is_an_error_and_is_not_cached(
    sandbox: Sandbox, path: str, body: Any, call: Callable[[], Any], words: str
) -> None:
    sandbox.fail(path=path, body=json.dumps(body).encode())
    with pytest.raises(errors.InvalidResponseError, match=words):
        call()
    assert len(call()) > 0


def test_a_record_of_another_name_is_left_out(sandbox: Sandbox) -> None:
    """A selection by a name may also return names that contain it."""

    def alter(request: Request, body: Any) -> None:
        records = body["_embedded"]["neuronResources"]
        records.append({**data.neuron(7), "neuron_name": f"{data.name_of(1)}_more"})

    change(sandbox, alter)
    found = pd.Series([data.name_of(2), data.name_of(1)]).neuro.neuromorpho("neuron_id")
    assert found["neuron_id"].tolist() == [2, 1]


def test_a_database_whose_counts_are_not_found_is_empty(sandbox: Sandbox) -> None:
    sandbox.fail(path="partition", status=404, body=b'{"message": "Requested neuron not found"}')
    assert neuromorpho.health() == {
        "status": "empty", "said": "UP", "neurons": 0, "detail": "the database is empty",
    }  # fmt: skip


def test_names_are_not_sent_again_by_get_while_the_server_is_down(sandbox: Sandbox) -> None:
    names = pd.Series([data.name_of(2), data.name_of(1)])
    sandbox.fail(path="select", status=503)
    with pytest.raises(errors.ServiceUnavailableError, match="503"):
        names.neuro.neuromorpho("neuron_id")
    assert [request.method for request in sandbox.requests] == ["POST"]


@pytest.mark.parametrize(
    ("status", "methods"), [(400, ["POST", "GET", "POST"]), (405, ["POST", "GET", "GET"])]
)
def test_a_refused_post_of_names_may_be_about_the_names(
    sandbox: Sandbox, status: int, methods: list[str]
) -> None:
    """After a 400 the next names are sent by POST again; a 405 is about POST itself."""
    sandbox.fail(path="select", status=status)
    for numbers in ([2, 1], [4, 3]):
        names = pd.Series([data.name_of(number) for number in numbers])
        assert names.neuro.neuromorpho("neuron_id")["neuron_id"].tolist() == numbers
    assert [request.method for request in sandbox.requests] == methods
