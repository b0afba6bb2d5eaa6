"""Two classifications of the same lesions: paired proportions and paired categories.

Of n lesions both say yes (a), only the first (b), only the second (c), none (d).

McNemar: (b - c)^2/(b + c), chi-square on 1, the score test that Tango's interval inverts; with
the correction max(|b - c| - 1, 0)^2/(b + c) (Edwards 1948); exact: 2 P(X <= min(b, c)), X
binomial(b + c, 1/2); mid-p: less P(X = min(b, c)).
(McNemar 1947; Fagerland, Lydersen & Laake 2013 recommend the mid-p.)

Difference p1 - p2 = (b - c)/n: Tango's score interval (1998) solves
(b - c - n t)^2 = z^2 n (2 q + t (1 - t)), where q, the share only the second calls yes, is the
larger root of 2n q^2 + B q + C = 0, B = -(b + c) + (2n - b + c) t, C = -c t (1 - t).
"score_skewness" is the same score with the variance times n/(n - 1) and corrected for its
skewness g: the score S is replaced by the s with S = s + (s^2 - 1) g/6 (Laud 2017).
MOVER takes limits of both margins and the correlation of the pair (Newcombe 1998, method 8 with
Wilson limits; without a discordant pair the correlation of his method 10).

Ratio p2/p1: log scale, variance (b + c)/((a + b)(a + c)) (Desu & Raghavarao 2004; Alonzo,
Pepe & Moskowitz 2002).

Square tables of K categories (statsmodels' `SquareTable`): marginal homogeneity by
Stuart-Maxwell and by Bhapkar, symmetry by Bowker. Categories that no rater used are left
out, pairs of cells that are both empty do not count as a degree of freedom.

Clustered pairs: with b_k, c_k, n_k in cluster k of K (Obuchowski 1998; Durkalski et al. 2003):
Obuchowski (K-1)/K (sum (b_k - c_k))^2 / sum (b_k - c_k)^2;
Durkalski (sum (b_k - c_k)/n_k)^2 / sum ((b_k - c_k)/n_k)^2; chi-square on 1.

References
----------
Alonzo TA, Pepe MS, Moskowitz CS (2002) Stat Med 21:835-852.
Durkalski VL et al. (2003) Stat Med 22:2417-2428.
Edwards AL (1948) Psychometrika 13:185-187.
Fagerland MW, Lydersen S, Laake P (2013) BMC Med Res Methodol 13:91.
Laud PJ (2017) Pharm Stat 16:334-348.
Newcombe RG (1998) Stat Med 17:2635-2650.
Obuchowski NA (1998) Stat Med 17:1495-1507.
Tango T (1998) Stat Med 17:891-908.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import optimize, stats

from qsmstats.accuracy.intervals import Limits, critical_value, proportion_interval
from qsmstats.arrays import Floats
from qsmstats.errors import NotIdentifiedError, UsageError, check_option

__all__ = [
    "DIFFERENCE_INTERVALS",
    "PairedCounts",
    "clustered_pair_test",
    "mcnemar_test",
    "paired_difference_interval",
    "paired_ratio_interval",
    "square_table_tests",
]


DIFFERENCE_INTERVALS = ("tango", "score_skewness", "mover")


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedCounts:
    """Counts of lesions by what two classifications say of them.

    Attributes
    ----------
    both, only_first, only_second, neither
        Counts a, b, c, d of the module's formulas.

    Raises
    ------
    UsageError
        If a count is negative or all are zero.
    """

    both: int
    only_first: int
    only_second: int
    neither: int

    def __post_init__(self) -> None:
        cells = (self.both, self.only_first, self.only_second, self.neither)
        if min(cells) < 0 or sum(cells) == 0:
            raise UsageError(f"paired counts are {cells}; give counts of at least one lesion")

    @property
    def n(self) -> int:
        """Number of lesions."""
        return self.both + self.only_first + self.only_second + self.neither

    @property
    def margins(self) -> tuple[float, float]:
        """Shares that the first and the second classification call yes."""
        first, second = self.both + self.only_first, self.both + self.only_second
        return first / self.n, second / self.n


def mcnemar_test(counts: PairedCounts, *, method: str = "mid_p") -> tuple[float, float]:
    """McNemar's test of equal margins.

    Parameters
    ----------
    counts
        Paired counts.
    method
        "mid_p", "exact", "asymptotic" or "corrected".

    Returns
    -------
    statistic, p_value
        Statistic: chi-square, or the smaller discordant count for "exact" and "mid_p". With
        no discordant pair the p-value is 1.

    Raises
    ------
    UsageError
        If the method is unknown.
    """
    check_option("method", method, ("mid_p", "exact", "asymptotic", "corrected"))
    b, c = counts.only_first, counts.only_second
    if b + c == 0:
        return 0.0, 1.0
    if method in ("asymptotic", "corrected"):
        distance = max(abs(b - c) - (method == "corrected"), 0)
        statistic = distance**2 / (b + c)
        return statistic, float(stats.chi2.sf(statistic, 1))
    smaller = stats.binom(b + c, 0.5)
    tail = 2.0 * float(smaller.cdf(min(b, c)))
    point = float(smaller.pmf(min(b, c))) if method == "mid_p" else 0.0
    return float(min(b, c)), min(1.0, tail - point)


def _score(counts: PairedCounts, t: float, *, corrected: bool) -> float:
    """Score statistic of the hypothesis that the difference is t."""
    b, c, n = counts.only_first, counts.only_second, counts.n
    half = (b + c - (2.0 * n - b + c) * t) / 2.0
    # q is the share only the second calls yes, q + t the share only the first does.
    q = (half + math.sqrt(max(half**2 + 2.0 * n * c * t * (1.0 - t), 0.0))) / (2.0 * n)
    discordant = 2.0 * q + t
    variance = (discordant - t**2) / n
    distance = (b - c) / n - t
    if variance <= 0.0:
        return math.copysign(math.inf, distance) if distance else 0.0
    if not corrected:
        return distance / math.sqrt(variance)
    variance *= n / (n - 1.0)
    score = distance / math.sqrt(variance)
    third = (t - 3.0 * t * discordant + 2.0 * t**3) / n**2
    skewness = third / variance**1.5 / 6.0
    if abs(skewness) < 1e-12:
        return score
    root = math.sqrt(max(1.0 + 4.0 * skewness * (score + skewness), 0.0))
    return float((root - 1.0) / (2.0 * skewness))


def _score_limits(counts: PairedCounts, level: float, *, corrected: bool) -> Limits:
    z, edge = critical_value(level), 1.0 - 1e-12

    def limit(target: float, low: float, high: float) -> float:
        def excess(t: float) -> float:
            return max(-1e9, min(1e9, _score(counts, t, corrected=corrected))) - target

        return float(optimize.brentq(excess, low, high, xtol=1e-13))

    estimate = (counts.only_first - counts.only_second) / counts.n
    low = -1.0 if estimate <= -1.0 else limit(z, -edge, estimate)
    high = 1.0 if estimate >= 1.0 else limit(-z, estimate, edge)
    return low, high


def _correlation(counts: PairedCounts) -> float:
    a, b, c, d = counts.both, counts.only_first, counts.only_second, counts.neither
    product = (a + b) * (c + d) * (a + c) * (b + d)
    if product == 0:
        return 0.0
    if b + c == 0:
        # A correlation of 1 would leave no width; Newcombe's method 10 lowers it by n/2.
        return max(a * d - counts.n / 2.0, 0.0) / math.sqrt(product)
    return (a * d - b * c) / math.sqrt(product)


def _mover(counts: PairedCounts, level: float, base: str) -> Limits:
    n = counts.n
    shares = counts.margins
    limits = [proportion_interval(p * n, n, method=base, level=level) for p in shares]
    below = [p - low for p, (low, _) in zip(shares, limits, strict=True)]
    above = [high - p for p, (_, high) in zip(shares, limits, strict=True)]
    phi, difference = _correlation(counts), shares[0] - shares[1]
    down = below[0] ** 2 - 2.0 * phi * below[0] * above[1] + above[1] ** 2
    up = above[0] ** 2 - 2.0 * phi * above[0] * below[1] + below[1] ** 2
    return difference - math.sqrt(max(down, 0.0)), difference + math.sqrt(max(up, 0.0))


def paired_difference_interval(
    counts: PairedCounts, *, method: str = "tango", base: str = "wilson", level: float = 0.95
) -> Limits:
    """Interval of the difference of the two margins, first minus second.

    Parameters
    ----------
    counts
        Paired counts.
    method
        "tango", "score_skewness" or "mover".
    base
        Interval of the margins for "mover", one of `intervals.INTERVALS`.
    level
        Confidence level.

    Raises
    ------
    UsageError
        If the method or the base is unknown, or "score_skewness" has a single lesion.
    """
    check_option("method", method, DIFFERENCE_INTERVALS)
    if method == "mover":
        return _mover(counts, level, base)
    if method == "score_skewness" and counts.n < 2:
        raise UsageError("the corrected score needs at least two lesions")
    return _score_limits(counts, level, corrected=method == "score_skewness")


def paired_ratio_interval(
    counts: PairedCounts, *, level: float = 0.95
) -> tuple[float, float, Limits]:
    """Ratio of the margins, second over first, on the log scale.

    Returns
    -------
    ratio, log_std_error, limits
        NaN limits when a margin is zero.
    """
    first, second = counts.both + counts.only_first, counts.both + counts.only_second
    if first == 0 or second == 0:
        return math.nan, math.nan, (math.nan, math.nan)
    error = math.sqrt((counts.only_first + counts.only_second) / (first * second))
    half = critical_value(level) * error
    ratio = second / first
    return ratio, error, (ratio * math.exp(-half), ratio * math.exp(half))


def square_table_tests(table: ArrayLike) -> pd.DataFrame:
    """Marginal homogeneity and symmetry of a square table of paired categories.

    Parameters
    ----------
    table
        Counts, shape (K, K), first classification in rows.

    Returns
    -------
    DataFrame
        Columns test ("stuart_maxwell", "bhapkar", "bowker"), hypothesis, statistic, df,
        p_value, note. NaN with its reason where the table holds too little.

    Raises
    ------
    UsageError
        If the table is not square.
    """
    counts = np.asarray(table, dtype=np.float64)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise UsageError(f"table of shape {counts.shape}; give a square table of counts")
    used = (counts.sum(axis=0) + counts.sum(axis=1)) > 0
    counts = counts[np.ix_(used, used)]
    rows = [
        {"test": name, "hypothesis": "marginal homogeneity"} | _homogeneity(counts, name)
        for name in ("stuart_maxwell", "bhapkar")
    ]
    rows.append({"test": "bowker", "hypothesis": "symmetry"} | _bowker(counts))
    return pd.DataFrame(rows)


def _homogeneity(counts: Floats, name: str) -> dict[str, object]:
    nothing = {"statistic": math.nan, "df": 0, "p_value": math.nan}
    if counts.shape[0] < 2:
        return nothing | {"note": "fewer than two categories were used"}
    from statsmodels.stats.contingency_tables import SquareTable

    differences = counts.sum(axis=1) - counts.sum(axis=0)
    spread = np.diag(counts.sum(axis=1) + counts.sum(axis=0)) - counts - counts.T
    if np.linalg.matrix_rank(spread[:-1, :-1]) < counts.shape[0] - 1:
        if not np.any(differences):
            return {"statistic": 0.0, "df": 0, "p_value": 1.0, "note": "equal margins"}
        return nothing | {"note": "too few discordant pairs: the covariance is singular"}
    found = SquareTable(counts, shift_zeros=False).homogeneity(method=name)
    if not math.isfinite(float(found.statistic)):
        return nothing | {"note": "too few discordant pairs: the covariance is singular"}
    return {
        "statistic": float(found.statistic),
        "df": int(found.df),
        "p_value": float(found.pvalue),
        "note": "",
    }


def _bowker(counts: Floats) -> dict[str, object]:
    upper = np.triu_indices(counts.shape[0], 1)
    above, below = counts[upper], counts.T[upper]
    filled = (above + below) > 0
    if not filled.any():
        return {"statistic": 0.0, "df": 0, "p_value": 1.0, "note": "no discordant pair"}
    above, below = above[filled], below[filled]
    statistic, df = float(np.sum((above - below) ** 2 / (above + below))), int(filled.sum())
    empty = filled.size - df
    return {
        "statistic": statistic,
        "df": df,
        "p_value": float(stats.chi2.sf(statistic, df)),
        "note": f"{empty} empty pair(s) of cells left out" if empty else "",
    }


def clustered_pair_test(
    only_first: ArrayLike, only_second: ArrayLike, trials: ArrayLike, *, method: str = "obuchowski"
) -> tuple[float, float]:
    """Test of equal margins of two classifications when lesions are nested in clusters.

    Parameters
    ----------
    only_first, only_second, trials
        b_k, c_k and n_k per cluster, shape (K,).
    method
        "obuchowski" or "durkalski".

    Returns
    -------
    statistic, p_value
        Chi-square on 1 degree of freedom; statistic 0 and p-value 1 without discordance.

    Raises
    ------
    UsageError
        If the counts or the method cannot be used.
    NotIdentifiedError
        With a single cluster.
    """
    b, c, n = (np.asarray(v, dtype=np.float64) for v in (only_first, only_second, trials))
    check_option("method", method, ("obuchowski", "durkalski"))
    if not (b.shape == c.shape == n.shape and b.ndim == 1):
        raise UsageError(f"shapes {b.shape}, {c.shape}, {n.shape}; give three equal vectors")
    if np.any((b < 0) | (c < 0) | (b + c > n) | (n <= 0)):
        raise UsageError("a cluster has no trial, or more discordant pairs than trials; correct it")
    clusters = b.size
    if clusters < 2:
        raise NotIdentifiedError("one cluster only: a clustered test needs two; use mcnemar")
    differences = b - c if method == "obuchowski" else (b - c) / n
    scale = (clusters - 1) / clusters if method == "obuchowski" else 1.0
    spread = float(differences @ differences)
    if spread == 0.0:
        return 0.0, 1.0
    statistic = scale * float(differences.sum()) ** 2 / spread
    return statistic, float(stats.chi2.sf(statistic, 1))
