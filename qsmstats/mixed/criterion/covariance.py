"""Relative covariance matrices of the random terms and their parameters.

Term k has T_k = L_k L_k' (q x q), L_k lower triangular: theta holds the elements of all L_k column
by column, as lme4's (Bates et al. 2015, section 3.2). The likelihood needs T only through its
distinct elements t; t is quadratic in theta, so all derivatives of the chain rule are exact:

  dt / dtheta   linear in theta,     d2t / dtheta2   constant.

Residual variances that differ between strata enter as precisions relative to the first stratum,
w_s = exp(-2 lambda_s) (Pinheiro & Bates 2000, Mixed-Effects Models in S and S-PLUS, section 5.2);
they precede t in the vector of model parameters: x = (w_2 .. w_S, t).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from qsmstats.arrays import Floats, Places

__all__ = ["Parametrisation", "lower_factor", "lower_triangle"]


@cache
def lower_triangle(width: int) -> tuple[Places, Places]:
    """Rows and columns of a lower triangle, column by column; read only."""
    columns, rows = np.triu_indices(width)
    for made in (rows, columns):
        made.setflags(write=False)
    return rows, columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Parametrisation:
    """The map from free parameters (lambda, theta) to model parameters (w, t).

    Attributes
    ----------
    strata
        Number of free log standard-deviation ratios (residual strata less one).
    widths
        Number of columns of each random term, in the order of the parameters.
    """

    strata: int
    widths: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of parameters."""
        return self.strata + sum(width * (width + 1) // 2 for width in self.widths)

    def start(self) -> Floats:
        """Equal residual variances and identity matrices."""
        blocks = [np.eye(width)[lower_triangle(width)] for width in self.widths]
        return np.concatenate([np.zeros(self.strata), *blocks])

    def split(self, theta: Floats) -> list[Floats]:
        """Return the parameters of each term."""
        sizes = [width * (width + 1) // 2 for width in self.widths]
        return np.split(theta[self.strata :], np.cumsum(sizes)[:-1])

    def factors(self, theta: Floats) -> list[Floats]:
        """Return the Cholesky factors L of all terms."""
        made = []
        for width, part in zip(self.widths, self.split(theta), strict=True):
            factor = np.zeros((width, width))
            factor[lower_triangle(width)] = part
            made.append(factor)
        return made

    def join(self, log_ratios: Floats, factors: Sequence[Floats]) -> Floats:
        """Parameters from log ratios and Cholesky factors."""
        parts = [factor[lower_triangle(len(factor))] for factor in factors]
        return np.concatenate([log_ratios, *parts])

    def values(self, theta: Floats) -> Floats:
        """Model parameters x = (w, t), shape (size,)."""
        parts = [(factor @ factor.T)[lower_triangle(len(factor))] for factor in self.factors(theta)]
        return np.concatenate([np.exp(-2.0 * theta[: self.strata]), *parts])

    def derivatives(self, theta: Floats) -> tuple[Floats, Floats]:
        """dx_k / dtheta_a, shape (size, size), and d2x_k / dtheta_a dtheta_b, (size,) * 3."""
        first = np.zeros((self.size, self.size))
        second = np.zeros((self.size,) * 3)
        strata = np.arange(self.strata)
        precision = np.exp(-2.0 * theta[: self.strata])
        first[strata, strata] = -2.0 * precision
        second[strata, strata, strata] = 4.0 * precision
        start = self.strata
        for factor in self.factors(theta):
            stop = start + len(factor) * (len(factor) + 1) // 2
            inside = slice(start, stop)
            first[inside, inside], second[inside, inside, inside] = _product_derivatives(factor)
            start = stop
        return first, second

    def orient(self, theta: Floats) -> Floats:
        """Return the same covariances with every diagonal of L at or above zero."""
        factors = self.factors(theta)
        signed = [factor * np.where(np.diag(factor) < 0, -1.0, 1.0) for factor in factors]
        return self.join(theta[: self.strata], signed)


def _product_derivatives(factor: Floats) -> tuple[Floats, Floats]:
    """Return derivatives of vech(L L') in vech(L): t_rc = sum_s L_rs L_cs."""
    rows, columns = lower_triangle(len(factor))
    eye = np.eye(len(factor))
    # Element k = (r, c), parameter a = (i, s): [r = i] L_cs + [c = i] L_rs.
    first = (
        eye[rows][:, rows] * factor[columns][:, columns]
        + eye[columns][:, rows] * factor[rows][:, columns]
    )
    same = eye[columns][:, columns]
    pair = np.einsum("ka,kb->kab", eye[rows][:, rows], eye[columns][:, rows])
    second = (pair + pair.transpose(0, 2, 1)) * same
    return first, second


def lower_factor(matrix: Floats) -> Floats:
    """Return the lower triangular factor with non-negative diagonal and the same L L'.

    Of one matrix, shape (q, q), or of each of a stack, shape (.., q, q).
    """
    upper = np.asarray(np.linalg.qr(matrix.swapaxes(-1, -2), mode="r"))
    signs = np.where(np.einsum("...ii->...i", upper) < 0.0, -1.0, 1.0)
    lower: Floats = upper.swapaxes(-1, -2) * signs[..., None, :]
    return lower
