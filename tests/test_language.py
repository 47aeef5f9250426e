"""Text that people read is plain English: README, docs, docstrings, comments and messages."""

import ast
import io
import json
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: Files and folders that are still to be rewritten.
TO_DO: tuple[str, ...] = ()

#: Expression, what to write instead, and where it is searched: in all text, in text of code, or in the first
#: lines of docstrings.
BANNED = [
    (
        r"(?<![Tt]here )\b(?:is|are|was|were) no (?!longer\b|more\b|such\b|other\b|problem\b|connection\b|news\b)\w+",
        "'is not a ...', 'does not have ...'",
        "all",
    ),
    (r"\b(?:that|which|it|answer) (?:is|are) none\b", "'invalid', 'is not a ...'", "all"),
    (
        r"\b(?:[Oo]ne|a) (?:row|entry|column|graph|record|bar|file|request|token|connection|dict|integer|line|name"
        r"|neuron)(?:,? each)? an? (?!time\b|table\b|missing\b|empty\b)\w+",
        "'one row per ...'",
        "all",
    ),
    (
        r"\bgo(?:es|ne|ing)? on (?:with|where|counting|from|asking)\b|\bgo on without\b",
        "'continue', 'resume'",
        "all",
    ),
    (r"\bso many\b", "'at least this many', 'the number of'", "all"),
    (r"(?<!unless )\btold\b", "'reported', 'distinguished by'", "all"),
    (r"\btells?\b(?! you\b| the truth\b)", "'report', 'return', 'show'", "all"),
    (
        r"\b(?:stands?|standing|stood) "
        r"(?:in|on|over|with|once|beside|behind|alone|above|there|elsewhere|several)\b(?! for)",
        "'is in', 'appears in'",
        "all",
    ),
    (r"\bbeside\b", "'next to', 'in addition to', 'with'", "all"),
    (r"\banew\b", "'again'", "all"),
    (r"\bof (?:its|their|one's|your|his) own\b", "'its own ...', 'a separate ...'", "all"),
    (r"\bculprits?\b", "'invalid ID'", "all"),
    (r"\bwithout a word\b|\bin silence\b", "'without a warning', 'silently'", "all"),
    (
        r"\b(?:the|a) doors?\b|\bout of the door\b|(?<!less )\brooms?\b(?! for\b)|\bthe house\b",
        "'function', 'method', 'module'",
        "all",
    ),
    (r"\b[Qq]uestions?\b(?! mark)", "'query', 'request'", "code"),
    (r"\basked (?:of|about)\b|\bcan be asked\b|\bWhat is asked\b", "'queried', 'requested'", "all"),
    (r"\bAs for :(?:func|meth|class|mod)", "the errors or parameters themselves", "code"),
    (r"\bneeds? not\b|\bneed be\b", "'does not have to'", "all"),
    (
        r"\bfor ever\b|\bever after\b|(?<!Each neuron )\bby (?:itself|themselves)\b",
        "'always', 'alone'",
        "all",
    ),
    (r"(?<!files )\bas (?:it|they) (?:came|come|comes)\b", "'unchanged'", "all"),
    (r"\bhonest\b|\b(?:un)?sound\b(?! of)", "'valid', 'correct'", "all"),
    (r"\bbegun\b|\bparted (?:by|of)\b", "'started', 'separated by'", "all"),
    (r"^\s*Puts? (?!in front)\w+ ", "'Add ...'", "all"),
    (r"\b(?:what|which|that) (?:is|are|was|were) there\b", "'existing', 'that exist'", "all"),
    (r"\bdata bases?\b|\btime-outs?\b|\blook-ups?\b", "'database', 'timeout', 'lookup'", "all"),
    (r"\bin force\b", "'current'", "all"),
    (
        r"\b[Ww]hat (?:had )?(?:arrived|come|came) (?:is|stays)\b",
        "'responses received so far are ...'",
        "all",
    ),
    (r"\bwhoever\b|\b(?:to|of) who\b", "'you', 'the user'", "all"),
    (r"^\s*(?:#:? )?Most \w+ (?:to|of|in)\b|\bHow often to\b", "'Maximum number of ...'", "all"),
    (
        r"\b(?:the|its|of the) way (?:out|back)\b|\ba way out\b|\b[Oo]utlet\b",
        "'inverse', 'advice', 'client'",
        "all",
    ),
    (
        r"(?i:colour|neighbour|labell(?:ed|ing)|behaviour|(?:recogni|normali|standardi|generali|vectori|materiali)s"
        r"(?:e|ing|ation)|\b(?:micro|milli)?metres?\b|\bcentres?\b)",
        "the American spelling",
        "all",
    ),
    (r"^\s*(?:What|Where|Who|How)\b", "a verb, as in 'Return ...', or a noun", "summary"),
    (r"^\s*Exception$", "the errors by name", "code"),
]


def lines_of_markdown(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield number, text and kind of the lines of a page, without code blocks and inline code."""
    fence = ""
    for number, line in enumerate(text.splitlines(), 1):
        mark = re.match(r"\s*(`{3,}|~{3,})", line)
        if mark and (not fence or mark[1].startswith(fence)):
            fence = "" if fence else mark[1]
        elif not fence:
            yield number, re.sub(r"`+[^`]*`+", "", line), "markdown"


def lines_of_code(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield number, text and kind of the lines of docstrings, comments and messages of a module."""
    nodes = list(ast.walk(ast.parse(text)))
    documented = [
        node for node in nodes if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
    ]
    docstrings = [
        node.body[0].value for node in documented if ast.get_docstring(node, clean=False) is not None
    ]
    for docstring in docstrings:
        for number, line in enumerate(docstring.value.split("Examples\n")[0].splitlines()):
            if not line.lstrip().startswith(">>>"):
                yield docstring.lineno + number, line, "text" if number else "summary"
    formatted = [node for node in nodes if isinstance(node, ast.JoinedStr)]
    parts = {part for node in formatted for part in ast.walk(node)}
    plain = [node for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    for node in formatted + [node for node in plain if node not in parts and node not in docstrings]:
        values = node.values if isinstance(node, ast.JoinedStr) else [node]
        message = "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in values)
        if len(message.split()) >= 4:
            yield from ((node.lineno, line, "text") for line in message.splitlines())
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string.lstrip("#: "), "text"


def findings(name: str, text: str) -> Iterator[str]:
    """Yield one message per expression in a file; ``# plain: ok`` allows a line in tests and quotations."""
    if name.endswith(".ipynb"):
        cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown"]
        text = "\n".join("".join(cell["source"]) for cell in cells)
    lines = text.splitlines()
    for number, line, kind in (lines_of_code if name.endswith(".py") else lines_of_markdown)(text):
        for expression, instead, scope in BANNED:
            searched = scope in ("all", kind) or (scope == "code" and kind != "markdown")
            found = re.search(expression, line) if searched else None
            if found and "# plain: ok" not in lines[number - 1]:
                yield f"{name}:{number}: {found[0].strip()!r} in {line.strip()!r}: write {instead}."


def files() -> Iterator[Path]:
    """Yield the pages and modules of the project."""
    yield from ROOT.glob("*.md")
    yield from ROOT.glob("*.py")
    for folder in ("docs", "pdneuro", "benchmarks", "tests"):
        for path in sorted((ROOT / folder).rglob("*")):
            generated = path.is_relative_to(ROOT / "docs" / "_build") or path.is_relative_to(
                ROOT / "docs" / "reference"
            )
            if path.suffix in (".md", ".py", ".ipynb") and not generated and path != Path(__file__):
                yield path


def test_text_is_plain_english() -> None:
    names = {path.relative_to(ROOT).as_posix(): path for path in files()}
    found = [
        finding
        for name, path in names.items()
        if not name.startswith(TO_DO)
        for finding in findings(name, path.read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join(found)


def test_expressions_are_found_in_docstrings_comments_messages_and_pages() -> None:
    code = '''"""What it does."""
def f(x):  # one row a neuron
    raise ValueError(f"the file {x} is no table: {x}.")
    # one row a neuron  # plain: ok
'''
    page = "A question, `one row a neuron`.\n```\nbeside\n```\nIDs stay exact, beside others.\n"
    assert [line.split(":")[1] for line in findings("a.py", code)] == ["1", "3", "2"]
    assert [line.split(":")[1] for line in findings("a.md", page)] == ["5"]
