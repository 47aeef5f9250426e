"""What can be asked about a column of Allen structures: names, ancestors, groups.

Each function is also a method: ``column.neuro.rollup("Brain - Major Divisions")``. IDs or acronyms will
do. ID 0 is outside the brain (``"void"``), a negative ID the structure in the left hemisphere.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pdneuro.errors import UnknownIdsError, UnknownIdsWarning, listing, warn
from pdneuro.options import get_option
from pdneuro.tables import joins, roles
from pdneuro.tables.provenance import stamp
from pdneuro.tables.structure_tree import UNKNOWN, Places, StructureTree

if TYPE_CHECKING:
    import numpy.typing as npt

#: What :func:`structures` and :func:`join_structures` give by themselves.
FIELDS = ("acronym", "name", "parent_structure_id", "graph_order", "color_hex_triplet")


def structures(
    ids: pd.Series[Any],
    *fields: str,
    graph_id: int = 1,
    on_missing: str | None = None,
) -> pd.DataFrame:
    """Names and other fields of structures, one row a row of the column.

    Parameters
    ----------
    ids : Series
        Structure IDs or acronyms. An acronym counts as written (``cm`` and ``CM`` are two); one that
        is not there as written counts without regard to case, where that fits one structure.
    *fields : str
        ``id, acronym, name, parent_structure_id, graph_order, st_level, depth, color_hex_triplet,
        structure_id_path`` or ``color`` (``#rrggbb``). Default: acronym, name, parent_structure_id,
        graph_order, color_hex_triplet; for acronyms the ID in place of the acronym.
    graph_id : int
        The graph: 1 is the adult mouse, 10 the human.
    on_missing : {"warn", "raise", "ignore"}, optional
        When structures are not in the graph. Default: the option ``on_missing``.

    Returns
    -------
    DataFrame
        Same index. IDs int64, Int64 where something is missing; text. Rows of structures that are
        missing or not in the graph hold NA.

    Raises
    ------
    AmbiguousStructureError
        An acronym fits several structures.
    PrecisionLossError, InvalidIdError
        The column holds no exact IDs.
    UnknownStructureError
        There is no such field.
    UnknownIdsError
        ``on_missing="raise"``, and structures are not in the graph.
    ServiceError, OfflineError
        As for :func:`pdneuro.allen.structure_tree`.

    See Also
    --------
    join_structures : the same beside a table's columns.

    Examples
    --------
    >>> pd.Series([385, -385, 549], index=list("abc")).neuro.structures("acronym", "color")
      acronym    color
    a    VISp  #08858c
    b    VISp  #08858c
    c      TH  #ff7080
    """
    tree, places = _located(ids, graph_id, on_missing)
    table = pd.DataFrame(_fields(tree, places, fields), index=ids.index)
    return stamp(table, source="allen", query=f"structures({tree.name})")


def join_structures(
    table: pd.DataFrame,
    *fields: str,
    on: Hashable | None = None,
    prefix: str = "structure_",
    overwrite: bool = False,
    graph_id: int = 1,
    on_missing: str | None = None,
) -> pd.DataFrame:
    """Names and other fields of structures as new columns; same rows, order, index and dtypes.

    Parameters
    ----------
    table : DataFrame
        Rows whose column ``donor__species`` says that they are human stay NA in the mouse's graph.
    *fields, graph_id, on_missing
        As for :func:`structures`.
    on : hashable, optional
        The column of structures. Default: recognised by a name such as ``structure_id`` or
        ``acronym``.
    prefix : str
        Put in front of the new names.
    overwrite : bool
        Replace columns that have the new names.

    Returns
    -------
    DataFrame

    Raises
    ------
    MissingColumnsError, AmbiguousColumnError
        No column of structures is recognised, or several are.
    ColumnExistsError
        A new name is taken.
    Exception
        As for :func:`structures`.

    Examples
    --------
    >>> cells = pd.DataFrame({"structure_id": [385, 549], "cells": [3, 4]})
    >>> cells.neuro.join_structures("acronym", "name")
       structure_id  cells structure_acronym       structure_name
    0           385      3              VISp  Primary visual area
    1           549      4                TH             Thalamus
    """
    column = roles.structure_column(table, on)
    tree, places = _located(column, graph_id, on_missing, _foreign(table, graph_id))
    columns = _fields(tree, places, fields)
    # The column that was joined on need not be told again.
    if not fields and f"{prefix}id" == column.name:
        columns.pop("id", None)
    joined = joins.attach(table, columns, prefix=prefix, overwrite=overwrite)
    query = f"join_structures({tree.name})"
    return stamp(joined, source="allen", query=query, earlier=joined.attrs)


def ancestors(
    ids: pd.Series[Any],
    *,
    include_self: bool = False,
    graph_id: int = 1,
    on_missing: str | None = None,
) -> pd.DataFrame:
    """Ancestors of structures in long form, from the root down.

    Parameters
    ----------
    ids, graph_id, on_missing
        As for :func:`structures`.
    include_self : bool
        Also the structure itself, as the last of its rows.

    Returns
    -------
    DataFrame
        One row an ancestor, index labels repeated: ``structure_id``, ``ancestor_id`` (int64),
        ``ancestor_acronym`` (category). The root, and what is missing, unknown or outside the brain,
        has no rows.

    Raises
    ------
    Exception
        As for :func:`structures`.

    Examples
    --------
    >>> pd.Series(["VIS"]).neuro.ancestors()["ancestor_acronym"].tolist()
    ['root', 'grey', 'CH', 'CTX', 'Isocortex']
    """
    tree, places = _located(ids, graph_id, on_missing)
    related = tree.above(places.rows, include_self=include_self)
    return _long(tree, ids, places, *related, "ancestor")


def descendants(
    ids: pd.Series[Any],
    *,
    include_self: bool = False,
    graph_id: int = 1,
    on_missing: str | None = None,
) -> pd.DataFrame:
    """All structures below structures in long form, in graph order.

    Parameters
    ----------
    ids, graph_id, on_missing
        As for :func:`structures`.
    include_self : bool
        Also the structure itself, as the first of its rows.

    Returns
    -------
    DataFrame
        One row a descendant, index labels repeated: ``structure_id``, ``descendant_id`` (int64),
        ``descendant_acronym`` (category).

    Raises
    ------
    Exception
        As for :func:`structures`.

    Examples
    --------
    >>> pd.Series([385]).neuro.descendants()["descendant_acronym"].tolist()
    ['VISp1', 'VISp2/3', 'VISp4', 'VISp5', 'VISp6a', 'VISp6b']
    """
    tree, places = _located(ids, graph_id, on_missing)
    related = tree.below(places.rows, include_self=include_self)
    return _long(tree, ids, places, *related, "descendant")


def rollup(
    ids: pd.Series[Any],
    to: Any,
    *,
    graph_id: int = 1,
    on_missing: str | None = None,
) -> pd.Series[Any]:
    """The member of a set that each structure belongs to: itself, or its nearest ancestor in the set.

    Parameters
    ----------
    ids, graph_id, on_missing
        As for :func:`structures`.
    to : int, str or iterable
        A structure set by ID or name, such as 687527670 or ``"Brain - Major Divisions"``; else
        structures by ID or acronym, such as ``["CTX", "TH"]``. A single number is a set where there
        is one of this ID.

    Returns
    -------
    Series
        Same index. IDs where IDs were given (int64, Int64 where something is missing), acronyms where
        acronyms were given. NA where no member is at or above the structure. Where a set overlaps
        itself, as set 167587189 does, the nearest member counts.

    Raises
    ------
    UnknownStructureError
        ``to`` names no set and no structure.
    Exception
        As for :func:`structures`.

    Examples
    --------
    >>> parts = pd.Series(["VISp5", "LGd", "root"]).neuro.rollup("Brain - Major Divisions")
    >>> parts.tolist()[:2], bool(parts.isna()[2])
    (['Isocortex', 'TH'], True)
    """
    tree, places = _located(ids, graph_id, on_missing)
    rows = tree.nearest(tree.members(to))[places.rows]
    found = pd.Series(tree.same_kind(places, rows), index=ids.index, name=ids.name)
    return stamp(found, source="allen", query=f"rollup({to!r:.60}, {tree.name})")


def is_under(
    ids: pd.Series[Any],
    structure: Any,
    *,
    include_self: bool = True,
    graph_id: int = 1,
    on_missing: str | None = None,
) -> pd.Series[Any]:
    """Whether structures are a structure or a part of it.

    Parameters
    ----------
    ids, graph_id, on_missing
        As for :func:`structures`.
    structure : int, str or iterable
        By ID or acronym; of several any will do.
    include_self : bool
        Whether a structure counts as a part of itself.

    Returns
    -------
    Series
        Same index; bool, boolean where something is missing or unknown. What is outside the brain is
        under nothing.

    Raises
    ------
    UnknownStructureError
        ``structure`` is not in the graph.
    Exception
        As for :func:`structures`.

    Examples
    --------
    >>> pd.Series([385, 549, 0, None], dtype="Int64").neuro.is_under("Isocortex").tolist()
    [True, False, False, <NA>]
    """
    tree, places = _located(ids, graph_id, on_missing)
    inside = tree.within(tree.rows(structure), include_self=include_self)[places.rows]
    absent = places.rows <= UNKNOWN
    cells: Any = pd.arrays.BooleanArray(inside, absent) if absent.any() else inside
    found = pd.Series(cells, index=ids.index, name=ids.name)
    return stamp(found, source="allen", query=f"is_under({structure!r:.60}, {tree.name})")


def _located(
    ids: pd.Series[Any],
    graph_id: int,
    on_missing: str | None,
    foreign: npt.NDArray[np.bool_] | None = None,
) -> tuple[StructureTree, Places]:
    """The tree, and where the column's structures are in it; reports those that are not."""
    from pdneuro.allen.tree import structure_tree

    policy = get_option("on_missing", on_missing)
    tree = structure_tree(graph_id)
    # Rows of another species are neither looked up nor reported.
    places = tree.locate(ids if foreign is None else ids.mask(foreign))
    if places.complete or policy == "ignore":
        return tree, places
    unknown = places.rows == UNKNOWN
    if unknown.any():
        lost = pd.unique(ids[unknown])
        message = (
            f"{len(lost):,} structures ({unknown.sum():,} rows) are not in {tree.name}: "
            f"{listing(map(_plain, lost))}.{tree.hint([item for item in lost if isinstance(item, str)])}"
        )
        if policy == "raise":
            raise UnknownIdsError(message)
        warn(f"{message} Their rows hold NA. Another species has another graph_id.", UnknownIdsWarning)
    return tree, places


def _plain(item: Any) -> str:
    return str(int(item)) if isinstance(item, float) else str(item)


def _foreign(table: pd.DataFrame, graph_id: int) -> npt.NDArray[np.bool_] | None:
    """Rows of human cells in a table of the Cell Types Database, when the graph is the mouse's."""
    if graph_id != 1 or "donor__species" not in table.columns:
        return None
    species = table["donor__species"].astype(object)
    human = species.map(lambda name: isinstance(name, str) and name.lower() == "homo sapiens")
    rows = human.to_numpy(dtype=bool)
    return rows if rows.any() else None


def _fields(tree: StructureTree, places: Places, fields: tuple[str, ...]) -> dict[str, Any]:
    wanted = fields or (("id", *FIELDS[1:]) if places.acronyms else FIELDS)
    return {
        name: tree.take(places, name) for name in dict.fromkeys(wanted) if fields or name in tree.fields
    }


def _long(
    tree: StructureTree, ids: pd.Series[Any], places: Places, counts: Any, rows: Any, word: str
) -> pd.DataFrame:
    some = counts > 0  # the rows without relations may have no ID
    own = Places(places.rows[some], None if places.left is None else places.left[some], False)
    repeats = counts[some]
    related = Places(rows, None if own.left is None else np.repeat(own.left, repeats), False)
    table = pd.DataFrame(
        {
            "structure_id": np.repeat(tree.take(own, "id"), repeats),
            f"{word}_id": tree.take(related, "id"),
            f"{word}_acronym": tree.acronyms(rows),
        },
        index=ids.index[some].repeat(repeats),
        copy=False,
    )
    return stamp(table, source="allen", query=f"{word}s({tree.name})")
