"""Identifiers that differ in capitals, prefix and leading zeros only."""

from __future__ import annotations

import pandas as pd
import pytest

from qsmstats.tables.identifiers import bare, matched
from qsmstats.tables.raw_table import RawTable


def raw(*words: str) -> RawTable:
    cells = pd.DataFrame({"participant_id": list(words)}, dtype="str")
    places = pd.DataFrame({"file": "l.tsv", "row": range(2, len(cells) + 2)})
    return RawTable(name="lesions", file="l.tsv", cells=cells, places=places)


def test_what_does_not_tell_identifiers_apart():
    assert {bare(word) for word in ("sub-007", "sub_7", "SUB-07", "7", "007")} == {"7"}
    assert bare("000") == "0"
    assert {bare(word) for word in ("MS_001", "ms1", "MS-01", "Ms 1")} == {"ms-1"}
    # What separates numbers tells them apart; a letter more does too.
    assert len({bare(word) for word in ("1-10", "11-0", "110", "1-100", "MS-10", "MSB-10")}) == 6


@pytest.mark.parametrize(
    ("words", "known", "stated", "cells"),
    [
        (["1", "2", "1"], ["sub-01", "sub-02"], True, ["sub-01", "sub-02", "sub-01"]),
        (["ms_01", "MS_02"], ["MS_01", "MS_02"], True, ["MS_01", "MS_02"]),
        (["1", "9"], ["001", "002"], True, ["001", "9"]),
        # Two that match one, and one that matches two, are left to be reported.
        (["1", "01"], ["001"], True, ["1", "01"]),
        (["1", "001"], ["001"], True, ["1", "001"]),
        (["1"], ["01", "001"], True, ["1"]),
        (["P1", "p02"], ["P001", "P002"], True, ["P001", "P002"]),
        (["MS_1"], ["MS_001", "MS_010"], True, ["MS_001"]),
        # Letters may be left out on one side, and are no others.
        (["1", "2"], ["P001", "P002"], True, ["P001", "P002"]),
        (["P001"], ["1", "2"], True, ["1"]),
        (["A1"], ["B1"], True, ["A1"]),
        (["1", "3"], ["P001", "H001", "P003"], True, ["1", "P003"]),
    ],
)
def test_only_what_matches_one_to_one_is_replaced(words, known, stated, cells):
    table, problems, _ = matched(raw(*words), "participant_id", known, "x.tsv", stated=stated)
    assert table.cells["participant_id"].to_list() == cells
    assert all("do not match one to one" in str(one) for one in problems)


@pytest.mark.parametrize(
    ("words", "known", "why"),
    [
        (["1", "2"], ["H001", "P001"], "1 of 2 identifiers differ from those of p.tsv only in"),
        (["1", "2"], ["H001", "P001"], "one to one: '1' may be H001 or P001; write them in full"),
        (
            ["P1", "P01"],
            ["P001"],
            "one to one: 'P01' and 'P1' may both be P001; write them in full",
        ),
    ],
)
def test_why_identifiers_do_not_match_one_to_one_is_said(words, known, why):
    _, problems, _ = matched(raw(*words), "participant_id", known, "p.tsv", stated=False)
    assert len(problems) == 1
    assert why in str(problems[0])


def test_without_the_setting_the_difference_is_one_problem_with_the_line_to_write():
    table, problems, count = matched(
        raw("1", "2", "2", "sub-3"),
        "participant_id",
        ["sub-1", "sub-2", "sub-3"],
        "p.tsv",
        stated=False,
    )
    assert count == 2
    assert list(map(str, problems)) == [
        "l.tsv, column 'participant_id': 2 of 3 identifiers differ from those of p.tsv only in "
        "capitals, prefix or leading zeros ('1' and 'sub-1'), and match one to one; if they "
        "are the same, write match_ids = true below [tables.lesions]"
    ]
    assert table.cells["participant_id"].to_list() == ["sub-1", "sub-2", "sub-2", "sub-3"]
