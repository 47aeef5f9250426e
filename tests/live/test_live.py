"""The checks of the doctor on the real services, and one small chain per service."""

from __future__ import annotations

import functools

import pandas as pd
import pytest

import pdneuro
from pdneuro import errors
from pdneuro.checks import braincircuits, cave
from pdneuro.checks.doctor import SERVICES


@functools.cache
def checked(service: str) -> pd.DataFrame:
    """The table of the doctor for a service, once per run."""
    return pdneuro.doctor(service)


@pytest.mark.parametrize(
    ("service", "check"),
    [(name, check.name) for name, service in SERVICES.items() for check in service.checks],
)
def test_the_service_is_as_documented(service: str, check: str) -> None:
    table = checked(service)
    rows = table[table["check"].eq(check)]
    if rows["status"].eq("not checked").all():
        pytest.skip(rows["advice"].iloc[0])
    wrong = rows[rows["status"].isin(["different", "failed"])]
    assert wrong.empty, wrong.to_string(index=False, max_colwidth=None)


def need(service: str) -> str:
    """Return a project or datastack whose token is accepted, or skip the test."""
    table = checked(service)
    accepted = table[table["check"].eq("token") & table["status"].eq("as expected")]
    if accepted.empty:
        pytest.skip(f"no accepted token for {service}")
    return str(accepted["service"].iloc[0])


def test_a_chain_of_braincircuits() -> None:
    project = need("braincircuits").removeprefix("braincircuits:")
    table = pd.DataFrame({"root_id": braincircuits.EXAMPLES})
    with pdneuro.set_options(source=project):
        joined = table.neuro.join_properties("size", "link_pre", on_missing="ignore")
        known = joined[joined["size"].notna()]
        if known.empty:
            pytest.skip("the project has none of the example segments")
        edges = known.neuro.edges(upstream=False)
    assert joined["root_id"].tolist() == list(braincircuits.EXAMPLES)
    assert edges["weight"].sum() == known["nr_pre"].sum()


def test_a_chain_of_cave() -> None:
    pytest.importorskip("caveclient")
    source = need("cave")
    ids = pd.Series([cave.EXAMPLE, cave.UNKNOWN])
    assert not ids.neuro.is_latest(source=source).iloc[1]


def test_a_chain_of_allen() -> None:
    table = pd.DataFrame({"acronym": ["CA1", "VISp", "CA1"]})
    joined = table.neuro.join_structures("name")
    assert joined["name"].tolist() == ["Field CA1", "Primary visual area", "Field CA1"]


def test_a_chain_of_neuromorpho() -> None:
    try:
        joined = pd.DataFrame({"neuron_id": [2, 1, 2]}).neuro.join_neuromorpho("species", "archive")
    except errors.ServiceUnavailableError as error:
        pytest.skip(str(error))
    assert joined["neuron_id"].tolist() == [2, 1, 2]
    assert joined["species"].notna().all()
