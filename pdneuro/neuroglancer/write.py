"""Write links that show segments, points and lines in Neuroglancer."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd

from pdneuro.errors import InvalidQueryError, TooLargeError
from pdneuro.neuroglancer.annotations import add_annotations
from pdneuro.neuroglancer.colors import segment_colors
from pdneuro.neuroglancer.states import (
    UNITS,
    append_layers,
    open_scene,
    segmentation_layer,
    set_position,
)
from pdneuro.tables import roles
from pdneuro.tables.columns import check_choice
from pdneuro.tables.ids import distinct_ids
from pdneuro.tables.joins import Labels

#: Maximum number of segments in a link, since browsers limit the length of an address.
MAX_SEGMENTS = 5_000


def link(
    ids: pd.Series[Any] | pd.DataFrame,
    scene: str | Mapping[str, Any] | None = None,
    *,
    on: Hashable | None = None,
    color: Hashable | Labels | None = None,
    layer: str | None = None,
    position: Sequence[float] | None = None,
    units: str = "nm",
    points: pd.DataFrame | None = None,
    lines: pd.DataFrame | None = None,
    group_by: Hashable | None = None,
    colors: Mapping[Any, str] | str | None = None,
    layers: Sequence[Mapping[str, Any]] = (),
    viewer: str | None = None,
) -> str:
    """Return an address that opens Neuroglancer with the segments of a column, points and lines.

    Parameters
    ----------
    ids : Series or DataFrame
        Segment IDs. Each ID is shown once; missing IDs are skipped.
    scene : str or mapping, optional
        ``"flywire"``, ``"microns"``, ``"v1dd"`` or ``"fanc"``; your own state, such as
        :func:`read_link` returns; or a link with a state. Default: the scene of the option ``source``.
    on : hashable, optional
        Column of a DataFrame that holds the IDs. Default: recognized by a name such as ``root_id``.
    color : hashable or labels, optional
        A column of the table, or a Series or mapping by ID. Each group gets a color; numbers
        (floats, or integers with more than 20 values) get a scale from dark to light; ``#rrggbb`` is
        used unchanged. Segments without a value are gray.
    layer : str, optional
        In your own state, the layer for the segments. Default: its first segmentation.
    position : three numbers, optional
        Center of the view. Default: that of the state, or the center of the points and lines.
    units : {"nm", "voxel"}, default "nm"
        Unit of all positions: nanometers, or voxels of the scene or state.
    points : DataFrame, optional
        Points to show, such as synapses: three columns of positions, ``x, y, z`` or ``{name}_x, _y,
        _z``. Of several, ``ctr_pt_position`` is used.
    lines : DataFrame, optional
        Lines to show, from ``pre_pt_position_x, _y, _z`` to ``post_pt_position_x, _y, _z``; or
        ``pre_x, ...`` to ``post_x, ...``.
    group_by : hashable, optional
        Column of ``points`` and ``lines``; each of its values gets its own layer and color.
    colors : mapping or str, optional
        Color ``#rrggbb`` of each group, or one for all.
    layers : sequence of mappings, optional
        Further layers, as in a state of Neuroglancer: each has a ``name``, a ``type`` and a ``source``.
    viewer : str, optional
        Address of another Neuroglancer. Default: the viewer of the scene.

    Returns
    -------
    str

    Raises
    ------
    InvalidQueryError
        The scene or layer does not exist, the state or link does not contain a segmentation or a size
        of voxels, a layer is not valid, or the points are in another unit.
    MissingColumnsError, AmbiguousColumnError
        No positions are recognized in the points or lines, or several are.
    TooLargeError
        More than 5,000 segments, or 5,000 points and lines.
    PrecisionLossError, InvalidIdError
        The column does not hold exact IDs.

    See Also
    --------
    read_link : the state of a link.
    link_tables : the segments, points and lines of a link as tables.

    Notes
    -----
    Source: https://neuroglancer-docs.web.app/json/api. A state with ``navigation`` is of the older
    viewer of the Seung lab; its points are written in its form.

    Examples
    --------
    >>> ids = pd.Series([720575940621522189, 720575940618495860])
    >>> url = ids.neuro.link("flywire", color={720575940621522189: "left"})
    >>> state = pdneuro.neuroglancer.read_link(url)
    >>> state["layers"][1]["segments"]
    ['720575940621522189', '720575940618495860']

    >>> points = pd.DataFrame({"x": [480_000, 520_000], "y": 300_000, "z": 100_000, "side": ["l", "r"]})
    >>> url = ids.neuro.link("flywire", points=points, group_by="side")
    >>> pdneuro.neuroglancer.link_tables(url).points[["layer", "x"]].values.tolist()
    [['l', 480000.0], ['r', 520000.0]]
    """
    check_choice("units", units, UNITS)
    column = ids if isinstance(ids, pd.Series) else roles.id_column(ids, on)
    segments = distinct_ids(column)
    if len(segments) > MAX_SEGMENTS:
        raise TooLargeError(
            f"a link with {len(segments):,} segments is too long for browsers; the maximum is "
            f"{MAX_SEGMENTS:,}. Select fewer rows with .head(1000) or .query(...)."
        )
    address, state = open_scene(scene)
    shown = segmentation_layer(state, layer)
    shown["segments"] = [str(segment) for segment in segments.tolist()]
    found = segment_colors(segments, column, ids, color)
    if found:
        shown["segmentColors"] = found
    if position is not None:
        try:
            center = np.asarray(position, np.float64)
        except (TypeError, ValueError):
            center = np.empty(0)
        if center.shape != (3,) or not np.isfinite(center).all():
            raise InvalidQueryError(f"position must be three numbers, not {position!r:.60}.")
        set_position(state, center, units)
    add_annotations(state, points, lines, group_by, colors, units)
    append_layers(state, layers)
    text = quote(json.dumps(state, separators=(",", ":")), safe=":,/")
    return f"{(viewer or address).rstrip('/')}/#!{text}"
