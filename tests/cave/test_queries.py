"""Queries and responses of CAVE without a server: what is sent, and what is read."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdneuro.cave import parse
from pdneuro.cave.payload import Table, table_query
from pdneuro.tables.partners import unpack
from pdneuro.transport.report import ShapeError

ROOT = 864_691_135_207_734_905


def test_a_query_can_be_sent_as_json_and_keeps_every_digit() -> None:
    for table in (Table("a", 1), Table("a", 1, reference="b"), Table("a", 1, is_view=True)):
        _, arguments = table_query(table, np.array([ROOT]), columns=["x"], resolution=(1, 1, 1))
        sent = json.dumps(arguments)
        assert sent.count(str(ROOT)) == 1
        assert json.loads(sent)["desired_resolution"] == [1, 1, 1]


def test_a_reference_table_is_filtered_by_the_root_ids_of_its_reference() -> None:
    method, arguments = table_query(Table("types", 7, reference="nuclei"), [ROOT])
    assert method == "join_query"
    assert arguments["filter_in_dict"] == {"nuclei": {"pt_root_id": [ROOT]}}
    assert [name for name, _ in arguments["tables"]] == ["types", "nuclei"]


@pytest.mark.parametrize("is_view", [False, True])
def test_a_query_for_the_columns_of_a_table_returns_one_row(is_view: bool) -> None:
    _, arguments = table_query(Table("a", 1, is_view=is_view), None)
    assert (arguments["limit"], arguments["filter_in_dict"]) == (1, None)


@pytest.mark.parametrize(
    ("header", "limit"),
    [
        ("", None),
        ('299 - "notice"', None),
        ('201 - "Limited query"', 0),
        ("Limited query to 1,000 rows", 1000),
    ],
)
def test_the_limit_of_rows_is_read_from_the_warning(header: str, limit: int | None) -> None:
    assert parse.row_limit({"Warning": header}) == limit


def test_only_positions_are_converted() -> None:
    table = pd.DataFrame({"pt_position_x": [2], "ctr_pt_position_z_ref": [2], "size_x": [2]})
    found = parse.to_resolution(table, (4, 4, 40), (1, 1, 1))
    assert found.loc[0].tolist() == [8, 80, 2]
    pd.testing.assert_frame_equal(parse.to_resolution(table, (4, 4, 40), (4, 4, 40)), table)


def test_rows_without_the_column_of_root_ids_have_the_wrong_shape() -> None:
    table = pd.DataFrame({"id": [1]})
    with pytest.raises(ShapeError, match="no column 'pt_root_id'"):
        parse.rows_batch([ROOT], table, "pt_root_id")
    with pytest.raises(ShapeError, match="no column 'post_pt_root_id'"):
        parse.partners_batch([ROOT], table, upstream=True)


def test_synapses_are_counted_per_partner_whatever_the_order_of_the_ids() -> None:
    synapses = pd.DataFrame({"pre_pt_root_id": [9, 5, 5, 9, 9], "post_pt_root_id": [7, 8, 8, 0, 7]})
    batch = parse.partners_batch([9, 4, 5], synapses, upstream=False)
    assert batch.payloads[1] is None
    found = unpack(batch.payloads)
    assert list(zip(found.rows, found.partner, found.weight, strict=True)) == [
        (0, 7, 2),
        (0, 0, 1),
        (2, 8, 2),
    ]
    assert not found.incoming.any()


@pytest.mark.parametrize(
    ("roots", "status"),
    [
        ([3, 3], "current"),
        ([4, 4, 5], "split"),
        ([4, 4], "replaced"),
        ([6, 6], "merged"),
        ([0, 1], "dead"),
    ],
)
def test_the_status_of_a_root_id_follows_from_the_roots_of_its_chunks(
    roots: list[int], status: str
) -> None:
    counts = {4: 2, 6: 3}
    assert parse.successor(3, np.array(roots), counts.__getitem__).status == status


TIME = "datetime64[ns, UTC]"
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@st.composite
def tables_of_cells(draw: st.DrawFn) -> pd.DataFrame:
    """A table of numbers, truth values, times and text, some of which are long, missing or mixed."""
    count = draw(st.integers(1, 6))

    def cells(values: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(values, min_size=count, max_size=count))

    columns: dict[str, Any] = {
        "id": cells(st.integers(1, 2**62)),
        "pt_root_id": cells(st.integers(ROOT, ROOT + 3)),
        "volume": cells(st.floats(allow_infinity=False)),
        "valid": cells(st.booleans()),
        "cell_type": cells(texts),
    }
    if draw(st.booleans()):
        columns["tag"] = cells(st.one_of(texts, st.none(), st.integers(0, 9), st.just("x" * 100)))
    for name, dtype in {"superceded_id": "Int64", "proofread": "boolean", "created": TIME}.items():
        if draw(st.booleans()):
            known = st.booleans() if dtype == "boolean" else st.integers(0, 2**60)
            columns[name] = pd.array(cells(st.none() | known), dtype)
    if draw(st.booleans()):
        columns["tag"] = cells(st.none() | texts)
    table = pd.DataFrame({name: columns[name] for name in draw(st.permutations(list(columns)))})
    table = table.astype({name: object for name in ("cell_type", "tag") if name in table})
    nullable = {"id": "Int64", "pt_root_id": "Int64", "volume": "Float64", "cell_type": "string"}
    return table.astype(nullable) if draw(st.booleans()) else table


@given(st.lists(tables_of_cells(), min_size=1, max_size=3))
@settings(max_examples=60, deadline=None)
def test_rows_are_read_as_they_were_sent(tables: list[pd.DataFrame]) -> None:
    """Each table is a response for other IDs, and may have other columns."""
    encodings, payloads, expected = [], [], []
    for table in tables:
        ids = [*range(ROOT, ROOT + 5)]
        batch = parse.rows_batch(ids, table, "pt_root_id")
        assert batch.ids == ids
        parse.check(batch.encodings, batch.payloads)
        encodings += batch.encodings
        payloads += batch.payloads
        plain = table.astype(object).where(table.notna(), None)
        if "created" in plain:
            shown = [moment and moment.isoformat() for moment in plain["created"]]
            plain["created"] = pd.Series(shown, plain.index, object)
        for number in ids:
            rows = plain[table["pt_root_id"] == number].to_dict("records")
            expected.append(rows or None)
    cells = np.empty(len(payloads), object)
    cells[:] = payloads
    found = parse.TableRows(np.array(encodings, np.int8), cells)
    assert found.lists() == expected
    only = found.columns()
    if only is not None:
        records = [rows[0] for rows in expected if rows]
        for name, told in parse.row_columns(records, tables[0].columns).items():
            values, known = pd.Series(only[name]), pd.notna(told)
            assert values.notna().tolist() == known.tolist()
            assert values[known].tolist() == told[known].tolist()


@pytest.mark.parametrize("dtype", [object, "Int64"])
def test_rows_with_missing_values_are_records(dtype: Any) -> None:
    """Tables of annotations have such columns; as JSON they take several times as long."""
    created = pd.to_datetime(["2024-06-05", None], utc=True)
    table = pd.DataFrame({"created": created, "superceded_id": pd.Series([None, None], dtype=dtype)})
    table["pt_root_id"] = pd.array([ROOT, ROOT + 1], "Int64")
    table["tag"] = ["", None]
    batch = parse.rows_batch([ROOT, ROOT + 1], table, "pt_root_id")
    assert set(batch.encodings) == {parse.RECORDS_ENCODING}
    cells = np.empty(2, object)
    cells[:] = batch.payloads
    found = parse.TableRows(np.array(batch.encodings, np.int8), cells).columns()
    assert found is not None
    assert found["superceded_id"].dtype == "Int64"
    assert found["superceded_id"].isna().all()
    assert list(found["created"]) == list(created)
    assert [found["tag"][0], pd.isna(found["tag"][1])] == ["", True]


def test_a_time_that_nanoseconds_cannot_hold_is_json() -> None:
    table = pd.DataFrame({"pt_root_id": [ROOT], "expires": np.array(["9999-01-01"], "M8[s]")})
    batch = parse.rows_batch([ROOT], table, "pt_root_id")
    assert batch.encodings == [parse.JSON_ENCODING]
    assert b"9999-01-01T00:00:00" in (batch.payloads[0] or b"")


@pytest.mark.parametrize("damage", [b"", b"\xff", b"\xff\xff\xff\xff123", None])
def test_damaged_rows_are_an_error(damage: bytes | None) -> None:
    table = pd.DataFrame({"pt_root_id": [ROOT, ROOT + 1], "cell_type": ["BC", "23P"]})
    batch = parse.rows_batch([ROOT, ROOT + 1], table, "pt_root_id")
    assert set(batch.encodings) == {parse.RECORDS_ENCODING}
    whole = batch.payloads[1]
    assert whole is not None
    body = whole[:-1] if damage is None else damage
    with pytest.raises(ShapeError, match="damaged"):
        parse.check(batch.encodings, [batch.payloads[0], body])


def test_rows_that_an_earlier_version_cached_as_json_are_read() -> None:
    cells = np.empty(2, object)
    cells[:] = [b'[{"id":3,"cell_type":"BC"}]', None]
    rows = parse.TableRows(np.array([parse.JSON_ENCODING, 1], np.int8), cells)
    assert rows.columns() is None
    assert rows.lists() == [[{"id": 3, "cell_type": "BC"}], None]
