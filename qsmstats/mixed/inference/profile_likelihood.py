r"""Profile-likelihood intervals of variance components.

With :math:`d(\theta, \sigma)` the ML deviance, minimised over the fixed effects, the interval of a
component :math:`\psi(\theta, \sigma)` is

.. math:: \{\psi(\theta, \sigma) : d(\theta, \sigma) \le \min d + \chi^2_{1;\,1-\alpha}\}

that is, all values whose likelihood-ratio test is not significant. Its ends are the smallest and
the largest :math:`\psi` under that constraint (Venzon & Moolgavkar 1988, Appl Stat 37:87-94), found
by sequential quadratic programming with the exact gradient of :math:`d`. At zero, a boundary, the
chi-squared distribution is conservative (Self & Liang 1987).

ML is used for REML fits too, as lme4's ``confint`` does, because the REML deviance does not profile
over the fixed effects.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from qsmstats.mixed.fitted import Fitted, engine_of_fit, refitted
from qsmstats.mixed.inference.components import Component, gradient
from qsmstats.mixed.optimum.estimate import Engine

__all__ = ["Deviance", "profile_interval"]

Floats = NDArray[np.float64]

_FAILED = "the profile did not reach the limit of the interval"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviance:
    """The ML deviance in (theta, log sigma).

    Attributes
    ----------
    engine
        The criterion of the model by ML.
    best
        Parameters of its minimum, shape (m + 1,).
    lowest
        Its minimum.
    unit
        Unit of sigma in units of the outcome.
    """

    engine: Engine
    best: Floats
    lowest: float
    unit: float

    @property
    def reach(self) -> Floats:
        """How far from the minimum ends are looked for: theta 30, log sigma 2, shape (m + 1,)."""
        return np.append(np.full(len(self.best) - 1, 30.0), 2.0)

    def curvature(self) -> Floats:
        """Hessian at the minimum, from differences of the gradient, shape (m + 1, m + 1)."""
        columns = []
        for move in np.diag(6e-6 * np.maximum(1.0, np.abs(self.best))):
            ahead, behind = self.at(self.best + move)[1], self.at(self.best - move)[1]
            columns.append((ahead - behind) / (2.0 * move.sum()))
        hessian = np.array(columns)
        return np.asarray(0.5 * (hessian + hessian.T), float)

    @classmethod
    def of(cls, fit: Fitted) -> Deviance:
        """Build the deviance of a fit and find its minimum."""
        ml = fit if fit.method == "ml" else refitted(fit, method="ml")
        engine = engine_of_fit(ml)
        best = np.append(ml.moments.theta, 0.5 * np.log(ml.moments.variance))
        made = cls(engine=engine, best=best, lowest=0.0, unit=ml.moments.scale)
        return cls(engine=engine, best=best, lowest=made.at(best)[0], unit=ml.moments.scale)

    def at(self, parameters: Floats) -> tuple[float, Floats]:
        """Deviance and gradient, shape (m + 1,)."""
        objective = self.engine.objective
        theta, log_sigma = parameters[:-1], float(parameters[-1])
        point = objective.at(theta)
        n, rss = objective.n, point.profile.rss
        precision = float(np.exp(-2.0 * log_sigma))
        value = point.value + n * (2.0 * log_sigma - np.log(rss / n) - 1.0) + rss * precision
        first, _ = objective.parametrisation.derivatives(theta)
        slope = point.gradient + (precision - n / rss) * (first.T @ point.profile.rss_first)
        return float(value), np.append(slope, 2.0 * (n - rss * precision))


def profile_interval(
    deviance: Deviance, component: Component, level: float
) -> tuple[float, float, str]:
    """Lower and upper limit of a component, and a note where a limit was not reached."""
    allowed = float(stats.chi2.ppf(level, 1))
    low, low_note = _end(deviance, component, allowed, sign=1.0)
    high, high_note = _end(deviance, component, allowed, sign=-1.0)
    return low, high, low_note or high_note


def _end(
    deviance: Deviance, component: Component, allowed: float, sign: float
) -> tuple[float, str]:
    """Find the smallest (sign +1) or largest (sign -1) value of the component."""
    power = 1 if component.is_correlation else 2

    def value(parameters: Floats) -> float:
        return component.at(deviance.engine, parameters, deviance.unit) ** power

    def room(parameters: Floats) -> float:
        return allowed - (deviance.at(parameters)[0] - deviance.lowest)

    best = deviance.best
    bend = np.array(
        [value(best + h) + value(best - h) - 2.0 * value(best) for h in np.eye(len(best))]
    )
    start = _start(deviance, gradient(value, best), bend, -sign * np.sqrt(2.0 * allowed))
    aim = _aim(component, value, sign, size=abs(value(start)))
    found = optimize.minimize(
        aim,
        start,
        jac=lambda z: gradient(aim, z),
        bounds=list(
            zip(deviance.best - deviance.reach, deviance.best + deviance.reach, strict=True)
        ),
        constraints=[{"type": "ineq", "fun": room, "jac": lambda z: -deviance.at(z)[1]}],
        method="SLSQP",
        options={"maxiter": 100, "ftol": 1e-9},
    )
    reached = value(found.x)
    if _at_boundary(component, reached, float(np.abs(bend).max()), sign):
        return (0.0 if power == 2 else -sign), ""
    if abs(room(found.x)) > 1e-4 * allowed:
        return np.nan, _FAILED
    return float(np.sqrt(reached)) if power == 2 else float(reached), ""


def _aim(
    component: Component, value: Callable[[Floats], float], sign: float, size: float
) -> Callable[[Floats], float]:
    """Choose what to minimise: the variance, smooth at zero, downwards; its logarithm upwards."""
    if component.is_correlation:
        return lambda z: sign * value(z)
    if sign > 0:
        return lambda z: value(z) / size
    return lambda z: -float(np.log(max(value(z), 1e-300)))


def _start(deviance: Deviance, slope: Floats, bend: Floats, distance: float) -> Floats:
    """Where the end would be if the deviance were quadratic.

    At the optimum itself the constraint has no gradient to go by. Where the component has none
    either (a variance of zero, a correlation of one), it is quadratic there, and the parameter
    that moves it most the right way is taken.
    """
    hessian = deviance.curvature()
    values, vectors = np.linalg.eigh(hessian)
    floor = 1e-3 * values[-1]
    if np.abs(slope).max() < 1e-4 * np.abs(bend).max():
        k = int(np.argmax(np.sign(distance) * bend))
        move = np.zeros(len(bend))
        move[k] = abs(distance) / np.sqrt(max(hessian[k, k], floor))
        return deviance.best + move
    along = vectors.T @ slope / np.maximum(values, floor)
    step: Floats = (vectors @ along) / np.sqrt(float(along @ (vectors.T @ slope)))
    return deviance.best + distance * step


def _at_boundary(component: Component, reached: float, size: float, sign: float) -> bool:
    if component.is_correlation:
        return sign * reached < -1.0 + 1e-6
    return sign > 0 and reached <= 1e-8 * size
