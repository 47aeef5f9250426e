"""Read the table of neurons of a file."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from pdneuro.errors import MultipleRecordsError, PdneuroError
from pdneuro.files.formats import shown
from pdneuro.files.reading import first_rows, read_table
from pdneuro.tables import roles
from pdneuro.tables.foreign import to_pandas
from pdneuro.tables.ids import MISSING_TEXT
from pdneuro.tables.transmitters import largest_score

#: Columns with the IDs of both neurons of a pair, as in the larva; and the name of the new columns.
_SIDES = {"left": "left_id", "right": "right_id"}
_ID, _SIDE = roles.SEGMENT_NAMES[0], "side"
#: Text for a neuron without a partner on the other side.
_NO_PAIR = (*MISSING_TEXT, "no pair")
_CHOICES = ("first", "list", "rows")


def read_neurons(
    path: pd.DataFrame | str | os.PathLike[str],
    on: Hashable | None = None,
    *,
    many: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    r"""Read the table of neurons of a file: any published file with one ID per row.

    Parameters
    ----------
    path : path or DataFrame
        A file or a folder in a format of :func:`read_table`, also an address or a list of IDs that NumPy
        saved (npy); or its table.
    on : hashable, optional
        Column of the IDs. Default: recognized by a name such as ``root_id``, ``Root ID``, ``bodyId``,
        ``root_783`` or ``banc_888_id``; or the only column of large integers without a name.
    many : {"first", "list", "rows"}, optional
        What to do if a neuron has several different rows: keep the first; make one row with the lists
        of its values; or keep all rows. Default: an error. Equal rows are always read once.
    storage_options : mapping, optional
        For an address, see :func:`read_table`.

    Returns
    -------
    DataFrame
        All columns of the file, with exact IDs (int64; Int64 if some are missing). If it can be read and
        does not exist yet, a column ``nt`` is added: the consensus or predicted transmitter, else the
        largest of the scores ``gaba_avg, ach_avg, ...``. IDs without a name are ``root_id``. A table
        with a left and a right ID per row (``left_id``, ``right_id``) has one row per neuron, with the
        new columns ``root_id`` and ``side``.

    Raises
    ------
    MissingColumnsError, AmbiguousColumnError
        No column of IDs is recognized, or several are.
    MultipleRecordsError
        A neuron has several different rows, and ``many`` is not given.
    InvalidIdError, PrecisionLossError
        An ID is not exact.

    See Also
    --------
    read_edges : the edges.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "neurons.csv"
    >>> _ = path.write_text("Root ID,Primary Cell Type,Predicted NT type\n720575940621522189,KC,ACH\n")
    >>> pdneuro.read_neurons(path)
                  Root ID Primary Cell Type Predicted NT type   nt
    0  720575940621522189                KC               ACH  ACH

    Several rows of one neuron:

    >>> _ = path.write_text("root_id,label\n11,KC\n11,Kenyon cell\n12,MBON\n")
    >>> pdneuro.read_neurons(path, many="list")
       root_id              label
    0       11  [KC, Kenyon cell]
    1       12             [MBON]
    """
    if many is not None and many not in _CHOICES:
        raise ValueError(f"many must be one of {', '.join(map(repr, _CHOICES))}, not {many!r}.")
    path = to_pandas(path)
    if isinstance(path, pd.DataFrame):
        return _neurons(path, on, many)
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"neurons must be a DataFrame or the path of a file, not {type(path).__name__}.")
    try:
        return _neurons(read_table(path, storage_options=storage_options), on, many)
    except PdneuroError as error:
        error.add_note(f"The file is {shown(path)}.")
        raise


def _neurons(table: pd.DataFrame, on: Hashable | None, many: str | None) -> pd.DataFrame:
    if on is None and _side_columns(table):
        table = _by_side(table, _side_columns(table))
    elif on is None:
        on = _without_header(table)
    ids = roles.exact_ids(table, on)
    attrs = table.attrs
    if ids.name is None or ids.name not in table.columns:  # IDs in the index
        name = ids.name if ids.name is not None and ids.name not in table.columns else _ID
        table = table.reset_index(drop=True)
        table.insert(0, name, ids.to_numpy() if ids.dtype == "int64" else ids.array)
    else:
        name = ids.name
        table = table.assign(**{str(name): ids}) if isinstance(name, str) else table
    table = _one_row_per_neuron(table, name, many)
    if "nt" not in table.columns:
        table = _with_transmitters(table)
    table.attrs = dict(attrs)
    return table


def _side_columns(table: pd.DataFrame) -> dict[str, Hashable]:
    """Return the column of IDs of each side, none if the table has one ID per row."""
    found = {side: roles.one_of(table.columns, (name,), "on") for side, name in _SIDES.items()}
    sides = {side: name for side, name in found.items() if name is not None}
    return sides if len(sides) == len(_SIDES) and not roles.id_columns(table) else {}


def _by_side(table: pd.DataFrame, sides: Mapping[str, Hashable]) -> pd.DataFrame:
    """Return one row per neuron of a table with the IDs of both sides in a row."""
    parts = []
    for side, name in sides.items():
        ids = table[name]
        text = ids.astype("string").str.strip()
        there = text.notna() & ~text.isin(_NO_PAIR)
        part = table[there.to_numpy(bool)]
        new = {_ID: roles.exact_ids(ids[there.to_numpy(bool)]), _SIDE: side}
        clash = [column for column in new if column in part.columns]
        part = part.rename(columns={column: f"{column}_original" for column in clash})
        parts.append(pd.concat([pd.DataFrame(new, index=part.index), part], axis=1))
    return pd.concat(parts, ignore_index=True)


def _without_header(table: pd.DataFrame) -> Hashable | None:
    """Return the only column of large integers of a file without a header, None for other files."""
    if list(table.columns) != [str(k) for k in range(table.shape[1])]:
        return None
    large = [
        name
        for name in table.columns
        if pd.api.types.is_integer_dtype(table[name].dtype)
        and not table[name].isna().any()
        and bool((table[name] > 10**11).all())
    ]
    return large[0] if len(large) == 1 else None


def _one_row_per_neuron(table: pd.DataFrame, name: Hashable, many: str | None) -> pd.DataFrame:
    """Return one row per ID, or all rows, as ``many`` says; rows without an ID are kept."""
    ids = table[name]
    repeated = ids.duplicated(keep=False) & ids.notna()
    if not repeated.any() or many == "rows":
        return table
    equal = repeated.to_numpy(bool, copy=True)
    equal[equal] = table[equal].astype(str).duplicated()
    if equal.any():
        table = table[~equal]
        ids = table[name]
        repeated = ids.duplicated(keep=False) & ids.notna()
    if not repeated.any():
        return table
    if many == "first":
        return table[~ids.duplicated() | ids.isna()]
    if many == "list":
        table = table[ids.notna()].reset_index(drop=True)
        codes, _ = pd.factorize(table[name])
        order = np.argsort(codes, kind="stable")
        starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
        lists = table.iloc[order[starts]].reset_index(drop=True)
        for column in table.columns.drop([name]):
            # pandas 3 makes arrays of the texts of a group, and lists of other values.
            cells = table[column].to_numpy(object)[order]
            lists[column] = pd.Series(
                [part.tolist() for part in np.split(cells, starts[1:])], dtype=object
            )
        return lists
    first = ids[repeated].iloc[0]
    raise MultipleRecordsError(
        f"{ids[repeated].nunique():,} neurons have several rows, such as {name!r} {first} with "
        f"{int((ids == first).sum()):,}. Choose: many='first' keeps the first row of each, many='list' "
        "makes lists of their values, many='rows' keeps all rows."
    )


def _with_transmitters(table: pd.DataFrame) -> pd.DataFrame:
    column = roles.transmitter_column(table.columns)
    if column is not None:
        return table.assign(nt=table[column])
    scores = roles.complete_scores(table.columns)
    listed = bool(scores) and any(pd.api.types.is_object_dtype(table[name].dtype) for name in scores)
    return table.assign(nt=largest_score(table, scores)) if scores and not listed else table


def id_name(path: str | os.PathLike[str], on: Hashable | None = None) -> Hashable | None:
    """Return the column of IDs of a file, from its first rows; None if they are not in one column.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from pdneuro.files import id_name
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "neurons.csv"
    >>> pdneuro.sandbox.neurons().to_csv(path, index=False)
    >>> id_name(path)
    'root_id'
    """
    sample = first_rows(path)
    if on is None:
        if _side_columns(sample):
            return None
        on = _without_header(sample)
    if on is None and roles.version_columns(sample.columns) and len(roles.id_columns(sample)) == 1:
        chosen = [*roles.id_columns(sample), *roles.version_columns(sample.columns)]
        sample = read_table(path, list(dict.fromkeys(chosen)))  # repeated IDs may come later
    name = roles.id_column(sample, on).name
    return name if name in sample.columns else None
