r"""Profile-likelihood intervals of coefficients and standard deviations.

The interval of a parameter holds all values b with

.. math:: 2 \{\max \ell - \max_{\psi = b} \ell\} \le \chi^2_{1;\,1-\alpha}

(Venzon & Moolgavkar 1988, Appl Stat 37:87-94). A coefficient is a linear function c of the free
parameters, so that holding it leaves a search without constraints in the directions orthogonal to
c. So is a standard deviation, once the whitened columns of its term are rotated until the first
element of the Cholesky factor is all that it depends on. The ends are roots of the signed root of
the statistic, which is close to straight, by Newton's method. A standard deviation of zero, where
the likelihood has no slope by symmetry, is looked at first; at this boundary the chi-squared
distribution is conservative (Self & Liang 1987, J Am Stat Assoc 82:605-610).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import stats
from scipy.linalg import null_space, solve_triangular

from qsmstats.arrays import Floats, Places
from qsmstats.generalized.estimate import Engine, Evaluate, build_engine, likelihood
from qsmstats.generalized.fitted import GeneralizedFitted
from qsmstats.mixed.criterion.covariance import factor_elements, lower_factor
from qsmstats.mixed.inference.components import Component
from qsmstats.mixed.optimum.trust_region import descend

__all__ = ["deviation_limits", "profile_limits"]

_MOST_STEPS = 40
# A Cholesky element of zero has no slope by symmetry: searches start beside it.
_ASIDE = 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class _Profile:
    """The likelihood at fixed values of a linear function of the free parameters.

    Attributes
    ----------
    evaluate
        Log likelihood and derivatives.
    best, value
        Free parameters at its maximum, and the maximum.
    start
        Free parameters from which the others are searched for.
    function
        c, shape (m,).
    """

    evaluate: Evaluate
    best: Floats
    value: float
    start: Floats
    function: Floats

    def root(self, move: float, free: Floats | None = None) -> tuple[float, float, Floats]:
        """Return the root of the statistic where the function is moved from its estimate.

        Also the slope of the log likelihood along the move, and the other directions' parameters,
        from which the next search may start.
        """
        along = self.function / (self.function @ self.function)
        across = null_space(self.function[None])
        if free is None:
            free = across.T @ (self.start - self.best)
        slopes: dict[bytes, Floats] = {}

        def at(_: Places, moved: Floats) -> tuple[Floats, Floats, Floats]:
            place = self.best + move * along + across @ moved[0]
            made, slope, curve = self.evaluate(place)
            slopes[moved.tobytes()] = slope
            inner = across.T @ curve @ across
            return np.array([-2.0 * made]), -2.0 * (slope @ across)[None], -2.0 * inner[None]

        found = descend(at, free[None], lambda _, state: np.abs(state.gradient).max(axis=1) < 1e-4)
        slope = slopes[found.theta.tobytes()]
        fall = 2.0 * self.value + float(found.value[0])
        return float(np.sqrt(max(fall, 0.0))), float(slope @ along), found.theta[0]

    def end(self, step: float, target: float, most: float = np.inf) -> float:
        """Return the value of the function, at most so far away, at which the root is the target.

        The search starts a step from the estimate; NaN where it fails.
        """
        move, sign, free = target * abs(step), np.sign(step), None
        move = min(move, 0.5 * most)
        for _ in range(_MOST_STEPS):
            root, slope, free = self.root(sign * move, free)
            if abs(root - target) < 1e-5:
                return float(self.function @ self.best) + sign * move
            # The root is nearly straight: at most twice as far as now, or half the way to the end.
            slope = -sign * slope
            further = move + (target - root) * max(root, 1e-3) / slope if slope > 0.0 else np.inf
            move = min(max(further, 0.3 * move), 2.0 * move, 0.5 * (move + most))
        return np.nan


def profile_limits(fit: GeneralizedFitted, level: float) -> Floats:
    """Lower and upper limit of every coefficient, shape (p, 2); NaN where one was not reached."""
    profile = _profile(fit, fit.engine, fit.optimum.phi)
    target = float(np.sqrt(stats.chi2.ppf(level, 1)))
    rank = len(fit.estimates)
    functions = np.zeros((rank, len(fit.optimum.phi)))
    functions[:, :rank] = solve_triangular(fit.moments.basis, np.eye(rank))
    errors = np.sqrt(np.diag(fit.covariance))
    made = []
    for row, error in zip(functions, errors, strict=True):
        one = replace(profile, function=row)
        made.append([one.end(sign * error, target) for sign in (-1.0, 1.0)])
    return np.array(made)


def deviation_limits(
    fit: GeneralizedFitted, component: Component, level: float
) -> tuple[float, float]:
    """Lower and upper limit of a standard deviation; NaN where one was not reached."""
    engine, phi, place, unit = _rotated(fit, component)
    profile = _profile(fit, engine, phi)
    profile = replace(profile, function=unit * np.eye(len(phi))[place])
    target, centre = float(np.sqrt(stats.chi2.ppf(level, 1))), unit * float(phi[place])
    # About what one unit of the whitened columns is: steps are shortened or doubled from there.
    step = 0.1 * max(unit, centre)
    reaches_zero = profile.root(-centre)[0] <= target
    low = 0.0 if reaches_zero else profile.end(-step, target, centre)
    return low, profile.end(step, target)


def _profile(fit: GeneralizedFitted, engine: Engine, phi: Floats) -> _Profile:
    place = engine.parameters.theta
    start = phi.copy()
    start[place] = np.where(np.abs(phi[place]) < _ASIDE, _ASIDE, phi[place])
    return _Profile(
        evaluate=likelihood(engine, replace(fit.optimum, phi=phi)),
        best=phi,
        value=fit.optimum.value,
        start=start,
        function=np.zeros(len(phi)),
    )


def _rotated(fit: GeneralizedFitted, component: Component) -> tuple[Engine, Floats, int, float]:
    """Rotate the columns of a term until a standard deviation is one free parameter.

    Returns the likelihood, its maximum, the place of the parameter, and its unit.
    """
    engine = fit.engine
    design = engine.layout.design
    part = design.random[component.index]
    row = np.linalg.inv(part.whitener)[component.place[0]]
    turn = np.linalg.qr(np.column_stack([row, np.eye(len(row))]))[0]
    random = list(design.random)
    random[component.index] = replace(
        part, columns=part.columns @ turn, whitener=turn.T @ part.whitener
    )
    layout = replace(engine.layout, design=replace(design, random=tuple(random)))
    covariance, theta = engine.parameters.covariance, engine.parameters.theta
    factors = covariance.factors(fit.optimum.phi[theta])
    position = engine.order.index(component.index)
    factors[position] = lower_factor(turn.T @ factors[position])
    phi = fit.optimum.phi.copy()
    phi[theta] = factor_elements(factors)
    place = theta.start + sum(w * (w + 1) // 2 for w in covariance.widths[:position])
    return build_engine(layout, engine.integration), phi, place, float(np.linalg.norm(row))
