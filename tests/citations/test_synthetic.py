"""Results of the sandbox say that they are synthetic; nothing real is cited for them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import pdneuro
from pdneuro.sandbox import Sandbox
from pdneuro.sandbox.server import LocalServer

CAVE = "cave:minnie65_public@661"
#: Result of a service of the sandbox, and the name of its source without the marks.
RESULTS: dict[str, tuple[Callable[[], Any], str]] = {
    "properties": (
        lambda: pdneuro.sandbox.neurons().head(2).neuro.join_properties("size"),
        "braincircuits:fruitfly_fafb_flywire",
    ),
    "edges": (
        lambda: pdneuro.sandbox.neurons().head(2).neuro.edges(source="fruitfly_fafb_flywire_public"),
        "braincircuits:fruitfly_fafb_flywire_public",
    ),
    "neuprint": (
        lambda: pdneuro.find("neuprint:optic-lobe", type="T000").neuro.edges(
            source="neuprint:optic-lobe"
        ),
        "neuprint:optic-lobe:v1.1",
    ),
    "series": (lambda: pd.Series([385], name="structure_id").neuro.is_under("CTX"), "allen"),
    "structures": (lambda: pd.DataFrame({"structure_id": [385]}).neuro.join_structures("name"), "allen"),
    "cells": (lambda: pdneuro.allen.cells().drop(columns="tag__apical", errors="ignore"), "allen"),
    "rma": (lambda: pdneuro.allen.OntologiesApi().get_structure_sets(), "allen"),
    "records": (
        lambda: pd.DataFrame({"neuron_id": [1]}).neuro.join_neuromorpho("species", "reference_doi"),
        "neuromorpho",
    ),
    "nodes": (lambda: pdneuro.neuromorpho.swc(1), "neuromorpho"),
    "download": (
        lambda: pd.DataFrame({"root_id": pdneuro.sandbox.neurons()["root_id"].head(2)}).neuro.edges(
            source=pdneuro.Connectome.download("fruitfly_fafb_flywire")
        ),
        "connectome:fruitfly_fafb_flywire",
    ),
    "cave": (
        lambda: pdneuro.sandbox.root_ids()[4:6].neuro.cave(
            "cell_type_manual", ["cell_type"], source=CAVE
        ),
        CAVE,
    ),
    "cave edges": (lambda: pdneuro.sandbox.root_ids()[4:6].neuro.edges(source=CAVE), CAVE),
}
#: What a citation of real data contains: papers, licenses, identifiers.
REAL = (
    "Dorkenwald",
    "10.1038",
    "10.1016",
    "10.1096",
    "10.1234",
    "CC BY",
    "RRID",
    "BY-NC",
    "terms of use",
)


@pytest.mark.parametrize("name", RESULTS)
def test_results_are_marked_also_after_a_file(name: str, sandbox: Sandbox, tmp_path: Path) -> None:
    if "cave" in name:
        pytest.importorskip("caveclient", reason="caveclient holds pandas below 3")
    make, source = RESULTS[name]
    made = make()
    frame = made.to_frame() if isinstance(made, pd.Series) else made
    frame.attrs = made.attrs
    frame.to_parquet(tmp_path / "result.parquet")
    read = pdneuro.files.read_table(tmp_path / "result.parquet")
    for table in (made, pd.read_parquet(tmp_path / "result.parquet"), read):
        entry = table.attrs["pdneuro"]
        assert entry["source"] == f"sandbox:{source} (synthetic)"
        assert not {"license", "rrid"} & entry.keys()
        (row,) = table.neuro.provenance.to_dict("records")
        assert row["source"] == f"sandbox:{source} (synthetic)"
        assert "Synthetic" in row["service"]
        assert pd.isna(row["dataset"])
        for text in (table.neuro.cite(), table.neuro.cite("bibtex"), json.dumps(row)):
            assert "ynthetic" in text
            assert not [word for word in REAL if word in text]
    assert (row["snapshot"] == "version 661") == ("cave" in name)


def test_a_join_to_synthetic_data_keeps_both_sources(sandbox: Sandbox) -> None:
    table = pdneuro.sandbox.neurons().head(2).assign(structure_id=385)
    table.attrs["pdneuro"] = {"source": "cave:minnie65_public@1300", "query": "cave(nucleus)"}
    for _ in range(2):
        table = table.neuro.join_properties("size").neuro.join_structures("acronym")
    assert table.neuro.provenance["source"].tolist() == [
        "cave:minnie65_public@1300",
        "sandbox:braincircuits:fruitfly_fafb_flywire (synthetic)",
        "sandbox:allen (synthetic)",
    ]
    text = table.neuro.cite()
    assert "10.1038/s41586-025-08790-w" in text
    assert "10.1038/s41586-024-07558-y" not in text


def test_volumes_are_marked(sandbox: Sandbox) -> None:
    volume = pdneuro.allen.projection_data(100140756, resolution=100)
    assert volume.attrs["pdneuro"]["source"] == "sandbox:allen (synthetic)"


def test_reconstructions_of_the_sandbox_are_not_cited(sandbox: Sandbox) -> None:
    found = pdneuro.neuromorpho.select(archive="Siegert")
    text = pdneuro.neuromorpho.cite(found)
    assert "synthetic" in text
    assert not [word for word in REAL if word in text]


def test_another_process_marks_results_of_the_sandbox(sandbox: Sandbox) -> None:
    script = (
        "import pandas as pd, pdneuro; "
        f"t = pd.Series([{pdneuro.sandbox.neurons()['root_id'][0]}]).neuro.properties('size'); "
        "print(t.attrs['pdneuro']['source'])"
    )
    environment = {**os.environ, **sandbox.settings()}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "sandbox:braincircuits:fruitfly_fafb_flywire (synthetic)"


def test_another_server_beside_the_sandbox_is_not_marked(sandbox: Sandbox) -> None:
    app = sandbox.braincircuits
    server = LocalServer({"": lambda request: app(request)})
    ids = pdneuro.sandbox.neurons()["root_id"].head(2)
    try:
        with pdneuro.set_options(braincircuits_url=server.url):
            found = ids.neuro.properties("size")
            text = found.neuro.cite()
    finally:
        server.stop()
    assert found.attrs["pdneuro"]["source"] == "braincircuits:fruitfly_fafb_flywire"
    assert "10.1038/s41586-024-07558-y" in text
