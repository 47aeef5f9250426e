"""The connectome of the sandbox: the bundled synthetic brain, or files of the user."""

from __future__ import annotations

import functools
import os
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro._compat import TEXT
from pdneuro.files import read_edges, read_table
from pdneuro.tables import as_edges, roles
from pdneuro.tables.collapse import collapse
from pdneuro.tables.ids import distinct_ids

Table = pd.DataFrame | str | os.PathLike[str]


@functools.cache
def bundled(name: str) -> pd.DataFrame:
    """Return the bundled table ``"neurons"`` or ``"edges"``, with all its columns."""
    with resources.as_file(resources.files(__package__) / "data" / f"{name}.csv.gz") as path:
        return read_table(path)


def neurons() -> pd.DataFrame:
    """Return the neurons of the sandbox, a synthetic brain.

    Returns
    -------
    DataFrame
        ``root_id`` (int64), ``side``, ``cell_class``, ``cell_type`` (text).

    Examples
    --------
    >>> pdneuro.sandbox.neurons().dtypes["root_id"]
    dtype('int64')
    """
    labels = ["side", "cell_class", "cell_type"]
    return bundled("neurons")[["root_id", *labels]].astype(
        {"root_id": "int64", **dict.fromkeys(labels, TEXT)}
    )


def edges() -> pd.DataFrame:
    """Return the edges of the sandbox, as an edge table ``pre, post, weight`` (int64).

    Examples
    --------
    >>> pdneuro.sandbox.edges().head(2)
                      pre                post  weight
    0  720575940609676979  720575940635958026       1
    1  720575940609676979  720575940651420969       1
    """
    return as_edges(bundled("edges"))


class Connectome:
    """Neurons and edges, indexed by segment.

    Parameters
    ----------
    edges : DataFrame or path
        Edges with any known column names; without a header the columns are pre, post, weight.
    neurons : DataFrame or path, optional
        A table with a column of IDs, or IDs in its first column; further columns are properties.
        Neurons that are only in ``edges`` are added.
    """

    def __init__(self, edges: Table, neurons: Table | None = None) -> None:
        pairs = collapse(read_edges(edges, only=True))
        pre, post = pairs["pre"].to_numpy(), pairs["post"].to_numpy()
        ends = np.concatenate([pre, post])
        self.table = _neuron_table(neurons)
        all_ids = ends if self.table is None else np.concatenate([self.table.index.to_numpy(), ends])
        self.ids = np.unique(all_ids)
        self._position = {number: position for position, number in enumerate(self.ids.tolist())}
        weight = pairs["weight"].to_numpy()
        self._down = _Partners(self.ids, pre, post, weight)
        self._up = _Partners(self.ids, post, pre, weight)

    def __contains__(self, number: int) -> bool:
        return number in self._position

    def partners(self, number: int) -> tuple[list[list[int]], list[list[int]]]:
        """Return downstream and upstream partners as ``[id, weight]``, the largest weight first."""
        position = self._position[number]
        return self._down.of(position), self._up.of(position)

    def links(self, number: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return numbers of synapses and partners, downstream and upstream."""
        position = self._position[number]
        return self._down.sums(position), self._up.sums(position)

    @functools.cached_property
    def dump(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return nodes and edges in the format of the service's files."""
        edges = pd.DataFrame(
            {
                "src": np.repeat(self.ids, np.diff(self._down.start)).astype(np.uint64),
                "dst": self._down.other.astype(np.uint64),
                "count": self._down.weight,
            }
        )
        links = [(*down, *up) for down, up in map(self.links, self.ids.tolist())]
        names = ["nr_pre", "nr_downstream_partner", "nr_post", "nr_upstream_partner"]
        counts = pd.DataFrame(links, columns=names, dtype="float64")
        sizes = [self.cells(number).get("size", 0) for number in self.ids.tolist()]
        # Neurons without synapses have NaN, as the real dump.
        nodes = pd.DataFrame({"segment_id": self.ids.astype(np.uint64), "size": sizes})
        nodes = pd.concat([nodes, counts.where(counts > 0)], axis=1)
        order: Any = {"ascending": False, "kind": "stable", "ignore_index": True}
        return nodes.sort_values("size", **order), edges.sort_values("count", **order)

    def cells(self, number: int) -> dict[str, Any]:
        """Return the neuron's row of the neurons table, without missing values."""
        if self.table is None or number not in self.table.index:
            return {}
        row = self.table.loc[number]
        return {str(name): value for name, value in row.items() if not pd.isna(value)}


@functools.cache
def bundled_brain() -> Connectome:
    """Return the bundled brain. All sandboxes share it, because it takes time to make."""
    return Connectome(bundled("edges"), bundled("neurons"))


class _Partners:
    """Partners of each neuron in one direction, the largest weight first."""

    def __init__(
        self,
        ids: npt.NDArray[np.int64],
        own: npt.NDArray[np.int64],
        other: npt.NDArray[np.int64],
        weight: npt.NDArray[np.int64],
    ) -> None:
        position = np.searchsorted(ids, own)
        order = np.lexsort((other, -weight, position))
        self.other, self.weight = other[order], weight[order]
        self.start = np.searchsorted(position[order], np.arange(len(ids) + 1))
        self.total = np.concatenate([[0], np.cumsum(self.weight)])

    def of(self, position: int) -> list[list[int]]:
        part = slice(self.start[position], self.start[position + 1])
        return list(map(list, zip(self.other[part].tolist(), self.weight[part].tolist(), strict=True)))

    def sums(self, position: int) -> tuple[int, int]:
        start, end = self.start[position], self.start[position + 1]
        return int(self.total[end] - self.total[start]), int(end - start)


def _neuron_table(neurons: Table | None) -> pd.DataFrame | None:
    if neurons is None:
        return None
    table = neurons if isinstance(neurons, pd.DataFrame) else read_table(neurons)
    id_columns = roles.id_columns(table)
    if not id_columns and table.shape[1]:
        table = table.rename(columns={table.columns[0]: "root_id"})
    column = roles.id_column(table)
    ids = distinct_ids(column)
    table = table.drop(columns=[column.name] if column.name in table.columns else [])
    first = (
        ~column.duplicated().to_numpy()
        & column.notna().to_numpy()
        & (column != 0).to_numpy(bool, na_value=False)
    )
    return table[first].astype(object).set_axis(pd.Index(ids))
