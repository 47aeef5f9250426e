"""What an accessor says about its object: which roles its columns play, and what can be done.

Only names, dtypes and missing values are looked at: nothing is copied, and no service is asked.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
from pandas.api import types

from pdneuro.errors import listing
from pdneuro.tables import roles
from pdneuro.tables.provenance import facts


def describe_series(series: pd.Series[Any]) -> str:
    """Repr of ``Series.neuro``."""
    lines = [f"<neuro: column {series.name!r}, {len(series):,} rows>", *_id_lines(series)]
    lines += [
        "  .ids()                      exact integers, missing ones kept",
        '  .properties("link_pre")     properties, one row a row',
        "  .edges() .partners() .graph()",
    ]
    return "\n".join(lines)


def describe_frame(frame: pd.DataFrame) -> str:
    """Repr of ``DataFrame.neuro``."""
    lines = [f"<neuro: table of {len(frame):,} rows, {frame.shape[1]} columns>"]
    pairs = roles.endpoint_columns(frame.columns)
    names = roles.id_columns(frame)
    for name in names:
        column = frame[name]
        lines += _id_lines(column) if isinstance(column, pd.Series) else []
    if names:
        on = "" if len(names) == 1 else f", on={names[0]!r}"
        lines += [
            f'  .join_properties("link_pre"{on})   properties beside the columns',
            "  .edges() .partners() .graph()",
        ]
    for pre, post in pairs:
        lines.append(f"  edges: {pre!r} -> {post!r}")
    if pairs:
        lines.append(
            "  .threshold(5) .annotate(neurons) .fractions() .degree() .paths(a, b) .to_networkx()"
            if pairs == [("pre", "post")]
            else "  .as_edges()    to the columns pre, post, weight"
        )
    if not names and not pairs:
        lines.append(
            f"  no segment IDs and no edges recognised among {listing(map(repr, frame.columns), 8)}; "
            "name the column: .edges(on=...)"
        )
    known = facts(frame)
    if "source" in known:
        lines.append(f"  from {known['source']}: {known.get('query')}")
    return "\n".join(lines)


def describe_array(array: Any) -> str:
    """Repr of ``DataArray.neuro``."""
    dims = ", ".join(f"{dim}: {size:,}" for dim, size in array.sizes.items())
    lines = [f"<neuro: array ({dims})>"]
    if roles.endpoint_columns(pd.Index([str(dim) for dim in array.dims])):
        lines.append("  .to_edges()    the edge table pre, post, weight")
    else:
        lines.append("  no dims 'pre' and 'post', so no edges are recognised")
    return "\n".join(lines)


def _id_lines(column: pd.Series[Any]) -> list[str]:
    missing = int(column.isna().sum())
    note = f", {missing:,} missing" if missing else ""
    lines = [f"  segment IDs: {column.name!r} ({column.dtype}{note})"]
    if types.is_float_dtype(column.dtype):
        lines.append('  floats: large IDs have lost digits; read the file with dtype="Int64" or str')
    return lines
