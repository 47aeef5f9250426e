"""Index.neuro: the methods of a column, with results that are indexed by the index."""

from __future__ import annotations

import inspect
from typing import Any

import pandas as pd
import pytest

import pdneuro
from pdneuro import errors
from pdneuro.accessors import IndexNeuro, SeriesNeuro
from pdneuro.sandbox import Sandbox

KNOWN = pdneuro.sandbox.neurons()["root_id"].head(4).tolist()
#: Values, name of the index, method, arguments.
CALLS: list[tuple[list[Any], str, str, tuple[Any, ...]]] = [
    (KNOWN, "root_id", "ids", ()),
    (KNOWN, "root_id", "properties", ("size", "link_pre")),
    (KNOWN, "root_id", "records", ("nucleus",)),
    (KNOWN, "root_id", "edges", ()),
    (KNOWN, "root_id", "upstream", ()),
    (KNOWN, "root_id", "downstream", ()),
    (KNOWN, "root_id", "partners", ()),
    ([385, -549, 997], "structure_id", "structures", ("acronym", "name")),
    (["VISp", "TH", "root"], "acronym", "ancestors", ()),
    ([385, 549], "structure_id", "descendants", ()),
    (["VISp5", "LGd"], "acronym", "rollup", (["CTX", "TH"],)),
    (["VISp5", "LGd"], "acronym", "is_under", ("CTX",)),
    ([1, 2], "neuron_id", "neuromorpho", ("species",)),
    (["cell_0001", "cell_0002"], "neuron_name", "morphometry", ("n_stems",)),
    ([1, 2], "neuron_id", "persistence", ()),
    ([1, 2], "neuron_id", "swc", ()),
]


@pytest.mark.parametrize(
    ("values", "name", "method", "arguments"), CALLS, ids=[call[2] for call in CALLS]
)
def test_an_index_gives_the_results_of_a_column(
    sandbox: Sandbox, values: list[Any], name: str, method: str, arguments: tuple[Any, ...]
) -> None:
    index = pd.Index(values, name=name)
    levels = pd.MultiIndex.from_arrays([list("wxyz")[: len(values)], index], names=["label", name])
    column = pd.Series(values, index=index, name=name)
    expected = getattr(column.neuro, method)(*arguments)
    found = getattr(index.neuro, method)(*arguments)
    compare = (
        pd.testing.assert_series_equal if isinstance(found, pd.Series) else pd.testing.assert_frame_equal
    )
    compare(found, expected)
    same_rows = len(found) == len(index) and found.index.equals(index)
    for options in ({}, {"level": name}, {"level": 1}, {"level": -1}):
        of_level = getattr(levels.neuro, method)(*arguments, **options)
        if same_rows:
            assert of_level.index.equals(levels)
            of_level = of_level.set_axis(index)
        elif method in ("ancestors", "descendants"):
            of_level = of_level.droplevel("label")
        compare(of_level, expected)


def test_an_index_has_the_methods_of_a_column() -> None:
    public = {name for name in dir(SeriesNeuro) if not name.startswith("_")}
    assert public - {name for name in dir(IndexNeuro) if not name.startswith("_")} == {
        "plot",
        "provenance",
        "cite",
    }
    for name in public - {"plot", "provenance", "cite"}:
        parameters = inspect.signature(getattr(IndexNeuro, name)).parameters
        expected = [
            ("level" if each == "on" else each)
            for each in inspect.signature(getattr(SeriesNeuro, name)).parameters
        ]
        assert list(parameters) == expected
        assert "level : hashable" in getattr(IndexNeuro, name).__doc__
        assert "on : hashable" not in getattr(IndexNeuro, name).__doc__


def test_a_level_must_be_recognized_or_named(sandbox: Sandbox) -> None:
    two = pd.MultiIndex.from_arrays([KNOWN, KNOWN], names=["root_id", "bodyId"])
    with pytest.raises(errors.AmbiguousColumnError, match=r"'root_id', 'bodyId'.*level='root_id'"):
        two.neuro.edges()
    unknown = two.set_names(["a", None])
    with pytest.raises(
        errors.MissingColumnsError, match=r"no level of segment IDs.*'a', None.*level='a'"
    ):
        unknown.neuro.properties("size")
    with pytest.raises(errors.MissingColumnsError, match=r"no level 'rootid'.*'root_id'"):
        two.neuro.ids(level="rootid")
    with pytest.raises(errors.MissingColumnsError, match="no level 2 "):
        two.neuro.ids(level=2)
    with pytest.raises(TypeError, match=r"'min_wieght'.*Did you mean 'min_weight'"):
        two.neuro.edges(min_wieght=3)
    assert not sandbox.requests
    assert unknown.neuro.ids(level=1).tolist() == KNOWN
    with pytest.raises(errors.MissingColumnsError, match="no level 'x'"):
        pd.Index(KNOWN).neuro.ids(level="x")
    assert pd.Index(KNOWN).neuro.ids(level=0).tolist() == KNOWN


def test_ids_of_a_level_with_gaps_stay_exact() -> None:
    levels = pd.MultiIndex(
        levels=[["a", "b"], KNOWN[:1]], codes=[[0, 1], [0, -1]], names=["x", "root_id"]
    )
    ids = levels.neuro.ids()
    assert ids.iloc[0] == KNOWN[0]
    assert ids.isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("index", "words"),
    [
        (pd.Index(KNOWN, name="root_id"), ["index 'root_id', 4 rows", "segment IDs: 'root_id' (int64)", ".edges()"]),
        (pd.Index(["VISp"], name="acronym"), ["structures: 'acronym'", ".rollup("]),
        (pd.MultiIndex.from_arrays([KNOWN, list("abcd")], names=["root_id", "side"]), ["'root_id', 'side'", "segment IDs: 'root_id'"]),
        (pd.MultiIndex.from_arrays([KNOWN, KNOWN], names=["root_id", "bodyId"]), ["level='root_id' or level='bodyId'"]),
        (pd.MultiIndex.from_arrays([KNOWN, KNOWN], names=["a", "b"]), ["missing: no level of IDs", "level=..."]),
    ],
)  # fmt: skip
def test_the_repr_names_the_recognized_level(index: pd.Index, words: list[str]) -> None:
    assert all(word in repr(index.neuro) for word in words)
    assert "<table" in index.neuro._repr_html_()
