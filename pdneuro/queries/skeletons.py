"""Skeletons of segments, from services and from files."""

from __future__ import annotations

from collections.abc import Hashable
from functools import partial
from typing import Any, Unpack

import pandas as pd

from pdneuro._docs import documented
from pdneuro.options import Fetch, FetchKeywords
from pdneuro.sources import SkeletonSource, Source, open_skeletons
from pdneuro.tables import roles
from pdneuro.tables import skeletons as node_tables
from pdneuro.tables.ids import distinct_ids
from pdneuro.tables.provenance import stamp
from pdneuro.tables.rounding import rounding_hint
from pdneuro.transport.report import collect_report


@documented()
def skeletons(
    ids: Any,
    on: Hashable | None = None,
    source: str | Source | SkeletonSource | None = None,
    *,
    generate: bool = False,
    **fetch: Unpack[FetchKeywords],
) -> pd.DataFrame:
    """Return the skeletons of segments as one node table.

    Parameters
    ----------
    {segments}
    {on}
    source : str, path or Source, optional
        A CAVE datastack such as ``"cave:minnie65_public"``; a data set of neuPrint such as
        ``"neuprint:hemibrain:v1.2.1"``; or a folder, archive or pattern of SWC files whose names
        contain the IDs, such as ``"skeletons/"``. Default: the option ``source``.
    generate : bool, default False
        Start the generation of the skeletons that a CAVE service does not have yet. It takes minutes
        to hours; call again later.
    {fetch}

    Returns
    -------
    DataFrame
        Node table ``neuron, node, type, x, y, z, radius, parent`` (µm; ``type`` is the compartment: 1
        soma, 2 axon, 3 dendrite, 4 apical dendrite, 0 unknown); ``neuron`` is the ID (int64). Each
        segment appears once, in the order of the column. Values of files are as in the file. neuPrint's
        coordinates and radii are in voxels; they are converted by the size of the data set's voxels
        (``Meta.voxelSize``).

    Raises
    ------
    {segment errors}
    InvalidQueryError
        ``generate=True``, and the source cannot generate skeletons.
    InvalidSwcError
        A file does not contain nodes, or two files are of one segment.

    Warns
    -----
    NotGeneratedWarning
        The service does not have the skeletons of some segments. In :func:`pdneuro.last_report`, their
        status is ``"not generated"`` if it can generate them, else ``"none"``. They are not cached.
    UnexpectedResponseWarning
        A skeleton of neuPrint has problems, such as a node without its parent. It is returned
        unchanged and not cached.

    See Also
    --------
    pdneuro.tables.morphology : Lengths and counts of each neuron.

    Examples
    --------
    >>> ids = pdneuro.sandbox.root_ids().head(2)
    >>> nodes = ids.neuro.skeletons(source="cave:minnie65_public")
    >>> nodes.neuro.morphology().index.equals(pd.Index(ids, name="neuron"))
    True
    """
    segments = distinct_ids(roles.id_column(ids, on))
    segments = segments[segments > 0]
    opened = open_skeletons(source)
    options = Fetch.of(**fetch)
    nodes = node_tables.empty(of_ids=True)
    if len(segments):
        with collect_report(options, partial(rounding_hint, segments)):
            found = opened.skeletons(segments, generate=generate, fetch=options)
        nodes = found if len(found) else nodes
    return stamp(nodes, source=opened.name, query=f"skeletons(generate={generate})")
