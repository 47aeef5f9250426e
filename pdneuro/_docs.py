"""Write each shared parameter description once, and show every keyword of a function."""

from __future__ import annotations

import inspect
import textwrap
import typing
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

#: Lines such as ``{on}`` in a docstring are replaced by these texts.
TEXTS = {
    "segments": """\
ids : Series, Index, array, list or DataFrame
    Segment IDs. Missing values and 0 ("no segment") are skipped.""",
    "on": """\
on : hashable, optional
    Column of a DataFrame that holds the IDs. Default: recognized by a name such as ``root_id``.""",
    "source": """\
source : str, path or Source, optional
    Where to look up segments; see :func:`pdneuro.open_source`. :func:`pdneuro.known_names` lists
    projects and datastacks. Default: the option ``source``.""",
    "join on": """\
on : hashable or list, optional
    Column of the table that holds the IDs. Default: recognized by a name such as ``root_id``.
    ``["pre", "post"]`` joins to both columns; their new columns end in ``_pre`` and ``_post``.""",
    "several on": """\
    A list of columns joins to each of them; the new columns end in ``_`` and the name of the column.""",
    "join": """\
prefix : str
    Text in front of the new column names.
{join after prefix}""",
    "join after prefix": """\
suffix : str
    Text after the new column names.
overwrite : bool, default False
    Replace existing columns of the same names. A column that exists with equal values is kept.
how : {"left", "inner"}, default "left"
    Keep all rows; or only rows whose status is ``found``.
indicator : bool or str, default False
    Add a column ``_merge``, or of this name, with the status of each row: ``found``, ``none`` (no
    value), ``unknown``, ``missing`` (no ID), ``failed``, ``not requested``; see
    :func:`pdneuro.last_report`. Of several properties, one that failed or was found counts.""",
    "level": """\
level : hashable, optional
    Level of a MultiIndex that holds the IDs, by name or number. Default: recognized by its name.""",
    "array": """\
obj : DataArray or Dataset
    An array. Only the coordinate is read, not the values.""",
    "dim": """\
dim : hashable, optional
    Dimension that holds the IDs, or a coordinate along one. Default: recognized by a name such as
    ``root_id``.""",
    "structure dim": """\
dim : hashable, optional
    Dimension that holds the structures, or a coordinate along one. Default: recognized by a name such
    as ``structure_id`` or ``acronym``.""",
    "neuron dim": """\
dim : hashable, optional
    Dimension that holds the neurons, or a coordinate along one. Default: ``neuron_id``, else
    ``neuron_name``.""",
    "several dims": """\
    A list such as ``["pre", "post"]`` joins to each; the new names end in ``_pre`` and ``_post``.""",
    "fill": """\
fill_value : int, optional
    Value of missing IDs among the new coordinates, such as 0 ("no segment"). Default: an error, because
    IDs stay int64.""",
    "coordinates": """\
prefix : str
    Text in front of the new names.
suffix : str
    Text after the new names.
overwrite : bool, default False
    Replace coordinates of the same names along this dimension. One that exists with equal values is
    kept.
how : {"left", "inner"}, default "left"
    Keep all positions; or select those whose status is ``found``.
indicator : bool or str, default False
    Add a coordinate ``_merge``, or of this name, with the status of each position: ``found``, ``none``
    (no value), ``unknown``, ``missing`` (no ID), ``failed``, ``not requested``.
{fill}""",
    "dim errors": """\
MissingColumnsError, AmbiguousColumnError
    There is no such coordinate; none is recognized, or several are. Nothing is downloaded.
InvalidCoordinateError
    The coordinate does not have one dimension; or a new coordinate would hold lists, or IDs of which
    some are missing.
ColumnExistsError
    The array has a dimension, coordinate or data variable of a new name already.""",
    "multiple": """\
multiple : {"count", "raise", "first", "list"}, default "count"
    What to return for a list of records: their number; an error if an ID has several; also the fields
    of the first record; also the list.""",
    "fetch": """\
batch_size : int, optional
    Number of IDs per request. Default: the option ``batch_size``.
max_workers : int, optional
    Maximum number of requests at the same time. Default: the option ``max_workers``.
refresh : bool, default False
    Download again what is cached.
progress : bool, optional
    Show a progress bar. Default: the option ``progress``.
on_error : {"raise", "partial"}, optional
    If a request fails: raise an error, or return NA with a warning. Default: the option ``on_error``.
on_missing : {"warn", "raise", "ignore"}, optional
    What to do about IDs that the source does not know. Default: the option ``on_missing``.""",
    "directions": """\
upstream, downstream : bool, default True
    Return inputs, outputs, or both.""",
    "hops": """\
hops : int, default 1
    Number of hops to follow.
min_weight : int, default 1
    Minimum number of synapses per pair. Weaker edges are dropped and not followed.
within : bool, default False
    Keep only edges among the given IDs. One hop is enough for this.
autapses : bool, default True
    Keep edges from a neuron to itself.
max_nodes : int, optional
    Maximum number of neurons to query, including the given ones. Default: 50,000 if ``hops > 1``.""",
    "regions": """\
roi : bool, default False
    Return one row per pair and region, so that the rows of a pair sum to its weight. ``min_weight`` is
    compared with the sum. In CAVE, the region is missing for synapses without one. In neuPrint, regions
    are the primary ones, and the rest of a pair is ``NotPrimary``.
fragments : bool, default True
    Keep edges of segments that are not neurons; ``False`` drops them at both ends. Only neuPrint.""",
    "grouping": """\
dropna, sort, observed : bool, default False, False, True
    As in :meth:`pandas.DataFrame.groupby`: drop partners without a label; sort by partner or label
    instead of by weight; without ``observed``, categories without partners have the weight 0.""",
    "edge groups": """\
groups : DataFrameGroupBy
    Groups of the rows of an edge table, such as ``edges.groupby("dataset")``.""",
    "collapse": """\
group_by : hashable, list, mapping or Series, optional
    Columns of the neurons to group by: ``"type"`` means ``type_pre`` and ``type_post``, which
    :func:`pdneuro.tables.annotate` adds; ``"type_pre"`` means this column alone. Or a label for each
    ID. Or one of these for each end: ``{"post": "type"}`` groups the postsynaptic neurons and keeps
    each presynaptic neuron. Default: pairs of neurons.
values : hashable or list, optional
    Further columns of numbers to sum, such as ``"signed_weight"``. A missing number counts as 0.
per_neuron : bool, default False
    Add ``weight_per_neuron``, with ``group_by``.
roi : bool, default False
    Sum each region separately: one row per pair and region.
regions : str or list of str, optional
    Regions to sum, by ``roi``. They must not overlap: if one is a part of another, its synapses
    count twice. Default: all.
dropna, sort, observed : bool, default False, False, True
    As in :meth:`pandas.DataFrame.groupby`: drop groups with a missing label; sort by the labels;
    without ``observed``, categories without rows have the weight 0.""",
    "threshold": """\
min_weight : int or float
    Minimum number of synapses; with ``of`` the minimum share, from 0 to 1.
per : {"pair", "row"}, default "pair"
    Compare the sum over all rows of a pair, or each row. They differ if a pair has several rows,
    such as one row per region.
of : {None, "input", "output"}, default None
    Compare the share of all input of the postsynaptic neuron, or of all output of the presynaptic
    neuron, that the table contains.""",
    "share of": """\
of : {"input", "output"}, default "input"
    Share of all input of the postsynaptic neuron, or of all output of the presynaptic neuron.""",
    "fractions": """\
{share of}
total : {"present"}, Series or mapping, default "present"
    The denominators: sums over the rows of the table, or a number of synapses for each ID.
overwrite : bool, default False
    Replace an existing column of the same name.""",
    "completeness": """\
partners : Series, Index, array or list, optional
    IDs of the known partners, such as all proofread neurons.
group_by : hashable, list, mapping or Series, optional
    Labels, as in :func:`pdneuro.tables.collapse`: a partner with a label is known.
of : {"both", "input", "output"}, default "both"
    Synapses to count.""",
    "metric": """\
metric : {"cosine", "jaccard", "weighted_jaccard"}, default "cosine"
    Cosine of the vectors of synapse counts; share of common partners; or the sum of the smaller
    counts of each partner, divided by the sum of the larger ones (Ruzicka similarity).
of : {"both", "input", "output"}, default "both"
    Partners to compare: both, presynaptic or postsynaptic.""",
    "partner labels": """\
group_by : hashable, list, mapping or Series, optional
    Labels of the partners, as in :func:`pdneuro.tables.collapse`: counts are summed by label, and
    partners without a label are left out. Default: each partner alone.""",
    "compared": """\
ids : Series, Index, array or list, optional
    The neurons to compare, by all their partners in the table. With several data sets also a
    MultiIndex or DataFrame with ``dataset`` and ``id``. Default: all neurons of the table that have
    partners of this side, sorted by ID.""",
    "normalize": """\
normalize : {None, "input", "output"}, default None
    Divide each sum by all input of its column, or by all output of its row, that the table contains:
    the sum of ``weight``, also if other values are summed.""",
    "matrix order": """\
ids : Series, Index, array or list, optional
    The neurons of the rows and columns, in this order; not with ``group_by``. Edges of other neurons
    are dropped. Default: all neurons of the table, sorted by ID.""",
    "strongest": """\
top : int, optional
    Maximum number of partners of each direction, the strongest first.
cover : float, optional
    Share from 0 to 1: only the largest partners that together make up this share of all input, or of
    all output, at ``min_weight``. Partners without a label count in the denominator.""",
    "groups": """\
groups : DataFrameGroupBy or SeriesGroupBy
    Groups of a table with a column of segment IDs, or of such a column.""",
    "root ids": """\
ids : Series, Index, array, list or DataFrame
    Root IDs. 0 (no segment) and 1 (not looked up yet) count as missing.""",
    "cave source": """\
source : str or Source, optional
    A datastack such as ``"cave:minnie65_public"``; with a version ``"cave:minnie65_public@1300"``,
    ``@auto`` for the newest one at which all root IDs are valid, or ``@2024-06-05`` for the nearest
    one before a time (UTC). The choice is in the provenance of the result.
    :func:`pdneuro.known_names` lists datastacks. Default: the option ``source``.""",
    "version": """\
version : int, str, Timestamp or datetime
    A materialization version; a time, exactly (UTC unless it has a time zone; text in ISO format); or
    ``"auto"``, the newest version at which all root IDs are valid.""",
    "supervoxels": """\
supervoxels : Series, Index, array, list or DataFrame
    Supervoxel IDs. 0 and 1 count as missing.""",
    "supervoxel on": """\
on : hashable, optional
    Column of a DataFrame that holds the supervoxels. Default: the one whose name contains
    ``supervoxel``.""",
    "root version": """\
version : int, str, Timestamp or datetime, optional
    The root IDs at a materialization version; at a time, exactly (UTC unless it has a time zone; text
    in ISO format); or ``"auto"``, the newest version, since supervoxels are valid at each. Default: the
    version of the source; without one, now.""",
    "cave multiple": """\
multiple : {"raise", "first", "list", "count"}, default "raise"
    What to return if a root ID has several rows: an error; the first row, by ``id``; a list of records
    in a column named after the table; their number, as ``{table}_count``.""",
    "cave table": """\
id_column : str, default "pt_root_id"
    The column of root IDs of the CAVE table.
{units}""",
    "units": """\
units : {"nm", "voxel"}, default "nm"
    Unit of positions: nanometers, or voxels of the table. ``attrs`` stores it.""",
    "cave errors": """\
InvalidIdError, PrecisionLossError
    The column does not hold exact IDs.
MissingColumnsError, AmbiguousColumnError
    No column of IDs is recognized in the DataFrame, or several are.
UnknownSourceError
    The source is not a CAVE datastack.
ExpiredVersionError
    The version no longer exists, or the server has none that old.
InvalidVersionError
    The version is not a whole number, a time in the past or ``"auto"``.
MissingDependencyError
    caveclient is not installed, or older than 8.
MissingTokenError, AuthenticationError, ForbiddenError
    The token is missing or wrong, or the terms of service are not accepted. The message contains the
    address of the page to visit.
ServiceError, OfflineError
    The request failed; or pdneuro is offline and some values are not cached.""",
    "neurons": """\
neurons : Series, Index, array, list or DataFrame
    Integers are ``neuron_id``, text is ``neuron_name``. In a column named ``neuron_id``, text is
    read as IDs.""",
    "neuron on": """\
on : hashable, optional
    Column of a DataFrame that holds the neurons. Default: ``neuron_id``, else ``neuron_name``.""",
    "key": """\
key : {"neuron_id", "neuron_name"}, optional
    What the column holds. Default: recognized by its name and its values.""",
    "neuron errors": """\
UnknownFieldError
    A field does not exist; the message suggests similar names.
InvalidIdError, PrecisionLossError
    The column mixes IDs and names, or does not hold exact IDs.
MissingColumnsError, AmbiguousColumnError
    No column of neurons is recognized in the DataFrame, or several are.
MultipleRecordsError
    Several neurons have the same name.
UnknownIdsError
    The service does not know some neurons, and ``on_missing`` is ``"raise"``.
ServiceError, OfflineError
    The request failed; or pdneuro is offline and some records are not cached. Responses received so
    far are cached.""",
    "structures": """\
ids : Series, Index, array, list or DataFrame
    Structure IDs or acronyms. An acronym is matched as written (``cm`` and ``CM`` differ), then
    regardless of case if only one structure fits.""",
    "experiment on": """\
on : hashable, optional
    Column of a DataFrame that holds the experiments. Default: recognized by a name such as
    ``data_set_id``, ``section_data_set_id`` or ``experiment_id``.""",
    "structure on": """\
on : hashable, optional
    Column of a DataFrame that holds the structures. Default: recognized by a name such as
    ``structure_id`` or ``acronym``.""",
    "terms": """\
terms : path or DataFrame, optional
    For a column ``parcellation_index`` of the Allen Brain Cell Atlas: the folder of the published terms,
    or the result of :func:`pdneuro.allen.parcellation_terms`. Default: downloaded once.""",
    "graph": """\
graph_id : int, default 1
    The graph of structures: 1 is the adult mouse, 10 the human.
on_missing : {"warn", "raise", "ignore"}, optional
    What to do about structures that are not in the graph. Default: the option ``on_missing``.""",
    "structure errors": """\
PrecisionLossError, InvalidIdError
    The column does not hold exact IDs.
MissingColumnsError, AmbiguousColumnError
    No column of structures is recognized in the DataFrame, or several are.
AmbiguousStructureError
    An acronym fits several structures.
UnknownIdsError
    Structures are not in the graph, and ``on_missing`` is ``"raise"``.
ServiceError, OfflineError
    The structures could not be downloaded; or pdneuro is offline and they are not cached.""",
    "segment errors": """\
PrecisionLossError, InvalidIdError
    The column does not hold exact IDs.
MissingColumnsError, AmbiguousColumnError
    No column of IDs is recognized in the DataFrame, or several are.
UnknownSourceError
    No source is set, or its name is not known.
ServiceError
    The request failed; :mod:`pdneuro.errors` lists its kinds. Responses received so far are cached.
OfflineError
    pdneuro is offline, and some values are not cached.
UnknownIdsError
    The source does not know some IDs, and ``on_missing`` is ``"raise"``.""",
}


def documented(*, like: Callable[..., Any] | None = None) -> Callable[[Function], Function]:
    """Show ``**options: Unpack[...]`` as real parameters, and insert shared descriptions.

    Parameters
    ----------
    like : callable, optional
        Function with some of the same keywords, whose defaults are shown.

    Returns
    -------
    callable
        A decorator that sets ``__signature__`` and ``__doc__`` of a function and returns it unchanged.
    """

    def decorate(function: Function) -> Function:
        signature = inspect.signature(function)
        shown = [*_expanded(function, signature, like)]
        function.__signature__ = signature.replace(parameters=shown)  # type: ignore[attr-defined]
        function.__doc__ = fill(function.__doc__ or "", TEXTS)
        return function

    return decorate


def fill(doc: str, texts: typing.Mapping[str, str]) -> str:
    r"""Replace lines such as ``{on}`` by the text of that name, indented as the line is.

    A text can have such lines as well.

    >>> fill("{join}", {"join": "{on}, how", "on": "on"})
    '{on}, how'
    >>> fill("{join}", {"join": "{on}\n    {list}", "on": "on : hashable", "list": "A list."})
    'on : hashable\n    A list.'
    """
    return _filled(inspect.cleandoc(doc), texts)


def _filled(doc: str, texts: typing.Mapping[str, str]) -> str:
    lines = []
    for line in doc.split("\n"):
        name = line.strip()[1:-1]
        if line.strip() == f"{{{name}}}" and name in texts:
            indent = line[: len(line) - len(line.lstrip())]
            lines.append(textwrap.indent(_filled(texts[name], texts), indent))
        else:
            lines.append(line)
    return "\n".join(lines)


def _expanded(
    function: Callable[..., Any], signature: inspect.Signature, like: Callable[..., Any] | None
) -> Iterator[inspect.Parameter]:
    known = inspect.signature(like).parameters if like else {}
    for parameter in signature.parameters.values():
        text = str(parameter.annotation)
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD or not text.startswith("Unpack["):
            yield parameter
            continue
        keywords = function.__globals__[text.removeprefix("Unpack[").removesuffix("]")]
        kinds = keywords.__annotations__
        for name in sorted(kinds, key=list(known).index) if known else kinds:
            kind = kinds[name]
            yield known.get(name) or inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=False if name == "refresh" else None,
                annotation=getattr(kind, "__forward_arg__", kind),
            )
