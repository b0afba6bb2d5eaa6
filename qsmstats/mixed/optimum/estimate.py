"""From a model on its rows to its optimum, and back to the user's units.

The criterion works with whitened random columns, so that T_w = S T S' for a term with whitener S;
its Cholesky factor and lme4's are related by L = S^-1 L_w, made lower triangular by an LQ
decomposition, which holds for singular T too. Its fixed columns are an orthogonal basis Q, X = Q R,
and its outcome is in units of its own size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from qsmstats.arrays import Floats
from qsmstats.display import Displayed
from qsmstats.mixed.criterion.covariance import Parametrisation, lower_factor
from qsmstats.mixed.criterion.crossed import crossed_products, evaluate_crossed
from qsmstats.mixed.criterion.crossproducts import DesignProducts, attach, design_products
from qsmstats.mixed.criterion.curvature import sweep_to_search
from qsmstats.mixed.criterion.elimination_order import (
    Factor,
    Level,
    eliminate,
    merge_factors,
    split_crossed,
)
from qsmstats.mixed.criterion.nested import evaluate
from qsmstats.mixed.criterion.profiled import Moments, Objective, Point
from qsmstats.mixed.design.layout import Layout, OutcomeLayout
from qsmstats.mixed.optimum.boundary import best_minimum, refuse_perfect_fit, several_minima
from qsmstats.mixed.optimum.principal_axes import is_singular
from qsmstats.mixed.optimum.starting_values import start_crossed, start_nested
from qsmstats.mixed.optimum.trust_region import Minimum

__all__ = [
    "Elimination",
    "Engine",
    "Optimum",
    "build_engine",
    "criterion_offset",
    "elimination_of",
    "free_parameters",
    "optimum_at",
    "relative_factors",
    "solve",
]


# Columns of the last level from which crossed factors are swept as one dense block.
_MOST_COLUMNS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine(Displayed):
    """The profiled criterion of a model and its outcome, and its relation to the user's units.

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
    layout
        The model on its rows, with the outcome.
    """

    objective: Objective
    start: Floats
    order: tuple[int, ...]
    whiteners: tuple[Floats, ...]
    offset: float
    layout: OutcomeLayout

    def criterion(self, point: Point) -> float:
        """-2 log likelihood with all constants, as lme4's."""
        return float(point.value) + self.offset

    def factors(self, theta: Floats) -> tuple[Floats, ...]:
        """Relative Cholesky factors in the user's units, in formula order."""
        parametrisation = self.objective.parametrisation
        return relative_factors(parametrisation, self.order, self.whiteners, theta)

    def from_factors(self, factors: Sequence[Floats], log_ratios: Floats) -> Floats:
        """Free parameters of given Cholesky factors (formula order) and log ratios."""
        parametrisation = self.objective.parametrisation
        return free_parameters(parametrisation, self.order, self.whiteners, factors, log_ratios)

    def moments(self, point: Point) -> Moments:
        """Return what inference needs of a point."""
        counts = self.objective.counts
        return Moments(
            profile=point.profile,
            parametrisation=self.objective.parametrisation,
            theta=point.theta,
            basis=self.layout.root,
            scale=self.layout.scale,
            stratum_sizes=np.r_[self.objective.n - counts.sum(), counts],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimum:
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
    minimum, moments
        The optimiser's minimum; what inference needs of it.
    """

    estimates: Floats
    covariance: Floats
    sigma: float
    factors: tuple[Floats, ...]
    ratios: Floats
    criterion: float
    singular: bool
    minimum: Minimum
    moments: Moments


def build_engine(
    layout: OutcomeLayout, *, reml: bool, elimination: Elimination | None = None
) -> Engine:
    """Cross-products, elimination order and criterion of a model and its outcome.

    Parameters
    ----------
    layout
        The model on its rows, with the outcome.
    reml
        REML or ML.
    elimination
        That of its rows, where it has been found before.
    """
    made = elimination_of(layout) if elimination is None else elimination
    parametrisation, (n, p) = made.parametrisation, layout.basis.shape
    codes, prior = layout.residuals.codes, layout.residuals.prior
    if isinstance(made.parts, DesignProducts):
        nested = attach(made.parts, layout.reduced)
        places = [level.column_places() for level in made.levels]
        evaluate_at = partial(evaluate, nested)
        # One parameter has no pairs to save.
        search = partial(sweep_to_search, nested) if parametrisation.size > 1 else None
        start = start_nested(nested, parametrisation, places, n)
    else:
        crossed = crossed_products(
            *made.parts,
            [part.columns for part in layout.random],
            np.column_stack([layout.basis, layout.reduced]),
            row_scale=layout.residuals.row_scale,
            strata=layout.residuals.strata,
        )
        evaluate_at, search = partial(evaluate_crossed, crossed), None
        start = start_crossed(crossed, parametrisation, n)
    objective = Objective(
        evaluate=evaluate_at,
        search=search,
        parametrisation=parametrisation,
        counts=np.empty(0) if codes is None else np.bincount(codes)[1:].astype(np.float64),
        n=n,
        rank=p,
        reml=reml,
    )
    offset = criterion_offset(
        layout.root,
        n - p if reml else n,
        layout.scale,
        0.0 if prior is None else float(np.log(prior).sum()),
        reml=reml,
    )
    return Engine(
        objective=objective,
        start=start,
        order=made.order,
        whiteners=tuple(part.whitener for part in layout.random),
        offset=float(offset),
        layout=layout,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Elimination:
    """The order of elimination, and the cross-products that all outcomes of the rows share.

    Attributes
    ----------
    parametrisation, order
        The parameters, and the formula position of each term in their order.
    levels
        The elimination of a nested design; empty for a crossed one.
    parts
        Cross-products of a nested design; the factor to sweep and the others of a crossed one.
    """

    parametrisation: Parametrisation
    order: tuple[int, ...]
    levels: tuple[Level, ...]
    parts: DesignProducts | tuple[Factor, tuple[Factor, ...]]


def elimination_of(layout: Layout) -> Elimination:
    """Choose between nested sweeps and a dense crossed block, and do what needs no outcome."""
    random = layout.random
    factors = merge_factors(
        [frozenset(part.design.grouping.names) for part in random],
        [part.codes for part in random],
        [part.columns.shape[1] for part in random],
    )
    split = split_crossed(factors, _MOST_COLUMNS)
    levels: tuple[Level, ...] = ()
    parts: DesignProducts | tuple[Factor, tuple[Factor, ...]]
    if split is not None:
        parts = split[0], tuple(split[1])
        order = tuple(term for factor in (split[0], *split[1]) for term in factor.terms)
    else:
        levels = eliminate(factors)
        order = tuple(member.term for level in levels for member in level.members)
        parts = design_products(
            levels,
            [part.columns for part in random],
            layout.basis,
            row_scale=layout.residuals.row_scale,
            strata=layout.residuals.strata,
        )
    parametrisation = Parametrisation(
        strata=max(len(layout.residuals.levels) - 1, 0),
        widths=tuple(random[term].columns.shape[1] for term in order),
    )
    return Elimination(
        parametrisation=parametrisation,
        order=order,
        levels=levels,
        parts=parts,
    )


def solve(engine: Engine, *, near: bool = False) -> Optimum:
    """Minimise the criterion and translate the optimum.

    Parameters
    ----------
    engine
        The criterion.
    near
        Whether it starts at the lowest minimum of nearly the same criterion: no further starts are
        then needed.
    """
    layout = engine.layout
    terms = ((part.codes, part.columns) for part in layout.random)
    further = not near and several_minima(terms, layout.reduced)
    return optimum_at(engine, best_minimum(engine.objective, engine.start, further=further))


def optimum_at(engine: Engine, minimum: Minimum) -> Optimum:
    """Translate an optimum into the user's units."""
    objective, layout = engine.objective, engine.layout
    point, theta = minimum.point, objective.parametrisation.orient(minimum.point.theta)
    if not np.array_equal(theta, point.theta):
        point = objective.at(theta)
    refuse_perfect_fit(objective, point)
    made = point.profile
    sigma = float(np.sqrt(made.rss / made.degrees)) * layout.scale
    back = np.linalg.inv(layout.root)
    strata = objective.parametrisation.strata
    return Optimum(
        estimates=back @ (layout.projection + layout.scale * made.estimates),
        covariance=back @ made.inverse @ back.T * sigma**2,
        sigma=sigma,
        factors=engine.factors(point.theta),
        ratios=np.exp(np.r_[0.0, point.theta[:strata]]),
        criterion=engine.criterion(point),
        singular=bool(is_singular(objective.parametrisation, point.theta)),
        minimum=minimum,
        moments=engine.moments(point),
    )


def relative_factors(
    parametrisation: Parametrisation,
    order: Sequence[int],
    whiteners: Sequence[Floats],
    theta: Floats,
) -> tuple[Floats, ...]:
    """Relative Cholesky factors in the user's units, in the order of the formula.

    Parameters
    ----------
    parametrisation, order
        The free parameters, and the formula position of each term in their order.
    whiteners
        S of each term, in the order of the formula.
    theta
        Free parameters of one fit, shape (k,), or of many, shape (m, k).
    """
    made = dict(zip(order, parametrisation.factors(theta), strict=True))
    return tuple(
        lower_factor(np.asarray(np.linalg.solve(whitener, made[term])))
        for term, whitener in enumerate(whiteners)
    )


def free_parameters(
    parametrisation: Parametrisation,
    order: Sequence[int],
    whiteners: Sequence[Floats],
    factors: Sequence[Floats],
    log_ratios: Floats,
) -> Floats:
    """Free parameters of Cholesky factors in the user's units: inverse of `relative_factors`."""
    whitened = [lower_factor(whiteners[term] @ factors[term]) for term in order]
    return parametrisation.join(log_ratios, whitened)


def criterion_offset(
    root: Floats,
    degrees: Floats | float,
    scale: Floats | float,
    log_weight: Floats | float,
    *,
    reml: bool,
) -> Floats:
    """Return what units and prior weights add to -2 log likelihood.

    Parameters
    ----------
    root
        R, shape (p, p).
    degrees, scale, log_weight
        nu, the unit of the outcome, and the sum of the logarithms of the prior weights; of one
        fit, or shape (m,).
    reml
        REML or ML.
    """
    made = np.asarray(2.0 * degrees * np.log(scale) - log_weight)
    return made + 2.0 * np.log(np.abs(np.diag(root))).sum() if reml else made
