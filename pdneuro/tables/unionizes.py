"""Structure unionizes, the signal of experiments by structure: select, roll up, pivot."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro.errors import AmbiguousColumnError, InvalidQueryError, MissingColumnsError, listing
from pdneuro.tables.grouping import group_rows
from pdneuro.tables.structure_tree import StructureTree

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
_EXPERIMENT_NAMES = ("section_data_set_id", "experiment_id", "data_set_id")


def experiment_column(unionizes: pd.DataFrame) -> str:
    """Return the name of the column of experiments."""
    names = [name for name in _EXPERIMENT_NAMES if name in unionizes.columns]
    if not names:
        raise MissingColumnsError(
            f"there is no column of experiments ({', '.join(_EXPERIMENT_NAMES)}) among "
            f"{listing(map(repr, unionizes.columns), 12)}."
        )
    return names[0]


def select(unionizes: pd.DataFrame, hemisphere: int | None, is_injection: bool | None) -> pd.DataFrame:
    """Return the rows of one hemisphere, inside or outside the injection.

    Raises
    ------
    AmbiguousColumnError
        The table has several hemispheres, or rows inside and outside, and the call selects none; or
        several rows have the same experiment and structure.
    """
    table = unionizes
    selection = {"hemisphere_id": hemisphere, "is_injection": is_injection}
    for name, wanted in selection.items():
        if name not in table.columns:
            continue
        values = sorted(table[name].dropna().unique().tolist())
        if wanted is not None:
            table = table[(table[name] == wanted).fillna(False).astype(bool)]
        elif len(values) > 1:
            argument = name.removesuffix("_id")
            raise AmbiguousColumnError(
                f"the table has rows of several {name}: {listing(values)}. Choose: {argument}="
                f"{values[-1]!r}."
            )
    duplicate = table.duplicated([experiment_column(table), "structure_id"])
    if duplicate.any():
        row = table[duplicate].iloc[0]
        raise AmbiguousColumnError(
            f"{int(duplicate.sum()):,} rows repeat an experiment and structure, such as "
            f"{row[experiment_column(table)]} and {row['structure_id']}. Drop the duplicates."
        )
    return table


def rolled_up(unionizes: pd.DataFrame, value: str, tree: StructureTree, to: Any) -> pd.DataFrame:
    """Sum a value by the members of a structure set.

    The row of a structure already includes all its descendants. So a member's own row is its value, if
    there is one; otherwise the topmost rows below it are summed (for ratios, both of their sums).

    Parameters
    ----------
    unionizes : DataFrame
        One row per experiment and structure.
    value : str
        A column that is a sum, or a ratio of two columns.
    tree : StructureTree
    to : int, str or iterable
        See :func:`pdneuro.queries.structures.rollup`.

    Returns
    -------
    DataFrame
        The experiment, ``structure_id`` and the value.
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
    rows = tree.locate(unionizes["structure_id"]).rows
    member = tree.nearest(rows, tree.members(to))
    inside = member >= 0
    table = unionizes[inside]
    rows, member = rows[inside], member[inside]
    top = _topmost(tree, rows, member, table[experiment])
    table = table[top].assign(structure_id=tree.frame["id"].to_numpy()[member[top]])
    sums = table.groupby([experiment, "structure_id"], sort=False)[list(parts)].sum().reset_index()
    if len(parts) == 2:
        top, bottom = (sums[name].to_numpy(np.float64, na_value=np.nan) for name in parts)
        with np.errstate(invalid="ignore", divide="ignore"):
            sums[value] = np.where(bottom > 0, top / bottom, 0.0)
    return sums[[experiment, "structure_id", value]]


def _topmost(
    tree: StructureTree, rows: npt.NDArray[np.intp], member: npt.NDArray[np.intp], experiments: Any
) -> npt.NDArray[np.bool_]:
    """Return True for rows that are not below another row of their experiment and member."""
    groups = group_rows(experiments)
    code = np.empty(len(rows), np.int64)
    code[groups.rows] = np.repeat(np.arange(len(groups.starts)), groups.sizes)
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
