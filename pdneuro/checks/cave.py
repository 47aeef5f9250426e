"""Checks of CAVE, without caveclient."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import requests

from pdneuro._compat import optional
from pdneuro.checks.probe import (
    Budget,
    Check,
    Finding,
    NotCheckedError,
    Probe,
    has_keys,
    named,
    reachable,
)
from pdneuro.errors import MissingDependencyError, PdneuroError
from pdneuro.options import get_option
from pdneuro.transport import tokens
from pdneuro.transport.http import JSON, Request
from pdneuro.transport.report import ShapeError
from pdneuro.transport.responses import parse_json

#: A root ID of MICrONS, for an example.
EXAMPLE = 864691135207734905
#: A root ID that no datastack has.
UNKNOWN = 864691139999999999
_DATASTACKS = ("minnie65_public", "v1dd_public")
_LIMIT = 2
_QUERY = "?return_pyarrow=True&arrow_format=True&split_positions=True&direct_sql_pandas=True"
_ENDS = ("pre_pt_root_id", "post_pt_root_id")


class CaveProbe(Probe):
    """A datastack on its server."""

    def __init__(self, datastack: str, budget: Budget) -> None:
        self.datastack = datastack
        address = str(get_option("cave_url") or f"https://{tokens.cave_host(datastack)}")
        self.origin = tokens.origin(datastack)
        headers = {}
        try:
            headers["Authorization"] = f"Bearer {tokens.require_cave(datastack, address)}"
        except PdneuroError:
            self.origin = self.origin or "no token"
        super().__init__(f"cave:{datastack}", address, budget, headers)

    def info(self) -> Any:
        """Return the description of the datastack."""
        url = f"{self.address}/info/api/v2/datastack/full/{self.datastack}"
        found = self.json(Request("GET", url))
        # The datastack may have another server, which takes the same token.
        self._hosts.add(urlsplit(found["local_server"])[:2])
        return found

    def materialize(self, path: str) -> str:
        """Return an address of the materialization service."""
        return f"{self.info()['local_server']}/materialize/{path}"

    def version(self) -> int:
        """Return the newest version."""
        url = self.materialize(f"api/v3/datastack/{self.datastack}/versions?expired=False")
        found = self.json(Request("GET", url))
        if not isinstance(found, list) or not found or not all(type(item) is int for item in found):
            raise ShapeError(f"not a list of numbers: {named(found)}")
        return int(max(found))

    def table(self, path: str) -> str:
        """Return an address of the table of synapses."""
        name = self.info()["synapse_table"]
        if not name:
            raise NotCheckedError("the datastack has no table of synapses")
        return self.materialize(
            f"api/v2/datastack/{self.datastack}/version/{self.version()}/table/{name}/{path}"
        )

    def query(self, body: Mapping[str, Any]) -> requests.Response:
        """Return the response to a query of the table of synapses."""
        headers = {**JSON, "Content-Type": "application/json"}
        return self.send(
            Request(
                "POST", self.table(f"query{_QUERY}"), body=json.dumps(body).encode(), headers=headers
            )
        )


def _rows(probe: CaveProbe, response: requests.Response) -> Any:
    if response.status_code != 200:
        raise ShapeError(f"status {response.status_code}: {probe.excerpt(response)}")
    try:
        ipc = optional("pyarrow.ipc", "files")
    except MissingDependencyError as error:
        raise NotCheckedError("pyarrow is not installed") from error
    try:
        return ipc.open_stream(response.content).read_all()
    except (ValueError, OSError) as error:
        raise ShapeError(f"not an Arrow stream: {probe.excerpt(response)}") from error


def _client(probe: CaveProbe) -> Finding:
    try:
        version = importlib.metadata.version("caveclient")
    except importlib.metadata.PackageNotFoundError:
        return Finding(False, "not installed")
    return Finding(int(version.partition(".")[0]) >= 8, version)


def _token(probe: CaveProbe) -> Finding:
    if not probe.headers:
        return Finding(False, probe.origin)
    url = f"{probe.address}/info/api/v2/datastack/full/{probe.datastack}"
    response = probe.send(Request("GET", url))
    redirected = bool(response.history) or 300 <= response.status_code < 400
    accepted = response.status_code < 500 and response.status_code not in (401, 403) and not redirected
    text = "redirected to a sign-in page" if redirected else f"status {response.status_code}"
    result = "accepted" if accepted else f"{text}: {probe.excerpt(response)}"
    return Finding(accepted, f"{probe.origin}; {result}")


def _info(probe: CaveProbe) -> Finding:
    wanted = ("aligned_volume", "local_server", "segmentation_source", "synapse_table")
    return has_keys(probe.info(), wanted)


def _versions(probe: CaveProbe) -> Finding:
    return Finding(True, f"newest: {probe.version()}")


def _columns(probe: CaveProbe) -> Finding:
    table = _rows(probe, probe.query({"filter_in_dict": {}, "limit": _LIMIT}))
    missing = [name for name in _ENDS if name not in table.column_names]
    kinds = {str(table.schema.field(name).type) for name in _ENDS if name not in missing}
    seen = ", ".join(table.column_names)[:100] if missing else ", ".join(sorted(kinds))
    return Finding(not missing and kinds <= {"int64", "uint64"}, seen)


def _limit(probe: CaveProbe) -> Finding:
    count = _rows(probe, probe.query({"filter_in_dict": {}, "limit": _LIMIT})).num_rows
    return Finding(count == _LIMIT, f"{count} rows")


def _warning(probe: CaveProbe) -> Finding:
    response = probe.query({"filter_in_dict": {}, "limit": _LIMIT})
    text = response.headers.get("Warning", "")
    return Finding(f"{_LIMIT} rows" in text, text or "no header")


def _count(probe: CaveProbe) -> Finding:
    found = probe.json(Request("GET", probe.table("count")))
    return Finding(type(found) is int and found >= _LIMIT, f"{found!r}"[:60])


def _unknown(probe: CaveProbe) -> Finding:
    name = probe.info()["synapse_table"]
    body = {"filter_in_dict": {name: {_ENDS[0]: [UNKNOWN]}}}
    count = _rows(probe, probe.query(body)).num_rows
    return Finding(count == 0, f"{count} rows")


def _latest(probe: CaveProbe) -> Finding:
    source = str(probe.info()["segmentation_source"])
    server, _, table = source.removeprefix("graphene://").rpartition("/segmentation/table/")
    body = json.dumps({"node_ids": [UNKNOWN]}).encode()
    headers = {**JSON, "Content-Type": "application/json"}
    url = f"{server}/segmentation/api/v1/table/{table}/is_latest_roots"
    response = probe.send(Request("POST", url, body=body, headers=headers))
    if response.status_code != 200:
        return Finding(False, f"status {response.status_code}: {probe.excerpt(response)}")
    found = parse_json(response.content)
    return Finding(found == {"is_latest": [False]}, f"{found}"[:80])


_RECORD = "Send a recording; see the page 'Live services'."
CHECKS = (
    Check(
        "caveclient",
        "8 or newer",
        _client,
        "pip install 'pdneuro[cave]' in an environment with pandas 2.",
    ),
    *reachable(lambda probe: f"{probe.address}/info/version"),
    Check(
        "token",
        "found and accepted",
        _token,
        "Get a token of this server and save it: pdneuro setup cave, or pdneuro setup v1dd_public. If "
        "the terms are not accepted, accept them in the browser.",
        needed=True,
    ),
    Check(
        "description of the datastack",
        "aligned_volume, local_server, segmentation_source, synapse_table",
        _info,
        "Check the name of the datastack.",
        needed=True,
    ),
    Check("versions", "a list of numbers", _versions, _RECORD, needed=True),
    Check("columns of synapses", "pre_pt_root_id and post_pt_root_id, int64", _columns, _RECORD),
    Check("row limit", f"limit={_LIMIT} returns {_LIMIT} rows", _limit, _RECORD),
    Check(
        "truncation header",
        f"Warning: ... {_LIMIT} rows",
        _warning,
        "Truncated tables are then found by counting rows, which needs more requests.",
    ),
    Check(
        "row counts",
        "the number of rows of the table",
        _count,
        "Truncated tables are then found only by the header Warning.",
    ),
    Check("unknown root ID", "0 rows", _unknown, _RECORD),
    Check("is_latest_roots", "false for an unknown root ID", _latest, _RECORD),
)


def probes(name: str | None, ids: Sequence[int], budget: Budget) -> list[Probe]:
    """Return a probe per datastack: the named one, that of the option ``source``, or the public ones."""
    source = str(get_option("source") or "")
    if not name and source.startswith("cave:"):
        name = source.removeprefix("cave:").partition("@")[0]
    return [CaveProbe(datastack, budget) for datastack in ([name] if name else _DATASTACKS)]
