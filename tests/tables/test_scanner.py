"""The scanner: a column of sessions or of participants, called so or as study.toml says."""

from __future__ import annotations

import pytest

from qsmstats.errors import InvalidDataError
from qsmstats.study_file import open_study
from qsmstats.tables.read import load_tables, read_tables
from tests.study_folder import TOML, tables, write_tables

from .test_visits import CLINIC, KEYS, PEOPLE, VISITS, clinic


def written(folder, *, people=None, visits=None, name="scanner", toml=TOML):
    """Write a study whose tables have scanners, each as its words in the order of the rows."""
    content = tables()
    for table, words in (("participants", people), ("sessions", visits)):
        if words:
            for row, word in zip(content[table], [name, *words], strict=True):
                row.append(word)
    return open_study(write_tables(folder, content, toml))


def test_numbers_are_names_of_scanners_and_stand_behind_the_years(tmp_path):
    study = written(tmp_path, visits=["1", "2", "1", "2", "1"])
    sessions = read_tables(study).sessions
    assert sessions.columns.to_list() == ["participant_id", "session_id", "years", "scanner"]
    assert sessions["scanner"].to_list() == ["1", "2", "1", "2", "1"]


def test_a_column_of_another_name_is_the_scanner_where_study_toml_says_so(tmp_path):
    entry = '{ file = "participants.tsv", columns = { scanner = "site" } }'
    toml = TOML.replace('"participants.tsv"', entry)
    people = written(tmp_path, people=["A", "B", "A", "B"], name="site", toml=toml)
    assert read_tables(people).participants["scanner"].to_list() == ["A", "B", "A", "B"]


def test_what_both_tables_say_counts_once_and_fills_what_sessions_lack(tmp_path):
    study = written(tmp_path, people=[*"ABAB"], visits=["A", "n/a", "B", "A", "n/a"])
    read = read_tables(study)
    assert "scanner" not in read.participants
    assert read.sessions.set_index(["participant_id", "session_id"])["scanner"].to_list() == [
        *"AABAB"
    ]


def test_scanners_that_differ_between_the_tables_are_named_with_their_row(tmp_path):
    study = written(tmp_path, people=[*"ABAB"], visits=[*"ABBAB"])
    with pytest.raises(InvalidDataError) as caught:
        read_tables(study)
    (problem,) = caught.value.problems
    assert (problem.row, problem.column) == (3, "scanner")
    assert problem.table == "sub-01/sub-01_sessions.tsv"
    assert "'B' is the scanner of this session, and the participants table has 'A'" in str(problem)


def test_of_one_table_with_a_row_per_visit_the_scanner_is_that_of_the_session(tmp_path):
    renamed = [f'columns = {{ {KEYS}, scanner = "Gerät"', f"columns = {{ {KEYS}"]
    people, visits = (text.replace(renamed[1], renamed[0]) for text in (PEOPLE, VISITS))
    for text, expected in (
        (CLINIC, ["Skyra", "Prisma", "Skyra", "Prisma"]),
        (CLINIC.replace("3;9;Prisma", "3;9;Skyra"), ["Skyra", "Skyra", "Skyra", "Prisma"]),
    ):
        read = load_tables(open_study(clinic(tmp_path, text, people, visits)))
        assert not read.problems
        assert read.frames["sessions"]["scanner"].to_list() == expected
        assert "scanner" not in read.frames["participants"]
