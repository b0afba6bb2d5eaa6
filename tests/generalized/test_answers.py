"""Answers of a generalised fit: against R's packages, and against their definitions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit

from qsmstats.generalized.estimate import build_engine
from qsmstats.generalized.model import GeneralizedMixedModel
from qsmstats.mixed.inference.multiplicity import adjust_p_values
from tests.generalized.cases import CASES, fit, table

PROFILED = ["cbpp_logit", pytest.param("epil_poisson", marks=pytest.mark.slow)]


@pytest.mark.parametrize("name", ["cbpp_logit", "bacteria", "owls_nb", "salamanders_nb"])
def test_marginal_means_and_contrasts_are_those_of_emmeans(name):
    expected, made = CASES[name]["marginal"], fit(name, "laplace")
    of = expected["of"]
    link = expected["link"]
    # emmeans takes glmmTMB's own optimum, which stops a little earlier: 1e-4 of the estimates.
    table = made.marginal_means(of)
    assert table["estimate"].to_numpy() == pytest.approx(link["emmean"], abs=2e-4)
    assert table["std_error"].to_numpy() == pytest.approx(link["SE"], rel=1e-3)
    assert table["conf_low"].to_numpy() == pytest.approx(link["asymp.LCL"], abs=1e-3)
    response = expected["response"]
    table = made.marginal_means(of, type="response")
    mean = response.get("prob", response.get("response"))
    assert table["estimate"].to_numpy() == pytest.approx(mean, rel=1e-3)
    assert table["std_error"].to_numpy() == pytest.approx(response["SE"], rel=1e-3)
    assert table["conf_high"].to_numpy() == pytest.approx(response["asymp.UCL"], rel=1e-3)
    # R subtracts the earlier level from the later one, and orders the pairs by the later.
    pairs = {(row.second, row.first): row for row in made.contrasts(of, adjust="none").itertuples()}
    ratios = {(row.second, row.first): row for row in _ratios(made, of).itertuples()}
    known = expected["pairs_link"]
    for (later, earlier), row in pairs.items():
        place = _place(known["contrast"], of, later, earlier)
        assert -row.estimate == pytest.approx(known["estimate"][place], abs=2e-4)
        assert row.std_error == pytest.approx(known["SE"][place], rel=1e-3)
        assert row.p_value == pytest.approx(known["p.value"][place], rel=1e-2)
        ratio = ratios[later, earlier]
        assert ratio.estimate == pytest.approx(np.exp(row.estimate))
        assert ratio.std_error == pytest.approx(row.std_error * ratio.estimate)
        assert ratio.p_value == row.p_value


def _ratios(made, of):
    return made.contrasts(of, adjust="none", type="ratio")


def _place(labels, of, later, earlier):
    names = [{f"{of}{level}", str(level)} for level in (later, earlier)]
    for place, label in enumerate(labels):
        first, second = (side.strip().strip("()") for side in label.split(" - ", 1))
        if first in names[0] and second in names[1]:
            return place
    raise AssertionError((labels, later, earlier))


@pytest.mark.parametrize("name", PROFILED)
def test_profile_intervals_are_those_of_glmmtmb(name):
    expected, made = CASES[name]["profile_intervals"], fit(name, "laplace")
    table = made.coefficients(interval="profile")
    errors = table["std_error"].to_numpy()
    # Its root finder gives about four digits.
    assert np.abs((table["conf_low"] - expected["low"]) / errors).max() < 1e-3
    assert np.abs((table["conf_high"] - expected["high"]) / errors).max() < 1e-3


def test_profile_limits_are_where_the_likelihood_falls_by_the_quantile():
    made = fit("sleep")
    limits = made.coefficients(interval="profile").iloc[1]
    data = table("sleep").assign(shift=lambda one: limits["conf_high"] * one["days"])
    held = GeneralizedMixedModel("slow ~ 1 + (1 | subject)", offset="shift").fit(data)
    fall = 2.0 * (made.info.log_likelihood - held.info.log_likelihood)
    assert fall == pytest.approx(stats.chi2.ppf(0.95, 1), abs=1e-4)


def test_coefficients_as_ratios():
    made = fit("cbpp_logit")
    plain, ratio = made.coefficients(), made.coefficients(exponentiate=True)
    assert (plain["test"] == "Wald z, asymptotic").all()
    assert np.isinf(plain["df"]).all()
    z = plain["estimate"] / plain["std_error"]
    assert plain["p_value"].to_numpy() == pytest.approx(2.0 * stats.norm.sf(np.abs(z)))
    assert ratio["conf_low"].to_numpy() == pytest.approx(np.exp(plain["conf_low"]).to_numpy())
    assert set(ratio["quantity"]) == {"odds ratio"}


def test_anova_is_the_joint_wald_test():
    made = fit("cbpp_logit")
    test = made.anova().iloc[0]
    b, covariance = made.estimates[1:], made.covariance[1:, 1:]
    statistic = float(b @ np.linalg.solve(covariance, b))
    assert test["statistic"] * test["num_df"] == pytest.approx(statistic)
    assert test["p_value"] == pytest.approx(stats.chi2.sf(statistic, 3))
    assert made.wald({"period[T.2]": 1.0}).estimates["estimate"][0] == pytest.approx(b[0])


def test_differences_of_probabilities():
    made = fit("cbpp_logit")
    means = made.marginal_means("period", type="response")["estimate"].to_numpy()
    table = made.contrasts("period", method="reference", type="difference", adjust="none")
    assert table["estimate"].to_numpy() == pytest.approx(means[1:] - means[0])

    def first(b):
        return expit(b[0] + b[1]) - expit(b[0])

    moves = 1e-6 * np.eye(4)
    slope = [(first(made.estimates + m) - first(made.estimates - m)) / 2e-6 for m in moves]
    assert table["std_error"][0] == pytest.approx(np.sqrt(slope @ made.covariance @ slope))
    adjusted = made.contrasts("period", type="difference", adjust="holm")
    known = adjust_p_values(adjusted["statistic"], adjusted["df"], method="holm")
    assert adjusted["p_adjusted"].to_numpy() == pytest.approx(known)


def test_slopes_are_those_of_the_linear_predictor():
    made = fit("toenail")
    table = made.slopes("month", by="treatment")
    assert table["estimate"][0] == pytest.approx(made.estimates[2])
    assert table["estimate"].diff()[1] == pytest.approx(made.estimates[3])
    compared = made.slope_contrasts("month", "treatment", method="reference", type="ratio")
    assert compared["estimate"][0] == pytest.approx(np.exp(made.estimates[3]))
    assert compared["p_value"][0] == pytest.approx(made.coefficients()["p_value"][3])


def test_population_means_average_over_the_groups():
    made = fit("toenail")
    table = made.population_means("treatment")
    spread = np.sqrt(made.random[0].covariance[0, 0])
    frame = made.frame.data
    random = np.random.default_rng(5).normal(size=(20_000, 1))
    for level, row in zip(["0", "1"], table.itertuples(), strict=True):
        column = pd.Categorical([level] * len(frame), ["0", "1"])
        rows = made.fixed.matrix(frame.assign(treatment=column))
        eta = np.unique(rows @ made.estimates, return_counts=True)
        drawn = expit(eta[0] + spread * random) @ eta[1] / eta[1].sum()
        # Four standard errors of the Monte Carlo mean.
        assert row.estimate == pytest.approx(drawn.mean(), abs=4.0 * drawn.std() / np.sqrt(20_000))
    typical = made.marginal_means("treatment", type="response")
    # A typical group's probability is further from a half than the mean over all groups.
    assert (typical["estimate"] < table["estimate"]).all()
    assert (table["conf_low"] < table["estimate"]).all()
    assert (table["estimate"] < table["conf_high"]).all()


def test_population_means_of_counts_have_a_closed_form():
    made = fit("epil_poisson")
    table = made.population_means("trt")
    half = 0.5 * made.random[0].covariance[0, 0]
    eta = made.fixed.matrix(made.frame.data.assign(trt="placebo")) @ made.estimates
    assert table["estimate"][0] == pytest.approx(np.exp(eta + half).mean())


def test_likelihood_ratio():
    made = fit("cbpp_logit")
    smaller = GeneralizedMixedModel("incidence ~ 1 + (1 | herd)", trials="size").fit(table("cbpp"))
    row = smaller.likelihood_ratio(made).iloc[1]
    statistic = 2.0 * (made.info.log_likelihood - smaller.info.log_likelihood)
    assert (row["statistic"], row["df"]) == (pytest.approx(statistic), 3)
    assert row["p_value"] == pytest.approx(stats.chi2.sf(statistic, 3))
    more = fit("cbpp_rows")
    row = made.likelihood_ratio(more).iloc[1]
    assert row["null_distribution"] == "0.5 chi2(0) + 0.5 chi2(1)"
    assert row["p_value"] == pytest.approx(0.5 * row["p_value_chi2"])


def test_variances_and_their_shares():
    made = fit("contraception_slope")
    table = made.variance_table(interval="delta")
    assert list(table["other_term"]) == ["", "", "urban[T.Y]"]
    assert (table["conf_low"] < table["std_dev"].fillna(table["correlation"])).all()
    covariance = made.random[0].covariance
    assert table["correlation"][2] == pytest.approx(
        covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    )
    shares = fit("cbpp_logit").icc()
    variance = fit("cbpp_logit").random[0].covariance[0, 0]
    assert shares["icc"][0] == pytest.approx(variance / (variance + np.pi**2 / 3.0))
    squared = fit("cbpp_logit").r_squared()
    assert squared.conditional > squared.marginal > 0.0


def test_delta_limits_of_a_deviation_are_those_of_glmmtmb():
    expected = CASES["cbpp_logit"]["laplace"]["random"][0]
    row = fit("cbpp_logit", "laplace").variance_table(interval="delta").iloc[0]
    half = stats.norm.ppf(0.975) * expected["log_sd_se"][0]
    assert row["conf_high"] == pytest.approx(expected["sd"][0] * np.exp(half), rel=1e-4)


def test_random_effects_are_those_of_glmmtmb():
    expected, made = CASES["cbpp_logit"]["random_effects"], fit("cbpp_logit", "laplace")
    found = made.random_effects().set_index("level")["estimate"]
    assert found.index.astype(str).tolist() == sorted(expected["grp"], key=int)
    known = dict(zip(expected["grp"], expected["condval"], strict=True))
    assert found.to_numpy() == pytest.approx([known[str(one)] for one in found.index], abs=1e-4)


def test_random_effects_are_posterior_means():
    made = fit("sleep")
    row = made.random_effects().iloc[3]
    data = made.frame.data
    mine = (data["subject"] == row["level"]).to_numpy()
    eta = (made.fixed.matrix(data) @ made.estimates)[mine]
    spread = np.sqrt(made.random[0].covariance[0, 0])
    u = np.linspace(-8.0, 8.0, 4001) * spread
    terms = made.outcome.take(np.flatnonzero(mine)).value(eta[:, None] + u, 0.0).sum(axis=0)
    density = np.exp(terms - 0.5 * (u / spread) ** 2)
    density /= density.sum()
    mean = float(density @ u)
    # 1e-4: the nodes that the likelihood needs are fewer than those of a fine grid.
    assert row["estimate"] == pytest.approx(mean, abs=1e-4)
    assert row["std_error"] == pytest.approx(np.sqrt(density @ (u - mean) ** 2), abs=1e-4)


def test_predictions():
    made = fit("owls_nb")
    population = made.predict(interval=True)
    eta = made.fixed.matrix(made.frame.data) @ made.estimates + made.offset
    assert population["estimate"].to_numpy() == pytest.approx(eta)
    assert made.predict(type="response")["estimate"].to_numpy() == pytest.approx(np.exp(eta))
    new = table("owls").iloc[[5, 9]].assign(nest=["unknown", table("owls")["nest"].iloc[9]])
    conditional = made.predict(new, level="conditional")
    assert conditional["unseen_groups"].tolist() == [1, 0]
    assert conditional["estimate"].iloc[0] == pytest.approx(eta[5])
    effects = made.random_effects().set_index("level")["estimate"]
    assert conditional["estimate"].iloc[1] == pytest.approx(eta[9] + effects[new["nest"].iloc[1]])


def test_overdispersion_is_found_where_it_is():
    assert fit("owls_poisson").overdispersion()["p_value"][0] < 1e-6
    assert fit("owls_nb").overdispersion()["ratio"][0] < 1.2


def test_simulated_outcomes_have_the_means_of_the_population():
    made = fit("epil_poisson")
    drawn = made.simulate(400, seed=2)
    pd.testing.assert_frame_equal(drawn.iloc[:, :3], made.simulate(3, seed=2))
    half = 0.5 * made.random[0].covariance[0, 0]
    expected = np.exp(made.fixed.matrix(made.frame.data) @ made.estimates + half).mean()
    means = drawn.mean()
    assert means.mean() == pytest.approx(expected, abs=4.0 * means.std() / 20.0)


def test_residuals_by_simulation_find_overdispersion():
    poisson, negative = (
        fit(name).simulated_residuals(seed=1) for name in ("owls_poisson", "owls_nb")
    )
    assert (poisson.tests["p_value"][[0, 2]] < 0.02).all()
    assert negative.tests["p_value"][2] > 0.1
    assert negative.residuals.index.equals(fit("owls_nb").residuals().index)


def test_the_record_says_what_laplace_makes_of_the_estimates():
    made = fit("sleep")
    engine = build_engine(made.engine.layout, "laplace")
    known = engine.laplace.slope(made.optimum.phi)[0]
    assert made.info.laplace_log_likelihood == pytest.approx(known)
    assert made.info.laplace_log_likelihood < fit("sleep", "laplace").info.log_likelihood
    assert fit("sleep", "laplace").info.laplace_log_likelihood is None
    assert f"{known:.4f} at the same estimates" in made.summary()
    assert str(made) == made.summary()


def test_the_summary_warns_of_few_groups():
    assert "18 of 'subject' are few" in fit("sleep").summary()
    assert "are few" not in fit("prl").summary()
