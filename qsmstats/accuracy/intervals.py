"""Intervals for one binomial proportion, and how intervals of parts become those of a whole.

With x successes of n, p = x / n and z the critical value (normal, or Student's t where the
variance was estimated from few clusters):

wilson
    (p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n). Wilson 1927.
wilson_cc
    The same inverted with the continuity correction 1/2n; Newcombe 1998, method 4.
clopper_pearson, agresti_coull, wald
    As in statsmodels' `proportion_confint`; Agresti-Coull and Wald are cut at 0 and 1.
jeffreys
    Quantiles of Beta(x + 1/2, n - x + 1/2), with the limit 0 at x = 0 and 1 at x = n
    (Brown, Cai & DasGupta 2001).
mid_p
    The p with P(X > x) + P(X = x)/2 = alpha/2, and its mirror image.
likelihood_ratio
    The p whose deviance 2[l(x/n) - l(p)] is the chi-square quantile.

MOVER ("method of variance estimates recovery", Zou & Donner 2008) adds independent
quantities with estimates t_i, limits (l_i, u_i) and weights c_i > 0:
L = sum c_i t_i - sqrt(sum c_i^2 (t_i - l_i)^2), and U alike.

References
----------
Brown LD, Cai TT, DasGupta A (2001) Stat Sci 16:101-133.
Newcombe RG (1998) Stat Med 17:857-872.
Wilson EB (1927) J Am Stat Assoc 22:209-212.
Zou GY, Donner A (2008) Stat Med 27:1693-1702.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special, stats

from qsmstats.arrays import Floats
from qsmstats.errors import UsageError, check_option

__all__ = [
    "INTERVALS",
    "Limits",
    "critical_value",
    "mover_sum",
    "proportion_interval",
    "wilson_limits",
]

Limits = tuple[float, float]

# Where the logarithms of the likelihood would be infinite at 0 and 1.
_EDGE = 1e-12


def critical_value(level: float, df: float = math.inf) -> float:
    """Two-sided critical value of Student's t, or of the normal law at infinite `df`.

    Raises
    ------
    UsageError
        If `level` is not between 0 and 1, or `df` is not positive.
    """
    if not 0.0 < level < 1.0:
        raise UsageError(f"level is {level!r}; give a confidence level between 0 and 1, as 0.95")
    if not df > 0.0:
        raise UsageError(f"df is {df!r}; give at least one degree of freedom")
    return float(stats.t.isf((1.0 - level) / 2.0, df))


def wilson_limits(
    proportion: ArrayLike, trials: ArrayLike, critical: float
) -> tuple[Floats, Floats]:
    """Wilson limits, for arrays and for trials that need not be whole.

    Parameters
    ----------
    proportion
        Observed proportions.
    trials
        Numbers of trials, or effective numbers; positive.
    critical
        Critical value z or t.

    Returns
    -------
    low, high
        Within [0, 1]; exactly 0 at proportion 0 and exactly 1 at proportion 1.
    """
    p = np.asarray(proportion, dtype=np.float64)
    n = np.asarray(trials, dtype=np.float64)
    squared = critical**2
    centre = p + squared / (2.0 * n)
    half = critical * np.sqrt(p * (1.0 - p) / n + squared / (4.0 * n**2))
    scale = 1.0 + squared / n
    low = np.where(p <= 0.0, 0.0, np.clip((centre - half) / scale, 0.0, 1.0))
    high = np.where(p >= 1.0, 1.0, np.clip((centre + half) / scale, 0.0, 1.0))
    return low, high


def _wilson(x: float, n: float, level: float) -> Limits:
    low, high = wilson_limits(x / n, n, critical_value(level))
    return float(low), float(high)


def _wilson_cc(x: float, n: float, level: float) -> Limits:
    z, p = critical_value(level), x / n
    centre, scale = 2.0 * n * p + z**2, 2.0 * (n + z**2)

    def half_width(sign: float) -> float:
        inside = z**2 - 1.0 / n + 4.0 * n * p * (1.0 - p) + sign * (4.0 * p - 2.0)
        return z * math.sqrt(max(inside, 0.0)) + 1.0

    low = 0.0 if x == 0 else max(0.0, (centre - half_width(1.0)) / scale)
    high = 1.0 if x == n else min(1.0, (centre + half_width(-1.0)) / scale)
    return low, high


def _statsmodels(method: str) -> Callable[[float, float, float], Limits]:
    def limits(x: float, n: float, level: float) -> Limits:
        from statsmodels.stats.proportion import proportion_confint

        low, high = proportion_confint(x, n, alpha=1.0 - level, method=method)
        return max(0.0, float(low)), min(1.0, float(high))

    return limits


def _jeffreys(x: float, n: float, level: float) -> Limits:
    tail = (1.0 - level) / 2.0
    a, b = x + 0.5, n - x + 0.5
    low = 0.0 if x == 0 else float(special.betaincinv(a, b, tail))
    high = 1.0 if x == n else float(special.betainccinv(a, b, tail))
    return low, high


def _mid_p(x: float, n: float, level: float) -> Limits:
    tail = (1.0 - level) / 2.0

    def above(p: float) -> float:
        return float(stats.binom.sf(x, n, p) + 0.5 * stats.binom.pmf(x, n, p)) - tail

    def below(p: float) -> float:
        return float(stats.binom.cdf(x, n, p) - 0.5 * stats.binom.pmf(x, n, p)) - tail

    low = 0.0 if x == 0 else float(optimize.brentq(above, 0.0, x / n, xtol=1e-14))
    high = 1.0 if x == n else float(optimize.brentq(below, x / n, 1.0, xtol=1e-14))
    return low, high


def _likelihood_ratio(x: float, n: float, level: float) -> Limits:
    cut = critical_value(level) ** 2

    def log_likelihood(p: float) -> float:
        return float(special.xlogy(x, p) + special.xlog1py(n - x, -p))

    def excess(p: float) -> float:
        return 2.0 * (log_likelihood(x / n) - log_likelihood(p)) - cut

    low = 0.0 if x == 0 else float(optimize.brentq(excess, _EDGE, x / n, xtol=1e-14))
    high = 1.0 if x == n else float(optimize.brentq(excess, x / n, 1.0 - _EDGE, xtol=1e-14))
    return low, high


INTERVALS: dict[str, Callable[[float, float, float], Limits]] = {
    "wilson": _wilson,
    "wilson_cc": _wilson_cc,
    "clopper_pearson": _statsmodels("beta"),
    "agresti_coull": _statsmodels("agresti_coull"),
    "wald": _statsmodels("normal"),
    "jeffreys": _jeffreys,
    "mid_p": _mid_p,
    "likelihood_ratio": _likelihood_ratio,
}


def proportion_interval(
    successes: float, trials: float, *, method: str = "wilson", level: float = 0.95
) -> Limits:
    """Confidence interval of a binomial proportion from independent trials.

    Parameters
    ----------
    successes, trials
        Counts, 0 <= successes <= trials and trials > 0.
    method
        One of `INTERVALS`.
    level
        Confidence level.

    Returns
    -------
    low, high
        Limits in [0, 1].

    Raises
    ------
    UsageError
        If the counts, the method or the level cannot be used.
    """
    check_option("method", method, INTERVALS)
    if not (trials > 0 and 0 <= successes <= trials):
        raise UsageError(
            f"{successes!r} successes of {trials!r} trials; give 0 <= successes <= trials"
            " and at least one trial"
        )
    critical_value(level)
    return INTERVALS[method](successes, trials, level)


def mover_sum(
    estimates: Sequence[float], limits: Sequence[Limits], weights: Sequence[float]
) -> Limits:
    """MOVER limits of a weighted sum of independent quantities.

    Parameters
    ----------
    estimates, limits
        One estimate and its (low, high) for each quantity.
    weights
        Weights; a negative one swaps the roles of that quantity's limits.

    Returns
    -------
    low, high
        Limits of sum(weights * estimates), not cut at any bound.
    """
    t = np.asarray(estimates, dtype=np.float64)
    c = np.asarray(weights, dtype=np.float64)
    low, high = np.asarray(limits, dtype=np.float64).T
    towards_low = np.where(c >= 0.0, t - low, high - t)
    towards_high = np.where(c >= 0.0, high - t, t - low)
    total = float(c @ t)
    return (
        total - math.sqrt(float(np.sum((c * towards_low) ** 2))),
        total + math.sqrt(float(np.sum((c * towards_high) ** 2))),
    )
