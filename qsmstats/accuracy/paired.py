"""Two classifications of the same lesions: tests and interval of the difference of their shares.

Of n lesions both are positive (a), only the first (b), only the second (c), neither (d).

McNemar: (b - c)^2/(b + c), chi-square on 1, the score test that Tango's interval inverts;
corrected for continuity: max(|b - c| - 1, 0)^2/(b + c) (Edwards 1948), as R's mcnemar.test;
exact: 2 P(X <= min(b, c)), X binomial(b + c, 1/2); mid-p: the same less P(X = min(b, c)).
(McNemar 1947; Fagerland, Lydersen & Laake 2013 recommend the mid-p.)

Difference p1 - p2 = (b - c)/n: Tango's score interval (1998) solves
(b - c - n t)^2 = z^2 n (2 q + t (1 - t)), where q, the share positive by the second only, is the
larger root of 2n q^2 + B q + C = 0, B = -(b + c) + (2n - b + c) t, C = -c t (1 - t).

Clustered pairs: with b_k, c_k, n_k in cluster k of K (Obuchowski 1998; Durkalski et al. 2003):
Obuchowski (K-1)/K (sum (b_k - c_k))^2 / sum (b_k - c_k)^2;
Durkalski (sum (b_k - c_k)/n_k)^2 / sum ((b_k - c_k)/n_k)^2; chi-square on 1.

References
----------
Durkalski VL et al. (2003) Stat Med 22:2417-2428.
Edwards AL (1948) Psychometrika 13:185-187.
Fagerland MW, Lydersen S, Laake P (2013) BMC Med Res Methodol 13:91.
Obuchowski NA (1998) Stat Med 17:1495-1507.
Tango T (1998) Stat Med 17:891-908.
"""

from __future__ import annotations

import math

from scipy import optimize, stats

from qsmstats.accuracy.intervals import Limits, critical_value
from qsmstats.arrays import Floats

__all__ = [
    "clustered_pair_test",
    "mcnemar_corrected",
    "mcnemar_exact",
    "mcnemar_mid_p",
    "mcnemar_test",
    "tango_interval",
]


def mcnemar_test(b: int, c: int) -> tuple[float, float]:
    """McNemar's chi-square of equal shares, and its p-value; 1 with no discordant pair."""
    statistic = (b - c) ** 2 / (b + c) if b + c else 0.0
    return statistic, float(stats.chi2.sf(statistic, 1))


def mcnemar_corrected(b: int, c: int) -> tuple[float, float]:
    """McNemar's chi-square with continuity correction, and its p-value."""
    statistic = max(abs(b - c) - 1, 0) ** 2 / (b + c) if b + c else 0.0
    return statistic, float(stats.chi2.sf(statistic, 1))


def mcnemar_exact(b: int, c: int) -> tuple[float, float]:
    """Smaller discordant count, and McNemar's exact p-value."""
    return float(min(b, c)), min(1.0, 2.0 * float(stats.binom(b + c, 0.5).cdf(min(b, c))))


def mcnemar_mid_p(b: int, c: int) -> tuple[float, float]:
    """Smaller discordant count, and McNemar's mid-p; 1 with as many of one kind as of the other."""
    if b == c:
        return float(b), 1.0
    smaller, null = min(b, c), stats.binom(b + c, 0.5)
    return float(smaller), min(1.0, 2.0 * float(null.cdf(smaller)) - float(null.pmf(smaller)))


def _score(b: int, c: int, n: int, t: float) -> float:
    """Score statistic of the hypothesis that the difference is t."""
    half = (b + c - (2.0 * n - b + c) * t) / 2.0
    # q is the share positive by the second only, q + t by the first only.
    q = (half + math.sqrt(max(half**2 + 2.0 * n * c * t * (1.0 - t), 0.0))) / (2.0 * n)
    variance = (2.0 * q + t - t**2) / n
    distance = (b - c) / n - t
    if variance <= 0.0:
        return math.copysign(math.inf, distance) if distance else 0.0
    return distance / math.sqrt(variance)


def tango_interval(b: int, c: int, n: int, *, level: float = 0.95) -> Limits:
    """Tango's score interval of the difference of the two shares, first minus second."""
    z, edge = critical_value(level), 1.0 - 1e-12

    def limit(target: float, low: float, high: float) -> float:
        def excess(t: float) -> float:
            return max(-1e9, min(1e9, _score(b, c, n, t))) - target

        return float(optimize.brentq(excess, low, high, xtol=1e-13))

    estimate = (b - c) / n
    low = -1.0 if estimate <= -1.0 else limit(z, -edge, estimate)
    high = 1.0 if estimate >= 1.0 else limit(-z, estimate, edge)
    return low, high


def clustered_pair_test(b: Floats, c: Floats, n: Floats, *, method: str) -> tuple[float, float]:
    """Test of equal shares of two classifications when lesions are nested in clusters.

    Parameters
    ----------
    b, c, n
        b_k, c_k and n_k per cluster, shape (K,).
    method
        "obuchowski" or "durkalski".

    Returns
    -------
    statistic, p_value
        Chi-square on 1 degree of freedom; statistic 0 and p-value 1 without discordance.
    """
    differences = b - c if method == "obuchowski" else (b - c) / n
    scale = (b.size - 1) / b.size if method == "obuchowski" else 1.0
    spread = float(differences @ differences)
    statistic = scale * float(differences.sum()) ** 2 / spread if spread else 0.0
    return statistic, float(stats.chi2.sf(statistic, 1))
