"""Common joins: cells with their features, experiments by site, unionizes as matrix or edges."""

from __future__ import annotations

from collections.abc import Sized
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.types import is_list_like

from pdneuro._compat import TEXT
from pdneuro.allen import payload, send
from pdneuro.allen.rows import all_rows, as_table
from pdneuro.allen.tree import structure_tree
from pdneuro.errors import (
    InvalidQueryError,
    MissingColumnsError,
    UnknownIdsError,
    UnknownIdsWarning,
    did_you_mean,
    listing,
    warn,
)
from pdneuro.options import Fetch, get_option
from pdneuro.tables import joins
from pdneuro.tables.columns import array_of, check_choice, take_or_na
from pdneuro.tables.ids import whole_numbers
from pdneuro.tables.provenance import stamp
from pdneuro.tables.structure_tree import Places, StructureTree
from pdneuro.tables.unionizes import (
    RATIOS,
    SIDES,
    SUMS,
    experiment_column,
    find_members,
    grouped,
    pivoted,
    rolled_up,
    select,
)
from pdneuro.transport import progress
from pdneuro.transport.http import all_or_none, run_parallel

if TYPE_CHECKING:
    import xarray as xr


MOUSE, HUMAN = "Mus musculus", "Homo Sapiens"
_SPECIES = {
    "mouse": "mus musculus",
    "mus musculus": "mus musculus",
    "human": "homo sapiens",
    "homo sapiens": "homo sapiens",
}
#: Class and further options of the query for each type of feature.
_FEATURES: dict[str, tuple[str, dict[str, Any]]] = {
    "ephys": ("EphysFeature", {}),
    "morphology": ("NeuronReconstruction", {"excpt": "tags"}),
}


#: Columns of the table of cells.
_CELLS: dict[str, Any] = {
    **dict.fromkeys(("specimen__id", "structure__id", "donor__id"), "int64"),
    **dict.fromkeys(("specimen__name", "specimen__hemisphere", "line_name", "donor__species"), TEXT),
    **dict.fromkeys(("structure__name", "structure__acronym", "structure__layer"), TEXT),
    **dict.fromkeys(("tag__apical", "tag__dendrite_type", "cell_reporter_status"), TEXT),
    **dict.fromkeys(("csl__x", "csl__y", "csl__z"), "float64"),
}
#: Columns of the table of experiments.
_EXPERIMENTS: dict[str, Any] = {
    **dict.fromkeys(("data_set_id", "structure_id", "product_id"), "int64"),
    **dict.fromkeys(("injection_volume", "injection_x", "injection_y", "injection_z"), "float64"),
    **dict.fromkeys(("structure_abbrev", "structure_name", "injection_structures"), TEXT),
    **dict.fromkeys(("gender", "specimen_name", "strain", "storage_directory"), TEXT),
    "transgenic_line": object,
    "transgenic_line_id": "Int64",
}
#: Columns of the table of unionizes.
_UNIONIZES: dict[str, Any] = {
    **dict.fromkeys(("id", "section_data_set_id", "structure_id", "hemisphere_id"), "int64"),
    "is_injection": "bool",
    **dict.fromkeys(("max_voxel_density", "max_voxel_x", "max_voxel_y", "max_voxel_z"), "float64"),
    **dict.fromkeys((*RATIOS, *SUMS), "float64"),
}
#: Experiments per request: an experiment has about 1,000 rows, and a response at most 25,000.
_BATCH = 20
#: Position of the plane between the hemispheres, in µm from the left end of the reference space.
_MIDLINE = 5700


@all_or_none()
def cells(*, species: Any = None, ephys: bool = True, morphology: bool = True) -> pd.DataFrame:
    """Return the cells of the Cell Types Database, one row per cell, with their features.

    Parameters
    ----------
    species : str or iterable of str, optional
        ``"Mus musculus"``, ``"Homo Sapiens"``. Default: both.
    ephys, morphology : bool, default True
        Add the features of the recordings and of the reconstructions.

    Returns
    -------
    DataFrame
        The columns of :meth:`pdneuro.allen.CellTypesApi.list_cells_api`, without the quotes around
        ``structure__name``; features as ``ephys_{feature}`` and ``morphology_{feature}``, NA for cells
        without them. ``structure__id`` of human cells belongs to the human ontology;
        ``.neuro.join_structures()`` returns NA for them.

    Raises
    ------
    InvalidQueryError, QueryRefusedError
        An argument is invalid, or the service rejected the query.
    ServiceError, OfflineError
        The request failed; or pdneuro is offline and the response is not cached.

    Examples
    --------
    >>> table = pdneuro.allen.cells(species="Mus musculus")
    >>> table[["specimen__id", "ephys_tau", "morphology_number_stems"]].head(2)
       specimen__id  ephys_tau  morphology_number_stems
    0     318808427       15.5                        5
    1     464212183       16.5                     <NA>
    """
    table = _documented(all_rows("ApiCellTypesSpecimenDetail"), _CELLS)
    if species is not None:
        names = table["donor__species"].astype("object").map(lambda name: str(name).lower())
        table = table[names.isin(species_names(species))].reset_index(drop=True)
    table["structure__name"] = table["structure__name"].str.strip('"')
    wanted = {"ephys": ephys, "morphology": morphology}
    for prefix in (name for name, yes in wanted.items() if yes):
        model, options = _FEATURES[prefix]
        criteria = "specimen(ephys_result[failed$eqfalse])"
        features = all_rows(model, criteria=criteria, **options)
        if features.empty:
            continue
        # If a cell has several recordings or reconstructions, the newest counts.
        newest = features.sort_values("id").drop_duplicates("specimen_id", keep="last")
        rows = pd.Index(newest["specimen_id"]).get_indexer(pd.Index(table["specimen__id"]))
        columns = {
            f"{prefix}_{name}": take_or_na(array_of(newest[name]), rows)
            for name in newest.columns
            if name != "specimen_id"
        }
        table = joins.add_columns(table, columns)
    return stamp(table, source="allen", query="cells()")


@all_or_none()
def experiments(
    injection: Any = None, *, transgenic_line: Any = None, primary_only: bool = True, graph_id: int = 1
) -> pd.DataFrame:
    """Return tracer experiments by the structure of their injection.

    Parameters
    ----------
    injection : int, str or iterable, optional
        Structures by ID or acronym, including their descendants. Default: all.
    transgenic_line : str or iterable of str or bool, optional
        Only these mouse lines; False for wild type, True for any line.
    primary_only : bool, default True
        Use only the primary injection structure, not all structures that the injection reached.
    graph_id : int
        1 is the adult mouse.

    Returns
    -------
    DataFrame
        The columns of :meth:`pdneuro.allen.MouseConnectivityApi.get_experiments_api`, with
        ``transgenic_line_name``.

    Raises
    ------
    UnknownStructureError
        The structure does not exist.
    InvalidQueryError, QueryRefusedError
        An argument is invalid, or the service rejected the query.
    ServiceError, OfflineError
        The request failed; or pdneuro is offline and the response is not cached.

    Examples
    --------
    >>> wild = pdneuro.allen.experiments("VIS", transgenic_line=False)
    >>> wild["data_set_id"].tolist()
    [100140756, 100140949]
    """
    table = _experiments()
    lines = [
        line.get("name") if isinstance(line, dict) else line if isinstance(line, str) else None
        for line in table.get("transgenic_line", pd.Series(None, table.index, dtype=object))
    ]
    names = pd.Series(lines, index=table.index, dtype=object)
    table["transgenic_line_name"] = pd.array(lines, dtype=TEXT)
    kept = np.ones(len(table), bool)
    if injection is not None:
        tree = structure_tree(graph_id)
        members = tree.named(injection)
        if members.left is not None:
            raise InvalidQueryError(
                f"injection={injection!r:.60} names the left hemisphere, but the experiments have no "
                "side. Use positive IDs."
            )
        outcome = "The experiments are left out."
        if primary_only:
            places = tree.find(table["structure_id"], outcome=outcome)
            kept &= tree.within(places, members, include_self=True)
        else:
            sites = table["injection_structures"].astype(object).map(_parts).explode()
            places = tree.find(sites, outcome=outcome)
            reached = tree.within(places, members, include_self=True)
            kept &= pd.Series(reached, sites.index).groupby(level=0).any().to_numpy()
    if isinstance(transgenic_line, bool):
        kept &= names.notna().to_numpy() == transgenic_line
    elif transgenic_line is not None:
        wanted = [transgenic_line] if isinstance(transgenic_line, str) else list(transgenic_line)
        for line in wanted:
            if lines and line not in set(lines):
                raise InvalidQueryError(
                    f"no experiment has the mouse line {line!r}.{did_you_mean(line, names.dropna())} "
                    f"The lines are {listing(sorted(names.dropna().unique()), 20)}."
                )
        kept &= names.isin(wanted).to_numpy()
    selected = table[kept].reset_index(drop=True)
    return stamp(selected, source="allen", query=f"experiments({injection!r:.60})")


def _experiments() -> pd.DataFrame:
    """Return all experiments."""
    return _documented(all_rows("ApiConnectivity"), _EXPERIMENTS)


def _documented(table: pd.DataFrame, columns: dict[str, Any]) -> pd.DataFrame:
    """Return a table; with its documented columns if it has no rows, since then it has no columns."""
    if len(table):
        return table
    empty = pd.DataFrame(columns=list(columns)).astype(columns)
    empty.attrs = dict(table.attrs)
    return empty


def _parts(text: Any) -> list[Any]:
    """Return the structures in a text such as ``"985/993"``."""
    return [part for part in str(text).split("/") if part] if isinstance(text, str) else [text]


@all_or_none()
def unionizes(
    experiments: Any,
    *,
    structures: Any = None,
    hemisphere: int | None = None,
    is_injection: bool | None = None,
    graph_id: int = 1,
) -> pd.DataFrame:
    """Return the signal of tracer experiments by structure.

    Parameters
    ----------
    experiments : int or iterable
        IDs of experiments, such as ``data_set_id``.
    structures : int, str or iterable, optional
        A structure set, or structures by ID or acronym; the rows include their descendants. Default:
        all.
    hemisphere : int, optional
        1 left, 2 right, 3 both. Default: rows of each.
    is_injection : bool, optional
        Inside or outside the injection. Default: both.
    graph_id : int
        For ``structures``.

    Returns
    -------
    DataFrame
        The columns of :meth:`pdneuro.allen.MouseConnectivityApi.get_structure_unionizes`.

    Raises
    ------
    InvalidQueryError
        An argument is invalid, such as the negative ID of a structure: rows have no such IDs.
    UnknownStructureError
        ``structures`` is neither a set nor a structure.

    Examples
    --------
    >>> rows = pdneuro.allen.unionizes([100140756], structures="TH", hemisphere=3, is_injection=False)
    >>> rows[["section_data_set_id", "structure_id", "projection_density"]].head(2).round(3)
       section_data_set_id  structure_id  projection_density
    0            100140756           549               0.045
    1            100140756           170               0.041
    """
    if not len(experiments if isinstance(experiments, Sized) else [experiments]):
        return _documented(pd.DataFrame(), _UNIONIZES)
    ids = sorted(payload.id_list(experiments, "experiments"))
    criteria = "[section_data_set_id$in{ids}]"
    wanted: set[int] | None = None
    if is_injection is not None:
        criteria += f"[is_injection$eq{payload.value(is_injection, 'is_injection')}]"
    if hemisphere is not None:
        criteria += f"[hemisphere_id$eq{payload.one_id(hemisphere, 'hemisphere')}]"
    if structures is not None:
        tree = structure_tree(graph_id)
        below = np.unique(tree.below(_members(tree, structures).rows, include_self=True)[1])
        numbers = tree.take(Places(below, None, acronyms=False, complete=True), "id")
        if len(below) <= payload.MAX_IDS:
            criteria += f"[structure_id$in{payload.ids(numbers, 'structures')}]"
        else:  # the list does not fit into the address together with the experiments
            wanted = set(map(int, numbers))
    parts = [ids[first : first + _BATCH] for first in range(0, len(ids), _BATCH)]
    fetch = Fetch.of()
    endpoint = f"{get_option('allen_url')}/api/v2/data"
    options = {"criteria": criteria, "num_rows": "all", "count": False}
    queries = [
        payload.ModelQuery(endpoint, "ProjectionStructureUnionize", options, part) for part in parts
    ]
    tables = []
    with progress.bar(len(ids), "unionizes", "experiments", fetch.progress) as bar:
        found = run_parallel(lambda query: send.rows(query, fetch), queries, fetch.max_workers)
        for part, table in zip(parts, found, strict=True):
            tables.append(table)
            bar.update(len(part))
    rows = [row for table in tables for row in table.rows]
    if wanted is not None:
        rows = [row for row in rows if row["structure_id"] in wanted]
    return _documented(as_table(tables[0]._replace(rows=rows)), _UNIONIZES)


def _members(tree: StructureTree, structures: Any) -> Places:
    """Return the structures that a call names, which have no side."""
    members = tree.members(structures)
    if members.left is not None:
        raise InvalidQueryError(
            f"{structures!r:.60} names the left hemisphere. Use positive IDs, and hemisphere=1."
        )
    return members


@all_or_none()
def unionize_columns(
    experiments: npt.NDArray[np.int64],
    structures: Any,
    value: str = "projection_density",
    *,
    hemisphere: int | str = 3,
    is_injection: bool = False,
    graph_id: int = 1,
    on_missing: str | None = None,
) -> pd.DataFrame:
    """Return :func:`projection_matrix` of experiments that are downloaded, with acronyms as columns.

    Each member of ``structures`` has a column, and each experiment with rows has a row.

    Raises
    ------
    UnknownIdsError
        The service has no unionizes of an experiment, and ``on_missing`` is ``"raise"``.

    Warns
    -----
    UnknownIdsWarning
    """
    tree = structure_tree(graph_id)
    rows = np.unique(_members(tree, structures).rows)
    numbers = tree.take(Places(rows, None, acronyms=False, complete=True), "id")
    table = unionizes(
        experiments,
        structures=structures,
        hemisphere=None if isinstance(hemisphere, str) else hemisphere,
        is_injection=is_injection,
        graph_id=graph_id,
    )
    absent = np.setdiff1d(experiments, table["section_data_set_id"])
    if len(absent):
        message = f"the service has no unionizes of these experiments: {listing(absent)}."
        if get_option("on_missing", on_missing) == "raise":
            raise UnknownIdsError(message)
        if get_option("on_missing", on_missing) == "warn":
            warn(f"{message} Their rows are NA.", UnknownIdsWarning)
    matrix = pd.DataFrame(index=pd.Index([], dtype="int64"), dtype="float64")
    if len(table):
        side = hemisphere if isinstance(hemisphere, str) else None
        matrix = projection_matrix(
            table, value, rollup=structures, hemisphere=side, graph_id=graph_id, on_missing=on_missing
        )
    return matrix.reindex(columns=numbers).set_axis(list(tree.acronyms(rows)), axis="columns")


@all_or_none()
def projection_matrix(
    unionizes: pd.DataFrame,
    value: str = "projection_density",
    *,
    rollup: Any = None,
    labels: str = "id",
    hemisphere: Any = None,
    is_injection: bool | None = None,
    graph_id: int = 1,
    on_missing: str | None = None,
) -> pd.DataFrame:
    """Return unionizes as a matrix: one row per experiment, one column per structure.

    Parameters
    ----------
    unionizes : DataFrame
        Result of :meth:`pdneuro.allen.MouseConnectivityApi.get_structure_unionizes`.
    value : str, default "projection_density"
        A column: ``projection_density`` (share of the structure's pixels), ``projection_volume`` (mm³),
        ``normalized_projection_volume``, ``projection_energy``.
    rollup : int, str or iterable, optional
        A structure set whose members are the columns; see
        :func:`pdneuro.queries.structures.rollup`. If a member has its own row, this is its value;
        otherwise the topmost rows below it are summed (for densities and energies, both of their sums),
        so that nothing counts twice.
    labels : {"id", "acronym", "name"}, default "id"
        Labels of the columns. Regions of the left hemisphere, whose ID is negative, get the suffix
        ``" (left)"`` to the acronym or name.
    hemisphere : int, str or list, optional
        1 left, 2 right, 3 both; ``"ipsilateral"`` (the hemisphere of the injection, by its
        coordinates), ``"contralateral"``. Required if the table has rows of several. A list of these
        gives the columns two levels.
    is_injection : bool, optional
        Inside or outside the injection; required if the table has rows of both.
    graph_id : int
        For ``rollup``.
    on_missing : {"warn", "raise", "ignore"}, optional
        With ``rollup``, what to do about rows whose structure is not in the graph. Default: the option
        ``on_missing``.

    Returns
    -------
    DataFrame
        float64. Index: experiments; columns: structures, with ``rollup`` in graph order; with a
        list of hemispheres ``hemisphere`` above them. NaN if an experiment has no row of a structure,
        if a part of a sum is missing, or for a density of no pixels.

    Raises
    ------
    AmbiguousColumnError
        The table has several hemispheres, or rows inside and outside injections, and the call selects
        none.
    MissingColumnsError
        A column is missing.
    InvalidQueryError
        No row has the hemisphere, the flag, or a structure of ``rollup``; the message lists what there
        is. Flags and numbers may be text, such as ``t``.
    UnknownIdsError
        Structures are not in the graph, and ``on_missing`` is ``"raise"``.

    Warns
    -----
    UnknownIdsWarning
        Structures are not in the graph; their rows are in no sum.

    Examples
    --------
    >>> rows = pdneuro.allen.MouseConnectivityApi().get_structure_unionizes(
    ...     [100140756, 112670853], is_injection=False, hemisphere_ids=3
    ... )
    >>> matrix = pdneuro.allen.projection_matrix(rows, rollup="Brain - Major Divisions")
    >>> matrix.shape
    (2, 7)
    >>> rows = pdneuro.allen.MouseConnectivityApi().get_structure_unionizes(
    ...     [100140756, 112670853], is_injection=False
    ... )
    >>> sides = ["ipsilateral", "contralateral"]
    >>> matrix = pdneuro.allen.projection_matrix(rows, rollup=["CTX", "TH"], hemisphere=sides)
    >>> matrix["contralateral"].columns.tolist()
    [688, 549]
    """
    check_choice("labels", labels, ("id", "acronym", "name"))
    matrix: pd.DataFrame
    if is_list_like(hemisphere):
        parts = {
            side: _matrix(unionizes, value, labels, rollup, side, is_injection, graph_id, on_missing)
            for side in hemisphere
        }
        if not parts:
            raise InvalidQueryError("the list of hemispheres is empty. Leave it out, or name one.")
        matrix = pd.concat(parts, axis="columns", names=["hemisphere"])
    else:
        matrix = _matrix(
            unionizes, value, labels, rollup, hemisphere, is_injection, graph_id, on_missing
        )
    query = f"projection_matrix({value})"
    return stamp(matrix, source="allen", query=query, earlier=unionizes.attrs)


def _matrix(
    unionizes: pd.DataFrame,
    value: str,
    labels: str,
    rollup: Any,
    hemisphere: int | str | None,
    is_injection: bool | None,
    graph_id: int,
    on_missing: str | None,
) -> pd.DataFrame:
    """Return the matrix of one hemisphere."""
    selection = (rollup, hemisphere, is_injection, graph_id, on_missing)
    matrix = pivoted(_valued(unionizes, value, *selection), value)
    if rollup is not None:
        places = structure_tree(graph_id).locate(matrix.columns.to_series())
        matrix = matrix.iloc[:, np.lexsort((places.is_left, places.rows))]
    if labels != "id":
        matrix = matrix.set_axis(_structure_labels(matrix.columns, labels, graph_id), axis=1)
    return matrix


def _structure_labels(ids: pd.Index[Any], field: str, graph_id: int) -> pd.Index[Any]:
    """Return the acronyms or names of structures; the ID as text of one that is not in the graph."""
    tree = structure_tree(graph_id)
    places = tree.locate(ids.to_series())
    found = pd.Series(tree.take(places, field), dtype=object)
    labels = found.where(found.notna(), pd.Series(ids.astype(str), dtype=object))
    left = pd.Series(places.is_left) & found.notna()
    named = labels.where(~left, labels.astype(str) + " (left)")
    found_names: pd.Index[Any] = pd.Index(named, name=field, dtype=TEXT)
    return found_names


def _valued(
    unionizes: pd.DataFrame,
    value: str,
    rollup: Any,
    hemisphere: int | str | None,
    is_injection: bool | None,
    graph_id: int,
    on_missing: str | None,
) -> pd.DataFrame:
    """Return experiment, structure and value; with ``rollup``, structures in graph order."""
    for name in ("structure_id", value):
        if name not in unionizes.columns:
            raise MissingColumnsError(f"the table of unionizes does not have a column {name!r}.")
    table = select(unionizes, hemisphere, is_injection, _injected(hemisphere))
    if rollup is None:
        return table[[experiment_column(table), "structure_id", value]]
    return rolled_up(table, value, structure_tree(graph_id), rollup, on_missing)


def _injected(hemisphere: int | str | None) -> pd.Series[Any] | None:
    """Return the hemisphere of each experiment's injection, if the call names a side by its word."""
    if hemisphere not in SIDES:
        return None
    table = _experiments()
    place = pd.to_numeric(table["injection_z"])
    known = place.notna().to_numpy()
    sides = np.where(place[known] > _MIDLINE, 2, 1)
    return pd.Series(sides, index=table.loc[known, "data_set_id"])


@all_or_none()
def projection_array(
    unionizes: pd.DataFrame,
    value: str = "projection_density",
    *,
    rollup: Any = None,
    hemisphere: Any = None,
    is_injection: bool | None = None,
    graph_id: int = 1,
    on_missing: str | None = None,
) -> xr.DataArray:
    """Return :func:`projection_matrix` as a labeled array.

    Returns
    -------
    xarray.DataArray
        Dims ``experiment_id, structure_id`` (int64), ``acronym`` along the structures; with a list of
        hemispheres ``experiment_id, hemisphere, structure_id``.

    Examples
    --------
    >>> rows = pdneuro.allen.MouseConnectivityApi().get_structure_unionizes(
    ...     [100140756], is_injection=False, hemisphere_ids=3
    ... )
    >>> array = pdneuro.allen.projection_array(rows, rollup=["CTX", "TH"])
    >>> array["acronym"].values.tolist()
    ['CTX', 'TH']
    """
    import xarray as xr

    matrix = projection_matrix(
        unionizes,
        value,
        rollup=rollup,
        hemisphere=hemisphere,
        is_injection=is_injection,
        graph_id=graph_id,
        on_missing=on_missing,
    )
    tree = structure_tree(graph_id)
    structures = matrix.columns
    sides = {}
    values = matrix.to_numpy(np.float64, na_value=np.nan)
    if matrix.columns.nlevels > 1:
        sides = {"hemisphere": matrix.columns.unique("hemisphere").to_numpy()}
        structures = matrix.columns.unique("structure_id")
        pairs = pd.MultiIndex.from_product([sides["hemisphere"], structures])
        values = matrix.reindex(columns=pairs).to_numpy(np.float64)
    outcome = "They have no acronym."
    places = tree.find(structures.to_series(), on_missing, unit="columns", outcome=outcome)
    acronyms = pd.Series(tree.take(places, "acronym")).fillna("").to_numpy(object).astype(str)
    return xr.DataArray(
        values.reshape(len(matrix), *map(len, sides.values()), len(structures)),
        dims=("experiment_id", *sides, "structure_id"),
        coords={
            "experiment_id": matrix.index.to_numpy(np.int64),
            **sides,
            "structure_id": structures.to_numpy(np.int64),
            "acronym": ("structure_id", acronyms),
        },
        name=value,
        attrs=dict(matrix.attrs),
    )


@all_or_none()
def projection_edges(
    unionizes: pd.DataFrame,
    experiments: pd.DataFrame,
    value: str = "projection_density",
    *,
    rollup: Any = None,
    hemisphere: int | str | None = None,
    is_injection: bool | None = None,
    graph_id: int = 1,
    on_missing: str | None = None,
) -> pd.DataFrame:
    """Return unionizes as edges from the injected structure to structures with signal.

    Parameters
    ----------
    unionizes, value, rollup, hemisphere, is_injection, graph_id, on_missing
        See :func:`projection_matrix`; ``rollup`` also applies to the injected structures, and
        ``hemisphere`` is one.
    experiments : DataFrame
        Result of :func:`experiments`: ``data_set_id`` (or ``id``) and ``structure_id``.

    Returns
    -------
    DataFrame
        ``pre``, ``post`` (structure IDs, int64), a column named after ``value`` (mean over the
        experiments of a pair, not a number of synapses; NaN if one of them is missing),
        ``n_experiments`` (int64). Pairs without signal are 0.

    Raises
    ------
    MissingColumnsError
        A column is missing, or an experiment is not in the table of experiments.
    InvalidQueryError
        ``value`` cannot be rolled up, or no row has what the call selects.
    UnknownIdsError
        Structures are not in the graph, and ``on_missing`` is ``"raise"``.

    Warns
    -----
    UnknownIdsWarning
        Structures, also those of injections, are missing or not in the graph; their rows are left out.

    Examples
    --------
    >>> found = pdneuro.allen.experiments("VISp")
    >>> rows = pdneuro.allen.MouseConnectivityApi().get_structure_unionizes(
    ...     found["data_set_id"], is_injection=False, hemisphere_ids=3
    ... )
    >>> edges = pdneuro.allen.projection_edges(rows, found, rollup=["VISp", "TH"])
    >>> edges[["pre", "post", "n_experiments"]]
       pre  post  n_experiments
    0  385   385              3
    1  385   549              3
    """
    table = _valued(unionizes, value, rollup, hemisphere, is_injection, graph_id, on_missing)
    key = "data_set_id" if "data_set_id" in experiments.columns else "id"
    if key not in experiments.columns or "structure_id" not in experiments.columns:
        raise MissingColumnsError("the table of experiments requires 'data_set_id' and 'structure_id'.")
    sites = experiments.drop_duplicates(key).set_index(key)["structure_id"]
    number = table[experiment_column(table)]
    unknown = number[~number.isin(sites.index)].unique()
    if len(unknown):
        raise MissingColumnsError(
            f"{len(unknown):,} experiments are not in the table of experiments, such as {unknown[0]}."
        )
    ends = {"pre": sites.iloc[sites.index.get_indexer(pd.Index(number))], "post": table["structure_id"]}
    kept = np.ones(len(table), bool)
    for end, structures in ends.items():
        column = structures.set_axis(table.index)
        if end == "pre" and rollup is not None:
            tree = structure_tree(graph_id)
            places, member = find_members(tree, column, rollup, on_missing)
            column = pd.Series(
                tree.take(places._replace(rows=member, complete=False), "id"), table.index
            )
        numbers, missing = whole_numbers(column.rename("structure_id"))
        ends[end] = pd.Series(numbers, table.index)
        if missing is not None and missing.any():
            kept &= ~missing
            if end == "post" or rollup is None:
                _report_missing(number[missing], end, on_missing)
    edges = pd.DataFrame({**ends, value: table[value]})[kept]
    means = grouped(edges, ["pre", "post"], [value], "mean")
    means["n_experiments"] = edges.groupby(["pre", "post"], sort=False).size()
    edges = means.sort_index().reset_index().astype({"n_experiments": "int64"})
    query = f"projection_edges({value})"
    return stamp(edges, source="allen", query=query, earlier=unionizes.attrs)


def _report_missing(experiments: pd.Series[Any], end: str, on_missing: str | None) -> None:
    policy = get_option("on_missing", on_missing)
    what = "injected structure" if end == "pre" else "structure"
    message = (
        f"{len(experiments):,} rows have no {what}: those of the experiments "
        f"{listing(experiments.unique())}."
    )
    if policy == "raise":
        raise UnknownIdsError(message)
    if policy == "warn":
        warn(f"{message} They are left out.", UnknownIdsWarning)


def species_names(species: Any) -> list[str]:
    """Return Latin names of species in lower case, also for ``mouse`` and ``human``.

    Raises
    ------
    InvalidQueryError
        The database does not have cells of this species.
    """
    texts = [species] if isinstance(species, str) else [str(name) for name in species]
    names = [_SPECIES.get(name.lower(), name.lower()) for name in texts]
    wrong = [name for name in names if name not in _SPECIES.values()]
    if wrong:
        raise InvalidQueryError(
            f"species must be {MOUSE!r} or {HUMAN!r}, not {listing(map(repr, wrong))}."
        )
    return names
