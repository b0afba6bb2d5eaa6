"""The search around the optimiser: other minima, and optima that are none.

Newton's method finds a local minimum. Two things can be wrong with it. On the boundary of the
covariance matrices there can be several minima, of which it finds one; and where the random effects
reproduce the outcome the criterion falls without end, while rounding stops the descent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from qsmstats.arrays import Flags, Floats, Places
from qsmstats.errors import NotIdentifiedError
from qsmstats.mixed.criterion.covariance import (
    Parametrisation,
    factor_elements,
    lower_factor,
)
from qsmstats.mixed.criterion.profiled import REPRODUCED, Objective, Point
from qsmstats.mixed.optimum.trust_region import Descents, Minimum, minimise

__all__ = [
    "SAME",
    "arrival",
    "best_minimum",
    "further_starts",
    "is_singular",
    "refuse_perfect_fit",
]


# An eigenvalue of a relative covariance below this share of the largest is a zero variance
# (lme4 calls a fit singular at 1e-4 on the scale of standard deviations).
_SINGULAR = 1e-8
# Criteria closer than this are the same minimum.
SAME = 1e-8
# How close (share of T, units of -2 log likelihood) a descent from a further start comes to the
# known minimum before it is taken to end there.
_NEAR = 1e-2
# Random starts per column of the widest term when a fit is singular.
_RANDOM_STARTS = 3
# Residual share of the outcome's variance that calls for a second look.
SUSPICIOUS = 1e-6


def is_singular(parametrisation: Parametrisation, theta: Floats, *, least_width: int = 1) -> Flags:
    """Whether a relative covariance has a zero eigenvalue.

    Parameters
    ----------
    parametrisation, theta
        The parameters of one fit, shape (k,), or of many, shape (m, k).
    least_width
        Columns from which a term is looked at.
    """
    singular = np.zeros(theta.shape[:-1], dtype=bool)
    for factor in parametrisation.factors(theta):
        if factor.shape[-1] < least_width:
            continue
        values = np.linalg.svd(factor, compute_uv=False) ** 2
        singular = singular | (values[..., -1] < _SINGULAR * np.maximum(1.0, values[..., 0]))
    return singular


def best_minimum(objective: Objective, start: Floats) -> Minimum:
    """Minimise; where a covariance matrix comes out singular, from further starts as well.

    The criterion of a correlated term can have several minima on the boundary of the cone of
    covariance matrices (correlations of +1 and -1, say). A singular optimum of such a term is
    therefore compared with those reached from the identity, from the optimum with its zero
    directions opened, and from seeded random matrices.
    """
    parametrisation = objective.parametrisation
    criterion = partial(objective.at, second=False)
    found = minimise(criterion, start)
    if not is_singular(parametrisation, found.point.theta, least_width=2):
        return found
    minima = [found]
    known = found.point
    arrived = arrival(parametrisation, known.theta[None], np.array([known.value]))
    for other in further_starts(parametrisation, known.theta[None])[0]:
        try:
            minima.append(minimise(criterion, other, arrived))
        except NotIdentifiedError:
            continue
    best = min(minima, key=lambda one: one.point.value)
    # Of minima that agree to rounding the first one stays, so that a fit does not wander.
    chosen = found if found.point.value - best.point.value < SAME else best
    return replace(
        chosen,
        iterations=sum(one.iterations for one in minima),
        evaluations=sum(one.evaluations for one in minima),
    )


def arrival(
    parametrisation: Parametrisation, theta: Floats, value: Floats
) -> Callable[[Places, Descents], Flags]:
    """Return whether descents are about to end where a minimum is known, for `descend`.

    Parameters
    ----------
    parametrisation
        The parameters.
    theta, value
        The minimum that each descent is compared with, shapes (m, k) and (m,).
    """
    known = parametrisation.values(theta)

    def arrived(which: Places, state: Descents) -> Flags:
        away = parametrisation.values(state.theta[which]) - known[which]
        close = np.linalg.norm(away, axis=1) < _NEAR * (1 + np.linalg.norm(known[which], axis=1))
        above = state.value[which] - value[which]
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
        The identity, the optimum with its zero directions opened, and random matrices.
    """
    opened = []
    for factor in parametrisation.factors(theta):
        relative = factor @ factor.swapaxes(-1, -2)
        width = factor.shape[-1]
        size = np.maximum(np.trace(relative, axis1=-2, axis2=-1) / width, 0.1)
        opened.append(np.linalg.cholesky(relative + 0.3 * size[:, None, None] * np.eye(width)))
    log_ratios = theta[:, : parametrisation.strata]
    rng = np.random.default_rng(0)
    starts = [np.tile(parametrisation.start(), (len(theta), 1))]
    starts.append(parametrisation.join(log_ratios, opened))
    for number in range(_RANDOM_STARTS * max(parametrisation.widths)):
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
