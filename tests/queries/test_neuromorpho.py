"""NeuroMorpho.org: selections, joins, files; and a service that is slow, down or empty."""

from __future__ import annotations

import contextvars
import json
import math
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pdneuro
from pdneuro import errors, neuromorpho
from pdneuro.neuromorpho import field_types, payload
from pdneuro.sandbox import Sandbox
from pdneuro.sandbox import neuromorpho_data as data
from pdneuro.sandbox.neuromorpho import NeuroMorphoApp
from pdneuro.sandbox.server import Response
from pdneuro.transport.http import Server
from tests.conftest import held, shared

FIELDS = list(field_types.NEURON)


def paths(sandbox: Sandbox) -> list[str]:
    return [request.path.removeprefix("/neuromorpho") for request in sandbox.requests]


def truth(**wanted: str) -> list[int]:
    """Return IDs of the sandbox whose records contain these values."""

    def fits(record: dict[str, Any], name: str, value: str) -> bool:
        cell = record[name]
        return value in cell if isinstance(cell, list) else cell == value

    records = [data.neuron(number) for number in range(1, 641)]
    return [r["neuron_id"] for r in records if all(fits(r, *pair) for pair in wanted.items())]


# -- selections -----------------------------------------------------------------------------------


class TestSelect:
    @pytest.mark.parametrize("post", [True, False], ids=["POST", "GET alone"])
    @pytest.mark.parametrize(
        "wanted",
        [
            {"species": "rat"},
            {"species": "drosophila melanogaster"},
            {"species": "dragonfly "},
            {"brain_region": "entorhinal cortex"},
            {"species": "mouse", "cell_type": "pyramidal"},
            {"neuron_name": data.ODD_NAME},
        ],
        ids=str,
    )
    def test_filters_select_exact_values(
        self, sandbox: Sandbox, wanted: dict[str, str], post: bool
    ) -> None:
        sandbox.neuromorpho.post = post
        found = neuromorpho.select(**wanted)
        assert found["neuron_id"].tolist() == truth(**wanted)
        assert len(found)

    @pytest.mark.parametrize("post", [True, False], ids=["POST", "GET alone"])
    def test_a_list_is_or(self, sandbox: Sandbox, post: bool) -> None:
        sandbox.neuromorpho.post = post
        several = ["rat", "drosophila melanogaster"]
        expected = sorted(truth(species="rat") + truth(species="drosophila melanogaster"))
        for values in (several, tuple(several), pd.Series(several), np.array(several), [*several, None]):
            assert neuromorpho.select(species=values)["neuron_id"].tolist() == expected
        both = neuromorpho.select(species=several, protocol="in vivo")["neuron_id"].tolist()
        assert both == sorted(set(expected) & set(truth(protocol="in vivo")))

    @pytest.mark.parametrize(
        ("q", "wanted"),
        [
            ("species:mouse", {"species": "mouse"}),
            ("q=species:mouse", {"species": "mouse"}),
            ("species:rat,mouse", {"species": ["rat", "mouse"]}),
            ('species:"drosophila melanogaster"', {"species": "drosophila melanogaster"}),
            ("species: drosophila melanogaster", {"species": "drosophila melanogaster"}),
            (
                "species:mouse&fq=cell_type:pyramidal",
                {"species": "mouse", "cell_type": "pyramidal"},
            ),
            (["species:mouse", "cell_type:pyramidal"], {"species": "mouse", "cell_type": "pyramidal"}),
            ("neuron_name:CB_*", {"neuron_name": "CB_*"}),
        ],
        ids=str,
    )
    def test_the_query_of_the_tutorial_equals_keywords(
        self, sandbox: Sandbox, q: Any, wanted: dict[str, Any]
    ) -> None:
        by_keyword = neuromorpho.select(**wanted)["neuron_id"].tolist()
        assert len(by_keyword)
        assert neuromorpho.select(q=q)["neuron_id"].tolist() == by_keyword
        both = neuromorpho.select(q=q, protocol="in vivo")["neuron_id"].tolist()
        assert both == neuromorpho.select(**wanted, protocol="in vivo")["neuron_id"].tolist()

    @pytest.mark.parametrize(
        ("q", "reason"),
        [
            ("CB_*", "write the field, a colon"),
            ("species:", "write the field, a colon"),
            (":rat", "write the field, a colon"),
            ("species:rat&fq=species:mouse", "twice"),
            ("protocol:in vitro", "name it once"),
        ],
    )
    def test_an_invalid_query_is_an_error(self, sandbox: Sandbox, q: str, reason: str) -> None:
        with pytest.raises(errors.InvalidQueryError, match=reason):
            neuromorpho.select(q=q, protocol="in vivo")
        assert sandbox.requests == []

    def test_wildcards(self, sandbox: Sandbox) -> None:
        found = neuromorpho.select(archive="Siegert", neuron_name="CB_CKp25_2w_F_Animal01_*")
        assert len(found) == 5
        assert found["neuron_name"].str.startswith("CB_CKp25_2w_F_Animal01_").all()
        assert neuromorpho.select(species="drosophila*")["neuron_id"].tolist() == truth(
            species="drosophila melanogaster"
        )
        assert neuromorpho.select(species="r?t")["species"].unique().tolist() == ["rat"]
        # With a wildcard, words are not split either.
        mixed = neuromorpho.select(species=["drosophila melanogaster", "r*"])
        assert set(mixed["species"]) == {"rat", "drosophila melanogaster"}

    def test_all_pages_once_and_in_order(self, sandbox: Sandbox) -> None:
        sandbox.neuromorpho.largest_page = 70
        found = neuromorpho.select(everything=True)
        assert found["neuron_id"].tolist() == list(range(1, 641))
        pages = [request.query["page"] for request in sandbox.requests if "page" in request.query]
        assert Counter(pages) == {str(number): 1 for number in range(math.ceil(640 / 70))}

    def test_rows_that_move_between_pages_are_requested_again(self, sandbox: Sandbox) -> None:
        sandbox.neuromorpho.largest_page = 300
        whole = sandbox.neuromorpho
        seen: list[str] = []

        def shifting(request: Any) -> Any:
            response = whole(request)
            if request.query.get("page") == "1" and not seen:
                seen.append("once")
                records = response.body["_embedded"]["neuronResources"]
                records[0] = data.neuron(1)
            return response

        sandbox.neuromorpho = shifting  # type: ignore[assignment]
        assert neuromorpho.select(everything=True)["neuron_id"].tolist() == list(range(1, 641))

    def test_a_truncated_selection_is_a_warning(self, sandbox: Sandbox) -> None:
        whole = sandbox.neuromorpho

        def short(request: Any) -> Any:
            response = whole(request)
            del response.body["_embedded"]["neuronResources"][3:]
            return response

        sandbox.neuromorpho = short  # type: ignore[assignment]
        with pytest.warns(errors.IncompleteTableWarning, match="announced 125 records and 3 came"):
            assert len(neuromorpho.select(species="rat")) == 3

    def test_a_selection_without_matches_is_empty(self, sandbox: Sandbox) -> None:
        nothing, some = neuromorpho.select(species="Rat"), neuromorpho.select(species="rat")
        assert nothing.empty
        assert nothing.dtypes.equals(some.dtypes)
        assert list(nothing.columns) == FIELDS
        assert neuromorpho.select(species="Rat", raw=True).empty

    def test_selecting_everything_must_be_explicit(self, sandbox: Sandbox) -> None:
        with pytest.raises(errors.InvalidQueryError, match="everything=True"):
            neuromorpho.select()
        assert not sandbox.requests

    @pytest.mark.parametrize("value", [None, [], [None], {}, b"rat", [["rat"]]])
    def test_empty_filters_are_rejected(self, sandbox: Sandbox, value: Any) -> None:
        with pytest.raises(errors.InvalidQueryError, match="species="):
            neuromorpho.select(species=value)

    @pytest.mark.parametrize(
        ("name", "near"),
        [("specie", "'species'"), ("Species", "'species'"), ("brain_regions", "'brain_region'")],
    )
    def test_unknown_fields_suggest_similar_names(self, sandbox: Sandbox, name: str, near: str) -> None:
        with pytest.raises(errors.UnknownFieldError, match=f"no field {name!r}. Did you mean {near}"):
            neuromorpho.select(**{name: "x"})
        with pytest.raises(errors.UnknownFieldError, match=near):
            pd.Series([1]).neuro.neuromorpho(name)
        assert set(paths(sandbox)) <= {"/api/neuron/fields"}

    def test_levels_can_be_selected(self, sandbox: Sandbox) -> None:
        found = neuromorpho.select(brain_region_1="hippocampus")
        assert found["neuron_id"].tolist() == truth(brain_region="hippocampus")

    def test_explode(self, sandbox: Sandbox) -> None:
        found = neuromorpho.select(species="rat")
        long = neuromorpho.select(species="rat", explode="cell_type")
        assert len(long) == found["cell_type"].map(lambda cell: len(cell) if cell else 1).sum()
        assert long["cell_type"].dtype == found["species"].dtype
        assert long.index.nunique() == len(found)
        with pytest.raises(errors.InvalidQueryError, match="not a column of lists"):
            neuromorpho.select(species="rat", explode="species")

    @pytest.mark.parametrize("limit", [1, 7, 124, 125, 600])
    def test_a_limit_returns_the_lowest_ids(self, sandbox: Sandbox, limit: int) -> None:
        sandbox.neuromorpho.largest_page = 50
        whole = truth(species="rat")
        found = neuromorpho.select(species="rat", limit=limit)
        assert found["neuron_id"].tolist() == whole[:limit]
        pages = [r for r in sandbox.requests if "/select" in r.path]
        assert len(pages) <= -(-min(limit, len(whole)) // 50) + 1
        assert len(neuromorpho.select(limit=3)) == 3
        with pytest.raises(errors.InvalidQueryError, match="limit"):
            neuromorpho.select(species="rat", limit=0)

    @pytest.mark.parametrize("name", ["archive", "cell_type", "brain_region", "brain_region_1"])
    def test_counts_with_filters_are_those_of_the_records(self, sandbox: Sandbox, name: str) -> None:
        found = neuromorpho.counts(name, species="rat")
        assert found.index.name == name
        assert found.is_monotonic_decreasing
        for value, count in found.items():
            assert count == len(truth(species="rat", **{name.removesuffix("_1"): value}))
        alone = neuromorpho.counts("species")
        assert neuromorpho.counts("species", species=["rat", "mouse"]).to_dict() == {
            "rat": alone["rat"],
            "mouse": alone["mouse"],
        }
        with pytest.raises(errors.UnknownFieldError):
            neuromorpho.counts(name, specie="rat")

    def test_selections_are_cached_for_offline_use(self, sandbox: Sandbox) -> None:
        online = neuromorpho.select(species="rat"), neuromorpho.select(neuron_name="CB_*")
        count = len(sandbox.requests)
        with pdneuro.set_options(offline=True):
            pd.testing.assert_frame_equal(neuromorpho.select(species="rat"), online[0])
            pd.testing.assert_frame_equal(neuromorpho.select(neuron_name="CB_*"), online[1])
            with pytest.raises(errors.OfflineError):
                neuromorpho.select(species="mouse")
        assert len(sandbox.requests) == count
        neuromorpho.select(species="rat", refresh=True)
        assert len(sandbox.requests) == count + 1


def test_the_other_lists(sandbox: Sandbox) -> None:
    assert {"species", "brain_region_1"} <= set(neuromorpho.fields())
    species = neuromorpho.field_values("species")
    assert "dragonfly " in species  # the spelling of the service
    counted = neuromorpho.counts("species")
    assert counted.sum() == 640
    assert set(counted.index) == set(species)
    assert counted["rat"] == len(truth(species="rat"))
    names = neuromorpho.field_values("neuron_name")  # more than one page
    assert len(names) == 640
    assert neuromorpho.health() == {"status": "up", "said": "UP", "neurons": 640, "detail": ""}


def test_literature(sandbox: Sandbox) -> None:
    papers = neuromorpho.literature(everything=True)
    assert len(papers) == 5
    assert papers["publishedDate"].dt.year.tolist() == papers["year"].tolist()
    assert papers["authors"].map(type).unique().tolist() == [list]
    one = neuromorpho.literature(id=papers["id"].iloc[2])
    assert one["doi"].tolist() == [papers["doi"].iloc[2]]
    assert neuromorpho.literature(pmid="1").empty
    with pytest.raises(errors.InvalidQueryError):
        neuromorpho.literature()


# -- dtypes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "missing", [None, "", "Not reported", "Not Reported", "Not applicable", "not reported "]
)
def test_all_spellings_of_missing(missing: str | None) -> None:
    record = dict.fromkeys(FIELDS, missing) | {"neuron_id": 1, "cell_type": [missing]}
    found = field_types.frame([record], FIELDS)
    assert found.drop(columns="neuron_id").isna().all(axis=None)
    assert found["neuron_id"].tolist() == [1]


def test_dtypes_and_raw(sandbox: Sandbox) -> None:
    found = neuromorpho.select(species=["rat", "human"])
    kinds = found.dtypes.astype(str)
    assert kinds["neuron_id"] == "int64"
    assert (kinds[list(field_types.NUMBERS)] == "Float64").all()
    assert (kinds[list(field_types.DATES)] == "datetime64[ns]").all()
    assert found["brain_region"].map(type).isin([list, type(None)]).all()
    raw = neuromorpho.select(species=["rat", "human"], raw=True)
    assert raw.iloc[0].to_dict() == data.neuron(int(found["neuron_id"].iloc[0]))
    assert raw["surface"].map(type).unique().tolist() == [str]
    ids = raw["neuron_id"].head(3)
    listed = neuromorpho.neuron(ids, raw=True)
    assert listed["surface"].tolist() == raw.loc[ids.index, "surface"].tolist()
    again = ids.neuro.neuromorpho("neuron_id", "surface", raw=True)
    pd.testing.assert_frame_equal(again, raw.loc[ids.index, ["neuron_id", "surface"]], check_dtype=False)
    assert again["surface"].map(type).unique().tolist() == [str]
    entry = found.attrs["pdneuro"]
    assert json.loads(json.dumps(entry)) == entry
    assert entry["source"] == "sandbox:neuromorpho (synthetic)"
    assert not {"license", "rrid"} & entry.keys()
    assert "volume: µm³" in entry["units"]


def test_non_numeric_values_are_a_warning() -> None:
    records = [{"neuron_id": 1, "volume": "about 3"}, {"neuron_id": 2, "volume": "3.5"}]
    with pytest.warns(errors.UnreadableValuesWarning, match="'volume'.*'about 3'"):
        found = field_types.frame(records, FIELDS)
    assert found["volume"].tolist() == [pd.NA, 3.5]


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(
        st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**9), 10**9), min_size=1
    )
)
def test_numbers_as_text_keep_their_value(values: list[float]) -> None:
    found = field_types.columns([{"volume": str(value)} for value in values], ["volume"])["volume"]
    assert found.tolist() == [float(value) for value in values]


# -- joins ----------------------------------------------------------------------------------------


class TestJoins:
    def test_rows_order_index_and_dtypes_stay(self, sandbox: Sandbox) -> None:
        table = pd.DataFrame(
            {"neuron_id": pd.array([7, None, 3, 7, 5000], "Int64"), "mine": list("abcde")},
            index=[5, 5, 2, 1, 0],
        )
        before = table.copy(deep=True)
        with pytest.warns(errors.UnknownIdsWarning, match="does not know 1 of the IDs: 5000"):
            joined = table.neuro.join_neuromorpho("species", "volume", "cell_type")
        pd.testing.assert_frame_equal(table, before)
        pd.testing.assert_frame_equal(joined[["neuron_id", "mine"]], before)
        assert joined.index.tolist() == [5, 5, 2, 1, 0]
        expected = data.neuron(7)["species"]
        assert joined["species"].tolist()[::3] == [expected, expected]
        assert joined["species"].isna().tolist() == [False, True, False, False, True]
        assert joined["volume"].dtype == "Float64"
        assert joined["cell_type"].iloc[2] == data.neuron(3)["cell_type"]
        report = pdneuro.last_report()
        assert report.set_index("id")["status"].to_dict() == {
            7: "found",
            3: "found",
            5000: "unknown",
        }

    def test_an_age_comes_with_its_scale(self, sandbox: Sandbox) -> None:
        table = pd.DataFrame({"neuron_id": [1, 2, 3]}).neuro.join_neuromorpho("species", "min_age")
        assert list(table.columns) == ["neuron_id", "species", "min_age", "age_scale"]
        both = pd.DataFrame({"neuron_id": [1]}).neuro.join_neuromorpho("age_scale", "max_age")
        assert list(both.columns) == ["neuron_id", "age_scale", "max_age"]

    def test_many_rows_in_few_requests_and_only_new_ones(self, sandbox: Sandbox) -> None:
        ids = pd.Series(np.random.default_rng(0).permutation(np.tile(np.arange(1, 601), 3)))
        found = ids.neuro.neuromorpho("neuron_id")
        assert (found["neuron_id"] == ids).all()
        assert len(sandbox.requests) == math.ceil(600 / payload.IDS_AT_ONCE)
        pd.Series(range(590, 611)).neuro.neuromorpho("species")
        assert sandbox.requests[-1].query["q"] == f"neuron_id:{','.join(map(str, range(601, 611)))}"
        with pdneuro.set_options(offline=True):
            pd.testing.assert_frame_equal(ids.neuro.neuromorpho("neuron_id"), found)
            with pytest.raises(errors.OfflineError, match=r"1 of 1 IDs .*611"):
                pd.Series([611]).neuro.neuromorpho()

    def test_by_name(self, sandbox: Sandbox) -> None:
        names = pd.Series(["cell_0002", data.ODD_NAME, "cell_0001", None, "cell_0002", data.name_of(37)])
        found = names.neuro.neuromorpho("neuron_id", "neuron_name")
        assert found["neuron_id"].tolist() == [2, 500, 1, pd.NA, 2, 37]
        assert found["neuron_id"].dtype == "Int64"
        count = len(sandbox.requests)
        names.iloc[:2].neuro.neuromorpho("species")
        assert len(sandbox.requests) == count
        with pytest.warns(errors.UnknownIdsWarning, match="Cell_0002") as caught:
            assert pd.Series(["Cell_0002", "cell_0009"]).neuro.neuromorpho("neuron_id")[
                "neuron_id"
            ].tolist() == [pd.NA, 9]
        assert len(caught) == 1
        assert pdneuro.last_report()["id"].tolist() == ["Cell_0002", "cell_0009"]

    @pytest.mark.parametrize("post", [True, False], ids=["POST", "GET alone"])
    @pytest.mark.parametrize(
        "names", [[data.ODD_NAME], [data.ODD_NAME, "cell_0001"], ["cell_0003"], ["a/b", "cell_0004"]]
    )
    def test_names_with_special_characters_in_an_address(
        self, sandbox: Sandbox, names: list[str], post: bool
    ) -> None:
        sandbox.neuromorpho.post = post
        known = {data.name_of(number): number for number in range(1, 641)}
        found = pd.Series(names).neuro.neuromorpho("neuron_id", on_missing="ignore")["neuron_id"]
        assert [None if pd.isna(cell) else cell for cell in found] == [known.get(name) for name in names]

    def test_a_name_of_several_neurons(self, sandbox: Sandbox) -> None:
        twins = [{**data.neuron(number), "neuron_name": "twin"} for number in (1, 2)]
        sandbox.neuromorpho = NeuroMorphoApp(records=[*twins, data.neuron(3)])
        with pytest.raises(errors.MultipleRecordsError, match=r"'twin' \(IDs 1, 2\)"):
            pd.Series(["twin", "cell_0003"]).neuro.neuromorpho()

    def test_ids_and_names_mixed(self, sandbox: Sandbox) -> None:
        with pytest.raises(
            errors.InvalidIdError, match=r"'n' mixes IDs and names: 1 \(row 'a'\) and 'x' \(row 'b'\)"
        ):
            pd.Series([1, "x"], index=["a", "b"], name="n").neuro.neuromorpho()
        assert not sandbox.requests

    def test_the_key_of_a_column_is_recognized(self, sandbox: Sandbox) -> None:
        as_text = pd.Series(["1", "2"], name="neuron_id")
        assert as_text.neuro.neuromorpho("species")["species"].tolist() == ["rat", "human"]
        assert as_text.rename("x").neuro.neuromorpho("species", key="neuron_id")["species"].notna().all()
        with pytest.warns(errors.UnknownIdsWarning):
            assert as_text.rename("x").neuro.neuromorpho("species").isna().all(axis=None)
        categories = pd.Series(["cell_0001", "cell_0002"] * 2, dtype="category")
        assert categories.neuro.neuromorpho("neuron_id")["neuron_id"].tolist() == [1, 2, 1, 2]
        with pytest.raises(errors.InvalidIdError):
            pd.Series([-1]).neuro.neuromorpho()
        with pytest.raises(errors.PrecisionLossError):
            pd.Series([1e18]).neuro.neuromorpho()
        with pytest.raises(ValueError, match="key must be"):
            pd.Series([1]).neuro.neuromorpho(key="id")

    def test_measurements_are_prefixed_and_chain(self, sandbox: Sandbox) -> None:
        found = neuromorpho.select(species="mouse").head(40)
        with pytest.warns(errors.UnknownIdsWarning, match="no measurements"):
            joined = found.neuro.join_morphometry()
        assert {"surface", "morphometry_surface", "soma_surface", "morphometry_soma_Surface"} <= set(
            joined
        )
        assert "morphometry_neuron_id" not in joined
        measured = joined["morphometry_surface"].notna()
        assert (~measured).sum() == (found["neuron_id"] % 50 == 0).sum()
        pd.testing.assert_series_equal(
            joined.loc[measured, "surface"],
            joined.loc[measured, "morphometry_surface"],
            check_names=False,
        )
        assert joined.attrs["pdneuro"]["query"].startswith("select(")

    def test_measurements_by_name(self, sandbox: Sandbox) -> None:
        found = pd.Series(["cell_0002", "cell_0001", "absent"]).neuro.morphometry(
            "length", on_missing="ignore"
        )
        assert found["length"].tolist() == [
            data.morphometry(2)["length"],
            data.morphometry(1)["length"],
            pd.NA,
        ]
        assert pd.DataFrame({"neuron_name": ["cell_0002"]}).neuro.join_morphometry("n_stems").shape == (
            1,
            2,
        )

    @pytest.mark.parametrize("spelling", ["Neuron_id", "neuron_id"])
    def test_either_spelling_of_the_id_in_queries(self, sandbox: Sandbox, spelling: str) -> None:
        sandbox.neuromorpho.id_field = spelling
        found = pd.Series([1, 2, 3]).neuro.morphometry("neuron_id")
        assert found["neuron_id"].tolist() == [1, 2, 3]

    def test_persistence(self, sandbox: Sandbox) -> None:
        ids = pd.Series([3, 50, 1], index=list("abc"))
        with pytest.warns(errors.UnknownIdsWarning, match="no persistence vector"):
            wide = ids.neuro.persistence(wide=True)
        narrow = ids.neuro.persistence(on_missing="ignore")
        assert wide.shape == (3, 102)
        assert wide.loc["a"].iloc[2:].tolist() == narrow.loc["a", "coefficients"]
        assert wide.loc["b"].isna().all()
        assert narrow["scaling_factor"].dtype == "Float64"

    def test_existing_columns_are_not_replaced(self, sandbox: Sandbox) -> None:
        table = pd.DataFrame({"neuron_id": [1], "species": ["mine"]})
        with pytest.raises(errors.ColumnExistsError, match="'species'"):
            table.neuro.join_neuromorpho("species")
        assert table.neuro.join_neuromorpho("species", overwrite=True)["species"].tolist() == ["rat"]
        assert table.neuro.join_neuromorpho("species", prefix="nmo_")["nmo_species"].tolist() == ["rat"]
        whole = pd.DataFrame({"neuron_id": [1], "neuron_name": ["x"]}).neuro.join_neuromorpho()
        assert whole["neuron_name"].tolist() == ["x"]
        assert len(whole.columns) == len(FIELDS)
        with pytest.raises(errors.MissingColumnsError, match="neuron_id"):
            pd.DataFrame({"x": [1]}).neuro.join_neuromorpho()
        indexed = pd.DataFrame({"mine": [4]}, index=pd.Index([2], name="neuron_id"))
        assert indexed.neuro.join_neuromorpho("species")["species"].tolist() == ["human"]

    def test_a_rejected_batch_is_split(self, sandbox: Sandbox) -> None:
        sandbox.neuromorpho.most_ids = 60
        found = pd.Series(range(1, 301)).neuro.neuromorpho("neuron_id")
        assert found["neuron_id"].tolist() == list(range(1, 301))

    def test_one_invalid_record_does_not_affect_the_others(self, sandbox: Sandbox) -> None:
        sandbox.neuromorpho.poison = {33}
        ids = pd.Series(range(1, 101))
        with pytest.warns(errors.PartialResultWarning, match="1 IDs could not be fetched"):
            found = ids.neuro.neuromorpho("species", on_error="partial")
        assert found["species"].isna().sum() == 1
        with pytest.raises(errors.ServerError, match="33"):
            ids.neuro.neuromorpho("species")
        sandbox.neuromorpho.poison = set()
        assert ids.neuro.neuromorpho("species")["species"].notna().all()
        assert sandbox.requests[-1].path.endswith("/neuron/id/33")

    @settings(max_examples=15, deadline=None)
    @given(ids=st.lists(st.integers(1, 640) | st.none(), max_size=30), asked=st.integers(1, 9))
    def test_any_order_of_rows_gets_the_right_records(
        self, sandbox: Sandbox, ids: list[int | None], asked: int
    ) -> None:
        column = pd.Series(ids, dtype="Int64")
        found = column.neuro.neuromorpho("neuron_name", batch_size=asked)
        assert found.index.equals(column.index)
        names = [None if pd.isna(cell) else cell for cell in found["neuron_name"]]
        assert names == [None if number is None else data.name_of(number) for number in ids]


def test_one_neuron(sandbox: Sandbox) -> None:
    record = neuromorpho.neuron(2)
    assert record.name == 2
    assert record["species"] == "human"
    assert neuromorpho.neuron("cell_0002")["neuron_id"] == 2
    assert neuromorpho.neuron(2, raw=True)["surface"] == data.neuron(2)["surface"]
    assert neuromorpho.neuron([2, 1])["neuron_id"].tolist() == [2, 1]
    assert neuromorpho.morphometry(2)["n_stems"] == data.morphometry(2)["n_stems"]
    assert neuromorpho.persistence(2)["coefficients"] == data.persistence(2)["coefficients"]
    with pytest.raises(errors.NotFoundError, match="no neuron 9999"):
        neuromorpho.neuron(9999)
    with pytest.raises(errors.NotFoundError, match="no morphometry of a neuron 50"):
        neuromorpho.morphometry(50)


# -- files ----------------------------------------------------------------------------------------


class TestFiles:
    def test_addresses(self) -> None:
        base = "https://neuromorpho.org/dableFiles"
        assert payload.file_url(base, "Allen Cell Types", "a (b)/c#1", "CNG", "") == (
            f"{base}/allen%20cell%20types/CNG%20version/a%20%28b%29%2Fc%231.CNG.swc"
        )
        assert payload.file_url(base, "De Koninck", "x", "source", ".xml") == (
            f"{base}/de%20koninck/Source-Version/x.xml"
        )
        endings = {
            "Custom.xml": ".xml",
            "Neurolucida.dat": ".dat",
            "A B 2.1.ASC": ".ASC",
            None: ".swc",
            "": ".swc",
        }
        assert {given: payload.source_ending(given) for given in endings} == endings

    def test_many_neurons_are_one_table(self, sandbox: Sandbox) -> None:
        ids = pd.Series([9, 500, 8, 9, None], dtype="Int64")
        nodes = ids.neuro.swc()
        assert nodes["neuron"].unique().tolist() == [9, 500, 8]
        assert nodes["neuron"].dtype == "int64"
        assert nodes["neuron"].value_counts().to_dict() == {n: 60 + n % 90 for n in (9, 500, 8)}
        lengths = nodes.neuro.cable_length()
        for number in (9, 500, 8):
            assert lengths[number] == pytest.approx(data.morphometry(number)["length"], abs=0.01)
        assert nodes.neuro.morphology().loc[9, "branches"] == data.morphometry(9)["n_bifs"]
        count = len(sandbox.requests)
        with pdneuro.set_options(offline=True):
            pd.testing.assert_frame_equal(ids.neuro.swc(), nodes)
        assert len(sandbox.requests) == count

    def test_by_name_and_as_a_table(self, sandbox: Sandbox) -> None:
        names = ["cell_0002", data.ODD_NAME]
        nodes = pd.Series(names).neuro.swc()
        assert nodes["neuron"].cat.categories.tolist() == names
        table = pd.DataFrame({"neuron_name": names})
        pd.testing.assert_frame_equal(neuromorpho.swc(table), nodes)
        assert len(neuromorpho.swc("cell_0002")) == 62

    def test_a_missing_file_is_an_error(self, sandbox: Sandbox) -> None:
        with pytest.warns(errors.UnknownIdsWarning, match="60, 5555|5555"):
            nodes = pd.Series([60, 61, 5555]).neuro.swc()
        assert nodes["neuron"].unique().tolist() == [61]
        with pytest.raises(errors.NotFoundError, match=r"no reconstruction of 120 \(CNG\)"):
            neuromorpho.swc(120)
        with pytest.warns(errors.UnknownIdsWarning, match="no such file"):
            empty = neuromorpho.swc([120])
        assert empty.empty
        assert list(empty.columns) == list(nodes.columns)

    def test_a_web_page_instead_of_a_file_is_an_error(self, sandbox: Sandbox) -> None:
        neuromorpho.neuron(2)
        sandbox.fail(path="/dableFiles/", html=True)
        with pytest.raises(errors.InvalidResponseError, match="HTML page"):
            neuromorpho.swc(2)
        assert len(neuromorpho.swc(2)) == 62  # the page was not cached

    def test_source_versions(self, sandbox: Sandbox, tmp_path: Path) -> None:
        by_format = {number: data.neuron(number)["original_format"] for number in (1, 5, 10, 37)}
        assert by_format[1] == "Neurolucida.swc"
        ids = pd.Series([1, 5, 37])
        with pytest.warns(errors.UnreadableFileWarning, match=r"1 source files .* 5 \(.dat\)"):
            nodes = ids.neuro.swc("source", folder=tmp_path / "out")
        assert nodes["neuron"].unique().tolist() == [1, 37]
        assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
            "CB_CKp25_2w_F_Animal02_01.swc",
            "cell_0001.swc",
            "cell_0005.dat",
        ]
        assert (tmp_path / "out" / "cell_0005.dat").read_bytes() == b"another format\n"
        assert (tmp_path / "out" / "cell_0001.swc").read_bytes() == data.swc(1, original=True)
        with pytest.raises(ValueError, match="'CNG' or 'source'"):
            ids.neuro.swc("raw")

    @pytest.mark.parametrize(
        ("written", "meant"),
        [
            ("CNG version", "CNG"),
            ("cng_version", "CNG"),
            ("Source-Version", "source"),
            ("source version", "source"),
            (" SOURCE ", "source"),
        ],
    )
    def test_versions_have_the_names_of_the_services_folders(
        self, sandbox: Sandbox, written: str, meant: str
    ) -> None:
        neuromorpho.swc(1, version=written)
        folder = {"CNG": "CNG%20version", "source": "Source-Version"}[meant]
        assert folder in sandbox.requests[-1].path

    def test_standard_files_are_saved_unchanged(self, sandbox: Sandbox, tmp_path: Path) -> None:
        neuromorpho.swc([1, 500], folder=tmp_path / "new")
        assert (tmp_path / "new" / "cell_0001.CNG.swc").read_bytes() == data.swc(1)
        assert len(list((tmp_path / "new").iterdir())) == 2

    def test_invalid_files(self, sandbox: Sandbox) -> None:
        files = {1: b"1 1 0 0 0 1 -1\n2 3 0 0 1 1 7\n", 2: b"nothing\n"}
        sandbox.neuromorpho = NeuroMorphoApp(records=[data.neuron(1), data.neuron(2)], files=files)
        assert neuromorpho.swc(1).attrs["pdneuro"]["problems"] == 1
        with pytest.raises(
            errors.InvalidSwcError, match="1 is not a valid reconstruction: missing parent"
        ):
            neuromorpho.swc(1, strict=True)
        with pytest.raises(errors.InvalidSwcError, match="contains no nodes"):
            neuromorpho.swc(2)


# -- failures ----------------------------------------------------------------------------------

CALLS = {
    "select": lambda: neuromorpho.select(species="rat"),
    "join": lambda: pd.Series([1, 2]).neuro.neuromorpho("species"),
    "name": lambda: pd.Series(["cell_0001"]).neuro.neuromorpho("species"),
    "morphometry": lambda: pd.Series([1, 2]).neuro.morphometry("length"),
    "one": lambda: neuromorpho.neuron(3),
    "fields": lambda: neuromorpho.fields(),
    "counts": lambda: neuromorpho.counts("species"),
    "swc": lambda: neuromorpho.swc(1),
}


class TestTrouble:
    @pytest.mark.parametrize("call", CALLS)
    def test_an_outage_page_with_status_200(self, sandbox: Sandbox, call: str) -> None:
        sandbox.neuromorpho.outage = "html"
        with pytest.raises(errors.InvalidResponseError, match="HTML page"):
            CALLS[call]()
        sandbox.neuromorpho.outage = None
        assert len(CALLS[call]())  # the page was not cached

    @pytest.mark.parametrize("call", CALLS)
    def test_down(self, sandbox: Sandbox, call: str) -> None:
        sandbox.fail(times=99, html=True, status=503)
        with pytest.raises(errors.ServiceUnavailableError, match="503"):
            CALLS[call]()
        assert neuromorpho.health()["status"] == "down"

    @pytest.mark.parametrize("call", ["select", "join", "name", "morphometry", "one", "swc"])
    def test_a_service_with_an_empty_database(self, sandbox: Sandbox, call: str) -> None:
        sandbox.neuromorpho.outage = "empty"
        with pytest.raises(errors.ServiceUnavailableError, match="database is empty"):
            CALLS[call]()
        assert neuromorpho.health()["status"] == "empty"
        assert neuromorpho.health()["said"] == "UP"
        sandbox.neuromorpho.outage = None
        assert len(CALLS[call]())

    def test_a_wrong_address_is_not_an_empty_result(self, sandbox: Sandbox) -> None:
        with pdneuro.set_options(neuromorpho_url=f"{sandbox.url}/neuromorpho/nowhere"):
            for call in ("select", "join", "one"):
                with pytest.raises(errors.NotFoundError):
                    CALLS[call]()

    def test_a_server_that_does_not_exist(self, sandbox: Sandbox) -> None:
        with (
            pdneuro.set_options(neuromorpho_url="http://127.0.0.1:9/api"),
            pytest.raises(errors.ConnectionFailedError),
        ):
            neuromorpho.neuron(1)

    def test_slow(self, sandbox: Sandbox) -> None:
        with (
            held(sandbox),
            pdneuro.set_options(timeout=0.2),
            pytest.raises(errors.ConnectionFailedError, match="timeout"),
        ):
            neuromorpho.neuron(1)

    @pytest.mark.parametrize(
        "body", [b"[]", b"{}", b'"x"', b'{"error": "broken"}', b'{"_embedded": 5}', b"{", b"", b"null"]
    )
    def test_bodies_that_are_not_documented(self, sandbox: Sandbox, body: bytes) -> None:
        for call in ("select", "join", "one"):
            sandbox.fail(body=body)
            with pytest.raises(errors.InvalidResponseError):
                CALLS[call]()
            assert len(CALLS[call]())

    def test_responses_before_an_error_are_cached(self, sandbox: Sandbox) -> None:
        ids = pd.Series(range(1, 11))
        ids.head(4).neuro.neuromorpho("species")
        sandbox.neuromorpho.outage = "html"
        with pytest.raises(errors.InvalidResponseError, match="4 of 10 IDs are answered and stored"):
            ids.neuro.neuromorpho("species", batch_size=2)
        with pdneuro.set_options(offline=True):
            assert ids.head(4).neuro.neuromorpho("species")["species"].notna().all()

    def test_old_responses_are_used_while_the_service_is_down(self, sandbox: Sandbox) -> None:
        before = neuromorpho.select(species="rat")
        sandbox.fail(times=99, status=503)
        with (
            pdneuro.set_options(expire_after=0),
            pytest.warns(errors.StaleAnswerWarning),
        ):
            after = neuromorpho.select(species="rat")
        pd.testing.assert_frame_equal(after, before)


# -- politeness -----------------------------------------------------------------------------------


def test_five_requests_a_second_over_all_threads(sandbox: Sandbox) -> None:
    assert pdneuro.options.options()["neuromorpho_rate"].default == 5.0
    times, rate = [], 20
    app = sandbox.neuromorpho
    lock = threading.Lock()

    def timed(request: Any) -> Any:
        with lock:
            times.append(time.monotonic())
        return app(request)

    sandbox.neuromorpho = timed  # type: ignore[assignment]
    with pdneuro.set_options(neuromorpho_rate=rate, max_workers=8):
        threads = [
            threading.Thread(
                target=contextvars.copy_context().run,  # the thread sees the options of this block
                args=(
                    lambda n=n: pd.Series(range(n, n + 6)).neuro.neuromorpho("species", batch_size=1),
                ),
            )
            for n in (1, 10, 20)
        ]
        begun = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(times) == 18
    # A request may arrive late, but never before its turn.
    turns = begun + np.arange(18) / rate
    assert (np.sort(times) >= turns).all()


def test_waiting_for_the_rate_limit_can_be_interrupted() -> None:
    stop, server = threading.Event(), Server("nowhere.example")
    assert server.wait_turn(0.005, stop)  # the next turn is in 200 s
    threading.Timer(0.1, stop.set).start()
    begun = time.monotonic()
    assert not server.wait_turn(0.005, stop)
    assert time.monotonic() - begun < 100


def test_requests_name_pdneuro_and_no_page_is_scraped(sandbox: Sandbox) -> None:
    for call in CALLS.values():
        call()
    agents = {request.headers["user-agent"] for request in sandbox.requests}
    assert all(agent.startswith(f"pdneuro/{pdneuro.__version__} ") for agent in agents)
    assert not [path for path in paths(sandbox) if ".jsp" in path]


def test_cite(sandbox: Sandbox) -> None:
    table = pd.DataFrame({"neuron_id": [37, 74, 1, 10]})
    text = neuromorpho.cite(table)
    assert text.splitlines()[0].startswith(
        "Reconstructions: NeuroMorpho.Org (RRID:SCR_002145), license CC BY 4.0"
    )
    for number in table["neuron_id"]:
        record = data.neuron(number)
        assert all(doi in text for doi in record["reference_doi"])
        assert all(f"PMID {pmid}" in text for pmid in record["reference_pmid"])
    papers = neuromorpho.references(table.neuro.join_neuromorpho("reference_doi", "reference_pmid"))
    named = Counter(
        reference
        for number in table["neuron_id"]
        for name in ("reference_doi", "reference_pmid")
        for reference in data.neuron(number)[name]
    )
    assert papers.set_index("reference")["neurons"].to_dict() == named
    assert papers["neurons"].is_monotonic_decreasing
    with pytest.raises(errors.MissingColumnsError):
        neuromorpho.cite(pd.DataFrame({"x": [1]}))


# -- real records ---------------------------------------------------------------------------------


def test_real_records_work_in_every_method(sandbox: Sandbox) -> None:
    folder = shared("neuromorpho/json")
    page = json.loads((folder / "neuron_select_hippocampus_principal_page0_2022.json").read_text())
    first = json.loads((folder / "neuron_id_1.json").read_text())
    measured = json.loads((folder / "morphometry_id_1.json").read_text())
    records = [first, *page["_embedded"]["neuronResources"]]
    files = sorted(shared("neuromorpho/swc").glob("*.swc"))
    contents = {r["neuron_id"]: f.read_bytes() for r, f in zip(records, files, strict=False)}
    sandbox.neuromorpho = NeuroMorphoApp(records=records, measurements=[measured], files=contents)
    found = neuromorpho.select(everything=True)
    assert found["neuron_id"].tolist() == sorted(record["neuron_id"] for record in records)
    assert list(found.columns) == FIELDS
    by_id = {record["neuron_id"]: record for record in records}
    for name in ("surface", "min_age", "soma_surface"):
        expected = [by_id[number][name] for number in found["neuron_id"]]
        numbers = pd.to_numeric(pd.Series(expected, dtype=object), errors="coerce")
        np.testing.assert_array_equal(found[name].to_numpy(float, na_value=np.nan), numbers)
    assert found["soma_surface"].isna().sum() == sum(
        record["soma_surface"] is None for record in records
    )
    assert found["upload_date"].notna().all()
    assert not found.map(lambda cell: isinstance(cell, str) and cell.lower() == "not reported").any(
        axis=None
    )
    raw = neuromorpho.select(everything=True, raw=True)
    assert raw.set_index("neuron_id", drop=False).loc[100].to_dict() == by_id[100]
    shuffled = found["neuron_id"].sample(frac=1, random_state=0)
    again = shuffled.neuro.neuromorpho()
    pd.testing.assert_frame_equal(again, found.loc[shuffled.index])
    by_name = found["neuron_name"].neuro.neuromorpho("neuron_id")
    assert (by_name["neuron_id"] == found["neuron_id"]).all()
    joined = found.head(1).neuro.join_morphometry()
    assert joined["morphometry_length"].tolist() == [4911.5]
    assert joined["morphometry_soma_Surface"].tolist() == [834.0]
    assert neuromorpho.morphometry(1)["n_bifs"] == 47.0
    nodes = neuromorpho.swc([record["neuron_id"] for record in records[: len(files)]])
    assert len(nodes) == 13_113
    cited = neuromorpho.cite(pd.DataFrame(found.to_dict("series")))
    assert all(doi in cited for record in records for doi in record["reference_doi"])


def test_the_real_404_is_recognized(sandbox: Sandbox) -> None:
    body = shared("neuromorpho/json/error_404.json").read_bytes()
    sandbox.fail(times=1, status=404, body=body)
    with pytest.raises(errors.NotFoundError, match="no neuron 'AA1544'"):
        neuromorpho.neuron("AA1544")


# -- responses that look valid -------------------------------------------------------------------


def replaced(sandbox: Sandbox, answer: Any) -> None:
    """Call ``answer`` before the app: it returns a response, or None for the response of the app."""
    app = sandbox.neuromorpho
    sandbox.neuromorpho = lambda request: answer(request, app) or app(request)  # type: ignore[assignment]


class TestLookAlikes:
    @pytest.mark.parametrize("call", ["select", "join", "name", "one", "fields", "counts"])
    def test_a_404_of_another_server_is_an_error(self, sandbox: Sandbox, call: str) -> None:
        body = {"status": 404, "error": "Not Found", "message": "No message available", "path": "/x"}
        app = sandbox.neuromorpho
        sandbox.neuromorpho = lambda request: Response(body, 404)  # type: ignore[assignment]
        with pytest.raises(errors.NotFoundError):
            CALLS[call]()
        sandbox.neuromorpho = app
        assert len(CALLS[call]())

    @pytest.mark.parametrize("call", ["select", "join", "counts"])
    @pytest.mark.parametrize("probe", [{"fields": {"mouse": 0}}, {"fields": {}}, None])
    def test_an_empty_database_is_detected(self, sandbox: Sandbox, call: str, probe: Any) -> None:
        def empty(request: Any, app: Any) -> Response:
            if "partition" in request.path and probe is not None:
                return Response(probe)
            app.outage = "empty"
            response = app(request)
            app.outage = None
            return response

        app = sandbox.neuromorpho
        replaced(sandbox, empty)
        if not (call == "counts" and probe == {"fields": {"mouse": 0}}):
            with pytest.raises(errors.ServiceUnavailableError, match="empty"):
                CALLS[call]()
        sandbox.neuromorpho = app
        if probe != {"fields": {"mouse": 0}}:
            assert len(CALLS[call]())

    def test_lists_in_another_format_are_errors(self, sandbox: Sandbox) -> None:
        sandbox.fail(body=b'{"message": "hello"}')
        with pytest.raises(errors.InvalidResponseError):
            neuromorpho.fields()
        sandbox.fail(body=b'{"message": "hello"}')
        with pytest.raises(errors.InvalidResponseError):
            neuromorpho.literature(id="zz")
        assert "species" in neuromorpho.fields()

    @pytest.mark.parametrize(
        ("body", "kind"),
        [
            (b'{"status": 500, "error": "x"}', "application/json"),
            (b"\xef\xbb\xbf<html>", "text/plain"),
            (b"Service temporarily unavailable", "text/html"),
            (b"  \n", "text/plain"),
        ],
    )
    def test_an_invalid_file_is_not_cached(self, sandbox: Sandbox, body: bytes, kind: str) -> None:
        app = sandbox.neuromorpho
        replaced(
            sandbox,
            lambda r, app: (
                Response(body, 200, {"Content-Type": kind}) if "dableFiles" in r.path else None
            ),
        )
        with pytest.raises(errors.InvalidResponseError, match="instead of the file"):
            neuromorpho.swc(4)
        sandbox.neuromorpho = app
        assert len(neuromorpho.swc(4)) == 64

    def test_a_404_during_maintenance_is_not_cached(self, sandbox: Sandbox) -> None:
        neuromorpho.neuron([4, 5])
        app = sandbox.neuromorpho
        sandbox.neuromorpho = lambda r: Response(
            b"<html>maintenance</html>", 404, {"Content-Type": "text/html"}
        )  # type: ignore[assignment]
        with pytest.raises(errors.NotFoundError):
            neuromorpho.swc([4, 5])
        sandbox.neuromorpho = app
        assert len(neuromorpho.swc([4, 5])) == 64 + 65

    def test_xml_files_of_authors_are_files(self, sandbox: Sandbox, tmp_path: Path) -> None:
        record = {**data.neuron(8), "original_format": "Custom.xml"}
        sandbox.neuromorpho = NeuroMorphoApp(records=[record], files={8: b"<?xml version='1.0'?><mbf/>"})
        with pytest.warns(errors.UnreadableFileWarning, match=".xml"):
            neuromorpho.swc([8], "source", folder=tmp_path / "x")
        assert (tmp_path / "x" / "cell_0008.xml").read_bytes().startswith(b"<?xml")

    def test_one_invalid_file_of_many(self, sandbox: Sandbox) -> None:
        files = {number: data.swc(number) for number in (1, 4)} | {2: b"# broken\n"}
        sandbox.neuromorpho = NeuroMorphoApp(records=[data.neuron(n) for n in (1, 2, 4)], files=files)
        with pytest.warns(
            errors.UnreadableFileWarning, match="1 files cannot be read.*2 contains no nodes"
        ):
            nodes = neuromorpho.swc([1, 2, 4])
        assert nodes["neuron"].unique().tolist() == [1, 4]

    def test_names_that_are_numbers(self, sandbox: Sandbox) -> None:
        records = [{**data.neuron(number), "neuron_name": str(number + 1)} for number in (1, 2, 3)]
        sandbox.neuromorpho = NeuroMorphoApp(records=records)
        table = pd.DataFrame({"Neuron_Name": [2, 4], "mine": [1, 1]})
        assert table["Neuron_Name"].neuro.neuromorpho("neuron_id")["neuron_id"].tolist() == [1, 3]
        assert table.neuro.join_neuromorpho("neuron_id")["neuron_id"].tolist() == [1, 3]
        floats = pd.Series([2.0, None], name="neuron_name")
        assert floats.neuro.neuromorpho("neuron_id")["neuron_id"].tolist() == [1, pd.NA]
        text = pd.DataFrame({"Neuron_ID": ["1", "2"]})
        assert text.neuro.join_neuromorpho("species")["species"].tolist() == ["rat", "human"]

    @pytest.mark.parametrize("status", [403, 405, 414])
    def test_a_rejected_long_query_is_split(self, sandbox: Sandbox, status: int) -> None:
        def refuse(request: Any, app: Any) -> Response | None:
            return Response(b"no", status) if len(request.raw_query) > 300 else None

        replaced(sandbox, refuse)
        ids = pd.Series(range(101, 301))
        assert (ids.neuro.neuromorpho("neuron_id")["neuron_id"] == ids).all()

    def test_another_spelling_is_tried_before_a_batch_is_split(self, sandbox: Sandbox) -> None:
        def refuse(request: Any, app: Any) -> Response | None:
            return Response({"message": "bad field"}, 400) if "Neuron_id" in request.raw_query else None

        sandbox.neuromorpho.id_field = "neuron_id"
        replaced(sandbox, refuse)
        ids = pd.Series(range(1, 41))
        assert (ids.neuro.morphometry("neuron_id")["neuron_id"] == ids).all()
        assert len(sandbox.requests) == 2

    def test_fewer_records_than_announced_are_an_error(self, sandbox: Sandbox) -> None:
        def short(request: Any, app: Any) -> Response | None:
            if not request.path.endswith("/select"):
                return None
            response: Response = app(request)
            del response.body["_embedded"]["neuronResources"][-5:]
            return response

        app, ids = sandbox.neuromorpho, pd.Series(range(301, 401))
        replaced(sandbox, short)
        with pytest.raises(
            errors.TruncatedResponseError, match="100 records were announced and 95 came"
        ):
            ids.neuro.neuromorpho("neuron_id")
        sandbox.neuromorpho = app
        assert (ids.neuro.neuromorpho("neuron_id")["neuron_id"] == ids).all()

    def test_a_short_first_page_is_requested_again(self, sandbox: Sandbox) -> None:
        seen: list[int] = []

        def short(request: Any, app: Any) -> Response | None:
            if seen or request.query.get("page") != "0":
                return None
            seen.append(1)
            response: Response = app(request)
            del response.body["_embedded"]["neuronResources"][-7:]
            return response

        replaced(sandbox, short)
        assert len(neuromorpho.select(everything=True)) == 640

    def test_dates_with_times_and_words(self) -> None:
        given = ["2020-01-02", "2020-01-01T00:00:00Z", "2020-01-01T01:00:00+01:00", None]
        entries = [{"neuron_id": k, "upload_date": date} for k, date in enumerate(given, 1)]
        found = field_types.frame(entries, FIELDS)["upload_date"]
        assert found.dt.day.tolist()[:3] == [2, 1, 1]
        assert found.isna().tolist() == [False, False, False, True]
        with pytest.warns(errors.UnreadableValuesWarning, match="no dates .*'May 2006'"):
            field_types.frame([{"neuron_id": 1, "upload_date": "May 2006"}], FIELDS)

    def test_values_of_a_column_with_a_missing_one(self, sandbox: Sandbox) -> None:
        assert neuromorpho.select(neuron_id=pd.Series([1, None, 2]))["neuron_id"].tolist() == [1, 2]
        for nothing in (float("nan"), pd.NA, ""):
            with pytest.raises(errors.InvalidQueryError):
                neuromorpho.select(species=nothing)

    def test_one_neuron_for_which_the_service_fails(self, sandbox: Sandbox) -> None:
        sandbox.neuromorpho.poison = {9}
        with pytest.raises(errors.ServerError):
            neuromorpho.neuron(9, on_error="partial")

    def test_a_misspelt_field_while_the_site_is_down(self, sandbox: Sandbox) -> None:
        sandbox.neuromorpho.outage = "html"
        with pytest.raises(errors.UnknownFieldError, match="'species'"):
            neuromorpho.select(specie="rat")
        with (
            pdneuro.set_options(offline=True),
            pytest.raises(errors.UnknownFieldError, match="'species'"),
        ):
            neuromorpho.select(specie="rat")

    @pytest.mark.parametrize(
        "body", [b'{"fields": ["mouse"]}', b'{"fields": {"mouse": "5"}}', b'{"fields": {"mouse": null}}']
    )
    def test_health_raises_nothing(self, sandbox: Sandbox, body: bytes) -> None:
        sandbox.fail(path="partition", body=body)
        assert neuromorpho.health()["status"] in ("down", "empty")


def test_reconstructions_of_no_neuron_have_the_dtypes_of_others(sandbox: Sandbox) -> None:
    for name, values in {
        "neuron_id": [1],
        "neuron_name": ["cell_0001"],
        "x": [1],
        "y": ["cell_0001"],
    }.items():
        column = pd.Series(values, name=name)
        found = column.neuro.swc()
        empty = column.iloc[:0].neuro.swc()
        kinds = [pd.CategoricalDtype if str(kind) == "category" else kind for kind in found.dtypes]
        assert [
            pd.CategoricalDtype if str(kind) == "category" else kind for kind in empty.dtypes
        ] == kinds
        assert empty.columns.equals(found.columns)
        assert empty["neuron"].astype(object).tolist() == []
    unknown = pd.Series([10**9], name="neuron_id").neuro.swc(on_missing="ignore")
    assert unknown["neuron"].dtype == "int64"
    assert pd.Series(["nobody"]).neuro.swc(on_missing="ignore")["neuron"].cat.categories.empty
