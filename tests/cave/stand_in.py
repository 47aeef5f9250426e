"""A CAVE server with other limits and shapes than the sandbox: many versions, edits, rejected IDs."""

from __future__ import annotations

import datetime
import re
import time
from typing import Any, NamedTuple

import numpy as np

from pdneuro.sandbox.server import Request, Response

DATASTACK = "mouse_v9"
TOKEN = "stand-in-token"
DAY = 86_400


class Life(NamedTuple):
    """When a root ID was made, and when it was replaced (Unix seconds); None: still valid."""

    begin: float
    end: float | None = None


class Graph:
    """Answers the routes of caveclient that root IDs and versions need; others are a 404.

    Parameters
    ----------
    versions : dict
        Version to the time at which it was frozen.
    lives : dict
        Root ID to its life.
    roots : dict
        Supervoxel to its root IDs, each with the time from which it holds.
    max_ids : int
        Maximum number of IDs per request; more are a 413.
    """

    def __init__(
        self,
        versions: dict[int, float],
        lives: dict[int, Life],
        roots: dict[int, list[tuple[float, int]]] | None = None,
        max_ids: int = 500,
    ) -> None:
        self.versions, self.lives, self.roots = versions, lives, roots or {}
        self.max_ids = max_ids
        #: Whether there is one request for the dates of all versions.
        self.lists_dates = True
        #: Versions that are missing in that request.
        self.undated: set[int] = set()
        #: Version of the service for the graph.
        self.graph_version: str | None = "2.18.0"

    def __call__(self, request: Request) -> Response:
        """Return the response to a request."""
        for pattern, answer in self._routes().items():
            match = re.fullmatch(pattern, request.path)
            if match:
                return answer(request, *match.groups())
        return Response(b"not found", 404, {"Content-Type": "text/plain"})

    def _routes(self) -> dict[str, Any]:
        stack = rf"/materialize/api/v3/datastack/{DATASTACK}"
        graph = r"/segmentation/api/v1/table/g"
        return {
            rf"/info/api/v2/datastack/full/{DATASTACK}": self._info,
            r"/materialize/api/versions": lambda r: Response([2, 3]),
            r"/materialize/version": lambda r: Response("5.13.0"),
            r"/segmentation/api/version": self._graph_version,
            rf"{stack}/versions": lambda r: Response(sorted(self.versions, reverse=True)),
            rf"{stack}/metadata": self._dates,
            rf"{stack}/version/(\d+)": self._date,
            rf"{graph}/root_timestamps": self._root_timestamps,
            rf"{graph}/is_latest_roots": self._is_latest,
            rf"{graph}/roots_binary": self._roots,
        }

    def _info(self, request: Request) -> Response:
        return Response(
            {
                "aligned_volume": {"name": "mouse", "id": 9},
                "local_server": request.root,
                "segmentation_source": f"graphene://{request.root}/segmentation/table/g",
                "synapse_table": None,
                "viewer_resolution_x": 8,
                "viewer_resolution_y": 8,
                "viewer_resolution_z": 33,
            }
        )

    def _graph_version(self, request: Request) -> Response:
        if self.graph_version is None:
            return Response(b"not found", 404, {"Content-Type": "text/plain"})
        return Response(self.graph_version)

    def _entry(self, version: int) -> dict[str, Any]:
        frozen = datetime.datetime.fromtimestamp(self.versions[version], datetime.UTC)
        text = f"{frozen:%Y-%m-%dT%H:%M:%S.%f}"
        return {"version": version, "time_stamp": text, "expires_on": None, "valid": True}

    def _dates(self, request: Request) -> Response:
        if not self.lists_dates:
            return Response(b"not found", 404, {"Content-Type": "text/plain"})
        return Response([self._entry(v) for v in self.versions if v not in self.undated])

    def _date(self, request: Request, version: str) -> Response:
        if int(version) not in self.versions:
            return Response(b"version not found", 404, {"Content-Type": "text/plain"})
        return Response(self._entry(int(version)))

    def _ids(self, request: Request) -> list[int]:
        return [int(number) for number in request.json()["node_ids"]]

    def _root_timestamps(self, request: Request) -> Response:
        ids = self._ids(request)
        if len(ids) > self.max_ids:
            return Response({"message": "too many IDs"}, 413)
        if not any(number in self.lives for number in ids):
            return Response({"timestamp": []})
        if any(number not in self.lives for number in ids):
            return Response({"code": 500, "message": "KeyError"}, 500)
        now = float(request.query.get("timestamp", time.time()))
        lives = [self.lives[number] for number in ids]
        if request.query.get("latest") == "True":
            return Response({"timestamp": [now if life.end is None else life.end for life in lives]})
        return Response({"timestamp": [life.begin for life in lives]})

    def _is_latest(self, request: Request) -> Response:
        moment = float(request.query.get("timestamp", time.time()))
        ids = self._ids(request)
        if any(number not in self.lives for number in ids):
            return Response({"message": "Some ids are not root ids."}, 400)
        lives = [self.lives[number] for number in ids]
        valid = [life.begin <= moment and (life.end is None or moment < life.end) for life in lives]
        return Response({"is_latest": valid})

    def _roots(self, request: Request) -> Response:
        moment = float(request.query.get("timestamp", time.time()))
        ids = np.frombuffer(request.body, "<u8").tolist()
        if len(ids) > self.max_ids:
            return Response({"message": "too many IDs"}, 413)
        if any(number not in self.roots for number in ids):
            return Response({"message": "a supervoxel does not exist"}, 400)
        found = [max((t, root) for t, root in self.roots[n] if t <= moment)[1] for n in ids]
        return Response(
            np.array(found, "<u8").tobytes(), 200, {"Content-Type": "application/octet-stream"}
        )
