"""Allen structures of a column: names, ancestors, members of a set; or joined to a table.

A column holds IDs or acronyms. ID 0 is outside the brain (``"void"``); a negative ID is the structure in
the left hemisphere.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pdneuro._compat import TEXT
from pdneuro._docs import documented
from pdneuro.errors import InvalidIdError, InvalidQueryError, InvalidVolumeError
from pdneuro.queries._call import Found, index_of, join, listed
from pdneuro.tables import parcellation, roles, structure_tree
from pdneuro.tables.provenance import stamp
from pdneuro.tables.structure_tree import Places, StructureTree
from pdneuro.tables.volumes import (
    DIMS,
    axis_of,
    in_order,
    label_counts,
    label_mask,
    point_names,
    sample,
)
from pdneuro.transport.report import FOUND, MISSING, UNKNOWN

if TYPE_CHECKING:
    import os

    import numpy.typing as npt
    import xarray as xr

    Terms = str | os.PathLike[str] | pd.DataFrame | None

#: Fields that :func:`structures` and :func:`join_structures` return by default.
FIELDS = ("acronym", "name", "parent_structure_id", "graph_order", "color_hex_triplet")


@documented()
def structures(
    ids: Any,
    *fields: str,
    on: Hashable | None = None,
    graph_id: int = 1,
    on_missing: str | None = None,
    terms: Terms = None,
) -> pd.DataFrame:
    """Look up fields of structures. Returns one row per input row.

    Parameters
    ----------
    {structures}
    *fields : str
        ``id, acronym, name, parent_structure_id, graph_order, st_level, depth, color_hex_triplet,
        structure_id_path`` or ``color`` (``#rrggbb``), one by one or as one list. Default: acronym,
        name, parent_structure_id, graph_order, color_hex_triplet; for acronyms the ID, not the acronym.
        :func:`pdneuro.known_names` describes them. Of a column ``parcellation_index``: ``organ,
        category, division, structure, substructure`` (acronyms, the default), or the same with
        ``_name`` or ``_color``.
    {structure on}
    {graph}
    {terms}

    Returns
    -------
    DataFrame
        Same index. IDs are int64, Int64 if something is missing; other fields text. Rows of structures
        that are missing or not in the graph are NA.

    Raises
    ------
    {structure errors}
    UnknownStructureError
        A field does not exist.

    See Also
    --------
    join_structures : Add the columns to a table.

    Examples
    --------
    >>> pd.Series([385, -385, 549], index=list("abc")).neuro.structures("acronym", "color")
      acronym    color
    a    VISp  #08858c
    b    VISp  #08858c
    c      TH  #ff7080
    """
    column = _column(ids, on)
    skipped = _other_species(ids, graph_id)
    table = _find(column, fields, graph_id, on_missing, skipped, terms).table
    return table.set_axis(ids) if isinstance(ids, pd.Index) else table


def _find(
    column: pd.Series[Any],
    fields: tuple[str, ...],
    graph_id: int,
    on_missing: str | None,
    skipped: npt.NDArray[np.bool_] | None,
    terms: Terms = None,
) -> Found:
    """Return fields of the structures of a column; rows of another species are not looked up."""
    if _has_indexes(column, terms):
        return _find_terms(column, listed(fields), terms)
    tree, positions = _find_structures(column, graph_id, on_missing, skipped)
    table = pd.DataFrame(_fields(tree, positions, listed(fields)), index=column.index, copy=False)
    table = stamp(table, source="allen", query=f"structures({tree.name})")

    def status() -> npt.NDArray[np.int8]:
        rows = positions.rows
        return np.select(
            [rows == structure_tree.MISSING, rows == structure_tree.UNKNOWN], [MISSING, UNKNOWN], FOUND
        ).astype(np.int8)

    return Found(table, status)


@documented()
def join_structures(
    table: pd.DataFrame,
    *fields: str,
    on: Hashable | Sequence[Hashable] | None = None,
    prefix: str | None = None,
    suffix: str = "",
    overwrite: bool = False,
    how: str = "left",
    indicator: bool | str = False,
    graph_id: int = 1,
    on_missing: str | None = None,
    terms: Terms = None,
) -> pd.DataFrame:
    """Add fields of structures to a table; same rows, order, index and dtypes.

    Parameters
    ----------
    table : DataFrame
        Rows whose column ``donor__species`` is human are NA in the graph of the mouse.
    *fields : str
        See :func:`structures`.
    {structure on}
    {several on}
    {join}
    {graph}
    {terms}

    Returns
    -------
    DataFrame
        The default ``prefix`` is ``structure_``, or ``parcellation_`` for a column
        ``parcellation_index``.

    Raises
    ------
    {structure errors}
    ColumnExistsError
        A new column already exists in the table with other values.

    Examples
    --------
    >>> cells = pd.DataFrame({"structure_id": [385, 549], "cells": [3, 4]})
    >>> cells.neuro.join_structures("acronym", "name")
       structure_id  cells structure_acronym       structure_name
    0           385      3              VISp  Primary visual area
    1           549      4                TH             Thalamus
    >>> cells = pd.DataFrame({"parcellation_index": [1, 526]})
    >>> cells.neuro.join_structures("division", "structure")
       parcellation_index parcellation_division parcellation_structure
    0                   1                    HY                    TMv
    1                 526                    TH                    LGd
    """
    other_species = _other_species(table, graph_id)
    if prefix is None:
        columns = [_column(table, name).name for name, _ in roles.ends_of(on)]
        prefix = "parcellation_" if all(map(parcellation.is_index, columns)) else "structure_"

    def find(table: pd.DataFrame, name: Any) -> pd.Series[Any]:
        column = _column(table, name)
        return column if other_species is None else column.mask(other_species)

    return join(
        table,
        on,
        lambda column: _find(column, fields, graph_id, on_missing, None, terms),
        find=find,
        not_twice=None if fields else "id",
        prefix=prefix,
        suffix=suffix,
        overwrite=overwrite,
        how=how,
        indicator=indicator,
    )


@documented()
def ancestors(
    ids: Any,
    on: Hashable | None = None,
    *,
    include_self: bool = False,
    graph_id: int = 1,
    on_missing: str | None = None,
) -> pd.DataFrame:
    """Return the ancestors of structures in long form, from the root down.

    Parameters
    ----------
    {structures}
    {structure on}
    include_self : bool, default False
        Return the structure itself too, as the last of its rows.
    {graph}

    Returns
    -------
    DataFrame
        One row per ancestor, index labels repeated: ``structure_id``, ``ancestor_id`` (int64),
        ``ancestor_acronym`` (category). The root has no rows; nor has a structure that is missing,
        unknown or outside the brain.

    Raises
    ------
    {structure errors}

    Examples
    --------
    >>> pd.Series(["VIS"]).neuro.ancestors()["ancestor_acronym"].tolist()
    ['root', 'grey', 'CH', 'CTX', 'Isocortex']
    """
    column = _column(ids, on)
    tree, positions = _find_structures(column, graph_id, on_missing)
    related = tree.above(positions.rows, include_self=include_self)
    return _long(tree, index_of(ids, column), positions, *related, "ancestor")


@documented()
def descendants(
    ids: Any,
    on: Hashable | None = None,
    *,
    include_self: bool = False,
    graph_id: int = 1,
    on_missing: str | None = None,
) -> pd.DataFrame:
    """Return all structures below structures in long form, in graph order.

    Parameters
    ----------
    {structures}
    {structure on}
    include_self : bool, default False
        Return the structure itself too, as the first of its rows.
    {graph}

    Returns
    -------
    DataFrame
        One row per descendant, index labels repeated: ``structure_id``, ``descendant_id`` (int64),
        ``descendant_acronym`` (category).

    Raises
    ------
    {structure errors}

    Examples
    --------
    >>> pd.Series([385]).neuro.descendants()["descendant_acronym"].tolist()
    ['VISp1', 'VISp2/3', 'VISp4', 'VISp5', 'VISp6a', 'VISp6b']
    """
    column = _column(ids, on)
    tree, positions = _find_structures(column, graph_id, on_missing)
    related = tree.below(positions.rows, include_self=include_self)
    return _long(tree, index_of(ids, column), positions, *related, "descendant")


@documented()
def rollup(
    ids: Any,
    to: Any,
    on: Hashable | None = None,
    *,
    graph_id: int = 1,
    on_missing: str | None = None,
    terms: Terms = None,
) -> pd.Series[Any]:
    """Return the member of a structure set that each structure belongs to.

    This is the structure itself, or its nearest ancestor in the set.

    Parameters
    ----------
    {structures}
    to : int, str or iterable
        A structure set by ID or name, such as 687527670 or ``"Brain - Major Divisions"``; a mapping of
        iblatlas, ``"Beryl"`` or ``"Cosmos"``; or structures by ID or acronym, such as
        ``["CTX", "TH"]``. A single number is a set if a set has this ID. A negative ID is the structure
        in the left hemisphere, without the right one. Of a column ``parcellation_index``: ``organ,
        category, division, structure`` or ``substructure``.
    {structure on}
    {graph}
    {terms}

    Returns
    -------
    Series
        Same index. The result has IDs if ``ids`` has IDs (int64, Int64 if something is missing),
        otherwise acronyms. NA if no member contains the structure (where iblatlas returns the root). If
        several members contain it, as in set 167587189, the nearest one is returned.

    Raises
    ------
    {structure errors}
    UnknownStructureError
        ``to`` is neither a set nor a structure.

    Examples
    --------
    >>> parts = pd.Series(["VISp5", "LGd", "root"]).neuro.rollup("Brain - Major Divisions")
    >>> parts.tolist()[:2], bool(parts.isna()[2])
    (['Isocortex', 'TH'], True)
    >>> pd.Series([778, -549]).neuro.rollup("Cosmos").tolist()
    [315, -549]
    >>> pd.Series([1, 526], name="parcellation_index").neuro.rollup("division").tolist()
    ['HY', 'TH']
    """
    column = _column(ids, on)
    if _has_indexes(column, terms):
        found = _find_terms(column, [str(to)], terms).table[str(to)]
        found = pd.Series(found.array, index=index_of(ids, column), name=column.name)
        return stamp(found, source="allen", query=f"rollup({to!r}, {parcellation.INDEX})")
    tree, positions = _find_structures(column, graph_id, on_missing)
    rows = positions.rows
    if len(column):
        rows = tree.nearest(positions, tree.members(to))
    index = index_of(ids, column)
    found = pd.Series(tree.same_kind(positions, rows), index=index, name=column.name)
    return stamp(found, source="allen", query=f"rollup({to!r:.60}, {tree.name})")


@documented()
def is_under(
    ids: Any,
    structure: Any,
    on: Hashable | None = None,
    *,
    include_self: bool = True,
    graph_id: int = 1,
    on_missing: str | None = None,
) -> pd.Series[Any]:
    """Return whether structures are a given structure or part of it.

    Parameters
    ----------
    {structures}
    structure : int, str or iterable
        Structure by ID or acronym. Of several structures, one is enough. A negative ID is the
        structure in the left hemisphere, without the right one.
    {structure on}
    include_self : bool, default True
        Whether a structure counts as a part of itself.
    {graph}

    Returns
    -------
    Series
        Same index; bool, boolean if something is missing or unknown. False outside the brain.

    Raises
    ------
    {structure errors}
    UnknownStructureError
        ``structure`` is not in the graph.

    Examples
    --------
    >>> pd.Series([385, 549, 0, None], dtype="Int64").neuro.is_under("Isocortex").tolist()
    [True, False, False, <NA>]
    """
    column = _column(ids, on)
    tree, positions = _find_structures(column, graph_id, on_missing)
    inside = np.zeros(0, bool)
    if len(column):
        inside = tree.within(positions, tree.named(structure), include_self=include_self)
    absent = positions.rows <= structure_tree.UNKNOWN
    cells: Any = pd.arrays.BooleanArray(inside, absent) if absent.any() else inside
    found = pd.Series(cells, index=index_of(ids, column), name=column.name)
    return stamp(found, source="allen", query=f"is_under({structure!r:.60}, {tree.name})")


@documented()
def mask(
    ids: Any,
    volume: xr.DataArray,
    on: Hashable | None = None,
    *,
    include_descendants: bool = True,
    graph_id: int = 1,
    on_missing: str | None = None,
) -> xr.DataArray:
    """Return the voxels of an annotation that belong to structures.

    Parameters
    ----------
    {structures}
    volume : xarray.DataArray
        The structure ID of each voxel, such as :func:`pdneuro.allen.annotation_volume`. An ID
        that is negative is in the left hemisphere.
    {structure on}
    include_descendants : bool, default True
        Whether the voxels of the structures below belong to a structure.
    {graph}

    Returns
    -------
    xarray.DataArray
        bool, with the dims and coordinates of ``volume``.

    Raises
    ------
    {structure errors}
    InvalidQueryError
        The column names the left hemisphere, and the volume has no negative IDs.

    Examples
    --------
    >>> annotation = pdneuro.allen.annotation_volume(100)
    >>> visual = pd.Series(["VIS"]).neuro.mask(annotation)
    >>> visual.dims, int(visual.sum()), np.unique(annotation.where(visual, 0)).tolist()
    (('ap', 'dv', 'lr'), 96, [0, 385])
    """
    from pdneuro.allen.volumes import with_provenance

    if not hasattr(volume, "dims"):
        raise InvalidVolumeError(
            f"the volume must be an xarray.DataArray, such as pdneuro.allen.annotation_volume(), not "
            f"{type(volume).__name__}."
        )
    labels = np.asarray(volume.values)
    tree, places = _find_structures(roles.structure_column(ids, on), graph_id, on_missing)
    known = places.rows >= 0
    wanted = Places(places.rows[known], places.is_left[known] if known.any() else None, False)
    found: list[int] = []
    if known.any():
        distinct = pd.Series(list(label_counts(labels)), dtype="int64")
        if wanted.is_left.any() and not (distinct < 0).any():
            raise InvalidQueryError(
                "the column names the left hemisphere, but the volume has no negative IDs. Multiply the "
                "IDs of its left half by -1, or use positive IDs."
            )
        parts = tree.locate(distinct)
        inside = tree.within(parts, wanted, include_self=True)
        if not include_descendants:
            inside &= np.isin(parts.rows, wanted.rows)
        found = distinct[inside].tolist()
    array = volume.copy(data=label_mask(labels, found)).rename("mask")
    array.attrs = {name: volume.attrs[name] for name in ("resolution",) if name in volume.attrs}
    return with_provenance(array, f"mask({tree.name})")


@documented()
def structures_at(
    points: pd.DataFrame,
    volume: xr.DataArray,
    columns: Sequence[Hashable] | None = None,
    *,
    graph_id: int = 1,
    on_missing: str | None = None,
    terms: Terms = None,
) -> pd.DataFrame:
    """Return the structure and the hemisphere of each point, from a volume of structure IDs.

    Parameters
    ----------
    points : DataFrame
        A table with points in µm.
    volume : xarray.DataArray
        A volume with the dims ``ap, dv, lr`` in µm, such as the result of
        :func:`pdneuro.allen.annotation_volume`. With ``terms``, or if its name is
        ``parcellation_index``, it contains parcellation indexes.
    columns : three names, optional
        The columns with ap, dv, lr. Default: ``ap, dv, lr`` or ``x, y, z``.
    {graph}
    {terms}

    Returns
    -------
    DataFrame
        Same index: ``structure_id`` (int64, Int64 if a point is outside the volume; 0 outside the
        brain), ``acronym``, ``hemisphere`` (``"left"`` or ``"right"`` of the middle of the volume along
        ``lr``; NA outside the volume). Of parcellation indexes: ``parcellation_index`` and the acronym
        of the substructure.

    Raises
    ------
    InvalidVolumeError
        The array has other dims, or coordinates that are absent, not in µm or unevenly spaced.
    {structure errors}

    Examples
    --------
    >>> annotation = pdneuro.allen.annotation_volume(100)
    >>> cells = pd.DataFrame({"x": [150.0, 350.0], "y": [450.0] * 2, "z": [450.0, 850.0]})
    >>> cells.neuro.structures_at(annotation)
       structure_id acronym hemisphere
    0           385    VISp       left
    1           549      TH      right
    """
    names = point_names(points) if columns is None else list(columns)
    indexed = terms is not None or parcellation.is_index(volume.name)
    name = parcellation.INDEX if indexed else roles.STRUCTURE_ID_NAMES[0]
    values = sample(points, volume, names).rename(name)
    ids = roles.named_column(values.to_frame(), name)
    inside = ids.notna().to_numpy(bool)
    if indexed:
        acronym = _find_terms(ids, ["substructure"], terms).table["substructure"]
    else:
        acronym = _find(ids, ("acronym",), graph_id, on_missing, None).table["acronym"]
    first, step, size = axis_of(in_order(volume), DIMS[2])
    across = pd.to_numeric(roles.named_column(points, names[2])).to_numpy(np.float64, na_value=np.nan)
    left = (across < first + step * (size - 1) / 2) | (ids.fillna(0).to_numpy(np.float64) < 0)
    side = pd.Series(np.where(left, "left", "right"), index=points.index).astype(TEXT)
    found = pd.DataFrame({name: ids, "acronym": acronym, "hemisphere": side.where(inside)})
    return stamp(found, source="allen", query=f"structures_at({volume.name})")


def _find_structures(
    ids: pd.Series[Any],
    graph_id: int,
    on_missing: str | None,
    skipped: npt.NDArray[np.bool_] | None = None,
) -> tuple[StructureTree, Places]:
    """Return the tree and the position of each structure in it; report those that are not in it."""
    if parcellation.is_index(ids.name):
        raise InvalidIdError(
            f"column {ids.name!r} contains indexes of the parcellation, not IDs of structures. "
            ".neuro.join_structures() adds their terms, and .neuro.rollup('division') their divisions. "
            "If these are IDs of structures, rename the column to 'structure_id'."
        )
    from pdneuro.allen.tree import structure_tree as download

    tree = download(graph_id) if len(ids) else StructureTree.empty()
    return tree, tree.find(ids if skipped is None else ids.mask(skipped), on_missing)


def structure_columns(columns: Iterable[Hashable]) -> list[Hashable]:
    """Return columns with a name for structures; without one, those of parcellation indexes.

    >>> structure_columns(["x", "parcellation_index"]), structure_columns(["x", "acronym"])
    (['parcellation_index'], ['acronym'])
    """
    names = [*columns]
    return roles.structure_columns(names) or [name for name in names if parcellation.is_index(name)]


def _column(ids: Any, on: Hashable | None) -> pd.Series[Any]:
    """Return the column of structures; without one, that of parcellation indexes."""
    if on is None and isinstance(ids, pd.DataFrame):
        named = structure_columns(ids.columns)
        on = named[0] if len(named) == 1 else None
    return roles.structure_column(ids, on)


def _has_indexes(column: pd.Series[Any], terms: Terms) -> bool:
    """Return whether a column contains parcellation indexes, by its name."""
    if parcellation.is_index(column.name):
        return True
    if terms is not None:
        raise InvalidIdError(
            f"terms= is for a column {parcellation.INDEX!r}, and {column.name!r} is one of structure "
            f"IDs. If these are parcellation indexes, rename the column to "
            f"{parcellation.INDEX!r}; otherwise leave terms= out."
        )
    return False


def _find_terms(column: pd.Series[Any], fields: list[str], terms: Terms) -> Found:
    """Return the terms of a column of parcellation indexes."""
    if not isinstance(terms, pd.DataFrame):
        from pdneuro.allen.terms import parcellation_terms

        terms = parcellation_terms(terms)
    table = parcellation.look_up(column, terms, fields)
    table = stamp(table, source="allen", query=f"structures({parcellation.INDEX})")

    def status() -> npt.NDArray[np.int8]:
        return np.where(column.isna().to_numpy(bool), MISSING, FOUND).astype(np.int8)

    return Found(table, status)


def _other_species(table: Any, graph_id: int) -> npt.NDArray[np.bool_] | None:
    """Return rows of human cells in a table of the Cell Types Database, if the graph is the mouse."""
    if graph_id != 1 or "donor__species" not in getattr(table, "columns", ()):
        return None
    species = table["donor__species"].astype(object)
    human = species.map(lambda name: isinstance(name, str) and name.lower() == "homo sapiens")
    rows = human.to_numpy(dtype=bool)
    return rows if rows.any() else None


def _fields(tree: StructureTree, positions: Places, fields: list[str]) -> dict[str, Any]:
    wanted = fields or (("id", *FIELDS[1:]) if positions.acronyms else FIELDS)
    return {name: tree.take(positions, name) for name in wanted if fields or name in tree.fields}


def _long(
    tree: StructureTree, index: pd.Index[Any], positions: Places, counts: Any, rows: Any, word: str
) -> pd.DataFrame:
    some = counts > 0  # the rows without relations may have no ID
    own = Places(positions.rows[some], None if positions.left is None else positions.left[some], False)
    repeats = counts[some]
    related = Places(rows, None if own.left is None else np.repeat(own.left, repeats), False)
    table = pd.DataFrame(
        {
            "structure_id": np.repeat(tree.take(own, "id"), repeats),
            f"{word}_id": tree.take(related, "id"),
            f"{word}_acronym": tree.acronyms(rows),
        },
        index=index[some].repeat(repeats),
        copy=False,
    )
    return stamp(table, source="allen", query=f"{word}s({tree.name})")
