"""Measure reconstructions: lengths in µm and counts, without loops over nodes."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro.tables import roles
from pdneuro.tables.provenance import inherit
from pdneuro.tables.skeletons import NEURON, SOMA, arrays, parents, paths_to_root, segment_lengths


def path_distance(nodes: pd.DataFrame) -> pd.Series[Any]:
    """Return the distance of each node to its root, along the neurite.

    Parameters
    ----------
    nodes : DataFrame
        Node table. A node whose parent is missing, or is the node itself, counts as a root.

    Returns
    -------
    Series
        float64, µm, same index. NaN for nodes whose path to the root contains a cycle or a node without
        coordinates.

    Raises
    ------
    MissingColumnsError
        The table is not a node table.

    Examples
    --------
    >>> nodes = pdneuro.neuromorpho.swc(1)
    >>> float(nodes.neuro.path_distance().max()) > 100
    True
    """
    columns, _ = arrays(nodes)
    rows = parents(columns)
    distance = paths_to_root(rows, segment_lengths(columns, rows)).distance
    return inherit(pd.Series(distance, index=nodes.index, name="path_distance"), nodes)


def cable_length(
    nodes: pd.DataFrame, group_by: Hashable | Sequence[Hashable] = NEURON
) -> pd.Series[Any]:
    """Return the cable length: the sum of the distances of all nodes to their parents.

    Parameters
    ----------
    nodes : DataFrame
        Node table.
    group_by : hashable or sequence, default "neuron"
        Columns to group by, such as ``["neuron", "type"]``. A segment has the type of the node that
        is farther from the root.

    Returns
    -------
    Series
        float64, µm, indexed by ``group_by``; nodes without a value of it have a row too. Segments with
        a missing or infinite coordinate are skipped.

    Raises
    ------
    MissingColumnsError
        The table is not a node table.

    Notes
    -----
    Segments between nodes of the soma count. NeuroMorpho.org's ``length`` is measured by L-Measure,
    which treats the soma differently: the two values differ by a few percent.

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
    by_group = lengths.groupby(groups, sort=False, observed=True, dropna=False)
    return inherit(by_group.sum(), nodes)


def _key(nodes: pd.DataFrame, name: Hashable) -> Any:
    if name == NEURON and NEURON not in nodes.columns:
        return np.full(len(nodes), "")
    return roles.named_column(nodes, name).array


def morphology(nodes: pd.DataFrame) -> pd.DataFrame:
    """Count and measure each neuron.

    Parameters
    ----------
    nodes : DataFrame
        Node table.

    Returns
    -------
    DataFrame
        Indexed by ``neuron``: ``nodes``, ``roots`` (nodes without a parent in the table), ``branches``
        (nodes with two children or more, without roots and nodes of the soma), ``tips`` (nodes without
        children), all int64; ``cable_length`` and ``max_path_distance`` (float64, µm).

    Raises
    ------
    MissingColumnsError
        The table is not a node table.

    Notes
    -----
    ``branches`` does not count the root, as in navis (``n_branches``), nor nodes of the soma, as in
    NeuroMorpho.org (``n_bifs``). ``tips`` counts the nodes of the soma too: a soma of three nodes adds
    two tips.

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
    neurite = (rows >= 0) & (columns.type != SOMA)

    def count(selected: Any) -> npt.NDArray[np.int64]:
        return np.bincount(codes[selected], minlength=len(names)).astype(np.int64)

    distance = pd.Series(paths_to_root(rows, length).distance).groupby(codes).max()
    table = pd.DataFrame(
        {
            "nodes": count(slice(None)),
            "roots": count(rows < 0),
            "branches": count((children > 1) & neurite),
            "tips": count(children == 0),
            "cable_length": np.bincount(codes, np.nan_to_num(length), minlength=len(names)),
            "max_path_distance": distance.reindex(range(len(names))).to_numpy(),
        },
        index=names,
    )
    return inherit(table, nodes)
