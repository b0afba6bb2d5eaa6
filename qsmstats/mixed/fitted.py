"""What a fit is: a frozen record of numbers and of how they came about.

The record knows nothing of what can be asked of it; `fit.MixedFit` binds the questions to it.
Functions that fit again (another formula, likelihood or outcome) return a record of the class that
they were given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, TypeVar, get_args

import numpy as np
import pandas as pd

from qsmstats.arrays import Floats
from qsmstats.display import Displayed
from qsmstats.errors import check_option
from qsmstats.mixed.criterion.covariance import factor_elements, factors_of
from qsmstats.mixed.criterion.profiled import InferenceOf, LargeSample, Moments
from qsmstats.mixed.design.assembly import assemble
from qsmstats.mixed.design.frame import ModelFrame
from qsmstats.mixed.design.layout import OutcomeLayout
from qsmstats.mixed.design.matrices import FixedDesign, RandomDesign
from qsmstats.mixed.formula.specification import Specification
from qsmstats.mixed.formula.terms import Terms
from qsmstats.mixed.optimum.estimate import Engine, Optimum, build_engine, solve
from qsmstats.parallel import one_thread

__all__ = [
    "FitInfo",
    "Fitted",
    "FixedEffects",
    "Likelihood",
    "RandomEffects",
    "ResidualModel",
    "Uncertainty",
    "engine_of",
    "engine_of_fit",
    "fit_rows",
    "join",
    "refitted",
    "weight_columns",
]

Likelihood = Literal["reml", "ml"]
Weights = str | Sequence[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FitInfo(Displayed):
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
class RandomEffects(Displayed):
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
    relative: Floats
    covariance: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidualModel(Displayed):
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
    ratios: Floats
    weight_column: str | None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns to give as `weights` for the same model."""
        return tuple(name for name in (self.column, self.weight_column) if name is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted(Displayed):
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
    offset, offset_terms
        What was added to the linear predictor, shape (n,), and the expressions it is the sum of.
    moments
        The optimum with its derivatives, for inference.
    """

    model: Specification
    method: Likelihood
    info: FitInfo
    estimates: Floats
    covariance: Floats
    theta: Floats
    sigma: float
    fixed: FixedDesign
    random: tuple[RandomEffects, ...]
    residual: ResidualModel
    frame: ModelFrame
    response: Floats
    weights: Floats | None
    offset: Floats
    offset_terms: tuple[Terms, ...]
    moments: Moments

    def factors(self) -> list[Floats]:
        """Relative Cholesky factor of each random term, shapes (q, q)."""
        return factors_of(self.theta, [len(term.design.names) for term in self.random])


Uncertainty = Moments | LargeSample | InferenceOf
"""The uncertainty of fixed effects, in a basis and on a scale of its own."""


class FixedEffects(Protocol):
    """What inference about fixed effects needs of a fit; attributes as in `Fitted`."""

    @property
    def model(self) -> Specification:
        """What was fitted."""

    @property
    def estimates(self) -> Floats:
        """Fixed effects."""

    @property
    def fixed(self) -> FixedDesign:
        """The fixed part."""

    @property
    def frame(self) -> ModelFrame:
        """The rows used."""

    @property
    def offset(self) -> Floats:
        """What was added to the linear predictor."""

    @property
    def moments(self) -> Uncertainty:
        """The uncertainty of the fixed effects."""


AnyFit = TypeVar("AnyFit", bound=Fitted)
"""A record, or a class that binds questions to it."""


def weight_columns(weights: Weights) -> list[str]:
    """Return the columns that `weights` names."""
    return [weights] if isinstance(weights, str) else list(weights or ())


def engine_of(
    model: Specification,
    data: pd.DataFrame,
    *,
    method: Likelihood = "reml",
    weights: Weights = None,
) -> Engine:
    """Return the criterion of a model for data; arguments and errors as in `MixedModel.fit`."""
    check_option("method", method, get_args(Likelihood))
    layout = assemble(
        model.parsed,
        data,
        model.contrasts,
        weight_columns(weights),
        model.transforms,
    )
    return build_engine(layout, reml=method == "reml")


@one_thread()
def fit_rows(
    kind: type[AnyFit],
    model: Specification,
    data: pd.DataFrame,
    *,
    method: Likelihood = "reml",
    weights: Weights = None,
    like: Fitted | None = None,
) -> AnyFit:
    """Fit a model to data into a record of the class `kind`; see `MixedModel.fit`.

    Parameters
    ----------
    kind, model, data, method, weights
        What to fit.
    like
        A fit of the same formula to nearly the same data, to start from, without further starts.
    """
    engine = engine_of(model, data, method=method, weights=weights)
    near = False
    if like is not None:
        start = engine.from_factors(like.factors(), np.log(like.residual.ratios[1:]))
        if near := len(start) == len(engine.start):  # types without lesions have no variance
            engine = replace(engine, start=start)
    return join(kind, model, method, engine, solve(engine, near=near))


def refitted(
    fit: AnyFit,
    *,
    formula: str | None = None,
    method: Likelihood | None = None,
    weights: str | Sequence[str] | Literal["same"] | None = "same",
) -> AnyFit:
    """Fit another formula, likelihood or residual model to the same rows."""
    return fit_rows(
        type(fit),
        fit.model if formula is None else replace(fit.model, formula=formula),
        fit.frame.data,
        method=method or fit.method,
        weights=fit.residual.columns if weights == "same" else weights,
    )


def engine_of_fit(fit: Fitted, method: Likelihood | None = None) -> Engine:
    """Return the criterion of a fit's model and rows, for profiles."""
    return engine_of(
        fit.model, fit.frame.data, method=method or fit.method, weights=fit.residual.columns
    )


def join(
    kind: type[AnyFit],
    model: Specification,
    method: Likelihood,
    engine: Engine,
    optimum: Optimum,
) -> AnyFit:
    """Put the result of a fit together from its optimum."""
    layout, minimum = engine.layout, optimum.minimum
    residuals, weights = layout.residuals, layout.residuals.prior
    if residuals.codes is not None:
        strata = optimum.ratios[residuals.codes] ** -2.0
        weights = strata if weights is None else strata * weights
    relative = [factor @ factor.T for factor in optimum.factors]
    groupings = [part.design.grouping for part in layout.random]
    parameters = len(optimum.estimates) + optimum.moments.parametrisation.size + 1
    return kind(
        model=model,
        method=method,
        info=FitInfo(
            criterion=float(optimum.criterion),
            log_likelihood=-0.5 * optimum.criterion,
            converged=minimum.converged,
            singular=optimum.singular,
            n_obs=len(layout.response),
            n_groups={grouping.label: grouping.size for grouping in groupings},
            n_parameters=parameters,
            iterations=minimum.iterations,
            evaluations=minimum.evaluations,
            gradient_norm=minimum.gradient_norm,
            dropped_rows=layout.frame.dropped,
            dropped_columns=layout.fixed.dropped,
            messages=tuple(_messages(layout, optimum)),
        ),
        estimates=optimum.estimates,
        covariance=optimum.covariance,
        theta=factor_elements(optimum.factors),
        sigma=optimum.sigma,
        fixed=layout.fixed,
        random=tuple(
            RandomEffects(design=part.design, relative=t, covariance=t * optimum.sigma**2)
            for part, t in zip(layout.random, relative, strict=True)
        ),
        residual=ResidualModel(
            column=residuals.column,
            levels=residuals.levels,
            ratios=optimum.ratios,
            weight_column=residuals.weight_column,
        ),
        frame=layout.frame,
        response=layout.response,
        weights=weights,
        offset=layout.offset,
        offset_terms=layout.offset_terms,
        moments=optimum.moments,
    )


def _messages(layout: OutcomeLayout, optimum: Optimum) -> list[str]:
    made = list(layout.notes)
    if dropped := layout.frame.dropped:
        left = len(layout.response)
        counts = ", ".join(f"{name} {count}" for name, count in dropped.items())
        made.append(f"rows with missing values were left out ({counts}); {left} rows are used")
    if columns := layout.fixed.dropped:
        made.append(
            "columns that are linear combinations of earlier ones were dropped: "
            + ", ".join(columns)
        )
    if optimum.singular:
        made.append(
            "the fit is singular: a random variance is estimated as zero, or a correlation as one"
        )
    if not optimum.minimum.converged:
        made.append(
            f"the optimiser did not converge in {optimum.minimum.iterations} iterations "
            f"(gradient norm {optimum.minimum.gradient_norm:.3g})"
        )
    return made
