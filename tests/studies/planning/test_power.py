"""Simulated trials: what is simulated, who is lost, and what the shares of rejections say."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from qsmstats import simulate_trial, trial_power
from qsmstats.errors import NotIdentifiedError, UsageError
from qsmstats.studies.planning.analysis import analyse, rejections
from qsmstats.studies.planning.design import Dropout, TrialDesign
from qsmstats.studies.planning.grid_cell import share_of
from qsmstats.studies.planning.outcomes import draw_noise, outcomes
from qsmstats.studies.planning.patients import draw_trial

ISOINTENSE = ("isointense",)
MAR = Dropout(annual_rate=0.25, low_mean_ratio=2.0)


@pytest.fixture(scope="module")
def power(alike):
    """Return two designs, without and with losses that depend on the outcome."""
    designs = [TrialDesign(target=ISOINTENSE), TrialDesign(target=ISOINTENSE, dropout=MAR)]
    return trial_power(alike, designs, patients=14, effects=0.2, simulations=300, seed=5)


@pytest.mark.slow
def test_simulated_and_expected_power_agree(power):
    first = power.table.iloc[0]
    # 300 simulations: three standard errors of a share near 0.9 are 0.05.
    error = np.sqrt(first["power_expected"] * (1 - first["power_expected"]) / 300)
    assert abs(first["power"] - first["power_expected"]) < 3 * error
    assert first["conf_low"] < first["power"] < first["conf_high"]


def test_the_error_without_an_effect_is_the_significance(power):
    hits = power.table["type_i_error"] * 300
    # 99.9 % of binomial counts at 5 % lie within.
    low, high = stats.binom.interval(0.999, 300, 0.05)
    assert ((low <= hits) & (hits <= high)).all()


def test_estimates_stand_where_they_should(power):
    table = power.table
    error = table["sd_estimate"] / np.sqrt(300)
    # Two unbiased means, also where losses depend on the outcome: missing at random.
    assert (np.abs(table["mean_estimate"] - 0.2) < 3.5 * error).all()
    # The standard error is that of the estimates (its own error: 1 / sqrt(2 * 300) = 4 %).
    np.testing.assert_allclose(table["mean_std_error"], table["sd_estimate"], rtol=0.13)


def test_the_record_of_the_fits(power):
    first, second = power.table.iloc[0], power.table.iloc[1]
    assert first["simulations"] == second["simulations"] == 300
    assert first["mean_rows"] == 28 * 4 * 3
    assert first["completed"] == 1
    assert second["mean_rows"] < first["mean_rows"]
    # E[0.75 ** (2 ** -z_0 + 2 ** -z_1)] over two million pairs of the means z of controls (0.537)
    # and of treated patients (0.563); four standard errors of a share of 8400 patients are 0.022.
    assert second["completed"] == pytest.approx(0.550, abs=0.022)
    assert first["n_failed"] == 0
    assert 0 <= first["n_singular"] < 60
    assert (power.assumptions["source"] == "stated").all()


def test_the_same_seed_gives_the_same_numbers(alike, power):
    """Whatever the jobs, and whatever other cells are asked for."""
    again = trial_power(
        alike,
        TrialDesign(target=ISOINTENSE),
        patients=[9, 14],
        effects=[0.1, 0.2],
        simulations=104,
        seed=5,
        jobs=2,
    )
    alone = trial_power(
        alike, TrialDesign(target=ISOINTENSE), patients=14, effects=0.2, simulations=104, seed=5
    )
    pd.testing.assert_frame_equal(again.table.tail(1).reset_index(drop=True), alone.table)
    assert again.seed == 5


def test_one_fit_answers_for_every_effect(mixed):
    random = np.random.default_rng(8)
    trial = draw_trial(mixed, TrialDesign(baseline="free"), 8, random)
    noise = draw_noise(trial, 4, random)
    without, with_effect = (analyse(trial, outcomes(trial, noise, e)) for e in (0.0, 0.3))
    # The optimiser's own tolerance.
    np.testing.assert_allclose(with_effect.estimate, without.estimate + 0.3, atol=1e-6)
    np.testing.assert_allclose(with_effect.std_error, without.std_error, rtol=1e-5)
    np.testing.assert_allclose(with_effect.df, without.df, rtol=1e-4)
    np.testing.assert_array_equal(
        rejections(without, 0.05, shift=0.3), rejections(with_effect, 0.05)
    )


def test_a_balanced_trial_is_analysed_as_the_t_test_of_slopes_that_it_is(alike):
    """Kenward and Roger's test is exact there; scipy's t test of patients' slopes is the same."""
    design = TrialDesign(target=ISOINTENSE, baseline="free", df="kenward-roger")
    random = np.random.default_rng(7)
    trial = draw_trial(alike, design, 12, random)
    values = outcomes(trial, draw_noise(trial, 25, random), 0.1)
    found = analyse(trial, values)
    slopes = (values.reshape(24, 4, 3, 25)[:, :, 2] - values.reshape(24, 4, 3, 25)[:, :, 0]) / 2
    treated = trial.treated
    theirs = stats.ttest_ind(slopes.mean(axis=1)[treated], slopes.mean(axis=1)[~treated])
    inside = ~found.singular  # a variance that came out as zero is no longer that of the slopes
    assert inside.sum() >= 20
    statistic = found.estimate / found.std_error
    np.testing.assert_allclose(statistic[inside], theirs.statistic[inside], rtol=1e-4)
    np.testing.assert_allclose(found.df[inside], 22, rtol=1e-6)


@pytest.mark.parametrize("df", ["satterthwaite", "kenward-roger"])
def test_a_batch_gives_what_single_fits_give(mixed, df):
    """Also where losses take the only lesions of a type that is no target."""
    counts = pd.DataFrame({"isointense": [3] * 4, "hyperintense": [1, 0, 0, 0]})
    rare = dataclasses.replace(mixed, lesions=counts, slopes={})
    random = np.random.default_rng(6)
    dropout = Dropout(annual_rate=0.5)
    design = TrialDesign(target=ISOINTENSE, dropout=dropout, df=df)
    trial = draw_trial(rare, design, 8, random)
    assert 1 <= (trial.lesion_type == 1).sum() <= 4
    values = outcomes(trial, draw_noise(trial, 12, random), 0.2)
    found = analyse(trial, values)
    assert 0 < found.refitted_singly.sum() < 12
    for number in range(12):
        fit = trial.model.fit(trial.frame().assign(outcome=values[:, number]))
        row = fit.wald(trial.contrast, df=df).estimates.iloc[0]
        # Both stop where the criterion can fall by less than 1e-11.
        assert found.estimate[number] == pytest.approx(row["estimate"], abs=1e-5)
        assert found.std_error[number] == pytest.approx(row["std_error"], rel=1e-4)
        assert found.df[number] == pytest.approx(row["df"], rel=1e-3)
        assert found.n_rows[number] == fit.info.n_obs


def test_what_did_not_converge_shows_nothing(alike):
    random = np.random.default_rng(3)
    trial = draw_trial(alike, TrialDesign(target=ISOINTENSE), 6, random)
    found = analyse(trial, outcomes(trial, draw_noise(trial, 3, random), 2.0))
    assert rejections(found, 0.05).tolist() == [True] * 3
    lost = dataclasses.replace(found, converged=np.array([True, False, True]))
    assert rejections(lost, 0.05).tolist() == [True, False, True]


def test_simulated_trials_have_the_assumed_moments(mixed):
    design = TrialDesign(lesions={"isointense": 2, "hyperintense": 1})
    random = np.random.default_rng(3)
    trial = draw_trial(mixed, design, 3000, random)
    values = outcomes(trial, draw_noise(trial, 1, random), 0.4)[:, 0].reshape(6000, 3, 3)
    treated = trial.treated
    # Standard errors of means: about 0.9 / sqrt(3000) = 0.016.
    np.testing.assert_allclose(values[~treated][:, 0].mean(axis=0), [0, 0.3, 0.6], atol=0.06)
    np.testing.assert_allclose(values[treated][:, 0].mean(axis=0), [0, 0.7, 1.4], atol=0.06)
    np.testing.assert_allclose(values[treated][:, 2].mean(axis=0), 0, atol=0.06)
    rest = values - np.where(treated[:, None, None], 1, 0) * values[treated].mean(axis=0)
    rest[~treated] -= values[~treated].mean(axis=0)
    slope, cross = 0.15**2, -0.3 * 0.6 * 0.15
    line = np.array([[1, 0], [1, 1], [1, 2]])
    between = line @ np.array([[0.36, cross], [cross, slope]]) @ line.T
    found = np.einsum("pit,pju->ijtu", rest, rest) / 6000
    # Two lesions share their patient only; one lesion has its own intercept and errors besides.
    np.testing.assert_allclose(found[0, 1], between, atol=0.05)
    np.testing.assert_allclose(found[2, 2], between + 0.25 + 0.09 * np.eye(3), atol=0.06)


def seen(trial, noise, effect=0.0):
    shape = (len(trial.patient), len(trial.times), -1)
    rows = np.isfinite(outcomes(trial, noise, effect)).reshape(shape)
    first = np.flatnonzero(np.r_[True, np.diff(trial.patient) > 0])
    assert np.array_equal(rows, rows[first][trial.patient])  # a patient is lost with all lesions
    return rows[first]


def test_losses_follow_the_annual_rate_and_the_arm(alike):
    dropout = Dropout(annual_rate=0.2, treatment_ratio=2.0)
    design = TrialDesign(visits=(0.0, 0.5, 3.0), target=ISOINTENSE, dropout=dropout)
    random = np.random.default_rng(1)
    trial = draw_trial(alike, design, 2000, random)
    stays = seen(trial, draw_noise(trial, 1, random))[..., 0]
    assert stays[:, 0].all()
    # 0.8 to the power of years, twice the hazard under treatment; 4 standard errors are 0.045.
    np.testing.assert_allclose(
        stays[~trial.treated].mean(axis=0), [1, 0.8**0.5, 0.8**3], atol=0.045
    )
    np.testing.assert_allclose(stays[trial.treated].mean(axis=0), [1, 0.8, 0.8**6], atol=0.045)


def test_losses_depend_on_the_last_visit_that_was_seen_and_on_nothing_later(alike):
    design = TrialDesign(target=ISOINTENSE, dropout=MAR)
    random = np.random.default_rng(2)
    trial = draw_trial(alike, design, 3000, random)
    noise = draw_noise(trial, 1, random)
    stays = seen(trial, noise)
    later = (noise[0].copy(), noise[1])
    later[0][:, 1:] += 5.0
    np.testing.assert_array_equal(seen(trial, later)[:, 1], stays[:, 1])
    assert not np.array_equal(seen(trial, later)[:, 2], stays[:, 2])
    # Proportional hazards per standard deviation of the patient's mean at baseline.
    mean = np.add.reduceat(noise[0][:, 0, 0], np.arange(0, len(trial.patient), 4)) / 4
    score = mean / np.sqrt(0.36 + (0.49 + 0.09) / 4)
    expected = 0.75 ** (2.0**-score)
    for low, high in ((-9, -0.7), (-0.7, 0.7), (0.7, 9)):
        group = (score > low) & (score <= high)
        error = np.sqrt((expected * (1 - expected))[group].sum()) / group.sum()
        assert abs(stays[group, 1].mean() - expected[group].mean()) < 4 * error


def test_blocks_that_resemble_one_another_widen_the_interval():
    alike = [np.arange(20) < 16] * 10
    torn = [np.ones(20, bool)] * 8 + [np.zeros(20, bool)] * 2
    independent, clustered = share_of(alike, 0.95), share_of(torn, 0.95)
    assert independent[0] == clustered[0] == 0.8
    assert independent[3] == 200
    # Every block of 20 tells as one: ten effective simulations, less one for their variance.
    assert clustered[3] == pytest.approx(9)
    z = stats.norm.isf(0.025)
    for share, *limits, effective in (independent, clustered):
        for limit in limits:  # Wilson 1927: where the score test just rejects
            error = np.sqrt(limit * (1 - limit) / effective)
            assert abs(share - limit) == pytest.approx(z * error)


def test_a_type_that_nobody_drawn_has_is_counted_as_a_trial_without_a_test(mixed):
    counts = pd.DataFrame({"isointense": [3] * 5, "hypointense": [1, 0, 0, 0, 0]})
    rare = dataclasses.replace(mixed, lesions=counts)
    design = TrialDesign(target={"isointense": 0.5, "hypointense": 0.5})
    table = trial_power(rare, design, patients=6, effects=0.5, simulations=200, seed=2).table
    found = table.iloc[0]
    # Eight draws of patients; both arms of six have a hypointense lesion with probability 0.54.
    assert found["n_failed"] in {50, 75, 100, 125, 150}
    assert found["power"] <= 1 - found["n_failed"] / 200
    assert found["mean_estimate"] == pytest.approx(0.5, abs=0.2)


def test_a_trial_as_a_table(mixed):
    table = simulate_trial(mixed, patients=10, effect=0.2, seed=1)
    assert list(table) == [
        "participant_id",
        "treated",
        "lesion_id",
        "lesion_type",
        "years",
        "mwf_percent",
    ]
    assert table.groupby("participant_id")["treated"].nunique().max() == 1
    assert table.groupby("lesion_id")["years"].count().eq(3).all()
    assert list(table["lesion_type"].cat.categories) == list(mixed.counts)
    pd.testing.assert_frame_equal(table, simulate_trial(mixed, patients=10, effect=0.2, seed=1))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"simulations": -1}, "simulations=-1"),
        ({"patients": []}, "patients is empty"),
        ({"patients": 1}, "each arm has at least 2"),
        ({"effects": float("nan")}, "finite numbers"),
        ({"effect_scale": "percent"}, "effect_scale must be"),
        ({"jobs": 0}, "jobs=0"),
        ({"seed": -4}, "seed=-4"),
        ({"designs": []}, "designs is empty"),
    ],
)
def test_arguments_that_cannot_be_used(alike, given, said):
    usual = {"designs": TrialDesign(target=ISOINTENSE), "patients": 10, "effects": 0.2}
    with pytest.raises(UsageError, match=said):
        trial_power(alike, **{**usual, "simulations": 10, **given})


def test_a_fraction_of_no_slope_is_refused(alike):
    flat = dataclasses.replace(alike, slopes={})
    design = TrialDesign(target=ISOINTENSE)
    with pytest.raises(UsageError, match="a slope of the target types that is not zero"):
        trial_power(flat, design, patients=10, effects=0.5, effect_scale="relative")
    with pytest.raises(NotIdentifiedError, match="cannot be estimated"):
        trial_power(alike, TrialDesign(target=("prl",)), patients=10, effects=0.5)
