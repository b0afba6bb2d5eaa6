"""Linear mixed models: the specification, and the way from data to a fit.

  y = X b + sum_k Z_k u_k + e,   u_k ~ N(0, sigma2 T_k),   e_i ~ N(0, sigma2 / w_i)

fitted by REML or ML (Bates, Maechler, Bolker & Walker 2015, J Stat Softw 67(1)). The stages of the
way, with their formulas, are listed in `qsmstats.mixed`.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from qsmstats.mixed.batch.outcomes import outcome_design
from qsmstats.mixed.fit import MixedFit
from qsmstats.mixed.fitted import Likelihood, Weights, engine_of, fit_rows
from qsmstats.mixed.formula.specification import Specification

__all__ = ["MixedModel"]


@dataclass(frozen=True, slots=True)
class MixedModel(Specification):
    """A linear mixed model, specified by a formula.

    Parameters
    ----------
    formula
        In lme4's language: ``"y ~ a * x + (1 + x | g) + (1 | g:h)"``; ``||``, ``/``, ``:`` and
        ``offset(expression)`` work as in lme4. A term holds names of columns (in backticks where
        they are no words), numbers, arithmetic, comparisons, and calls of log, log2, log10, exp,
        sqrt, abs, logit, center, scale, poly, bs, cr, cc, I, and C with contr.treatment,
        contr.sum, contr.helmert, contr.poly, contr.diff or contr.SAS; nothing else is evaluated.
    contrasts
        Column -> "treatment" (the default: first level as reference), "sum", "helmert", "poly",
        "diff" or "SAS".
    transforms
        Name in the formula -> function of your own, called with columns (Series of float64 or of
        categories) and returning one value a row.
    offset
        Column that is added to the linear predictor with a coefficient of one, as a term
        ``offset(expression)`` of the formula is. Its values must not be missing.

    Raises
    ------
    FormulaError
        If the formula cannot be read. What a term may hold is checked with the data, in `fit`.
    UsageError
        If contrasts are unknown, or a transform has no name or is no function.

    Examples
    --------
    >>> lesions = qs.example_lesions()
    >>> fit = qs.MixedModel("mwf_percent ~ years + age + (1 | participant_id)").fit(lesions)
    >>> qs.show(fit.coefficients())
    term       estimate  conf_low  conf_high  p_value
    Intercept     4.672     1.851      7.493    0.002
    years      -0.08669   -0.3424     0.1690    0.505
    age         0.03815  -0.02221    0.09852    0.203
    """

    def fit(
        self,
        data: pd.DataFrame,
        *,
        method: Likelihood = "reml",
        weights: Weights = None,
    ) -> MixedFit:
        """Fit the model to data.

        Parameters
        ----------
        data
            One row per observation. Rows with a missing value in any used column are left out
            and counted in ``info.dropped_rows``.
        method
            "reml" or "ml".
        weights
            A column of numbers w: the residual variance is sigma2 / w. A column of categories
            (text, boolean, categorical): each level has a residual variance of its own, estimated
            (nlme's varIdent). Two names: one of each.

        Raises
        ------
        FormulaError
            If the data lack a column of the formula.
        InvalidDataError
            If a column cannot be used (infinite values, dates, categories as outcome).
        NotIdentifiedError
            If the design cannot tell the parameters apart.
        """
        return fit_rows(MixedFit, self, data, method=method, weights=weights)

    design = outcome_design
    engine = engine_of
