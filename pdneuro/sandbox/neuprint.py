"""An imitation of neuPrint: it answers the queries that pdneuro sends, and no other Cypher."""

from __future__ import annotations

import functools
import json
import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from pdneuro.sandbox.connectome import Connectome
from pdneuro.sandbox.server import Request, Response

#: The token that this server accepts.
TOKEN = "sandbox-neuprint-token"
#: Data sets of the server; all have the same neurons.
DATASETS = (
    "hemibrain:v1.2.1", "male-cns:v0.9", "male-cns:v1.0", "manc:v1.0", "manc:v1.2.1", "manc:v1.2.3",
    "mushroombody", "optic-lobe:v1.0.1", "optic-lobe:v1.1",
)  # fmt: skip
#: Regions that do not overlap, and one that contains some of them.
PRIMARY = ("EB", "FB", "LH(R)", "SLP(R)", "SMP(R)")
_LARGER, _PARTS = "CX", ("EB", "FB")
#: Properties that hemibrain lacks.
_NOT_IN_HEMIBRAIN = ("somaSide", "predictedNt", "predictedNtConfidence", "superclass")
#: Names of the brain's columns that are other here, and names that every body has.
_RENAMED = {
    "cell_class": "superclass", "mitochondria": "mito",
    "nt_type": "predictedNt", "nt_type_score": "predictedNtConfidence",
}  # fmt: skip
_NAMES = (
    "bodyId", "type", "instance", "status", "somaSide", "somaLocation", "pre", "post", "downstream",
    "upstream", "roiInfo",
)  # fmt: skip
_SIDES = {"left": "L", "right": "R"}
_PROJECTION = {
    "name": "cartesian-3d",
    "properties": {
        "href": "http://spatialreference.org/ref/sr-org/9157/ogcwkt/",
        "type": "ogcwkt",
    },
    "srid": 9157,
    "type": "link",
}


class NeuPrintApp:
    """neuPrint on a connectome.

    Parameters
    ----------
    connectome : Connectome
        Its neurons are the bodies; those without a row in its table are fragments.

    Attributes
    ----------
    datasets : tuple of str
        Names of the data sets.
    public : bool
        Whether queries need no token.
    closed, terms : set, dict
        Data sets that the token may not read; data sets with terms, and the page with them.
    fragments : set of int
        Bodies that are segments, but not neurons.
    meta : dict
        The description of each data set; ``voxelSize``, ``primaryRois`` and ``neuronProperties``.
    most_ids : int, optional
        A query for more IDs does not finish: the response is ``late``.
    late : Response
        The response to a query that does not finish.
    error_status : int
        Status of the response to a query that cannot be run.
    without_skeleton : set of int
        Bodies without a skeleton; fragments at first.
    no_skeleton : Response
        The response for a body without a skeleton.
    knows_all : bool
        Whether an unknown body has a row without a partner.
    """

    def __init__(self, connectome: Connectome) -> None:
        self.connectome = connectome
        self.datasets: tuple[str, ...] = DATASETS
        self.public = True
        self.closed: set[str] = set()
        self.terms: dict[str, str] = {}
        table = connectome.table
        named = set() if table is None else set(table.index)
        self.fragments = {number for number in connectome.ids.tolist() if number not in named}
        self.meta: dict[str, Any] = {"voxelSize": [8.0, 8.0, 8.0], "primaryRois": list(PRIMARY)}
        self.most_ids: int | None = None
        text = (
            "Timeout experienced. This could be due to database traffic or your query being too complex."
        )
        self.late = Response({"error": text}, 400)
        self.error_status, self.knows_all = 400, False
        self.without_skeleton = set(self.fragments)
        self.no_skeleton = Response({"error": "Key not found"}, 400)
        self._node = functools.lru_cache(maxsize=None)(self._make_node)

    def __call__(self, request: Request) -> Response:
        """Return the response to a request."""
        path = re.sub(r"^/api/v\d[\w.]*/", "/api/", request.path)
        if path == "/api/version":
            return Response({"Version": "1.9.3"})
        if path == "/api/serverinfo":
            return Response({"IsPublic": self.public, "Version": "1.9.3"})
        if path == "/api/dbmeta/datasets":
            entry = {"last-mod": "2026-03-01 00:00:00", "uuid": "5a0d", "ROIs": list(PRIMARY)}
            return Response({name: {**entry, "hidden": False} for name in self.datasets})
        if found := re.fullmatch(r"/api/skeletons/skeleton/([^/]+)/(\d+)", path):
            return self._reject(request, found[1]) or self._skeleton(int(found[2]), request)
        if path != "/api/custom/custom":
            return Response({"error": "not found"}, 404)
        try:
            query = request.json()
            dataset, text = query["dataset"], " ".join(query["cypher"].split())
        except (ValueError, LookupError, TypeError, AttributeError):
            return Response({"error": "request object not formatted correctly"}, 400)
        return self._reject(request, dataset) or self._answer(dataset, text)

    def _reject(self, request: Request, dataset: str) -> Response | None:
        token = request.headers.get("authorization")
        if token is not None and token != f"Bearer {TOKEN}":
            moved = "neuPrint has moved to a new authorization system"
            return Response(
                {"message": f"invalid or expired token: {moved}; log in at .../account"}, 401
            )
        if dataset not in self.datasets:
            return Response({"error": f'dataset "{dataset}" not available in stores'}, 404)
        if token is None and not self.public:
            return Response({"message": "authentication required"}, 401)
        if dataset in self.closed:
            return Response({"message": f"You do not have access to {dataset} dataset"}, 403)
        if dataset in self.terms:
            terms = {"tos_required": True, "tos_url": self.terms[dataset], "dataset": dataset}
            return Response({"message": "terms of service not accepted", **terms}, 403)
        return None

    def _answer(self, dataset: str, query: str) -> Response:
        for pattern, answer in _QUERIES:
            found = re.fullmatch(pattern, query)
            if found is None:
                continue
            listed = found.groupdict().get("ids")
            ids = [int(word) for word in listed.split(",") if word.strip()] if listed is not None else []
            if self.most_ids is not None and len(ids) > self.most_ids:
                return self.late
            columns, rows = answer(self, dataset, found, [number for number in ids if number in self])
            if self.knows_all:
                empty = [None] * (len(columns) - 1)
                rows = [*rows, *([number, *empty] for number in ids if number not in self)]
            return Response({"columns": columns, "data": [list(row) for row in rows], "debug": query})
        code = "Neo.ClientError.Statement.SyntaxError"
        return Response(
            {"error": f"failed to execute query: Neo4jError: {code} (Invalid input: {query[:80]})"},
            self.error_status,
        )

    def _skeleton(self, number: int, request: Request) -> Response:
        if number not in self or number in self.without_skeleton:
            return self.no_skeleton
        rows = self.skeleton(number)
        if request.query.get("format") == "swc":
            lines = ["# SWC in voxels", *(" ".join(map(str, row)) for row in rows), ""]
            return Response("\n".join(lines).encode(), 200, {"Content-Type": "text/plain"})
        names = ["rowId", "x", "y", "z", "radius", "link"]
        return Response({"columns": names, "data": [[row[0], *row[2:]] for row in rows]})

    def __contains__(self, number: int) -> bool:
        return number in self.connectome

    # -- data --------------------------------------------------------------------------------------

    def node(self, number: int, dataset: str) -> dict[str, Any]:
        """Return the properties of a body."""
        found = self._node(number)
        if dataset.startswith("hemibrain"):
            return {name: value for name, value in found.items() if name not in _NOT_IN_HEMIBRAIN}
        return found

    def _make_node(self, number: int) -> dict[str, Any]:
        cells = dict(self.connectome.cells(number))
        kind = cells.pop("cell_type", cells.pop("type", None))
        side = _SIDES.get(cells.pop("side", None))
        (downstream, _), (upstream, _) = self.connectome.links(number)
        point = [cells.pop(f"soma_{axis}", None) for axis in "xyz"]
        found = {
            "bodyId": number,
            "type": kind,
            "instance": f"{kind}_{side}" if kind and side else kind,
            "status": "Traced",
            "somaSide": side,
            "pre": -(-downstream // 4),
            "post": upstream,
            "downstream": downstream,
            "upstream": upstream,
            **{_RENAMED.get(name, name): _plain(value) for name, value in cells.items()},
        }
        if None not in point:
            place = [int(axis) for axis in point]
            found["somaLocation"] = {"coordinates": place, "crs": _PROJECTION, "type": "Point"}
        return {name: value for name, value in found.items() if value is not None}

    def skeleton(self, number: int) -> list[list[Any]]:
        """Return the rows of the SWC file of a body, in voxels: branches from the soma."""
        cells, rng = self.connectome.cells(number), random.Random(number)
        place = [[int(cells.get(f"soma_{axis}", 0)) for axis in "xyz"]]
        rows: list[list[Any]] = [[1, 1, *place[0], 300.0, -1]]
        for node in range(2, 20 + number % 30):
            # A node continues one of the three nodes before it.
            parent = max(node - rng.randint(1, 3), 1)
            place.append([axis + rng.randint(-500, 500) for axis in place[parent - 1]])
            rows.append([node, 0, *place[-1], round(rng.uniform(10, 60), 2), parent])
        return rows

    def _regions(self, number: int) -> dict[str, dict[str, int]]:
        """Return the numbers of synapses of a body by region."""
        found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        down, up = self.connectome.partners(number)
        for other, weight in down:
            for region, count in _regions_of(number, other, weight).items():
                found[region]["downstream"] += count
                found[region]["pre"] += -(-count // 4)
        for other, weight in up:
            for region, count in _regions_of(other, number, weight).items():
                found[region]["upstream"] += count
                found[region]["post"] += count
        return {region: dict(counts) for region, counts in found.items()}

    def neurons(self) -> Iterator[int]:
        """Yield all bodies that are neurons."""
        yield from (number for number in self.connectome.ids.tolist() if number not in self.fragments)

    def value(self, number: int, name: str, dataset: str) -> Any:
        """Return a property of a body, None without a value."""
        if name == "roiInfo":
            return json.dumps(self._regions(number))
        if name in (*PRIMARY, _LARGER):
            return True if name in self._regions(number) else None
        return self.node(number, dataset).get(name)

    def property_names(self, dataset: str) -> list[str]:
        """Return the names of the properties of a data set."""
        table = self.connectome.table
        columns = [] if table is None else [_RENAMED.get(str(name), str(name)) for name in table.columns]
        names = [
            *_NAMES,
            *(name for name in columns if not name.startswith(("soma_", "side", "cell_type"))),
        ]
        if dataset.startswith("hemibrain"):
            names = [name for name in names if name not in _NOT_IN_HEMIBRAIN]
        return list(dict.fromkeys([*names, *PRIMARY, _LARGER]))


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _regions_of(pre: int, post: int, weight: int) -> dict[str, int]:
    """Return the synapses of an edge by region: two primary ones, and the larger one around them."""
    rest = weight // 5
    first = -(-2 * (weight - rest) // 3)
    found: dict[str, int] = defaultdict(int)
    found[PRIMARY[pre % 5]] += first
    found[PRIMARY[post % 5]] += weight - rest - first
    larger = sum(found[part] for part in _PARTS if part in found)
    return {name: count for name, count in {**found, _LARGER: larger}.items() if count}


# -- queries ---------------------------------------------------------------------------------------

_Answer = tuple[list[str], Iterable[Sequence[Any]]]


def _property(app: NeuPrintApp, dataset: str, query: re.Match[str], ids: list[int]) -> _Answer:
    name = query["name"].replace("``", "`")
    return ["body", "value"], ((number, app.value(number, name, dataset)) for number in ids)


def _partners(app: NeuPrintApp, dataset: str, query: re.Match[str], ids: list[int]) -> _Answer:
    upstream, with_regions = query["incoming"] == "<", bool(query["regions"])
    columns = ["body", "partner", "weight", *(["roiInfo"] if with_regions else [])]
    columns += ["labels"] if query["labels"] else []

    def rows() -> Iterator[Sequence[Any]]:
        for number in ids:
            labels = ["Segment"] if number in app.fragments else ["Segment", "Neuron"]
            more = [labels] if query["labels"] else []
            found = app.connectome.partners(number)[upstream]
            kept = [
                pair for pair in found if query["label"] == "Segment" or pair[0] not in app.fragments
            ]
            for other, weight in kept:
                ends = (other, number) if upstream else (number, other)
                counts = {
                    region: {"pre": -(-count // 4), "post": count}
                    for region, count in _regions_of(*ends, weight).items()
                }
                info = [json.dumps(counts)] if with_regions else []
                yield [number, other, weight, *info, *more]
            if not kept:
                yield [number, None, None, *([None] if with_regions else []), *more]

    return columns, rows()


def _meta(app: NeuPrintApp, dataset: str, query: re.Match[str], ids: list[int]) -> _Answer:
    value = app.meta.get(query["name"])
    if query["name"] == "neuronProperties" and "neuronProperties" not in app.meta:
        value = json.dumps(dict.fromkeys(app.property_names(dataset), "string"))
    return ["value"], [[value]]


def _names(app: NeuPrintApp, dataset: str, query: re.Match[str], ids: list[int]) -> _Answer:
    return ["value"], ([name] for name in app.property_names(dataset))


def _one(app: NeuPrintApp, dataset: str, query: re.Match[str], ids: list[int]) -> _Answer:
    return ["value"], ([number] for number in list(app.neurons())[:1])


def _values(app: NeuPrintApp, dataset: str, query: re.Match[str], ids: list[int]) -> _Answer:
    values = (app.value(number, query["name"], dataset) for number in app.neurons())
    return ["value"], ([value] for value in dict.fromkeys(values) if value is not None)


def _find(app: NeuPrintApp, dataset: str, query: re.Match[str], ids: list[int]) -> _Answer:
    tests: list[tuple[str, Callable[[Any], bool]]] = []
    for condition in _CONDITION.finditer(query["where"] or ""):
        name, pattern = condition["name"], condition["pattern"]
        if pattern:
            tests.append((name, functools.partial(_matches, re.compile(_literals(pattern)[0]))))
        else:
            tests.append((name, _literals(condition["values"]).__contains__))
    names = re.findall(r", n\.`(.+?)` AS `", query["names"])

    def rows() -> Iterator[Sequence[Any]]:
        for number in app.neurons():
            if all(test(app.value(number, name, dataset)) for name, test in tests):
                yield [number, *(app.value(number, name, dataset) for name in names)]

    return ["body", *names], rows()


def _matches(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _literals(text: str) -> list[Any]:
    """Return the values of a list in Cypher."""
    found = []
    for quoted, other in re.findall(r"'((?:[^'\\]|\\.)*)'|([\w.+-]+)", text):
        plain = re.sub(r"\\'", "'", quoted)
        found.append(json.loads(other) if other else json.loads(f'"{plain}"'))
    return found


_STRING = r"'(?:[^'\\]|\\.)*'"
_CONDITION = re.compile(
    rf"n\.`(?P<name>.+?)` (?:IN \[(?P<values>(?:{_STRING}|[^'\]])*)\]|=~ (?P<pattern>{_STRING}))"
)
_BODIES = r"WITH \[(?P<ids>[\d, ]*)\] AS ids MATCH \(n:Segment\) WHERE n\.bodyId IN ids"
_QUERIES: tuple[tuple[str, Callable[..., _Answer]], ...] = (
    (rf"{_BODIES} RETURN n\.bodyId AS body, n\.`(?P<name>.+)` AS value", _property),
    (
        rf"{_BODIES} OPTIONAL MATCH \(n\)(?P<incoming><?)-\[e:ConnectsTo\]->?"
        r"\(m:(?P<label>Segment|Neuron)\) WHERE e\.weight > 0 "
        r"RETURN n\.bodyId AS body, m\.bodyId AS partner, e\.weight AS weight"
        r"(?P<regions>, e\.roiInfo AS roiInfo)?(?P<labels>, labels\(n\) AS labels)?",
        _partners,
    ),
    (r"MATCH \(m:Meta\) RETURN m\.(?P<name>\w+) AS value", _meta),
    (r"MATCH \(n:Neuron\) UNWIND keys\(n\) AS value RETURN DISTINCT value", _names),
    (r"MATCH \(n:Neuron\) RETURN n\.bodyId AS value LIMIT 1", _one),
    (
        r"MATCH \(n:Neuron\) WHERE n\.`(?P<name>.+?)` IS NOT NULL RETURN DISTINCT n\.`.+` AS value",
        _values,
    ),
    (
        r"MATCH \(n:Neuron\)(?: WHERE (?P<where>.+))? "
        r"RETURN n\.bodyId AS body(?P<names>.*) ORDER BY n\.bodyId",
        _find,
    ),
)
