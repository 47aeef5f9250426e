"""The check of the documentation in a browser finds faults, and is skipped without a browser."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "docs" / "check_browser.py"
#: A page that follows the setting of the system, as the pages of the documentation do.
PAGE = """<!doctype html><html lang="en"><head><meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,"><style>
  body {{ color: black; background: white; overflow-wrap: anywhere }}
  a {{ color: inherit }}
  [data-theme=dark] body {{ color: white; background: black }}
</style><script>
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const follow = () => {{ document.documentElement.dataset.theme = dark.matches ? "dark" : "light"; }};
  dark.onchange = follow; follow();
</script></head><body><article>{}</article></body></html>"""
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def check(folder: Path, env: dict[str, str] | None = None) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(folder)], capture_output=True, text=True, env=env, check=False
    )
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


@pytest.fixture
def _browser() -> None:
    pytest.importorskip("playwright", reason="playwright is not installed (extra browser)")
    if not any(map(shutil.which, BROWSERS)):
        pytest.skip("Chromium is not installed")


#: Content of a page with a fault, and the line that reports it.
FAULTS = [
    ("<script>console.error('lost')</script>", "(1400 px, light): console: lost"),
    ("<script>nothing()</script>", "(1400 px, light): console: nothing is not defined"),
    ("<img src='data:,' alt='a matrix'>", "(390 px, light): picture is missing"),
    (
        "<img src=\"data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg'/>\" alt=''>",
        "(390 px, dark): picture without a description",
    ),
    ("<pre>" + "wide " * 100 + "</pre>", "(390 px, light): wider than the window"),
    ("<p style='color: black'>text</p>", "(1400 px, dark): text is too pale: text"),
    ("<a href='absent.html'>link</a>", ": broken link: absent.html"),
    ("<a href='#absent'>link</a>", ": broken anchor: page7.html#absent"),
    (
        "<script src='https://example.org/x.js'></script>",
        "(1400 px, light): console: a request to another",
    ),
]


@pytest.mark.usefixtures("_browser")
def test_each_fault_is_found_and_a_good_page_has_none(tmp_path: Path) -> None:
    wide = "<pre style='overflow-x: auto'>" + "wide " * 100 + "</pre>"
    (tmp_path / "index.html").write_text(PAGE.format("<h1 id='top'>A</h1><a href='#top'>up</a>" + wide))
    for number, (body, _) in enumerate(FAULTS):
        (tmp_path / f"page{number}.html").write_text(PAGE.format(body))
    status, text = check(tmp_path)
    assert status == 1
    for number, (_, problem) in enumerate(FAULTS):
        assert any(
            line.startswith(f"page{number}.html") and problem in line for line in text.splitlines()
        ), (problem, text)
    assert "index.html" not in text


def test_without_a_browser_the_checks_are_skipped_and_counted(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<p>text</p>")
    status, text = check(tmp_path, os.environ | {"PATH": str(tmp_path)})
    assert status == 0
    assert text.endswith("no page was opened.\n0 passed, 0 failed, 4 skipped\n")
