"""A generalised fit and the questions it can be asked.

Each question is answered by the stage that knows the answer. Here its function is bound to the
record, so that ``help(fit.contrasts)`` shows that function's own documentation.
"""

from __future__ import annotations

from dataclasses import dataclass

from qsmstats.generalized import coefficients as tests
from qsmstats.generalized import (
    describe,
    fitted,
    marginal,
    population,
    prediction,
    resampling,
    variances,
)

__all__ = ["GeneralizedFit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneralizedFit(fitted.GeneralizedFitted):  # noqa: D101
    __doc__ = fitted.GeneralizedFitted.__doc__

    coefficients = tests.coefficients
    anova = tests.anova
    wald = tests.wald
    likelihood_ratio = tests.likelihood_ratio
    joint_tests = marginal.joint_tests

    marginal_means = marginal.marginal_means
    contrasts = marginal.contrasts
    slopes = marginal.slopes
    slope_contrasts = marginal.slope_contrasts
    population_means = population.population_means

    variance_table = variances.variance_table
    icc = variances.icc
    r_squared = variances.r_squared
    overdispersion = variances.overdispersion

    random_effects = prediction.random_effects
    predict = prediction.predict
    residuals = prediction.residuals
    simulated_residuals = prediction.simulated_residuals
    simulate = prediction.simulate

    refit = resampling.refit
    bootstrap = resampling.bootstrap
    bootstrap_test = resampling.bootstrap_test

    summary = describe.summary

    def __repr__(self) -> str:
        info, model = self.info, self.model
        return (
            f"GeneralizedFit({model.formula!r}, {model.family} ({model.link_name}), "
            f"{info.n_obs} rows, log likelihood {info.log_likelihood:.4f})"
        )

    def __str__(self) -> str:
        return describe.summary(self)
