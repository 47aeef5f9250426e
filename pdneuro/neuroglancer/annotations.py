"""Layers of points and lines, from tables."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro.errors import (
    AmbiguousColumnError,
    InvalidQueryError,
    MissingColumnsError,
    TooLargeError,
    listing,
)
from pdneuro.neuroglancer.colors import color_of
from pdneuro.neuroglancer.states import (
    FloatArray,
    append_layers,
    coordinates,
    dimensions,
    has_position,
    is_older,
    set_position,
    voxel_size,
)
from pdneuro.plots.style import OTHER
from pdneuro.tables import roles
from pdneuro.tables.provenance import facts

#: Maximum number of points and lines in a link.
MAX_ANNOTATIONS = 5_000
#: Keys of the positions of an annotation, by its type.
CORNERS = {"point": ("point",), "line": ("pointA", "pointB")}
#: Beginnings of the names of columns: of one position, and of the positions of both ends.
_POINT_STEMS = ("ctr_pt_position", "pt_position", "")
_OTHER_END = {"pre_pt_position": "post_pt_position", "pre": "post", "pre_position": "post_position"}


def add_annotations(
    state: dict[str, Any],
    points: pd.DataFrame | None,
    lines: pd.DataFrame | None,
    group_by: Hashable | None,
    colors: Mapping[Any, str] | str | None,
    units: str,
) -> None:
    """Add a layer of points and a layer of lines for each group."""
    given = [
        (kind, table, _positions(table, kind, units))
        for kind, table in (("point", points), ("line", lines))
        if table is not None
    ]
    if not given:
        if group_by is not None or colors is not None:
            raise InvalidQueryError("group_by= and colors= are for points= or lines=. Pass one of them.")
        return
    count = sum(len(table) for _, table, _ in given)
    if count > MAX_ANNOTATIONS:
        raise TooLargeError(
            f"a link with {count:,} points and lines is too long for browsers; the maximum is "
            f"{MAX_ANNOTATIONS:,}. Select fewer rows with .head(1000) or .query(...)."
        )
    groups = [_groups(table, group_by) for _, table, _ in given]
    words = list(dict.fromkeys(word for labels in groups for word in labels.value_counts().index))
    color = _group_colors(words, colors, grouped=group_by is not None)
    corners = []
    for (kind, table, places), labels in zip(given, groups, strict=True):
        names = _names(table)
        whole = np.isfinite(places).all(axis=(1, 2))
        corners.append(places[whole].reshape(-1, 3))
        for word in words:
            rows = np.flatnonzero((labels == word).to_numpy() & whole)
            if len(rows):
                title = f"{kind}s" if group_by is None else str(word)
                if group_by is not None and len(given) > 1:
                    title = f"{kind}s: {word}"
                entries = zip([names[row] for row in rows], places[rows], strict=True)
                layer = _layer(state, title, kind, entries, color[word], units)
                append_layers(state, [layer])
    every = np.concatenate(corners)
    if len(every) and not has_position(state) and (units == "voxel" or state.get("dimensions")):
        set_position(state, every.mean(axis=0), units)


def _names(table: pd.DataFrame) -> list[str]:
    """Return a name for each row: its ``id``, or its number if that is not unique."""
    if "id" in table.columns:
        names = table["id"].astype(str).tolist()
        if len(set(names)) == len(names):
            return names
    return [str(row) for row in range(len(table))]


def _positions(table: pd.DataFrame, kind: str, units: str) -> npt.NDArray[np.float64]:
    """Return the positions of a table: rows, one or two corners, three axes."""
    if not isinstance(table, pd.DataFrame):
        raise InvalidQueryError(f"{kind}s must be a DataFrame, not {type(table).__name__}.")
    if not table.columns.is_unique:
        twice = table.columns[table.columns.duplicated()]
        raise AmbiguousColumnError(
            f"the {kind}s have several columns {listing(map(repr, twice))}. Rename them, or keep one."
        )
    stated = facts(table).get("positions", units)
    if stated != units:
        raise InvalidQueryError(
            f"the {kind}s are in {stated} (see attrs), but units={units!r}. Pass units={stated!r}, or "
            f"request them in {units}."
        )
    stems = _stems(table)
    if kind == "line":
        pairs = [(one, other) for one in stems if (other := _OTHER_END.get(one)) in stems]
        if not pairs:
            raise MissingColumnsError(
                "lines need the positions of both ends: pre_pt_position_x, _y, _z and "
                "post_pt_position_x, _y, _z; or pre_x, _y, _z and post_x, _y, _z. The table has "
                f"{listing(table.columns, 20)}."
            )
        chosen = list(pairs[0])
    else:
        known = [stem for stem in _POINT_STEMS if stem in stems] or stems
        if not known:
            raise MissingColumnsError(
                "points need three columns of positions: x, y, z, or {name}_x, {name}_y, {name}_z. The "
                f"table has {listing(table.columns, 20)}."
            )
        if known == stems and len(known) > 1:
            raise AmbiguousColumnError(
                f"several positions could be meant: {', '.join(known)}. Keep the three columns of one."
            )
        chosen = known[:1]
    columns = [_numbers(table[f"{stem}_{axis}" if stem else axis]) for stem in chosen for axis in "xyz"]
    return np.column_stack(columns).reshape(len(table), len(chosen), 3)


def _numbers(column: pd.Series[Any]) -> FloatArray:
    try:
        return pd.to_numeric(column).to_numpy(np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise InvalidQueryError(
            f"column {column.name!r} of positions must contain numbers: {error}. Correct its rows."
        ) from None


def _stems(table: pd.DataFrame) -> list[str]:
    """Return the beginnings of the names of three columns of positions; of ``x, y, z`` it is empty."""
    names = {name for name in table.columns if isinstance(name, str)}
    stems = dict.fromkeys("" if name == "x" else name[:-2] for name in table.columns
                          if isinstance(name, str) and (name == "x" or name.endswith("_x")))  # fmt: skip
    return [stem for stem in stems if {f"{stem}_{axis}" if stem else axis for axis in "xyz"} <= names]


def _groups(table: pd.DataFrame, group_by: Hashable | None) -> pd.Series[Any]:
    """Return the label of each row as text, in the order of the table."""
    if group_by is None:
        return pd.Series([""] * len(table), dtype=object)
    labels = roles.named_column(table, group_by).astype(object)
    return labels.where(labels.notna(), "none").astype(str).reset_index(drop=True)


def _group_colors(
    words: Sequence[str], colors: Mapping[Any, str] | str | None, *, grouped: bool
) -> dict[str, str]:
    """Return the color of each group."""
    default = {word: OTHER if word == "none" else color_of(rank) for rank, word in enumerate(words)}
    if colors is None:
        return default
    if isinstance(colors, str):
        given = dict.fromkeys(words, colors)
    elif not grouped:
        raise InvalidQueryError("colors= by group needs group_by=. For one color, pass a text.")
    elif not isinstance(colors, Mapping):
        raise InvalidQueryError(f"colors= must be a text, or a color by group, not {colors!r:.60}.")
    else:
        given = {str(group): str(color) for group, color in colors.items()}
        unknown = [word for word in given if word not in words]
        if unknown and not set(given) & set(words):
            raise InvalidQueryError(
                f"colors= names no group of the points: {listing(unknown)}. Groups: {listing(words)}."
            )
    wrong = [color for color in given.values() if not re.fullmatch(r"#[0-9a-fA-F]{6}", color)]
    if wrong:
        raise InvalidQueryError(f"{wrong[0]!r} is not a color. Write it as '#rrggbb'.")
    return {**default, **{word: given[word] for word in words if word in given}}


def _layer(
    state: dict[str, Any],
    name: str,
    kind: str,
    entries: Iterable[tuple[str, FloatArray]],
    color: str,
    units: str,
) -> dict[str, Any]:
    """Return a layer of points or lines in the unit of the call; in voxels for the older viewer."""
    older = is_older(state)
    size = voxel_size(state) if older or units == "voxel" else np.ones(3)
    divisor = size if older and units == "nm" else np.ones(3)
    annotations = [
        {
            "type": kind,
            "id": number,
            **{
                key: coordinates(corner / divisor)
                for key, corner in zip(CORNERS[kind], corners, strict=True)
            },
        }
        for number, corners in entries
    ]
    layer = {"type": "annotation", "name": name, "annotationColor": color}
    if older:
        return {
            **layer,
            "voxelSize": size.tolist(),
            "annotations": annotations,
        }
    transform = {"outputDimensions": dimensions(size)}
    source = {"url": "local://annotations", "transform": transform}
    return {**layer, "source": source, "tab": "annotations", "annotations": annotations}
