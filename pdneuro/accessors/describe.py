"""The repr of an accessor: roles that it recognizes in its object, missing things, and useful calls.

It reads only names, dtypes and missing values. It copies nothing and sends no request.
"""

from __future__ import annotations

import contextlib
import html
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import pandas as pd
from pandas.api import types

from pdneuro.errors import AmbiguousColumnError, MissingColumnsError, did_you_mean, listing
from pdneuro.options import get_option
from pdneuro.tables import roles
from pdneuro.tables.coordinates import (
    EXPERIMENTS,
    NEURONS,
    SEGMENTS,
    STRUCTURES,
    SUPERVOXELS,
    Kind,
    coordinate_names,
    level_of,
)
from pdneuro.tables.counts import possible_counts
from pdneuro.tables.ids import convert
from pdneuro.tables.provenance import facts
from pdneuro.tables.rounding import MAX_EXACT_FLOAT, rounding_hint
from pdneuro.tables.skeletons import is_node_table
from pdneuro.tables.transmitters import score_columns
from pdneuro.tables.volumes import DIMS

Calls = Sequence[tuple[str, str]]
#: Returns the methods of the accessor for a role, such as ``.edges()``.
Methods = Callable[[str], list[str]]
#: Number of suggested calls.
_NEXT = 3
_NO_SOURCE = "a source: pdneuro.set_options(source=...), or source=... in the call"
#: Takes the colors of the notebook, so that the text is readable in light and dark themes.
_PLAIN = "color:inherit;background:none"


class Role(NamedTuple):
    """A role of columns, and the methods for it."""

    recognized: Sequence[str]
    calls: Calls
    more: Sequence[str] = ()
    missing: Sequence[str] = ()


class Description(NamedTuple):
    """The description of an object, as text or HTML."""

    title: str
    recognized: list[str]
    missing: list[str]
    calls: list[tuple[str, str]]
    more: list[str]
    origin: str

    @classmethod
    def of(cls, title: str, described: Sequence[Role], obj: Any = None) -> Description:
        """Return the description of an object from its roles, with the first calls of each role."""
        calls = [
            call for turn in range(_NEXT) for role in described for call in role.calls[turn : turn + 1]
        ]
        names = [call.partition("(")[0] + "()" for call, _ in calls]
        rest = [*names[_NEXT:], *(name for role in described for name in role.more)]
        provenance = {} if obj is None else facts(obj)
        return cls(
            title,
            [line for role in described for line in role.recognized],
            list(dict.fromkeys(line for role in described for line in role.missing)),
            calls[:_NEXT],
            [name for name in dict.fromkeys(rest) if name not in names[:_NEXT]],
            f"{provenance['source']}: {provenance.get('query')}" if "source" in provenance else "",
        )

    def __str__(self) -> str:
        width = max((len(call) for call, _ in self.calls), default=0)
        lines = [f"<neuro: {self.title}>"]
        lines += [f"  {line}" for line in self.recognized]
        lines += [f"  missing: {line}" for line in self.missing]
        lines += [
            f"  {'next:' if not number else '     '} {call:<{width}}  {gives}"
            for number, (call, gives) in enumerate(self.calls)
        ]
        lines += _wrapped("  also: ", self.more)
        lines += [f"  from {self.origin}"] if self.origin else []
        return "\n".join(lines)

    def to_html(self) -> str:
        """Return the description as a small table for notebooks; text from the object is escaped."""
        calls = [f"{_code(call)} {html.escape(gives)}" for call, gives in self.calls]
        more = [_code(name) for name in self.more]
        rows = {
            "recognized": [html.escape(line) for line in self.recognized],
            "missing": [html.escape(line) for line in self.missing],
            "next": calls,
            "also": [" ".join(more)] if more else [],
            "from": [html.escape(self.origin)] if self.origin else [],
        }
        body = "".join(
            f'<tr style="{_PLAIN}"><th style="{_PLAIN};text-align:left;vertical-align:top">{name}</th>'
            f'<td style="{_PLAIN};text-align:left">{"<br>".join(lines)}</td></tr>'
            for name, lines in rows.items()
            if lines
        )
        title = f"<strong>.neuro</strong>: {html.escape(self.title)}"
        return f'<div>{title}<table style="{_PLAIN}">{body}</table></div>'


def _code(text: str) -> str:
    return f'<code style="{_PLAIN}">{html.escape(text)}</code>'


def describe_series(series: pd.Series[Any], methods: Methods) -> Description:
    """Describe a column."""
    if roles.structure_columns([series.name]):
        role = _structures(series, methods)
    elif roles.neuromorpho_columns([series.name]):
        role = _neuromorpho(series, methods)
    elif roles.experiment_columns([series.name]):
        role = _experiments(series, methods)
    elif roles.supervoxel_columns([series.name]):
        role = _supervoxels(series, methods)
    else:
        role = _segments(series, methods)
    return Description.of(f"column {series.name!r}, {len(series):,} rows", [role], series)


def describe_frame(frame: pd.DataFrame, methods: Methods) -> Description:
    """Describe a table by all roles of its columns."""
    found: list[Role] = []
    nodes = is_node_table(frame)
    pairs = roles.endpoint_columns(frame.columns)
    if pairs:
        found.append(_edges(frame, pairs, methods))
    if nodes:
        found.append(_reconstructions(frame, methods))
    columns = roles.structure_columns(frame.columns)
    supervoxels = roles.supervoxel_columns(frame.columns)
    names = _id_columns(frame, alone=not (pairs or columns or nodes or supervoxels))
    if names:
        found.append(_neurons(frame, names, methods))
    if supervoxels:
        found.append(_supervoxel_table(supervoxels, with_roots=bool(names)))
    for scores in score_columns(frame.columns):
        line = f"transmitter scores: {listing(map(repr, scores.values()))}"
        calls = [(".top_nt()", "the most likely transmitter of each row")]
        found.append(Role([line], calls, methods("transmitters")))
    if columns:
        found.append(_structure_table(columns, methods))
    experiments = roles.experiment_columns(frame.columns)
    if experiments and "hemisphere_id" not in frame.columns:  # not a table of their signal
        join = ('.join_unionizes("Brain - Major Divisions")', "add the signal by structure")
        recognized = [f"experiments: {', '.join(map(repr, experiments))}"]
        found.append(Role(recognized, [join], methods("experiments")))
    neurons = roles.neuromorpho_columns(frame.columns)
    if neurons:
        found.append(_neuromorpho_table(neurons, methods))
    points = roles.point_columns(frame.columns)
    if points and not nodes:
        line = f"points: {', '.join(map(repr, points))}"
        call = f".sample(volume, columns={tuple(points)!r})"
        found.append(Role([line], [(call, "values of a volume (µm)")], methods("points")))
    if not found:
        found.append(_nothing(frame))
    return Description.of(f"table of {len(frame):,} rows, {frame.shape[1]} columns", found, frame)


def describe_index(index: pd.Index[Any], methods: Methods) -> Description:
    """Describe an index by its name, or by the names of its levels."""
    title = f"index {listing(map(repr, index.names))}, {len(index):,} rows"
    if not isinstance(index, pd.MultiIndex):
        described = describe_series(pd.Series(index, name=index.name), methods)
        return described._replace(title=title)
    roles_of = {
        SEGMENTS: _segments,
        STRUCTURES: _structures,
        EXPERIMENTS: _experiments,
        NEURONS: _neuromorpho,
        SUPERVOXELS: _supervoxels,
    }
    names = [name for name in index.names if name is not None]
    found = []
    for kind, role_of in roles_of.items():
        levels = kind.among(names)
        if len(levels) == 1:
            found.append(role_of(level_of(index, levels[0], kind), methods))
        elif levels:
            choice = " or ".join(f"level={name!r}" for name in levels)
            found.append(Role([], [], missing=[f"a choice of the level of {kind.what}: {choice}"]))
    if not found:
        calls = [(".edges(level=...)", "if a level contains segment IDs")]
        found.append(Role([], calls, missing=[f"no level of IDs is recognized among {listing(names)}"]))
    return Description.of(title, found)


def describe_array(array: Any, methods: Methods) -> Description:
    """Describe an array or a dataset: a matrix, a volume, and dimensions of IDs."""
    dims = ", ".join(f"{dim}: {size:,}" for dim, size in array.sizes.items())
    is_dataset = hasattr(array, "data_vars")
    found: list[Role] = []
    if not is_dataset and set(array.dims) == set(DIMS):
        of_volume = [
            (".plot.slices()", "slices with axes in µm"),
            (".at(points)", "values at points: columns ap, dv, lr or x, y, z (µm)"),
            (".structure_means(annotation)", "mean of each structure"),
        ]
        axes = "a volume: front to back, top to bottom, left to right"
        found.append(Role([axes], of_volume, methods("volume")))
    elif not is_dataset and roles.endpoint_columns(pd.Index([str(dim) for dim in array.dims])):
        found.append(_matrix(array, methods))
    segment_calls: list[tuple[str, str, str]] = [
        (".join_properties(", '"link_pre"', "add properties as coordinates"),
        (".edges(", "", "edge table: pre, post, weight"),
        (".partners(", "", "one row per partner, with its weight"),
    ]
    if str(get_option("source") or "").startswith("cave:"):
        segment_calls[0] = (".join_cave(", "table", "add columns of a CAVE table as coordinates")
    calls_of = {
        SEGMENTS: segment_calls,
        STRUCTURES: [
            (".join_structures(", '"acronym", "name"', "add names as coordinates"),
            (".aggregate(", '"Brain - Major Divisions", how="sum"', "sums over the parts of each"),
            (".rollup(", '"Brain - Major Divisions"', "add the division of each as a coordinate"),
        ],
        NEURONS: [
            (".join_neuromorpho(", '"species"', "add fields as coordinates"),
            (".join_morphometry(", '"length"', "add measurements as coordinates"),
        ],
    }
    for kind, calls in calls_of.items():
        names = kind.among(coordinate_names(array))
        if names:
            found.append(_dimension(array, kind, names, calls, methods))
    if not found:
        edges = "" if is_dataset else "edges ('pre', 'post'), of a volume ('ap', 'dv', 'lr') or of "
        lost = f"dims of {edges}IDs (such as 'root_id' or 'structure_id'); or name one: dim=..."
        found.append(Role([], [], missing=[lost]))
    word = "dataset" if is_dataset else "array"
    return Description.of(f"{word} ({dims})", found, array)


def _matrix(array: Any, methods: Methods) -> Role:
    pre, post = (str(dim) for dim in array.dims)
    calls = [(".to_edges()", "the edge table pre, post, weight")]
    stems = {str(name).removesuffix("_pre") for name, c in array.coords.items() if c.dims == (pre,)}
    stems &= {str(name).removesuffix("_post") for name, c in array.coords.items() if c.dims == (post,)}
    if stems:
        calls.append((f".collapse({min(stems)!r})", "synapses between groups"))
    join = f'.join_properties("size", dim={pre!r}, suffix="_pre")'
    calls.append((join, "add properties as coordinates"))
    return Role(["a matrix of edges"], calls, methods("matrix"))


def _dimension(
    array: Any,
    kind: Kind,
    names: Sequence[Any],
    calls: Iterable[tuple[str, str, str]],
    methods: Methods,
) -> Role:
    recognized, missing = [], []
    for name in names:
        if name not in array.coords:
            missing.append(f"a coordinate of the dimension {name!r}: .assign_coords({{{name!r}: ...}})")
            continue
        found = array.coords[name]
        where = "dimension" if found.dims == (name,) else f"along {found.dims[0]!r}:"
        recognized.append(f"{kind.what}: {where} {name!r} ({found.dtype})")
        if (
            name in array.indexes
            and found.dtype.kind == "f"
            and bool((abs(found) > MAX_EXACT_FLOAT).any())
        ):
            missing.append(f"digits of {name!r}: floats; assign exact IDs as int64 or str")
    choice = "" if len(names) == 1 else f"dim={names[0]!r}"
    if choice:
        missing.append(f"a choice of the coordinate of {kind.what}: {choice}")
    if kind is SEGMENTS:
        missing += _source_missing()
    shown = [
        (f"{call}{', '.join(filter(None, (arguments, choice)))})", gives)
        for call, arguments, gives in calls
    ]
    words = {SEGMENTS: ("segments", "cave"), STRUCTURES: ("structures",), NEURONS: ("neuromorpho",)}
    return Role(recognized, shown, [name for word in words[kind] for name in methods(word)], missing)


def describe_groups(groups: Any, methods: Methods) -> Description:
    """Describe a groupby."""
    calls = [
        (".edges(within=True)", "edges inside each group"),
        (".partners()", "partners of each group"),
        (".graph()", "a graph for each group"),
    ]
    return Description.of(f"{groups.ngroups:,} groups", [Role([], calls, methods("groups"))])


def _id_columns(frame: pd.DataFrame, *, alone: bool) -> list[Any]:
    """Return the columns of segment IDs; ``id`` only if no other role is recognized."""
    names = [name for name in roles.id_columns(frame) if alone or str(name).casefold() != "id"]
    with contextlib.suppress(MissingColumnsError, AmbiguousColumnError):
        if not names and alone:
            names = [roles.id_column(frame).name]  # the index
    return names


# -- the roles ---------------------------------------------------------------------------------------


def _segments(series: pd.Series[Any], methods: Methods) -> Role:
    recognized, missing = _id_column(series)
    if str(get_option("source") or "").startswith("cave:"):
        calls: Calls = [
            (".is_latest()", "which root IDs are current"),
            (".cave(table)", "columns of a table, one row per row"),
            (".edges()", "edge table: pre, post, weight"),
        ]
    else:
        calls = [
            ('.properties("link_pre")', "properties, one row per row"),
            (".edges()", "edge table: pre, post, weight"),
            (".partners()", "one row per partner, with its weight"),
        ]
    every = ("segments", "cave", "structures", "experiments", "neuromorpho")
    more = [name for role in every for name in methods(role)]
    return Role(recognized, calls, more, missing)


def _supervoxels(series: pd.Series[Any], methods: Methods) -> Role:
    calls = [(".roots()", "the root ID of each now, at a version or at a time")]
    return Role([_column("supervoxels", series)], calls, missing=_source_missing())


def _supervoxel_table(names: Sequence[Any], *, with_roots: bool) -> Role:
    on = "" if len(names) == 1 else f"on={names[0]!r}"
    calls = [(f".join_roots({on})", "add the root ID of each supervoxel")]
    if with_roots:
        choice = on.replace("on=", "supervoxels=")
        calls.append((f".update_roots({choice})", "replace root IDs that are stale, missing or 0"))
    recognized = [f"supervoxels: {', '.join(map(repr, names))}"]
    return Role(recognized, calls, missing=_source_missing())


def _source_missing() -> list[str]:
    return [_NO_SOURCE] if get_option("source") is None else []


def _structures(series: pd.Series[Any], methods: Methods) -> Role:
    calls = [
        ('.structures("acronym", "name")', "fields, one row per row"),
        ('.rollup("Brain - Major Divisions")', "the division of each"),
        ('.is_under("CTX")', "True where it is part of it"),
    ]
    return Role([_column("structures", series)], calls, methods("structures"))


def _experiments(series: pd.Series[Any], methods: Methods) -> Role:
    call = ('.unionizes("Brain - Major Divisions")', "the signal by structure")
    return Role([_column("experiments", series)], [call], methods("experiments"))


def _neuromorpho(series: pd.Series[Any], methods: Methods) -> Role:
    calls = [
        ('.neuromorpho("species", "cell_type")', "fields, one row per row"),
        ('.morphometry("length")', "measurements, one row per row"),
        (".swc()", "reconstructions as one table"),
    ]
    return Role([_column("neurons of NeuroMorpho.org", series)], calls, methods("neuromorpho"))


def _neurons(frame: pd.DataFrame, names: Sequence[Any], methods: Methods) -> Role:
    recognized: list[str] = []
    missing: list[str] = []
    for name in names:
        column = frame[name] if name in frame.columns else None
        if column is None:  # an index, or one of its levels
            column = pd.Series(frame.index.get_level_values(name or 0), name=name)
        if isinstance(column, pd.Series):
            lines, problems = _id_column(column)
            recognized += lines
            missing += [line for line in problems if line not in missing]
    if len(names) > len(set(names)):
        missing.append(f"different names for the {len(names)} columns {names[0]!r}")
    elif len(names) > 1:
        missing.append(f"a choice of the column of IDs: on={names[0]!r}")
    on, first = ("", "") if len(names) == 1 else (f"on={names[0]!r}", f", on={names[0]!r}")
    cave = str(get_option("source") or "").startswith("cave:")
    join = f".join_cave(table{first})" if cave else f'.join_properties("link_pre"{first})'
    calls = [
        (join, "add columns of a CAVE table" if cave else "add properties as columns"),
        (f".edges({on})", "edge table: pre, post, weight"),
        (f".partners({on})", "one row per partner, with its weight"),
    ]
    if len(names) > len(set(names)):
        calls = []
    return Role(recognized, calls, [*methods("segments"), *methods("cave")], missing)


def _structure_table(columns: Sequence[Any], methods: Methods) -> Role:
    on = "" if len(columns) == 1 else f", on={columns[0]!r}"
    calls = [
        (f'.join_structures("acronym", "name"{on})', "add names as columns"),
        (f".plot.bars({on[2:]})", "number of rows per structure, in the colors of the atlas"),
        (f".plot.tree({on[2:]})", "the structures in their tree"),
    ]
    lost = [f"a choice of the column of structures: {on[2:]}"] if on else []
    return Role([f"structures: {', '.join(map(repr, columns))}"], calls, methods("structures"), lost)


def _neuromorpho_table(neurons: Sequence[Any], methods: Methods) -> Role:
    calls = [
        ('.join_neuromorpho("species")', "add fields as columns"),
        ('.join_morphometry("length")', "add measurements as columns"),
    ]
    recognized = [f"neurons of NeuroMorpho.org: {', '.join(map(repr, neurons))}"]
    return Role(recognized, calls, methods("neuromorpho"))


def _reconstructions(frame: pd.DataFrame, methods: Methods) -> Role:
    count = frame["neuron"].nunique() if "neuron" in frame.columns else 1
    problems = facts(frame).get("problems", 0)
    calls = [
        (".plot.skeleton()", "a projection of the neurons"),
        (".morphology()", "counts and lengths of each neuron (µm)"),
        (".check()", f"list of problems ({problems:,})" if problems else "list of problems"),
    ]
    lost = [f"valid reconstructions: .check() lists {problems:,} problems"] if problems else []
    more = [*methods("nodes"), ".plot.dendrogram()", ".to_networkx()"]
    return Role([f"reconstructions: {count:,} neurons"], calls, more, lost)


def _edges(frame: pd.DataFrame, pairs: Sequence[tuple[Any, Any]], methods: Methods) -> Role:
    recognized = [f"edges: {pre!r} -> {post!r}" for pre, post in pairs]
    missing = []
    weights = roles.weight_columns(frame.columns)
    counts = [name for name in possible_counts(frame, pairs[0]) if not weights]
    if weights:
        recognized[0] += f", weight {weights[0]!r}"
    elif counts:
        missing.append(f"a column of weights: if {counts[0]!r} is it, .as_edges(weight={counts[0]!r})")
    else:
        missing.append("a column of weights: each row counts as one synapse")
    least = facts(frame).get("min_weight", 1)
    if isinstance(least, int) and least > 1:
        missing.append(f"pairs of fewer than {least:,} synapses")
    if len(pairs) > 1:
        missing.append("a choice of the pre- and postsynaptic columns")
    stems = [
        str(name)[: -len("_pre")]
        for name in frame.columns
        if str(name).endswith("_pre")
        and f"{str(name)[:-4]}_post" in frame.columns
        and name not in pairs[0]
    ]
    if pairs != [("pre", "post")]:
        ends = "" if len(pairs) == 1 else f"pre={pairs[0][0]!r}, post={pairs[0][1]!r}"
        calls: Calls = [(f".as_edges({ends})", "the edge table pre, post, weight")]
    elif stems:
        calls = [
            (f".collapse({stems[0]!r})", "synapses between groups"),
            (f".plot.matrix({stems[0]!r})", "the same as a figure"),
            (f".plot.fractions(group_by={stems[0]!r})", "partners of the input of each group"),
        ]
    else:
        calls = [
            (".annotate(neurons, columns)", "add types and sides to both ends"),
            (".fractions()", "each edge's share of the input"),
            (".to_networkx()", "a graph"),
        ]
    more = [*methods("edges"), ".plot.matrix()", ".plot.graph()"]
    return Role(recognized, calls, more, missing)


def _nothing(frame: pd.DataFrame) -> Role:
    names = [*roles.SEGMENT_NAMES, *roles.STRUCTURE_ID_NAMES, "neuron_id", "neuron_name", "pre", "post"]
    similar = [name for name in frame.columns if did_you_mean(name, names)]
    columns = listing(map(repr, frame.columns), 8) or "no columns"
    lost = [f"no segment IDs, edges, structures or neurons are recognized among {columns}"]
    on = repr(similar[0]) if similar else "..."
    calls = [
        (f".edges(on={on})", "if it contains segment IDs"),
        (f'.join_structures("acronym", on={on})', "if it contains Allen structures"),
        (".as_edges(pre=..., post=...)", "if the table contains edges"),
    ]
    return Role([], calls, missing=lost)


def _id_column(column: pd.Series[Any]) -> tuple[list[str], list[str]]:
    lost = []
    if types.is_float_dtype(column.dtype) and (column.abs() > MAX_EXACT_FLOAT).any():
        lost.append(f"digits of {column.name!r}: floats; read the file again with dtype=str")
    elif types.is_integer_dtype(column.dtype):
        numbers, _, _ = convert(column)
        hint = rounding_hint(numbers)
        if hint:
            lost.append(f"exact IDs in {column.name!r}: {hint[0].lower()}{hint[1:].rstrip('.')}")
    lost += _source_missing()
    return [_column("segment IDs", column)], lost


def _column(role: str, column: pd.Series[Any]) -> str:
    count = int(column.isna().sum())
    return f"{role}: {column.name!r} ({column.dtype}{f', {count:,} missing' if count else ''})"


def _wrapped(head: str, names: Iterable[str], width: int = 100) -> list[str]:
    lines: list[str] = []
    for name in names:
        if lines and len(lines[-1]) + len(name) < width:
            lines[-1] += f" {name}"
        else:
            lines.append((" " * len(head) if lines else head) + name)
    return lines
