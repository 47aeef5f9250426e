"""The accessors: methods are functions, and the repr describes the object."""

from __future__ import annotations

import importlib
import inspect
import pickle
import warnings
from importlib.util import find_spec

import pandas as pd
import pytest
import xarray

import pdneuro
from pdneuro import errors, files, graphs, neuroglancer, tables
from pdneuro.accessors import DataArrayNeuro, DataFrameNeuro, DatasetNeuro, GroupByNeuro, SeriesNeuro
from pdneuro.queries import cave, dimensions, edges, groups, neuromorpho, properties, structures
from pdneuro.sandbox import Sandbox

#: Methods that a column and a table share.
COLUMN_METHODS = {
    tables: ["exact_ids"],
    neuroglancer: ["link"],
    properties: ["properties", "records"],
    edges: ["edges", "upstream", "downstream", "partners", "graph"],
    structures: ["structures", "ancestors", "descendants", "rollup", "is_under"],
    neuromorpho: ["neuromorpho", "morphometry", "persistence", "swc"],
    cave: ["cave", "synapses", "is_latest", "latest", "at"],
}
TABLE_METHODS = {
    properties: ["join_properties"],
    structures: ["join_structures"],
    neuromorpho: ["join_neuromorpho", "join_morphometry"],
    cave: ["join_cave"],
    edges: ["expand", "fractions"],
    files: ["to_swc"],
    tables: [
        "as_edges",
        "threshold",
        "collapse",
        "annotate",
        "sign",
        "degree",
        "reciprocal",
        "motifs",
        "check",
        "morphology",
        "cable_length",
        "path_distance",
        "sample",
    ],
    graphs: [
        "paths",
        "shortest_paths",
        "similarity",
        "to_networkx",
        "to_sparse",
        "to_matrix",
        "to_xarray",
        "to_igraph",
        "to_gephi",
        "to_cytoscape",
    ],
}
DIMENSION_METHODS = [
    "join_properties", "join_cave", "join_structures", "join_neuromorpho", "join_morphometry",
    "rollup", "aggregate", "ids", "edges", "partners", "graph",
]  # fmt: skip
METHODS = [
    *[(cls, name, module) for cls in (SeriesNeuro, DataFrameNeuro) for module, names in COLUMN_METHODS.items() for name in names],
    *[(DataFrameNeuro, name, module) for module, names in TABLE_METHODS.items() for name in names],
    *[(DataArrayNeuro, name, tables) for name in ("at", "structure_means")],
    *[(cls, name, dimensions) for cls in (DataArrayNeuro, DatasetNeuro) for name in DIMENSION_METHODS],
    *[(GroupByNeuro, name, groups) for name in ("edges", "upstream", "downstream", "partners", "graph")],
]  # fmt: skip


@pytest.mark.parametrize(("accessor", "name", "module"), METHODS)
def test_a_method_is_its_function(accessor: type, name: str, module: object) -> None:
    method = getattr(accessor, {"exact_ids": "ids"}.get(name, name))
    function = getattr(module, name)
    assert method.__doc__ == function.__doc__
    mine = list(inspect.signature(method).parameters.values())[1:]
    assert mine == list(inspect.signature(function).parameters.values())[1:]


def public_functions() -> list[object]:
    modules = [*map(importlib.import_module, (
        "pdneuro.queries.properties", "pdneuro.queries.groups", "pdneuro.tables.roles",
        "pdneuro.tables.ids", "pdneuro.tables.edges", "pdneuro.tables.collapse", "pdneuro.tables.thresholds", "pdneuro.tables.annotation", "pdneuro.graphs.networkx", "pdneuro.graphs.matrix", "pdneuro.graphs.exports", "pdneuro.graphs.paths", "pdneuro.graphs.similarity", "pdneuro.tables.pairs", "pdneuro.tables.weights", "pdneuro.queries.edges", "pdneuro.queries.dimensions", "pdneuro.tables.coordinates", "pdneuro.dask.each_row", "pdneuro.dask.segments", "pdneuro.dask.edges", "pdneuro.dask.delayed", "pdneuro.dask.partitions", "pdneuro.transport.cache",
        "pdneuro.transport.tokens", "pdneuro.sources", "pdneuro.sandbox.start", "pdneuro.files.edges", "pdneuro.files.formats", "pdneuro.files.reading", "pdneuro.files.reconstructions", "pdneuro.files.writing", "pdneuro.queries.structures", "pdneuro.tables.columns",
        "pdneuro.tables.structure_tree", "pdneuro.tables.volumes", "pdneuro.tables.unionizes",
        "pdneuro.allen.payload", "pdneuro.allen.data_sets", "pdneuro.allen.tree", "pdneuro.allen.volumes", "pdneuro.allen.api.cache",
        "pdneuro.tables.swc", "pdneuro.tables.skeletons", "pdneuro.tables.morphology", "pdneuro.graphs.trees", "pdneuro.queries.neuromorpho", "pdneuro.neuromorpho.catalogue", "pdneuro.neuromorpho.records", "pdneuro.neuromorpho.citation", "pdneuro.neuromorpho.payload", "pdneuro.queries.cave", "pdneuro.cave.payload", "pdneuro.transport.tls", "pdneuro.transport.http",
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


def test_an_accessor_stores_only_its_object_and_never_raises() -> None:
    for obj in (
        pd.Series(["x"]),
        pd.Series(dtype=object),
        pd.DataFrame(),
        pd.DataFrame({1: [2]}),
        pd.Series([[1]]),
        pd.Index([[1], "x"]),
        xarray.DataArray([1]),
        xarray.Dataset(),
    ):
        assert list(vars(obj.neuro)) == ["_obj"]
        assert vars(obj.neuro)["_obj"] is obj
        assert "neuro" in dir(obj)
        assert "neuro" in repr(obj.neuro)
    assert "2 groups" in repr(pd.DataFrame({"a": [1, 2]}).groupby("a").neuro)


def test_a_column_is_recognized_again_at_each_call(sandbox: Sandbox, ids: pd.Series) -> None:
    frame = pd.DataFrame({"root_id": ids})
    frame.neuro.edges()
    del frame["root_id"]
    with pytest.raises(errors.MissingColumnsError):
        frame.neuro.edges()


def test_the_repr_lists_recognized_roles(sandbox: Sandbox, ids: pd.Series) -> None:
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
def test_a_missing_package_is_an_error_that_names_the_extra(sandbox: Sandbox) -> None:
    with pytest.raises(errors.MissingDependencyError, match=r"pdneuro\[cave\].*pandas 2"):
        pd.Series([5]).neuro.is_latest(source="cave:minnie65_public")


def test_registering_twice_changes_nothing() -> None:
    from pdneuro import accessors

    kinds = (
        pd.Series, pd.DataFrame, pd.Index, xarray.DataArray, xarray.Dataset,
        pd.api.typing.SeriesGroupBy, pd.api.typing.DataFrameGroupBy,
    )  # fmt: skip
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


def test_warnings_show_the_line_of_the_user(sandbox: Sandbox) -> None:
    with pytest.warns(errors.UnknownIdsWarning) as caught:
        pd.Series([123]).neuro.properties("size")
    assert caught[0].filename == __file__
