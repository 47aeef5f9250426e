"""Classes of allensdk.api for structures: ontologies, tree search, SVG, synchronization."""

from __future__ import annotations

from typing import Any

import pandas as pd

from pdneuro.allen import parse
from pdneuro.allen.api import (
    ontologies,
    svg,
    synchronization,
    tree_search,
)
from pdneuro.allen.api.base import documented
from pdneuro.allen.sdk.adapters import as_records
from pdneuro.allen.sdk.api import Api, RmaTemplate
from pdneuro.allen.sdk.cache import cacheable
from pdneuro.errors import InvalidResponseError


@documented
class OntologiesApi(RmaTemplate, ontologies.OntologiesApi):
    """Structures, structure sets and atlases, as records.

    {base_uri}

    Examples
    --------
    >>> structures = pd.DataFrame(pdneuro.allen.sdk.OntologiesApi().get_structures(1))
    >>> structures.loc[structures["acronym"] == "MEA", "id"].iloc[0]
    np.int64(403)
    """

    _QUERIES = {
        ("ontology_queries", "structures_by_graph_ids"): (
            "get_structures",
            {"graph_ids": "structure_graph_ids"},
        ),
        ("ontology_queries", "structures_by_graph_names"): (
            "get_structures",
            {"graph_names": "structure_graph_names"},
        ),
        ("ontology_queries", "structures_by_set_ids"): (
            "get_structures",
            {"set_ids": "structure_set_ids"},
        ),
        ("ontology_queries", "structures_by_set_names"): (
            "get_structures",
            {"set_names": "structure_set_names"},
        ),
        ("ontology_queries", "structures_with_sets"): (
            "get_structures_with_sets",
            {"graph_ids": "structure_graph_ids"},
        ),
        ("ontology_queries", "structure_graphs_list"): ("get_structure_graphs", {}),
        ("ontology_queries", "structure_sets_list"): ("get_structure_sets", {}),
        ("ontology_queries", "structure_sets_by_id"): (
            "get_structure_sets",
            {"set_ids": "structure_set_ids"},
        ),
        ("ontology_queries", "atlases_list"): ("get_atlases", {}),
        ("ontology_queries", "atlases_table"): ("get_atlases_table", {}),
    }

    def __init__(self, base_uri: str | None = None) -> None:
        RmaTemplate.__init__(self, base_uri)

    get_structures = as_records(
        ontologies.OntologiesApi.get_structures,
        'api.get_structures(1)[0]["acronym"]',
        "'root'",
    )

    @cacheable()
    def get_structures_with_sets(
        self,
        structure_graph_ids: Any,
        order: Any = ("structures.graph_order",),
        num_rows: Any = "all",
        count: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Return the structures of graphs with their sets, as records.

        Examples
        --------
        >>> found = pdneuro.allen.sdk.OntologiesApi().get_structures_with_sets(1)
        >>> [entry["name"] for row in found if row["acronym"] == "TH" for entry in row["structure_sets"]]
        ['Mouse - Coarse', 'Brain - Major Divisions']
        """
        how = {"order": order, "num_rows": num_rows, "count": count, **kwargs}
        return ontologies.OntologiesApi.get_structures_with_sets(self, structure_graph_ids, **how)

    get_atlases = as_records(
        ontologies.OntologiesApi.get_atlases,
        'api.get_atlases()[0]["name"]',
        "'Mouse, P56, Coronal'",
    )
    get_structure_graphs = as_records(
        ontologies.OntologiesApi.get_structure_graphs,
        '[graph["id"] for graph in api.get_structure_graphs()]',
        "[1, 10]",
    )
    get_structure_sets = as_records(
        ontologies.OntologiesApi.get_structure_sets,
        '[entry["name"] for entry in api.get_structure_sets([2])]',
        "['Mouse - Coarse']",
    )
    get_atlases_table = as_records(
        ontologies.OntologiesApi.get_atlases_table,
        'api.get_atlases_table(1)[0]["structure_graph"]["name"]',
        "'Mouse Brain Atlas'",
    )

    def unpack_structure_set_ancestors(self, structure_dataframe: pd.DataFrame) -> Any:
        """Add the path of each structure as a list of integers, to the given DataFrame.

        Examples
        --------
        >>> api = pdneuro.allen.sdk.OntologiesApi()
        >>> structures = pd.DataFrame(api.get_structures(1))
        >>> api.unpack_structure_set_ancestors(structures)
        >>> structures["structure_set_ancestor"].iloc[1]
        [997, 8]
        """
        found = super().unpack_structure_set_ancestors(structure_dataframe)
        structure_dataframe["structure_set_ancestor"] = found["structure_set_ancestor"]


@documented
class TreeSearchApi(Api, tree_search.TreeSearchApi):
    """Searches in the trees of structures and of specimens, as records.

    {base_uri}

    Examples
    --------
    >>> tree = pdneuro.allen.sdk.TreeSearchApi().get_tree("Structure", 385, ancestors=True)
    >>> [row["acronym"] for row in tree]
    ['root', 'grey', 'CH', 'CTX', 'Isocortex', 'VIS', 'VISp']
    """

    def __init__(self, base_uri: str | None = None) -> None:
        Api.__init__(self, base_uri)

    get_tree = as_records(
        tree_search.TreeSearchApi.get_tree,
        'api.get_tree("Structure", 549, descendants=True)[1]["acronym"]',
        "'LGd'",
    )


@documented
class SvgApi(Api, svg.SvgApi):
    """Scalable vector graphics of annotated sections, as bytes.

    {base_uri}

    Examples
    --------
    >>> pdneuro.allen.sdk.SvgApi().get_svg(100960033, groups=[28])[:4]
    b'<svg'
    """

    def __init__(self, base_uri: str | None = None) -> None:
        Api.__init__(self, base_uri)

    def get_svg(self, section_image_id: Any, groups: Any = None) -> Any:
        """Return the SVG of an image as bytes.

        Raises
        ------
        InvalidResponseError
            The response is not a complete drawing. It is not cached.

        Examples
        --------
        >>> pdneuro.allen.sdk.SvgApi().get_svg(100960033)[:4]
        b'<svg'
        """
        url = self.build_query(section_image_id, groups)
        found = self.retrieve_xml_over_http(url)
        fault = parse.drawing_fault(found) if isinstance(found, bytes) else None
        if fault:
            raise InvalidResponseError(fault, status=200, url=url)
        return found


@documented
class SynchronizationApi(Api, synchronization.SynchronizationApi):
    """Maps points between images and the reference space, with records ``{"image_sync": {...}}``.

    {base_uri}

    Examples
    --------
    >>> sync = pdneuro.allen.sdk.SynchronizationApi()
    >>> found = sync.get_reference_to_image(10, 6085, 3670, 4883, [68545324])
    >>> found[0]["image_sync"]["section_number"]
    20
    """

    def __init__(self, base_uri: str | None = None) -> None:
        Api.__init__(self, base_uri)

    get_image_to_atlas = as_records(
        synchronization.SynchronizationApi.get_image_to_atlas,
        'api.get_image_to_atlas(68173101, 6208, 2368, 1)[0]["image_sync"]["section_number"]',
        "20",
    )
    get_image_to_image = as_records(
        synchronization.SynchronizationApi.get_image_to_image,
        'api.get_image_to_image(68173101, 6208, 2368, [68545324])[0]["image_sync"]["section_number"]',
        "20",
    )
    get_image_to_image_2d = as_records(
        synchronization.SynchronizationApi.get_image_to_image_2d,
        "len(api.get_image_to_image_2d(68173101, 6208, 2368, [68173103, 68173105]))",
        "2",
    )
    get_reference_to_image = as_records(
        synchronization.SynchronizationApi.get_reference_to_image,
        "len(api.get_reference_to_image(10, 6085, 3670, 4883, [68545324]))",
        "1",
    )
    get_structure_to_image = as_records(
        synchronization.SynchronizationApi.get_structure_to_image,
        'api.get_structure_to_image(68545324, [315])[0]["image_sync"]["y"]',
        "14.25",
    )
