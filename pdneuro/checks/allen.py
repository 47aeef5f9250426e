"""Checks of the Allen Brain Atlas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pdneuro.allen import payload
from pdneuro.checks.probe import Budget, Check, Finding, Probe, has_keys, reachable
from pdneuro.options import get_option
from pdneuro.transport.http import Request
from pdneuro.transport.report import ShapeError

#: Number of rows of a page without ``num_rows``.
_PAGE = 50
_KEYS = ("success", "id", "start_row", "num_rows", "total_rows", "msg")
_ONLY = "id,graph_order,parent_structure_id"


class AllenProbe(Probe):
    """The service of the Allen Brain Atlas."""

    def query(self, model: str = "Structure", **arguments: Any) -> Any:
        """Return the envelope of a query."""
        stage = payload.model_stage(model, **arguments)
        url = payload.encoded(f"{self.address}/api/v2/data/{payload.query(stage)}")
        return self.json(payload.get(url))

    def rows(self, model: str = "Structure", **arguments: Any) -> Any:
        """Return the records of a query."""
        found = self.query(model, **arguments)
        if found.get("success") is not True or not isinstance(found["msg"], list):
            raise ShapeError(f"success is {found.get('success')}: {found.get('msg')}"[:120])
        return found["msg"]


def _all(probe: AllenProbe) -> Any:
    """Return all structures of the mouse, with three columns."""
    return probe.query(criteria="[graph_id$eq1]", only=_ONLY, num_rows=2000)


def _envelope(probe: AllenProbe) -> Finding:
    return has_keys(probe.query("StructureSet", num_rows=3), _KEYS)


def _counts(probe: AllenProbe) -> Finding:
    found = _all(probe)
    rows, total, received = found["num_rows"], found["total_rows"], len(found["msg"])
    return Finding(rows == total == received, f"num_rows {rows}, total_rows {total}, {received} rows")


def _limit(probe: AllenProbe) -> Finding:
    received, total = len(_all(probe)["msg"]), _all(probe)["total_rows"]
    return Finding(received >= min(2000, total), f"{received:,} of {total:,} rows for num_rows=2000")


def _page(probe: AllenProbe) -> Finding:
    found = probe.query(criteria="[graph_id$eq1]", only="id")
    received, total = len(found["msg"]), found["total_rows"]
    return Finding(received == min(_PAGE, total), f"{received:,} of {total:,} rows without num_rows")


def _tree(probe: AllenProbe) -> Finding:
    rows = _all(probe)["msg"]
    ids = {row["id"] for row in rows}
    parents = {row["parent_structure_id"] for row in rows} - {None}
    roots = [row["id"] for row in rows if row["parent_structure_id"] is None]
    orphans = len(parents - ids)
    return Finding(roots == [997] and not orphans, f"roots {roots[:3]}, {orphans} parents are missing")


def _quotes(probe: AllenProbe) -> Finding:
    criteria = "[graph_id$eq1][name$eq'Ammon''s horn']"
    rows = probe.rows(criteria=criteria, only="id,name", num_rows=2)
    return Finding([row["name"] for row in rows] == ["Ammon's horn"], f"{len(rows)} rows")


def _order(probe: AllenProbe) -> Finding:
    rows = probe.rows(criteria="[graph_id$eq1]", only="id", num_rows=5, order="structures.id+desc")
    ids = [row["id"] for row in rows]
    return Finding(len(ids) > 1 and ids == sorted(ids, reverse=True), f"{ids}")


def _after_the_end(probe: AllenProbe) -> Finding:
    rows = probe.rows(criteria="[graph_id$eq1]", only="id", num_rows=5, start_row=1_000_000)
    return Finding(rows == [], f"{len(rows)} rows")


def _error(probe: AllenProbe) -> Finding:
    stage = payload.model_stage("NoSuchModel")
    url = payload.encoded(f"{probe.address}/api/v2/data/{payload.query(stage)}")
    response = probe.send(payload.get(url))
    if response.status_code != 200:
        return Finding(False, f"status {response.status_code}")
    found = probe.json(payload.get(url))
    fits = found.get("success") is False and isinstance(found.get("msg"), str)
    return Finding(fits, f"success {found.get('success')}, {str(found.get('msg'))[:60]}")


def _files(probe: AllenProbe) -> Finding:
    response = probe.send(Request("GET", get_option("allen_files_url")))
    return Finding(response.status_code < 500, f"status {response.status_code}")


_RECORD = "Send a recording; see the page 'Live services'."
CHECKS = (
    *reachable(lambda probe: probe.address),
    Check("envelope", ", ".join(_KEYS), _envelope, _RECORD, needed=True),
    Check(
        "row counts",
        "num_rows and total_rows are the number of rows",
        _counts,
        "A table may be incomplete; pdneuro warns, and requests more pages.",
    ),
    Check(
        "row limit",
        "2,000 rows per response, or all",
        _limit,
        "Tables need more requests: pass page_size= with the limit.",
    ),
    Check(
        "default number of rows",
        f"{_PAGE}, or all",
        _page,
        "pdneuro always sends num_rows; write it in your own queries.",
    ),
    Check("tree of structures", "one root, 997, and all parents", _tree, _RECORD),
    Check(
        "'' inside a quoted value",
        "one row for Ammon''s horn",
        _quotes,
        "Names with an apostrophe are not found; use IDs or acronyms.",
    ),
    Check(
        "order",
        "rows by the column of order=",
        _order,
        "Pages can overlap; use num_rows='all' for whole tables.",
    ),
    Check("page after the last", "no rows", _after_the_end, _RECORD),
    Check("invalid query", "success is false, with a message", _error, _RECORD),
    Check(
        "files",
        "a response",
        _files,
        "Volumes and meshes come from another host, allen_files_url; check the network.",
    ),
)


def probes(name: str | None, ids: Sequence[int], budget: Budget) -> list[Probe]:
    """Return the probe of the service."""
    return [AllenProbe("allen", get_option("allen_url"), budget)]
