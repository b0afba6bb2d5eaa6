"""ROC analysis of a continuous feature against a yes-no reference, lesions in clusters.

The area under the curve (AUC) is the mean over pairs of a positive X and a negative Y of
psi = 1 if X > Y, 1/2 if equal, 0 otherwise. With V10(X_i) the mean of psi over the Y and
V01(Y_j) its mean over the X (both from midranks, Sun & Xu 2014):

DeLong et al. 1988: var = S10/m + S01/n, the sample variances of V10 and V01.
Obuchowski 1997, clusters i = 1..I: with sums of V10 and V01 over a cluster,
S10 = I10/((I10-1) m) sum (V10_i. - m_i A)^2 over the I10 clusters with positives, S01 alike,
S11 = I/(I-1) sum (V10_i. - m_i A)(V01_i. - n_i A), var = S10/m + S01/n + 2 S11/(m n). With one
lesion per cluster this is DeLong's.

The sign of the scores is not changed: where an area lies below 0.5, low scores indicate the
class, and the note says so.

Intervals on the logit scale, with t on I - 1 when clustered. Where the variance vanishes (an
area of 1), the score interval with the Hanley & McNeil 1982 variance V(A) solved for A
(Newcombe 2006, method 5), flagged.

References
----------
DeLong ER, DeLong DM, Clarke-Pearson DL (1988) Biometrics 44:837-845.
Hanley JA, McNeil BJ (1982) Radiology 143:29-36.
Newcombe RG (2006) Stat Med 25:559-573.
Obuchowski NA (1997) Biometrics 53:567-578.
Sun X, Xu W (2014) IEEE Signal Process Lett 21:1389-1393.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, stats

from qsmstats.accuracy.intervals import Limits, critical_value, logit_limits
from qsmstats.accuracy.proportions import SMALL_NUMBER_OF_CLUSTERS
from qsmstats.arrays import Flags, Floats, Integers
from qsmstats.display import Displayed
from qsmstats.errors import NotIdentifiedError, UsageError, check_option

__all__ = [
    "Auc",
    "area_under_curve",
    "checked_scores",
    "cluster_codes",
    "score_interval_of_area",
]


BELOW_HALF = (
    "area below 0.5: the direction is opposite to the one assumed; if the assumption was wrong,"
    " change the sign of the scores"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Auc(Displayed):
    """Area under the ROC curve.

    Attributes
    ----------
    estimate, std_error, conf_low, conf_high
        Area with its interval.
    method
        "delong" or "obuchowski", with the scale of the interval.
    df
        Degrees of freedom of the interval (infinite for the normal distribution).
    n_positive, n_negative, n_clusters
        Lesions and clusters; 0 clusters when lesions are treated as independent.
    note
        Limitations of the result, or empty.
    """

    estimate: float
    std_error: float
    conf_low: float
    conf_high: float
    method: str
    df: float
    n_positive: int
    n_negative: int
    n_clusters: int
    note: str


def checked_scores(scores: ArrayLike, reference: ArrayLike) -> tuple[Floats, Flags]:
    """Scores and yes-no reference as arrays of shape (n,).

    Raises
    ------
    UsageError
        If the shapes differ, a score is not finite, or one of the two groups is empty.
    """
    values = np.asarray(scores, dtype=np.float64)
    truth = np.asarray(reference)
    if values.ndim != 1 or values.shape != truth.shape:
        raise UsageError(
            f"scores {values.shape} and reference {truth.shape} must be vectors of one length"
        )
    if not np.isin(truth, (0, 1)).all():
        raise UsageError("reference must hold 0 and 1 only")
    if not np.isfinite(values).all():
        raise UsageError(
            f"{int((~np.isfinite(values)).sum())} scores are not finite; leave these lesions out"
        )
    truth = np.asarray(truth, dtype=np.bool_)
    if truth.all() or not truth.any():
        raise UsageError("reference is the same for all lesions; both groups are needed")
    return values, truth


def _variance(positive: Floats, negative: Floats, truth: Flags, codes: Integers) -> float:
    """Variance of an area; `positive` and `negative` hold V10 - A and V01 - A of the lesions."""
    m, n, clusters = positive.size, negative.size, int(codes.max()) + 1
    up = np.bincount(codes[truth], positive, clusters).astype(np.float64)
    down = np.bincount(codes[~truth], negative, clusters).astype(np.float64)

    def scaled(a: Floats, b: Floats, groups: int) -> float:
        if groups < 2:
            raise NotIdentifiedError(
                "lesions of one reference group come from a single cluster: the variance of the"
                " area between clusters cannot be estimated; use cluster=None to assume"
                " independence"
            )
        return groups / (groups - 1) * float(a @ b)

    within = scaled(up, up, np.unique(codes[truth]).size) / m**2
    within += scaled(down, down, np.unique(codes[~truth]).size) / n**2
    across = scaled(up, down, clusters)
    return within + 2.0 * across / (m * n)


def cluster_codes(cluster: ArrayLike | None, size: int) -> tuple[Integers, int]:
    """Cluster numbers and count; without clusters each lesion its own, and count 0.

    Raises
    ------
    UsageError
        If there is not one label per lesion.
    """
    if cluster is None:
        return np.arange(size), 0
    names, codes = np.unique(np.asarray(cluster), return_inverse=True)
    if codes.shape != (size,):
        raise UsageError(
            f"{codes.size} cluster labels for {size} lesions; give one label per lesion"
        )
    return np.asarray(codes, dtype=np.int64), int(names.size)


def score_interval_of_area(
    area: float, n_positive: int, n_negative: int, *, critical: float
) -> Limits:
    """Limits with a variance taken at the limit itself (Newcombe 2006, method 5)."""
    star = (n_positive + n_negative) / 2.0 - 1.0

    def excess(value: float) -> float:
        factor = 1.0 + star * ((1.0 - value) / (2.0 - value) + value / (1.0 + value))
        variance = value * (1.0 - value) * factor / (n_positive * n_negative)
        return (area - value) ** 2 - critical**2 * variance

    # The bounds 0 and 1 are roots themselves, where the variance vanishes; step inside.
    inside = min(max(area, 1e-9), 1.0 - 1e-9)
    low = 0.0 if area <= 0.0 else float(optimize.brentq(excess, 0.0, inside))
    high = 1.0 if area >= 1.0 else float(optimize.brentq(excess, inside, 1.0))
    return low, high


def area_under_curve(
    scores: ArrayLike,
    reference: ArrayLike,
    *,
    cluster: ArrayLike | None,
    scale: str = "logit",
    level: float = 0.95,
) -> Auc:
    """Area under the ROC curve; a higher score indicates the class.

    Parameters
    ----------
    scores, reference
        Feature and yes-no reference (0, 1) per lesion, shape (n,).
    cluster
        Cluster of each lesion, or None for independent lesions.
    scale
        "logit" or "wald" (cut at 0 and 1).
    level
        Confidence level.

    Raises
    ------
    UsageError
        If the input or `scale` cannot be used.
    NotIdentifiedError
        If a reference group comes from a single cluster.

    Examples
    --------
    >>> round(qs.area_under_curve([1, 2, 3, 4, 5], [0, 0, 1, 0, 1], cluster=None).estimate, 3)
    0.833
    """
    check_option("scale", scale, ("logit", "wald"))
    values, truth = checked_scores(scores, reference)
    codes, clusters = cluster_codes(cluster, values.size)
    m, n = int(truth.sum()), int((~truth).sum())
    ranks = stats.rankdata(values)
    positive = (ranks[truth] - stats.rankdata(values[truth])) / n
    negative = 1.0 - (ranks[~truth] - stats.rankdata(values[~truth])) / m
    area = float(positive.mean())
    variance = _variance(positive - area, negative - area, truth, codes) if min(m, n) > 1 else 0.0
    error, name = math.sqrt(max(variance, 0.0)), "delong" if cluster is None else "obuchowski"
    df = math.inf if cluster is None else clusters - 1.0
    multiplier = critical_value(level, df)
    few = cluster is not None and clusters < SMALL_NUMBER_OF_CLUSTERS
    notes = [f"{clusters} clusters: the interval has {df:.0f} degrees of freedom"] * few
    if error <= 1e-9 or not 0.0 < area < 1.0:
        limits = score_interval_of_area(area, m, n, critical=multiplier)
        scale, notes = "score", ["no variance to estimate: score interval, lesions independent"]
    elif scale == "wald":
        limits = max(0.0, area - multiplier * error), min(1.0, area + multiplier * error)
    else:
        limits = logit_limits(area, multiplier * error / (area * (1.0 - area)))
    notes += [BELOW_HALF] * (area < 0.5)
    return Auc(
        estimate=area,
        std_error=error,
        conf_low=limits[0],
        conf_high=limits[1],
        method=f"{name}_{scale}",
        df=df,
        n_positive=m,
        n_negative=n,
        n_clusters=clusters,
        note="; ".join(notes),
    )
