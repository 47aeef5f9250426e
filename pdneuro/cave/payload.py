"""Build queries of CAVE: the name of a caveclient method, and its keyword arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

#: Datastacks that are known, with a description; any other name is passed on.
DATASTACKS = {
    "minnie65_public": "MICrONS: a cubic millimeter of mouse visual cortex, public versions.",
    "minnie65_phase3_v1": "MICrONS, for its proofreaders.",
    "flywire_fafb_public": "FlyWire: the brain of an adult fruit fly, public versions.",
    "flywire_fafb_production": "FlyWire, for its proofreaders.",
    "fanc_production_mar2021": "FANC: the nerve cord of an adult fruit fly.",
    "v1dd_public": "V1DD: primary visual cortex of a mouse, public versions.",
    "v1dd": "V1DD, for its proofreaders.",
}
#: What the service can do, with a call that does it.
CAPABILITIES = {
    "tables": "Rows of tables and views by root ID: ids.neuro.cave(table, source=...).",
    "edges": "Partners and numbers of synapses: ids.neuro.edges(source=...).",
    "synapses": "Each synapse with its position: ids.neuro.synapses(source=...).",
    "edges by region": "A row per pair and region, if there are regions: ids.neuro.edges(roi=True).",
    "skeletons": "Node tables of reconstructions: ids.neuro.skeletons(source=...).",
    "root IDs": "Current and earlier root IDs: ids.neuro.latest(source=...), ids.neuro.at(version).",
}
#: Maximum number of IDs per request. A table of annotations has a row or a few per ID, the table of
#: synapses thousands; a lookup of successors takes one more request per ID.
TABLE_BATCH, SYNAPSE_BATCH, SUCCESSOR_BATCH = 1000, 30, 20
#: Number of IDs per request for their validity, their times or the root IDs of supervoxels, which have a
#: few bytes per ID.
ROOT_BATCH = 10_000
#: For synapses between two sets, the longer list is sent in batches. With a list of at most SHORT_LIST
#: at the other end, a batch can be long; lists that are long at both ends are slow on the server. A
#: list beyond LONGEST_LIST is not sent: its IDs are selected from the response.
BOTH_ENDS_BATCH, SHORT_LIST, LONGEST_LIST = 1000, 50, 5000
#: Number of skeletons per request; the service accepts 500, but each can have a megabyte.
SKELETON_BATCH = 50
#: The version of skeletons with compartments and radii, and the oldest service with bulk requests.
SKELETON_VERSION, SKELETON_SERVICE = 4, (0, 23, 9)
#: Largest number that is not a root ID: 0 means no segment, 1 a segment that is not looked up yet.
PENDING = 1
#: Column of the root ID in tables of annotations.
ROOT = "pt_root_id"
#: Columns of the root IDs in the table of synapses.
PRE, POST = "pre_pt_root_id", "post_pt_root_id"


class Table(NamedTuple):
    """A table or view of a version."""

    name: str
    version: int
    #: The table with the positions and root IDs of this table's rows, if it has none itself.
    reference: str | None = None
    is_view: bool = False


class Restriction(NamedTuple):
    """Further conditions of a query of synapses, which select some rows of each ID."""

    #: The column of the other end, and its root IDs; None for any.
    column: str
    ids: tuple[int, ...] | None = None
    #: A column of positions, and the lowest and highest corner of a box in voxels of the table.
    box: tuple[str, tuple[tuple[int, ...], tuple[int, ...]]] | None = None


def table_query(
    table: Table,
    ids: Sequence[int] | None,
    column: str = ROOT,
    columns: Sequence[str] | None = None,
    resolution: Sequence[float] | None = None,
    restriction: Restriction | None = None,
) -> tuple[str, dict[str, Any]]:
    """Query the rows of some root IDs.

    Parameters
    ----------
    table : Table
    ids : sequence of int, optional
        None queries one row, which shows the columns and their dtypes.
    column : str
        The column of root IDs.
    columns : sequence of str, optional
        Columns of a table to return. Views and reference tables return all.
    resolution : sequence of float, optional
        Size in nm of the voxels in which positions are returned. Default: the table's own.
    restriction : Restriction, optional
        Further conditions.

    Returns
    -------
    tuple of str and dict
        Method of caveclient's ``materialize``, and its keyword arguments.

    Examples
    --------
    >>> method, arguments = table_query(Table("nuclei", 1300), [864691135207734905])
    >>> method, arguments["filter_in_dict"]
    ('query_table', {'pt_root_id': [864691135207734905]})
    """
    wanted = None if ids is None else {column: [int(number) for number in ids]}
    if wanted is not None and restriction is not None and restriction.ids is not None:
        wanted[restriction.column] = list(restriction.ids)
    common: dict[str, Any] = {
        "materialization_version": table.version,
        "split_positions": True,
        "metadata": False,
        "desired_resolution": None if resolution is None else list(resolution),
        "limit": 1 if ids is None else None,
    }
    spatial = None
    if restriction is not None and restriction.box is not None:
        name, corners = restriction.box
        spatial = {name: [list(corner) for corner in corners]}
        common["filter_spatial_dict"] = spatial
    if table.is_view:
        return "query_view", {"view_name": table.name, "filter_in_dict": wanted, **common}
    common["log_warning"] = False
    if table.reference is not None:
        return "join_query", {
            "tables": [[table.name, "target_id"], [table.reference, "id"]],
            "filter_in_dict": None if wanted is None else {table.reference: wanted},
            "suffixes": {table.name: "", table.reference: "_ref"},
            **common,
            **({} if spatial is None else {"filter_spatial_dict": {table.reference: spatial}}),
        }
    # The ID of a row decides which of several is the first.
    select = None if columns is None else list(dict.fromkeys(["id", column, *columns]))
    return "query_table", {
        "table": table.name,
        "filter_in_dict": wanted,
        "select_columns": select,
        "merge_reference": False,
        **common,
    }


def cached_name(
    table: str,
    column: str,
    columns: Sequence[str] | None = None,
    resolution: Sequence[float] | None = None,
) -> str:
    """Return the name under which the responses of a query are cached.

    >>> cached_name("nuclei", "pt_root_id", ["volume"], (1, 1, 1))
    'nuclei.pt_root_id(volume) 1x1x1 nm'
    """
    chosen = "" if columns is None else f"({','.join(columns)})"
    unit = "" if resolution is None else f" {'x'.join(f'{size:g}' for size in resolution)} nm"
    return f"{table}.{column}{chosen}{unit}"
