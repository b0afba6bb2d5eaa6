"""What a plan accepts, and what it says of what it does not."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pandas as pd
import pytest

from qsmstats.errors import ModelError, NotIdentifiedError, UsageError
from qsmstats.mixed.model import MixedModel
from qsmstats.studies.planning.assumptions import TrialAssumptions
from qsmstats.studies.planning.design import Dropout, TrialDesign
from qsmstats.studies.planning.patients import check_trial


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"annual_rate": 1.0}, "annual_rate=1.0"),
        ({"annual_rate": -0.1}, "annual_rate=-0.1"),
        ({"annual_rate": float("nan")}, "annual_rate=nan"),
        ({"treatment_ratio": 0.0}, "treatment_ratio=0.0"),
        ({"low_mean_ratio": -2.0}, "low_mean_ratio=-2.0"),
    ],
)
def test_impossible_dropout(given, said):
    with pytest.raises(UsageError, match=said):
        Dropout(**given)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"visits": ()}, "visits: none; a change needs at least two"),
        ({"visits": (0.0,)}, "visits: 0; a change needs at least two"),
        ({"visits": 2}, "visits: 2; a change needs at least two"),
        ({"visits": (0.0, 2.0, 1.0)}, "visits: 0, 2, 1; give years in increasing order"),
        ({"visits": (1.0, 2.0)}, "the first at 0"),
        ({"allocation": 0.0}, "allocation=0.0"),
        ({"lesions": {"isointense": 0}}, "no lesion at all"),
        ({"lesions": {"isointense": -2}}, "-2 lesions of type 'isointense'"),
        ({"target": ()}, "target is empty"),
        ({"target": {"isointense": -1.0}}, "at least one positive"),
        ({"baseline": "none"}, 'baseline must be "constrained" or "free", not'),
        ({"df": "normal"}, 'df must be "satterthwaite" or "kenward-roger", not'),
        ({"significance": 1.0}, "significance=1.0"),
    ],
)
def test_impossible_designs(given, said):
    with pytest.raises(UsageError, match=said):
        TrialDesign(**given)


def test_a_single_target_is_a_type_and_not_its_letters(mixed):
    assert TrialDesign(target="isointense") == TrialDesign(target=("isointense",))
    with pytest.raises(NotIdentifiedError, match="the effect on paramagnetic_rim cannot be"):
        check_trial(mixed, TrialDesign(target="paramagnetic_rim"), 40)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"patient_sd": -1.0}, "patient_sd=-1.0"),
        ({"slope_sd": float("inf")}, "slope_sd=inf"),
        ({"residual_sd": 0.0}, "residual_sd=0"),
        ({"correlation": 1.2}, "correlation=1.2"),
        ({"lesions": {"isointense": 1.5}}, "1.5 lesions of type 'isointense'"),
        ({"lesions": {"isointense": 0}}, "no patient has a lesion"),
        ({"lesions": pd.DataFrame()}, "lesions is empty"),
        ({"slopes": {"hyperintense": 1.0}}, "'hyperintense' has a slope or mean, but lesions has"),
    ],
)
def test_impossible_assumptions(alike, given, said):
    with pytest.raises(UsageError, match=said):
        dataclasses.replace(alike, **given)


def test_trials_that_cannot_be_analysed(alike, mixed):
    with pytest.raises(UsageError, match="each arm has at least 2 patients"):
        check_trial(alike, TrialDesign(allocation=0.1), 10)
    # Six means and slopes, an effect on the targets and one on the others, five variances.
    with pytest.raises(UsageError, match="12 patients in both arms are too few for 13 parameters"):
        check_trial(mixed, TrialDesign(), 6)
    check_trial(mixed, TrialDesign(), 7)
    with pytest.raises(NotIdentifiedError, match="effect on paramagnetic_rim cannot be estimated"):
        check_trial(mixed, TrialDesign(target=("paramagnetic_rim",)), 40)
    single = dataclasses.replace(alike, lesions={"isointense": 1})
    with pytest.raises(NotIdentifiedError, match="one lesion per patient and two visits"):
        check_trial(single, TrialDesign(visits=(0.0, 1.0)), 40)


def test_the_contrast_pools_the_targets_or_weighs_them(mixed):
    pooled = TrialDesign()
    assert pooled.group("isointense") == pooled.group("hypointense") != pooled.group("hyperintense")
    # 23 isointense lesions and 7 hypointense ones, with slopes 0.3 and 0.6.
    assert mixed.target_slope(pooled) == pytest.approx((23 * 0.3 + 7 * 0.6) / 30)
    weighted = TrialDesign(target={"isointense": 0.5, "hypointense": 0.5, "hyperintense": -1.0})
    assert mixed.target_slope(weighted) == pytest.approx(0.45)
    shares = {name: weighted.shares_of_effect(name) for name in mixed.counts}
    assert shares == {"isointense": 1.0, "hypointense": 1.0, "hyperintense": 0.0}


def test_a_plan_travels_between_processes(mixed):
    design = TrialDesign(lesions={"isointense": 3}, dropout=Dropout(annual_rate=0.1))
    assert pickle.loads(pickle.dumps(design)) == design
    again = pickle.loads(pickle.dumps(mixed))
    pd.testing.assert_frame_equal(again.counts, mixed.counts)


MODEL = (
    "mwf_percent ~ lesion_type * years + age + sex"
    " + (1 + years | participant_id) + (1 | participant_id:lesion_id)"
)


@pytest.fixture(scope="module")
def fit(lesions):
    return MixedModel(MODEL).fit(lesions[lesions["participant_id"] < "sub-014"])


def test_assumptions_come_from_a_fit_with_their_limits(fit, lesions):
    found = TrialAssumptions.from_fit(fit, interval="delta")
    table = found.table().set_index("quantity")
    variances = fit.variance_table(interval="delta")
    slope = variances[(variances["term"] == "years") & (variances["other_term"] == "")].iloc[0]
    assert table.loc["slope_sd", "estimate"] == slope["std_dev"]
    assert tuple(table.loc["slope_sd", ["conf_low", "conf_high"]]) == (
        slope["conf_low"],
        slope["conf_high"],
    )
    slopes = fit.slopes("years", by="lesion_type").set_index("lesion_type")
    assert table.loc["slope isointense", "conf_low"] == slopes.loc["isointense", "conf_low"]
    assert table.loc["slope isointense", "unit"] == "percent per year"
    assert found.outcome == "mwf_percent"
    assert set(table["source"]) == {"estimated from 14 patients, 95 % limits"}
    first = lesions[(lesions["participant_id"] < "sub-014") & (lesions["years"] == 0)]
    assert found.counts.to_numpy().sum() == len(first)
    assert len(found.counts) == 14
    assert np.isfinite(table["conf_low"]).sum() == 15  # five variances, five slopes, five means


def test_lesions_are_counted_at_the_first_session_and_at_no_later_one(lesions):
    followed = lesions[lesions["participant_id"] < "sub-014"]
    unread = (followed["participant_id"] == "sub-003") & (followed["years"] == 0)
    found = TrialAssumptions.from_fit(MixedModel(MODEL).fit(followed[~unread]), interval=None)
    assert "sub-003" not in found.counts.index
    assert found.counts.to_numpy().sum() == ((followed["years"] == 0) & ~unread).sum()


def test_a_model_of_a_logarithm_plans_on_the_scale_of_the_logarithm(lesions):
    followed = lesions[lesions["participant_id"] < "sub-014"]
    formula = MODEL.replace("mwf_percent", "log(mwf_percent)", 1)
    found = TrialAssumptions.from_fit(MixedModel(formula).fit(followed), interval=None)
    units = found.table().set_index("quantity")["unit"]
    assert units["slope isointense"] == "log(mwf_percent) per year"
    assert units["residual_sd"] == "log(mwf_percent)"


def test_a_type_seen_once_only_has_no_slope_and_stops_nothing(lesions):
    followed = lesions[lesions["participant_id"] < "sub-014"]
    once = (followed["lesion_type"] == "hypointense") & (followed["years"] > 0)
    found = TrialAssumptions.from_fit(MixedModel(MODEL).fit(followed[~once]), interval=None)
    assert "hypointense" not in found.slopes
    assert found.counts["hypointense"].sum() > 0
    assert found.target_slope(TrialDesign()) == found.slopes["isointense"]
    assert found.table()["estimate"].notna().all()


def test_a_model_without_what_a_plan_needs_is_refused(lesions):
    followed = lesions[lesions["participant_id"] < "sub-014"]
    for formula, said in (
        (MODEL.replace("1 + years |", "1 |"), r"no random term \(1 \+ years \| participant_id\)"),
        (MODEL.replace("lesion_type * years", "lesion_type"), "lacks years"),
    ):
        with pytest.raises(ModelError, match=said):
            TrialAssumptions.from_fit(MixedModel(formula).fit(followed))
    late = MixedModel(MODEL).fit(followed.assign(years=followed["years"] + 1))
    with pytest.raises(ModelError, match="no row with years 0, the first session"):
        TrialAssumptions.from_fit(late, interval=None)
