"""Identifiers that are the same but for zeros, capitals and ``sub-``."""

from __future__ import annotations

import pytest

from qsmstats.checks.identifiers import other_spelling
from qsmstats.study import Study


@pytest.mark.parametrize(
    ("names", "words", "said"),
    [
        (["sub-01", "sub-02"], ["01", "02"], 'write pattern = "img/sub-{participant}/a.nii"'),
        (["MS_001", "MS_010"], ["ms_1", "ms_10"], "'ms_1' in the tables is 'MS_001' in the folder"),
        (["007", "008"], ["7", "8"], "write match_ids = true below [tables.participants]"),
        (["001", "01"], ["1"], None),
        (["001"], ["1", "01"], None),
        (["001"], ["1", "2"], None),
        (["P1", "P2"], ["P1", "P2"], None),
    ],
)
def test_only_identifiers_that_match_one_to_one_are_named(tmp_path, names, words, said):
    for name in names:
        (tmp_path / "img" / name).mkdir(parents=True)
    study = Study(folder=tmp_path, name="", labels="", maps=(), tissue={}, tables={})
    found = other_spelling(study, "img/{participant}/a.nii", words)
    assert (said or "None") in str(found)


def test_a_folder_that_is_not_there_says_nothing(tmp_path):
    study = Study(folder=tmp_path, name="", labels="", maps=(), tissue={}, tables={})
    assert other_spelling(study, "{session}/{participant}/a.nii", ["P1"]) is None
    assert other_spelling(study, "img/{participant}/a.nii", ["P1"]) is None
