r"""Degrees of freedom of linear functions of the fixed effects, in four ways.

Each way gives the variance and the df of every row of L, and the F statistic of all rows together
with its denominator df, in the basis of the cross-products (`moments`).

`Satterthwaite`, as lmerTest (Kuznetsova, Brockhoff & Christensen 2017, J Stat Softw 82(13)): with
free parameters (theta, log sigma), deviance d = l + log det F_XX + nu log(2 pi sigma2) + r2/sigma2
and A = 2 Hess(d)^-1 over its positive eigenvalues, a function L b with variance v = L C L' has

  df = 2 v^2 / (g'A g),    g = gradient of v in the parameters;

several rows are rotated to independent ones, whose df are combined as the denominator of a sum of
squared t statistics. Log ratios of residual variances are parameters like the others.

`KenwardRoger`, with an adjusted covariance and a scaled F statistic (Kenward & Roger 1997,
Biometrics 53, 983-997; Halekoh & Hojsgaard 2014, J Stat Softw 59(9)): in the parameters psi in
which V is linear (random covariances, residual variances), with K = X'V^-1 X and Phi = K^-1,

  P_a = dK/dpsi_a,   Q_ab + Q_ba = d2K/dpsi_a dpsi_b   (Q_ab its symmetric part, half of that),
  I_ab = -d2 log det V - 2 tr(Phi Q_ab) + tr(Phi P_a Phi P_b),     W = 2 I^-1   (expected info.),
  Phi_A = Phi + 2 Phi [sum_ab W_ab (Q_ab - P_a Phi P_b)] Phi,

then the scaled F statistic of the paper. No matrix here has as many rows as the data: K and
log det V are the F_XX and l of the criterion, so their derivatives are at hand. For one row the
denominator is 2 / A2 directly (the paper's expression is 0/0 near df = 2). The 1997 paper is
followed, as by pbkrtest. SAS's ddfm=kr adds a term for covariance structures that are not linear
in their parameters and ddfm=kr2 (Kenward & Roger 2009) changes the bias correction for them; for
the structures here, which are linear in psi, both terms vanish.

The residual df n - p and normal theory (infinite df) are `Fixed`. Cluster-robust inference has a
variance and df of its own (`sandwich`).
"""

from __future__ import annotations

from typing import get_args

import numpy as np
from scipy.linalg import solve_triangular

from qsmstats.arrays import Floats
from qsmstats.errors import check_option
from qsmstats.method_names import DfMethod
from qsmstats.mixed.criterion.profiled import (
    Approximation,
    LargeSample,
    Moments,
    deviance_uncertainty,
)
from qsmstats.mixed.fitted import Uncertainty

__all__ = [
    "Fixed",
    "KenwardRoger",
    "Satterthwaite",
    "approximation",
    "in_basis",
    "quadratic_forms",
    "satterthwaite",
]


def approximation(moments: Uncertainty, df: DfMethod) -> Approximation:
    """Return the way that is asked for.

    Raises
    ------
    UsageError
        If it is unknown, or the fit has one way only.
    """
    if isinstance(moments, LargeSample):
        check_option("df", df, ["normal"])
        return Fixed(moments.covariance, np.inf)
    if not isinstance(moments, Moments):
        return moments.approximation(df)
    check_option("df", df, get_args(DfMethod))
    if df == "satterthwaite":
        return Satterthwaite(moments)
    if df == "kenward-roger":
        return KenwardRoger(moments)
    residual = float(moments.stratum_sizes.sum()) - len(moments.basis)
    covariance = moments.profile.inverse * moments.variance
    return Fixed(covariance, np.inf if df == "normal" else residual)


class Fixed:
    """The same degrees of freedom for everything."""

    def __init__(self, covariance: Floats, df: float) -> None:
        self.covariance, self.df = covariance, df

    def rows(self, rows: Floats) -> tuple[Floats, Floats]:
        """Variance and df of each row."""
        return quadratic_forms(rows, self.covariance), np.full(len(rows), self.df)

    def joint(self, rows: Floats, effects: Floats) -> tuple[float, float]:
        """F statistic and denominator df."""
        return wald_statistic(rows, effects, self.covariance), float(self.df)


class Satterthwaite:
    """Satterthwaite's approximation from the curvature of the deviance."""

    def __init__(self, moments: Moments) -> None:
        made, inverse = moments.profile, moments.profile.inverse
        variance = moments.variance
        p = len(inverse)
        first, second = moments.parametrisation.derivatives(moments.theta)
        self.covariance = inverse * variance
        slope = made.curve_first + made.rss_first / variance
        curve = made.curve_second + made.rss_second / variance
        self.uncertainty = deviance_uncertainty(
            first.T @ curve @ first + np.tensordot(slope, second, axes=1),
            first.T @ made.rss_first,
            made.rss,
            variance,
        )
        moved = -variance * inverse @ made.total.first[:, :p, :p] @ inverse
        self.slopes = np.tensordot(first.T, moved, axes=1)

    def rows(self, rows: Floats) -> tuple[Floats, Floats]:
        """Variance and df of each row."""
        return satterthwaite(rows, self.covariance, self.slopes, self.uncertainty)

    def joint(self, rows: Floats, effects: Floats) -> tuple[float, float]:
        """F statistic and denominator df, combined over the principal components."""
        size, axes = np.linalg.eigh(rows @ self.covariance @ rows.T)
        statistic = float(((axes.T @ effects) ** 2 / size).mean())
        return statistic, _combine(self.rows(axes.T @ rows)[1])


def in_basis(rows: Floats, root: Floats) -> Floats:
    """Rows of L in the basis of the cross-products: L R^-1, shape (k, p)."""
    if not len(root):
        return rows
    local: Floats = solve_triangular(root, rows.T, trans=1).T
    return local


def satterthwaite(
    rows: Floats, covariance: Floats, slopes: Floats, uncertainty: Floats
) -> tuple[Floats, Floats]:
    """Variance and Satterthwaite's df of each row, shapes (.., k), of one fit or of many.

    Parameters
    ----------
    rows
        L, shape (k, p).
    covariance, slopes
        C, shape (.., p, p), and its derivatives in theta, shape (.., m, p, p); in log sigma it is
        2 C.
    uncertainty
        A, shape (.., m + 1, m + 1).
    """
    variance = quadratic_forms(rows, covariance)
    moved = quadratic_forms(rows, slopes).swapaxes(-1, -2)
    slope = np.concatenate([moved, 2.0 * variance[..., None]], axis=-1)
    spread = ((slope @ uncertainty) * slope).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return variance, 2.0 * variance**2 / spread


def quadratic_forms(rows: Floats, matrices: Floats) -> Floats:
    """Return L M L' of each row of L, shape (k, p), and each matrix, shape (.., p, p): (.., k)."""
    forms: Floats = ((rows @ matrices) * rows).sum(axis=-1)
    return forms


def _combine(df: Floats) -> float:
    """Denominator df of a mean of squared independent t statistics."""
    if np.allclose(df, df[0], rtol=1e-8, atol=0.0):
        return float(df.mean())
    if np.any(df <= 2.0):
        return 2.0
    # The expected sum of the squares less their number; infinite df add nothing to it.
    excess = float((2.0 / (df - 2.0)).sum())
    return 2.0 + 2.0 * len(df) / excess


def wald_statistic(rows: Floats, effects: Floats, covariance: Floats) -> float:
    """Wald statistic over its number of rows."""
    return float(effects @ np.linalg.solve(rows @ covariance @ rows.T, effects)) / len(rows)


class KenwardRoger:
    """Kenward and Roger's adjusted covariance and scaled F statistic."""

    def __init__(self, moments: Moments) -> None:
        variance = moments.variance
        self.phi = moments.profile.inverse
        slopes, curves, information = _linear_derivatives(moments)
        pushed = self.phi @ slopes
        halves = 0.5 * curves
        information = (
            -information
            - 2.0 * np.einsum("ij,abji->ab", self.phi, halves)
            + np.einsum("aij,bji->ab", pushed, pushed)
        )
        self.slopes = slopes
        self.weights = 2.0 * _pseudo_inverse(information)
        middle = np.tensordot(self.weights, halves, axes=2) - np.einsum(
            "ab,aij,bjk->ik", self.weights, slopes, pushed, optimize=True
        )
        self.adjusted = self.phi + 2.0 * self.phi @ middle @ self.phi
        self.variance = variance
        self.covariance = self.adjusted * variance

    def rows(self, rows: Floats) -> tuple[Floats, Floats]:
        """Return adjusted variance and df of each row."""
        plain = quadratic_forms(rows, self.phi)
        side = rows @ self.phi
        trace = quadratic_forms(side, self.slopes).T
        spread = ((trace @ self.weights) * trace).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            df = 2.0 * plain**2 / spread
        return quadratic_forms(rows, self.covariance), df

    def joint(self, rows: Floats, effects: Floats) -> tuple[float, float]:
        """Scaled F statistic and denominator df."""
        unscaled = wald_statistic(rows, effects, self.covariance)
        if len(rows) == 1:
            return unscaled, float(self.rows(rows)[1][0])
        theta = rows.T @ np.linalg.solve(rows @ self.phi @ rows.T, rows) @ self.phi
        moved = theta @ self.slopes @ self.phi
        trace = np.einsum("aii->a", moved)
        a1 = float(trace @ self.weights @ trace)
        a2 = float(np.einsum("ab,aij,bji->", self.weights, moved, moved, optimize=True))
        df, scale = _scaled_f(len(rows), a1, a2)
        return scale * unscaled, df


def _scaled_f(q: int, a1: float, a2: float) -> tuple[float, float]:
    """Denominator df and scale of the F statistic of q rows (Kenward & Roger 1997, section 3).

    The paper's df = 4 + (q + 2) / (q rho - 1) with q rho = (V3 / V1)^2 V0 / V2 is written here
    without a quotient that can be 0 / 0. Of its singular points,

    * V2 = 0 is df = 4 (rho is infinite), and V1 = 0 alone is df = 4, too;
    * V1 = V3 = 0 is df = 2 in a balanced design, where they are the same number: their ratio is
      one, as in pbkrtest;
    * A1 = A2 = 0 means that no variance is uncertain: df is infinite;
    * df <= 0 or a scale <= 0 is no F distribution; nothing can be said, and both are NaN.
    """
    if a2 <= 0.0:
        return np.inf, 1.0
    b = (a1 + 6.0 * a2) / (2.0 * q)
    g = ((q + 1) * a1 - (q + 4) * a2) / ((q + 2) * a2)
    # A1 lies between 0 and q A2, so that d is at least q + 6.
    d = 3 * q + 2 * (1 - g)
    c1, c2, c3 = g / d, (q - g) / d, (q + 2 - g) / d
    v0, v1, v2, v3 = 1.0 + c1 * b, 1.0 - c2 * b, 1.0 - c3 * b, 1.0 - a2 / q
    above, below = (1.0, 1.0) if max(abs(v3), abs(v1)) < 1e-8 else (v3**2, v1**2)
    excess = above * v0 - below * v2
    if v2 > 0.0 and excess <= 0.0:
        # The variance is that of a chi-squared, within rounding.
        return np.inf, v3
    df = 4.0 + (q + 2) * below * v2 / excess if excess else np.nan
    # Both factors vanish at df = 2; pbkrtest guards the ratio in the same interval.
    scale = 1.0 if abs(df - 2.0) < 1e-2 else df * v3 / (df - 2.0)
    return (df, scale) if df > 0.0 and scale > 0.0 else (np.nan, np.nan)


def _pseudo_inverse(information: Floats) -> Floats:
    """Inverse of a symmetric matrix over its non-zero directions, after scaling to unit diagonal.

    Parameters that the design cannot tell apart leave a zero direction; the quantities it would
    move do not matter to any estimable function.
    """
    scale = np.sqrt(np.maximum(np.abs(np.diag(information)), 1e-300))
    size, axes = np.linalg.eigh(information / np.outer(scale, scale))
    used = np.abs(size) > 1e-11 * np.abs(size).max()
    inverse: Floats = (axes[:, used] / size[used]) @ axes[:, used].T
    inverse /= np.outer(scale, scale)
    return inverse


def _linear_derivatives(moments: Moments) -> tuple[Floats, Floats, Floats]:
    """Return derivatives of K = X'V^-1X (first and second) and of log det V (second) in psi.

    psi = (s_1 .. s_S, phi): the strata's residual variances and the random covariances, in units
    of s_1. With x = (w_2 .. w_S, t): w_s = s_1 / s_s, t = phi / s_1, K = F_XX(x) / s_1 and
    log det V = l(x) + sum_s n_s log s_s.
    """
    made, p = moments.profile, len(moments.profile.inverse)
    strata = moments.parametrisation.strata
    x = moments.parametrisation.values(moments.theta)
    jacobian, curvature = _ratio_derivatives(x, strata)
    value = made.total.value[:p, :p]
    first = np.tensordot(jacobian.T, made.total.first[:, :p, :p], axes=1)
    second = np.einsum(
        "ka,klij,lb->abij",
        jacobian,
        made.total.second_matrix()[:, :, :p, :p],
        jacobian,
        optimize=True,
    ) + np.tensordot(curvature.T, made.total.first[:, :p, :p], axes=1)
    second[0] -= first
    second[:, 0] -= first
    second[0, 0] += 2.0 * value
    slopes = first.copy()
    slopes[0] -= value
    logdet = jacobian.T @ made.logdet.second_matrix() @ jacobian + np.tensordot(
        made.logdet.first, curvature, axes=1
    )
    precisions = np.r_[1.0, x[:strata]]
    place = np.arange(strata + 1)
    logdet[place, place] -= moments.stratum_sizes * precisions**2
    return slopes, second, logdet


def _ratio_derivatives(x: Floats, strata: int) -> tuple[Floats, Floats]:
    """Return derivatives of x = (s_1 / s_s, phi / s_1) in psi = (s_1 .. s_S, phi) at s_1 = 1.

    Shapes (m, m + 1) and (m, m + 1, m + 1).
    """
    m = len(x)
    jacobian = np.zeros((m, m + 1))
    curvature = np.zeros((m, m + 1, m + 1))
    for k in range(m):
        own = k + 1
        if k < strata:
            w = x[k]
            jacobian[k, 0], jacobian[k, own] = w, -(w**2)
            curvature[k, 0, own] = curvature[k, own, 0] = -(w**2)
            curvature[k, own, own] = 2.0 * w**3
        else:
            jacobian[k, 0], jacobian[k, own] = -x[k], 1.0
            curvature[k, 0, own] = curvature[k, own, 0] = -1.0
            curvature[k, 0, 0] = 2.0 * x[k]
    return jacobian, curvature
