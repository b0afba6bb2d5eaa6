"""Newton's method in a trust region, with exact Hessians.

Each step minimises the quadratic model of the criterion within a ball; where the Hessian has
negative eigenvalues it is shifted until it is positive (More & Sorensen 1983, SIAM J Sci Stat
Comput 4, 553-572). A zero gradient alone is not convergence: theta = 0 is a stationary point by
symmetry, and where the curvature there is negative the iteration leaves it along the eigenvector
of most negative curvature.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qsmstats.mixed.criterion.profiled import Point

__all__ = ["MOST_ITERATIONS", "TOLERANCE", "Record", "minimise"]

Matrix = NDArray[np.float64]

MOST_ITERATIONS = 200
# Expected fall of the criterion (in units of -2 log likelihood) at which an optimum is accepted.
TOLERANCE = 1e-11


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """How an optimisation went.

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


def minimise(criterion: Callable[[Matrix], Point], start: Matrix) -> Record:
    """Minimise a criterion from a start, shape (m,)."""
    point, radius, converged = criterion(start), 1.0, False
    iteration = 0
    while iteration < MOST_ITERATIONS:
        iteration += 1
        step, expected = _step(point.gradient, point.hessian, radius)
        if expected <= TOLERANCE:
            converged = True
            break
        trial = criterion(point.theta + step)
        length = float(np.linalg.norm(step))
        ratio = _quality(point.value, trial.value, expected)
        if ratio < 0.25:
            radius = 0.25 * length
        elif ratio > 0.75:
            radius = max(radius, 2.0 * length)
        if ratio > 1e-4:
            point = trial
        elif radius < 1e-14 * (1.0 + float(np.linalg.norm(point.theta))):
            break
    return Record(
        point=point,
        converged=converged,
        iterations=iteration,
        evaluations=iteration if converged else iteration + 1,
        gradient_norm=float(np.linalg.norm(point.gradient)),
    )


def _quality(before: float, after: float, expected: float) -> float:
    """Fall of the criterion over the fall that the quadratic model promised."""
    if not np.isfinite(after):
        return -1.0
    # Differences below the rounding of the criterion say nothing about the model's quality.
    noise = 1e-13 * max(1.0, abs(before))
    if abs(before - after) <= noise and expected <= 1e3 * noise:
        return 1.0
    return (before - after) / expected


def _step(gradient: Matrix, hessian: Matrix, radius: float) -> tuple[Matrix, float]:
    """Step within the radius that minimises the quadratic model, and the fall it promises."""
    values, vectors = np.linalg.eigh(hessian)
    slope = vectors.T @ gradient
    floor = 1e-10 * max(1.0, float(np.abs(values).max()))
    if values[0] < -floor:
        # Leave a saddle: a direction of negative curvature is used even without a slope.
        slope[0] = slope[0] if abs(slope[0]) > floor * radius else floor * radius
    shift = max(0.0, floor - float(values[0]))
    step = -slope / (values + shift)
    if np.linalg.norm(step) > radius:
        step = -slope / (values + _shift_to_radius(values, slope, shift, radius))
    expected = -(slope @ step + 0.5 * step @ (values * step))
    return vectors @ step, float(expected)


def _shift_to_radius(values: Matrix, slope: Matrix, low: float, radius: float) -> float:
    """Return the shift at which the step is as long as the radius, by bisection."""
    high = max(low, 1e-10) + float(np.linalg.norm(slope)) / radius
    low = max(low, high * 1e-16)
    while np.linalg.norm(slope / (values + high)) > radius:
        high *= 4.0
    for _ in range(60):
        middle = np.sqrt(low * high)
        if np.linalg.norm(slope / (values + middle)) > radius:
            low = middle
        else:
            high = middle
        if high < 1.01 * low:
            break
    return high
