"""From an assembled problem to its optimum, and back to the user's units.

The engine works with whitened random columns, so that T_w = S T S' for a term with whitener S;
its Cholesky factor and lme4's are related by L = S^-1 L_w, made lower triangular by an LQ
decomposition, which holds for singular T too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from qsmstats.errors import NotIdentifiedError
from qsmstats.mixed.assembly import Problem
from qsmstats.mixed.covariance import Parametrisation
from qsmstats.mixed.crossed import crossed_products, evaluate_crossed
from qsmstats.mixed.crossproducts import attach, design_products
from qsmstats.mixed.hierarchy import Factor, eliminate, merge_factors, split_crossed
from qsmstats.mixed.jets import Jet
from qsmstats.mixed.likelihood import REPRODUCED, Objective, Point
from qsmstats.mixed.moments import Moments
from qsmstats.mixed.optimise import Record, minimise
from qsmstats.mixed.start import start_crossed, start_nested
from qsmstats.mixed.sweeps import evaluate

__all__ = ["Engine", "Solution", "build_engine", "solve"]

Matrix = NDArray[np.float64]

# An eigenvalue of a relative covariance below this share of the largest is a zero variance
# (lme4 calls a fit singular at 1e-4 on the scale of standard deviations).
_SINGULAR = 1e-8
# Criteria closer than this are the same minimum.
_SAME = 1e-8
# Random starts per column of the widest term when a fit is singular.
_RANDOM_STARTS = 3
# Residual share of the outcome's variance that calls for a second look.
_SUSPICIOUS = 1e-6
# Columns of the last level from which crossed factors are swept as one dense block.
_MOST_COLUMNS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The criterion of one problem, and its relation to the user's units.

    Attributes
    ----------
    objective
        The criterion in free parameters.
    start
        Free parameters to start from, shape (m,).
    order
        Formula position of each term in the order of the parameters.
    whiteners
        S of each term, in formula order.
    offset
        What to add to the criterion for the user's units.
    problem
        The assembled problem.
    """

    objective: Objective
    start: Matrix
    order: tuple[int, ...]
    whiteners: tuple[Matrix, ...]
    offset: float
    problem: Problem

    def criterion(self, point: Point) -> float:
        """-2 log likelihood with all constants, as lme4's."""
        return float(point.value) + self.offset

    def factors(self, theta: Matrix) -> tuple[Matrix, ...]:
        """Relative Cholesky factors in the user's units, in formula order."""
        made: dict[int, Matrix] = {}
        for term, factor in zip(
            self.order, self.objective.parametrisation.factors(theta), strict=True
        ):
            made[term] = _lower(solve_triangular(self.whiteners[term], factor))
        return tuple(made[term] for term in range(len(made)))

    def from_factors(self, factors: Sequence[Matrix], log_ratios: Matrix) -> Matrix:
        """Free parameters of given Cholesky factors (formula order) and log ratios."""
        whitened = [_lower(self.whiteners[term] @ factors[term]) for term in self.order]
        return self.objective.parametrisation.join(log_ratios, whitened)

    def is_singular(self, theta: Matrix) -> bool:
        """Whether a relative covariance has a zero eigenvalue."""
        for factor in self.objective.parametrisation.factors(theta):
            values = np.linalg.svd(factor, compute_uv=False) ** 2
            if values[-1] < _SINGULAR * max(1.0, float(values[0])):
                return True
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """The optimum in the user's units.

    Attributes
    ----------
    estimates, covariance
        Fixed effects, shape (p,), and their covariance, shape (p, p).
    sigma
        Residual standard deviation (of the first stratum, at weight one).
    factors
        Relative Cholesky factors in formula order.
    ratios
        Residual standard deviation of each stratum over that of the first, shape (strata,).
    criterion
        -2 log likelihood.
    singular
        Whether a relative covariance is singular.
    record, moments
        The optimiser's record; the optimum with derivatives.
    """

    estimates: Matrix
    covariance: Matrix
    sigma: float
    factors: tuple[Matrix, ...]
    ratios: Matrix
    criterion: float
    singular: bool
    record: Record
    moments: Moments


def build_engine(problem: Problem, *, reml: bool) -> Engine:
    """Cross-products, elimination order and criterion of a problem."""
    made = _likelihood(problem)
    n, p = problem.basis.shape
    objective = Objective(
        evaluate=made.evaluate,
        parametrisation=made.parametrisation,
        counts=_stratum_sizes(problem)[1:],
        n=n,
        rank=p,
        reml=reml,
    )
    return Engine(
        objective=objective,
        start=made.start,
        order=made.order,
        whiteners=tuple(part.whitener for part in problem.random),
        offset=_offset(problem, reml=reml),
        problem=problem,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Likelihood:
    """x -> (F, l) of a problem, its parameters, where to start, and the order of its terms."""

    evaluate: Callable[[Matrix], tuple[Jet, Jet]]
    parametrisation: Parametrisation
    start: Matrix
    order: tuple[int, ...]


def _likelihood(problem: Problem) -> _Likelihood:
    """Choose between nested sweeps and a dense crossed block."""
    random = problem.random
    factors = merge_factors(
        [frozenset(part.design.grouping.names) for part in random],
        [part.codes for part in random],
        [part.columns.shape[1] for part in random],
    )
    split = split_crossed(factors, _MOST_COLUMNS)
    return _nested(problem, factors) if split is None else _crossed(problem, *split)


def _parametrisation(problem: Problem, order: Sequence[int]) -> Parametrisation:
    return Parametrisation(
        strata=max(len(problem.residuals.levels) - 1, 0),
        widths=tuple(problem.random[term].columns.shape[1] for term in order),
    )


def _nested(problem: Problem, factors: Sequence[Factor]) -> _Likelihood:
    levels = eliminate(factors)
    columns = [part.columns for part in problem.random]
    design = design_products(
        levels, columns, problem.basis, row_scale=_row_scale(problem), strata=_strata(problem)
    )
    products = attach(design, problem.reduced)
    order = tuple(member.term for level in levels for member in level.members)
    parametrisation = _parametrisation(problem, order)
    places = [level.column_places() for level in levels]
    return _Likelihood(
        evaluate=partial(evaluate, products),
        parametrisation=parametrisation,
        start=start_nested(products, parametrisation, places, len(problem.response)),
        order=order,
    )


def _crossed(problem: Problem, swept: Factor, others: Sequence[Factor]) -> _Likelihood:
    both = np.column_stack([problem.basis, problem.reduced])
    products = crossed_products(
        swept,
        others,
        [part.columns for part in problem.random],
        both,
        row_scale=_row_scale(problem),
        strata=_strata(problem),
    )
    order = tuple(term for factor in (swept, *others) for term in factor.terms)
    parametrisation = _parametrisation(problem, order)
    return _Likelihood(
        evaluate=partial(evaluate_crossed, products),
        parametrisation=parametrisation,
        start=start_crossed(products, parametrisation, len(problem.response)),
        order=order,
    )


def _row_scale(problem: Problem) -> Matrix | None:
    prior = problem.residuals.prior
    return None if prior is None else np.sqrt(prior)


def _strata(problem: Problem) -> tuple[NDArray[np.int64], int] | None:
    residuals = problem.residuals
    return None if residuals.codes is None else (residuals.codes, len(residuals.levels))


def solve(engine: Engine) -> Solution:
    """Minimise the criterion and translate the optimum."""
    objective, problem = engine.objective, engine.problem
    record = _best_record(engine)
    point = objective.at(objective.parametrisation.orient(record.point.theta))
    _refuse_perfect_fit(objective, point)
    made = point.profile
    sigma = float(np.sqrt(made.rss / made.degrees)) * problem.scale
    back = solve_triangular(problem.root, np.eye(len(problem.root)))
    strata = objective.parametrisation.strata
    return Solution(
        estimates=back @ (problem.projection + problem.scale * made.estimates),
        covariance=back @ made.inverse @ back.T * sigma**2,
        sigma=sigma,
        factors=engine.factors(point.theta),
        ratios=np.exp(np.r_[0.0, point.theta[:strata]]),
        criterion=engine.criterion(point),
        singular=engine.is_singular(point.theta),
        record=record,
        moments=Moments(
            profile=made,
            parametrisation=objective.parametrisation,
            theta=point.theta,
            basis=problem.root,
            scale=problem.scale,
            stratum_sizes=_stratum_sizes(problem),
        ),
    )


def _best_record(engine: Engine) -> Record:
    """Minimise; where a covariance matrix comes out singular, from further starts as well.

    The criterion of a correlated term can have several minima on the boundary of the cone of
    covariance matrices (correlations of +1 and -1, say). A singular optimum of such a term is
    therefore compared with those reached from the identity, from the optimum with its zero
    directions opened, and from seeded random matrices.
    """
    objective, parametrisation = engine.objective, engine.objective.parametrisation
    record = minimise(objective.at, engine.start)
    if max(parametrisation.widths) == 1 or not engine.is_singular(record.point.theta):
        return record
    records = [record]
    for start in _further_starts(parametrisation, record.point.theta):
        try:
            records.append(minimise(objective.at, start))
        except NotIdentifiedError:
            continue
    best = min(records, key=lambda one: one.point.value)
    # Of minima that agree to rounding the first one stays, so that a fit does not wander.
    chosen = record if record.point.value - best.point.value < _SAME else best
    return replace(
        chosen,
        iterations=sum(one.iterations for one in records),
        evaluations=sum(one.evaluations for one in records),
    )


def _further_starts(parametrisation: Parametrisation, theta: Matrix) -> list[Matrix]:
    opened: list[Matrix] = []
    for factor in parametrisation.factors(theta):
        relative = factor @ factor.T
        size = max(float(np.trace(relative)) / len(factor), 0.1)
        opened.append(np.linalg.cholesky(relative + 0.3 * size * np.eye(len(factor))))
    log_ratios = theta[: parametrisation.strata]
    rng = np.random.default_rng(0)
    starts = [parametrisation.start(), parametrisation.join(log_ratios, opened)]
    for number in range(_RANDOM_STARTS * max(parametrisation.widths)):
        spread = (0.3, 1.0, 3.0)[number % 3]
        factors = [spread * rng.normal(size=(width, width)) for width in parametrisation.widths]
        starts.append(parametrisation.join(log_ratios, [_lower(factor) for factor in factors]))
    return starts


def _refuse_perfect_fit(objective: Objective, point: Point) -> None:
    """Raise where the residual variance is small because it is zero.

    Rounding stops the descent before the criterion reaches minus infinity. Far beyond that point
    the random effects act as fixed ones: a residual variance that is there stays about the same,
    one that is not falls further.
    """
    if point.profile.rss > _SUSPICIOUS * point.profile.degrees:
        return
    parametrisation = objective.parametrisation
    # Beyond 1e5 rounding takes what is left of the fixed effects.
    large = min(100.0 * float(np.abs(point.theta[parametrisation.strata :]).max()), 1e5)
    factors = [large * np.eye(width) for width in parametrisation.widths]
    beyond = objective.at(parametrisation.join(point.theta[: parametrisation.strata], factors))
    if beyond.profile.rss < 0.1 * point.profile.rss:
        raise NotIdentifiedError(REPRODUCED)


def _stratum_sizes(problem: Problem) -> Matrix:
    codes = problem.residuals.codes
    if codes is None:
        return np.array([float(len(problem.response))])
    return np.bincount(codes).astype(np.float64)


def _offset(problem: Problem, *, reml: bool) -> float:
    """Return what units and prior weights add to -2 log likelihood."""
    n, p = problem.basis.shape
    degrees = n - p if reml else n
    made = 2.0 * degrees * np.log(problem.scale)
    if reml:
        made += 2.0 * np.log(np.abs(np.diag(problem.root))).sum()
    if problem.residuals.prior is not None:
        made -= np.log(problem.residuals.prior).sum()
    return float(made)


def _lower(matrix: Matrix) -> Matrix:
    """Return the lower triangular factor with non-negative diagonal and the same L L'."""
    upper = np.asarray(np.linalg.qr(matrix.T, mode="r"))
    lower: Matrix = upper.T * np.where(np.diag(upper) < 0.0, -1.0, 1.0)
    return lower
