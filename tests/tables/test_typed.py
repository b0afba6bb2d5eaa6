"""Text becomes the types of the schema, to the last bit."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsmstats.tables.raw_table import RawTable
from qsmstats.tables.typed import parse_integer, parse_number, typed_frame


def typed(name: str, **cells: list[str]) -> pd.DataFrame:
    frame = pd.DataFrame(cells, dtype="str")
    places = pd.DataFrame({"file": "t.tsv", "row": range(2, 2 + len(frame))})
    return typed_frame(RawTable(name=name, file="t.tsv", cells=frame, places=places))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_keep_every_bit(number):
    assert typed("sessions", years=[repr(number)])["years"].iloc[0] == number


@given(st.integers(-(10**18) + 1, 10**18 - 1))
def test_whole_numbers_keep_every_digit(number):
    assert typed("lesions", label=[str(number)])["label"].iloc[0] == number


@pytest.mark.parametrize(
    "word",
    ["nan", "inf", "-Infinity", "1e999", "1_000", "\u0663", "1,5", "0x1F", "", " ", "1 2", "e5"],
)
def test_what_only_a_parser_takes_for_a_number_is_none(word):
    assert parse_number(word) is None
    assert parse_integer(word) is None


@given(st.text("+-.0123456789eE_", max_size=8))
def test_a_number_is_finite_and_what_python_reads(word):
    number = parse_number(word)
    if number is not None:
        assert math.isfinite(number)
        assert number == float(word)
    if parse_integer(word) is not None:
        assert parse_integer(word) == number


def test_what_breaks_the_schema_is_missing():
    frame = typed("lesions", label=["1", "x", "1_0"], lesion_type=["isointense", "iso", ""])
    assert frame["label"].to_list() == [1, pd.NA, pd.NA]
    assert frame["lesion_type"].isna().to_list() == [False, True, True]


def test_columns_of_ones_own_are_numbers_where_all_cells_are():
    frame = typed(
        "participants",
        site=["1", "2", "n/a"],
        coil=["3T", "2", ""],
        empty=["", "", ""],
        participant_id=["a", "b", "c"],
    )
    assert frame.columns.to_list() == ["participant_id", "site", "coil", "empty"]
    assert frame.dtypes.astype(str).to_list() == ["str", "float64", "str", "str"]
    assert frame["site"].isna().to_list() == [False, False, True]
    assert frame["coil"].isna().to_list() == [False, False, True]
    assert frame["empty"].isna().all()
