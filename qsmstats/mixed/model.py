"""Linear mixed models: the specification, and the way from data to a fit.

  y = X b + sum_k Z_k u_k + e,   u_k ~ N(0, sigma2 T_k),   e_i ~ N(0, sigma2 / w_i)

fitted by REML or ML (Bates, Maechler, Bolker & Walker 2015, J Stat Softw 67(1)). The mathematics
stands in `sweeps` (likelihood), `optimise` and `inference`; this module joins them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qsmstats.mixed.assembly import assemble, lay_out
from qsmstats.mixed.covariance import lower_triangle
from qsmstats.mixed.estimate import Engine, Solution, build_engine, solve
from qsmstats.mixed.fit import (
    FitInfo,
    Likelihood,
    MixedFit,
    RandomEffects,
    ResidualModel,
    WaldTest,
)
from qsmstats.mixed.formula import parse_formula
from qsmstats.mixed.layout import Problem
from qsmstats.mixed.options import check_option
from qsmstats.mixed.terms import CONTRASTS

if TYPE_CHECKING:
    from qsmstats.mixed.batch import OutcomeDesign

__all__ = ["FitInfo", "MixedFit", "MixedModel", "RandomEffects", "ResidualModel", "WaldTest"]

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MixedModel:
    """A linear mixed model, specified by a formula.

    Parameters
    ----------
    formula
        In lme4's language: ``"y ~ a * x + (1 + x | g) + (1 | g:h)"``. The fixed part and the
        expressions of random terms are read by formulaic (contrasts, splines, stateful
        transforms); ``||``, ``/`` and ``:`` work as in lme4.
    contrasts
        Column -> "treatment" (the default: first level as reference), "sum", "helmert", "poly",
        "diff" or "SAS".

    Raises
    ------
    FormulaError
        If the formula cannot be read.

    Examples
    --------
    >>> MixedModel("reaction ~ days + (1 + days | subject)").fit(sleep)  # doctest: +SKIP
    """

    formula: str
    contrasts: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        parse_formula(self.formula)
        for column, kind in self.contrasts.items():
            check_option(f"contrasts of '{column}'", kind, list(CONTRASTS))

    def fit(
        self,
        data: pd.DataFrame,
        *,
        method: Likelihood = "reml",
        weights: str | Sequence[str] | None = None,
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
        engine = self.engine(data, method=method, weights=weights)
        return join(self, method, engine, solve(engine))

    def engine(
        self,
        data: pd.DataFrame,
        *,
        method: Likelihood = "reml",
        weights: str | Sequence[str] | None = None,
    ) -> Engine:
        """Return the criterion of the model for data, for profiles and resampling; see `fit`."""
        check_option("method", method, get_args(Likelihood))
        names = [weights] if isinstance(weights, str) else list(weights or ())
        problem = assemble(parse_formula(self.formula), data, self.contrasts, names)
        return build_engine(problem, reml=method == "reml")

    def design(
        self,
        data: pd.DataFrame,
        *,
        method: Likelihood = "reml",
        weights: str | Sequence[str] | None = None,
    ) -> OutcomeDesign:
        """Prepare the model's rows for many outcomes; the outcome itself is not looked at.

        Parameters
        ----------
        data
            One row per observation; the columns of the formula's left side need not be there.
        method, weights
            As in `fit`.

        Returns
        -------
        OutcomeDesign
            Its `fit_outcomes` fits any number of outcomes at once.

        Raises
        ------
        UsageError, FormulaError, InvalidDataError, NotIdentifiedError
            As `fit`.
        """
        from qsmstats.mixed.batch import design_of

        check_option("method", method, get_args(Likelihood))
        names = [weights] if isinstance(weights, str) else list(weights or ())
        layout = lay_out(parse_formula(self.formula), data, self.contrasts, names)
        return design_of(self, method, layout)


def join(model: MixedModel, method: Likelihood, engine: Engine, solution: Solution) -> MixedFit:
    """Put the result of a fit together from its solution."""
    problem = engine.problem
    residuals = problem.residuals
    relative = [factor @ factor.T for factor in solution.factors]
    return MixedFit(
        model=model,
        method=method,
        info=_info(problem, solution),
        estimates=solution.estimates,
        covariance=solution.covariance,
        theta=np.concatenate([f[lower_triangle(len(f))] for f in solution.factors]),
        sigma=solution.sigma,
        fixed=problem.fixed,
        random=tuple(
            RandomEffects(design=part.design, relative=t, covariance=t * solution.sigma**2)
            for part, t in zip(problem.random, relative, strict=True)
        ),
        residual=ResidualModel(
            column=residuals.column,
            levels=residuals.levels,
            ratios=solution.ratios,
            weight_column=residuals.weight_column,
        ),
        frame=problem.frame,
        response=problem.response,
        weights=_row_weights(problem, solution.ratios),
        moments=solution.moments,
    )


def _row_weights(problem: Problem, ratios: Matrix) -> Matrix | None:
    residuals = problem.residuals
    if residuals.codes is None:
        return residuals.prior
    strata: Matrix = ratios[residuals.codes] ** -2.0
    return strata if residuals.prior is None else strata * residuals.prior


def _info(problem: Problem, solution: Solution) -> FitInfo:
    record = solution.record
    parameters = len(solution.estimates) + solution.moments.parametrisation.size + 1
    return FitInfo(
        criterion=float(solution.criterion),
        log_likelihood=-0.5 * solution.criterion,
        converged=record.converged,
        singular=solution.singular,
        n_obs=len(problem.response),
        n_groups={part.design.grouping.label: part.design.grouping.size for part in problem.random},
        n_parameters=parameters,
        iterations=record.iterations,
        evaluations=record.evaluations,
        gradient_norm=record.gradient_norm,
        dropped_rows=problem.frame.dropped,
        dropped_columns=problem.fixed.dropped,
        messages=tuple(_messages(problem, solution)),
    )


def _messages(problem: Problem, solution: Solution) -> list[str]:
    made = list(problem.notes)
    if dropped := problem.frame.dropped:
        left = len(problem.response)
        counts = ", ".join(f"{name} {count}" for name, count in dropped.items())
        made.append(f"rows with missing values were left out ({counts}); {left} rows are used")
    if columns := problem.fixed.dropped:
        made.append(f"columns that depend on earlier ones were dropped: {', '.join(columns)}")
    if solution.singular:
        made.append(
            "the fit is singular: a random variance is estimated as zero, or a correlation as one"
        )
    if not solution.record.converged:
        made.append(
            f"the optimiser did not converge in {solution.record.iterations} iterations "
            f"(gradient norm {solution.record.gradient_norm:.3g})"
        )
    return made
