"""Delta-method and cluster-jackknife intervals of a statistic of a confusion matrix.

For a statistic T that depends on the cell proportions only, T's multinomial variance is
(sum pi g^2 - (sum pi g)^2) / n with g the gradient of T by the cell proportions (Agresti 2013,
section 16.1); the gradient is taken by central differences. The interval is built on a scale on
which T is unbounded (atanh for [-1, 1], logit for [0, 1]) and carried back.

Where T is on its bound, or its variance vanishes, the delta method does not apply. Then a total
of 2 is added, spread evenly over the cells (1/2 each in a two-by-two table); the interval of
that table, extended to the estimate, is given and flagged.

With clusters the variance is the delete-one-cluster jackknife, (G-1)/G sum (T_-g - mean)^2
(Efron & Stein 1981), with t on G - 1.

References
----------
Agresti A (2013) Categorical Data Analysis, 3rd ed., Wiley.
Efron B, Stein C (1981) Ann Stat 9:586-596.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from qsmstats.accuracy.intervals import Limits, critical_value, logit_limits
from qsmstats.arrays import Floats

__all__ = ["Statistic", "delta_interval", "delta_std_error", "jackknife_interval"]

Statistic = Callable[[Floats], float]

_STEP = 1e-6
_TOTAL_SMOOTHING = 2.0
SMOOTHED = "estimate on its bound: limits from the table with a total of 2 added over its cells"


def delta_std_error(statistic: Statistic, counts: Floats) -> float:
    """Multinomial standard error of a statistic of a table of counts.

    Parameters
    ----------
    statistic
        Function of a table that does not change when all counts are multiplied.
    counts
        Table of counts, any shape.
    """
    n = float(counts.sum())
    proportions = counts / n
    gradient = np.zeros_like(proportions)
    for cell in np.flatnonzero(proportions):
        step = min(_STEP, float(proportions.flat[cell]) / 2.0)
        shift = np.zeros_like(proportions)
        shift.flat[cell] = step
        up, down = statistic(proportions + shift), statistic(proportions - shift)
        gradient.flat[cell] = (up - down) / (2.0 * step)
    mean = float(np.sum(proportions * gradient))
    variance = float(np.sum(proportions * gradient**2)) - mean**2
    return math.sqrt(max(variance, 0.0) / n)


def _on_open_scale(estimate: float, error: float, multiplier: float, low: float) -> Limits:
    """Limits by atanh (low = -1) or logit (low = 0); the upper bound is 1."""
    if low < 0.0:
        centre, half = math.atanh(estimate), multiplier * error / (1.0 - estimate**2)
        return math.tanh(centre - half), math.tanh(centre + half)
    return logit_limits(estimate, multiplier * error / (estimate * (1.0 - estimate)))


def _degenerate(estimate: float, error: float, low: float) -> bool:
    return not (low + 1e-9 < estimate < 1.0 - 1e-9 and error > 1e-9)


def delta_interval(
    statistic: Statistic, counts: Floats, *, low: float, level: float = 0.95
) -> tuple[float, Limits, str]:
    """Estimate, limits and note for a statistic of independent lesions.

    Parameters
    ----------
    statistic, counts
        As in `delta_std_error`; the statistic may be NaN where it is undefined.
    low
        Lower bound of the statistic, -1 or 0; the upper bound is 1.
    level
        Confidence level.
    """
    estimate = statistic(counts)
    if math.isnan(estimate):
        return estimate, (math.nan, math.nan), "undefined for this table"
    z = critical_value(level)
    error = delta_std_error(statistic, counts)
    if not _degenerate(estimate, error, low):
        return estimate, _on_open_scale(estimate, error, z, low), ""
    smooth = counts + _TOTAL_SMOOTHING / counts.size
    centre, error = statistic(smooth), delta_std_error(statistic, smooth)
    if math.isnan(centre) or _degenerate(centre, error, low):
        return estimate, (math.nan, math.nan), "no interval: the table cannot vary"
    limits = _on_open_scale(centre, error, z, low)
    return estimate, (min(limits[0], estimate), max(limits[1], estimate)), SMOOTHED


def jackknife_interval(
    statistic: Statistic, per_cluster: Floats, *, low: float, level: float = 0.95
) -> tuple[float, Limits, str]:
    """Estimate, limits and note for lesions nested in clusters.

    Parameters
    ----------
    statistic
        As in `delta_std_error`.
    per_cluster
        Tables of counts, first axis the cluster, shape (G, ...) with G >= 2.
    low, level
        As in `delta_interval`.
    """
    total = per_cluster.sum(axis=0)
    estimate = statistic(total)
    without = np.array([statistic(total - table) for table in per_cluster])
    if math.isnan(estimate) or np.isnan(without).any():
        return estimate, (math.nan, math.nan), "undefined when one of the clusters is left out"
    clusters = without.size
    spread = (clusters - 1) / clusters * float(np.sum((without - without.mean()) ** 2))
    error = math.sqrt(spread)
    if _degenerate(estimate, error, low):
        return estimate, (math.nan, math.nan), "no variation between clusters to estimate from"
    return estimate, _on_open_scale(estimate, error, critical_value(level, clusters - 1), low), ""
