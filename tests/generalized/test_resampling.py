"""Refits, the bootstrap and bootstrap tests of generalised fits."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from qsmstats.generalized.model import GeneralizedMixedModel
from tests.generalized.cases import CASES, fit, table


@pytest.mark.parametrize("name", ["cbpp_logit", "salamanders_nb", "nested_zero"])
def test_a_refit_is_the_fit_of_the_other_outcome(name):
    made, case = fit(name), CASES[name]
    outcome = made.simulate(1, seed=3)[0].to_numpy()
    asked = {key: case.get(key) for key in ("family", "link", "trials")}
    response = case["formula"].split(" ~ ")[0]
    data = table(case["data"]).assign(**{response: outcome})
    anew = GeneralizedMixedModel(case["formula"], **asked).fit(data)
    other = made.refit(outcome)
    assert other.info.log_likelihood == pytest.approx(anew.info.log_likelihood, abs=1e-6)
    # 1e-8 of the criterion may be left to gain: 1e-4 standard errors.
    errors = np.sqrt(np.diag(anew.covariance))
    assert np.abs((other.estimates - anew.estimates) / errors).max() < 1e-4
    assert other.info.converged
    assert (other.outcome.y == outcome).all()


@pytest.fixture(scope="module")
def refits():
    return fit("sleep").bootstrap(
        60, seed=1, statistic={"odds": lambda one: float(np.exp(one.estimates[1]))}
    )


def test_a_bootstrap_has_the_shape_of_that_of_linear_models(refits):
    made = fit("sleep")
    intervals = refits.intervals
    assert list(intervals["parameter"]) == ["coefficient"] * 2 + ["variance", "statistic"]
    assert intervals["term"][2] == "sd(Intercept | subject)"
    assert (intervals["n_refits"] == 60 - refits.n_failed - refits.n_unconverged).all()
    # The standard error of a standard deviation of 60 values is a tenth of it.
    assert intervals["std_error"][1] == pytest.approx(np.sqrt(made.covariance[1, 1]), rel=0.35)
    slope, odds = intervals.iloc[1], intervals.iloc[3]
    assert odds["conf_low"] == pytest.approx(np.exp(slope["conf_low"]), rel=0.05)
    first = made.refit(made.simulate(1, seed=1)[0].to_numpy())
    assert refits.estimates.iloc[0].to_numpy() == pytest.approx(first.estimates)
    means = refits.slopes("days")
    assert means["conf_low"][0] == pytest.approx(slope["conf_low"])


def test_bootstrap_means_hold_the_mean_offset():
    made = fit("owls_nb")
    refits = made.bootstrap(3, seed=1)
    means = refits.marginal_means("food")["estimate"]
    assert means.to_numpy() == pytest.approx(made.marginal_means("food")["estimate"].to_numpy())
    assert "k" in refits.refits


def test_refits_that_fail_are_counted_with_the_reason():
    data = pd.DataFrame({"y": [0.0, 0, 0, 1, 1, 0, 1, 1] * 2, "g": list("aaaabbbbccccdddd")})
    data["x"] = np.tile([0.0, 0, 1, 1], 4)
    made = GeneralizedMixedModel("y ~ x + (1 | g)").fit(data)
    refits = made.bootstrap(40, seed=2)
    assert refits.n_failed == sum(refits.problems.values()) > 0
    assert any("separation" in reason for reason in refits.problems)
    assert len(refits.refits) == 40 - refits.n_failed - refits.n_unconverged
    # Where none is left, the tables say so.
    assert set(made.bootstrap(1, seed=6).intervals["note"]) == {"too few refits with a value"}
    small = GeneralizedMixedModel("y ~ 1 + (1 | g)").fit(data)
    assert made.bootstrap_test(small, 1, seed=8).table["n_refits"][1] == 0.0


def test_a_bootstrap_test_of_a_coefficient():
    large, data = fit("sleep"), table("sleep")
    small = GeneralizedMixedModel("slow ~ 1 + (1 | subject)").fit(data)
    found = large.bootstrap_test(small, 30, seed=1)
    # The effect of sleep loss is strong: no outcome without it comes near.
    assert found.p_value == pytest.approx(1.0 / (found.table["n_refits"][1] + 1.0))
    # Under the null the statistic is about chi-squared: its mean is 1, its standard error 0.26.
    assert found.statistics.mean() == pytest.approx(1.0, abs=0.8)
    assert found.table["statistic"][1] == pytest.approx(
        2.0 * (large.info.log_likelihood - small.info.log_likelihood)
    )


@pytest.mark.slow
def test_the_p_value_of_a_bootstrap_test_is_uniform_under_the_null():
    small = GeneralizedMixedModel("slow ~ 1 + (1 | subject)").fit(table("sleep"))
    large = fit("sleep")
    found = []
    for number in range(40):
        outcome = small.simulate(1, seed=100 + number)[0].to_numpy()
        pair = [one.refit(outcome) for one in (small, large)]
        found.append(pair[1].bootstrap_test(pair[0], 19, seed=number).p_value)
    assert stats.kstest(found, "uniform").pvalue > 0.01


@pytest.mark.slow
def test_processes_do_not_alter_a_bootstrap():
    made = fit("sleep")
    one, two = made.bootstrap(40, seed=4), made.bootstrap(40, seed=4, jobs=2)
    pd.testing.assert_frame_equal(one.refits, two.refits)
