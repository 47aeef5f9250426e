"""Tables of DuckDB, polars, pyarrow and narwhals are accepted like frames, with the same checks of IDs."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pdneuro
from pdneuro import errors
from pdneuro.tables import annotate, as_edges, collapse
from pdneuro.tables.foreign import to_pandas

LARGE = 720575940621522189


def arrow(columns: dict[str, Any]) -> pa.Table:
    return pa.table({name: pa.array(cells) for name, cells in columns.items()})


def by_duckdb(table: pa.Table) -> Any:
    duckdb = pytest.importorskip("duckdb")
    connection = duckdb.connect()
    connection.register("given", table)
    return connection.sql("SELECT * FROM given")


def by_polars(table: pa.Table) -> Any:
    return pytest.importorskip("polars").from_arrow(table)


def by_narwhals(table: pa.Table) -> Any:
    return pytest.importorskip("narwhals").from_native(by_polars(table))


FORMS: dict[str, Callable[[pa.Table], Any]] = {
    "pyarrow table": lambda table: table,
    "pyarrow dataset": pyarrow.dataset.dataset,
    "record batch reader": lambda table: table.to_reader(),
    "record batch": lambda table: table.combine_chunks().to_batches()[0],
    "DuckDB relation": by_duckdb,
    "polars frame": by_polars,
    "polars lazy frame": lambda table: by_polars(table).lazy(),
    "narwhals frame": by_narwhals,
    "narwhals lazy frame": lambda table: by_narwhals(table).lazy(),
}


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> Callable[[pa.Table], Any]:
    return FORMS[request.param]


def test_tables_of_edges_and_neurons_are_accepted(form: Callable[[pa.Table], Any]) -> None:
    edges = arrow(
        {"pre_root_id": [LARGE, LARGE, 13], "post_root_id": [12, 12, LARGE], "syn_count": [5, 2, 4]}
    )
    neurons = arrow({"root_id": [LARGE, 12], "type": ["KC", None]})
    expected = [[LARGE, 12, 7], [13, LARGE, 4]]

    assert as_edges(form(edges)).weight.tolist() == [5, 2, 4]
    assert collapse(form(edges)).to_numpy().tolist() == expected
    assert pdneuro.neuro(form(edges)).collapse().to_numpy().tolist() == expected
    assert pdneuro.read_edges(form(edges)).weight.tolist() == [5, 2, 4]
    assert pdneuro.read_neurons(form(neurons)).root_id.tolist() == [LARGE, 12]
    labeled = annotate(collapse(form(edges)), form(neurons), "type")
    assert labeled.type_pre.tolist()[0] == labeled.type_post.tolist()[1] == "KC"
    assert labeled.type_pre.isna().tolist() == [False, True]
    by_method = collapse(form(edges)).neuro.annotate(form(neurons), columns="type")
    pd.testing.assert_frame_equal(by_method, labeled)

    brain = pdneuro.Connectome(form(edges), form(neurons))
    assert brain.to_frame().to_numpy().tolist() == [[13, LARGE, 4], [LARGE, 12, 7]]
    assert brain.neurons.type.tolist()[0] == "KC"
    found = pdneuro.neuro(form(neurons)).edges(source=brain)
    assert sorted(found.weight) == [4, 7]
    graph = collapse(form(edges)).neuro.to_networkx(nodes=form(neurons))
    assert graph.nodes[LARGE]["type"] == "KC"


#: Columns of IDs with a fault, or with missing values.
ODD: dict[str, Any] = {
    "rounded by floats": pa.array([float(LARGE), 12.0, 13.0]),
    "small floats": pa.array([11.0, 12.0, 13.0]),
    "fractions": pa.array([11.5, 12.0, 13.0]),
    "NaN": pa.array([11.0, float("nan"), 13.0]),
    "unsigned": pa.array([LARGE, 12, 13], pa.uint64()),
    "too large": pa.array([2**63 + 5, 12, 13], pa.uint64()),
    "text": pa.array([str(LARGE), "12", "13"]),
    "names": pa.array(["KC", "12", "13"]),
    "missing": pa.array([LARGE, None, 13]),
    "missing text": pa.array([str(LARGE), None, "13"]),
    "negative": pa.array([-5, 12, 13]),
    "booleans": pa.array([True, False, True]),
    "int32": pa.array([11, 12, 13], pa.int32()),
    "decimals": pa.array([LARGE, 12, 13], pa.int64()).cast(pa.decimal128(38, 0)),
    "decimals beyond 64 bits": pa.array([10**30, 12, 13], pa.decimal128(38, 0)),
    "null": pa.nulls(3),
    "categories": pa.array([str(LARGE), "12", "13"]).dictionary_encode(),
}


def outcome(table: Any) -> Any:
    """Return the result, or the error and the warning."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always", errors.DroppedRowsWarning)
        try:
            edges = as_edges(table)
        except errors.PdneuroError as error:
            return type(error)
    dropped = [str(one.message) for one in seen if issubclass(one.category, errors.DroppedRowsWarning)]
    return edges.index.tolist(), edges.to_numpy().tolist(), dropped


@pytest.mark.parametrize("kind", ODD)
def test_ids_are_checked_as_in_a_frame(kind: str, form: Callable[[pa.Table], Any]) -> None:
    table = pa.table({"pre": ODD[kind], "post": pa.array([1, 2, 3]), "weight": pa.array([1, 2, 3])})
    cells = [None if cell != cell else cell for cell in table["pre"].to_pylist()]
    if kind in ("rounded by floats", "small floats", "fractions", "NaN"):
        plain: Any = pd.Series(cells, dtype="float64")
    else:
        plain = pd.Series(cells, dtype=object)
    expected = outcome(pd.DataFrame({"pre": plain, "post": [1, 2, 3], "weight": [1, 2, 3]}))
    assert outcome(form(table)) == expected


def test_a_sum_of_duckdb_is_an_integer() -> None:
    duckdb = pytest.importorskip("duckdb")
    relation = duckdb.sql(
        f"SELECT {LARGE} AS pre, 12 AS post, sum(n) AS weight FROM (VALUES (3), (4)) t(n)"
    )
    assert as_edges(relation).to_numpy().tolist() == [[LARGE, 12, 7]]


class OneArray:
    """A column of a package that has Arrow's C interface for one array, but not for a stream."""

    def __init__(self, cells: pa.Array) -> None:
        self.cells = cells

    def __arrow_c_array__(self, requested_schema: Any = None) -> Any:
        return self.cells.__arrow_c_array__(requested_schema)


@pytest.mark.parametrize(
    "make",
    [
        lambda c: c,
        lambda c: c.combine_chunks(),
        lambda c: OneArray(c.combine_chunks()),
        lambda c: pytest.importorskip("polars").Series("root_id", c),
    ],
)
def test_columns_are_accepted(make: Callable[[Any], Any]) -> None:
    column = pa.chunked_array([[LARGE, None], [12]])
    found = pdneuro.neuro(make(column)).ids()
    assert found.dtype == "Int64"
    assert found.dropna().tolist() == [LARGE, 12]


@given(st.lists(st.none() | st.integers(1, 2**63 - 1), min_size=1))
def test_integers_stay_exact(cells: list[int | None]) -> None:
    found = to_pandas(pa.table({"root_id": pa.array(cells, pa.int64())}))["root_id"]
    assert [None if cell is pd.NA else cell for cell in found] == cells


@pytest.mark.parametrize(
    "given", [pd.DataFrame({"a": [1]}), pd.Series([1]), pd.Index([1]), np.arange(3), [1], None]
)
def test_other_objects_are_returned_unchanged(given: Any) -> None:
    assert to_pandas(given) is given
