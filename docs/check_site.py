"""Look at the built site: no link in it is broken, each how-to is two clicks from the front page.

python docs/check_site.py docs/_build/html
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

#: Pages of the theme without links of their own, and its scripts.
_SKIPPED = ("_static", "search.html", "genindex.html")


class Page(HTMLParser):
    """The links and the anchors of a page; those in its text apart from those around it."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.own: list[str] = []
        self._depth = 0
        self.feed(file.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Gather an anchor or a link."""
        given = dict(attrs)
        self.anchors |= {value for name in ("id", "name") if (value := given.get(name))}
        self._depth += tag == "article"
        target = given.get("href") if tag in ("a", "link") else given.get("src")
        if target and tag in ("a", "link", "img", "script"):
            self.links.append(target)
            if self._depth:
                self.own.append(target)

    def handle_endtag(self, tag: str) -> None:
        """Leave the text of the page."""
        self._depth -= tag == "article"


def main(folder: Path) -> int:
    """Print what is wrong with a site; the exit status."""
    files = [
        file for file in folder.rglob("*.html") if file.relative_to(folder).parts[0] not in _SKIPPED
    ]
    pages = {file: Page(file) for file in files}
    problems = [
        f"{file.relative_to(folder)}: {link}"
        for file, page in pages.items()
        for link in page.links
        if not _is_whole(link, file, pages)
    ]
    near = {folder / "index.html"}
    for _ in range(2):
        near |= {
            target
            for file in near
            for link in pages[file].own
            if (target := _target(link, file)) in pages
        }
    howtos = {file for file in files if file.parent.name == "howto" and file.stem != "index"}
    problems += [f"more than two clicks away: {file.relative_to(folder)}" for file in howtos - near]
    print(*problems, sep="\n", end="\n" if problems else "")
    links = sum(len(page.links) for page in pages.values())
    print(f"{len(files)} pages, {links:,} links, {len(howtos)} how-to pages: {len(problems)} problems")
    return 1 if problems or len(howtos) < 12 else 0


def _target(link: str, file: Path) -> Path:
    return (file.parent / unquote(urlsplit(link).path)).resolve() if urlsplit(link).path else file


def _is_whole(link: str, file: Path, pages: dict[Path, Page]) -> bool:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return True  # elsewhere: this machine may have no network
    target = _target(link, file)
    if not target.exists():
        return False
    anchor = unquote(parts.fragment)
    return not anchor or target not in pages or anchor in pages[target].anchors


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
