"""One proportion when the trials come in clusters: lesions in brains.

Cluster g holds x_g successes of n_g trials, g = 1..G; N = sum n_g and p = sum x_g / N.

Ratio variance (Cochran 1977; Rao & Scott 1992):
v = G/(G-1) sum (x_g - n_g p)^2 / N^2; design effect d = v N / (p (1-p)); effective number
N/d. The Rao-Scott Wilson interval is Wilson's with N / max(d, 1) trials and Student's t on
G - 1 degrees of freedom: a design effect below 1 from few clusters is noise, and its own
error is what the t quantile pays for. When all trials agree, d is 0/0 and is set to 1.

Intracluster correlation by analysis of variance (Fleiss 1981; Ridout et al. 1999):
(MSB - MSW) / (MSB + (n0 - 1) MSW), n0 = (N - sum n_g^2 / N) / (G - 1). It is not identifiable
with one cluster, with clusters of one trial each, or when all trials agree.

Design effect of a given correlation r: 1 + (m - 1) r with m = sum n_g^2 / N, the cluster
size a trial meets on average (Kish 1965); Saha et al. 2016 put it into Wilson's interval.

Rao-Scott test of equal proportions of K groups: sum over groups of
(x~ - n~ p~)^2 / (n~ p~ (1 - p~)) with x~ = x/d, n~ = n/d, chi-square on K - 1.

References
----------
Korn EL, Graubard BI (1998) Surv Methodol 24:193-201.
Rao JNK, Scott AJ (1992) Biometrics 48:577-585.
Ridout MS, Demetrio CGB, Firth D (1999) Biometrics 55:137-148.
Saha KK, Miller D, Wang S (2016) Stat Methods Med Res 25:2174-2190.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import special, stats

from qsmstats.accuracy.intervals import Limits, critical_value, wilson_limits
from qsmstats.arrays import Floats
from qsmstats.errors import NotIdentifiedError, UsageError, check_option

__all__ = [
    "RAO_SCOTT_INTERVALS",
    "ClusteredCounts",
    "Correlation",
    "anova_correlation",
    "clustered_counts",
    "correlation_curve",
    "design_effect_of",
    "leave_one_out",
    "rao_scott_interval",
    "rao_scott_test",
]

RAO_SCOTT_INTERVALS = ("wilson", "wald", "logit", "korn_graubard", "survey_beta")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusteredCounts:
    """Successes and trials per cluster, and what follows from them.

    Attributes
    ----------
    successes, trials
        Per cluster, shape (G,); clusters without a trial are left out.
    proportion
        Successes over trials.
    std_error
        Root of the ratio variance; NaN with a single cluster.
    design_effect
        Ratio variance over binomial variance, not floored; NaN with a single cluster or
        when all trials agree.
    """

    successes: Floats
    trials: Floats
    proportion: float
    std_error: float
    design_effect: float

    @property
    def n_clusters(self) -> int:
        """Number of clusters with at least one trial."""
        return int(self.trials.size)

    @property
    def total(self) -> float:
        """Number of trials."""
        return float(self.trials.sum())

    @property
    def unanimous(self) -> bool:
        """Whether all trials succeeded or all failed."""
        return float(self.successes.sum()) in (0.0, self.total)

    @property
    def floored_design_effect(self) -> float:
        """Design effect, at least 1; 1 when all trials agree."""
        return max(1.0, self.design_effect) if math.isfinite(self.design_effect) else 1.0

    @property
    def effective_n(self) -> float:
        """Trials over the design effect as estimated (not floored)."""
        return self.total / self.design_effect if self.design_effect else math.inf


def clustered_counts(successes: ArrayLike, trials: ArrayLike) -> ClusteredCounts:
    """Hold counts per cluster together with their ratio variance.

    Raises
    ------
    UsageError
        If the counts are not 0 <= successes <= trials, or no cluster has a trial.
    """
    x = np.asarray(successes, dtype=np.float64)
    n = np.asarray(trials, dtype=np.float64)
    if x.shape != n.shape or x.ndim != 1:
        raise UsageError(f"successes {x.shape} and trials {n.shape}; give two equal vectors")
    if not (np.all(np.isfinite(x) & np.isfinite(n)) and np.all((x >= 0) & (x <= n))):
        raise UsageError("successes or trials are out of range; give 0 <= successes <= trials")
    x, n = x[n > 0], n[n > 0]
    if not n.size:
        raise UsageError("trials are 0 in every cluster; give at least one")
    total = float(n.sum())
    p = float(x.sum()) / total
    clusters = n.size
    scale = clusters / (clusters - 1) if clusters > 1 else math.nan
    variance = scale * float(np.sum((x - n * p) ** 2)) / total**2
    binomial = p * (1.0 - p) / total
    return ClusteredCounts(
        successes=x,
        trials=n,
        proportion=p,
        std_error=math.sqrt(variance),
        design_effect=variance / binomial if binomial > 0.0 else math.nan,
    )


def _several(counts: ClusteredCounts) -> None:
    if counts.n_clusters < 2:
        raise NotIdentifiedError(
            "one cluster only: the variance between clusters cannot be estimated; give data of"
            " at least two clusters, or say cluster=None and accept independence"
        )


def _unfloored(counts: ClusteredCounts) -> float:
    """Design effect as estimated; 1 where all trials agree and it is 0/0."""
    if counts.unanimous:
        return 1.0
    if counts.design_effect < 1e-12:
        raise NotIdentifiedError(
            "all clusters have the same proportion: the design effect is 0 and the effective"
            " number infinite; floor the design effect at 1"
        )
    return counts.design_effect


def rao_scott_interval(
    counts: ClusteredCounts,
    *,
    method: str = "wilson",
    critical: str = "t",
    floor: bool = True,
    level: float = 0.95,
) -> Limits:
    """Interval of a proportion from the ratio variance between clusters.

    Parameters
    ----------
    counts
        Counts of at least two clusters.
    method
        "wilson"; "wald" (cut at 0 and 1); "logit"; "korn_graubard", the Clopper-Pearson
        formula at the effective number, itself shrunk by (z / t)^2; "survey_beta", the same
        with t on N - 1 degrees of freedom in place of z, as in R's survey package.
    critical
        "t" on G - 1 degrees of freedom, or "normal".
    floor
        Whether a design effect below 1 counts as 1.
    level
        Confidence level.

    Raises
    ------
    NotIdentifiedError
        If there is one cluster only; without the floor, if the design effect is 0.
    UsageError
        If `method` or `critical` is unknown.
    """
    check_option("method", method, RAO_SCOTT_INTERVALS)
    check_option("critical", critical, ("t", "normal"))
    _several(counts)
    df = counts.n_clusters - 1 if critical == "t" else math.inf
    multiplier = critical_value(level, df)
    effective = counts.total / (counts.floored_design_effect if floor else _unfloored(counts))
    if method in ("korn_graubard", "survey_beta"):
        reference_df = math.inf if method == "korn_graubard" else counts.total - 1.0
        shrunk = effective * (critical_value(level, reference_df) / multiplier) ** 2
        return _beta_limits(counts.proportion, shrunk, level)
    if method == "wilson" or counts.unanimous:
        low, high = wilson_limits(counts.proportion, effective, multiplier)
        return float(low), float(high)
    p = counts.proportion
    error = math.sqrt(p * (1.0 - p) / effective)
    if method == "wald":
        return max(0.0, p - multiplier * error), min(1.0, p + multiplier * error)
    centre, half = special.logit(p), multiplier * error / (p * (1.0 - p))
    return float(special.expit(centre - half)), float(special.expit(centre + half))


def _beta_limits(p: float, n: float, level: float) -> Limits:
    """Clopper-Pearson limits for a number of trials that need not be whole."""
    tail, x = (1.0 - level) / 2.0, n * p
    low = 0.0 if p == 0.0 else float(special.betaincinv(x, n - x + 1.0, tail))
    high = 1.0 if p == 1.0 else float(special.betainccinv(x + 1.0, n - x, tail))
    return low, high


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation:
    """Intracluster correlation by analysis of variance.

    Attributes
    ----------
    estimate
        The correlation; NaN where it is not identifiable.
    mean_size
        n0, the cluster size that balances the analysis of variance.
    design_effect
        1 + (m - 1) times the estimate, m the size a trial meets on average.
    note
        Why the correlation is not identifiable, or empty.
    """

    estimate: float
    mean_size: float
    design_effect: float
    note: str


def _why_not_identifiable(counts: ClusteredCounts) -> str:
    if counts.n_clusters < 2:
        return "not identifiable: one cluster only"
    if counts.total == counts.n_clusters:
        return "not identifiable: no cluster holds more than one trial"
    if counts.unanimous:
        return "not identifiable: all trials agree"
    return ""


def anova_correlation(counts: ClusteredCounts) -> Correlation:
    """Intracluster correlation by analysis of variance; may be negative."""
    note = _why_not_identifiable(counts)
    if note:
        return Correlation(estimate=math.nan, mean_size=math.nan, design_effect=math.nan, note=note)
    x, n, total = counts.successes, counts.trials, counts.total
    means = x / n
    between = float(np.sum(n * (means - counts.proportion) ** 2)) / (counts.n_clusters - 1)
    within = float(np.sum(n * means * (1.0 - means))) / (total - counts.n_clusters)
    n0 = (total - float(np.sum(n**2)) / total) / (counts.n_clusters - 1)
    estimate = (between - within) / (between + (n0 - 1.0) * within)
    return Correlation(
        estimate=estimate,
        mean_size=n0,
        design_effect=design_effect_of(counts, estimate),
        note="",
    )


def design_effect_of(counts: ClusteredCounts, correlation: float) -> float:
    """Design effect that a given intracluster correlation implies for these cluster sizes."""
    met_size = float(np.sum(counts.trials**2)) / counts.total
    return 1.0 + (met_size - 1.0) * correlation


def correlation_curve(
    counts: ClusteredCounts,
    *,
    correlations: Sequence[float] = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9),
    level: float = 0.95,
) -> pd.DataFrame:
    """Wilson interval for each of several assumed correlations, whatever the data say of it.

    Returns
    -------
    DataFrame
        Columns correlation, design_effect, effective_n, estimate, conf_low, conf_high.

    Raises
    ------
    UsageError
        If an assumed correlation lies outside [0, 1].
    """
    assumed = np.asarray(correlations, dtype=np.float64)
    if not np.all((assumed >= 0.0) & (assumed <= 1.0)):
        raise UsageError(f"assumed correlations are {list(correlations)}; give values in [0, 1]")
    effects = np.array([design_effect_of(counts, value) for value in assumed])
    low, high = wilson_limits(counts.proportion, counts.total / effects, critical_value(level))
    return pd.DataFrame(
        {
            "correlation": assumed,
            "design_effect": effects,
            "effective_n": counts.total / effects,
            "estimate": counts.proportion,
            "conf_low": low,
            "conf_high": high,
        }
    )


def leave_one_out(counts: ClusteredCounts, labels: Sequence[object]) -> pd.DataFrame:
    """Per cluster its counts, and the proportion when that cluster is left out.

    Parameters
    ----------
    counts
        Counts of the clusters that hold a trial.
    labels
        Their names, in the same order.

    Returns
    -------
    DataFrame
        Columns cluster, numerator, denominator, estimate, estimate_without (NaN where no
        other cluster holds a trial).
    """
    rest = counts.total - counts.trials
    others = counts.successes.sum() - counts.successes
    without = np.divide(others, rest, out=np.full(rest.shape, np.nan), where=rest > 0)
    return pd.DataFrame(
        {
            "cluster": list(labels),
            "numerator": counts.successes.astype(np.int64),
            "denominator": counts.trials.astype(np.int64),
            "estimate": counts.successes / counts.trials,
            "estimate_without": without,
        }
    )


def rao_scott_test(groups: Sequence[ClusteredCounts]) -> tuple[float, int, float]:
    """Rao-Scott chi-square of equal proportions in groups with clusters of their own.

    Returns
    -------
    statistic, df, p_value

    Raises
    ------
    UsageError
        If fewer than two groups are given.
    NotIdentifiedError
        If a group has one cluster only, or its design effect is 0.
    """
    if len(groups) < 2:
        raise UsageError(f"{len(groups)} group; give at least two to compare")
    for group in groups:
        _several(group)
    effects = [_unfloored(group) for group in groups]
    x = np.array([g.successes.sum() / d for g, d in zip(groups, effects, strict=True)])
    n = np.array([g.total / d for g, d in zip(groups, effects, strict=True)])
    pooled = x.sum() / n.sum()
    if pooled in (0.0, 1.0):
        return 0.0, len(groups) - 1, 1.0
    statistic = float(np.sum((x - n * pooled) ** 2 / (n * pooled * (1.0 - pooled))))
    return statistic, len(groups) - 1, float(stats.chi2.sf(statistic, len(groups) - 1))
