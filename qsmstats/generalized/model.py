r"""Generalised linear mixed models: the specification, and the way from data to a fit.

.. math:: y_i \mid u \sim \mathrm{family}(\mu_i), \quad
   g(\mu_i) = x_i'\beta + o_i + \sum_k z_{ik}' u_k, \quad u_k \sim N(0, \Sigma_k),

fitted by maximum likelihood. The stages of the way are listed in `qsmstats.generalized`.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from qsmstats.generalized.fit import GeneralizedFit
from qsmstats.generalized.fitted import fit_rows
from qsmstats.generalized.specification import GeneralizedSpecification

__all__ = ["GeneralizedMixedModel"]


@dataclass(frozen=True, slots=True)
class GeneralizedMixedModel(GeneralizedSpecification):
    """A generalised linear mixed model, specified by a formula and a family.

    Parameters
    ----------
    formula
        As for `MixedModel`; terms ``offset(expression)`` are added to the linear predictor without
        a coefficient. The outcome of a binomial model is 0 or 1, a column of two categories (the
        second counts as 1), or, with `trials`, a number of successes.
    contrasts, transforms
        As for `MixedModel`.
    family
        'binomial', 'poisson', or 'negative_binomial' (NB2: variance mu + mu^2 / k, k estimated).
    link
        'logit' (the default), 'probit' or 'cloglog' for the binomial; 'log' for counts.
    trials
        Column of numbers of trials, for the binomial.
    offset
        Column to add to the linear predictor.
    weights
        Column of positive prior weights, which multiply the log density of a row.
    integration
        'nested' (adaptive Gauss-Hermite quadrature over every level of nested groupings: exact, at
        most 3 random columns in all) or 'laplace' (Laplace's approximation, for any design). By
        default 'nested' where it can be done.

    Raises
    ------
    FormulaError
        If the formula cannot be read. What a term may hold is checked with the data, in `fit`.
    UsageError
        If an option is unknown, or does not go with the family.

    Examples
    --------
    >>> lesions = qs.example_lesions()
    >>> lesions = lesions.assign(small=lesions["volume_mm3"] < 50)
    >>> model = qs.GeneralizedMixedModel("small ~ lesion_type + (1 | participant_id)")
    >>> fit = model.fit(lesions[lesions["years"] == 0])
    >>> qs.show(fit.anova())
    term         num_df  den_df  statistic  p_value  test
    lesion_type   4.000     inf      0.863    0.485  Wald chi2, asymptotic
    """

    def fit(self, data: pd.DataFrame) -> GeneralizedFit:
        """Fit the model to data by maximum likelihood.

        Parameters
        ----------
        data
            One row per observation. Rows with a missing value in any used column but the offset are
            left out and counted in ``info.dropped_rows``.

        Raises
        ------
        FormulaError
            If the data lack a column of the formula.
        InvalidDataError
            If a column cannot be used: an outcome outside the range of the family, more successes
            than trials, a missing offset, weights that are not positive.
        NotIdentifiedError
            If the design cannot tell the parameters apart, or columns separate the outcome.
        UsageError
            If `integration` does not go with the design.
        """
        return fit_rows(GeneralizedFit, self, data)
