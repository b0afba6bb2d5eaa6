"""Power without simulation, against published sample sizes and software we did not write."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.power import TTestIndPower

from qsmstats import required_patients, trial_power
from qsmstats.mixed.inference.expected_precision import ExpectedInference
from qsmstats.studies.planning import grid_cell
from qsmstats.studies.planning.analysis import plan_test, power_limits, power_of_t
from qsmstats.studies.planning.assumptions import TrialAssumptions
from qsmstats.studies.planning.design import Dropout, TrialDesign
from qsmstats.studies.planning.patients import draw_trial

ISOINTENSE = ("isointense",)


def precision(assumptions, design, patients):
    trial = draw_trial(assumptions, design, patients, np.random.default_rng(0))
    return plan_test(trial).under(assumptions)


@pytest.mark.parametrize("patients", [4, 12, 60])
@pytest.mark.parametrize("lesions", [1, 4])
@pytest.mark.parametrize("visits", [(0.0, 1.0, 2.0), (0.0, 0.25, 0.5, 3.0)])
def test_a_balanced_trial_is_a_t_test_of_patients_slopes(patients, lesions, visits):
    """With equal lesions and visits the fit compares the arms' mean least-squares slopes."""
    truth = TrialAssumptions(
        patient_sd=0.6,
        slope_sd=0.12,
        correlation=0.4,
        lesion_sd=0.7,
        residual_sd=0.3,
        lesions={"isointense": lesions},
    )
    design = TrialDesign(visits=visits, target=ISOINTENSE, baseline="free")
    found = precision(truth, design, patients)
    about = np.sum((np.array(visits) - np.mean(visits)) ** 2)
    spread = math.sqrt(0.12**2 + 0.3**2 / (lesions * about))
    assert found.std_error == pytest.approx(spread * math.sqrt(2 / patients), rel=1e-9)
    assert found.df == pytest.approx(2 * patients - 2, rel=1e-6)
    theirs = TTestIndPower().power(0.15 / spread, patients, 0.05)
    ours = power_of_t(0.15, found.std_error, found.df, 0.05)
    assert float(ours) == pytest.approx(theirs, rel=1e-6)


# Diggle, Heagerty, Liang & Zeger (2002), Analysis of Longitudinal Data, 2nd ed., table on page 29:
# patients per arm for a difference of slopes of 0.5, visits 0, 2, 5, one-sided 5 %, power 80 %.
DIGGLE = {
    (0.2, 100): 313,
    (0.2, 200): 625,
    (0.2, 300): 938,
    (0.5, 100): 196,
    (0.5, 200): 391,
    (0.5, 300): 586,
    (0.8, 100): 79,
    (0.8, 200): 157,
    (0.8, 300): 235,
}


@pytest.mark.parametrize(("key", "patients"), DIGGLE.items())
def test_sizes_of_the_table_of_diggle_and_others(key, patients):
    correlation, variance = key
    truth = TrialAssumptions(
        patient_sd=math.sqrt(correlation * variance),
        slope_sd=0.0,
        lesion_sd=0.0,
        residual_sd=math.sqrt((1 - correlation) * variance),
        lesions={"isointense": 1},
    )
    design = TrialDesign(visits=(0, 2, 5), target=ISOINTENSE, baseline="free", significance=0.1)
    error = precision(truth, design, patients).std_error
    # The table takes variances as known: infinite degrees of freedom, and two-sided 10 %.
    assert power_of_t(0.5, error, 1e9, 0.1) >= 0.8
    smaller = error * math.sqrt(patients / (patients - 1))
    assert power_of_t(0.5, smaller, 1e9, 0.1) < 0.8


def test_the_example_of_longpower_with_random_slopes():
    """The vignette of R's longpower (Liu & Liang 1997): N = 414.6202 over both arms."""
    truth = TrialAssumptions(
        patient_sd=math.sqrt(55),
        slope_sd=math.sqrt(24),
        correlation=0.8,
        lesion_sd=0.0,
        residual_sd=math.sqrt(10),
        lesions={"isointense": 1},
    )
    visits = tuple(np.arange(0, 1.51, 0.25))
    design = TrialDesign(visits=visits, target=ISOINTENSE, baseline="free")
    error = precision(truth, design, 200).std_error
    # (z_0.975 + z_0.8)^2 = 7.8489; the standard error falls with the root of the size.
    size = 200 * 7.848879734 * error**2 / 1.5**2
    assert 2 * size == pytest.approx(414.6202, abs=5e-4)


def test_one_baseline_for_both_arms_costs_no_precision(mixed):
    random = np.random.default_rng(2)
    trial = draw_trial(mixed, TrialDesign(), 20, random)
    errors = {}
    for baseline in ("constrained", "free"):
        design = TrialDesign(baseline=baseline)
        same = draw_trial(mixed, design, 20, np.random.default_rng(2))
        np.testing.assert_array_equal(same.patient, trial.patient)
        errors[baseline] = plan_test(same).under(mixed).std_error
    assert errors["constrained"] < errors["free"]


@given(
    effect=st.floats(0, 50),
    error=st.floats(0.01, 5),
    df=st.floats(2, 1e6),
    significance=st.floats(0.001, 0.4),
)
def test_power_of_t_is_a_probability_that_starts_at_the_level(effect, error, df, significance):
    found = float(power_of_t(effect, error, df, significance))
    # scipy's noncentral t is good to about nine digits.
    assert significance - 1e-8 <= found <= 1
    assert power_of_t(-effect, error, df, significance) == found
    assert power_of_t(effect * 1.5, error, df, significance) >= found - 1e-8


def test_a_first_answer_takes_no_simulation(alike):
    found = trial_power(
        alike,
        [TrialDesign(target=ISOINTENSE), TrialDesign(target=ISOINTENSE, visits=(0, 2))],
        patients=[10, 30],
        effects=[0.5, 1.0],
        effect_scale="relative",
        simulations=0,
        seed=1,
    )
    table = found.table
    assert list(table["effect"]) == [0.15, 0.3] * 4
    assert table["power"].isna().all()
    assert table["type_i_error"].isna().all()
    assert (table["simulations"] == 0).all()
    power = table.set_index(["design", "patients", "effect"])["power_expected"]
    assert power[1, 10, 0.15] < power[1, 30, 0.15] < power[1, 30, 0.3]
    assert power[2, 30, 0.15] < power[1, 30, 0.15]


def test_required_patients_is_the_first_size_that_reaches_the_power(alike):
    design = TrialDesign(target=ISOINTENSE, allocation=2.0)
    found = required_patients(alike, design, effect=0.15, power=0.9, simulations=0, seed=1)
    sizes = [found.patients - 1, found.patients]
    below, at = trial_power(
        alike, design, patients=sizes, effects=0.15, simulations=0, seed=1
    ).table["power_expected"]
    assert below < 0.9 <= at
    assert found.table["n_treated"].iloc[-1] == 2 * found.patients
    assert f"requires {found.patients} patients in the control arm" in found.answer


@pytest.fixture
def few_draws(monkeypatch):
    monkeypatch.setattr(grid_cell, "EXPECTED_DRAWS", 3)


@pytest.mark.usefixtures("few_draws")
def test_the_expected_size_is_the_smallest_whatever_the_seed(mixed):
    """Patients and losses are drawn, by generators that no seed moves."""
    design = TrialDesign(dropout=Dropout(annual_rate=0.2))
    found = required_patients(mixed, design, effect=-0.222, simulations=0, seed=5)
    assert found.conf_low <= found.patients <= found.conf_high
    said = f"draws of patients and losses: {found.conf_low:g} to {found.conf_high:g})"
    assert said in found.answer
    sizes = [found.patients - 1, found.patients]
    again = trial_power(mixed, design, patients=sizes, effects=-0.222, simulations=0, seed=6)
    table = again.table
    below, at = table["power_expected"]
    assert below < 0.8 <= at
    assert at == found.table["power_expected"].iloc[0]
    assert (table["expected_low"] < table["power_expected"]).all()
    # 23 isointense lesions and 7 hypointense ones, with slopes 0.3 and 0.6.
    assert table["slope_control"].tolist() == pytest.approx([0.37] * 2)
    assert table["slope_treated"].tolist() == pytest.approx([0.148] * 2)


def test_the_interval_of_the_expected_power_is_that_of_a_mean_over_draws():
    tests = [ExpectedInference(std_error=s, df=50.0) for s in (0.09, 0.1, 0.12, 0.1)]
    powers = [float(power_of_t(0.25, s, 50.0, 0.05)) for s in (0.09, 0.1, 0.12, 0.1)]
    expected = stats.ttest_1samp(powers, 0).confidence_interval(0.9)
    assert power_limits(tests, 0.25, 0.05, 0.9) == pytest.approx(tuple(expected))
    assert np.isnan(power_limits(tests[:1], 0.25, 0.05, 0.9)).all()


def test_a_larger_trial_begins_with_the_patients_of_a_smaller_one(mixed):
    small, large = (draw_trial(mixed, TrialDesign(), n, np.random.default_rng(4)) for n in (9, 11))
    lesions = len(small.patient)
    np.testing.assert_array_equal(large.lesion_type[:lesions], small.lesion_type)
    np.testing.assert_array_equal(large.treated[: len(small.treated)], small.treated)
    two = draw_trial(mixed, TrialDesign(lesions={"isointense": 1}, allocation=2.0), 7, None)
    assert (two.treated.sum(), (~two.treated).sum()) == (14, 7)


@pytest.mark.usefixtures("few_draws")
def test_losses_and_fewer_lesions_cost_patients(mixed):
    def size(design):
        return required_patients(mixed, design, effect=0.15, simulations=0, seed=3).patients

    plain = size(TrialDesign())
    assert size(TrialDesign(dropout=Dropout(annual_rate=0.25))) > plain
    assert size(TrialDesign(lesions={"isointense": 1, "hyperintense": 1})) > plain


def test_a_power_out_of_reach_is_said_to_be(alike):
    found = required_patients(
        alike, TrialDesign(target=ISOINTENSE), effect=0.01, maximum=60, simulations=0, seed=1
    )
    assert found.patients is None
    assert "is not reached with up to 60 patients" in found.answer
    assert found.table["power_expected"].iloc[0] < 0.1
