"""The tree of structures, which is downloaded once and then cached."""

from __future__ import annotations

import functools
from typing import Any

from pdneuro.allen import payload
from pdneuro.allen.rows import all_rows
from pdneuro.errors import NotFoundError
from pdneuro.options import get_option
from pdneuro.tables.structure_tree import StructureTree
from pdneuro.transport.store import cache_folder

#: The adult mouse.
MOUSE = 1


def structure_tree(graph_id: Any = MOUSE, *, refresh: bool = False) -> StructureTree:
    """Return the structures of a graph, with their sets.

    Parameters
    ----------
    graph_id : int, default 1
        1 is the adult mouse, 10 the human, 17 the developing mouse, 16 the developing human.
    refresh : bool, default False
        Download the structures again.

    Returns
    -------
    StructureTree
        ``.frame`` is the table, ``.sets`` the members of the structure sets; both are copies.

    Raises
    ------
    NotFoundError
        The graph does not exist.
    OfflineError
        pdneuro is offline and the tree is not cached.
    ServiceError
        The request failed, and no tree is cached.

    Notes
    -----
    Source: http://help.brain-map.org/display/api/Atlas+Drawings+and+Ontologies. The tree is cached on
    disk, and in memory until the process ends.

    Examples
    --------
    >>> tree = pdneuro.allen.structure_tree()
    >>> tree.frame.loc[tree.frame["acronym"] == "VISp", ["id", "name", "depth"]]
         id                 name  depth
    10  385  Primary visual area      6
    """
    number = payload.one_id(graph_id, "graph_id")
    if refresh:
        _tree.cache_clear()
    return _tree(number, str(get_option("allen_url")), str(cache_folder()), refresh)


@functools.lru_cache(maxsize=8)
def _tree(graph_id: int, address: str, folder: str, refresh: bool) -> StructureTree:
    table = all_rows(
        "Structure",
        [graph_id],
        refresh=refresh,
        criteria="[graph_id$in{ids}]",
        include="structure_sets",
        order=("structures.graph_order",),
        count=False,
    )
    if table.empty:
        raise NotFoundError(f"graph {graph_id} does not have structures.", url=address)
    return StructureTree(table, f"graph {graph_id}")
