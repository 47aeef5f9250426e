"""Run the notebook "First look" in JupyterLab, in Chromium, and check what a reader sees.

python docs/check_notebook.py [--pictures FOLDER]

The checks: all cells run, progress is one line, nothing is in a red box, tab completion lists methods,
the tooltip lists parameters, and the output is legible in the light and the dark theme. Without
Chromium, they are skipped and counted.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import check_browser

NOTEBOOK = Path(__file__).parent / "first_look.ipynb"
CHECKS = ("cells", "progress", "completion", "tooltip", "light", "dark")
#: Seconds to wait for anything, also on a busy machine.
_PATIENCE = 600
#: Number of times that a key is pressed until its box appears.
_TRIES = 30
_THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
_OPENED = """() => {
  const kernel = window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel;
  return kernel?.status === "idle";
}"""
_RUN = """command => {
  window.done = false;
  jupyterapp.commands.execute(...command).then(() => { window.done = true; });
}"""
_DONE = "() => window.done"
_CELLS = "() => jupyterapp.shell.currentWidget.content.model.toJSON().cells"
_RAN = "() => jupyterapp.shell.currentWidget.content.model.toJSON().cells.at(-1).execution_count"
_SHOW = "place => jupyterapp.shell.currentWidget.content.scrollToItem(place, 'start')"
_LEGIBLE = (NOTEBOOK.parent / "check_notebook.js").read_text("utf-8")


@contextmanager
def jupyterlab(folder: Path) -> Iterator[str]:
    """Start JupyterLab with an empty home folder, and give its address."""
    own = {"HOME": folder / "home", "JUPYTER_RUNTIME_DIR": folder / "runtime"}
    own |= {"PYTHONPATH": NOTEBOOK.parents[1], "PDNEURO_CACHE_DIR": folder / "cache"}
    options = ["--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1", "--ServerApp.port=0"]
    options += ["--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True"]
    options += ["--LabApp.expose_app_in_browser=True", f"--ServerApp.root_dir={folder / 'work'}"]
    options += ["--LabApp.news_url=None"]
    options += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    with (folder / "log.txt").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options],
            env=os.environ | {name: str(path) for name, path in own.items()},
            stdout=log,
            stderr=log,
        )
    try:
        until = time.monotonic() + _PATIENCE
        while not (found := re.search(r"http://127[.\d]+:\d+/", (folder / "log.txt").read_text())):
            if server.poll() is not None or time.monotonic() > until:
                raise RuntimeError((folder / "log.txt").read_text())
            time.sleep(0.2)
        yield found[0]
    finally:
        server.terminate()  # with its kernels
        server.wait(_PATIENCE)


def execute(page: Any, command: str, **arguments: Any) -> None:
    """Execute a command of JupyterLab, and wait for its end."""
    page.evaluate(_RUN, [command, arguments])
    page.wait_for_function(_DONE)


def of_outputs(cells: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the problems of the cells that were run."""
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    kinds = [output["output_type"] for output in outputs]
    if kinds.count("error") != 1:  # the one that the notebook explains
        yield f"cells: {kinds.count('error')} errors instead of 1"
    if any(output.get("name") == "stderr" for output in outputs):
        yield "cells: a red box"
    texts = [output["data"] for output in outputs if "data" in output]
    lines = ["".join(data["text/plain"]) for data in texts if data.keys() == {"text/plain"}]
    bars = [line for line in lines if "from the cache" in line]
    if len(bars) != 1 or "\n" in bars[0] or "0 from the cache, 3,000 downloaded" not in bars[0]:
        yield f"progress: {bars}"


def of_help(page: Any) -> Iterator[str]:
    """Yield the problems of tab completion and of the tooltip."""
    from playwright import sync_api

    for check, text, key, box, word in (
        ("completion", "neurons.neuro.", "Tab", ".jp-Completer", "join_properties"),
        ("tooltip", "neurons.neuro.edges(", "Shift+Tab", ".jp-Tooltip", "min_weight"),
    ):
        execute(page, "notebook:insert-cell-below")
        execute(page, "notebook:enter-edit-mode")
        page.keyboard.insert_text(text)
        found = page.locator(box, has_text=word)
        for _ in range(_TRIES):
            # JupyterLab drops a list that takes longer than a second; the next one is faster.
            page.keyboard.press(key)
            with suppress(sync_api.TimeoutError):
                found.wait_for(timeout=_PATIENCE / _TRIES * 1000)
                break
        else:
            yield f"{check}: {word!r} is not in the box"
        page.keyboard.press("Escape")


def of_themes(page: Any, cells: list[dict[str, Any]], pictures: Path | None) -> Iterator[str]:
    """Yield the texts of the accessor's repr that are too pale, in each theme."""
    sources = ["".join(cell["source"]) for cell in cells]
    place = sources.index("neurons.neuro")
    for theme, name in _THEMES.items():
        execute(page, "apputils:change-theme", theme=name)
        page.evaluate(_SHOW, place)
        page.wait_for_function(_LEGIBLE, arg=[theme, place])
        problem = page.evaluate(_LEGIBLE, [theme, place])
        if problem != "legible":
            yield f"{theme}: {problem}"
        if pictures:
            page.screenshot(path=pictures / f"first_look-{theme}.png")


def problems(chromium: str, pictures: Path | None) -> list[str]:
    """Return the problems of the notebook."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory(prefix="pdneuro-jupyterlab-") as name:
        folder = Path(name)
        (folder / "work").mkdir()
        shutil.copy(NOTEBOOK, folder / "work")
        with jupyterlab(folder) as address, sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=chromium)
            page = browser.new_page(viewport={"width": 1400, "height": 1000})
            page.set_default_timeout(_PATIENCE * 1000)
            page.goto(f"{address}lab/tree/{NOTEBOOK.name}")
            page.wait_for_function(_OPENED)
            execute(page, "notebook:run-all-cells")
            page.wait_for_function(_RAN)
            cells = page.evaluate(_CELLS)
            found = [*of_outputs(cells), *of_help(page), *of_themes(page, cells, pictures)]
            browser.close()
    return found


def main() -> int:
    """Print the problems, then the numbers of checks, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pictures", type=Path, help="folder for a picture of each theme")
    options = parser.parse_args()
    chromium = check_browser.find_browser()
    if chromium is None:
        print("Chromium is not installed, and only root can install it: the notebook was not opened.")
        print(f"0 passed, 0 failed, {len(CHECKS)} skipped")
        return 0
    found = problems(chromium, options.pictures)
    print(*found, sep="\n", end="\n" if found else "")
    failed = len({problem.partition(": ")[0] for problem in found})
    print(f"{len(CHECKS) - failed} passed, {failed} failed")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
