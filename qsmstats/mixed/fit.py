"""The result of a fit: a frozen record of numbers and of how they came about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qsmstats.mixed.design import FixedDesign, RandomDesign
from qsmstats.mixed.frame import ModelFrame
from qsmstats.mixed.inference import (
    JointTest,
    Method,
    joint_test,
    row_inference,
    tidy,
)
from qsmstats.mixed.moments import Moments
from qsmstats.mixed.questions import Questions

if TYPE_CHECKING:
    from qsmstats.mixed.estimate import Engine
    from qsmstats.mixed.model import MixedModel

__all__ = ["FitInfo", "Likelihood", "MixedFit", "RandomEffects", "ResidualModel", "WaldTest"]

Matrix = NDArray[np.float64]
Likelihood = Literal["reml", "ml"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FitInfo:
    """The record of a fit.

    Attributes
    ----------
    criterion
        -2 times the REML or ML log-likelihood with all constants, as lme4's.
    log_likelihood
        The log-likelihood itself.
    converged
        Whether the optimiser's own test was met.
    singular
        Whether a random covariance has a zero eigenvalue (a variance of zero, a correlation of
        one, or a linear combination of effects that does not vary).
    n_obs
        Rows used.
    n_groups
        Grouping -> number of groups.
    n_parameters
        Fixed effects, covariance parameters and residual variances together.
    iterations, evaluations, gradient_norm
        Of the optimiser.
    dropped_rows
        Column -> rows in which it is missing; such rows are left out.
    dropped_columns
        Fixed-effect columns that depend on earlier ones.
    messages
        What a reader of the fit should know, in words.
    """

    criterion: float
    log_likelihood: float
    converged: bool
    singular: bool
    n_obs: int
    n_groups: Mapping[str, int]
    n_parameters: int
    iterations: int
    evaluations: int
    gradient_norm: float
    dropped_rows: Mapping[str, int]
    dropped_columns: tuple[str, ...]
    messages: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomEffects:
    """A random term of a fit.

    Attributes
    ----------
    design
        Its columns and groups.
    relative
        T, shape (q, q): covariance in units of the residual variance.
    covariance
        sigma2 T, shape (q, q).
    """

    design: RandomDesign
    relative: Matrix
    covariance: Matrix


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidualModel:
    """The residual variances of a fit: Var(e_i) = (sigma ratio_i)^2 / prior_i.

    Attributes
    ----------
    column, levels
        Column whose levels have variances of their own, and these levels; None and () where the
        variance is the same everywhere.
    ratios
        Standard deviation of each level over that of the first, shape (levels,); ones otherwise.
    weight_column
        Column of prior weights, or None.
    """

    column: str | None
    levels: tuple[object, ...]
    ratios: Matrix
    weight_column: str | None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns to give as `weights` for the same model."""
        return tuple(name for name in (self.column, self.weight_column) if name is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaldTest:
    """Linear functions of the fixed effects, each by itself and together.

    Attributes
    ----------
    estimates
        One row per function: contrast, estimate, std_error, df, statistic, p_value, conf_low,
        conf_high.
    joint
        The F test that all are zero.
    """

    estimates: pd.DataFrame
    joint: JointTest


@dataclass(frozen=True, slots=True, kw_only=True)
class MixedFit(Questions):
    """A fitted linear mixed model.

    Attributes
    ----------
    model, method
        What was fitted, and by which likelihood.
    info
        The record of the fit.
    estimates, covariance
        Fixed effects, shape (p,), and their covariance, shape (p, p).
    theta
        Relative Cholesky elements, column by column, terms in the order of the formula.
    sigma
        Residual standard deviation (of the first stratum, at weight one).
    fixed, random, residual
        The parts of the model, as fitted.
    frame, response, weights
        The rows used; the outcome, shape (n,); w with Var(e_i) = sigma2 / w_i, shape (n,), or
        None.
    moments
        The optimum with its derivatives, for inference.
    """

    model: MixedModel
    method: Likelihood
    info: FitInfo
    estimates: Matrix
    covariance: Matrix
    theta: Matrix
    sigma: float
    fixed: FixedDesign
    random: tuple[RandomEffects, ...]
    residual: ResidualModel
    frame: ModelFrame
    response: Matrix
    weights: Matrix | None
    moments: Moments

    def coefficients(self, df: Method = "satterthwaite", level: float = 0.95) -> pd.DataFrame:
        """Return fixed effects with tests and confidence limits.

        Parameters
        ----------
        df
            "satterthwaite", "kenward-roger", "normal" or "residual".
        level
            Confidence level.

        Returns
        -------
        DataFrame
            term, estimate, std_error, df, statistic, p_value, conf_low, conf_high.
        """
        rows = row_inference(self, np.eye(len(self.estimates)), df)
        table = tidy(rows, level)
        table.insert(0, "term", list(self.fixed.names))
        return table

    def anova(self, *, type: Literal[1, 2, 3] = 3, df: Method = "satterthwaite") -> pd.DataFrame:  # noqa: A002
        """F tests of the terms of the fixed part.

        Parameters
        ----------
        type
            1 sequential, 2 after all terms that do not contain the term, 3 after all terms.
        df
            How the denominator degrees of freedom are found.

        Returns
        -------
        DataFrame
            term, num_df, den_df, statistic, p_value. NaN where no F distribution has Kenward and
            Roger's moments, which happens only with about two denominator df or fewer.
        """
        from qsmstats.mixed.hypotheses import term_hypotheses

        found = term_hypotheses(self, type)
        tests = [joint_test(self, rows, df) for rows in found.values()]
        return pd.DataFrame(
            {
                "term": list(found),
                "num_df": [test.num_df for test in tests],
                "den_df": [test.den_df for test in tests],
                "statistic": [test.statistic for test in tests],
                "p_value": [test.p_value for test in tests],
            }
        )

    def wald(
        self,
        contrasts: Matrix | Mapping[str, float] | Mapping[str, Mapping[str, float]],
        *,
        df: Method = "satterthwaite",
        level: float = 0.95,
    ) -> WaldTest:
        """Test linear functions of the fixed effects.

        Parameters
        ----------
        contrasts
            L, shape (k, p); or coefficient name -> weight; or label -> such a mapping.
        df, level
            As in `coefficients`.

        Raises
        ------
        UsageError
            If a name is no coefficient or the shape does not fit.
        """
        from qsmstats.mixed.hypotheses import named_contrasts

        labels, rows = named_contrasts(contrasts, self.fixed.names)
        table = tidy(row_inference(self, rows, df), level)
        table.insert(0, "contrast", labels)
        return WaldTest(estimates=table, joint=joint_test(self, rows, df))

    def refitted(
        self,
        *,
        formula: str | None = None,
        method: Likelihood | None = None,
        weights: str | Sequence[str] | Literal["same"] | None = "same",
    ) -> MixedFit:
        """Fit another formula, likelihood or residual model to the same rows."""
        model = self.model if formula is None else replace(self.model, formula=formula)
        return model.fit(
            self.frame.data,
            method=method or self.method,
            weights=self.residual.columns if weights == "same" else weights,
        )

    def engine(self, method: Likelihood | None = None) -> Engine:
        """Return the criterion of this fit's model and rows, for profiles."""
        return self.model.engine(
            self.frame.data, method=method or self.method, weights=self.residual.columns
        )
