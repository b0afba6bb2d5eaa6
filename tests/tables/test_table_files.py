"""Tables with one file per participant."""

from __future__ import annotations

from pathlib import Path

import pytest

from qsmstats.errors import InvalidDataError
from qsmstats.study_file import open_study
from qsmstats.tables.read import read_tables
from tests.study_folder import TOML, table_problems, tables, write_images, write_tables, write_text


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
    with pytest.raises(InvalidDataError) as caught:
        open_study(write_tables(tmp_path, toml=toml))
    assert list(map(str, caught.value.problems)) == [
        f"study.toml, setting 'tables.sessions': '{pattern}' may contain only {{participant}} in "
        "braces; correct the text in braces"
    ]


def test_a_table_may_have_several_files(tmp_path):
    content = tables()
    toml = TOML.replace('"lesions.tsv"', '["lesions.tsv", "site2.tsv"]')
    lesions = content["lesions"]
    write_tables(tmp_path, content | {"lesions": lesions[:8]}, toml)
    second = write_text(tmp_path / "site2.tsv", [lesions[0], *lesions[8:]])
    read = read_tables(open_study(tmp_path))
    assert len(read.lesions) == len(lesions) - 1
    assert read.places["lesions"].iloc[7].to_list() == ["site2.tsv", 2]
    assert {"lesions.tsv", "site2.tsv"} < set(read.sums)
    write_text(second, [lesions[0][:-1], *(row[:-1] for row in lesions[8:])])
    assert messages(tmp_path) == [
        "site2.tsv row 2: the file has no column 'lesion_type', which lesions.tsv has; add it (and "
        f"{len(lesions) - 9} more rows: 3-{len(lesions) - 7})"
    ]


def test_dates_of_a_file_per_session_give_the_sessions(tmp_path):
    pattern = "{participant}/{session}/{participant}_{session}_scans.tsv"
    toml = TOML.replace(
        '"{participant}/{participant}_sessions.tsv"', f'{{ file = "{pattern}", date = "acq_time" }}'
    )
    write_tables(tmp_path, toml=toml)
    for name, session, *dates in (
        ("sub-01", "ses-02", "2021-01-01T10:00:00", "2021-01-01T09:00:00"),
        ("sub-01", "ses-01", "2020-01-01T10:00:00", "n/a"),
        ("sub-02", "ses-01", "1999-01-01"),
        ("sub-03", "ses-01", "1877-06-15T12:00:00"),  # shifted, as BIDS has it
        ("sub-04", "ses-01", "2022-01-01"),
    ):
        rows = [
            ["filename", "acq_time"],
            *([f"anat/{at}.nii.gz", one] for at, one in enumerate(dates)),
        ]
        write_text(tmp_path / pattern.format(participant=name, session=session), rows)
    sessions = read_tables(open_study(tmp_path)).sessions
    assert list(sessions.columns) == ["participant_id", "session_id", "years"]
    assert sessions.iloc[:2].to_numpy().tolist() == [
        ["sub-01", "ses-01", 0.0],
        ["sub-01", "ses-02", pytest.approx(366 / 365.25, rel=1e-5)],
    ]
    assert sessions["years"].to_list()[2:] == [0, 0, 0]


BIDS = (
    "\ufeffparticipant_id\tgroup\tage\tsex\tsite\tsite\tcomment\t\r\n"
    'sub-01\t1\t89+\t1\tA\tA\t"tab\there"\t\r\n'
    "sub-02\tms\tN/A\t2.0\tB\tB\tNULL\t\r\n"
    "sub-03\t1\t40\t1\tn.a.\tn.a.\t#N/A\t\r\n"
    "sub-04\t0\t44\t2\tA\tA\tx\t\r\n"
)
SIDECAR = (
    '{"group": {"Levels": {"0": "healthy control", "1": {"Description": "patient"}}},'
    ' "sex": {"Levels": {"1": "female", "2": "male"}}, "age": {"Units": "year"}}'
)


def test_a_participants_table_of_real_life(tmp_path):
    toml = TOML.replace(
        '"participants.tsv"', '{ file = "participants.tsv", capped = { age = 89 } }'
    )
    write_tables(tmp_path, toml=toml)
    (tmp_path / "participants.tsv").write_bytes(BIDS.encode())
    (tmp_path / "participants.json").write_text(SIDECAR)
    read = read_tables(open_study(tmp_path))
    people = read.participants.astype(object).where(read.participants.notna(), None)
    assert people.iloc[:, 1:6].to_numpy().tolist() == [
        ["MS", 89.0, "F", "A", "tab\there"],
        ["MS", None, "M", "B", None],
        ["MS", 40.0, "F", None, None],
        ["HC", 44.0, "M", "A", "x"],
    ]
    assert "participants.json" in read.sums
    # What the sidecar says stands back behind study.toml.
    (tmp_path / "study.toml").write_text(toml + '[levels.sex]\n"1" = "M"\n"2" = "F"\n')
    assert read_tables(open_study(tmp_path)).participants["sex"].to_list() == ["M", "F", "M", "F"]
    (tmp_path / "participants.json").write_text("{")
    assert messages(tmp_path)[0].startswith("participants.json: cannot be read: Expecting")


def test_codes_without_a_meaning_are_asked_for(tmp_path):
    content = tables()
    content["participants"][1][3] = "1"
    content["participants"][2][2] = "89+"
    content["participants"][3][2] = "40-49"
    content["participants"][4][2] = "31 y"
    assert messages(write_tables(tmp_path, content)) == [
        "participants.tsv row 2, column 'sex': '1' is not one of F, M; use one of these, or state "
        'which it stands for, as "1" = "F" below [levels.sex] in study.toml',
        "participants.tsv row 3, column 'age': '89+' is not a number; if it stands for 89 and "
        "more, state capped = { age = 89 } below [tables.participants]",
        "participants.tsv row 4, column 'age': '40-49' is not a number; a band is no number: "
        "write the value itself, or give the column another name",
        "participants.tsv row 5, column 'age': '31 y' is not a number; write the number without "
        "its unit: 31",
    ]


def test_a_column_of_mostly_numbers_holds_nothing_else(tmp_path):
    content = tables()
    further = [["nfl", "10.7<", "9,5", "12", "n/a"], ["site", "1", "2", "2", "x"]]
    for row, *words in zip(content["participants"], *further, strict=True):
        row += words
    text = "is not a number, as most cells of the column are: correct it; write"
    assert messages(write_tables(tmp_path, content)) == [
        f"participants.tsv row 2, column 'nfl': '10.7<' {text} a missing value as n/a, or state "
        'its code: missing = ["10.7<"] below [tables.participants], or text = ["nfl"], if the '
        "column holds names or codes",
        f"participants.tsv row 3, column 'nfl': '9,5' {text} decimals with a point: 9.5, or state "
        'decimal = "," below [tables.participants], or text = ["nfl"], if the column holds names '
        "or codes",
        f"participants.tsv row 5, column 'site': 'x' {text} a missing value as n/a, or state its "
        'code: missing = ["x"] below [tables.participants], or text = ["site"], if the column '
        "holds names or codes",
    ]
    content["participants"][4][5] = ">500"
    said = messages(write_tables(tmp_path, content))
    assert "if it stands for 500 and more, state capped = { nfl = 500 } below" in said[2]
    entry = '{ file = "participants.tsv", missing = ["10.7<"], decimal = ",", text = ["site"], '
    entry += "capped = { nfl = 500 } }"
    toml = TOML.replace('"participants.tsv"', entry) + '[levels.scanner]\n"1" = "A"\n"2" = "C"\n'
    for row, scanner in zip(content["participants"], ["scanner", *"12B", "n/a"], strict=True):
        row[2:] = [row[2].replace(".", ","), *row[3:], scanner]
    people = read_tables(open_study(write_tables(tmp_path, content, toml))).participants
    assert people["nfl"].dropna().to_list() == [9.5, 12.0, 500.0]
    assert people["site"].to_list() == ["1", "2", "2", "x"]
    assert people["scanner"].dropna().to_list() == ["A", "C", "B"]


def test_identifiers_that_lost_their_zeros_are_one_problem(tmp_path):
    content = tables()
    for row in content["lesions"][1:]:
        row[:2] = [str(int(row[0][-2:])), str(int(row[1][-2:]))]
    text = "write match_ids = true below [tables.lesions]"
    found = messages(write_tables(tmp_path, content))
    assert len(found) == 2
    assert found[0].startswith("lesions.tsv, column 'participant_id': 3 of 3 identifiers differ")
    assert found[1].startswith("lesions.tsv, column 'session_id': 2 of 2 identifiers differ")
    assert all(text in one for one in found)
    toml = TOML.replace('"lesions.tsv"', '{ file = "lesions.tsv", match_ids = true }')
    (tmp_path / "study.toml").write_text(toml)
    assert set(read_tables(open_study(tmp_path)).lesions["participant_id"]) == {
        "sub-01",
        "sub-02",
        "sub-03",
    }
    write_tables(tmp_path, toml=toml)
    assert messages(tmp_path) == [
        "study.toml, setting 'tables.lesions.match_ids': no identifier differs from those sought; "
        "remove it"
    ]


def test_the_lesions_of_ratings_are_matched_and_those_of_brains_are_not(tmp_path):
    content = tables()
    at = content["ratings"][0].index("lesion_id")
    for row in content["ratings"][1:]:
        row[at] = row[at].replace("L", "L00")
    found = messages(write_tables(tmp_path, content))
    assert [one.split(": ")[0] for one in found] == ["ratings.tsv, column 'lesion_id'"]
    assert "('L001' and 'L1'), and match one to one" in found[0]
    assert "write match_ids = true below [tables.ratings]" in found[0]
    toml = TOML.replace('"ratings.tsv"', '{ file = "ratings.tsv", match_ids = true }')
    ratings = read_tables(open_study(write_tables(tmp_path, content, toml))).ratings
    assert set(ratings["lesion_id"]) <= {f"L{number}" for number in range(1, 6)}


def test_participants_are_matched_with_the_folders(tmp_path):
    content = tables()
    write_images(write_tables(tmp_path, content))
    for row in content["participants"][1:]:
        row[0] = str(int(row[0][-2:]))
    write_text(tmp_path / "participants.tsv", content["participants"])
    (found,) = messages(tmp_path)
    assert "4 of 4 identifiers differ from those of the folders only in capitals" in found


def test_dates_in_columns_of_identifiers_are_named_as_such(tmp_path):
    content = tables()
    content["lesions"][1][2] = "2024-03-01"
    content["lesions"][2][0] = "1-Mar"
    content["lesions"][3][3] = "03. Mai"
    found = messages(write_tables(tmp_path, content))
    for text, word in zip(found[:2], ("2024-03-01", "1-Mar"), strict=True):
        assert f"'{word}' is a date: a spreadsheet makes one of identifiers such as 3-1" in text
    assert "a spreadsheet makes a date of 1.5 or 3-1" in found[2]
    assert len(found) == 3


def test_sessions_may_be_named_by_their_dates(tmp_path):
    content = tables()
    for name in ("sessions", "lesions", "ratings"):
        for row in content[name][1:]:
            row[1] = row[1].replace("ses-", "2024-03-")
    assert messages(write_tables(tmp_path, content)) == []
    content["sessions"][1][1] = "ses-01"
    found = messages(write_tables(tmp_path, content))
    assert any("'2024-03-02' is a date" in text for text in found)
