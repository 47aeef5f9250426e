"""What an accessor says about its object: which roles its columns play, and what can be done.

Only names, dtypes and missing values are looked at: nothing is copied, and no service is asked.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
from pandas.api import types

from pdneuro.errors import listing
from pdneuro.tables import roles
from pdneuro.tables.node_table import is_node_table
from pdneuro.tables.provenance import facts
from pdneuro.tables.volumes import DIMS


def describe_series(series: pd.Series[Any]) -> str:
    """Repr of ``Series.neuro``."""
    lines = [f"<neuro: column {series.name!r}, {len(series):,} rows>"]
    if roles.structure_columns([series.name]):
        missing = int(series.isna().sum())
        lines += [
            f"  structures: {series.name!r} ({series.dtype}{_missing(missing)})",
            '  .structures("acronym", "name")   fields, one row a row',
            '  .rollup("Brain - Major Divisions") .is_under("CTX") .ancestors() .descendants()',
        ]
        return "\n".join(lines)
    if roles.neuromorpho_columns([series.name]):
        missing = int(series.isna().sum())
        lines += [
            f"  neurons of NeuroMorpho.org: {series.name!r} ({series.dtype}{_missing(missing)})",
            '  .neuromorpho("species", "cell_type") .morphometry("length")   one row a row',
            "  .persistence() .swc()",
        ]
        return "\n".join(lines)
    lines += [
        *_id_lines(series),
        "  .ids()                      exact integers, missing ones kept",
        '  .properties("link_pre")     properties, one row a row',
        "  .edges() .partners() .graph()",
        "  of Allen structures: .structures() .rollup(...) .is_under(...) .ancestors() .descendants()",
        "  of NeuroMorpho.org's neurons: .neuromorpho() .morphometry() .persistence() .swc()",
        "  of CAVE: .is_latest() .latest() .at(version) .cave(table) .synapses()",
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
    places = roles.structure_columns(frame.columns)
    if places:
        on = "" if len(places) == 1 else f", on={places[0]!r}"
        lines.append(f"  structures: {', '.join(map(repr, places))}")
        lines.append(f'  .join_structures("acronym", "name"{on})   names beside the columns')
    neurons = roles.neuromorpho_columns(frame.columns)
    if neurons:
        lines.append(f"  neurons of NeuroMorpho.org: {', '.join(map(repr, neurons))}")
        lines.append('  .join_neuromorpho("species") .join_morphometry("length")   beside the columns')
    nodes = is_node_table(frame)
    if nodes:
        lines.append(_reconstructions(frame))
        lines.append(
            "  .morphology() .cable_length() .path_distance() .check() .to_networkx() .to_swc(path)"
        )
    points = roles.point_columns(frame.columns)
    if points and not nodes:
        lines.append(f"  points: {', '.join(map(repr, points))}")
        lines.append(f"  .sample(volume, columns={tuple(points)!r})   values of a volume (µm)")
    for pre, post in pairs:
        lines.append(f"  edges: {pre!r} -> {post!r}")
    if pairs:
        lines.append(
            "  .threshold(5) .annotate(neurons) .fractions() .degree() .paths(a, b) .to_networkx()"
            if pairs == [("pre", "post")]
            else "  .as_edges()    to the columns pre, post, weight"
        )
    if not any((names, pairs, places, neurons, points)):
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
    if set(array.dims) == set(DIMS):
        lines += [
            "  .at(points)                      values at points: columns ap, dv, lr or x, y, z (µm)",
            "  .structure_means(annotation)     mean of each structure",
        ]
    elif roles.endpoint_columns(pd.Index([str(dim) for dim in array.dims])):
        lines.append("  .to_edges()    the edge table pre, post, weight")
    else:
        lines.append(
            "  neither edges (dims 'pre', 'post') nor a volume ('ap', 'dv', 'lr') is recognised"
        )
    return "\n".join(lines)


def _reconstructions(frame: pd.DataFrame) -> str:
    count = frame["neuron"].nunique() if "neuron" in frame.columns else 1
    problems = facts(frame).get("problems", 0)
    return f"  reconstructions: {count:,} neurons" + (f", {problems:,} problems" if problems else "")


def _missing(count: int) -> str:
    return f", {count:,} missing" if count else ""


def _id_lines(column: pd.Series[Any]) -> list[str]:
    missing = int(column.isna().sum())
    lines = [f"  segment IDs: {column.name!r} ({column.dtype}{_missing(missing)})"]
    if types.is_float_dtype(column.dtype):
        lines.append('  floats: large IDs have lost digits; read the file with dtype="Int64" or str')
    return lines
