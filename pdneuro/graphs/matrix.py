"""Edge tables to matrices and back: sparse, dense, labelled."""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pdneuro._compat import TEXT, optional
from pdneuro.errors import InvalidEdgesError, MissingColumnsError, TooLargeError
from pdneuro.tables import roles
from pdneuro.tables.edges import as_edges, collapse, edge_table, require_edges
from pdneuro.tables.ids import MAX_EXACT_FLOAT, Int64Array, distinct_ids, id_array
from pdneuro.tables.joins import Labels, lookup
from pdneuro.tables.pairs import coded_ends
from pdneuro.tables.provenance import KEY, facts, inherit

if TYPE_CHECKING:
    import xarray as xr
    from scipy.sparse import csr_array

#: Largest side of a dense matrix: 20,000 x 20,000 of 8 bytes are 3.2 GB.
MAX_DENSE = 20_000


def to_sparse(
    edges: pd.DataFrame, *, values: str = "weight", ids: Any = None
) -> tuple[csr_array, pd.Index[Any]]:
    """The adjacency matrix as a SciPy sparse array, with the neurons of its rows and columns.

    Parameters
    ----------
    edges : DataFrame
        An edge table. Rows of one pair are summed.
    values : str
        Column of numbers to fill in, such as ``"input_fraction"`` or ``"signed_weight"``.
    ids : Series, Index, array or list, optional
        The neurons of the rows and columns, in this order; edges of others are left out. Default: all
        neurons of the table, by rising ID.

    Returns
    -------
    csr_array, Index
        Square; entry ``[i, j]`` is the weight from neuron ``ids[i]`` to ``ids[j]``, int64 for integer
        columns, else float64. The index (int64) is called ``id``.

    Raises
    ------
    MissingDependencyError
        Needs SciPy: the extra ``graph``.

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
    sparse = optional("scipy.sparse", "graph")
    edges = require_edges(edges)
    known, pre, post, cells = _entries(edges, values, ids)
    matrix = sparse.csr_array((cells, (pre, post)), shape=(len(known), len(known)))
    matrix.sum_duplicates()
    return matrix, pd.Index(known, name="id")


def _entries(edges: pd.DataFrame, values: str, ids: Any) -> tuple[Int64Array, Any, Any, Any]:
    """The neurons; and row, column and cell of each edge between them."""
    cells = _numbers(edges, values)
    if ids is None:
        return *coded_ends(edges), cells
    known = _given(ids)
    here = pd.Index(known)
    pre, post = (here.get_indexer(pd.Index(edges[end])) for end in ("pre", "post"))
    inside = (pre >= 0) & (post >= 0)
    return known, pre[inside], post[inside], cells[inside]


def _numbers(edges: pd.DataFrame, values: str) -> Any:
    column = roles.named_column(edges, values)
    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        raise InvalidEdgesError(f"column {values!r} is {column.dtype}, not numbers.")
    if pd.api.types.is_integer_dtype(column):
        return column.fillna(0).to_numpy(dtype=np.int64)
    return column.to_numpy(dtype=np.float64, na_value=0.0)


def _given(ids: Any) -> Int64Array:
    column = ids if isinstance(ids, pd.Series | pd.Index) else pd.Series(list(ids), dtype=object)
    known = distinct_ids(column)
    if len(known) < len(column):
        raise ValueError("ids holds neurons twice, or missing ones; give each once.")
    return known


def to_matrix(
    edges: pd.DataFrame,
    group_by: Hashable | Sequence[Hashable] | Labels | None = None,
    *,
    values: str = "weight",
    ids: Any = None,
) -> pd.DataFrame:
    """The adjacency matrix as a frame: rows are presynaptic, columns postsynaptic.

    Parameters
    ----------
    edges : DataFrame
        An edge table. Rows of one pair are summed.
    group_by : hashable, list, mapping or Series, optional
        Group the neurons first, as :func:`pdneuro.tables.collapse` does.
    values, ids
        Cells and order of the matrix, see :func:`to_sparse`; not with ``group_by``.

    Returns
    -------
    DataFrame
        Square; index ``pre`` and columns ``post`` hold the same IDs or labels, sorted; 0 where there is
        no edge. int64 for weights.

    Raises
    ------
    TooLargeError
        More than 20,000 rows: use :func:`to_sparse`.

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
    >>> to_matrix(edges, group_by={11: "KC", 12: "KC", 13: "MBON"})
    post  KC  MBON
    pre
    KC     3     9
    MBON   0     0
    """
    edges = require_edges(edges)
    if group_by is not None:
        if values != "weight" or ids is not None:
            raise ValueError("values and ids do not go together with group_by.")
        return _group_matrix(collapse(edges, group_by))
    known, pre, post, cells = _entries(edges, values, ids)
    dense = _dense(pre, post, cells, len(known))
    index, columns = pd.Index(known, name="pre"), pd.Index(known, name="post")
    return inherit(pd.DataFrame(dense, index=index, columns=columns, copy=False), edges)


def _group_matrix(groups: pd.DataFrame) -> pd.DataFrame:
    names = list(groups.columns[: groups.columns.get_loc("weight")])
    ends = names[: len(names) // 2], names[len(names) // 2 :]
    stems = [str(name).removesuffix("_pre") for name in ends[0]]
    sides = [
        pd.MultiIndex.from_frame(groups[end], names=stems)
        if len(end) > 1
        else pd.Index(groups[end[0]].astype(object))
        for end in ends
    ]
    labels = sides[0].append(sides[1]).unique().sort_values()
    pre, post = (labels.get_indexer(side) for side in sides)
    dense = _dense(pre, post, groups["weight"].to_numpy(), len(labels))
    if len(stems) == 1:
        labels = labels.infer_objects()
        index, columns = labels.rename("pre"), labels.rename("post")
    else:
        index, columns = labels, labels
    return inherit(pd.DataFrame(dense, index=index, columns=columns, copy=False), groups)


def _dense(pre: Any, post: Any, cells: Any, size: int) -> Any:
    if size > MAX_DENSE:
        raise TooLargeError(
            f"a dense matrix of {size:,} x {size:,} would take {size**2 * 8 / 1e9:,.0f} GB. Use "
            "to_sparse(), group the neurons (group_by=...), or choose some (ids=...)."
        )
    dense = np.zeros((size, size), cells.dtype)
    np.add.at(dense, (pre, post), cells)
    return dense


def to_xarray(edges: pd.DataFrame, *, values: str = "weight", ids: Any = None) -> xr.DataArray:
    """The adjacency matrix as a labelled array.

    Parameters
    ----------
    edges : DataFrame
        An edge table. Columns ``{column}_pre`` and ``{column}_post``, which
        :func:`pdneuro.tables.annotate` adds, become further coordinates.
    values, ids
        Cells and order of the matrix, see :func:`to_sparse`.

    Returns
    -------
    xarray.DataArray
        Dims ``pre`` and ``post`` with the IDs as int64 coordinates; other coordinates are int64,
        float64, or text with ``""`` for missing. ``attrs["pdneuro"]`` is the provenance as JSON text, so
        that netCDF and zarr take it.

    Raises
    ------
    TooLargeError
        More than 20,000 neurons.

    Examples
    --------
    >>> from pdneuro.graphs import to_xarray
    >>> edges = pd.DataFrame({"pre": [11, 12], "post": [12, 11], "weight": [3, 5]})
    >>> to_xarray(edges).sel(pre=11, post=12).item()
    3
    """
    import xarray as xr

    edges = require_edges(edges)
    known, pre, post, cells = _entries(edges, values, ids)
    dense = _dense(pre, post, cells, len(known))
    coordinates: dict[str, Any] = {"pre": known, "post": known.copy()}
    for stem, labels in _node_labels(edges, known).items():
        for end in ("pre", "post"):
            coordinates[f"{stem}_{end}"] = (end, _storable_array(pd.Series(labels)))
    attributes = {"units": "synapses"} if values == "weight" else {}
    if facts(edges):
        attributes[KEY] = json.dumps(facts(edges))
    return xr.DataArray(dense, coordinates, ("pre", "post"), name=values, attrs=attributes)


def _node_labels(edges: pd.DataFrame, known: Int64Array) -> dict[Hashable, Any]:
    """Labels of the neurons, from the columns that the edges have for both ends."""
    stems = [str(name).removesuffix("_pre") for name in edges.columns if str(name).endswith("_pre")]
    stems = [stem for stem in stems if f"{stem}_post" in edges.columns]
    nodes = pd.concat([edges["pre"], edges["post"]])
    once = ~nodes.duplicated().to_numpy()
    columns: dict[Hashable, pd.Series[Any]] = {
        stem: pd.concat([edges[f"{stem}_pre"], edges[f"{stem}_post"]])[once] for stem in stems
    }
    return lookup(known, nodes[once], columns)


def _storable_array(column: pd.Series[Any]) -> Any:
    """Return an array that every file format takes."""
    if pd.api.types.is_integer_dtype(column) and not column.hasnans:
        return column.to_numpy(dtype=np.int64)
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        numbers = column.astype("Float64")
        if (numbers.abs() <= MAX_EXACT_FLOAT).fillna(True).all():
            return numbers.to_numpy(dtype=np.float64, na_value=np.nan)
    return np.array(
        ["" if absent else str(cell) for cell, absent in zip(column, column.isna(), strict=True)]
    )


def from_xarray(array: xr.DataArray) -> pd.DataFrame:
    """The edges of a matrix with labelled axes.

    Parameters
    ----------
    array : xarray.DataArray
        Two dims, ``pre`` and ``post`` (or another known pair of names), with IDs as coordinates; 0 and
        missing mean no edge.

    Returns
    -------
    DataFrame
        ``pre, post, weight`` (int64), by rising row and column; further coordinates as columns.

    Raises
    ------
    MissingColumnsError
        The dims are no start and end, or have no coordinates.
    InvalidIdError, PrecisionLossError, InvalidEdgesError
        Coordinates that are no exact IDs; entries that are no numbers of synapses.

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
            f"an array of edges has the dims 'pre' and 'post', not {tuple(map(str, array.dims))}."
        )
    pre, post = map(str, pairs[0])
    for dim in (pre, post):
        if dim not in array.coords:
            raise MissingColumnsError(f"dim {dim!r} has no coordinate with the IDs.")
    array = array.transpose(pre, post)
    frame = pd.DataFrame(array.to_numpy(), index=array.coords[pre], columns=array.coords[post])
    edges, rows, columns = _from_dense(frame, str(array.name or "weight"))
    for name, coordinate in array.coords.items():
        if coordinate.dims in ((pre,), (post,)) and name not in (pre, post):
            cells = pd.Series(coordinate.to_numpy()[rows if coordinate.dims == (pre,) else columns])
            text = cells.dtype == object or pd.api.types.is_string_dtype(cells.dtype)
            edges[str(name)] = cells.astype(TEXT).where(cells != "") if text else cells
    if KEY in array.attrs:
        edges.attrs[KEY] = json.loads(array.attrs[KEY])
    return edges


def from_matrix(matrix: pd.DataFrame) -> pd.DataFrame:
    """The edges of an adjacency matrix: rows presynaptic, columns postsynaptic.

    Parameters
    ----------
    matrix : DataFrame
        IDs in the index and in the columns; 0 and missing mean no edge.

    Returns
    -------
    DataFrame
        ``pre, post, weight`` (int64), by row and column of the matrix.

    Raises
    ------
    InvalidIdError, PrecisionLossError, InvalidEdgesError
        Labels that are no exact IDs; entries that are no numbers of synapses.

    Examples
    --------
    >>> from pdneuro.graphs import from_matrix
    >>> from_matrix(pd.DataFrame([[0, 3], [5, 0]], index=[11, 12], columns=[11, 12]))
       pre  post  weight
    0   11    12       3
    1   12    11       5
    """
    edges, _, _ = _from_dense(matrix, "weight")
    return inherit(edges, matrix)


def _from_dense(matrix: pd.DataFrame, name: str) -> tuple[pd.DataFrame, Any, Any]:
    ends = []
    for label, axis in (("pre", matrix.index), ("post", matrix.columns)):
        ids, missing = id_array(axis, label)
        if missing is not None:
            raise InvalidEdgesError(f"a label of the {label} side of the matrix is missing or 0.")
        ends.append(ids)
    cells = matrix.to_numpy()
    if cells.dtype == object:
        cells = matrix.astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan)
    rows, columns = np.nonzero((cells != 0) & (cells == cells))
    weights = as_edges(pd.DataFrame({"pre": 1, "post": 1, name: cells[rows, columns]}), weight=name)
    return edge_table(ends[0][rows], ends[1][columns], weights["weight"]), rows, columns
