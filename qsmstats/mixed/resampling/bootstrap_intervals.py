r"""Confidence intervals from refitted estimates.

With :math:`\hat\psi` the estimate, :math:`\psi^*_{(\alpha)}` the :math:`\alpha` quantile of its
refits (at rank :math:`(n + 1)\alpha`, interpolated) and :math:`\alpha` half the error:

``percentile``
    :math:`(\psi^*_{(\alpha)},\ \psi^*_{(1-\alpha)})`.
``basic``
    :math:`(2\hat\psi - \psi^*_{(1-\alpha)},\ 2\hat\psi - \psi^*_{(\alpha)})`, cut at the range of
    the parameter.
``bca``
    Quantiles at :math:`\Phi\{z_0 + (z_0 + z) / (1 - a (z_0 + z))\}`, :math:`z = z_\alpha,
    z_{1-\alpha}`, where the bias :math:`z_0 = \Phi^{-1}\{\#(\psi^* < \hat\psi) / n\}` (ties count
    half) and the acceleration :math:`a = \sum d_g^3 / 6 (\sum d_g^2)^{3/2}`, :math:`d_g` the mean
    of the jackknife estimates less the one without group g.

References
----------
Davison AC, Hinkley DV (1997). Bootstrap Methods and their Application, chapter 5.
Efron B, Tibshirani RJ (1993). An Introduction to the Bootstrap, chapters 13 and 14.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from scipy import stats

from qsmstats.arrays import Floats
from qsmstats.errors import UsageError, check_option
from qsmstats.mixed.inference.alternative import check_level

__all__ = ["IntervalKind", "check_interval", "limits", "refits_needed"]

IntervalKind = Literal["percentile", "basic", "bca"]

# Refits that should lie beyond a limit of a BCa interval.
_BEYOND = 5


def check_interval(kind: IntervalKind, level: float, n: int) -> None:
    """Refuse an interval that cannot be made.

    Raises
    ------
    UsageError
        If the kind is unknown, the level is not between 0 and 1, or the refits are too few for BCa.
    """
    check_option("interval", kind, get_args(IntervalKind))
    check_level(level)
    least = refits_needed(kind, level)
    if n < least:
        msg = (
            f"n={n} refits are too few for BCa limits at level {level:g}, which lie far out in the "
            f"tails; use at least {least} (1000 or more are usual) or interval='percentile'"
        )
        raise UsageError(msg)


def refits_needed(kind: IntervalKind, level: float) -> int:
    """Return how many refits an interval needs."""
    return int(np.ceil(2 * _BEYOND / (1.0 - level) - 1e-9)) if kind == "bca" else 1


def limits(
    estimate: Floats,
    refits: Floats,
    kind: IntervalKind,
    *,
    level: float,
    jackknife: Floats | None = None,
    ranges: Floats | None = None,
) -> tuple[Floats, list[str]]:
    """Limits of k parameters, shape (k, 2), and what a reader should know of each.

    Parameters
    ----------
    estimate
        Estimates, shape (k,).
    refits
        Refitted estimates, shape (n, k); NaN where a parameter is undefined in a refit.
    kind, level
        Which interval, and its coverage.
    jackknife
        Estimates without each group, shape (G, k); needed for "bca".
    ranges
        Smallest and largest possible value of each parameter, shape (k, 2).
    """
    made, notes = np.full((len(estimate), 2), np.nan), []
    for one, value in enumerate(estimate):
        found = refits[:, one][np.isfinite(refits[:, one])]
        left = None if jackknife is None else jackknife[:, one][np.isfinite(jackknife[:, one])]
        made[one], note = _limits(float(value), found, kind, level, left)
        remarks = [note] if note else []
        if left is not None and jackknife is not None and (gone := len(jackknife) - len(left)):
            remarks.insert(0, f"undefined without {gone} of {len(jackknife)} groups")
        if gone := len(refits) - len(found):
            remarks.insert(0, f"undefined in {gone} of {len(refits)} refits")
        notes.append("; ".join(remarks))
    if ranges is not None:
        made = np.clip(made, ranges[:, :1], ranges[:, 1:])
    return made, notes


def _limits(
    estimate: float, found: Floats, kind: IntervalKind, level: float, jackknife: Floats | None
) -> tuple[Floats, str]:
    tails = np.array([(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    missing = np.full(2, np.nan)
    if len(found) < 2 or not np.isfinite(estimate):
        return missing, "too few refits with a value"
    if kind == "bca":
        if jackknife is None or len(jackknife) < 2:
            return missing, "no jackknife estimates, so no acceleration"
        tails = _bca_tails(estimate, found, tails, jackknife)
        if not np.isfinite(tails).all():
            return missing, "all refits lie on one side of the estimate: BCa is not defined"
    note = ""
    if min(tails[0], 1.0 - tails[1]) * (len(found) + 1) < 1.0:
        note = f"a limit is the most extreme of {len(found)} refits; use more"
    made: Floats = np.quantile(found, np.clip(tails, 0.0, 1.0), method="weibull")
    return (2.0 * estimate - made[::-1] if kind == "basic" else made), note


def _bca_tails(estimate: float, found: Floats, tails: Floats, jackknife: Floats) -> Floats:
    below = float((found < estimate).mean() + 0.5 * (found == estimate).mean())
    bias = stats.norm.ppf(below)
    if not np.isfinite(bias):
        return np.full(2, np.nan)
    distance = jackknife.mean() - jackknife
    spread = float(np.square(distance).sum()) ** 1.5
    acceleration = float((distance**3).sum()) / (6.0 * spread) if spread > 0 else 0.0
    moved = bias + stats.norm.ppf(tails)
    made: Floats = stats.norm.cdf(bias + moved / (1.0 - acceleration * moved))
    return made
