"""Write links that show segments in Neuroglancer, and read the state of a link."""

from __future__ import annotations

import colorsys
import json
import re
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit

import numpy as np
import pandas as pd

from pdneuro.errors import InvalidQueryError, TooLargeError, did_you_mean
from pdneuro.options import get_option
from pdneuro.plots.style import OTHER, PALETTE
from pdneuro.tables import roles
from pdneuro.tables.ids import Int64Array, distinct_ids, id_array
from pdneuro.tables.joins import Labels, are_labels, labels_of
from pdneuro.tables.provenance import has_part

#: Maximum number of segments in a link, since browsers limit the length of an address.
MAX_SEGMENTS = 5_000
_SEGMENTATION = "segmentation"
#: Colors of numbers, from low to high.
_SCALE = ("#440154", "#3B528B", "#21918C", "#5EC962", "#FDE725")


class Scene(NamedTuple):
    """A viewer, the image and the segmentation of a dataset, and the size of its voxels in nm."""

    viewer: str
    image: str
    segmentation: str
    voxel: tuple[float, float, float]


#: Scenes by name. FlyWire's is version 783 and open to all; the others require a login and show
#: root IDs of any version.
SCENES = {
    "flywire": Scene(
        "https://ngl.cave-explorer.org",
        "precomputed://https://bossdb-open-data.s3.amazonaws.com/flywire/fafbv14",
        "precomputed://gs://flywire_v141_m783",
        (4, 4, 40),
    ),
    "microns": Scene(
        "https://spelunker.cave-explorer.org",
        "precomputed://https://bossdb-open-data.s3.amazonaws.com/iarpa_microns/minnie/minnie65/em",
        "graphene://middleauth+https://minnie.microns-daf.com/segmentation/table/minnie65_public",
        (4, 4, 40),
    ),
    "v1dd": Scene(
        "https://spelunker.cave-explorer.org",
        "precomputed://gs://v1dd_imagery/image/aligned_image",
        "graphene://middleauth+https://api.em.brain.allentech.org/segmentation/table/v1dd_public",
        (9.7, 9.7, 45),
    ),
    "fanc": Scene(
        "https://spelunker.cave-explorer.org",
        "precomputed://gs://lee-lab_female-adult-nerve-cord/alignmentV4/em/rechunked",
        "graphene://middleauth+https://cave.fanc-fly.com/segmentation/table/mar2021_prod",
        (4.3, 4.3, 45),
    ),
}
#: Parts of the names of projects and datastacks, with their scene.
_PARTS = {"flywire": "flywire", "minnie": "microns", "v1dd": "v1dd", "fanc": "fanc"}


def link(
    ids: pd.Series[Any] | pd.DataFrame,
    scene: str | Mapping[str, Any] | None = None,
    *,
    on: Hashable | None = None,
    color: Hashable | Labels | None = None,
    layer: str | None = None,
    position: Sequence[float] | None = None,
    viewer: str | None = None,
) -> str:
    """Return an address that opens Neuroglancer with the segments of a column.

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
        Center of the view, in voxels of the scene.
    viewer : str, optional
        Address of another Neuroglancer. Default: the viewer of the scene.

    Returns
    -------
    str

    Raises
    ------
    InvalidQueryError
        The scene or layer does not exist, or the state or link does not contain a segmentation.
    TooLargeError
        More than 5,000 segments.
    PrecisionLossError, InvalidIdError
        The column does not hold exact IDs.

    See Also
    --------
    read_link : the state of a link.

    Examples
    --------
    >>> ids = pd.Series([720575940621522189, 720575940618495860])
    >>> url = ids.neuro.link("flywire", color={720575940621522189: "left"})
    >>> state = pdneuro.neuroglancer.read_link(url)
    >>> state["layers"][1]["segments"]
    ['720575940621522189', '720575940618495860']
    """
    column = ids if isinstance(ids, pd.Series) else roles.id_column(ids, on)
    segments = distinct_ids(column)
    if len(segments) > MAX_SEGMENTS:
        raise TooLargeError(
            f"a link with {len(segments):,} segments is too long for browsers; the maximum is "
            f"{MAX_SEGMENTS:,}. Select fewer rows with .head(1000) or .query(...)."
        )
    address, state = _scene(scene)
    shown = _layer(state, layer)
    shown["segments"] = [str(segment) for segment in segments.tolist()]
    colors = _colors(segments, column, ids, color)
    if colors:
        shown["segmentColors"] = colors
    if position is not None:
        center = [float(number) for number in position]
        if len(center) != 3 or not np.isfinite(center).all():
            raise InvalidQueryError(f"position must be three numbers, not {list(position)}.")
        state["position"] = center
    text = quote(json.dumps(state, separators=(",", ":")), safe=":,/")
    return f"{(viewer or address).rstrip('/')}/#!{text}"


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
    fragment = urlsplit(url).fragment
    try:
        state = json.loads(unquote(fragment.removeprefix("!")))
    except ValueError:
        state = None
    if not fragment.startswith("!") or not isinstance(state, dict):
        raise InvalidQueryError(
            f"the link {url[:80]!r} does not contain a state after '#!'. Open a link to a state on a "
            "server in the browser, and copy the long link."
        )
    return state


def _scene(scene: str | Mapping[str, Any] | None) -> tuple[str, dict[str, Any]]:
    """Return the viewer, and a new copy of the state."""
    if isinstance(scene, Mapping):
        try:
            return SCENES["microns"].viewer, json.loads(json.dumps(dict(scene)))
        except (TypeError, ValueError) as error:
            raise InvalidQueryError(f"the state cannot be written as JSON: {error}.") from None
    if scene is None:
        source = str(get_option("source") or "")
        scene = next((name for part, name in _PARTS.items() if has_part(source, part)), None)
        if scene is None:
            raise InvalidQueryError(
                f"there is no scene for {f'the source {source!r}' if source else 'these IDs'}. Pass "
                f"scene={' or '.join(map(repr, SCENES))}, or your own state."
            )
    if scene.startswith(("http://", "https://")):
        return scene.partition("#")[0], read_link(scene)
    if scene not in SCENES:
        raise InvalidQueryError(
            f"unknown scene {scene!r}. Use one of {', '.join(SCENES)}.{did_you_mean(scene, SCENES)}"
        )
    chosen = SCENES[scene]
    sizes = {axis: [size * 1e-9, "m"] for axis, size in zip(("x", "y", "z"), chosen.voxel, strict=True)}
    layers = [
        {"type": "image", "source": chosen.image, "name": "em"},
        {"type": _SEGMENTATION, "source": chosen.segmentation, "name": _SEGMENTATION},
    ]
    selected = {"visible": True, "layer": _SEGMENTATION}
    state = {"dimensions": sizes, "layers": layers, "selectedLayer": selected}
    return chosen.viewer, {**state, "showSlices": False, "layout": "3d"}


def _is_segmentation(layer: dict[str, Any]) -> bool:
    return str(layer.get("type", "")).startswith(_SEGMENTATION)


def _layer(state: dict[str, Any], name: str | None) -> dict[str, Any]:
    layers = [layer for layer in state.get("layers") or () if isinstance(layer, dict)]
    if name is None:
        matching = [layer for layer in layers if _is_segmentation(layer)]
    else:
        matching = [layer for layer in layers if layer.get("name") == name]
    if not matching:
        names = [str(layer.get("name")) for layer in layers]
        wanted = "of type 'segmentation'" if name is None else repr(name)
        raise InvalidQueryError(
            f"the state does not have a layer {wanted}. Its layers are: {', '.join(names) or 'none'}."
            f"{did_you_mean(name, names) if name else ''}"
        )
    if not _is_segmentation(matching[0]):
        raise InvalidQueryError(
            f"the layer {name!r} is of type {matching[0].get('type')!r}. Name a layer of segmentation."
        )
    return matching[0]


def _colors(segments: Int64Array, column: pd.Series[Any], table: Any, color: Any) -> dict[str, str]:
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
    colors = {group: _color_of(rank) for rank, group in enumerate(counted)}
    return [colors[value] if pd.notna(value) else OTHER for value in values]


def _color_of(rank: int) -> str:
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
