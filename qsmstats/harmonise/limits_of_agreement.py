r"""Limits of agreement of two measurements, of one or of several regions per participant.

Differences d of region j of participant i, k participants with m_i regions each, N in all. With
:math:`\bar d` the mean of the participants' means, :math:`s_b^2` the variance of these means,
:math:`s_w^2` the pooled variance within participants and h the harmonic mean of the m_i, a
difference varies by

.. math:: s^2 = s_b^2 + (1 - 1/h) s_w^2

(Bland & Altman 2007, J Biopharm Stat 17:571-582), and 95 % of them lie within the limits
:math:`\bar d \pm 1.96 s` (Bland & Altman 1986, Lancet i:307-310; 1999, Stat Methods Med Res
8:135-160). Intervals recover variances from those of the parts (MOVER: Zou 2013, Stat Methods Med
Res 22:630-642): with quantiles of chi-squared,

.. math:: U = s^2 + \Big\{\Big[s_b^2 \Big(\tfrac{k - 1}{\chi^2_{\alpha/2,\,k - 1}} - 1\Big)\Big]^2
   + \Big[(1 - 1/h) s_w^2 \Big(\tfrac{N - k}{\chi^2_{\alpha/2,\,N - k}} - 1\Big)\Big]^2\Big\}^{1/2}

and L alike below; the upper limit is followed by :math:`\bar d + 1.96 s + \{z^2 s_b^2/k + 1.96^2
(\sqrt U - s)^2\}^{1/2}` and preceded by the same with :math:`s - \sqrt L`, the lower limit in
reverse. The mean has Student's t with k - 1 degrees of freedom. With one region each, :math:`s_w`
drops out, and the interval of s is the exact one of a normal sample.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from qsmstats.arrays import Floats

__all__ = ["WIDTH", "Estimate", "Limits", "limits_of_agreement"]

WIDTH = float(stats.norm.ppf(0.975))
"""Standard deviations from the mean difference to its limits of agreement."""

Estimate = tuple[float, float, float]
"""An estimate and the limits of its interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of agreement, each with its interval.

    Attributes
    ----------
    mean, sd
        Mean and standard deviation of differences.
    lower, upper
        Limits between which 95 % of differences lie.
    """

    mean: Estimate
    sd: Estimate
    lower: Estimate
    upper: Estimate


def limits_of_agreement(
    difference: Floats, participant: pd.Series, *, level: float = 0.95
) -> Limits:
    """Estimate the limits of agreement, for independent participants.

    Parameters
    ----------
    difference
        Shape (N,).
    participant
        Whose each is; with a single participant, everything but the mean is NaN.
    level
        Coverage of the intervals.

    Returns
    -------
    Limits

    Examples
    --------
    >>> made = limits_of_agreement(np.array([1.0, 3, 2, 4]), pd.Series(["a", "a", "b", "b"]))
    >>> made.mean[0], round(made.sd[0], 3)
    (2.5, 1.225)
    """
    codes = pd.factorize(participant)[0]
    sizes = np.bincount(codes)
    means = np.bincount(codes, difference) / sizes
    k, n = len(sizes), len(difference)
    centre, tail = float(means.mean()), (1 - level) / 2
    if k < 2:
        nothing = (np.nan,) * 3
        return Limits(mean=(centre, np.nan, np.nan), sd=nothing, lower=nothing, upper=nothing)
    between = float(means.var(ddof=1))
    share = 1 - float(np.mean(1 / sizes))
    rest = difference - means[codes]
    within = share * float(rest @ rest) / (n - k) if n > k else 0.0
    low, high = (
        np.hypot(
            between * ((k - 1) / stats.chi2.ppf(q, k - 1) - 1),
            within * ((n - k) / stats.chi2.ppf(q, n - k) - 1) if n > k else 0.0,
        )
        for q in (1 - tail, tail)
    )
    variance, z = between + within, stats.norm.ppf(1 - tail)
    sd = np.sqrt(variance)
    least, most = np.sqrt(max(variance - low, 0.0)), np.sqrt(variance + high)
    inner, outer = (np.hypot(z * np.sqrt(between / k), WIDTH * (end - sd)) for end in (least, most))
    half = stats.t.ppf(1 - tail, k - 1) * np.sqrt(between / k)
    bottom, top = centre - WIDTH * sd, centre + WIDTH * sd
    return Limits(
        mean=(centre, centre - half, centre + half),
        sd=(float(sd), float(least), float(most)),
        lower=(bottom, bottom - outer, bottom + inner),
        upper=(top, top - inner, top + outer),
    )
