"""Neurons as the nodes of a graph: their attributes as Python values."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Hashable, Iterator
from typing import Any

import pandas as pd

from pdneuro.tables import roles
from pdneuro.tables.ids import Int64Array, id_array


def node_table(nodes: pd.DataFrame, on: Hashable | None = None) -> tuple[Int64Array, pd.DataFrame]:
    """IDs of a table of neurons, and its other columns, under text names; rows without an ID left out.

    Raises
    ------
    ValueError
        A neuron stands on several rows.
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
            f"neuron {index[index.duplicated()][0]} stands on several rows of the nodes; keep one, for "
            "example with .drop_duplicates()."
        )
    return ids, others


def records(columns: pd.DataFrame) -> list[dict[str, Any]]:
    """One mapping of Python values a row, missing cells left out."""
    found: list[dict[str, Any]] = [{} for _ in range(len(columns))]
    for name, cells in columns.items():
        for record, value, absent in zip(found, cells.tolist(), cells.isna(), strict=True):
            if not absent:
                record[str(name)] = value
    return found


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
    """Millions of new dicts would set off the garbage collector again and again, for nothing."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
