"""Missing codes, decimal commas and capped numbers, as study.toml states them."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from qsmstats.study import TableSpec
from qsmstats.tables.conversion import code_notes, converted, standing_out, without_codes
from qsmstats.tables.raw_table import RawTable


def raw(name: str = "participants", **columns: list[str]) -> RawTable:
    cells = pd.DataFrame(columns, dtype="str")
    places = pd.DataFrame({"file": "t.tsv", "row": range(2, len(cells) + 2)})
    return RawTable(name=name, file="t.tsv", cells=cells, places=places)


def spec(**entries: object) -> TableSpec:
    return TableSpec(files=("t.tsv",), **entries)  # type: ignore[arg-type]


def test_missing_values_are_one_word_and_identifiers_stay():
    words = ["N/A", "n.a.", "NULL", "#NV", ".", "<NA>", "-99", "-99.0", "unk", "", "none"]
    ids = [*map(str, range(9)), "-99", "."]
    table, problems = without_codes(
        raw(participant_id=ids, site=words), spec(missing=("-99", "unk"))
    )
    assert table.cells["site"].to_list() == ["n/a"] * 9 + ["", "none"]
    assert table.cells["participant_id"].to_list() == ids
    assert not problems


def test_a_code_that_is_nowhere_is_said():
    _, problems = without_codes(raw(participant_id=["a"], age=["30"]), spec(missing=("999",)))
    assert list(map(str, problems)) == [
        "study.toml, setting 'tables.participants.missing': no cell of t.tsv holds '999'; remove it"
    ]


def test_decimal_commas_become_points_and_a_point_is_refused():
    table, problems = converted(
        raw(
            participant_id=["1,5", "b"],
            age=["31,5", "1.500"],
            nfl=["-,5e3", "7"],
            version=["2.1", "2.2"],
            mixed=["1,5", "2.5"],
        ),
        spec(decimal=","),
    )
    assert table.cells.to_dict("list") == {
        "participant_id": ["1,5", "b"],
        "age": ["31.5", "1.500"],
        "nfl": ["-.5e3", "7"],
        "version": ["2.1", "2.2"],
        "mixed": ["1.5", "2.5"],
    }
    assert not problems
    text = "has a point, and the decimal sign stated is a comma; write it with a comma"
    assert {at: words.split("; write")[0] for at, words in table.faults.items()} == {
        (1, "age"): f"'1.500' {text}".split("; write")[0],
        (1, "mixed"): f"'2.5' {text}".split("; write")[0],
    }


def test_codes_for_missing_values_stand_out():
    assert standing_out(["0", "1.5", "3", "-1", "-99", "99", "x"]) == ["-1", "-99", "99"]
    # 99 may be a value where others reach 60; a scale from -3 has a -1; 1 and 2 are codes.
    assert standing_out([*map(str, range(0, 60, 10)), "99"]) == []
    assert standing_out(["-3", "-1", "0", "2"]) == []
    assert standing_out(["1", "2", "99"]) == []
    table = raw(
        participant_id=[*"abcdef"],
        age=["31", "32", "33", "34", "-99", "-99"],
        nfl=["12", "9.5", "14", "-99", "-99", "n/a"],
        site=["1", "2", "3", "4", "999", ""],
    )
    assert [*map(str, code_notes(replace(table, texts=("site",))))] == [
        "t.tsv, column 'nfl': 2 cells hold -99, the others 9.5 to 14; if it stands for a missing "
        'value, write missing = ["-99"] below [tables.participants]'
    ]


@pytest.mark.parametrize("word", ["89+", "89 +", ">89", "> 89", "≥89", ">=89"])
def test_a_capped_number_is_entered_as_stated(word):
    table, problems = converted(
        raw(participant_id=list("ab"), age=[word, "42"]), spec(capped={"age": 89})
    )
    assert table.cells["age"].to_list() == ["89", "42"]
    assert not problems
    assert not table.faults


def test_a_cap_that_the_column_contradicts_is_said():
    table, problems = converted(
        raw(participant_id=list("abc"), age=["89+", "90+", "91"]), spec(capped={"age": 89})
    )
    assert not problems
    assert table.faults == {
        (1, "age"): "'90+' is not capped at 89, as study.toml states; correct one of the two",
        (2, "age"): "'91' is not capped at 89, as study.toml states; correct one of the two",
    }
    _, problems = converted(raw(participant_id=["a"], age=["30"]), spec(capped={"age": 89}))
    assert list(map(str, problems)) == [
        "study.toml, setting 'tables.participants.capped.age': no cell of t.tsv is written as "
        "'89+' or '>89'; remove it"
    ]
