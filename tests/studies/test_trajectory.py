from __future__ import annotations

import numpy as np
import pytest

from qsmstats import trajectories
from qsmstats.errors import NotIdentifiedError
from qsmstats.settings import ModelSettings

from .conftest import SLOPES


@pytest.fixture(scope="module")
def answer(lesions):
    return trajectories(lesions, "mwf_percent")


def test_true_slopes_lie_within_their_error(answer):
    table = answer.slopes.set_index("lesion_type")
    for kind, slope in SLOPES.items():
        row = table.loc[kind]
        # Five slopes of one data set: three standard errors hold all of them 98.7 % of the time,
        # and the seed is fixed.
        assert abs(row["estimate"] - slope) < 3 * row["std_error"]


def test_two_year_changes_are_twice_the_slopes(answer):
    slopes = answer.slopes.set_index("lesion_type")
    changes = answer.changes.set_index("lesion_type")
    for column in ("estimate", "std_error", "conf_low", "conf_high"):
        np.testing.assert_allclose(changes[column], 2 * slopes[column], rtol=1e-8)


def test_tests_of_slopes_are_adjusted_over_types(answer):
    for table in (answer.slopes, answer.changes):
        p, adjusted = table["p_value"], table["p_adjusted"]
        assert np.all((adjusted > p) & (adjusted <= np.minimum(1, 5 * p)))
        excluded = table["conf_low_adjusted"] * table["conf_high_adjusted"] > 0
        np.testing.assert_array_equal(excluded, adjusted < 0.05)
        assert excluded.nunique() == 2


def test_patients_seen_once_are_left_out_and_counted(lesions, answer):
    assert set(answer.fit.info.n_groups) == {"participant_id", "participant_id:lesion_id"}
    assert answer.fit.info.n_groups["participant_id"] == 14
    assert answer.notes[0].startswith("14 of 24 participants")
    assert "matching.tsv" not in "".join(answer.notes)


def test_a_lesion_keeps_the_type_of_its_first_session(lesions):
    changed = lesions.copy()
    second = changed.index[(changed["participant_id"] == "sub-000") & (changed["years"] > 0)][0]
    kinds = list(changed["lesion_type"].cat.categories)
    old = changed.loc[second, "lesion_type"]
    changed.loc[second, "lesion_type"] = kinds[(kinds.index(old) + 1) % 5]
    changed.attrs["matches"] = "80 same, 2 merged"  # as `tidy_lesions` leaves it
    answer = trajectories(changed)
    assert "Lesions that changed type and keep that of their first session: 1." in answer.notes
    assert "from session to session: 80 same, 2 merged; matching.tsv" in "".join(answer.notes)
    np.testing.assert_allclose(
        answer.slopes["estimate"], trajectories(lesions).slopes["estimate"], rtol=1e-12
    )


def test_the_methods_text_names_the_degrees_of_freedom_that_were_used(lesions):
    answer = trajectories(lesions, settings=ModelSettings(df="kenward-roger"))
    assert "Kenward" in answer.methods
    assert "Satterthwaite" not in answer.methods


def test_one_visit_cannot_tell_a_change(lesions):
    with pytest.raises(NotIdentifiedError, match="one visit cannot tell a change"):
        trajectories(lesions[lesions["years"] == 0])
