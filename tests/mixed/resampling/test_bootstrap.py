"""Bootstraps, bootstrap tests and many columns: against the model, single fits and R."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from qsmstats import MixedModel, fit_many
from qsmstats.errors import FormulaError, InvalidDataError, UsageError
from qsmstats.mixed.resampling.cluster_resamples import clusters_of, fit_lists, left_out
from qsmstats.mixed.resampling.refit import design_of_fit
from qsmstats.mixed.resampling.statistic import regrouped

FORMULA = "y ~ kind * years + (1 + years | patient) + (1 | patient:lesion)"


def cohort(seed: int, patients: int = 14) -> pd.DataFrame:
    """Patients x 4 lesions x 2 to 3 visits, in two arms."""
    rng = np.random.default_rng(seed)
    rows = [
        (p, lesion, visit + 0.1 * rng.normal())
        for p in range(patients)
        for lesion in range(4)
        for visit in range(2 + (p + lesion) % 2)
    ]
    data = pd.DataFrame(rows, columns=["patient", "lesion", "years"])
    data["kind"] = np.array(["iso", "prl"])[data["lesion"] % 2]
    data["arm"] = np.array(["a", "b"])[(data["patient"] < 5).astype(int)]
    p, one = data["patient"], data["patient"] * 4 + data["lesion"]
    data["y"] = (
        5
        + rng.normal(0, 1.0, patients)[p]
        + rng.normal(0, 0.4, patients)[p] * data["years"]
        + rng.normal(0, 0.7, 4 * patients)[one]
        + 0.5 * data["years"]
        + rng.normal(0, 0.5, len(data))
    )
    return data


@pytest.fixture(scope="module")
def fit():
    return MixedModel(FORMULA).fit(cohort(1))


@pytest.fixture(scope="module")
def boot(fit):
    return fit.bootstrap(400, seed=6, interval="bca")


def test_parametric_errors_are_those_of_the_model(fit, boot):
    table = boot.intervals
    coefficients = table[table["parameter"] == "coefficient"]
    assert (boot.n, boot.n_failed, boot.n_unconverged) == (400, 0, 0)
    # A standard deviation over 400 refits is known to 3.5 %; four of these.
    expected = np.sqrt(np.diag(fit.covariance))
    np.testing.assert_allclose(coefficients["std_error"], expected, rtol=0.14)
    assert (table["conf_low"] <= table["estimate"]).all()
    assert (table["estimate"] <= table["conf_high"]).all()
    deviations = table[table["parameter"] == "variance"]
    np.testing.assert_allclose(
        deviations["estimate"], fit.variances["std_dev"].fillna(fit.variances["correlation"])
    )


def test_marginal_means_slopes_and_contrasts_need_no_refits(fit, boot):
    slopes = boot.slopes("years", by="kind", interval="percentile")
    pd.testing.assert_series_equal(slopes["estimate"], fit.slopes("years", by="kind")["estimate"])
    by_hand = boot.refits["years"] + boot.refits["kind[T.prl]:years"]
    limits = np.quantile(by_hand, [0.025, 0.975], method="weibull")
    np.testing.assert_allclose(slopes.loc[1, ["conf_low", "conf_high"]].astype(float), limits)
    linear = boot.linear({"prl": {"years": 1.0, "kind[T.prl]:years": 1.0}}, interval="percentile")
    np.testing.assert_allclose(linear["conf_low"], limits[0])
    means = boot.marginal_means("kind")
    np.testing.assert_allclose(means["estimate"], fit.marginal_means("kind")["estimate"])
    contrasts = boot.slope_contrasts("years", by="kind", level=0.9)
    table = fit.slope_contrasts("years", by="kind")
    np.testing.assert_allclose(contrasts["estimate"], table["estimate"])
    assert contrasts.loc[0, "contrast"] == table.loc[0, "contrast"]
    pair = boot.contrasts("kind", interval="basic")
    assert pair.loc[0, "conf_low"] == pair.loc[0, "conf_low_adjusted"]  # a family of one


def test_the_jackknife_is_that_of_refits_without_each_patient(fit, boot):
    for patient in (0, 9):
        rest = fit.frame.data[fit.frame.data["patient"] != patient]
        alone = MixedModel(FORMULA).fit(rest)
        np.testing.assert_allclose(boot.jackknife.iloc[patient, :4], alone.estimates, atol=1e-5)


def test_resampled_patients_are_fitted_as_new_patients(fit):
    design = design_of_fit(fit)
    clusters = clusters_of(design)
    lists = np.random.default_rng(0).integers(14, size=(3, 14))
    made = fit_lists((design, fit.response, fit.theta, clusters), lists)
    by_rows = fit_lists(
        (replace(design, grouped=None, reason="for the test"), fit.response, None, clusters), lists
    )
    assert (made.n_refitted_singly, by_rows.n_refitted_singly) == (0, 3)
    for one, groups in enumerate(lists):
        alone = MixedModel(FORMULA).fit(regrouped(fit, clusters, groups))
        assert made.n_obs[one] == alone.info.n_obs
        assert made.criterion[one] == pytest.approx(alone.info.criterion, abs=1e-6)
        assert by_rows.criterion[one] == pytest.approx(alone.info.criterion, abs=1e-6)
    assert left_out(3).tolist() == [[1, 2], [0, 2], [0, 1]]


@pytest.mark.parametrize("kind", ["cluster", "residual"])
def test_other_kinds_have_errors_like_the_model_s(fit, kind):
    found = fit.bootstrap(300, kind=kind, seed=2)
    table = found.intervals.iloc[: len(fit.estimates)]
    # Fourteen patients resampled underestimate by 1/14 on average, and vary.
    np.testing.assert_allclose(table["std_error"], np.sqrt(np.diag(fit.covariance)), rtol=0.5)
    assert found.n_failed + len(found.refits) + found.n_unconverged == 300
    assert table["method"].iloc[0] == f"{kind} bootstrap, percentile"


def test_strata_keep_the_size_of_the_arms(fit):
    formula = FORMULA.replace("kind *", "arm + kind *")
    stratified = MixedModel(formula).fit(cohort(1))
    found = stratified.bootstrap(20, kind="cluster", strata="arm", seed=1)
    assert len(found.refits) == 20
    with pytest.raises(UsageError, match="varies within"):
        stratified.bootstrap(20, kind="cluster", strata="kind")
    with pytest.raises(UsageError, match="no such column"):
        stratified.bootstrap(20, kind="cluster", strata="centre")
    with pytest.raises(UsageError, match="kind='cluster'"):
        stratified.bootstrap(20, strata="arm")


def test_resamples_that_lose_a_coefficient_are_counted_with_the_reason():
    data = cohort(3)
    data["rare"] = np.where(data["patient"] == 4, "yes", "no")
    fit = MixedModel("y ~ rare + years + (1 | patient)").fit(data)
    found = fit.bootstrap(60, kind="cluster", seed=1)
    # A patient is missing from a resample of 14 with probability (13/14)^14 = 0.35.
    assert 10 <= found.n_failed <= 32
    assert sum(found.problems.values()) == found.n_failed
    assert "rare[T.yes]" in next(iter(found.problems))
    assert len(found.refits) == 60 - found.n_failed - found.n_unconverged


def share(fit):
    return float(fit.icc()["icc"].iloc[0])


def test_a_function_of_the_fit_is_refitted_with_it(fit):
    found = fit.bootstrap(6, seed=3, statistic={"share": share, "sigma": lambda one: one.sigma})
    assert found.intervals["term"].iloc[-2:].tolist() == ["share", "sigma"]
    np.testing.assert_allclose(found.refits["sigma"], found.refits["sd(Residual)"], rtol=1e-6)
    outcome = fit.simulate(6, seed=3)[2].to_numpy()
    assert found.refits["share"].iloc[2] == pytest.approx(share(fit.refit(outcome)), rel=1e-4)
    resampled = fit.bootstrap(2, kind="cluster", seed=3, statistic=lambda one: one.sigma)
    np.testing.assert_allclose(
        resampled.refits["statistic"], resampled.refits["sd(Residual)"], rtol=1e-5
    )
    with pytest.raises(UsageError, match="gives str"):
        fit.bootstrap(2, statistic=lambda one: "large")


def test_neither_batch_nor_processes_alter_a_bootstrap(fit):
    told: list[tuple[int, int]] = []
    first = fit.bootstrap(130, kind="cluster", seed=9, batch=1000)
    second = fit.bootstrap(
        130, kind="cluster", seed=9, batch=1, jobs=2, progress=lambda *at: told.append(at)
    )
    assert first.refits.to_numpy().tobytes() == second.refits.to_numpy().tobytes()
    assert told[-1] == (130, 130)


def test_a_bootstrap_that_cannot_be_made_is_refused(fit):
    with pytest.raises(UsageError, match="n must be at least 1"):
        fit.bootstrap(0)
    with pytest.raises(UsageError, match="not 'wild'"):
        fit.bootstrap(10, kind="wild")
    with pytest.raises(UsageError, match="level must lie between"):
        fit.bootstrap(5, level=95)
    with pytest.raises(UsageError, match="at least 200"):
        fit.bootstrap(20, interval="bca")
    few = MixedModel("y ~ years + (1 | patient)").fit(cohort(1, patients=9))
    with pytest.raises(UsageError, match="9 groups of 'patient' are too few"):
        few.bootstrap(20, kind="cluster")
    with pytest.raises(UsageError, match="no jackknife"):
        few.bootstrap(200, seed=1).table(interval="bca")
    crossed = MixedModel("y ~ years + (1 | patient) + (1 | lesion)").fit(cohort(1))
    with pytest.raises(UsageError, match="crossed"):
        crossed.bootstrap(20, kind="cluster")


def test_the_bootstrap_test_of_a_variance_agrees_with_the_mixture():
    rng = np.random.default_rng(4)
    data = pd.DataFrame({"g": np.repeat(np.arange(60), 6), "h": np.tile(np.arange(3), 120)})
    data["y"] = rng.normal(size=60)[data["g"]] + rng.normal(size=360)
    pair = data["g"] * 3 + data["h"]
    data["y"] += 0.35 * rng.normal(size=180)[pair]
    large = MixedModel("y ~ 1 + (1 | g) + (1 | g:h)").fit(data)
    small = large.refitted(formula="y ~ 1 + (1 | g)")
    found = large.bootstrap_test(small, 600, seed=1)
    row = found.table.iloc[1]
    assert 0.01 < row["p_value"] < 0.3
    # With 60 groups the mixture is good; three Monte-Carlo errors.
    error = np.sqrt(row["p_value"] * (1 - row["p_value"]) / 600)
    assert abs(found.p_value - row["p_value"]) < 3 * error + 1 / 600
    assert row["p_low"] < found.p_value < row["p_high"]
    # Half of the statistics are zero: the variance lies on its boundary.
    assert (found.statistics == 0).mean() == pytest.approx(0.5, abs=0.12)
    assert found.n_failed == 0


def test_the_bootstrap_test_of_a_fixed_effect_is_made_by_ml(fit):
    found = fit.bootstrap_test(fit.refitted(formula=FORMULA.replace("kind *", "")), 40, seed=2)
    assert found.table["method"].tolist() == ["ml", "ml"]
    assert found.table["df"].iloc[1] == 2
    above = int((found.statistics >= found.table["statistic"].iloc[1]).sum())
    assert found.p_value == pytest.approx((1 + above) / 41)
    with pytest.raises(UsageError, match="n must be at least 1"):
        fit.bootstrap_test(fit, 0)


def test_many_columns_are_single_fits_with_p_values_adjusted_by_term(fit):
    data = cohort(5)
    rng = np.random.default_rng(0)
    names = ["a", "b", "c"]
    for name in names:
        data[name] = np.exp(0.3 * data["y"] + rng.normal(0, 0.3, len(data)))
    data.loc[data.index % 9 == 0, "b"] = np.nan
    data["flat"] = 2.0
    data.loc[3, "years"] = np.nan
    found = fit_many("log(outcome) ~ kind * years + (1 | patient)", data, [*names, "flat"])
    for name in names:
        alone = MixedModel(f"log({name}) ~ kind * years + (1 | patient)").fit(data)
        mine = found.coefficients[found.coefficients["outcome"] == name]
        theirs = alone.coefficients()
        for column in ("estimate", "std_error", "df", "p_value", "conf_low"):
            np.testing.assert_allclose(mine[column], theirs[column], rtol=1e-4, atol=1e-6)
        assert mine["n_obs"].iloc[0] == alone.info.n_obs
    slopes = found.coefficients[found.coefficients["term"] == "years"].set_index("outcome")
    p = slopes["p_value"][names].sort_values()
    by_hand = (p * 3 / np.arange(1, 4))[::-1].cummin()
    np.testing.assert_allclose(slopes["p_adjusted"][by_hand.index], by_hand)
    assert "constant" in slopes.loc["flat", "note"]
    assert np.isnan(slopes.loc["flat", "p_adjusted"])
    assert list(found.variances)[1:] == ["sd(Intercept | patient)", "sd(Residual)"]


def test_columns_that_cannot_be_outcomes_are_named():
    data = cohort(5).assign(text="x", low=-1.0)
    formula = "~ years + (1 | patient)"
    with pytest.raises(FormulaError, match="no column 'w'"):
        fit_many(formula, data, ["w"])
    with pytest.raises(InvalidDataError, match="'text' must be numeric"):
        fit_many(formula, data, ["y", "text"])
    with pytest.raises(InvalidDataError, match="'low'"):
        fit_many("log(outcome)" + formula, data, ["low"])
    with pytest.raises(FormulaError, match="left side 'y' names one column"):
        fit_many("y " + formula, data, ["y"])
    with pytest.raises(UsageError, match="give a list"):
        fit_many(formula, data, "y")
    with pytest.raises(UsageError, match="named twice"):
        fit_many(formula, data, ["y", "y"])
    with pytest.raises(UsageError, match="tukey"):
        fit_many(formula, data, ["y"], adjust="tukey")
