"""The tree of structures, which is downloaded once and then cached."""

from __future__ import annotations

import functools
from typing import Any

from pdneuro.allen import payload, send
from pdneuro.allen.rows import as_table
from pdneuro.errors import InvalidResponseError, NotFoundError
from pdneuro.options import Fetch, get_option
from pdneuro.tables.structure_tree import StructureTree
from pdneuro.transport.http import all_or_none
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
    InvalidResponseError
        Structures are missing in the response, which is not cached.
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
@all_or_none()
def _tree(graph_id: int, address: str, folder: str, refresh: bool) -> StructureTree:
    fetch = Fetch.of(refresh=refresh)
    options = {
        "criteria": "[graph_id$in{ids}]",
        "include": "structure_sets",
        "num_rows": "all",
        "order": ("structures.graph_order",),
    }
    query = payload.ModelQuery(f"{address}/api/v2/data", "Structure", options, [graph_id])
    found = send.rows(query, fetch)
    if not found.rows:
        raise NotFoundError(f"graph {graph_id} does not have structures.", url=address)
    table = as_table(found)
    tree = StructureTree(table, f"graph {graph_id}")
    ids = set(table["id"])
    orphans = set(table["parent_structure_id"].dropna()) - ids
    total = found.total_rows
    if total is not None and total > len(ids):  # the number of structures, or of all their sets
        total = send.count(query, fetch)
    if orphans or (total is not None and total > len(ids)):
        raise InvalidResponseError(
            f"the structures of graph {graph_id} are not complete: {len(ids):,} of "
            f"{total or len(ids):,} came, and {len(orphans):,} parents are missing.",
            url=found.url,
        )
    return tree
