"""Attributes of neurons as Python values, for the nodes of a graph."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Hashable, Iterator
from typing import Any

import pandas as pd

from pdneuro.tables import roles
from pdneuro.tables.ids import Int64Array, id_array


def node_table(nodes: pd.DataFrame, on: Hashable | None = None) -> tuple[Int64Array, pd.DataFrame]:
    """Return the IDs of a table of neurons, and its other columns with text names, without missing IDs.

    Raises
    ------
    ValueError
        A neuron appears in several rows.
    """
    column = roles.id_column(nodes, on)
    ids, missing = id_array(column)
    others = nodes.drop(columns=[column.name] if column.name in nodes.columns else [])
    others = others.rename(columns=str)
    if missing is not None:
        ids, others = ids[~missing], others[~missing]
    index = pd.Index(ids)
    if not index.is_unique:
        raise ValueError(
            f"neuron {index[index.duplicated()][0]} appears in several rows of the nodes. Keep one, for "
            "example with .drop_duplicates()."
        )
    return ids, others


def records(columns: pd.DataFrame) -> list[dict[str, Any]]:
    """Return one dict of Python values per row, without missing values."""
    rows: list[dict[str, Any]] = [{} for _ in range(len(columns))]
    for name, column in columns.items():
        for row, value, missing in zip(rows, column.tolist(), column.isna(), strict=True):
            if not missing:
                row[str(name)] = value
    return rows


@contextlib.contextmanager
def garbage_collector_paused() -> Iterator[None]:
    """Pause garbage collection, which is slow while millions of dicts are created."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
