"""The BrainCircuits.io of the sandbox: documented routes, FastAPI's status codes, hourly snapshots."""

from __future__ import annotations

import functools
import io
import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pdneuro.sandbox.connectome import Connectome
from pdneuro.sandbox.server import Request, Response, file_response

PROJECTS = ("fruitfly_fafb_flywire", "fruitfly_fafb_flywire_public", "fruitfly_fanc_cave")
#: Projects that are managed by CAVE: without a CAVE token the response is 403.
CAVE_PROJECTS = ("fruitfly_fanc_cave",)
TOKEN, CAVE_TOKEN = "sandbox-token", "sandbox-cave-token"
_PREFIX = "/circuit/segment/property/"
_DUMP = "/circuit/graph/dump"
_FILES = "/files/"


class BrainCircuitsApp:
    """An imitation of the property and graph routes for a connectome.

    Public attributes can be changed at any time, to test a client.
    """

    def __init__(self, connectome: Connectome) -> None:
        self.connectome = connectome
        #: Other names of keys in the values of properties.
        self.names: dict[str, str] = {}
        #: Whether the IDs of partners are text, and whether partners are sorted by falling count.
        self.text_ids = True
        self.sorts = True
        #: Maximum number of partners in each direction; ``link_pre`` and ``link_post`` count all.
        self.max_partners: int | None = None
        #: Number of units of ``materialized_timestamp`` per second.
        self.ticks = 1
        #: Whether there is a route for the files of the graph.
        self.has_files = True
        #: Projects that exist.
        self.projects: Sequence[str] = PROJECTS
        #: Projects that need a CAVE token.
        self.cave_projects: Sequence[str] = CAVE_PROJECTS
        #: Value of an unknown ID: ``"absent"``, ``"null"``, or else an empty object. With ``"reject"``,
        #: a request with an unknown ID is rejected as a whole, with status 400.
        self.unknown: str = "absent"
        #: Maximum number of segments per request; more are rejected with status 413.
        self.max_segments = 10_000
        #: Status code by ID: a request with one of these IDs is rejected as a whole.
        self.poison: dict[int, int] = {}
        #: Maximum number of segments per response; the others are missing without a warning.
        self.silent_cap: int | None = None
        #: Materialization times of the next responses. Default: the last full hour before the
        #: start, so that responses do not depend on the time of the request.
        self.snapshots: Iterator[int] | None = None
        self._last_hour = int(time.time()) // 3600 * 3600 + 3
        self._parquet = functools.lru_cache(maxsize=2)(self._write_parquet)
        self._entry = functools.lru_cache(maxsize=None)(self._encode)

    def __call__(self, request: Request) -> Response:
        """Return the response to a request."""
        if request.path.startswith(_FILES):
            return self._file(request)
        rejection = _reject(request, self.projects, self.cave_projects)
        if rejection:
            return rejection
        if request.path == _DUMP and not self.has_files:
            return Response({"detail": "Not Found"}, 404)
        if request.path == _DUMP:
            return self._dump(request)
        name = request.path.removeprefix(_PREFIX)
        if name not in _PROPERTIES:
            return Response({"detail": f"Property '{name}' not found"}, 404)
        segments, errors = _segments(request)
        if errors:
            return Response({"detail": errors}, 422)
        if len(segments) > self.max_segments:
            return Response({"detail": f"at most {self.max_segments} segments"}, 413)
        for number in segments:
            if number in self.poison:
                return Response({"detail": "could not be processed"}, self.poison[number])
        if self.unknown == "reject" and any(number not in self.connectome for number in segments):
            return Response({"detail": "unknown segment"}, 400)
        # As in the service's example, the order differs from the request.
        encode = self._encode if self._is_changed() else self._entry
        entries = [encode(name, number, self.unknown) for number in reversed(segments)]
        kept = [entry for entry in entries if entry is not None][: self.silent_cap]
        snapshot = next(self.snapshots) if self.snapshots else self._last_hour
        head = f'{{"materialized_timestamp":{snapshot * self.ticks},"results":{{'.encode()
        return Response(head + b",".join(kept) + b"}}")

    def _dump(self, request: Request) -> Response:
        snapshot = self._last_hour
        base = f"{request.root}{_FILES}{request.query['project']}"
        urls = {f"{name}_url": f"{base}/{name}.parquet?signature=abc" for name in ("nodes", "edges")}
        return Response({"last_materialized": snapshot, **urls})

    def _file(self, request: Request) -> Response:
        """Return a file of the graph, or the rest of it; its address contains a signature."""
        name = request.path.rpartition("/")[2].removesuffix(".parquet")
        if name not in ("nodes", "edges"):
            return Response({"detail": "Not Found"}, 404)
        return file_response(request, self._parquet(name))

    def _write_parquet(self, name: str) -> bytes:
        nodes, edges = self.connectome.dump
        file = io.BytesIO()
        (nodes if name == "nodes" else edges).to_parquet(file, index=False)
        return file.getvalue()

    def _encode(self, name: str, number: int, unknown: str) -> bytes | None:
        if number in self.connectome:
            value = self._changed(_PROPERTIES[name](self.connectome, number))
        elif unknown == "absent":
            return None
        else:
            value = None if unknown == "null" else {}
        return f'"{number}":{json.dumps(value, separators=(",", ":"))}'.encode()

    def _is_changed(self) -> bool:
        return bool(self.names or self.max_partners) or not (self.text_ids and self.sorts)

    def _changed(self, value: Any) -> Any:
        """Return a value with the differences that the attributes describe."""
        if isinstance(value, list):
            cut = value[: self.max_partners] if value and "segmentid" in value[0] else value
            return [self._changed(item) for item in (cut if self.sorts else cut[::-1])]
        if not isinstance(value, dict):
            return value
        found = {self.names.get(key, key): self._changed(item) for key, item in value.items()}
        if not self.text_ids and "segmentid" in found:
            found["segmentid"] = int(found["segmentid"])
        return found


def _reject(request: Request, projects: Sequence[str], cave_projects: Sequence[str]) -> Response | None:
    if not request.path.startswith((_PREFIX, _DUMP)):
        return Response({"detail": "Not Found"}, 404)
    if request.method != ("GET" if request.path == _DUMP else "POST"):
        return Response({"detail": "Method Not Allowed"}, 405)
    if request.headers.get("authorization") != f"Bearer {TOKEN}":
        return Response({"detail": "Unauthorized"}, 401)
    project = request.query.get("project")
    if project is None:
        missing = {"type": "missing", "loc": ["query", "project"], "msg": "Field required"}
        return Response({"detail": [missing]}, 422)
    if project not in projects:
        return Response({"detail": f"Project '{project}' not found"}, 404)
    cave = request.headers.get("authorization-cave")
    if (project in cave_projects or cave is not None) and cave != f"Bearer {CAVE_TOKEN}":
        return Response({"detail": "CAVE token missing or invalid"}, 403)
    return None


def _segments(request: Request) -> tuple[list[int], list[dict[str, Any]]]:
    try:
        body = request.json()
    except ValueError:
        return [], [{"type": "json_invalid", "loc": ["body", 0], "msg": "JSON decode error"}]
    segments = body.get("segments") if isinstance(body, dict) else None
    if not isinstance(segments, list):
        return [], [{"type": "missing", "loc": ["body", "segments"], "msg": "Field required"}]
    errors = [
        {
            "type": "int_type",
            "loc": ["body", "segments", number],
            "msg": "Input should be a valid positive 64-bit integer",
            "input": entry,
        }
        for number, entry in enumerate(segments)
        if type(entry) is not int or not 0 < entry < 2**63
    ]
    return segments, errors


def _link_pre(connectome: Connectome, number: int) -> Any:
    (synapses, partners), _ = connectome.links(number)
    return {"nr_pre": synapses, "nr_downstream_partner": partners}


def _link_post(connectome: Connectome, number: int) -> Any:
    _, (synapses, partners) = connectome.links(number)
    return {"nr_post": synapses, "nr_upstream_partner": partners}


def _connectivity(connectome: Connectome, number: int) -> Any:
    sides = zip(("downstream", "upstream"), connectome.partners(number), strict=True)
    return {
        side: [{"segmentid": str(other), "synaptic_count": count} for other, count in partners]
        for side, partners in sides
    }


def _size(connectome: Connectome, number: int) -> Any:
    cells = connectome.cells(number)
    return {"size": cells["size"]} if "size" in cells else {}


def _neurotransmitter(connectome: Connectome, number: int) -> Any:
    cells = connectome.cells(number)
    values = {name: cells[name] for name in ("nt_type", "nt_type_score") if name in cells}
    return values or None


def _position(cells: dict[str, Any]) -> dict[str, Any] | None:
    if "soma_x" not in cells:
        return None
    return {axis: cells[f"soma_{axis}"] for axis in "xyz"}


def _soma(connectome: Connectome, number: int) -> Any:
    position = _position(connectome.cells(number))
    return {"position": position} if position else None


def _nucleus(connectome: Connectome, number: int) -> Any:
    cells = connectome.cells(number)
    if "nucleus_id" not in cells:
        return []
    return [{"nucleus_id": str(cells["nucleus_id"]), "volume": cells["nucleus_volume"]}]


def _mitochondria(connectome: Connectome, number: int) -> Any:
    cells = connectome.cells(number)
    return cells.get("mitochondria")


def _dcv(connectome: Connectome, number: int) -> Any:
    cells = connectome.cells(number)
    position = _position(cells)
    return (
        [
            {**{axis: at + 40 * k for axis, at in position.items()}, "diameter": 60 + number % 40 + k}
            for k in range(cells.get("dcv", 0))
        ]
        if position
        else []
    )


_PROPERTIES: dict[str, Callable[[Connectome, int], Any]] = {
    "size": _size,
    "link_pre": _link_pre,
    "link_post": _link_post,
    "neurotransmitter": _neurotransmitter,
    "connectivity": _connectivity,
    "nucleus": _nucleus,
    "soma": _soma,
    "mitochondria": _mitochondria,
    "dcv": _dcv,
}
