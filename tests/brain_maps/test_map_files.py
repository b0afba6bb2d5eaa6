"""Names of files."""

from __future__ import annotations

import re

from qsmstats.brain_maps.map_files import file_labels


def test_labels_are_letters_and_digits_and_stand_once():
    labels = file_labels(["a:b", "a*b", "A b", "group[T.MS]:years", "sd(years | id)", "%"])
    assert labels["group[T.MS]:years"] == "groupMSYears"
    assert labels["sd(years | id)"] == "sdYearsId"
    assert len({one.lower() for one in labels.values()}) == 6
    assert all(re.fullmatch(r"[A-Za-z0-9]+", one) for one in labels.values())
