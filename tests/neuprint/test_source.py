"""neuPrint over HTTP: properties, edges, regions, the cache and the size of batches."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import pdneuro
from pdneuro import errors
from pdneuro.sandbox import Sandbox
from pdneuro.sandbox.server import Request, Response
from tests.conftest import at_once, held
from tests.transport.test_odd_responses import damage

SOURCE = "neuprint:male-cns:v1.0"


@pytest.fixture
def server(sandbox: Sandbox) -> Sandbox:
    with pdneuro.set_options(source=SOURCE):
        yield sandbox


def queries(sandbox: Sandbox, word: str = "bodyId IN ids") -> list[str]:
    """Return the Cypher of the requests so far that contains a word."""
    bodies = [request.json() for request in sandbox.requests if request.path.endswith("custom")]
    return [body["cypher"] for body in bodies if word in body["cypher"]]


def sent_ids(query: str) -> list[int]:
    return [int(word) for word in query.partition("[")[2].partition("]")[0].split(",")]


# -- edges -----------------------------------------------------------------------------------------


def test_edges_are_those_of_the_brain(server: Sandbox, ids: pd.Series) -> None:
    brain = pdneuro.sandbox.edges()
    for sides in ({}, {"upstream": False}, {"downstream": False}):
        found = ids.neuro.edges(**sides).sort_values(["pre", "post"], ignore_index=True)
        starts, ends = brain["pre"].isin(ids), brain["post"].isin(ids)
        wanted = brain[starts & sides.get("downstream", True) | ends & sides.get("upstream", True)]
        pd.testing.assert_frame_equal(found, wanted.sort_values(["pre", "post"], ignore_index=True))


def test_hops_within_and_a_graph(server: Sandbox, ids: pd.Series) -> None:
    for options in (
        {"hops": 2, "min_weight": 20},
        {"within": True},
        {"min_weight": 5, "autapses": False},
    ):
        ours = ids.neuro.edges(**options)
        theirs = ids.neuro.edges(source="fruitfly_fafb_flywire", **options)
        order = ["pre", "post"]
        pd.testing.assert_frame_equal(
            ours.sort_values(order, ignore_index=True), theirs.sort_values(order, ignore_index=True)
        )
    assert ids.neuro.graph(within=True).number_of_nodes() == len(ids)


def test_regions_of_a_pair_sum_to_its_weight(server: Sandbox, ids: pd.Series) -> None:
    whole = ids.neuro.edges().set_index(["pre", "post"])["weight"]
    parts = ids.neuro.edges(roi=True)
    assert parts.dtypes.astype(str).tolist() == ["int64", "int64", "int64", "category"]
    assert not parts.duplicated(["pre", "post", "roi"]).any()
    assert set(parts["roi"]) <= {*server.neuprint.meta["primaryRois"], "NotPrimary"}
    assert (parts["weight"] > 0).all()
    summed = parts.groupby(["pre", "post"], sort=False)["weight"].sum()
    pd.testing.assert_series_equal(summed.sort_index(), whole.sort_index())
    assert len(parts) > len(whole)


def test_the_threshold_is_on_the_pair_also_by_region(server: Sandbox, ids: pd.Series) -> None:
    pairs = ids.neuro.edges(min_weight=10)[["pre", "post"]]
    parts = ids.neuro.edges(min_weight=10, roi=True)
    assert (parts["weight"] < 10).any()
    found = parts[["pre", "post"]].drop_duplicates()
    assert set(found.itertuples(index=False, name=None)) == set(pairs.itertuples(index=False, name=None))


def test_regions_over_several_hops_and_groups(server: Sandbox) -> None:
    neurons = pdneuro.sandbox.neurons().head(20)
    two = neurons.neuro.downstream(hops=2, min_weight=20, roi=True)
    assert str(two["roi"].dtype) == "category"
    assert set(two["hop"]) == {1, 2}
    plain = neurons.neuro.downstream(hops=2, min_weight=20)
    summed = two.groupby(["pre", "post", "hop"], as_index=False)["weight"].sum()
    assert len(summed) == len(plain)
    assert summed["weight"].sum() == plain["weight"].sum()
    by_side = neurons.groupby("side").neuro.edges(roi=True, upstream=False)
    assert by_side["weight"].sum() == neurons.neuro.downstream()["weight"].sum()


def test_no_ids_have_the_documented_columns_and_no_request(server: Sandbox) -> None:
    nothing = pd.Series([], dtype="int64", name="root_id")
    assert nothing.neuro.edges().dtypes.astype(str).to_dict() == dict.fromkeys(
        ["pre", "post", "weight"], "int64"
    )
    assert str(nothing.neuro.edges(roi=True).dtypes["roi"]) == "category"
    assert nothing.neuro.properties("somaLocation", "type", "size").columns.tolist() == [
        "somaLocation_x", "somaLocation_y", "somaLocation_z", "type", "size",
    ]  # fmt: skip
    assert nothing.neuro.records("roiInfo").columns.tolist()[:3] == ["segment_id", "roi", "primary"]
    assert not server.requests


def test_without_fragments_edges_are_those_of_neurons_at_both_ends(
    server: Sandbox, ids: pd.Series
) -> None:
    whole = ids.neuro.edges()
    outer = set(whole["post"].head(3)) - set(ids)
    server.neuprint.fragments = {int(ids[0]), *outer}
    found = ids.neuro.edges(fragments=False)
    kept = whole[~whole[["pre", "post"]].isin(server.neuprint.fragments).any(axis=1)]
    pd.testing.assert_frame_equal(
        found.sort_values(["pre", "post"], ignore_index=True),
        kept.sort_values(["pre", "post"], ignore_index=True),
    )
    report = pdneuro.last_report().groupby("id")["status"].agg(set)
    assert report[ids[0]] == {"none"}  # a fragment is known to the data set
    assert "fragments=False" in found.attrs["pdneuro"]["query"]
    # Both are cached: the option is part of what is cached.
    before = len(server.requests)
    pd.testing.assert_frame_equal(ids.neuro.edges(), whole)
    pd.testing.assert_frame_equal(ids.neuro.edges(fragments=False), found)
    assert len(server.requests) == before


@pytest.mark.parametrize("option", [{"roi": True}, {"fragments": False}])
def test_a_source_without_regions_or_fragments_says_so(
    server: Sandbox, ids: pd.Series, option: dict
) -> None:
    for source in ("fruitfly_fafb_flywire", pdneuro.Connectome(pdneuro.sandbox.edges())):
        with pytest.raises(errors.UnsupportedError, match="neuprint:"):
            ids.neuro.edges(source=source, **option)
    assert not server.requests


@pytest.mark.parametrize(
    "option", [{"roi": "ME(R)"}, {"fragments": "no"}, {"roi": None}, {"fragments": 0}]
)
def test_roi_and_fragments_are_true_or_false(server: Sandbox, ids: pd.Series, option: dict) -> None:
    with pytest.raises(errors.InvalidQueryError, match="True or False"):
        ids.neuro.edges(**option)
    assert not server.requests


def test_regions_that_exceed_the_pair_are_a_warning(server: Sandbox, ids: pd.Series) -> None:
    one = int(ids[0])
    rows = [[one, 12, 5, json.dumps({"EB": {"post": 4}, "FB": {"post": 3}, "CX": {"post": 9}})]]
    server.fail(path="custom/custom", times=1, delay=0)
    answers = {"partner": Response({"columns": ["body", "partner", "weight", "roiInfo"], "data": rows})}
    server.neuprint = only(server.neuprint, answers)
    with pytest.warns(errors.UnexpectedResponseWarning, match="1 pairs"):
        found = ids[:1].neuro.downstream(roi=True)
    assert found[["weight", "roi"]].astype({"roi": str}).to_numpy().tolist() == [[4, "EB"], [3, "FB"]]


def only(app: Any, answers: dict[str, Response]) -> Any:
    """Return an app that gives these responses to queries that contain a word, and those of the app else."""

    def respond(request: Request) -> Response:
        text = request.body.decode()
        return next((answer for word, answer in answers.items() if word in text), None) or app(request)

    return respond


# -- the cache, batches and statuses ----------------------------------------------------------------


def test_known_unknown_and_lonely_bodies_take_one_request(sandbox: Sandbox) -> None:
    edges = pd.DataFrame({"pre": [11, 12], "post": [12, 13], "weight": [5, 1]})
    with (
        pdneuro.sandbox.start(
            edges=edges, neurons=pd.DataFrame({"root_id": [11, 12, 13, 14]})
        ) as server,
        pdneuro.set_options(source=SOURCE, progress=False),
    ):
        ids = pd.Series([11, 13, 14, *range(1000, 1030)])
        with pytest.warns(errors.UnknownIdsWarning, match="30 of the IDs: 1000, 1001"):
            found = ids.neuro.downstream()
        assert found.to_numpy().tolist() == [[11, 12, 5]]
        assert pdneuro.last_report()["status"].tolist()[:4] == ["found", "none", "none", "unknown"]
        assert len(queries(server)) == 1
        with pytest.warns(errors.UnknownIdsWarning, match="2 of the IDs"):
            pd.Series([1, 2]).neuro.properties("type")


def test_each_id_and_side_is_requested_once(server: Sandbox, ids: pd.Series) -> None:
    ids[:6].neuro.downstream()
    ids.neuro.downstream()
    assert [len(sent_ids(query)) for query in queries(server)] == [6, 4]
    ids.neuro.upstream()
    ids.neuro.properties("link_pre", "link_post", "connectivity")  # from the same partners
    assert len(queries(server)) == 3
    with pdneuro.set_options(offline=True):
        assert len(ids.neuro.edges()) > 0


def test_batches_have_200_ids_and_at_most_three_requests_at_once(server: Sandbox) -> None:
    ids = pdneuro.sandbox.neurons()["root_id"].head(1000)
    with at_once(server, "custom/custom", 3) as seen:
        ids.neuro.properties("type", max_workers=8)
    assert sorted(len(sent_ids(query)) for query in queries(server)) == [200] * 5
    assert max(seen) == 3
    ids.neuro.properties("instance", batch_size=500)
    assert [len(sent_ids(query)) for query in queries(server, "instance")] == [500, 500]
    with pdneuro.set_options(batch_size=400):
        ids.neuro.properties("status")
    assert sorted(len(sent_ids(query)) for query in queries(server, "status")) == [200, 400, 400]


LATE = {
    "server": Response({"error": "Timeout experienced. This could be due to database traffic..."}, 400),
    "neo4j": Response(
        {
            "error": "failed to execute query: Neo4jError: Neo.ClientError.Transaction.TransactionTimedOut (x)"
        },
        400,
    ),
    "gateway": Response(b"<html>504 Gateway Time-out</html>", 504, {"Content-Type": "text/html"}),
}


@pytest.mark.parametrize("kind", LATE)
def test_a_timeout_halves_the_batch(server: Sandbox, kind: str) -> None:
    server.neuprint.most_ids, server.neuprint.late = 60, LATE[kind]
    ids = pdneuro.sandbox.neurons()["root_id"].head(200)
    with pdneuro.set_options(retries=3):  # the same query is not sent again
        found = ids.neuro.properties("type")
    assert found["type"].tolist() == pdneuro.sandbox.neurons()["cell_type"].head(200).tolist()
    sizes = [len(sent_ids(query)) for query in queries(server)]
    assert max(sizes[1:]) == 100
    assert sorted(sizes) == [50] * 4 + [100] * 2 + [200]


@pytest.mark.parametrize("kind", LATE)
def test_a_timeout_of_one_body_is_an_error_that_says_so(
    server: Sandbox, ids: pd.Series, kind: str
) -> None:
    server.neuprint.most_ids, server.neuprint.late = 0, LATE[kind]
    with pytest.raises(errors.QueryTimeoutError, match=r"(?s)1 of the IDs.*on_error=.partial"):
        ids[:1].neuro.properties("type")
    with pytest.warns(errors.PartialResultWarning):
        found = ids[:3].neuro.properties("type", on_error="partial")
    assert found["type"].isna().all()


def test_no_response_in_time_halves_the_batch(server: Sandbox, ids: pd.Series) -> None:
    # The timeout is long enough for the other responses on a busy machine.
    with held(server, "custom/custom", stop=1), pdneuro.set_options(timeout=8, retries=3):
        ids.neuro.properties("type")
    assert sorted(len(sent_ids(query)) for query in queries(server)) == [5, 5, 10]


# -- properties --------------------------------------------------------------------------------------


def test_properties_have_the_dtypes_of_their_values(server: Sandbox, ids: pd.Series) -> None:
    neurons = pdneuro.sandbox.neurons().head(10)
    found = neurons.neuro.join_properties(
        "type", "somaSide", "size", "pre", "predictedNtConfidence", "EB"
    )
    assert found["type"].tolist() == neurons["cell_type"].tolist()
    assert found["somaSide"].map({"L": "left", "R": "right"}).tolist() == neurons["side"].tolist()
    assert str(found["size"].dtype) == "int64"
    assert str(found["predictedNtConfidence"].dtype) == "Float64"
    assert set(found["EB"].dropna()) == {True}


def test_points_are_three_columns_in_nm(server: Sandbox, ids: pd.Series) -> None:
    server.neuprint.meta["voxelSize"] = [4, 8, 40]
    found = ids.neuro.properties("somaLocation")
    assert found.columns.tolist() == ["somaLocation_x", "somaLocation_y", "somaLocation_z"]
    assert found.dtypes.astype(str).tolist() == ["Float64"] * 3
    node = server.neuprint.node(int(ids[0]), "male-cns:v1.0")
    x, y, z = node["somaLocation"]["coordinates"]
    assert found.iloc[0].tolist() == [4 * x, 8 * y, 40 * z]
    without = pdneuro.sandbox.neurons()["root_id"].head(60)
    located = without.neuro.properties("somaLocation")
    assert located.isna().all(axis=1).any()
    missing = without[located["somaLocation_x"].isna().to_numpy()]
    assert missing.neuro.properties("somaLocation").columns.tolist() == found.columns.tolist()


def test_points_without_a_unit_are_an_error(server: Sandbox, ids: pd.Series) -> None:
    server.neuprint.meta["voxelSize"] = None
    with pytest.raises(errors.InvalidResponseError, match="voxelSize"):
        ids.neuro.properties("somaLocation")


def test_body_ids_beyond_float_precision_stay_exact(sandbox: Sandbox) -> None:
    big = 2**62 + 1
    edges = pd.DataFrame({"pre": [big], "post": [big + 2], "weight": [3]})
    neurons = pd.DataFrame({"root_id": [big, big + 2], "other_id": [2**60 + 1, 2**60 + 3]})
    with pdneuro.sandbox.start(edges=edges, neurons=neurons), pdneuro.set_options(source=SOURCE):
        assert pd.Series([big]).neuro.edges().to_numpy().tolist() == [[big, big + 2, 3]]
        assert pd.Series([big]).neuro.properties("other_id")["other_id"].tolist() == [2**60 + 1]


def test_the_counts_of_links_are_those_of_the_edges(server: Sandbox, ids: pd.Series) -> None:
    links = ids.neuro.properties("link_pre", "link_post", "connectivity")
    pd.testing.assert_frame_equal(
        links, ids.neuro.properties("link_pre", "link_post", "connectivity", source="fruitfly_fafb_flywire"),
        check_dtype=False,
    )  # fmt: skip
    shares = ids.neuro.upstream(min_weight=10).neuro.fractions(total="source")
    assert shares["input_fraction"].between(0, 1).all()
    ours, theirs = (
        ids.neuro.records("connectivity", source=source).sort_values(
            ["segment_id", "direction", "segmentid"]
        )
        for source in (SOURCE, "fruitfly_fafb_flywire")
    )
    assert ours.to_numpy().tolist() == theirs.to_numpy().tolist()


def test_records_by_region(server: Sandbox, ids: pd.Series) -> None:
    found = ids.neuro.records("roiInfo")
    counts = ["pre", "post", "downstream", "upstream"]
    assert found.columns.tolist() == ["segment_id", "roi", "primary", *counts]
    assert found[counts].dtypes.eq(np.int64).all()
    assert set(found.loc[~found["primary"], "roi"]) == {"CX"}  # it contains EB and FB
    assert ids.neuro.properties("roiInfo")["roiInfo_count"].sum() == len(found)
    by_name = found[found["primary"]].groupby("segment_id")["downstream"].sum()
    edges = ids.neuro.downstream(roi=True)
    inside = edges[edges["roi"] != "NotPrimary"].groupby("pre")["weight"].sum()
    assert by_name[by_name > 0].sort_index().tolist() == inside.sort_index().tolist()


def test_an_unknown_property_suggests_similar_ones(server: Sandbox, ids: pd.Series) -> None:
    with pytest.raises(errors.NotFoundError, match=r"'tpye'.*Did you mean 'type'"):
        ids.neuro.properties("tpye")
    server.neuprint.meta["neuronProperties"] = None  # the names are then those of the neurons
    with pytest.raises(errors.NotFoundError, match=r"'stats'.*Did you mean 'status'"):
        ids.neuro.properties("stats")
    # hemibrain lacks this property, and another data set has it.
    with pytest.raises(errors.NotFoundError, match="somaSide"):
        ids.neuro.properties("somaSide", source="neuprint:hemibrain:v1.2.1")


@pytest.mark.parametrize("name", ["a`b", "two words", "x` AS value MATCH (m) RETURN m.`y", "'"])
def test_any_name_is_one_property(server: Sandbox, ids: pd.Series, name: str) -> None:
    with pytest.raises(errors.NotFoundError):
        ids.neuro.properties(name)
    escaped = name.replace("`", "``")
    assert queries(server)[0].endswith(f" RETURN n.bodyId AS body, n.`{escaped}` AS value")


def test_a_property_in_long_form_has_a_row_per_body(server: Sandbox, ids: pd.Series) -> None:
    found = ids.neuro.records("type")
    assert found["segment_id"].tolist() == ids.tolist()
    assert found["value"].tolist() == ids.neuro.properties("type")["type"].tolist()
    nothing = pd.Series([], dtype="int64").neuro.records("type")
    assert nothing.empty
    assert nothing.dtypes.astype(str).to_dict() == {"segment_id": "int64"}


# -- what is not as documented -----------------------------------------------------------------------


def property_of(ids: pd.Series, value: Any) -> Response:
    """Return the response to a query for a property: this value of each body."""
    return Response({"columns": ["body", "value"], "data": [[number, value] for number in ids.tolist()]})


#: A word of the query, what its response contains, a call, and words of the error.
ODD = {
    "a row without values": (
        "voxelSize", lambda ids: Response({"columns": ["value"], "data": [[]]}),
        lambda ids: ids.neuro.properties("somaLocation"), "row of the response has no values",
    ),
    "a row that is too short": (
        "ORDER BY", lambda ids: Response({"columns": ["body", "type"], "data": [[1, "a"], [2]]}),
        lambda ids: pdneuro.find(type="T012"), "another number of values than there are columns",
    ),
    "a point on a plane": (
        "somaLocation", lambda ids: property_of(ids, {"type": "Point", "coordinates": [1, 2]}),
        lambda ids: ids.neuro.properties("somaLocation"), "'somaLocation'.*not have three coordinates",
    ),
    "a list of regions": (
        "roiInfo", lambda ids: property_of(ids, '["EB"]'),
        lambda ids: ids.neuro.records("roiInfo"), "'roiInfo' is not an object of counts by region",
    ),
    "a region without counts": (
        "roiInfo", lambda ids: property_of(ids, '{"EB": 5}'),
        lambda ids: ids.neuro.properties("roiInfo"), "'roiInfo' is not an object of counts by region",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ODD)
def test_an_odd_response_is_an_error_and_is_not_cached(
    server: Sandbox, ids: pd.Series, case: str
) -> None:
    word, odd, call, words = ODD[case]
    app = server.neuprint
    server.neuprint = only(app, {word: odd(ids)})
    with pytest.raises(errors.InvalidResponseError, match=words):
        call(ids)
    server.neuprint = app
    assert len(call(ids)) > 0


def test_a_list_of_data_sets_of_another_shape_is_an_error(server: Sandbox, ids: pd.Series) -> None:
    server.fail(path="dbmeta/datasets", body=b'["male-cns:v1.0"]')
    with pytest.raises(errors.InvalidResponseError, match="list of data sets is a JSON list"):
        ids.neuro.properties("type", source="neuprint:male-cns")
    assert ids.neuro.properties("type", source="neuprint:male-cns")["type"].notna().any()


def test_cached_regions_of_several_values_are_requested_again(server: Sandbox, ids: pd.Series) -> None:
    truth = ids.neuro.downstream(roi=True)
    (file,) = Path(pdneuro.get_options()["cache_dir"]).glob("*.sqlite")
    damage(file, int(ids[3]), b"[],[]")
    with pytest.warns(errors.CacheWarning, match=rf"1 cached values .* {ids[3]}"):
        found = ids.neuro.downstream(roi=True)
    order = ["pre", "post", "roi"]
    left, right = (t.astype({"roi": str}).sort_values(order, ignore_index=True) for t in (found, truth))
    pd.testing.assert_frame_equal(left, right)


def test_without_primary_regions_edges_by_region_are_an_error(server: Sandbox, ids: pd.Series) -> None:
    server.neuprint.meta["primaryRois"] = []
    with pytest.raises(errors.UnsupportedError, match=r"male-cns:v1\.0 has no list of primary regions"):
        ids.neuro.edges(roi=True)


# -- finding -----------------------------------------------------------------------------------------


def test_a_value_of_numpy_finds_what_a_number_finds(server: Sandbox) -> None:
    size = int(pdneuro.sandbox.neurons().head(1).neuro.properties("size")["size"].iloc[0])
    found = pdneuro.find(size=np.array([size]))
    assert found["size"].tolist() == [size]
    pd.testing.assert_frame_equal(found, pdneuro.find(size=size))


@pytest.mark.parametrize("value", [[b"T012"], [["T012"]], [None], pd.Timestamp(0)], ids=repr)
def test_a_value_that_cypher_does_not_have_is_an_error(server: Sandbox, value: Any) -> None:
    with pytest.raises(errors.InvalidQueryError, match="takes text, numbers, True and False, not"):
        pdneuro.find(type=value)
    assert not queries(server, "ORDER BY")


# -- data sets ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "known", "full"),
    [
        ("cns", ["cns:v1.9", "cns:v1.10", "cns:v0.11"], "cns:v1.10"),
        ("cns", ["cns", "cns:v2"], "cns"),
        ("cns", ["male-cns:v9", "cns:v783b", "cns:v783"], "cns:v783b"),
        ("cns:v1", ["cns:v1", "cns:v2"], "cns:v1"),
    ],
)
def test_without_a_version_the_highest_by_number_is_used(
    server: Sandbox, ids: pd.Series, name: str, known: list[str], full: str
) -> None:
    server.neuprint.datasets = tuple(known)
    found = ids.neuro.edges(source=f"neuprint:{name}")
    assert found.attrs["pdneuro"]["source"] == f"sandbox:neuprint:{full} (synthetic)"
    datasets = [request.json()["dataset"] for request in server.requests if request.method == "POST"]
    assert set(datasets) == {full}


@pytest.mark.parametrize("name", ["hemibran", "hemibrain:v9"])
def test_an_unknown_data_set_lists_those_of_the_server(
    server: Sandbox, ids: pd.Series, name: str
) -> None:
    with pytest.raises(errors.UnknownDatasetError, match=r"Did you mean.*hemibrain:v1\.2\.1"):
        ids.neuro.edges(source=f"neuprint:{name}")
    assert len(server.requests) <= 2  # the IDs are not requested one by one


def test_a_data_set_that_is_gone_lists_those_of_the_server(server: Sandbox) -> None:
    pdneuro.find(type="T012")
    gone = Response({"error": "dataset not available in stores"}, 404)
    server.neuprint = only(server.neuprint, {"T013": gone})
    with pytest.raises(errors.UnknownDatasetError, match=r"'male-cns:v1\.0'.*It has hemibrain:v1\.2\.1"):
        pdneuro.find(type="T013")


def test_an_unknown_data_set_is_named_without_the_list_of_the_server(
    server: Sandbox, ids: pd.Series
) -> None:
    server.fail(path="/dbmeta/datasets", status=403, times=10)
    with pytest.raises(errors.UnknownDatasetError) as caught:
        ids.neuro.edges(source="neuprint:hemibrain:v9")
    assert caught.value.status == 404
    assert "custom" in caught.value.url


@pytest.mark.parametrize(
    "name", ["neuprint", "neuprint:", "neuprint:two words", "neuprint:a:b:c", "neuprint:-x"]
)
def test_a_name_that_is_no_data_set(name: str) -> None:
    with pytest.raises(errors.UnknownSourceError, match="neuprint"):
        pdneuro.open_source(name)


def test_lazy_edges_by_region_are_those_of_a_table(server: Sandbox) -> None:
    dd = pytest.importorskip("dask.dataframe")
    import pdneuro.dask

    neurons = pdneuro.sandbox.neurons().head(30)
    lazy = dd.from_pandas(neurons, npartitions=3).neuro.edges(roi=True, min_weight=20)
    found = lazy.compute(scheduler="synchronous")
    wanted = neurons.neuro.edges(roi=True, min_weight=20)
    order = ["pre", "post", "roi"]
    left, right = (
        table.astype({"roi": str}).sort_values(order, ignore_index=True) for table in (found, wanted)
    )
    pd.testing.assert_frame_equal(left, right)


def test_the_command_line_finds_neurons_and_their_edges(server: Sandbox, tmp_path: Any) -> None:
    from pdneuro import cli

    found, edges = tmp_path / "found.csv", tmp_path / "edges.csv"
    where = ["--type", "T012", "--where", "side=left"]
    with pdneuro.set_options(on_error="partial", on_missing="ignore", retries=0):
        server.fail(path="/neuprint/", status=500)
        with pytest.warns(errors.PartialResultWarning):
            pd.Series([1]).neuro.properties("size")  # the report of an earlier call is not that of find
    assert cli.main(["find", "--source", SOURCE, *where, "--out", str(found), "--quiet"]) == 0
    neurons = pdneuro.read_table(found)
    assert neurons["root_id"].tolist() == pdneuro.find(type="T012", side="left")["root_id"].tolist()
    words = [
        "--source",
        SOURCE,
        "--roi",
        "--no-fragments",
        "--min-weight",
        "10",
        "--out",
        str(edges),
        "--quiet",
    ]
    assert cli.main(["edges", str(found), *words]) == 0
    assert (
        pdneuro.read_table(edges)["weight"].sum() == neurons.neuro.edges(min_weight=10)["weight"].sum()
    )
