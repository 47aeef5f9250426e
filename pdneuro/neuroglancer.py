"""Links that show segments in Neuroglancer, and states read back from links."""

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

#: Most segments of a link: beyond this no browser takes the address.
MAX_SEGMENTS = 5_000
_SEGMENTATION = "segmentation"
#: From low to high, for numbers.
_SCALE = ("#440154", "#3B528B", "#21918C", "#5EC962", "#FDE725")


class Scene(NamedTuple):
    """A viewer, the pictures and the segmentation of a dataset, and the size of its voxels in nm."""

    viewer: str
    image: str
    segmentation: str
    voxel: tuple[float, float, float]


#: The scenes, by name. FlyWire's is of version 783 and open to all; the others ask for a login and show
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
#: What the names of projects and datastacks hold, and their scene.
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
    """An address that opens Neuroglancer with the segments of a column.

    Parameters
    ----------
    ids : Series or DataFrame
        Segment IDs. Each distinct one is shown once; missing ones are passed over.
    scene : str or mapping, optional
        ``"flywire"``, ``"microns"``, ``"v1dd"`` or ``"fanc"``; a state of your own, as
        :func:`read_link` gives it; or a link to take it from. Default: the one of the option ``source``.
    on : hashable, optional
        Of a table: the column of IDs, where the name does not say so.
    color : hashable or labels, optional
        A column of the table, or a Series or mapping by ID. Groups get a colour each, numbers
        (floats, or integers of more than 20 values) a scale from dark to light; ``#rrggbb`` is taken as
        it is. Segments without a value are grey.
    layer : str, optional
        Of a state of your own: the layer that takes the segments. Default: its first segmentation.
    position : three numbers, optional
        Where to look, in voxels of the scene.
    viewer : str, optional
        Address of another Neuroglancer.

    Returns
    -------
    str

    Raises
    ------
    InvalidQueryError
        No such scene or layer, a state without a segmentation, a link that holds no state.
    TooLargeError
        More than 5,000 segments.
    PrecisionLossError, InvalidIdError
        The column holds no exact IDs.

    See Also
    --------
    read_link : the way back.

    Examples
    --------
    >>> ids = pd.Series([720575940621522189, 720575940618495860])
    >>> url = ids.neuro.link("flywire", color={720575940621522189: "left"})
    >>> state = pdneuro.neuroglancer.read_link(url)
    >>> state["layers"][1]["segments"]
    ['720575940621522189', '720575940618495860']
    """
    column = ids if isinstance(ids, pd.Series) else roles.id_column(ids, on)
    numbers = distinct_ids(column)
    if len(numbers) > MAX_SEGMENTS:
        raise TooLargeError(
            f"a link with {len(numbers):,} segments is too long for browsers; {MAX_SEGMENTS:,} are the "
            "most. Choose some: .head(1000), or .query(...)."
        )
    address, state = _scene(scene)
    shown = _layer(state, layer)
    shown["segments"] = [str(number) for number in numbers.tolist()]
    colors = _colors(numbers, column, ids, color)
    if colors:
        shown["segmentColors"] = colors
    if position is not None:
        place = [float(number) for number in position]
        if len(place) != 3 or not np.isfinite(place).all():
            raise InvalidQueryError(f"a position has three numbers, not {list(position)}.")
        state["position"] = place
    text = quote(json.dumps(state, separators=(",", ":")), safe=":,/")
    return f"{(viewer or address).rstrip('/')}/#!{text}"


def read_link(url: str) -> dict[str, Any]:
    """The state in a Neuroglancer link.

    Parameters
    ----------
    url : str
        With the state itself behind ``#!``. Links to a state on a server hold only its address.

    Returns
    -------
    dict

    Raises
    ------
    InvalidQueryError
        There is no state in it.

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
            f"the link {url[:80]!r} holds no state behind '#!'. One that ends in the address of a state "
            "on a server has to be opened first; copy the long link from the browser."
        )
    return state


def _scene(scene: str | Mapping[str, Any] | None) -> tuple[str, dict[str, Any]]:
    """The viewer, and a state of one's own to write into."""
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
                f"which scene shows the segments? Name one, scene={' or '.join(map(repr, SCENES))}, or "
                f"give a state of your own{f'; the source {source!r} tells none' if source else ''}."
            )
    if scene.startswith(("http://", "https://")):
        return scene.partition("#")[0], read_link(scene)
    if scene not in SCENES:
        raise InvalidQueryError(
            f"there is no scene {scene!r}, only {', '.join(SCENES)}.{did_you_mean(scene, SCENES)}"
        )
    known = SCENES[scene]
    sizes = {axis: [size * 1e-9, "m"] for axis, size in zip(("x", "y", "z"), known.voxel, strict=True)}
    layers = [
        {"type": "image", "source": known.image, "name": "em"},
        {"type": _SEGMENTATION, "source": known.segmentation, "name": _SEGMENTATION},
    ]
    chosen = {"visible": True, "layer": _SEGMENTATION}
    state = {"dimensions": sizes, "layers": layers, "selectedLayer": chosen}
    return known.viewer, {**state, "showSlices": False, "layout": "3d"}


def _layer(state: dict[str, Any], name: str | None) -> dict[str, Any]:
    layers = [layer for layer in state.get("layers") or () if isinstance(layer, dict)]
    if name is None:
        found = [layer for layer in layers if str(layer.get("type", "")).startswith(_SEGMENTATION)]
    else:
        found = [layer for layer in layers if layer.get("name") == name]
    if not found:
        names = [str(layer.get("name")) for layer in layers]
        wanted = "of segmentation" if name is None else repr(name)
        raise InvalidQueryError(
            f"the state has no layer {wanted}, only {', '.join(names) or 'none'}."
            f"{did_you_mean(name, names) if name else ''}"
        )
    if not str(found[0].get("type", "")).startswith(_SEGMENTATION):
        raise InvalidQueryError(
            f"the layer {name!r} is of type {found[0].get('type')!r}, no segmentation."
        )
    return found[0]


def _colors(numbers: Int64Array, column: pd.Series[Any], table: Any, color: Any) -> dict[str, str]:
    """The colour of each segment, by its ID as text."""
    if color is None:
        return {}
    if are_labels(color):
        values: pd.Series[Any] = pd.Series(labels_of(numbers, color))
        if len(values) and values.isna().all():
            own = getattr(color, "name", None)
            raise InvalidQueryError(
                "no ID has a colour: color= takes a Series or mapping by ID, or the name of a column of "
                f"the table{f', color={own!r}' if own else ''}."
            )
    else:
        if not isinstance(table, pd.DataFrame):
            raise InvalidQueryError(
                f"color={color!r} names a column, and this is a column itself. Give a Series or mapping "
                "by ID, or call .link() on the table."
            )
        given, missing = id_array(column)
        own = pd.Series(roles.named_column(table, color).array, index=given)
        own = own[~pd.Index(given).duplicated() & (True if missing is None else ~missing)]
        values = own.reindex(numbers).reset_index(drop=True)
    return dict(zip(map(str, numbers.tolist()), _as_colors(values), strict=True))


def _as_colors(values: pd.Series[Any]) -> list[str]:
    known = values.notna()
    distinct = values[known].unique()
    kind = pd.api.types
    numeric = kind.is_numeric_dtype(values.dtype) and not kind.is_bool_dtype(values.dtype)
    if numeric and (kind.is_float_dtype(values.dtype) or len(distinct) > 20):
        return _on_a_scale(values)
    texts = [str(item) for item in distinct]
    if texts and all(re.fullmatch(r"#[0-9a-fA-F]{6}", text) for text in texts):
        return [str(value) if there else OTHER for value, there in zip(values, known, strict=True)]
    counted = values[known].value_counts(sort=True).index.tolist()
    colors = {group: _color_of(place) for place, group in enumerate(counted)}
    return [colors[value] if there else OTHER for value, there in zip(values, known, strict=True)]


def _color_of(place: int) -> str:
    # Black is not seen on a dark ground. Beyond the palette hues go round by the golden section.
    seen = [color for color in PALETTE if color != "#000000"]
    if place < len(seen):
        return seen[place]
    red, green, blue = colorsys.hsv_to_rgb(place * 0.618034 % 1.0, 0.65, 0.95)
    return f"#{round(red * 255):02X}{round(green * 255):02X}{round(blue * 255):02X}"


def _on_a_scale(values: pd.Series[Any]) -> list[str]:
    numbers = values.to_numpy(dtype=float, na_value=np.nan)
    known = np.isfinite(numbers)
    low, high = (numbers[known].min(), numbers[known].max()) if known.any() else (0.0, 1.0)
    share = (np.where(known, numbers, low) - low) / ((high - low) or 1.0)
    stops = np.array([[int(color[place : place + 2], 16) for place in (1, 3, 5)] for color in _SCALE])
    at = np.linspace(0, 1, len(_SCALE))
    parts = np.rint(np.column_stack([np.interp(share, at, stops[:, part]) for part in range(3)])).astype(
        int
    )
    return [
        f"#{red:02X}{green:02X}{blue:02X}" if there else OTHER
        for (red, green, blue), there in zip(parts.tolist(), known.tolist(), strict=True)
    ]
