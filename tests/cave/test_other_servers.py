"""Synapses and tables of a server whose tables, limits and faults differ from those of the sandbox."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import pdneuro
from pdneuro import errors
from pdneuro.sandbox.server import Request, Response
from tests.cave.table_server import SOURCE, Serve, TableServer

pytest.importorskip("caveclient", reason="caveclient needs pandas below 3")


def is_sample(request: Request) -> bool:
    """Whether a query is for one row of a whole table, which shows its columns."""
    if not request.path.endswith("/query"):
        return False
    query = request.json()
    return query.get("limit") == 1 and not query.get("filter_in_dict")


def failing(times: int, status: int) -> Callable[[Request], Response | None]:
    """Return a fault of the first requests for one row."""
    left = [times]

    def fault(request: Request) -> Response | None:
        if is_sample(request) and left[0]:
            left[0] -= 1
            return Response({"message": "overloaded"}, status)
        return None

    return fault


QUERIES: dict[str, Callable[[pd.Series], Any]] = {
    "nt": lambda ids: ids.neuro.synapses(source=SOURCE, nt=True, upstream=False),
    "columns": lambda ids: ids.neuro.synapses(["size"], source=SOURCE),
    "roi": lambda ids: ids.neuro.downstream(source=SOURCE, roi=True),
}


@pytest.mark.parametrize("as_view", [False, True], ids=["table", "view"])
class TestTheFirstRow:
    """One row of the table shows its columns before anything else is requested."""

    def served(self, table: pd.DataFrame, *, as_view: bool, **options: Any) -> TableServer:
        kinds = {"views" if as_view else "tables": {"synapses": table}}
        return TableServer(**{"tables": {}, **kinds, **options})

    @pytest.mark.parametrize("query", QUERIES)
    def test_the_call_after_a_fault_requests_it_again(
        self, query: str, as_view: bool, serve: Serve, table: pd.DataFrame, ids: pd.Series
    ) -> None:
        server = serve(self.served(table, as_view=as_view, fault=failing(1, 500)))
        if query == "roi":  # only this row shows where the regions are
            with pytest.raises(errors.ServerError, match="overloaded"):
                QUERIES[query](ids)
        else:
            QUERIES[query](ids)
        found = QUERIES[query](ids)
        assert len(found)
        assert sum(map(is_sample, server.requests)) > 1
        serve(self.served(table, as_view=as_view))
        pd.testing.assert_frame_equal(found, QUERIES[query](ids))

    @pytest.mark.parametrize("query", ["nt", "columns"])
    def test_the_rows_show_the_columns_as_well(
        self, query: str, as_view: bool, serve: Serve, table: pd.DataFrame, ids: pd.Series
    ) -> None:
        serve(self.served(table, as_view=as_view, fault=failing(99, 500)))
        found = QUERIES[query](ids)
        with pytest.raises(errors.ServerError, match="overloaded"):  # no row, so no columns
            QUERIES[query](ids + 10**6)
        serve(self.served(table, as_view=as_view))
        pd.testing.assert_frame_equal(found, QUERIES[query](ids))

    def test_one_direction_without_synapses_needs_none(
        self, as_view: bool, serve: Serve, table: pd.DataFrame, ids: pd.Series
    ) -> None:
        chosen = table[table["post_pt_root_id"] != ids[0]]
        serve(self.served(chosen, as_view=as_view, fault=failing(99, 500)))
        found = ids[:1].neuro.synapses(["size"], source=SOURCE)
        assert sorted(found["size"]) == sorted(chosen.loc[chosen["pre_pt_root_id"] == ids[0], "size"])

    @pytest.mark.parametrize("status", [400, 413, 500])
    @pytest.mark.parametrize("multiple", ["raise", "first", "list", "count"])
    def test_a_join_without_it_knows_the_columns_of_the_rows(
        self, multiple: str, status: int, as_view: bool, serve: Serve, ids: pd.Series
    ) -> None:
        cells = pd.DataFrame({"id": [1, 2, 3], "pt_root_id": ids[:3].to_numpy(), "kind": list("abc")})
        kinds = {"views" if as_view else "tables": {"cells": cells}}
        serve(TableServer(**{"tables": {}, **kinds, "fault": failing(99, status)}))
        column = ids[:3].rename("root_id")
        for names in (["kidn"], ["kind", "kidn"]):
            with pytest.raises(errors.UnknownFieldError, match="no column 'kidn'"):
                column.neuro.cave("cells", names, source=SOURCE, multiple=multiple)
        found = column.neuro.cave("cells", ["kind"], source=SOURCE, multiple="first")
        assert found["kind"].tolist() == list("abc")

    def test_a_join_needs_it_only_if_no_id_has_a_row(
        self, as_view: bool, serve: Serve, table: pd.DataFrame, ids: pd.Series
    ) -> None:
        options: dict[str, Any] = {"source": SOURCE, "id_column": "pre_pt_root_id", "multiple": "count"}
        frame = ids.to_frame("root_id")
        serve(self.served(table, as_view=as_view, fault=failing(99, 500)))
        found = frame.neuro.join_cave("synapses", on="root_id", **options)
        other = frame + 10**6
        counts = other.neuro.join_cave("synapses", on="root_id", **options)  # needs no column
        assert counts["synapses_count"].tolist() == [0] * len(frame)
        with pytest.raises(errors.ServerError, match="overloaded"):
            other.neuro.join_cave("synapses", on="root_id", **{**options, "multiple": "first"})
        serve(self.served(table, as_view=as_view))
        expected = frame.neuro.join_cave("synapses", on="root_id", **options)
        pd.testing.assert_frame_equal(found, expected)

    def test_transmitters_are_averaged_without_it(
        self, as_view: bool, serve: Serve, table: pd.DataFrame, ids: pd.Series
    ) -> None:
        """A server can reject a query without IDs."""
        serve(self.served(table, as_view=as_view, fault=failing(99, 400)))
        found = ids.neuro.synapses(source=SOURCE, nt=True, upstream=False)
        means = table.groupby(["pre_pt_root_id", "post_pt_root_id"])[["gaba", "ach"]].mean()
        own = found.set_index(["pre", "post"])[["gaba", "ach"]].astype(float)
        np.testing.assert_allclose(own, means.loc[own.index])
        with pytest.raises(errors.UnknownFieldError, match="no column 'siez'"):
            ids.neuro.synapses(["siez"], source=SOURCE)

    def test_a_call_that_accepts_faults_needs_none(
        self, as_view: bool, serve: Serve, table: pd.DataFrame, ids: pd.Series
    ) -> None:
        serve(self.served(table, as_view=as_view, fault=failing(99, 500)))
        found = ids.neuro.synapses(["size"], source=SOURCE, on_error="partial", upstream=False)
        assert sorted(found["size"]) == sorted(table["size"])

    def test_all_columns_are_returned_without_it(
        self, as_view: bool, serve: Serve, table: pd.DataFrame, ids: pd.Series
    ) -> None:
        scored = table.assign(cleft_score=range(len(table)))
        serve(self.served(scored, as_view=as_view))
        expected = ids.neuro.synapses(source=SOURCE, min_score=100)
        with pdneuro.set_options(offline=True):  # from the cache, which has all scores
            found = ids.neuro.synapses(source=f"{SOURCE}@20", min_score=100)
        pd.testing.assert_frame_equal(found, expected)
        serve(self.served(scored, as_view=as_view, fault=failing(99, 400)))
        found = ids.neuro.synapses(source=SOURCE, min_score=100)
        pd.testing.assert_frame_equal(found, expected)

    @pytest.mark.parametrize("status", [200, 400], ids=["known", "not known"])
    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"min_score": 3}, "no column 'cleft_score'"),
            ({"columns": ["siez"]}, "no column 'siez'"),
            ({"nt": True}, "no columns of transmitters"),
        ],
        ids=["score", "column", "nt"],
    )
    def test_columns_that_do_not_exist(
        self,
        status: int,
        options: dict[str, Any],
        words: str,
        as_view: bool,
        serve: Serve,
        table: pd.DataFrame,
        ids: pd.Series,
    ) -> None:
        fault = failing(99 if status == 400 else 0, status)
        serve(self.served(table.drop(columns=["gaba", "ach"]), as_view=as_view, fault=fault))
        with pytest.raises(errors.UnknownFieldError, match=words):
            ids.neuro.synapses(source=SOURCE, **options)


class TestRegionsOfAnotherTable:
    @pytest.fixture
    def regions(self, table: pd.DataFrame) -> pd.DataFrame:
        """One row for each synapse but ten."""
        known = table["id"].iloc[10:]
        return pd.DataFrame(
            {"id": np.arange(230), "target_id": known, "neuropil": table["neuropil"].iloc[10:]}
        )

    def server(self, table: pd.DataFrame, regions: pd.DataFrame) -> TableServer:
        plain = table.drop(columns="neuropil")
        return TableServer(
            {"synapses": plain, "neuropils": regions}, references={"neuropils": "synapses"}
        )

    @pytest.mark.parametrize("repeated", [False, True])
    def test_each_synapse_counts_once(
        self,
        repeated: bool,
        serve: Serve,
        table: pd.DataFrame,
        regions: pd.DataFrame,
        ids: pd.Series,
    ) -> None:
        again = regions.assign(id=regions["id"] + 1000)
        serve(self.server(table, pd.concat([regions, again]) if repeated else regions))
        found = ids.neuro.downstream(source=SOURCE, roi=True)
        assert found["weight"].sum() == len(table)
        assert found.loc[found["roi"].isna(), "weight"].sum() == 10
        counts = table.iloc[10:].groupby(["pre_pt_root_id", "post_pt_root_id", "neuropil"]).size()
        known = found.dropna().set_index(["pre", "post", "roi"])["weight"]
        assert known.to_dict() == counts.to_dict()

    def test_a_synapse_in_two_regions_is_an_error(
        self, serve: Serve, table: pd.DataFrame, regions: pd.DataFrame, ids: pd.Series
    ) -> None:
        other = regions.head(1).assign(neuropil="elsewhere")
        serve(self.server(table, pd.concat([regions, other])))
        with pytest.raises(errors.UnsupportedError, match=f"regions.*{other['target_id'].item()}"):
            ids.neuro.downstream(source=SOURCE, roi=True)


def test_columns_with_the_names_of_the_result_are_kept(
    serve: Serve, table: pd.DataFrame, ids: pd.Series
) -> None:
    serve(TableServer({"synapses": table.assign(pre="x", post="y")}))
    found = ids.neuro.synapses(source=SOURCE, upstream=False)
    by_id = table.set_index("id").loc[found["id"]]
    assert found["pre"].tolist() == by_id["pre_pt_root_id"].tolist()
    assert found["post"].tolist() == by_id["post_pt_root_id"].tolist()
    assert set(found["pre_of_table"]) == {"x"}
    assert set(found["post_of_table"]) == {"y"}


@pytest.mark.parametrize("version", ["4.0.0", None])
def test_a_server_that_is_too_old(
    version: str | None, serve: Serve, table: pd.DataFrame, ids: pd.Series
) -> None:
    def fault(request: Request) -> Response | None:
        if request.path != "/materialize/version":
            return None
        return Response(b"not found", 404) if version is None else Response(version)

    serve(TableServer({"synapses": table}, fault=fault))
    with pytest.raises(errors.OldServiceError, match="server version"):
        ids.neuro.synapses(source=SOURCE)


def test_the_text_of_an_expired_version_is_shown(
    serve: Serve, table: pd.DataFrame, ids: pd.Series
) -> None:
    def fault(request: Request) -> Response | None:
        gone = Response(b"deleted in March", 410, {"Content-Type": "text/plain"})
        return gone if request.path.endswith("/query") else None

    serve(TableServer({"synapses": table}, fault=fault))
    with pytest.raises(errors.ExpiredVersionError, match="deleted in March"):
        ids.neuro.synapses(source=SOURCE)


@pytest.mark.parametrize(("path", "status"), [("count", 500), ("metadata", 404)])
def test_a_catalog_lists_a_table_that_cannot_be_described(
    path: str, status: int, serve: Serve, table: pd.DataFrame
) -> None:
    def fault(request: Request) -> Response | None:
        wanted = re.search(rf"/broken/{path}$", request.path)
        return Response({"message": "no such luck"}, status) if wanted else None

    serve(TableServer({"synapses": table, "broken": table}, fault=fault))
    with pytest.warns(errors.PartialResultWarning, match="1 tables of fly_v2.*'broken'"):
        found = pdneuro.catalog(SOURCE).query("kind == 'table'").set_index("name")
    assert found.loc["synapses", "rows"] == len(table)
    assert pd.isna(found.loc["broken", "rows"])
