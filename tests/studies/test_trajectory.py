from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from qsmstats import trajectories
from qsmstats.errors import ModelError, NoDataError, NotIdentifiedError
from qsmstats.settings import ModelSettings

from .conftest import SLOPES, check_agreement


@pytest.fixture
def answer(trajectory):
    return trajectory


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


def test_means_end_with_the_follow_up(answer):
    last = answer.residuals["years"].max()
    assert list(answer.means["years"].unique()) == [year for year in (0, 1, 2) if year < last] + [
        last
    ]


def test_tests_of_slopes_are_adjusted_over_types(answer):
    for table in (answer.slopes, answer.changes):
        p, adjusted = table["p_value"], table["p_adjusted"]
        assert np.all((adjusted > p) & (adjusted <= np.minimum(1, 5 * p)))
        excluded = table["conf_low_adjusted"] * table["conf_high_adjusted"] > 0
        np.testing.assert_array_equal(excluded, adjusted < 0.05)
        assert excluded.nunique() == 2


def test_patients_seen_once_are_left_out_and_counted(lesions, answer):
    groups = {"participant_id", "participant_id:lesion_type", "participant_id:lesion_id"}
    assert set(answer.fit.info.n_groups) == groups
    assert answer.fit.info.n_groups["participant_id"] == 14
    assert answer.notes[0].startswith("14 of 24 participants")
    assert "matching.tsv" not in "".join(answer.notes)


def test_a_lesion_keeps_the_type_of_its_first_session(lesions, trajectory):
    changed = lesions.copy()
    second = changed.index[(changed["participant_id"] == "sub-000") & (changed["years"] > 0)][0]
    kinds = list(changed["lesion_type"].cat.categories)
    old = changed.loc[second, "lesion_type"]
    changed.loc[second, "lesion_type"] = kinds[(kinds.index(old) + 1) % 5]
    # As `tidy_lesions` leaves it; no image of a 25th participant could be read.
    changed.attrs |= {"matches": "80 same, 2 merged", "n_unmeasured": 1}
    answer = trajectories(changed)
    assert answer.notes[0].startswith("14 of 25 participants with lesions")
    said = " ".join(answer.notes)
    assert "changed type, analysed with the type of their first session: 1." in said
    assert "(80 same, 2 merged; matching.tsv lists them)" in said
    np.testing.assert_allclose(answer.slopes["estimate"], trajectory.slopes["estimate"], rtol=1e-12)


def test_the_methods_text_names_the_degrees_of_freedom_that_were_used(lesions):
    answer = trajectories(lesions, settings=ModelSettings(df="kenward-roger"))
    assert "Kenward" in answer.methods
    assert "Satterthwaite" not in answer.methods


def test_one_visit_cannot_tell_a_change(lesions):
    with pytest.raises(NoDataError, match="a change cannot be estimated from one visit"):
        trajectories(lesions[lesions["years"] == 0])


@pytest.mark.parametrize("kept", ["first", "last"])
def test_values_at_one_visit_cannot_tell_a_change_whatever_the_years_between_patients(
    lesions, kept
):
    first = lesions["years"] == 0
    values = lesions["mwf_percent"].where(first if kept == "first" else ~first)
    with pytest.raises(NotIdentifiedError, match="no participant has values of mwf_percent at two"):
        trajectories(lesions.assign(mwf_percent=values))


def test_lesions_without_types_and_of_one_type_are_told_from_those_seen_once(lesions):
    with pytest.raises(NoDataError, match=r"no lesion of the \d+ participants with follow-up has"):
        trajectories(lesions.assign(lesion_type=None))
    with pytest.raises(NoDataError, match="have the lesion type isointense"):
        trajectories(lesions[lesions["lesion_type"] == "isointense"])
    with pytest.raises(ModelError, match="mwf_percent has no value in any"):
        trajectories(lesions.assign(mwf_percent=np.nan))


def test_every_adjusted_p_has_its_interval(answer):
    for table in (answer.slopes, answer.changes, answer.slope_contrasts):
        check_agreement(table)
    for name in ("conf_low_adjusted", "conf_high_adjusted"):
        np.testing.assert_allclose(answer.changes[name], 2 * answer.slopes[name], rtol=1e-6)


def test_every_number_is_that_of_the_rows_that_the_model_used(holes):
    complete = holes[holes["age"].notna() & holes["sex"].notna()]
    settings = ModelSettings(
        trajectory="{outcome} ~ lesion_type * years + age + sex + (1 | participant_id)"
    )
    answer = trajectories(holes, settings=settings)
    peer = trajectories(complete, settings=settings)
    for name in ("counts", "slopes", "changes", "means", "residuals"):
        pd.testing.assert_frame_equal(getattr(answer, name), getattr(peer, name))
    assert answer.counts["n"].sum() == answer.fit.info.n_obs == len(answer.residuals)
    last, first = answer.flow.iloc[-1], answer.flow.iloc[0]
    assert last["n_observations"] == answer.fit.info.n_obs
    assert last["n_participants"] == 11 < answer.flow["n_participants"].iloc[1] == 14
    assert first["n_participants"] == 24
    assert "age" in last["note"]
    assert "sex" in last["note"]
    note = answer.notes[-1]
    assert note.startswith("The model leaves out ")
    assert note.endswith("including all those of 3 participants.")


def test_slopes_of_a_logarithm_are_per_cent_a_year(lesions):
    settings = ModelSettings(
        trajectory="log({outcome}) ~ lesion_type * years + (1 | participant_id)"
    )
    answer = trajectories(lesions, settings=settings)
    link = answer.fit.slopes("years", by="lesion_type")
    np.testing.assert_allclose(
        answer.slopes["estimate"], 100 * (np.exp(link["estimate"]) - 1), rtol=1e-10
    )
    assert set(answer.slopes["quantity"]) == {"relative change"}
    assert set(answer.slopes["unit"]) == {"percent per year"}
    means = answer.means.set_index(["years", "lesion_type"])["estimate"]
    np.testing.assert_allclose(
        answer.changes["estimate"], (means[2.0] / means[0.0]).to_numpy(), rtol=1e-8
    )
    assert answer.changes["contrast"].iloc[0] == "2.0 / 0.0"
    for table in (answer.slopes, answer.changes, answer.slope_contrasts):
        check_agreement(table)


def test_a_type_that_is_missing_at_one_session_is_no_change_of_type(lesions):
    untyped = lesions.copy()
    later = (untyped["participant_id"] == "sub-000") & (untyped["years"] > 0)
    untyped.loc[untyped.index[later][:2], "lesion_type"] = None
    settings = ModelSettings(trajectory="{outcome} ~ lesion_type * years + (1 | participant_id)")
    assert "changed type" not in "".join(trajectories(untyped, settings=settings).notes)
