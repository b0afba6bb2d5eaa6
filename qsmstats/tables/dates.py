"""Dates of sessions and of birth: years since the first session, and the age at it.

How dates are written is stated, never guessed: without `date_format` only ``2024-03-31`` is read
(ISO 8601, also with a time behind it, as BIDS has it in `acq_time`). A year has 365.25 days. The
dates themselves go no further than this module: no table that is written holds one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pandas as pd

from qsmstats.errors import Problem, plural
from qsmstats.study import TIME_UNITS, TableSpec
from qsmstats.tables.raw_table import RawTable, take_rows
from qsmstats.tables.typed import parse_number

__all__ = ["is_date", "read_dates", "with_ages", "with_years"]

FORMATS = {
    "iso": ("%Y-%m-%d",),
    "day-first": ("%Y-%m-%d", "%d-%m-%Y", "%d-%b-%Y"),
    "month-first": ("%Y-%m-%d", "%m-%d-%Y", "%b-%d-%Y"),
}
"""Stated form -> what is read, with ``-`` for any sign between the parts. A spreadsheet's own dates
come as ISO 8601 whatever its cells look like."""
SHOWN = 3
"""Participants that a note names."""
_TIME = re.compile(r"[T ]\d{1,2}:\d\d.*")
_MONTHS = "jan|feb|mar|mrz|mär|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez"
_EXCEL_DATE = re.compile(
    r"\d{4}-\d\d-\d\d([T ].*)?|\d{1,2}[./]\d{1,2}[./](19|20)\d\d"
    rf"|\d{{1,2}}[-. ]{{0,2}}({_MONTHS})([-. ]?\d{{2,4}})?|({_MONTHS})[-. ]\d{{2,4}}",
    re.IGNORECASE,
)


def is_date(word: str) -> bool:
    """Tell whether a word is what a spreadsheet makes of an identifier such as 3-1 or MAR1.

    >>> is_date("2024-03-01"), is_date("01-Mar"), is_date("Mar-01"), is_date("MS-01")
    (True, True, True, False)
    """
    return bool(_EXCEL_DATE.fullmatch(word))


def read_dates(words: pd.Series, date_format: str | None) -> pd.Series:
    """Return the dates that words write in a stated form; NaT for any other word.

    Parameters
    ----------
    words
        Text.
    date_format
        One of `qsmstats.study.DATE_FORMATS`; None for ISO 8601.
    """
    plain = words.str.replace(_TIME, "", regex=True)
    iso = plain.str.fullmatch(r"\d{4}-\d\d-\d\d")
    joined = plain.str.replace(r"[.,/ ]+", "-", regex=True)
    dates = pd.Series(pd.NaT, index=words.index, dtype="datetime64[s]")
    for form in FORMATS[date_format or "iso"]:
        # Only the ISO form is one with a hyphen of its own.
        there = plain if form == "%Y-%m-%d" else joined.mask(iso)
        read = pd.to_datetime(there, format=form, errors="coerce", exact=True)
        dates = dates.fillna(read.astype("datetime64[s]"))
    return dates


def _with_dates(raw: RawTable, column: str, date_format: str | None) -> tuple[RawTable, pd.Series]:
    """Return the dates of a column, and the table with what is wrong with them."""
    words = raw.cells[column]
    filled = ~words.isin(raw.schema.missing_values)
    dates = read_dates(words.where(filled, ""), date_format)
    wrong = [
        int(at) for at in (filled & dates.isna()).to_numpy().nonzero()[0] if at not in raw.broken
    ]
    unstated = None if date_format else _unstated(words.iloc[wrong])
    like = {"day-first": " or 31.03.2024", "month-first": " or 03/31/2024"}.get(date_format or "")
    faults = dict(raw.faults)
    for at in wrong:
        word = str(words.iloc[at])
        text = f"'{word}' is not a date; write it as 2024-03-31{like or ''}"
        if unstated:
            text = f"{unstated} below [tables.{raw.name}]"
        elif re.fullmatch(r"\d{5}(\.\d+)?", word):
            text = f"'{word}' is a spreadsheet's count of days"
            text += "; give the column the format of a date"
        elif re.fullmatch(r"\d{1,2}\D\d{1,2}\D\d\d", word):
            text = f"'{word}' has a year of two digits; write all four"
        faults[at, column] = text
    return replace(raw, faults=faults), dates


def _unstated(words: pd.Series) -> str | None:
    """Say how dates may be meant whose form is not stated; None where they have no known form."""
    forms = ("day-first", "month-first")
    read = {form: read_dates(words, form) for form in forms}
    known = [form for form in forms if read[form].notna().any()]
    if not known:
        return None
    both = read[forms[0]].notna() & read[forms[1]].notna()
    differs = both & (read[forms[0]] != read[forms[1]])
    if differs.any():
        word = words[differs].iloc[0]
        first, second = (f"{read[form][differs].iloc[0]:%Y-%m-%d}" for form in forms)
        text = f"the order of day and month is not stated: '{word}' is {first} or {second}"
    else:
        word = words[read[known[0]].notna()].iloc[0]
        text = f"the form of the dates is not stated, and '{word}' is not written as 2024-03-31"
    # A date such as 31.12. excludes one of the two, though not for certain the right one.
    fits = max(known, key=lambda form: int(read[form].notna().sum()))
    other = forms[0] if fits == forms[1] else forms[1]
    return f'{text}; state it: date_format = "{fits}" (or "{other}")'


def with_years(
    raw: RawTable, spec: TableSpec
) -> tuple[RawTable, Mapping[str, pd.Timestamp], list[Problem]]:
    """Turn dates, or times in another unit, into years.

    Parameters
    ----------
    raw
        The table of sessions; its column `years` holds what the file does.
    spec
        What study.toml says of it.

    Returns
    -------
    table
        With years since the participant's first session. Where each session has a file
        of its own, as ``scans.tsv``, the first date in it counts.
    first
        Participant -> date of the first session; empty without dates.
    notes
        At most one, of sessions in another order than their numbers say.
    """
    if not {"participant_id", "session_id", "years"} <= set(raw.cells.columns):
        return raw, {}, []
    words = raw.cells["years"]
    began: dict[str, pd.Timestamp] = {}
    if spec.years:
        factor = TIME_UNITS[spec.years[1]]
        numbers = words.map(parse_number)
        years = (numbers * factor).map(lambda number: f"{number:.6g}")
        raw = replace(raw, cells=raw.cells.assign(years=years.where(numbers.notna(), words)))
    elif spec.date:
        raw, dates = _dates_of_sessions(raw, spec)
        words, people = raw.cells["years"], raw.cells["participant_id"]
        first = dates.groupby(people).min()
        years = ((dates - people.map(first)).dt.days / 365.25).map(lambda number: f"{number:.6g}")
        raw = replace(raw, cells=raw.cells.assign(years=years.where(dates.notna(), words)))
        began = dict(first.dropna())
    return raw, began, [*_out_of_order(raw, words)]


def _dates_of_sessions(raw: RawTable, spec: TableSpec) -> tuple[RawTable, pd.Series]:
    """Return the table and the date of each row, the first where a session has a file of scans.

    Sessions on a date that another one of the participant has become faults of the table.
    """
    raw, dates = _with_dates(raw, "years", spec.date_format)
    if any("{session}" in file for file in spec.files):
        order = dates.sort_values(kind="stable").index
        visits = raw.cells[["participant_id", "session_id"]].loc[order]
        chosen = sorted(visits.drop_duplicates().index)
        kept = raw.cells.columns.isin(["participant_id", "session_id", "years"])
        raw = take_rows(replace(raw, cells=raw.cells.loc[:, kept]), chosen)
        dates = dates.loc[chosen].reset_index(drop=True)
    faults = dict(raw.faults)
    first: dict[tuple[str, pd.Timestamp], str] = {}
    keys = raw.cells[["participant_id", "session_id"]].assign(date=dates).dropna()
    for at, name, session, date in keys.itertuples(name=None):
        other = first.setdefault((name, date), session)
        if other != session and at not in raw.broken:
            text = f"{name} has the sessions {other} and {session} on {date:%Y-%m-%d}; correct one"
            faults[at, "years"] = f"{text} date, so that the order of the sessions is known"
    return replace(raw, faults=faults), dates


def _out_of_order(raw: RawTable, words: pd.Series) -> Iterator[Problem]:
    """Yield one note of the participants whose sessions are numbered in another order than dated.

    Only names that differ in nothing but their number, such as V1 and V2, tell an order; `words`
    are the times as the file has them.
    """
    numbered = raw.cells["session_id"].str.extract(r"^(?P<before>.*?)(?P<number>\d{1,9})$")
    rows = raw.cells.assign(
        before=numbered["before"],
        number=numbered["number"].astype("float64"),
        years=raw.cells["years"].map(parse_number).astype("float64"),
        time=words.str.replace(_TIME, "", regex=True),
    ).dropna(subset=["number", "years"])
    keys = ["participant_id", "before"]
    ordered = rows.sort_values("number")
    falls = ordered.groupby(keys)["years"].diff() < 0
    fallen = ordered[falls.groupby([ordered[key] for key in keys]).transform("any")]
    named = [
        f"{name} ({', '.join(own['session_id'] + ': ' + own['time'])})"
        for (name, _), own in fallen.groupby(keys)
    ]
    if named:
        text = (
            f"in {len(named)} {plural('participant', len(named))} the times contradict the numbers "
            f"of the sessions: {', '.join(named[:SHOWN])}{', ...' * (len(named) > SHOWN)}; correct "
            "a wrong time or name; where the numbers say nothing of the order, ignore this"
        )
        yield Problem(table=raw.file, column=raw.file_column("years"), problem=text)


def with_ages(raw: RawTable, spec: TableSpec, first: Mapping[str, pd.Timestamp]) -> RawTable:
    """Turn the dates of birth in the column `age` into the age at the first session.

    Parameters
    ----------
    raw
        The table of participants; its column `age` holds what the file does.
    spec
        What study.toml says of it.
    first
        As `with_years` returns it. A participant without a session has no age.
    """
    if not spec.birth_date or not {"age", "participant_id"} <= set(raw.cells.columns):
        return raw
    raw, births = _with_dates(raw, "age", spec.date_format)
    began = pd.to_datetime(raw.cells["participant_id"].map(first))
    ages = ((began - births).dt.days / 365.25).map(lambda number: f"{number:.6g}")
    missing = raw.schema.missing_values[0]
    ages = ages.where(began.notna(), missing).where(births.notna(), raw.cells["age"])
    return replace(raw, cells=raw.cells.assign(age=ages))
