"""Intervals for one binomial proportion, and of sums of independent quantities.

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
quantities with estimates t_i and limits (l_i, u_i):
L = sum t_i - sqrt(sum (t_i - l_i)^2), and U likewise.

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
    "logit_limits",
    "mover_sum",
    "proportion_interval",
    "wilson_limits",
]

Limits = tuple[float, float]

# Where the logarithms of the likelihood would be infinite at 0 and 1.
_EDGE = 1e-12


def critical_value(level: float, df: float = math.inf) -> float:
    """Two-sided critical value of Student's t, or of the normal distribution at infinite `df`.

    Raises
    ------
    UsageError
        If `level` is not between 0 and 1, or `df` is not positive.
    """
    if not 0.0 < level < 1.0:
        raise UsageError(f"level must be between 0 and 1, such as 0.95, not {level!r}")
    if not df > 0.0:
        raise UsageError(f"df must be positive, not {df!r}")
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


def logit_limits(estimate: float, half: float) -> Limits:
    """Limits of an estimate in (0, 1) whose logit has the half-width `half`."""
    centre = float(special.logit(estimate))
    return float(special.expit(centre - half)), float(special.expit(centre + half))


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
        "wilson", "wilson_cc" (with continuity correction), "clopper_pearson", "agresti_coull",
        "wald", "jeffreys", "mid_p" or "likelihood_ratio".
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

    Examples
    --------
    >>> low, high = qs.proportion_interval(8, 10)
    >>> round(low, 3), round(high, 3)
    (0.49, 0.943)
    """
    check_option("method", method, INTERVALS)
    if not (trials > 0 and 0 <= successes <= trials):
        raise UsageError(
            f"{successes!r} successes of {trials!r} trials; the counts must satisfy"
            " 0 <= successes <= trials, with at least one trial"
        )
    critical_value(level)
    return INTERVALS[method](successes, trials, level)


def mover_sum(estimates: Sequence[float], limits: Sequence[Limits]) -> Limits:
    """MOVER limits of a sum of independent quantities, not cut at any bound.

    Parameters
    ----------
    estimates, limits
        One estimate and its (low, high) for each quantity.
    """
    t = np.asarray(estimates, dtype=np.float64)
    low, high = np.asarray(limits, dtype=np.float64).T
    total = float(t.sum())
    return (
        total - math.sqrt(float(np.sum((t - low) ** 2))),
        total + math.sqrt(float(np.sum((high - t) ** 2))),
    )
