"""Dates: read only as stated, turned into years and ages, and never written."""

from __future__ import annotations

import pandas as pd
import pytest

from qsmstats.study import TableSpec
from qsmstats.tables.dates import is_date, read_dates, with_ages, with_years
from qsmstats.tables.raw_table import RawTable


def raw(name: str = "sessions", **columns: list[str]) -> RawTable:
    cells = pd.DataFrame(columns, dtype="str")
    places = pd.DataFrame({"file": "t.tsv", "row": range(2, len(cells) + 2)})
    return RawTable(name=name, file="t.tsv", cells=cells, places=places)


@pytest.mark.parametrize(
    ("date_format", "words"),
    [
        (None, ["2024-03-01", "2024-03-01T08:30:00", "2024-03-01 08:30", "2024-03-01T08:30:00.5Z"]),
        ("iso", ["2024-03-01"]),
        (
            "day-first",
            [
                "1.3.2024",
                "01/03/2024",
                "01-03-2024",
                "1 Mar 2024",
                "2024-03-01",
                "01.03.2024 08:30",
            ],
        ),
        ("month-first", ["3/1/2024", "03.01.2024", "Mar 1, 2024", "2024-03-01"]),
    ],
)
def test_a_date_is_read_in_the_form_that_is_stated(date_format, words):
    read = read_dates(pd.Series(words), date_format)
    assert read.to_list() == [pd.Timestamp("2024-03-01")] * len(words)


def test_no_other_form_is_read():
    for form, word in ((None, "01.03.2024"), ("iso", "1/3/2024"), ("day-first", "03/31/2024")):
        assert read_dates(pd.Series([word, "", "45352", "2024", "31.02.2024"]), form).isna().all()


def test_an_identifier_that_a_spreadsheet_has_turned_into_a_date():
    dates = ["2024-03-01", "2024-03-01T08:00:00", "01-Mar", "1. Mar 24", "Mar-01", "01.03.2024"]
    assert all(map(is_date, dates))
    assert not any(map(is_date, ["MS-01", "001", "sub-01", "V1", "2024", "marc-01", "1.2.12"]))
    assert not is_date("2024-03-01-L3")


def test_dates_become_years_since_the_first_session_of_the_participant():
    table, first, notes = with_years(
        raw(
            participant_id=["a", "a", "b"],
            session_id=["2", "1", "1"],
            years=["01.03.2024", "01.03.2022", "2023-05-05"],
        ),
        TableSpec(files=("t.tsv",), date="Datum", date_format="day-first"),
    )
    # 731 days lie between: 2024 has a 29 February.
    assert table.cells["years"].map(float).to_list() == pytest.approx(
        [731 / 365.25, 0, 0], abs=1e-5
    )
    assert first == {"a": pd.Timestamp("2022-03-01"), "b": pd.Timestamp("2023-05-05")}
    assert not table.faults
    # The session called 2 is the later one of a.
    assert notes == []


def test_sessions_in_another_order_than_their_numbers_are_noted():
    rows = {
        "participant_id": [*"aabbbcc"],
        "session_id": ["V1", "V2", "V9", "pre3", "V10", "201", "45"],
        "years": ["2021-06-05T09:00", "2020-04-03", *["2020-01-01", "2020-01-02"] * 2, "n/a"],
    }
    *_, notes = with_years(raw(**rows), TableSpec(files=("t.tsv",), date="d"))
    assert len(notes) == 1
    assert "in 1 participant the times" in str(notes[0])
    assert "a (V1: 2021-06-05, V2: 2020-04-03);" in str(notes[0])
    months = raw(participant_id=[*"aa"], session_id=["1", "2"], years=["12", "0"])
    *_, notes = with_years(months, TableSpec(files=("t.tsv",), years=("m", "months")))
    assert "a (1: 12, 2: 0);" in str(notes[0])


def test_two_sessions_of_a_participant_on_one_date_are_refused():
    rows = {
        "participant_id": [*"aab"],
        "session_id": ["V1", "V2", "V1"],
        "years": ["05.06.2021 08:00", "2021-06-05", "2021-06-05"],
    }
    spec = TableSpec(files=("t.tsv",), date="d", date_format="day-first")
    table, *_ = with_years(raw(**rows), spec)
    assert table.faults == {
        (1, "years"): "a has the sessions V1 and V2 on 2021-06-05; correct one date, so that the "
        "order of the sessions is known"
    }


@pytest.mark.parametrize(
    ("unit", "word", "years"),
    [("months", "25", 25 / 12), ("days", "731", 731 / 365.25), ("weeks", "52", 364 / 365.25)],
)
def test_other_units_become_years(unit, word, years):
    spec = TableSpec(files=("t.tsv",), years=("time", unit))
    rows = raw(participant_id=["a", "a"], session_id=["V1", "V2"], years=["n/a", word])
    table, *_ = with_years(rows, spec)
    assert table.cells["years"][0] == "n/a"
    assert float(table.cells["years"][1]) == pytest.approx(years, rel=1e-5)


def test_of_a_file_per_session_the_first_date_counts():
    spec = TableSpec(files=("{participant}/{session}/scans.tsv",), date="acq_time")
    table, *_ = with_years(
        raw(
            participant_id=["a", "a", "a"],
            session_id=["1", "1", "2"],
            filename=["anat/x.nii.gz", "dwi/y.nii.gz", "anat/x.nii.gz"],
            years=["2020-01-01T10:00:00", "n/a", "2021-01-01"],
        ),
        spec,
    )
    assert list(table.cells.columns) == ["participant_id", "session_id", "years"]
    assert table.cells["session_id"].to_list() == ["1", "2"]
    assert float(table.cells["years"][1]) == pytest.approx(366 / 365.25, rel=1e-5)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["03.04.2020", "31.12.2020"],
            "'03.04.2020' is 2020-04-03 or 2020-03-04; state it: "
            'date_format = "day-first" (or "month-first") below [tables.sessions]',
        ),
        (
            ["04/13/2020"],
            "'04/13/2020' is not written as 2024-03-31; state it: date_format = \"month-first\"",
        ),
        (
            ["45352"],
            "'45352' is a spreadsheet's count of days; give the column the format of a date",
        ),
        (["3.4.20"], "'3.4.20' has a year of two digits; write all four"),
        (["soon"], "'soon' is not a date; write it as 2024-03-31"),
    ],
)
def test_what_is_no_date_is_said_and_nothing_is_guessed(words, said):
    table, *_ = with_years(
        raw(participant_id=["a"] * len(words), session_id=list("12")[: len(words)], years=words),
        TableSpec(files=("t.tsv",), date="d"),
    )
    assert list(table.faults) == [(at, "years") for at in range(len(words))]
    for text in table.faults.values():
        assert said in text


def test_dates_of_birth_become_ages_at_the_first_session():
    people = raw(
        "participants",
        participant_id=["a", "b", "c", "d"],
        age=["1980-06-01", "n/a", "1990-01-01", "old"],
    )
    first = {
        "a": pd.Timestamp("2020-06-01"),
        "b": pd.Timestamp("2020-01-01"),
        "d": pd.Timestamp("2020-01-01"),
    }
    table = with_ages(people, TableSpec(files=("t.tsv",), birth_date="DOB"), first)
    assert float(table.cells["age"][0]) == pytest.approx(40, abs=0.01)
    assert table.cells["age"].to_list()[1:] == ["n/a", "n/a", "old"]  # c has no session
    assert table.faults == {(3, "age"): "'old' is not a date; write it as 2024-03-31"}
