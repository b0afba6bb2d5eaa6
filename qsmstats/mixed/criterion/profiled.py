"""The profiled REML and ML criterion with exact gradient and Hessian.

With F(x) = U'(V/s2)^-1 U and l(x) = log det of the relative covariance (see `nested`), U = [X | y],

  nu = n - p (REML) or n (ML),    r2 = F_yy - F_yX F_XX^-1 F_Xy,
  b  = F_XX^-1 F_Xy,              s2 = r2 / nu,
  f  = l + [REML: log det F_XX] + nu (1 + log(2 pi r2 / nu))

is -2 log likelihood, profiled over b and s2 (Bates et al. 2015, equations 39 and 42). With
v = (-b, 1), so that r2 = v'F v,

  dr2 = v' dF v,     d2r2_ij = v' d2F_ij v - 2 (dF_i v)_X' F_XX^-1 (dF_j v)_X.

Second derivatives of F enter the Hessian only through those of l + <F, W> with

  W = nu / r2 v v' + [REML: F_XX^-1]

held (<A, B> = tr A'B), so that a search need not form them (`curvature`).

The parameters x are functions of the free parameters theta (see `covariance`); the chain rule
carries gradient and Hessian over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np

from qsmstats.arrays import Floats
from qsmstats.errors import NotIdentifiedError
from qsmstats.method_names import DfMethod
from qsmstats.mixed.criterion.covariance import Parametrisation
from qsmstats.mixed.criterion.derivatives import Jet

__all__ = [
    "LEAST_RESIDUAL",
    "REPRODUCED",
    "Approximation",
    "InferenceOf",
    "LargeSample",
    "Moments",
    "Objective",
    "Point",
    "Profile",
    "deviance_uncertainty",
    "profile",
]


REPRODUCED = (
    "the random effects reproduce the outcome to within rounding: no residual variance is left; "
    "remove a random term"
)

# Residual variance, in units of the outcome's, below which differences of squares hold no digits.
LEAST_RESIDUAL = 1e-13


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The criterion profiled over b and s2 at model parameters x, with what inference needs of it.

    Attributes
    ----------
    value
        f, on the scale of the cross-products.
    gradient
        df/dx, shape (m,).
    estimates
        b, shape (p,).
    inverse
        F_XX^-1, shape (p, p).
    rss
        r2, the penalised residual sum of squares.
    degrees
        nu.
    total, logdet
        F and l with their derivatives.
    weight
        W, shape (p + 1, p + 1).
    rss_first, curve_first
        Derivatives of r2 and of l [+ log det F_XX], shapes (m,).
    rss_bend, curve_bend
        What the second derivatives of r2 and of log det F_XX owe to the first of F, shapes (m, m).
    reml
        REML or ML.
    """

    value: float
    gradient: Floats
    estimates: Floats
    inverse: Floats
    rss: float
    degrees: int
    total: Jet
    logdet: Jet
    weight: Floats
    rss_first: Floats
    curve_first: Floats
    rss_bend: Floats
    curve_bend: Floats
    reml: bool

    @property
    def rss_second(self) -> Floats:
        """Second derivatives of r2, shape (m, m)."""
        v = np.append(-self.estimates, 1.0)
        made: Floats = self.total.second_matrix() @ v @ v + self.rss_bend
        return made

    @property
    def curve_second(self) -> Floats:
        """Second derivatives of l [+ log det F_XX], shape (m, m)."""
        made, p = self.logdet.second_matrix() + self.curve_bend, len(self.estimates)
        if self.reml:
            second = self.total.second_matrix()[:, :, :p, :p]
            made = made + np.einsum("ij,abji->ab", self.inverse, second)
        return made

    def hessian(self, curvature: Floats) -> Floats:
        """d2f/dx2 from the second derivatives of l + <F, W> with W held, shapes (m, m)."""
        slope = self.rss_first / self.rss
        bend = self.rss_bend / self.rss - np.outer(slope, slope)
        made: Floats = curvature + self.curve_bend + self.degrees * bend
        return made


def profile(total: Jet, logdet: Jet, n: int, *, reml: bool, rank: int) -> Profile:
    """Profile the criterion over the fixed effects and the residual variance.

    Parameters
    ----------
    total, logdet
        F, shape (p + 1, p + 1), and l.
    n
        Number of rows.
    reml
        REML or ML.
    rank
        Number of fixed effects p.
    """
    p = rank
    first = total.first
    factor = np.linalg.cholesky(total.value[:p, :p])
    root = np.linalg.inv(factor)
    inverse = root.T @ root
    estimates = inverse @ total.value[:p, p]
    v = np.ones(p + 1)
    v[:p] = -estimates
    moved = first @ v
    rss = float(v @ total.value @ v)
    rss_first = moved @ v
    curve, curve_first = float(logdet.value), logdet.first
    degrees = n - p if reml else n
    weight, curve_bend = degrees / rss * v[:, None] * v, np.zeros((len(first),) * 2)
    if reml:
        curve += 2.0 * float(np.log(factor.diagonal()).sum())
        pushed = inverse @ first[:, :p, :p]
        curve_first = curve_first + np.einsum("aii->a", pushed)
        curve_bend = -np.einsum("aij,bji->ab", pushed, pushed)
        weight[:p, :p] += inverse
    return Profile(
        value=curve + degrees * (1.0 + np.log(2.0 * np.pi * rss / degrees)),
        gradient=curve_first + degrees * rss_first / rss,
        estimates=estimates,
        inverse=inverse,
        rss=rss,
        degrees=degrees,
        total=total,
        logdet=logdet,
        weight=weight,
        rss_first=rss_first,
        curve_first=curve_first,
        rss_bend=-2.0 * moved[:, :p] @ inverse @ moved[:, :p].T,
        curve_bend=curve_bend,
        reml=reml,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The criterion f at free parameters theta.

    Attributes
    ----------
    theta
        Free parameters (log ratios, Cholesky elements), shape (m,).
    value
        The criterion.
    gradient, hessian
        In theta, shapes (m,) and (m, m).
    profile
        The profile at x(theta).
    """

    theta: Floats
    value: float
    gradient: Floats
    hessian: Floats
    profile: Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """The profiled criterion f as a function of the free parameters theta.

    Attributes
    ----------
    evaluate
        x -> F, l with derivatives.
    search
        x -> F, l with first derivatives, and W -> second derivatives of l + <F, W>; None where
        `evaluate` is all there is.
    parametrisation
        theta -> x.
    counts
        Rows of each residual stratum but the first, shape (strata - 1,).
    n, rank
        Rows and fixed effects.
    reml
        REML or ML.
    """

    evaluate: Callable[[Floats], tuple[Jet, Jet]]
    search: Callable[[Floats], tuple[Jet, Jet, Callable[[Floats], Floats]]] | None
    parametrisation: Parametrisation
    counts: Floats
    n: int
    rank: int
    reml: bool

    def at(self, theta: Floats, *, second: bool = True) -> Point:
        """Evaluate the criterion with gradient and Hessian.

        Parameters
        ----------
        theta
            Free parameters.
        second
            Whether the profile needs second derivatives of F and l themselves, as inference does.

        Raises
        ------
        NotIdentifiedError
            If no residual variance is left.
        """
        x = self.parametrisation.values(theta)
        curvature: Callable[[Floats], Floats]
        if second or self.search is None:
            total, logdet = self.evaluate(x)
            curvature = partial(_contracted, total, logdet)
        else:
            total, logdet, curvature = self.search(x)
        try:
            made = profile(total, logdet, self.n, reml=self.reml, rank=self.rank)
        except np.linalg.LinAlgError:
            raise NotIdentifiedError(REPRODUCED) from None
        if not made.rss > LEAST_RESIDUAL * made.degrees:
            raise NotIdentifiedError(REPRODUCED)
        hessian = made.hessian(curvature(made.weight))
        first, bend = self.parametrisation.derivatives(theta)
        # log det V holds -sum_s n_s log w_s, which is 2 lambda_s n_s: linear in theta.
        constant = np.zeros(len(theta))
        constant[: len(self.counts)] = 2.0 * self.counts
        return Point(
            theta=theta,
            value=made.value + float(constant @ theta),
            gradient=first.T @ made.gradient + constant,
            hessian=first.T @ hessian @ first + np.einsum("k,kab->ab", made.gradient, bend),
            profile=made,
        )


def _contracted(total: Jet, logdet: Jet, weight: Floats) -> Floats:
    """Second derivatives of l + <F, W> with W held, shape (m, m)."""
    made: Floats = np.einsum("abij,ij->ab", total.second_matrix(), weight)
    return logdet.second_matrix() + made


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """What inference needs of an optimum, in the basis and on the scale of the cross-products.

    Attributes
    ----------
    profile
        The profiled criterion at the optimum.
    parametrisation, theta
        Free parameters of the optimum.
    basis
        Upper triangular R with X = Q R, shape (p, p).
    scale
        Length of the outcome's unit in the user's.
    stratum_sizes
        Rows of each residual stratum, shape (strata,).
    """

    profile: Profile
    parametrisation: Parametrisation
    theta: Floats
    basis: Floats
    scale: float
    stratum_sizes: Floats

    @property
    def variance(self) -> float:
        """Residual variance on the scale of the cross-products."""
        return self.profile.rss / self.profile.degrees


@dataclass(frozen=True, slots=True, kw_only=True)
class LargeSample:
    """What inference needs of a fit by maximum likelihood for which only large samples are known.

    Attributes
    ----------
    covariance
        Covariance of the fixed effects in the basis Q, X = Q R, shape (p, p).
    basis, scale
        As in `Moments`.
    """

    covariance: Floats
    basis: Floats
    scale: float = 1.0


class Approximation(Protocol):
    """One way to find degrees of freedom, in the local basis and with sigma on the local scale."""

    @property
    def covariance(self) -> Floats:
        """Covariance of the local estimates."""

    def rows(self, rows: Floats) -> tuple[Floats, Floats]:
        """Variance and df of each row."""

    def joint(self, rows: Floats, effects: Floats) -> tuple[float, float]:
        """F statistic and denominator df of independent rows with the given estimates."""


class InferenceOf(Protocol):
    """What inference needs of estimates that are not those of one fit, such as pooled ones.

    `basis` and `scale` are as in `Moments`.
    """

    @property
    def basis(self) -> Floats:
        """Columns of the fixed part in the basis of the estimates."""

    @property
    def scale(self) -> float:
        """Unit of the outcome."""

    def approximation(self, df: DfMethod) -> Approximation:
        """Return the way that is asked for."""


def deviance_uncertainty(
    curvature: Floats, rss_slope: Floats, rss: Floats | float, variance: Floats | float
) -> Floats:
    """Covariance of (theta, log sigma): 2 H^-1, H the Hessian of the deviance at the optimum.

    Of one fit or, with m first in all shapes, of many. Directions in which the deviance does not
    curve upwards are left out.

    Parameters
    ----------
    curvature
        Hessian of the deviance in theta at fixed residual variance, shape (k, k).
    rss_slope
        Gradient of r2 in theta, shape (k,).
    rss, variance
        r2 and the residual variance, shape ().
    """
    k = curvature.shape[-1]
    whole = np.empty((*curvature.shape[:-2], k + 1, k + 1))
    whole[..., :k, :k] = curvature
    mixed = rss_slope * np.asarray(-2.0 / variance)[..., None]
    whole[..., :k, k] = whole[..., k, :k] = mixed
    whole[..., k, k] = 4.0 * rss / variance
    size, axes = np.linalg.eigh(np.where(np.isfinite(whole), whole, 0.0))
    curved = size > 1e-9 * np.maximum(size[..., -1:], 1.0)
    shares = np.where(curved, 2.0 / np.where(curved, size, 1.0), 0.0)
    made: Floats = (axes * shares[..., None, :]) @ axes.swapaxes(-1, -2)
    return made
