"""ROC analysis of a continuous feature against a yes-no reference, lesions in clusters.

The area under the curve (AUC) is the mean over pairs of a positive X and a negative Y of
psi = 1 if X > Y, 1/2 if equal, 0 otherwise. With V10(X_i) the mean of psi over the Y and
V01(Y_j) its mean over the X (both from midranks, Sun & Xu 2014):

DeLong et al. 1988: var = S10/m + S01/n, the sample variances of V10 and V01.
Obuchowski 1997, clusters i = 1..I: with sums of V10 and V01 over a cluster,
S10 = I10/((I10-1) m) sum (V10_i. - m_i A)^2 over the I10 clusters with positives, S01 alike,
S11 = I/(I-1) sum (V10_i. - m_i A)(V01_i. - n_i A), var = S10/m + S01/n + 2 S11/(m n). With one
lesion per cluster this is DeLong's. Two features of the same lesions: the covariance alike.

Scores are not turned round: where an area lies below 0.5, low scores speak for the class, and
the note says so.

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
from scipy import optimize, special, stats

from qsmstats.accuracy.intervals import Limits, critical_value
from qsmstats.accuracy.proportions import SMALL_NUMBER_OF_CLUSTERS
from qsmstats.arrays import Flags, Floats, Integers
from qsmstats.errors import NotIdentifiedError, UsageError, check_option

__all__ = [
    "Auc",
    "AucDifference",
    "area_under_curve",
    "checked_scores",
    "compare_areas",
    "hanley_mcneil_std_error",
    "score_interval_of_area",
]


BELOW_HALF = (
    "area below 0.5: the direction is opposite to the one assumed; if the assumption was wrong,"
    " change the sign of the scores"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Auc:
    """Area under the ROC curve.

    Attributes
    ----------
    estimate, std_error, conf_low, conf_high
        Area with its interval.
    method
        "delong" or "obuchowski", with the scale of the interval.
    df
        Degrees of freedom of the interval (infinite for the normal law).
    n_positive, n_negative, n_clusters
        Lesions and clusters; 0 clusters when lesions are taken as independent.
    note
        What to beware of, or empty.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class AucDifference:
    """Difference of two areas under the curve on the same lesions, first minus second.

    Attributes
    ----------
    first, second, estimate, std_error, df, statistic, p_value, conf_low, conf_high
        Areas, their difference, and its test and interval by z or t.
    method, n_clusters
        "delong" or "obuchowski"; 0 clusters when lesions are taken as independent.
    note
        What to beware of, or empty.
    """

    first: float
    second: float
    estimate: float
    std_error: float
    df: float
    statistic: float
    p_value: float
    conf_low: float
    conf_high: float
    method: str
    n_clusters: int
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Placements:
    """Placement values of each lesion less the area, by its reference class."""

    area: float
    positive: Floats
    negative: Floats


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
        raise UsageError(f"scores {values.shape} and reference {truth.shape}; give equal vectors")
    if not np.isin(truth, (0, 1)).all():
        raise UsageError("reference holds values other than 0 and 1; code it with these")
    if not np.isfinite(values).all():
        raise UsageError(f"{int((~np.isfinite(values)).sum())} scores are not finite; leave out")
    truth = np.asarray(truth, dtype=np.bool_)
    if truth.all() or not truth.any():
        raise UsageError("reference is the same for all lesions; give lesions of both groups")
    return values, truth


def _placements(values: Floats, truth: Flags) -> _Placements:
    ranks = stats.rankdata(values)
    m, n = int(truth.sum()), int((~truth).sum())
    positive = (ranks[truth] - stats.rankdata(values[truth])) / n
    negative = 1.0 - (ranks[~truth] - stats.rankdata(values[~truth])) / m
    area = float(positive.mean())
    return _Placements(area=area, positive=positive - area, negative=negative - area)


def _covariance(first: _Placements, second: _Placements, truth: Flags, codes: Integers) -> float:
    """Covariance of two areas; `codes` numbers the clusters of all lesions."""
    m, n = first.positive.size, first.negative.size
    clusters = int(codes.max()) + 1

    def per_cluster(part: _Placements) -> tuple[Floats, Floats]:
        up = np.bincount(codes[truth], part.positive, clusters)
        down = np.bincount(codes[~truth], part.negative, clusters)
        return up.astype(np.float64), down.astype(np.float64)

    (up1, down1), (up2, down2) = per_cluster(first), per_cluster(second)

    def scaled(a: Floats, b: Floats, groups: int) -> float:
        if groups < 2:
            raise NotIdentifiedError(
                "lesions of one reference group come from a single cluster: the variance of the"
                " area between clusters cannot be estimated; add some, or say cluster=None"
            )
        return groups / (groups - 1) * float(a @ b)

    within = scaled(up1, up2, np.unique(codes[truth]).size) / m**2
    within += scaled(down1, down2, np.unique(codes[~truth]).size) / n**2
    across = scaled(up1, down2, clusters) + scaled(up2, down1, clusters)
    return within + across / (m * n)


def _codes(cluster: ArrayLike | None, size: int) -> tuple[Integers, int]:
    """Cluster numbers and count; each lesion its own, and count 0, without clusters."""
    if cluster is None:
        return np.arange(size), 0
    names, codes = np.unique(np.asarray(cluster), return_inverse=True)
    if codes.shape != (size,):
        raise UsageError(f"{codes.size} cluster labels for {size} lesions; give one per lesion")
    return np.asarray(codes, dtype=np.int64), int(names.size)


def hanley_mcneil_std_error(area: float, n_positive: int, n_negative: int) -> float:
    """Return the standard error of an area when scores are exponentially distributed."""
    q1, q2 = area / (2.0 - area), 2.0 * area**2 / (1.0 + area)
    spread = area * (1.0 - area)
    spread += (n_positive - 1) * (q1 - area**2) + (n_negative - 1) * (q2 - area**2)
    return math.sqrt(max(spread, 0.0) / (n_positive * n_negative))


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


def _limits(area: float, error: float, multiplier: float, scale: str) -> Limits:
    if scale == "wald":
        return max(0.0, area - multiplier * error), min(1.0, area + multiplier * error)
    centre, half = special.logit(area), multiplier * error / (area * (1.0 - area))
    return float(special.expit(centre - half)), float(special.expit(centre + half))


def area_under_curve(
    scores: ArrayLike,
    reference: ArrayLike,
    *,
    cluster: ArrayLike | None,
    scale: str = "logit",
    level: float = 0.95,
) -> Auc:
    """Area under the ROC curve; a higher score speaks for the class.

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
    """
    check_option("scale", scale, ("logit", "wald"))
    values, truth = checked_scores(scores, reference)
    codes, clusters = _codes(cluster, values.size)
    parts = _placements(values, truth)
    m, n = parts.positive.size, parts.negative.size
    df = math.inf if cluster is None else clusters - 1.0
    variance = _covariance(parts, parts, truth, codes) if m > 1 and n > 1 else 0.0
    error, name = math.sqrt(max(variance, 0.0)), "delong" if cluster is None else "obuchowski"
    few = cluster is not None and clusters < SMALL_NUMBER_OF_CLUSTERS
    notes = [f"{clusters} clusters: the interval rests on {df:.0f} degrees of freedom"] * few
    if error <= 1e-9 or not 0.0 < parts.area < 1.0:
        limits = score_interval_of_area(parts.area, m, n, critical=critical_value(level, df))
        scale, notes = "score", ["no variance to estimate: score interval, lesions independent"]
    else:
        limits = _limits(parts.area, error, critical_value(level, df), scale)
    notes += [BELOW_HALF] * (parts.area < 0.5)
    return Auc(
        estimate=parts.area,
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


def compare_areas(
    first: ArrayLike,
    second: ArrayLike,
    reference: ArrayLike,
    *,
    cluster: ArrayLike | None,
    level: float = 0.95,
) -> AucDifference:
    """Difference of the areas of two features of the same lesions.

    Parameters
    ----------
    first, second, reference
        Features and yes-no reference per lesion, shape (n,).
    cluster, level
        As in `area_under_curve`.

    Raises
    ------
    UsageError
        If the input cannot be used.
    NotIdentifiedError
        If a reference group comes from a single cluster, or holds a single lesion.
    """
    one, truth = checked_scores(first, reference)
    two, _ = checked_scores(second, reference)
    codes, clusters = _codes(cluster, one.size)
    a, b = _placements(one, truth), _placements(two, truth)
    variance = _covariance(a, a, truth, codes) + _covariance(b, b, truth, codes)
    variance -= 2.0 * _covariance(a, b, truth, codes)
    error, difference = math.sqrt(max(variance, 0.0)), a.area - b.area
    df = math.inf if cluster is None else clusters - 1.0
    notes = [BELOW_HALF] * (min(a.area, b.area) < 0.5)
    if error <= 1e-12:
        notes, error = ["no variance to estimate: no interval and no test", *notes], math.nan
    half, statistic = critical_value(level, df) * error, difference / error
    return AucDifference(
        first=a.area,
        second=b.area,
        estimate=difference,
        std_error=error,
        df=df,
        statistic=statistic,
        p_value=2.0 * float(stats.t.sf(abs(statistic), df)),
        conf_low=float(np.maximum(-1.0, difference - half)),
        conf_high=float(np.minimum(1.0, difference + half)),
        method="delong" if cluster is None else "obuchowski",
        n_clusters=clusters,
        note="; ".join(notes),
    )
