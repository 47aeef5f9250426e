"""Lengths and counts of reconstructions: vectorised, in µm."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro.tables import roles
from pdneuro.tables.provenance import inherit
from pdneuro.tables.skeletons import NEURON, arrays, parents, segment_lengths, ways


def path_distance(nodes: pd.DataFrame) -> pd.Series[Any]:
    """Distance of each node to its root, along the neurite.

    Parameters
    ----------
    nodes : DataFrame
        Node table. A node whose parent is missing, or is the node itself, counts as a root.

    Returns
    -------
    Series
        float64, µm, same index. NaN for nodes whose way ends in a cycle, or leads over a node without
        coordinates.

    Raises
    ------
    MissingColumnsError
        The table is no node table.

    Examples
    --------
    >>> nodes = pdneuro.neuromorpho.swc(1)
    >>> float(nodes.neuro.path_distance().max()) > 100
    True
    """
    columns, _ = arrays(nodes)
    rows = parents(columns)
    distance = ways(rows, segment_lengths(columns, rows)).distance
    return inherit(pd.Series(distance, index=nodes.index, name="path_distance"), nodes)


def cable_length(
    nodes: pd.DataFrame, group_by: Hashable | Sequence[Hashable] = NEURON
) -> pd.Series[Any]:
    """Length of the cable: the distances of all nodes to their parents, summed.

    Parameters
    ----------
    nodes : DataFrame
        Node table.
    group_by : hashable or sequence
        Columns to sum over, such as ``["neuron", "type"]``. A segment is of the type of the node that
        is farther from the root.

    Returns
    -------
    Series
        float64, µm, indexed by ``group_by``. Segments with a missing number are left out.

    Raises
    ------
    MissingColumnsError
        The table is no node table.

    Notes
    -----
    Segments between nodes of the soma count. NeuroMorpho.org's own ``length`` comes from L-Measure,
    which treats the soma in another way: the two differ by some per cent.

    Examples
    --------
    >>> nodes = pdneuro.neuromorpho.swc(1)
    >>> nodes.neuro.cable_length(group_by="type").index.tolist()
    [1, 3]
    """
    columns, _ = arrays(nodes)
    length = segment_lengths(columns, parents(columns))
    keys = list(group_by) if isinstance(group_by, list | tuple) else [group_by]
    groups: list[Any] = [pd.Series(_key(nodes, key), name=key) for key in keys]
    lengths = pd.Series(length, name="cable_length")
    by_group = lengths.groupby(groups if len(groups) > 1 else groups[0], sort=False, observed=True)
    return inherit(by_group.sum(), nodes)


def _key(nodes: pd.DataFrame, name: Hashable) -> Any:
    if name == NEURON and NEURON not in nodes.columns:
        return np.full(len(nodes), "")
    return roles.named_column(nodes, name).array


def morphology(nodes: pd.DataFrame) -> pd.DataFrame:
    """Counts and lengths of each neuron.

    Parameters
    ----------
    nodes : DataFrame
        Node table.

    Returns
    -------
    DataFrame
        Indexed by ``neuron``: ``nodes``, ``roots`` (nodes without a parent in the table), ``branches``
        (nodes with two children or more), ``tips`` (nodes without children), all int64;
        ``cable_length`` and ``max_path_distance`` (float64, µm).

    Raises
    ------
    MissingColumnsError
        The table is no node table.

    Examples
    --------
    >>> nodes = pdneuro.neuromorpho.swc([1, 2])
    >>> nodes.neuro.morphology()[["roots", "branches"]].shape
    (2, 2)
    """
    columns, names = arrays(nodes)
    rows = parents(columns)
    length = segment_lengths(columns, rows)
    children = np.bincount(rows[rows >= 0], minlength=len(rows))
    codes = np.zeros(len(rows), np.intp) if columns.codes is None else columns.codes

    def count(which: Any) -> npt.NDArray[np.int64]:
        return np.bincount(codes[which], minlength=len(names)).astype(np.int64)

    distance = pd.Series(ways(rows, length).distance).groupby(codes).max()
    found = pd.DataFrame(
        {
            "nodes": count(slice(None)),
            "roots": count(rows < 0),
            "branches": count(children > 1),
            "tips": count(children == 0),
            "cable_length": np.bincount(codes, np.nan_to_num(length), minlength=len(names)),
            "max_path_distance": distance.reindex(range(len(names))).to_numpy(),
        },
        index=names,
    )
    return inherit(found, nodes)
