r"""Adjustment of p-values and intervals for several comparisons made at once.

Of a family of :math:`m` two-sided t tests with statistics :math:`t_i` on :math:`\nu_i` degrees of
freedom:

``tukey``
    For all pairwise differences of :math:`k` means:
    :math:`p_i = P\{Q_{k,\nu_i} > \sqrt 2 |t_i|\}` with the studentized range :math:`Q`; the
    simultaneous interval has half width :math:`q_{1-\alpha;k,\nu_i} / \sqrt 2` standard errors.
    Exact for independent means of equal variance, conservative otherwise (Tukey 1953; Kramer
    1956; Hayter 1984). Each comparison keeps its own degrees of freedom, as in emmeans.
``bonferroni``
    :math:`p_i = \min(1, m p_i)`; intervals at level :math:`1 - \alpha / m`.
``holm``
    Holm's (1979) step-down test, never less powerful than Bonferroni's. It has no interval of its
    own; the Bonferroni interval, which holds simultaneously too, is given (as emmeans does).
``fdr_bh``
    Benjamini & Hochberg (1995): bounds the expected share of false discoveries, not the chance of
    a single one. It says nothing about simultaneous coverage, so no adjusted interval is given.
``none``
    p-values and intervals as for one planned comparison.

References
----------
Tukey JW (1953). The problem of multiple comparisons. Kramer CY (1956). Biometrics 12:307-310.
Hayter AJ (1984). Ann Stat 12:61-75. Holm S (1979). Scand J Stat 6:65-70.
Benjamini Y, Hochberg Y (1995). J R Stat Soc B 57:289-300.
"""

from __future__ import annotations

from typing import Literal, cast, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from qsmstats.errors import UsageError
from qsmstats.mixed.inference.studentized import upper_quantile, upper_tail

__all__ = ["Adjustment", "adjust_p_values", "check_adjustment", "critical_values"]

Adjustment = Literal["tukey", "holm", "bonferroni", "fdr_bh", "none"]

Floats = NDArray[np.float64]


def check_adjustment(method: str) -> Adjustment:
    """Return `method` if it names an adjustment.

    Raises
    ------
    UsageError
        If it does not.
    """
    if method in get_args(Adjustment):
        return cast("Adjustment", method)
    allowed = ", ".join(get_args(Adjustment))
    msg = f"adjust={method!r} is unknown; use one of {allowed}"
    raise UsageError(msg)


def adjust_p_values(
    statistic: ArrayLike, df: ArrayLike, *, method: Adjustment, n_means: int | None = None
) -> Floats:
    """Two-sided p-values of one family of t tests, adjusted for their number.

    Parameters
    ----------
    statistic
        The t statistics, shape (m,). NaN marks a comparison that cannot be estimated; it stays
        NaN and does not count in the size of the family.
    df
        Their degrees of freedom, shape (m,) or one number; infinity for z tests.
    method
        Name of the adjustment.
    n_means
        Number of means compared, k; needed by 'tukey' only.

    Returns
    -------
    ndarray of shape (m,)

    Raises
    ------
    UsageError
        If 'tukey' is asked for without `n_means`.
    """
    t, nu = np.broadcast_arrays(np.abs(np.asarray(statistic, float)), np.asarray(df, float))
    known = np.isfinite(t) & ~np.isnan(nu)
    adjusted = np.full(t.shape, np.nan)
    if not known.any():
        return adjusted
    p = np.asarray(2.0 * stats.t.sf(t[known], nu[known]), float)
    if method == "tukey" and p.size > 1:
        k = _family(n_means)
        tail = upper_tail(np.sqrt(2.0) * t[known], k, nu[known])
        # The unadjusted and Bonferroni's p-value bracket Tukey's: rounding must not cross them.
        adjusted[known] = np.clip(tail, p, np.minimum(1.0, k * (k - 1) / 2 * p))
        return adjusted
    adjusted[known] = _step_adjust(p, method)
    return adjusted


def critical_values(
    df: ArrayLike, *, level: float, method: Adjustment, n_means: int | None = None
) -> Floats:
    """Half widths, in standard errors, of simultaneous intervals of one family.

    Parameters
    ----------
    df
        Degrees of freedom of each comparison, shape (m,); NaN where it cannot be estimated.
    level
        Simultaneous coverage, e.g. 0.95.
    method
        Name of the adjustment; 'holm' gives Bonferroni's and 'fdr_bh' NaN (see the module).
    n_means
        Number of means compared, k; needed by 'tukey' only.

    Returns
    -------
    ndarray of shape (m,)

    Raises
    ------
    UsageError
        If 'tukey' is asked for without `n_means`.
    """
    nu = np.asarray(df, float)
    m = int(np.count_nonzero(~np.isnan(nu)))
    if method == "fdr_bh" and m > 1:
        return np.full(nu.shape, np.nan)
    if method == "tukey" and m > 1:
        k = _family(n_means)
        width = np.full(nu.shape, np.nan)
        known = ~np.isnan(nu)
        width[known] = upper_quantile(1.0 - level, k, nu[known]) / np.sqrt(2.0)
        return width
    tests = m if method in {"bonferroni", "holm"} else 1
    return np.asarray(stats.t.isf((1.0 - level) / (2.0 * max(tests, 1)), nu), float)


def _family(n_means: int | None) -> int:
    if n_means is None:
        msg = "adjust='tukey' holds for all pairwise differences only; use 'holm' or 'bonferroni'"
        raise UsageError(msg)
    return n_means


def _step_adjust(p: Floats, method: Adjustment) -> Floats:
    """Adjust the p-values themselves; a family of one needs no adjustment."""
    if method == "bonferroni":
        return np.minimum(1.0, p.size * p)
    if method == "fdr_bh":
        return np.asarray(stats.false_discovery_control(p, method="bh"), float)
    if method == "holm":
        order = np.argsort(p)
        stepped = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
        adjusted = np.empty_like(p)
        adjusted[order] = np.minimum(1.0, stepped)
        return adjusted
    return p
