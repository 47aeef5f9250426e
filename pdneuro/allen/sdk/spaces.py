"""ReferenceSpace and ReferenceSpaceCache, as in ``allensdk.core``."""

from __future__ import annotations

import csv
import functools
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pdneuro._atomic import replacing
from pdneuro._compat import optional
from pdneuro.allen.sdk.cache import Cache
from pdneuro.allen.sdk.image_api import ReferenceSpaceApi
from pdneuro.allen.sdk.manifest import files
from pdneuro.allen.sdk.ontology import StructureTree
from pdneuro.allen.sdk.structure_api import OntologiesApi
from pdneuro.errors import (
    InvalidFileError,
    InvalidIdError,
    InvalidVolumeError,
    LeftOutError,
    listing,
)
from pdneuro.tables.volumes import label_counts, label_mask

Volume = npt.NDArray[Any]
Mask = npt.NDArray[np.uint8]


class ReferenceSpace:
    """Structures in a volume of structure IDs.

    Parameters
    ----------
    structure_tree : StructureTree
    annotation : array
        The structure ID of each voxel; 0 is outside the brain.
    resolution : sequence of three numbers
        Size of the voxels in µm.

    Notes
    -----
    Voxels are counted once; a mask is one lookup of all its structures, not one pass over the volume
    for each of them.

    Examples
    --------
    >>> from pdneuro.allen.sdk import ReferenceSpace, StructureTree
    >>> tree = StructureTree([
    ...     {"id": 1, "structure_id_path": [1], "rgb_triplet": [9, 9, 9]},
    ...     {"id": 2, "structure_id_path": [1, 2], "rgb_triplet": [1, 2, 3]},
    ... ])
    >>> space = ReferenceSpace(tree, np.array([[[0, 1], [2, 2]]]), [25, 25, 25])
    >>> space.direct_voxel_map, space.total_voxel_map
    ({1: 1, 2: 2}, {1: 3, 2: 2})
    >>> space.make_structure_mask([1]).tolist()
    [[[0, 1], [1, 1]]]
    >>> space.get_slice_image(0, 0)[1, 0].tolist()
    [1, 2, 3]
    """

    def __init__(
        self, structure_tree: StructureTree, annotation: Any, resolution: Sequence[float]
    ) -> None:
        self.structure_tree = structure_tree
        self.resolution = resolution
        self.annotation: Volume = np.ascontiguousarray(annotation)

    @functools.cached_property
    def direct_voxel_map(self) -> dict[int, int]:
        """Return the number of voxels of each structure, without its descendants.

        Examples
        --------
        >>> tree = pdneuro.allen.sdk.ReferenceSpaceCache(100, "annotation/ccf_2017").get_structure_tree()
        >>> labels = np.array([[[0, 385], [778, 549]]])
        >>> space = pdneuro.allen.sdk.ReferenceSpace(tree, labels, [25, 25, 25])
        >>> space.direct_voxel_map[385]
        1
        """
        found = label_counts(self.annotation)
        return {number: found.get(number, 0) for number in self.structure_tree.node_ids()}

    @functools.cached_property
    def total_voxel_map(self) -> dict[int, int]:
        """Return the number of voxels of each structure and its descendants.

        Examples
        --------
        >>> tree = pdneuro.allen.sdk.ReferenceSpaceCache(100, "annotation/ccf_2017").get_structure_tree()
        >>> labels = np.array([[[0, 385], [778, 549]]])
        >>> space = pdneuro.allen.sdk.ReferenceSpace(tree, labels, [25, 25, 25])
        >>> space.total_voxel_map[385]
        2
        """
        direct, ids = self.direct_voxel_map, self.structure_tree.node_ids()
        below = self.structure_tree.descendant_ids(ids)
        return {
            number: sum(direct[each] for each in line) for number, line in zip(ids, below, strict=True)
        }

    def direct_voxel_counts(self) -> None:
        """Count the voxels of :attr:`direct_voxel_map` again.

        Examples
        --------
        >>> tree = pdneuro.allen.sdk.ReferenceSpaceCache(100, "annotation/ccf_2017").get_structure_tree()
        >>> labels = np.array([[[0, 385], [778, 549]]])
        >>> space = pdneuro.allen.sdk.ReferenceSpace(tree, labels, [25, 25, 25])
        >>> space.direct_voxel_counts()
        """
        self.__dict__.pop("direct_voxel_map", None)

    def total_voxel_counts(self) -> None:
        """Sum the voxels of :attr:`total_voxel_map` again.

        Examples
        --------
        >>> tree = pdneuro.allen.sdk.ReferenceSpaceCache(100, "annotation/ccf_2017").get_structure_tree()
        >>> labels = np.array([[[0, 385], [778, 549]]])
        >>> space = pdneuro.allen.sdk.ReferenceSpace(tree, labels, [25, 25, 25])
        >>> space.total_voxel_counts()
        """
        self.__dict__.pop("total_voxel_map", None)

    def remove_unassigned(self, update_self: bool = True) -> list[dict[Any, Any]]:
        """Return the structures that have voxels; by default they become the tree of this space.

        Examples
        --------
        >>> tree = pdneuro.allen.sdk.ReferenceSpaceCache(100, "annotation/ccf_2017").get_structure_tree()
        >>> labels = np.array([[[0, 385], [778, 549]]])
        >>> space = pdneuro.allen.sdk.ReferenceSpace(tree, labels, [25, 25, 25])
        >>> len(space.remove_unassigned()), len(space.structure_tree.nodes())
        (10, 10)
        """
        counts = self.total_voxel_map
        structures = self.structure_tree.filter_nodes(lambda node: counts[node["id"]] > 0)
        if update_self:
            self.structure_tree = StructureTree(structures)
        return structures

    def make_structure_mask(self, structure_ids: Iterable[int], direct_only: bool = False) -> Mask:
        """Return 1 for the voxels of structures and, by default, of their descendants; 0 elsewhere.

        Examples
        --------
        >>> tree = pdneuro.allen.sdk.ReferenceSpaceCache(100, "annotation/ccf_2017").get_structure_tree()
        >>> labels = np.array([[[0, 385], [778, 549]]])
        >>> space = pdneuro.allen.sdk.ReferenceSpace(tree, labels, [25, 25, 25])
        >>> space.make_structure_mask([385]).tolist()
        [[[0, 1], [1, 0]]]
        >>> space.make_structure_mask([385], direct_only=True).tolist()
        [[[0, 1], [0, 0]]]
        """
        ids = list(structure_ids)
        if not direct_only:
            ids = [number for line in self.structure_tree.descendant_ids(ids) for number in line]
        return label_mask(self.annotation, ids).view(np.uint8)

    def many_structure_masks(
        self,
        structure_ids: Iterable[int],
        output_cb: Callable[[int, Callable[[], Mask]], Any] | None = None,
        direct_only: bool = False,
    ) -> Iterator[Any]:
        """Yield ``output_cb(id, make_mask)`` of each structure: by default its ID and mask.

        Examples
        --------
        >>> tree = pdneuro.allen.sdk.ReferenceSpaceCache(100, "annotation/ccf_2017").get_structure_tree()
        >>> labels = np.array([[[0, 385], [778, 549]]])
        >>> space = pdneuro.allen.sdk.ReferenceSpace(tree, labels, [25, 25, 25])
        >>> [(number, int(mask.sum())) for number, mask in space.many_structure_masks([385, 549])]
        [(385, 2), (549, 1)]
        """
        output = output_cb or self.return_mask_cb
        for number in structure_ids:
            yield output(number, functools.partial(self.make_structure_mask, [number], direct_only))

    def check_coverage(self, structure_ids: Iterable[int], domain_mask: Any) -> Volume:
        """Return 1 where structures do not cover a mask, -1 where they exceed it, 0 elsewhere.

        Examples
        --------
        >>> tree = pdneuro.allen.sdk.ReferenceSpaceCache(100, "annotation/ccf_2017").get_structure_tree()
        >>> labels = np.array([[[0, 385], [778, 549]]])
        >>> space = pdneuro.allen.sdk.ReferenceSpace(tree, labels, [25, 25, 25])
        >>> space.check_coverage([385], np.array([[[0, 0], [1, 1]]])).tolist()
        [[[0, -1], [0, 1]]]
        """
        # Signed: a difference of unsigned integers has 255 for -1, as it has in allensdk.
        covered = self.make_structure_mask(structure_ids).astype(np.int8)
        domain = np.asarray(domain_mask)
        if domain.shape != covered.shape:
            raise InvalidVolumeError(
                f"the mask has the shape {domain.shape}, the annotation {covered.shape}."
            )
        if domain.dtype.kind in "bu":
            domain = domain.astype(np.int8)
        difference: Volume = domain - covered
        return difference

    def validate_structures(self, structure_ids: Any, domain_mask: Any) -> list[Any]:
        """Return the overlaps of structures, and how they cover a mask.

        Examples
        --------
        >>> tree = pdneuro.allen.sdk.ReferenceSpaceCache(100, "annotation/ccf_2017").get_structure_tree()
        >>> labels = np.array([[[0, 385], [778, 549]]])
        >>> space = pdneuro.allen.sdk.ReferenceSpace(tree, labels, [25, 25, 25])
        >>> space.validate_structures([385, 778], np.ones((1, 2, 2)))[0]
        {385}
        """
        return [
            self.structure_tree.has_overlaps(structure_ids),
            self.check_coverage(structure_ids, domain_mask),
        ]

    def downsample(self, target_resolution: Sequence[float]) -> ReferenceSpace:
        """Return this space with larger voxels, each with the structure of the nearest one.

        Examples
        --------
        >>> tree = pdneuro.allen.sdk.ReferenceSpaceCache(100, "annotation/ccf_2017").get_structure_tree()
        >>> labels = np.array([[[0, 385], [778, 549]]])
        >>> space = pdneuro.allen.sdk.ReferenceSpace(tree, labels, [25, 25, 25])
        >>> space.downsample([25, 50, 50]).annotation.shape
        (1, 1, 1)
        """
        ndimage = optional("scipy.ndimage", "graph")
        steps = zip(self.resolution, target_resolution, strict=True)
        factors = [float(size / target) for size, target in steps]
        smaller = ndimage.zoom(self.annotation, factors, order=0)
        return ReferenceSpace(self.structure_tree, smaller, target_resolution)

    def get_slice_image(
        self, axis: int, position: float, cmap: Mapping[int, Sequence[int]] | None = None
    ) -> npt.NDArray[np.uint8]:
        """Return the colors of a slice: axis 0 coronal, 1 horizontal, 2 sagittal; position in µm.

        Examples
        --------
        >>> tree = pdneuro.allen.sdk.ReferenceSpaceCache(100, "annotation/ccf_2017").get_structure_tree()
        >>> labels = np.array([[[0, 385], [778, 549]]])
        >>> space = pdneuro.allen.sdk.ReferenceSpace(tree, labels, [25, 25, 25])
        >>> space.get_slice_image(0, 0)[0].tolist()
        [[0, 0, 0], [8, 133, 140]]
        """
        if cmap is None:
            cmap = {**self.structure_tree.get_colormap(), 0: [0, 0, 0]}
        index = int(np.around(position / self.resolution[axis]))
        size = self.annotation.shape[axis]
        if not 0 <= index < size:
            raise InvalidVolumeError(
                f"axis {axis} has {size} voxels of {self.resolution[axis]} µm, so there is no slice at "
                f"{position} µm."
            )
        image = self.annotation.take(index, axis=axis)
        codes, distinct = pd.factorize(image.reshape(-1))
        unknown = [number for number in distinct.tolist() if number not in cmap]
        if unknown:
            raise InvalidVolumeError(f"cmap has no color for the structures {unknown[:5]}.")
        colors = np.array([cmap[number] for number in distinct.tolist()], np.uint8)
        return colors[codes].reshape(*image.shape, 3)

    def export_itksnap_labels(
        self, id_type: Any = np.uint16, label_description_kwargs: Mapping[str, Any] | None = None
    ) -> tuple[Volume, pd.DataFrame]:
        """Return the annotation and its labels for ITK-SNAP, with small IDs if the dtype needs them.

        Examples
        --------
        >>> tree = pdneuro.allen.sdk.ReferenceSpaceCache(100, "annotation/ccf_2017").get_structure_tree()
        >>> labels = np.array([[[0, 385], [778, 549]]])
        >>> space = pdneuro.allen.sdk.ReferenceSpace(tree, labels, [25, 25, 25])
        >>> annotation, labels = space.export_itksnap_labels()
        >>> int(annotation.max()), labels["LABEL"].iloc[annotation[0, 0, 1] - 1]
        (32, 'VISp')
        """
        labels = self.structure_tree.export_label_description(**(label_description_kwargs or {}))
        if not (labels["IDX"] > np.iinfo(id_type).max).any():
            return self.annotation, labels
        labels = labels.sort_values("LABEL", ignore_index=True)
        codes, distinct = pd.factorize(self.annotation.reshape(-1))
        small = pd.Index(labels["IDX"]).get_indexer(pd.Index(distinct)) + 1  # 0: not in the tree
        labels["IDX"] = np.arange(1, len(labels) + 1)
        return small.astype(id_type)[codes].reshape(self.annotation.shape), labels

    def write_itksnap_labels(self, annotation_path: Any, label_path: Any, **kwargs: Any) -> None:
        """Write the volume (NRRD) and the labels (text) of :meth:`export_itksnap_labels`.

        Examples
        --------
        >>> tree = pdneuro.allen.sdk.ReferenceSpaceCache(100, "annotation/ccf_2017").get_structure_tree()
        >>> labels = np.array([[[0, 385], [778, 549]]])
        >>> space = pdneuro.allen.sdk.ReferenceSpace(tree, labels, [25, 25, 25])
        >>> import pathlib, tempfile
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> space.write_itksnap_labels(folder / "labels.nrrd", folder / "labels.txt")
        >>> len((folder / "labels.txt").read_text().splitlines()) == len(tree.nodes())
        True
        """
        annotation, labels = self.export_itksnap_labels(**kwargs)
        _write_volume(annotation_path, annotation, spacings=self.resolution)
        labels.to_csv(label_path, sep=" ", index=False, header=False, quoting=csv.QUOTE_NONNUMERIC)

    @staticmethod
    def return_mask_cb(structure_id: int, fn: Callable[[], Mask]) -> tuple[int, Mask]:
        """Return the ID and the mask.

        Examples
        --------
        >>> pdneuro.allen.sdk.ReferenceSpace.return_mask_cb(385, lambda: "mask")
        (385, 'mask')
        """
        return structure_id, fn()

    @staticmethod
    def check_and_write(base_dir: Any, structure_id: int, fn: Callable[[], Mask]) -> int:
        """Write the mask as ``structure_{ID}.nrrd`` into a folder, unless the file exists.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> from pdneuro.allen.sdk import ReferenceSpace
        >>> ReferenceSpace.check_and_write(folder, 385, lambda: np.ones((2, 2, 2), np.uint8))
        385
        >>> [path.name for path in folder.iterdir()]
        ['structure_385.nrrd']
        """
        path = Path(base_dir) / f"structure_{structure_id}.nrrd"
        if not path.exists():
            _write_volume(path, fn())
        return structure_id


class ReferenceSpaceCache(Cache):
    """Volumes and structures of a reference space, kept in a folder in allensdk's layout.

    Parameters
    ----------
    resolution : int
        Size of the voxels in µm: 10, 25, 50 or 100.
    reference_space_key : str
        Version of the annotation, such as ``"annotation/ccf_2017"``.
    manifest : path, optional
        ``manifest.json`` of the folder; it is written if it does not exist.
    cache, version, base_uri : optional
        Whether to read and write files; the version of the manifest; the address of the service.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from pdneuro.allen.sdk import ReferenceSpaceCache
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> cache = ReferenceSpaceCache(100, "annotation/ccf_2017", manifest=folder / "manifest.json")
    >>> annotation, header = cache.get_annotation_volume()
    >>> annotation.shape, header["space directions"][0].tolist()
    ((12, 8, 10), [100.0, 0.0, 0.0])
    >>> space = cache.get_reference_space()
    >>> space.total_voxel_map[669], int(space.make_structure_mask([669]).sum())
    (96, 96)
    >>> sorted(path.name for path in folder.iterdir())
    ['annotation', 'manifest.json', 'structures.json']
    """

    REFERENCE_SPACE_VERSION_KEY = "REFERENCE_SPACE_VERSION"
    ANNOTATION_KEY = "ANNOTATION"
    TEMPLATE_KEY = "TEMPLATE"
    STRUCTURES_KEY = "STRUCTURES"
    STRUCTURE_TREE_KEY = "STRUCTURE_TREE"
    STRUCTURE_MASK_KEY = "STRUCTURE_MASK"
    STRUCTURE_MESH_KEY = "STRUCTURE_MESH"
    MANIFEST_VERSION: Any = 1.2
    MANIFEST_CONFIG = {
        **files({STRUCTURE_TREE_KEY: "structures.json", TEMPLATE_KEY: "average_template_%d.nrrd"}),
        REFERENCE_SPACE_VERSION_KEY: {"spec": "%s", "parent_key": "BASEDIR"},
        **files(
            {
                ANNOTATION_KEY: "annotation_%d.nrrd",
                STRUCTURE_MASK_KEY: "structure_masks/resolution_%d/structure_%d.nrrd",
                STRUCTURE_MESH_KEY: "structure_meshes/structure_%d.obj",
            },
            REFERENCE_SPACE_VERSION_KEY,
        ),
    }

    def __init__(
        self, resolution: int, reference_space_key: str, *, base_uri: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.resolution, self.reference_space_key = resolution, reference_space_key
        self.api: Any = ReferenceSpaceApi(base_uri=base_uri)

    def get_annotation_volume(self, file_name: Any = None) -> tuple[Volume, dict[str, Any]]:
        """Return the structure ID of each voxel, and the header of the file.

        Examples
        --------
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/manifest.json"
        >>> cache = pdneuro.allen.sdk.ReferenceSpaceCache(100, "annotation/ccf_2017", manifest=path)
        >>> cache.get_annotation_volume()[0].shape
        (12, 8, 10)
        """
        space, size = self.reference_space_key, self.resolution
        return self._volume(
            file_name,
            lambda path: self.api.download_annotation_volume(space, size, path),
            self.ANNOTATION_KEY,
            space,
            size,
        )

    def get_template_volume(self, file_name: Any = None) -> tuple[Volume, dict[str, Any]]:
        """Return the average brain, and the header of the file.

        Examples
        --------
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/manifest.json"
        >>> cache = pdneuro.allen.sdk.ReferenceSpaceCache(100, "annotation/ccf_2017", manifest=path)
        >>> cache.get_template_volume()[0].dtype
        dtype('uint16')
        """
        return self._volume(
            file_name,
            lambda path: self.api.download_template_volume(self.resolution, path),
            self.TEMPLATE_KEY,
            self.resolution,
        )

    def get_structure_mask(
        self, structure_id: Any, file_name: Any = None, annotation_file_name: Any = None
    ) -> tuple[Volume, dict[str, Any]]:
        """Return the downloaded mask of a structure, and the header of the file.

        Examples
        --------
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/manifest.json"
        >>> cache = pdneuro.allen.sdk.ReferenceSpaceCache(100, "annotation/ccf_2017", manifest=path)
        >>> int(cache.get_structure_mask(385)[0].sum())
        96
        """
        number = self.validate_structure_id(structure_id)
        space, size = self.reference_space_key, self.resolution
        return self._volume(
            file_name,
            lambda path: self.api.download_structure_mask(number, space, size, path),
            self.STRUCTURE_MASK_KEY,
            space,
            size,
            number,
        )

    def _volume(
        self, file_name: Any, download: Callable[[Any], Any], key: str, *args: Any
    ) -> tuple[Volume, dict[str, Any]]:
        nrrd = optional("nrrd", "volumes")
        path = self._file(file_name, download, key, *args)
        try:
            values, header = nrrd.read(path)
        except Exception as error:  # pynrrd raises whatever its code meets
            raise InvalidVolumeError(
                f"{path} cannot be read as NRRD: {type(error).__name__}: {error}. It is damaged or "
                "an unfinished download of allensdk: delete it, then it is downloaded again."
            ) from error
        return values, header

    def get_structure_tree(self, file_name: Any = None, structure_graph_id: int = 1) -> StructureTree:
        """Return the structures of a graph; 1 is the adult mouse.

        Examples
        --------
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/manifest.json"
        >>> cache = pdneuro.allen.sdk.ReferenceSpaceCache(100, "annotation/ccf_2017", manifest=path)
        >>> len(cache.get_structure_tree().node_ids())
        40
        """
        path = self.get_cache_path(file_name, self.STRUCTURE_TREE_KEY)
        if structure_graph_id != 1 and not file_name:
            path = None  # the folder has one file of structures, those of the mouse
        ontologies = OntologiesApi(self.api.api_url)
        records = self._records(
            path,
            lambda: StructureTree.clean_structures(
                ontologies.get_structures_with_sets(structure_graph_id)
            ),
        )
        graphs = {record.get("graph_id", structure_graph_id) for record in records}
        if graphs - {structure_graph_id}:
            raise InvalidFileError(
                f"{path} has the structures of graph {listing(graphs)}, not {structure_graph_id}."
            )
        return StructureTree(StructureTree.clean_structures(records))

    def get_reference_space(
        self, structure_file_name: Any = None, annotation_file_name: Any = None
    ) -> ReferenceSpace:
        """Return the annotation and the structures as a :class:`ReferenceSpace`.

        Examples
        --------
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/manifest.json"
        >>> cache = pdneuro.allen.sdk.ReferenceSpaceCache(100, "annotation/ccf_2017", manifest=path)
        >>> cache.get_reference_space().resolution
        [100, 100, 100]
        """
        return ReferenceSpace(
            self.get_structure_tree(structure_file_name),
            self.get_annotation_volume(annotation_file_name)[0],
            [self.resolution] * 3,
        )

    def get_structure_mesh(self, structure_id: Any, file_name: Any = None) -> Any:
        """Raise LeftOutError: ``api.download_structure_mesh`` downloads the file, trimesh reads it.

        Examples
        --------
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/manifest.json"
        >>> cache = pdneuro.allen.sdk.ReferenceSpaceCache(100, "annotation/ccf_2017", manifest=path)
        >>> cache.get_structure_mesh(385)
        Traceback (most recent call last):
            ...
        pdneuro.errors.LeftOutError: pdneuro does not read meshes...
        """
        raise LeftOutError(
            "pdneuro does not read meshes. Download the file by api.download_structure_mesh(), and read "
            "it with trimesh; or use brainglobe-atlasapi."
        )

    @classmethod
    def validate_structure_id(cls, structure_id: Any) -> int:
        """Return an ID as an integer; InvalidIdError, a ValueError, for anything else.

        Examples
        --------
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/manifest.json"
        >>> cache = pdneuro.allen.sdk.ReferenceSpaceCache(100, "annotation/ccf_2017", manifest=path)
        >>> cache.validate_structure_id("385")
        385
        """
        number = structure_id.iloc[0] if isinstance(structure_id, pd.Series) else structure_id
        try:
            return int(number)
        except (ValueError, TypeError) as error:
            raise InvalidIdError(f"{structure_id!r} is not the ID of a structure.") from error

    @classmethod
    def validate_structure_ids(cls, structure_ids: Iterable[Any]) -> list[int]:
        """Return IDs as integers.

        Examples
        --------
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/manifest.json"
        >>> cache = pdneuro.allen.sdk.ReferenceSpaceCache(100, "annotation/ccf_2017", manifest=path)
        >>> cache.validate_structure_ids([np.int64(385), "549"])
        [385, 549]
        """
        return [cls.validate_structure_id(number) for number in structure_ids]


def _write_volume(path: Any, values: Volume, **header: Any) -> None:
    nrrd = optional("nrrd", "volumes")
    with warnings.catch_warnings(), replacing(Path(path)) as part:
        warnings.simplefilter("ignore", DeprecationWarning)  # of pynrrd, for a date in the file
        nrrd.write(str(part), values, header=header)
