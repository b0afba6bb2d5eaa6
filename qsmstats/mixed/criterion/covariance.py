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

__all__ = [
    "Parametrisation",
    "factor_elements",
    "factors_of",
    "lower_factor",
    "lower_triangle",
]


@cache
def lower_triangle(width: int) -> tuple[Places, Places]:
    """Rows and columns of a lower triangle, column by column; read only."""
    columns, rows = np.triu_indices(width)
    for made in (rows, columns):
        made.setflags(write=False)
    return rows, columns


def factors_of(theta: Floats, widths: Sequence[int]) -> list[Floats]:
    """Cholesky factors of terms with these widths, shapes (.., q, q), from theta, shape (.., k)."""
    made, start = [], 0
    for width in widths:
        rows, columns = lower_triangle(width)
        factor = np.zeros((*theta.shape[:-1], width, width))
        factor[..., rows, columns] = theta[..., start : start + len(rows)]
        made.append(factor)
        start += len(rows)
    return made


def factor_elements(factors: Sequence[Floats]) -> Floats:
    """Return theta, shape (.., k), from Cholesky factors: the inverse of `factors_of`."""
    parts = [factor[(..., *lower_triangle(factor.shape[-1]))] for factor in factors]
    return np.concatenate(parts, axis=-1)


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
        return self.join(np.zeros(self.strata), [np.eye(width) for width in self.widths])

    def factors(self, theta: Floats) -> list[Floats]:
        """Return the Cholesky factors L of all terms, for theta of shape (.., size)."""
        return factors_of(theta[..., self.strata :], self.widths)

    def join(self, log_ratios: Floats, factors: Sequence[Floats]) -> Floats:
        """Parameters, shape (.., size), from log ratios and Cholesky factors."""
        return np.concatenate([log_ratios, factor_elements(factors)], axis=-1)

    def values(self, theta: Floats) -> Floats:
        """Model parameters x = (w, t), for theta of shape (.., size)."""
        relative = [factor @ factor.swapaxes(-1, -2) for factor in self.factors(theta)]
        return self.join(np.exp(-2.0 * theta[..., : self.strata]), relative)

    def derivatives(self, theta: Floats) -> tuple[Floats, Floats]:
        """dx_k / dtheta_a, shape (.., size, size), and d2x_k / dtheta_a dtheta_b, (.., size * 3).

        theta has the shape (.., size).
        """
        size = self.size
        first = np.zeros((*theta.shape[:-1], size, size))
        second = np.zeros((*theta.shape[:-1], size, size, size))
        if self.strata:
            strata = np.arange(self.strata)
            precision = np.exp(-2.0 * theta[..., : self.strata])
            first[..., strata, strata] = -2.0 * precision
            second[..., strata, strata, strata] = 4.0 * precision
        start = self.strata
        for factor in self.factors(theta):
            width = factor.shape[-1]
            stop = start + width * (width + 1) // 2
            inside = slice(start, stop)
            made = _product_derivatives(factor)
            first[..., inside, inside], second[..., inside, inside, inside] = made
            start = stop
        return first, second

    def orient(self, theta: Floats) -> Floats:
        """Return the same covariances with every diagonal of L at or above zero."""
        signed = []
        for factor in self.factors(theta):
            negative = np.diagonal(factor, axis1=-2, axis2=-1) < 0
            signed.append(factor * np.where(negative, -1.0, 1.0)[..., None, :])
        return self.join(theta[..., : self.strata], signed)


def _product_derivatives(factor: Floats) -> tuple[Floats, Floats]:
    """Return derivatives of vech(L L') in vech(L): t_rc = sum_s L_rs L_cs."""
    rows, columns = lower_triangle(factor.shape[-1])
    in_row, in_column, second = _product_places(factor.shape[-1])
    # Element k = (r, c), parameter a = (i, s): [r = i] L_cs + [c = i] L_rs.
    first = (
        in_row * factor[..., columns[:, None], columns]
        + in_column * factor[..., rows[:, None], columns]
    )
    return first, second


@cache
def _product_places(width: int) -> tuple[Floats, Floats, Floats]:
    """[r = i], [c = i] and the second derivatives of `_product_derivatives`; read only."""
    rows, columns = lower_triangle(width)
    eye = np.eye(width)
    in_row, in_column = eye[rows][:, rows], eye[columns][:, rows]
    pair = np.einsum("ka,kb->kab", in_row, in_column)
    second = (pair + pair.transpose(0, 2, 1)) * eye[columns][:, columns]
    for made in (in_row, in_column, second):
        made.setflags(write=False)
    return in_row, in_column, second


def lower_factor(matrix: Floats) -> Floats:
    """Return the lower triangular factor with non-negative diagonal and the same L L'.

    Of one matrix, shape (q, q), or of each of a stack, shape (.., q, q).
    """
    if matrix.shape[-1] == 1:
        return np.abs(matrix)
    upper = np.asarray(np.linalg.qr(matrix.swapaxes(-1, -2), mode="r"))
    signs = np.where(np.einsum("...ii->...i", upper) < 0.0, -1.0, 1.0)
    lower: Floats = upper.swapaxes(-1, -2) * signs[..., None, :]
    return lower
