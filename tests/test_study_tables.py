"""The section [tables] of study.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable

import pytest

from qsmstats.study import TableSpec
from qsmstats.study_tables import table_specs

PLAIN = {"participants": "p.tsv", "sessions": "s.tsv", "lesions": "l.tsv"}


class Collected:
    """What is wrong, as `place: problem`."""

    outside = False

    def __init__(self) -> None:
        self.found: list[str] = []

    def report(self, where: str, problem: str) -> None:
        self.found.append(f"{where}: {problem}")

    def known(self, where: str, raw: Iterable[str], allowed: Iterable[str]) -> None:
        self.found += [f"{where}.{key}: unknown" for key in raw if key not in list(allowed)]


def read(line: str) -> tuple[dict[str, TableSpec], list[str]]:
    reader = Collected()
    specs = table_specs(reader, PLAIN | tomllib.loads(line))
    return specs, reader.found


def test_every_entry_is_read():
    specs, found = read(
        'participants = { file = "db.xlsx", sheet = "people", columns = { age = "Alter" }, '
        'decimal = ",", missing = ["-99"], capped = { age = 89 }, match_ids = true }\n'
        'sessions = { file = ["a.csv", "b.csv"], separator = ";", encoding = "latin-1", '
        'date = "Datum", date_format = "day-first" }\n'
        'lesions = { file = "l.tsv", each_session = true }\n'
        'ratings = { file = "r.tsv", wide = ["A", "B"], names_to = "rater_id", '
        'values_to = "lesion_type" }'
    )
    assert not found
    assert specs == {
        "participants": TableSpec(
            files=("db.xlsx",),
            sheet="people",
            columns={"age": "Alter"},
            decimal=",",
            missing=("-99",),
            capped={"age": 89},
            match_ids=True,
        ),
        "sessions": TableSpec(
            files=("a.csv", "b.csv"),
            separator=";",
            encoding="latin-1",
            date="Datum",
            date_format="day-first",
        ),
        "lesions": TableSpec(files=("l.tsv",), each_session=True),
        "ratings": TableSpec(
            files=("r.tsv",), wide=("A", "B"), names_to="rater_id", values_to="lesion_type"
        ),
    }
    specs, found = read('sessions = { file = "s.tsv", years = { column = "m", unit = "months" } }')
    assert specs["sessions"].years == ("m", "months")
    specs, found = read("sessions = { visits = { V1 = 0, V2 = 2.1 } }")
    assert specs["sessions"] == TableSpec(visits={"V1": 0, "V2": 2.1})
    assert not found


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("sessions = 3", "tables.sessions: expected a file name"),
        ("sessions = []", "tables.sessions: expected a file name"),
        ('sessions = ["s.tsv", "s.tsv"]', "tables.sessions: 's.tsv' is listed twice"),
        ('sessions = ["s.tsv", "../t.tsv"]', "tables.sessions: '../t.tsv' leads out"),
        ('sessions = { file = "s.tsv", sheet = "x" }', 'sheet: is for files of the kind ".xlsx"'),
        (
            'sessions = { file = "s.xlsx", sheet = "" }',
            "sheet: expected the name of a sheet, found ''",
        ),
        (
            'sessions = { file = "s.xlsx", separator = ";" }',
            'separator: is for files of the kind ".tsv"',
        ),
        ('sessions = { file = "s.tsv", separator = "x" }', 'separator: must be ",", ";", "|" or'),
        ('sessions = { file = "s.xlsx", encoding = "latin-1" }', "encoding: is for files"),
        (
            'sessions = { file = "s.tsv", encoding = "base64" }',
            "encoding: expected a known encoding",
        ),
        ('sessions = { file = "s.tsv", encoding = "utf-9" }', "found 'utf-9'"),
        ('sessions = { file = "s.tsv", decimal = ";" }', "decimal: must be"),
        ('sessions = { file = "s.tsv", missing = [-99] }', "missing: expected a list of texts"),
        (
            'sessions = { file = "s.tsv", date = "d", date_format = "dmy" }',
            'must be "iso", "day-first"',
        ),
        ('sessions = { file = "s.tsv", date_format = "iso" }', "date_format: is of no date here"),
        ('sessions = { file = "s.tsv", years = { column = "m" } }', "years: expected { column ="),
        (
            'sessions = { file = "s.tsv", date = "d", years = { column = "m", unit = "days" } }',
            "years: the years of the sessions come from date already",
        ),
        (
            'sessions = { file = "s.tsv", date = "d", columns = { years = "t" } }',
            "columns.years: the years of the sessions come from date already",
        ),
        (
            'sessions = { file = "s.tsv", visits = { V1 = 0 } }',
            "file: is for a table with a file; remove this entry, or visits",
        ),
        ("sessions = { visits = {} }", "visits: expected the years of each session"),
        (
            'sessions = { visits = { V1 = 0 }, decimal = "," }',
            "decimal: is for a table with a file",
        ),
        ('participants = { file = "p.tsv", visits = { V1 = 0 } }', "participants.visits: unknown"),
        ('lesions = { file = "l.tsv", date = "d" }', "tables.lesions.date: unknown"),
        ('lesions = { file = "l.tsv", each_session = false }', "each_session: expected true"),
        ('sessions = { file = "s.tsv", match_ids = 1 }', "match_ids: expected true"),
        (
            'participants = { file = "p.tsv", capped = { age = "89" } }',
            "capped: expected { column =",
        ),
        (
            'participants = { file = "p.tsv", capped = { sex = 2 } }',
            "capped.sex: is not a column of numbers of this table; remove it",
        ),
        ('participants = { file = "p.tsv", text = "site" }', "text: expected a list of columns"),
        ('participants = { file = "p.tsv", text = ["age"] }', "text: 'age' has its kind from"),
        ('participants = { file = "p.tsv", decimal = "." }', 'decimal: must be ","; for points'),
        ('participants = { file = "p.tsv", baseline = "edss" }', "baseline: expected a list"),
        (
            'participants = { file = "p.tsv", baseline = ["edss"] }',
            "baseline: is for a table with a row per session, which the sessions name too",
        ),
        (
            'participants = { file = "p.tsv", birth_date = "DOB", columns = { age = "A" } }',
            "columns.age: the age comes from birth_date already",
        ),
        (
            'participants = { file = "p.tsv", birth_date = "DOB" }',
            'birth_date: needs the dates of the sessions; name their column: date = "..." below',
        ),
    ],
)
def test_what_cannot_be_meant_is_one_problem_with_its_place(line, said):
    _, found = read(line)
    assert len(found) == 1
    assert said in found[0]
