"""Rows of IDs as records: what comes out is what went in, whatever the columns of each response were."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdneuro.cave import packed_rows, parse
from pdneuro.errors import PrecisionLossError
from pdneuro.transport.report import ShapeError

ROOT = 864_691_135_000_000_001
TIMES = st.datetimes(pd.Timestamp("1990-01-01"), pd.Timestamp("2100-01-01"))
KINDS: dict[str, tuple[Any, str]] = {
    "Int64": (st.integers(-(2**62), 2**62), "int64"),
    "small": (st.integers(-5, 5), "int64"),
    "Float64": (st.floats(allow_nan=False, allow_infinity=False), "Float64"),
    "boolean": (st.booleans(), "bool"),
    "text": (st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=9), ""),
    "time": (TIMES, ""),
}
DTYPES = {"Int64": "Int64", "small": "Int64", "Float64": "Float64", "boolean": "boolean", "text": object}


def series(kind: str, cells: list[Any]) -> pd.Series:
    if kind == "time":
        return pd.Series(pd.to_datetime(pd.Series(cells, dtype=object), utc=True, format="ISO8601"))
    return pd.Series(cells, dtype=DTYPES[kind])


@given(st.data(), st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=4))
@settings(deadline=None, max_examples=60)
def test_rows_come_out_as_they_went_in(data: st.DataObject, kinds: list[str]) -> None:
    count = data.draw(st.integers(1, 12))
    cells = {
        f"{place} {kind}": data.draw(
            st.lists(st.none() | KINDS[kind][0], min_size=count, max_size=count)
        )
        for place, kind in enumerate(kinds)
    }
    table = pd.DataFrame({name: series(name.split()[1], own) for name, own in cells.items()})
    ids = np.array(data.draw(st.lists(st.integers(0, 3), min_size=count, max_size=count))) + ROOT
    table["pt_root_id"] = ids
    batch = parse.rows_batch([ROOT, ROOT + 1, ROOT + 2, ROOT + 3], table, "pt_root_id", keep=False)
    asked = np.array(batch.ids)
    payloads = np.empty(len(asked), object)
    payloads[:] = batch.payloads
    found = pd.DataFrame(
        parse.TableRows(np.array(batch.encodings, np.int8), payloads).table(asked, "pt_root_id")
    )
    expected = table.iloc[np.argsort(ids, kind="stable")].reset_index(drop=True)
    assert found["pt_root_id"].tolist() == expected["pt_root_id"].tolist()
    for name in cells:
        assert found[name].isna().tolist() == expected[name].isna().tolist()
        assert found[name].dropna().tolist() == expected[name].dropna().tolist()


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [2, 0, 3, 1], [0, 1, 0, 3, 2, 1]])
def test_responses_with_other_columns_are_one_table(order: list[int]) -> None:
    """A column may be missing in one response, without values in another, and wider in a third."""
    tables = [
        pd.DataFrame({"id": [2**60, 5], "score": [0.5, 1.5], "tag": ["a", None]}),
        pd.DataFrame({"id": [3], "score": [7], "tag": [None]}),
        pd.DataFrame({"id": [4], "tag": ["longer than eight bytes"], "more": [True]}),
        pd.DataFrame({"id": [6], "score": [None], "tag": ["b"], "more": [None]}),
    ]
    bodies = []
    for place in order:
        table = tables[place]
        packed = packed_rows.pack(table, np.arange(len(table)), np.array([len(table)]))
        assert packed is not None
        bodies += packed
    sizes, columns = packed_rows.unpack(bodies)
    whole = pd.concat([tables[place].astype(object) for place in order], ignore_index=True)
    assert sizes.tolist() == [len(tables[place]) for place in order]
    assert columns["id"].dtype == np.int64
    for name in whole:
        cells = pd.Series(columns[name])
        assert cells.isna().tolist() == whole[name].isna().tolist(), name
        assert cells.dropna().tolist() == whole[name].dropna().tolist(), name


@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=2), st.data()
)
@settings(deadline=None, max_examples=300)
def test_damaged_rows_are_found_or_can_be_read(
    changes: list[tuple[int, int]], data: st.DataObject
) -> None:
    created = pd.to_datetime(["2020", None, "2021"], utc=True, format="ISO8601")
    table = pd.DataFrame({"id": [1, 2, 3], "tag": ["a", None, "é"], "x": [0.5, None, 1], "t": created})
    bodies = packed_rows.pack(table, np.arange(3), np.array([2, 1]))
    assert bodies is not None
    body = bytearray(bodies[0])
    for place, byte in changes:
        body[place % len(body)] = byte
    bodies[0] = bytes(body[: data.draw(st.integers(len(body) // 2, len(body)))])
    try:
        packed_rows.check(bodies)
    except ShapeError:
        return
    assert len(packed_rows.unpack(bodies)[0]) == 2


@pytest.mark.parametrize("dtype", ["O", "M8", "a8", "S0", "1x", "", "(2,)i8"])
def test_other_dtypes_of_fields_are_damage(dtype: str) -> None:
    head = msgspec.msgpack.encode([("id", dtype)])
    with pytest.raises(ShapeError, match="damaged"):
        packed_rows.check([len(head).to_bytes(4, "little") + head + bytes(8)])


def test_many_rows_are_read_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    sizes = rng.integers(0, 50, 200)
    table = {"id": np.arange(sizes.sum()), "x": pd.Series(rng.random(sizes.sum()))}
    packed = packed_rows.pack(table, np.arange(sizes.sum()), sizes)
    assert packed is not None
    monkeypatch.setattr(packed_rows, "_BLOCK", 700)
    found, columns = packed_rows.unpack(packed)
    assert found.tolist() == sizes.tolist()
    assert columns["id"].tolist() == list(range(sizes.sum()))
    assert columns["x"].tolist() == table["x"].tolist()


def test_lists_and_long_text_are_json() -> None:
    table = pd.DataFrame({"pt_root_id": [ROOT, ROOT], "note": ["x" * 100, None], "xyz": [[1, 2], None]})
    batch = parse.rows_batch([ROOT, ROOT + 1], table, "pt_root_id", keep=False)
    assert batch.encodings[0] == parse.JSON_ENCODING
    payloads = np.empty(2, object)
    payloads[:] = batch.payloads
    rows = parse.TableRows(np.array(batch.encodings, np.int8), payloads)
    found = rows.table(np.array([ROOT, ROOT + 1]), "pt_root_id")
    assert found["pt_root_id"].tolist() == [ROOT, ROOT]
    assert pd.Series(found["note"]).tolist()[0] == "x" * 100
    assert list(found["xyz"]) == [[1, 2], None]


def test_the_form_of_an_earlier_version_is_requested_again() -> None:
    """`check` is called for cached values; what it rejects is requested again."""
    with pytest.raises(ShapeError, match="earlier version"):
        parse.check([parse.RECORDS_ENCODING - 1], [b"\x92\x01\x90"])


@pytest.mark.parametrize("end", ["pre_pt_root_id", "post_pt_root_id"])
def test_root_ids_of_synapses_are_exact(end: str) -> None:
    """Those of the other end are missing, not floats, where there is no segment."""
    names = ["pre_pt_root_id", "post_pt_root_id"]
    table = pd.DataFrame({"id": [1, 2], **{name: [ROOT, ROOT] for name in names}})
    table[end] = table[end].astype(float)
    with pytest.raises(PrecisionLossError):
        parse.rows_batch([ROOT], table, names[0], *names, keep=False)
    other = pd.DataFrame({"id": [1], names[0]: [ROOT], names[1]: pd.array([None], "Int64")})
    batch = parse.rows_batch([ROOT], other, names[0], *names, keep=False)
    _, columns = packed_rows.unpack([body for body in batch.payloads if body is not None])
    assert columns[names[1]].tolist() == [0]
