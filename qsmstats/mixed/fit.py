"""A fit and the questions it can be asked.

Each question is answered by the stage that knows the answer. Here its function is bound to the
record, so that ``help(fit.contrasts)`` shows that function's own documentation.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from qsmstats.mixed import describe, fitted
from qsmstats.mixed.inference import hypotheses, marginal, variance_components
from qsmstats.mixed.inference import likelihood_ratio as ratio_tests
from qsmstats.mixed.inference import response_scale as scales
from qsmstats.mixed.inference import wald as wald_tests
from qsmstats.mixed.prediction import influence as left_out_groups
from qsmstats.mixed.prediction import predict as predictions
from qsmstats.mixed.resampling import bootstrap as resamples
from qsmstats.mixed.resampling import parametric_test
from qsmstats.mixed.resampling import refit as other_outcomes
from qsmstats.mixed.resampling import simulate as simulated

__all__ = ["MixedFit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MixedFit(fitted.Fitted):  # noqa: D101
    __doc__ = fitted.Fitted.__doc__

    coefficients = wald_tests.coefficients
    anova = hypotheses.anova
    wald = hypotheses.wald

    marginal_means = marginal.marginal_means
    contrasts = marginal.contrasts
    slopes = marginal.slopes
    slope_contrasts = marginal.slope_contrasts
    response_scale = scales.scale_of

    variance_table = variance_components.variance_table
    icc = variance_components.icc
    r_squared = variance_components.r_squared

    random_effects = predictions.random_effects
    predict = predictions.predict
    residuals = predictions.residuals
    influence = left_out_groups.influence

    likelihood_ratio = ratio_tests.likelihood_ratio
    random_term_tests = ratio_tests.random_term_tests
    residual_variance_test = ratio_tests.residual_variance_test

    summary = describe.summary
    methods_text = describe.methods_text

    refit = other_outcomes.refit
    refitted = fitted.refitted
    engine = fitted.engine_of_fit
    simulate = simulated.simulate
    bootstrap = resamples.bootstrap
    bootstrap_test = parametric_test.bootstrap_test

    @property
    def variances(self) -> pd.DataFrame:
        """Variances, standard deviations and correlations; see `variance_table`."""
        return variance_components.variance_table(self)
