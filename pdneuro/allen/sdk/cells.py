"""CellTypesCache and the reconstructions that it returns, as in ``allensdk.core``."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pdneuro._atomic import replacing
from pdneuro.allen.sdk.cache import Cache
from pdneuro.allen.sdk.data_api import CellTypesApi
from pdneuro.allen.sdk.manifest import default_manifest, files
from pdneuro.errors import InvalidFileError, InvalidSwcError, LeftOutError, NotFoundError, listing
from pdneuro.tables import skeletons, swc

Records = list[dict[str, Any]]


class ReporterStatus:
    """Values of ``reporter_status``."""

    POSITIVE = "positive"
    NEGATIVE = "negative"
    NA = None
    INDETERMINATE = None


class CellTypesCache(Cache):
    """The Cell Types Database, kept in a folder in allensdk's layout.

    Parameters
    ----------
    cache : bool
        Whether to read and write files. Without, a file needs a ``file_name`` in the call.
    manifest_file : path, optional
        Default: the environment variable ``CELL_TYPES_MANIFEST``, or ``cell_types/manifest.json``. A
        folder that allensdk made is read without a download.
    base_uri : str, optional
        Address of the service.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from pdneuro.allen.sdk import CellTypesCache, ReporterStatus
    >>> ctc = CellTypesCache(manifest_file=pathlib.Path(tempfile.mkdtemp()) / "manifest.json")
    >>> cells = ctc.get_cells(require_reconstruction=True, reporter_status=ReporterStatus.POSITIVE)
    >>> [(cell["id"], cell["structure_area_abbrev"], cell["dendrite_type"]) for cell in cells]
    [(318808427, 'VISp', 'spiny')]
    >>> [features["tau"] for features in ctc.get_ephys_features()][:2]
    [15.5, 16.5]
    >>> sorted(ctc.get_all_features(dataframe=True)["specimen_id"])
    [318808427, 485909730, 567776248]
    >>> morphology = ctc.get_reconstruction(318808427)
    >>> morphology.soma["children"], morphology.num_nodes
    ([1], 49)
    """

    CELLS_KEY = "CELLS"
    EPHYS_FEATURES_KEY = "EPHYS_FEATURES"
    MORPHOLOGY_FEATURES_KEY = "MORPHOLOGY_FEATURES"
    EPHYS_DATA_KEY = "EPHYS_DATA"
    EPHYS_SWEEPS_KEY = "EPHYS_SWEEPS"
    RECONSTRUCTION_KEY = "RECONSTRUCTION"
    MARKER_KEY = "MARKER"
    MANIFEST_VERSION = "1.1"
    MANIFEST_CONFIG = files(
        {
            CELLS_KEY: "cells.json",
            EPHYS_DATA_KEY: "specimen_%d/ephys.nwb",
            EPHYS_FEATURES_KEY: "ephys_features.csv",
            MORPHOLOGY_FEATURES_KEY: "morphology_features.csv",
            RECONSTRUCTION_KEY: "specimen_%d/reconstruction.swc",
            MARKER_KEY: "specimen_%d/reconstruction.marker",
            EPHYS_SWEEPS_KEY: "specimen_%d/ephys_sweeps.json",
        }
    )

    def __init__(
        self, cache: bool = True, manifest_file: Any = None, base_uri: str | None = None
    ) -> None:
        super().__init__(manifest=manifest_file or default_manifest("cell_types"), cache=cache)
        self.api = CellTypesApi(base_uri=base_uri)

    def get_cells(
        self,
        file_name: Any = None,
        require_morphology: bool = False,
        require_reconstruction: bool = False,
        reporter_status: Any = None,
        species: Any = None,
        simple: bool = True,
    ) -> Records:
        """Return cells; all of them are kept in the file.

        Parameters
        ----------
        file_name : path, optional
        require_morphology, require_reconstruction : bool
            Only cells with a reconstruction.
        reporter_status, species : str or list of str, optional
            Such as ``ReporterStatus.POSITIVE``, ``CellTypesApi.MOUSE``.
        simple : bool
            Return the most important fields, with short names.

        Examples
        --------
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/manifest.json"
        >>> ctc = pdneuro.allen.sdk.CellTypesCache(manifest_file=path)
        >>> [cell["id"] for cell in ctc.get_cells(species=["Homo Sapiens"])]
        [528642047, 567776248]
        """
        path = self.get_cache_path(file_name, self.CELLS_KEY)
        cells = self._records(path, self.api.list_cells_api)
        status = [reporter_status] if isinstance(reporter_status, str) else reporter_status
        found: Records = self.api.filter_cells_api(
            cells, require_morphology, require_reconstruction, status, species, simple
        )
        return found

    def get_ephys_sweeps(self, specimen_id: int, file_name: Any = None) -> Records:
        """Return the sweeps of the recording of a cell.

        Examples
        --------
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/manifest.json"
        >>> ctc = pdneuro.allen.sdk.CellTypesCache(manifest_file=path)
        >>> len(ctc.get_ephys_sweeps(318808427))
        3
        """
        path = self.get_cache_path(file_name, self.EPHYS_SWEEPS_KEY, specimen_id)
        sweeps: Records = self._records(path, lambda: self.api.get_ephys_sweeps(specimen_id))
        return sweeps

    def get_ephys_features(self, dataframe: bool = False, file_name: Any = None) -> Any:
        """Return the features of the recordings, as a list of dictionaries or as a table.

        Examples
        --------
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/manifest.json"
        >>> ctc = pdneuro.allen.sdk.CellTypesCache(manifest_file=path)
        >>> ctc.get_ephys_features(dataframe=True)["vrest"].head(2).tolist()
        [-70.0, -71.0]
        """
        path = self.get_cache_path(file_name, self.EPHYS_FEATURES_KEY)
        table = self._table(path, self.api.get_ephys_features, index=False)
        return table if dataframe else table.to_dict("records")

    def get_morphology_features(self, dataframe: bool = False, file_name: Any = None) -> Any:
        """Return the features of the reconstructions, as a list of dictionaries or as a table.

        Examples
        --------
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/manifest.json"
        >>> ctc = pdneuro.allen.sdk.CellTypesCache(manifest_file=path)
        >>> ctc.get_morphology_features()[0]["number_stems"]
        5
        """
        path = self.get_cache_path(file_name, self.MORPHOLOGY_FEATURES_KEY)
        table = self._table(path, self.api.get_morphology_features, index=False)
        return table if dataframe else table.to_dict("records")

    def get_all_features(self, dataframe: bool = False, require_reconstruction: bool = True) -> Any:
        """Return both kinds of features by ``specimen_id``; by default of cells that have both.

        Examples
        --------
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/manifest.json"
        >>> ctc = pdneuro.allen.sdk.CellTypesCache(manifest_file=path)
        >>> len(ctc.get_all_features()), len(ctc.get_all_features(require_reconstruction=False))
        (3, 5)
        """
        how = "inner" if require_reconstruction else "outer"
        recordings = self.get_ephys_features(dataframe=True)
        table = recordings.merge(self.get_morphology_features(dataframe=True), how=how, on="specimen_id")
        return table if dataframe else table.to_dict("records")

    def get_ephys_data(self, specimen_id: int, file_name: Any = None) -> Any:
        """Raise LeftOutError: ``api.save_ephys_data`` downloads the file, h5py and ipfx read it.

        Examples
        --------
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/manifest.json"
        >>> ctc = pdneuro.allen.sdk.CellTypesCache(manifest_file=path)
        >>> ctc.get_ephys_data(318808427)
        Traceback (most recent call last):
            ...
        pdneuro.errors.LeftOutError: pdneuro does not read recordings...
        """
        raise LeftOutError(
            "pdneuro does not read recordings. Download the file by api.save_ephys_data(), and read it "
            "with h5py or pynwb; ipfx and efel compute features."
        )

    def get_reconstruction(self, specimen_id: int, file_name: Any = None) -> Morphology:
        """Return the reconstruction of a cell.

        Examples
        --------
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/manifest.json"
        >>> ctc = pdneuro.allen.sdk.CellTypesCache(manifest_file=path)
        >>> ctc.get_reconstruction(318808427).num_nodes
        49
        """
        path = self._file(
            file_name,
            functools.partial(self.api.save_reconstruction, specimen_id),
            self.RECONSTRUCTION_KEY,
            specimen_id,
        )
        return read_swc(path)

    def get_reconstruction_markers(self, specimen_id: int, file_name: Any = None) -> list[Marker]:
        """Return the markers of a reconstruction; an empty list if there are none.

        Examples
        --------
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/manifest.json"
        >>> ctc = pdneuro.allen.sdk.CellTypesCache(manifest_file=path)
        >>> ctc.get_reconstruction_markers(464212183)
        []
        """
        try:
            path = self._file(
                file_name,
                functools.partial(self.api.save_reconstruction_markers, specimen_id),
                self.MARKER_KEY,
                specimen_id,
            )
        except NotFoundError:
            return []
        return read_marker_file(path)


class Morphology:
    """A reconstruction as dictionaries, one per node; ``id`` is its place in the list.

    Parameters
    ----------
    nodes : DataFrame
        A node table of :func:`pdneuro.files.read_swc`.

    Attributes
    ----------
    nodes : DataFrame
        The table, with the numbers of the file: the methods of its ``.neuro`` measure and plot it.
    compartment_list : list of dict
        ``id, type, x, y, z, radius, parent, tree_id, children``.

    Examples
    --------
    >>> from pdneuro.allen.sdk import Morphology
    >>> rows = [[1, 1, 0, 0, 0, 5, -1], [7, 3, 9, 0, 0, 1, 1]]
    >>> columns = ["node", "type", "x", "y", "z", "radius", "parent"]
    >>> morphology = Morphology(pd.DataFrame(rows, columns=columns))
    >>> [child["x"] for child in morphology.children_of(morphology.soma)]
    [9.0]
    >>> morphology.parent_of(1)["id"], len(morphology.compartment_list_by_type(3))
    (0, 1)
    """

    SOMA, AXON, DENDRITE, BASAL_DENDRITE, APICAL_DENDRITE = 1, 2, 3, 3, 4
    NODE_TYPES = (SOMA, AXON, DENDRITE, BASAL_DENDRITE, APICAL_DENDRITE)

    def __init__(self, nodes: pd.DataFrame) -> None:
        self.nodes = nodes
        arrays, _ = skeletons.arrays(nodes)
        rows = skeletons.parents(arrays)
        if problems := set(skeletons.find_problems(arrays)) & {"cycle", "self-parent", "duplicate"}:
            raise InvalidSwcError(
                f"the reconstruction is not a tree: {listing(sorted(problems))}. nodes.neuro.check() "
                "shows where."
            )
        parents = np.where(rows < 0, -1, rows)
        columns = {name: getattr(arrays, name) for name in ("type", "x", "y", "z", "radius")}
        table = pd.DataFrame({"id": range(len(parents)), **columns, "parent": parents})
        records: Any = table.to_dict("records")
        self.compartment_list: Records = [
            {**record, "tree_id": tree, "children": []}
            for record, tree in zip(records, _trees(parents, arrays.type), strict=True)
        ]
        for node in self.compartment_list:
            if node["parent"] >= 0:
                self.compartment_list[node["parent"]]["children"].append(node["id"])

    @property
    def compartment_index(self) -> dict[int, dict[str, Any]]:
        """Return the nodes by ID.

        Examples
        --------
        >>> rows = [[1, 1, 0, 0, 0, 5, -1], [2, 3, 9, 0, 0, 1, 1]]
        >>> columns = ["node", "type", "x", "y", "z", "radius", "parent"]
        >>> cell = pdneuro.allen.sdk.Morphology(pd.DataFrame(rows, columns=columns))
        >>> cell.compartment_index[1]["x"]
        9.0
        """
        return {node["id"]: node for node in self.compartment_list}

    @property
    def num_nodes(self) -> int:
        """Return the number of nodes.

        Examples
        --------
        >>> rows = [[1, 1, 0, 0, 0, 5, -1], [2, 3, 9, 0, 0, 1, 1]]
        >>> columns = ["node", "type", "x", "y", "z", "radius", "parent"]
        >>> cell = pdneuro.allen.sdk.Morphology(pd.DataFrame(rows, columns=columns))
        >>> cell.num_nodes
        2
        """
        return len(self.compartment_list)

    @property
    def num_trees(self) -> int:
        """Return the number of trees; the soma is in tree 0.

        Examples
        --------
        >>> rows = [[1, 1, 0, 0, 0, 5, -1], [2, 3, 9, 0, 0, 1, 1]]
        >>> columns = ["node", "type", "x", "y", "z", "radius", "parent"]
        >>> cell = pdneuro.allen.sdk.Morphology(pd.DataFrame(rows, columns=columns))
        >>> cell.num_trees
        1
        """
        return len({node["tree_id"] for node in self.compartment_list})

    @property
    def soma(self) -> dict[str, Any] | None:
        """Return the root of type 1, None without one.

        Examples
        --------
        >>> rows = [[1, 1, 0, 0, 0, 5, -1], [2, 3, 9, 0, 0, 1, 1]]
        >>> columns = ["node", "type", "x", "y", "z", "radius", "parent"]
        >>> cell = pdneuro.allen.sdk.Morphology(pd.DataFrame(rows, columns=columns))
        >>> cell.soma["radius"]
        5.0
        """
        roots = (node for node in self.compartment_list if node["parent"] < 0)
        return next((node for node in roots if node["type"] == self.SOMA), None)

    root = soma

    def tree(self, n: int) -> Records | None:
        """Return the nodes of a tree, None if it does not exist.

        Examples
        --------
        >>> rows = [[1, 1, 0, 0, 0, 5, -1], [2, 3, 9, 0, 0, 1, 1]]
        >>> columns = ["node", "type", "x", "y", "z", "radius", "parent"]
        >>> cell = pdneuro.allen.sdk.Morphology(pd.DataFrame(rows, columns=columns))
        >>> len(cell.tree(0))
        2
        """
        return [node for node in self.compartment_list if node["tree_id"] == n] or None

    def node(self, n: Any) -> dict[str, Any] | None:
        """Return a node by ID, None if it does not exist; a node itself is returned as it is.

        Examples
        --------
        >>> rows = [[1, 1, 0, 0, 0, 5, -1], [2, 3, 9, 0, 0, 1, 1]]
        >>> columns = ["node", "type", "x", "y", "z", "radius", "parent"]
        >>> cell = pdneuro.allen.sdk.Morphology(pd.DataFrame(rows, columns=columns))
        >>> cell.node(1)["parent"]
        0
        """
        if isinstance(n, dict):
            return n
        return self.compartment_list[n] if 0 <= n < self.num_nodes else None

    def parent_of(self, seg: Any) -> dict[str, Any] | None:
        """Return the parent of a node, by ID or as a dictionary; None for a root.

        Examples
        --------
        >>> rows = [[1, 1, 0, 0, 0, 5, -1], [2, 3, 9, 0, 0, 1, 1]]
        >>> columns = ["node", "type", "x", "y", "z", "radius", "parent"]
        >>> cell = pdneuro.allen.sdk.Morphology(pd.DataFrame(rows, columns=columns))
        >>> cell.parent_of(1)["id"]
        0
        """
        node = self.node(seg)
        return None if node is None else self.node(node["parent"])

    def children_of(self, seg: Any) -> Records | None:
        """Return the children of a node, by ID or as a dictionary.

        Examples
        --------
        >>> rows = [[1, 1, 0, 0, 0, 5, -1], [2, 3, 9, 0, 0, 1, 1]]
        >>> columns = ["node", "type", "x", "y", "z", "radius", "parent"]
        >>> cell = pdneuro.allen.sdk.Morphology(pd.DataFrame(rows, columns=columns))
        >>> [node["id"] for node in cell.children_of(0)]
        [1]
        """
        node = self.node(seg)
        return None if node is None else [self.compartment_list[child] for child in node["children"]]

    def find(self, x: float, y: float, z: float, dist: float, node_type: int | None = None) -> Records:
        """Return the nodes up to a distance from a point.

        Examples
        --------
        >>> rows = [[1, 1, 0, 0, 0, 5, -1], [2, 3, 9, 0, 0, 1, 1]]
        >>> columns = ["node", "type", "x", "y", "z", "radius", "parent"]
        >>> cell = pdneuro.allen.sdk.Morphology(pd.DataFrame(rows, columns=columns))
        >>> [node["id"] for node in cell.find(8, 0, 0, dist=2)]
        [1]
        """
        point = np.array([x, y, z])
        away = np.linalg.norm(self.nodes[["x", "y", "z"]].to_numpy(np.float64) - point, axis=1)
        near = [self.compartment_list[row] for row in np.flatnonzero(away <= dist)]
        return [node for node in near if node_type is None or node["type"] == node_type]

    def compartment_list_by_type(self, compartment_type: int) -> Records:
        """Return the nodes of a type.

        Examples
        --------
        >>> rows = [[1, 1, 0, 0, 0, 5, -1], [2, 3, 9, 0, 0, 1, 1]]
        >>> columns = ["node", "type", "x", "y", "z", "radius", "parent"]
        >>> cell = pdneuro.allen.sdk.Morphology(pd.DataFrame(rows, columns=columns))
        >>> len(cell.compartment_list_by_type(cell.DENDRITE))
        1
        """
        return [node for node in self.compartment_list if node["type"] == compartment_type]

    def compartment_index_by_type(self, compartment_type: int) -> dict[int, dict[str, Any]]:
        """Return the nodes of a type, by ID.

        Examples
        --------
        >>> rows = [[1, 1, 0, 0, 0, 5, -1], [2, 3, 9, 0, 0, 1, 1]]
        >>> columns = ["node", "type", "x", "y", "z", "radius", "parent"]
        >>> cell = pdneuro.allen.sdk.Morphology(pd.DataFrame(rows, columns=columns))
        >>> list(cell.compartment_index_by_type(cell.SOMA))
        [0]
        """
        return {node["id"]: node for node in self.compartment_list_by_type(compartment_type)}

    def save(self, file_name: Any) -> None:
        """Write the reconstruction as an SWC file, with the numbers of :attr:`nodes`.

        Examples
        --------
        >>> rows = [[1, 1, 0, 0, 0, 5, -1], [2, 3, 9, 0, 0, 1, 1]]
        >>> columns = ["node", "type", "x", "y", "z", "radius", "parent"]
        >>> cell = pdneuro.allen.sdk.Morphology(pd.DataFrame(rows, columns=columns))
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/cell.swc"
        >>> cell.save(path)
        >>> pdneuro.allen.sdk.read_swc(path).num_nodes
        2
        """
        with replacing(Path(file_name)) as part:
            part.write_text(swc.text(self.nodes), "utf-8")

    write = save


def _trees(parents: Any, types: Any) -> list[int]:
    """Return the number of each node's tree, in order of appearance; the soma is in tree 0."""
    above = np.where(parents < 0, np.arange(len(parents)), parents)
    while (above[above] != above).any():  # each step doubles
        above = above[above]
    trees, roots = pd.factorize(above)
    somas = np.flatnonzero(types == Morphology.SOMA)
    if len(somas) and trees[somas[0]]:
        first = trees[somas[0]]
        order = np.arange(len(roots))
        order[[0, first]] = first, 0
        trees = order[trees]
    numbers: list[int] = trees.tolist()
    return numbers


class Marker(dict[str, Any]):
    """A marker of a reconstruction: ``x, y, z`` and ``name``, the kind of marker."""

    SPACING = (0.1144, 0.1144, 0.28)
    CUT_DENDRITE = 10
    NO_RECONSTRUCTION = 20


def read_swc(file_name: Any) -> Morphology:
    """Read a reconstruction.

    Examples
    --------
    >>> from pdneuro.allen import CellTypesApi, sdk
    >>> import tempfile
    >>> path = CellTypesApi().save_reconstruction(318808427, tempfile.mkdtemp() + "/cell.swc")
    >>> sdk.read_swc(path).compartment_list[1]["parent"]
    0
    """
    path = Path(file_name)
    return Morphology(swc.parse(path.read_bytes(), swc.neuron_name(path.name)))


def read_marker_file(file_name: Any) -> list[Marker]:
    r"""Read the markers of a reconstruction.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from pdneuro.allen.sdk import read_marker_file
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "cell.marker"
    >>> _ = path.write_text("##x,y,z,radius,shape,name\n10,20,30,0,1,10,,255,0,0\n")
    >>> read_marker_file(path)
    [{'x': 9.8856, 'y': 19.8856, 'z': 29.72, 'name': 10}]
    """
    return list(_markers(os.fspath(file_name)))


def _markers(file_name: str) -> Iterator[Marker]:
    for line in Path(file_name).read_text("utf-8").splitlines():
        if line.startswith("#") or not line.strip():
            continue
        cells = line.split(",")
        try:
            # The positions of the file start at 1 voxel, those of the reconstruction at 0.
            places = [float(cell) - step for cell, step in zip(cells[:3], Marker.SPACING, strict=True)]
            yield Marker(dict(zip("xyz", places, strict=True)), name=int(cells[5]))
        except (ValueError, IndexError) as error:
            raise InvalidFileError(f"{file_name} has a line that is not a marker: {line!r}.") from error
