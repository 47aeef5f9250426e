"""Parameters: their order in joins, the twins for arrays, and a description of each in help()."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import pytest
import xarray as xr

import pdneuro
from pdneuro.accessors import CLASSES
from pdneuro.sandbox import Sandbox

#: The order of the parameters of a join, behind what is joined.
ORDER = ["on", "source", "prefix", "suffix", "overwrite", "multiple", "how", "indicator"]
#: Methods of an array that differ from those of a table with the same name.
OTHER = {"at", "cite", "collapse", "ids"}


def methods(cls: type) -> Iterator[tuple[str, Callable[..., Any]]]:
    for name, member in inspect.getmembers(cls, inspect.isfunction):
        if not name.startswith("_"):
            yield name, member


def parameters(method: Callable[..., Any]) -> dict[str, Any]:
    """Return the parameters after the object, with their defaults."""
    found = list(inspect.signature(method).parameters.values())[1:]
    return {part.name: part.default for part in found}


EVERY = [
    pytest.param(method, id=f"{getattr(kind, '__name__', kind)}.{name}")
    for kind, cls in CLASSES.items()
    for name, method in methods(cls)
]


@pytest.mark.parametrize("method", EVERY)
def test_help_describes_each_parameter(method: Callable[..., Any]) -> None:
    text = (inspect.getdoc(method) or "").partition("Parameters\n----------\n")[2]
    section = re.split(r"\n\n[A-Z][A-Za-z ]+\n-+\n", text)[0]
    described = {
        name.strip().lstrip("*")
        for names in re.findall(r"^(\S.*?) : ", section + "\n", re.MULTILINE)
        for name in names.split(",")
    } | {name.lstrip("*") for name in re.findall(r"^(\S+)$", section, re.MULTILINE)}
    assert described >= parameters(method).keys() - {"self"}
    outside = [line for line in section.splitlines() if line and not line.startswith(" ")]
    assert all(re.fullmatch(r"[\w*, ]+( : .+)?", line) for line in outside), outside


@pytest.mark.parametrize("method", [m for m in EVERY if ".join_" in str(m.id)])
def test_joins_have_one_order_of_parameters(method: Callable[..., Any]) -> None:
    own = ["on" if name == "dim" else name for name in parameters(method)]
    assert [name for name in own if name in ORDER] == [name for name in ORDER if name in own]


ARRAYS = CLASSES[xr.DataArray]
TWINS = [
    name for name, _ in methods(ARRAYS) if name not in OTHER and hasattr(CLASSES[pd.DataFrame], name)
]


@pytest.mark.parametrize("name", TWINS)
def test_a_method_of_arrays_has_the_parameters_of_its_twin(name: str) -> None:
    column = parameters(getattr(CLASSES[pd.DataFrame], name))
    array = parameters(getattr(ARRAYS, name))
    del array["dim"]
    for part in ("fill_value", *(("name", "overwrite") if name == "rollup" else ())):
        array.pop(part, None)
    column.pop("on")
    assert array == column


def test_parcellation_indexes_of_an_array_are_named_as_those_of_a_column(sandbox: Sandbox) -> None:
    table = pd.DataFrame({"parcellation_index": [1, 526], "cells": [3, 4]})
    array = xr.DataArray([3, 4], coords={"parcellation_index": [1, 526]}, dims="parcellation_index")
    column = table.neuro.join_structures("division", "structure")
    joined = array.neuro.join_structures("division", "structure")
    for name in ("parcellation_division", "parcellation_structure"):
        assert joined[name].values.tolist() == column[name].tolist()
    terms = pdneuro.allen.parcellation_terms()
    given = array.neuro.join_structures("division", terms=terms, prefix="")
    assert given["division"].values.tolist() == column["parcellation_division"].tolist()
    rolled = array.neuro.rollup("division", terms=terms)
    assert rolled["parcellation_index_rollup"].values.tolist() == ["HY", "TH"]


def test_partners_of_an_array_drop_and_sort_labels(sandbox: Sandbox, ids: pd.Series) -> None:
    array = xr.DataArray(range(len(ids)), coords={"root_id": ids}, dims="root_id")
    labels = ids.neuro.partners()["partner"].drop_duplicates()
    kinds = pd.Series(["b", "a"] * len(labels), dtype=object)[: len(labels) - 1].tolist()
    by_id = dict(zip(labels, [*kinds, None], strict=True))
    for options in ({"dropna": True}, {"sort": True}, {}):
        found = array.neuro.partners(group_by=by_id, **options)
        pd.testing.assert_frame_equal(found, ids.neuro.partners(group_by=by_id, **options))
        assert found.iloc[:, 0].isna().any() == ("dropna" not in options)


EDGES = pd.DataFrame({"pre": [1, 2, 3], "post": [2, 3, 1], "weight": [5, 6, 7]})
CHOICES: dict[str, Callable[[Any], Any]] = {
    "of": lambda value: EDGES.neuro.fractions(value),
    "of, from the source": lambda value: EDGES.neuro.fractions(value, total="source"),
    "per": lambda value: EDGES.neuro.threshold(2, per=value),
    "normalize": lambda value: EDGES.neuro.to_matrix(normalize=value),
    "method": lambda value: EDGES.neuro.cluster(method=value, n=1),
    "units": lambda value: pd.Series([5]).neuro.link("flywire", units=value),
    "multiple": lambda value: pd.Series([5]).neuro.properties("size", multiple=value),
    "style": lambda value: EDGES.neuro.cite(value),
    "order": lambda value: EDGES.neuro.plot.matrix(order=value),
}


@pytest.mark.parametrize(
    "value", ["other", ["input"], {"a": 1}, 5], ids=["text", "list", "dict", "number"]
)
@pytest.mark.parametrize("name", CHOICES)
def test_a_parameter_with_few_values_lists_them(name: str, value: Any, sandbox: Sandbox) -> None:
    word = re.escape(f"{name.partition(',')[0]} must be ")
    with pytest.raises(ValueError, match=rf"^{word}.*\w.*(,| or ).*, not {re.escape(repr(value))}"):
        CHOICES[name](value)
    assert not sandbox.requests
