"""IDs as a dimension: coordinates equal the columns of the same join; values are never read."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from xarray.backends import BackendArray
from xarray.core.indexing import LazilyIndexedArray

import pdneuro
from pdneuro import errors
from pdneuro.sandbox import Sandbox

KNOWN = pdneuro.sandbox.neurons()["root_id"].head(6).tolist()
UNKNOWN_SEGMENT = 720575940600000000
#: Name -> dimension, values that it can hold, method and arguments of a join.
JOINS: dict[str, tuple[str, list[Any], str, tuple[str, ...]]] = {
    "properties": (
        "root_id",
        [*KNOWN, UNKNOWN_SEGMENT, 0],
        "join_properties",
        ("link_pre", "size", "neurotransmitter", "nucleus"),
    ),
    "text": (
        "root_id",
        [*map(str, KNOWN), str(UNKNOWN_SEGMENT), ""],
        "join_properties",
        ("size", "neurotransmitter"),
    ),
    "structures": (
        "structure_id",
        [385, -385, 549, 997, 4, 0],
        "join_structures",
        ("id", "acronym", "depth", "color", "parent_structure_id"),
    ),
    "acronyms": ("acronym", ["VISp", "TH", "void", "nowhere", ""], "join_structures", ("id", "name")),
    "records": (
        "neuron_id",
        [1, 2, 3, 999_999],
        "join_neuromorpho",
        ("species", "max_age", "upload_date", "neuron_name"),
    ),
    "measurements": ("neuron_name", ["cell_0001", "cell_0002", "nobody"], "join_morphometry", ("n_stems",)),
}  # fmt: skip
ZARR = pytest.param(
    "zarr", marks=pytest.mark.skipif(not find_spec("zarr"), reason="zarr is not installed")
)
NETCDF = pytest.param(
    "netcdf", marks=pytest.mark.skipif(not find_spec("netCDF4"), reason="netCDF4 is not installed")
)


class Unreadable(BackendArray):
    """Values of a file that must not be read."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self.dtype = np.dtype(float)

    def __getitem__(self, key: Any) -> Any:
        raise AssertionError("the values were read")


def unreadable(shape: tuple[int, ...], backend: str) -> Any:
    if backend == "file":
        return LazilyIndexedArray(Unreadable(shape))
    import dask.array

    def fail(block: Any) -> Any:
        raise AssertionError("the values were computed")

    return dask.array.zeros(shape, chunks=2).map_blocks(fail, meta=np.empty((0,) * len(shape)))


def stored(array: xr.DataArray, backend: str, folder: Path) -> xr.DataArray:
    """Return an array as read from a file."""
    path = folder / "array"
    dataset = array.rename("x").to_dataset()
    if backend == "zarr":
        dataset.to_zarr(path, zarr_format=2)
        return xr.open_zarr(path, chunks=None)["x"]
    dataset.to_netcdf(path, engine="netcdf4")
    return xr.open_dataset(path, engine="netcdf4")["x"]


def with_backend(array: xr.DataArray, backend: str, folder: Path) -> xr.DataArray:
    if backend == "dask":
        return array.chunk(2)
    return array if backend == "numpy" else stored(array, backend, folder)


def check_coordinate(coordinate: xr.DataArray, column: pd.Series) -> None:
    """Compare a coordinate to a column, by the rule for dtypes."""
    values = coordinate.to_numpy().tolist()
    assert len(values) == len(column)
    kind = coordinate.dtype.kind
    for value, cell in zip(values, column.tolist(), strict=True):
        if not pd.isna(cell):
            assert pd.Timestamp(value) == cell if kind == "M" else value == cell
        elif kind == "U":
            assert value == ""
        else:
            assert value == 0 if kind == "i" else pd.isna(pd.Timestamp(value) if kind == "M" else value)
    types, gaps = pd.api.types, column.isna().any()
    if types.is_bool_dtype(column.dtype):
        assert kind == ("f" if gaps else "b")
    elif types.is_integer_dtype(column.dtype):
        is_id = coordinate.name.endswith("id")
        assert coordinate.dtype == ("int64" if is_id or not gaps else "float64")
    elif types.is_datetime64_any_dtype(column.dtype):
        assert coordinate.dtype == "datetime64[ns]"
    elif types.is_float_dtype(column.dtype):
        assert coordinate.dtype == "float64"
    elif not column.isna().all():
        assert kind == "U"


@pytest.mark.parametrize("backend", ["numpy", "dask", ZARR])
@pytest.mark.parametrize("name", JOINS)
@settings(max_examples=6)
@given(data=st.data())
def test_a_coordinate_equals_the_column_of_the_same_join(
    sandbox: Sandbox, name: str, backend: str, data: st.DataObject
) -> None:
    dim, possible, method, fields = JOINS[name]
    labels = data.draw(st.lists(st.sampled_from(possible), min_size=1, max_size=8), label="labels")
    fields = tuple(data.draw(st.lists(st.sampled_from(fields), min_size=1, unique=True), label="fields"))
    dims = data.draw(st.permutations(["time", dim, "trial"]), label="dims")[
        : data.draw(st.integers(1, 3))
    ]
    dims = dims if dim in dims else [*dims, dim]
    shape = [len(labels) if each == dim else 2 for each in dims]
    array = xr.DataArray(np.arange(np.prod(shape)).reshape(shape), coords={dim: labels}, dims=dims)
    with tempfile.TemporaryDirectory() as folder:
        array = with_backend(array, backend, Path(folder))
        options: dict[str, Any] = {"on_missing": "ignore"}
        if method == "join_properties":
            options["multiple"] = "first"
        elif method == "join_structures":  # "structure_id" would be the name of the dimension
            options["prefix"] = "its_"
        column = array[dim].to_series()
        table = getattr(column.to_frame().neuro, method)(*fields, on=dim, **options)
        before = array.copy(deep=True)
        joined = getattr(array.neuro, method)(*fields, dim=dim, fill_value=0, **options)
        new = [each for each in table.columns if each != dim]
        assert [each for each in joined.coords if each not in array.coords] == new
        for each in new:
            assert joined[each].dims == (dim,)
            check_coordinate(joined[each], table[each])
        xr.testing.assert_identical(array, before)
        xr.testing.assert_equal(joined.drop_vars(new), array)
        assert type(joined.variable._data) is type(array.variable._data)
        sources = [json.loads(joined.attrs["pdneuro"])["source"], table.attrs["pdneuro"]["source"]]
        assert sources[0] == sources[1]
        # The same call again changes nothing but the time of the request.
        again = getattr(joined.neuro, method)(*fields, dim=dim, fill_value=0, **options)
        assert list(again.coords) == list(joined.coords)
        first, second = (json.loads(each.attrs["pdneuro"]) for each in (joined, again))
        assert second == {**first, "requested_at": second["requested_at"]}


@pytest.mark.parametrize("backend", ["file", "dask"])
def test_values_are_never_read(sandbox: Sandbox, backend: str) -> None:
    array = xr.DataArray(
        unreadable((3, 4), backend), coords={"root_id": KNOWN[:4]}, dims=("time", "root_id")
    )
    with pytest.raises(AssertionError):
        array.compute()
    assert "segment IDs" in repr(array.neuro)
    for obj in (array, array.to_dataset(name="rates")):
        joined = obj.neuro.join_properties("size", indicator="status", how="inner")
        assert joined["status"].values.tolist() == ["found"] * 4
        assert obj.neuro.ids().tolist() == KNOWN[:4]
        assert len(obj.neuro.edges())
        assert len(obj.neuro.partners())
        assert obj.neuro.graph().number_of_edges()
    structures = array.rename(root_id="structure").assign_coords(structure=["VISp", "VISl", "TH", "LGd"])
    assert structures.neuro.join_structures("name")["structure_name"].dtype.kind == "U"
    assert structures.neuro.rollup(["CTX", "TH"])["structure_rollup"].values.tolist()[0] == "CTX"
    neurons = array.rename(root_id="neuron_id").assign_coords(neuron_id=[1, 2, 3, 4])
    assert "species" in neurons.neuro.join_neuromorpho("species").coords
    assert "morphometry_n_stems" in neurons.neuro.join_morphometry("n_stems").coords
    if backend == "dask":
        lazy = structures.isel(structure=[0, 1, 3]).neuro.aggregate(["CTX", "TH"], how="sum")
        assert lazy.chunks
        with pytest.raises(AssertionError):
            lazy.compute()


def rates(**coords: Any) -> xr.DataArray:
    given = {"root_id": KNOWN[:4], **coords}
    return xr.DataArray(np.ones((2, 4)), coords=given, dims=("time", "root_id"), name="rates")


BAD: dict[str, tuple[Callable[[], Any], dict[str, Any], type[Exception], str]] = {
    "no coordinate": (
        lambda: xr.DataArray(np.ones(3), dims="root_id"), {},
        errors.MissingColumnsError, r"dimension 'root_id' has no coordinate.*assign_coords"),
    "a named dimension without coordinate": (
        rates, {"dim": "time"}, errors.MissingColumnsError, "dimension 'time' has no coordinate"),
    "nothing recognized": (
        lambda: rates().rename(root_id="cell"), {},
        errors.MissingColumnsError, "no dimension of segment IDs.*'time', 'cell'"),
    "several recognized": (
        lambda: rates(bodyId=("root_id", [1, 2, 3, 4])), {},
        errors.AmbiguousColumnError, "'root_id', 'bodyId'.*dim='root_id'"),
    "a misspelled name": (
        rates, {"dim": "rootid"}, errors.MissingColumnsError, "'rootid'.*Did you mean 'root_id'"),
    "two dimensions": (
        lambda: rates(ids=(("time", "root_id"), np.ones((2, 4), int))), {"dim": "ids"},
        errors.InvalidCoordinateError, "'ids' has the dimensions 'time', 'root_id'"),
    "no dimension": (
        lambda: rates().isel(root_id=0), {"dim": "root_id"},
        errors.InvalidCoordinateError, "'root_id' has no dimension"),
    "a data variable": (
        lambda: rates().to_dataset().assign(ids=("root_id", KNOWN[:4])), {"dim": "ids"},
        errors.MissingColumnsError, r"'ids' is a data variable.*set_coords\('ids'\)"),
    "floats": (
        lambda: rates(root_id=np.array(KNOWN[:4], float)), {},
        errors.PrecisionLossError, "'root_id'"),
    "text that is not an ID": (
        lambda: rates(root_id=["a", "b", "c", "d"]), {}, errors.InvalidIdError, "'root_id'"),
    "levels": (
        lambda: rates(side=("root_id", list("lrlr"))).set_index(cell=["root_id", "side"])
        .rename(root_id="cell") if False else rates().rename(root_id="cell").drop_vars("cell").assign_coords(
            xr.Coordinates.from_pandas_multiindex(
                pd.MultiIndex.from_arrays([KNOWN[:4], list("lrlr")], names=["root_id", "side"]), "cell")),
        {"dim": "cell"}, errors.AmbiguousColumnError, "dim='root_id' or dim='side'"),
    "one of two dims": (
        rates, {"dim": ["root_id", "post"]}, errors.MissingColumnsError, "'post'"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_an_error_before_any_request(sandbox: Sandbox, name: str) -> None:
    make, options, kind, message = BAD[name]
    obj = make()
    for method in ("join_properties", "edges", "graph", "partners"):
        if isinstance(options.get("dim"), list) and method != "join_properties":
            continue
        arguments = ("size",) if method == "join_properties" else ()
        with pytest.raises(kind, match=message):
            getattr(obj.neuro, method)(*arguments, **options)
    assert not sandbox.requests


def test_levels_of_a_multiindex_are_dimensions_of_ids(sandbox: Sandbox) -> None:
    levels = pd.MultiIndex.from_arrays([KNOWN[:2], ["l", "r"]], names=["root_id", "side"])
    array = xr.DataArray([1.0, 2.0], xr.Coordinates.from_pandas_multiindex(levels, "cell"), ("cell",))
    joined = array.neuro.join_properties("size")
    assert joined["size"].dims == ("cell",)
    assert (
        joined["size"].values.tolist()
        == array.neuro.join_properties("size", dim="root_id")["size"].values.tolist()
    )
    assert len(array.neuro.partners(group_by="side"))


def test_duplicate_ids_get_the_value_of_each_position(sandbox: Sandbox) -> None:
    array = xr.DataArray([1, 2, 3], coords={"root_id": [KNOWN[0], KNOWN[1], KNOWN[0]]}, dims="root_id")
    size = array.neuro.join_properties("size")["size"].values.tolist()
    assert size[0] == size[2] != size[1]
    assert size[1] == pd.Series(KNOWN).neuro.properties("size")["size"][1]


def test_a_coordinate_along_a_dimension_can_hold_the_ids(sandbox: Sandbox) -> None:
    array = xr.DataArray(np.ones((2, 3)), coords={"id": ("cell", KNOWN[:3])}, dims=("time", "cell"))
    joined = array.neuro.join_properties("size")
    assert joined["size"].dims == ("cell",)
    assert array.neuro.ids(dim="id").index.equals(pd.RangeIndex(3))
    assert "along 'cell': 'id'" in repr(array.neuro)


@pytest.mark.parametrize("make", [pd.Categorical, lambda ids: pd.array(ids, "Int64")])
def test_ids_in_an_array_of_pandas_stay_exact(make: Any) -> None:
    cells = make([2**60 + 1, None, 2**60 + 2])
    array = xr.DataArray(np.ones(3), coords={"root_id": ("cell", cells)}, dims="cell")
    assert array.neuro.ids().tolist() == [2**60 + 1, pd.NA, 2**60 + 2]


def test_a_coordinate_of_other_objects_is_taken(sandbox: Sandbox) -> None:
    array = xr.DataArray([1, 2], coords={"root_id": KNOWN[:2]}, dims="root_id")
    lists = np.empty(2, object)
    lists[:] = [[1], [2]]
    taken = array.assign_coords(size=("root_id", lists))
    with pytest.raises(
        errors.ColumnExistsError, match="'size' is already a coordinate with other values"
    ):
        taken.neuro.join_properties("size")
    expected = array.neuro.join_properties("size")
    xr.testing.assert_equal(taken.neuro.join_properties("size", overwrite=True), expected)


def test_names_that_are_taken(sandbox: Sandbox) -> None:
    array = rates()
    for taken, what in (
        (array.assign_coords(size=5), "coordinate"),
        (array.rename(time="size"), "dimension"),
        (array.to_dataset().assign(size=3), "data variable"),
        (array.assign_coords(size=("time", [1, 2])), "coordinate"),
    ):
        message = f"'size' is already a {what}, .*'root_id'.*suffix=... or prefix=... for other names"
        with pytest.raises(errors.ColumnExistsError, match=message):
            taken.neuro.join_properties("size", overwrite=True)
        assert "size_new" in taken.neuro.join_properties("size", suffix="_new").coords
        assert "my_size" in taken.neuro.join_properties("size", prefix="my_").coords
    along = array.assign_coords(size=("root_id", [1, 2, 3, 4]))
    with pytest.raises(errors.ColumnExistsError, match=r"with other values.*overwrite=True"):
        along.neuro.join_properties("size")
    replaced = along.neuro.join_properties("size", overwrite=True)
    xr.testing.assert_equal(replaced, array.neuro.join_properties("size"))
    indexed = along.set_xindex("size").neuro.join_properties("size", overwrite=True)
    assert indexed["size"].values.tolist() == replaced["size"].values.tolist()
    with pytest.raises(errors.ColumnExistsError):
        array.neuro.join_structures(
            "id", dim="root_id", prefix="root_", on_missing="ignore", fill_value=0
        )


def test_how_indicator_and_fill_value(sandbox: Sandbox) -> None:
    array = xr.DataArray(
        np.arange(8).reshape(2, 4),
        coords={"root_id": [KNOWN[0], 0, UNKNOWN_SEGMENT, KNOWN[1]]},
        dims=("t", "root_id"),
    )
    options: dict[str, Any] = {"multiple": "first", "on_missing": "ignore"}
    with pytest.raises(
        errors.InvalidCoordinateError, match=r"2 values of 'nucleus_id'.*position 1\..*fill_value=0"
    ):
        array.neuro.join_properties("nucleus", **options)
    joined = array.neuro.join_properties("nucleus", fill_value=-1, indicator=True, **options)
    assert joined["_merge"].values.tolist() == ["found", "missing", "unknown", "found"]
    assert joined["nucleus_id"].dtype == np.int64
    assert joined["nucleus_id"].values.tolist()[1:3] == [-1, -1]
    assert np.isnan(joined["nucleus_volume"].values[1:3]).all()
    inner = array.neuro.join_properties("nucleus", how="inner", **options)
    assert inner["nucleus_id"].values.tolist() == joined["nucleus_id"].values[[0, 3]].tolist()
    assert inner.values.tolist() == [[0, 3], [4, 7]]
    with pytest.raises(errors.InvalidCoordinateError, match=r"'nucleus' contains lists.*multiple="):
        array.neuro.join_properties("nucleus", multiple="list", on_missing="ignore")


def test_both_dimensions_of_a_matrix(sandbox: Sandbox) -> None:
    edges = pd.Series(KNOWN).neuro.edges(min_weight=20)
    neurons = pdneuro.sandbox.neurons()[["root_id", "cell_type"]]
    matrix = edges.neuro.to_xarray(nodes=neurons)
    assert 'join_properties("size", dim=\'pre\', suffix="_pre")' in repr(matrix.neuro)
    both = matrix.neuro.join_properties("size", dim=["pre", "post"])
    one = matrix.neuro.join_properties("size", dim="pre")
    with pytest.raises(errors.ColumnExistsError, match="suffix="):
        one.neuro.join_properties("size", dim="post")
    two = one.neuro.join_properties("size", dim="post", suffix="_post")
    back = both.neuro.to_edges()
    pd.testing.assert_frame_equal(two.neuro.to_edges()[back.columns], back)
    assert list(back.columns) == [
        "pre",
        "post",
        "weight",
        "cell_type_pre",
        "cell_type_post",
        "size_pre",
        "size_post",
    ]
    expected = back[["pre", "post"]].neuro.join_properties("size", on=["pre", "post"])
    pd.testing.assert_frame_equal(back[["size_pre", "size_post"]], expected[["size_pre", "size_post"]])
    clash = one.assign_coords(size_pre=("pre", np.arange(one.sizes["pre"])))
    with pytest.raises(errors.ColumnExistsError, match="'size_pre'"):
        clash.neuro.to_edges()


def test_a_matrix_collapses_as_its_edges(sandbox: Sandbox) -> None:
    neurons = pdneuro.sandbox.neurons()[["root_id", "cell_type", "side"]]
    edges = pdneuro.sandbox.neurons().head(80).neuro.edges(within=True)
    annotated = edges.neuro.annotate(neurons, ["cell_type", "side"])
    for matrix in (annotated.neuro.to_xarray(), edges.neuro.to_xarray(nodes=neurons)):
        for group_by in ("cell_type", ["cell_type", "side"], neurons.set_index("root_id")["side"], None):
            found = matrix.neuro.collapse(group_by)
            pd.testing.assert_frame_equal(found, matrix.neuro.to_edges().neuro.collapse(group_by))
            keys = [name for name in found.columns if name not in ("weight", "n_pairs")]
            of_edges = annotated.neuro.collapse(group_by).sort_values(keys, ignore_index=True)
            pd.testing.assert_frame_equal(
                found.sort_values(keys, ignore_index=True), of_edges, check_dtype=False
            )
    assert ".collapse('cell_type')" in repr(matrix.neuro)


def test_group_by_puts_labels_on_the_dimensions(sandbox: Sandbox) -> None:
    neurons = pdneuro.sandbox.neurons()[["root_id", "cell_type", "side"]]
    edges = pdneuro.sandbox.neurons().head(80).neuro.edges(within=True)
    grouped = edges.neuro.to_xarray("side", nodes=neurons)
    matrix = edges.neuro.to_matrix(neurons.set_index("root_id")["side"])
    pd.testing.assert_frame_equal(grouped.to_pandas(), matrix, check_dtype=False, check_index_type=False, check_column_type=False)  # fmt: skip
    labels = edges.neuro.to_xarray(group_by=neurons.set_index("root_id")["side"])
    xr.testing.assert_identical(labels, grouped)
    several = edges.neuro.to_xarray(["side", "cell_type"], nodes=neurons)
    assert several.sel(side_pre="left", side_post="right").sum() == grouped.sel(pre="left", post="right")


def test_xarray_works_on_after_a_join(sandbox: Sandbox) -> None:
    array = rates() * [1.0, 2.0, 3.0, 4.0]
    joined = array.neuro.join_properties("neurotransmitter", dim="root_id")
    means = joined.groupby("neurotransmitter_nt_type").mean()
    kinds = pd.Series(KNOWN[:4]).neuro.properties("neurotransmitter")["neurotransmitter_nt_type"]
    expected = pd.Series([1.0, 2.0, 3.0, 4.0]).groupby(kinds).mean()
    assert means.isel(time=0).to_series().to_dict() == expected.to_dict()
    projections = xr.DataArray(
        [[0.1, 0.2]], coords={"structure": [385, 549]}, dims=("experiment", "structure")
    )
    named = projections.neuro.join_structures("acronym", dim="structure").set_xindex("structure_acronym")
    assert named.sel(structure_acronym="TH").item() == 0.2
    named.plot(x="structure_acronym")


def test_provenance_and_citation(sandbox: Sandbox) -> None:
    joined = (
        rates().neuro.join_properties("size").assign_coords(structure=("root_id", [385, 549, 385, 549]))
    )
    both = joined.neuro.join_structures("acronym")
    assert isinstance(both.attrs["pdneuro"], str)
    table = pd.DataFrame({"root_id": KNOWN[:4], "structure": [385, 549, 385, 549]})
    table = table.neuro.join_properties("size", on="root_id").neuro.join_structures("acronym")
    for name in ("source", "queries", "dataset"):
        assert both.neuro.provenance[name].tolist() == table.neuro.provenance[name].tolist()
    assert both.neuro.cite().splitlines()[:-1] == table.neuro.cite().splitlines()[:-1]
    dataset = both.to_dataset().assign_attrs(both.attrs)
    assert dataset.neuro.cite("bibtex").splitlines()[:-1] == table.neuro.cite("bibtex").splitlines()[:-1]
    with pytest.raises(errors.ProvenanceError):
        rates().neuro.cite()
    neurons = xr.DataArray([1, 2], coords={"neuron_id": [1, 2]}, dims="neuron_id")
    cited = neurons.neuro.join_neuromorpho("species").neuro.cite()
    table = pd.DataFrame({"neuron_id": [1, 2]}).neuro.join_neuromorpho("species").neuro.cite()
    assert cited.splitlines()[:-1] == table.splitlines()[:-1]
    assert "not listed" not in cited


@pytest.mark.parametrize("backend", [NETCDF, ZARR])
def test_files_lose_nothing(sandbox: Sandbox, tmp_path: Path, backend: str) -> None:
    array = rates(trial=("time", [1, 2])).assign_coords(neuron_id=("root_id", [1, 2, 3, 4]))
    joined = array.neuro.join_properties(
        "link_pre", "neurotransmitter", "nucleus", multiple="first", indicator=True
    )
    joined = joined.neuro.join_neuromorpho("upload_date", "species", "max_age", dim="neuron_id")
    back = stored(joined, backend, tmp_path)
    for name, before in joined.coords.items():
        after = back.coords[name]
        assert after.to_numpy().tolist() == before.to_numpy().tolist() or before.dtype.kind == "f", name
        assert np.array_equal(after.to_series().isna(), before.to_series().isna())
        if before.dtype.kind != "U":
            assert after.dtype == before.dtype, name
    assert back.attrs == joined.attrs
    assert back.neuro.cite().splitlines()[0] == joined.neuro.cite().splitlines()[0]
    again = back.neuro.join_properties(
        "link_pre", "neurotransmitter", "nucleus", dim="root_id", multiple="first"
    )
    xr.testing.assert_identical(again, back)


# -- structures -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def paths() -> dict[int, str]:
    """Return the path from the root by ID."""
    with pdneuro.sandbox.start():
        frame = pdneuro.allen.structure_tree().frame
    return dict(zip(frame["id"].tolist(), frame["structure_id_path"].tolist(), strict=True))


@pytest.mark.parametrize("how", ["sum", "mean"])
@settings(max_examples=25)
@given(data=st.data())
def test_aggregate_is_a_loop_over_the_targets(
    sandbox: Sandbox, paths: dict[int, str], how: str, data: st.DataObject
) -> None:
    known = sorted(paths)
    some = st.lists(st.sampled_from(known), min_size=1, max_size=8)
    labels = np.array(data.draw(some)) * data.draw(st.sampled_from([1, 1, -1]))
    targets = data.draw(st.lists(st.sampled_from(known), min_size=2, max_size=5, unique=True))
    values = np.array(
        data.draw(
            st.lists(
                st.sampled_from([0.0, 1.5, -2.0, np.nan]), min_size=len(labels), max_size=len(labels)
            )
        )
    )
    array = xr.DataArray(
        [values, values * 2], coords={"structure": labels, "t": [3, 4]}, dims=("t", "structure")
    )
    below = {
        target * np.sign(labels[0]): [
            place for place, label in enumerate(labels) if f"/{target}/" in paths[abs(label)]
        ]
        for target in targets
    }
    below = {target: places for target, places in below.items() if places}
    if not below:
        with pytest.raises(errors.InvalidQueryError, match="'structure' is below"):
            array.neuro.aggregate(targets, how=how)
        return
    nested = any(
        labels[one] != labels[other] and f"/{abs(labels[one])}/" in paths[abs(labels[other])]
        for places in below.values() for one in places for other in places
    )  # fmt: skip
    if nested and how == "sum":
        with pytest.raises(errors.InvalidQueryError, match=r"'structure'.*count them twice"):
            array.neuro.aggregate(targets, how=how)
        return
    found = array.neuro.aggregate(targets, how=how)
    assert found["structure"].values.tolist() == list(below)
    assert found["structure"].dtype == np.int64
    assert found.dims == ("t", "structure")
    for target, places in below.items():
        expected = getattr(np, how)(values[places])
        assert found.sel(structure=target, t=3).item() == pytest.approx(expected, nan_ok=True)
    acronyms = pd.Series(list(below)).neuro.structures("acronym")["acronym"].tolist()
    assert found["structure_acronym"].values.tolist() == acronyms
    lazy = array.chunk(structure=2).neuro.aggregate(targets, how=how)
    xr.testing.assert_allclose(lazy.compute(), found)


def test_aggregate_of_a_dataset_and_of_acronyms(sandbox: Sandbox) -> None:
    cells = xr.DataArray(
        [[5, 7, 2]],
        coords={"acronym": ["VISp5", "VISl", "LGd"]},
        dims=("mouse", "acronym"),
        name="cells",
    )
    dataset = cells.to_dataset().assign(age=("mouse", [9.0]), area=("acronym", [1.0, np.nan, 3.0]))
    found = dataset.neuro.aggregate(["VIS", "TH", "CTX"], how="sum")
    assert found["structure_acronym"].values.tolist() == ["VIS", "TH", "CTX"]
    assert found["cells"].dims == ("mouse", "structure_id")
    assert found["cells"].values.tolist() == [[12, 2, 12]]
    assert found["cells"].dtype == np.int64
    assert np.isnan(found["area"].values).tolist() == [True, False, True]
    assert found["age"].values.tolist() == [9.0]
    skipped = dataset.neuro.aggregate(["VIS", "TH"], how="sum", skipna=True)
    assert skipped["area"].values.tolist() == [1.0, 3.0]
    of_nothing = dataset.neuro.aggregate(["VISl", "TH"], how="sum", skipna=True)["area"]
    assert np.isnan(of_nothing.values).tolist() == [True, False]  # not zero
    means = dataset.neuro.aggregate(["VIS", "TH"], how="mean", skipna=True)["area"]
    assert means.values.tolist() == [1.0, 3.0]
    with pytest.raises(ValueError, match="'sum' or 'mean', not 'max'"):
        cells.neuro.aggregate(["VIS"], how="max")
    with pytest.raises(TypeError, match="how"):
        cells.neuro.aggregate(["VIS"])
    with pytest.raises(errors.UnknownStructureError):
        cells.neuro.aggregate(["nowhere"], how="sum")
    with pytest.raises(errors.InvalidQueryError, match="'label' has the dtype"):
        dataset.assign(label=("acronym", list("abc"))).neuro.aggregate(["VIS"], how="sum")
    assert json.loads(found.attrs["pdneuro"])["query"].startswith("aggregate(")


def test_a_join_without_new_columns_has_provenance(sandbox: Sandbox) -> None:
    # No segment, so the undocumented columns of this property are not known.
    array = xr.DataArray([1.0], coords={"root_id": [0]}, dims="root_id")
    joined = array.neuro.join_properties("neurotransmitter")
    assert list(joined.coords) == ["root_id"]
    assert json.loads(joined.attrs["pdneuro"])["query"] == "join_properties(neurotransmitter)"
    assert not array.attrs


@pytest.mark.parametrize("indicator", [3, "", None])
def test_an_indicator_that_is_not_a_name_is_an_error(indicator: Any, sandbox: Sandbox) -> None:
    array = xr.DataArray([1.0], coords={"root_id": KNOWN[:1]}, dims="root_id")
    with pytest.raises(ValueError, match="the name of a column"):
        array.neuro.join_properties("size", indicator=indicator)
    assert not sandbox.requests


def test_rollup_adds_the_column_of_the_rollup(sandbox: Sandbox) -> None:
    for labels in ([385, 549, 385], ["VISp", "TH", "root"]):
        array = xr.DataArray([1, 2, 3], coords={"region": labels}, dims="region")
        found = array.neuro.rollup("Brain - Major Divisions", name="division")["division"]
        column = pd.Series(labels).neuro.rollup("Brain - Major Divisions")
        check_coordinate(found, column)
    outside = xr.DataArray([1, 2], coords={"structure": [385, 997]}, dims="structure")
    with pytest.raises(errors.InvalidCoordinateError, match=r"'structure_rollup'.*fill_value=0"):
        outside.neuro.rollup("Brain - Major Divisions")
    filled = outside.neuro.rollup("Brain - Major Divisions", fill_value=0)
    assert filled["structure_rollup"].values.tolist() == [315, 0]
    assert outside.identical(xr.DataArray([1, 2], coords={"structure": [385, 997]}, dims="structure"))


@pytest.mark.skipif(not find_spec("anndata"), reason="anndata is not installed")
def test_a_table_of_observations_is_joined_in_place(sandbox: Sandbox) -> None:
    import anndata

    observations = pd.DataFrame({"root_id": KNOWN[:3]}, index=["a", "b", "c"])
    data = anndata.AnnData(np.eye(3), obs=observations)
    data.obs = data.obs.neuro.join_properties("size")
    assert data.obs["size"].tolist() == pd.Series(KNOWN[:3]).neuro.properties("size")["size"].tolist()
    assert list(data.obs_names) == ["a", "b", "c"]


@pytest.mark.skipif(not find_spec("caveclient"), reason="caveclient is not installed")
def test_cave_tables_become_coordinates(sandbox: Sandbox) -> None:
    ids = pdneuro.sandbox.root_ids()[4:6]
    array = xr.DataArray([0.5, 2.0], coords={"root_id": ids.to_numpy()}, dims="root_id")
    options = {"source": "cave:minnie65_public@1300"}
    joined = array.neuro.join_cave("cell_type_manual", "cell_type", **options)
    assert (
        joined["cell_type"].values.tolist()
        == ids.neuro.cave("cell_type_manual", "cell_type", **options)["cell_type"].tolist()
    )
    whole = array.neuro.join_cave("cell_type_manual", prefix="m_", **options)
    assert all(whole[name].dtype != object for name in whole.coords)
