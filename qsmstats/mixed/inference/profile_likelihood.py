r"""Profile-likelihood intervals of variance components.

With :math:`d(\theta, \sigma)` the ML deviance, minimised over the fixed effects, the interval of a
component :math:`\psi(\theta, \sigma)` is

.. math:: \{\psi : d_p(\psi) \le \min d + \chi^2_{1;\,1-\alpha}\}, \qquad
          d_p(\psi) = \min_{\psi(\theta, \sigma) = \psi} d(\theta, \sigma)

that is, all values whose likelihood-ratio test is not significant (Venzon & Moolgavkar 1988, Appl
Stat 37:87-94; Pinheiro & Bates 2000, section 2.4). A limit at the end of the range (a standard
deviation of zero, a correlation of -1 or 1) belongs to the interval where its deviance does. At
zero, a boundary, the chi-squared distribution is conservative (Self & Liang 1987).

To hold :math:`\psi` fixed without a constraint, the covariance of its term is written
:math:`F F'` with F lower triangular once the columns in question come first:

  a standard deviation is F_11; a correlation is cos(phi) of F = (a, 0; b cos(phi), b sin(phi)),

so that -1 and 1, where the correlation has no slope in lme4's parameters, are points like others.
The other parameters minimise d by quasi-Newton steps with the exact gradient, each from where the
last search ended; :math:`d_p'` is the partial derivative of d (envelope theorem), and the ends are
roots of the signed root :math:`\{d_p(\psi) - \min d\}^{1/2}`, which is close to straight.

ML is used for REML fits too, as lme4's ``confint`` does, because the REML deviance does not profile
over the fixed effects.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from qsmstats.arrays import Floats
from qsmstats.errors import NotIdentifiedError
from qsmstats.mixed.criterion.covariance import lower_factor, lower_triangle
from qsmstats.mixed.fitted import Fitted, engine_of_fit, refitted
from qsmstats.mixed.inference.components import Component
from qsmstats.mixed.optimum.estimate import Engine

__all__ = ["Deviance", "coordinates_of", "profile_interval"]


_FAILED = "the profile did not reach the {} limit, which is therefore unknown"
# A parameter of zero has no slope by symmetry: searches start beside it.
_ASIDE = 0.03


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
        value, gradient, _ = self.explore(parameters)
        return value, gradient

    def explore(self, parameters: Floats) -> tuple[float, Floats, Floats]:
        """Deviance, gradient, and gradient in the model parameters (w, t), shape (m,)."""
        objective = self.engine.objective
        theta, log_sigma = parameters[:-1], float(parameters[-1])
        point = objective.at(theta, second=False)
        n, rss = objective.n, point.profile.rss
        precision = float(np.exp(-2.0 * log_sigma))
        value = point.value + n * (2.0 * log_sigma - np.log(rss / n) - 1.0) + rss * precision
        moved = (precision - n / rss) * point.profile.rss_first
        first, _ = objective.parametrisation.derivatives(theta)
        slope = np.append(point.gradient + first.T @ moved, 2.0 * (n - rss * precision))
        return float(value), slope, point.profile.gradient + moved


def profile_interval(
    deviance: Deviance, component: Component, level: float
) -> tuple[float, float, str]:
    """Lower and upper limit of a component, and a note where a limit was not reached."""
    allowed = float(stats.chi2.ppf(level, 1))
    made = coordinates_of(deviance, component)
    low = _end(made, allowed, -1.0, made.range[0])
    high = _end(made, allowed, 1.0, made.range[1])
    if component.group == "Residual":
        low, high = deviance.unit * np.exp(low), deviance.unit * np.exp(high)
    elif component.is_correlation:
        low, high = np.cos(high), np.cos(low)
    else:
        low, high = deviance.unit * low, deviance.unit * high
    failed = [name for name, end in (("lower", low), ("upper", high)) if np.isnan(end)]
    return float(low), float(high), _FAILED.format(" and ".join(failed)) if failed else ""


class _Residual:
    """The log of a residual standard deviation, and all other parameters."""

    range = (-np.inf, np.inf)

    def __init__(self, deviance: Deviance, component: Component) -> None:
        self.deviance, self.ratio = deviance, component.index - 1
        self.best = float(deviance.best[-1])
        if self.ratio >= 0:
            self.best += float(deviance.best[self.ratio])
        self.others = deviance.best[:-1]
        self.step = float(np.sqrt(2.0 / deviance.engine.objective.n))

    def at(self, value: float, others: Floats) -> tuple[float, float, Floats]:
        """Deviance, its slope in the component, and in the others."""
        parameters = np.append(others, value - (others[self.ratio] if self.ratio >= 0 else 0.0))
        made, gradient = self.deviance.at(parameters)
        if self.ratio >= 0:
            gradient[self.ratio] -= gradient[-1]
        return made, float(gradient[-1]), gradient[:-1]


class _Term:
    """The covariance of one term as F F', with the columns of a component first.

    F is in units of the outcome, so that a standard deviation is held whatever sigma is. The first
    `held` rows belong to the component. The others, in units of their size at the minimum, are free
    elements beside the outer parameters: those of the other terms, and log sigma.
    """

    held = 1

    def __init__(self, deviance: Deviance, component: Component) -> None:
        engine, best = deviance.engine, deviance.best
        self.deviance = deviance
        whitener = engine.whiteners[component.index]
        place = list(dict.fromkeys(component.place))
        order = place + [k for k in range(len(whitener)) if k not in place]
        self.whitener = whitener[:, order]
        parametrisation = engine.objective.parametrisation
        counts = [width * (width + 1) // 2 for width in parametrisation.widths]
        position = engine.order.index(component.index)
        start = parametrisation.strata + sum(counts[:position])
        self.block = slice(start, start + counts[position])
        sigma = float(np.exp(best[-1]))
        self.factor = sigma * lower_factor(engine.factors(best[:-1])[component.index][order])
        size = np.linalg.norm(self.factor, axis=1)
        # Where a deviation is zero: that of one residual deviation between groups.
        usual = sigma * np.linalg.norm(np.linalg.inv(self.whitener), axis=1)
        self.unit = np.where(size > 1e-3 * usual, size, usual)
        self.triangle = lower_triangle(len(whitener))
        self.free = self.triangle[0] >= self.held
        self.outer = np.delete(best, self.block)
        self.inner = (self.factor / self.unit[:, None])[self.triangle][self.free]

    def explore(
        self, held: Floats, outer: Floats, inner: Floats
    ) -> tuple[float, Floats, Floats, Floats]:
        """Deviance, and its slope in F, in the outer parameters and in the free elements.

        Parameters
        ----------
        held
            F with the component's rows, zero elsewhere, shape (q, q).
        outer, inner
            Other parameters with log sigma; free elements of F.
        """
        factor = held.copy()
        rows, columns = (side[self.free] for side in self.triangle)
        factor[rows, columns] = inner * self.unit[rows]
        sigma = float(np.exp(outer[-1]))
        whitened = self.whitener @ factor / sigma
        theta = lower_factor(whitened)[self.triangle]
        parameters = np.insert(outer, self.block.start, theta)
        value, gradient, slope = self.deviance.explore(parameters)
        # d depends on T = whitened whitened' through its distinct elements.
        half = np.zeros_like(factor)
        half[self.triangle] = slope[self.block]
        by_factor = self.whitener.T @ (half + half.T) @ whitened / sigma
        by_outer = np.delete(gradient, self.block)
        by_outer[-1] -= float((by_factor * factor).sum())
        return value, by_factor, by_outer, by_factor[rows, columns] * self.unit[rows]


class _Deviation(_Term):
    """A standard deviation of a random term, F_11."""

    range = (0.0, np.inf)

    def __init__(self, deviance: Deviance, component: Component) -> None:
        super().__init__(deviance, component)
        self.best = float(self.factor[0, 0])
        self.step = 0.5 * float(self.unit[0])
        self.others = np.concatenate([self.outer, self.inner])

    def at(self, value: float, others: Floats) -> tuple[float, float, Floats]:
        """Deviance, its slope in the component, and in the others."""
        held = np.zeros_like(self.factor)
        held[0, 0] = value
        outer, inner = np.split(others, [len(self.outer)])
        made, by_factor, by_outer, by_inner = self.explore(held, outer, inner)
        return made, float(by_factor[0, 0]), np.concatenate([by_outer, by_inner])


class _Correlation(_Term):
    """The angle phi of a correlation cos(phi); log a and log b are among the others."""

    held = 2
    range = (0.0, np.pi)

    def __init__(self, deviance: Deviance, component: Component) -> None:
        super().__init__(deviance, component)
        self.best = float(np.arctan2(abs(self.factor[1, 1]), self.factor[1, 0]))
        self.step = 0.3
        self.others = np.concatenate([self.outer, [0.0, 0.0], self.inner])

    def at(self, value: float, others: Floats) -> tuple[float, float, Floats]:
        """Deviance, its slope in the component, and in the others."""
        outer, logs, inner = np.split(others, [len(self.outer), len(self.outer) + 2])
        a, b = self.unit[:2] * np.exp(logs)
        held = np.zeros_like(self.factor)
        held[0, 0], held[1, :2] = a, [b * np.cos(value), b * np.sin(value)]
        made, by_factor, by_outer, by_inner = self.explore(held, outer, inner)
        by_logs = (by_factor * held).sum(axis=1)[:2]
        turned = float(by_factor[1, 1] * held[1, 0] - by_factor[1, 0] * held[1, 1])
        return made, turned, np.concatenate([by_outer, by_logs, by_inner])


_Coordinates = _Residual | _Deviation | _Correlation


def coordinates_of(deviance: Deviance, component: Component) -> _Coordinates:
    """Return the parameters with the component as one of them."""
    if component.group == "Residual":
        return _Residual(deviance, component)
    return (_Correlation if component.is_correlation else _Deviation)(deviance, component)


def _end(coordinates: _Coordinates, allowed: float, sign: float, limit: float) -> float:
    """Find the root of the signed root deviance: Newton's method inside a bracket that grows."""
    target, lowest = float(np.sqrt(allowed)), coordinates.deviance.lowest
    others = coordinates.others
    if np.isfinite(limit) and _minimum(coordinates, limit, others)[0] - lowest <= allowed:
        return limit
    inside, outside = coordinates.best, limit
    value = inside + sign * min(coordinates.step, 0.5 * abs(outside - inside))
    for _ in range(60):
        made, slope, found = _minimum(coordinates, value, others)
        root = float(np.sqrt(max(made - lowest, 0.0)))
        if abs(root - target) < 1e-6 * target:
            return value
        if root < target:
            inside, others = value, found
        else:
            outside = value
        step = 2.0 * root * (target - root) / slope if slope else sign * np.inf
        # At most three times as far as the minimum is from here, and never out of the bracket.
        reach = 3.0 * max(abs(value - coordinates.best), coordinates.step)
        value += float(np.clip(step, -reach, reach))
        if not min(inside, outside) < value < max(inside, outside):
            value = 0.5 * (inside + outside) if np.isfinite(outside) else inside + sign * reach
    return np.nan


def _minimum(
    coordinates: _Coordinates, value: float, others: Floats
) -> tuple[float, float, Floats]:
    """d_p at a value of the component, its slope, and the other parameters there."""

    def deviance(free: Floats) -> tuple[float, Floats]:
        # A step of the line search may leave what can be computed; it is then shortened.
        try:
            with np.errstate(all="ignore"):
                made, _, gradient = coordinates.at(value, free)
        except NotIdentifiedError:
            made = np.nan
        return (made, gradient) if np.isfinite(made) else (np.inf, np.zeros_like(free))

    start = np.where(np.abs(others) < _ASIDE, _ASIDE, others)
    found = optimize.minimize(deviance, start, jac=True, method="BFGS", options={"gtol": 1e-5})
    made, slope, _ = coordinates.at(value, found.x)
    return made, slope, np.asarray(found.x, float)
