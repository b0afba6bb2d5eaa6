"""Newton's method in a trust region, with exact Hessians, for one criterion or many at once.

Each step minimises the quadratic model of a criterion within a ball; where the Hessian has
negative eigenvalues it is shifted until it is positive (More & Sorensen 1983, SIAM J Sci Stat
Comput 4, 553-572). A zero gradient alone is not convergence: theta = 0 is a stationary point by
symmetry, and where the curvature there is negative the iteration leaves it along the eigenvector
of most negative curvature.

Arrays have the criterion first. Every criterion has a trust region of its own, leaves when it has
converged, and is not touched by the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from qsmstats.arrays import Flags, Floats, Integers, Places
from qsmstats.mixed.criterion.profiled import Point

__all__ = ["Descents", "Minimum", "descend", "minimise"]

Evaluate = Callable[[Places, Floats], tuple[Floats, Floats, Floats]]

_MOST_ITERATIONS = 200
# Expected fall of the criterion (in units of -2 log likelihood) at which an optimum is accepted.
_TOLERANCE = 1e-11


@dataclass(slots=True)
class Descents:
    """Where m descents stand.

    Attributes
    ----------
    theta, value, gradient, hessian
        Best points and the criteria there, shapes (m, k), (m,), (m, k), (m, k, k).
    radius
        Of the trust regions, shape (m,).
    iterations
        Steps tried, shape (m,).
    converged
        Whether no step promises a fall of the criterion above the tolerance, shape (m,).
    running
        Whether the descent goes on, shape (m,).
    """

    theta: Floats
    value: Floats
    gradient: Floats
    hessian: Floats
    radius: Floats
    iterations: Integers
    converged: Flags
    running: Flags


@dataclass(frozen=True, slots=True, kw_only=True)
class Minimum:
    """The minimum that a search has found, and how the search went.

    Attributes
    ----------
    point
        The best point found.
    converged
        Whether no step promises a fall of the criterion above the tolerance.
    iterations, evaluations
        Steps tried and criterion evaluations.
    gradient_norm
        Euclidean norm of the gradient at the point.
    """

    point: Point
    converged: bool
    iterations: int
    evaluations: int
    gradient_norm: float


def minimise(criterion: Callable[[Floats], Point], start: Floats) -> Minimum:
    """Minimise a criterion from a start, shape (k,)."""
    points: dict[bytes, Point] = {}

    def evaluate(_: Places, theta: Floats) -> tuple[Floats, Floats, Floats]:
        point = points[theta.tobytes()] = criterion(theta[0])
        # Copies: the state of the descent is written over, the point is not.
        return np.array([point.value]), np.array([point.gradient]), np.array([point.hessian])

    found = descend(evaluate, np.asarray(start, dtype=np.float64)[None])
    return Minimum(
        point=points[found.theta.tobytes()],
        converged=bool(found.converged[0]),
        iterations=int(found.iterations[0]),
        evaluations=len(points),
        gradient_norm=float(np.linalg.norm(found.gradient[0])),
    )


def descend(
    evaluate: Evaluate,
    start: Floats,
    arrived: Callable[[Places, Descents], Flags] | None = None,
    *,
    most: int = _MOST_ITERATIONS,
) -> Descents:
    """Minimise m criteria from starts of their own, shape (m, k).

    Parameters
    ----------
    evaluate
        (which criteria, theta) -> values, gradients and Hessians; a value that is not finite is
        stepped back from.
    start
        Where to start.
    arrived
        (which criteria, state) -> whether to stop before convergence; asked before every step.
    most
        Steps after which a descent that still runs is left as it is.
    """
    m = len(start)
    value, gradient, hessian = evaluate(np.arange(m), start)
    state = Descents(
        theta=start.copy(),
        value=value,
        gradient=gradient,
        hessian=hessian,
        radius=np.ones(m),
        iterations=np.zeros(m, dtype=np.int64),
        converged=np.zeros(m, dtype=bool),
        running=np.isfinite(value),
    )
    for _ in range(most):
        active = np.flatnonzero(state.running)
        if arrived is not None:
            state.running[active] = ~arrived(active, state)
            active = np.flatnonzero(state.running)
        if not len(active):
            break
        state.iterations[active] += 1
        step, expected = _steps(state.gradient[active], state.hessian[active], state.radius[active])
        done = expected <= _TOLERANCE
        if done.any():
            state.converged[active[done]] = True
            state.running[active[done]] = False
            active, step, expected = active[~done], step[~done], expected[~done]
            if not len(active):
                break
        theta = state.theta[active] + step
        trial = evaluate(active, theta)
        # Judge the steps: take them or not, and set the radii of the next.
        length, radius = _norm(step), state.radius[active]
        ratio = _quality(state.value[active], trial[0], expected)
        radius = np.where(ratio < 0.25, 0.25 * length, radius)
        radius = np.where(ratio > 0.75, np.maximum(radius, 2.0 * length), radius)
        state.radius[active] = radius
        taken = ratio > 1e-4
        if not taken.all():
            stuck = ~taken & (radius < 1e-14 * (1.0 + _norm(state.theta[active])))
            state.running[active[stuck]] = False
        moved = active[taken]
        state.theta[moved] = theta[taken]
        state.value[moved], state.gradient[moved], state.hessian[moved] = (
            values[taken] for values in trial
        )
    return state


def _quality(before: Floats, after: Floats, expected: Floats) -> Floats:
    """Fall of the criteria over the fall that the quadratic models promised."""
    # Differences below the rounding of the criterion say nothing about the model's quality.
    noise = 1e-13 * np.maximum(1.0, np.abs(before))
    finite = np.isfinite(after)
    fall = before - np.where(finite, after, 0.0)
    rounding = (np.abs(fall) <= noise) & (expected <= 1e3 * noise)
    made: Floats = np.where(finite, np.where(rounding, 1.0, fall / expected), -1.0)
    return made


def _steps(gradient: Floats, hessian: Floats, radius: Floats) -> tuple[Floats, Floats]:
    """Find the best steps of the quadratic models within the radii, and the falls they promise."""
    one = hessian.shape[-1] == 1
    values, vectors = (hessian[:, 0], np.ones_like(hessian)) if one else np.linalg.eigh(hessian)
    slope = (gradient[:, None] @ vectors)[:, 0]
    floor = 1e-10 * np.maximum(1.0, np.abs(values).max(axis=1))
    least = floor * radius
    # Leave a saddle: a direction of negative curvature is used even without a slope.
    flat = (values[:, 0] < -floor) & (np.abs(slope[:, 0]) <= least)
    slope[:, 0] = np.where(flat, least, slope[:, 0])
    shift = np.maximum(0.0, floor - values[:, 0])
    step = -slope / (values + shift[:, None])
    far = np.flatnonzero(_norm(step) > radius)
    if len(far):
        shift = _shifts_to_radius(values[far], slope[far], shift[far], radius[far])
        step[far] = -slope[far] / (values[far] + shift[:, None])
    expected = -(step * (slope + 0.5 * values * step)).sum(axis=1)
    return (vectors @ step[:, :, None])[:, :, 0], expected


def _norm(rows: Floats) -> Floats:
    made: Floats = np.sqrt(np.square(rows).sum(axis=1))
    return made


def _shifts_to_radius(values: Floats, slope: Floats, low: Floats, radius: Floats) -> Floats:
    """Return the shifts at which the steps are as long as the radii, by bisection."""

    def long(shift: Floats) -> Flags:
        return np.asarray(_norm(slope / (values + shift[:, None])) > radius)

    high = np.maximum(low, 1e-10) + _norm(slope) / radius
    low = np.maximum(low, high * 1e-16)
    while (above := long(high)).any():
        high = np.where(above, 4.0 * high, high)
    for _ in range(60):
        middle = np.sqrt(low * high)
        wide = ~(high < 1.01 * low)
        if not wide.any():
            break
        above = long(middle)
        low = np.where(wide & above, middle, low)
        high = np.where(wide & ~above, middle, high)
    return high
