"""Exact IDs: converted bit for bit, or rejected."""

from __future__ import annotations

import datetime
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdneuro.errors import InvalidIdError, PrecisionLossError
from pdneuro.tables import distinct_ids, exact_ids
from pdneuro.tables.ids import whole_numbers
from tests.conftest import shared

ID = 720575940621522189
valid = st.integers(1, 2**63 - 1)
# Multiples of 1024 and 10000 look rounded if there are several of them.
unrounded = valid.filter(lambda value: value % 1000 != 0 and value % 2 == 1)
columns = st.lists(
    unrounded | st.none() | st.sampled_from([1, 2**53, 2**53 + 1, 2**63 - 1, ID]), max_size=15
)


def as_expected(values: list[int | None]) -> pd.Series:
    missing = any(value is None for value in values)
    return pd.Series(values, dtype="Int64" if missing else "int64")


CARRIERS = {
    "list": list,
    "object": lambda v: pd.Series(v, dtype=object),
    "Int64": lambda v: pd.Series(v, dtype="Int64"),
    "UInt64": lambda v: pd.Series(v, dtype="UInt64"),
    "int64[pyarrow]": lambda v: pd.Series(v, dtype="int64[pyarrow]"),
    "uint64[pyarrow]": lambda v: pd.Series(v, dtype="uint64[pyarrow]"),
    "text": lambda v: pd.Series([None if x is None else str(x) for x in v], dtype=object),
    "string": lambda v: pd.Series([None if x is None else str(x) for x in v], dtype="string"),
    "string[pyarrow]": lambda v: pd.Series(
        [None if x is None else str(x) for x in v], dtype=pd.ArrowDtype(pa.string())
    ),
    "padded text": lambda v: pd.Series(["" if x is None else f" {x} " for x in v], dtype=object),
    "category": lambda v: pd.Series(pd.array(v, dtype="Int64")).astype("category"),
    "category of text": lambda v: pd.Series(
        [None if x is None else str(x) for x in v], dtype="object"
    ).astype("category"),
    "decimal": lambda v: pd.Series([None if x is None else Decimal(x) for x in v], dtype=object),
    "arrow decimal": lambda v: pd.Series(v, dtype=pd.ArrowDtype(pa.decimal128(19, 0))),
    "dictionary": lambda v: pd.Series(
        pd.arrays.ArrowExtensionArray(
            pa.array([None if x is None else str(x) for x in v]).dictionary_encode()
        )
    ),
    "mixed": lambda v: pd.Series([str(x) if x and x % 2 else x for x in v], dtype=object),
}


@pytest.mark.parametrize("carrier", CARRIERS)
@given(values=columns)
@settings(max_examples=60, deadline=None)
def test_every_dtype_gives_the_same_exact_ids(carrier: str, values: list[int | None]) -> None:
    found = exact_ids(CARRIERS[carrier](values))
    pd.testing.assert_series_equal(found, as_expected(values), check_names=False)


@given(values=st.lists(unrounded, max_size=15), dtype=st.sampled_from(["int64", "uint64", ">i8"]))
def test_numpy_integers_stay_bit_for_bit(values: list[int], dtype: str) -> None:
    assert exact_ids(np.array(values, dtype)).tolist() == values


@given(values=st.lists(st.integers(0, 2**53) | st.none(), min_size=1, max_size=50))
def test_floats_pass_where_they_are_exact(values: list[int | None]) -> None:
    found = exact_ids(pd.Series([np.nan if v is None else float(v) for v in values], dtype="float64"))
    assert found.fillna(0).tolist() == [v or 0 for v in values]


@given(value=st.integers(2**53 + 1, 2**63 - 1))
def test_no_float_beyond_2_to_the_53_passes(value: int) -> None:
    near = float(value)
    if near == 2**53:
        return
    with pytest.raises(PrecisionLossError):
        exact_ids(pd.Series([near, 1.0]))


@given(values=columns)
def test_index_order_and_duplicates_are_kept(values: list[int | None]) -> None:
    column = pd.Series(values * 2, dtype="Int64", index=[f"r{i % 3}" for i in range(2 * len(values))])
    found = exact_ids(column)
    pd.testing.assert_index_equal(found.index, column.index)
    seen = [v for v in dict.fromkeys(values) if v is not None]
    assert distinct_ids(column).tolist() == seen


def test_zero_means_no_segment() -> None:
    assert exact_ids(pd.Series([0, ID])).isna().tolist() == [True, False]


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        (
            pd.Series([float(ID)], name="root_id"),
            PrecisionLossError,
            ["root_id", "7.205759406215222e+17", "dtype=str", "pdneuro.read_table"],
        ),
        (pd.Series(["7.20576E+17"], name="root_id"), PrecisionLossError, ["7.20576E+17", "spreadsheet"]),
        (pd.Series(["720575940621522176.0"]), PrecisionLossError, ["720575940621522176.0"]),
        (pd.Series([ID, float(ID)], dtype=object), PrecisionLossError, ["row 1"]),
        (pd.Series(np.float32([2**24 + 2])), PrecisionLossError, ["float32"]),
        (pd.Series([1.5, 2.0]), InvalidIdError, ["1.5", "row 0"]),
        (pd.Series([np.inf]), PrecisionLossError, ["inf"]),
        (
            pd.Series([ID, -5], index=["a", "b"], name="q"),
            InvalidIdError,
            ["'q'", "-5", "'b'", "negative"],
        ),
        (pd.Series(["-5"]), InvalidIdError, ["negative"]),
        (pd.Series(["NO MATCH", "12", "dim"]), InvalidIdError, ["'NO MATCH' (row 0)", "'dim' (row 2)"]),
        (pd.Series([True, False]), InvalidIdError, ["booleans"]),
        (pd.Series([True, 1], dtype=object), InvalidIdError, ["booleans"]),
        (pd.to_datetime(pd.Series(["2020-01-01"])), InvalidIdError, ["dates"]),
        (pd.Series([datetime.date(2020, 1, 1)], dtype=object), InvalidIdError, ["dates"]),
        (pd.Series([[1], 2], dtype=object), InvalidIdError, ["lists"]),
        (pd.Series([2**63], dtype="uint64"), InvalidIdError, ["2**63"]),
        (pd.Series([2**70], dtype=object), InvalidIdError, ["2**63"]),
        (pd.Series(["9" * 5000]), InvalidIdError, ["2**63"]),
        (pd.Series([object()], dtype=object), InvalidIdError, ["not a number"]),
        (pd.MultiIndex.from_tuples([(1, 2)]), InvalidIdError, ["MultiIndex"]),
        (np.array([[ID]]), InvalidIdError, ["one dimension, not 2"]),
        (
            pd.array([2**24 + 2], "Float32"),
            PrecisionLossError,
            ["Float32, which is exact only up to 2**24"],
        ),
        (
            pd.Series(pd.Categorical(["12", "x", None, "y", "x"], ["z", "y", "x", "12"])),
            InvalidIdError,
            ["'x' (row 1), 'y' (row 3), 'x' (row 4)"],
        ),
    ],
)
def test_an_inexact_id_is_an_error_with_value_and_row(
    values: object, error: type[Exception], words: list[str]
) -> None:
    with pytest.raises(error) as caught:
        exact_ids(values)
    assert isinstance(caught.value, ValueError)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 62, reason="no dtype is wider than float64")
@pytest.mark.parametrize("sign", [1, -1])
def test_wide_floats_are_exact_up_to_63_bits(sign: int) -> None:
    wide = np.array([sign * (2**63 - 1), 12], np.longdouble)
    assert whole_numbers(pd.Series(wide))[0].tolist() == [sign * (2**63 - 1), 12]
    with pytest.raises(InvalidIdError, match=r"2\*\*63 or more.*\(row 0\)"):
        whole_numbers(pd.Series(np.array([wide[0] + sign, 12])))


@pytest.mark.parametrize(
    "values",
    [[], [None, None], pd.Series([np.nan, np.nan]), pd.Series([pd.NaT, pd.NaT]), ["", "nan", "<NA>"]],
)
def test_empty_and_all_missing_columns_hold_no_id(values: object) -> None:
    found = exact_ids(values)
    assert found.isna().all()
    assert str(found.dtype) == ("int64" if found.empty else "Int64")


def test_the_result_shares_no_memory_with_the_column() -> None:
    column = pd.Series([ID, ID + 1])
    found = exact_ids(column)
    found.iloc[0] = 7
    assert column.iloc[0] == ID


def test_unused_categories_are_not_checked() -> None:
    column = pd.Series(["12", "bad"], dtype="category")
    assert exact_ids(column[column != "bad"]).tolist() == [12]


def test_real_ids_are_accepted_and_their_float_copies_rejected() -> None:
    ids = pd.read_csv(shared("braincircuits/Completeness_783.csv.gz"), index_col=0).index
    assert len(ids) == 138_639
    for copy in (
        ids,
        ids.astype("uint64"),
        pd.Series(ids).astype(str),
        pd.Series(ids, dtype="int64[pyarrow]"),
    ):
        assert np.array_equal(exact_ids(copy).to_numpy(), ids.to_numpy())
    damaged = [ids.astype("float64"), ids.astype("float64").astype("int64"), ids // 1000 * 1000]
    damaged.append(pd.Series(ids.astype("float64")).astype(str))
    for copy in damaged:
        with pytest.raises(PrecisionLossError):
            exact_ids(copy)


def test_unsigned_ids_of_a_real_table_become_int64() -> None:
    table = pd.read_feather(shared("braincircuits/flywire_v630_ranking_allinputs.feather"))
    assert table["root_id"].dtype == "uint64"
    found = exact_ids(table["root_id"])
    assert found.dtype == "int64"
    assert found.tolist() == table["root_id"].tolist()


def as_sparse(values: list[int | None]) -> pd.Series:
    return pd.Series(pd.arrays.SparseArray(np.array([0 if v is None else v for v in values], np.int64)))


#: More columns of the same integers, in dtypes and objects that are easily converted to floats.
MORE_CARRIERS = {
    "longdouble": lambda v: pd.Series(
        np.array([np.longdouble("nan") if x is None else np.longdouble(x) for x in v], np.longdouble)
    ),
    "objects of longdouble": lambda v: pd.Series(
        [None if x is None else np.longdouble(x) for x in v], dtype=object
    ),
    "masked array": lambda v: np.ma.array([x or 0 for x in v], np.int64, mask=[x is None for x in v]),
    "big-endian": lambda v: np.array([x or 0 for x in v], ">i8"),
    "big-endian unsigned": lambda v: np.array([x or 0 for x in v], ">u8"),
    "sparse": as_sparse,
    "fractions": lambda v: pd.Series([None if x is None else Fraction(x) for x in v], dtype=object),
    "bytes": lambda v: pd.Series([None if x is None else str(x).encode() for x in v], dtype=object),
}


@pytest.mark.parametrize("carrier", MORE_CARRIERS)
@given(values=columns)
@settings(max_examples=40)
def test_rare_dtypes_give_the_same_exact_ids(carrier: str, values: list[int | None]) -> None:
    if "longdouble" in carrier and np.finfo(np.longdouble).nmant < 62:
        pytest.skip("long doubles of this machine are doubles")
    found = exact_ids(MORE_CARRIERS[carrier](values))
    pd.testing.assert_series_equal(found, as_expected(values), check_names=False)


@given(value=st.integers(-(2**63) + 1, 2**64), bits=st.sampled_from([16, 32, 64, 80]))
def test_a_float_of_any_width_is_exact_or_an_error(value: int, bits: int) -> None:
    kind = {16: np.float16, 32: np.float32, 64: np.float64, 80: np.longdouble}[bits]
    with np.errstate(over="ignore"):
        number = kind(value)
    for column in (pd.Series(np.array([number])), pd.Series([number], dtype=object)):
        try:
            numbers, missing = whole_numbers(column)
        except (InvalidIdError, PrecisionLossError):
            continue
        assert numbers.tolist() == [value]
        assert missing is None or not missing.any()


#: Notations of an integer that lose nothing.
NOTATIONS = {
    "sign": lambda n: f"{n:+d}",
    "underscores": lambda n: f"{n:_}",
    "formula": lambda n: f'="{n}"',
    "apostrophe": lambda n: f"'{n}",
    "quotes": lambda n: f'"{n}"',
    "Swiss": lambda n: f"{n:,}".replace(",", "'"),
    "no-break spaces": lambda n: f"{n:,}".replace(",", "\u00a0"),
    "spaces around": lambda n: f" \t{n}\u00a0\n",
    "Arabic digits": lambda n: str(n).translate({ord(str(d)): 0x660 + d for d in range(10)}),
    "full-width digits": lambda n: str(n).translate({ord(str(d)): 0xFF10 + d for d in range(10)}),
    "byte order mark": lambda n: f"\ufeff{n}",
    "minus sign": lambda n: str(n).replace("-", "\u2212"),
    "all digits before an exponent": lambda n: f"{n}e0",
}


@pytest.mark.parametrize("notation", NOTATIONS)
@given(value=st.integers(-(2**63) + 1, 2**63 - 1))
@settings(max_examples=40)
def test_every_exact_notation_is_read_exactly(notation: str, value: int) -> None:
    text = NOTATIONS[notation](value)
    assert whole_numbers(pd.Series([text]))[0].tolist() == [value]
    assert whole_numbers(pd.Series([text, None, 7], dtype=object))[0].tolist() == [value, 0, 7]


@given(value=st.integers(-(2**63) + 1, 2**63 - 1), separator=st.sampled_from([",", "."]))
def test_thousands_are_read_exactly_unless_they_may_be_a_fraction(value: int, separator: str) -> None:
    text = f"{value:,}".replace(",", separator)
    if text.count(separator) != 1:
        assert whole_numbers(pd.Series([text]))[0].tolist() == [value]
        return
    try:  # 1.000 is the number 1
        found = whole_numbers(pd.Series([text]))[0].tolist()
    except InvalidIdError:
        return
    assert separator == "."
    assert found == [Decimal(text)]


@given(value=st.integers(2**53 + 1, 2**63 - 1), zeros=st.integers(0, 6))
def test_fixed_point_text_is_exact_unless_a_float_wrote_it(value: int, zeros: int) -> None:
    column = pd.Series([f"{value}.{'0' * zeros}"])
    if int(float(value)) == value:
        with pytest.raises(PrecisionLossError):
            exact_ids(column)
    else:
        assert exact_ids(column).tolist() == [value]
        # One exact number shows that the others, which doubles hold by chance, are exact too.
        both = pd.Series([f"{value}.0", "720575940621522176.0"])
        assert exact_ids(both).tolist() == [value, 720575940621522176]


@given(value=st.integers(10**16, 2**63 - 1), digits=st.integers(1, 16))
def test_digits_that_an_exponent_replaces_are_lost(value: int, digits: int) -> None:
    for column in (pd.Series([f"{value:.{digits - 1}E}"]), pd.Series([f"{value:.{digits - 1}e}", "12"])):
        with pytest.raises(PrecisionLossError):
            exact_ids(column)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.timedelta64(5, "s"), "dates or times"),
        (np.datetime64("2020-01-01"), "dates or times"),
        (pd.Timedelta(5), "dates or times"),
        (Decimal("Infinity"), "infinite"),
        (Decimal("-Infinity"), "infinite"),
        (Decimal("1e40"), r"2\*\*63"),
        (Decimal("1e1000000"), r"2\*\*63"),
        (Decimal("1e-1000000"), "not integers"),
        (Decimal("1.5"), "not integers"),
        (Fraction(1, 2), "not integers"),
        ("inf", "infinite"),
        ("1,234", "ambiguous"),
        ("385 549", "ambiguous"),
        ("1e3", "exponent"),
        ("12_34", "not a number"),
        ("1__234", "not a number"),
        ("0x1F", "not a number"),
        ("720575940621522176.5", "not integers"),
        ("+99999999999999999999", r"2\*\*63"),
        ("99999999999999999999.0", r"2\*\*63"),
        ("\u00b2", "not a number"),
    ],
)
def test_what_is_no_exact_integer_is_rejected_with_the_reason(value: object, words: str) -> None:
    with pytest.raises(InvalidIdError, match=words):
        exact_ids(pd.Series([value, 12], dtype=object))


@pytest.mark.parametrize("value", [np.timedelta64("NaT", "s"), Decimal("NaN"), Decimal("sNaN"), "-nan"])
def test_further_missing_values(value: object) -> None:
    assert exact_ids(pd.Series([value, 12], dtype=object)).isna().tolist() == [True, False]


def test_a_float16_holds_fewer_integers_than_a_double() -> None:
    assert exact_ids(np.array([2048], np.float16)).tolist() == [2048]
    with pytest.raises(PrecisionLossError, match=r"float16, which is exact only up to 2\*\*11"):
        exact_ids(np.array([2050], np.float16))
    with pytest.raises(PrecisionLossError):
        exact_ids(pd.Series([np.float16(2050)], dtype=object))


def test_unsigned_integers_of_the_other_byte_order_do_not_wrap() -> None:
    with pytest.raises(InvalidIdError, match="9223372036854775813"):
        exact_ids(np.array([2**63 + 5], ">u8"))
