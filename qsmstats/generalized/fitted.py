"""What a generalised fit is: a frozen record of numbers and of how they came about.

The record knows nothing of what can be asked of it; `fit.GeneralizedFit` binds the questions to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd
from scipy.linalg import solve_triangular

from qsmstats.arrays import Floats
from qsmstats.display import Displayed
from qsmstats.generalized.assembly import GeneralizedLayout, assemble
from qsmstats.generalized.estimate import Engine, Optimum, build_engine, laplace_beside, solve
from qsmstats.generalized.family import Outcome
from qsmstats.generalized.specification import GeneralizedSpecification, Integration
from qsmstats.mixed.criterion.profiled import LargeSample
from qsmstats.mixed.design.frame import ModelFrame
from qsmstats.mixed.design.matrices import FixedDesign
from qsmstats.mixed.fitted import RandomEffects
from qsmstats.mixed.formula.terms import Terms
from qsmstats.mixed.optimum.estimate import relative_factors
from qsmstats.mixed.optimum.principal_axes import is_singular
from qsmstats.parallel import one_thread

__all__ = [
    "AnyFit",
    "GeneralizedFitted",
    "GeneralizedInfo",
    "fit_layout",
    "fit_rows",
    "joint_covariance",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneralizedInfo(Displayed):
    """The record of a fit.

    Attributes
    ----------
    criterion, log_likelihood
        -2 times the log likelihood with all constants, as glmmTMB's, and the log likelihood.
    laplace_log_likelihood
        Of a nested fit, what Laplace's approximation makes of the log likelihood at the same
        estimates; None for a Laplace fit, or where it takes too much memory.
    integration
        'nested' or 'laplace'.
    nodes
        Grouping -> nodes in each dimension of its effects; one for Laplace's approximation.
    converged
        Whether the optimiser's own test was met, and placing the nodes anew changed nothing.
    singular
        Whether a random covariance has a zero eigenvalue.
    n_obs, n_groups
        Rows used; grouping -> number of groups.
    n_parameters
        Fixed effects, covariance parameters, and k of a negative binomial together.
    iterations, evaluations, gradient_norm
        Of the optimiser; the norm is that of the criterion.
    dropped_rows, dropped_columns
        Column -> rows in which it is missing; fixed columns that depend on earlier ones.
    messages
        What a reader of the fit should know, in words.
    """

    criterion: float
    log_likelihood: float
    laplace_log_likelihood: float | None
    integration: Integration
    nodes: Mapping[str, int]
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

    @property
    def aic(self) -> float:
        """Akaike's information criterion."""
        return self.criterion + 2.0 * self.n_parameters

    @property
    def bic(self) -> float:
        """Schwarz's information criterion, with the rows as sample size as in glmer."""
        return self.criterion + float(np.log(self.n_obs)) * self.n_parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneralizedFitted(Displayed):
    """A fitted generalised linear mixed model.

    Attributes
    ----------
    model
        What was fitted.
    info
        The record of the fit.
    estimates, covariance
        Fixed effects on the scale of the link, shape (p,), and their covariance, shape (p, p), from
        the observed information of all parameters together.
    shape
        k of a negative binomial, whose variance is mu + mu^2 / k; else None.
    fixed, random
        The parts of the model, as fitted; `relative` of a random term is its covariance.
    effects
        Of each term, posterior means of the random effects (modes, for Laplace), shape (groups, q),
        and their covariances, shape (groups, q, q).
    frame, outcome, offset, offset_terms
        The rows used; their outcomes; offset, shape (n,), and its expressions.
    moments
        The uncertainty of the fixed effects.
    engine, optimum
        The likelihood, and its maximum in free parameters.
    """

    model: GeneralizedSpecification
    info: GeneralizedInfo
    estimates: Floats
    covariance: Floats
    shape: float | None
    fixed: FixedDesign
    random: tuple[RandomEffects, ...]
    effects: tuple[tuple[Floats, Floats], ...]
    frame: ModelFrame
    outcome: Outcome
    offset: Floats
    offset_terms: tuple[Terms, ...]
    moments: LargeSample
    engine: Engine
    optimum: Optimum

    def estimates_at(self, phi: Floats) -> Floats:
        """Return the fixed effects at other free parameters, shape (p,)."""
        rank = self.engine.parameters.rank
        return np.asarray(solve_triangular(self.moments.basis, phi[:rank]))

    def covariances_at(self, phi: Floats) -> list[Floats]:
        """Return the covariance of each random term at other free parameters."""
        return covariances(self.engine, phi)


AnyFit = TypeVar("AnyFit", bound=GeneralizedFitted)


@one_thread()
def fit_rows(kind: type[AnyFit], model: GeneralizedSpecification, data: pd.DataFrame) -> AnyFit:
    """Fit a model to data into a record of the class `kind`."""
    return fit_layout(kind, model, assemble(model, data))


@one_thread()
def fit_layout(
    kind: type[AnyFit],
    model: GeneralizedSpecification,
    layout: GeneralizedLayout,
    like: Optimum | None = None,
) -> AnyFit:
    """Fit a model to its rows, starting from the maximum of a similar outcome if there is one."""
    engine = build_engine(layout, model.integration)
    optimum = solve(engine, like)
    design, parameters = layout.design, engine.parameters
    rank, phi = parameters.rank, optimum.phi
    back = solve_triangular(design.root, np.eye(rank))
    inverse = joint_covariance(optimum)
    return kind(
        model=model,
        info=_info(layout, engine, optimum),
        estimates=back @ phi[:rank],
        covariance=back @ inverse[:rank, :rank] @ back.T,
        shape=float(np.exp(phi[-1])) if parameters.has_shape else None,
        fixed=design.fixed,
        random=tuple(
            RandomEffects(design=part.design, relative=made, covariance=made)
            for part, made in zip(design.random, covariances(engine, phi), strict=True)
        ),
        effects=_effects(layout, engine, optimum),
        frame=design.frame,
        outcome=layout.outcome,
        offset=design.offset,
        offset_terms=design.offset_terms,
        moments=LargeSample(covariance=inverse[:rank, :rank], basis=design.root),
        engine=engine,
        optimum=optimum,
    )


def covariances(engine: Engine, phi: Floats) -> list[Floats]:
    """Covariance of each random term in the user's units, in the order of the formula."""
    parameters = engine.parameters
    factors = relative_factors(
        parameters.covariance, engine.order, engine.whiteners, phi[parameters.theta]
    )
    return [factor @ factor.T for factor in factors]


def joint_covariance(optimum: Optimum) -> Floats:
    """Inverse of the observed information of all free parameters, shape (m, m).

    Directions in which the likelihood does not curve downwards are left out.
    """
    size, axes = np.linalg.eigh(-optimum.hessian)
    curved = size > 1e-9 * max(float(size[-1]), 1.0)
    made: Floats = (axes * np.where(curved, 1.0 / np.where(curved, size, 1.0), 0.0)) @ axes.T
    return made


def _effects(
    layout: GeneralizedLayout, engine: Engine, optimum: Optimum
) -> tuple[tuple[Floats, Floats], ...]:
    """Bring the standard normal effects back to the units of the terms and the order of groups."""
    parameters = engine.parameters
    factors = parameters.covariance.factors(optimum.phi[parameters.theta])
    made: dict[int, tuple[Floats, Floats]] = {}
    position = 0
    for terms, codes, (mean, covariance) in zip(
        engine.levels, engine.codes, optimum.effects, strict=True
    ):
        start = 0
        for term in terms:
            part, factor = layout.design.random[term], factors[position]
            inside = slice(start, start + len(factor))
            turn = np.linalg.solve(part.whitener, factor)
            place = np.empty(part.design.grouping.size, dtype=np.int64)
            place[part.codes] = codes
            made[term] = (
                mean[place][:, inside] @ turn.T,
                turn @ covariance[place][:, inside, inside] @ turn.T,
            )
            start, position = inside.stop, position + 1
    return tuple(made[term] for term in range(len(made)))


def _info(layout: GeneralizedLayout, engine: Engine, optimum: Optimum) -> GeneralizedInfo:
    design, parameters = layout.design, engine.parameters
    labels = [design.random[terms[0]].design.grouping.label for terms in engine.levels]
    singular = bool(is_singular(parameters.covariance, optimum.phi[parameters.theta]))
    return GeneralizedInfo(
        criterion=-2.0 * optimum.value,
        log_likelihood=optimum.value,
        laplace_log_likelihood=laplace_beside(engine, optimum.phi),
        integration=engine.integration,
        nodes=dict(zip(labels, optimum.orders, strict=True)),
        converged=optimum.converged,
        singular=singular,
        n_obs=len(design.offset),
        n_groups={part.design.grouping.label: part.design.grouping.size for part in design.random},
        n_parameters=parameters.size,
        iterations=optimum.iterations,
        evaluations=optimum.evaluations,
        gradient_norm=2.0 * float(np.linalg.norm(optimum.gradient)),
        dropped_rows=design.frame.dropped,
        dropped_columns=design.fixed.dropped,
        messages=tuple(_messages(layout, optimum, singular=singular)),
    )


def _messages(layout: GeneralizedLayout, optimum: Optimum, *, singular: bool) -> list[str]:
    design = layout.design
    made = [*design.notes, *layout.notes]
    if dropped := design.frame.dropped:
        counts = ", ".join(f"{name} {count}" for name, count in dropped.items())
        left = len(design.offset)
        made.append(f"rows with missing values were left out ({counts}); {left} rows are used")
    if columns := design.fixed.dropped:
        made.append(
            "columns that are linear combinations of earlier ones were dropped: "
            + ", ".join(columns)
        )
    if singular:
        made.append(
            "the fit is singular: a random variance is estimated as zero, or a correlation as one"
        )
    if not optimum.settled:
        made.append(
            f"{max(optimum.orders)} nodes, the most that are used, do not settle the integral: the "
            "last doubling moved the criterion by more than 1e-6"
        )
    if not optimum.converged:
        norm = 2.0 * float(np.linalg.norm(optimum.gradient))
        made.append(
            f"the optimiser did not converge in {optimum.iterations} iterations "
            f"(gradient norm {norm:.3g})"
        )
    return made
