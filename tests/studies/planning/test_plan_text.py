"""What a plan says where something is wrong with it."""

from __future__ import annotations

import dataclasses

import pandas as pd
import pytest

from qsmstats.mixed.model import MixedModel
from qsmstats.studies.planning.design import TrialDesign
from qsmstats.studies.planning.plan_text import effect_in_words, plan_methods, plan_notes

DESIGN = TrialDesign(df="satterthwaite")
POWER = pd.DataFrame(
    {
        "patients": [10, 40],
        "simulations": 1000,
        "n_failed": [4, 0],
        "n_unconverged": [0, 1],
        "n_singular": [50, 0],
        "type_i_error": [0.082, 0.048],
        "type_i_low": [0.065, 0.036],
    }
)
SIZES = pd.DataFrame({"fraction_of_slope": [0.5]})
SENSITIVITY = pd.DataFrame(
    [
        {
            "effect": 0.1,
            "quantity": "slope_sd",
            "limit": "high",
            "patients": 20,
            "power_expected": 0.61,
            "patients_expected": None,
        }
    ]
)


@pytest.fixture(scope="module")
def fit(lesions):
    formula = (
        "mwf_percent ~ lesion_type * years"
        " + (1 + years | participant_id) + (1 | participant_id:lesion_id)"
    )
    return MixedModel(formula).fit(lesions[lesions["participant_id"] < "sub-014"])


def notes(mixed, fit, design=DESIGN, **intervals):
    limits = {"slope_sd": (0.1, 0.3), "slope isointense": (0.2, 0.4), **intervals}
    truth = dataclasses.replace(mixed, intervals=limits)
    return " ".join(plan_notes(truth, design, fit, SIZES, SENSITIVITY, POWER))


def test_what_a_plan_warns_of(mixed, fit):
    said = notes(mixed, fit)
    assert "0.15 (0.1 to 0.3, stated)" in said
    assert "has a power of 61% for an effect of 0.1, and more than were considered" in said
    assert (
        "With 10 patients in the control arm Satterthwaite's test exceeds its nominal 5% level"
        in said
    )
    assert "--df kenward-roger" in said
    assert "4 without a test" in said
    assert "1 not converged" in said
    assert "2.5% of the fits were singular" in said
    assert "includes zero" not in said
    assert "The fit behind the assumptions is singular" not in said


def test_a_slope_that_may_be_none_and_a_singular_fit_are_named(mixed, fit):
    info = dataclasses.replace(fit.info, singular=True, converged=False)
    said = notes(mixed, dataclasses.replace(fit, info=info), **{"slope hypointense": (-0.1, 1.3)})
    assert "whose interval includes zero for a target type" in said
    assert "The fit behind the assumptions is singular" in said
    assert "did not converge" in said


def test_a_target_type_that_nobody_has_is_named(mixed, fit):
    assert "No patient to draw from" not in notes(mixed, fit)
    design = TrialDesign(df="satterthwaite", lesions={"isointense": 3, "paramagnetic_rim": 1})
    assert (
        "No patient to draw from has hypointense lesions: power and sizes are those of a trial"
        " that tests isointense lesions alone." in notes(mixed, fit, design)
    )


def test_kenward_rogers_test_is_not_recommended_against_itself(mixed, fit):
    said = notes(mixed, fit, TrialDesign(df="kenward-roger"))
    assert "Kenward and Roger's test exceeds its nominal 5% level" in said
    assert "Larger trials have the nominal level" in said
    methods = plan_methods(fit, TrialDesign(), 1000, 7, 0.8)
    assert "0.05 with Kenward and Roger's standard error and degrees of freedom" in methods


def test_the_methods_text_says_what_was_planned(fit):
    said = plan_methods(fit, DESIGN, 1000, 7, 0.8)
    for words in (
        "1000 trials per size, seed 7",
        "imaged at 0, 1, 2 years; dropout: none",
        "common to isointense and hypointense lesions",
        "constrained longitudinal data analysis",
        "Satterthwaite's degrees of freedom",
        fit.model.formula,
    ):
        assert words in said
    weighted = TrialDesign(
        target={"isointense": 0.5, "hypointense": 0.5}, baseline="free", lesions={"isointense": 3}
    )
    other = plan_methods(fit, weighted, 1000, 7, 0.8)
    assert "weighted sum: 0.5 isointense, 0.5 hypointense" in other
    assert "a mean per lesion type and arm before treatment" in other
    assert "stated numbers of lesions" in other
    assert "is where the probit curve through the simulated sizes reaches it" in other
    expected = plan_methods(fit, weighted, 0, 7, 0.8)
    assert "The size for a power of 80% is the smallest whose expected power reaches it" in expected


@pytest.mark.parametrize(
    ("slope", "fraction", "said"),
    [
        (-0.129, 0.5, "from -0.129 without treatment to -0.194 % per year under it (by -0.0645; the"
         " decline 50% faster)"),
        (-0.129, -0.5, "from -0.129 without treatment to -0.0645 % per year under it (by +0.0645;"
         " the decline 50% slower)"),
        (0.3, 0.25, "to 0.375 % per year under it (by +0.075; the rise 25% faster)"),
        (0.3, -0.25, "to 0.225 % per year under it (by -0.075; the rise 25% slower)"),
        (-0.1, -1.0, "to 0 % per year under it (by +0.1; the decline stopped)"),
        (0.1, -3.0, "to -0.2 % per year under it (by -0.3; a decline in place of a rise)"),
    ],
)  # fmt: skip
def test_an_effect_says_from_what_to_what_and_which_way(mixed, slope, fraction, said):
    truth = dataclasses.replace(mixed, slopes={"isointense": slope})
    design = TrialDesign(target="isointense")
    found = effect_in_words(truth, design, fraction * slope)
    assert found.startswith("a change of the slope of isointense lesions from ")
    assert found.endswith(said)


def test_an_effect_on_an_unknown_slope_or_a_weighted_sum_is_named_as_that(mixed):
    flat = dataclasses.replace(mixed, slopes={})
    said = effect_in_words(flat, TrialDesign(), 0.05)
    assert said == "a change of the slope of isointense and hypointense lesions by +0.05 % per year"
    weighted = TrialDesign(target={"isointense": 0.5, "hypointense": -0.5})
    said = effect_in_words(mixed, weighted, 0.05)
    start = "a change of the weighted sum of slopes (0.5 isointense, -0.5 hypointense) from -0.15 "
    assert said.startswith(start)


def test_a_plan_of_a_logarithm_says_what_its_numbers_mean(mixed, lesions):
    formula = (
        "log10(mwf_percent) ~ lesion_type * years"
        " + (1 + years | participant_id) + (1 | participant_id:lesion_id)"
    )
    fit = MixedModel(formula).fit(lesions[lesions["participant_id"] < "sub-014"])
    # 10 ** 0.01 - 1 = 0.0233.
    assert notes(mixed, fit).startswith(
        "Means, slopes, effects and variances are on the scale of log10(mwf_percent), where 0.01"
        " per year is a relative change of 2.3 % per year."
    )
