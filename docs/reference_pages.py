"""Write the reference pages from the docstrings: one page per accessor method and per module."""

from __future__ import annotations

import importlib
import inspect
import textwrap
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pdneuro import accessors
from pdneuro.names import known_names

#: Page, path of the accessor (None: it has no path), class of its methods, title.
ACCESSORS = (
    ("series", "pandas.Series.neuro", accessors.SeriesNeuro, "Series.neuro: a column of IDs"),
    ("dataframe", "pandas.DataFrame.neuro", accessors.DataFrameNeuro, "DataFrame.neuro: a table"),
    ("groupby", None, accessors.GroupByNeuro, "groupby(...).neuro: groups of a table"),
    ("pandas_index", "pandas.Index.neuro", accessors.IndexNeuro, "Index.neuro: an index of IDs"),
    ("dataarray", "xarray.DataArray.neuro", accessors.DataArrayNeuro, "DataArray.neuro: an array"),
    ("dataset", "xarray.Dataset.neuro", accessors.DatasetNeuro, "Dataset.neuro: several arrays"),
)  # fmt: skip
PICTURES = {
    accessors.SeriesNeuro: accessors.SeriesPlots,
    accessors.DataFrameNeuro: accessors.FramePlots,
    accessors.DataArrayNeuro: accessors.ArrayPlots,
}
#: Heading of the methods of each role.
TASKS = {
    "segments": "Segment IDs",
    "cave": "Root IDs of CAVE",
    "structures": "Allen structures",
    "experiments": "Tracer experiments",
    "neuromorpho": "Neurons of NeuroMorpho.org",
    "edges": "Edge tables",
    "nodes": "Node tables",
    "points": "Points",
    "matrix": "Matrices of edges",
    "volume": "Volumes",
    None: "More",
}
#: Modules of plain functions and classes, with a short description.
MODULES = {
    "pdneuro": "Options, sources and reports",
    "pdneuro.queries.properties": "Properties of segments",
    "pdneuro.queries.edges": "Edges, partners and graphs of segments",
    "pdneuro.queries.find": "Find neurons by type and other fields (pdneuro.find)",
    "pdneuro.queries.groups": "Edges, partners and graphs of groups",
    "pdneuro.queries.structures": "Allen structures",
    "pdneuro.queries.experiments": "Tracer experiments of the Allen Brain Atlas",
    "pdneuro.queries.neuromorpho": "Neurons of NeuroMorpho.org",
    "pdneuro.queries.cave": "CAVE tables, synapses and root IDs",
    "pdneuro.queries.supervoxels": "Root IDs of supervoxels",
    "pdneuro.queries.dimensions": "IDs along a dimension of an array",
    "pdneuro.tables": "Functions for DataFrames",
    "pdneuro.graphs": "Graphs and matrices from edge tables",
    "pdneuro.plots": "Pictures",
    "pdneuro.neuroglancer": "Links to Neuroglancer",
    "pdneuro.citations": "Provenance and citations",
    "pdneuro.allen": "The Allen Brain Atlas",
    "pdneuro.allen.sdk": "The classes of allensdk with its return values",
    "pdneuro.neuromorpho": "NeuroMorpho.org",
    "pdneuro.files": "Read and write tables and reconstructions",
    "pdneuro.transport.cache": "The cache (pdneuro.cache)",
    "pdneuro.transport.tokens": "Tokens (pdneuro.tokens)",
    "pdneuro.sandbox": "The sandbox: a local server with synthetic data",
    "pdneuro.cli": "The command line",
    "pdneuro.errors": "Errors and warnings",
}

#: Title of the table of each service and kind of name, on the page of names.
NAMES = {
    ("braincircuits", "project"): "Projects of BrainCircuits.io",
    ("braincircuits", "property"): "Properties of BrainCircuits.io",
    ("cave", "datastack"): "Datastacks of CAVE",
    ("neuprint", "dataset"): "Data sets of neuPrint",
    ("neuprint", "property"): "Properties of neuPrint",
    ("allen", "field"): "Fields of Allen structures",
    ("neuromorpho", "field"): "Fields of NeuroMorpho.org",
    ("neuromorpho", "measurement"): "Measurements of NeuroMorpho.org",
}
#: How to use a name.
USES = {
    "project": 'Use: ``source="fruitfly_fafb_flywire"``, or ``pdneuro.set_options(source=...)``.',
    "property": 'Use: ``.neuro.join_properties("link_pre")``.',
    "datastack": 'Use: ``source="cave:minnie65_public"``; at a version ``"cave:minnie65_public@1300"``.',
    "dataset": 'Use: ``source="neuprint:hemibrain:v1.2.1"``.',
    "allen": 'Use: ``.neuro.join_structures("name")``.',
    "field": 'Use: ``.neuro.join_neuromorpho("species")``. Values without a unit are unchanged.',
    "measurement": 'Use: ``.neuro.join_morphometry("length")``.',
}
_TABLES_OF_CAVE = """Tables and columns
------------------

With a CAVE datastack, a property is the name of a table or view: ``.neuro.join_cave("nuclei")``. The
tables depend on the datastack and the version; ``pdneuro.catalog("cave:minnie65_public")`` lists them
with their rows, schemas and notices. If a name is unknown, the error lists similar names.

With a file of edges as the source, a property is a column of its table of neurons.
"""


def write(folder: Path) -> None:
    """Write all pages; leave unchanged files alone."""
    folder.mkdir(exist_ok=True)
    pages = {"index": _index(), "names": _names()}
    for accessor in ACCESSORS:
        pages |= _accessor(*accessor)
    pages |= {module.replace(".", "_"): _module(module, title) for module, title in MODULES.items()}
    for name, text in pages.items():
        file = folder / f"{name}.rst"
        if not file.exists() or file.read_text("utf-8") != text:
            file.write_text(text, "utf-8")
    for file in folder.glob("*.rst"):
        if file.stem not in pages:
            file.unlink()


def _names() -> str:
    """Return the page of all known names: one table per service and kind."""
    table = known_names()
    parts = [
        _title("Names: properties, projects and datastacks"),
        "These are the names that pdneuro knows. A service can have more; pdneuro sends other names\n"
        "unchanged. :func:`pdneuro.known_names` returns this table.\n",
    ]
    for (service, kind), title in NAMES.items():
        rows = table[(table["service"] == service) & (table["kind"] == kind)]
        lines = [".. list-table::", "   :widths: 35 65", "   :header-rows: 1", ""]
        lines += ["   * - Name", "     - Description"]
        for name, text in zip(rows["name"], rows["description"], strict=True):
            lines += [f"   * - ``{name}``", f"     - {text}"]
        use = USES.get(service) or USES[kind]
        parts += [_title(title, "-"), f"{use}\n", "\n".join([*lines, ""])]
    return "\n".join([*parts, _TABLES_OF_CAVE])


def find(app: Any, env: Any, node: Any, content: Any) -> Any:
    """Return a link to a function that a docstring names without its module."""
    from sphinx.util.nodes import make_refnode

    name = node.get("reftarget", "")
    domain = env.get_domain("py")
    for module in MODULES:
        if node.get("refdomain") == "py" and f"{module}.{name}" in domain.objects:
            full = f"{module}.{name}"
            target = domain.objects[full]
            return make_refnode(
                app.builder, node["refdoc"], target.docname, target.node_id, content, full
            )
    return None


def _index() -> str:
    accessors = {page: title for page, _, _, title in ACCESSORS}
    modules = {name.replace(".", "_"): f"{name}: {title}" for name, title in MODULES.items()}
    return (
        f"{_title('Reference')}\n"
        "Every accessor method is also a plain function with the same parameters. Use the accessor in\n"
        "notebooks and the function in programs. All examples run on the sandbox.\n\n"
        "All known projects, datastacks, properties and fields: :doc:`names`.\n\n"
        f"{_list('Accessors', accessors)}\n{_list('Modules', modules)}\n"
        f"{_toctree(['names', *accessors, *modules])}"
    )


def _list(title: str, pages: dict[str, str]) -> str:
    items = []
    for page, text in pages.items():
        name, _, description = text.partition(": ")
        items.append(f"- :doc:`{name} <{page}>`: {description}")
    return "\n".join([_title(title, "-"), *items, ""])


def _toctree(pages: list[str]) -> str:
    listed = "\n".join(f"   {page}" for page in pages)
    return f".. toctree::\n   :maxdepth: 1\n   :hidden:\n\n{listed}\n"


def _title(text: str, line: str = "=") -> str:
    return f"{text}\n{line * len(text)}\n"


def _accessor(page: str, path: str | None, accessor: type, title: str) -> dict[str, str]:
    parts = [_title(title), f"{inspect.getdoc(accessor)}\n"]
    if path is None:  # there is no public class with this accessor that autodoc could name
        name = f"{accessor.__module__}.{accessor.__name__}"
        return {page: "\n".join([*parts, f".. autoclass:: {name}\n   :members:\n"])}
    methods = {}
    for role, heading in TASKS.items():
        rows = {}
        for name, member in _members(accessor):
            if _role_of(accessor, name) != role or name == "plot":
                continue
            kind = "attribute" if isinstance(member, property) else "method"
            full = f"{title.partition(':')[0]}.{name}"
            methods[f"{page}.{name}"] = f"{_title(full)}\n.. autoaccessor{kind}:: {path}.{name}\n"
            rows[f":doc:`.{name} <{page}.{name}>`"] = member
        parts += [_title(heading, "-"), _table(rows)] if rows else []
    if accessor in PICTURES:
        plots = {
            f":func:`.plot.{name} <{member.__module__.rpartition('.')[0]}.{name}>`": member
            for name, member in _members(PICTURES[accessor])
        }
        parts += [_title("Pictures", "-"), _table(plots)]
    parts += [_toctree(list(methods))]
    return {page: "\n".join(parts), **methods}


def _role_of(accessor: type, name: str) -> str | None:
    owner = next(cls for cls in accessor.__mro__ if name in vars(cls))
    return vars(owner).get("_role")


def _table(rows: dict[str, Any]) -> str:
    """Return a table with the first line of each docstring."""
    lines = [".. list-table::", "   :widths: 30 70", ""]
    for link, member in rows.items():
        lines += [f"   * - {link}", f"     - {(inspect.getdoc(member) or '').splitlines()[0]}"]
    return "\n".join([*lines, ""])


def _members(owner: type) -> Iterator[tuple[str, Any]]:
    for cls in owner.__mro__[:-1]:
        for name, member in vars(cls).items():
            if not name.startswith("_"):
                yield name, member


def public(module: Any) -> dict[str, Any]:
    """Return the public names of a module: its ``__all__``, or the names that it defines."""
    names = getattr(module, "__all__", None) or [
        item
        for item, member in vars(module).items()
        if not item.startswith("_") and getattr(member, "__module__", "") == module.__name__
    ]
    found = {item: getattr(module, item) for item in names}
    return {item: member for item, member in found.items() if not typing.is_typeddict(member)}


def _module(name: str, title: str) -> str:
    module = importlib.import_module(name)
    parts = [_title(f"{name}: {title}"), f"{textwrap.dedent(inspect.getdoc(module) or '')}\n"]
    for item, member in public(module).items():
        if inspect.isclass(member):
            error = issubclass(member, Exception)
            body = "   :show-inheritance:\n" if error else "   :members:\n   :inherited-members:\n"
            parts.append(f".. autoclass:: {name}.{item}\n{body}")
        elif callable(member):
            parts.append(f".. autofunction:: {name}.{item}\n")
    return "\n".join(parts)
