r"""Adjustment of p-values and intervals for several comparisons made at once.

Of a family of :math:`m` two-sided t tests with statistics :math:`t_i` on :math:`\nu_i` degrees of
freedom:

``mvt``
    Single-step multivariate t: :math:`p_i = P(\max_j |T_j| > |t_i|)` with :math:`T` multivariate t
    on :math:`\nu_i` degrees of freedom with the correlation of the estimates; the half width of the
    simultaneous interval is the value of t at which this probability is :math:`1 -` level (Hothorn,
    Bretz & Westfall 2008). It is Tukey's for balanced means and Dunnett's for comparisons with a
    control, and holds for any other family. See `maximum_t` for the integral and its error.
``tukey``
    For all pairwise differences of :math:`k` means:
    :math:`p_i = P\{Q_{k,\nu_i} > \sqrt 2 |t_i|\}` with the studentized range :math:`Q`; the
    simultaneous interval has half width :math:`q_{1-\alpha;k,\nu_i} / \sqrt 2` standard errors.
    Exact for independent means of equal variance, conservative otherwise (Tukey 1953; Kramer
    1956; Hayter 1984).
``dunnett``
    The same for differences to one reference (Dunnett 1955), and for these only. Exact;
    emmeans' ``dunnettx`` is an approximation.
``sidak``
    :math:`p_i = 1 - (1 - p_i)^m`; intervals at level :math:`(1 - \alpha)^{1/m}` (Sidak 1967). Exact
    for independent estimates, conservative for two-sided tests of any others.
``bonferroni``
    :math:`p_i = \min(1, m p_i)`; intervals at level :math:`1 - \alpha / m`.
``holm``
    Holm's (1979) step-down test, never less powerful than Bonferroni's. It has no interval of its
    own; the Bonferroni interval, which holds simultaneously too, is given (as emmeans does). It can
    contain zero where Holm's p-value is below :math:`\alpha`.
``fdr_bh``
    Benjamini & Hochberg (1995): bounds the expected share of false discoveries, not the chance of
    a single one. It says nothing about simultaneous coverage, so no adjusted interval is given.
``none``
    p-values and intervals as for one planned comparison.

Each comparison keeps its own degrees of freedom, as in emmeans: its p-value and its interval come
from the distribution with these degrees of freedom. So in all methods but Holm's the interval of a
row excludes zero exactly where its p-value is below :math:`\alpha`.

One-sided tests (`alternative`) are adjusted in the same ways, with one-sided p-values and
:math:`P(\max_j T_j > t_i)` in ``mvt`` and ``dunnett``; the adjusted interval is the one to which
the adjusted one-sided test belongs. ``tukey`` is for two-sided tests. In a test of equivalence it
is not known beforehand on which side each estimate would leave its margin, so that there is no
single maximum: the methods that need one are refused there.

In every method the family is what can be estimated: a comparison that is not estimable is no test
and does not count. A family of one needs no adjustment.

References
----------
Dunnett CW (1955). J Am Stat Assoc 50:1096-1121. Sidak Z (1967). J Am Stat Assoc 62:626-633.
Tukey JW (1953). The problem of multiple comparisons. Kramer CY (1956). Biometrics 12:307-310.
Hayter AJ (1984). Ann Stat 12:61-75. Holm S (1979). Scand J Stat 6:65-70.
Benjamini Y, Hochberg Y (1995). J R Stat Soc B 57:289-300.
Hothorn T, Bretz F, Westfall P (2008). Biom J 50:346-363.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from qsmstats.arrays import Flags, Floats
from qsmstats.errors import UsageError, check_option
from qsmstats.method_names import Adjustment
from qsmstats.mixed.inference.alternative import TWO_SIDED, Alternative
from qsmstats.mixed.inference.maximum_t import MaximumT, range_tail

__all__ = [
    "NO_DUNNETT",
    "NO_TUKEY",
    "adjust_family",
    "adjust_p_values",
    "check_adjustment",
    "holm",
]


NO_TUKEY = "adjust='tukey' is for all pairwise differences only; use 'mvt', which is for any family"
NO_DUNNETT = (
    "adjust='dunnett' is for differences to one reference only (method='reference'); use 'mvt', "
    "which is for any family"
)


def check_adjustment(method: str) -> Adjustment:
    """Return `method` if it names an adjustment.

    Raises
    ------
    UsageError
        If it does not.
    """
    check_option("adjust", method, get_args(Adjustment))
    return cast("Adjustment", method)


def adjust_family(
    estimate: ArrayLike,
    std_error: ArrayLike,
    df: ArrayLike,
    *,
    method: Adjustment,
    level: float = 0.95,
    correlation: ArrayLike | None = None,
    n_means: int | None = None,
    alternative: Alternative = TWO_SIDED,
) -> pd.DataFrame:
    """Adjust the p-values and intervals of one family.

    Parameters
    ----------
    estimate, std_error, df
        Of each comparison, shape (m,). NaN marks one that cannot be estimated: it stays NaN and
        does not count in the size of the family.
    method
        Name of the adjustment.
    level
        Simultaneous coverage, e.g. 0.95.
    correlation
        Correlation of the estimates, shape (m, m); needed by 'mvt' and 'dunnett' only.
    n_means
        Number of means compared, k; needed by 'tukey' only.
    alternative
        What the tests are against.

    Returns
    -------
    DataFrame
        p_adjusted, conf_low_adjusted, conf_high_adjusted, one row for each comparison.

    Raises
    ------
    UsageError
        If 'tukey' is asked for without `n_means`, 'mvt' or 'dunnett' without `correlation`, or a
        method does not go with the alternative.
    """
    estimate, std_error = np.asarray(estimate, float), np.asarray(std_error, float)
    t, nu, known = _evidence(alternative.statistic(estimate, std_error), df, alternative)
    family = _Family(method, known, n_means, correlation, alternative)
    p, width = np.full((2, len(t)), np.nan)
    p[known] = family.p_values(t[known], nu[known])
    width[known] = family.critical(nu[known], 1.0 - level)
    return pd.DataFrame(
        {
            "p_adjusted": p,
            "conf_low_adjusted": estimate - width * std_error,
            "conf_high_adjusted": estimate + width * std_error,
        }
    )


def adjust_p_values(
    statistic: ArrayLike,
    df: ArrayLike,
    *,
    method: Adjustment,
    n_means: int | None = None,
    correlation: ArrayLike | None = None,
) -> Floats:
    """Two-sided p-values of one family of t tests, adjusted for their number.

    Parameters
    ----------
    statistic
        The t statistics, shape (m,). NaN marks a comparison that cannot be estimated; it stays
        NaN and does not count in the size of the family.
    df
        Their degrees of freedom, shape (m,) or one number; infinity for z tests.
    method, n_means, correlation
        As in `adjust_family`.

    Returns
    -------
    ndarray of shape (m,)

    Raises
    ------
    UsageError
        As `adjust_family`.
    """
    t, nu, known = _evidence(statistic, df, TWO_SIDED)
    adjusted = np.full(t.shape, np.nan)
    family = _Family(method, known, n_means, correlation, TWO_SIDED)
    adjusted[known] = family.p_values(t[known], nu[known])
    return adjusted


def _evidence(
    statistic: ArrayLike, df: ArrayLike, alternative: Alternative
) -> tuple[Floats, Floats, Flags]:
    """Statistics that speak for the alternative, their df, and which of them can be tested."""
    turned = alternative.evidence(np.asarray(statistic, float))
    t, nu = np.broadcast_arrays(turned, np.asarray(df, float))
    return t, nu, np.isfinite(t) & ~np.isnan(nu)


class _Family:
    """The tests of one family that can be made, and the method that adjusts them."""

    def __init__(
        self,
        method: Adjustment,
        known: Flags,
        n_means: int | None,
        correlation: ArrayLike | None,
        alternative: Alternative,
    ) -> None:
        side = alternative.side
        two_sided_only = method == "tukey" and side != "two-sided"
        if two_sided_only or (method in {"mvt", "dunnett"} and side == "equivalence"):
            raise UsageError(
                f"adjust='{method}' does not exist for side='{side}'; use 'bonferroni', 'sidak' or "
                "'holm'"
            )
        self.size, self.tails = int(known.sum()), alternative.tails
        self.method: Adjustment = method if self.size > 1 else "none"
        # P(max T > t), of |T| in two-sided tests, of the methods that take the tests together.
        self.together: Callable[[Floats, Floats], Floats] | None = None
        if self.method == "tukey":
            if n_means is None:
                raise UsageError(NO_TUKEY)
            self.size = n_means * (n_means - 1) // 2
            self.together = lambda t, nu: range_tail(np.sqrt(2.0) * t, n_means, nu)
        elif self.method in {"mvt", "dunnett"}:
            if correlation is None:
                raise UsageError(
                    f"adjust='{method}' needs the correlation of the estimates; use 'holm' or "
                    "'bonferroni'"
                )
            own = np.asarray(correlation, float)[np.ix_(known, known)]
            self.together = MaximumT(own, tails=self.tails).upper_tail

    def p_values(self, t: Floats, nu: Floats) -> Floats:
        """Adjust the p-values of all tests."""
        p = np.asarray(self.tails * stats.t.sf(t, nu), float)
        if self.together is not None:
            # The unadjusted and Bonferroni's p-value bracket it: rounding must not cross them.
            tail: Floats = np.clip(self.together(t, nu), p, np.minimum(1.0, self.size * p))
            return tail
        if self.method == "sidak":
            with np.errstate(divide="ignore"):  # p = 1
                return np.asarray(-np.expm1(self.size * np.log1p(-p)), float)
        if self.method == "bonferroni":
            return np.asarray(np.minimum(1.0, self.size * p), float)
        if self.method == "fdr_bh":
            return np.asarray(stats.false_discovery_control(p, method="bh"), float)
        return holm(p) if self.method == "holm" else p

    def critical(self, nu: Floats, alpha: float) -> Floats:
        """Half widths: where the adjusted p-value is alpha (Bonferroni's for Holm)."""
        if self.method == "fdr_bh":
            return np.full(nu.shape, np.nan)
        single = np.asarray(stats.t.isf(alpha / self.tails, nu), float)
        if self.method == "none":
            return single
        if self.method == "sidak":
            alpha_one = -np.expm1(np.log1p(-alpha) / self.size)
            return np.asarray(stats.t.isf(alpha_one / self.tails, nu), float)
        bonferroni = np.asarray(stats.t.isf(alpha / (self.tails * self.size), nu), float)
        if self.together is None:
            return bonferroni
        return _solve(lambda t: np.log(self.p_values(t, nu) / alpha), single, bonferroni)


def holm(p: Floats) -> Floats:
    """Adjust p values by Holm's method (Holm 1979, Scand J Stat 6:65-70), shapes (m,)."""
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, stepped)
    return adjusted


def _solve(log_tail: Callable[[Floats], Floats], low: Floats, high: Floats) -> Floats:
    """Root of a decreasing function between `low` and `high`, for each element.

    The logarithm of a tail is close to straight; the secant inside the bracket needs a few steps.
    """
    at_low, at_high = log_tail(low), log_tail(high)
    last = np.zeros(low.shape)
    middle = low
    for _ in range(60):
        share = at_low / np.where(at_low == at_high, 1.0, at_low - at_high)
        middle = np.clip(low + share * (high - low), low, high)
        value = log_tail(middle)
        if np.all(np.abs(value) < 1e-10):
            break
        side = np.sign(value)
        # Illinois rule: an edge that stays twice has its value halved, so that both edges move.
        at_low = np.where(side > 0, value, np.where(last < 0, 0.5, 1.0) * at_low)
        at_high = np.where(side > 0, np.where(last > 0, 0.5, 1.0) * at_high, value)
        low, high = np.where(side > 0, middle, low), np.where(side > 0, high, middle)
        last = side
    return np.asarray(middle, float)
