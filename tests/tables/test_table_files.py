"""Tables with one file per participant."""

from __future__ import annotations

from pathlib import Path

import pytest

from qsmstats.study_file import open_study
from qsmstats.tables.read import read_tables, table_problems
from tests.study_folder import TOML, tables, write_tables, write_text


def messages(folder: Path) -> list[str]:
    return list(map(str, table_problems(open_study(folder))))


def test_a_participant_without_a_file_is_named(tmp_path):
    write_tables(tmp_path)
    (tmp_path / "sub-03" / "sub-03_sessions.tsv").unlink()
    found = messages(tmp_path)
    pattern = "{participant}/{participant}_sessions.tsv"
    remedy = "add it or correct tables.sessions"
    assert found[0] == f"{pattern}: no such file for sub-03; {remedy}"
    # Its lesions have no session then; that much must be said too, once.
    assert len(found) == 2
    assert found[1].startswith("lesions.tsv row 17, column 'participant_id': sessions has no row")


def test_a_file_of_an_unknown_participant_is_named(tmp_path):
    write_tables(tmp_path)
    write_text(
        tmp_path / "sub-77" / "sub-77_sessions.tsv", [["session_id", "years"], ["ses-01", "0"]]
    )
    assert messages(tmp_path) == [
        "sub-77/sub-77_sessions.tsv: 'sub-77' is not in the participants table; add it or remove "
        "the file"
    ]


def test_a_file_of_a_mixed_name_is_no_file_of_the_pattern(tmp_path):
    write_tables(tmp_path)
    write_text(tmp_path / "sub-77" / "sub-78_sessions.tsv", [["session_id"], ["ses-01"]])
    assert messages(tmp_path) == []


def test_a_row_in_the_file_of_another_participant_is_named(tmp_path):
    write_tables(tmp_path)
    rows = [["participant_id", "session_id", "years"], ["sub-03", "ses-01", "0"]]
    write_text(tmp_path / "sub-02" / "sub-02_sessions.tsv", rows)
    assert messages(tmp_path)[0] == (
        "sub-02/sub-02_sessions.tsv row 2: 'sub-03' is in the file of 'sub-02'; move or correct "
        "the row"
    )


def test_a_file_that_lacks_a_column_is_named(tmp_path):
    write_tables(tmp_path)
    write_text(tmp_path / "sub-02" / "sub-02_sessions.tsv", [["session_id"], ["ses-01"]])
    assert messages(tmp_path) == [
        "sub-02/sub-02_sessions.tsv row 2: the file has no column 'years', which "
        "sub-01/sub-01_sessions.tsv has; add it"
    ]


def test_a_broken_file_leaves_the_others(tmp_path):
    write_tables(tmp_path)
    (tmp_path / "sub-04" / "sub-04_sessions.tsv").write_bytes(b"")
    assert messages(tmp_path) == [
        "sub-04/sub-04_sessions.tsv: is empty; write a row of column names and the rows below it"
    ]


def test_tables_may_lie_outside_the_study_folder(tmp_path):
    write_tables(tmp_path / "study")
    content = tables()
    other = tmp_path / "elsewhere"
    write_tables(other, content)
    toml = TOML.replace('"{participant}/{p', f'"{other.as_posix()}/{{participant}}/{{p')
    write_text(other / "sub-77" / "sub-77_sessions.tsv", [["session_id", "years"], ["ses-01", "0"]])
    (tmp_path / "study" / "study.toml").write_text(toml + "[study]\noutside = true\n")
    found = messages(tmp_path / "study")
    assert len(found) == 1
    assert found[0].startswith(f"{other.as_posix()}/sub-77/sub-77_sessions.tsv: 'sub-77' is not in")


def lesions_per_patient(folder: Path) -> Path:
    toml = TOML.replace('"lesions.tsv"', '"{participant}/{participant}_lesions.tsv"')
    content = tables()
    write_tables(folder, content, toml)
    (folder / "lesions.tsv").unlink()
    header, *rows = content["lesions"]
    for name in ("sub-01", "sub-02", "sub-03"):
        own = [row[1:] for row in rows if row[0] == name]
        write_text(folder / name / f"{name}_lesions.tsv", [header[1:], *own])
    return folder


def test_controls_need_no_file_of_lesions(tmp_path):
    read = read_tables(open_study(lesions_per_patient(tmp_path)))
    assert len(read.lesions) == 20
    assert read.places["lesions"].iloc[-1].to_list() == ["sub-03/sub-03_lesions.tsv", 6]


def test_a_key_that_stands_in_another_file_is_named_with_it(tmp_path):
    lesions_per_patient(tmp_path)
    path = tmp_path / "sub-03" / "sub-03_lesions.tsv"
    path.write_text(path.read_text() + "ses-01\tL1\t9\tiso\n")
    assert messages(tmp_path)[0].endswith("is already in row 2; correct or remove one of the two")


def test_participants_that_cannot_be_read_hide_no_other_table(tmp_path):
    write_tables(tmp_path)
    (tmp_path / "participants.tsv").write_text("participant\tage\n")
    (tmp_path / "histology.tsv").unlink()
    found = messages(tmp_path)
    assert any("column 'participant_id': the column is missing" in line for line in found)
    assert any(line.startswith("histology.tsv: no such file") for line in found)


@pytest.mark.parametrize("pattern", ["{participant}/{session}.tsv", "{participant}/{0}.tsv"])
def test_a_pattern_with_other_braces_is_reported(tmp_path, pattern):
    toml = TOML.replace("{participant}/{participant}_sessions.tsv", pattern)
    assert messages(write_tables(tmp_path, toml=toml)) == [
        f"study.toml, setting 'tables.sessions': '{pattern}' may contain only {{participant}} in "
        "braces; correct the text in braces"
    ]
