"""The pages of the reference, written from the accessors and functions themselves."""

from __future__ import annotations

import importlib
import inspect
import textwrap
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pdneuro import accessors

#: Page, the object that carries the accessor, the class of its methods, and what it is.
ACCESSORS = (
    ("series", "pandas.Series.neuro", accessors.SeriesNeuro, "Series.neuro: a column of IDs or names"),
    ("dataframe", "pandas.DataFrame.neuro", accessors.DataFrameNeuro, "DataFrame.neuro: a table, edges"),
    ("groupby", None, accessors.GroupByNeuro, "groupby(...).neuro: each group"),
    ("dataarray", "xarray.DataArray.neuro", accessors.DataArrayNeuro, "DataArray.neuro: matrix, volume"),
)  # fmt: skip
PICTURES = {
    accessors.SeriesNeuro: accessors.SeriesPlots,
    accessors.DataFrameNeuro: accessors.FramePlots,
    accessors.DataArrayNeuro: accessors.ArrayPlots,
}
#: Modules of plain functions and classes, and what they are for.
MODULES = {
    "pdneuro": "Options, sources, reports",
    "pdneuro.queries.properties": "Properties of segments",
    "pdneuro.queries.edges": "Edges, partners and graphs of segments",
    "pdneuro.queries.groups": "Edges, partners and graphs of groups",
    "pdneuro.queries.structures": "Allen structures",
    "pdneuro.queries.neuromorpho": "Neurons of NeuroMorpho.org",
    "pdneuro.queries.cave": "CAVE tables, synapses and root IDs",
    "pdneuro.tables": "Functions on frames",
    "pdneuro.graphs": "Functions from edge tables to graphs and matrices",
    "pdneuro.plots": "Pictures",
    "pdneuro.neuroglancer": "Links to Neuroglancer",
    "pdneuro.citations": "Provenance and citations",
    "pdneuro.allen": "The Allen Brain Atlas",
    "pdneuro.neuromorpho": "NeuroMorpho.org",
    "pdneuro.files": "Tables and reconstructions from files, and back",
    "pdneuro.transport.cache": "Stored answers: pdneuro.cache",
    "pdneuro.transport.tokens": "Tokens: pdneuro.tokens",
    "pdneuro.sandbox": "The services on this machine",
    "pdneuro.cli": "The command line",
    "pdneuro.errors": "Errors and warnings",
}


def write(folder: Path) -> None:
    """Write all pages; those that are the same already stay as they are."""
    folder.mkdir(exist_ok=True)
    pages = {name: _accessor(*rest) for name, *rest in ACCESSORS}
    pages |= {module.replace(".", "_"): _module(module, title) for module, title in MODULES.items()}
    pages["index"] = _index(list(pages))
    for name, text in pages.items():
        file = folder / f"{name}.rst"
        if not file.exists() or file.read_text("utf-8") != text:
            file.write_text(text, "utf-8")
    for file in folder.glob("*.rst"):
        if file.stem not in pages:
            file.unlink()


def find(app: Any, env: Any, node: Any, content: Any) -> Any:
    """Return the function that a docstring names without its module."""
    from sphinx.util.nodes import make_refnode

    name = node.get("reftarget", "")
    domain = env.get_domain("py")
    for module in MODULES:
        if node.get("refdomain") == "py" and f"{module}.{name}" in domain.objects:
            full = f"{module}.{name}"
            found = domain.objects[full]
            place = (app.builder, node["refdoc"], found.docname, found.node_id, content, full)
            return make_refnode(*place)
    return None


def _index(pages: list[str]) -> str:
    accessors, modules = pages[: len(ACCESSORS)], pages[len(ACCESSORS) :]
    return (
        f"{_title('Reference')}\n"
        "Every method of an accessor is a plain function with the same arguments: the accessor is for\n"
        "notebooks, the function for programs. Examples run on the sandbox.\n\n"
        f"{_toctree('Accessors', accessors)}\n{_toctree('Functions', modules)}"
    )


def _toctree(caption: str, pages: list[str]) -> str:
    listed = "\n".join(f"   {page}" for page in pages)
    return f".. toctree::\n   :maxdepth: 1\n   :caption: {caption}\n\n{listed}\n"


def _title(text: str, line: str = "=") -> str:
    return f"{text}\n{line * len(text)}\n"


def _accessor(path: str | None, accessor: type, title: str) -> str:
    parts = [_title(title), f"{inspect.getdoc(accessor)}\n"]
    if path is None:  # a groupby's accessor hangs on an object, not on a class that can be named
        return "\n".join(
            [*parts, f".. autoclass:: {accessor.__module__}.{accessor.__name__}\n   :members:\n"]
        )
    for name, member in _members(accessor):
        if name != "plot":
            kind = "attribute" if isinstance(member, property) else "method"
            parts.append(f".. autoaccessor{kind}:: {path}.{name}\n")
    parts.append(_title("Pictures", "-"))
    for name, member in _members(PICTURES[accessor]):
        module = member.__module__.rpartition(".")[0]
        first = (inspect.getdoc(member) or "").splitlines()[0]
        parts.append(f":func:`.neuro.plot.{name}(...) <{module}.{name}>`\n   {first}\n")
    return "\n".join(parts)


def _members(owner: type) -> Iterator[tuple[str, Any]]:
    for cls in owner.__mro__[:-1]:
        for name, member in vars(cls).items():
            if not name.startswith("_"):
                yield name, member


def public(module: Any) -> dict[str, Any]:
    """Return the public names of a module: ``__all__``, or all functions and classes that it defines."""
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
