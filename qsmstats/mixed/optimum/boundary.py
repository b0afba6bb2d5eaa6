"""The search around the optimiser: other minima, and optima that are none.

Newton's method finds a local minimum. Two things can be wrong with it. On the boundary of the
covariance matrices there can be several minima, of which it finds one; and where the random effects
reproduce the outcome the criterion falls without end, while rounding stops the descent.

Several minima come from few groups: the criterion is a sum over groups, and has one minimum where
none of them weighs much. What a group says of a term's covariance are q_g = |Z_g'r|^2, r being what
the fixed part leaves of the outcome, and how much it can say is t_g = tr Z_g'Z_g. As many equal
groups would vary as much as (sum q)^2 / sum q^2 (Kish 1965, Survey sampling, section 8.2), and
likewise with t; the smaller of the two is the effective number of groups. Of 30,604 singular
outcomes with 10 or more (10 to 300 groups, equal or one large, normal or t with 2 or 4 df; see
benchmarks/mixed_optima.py) 5 had a lower minimum than the first, of 5,023 with 50 or more none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

import numpy as np

from qsmstats.arrays import Flags, Floats, Integers, Places
from qsmstats.errors import NotIdentifiedError
from qsmstats.mixed.criterion.covariance import (
    Parametrisation,
    factor_elements,
    lower_factor,
)
from qsmstats.mixed.criterion.profiled import REPRODUCED, Objective, Point
from qsmstats.mixed.optimum.principal_axes import (
    EvaluateInAxes,
    InAxes,
    descend_in_axes,
    is_singular,
)
from qsmstats.mixed.optimum.trust_region import Descents, Minimum, minimise

__all__ = [
    "SAME",
    "arrival",
    "best_minima",
    "best_minimum",
    "effective_groups",
    "further_starts",
    "refuse_perfect_fit",
    "several_minima",
]


# Criteria closer than this are the same minimum.
SAME = 1e-8
# How close (share of T, units of -2 log likelihood) a descent from a further start comes to the
# known minimum before it is taken to end there.
_NEAR = 1e-2
# Random starts per column but one of the widest term when a fit is singular (more found nothing in
# 23,000 singular outcomes).
_RANDOM_STARTS = 3
# Effective groups from which on a singular optimum is the only one.
_MANY = 100
# Residual share of the outcome's variance that calls for a second look.
SUSPICIOUS = 1e-6


def best_minimum(objective: Objective, start: Floats, *, further: bool) -> Minimum:
    """Minimise one criterion from a start, shape (k,).

    Parameters
    ----------
    objective
        The criterion.
    start
        Where to start.
    further
        Whether to try further starts where a covariance matrix comes out singular.

    Raises
    ------
    NotIdentifiedError
        If no residual variance is left at the start.
    """
    parametrisation, evaluations = objective.parametrisation, 0
    if max(parametrisation.widths) == 1:
        plain = minimise(partial(objective.at, second=False), start)
        if objective.search is None:
            return plain
        return replace(plain, point=objective.at(plain.point.theta))

    def evaluate(axes: InAxes, _: Places, theta: Floats) -> tuple[Floats, Floats, Floats]:
        nonlocal evaluations
        evaluations += len(theta)
        k = parametrisation.size
        value, gradient, hessian = (
            np.full(len(theta), np.inf),
            np.zeros((len(theta), k)),
            np.zeros((len(theta), k, k)),
        )
        for one, own in enumerate(theta):
            try:
                point = replace(objective, parametrisation=axes.take(one)).at(own, second=False)
            except NotIdentifiedError:
                continue
            value[one], gradient[one], hessian[one] = point.value, point.gradient, point.hessian
        return value, gradient, hessian

    search = best_minima if further else descend_in_axes
    found = search(evaluate, parametrisation, start[None])
    point = objective.at(found.theta[0])
    return Minimum(
        point=point,
        converged=bool(found.converged[0]),
        iterations=int(found.iterations[0]),
        evaluations=evaluations + 1,
        gradient_norm=float(np.linalg.norm(point.gradient)),
    )


def best_minima(
    evaluate: EvaluateInAxes,
    parametrisation: Parametrisation,
    start: Floats,
    scan: Callable[[Places, Floats], tuple[Places, Floats]] | None = None,
) -> Descents:
    """Minimise m criteria; where covariances come out singular, from further starts as well.

    The criterion of a correlated term can have several minima on the boundary of the cone of
    covariance matrices (correlations of +1 and -1, say). A singular optimum of such a term is
    therefore compared with those reached from well inside the cone, from the optimum with its zero
    directions opened, and from seeded random matrices, or from where a scan of the boundary points.

    Parameters
    ----------
    evaluate
        As of `descend_in_axes`.
    parametrisation, start
        Where to start, shape (m, k).
    scan
        (which criteria, their optima) -> of each further start which of these, and the start; takes
        the place of the random starts.
    """
    found = descend_in_axes(evaluate, parametrisation, start)
    singular = is_singular(parametrisation, found.theta, least_width=2)
    again = np.flatnonzero(singular & np.isfinite(found.value))
    # All starts of a criterion go side by side; as many criteria at a time as there were to begin.
    each = 3 if scan else further_starts(parametrisation, found.theta[:1]).shape[1]
    size = max(1, len(start) // each)
    for at in range(0, len(again), size):
        part = again[at : at + size]
        starts = further_starts(parametrisation, found.theta[part])
        if scan is None:
            every, theta = np.repeat(part, each), starts.reshape(-1, start.shape[1])
        else:
            own, others = scan(part, found.theta[part])
            every = np.r_[part, part, part[own]]
            theta = np.concatenate([starts[:, 0], starts[:, 1], others])
            order = np.argsort(every, kind="stable")
            every, theta = every[order], theta[order]
        _try_starts(evaluate, parametrisation, found, every, theta)
    return found


def _try_starts(
    evaluate: EvaluateInAxes,
    parametrisation: Parametrisation,
    found: Descents,
    every: Places,
    starts: Floats,
) -> None:
    """Descend from further starts of the criteria `every`, and take the minima that are better."""

    def evaluate_there(axes: InAxes, which: Places, theta: Floats) -> tuple[Floats, Floats, Floats]:
        return evaluate(axes, every[which], theta)

    arrived = arrival(parametrisation, found.theta[every], found.value[every])
    tried = descend_in_axes(evaluate_there, parametrisation, starts, arrived)
    np.add.at(found.iterations, every, tried.iterations)
    order = np.lexsort((tried.value, every))
    one, first = np.unique(every[order], return_index=True)
    best = order[first]
    # Of minima that agree to rounding the first one stays, so that a fit does not wander.
    better = found.value[one] - tried.value[best] >= SAME
    for old, new in (
        (found.theta, tried.theta),
        (found.value, tried.value),
        (found.converged, tried.converged),
    ):
        old[one[better]] = new[best[better]]


def several_minima(terms: Iterable[tuple[Integers, Floats]], outcome: Floats) -> bool:
    """Whether a singular optimum may be one of several.

    Parameters
    ----------
    terms
        Group of each row, shape (n,), and columns of each random term, shape (n, q).
    outcome
        What the fixed part leaves of the outcome, shape (n,).
    """
    for codes, columns in terms:
        width, groups = columns.shape[1], int(codes.max()) + 1
        # Of terms with more than two columns nothing was measured.
        if width > 2 or (width == 2 and groups < _MANY):
            return True
        if width == 2 and effective_groups(codes, columns, outcome) < _MANY:
            return True
    return False


def effective_groups(codes: Integers, columns: Floats, outcome: Floats) -> float:
    """Return the effective number of groups of a term; arguments as of `several_minima`."""
    scores = np.stack([np.bincount(codes, column * outcome) for column in columns.T])
    said = np.square(scores).sum(axis=0)
    able = np.bincount(codes, np.square(columns).sum(axis=1))
    return float(min(one.sum() ** 2 / np.square(one).sum() for one in (said, able)))


def arrival(
    parametrisation: Parametrisation, theta: Floats, value: Floats
) -> Callable[[Places, Floats, Floats], Flags]:
    """Return whether descents are about to end where a minimum is known, for `descend_in_axes`.

    Parameters
    ----------
    parametrisation
        The parameters.
    theta, value
        The minimum that each descent is compared with, shapes (m, k) and (m,).
    """
    known = parametrisation.values(theta)

    def arrived(which: Places, x: Floats, now: Floats) -> Flags:
        away = np.linalg.norm(x - known[which], axis=1)
        above = now - value[which]
        close = away < _NEAR * (1 + np.linalg.norm(known[which], axis=1))
        return np.asarray(close & (above > -SAME) & (above < _NEAR))

    return arrived


def further_starts(parametrisation: Parametrisation, theta: Floats) -> Floats:
    """Return where else to start when optima are singular, in the order of trying.

    Parameters
    ----------
    parametrisation, theta
        The optima, shape (m, k).

    Returns
    -------
    ndarray of shape (m, starts, k)
        L twice the identity, the optimum with its zero directions opened, and random matrices.
    """
    opened = []
    for factor in parametrisation.factors(theta):
        relative = factor @ factor.swapaxes(-1, -2)
        width = factor.shape[-1]
        size = np.maximum(np.trace(relative, axis1=-2, axis2=-1) / width, 0.1)
        opened.append(np.linalg.cholesky(relative + 0.3 * size[:, None, None] * np.eye(width)))
    log_ratios = theta[:, : parametrisation.strata]
    rng = np.random.default_rng(0)
    # From the identity itself, descents miss minima inside the cone that lie far out.
    starts = [np.tile(2.0 * parametrisation.start(), (len(theta), 1))]
    starts.append(parametrisation.join(log_ratios, opened))
    for number in range(_RANDOM_STARTS * (max(parametrisation.widths) - 1)):
        spread = (0.3, 1.0, 3.0)[number % 3]
        factors = [spread * rng.normal(size=(width, width)) for width in parametrisation.widths]
        random = factor_elements([lower_factor(factor) for factor in factors])
        starts.append(np.hstack([log_ratios, np.tile(random, (len(theta), 1))]))
    return np.stack(starts, axis=1)


def refuse_perfect_fit(objective: Objective, point: Point) -> None:
    """Raise where the residual variance is small because it is zero.

    Rounding stops the descent before the criterion reaches minus infinity. Far beyond that point
    the random effects act as fixed ones: a residual variance that is there stays about the same,
    one that is not falls further. The variance of one stratum can be zero by itself; the criterion
    then no longer rises as it is made smaller.
    """
    strata = objective.parametrisation.strata
    variances = np.exp(2.0 * point.theta[:strata]) * point.profile.rss / point.profile.degrees
    if strata and variances.min() < SUSPICIOUS:
        smaller = point.theta - (np.arange(len(point.theta)) == variances.argmin())
        # A variance that is there would cost about four for each row of the stratum.
        if objective.at(smaller, second=False).value < point.value + 0.1:
            raise NotIdentifiedError(REPRODUCED)
    if point.profile.rss > SUSPICIOUS * point.profile.degrees:
        return
    parametrisation = objective.parametrisation
    # Beyond 1e5 rounding takes what is left of the fixed effects.
    large = min(100.0 * float(np.abs(point.theta[parametrisation.strata :]).max()), 1e5)
    factors = [large * np.eye(width) for width in parametrisation.widths]
    theta = parametrisation.join(point.theta[: parametrisation.strata], factors)
    beyond = objective.at(theta, second=False)
    if beyond.profile.rss < 0.1 * point.profile.rss:
        raise NotIdentifiedError(REPRODUCED)
