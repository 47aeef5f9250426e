"""Insert small faults into the core, one at a time, and list those that no test detects.

    make mutate N=60 SEED=7

Run once, the tests record which lines each of them executes. Then, for each fault of a random sample,
the tests that execute the changed line run in a copy of the project until one fails. mutmut and
cosmic-ray were tried first: the one replaces functions, so that signatures and pickles break; the other
runs all tests for each fault.
"""

from __future__ import annotations

import argparse
import ast
import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
#: What does not change what a user gets: figures, the sandbox, the command line's words.
NOT_CORE = ("sandbox", "plots", "cli", "citations", "versions", "mypy", "__main__", "_version")
DATA = ROOT.parent / "shared" / "data"
#: The tests of one fault may take this many times their recorded time, and five minutes to start on a
#: busy machine; a fault with which they do not end is noticed.
PATIENCE = 10

_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "!=", ast.NotEq: "==", ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">",
    ast.In: "not in", ast.NotIn: "in", ast.Is: "is not", ast.IsNot: "is",
}  # fmt: skip
_OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "-", ast.Sub: "+", ast.Mult: "+", ast.Div: "*", ast.FloorDiv: "*", ast.Mod: "*",
    ast.BitAnd: "|", ast.BitOr: "&", ast.LShift: ">>", ast.RShift: "<<", ast.Pow: "*",
}  # fmt: skip


class Mutant(NamedTuple):
    """A fault: the text between two positions of a file is replaced."""

    path: str
    line: int
    start: int
    end: int
    before: str
    text: str
    #: Whether a process executes the line once: at import, or for the first test that needs it.
    once: bool

    def apply(self, source: str) -> str:
        """Return the source with the fault in place."""
        data = source.encode()
        return (data[: self.start] + self.text.encode() + data[self.end :]).decode()


class _Finder(ast.NodeVisitor):
    """Collect the faults that a module can have."""

    def __init__(self, path: str, source: str) -> None:
        self.path = path
        self.source = source.encode()
        lines = self.source.splitlines(keepends=True)
        self.starts = [0, *[sum(map(len, lines[: n + 1])) for n in range(len(lines))]]
        self.found: list[Mutant] = []
        self.once = True  # outside of functions

    def offset(self, line: int, column: int) -> int:
        return self.starts[line - 1] + column

    def span(self, node: Any) -> tuple[int, int]:
        return self.offset(node.lineno, node.col_offset), self.offset(
            node.end_lineno, node.end_col_offset
        )

    def text(self, node: Any) -> str:
        start, end = self.span(node)
        return self.source[start:end].decode()

    def add(self, node: Any, text: str, span: tuple[int, int] | None = None) -> None:
        start, end = span or self.span(node)
        before = self.source[start:end].decode()
        self.found.append(Mutant(self.path, node.lineno, start, end, before, text, self.once))

    def between(self, left: Any, right: Any, text: str) -> None:
        """Replace the operator between two operands, brackets aside."""
        start, end = self.span(left)[1], self.span(right)[0]
        gap = self.source[start:end].decode()
        word = gap.replace(")", " ").replace("(", " ").strip()
        if word and "\n" not in word and gap.count(word) == 1:
            at = start + len(gap[: gap.index(word)].encode())
            self.add(left, text, (at, at + len(word.encode())))

    def visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            return
        if isinstance(node, ast.AnnAssign | ast.arg):  # annotations do nothing
            if isinstance(node, ast.AnnAssign) and node.value:
                self.visit(node.value)
            return
        if isinstance(node, ast.FunctionDef):
            for part in (*node.decorator_list, *node.args.defaults, *node.args.kw_defaults):
                if part is not None:
                    self.visit(part)
            outer, self.once = self.once, any("cache" in ast.dump(d) for d in node.decorator_list)
            for statement in node.body:
                self.visit(statement)
            self.once = outer
            return
        super().visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        operands = [node.left, *node.comparators]
        for left, operator, right in zip(operands, node.ops, operands[1:], strict=False):
            self.between(left, right, _COMPARISONS[type(operator)])
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        word = "or" if isinstance(node.op, ast.And) else "and"
        for left, right in zip(node.values, node.values[1:], strict=False):
            self.between(left, right, word)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if type(node.op) in _OPERATORS:
            self.between(node.left, node.right, _OPERATORS[type(node.op)])
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not | ast.USub | ast.Invert):
            self.add(node, self.text(node.operand))
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, bool):
            self.add(node, str(not node.value))
        elif isinstance(node.value, int | float):
            self.add(node, repr(node.value + 1))

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Leave texts alone."""

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is not None and not isinstance(node.value, ast.Constant):
            self.add(node, "return None")
        self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        self.add(node.test, "True")
        self.add(node.test, "False")
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.add(node.test, "True")
        self.add(node.test, "False")
        self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Call):
            self.add(node, "pass")
        self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> None:
        self.add(node, "pass")

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.add(node, "pass")
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        if isinstance(node.targets[0], ast.Attribute | ast.Subscript):
            self.add(node, "pass")
        self.generic_visit(node)

    def visit_Break(self, node: ast.Break) -> None:
        self.add(node, "continue")

    def visit_Continue(self, node: ast.Continue) -> None:
        self.add(node, "break")

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name) and node.func.id == "zip":
            # strict= is for the developer: with equal lengths, nobody notices a change of it.
            for argument in node.args:
                self.visit(argument)
            return
        arguments = sorted([*node.args, *(k.value for k in node.keywords)], key=lambda a: self.span(a))
        for keyword in node.keywords:
            if keyword.arg and len(arguments) > 1:
                start, end = self.span(keyword)
                rest = self.source[end:].lstrip()
                if rest.startswith(b","):
                    end = len(self.source) - len(rest) + 1
                self.add(keyword, "", (start, end))
        self.generic_visit(node)


def mutants(folders: list[str]) -> list[Mutant]:
    """Return every fault that the modules of these folders can have; all of the core by default."""
    found: list[Mutant] = []
    for path in sorted((ROOT / "pdneuro").rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if folders and not name.startswith(tuple(folders)):
            continue
        if not folders and name.split("/")[1].removesuffix(".py") in NOT_CORE:
            continue
        source = path.read_text()
        finder = _Finder(name, source)
        finder.visit(ast.parse(source))
        found += finder.found
    return found


def compiles(mutant: Mutant) -> bool:
    """Return whether the module with the fault is still Python."""
    try:
        compile(mutant.apply((ROOT / mutant.path).read_text()), mutant.path, "exec")
    except SyntaxError:
        return False
    return True


def copy_project(to: Path) -> Path:
    """Copy the files that git lists, with what is not committed yet."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.split(b"\0"):
        source = ROOT / name.decode()
        if name and source.is_file():
            target = to / name.decode()
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    return to


def run_tests(
    project: Path, *arguments: str, limit: float | None = None, log: Path | None = None
) -> int:
    """Run pytest in a copy of the project, write what it prints to a file, and return its exit status."""
    environment = {**os.environ, "PYTHONPATH": str(project), "PYTHONDONTWRITEBYTECODE": "1"}
    # Other runs of pytest remove old folders of the shared one.
    environment["TMPDIR"] = str(project.with_name(f"{project.name}-tmp"))
    Path(environment["TMPDIR"]).mkdir(exist_ok=True)
    if DATA.exists():
        environment.setdefault("PDNEURO_TEST_DATA", str(DATA))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    with log.open("wb") if log else tempfile.TemporaryFile() as output:
        running = subprocess.Popen(
            command, cwd=project, env=environment, stdout=output, stderr=output, start_new_session=True
        )
        try:
            return running.wait(limit)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, 9)
            return running.wait()


#: Test -> seconds, recorded by this module as a pytest plugin.
_seconds: dict[str, float] = {}


def pytest_runtest_logreport(report: Any) -> None:
    """Note how long a test takes; those that fail without a fault are left out."""
    if report.when == "call" or report.failed:
        _seconds[report.nodeid] = -1.0 if report.failed else report.duration


def pytest_sessionfinish(session: Any) -> None:
    """Write the times at the end of the run."""
    if "MUTATE_TIMES" in os.environ and not hasattr(session.config, "workerinput"):
        Path(os.environ["MUTATE_TIMES"]).write_text(json.dumps(_seconds))


def record(folder: Path, workers: int) -> tuple[dict[str, dict[int, list[str]]], dict[str, float]]:
    """Run all tests once: which tests execute each line, and how long each test takes."""
    from coverage import CoverageData

    project = copy_project(folder / "recorded")
    # Not of child processes: one that is killed while it begins its file makes the end of the run fail.
    (project / "coverage.ini").write_text("[run]\nsource = pdneuro\n")
    os.environ["MUTATE_TIMES"] = str(folder / "times.json")
    status = run_tests(
        project,
        "-n",
        str(workers),
        "--cov=pdneuro",
        "--cov-config=coverage.ini",
        "--cov-context=test",
        "--cov-report=",
        "-p",
        "tests.mutate",
        log=folder / "recorded.log",
    )
    del os.environ["MUTATE_TIMES"]
    times = json.loads((folder / "times.json").read_text())
    broken = [name for name, seconds in times.items() if seconds < 0]
    if status > 1 or len(broken) > 20:
        said = (folder / "recorded.log").read_text().splitlines()
        causes = [line for line in said if line.startswith("INTERNALERROR")] or said[-20:]
        last = "\n".join(causes)
        sys.exit(
            f"the tests do not run without a fault: exit status {status}, failing: {broken[:5]}\n{last}"
        )
    data = CoverageData(str(project / ".coverage"))
    data.read()
    lines = {}
    for path in data.measured_files():
        name = Path(path).relative_to(project).as_posix()
        lines[name] = {
            line: sorted({context.split("|")[0] for context in contexts})
            for line, contexts in data.contexts_by_lineno(path).items()
        }
    return lines, {name: seconds for name, seconds in times.items() if seconds >= 0}


def tests_of(
    mutant: Mutant, lines: dict[str, dict[int, list[str]]], times: dict[str, float]
) -> list[str]:
    """Return the tests that execute the line, the fastest first."""
    by_line = lines.get(mutant.path, {})
    names = set() if mutant.once else {name for name in by_line.get(mutant.line, []) if name}
    if not names:  # executed once: every test that uses the module, or whose file names it
        names = {name for tests in by_line.values() for name in tests if name}
        module = mutant.path.removesuffix(".py").replace("/", ".")
        files = {test: test.partition("::")[0] for test in times}
        naming = {file for file in {*files.values()} if module in (ROOT / file).read_text()}
        names |= {test for test, file in files.items() if file in naming}
    return sorted(names & set(times), key=times.__getitem__)


def outcome(mutant: Mutant, tests: list[str], seconds: float, project: Path) -> str:
    """Insert a fault, run the tests, remove it, and return what happened."""
    if not tests:
        return "SURVIVED"
    target = project / mutant.path
    source = target.read_text()
    arguments = project / "arguments.txt"
    arguments.write_text("\n".join(tests))
    try:
        target.write_text(mutant.apply(source))
        # In the order of the file: the fastest test first.
        status = run_tests(
            project, "-x", "-p", "no:randomly", f"@{arguments}", limit=300 + PATIENCE * seconds
        )
        return "SURVIVED" if status == 0 else "no end  " if status == -9 else "noticed "
    finally:
        target.write_text(source)


def survivors(sample: list[Mutant], folder: Path, workers: int) -> Iterator[Mutant]:
    """Yield the faults that no test notices."""
    lines, times = record(folder, workers)
    projects: SimpleQueue[Path] = SimpleQueue()
    for number in range(workers):
        projects.put(copy_project(folder / f"copy{number}"))

    def check(mutant: Mutant) -> str:
        project = projects.get()
        try:
            tests = tests_of(mutant, lines, times)
            return outcome(mutant, tests, sum(times[test] for test in tests), project)
        finally:
            projects.put(project)

    with ThreadPoolExecutor(workers) as pool:
        futures = {pool.submit(check, mutant): mutant for mutant in sample}
        for future in as_completed(futures):
            mutant, state = futures[future], future.result()
            print(
                f"{state} {mutant.path}:{mutant.line}: {mutant.before!r} -> {mutant.text!r}", flush=True
            )
            if state == "SURVIVED":
                yield mutant


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folders", nargs="*", help="folders or files of the package; default: the core")
    parser.add_argument("--count", type=int, default=60, help="number of faults; default 60")
    parser.add_argument("--seed", type=int, help="seed of the sample; default: a new one, printed")
    parser.add_argument("--workers", type=int, default=2, help="processes; default 2")
    given = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if given.seed is None else given.seed
    every = mutants([folder.rstrip("/") for folder in given.folders])
    random.Random(seed).shuffle(every)
    sample = list(itertools.islice(filter(compiles, every), given.count))
    print(f"seed {seed}: {len(sample)} of {len(every):,} possible faults", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        left = list(survivors(sample, Path(folder).resolve(), given.workers))
    print(f"seed {seed}: {len(sample) - len(left)} of {len(sample)} noticed, {len(left)} survived")


if __name__ == "__main__":
    main()
