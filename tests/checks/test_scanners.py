"""Scanners that the tables leave open are noted, and nothing else is."""

import pytest

from qsmstats.checks.scanners import scanner_notes
from qsmstats.tables.read import load_tables
from tests.tables.test_scanner import written


@pytest.mark.parametrize(
    ("people", "visits", "said"),
    [
        (None, None, []),
        (None, [*"AAAAA"], []),
        (None, ["A", "n/a", "A", "A", "A"], ["1 of 5 sessions (sub-01 ses-02)"]),
        (None, [*"AABBC"], ["'C' has one session only"]),
        ([*"AABB"], None, []),
        (["A", "n/a", "A", "B"], None, ["1 of 5 sessions (sub-02 ses-01)", "'B' has one session"]),
        (None, ["n/a"] * 5, []),
    ],
)
def test_sessions_without_a_scanner_and_scanners_with_one_session(tmp_path, people, visits, said):
    found = [*map(str, scanner_notes(load_tables(written(tmp_path, people=people, visits=visits))))]
    assert len(found) == len(said)
    assert all(words in text for words, text in zip(said, found, strict=True))
    assert all("row " in text for text in found)
