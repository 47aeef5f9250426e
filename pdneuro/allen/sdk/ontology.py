"""Trees of dictionaries: SimpleTree, StructureTree and Ontology, as in ``allensdk.core``."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from pdneuro.errors import DuplicateKeyError, UnknownNodeError, listing
from pdneuro.tables import structure_tree

Node = dict[Any, Any]


class SimpleTree:
    """A tree of dictionaries, each with an ID that can be a key of a dictionary.

    Parameters
    ----------
    nodes : list of dict
        They are returned as they are, not as copies.
    node_id_cb, parent_id_cb : callable
        Return the ID of a node, and of its parent; None for a root.

    Raises
    ------
    UnknownNodeError
        A parent is not among the nodes. Methods raise it for an unknown ID.
    InvalidResponseError
        A node is its own ancestor.

    Notes
    -----
    As in allensdk, a node is among its own ancestors and descendants, and of several nodes with one ID
    the last one counts.

    Examples
    --------
    >>> from pdneuro.allen.sdk import SimpleTree
    >>> nodes = [{"id": "a", "up": None}, {"id": "b", "up": "a"}, {"id": "c", "up": "b"}]
    >>> tree = SimpleTree(nodes, lambda node: node["id"], lambda node: node["up"])
    >>> tree.ancestor_ids(["c"]), tree.descendant_ids(["b", "c"]), tree.child_ids(["a"])
    ([['c', 'b', 'a']], [['b', 'c'], ['c']], [['b']])
    >>> tree.parents(["b"]), tree.nodes(["nothing"])
    ([{'id': 'a', 'up': None}], [None])
    >>> tree.filter_nodes(lambda node: node["up"] == "a")
    [{'id': 'b', 'up': 'a'}]
    >>> tree.nodes_by_property("up", ["b"], to_fn=lambda node: node["id"])
    ['c']
    """

    def __init__(
        self,
        nodes: Iterable[Node],
        node_id_cb: Callable[[Node], Hashable],
        parent_id_cb: Callable[[Node], Hashable | None],
    ) -> None:
        self.node_id_cb, self.parent_id_cb = node_id_cb, parent_id_cb
        self._nodes = {node_id_cb(node): node for node in nodes}
        self._parent_ids = {number: parent_id_cb(node) for number, node in self._nodes.items()}
        self._child_ids: dict[Any, list[Any]] = {number: [] for number in self._nodes}
        for number, parent in self._parent_ids.items():
            if parent is not None:
                self._look_up(self._child_ids, [parent])[0].append(number)
        ids = list(self._nodes)
        rows = {number: row for row, number in enumerate(ids)}
        table = pd.DataFrame({"id": range(len(ids)), "acronym": None, "name": None})
        parents = [rows.get(self._parent_ids[number]) for number in ids]
        self._tree = structure_tree.StructureTree(
            table.assign(parent_structure_id=pd.array(parents, dtype="Int64")), "the tree"
        )
        # The tree is in depth-first order, the nodes are in the order of the caller.
        order = self._tree.frame["id"].tolist()
        self._in_order = [ids[row] for row in order]
        self._row_of = {number: row for row, number in enumerate(self._in_order)}

    def _look_up(self, mapping: Mapping[Any, Any], keys: Iterable[Any]) -> list[Any]:
        keys = list(keys)
        missing = [key for key in keys if key not in mapping]
        if missing:
            raise UnknownNodeError(f"the tree does not contain {listing(map(repr, missing))}.")
        return [mapping[key] for key in keys]

    def filter_nodes(self, criterion: Callable[[Node], Any]) -> list[Node]:
        """Return the nodes for which a function returns true.

        Examples
        --------
        >>> nodes = [{"id": "a", "up": None}, {"id": "b", "up": "a"}]
        >>> tree = pdneuro.allen.sdk.SimpleTree(nodes, lambda node: node["id"], lambda node: node["up"])
        >>> tree.filter_nodes(lambda node: node["up"] == "a")
        [{'id': 'b', 'up': 'a'}]
        """
        return list(filter(criterion, self._nodes.values()))

    def value_map(self, from_fn: Callable[[Node], Any], to_fn: Callable[[Node], Any]) -> dict[Any, Any]:
        """Return a dictionary of two functions of the nodes; DuplicateKeyError if a key repeats.

        Examples
        --------
        >>> nodes = [{"id": "a", "up": None}, {"id": "b", "up": "a"}]
        >>> tree = pdneuro.allen.sdk.SimpleTree(nodes, lambda node: node["id"], lambda node: node["up"])
        >>> tree.value_map(lambda node: node["id"], lambda node: node["up"])
        {'a': None, 'b': 'a'}
        """
        mapping: dict[Any, Any] = {}
        for node in self._nodes.values():
            key = from_fn(node)
            if key in mapping:
                raise DuplicateKeyError(f"several nodes have the key {key!r}.")
            mapping[key] = to_fn(node)
        return mapping

    def nodes_by_property(
        self, key: Any, values: Iterable[Any], to_fn: Callable[[Node], Any] | None = None
    ) -> list[Any]:
        """Return the node of each value of a property, or what ``to_fn`` returns for it.

        Examples
        --------
        >>> nodes = [{"id": "a", "up": None}, {"id": "b", "up": "a"}]
        >>> tree = pdneuro.allen.sdk.SimpleTree(nodes, lambda node: node["id"], lambda node: node["up"])
        >>> tree.nodes_by_property("up", ["a"], to_fn=lambda node: node["id"])
        ['b']
        """
        read = key if callable(key) else lambda node: node[key]
        return self._look_up(self.value_map(read, to_fn or (lambda node: node)), values)

    def node_ids(self) -> list[Any]:
        """Return the IDs of all nodes, in the order in which they were given.

        Examples
        --------
        >>> nodes = [{"id": "a", "up": None}, {"id": "b", "up": "a"}]
        >>> tree = pdneuro.allen.sdk.SimpleTree(nodes, lambda node: node["id"], lambda node: node["up"])
        >>> tree.node_ids()
        ['a', 'b']
        """
        return list(self._nodes)

    def parent_ids(self, node_ids: Iterable[Any]) -> list[Any]:
        """Return the ID of each node's parent, None for a root.

        Examples
        --------
        >>> nodes = [{"id": "a", "up": None}, {"id": "b", "up": "a"}]
        >>> tree = pdneuro.allen.sdk.SimpleTree(nodes, lambda node: node["id"], lambda node: node["up"])
        >>> tree.parent_ids(["b", "a"])
        ['a', None]
        """
        return self._look_up(self._parent_ids, node_ids)

    def child_ids(self, node_ids: Iterable[Any]) -> list[list[Any]]:
        """Return the IDs of each node's children.

        Examples
        --------
        >>> nodes = [{"id": "a", "up": None}, {"id": "b", "up": "a"}]
        >>> tree = pdneuro.allen.sdk.SimpleTree(nodes, lambda node: node["id"], lambda node: node["up"])
        >>> tree.child_ids(["a", "b"])
        [['b'], []]
        """
        return [list(children) for children in self._look_up(self._child_ids, node_ids)]

    def ancestor_ids(self, node_ids: Iterable[Any]) -> list[list[Any]]:
        """Return the IDs of each node and its ancestors, up to the root.

        Examples
        --------
        >>> nodes = [{"id": "a", "up": None}, {"id": "b", "up": "a"}]
        >>> tree = pdneuro.allen.sdk.SimpleTree(nodes, lambda node: node["id"], lambda node: node["up"])
        >>> tree.ancestor_ids(["b"])
        [['b', 'a']]
        """
        return [line[::-1] for line in self._related(self._tree.above, node_ids)]

    def descendant_ids(self, node_ids: Iterable[Any]) -> list[list[Any]]:
        """Return the IDs of each node and its descendants, depth first.

        Examples
        --------
        >>> nodes = [{"id": "a", "up": None}, {"id": "b", "up": "a"}]
        >>> tree = pdneuro.allen.sdk.SimpleTree(nodes, lambda node: node["id"], lambda node: node["up"])
        >>> tree.descendant_ids(["a"])
        [['a', 'b']]
        """
        return self._related(self._tree.below, node_ids)

    def _related(self, relation: Callable[..., Any], node_ids: Iterable[Any]) -> list[list[Any]]:
        rows = np.array(self._look_up(self._row_of, node_ids), np.intp)
        counts, related = relation(rows, include_self=True)
        ids = [self._in_order[row] for row in related.tolist()]
        ends = np.cumsum(counts).tolist()
        return [ids[end - count : end] for end, count in zip(ends, counts.tolist(), strict=True)]

    def nodes(self, node_ids: Iterable[Any] | None = None) -> list[Any]:
        """Return the nodes of these IDs, None for an unknown ID; by default all nodes.

        Examples
        --------
        >>> nodes = [{"id": "a", "up": None}, {"id": "b", "up": "a"}]
        >>> tree = pdneuro.allen.sdk.SimpleTree(nodes, lambda node: node["id"], lambda node: node["up"])
        >>> tree.nodes(["b", "c"])
        [{'id': 'b', 'up': 'a'}, None]
        """
        if node_ids is None:
            return list(self._nodes.values())
        return [self._nodes.get(number) for number in node_ids]

    def parents(self, node_ids: Iterable[Any]) -> list[Any]:
        """Return each node's parent, None for a root.

        Examples
        --------
        >>> nodes = [{"id": "a", "up": None}, {"id": "b", "up": "a"}]
        >>> tree = pdneuro.allen.sdk.SimpleTree(nodes, lambda node: node["id"], lambda node: node["up"])
        >>> tree.parents(["b"])
        [{'id': 'a', 'up': None}]
        """
        return self.nodes(self.parent_ids(node_ids))

    def children(self, node_ids: Iterable[Any]) -> list[list[Node]]:
        """Return each node's children.

        Examples
        --------
        >>> nodes = [{"id": "a", "up": None}, {"id": "b", "up": "a"}]
        >>> tree = pdneuro.allen.sdk.SimpleTree(nodes, lambda node: node["id"], lambda node: node["up"])
        >>> tree.children(["a"])
        [[{'id': 'b', 'up': 'a'}]]
        """
        return [self.nodes(ids) for ids in self.child_ids(node_ids)]

    def ancestors(self, node_ids: Iterable[Any]) -> list[list[Node]]:
        """Return each node and its ancestors, up to the root.

        Examples
        --------
        >>> nodes = [{"id": "a", "up": None}, {"id": "b", "up": "a"}]
        >>> tree = pdneuro.allen.sdk.SimpleTree(nodes, lambda node: node["id"], lambda node: node["up"])
        >>> tree.ancestors(["b"])
        [[{'id': 'b', 'up': 'a'}, {'id': 'a', 'up': None}]]
        """
        return [self.nodes(ids) for ids in self.ancestor_ids(node_ids)]

    def descendants(self, node_ids: Iterable[Any]) -> list[list[Node]]:
        """Return each node and its descendants, depth first.

        Examples
        --------
        >>> nodes = [{"id": "a", "up": None}, {"id": "b", "up": "a"}]
        >>> tree = pdneuro.allen.sdk.SimpleTree(nodes, lambda node: node["id"], lambda node: node["up"])
        >>> tree.descendants(["b"])
        [[{'id': 'b', 'up': 'a'}]]
        """
        return [self.nodes(ids) for ids in self.descendant_ids(node_ids)]

    # Deprecated in allensdk, and still in many notebooks.
    node = nodes
    parent = parents
    parent_id = parent_ids


class StructureTree(SimpleTree):
    """A tree of brain structures.

    Parameters
    ----------
    nodes : list of dict
        The result of :meth:`clean_structures`: ``id``, ``structure_id_path`` (from the root to the
        structure; its last but one entry is the parent), and usually ``acronym``, ``name``,
        ``rgb_triplet``, ``graph_id``, ``graph_order``, ``structure_set_ids``.

    Notes
    -----
    Unlike in allensdk, :meth:`clean_structures` does not change its argument.

    Examples
    --------
    >>> from pdneuro.allen.sdk import ReferenceSpaceCache
    >>> import tempfile
    >>> cache = ReferenceSpaceCache(100, "annotation/ccf_2017", manifest=tempfile.mkdtemp() + "/m.json")
    >>> tree = cache.get_structure_tree()
    >>> tree.get_structures_by_acronym(["VISp"])[0]["rgb_triplet"]
    [8, 133, 140]
    >>> tree.structure_descends_from(385, 315), tree.has_overlaps([315, 385])
    (True, {315})
    >>> [structure["acronym"] for structure in tree.get_structures_by_set_id([687527670])][:3]
    ['Isocortex', 'HPF', 'CTXsp']
    >>> tree.get_name_map()[549], tree.get_id_acronym_map()["TH"], tree.get_ancestor_id_map()[549]
    ('Thalamus', 549, [549, 343, 8, 997])
    """

    def __init__(self, nodes: Iterable[Node]) -> None:
        super().__init__(nodes, _id_of, _parent_of)

    def get_structures_by_id(self, structure_ids: Iterable[Any]) -> list[Any]:
        """Return structures by ID, None for an unknown ID.

        Examples
        --------
        >>> tree = pdneuro.allen.sdk.ReferenceSpaceCache(100, "annotation/ccf_2017").get_structure_tree()
        >>> [structure["acronym"] for structure in tree.get_structures_by_id([385, 549])]
        ['VISp', 'TH']
        """
        return self.nodes(structure_ids)

    def get_structures_by_name(self, names: Iterable[str]) -> list[Node]:
        """Return structures by name; UnknownNodeError for an unknown name.

        Examples
        --------
        >>> tree = pdneuro.allen.sdk.ReferenceSpaceCache(100, "annotation/ccf_2017").get_structure_tree()
        >>> tree.get_structures_by_name(["Thalamus"])[0]["id"]
        549
        """
        return self.nodes_by_property("name", names)

    def get_structures_by_acronym(self, acronyms: Iterable[str]) -> list[Node]:
        """Return structures by acronym; UnknownNodeError for an unknown acronym.

        Examples
        --------
        >>> tree = pdneuro.allen.sdk.ReferenceSpaceCache(100, "annotation/ccf_2017").get_structure_tree()
        >>> tree.get_structures_by_acronym(["TH"])[0]["structure_id_path"]
        [997, 8, 343, 549]
        """
        return self.nodes_by_property("acronym", acronyms)

    def get_structures_by_set_id(self, structure_set_ids: Iterable[int]) -> list[Node]:
        """Return the structures that are in at least one of these sets.

        Examples
        --------
        >>> tree = pdneuro.allen.sdk.ReferenceSpaceCache(100, "annotation/ccf_2017").get_structure_tree()
        >>> [structure["acronym"] for structure in tree.get_structures_by_set_id([687527670])][:3]
        ['Isocortex', 'HPF', 'CTXsp']
        """
        wanted = set(structure_set_ids)
        return self.filter_nodes(lambda node: not wanted.isdisjoint(node["structure_set_ids"]))

    def get_colormap(self) -> dict[int, list[int]]:
        """Return the color of each structure by ID: three numbers from 0 to 255.

        Examples
        --------
        >>> tree = pdneuro.allen.sdk.ReferenceSpaceCache(100, "annotation/ccf_2017").get_structure_tree()
        >>> tree.get_colormap()[385]
        [8, 133, 140]
        """
        return self.value_map(_id_of, lambda node: node["rgb_triplet"])

    def get_name_map(self) -> dict[int, str]:
        """Return the name of each structure by ID.

        Examples
        --------
        >>> tree = pdneuro.allen.sdk.ReferenceSpaceCache(100, "annotation/ccf_2017").get_structure_tree()
        >>> tree.get_name_map()[385]
        'Primary visual area'
        """
        return self.value_map(_id_of, lambda node: node["name"])

    def get_id_acronym_map(self) -> dict[str, int]:
        """Return the ID of each structure by acronym.

        Examples
        --------
        >>> tree = pdneuro.allen.sdk.ReferenceSpaceCache(100, "annotation/ccf_2017").get_structure_tree()
        >>> tree.get_id_acronym_map()["TH"]
        549
        """
        return self.value_map(lambda node: node["acronym"], lambda node: node["id"])

    def get_ancestor_id_map(self) -> dict[int, list[int]]:
        """Return the IDs of each structure and its ancestors, by ID.

        Examples
        --------
        >>> tree = pdneuro.allen.sdk.ReferenceSpaceCache(100, "annotation/ccf_2017").get_structure_tree()
        >>> tree.get_ancestor_id_map()[549]
        [549, 343, 8, 997]
        """
        ids = self.node_ids()
        return dict(zip(ids, self.ancestor_ids(ids), strict=True))

    def structure_descends_from(self, child_id: int, parent_id: int) -> bool:
        """Return whether a structure is another one, or part of it.

        Examples
        --------
        >>> tree = pdneuro.allen.sdk.ReferenceSpaceCache(100, "annotation/ccf_2017").get_structure_tree()
        >>> tree.structure_descends_from(385, 315)
        True
        """
        return parent_id in self.ancestor_ids([child_id])[0]

    def get_structure_sets(self) -> set[int]:
        """Return the IDs of all structure sets that have a member in the tree.

        Examples
        --------
        >>> tree = pdneuro.allen.sdk.ReferenceSpaceCache(100, "annotation/ccf_2017").get_structure_tree()
        >>> 2 in tree.get_structure_sets()
        True
        """
        return {number for node in self.nodes() for number in node["structure_set_ids"]}

    def has_overlaps(self, structure_ids: Iterable[int]) -> set[int]:
        """Return those of the structures that contain another one of them.

        Examples
        --------
        >>> tree = pdneuro.allen.sdk.ReferenceSpaceCache(100, "annotation/ccf_2017").get_structure_tree()
        >>> tree.has_overlaps([315, 385, 549])
        {315}
        """
        ids = list(structure_ids)
        above = {number for line in self.ancestor_ids(ids) for number in line[1:]}
        return above & set(ids)

    def export_label_description(
        self,
        alphas: Mapping[int, float] | None = None,
        exclude_label_vis: Iterable[int] | None = None,
        exclude_mesh_vis: Iterable[int] | None = None,
        label_key: str = "acronym",
    ) -> pd.DataFrame:
        """Return labels for ITK-SNAP: ``IDX, -R-, -G-, -B-, -A-, VIS, MSH, LABEL``.

        Examples
        --------
        >>> tree = pdneuro.allen.sdk.ReferenceSpaceCache(100, "annotation/ccf_2017").get_structure_tree()
        >>> tree.export_label_description()[["IDX", "-R-", "-A-", "LABEL"]].head(2)
           IDX  -R-  -A- LABEL
        0  997  255  1.0  root
        1    8  191  1.0  grey
        """
        nodes = self.nodes()
        ids = pd.Series([node["id"] for node in nodes], dtype="int64")
        colors = np.array([node["rgb_triplet"] for node in nodes]).reshape(-1, 3)
        alphas = alphas or {}
        columns = {
            "IDX": ids,
            **dict(zip(("-R-", "-G-", "-B-"), colors.T, strict=True)),
            "-A-": [alphas.get(number, 1.0) for number in ids],
            "VIS": (~ids.isin(list(exclude_label_vis or ()))).astype("int64"),
            "MSH": (~ids.isin(list(exclude_mesh_vis or ()))).astype("int64"),
            "LABEL": [node[label_key] for node in nodes],
        }
        return pd.DataFrame(columns)

    @staticmethod
    def clean_structures(
        structures: Any,
        whitelist: Iterable[str] | None = None,
        data_transforms: Mapping[str, Callable[[Any], Any]] | None = None,
        renames: Mapping[str, str] | None = None,
    ) -> list[Node]:
        """Return records of the service, or of a file of allensdk, as nodes of a tree.

        Parameters
        ----------
        structures : list of dict or DataFrame
            With ``structure_sets`` (records) or ``structure_set_ids``.
        whitelist : iterable of str, optional
            Fields to keep. Default: :meth:`whitelist`.
        data_transforms, renames : dict, optional
            Function and new name of a field. Default: colors as three numbers in ``rgb_triplet``, paths
            as lists of integers.

        Examples
        --------
        >>> record = {"id": 8, "color_hex_triplet": "BFDAE3", "structure_sets": [{"id": 2}]}
        >>> pdneuro.allen.sdk.StructureTree.clean_structures([record])
        [{'rgb_triplet': [191, 218, 227], 'id': 8, 'structure_set_ids': [2]}]
        """
        if isinstance(structures, pd.DataFrame):
            structures = structures.to_dict("records")
        fields = list(StructureTree.whitelist() if whitelist is None else whitelist)
        if renames is None:
            renames = StructureTree.renames()
            fields += renames.values()
        if data_transforms is None:
            data_transforms = StructureTree.data_transforms()
        nodes = []
        for structure in structures:
            record = dict(structure)
            StructureTree.collect_sets(record)
            nodes.append(
                {
                    renames.get(name, name): data_transforms.get(name, _same)(record[name])
                    for name in fields
                    if name in record
                }
            )
        return nodes

    @staticmethod
    def data_transforms() -> dict[str, Callable[[Any], Any]]:
        """Return the functions that :meth:`clean_structures` applies to fields by default.

        Examples
        --------
        >>> list(pdneuro.allen.sdk.StructureTree.data_transforms())
        ['color_hex_triplet', 'structure_id_path']
        """
        return {
            "color_hex_triplet": StructureTree.hex_to_rgb,
            "structure_id_path": StructureTree.path_to_list,
        }

    @staticmethod
    def renames() -> dict[str, str]:
        """Return the new names that :meth:`clean_structures` gives to fields by default.

        Examples
        --------
        >>> pdneuro.allen.sdk.StructureTree.renames()
        {'color_hex_triplet': 'rgb_triplet'}
        """
        return {"color_hex_triplet": "rgb_triplet"}

    @staticmethod
    def whitelist() -> list[str]:
        """Return the fields that :meth:`clean_structures` keeps by default.

        Examples
        --------
        >>> pdneuro.allen.sdk.StructureTree.whitelist()[:2]
        ['acronym', 'color_hex_triplet']
        """
        return [
            "acronym",
            "color_hex_triplet",
            "graph_id",
            "graph_order",
            "id",
            "name",
            "structure_id_path",
            "structure_set_ids",
        ]

    @staticmethod
    def hex_to_rgb(hex_color: Any) -> list[int]:
        """Return a color such as ``"08858C"`` or ``"#08858c"`` as three numbers from 0 to 255.

        Examples
        --------
        >>> pdneuro.allen.sdk.StructureTree.hex_to_rgb("08858C")
        [8, 133, 140]
        """
        if not isinstance(hex_color, str):
            return list(hex_color)
        return list(bytes.fromhex(hex_color.removeprefix("#")[:6]))

    @staticmethod
    def path_to_list(path: Any) -> list[int]:
        """Return a path such as ``"/997/8/"`` as a list of integers.

        Examples
        --------
        >>> pdneuro.allen.sdk.StructureTree.path_to_list("/997/8/")
        [997, 8]
        """
        if not isinstance(path, str):
            return list(path)
        return [int(part) for part in path.split("/") if part]

    @staticmethod
    def collect_sets(structure: Node) -> None:
        """Replace the records of a structure's sets by ``structure_set_ids``, in place.

        Examples
        --------
        >>> record = {"id": 8, "structure_sets": [{"id": 2, "name": "Coarse"}]}
        >>> pdneuro.allen.sdk.StructureTree.collect_sets(record)
        >>> record
        {'id': 8, 'structure_set_ids': [2]}
        """
        sets = structure.pop("structure_sets", None) or []
        known = structure.get("structure_set_ids") or []
        structure["structure_set_ids"] = list(dict.fromkeys([*known, *(each["id"] for each in sets)]))


def _id_of(node: Node) -> int:
    return int(node["id"])


def _parent_of(node: Node) -> int | None:
    path = StructureTree.path_to_list(node["structure_id_path"])
    return path[-2] if len(path) > 1 else None


def _same(value: Any) -> Any:
    return value


class Ontology:
    """The table of structures of old allensdk scripts; :class:`StructureTree` replaced it.

    Parameters
    ----------
    df : DataFrame
        Structures with the IDs in the index: ``id``, ``acronym``, ``parent_structure_id``,
        ``structure_id_path`` (text such as ``"/997/8/"``).

    Examples
    --------
    >>> from pdneuro.allen.sdk import Ontology
    >>> table = pdneuro.allen.structure_tree().frame.set_index("id", drop=False)
    >>> import warnings
    >>> warnings.simplefilter("ignore", DeprecationWarning)
    >>> ontology = Ontology(table)
    >>> ontology["VISp", 549]["name"].tolist()
    ['Primary visual area', 'Thalamus']
    >>> sorted(ontology.get_descendant_ids([385])) == [33, 305, 385, 593, 721, 778, 821]
    True
    >>> ontology.get_children([669])["acronym"].tolist()
    ['VISl', 'VISp']
    >>> ontology.structure_descends_from(385, 315)
    True
    """

    def __init__(self, df: pd.DataFrame) -> None:
        warnings.warn("Ontology is deprecated; use StructureTree.", DeprecationWarning, stacklevel=2)
        self.df = df
        self.child_ids: dict[int, set[int]] = {}
        self.descendant_ids: dict[int, set[int]] = {}
        lines = zip(df.index, df["parent_structure_id"], df["structure_id_path"], strict=True)
        for number, parent, path in lines:
            if not pd.isna(parent):
                self.child_ids.setdefault(int(parent), set()).add(number)
            for above in StructureTree.path_to_list(path):
                self.descendant_ids.setdefault(above, set()).add(number)

    def __getitem__(self, structures: Any) -> pd.DataFrame:
        """Return rows by ID or acronym, of one or several; unknown ones have no row."""
        listed = structures if isinstance(structures, tuple | list | set) else [structures]
        ids: set[Any] = set()
        for item in listed:
            if isinstance(item, str):
                ids.update(self.df.index[self.df["acronym"] == item])
            else:
                ids.update(item if isinstance(item, pd.Series) else [int(item)])
        return self.df[self.df.index.isin(list(ids))]

    def get_descendant_ids(self, structure_ids: Any) -> Any:
        """Return the IDs of structures and their descendants as a set; without IDs, of all by ID.

        Examples
        --------
        >>> import warnings
        >>> warnings.simplefilter("ignore", DeprecationWarning)
        >>> table = pdneuro.allen.structure_tree().frame.set_index("id", drop=False)
        >>> ontology = pdneuro.allen.sdk.Ontology(table)
        >>> 385 in ontology.get_descendant_ids([669])
        True
        """
        return self._related(self.descendant_ids, structure_ids)

    def get_child_ids(self, structure_ids: Any) -> Any:
        """Return the IDs of the children of structures as a set; without IDs, of all by ID.

        Examples
        --------
        >>> import warnings
        >>> warnings.simplefilter("ignore", DeprecationWarning)
        >>> table = pdneuro.allen.structure_tree().frame.set_index("id", drop=False)
        >>> ontology = pdneuro.allen.sdk.Ontology(table)
        >>> sorted(ontology.get_child_ids([669]))
        [385, 409]
        """
        return self._related(self.child_ids, structure_ids)

    def _related(self, relation: dict[int, set[int]], structure_ids: Any) -> Any:
        if not len(structure_ids):
            return relation
        return set().union(*(relation.get(int(number), set()) for number in structure_ids))

    def get_descendants(self, structure_ids: Any) -> pd.DataFrame:
        """Return the rows of structures and their descendants.

        Examples
        --------
        >>> import warnings
        >>> warnings.simplefilter("ignore", DeprecationWarning)
        >>> table = pdneuro.allen.structure_tree().frame.set_index("id", drop=False)
        >>> ontology = pdneuro.allen.sdk.Ontology(table)
        >>> len(ontology.get_descendants([385]))
        7
        """
        return self[self.get_descendant_ids(structure_ids)]

    def get_children(self, structure_ids: Any) -> pd.DataFrame:
        """Return the rows of the children of structures.

        Examples
        --------
        >>> import warnings
        >>> warnings.simplefilter("ignore", DeprecationWarning)
        >>> table = pdneuro.allen.structure_tree().frame.set_index("id", drop=False)
        >>> ontology = pdneuro.allen.sdk.Ontology(table)
        >>> ontology.get_children([669])["acronym"].tolist()
        ['VISl', 'VISp']
        """
        return self[self.get_child_ids(structure_ids)]

    def structure_descends_from(self, child_id: int, parent_id: int) -> bool:
        """Return whether a structure is another one, or part of it.

        Examples
        --------
        >>> import warnings
        >>> warnings.simplefilter("ignore", DeprecationWarning)
        >>> table = pdneuro.allen.structure_tree().frame.set_index("id", drop=False)
        >>> ontology = pdneuro.allen.sdk.Ontology(table)
        >>> ontology.structure_descends_from(385, 315)
        True
        """
        return child_id in self.descendant_ids.get(parent_id, ())
