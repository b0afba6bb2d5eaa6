r"""Profile-likelihood intervals of coefficients.

The interval of a coefficient holds all values b with

.. math:: 2 \{\max \ell - \max_{b_j = b} \ell\} \le \chi^2_{1;\,1-\alpha}

(Venzon & Moolgavkar 1988, Appl Stat 37:87-94). A coefficient is a linear function c of the free
parameters, so that holding it leaves a search without constraints in the directions orthogonal to
c. The ends are roots of the signed root of the statistic, which is close to straight, by Newton's
method.
"""

from __future__ import annotations

import numpy as np
from scipy import stats
from scipy.linalg import null_space, solve_triangular

from qsmstats.arrays import Floats, Places
from qsmstats.generalized.estimate import Evaluate, likelihood
from qsmstats.generalized.fitted import GeneralizedFitted
from qsmstats.mixed.optimum.trust_region import descend

__all__ = ["profile_limits"]

_MOST_STEPS = 20


def profile_limits(fit: GeneralizedFitted, level: float) -> Floats:
    """Lower and upper limit of every coefficient, shape (p, 2); NaN where one was not reached."""
    evaluate = likelihood(fit.engine, fit.optimum)
    target = float(np.sqrt(stats.chi2.ppf(level, 1)))
    rank = len(fit.estimates)
    functions = np.zeros((rank, len(fit.optimum.phi)))
    functions[:, :rank] = solve_triangular(fit.moments.basis, np.eye(rank))
    errors = np.sqrt(np.diag(fit.covariance))
    return np.array(
        [
            [_end(evaluate, fit, row, sign * error, target) for sign in (-1.0, 1.0)]
            for row, error in zip(functions, errors, strict=True)
        ]
    )


def _end(
    evaluate: Evaluate, fit: GeneralizedFitted, function: Floats, step: float, target: float
) -> float:
    """Return the value of a linear function at which the signed root reaches the target."""
    best = fit.optimum
    along = function / (function @ function)
    across = null_space(function[None])
    value, centre = target * step, float(function @ best.phi)
    free = np.zeros(across.shape[1])
    slopes: dict[bytes, Floats] = {}
    for _ in range(_MOST_STEPS):

        def at(_: Places, moved: Floats, value: float = value) -> tuple[Floats, Floats, Floats]:
            made, slope, curve = evaluate(best.phi + value * along + across @ moved[0])
            slopes[moved.tobytes()] = slope
            inner = across.T @ curve @ across
            return np.array([-2.0 * made]), -2.0 * (slope @ across)[None], -2.0 * inner[None]

        found = descend(at, free[None], lambda _, state: np.abs(state.gradient).max(axis=1) < 1e-4)
        free, slope = found.theta[0], slopes[found.theta.tobytes()]
        root = float(np.sqrt(max(2.0 * best.value + found.value[0], 0.0)))
        if abs(root - target) < 1e-5:
            return centre + value
        # The root is nearly straight: at most twice as far as now.
        further = value - (target - root) * max(root, 1e-3) / float(slope @ along)
        low, high = sorted((0.3 * value, 2.0 * value))
        value = min(max(further, low), high)
    return np.nan
