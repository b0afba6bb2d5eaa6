"""Profile-likelihood intervals of standard deviations; those of coefficients: test_answers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats

from qsmstats.generalized.estimate import likelihood
from tests.generalized.cases import fit


def test_profile_of_a_deviation_is_that_of_glmer():
    # confint(glmer(cbind(incidence, size - incidence) ~ period + (1 | herd), cbpp, binomial,
    # nAGQ = 25), "theta_"), lme4 1.1-31; its limits are interpolated.
    row = fit("cbpp_logit").variance_table(interval="profile").iloc[0]
    assert row["conf_low"] == pytest.approx(0.34880174, rel=1e-4)
    assert row["conf_high"] == pytest.approx(1.1112975, rel=1e-4)
    # glmmTMB 1.1.5, confint(method = "uniroot") of the logarithm: about four digits.
    row = fit("cbpp_logit", "laplace").variance_table(interval="profile").iloc[0]
    assert row["conf_low"] == pytest.approx(0.34605299, rel=1e-3)
    assert row["conf_high"] == pytest.approx(1.0999577, rel=1e-3)


def test_profile_of_the_deviation_of_a_slope_is_that_of_glmmtmb():
    made = fit("epil_slope", "laplace").variance_table(interval="profile")
    # confint(glmmTMB(...), parm = "theta_", method = "uniroot"), glmmTMB 1.1.5.
    assert made["conf_low"][:2].to_numpy() == pytest.approx([0.39955066, 0.45290952], rel=1e-3)
    assert made["conf_high"][:2].to_numpy() == pytest.approx([0.63234332, 1.08079217], rel=1e-3)
    assert np.isnan(made["conf_low"][2])
    assert "delta" in made["note"][2]


def test_a_deviation_of_zero_has_an_upper_limit():
    made = fit("nested_zero")
    assert made.info.singular
    row = made.variance_table(interval="profile").iloc[0]
    assert row["conf_low"] == 0.0
    # With the deviation held there, the maximum over the coefficients, found by another optimiser,
    # is lower by half the quantile.
    rank, start = made.engine.parameters.rank, made.optimum.phi
    unit = float(np.sqrt(made.covariances_at(np.append(start[:rank], 1.0))[0][0, 0]))
    rule = likelihood(made.engine, made.optimum)

    def negative(beta):
        value, gradient, _ = rule(np.append(beta, row["conf_high"] / unit))
        return -value, -gradient[:rank]

    found = optimize.minimize(negative, start[:rank], jac=True, method="BFGS")
    fall = 2.0 * (made.info.log_likelihood + found.fun)
    assert fall == pytest.approx(stats.chi2.ppf(0.95, 1), abs=1e-4)
