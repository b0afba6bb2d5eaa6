"""A generalised fit and the questions it can be asked.

Each question is answered by the stage that knows the answer. Here its function is bound to the
record, so that ``help(fit.contrasts)`` shows that function's own documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

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
from qsmstats.mixed.familiar_names import FamiliarNames

__all__ = ["GeneralizedFit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneralizedFit(FamiliarNames, fitted.GeneralizedFitted):  # noqa: D101
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

    def displayed(self) -> Mapping[str, object]:
        """Return what the prompt shows of a fit; `summary` has the whole."""
        info = self.info
        return {
            "formula": self.model.formula,
            "family": f"{self.model.family} ({self.model.link_name})",
            "rows": info.n_obs,
            "groups": info.n_groups,
            "log_likelihood": info.log_likelihood,
            "converged": info.converged,
            "singular": info.singular,
            "messages": info.messages,
            "coefficients": self.coefficients(),
            "variances": self.variance_table(),
        }

    def __str__(self) -> str:
        return describe.summary(self)

    @property
    def fittedvalues(self) -> pd.Series[float]:
        """Outcome less `resid`: the expected count or successes at the random effects."""
        return (-self.resid + self.outcome.y).rename("fittedvalues")

    @property
    def resid(self) -> pd.Series[float]:
        """Outcome less its expectation at the random effects; see `residuals`."""
        return prediction.residuals(self, "response")

    @property
    def aic(self) -> float:
        """Akaike's information criterion: `info.aic`."""
        return self.info.aic

    @property
    def bic(self) -> float:
        """Schwarz's information criterion: `info.bic`."""
        return self.info.bic
