"""From an assembled problem to its optimum, and back to the user's units.

The engine works with whitened random columns, so that T_w = S T S' for a term with whitener S;
its Cholesky factor and lme4's are related by L = S^-1 L_w, made lower triangular by an LQ
decomposition, which holds for singular T too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from qsmstats.mixed.covariance import Parametrisation, lower_factor
from qsmstats.mixed.crossed import crossed_products, evaluate_crossed
from qsmstats.mixed.crossproducts import attach, design_products
from qsmstats.mixed.hierarchy import Factor, eliminate, merge_factors, split_crossed
from qsmstats.mixed.jets import Jet
from qsmstats.mixed.layout import Problem
from qsmstats.mixed.likelihood import Objective, Point
from qsmstats.mixed.moments import Moments
from qsmstats.mixed.optimise import Record
from qsmstats.mixed.search import best_record, is_singular, refuse_perfect_fit
from qsmstats.mixed.start import start_crossed, start_nested
from qsmstats.mixed.sweeps import evaluate

__all__ = ["Engine", "Solution", "build_engine", "solve"]

Matrix = NDArray[np.float64]

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
            made[term] = lower_factor(solve_triangular(self.whiteners[term], factor))
        return tuple(made[term] for term in range(len(made)))

    def from_factors(self, factors: Sequence[Matrix], log_ratios: Matrix) -> Matrix:
        """Free parameters of given Cholesky factors (formula order) and log ratios."""
        whitened = [lower_factor(self.whiteners[term] @ factors[term]) for term in self.order]
        return self.objective.parametrisation.join(log_ratios, whitened)

    def is_singular(self, theta: Matrix) -> bool:
        """Whether a relative covariance has a zero eigenvalue."""
        return is_singular(self.objective.parametrisation, theta)


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
    record = best_record(objective, engine.start)
    point = objective.at(objective.parametrisation.orient(record.point.theta))
    refuse_perfect_fit(objective, point)
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
