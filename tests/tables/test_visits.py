"""Clinical tables with a row per visit, sessions without a table, lesions without sessions."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from qsmstats.errors import InvalidDataError
from qsmstats.study import TableSpec
from qsmstats.study_file import open_study
from qsmstats.tables.raw_table import RawTable
from qsmstats.tables.read import read_tables
from qsmstats.tables.visits import for_each_session, refuse_visits, stated_visits
from tests.study_folder import table_problems

TOML = """\
[labels]
pattern = "{participant}/{session}/lesions.nii.gz"
[maps.mwf_percent]
pattern = "{participant}/{session}/mwf.nii.gz"
unit = "percent"
[levels.sex]
"1" = "F"
"2" = "M"
[levels.group]
"RRMS" = "MS"
"SPMS" = "MS"
[tables]
"""
CLINIC = """\
Pat;Visite;Datum;Geb;Diagnose;Geschlecht;EDSS;NfL;Ger\u00e4t
MS1;V1;03.02.2020;01.02.1980;RRMS;1;2,5;12,5;Skyra
MS1;V2;03.02.2022;01.02.1980;RRMS;1;3;9;Prisma
MS2;V1;15.06.2021;15.06.1991;SPMS;2;-99;8,25;Skyra
C1;V1;01.01.2021;01.01.1961;HC;1;;7;Prisma
"""
KEYS = 'participant_id = "Pat", session_id = "Visite"'
FORM = (
    'file = "klinik.csv", separator = ";", decimal = ",", encoding = "latin-1", '
    'date_format = "day-first"'
)
PEOPLE = (
    f'participants = {{ {FORM}, birth_date = "Geb", missing = ["-99"], columns = {{ {KEYS}, '
    'group = "Diagnose", sex = "Geschlecht", edss = "EDSS" }, baseline = ["edss"] }\n'
)
VISITS = f'sessions = {{ {FORM}, date = "Datum", missing = ["-99"], columns = {{ {KEYS} }} }}\n'
LESIONS = (
    'lesions = { file = "lesions.tsv", each_session = true, '
    'columns = { participant_id = "ID", lesion_id = "Lesion", label = "Lesion" } }\n'
)


def clinic(folder: Path, text: str = CLINIC, people: str = PEOPLE, visits: str = VISITS) -> Path:
    (folder / "study.toml").write_text(TOML + people + visits + LESIONS)
    (folder / "klinik.csv").write_bytes(text.encode("latin-1"))
    (folder / "lesions.tsv").write_text("ID\tLesion\tlesion_type\nMS1\t1\tiso\nMS2\t4\tprl\n")
    return folder


def messages(folder: Path) -> list[str]:
    return list(map(str, table_problems(open_study(folder))))


def test_one_clinical_table_gives_participants_and_sessions(tmp_path):
    read = read_tables(open_study(clinic(tmp_path)))
    people, visits = read.participants.set_index("participant_id"), read.sessions
    assert list(people.columns) == ["group", "age", "sex", "edss", "group_recorded"]
    assert people["group"].astype(str).to_dict() == {"MS1": "MS", "MS2": "MS", "C1": "HC"}
    assert people["group_recorded"].to_list() == ["RRMS", "SPMS", "HC"]
    assert people["sex"].astype(str).to_list() == ["F", "M", "F"]
    assert people["age"].to_list() == pytest.approx([40, 30, 60], abs=0.01)
    assert people["edss"].fillna(-1).to_list() == [2.5, -1, -1]
    # What changes from session to session is theirs; the dates themselves go no further.
    assert list(visits.columns) == [
        "participant_id",
        "session_id",
        "years",
        "edss_at_session",
        "NfL",
        "Gerät",
    ]
    assert visits["years"].to_list() == pytest.approx([0, 731 / 365.25, 0, 0], abs=1e-5)
    assert visits["edss_at_session"].fillna(-1).to_list() == [2.5, 3, -1, -1]
    assert visits["NfL"].to_list() == [12.5, 9, 8.25, 7]


def test_lesions_without_sessions_are_those_of_every_session(tmp_path):
    lesions = read_tables(open_study(clinic(tmp_path))).lesions
    assert lesions.iloc[:, :4].values.tolist() == [
        ["MS1", "V1", "1", 1],
        ["MS1", "V2", "1", 1],
        ["MS2", "V1", "4", 4],
    ]


def test_what_changes_within_a_participant_is_named_with_its_values(tmp_path):
    text = CLINIC.replace(
        "MS1;V2;03.02.2022;01.02.1980;RRMS;1", "MS1;V2;03.02.2022;01.02.1980;RRMS;2"
    )
    assert messages(clinic(tmp_path, text)) == [
        "klinik.csv row 3, column 'Geschlecht': MS1 has F and M, and a participant has one value; "
        'correct it, or take that of the first session: baseline = ["sex"] below '
        "[tables.participants]"
    ]


@pytest.mark.parametrize(
    ("people", "said"),
    [
        (
            PEOPLE.replace('["edss"]', '["edss", "sex"]'),
            "Geschlecht is the same at every session of klinik.csv; remove it",
        ),
        (PEOPLE.replace('["edss"]', '["edss", "sdmt"]'), "klinik.csv has no column 'sdmt'"),
    ],
)
def test_a_baseline_column_must_be_one_that_changes(tmp_path, people, said):
    (found,) = messages(clinic(tmp_path, people=people))
    assert found.startswith("study.toml, setting 'tables.participants.baseline': ")
    assert said in found


def raw(name: str, **columns: list[str]) -> RawTable:
    cells = pd.DataFrame(columns, dtype="str")
    places = pd.DataFrame({"file": f"{name}.tsv", "row": range(2, len(cells) + 2)})
    return RawTable(name=name, file=f"{name}.tsv", cells=cells, places=places)


def test_visits_that_study_toml_states_are_those_with_a_map():
    there = {("a", "V1"), ("a", "V2"), ("b", "V1")}
    table = stated_visits({"V2": 2.1, "V1": 0}, ["a", "b", "c"], there)
    assert table.cells.to_numpy().tolist() == [
        ["a", "V1", "0"],
        ["a", "V2", "2.1"],
        ["b", "V1", "0"],
    ]


@pytest.mark.parametrize(
    ("visits", "there", "said"),
    [
        (
            {"V1": 0, "V3": 2},
            {("a", "V1")},
            "'tables.sessions.visits.V3': no participant has a map",
        ),
        ({"V1": 0, "V2": 2}, {("a", "V1"), ("b", "V2")}, "b has no map of the first session, 'V1'"),
    ],
)
def test_visits_that_the_folder_contradicts_are_refused(visits, there, said):
    with pytest.raises(InvalidDataError, match=said):
        stated_visits(visits, ["a", "b"], there)


def test_a_lesion_of_no_session_and_a_column_of_sessions_are_reported():
    sessions = raw("sessions", participant_id=["a"], session_id=["V1"], years=["0"])
    table = for_each_session(raw("lesions", participant_id=["a", "b"], label=["1", "1"]), sessions)
    assert table.faults == {
        (1, "session_id"): "sessions.tsv has no session of 'b'; add one, or correct the row"
    }
    with pytest.raises(InvalidDataError, match="has a column 'session_id'; remove each_session"):
        for_each_session(raw("lesions", participant_id=["a"], session_id=["V1"]), sessions)


def test_a_rating_is_not_repeated():
    sessions = raw(
        "sessions", participant_id=["a", "a"], session_id=["V2", "V1"], years=["2.1", "0"]
    )
    rows = {"participant_id": ["a", "a"], "lesion_id": ["1", "1"], "rater_id": ["A", "B"]}
    ratings = for_each_session(raw("ratings", **rows), sessions)
    assert ratings.cells["session_id"].to_list() == ["V1", "V1"]
    lesions = for_each_session(raw("lesions", participant_id=["a"], label=["1"]), sessions)
    assert lesions.cells["session_id"].to_list() == ["V1", "V2"]


@pytest.mark.parametrize(
    ("visits", "said"),
    [
        ({"Visite": ["V1", "V2", "V1"]}, ', columns = { session_id = "Visite" } }'),
        ({"edss": ["1", "2"]}, "add a column session_id with the name of the visit"),
    ],
)
def test_participants_with_a_row_per_visit_are_named_as_such(visits, said):
    ids = [*"aab"][: len(next(iter(visits.values())))]
    spec = TableSpec(files=("t.xlsx",), sheet="people")
    with pytest.raises(InvalidDataError) as caught:
        refuse_visits(raw("participants", participant_id=ids, **visits), spec)
    text = str(caught.value)
    assert "has several rows of a, so it is a table with a row per visit" in text
    assert 'name it for the sessions too: sessions = { file = "t.xlsx", sheet = "people"' in text
    assert said in text


def test_a_row_of_participants_too_many_is_no_row_per_visit():
    spec = TableSpec(files=("t.tsv",))
    refuse_visits(raw("participants", participant_id=[*"aab"], visit=["V1", "V1", "V1"]), spec)
    refuse_visits(raw("participants", participant_id=[*"aabc"], edss=[*"1210"]), spec)
