"""One proportion when the trials come in clusters: lesions in brains.

Cluster g holds x_g successes of n_g trials, g = 1..G; N = sum n_g and p = sum x_g / N.

Ratio variance (Cochran 1977; Rao & Scott 1992):
v = G/(G-1) sum (x_g - n_g p)^2 / N^2; design effect d = v N / (p (1-p)); effective number
N/d. The Rao-Scott Wilson interval is Wilson's with N / max(d, 1) trials and Student's t on
G - 1 degrees of freedom: a design effect below 1 from few clusters is noise, and the t quantile
allows for the error of its estimate. When all trials agree, d is 0/0 and is set to 1.

Intracluster correlation by analysis of variance (Fleiss 1981; Ridout et al. 1999):
(MSB - MSW) / (MSB + (n0 - 1) MSW), n0 = (N - sum n_g^2 / N) / (G - 1). It is not identifiable
with one cluster, with clusters of one trial each, or when all trials agree.

Design effect of a given correlation r: 1 + (m - 1) r with m = sum n_g^2 / N, the cluster
mean cluster size over trials (Kish 1965); Saha et al. 2016 use it in Wilson's interval.

Population-averaged logit by generalised estimating equations: with a single mean and the working
correlation of independence they have a closed form (Liang & Zeger 1986). With the logit's bread
B = p(1 - p) N and the leverage of a cluster h_g = n_g / N, the covariance is sum s_g^2 / B^2 with
s_g = (x_g - n_g p) / (1 - h_g), "bias reduced", which is conservative (Mancl & DeRouen 2001). The
interval is on the logit scale with Student's t on G - 1 degrees of freedom.

References
----------
Liang KY, Zeger SL (1986) Biometrika 73:13-22.
Mancl LA, DeRouen TA (2001) Biometrics 57:126-134.
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

from qsmstats.accuracy.intervals import Limits, critical_value, logit_limits, wilson_limits
from qsmstats.arrays import Floats
from qsmstats.errors import NotIdentifiedError, UsageError

__all__ = [
    "ClusteredCounts",
    "anova_correlation",
    "clustered_counts",
    "correlation_curve",
    "design_effect_of",
    "gee_interval",
    "gee_std_error",
    "leave_one_out",
    "rao_scott_interval",
]


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
    """Return the counts per cluster with their ratio variance.

    Raises
    ------
    UsageError
        If the counts are not 0 <= successes <= trials, or no cluster has a trial.
    """
    x = np.asarray(successes, dtype=np.float64)
    n = np.asarray(trials, dtype=np.float64)
    if x.shape != n.shape or x.ndim != 1:
        raise UsageError(f"successes {x.shape} and trials {n.shape} must be vectors of one length")
    if not (np.all(np.isfinite(x) & np.isfinite(n)) and np.all((x >= 0) & (x <= n))):
        raise UsageError("counts must satisfy 0 <= successes <= trials in every cluster")
    x, n = x[n > 0], n[n > 0]
    if not n.size:
        raise UsageError("trials are 0 in every cluster: at least one trial is needed")
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


def rao_scott_interval(counts: ClusteredCounts, *, level: float = 0.95) -> Limits:
    """Rao-Scott Wilson interval with t on G - 1 degrees of freedom.

    Raises
    ------
    NotIdentifiedError
        If there is one cluster only.
    """
    if counts.n_clusters < 2:
        raise NotIdentifiedError(
            "one cluster only: the variance between clusters cannot be estimated; give data of"
            " at least two clusters, or use cluster=None to assume independence"
        )
    effective = counts.total / counts.floored_design_effect
    multiplier = critical_value(level, counts.n_clusters - 1)
    low, high = wilson_limits(counts.proportion, effective, multiplier)
    return float(low), float(high)


def gee_std_error(counts: ClusteredCounts) -> float:
    """Bias-reduced sandwich standard error of the logit of the proportion.

    Raises
    ------
    NotIdentifiedError
        With a single cluster, or when all trials agree, since the logit is then infinite.
    """
    if counts.n_clusters < 2:
        raise NotIdentifiedError("one cluster only: a robust standard error needs two or more")
    if counts.unanimous:
        raise NotIdentifiedError(
            "GEE refused: all trials agree, the logit is infinite; use another interval"
        )
    p = counts.proportion
    scores = (counts.successes - counts.trials * p) / (1.0 - counts.trials / counts.total)
    return math.sqrt(float(scores @ scores)) / (p * (1.0 - p) * counts.total)


def gee_interval(counts: ClusteredCounts, *, level: float = 0.95) -> Limits:
    """Limits of the proportion, from the logit with t on G - 1 degrees of freedom.

    Raises
    ------
    NotIdentifiedError
        As `gee_std_error`.
    """
    half = gee_std_error(counts) * critical_value(level, counts.n_clusters - 1.0)
    return logit_limits(counts.proportion, half)


def anova_correlation(counts: ClusteredCounts) -> tuple[float, str]:
    """Intracluster correlation by analysis of variance; may be negative.

    Returns
    -------
    estimate, note
        NaN with the reason where it is not identifiable.
    """
    if counts.n_clusters < 2:
        return math.nan, "not identifiable: one cluster only"
    if counts.total == counts.n_clusters:
        return math.nan, "not identifiable: no cluster holds more than one trial"
    if counts.unanimous:
        return math.nan, "not identifiable: all trials agree"
    x, n, total = counts.successes, counts.trials, counts.total
    means = x / n
    between = float(np.sum(n * (means - counts.proportion) ** 2)) / (counts.n_clusters - 1)
    within = float(np.sum(n * means * (1.0 - means))) / (total - counts.n_clusters)
    n0 = (total - float(np.sum(n**2)) / total) / (counts.n_clusters - 1)
    return (between - within) / (between + (n0 - 1.0) * within), ""


def design_effect_of(counts: ClusteredCounts, correlation: float) -> float:
    """Design effect that a given intracluster correlation implies for these cluster sizes."""
    size = float(np.sum(counts.trials**2)) / counts.total
    return 1.0 + (size - 1.0) * correlation


def correlation_curve(
    counts: ClusteredCounts, *, correlations: Sequence[float], level: float
) -> pd.DataFrame:
    """Wilson interval for each of several assumed correlations, regardless of the estimate.

    Returns
    -------
    DataFrame
        Columns correlation, design_effect, effective_n, estimate, conf_low, conf_high.
    """
    assumed = np.asarray(correlations, dtype=np.float64)
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
