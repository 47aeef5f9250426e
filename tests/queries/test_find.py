"""Find neurons by their fields, in every source with a table of neurons."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

import pdneuro
from pdneuro import errors
from pdneuro.sandbox import Sandbox

NEURONS = pdneuro.sandbox.neurons()
SOURCES = ["neuprint:male-cns:v1.0", "sandbox", "local"]


def opened(name: str) -> Any:
    return pdneuro.Connectome(pdneuro.sandbox.edges(), NEURONS) if name == "local" else name


@pytest.mark.parametrize("source", SOURCES)
def test_a_type_a_side_and_a_pattern(sandbox: Sandbox, source: str) -> None:
    found = pdneuro.find(opened(source), type="T012")
    assert found.columns.tolist() == ["root_id", "type", "side", "nt"]
    assert str(found["root_id"].dtype) == "int64"
    wanted = NEURONS[NEURONS["cell_type"] == "T012"]
    assert sorted(found["root_id"]) == sorted(wanted["root_id"])
    assert dict(zip(found["root_id"], found["side"], strict=True)) == dict(
        zip(wanted["root_id"], wanted["side"], strict=True)
    )
    left = pdneuro.find(opened(source), type="T01[0-4]", regex=True, side="L")
    wanted = NEURONS[NEURONS["cell_type"].str.fullmatch("T01[0-4]") & (NEURONS["side"] == "left")]
    assert sorted(left["root_id"]) == sorted(wanted["root_id"])
    several = pdneuro.find(opened(source), type=["T012", "T013"], side=["left", "right"])
    assert set(several["type"]) == {"T012", "T013"}


@pytest.mark.parametrize("source", SOURCES)
def test_the_nearest_value_is_suggested(sandbox: Sandbox, source: str) -> None:
    with pytest.raises(errors.UnknownValueError, match=r"type 'T0122'.*Did you mean .*'T012'"):
        pdneuro.find(opened(source), type="T0122")
    with pytest.raises(errors.UnknownValueError, match="'nothing'"):
        pdneuro.find(opened(source), type=["T012", "nothing"])
    with pytest.raises(errors.UnknownValueError, match=r"'x\.\*'"):
        pdneuro.find(opened(source), type="x.*", regex=True)
    with pytest.raises(errors.UnknownValueError, match=r"side 'lefft'.*'left'"):
        pdneuro.find(opened(source), type="T012", side="lefft")
    with pytest.raises(errors.UnknownFieldError, match=r"'sid'.*Did you mean"):
        pdneuro.find(opened(source), sid="left")
    with pytest.raises(errors.InvalidQueryError, match="regular expression"):
        pdneuro.find(opened(source), type="T(", regex=True)
    with pytest.raises(errors.InvalidQueryError, match="missing"):
        pdneuro.find(opened(source), side=None)


@pytest.mark.parametrize("source", SOURCES)
def test_no_neuron_with_all_values_is_a_table_without_rows(sandbox: Sandbox, source: str) -> None:
    motor = NEURONS.loc[NEURONS["cell_class"] == "motor", "cell_type"].iloc[0]
    other = "superclass" if "neuprint" in source else "cell_class"
    found = pdneuro.find(opened(source), type=motor, **{other: "sensory"})
    assert found.empty
    assert found.columns.tolist() == ["root_id", "type", "side", "nt", other]
    assert str(found["root_id"].dtype) == "int64"


def test_the_transmitter_and_any_other_field(sandbox: Sandbox) -> None:
    found = pdneuro.find("neuprint:male-cns", nt="gaba", superclass=["motor"], status="Traced")
    assert set(found["nt"]) == {"gaba"}
    assert set(found["superclass"]) == {"motor"}
    assert found.columns.tolist() == ["root_id", "type", "side", "nt", "superclass", "status"]
    assert found.attrs["pdneuro"]["query"] == "find(nt='gaba', superclass='motor', status='Traced')"


def test_the_side_of_hemibrain_is_in_the_names(sandbox: Sandbox) -> None:
    found = pdneuro.find("neuprint:hemibrain:v1.2.1", type="T012", side="right")
    wanted = NEURONS[(NEURONS["cell_type"] == "T012") & (NEURONS["side"] == "right")]
    assert sorted(found["root_id"]) == sorted(wanted["root_id"])
    assert set(found["side"]) == {"right"}
    assert found["nt"].isna().all()


@pytest.mark.parametrize("value", ["a'b", "back\\slash", 'quo"te', "x'] RETURN 1 //", "ä \n x"])
def test_any_text_is_a_value(sandbox: Sandbox, value: str) -> None:
    neurons = pd.DataFrame({"root_id": [11, 12], "type": [value, "other"], "side": ["L", "R"]})
    edges = pd.DataFrame({"pre": [11], "post": [12], "weight": [1]})
    with pdneuro.sandbox.start(edges=edges, neurons=neurons), pdneuro.set_options(progress=False):
        assert pdneuro.find("neuprint:manc", type=value)["root_id"].tolist() == [11]


def test_the_answer_is_cached(sandbox: Sandbox) -> None:
    first = pdneuro.find("neuprint:manc", type="T012")
    before = len(sandbox.requests)
    with pdneuro.set_options(offline=True):
        pd.testing.assert_frame_equal(pdneuro.find("neuprint:manc", type="T012"), first)
    assert len(sandbox.requests) == before
    pdneuro.find("neuprint:manc", type="T012", refresh=True)
    assert len(sandbox.requests) > before


@pytest.mark.parametrize("source", ["fruitfly_fafb_flywire", "edges alone"])
def test_a_source_without_a_table_of_neurons(sandbox: Sandbox, source: str) -> None:
    given: Any = pdneuro.Connectome(pdneuro.sandbox.edges()) if source == "edges alone" else source
    with pytest.raises(errors.UnsupportedError, match="no table of neurons"):
        pdneuro.find(given, type="T012")


def test_a_table_of_cave(sandbox: Sandbox) -> None:
    pytest.importorskip("caveclient", reason="caveclient is not installed")
    source = "cave:minnie65_public"
    with pytest.raises(errors.UnsupportedError, match="table="):
        pdneuro.find(source, type="23P")
    found = pdneuro.find(source, type="23P", table="cell_type_manual")
    assert set(found["type"]) == {"23P"}
    cells = found.neuro.cave("cell_type_manual", ["cell_type"], multiple="list", source=source)
    types = [{row["cell_type"] for row in rows} for rows in cells["cell_type_manual"]]
    assert all("23P" in own for own in types)
    with pytest.raises(errors.UnknownValueError, match="Did you mean '23P'"):
        pdneuro.find(source, type="23PP", table="cell_type_manual")
    with pytest.raises(errors.UnknownTableError, match="cell_type_manual"):
        pdneuro.find(source, type="23P", table="cell_type_manul")


def test_one_table_of_neurons_takes_no_name_of_a_table(sandbox: Sandbox) -> None:
    for source in ("neuprint:manc", "sandbox"):
        with pytest.raises(errors.UnsupportedError, match="one table"):
            pdneuro.find(source, type="T012", table="cells")


def test_a_neuron_with_many_rows_is_found_once() -> None:
    labels = pd.DataFrame(
        {"root_id": [11, 11, 12], "label": ["a", "b", "b"], "type": ["KC", "KC", "MBON"]}
    )
    brain = pdneuro.Connectome(pd.DataFrame({"pre": [11], "post": [12], "weight": [3]}), labels)
    assert pdneuro.find(brain, type="KC").root_id.tolist() == [11]
    assert pdneuro.find(brain, label="b").root_id.tolist() == [11, 12]
    assert pdneuro.find(brain).root_id.tolist() == [11, 12]
    with pytest.raises(errors.MultipleRecordsError, match="several rows"):
        labels.head(1)[["root_id"]].neuro.join_properties("label", source=brain)


def test_the_transmitter_of_a_table_of_scores() -> None:
    scores = {name: [0.0, 0.0] for name in ("glut_avg", "oct_avg", "ser_avg", "da_avg")}
    table = pd.DataFrame({"root_id": [11, 12], "gaba_avg": [0.9, 0.1], "ach_avg": [0.1, 0.9], **scores})
    brain = pdneuro.Connectome(pd.DataFrame({"pre": [11], "post": [12], "weight": [3]}), table)
    assert pdneuro.find(brain).nt.tolist() == ["GABA", "ACH"]
    assert pdneuro.find(brain, nt="ACH").root_id.tolist() == [12]
    with pytest.raises(errors.UnknownValueError, match="ACH"):
        pdneuro.find(brain, nt="AC")
