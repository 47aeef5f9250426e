"""The accessors: thin, stateless, self-describing; and the layers beneath them."""

from __future__ import annotations

import ast
import importlib
import inspect
import pickle
import subprocess
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest

import pdneuro
from pdneuro import (
    edges,
    errors,
    files,
    graphs,
    groups,
    neurons,
    reconstructions,
    root_ids,
    segments,
    structures,
    tables,
)
from pdneuro.accessors.array import DataArrayNeuro
from pdneuro.accessors.frame import DataFrameNeuro
from pdneuro.accessors.groups import GroupByNeuro
from pdneuro.accessors.series import SeriesNeuro
from pdneuro.sandbox import Sandbox

PACKAGE = Path(pdneuro.__file__).parent
SERVICES = {"allen", "braincircuits", "cave", "neuromorpho"}
#: Room -> rooms it may import, besides itself.
BELOW = {"options", "errors", "_compat", "_version"}
LAYERS = {
    "errors": set(),
    "_version": set(),
    "_compat": {"errors"},
    "options": {"errors"},
    "files": {"errors", "_compat", "tables", "transport"},
    "versions": {"_version"},
    "tables": BELOW,
    "transport": BELOW,
    "sources": BELOW | {"files", "tables"},
    "connectome": BELOW | {"sources", "files", "tables", "transport"},
    "graphs": BELOW | {"tables"},
    **{service: BELOW | {"sources", "transport", "tables"} for service in SERVICES},
    "neuromorpho": BELOW | {"files", "transport", "tables"},
    "reconstructions": BELOW | {"neuromorpho", "tables"},
    "root_ids": BELOW | {"cave", "sources", "transport", "tables"},
    "hops": BELOW | {"sources", "tables"},
    "segments": BELOW | {"hops", "sources", "transport", "tables", "graphs"},
    "structures": BELOW | {"allen", "tables"},
    "edges": BELOW | {"hops", "sources", "transport", "tables"},
    "neurons": BELOW | {"segments", "tables", "graphs"},
    "citations": BELOW | {"neuromorpho", "tables"},
    "neuroglancer": BELOW | {"plots", "tables"},
    "plots": BELOW | {"structures", "tables", "graphs"},
    "groups": BELOW | {"segments", "transport", "tables", "graphs"},
    "dask": BELOW
    | {
        "accessors",
        "segments",
        "structures",
        "reconstructions",
        "neuromorpho",
        "edges",
        "sources",
        "tables",
    },
    "accessors": BELOW
    | {
        "segments",
        "neurons",
        "structures",
        "reconstructions",
        "root_ids",
        "groups",
        "edges",
        "files",
        "tables",
        "graphs",
        "plots",
        "neuroglancer",
        "citations",
    },
    "sandbox": BELOW | {"files", "tables", "transport"},
}


def imported(path: Path) -> set[str]:
    """Rooms of pdneuro that a module imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "pdneuro":
            rest = node.module.split(".")[1:]
            found |= {rest[0]} if rest else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("pdneuro.")}
    return found


@pytest.mark.parametrize("room", sorted(LAYERS))
def test_no_layer_imports_upwards(room: str) -> None:
    place = PACKAGE / room
    files = place.rglob("*.py") if place.is_dir() else [place.with_suffix(".py")]
    for file in files:
        assert imported(file) <= LAYERS[room] | {room}, file


def test_every_room_has_its_layer() -> None:
    top = {"__init__", "__main__", "cli", "demo"}
    rooms = {p.stem for p in PACKAGE.glob("*.py")} | {
        p.parent.name for p in PACKAGE.glob("*/__init__.py")
    }
    assert rooms - top == set(LAYERS)


def test_optional_packages_are_imported_where_they_are_used() -> None:
    for file in set(PACKAGE.rglob("*.py")) - set((PACKAGE / "dask").rglob("*.py")):
        for node in ast.parse(file.read_text()).body:
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert name.split(".")[0] not in {
                    "networkx",
                    "pyarrow",
                    "scipy",
                    "igraph",
                    "matplotlib",
                    "dask",
                    "caveclient",
                    "nrrd",
                }


def test_import_is_light() -> None:
    """As light as pandas_flavor: nothing of the network, graphs or extras is loaded."""
    script = (
        "import sys, pandas_flavor; before = set(sys.modules); import pdneuro; "
        "print(*{m.split('.')[0] for m in set(sys.modules) - before})"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    heavy = {
        "requests",
        "requests_cache",
        "networkx",
        "msgspec",
        "tqdm",
        "sqlite3",
        "platformdirs",
        "http",
        "pyarrow",
        "scipy",
        "igraph",
        "dask",
    }
    assert not loaded & heavy
    assert "pdneuro" in loaded


DOORS = [
    *[(SeriesNeuro, name, segments) for name in ("properties", "records", "edges", "upstream", "downstream", "partners", "graph")],
    *[(DataFrameNeuro, name, neurons) for name in ("join_properties", "edges", "upstream", "downstream", "partners", "graph")],
    *[(SeriesNeuro, name, structures) for name in ("structures", "ancestors", "descendants", "rollup", "is_under")],
    (DataFrameNeuro, "join_structures", structures),
    *[(SeriesNeuro, name, reconstructions) for name in ("neuromorpho", "morphometry", "persistence", "swc")],
    *[(DataFrameNeuro, name, reconstructions) for name in ("join_neuromorpho", "join_morphometry")],
    *[(DataFrameNeuro, name, tables) for name in ("check", "morphology", "cable_length", "path_distance")],
    (DataFrameNeuro, "to_swc", files),
    *[(SeriesNeuro, name, root_ids) for name in ("cave", "synapses", "is_latest", "latest", "at")],
    (DataFrameNeuro, "join_cave", root_ids),
    (DataFrameNeuro, "sample", tables),
    *[(DataArrayNeuro, name, tables) for name in ("at", "structure_means")],
    *[(DataFrameNeuro, name, edges) for name in ("expand", "fractions")],
    *[(DataFrameNeuro, name, tables) for name in ("as_edges", "threshold", "collapse", "annotate", "sign", "degree", "reciprocal", "motifs")],
    *[(DataFrameNeuro, name, graphs) for name in ("paths", "shortest_paths", "similarity", "to_networkx", "to_sparse", "to_matrix", "to_xarray", "to_igraph", "to_gephi", "to_cytoscape")],
    *[(GroupByNeuro, name, groups) for name in ("edges", "upstream", "downstream", "partners", "graph")],
]  # fmt: skip


@pytest.mark.parametrize(("accessor", "name", "module"), DOORS)
def test_a_method_is_its_function(accessor: type, name: str, module: object) -> None:
    method, function = getattr(accessor, name), getattr(module, name)
    assert method.__doc__ == function.__doc__
    mine = list(inspect.signature(method).parameters.values())[1:]
    assert mine == list(inspect.signature(function).parameters.values())[1:]


def public_functions() -> list[object]:
    modules = [segments, neurons, groups, *map(importlib.import_module, (
        "pdneuro.tables.ids", "pdneuro.tables.edges", "pdneuro.graphs.networkx", "pdneuro.graphs.matrix", "pdneuro.graphs.exports", "pdneuro.graphs.paths", "pdneuro.graphs.similarity", "pdneuro.tables.pairs", "pdneuro.tables.weights", "pdneuro.hops", "pdneuro.edges", "pdneuro.dask.edges", "pdneuro.dask.neurons", "pdneuro.dask.structures", "pdneuro.transport.cache",
        "pdneuro.transport.tokens", "pdneuro.sources", "pdneuro.sandbox.start", "pdneuro.files", "pdneuro.structures", "pdneuro.tables.nested",
        "pdneuro.tables.structures", "pdneuro.tables.volumes", "pdneuro.tables.storable", "pdneuro.tables.unionizes",
        "pdneuro.allen.rma", "pdneuro.allen.tables", "pdneuro.allen.structures", "pdneuro.allen.volumes", "pdneuro.allen.cache",
        "pdneuro.tables.swc", "pdneuro.tables.node_table", "pdneuro.tables.measures", "pdneuro.graphs.trees", "pdneuro.reconstructions", "pdneuro.dask.reconstructions", "pdneuro.neuromorpho.catalogue", "pdneuro.neuromorpho.neurons", "pdneuro.neuromorpho.citation", "pdneuro.neuromorpho.payload", "pdneuro.transport.rate", "pdneuro.root_ids", "pdneuro.cave.questions", "pdneuro.transport.tls",
    ))]  # fmt: skip
    return [
        function
        for module in modules
        for name, function in vars(module).items()
        if inspect.isfunction(function)
        and function.__module__ == module.__name__
        and not name.startswith("_")
    ]


@pytest.mark.parametrize("function", public_functions(), ids=lambda f: f"{f.__module__}.{f.__name__}")
def test_public_functions_are_documented_and_typed(function: object) -> None:
    assert function.__doc__
    signature = inspect.signature(function)
    assert signature.return_annotation is not inspect.Signature.empty
    parameters = [p for name, p in signature.parameters.items() if name != "self"]
    assert all(p.annotation is not inspect.Parameter.empty for p in parameters)


def api_methods() -> list[object]:
    classes = [getattr(pdneuro.allen, name) for name in pdneuro.allen.__all__ if name[0].isupper()]
    return [
        member
        for cls in classes
        for name, member in inspect.getmembers(cls, inspect.isfunction)
        if not name.startswith("_")
    ]


@pytest.mark.parametrize("method", sorted(set(api_methods()), key=str), ids=lambda f: f.__qualname__)
def test_methods_of_the_allen_classes_are_documented_and_typed(method: object) -> None:
    test_public_functions_are_documented_and_typed(method)


def test_accessors_hold_nothing_and_never_raise() -> None:
    for obj in (
        pd.Series(["x"]),
        pd.Series(dtype=object),
        pd.DataFrame(),
        pd.DataFrame({1: [2]}),
        pd.Series([[1]]),
    ):
        assert list(vars(obj.neuro)) == ["_obj"]
        assert vars(obj.neuro)["_obj"] is obj
        assert "neuro" in dir(obj)
        assert "neuro" in repr(obj.neuro)
    assert "2 groups" in repr(pd.DataFrame({"a": [1, 2]}).groupby("a").neuro)


def test_columns_are_looked_up_at_each_call(sandbox: Sandbox, ids: pd.Series) -> None:
    frame = pd.DataFrame({"root_id": ids})
    frame.neuro.edges()
    del frame["root_id"]
    with pytest.raises(errors.MissingColumnsError):
        frame.neuro.edges()


def test_the_repr_says_what_was_recognised(sandbox: Sandbox, ids: pd.Series) -> None:
    table = pd.DataFrame({"root_id": [7.2e17, None], "pre": [1, 2], "post": [3, 4]})
    said = repr(table.neuro)
    for words in (
        "2 rows",
        "'root_id' (float64, 1 missing)",
        "digits of 'root_id'",
        "'pre' -> 'post'",
        ".to_networkx()",
        "missing: a column of weights",
    ):
        assert words in said
    assert "no segment IDs" in repr(pd.DataFrame({"x": [1]}).neuro)
    assert "on='root_id'" in repr(pd.DataFrame({"root_id": ids, "bodyId": ids}).neuro)
    assert "braincircuits:fruitfly_fafb_flywire" in repr(ids.neuro.edges().neuro)
    assert not [request for request in sandbox.requests if "connectivity" not in request.path]


@pytest.mark.skipif(find_spec("caveclient") is not None, reason="caveclient is here")
def test_an_absent_extra_is_named(sandbox: Sandbox) -> None:
    with pytest.raises(errors.MissingDependencyError, match=r"pdneuro\[cave\].*pandas 2"):
        pd.Series([5]).neuro.is_latest(source="cave:minnie65_public")


def test_registering_twice_changes_nothing() -> None:
    from pdneuro import accessors

    kinds = (pd.Series, pd.DataFrame, pd.api.typing.SeriesGroupBy, pd.api.typing.DataFrameGroupBy)
    before = [kind.__dict__["neuro"] for kind in kinds]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        accessors.register()
    assert all(kind.__dict__["neuro"] is old for kind, old in zip(kinds, before, strict=True))


def test_public_names() -> None:
    for name in pdneuro.__all__:
        assert getattr(pdneuro, name) is not None
        assert name in dir(pdneuro)
    with pytest.raises(AttributeError, match="nothing"):
        _ = pdneuro.nothing


def test_errors_are_one_family_and_survive_pickling() -> None:
    family = [
        value
        for value in vars(errors).values()
        if inspect.isclass(value) and value.__module__ == errors.__name__
    ]
    for kind in family:
        root = errors.PdneuroWarning if issubclass(kind, Warning) else errors.PdneuroError
        assert issubclass(kind, root)
        assert kind.__doc__
    error = errors.ServerError("it broke.", status=500, url="https://host/x")
    error.progress = "5 of 6."
    back = pickle.loads(pickle.dumps(error))
    assert str(back) == str(error)
    assert (type(back), back.status, back.url) == (errors.ServerError, 500, "https://host/x")


def test_warnings_point_at_the_callers_line(sandbox: Sandbox) -> None:
    with pytest.warns(errors.UnknownIdsWarning) as caught:
        pd.Series([123]).neuro.properties("size")
    assert caught[0].filename == __file__
