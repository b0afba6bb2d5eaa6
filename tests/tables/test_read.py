"""A study's tables, from files to types, and every way in which they can be wrong."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qsmstats.errors import InvalidDataError
from qsmstats.schemas import load_schema
from qsmstats.study_file import open_study
from qsmstats.tables.read import load_tables, read_tables
from tests.study_folder import TOML, TYPES, Table, table_problems, tables, write_tables, write_text


def messages(folder: Path) -> list[str]:
    return list(map(str, table_problems(open_study(folder))))


def test_tables_come_typed(tmp_path):
    read = read_tables(open_study(write_tables(tmp_path)))
    assert read.participants.dtypes.astype(str).to_dict() == {
        "participant_id": "str",
        "group": "category",
        "age": "float64",
        "sex": "category",
        "center": "str",
    }
    assert read.lesions.dtypes.astype(str).to_dict() == {
        "participant_id": "str",
        "session_id": "str",
        "lesion_id": "str",
        "label": "Int64",
        "lesion_type": "category",
    }
    levels = load_schema("lesions").column("lesion_type").levels
    assert tuple(read.lesions["lesion_type"].cat.categories) == levels
    assert not read.lesions["lesion_type"].cat.ordered
    assert read.sessions["years"].to_list() == [0.0, 2.03, 0.0, 0.0, 0.0]
    assert read.sessions["participant_id"].to_list() == [
        "sub-01",
        "sub-01",
        "sub-02",
        "sub-03",
        "sub-04",
    ]
    assert read.ratings is not None
    assert len(read.ratings) == 2 * len(read.lesions) == 40
    assert read.histology is not None
    assert read.histology["index_test"].isna().to_list() == [False, False, True]


def test_rows_remember_their_file(tmp_path):
    read = read_tables(open_study(write_tables(tmp_path)))
    assert read.places["lesions"]["row"].to_list() == list(range(2, 22))
    assert read.places["sessions"].iloc[1].to_list() == ["sub-01/sub-01_sessions.tsv", 3]


def test_tables_that_study_toml_does_not_name_are_none(tmp_path):
    toml = TOML.replace('ratings = "ratings.tsv"\n', "").replace(
        'histology = "histology.tsv"\n', ""
    )
    read = read_tables(open_study(write_tables(tmp_path, toml=toml)))
    assert read.ratings is None
    assert read.histology is None


def test_every_problem_is_raised_at_once(tmp_path):
    content = tables()
    content["lesions"][16][4] = "rim"
    content["participants"][2][2] = "old"
    content["histology"][1][0] = ""
    write_tables(tmp_path, content)
    with pytest.raises(InvalidDataError) as caught:
        read_tables(open_study(tmp_path))
    assert sorted(str(caught.value).splitlines()) == [
        "histology.tsv row 2, column 'brain_id': the cell is empty; fill it in: every row "
        "needs a value here",
        "lesions.tsv row 17, column 'lesion_type': 'rim' is not one of isointense, hypointense, "
        "hyperintense, hypointense_rim, paramagnetic_rim; did you mean 'hypointense_rim' or "
        "'paramagnetic_rim'?",
        "participants.tsv row 3, column 'age': 'old' is not a number; write a missing value as n/a"
        ', or state its code: missing = ["old"] below [tables.participants]',
    ]
    assert list(map(str, caught.value.problems)) == messages(tmp_path)


def change(name: str, row: int, column: str, value: str) -> Callable[[dict[str, Table]], None]:
    def apply(content: dict[str, Table]) -> None:
        content[name][row - 1][content[name][0].index(column)] = value

    return apply


def rename(name: str, column: str, new: str) -> Callable[[dict[str, Table]], None]:
    return change(name, 1, column, new)


def repeat(name: str, row: int, **cells: str) -> Callable[[dict[str, Table]], None]:
    def apply(content: dict[str, Table]) -> None:
        new = list(content[name][row - 1])
        for column, value in cells.items():
            new[content[name][0].index(column)] = value
        content[name].append(new)

    return apply


FAULTS = {
    "misspelt column": (
        rename("lesions", "lesion_type", "Lesion typ"),
        "lesions.tsv row 1, column 'lesion_type': the column is missing; did you mean 'Lesion typ'?"
        '; rename it, or set columns.lesion_type = "Lesion typ" in study.toml',
    ),
    "misspelt level": (
        change("participants", 2, "group", "contrl"),
        "participants.tsv row 2, column 'group': 'contrl' is not one of HC, MS; did you mean 'HC'?",
    ),
    "decimal comma": (
        change("participants", 3, "age", "31,5"),
        "participants.tsv row 3, column 'age': '31,5' is not a number; write decimals with a "
        'point: 31.5, or state decimal = "," below [tables.participants]',
    ),
    "age out of range": (
        change("participants", 3, "age", "315"),
        "participants.tsv row 3, column 'age': 315 is above the maximum, 120 (unit: "
        "year); correct it",
    ),
    "age below range": (
        change("participants", 3, "age", "-0.5"),
        "participants.tsv row 3, column 'age': -0.5 is below the minimum, 0 (unit: "
        "year); correct it",
    ),
    "not a number of Python's": (
        change("participants", 3, "age", "inf"),
        "participants.tsv row 3, column 'age': 'inf' is not a number; write a missing value as n/a"
        ', or state its code: missing = ["inf"] below [tables.participants]',
    ),
    "label zero": (
        change("lesions", 4, "label", "0"),
        "lesions.tsv row 4, column 'label': 0 is below the minimum, 1; correct it",
    ),
    "label with a fraction": (
        change("lesions", 4, "label", "1.5"),
        "lesions.tsv row 4, column 'label': '1.5' is not a whole number; write a missing value "
        "as n/a",
    ),
    "lesion twice": (
        repeat("lesions", 4, label="77", lesion_type="isointense"),
        "lesions.tsv row 22, column 'lesion_id': participant_id 'sub-01', session_id 'ses-01', "
        "lesion_id 'L3' is already in row 4; correct or remove one of the two",
    ),
    "label twice": (
        repeat("lesions", 4, lesion_id="new"),
        "lesions.tsv row 22, column 'label': participant_id 'sub-01', session_id 'ses-01', "
        "label '3' is already in row 4; correct or remove one of the two",
    ),
    "no such session": (
        repeat("lesions", 4, session_id="ses-09"),
        "lesions.tsv row 22, column 'session_id': sessions has no row with participant_id "
        "'sub-01', session_id 'ses-09'; add the row there, or correct this one",
    ),
    "no such lesion": (
        change("ratings", 4, "lesion_id", "L99"),
        "ratings.tsv row 4, column 'lesion_id': lesions.tsv has no row with participant_id "
        "'sub-01', session_id 'ses-01', lesion_id 'L99'; add the row there, or correct this one",
    ),
    "control with a lesion": (
        repeat("lesions", 2, participant_id="sub-04"),
        "lesions.tsv row 22, column 'participant_id': 'sub-04' is a control (group HC), and "
        "controls have no lesions; correct the group or remove the row",
    ),
    "session without years": (
        change("sessions", 3, "years", "n/a"),
        "sub-01/sub-01_sessions.tsv row 3, column 'years': 'n/a' stands for a missing value; fill "
        "it in: every row needs a value here",
    ),
    "first session not at 0": (
        change("sessions", 4, "years", "0.5"),
        "sub-02/sub-02_sessions.tsv row 2, column 'years': 0.5 is the smallest of sub-02; count "
        "years from the first session, which has 0",
    ),
    "two sessions at once": (
        change("sessions", 3, "years", "0"),
        "sub-01/sub-01_sessions.tsv row 3, column 'years': 0 is also that of ses-01; give each "
        "session its own time, so that their order is known",
    ),
    "participant twice": (
        repeat("participants", 3),
        "participants.tsv row 6, column 'participant_id': participant_id 'sub-02' is already "
        "in row 3; correct or remove one of the two",
    ),
    "bad identifier": (
        change("ratings", 3, "participant_id", "sub 01"),
        "ratings.tsv row 3, column 'participant_id': 'sub 01' is not an identifier: at most 64 "
        "letters and digits, with - . _ between; did you mean 'sub-01'?",
    ),
    "identifier without its prefix": (
        change("ratings", 3, "participant_id", "1"),
        "ratings.tsv row 3, column 'participant_id': lesions.tsv has no row with participant_id "
        "'1'; did you mean 'sub-01'?",
    ),
    "column that the features bring": (
        rename("participants", "center", "volume_mm3"),
        "participants.tsv row 1, column 'volume_mm3': the features of the lesions have this column "
        'too; rename one of the two, as with columns = { participants_volume_mm3 = "volume_mm3" } '
        "below [tables.participants]",
    ),
    "column of two tables": (
        rename("participants", "center", "label"),
        "lesions.tsv row 1, column 'label': the rows of participants.tsv have this column too; "
        'rename one of the two, as with columns = { lesions_label = "label" } below '
        "[tables.lesions]",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_one_fault_is_one_message_in_plain_words(tmp_path, fault):
    apply, message = FAULTS[fault]
    content = tables()
    apply(content)
    assert messages(write_tables(tmp_path, content)) == [message]


def test_all_faults_together_are_all_reported(tmp_path):
    content = tables()
    names = [
        "decimal comma",
        "label zero",
        "no such lesion",
        "lesion twice",
        "two sessions at once",
    ]
    for name in names:
        FAULTS[name][0](content)
    assert set(messages(write_tables(tmp_path, content))) >= {FAULTS[name][1] for name in names}


def test_a_missing_participant_is_said_once_for_all_its_lesions(tmp_path):
    content = tables(patients=2, lesions=5)
    del content["ratings"][1:]
    content["ratings"].append(["sub-01", "ses-01", "L1", "r1", "iso"])
    for row in content["lesions"][1:]:
        row[0] = row[0].replace("sub-02", "sub-99")
    assert messages(write_tables(tmp_path, content)) == [
        "lesions.tsv row 12, column 'participant_id': sessions has no row with participant_id "
        "'sub-99'; add the row there, or correct this one (and 4 more rows: 13-16)"
    ]


def test_a_broken_key_is_not_reported_again_by_the_rows_that_point_at_it(tmp_path):
    content = tables()
    change("lesions", 4, "lesion_id", "")(content)
    assert messages(write_tables(tmp_path, content)) == [
        "lesions.tsv row 4, column 'lesion_id': the cell is empty; fill it in: every row "
        "needs a value here"
    ]


def test_a_broken_row_is_one_problem(tmp_path):
    content = tables()
    content["lesions"][5].pop()
    assert messages(write_tables(tmp_path, content)) == [
        "lesions.tsv row 6: has 4 cells, the header has 5; write n/a for a missing value"
    ]


def test_a_missing_table_is_one_problem(tmp_path):
    write_tables(tmp_path)
    (tmp_path / "lesions.tsv").unlink()
    assert messages(tmp_path) == [
        "lesions.tsv: no such file; put it there, or correct [tables] in study.toml"
    ]
    write_tables(tmp_path)
    (tmp_path / "participants.tsv").unlink()
    assert messages(tmp_path) == [
        "participants.tsv: no such file; put it there, or correct [tables] in study.toml"
    ]


def test_a_table_without_rows_is_a_problem(tmp_path):
    content = tables()
    del content["histology"][1:]
    assert messages(write_tables(tmp_path, content)) == [
        "histology.tsv: has no rows below its header; add them"
    ]


def test_study_toml_spellings_hold_in_every_table_of_types(tmp_path):
    content = tables()
    change("lesions", 2, "lesion_type", "Typ A")(content)
    change("ratings", 2, "lesion_type", "TYP_A")(content)
    change("histology", 2, "index_test", "typ-a")(content)
    toml = TOML + '\n[lesion_types]\n"typ a" = "hypointense_rim"\n'
    read = read_tables(open_study(write_tables(tmp_path, content, toml)))
    assert read.ratings is not None
    assert read.histology is not None
    for column in (
        read.lesions["lesion_type"],
        read.ratings["lesion_type"],
        read.histology["index_test"],
    ):
        assert column.iloc[0] == "hypointense_rim"


@pytest.mark.parametrize("word", ["n/a", "", "NA", "NaN"])
def test_missing_codes_give_missing_values(tmp_path, word):
    content = tables()
    change("participants", 2, "age", word)(content)
    change("lesions", 2, "lesion_type", word)(content)
    read = read_tables(open_study(write_tables(tmp_path, content)))
    assert read.participants["age"].isna().to_list() == [True, False, False, False]
    assert read.lesions["lesion_type"].isna().sum() == 1


def test_columns_of_other_names_are_renamed_and_reported_as_written(tmp_path):
    content = tables()
    rename("participants", "age", "Alter")(content)
    change("participants", 3, "Alter", "x")(content)
    toml = TOML.replace(
        'participants = "participants.tsv"',
        'participants = { file = "participants.tsv", columns = { age = "Alter" } }',
    )
    write_tables(tmp_path, content, toml)
    assert messages(tmp_path) == [
        "participants.tsv row 3, column 'Alter': 'x' is not a number; write a missing value as n/a"
        ', or state its code: missing = ["x"] below [tables.participants]'
    ]
    change("participants", 3, "Alter", "40")(content)
    write_tables(tmp_path, content, toml)
    assert read_tables(open_study(tmp_path)).participants["age"].to_list() == [30.5, 40, 32.5, 33.5]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            '{ age = "Altr" }',
            "study.toml, setting 'tables.participants.columns.age': participants.tsv has no column "
            "'Altr'; did you mean 'Alter'?",
        ),
        (
            '{ sex = "Alter" }',
            "study.toml, setting 'tables.participants.columns.sex': participants.tsv has a column "
            "'sex' beside 'Alter'; remove or rename one",
        ),
    ],
)
def test_a_rename_that_does_not_fit_is_reported(tmp_path, columns, message):
    content = tables()
    rename("participants", "age", "Alter")(content)
    toml = TOML.replace(
        '"participants.tsv"', f'{{ file = "participants.tsv", columns = {columns} }}'
    )
    assert messages(write_tables(tmp_path, content, toml)) == [message]


WIDE = """ratings = { file = "ratings.csv", wide = ["Anna", "Ben"], names_to = "rater_id",
 values_to = "lesion_type" }
""".replace("\n ", " ")


def test_raters_in_columns_are_turned_long_with_their_rows(tmp_path):
    content = tables()
    del content["ratings"]
    write_tables(tmp_path, content, TOML.replace('ratings = "ratings.tsv"\n', WIDE))
    rows = [[*row[:3], "iso", "PRL"] for row in content["lesions"][1:]]
    header = ["participant_id", "session_id", "lesion_id", "Anna", "Ben"]
    write_text(tmp_path / "ratings.csv", [header, *rows], ",")
    ratings = read_tables(open_study(tmp_path)).ratings
    assert ratings is not None
    assert ratings["rater_id"].to_list() == ["Anna", "Ben"] * 20
    assert ratings["lesion_type"].to_list() == ["isointense", "paramagnetic_rim"] * 20
    rows[3][4] = "rim"
    rows[5][3] = ""
    write_text(tmp_path / "ratings.csv", [header, *rows], ",")
    found = messages(tmp_path)
    assert len(found) == 1
    assert found[0].startswith("ratings.csv row 5, column 'Ben': 'rim' is not one of")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"Ben"]', '"Bem"]', "tables.ratings.wide': ratings.csv has no column 'Bem'; did you mean"),
        ('"rater_id"', '"rater"', "'rater' is not a column of the table; allowed: participant_id"),
        ('"rater_id"', '"lesion_id"', "ratings.csv has a column 'lesion_id' already"),
    ],
)
def test_a_wide_table_that_does_not_fit_study_toml_is_reported(tmp_path, old, new, words):
    content = tables()
    del content["ratings"]
    toml = TOML.replace('ratings = "ratings.tsv"\n', WIDE.replace(old, new))
    write_tables(tmp_path, content, toml)
    header = ["participant_id", "session_id", "lesion_id", "Anna", "Ben"]
    write_text(tmp_path / "ratings.csv", [header, [*content["lesions"][1][:3], "iso", "iso"]], ",")
    found = messages(tmp_path)
    assert len(found) == 1
    assert words in found[0]


def test_visits_in_columns_with_other_names(tmp_path):
    content = tables()
    toml = TOML.replace(
        '"{participant}/{participant}_sessions.tsv"',
        '{ file = "visits.csv", wide = ["ses-01", "ses-02"], names_to = "session_id", '
        'values_to = "years", columns = { "ses-01" = "baseline", "ses-02" = "month 24" } }',
    )
    write_tables(tmp_path, content, toml)
    rows = [["sub-01", "0", "2.03"], *([f"sub-0{at}", "0", ""] for at in (2, 3, 4))]
    write_text(tmp_path / "visits.csv", [["participant_id", "baseline", "month 24"], *rows], ",")
    sessions = read_tables(open_study(tmp_path)).sessions
    assert sessions["session_id"].to_list() == ["ses-01", "ses-02", "ses-01", "ses-01", "ses-01"]
    rows[0][2] = "two"
    write_text(tmp_path / "visits.csv", [["participant_id", "baseline", "month 24"], *rows], ",")
    assert messages(tmp_path) == [
        "visits.csv row 2, column 'month 24': 'two' is not a number; write a missing value as n/a"
        ', or state its code: missing = ["two"] below [tables.sessions]'
    ]


@pytest.mark.parametrize("suffix", [".csv", ".xlsx", ".parquet"])
def test_every_format_gives_the_same_tables(tmp_path, suffix):
    tsv = read_tables(open_study(write_tables(tmp_path / "tsv")))
    other = write_tables(tmp_path / "other", toml=TOML.replace('lesions.tsv"', f'lesions{suffix}"'))
    header, *rows = tables()["lesions"]
    frame = pd.DataFrame(rows, columns=header).astype({"label": "int64"})
    path = other / f"lesions{suffix}"
    writers = {".csv": frame.to_csv, ".xlsx": frame.to_excel, ".parquet": frame.to_parquet}
    writers[suffix](path, index=False)
    (other / "lesions.tsv").unlink()
    pd.testing.assert_frame_equal(read_tables(open_study(other)).lesions, tsv.lesions)


# Columns by what breaks a cell of theirs, in every table.
BROKEN = {
    "participant_id": ["a b", "sub/1", "sub-é", ""],
    "session_id": ["ses_1", "-1", "n/a"],
    "lesion_id": ["", "n/a"],
    "rater_id": [""],
    "brain_id": ["NA"],
    "label": ["", "0", "-1", "2.0", "1e1", "x", "1_0", "٣"],
    "lesion_type": ["rim", "rim-", "0", "?"],
    "index_test": ["remyelinated"],
    "reference_standard": ["isointense"],
    "years": ["", "-1", "51", "two", "nan1", "infinity"],
    "group": ["", "0", "patientt"],
    "age": ["-1", "121", "old", "1,5", "0x10"],
    "sex": ["Q", "1"],
}


@st.composite
def corruptions(draw) -> tuple[str, int, str, str]:
    content = tables()
    name = draw(st.sampled_from(sorted(content)))
    column = draw(st.sampled_from([item for item in content[name][0] if item in BROKEN]))
    if name == "sessions" and column == "participant_id":
        column = "session_id"  # the participant is the name of the file there
    row = draw(st.integers(2, len(content[name])))
    return name, row, column, draw(st.sampled_from(BROKEN[column]))


@given(corruptions())
@settings(max_examples=20, deadline=None)
def test_any_corrupted_cell_is_reported_at_its_row_and_column(tmp_path_factory, corruption):
    name, row, column, value = corruption
    content = tables()
    change(name, row, column, value)(content)
    folder = write_tables(tmp_path_factory.mktemp("study"), content)
    file, line = f"{name}.tsv", row
    if name == "sessions":
        participant = content[name][row - 1][0]
        file = f"{participant}/{participant}_sessions.tsv"
        own = [at for at, cells in enumerate(content[name]) if cells[0] == participant]
        line = own.index(row - 1) + 2
    found = table_problems(open_study(folder))
    shutil.rmtree(folder)
    assert (file, line, column) in [(item.table, item.row, item.column) for item in found]
    key_of_others = name != "ratings" and column in {"participant_id", "session_id"}
    if not key_of_others:  # the rows that pointed at a key are strangers then, and say so
        assert len(found) == 1


AGES = st.floats(5, 95) | st.integers(5, 95).map(float) | st.none()


@st.composite
def valid_studies(draw) -> dict[str, Table]:
    content = tables(patients=draw(st.integers(1, 3)), lesions=draw(st.integers(1, 6)))
    for row in content["participants"][1:]:
        age = draw(AGES)
        row[2] = "n/a" if age is None else repr(age)
        row[3] = draw(st.sampled_from(["F", "M", "female", "m", "n/a"]))
        row[4] = draw(st.text("abc äß_-", min_size=1).map(str.strip).filter(bool))
    for row in content["lesions"][1:]:
        row[4] = draw(st.sampled_from([*TYPES, "n/a"]))
    years = draw(st.floats(0.001, 10))
    content["sessions"][2][2] = repr(years)
    return content


def expected(table: Table, column: str) -> list[object]:
    words = [row[table[0].index(column)] for row in table[1:]]
    return [None if word == "n/a" else word for word in words]


@given(valid_studies())
@settings(max_examples=15, deadline=None)
def test_any_valid_study_is_read_as_written(tmp_path_factory, content):
    folder = write_tables(tmp_path_factory.mktemp("study"), copy.deepcopy(content))
    read = read_tables(open_study(folder))
    shutil.rmtree(folder)
    ages = [
        None if age is None else float(str(age)) for age in expected(content["participants"], "age")
    ]
    assert (
        read.participants["age"]
        .astype(object)
        .where(read.participants["age"].notna(), None)
        .to_list()
        == ages
    )
    centers = [row[4] for row in content["participants"][1:]]
    assert read.participants["center"].to_list() == centers
    kinds = read.lesions["lesion_type"].astype(object)
    assert kinds.where(kinds.notna(), None).to_list() == expected(content["lesions"], "lesion_type")
    assert read.lesions["label"].to_list() == [int(row[3]) for row in content["lesions"][1:]]
    assert read.sessions["years"].to_list() == [float(row[2]) for row in content["sessions"][1:]]


def test_what_can_be_read_is_there_beside_the_problems(tmp_path):
    content = tables()
    change("lesions", 4, "label", "x")(content)
    content["lesions"][6].pop()
    loaded = load_tables(open_study(write_tables(tmp_path, content)))
    lesions = loaded.frames["lesions"]
    assert lesions.isna().sum(axis=1)[lambda count: count > 0].to_dict() == {2: 1, 5: 5}
    assert pd.isna(lesions.loc[2, "label"])
    assert lesions.dtypes.astype(str).to_list() == ["str", "str", "str", "Int64", "category"]
    assert len(loaded.frames["sessions"]) == 5
