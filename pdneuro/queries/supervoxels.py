"""Root IDs of supervoxels, and tables whose root IDs are replaced by way of them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro._compat import TEXT
from pdneuro._docs import documented
from pdneuro.errors import (
    MissingColumnsError,
    OfflineError,
    SupervoxelMismatchWarning,
    listing,
    warn,
)
from pdneuro.options import Fetch, FetchKeywords
from pdneuro.queries._call import Found, cave_source, join, root_ids_of
from pdneuro.sources import Source
from pdneuro.tables import joins, roles
from pdneuro.tables.columns import array_of
from pdneuro.tables.ids import Int64Array, Mask, id_array
from pdneuro.tables.provenance import extend, note, stamp
from pdneuro.tables.rounding import rounding_hint
from pdneuro.transport.report import FAILED, MISSING, STATUS, collect_report

if TYPE_CHECKING:
    from pdneuro.cave import CaveSource
    from pdneuro.cave.materialization import State

#: Status of a row whose root IDs were updated.
UNCHANGED, UPDATED, SPLIT, NOT_FOUND = "unchanged", "updated", "split", "not found"


@documented()
def roots(
    supervoxels: Any,
    version: Any = None,
    on: Hashable | None = None,
    source: str | Source | None = None,
    **fetch: Unpack[FetchKeywords],
) -> pd.Series[Any]:
    """Return the root ID of each supervoxel. Supervoxels never change; their root IDs do.

    Parameters
    ----------
    {supervoxels}
    {root version}
    {supervoxel on}
    {cave source}
    {fetch}

    Returns
    -------
    Series
        Same index, named ``root_id``; int64, or Int64 if a supervoxel is missing or has no root ID.
        Values at a version or a time are cached; the service is queried each time for those of now.

    Raises
    ------
    {cave errors}

    Warns
    -----
    UnknownIdsWarning
        Some IDs are not supervoxels of the datastack.

    See Also
    --------
    join_roots : Add the root IDs to a table.
    update_roots : Replace the root IDs of a table that are not current.

    Examples
    --------
    >>> table = pdneuro.sandbox.supervoxels().head(3)
    >>> table["supervoxel_id"].neuro.roots(source="cave:minnie65_public").tolist()
    [864691136001922998, 864691136001922998, 864691136009631566]
    >>> before = table["supervoxel_id"].neuro.roots("2024-06-05", source="cave:minnie65_public")
    >>> before.equals(table["root_id"])
    True
    """
    column = roles.supervoxel_column(supervoxels, on)
    found = _find(column, version, source, fetch).table["root_id"]
    return found.set_axis(supervoxels) if isinstance(supervoxels, pd.Index) else found


@documented()
def join_roots(
    table: pd.DataFrame,
    on: Hashable | Sequence[Hashable] | None = None,
    source: str | Source | None = None,
    version: Any = None,
    prefix: str = "",
    suffix: str = "",
    overwrite: bool = False,
    *,
    how: str = "left",
    indicator: bool | str = False,
    **fetch: Unpack[FetchKeywords],
) -> pd.DataFrame:
    """Add the root ID of each row's supervoxel, as a column ``root_id``.

    Parameters
    ----------
    table : DataFrame
    on : hashable or list, optional
        Column of supervoxel IDs. Default: the one whose name contains ``supervoxel``. A list joins to
        each; the new columns end in ``_`` and the name of the column, or in ``_pre`` and ``_post``.
    {cave source}
    {root version}
    {join}
    {fetch}

    Returns
    -------
    DataFrame

    Raises
    ------
    {cave errors}
    ColumnExistsError
        The table has a column ``root_id`` with other values. Use ``prefix=``, or :func:`update_roots`.

    Examples
    --------
    >>> table = pdneuro.sandbox.supervoxels()[["id", "supervoxel_id"]].head(3)
    >>> table.neuro.join_roots(source="cave:minnie65_public", version=661)
       id     supervoxel_id             root_id
    0   1  8646911350000000  864691135004077213
    1   2  8646911350000009  864691135004077213
    2   3  8646911350000100  864691135004964274
    """
    return join(
        table,
        on,
        lambda column: _find(column, version, source, fetch),
        find=roles.supervoxel_column,
        prefix=prefix,
        suffix=suffix,
        overwrite=overwrite,
        how=how,
        indicator=indicator,
    )


def _find(
    column: pd.Series[Any], version: Any, source: str | Source | None, fetch: FetchKeywords
) -> Found:
    """Return the root IDs of a column of supervoxels, one row per row of the column."""
    return _look_up(column, version, cave_source(source), Fetch.of(**fetch))[0]


def _look_up(
    column: pd.Series[Any], version: Any, opened: CaveSource, options: Fetch
) -> tuple[Found, State | None]:
    """Return the root IDs of supervoxels, and the time at which they were looked up."""
    from pdneuro.cave import materialization, root_ids

    supervoxels = root_ids_of(column)
    wanted = opened.wanted if version is None else materialization.wanted_version(version)
    status = np.full(supervoxels.n_distinct, MISSING, np.int8)
    number: Int64Array = np.zeros(0, np.int64)
    state = None
    if len(supervoxels.ids):
        with collect_report(options, partial(rounding_hint, supervoxels.ids)) as report:
            first = len(report.fetches)
            client = opened.connect(options)
            state = materialization.state_of_supervoxels(client, wanted, options)
            number = root_ids.supervoxel_roots(client, supervoxels.ids, state, options)
        status[supervoxels.known] = report.status(supervoxels.ids, first)
    without = number == 0
    cells: Any = pd.arrays.IntegerArray(number, without) if without.any() else number
    found = stamp(
        supervoxels.frame({"root_id": cells}),
        source=opened.name,
        query=f"roots({'' if wanted is None else wanted})",
        **({} if state is None else state.provenance),
    )
    return Found(found, lambda: status[supervoxels.rows]), state


@documented()
def update_roots(
    table: pd.DataFrame,
    on: Hashable | None = None,
    supervoxels: Hashable | None = None,
    source: str | Source | None = None,
    version: Any = None,
    *,
    overwrite: bool = False,
    **fetch: Unpack[FetchKeywords],
) -> pd.DataFrame:
    """Replace root IDs that are stale, missing or 0, by way of the supervoxel of each row.

    Parameters
    ----------
    table : DataFrame
    on : hashable, optional
        Column of root IDs. Default: recognized by a name such as ``root_id``.
    supervoxels : hashable, optional
        Column of supervoxel IDs. Default: the one whose name contains ``supervoxel``.
    {cave source}
    {root version}
    overwrite : bool, default False
        Replace columns ``{on}_old`` and ``{on}_status`` of an earlier call.
    {fetch}

    Returns
    -------
    DataFrame
        Same rows, order and index. The column ``on`` has the root IDs at the version or time (int64, or
        Int64 if some are missing). Two columns are added: ``{on}_old``, the root IDs before, and
        ``{on}_status`` (text):

        - ``"unchanged"``: the root ID is valid;
        - ``"updated"``: it was stale, missing or 0, and was replaced;
        - ``"split"``: it was replaced, and rows with the same old root ID now have different ones;
        - ``"not found"``: it is not valid, and the supervoxel is missing or unknown; it is NA now;
        - ``"failed"``: with ``on_error="partial"``, the request failed; the root ID stays as it was.

    Raises
    ------
    {cave errors}
    ColumnExistsError
        The table has a column ``{on}_old`` or ``{on}_status`` already.

    Warns
    -----
    SupervoxelMismatchWarning
        The root ID of a row is valid, but its supervoxel lies in another one. The row is unchanged.
    UnknownIdsWarning
        Some IDs are not supervoxels of the datastack.

    See Also
    --------
    pdneuro.queries.cave.latest : The current root IDs without supervoxels, by overlap.

    Examples
    --------
    >>> table = pdneuro.sandbox.supervoxels().head(6)
    >>> found = table.neuro.update_roots(source="cave:minnie65_public")
    >>> found[["root_id", "root_id_status"]]
                  root_id root_id_status
    0  864691136001922998        updated
    1  864691136001922998        updated
    2  864691136009631566          split
    3  864691136010575957          split
    4  864691136013883856        updated
    5  864691136013883856        updated
    """
    options = Fetch.of(**fetch)
    opened = cave_source(source)
    given = roles.id_column(table, on)
    if on is None and roles.is_doubtful(given.name):
        raise MissingColumnsError(
            f"no column of root IDs is recognized, and {given.name!r} may be the numbers of the rows of "
            f"a CAVE table. Name the column: on=..., or add root IDs with .neuro.join_roots()."
        )
    if given.name not in table.columns:
        raise MissingColumnsError(
            "the root IDs are in the index, which cannot be updated. Use table.reset_index() first."
        )
    old, _ = id_array(given)
    with collect_report(options):
        found, state = _look_up(
            roles.supervoxel_column(table, supervoxels, "supervoxels"), version, opened, options
        )
        new, _ = id_array(found.table["root_id"])
        is_kept = (old == new) & (old > 1)
        doubtful = ~is_kept & (old > 1)
        if doubtful.any():
            is_kept[doubtful] = _are_valid(old[doubtful], opened, state, options)
    mismatched = np.flatnonzero(is_kept & (new != old) & (new > 0))
    if len(mismatched):
        shown = listing(table.index[mismatched])
        warn(
            f"{len(mismatched):,} rows have a valid root ID, but their supervoxel lies in another one: "
            f"rows {shown}. They are unchanged. Check their supervoxels.",
            SupervoxelMismatchWarning,
        )
    has_failed = (found.status() == FAILED) & ~is_kept
    status = _status(old, new, is_kept)
    status[has_failed] = STATUS[FAILED]
    updated = np.where(is_kept | has_failed, old, new)
    missing = updated == 0
    cells: Any = pd.arrays.IntegerArray(updated, missing) if missing.any() else updated
    name = given.name
    added = {f"{name}_old": array_of(given), f"{name}_status": pd.array(status, dtype=TEXT)}
    result = joins.add_columns(table, added, overwrite=overwrite)
    result = joins.add_columns(result, {name: cells}, overwrite=True)
    words, counts = np.unique(status, return_counts=True)
    names = [f"rows_{word.replace(' ', '_')}" for word in words]
    numbers = dict(zip(names, counts.tolist(), strict=True))
    return note(extend(result, found.table, verb="update"), **numbers)


def _are_valid(ids: Int64Array, opened: CaveSource, state: State | None, options: Fetch) -> Any:
    """Return whether root IDs are valid now or at a time; not known offline."""
    from pdneuro.cave import root_ids

    if options.offline:
        raise OfflineError(
            "pdneuro is offline, and it cannot be checked whether the root IDs are valid. Use "
            ".neuro.join_roots(), which needs the cached root IDs of the supervoxels alone."
        )
    distinct, rows = np.unique(ids, return_inverse=True)
    return root_ids.are_valid(opened.connect(options), distinct, state and state.moment)[rows]


def _status(old: Int64Array, new: Int64Array, is_kept: Mask) -> npt.NDArray[np.object_]:
    """Return the status of each row.

    >>> new, kept = np.array([21, 22, 31, 0, 51]), np.array([False] * 4 + [True])
    >>> _status(np.array([2, 2, 3, 4, 51]), new, kept).tolist()
    ['split', 'split', 'updated', 'not found', 'unchanged']
    """
    status = np.where(is_kept, UNCHANGED, np.where(new == 0, NOT_FOUND, UPDATED)).astype(object)
    changed = np.flatnonzero((status == UPDATED) & (old > 1))
    pairs = pd.DataFrame({"old": old[changed], "new": new[changed]})
    several = pairs.groupby("old")["new"].transform("nunique").to_numpy() > 1
    status[changed[several]] = SPLIT
    return status
