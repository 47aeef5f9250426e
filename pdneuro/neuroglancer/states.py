"""States of Neuroglancer: scenes, layers, sizes of voxels, and the position of the view."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import numpy as np
import numpy.typing as npt

from pdneuro.errors import InvalidQueryError, did_you_mean
from pdneuro.options import get_option
from pdneuro.tables.provenance import has_part

UNITS = ("nm", "voxel")
_SEGMENTATION = "segmentation"
#: nm per unit of length.
_NM = {"m": 1e9, "mm": 1e6, "um": 1e3, "µm": 1e3, "μm": 1e3, "nm": 1.0, "pm": 1e-3}
#: Types of layers of the public viewer; the older one has further types of segmentation.
_TYPES = ("image", "segmentation", "annotation", "mesh", "auto", "new", "segmentation_with_graph")
FloatArray = npt.NDArray[np.float64]


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


def open_scene(scene: str | Mapping[str, Any] | None) -> tuple[str, dict[str, Any]]:
    """Return the viewer of a scene, state or link, and a new copy of the state."""
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
        return scene.partition("#")[0], parse_link(scene)
    if scene not in SCENES:
        raise InvalidQueryError(
            f"unknown scene {scene!r}. Use one of {', '.join(SCENES)}.{did_you_mean(scene, SCENES)}"
        )
    chosen = SCENES[scene]
    sizes = dimensions(np.array(chosen.voxel))
    layers = [
        {"type": "image", "source": chosen.image, "name": "em"},
        {"type": _SEGMENTATION, "source": chosen.segmentation, "name": _SEGMENTATION},
    ]
    selected = {"visible": True, "layer": _SEGMENTATION}
    state = {"dimensions": sizes, "layers": layers, "selectedLayer": selected}
    return chosen.viewer, {**state, "showSlices": False, "layout": "3d"}


def is_segmentation(layer: dict[str, Any]) -> bool:
    """Return whether a layer is of a type of segmentation."""
    return str(layer.get("type", "")).startswith(_SEGMENTATION)


def segmentation_layer(state: dict[str, Any], name: str | None) -> dict[str, Any]:
    """Return the segmentation of a name, or the first one."""
    layers = layers_of(state)
    if name is None:
        matching = [layer for layer in layers if is_segmentation(layer)]
    else:
        matching = [layer for layer in layers if layer.get("name") == name]
    if not matching:
        names = [str(layer.get("name")) for layer in layers]
        wanted = "of type 'segmentation'" if name is None else repr(name)
        raise InvalidQueryError(
            f"the state does not have a layer {wanted}. Its layers are: {', '.join(names) or 'none'}."
            f"{did_you_mean(name, names) if name else ''}"
        )
    if not is_segmentation(matching[0]):
        raise InvalidQueryError(
            f"the layer {name!r} is of type {matching[0].get('type')!r}. Name a layer of segmentation."
        )
    return matching[0]


def parse_link(url: str) -> dict[str, Any]:
    """Return the state of a link."""
    fragment = urlsplit(url).fragment if isinstance(url, str) else ""
    try:
        state = json.loads(unquote(fragment.removeprefix("!")))
    except ValueError:
        state = None
    if not fragment.startswith("!") or not isinstance(state, dict):
        raise InvalidQueryError(
            f"the link {url!r:.80} does not contain a state after '#!'. Open a link to a state on a "
            "server in the browser, and copy the long link."
        )
    return state


def layers_of(state: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the layers of a state."""
    return [layer for layer in entries(state, "layers", "the state") if isinstance(layer, dict)]


def entries(part: Mapping[str, Any], key: str, where: str) -> Sequence[Any]:
    """Return the list under a key of a state or layer; empty if it is absent.

    Raises
    ------
    InvalidQueryError
        The value is not a list.
    """
    found = part.get(key) or []
    if not isinstance(found, list | tuple):
        raise InvalidQueryError(f"{key!r} of {where} must be a list, not {found!r:.60}.")
    return found


def append_layers(state: dict[str, Any], new: Sequence[Mapping[str, Any]]) -> None:
    """Append layers to a state.

    Raises
    ------
    InvalidQueryError
        A layer lacks its name, type or source, has the name of another one, or is not JSON.
    """
    if not isinstance(new, list | tuple):
        raise InvalidQueryError(f"layers must be a list of mappings, not {new!r:.60}.")
    for number, given in enumerate(new):
        if not isinstance(given, Mapping):
            raise InvalidQueryError(f"layer {number} is a {type(given).__name__}, not a mapping.")
        name, kind = given.get("name"), given.get("type")
        if not isinstance(name, str) or not name:
            raise InvalidQueryError(f"layer {number} has no name: {dict(given)!r:.80}.")
        if kind not in _TYPES:
            raise InvalidQueryError(
                f"the layer {name!r} is of the type {kind!r}. Use one of {', '.join(_TYPES)}."
                f"{did_you_mean(kind, _TYPES)}"
            )
        # Points in a state of the older viewer have no source.
        if not given.get("source") and kind != "new" and "annotations" not in given:
            raise InvalidQueryError(f"the layer {name!r} has no source.")
        if name in [layer.get("name") for layer in layers_of(state)]:
            raise InvalidQueryError(f"the state already has a layer {name!r}. Choose another name.")
        try:
            layer = json.loads(json.dumps(dict(given), allow_nan=False))
        except (TypeError, ValueError) as error:
            raise InvalidQueryError(f"the layer {name!r} cannot be written as JSON: {error}.") from None
        state["layers"] = [*layers_of(state), layer]


# -- positions ---------------------------------------------------------------------------------------


def is_older(state: Mapping[str, Any]) -> bool:
    """Return whether a state is of the older viewer of the Seung lab."""
    return "navigation" in state and "dimensions" not in state


def dimensions(size: FloatArray) -> dict[str, list[Any]]:
    """Return the dimensions of voxels of a size in nm."""
    # A product such as 4.3 * 1e-9 has digits that nobody wrote.
    return {
        axis: [float(f"{nm * 1e-9:.12g}"), "m"] for axis, nm in zip("xyz", size.tolist(), strict=True)
    }


def size_of(space: Any, where: str) -> tuple[list[int], FloatArray]:
    """Return the places of x, y and z among dimensions, and the size of a voxel in nm.

    Raises
    ------
    InvalidQueryError
        There are no three dimensions with a unit of length.
    """
    found = dict(space) if isinstance(space, Mapping) else {}
    names = [str(name).lower() for name in found]
    places = [names.index(axis) for axis in "xyz" if axis in names]
    places = places if len(places) == 3 else [0, 1, 2]
    try:
        pairs = [list(found.values())[place] for place in places]
        sizes = np.array([float(f"{float(scale) * _NM[str(unit)]:.12g}") for scale, unit in pairs])
        if not (np.isfinite(sizes) & (sizes > 0)).all():
            raise ValueError
    except (KeyError, IndexError, TypeError, ValueError):
        raise InvalidQueryError(
            f"{where} has no size of voxels in a unit of length: {space!r:.80}. Positions in nm need "
            "'dimensions' such as {'x': [4e-9, 'm'], 'y': [4e-9, 'm'], 'z': [4e-8, 'm']}."
        ) from None
    return places, sizes


def voxel_size(state: Mapping[str, Any]) -> FloatArray:
    """Return the size of the voxels of a state in nm."""
    if not is_older(state):
        return size_of(state.get("dimensions"), "the state")[1]
    pose = _older_position(state)
    return sizes_of(pose.get("voxelSize"), "the state has no voxelSize in its navigation")


def sizes_of(given: Any, fault: str) -> FloatArray:
    """Return the size of a voxel of the older viewer in nm, or raise an error."""
    try:
        sizes = np.asarray(given, np.float64)
    except (TypeError, ValueError):
        sizes = np.empty(0)
    if sizes.shape != (3,) or not (np.isfinite(sizes) & (sizes > 0)).all():
        raise InvalidQueryError(f"{fault}, so nm cannot be converted: {given!r:.60}.")
    return sizes


def has_position(state: Mapping[str, Any]) -> bool:
    """Return whether a state sets the center of the view."""
    return "position" in state or (is_older(state) and "voxelCoordinates" in _older_position(state))


def set_position(state: dict[str, Any], center: FloatArray, units: str) -> None:
    """Set the center of the view."""
    voxels = center if units == "voxel" else center / voxel_size(state)
    if is_older(state):
        pose = {**_older_position(state), "voxelCoordinates": coordinates(voxels)}
        navigation = dict(state["navigation"])
        navigation["pose"] = {**dict(navigation.get("pose") or {}), "position": pose}
        state["navigation"] = navigation
        return
    space = state.get("dimensions")
    places = [0, 1, 2] if space is None else size_of(space, "the state")[0]
    whole = list(state.get("position") or [0.0] * max(3, len(space or ())))
    for place, number in zip(places, coordinates(voxels), strict=True):
        whole[place] = number
    state["position"] = whole


def _older_position(state: Mapping[str, Any]) -> dict[str, Any]:
    navigation = state.get("navigation")
    pose = navigation.get("pose") if isinstance(navigation, dict) else None
    position = pose.get("position") if isinstance(pose, dict) else None
    return position if isinstance(position, dict) else {}


def coordinates(numbers: FloatArray) -> list[float]:
    """Return numbers for JSON, without digits below a thousandth."""
    return [int(number) if number == int(number) else round(number, 3) for number in numbers.tolist()]
