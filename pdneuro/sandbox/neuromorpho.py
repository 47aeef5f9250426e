"""The NeuroMorpho.org of the sandbox: its routes, and its rules for queries, pages and outages."""

from __future__ import annotations

import fnmatch
import functools
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, unquote

from pdneuro.sandbox import neuromorpho_data as data
from pdneuro.sandbox.neuromorpho_data import Record
from pdneuro.sandbox.server import HTML_PAGE, Request, Response, file_response

_EMBEDDED = {
    "neuron": "neuronResources",
    "morphometry": "measurements",
    "pvec": "pvecs",
    "literature": "publicationResources",
}


class NeuroMorphoApp:
    """An imitation of neuromorpho.org/api, with its files under ``/dableFiles``.

    Parameters
    ----------
    count : int
        Number of synthetic neurons; their IDs start at 1.
    records, measurements : list of dict, optional
        Your own records in the format of the service, instead of synthetic records.
    files : mapping, optional
        Your own reconstructions: content by ``neuron_id``.

    Public attributes can be changed at any time, to test a client.
    """

    def __init__(
        self,
        count: int = 640,
        *,
        records: Sequence[Record] | None = None,
        measurements: Sequence[Record] = (),
        files: Mapping[int, bytes] | None = None,
    ) -> None:
        self._own = None if records is None else {record["neuron_id"]: record for record in records}
        self._measured = {record["neuron_id"]: record for record in measurements}
        self._files = files or {}
        self._ids = range(1, count + 1) if self._own is None else list(self._own)
        #: ``"html"``: each response is a page with status 200; ``"empty"``: there are no records.
        self.outage: str | None = None
        #: Whether a POST is accepted; the service's documentation does not list it.
        self.post = True
        #: Whether the filters in the body of a POST, and ``sort=``, are used.
        self.filters_posts = True
        self.sorts = True
        #: Whether quotes are not part of a quoted value.
        self.quotes = True
        #: Number that is added to ``totalPages``.
        self.extra_pages = 0
        #: Status code of a selection without hits.
        self.no_hits = 404
        #: Status code of a query with an ID that does not exist, None for the records of the others.
        self.unknown: int | None = None
        #: Other names of keys in records.
        self.names: dict[str, str] = {}
        #: Status code and body of each file, None for the file.
        self.file: tuple[int, bytes] | None = None
        #: Name of the ID in a query of measurements.
        self.id_field = "Neuron_id"
        #: Maximum number of records per page, whatever the query requests.
        self.largest_page = 500
        #: Maximum number of IDs per query; more are rejected with status 400.
        self.most_ids = 500
        #: A request for one of these neurons is rejected with status 500.
        self.poison: set[int] = set()

    @functools.cached_property
    def _by_name(self) -> dict[str, int]:
        if self._own is not None:
            return {record["neuron_name"]: number for number, record in self._own.items()}
        return {data.name_of(number): number for number in self._ids}

    def __call__(self, request: Request) -> Response:
        """Return the response to a request."""
        if self.outage == "html":
            return Response(HTML_PAGE, 200, {"Content-Type": "text/html"})
        for pattern, methods, route in _ROUTES:
            match = re.fullmatch(pattern, request.path)
            if match and request.method not in methods(self):
                return _failure(request, 405, "Method Not Allowed")
            if match:
                try:
                    return route(self, request, *map(unquote, match.groups()))
                except _BadQuery as error:
                    return _failure(request, 400, str(error))
                except _Poisoned:
                    return _failure(request, 500, "Internal Server Error")
        return Response(HTML_PAGE, 404, {"Content-Type": "text/html"})

    # -- records ----------------------------------------------------------------------------------

    def _records(self, resource: str) -> Sequence[Record]:
        if self.outage == "empty":
            return []
        if resource == "literature":
            return data.papers()
        return [record for number in self._ids if (record := self._record(resource, number))]

    def _record(self, resource: str, number: int) -> Record | None:
        if number not in self._ids or self.outage == "empty":
            return None
        if number in self.poison:
            raise _Poisoned
        if self._own is not None:
            table = {"neuron": self._own, "morphometry": self._measured}
            return table.get(resource, {}).get(number)
        if resource == "neuron":
            return data.neuron(number)
        if number % 50 == 0:  # not measured
            return None
        if resource == "pvec":
            return data.persistence(number)
        return data.morphometry(number)

    def _one(self, request: Request, resource: str, key: str, value: str) -> Response:
        if resource == "literature":
            found = next((paper for paper in self._records(resource) if paper["id"] == value), None)
        else:
            number = (
                self._by_name.get(value, 0) if key == "name" else int(value) if value.isdigit() else 0
            )
            found = self._record(resource, number)
        return (
            _failure(request, 404, f"Requested {resource} not found")
            if found is None
            else Response(found)
        )

    def _all(self, request: Request, resource: str) -> Response:
        return self._page(request, resource, self._records(resource))

    def _select(self, request: Request, resource: str) -> Response:
        wanted: list[tuple[str, list[Callable[[str], bool]]]] = []
        ids: list[int] | None = None
        if request.method == "POST" and self.filters_posts:
            for name, values in request.json().items():
                listed = values if isinstance(values, list) else [values]
                wanted.append((name, [functools.partial(str.__eq__, str(value)) for value in listed]))
        for name, term in parse_qsl(request.raw_query, keep_blank_values=True):
            if name not in ("q", "fq"):
                continue
            field, colon, value = term.partition(":")
            if not colon:
                raise _BadQuery(f"no field in {term!r}")
            if field.lower() == "neuron_id" and resource != "literature":
                if resource == "morphometry" and field != self.id_field:
                    return _failure(request, 404, "Requested measurement(s) not found")
                ids = [int(part) for part in value.split(",") if part.isdigit()]
                if len(ids) > self.most_ids:
                    raise _BadQuery("too many values")
            else:
                tests = _tests(value) if self.quotes else [_test(part) for part in value.split(",")]
                wanted.append((field, tests))
        if ids is None:
            found = list(self._records(resource))
        else:
            found = [record for number in set(ids) if (record := self._record(resource, number))]
            if self.unknown is not None and len(found) < len(set(ids)):
                return _failure(request, self.unknown, "Requested neuron not found")
        for field, tests in wanted:
            found = [record for record in found if _fits(record, field, tests)]
        return self._page(request, resource, found)

    def _page(self, request: Request, resource: str, found: Sequence[Record]) -> Response:
        if not found and self.no_hits == 404:
            return _failure(request, 404, f"Requested {resource}(s) not found")
        number = int(request.query.get("page", 0))
        size = min(int(request.query.get("size", 50)), self.largest_page)
        order = request.query.get("sort", "") if self.sorts else ""
        field, _, direction = order.partition(",")
        if resource != "literature":
            # The default order is that of the IDs as text.
            as_text = not field
            field = field or "neuron_id"
            ordered = sorted(found, key=lambda record: str(record[field]) if as_text else record[field])
            found = ordered[::-1] if direction == "desc" else ordered
        pages = -(-len(found) // size)
        here = found[number * size : (number + 1) * size]
        if not here and (found or self.no_hits == 404):
            return _failure(request, 404, f"Requested {resource}(s) not found")
        pages += self.extra_pages
        block = {"size": size, "totalElements": len(found), "totalPages": pages, "number": number}
        if self.names:
            here = [{self.names.get(key, key): cell for key, cell in item.items()} for item in here]
        # Like the real service, and unlike its documentation, pages have no _links.
        return Response({"_embedded": {_EMBEDDED[resource]: here}, "page": block})

    # -- fields -----------------------------------------------------------------------------------

    def _fields(self, request: Request, resource: str) -> Response:
        record = self._records(resource)[0] if self._records(resource) else {}
        names = [name for name in record if name != "_links"]
        names += [f"{name}_{level}" for name in ("brain_region", "cell_type") for level in (1, 2, 3)]
        key = f"{resource.capitalize()} Fields"
        return Response({self.names.get(key, key): names})

    def _counted(self, resource: str, field: str) -> dict[str, int]:
        counted: Counter[str] = Counter()
        for record in self._records(resource):
            counted.update(_values(record, field))
        return dict(counted.most_common())

    def _values(self, request: Request, resource: str, field: str) -> Response:
        found = list(self._counted(resource, field))
        size, number = min(int(request.query.get("size", 50)), 500), int(request.query.get("page", 0))
        pages = max(1, -(-len(found) // size))
        block = {"size": size, "totalElements": len(found), "totalPages": pages, "number": number}
        here = found[number * size : (number + 1) * size]
        return Response({"field_name": field, "fields": here, "page": block})

    def _partition(self, request: Request, resource: str, field: str) -> Response:
        counted = self._counted(resource, field)
        return Response({"fields": counted, "page": {"totalElements": len(counted), "totalPages": 1}})

    # -- files ------------------------------------------------------------------------------------

    def _file(self, request: Request, archive: str, folder: str, file: str) -> Response:
        if self.file is not None:
            return Response(self.file[1], self.file[0], {"Content-Type": "text/plain"})
        for name, number in self._by_name.items():
            if not file.startswith(name):
                continue
            record = self._record("neuron", number) or {}
            ending = f".{record['original_format'].rpartition('.')[2]}"
            names = {"CNG version": f"{name}.CNG.swc", "Source-Version": f"{name}{ending}"}
            # The real service also lacks some files: 12 of 190,000.
            exists = number in self._files if self._own is not None else number % 60
            if record["archive"].lower() == archive and names.get(folder) == file and exists:
                original = folder != "CNG version"
                if number in self._files:
                    return file_response(request, self._files[number], "text/plain")
                if original and ending != ".swc":
                    return file_response(request, b"another format\n", "application/octet-stream")
                return file_response(request, data.swc(number, original=original), "text/plain")
        return Response(HTML_PAGE, 404, {"Content-Type": "text/html"})

    def _health(self, request: Request) -> Response:
        return Response({"status": "UP"})


class _BadQuery(Exception):  # noqa: N818 - not an error of the sandbox
    """The service reports an invalid query."""


class _Poisoned(Exception):  # noqa: N818 - not an error of the sandbox
    """The service fails for this record."""


def _failure(request: Request, status: int, message: str) -> Response:
    words = {
        400: "Bad Request",
        404: "Not Found",
        405: "Method Not Allowed",
        500: "Internal Server Error",
    }
    body = {"status": status, "error": words[status], "message": message, "path": request.path}
    return Response(json.dumps(body).encode(), status)


def _tests(value: str) -> list[Callable[[str], bool]]:
    """Return tests for the values of a query, by the rules of the service."""
    if len(value) > 1 and value[0] == value[-1] == '"':
        text = re.sub(r"\\(.)", r"\1", value[1:-1])
        return [functools.partial(str.__eq__, text)]
    return [_test(part) for part in value.split(",")]


def _test(part: str) -> Callable[[str], bool]:
    if "*" in part or "?" in part:
        pattern = re.compile(fnmatch.translate(part.replace("[", "[[]")))
        return lambda text: bool(pattern.match(text))
    words = part.split()
    if len(words) > 1:  # the service compares only the last word
        return lambda text: words[-1] in text.split()
    return functools.partial(str.__eq__, part)


def _values(record: Record, field: str) -> list[str]:
    """Return the values of a field as text; ``brain_region_1`` is the first level of a list."""
    level = re.fullmatch(r"(brain_region|cell_type)_([123])", field)
    if level:
        levels: list[str] = record[level[1]]
        return levels[int(level[2]) - 1 : int(level[2])]
    name = "physical_Integrity" if field == "Physical_Integrity" else field
    if name not in record:
        raise _BadQuery(f"unknown field {field!r}")
    cell = record[name]
    return [] if cell is None else list(map(str, cell)) if isinstance(cell, list) else [str(cell)]


def _fits(record: Record, field: str, tests: Sequence[Callable[[str], bool]]) -> bool:
    return any(test(value) for value in _values(record, field) for test in tests)


def _get(app: NeuroMorphoApp) -> tuple[str, ...]:
    return ("GET",)


def _get_and_post(app: NeuroMorphoApp) -> tuple[str, ...]:
    return ("GET", "POST") if app.post else ("GET",)


_RESOURCE = "(neuron|morphometry|pvec|literature)"
_ROUTES: tuple[tuple[str, Any, Callable[..., Response]], ...] = (
    ("/api/health", _get, NeuroMorphoApp._health),
    (f"/api/{_RESOURCE}", _get, NeuroMorphoApp._all),
    (f"/api/{_RESOURCE}/select", _get_and_post, NeuroMorphoApp._select),
    (f"/api/{_RESOURCE}/fields", _get, NeuroMorphoApp._fields),
    (f"/api/{_RESOURCE}/fields/([^/]+)", _get, NeuroMorphoApp._values),
    (f"/api/{_RESOURCE}/partition/([^/]+)", _get, NeuroMorphoApp._partition),
    (f"/api/{_RESOURCE}/(id|name)/([^/]+)", _get, NeuroMorphoApp._one),
    ("/dableFiles/([^/]+)/([^/]+)/([^/]+)", _get, NeuroMorphoApp._file),
)
