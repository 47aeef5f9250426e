"""Structure unionizes, the signal of experiments by structure: select, roll up, pivot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro.errors import AmbiguousColumnError, InvalidQueryError, MissingColumnsError, listing
from pdneuro.tables.grouping import group_rows
from pdneuro.tables.roles import EXPERIMENT_NAMES
from pdneuro.tables.structure_tree import Places, StructureTree

#: Columns that are sums over the parts of a structure.
SUMS = (
    "normalized_projection_volume",
    "projection_volume",
    "sum_pixel_intensity",
    "sum_pixels",
    "sum_projection_pixel_intensity",
    "sum_projection_pixels",
    "volume",
)
#: Columns that are ratios of two such sums.
RATIOS = {
    "projection_density": ("sum_projection_pixels", "sum_pixels"),
    "projection_energy": ("sum_projection_pixel_intensity", "sum_pixels"),
    "projection_intensity": ("sum_projection_pixel_intensity", "sum_projection_pixels"),
}
#: What flags of a file mean.
_FLAGS = {"true": True, "t": True, "1": True, "1.0": True}
_FLAGS |= {"false": False, "f": False, "0": False, "0.0": False}
#: Words for the hemisphere of the injection, and for the other one.
SIDES = ("ipsilateral", "contralateral")


def experiment_column(unionizes: pd.DataFrame) -> str:
    """Return the name of the column of experiments."""
    names = [name for name in EXPERIMENT_NAMES if name in unionizes.columns]
    if not names:
        raise MissingColumnsError(
            f"there is no column of experiments ({', '.join(EXPERIMENT_NAMES)}) among "
            f"{listing(map(repr, unionizes.columns), 12)}."
        )
    return names[0]


def select(
    unionizes: pd.DataFrame,
    hemisphere: Any,
    is_injection: bool | None,
    injected: pd.Series[Any] | None = None,
) -> pd.DataFrame:
    """Return the rows of one hemisphere, inside or outside the injection.

    ``injected`` has the hemisphere of each experiment's injection, for the words of :data:`SIDES`.

    Raises
    ------
    AmbiguousColumnError
        The table has several hemispheres, or rows inside and outside, and the call selects none; or
        several rows have the same experiment and structure.
    InvalidQueryError
        No row has the value that the call selects.
    MissingColumnsError
        The call selects by a column that the table lacks.
    """
    if injected is None:
        table = _chosen(unionizes, "hemisphere_id", hemisphere, _number)
    else:
        table = _on_side(unionizes, hemisphere, injected)
    table = _chosen(table, "is_injection", is_injection, _flag)
    duplicate = table.duplicated([experiment_column(table), "structure_id"])
    if duplicate.any():
        row = table[duplicate].iloc[0]
        raise AmbiguousColumnError(
            f"{int(duplicate.sum()):,} rows repeat an experiment and structure, such as "
            f"{row[experiment_column(table)]} and {row['structure_id']}. Drop the duplicates."
        )
    return table


def _on_side(table: pd.DataFrame, side: str, injected: pd.Series[Any]) -> pd.DataFrame:
    """Return the rows of the hemisphere of each experiment's injection, or of the other one."""
    if "hemisphere_id" not in table.columns:
        raise MissingColumnsError(f"hemisphere={side!r} requires a column 'hemisphere_id'.")
    numbers = table[experiment_column(table)]
    rows = injected.index.get_indexer(pd.Index(numbers))
    if (rows < 0).any():
        raise InvalidQueryError(
            f"hemisphere={side!r} requires the place of the injection, which is not known for the "
            f"experiments {listing(numbers[rows < 0].unique())}. Use hemisphere=1 (left) or 2 (right)."
        )
    wanted = injected.to_numpy()[rows]
    if side == "contralateral":
        wanted = 3 - wanted
    kept: pd.DataFrame = table[table["hemisphere_id"].map(_number).to_numpy() == wanted]
    return kept


def _chosen(table: pd.DataFrame, name: str, wanted: Any, read: Callable[[Any], Any]) -> pd.DataFrame:
    """Return the rows with one value in a column; ``read`` returns what a value of a file means."""
    argument = name.removesuffix("_id")
    if name not in table.columns:
        if wanted is None:
            return table
        raise MissingColumnsError(
            f"{argument}={wanted!r} requires a column {name!r}. Leave out {argument}= if all "
            "rows are alike."
        )
    cells = table[name].dropna().unique().tolist()
    values = {cell: read(cell) for cell in cells}
    if wanted is None:
        if len(set(values.values())) > 1:
            raise AmbiguousColumnError(
                f"the table has rows of several {name}: {listing(map(repr, _in_order(cells)))}. Choose: "
                f"{argument}={values[_in_order(cells)[-1]]!r}."
            )
        return table
    matching = [cell for cell, value in values.items() if value == read(wanted)]
    if not matching and len(table):
        meaning = " 1 is left, 2 is right, 3 is both." if name == "hemisphere_id" else ""
        there = ", ".join(map(repr, _in_order(cells))) or "no values"
        raise InvalidQueryError(
            f"no row has {argument}={wanted!r}. The table has {name}: {there}.{meaning}"
        )
    return table[table[name].isin(matching)]


def _in_order(cells: list[Any]) -> list[Any]:
    return sorted(cells, key=lambda cell: (str(type(cell)), cell))


def _number(cell: Any) -> Any:
    """Return a number that a file has as text or as a float; other values unchanged."""
    try:
        number = float(cell)
    except (TypeError, ValueError):
        return cell
    return int(number) if number.is_integer() else cell


def _flag(cell: Any) -> Any:
    """Return a flag that a file has as text or as a number; other values unchanged."""
    return _FLAGS.get(str(cell).strip().casefold(), cell)


def rolled_up(
    unionizes: pd.DataFrame, value: str, tree: StructureTree, to: Any, on_missing: str | None = None
) -> pd.DataFrame:
    """Sum a value by the members of a structure set.

    The row of a structure already includes all its descendants. So a member's own row is its value, if
    there is one; otherwise the topmost rows below it are summed (for ratios, both of their sums). A sum
    with a missing part is missing, and so is a ratio of 0 to 0.

    Parameters
    ----------
    unionizes : DataFrame
        One row per experiment and structure.
    value : str
        A column that is a sum, or a ratio of two columns.
    tree : StructureTree
    to : int, str or iterable
        See :func:`pdneuro.queries.structures.rollup`.
    on_missing : {"warn", "raise", "ignore"}, optional
        What to do about rows whose structure is not in the tree.

    Returns
    -------
    DataFrame
        The experiment, ``structure_id`` (negative in the left hemisphere) and the value.

    Raises
    ------
    InvalidQueryError
        The value cannot be summed, or no row belongs to a member.
    MissingColumnsError
        A column is missing.
    UnknownIdsError
        A structure is not in the tree, and ``on_missing`` is ``"raise"``.
    """
    parts = RATIOS.get(value, (value,))
    if value not in (*SUMS, *RATIOS):
        raise InvalidQueryError(
            f"{value!r} cannot be summed over structures. Use one of {', '.join((*RATIOS, *SUMS))}."
        )
    missing = [name for name in parts if name not in unionizes.columns]
    if missing:
        raise MissingColumnsError(
            f"rolling up {value!r} requires the columns {listing(map(repr, missing))}."
        )
    experiment = experiment_column(unionizes)
    places, member = find_members(tree, unionizes["structure_id"], to, on_missing)
    inside = member >= 0
    table = unionizes[inside]
    rows, member, left = places.rows[inside], member[inside], places.is_left[inside]
    top = _topmost(tree, rows, member, left, table[experiment])
    signed = Places(member[top], left[top], acronyms=False)
    table = table[top].assign(structure_id=tree.take(signed, "id"))
    sums = grouped(table, [experiment, "structure_id"], list(parts), "sum").reset_index()
    if len(parts) == 2:
        above, below = (sums[name].to_numpy(np.float64, na_value=np.nan) for name in parts)
        with np.errstate(invalid="ignore", divide="ignore"):
            sums[value] = np.where(below > 0, above / below, np.nan)
    return sums[[experiment, "structure_id", value]]


def find_members(
    tree: StructureTree, structures: pd.Series[Any], to: Any, on_missing: str | None
) -> tuple[Places, npt.NDArray[np.intp]]:
    """Return the places of a table's structures, and the member that each belongs to, -1 if none.

    Raises
    ------
    InvalidQueryError
        There are structures, and none of them belongs to a member.
    """
    outcome = "Their rows are in no sum."
    places = tree.find(structures, on_missing, outcome=outcome, required=True)
    member = tree.nearest(places, tree.members(to))
    known = places.rows >= 0
    if known.any() and (member < 0).all():
        present = pd.unique(np.asarray(tree.acronyms(places.rows[known])))
        raise InvalidQueryError(
            f"no row belongs to {to!r:.60}. The structures of the table are {listing(present)}."
        )
    return places, member


def grouped(table: pd.DataFrame, keys: list[str], columns: list[str], how: str) -> pd.DataFrame:
    """Return sums or means by group, missing if a part is missing: pandas would skip the part."""
    groups = table.groupby(keys, sort=False)
    incomplete = table[columns].isna().groupby([table[key] for key in keys], sort=False).any()
    result: pd.DataFrame = groups[columns].agg(how).mask(incomplete)
    return result


def _topmost(
    tree: StructureTree,
    rows: npt.NDArray[np.intp],
    member: npt.NDArray[np.intp],
    left: npt.NDArray[np.bool_],
    experiments: Any,
) -> npt.NDArray[np.bool_]:
    """Return True for rows that are not below another row of their experiment and member."""
    groups = group_rows(experiments)
    code = np.empty(len(rows), np.int64)
    code[groups.rows] = np.repeat(np.arange(len(groups.starts)), groups.sizes)
    code = 2 * code + left
    size = len(tree)
    present = code * size + rows
    known = pd.Index(np.unique(present))
    top = np.ones(len(rows), bool)
    above = tree.parents(rows)
    # An ancestor of a row, up to its member, already includes the signal of the row.
    while True:
        unfinished = (above >= 0) & (rows != member) & (tree.depths(above) >= tree.depths(member))
        if not unfinished.any():
            return top
        covered = unfinished & (known.get_indexer(pd.Index(code * size + above)) >= 0)
        top &= ~covered
        above = np.where(unfinished, tree.parents(above), -1)


def pivoted(table: pd.DataFrame, value: str) -> pd.DataFrame:
    """Return experiments as rows, structures as columns; NaN if an experiment lacks a structure."""
    matrix = table.pivot(index=experiment_column(table), columns="structure_id", values=value)
    return matrix.astype("float64")
