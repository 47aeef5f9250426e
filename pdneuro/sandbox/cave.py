"""The CAVE of the sandbox: the routes of caveclient, one token per datastack, a low row limit."""

from __future__ import annotations

import datetime
import gzip
import io
import json
import re
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from pdneuro._compat import optional
from pdneuro.sandbox import cave_data
from pdneuro.sandbox.cave_data import (
    REFERENCES,
    RESOLUTION,
    SYNAPSES,
    VERSIONS,
    VIEWS,
    Datastack,
)
from pdneuro.sandbox.server import Request, Response
from pdneuro.transport import tokens

#: The token of each datastack, which is not valid for the other.
TOKENS = {"minnie65_public": "sandbox-microns-token", "v1dd_public": "sandbox-v1dd-token"}


def cave_tokens() -> dict[str, str]:
    """Return tokens by the server of each datastack."""
    return {tokens.cave_host(name): token for name, token in TOKENS.items()}


_GRAPH = {f"{name}_graph": name for name in TOKENS}

#: When all tables were made; the service writes UTC without a zone.
CREATED = "2020-11-02T18:56:35.530100"


class CaveApp:
    """An imitation of the info, materialization and chunked-graph services for two datastacks.

    Public attributes can be changed at any time, to test a client.
    """

    def __init__(self) -> None:
        #: Maximum number of rows of a response; longer ones are truncated, with a ``Warning`` header.
        self.row_limit = 300
        #: Whether a truncated response has the ``Warning`` header.
        self.warns = True
        #: Number that is added to the count of rows of a table; None: there is no such route.
        self.miscount: int | None = 0
        #: Whether the ``limit`` of a query is used.
        self.limits = True
        #: Other names of the columns of tables.
        self.names: dict[str, str] = {}
        #: Status code of queries with a root ID that is not in the table, None for an empty table.
        self.unknown: int | None = None
        #: Whether versions are listed.
        self.lists_versions = True
        #: Value of ``is_latest`` for IDs that do not exist.
        self.latest_if_unknown = False
        #: Versions whose tables were deleted.
        self.expired: set[int] = set()
        #: Datastacks whose terms of service are not accepted.
        self.terms: set[str] = set()
        #: Datastacks that the token may not read.
        self.forbidden: set[str] = set()
        #: Version of the skeleton service; None: there is no such service.
        self.skeleton_service: str | None = "0.23.9"
        #: Maximum number of skeletons of a response.
        self.skeleton_limit = 500
        #: Root IDs whose skeleton was generated on request, and those whose file is damaged.
        self.generated: set[int] = set()
        self.damaged: set[int] = set()

    def __call__(self, request: Request) -> Response:
        """Return the response to a request."""
        for pattern, route in _ROUTES:
            match = re.fullmatch(pattern, request.path)
            if not match:
                continue
            names = match.groupdict()
            name = names.pop("datastack", None) or _GRAPH.get(names.pop("graph", ""), "")
            if name and name not in TOKENS:
                return Response({"error": f"datastack {name} not found"}, 404)
            rejection = self._reject(request, name) if name else None
            if rejection:
                return rejection
            # Tokens belong to datastacks, so routes without a datastack do not check the token.
            return route(self, request, **({"data": cave_data.datastack(name)} if name else {}), **names)
        return Response({"error": "not found"}, 404)

    def _reject(self, request: Request, name: str) -> Response | None:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not token:
            return Response({"error": "no_token", "message": "No token was sent."}, 401)
        if token != TOKENS[name]:
            return Response(
                {"error": "invalid_token", "message": "Unauthorized - Token is Invalid."}, 401
            )
        if name in self.terms:
            form = f"{request.root}/sticky_auth/api/v1/tos/7/accept"
            data = {"tos_id": 7, "tos_name": "Public Release", "tos_form_url": form}
            return Response(
                {"error": "missing_tos", "message": "Need to accept terms.", "data": data}, 403
            )
        if name in self.forbidden:
            data = {"required_permission": "view", "auth_dataset": name}
            return Response(
                {"error": "missing_permission", "message": "Missing permission.", "data": data}, 403
            )
        return None

    # -- info -------------------------------------------------------------------------------------

    def _info(self, request: Request, data: Datastack) -> Response:
        return Response(
            {
                "aligned_volume": {"name": data.name, "id": 1, "image_source": "precomputed://none"},
                "local_server": request.root,
                "segmentation_source": f"graphene://{request.root}/segmentation/table/{data.name}_graph",
                "synapse_table": SYNAPSES,
                "soma_table": "nucleus_detection_v0",
                "viewer_site": "https://neuroglancer.example",
                "viewer_resolution_x": RESOLUTION[0],
                "viewer_resolution_y": RESOLUTION[1],
                "viewer_resolution_z": RESOLUTION[2],
            }
        )

    # -- materialization --------------------------------------------------------------------------

    def _api_versions(self, request: Request) -> Response:
        return Response([2, 3])

    def _server_version(self, request: Request) -> Response:
        return Response("5.26.4")

    def _versions(self, request: Request, data: Datastack) -> Response:
        if not self.lists_versions:
            return Response({"message": "not found"}, 404)
        every = request.query.get("expired", "").lower() == "true"
        return Response([version for version in VERSIONS if every or version not in self.expired])

    def _count(self, request: Request, data: Datastack, version: str, table: str) -> Response:
        content = data.table(table, int(version))
        if content is None or self.miscount is None:
            return Response(b"not found", 404, {"Content-Type": "text/plain"})
        return self._gone(version) or Response(len(content) + self.miscount)

    def _version(self, request: Request, data: Datastack, version: str) -> Response:
        number = int(version)
        if number not in VERSIONS:
            return Response(b"version not found", 404, {"Content-Type": "text/plain"})
        frozen = datetime.datetime.fromtimestamp(VERSIONS[number], datetime.UTC)
        form = "%Y-%m-%dT%H:%M:%S.%f"
        gone = frozen + datetime.timedelta(days=9_999)
        return Response(
            {
                "version": number,
                "datastack": data.name,
                "valid": number not in self.expired,
                "time_stamp": frozen.strftime(form),
                "expires_on": gone.strftime(form),
            }
        )

    def _metadata_of_all(self, request: Request, data: Datastack) -> Response:
        entries = [self._version(request, data, str(version)).body for version in VERSIONS]
        return Response([entry for entry in entries if entry["valid"]])

    def _gone(self, version: str) -> Response | None:
        number = int(version)
        if number not in VERSIONS:
            return Response(b"version not found", 404, {"Content-Type": "text/plain"})
        if number in self.expired:
            return Response({"message": f"version {number} is not available any more"}, 410)
        return None

    def _tables(self, request: Request, data: Datastack, version: str) -> Response:
        return self._gone(version) or Response(cave_data.tables_of(data.name))

    def _views(self, request: Request, data: Datastack, version: str) -> Response:
        return self._gone(version) or Response({name: {"description": "a view"} for name in VIEWS})

    def _table_metadata(self, request: Request, data: Datastack, version: str, table: str) -> Response:
        if table not in (*cave_data.tables_of(data.name), *VIEWS):
            return Response(b"table not found", 404, {"Content-Type": "text/plain"})
        return self._gone(version) or Response(
            {
                "table_name": table,
                "schema_type": "synapse" if table == SYNAPSES else "nucleus_detection",
                "reference_table": REFERENCES.get(table, ""),
                "created": CREATED,
                "notice_text": None,
                "voxel_resolution_x": RESOLUTION[0],
                "voxel_resolution_y": RESOLUTION[1],
                "voxel_resolution_z": RESOLUTION[2],
            }
        )

    def _query(self, request: Request, data: Datastack, version: str, table: str) -> Response:
        missing = self._gone(version)
        if missing:
            return missing
        content = data.table(table, int(version))
        if content is None:
            return Response(b"table not found", 404, {"Content-Type": "text/plain"})
        query = request.json()
        found = _filtered(content, query.get("filter_in_dict", {}).get(table))
        found = _in_boxes(found, query.get("filter_spatial_dict", {}).get(table))
        if found.empty and self.unknown is not None:
            message = "Some root_ids passed are not valid at the query timestamp"
            return Response({"message": message}, self.unknown)
        return self._answer(found, query)

    def _join(self, request: Request, data: Datastack, version: str) -> Response:
        missing = self._gone(version)
        if missing:
            return missing
        query = request.json()
        (one, on), (other, key) = query["tables"]
        suffixes = query.get("suffix_map") or query.get("suffixes") or {}
        left, right = data.table(one, int(version)), data.table(other, int(version))
        if left is None or right is None:
            return Response(b"table not found", 404, {"Content-Type": "text/plain"})
        filters = query.get("filter_in_dict", {})
        left, right = _filtered(left, filters.get(one)), _filtered(right, filters.get(other))
        right = _in_boxes(right, query.get("filter_spatial_dict", {}).get(other))
        marks = (suffixes.get(one, "_x"), suffixes.get(other, "_y"))
        joined = left.merge(
            right.rename(columns={key: "__key"}), left_on=on, right_on="__key", suffixes=marks
        )
        joined = joined.rename(columns={"__key": f"{key}{marks[1]}"})
        return self._answer(joined, query)

    def _answer(self, table: pd.DataFrame, query: dict[str, Any]) -> Response:
        headers = {"Content-Type": "data.arrow"}
        table = table.iloc[query.get("offset") or 0 :]
        # Like the real server, this also warns if the table has exactly this number of rows.
        if len(table) >= self.row_limit:
            if self.warns:
                headers["Warning"] = f'201 - "Limited query to {self.row_limit} rows"'
            table = table.sample(frac=1, random_state=len(table)).head(self.row_limit)
        if query.get("select_columns"):
            names = [
                n
                for n in table.columns
                if re.sub("_[xyz]$", "", n) in query["select_columns"] or n in query["select_columns"]
            ]
            table = table[names]
        resolution = query.get("desired_resolution") or list(RESOLUTION)
        limit = query.get("limit") if self.limits else None
        if limit and len(table) >= limit and self.warns:
            headers["Warning"] = f'201 - "Limited query to {limit} rows"'
        table = table.head(limit or len(table)).rename(columns=self.names)
        for axis, own, wanted in zip("xyz", RESOLUTION, resolution, strict=True):
            for name in table.columns:
                if name.endswith(f"position_{axis}"):
                    table[name] = table[name] * own / wanted
        headers["dataframe_resolution"] = ", ".join(map(str, map(float, resolution)))
        return Response(_arrow(table), 200, headers)

    # -- chunked graph ----------------------------------------------------------------------------

    def _graph_info(self, request: Request, data: Datastack) -> Response:
        return Response({"graph": {"n_layers": 9, "chunk_size": [256, 256, 512]}})

    def _is_latest(self, request: Request, data: Datastack) -> Response:
        valid = data.valid(_at(request))
        roots = map(int, request.json()["node_ids"])
        latest = [
            root in valid or (self.latest_if_unknown and root not in data.chunks_now) for root in roots
        ]
        return Response({"is_latest": latest})

    def _graph_version(self, request: Request) -> Response:
        return Response("3.0.6")

    def _root_timestamps(self, request: Request, data: Datastack) -> Response:
        roots = list(map(int, request.json()["node_ids"]))
        lives = [data.lifetime(root) for root in roots]
        if None in lives:
            return Response({"code": 500, "message": f"KeyError: {roots[lives.index(None)]}"}, 500)
        now = float(request.query.get("timestamp", time.time()))
        is_latest = request.query.get("latest", "").lower() == "true"
        times = [min(life[1], now) if is_latest else life[0] for life in lives if life]
        return Response({"timestamp": times})

    def _leaves(self, request: Request, data: Datastack, root: str) -> Response:
        if int(root) not in data.chunks_now:
            return Response({"message": f"{root} does not exist"}, 400)
        return Response({"leaf_ids": data.chunks_now[int(root)]})

    def _roots(self, request: Request, data: Datastack) -> Response:
        chunks = np.frombuffer(request.body, "<u8").tolist()
        version = _at(request)
        roots = np.array([data.root(chunk, version) for chunk in chunks], "<u8")
        return Response(roots.tobytes(), 200, {"Content-Type": "application/octet-stream"})

    # -- skeletons --------------------------------------------------------------------------------

    def _skeleton_service(self, request: Request) -> Response:
        return Response(*([self.skeleton_service] if self.skeleton_service else [{}, 404]))

    def _skeleton_versions(self, request: Request) -> Response:
        return Response([-1, 0, 1, 2, 3, 4])

    def _has_skeleton(self, data: Datastack, root: int) -> bool:
        return root in data.chunks_now and (root not in data.without_skeleton or root in self.generated)

    def _refusal_list(self, request: Request, data: Datastack) -> Response:
        lines = ["DATASTACK_NAME,ROOT_ID", *(f"{data.name},{root}" for root in sorted(data.refused))]
        content = gzip.compress("\n".join(lines).encode())
        return Response(content, 200, {"Content-Type": "application/octet-stream"})

    def _skeletons_exist(self, request: Request, data: Datastack) -> Response:
        roots = map(int, request.json()["root_ids"])
        return Response({str(root): self._has_skeleton(data, root) for root in roots})

    def _cached_skeletons(self, request: Request, data: Datastack, kind: str) -> Response:
        query = request.json()
        roots = [int(root) for root in query["root_ids"]]
        there = [root for root in roots if self._has_skeleton(data, root)][: self.skeleton_limit]
        if query.get("generate_missing"):
            self.generated |= {root for root in roots if root in data.chunks_now} - data.refused
        found = {}
        for root in there:
            rows = data.skeleton(root)
            # In bulk, a "compressed" SWC file is not compressed.
            content = _swc(rows) if kind == "swccompressed" else _flat_dict(root, rows)
            found[str(root)] = ("zz" if root in self.damaged else "") + content.hex()
        return Response(found)


def _swc(rows: pd.DataFrame) -> bytes:
    return rows.to_csv(sep=" ", header=False, index=False).encode()


def _flat_dict(root: int, rows: pd.DataFrame) -> bytes:
    """Return a skeleton in the service's other format: nm, edges from a node to its parent."""
    content = {
        "meta": {"root_id": root, "skeleton_version": 4},
        "vertices": (rows[["x", "y", "z"]] * 1000).to_numpy().tolist(),
        "edges": rows.loc[rows["parent"] >= 0, ["id", "parent"]].to_numpy().tolist(),
        "root": 0,
        "radius": (rows["radius"] * 1000).tolist(),
        "compartment": rows["type"].tolist(),
    }
    return gzip.compress(json.dumps(content).encode())


def _at(request: Request) -> int:
    """Return the version at the time of a request, by default the newest."""
    moment = float(request.query.get("timestamp", "inf"))
    return max((v for v, frozen in VERSIONS.items() if frozen <= moment), default=min(VERSIONS))


def _filtered(table: pd.DataFrame, wanted: dict[str, list[Any]] | None) -> pd.DataFrame:
    for column, values in (wanted or {}).items():
        table = table[table[column].isin(values)]
    return table


def _in_boxes(table: pd.DataFrame, boxes: dict[str, list[list[float]]] | None) -> pd.DataFrame:
    """Return the rows with positions in boxes, which are in voxels."""
    for column, (low, high) in (boxes or {}).items():
        for axis, start, end in zip("xyz", low, high, strict=True):
            table = table[table[f"{column}_{axis}"].between(start, end)]
    return table


def _arrow(table: pd.DataFrame) -> bytes:
    arrow = optional("pyarrow", "files")
    content = arrow.Table.from_pandas(table.convert_dtypes(), preserve_index=False)
    file = io.BytesIO()
    with arrow.ipc.new_stream(file, content.schema) as stream:
        stream.write_table(content)
    return file.getvalue()


_ANY = r"(?P<datastack>[^/]+)"
_V = r"/materialize/api/v[23]/datastack/" + _ANY + r"/version/(?P<version>\d+)"
_T = r"(?P<table>[^/]+)"
_G = r"/segmentation/(?:api/v1/)?table/(?P<graph>[^/]+)"
_S = rf"/skeletoncache/api/v1/{_ANY}"
_ROUTES: tuple[tuple[str, Callable[..., Response]], ...] = (
    (rf"/info/api/v2/datastack/full/{_ANY}", CaveApp._info),
    (r"/materialize/api/versions", CaveApp._api_versions),
    (r"/materialize/version", CaveApp._server_version),
    (rf"/materialize/api/v[23]/datastack/{_ANY}/versions", CaveApp._versions),
    (rf"/materialize/api/v[23]/datastack/{_ANY}/metadata", CaveApp._metadata_of_all),
    (_V, CaveApp._version),
    (rf"{_V}/tables", CaveApp._tables),
    (rf"{_V}/views", CaveApp._views),
    (rf"{_V}/table/{_T}/count", CaveApp._count),
    (rf"{_V}/(?:table|views)/{_T}/metadata", CaveApp._table_metadata),
    (rf"{_V}/(?:table|views)/{_T}/query", CaveApp._query),
    (rf"{_V}/query", CaveApp._join),
    (r"/segmentation/api/version", CaveApp._graph_version),
    (rf"{_G}/info", CaveApp._graph_info),
    (rf"{_G}/root_timestamps", CaveApp._root_timestamps),
    (rf"{_G}/is_latest_roots", CaveApp._is_latest),
    (rf"{_G}/node/(?P<root>\d+)/leaves", CaveApp._leaves),
    (rf"{_G}/roots_binary", CaveApp._roots),
    (r"/skeletoncache/api/version", CaveApp._skeleton_service),
    (r"/skeletoncache/api/versions", CaveApp._skeleton_versions),
    (rf"{_S}/precomputed/skeleton/get_refusal_list", CaveApp._refusal_list),
    (rf"{_S}/precomputed/skeleton/exists", CaveApp._skeletons_exist),
    (rf"{_S}/bulk/get_cached_skeletons/-?\d+/(?P<kind>\w+)", CaveApp._cached_skeletons),
)
