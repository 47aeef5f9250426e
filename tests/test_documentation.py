"""The documentation: an example for every public name, pages that run, valid links."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reference = loaded(DOCS / "reference_pages.py")


def members() -> Iterator[tuple[str, Any]]:
    """Every function and method that the reference shows."""
    for _, _, accessor, _ in reference.ACCESSORS:
        yield from (
            (f"{accessor.__name__}.{name}", member) for name, member in reference._members(accessor)
        )
    for module in map(importlib.import_module, reference.MODULES):
        for name, member in reference.public(module).items():
            if inspect.isfunction(member):
                yield f"{module.__name__}.{name}", member
            elif inspect.isclass(member) and not issubclass(member, Exception | tuple):
                own = inspect.getmembers(
                    member, lambda part: inspect.isfunction(part) or isinstance(part, property)
                )
                yield from ((f"{name}.{part}", each) for part, each in own if not part.startswith("_"))


@pytest.mark.parametrize(("name", "member"), [pytest.param(*pair, id=pair[0]) for pair in members()])
def test_every_public_name_has_an_example(name: str, member: Any) -> None:
    text = inspect.getdoc(member) or ""
    # A property of an accessor points at the function that has the example.
    pointed = re.search(r":(?:func|mod):`(pdneuro\.\w+)(?:\.(\w+))?`", text)
    if isinstance(member, property) and ">>>" not in text and pointed:
        module = importlib.import_module(pointed[1])
        text = inspect.getdoc(getattr(module, pointed[2]) if pointed[2] else module.matrix) or ""
    assert ">>>" in text, name


def test_every_page_is_run() -> None:
    """A fence of Python that is neither a cell nor a doctest shows what cannot run here: a real
    service, or a package that the tests do not install."""
    for page in [*DOCS.rglob("*.md"), ROOT / "README.md"]:
        if "_build" in page.parts:
            continue
        for block in re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.M | re.S):
            real = ("set_options(source=", "tokens.save(", 'read_table("neurons.csv"', "import navis")
            assert block.lstrip().startswith(">>>") or any(words in block for words in real), (
                page,
                block,
            )


def test_the_notebook_is_kept_without_its_outputs() -> None:
    import json

    book = json.loads((DOCS / "first_look.ipynb").read_text("utf-8"))
    assert all(not cell.get("outputs") for cell in book["cells"])
    assert all(cell.get("execution_count") is None for cell in book["cells"])


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    (folder / "howto").mkdir(parents=True)
    names = [f"page{number}" for number in range(12)]
    links = "".join(f'<a href="howto/{name}.html#top">{name}</a>' for name in names)
    (folder / "index.html").write_text(f"<article>{links}</article>")
    for name in names:
        (folder / "howto" / f"{name}.html").write_text(
            '<h1 id="top">x</h1><a href="../index.html">up</a>'
        )
    return folder


def test_the_site_check_finds_broken_links_and_distant_pages(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check = loaded(DOCS / "check_site.py").main
    assert check(site) == 0
    (site / "howto" / "far.html").write_text("<p>nobody links here</p>")
    assert check(site) == 1
    assert "more than two clicks away: howto/far.html" in capsys.readouterr().out
    (site / "howto" / "far.html").unlink()
    for broken in ("absent.html", "howto/page1.html#nowhere"):
        (site / "other.html").write_text(f'<a href="{broken}">x</a>')
        assert check(site) == 1
        assert f"other.html: broken link: {broken}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('<img src="a.png" alt="0d2a9b3c4d5e6f708192a3b4c5d6e7f8.png">', "image without a description"),
        ('<img src="a.png">', "image without a description"),
        ("<p>exact up to 2<strong>53, about 9·10</strong>15</p>", "bold text starts or ends inside a word: unbalanced **"),
        ("<p>a **bold word</p>", "unbalanced **"),
        ('<div class="cell_output"><pre>sh: pdneuro: not found</pre></div>', "an output contains 'not found'"),
        ('<div class="cell_output"><pre>Traceback (most recent call last):</pre></div>', "an output contains"),
    ],
)  # fmt: skip
def test_the_site_check_finds_faults_in_a_page(
    site: Path, capsys: pytest.CaptureFixture[str], content: str, problem: str
) -> None:
    (site / "a.png").touch()
    (site / "other.html").write_text(f"<article>{content}</article>")
    assert loaded(DOCS / "check_site.py").main(site) == 1
    assert f"other.html: {problem}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "content",
    [
        '<img src="a.png" alt="Matrix of synapses between cell types">',
        "<p>a <strong>bold</strong> word, and <code>2**53</code></p>",
        "<p>KeyError<strong>, </strong>ValueError</p>",
        '<dt class="sig">f(<span>**options</span>)</dt>',
        '<div class="cell tag_raises-exception"><div class="cell_output"><pre>not found</pre></div></div>',
    ],
)
def test_the_site_check_accepts_a_page_without_faults(site: Path, content: str) -> None:
    (site / "a.png").touch()
    (site / "other.html").write_text(f"<article>{content}</article>")
    assert loaded(DOCS / "check_site.py").main(site) == 0
