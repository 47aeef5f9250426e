"""Colors of groups and of numbers."""

from __future__ import annotations

import colorsys
import re
from typing import Any

import numpy as np
import pandas as pd

from pdneuro.errors import InvalidQueryError
from pdneuro.plots.style import OTHER, PALETTE
from pdneuro.tables import roles
from pdneuro.tables.ids import Int64Array, id_array
from pdneuro.tables.joins import are_labels, labels_of

#: Colors of numbers, from low to high.
_SCALE = ("#440154", "#3B528B", "#21918C", "#5EC962", "#FDE725")


def segment_colors(
    segments: Int64Array, column: pd.Series[Any], table: Any, color: Any
) -> dict[str, str]:
    """Return the color of each segment, by its ID as text."""
    if color is None:
        return {}
    if are_labels(color):
        values: pd.Series[Any] = pd.Series(labels_of(segments, color))
        if len(values) and values.isna().all():
            own = getattr(color, "name", None)
            raise InvalidQueryError(
                "no ID has a color. Pass color= as a Series or mapping by ID, or as the name of a "
                f"column of the DataFrame{f', color={own!r}' if own else ''}."
            )
    else:
        if not isinstance(table, pd.DataFrame):
            raise InvalidQueryError(
                f"color={color!r} names a column, but this is a Series. Pass a Series or mapping "
                "by ID, or call .link() on the DataFrame."
            )
        row_ids, missing = id_array(column)
        own = pd.Series(roles.named_column(table, color).array, index=row_ids)
        own = own[~pd.Index(row_ids).duplicated() & (True if missing is None else ~missing)]
        values = own.reindex(segments).reset_index(drop=True)
    return dict(zip(map(str, segments.tolist()), _as_colors(values), strict=True))


def _as_colors(values: pd.Series[Any]) -> list[str]:
    present = values.notna()
    distinct = values[present].unique()
    kind = pd.api.types
    numeric = kind.is_numeric_dtype(values.dtype) and not kind.is_bool_dtype(values.dtype)
    if numeric and (kind.is_float_dtype(values.dtype) or len(distinct) > 20):
        return _on_a_scale(values)
    texts = [str(item) for item in distinct]
    if texts and all(re.fullmatch(r"#[0-9a-fA-F]{6}", text) for text in texts):
        return [str(value) if pd.notna(value) else OTHER for value in values]
    counted = values[present].value_counts(sort=True).index.tolist()
    colors = {group: color_of(rank) for rank, group in enumerate(counted)}
    return [colors[value] if pd.notna(value) else OTHER for value in values]


def color_of(rank: int) -> str:
    """Return the color of the group of a rank, counted from 0."""
    # Black is invisible on a dark background; steps of the golden ratio keep further hues apart.
    visible = [color for color in PALETTE if color != "#000000"]
    if rank < len(visible):
        return visible[rank]
    red, green, blue = colorsys.hsv_to_rgb(rank * 0.618034, 0.65, 0.95)
    return f"#{round(red * 255):02X}{round(green * 255):02X}{round(blue * 255):02X}"


def _on_a_scale(values: pd.Series[Any]) -> list[str]:
    numbers = values.to_numpy(dtype=float, na_value=np.nan)
    present = np.isfinite(numbers)
    low, high = (numbers[present].min(), numbers[present].max()) if present.any() else (0.0, 1.0)
    share = (np.where(present, numbers, low) - low) / ((high - low) or 1.0)
    stops = np.array([[int(color[start : start + 2], 16) for start in (1, 3, 5)] for color in _SCALE])
    at = np.linspace(0, 1, len(_SCALE))
    parts = np.rint(np.column_stack([np.interp(share, at, stops[:, part]) for part in range(3)])).astype(
        int
    )
    return [
        f"#{red:02X}{green:02X}{blue:02X}" if has_value else OTHER
        for (red, green, blue), has_value in zip(parts.tolist(), present.tolist(), strict=True)
    ]
