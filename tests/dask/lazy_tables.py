"""Tables of the sandbox, and what is compared with the result of a lazy one."""

from __future__ import annotations

from typing import Any

import pandas as pd

import pdneuro
import pdneuro.dask
from pdneuro.sandbox import Sandbox


def neurons() -> pd.DataFrame:
    # Some IDs are in several partitions.
    table = pdneuro.sandbox.neurons().head(120)
    return pd.concat([table, table.head(10)], ignore_index=True)


def edges() -> pd.DataFrame:
    table = pdneuro.sandbox.edges().head(5000)
    return pd.concat([table, table.head(500)], ignore_index=True)


def annotated(table: Any) -> Any:
    nodes = pdneuro.sandbox.neurons().iloc[:2000]
    nodes = nodes.assign(nt=["GABA", "ACH"] * (len(nodes) // 2))
    return table.neuro.annotate(nodes, ["cell_type", "side", "nt"])


def with_regions(table: Any) -> Any:
    return table.assign(roi=(table["pre"] % 3).astype("str"))


def labels() -> pd.Series:
    return pdneuro.sandbox.neurons().set_index("root_id")["cell_type"].iloc[:2000]


def same(found: Any, expected: pd.DataFrame) -> None:
    columns = list(expected.columns)
    assert list(found.columns) == columns
    computed = found.compute()
    # The computed dtypes are those of the lazy table.
    for name in columns:
        assert str(computed[name].dtype).replace("str", "string").startswith(
            str(found.dtypes[name]).replace("str", "string").partition("[")[0]
        ) or isinstance(computed[name].dtype, pd.CategoricalDtype), name
    kinds = {name: "Int64" for name in columns if str(found.dtypes[name]) == "Int64"}
    text = {name: "string" for name in columns if pd.api.types.is_string_dtype(expected[name])}
    left, right = (
        part.astype({**kinds, **text}).sort_values(columns, ignore_index=True)
        for part in (computed, expected)
    )
    for part in (left, right):
        part.attrs = {}
    pd.testing.assert_frame_equal(left, right, check_dtype=False)


def asked(sandbox: Sandbox) -> list[int]:
    """Return the segments of all requests."""
    return [number for request in sandbox.requests for number in request.json()["segments"]]
