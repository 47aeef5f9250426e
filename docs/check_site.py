"""Check the built site: links, alternative texts, outputs of cells and bold text.

python docs/check_site.py docs/_build/html
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

#: Pages of the theme that have no links in their text, and its scripts.
_SKIPPED = ("_static", "search.html", "genindex.html")
_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}
_CODE = {"pre", "code", "script", "style"}
_BLOCKS = {"p", "li", "td", "th", "dt", "dd", "div", "h1", "h2", "h3", "section"}
#: Words in the output of a cell that show an example that failed.
_FAILURES = ("not found", "Traceback (most recent call last)")


class Page(HTMLParser):
    """The links and anchors of a page, and the problems in its text."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.text_links: list[str] = []
        self.problems: list[str] = []
        self._open: list[tuple[str, set[str]]] = []
        self._before = " "  # the last character of the text so far
        self._edge = ""  # the same, if bold text starts or ends here
        self.feed(file.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect an anchor or a link; check an image and the start of bold text."""
        values = dict(attrs)
        if tag not in _VOID:
            self._open.append((tag, set((values.get("class") or "").split())))
        self.anchors |= {value for name in ("id", "name") if (value := values.get(name))}
        target = values.get("href") if tag in ("a", "link") else values.get("src")
        if target and tag in ("a", "link", "img", "script"):
            self.links.append(target)
            if self._inside("article"):
                self.text_links.append(target)
        if tag == "img" and self._inside("article"):
            text = (values.get("alt") or "").strip()
            if not text or re.search(r"[0-9a-f]{20}|\.(png|svg|jpg)$", text):
                self.problems.append(f"image without a description: {values.get('src')}")
        if tag in _BLOCKS:
            self._before = " "
        self._edge = self._before if tag == "strong" else ""

    def handle_endtag(self, tag: str) -> None:
        """Close the element, and those inside it that have no end tag."""
        names = [name for name, _ in self._open]
        if tag in names:
            del self._open[len(names) - 1 - names[::-1].index(tag) :]
        self._edge = self._before if tag == "strong" else ""

    def handle_data(self, data: str) -> None:
        """Check a piece of text."""
        # Bold text that starts or ends inside a word, as in 2**53, about 9*10**15.
        if self._edge.isalnum() and data[:1].isalnum():
            self.problems.append(
                f"bold text starts or ends inside a word: unbalanced ** near {data[:20]!r}"
            )
        self._before, self._edge = data[-1:], ""
        classes = {name for _, names in self._open for name in names}
        if "cell_output" in classes and "tag_raises-exception" not in classes:
            # Alone in a cell of a table, the words are a status.
            faults = [word for word in _FAILURES if word in data and word != data.strip()]
            self.problems += [f"an output contains {word!r}" for word in faults]
        is_text = self._inside("article") and "sig" not in classes and not any(map(self._inside, _CODE))
        if (
            "**" in data and is_text and not re.fullmatch(r"\*\*\w+", data.strip())
        ):  # a parameter: **names
            self.problems.append(f"unbalanced **: {data.strip()[:60]!r}")

    def _inside(self, tag: str) -> bool:
        return any(name == tag for name, _ in self._open)


def main(folder: Path) -> int:
    """Print the problems of a site and return the exit status."""
    files = [
        file for file in folder.rglob("*.html") if file.relative_to(folder).parts[0] not in _SKIPPED
    ]
    pages = {file: Page(file) for file in files}
    problems = [
        f"{file.relative_to(folder)}: broken link: {link}"
        for file, page in pages.items()
        for link in page.links
        if not _is_whole(link, file, pages)
    ]
    problems += [
        f"{file.relative_to(folder)}: {problem}"
        for file, page in pages.items()
        for problem in page.problems
    ]
    near = {folder / "index.html"}
    for _ in range(2):
        near |= {
            target
            for file in near
            for link in pages[file].text_links
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
        return True  # an external link: this machine may have no network
    target = _target(link, file)
    if not target.exists():
        return False
    anchor = unquote(parts.fragment)
    return not anchor or target not in pages or anchor in pages[target].anchors


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
