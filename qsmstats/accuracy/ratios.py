"""Intervals for contrasts of two independent proportions p1 = x1/n1 and p2 = x2/n2.

Ratio, score (Koopman 1984): the set of phi with |p1 - phi p2| / sqrt(V(phi)) <= z, where
V = q1(1 - q1)/n1 + phi^2 q2(1 - q2)/n2 and q1 = phi q2 are the maximum-likelihood values
under p1 = phi p2; q2 is the smaller root of (n1+n2) phi q^2 - [phi(n1 + x2) + x1 + n2] q
+ x1 + x2 = 0. It stays finite wherever the data bound the ratio: at x2 = 0 the lower limit
is finite and the upper infinite, at x1 = 0 the lower is 0 and the upper finite.

Ratio from given limits (MOVER-R, Donner & Zou 2012): uses only the estimates and limits of
the two proportions, hence also limits that allow for clusters.

Odds ratio: Woolf's logarithmic limits, with 1/2 added to each cell (Haldane 1956, Anscombe
1956) when a cell is zero, which the result flags.

statsmodels' ``confint_proportions_2indep(compare="ratio", method="score")`` gives the same
score limits where all cells are positive, but not-a-number or complex values when p2 = 1 or
p1 = p2 = 1, which occur in small studies; therefore the equation is solved here.

References
----------
Donner A, Zou GY (2012) Stat Methods Med Res 21:347-359.
Koopman PAR (1984) Biometrics 40:513-517.
"""

from __future__ import annotations

import math

from scipy import optimize

from qsmstats.accuracy.intervals import Limits, critical_value

__all__ = ["mover_ratio", "odds_ratio_interval", "ratio_interval"]

# Ratios beyond exp(+-_LOG_RANGE) are not told apart from 0 and infinity.
_LOG_RANGE = 60.0


def _score(phi: float, x1: float, n1: float, x2: float, n2: float) -> float:
    """Score statistic of the hypothesis p1 = phi p2; decreasing in phi."""
    a = (n1 + n2) * phi
    b = phi * (n1 + x2) + x1 + n2
    c = x1 + x2
    root = math.sqrt(max(b * b - 4.0 * a * c, 0.0))
    # The smaller root in the form that does not cancel.
    q2 = min(2.0 * c / (b + root), 1.0, 1.0 / phi)
    q1 = min(phi * q2, 1.0)
    variance = q1 * (1.0 - q1) / n1 + phi**2 * q2 * (1.0 - q2) / n2
    difference = x1 / n1 - phi * x2 / n2
    if variance <= 0.0:
        return math.copysign(math.inf, difference) if difference else 0.0
    return difference / math.sqrt(variance)


def ratio_interval(x1: float, n1: float, x2: float, n2: float, *, level: float = 0.95) -> Limits:
    """Score interval (Koopman) of the ratio (x1/n1) / (x2/n2) of two independent proportions.

    Parameters
    ----------
    x1, n1, x2, n2
        Counts, 0 <= x <= n and n > 0.
    level
        Confidence level.
    """
    if x1 == 0 and x2 == 0:
        return 0.0, math.inf
    z = critical_value(level)

    def crossing(target: float) -> float:
        def excess(log_phi: float) -> float:
            return max(min(_score(math.exp(log_phi), x1, n1, x2, n2), 1e6), -1e6) - target

        return float(optimize.brentq(excess, -_LOG_RANGE, _LOG_RANGE, xtol=1e-13))

    low = 0.0 if x1 == 0 else math.exp(crossing(z))
    high = math.inf if x2 == 0 else math.exp(crossing(-z))
    return low, high


def mover_ratio(p1: float, limits1: Limits, p2: float, limits2: Limits) -> Limits:
    """MOVER limits of p1 / p2 from the estimates and limits of p1 and p2.

    Parameters
    ----------
    p1, p2
        Independent, non-negative estimates.
    limits1, limits2
        Their (low, high), with low >= 0.

    Returns
    -------
    low, high
        `high` is infinite where the limits of p2 leave it unbounded.
    """
    (l1, u1), (l2, u2) = limits1, limits2
    product = p1 * p2
    # Both limits are roots of quadratics in the ratio; the lower is written with the
    # conjugate, which has no pole at u2 = 2 p2.
    towards_low = l1 * (2.0 * p1 - l1)
    discriminant = product**2 - towards_low * u2 * (2.0 * p2 - u2)
    low = 0.0 if l1 <= 0.0 else towards_low / (product + math.sqrt(max(discriminant, 0.0)))
    scale = l2 * (2.0 * p2 - l2)
    if scale <= 0.0:
        return low, math.inf
    discriminant = product**2 - u1 * (2.0 * p1 - u1) * scale
    return low, (product + math.sqrt(max(discriminant, 0.0))) / scale


def odds_ratio_interval(
    tp: float, fp: float, fn: float, tn: float, *, level: float = 0.95
) -> tuple[float, Limits, bool]:
    """Diagnostic odds ratio with Woolf's limits.

    Returns
    -------
    estimate, limits, corrected
        `corrected` is True when a cell was zero, so that 1/2 was added to each cell.
    """
    corrected = min(tp, fp, fn, tn) == 0
    a, b, c, d = (cell + 0.5 * corrected for cell in (tp, fp, fn, tn))
    log_odds = math.log(a) + math.log(d) - math.log(b) - math.log(c)
    half = critical_value(level) * math.sqrt(1.0 / a + 1.0 / b + 1.0 / c + 1.0 / d)
    return math.exp(log_odds), (math.exp(log_odds - half), math.exp(log_odds + half)), corrected
