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
    "covariance_of_variances",
    "expected_df",
    "in_basis",
    "kenward_roger_covariance",
    "logdet_curves",
    "precision_curves",
    "precision_slopes",
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
    return variance, _moment_df(variance, slope, uncertainty)


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
        made, phi = moments.profile, moments.profile.inverse
        p, strata = len(phi), moments.parametrisation.strata
        x = moments.parametrisation.values(moments.theta)
        # Elements of K before the parameters.
        value = made.total.value[:p, :p].ravel()
        first = made.total.first[:, :p, :p].reshape(len(x), p * p).T
        second = np.moveaxis(made.total.second_matrix()[:, :, :p, :p], (0, 1), (2, 3))
        self.slopes = precision_slopes(x, strata, value, first).T.reshape(len(x) + 1, p, p)
        second = second.reshape(p * p, len(x), len(x))
        curves = precision_curves(x, strata, value, first, second)
        curves = np.moveaxis(curves.reshape(p, p, len(x) + 1, len(x) + 1), (0, 1), (2, 3))
        logdet = logdet_curves(
            x, moments.stratum_sizes, made.logdet.first, made.logdet.second_matrix()
        )
        self.phi, self.variance = phi, moments.variance
        trace = np.einsum("ij,abji->ab", phi, curves)
        self.weights = covariance_of_variances(phi, self.slopes, logdet + trace)
        adjusted = kenward_roger_covariance(
            phi, phi, phi, self.slopes, self.weights, phi @ curves @ phi
        )
        self.covariance = adjusted * self.variance

    def rows(self, rows: Floats) -> tuple[Floats, Floats]:
        """Return adjusted variance and df of each row."""
        df = expected_df(rows, self.phi, self.slopes, self.weights)
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


def covariance_of_variances(phi: Floats, slopes: Floats, bend: Floats) -> Floats:
    """W, shape (.., a, a), of the a variance parameters psi, of one fit or of many.

    Parameters
    ----------
    phi, slopes
        Phi, shape (.., p, p), and P_a, shape (.., a, p, p).
    bend
        d2 log det V + tr(Phi d2K), shape (.., a, a).
    """
    p = phi.shape[-1]
    pushed = phi[..., None, :, :] @ slopes
    flat = pushed.reshape(*pushed.shape[:-2], p * p)
    turned = pushed.swapaxes(-1, -2).reshape(*pushed.shape[:-2], p * p)
    return 2.0 * _pseudo_inverse(flat @ turned.swapaxes(-1, -2) - bend)


def kenward_roger_covariance(
    sides: Floats, plain: Floats, phi: Floats, slopes: Floats, weights: Floats, curves: Floats
) -> Floats:
    """L Phi_A L' of a set of k rows, shape (.., k, k), at a residual variance of one.

    Parameters
    ----------
    sides, plain
        L Phi and L Phi L', shapes (.., k, p) and (.., k, k).
    phi, slopes, weights
        Phi, P_a and W, shapes (.., p, p), (.., a, p, p) and (.., a, a).
    curves
        L Phi d2K Phi L', shape (.., a, a, k, k).
    """
    moved = sides[..., None, :, :] @ slopes
    # sum_b W_ab L Phi P_b, so that one sum over a is left.
    mixed = np.einsum("...ab,...bkp->...akp", weights, moved)
    twice = (moved @ phi[..., None, :, :] @ mixed.swapaxes(-1, -2)).sum(axis=-3)
    made: Floats = plain + np.einsum("...ab,...abkl->...kl", weights, curves) - 2.0 * twice
    return made


def expected_df(rows: Floats, phi: Floats, slopes: Floats, weights: Floats) -> Floats:
    """Degrees of freedom of each row of L, shape (k, p): (.., k); others as above."""
    slope = -quadratic_forms((rows @ phi)[..., None, :, :], slopes).swapaxes(-1, -2)
    return _moment_df(quadratic_forms(rows, phi), slope, weights)


def _moment_df(variance: Floats, slope: Floats, uncertainty: Floats) -> Floats:
    """2 v^2 / (g'A g) of variances v, shape (.., k), with gradients g, shape (.., k, m)."""
    spread = ((slope @ uncertainty) * slope).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        df: Floats = 2.0 * variance**2 / spread
    return df


def _pseudo_inverse(information: Floats) -> Floats:
    """Inverse of symmetric matrices over their non-zero directions, scaled to unit diagonal.

    Parameters that the design cannot tell apart leave a zero direction; the quantities it would
    move do not matter to any estimable function.
    """
    diagonal = np.einsum("...aa->...a", information)
    scale = np.sqrt(np.maximum(np.abs(diagonal), 1e-300))
    scales = scale[..., :, None] * scale[..., None, :]
    size, axes = np.linalg.eigh(information / scales)
    used = np.abs(size) > 1e-11 * np.abs(size).max(axis=-1, keepdims=True)
    shares = np.where(used, 1.0 / np.where(used, size, 1.0), 0.0)
    inverse: Floats = (axes * shares[..., None, :]) @ axes.swapaxes(-1, -2) / scales
    return inverse


def precision_slopes(x: Floats, strata: int, value: Floats, first: Floats) -> Floats:
    """Return derivatives in psi, shape (.., t, a), of linear functions of K.

    psi = (s_1 .. s_S, phi): the strata's residual variances and the random covariances, in units
    of s_1. With x = (w_2 .. w_S, t): w_s = s_1 / s_s, t = phi / s_1, and K = F_XX(x) / s_1.

    Parameters
    ----------
    x, strata
        Model parameters, shape (.., m), and how many of them are precisions.
    value, first
        t linear functions of F_XX and their derivatives in x, shapes (.., t) and (.., t, m).
    """
    made: Floats = first @ _ratio_derivatives(x, strata)[0]
    made[..., 0] -= value
    return made


def precision_curves(
    x: Floats, strata: int, value: Floats, first: Floats, second: Floats
) -> Floats:
    """Return second derivatives in psi, shape (.., t, a, a), of the same linear functions of K.

    `second` are those in x, shape (.., t, m, m).
    """
    made = _chain(x, strata, first, second)
    slope = first @ _ratio_derivatives(x, strata)[0]
    made[..., 0, :] -= slope
    made[..., :, 0] -= slope
    made[..., 0, 0] += 2.0 * value
    return made


def logdet_curves(x: Floats, sizes: Floats, first: Floats, second: Floats) -> Floats:
    """Second derivatives of log det V = l(x) + sum_s n_s log s_s in psi, shape (.., a, a).

    Parameters
    ----------
    x
        Model parameters, shape (.., m).
    sizes
        n_s, shape (.., S).
    first, second
        Derivatives of l in x, shapes (.., m) and (.., m, m).
    """
    strata = sizes.shape[-1] - 1
    made = _chain(x, strata, first[..., None, :], second[..., None, :, :])[..., 0, :, :]
    made[..., 0, 0] -= sizes[..., 0]
    place = np.arange(1, strata + 1)
    made[..., place, place] -= sizes[..., 1:] * x[..., :strata] ** 2
    return made


def _chain(x: Floats, strata: int, first: Floats, second: Floats) -> Floats:
    """Second derivatives in psi of functions with derivatives in x (.., t, m), (.., t, m, m)."""
    jacobian, curvature = _ratio_derivatives(x, strata)
    jacobian = jacobian[..., None, :, :]
    made = jacobian.swapaxes(-1, -2) @ second @ jacobian
    bent = first @ curvature.reshape(*jacobian.shape[:-3], x.shape[-1], -1)
    return np.asarray(made + bent.reshape(made.shape))


def _ratio_derivatives(x: Floats, strata: int) -> tuple[Floats, Floats]:
    """Return derivatives of x = (s_1 / s_s, phi / s_1) in psi = (s_1 .. s_S, phi) at s_1 = 1.

    Shapes (.., m, m + 1) and (.., m, m + 1, m + 1).
    """
    m = x.shape[-1]
    jacobian = np.zeros((*x.shape, m + 1))
    curvature = np.zeros((*x.shape, m + 1, m + 1))
    for k in range(m):
        own, at = k + 1, x[..., k]
        if k < strata:
            jacobian[..., k, 0], jacobian[..., k, own] = at, -(at**2)
            curvature[..., k, 0, own] = curvature[..., k, own, 0] = -(at**2)
            curvature[..., k, own, own] = 2.0 * at**3
        else:
            jacobian[..., k, 0], jacobian[..., k, own] = -at, 1.0
            curvature[..., k, 0, own] = curvature[..., k, own, 0] = -1.0
            curvature[..., k, 0, 0] = 2.0 * at
    return jacobian, curvature
