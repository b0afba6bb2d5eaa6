"""A fit and the questions it can be asked.

Each question is answered by the stage that knows the answer. Here its function is bound to the
record, so that ``help(fit.contrasts)`` shows that function's own documentation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from qsmstats.mixed import describe, fitted
from qsmstats.mixed.familiar_names import FamiliarNames
from qsmstats.mixed.inference import (
    cluster_robust,
    hypotheses,
    joint,
    marginal,
    variance_components,
)
from qsmstats.mixed.inference import likelihood_ratio as ratio_tests
from qsmstats.mixed.inference import response_scale as scales
from qsmstats.mixed.inference import wald as wald_tests
from qsmstats.mixed.prediction import influence as left_out_groups
from qsmstats.mixed.prediction import predict as predictions
from qsmstats.mixed.resampling import bootstrap as resamples
from qsmstats.mixed.resampling import parametric_test
from qsmstats.mixed.resampling import refit as other_outcomes
from qsmstats.mixed.resampling import simulate as simulated

__all__ = ["ClusteredFit", "MixedFit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusteredFit(cluster_robust.Clustered):  # noqa: D101
    __doc__ = cluster_robust.Clustered.__doc__

    coefficients = wald_tests.coefficients
    wald = hypotheses.wald
    joint_tests = joint.joint_tests

    marginal_means = marginal.marginal_means
    contrasts = marginal.contrasts
    slopes = marginal.slopes
    slope_contrasts = marginal.slope_contrasts

    def displayed(self) -> Mapping[str, object]:
        """Return what the prompt shows."""
        return {
            "formula": self.model.formula,
            "cluster": f"{self.cluster}, {self.n_clusters} clusters",
            "coefficients": self.coefficients(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class MixedFit(FamiliarNames, fitted.Fitted):  # noqa: D101
    __doc__ = fitted.Fitted.__doc__

    coefficients = wald_tests.coefficients
    anova = hypotheses.anova
    wald = hypotheses.wald
    joint_tests = joint.joint_tests

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

    def cluster_robust(self, cluster: str | None = None) -> ClusteredFit:
        """Return the same estimates with cluster-robust standard errors, as a second opinion.

        They are CR2 with Satterthwaite's degrees of freedom, as R's clubSandwich; joint tests are
        its approximate Hotelling test. The matrices have as many rows as the largest cluster.

        Parameters
        ----------
        cluster
            Grouping column whose groups are the clusters; by default the grouping that contains all
            others.

        Returns
        -------
        ClusteredFit
            It answers `coefficients`, `wald`, `joint_tests`, `marginal_means`, `contrasts`,
            `slopes` and `slope_contrasts` as this fit does. What depends on a level that occurs in
            fewer than four clusters is withheld, and the column `note` says so.

        Raises
        ------
        UsageError
            If the groups of the random terms do not lie within clusters.
        """
        return cluster_robust.clustered(ClusteredFit, self, cluster)

    def displayed(self) -> Mapping[str, object]:
        """Return what the prompt shows of a fit; `summary` has the whole."""
        info = self.info
        return {
            "formula": self.model.formula,
            "method": self.method.upper(),
            "rows": info.n_obs,
            "groups": info.n_groups,
            "log_likelihood": info.log_likelihood,
            "converged": info.converged,
            "singular": info.singular,
            "messages": info.messages,
            "coefficients": self.coefficients(),
            "variances": self.variances,
        }

    def __str__(self) -> str:
        return describe.summary(self)

    @property
    def fittedvalues(self) -> pd.Series[float]:
        """Outcome less `resid`: the fixed and random effects of each row of the fit."""
        return (-self.resid + self.response).rename("fittedvalues")

    @property
    def resid(self) -> pd.Series[float]:
        """Conditional residuals; see `residuals`."""
        return predictions.residuals(self)

    @property
    def aic(self) -> float:
        """Akaike's information criterion, -2 log L + 2 k, of the likelihood by which it was fitted.

        k counts fixed effects, covariance parameters and residual variances. Restricted likelihoods
        (REML) compare only models with the same fixed part; use ``fit(..., method="ml")`` for
        others.
        """
        return self.info.criterion + 2.0 * self.info.n_parameters

    @property
    def aicc(self) -> float:
        """AIC corrected for small samples, AIC + 2 k (k + 1) / (n - k - 1), n the number of rows.

        Hurvich & Tsai 1989, Biometrika 76:297-307. Infinite where n is not above k + 1.
        """
        k, n = self.info.n_parameters, self.info.n_obs
        return self.aic + 2.0 * k * (k + 1) / (n - k - 1) if n > k + 1 else math.inf

    @property
    def bic(self) -> float:
        """Schwarz's information criterion, -2 log L + k log n, n the number of rows as in lme4.

        Of a REML fit as said of `aic`.
        """
        return self.info.criterion + self.info.n_parameters * math.log(self.info.n_obs)

    @property
    def variances(self) -> pd.DataFrame:
        """Variances, standard deviations and correlations; see `variance_table`."""
        return variance_components.variance_table(self)
