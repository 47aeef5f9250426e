"""Requests to BrainCircuits.io, and the responses that count as valid."""

from __future__ import annotations

import pandas as pd
import pytest

import pdneuro
from pdneuro import errors
from pdneuro.sandbox import Sandbox


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("a/b", "a%2Fb"),
        ("size?project=other", "size%3Fproject%3Dother"),
        ("two words", "two%20words"),
        ("#size", "%23size"),
    ],
)
def test_any_name_of_a_property_stays_one_part_of_the_address(
    sandbox: Sandbox, ids: pd.Series, name: str, path: str
) -> None:
    with pytest.raises(errors.NotFoundError):
        ids.neuro.properties(name)
    for request in sandbox.requests:  # the batch and its halves
        assert request.path == f"/braincircuits/circuit/segment/property/{path}"
        assert request.query == {"project": "fruitfly_fafb_flywire"}


@pytest.mark.parametrize("entry", ["null", "{}", "{ }", "{\n  }", "{ \t\r\n}"])
@pytest.mark.parametrize("name", ["size", "connectivity"])
def test_an_empty_entry_means_that_nothing_is_known(
    sandbox: Sandbox, ids: pd.Series, entry: str, name: str
) -> None:
    sandbox.fail(body=f'{{"results": {{"{ids[0]}": {entry} }}}}'.encode())
    ids[:1].neuro.properties(name)
    assert pdneuro.last_report()["status"].tolist() == ["none"]


@pytest.mark.parametrize(
    "body",
    ['{"ID": {"size": 5}, "detail": "partly"}', '{"ID": {"size": 5}, "12": {"size": 6}}', '{"detail": "no"}'],
)  # fmt: skip
def test_without_results_only_the_requested_ids_are_valid_keys(
    sandbox: Sandbox, ids: pd.Series, body: str
) -> None:
    sandbox.fail(body=body.replace("ID", str(ids[0])).encode())
    with pytest.raises(errors.InvalidResponseError, match="no 'results'"):
        ids[:1].neuro.properties("size")
    assert pdneuro.cache.info().empty


@pytest.mark.parametrize(
    ("records", "edges"),
    [
        ('"downstream": []', []),
        ('"downstream": [], "upstream": []', []),
        (
            '"downstream": [{"segment_id": 2, "weight": 1073741823}]',
            [[1, 2, 1073741823]],
        ),
    ],
)
def test_partners_in_another_form_are_edges(sandbox: Sandbox, records: str, edges: list) -> None:
    sandbox.fail(body=f'{{"results": {{"1": {{"note": [], {records}}}}}}}'.encode())
    found = pd.Series([1]).neuro.edges()
    assert found.dtypes.astype(str).tolist() == ["int64"] * 3
    assert found.to_numpy().tolist() == edges


def test_a_weight_that_is_too_large_is_an_error(sandbox: Sandbox) -> None:
    """The second record is dropped, so that the partners are packed."""
    records = '{"segment_id": 2, "weight": 1073741824}, {"segment_id": 0, "weight": 1}'
    sandbox.fail(body=f'{{"results": {{"1": {{"downstream": [{records}]}}}}}}'.encode())
    with pytest.raises(errors.InvalidResponseError, match=r"number that is too large: .*30 bits"):
        pd.Series([1]).neuro.edges()
    assert pdneuro.cache.info().empty
