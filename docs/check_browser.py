"""Open the pages of the built site in Chromium and check what a reader sees.

python docs/check_browser.py docs/_build/html [--pages 10] [--pictures FOLDER] [--only PART]

Each page is opened in two widths and two themes. A page fails if its console has an error, if it is
wider than the window, if a picture is missing or has no description, if a link or an anchor is broken,
if text is too pale to read, or if the output of a cell shows a failure. Debian's package of Chromium is
installed if it is missing and the user is root. Elsewhere, all checks are skipped.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import check_site

WIDTHS, THEMES = (1400, 390), ("light", "dark")
#: Search terms, and the page that must be among the first results.
SEARCHES = {
    "heatmap": "gallery/matrix_types.html",
    "CSV": "howto/spreadsheets.html",
    "3D": "gallery/skeleton_planes.html",
    "unknown IDs": "howto/what_became_of_my_ids.html",
    "spreadsheet": "howto/spreadsheets.html",
    "Excel": "howto/spreadsheets.html",
    "token": "guide.html",
    "float": "howto/float_ids.html",
    "datastack": "reference/names.html",
    "offline": "howto/offline.html",
}
FIRST_RESULTS = 5
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_PACKAGES = ("chromium", "fonts-dejavu-core")

#: Milliseconds to wait for a page; pixels of the picture of a page.
_TIMEOUT, _PICTURE_HEIGHT = 120_000, 2400
_CHECK = Path(__file__).with_suffix(".js").read_text("utf-8")
_LINKS = "() => [...document.querySelectorAll('a[href]')].map(link => link.href)"
_FINISHED = "() => /found|match/i.test(document.querySelector('.search-summary')?.textContent)"
_RESULTS = "() => [...document.querySelectorAll('#search-results li > a')].map(link => link.href)"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Write no line per request."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine alone, and give its address."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


def find_browser() -> str | None:
    """Return the path of Chromium; install Debian's package if it is missing and the user is root."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found or not shutil.which("apt-get") or os.geteuid() != 0:
        return found
    quiet = {"stdout": subprocess.DEVNULL, "env": os.environ | {"DEBIAN_FRONTEND": "noninteractive"}}
    subprocess.run(["apt-get", "update", "-qq"], check=False, **quiet)
    subprocess.run(
        ["apt-get", "install", "-qq", "--no-install-recommends", *_PACKAGES], check=False, **quiet
    )
    return shutil.which("chromium")


def some(pages: list[str], count: int) -> list[str]:
    """Return the front page and further pages at equal distances, a third of them of the reference."""
    reference = [page for page in pages if page.startswith("reference/")]
    others = [page for page in pages if page != "index.html" and page not in reference]
    third = count // 3
    return ["index.html", *_spread(others, count - 1 - third), *_spread(reference, third)]


def _spread(pages: list[str], count: int) -> list[str]:
    return [pages[place * len(pages) // count] for place in range(count)]


def open_pages(
    browser: Any, address: str, folder: Path, pages: list[str], pictures: Path | None
) -> list[str]:
    """Return the problems of pages, in each width and theme."""
    problems: list[str] = []
    links: dict[str, set[str]] = {}
    for width in WIDTHS:
        context = browser.new_context(viewport={"width": width, "height": 900}, reduced_motion="reduce")
        context.set_default_timeout(_TIMEOUT)
        page = context.new_page()
        events: list[str] = []
        page.on("console", lambda said, to=events: said.type == "error" and to.append(said.text))
        page.on("pageerror", lambda error, to=events: to.append(str(error)))
        page.on(
            "request",
            lambda request, to=events: (
                request.url.startswith((address, "data:", "blob:"))
                or to.append(f"a request to another host: {request.url}")
            ),
        )
        for name in pages:
            events.clear()
            page.goto(address + name)
            for theme in THEMES:  # the site follows the setting of the system
                page.emulate_media(color_scheme=theme)
                found = [*(f"console: {event}" for event in events), *page.evaluate(_CHECK, theme)]
                problems += [f"{name} ({width} px, {theme}): {problem}" for problem in found]
                if pictures:
                    file = f"{name.replace('/', '.').removesuffix('.html')}-{width}-{theme}.png"
                    box = {"x": 0, "y": 0, "width": width, "height": _PICTURE_HEIGHT}
                    page.screenshot(path=pictures / file, full_page=True, clip=box)
            links.setdefault(name, set()).update(page.evaluate(_LINKS))
        context.close()
    return problems + broken(links, address, folder)


def broken(links: dict[str, set[str]], address: str, folder: Path) -> list[str]:
    """Return the links of pages, as the browser resolves them, that have no target."""

    @functools.cache
    def anchors(file: Path) -> set[str]:
        return check_site.Page(file).anchors

    problems = []
    for name, targets in links.items():
        for target in sorted(link for link in targets if link.startswith(address)):
            parts = urlsplit(target)
            file = folder / (unquote(parts.path).lstrip("/") or "index.html")
            anchor = unquote(parts.fragment)
            if not file.is_file():
                problems.append(f"{name}: broken link: {target.removeprefix(address)}")
            elif anchor and file.suffix == ".html" and anchor not in anchors(file):
                problems.append(f"{name}: broken anchor: {target.removeprefix(address)}")
    return problems


def search(browser: Any, address: str) -> list[str]:
    """Return the search terms that do not find their page."""
    page = browser.new_page()
    page.set_default_timeout(_TIMEOUT)
    problems = []
    for words, wanted in SEARCHES.items():
        page.goto(f"{address}search.html?q={words.replace(' ', '+')}")
        page.wait_for_function(_FINISHED)
        found = [urlsplit(link).path.lstrip("/") for link in page.evaluate(_RESULTS)]
        if wanted not in found[:FIRST_RESULTS]:
            problems.append(f"search for {words!r}: {wanted} is not among {found[:FIRST_RESULTS]}")
    page.close()
    return problems


def main() -> int:
    """Print the problems of a site, then the numbers of checks, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="folder of the built site")
    parser.add_argument("--pages", type=int, help="number of pages to open; default: all")
    parser.add_argument("--only", default="", help="open only pages with this text in their name")
    parser.add_argument("--pictures", type=Path, help="folder for a picture of each page")
    options = parser.parse_args()
    folder = options.folder.resolve()
    pages = sorted(
        str(file.relative_to(folder).as_posix())
        for file in folder.rglob("*.html")
        if "_static" not in file.relative_to(folder).parts and options.only in str(file)
    )
    if options.pages and options.pages < len(pages):
        pages = some(pages, options.pages)
    searched = (folder / "search.html").exists()
    count = len(pages) * len(WIDTHS) * len(THEMES) + len(SEARCHES) * searched
    chromium = find_browser()
    if chromium is None:
        print("Chromium is not installed, and only root can install it: no page was opened.")
        print(f"0 passed, 0 failed, {count} skipped")
        return 0
    from playwright.sync_api import sync_playwright

    if options.pictures:
        options.pictures.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as driver, served(folder) as address:
        browser = driver.chromium.launch(executable_path=chromium)
        problems = open_pages(browser, address, folder, pages, options.pictures)
        problems += search(browser, address) if searched else []
        browser.close()
    print(*problems, sep="\n", end="\n" if problems else "")
    failed = len({problem.partition(": ")[0] for problem in problems})
    print(f"{len(pages)} pages, {len(WIDTHS)} widths, {len(THEMES)} themes: {len(problems)} problems")
    print(f"{count - failed} passed, {failed} failed")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
