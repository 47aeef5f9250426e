"""Run allensdk's own tests of these classes with the classes of pdneuro, and list the result.

``python suite.py WHEEL``: the tests are taken from the wheel of allensdk, into a temporary folder.
A test that fails and is not excused makes the run fail, and so does an excuse for a test that passes.
"""

from __future__ import annotations

import fnmatch
import os
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

#: Files with tests of these classes, below ``allensdk/test``.
FILES = {
    "api": (
        "annotated_section_data_set_api api biophysical_api cache cacheable cell_types_api file_download glif_api "
        "grid_data_api image_download_api mouse_connectivity_api ontologies_api pager reference_space_api rma_template "
        "svg_api synchronization_api tree_search_api"
    ),
    "core": (
        "cell_types_cache_unit mouse_connectivity_cache mouse_connectivity_notebook reference_space "
        "reference_space_cache reference_space_notebook simple_tree structure_tree"
    ),
}
#: Folder with the responses that these tests read.
DATA = "allensdk/test/api/response_test_data/"
PATCHES = "replaces functions that pdneuro does not call: "
#: Why a test may fail, by its name; ``*`` matches any parameters.
EXCUSED = {
    "test_api.py::test_failed_download": "expects an error of requests from the real network",
    "test_api.py::test_request_timeout": f"{PATCHES}requests.get, open, os.remove",
    "test_api.py::test_do_query_post": "post=True, which does not work in allensdk with Python 3",
    "test_api.py::test_stream_*": "internal functions of the download; pdneuro resumes downloads",
    "test_cache.py::test_version_update": f"{PATCHES}ManifestBuilder",
    "test_cache.py::test_load_manifest": f"{PATCHES}ManifestBuilder",
    "test_cache.py::test_wrap_*": f"{PATCHES}json_utilities, pandas.io.json",
    "test_cacheable.py::test_*csv*": f"{PATCHES}csv, open, pandas.read_csv",
    "test_cacheable.py::test_cacheable_json": f"{PATCHES}json_utilities",
    "test_cacheable.py::test_cacheable_json_dataframe": f"{PATCHES}json_utilities, pandas.io.json",
    "test_cacheable.py::test_excpt": f"{PATCHES}json_utilities",
    "test_cell_types_api.py::test_list_cells_unmocked": "needs the real service",
    "test_file_download.py::test_file_download_lazy[[]True]": f"{PATCHES}os.path.exists",
    "test_glif_api.py::*": "needs the real service",
    "test_image_download_api.py::test_get_section_image_ranges_as_list": f"{PATCHES}template_query",
    "test_image_download_api.py::test_api_doc_url_download_projection_image_view_exception": (
        "compares the text of an error"
    ),
    "test_reference_space_api.py::test_download_mouse_atlas_volume": f"{PATCHES}sitk_utilities",
    "test_reference_space_api.py::test_download_structure_mesh": f"{PATCHES}obj_utilities",
    "test_pager.py*": "RmaPager is left out; pdneuro fetches all pages",
    "test_rma_template.py::test_structures_by_graph_names": "RmaTemplate; pdneuro encodes + within quotes",
    "test_rma_template.py::test_atlases_table*": "RmaTemplate; the include of the test has an open bracket",
    "test_mouse_connectivity_notebook.py::*": "needs the real service",
    "test_reference_space_notebook.py::*": "needs the real service",
    "test_reference_space_cache.py::test_get_structure_mesh": "meshes are left out",
    "test_mouse_connectivity_cache.py::test_get_deformation_field": "deformation fields are left out",
    "test_mouse_connectivity_cache.py::test_get_projection_matrix": f"{PATCHES}its own methods",
    "test_cell_types_cache_unit.py::test_sweep_data*": "NWB files are left out",
    "test_cell_types_cache_unit.py::test_build_manifest": f"{PATCHES}ManifestBuilder",
    "test_cell_types_cache_unit.py::test_get_*": f"{PATCHES}json_utilities, pandas.read_csv, swc, os.path.exists",
}


def main(wheel: str) -> int:
    """Run the tests, print the result, and return 1 if a test fails that is not excused."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with zipfile.ZipFile(wheel) as archive:
            for part, names in FILES.items():
                for each in names.split():
                    content = archive.read(f"allensdk/test/{part}/test_{each}.py")
                    (folder / f"test_{each}.py").write_bytes(content)
            for member in archive.namelist():
                if member.startswith(DATA) and not member.endswith("/"):
                    target = folder / "response_test_data" / member.removeprefix(DATA)
                    target.parent.mkdir(exist_ok=True)
                    target.write_bytes(archive.read(member))
        (folder / "pytest.ini").write_text("[pytest]\n")
        options = "-q -p shim -p no:cacheprovider -p no:randomly -p no:warnings --tb=no --continue-on-collection-errors"
        places = [str(Path(__file__).parent), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, places)),
            "HOME": name,
            "PDNEURO_CACHE_DIR": f"{name}/cache",
        }
        command = [
            sys.executable,
            "-m",
            "pytest",
            *options.split(),
            "--junitxml=result.xml",
            f"--basetemp={name}/files",
        ]
        subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, check=False)
        cases = list(ElementTree.parse(folder / "result.xml").iter("testcase"))
    return report(cases)


def report(cases: list[ElementTree.Element]) -> int:
    """Print the result of each test, and return 1 if one fails that is not excused."""
    states: Counter[str] = Counter()
    used: set[str] = set()
    for case in cases:
        file, test = case.get("classname", ""), case.get("name", "")
        name = f"{file}.py::{test}" if file else f"{test}.py"
        broken = [part for part in case if part.tag in ("failure", "error")]
        skipped = [part for part in case if part.tag == "skipped"]
        reason = next(
            (why for pattern, why in EXCUSED.items() if fnmatch.fnmatchcase(name, pattern)), None
        )
        used |= {pattern for pattern in EXCUSED if broken and fnmatch.fnmatchcase(name, pattern)}
        state = "skipped" if skipped else "passed" if not broken else "excused" if reason else "FAILED"
        states[state] += 1
        if state in ("excused", "FAILED"):
            detail = reason or (broken[0].get("message") or "").splitlines()[0][:150]
            print(f"{state:8} {name}: {detail}")
    unused = sorted(EXCUSED.keys() - used)
    if unused:
        print("No test needs these excuses:", *unused, sep="\n  ")
    print(f"{len(cases)} tests: {', '.join(f'{count} {state}' for state, count in states.items())}")
    return int(bool(states["FAILED"] or unused))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
