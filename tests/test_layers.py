"""Which folder may import which, and how light the import is."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import pdneuro

PACKAGE = Path(pdneuro.__file__).parent
SERVICES = {"allen", "braincircuits", "cave", "neuprint", "neuromorpho"}
#: Layer -> layers that it may import.
BELOW = {"options", "errors", "_atomic", "_compat", "_docs", "_version"}
LAYERS = {
    "errors": set(),
    "_version": set(),
    "_atomic": set(),
    "_docs": set(),
    "_compat": {"errors"},
    "options": {"errors"},
    "files": {"errors", "options", "_atomic", "_compat", "tables", "transport"},
    "tracebacks": {"errors", "options"},
    "versions": {"_version"},
    "mypy": set(),
    "first_use": set(),
    "tables": BELOW,
    "transport": BELOW | {"tracebacks"},
    "sources": BELOW | {"files", "tables"},
    "connectome": BELOW | {"citations", "graphs", "sources", "files", "tables", "transport"},
    "graphs": BELOW | {"tables"},
    **{service: BELOW | {"sources", "transport", "tables"} for service in SERVICES},
    "neuromorpho": BELOW | {"files", "transport", "tables"},
    "queries": BELOW | {"allen", "cave", "graphs", "neuromorpho", "sources", "tables", "transport"},
    "checks": BELOW | SERVICES | {"tables", "transport"},
    "citations": BELOW | {"neuromorpho", "tables"},
    "names": BELOW | SERVICES | {"sources", "tables", "transport"},
    "neuroglancer": BELOW | {"plots", "tables"},
    "plots": BELOW | {"graphs", "queries", "tables"},
    "dask": BELOW
    | {"accessors", "citations", "graphs", "neuroglancer", "neuromorpho", "queries"}
    | {"sources", "tables", "transport"},
    "accessors": BELOW
    | {"citations", "files", "first_use", "graphs", "neuroglancer", "plots", "queries", "tables"},
    "sandbox": BELOW | {"connectome", "files", "tables", "transport"},
}


def imported(path: Path) -> set[str]:
    """Rooms of pdneuro that a module imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "pdneuro":
            rest = node.module.split(".")[1:]
            found |= {rest[0]} if rest else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("pdneuro.")}
    return found


@pytest.mark.parametrize("room", sorted(LAYERS))
def test_no_layer_imports_upwards(room: str) -> None:
    place = PACKAGE / room
    files = place.rglob("*.py") if place.is_dir() else [place.with_suffix(".py")]
    for file in files:
        assert imported(file) <= LAYERS[room] | {room}, file


def test_every_room_has_its_layer() -> None:
    top = {"__init__", "__main__", "cli"}
    rooms = {p.stem for p in PACKAGE.glob("*.py")} | {
        p.parent.name for p in PACKAGE.glob("*/__init__.py")
    }
    assert rooms - top == set(LAYERS)


def test_optional_packages_are_imported_where_they_are_used() -> None:
    for file in set(PACKAGE.rglob("*.py")) - set((PACKAGE / "dask").iterdir()):
        for node in ast.parse(file.read_text()).body:
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert name.split(".")[0] not in {
                    "networkx",
                    "pyarrow",
                    "scipy",
                    "igraph",
                    "matplotlib",
                    "dask",
                    "distributed",
                    "caveclient",
                    "nrrd",
                }


@pytest.mark.parametrize(
    ("arguments", "needs_pandas"),
    [
        (["-m", "pdneuro", "--version"], False),
        (["-c", "import sys; sys.argv = ['/bin/pdneuro']; import pdneuro"], False),
        (["-c", "import sys; sys.argv = ['/bin/other']; import pdneuro"], True),
        (["-c", "import pdneuro"], True),
    ],
    ids=["module", "command", "another command", "import"],
)
def test_the_command_line_starts_without_pandas(arguments: list[str], needs_pandas: bool) -> None:
    command = [sys.executable, "-X", "importtime", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "pdneuro" in imported
    assert ("pandas" in imported) == needs_pandas


def test_import_is_light() -> None:
    """As light as pandas_flavor: nothing of the network, graphs or extras is loaded, and no method."""
    script = (
        "import sys, pandas_flavor; before = set(sys.modules); import pdneuro; "
        "print(*set(sys.modules) - before)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    modules = set(done.stdout.split())
    loaded = {module.split(".")[0] for module in modules}
    assert not modules & {"pdneuro.accessors", "pdneuro.tables", "pdneuro.queries"}
    heavy = {
        "requests",
        "requests_cache",
        "networkx",
        "msgspec",
        "tqdm",
        "sqlite3",
        "platformdirs",
        "http",
        "pyarrow",
        "scipy",
        "igraph",
        "dask",
    }
    assert not loaded & heavy
    assert "pdneuro" in loaded


USES = {
    "object": "pd.Series([5]).neuro.ids().tolist() == [5]",
    "array": "'neuro' in repr(xr.DataArray([5], dims='root_id').neuro)",
    "class": "'pair' in pd.DataFrame.neuro.collapse.__doc__",
}


@pytest.mark.parametrize("use", USES)
def test_the_first_use_of_an_accessor_imports_its_methods(use: str) -> None:
    script = (
        "import pandas as pd, xarray as xr, pdneuro, warnings; warnings.simplefilter('error'); "
        f"assert {USES[use]}; assert pd.Index.neuro is pdneuro.accessors.IndexNeuro"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("name", ["payload.quote", "sdk.RmaApi"])
def test_a_module_in_an_example_needs_no_import_of_its_own(name: str) -> None:
    script = f"import pdneuro; assert callable(pdneuro.allen.{name})"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_design_page_lists_every_folder_and_module() -> None:
    page = Path(__file__).parents[1] / "docs" / "design.md"
    tree = page.read_text("utf-8").partition("```text")[2].partition("```")[0].splitlines()[2:]
    listed = {
        line.split()[0].removesuffix("/").removesuffix(".py"): line.split(None, 1)[1] for line in tree
    }
    assert set(listed) == set(LAYERS) | {"__init__", "cli"}
    assert all(listed.values())


#: Names that two folders share because both hold the same thing at two layers.
SHARED_NAMES = {
    "edges", "structures", "neuromorpho", "cave", "properties", "cache", "volumes", "skeletons", "swc", "queries",
    "payload", "send", "parse", "source", "__init__",
}  # fmt: skip


def test_a_module_name_is_used_once() -> None:
    names = [path.stem for path in PACKAGE.rglob("*.py") if "sandbox" not in path.parts]
    repeated = {name for name in names if names.count(name) > 1}
    assert repeated <= SHARED_NAMES


def test_the_core_does_not_use_the_compatibility_classes() -> None:
    classes = {path for room in ("api", "sdk") for path in (PACKAGE / "allen" / room).rglob("*.py")}
    for path in set(PACKAGE.rglob("*.py")) - classes:
        assert (
            path == PACKAGE / "allen" / "__init__.py" or "pdneuro.allen.api" not in path.read_text()
        ), path


def imported_names(path: Path) -> set[str]:
    """Return modules, and names in modules, that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_requests_and_parsers_can_be_tested_without_a_server(service: str) -> None:
    """Payloads are built without pandas and network, responses are read without network."""
    forbidden = {"payload": {"pandas", "requests", "caveclient"}, "parse": {"requests", "caveclient"}}
    assert (PACKAGE / service / "send.py").exists()
    for module, packages in forbidden.items():
        names = imported_names(PACKAGE / service / f"{module}.py")
        assert not {name.split(".")[0] for name in names} & packages
        assert f"pdneuro.{service}.send" not in names
        clients = {"Client", "Server", "server_for"}
        assert not {f"pdneuro.transport.http.{name}" for name in clients} & names


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_only_send_has_a_client(service: str) -> None:
    folder = PACKAGE / service
    found = {
        str(path.relative_to(folder))
        for path in folder.rglob("*.py")
        if {"requests", "pdneuro.transport.http.Client"} & imported_names(path)
    }
    assert found == {"send.py"}
