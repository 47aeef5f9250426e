"""The known names work, and errors about an unknown name point to them."""

from __future__ import annotations

import pandas as pd
import pytest

import pdneuro
from pdneuro import errors
from pdneuro.sandbox import Sandbox
from pdneuro.transport import tokens


def names(service: str, kind: str) -> list[str]:
    table = pdneuro.known_names(service)
    return table.loc[table["kind"] == kind, "name"].tolist()


def test_each_name_has_one_row_and_a_description() -> None:
    table = pdneuro.known_names()
    assert not table.duplicated(["service", "kind", "name"]).any()
    assert table["description"].str.endswith(".").all()
    assert table["service"].unique().tolist() == [
        "braincircuits",
        "cave",
        "neuprint",
        "allen",
        "neuromorpho",
    ]
    part = pdneuro.known_names("allen")
    pd.testing.assert_frame_equal(part, table[table["service"] == "allen"].reset_index(drop=True))


def test_every_property_can_be_joined(sandbox: Sandbox) -> None:
    neurons = pdneuro.sandbox.neurons().head(5)
    for name in names("braincircuits", "property"):
        assert len(neurons.neuro.properties(name).columns) > 0


def test_every_project_can_be_opened(sandbox: Sandbox) -> None:
    for name in names("braincircuits", "project"):
        assert pdneuro.open_source(name).name == f"braincircuits:{name}"


def test_every_data_set_of_neuprint_can_be_opened_and_every_property_joined(sandbox: Sandbox) -> None:
    for name in names("neuprint", "dataset"):
        assert pdneuro.open_source(f"neuprint:{name}").name == f"neuprint:{name}"
    neurons = pdneuro.sandbox.neurons().head(5)
    for name in names("neuprint", "property"):
        assert len(neurons.neuro.properties(name, source="neuprint:male-cns").columns) > 0


def test_every_datastack_has_a_server_for_its_token() -> None:
    assert set(names("cave", "datastack")) == set(tokens.CAVE_SERVERS)


def test_every_field_of_a_structure_can_be_joined(sandbox: Sandbox) -> None:
    fields = names("allen", "field")
    found = pd.Series([997, 8]).neuro.structures(*fields)
    assert found.columns.tolist() == fields


def test_every_field_of_a_neuron_can_be_joined(sandbox: Sandbox) -> None:
    neurons = pd.Series([1, 2], name="neuron_id")
    assert set(names("neuromorpho", "field")) == set(neurons.neuro.neuromorpho().columns)
    assert set(names("neuromorpho", "measurement")) <= set(neurons.neuro.morphometry().columns)


def test_an_unknown_service_is_an_error() -> None:
    with pytest.raises(errors.UnknownSourceError, match=r"'caves'.*Did you mean 'cave'"):
        pdneuro.known_names("caves")


class TestCatalog:
    COLUMNS = ("source", "kind", "name", "version", "rows", "created", "expires", "description")

    def test_known_names_of_every_service_without_a_request(self, sandbox: Sandbox) -> None:
        found = pdneuro.catalog()
        assert tuple(found.columns) == self.COLUMNS
        assert not sandbox.requests
        known = pdneuro.known_names()
        listed = found[found["kind"] != "capability"].reset_index(drop=True)
        assert listed[["kind", "name", "description"]].equals(known[["kind", "name", "description"]])
        services = found["source"].str.partition(":")[0]
        assert set(services) == set(services[found["kind"] == "capability"]) == set(known["service"])

    def test_each_project_and_datastack_is_a_source(self) -> None:
        found = pdneuro.catalog()
        for name in found.loc[found["kind"].isin(["project", "datastack"]), "source"]:
            assert pdneuro.open_source(name).name == name

    def test_one_service(self) -> None:
        whole, part = pdneuro.catalog(), pdneuro.catalog("neuromorpho")
        expected = whole[whole["source"] == "neuromorpho"].reset_index(drop=True)
        pd.testing.assert_frame_equal(part, expected)

    def test_a_local_connectome(self, sandbox: Sandbox) -> None:
        brain = pdneuro.Connectome(pdneuro.sandbox.edges(), pdneuro.sandbox.neurons(), name="mine")
        brain.materialized_timestamp = 1_700_000_000
        found = pdneuro.catalog(brain)
        tables = found[found["kind"] == "table"].set_index("name")["rows"]
        assert tables.to_dict() == {"edges": len(brain.to_frame()), "neurons": len(brain.ids)}
        found = found.set_index("name")
        assert found.loc["mine", "created"] == pd.Timestamp(1_700_000_000, unit="s", tz="UTC")
        for name in found.index[found["kind"] == "property"]:
            assert len(brain.ids.head(2).neuro.properties(name, source=brain).columns)
        assert found["source"].unique().tolist() == ["connectome:mine"]

    def test_a_project(self, sandbox: Sandbox) -> None:
        found = pdneuro.catalog("fruitfly_fafb_flywire")
        assert found.attrs["pdneuro"]["source"].startswith("sandbox:braincircuits:")
        assert tuple(found.columns) == self.COLUMNS
        assert {"link_pre", "edges"} <= set(found["name"])

    def test_an_unknown_source(self) -> None:
        with pytest.raises(errors.UnknownSourceError, match="nowhere"):
            pdneuro.catalog("nowhere:x")


class TestErrors:
    """An error about an unknown name suggests similar names, and says where all are listed."""

    def test_property(self, sandbox: Sandbox) -> None:
        neurons = pdneuro.sandbox.neurons().head(5)
        with pytest.raises(errors.NotFoundError, match=r"Did you mean 'mitochondria'.*known_names\(\)"):
            neurons.neuro.join_properties("mitochondrium")

    def test_project(self, sandbox: Sandbox) -> None:
        neurons = pdneuro.sandbox.neurons().head(5)
        with pytest.raises(errors.NotFoundError, match=r"'fruitfly_fafb_flywire'.*known_names\(\)"):
            neurons.neuro.join_properties("size", source="fruitfly_fafb_flywir")
        with pytest.raises(errors.NotFoundError, match=r"known_names\(\)"):
            pdneuro.Connectome.download("fruitfly_fafb_flywir")

    @pytest.mark.parametrize(
        "source", ["two words", "cave:two words", "nowhere:x", "cave:minnie@latest"]
    )
    def test_source(self, source: str) -> None:
        with pytest.raises(errors.UnknownSourceError, match=r"known_names\(\)"):
            pdneuro.open_source(source)

    def test_no_source(self) -> None:
        with pytest.raises(errors.UnknownSourceError, match=r"known_names\(\)"):
            pdneuro.open_source()

    def test_field_of_a_structure(self, sandbox: Sandbox) -> None:
        with pytest.raises(errors.UnknownStructureError, match=r"'acronym'.*known_names\(\)"):
            pd.Series([997]).neuro.structures("acronyms")

    def test_field_of_a_neuron(self, sandbox: Sandbox) -> None:
        with pytest.raises(errors.UnknownFieldError, match=r"'species'.*known_names\(\)"):
            pd.Series([1], name="neuron_id").neuro.neuromorpho("specie")

    def test_datastack(self, sandbox: Sandbox) -> None:
        pytest.importorskip("caveclient", reason="caveclient is not installed")
        ids = pdneuro.sandbox.root_ids().head(2)
        wrong = "cave:minnie65_pubic"
        with pytest.raises(errors.MissingTokenError, match=r"Did you mean 'minnie65_public'"):
            ids.neuro.latest(source=wrong)
        with (
            tokens.overridden(**{sandbox.url.removeprefix("http://"): "any"}),
            pytest.raises(errors.NotFoundError, match=r"'minnie65_public'.*known_names\(\)"),
        ):
            ids.neuro.latest(source=wrong)


def test_a_known_property_that_fails_has_no_suggestion(sandbox: Sandbox) -> None:
    sandbox.fail(times=9, status=404, body=b'{"detail": "this project has no sizes"}')
    with pytest.raises(errors.NotFoundError) as caught:
        pdneuro.sandbox.neurons().head(2).neuro.properties("size")
    assert "known_names" not in str(caught.value)
