"""Values that are likely another unit are problems until study.toml confirms them."""

from __future__ import annotations

from pathlib import Path

import pytest

from qsmstats.errors import InvalidDataError
from qsmstats.schemas import load_schema, plausible_ranges
from qsmstats.study_file import open_study
from qsmstats.tables.read import read_tables
from tests.study_folder import TOML, table_problems, tables, write_tables


def study(folder: Path, changes: dict[tuple[str, int, str], str], toml: str = "") -> Path:
    """Write a study with some cells changed; (table, row as an editor counts, column) -> word."""
    content = tables()
    for (name, row, column), word in changes.items():
        header = content[name][0]
        if column not in header:
            for line in content[name]:
                line.append(column if line is header else "n/a")
        content[name][row - 1][header.index(column)] = word
    return write_tables(folder, content, TOML + toml)


def messages(folder: Path) -> list[str]:
    return list(map(str, table_problems(open_study(folder))))


@pytest.mark.parametrize(
    ("place", "word", "limits"),
    [
        (("sessions", 3, "years"), "12", "0 to 10 year"),
        (("sessions", 3, "years"), "25.2", "0 to 10 year"),
        (("participants", 2, "age"), "0", "5 to 95 year"),
        (("participants", 2, "age"), "101", "5 to 95 year"),
        (("participants", 2, "disease_duration"), "61", "0 to 60 year"),
        (("histology", 2, "mwf_percent"), "75", "0 to 60 percent"),
        (("histology", 2, "rim_contrast_ppb"), "-501", "-500 to 500 ppb"),
    ],
)
def test_a_value_outside_the_range_is_a_problem_until_it_is_confirmed(
    tmp_path, place, word, limits
):
    found = messages(study(tmp_path, {place: word}))
    assert len(found) == 1
    assert f"column '{place[2]}': is outside {limits}, the plausible range" in found[0]
    months = '(months: years = { column = "years", unit = "months" } below [tables.sessions])'
    assert (months in found[0]) == (place[0] == "sessions")
    line = found[0].partition("study.toml: ")[2].partition(" below")[0]
    study(tmp_path, {place: word}, f"\n[plausible]\n{line}\n")
    assert messages(tmp_path) == []


@pytest.mark.parametrize(
    ("place", "word"),
    [
        (("sessions", 3, "years"), "10"),
        (("participants", 2, "age"), "5"),
        (("participants", 2, "age"), "n/a"),
        (("participants", 2, "edss"), "0"),
    ],
)
def test_a_value_at_the_end_of_the_range_and_a_missing_one_pass(tmp_path, place, word):
    assert messages(study(tmp_path, {place: word})) == []


def test_a_column_in_months_is_one_problem(tmp_path):
    content = tables()
    content["sessions"] += [["sub-02", "ses-02", "25.2"], ["sub-02", "ses-03", "36"]]
    folder = write_tables(tmp_path, content, TOML.replace("{participant}/{participant}_", ""))
    rows = content["sessions"]
    (folder / "sessions.tsv").write_text("".join("\t".join(row) + "\n" for row in rows))
    found = messages(folder)
    assert len(found) == 1
    assert "(the column has 0 to 36)" in found[0]
    assert found[0].endswith("(and row 8)")


def test_a_narrower_range_of_study_toml_counts_too(tmp_path):
    folder = study(tmp_path, {}, "\n[plausible]\nage = [18, 31]\n")
    assert "is outside 18 to 31 year" in messages(folder)[0]


@pytest.mark.parametrize(
    "limits",
    [
        *("90", "[90]", "[1, 2, 3]", "[9, 5]", "[5, 5]", '["a", "b"]', "[nan, 9]", "[0, inf]"),
        *("[false, true]", f"[0, 1{'0' * 400}]", "{ low = 1 }"),
    ],
)
def test_a_range_is_two_numbers_in_order(tmp_path, limits):
    folder = study(tmp_path, {}, f"\n[plausible]\nage = {limits}\n")
    with pytest.raises(InvalidDataError, match=r"'plausible.age': found .*; write the lowest"):
        open_study(folder)


def test_what_no_one_can_be_is_not_confirmed(tmp_path):
    toml = "\n[plausible]\nage = [0, 500]\n"
    found = messages(study(tmp_path, {("participants", 2, "age"): "300"}, toml))
    assert found == [
        "participants.tsv row 2, column 'age': 300 is above the maximum, 120 (unit: year); correct "
        "it"
    ]


def test_ranges_lie_within_what_the_schema_allows():
    for name in ("participants", "sessions", "histology"):
        for item in load_schema(name).descriptor["fields"]:
            if item["type"] == "number":
                limits = item.get("constraints", {})
                low, high = plausible_ranges().get(
                    item["name"], (limits["minimum"], limits["maximum"])
                )
                assert limits["minimum"] <= low < high <= limits["maximum"]


FREE = {("ratings", "rater_id"), ("histology", "brain_id"), ("histology", "lesion_id")}


@pytest.mark.parametrize(
    ("table", "column", "word"),
    [
        *(
            ("lesions", "lesion_id", word)
            for word in ("L 1", "L1\x01", "#1", "-1", "L/1", "L'", "=1")
        ),
        *(("ratings", "lesion_id", word) for word in ("L 1", "L" * 65)),
        *(("ratings", "rater_id", word) for word in ("r;1", "=r", "r\u202e1", "_r")),
        *(("histology", "brain_id", word) for word in ("B;1", "@B", "B" * 65)),
        *(("histology", "lesion_id", word) for word in ("1;", "*1")),
        ("sessions", "session_id", "s" * 65),
        ("participants", "participant_id", "p" * 65),
    ],
)
def test_identifiers_have_a_pattern(tmp_path, table, column, word):
    found = messages(study(tmp_path, {(table, 2, column): word}))
    shown = word.encode("ascii", "backslashreplace").decode().replace("\x01", r"\x01")
    rule = "- . _ / spaces between" if (table, column) in FREE else " between"
    assert any(
        f"column '{column}': '{shown}' is not an identifier: at most 64 letters and" in text
        and rule in text
        for text in found
    )


@pytest.mark.parametrize(
    ("table", "column", "word"),
    [
        ("ratings", "rater_id", "Dr. Müller 2"),
        ("histology", "brain_id", "NBB 2019/034"),
        ("histology", "lesion_id", "A3-2.1"),
    ],
)
def test_identifiers_that_labs_use_pass(tmp_path, table, column, word):
    assert messages(study(tmp_path, {(table, 2, column): word})) == []


@pytest.mark.parametrize("word", ["L1", "12", "lesion_1", "L-03", "1.2"])
def test_identifiers_of_lesions_that_labs_use_pass(tmp_path, word):
    content = tables()
    for name in ("lesions", "ratings"):
        at = content[name][0].index("lesion_id")
        for row in content[name][1:]:
            row[at] = word if row[at] == "L1" else row[at]
    assert len(read_tables(open_study(write_tables(tmp_path, content))).lesions) == 20


def test_a_sessions_file_with_its_header_alone_is_a_problem_of_a_control_too(tmp_path):
    folder = write_tables(tmp_path)
    for name in ("sub-03", "sub-04"):  # a patient and the control
        (folder / name / f"{name}_sessions.tsv").write_text("session_id\tyears\n")
    found = messages(folder)
    for name in ("sub-03", "sub-04"):
        path = f"{name}/{name}_sessions.tsv"
        assert f"{path}: has no rows below its header; add them" in found


def test_a_lesions_file_with_its_header_alone_says_that_there_are_none(tmp_path):
    content = tables()
    kept = [row for row in content["lesions"] if row[0] != "sub-03"]
    content["ratings"] = [row for row in content["ratings"] if row[0] != "sub-03"]
    folder = write_tables(tmp_path, content, TOML.replace('"lesions.tsv"', '"{participant}/l.tsv"'))
    for name in ("sub-01", "sub-02", "sub-03"):
        rows = [kept[0][1:], *(row[1:] for row in kept if row[0] == name)]
        (folder / name / "l.tsv").write_text("".join("\t".join(row) + "\n" for row in rows))
    assert messages(folder) == []
