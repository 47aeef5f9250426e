"""A small evaluator of Allen's query language, to test clients; independent of pdneuro's client."""

from __future__ import annotations

import fnmatch
import functools
import re
from collections.abc import Callable
from typing import Any

from pdneuro.sandbox.allen_data import Model, Record

_TOKENS = re.compile(r"'(?:[^']|'')*'|[\[\](),]|[^'\[\](),]+")
_FILTER = re.compile(r"([\w.]+)(?:\$(\w+))?(.*)", re.S)
_CLOSING = {"[": "]", "(": ")"}


class QueryError(Exception):
    """The service's message about an invalid query."""


# Results are cached, since each row is compared with the same texts.
@functools.lru_cache(maxsize=1024)
def split(text: str) -> tuple[str, ...]:
    """Split a text at commas outside brackets and quotes."""
    parts, current, opened = [], "", []
    tokens = _TOKENS.findall(text)
    if "".join(tokens) != text:
        raise QueryError("RMA::QueryFailed: unterminated quote")
    for token in tokens:
        if token in _CLOSING:
            opened.append(_CLOSING[token])
        elif token in ("]", ")") and (not opened or opened.pop() != token):
            raise QueryError(f"RMA::QueryFailed: unexpected '{token}'")
        if token == "," and not opened:
            parts.append(current)
            current = ""
        else:
            current += token
    if opened:
        raise QueryError(f"RMA::QueryFailed: expected '{opened[-1]}'")
    return (*parts, current)


@functools.lru_cache(maxsize=1024)
def brackets(text: str) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Split a text into word, contents of square brackets, and contents of parentheses."""
    word = ""
    square: list[str] = []
    round_: list[str] = []
    depth, current = 0, ""
    for token in _TOKENS.findall(text):
        if token in _CLOSING:
            depth += 1
            if depth == 1:
                current = ""
                continue
        elif token in ("]", ")"):
            depth -= 1
            if depth == 0:
                (square if token == "]" else round_).append(current)
                continue
        if depth:
            current += token
        else:
            word += token
    return word.strip(), tuple(square), tuple(round_)


class Evaluator:
    """An evaluator of queries over tables.

    Parameters
    ----------
    models : dict of str to Model
    services : dict of str to callable
        Connected services: functions from parameters (text by name) to rows.
    """

    def __init__(
        self,
        models: dict[str, Model],
        services: dict[str, Callable[[dict[str, str]], list[Record]]],
    ) -> None:
        self.models = models
        self.services = services
        #: Maximum number of rows per response, and the default.
        self.row_limit, self.page = 25_000, 50
        #: Whether rows are sorted by ``order``, and '' in a quoted value is one quote.
        self.sorts = True
        self.doubled_quotes = True
        #: Whether a page after the last one is empty; else it is the first page.
        self.ends = True

    def answer(self, query: str) -> tuple[list[Record], int, int]:
        """Return the last stage's rows, the number of the first row, and the number of matches."""
        if not self.doubled_quotes and "''" in query:
            raise QueryError("RMA::QueryFailed: unexpected quote")
        variables: dict[str, list[Any]] = {}
        rows: list[Record] = []
        found: tuple[list[Record], int, int] | None = None
        parts = split(query)
        stages: list[list[str]] = []
        for part in parts:
            if re.match(r"(model|pipe|service)::", part):
                stages.append([part])
            elif not stages:
                raise QueryError("RMA::QueryFailed: a query begins with model::, pipe:: or service::")
            else:
                stages[-1].append(part)
        for stage in stages:
            kind, _, rest = stage[0].partition("::")
            if kind == "model":
                found = self._model(rest, stage[1:], variables)
                rows = found[0]
            elif kind == "pipe":
                name, square, _ = brackets(rest)
                if name != "list" or not square:
                    raise QueryError(f"RMA::QueryFailed: no pipe {name!r}")
                for entry in square:
                    variable, _, column = _parsed(entry)
                    variables[variable] = [row.get(_unquoted(column)) for row in rows]
            else:
                name, square, _ = brackets(rest)
                if name not in self.services:
                    raise QueryError(f"undefined service '{name}'")
                parameters = {}
                for entry in square:
                    key, _, value = _parsed(entry)
                    parameters[key] = ",".join(str(v) for v in _values(value, variables))
                rows = self.services[name](parameters)
                begin = int(parameters.get("start_row", 0))
                count = int(parameters.get("num_rows", 2000))
                found = rows[begin : begin + count], begin, len(rows)
        if found is None:
            raise QueryError("RMA::QueryFailed: empty query")
        return found

    def _model(
        self, head: str, parts: list[str], variables: dict[str, list[Any]]
    ) -> tuple[list[Record], int, int]:
        name, filters, _ = brackets(head)
        if name not in self.models or name.startswith("_"):
            raise QueryError(f"uninitialized constant ApiModel::{name}")
        model = self.models[name]
        clauses: dict[str, list[str]] = {"criteria": [], "include": [], "options": []}
        target: list[str] = []
        for part in parts:
            if part.startswith("rma::"):
                word, square, _ = brackets(part)
                key = word.removeprefix("rma::")
                if key not in clauses:
                    raise QueryError(f"RMA::QueryFailed: unexpected {word!r}")
                target = clauses[key]
                target += square if key == "options" else []
            elif not part.strip():
                raise QueryError("RMA::QueryFailed: empty clause")
            else:
                target.append(part)
        rows = model.rows
        for text in filters:
            rows = [row for row in rows if self._fits(model, row, text, variables)]
        for text in clauses["criteria"]:
            rows = [row for row in rows if self._meets(model, row, text, variables)]
        options = {}
        for text in clauses["options"]:
            key, _, value = _parsed(text)
            options[key] = value
        return self._output(model, rows, clauses["include"], options, variables)

    # -- criteria ---------------------------------------------------------------------------------

    def _linked(self, model: Model, row: Record, name: str) -> list[Record]:
        if name not in model.links:
            raise QueryError(f"Association '{name}' not found in {model.table}")
        link = model.links[name]
        key = row.get(link.mine)
        return [
            other
            for other in self.models[link.model].rows
            if key is not None
            and (
                key in other[link.theirs]
                if isinstance(other.get(link.theirs), list)
                else other.get(link.theirs) == key
            )
        ]

    def _meets(self, model: Model, row: Record, text: str, variables: dict[str, list[Any]]) -> bool:
        """Return True if a row meets one part of the criteria: filters, an association, or both."""
        word, square, round_ = brackets(text)
        if not word:
            return all(self._fits(model, row, entry, variables) for entry in square)
        others = self._linked(model, row, word)
        linked = self.models[model.links[word].model]
        return any(
            all(self._fits(linked, other, entry, variables, (model, row)) for entry in square)
            and all(
                self._meets(linked, other, part, variables) for inner in round_ for part in split(inner)
            )
            for other in others
        )

    def _fits(
        self,
        model: Model,
        row: Record,
        text: str,
        variables: dict[str, list[Any]],
        base: tuple[Model, Record] | None = None,
    ) -> bool:
        column, operator, value = _parsed(text)
        try:
            have = self._column(model, row, column)
        except QueryError:
            if base is None:
                raise
            have = self._column(*base, column)
        if not operator:
            return any(item is not None for item in have)
        want = _values(value, variables)
        return any(_compare(item, operator, want) for item in have)

    def _column(self, model: Model, row: Record, column: str) -> list[Any]:
        table, _, name = column.rpartition(".")
        if not table or table == model.table:
            if name in row or any(name in other for other in model.rows):
                return [row.get(name)]
            if name == "structure_set_id" and "_set_ids" in row:
                return list(row["_set_ids"])
        for key, link in model.links.items():
            if table and table == self.models[link.model].table:
                return [other.get(name) for other in self._linked(model, row, key)]
        raise QueryError(f"Column '{column}' not found in {model.table}")

    # -- output -----------------------------------------------------------------------------------

    def _output(
        self,
        model: Model,
        rows: list[Record],
        include: list[str],
        options: dict[str, str],
        variables: dict[str, list[Any]],
    ) -> tuple[list[Record], int, int]:
        order = options.get("order", "") if self.sorts else ""
        for part in reversed(split(_unquoted(order))):
            column, _, way = re.sub(r"[+$ ]", " ", part.strip()).partition(" ")
            if column:
                keys = [_sortable(self._first(model, row, column)) for row in rows]
                ranks = sorted(range(len(rows)), key=keys.__getitem__, reverse=way.strip() == "desc")
                rows = [rows[rank] for rank in ranks]
        begin = int(options.get("start_row", 0))
        if begin >= len(rows) and not self.ends:
            begin = 0
        limit = _unquoted(options.get("num_rows", str(self.page)))
        count = self.row_limit if limit == "all" else min(int(limit), self.row_limit)
        page = rows[begin : begin + count]
        parts = [part for text in include for part in split(text)]
        shown = [self._shown(model, row, parts, variables) for row in page]
        if "tabular" in options:
            shown = [self._tabular(model, row, options["tabular"]) for row in page]
        if "only" in options:
            wanted = [word.strip() for word in _unquoted(options["only"]).split(",")]
            shown = [self._only(model, row, wanted) for row in shown]
        if "except" in options:
            left = set(_unquoted(options["except"]).split(","))
            shown = [{key: value for key, value in row.items() if key not in left} for row in shown]
        total = len(shown) if options.get("count") == "false" else len(rows)
        return shown, begin, total

    def _first(self, model: Model, row: Record, column: str) -> Any:
        try:
            return next(iter(self._column(model, row, column)), None)
        except QueryError:
            if "." in column:  # sorting by further tables is not supported
                return None
            raise

    def _shown(
        self, model: Model, row: Record, include: list[str], variables: dict[str, list[Any]]
    ) -> Record:
        found = {key: value for key, value in row.items() if not key.startswith("_")}
        for part in include:
            word, square, round_ = brackets(part)
            if not word:
                continue
            linked = self.models[model.links[word].model] if word in model.links else None
            others = self._linked(model, row, word)
            assert linked is not None
            nested = [
                self._shown(linked, other, [p for inner in round_ for p in split(inner)], variables)
                for other in others
                if all(self._fits(linked, other, entry, variables) for entry in square)
            ]
            if model.links[word].many:
                found[word] = nested
            elif nested:
                found[word] = nested[0]
        return found

    def _only(self, model: Model, row: Record, wanted: list[str]) -> Record:
        """Return columns by name or as table.column, also of nested records."""
        found: Record = {}
        for key, value in row.items():
            if key not in model.links:
                if key in wanted or f"{model.table}.{key}" in wanted:
                    found[key] = value
                continue
            linked = self.models[model.links[key].model]
            if isinstance(value, list):
                found[key] = [self._only(linked, item, wanted) for item in value]
            else:
                found[key] = self._only(linked, value, wanted)
        return {key: value for key, value in found.items() if value != {}}

    def _tabular(self, model: Model, row: Record, text: str) -> Record:
        found = {}
        for part in _unquoted(text).split(","):
            column, _, title = (
                re.sub(r"^distinct[+ ]", "", part.strip()).replace("+", " ").partition(" as ")
            )
            found[title or column.rpartition(".")[2]] = self._first(model, row, column)
        return found


@functools.lru_cache(maxsize=1024)
def _parsed(text: str) -> tuple[str, str, str]:
    match = _FILTER.fullmatch(text.strip())
    if match is None or (match[3] and not match[2]):
        raise QueryError(f"RMA::QueryFailed: cannot read '[{text}]'")
    operator, value = match[2] or "", match[3]
    known = ("eq", "ne", "li", "il", "gt", "lt", "ge", "le", "in", "is")
    sign = next((known_sign for known_sign in known if operator.startswith(known_sign)), "")
    if operator and not sign:
        raise QueryError(f"RMA::QueryFailed: no operator '${operator}'")
    value = operator[len(sign) :] + value
    if sign and not value:
        raise QueryError(f"RMA::QueryFailed: '[{text}]' has no value")
    return match[1], sign, value


def _values(text: str, variables: dict[str, list[Any]]) -> list[Any]:
    found: list[Any] = []
    for part in split(text):
        word = part.strip()
        if word.startswith("$"):
            if word[1:] not in variables:
                raise QueryError(f"RMA::QueryFailed: no variable {word}")
            found += variables[word[1:]]
        else:
            found.append(None if word == "null" else _unquoted(word))
    return found


def _unquoted(text: str) -> str:
    text = text.strip()
    return text[1:-1].replace("''", "'") if len(text) > 1 and text[0] == text[-1] == "'" else text


def _compare(have: Any, operator: str, want: list[Any]) -> bool:
    if operator in ("eq", "in", "is", "ne"):
        same = any(_equal(have, item) for item in want)
        return same != (operator == "ne")
    if have is None:
        return False
    if operator in ("li", "il"):
        texts = (
            (str(have).lower(), str(want[0]).lower()) if operator == "il" else (str(have), str(want[0]))
        )
        return fnmatch.fnmatchcase(*texts)
    number = float(want[0])
    return bool(getattr(float(have), f"__{operator}__")(number))


def _equal(have: Any, want: Any) -> bool:
    if have is None or want is None:
        return have is want
    if isinstance(have, bool):
        return str(have).lower() == str(want).lower()
    if isinstance(have, int | float):
        try:
            return float(want) == have
        except ValueError:
            return False
    return str(have) == str(want)


def _sortable(value: Any) -> tuple[bool, Any]:
    return (value is None, value if isinstance(value, int | float) else str(value))
