"""The repr of accessors, and the provenance and citation of tables."""

from __future__ import annotations

import inspect
import re
import warnings
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray

import pdneuro
import pdneuro.files
from pdneuro import errors
from pdneuro.accessors import CLASSES
from pdneuro.sandbox import Sandbox


def described(obj: Any) -> dict[str, list[str]]:
    """Return the suggested calls and the missing things of a repr."""
    lines = repr(obj.neuro).splitlines()
    start = next((place for place, line in enumerate(lines) if line.startswith("  next:")), len(lines))
    calls = [re.match(r"(?:  next:|       ) (\.\S.*?)  ", line) for line in lines[start:]]
    return {
        "next": [found[1].strip() for found in calls if found],
        "missing": [line.split(": ", 1)[1] for line in lines if line.startswith("  missing: ")],
    }


OBJECTS = {
    "neurons": lambda: pdneuro.sandbox.neurons().head(20),
    "column": lambda: pdneuro.sandbox.neurons().root_id.head(20),
    "edges": lambda: pdneuro.sandbox.neurons().head(20).neuro.edges(),
    "structures": lambda: pd.DataFrame({"structure_id": [385, 549]}),
    "structure column": lambda: pd.Series([385, 549], name="structure_id"),
    "reconstructions": lambda: pdneuro.neuromorpho.swc([1, 2]),
    "neuromorpho": lambda: pd.DataFrame({"neuron_id": [1, 2]}),
    "neuromorpho column": lambda: pd.Series([1, 2], name="neuron_id"),
    "experiments": lambda: pd.DataFrame({"data_set_id": [112670853, 100140756]}),
    "experiment column": lambda: pd.Series([112670853], name="data_set_id"),
    "volume": lambda: pdneuro.allen.annotation_volume(100),
    "annotated edges": lambda: (
        pdneuro.sandbox.neurons()
        .head(20)
        .neuro.edges()
        .neuro.annotate(pdneuro.sandbox.neurons(), "cell_type")
    ),
    "edges of another dialect": lambda: pdneuro.sandbox.edges().rename(
        columns={"pre": "src", "post": "dst"}
    ),
    "two pairs of ends": lambda: pdneuro.sandbox.edges().assign(source=1, target=2),
    "IDs in the index": lambda: pdneuro.sandbox.neurons().set_index("root_id").head(20),
    "synapses with an id": lambda: pdneuro.sandbox.edges().assign(id=range(45_000)),
    "rates": lambda: xarray.DataArray(
        np.ones((2, 20)),
        coords={"root_id": pdneuro.sandbox.neurons().root_id.head(20)},
        dims=("time", "root_id"),
    ),
    "dataset of two dimensions": lambda: xarray.Dataset(
        {"x": (("structure", "neuron_id"), np.ones((2, 2)))},
        coords={"structure": ["VISp", "TH"], "neuron_id": [1, 2]},
    ),
    "matrix": lambda: (
        pdneuro.sandbox.neurons()
        .head(50)
        .neuro.edges()
        .neuro.to_xarray(nodes=pdneuro.sandbox.neurons()[["root_id", "side"]])
    ),
    "index": lambda: pdneuro.sandbox.neurons().head(5).set_index("root_id").index,
    "groups": lambda: pdneuro.sandbox.neurons().head(20).groupby("side"),
}


@pytest.mark.parametrize("name", OBJECTS)
def test_suggested_calls_run_unchanged(sandbox: Sandbox, name: str) -> None:
    obj = OBJECTS[name]()
    calls = described(obj)["next"]
    assert 1 <= len(calls) <= 3
    names = {
        "obj": obj,
        "neurons": pdneuro.sandbox.neurons(),
        "columns": "cell_type",
        "points": pd.DataFrame({"x": [150.0], "y": [450.0], "z": [450.0]}),
        "annotation": obj,
    }
    with pdneuro.set_options(on_missing="ignore"):
        for call in calls:
            if "fractions(" in call:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", errors.IncompleteEdgesWarning)
                    eval(f"obj.neuro{call}", names)
                continue
            assert eval(f"obj.neuro{call}", names) is not None, call


FURTHER = {
    "transmitters": lambda: pd.DataFrame({"root_id": [5], "gaba": [0.5], "ach": [0.5]}),
    "experiments": lambda: pd.DataFrame({"data_set_id": [1]}),
    "points": lambda: pd.DataFrame({"x": [1.0], "y": [1.0], "z": [1.0]}),
    "supervoxels": lambda: pdneuro.sandbox.supervoxels(),
    "supervoxel column": lambda: pd.Series([1], name="supervoxel_id"),
    "supervoxel level": lambda: pd.Index([1], name="supervoxel_id"),
    "groups of a column": lambda: pd.Series([1], name="root_id").groupby([1]),
    "segment dataset": lambda: xarray.Dataset(coords={"root_id": [1]}),
    "neuron array": lambda: xarray.DataArray([1], dims="neuron_id", coords={"neuron_id": [1]}),
    "structure array": lambda: xarray.DataArray([1], dims="structure", coords={"structure": [1]}),
}


def test_each_method_is_in_the_repr_of_an_object(sandbox: Sandbox) -> None:
    objects = [make() for make in (*OBJECTS.values(), *FURTHER.values())]
    for kind, cls in CLASSES.items():
        shown = " ".join(repr(obj.neuro) for obj in objects if isinstance(obj, kind))
        public = [name for name, _ in inspect.getmembers(cls, inspect.isfunction) if name[0] != "_"]
        missing = [name for name in public if f".{name}(" not in shown]
        assert set(missing) <= {"cite"}, kind


@pytest.mark.parametrize(
    ("obj", "title", "first"),
    [
        (
            pd.Series([1], name="neuron_id"),
            "neurons of NeuroMorpho.org: 'neuron_id' (int64)",
            '.neuromorpho("species", "cell_type")',
        ),
        (
            pd.Series([1], name="experiment_id"),
            "experiments: 'experiment_id' (int64)",
            '.unionizes("Brain - Major Divisions")',
        ),
        (
            pd.DataFrame({"experiment_id": [1], "data_set_id": [2]}),
            "experiments: 'experiment_id', 'data_set_id'",
            '.join_unionizes("Brain - Major Divisions")',
        ),
    ],
)
def test_neurons_and_experiments_are_recognized_by_name(obj: Any, title: str, first: str) -> None:
    assert repr(obj.neuro).splitlines()[1] == f"  {title}"
    assert described(obj)["next"][0] == first


@pytest.mark.parametrize("obj", [5, "root_id", [1, 2]])
def test_what_has_no_accessor_is_named(obj: Any) -> None:
    with pytest.raises(
        TypeError, match=rf"^{type(obj).__name__} has no \.neuro accessor\. Use a Series"
    ):
        pdneuro.neuro(obj)


def test_a_table_of_signal_is_not_one_of_experiments() -> None:
    signal = pd.DataFrame({"data_set_id": [1], "hemisphere_id": [3], "structure_id": [385]})
    assert "experiments" not in repr(signal.neuro)
    assert "experiments" in repr(signal.drop(columns="hemisphere_id").neuro)


def test_missing_things_are_listed() -> None:
    table = pd.DataFrame({"root_id": [7.2e17, None], "bodyId": [1, 2]})
    missing = " ".join(described(table)["missing"])
    for words in ("digits of 'root_id'", "a source", "a choice of the column"):
        assert words in missing
    assert "digits" not in " ".join(described(pd.DataFrame({"root_id": [5.0, None]}))["missing"])
    with pdneuro.set_options(source="fruitfly_fafb_flywire"):
        assert described(pd.DataFrame({"root_id": [5]}))["missing"] == []
    ids = {"root_id": ("neuron", [5, 6]), "bodyId": ("neuron", [7, 8])}
    array = xarray.DataArray([0.5, 1.5], dims="neuron", coords=ids)
    assert "a choice of the coordinate" in " ".join(described(array)["missing"])
    assert "a choice" not in " ".join(described(array.drop_vars("bodyId"))["missing"])
    rounded = xarray.DataArray([0.5], dims="root_id", coords={"root_id": [7.2e17]})
    assert "digits of 'root_id'" in " ".join(described(rounded)["missing"])
    assert "digits" not in " ".join(described(rounded.assign_coords(root_id=[5.0]))["missing"])
    bare = rounded.drop_vars("root_id")
    assert described(bare)["missing"][0] == (
        "a coordinate of the dimension 'root_id': .assign_coords({'root_id': ...})"
    )
    assert "segment IDs" not in repr(bare.neuro)
    assert "a coordinate of" not in " ".join(described(rounded)["missing"])
    edges = pd.DataFrame({"pre": [1], "post": [2]})
    assert "each row counts as one synapse" in described(edges)["missing"][0]


def test_the_threshold_of_edges_is_listed(sandbox: Sandbox, ids: pd.Series) -> None:
    edges = ids.neuro.edges(min_weight=4)
    assert described(edges)["missing"] == ["pairs of fewer than 4 synapses"]
    assert "fruitfly_fafb_flywire" in repr(edges.neuro)


def test_cave_columns_suggest_cave_methods() -> None:
    with pdneuro.set_options(source="cave:minnie65_public@1300"):
        assert described(pd.Series([5], name="root_id"))["next"][0] == ".is_latest()"
        array = xarray.DataArray([0.5], coords={"root_id": [5]})
        assert described(array)["next"][:2] == [".join_cave(table)", ".edges()"]
    assert described(array)["next"][0] == '.join_properties("link_pre")'


def test_supervoxels_are_not_segments(sandbox: Sandbox) -> None:
    table = pdneuro.sandbox.supervoxels()[["root_id", "id", "supervoxel_id"]].head(3).assign(x=1)
    cave = "cave:minnie65_public"
    for obj, calls in {
        "column": (table["supervoxel_id"], [".roots()"]),
        "rows": (table[["id", "supervoxel_id"]], [".join_roots()"]),
        "roots": (table.drop(columns="id"), [".join_roots()", ".update_roots()"]),
        "level": (table.set_index(["supervoxel_id", "x"]).index, [".roots()"]),
    }.values():
        text = repr(obj.neuro)
        assert "supervoxels: 'supervoxel_id'" in text
        assert ("segment IDs" in text) == ("root_id" in text)
        for call in calls:
            assert call in text
    with pdneuro.set_options(source=None):
        assert "a source" in " ".join(described(table["supervoxel_id"])["missing"])
    with pdneuro.set_options(source=cave):
        assert described(table["supervoxel_id"]) == {"next": [".roots()"], "missing": []}
        both = table.assign(other_supervoxel_id=1)
        assert ".join_roots(on='supervoxel_id')" in described(both)["next"]


class Tags(HTMLParser):
    """Text of a page, and whether each tag that opens is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("name", OBJECTS)
def test_notebooks_show_the_same_text_as_a_table(sandbox: Sandbox, name: str) -> None:
    obj = OBJECTS[name]()
    page = Tags()
    page.feed(obj.neuro._repr_html_())
    assert page.open == []
    for call in described(obj)["next"]:
        assert call in page.text


def test_html_in_column_names_is_escaped() -> None:
    table = pd.DataFrame({"<script>alert(1)</script>": [1]})
    assert "<script>" not in table.neuro._repr_html_()
    assert "&lt;script&gt;" in table.neuro._repr_html_()
    series = pd.Series([1], name="<b>")
    assert "<b>" not in series.neuro._repr_html_()


@pytest.mark.parametrize(
    ("ask", "near"),
    [
        (lambda: pd.DataFrame({"rootID": [1]}).neuro.edges(), "on='rootID'"),
        (lambda: pd.DataFrame({"root_id": [1]}).neuro.edges(on="rootid"), "'root_id'"),
        (lambda: pd.DataFrame({"structures": [1]}).neuro.join_structures(), "on='structures'"),
        (lambda: pd.DataFrame({"neuronname": ["a"]}).neuro.join_neuromorpho(), "on='neuronname'"),
        (lambda: pd.DataFrame({"pre_rootid": [1], "x": 1}).neuro.threshold(5), "'pre_rootid'"),
        (
            lambda: pd.DataFrame(
                {"pre": [1], "post": [2], "weight": 3, "cell_type_pre": "a", "cell_type_post": "b"}
            ).neuro.collapse("celltype"),
            "'cell_type_pre'",
        ),
        (
            lambda: pd.DataFrame({"pre": [1], "post": [2], "weight": 3}).neuro.annotate(
                pd.DataFrame({"root_id": [1], "cell_type": "a"}), "celltype"
            ),
            "'cell_type'",
        ),
        (lambda: pd.DataFrame({"node": [1], "typ": 1}).neuro.check(), "'typ'"),
    ],
)
def test_an_error_about_a_column_suggests_a_similar_name(ask: Any, near: str) -> None:
    with pytest.raises(errors.MissingColumnsError, match=re.escape(near)):
        ask()


EDGELESS = pd.DataFrame({"root_id": [11, 12], "side": ["left", "right"]})


def test_the_suggestions_of_errors_work() -> None:
    """Do what each message suggests."""
    brain = pdneuro.Connectome(pd.DataFrame({"pre": [11], "post": [12], "weight": [5]}))
    twice = pd.concat([EDGELESS, EDGELESS["root_id"]], axis=1)
    with pytest.raises(errors.AmbiguousColumnError, match=r"2 columns have the name 'root_id'\. Rename"):
        twice.neuro.edges(source=brain)
    assert "on='root_id'" not in repr(twice.neuro)
    renamed = twice.set_axis(["root_id", "side", "other"], axis=1)
    assert renamed.neuro.edges(source=brain)["weight"].tolist() == [5]
    with pytest.raises(errors.AmbiguousColumnError, match=r"Choose: on='bodyId'\."):
        twice.assign(bodyId=[11, 12]).neuro.edges(source=brain)
    assert twice.assign(bodyId=[11, 12]).neuro.edges(on="bodyId", source=brain)["weight"].tolist() == [5]
    with pytest.raises(
        errors.MissingColumnsError, match=r"neurons, by 'root_id': \.neuro\.edges\(\)"
    ) as caught:
        EDGELESS.neuro.to_networkx()
    assert "'side'" not in str(caught.value).partition("This looks")[2]
    assert EDGELESS.neuro.graph(source=brain).size() == 1


def test_a_level_of_the_index_is_recognized() -> None:
    brain = pdneuro.Connectome(pd.DataFrame({"pre": [11], "post": [12], "weight": [5]}))
    levels = EDGELESS.assign(size=3).set_index(["side", "root_id"])
    assert "segment IDs: 'root_id'" in repr(levels.neuro)
    assert levels.neuro.edges(source=brain)["weight"].tolist() == [5]
    joined = levels.neuro.join_properties("link_pre", source=brain)
    assert joined["nr_pre"].tolist() == [5, 0]
    assert joined.index.equals(levels.index)
    other = levels.rename_axis(["side", "neuron"])
    with pytest.raises(errors.MissingColumnsError, match="and the index 'side', 'neuron'"):
        other.neuro.edges(source=brain)
    assert other.neuro.edges(on="neuron", source=brain)["weight"].tolist() == [5]


# -- provenance ------------------------------------------------------------------------------------


def as_real(table: Any) -> Any:
    """Return a result of the sandbox with the provenance of a result of the services."""
    entry = table.attrs["pdneuro"]
    source = entry["source"].replace("sandbox:", "").replace(" (synthetic)", "")
    table.attrs["pdneuro"] = {**entry, "source": source}
    return table


def test_provenance_has_one_row_per_source(sandbox: Sandbox) -> None:
    neurons = pdneuro.sandbox.neurons().head(3)
    table = neurons.neuro.join_properties("size", "neurotransmitter").assign(structure_id=385)
    table = table.neuro.join_structures("acronym")
    origin = as_real(table).neuro.provenance
    assert origin["source"].tolist() == ["braincircuits:fruitfly_fafb_flywire", "allen"]
    assert origin["service"].tolist() == ["BrainCircuits.io", "Allen Brain Atlas"]
    assert origin.loc[0, "license"] == "CC BY-NC 4.0"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", origin.loc[0, "snapshot"])
    assert pd.isna(origin.loc[1, "snapshot"])
    assert "neurotransmitter" in origin.loc[0, "queries"]
    assert "neurotransmitter" not in origin.loc[1, "queries"]
    assert neurons.neuro.provenance.empty
    assert list(neurons.neuro.provenance) == list(origin)


def test_queries_stay_with_their_source(sandbox: Sandbox) -> None:
    table = pdneuro.sandbox.neurons().head(3).neuro.join_properties("size").assign(structure_id=385)
    table = table.neuro.join_structures("acronym").neuro.join_properties("neurotransmitter")
    first, second = table.neuro.provenance["queries"]
    assert first == "join_properties(size); join_properties(neurotransmitter)"
    assert second == "join_structures(graph 1)"
    assert "10.1016/j.cell.2024.03.016" in as_real(table).neuro.cite()


def test_times_belong_to_the_service_that_reported_them(sandbox: Sandbox, ids: pd.Series) -> None:
    brain = pdneuro.Connectome(pdneuro.sandbox.edges(), pdneuro.sandbox.neurons(), name="home@flywire")
    table = ids.to_frame().neuro.join_properties("size").neuro.join_properties("cell_type", source=brain)
    assert table.neuro.provenance["snapshot"].isna().tolist() == [False, True]
    assert table.neuro.provenance["service"].isna().tolist() == [False, True]


def test_a_table_made_from_a_result_keeps_its_provenance(
    sandbox: Sandbox, ids: pd.Series, tmp_path: Path
) -> None:
    edges = ids.neuro.edges()
    nodes = pdneuro.neuromorpho.swc([1, 2])
    for made in (edges.neuro.degree(), edges.neuro.threshold(2), nodes.neuro.morphology()):
        assert len(made.neuro.provenance) == 1
    edges.to_parquet(tmp_path / "edges.parquet")
    assert pdneuro.files.read_table(tmp_path / "edges.parquet").neuro.cite() == edges.neuro.cite()


def test_malformed_provenance_is_ignored(sandbox: Sandbox, ids: pd.Series) -> None:
    for times in (5, "2024", ["a"], None):
        table = ids.to_frame()
        table.attrs["pdneuro"] = {
            "source": "braincircuits:x",
            "query": "q",
            "materialized_timestamp": times,
        }
        assert "BrainCircuits.io" in table.neuro.cite()
        assert table.neuro.provenance["snapshot"].isna().all()
        table.neuro.join_properties("size")


def test_a_version_is_the_snapshot_of_cave() -> None:
    table = pd.DataFrame({"a": [1]})
    table.attrs["pdneuro"] = {"source": "cave:minnie65_public@1300", "query": "cave(nucleus)"}
    assert table.neuro.provenance.loc[0, "snapshot"] == "version 1300"
    text = table.neuro.cite()
    assert "data of version 1300" in text
    assert "10.1038/s41586-025-08790-w" in text
    assert "10.1038/s41592-024-02426-z" in text


def test_cite_lists_only_the_sources_of_the_table(sandbox: Sandbox, ids: pd.Series) -> None:
    edges = as_real(ids.neuro.edges()).neuro.cite()
    assert "10.1038/s41586-024-07558-y" in edges
    assert "10.1016/j.cell.2024.03.016" not in edges  # transmitters were not requested
    assert "10.1016/j.cell.2024.03.016" in as_real(ids.neuro.properties("neurotransmitter")).neuro.cite()
    cells = as_real(pdneuro.allen.cells()).neuro.cite()
    assert "10.1038/s41593-019-0417-0" in cells
    assert "10.1038/nature13186" not in cells
    assert "10.1038/nature13186" in as_real(pdneuro.allen.experiments("VIS")).neuro.cite()


def test_reconstructions_are_cited_by_their_own_papers(sandbox: Sandbox) -> None:
    found = pd.Series([1, 2], name="neuron_id").neuro.neuromorpho("species", "reference_doi")
    text = as_real(found).neuro.cite()
    assert "RRID:SCR_002145" in text
    assert found["reference_doi"].explode().iloc[0] in text
    assert (
        found["reference_doi"].explode().iloc[0] in as_real(pdneuro.neuromorpho.swc([1, 2])).neuro.cite()
    )
    pdneuro.cache.clear()
    with pdneuro.set_options(offline=True):
        text = pd.DataFrame({"neuron_id": [3]}).assign().pipe(_from_neuromorpho).neuro.cite()
    assert "are not listed" in text
    counted = as_real(pdneuro.neuromorpho.counts("species")).neuro.cite()
    assert "RRID:SCR_002145" in counted
    assert "10.1234" not in counted


def _from_neuromorpho(table: pd.DataFrame) -> pd.DataFrame:
    table.attrs["pdneuro"] = {"source": "neuromorpho", "query": "neuron(species)"}
    return table


def test_bibtex_entries_are_complete(sandbox: Sandbox, ids: pd.Series) -> None:
    table = ids.to_frame().neuro.join_properties("neurotransmitter").assign(neuron_id=range(1, 11))
    table = table.neuro.join_neuromorpho("reference_doi")
    text = as_real(table).neuro.cite("bibtex")
    entries = re.findall(r"^@(\w+)\{(\w+),\n((?:  \w+ = \{.*\},\n)+)\}$", text, re.M)
    assert len(entries) == text.count("@")
    assert len({key for _, key, _ in entries}) == len(entries)
    for _, _, body in entries:
        assert body.count("{") == body.count("}")
    assert "author = {Dorkenwald, S and others}" in text
    assert "author = {Tecuatl, C and Ljungquist, B and Ascoli, GA}" in text
    assert "pages = {124--138}" in text
    assert "fruitfly\\_fafb\\_flywire" in text


def test_local_files_have_no_papers(ids: pd.Series) -> None:
    brain = pdneuro.Connectome(pdneuro.sandbox.edges(), name="mine")
    text = ids.neuro.edges(source=brain).neuro.cite()
    assert "Local data (connectome:mine)" in text
    assert "not published; ask the source" in text
    assert "doi" not in text


def test_a_table_without_provenance_cannot_be_cited() -> None:
    with pytest.raises(errors.ProvenanceError, match="merge or"):
        pd.DataFrame({"a": [1]}).neuro.cite()
    with pytest.raises(ValueError, match="'text' or 'bibtex'"):
        pd.DataFrame({"a": [1]}).neuro.cite("ris")


def test_every_paper_is_complete() -> None:
    from pdneuro.citations import catalog

    works = [
        work
        for origin in (*catalog().datasets.values(), *catalog().services.values())
        for work in origin.works
    ]
    works += [part.work for part in catalog().parts]
    for work in works:
        assert re.fullmatch(r"10\.\d{4,}/\S+", work.doi)
        assert re.fullmatch(r"\d+-\d+|R?P?e?\d+", work.pages or "") or work.journal == "bioRxiv"
        assert 2000 < work.year <= 2026


def test_a_call_names_the_column_of_structures_only_if_several_are_recognized() -> None:
    one = repr(pd.DataFrame({"structure_id": [385]}).neuro)
    assert '.join_structures("acronym", "name")' in one
    assert "on=" not in one
    two = repr(pd.DataFrame({"structure_id": [385], "ccf_id": [385]}).neuro)
    assert "on='structure_id'" in two
