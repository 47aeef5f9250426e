"""Convert edge tables to sparse, dense and labeled matrices, and matrices to edge tables."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pdneuro._compat import TEXT
from pdneuro._docs import documented
from pdneuro.errors import (
    ColumnExistsError,
    MissingColumnsError,
    TooLargeError,
    listing,
)
from pdneuro.graphs.sparse_arrays import from_pairs
from pdneuro.tables import roles
from pdneuro.tables.annotation import annotate
from pdneuro.tables.collapse import (
    GROUP_COUNTS,
    PER_NEURON,
    arranged,
    collapse,
    is_by_end,
    numbers,
    pairs_of_groups,
    sum_pairs,
    value_columns,
    with_labels,
)
from pdneuro.tables.columns import check_choice
from pdneuro.tables.coordinates import coordinate_array, with_provenance
from pdneuro.tables.dense import matrix_edges
from pdneuro.tables.edges import require_edges
from pdneuro.tables.foreign import to_pandas
from pdneuro.tables.grouping import group_rows, sums_by_code
from pdneuro.tables.ids import Int64Array, as_series
from pdneuro.tables.joins import Labels, are_labels, labels_of, lookup
from pdneuro.tables.node_names import IDS, NAMES, Nodes, checked_nodes, distinct_nodes, has_names
from pdneuro.tables.pairs import coded_ends
from pdneuro.tables.provenance import KEY, facts, inherit, note
from pdneuro.tables.thresholds import END_OF

if TYPE_CHECKING:
    import xarray as xr
    from scipy.sparse import csr_array

#: Maximum number of rows of a dense matrix: 20,000 x 20,000 of 8 bytes are 3.2 GB.
MAX_DENSE = 20_000
_ENDS = ("_pre", "_post")


def to_sparse(
    edges: pd.DataFrame, *, values: str = "weight", ids: Any = None
) -> tuple[csr_array, pd.Index[Any]]:
    """Return the adjacency matrix as a SciPy sparse array, with the neurons of its rows and columns.

    Parameters
    ----------
    edges : DataFrame
        An edge table. Rows of the same pair are summed.
    values : str, default "weight"
        Column of numbers for the cells, such as ``"input_fraction"`` or ``"signed_weight"``.
    ids : Series, Index, array or list, optional
        The neurons of the rows and columns, in this order; edges of other neurons are dropped. Default:
        all neurons of the table, sorted by ID.

    Returns
    -------
    csr_array, Index
        A square matrix; entry ``[i, j]`` is the weight from neuron ``ids[i]`` to ``ids[j]``, int64 for
        integer columns, otherwise float64. The index (int64) is named ``id``.

    Raises
    ------
    MissingDependencyError
        SciPy is not installed (extra ``graph``).

    Examples
    --------
    >>> from pdneuro.graphs import to_sparse
    >>> edges = pd.DataFrame({"pre": [11, 11, 12], "post": [12, 12, 11], "weight": [3, 4, 5]})
    >>> matrix, ids = to_sparse(edges)
    >>> matrix.toarray()
    array([[0, 7],
           [5, 0]])
    >>> ids
    Index([11, 12], dtype='int64', name='id')
    """
    edges = require_edges(edges)
    neurons, pre, post, entries = _entries(edges, values, ids)
    matrix = from_pairs(pre, post, entries, (len(neurons), len(neurons)))
    return matrix, pd.Index(neurons, name="id")


def _entries(edges: pd.DataFrame, values: str, ids: Any) -> tuple[Nodes, Any, Any, Any]:
    """Return the neurons, and the row, column and value of each edge between them."""
    entries = numbers(edges, values)
    if ids is None:
        return *coded_ends(edges), entries
    neurons = _unique_ids(ids, edges["pre"].to_numpy())
    index = pd.Index(neurons)
    pre, post = (index.get_indexer(pd.Index(edges[end])) for end in ("pre", "post"))
    inside = (pre >= 0) & (post >= 0)
    return neurons, pre[inside], post[inside], entries[inside]


def _unique_ids(ids: Any, like: Nodes) -> Nodes:
    column = as_series(ids)
    neurons = distinct_nodes(column, like)
    if len(neurons) < len(column):
        raise ValueError("ids contains duplicate or missing neurons. Pass each neuron once.")
    return neurons


@documented()
def to_matrix(
    edges: pd.DataFrame,
    group_by: Hashable | Sequence[Hashable] | Labels | Mapping[str, Any] | None = None,
    *,
    values: str = "weight",
    normalize: str | None = None,
    ids: Any = None,
    dropna: bool | None = None,
    sort: bool = True,
    observed: bool = True,
) -> pd.DataFrame:
    """Return the adjacency matrix as a DataFrame: rows are presynaptic, columns postsynaptic.

    Parameters
    ----------
    edges : DataFrame
        An edge table. Rows of the same pair are summed.
    group_by : hashable, list, mapping or Series, optional
        Labels that group the neurons before the sum, as in :func:`pdneuro.tables.collapse`;
        ``{"post": "type"}`` returns neurons by types.
    values : str, default "weight"
        Column of numbers for the cells, such as ``"signed_weight"``. With ``group_by`` also one of the
        counts of :func:`pdneuro.tables.collapse`: ``"n_pairs"``, ``"n_pre"``, ``"n_post"``,
        ``"weight_per_neuron"``.
    {normalize}
    {matrix order}
    dropna : bool, optional
        With ``group_by``: leave out the group NA, the neurons without a label. Their synapses count in
        the denominators of ``normalize`` in any case. Default: leave them out if ``normalize`` is given,
        else show them.
    sort, observed : bool, default True, True
        As in :meth:`pandas.DataFrame.groupby`, with ``group_by``: sort the labels, categories in their
        order; without ``observed``, include categories without neurons.

    Returns
    -------
    DataFrame
        A square matrix; index ``pre`` and columns ``post`` are the same IDs or labels, sorted; 0 means
        no edge. int64 for integers, float64 for shares and other numbers. Grouped by other labels at
        each end (``["side_pre", "type_post"]``, ``{"post": "type"}``), rows and columns have their own
        labels.

    Raises
    ------
    TooLargeError
        The matrix would have more than 20,000 rows; use :func:`to_sparse`.
    MissingColumnsError, InvalidEdgesError
        The column of values does not exist, or does not contain numbers.

    Notes
    -----
    A normalized cell of groups is a ratio of sums: all weights between two groups, divided by all input
    of the target group. It is not the mean of the shares of the target neurons, which
    connectome-interpreter's ``result_summary`` returns. A column of signed shares does not add up to 1.
    A group without input has shares of 0.

    Examples
    --------
    >>> from pdneuro.graphs import to_matrix
    >>> edges = pd.DataFrame({"pre": [11, 11, 12], "post": [12, 13, 13], "weight": [3, 4, 5]})
    >>> to_matrix(edges)
    post  11  12  13
    pre
    11     0   3   4
    12     0   0   5
    13     0   0   0
    >>> types = {11: "KC", 12: "KC", 13: "MBON"}
    >>> to_matrix(edges, group_by=types)
    post  KC  MBON
    pre
    KC     3     9
    MBON   0     0
    >>> to_matrix(edges, group_by=types, normalize="output")
    post    KC  MBON
    pre
    KC    0.25  0.75
    MBON  0.00  0.00
    """
    check_choice("normalize", normalize, (None, *END_OF))
    edges = require_edges(edges)
    if group_by is not None:
        if ids is not None:
            raise ValueError("ids= cannot be combined with group_by=.")
        groups = inherit(_sums_of_groups(edges, group_by, values), edges)
        options: dict[str, Any] = {"dropna": dropna, "sort": sort, "observed": observed}
        return matrix_of_groups(groups, values=values, normalize=normalize, **options)
    else:
        neurons, pre, post, entries = _entries(edges, values, ids)
        dense = _dense(pre, post, entries, len(neurons))
        if normalize is not None:
            totals = _totals(edges, neurons, normalize)
            dense = _divided(dense, totals if normalize == "input" else totals[:, np.newaxis])
        index, columns = pd.Index(neurons, name="pre"), pd.Index(neurons, name="post")
        matrix = pd.DataFrame(dense, index=index, columns=columns, copy=False)
    return _described(inherit(matrix, edges), values, normalize)


def _totals(edges: pd.DataFrame, neurons: Int64Array, normalize: str) -> Int64Array:
    """Return all input, or all output, of each neuron in the table."""
    codes, ids = pd.factorize(edges[END_OF[normalize]].to_numpy())
    sums = sums_by_code(codes, edges["weight"].to_numpy(), len(ids))
    totals: Int64Array = np.append(sums, 0)[pd.Index(ids).get_indexer(pd.Index(neurons))]
    return totals


def _divided(sums: Any, totals: Any) -> Any:
    """Return sums divided by totals, 0 where the total is 0."""
    return np.where(totals > 0, sums / np.where(totals > 0, totals, 1), 0.0)


def _sums_of_groups(edges: pd.DataFrame, group_by: Any, values: str) -> pd.DataFrame:
    """Return a table of groups: the columns of labels, ``weight`` and the values."""
    if values in (*GROUP_COUNTS, PER_NEURON):
        return collapse(edges, group_by, per_neuron=values == PER_NEURON)
    names = value_columns(edges, values)
    edges, keys = with_labels(edges, group_by)
    return sum_pairs(pairs_of_groups(edges, keys, names), keys, names, count=False)


def matrix_of_groups(
    groups: pd.DataFrame,
    *,
    values: str = "weight",
    normalize: str | None = None,
    dropna: bool | None = None,
    sort: bool = True,
    observed: bool = True,
) -> pd.DataFrame:
    """Return the result of :func:`pdneuro.tables.collapse` as a matrix; see :func:`to_matrix`.

    Examples
    --------
    >>> edges = pd.DataFrame({"pre": [1, 1, 2], "post": [2, 2, 1], "weight": [3, 4, 5]})
    >>> groups = edges.neuro.collapse({1: "sensory", 2: "motor"})
    >>> pdneuro.graphs.matrix.matrix_of_groups(groups).to_numpy().tolist()
    [[0, 5], [7, 0]]
    """
    check_choice("normalize", normalize, (None, *END_OF))
    if normalize is not None and values in (*GROUP_COUNTS, PER_NEURON):
        raise ValueError(f"normalize= divides sums of synapses, but values={values!r} are others.")
    dropna = normalize is not None if dropna is None else dropna
    keys = list(groups.columns[: groups.columns.get_loc("weight")])
    cells = groups[values].to_numpy()
    if normalize is not None:
        side = _of_end(keys, END_OF[normalize])
        members = group_rows(*(groups[name] for name in side or keys))
        sums = np.add.reduceat(groups["weight"].to_numpy()[members.rows], members.starts)
        totals = np.empty(len(groups), np.int64)
        totals[members.rows] = np.repeat(sums, members.sizes)
        cells = _divided(cells, totals)
    matrix = _group_matrix((groups, keys, cells), dropna=dropna, sort=sort, observed=observed)
    return _described(inherit(matrix, groups), values, normalize)


def _described(matrix: pd.DataFrame, values: str, normalize: str | None) -> pd.DataFrame:
    """Add to the provenance of a matrix what its cells are."""
    if values != "weight":
        matrix = note(matrix, values=str(values))
    return matrix if normalize is None else note(matrix, normalize=normalize)


def _of_end(names: Sequence[Any], end: str) -> list[Any]:
    """Return the columns of one end of an edge: its IDs, or its labels."""
    return [name for name in names if name == end or str(name).endswith(f"_{end}")]


def _group_matrix(
    sums: tuple[pd.DataFrame, list[Any], Any], *, dropna: bool, sort: bool, observed: bool
) -> pd.DataFrame:
    groups, names, cells = sums
    ends = [_of_end(names, end) for end in ("pre", "post")]
    if sum(map(len, ends)) < len(names) or not all(ends):
        raise ValueError(
            f"a matrix has presynaptic rows and postsynaptic columns, but group_by has only "
            f"{listing(map(repr, names))}. Use .neuro.collapse(), or name columns of both ends."
        )
    groups = arranged(groups[names].assign(weight=cells), names, dropna, sort=False, observed=observed)
    stems = [
        [str(name).removesuffix(end) for name in side] for side, end in zip(ends, _ENDS, strict=True)
    ]
    sides = [_labels(groups[end], stem) for end, stem in zip(ends, stems, strict=True)]
    axes = [_distinct(side, sort=sort) for side in sides]
    if stems[0] == stems[1]:
        axes = [_distinct(_appended(sides), sort=sort)] * 2
    pre, post = (axis.get_indexer(side) for axis, side in zip(axes, sides, strict=True))
    dense = _dense(pre, post, groups["weight"].to_numpy(), len(axes[0]), len(axes[1]))
    index, columns = (
        axis if axis.nlevels > 1 else axis.astype(object).infer_objects().rename(end.strip("_"))
        for axis, end in zip(axes, _ENDS, strict=True)
    )
    return pd.DataFrame(dense, index=index, columns=columns, copy=False)


def _labels(table: pd.DataFrame, stems: list[str]) -> pd.Index[Any]:
    """Return the labels of each row as an index, with the columns of a table as levels."""
    if table.shape[1] > 1:
        return pd.MultiIndex.from_frame(table, names=stems)
    column = table.iloc[:, 0]
    categories = isinstance(column.dtype, pd.CategoricalDtype)
    return pd.CategoricalIndex(column) if categories else pd.Index(column.astype(object))


def _appended(sides: list[pd.Index[Any]]) -> pd.Index[Any]:
    """Return the labels of both sides; categories only if they are the same on both."""
    first, second = sides
    if first.dtype == second.dtype:
        return first.append(second)
    return first.astype(object).append(second.astype(object))


def _distinct(labels: pd.Index[Any], *, sort: bool) -> pd.Index[Any]:
    found = labels.unique()
    if not sort:
        return found
    # Index.sort_values of pandas 2.2.0 puts missing categories first if the others are in falling order.
    is_categorical = isinstance(found, pd.CategoricalIndex)
    return found.take(found.argsort()) if is_categorical else found.sort_values()


def _dense(pre: Any, post: Any, entries: Any, rows: int, columns: int | None = None) -> Any:
    columns = rows if columns is None else columns
    if max(rows, columns) > MAX_DENSE:
        raise TooLargeError(
            f"a dense matrix of {rows:,} x {columns:,} would need {rows * columns * 8 / 1e9:,.0f} GB. "
            "Use to_sparse(), group the neurons (group_by=...), or select some (ids=...)."
        )
    dense = np.zeros((rows, columns), entries.dtype)
    np.add.at(dense, (pre, post), entries)
    return dense


@documented()
def to_xarray(
    edges: pd.DataFrame,
    group_by: Hashable | Sequence[Hashable] | Labels | Mapping[str, Any] | None = None,
    *,
    nodes: pd.DataFrame | Labels | None = None,
    values: str = "weight",
    normalize: str | None = None,
    ids: Any = None,
    fill_value: int | None = None,
    dropna: bool | None = None,
    sort: bool = True,
    observed: bool = True,
) -> xr.DataArray:
    """Return the adjacency matrix as a labeled array.

    Parameters
    ----------
    edges : DataFrame
        An edge table. Columns ``{column}_pre`` and ``{column}_post``, which
        :func:`pdneuro.tables.annotate` adds, become further coordinates.
    group_by : hashable, list, mapping or Series, optional
        Labels that group the neurons before the sum: columns of the edges or of ``nodes``, or a label
        for each ID; see :func:`to_matrix`.
    nodes : DataFrame, Series or mapping, optional
        A table with one row per neuron, or a label for each ID. Its columns become coordinates of both
        dimensions.
    values : str, default "weight"
        Column of numbers, or a count of groups; see :func:`to_matrix`.
    {normalize}
    {matrix order}
    fill_value : int, optional
        Value of missing IDs among the coordinates, such as 0 ("no segment"). Default: an error.
    dropna, sort, observed : bool, default None, True, True
        With ``group_by``, as in :func:`to_matrix`.

    Returns
    -------
    xarray.DataArray
        Dims ``pre`` and ``post`` with the IDs as int64 coordinates; other coordinates have the dtypes of
        :func:`pdneuro.tables.coordinate_array`. With ``group_by``, ``pre`` and ``post`` hold the labels;
        several columns are levels ``{column}_pre`` and ``{column}_post`` of a MultiIndex, which
        ``.reset_index(["pre", "post"])`` makes ready for files. The name is that of the values; with
        ``normalize`` it is ``input_fraction`` or ``output_fraction``. ``attrs["pdneuro"]`` is the
        provenance as JSON text, so that netCDF and zarr can store it.

    Raises
    ------
    TooLargeError
        The array would have more than 20,000 neurons per side.
    InvalidCoordinateError
        A column holds lists, or IDs of which some are missing.

    Examples
    --------
    >>> from pdneuro.graphs import to_xarray
    >>> edges = pd.DataFrame({"pre": [11, 12], "post": [12, 11], "weight": [3, 5]})
    >>> to_xarray(edges).sel(pre=11, post=12).item()
    3
    >>> neurons = pd.DataFrame({"root_id": [11, 12], "side": ["left", "right"]})
    >>> to_xarray(edges, nodes=neurons)["side_post"].values.tolist()
    ['left', 'right']
    """
    import xarray as xr

    edges, nodes = require_edges(edges), to_pandas(nodes)
    if group_by is None:
        matrix = to_matrix(edges, values=values, normalize=normalize, ids=ids)
        neurons = matrix.index.to_numpy()
        cells = matrix.to_numpy()
        if not len(neurons):  # a frame without columns has no dtype
            cells = cells.astype(float if normalize is not None else numbers(edges, values).dtype)
        coordinates: dict[Hashable, Any] = {"pre": neurons, "post": neurons.copy()}
        for stem, labels in (_node_labels(edges, neurons) | _labels_of_nodes(nodes, neurons)).items():
            for end in ("pre", "post"):
                column = pd.Series(labels, name=f"{stem}_{end}")
                coordinates[f"{stem}_{end}"] = (end, coordinate_array(column, fill_value=fill_value))
    else:
        names = _columns_of(nodes, group_by)
        if nodes is not None and names:
            columns = names if isinstance(nodes, pd.DataFrame) or len(names) > 1 else names[0]
            edges = annotate(edges, nodes, columns, overwrite=True)
        options: dict[str, Any] = {"dropna": dropna, "sort": sort, "observed": observed}
        matrix = to_matrix(edges, group_by, values=values, normalize=normalize, ids=ids, **options)
        cells, coordinates = matrix.to_numpy(), _group_coordinates(matrix)
    name = values if normalize is None else f"{normalize}_fraction"
    units = {"weight": "synapses", PER_NEURON: "synapses per neuron"}.get(values)
    units = "1" if normalize is not None else units
    attributes = {} if units is None else {"units": units}
    array = xr.DataArray(cells, coordinates, ("pre", "post"), name=name, attrs=attributes)
    return with_provenance(array, matrix)


def _columns_of(nodes: pd.DataFrame | Labels | None, group_by: Any) -> list[Any]:
    """Return the columns of a table of neurons that ``group_by`` names, also as ``{column}_pre``."""
    chosen = list(group_by.values()) if is_by_end(group_by) else [group_by]
    names = [
        name
        for one in chosen
        if one is not None and not are_labels(one)
        for name in (one if isinstance(one, list | tuple) else [one])
    ]
    if not isinstance(nodes, pd.DataFrame):
        return names
    known = [
        name if name in nodes.columns else str(name).removesuffix("_pre").removesuffix("_post")
        for name in names
    ]
    return list(dict.fromkeys(known))


def _group_coordinates(matrix: pd.DataFrame) -> dict[Hashable, Any]:
    import xarray as xr

    coordinates: dict[Hashable, Any] = {}
    for end, labels in (("pre", matrix.index), ("post", matrix.columns)):
        if not isinstance(labels, pd.MultiIndex):
            coordinates[end] = (end, coordinate_array(pd.Series(labels, name=end), is_id=False))
        else:
            levels = labels.set_names([f"{stem}_{end}" for stem in labels.names])
            coordinates |= xr.Coordinates.from_pandas_multiindex(levels, end)
    return coordinates


def _node_labels(edges: pd.DataFrame, neurons: Nodes) -> dict[Hashable, Any]:
    """Return labels of the neurons, from columns that the edges have for both ends."""
    stems = [str(name).removesuffix("_pre") for name in edges.columns if str(name).endswith("_pre")]
    stems = [stem for stem in stems if f"{stem}_post" in edges.columns]
    nodes = pd.concat([edges["pre"], edges["post"]])
    once = ~nodes.duplicated().to_numpy()
    columns: dict[Hashable, pd.Series[Any]] = {
        stem: pd.concat([edges[f"{stem}_pre"], edges[f"{stem}_post"]])[once] for stem in stems
    }
    return lookup([neurons], nodes[once], columns)[0]


def _labels_of_nodes(nodes: pd.DataFrame | Labels | None, neurons: Nodes) -> dict[Hashable, Any]:
    """Return labels of the neurons, from a table of neurons or a label for each ID."""
    if nodes is None:
        return {}
    if not isinstance(nodes, pd.DataFrame):
        return {getattr(nodes, "name", None) or "group": labels_of(neurons, nodes)}
    column = roles.id_column(nodes)
    columns: dict[Hashable, pd.Series[Any]] = {
        name: nodes[name] for name in nodes.columns if name != column.name
    }
    return lookup([neurons], column, columns)[0]


def from_xarray(array: xr.DataArray) -> pd.DataFrame:
    """Return the edges of a matrix with labeled axes.

    Parameters
    ----------
    array : xarray.DataArray
        An array with the dims ``pre`` and ``post`` (or another neurons pair of names) and IDs as
        coordinates; 0 and missing values mean no edge.

    Returns
    -------
    DataFrame
        ``pre, post, weight`` (int64), sorted by row and column. Further coordinates are columns with
        the suffix ``_pre`` or ``_post`` of their dimension, unless their name has it.

    Raises
    ------
    MissingColumnsError
        The dims are not a pair such as ``pre`` and ``post``, or lack coordinates.
    InvalidIdError, PrecisionLossError, InvalidEdgesError
        A coordinate is not an exact ID, or an entry is not a number of synapses.

    Examples
    --------
    >>> from pdneuro.graphs import from_xarray, to_xarray
    >>> edges = pd.DataFrame({"pre": [11, 12], "post": [12, 11], "weight": [3, 5]})
    >>> from_xarray(to_xarray(edges)).equals(edges)
    True
    """
    pairs = roles.endpoint_columns(pd.Index([str(dim) for dim in array.dims]))
    if array.ndim != 2 or len(pairs) != 1:
        raise MissingColumnsError(
            f"an array of edges must have the dims 'pre' and 'post', not {tuple(map(str, array.dims))}. "
            "Rename them with .rename()."
        )
    pre, post = map(str, pairs[0])
    for dim in (pre, post):
        if dim not in array.coords:
            raise MissingColumnsError(
                f"dim {dim!r} has no coordinate. Add the IDs with .assign_coords()."
            )
    array = array.transpose(pre, post)
    frame = pd.DataFrame(array.to_numpy(), index=array.coords[pre], columns=array.coords[post])
    names = NAMES if has_names(array) else IDS
    edges, rows, columns = matrix_edges(frame, str(array.name or "weight"), names)
    for name, coordinate in array.coords.items():
        if coordinate.dims in ((pre,), (post,)) and name not in (pre, post):
            end, at = ("_pre", rows) if coordinate.dims == (pre,) else ("_post", columns)
            label = str(name) if str(name).endswith(end) else f"{name}{end}"
            if label in edges.columns:
                raise ColumnExistsError(
                    f"the coordinates {name!r} and {label!r} would both become the column {label!r}. "
                    "Rename one of them with .rename()."
                )
            labels = pd.Series(coordinate.to_numpy()[at])
            text = labels.dtype == object or pd.api.types.is_string_dtype(labels.dtype)
            edges[label] = labels.astype(TEXT).where(labels != "") if text else labels
    if facts(array):
        edges.attrs[KEY] = facts(array)
    return edges


def collapse_xarray(
    array: xr.DataArray,
    group_by: Hashable | Sequence[Hashable] | Labels | None = None,
    *,
    dropna: bool = False,
    sort: bool = False,
    observed: bool = True,
) -> pd.DataFrame:
    """Sum a matrix over pairs of groups, as :func:`pdneuro.tables.collapse` does for its edges.

    Parameters
    ----------
    array : xarray.DataArray
        An array with the dims ``pre`` and ``post`` and IDs as coordinates.
    group_by : hashable, list, mapping or Series, optional
        Coordinates to group by: ``"type"`` means ``type`` or ``type_pre`` along ``pre``, and ``type``
        or ``type_post`` along ``post``. Or a label for each ID. Default: pairs of neurons.
    dropna, sort, observed : bool, default False, False, True
        See :func:`pdneuro.tables.collapse`.

    Returns
    -------
    DataFrame
        See :func:`pdneuro.tables.collapse`.

    Examples
    --------
    >>> from pdneuro.graphs import collapse_xarray, to_xarray
    >>> edges = pd.DataFrame({"pre": [11, 12], "post": [12, 11], "weight": [3, 5]})
    >>> collapse_xarray(to_xarray(edges), group_by={11: "KC", 12: "MBON"})
      group_pre group_post  weight  n_pairs  n_pre  n_post
    0        KC       MBON       3        1      1       1
    1      MBON         KC       5        1      1       1
    """
    edges = from_xarray(array)
    return collapse(edges, group_by, dropna=dropna, sort=sort, observed=observed)


def from_matrix(matrix: pd.DataFrame, *, nodes: str = "ids") -> pd.DataFrame:
    """Return the edges of an adjacency matrix: rows are presynaptic, columns postsynaptic.

    Parameters
    ----------
    matrix : DataFrame
        A matrix with IDs as index and columns; 0 and missing values mean no edge.
    nodes : {"ids", "names"}, default "ids"
        With ``"names"``, index and columns are names of neurons, which stay text.

    Returns
    -------
    DataFrame
        ``pre, post, weight`` (int64), in the order of rows and columns.

    Raises
    ------
    InvalidIdError, PrecisionLossError, InvalidEdgesError
        A label is not an exact ID, or an entry is not a number of synapses.

    Examples
    --------
    >>> from pdneuro.graphs import from_matrix
    >>> from_matrix(pd.DataFrame([[0, 3], [5, 0]], index=[11, 12], columns=[11, 12]))
       pre  post  weight
    0   11    12       3
    1   12    11       5
    """
    edges, _, _ = matrix_edges(matrix, "weight", checked_nodes(nodes))
    return edges
