r"""Families and links: the log density of a row as a function of its linear predictor.

With :math:`\eta` the linear predictor, m trials, and prior weight one:

=================  ==================================================================  ============
family, link       log density less what does not depend on :math:`\eta`               variance
=================  ==================================================================  ============
binomial           :math:`y \log p(\eta) + (m - y) \log(1 - p(\eta))`                  mp(1 - p)
poisson, log       :math:`y\eta - e^\eta`                                              mu
negative           :math:`y\eta - (y + k)\log(k + e^\eta) + k \log k                   mu + mu^2/k
binomial, log      + \log\Gamma(y + k) - \log\Gamma(k)`
=================  ==================================================================  ============

with p the logistic function (logit), the normal distribution function (probit) or
:math:`1 - \exp(-e^\eta)` (cloglog). The negative binomial is NB2 of Cameron & Trivedi (2013,
Regression Analysis of Count Data, section 3.3); its second parameter is :math:`\kappa = \log k`.
Counts have the log link alone. Of an identity link the mean is negative for some value of every
normal random effect, and there is no likelihood there; the square root gives two opposite
predictors the same mean, so that its integral over the effects counts both sides of zero.

Each log density is concave in :math:`\eta`, which the searches for modes rely on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.special import digamma, erfcx, expit, gammaln, log_ndtr, logit, ndtr, ndtri, polygamma

from qsmstats.arrays import Floats, Places

__all__ = ["LINKS", "Family", "Outcome", "Slopes", "inverse_link", "link_function"]

Family = Literal["binomial", "poisson", "negative_binomial"]

LINKS: dict[str, tuple[str, ...]] = {
    "binomial": ("logit", "probit", "cloglog"),
    "poisson": ("log",),
    "negative_binomial": ("log",),
}
"""Links of each family, the default first."""

# Beyond it exp overflows; there every density here is 0 or 1 to within rounding.
_LARGEST = 600.0
_ROOT = np.sqrt(2.0 / np.pi)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slopes:
    """Log densities of rows at their linear predictors, with derivatives, all of the same shape.

    Attributes
    ----------
    value, first, curve, third
        l; s = dl / d eta; w = -d2l / d eta2; dw / d eta, empty where it was not asked for.
    """

    value: Floats
    first: Floats
    curve: Floats
    third: Floats


_NONE = np.empty(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcomes of n rows, and the family that they are thought to come from.

    Attributes
    ----------
    family, link
        Names, as in `LINKS`.
    y, trials, prior
        Outcome; trials (ones where there are none); prior weights; shapes (n,).
    """

    family: Family
    link: str
    y: Floats
    trials: Floats
    prior: Floats

    @property
    def has_shape(self) -> bool:
        """Whether the family has a parameter kappa beside the linear predictor."""
        return self.family == "negative_binomial"

    def take(self, rows: Places | slice) -> Outcome:
        """Return some of the rows."""
        return replace(self, y=self.y[rows], trials=self.trials[rows], prior=self.prior[rows])

    @property
    def constant(self) -> float:
        """What of the log likelihood depends on neither eta nor kappa."""
        y, m = self.y, self.trials
        if self.family == "binomial":
            terms = gammaln(m + 1.0) - gammaln(y + 1.0) - gammaln(m - y + 1.0)
        else:
            terms = -gammaln(y + 1.0)
        return float(self.prior @ terms)

    def value(self, eta: Floats, kappa: float) -> Floats:
        """Log densities at linear predictors of shape (n, ...)."""
        if self.link == "logit":  # the one that is integrated most often
            y, m = _beside(self.y, eta), _beside(self.trials, eta)
            eta = _held(eta)
            whole = np.exp(eta)
            whole += 1.0
            np.log(whole, out=whole)
            whole *= m
            made: Floats = y * eta
            made -= whole
            return made if self._is_plain else _beside(self.prior, eta) * made
        return self.at(eta, kappa).value

    def at(self, eta: Floats, kappa: float, *, third: bool = False) -> Slopes:
        """Log densities and derivatives at linear predictors of shape (n, ...)."""
        y, m = _beside(self.y, eta), _beside(self.trials, eta)
        eta = _held(eta)
        if self.family == "binomial":
            made = _BINOMIAL[self.link](eta, y, m, third)
        elif self.family == "poisson":
            mean = np.exp(eta)
            made = (y * eta - mean, y - mean, mean, mean)
        else:
            made = _negative_binomial(eta, y, float(np.exp(kappa)), third)
        if not self._is_plain:
            made = tuple(_beside(self.prior, eta) * part if part.size else part for part in made)
        return Slopes(value=made[0], first=made[1], curve=made[2], third=made[3])

    @property
    def _is_plain(self) -> bool:
        return bool(np.all(self.prior == 1.0))

    def shape_slopes(self, eta: Floats, kappa: float) -> Slopes:
        """Return derivatives in kappa: of l, of s, of w, and the second of l (as `third`)."""
        y, prior = _beside(self.y, eta), _beside(self.prior, eta)
        k, mean = np.exp(kappa), np.exp(np.clip(eta, -_LARGEST, _LARGEST))
        whole = k + mean
        first = digamma(y + k) - digamma(k) + kappa + 1.0 - np.log(whole) - (y + k) / whole
        second = polygamma(1, y + k) - polygamma(1, k) + 1.0 / k - 1.0 / whole
        second = second - (mean - y) / whole**2
        by_score = (y - mean) * mean / whole**2
        by_curve = mean * (2.0 * k * mean + y * mean - y * k) / whole**3
        return Slopes(
            value=prior * k * first,
            first=prior * k * by_score,
            curve=prior * k * by_curve,
            third=prior * (k * first + k**2 * second),
        )

    def mean(self, eta: Floats) -> Floats:
        """Mean of one trial, or of the count, at linear predictors."""
        return inverse_link(self.link)[0](eta)

    def start(self) -> Floats:
        """Linear predictors near the outcomes, from which to start, shape (n,)."""
        if self.family == "binomial":
            p = (self.y + 0.5) / (self.trials + 1.0)
            return _LINK[self.link](p)
        return _LINK[self.link](self.y + 0.5)

    def variance(self, mean: Floats, kappa: float) -> Floats:
        """Variance of the outcome (of all trials) at means of one trial, shape (n,)."""
        if self.family == "binomial":
            return self.trials * mean * (1.0 - mean) / self.prior
        extra = mean**2 * np.exp(-kappa) if self.has_shape else 0.0
        return (mean + extra) / self.prior

    def draw(self, eta: Floats, kappa: float, random: np.random.Generator) -> Floats:
        """Draw an outcome for each row, shape (n,)."""
        mean = self.mean(eta)
        if self.family == "binomial":
            return random.binomial(self.trials.astype(np.int64), mean).astype(np.float64)
        if self.has_shape:
            k = np.exp(kappa)
            mean = random.gamma(k, mean / k)
        return random.poisson(mean).astype(np.float64)


def inverse_link(
    link: str,
) -> tuple[Callable[[Floats], Floats], Callable[[Floats], Floats]]:
    """Return the mean as a function of the linear predictor, and its derivative."""
    return _INVERSE[link]


def link_function(link: str) -> Callable[[Floats], Floats]:
    """Return the linear predictor as a function of the mean."""
    return _LINK[link]


def _held(eta: Floats) -> Floats:
    """Keep linear predictors from overflow, without a copy where none is near it."""
    if eta.min(initial=0.0) >= -_LARGEST and eta.max(initial=0.0) <= _LARGEST:
        return eta
    return np.clip(eta, -_LARGEST, _LARGEST)


def _beside(part: Floats, eta: Floats) -> Floats:
    """Return values of the rows in a shape that goes with eta's."""
    return part.reshape(len(part), *([1] * (eta.ndim - 1)))


def _logit(eta: Floats, y: Floats, m: Floats, third: bool) -> tuple[Floats, ...]:  # noqa: FBT001
    # Few temporaries: large ones cost more than the arithmetic. An error of the logarithm near one
    # is absolute: no digit of a sum of densities is lost.
    p = np.exp(eta)
    whole = 1.0 + p
    p /= whole
    curve = p / whole
    curve *= m
    np.log(whole, out=whole)
    whole *= m
    value = y * eta
    value -= whole
    last = curve * (1.0 - 2.0 * p) if third else _NONE
    p *= -m
    p += y
    return value, p, curve, last


def _probit(eta: Floats, y: Floats, m: Floats, third: bool) -> tuple[Floats, ...]:  # noqa: FBT001
    yes, no = _normal_tail(eta), _normal_tail(-eta)
    left = m - y
    return (
        y * yes[0] + left * no[0],
        y * yes[1] - left * no[1],
        -(y * yes[2] + left * no[2]),
        -(y * yes[3] - left * no[3]) if third else _NONE,
    )


def _normal_tail(eta: Floats) -> tuple[Floats, ...]:
    """Return log Phi with three derivatives: r = phi / Phi, r' = -r (eta + r)."""
    ratio = _ROOT / erfcx(-eta / np.sqrt(2.0))
    second = -ratio * (eta + ratio)
    third = -second * (eta + ratio) - ratio * (1.0 + second)
    return log_ndtr(eta), ratio, second, third


def _cloglog(eta: Floats, y: Floats, m: Floats, third: bool) -> tuple[Floats, ...]:  # noqa: FBT001
    hazard = np.exp(np.minimum(eta, 300.0))
    # r = u / (exp u - 1) is d log(1 - exp(-u)) / d eta; r' = r (1 - u - r).
    with np.errstate(over="ignore"):
        ratio = hazard / np.expm1(hazard)
    ratio = np.where(hazard > 0.0, ratio, 1.0)
    rest = 1.0 - hazard - ratio
    second = np.where(ratio > 0.0, ratio * rest, 0.0)
    log_p = np.where(hazard > 1e-8, np.log(-np.expm1(-np.maximum(hazard, 1e-300))), eta)
    left = (m - y) * hazard
    last = _NONE
    if third:
        last = left - y * np.where(ratio > 0.0, second * rest - ratio * (hazard + second), 0.0)
    return y * log_p - left, y * ratio - left, left - y * second, last


_BINOMIAL = {"logit": _logit, "probit": _probit, "cloglog": _cloglog}


def _negative_binomial(
    eta: Floats,
    y: Floats,
    k: float,
    third: bool,  # noqa: FBT001
) -> tuple[Floats, ...]:
    mean = np.exp(eta)
    whole = k + mean
    share = mean / whole
    size = y + k
    curve = size * share * k / whole
    value = y * eta - size * np.log(whole) + k * np.log(k) + gammaln(size) - gammaln(k)
    last = curve * (1.0 - 2.0 * share) if third else _NONE
    return value, k * (y - mean) / whole, curve, last


def _exp(eta: Floats) -> Floats:
    return np.asarray(np.exp(np.clip(eta, -_LARGEST, _LARGEST)))


_LINK: dict[str, Callable[[Floats], Floats]] = {
    "logit": logit,
    "probit": ndtri,
    "cloglog": lambda p: np.log(-np.log1p(-p)),
    "log": np.log,
}

_INVERSE: dict[str, tuple[Callable[[Floats], Floats], Callable[[Floats], Floats]]] = {
    "logit": (expit, lambda eta: expit(eta) * expit(-eta)),
    "probit": (ndtr, lambda eta: np.exp(-0.5 * eta**2) / np.sqrt(2.0 * np.pi)),
    "cloglog": (
        lambda eta: -np.expm1(-_exp(eta)),
        lambda eta: np.exp(np.clip(eta, -_LARGEST, _LARGEST) - _exp(eta)),
    ),
    "log": (_exp, _exp),
}
