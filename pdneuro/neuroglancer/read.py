"""Read the state of a link, and its segments, points and lines as tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from pdneuro._compat import TEXT
from pdneuro.errors import InvalidQueryError
from pdneuro.neuroglancer.annotations import CORNERS
from pdneuro.neuroglancer.states import (
    FloatArray,
    entries,
    is_older,
    is_segmentation,
    layers_of,
    parse_link,
    size_of,
    sizes_of,
    voxel_size,
)
from pdneuro.tables.ids import id_array
from pdneuro.tables.provenance import note


def read_link(url: str) -> dict[str, Any]:
    """Return the state of a Neuroglancer link.

    Parameters
    ----------
    url : str
        A link with the state after ``#!``. Short links contain only the address of a state on a server.

    Returns
    -------
    dict

    Raises
    ------
    InvalidQueryError
        The link does not contain a state.

    Examples
    --------
    >>> pdneuro.neuroglancer.read_link(pd.Series([5]).neuro.link("fanc"))["layout"]
    '3d'
    """
    return parse_link(url)


class LinkTables(NamedTuple):
    """The content of a link."""

    #: ``layer`` (text), ``segment_id`` (int64), ``color`` (text), ``visible`` (bool).
    segments: pd.DataFrame
    #: ``layer, id, description`` (text), ``x, y, z`` (float64, nm).
    points: pd.DataFrame
    #: ``layer, id, description`` (text), ``pre_x, ..., post_z`` (float64, nm).
    lines: pd.DataFrame


def link_tables(url: str | Mapping[str, Any]) -> LinkTables:
    """Return the segments, points and lines of a Neuroglancer link as tables.

    Parameters
    ----------
    url : str or mapping
        A link with the state after ``#!``, or a state.

    Returns
    -------
    LinkTables
        ``segments``: ``layer, segment_id, color, visible``. ``points``: ``layer, id, description, x, y,
        z``. ``lines``: ``layer, id, description, pre_x, pre_y, pre_z, post_x, post_y, post_z``.
        Positions are in nm. Other annotations, such as boxes, are left out.

    Raises
    ------
    InvalidQueryError
        The link does not contain a state, or a layer of points does not have a size of voxels.

    Examples
    --------
    >>> url = pd.Series([5, 7]).neuro.link("fanc", color={5: "#FF0000"})
    >>> pdneuro.neuroglancer.link_tables(url).segments
              layer  segment_id    color  visible
    0  segmentation           5  #FF0000     True
    1  segmentation           7  #BBBBBB     True
    """
    state = dict(url) if isinstance(url, Mapping) else read_link(url)
    segments: list[tuple[Any, ...]] = []
    points: list[tuple[Any, ...]] = []
    lines: list[tuple[Any, ...]] = []
    for layer in layers_of(state):
        name = str(layer.get("name", ""))
        if is_segmentation(layer):
            segments += [(name, *row) for row in _segments_of(layer)]
        listed_here = entries(layer, "annotations", f"the layer {name!r}")
        annotations = [entry for entry in listed_here if isinstance(entry, dict)]
        kept = [entry for entry in annotations if entry.get("type") in CORNERS]
        to_nm = _to_nm(state, layer) if kept else None
        for entry in kept:
            assert to_nm is not None
            corners = [to_nm(entry.get(corner)) for corner in CORNERS[entry["type"]]]
            texts = (name, str(entry.get("id", "")), str(entry.get("description") or ""))
            row = (*texts, *(number for corner in corners for number in corner))
            (points if len(corners) == 1 else lines).append(row)
    texts = ("layer", "id", "description")
    ends = tuple(f"{end}_{axis}" for end in ("pre", "post") for axis in "xyz")
    listed = pd.DataFrame(segments, columns=["layer", "segment_id", "color", "visible"])
    listed["segment_id"] = id_array(listed["segment_id"].astype(object))[0]
    listed = listed.astype({"layer": TEXT, "color": TEXT, "visible": bool})
    return LinkTables(
        listed,
        *(
            note(
                pd.DataFrame(rows, columns=[*texts, *names]).astype(
                    {**dict.fromkeys(texts, TEXT), **dict.fromkeys(names, "float64")}
                ),
                positions="nm",
            )
            for rows, names in ((points, ("x", "y", "z")), (lines, ends))
        ),
    )


def _segments_of(layer: Mapping[str, Any]) -> Iterator[tuple[str, str | None, bool]]:
    """Yield the ID, the color and the visibility of each segment of a layer."""
    where = f"the layer {layer.get('name')!r}"
    colors = layer.get("segmentColors")
    colors = colors if isinstance(colors, dict) else {}
    # A segment that is not shown begins with an exclamation mark; the older viewer has a list of them.
    shown = [
        (str(one).removeprefix("!"), not str(one).startswith("!"))
        for one in entries(layer, "segments", where)
    ]
    shown += [(str(one), False) for one in entries(layer, "hiddenSegments", where)]
    for segment, visible in shown:
        color = colors.get(segment, layer.get("segmentDefaultColor"))
        yield segment, None if color is None else str(color), visible


def _to_nm(state: Mapping[str, Any], layer: Mapping[str, Any]) -> Callable[[Any], list[float]]:
    """Return the function that converts the positions of a layer to nm."""
    where = f"the layer {layer.get('name')!r}"
    source = layer.get("source")
    source = source[0] if isinstance(source, list) and source else source
    transform = source.get("transform") if isinstance(source, dict) else None
    matrix = None
    if isinstance(transform, dict) and "outputDimensions" in transform:
        places, size = size_of(transform["outputDimensions"], where)
        given = transform.get("matrix")
        try:
            matrix = None if given is None else np.asarray(given, np.float64)
        except (TypeError, ValueError):
            raise InvalidQueryError(
                f"{where} has a matrix that is not numbers: {given!r:.60}."
            ) from None
    elif is_older(state):
        own = layer.get("voxelSize")
        places, size = (
            [0, 1, 2],
            voxel_size(state) if own is None else sizes_of(own, f"{where} has no valid voxelSize"),
        )
    else:
        places, size = size_of(state.get("dimensions"), "the state")

    def convert(position: Any) -> list[float]:
        try:
            place: FloatArray = np.asarray(position, np.float64)
            if matrix is not None:
                place = matrix @ np.append(place, 1.0)
            found: list[float] = (place[places] * size).tolist()
        except (IndexError, TypeError, ValueError):
            raise InvalidQueryError(
                f"{where} has a position that is not three numbers: {position!r:.60}."
            ) from None
        return found

    return convert
