"""OntologiesApi: structures, their graphs and sets, and atlases."""

from __future__ import annotations

from typing import Any

import pandas as pd

from pdneuro.allen import payload
from pdneuro.allen.api.base import documented
from pdneuro.allen.api.rma import RmaApi
from pdneuro.errors import InvalidQueryError, MissingColumnsError

_ATLAS_COLUMNS = (
    "atlases.id,atlases.name,atlases.image_type,ontologies.id,ontologies.name,structure_graphs.id,"
    "structure_graphs.name,graphic_group_labels.id,graphic_group_labels.name"
)
_ATLAS_TABLES = "structure_graph(ontology),graphic_group_labels"


@documented
class OntologiesApi(RmaApi):
    """Structures of the brain, structure sets and atlases.

    {base_uri}

    Examples
    --------
    >>> structures = pdneuro.allen.OntologiesApi().get_structures(1)
    >>> structures[["id", "acronym", "parent_structure_id"]].head(3)
        id acronym  parent_structure_id
    0  997    root                 <NA>
    1    8    grey                  997
    2  567      CH                    8
    """

    def get_structures(
        self,
        structure_graph_ids: Any = None,
        structure_graph_names: Any = None,
        structure_set_ids: Any = None,
        structure_set_names: Any = None,
        order: Any = ("structures.graph_order",),
        num_rows: Any = "all",
        count: bool = False,
        **options: Any,
    ) -> pd.DataFrame:
        """Return the structures of graphs or of structure sets.

        Parameters
        ----------
        structure_graph_ids, structure_set_ids : int or iterable of int, optional
            Graph 1 is the adult mouse.
        structure_graph_names, structure_set_names : str or iterable of str, optional
            With or without quotes. Only the first selector is used, in the order of the arguments.
        order : str or iterable of str
            Columns to sort by.
        {num_rows}
        {options}

        Returns
        -------
        DataFrame
            ``id`` (int64), ``acronym``, ``name``, ``color_hex_triplet``, ``structure_id_path`` (text),
            ``parent_structure_id`` (Int64; NA for a root), ``graph_order`` and others.

        Raises
        ------
        {query errors}

        Examples
        --------
        >>> found = pdneuro.allen.OntologiesApi().get_structures(
        ...     structure_set_names="Mouse - Coarse", order="name"
        ... )
        >>> found["name"].head(2).tolist()
        ['Caudoputamen', 'Cerebellum']
        """
        return self._structures(
            structure_graph_ids,
            structure_graph_names,
            structure_set_ids,
            structure_set_names,
            order=order,
            num_rows=num_rows,
            count=count,
            **options,
        )

    def get_structures_with_sets(
        self,
        structure_graph_ids: Any = None,
        structure_graph_names: Any = None,
        structure_set_ids: Any = None,
        structure_set_names: Any = None,
        order: Any = ("structures.graph_order",),
        num_rows: Any = "all",
        count: bool = False,
        **options: Any,
    ) -> pd.DataFrame:
        """Return structures with their sets; the arguments are those of :meth:`get_structures`.

        Returns
        -------
        DataFrame
            With ``structure_sets``: lists of records ``id, name, description``.

        Examples
        --------
        >>> found = pdneuro.allen.OntologiesApi().get_structures_with_sets(1, nested="explode")
        >>> found.query("acronym == 'TH'")["structure_sets_name"].tolist()
        ['Mouse - Coarse', 'Brain - Major Divisions']
        """
        return self._structures(
            structure_graph_ids,
            structure_graph_names,
            structure_set_ids,
            structure_set_names,
            order=order,
            num_rows=num_rows,
            count=count,
            **{"include": "structure_sets", **options},
        )

    def _structures(
        self, graphs: Any, graph_names: Any, sets: Any, set_names: Any, **options: Any
    ) -> pd.DataFrame:
        if graphs is not None:
            ids = payload.id_list(graphs, "structure_graph_ids")
            return self._model("Structure", ids, criteria="[graph_id$in{ids}]", **options)
        if graph_names is not None:
            names = payload.names(graph_names, "structure_graph_names")
            criteria = f"graph[structure_graphs.name$in{names}]"
        elif sets is not None:
            ids = payload.id_list(sets, "structure_set_ids")
            return self._model("Structure", ids, criteria="[structure_set_id$in{ids}]", **options)
        elif set_names is not None:
            names = payload.names(set_names, "structure_set_names")
            criteria = f"structure_sets[name$in{names}]"
        else:
            raise InvalidQueryError(
                "choose structures: structure_graph_ids=1 (adult mouse), structure_graph_names, "
                "structure_set_ids or structure_set_names."
            )
        return self._model("Structure", criteria=criteria, **options)

    def get_atlases(self, **options: Any) -> pd.DataFrame:
        """Return all atlases; see :meth:`pdneuro.allen.RmaApi.model_query` for options.

        Examples
        --------
        >>> pdneuro.allen.OntologiesApi().get_atlases()[["id", "name", "structure_graph_id"]]
                  id                             name  structure_graph_id
        0          1              Mouse, P56, Coronal                   1
        1  265297126  Human, 34 years, Cortex - Gyral                  10
        """
        return self._model("Atlas", **{"num_rows": "all", "count": False, **options})

    def get_structure_graphs(self, **options: Any) -> pd.DataFrame:
        """Return all structure graphs; see :meth:`pdneuro.allen.RmaApi.model_query` for options.

        Examples
        --------
        >>> pdneuro.allen.OntologiesApi().get_structure_graphs(only=["id", "name"])
           id               name
        0   1  Mouse Brain Atlas
        1  10  Human Brain Atlas
        """
        return self._model("StructureGraph", **{"num_rows": "all", "count": False, **options})

    def get_structure_sets(self, structure_set_ids: Any = None, **options: Any) -> pd.DataFrame:
        """Return structure sets.

        Parameters
        ----------
        structure_set_ids : int or iterable of int, optional
            Default: all.
        {options}

        Returns
        -------
        DataFrame
            ``id`` (int64), ``name``, ``description``.

        Examples
        --------
        >>> pdneuro.allen.OntologiesApi().get_structure_sets([2, 687527945])[["id", "name"]]
                  id                          name
        0          2                Mouse - Coarse
        1  687527945  Mouse Connectivity - Summary
        """
        how = {"num_rows": "all", "count": False, **options}
        if structure_set_ids is None:
            return self._model("StructureSet", **how)
        ids = payload.id_list(structure_set_ids, "structure_set_ids")
        return self._model("StructureSet", ids, criteria="[id$in{ids}]", **how)

    def get_atlases_table(
        self, atlas_ids: Any = None, brief: bool = True, **options: Any
    ) -> pd.DataFrame:
        """Return atlases with their structure graphs, ontologies and graphic group labels.

        Parameters
        ----------
        atlas_ids : int or iterable of int, optional
            Default: all.
        brief : bool
            Only IDs and names.
        {options}

        Returns
        -------
        DataFrame
            ``structure_graph`` and ``graphic_group_labels`` hold records. ``nested="flatten"`` returns
            them as columns.

        Examples
        --------
        >>> atlas = pdneuro.allen.OntologiesApi().get_atlases_table(1, nested="explode")
        >>> atlas[["id", "structure_graph_name", "graphic_group_labels_id"]]
           id structure_graph_name  graphic_group_labels_id
        0   1    Mouse Brain Atlas                       28
        0   1    Mouse Brain Atlas                       31
        """
        # The options of the call come last: they replace the defaults.
        how = {
            "include": _ATLAS_TABLES,
            **({"only": f"'{_ATLAS_COLUMNS}'"} if brief else {}),
            "num_rows": "all",
            "count": False,
            **options,
        }
        if atlas_ids is None:
            return self._model("Atlas", criteria=_ATLAS_TABLES, **how)
        ids = payload.id_list(atlas_ids, "atlas_ids")
        return self._model("Atlas", ids, criteria=f"[id$in{{ids}}],{_ATLAS_TABLES}", **how)

    def unpack_structure_set_ancestors(self, structure_dataframe: pd.DataFrame) -> pd.DataFrame:
        """Add the path of each structure as a list of integers.

        Parameters
        ----------
        structure_dataframe : DataFrame
            Table with ``structure_id_path``, such as ``"/997/8/"``.

        Returns
        -------
        DataFrame
            A copy with ``structure_set_ancestor``: lists of int, from the root to the structure.

        Raises
        ------
        MissingColumnsError
            The table does not have this column.

        Examples
        --------
        >>> ontologies = pdneuro.allen.OntologiesApi()
        >>> structures = ontologies.get_structures(1)
        >>> found = ontologies.unpack_structure_set_ancestors(structures)
        >>> found[["acronym", "structure_set_ancestor"]].head(3)
          acronym structure_set_ancestor
        0    root                  [997]
        1    grey               [997, 8]
        2      CH          [997, 8, 567]
        """
        if "structure_id_path" not in structure_dataframe.columns:
            raise MissingColumnsError("the table does not have a column 'structure_id_path'.")
        paths = structure_dataframe["structure_id_path"]
        lists = [
            list(path) if isinstance(path, list) else [int(part) for part in path.split("/") if part]
            for path in paths
        ]
        cells = pd.Series(lists, index=structure_dataframe.index, dtype=object)
        return structure_dataframe.assign(structure_set_ancestor=cells)
