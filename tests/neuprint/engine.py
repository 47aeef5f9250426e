"""A neuPrint server on an embedded Cypher engine, which runs the queries of any client."""

from __future__ import annotations

import decimal
import json
import re
import threading
from pathlib import Path
from typing import Any

import pandas as pd

from pdneuro.sandbox.server import Request, Response

DATASET = "test:v1.0"
#: Regions that do not overlap, and one that contains the first two.
PRIMARY, LARGER = ("A(R)", "B(R)", "C"), "AB(R)"
VOXEL_SIZE = [8.0, 8.0, 8.0]
_TEXT = (
    "type",
    "instance",
    "status",
    "statusLabel",
    "somaSide",
    "predictedNt",
    "cellBodyFiber",
    "roiInfo",
)
_NUMBERS = ("pre", "post", "upstream", "downstream", "size", "mito")
PROPERTIES = {
    **dict.fromkeys(_TEXT, "STRING"),
    **dict.fromkeys(_NUMBERS, "INT64"),
    **dict.fromkeys((*PRIMARY, LARGER, "cropped"), "BOOLEAN"),
    "somaRadius": "DOUBLE",
    "somaLocation": "INT64[]",
}
_COLUMNS = ("bodyId", *PROPERTIES)
#: A query with a time limit, which the engine does not have: the query itself.
_TIMEBOXED = re.compile(
    r'CALL apoc\.cypher\.runTimeboxed\("(?P<query>.*)"\s*,\s*\{\}\s*,\s*\d+\)\s*YIELD value\s*'
    r"RETURN value\.(?P<name>\w+) as (?P<label>\w+)",
    re.DOTALL,
)


class Engine:
    """Answers ``/api/...`` as neuPrint does.

    Parameters
    ----------
    neurons : DataFrame
        ``bodyId``, ``is_neuron`` and any of :data:`PROPERTIES`.
    edges : DataFrame
        ``pre``, ``post``, ``weight`` and ``roiInfo``.
    folder : Path
        For the files from which the engine loads its data.
    """

    def __init__(self, neurons: pd.DataFrame, edges: pd.DataFrame, folder: Path) -> None:
        import ladybug

        self._database = ladybug.Database(":memory:")
        self._threads = threading.local()
        self._ladybug = ladybug
        columns = ", ".join(f"`{name}` {kind}" for name, kind in PROPERTIES.items())
        pairs = ", ".join(
            f"FROM {a} TO {b}" for a in ("Neuron", "Fragment") for b in ("Neuron", "Fragment")
        )
        for label in ("Neuron", "Fragment"):
            self._run(f"CREATE NODE TABLE {label}(bodyId INT64, {columns}, PRIMARY KEY(bodyId))")
        weights = "weight INT64, weightHP INT64, roiInfo STRING"
        self._run(f"CREATE REL TABLE ConnectsTo({pairs}, {weights})")
        is_neuron = neurons["is_neuron"]
        for label, part in (("Neuron", neurons[is_neuron]), ("Fragment", neurons[~is_neuron])):
            file = folder / f"{label}.parquet"
            _with_types(part.reindex(columns=list(_COLUMNS))).to_parquet(file, index=False)
            self._run(f"COPY {label} FROM '{file}'")
        kinds = neurons.set_index("bodyId")["is_neuron"].map({True: "Neuron", False: "Fragment"})
        ends = (edges["pre"].map(kinds), edges["post"].map(kinds))
        for (start, end), part in edges.groupby(list(ends)):
            file = folder / f"{start}-{end}.parquet"
            part.assign(weightHP=part["weight"])[
                ["pre", "post", "weight", "weightHP", "roiInfo"]
            ].to_parquet(file, index=False)
            self._run(f"COPY ConnectsTo FROM '{file}' (from='{start}', to='{end}')")

    def _run(self, query: str) -> tuple[list[str], list[list[Any]]]:
        if not hasattr(self._threads, "connection"):
            self._threads.connection = self._ladybug.Connection(self._database)
        found = self._threads.connection.execute(query)
        return found.get_column_names(), found.get_all()

    def __call__(self, request: Request) -> Response:
        """Return the response to a request."""
        path = request.path
        if path == "/api/version":
            return Response({"Version": "1.9.3"})
        if path == "/api/dbmeta/datasets":
            return Response({DATASET: {"last-mod": "2026-01-01", "uuid": "5a", "ROIs": [*PRIMARY]}})
        if path != "/api/custom/custom":
            return Response({"error": "not found"}, 404)
        query = request.json()["cypher"]
        if ":Meta)" in query:
            return Response(_meta(query))
        boxed = _TIMEBOXED.search(query)
        try:
            columns, rows = self._run(_translated(boxed["query"] if boxed else query))
        except RuntimeError as error:
            return Response(
                {"error": f"failed to execute query: Neo4jError: Neo.ClientError ({error})"}, 400
            )
        if boxed:
            place, columns = columns.index(boxed["name"]), [boxed["label"]]
            rows = [[row[place]] for row in rows]
        data = [[_value(name, cell) for name, cell in zip(columns, row, strict=True)] for row in rows]
        return Response({"columns": columns, "data": data})


def _translated(query: str) -> str:
    """Return a query of Neo4j as the engine writes it."""
    query = query.replace(":Segment", ":Neuron:Fragment")
    query = re.sub(r"exists\((n\.[\w`()]+)\)", r"(\1 IS NOT NULL)", query)
    return re.sub(r"toString\(([^()]+)\)", r"CAST(\1 AS STRING)", query)


def _value(name: str, cell: Any) -> Any:
    if isinstance(cell, decimal.Decimal):
        return int(cell)
    if isinstance(cell, list) and len(cell) == 3 and all(isinstance(axis, int) for axis in cell):
        return {"coordinates": cell, "crs": {"srid": 9157}, "type": "Point"}
    return cell


def _meta(query: str) -> dict[str, Any]:
    """Return the description of the data set, which is not in the engine."""
    entries = {
        "primaryRois": [*PRIMARY],
        "voxelSize": VOXEL_SIZE,
        "neuronProperties": json.dumps(dict.fromkeys(_COLUMNS, "string")),
    }
    single = re.search(r"RETURN \w+\.(\w+)(?: AS (\w+))?\s*$", query.strip())
    if single:
        return {"columns": [single[2] or f"n.{single[1]}"], "data": [[entries.get(single[1])]]}
    hierarchy = {"name": "brain", "children": [{"name": name} for name in (*PRIMARY, LARGER)]}
    meta = {**entries, "dataset": "test", "tag": "v1.0", "superLevelRois": [*PRIMARY]}
    rois = {name: {"pre": 1, "post": 1, "isPrimary": name in PRIMARY} for name in (*PRIMARY, LARGER)}
    row = {
        "meta": meta, "roiInfo": rois, "roiHierarchy": hierarchy, "neuroglancerInfo": {}, "neuroglancerMeta": [],
        "statusDefinitions": {},
    }  # fmt: skip
    return {"columns": list(row), "data": [list(row.values())]}


def _with_types(table: pd.DataFrame) -> pd.DataFrame:
    kinds = {"STRING": "string", "INT64": "Int64", "BOOLEAN": "boolean", "DOUBLE": "Float64"}
    return table.astype({name: kinds[kind] for name, kind in PROPERTIES.items() if kind in kinds})
