"""A CAVE server with given tables: as views, with another limit of rows, with faults."""

from __future__ import annotations

import dataclasses
import io
import re
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from pdneuro.sandbox.server import Request, Response

DATASTACK, TOKEN, VERSION = "fly_v2", "a-token", 20
SOURCE = f"cave:{DATASTACK}"
#: The first root ID of the tables.
ROOT = 648_518_346_400_000_000
_STACK = rf"/materialize/api/v[23]/datastack/{DATASTACK}"
_TABLE = rf"{_STACK}/version/{VERSION}/(?:table|views)/([^/]+)"


def arrow(table: pd.DataFrame) -> bytes:
    """Return a table as an Arrow stream."""
    import pyarrow as pa

    converted = pa.Table.from_pandas(table.convert_dtypes(), preserve_index=False)
    file = io.BytesIO()
    with pa.ipc.new_stream(file, converted.schema) as stream:
        stream.write_table(converted)
    return file.getvalue()


@dataclasses.dataclass
class TableServer:
    """The tables and views of one version."""

    tables: Mapping[str, pd.DataFrame]
    views: Mapping[str, pd.DataFrame] = dataclasses.field(default_factory=dict)
    #: Name of the table that another one refers to.
    references: Mapping[str, str] = dataclasses.field(default_factory=dict)
    synapses: str = "synapses"
    limit: int = 10**6
    #: Returns another response than this server, or None.
    fault: Callable[[Request], Response | None] = lambda request: None
    requests: list[Request] = dataclasses.field(default_factory=list)

    def __call__(self, request: Request) -> Response:
        """Respond to a request."""
        self.requests.append(request)
        if (response := self.fault(request)) is not None:
            return response
        plain: dict[str, Any] = {
            "/materialize/api/versions": [2, 3],
            "/materialize/version": "5.26.4",
            "/segmentation/api/version": "3.0.6",
            f"/info/api/v2/datastack/full/{DATASTACK}": {
                "aligned_volume": {"name": "fly", "id": 3},
                "local_server": request.root,
                "segmentation_source": f"graphene://{request.root}/segmentation/table/g",
                "synapse_table": self.synapses,
            },
        }
        if request.path in plain:
            return Response(plain[request.path])
        for pattern, respond in {
            rf"{_STACK}/versions": lambda: Response([VERSION]),
            rf"{_STACK}/version/{VERSION}": lambda: Response(
                {"version": VERSION, "time_stamp": "2024-06-05T10:10:01.0", "expires_on": None}
            ),
            rf"{_STACK}/version/{VERSION}/tables": lambda: Response([*self.tables]),
            rf"{_STACK}/version/{VERSION}/views": lambda: Response({name: {} for name in self.views}),
            rf"{_TABLE}/metadata": self._metadata,
            rf"{_TABLE}/count": lambda name: Response(len(self.tables[name])),
            rf"{_TABLE}/query": lambda name: self._query(request, name),
            rf"{_STACK}/version/{VERSION}/query": lambda: self._join(request),
            r".*/is_latest_roots": lambda: Response(
                {"is_latest": [True] * len(request.json()["node_ids"])}
            ),
        }.items():
            if match := re.fullmatch(pattern, request.path):
                return respond(*match.groups())  # type: ignore[operator]
        return Response(b"not found", 404, {"Content-Type": "text/plain"})

    def _metadata(self, name: str) -> Response:
        sizes = {f"voxel_resolution_{axis}": size for axis, size in zip("xyz", (4, 4, 40), strict=True)}
        return Response({"schema_type": "x", "reference_table": self.references.get(name, ""), **sizes})

    def _query(self, request: Request, name: str) -> Response:
        known = self.views if "/views/" in request.path else self.tables
        if name not in known:
            return Response(b"table not found", 404, {"Content-Type": "text/plain"})
        query = request.json()
        rows = known[name]
        for column, ids in (query.get("filter_in_dict") or {}).get(name, {}).items():
            rows = rows[rows[column].isin(ids)]
        return self._response(rows, query)

    def _join(self, request: Request) -> Response:
        query = request.json()
        (own, key), (other, id_column) = query["tables"]
        rows = self.tables[own].merge(
            self.tables[other], left_on=key, right_on=id_column, suffixes=("", "_ref")
        )
        for column, ids in (query.get("filter_in_dict") or {}).get(other, {}).items():
            rows = rows[rows[column].isin(ids)]
        return self._response(rows, query)

    def _response(self, rows: pd.DataFrame, query: Mapping[str, Any]) -> Response:
        headers = {"Content-Type": "data.arrow", "dataframe_resolution": "4.0, 4.0, 40.0"}
        rows = rows.iloc[query.get("offset") or 0 :]
        limit = min(self.limit, query.get("limit") or self.limit)
        if len(rows) >= limit:
            headers["Warning"] = f'201 - "Limited query to {limit} rows"'
        rows = rows.head(limit)
        if query.get("select_columns"):
            rows = rows[[name for name in rows if name in query["select_columns"]]]
        return Response(arrow(rows), 200, headers)


#: Starts a server for all further calls, and returns it.
Serve = Callable[[TableServer], TableServer]
