"""Responses of CAVE that are not as documented, each with its error."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

import pdneuro
from pdneuro import errors
from pdneuro.sandbox import Sandbox
from pdneuro.sandbox.server import Request, Response
from tests.cave.table_server import ROOT, SOURCE, Serve, TableServer
from tests.cave.test_client import change

pytest.importorskip("caveclient", reason="caveclient needs pandas below 3")

SANDBOX = "cave:minnie65_public"
BOX = [[0, 0, 0], [9, 9, 9]]
TEXT = {"Content-Type": "text/plain"}


def only(path: str, response: Response) -> Callable[[Request], Response | None]:
    """Return a fault of the requests whose path ends in a pattern."""
    return lambda request: response if re.search(f"{path}$", request.path) else None


#: Path, response, call, and the error with its words.
ODD: list[tuple[str, Response, Callable[[pd.Series], Any], type[Exception], str]] = [
    ("/fly_v2/versions", Response(["a"]), lambda ids: ids.neuro.edges(source=SOURCE),
     errors.InvalidResponseError, "versions are integers, not 'a'"),
    ("/fly_v2/versions", Response([]), lambda ids: ids.neuro.edges(source=SOURCE),
     errors.ServiceUnavailableError, "no version at present"),
    ("/fly_v2/versions", Response(b"gone", 404, TEXT), lambda ids: ids.neuro.edges(source=SOURCE),
     errors.NotFoundError, "does not list the versions"),
    ("/fly_v2/versions", Response(b"<html>", 200, {"Content-Type": "text/html"}),
     lambda ids: ids.neuro.edges(source=SOURCE), errors.InvalidResponseError, "not JSON"),
    ("/is_latest_roots", Response({"is_latest": [True]}), lambda ids: ids.neuro.is_latest(source=SOURCE),
     errors.InvalidResponseError, "1 truth values came for 12 root IDs"),
    ("/metadata", Response({"voxel_resolution": "4x4"}),
     lambda ids: ids.neuro.synapses(source=SOURCE, bounds=BOX, position="post"),
     errors.UnknownFieldError, "no column 'post_pt_position'"),
    ("/tables", Response({"message": "expired"}, 410), lambda ids: ids.neuro.cave("cells", source=SOURCE),
     errors.ExpiredVersionError, "expired"),
    ("/cells/metadata", Response({"message": "expired"}, 410),
     lambda ids: ids.neuro.cave("cells", source=SOURCE), errors.ExpiredVersionError, "expired"),
    ("/count", Response({"message": "expired"}, 410), lambda ids: pdneuro.catalog(SOURCE),
     errors.ExpiredVersionError, "expired"),
    ("/synapses/query", Response({"message": "expired"}, 410), lambda ids: ids.neuro.edges(source=SOURCE),
     errors.ExpiredVersionError, "expired"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "response", "call", "error", "words"), ODD)
def test_an_odd_response_is_an_error(
    path: str,
    response: Response,
    call: Callable[[pd.Series], Any],
    error: type[Exception],
    words: str,
    serve: Serve,
    table: pd.DataFrame,
    ids: pd.Series,
) -> None:
    cells = pd.DataFrame({"id": [1], "pt_root_id": [ROOT]})
    serve(TableServer({"synapses": table, "cells": cells}, fault=only(path, response)))
    with pytest.raises(error, match=words):
        call(ids)


def test_a_count_that_is_no_number_is_missing_in_the_catalog(
    serve: Serve,
    table: pd.DataFrame,
) -> None:
    serve(TableServer({"synapses": table}, fault=only("/count", Response("many"))))
    with pytest.warns(errors.PartialResultWarning, match="a number of rows is expected, not 'many'"):
        found = pdneuro.catalog(SOURCE)
    assert found.loc[found["kind"] == "table", "rows"].isna().all()


class TestSizesOfVoxels:
    @pytest.mark.parametrize(
        "sizes", [{}, {"voxel_resolution_x": 4}, {"voxel_resolution_x": "a"}, (4, 4, 0)]
    )
    def test_that_are_not_three_numbers(
        self,
        sizes: Any,
        serve: Serve,
        table: pd.DataFrame,
        ids: pd.Series,
    ) -> None:
        if isinstance(sizes, tuple):
            sizes = {f"voxel_resolution_{a}": size for a, size in zip("xyz", sizes, strict=True)}
        placed = table.assign(**{f"ctr_pt_position_{axis}": 5 for axis in "xyz"})
        serve(TableServer({"synapses": placed}, fault=only("/metadata", Response(sizes))))
        with pytest.raises(errors.InvalidResponseError, match="size of voxels is three numbers"):
            ids.neuro.synapses(source=SOURCE, bounds=BOX)


def test_rows_of_other_ids_are_an_error(
    serve: Serve,
    table: pd.DataFrame,
    ids: pd.Series,
) -> None:
    server = TableServer({"synapses": table})

    def fault(request: Request) -> Response | None:
        if not request.path.endswith("/query") or request.json().get("limit") == 1:
            return None
        return server._response(table, {})  # every row, whatever the filter is

    server.fault = fault
    serve(server)
    with pytest.raises(errors.InvalidResponseError, match="IDs that were not requested"):
        ids.head(2).neuro.synapses("size", source=SOURCE, upstream=False)


@pytest.mark.parametrize("status", [400, 404, 500])
def test_a_server_without_pages_returns_its_rows(
    status: int,
    serve: Serve,
    table: pd.DataFrame,
    ids: pd.Series,
) -> None:
    def fault(request: Request) -> Response | None:
        is_page = request.path.endswith("/query") and request.json().get("offset")
        return Response({"message": "no offset"}, status) if is_page else None

    serve(TableServer({"synapses": table}, fault=fault))
    found = ids.neuro.synapses(source=SOURCE, upstream=False)
    assert sorted(found["id"]) == sorted(table["id"])


class TestWholeTables:
    CELLS = pd.DataFrame(
        {"id": range(9), "pt_root_id": [ROOT + n for n in range(9)], "kind": list("abcabcabc")}
    )

    def test_rows_of_a_type(self, serve: Serve) -> None:
        serve(TableServer({"cells": self.CELLS}))
        found = pdneuro.find(SOURCE, table="cells", kind="a")
        assert found["root_id"].tolist() == [ROOT, ROOT + 3, ROOT + 6]

    def test_more_rows_than_the_server_returns(self, serve: Serve) -> None:
        serve(TableServer({"cells": self.CELLS}, limit=5))
        with pytest.raises(errors.RequestTooLargeError, match="'cells' has more than 5 rows"):
            pdneuro.find(SOURCE, table="cells", kind="a")

    def test_a_table_without_root_ids(self, serve: Serve) -> None:
        serve(TableServer({"cells": self.CELLS.rename(columns={"pt_root_id": "cell"})}))
        with pytest.raises(
            errors.UnknownFieldError, match=r"no root IDs \(pt_root_id\).*id, cell, kind"
        ):
            pdneuro.find(SOURCE, table="cells", kind="a")

    def test_offline(self, serve: Serve) -> None:
        serve(TableServer({"cells": self.CELLS}))
        with (
            pdneuro.set_options(offline=True),
            pytest.raises(errors.OfflineError, match="table 'cells' of cave:fly_v2@20 is not cached"),
        ):
            pdneuro.find(f"{SOURCE}@20", table="cells", kind="a")

    def test_a_table_without_a_description(self, serve: Serve) -> None:
        serve(TableServer({"cells": self.CELLS}, fault=only("/metadata", Response(b"no", 404, TEXT))))
        found = self.CELLS.neuro.cave("cells", "kind", source=SOURCE)
        assert found["kind"].tolist() == self.CELLS["kind"].tolist()


def test_a_table_of_regions_of_other_rows_is_not_used(
    serve: Serve,
    table: pd.DataFrame,
    ids: pd.Series,
) -> None:
    plain = table.drop(columns="neuropil")
    regions = pd.DataFrame({"id": [1], "target_id": [1], "region": ["x"]})
    broken = only("/regions/query", Response({"message": "broken"}, 500))
    serve(TableServer({"synapses": plain, "regions": regions}, fault=broken))
    with pytest.raises(errors.UnknownFieldError, match="have no regions"):
        ids.neuro.downstream(source=SOURCE, roi=True)


@pytest.mark.parametrize("name", ["cave:a b", "cave:", "cave:/x", "cave:-"])
def test_a_name_that_no_datastack_has(name: str) -> None:
    with pytest.raises(errors.UnknownSourceError, match="datastack"):
        pdneuro.open_source(name)


class TestSupervoxels:
    def test_the_newest_version_fits_all(self, sandbox: Sandbox) -> None:
        column = pdneuro.sandbox.supervoxels()["supervoxel_id"].head(4)
        found = column.to_frame().neuro.join_roots(version="auto", source=SANDBOX)
        assert found["root_id"].equals(column.neuro.roots(1300, source=SANDBOX))
        entry = found.attrs["pdneuro"]
        assert entry["version_of_data"] == 1300
        assert "valid at every version" in entry["version_choice"]

    def test_the_validity_of_stale_roots_cannot_be_checked_offline(self, sandbox: Sandbox) -> None:
        rows = pdneuro.sandbox.supervoxels().head(4)
        rows["supervoxel_id"].neuro.roots(1300, source=SANDBOX)
        with pdneuro.set_options(offline=True):
            with pytest.raises(errors.OfflineError, match=r"cannot be checked.*join_roots"):
                rows.neuro.update_roots(source=SANDBOX, version=1300)
            same = rows.assign(root_id=rows["supervoxel_id"].neuro.roots(1300, source=SANDBOX))
            found = same.neuro.update_roots(source=SANDBOX, version=1300)
        assert set(found["root_id_status"]) == {"unchanged"}

    def test_a_response_with_fewer_root_ids(self, sandbox: Sandbox) -> None:
        def alter(request: Request, response: Response) -> Response | None:
            if "roots_binary" not in request.path:
                return None
            kind = {"Content-Type": "application/octet-stream"}
            return Response(response.body[:-8], 200, kind)

        change(sandbox, alter)
        with pytest.raises(errors.InvalidResponseError, match="3 root IDs came for 4 chunks"):
            pdneuro.sandbox.supervoxels()["supervoxel_id"].head(4).neuro.roots(source=SANDBOX)


def test_root_ids_that_never_existed_have_no_successor(sandbox: Sandbox) -> None:
    unknown = pd.Series([864_691_135_000_000_001, 864_691_135_000_000_003])
    with pytest.warns(errors.UnknownIdsWarning, match="2 of the IDs"):
        found = unknown.neuro.latest(source=SANDBOX)
    assert found.isna().all()
    assert pdneuro.last_report()["status"].tolist() == ["unknown", "unknown"]


def test_a_skeleton_service_without_versions(sandbox: Sandbox) -> None:
    fault = only("skeletoncache/api/versions", Response([]))
    change(sandbox, lambda request, response: fault(request))
    with pytest.raises(errors.InvalidResponseError, match="versions of skeletons are integers"):
        pdneuro.sandbox.root_ids().neuro.skeletons(source=SANDBOX)
